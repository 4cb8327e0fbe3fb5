package teamsapp

import (
	"fmt"
	"image"
	"image/color"
	imgdraw "image/draw"
	"math"
)

// The sizes of the icons in pixels (https://learn.microsoft.com/microsoftteams/platform/concepts/build-and-test/apps-package#app-icons).
const (
	colorSize   = 192
	symbolSize  = 96 // the middle of the colour icon, which no client cuts off
	outlineSize = 32
)

// icons are the two pictures of an app.
type icons struct {
	color, outline *image.NRGBA
	warnings       []Warning
}

func (ic *icons) warn(code, format string, args ...any) {
	ic.warnings = append(ic.warnings, Warning{code, fmt.Sprintf(format, args...)})
}

const (
	// enough is the contrast that a sign needs (https://www.w3.org/TR/WCAG22/#non-text-contrast).
	enough = 3.0
	// standsOut is how far a colour is from a ground on which it can be seen well, onWhite how far from white, for which
	// most logos are made: so yellow and orange are.
	standsOut, onWhite = 0.3, 0.2
	// mostSeen is how much of a shape's edge must be seen.
	mostSeen = 0.85
)

// drawIcons makes the icons of a logo, which may be nil.
func drawIcons(logo *image.RGBA, accent rgb) icons {
	var ic icons
	if c := contrast(white, accent); c < enough {
		ic.warn(WarnAccent, "White on the accent colour %s has a contrast of %.2f to 1; Teams shows the white outline icon on it, and 3 to 1 is needed to see it. Choose a darker accent colour.", accent, math.Floor(c*100)/100)
	}
	l := look{}
	if logo != nil {
		l = lookAt(logo)
	}
	k, ok := l.shape()
	l.warnWide(&ic, k)
	if sign, found := k.beside(); ok && found {
		l.symbol, k = sign.Rectangle, sign
	}
	ic.drawColor(l, accent)
	ic.drawOutline(l.kind, k, ok)
	return ic
}

// drawColor draws the colour icon: a symbol in the middle of a square, or a picture that fills it.
func (ic *icons) drawColor(l look, accent rgb) {
	ic.color = image.NewNRGBA(image.Rect(0, 0, colorSize, colorSize))
	canvas := image.NewRGBA(ic.color.Bounds())
	fill := func(c rgb) {
		imgdraw.Draw(canvas, canvas.Bounds(), image.NewUniform(color.RGBA{c.r, c.g, c.b, 255}), image.Point{}, imgdraw.Src)
	}
	switch w, h := l.symbol.Dx(), l.symbol.Dy(); {
	case l.kind == blank:
		ic.warn(WarnNoLogo, "There is no logo, or nothing can be seen in it: the icons show a headset. Upload a logo.")
		ink := white
		if contrast(ink, accent) < enough {
			ink = dark
		}
		fill(accent)
		drawGlyph(canvas, image.Pt((colorSize-symbolSize)/2, (colorSize-symbolSize)/2), symbolSize, ink)
	case l.kind == photo && max(w, h)*10 <= min(w, h)*16:
		side := min(w, h)
		middle := image.Rect(0, 0, side, side).Add(l.symbol.Min).Add(image.Pt((w-side)/2, (h-side)/2))
		if !nearSquare(l.symbol) {
			ic.warn(WarnCropped, "The logo is a picture without a plain background: the colour icon shows the square in its middle. A square logo shows all of it.")
		}
		put(canvas, canvas.Bounds(), l.m, middle)
		ic.warnSmall(side, colorSize)
	default:
		ground := l.ground
		if l.kind != plain {
			ground = ic.choose(l, accent)
		}
		fill(ground)
		dw, dh := inside(w, h, symbolSize)
		to := image.Rect(0, 0, dw, dh).Add(image.Pt((colorSize-dw)/2, (colorSize-dh)/2))
		put(canvas, to, l.m, l.symbol)
		ic.warnSmall(max(w, h), symbolSize)
	}
	// Whatever the scaler has rounded, the square is opaque.
	imgdraw.Draw(ic.color, ic.color.Bounds(), canvas, image.Point{}, imgdraw.Src)
	for i := 3; i < len(ic.color.Pix); i += 4 {
		ic.color.Pix[i] = 255
	}
}

func (l look) warnWide(ic *icons, k mask) {
	long, short := max(l.symbol.Dx(), l.symbol.Dy()), min(l.symbol.Dx(), l.symbol.Dy())
	if l.kind == blank || long <= 3*short {
		return
	}
	shown := "little of it can be read"
	if _, ok := k.beside(); ok {
		shown = "they show only a part of it"
	}
	ic.warn(WarnWide, "The logo is %.1f times as long as high, and icons are small squares: %s. Upload the symbol alone.", float64(long)/float64(short), shown)
}

func (ic *icons) warnSmall(have, want int) {
	if have*4 < want*3 {
		ic.warn(WarnSmall, "The logo has only %d pixels where the icon has %d: it is blurred. Upload a larger one.", have, want)
	}
}

// choose returns the background for a cut-out shape: the accent colour, unless too little of the shape could be seen on it
// and more on white or nearly black.
func (ic *icons) choose(l look, accent rgb) rgb {
	edge := l.edge()
	best, most := accent, edge.seenOn(accent)
	for _, c := range []rgb{white, dark} {
		if most >= mostSeen {
			break
		}
		if s := edge.seenOn(c); s > most {
			best, most = c, s
		}
	}
	if best != accent {
		ic.warn(WarnBackground, "Parts of the logo cannot be seen on the accent colour %s: the colour icon has the background %s.", accent, best)
	}
	if most < mostSeen {
		ic.warn(WarnContrast, "Parts of the logo can hardly be seen on the background %s of the colour icon. Upload a logo whose colours differ from it, or one with a background.", best)
	}
	return best
}

// seenOn returns the share of the colours that can be seen on a ground.
func (t *tally) seenOn(ground rgb) float64 {
	far := standsOut
	if ground == white {
		far = onWhite
	}
	seen, g := 0, ground.lab()
	for _, c := range t.seen {
		if c.lab().farther(g, far) {
			seen++
		}
	}
	return float64(seen) / float64(max(1, len(t.seen)))
}
