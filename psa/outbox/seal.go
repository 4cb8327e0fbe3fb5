package outbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/seal"
	"github.com/mspkit/mspkit/internal/token"
	"github.com/mspkit/mspkit/psa"
)

// What one note may be. A text beyond [MaxText] is no note.
const (
	MaxTitle = 500
	MaxText  = 1 << 20
	// MaxNoteKey is the longest Note.Key in bytes.
	MaxNoteKey = 512
	maxParts   = 999
	leastPart  = 64 // what psa.Split needs
	// titleGlue is what a system may put around a title where it has no field for it.
	titleGlue = 8
)

// secrets are the keys of an outbox, each for one purpose.
type secrets struct {
	box    *seal.Box
	keys   *token.Hasher
	marker *token.Hasher
	ring   *mspkit.KeyRing
}

func newSecrets(ring *mspkit.KeyRing) (*secrets, error) {
	if ring == nil {
		return nil, fmt.Errorf("a key ring is required: %w", mspkit.ErrInvalid)
	}
	box, err := seal.New(ring, "psa-outbox")
	if err != nil {
		return nil, err
	}
	keys, err := token.NewHasher(ring, "psa-outbox-key")
	if err != nil {
		return nil, err
	}
	mark, err := token.NewHasher(ring, "psa-outbox-marker")
	if err != nil {
		return nil, err
	}
	return &secrets{box: box, keys: keys, marker: mark, ring: ring}, nil
}

// hashes returns the hashes of a note's key under every key of the ring, that of the primary first; none where it has none.
func (s *secrets) hashes(tenant mspkit.TenantID, key string) [][]byte {
	if key == "" {
		return nil
	}
	return s.keys.Sums(string(tenant), key)
}

// payload is what is sealed: the note, and how it is written. Everything about the writing is settled when the note is
// accepted, so that neither another limit nor another key nor another version of this module changes it between tries.
type payload struct {
	Title      string         `json:"title,omitempty"`
	Text       string         `json:"text,omitempty"`
	Visibility psa.Visibility `json:"visibility,omitempty"`
	Key        string         `json:"key,omitempty"`
	// Limit is that of the ticket system when the note was accepted, 0 where there was none.
	Limit int `json:"limit,omitempty"`
	// Cut are the texts of the parts where there is more than one; Bare says that the title is within the first.
	Cut     []string `json:"cut,omitempty"`
	Bare    bool     `json:"bare,omitempty"`
	Markers []string `json:"markers"`
}

// plan settles how a note is written.
func (s *secrets) plan(tenant mspkit.TenantID, id string, n psa.Note, limit int) (payload, error) {
	p := payload{Title: n.Title, Text: n.Text, Visibility: n.Visibility, Key: n.Key, Limit: max(limit, 0)}
	title := 0
	if n.Title != "" {
		title = len(n.Title) + titleGlue
	}
	parts := 1
	if limit > 0 && title+len(n.Text)+markerLen > limit {
		room, text := limit-title-markerLen, n.Text
		if room < max(leastPart, limit/4) && title > 0 {
			// A title that fills the note would be in each part: it is written once.
			room, text, p.Bare = limit-markerLen, n.Title+"\n\n"+n.Text, true
		}
		if room < leastPart {
			return payload{}, fmt.Errorf("the ticket system takes notes of %d bytes only, too short to be split into: %w", limit, psa.ErrTooLong)
		}
		p.Cut = psa.Split(text, room)
		if parts = len(p.Cut); parts > maxParts {
			return payload{}, fmt.Errorf("the text would be %d notes, at most %d are written: %w", parts, maxParts, psa.ErrTooLong)
		}
	}
	for i := range parts {
		p.Markers = append(p.Markers, marker(s.marker, tenant, id, i))
	}
	return p, nil
}

// note returns one part as it is written.
func (p payload) note(part int, id string) psa.Note {
	n := psa.Note{Title: p.Title, Text: p.Text, Visibility: p.Visibility, Key: p.Key}
	if n.Key == "" {
		n.Key = id
	}
	if p.Bare {
		n.Title = ""
	}
	if len(p.Cut) > 0 {
		n.Text = p.Cut[part]
		n.Key += "/" + strconv.Itoa(part+1)
	}
	if n.Text = strings.TrimRightFunc(n.Text, unicode.IsSpace); n.Text != "" {
		n.Text += "\n"
	}
	n.Text += p.Markers[part]
	return n
}

// place is where a note belongs: sealed for another one it does not open.
func place(e Entry) []string {
	return []string{string(e.Tenant), e.ID, e.Ticket.System, e.Ticket.ID}
}

func (s *secrets) seal(e Entry, p payload) ([]byte, error) {
	plain, err := json.Marshal(p)
	if err != nil {
		return nil, errors.New("the note cannot be encoded") // its error could hold the text
	}
	return s.box.Seal(plain, place(e)...), nil
}

func (s *secrets) open(e Entry) (payload, error) {
	plain, err := s.box.Open(e.Sealed, place(e)...)
	if err != nil {
		return payload{}, err
	}
	var p payload
	if json.Unmarshal(plain, &p) != nil || len(p.Markers) == 0 || len(p.Cut) > 0 && len(p.Cut) != len(p.Markers) || len(p.Markers) != e.Parts {
		return payload{}, seal.ErrCorrupt
	}
	return p, nil
}

func checkNote(n psa.Note) error {
	var errs []error
	bad := func(format string, args ...any) {
		errs = append(errs, fmt.Errorf(format+": %w", append(args, mspkit.ErrInvalid)...))
	}
	if strings.TrimSpace(n.Title) == "" && strings.TrimSpace(n.Text) == "" {
		bad("a note needs a text or a title")
	}
	if strings.ContainsAny(n.Title, "\r\n") {
		bad("the title must be one line")
	}
	if len(n.Title) > MaxTitle {
		bad("the title has %d bytes, at most %d are allowed", len(n.Title), MaxTitle)
	}
	if len(n.Text) > MaxText {
		errs = append(errs, fmt.Errorf("the text has %d bytes, at most %d are allowed: %w", len(n.Text), MaxText, psa.ErrTooLong))
	}
	if len(n.Key) > MaxNoteKey {
		bad("the key has %d bytes, at most %d are allowed", len(n.Key), MaxNoteKey)
	}
	for _, f := range []struct{ name, s string }{{"title", n.Title}, {"text", n.Text}, {"key", n.Key}} {
		if !utf8.ValidString(f.s) {
			bad("the %s is not valid UTF-8", f.name)
		}
	}
	if n.Visibility != psa.Internal && n.Visibility != psa.Public {
		bad("%d is no visibility", int(n.Visibility))
	}
	return errors.Join(errs...)
}
