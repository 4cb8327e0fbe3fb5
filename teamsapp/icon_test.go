package teamsapp_test

import (
	"bytes"
	"image"
	"image/color"
	"image/draw"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit/teamsapp"
)

const pkgBlue = "#0A64A4"

var (
	blue  = color.NRGBA{0x0A, 0x64, 0xA4, 255}
	green = color.NRGBA{0x2E, 0xA0, 0x4F, 255}
	night = color.NRGBA{0x24, 0x24, 0x24, 255}
	ash   = color.NRGBA{0xC8, 0xC8, 0xC8, 255}
)

// painted is a picture with shapes on a ground.
func painted(w, h int, ground color.NRGBA, shapes ...shape) *image.NRGBA {
	m := image.NewNRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			c := ground
			for _, s := range shapes {
				if s.in(float64(x)+0.5, float64(y)+0.5) {
					c = s.c
				}
			}
			m.SetNRGBA(x, y, c)
		}
	}
	return m
}

type shape struct {
	c  color.NRGBA
	in func(x, y float64) bool
}

func disc(c color.NRGBA, cx, cy, r float64) shape {
	return shape{c, func(x, y float64) bool { return math.Hypot(x-cx, y-cy) <= r }}
}

func hoop(c color.NRGBA, cx, cy, r, half float64) shape {
	return shape{c, func(x, y float64) bool { return math.Abs(math.Hypot(x-cx, y-cy)-r) <= half }}
}

func bar(c color.NRGBA, x0, y0, x1, y1 float64) shape {
	return shape{c, func(x, y float64) bool { return x >= x0 && x < x1 && y >= y0 && y < y1 }}
}

// tile is a box with round corners.
func tile(c color.NRGBA, size, corner float64) shape {
	return shape{c, func(x, y float64) bool {
		dx, dy := math.Abs(x-size/2)-size/2+corner, math.Abs(y-size/2)-size/2+corner
		return math.Hypot(max(dx, 0), max(dy, 0)) <= corner
	}}
}

// rainbow has no ground.
func rainbow(w, h int) *image.NRGBA {
	m := image.NewNRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			m.SetNRGBA(x, y, color.NRGBA{uint8(x * 255 / w), uint8(y * 255 / h), uint8((x + y) * 255 / (w + h)), 255})
		}
	}
	return m
}

func packed(t testing.TB, accent string, logo []byte) *teamsapp.Package {
	t.Helper()
	b := brand()
	b.Accent, b.Logo = accent, logo
	p, err := teamsapp.NewPackage(b, nil)
	require.NoError(t, err)
	checkIcons(t, p)
	return p
}

// symbol is the box of what is not background in a colour icon.
func symbol(m *image.NRGBA) image.Rectangle {
	var box image.Rectangle
	ground := m.NRGBAAt(0, 0)
	for y := range 192 {
		for x := range 192 {
			c := m.NRGBAAt(x, y)
			if d := max(c.R, ground.R) - min(c.R, ground.R); d > 24 || max(c.G, ground.G)-min(c.G, ground.G) > 24 || max(c.B, ground.B)-min(c.B, ground.B) > 24 {
				box = box.Union(image.Rect(x, y, x+1, y+1))
			}
		}
	}
	return box
}

// share is how much of an outline icon is white, in percent.
func share(m *image.NRGBA, r image.Rectangle) int {
	sum := 0
	for y := r.Min.Y; y < r.Max.Y; y++ {
		for x := r.Min.X; x < r.Max.X; x++ {
			sum += int(m.NRGBAAt(x, y).A)
		}
	}
	return sum * 100 / (255 * r.Dx() * r.Dy())
}

