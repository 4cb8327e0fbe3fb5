package verify

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/mspkit/mspkit"
)

// labels keep what is hashed and sealed for one purpose from being used for another.
const (
	labelEvent  = "mspkit/evidence/v1/event"
	labelLink   = "mspkit/evidence/v1/link"
	labelFile   = "mspkit/evidence/v1/file"
	labelSigner = "mspkit/sign/v1/verify/evidence"
)

// link is what [Link.Value] holds: 1 byte version, 8 bytes time, 32 bytes hash, and, where it is sealed, 1 byte length of
// the key id, the key id and 64 bytes of signature. The last link of each step that adds to a chain is sealed.
type link struct {
	at   int64 // of the event, in microseconds: it outlives the event as the base of the chain
	hash [sha256.Size]byte
	key  string // empty where there is no seal
	seal []byte
}

const (
	linkVersion = 1
	linkSize    = 1 + 8 + sha256.Size
)

func (l link) bytes() []byte {
	out := append(make([]byte, 0, linkSize+1+len(l.key)+len(l.seal)), linkVersion)
	out = binary.BigEndian.AppendUint64(out, uint64(l.at))
	out = append(out, l.hash[:]...)
	if l.key != "" {
		out = append(append(append(out, byte(len(l.key))), l.key...), l.seal...)
	}
	return out
}

func parseLink(b []byte) (l link, ok bool) {
	if len(b) < linkSize || b[0] != linkVersion {
		return link{}, false
	}
	l.at = int64(binary.BigEndian.Uint64(b[1:]))
	copy(l.hash[:], b[9:])
	rest := b[linkSize:]
	if len(rest) == 0 {
		return l, true
	}
	n := int(rest[0])
	if n == 0 || len(rest) != 1+n+ed25519.SignatureSize {
		return link{}, false
	}
	l.key, l.seal = string(rest[1:1+n]), bytes.Clone(rest[1+n:])
	return l, true
}

// hashEvent returns the hash of number n in the chain of a tenant: of the whole value of the link before it, and of every
// field of e but Seq and Link. Times are in microseconds, which is what stores keep. Text that is no UTF-8 counts as an
// export shows it.
func hashEvent(tenant mspkit.TenantID, n int64, before []byte, e Event) [sha256.Size]byte {
	return sha256.Sum256(encodeEvent(tenant, n, before, e))
}

func encodeEvent(tenant mspkit.TenantID, n int64, before []byte, e Event) []byte {
	b := make([]byte, 0, 768)
	text := func(s string) {
		s = readable(s)
		b = append(binary.BigEndian.AppendUint32(b, uint32(len(s))), s...)
	}
	number := func(i int64) { b = binary.BigEndian.AppendUint64(b, uint64(i)) }
	text(labelEvent)
	text(string(tenant))
	number(n)
	b = append(binary.BigEndian.AppendUint32(b, uint32(len(before))), before...)
	number(micros(e.At))
	for _, s := range []string{
		e.ID, string(e.Kind), string(e.Tenant), e.Challenge, string(e.Verifies), e.Subject, string(e.Action), e.Technician,
		e.Ticket.System, e.Ticket.ID, e.Channel, string(e.Method), string(e.State), e.By, e.Reason,
	} {
		text(s)
	}
	number(int64(e.Assurance))
	number(int64(e.Tries))
	number(int64(e.Sends))
	return b
}

// readable returns s with U+FFFD in place of each byte that is no UTF-8, as JSON shows it.
func readable(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	return string([]rune(s))
}

func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

// sealedLink is what the seal of number n signs.
func sealedLink(tenant mspkit.TenantID, n int64, l link) []byte {
	return sealed(labelLink, string(tenant), strconv.FormatInt(n, 10), strconv.FormatInt(l.at, 10), string(l.hash[:]))
}

// sealed joins parts, each with its length in front.
func sealed(parts ...string) []byte {
	var b []byte
	for _, p := range parts {
		b = append(binary.BigEndian.AppendUint32(b, uint32(len(p))), p...)
	}
	return b
}

// signer makes the seals of evidence with the primary key of a ring.
type signer struct {
	id  string
	key ed25519.PrivateKey
}

func newSigner(ring *mspkit.KeyRing, id string) (*signer, error) {
	seed, err := ring.Derive(id, labelSigner)
	if err != nil {
		return nil, err
	}
	return &signer{id, ed25519.NewKeyFromSeed(seed)}, nil
}

