package teamsapp

import (
	"encoding/json"
	"image"
	"io"

	"github.com/mspkit/mspkit/internal/jwks"
)

// What the tests of the inbound half look at.
const (
	MaxActivity      = maxActivity
	MaxAuthorization = maxAuthorization
	BodyTimeout      = bodyTimeout
	KeysFresh        = jwks.Fresh
	KeysGood         = jwks.Good
	KeysPause        = jwks.Pause
	KeysRetry        = jwks.Retry
)

// Trusted is what the bot's token may be sent to.
func Trusted(c Cloud, serviceURL string) (string, error) {
	u, err := c.trusted(serviceURL)
	if err != nil {
		return "", err
	}
	return u.String(), nil
}

// ParseData reads the data of a press.
func ParseData(raw []byte) (map[string]any, error) { return parseData(json.RawMessage(raw)) }

// PlainText reads what somebody wrote.
func PlainText(s string) string { return plainText(s) }

// GuardPanic is what a logo whose decoder panics gives.
func GuardPanic() error {
	_, err := guard(func(io.Reader) (int, error) { panic("index out of range") })(nil)
	return err
}

// OutlineFault says what is wrong with an outline icon.
func OutlineFault(m *image.NRGBA) string { return outlineFault(m) }

// Contrast is the contrast of two colours of the form #RRGGBB.
func Contrast(a, b string) float64 {
	x, errX := parseAccent(a)
	y, errY := parseAccent(b)
	if errX != nil || errY != nil {
		return 0
	}
	return contrast(x, y)
}

// Resample scales a part of a picture.
func Resample(m *image.RGBA, r image.Rectangle, w, h int) *image.RGBA { return resample(m, r, w, h) }
