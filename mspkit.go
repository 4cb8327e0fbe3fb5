package mspkit

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// ErrInvalid is returned, wrapped with what is wrong, for a value that cannot be used.
var ErrInvalid = errors.New("invalid")

// MaxID is the longest tenant id, ticket id or ticket system in bytes.
const MaxID = 128

// TenantID names one tenant. It is opaque: the host decides whether it stands for a client company or for
// an MSP and its client. It is part of every key that the module stores, so it must be stable.
type TenantID string

// Validate reports whether t can be used: 1 to [MaxID] bytes of printable text without spaces at the ends.
func (t TenantID) Validate() error { return validID("tenant id", string(t)) }

// Ticket names one ticket of one ticket system, for example {System: "halopsa", ID: "4711"}. The zero value
// means that there is no ticket.
type Ticket struct {
	System string `json:"system,omitempty"`
	ID     string `json:"id,omitempty"`
}

// IsZero reports whether no ticket is named.
func (t Ticket) IsZero() bool { return t == Ticket{} }

// String returns "system:id", "id" where no system is named, or "" for the zero ticket.
func (t Ticket) String() string {
	if t.System == "" {
		return t.ID
	}
	return t.System + ":" + t.ID
}

// Validate reports whether t is zero or names a ticket completely.
func (t Ticket) Validate() error {
	if t.IsZero() {
		return nil
	}
	if t.System != "" {
		if err := validID("ticket system", t.System); err != nil {
			return err
		}
	}
	return validID("ticket id", t.ID)
}

func validID(what, s string) error {
	switch {
	case s == "":
		return fmt.Errorf("mspkit: %s is empty: %w", what, ErrInvalid)
	case len(s) > MaxID:
		return fmt.Errorf("mspkit: %s has %d bytes, at most %d are allowed: %w", what, len(s), MaxID, ErrInvalid)
	case !utf8.ValidString(s):
		return fmt.Errorf("mspkit: %s is not valid UTF-8: %w", what, ErrInvalid)
	case strings.TrimSpace(s) != s:
		return fmt.Errorf("mspkit: %s begins or ends with a space: %w", what, ErrInvalid)
	}
	for _, r := range s {
		if !unicode.IsPrint(r) {
			return fmt.Errorf("mspkit: %s has the unprintable character %U: %w", what, r, ErrInvalid)
		}
	}
	return nil
}
