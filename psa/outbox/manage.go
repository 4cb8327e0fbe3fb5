package outbox

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/token"
	"github.com/mspkit/mspkit/psa"
)

// List returns what is known of notes, by id, which is by the millisecond in which they were accepted; neither text nor key is in it.
func (o *Outbox) List(ctx context.Context, f Filter) ([]Entry, error) {
	if f.Tenant != "" {
		if err := f.Tenant.Validate(); err != nil {
			return nil, fmt.Errorf("outbox: list: %w", err)
		}
	}
	switch f.State {
	case "", Pending, Delivered, Dead, Dropped:
	default:
		return nil, fmt.Errorf("outbox: list: %q is no state: %w", f.State, mspkit.ErrInvalid)
	}
	if f.Limit < 0 || f.Limit > MaxPage {
		return nil, fmt.Errorf("outbox: list: the limit must be 0 to %d, it is %d: %w", MaxPage, f.Limit, mspkit.ErrInvalid)
	}
	list, err := o.store.List(ctx, f)
	if err != nil {
		return nil, fmt.Errorf("outbox: list: %w", err)
	}
	for i := range list {
		list[i].Sealed, list[i].Key = nil, nil
	}
	return list, nil
}

// Get returns what is known of a note; neither text nor key is in it. One that is not there is [ErrNotFound].
func (o *Outbox) Get(ctx context.Context, tenant mspkit.TenantID, id string) (Entry, error) {
	e, err := o.store.Get(ctx, tenant, id)
	if err != nil {
		return Entry{}, fmt.Errorf("outbox: get: %w", err)
	}
	e.Sealed, e.Key = nil, nil
	return e, nil
}

// Text returns the note itself, for a page where an administrator decides about a dead letter. It is as sensitive as the
// ticket: check who asks, and log that they did. A note that was written or dropped is [ErrState], because its text is not
// kept.
func (o *Outbox) Text(ctx context.Context, tenant mspkit.TenantID, id string) (psa.Note, error) {
	e, err := o.store.Get(ctx, tenant, id)
	if err != nil {
		return psa.Note{}, fmt.Errorf("outbox: text: %w", err)
	}
	if e.State != Pending && e.State != Dead {
		return psa.Note{}, fmt.Errorf("outbox: text: it is not kept once the note is %s: %w", e.State, ErrState)
	}
	p, err := o.secrets.open(e)
	if err != nil {
		return psa.Note{}, fmt.Errorf("outbox: text: %w", err)
	}
	return psa.Note{Title: p.Title, Text: p.Text, Visibility: p.Visibility, Key: p.Key}, nil
}

// Replay has a dead letter tried again, now, after the notes of its ticket that wait already. Parts that are written are
// not written again, and where it may have been written that is looked up first. by is who decided it, for the event.
// Another state than [Dead] is [ErrState].
func (o *Outbox) Replay(ctx context.Context, tenant mspkit.TenantID, id, by string) error {
	ev, err := o.event(ctx, tenant, id, by, EventReplayed)
	if err != nil {
		return fmt.Errorf("outbox: replay: %w", err)
	}
	s, err := o.store.Replay(ctx, tenant, id, ev, ev.At)
	if err != nil {
		return fmt.Errorf("outbox: replay: %w", err)
	}
	o.tell()
	if err := o.wake(ctx, s); err != nil {
		o.o.Logger.LogAttrs(ctx, slog.LevelWarn, "outbox: a note is replayed but its stream was not woken; the poll finds it", slog.Any("error", err))
	}
	return nil
}

// Drop gives up a note that is dead or still to be written and destroys its text. by is who decided it, for the event. One
// that is being tried at the moment, written or dropped is [ErrState].
func (o *Outbox) Drop(ctx context.Context, tenant mspkit.TenantID, id, by string) error {
	ev, err := o.event(ctx, tenant, id, by, EventDropped)
	if err != nil {
		return fmt.Errorf("outbox: drop: %w", err)
	}
	if err := o.store.Drop(ctx, tenant, id, ev, ev.At); err != nil {
		return fmt.Errorf("outbox: drop: %w", err)
	}
	o.tell()
	return nil
}

func (o *Outbox) event(ctx context.Context, tenant mspkit.TenantID, id, by string, kind EventKind) (Event, error) {
	if strings.TrimSpace(by) == "" || len(by) > mspkit.MaxID || !utf8.ValidString(by) || strings.ContainsFunc(by, unicode.IsControl) {
		return Event{}, fmt.Errorf("who decides must be named in 1 to %d bytes of one line: %w", mspkit.MaxID, mspkit.ErrInvalid)
	}
	e, err := o.store.Get(ctx, tenant, id)
	if err != nil {
		return Event{}, err
	}
	return Event{
		ID: token.Random(), Kind: kind, At: o.o.Now(), Tenant: e.Tenant, Note: e.ID, Ticket: e.Ticket,
		NoteIDs: e.NoteIDs, By: by, Fault: e.Fault,
	}, nil
}

// Health is how an outbox is doing.
type Health struct {
	// Counts are of all tenants.
	Counts
	// Open are the ticket systems that this process leaves alone for now.
	Open []OpenBreaker
}

// Health returns how many notes wait and are dead, since when the oldest waits, and which systems are down. Alert on an
// Oldest that is older than the ticket system's usual outage, and on Dead.
func (o *Outbox) Health(ctx context.Context) (Health, error) {
	c, err := o.store.Count(ctx, "")
	if err != nil {
		return Health{}, fmt.Errorf("outbox: health: %w", err)
	}
	return Health{Counts: c, Open: o.gates.open(o.o.Now())}, nil
}

// Count returns how many notes of a tenant wait and are dead; an empty tenant is all.
func (o *Outbox) Count(ctx context.Context, tenant mspkit.TenantID) (Counts, error) {
	c, err := o.store.Count(ctx, tenant)
	if err != nil {
		return Counts{}, fmt.Errorf("outbox: count: %w", err)
	}
	return c, nil
}

const rewrapPage = 100

// Rewrap seals what still waits under the primary key of the ring, and returns how many notes that were. Afterwards a key
// that is not primary can go from the ring, as soon as Options.Retention is over: until then a repeat of a note whose key
// was hashed under it is recognised by it. Notes that do not open are left and named in the error, after all others are
// done.
func (o *Outbox) Rewrap(ctx context.Context) (int, error) {
	total := 0
	for {
		n, err := o.store.Rewrap(ctx, o.secrets.ring.Primary(), func(e Entry) ([]byte, error) {
			sealed, _, err := o.secrets.box.Rewrap(e.Sealed, place(e)...)
			return sealed, err
		}, rewrapPage)
		total += n
		if n == rewrapPage {
			continue // also after an error: a note that does not open keeps no other one from being sealed anew
		}
		if err != nil {
			return total, fmt.Errorf("outbox: rewrap: %w", err)
		}
		return total, nil
	}
}
