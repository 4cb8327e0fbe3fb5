package securesend

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/cleantext"
	"github.com/mspkit/mspkit/internal/seal"
	"github.com/mspkit/mspkit/internal/token"
)

// secrets makes and checks everything that is keyed.
type secrets struct {
	primary          string
	halves           *seal.Box // server halves
	box              *seal.Box // details of a record
	links, public    *token.Codec
	numbers, phrases *token.Hasher // MACs of numbers, codes and second auths
	takers           *token.Hasher // first auths of technicians who take the answer to a request
	at               *token.Hasher // keys of limits
	ids              []string
}

func newSecrets(ring *mspkit.KeyRing) (*secrets, error) {
	if ring == nil {
		return nil, fmt.Errorf("a key ring is required: %w", ErrInvalid)
	}
	s := &secrets{primary: ring.Primary(), ids: ring.IDs()}
	var err error
	for _, b := range []struct {
		box  **seal.Box
		kind string
	}{{&s.halves, "securesend/half"}, {&s.box, "securesend/record"}} {
		if *b.box, err = seal.New(ring, b.kind); err != nil {
			return nil, err
		}
	}
	for _, c := range []struct {
		codec **token.Codec
		label string
	}{{&s.links, "securesend/link"}, {&s.public, "securesend/public"}} {
		if *c.codec, err = token.NewCodec(ring, c.label); err != nil {
			return nil, err
		}
	}
	for _, h := range []struct {
		hasher **token.Hasher
		label  string
	}{{&s.numbers, "securesend/number"}, {&s.phrases, "securesend/passphrase"}, {&s.takers, "securesend/taker"}, {&s.at, "securesend/at"}} {
		if *h.hasher, err = token.NewHasher(ring, h.label); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// details is what a record holds sealed.
type details struct {
	Number     string `json:"n,omitempty"`
	Technician string `json:"t,omitempty"`
	Header     string `json:"h,omitempty"`
	Message    string `json:"m,omitempty"`
	Question   string `json:"q,omitempty"`
	// CodeBy and CodeTo are where codes go.
	CodeBy string `json:"b,omitempty"`
	CodeTo string `json:"c,omitempty"`
	Locale string `json:"l,omitempty"`
	// Public is the public key of a request.
	Public []byte `json:"p,omitempty"`
	// DataToNote is not stored: it is done when the send is made.
	DataToNote bool `json:"-"`
}

func (s *secrets) seal(ref Ref, d details) ([]byte, error) {
	plain, err := json.Marshal(d)
	if err != nil {
		return nil, err
	}
	return s.box.Seal(plain, string(ref.Tenant), ref.ID), nil
}

// open returns the details of r; those of a record that has ended are gone.
func (s *secrets) open(r Record) (details, error) {
	var d details
	if len(r.Sealed) == 0 {
		return d, nil
	}
	plain, err := s.box.Open(r.Sealed, string(r.Tenant), r.ID)
	if err != nil {
		return d, err
	}
	err = json.Unmarshal(plain, &d)
	return d, err
}

func (s *secrets) sealHalf(ref Ref, half []byte) []byte {
	return s.halves.Seal(half, string(ref.Tenant), ref.ID)
}

// number returns the MAC of a number or code under the primary key, numberMACs those under every key.
func (s *secrets) number(ref Ref, number string) []byte {
	sum, _ := s.numbers.Sum(s.primary, string(ref.Tenant), ref.ID, number) // the primary key is always there
	return sum
}

func (s *secrets) macs(h *token.Hasher, ref Ref, answer string) MACs {
	out := make(MACs, len(s.ids))
	for _, id := range s.ids {
		out[id], _ = h.Sum(id, string(ref.Tenant), ref.ID, answer) // every id is of the ring
	}
	return out
}

// taker returns the first auth of the technician who asked: the answer to their request is released to no other. It is
// keyed, so that nobody who reads the store can make it, and by the key that was primary when they asked.
func (s *secrets) taker(keyID string, ref Ref, technician string) ([]byte, error) {
	return s.takers.Sum(keyID, string(ref.Tenant), ref.ID, technician)
}

// hash names parts without telling them.
func (s *secrets) hash(parts ...string) string {
	sum, _ := s.at.Sum(s.primary, parts...) // the primary key is always there
	return token.Text(sum)
}

func sha(b []byte) []byte {
	sum := sha256.Sum256(b)
	return sum[:]
}

// digits returns the decimal digits of s, of any script, as ASCII, or "" where there is anything else than digits, spaces and
// dashes.
func digits(s string) string {
	if len(s) > 256 {
		return ""
	}
	typed, _, _ := cleantext.Typed(s)
	return typed
}
