package teamsapp

import "image"

// kind is what sort of picture a logo is.
type kind int

const (
	// blank has nothing to be seen.
	blank kind = iota
	// cutOut has a shape on transparent ground.
	cutOut
	// plain has a shape on a ground of one colour.
	plain
	// photo fills its frame.
	photo
)

// look is what was found out about a logo.
type look struct {
	kind kind
	// m is the logo; for plain and photo it is opaque.
	m *image.RGBA
	// ground is the colour of the ground of a plain logo, or of the edge of a photo.
	ground rgb
	// symbol is where the shape is; for a photo all of it.
	symbol image.Rectangle
}

const (
	shows    = 16  // alpha from which a pixel counts as part of a shape
	solid    = 128 // alpha from which it hides what is behind
	apart    = 40  // distance from which a pixel is not the ground
	mostEdge = 0.85
)

// lookAt finds out what sort of picture a logo is.
func lookAt(m *image.RGBA) look {
	b := m.Bounds()
	hollow, seen := 0, 0
	for i := 3; i < len(m.Pix); i += 4 {
		if m.Pix[i] < solid {
			hollow++
		}
		if m.Pix[i] >= shows {
			seen++
		}
	}
	all := b.Dx() * b.Dy()
	if seen == 0 {
		return look{m: m}
	}
	if hollow*200 < all { // less than half a percent: not on purpose
		return lookAtOpaque(flatten(m, white))
	}
	l := look{kind: cutOut, m: m, symbol: boxOf(b, func(x, y int) bool { return m.Pix[m.PixOffset(x, y)+3] >= shows })}
	// A tile with round corners, as other shops want icons: Teams rounds them itself, so its colour goes on to the edges.
	if s := l.symbol; nearSquare(s) && l.coverage() > 0.9 {
		edge, share := l.rim()
		tile := flatten(m, edge)
		cut, ok := tile.SubImage(s).(*image.RGBA)
		if !ok || share < mostEdge {
			return look{kind: photo, m: tile, ground: edge, symbol: s}
		}
		if inner := lookAtPlain(cut, edge); inner.kind == plain {
			inner.m = tile
			return inner
		}
	}
	return l
}

// lookAtOpaque looks at a logo without transparency: its edge says whether it has a ground.
func lookAtOpaque(m *image.RGBA) look {
	b := m.Bounds()
	thick := max(1, min(b.Dx(), b.Dy())/100)
	var t tally
	for y := b.Min.Y; y < b.Max.Y; y++ {
		for x := b.Min.X; x < b.Max.X; x++ {
			if x == b.Min.X+thick && y >= b.Min.Y+thick && y < b.Max.Y-thick {
				x = max(x, b.Max.X-thick)
			}
			t.add(at(m, x, y))
		}
	}
	edge, share := t.most()
	if share < mostEdge {
		return look{kind: photo, m: m, ground: edge, symbol: b}
	}
	return lookAtPlain(m, edge)
}

func lookAtPlain(m *image.RGBA, ground rgb) look {
	box := boxOf(m.Bounds(), func(x, y int) bool { return distance(at(m, x, y), ground) > apart })
	if box.Empty() {
		return look{m: m, ground: ground}
	}
	return look{kind: plain, m: m, ground: ground, symbol: box}
}

// coverage is which share of its box a cut-out shape fills.
func (l look) coverage() float64 {
	n := 0
	for y := l.symbol.Min.Y; y < l.symbol.Max.Y; y++ {
		for x := l.symbol.Min.X; x < l.symbol.Max.X; x++ {
			if l.m.Pix[l.m.PixOffset(x, y)+3] >= solid {
				n++
			}
		}
	}
	return float64(n) / float64(l.symbol.Dx()*l.symbol.Dy())
}

// rim returns the colour of a cut-out shape along its edge, a little inside, and how much of the edge has it.
func (l look) rim() (rgb, float64) {
	t := l.edge()
	return t.most()
}

// edge returns the colours of a shape along its edge, at most some ten thousand.
func (l look) edge() tally {
	var t tally
	s := l.symbol
	in := max(1, min(s.Dx(), s.Dy())/32)
	opaque := func(x, y int) bool {
		return image.Pt(x, y).In(s) && l.m.Pix[l.m.PixOffset(x, y)+3] >= 250
	}
	step := 1 + s.Dx()*s.Dy()/(1<<18)
	n := 0
	for y := s.Min.Y; y < s.Max.Y; y++ {
		for x := s.Min.X; x < s.Max.X; x++ {
			within := opaque(x-in, y) && opaque(x+in, y) && opaque(x, y-in) && opaque(x, y+in)
			if opaque(x, y) && !within {
				if n++; n%step == 0 {
					t.add(at(l.m, x, y))
				}
			}
		}
	}
	return t
}

// at is the colour of a pixel, as it would be if it were opaque.
func at(m *image.RGBA, x, y int) rgb {
	p := m.Pix[m.PixOffset(x, y):][:4]
	if a := uint32(p[3]); a != 255 && a != 0 {
		un := func(v uint8) uint8 { return uint8(min(255, (uint32(v)*255+a/2)/a)) }
		return rgb{un(p[0]), un(p[1]), un(p[2])}
	}
	return rgb{p[0], p[1], p[2]}
}

// flatten returns m on a ground.
func flatten(m *image.RGBA, ground rgb) *image.RGBA {
	out := image.NewRGBA(m.Bounds())
	for i := 0; i < len(m.Pix); i += 4 {
		rest := 255 - uint32(m.Pix[i+3])
		for j, g := range [3]uint8{ground.r, ground.g, ground.b} {
			out.Pix[i+j] = uint8(min(255, uint32(m.Pix[i+j])+(uint32(g)*rest+127)/255))
		}
		out.Pix[i+3] = 255
	}
	return out
}

// boxOf returns the smallest rectangle with all pixels that are part of something.
func boxOf(b image.Rectangle, part func(x, y int) bool) image.Rectangle {
	var box image.Rectangle
	for y := b.Min.Y; y < b.Max.Y; y++ {
		for x := b.Min.X; x < b.Max.X; x++ {
			if part(x, y) {
				box = box.Union(image.Rect(x, y, x+1, y+1))
			}
		}
	}
	return box
}

func nearSquare(r image.Rectangle) bool {
	return r.Dx()*10 <= r.Dy()*12 && r.Dy()*10 <= r.Dx()*12
}
