package teamsapp_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/teamsapp"
)

func TestLogosOfAllKindsAreRead(t *testing.T) {
	t.Parallel()
	ring := picture(80, 64, paper, orange)
	as := func(m draw.Image) image.Image {
		draw.Draw(m, m.Bounds(), ring, image.Point{}, draw.Src)
		return m
	}
	box := ring.Bounds()
	gray := image.NewGray(box)
	for name, tc := range map[string]struct {
		logo []byte
		w, h int
	}{
		"png":                     {pngLogo(ring), 80, 64},
		"png with alpha":          {pngLogo(picture(80, 64, glass, orange)), 80, 64},
		"png of 16 bits":          {pngLogo(as(image.NewNRGBA64(box))), 80, 64},
		"png of 16 bits opaque":   {pngLogo(as(image.NewRGBA64(box))), 80, 64},
		"grey png":                {pngLogo(as(gray)), 80, 64},
		"grey png of 16 bits":     {pngLogo(as(image.NewGray16(box))), 80, 64},
		"png with palette":        {pngLogo(as(image.NewPaletted(box, color.Palette{paper, orange}))), 80, 64},
		"png with clear palette":  {pngLogo(as(image.NewPaletted(box, color.Palette{paper, orange, glass}))), 80, 64},
		"png, a still of APNG":    {withChunk(pngLogo(ring), "acTL", []byte{0, 0, 0, 1, 0, 0, 0, 0}), 80, 64},
		"jpeg":                    {jpegLogo(ring), 80, 64},
		"grey jpeg":               {jpegLogo(as(gray)), 80, 64},
		"progressive jpeg":        {flat{w: 80, h: 64, color: []int{200, 90, 160}, progressive: true, passes: 9}.jpeg(), 80, 64},
		"cmyk jpeg":               {flat{w: 80, h: 64, color: []int{255, 128, 255, 255}}.jpeg(), 80, 64},
		"gif":                     {gifLogo(ring), 80, 64},
		"gif with alpha":          {gifLogo(picture(80, 64, glass, orange)), 80, 64},
		"webp, lossy":             {webpLogo(t, "plain-lossy"), 80, 64},
		"webp, lossless":          {webpLogo(t, "plain-lossless"), 80, 64},
		"webp, lossy, alpha":      {webpLogo(t, "alpha-lossy"), 80, 64},
		"webp, lossless, alpha":   {webpLogo(t, "alpha-lossless"), 80, 64},
		"one pixel":               {pngLogo(picture(1, 1, orange, orange)), 1, 1},
		"one row of 20,000":       {pngLogo(picture(20000, 1, paper, orange)), 512, 1},
		"20,000 wide":             {pngLogo(image.NewGray(image.Rect(0, 0, 20000, 1000))), 512, 26},
		"one column of 20,000":    {pngLogo(picture(1, 20000, paper, orange)), 1, 512},
		"just above what is kept": {pngLogo(picture(1025, 513, paper, orange)), 512, 256},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			norm, err := teamsapp.NormalizeLogo(tc.logo, nil)
			require.NoError(t, err)
			m, err := png.Decode(bytes.NewReader(norm))
			require.NoError(t, err)
			require.Equal(t, image.Rect(0, 0, tc.w, tc.h), m.Bounds())
			require.LessOrEqual(t, len(norm), mspkit.MaxLogo)
			b := brand()
			b.Logo = tc.logo
			p, err := teamsapp.NewPackage(b, nil)
			require.NoError(t, err)
			checkIcons(t, p)
		})
	}
}

func TestCMYKIsReadAsInkNotAsLight(t *testing.T) {
	t.Parallel()
	// Adobe's programs write CMYK the other way round: 255 is no ink. So this is magenta of half strength.
	norm, err := teamsapp.NormalizeLogo(flat{w: 16, h: 16, color: []int{255, 127, 255, 255}}.jpeg(), nil)
	require.NoError(t, err)
	require.Equal(t, color.NRGBA{255, 127, 255, 255}, pixels(t, norm).NRGBAAt(8, 8))
}

