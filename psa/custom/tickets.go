package custom

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/psa"
)

// check refuses what is no ticket of this system. A reference without a system is one of this.
func (s *System) check(op string, ref psa.TicketRef) (psa.TicketRef, error) {
	if err := ref.Validate(); err != nil {
		return ref, s.refuse(op, err, "")
	}
	if ref.Ticket.System == "" {
		ref.Ticket.System = s.name
	}
	if ref.Ticket.System != s.name {
		return ref, s.refuse(op, mspkit.ErrInvalid, "the ticket is one of another system")
	}
	return ref, nil
}

// checkNote refuses what the functions must not get.
func (s *System) checkNote(op string, n *psa.Note) error {
	if n.Visibility != psa.Public {
		n.Visibility = psa.Internal
	}
	switch {
	case n.Title == "" && n.Text == "":
		return s.refuse(op, mspkit.ErrInvalid, "the note is empty")
	case n.Visibility == psa.Public && !s.o.PublicNotes:
		return s.refuse(op, psa.ErrUnsupported, "set Options.PublicNotes where AddNote obeys Note.Visibility")
	case len(n.Text)+titled(n.Title) > s.o.NoteLimit:
		return s.refuse(op, psa.ErrTooLong, "split it; see psa.Split")
	}
	return nil
}

// titled is how many bytes a title takes that is put in front of the text.
func titled(title string) int {
	if title == "" {
		return 0
	}
	return len(title) + len("\n\n")
}

// id makes sure that what was written has one.
func id(id, key string) string {
	switch {
	case id != "":
		return id
	case key != "":
		return key
	}
	return "written"
}

// AddNote calls AddNote. Where that returns no id and no error, the id is the note's Key or "written".
func (s *System) AddNote(ctx context.Context, ref psa.TicketRef, n psa.Note) (string, error) {
	const op = "add note"
	ref, err := s.check(op, ref)
	if err == nil {
		err = s.checkNote(op, &n)
	}
	if err != nil {
		return "", err
	}
	got, err := call(ctx, s, op, true, func(ctx context.Context) (string, error) { return s.f.AddNote(ctx, ref, n) })
	if err != nil {
		return "", err
	}
	return id(got, n.Key), nil
}

// ListNotes calls ListNotes, with since less the overlap. Without it, it is psa.ErrUnsupported.
func (s *System) ListNotes(ctx context.Context, ref psa.TicketRef, since time.Time) ([]psa.WrittenNote, error) {
	const op = "list notes"
	if s.f.ListNotes == nil {
		return nil, s.missing(op, "ListNotes")
	}
	ref, err := s.check(op, ref)
	if err != nil {
		return nil, err
	}
	return call(ctx, s, op, false, func(ctx context.Context) ([]psa.WrittenNote, error) { return s.f.ListNotes(ctx, ref, s.less(since)) })
}

// less is a time less the overlap.
func (s *System) less(t time.Time) time.Time {
	if t.IsZero() || s.o.Overlap < 0 {
		return t
	}
	return t.Add(-s.o.Overlap)
}

// GetTicket calls GetTicket.
func (s *System) GetTicket(ctx context.Context, ref psa.TicketRef) (psa.Ticket, error) {
	const op = "get ticket"
	if s.f.GetTicket == nil {
		return psa.Ticket{}, s.missing(op, "GetTicket")
	}
	ref, err := s.check(op, ref)
	if err != nil {
		return psa.Ticket{}, err
	}
	return call(ctx, s, op, false, func(ctx context.Context) (psa.Ticket, error) { return s.f.GetTicket(ctx, ref) })
}

// CreateTicket calls CreateTicket, and refuses a ticket of another company that it has found by the Key.
func (s *System) CreateTicket(ctx context.Context, tenant mspkit.TenantID, n psa.NewTicket) (psa.Ticket, error) {
	const op = "create ticket"
	if s.f.CreateTicket == nil {
		return psa.Ticket{}, s.missing(op, "CreateTicket")
	}
	if err := errors.Join(tenant.Validate(), n.Validate()); err != nil {
		return psa.Ticket{}, s.refuse(op, mspkit.ErrInvalid, "it needs a tenant and a title, and a key of letters, digits, '-' and '_'")
	}
	if n.Visibility == psa.Public && !s.o.PublicNotes {
		return psa.Ticket{}, s.refuse(op, psa.ErrUnsupported, "set Options.PublicNotes where CreateTicket obeys NewTicket.Visibility")
	}
	t, err := call(ctx, s, op, true, func(ctx context.Context) (psa.Ticket, error) { return s.f.CreateTicket(ctx, tenant, n) })
	switch {
	case err != nil:
		return psa.Ticket{}, err
	case t.ID == "":
		return psa.Ticket{}, s.refuse(op, psa.ErrAmbiguousWrite, "CreateTicket returned a ticket without an id")
	case n.Key != "" && n.CompanyID != "" && t.Company.ID != "" && t.Company.ID != n.CompanyID:
		return psa.Ticket{}, s.refuse(op, psa.ErrUnsupported, "CreateTicket returned a ticket of another company; it must look for the Key among those of CompanyID only")
	}
	return t, nil
}

