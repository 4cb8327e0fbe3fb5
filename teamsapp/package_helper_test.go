package teamsapp_test

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit/teamsapp"
)

const pkgBot = "07338883-af76-47b3-86e4-2603c50be638"

var (
	navy   = color.NRGBA{0x10, 0x20, 0x50, 255}
	orange = color.NRGBA{0xF2, 0x8C, 0x28, 255}
	paper  = color.NRGBA{255, 255, 255, 255}
	glass  = color.NRGBA{}
)

// brand is one that is fine.
func brand() teamsapp.Brand {
	return teamsapp.Brand{
		Key: "msp-1", BotID: pkgBot,
		Texts: teamsapp.Texts{
			ShortName: "Contoso Helpdesk", FullName: "Contoso Helpdesk identity check",
			Summary: "Know who calls.", Description: "Sends you a code or a question when you call the Contoso helpdesk.",
		},
		Accent: "#0A64A4", Logo: pngLogo(picture(120, 120, glass, orange)),
		Developer: teamsapp.Developer{
			Name: "Contoso", Website: "https://contoso.example", Privacy: "https://contoso.example/privacy", Terms: "https://contoso.example/terms",
		},
	}
}

// picture is a ring on a ground.
func picture(w, h int, ground, ink color.NRGBA) *image.NRGBA {
	m := image.NewNRGBA(image.Rect(0, 0, w, h))
	r := float64(min(w, h)) * 0.4
	for y := range h {
		for x := range w {
			c := ground
			if d := math.Hypot(float64(x)-float64(w)/2, float64(y)-float64(h)/2); d <= r && d >= r/2 {
				c = ink
			}
			m.SetNRGBA(x, y, c)
		}
	}
	return m
}

func pngLogo(m image.Image) []byte {
	var b bytes.Buffer
	if err := png.Encode(&b, m); err != nil {
		panic(err)
	}
	return b.Bytes()
}

func jpegLogo(m image.Image) []byte {
	var b bytes.Buffer
	if err := jpeg.Encode(&b, m, &jpeg.Options{Quality: 85}); err != nil {
		panic(err)
	}
	return b.Bytes()
}

// gifLogo is a GIF with as many pictures as given.
func gifLogo(ms ...*image.NRGBA) []byte {
	var g gif.GIF
	for _, m := range ms {
		p := image.NewPaletted(m.Bounds(), color.Palette{paper, navy, orange, glass})
		for y := range m.Bounds().Dy() {
			for x := range m.Bounds().Dx() {
				p.Set(x, y, m.At(x, y))
			}
		}
		g.Image, g.Delay = append(g.Image, p), append(g.Delay, 10)
	}
	var b bytes.Buffer
	if err := gif.EncodeAll(&b, &g); err != nil {
		panic(err)
	}
	return b.Bytes()
}

// webpLogo is a ring of a file: plain-lossy, plain-lossless, alpha-lossy or alpha-lossless. A browser wrote them.
func webpLogo(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", "logo-"+name+".webp"))
	require.NoError(t, err)
	return b
}

// pngChunk is one chunk of a PNG.
func pngChunk(kind string, data []byte) []byte {
	b := binary.BigEndian.AppendUint32(nil, uint32(len(data)))
	b = append(append(b, kind...), data...)
	return binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b[4:]))
}

// withChunk puts a chunk behind the header of a PNG.
func withChunk(b []byte, kind string, data []byte) []byte {
	const head = 8 + 12 + 13
	out := append([]byte{}, b[:head]...)
	return append(append(out, pngChunk(kind, data)...), b[head:]...)
}

// pngHeader is a PNG that says a size and has no picture.
func pngHeader(w, h uint32) []byte {
	d := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, w), h)
	return append([]byte("\x89PNG\r\n\x1a\n"), pngChunk("IHDR", append(d, 8, 6, 0, 0, 0))...)
}

// webpHeader is a WebP of a VP8L picture that says a size.
func webpHeader(w, h uint32) []byte {
	bits := (w - 1) | (h-1)<<14
	d := append([]byte{0x2F}, binary.LittleEndian.AppendUint32(nil, bits)...)
	d = append(d, 0x88, 0x88, 0x08)
	b := binary.LittleEndian.AppendUint32([]byte("RIFF"), uint32(12+len(d)))
	b = binary.LittleEndian.AppendUint32(append(b, "WEBPVP8L"...), uint32(len(d)))
	return append(b, d...)
}

// exif is EXIF data with an orientation.
func exif(order binary.AppendByteOrder, orientation uint16) []byte {
	b := []byte("II*\x00")
	if order.String() == binary.BigEndian.String() {
		b = []byte("MM\x00*")
	}
	b = order.AppendUint16(order.AppendUint32(b, 8), 1)
	b = order.AppendUint16(order.AppendUint16(b, 0x0112), 3)
	return order.AppendUint32(order.AppendUint16(order.AppendUint16(order.AppendUint32(b, 1), orientation), 0), 0)
}

// segment is one of a JPEG.
func segment(marker byte, data ...byte) []byte {
	return append(binary.BigEndian.AppendUint16([]byte{0xFF, marker}, uint16(len(data)+2)), data...)
}

// withExif puts EXIF data behind the start of a JPEG.
func withExif(b, tiff []byte) []byte {
	return append(append([]byte{0xFF, 0xD8}, segment(0xE1, append([]byte("Exif\x00\x00"), tiff...)...)...), b[2:]...)
}