func TestLogoIsTurnedUpright(t *testing.T) {
	t.Parallel()
	// Red is at the top left of the picture that people see, blue beside it: what each orientation stores so.
	red, blue := color.NRGBA{200, 20, 20, 255}, color.NRGBA{20, 20, 200, 255}
	place := map[int][2]image.Point{ // where red and blue are in the file
		0: {{0, 0}, {1, 0}}, 1: {{0, 0}, {1, 0}}, 2: {{1, 0}, {0, 0}}, 3: {{1, 1}, {0, 1}}, 4: {{0, 1}, {1, 1}},
		5: {{0, 0}, {0, 1}}, 6: {{0, 1}, {0, 0}}, 7: {{1, 1}, {1, 0}}, 8: {{1, 0}, {1, 1}}, 9: {{0, 0}, {1, 0}},
	}
	for o, at := range place {
		w, h := 48, 32
		if o >= 5 && o <= 8 {
			w, h = h, w
		}
		m := picture(w, h, paper, paper)
		for i, c := range []color.NRGBA{red, blue} {
			r := image.Rect(0, 0, w/2, h/2).Add(image.Pt(at[i].X*w/2, at[i].Y*h/2))
			draw.Draw(m, r, image.NewUniform(c), image.Point{}, draw.Src)
		}
		for _, order := range []binary.AppendByteOrder{binary.LittleEndian, binary.BigEndian} {
			tiff := exif(order, uint16(o))
			for kind, logo := range map[string][]byte{"jpeg": withExif(jpegLogo(m), tiff), "png": withChunk(pngLogo(m), "eXIf", tiff)} {
				t.Run(fmt.Sprintf("%d in %s %s", o, kind, order), func(t *testing.T) {
					t.Parallel()
					norm, err := teamsapp.NormalizeLogo(logo, nil)
					require.NoError(t, err)
					got := pixels(t, norm)
					require.Equal(t, image.Rect(0, 0, 48, 32), got.Bounds())
					near(t, red, got.NRGBAAt(8, 8))
					near(t, blue, got.NRGBAAt(40, 8))
					near(t, paper, got.NRGBAAt(8, 24))
				})
			}
		}
	}
}

func near(t *testing.T, want, got color.NRGBA) {
	t.Helper()
	for _, d := range []int{int(want.R) - int(got.R), int(want.G) - int(got.G), int(want.B) - int(got.B), int(want.A) - int(got.A)} {
		require.InDelta(t, 0, d, 40, "%v and %v", want, got)
	}
}

func TestWebPIsTurnedUpright(t *testing.T) {
	t.Parallel()
	b := webpLogo(t, "plain-lossy")
	data := append([]byte("Exif\x00\x00"), exif(binary.BigEndian, 6)...)
	b = append(b, "EXIF"...)
	b = append(binary.LittleEndian.AppendUint32(b, uint32(len(data))), data...)
	b[20] |= 8 // and so say the flags
	binary.LittleEndian.PutUint32(b[4:], uint32(len(b)-8))
	norm, err := teamsapp.NormalizeLogo(b, nil)
	require.NoError(t, err)
	require.Equal(t, image.Rect(0, 0, 64, 80), pixels(t, norm).Bounds())
}

