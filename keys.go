package mspkit

import (
	"context"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
)

// KeySize is the length of a key in bytes.
const KeySize = 32

// ErrUnknownKey is returned when a record names a key that the ring does not hold.
var ErrUnknownKey = errors.New("mspkit: unknown key")

// Key is one named key of a [KeyRing].
type Key struct {
	// ID names the key in stored records: 1 to 32 of a-z, A-Z, 0-9, '-', '_' and '.'. It is not secret and
	// must never be used again for another key.
	ID string
	// Secret is [KeySize] random bytes.
	Secret Redacted[[]byte]
}

// NewKey returns a random key named id.
func NewKey(id string) Key {
	secret := make([]byte, KeySize)
	_, _ = rand.Read(secret) // never fails: crypto/rand aborts the program instead
	return Key{ID: id, Secret: Redact(secret)}
}

// ParseKey reads what [Key.Export] wrote, "id:base64". Errors never show the secret.
func ParseKey(s string) (Key, error) {
	id, enc, ok := strings.Cut(strings.TrimSpace(s), ":")
	if !ok {
		return Key{}, fmt.Errorf("mspkit: a key has the form id:base64: %w", ErrInvalid)
	}
	secret, err := base64.StdEncoding.DecodeString(enc)
	if err != nil {
		return Key{}, fmt.Errorf("mspkit: key %q is not valid base64: %w", id, ErrInvalid)
	}
	k := Key{ID: id, Secret: Redact(secret)}
	return k, k.validate()
}

// Export returns the key as "id:base64" for a secret store or a file with mode 0600. The result is the
// secret itself.
func (k Key) Export() Redacted[string] {
	return Redact(k.ID + ":" + base64.StdEncoding.EncodeToString(k.Secret.Reveal()))
}

func (k Key) validate() error {
	if k.ID == "" || len(k.ID) > 32 || strings.Trim(k.ID, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") != "" {
		return fmt.Errorf("mspkit: key id %q must be 1 to 32 of a-z, A-Z, 0-9, '-', '_' and '.': %w", k.ID, ErrInvalid)
	}
	if n := len(k.Secret.Reveal()); n != KeySize {
		return fmt.Errorf("mspkit: key %q has %d bytes, it must have %d: %w", k.ID, n, KeySize, ErrInvalid)
	}
	return nil
}

// KeyRing is an ordered set of keys. The first is the primary: everything new is protected with it. The
// others are kept so that older records can still be read.
//
// To rotate, first add the new key at the end on every instance, then move it to the front, and drop the old one when
// nothing names it any more. In one step, an instance that is behind could not read what one that is ahead wrote.
type KeyRing struct {
	ids  []string
	keys map[string][]byte
}

// NewKeyRing returns a ring of keys with the first as primary. It fails where there is no key, a key is
// malformed, or two keys share an id or a secret.
func NewKeyRing(keys ...Key) (*KeyRing, error) {
	if len(keys) == 0 {
		return nil, fmt.Errorf("mspkit: a key ring needs at least one key: %w", ErrInvalid)
	}
	r := &KeyRing{keys: make(map[string][]byte, len(keys))}
	seen := make(map[string]string, len(keys))
	var errs []error
	for _, k := range keys {
		if err := k.validate(); err != nil {
			errs = append(errs, err)
			continue
		}
		secret := k.Secret.Reveal()
		if _, dup := r.keys[k.ID]; dup {
			errs = append(errs, fmt.Errorf("mspkit: key id %q is used twice: %w", k.ID, ErrInvalid))
			continue
		}
		if other, dup := seen[string(secret)]; dup {
			errs = append(errs, fmt.Errorf("mspkit: keys %q and %q are the same key: %w", other, k.ID, ErrInvalid))
			continue
		}
		seen[string(secret)] = k.ID
		r.ids = append(r.ids, k.ID)
		r.keys[k.ID] = append([]byte(nil), secret...)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return r, nil
}

// Primary returns the id of the key that protects new records.
func (r *KeyRing) Primary() string { return r.ids[0] }

// IDs returns the ids of all keys, the primary first.
func (r *KeyRing) IDs() []string { return append([]string(nil), r.ids...) }

// Derive returns a key of [KeySize] bytes for one purpose, by HKDF-SHA-256 of the key named id with label as
// info. Two labels give unrelated keys. The error is [ErrUnknownKey] where the ring has no such key.
func (r *KeyRing) Derive(id, label string) ([]byte, error) {
	secret, ok := r.keys[id]
	if !ok {
		return nil, fmt.Errorf("%w %q: the ring holds %s", ErrUnknownKey, id, strings.Join(r.ids, ", "))
	}
	return hkdf.Key(sha256.New, secret, nil, label, KeySize)
}

// String names the keys, never their secrets.
func (r KeyRing) String() string { return "mspkit.KeyRing(" + strings.Join(r.ids, ", ") + ")" }

// GoString is the same as String.
func (r KeyRing) GoString() string { return r.String() }

// KeyWrapper encrypts keys under a key that it holds itself, such as one in a cloud key vault or an HSM. It
// is asked once at start, never per record. Implementations must be safe for concurrent use and must refuse
// to unwrap what was wrapped under another id.
type KeyWrapper interface {
	// WrapKey returns key encrypted and bound to id.
	WrapKey(ctx context.Context, id string, key []byte) (wrapped []byte, err error)
	// UnwrapKey returns the key that WrapKey was given under the same id.
	UnwrapKey(ctx context.Context, id string, wrapped []byte) (key []byte, err error)
}

// WrappedKey is a [Key] whose secret is encrypted by a [KeyWrapper]; it may stand in a configuration file.
type WrappedKey struct {
	ID      string `json:"id"`
	Wrapped []byte `json:"wrapped"`
}

// WrapKey encrypts k with w.
func WrapKey(ctx context.Context, w KeyWrapper, k Key) (WrappedKey, error) {
	if err := k.validate(); err != nil {
		return WrappedKey{}, err
	}
	wrapped, err := w.WrapKey(ctx, k.ID, k.Secret.Reveal())
	if err != nil {
		return WrappedKey{}, fmt.Errorf("mspkit: wrap key %q: %w", k.ID, err)
	}
	return WrappedKey{ID: k.ID, Wrapped: wrapped}, nil
}

// UnwrapKeyRing asks w for every key and returns the ring, the first as primary.
func UnwrapKeyRing(ctx context.Context, w KeyWrapper, keys ...WrappedKey) (*KeyRing, error) {
	plain := make([]Key, 0, len(keys))
	for _, k := range keys {
		secret, err := w.UnwrapKey(ctx, k.ID, k.Wrapped)
		if err != nil {
			return nil, fmt.Errorf("mspkit: unwrap key %q: %w", k.ID, err)
		}
		plain = append(plain, Key{ID: k.ID, Secret: Redact(secret)})
	}
	return NewKeyRing(plain...)
}
