// Package seal encrypts what must be stored and read again: AES-256-GCM under a key derived from the host's
// key ring, bound to the place where the record lives.
//
//	box, err := seal.New(ring, "verify")
//	record := box.Seal(plaintext, tenant, id)
//	plaintext, err := box.Open(record, tenant, id)
//
// # Format
//
// One version byte (1), one byte with the length of the key id, the key id, then nonce and ciphertext as
// cipher.NewGCMWithRandomNonce writes them. The associated data is the version, the key id, the kind and every
// place value, each with its length in front, so that a record moved to another tenant, id or kind, or a
// record whose key id was exchanged, does not open.
//
// # Security
//
// The key is HKDF-SHA-256 of the ring's key with the kind in the label, so two kinds never share a key. With
// random nonces one key is good for about 2^32 records.
//
// # Concurrency
//
// A [Box] is immutable and safe for concurrent use.
//
// # Errors
//
//	errors.Is               meaning
//	ErrCorrupt              the record is truncated, altered, or belongs to another place
//	mspkit.ErrUnknownKey    the ring no longer holds the record's key
package seal
