package securesend_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit/securesend"
)

func TestPartValidate(t *testing.T) {
	t.Parallel()
	good := securesend.Ref{Tenant: "contoso", ID: strings.Repeat("a0", 32)}
	require.NoError(t, securesend.Part{Ref: good}.Validate())
	require.NoError(t, securesend.Part{Ref: good, File: 3, N: 4711}.Validate())
	for name, p := range map[string]securesend.Part{
		"file below 0": {Ref: good, File: -1},
		"part below 0": {Ref: good, N: -1},
		"no tenant":    {Ref: securesend.Ref{ID: "a"}},
		"tenant":       {Ref: securesend.Ref{Tenant: " a", ID: "a"}},
		"no id":        {Ref: securesend.Ref{Tenant: "a"}},
		"long id":      {Ref: securesend.Ref{Tenant: "a", ID: strings.Repeat("a", 65)}},
		"upper case":   {Ref: securesend.Ref{Tenant: "a", ID: "A"}},
		"path":         {Ref: securesend.Ref{Tenant: "a", ID: "../a"}},
	} {
		require.ErrorIs(t, p.Validate(), securesend.ErrInvalid, name)
	}
}
