package contacts

import (
	"context"
	"errors"
	"fmt"

	"github.com/mspkit/mspkit"
)

// Cursor says where a listing goes on. It is the source's own; empty is the beginning.
type Cursor string

// MaxCursor is the longest cursor that a source gives or takes, in bytes.
const MaxCursor = 8192

// The errors of sources.
var (
	// ErrCursor means that a cursor cannot be used any more, for example because the source has forgotten it, or because
	// it is of another tenant: begin again from the empty cursor.
	ErrCursor = errors.New("contacts: the cursor cannot be used any more")
	// ErrTenant means that the source is not set up for this tenant. It is not the same as a tenant without contacts: a
	// host must not take it for everybody having left.
	ErrTenant = errors.New("contacts: the source is not set up for this tenant")
	// ErrSource means that a source breaks what [ContactSource] promises.
	ErrSource = errors.New("contacts: the source is broken")
)

// Query asks a source for contacts.
type Query struct {
	// Tenant is whose contacts are wanted.
	Tenant mspkit.TenantID
	// Cursor is empty for everything, the Next of the last page for what follows, or the Next of the last page of an
	// earlier run for what has changed since, where the source can tell.
	Cursor Cursor
	// Limit is the most contacts of a page; 0 is the source's most. A source may give fewer.
	Limit int
}

// Validate reports what no source takes: no tenant, a negative limit, or a cursor of more than [MaxCursor] bytes, which
// is [ErrCursor].
func (q Query) Validate() error {
	if err := q.Tenant.Validate(); err != nil {
		return err
	}
	if q.Limit < 0 {
		return fmt.Errorf("contacts: a limit of %d contacts cannot be obeyed: %w", q.Limit, mspkit.ErrInvalid)
	}
	if len(q.Cursor) > MaxCursor {
		return fmt.Errorf("contacts: the cursor has %d bytes, at most %d are allowed: %w", len(q.Cursor), MaxCursor, ErrCursor)
	}
	return nil
}

// Page is a part of what a source has.
type Page struct {
	Contacts []Contact
	// Removed are ids of contacts that the source does not have any more.
	Removed []string
	// Whole is true where this run lists everything: who is not in any of its pages is gone. It is the same on every page
	// of a run. A source may answer the Next of an earlier run with a whole run.
	Whole bool
	// Next is the cursor of the next page while More is true; on the last page it is what a later run begins with, and
	// empty where the source can only list everything.
	Next Cursor
	// More is true where the run has further pages.
	More bool
}

// ContactSource is where contacts come from: Microsoft 365, a ticket system, a file. It must be safe for concurrent use.
//
// Everything on a page belongs to the tenant that was asked for. The same contact may come more than once in a run; the
// last one counts. What does not change while a run goes on is in the run. A run that cannot go on, because a cursor is
// stale or foreign, is [ErrCursor]; a tenant that the source does not know is [ErrTenant] or has no contacts. The suite
// in contactstest holds a source to all that.
type ContactSource interface {
	FetchContacts(ctx context.Context, q Query) (Page, error)
}

// SourceFunc is a function as a [ContactSource].
type SourceFunc func(ctx context.Context, q Query) (Page, error)

// FetchContacts calls f.
func (f SourceFunc) FetchContacts(ctx context.Context, q Query) (Page, error) { return f(ctx, q) }
