// Package sendhttp speaks to the pages of securesend one request at a time. A client for people retries and hides what went
// wrong; tests of crashes, races and speed need to see it.
package sendhttp

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"time"

	"github.com/mspkit/mspkit/securesend"
)

// Bytes are base64url in JSON.
type Bytes []byte

// MarshalText implements [encoding.TextMarshaler].
func (b Bytes) MarshalText() ([]byte, error) { return base64.RawURLEncoding.AppendEncode(nil, b), nil }

// UnmarshalText implements [encoding.TextUnmarshaler].
func (b *Bytes) UnmarshalText(text []byte) (err error) {
	*b, err = base64.RawURLEncoding.AppendDecode(nil, text)
	return err
}

// Reader is one who has the link of a send, with a claim of their own. It is safe for concurrent use.
type Reader struct {
	// Path is that of the page below the base, such as "/s/…".
	Path        string
	Fragment    []byte
	Auth, Claim []byte
	// Number is what the technician said.
	Number string
}

// NewReader returns a reader of s with a fresh claim.
func NewReader(s securesend.Sent) (*Reader, error) {
	link, err := securesend.ParseLink(s.Link.Reveal())
	if err != nil {
		return nil, err
	}
	r := &Reader{
		Path: "/" + string(rune(link.Kind)) + "/" + link.Token.Reveal(), Fragment: link.Fragment.Reveal(), Claim: securesend.RandomKey(),
		Number: s.Number.Reveal(),
	}
	r.Auth = securesend.Auth(r.Fragment)
	return r, nil
}

// Rival returns another one with the same link and a claim of their own.
func (r *Reader) Rival() *Reader {
	out := *r
	out.Claim = securesend.RandomKey()
	return &out
}

// Opened is what Open tells.
type Opened struct {
	State  string    `json:"state"`
	Sizes  []int64   `json:"sizes"`
	Before time.Time `json:"openedBefore"`
}

// Taken is what Take gives.
type Taken struct {
	Half       Bytes     `json:"half"`
	Context    Bytes     `json:"context"`
	Header     Bytes     `json:"header"`
	Manifest   Bytes     `json:"manifest"`
	Sizes      []int64   `json:"sizes"`
	LeaseUntil time.Time `json:"leaseUntil"`
}

// RefusedError is an answer other than success.
type RefusedError struct {
	Status int
	Code   string `json:"error"`
}

// Error implements error.
func (r *RefusedError) Error() string { return fmt.Sprintf("the answer was %d %s", r.Status, r.Code) }

// Code returns the code of a refusal, "unavailable" where the server may say otherwise later, "lost" where no answer came,
// and "" where there is no error.
func Code(err error) string {
	if err == nil {
		return ""
	}
	if r, ok := errors.AsType[*RefusedError](err); ok {
		return r.Code
	}
	return "lost"
}

// Body returns what a request of the reader says, with more fields.
func (r *Reader) Body(more map[string]any) []byte {
	body := map[string]any{"auth": Bytes(r.Auth)}
	maps.Copy(body, more)
	b, err := json.Marshal(body)
	if err != nil {
		panic(err) // these are texts and numbers
	}
	return b
}

// TakeBody is the body of a take.
func (r *Reader) TakeBody() []byte {
	more := map[string]any{"claim": Bytes(r.Claim)}
	if r.Number != "" {
		more["number"] = r.Number
	}
	return r.Body(more)
}

// Post sends body to a path below base and returns the body of the answer; it is a [*RefusedError] where it is not a success.
func Post(ctx context.Context, c *http.Client, url string, body []byte) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.GetBody = nil // a broken connection is for the test to see
	req.Header.Set("Content-Type", "application/json")
	res, err := c.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close() //nolint:errcheck // it was read
	out, err := io.ReadAll(res.Body)
	if err != nil {
		return nil, err
	}
	if res.StatusCode/100 != 2 {
		refused := &RefusedError{Status: res.StatusCode}
		if err := json.Unmarshal(out, refused); err != nil {
			return nil, fmt.Errorf("the answer was %d %q", res.StatusCode, out)
		}
		return nil, refused
	}
	return out, nil
}

func (r *Reader) post(ctx context.Context, c *http.Client, base, verb string, body []byte, out any) error {
	b, err := Post(ctx, c, base+r.Path+"/"+verb, body)
	if err != nil {
		return err
	}
	return json.Unmarshal(b, out)
}

// Open looks at what the link leads to.
func (r *Reader) Open(ctx context.Context, c *http.Client, base string) (out Opened, err error) {
	err = r.post(ctx, c, base, "open", r.Body(nil), &out)
	return out, err
}

// Take asks for the half.
func (r *Reader) Take(ctx context.Context, c *http.Client, base string) (out Taken, err error) {
	err = r.post(ctx, c, base, "take", r.TakeBody(), &out)
	return out, err
}

// Chunks fetches sealed chunks.
func (r *Reader) Chunks(ctx context.Context, c *http.Client, base string, file int, from, to int64) ([]byte, error) {
	return Post(ctx, c, base+r.Path+"/chunks", r.Body(map[string]any{"claim": Bytes(r.Claim), "file": file, "from": from, "to": to}))
}

// Ack says that everything arrived.
func (r *Reader) Ack(ctx context.Context, c *http.Client, base string) error {
	return r.post(ctx, c, base, "ack", r.Body(map[string]any{"claim": Bytes(r.Claim)}), &struct{}{})
}

// Content opens what was taken; fetch returns sealed chunks of a file.
func (r *Reader) Content(t Taken, fetch func(file int, from, to int64) ([]byte, error)) (text string, files [][]byte, err error) {
	header, err := securesend.ParseHeader(t.Header)
	if err != nil {
		return "", nil, err
	}
	keys, err := securesend.NewSendKeys(r.Fragment, t.Half, nil)
	if err != nil {
		return "", nil, err
	}
	bound := [securesend.KeySize]byte(t.Context)
	m, err := keys.OpenManifest(bound, header, t.Manifest)
	if err != nil {
		return "", nil, err
	}
	for i, f := range m.Files {
		sealed, err := fetch(i, 0, securesend.Chunks(f.Size))
		if err != nil {
			return "", nil, err
		}
		cipher, err := keys.File(bound, header, i)
		if err != nil {
			return "", nil, err
		}
		plain, err := io.ReadAll(cipher.OpenReader(bytes.NewReader(sealed), f.Size, 0))
		if err != nil {
			return "", nil, err
		}
		files = append(files, plain)
	}
	return m.Text, files, nil
}
