package ticketlog_test

import (
	"context"
	"strconv"
	"sync"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/psa"
)

const (
	contoso  = mspkit.TenantID("contoso")
	fabrikam = mspkit.TenantID("fabrikam")
)

// written is a note that stands somewhere.
type written struct {
	ref     psa.TicketRef
	contact string // where it is on a contact
	psa.Note
}

// desk is a ticket system in memory. The fields before mu are set before it is used.
type desk struct {
	companies map[string]string // by ticket
	noKeys    bool
	mails     bool // internal notes may mail somebody

	mu      sync.Mutex
	notes   []written
	made    []psa.NewTicket
	byKey   map[string]string
	reads   int
	refuse  error // every note
	lose    int   // so many creations succeed and say that it is not known
	reading error
}

func newDesk() *desk {
	return &desk{companies: map[string]string{"4711": "12", "5120": "13"}, byKey: map[string]string{}}
}

func (*desk) Name() string { return "halopsa" }

func (d *desk) Capabilities() psa.Capabilities { return psa.Capabilities{TicketKey: !d.noKeys} }

func (*desk) NoteLimit() int { return 777 }

func (d *desk) AddNote(_ context.Context, ref psa.TicketRef, n psa.Note) (string, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.refuse != nil {
		return "", d.refuse
	}
	for i, w := range d.notes {
		if w.Key == n.Key && w.ref == ref && n.Key != "" {
			return strconv.Itoa(i), nil
		}
	}
	d.notes = append(d.notes, written{ref: ref, Note: n})
	return strconv.Itoa(len(d.notes) - 1), nil
}

func (d *desk) AddContactNote(_ context.Context, tenant mspkit.TenantID, contact string, n psa.Note) (string, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.notes = append(d.notes, written{ref: psa.TicketRef{Tenant: tenant}, contact: contact, Note: n})
	return "c1", nil
}

func (d *desk) ListNotes(_ context.Context, ref psa.TicketRef, _ time.Time) ([]psa.WrittenNote, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	var out []psa.WrittenNote
	for _, w := range d.notes {
		if w.ref == ref {
			out = append(out, psa.WrittenNote{Text: w.Text, Ours: true})
		}
	}
	return out, nil
}

func (d *desk) GetTicket(_ context.Context, ref psa.TicketRef) (psa.Ticket, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.reads++
	if d.reading != nil {
		return psa.Ticket{}, d.reading
	}
	c, ok := d.companies[ref.Ticket.ID]
	if !ok {
		return psa.Ticket{}, &psa.Error{System: "halopsa", Op: "get ticket", Err: psa.ErrNotFound}
	}
	return psa.Ticket{ID: ref.Ticket.ID, Company: psa.Named{ID: c}}, nil
}

func (d *desk) CreateTicket(_ context.Context, _ mspkit.TenantID, n psa.NewTicket) (psa.Ticket, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := n.Validate(); err != nil {
		return psa.Ticket{}, err
	}
	id, ok := d.byKey[n.Key]
	if !ok {
		id = strconv.Itoa(9000 + len(d.made))
		d.made, d.byKey[n.Key] = append(d.made, n), id
		d.companies[id] = n.CompanyID
	}
	if d.lose > 0 {
		d.lose--
		return psa.Ticket{}, &psa.Error{System: "halopsa", Op: "create ticket", Err: psa.ErrAmbiguousWrite}
	}
	return psa.Ticket{ID: id, Company: psa.Named{ID: d.companies[id]}}, nil
}

func (d *desk) CanNoteData(context.Context, psa.TicketRef) error {
	if d.mails {
		return &psa.Error{System: "halopsa", Op: "note data", Err: psa.ErrUnsupported, Advice: "a workflow may mail internal notes"}
	}
	return nil
}

func (d *desk) all() []written {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([]written(nil), d.notes...)
}

// noter hides what else a desk can do.
type noter struct{ d *desk }

func (n noter) AddNote(ctx context.Context, ref psa.TicketRef, nt psa.Note) (string, error) {
	return n.d.AddNote(ctx, ref, nt)
}

func ticket(id string) mspkit.Ticket { return mspkit.Ticket{System: "halopsa", ID: id} }
