// Package psa is the vocabulary for the ticket systems of managed service providers: which ticket is meant,
// what a note says, and the one-method interface through which it gets there.
//
// A host with its own ticket system implements [TicketNoter] and is done:
//
//	func (h *Helpdesk) AddNote(ctx context.Context, ref psa.TicketRef, n psa.Note) (string, error)
//
// # Security
//
// The zero value of [Visibility] is [Internal], so that a note is never public by omission.
//
// # Concurrency
//
// Implementations of [TicketNoter] must be safe for concurrent use.
//
// # Errors
//
//	errors.Is      returned by            meaning
//	ErrInvalid     TicketRef.Validate     (mspkit.ErrInvalid) the reference names no ticket
package psa
