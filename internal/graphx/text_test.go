package graphx

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
)

var texts = []string{
	`"x"`, `""`, `null`, `"ü \u00e9 \ud83d\ude00"`, `"a\"b\\c\/\n"`, "\"\xff\xfe\"", `"\ud800"`, `1`, `true`, `{}`, `[1]`, `{"a":"b"}`, ` "x" `, `"`, ``,
}

// sameAsPointer decodes one thing after the other into the same field, as a *string and as a Text.
func sameAsPointer(t *testing.T, first, then string) {
	t.Helper()
	var want struct{ A struct{ B *string } }
	var got struct{ A struct{ B Text } }
	for _, s := range []string{first, then} {
		doc := []byte(`{"A":{"B":` + s + `}}`)
		wantErr, gotErr := json.Unmarshal(doc, &want), json.Unmarshal(doc, &got)
		require.Equal(t, wantErr == nil, gotErr == nil, s)
		if wantErr != nil {
			we, wok := wantErr.(*json.UnmarshalTypeError) //nolint:errorlint // encoding/json returns these as they are
			ge, gok := gotErr.(*json.UnmarshalTypeError)  //nolint:errorlint // the same
			require.Equal(t, wok, gok)
			if wok {
				require.Equal(t, we.Value, ge.Value)
				require.Equal(t, we.Field, ge.Field)
				require.Equal(t, we.Type, ge.Type)
			}
			return
		}
		require.Equal(t, want.A.B != nil, got.A.B.There(), s)
		if want.A.B != nil {
			require.Equal(t, *want.A.B, got.A.B.String())
		} else {
			require.Empty(t, got.A.B.String())
		}
	}
}

func TestATextIsWhatAPointerIs(t *testing.T) {
	t.Parallel()
	for _, first := range texts {
		for _, then := range texts {
			sameAsPointer(t, first, then)
		}
	}
}

func TestATextTakesOneAllocation(t *testing.T) { //nolint:paralleltest // counts allocations
	raw := []byte(`{"A":"Adele Vance of Contoso, Zürich"}`)
	pointer := testing.AllocsPerRun(100, func() {
		var v struct{ A *string }
		_ = json.Unmarshal(raw, &v)
	})
	text := testing.AllocsPerRun(100, func() {
		var v struct{ A Text }
		_ = json.Unmarshal(raw, &v)
	})
	require.InDelta(t, pointer-1, text, 0)
}

func FuzzText(f *testing.F) {
	for _, s := range texts {
		f.Add(s, `"x"`)
	}
	f.Fuzz(sameAsPointer)
}
