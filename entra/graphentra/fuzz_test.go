package graphentra_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit/entra/graphentra"
)

// FuzzPlan reads plans from wherever they were stored. What is taken is written as it was read, and can be printed.
func FuzzPlan(f *testing.F) {
	f.Add([]byte(`{"version":1,"id":"11111111-2222-4333-8444-555555555555","tenant":"north","key":"signin","graph":"11111111-2222-4333-8444-555555555555",` +
		`"made":"2026-11-27T22:00:00Z","steps":[{"kind":"application.update","op":"update","what":"x","changes":[{"field":"tags","from":["a"],"to":[{"b":1}]}]}],` +
		`"kept":[{"what":"tag","which":"b"}],"notes":["n"]}`))
	f.Add([]byte(`{"version":1,"id":"11111111-2222-4333-8444-555555555555","tenant":"north","key":"signin","graph":"11111111-2222-4333-8444-555555555555",` +
		`"steps":[{"kind":"application.update","op":"update","changes":[{"field":"x","to":[{"\u007f\u202e":0}]}]}]}`))
	f.Add([]byte(`{"version":1}`))
	f.Add([]byte(`[]`))
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := graphentra.ParsePlan(b)
		if err != nil {
			require.Nil(t, p)
			return
		}
		for _, r := range p.String() {
			require.True(t, r == '\n' || r >= ' ' && r != 0x7f, "%U", r)
		}
		out, err := json.Marshal(p)
		require.NoError(t, err)
		again, err := graphentra.ParsePlan(out)
		require.NoError(t, err)
		twice, err := json.Marshal(again)
		require.NoError(t, err)
		require.JSONEq(t, string(out), string(twice))
	})
}
