package teamstest_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit/teamsapp/teamstest"
)

func FuzzCard(f *testing.F) {
	for _, seed := range []string{
		form, `{}`, `null`, `[]`, `{"body":null,"actions":{}}`, `{"body":[null,1,"x",{"type":7,"facts":[null,1,{"title":2}],"inlines":[1,null]}]}`,
		`{"type":"Action.Execute","title":"x","fallback":"drop"}`, `{"card":{"card":{"card":{"isVisible":"no"}}}}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		c := teamstest.Content{Card: raw}
		texts := c.Texts()
		for _, b := range c.Buttons() {
			require.Contains(t, texts, b, "who can press a button can read it")
		}
		_ = c.Inputs()
		if !json.Valid(raw) {
			return
		}
		require.Equal(t, texts, teamstest.Content{Card: raw}.Texts(), "the order is that of the card")
	})
}
