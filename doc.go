// Package mspkit holds the few words that every package of the module shares: who a tenant is, which
// ticket is meant, what a brand looks like, how a value is kept out of logs, which keys protect what is
// stored, and where numbers are reported ([Meter]).
//
// It imports the standard library only and starts nothing. The work is done by the packages below it:
// verify (who is calling), mail, psa, contacts and their back ends.
//
// # Security
//
// [Redacted] keeps a secret out of logs, errors and encodings. [KeyRing] holds the keys under which
// secrets are stored; it never prints them. Losing the ring means losing what was sealed under it, so keep
// it in a secret store, or wrap its keys with a [KeyWrapper].
//
// # Concurrency
//
// Every type here is immutable after construction and safe for concurrent use.
//
// # Errors
//
//	errors.Is            returned by                     meaning
//	ErrInvalid           TenantID, Ticket, Brand, keys   the value cannot be used; the text says why
//	ErrUnknownKey        KeyRing.Derive                  a record names a key that the ring does not hold
package mspkit
