package cleantext

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// FuzzLine: what is returned as it is would have been left as it is.
func FuzzLine(f *testing.F) {
	for _, s := range []string{"", "Dana", " Dana", "Dana ", "a  b", "=?utf-8?", "a =? b", "=", "?", "Zoë", "a\tb", "~\x7f", strings.Repeat("a", 64), strings.Repeat("a", 65)} {
		f.Add(s, 0)
		f.Add(s, 1)
		f.Add(s, 5000)
	}
	f.Add(strings.Repeat("a", maxInput+1), 5000)
	f.Fuzz(func(t *testing.T, s string, limit int) {
		require.Equal(t, line(s, limit), Line(s, limit))
	})
}
