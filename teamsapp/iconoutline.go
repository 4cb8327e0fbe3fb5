package teamsapp

import (
	"image"
)

// mask is a shape: how much of each pixel belongs to it.
type mask struct {
	image.Rectangle
	pix []uint8
}

func newMask(r image.Rectangle, part func(x, y int) uint8) mask {
	k := mask{r, make([]uint8, r.Dx()*r.Dy())}
	for y := r.Min.Y; y < r.Max.Y; y++ {
		for x := r.Min.X; x < r.Max.X; x++ {
			k.pix[(y-r.Min.Y)*r.Dx()+x-r.Min.X] = part(x, y)
		}
	}
	return k
}

func (k mask) at(x, y int) uint8 { return k.pix[(y-k.Min.Y)*k.Dx()+x-k.Min.X] }

// inked is the value from which a pixel counts when a shape's box and parts are looked for.
const inked = 48

// trim returns the part of a shape within r, without empty edges.
func (k mask) trim(r image.Rectangle) mask {
	r = boxOf(r.Intersect(k.Rectangle), func(x, y int) bool { return k.at(x, y) >= inked })
	return newMask(r, k.at)
}

// share is how much of its rectangle the shape fills, 0 to 1.
func (k mask) share() float64 {
	sum := 0
	for _, v := range k.pix {
		sum += int(v)
	}
	return float64(sum) / float64(255*max(1, len(k.pix)))
}

const (
	// fullest is how much of its box a shape may fill: what fills more is a bar or a tile.
	fullest = 0.92
	// badge is how full a shape is that may have another on it, as a round sign has: a circle fills 0.79 of its box.
	badge = 0.7
	// emptiest is how little of the icon a shape may fill.
	emptiest = 0.015
)

// shape returns what of a logo is drawn in the outline icon; ok is false where there is nothing.
func (l look) shape() (k mask, ok bool) {
	switch l.kind {
	case cutOut:
		k = newMask(l.symbol, func(x, y int) uint8 { return l.m.Pix[l.m.PixOffset(x, y)+3] })
		if k.share() > badge {
			rim, share := l.rim()
			inner := l.difference(rim).trim(l.symbol)
			if share >= mostEdge && !inner.Empty() && inner.share() < fullest && inner.Dx()*inner.Dy()*12 > k.Dx()*k.Dy() {
				return inner, true
			}
		}
		k = l.carve(k)
	case plain:
		k = l.difference(l.ground)
	case blank, photo:
		return k, false
	}
	k = k.trim(k.Rectangle)
	return k, !k.Empty() && k.share() <= fullest
}

// carve draws lines into a shape where one colour meets another: without them discs that overlap would be one blob.
func (l look) carve(k mask) mask {
	d := max(1, max(k.Dx(), k.Dy())/56)
	out := newMask(k.Rectangle, func(x, y int) uint8 {
		v := k.at(x, y)
		if v < solid || !image.Rect(x-d, y-d, x+d+1, y+d+1).In(k.Rectangle) {
			return v
		}
		w, e, n, s := at(l.m, x-d, y), at(l.m, x+d, y), at(l.m, x, y-d), at(l.m, x, y+d)
		if k.at(x-d, y) >= solid && k.at(x+d, y) >= solid && distance(w, e) > 2*apart ||
			k.at(x, y-d) >= solid && k.at(x, y+d) >= solid && distance(n, s) > 2*apart {
			return 0
		}
		return v
	})
	if out.share() < k.share()*0.6 { // it is a picture rather than a sign
		return k
	}
	return out
}

// difference is the shape of what has another colour than the ground: the farther, the more.
func (l look) difference(ground rgb) mask {
	most := 0
	each := func(x, y int) int {
		if l.m.Pix[l.m.PixOffset(x, y)+3] < shows {
			return 0
		}
		return distance(at(l.m, x, y), ground) * int(l.m.Pix[l.m.PixOffset(x, y)+3]) / 255
	}
	for y := l.symbol.Min.Y; y < l.symbol.Max.Y; y++ {
		for x := l.symbol.Min.X; x < l.symbol.Max.X; x++ {
			most = max(most, each(x, y))
		}
	}
	low := sameColor
	high := max(apart+low, most*2/3)
	return newMask(l.symbol, func(x, y int) uint8 {
		return uint8(max(0, min(255, (each(x, y)-low)*255/(high-low))))
	})
}

// wide reports whether a shape is so wide that nothing of it can be read in a small square.
func (k mask) wide() bool { return k.Dx()*10 > k.Dy()*22 }

