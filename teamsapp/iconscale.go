package teamsapp

import (
	"image"
	imgdraw "image/draw"
)

// resample returns the part of m within r in w by h pixels. It is the cubic filter of Catmull and Rom, in whole numbers:
// in floating point a machine of another kind rounds otherwise, and the same logo would be another package there.
func resample(m *image.RGBA, r image.Rectangle, w, h int) *image.RGBA {
	across, down := tapsOf(r.Dx(), w), tapsOf(r.Dy(), h)
	// The rows in their new width, in 256ths.
	rows := make([][4]int32, w*r.Dy())
	for y := range r.Dy() {
		line := m.Pix[m.PixOffset(r.Min.X, r.Min.Y+y):][:4*r.Dx()]
		for x, t := range across {
			var sum [4]int64
			for i, weight := range t.weights {
				p := line[4*(t.from+i):][:4]
				for c := range sum {
					sum[c] += weight * int64(p[c])
				}
			}
			for c, s := range sum {
				rows[y*w+x][c] = int32(s * 256 / t.sum)
			}
		}
	}
	out := image.NewRGBA(image.Rect(0, 0, w, h))
	for y, t := range down {
		for x := range w {
			var sum [4]int64
			for i, weight := range t.weights {
				p := &rows[(t.from+i)*w+x]
				for c := range sum {
					sum[c] += weight * int64(p[c])
				}
			}
			to := out.Pix[out.PixOffset(x, y):][:4]
			half := t.sum * 128
			alpha := max(0, min(255, (sum[3]+half)/(t.sum*256)))
			for c := range 3 { // the filter overshoots, and no colour may be more than its opacity
				to[c] = uint8(max(0, min(alpha, (sum[c]+half)/(t.sum*256))))
			}
			to[3] = uint8(alpha)
		}
	}
	return out
}

// taps are the pixels that one new pixel is made of.
type taps struct {
	from    int
	weights []int64
	sum     int64
}

// tapsOf returns the taps of each of n new pixels that stand for size old ones.
func tapsOf(size, n int) []taps {
	const one = 1 << 10 // with which no sum overflows
	out := make([]taps, n)
	// Places are in parts of which an old pixel has 2n and a new one 2·size.
	unit := 2 * max(size, n)
	for x := range out {
		middle := (2*x + 1) * size
		first, last := max(0, (middle-2*unit)/(2*n)-1), min(size-1, (middle+2*unit)/(2*n)+1)
		t := taps{from: first}
		for i := first; i <= last; i++ {
			d := (2*i+1)*n - middle
			weight := catmullRom(int64(max(d, -d))*one/int64(unit), one)
			t.weights = append(t.weights, weight)
			t.sum += weight
		}
		out[x] = t
	}
	return out
}

// catmullRom is twice the filter's value at a distance of t/one, times one³.
func catmullRom(t, one int64) int64 {
	switch {
	case t < one:
		return 3*t*t*t - 5*t*t*one + 2*one*one*one
	case t < 2*one:
		return -t*t*t + 5*t*t*one - 8*t*one*one + 4*one*one*one
	}
	return 0
}

// put draws the part of m within r onto a canvas, as large as to is.
func put(canvas *image.RGBA, to image.Rectangle, m *image.RGBA, r image.Rectangle) {
	imgdraw.Draw(canvas, to, resample(m, r, to.Dx(), to.Dy()), image.Point{}, imgdraw.Over)
}
