package psa

import (
	"context"
	"fmt"

	"github.com/mspkit/mspkit"
)

// TicketRef names one ticket of one tenant.
type TicketRef struct {
	Tenant mspkit.TenantID
	Ticket mspkit.Ticket
}

// Validate reports whether both tenant and ticket are named.
func (r TicketRef) Validate() error {
	if err := r.Tenant.Validate(); err != nil {
		return err
	}
	if r.Ticket.IsZero() {
		return fmt.Errorf("psa: no ticket is named: %w", mspkit.ErrInvalid)
	}
	return r.Ticket.Validate()
}

// Visibility says who may read a note.
type Visibility int

// The visibilities. The zero value is [Internal].
const (
	// Internal notes are for technicians only.
	Internal Visibility = iota
	// Public notes are visible to the client as well.
	Public
)

// String returns "internal" or "public".
func (v Visibility) String() string {
	if v == Public {
		return "public"
	}
	return "internal"
}

// Note is a text to be added to a ticket.
type Note struct {
	// Title is one line; systems without titles put it in front of the text.
	Title string
	// Text is plain text.
	Text string
	// Visibility is [Internal] unless it is set.
	Visibility Visibility
	// Key is unique for the note and the same when it is written again after an unclear outcome, so that a
	// repeat can be recognised. Empty means that repeats cannot be told apart.
	Key string
}

// TicketNoter adds notes to tickets. AddNote returns the note's id in the ticket system. It must be safe for
// concurrent use, and a note with a Key that was written before should not be written twice.
type TicketNoter interface {
	AddNote(ctx context.Context, ref TicketRef, note Note) (noteID string, err error)
}