// beside returns the symbol that stands beside the name in a wide logo.
func (k mask) beside() (mask, bool) {
	if !k.wide() {
		return k, false
	}
	parts := k.parts(max(2, k.Dy()*12/100))
	if first := parts[0]; len(parts) > 1 && first.squarish() {
		return first, true
	}
	if last := parts[len(parts)-1]; len(parts) == 2 && last.squarish() {
		return last, true
	}
	return k, false
}

// letter returns the first letter of a name where the letters stand apart, and otherwise all of it.
func (k mask) letter() mask {
	if k.wide() {
		if letters := k.parts(1); len(letters) > 1 && letters[0].squarish() {
			return letters[0]
		}
	}
	return k
}

func (k mask) squarish() bool { return k.Dx()*10 <= k.Dy()*17 && k.Dy()*10 <= k.Dx()*30 }

// parts cuts a shape where at least gap columns are empty.
func (k mask) parts(gap int) []mask {
	var out []mask
	from, empty := -1, 0
	for x := k.Min.X; x <= k.Max.X; x++ {
		ink := false
		for y := k.Min.Y; y < k.Max.Y && x < k.Max.X && !ink; y++ {
			ink = k.at(x, y) >= inked
		}
		switch {
		case ink && from < 0:
			from, empty = x, 0
		case ink:
			empty = 0
		case from >= 0:
			if empty++; empty >= gap || x == k.Max.X {
				out = append(out, k.trim(image.Rect(from, k.Min.Y, x-empty+1, k.Max.Y)))
				from = -1
			}
		}
	}
	return out
}

// drawOutline draws the outline icon: white and nothing else.
func (ic *icons) drawOutline(from kind, k mask, ok bool) {
	if ok {
		ic.outline = outlineOf(k.letter())
		if outlineFault(ic.outline) == "" {
			return
		}
	}
	if from != blank { // which says so already
		ic.warn(WarnGeneric, "No white shape could be made of the logo: the outline icon shows a headset. Upload the symbol alone, as PNG with a transparent background.")
	}
	canvas := image.NewRGBA(image.Rect(0, 0, outlineSize, outlineSize))
	drawGlyph(canvas, image.Point{}, outlineSize, white)
	ic.outline = whiten(canvas)
}

// outlineOf draws a shape as large as it fits: the outline icon has no padding.
func outlineOf(k mask) *image.NRGBA {
	from := image.NewRGBA(image.Rect(0, 0, k.Dx(), k.Dy()))
	for i, v := range k.pix {
		from.Pix[4*i], from.Pix[4*i+1], from.Pix[4*i+2], from.Pix[4*i+3] = v, v, v, v
	}
	w, h := inside(k.Dx(), k.Dy(), outlineSize)
	to := image.Rect(0, 0, w, h).Add(image.Pt((outlineSize-w)/2, (outlineSize-h)/2))
	canvas := image.NewRGBA(image.Rect(0, 0, outlineSize, outlineSize))
	put(canvas, to, from, from.Bounds())
	return whiten(canvas)
}

// whiten makes each pixel white, as opaque as it was, and all of them more where scaling has made thin lines faint.
func whiten(m *image.RGBA) *image.NRGBA {
	const faint, full = 12, 240
	var count [256]int
	inked := 0
	for i := 3; i < len(m.Pix); i += 4 {
		if m.Pix[i] > faint {
			count[m.Pix[i]]++
			inked++
		}
	}
	strong := 255 // what a tenth of the pixels has at least
	for n := count[strong]; strong > full/3 && n*10 < inked; n += count[strong] {
		strong--
	}
	out := image.NewNRGBA(m.Bounds())
	for i := 0; i < len(m.Pix); i += 4 {
		out.Pix[i], out.Pix[i+1], out.Pix[i+2] = 255, 255, 255
		if a := int(m.Pix[i+3]); a > faint {
			out.Pix[i+3] = uint8(min(255, a*full/strong+(255-full)*a/255))
		}
	}
	return out
}

// outlineFault says what is wrong with an outline icon: Teams takes only white on transparent
// (https://learn.microsoft.com/microsoftteams/platform/concepts/build-and-test/apps-package#app-icons), and one that is
// all white or all empty shows nothing.
func outlineFault(m *image.NRGBA) string {
	if m.Bounds() != image.Rect(0, 0, outlineSize, outlineSize) {
		return "size"
	}
	sum := 0
	for i := 0; i < len(m.Pix); i += 4 {
		p := m.Pix[i:][:4]
		if p[3] != 0 && (p[0] != 255 || p[1] != 255 || p[2] != 255) {
			return "color"
		}
		sum += int(p[3])
	}
	switch share := float64(sum) / (255 * outlineSize * outlineSize); {
	case share < emptiest:
		return "empty"
	case share > fullest:
		return "full"
	}
	return ""
}
