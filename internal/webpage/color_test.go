package webpage_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/mspkit/mspkit/internal/webpage"
)

func color(t require.TestingT, s string) webpage.Color {
	c, err := webpage.ParseColor(s)
	require.NoError(t, err)
	return c
}

func TestContrastOfKnownPairs(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		a, b string
		want float64
	}{
		{"#000000", "#ffffff", 21},
		{"#ffffff", "#ffffff", 1},
		{"#777777", "#ffffff", 4.48},
		{"#767676", "#ffffff", 4.54},
		{"#ff0000", "#ffffff", 4.00},
		{"#0000ff", "#ffffff", 8.59},
		{"#ffff00", "#000000", 19.56},
	} {
		require.InDelta(t, tc.want, webpage.Contrast(color(t, tc.a), color(t, tc.b)), 0.01, "%s on %s", tc.a, tc.b)
		require.InDelta(t, tc.want, webpage.Contrast(color(t, tc.b), color(t, tc.a)), 0.01)
	}
}

func TestParseColorRefusesWhatIsNotHex(t *testing.T) {
	t.Parallel()
	for _, s := range []string{"", "#", "red", "#fff", "#12345", "#1234567", "112233", "#gg0000", "#ff000}", " #112233", "#１１２２３３"} {
		_, err := webpage.ParseColor(s)
		require.Error(t, err, "%q", s)
	}
	require.Equal(t, "#a0b1c2", color(t, "#A0B1C2").String())
}

// Whatever colour a tenant chooses, every text can be read in both modes.
func TestEveryAccentCanBeRead(t *testing.T) {
	t.Parallel()
	vars := stylesheet(t)
	rapid.Check(t, func(t *rapid.T) {
		accent := webpage.Color{R: rapid.Byte().Draw(t, "r"), G: rapid.Byte().Draw(t, "g"), B: rapid.Byte().Draw(t, "b")}
		light, dark := webpage.Palette(accent)
		for mode, s := range map[string]webpage.Shades{"light": light, "dark": dark} {
			for _, p := range [][2]webpage.Color{{s.On, s.Accent}, {s.On, s.Hover}, {s.Text, s.Page}, {s.Text, s.Card}, {s.Text, s.Soft}} {
				if c := webpage.Contrast(p[0], p[1]); c < 4.5 {
					t.Fatalf("%s: %s on %s has %.2f", mode, p[0], p[1], c)
				}
			}
			for _, ink := range []string{"ink", "muted"} {
				for _, ground := range []webpage.Color{s.Page, s.Card, s.Soft} {
					if c := webpage.Contrast(color(t, vars[mode][ink]), ground); c < 4.5 {
						t.Fatalf("%s: --%s on %s has %.2f", mode, ink, ground, c)
					}
				}
			}
		}
	})
}

// The fixed colours of the stylesheet: 4.5 for text, 3 for the edge of a control (WCAG 1.4.3 and 1.4.11).
func TestStylesheetCanBeRead(t *testing.T) {
	t.Parallel()
	for mode, v := range stylesheet(t) {
		check := func(least float64, fg string, grounds ...string) {
			for _, bg := range grounds {
				require.GreaterOrEqual(t, webpage.Contrast(color(t, v[fg]), color(t, v[bg])), least, "%s: --%s on --%s", mode, fg, bg)
			}
		}
		check(4.5, "ink", "page", "card", "soft", "field", "info-soft", "success-soft", "warning-soft", "danger-soft")
		check(4.5, "muted", "page", "card", "soft", "field")
		check(4.5, "accent-text", "page", "card", "soft")
		check(4.5, "on-accent", "accent", "accent-hover")
		check(4.5, "on-danger", "danger", "danger-hover")
		check(4.5, "danger-ink", "card", "danger-soft")
		for _, n := range []string{"info", "success", "warning", "danger"} {
			check(4.5, n+"-ink", n+"-soft")
		}
		check(3, "control", "card", "field", "page")
		check(3, "danger-ink", "card")
	}
}

var customProperty = regexp.MustCompile(`--([a-z-]+): (#[0-9a-f]{6});`)

// stylesheet returns the colours of app.css by mode.
func stylesheet(t *testing.T) map[string]map[string]string {
	t.Helper()
	css, err := os.ReadFile("static/app.css")
	require.NoError(t, err)
	light, rest, ok := strings.Cut(string(css), "@media (prefers-color-scheme: dark)")
	require.True(t, ok)
	dark, _, ok := strings.Cut(rest, "/* Ground */")
	require.True(t, ok)
	out := map[string]map[string]string{"light": {}, "dark": {}}
	for mode, part := range map[string]string{"light": light, "dark": dark} {
		for _, m := range customProperty.FindAllStringSubmatch(part, -1) {
			out[mode][m[1]] = m[2]
		}
	}
	require.Len(t, out["dark"], len(out["light"]), "a colour is set in one mode only")
	return out
}