func TestColourIcon(t *testing.T) {
	t.Parallel()
	full := image.Rect(48, 48, 144, 144)
	for name, tc := range map[string]struct {
		accent   string
		logo     []byte
		ground   color.NRGBA
		box      image.Rectangle
		warnings []string
	}{
		"cut out, on the accent colour":    {pkgBlue, pngLogo(painted(300, 300, glass, hoop(orange, 150, 150, 100, 20))), blue, full, nil},
		"padding of the file is cut off":   {pkgBlue, pngLogo(painted(600, 400, glass, disc(orange, 150, 150, 100), disc(night, 150, 150, 50))), blue, full, nil},
		"like the accent colour: on white": {pkgBlue, pngLogo(painted(300, 300, glass, hoop(blue, 150, 150, 100, 20))), paper, full, []string{teamsapp.WarnBackground}},
		"nearly the accent colour":         {"#101838", pngLogo(painted(300, 300, glass, hoop(navy, 150, 150, 100, 20))), paper, full, []string{teamsapp.WarnBackground}},
		"white on a dark accent colour":    {pkgBlue, pngLogo(painted(300, 300, glass, hoop(paper, 150, 150, 100, 20))), blue, full, nil},
		"white on a pale accent colour":    {"#E8F0FF", pngLogo(painted(300, 300, glass, hoop(paper, 150, 150, 100, 20))), night, full, []string{teamsapp.WarnAccent, teamsapp.WarnBackground}},
		"of all lightnesses":               {"#808080", pngLogo(painted(300, 300, glass, disc(paper, 75, 75, 70), disc(night, 225, 75, 70), disc(color.NRGBA{0x84, 0x84, 0x84, 255}, 75, 225, 70))), color.NRGBA{0x80, 0x80, 0x80, 255}, image.Rect(48, 48, 144, 95), []string{teamsapp.WarnContrast}},
		"a badge: its edge counts":         {pkgBlue, pngLogo(painted(300, 300, glass, disc(green, 150, 150, 140), disc(paper, 150, 150, 60))), paper, full, []string{teamsapp.WarnBackground}},
		"a ground of its own":              {pkgBlue, pngLogo(painted(400, 300, green, disc(paper, 200, 150, 90))), green, full, nil},
		"jpeg on white":                    {pkgBlue, jpegLogo(painted(400, 300, paper, disc(orange, 200, 150, 90))), paper, full, nil},
		"a tile with round corners":        {pkgBlue, pngLogo(painted(300, 300, glass, tile(green, 300, 50), disc(paper, 150, 150, 80))), green, full, nil},
		"small":                            {pkgBlue, pngLogo(painted(40, 40, glass, hoop(orange, 20, 20, 15, 3))), blue, full, []string{teamsapp.WarnSmall}},
		"tall":                             {pkgBlue, pngLogo(painted(100, 500, glass, bar(orange, 30, 0, 70, 380), disc(orange, 50, 450, 40))), blue, image.Rect(88, 48, 104, 144), []string{teamsapp.WarnWide}},
		"symbol before a name":             {pkgBlue, pngLogo(painted(1000, 200, glass, hoop(orange, 100, 100, 80, 20), bar(navy, 260, 60, 980, 140))), blue, full, []string{teamsapp.WarnWide}},
		"symbol behind a name":             {pkgBlue, jpegLogo(painted(1000, 200, paper, hoop(orange, 880, 100, 80, 20), bar(navy, 20, 60, 740, 140))), paper, full, []string{teamsapp.WarnWide}},
		"nothing but a name":               {pkgBlue, pngLogo(painted(1000, 200, glass, bar(paper, 10, 50, 990, 90), bar(paper, 10, 90, 500, 150))), blue, image.Rect(48, 91, 144, 101), []string{teamsapp.WarnWide}},
		"none":                             {pkgBlue, nil, blue, full, []string{teamsapp.WarnNoLogo}},
		"none, pale":                       {"#FFE9B0", nil, color.NRGBA{0xFF, 0xE9, 0xB0, 255}, full, []string{teamsapp.WarnAccent, teamsapp.WarnNoLogo}},
		"all white":                        {pkgBlue, pngLogo(painted(200, 200, paper)), blue, full, []string{teamsapp.WarnNoLogo}},
		"all one colour":                   {pkgBlue, jpegLogo(painted(200, 200, orange)), blue, full, []string{teamsapp.WarnNoLogo}},
		"all clear":                        {pkgBlue, pngLogo(painted(200, 200, glass)), blue, full, []string{teamsapp.WarnNoLogo}},
		"clear with colours":               {pkgBlue, pngLogo(painted(200, 200, color.NRGBA{200, 10, 10, 4})), blue, full, []string{teamsapp.WarnNoLogo}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := packed(t, tc.accent, tc.logo)
			m := pixels(t, p.Color)
			require.Equal(t, tc.warnings, codes(p))
			for _, w := range p.Warnings {
				require.Regexp(t, `^[A-Z].+\.$`, w.Text)
			}
			for _, at := range []image.Point{{0, 0}, {191, 0}, {0, 191}, {191, 191}, {96, 4}, {4, 96}} {
				near2(t, tc.ground, m.NRGBAAt(at.X, at.Y))
			}
			box := symbol(m)
			require.True(t, box.In(image.Rect(48, 48, 144, 144)), "%v leaves the middle", box)
			for _, d := range []int{box.Min.X - tc.box.Min.X, box.Min.Y - tc.box.Min.Y, box.Max.X - tc.box.Max.X, box.Max.Y - tc.box.Max.Y} {
				require.InDelta(t, 0, d, 8, "%v, not %v", box, tc.box)
			}
		})
	}
}

func near2(t *testing.T, want, got color.NRGBA) {
	t.Helper()
	for _, d := range []int{int(want.R) - int(got.R), int(want.G) - int(got.G), int(want.B) - int(got.B)} {
		require.InDelta(t, 0, d, 2, "%v and %v", want, got)
	}
}

