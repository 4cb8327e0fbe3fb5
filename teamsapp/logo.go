package teamsapp

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	imgdraw "image/draw"
	"image/gif"
	"image/jpeg"
	"image/png"
	"io"
	"strings"

	"golang.org/x/image/webp"

	"github.com/mspkit/mspkit"
)

const (
	// DefaultMaxLogo is how many bytes a logo may have.
	DefaultMaxLogo = 16 << 20
	// DefaultMaxPixels is how many pixels a logo may have: a picture of 24 megapixels, such as 6,000 by 4,000.
	DefaultMaxPixels = 24_000_000

	// workSize is what a logo is brought down to before it is looked at.
	workSize = 1024
	// normalSize is the longer side of what NormalizeLogo returns.
	normalSize = 512
	// maxScans is how many passes over the picture a JPEG may have. Programs write about ten; a small file can ask for
	// hundreds of thousands, each of which goes over all pixels.
	maxScans = 100
)

// NormalizeLogo returns a logo as a PNG of at most 512 by 512 pixels, turned as its camera says, and so small that it also
// fits mspkit.Brand.Logo: what a page can show and a host keep instead of what was uploaded. Nil options are fine; of them
// only MaxLogo and MaxPixels count. What cannot be used is a [*FieldError] for the field Logo. It is safe for concurrent
// use and needs the memory of [NewPackage].
func NormalizeLogo(logo []byte, o *PackageOptions) ([]byte, error) {
	if len(logo) == 0 {
		return nil, fault("Logo", "", "is missing")
	}
	var limits PackageOptions
	if o != nil {
		limits.MaxLogo, limits.MaxPixels = o.MaxLogo, o.MaxPixels
	}
	opts, errs := limits.fill()
	if len(errs) > 0 {
		return nil, errs[0]
	}
	m, err := decodeLogo(logo, opts.MaxLogo, opts.MaxPixels)
	if err != nil {
		return nil, err
	}
	for side := normalSize; ; side /= 2 {
		out, err := encodePNG(fit(m, m.Bounds(), side))
		if err != nil || len(out) <= mspkit.MaxLogo {
			return out, err
		}
	}
}

// fit returns the part of m within r, at most side pixels wide and high and not enlarged, as pixels whose colour does not
// depend on their opacity.
func fit(m *image.RGBA, r image.Rectangle, side int) *image.NRGBA {
	w, h := inside(r.Dx(), r.Dy(), min(side, max(r.Dx(), r.Dy())))
	scaled := resample(m, r, w, h)
	out := image.NewNRGBA(scaled.Bounds())
	imgdraw.Draw(out, out.Bounds(), scaled, image.Point{}, imgdraw.Src)
	return out
}

// inside returns the size of a picture of w by h whose longer side is brought to side.
func inside(w, h, side int) (int, int) {
	long := max(w, h)
	return max(1, (w*side+long/2)/long), max(1, (h*side+long/2)/long)
}

// decodeLogo returns a logo of foreign origin at most workSize pixels wide and high, turned upright; nil if there is none.
// How much memory and time it takes is decided before any pixel is read: by the size of the file, the size that the
// picture says it has, and the number of passes over it.
func decodeLogo(logo []byte, maxBytes, maxPixels int) (*image.RGBA, error) {
	if len(logo) == 0 {
		return nil, nil
	}
	if len(logo) > maxBytes {
		return nil, tooMuch("Logo", "", len(logo), maxBytes, "bytes")
	}
	kind := mspkit.Brand{Logo: logo}.LogoType()
	f, ok := formats[kind]
	if !ok {
		return nil, fault("Logo", "", "is not a PNG, JPEG, GIF or WebP picture"+otherFormat(logo))
	}
	about := f.scan(logo)
	switch {
	case about.frames > 1:
		return nil, fault("Logo", "", fmt.Sprintf("is an animation (%s): save one picture of it as PNG", f.name))
	case about.scans > maxScans:
		return nil, tooMuch("Logo", "", about.scans, maxScans, "passes over the picture")
	}
	c, err := f.config(logo)
	if err != nil {
		return nil, broken(f.name)
	}
	if c.Width <= 0 || c.Height <= 0 {
		return nil, fault("Logo", "", "has no pixels")
	}
	if uint64(c.Width)*uint64(c.Height) > uint64(maxPixels) {
		n := int(min(uint64(c.Width)*uint64(c.Height), 1<<62))
		return nil, &FieldError{
			Field: "Logo", Max: maxPixels, Size: n,
			Reason: fmt.Sprintf("has %d × %d = %d pixels, at most %d are allowed: make it smaller, 1,000 pixels wide is enough", c.Width, c.Height, n, maxPixels),
		}
	}
	m, err := f.decode(logo)
	if err != nil {
		return nil, broken(f.name)
	}
	if b := m.Bounds(); b.Empty() || b.Dx() > c.Width || b.Dy() > c.Height {
		return nil, broken(f.name)
	}
	return upright(shrink(m, workSize), about.orientation), nil
}

func broken(name string) error {
	return fault("Logo", "", "is damaged or not complete: it begins as "+name+" but cannot be read to its end")
}

// format is how one kind of picture is read.
type format struct {
	name   string
	scan   func([]byte) about
	config func([]byte) (image.Config, error)
	decode func([]byte) (image.Image, error)
}

