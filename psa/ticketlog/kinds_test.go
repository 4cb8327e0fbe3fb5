package ticketlog

import (
	"go/ast"
	"go/parser"
	"go/token"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit/securesend"
	"github.com/mspkit/mspkit/verify"
)

// constants returns the values of the constants of a type in a file.
func constants(t *testing.T, file, typ string) []string {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
	require.NoError(t, err)
	var out []string
	for _, d := range f.Decls {
		g, ok := d.(*ast.GenDecl)
		if !ok || g.Tok != token.CONST {
			continue
		}
		for _, spec := range g.Specs {
			v, ok := spec.(*ast.ValueSpec)
			if !ok {
				continue
			}
			if id, ok := v.Type.(*ast.Ident); !ok || id.Name != typ {
				continue
			}
			for _, x := range v.Values {
				lit, ok := x.(*ast.BasicLit)
				require.True(t, ok, "%s: a constant that is no literal", file)
				s, err := strconv.Unquote(lit.Value)
				require.NoError(t, err)
				out = append(out, s)
			}
		}
	}
	return out
}

// A new kind of event needs a decision: a sentence, or a reason why it is silent.
func TestEveryKindOfEventIsASentenceOrSilentOnPurpose(t *testing.T) {
	t.Parallel()
	decided := func(kind string, d decision, ok, alert bool, groups ...string) {
		require.True(t, ok, "%s has no decision", kind)
		require.Equal(t, d.when == never, d.silent != "", "%s: silent with a reason, or not silent", kind)
		if d.when == never {
			require.False(t, alert, "%s is an alert and silent", kind)
			return
		}
		if alert {
			require.Equal(t, always, d.when, "%s is an alert", kind)
			require.False(t, d.public, "%s is an alert and public", kind)
		}
		for _, g := range groups {
			require.NotEmpty(t, defaultTexts.sentence(g, kind, ""), "%s.%s has no sentence", g, kind)
		}
	}
	found := constants(t, "../../verify/event.go", "EventKind")
	require.Greater(t, len(found), 20)
	for _, k := range found {
		d, ok := verifyKinds[verify.EventKind(k)]
		decided(k, d, ok, verify.EventKind(k).Alert(), groupCaller, groupTechnician)
	}
	require.Len(t, verifyKinds, len(found), "a decision about a kind that there is not")

	found = constants(t, "../../securesend/event.go", "EventKind")
	require.Greater(t, len(found), 10)
	for _, k := range found {
		d, ok := sendKinds[securesend.EventKind(k)]
		decided(k, d, ok, securesend.EventKind(k).Alert(), groupSend, groupRequest)
	}
	require.Len(t, sendKinds, len(found), "a decision about a kind that there is not")
}

// What says that somebody may be posing is never shown to the client, whatever its kind.
func TestTheWordPosingStandsInAlertsOnly(t *testing.T) {
	t.Parallel()
	for key, text := range defaultTexts {
		if !strings.Contains(text, "posing") {
			continue
		}
		_, rest, _ := strings.Cut(key, ".")
		kind, _, _ := strings.Cut(rest, ".")
		require.True(t, verify.EventKind(kind).Alert(), key)
	}
}

func TestDefaultTextsHaveOnlyWhatIsReplaced(t *testing.T) {
	t.Parallel()
	_, errs := DefaultTexts().merge()
	require.Empty(t, errs)
}