// SetStatus calls SetStatus. With ListOptions it refuses what is not among the values and says what is; with GetTicket it
// does nothing where the ticket has the status.
func (s *System) SetStatus(ctx context.Context, ref psa.TicketRef, status psa.Named) error {
	const op = "set status"
	if s.f.SetStatus == nil {
		return s.missing(op, "SetStatus")
	}
	ref, err := s.check(op, ref)
	switch {
	case err != nil:
		return err
	case status.IsZero():
		return s.refuse(op, mspkit.ErrInvalid, "no status is named")
	}
	var t psa.Ticket
	if s.f.GetTicket != nil {
		if t, err = s.GetTicket(ctx, ref); err != nil {
			return notWritten(op, err)
		}
	}
	if slices.Contains(s.o.Fields, psa.FieldStatus) {
		list, err := s.ListOptions(ctx, psa.FieldStatus, psa.Defaults{Queue: t.Queue, Type: t.Type})
		if err != nil {
			return notWritten(op, err)
		}
		if status, err = choose(status, list); err != nil {
			return s.refuse(op, err, "")
		}
	}
	if same(status, t.Status) {
		return nil
	}
	_, err = call(ctx, s, op, true, func(ctx context.Context) (struct{}, error) { return struct{}{}, s.f.SetStatus(ctx, ref, status) })
	return err
}

// notWritten is an error of what was asked before a write.
func notWritten(op string, err error) error {
	if e, ok := errors.AsType[*psa.Error](err); ok {
		e.Op = op
	}
	return err
}

func same(a, b psa.Named) bool {
	if a.ID != "" && b.ID != "" {
		return a.ID == b.ID
	}
	return a.Name != "" && strings.EqualFold(a.Name, b.Name)
}

// choose finds a status among those that are in use.
func choose(status psa.Named, list []psa.Option) (psa.Named, error) {
	var valid []psa.Named
	var hits []psa.Named
	for _, o := range list {
		if o.Inactive {
			continue
		}
		valid = append(valid, o.Named)
		if status.ID != "" && o.ID == status.ID || status.ID == "" && strings.EqualFold(strings.TrimSpace(o.Name), strings.TrimSpace(status.Name)) {
			hits = append(hits, o.Named)
		}
	}
	switch len(hits) {
	case 1:
		return hits[0], nil
	case 0:
		return status, &psa.DefaultsError{Field: psa.FieldStatus, Value: status, Reason: "is unknown", Valid: valid}
	}
	return status, &psa.DefaultsError{Field: psa.FieldStatus, Value: status, Reason: "is the name of several; give the id", Valid: valid}
}

// ListOptions calls ListOptions.
func (s *System) ListOptions(ctx context.Context, f psa.Field, given psa.Defaults) ([]psa.Option, error) {
	const op = "list options"
	if s.f.ListOptions == nil {
		return nil, s.missing(op, "ListOptions")
	}
	if !slices.Contains(s.o.Fields, f) {
		return nil, s.refuse(op, psa.ErrUnsupported, "it is not one of Options.Fields")
	}
	return call(ctx, s, op, false, func(ctx context.Context) ([]psa.Option, error) { return s.f.ListOptions(ctx, f, given) })
}

// AddContactNote calls AddContactNote.
func (s *System) AddContactNote(ctx context.Context, tenant mspkit.TenantID, contactID string, n psa.Note) (string, error) {
	const op = "add contact note"
	if s.f.AddContactNote == nil {
		return "", s.missing(op, "AddContactNote")
	}
	if err := errors.Join(tenant.Validate(), (mspkit.Ticket{System: s.name, ID: contactID}).Validate()); err != nil {
		return "", s.refuse(op, mspkit.ErrInvalid, "it needs a tenant and the id of a contact")
	}
	if err := s.checkNote(op, &n); err != nil {
		return "", err
	}
	got, err := call(ctx, s, op, true, func(ctx context.Context) (string, error) { return s.f.AddContactNote(ctx, tenant, contactID, n) })
	if err != nil {
		return "", err
	}
	return id(got, n.Key), nil
}

// LogTime calls LogTime.
func (s *System) LogTime(ctx context.Context, ref psa.TicketRef, e psa.TimeEntry) (string, error) {
	const op = "log time"
	if s.f.LogTime == nil {
		return "", s.missing(op, "LogTime")
	}
	ref, err := s.check(op, ref)
	if err != nil {
		return "", err
	}
	if err := e.Validate(); err != nil {
		return "", s.refuse(op, err, "")
	}
	if e.Visibility == psa.Public && !s.o.PublicNotes {
		return "", s.refuse(op, psa.ErrUnsupported, "set Options.PublicNotes where LogTime obeys TimeEntry.Visibility")
	}
	got, err := call(ctx, s, op, true, func(ctx context.Context) (string, error) { return s.f.LogTime(ctx, ref, e) })
	if err != nil {
		return "", err
	}
	return id(got, ""), nil
}

// CanNoteData calls CanNoteData. Without it nothing is certain.
func (s *System) CanNoteData(ctx context.Context, ref psa.TicketRef) error {
	const op = "look whether data may be noted"
	if s.f.CanNoteData == nil {
		return s.missing(op, "CanNoteData")
	}
	ref, err := s.check(op, ref)
	if err != nil {
		return err
	}
	_, err = call(ctx, s, op, false, func(ctx context.Context) (struct{}, error) { return struct{}{}, s.f.CanNoteData(ctx, ref) })
	return err
}
