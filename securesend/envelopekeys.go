package securesend

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/hkdf"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"unicode/utf8"

	"github.com/mspkit/mspkit"
)

// Keys seals and opens the content of one send or of the answer to one request. The zero Keys does neither. It is safe for
// concurrent use, and prints nothing of the key.
//
// The manifest and each chunk must be sealed once: what has to be sent again is sent as it was sealed. Other content takes
// other keys, which means a new half or a new ephemeral key.
type Keys struct {
	data       mspkit.Redacted[[]byte]
	passphrase bool
	ephemeral  []byte // that of a request
}

// NewSendKeys returns the keys of a send. The fragment of the link and the half that the server keeps are [KeySize] random
// bytes each. Pass is what [PassKey] returned, or empty where there is no passphrase. What has another length is
// [ErrInvalid].
func NewSendKeys(fragment, half, pass []byte) (Keys, error) {
	if len(fragment) != KeySize || len(half) != KeySize || (len(pass) != 0 && len(pass) != KeySize) {
		return Keys{}, fmt.Errorf("securesend: derive the keys of a send: each secret must have %d bytes: %w", KeySize, ErrInvalid)
	}
	ikm := make([]byte, 0, 3*KeySize)
	ikm = append(append(append(ikm, fragment...), half...), pass...)
	return Keys{data: mspkit.Redact(derive(ikm, "securesend/v1/data")), passphrase: len(pass) > 0}, nil
}

// NewRequestKeys returns the keys that open the answer to a request: private is the request's key on P-256, and ephemeral
// is [Header.Ephemeral] of the answer. It is [ErrEnvelope] where that is not a point of the curve, and [ErrInvalid] where
// private is of another curve.
func NewRequestKeys(private *ecdh.PrivateKey, ephemeral []byte) (Keys, error) {
	if private == nil || private.Curve() != ecdh.P256() {
		return Keys{}, fmt.Errorf("securesend: derive the keys of a request: its key is not one of P-256: %w", ErrInvalid)
	}
	point, err := ecdh.P256().NewPublicKey(ephemeral)
	if err != nil || len(ephemeral) != PointSize {
		return Keys{}, fmt.Errorf("securesend: derive the keys of a request: the sealer's key is not a point of P-256: %w", ErrEnvelope)
	}
	return requestKeys(private, point, point.Bytes(), private.PublicKey().Bytes())
}

// SealRequestKeys returns fresh keys that seal the answer to the request whose public key, of [PointSize] bytes, is given,
// and what [Header.Ephemeral] must be then. The caller has compared [Fingerprint] of the public key with the link's. It is
// [ErrInvalid] where public is not a point of P-256.
func SealRequestKeys(public []byte) (keys Keys, ephemeral []byte, err error) {
	private, err := ecdh.P256().GenerateKey(rand.Reader)
	if err != nil {
		return Keys{}, nil, wrap("make a key", err)
	}
	return sealRequestKeys(private, public)
}

func sealRequestKeys(private *ecdh.PrivateKey, public []byte) (keys Keys, ephemeral []byte, err error) {
	point, err := ecdh.P256().NewPublicKey(public)
	if err != nil || len(public) != PointSize {
		return Keys{}, nil, fmt.Errorf("securesend: derive the keys of a request: its key is not a point of P-256: %w", ErrInvalid)
	}
	ephemeral = private.PublicKey().Bytes()
	keys, err = requestKeys(private, point, ephemeral, point.Bytes())
	return keys, ephemeral, err
}

func requestKeys(private *ecdh.PrivateKey, other *ecdh.PublicKey, ephemeral, request []byte) (Keys, error) {
	shared, err := private.ECDH(other)
	if err != nil {
		return Keys{}, fmt.Errorf("securesend: derive the keys of a request: %w", ErrEnvelope)
	}
	ikm := make([]byte, 0, KeySize+2*PointSize)
	ikm = append(append(append(ikm, shared...), ephemeral...), request...)
	return Keys{data: mspkit.Redact(derive(ikm, "securesend/v1/request")), ephemeral: append([]byte(nil), ephemeral...)}, nil
}

