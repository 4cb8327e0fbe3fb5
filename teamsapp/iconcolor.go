package teamsapp

import (
	"fmt"
	"math"
)

// DefaultAccent is the accent colour of a brand that has none.
const DefaultAccent = "#1F5FBF"

// rgb is an opaque colour in sRGB.
type rgb struct{ r, g, b uint8 }

var (
	white = rgb{255, 255, 255}
	dark  = rgb{0x24, 0x24, 0x24}
)

func (c rgb) String() string { return fmt.Sprintf("#%02X%02X%02X", c.r, c.g, c.b) }

// linearLight is the light of each value of a channel (https://www.w3.org/TR/WCAG22/#dfn-relative-luminance).
var linearLight = func() (t [256]float64) {
	for i := range t {
		if s := float64(i) / 255; s <= 0.04045 {
			t[i] = s / 12.92
		} else {
			t[i] = math.Pow((s+0.055)/1.055, 2.4)
		}
	}
	return t
}()

func (c rgb) luminance() float64 {
	return 0.2126*linearLight[c.r] + 0.7152*linearLight[c.g] + 0.0722*linearLight[c.b]
}

// contrast is the ratio of two colours, 1 to 21 (https://www.w3.org/TR/WCAG22/#dfn-contrast-ratio). internal/webpage has it
// too, but would bring html/template into every bot.
func contrast(a, b rgb) float64 {
	x, y := a.luminance(), b.luminance()
	return (max(x, y) + 0.05) / (min(x, y) + 0.05)
}

// lab is a colour in OKLab, where equal distances look equally far (https://www.w3.org/TR/css-color-4/#ok-lab).
type lab [3]float64

func (c rgb) lab() lab {
	r, g, b := linearLight[c.r], linearLight[c.g], linearLight[c.b]
	l := math.Cbrt(0.4122214708*r + 0.5363325363*g + 0.0514459929*b)
	m := math.Cbrt(0.2119034982*r + 0.6806995451*g + 0.1073969566*b)
	s := math.Cbrt(0.0883024619*r + 0.2817188376*g + 0.6299787005*b)
	return lab{
		0.2104542553*l + 0.7936177850*m - 0.0040720468*s,
		1.9779984951*l - 2.4285922050*m + 0.4505937099*s,
		0.0259040371*l + 0.7827717662*m - 0.8086757660*s,
	}
}

// farther reports whether two colours are at least d apart.
func (c lab) farther(o lab, d float64) bool {
	x, y, z := c[0]-o[0], c[1]-o[1], c[2]-o[2]
	return x*x+y*y+z*z >= d*d
}

// distance is the largest difference of a channel.
func distance(a, b rgb) int {
	d := func(x, y uint8) int { return max(int(x)-int(y), int(y)-int(x)) }
	return max(d(a.r, b.r), d(a.g, b.g), d(a.b, b.b))
}

// tally finds the colour that most of some pixels have.
type tally struct {
	seen []rgb
}

// sameColor is how far pixels of one plain colour may be apart: JPEG makes noise.
const sameColor = 24

func (t *tally) add(c rgb) { t.seen = append(t.seen, c) }

// most returns the mean of the pixels that are close to the most frequent colour, and their share of all.
func (t *tally) most() (rgb, float64) {
	if len(t.seen) == 0 {
		return rgb{}, 0
	}
	bins := map[rgb]int{}
	var top rgb
	for _, c := range t.seen { // the first of equals wins, not the order of a map
		b := rgb{c.r >> 4, c.g >> 4, c.b >> 4}
		if bins[b]++; bins[b] > bins[top] {
			top = b
		}
	}
	c := rgb{top.r<<4 | 8, top.g<<4 | 8, top.b<<4 | 8}
	n := 0
	for range 2 { // around the middle of the bin, and then around the mean
		var sum [3]int
		n = 0
		for _, s := range t.seen {
			if distance(s, c) <= sameColor {
				sum[0] += int(s.r)
				sum[1] += int(s.g)
				sum[2] += int(s.b)
				n++
			}
		}
		c = rgb{uint8((sum[0] + n/2) / n), uint8((sum[1] + n/2) / n), uint8((sum[2] + n/2) / n)}
	}
	if distance(c, white) <= 4 {
		c = white
	}
	return c, float64(n) / float64(len(t.seen))
}