func TestPhotosFillTheSquare(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		logo     []byte
		left     uint8 // red rises from left to right
		warnings []string
	}{
		"square":             {jpegLogo(rainbow(400, 400)), 0, []string{teamsapp.WarnGeneric}},
		"wide":               {jpegLogo(rainbow(600, 400)), 42, []string{teamsapp.WarnCropped, teamsapp.WarnGeneric}},
		"high":               {jpegLogo(rainbow(400, 600)), 0, []string{teamsapp.WarnCropped, teamsapp.WarnGeneric}},
		"of too few pixels":  {jpegLogo(rainbow(100, 100)), 0, []string{teamsapp.WarnSmall, teamsapp.WarnGeneric}},
		"with round corners": {pngLogo(rounded(rainbow(400, 400))), 0, []string{teamsapp.WarnGeneric}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := packed(t, pkgBlue, tc.logo)
			require.Equal(t, tc.warnings, codes(p))
			m := pixels(t, p.Color)
			require.InDelta(t, tc.left, m.NRGBAAt(0, 96).R, 16)
			require.InDelta(t, 255-tc.left, m.NRGBAAt(191, 96).R, 16)
		})
	}
	banner := packed(t, pkgBlue, jpegLogo(rainbow(900, 300)))
	require.True(t, symbol(pixels(t, banner.Color)).In(image.Rect(48, 48, 144, 144)), "what cannot be cropped stands in the middle")
}

func rounded(m *image.NRGBA) *image.NRGBA {
	s := tile(paper, float64(m.Bounds().Dx()), 70)
	for y := range m.Bounds().Dy() {
		for x := range m.Bounds().Dx() {
			if !s.in(float64(x)+0.5, float64(y)+0.5) {
				m.SetNRGBA(x, y, glass)
			}
		}
	}
	return m
}

func TestOutlineIcon(t *testing.T) {
	t.Parallel()
	all := image.Rect(0, 0, 32, 32)
	middle := image.Rect(12, 12, 20, 20)
	generic := pixels(t, packed(t, pkgBlue, nil).Outline)
	for name, tc := range map[string]struct {
		logo        []byte
		all, middle [2]int // percent of white, at least and at most
		generic     bool
	}{
		"ring from alpha":          {pngLogo(painted(300, 300, glass, hoop(orange, 150, 150, 100, 25))), [2]int{35, 55}, [2]int{0, 5}, false},
		"white ring from alpha":    {pngLogo(painted(300, 300, glass, hoop(paper, 150, 150, 100, 25))), [2]int{35, 55}, [2]int{0, 5}, false},
		"ring from white":          {jpegLogo(painted(300, 300, paper, hoop(orange, 150, 150, 100, 25))), [2]int{35, 55}, [2]int{0, 5}, false},
		"ring from black":          {pngLogo(painted(300, 300, night, hoop(paper, 150, 150, 100, 25))), [2]int{35, 55}, [2]int{0, 5}, false},
		"pale ring from white":     {pngLogo(painted(300, 300, paper, hoop(ash, 150, 150, 100, 25))), [2]int{30, 55}, [2]int{0, 5}, false},
		"disc":                     {pngLogo(painted(300, 300, glass, disc(orange, 150, 150, 100))), [2]int{70, 85}, [2]int{99, 100}, false},
		"the sign on a badge":      {pngLogo(painted(300, 300, glass, disc(green, 150, 150, 140), hoop(paper, 150, 150, 70, 20))), [2]int{35, 60}, [2]int{0, 5}, false},
		"the sign on a tile":       {pngLogo(painted(300, 300, glass, tile(green, 300, 50), hoop(paper, 150, 150, 70, 20))), [2]int{35, 60}, [2]int{0, 5}, false},
		"discs that overlap":       {pngLogo(painted(300, 300, glass, disc(orange, 110, 150, 100), disc(blue, 190, 150, 100))), [2]int{35, 60}, [2]int{99, 100}, false},
		"thin lines":               {pngLogo(painted(500, 500, glass, hoop(navy, 250, 250, 240, 3), bar(navy, 247, 20, 253, 480))), [2]int{4, 20}, [2]int{5, 30}, false},
		"the symbol before a name": {pngLogo(painted(1000, 200, glass, hoop(orange, 100, 100, 80, 20), bar(navy, 260, 60, 980, 140))), [2]int{35, 55}, [2]int{0, 5}, false},
		"the first of letters":     {pngLogo(painted(1000, 300, glass, hoop(navy, 150, 150, 120, 30), bar(navy, 305, 20, 600, 280), bar(navy, 610, 20, 990, 280))), [2]int{35, 55}, [2]int{0, 5}, false},
		"palette with alpha":       {gifLogo(picture(120, 120, glass, orange)), [2]int{40, 70}, [2]int{0, 20}, false},
		"photo":                    {jpegLogo(rainbow(400, 400)), [2]int{10, 50}, [2]int{0, 100}, true},
		"a bar that fills its box": {pngLogo(painted(300, 300, glass, bar(orange, 50, 50, 250, 250))), [2]int{10, 50}, [2]int{0, 100}, true},
		"white":                    {pngLogo(painted(300, 300, paper)), [2]int{10, 50}, [2]int{0, 100}, true},
		"one colour":               {jpegLogo(painted(300, 300, orange)), [2]int{10, 50}, [2]int{0, 100}, true},
		"clear":                    {pngLogo(painted(300, 300, glass)), [2]int{10, 50}, [2]int{0, 100}, true},
		"a line":                   {pngLogo(painted(1000, 100, paper, bar(navy, 0, 49, 1000, 50))), [2]int{10, 50}, [2]int{0, 100}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := packed(t, pkgBlue, tc.logo)
			m := pixels(t, p.Outline)
			for _, c := range []struct {
				r    image.Rectangle
				want [2]int
			}{{all, tc.all}, {middle, tc.middle}} {
				got := share(m, c.r)
				require.True(t, got >= c.want[0] && got <= c.want[1], "%d percent of %v are white, not %v", got, c.r, c.want)
			}
			require.Equal(t, tc.generic, bytes.Equal(m.Pix, generic.Pix))
			if tc.generic {
				require.Subset(t, []string{teamsapp.WarnNoLogo, teamsapp.WarnGeneric, teamsapp.WarnWide, teamsapp.WarnCropped}, codes(p))
				require.NotEmpty(t, p.Warnings)
			} else {
				strongest := uint8(0)
				for i := 3; i < len(m.Pix); i += 4 {
					strongest = max(strongest, m.Pix[i])
				}
				require.GreaterOrEqual(t, strongest, uint8(200), "it is faint")
			}
		})
	}
}

