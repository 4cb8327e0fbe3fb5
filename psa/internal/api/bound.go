package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
)

// ErrTooBig is part of an error where an answer is longer, or has more in it, than is read at once.
var ErrTooBig = errors.New("the answer is too big")

// maxValues is how many values an answer may have. Few bytes of JSON, such as "{},", can become a record of some hundred
// bytes, so that the length, which httpx bounds, is not enough. A thousand contacts with many custom fields have about
// 200,000.
const maxValues = 300_000

// decode reads one JSON value.
func decode(r io.Reader, out any) error {
	return json.NewDecoder(&counter{r: r, left: maxValues}).Decode(out)
}

// counter reads JSON and fails where there are too many values in it. What is no JSON it counts somehow: the decoder
// refuses it.
type counter struct {
	r              io.Reader
	left           int
	quoted, escape bool
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	for b := p[:n]; len(b) > 0; {
		if c.quoted {
			b = c.text(b)
			continue
		}
		switch b[0] {
		case '"':
			c.quoted = true
		case ',', '[', '{': // each value follows one of them
			c.left--
		}
		b = b[1:]
	}
	if c.left < 0 {
		return 0, ErrTooBig
	}
	return n, err
}

// text skips what is in a string.
func (c *counter) text(b []byte) []byte {
	if c.escape {
		c.escape = false
		return b[1:]
	}
	i := bytes.IndexAny(b, `"\`)
	if i < 0 {
		return nil
	}
	c.escape = b[i] == '\\'
	c.quoted = c.escape
	return b[i+1:]
}
