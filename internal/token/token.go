package token

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"time"

	"github.com/mspkit/mspkit"
)

// ErrMalformed is returned for text that is not a token of the ring.
var ErrMalformed = errors.New("token: malformed")

// Secret is the random part of a link token.
type Secret [32]byte

// NewSecret returns 256 random bits.
func NewSecret() Secret {
	var s Secret
	_, _ = rand.Read(s[:]) // never fails: crypto/rand aborts the program instead
	return s
}

var lower = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// ID returns what a store keeps in place of s: 160 bits of its SHA-256 as 32 characters.
func ID(s Secret) string {
	sum := sha256.Sum256(s[:])
	return lower.EncodeToString(sum[:20])
}

// Digits returns n random decimal digits, each value equally likely.
func Digits(n int) string {
	limit := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(n)), nil)
	v, _ := rand.Int(rand.Reader, limit) // fails only where rand.Reader does, which never returns an error
	return fmt.Sprintf("%0*d", n, v)
}

// Jitter returns a random duration from zero up to, but not including, d.
func Jitter(d time.Duration) time.Duration {
	v, _ := rand.Int(rand.Reader, big.NewInt(int64(d)))
	return time.Duration(v.Int64())
}

// Pick returns one element of list, each equally likely.
func Pick(list []string) string {
	v, _ := rand.Int(rand.Reader, big.NewInt(int64(len(list))))
	return list[v.Int64()]
}

// Codec encodes values for one purpose so that only holders of the ring can make or read them.
type Codec struct {
	primary cipher.AEAD
	all     []cipher.AEAD // in the order of the ring
}

// NewCodec returns a codec whose tokens are worthless to a codec with another label.
func NewCodec(ring *mspkit.KeyRing, label string) (*Codec, error) {
	c := &Codec{}
	for _, id := range ring.IDs() {
		key, err := ring.Derive(id, "mspkit/token/v1/"+label)
		if err != nil {
			return nil, err
		}
		block, err := aes.NewCipher(key)
		if err != nil {
			return nil, err
		}
		aead, err := cipher.NewGCM(block)
		if err != nil {
			return nil, err
		}
		c.all = append(c.all, aead)
	}
	c.primary = c.all[0]
	return c, nil
}

// Encode returns secret and text as one URL-safe token. The secret must be fresh: it is the nonce too.
func (c *Codec) Encode(secret Secret, text string) string {
	out := append([]byte(nil), secret[:]...)
	return base64.RawURLEncoding.EncodeToString(c.primary.Seal(out, secret[:c.primary.NonceSize()], []byte(text), secret[:]))
}

// MaxToken is the longest token that Decode looks at.
const MaxToken = 512

// Decode returns what Encode was given, or [ErrMalformed].
func (c *Codec) Decode(s string) (Secret, string, error) {
	var secret Secret
	if len(s) > MaxToken {
		return secret, "", ErrMalformed
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(s)
	if err != nil || len(raw) < len(secret) {
		return secret, "", ErrMalformed
	}
	copy(secret[:], raw)
	for _, aead := range c.all {
		if text, err := aead.Open(nil, secret[:aead.NonceSize()], raw[len(secret):], secret[:]); err == nil {
			return secret, string(text), nil
		}
	}
	return Secret{}, "", ErrMalformed
}

// Hasher makes keyed hashes for one purpose.
type Hasher struct {
	primary string
	ring    *mspkit.KeyRing
	keys    map[string][]byte
}

// NewHasher returns a hasher whose hashes differ from those of every other label.
func NewHasher(ring *mspkit.KeyRing, label string) (*Hasher, error) {
	h := &Hasher{primary: ring.Primary(), ring: ring, keys: map[string][]byte{}}
	for _, id := range ring.IDs() {
		key, err := ring.Derive(id, "mspkit/hash/v1/"+label)
		if err != nil {
			return nil, err
		}
		h.keys[id] = key
	}
	return h, nil
}

// Primary returns the id of the key for new hashes.
func (h *Hasher) Primary() string { return h.primary }

// Sum returns the hash of parts, each with its length in front, under the key named keyID.
func (h *Hasher) Sum(keyID string, parts ...string) ([]byte, error) {
	key, ok := h.keys[keyID]
	if !ok {
		_, err := h.ring.Derive(keyID, "")
		return nil, err
	}
	mac := hmac.New(sha256.New, key)
	var n [4]byte
	for _, p := range parts {
		binary.BigEndian.PutUint32(n[:], uint32(len(p)))
		mac.Write(n[:])
		mac.Write([]byte(p))
	}
	return mac.Sum(nil), nil
}

// Sums returns the hash of parts under every key of the ring, the primary's first. It is for finding what was hashed
// before the primary changed.
func (h *Hasher) Sums(parts ...string) [][]byte {
	out := make([][]byte, 0, len(h.keys))
	for _, id := range h.ring.IDs() {
		sum, _ := h.Sum(id, parts...) // every key of the ring is there
		out = append(out, sum)
	}
	return out
}

// Verify reports in constant time whether sum is the hash of parts.
func (h *Hasher) Verify(keyID string, sum []byte, parts ...string) (bool, error) {
	want, err := h.Sum(keyID, parts...)
	if err != nil {
		return false, err
	}
	return hmac.Equal(want, sum), nil
}

// Text returns a hash as URL-safe text.
func Text(sum []byte) string { return base64.RawURLEncoding.EncodeToString(sum) }

// Random returns 128 random bits as 26 characters, for ids that are not secret.
func Random() string { return strings.ToLower(rand.Text()) }