func TestBadLogosAreRefusedWithAdvice(t *testing.T) {
	t.Parallel()
	good := pngLogo(picture(64, 64, paper, orange))
	photo := jpegLogo(noise(64, 64))
	still := webpLogo(t, "alpha-lossy")
	moving := append([]byte{}, still...)
	moving[20] |= 2
	frame := append(append([]byte{}, still[:30]...), append([]byte("ANMF\x10\x00\x00\x00"), make([]byte, 16)...)...)
	broken := append([]byte{}, good...)
	broken[len(broken)/2] ^= 0xFF
	ring := picture(32, 32, paper, orange)
	for name, tc := range map[string]struct {
		logo []byte
		says string
	}{
		"text":                {[]byte("hello"), "is not a PNG, JPEG, GIF or WebP picture: save it as PNG"},
		"svg":                 {[]byte(`<svg xmlns="http://www.w3.org/2000/svg"/>`), "but SVG, which can carry script: export it as PNG"},
		"svg with prolog":     {[]byte("\xef\xbb\xbf\n<?xml version=\"1.0\"?><svg/>"), "but SVG"},
		"svg behind comment":  {[]byte("<!-- made by --><SVG/>"), "but SVG"},
		"svg in latin":        {[]byte("<!DOCTYPE svg PUBLIC>"), "but SVG"},
		"svgz":                {[]byte("\x1f\x8b\x08\x00"), "perhaps SVGZ"},
		"avif":                {[]byte("\x00\x00\x00\x20ftypavif\x00\x00"), "but AVIF, HEIC or a film: save it as PNG"},
		"bmp":                 {[]byte("BM\x00\x00"), "but BMP"},
		"tiff":                {[]byte("II*\x00\x08"), "but TIFF"},
		"tiff, big":           {[]byte("MM\x00*\x00"), "but TIFF"},
		"ico":                 {[]byte("\x00\x00\x01\x00\x01"), "an icon for Windows"},
		"pdf":                 {[]byte("%PDF-1.7"), "but PDF"},
		"photoshop":           {[]byte("8BPS\x00\x01"), "but Photoshop"},
		"web page":            {[]byte("<!DOCTYPE html><html>"), "but a web page: download the picture itself"},
		"animated gif":        {gifLogo(ring, ring), "is an animation (GIF): save one picture of it as PNG"},
		"animated png":        {withChunk(good, "acTL", []byte{0, 0, 0, 2, 0, 0, 0, 0}), "is an animation (PNG)"},
		"animated webp":       {moving, "is an animation (WebP)"},
		"webp frames":         {frame, "is an animation (WebP)"},
		"only a name, png":    {good[:8], "is damaged or not complete: it begins as PNG"},
		"only a name, jpeg":   {photo[:3], "begins as JPEG"},
		"only a name, gif":    {[]byte("GIF89a"), "begins as GIF"},
		"only a name, webp":   {still[:12], "begins as WebP"},
		"half a png":          {good[:len(good)/2], "is damaged"},
		"half a jpeg":         {photo[:len(photo)/2], "is damaged"},
		"half a webp":         {still[:len(still)/2], "is damaged"},
		"half a gif":          {gifLogo(ring)[:60], "is damaged"},
		"bits turned":         {broken, "is damaged"},
		"header alone":        {pngHeader(10, 10), "is damaged"},
		"no width":            {pngHeader(0, 10), "is damaged"},
		"20,000 × 20,000":     {pngHeader(20000, 20000), "has 20000 × 20000 = 400000000 pixels, at most 24000000 are allowed: make it smaller"},
		"the largest png":     {pngHeader(1<<31-1, 1<<31-1), "is damaged"},
		"the largest that is": {pngHeader(30000, 30000), "= 900000000 pixels"},
		"the largest webp":    {webpHeader(16384, 16384), "has 16384 × 16384"},
		"the largest jpeg":    {flat{w: 65535, h: 65535, color: []int{0}}.jpegHeader(), "has 65535 × 65535"},
		"the largest gif":     {[]byte("GIF89a\xff\xff\xff\xff\x00\x00\x00;"), "has 65535 × 65535"},
		"bytes":               {append(append([]byte{}, good...), make([]byte, 16<<20)...), "bytes, at most 16777216 are allowed"},
		"passes":              {flat{w: 16, h: 16, color: []int{7}, progressive: true, passes: 101}.jpeg(), "has 101 passes over the picture, at most 100 are allowed"},
		"passes behind marks": {flat{w: 16, h: 16, color: []int{7}, progressive: true, passes: 101, before: []byte{0xFF, 0xFF}}.jpeg(), "has 101 passes"},
		"passes hidden":       {flat{w: 16, h: 16, color: []int{7}, progressive: true, passes: 101, before: segment(0xD8, 0xFF, 0xFE, 0xFF, 0xFF)}.jpeg(), "has 101 passes"},
		"passes hidden twice": {flat{w: 16, h: 16, color: []int{7}, progressive: true, passes: 101, before: segment(0x01, 0xFF, 0xFE, 0xFF, 0xFF)}.jpeg(), "has 101 passes"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := teamsapp.NormalizeLogo(tc.logo, nil)
			require.ErrorIs(t, err, mspkit.ErrInvalid)
			require.ErrorContains(t, err, "teamsapp: package: Logo ")
			require.ErrorContains(t, err, tc.says)
			b := brand()
			b.Logo = tc.logo
			p, err2 := teamsapp.NewPackage(b, nil)
			require.Nil(t, p)
			require.Equal(t, err.Error(), err2.Error())
		})
	}
	_, err := teamsapp.NormalizeLogo(nil, nil)
	require.ErrorContains(t, err, "Logo is missing")
	_, err = teamsapp.NormalizeLogo(good, &teamsapp.PackageOptions{MaxPixels: -1})
	require.ErrorContains(t, err, "MaxPixels")
}

func TestLimitsOfLogosCanBeSet(t *testing.T) {
	t.Parallel()
	logo := pngLogo(picture(100, 100, paper, orange))
	_, err := teamsapp.NormalizeLogo(logo, &teamsapp.PackageOptions{MaxPixels: 10000, MaxLogo: len(logo), Schema: "ignored"})
	require.NoError(t, err)
	_, err = teamsapp.NormalizeLogo(logo, &teamsapp.PackageOptions{MaxPixels: 9999})
	require.ErrorContains(t, err, "has 100 × 100 = 10000 pixels, at most 9999")
	require.Equal(t, 9999, teamsapp.Faults(err)[0].Max)
	require.Equal(t, 10000, teamsapp.Faults(err)[0].Size)
	_, err = teamsapp.NormalizeLogo(logo, &teamsapp.PackageOptions{MaxLogo: len(logo) - 1})
	require.ErrorContains(t, err, fmt.Sprintf("has %d bytes, at most %d", len(logo), len(logo)-1))
}