var formats = map[string]format{
	"image/png":  {"PNG", scanPNG, guard(png.DecodeConfig), guard(png.Decode)},
	"image/jpeg": {"JPEG", scanJPEG, guard(jpeg.DecodeConfig), guard(jpeg.Decode)},
	"image/gif":  {"GIF", scanGIF, guard(gif.DecodeConfig), guard(gif.Decode)},
	"image/webp": {"WebP", scanWebP, guard(webp.DecodeConfig), guard(webp.Decode)},
}

// guard makes an error of a panic: decoders have had some, and a foreign file must not end a request or a process.
func guard[T any](read func(io.Reader) (T, error)) func([]byte) (T, error) {
	return func(b []byte) (out T, err error) {
		defer func() {
			if r := recover(); r != nil {
				err = errDecoder
			}
		}()
		return read(bytes.NewReader(b))
	}
}

var errDecoder = errors.New("the decoder gave up")

// signatures are how files begin that are no pictures of ours, with what to do.
var signatures = []struct{ at, means string }{
	{"\x1f\x8b", ", but compressed, perhaps SVGZ: export it as PNG, 1,000 pixels wide"},
	{"BM", ", but BMP: save it as PNG"},
	{"II*\x00", ", but TIFF: save it as PNG"},
	{"MM\x00*", ", but TIFF: save it as PNG"},
	{"\x00\x00\x01\x00", ", but an icon for Windows: save it as PNG"},
	{"8BPS", ", but Photoshop: save it as PNG"},
	{"%PDF", ", but PDF: export it as PNG, 1,000 pixels wide"},
	{"%!PS", ", but PostScript: export it as PNG, 1,000 pixels wide"},
}

// otherFormat says what a file is that is no picture of ours.
func otherFormat(b []byte) string {
	b = b[:min(len(b), 1024)]
	for _, s := range signatures {
		if bytes.HasPrefix(b, []byte(s.at)) {
			return s.means
		}
	}
	if len(b) >= 12 && string(b[4:8]) == "ftyp" {
		return ", but AVIF, HEIC or a film: save it as PNG"
	}
	text := strings.ToLower(strings.TrimLeft(strings.TrimPrefix(string(b), "\xef\xbb\xbf"), " \t\r\n"))
	switch {
	case strings.HasPrefix(text, "<?xml"), strings.HasPrefix(text, "<!doctype svg"), strings.HasPrefix(text, "<") && strings.Contains(text, "<svg"):
		return ", but SVG, which can carry script: export it as PNG, 1,000 pixels wide"
	case strings.HasPrefix(text, "<"):
		return ", but a web page: download the picture itself"
	}
	return ": save it as PNG"
}

// shrink returns m with its longer side at most limit, each pixel the mean of those that it stands for. It works on a few
// rows at a time, so that it needs little beside m whatever m's size and kind.
func shrink(m image.Image, limit int) *image.RGBA {
	b := m.Bounds()
	f := (max(b.Dx(), b.Dy()) + limit - 1) / limit
	if f <= 1 {
		out := image.NewRGBA(image.Rect(0, 0, b.Dx(), b.Dy()))
		imgdraw.Draw(out, out.Bounds(), m, b.Min, imgdraw.Src)
		return out
	}
	w, h := (b.Dx()+f-1)/f, (b.Dy()+f-1)/f
	out := image.NewRGBA(image.Rect(0, 0, w, h))
	rows, ready := m.(*image.RGBA)
	if !ready {
		rows = image.NewRGBA(image.Rect(0, 0, b.Dx(), min(f, b.Dy())))
	}
	sums := make([][4]uint32, w)
	for y := range h {
		n := min(f, b.Dy()-y*f)
		from := rows.Rect.Min
		if ready {
			from.Y += y * f
		} else {
			imgdraw.Draw(rows, image.Rect(0, 0, b.Dx(), n), m, image.Pt(b.Min.X, b.Min.Y+y*f), imgdraw.Src)
		}
		clear(sums)
		for r := range n {
			line := rows.Pix[rows.PixOffset(from.X, from.Y+r):][:4*b.Dx()]
			for x := range w {
				s := &sums[x]
				for cell := line[4*x*f : min(4*(x+1)*f, len(line))]; len(cell) >= 4; cell = cell[4:] {
					s[0] += uint32(cell[0])
					s[1] += uint32(cell[1])
					s[2] += uint32(cell[2])
					s[3] += uint32(cell[3])
				}
			}
		}
		for x := range w {
			count := uint32(n * min(f, b.Dx()-x*f))
			to := out.Pix[out.PixOffset(x, y):]
			for i, s := range sums[x] {
				to[i] = uint8((s + count/2) / count)
			}
		}
	}
	return out
}

// upright turns a picture as the orientation of its EXIF data says, 1 to 8; anything else leaves it as it is.
func upright(m *image.RGBA, orientation int) *image.RGBA {
	if orientation < 2 || orientation > 8 {
		return m
	}
	w, h := m.Bounds().Dx(), m.Bounds().Dy()
	size := image.Rect(0, 0, w, h)
	if orientation >= 5 {
		size = image.Rect(0, 0, h, w)
	}
	out := image.NewRGBA(size)
	for y := range h {
		for x := range w {
			var dx, dy int
			switch orientation {
			case 2:
				dx, dy = w-1-x, y
			case 3:
				dx, dy = w-1-x, h-1-y
			case 4:
				dx, dy = x, h-1-y
			case 5:
				dx, dy = y, x
			case 6:
				dx, dy = h-1-y, x
			case 7:
				dx, dy = h-1-y, w-1-x
			case 8:
				dx, dy = y, w-1-x
			}
			copy(out.Pix[out.PixOffset(dx, dy):][:4], m.Pix[m.PixOffset(x, y):])
		}
	}
	return out
}
