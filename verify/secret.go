package verify

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
	"unicode"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/cleantext"
	"github.com/mspkit/mspkit/internal/seal"
	"github.com/mspkit/mspkit/internal/token"
)

// secrets makes and checks everything that is keyed.
type secrets struct {
	box                        *seal.Box     // details of a record
	queue                      *seal.Box     // queued deliveries
	links                      *token.Codec  // link tokens
	public                     *token.Codec  // tenant tags of public forms
	keys                       *token.Codec  // delivery keys
	answers, words, proofs, at *token.Hasher // MACs of answers, words and proofs; hashes of destinations and keys
	evidence                   *signer       // seals of chains and exports
}

func newSecrets(ring *mspkit.KeyRing) (*secrets, error) {
	if ring == nil {
		return nil, fmt.Errorf("a key ring is required: %w", ErrInvalid)
	}
	var s secrets
	for _, b := range []struct {
		box  **seal.Box
		kind string
	}{{&s.box, "verify/record"}, {&s.queue, "verify/queue"}} {
		box, err := seal.New(ring, b.kind)
		if err != nil {
			return nil, err
		}
		*b.box = box
	}
	for _, c := range []struct {
		codec **token.Codec
		label string
	}{{&s.links, "verify/link"}, {&s.public, "verify/public"}, {&s.keys, "verify/delivery"}} {
		codec, err := token.NewCodec(ring, c.label)
		if err != nil {
			return nil, err
		}
		*c.codec = codec
	}
	for _, h := range []struct {
		hasher **token.Hasher
		label  string
	}{{&s.answers, "verify/answer"}, {&s.words, "verify/word"}, {&s.proofs, "verify/proof"}, {&s.at, "verify/at"}} {
		hasher, err := token.NewHasher(ring, h.label)
		if err != nil {
			return nil, err
		}
		*h.hasher = hasher
	}
	var err error
	s.evidence, err = newSigner(ring, ring.Primary())
	return &s, err
}

// details is what a record holds sealed.
type details struct {
	Link       []byte    `json:"l"` // the random part of the link token
	Number     string    `json:"n,omitempty"`
	Word       string    `json:"w,omitempty"`
	Address    string    `json:"a"`
	Name       string    `json:"s,omitempty"`
	Company    string    `json:"c,omitempty"`
	Technician string    `json:"t,omitempty"`
	Purpose    string    `json:"p,omitempty"`
	Locale     string    `json:"o,omitempty"`
	Fresh      bool      `json:"f,omitempty"`
	InCall     bool      `json:"i,omitempty"`
	CallBegan  time.Time `json:"b,omitzero"`
	CallBy     Side      `json:"y,omitempty"`
	Failover   string    `json:"v,omitempty"`
	Sandbox    bool      `json:"x,omitempty"`
	// Since is as in [Question], Reach who is told of a recovery code: for a [Checker] only.
	Since time.Time     `json:"e,omitzero"`
	Reach []Destination `json:"d,omitempty"`
}

func (s *secrets) seal(ref Ref, d details) ([]byte, error) {
	plain, err := json.Marshal(d)
	if err != nil {
		return nil, err
	}
	return s.box.Seal(plain, string(ref.Tenant), ref.ID), nil
}

func (s *secrets) open(r Record) (details, error) {
	var d details
	plain, err := s.box.Open(r.Sealed, string(r.Tenant), r.ID)
	if err != nil {
		return d, err
	}
	err = json.Unmarshal(plain, &d)
	return d, err
}

// hash returns a text that names parts without telling them, under the primary key.
func (s *secrets) hash(parts ...string) string {
	sum, _ := s.at.Sum(s.at.Primary(), parts...) // the primary key is always there
	return token.Text(sum)
}

// answerer names the only address that may answer a challenge, answerers the same under every key of the ring.
func (s *secrets) answerer(ref Ref, address string) string { return s.answerers(ref, address)[0] }

func (s *secrets) answerers(ref Ref, address string) []string {
	var out []string
	for _, sum := range s.at.Sums("answerer", string(ref.Tenant), ref.ID, address) {
		out = append(out, token.Text(sum))
	}
	return out
}

func (s *secrets) answerMAC(keyID string, ref Ref, answer string) ([]byte, error) {
	return s.answers.Sum(keyID, string(ref.Tenant), ref.ID, answer)
}