func TestOutlineShowsWhereColoursMeet(t *testing.T) {
	t.Parallel()
	least := func(second color.NRGBA) (a uint8) {
		m := pixels(t, packed(t, pkgBlue, pngLogo(painted(300, 300, glass, disc(orange, 110, 150, 100), disc(second, 190, 150, 100)))).Outline)
		a = 255
		for x := 4; x < 28; x++ {
			a = min(a, m.NRGBAAt(x, 16).A)
		}
		return a
	}
	require.EqualValues(t, 255, least(orange))
	require.Less(t, least(blue), uint8(110))
}

func TestOutlineIsCheckedPixelByPixel(t *testing.T) {
	t.Parallel()
	good := func() *image.NRGBA {
		m := image.NewNRGBA(image.Rect(0, 0, 32, 32))
		draw.Draw(m, image.Rect(0, 0, 16, 16), image.White, image.Point{}, draw.Src)
		return m
	}
	require.Empty(t, teamsapp.OutlineFault(good()))
	m := good()
	m.SetNRGBA(31, 31, color.NRGBA{255, 255, 255, 3})
	require.Empty(t, teamsapp.OutlineFault(m), "white may be seen through")
	m.SetNRGBA(31, 31, color.NRGBA{255, 255, 254, 3})
	require.Equal(t, "color", teamsapp.OutlineFault(m))
	require.Equal(t, "size", teamsapp.OutlineFault(image.NewNRGBA(image.Rect(0, 0, 32, 31))))
	require.Equal(t, "empty", teamsapp.OutlineFault(image.NewNRGBA(image.Rect(0, 0, 32, 32))))
	draw.Draw(m, m.Bounds(), image.White, image.Point{}, draw.Src)
	require.Equal(t, "full", teamsapp.OutlineFault(m))
}

func TestContrastOfKnownColours(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		a, b string
		want float64
	}{{"#000000", "#FFFFFF", 21}, {"#FFFFFF", "#FFFFFF", 1}, {"#767676", "#FFFFFF", 4.54}, {"#949494", "#FFFFFF", 3.03}, {"#959595", "#FFFFFF", 2.99}} {
		require.InDelta(t, tc.want, teamsapp.Contrast(tc.a, tc.b), 0.01, tc.a)
		require.InDelta(t, tc.want, teamsapp.Contrast(tc.b, tc.a), 0.01, tc.a)
	}
	dark := painted(200, 200, glass, hoop(night, 100, 100, 80, 18))
	require.NotContains(t, codes(packed(t, "#949494", pngLogo(dark))), teamsapp.WarnAccent)
	p := packed(t, "#959595", pngLogo(dark))
	require.Equal(t, teamsapp.WarnAccent, p.Warnings[0].Code)
	require.Contains(t, p.Warnings[0].Text, "White on the accent colour #959595 has a contrast of 2.99 to 1")
}
