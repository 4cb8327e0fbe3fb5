// Package wire is what securesend's pages and those who call them say to each other: JSON with bytes in base64url, and one
// table of errors. The script of securesendpage speaks the same.
package wire

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"time"
)

// UploadHeader carries the secret of an upload, in base64url, where the body is a part.
const UploadHeader = "Mspkit-Upload"

// Types of bodies.
const (
	JSON  = "application/json"
	Octet = "application/octet-stream"
)

// Bytes are written as base64url without padding.
type Bytes []byte

// MarshalText implements [encoding.TextMarshaler].
func (b Bytes) MarshalText() ([]byte, error) {
	return base64.RawURLEncoding.AppendEncode(nil, b), nil
}

// UnmarshalText implements [encoding.TextUnmarshaler]. There is one way to write bytes; its errors repeat nothing of text.
func (b *Bytes) UnmarshalText(text []byte) error {
	out, err := base64.RawURLEncoding.Strict().AppendDecode(nil, text)
	for _, c := range text {
		if c == '\n' || c == '\r' { // which the decoder skips
			err = errBytes
		}
	}
	if err != nil {
		return errBytes
	}
	*b = out
	return nil
}

var errBytes = errors.New("not base64url without padding")

// ParseBytes reads what [Bytes.MarshalText] wrote.
func ParseBytes(s string) ([]byte, error) {
	var b Bytes
	err := b.UnmarshalText([]byte(s))
	return b, err
}

// ErrBody means that a body is not the JSON that is expected. Its text repeats nothing of the body.
var ErrBody = errors.New("the body is not the JSON that is expected")

// Decode reads one JSON object into v: nothing may be in it that v does not have, and nothing may follow it. Errors of r are
// passed on, all others are [ErrBody].
func Decode(r io.Reader, v any) error {
	e := &errReader{r: r}
	dec := json.NewDecoder(e)
	dec.DisallowUnknownFields()
	err := dec.Decode(v)
	if err == nil {
		if _, err = dec.Token(); errors.Is(err, io.EOF) && e.err == nil {
			return nil
		}
	}
	if e.err != nil {
		return e.err
	}
	return ErrBody
}

// errReader remembers how its reader failed.
type errReader struct {
	r   io.Reader
	err error
}

func (e *errReader) Read(p []byte) (int, error) {
	n, err := e.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		e.err = err
	}
	return n, err
}

// IsType reports whether a Content-Type is want, be it with parameters.
func IsType(header, want string) bool {
	t, _, err := mime.ParseMediaType(header)
	return err == nil && t == want
}

// Recipient asks to open a send; of a request both are empty.
type Recipient struct {
	Auth  Bytes `json:"auth,omitempty"`
	Claim Bytes `json:"claim,omitempty"`
}

// Opened answers to open, of a send.
type Opened struct {
	Kind                string     `json:"kind"`
	State               string     `json:"state"`
	Now                 time.Time  `json:"now"`
	Context             Bytes      `json:"context"`
	Header              Bytes      `json:"header,omitempty"`
	Gate                string     `json:"gate"`
	TriesLeft           int        `json:"triesLeft"`
	CodeSent            bool       `json:"codeSent"`
	Passphrase          bool       `json:"passphrase"`
	PassphraseTriesLeft int        `json:"passphraseTriesLeft"`
	Locked              bool       `json:"locked"`
	Sizes               []int64    `json:"sizes"`
	ExpiresAt           time.Time  `json:"expiresAt"`
	OpenedBefore        *time.Time `json:"openedBefore,omitempty"`
	EndedAt             *time.Time `json:"endedAt,omitempty"`
	ViewsLeft           int        `json:"viewsLeft"`
}

// Asked answers to open, of a request.
type Asked struct {
	Kind      string    `json:"kind"`
	State     string    `json:"state"`
	Now       time.Time `json:"now"`
	Context   Bytes     `json:"context"`
	Key       Bytes     `json:"key,omitempty"`
	Gate      string    `json:"gate"`
	TriesLeft int       `json:"triesLeft"`
	Locked    bool      `json:"locked"`
	// Taken is whether somebody has begun to answer.
	Taken     bool      `json:"taken"`
	Limits    Limits    `json:"limits"`
	ExpiresAt time.Time `json:"expiresAt"`
}

// Limits are those of content, in bytes: of the text and of all files together. Files is how many there may be.
type Limits struct {
	Text  int   `json:"text"`
	Total int64 `json:"total"`
	Files int   `json:"files"`
}

// Gate answers to verify. State is "waiting", "passed" or "refused".
type Gate struct {
	State string `json:"state"`
	Hint  string `json:"hint,omitempty"`
}

// Take asks for the server half.
type Take struct {
	Auth   Bytes  `json:"auth"`
	Claim  Bytes  `json:"claim"`
	Number string `json:"number,omitempty"`
	Code   string `json:"code,omitempty"`
	Pass   Bytes  `json:"pass,omitempty"`
}

// Taken answers to take.
type Taken struct {
	Half       Bytes     `json:"half"`
	Context    Bytes     `json:"context"`
	Header     Bytes     `json:"header"`
	Manifest   Bytes     `json:"manifest"`
	Sizes      []int64   `json:"sizes"`
	Now        time.Time `json:"now"`
	LeaseUntil time.Time `json:"leaseUntil"`
	ExpiresAt  time.Time `json:"expiresAt"`
	Message    string    `json:"message,omitempty"`
	ViewsLeft  int       `json:"viewsLeft"`
}

// Chunks asks for sealed chunks, To not included.
type Chunks struct {
	Auth  Bytes `json:"auth"`
	Claim Bytes `json:"claim"`
	File  int   `json:"file"`
	From  int64 `json:"from"`
	To    int64 `json:"to"`
}

// Upload shows the secret of an upload. Number is for the beginning of an answer to a request.
type Upload struct {
	Upload Bytes  `json:"upload"`
	Number string `json:"number,omitempty"`
}

// Begun answers to begin.
type Begun struct {
	Kind    string `json:"kind"`
	State   string `json:"state"`
	Context Bytes  `json:"context"`
	// Link is that of a send without its fragment; empty for a request.
	Link string `json:"link,omitempty"`
	Held bool   `json:"held"`
	// Key is the public key of a request.
	Key    Bytes  `json:"key,omitempty"`
	Limits Limits `json:"limits"`
}

// Parts answers which parts of each file have arrived, in order.
type Parts struct {
	Files [][]int `json:"files"`
}

// Commit completes an upload. Auth is the SHA-256 of the first auth.
type Commit struct {
	Upload   Bytes   `json:"upload"`
	Header   Bytes   `json:"header"`
	Auth     Bytes   `json:"auth,omitempty"`
	Half     Bytes   `json:"half,omitempty"`
	Pass     Bytes   `json:"pass,omitempty"`
	Manifest Bytes   `json:"manifest"`
	Sizes    []int64 `json:"sizes,omitempty"`
}

// Committed answers to commit. Number is for the technician who filled a send.
type Committed struct {
	ExpiresAt time.Time `json:"expiresAt"`
	Gate      string    `json:"gate"`
	Number    string    `json:"number,omitempty"`
	Warning   string    `json:"warning,omitempty"`
}

// Empty is the body where there is nothing to be said.
type Empty struct{}
