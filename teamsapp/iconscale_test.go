package teamsapp_test

import (
	"bytes"
	"image"
	"image/color"
	"testing"

	"github.com/stretchr/testify/require"
	xdraw "golang.org/x/image/draw"

	"github.com/mspkit/mspkit/teamsapp"
)

// TestResampleIsTheKnownFilter compares with the same filter of golang.org/x/image, which calculates in floating point.
func TestResampleIsTheKnownFilter(t *testing.T) {
	t.Parallel()
	from := image.NewRGBA(image.Rect(0, 0, 211, 130))
	for i, p := range noise(211, 130).Pix {
		from.Pix[i] = p
	}
	for y := 30; y < 60; y++ {
		for x := 20; x < 190; x++ {
			from.Set(x, y, color.NRGBA{uint8(x), 200, uint8(y), uint8(x + y)})
		}
	}
	part := image.Rect(7, 5, 201, 125)
	for _, size := range []image.Point{{96, 59}, {32, 32}, {194, 120}, {1, 1}, {1, 50}, {300, 7}, {500, 400}} {
		want := image.NewRGBA(image.Rectangle{Max: size})
		xdraw.CatmullRom.Scale(want, want.Bounds(), from, part, xdraw.Src, nil)
		got := teamsapp.Resample(from, part, size.X, size.Y)
		require.Equal(t, want.Bounds(), got.Bounds())
		for i := range want.Pix {
			if max(want.Pix[i], got.Pix[i])-min(want.Pix[i], got.Pix[i]) > 2 {
				require.Equal(t, want.Pix[i], got.Pix[i], "%v at %d", size, i)
			}
			if got.Pix[i] > got.Pix[i|3] {
				require.LessOrEqual(t, got.Pix[i], got.Pix[i|3], "no colour is more than its opacity")
			}
		}
	}
	white := image.NewRGBA(image.Rect(0, 0, 1024, 1024))
	for i := range white.Pix {
		white.Pix[i] = 255
	}
	for _, side := range []int{1, 32, 1024, 1500} { // the sums are largest here
		require.Equal(t, bytes.Repeat([]byte{255}, 4*side*side), teamsapp.Resample(white, white.Bounds(), side, side).Pix)
	}
}
