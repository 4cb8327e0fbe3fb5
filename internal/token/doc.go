// Package token makes what is hard to guess: link tokens that carry their tenant, short codes without bias,
// and keyed hashes of both.
//
// A link token is 32 random bytes followed by the tenant id, encrypted and authenticated under the key ring
// with the random bytes as associated data. Nobody can put one tenant's random bytes under another tenant's
// name, the tenant cannot be read off the link, and no table from token to tenant is needed. What is stored
// is [ID], a hash of the random bytes.
//
// # Security
//
// Random bytes come from crypto/rand; hashes are HMAC-SHA-256 under keys derived per label; comparisons are
// in constant time.
//
// # Concurrency
//
// All types are immutable and safe for concurrent use.
//
// # Errors
//
//	errors.Is               meaning
//	ErrMalformed            the text is not a token of this ring, or was altered
//	mspkit.ErrUnknownKey    the ring no longer holds the key that a hash names
package token
