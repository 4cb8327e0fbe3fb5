package cursor_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit/internal/cursor"
)

type state struct {
	N int    `json:"n"`
	B []byte `json:"b,omitempty"`
}

func TestCursor(t *testing.T) {
	t.Parallel()
	text, err := cursor.Encode(state{N: 7, B: []byte{0xff, 0}}, "list", "contoso")
	require.NoError(t, err)
	var got state
	require.True(t, cursor.Decode(text, &got, "list", "contoso"))
	require.Equal(t, state{N: 7, B: []byte{0xff, 0}}, got)
	for name, tc := range map[string]struct {
		text  string
		owner []string
	}{
		"another tenant":     {text, []string{"list", "fabrikam"}},
		"another listing":    {text, []string{"other", "contoso"}},
		"lengths count":      {text, []string{"listc", "ontoso"}},
		"fewer":              {text, []string{"list"}},
		"more":               {text, []string{"list", "contoso", ""}},
		"empty":              {"", []string{"list", "contoso"}},
		"short":              {"AAAA", []string{"list", "contoso"}},
		"appended":           {text + "A", []string{"list", "contoso"}},
		"cut":                {text[:len(text)-2], []string{"list", "contoso"}},
		"no base64":          {"§" + text, []string{"list", "contoso"}},
		"an unknown field":   {cursor.Sign([]byte(`{"n":1,"x":2}`), "list"), []string{"list"}},
		"two values":         {cursor.Sign([]byte(`{"n":1}{}`), "list"), []string{"list"}},
		"no JSON":            {cursor.Sign([]byte(`n`), "list"), []string{"list"}},
		"a number that is a": {cursor.Sign([]byte(`{"n":"a"}`), "list"), []string{"list"}},
	} {
		require.False(t, cursor.Decode(tc.text, &state{}, tc.owner...), name)
	}
	_, err = cursor.Encode(func() {})
	require.Error(t, err)
	require.JSONEq(t, `{"n":7,"b":"/wA="}`, cursor.Body(text))
	require.Empty(t, cursor.Body("§"))
}
