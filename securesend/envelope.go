package securesend

import (
	"crypto/ecdh"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"strconv"
	"time"

	"github.com/mspkit/mspkit"
)

// The numbers of the format. A change of any of them is another version of it.
const (
	// ChunkSize is how many bytes of a file are sealed at once. Only the last chunk of a file may be shorter.
	ChunkSize = 1 << 20
	// Overhead is by how many bytes a sealed chunk or manifest is longer than what was sealed.
	Overhead = 16
	// PartChunks is how many sealed chunks a [Part] holds. Only the last part of a file may hold fewer.
	PartChunks = 8
	// PassphraseRounds is how many rounds of PBKDF2 make a key of a passphrase.
	PassphraseRounds = 600_000
	// KeySize is the length of fragments, halves, keys and hashes in bytes.
	KeySize = 32
	// SaltSize is the length of the salt of a passphrase in bytes.
	SaltSize = 16
	// PointSize is the length of a public key in bytes: a point of P-256, not compressed.
	PointSize = 65
	// MaxFileSize is the largest file in bytes, whatever a tenant allows.
	MaxFileSize = 1 << 40
)

const (
	headerVersion    = 1
	headerPassphrase = 1
	headerRequest    = 2
	headerHeld       = 4
	headerChunk      = 20 // the binary logarithm of ChunkSize
	headerFixed      = 3
)

// Header is what a reader must know before they can derive a key. It is no secret, and everything that is sealed is bound
// to it.
type Header struct {
	// Passphrase says that a passphrase is part of the key.
	Passphrase bool
	// Held says that the fragment is derived from the token, so that the path of the link is enough.
	Held bool
	// Request says that the content is sealed for the public key of a request. The other two are false then.
	Request bool
	// Salt is that of the passphrase: [SaltSize] random bytes, or none.
	Salt []byte
	// Ephemeral is the sealer's public key in answer to a request: [PointSize] bytes, or none.
	Ephemeral []byte
}

// ParseHeader reads what [Header.Bytes] returned. There is one way to write a header; everything else is [ErrEnvelope].
// The result shares no memory with b.
func ParseHeader(b []byte) (Header, error) {
	refuse := func(why string) (Header, error) {
		return Header{}, fmt.Errorf("securesend: read a header: %s: %w", why, ErrEnvelope)
	}
	if len(b) < headerFixed {
		return refuse("it is cut")
	}
	if b[0] != headerVersion {
		return refuse("its version is not known")
	}
	flags := b[1]
	if flags&^(headerPassphrase|headerRequest|headerHeld) != 0 {
		return refuse("it has a flag that is not known")
	}
	if b[2] != headerChunk {
		return refuse("its chunks are not of 1 MiB")
	}
	h := Header{Passphrase: flags&headerPassphrase != 0, Request: flags&headerRequest != 0, Held: flags&headerHeld != 0}
	rest := b[headerFixed:]
	if h.Passphrase {
		n := min(SaltSize, len(rest))
		h.Salt, rest = append([]byte(nil), rest[:n]...), rest[n:]
	}
	if h.Request {
		n := min(PointSize, len(rest))
		h.Ephemeral, rest = append([]byte(nil), rest[:n]...), rest[n:]
	}
	if len(rest) > 0 {
		return refuse("something follows it")
	}
	if why := h.fault(); why != "" {
		return refuse(why)
	}
	return h, nil
}

// Bytes returns the header as it is stored and sent. That of a header with a salt or key that does not fit its flags is
// refused by [ParseHeader], and nothing can be sealed with it.
func (h Header) Bytes() []byte {
	out := make([]byte, headerFixed, headerFixed+len(h.Salt)+len(h.Ephemeral))
	out[0], out[2] = headerVersion, headerChunk
	if h.Passphrase {
		out[1] |= headerPassphrase
	}
	if h.Request {
		out[1] |= headerRequest
	}
	if h.Held {
		out[1] |= headerHeld
	}
	out = append(out, h.Salt...)
	return append(out, h.Ephemeral...)
}

// fault says what is wrong with h, or nothing.
func (h Header) fault() string {
	salt, point := 0, 0
	if h.Passphrase {
		salt = SaltSize
	}
	if h.Request {
		point = PointSize
	}
	switch {
	case h.Request && (h.Passphrase || h.Held):
		return "a request has no passphrase and is not held"
	case len(h.Salt) != salt:
		return fmt.Sprintf("its salt has %d bytes in place of %d", len(h.Salt), salt)
	case len(h.Ephemeral) != point:
		return fmt.Sprintf("its key has %d bytes in place of %d", len(h.Ephemeral), point)
	}
	if h.Request {
		if _, err := ecdh.P256().NewPublicKey(h.Ephemeral); err != nil {
			return "its key is not a point of P-256"
		}
	}
	return ""
}

// Place is where content belongs. Content that was sealed for one place does not open in another.
type Place struct {
	Tenant mspkit.TenantID
	// ID is that of the [Ref].
	ID     string
	Region string
	// Purpose tells sends and requests apart.
	Purpose string
	// Expiry is the one that the send began with, whatever it became later. Fractions of a second do not count.
	Expiry time.Time
}

// Context returns the hash of p that everything is bound to. It is computed from the record by who has it, never taken from
// who wants to open.
func (p Place) Context() [KeySize]byte {
	var b []byte
	for _, s := range []string{"securesend/v1/context", string(p.Tenant), p.ID, p.Region, p.Purpose, strconv.FormatInt(p.Expiry.Unix(), 10)} {
		b = binary.BigEndian.AppendUint32(b, uint32(len(s)))
		b = append(b, s...)
	}
	return sha256.Sum256(b)
}

// Chunks returns how many chunks a file of size bytes has: at least one, because the empty file is one empty chunk. It is
// 0 for a size that is negative or above [MaxFileSize], as are [Parts], [SealedSize] and [PartSize].
func Chunks(size int64) int64 {
	if size < 0 || size > MaxFileSize {
		return 0
	}
	return max(1, (size+ChunkSize-1)/ChunkSize)
}

// Parts returns how many parts a file of size bytes has.
func Parts(size int64) int64 { return (Chunks(size) + PartChunks - 1) / PartChunks }

// SealedSize returns how many bytes a file of size bytes has when it is sealed.
func SealedSize(size int64) int64 {
	n := Chunks(size)
	if n == 0 {
		return 0
	}
	return size + n*Overhead
}

// PartSize returns how many bytes part n of a file of size bytes has when it is sealed, and 0 where there is no such part.
func PartSize(size int64, n int) int64 {
	const full = PartChunks * (ChunkSize + Overhead)
	parts := Parts(size)
	switch at := int64(n); {
	case at < 0 || at >= parts:
		return 0
	case at == parts-1:
		return SealedSize(size) - at*full
	}
	return full
}

// chunkSize returns how many bytes of plaintext chunk k of a file of size bytes has. There must be such a chunk.
func chunkSize(size, k int64) int64 { return min(ChunkSize, size-k*ChunkSize) }