// Auth returns what a recipient shows to prove that they have the fragment, without showing it. It takes and returns
// [KeySize] bytes.
func Auth(fragment []byte) []byte { return derive(fragment, "securesend/v1/auth") }

// AuthHash returns what the server keeps of [Auth].
func AuthHash(auth []byte) []byte {
	sum := sha256.Sum256(auth)
	return sum[:]
}

// PassKey returns the key of a passphrase, [KeySize] bytes, which takes a good part of a second by design. The passphrase
// counts as its bytes in UTF-8, as they were typed. It is [ErrInvalid] where the passphrase is empty or not UTF-8, or where
// the salt has not [SaltSize] bytes.
func PassKey(passphrase string, salt []byte) ([]byte, error) {
	if passphrase == "" || !utf8.ValidString(passphrase) {
		return nil, fmt.Errorf("securesend: derive a key of a passphrase: it is empty or not UTF-8: %w", ErrInvalid)
	}
	if len(salt) != SaltSize {
		return nil, fmt.Errorf("securesend: derive a key of a passphrase: the salt has %d bytes in place of %d: %w", len(salt), SaltSize, ErrInvalid)
	}
	key, err := pbkdf2.Key(sha256.New, passphrase, salt, PassphraseRounds, KeySize)
	return key, wrap("derive a key of a passphrase", err)
}

// PassAuth returns what a recipient shows to prove that they know the passphrase and have the fragment. It takes and returns
// [KeySize] bytes.
func PassAuth(passKey, fragment []byte) []byte {
	ikm := make([]byte, 0, 2*KeySize)
	return derive(append(append(ikm, passKey...), fragment...), "securesend/v1/passphrase")
}

// HeldFragment returns the fragment of a send whose link has none: it is derived from the secret of the link's token.
func HeldFragment(tokenSecret []byte) []byte { return derive(tokenSecret, "securesend/v1/held") }

// Fingerprint returns the hash of a request's public key that stands in its link.
func Fingerprint(publicKey []byte) []byte {
	sum := sha256.Sum256(publicKey)
	return sum[:]
}

// RandomKey returns [KeySize] random bytes: a fragment, a half, a claim, the secret of an upload.
func RandomKey() []byte { return random(KeySize) }

// RandomSalt returns [SaltSize] random bytes.
func RandomSalt() []byte { return random(SaltSize) }

func random(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails: crypto/rand aborts the program instead
	return b
}

// derive returns a key for one purpose. Without a salt, HKDF takes zero bytes.
func derive(secret []byte, label string) []byte {
	key, _ := hkdf.Key(sha256.New, secret, nil, label, KeySize) // fails only for lengths that are not ours
	return key
}

// gcm returns the cipher of one purpose.
func (k Keys) gcm(label string) (cipher.AEAD, error) {
	data := k.data.Reveal()
	if len(data) != KeySize {
		return nil, fmt.Errorf("there is no key: %w", ErrInvalid)
	}
	block, err := aes.NewCipher(derive(data, label))
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

// fits says what keeps k from being used with h, or nothing. Content that was sealed with the wrong header would be lost.
func (k Keys) fits(h Header) string {
	switch {
	case h.fault() != "":
		return h.fault()
	case h.Passphrase != k.passphrase:
		return "the header and the keys differ about a passphrase"
	case h.Request != (k.ephemeral != nil) || subtle.ConstantTimeCompare(h.Ephemeral, k.ephemeral) != 1:
		return "the header and the keys differ about a request"
	}
	return ""
}

// associated returns what a sealed thing is bound to.
func associated(label string, context [KeySize]byte, h Header) []byte {
	out := append([]byte(label), 0)
	out = append(out, context[:]...)
	return append(out, h.Bytes()...)
}
