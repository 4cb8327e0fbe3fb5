package totp

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/boombuler/barcode/qr"
)

// quiet is how many empty modules stand around the code (ISO/IEC 18004 demands four).
const quiet = 4

// Picture is a QR code as squares: dark or not.
type Picture struct {
	// Size is the number of modules on a side, the empty margin included.
	Size int
	dark []bool
}

// QR returns the QR code of text, with medium error correction.
func QR(text string) (*Picture, error) {
	code, err := qr.Encode(text, qr.M, qr.Auto)
	if err != nil {
		return nil, fmt.Errorf("totp: the text of %d bytes is too long for a QR code", len(text)) // err may repeat it
	}
	n := code.Bounds().Dx()
	p := &Picture{Size: n + 2*quiet, dark: make([]bool, (n+2*quiet)*(n+2*quiet))}
	for y := range n {
		for x := range n {
			if r, _, _, _ := code.At(x, y).RGBA(); r == 0 {
				p.dark[(y+quiet)*p.Size+x+quiet] = true
			}
		}
	}
	return p, nil
}

// Dark reports whether a module is dark.
func (p *Picture) Dark(x, y int) bool { return p.dark[y*p.Size+x] }

// Path returns the dark modules as the path of an SVG whose view box is Size wide and high.
func (p *Picture) Path() string {
	var b strings.Builder
	for y := range p.Size {
		for x := 0; x < p.Size; x++ {
			from := x
			for x < p.Size && p.Dark(x, y) {
				x++
			}
			if w := strconv.Itoa(x - from); x > from {
				b.WriteString("M" + strconv.Itoa(from) + " " + strconv.Itoa(y) + "h" + w + "v1h-" + w + "z")
			}
		}
	}
	return b.String()
}