func (s *secrets) wordMAC(keyID string, ref Ref, word string) ([]byte, error) {
	return s.words.Sum(keyID, string(ref.Tenant), ref.ID, word)
}

// Proof shows that a verification was confirmed. It is bound to tenant, subject, action, technician and ticket
// and can be redeemed once. Reveal it only to pass it between the host's own programs.
type Proof = mspkit.Redacted[string]

// Expect is what a proof must be for. Every field but Min must be what the verification was started with.
type Expect struct {
	Tenant     mspkit.TenantID
	Subject    string
	Action     Action
	Technician string
	Ticket     mspkit.Ticket
	// Min is the least assurance with which it was confirmed; a proof of less is [ErrProof] and stays unused. Zero asks
	// for none, because the policy looked at it when the verification began.
	Min Assurance
}

// proof returns the token of a confirmed record. It is derived, so that it need not be stored and every
// instance returns the same one.
func (s *secrets) proof(r Record) (Proof, error) {
	sum, err := s.proofs.Sum(r.KeyID, r.ID, string(r.Tenant), r.Subject, string(r.Action), r.Technician, r.Ticket.System, r.Ticket.ID)
	if err != nil {
		return Proof{}, err
	}
	return mspkit.Redact(r.ID + "." + r.KeyID + "." + token.Text(sum)), nil
}

// checkProof returns the id of the challenge that p proves, if p is genuine and for e.
func (s *secrets) checkProof(p Proof, e Expect) (string, error) {
	id, rest, ok := strings.Cut(p.Reveal(), ".")
	i := strings.LastIndexByte(rest, '.') // a key id may contain dots
	if !ok || i < 0 {
		return "", fmt.Errorf("there is none, as before the caller was verified, or it is malformed: %w", ErrProof)
	}
	want, err := s.proof(Record{
		Ref: Ref{Tenant: e.Tenant, ID: id}, KeyID: rest[:i], Subject: e.Subject,
		Action: e.Action, Technician: e.Technician, Ticket: e.Ticket,
	})
	if err != nil || !equal(want.Reveal(), p.Reveal()) {
		return "", fmt.Errorf("it is not genuine, or not for this tenant, subject, action, technician and ticket: %w", ErrProof)
	}
	return id, nil
}

// normalizeDigits returns the decimal digits of s, of any script, as ASCII. Spaces and dashes are ignored,
// anything else is ErrFormat.
func normalizeDigits(s string) (string, error) {
	if len(s) > 256 {
		return "", fmt.Errorf("the code is too long: %w", ErrFormat)
	}
	digits, other, ok := cleantext.Typed(s)
	switch {
	case !ok:
		return "", fmt.Errorf("%q is not a digit: %w", other, ErrFormat)
	case digits == "":
		return "", fmt.Errorf("nothing was typed: %w", ErrFormat)
	}
	return digits, nil
}

// normalizeWord makes two spellings of the same words equal: letters in lower case, everything else is a
// single space.
func normalizeWord(s string) (string, error) {
	if len(s) > 256 {
		return "", fmt.Errorf("the words are too long: %w", ErrFormat)
	}
	words := strings.FieldsFunc(strings.ToLower(s), func(r rune) bool { return !unicode.IsLetter(r) })
	if len(words) == 0 {
		return "", fmt.Errorf("no words were typed: %w", ErrFormat)
	}
	return strings.Join(words, " "), nil
}

// mask shows enough of an address to recognise it, never enough to use it: "d•••@c•••.com", "••• 42". Of what is neither
// a mailbox nor a number in E.164 nobody would recognise anything.
func mask(address string) string {
	const dots = "•••"
	if local, domain, ok := strings.Cut(address, "@"); ok {
		last := ""
		if i := strings.LastIndexByte(domain, '.'); i > 0 {
			last = domain[i:]
		}
		return first(local) + dots + "@" + first(domain) + dots + last
	}
	digits := []rune(address)
	if len(digits) < 6 || digits[0] != '+' {
		return dots
	}
	return dots + " " + string(digits[len(digits)-2:])
}

func first(s string) string {
	for _, r := range s {
		return string(r)
	}
	return ""
}
