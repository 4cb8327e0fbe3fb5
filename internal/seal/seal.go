package seal

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/mspkit/mspkit"
)

// ErrCorrupt is returned for a record that does not open: truncated, altered or moved from another place.
var ErrCorrupt = errors.New("seal: the record does not open here")

const version = 1

// Box seals and opens the records of one kind.
type Box struct {
	kind    string
	primary string
	ring    *mspkit.KeyRing
	aeads   map[string]cipher.AEAD
}

// New returns a box for one kind of record. It derives every key of the ring at once, so that sealing and
// opening cost no key derivation.
func New(ring *mspkit.KeyRing, kind string) (*Box, error) {
	if ring == nil {
		return nil, fmt.Errorf("seal: no key ring was given: %w", mspkit.ErrInvalid)
	}
	b := &Box{kind: kind, primary: ring.Primary(), ring: ring, aeads: map[string]cipher.AEAD{}}
	for _, id := range ring.IDs() {
		key, err := ring.Derive(id, "mspkit/seal/v1/"+kind)
		if err != nil {
			return nil, err
		}
		block, err := aes.NewCipher(key)
		if err != nil {
			return nil, err
		}
		aead, err := cipher.NewGCMWithRandomNonce(block)
		if err != nil {
			return nil, err
		}
		b.aeads[id] = aead
	}
	return b, nil
}

// Seal encrypts plaintext under the primary key, bound to place (for example tenant and id).
func (b *Box) Seal(plaintext []byte, place ...string) []byte {
	aead := b.aeads[b.primary]
	out := make([]byte, 0, 2+len(b.primary)+aead.Overhead()+len(plaintext))
	out = append(out, version, byte(len(b.primary)))
	out = append(out, b.primary...)
	return aead.Seal(out, nil, plaintext, b.associated(b.primary, place))
}

// Open decrypts what Seal wrote for the same place, under whichever key of the ring the record names.
func (b *Box) Open(record []byte, place ...string) ([]byte, error) {
	id, body, err := split(record)
	if err != nil {
		return nil, err
	}
	aead, ok := b.aeads[id]
	if !ok {
		_, err := b.ring.Derive(id, "") // for the error that names what the ring holds
		return nil, fmt.Errorf("seal: open: %w", err)
	}
	plaintext, err := aead.Open(nil, nil, body, b.associated(id, place))
	if err != nil {
		return nil, ErrCorrupt
	}
	return plaintext, nil
}

// KeyID returns the id of the key that record is sealed under.
func KeyID(record []byte) (string, error) {
	id, _, err := split(record)
	return id, err
}

// Rewrap returns record sealed under the primary key and true, or record itself and false where it already
// is.
func (b *Box) Rewrap(record []byte, place ...string) ([]byte, bool, error) {
	plaintext, err := b.Open(record, place...)
	if err != nil {
		return nil, false, err
	}
	if id, _, _ := split(record); id == b.primary {
		return record, false, nil
	}
	return b.Seal(plaintext, place...), true, nil
}

func split(record []byte) (id string, body []byte, err error) {
	if len(record) < 2 || record[0] != version {
		return "", nil, ErrCorrupt
	}
	n := int(record[1])
	if n == 0 || len(record) < 2+n {
		return "", nil, ErrCorrupt
	}
	return string(record[2 : 2+n]), record[2+n:], nil
}

func (b *Box) associated(keyID string, place []string) []byte {
	out := []byte{version}
	for _, s := range append([]string{keyID, b.kind}, place...) {
		out = binary.BigEndian.AppendUint32(out, uint32(len(s)))
		out = append(out, s...)
	}
	return out
}
