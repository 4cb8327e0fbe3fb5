package webpage

import (
	"net/url"
	"path"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var (
	goodPaths = []string{
		"/", "/desk", "/desk/?q=%20x&y=//z", "/a:b", "/tickets?tab=notes&x=%2F%2Fevil.example", "/a%20b", "/%C3%BC", "/x;y=1", "/a?u=https://evil.example", "/?",
	}
	badPaths = []string{
		"", "desk", "//evil.example", "///evil.example", `/\evil.example`, `\\evil.example`, "/\t/evil.example", "/\n/evil.example", "\t//evil.example", " /x",
		"https://evil.example", "https:evil.example", "javascript:alert(1)", "/a b", "/%zz", "/\x00", "/\u00e4", "/" + strings.Repeat("a", 1<<10),
		"/a/b#c", "/@b", "/%40b", "/%2f%2fevil.example", "/%252f%252fevil.example", "/%5cevil.example", "/.//evil.example", "/x/..//evil.example", "/a//b", "/..",
		"/%2e%2e/x", "/%09/x", "/%7f", "/a?x;y", "/a?%zz", "/\"x", "/<x>", "?x=y", "#x",
	}
)

func TestLocalPath(t *testing.T) {
	t.Parallel()
	for _, good := range goodPaths {
		require.True(t, LocalPath(good), "%q", good)
	}
	for _, bad := range badPaths {
		require.False(t, LocalPath(bad), "%q", bad)
	}
}

func FuzzLocalPath(f *testing.F) {
	for _, s := range append(goodPaths, badPaths...) {
		f.Add(s)
	}
	base, _ := url.Parse("https://desk.example/mfa/challenge")
	f.Fuzz(func(t *testing.T, s string) {
		if !LocalPath(s) {
			return
		}
		to, err := base.Parse(s)
		if err != nil || to.Scheme != "https" || to.Host != "desk.example" || strings.ContainsAny(s, "\\\t\r\n#") {
			t.Errorf("%q leads to %v", s, to)
			return
		}
		// However often it is decoded and cleaned, it stays a path.
		for p := to.EscapedPath(); ; {
			if strings.HasPrefix(p, "//") || strings.TrimSuffix(p, "/") != strings.TrimSuffix(path.Clean(p), "/") {
				t.Errorf("%q becomes %q", s, p)
			}
			next, err := url.PathUnescape(p)
			if err != nil || next == p {
				return
			}
			p = next
		}
	})
}