func (s *signer) sign(message []byte) []byte { return ed25519.Sign(s.key, message) }

// extend gives events the links that follow head, the last of them sealed.
func (s *signer) extend(tenant mspkit.TenantID, head Link, events []Event) {
	before := head
	for i := range events {
		e := &events[i]
		l := link{at: micros(e.At), hash: hashEvent(tenant, before.N+1, before.Value, *e)}
		if i == len(events)-1 {
			l.key, l.seal = s.id, s.sign(sealedLink(tenant, before.N+1, l))
		}
		e.Link = Link{N: before.N + 1, Value: l.bytes()}
		before = e.Link
	}
}

// EvidenceKey checks the seals of evidence. It is not secret: whoever has it can check and not forge.
type EvidenceKey struct {
	// ID is the id of the [mspkit.Key] that it belongs to.
	ID string
	// Public is an Ed25519 key. Its private half is derived from the key of the ring.
	Public ed25519.PublicKey
}

const evidenceKeyPrefix = "mspkit-evidence-key:"

// EvidenceKeys returns what checks the seals that were made under each key of ring, in its order. Keep those of keys that
// leave the ring: they check what was sealed before.
func EvidenceKeys(ring *mspkit.KeyRing) ([]EvidenceKey, error) {
	if ring == nil {
		return nil, wrap("evidence keys", fmt.Errorf("a key ring is required: %w", ErrInvalid))
	}
	var out []EvidenceKey
	for _, id := range ring.IDs() {
		s, err := newSigner(ring, id)
		if err != nil {
			return nil, wrap("evidence keys", err)
		}
		public, _ := s.key.Public().(ed25519.PublicKey) // it always is
		out = append(out, EvidenceKey{ID: id, Public: public})
	}
	return out, nil
}

// String returns the key as a line that [ParseEvidenceKey] reads.
func (k EvidenceKey) String() string {
	return evidenceKeyPrefix + k.ID + ":" + base64.StdEncoding.EncodeToString(k.Public)
}

// ParseEvidenceKey reads what [EvidenceKey.String] wrote. Errors are [ErrInvalid] and do not show s, which may be a secret
// key that was taken for this one.
func ParseEvidenceKey(s string) (EvidenceKey, error) {
	rest, ok := strings.CutPrefix(strings.TrimSpace(s), evidenceKeyPrefix)
	id, enc, colon := strings.Cut(rest, ":")
	public, err := base64.StdEncoding.DecodeString(enc)
	if !ok || !colon || id == "" || err != nil || len(public) != ed25519.PublicKeySize {
		return EvidenceKey{}, wrap("evidence key", fmt.Errorf("it must have the form %sid:base64: %w", evidenceKeyPrefix, ErrInvalid))
	}
	return EvidenceKey{ID: id, Public: public}, nil
}

// Anchor is the number and hash of a link, noted outside the database: in a ticket, a mail, a printed report. A chain
// that was rewritten or cut off before that number does not fit it any more.
type Anchor struct {
	N    int64
	Hash [sha256.Size]byte
}

// Anchor returns what to note of l, and whether l is a link that a [Service] made.
func (l Link) Anchor() (Anchor, bool) {
	parsed, ok := parseLink(l.Value)
	return Anchor{N: l.N, Hash: parsed.hash}, ok && l.N > 0
}

// String returns the anchor as "number:hash", the hash in hexadecimal.
func (a Anchor) String() string {
	return strconv.FormatInt(a.N, 10) + ":" + hex.EncodeToString(a.Hash[:])
}

// ParseAnchor reads what [Anchor.String] wrote; its errors are [ErrInvalid].
func ParseAnchor(s string) (Anchor, error) {
	number, text, _ := strings.Cut(strings.TrimSpace(s), ":")
	n, err := strconv.ParseInt(number, 10, 64)
	hash, bad := hex.DecodeString(text)
	if errors.Join(err, bad) != nil || n < 1 || len(hash) != sha256.Size {
		return Anchor{}, wrap("anchor", fmt.Errorf("%q must be a number, a colon and 64 hexadecimal digits: %w", s, ErrInvalid))
	}
	return Anchor{N: n, Hash: [sha256.Size]byte(hash)}, nil
}
