package teamsapp

import (
	"image"
	"math"
	"sync"
)

const finePoints = 8 // per pixel and direction

// The sign is the same each time, and looking at each of its points takes longer than the rest of a package.
var glyphs = map[int]func() []uint16{
	symbolSize:  sync.OnceValue(func() []uint16 { return glyph(symbolSize) }),
	outlineSize: sync.OnceValue(func() []uint16 { return glyph(outlineSize) }),
}

// drawGlyph draws a headset in one colour over m, in a square at p whose side is one of glyphs: what stands for a helpdesk
// whose logo gives nothing.
func drawGlyph(m *image.RGBA, p image.Point, side int, ink rgb) {
	const all = finePoints * finePoints
	for i, n := range glyphs[side]() {
		at := m.Pix[m.PixOffset(p.X+i%side, p.Y+i/side):][:4]
		for j, c := range [4]uint8{ink.r, ink.g, ink.b, 255} {
			at[j] = uint8((int(c)*int(n) + int(at[j])*(all-int(n)) + all/2) / all)
		}
	}
}

// glyph returns for each pixel of a square how many of its points are part of the headset.
func glyph(side int) []uint16 {
	out := make([]uint16, side*side)
	for i := range out {
		for j := range finePoints * finePoints {
			u := (float64(i%side) + (float64(j%finePoints)+0.5)/finePoints) / float64(side) * 32
			v := (float64(i/side) + (float64(j/finePoints)+0.5)/finePoints) / float64(side) * 32
			if headset(u, v) {
				out[i]++
			}
		}
	}
	return out
}

// headset reports whether a point of a square of 32 by 32 is part of the sign.
func headset(u, v float64) bool {
	const cx, cy, radius, half = 16.0, 15.5, 12.0, 1.4
	ring := math.Abs(math.Hypot(u-cx, v-cy) - radius)
	switch {
	case v <= cy && ring <= half: // the bow
		return true
	case roundBox(math.Abs(u-cx)-12.0, v-18.5, 2.9, 5.0, 2.2): // the two cups
		return true
	case v > 22 && u > cx && math.Abs(math.Hypot(u-19, v-20.5)-8.2) <= 1.1 && u >= 19: // the arm
		return true
	case u >= 16.5 && u <= 19 && math.Abs(v-28.7) <= 1.1:
		return true
	}
	return math.Hypot(u-16, v-28.7) <= 2.4 // the microphone
}

// roundBox reports whether a point is within a box around 0 of half-sizes w and h, with round corners.
func roundBox(x, y, w, h, corner float64) bool {
	dx, dy := math.Abs(x)-w+corner, math.Abs(y)-h+corner
	return math.Hypot(max(dx, 0), max(dy, 0))+min(max(dx, dy), 0) <= corner
}