func TestHugeClaimsTakeNoMemory(t *testing.T) { //nolint:paralleltest // it looks at the memory of the process
	for name, logo := range map[string][]byte{
		"png": pngHeader(20000, 20000), "webp": webpHeader(16384, 16384), "gif": []byte("GIF89a\xff\xff\xff\xff\x00\x00\x00;"),
		"jpeg": flat{w: 65535, h: 65535, color: []int{0, 0, 0, 0}}.jpegHeader(),
	} {
		least := uint64(1 << 62)
		for range 3 {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, err := teamsapp.NormalizeLogo(logo, nil)
			runtime.ReadMemStats(&after)
			require.ErrorIs(t, err, mspkit.ErrInvalid)
			least = min(least, after.TotalAlloc-before.TotalAlloc)
		}
		require.Less(t, least, uint64(1<<20), name)
	}
}

func TestPanicOfADecoderIsAnError(t *testing.T) {
	t.Parallel()
	require.Error(t, teamsapp.GuardPanic())
}

func TestNormalizedLogoAlwaysFitsABrand(t *testing.T) {
	t.Parallel()
	logo := pngLogo(noise(700, 600)) // which cannot be compressed
	norm, err := teamsapp.NormalizeLogo(logo, nil)
	require.NoError(t, err)
	require.LessOrEqual(t, len(norm), mspkit.MaxLogo)
	require.NoError(t, mspkit.Brand{Name: "x", Logo: norm}.Validate())
	require.Equal(t, 256, pixels(t, norm).Bounds().Dx())
	again, err := teamsapp.NormalizeLogo(norm, nil)
	require.NoError(t, err)
	require.Equal(t, pixels(t, norm), pixels(t, again))
}

func noise(w, h int) *image.NRGBA {
	r := rand.New(rand.NewPCG(1, 2))
	m := image.NewNRGBA(image.Rect(0, 0, w, h))
	for i := range m.Pix {
		m.Pix[i] = uint8(r.Uint32()) | uint8(255*b2i(i%4 == 3))
	}
	return m
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

// FuzzLogo: whatever file comes, it is refused as a logo or gives icons that Teams takes.
func FuzzLogo(f *testing.F) {
	ring, hollow := picture(24, 20, paper, orange), picture(24, 20, glass, navy)
	for _, b := range [][]byte{
		pngLogo(ring), pngLogo(hollow), jpegLogo(ring), gifLogo(ring), gifLogo(ring, hollow), pngHeader(20000, 20000), webpHeader(16384, 16384),
		withExif(jpegLogo(ring), exif(binary.BigEndian, 6)), withChunk(pngLogo(ring), "acTL", []byte{0, 0, 0, 2, 0, 0, 0, 0}),
		webpLogo(f, "plain-lossy"), webpLogo(f, "plain-lossless"), webpLogo(f, "alpha-lossy"), webpLogo(f, "alpha-lossless"),
		flat{w: 16, h: 16, color: []int{255, 128, 255, 255}}.jpeg(), flat{w: 16, h: 16, color: []int{7}, progressive: true, passes: 3}.jpeg(),
		[]byte("<svg/>"), []byte("GIF89a"), []byte("\xff\xd8\xff"),
	} {
		f.Add(b)
	}
	o := &teamsapp.PackageOptions{MaxPixels: 1 << 16, MaxLogo: 1 << 18}
	b := brand()
	f.Fuzz(func(t *testing.T, logo []byte) {
		if len(logo) == 0 { // that is none
			return
		}
		norm, err := teamsapp.NormalizeLogo(logo, o)
		if err == nil {
			require.LessOrEqual(t, len(norm), mspkit.MaxLogo)
			require.True(t, strings.HasPrefix(string(norm), "\x89PNG"))
		}
		if err == nil && len(logo)%8 != 0 { // drawing icons takes a hundred times as long as reading a logo
			return
		}
		b := b
		b.Logo = logo
		p, other := teamsapp.NewPackage(b, o)
		require.Equal(t, err == nil, other == nil, "%v, %v", err, other)
		if other != nil {
			require.Nil(t, p)
			faults := teamsapp.Faults(other)
			require.Len(t, faults, 1, "%v", other)
			require.Equal(t, "Logo", faults[0].Field)
			return
		}
		checkIcons(t, p)
	})
}
