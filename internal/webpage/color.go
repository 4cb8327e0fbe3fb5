package webpage

import (
	"encoding/hex"
	"fmt"
	"math"
	"strings"

	"github.com/mspkit/mspkit"
)

// DefaultColor is the accent colour of a brand that has none.
const DefaultColor = "#1f5fbf"

// Color is an opaque colour in sRGB.
type Color struct{ R, G, B uint8 }

var (
	white = Color{255, 255, 255}
	black = Color{}
	// The grounds before they are tinted. They must be those of static/app.css.
	lightPage, lightCard = Color{0xf5, 0xf7, 0xfa}, white
	darkPage, darkCard   = Color{0x0d, 0x11, 0x17}, Color{0x16, 0x1b, 0x24}
)

// ParseColor reads "#rrggbb".
func ParseColor(s string) (Color, error) {
	digits, ok := strings.CutPrefix(s, "#")
	b, err := hex.DecodeString(digits)
	if !ok || err != nil || len(b) != 3 {
		return Color{}, fmt.Errorf("webpage: colour %.16q is not of the form #rrggbb: %w", s, mspkit.ErrInvalid)
	}
	return Color{b[0], b[1], b[2]}, nil
}

// String returns "#rrggbb" in lower case.
func (c Color) String() string { return fmt.Sprintf("#%02x%02x%02x", c.R, c.G, c.B) }

// Contrast returns the contrast ratio of two colours, 1 to 21, as WCAG 2.2 defines it
// (https://www.w3.org/TR/WCAG22/#dfn-contrast-ratio).
func Contrast(a, b Color) float64 {
	x, y := a.luminance(), b.luminance()
	return (max(x, y) + 0.05) / (min(x, y) + 0.05)
}

// luminance is the relative luminance (https://www.w3.org/TR/WCAG22/#dfn-relative-luminance).
func (c Color) luminance() float64 {
	linear := func(v uint8) float64 {
		s := float64(v) / 255
		if s <= 0.04045 {
			return s / 12.92
		}
		return math.Pow((s+0.055)/1.055, 2.4)
	}
	return 0.2126*linear(c.R) + 0.7152*linear(c.G) + 0.0722*linear(c.B)
}

// mix returns c with share (0 to 1) of d in it.
func (c Color) mix(d Color, share float64) Color {
	m := func(x, y uint8) uint8 { return uint8(math.Round(float64(x)*(1-share) + float64(y)*share)) }
	return Color{m(c.R, d.R), m(c.G, d.G), m(c.B, d.B)}
}

// readable returns c, moved towards to only as far as it takes for a contrast of least on every ground.
func (c Color) readable(least float64, to Color, grounds ...Color) Color {
	for step := range 101 {
		m := c.mix(to, float64(step)/100)
		ok := true
		for _, g := range grounds {
			ok = ok && Contrast(m, g) >= least
		}
		if ok {
			return m
		}
	}
	return to
}

// Shades are the colours that one accent colour gives in one of the two modes.
type Shades struct {
	Page   Color // ground of the page, slightly tinted
	Card   Color // ground of cards
	Accent Color // fill of the primary button
	On     Color // text on Accent and on Hover
	Hover  Color // fill of the primary button below the pointer
	Text   Color // the accent as text, border or focus ring on Page, Card and Soft
	Soft   Color // a quiet tint for grounds
}

// Palette returns the shades of an accent colour. Whatever the colour, every text has a contrast of at least
// 4.5 on its ground.
func Palette(accent Color) (light, dark Shades) {
	light = Shades{Page: lightPage.mix(accent, 0.03), Card: lightCard, Soft: lightCard.mix(accent, 0.08), Accent: accent}
	light.Text = accent.readable(4.5, black, light.Page, light.Card, light.Soft)
	light.on()

	// The tint comes from the lightened accent, because a black one would tint nothing. More than 4.5, so that
	// the fill of a button does not look like one that cannot be pressed.
	dark = Shades{Page: darkPage.mix(accent, 0.03), Card: darkCard.mix(accent, 0.03)}
	lightened := accent.readable(6, white, dark.Page, dark.Card)
	dark.Soft = dark.Card.mix(lightened, 0.1)
	dark.Text = lightened.readable(4.5, white, dark.Soft)
	dark.Accent = dark.Text
	dark.on()
	return light, dark
}

// on chooses white where it can be read and black elsewhere; one of the two always reaches 4.58. The pointer
// moves the fill away from the text, so that the contrast only grows.
func (s *Shades) on() {
	s.On = white
	away := black
	if Contrast(s.Accent, white) < 4.5 {
		s.On, away = black, white
	}
	s.Hover = s.Accent.mix(away, 0.14)
}

func (s Shades) css() string {
	return fmt.Sprintf("--page:%s;--card:%s;--accent:%s;--on-accent:%s;--accent-hover:%s;--accent-text:%s;--soft:%s",
		s.Page, s.Card, s.Accent, s.On, s.Hover, s.Text, s.Soft)
}

// accentCSS is the stylesheet of one accent colour: custom properties only.
func accentCSS(accent Color) []byte {
	light, dark := Palette(accent)
	return fmt.Appendf(nil, ":root{%s}\n@media (prefers-color-scheme:dark){:root{%s}}\n@media print{:root{--page:#fff;--card:#fff}}\n", light.css(), dark.css())
}

// accentIcon is the icon of the browser's tab: a shield in the accent colour.
func accentIcon(accent Color) []byte {
	light, _ := Palette(accent)
	return fmt.Appendf(nil, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><path fill="%s" d="M16 2 4 6.5V15c0 7.4 5 12.6 12 15 7-2.4 12-7.6 12-15V6.5z"/><path fill="none" stroke="%s" stroke-width="3" stroke-linecap="round" stroke-linejoin="round" d="m10.5 16 4 4 7.5-8"/></svg>`+"\n", light.Accent, light.On)
}