// flat says how flatJPEG writes a picture.
type flat struct {
	w, h int
	// color has one value for each component: 1 is grey, 4 are cyan, magenta, yellow and black.
	color []int
	// progressive writes SOF2 and as many passes as given, the others of which change nothing.
	progressive bool
	passes      int
	// before stands before each pass.
	before []byte
}

// jpeg writes a JPEG of one colour, of kinds that image/jpeg does not write.
func (f flat) jpeg() []byte {
	out := []byte{0xFF, 0xD8}
	if len(f.color) == 4 {
		out = append(out, segment(0xEE, append([]byte("Adobe"), 0, 100, 0, 0, 0, 0, 0)...)...)
	}
	out = append(out, segment(0xDB, append([]byte{0}, bytes.Repeat([]byte{1}, 64)...)...)...)
	frame := []byte{8, byte(f.h >> 8), byte(f.h), byte(f.w >> 8), byte(f.w), byte(len(f.color))}
	for i := range f.color {
		frame = append(frame, byte(i+1), 0x11, 0)
	}
	sof := byte(0xC0)
	if f.progressive {
		sof = 0xC2
	}
	out = append(out, segment(sof, frame...)...)
	// Each length of a DC difference has a code of 4 bits; of AC there is only "no more", as one bit.
	out = append(out, segment(0xC4, append([]byte{0, 0, 0, 0, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11)...)...)
	out = append(out, segment(0xC4, append([]byte{0x10, 1}, make([]byte, 16)...)...)...)
	scan := func(components []int, from, to byte) []byte {
		s := []byte{byte(len(components))}
		for _, c := range components {
			s = append(s, byte(c+1), 0)
		}
		return append(append([]byte{}, f.before...), segment(0xDA, append(s, from, to, 0)...)...)
	}
	all := make([]int, len(f.color))
	for i := range all {
		all[i] = i
	}
	last := byte(63)
	if f.progressive {
		last = 0
	}
	out = append(append(out, scan(all, 0, last)...), f.blocks()...)
	for range f.passes - 1 {
		// One bit for each block of the first component: nothing more.
		n := ((f.w + 7) / 8) * ((f.h + 7) / 8)
		bits := make([]byte, (n+7)/8)
		out = append(append(out, scan([]int{0}, 1, 63)...), bits...)
	}
	return append(out, 0xFF, 0xD9)
}

// blocks are the codes of all blocks: the colour in the first, then no difference.
func (f flat) blocks() []byte {
	var out []byte
	var acc, n uint
	put := func(v, bits uint) {
		acc, n = acc<<bits|v, n+bits
		for ; n >= 8; n -= 8 {
			b := byte(acc >> (n - 8))
			if out = append(out, b); b == 0xFF {
				out = append(out, 0)
			}
		}
	}
	for i := range ((f.w + 7) / 8) * ((f.h + 7) / 8) {
		for _, v := range f.color {
			d := (v - 128) * 8
			if i > 0 {
				d = 0
			}
			size := uint(0)
			for a := max(d, -d); a > 0; a >>= 1 {
				size++
			}
			put(size, 4)
			if d < 0 {
				d += 1<<size - 1
			}
			put(uint(d), size)
			if !f.progressive {
				put(0, 1)
			}
		}
	}
	put(0x7F, 7)
	return out
}

// pixels decodes an icon.
func pixels(t testing.TB, b []byte) *image.NRGBA {
	t.Helper()
	m, err := png.Decode(bytes.NewReader(b))
	require.NoError(t, err)
	out := image.NewNRGBA(m.Bounds())
	for y := range m.Bounds().Dy() {
		for x := range m.Bounds().Dx() {
			out.Set(x, y, m.At(x, y))
		}
	}
	return out
}

// jpegHeader is the same up to the first pass, which is empty.
func (f flat) jpegHeader() []byte {
	small := f
	small.w, small.h = 8, 8
	b := small.jpeg()
	sof := bytes.Index(b, []byte{0xFF, 0xC0})
	binary.BigEndian.PutUint16(b[sof+5:], uint16(f.h))
	binary.BigEndian.PutUint16(b[sof+7:], uint16(f.w))
	head, _, _ := bytes.Cut(b, []byte{0xFF, 0xDA})
	return append(slices.Clip(head), segment(0xDA, 1, 1, 0, 0, 63, 0)...)
}

// checkIcons looks at each pixel: the colour icon is an opaque square, the outline icon white and nothing else.
func checkIcons(t testing.TB, p *teamsapp.Package) {
	t.Helper()
	c := pixels(t, p.Color)
	require.Equal(t, image.Rect(0, 0, 192, 192), c.Bounds())
	for i := 3; i < len(c.Pix); i += 4 {
		require.EqualValues(t, 255, c.Pix[i], "pixel %d can be seen through", i/4)
	}
	o := pixels(t, p.Outline)
	require.Equal(t, image.Rect(0, 0, 32, 32), o.Bounds())
	ink := 0
	for i := 0; i < len(o.Pix); i += 4 {
		if a := o.Pix[i+3]; a > 0 {
			require.Equal(t, []uint8{255, 255, 255}, o.Pix[i:i+3:i+3], "pixel %d is not white", i/4)
			ink += int(a)
		}
	}
	require.Greater(t, ink, 255*32*32/70, "nothing can be seen")
	require.Less(t, ink, 255*32*32*93/100, "it is all white")
}
