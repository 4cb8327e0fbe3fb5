package ticketlog_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/psa"
	"github.com/mspkit/mspkit/psa/ticketlog"
	"github.com/mspkit/mspkit/verify"
)

// mapped has one company for each tenant.
func mapped(t *testing.T) *psa.Memory {
	t.Helper()
	m := psa.NewMemory()
	for company, tenant := range map[string]mspkit.TenantID{"12": contoso, "13": fabrikam} {
		require.NoError(t, m.SaveMapping(t.Context(), psa.Mapping{System: "halopsa", CompanyID: company, Tenant: tenant, By: "sam"}))
	}
	require.NoError(t, m.SaveDefaults(t.Context(), contoso, "halopsa", psa.Defaults{Queue: psa.Named{ID: "1"}}))
	return m
}

func contact(_ context.Context, tenant mspkit.TenantID, subject string) (psa.Contact, error) {
	switch {
	case tenant == contoso && subject == "dana":
		return psa.Contact{ID: "201", Name: "Dana Whitfield", Company: psa.Named{ID: "12"}}, nil
	case subject == "adrift":
		return psa.Contact{ID: "203"}, nil
	case subject == "stray": // whom the host's own data puts into another tenant's company
		return psa.Contact{ID: "202", Company: psa.Named{ID: "13"}}, nil
	}
	return psa.Contact{}, nil
}

func newRouter(t *testing.T, d *desk, change func(*ticketlog.RouterOptions)) *ticketlog.Router {
	t.Helper()
	m := mapped(t)
	o := &ticketlog.RouterOptions{Mappings: m, Defaults: m, Contact: contact}
	if change != nil {
		change(o)
	}
	r, err := ticketlog.NewRouter(d, o)
	require.NoError(t, err)
	return r
}

func to(tenant mspkit.TenantID, system, id string) psa.TicketRef {
	return psa.TicketRef{Tenant: tenant, Ticket: mspkit.Ticket{System: system, ID: id}}
}

func newRef(id string) psa.TicketRef { return to(contoso, ticketlog.NewSystem, id) }

func text(s string) psa.Note { return psa.Note{Title: "T", Text: s, Key: "key-" + s} }

func TestNotesOfOneStoryGoIntoOneNewTicket(t *testing.T) {
	t.Parallel()
	d := newDesk()
	now := at
	r := newRouter(t, d, func(o *ticketlog.RouterOptions) {
		o.CheckCompany = true
		o.Now = func() time.Time { return now }
	})
	add := func(id, s string) {
		_, err := r.AddNote(t.Context(), newRef(id), psa.Note{Title: "ALERT: Caller verification", Text: s, Key: s})
		require.NoError(t, err)
	}
	add("c.challenge1.dana", "one")
	add("c.challenge1.dana", "two")
	now = now.Add(2 * time.Hour) // it is not remembered any more, but found
	add("c.challenge1.dana", "three")
	add("c.challenge1.", "four: who it is about was too long")
	require.Len(t, d.made, 1)
	n := d.made[0]
	require.Equal(t, "Caller verification: Dana Whitfield", n.Title, "clients see titles")
	require.Equal(t, "12", n.CompanyID)
	require.Equal(t, "201", n.ContactID)
	require.Equal(t, psa.Internal, n.Visibility)
	require.Equal(t, psa.Named{ID: "1"}, n.Defaults.Queue)
	require.Regexp(t, `^[A-Za-z0-9_-]{1,64}$`, n.Key)
	require.Len(t, d.notes, 4)
	for _, w := range d.notes {
		require.Equal(t, to(contoso, "halopsa", "9000"), w.ref)
	}
	add("s.send1.dana", "another story")
	require.Len(t, d.made, 2)
	require.Equal(t, "Secure send: Dana Whitfield", d.made[1].Title)

	got, err := r.ListNotes(t.Context(), newRef("c.challenge1.dana"), time.Time{})
	require.NoError(t, err)
	require.Len(t, got, 4)

	// The same story of another tenant is another ticket, of another company.
	_, err = r.AddNote(t.Context(), to(fabrikam, ticketlog.NewSystem, "c.challenge1.dana"), text("x"))
	require.NoError(t, err)
	require.Len(t, d.made, 3)
	require.Equal(t, "13", d.made[2].CompanyID)
	require.Empty(t, d.made[2].ContactID)
}

func TestAfterAnUnclearCreationThereIsOneTicket(t *testing.T) {
	t.Parallel()
	d := newDesk()
	d.lose = 2
	for range 3 { // with a new process each time
		r := newRouter(t, d, nil)
		_, err := r.AddNote(t.Context(), newRef("c.challenge1.dana"), text("one"))
		if err == nil {
			continue
		}
		require.NotErrorIs(t, err, psa.ErrAmbiguousWrite, "it is the ticket that is unclear: the note was not written")
		require.Equal(t, psa.Later, psa.FateOf(err))
		require.Empty(t, d.notes)
	}
	require.Len(t, d.made, 1)
	require.Len(t, d.notes, 1)
}

func TestNotesAtTheSameTimeMakeOneTicket(t *testing.T) {
	t.Parallel()
	d := newDesk()
	d.byKey = nil // a search that is behind: nothing is found by its key
	slow := &forgetful{desk: d}
	m := mapped(t)
	r, err := ticketlog.NewRouter(d, &ticketlog.RouterOptions{Creator: slow, Mappings: m})
	require.NoError(t, err)
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			_, err := r.AddNote(t.Context(), newRef("c.challenge1."), psa.Note{Text: "x", Key: strings.Repeat("k", i+1)})
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	require.Equal(t, 1, slow.n)
	require.Len(t, d.all(), 20)

	// Whoever waits for the ticket gives up with their context.
	slow.wait = make(chan struct{})
	done := make(chan error, 1)
	go func() {
		_, err := r.AddNote(context.WithoutCancel(t.Context()), newRef("c.other."), text("a"))
		done <- err
	}()
	<-slow.wait
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = r.AddNote(ctx, newRef("c.other."), text("b"))
	require.ErrorIs(t, err, context.Canceled)
	require.Equal(t, psa.Later, psa.FateOf(err))
	slow.wait <- struct{}{}
	require.NoError(t, <-done)
}

// forgetful makes a ticket each time.
type forgetful struct {
	desk *desk
	n    int
	wait chan struct{}
}

func (f *forgetful) CreateTicket(context.Context, mspkit.TenantID, psa.NewTicket) (psa.Ticket, error) {
	f.n++ // without a lock: the race detector would tell
	if f.wait != nil {
		f.wait <- struct{}{}
		<-f.wait
	}
	return psa.Ticket{ID: "1"}, nil
}

func TestNoteOnAContact(t *testing.T) {
	t.Parallel()
	d := newDesk()
	r := newRouter(t, d, func(o *ticketlog.RouterOptions) { o.CheckCompany = true })
	n := text("x")
	n.Visibility = psa.Public
	_, err := r.AddNote(t.Context(), to(contoso, ticketlog.ContactSystem, "dana"), n)
	require.NoError(t, err)
	require.Equal(t, "201", d.notes[0].contact)
	require.Equal(t, psa.Internal, d.notes[0].Visibility)
	require.Equal(t, contoso, d.notes[0].ref.Tenant)

	for subject, why := range map[string]string{"nobody": "is not known", "stray": "is not mapped", "adrift": "does not say which company"} {
		_, err = r.AddNote(t.Context(), to(contoso, ticketlog.ContactSystem, subject), text("y"))
		require.ErrorIs(t, err, psa.ErrValidation, subject)
		require.ErrorContains(t, err, why)
		require.Equal(t, psa.Never, psa.FateOf(err))
	}
	_, err = r.AddNote(t.Context(), to(fabrikam, ticketlog.ContactSystem, "dana"), text("y"))
	require.ErrorIs(t, err, psa.ErrValidation, "an id of one tenant is nobody in another")
	_, err = r.ListNotes(t.Context(), to(contoso, ticketlog.ContactSystem, "dana"), time.Time{})
	require.ErrorIs(t, err, psa.ErrUnsupported)
	require.Len(t, d.notes, 1)

	plain, err := ticketlog.NewRouter(noter{d}, nil)
	require.NoError(t, err)
	_, err = plain.AddNote(t.Context(), to(contoso, ticketlog.ContactSystem, "dana"), text("z"))
	require.ErrorIs(t, err, psa.ErrUnsupported)
}

func TestANoteNeverLandsInAnotherTenantsTicket(t *testing.T) {
	t.Parallel()
	d := newDesk()
	d.companies["1"], d.companies["2"] = "", "99"
	now := at
	r := newRouter(t, d, func(o *ticketlog.RouterOptions) {
		o.CheckCompany = true
		o.Now = func() time.Time { return now }
	})
	for _, ref := range []psa.TicketRef{
		to(contoso, "halopsa", "5120"), to(fabrikam, "halopsa", "4711"), to(contoso, "", "5120"), to(contoso, "halopsa", "1"), to(contoso, "halopsa", "2"),
		to("third", "halopsa", "4711"), to(contoso, "autotask", "4711"),
	} {
		_, err := r.AddNote(t.Context(), ref, text("x"))
		require.ErrorIs(t, err, psa.ErrValidation, "%v", ref)
		require.Equal(t, psa.Never, psa.FateOf(err))
		require.ErrorContains(t, err, "nothing was written")
		_, err = r.ListNotes(t.Context(), ref, time.Time{})
		require.ErrorIs(t, err, psa.ErrValidation)
		require.ErrorIs(t, r.CanNoteData(t.Context(), ref), psa.ErrValidation)
	}
	require.Empty(t, d.notes)

	reads := d.reads
	for range 3 {
		_, err := r.AddNote(t.Context(), to(contoso, "halopsa", "4711"), text("x"))
		require.NoError(t, err)
	}
	require.Equal(t, reads+1, d.reads, "it is remembered")
	d.companies["4711"] = "13"
	now = now.Add(61 * time.Second)
	_, err := r.AddNote(t.Context(), to(contoso, "halopsa", "4711"), text("y"))
	require.ErrorIs(t, err, psa.ErrValidation, "and not for long")

	d.reading = errors.New("connection reset")
	_, err = r.AddNote(t.Context(), to(fabrikam, "halopsa", "5120"), text("x"))
	require.Equal(t, psa.Later, psa.FateOf(err), "nothing was written: %v", err)
	d.reading = nil
	_, err = r.AddNote(t.Context(), to(contoso, "halopsa", "404"), text("x"))
	require.ErrorIs(t, err, psa.ErrNotFound)
	require.Equal(t, psa.Never, psa.FateOf(err))

	// Without the check everything passes through.
	_, err = newRouter(t, d, nil).AddNote(t.Context(), to(contoso, "autotask", "5120"), text("z"))
	require.NoError(t, err)
}

type broken struct {
	*psa.Memory
	mappings, defaults error
}

func (b broken) Mappings(ctx context.Context, system string) ([]psa.Mapping, error) {
	if b.mappings != nil {
		return nil, b.mappings
	}
	return b.Memory.Mappings(ctx, system)
}

func (b broken) Defaults(ctx context.Context, tenant mspkit.TenantID, system string) (psa.Defaults, error) {
	if b.defaults != nil {
		return psa.Defaults{}, b.defaults
	}
	return b.Memory.Defaults(ctx, tenant, system)
}

func TestWhyThereIsNoNewTicket(t *testing.T) {
	t.Parallel()
	down := errors.New("down: dsn with a password")
	for name, tc := range map[string]struct {
		ref    psa.TicketRef
		desk   func(*desk)
		change func(*ticketlog.RouterOptions)
		err    error
		words  string
		fate   psa.Fate
	}{
		"unmapped": {ref: to("third", ticketlog.NewSystem, "c.a.b"), err: psa.ErrValidation, words: "no company is mapped to this tenant", fate: psa.Never},
		"several": {change: func(o *ticketlog.RouterOptions) {
			_ = o.Mappings.SaveMapping(context.Background(), psa.Mapping{System: "halopsa", CompanyID: "14", Tenant: contoso, By: "sam"})
		}, ref: newRef("c.a.nobody"), err: psa.ErrValidation, words: "several companies", fate: psa.Never},
		"another tenant's contact": {ref: newRef("c.a.stray"), err: psa.ErrValidation, words: "not mapped to this tenant", fate: psa.Never},
		"no keys":                  {desk: func(d *desk) { d.noKeys = true }, err: psa.ErrUnsupported, words: "found again", fate: psa.Never},
		"not set up":               {change: func(o *ticketlog.RouterOptions) { o.Mappings = nil }, err: psa.ErrUnsupported, words: "Mappings", fate: psa.Never},
		"mappings down":            {change: func(o *ticketlog.RouterOptions) { o.Mappings = broken{mappings: down} }, err: down, words: "mappings", fate: psa.Later},
		"defaults down":            {change: func(o *ticketlog.RouterOptions) { o.Defaults = broken{defaults: down} }, err: down, words: "defaults", fate: psa.Later},
		"contacts down": {change: func(o *ticketlog.RouterOptions) {
			o.Contact = func(context.Context, mspkit.TenantID, string) (psa.Contact, error) { return psa.Contact{}, down }
		}, err: down, words: "contact", fate: psa.Later},
		"not a story": {ref: newRef("whatever"), err: mspkit.ErrInvalid, words: "no new ticket of ours", fate: psa.Never},
		"reserved":    {ref: to(contoso, "mspkit-other", "1"), err: psa.ErrUnsupported, words: "reserved", fate: psa.Never},
	} {
		d := newDesk()
		if tc.desk != nil {
			tc.desk(d)
		}
		if tc.ref == (psa.TicketRef{}) {
			tc.ref = newRef("c.a.dana")
		}
		_, err := newRouter(t, d, tc.change).AddNote(t.Context(), tc.ref, text("secret words"))
		require.ErrorIs(t, err, tc.err, name)
		require.ErrorContains(t, err, tc.words, name)
		require.NotContains(t, err.Error(), "secret words", name)
		require.NotContains(t, err.Error(), "password", "what the host's own errors say is not repeated")
		require.Equal(t, tc.fate, psa.FateOf(err), "%s: %v", name, err)
		require.Empty(t, d.made, name)
		require.Empty(t, d.notes, name)
	}
}

// A key that finds a ticket which somebody has moved to another client writes nothing there.
func TestAMovedTicketIsNotWrittenInto(t *testing.T) {
	t.Parallel()
	d := newDesk()
	_, err := newRouter(t, d, nil).AddNote(t.Context(), newRef("c.a.dana"), text("one"))
	require.NoError(t, err)
	d.companies["9000"] = "13"
	_, err = newRouter(t, d, nil).AddNote(t.Context(), newRef("c.a.dana"), text("two"))
	require.ErrorIs(t, err, psa.ErrValidation)
	require.Len(t, d.notes, 1)
}

func TestANewTicketThatWasDeletedIsMadeAgain(t *testing.T) {
	t.Parallel()
	d := newDesk()
	r := newRouter(t, d, nil)
	_, err := r.AddNote(t.Context(), newRef("c.a.dana"), text("one"))
	require.NoError(t, err)
	d.refuse, d.byKey = &psa.Error{System: "halopsa", Op: "add note", Err: psa.ErrNotFound}, map[string]string{}
	_, err = r.AddNote(t.Context(), newRef("c.a.dana"), text("two"))
	require.ErrorIs(t, err, psa.ErrNotFound)
	d.refuse = nil
	_, err = r.AddNote(t.Context(), newRef("c.a.dana"), text("two"))
	require.NoError(t, err)
	require.Len(t, d.made, 2)
}

func TestWhatPassesThrough(t *testing.T) {
	t.Parallel()
	d := newDesk()
	r := newRouter(t, d, nil)
	require.Equal(t, 777, r.NoteLimit())
	require.NoError(t, r.CanNoteData(t.Context(), to(contoso, "halopsa", "4711")))
	require.ErrorIs(t, r.CanNoteData(t.Context(), newRef("c.a.b")), psa.ErrUnsupported)
	d.mails = true
	require.ErrorIs(t, r.CanNoteData(t.Context(), to(contoso, "halopsa", "4711")), psa.ErrUnsupported)
	require.Empty(t, d.made)
	_, err := r.AddNote(t.Context(), psa.TicketRef{Tenant: contoso}, text("x"))
	require.ErrorIs(t, err, mspkit.ErrInvalid)

	plain, err := ticketlog.NewRouter(noter{d}, nil)
	require.NoError(t, err)
	require.Equal(t, math.MaxInt32, plain.NoteLimit())
	require.ErrorIs(t, plain.CanNoteData(t.Context(), to(contoso, "halopsa", "4711")), psa.ErrUnsupported)
	_, err = plain.ListNotes(t.Context(), to(contoso, "halopsa", "4711"), time.Time{})
	require.ErrorIs(t, err, psa.ErrUnsupported)
}

func TestNewRouterReportsAllFaultsAtOnce(t *testing.T) {
	t.Parallel()
	_, err := ticketlog.NewRouter(nil, &ticketlog.RouterOptions{CheckCompany: true, Texts: ticketlog.Texts{"title.caller": ""}})
	require.ErrorIs(t, err, mspkit.ErrInvalid)
	for _, want := range []string{"inner noter is needed", "needs a Reader", "needs Mappings", "needs the System", `"title.caller"`} {
		require.ErrorContains(t, err, want)
	}
	_, err = ticketlog.NewRouter(queue{}, &ticketlog.RouterOptions{System: "mspkit-new"})
	require.ErrorContains(t, err, "the inner noter is an outbox")
	require.ErrorContains(t, err, "reserved")
	_, err = ticketlog.NewRouter(newDesk(), &ticketlog.RouterOptions{System: " x"})
	require.ErrorContains(t, err, "RouterOptions.System")
}

// What was made is known for an hour, and is looked at as often as any other ticket: it may be moved to another client.
func TestANewTicketThatIsMovedMeanwhileIsNotWrittenInto(t *testing.T) {
	t.Parallel()
	d := newDesk()
	now := at
	r := newRouter(t, d, func(o *ticketlog.RouterOptions) {
		o.CheckCompany = true
		o.Now = func() time.Time { return now }
	})
	_, err := r.AddNote(t.Context(), newRef("c.a.dana"), text("one"))
	require.NoError(t, err)
	require.Zero(t, d.reads, "whose it is was said when it was made")
	d.companies["9000"] = "13"
	now = now.Add(61 * time.Second)
	_, err = r.AddNote(t.Context(), newRef("c.a.dana"), text("two"))
	require.ErrorIs(t, err, psa.ErrValidation)
	_, err = r.ListNotes(t.Context(), newRef("c.a.dana"), time.Time{})
	require.ErrorIs(t, err, psa.ErrValidation)
	require.Len(t, d.notes, 1)

	d.companies["9000"] = "12"
	_, err = r.AddNote(t.Context(), newRef("c.a.dana"), text("two"))
	require.NoError(t, err)
	now = now.Add(61 * time.Second)
	delete(d.companies, "9000")
	d.byKey = map[string]string{}
	_, err = r.AddNote(t.Context(), newRef("c.a.dana"), text("three"))
	require.NoError(t, err, "one that was deleted is made again")
	require.Len(t, d.made, 2)
}

// A client may say anything in an error, also what it was to write.
func TestWhatANoterSaysIsNotLogged(t *testing.T) {
	t.Parallel()
	d := newDesk()
	d.refuse = fmt.Errorf("refused %q: %w", "SECRETTEXT", psa.ErrValidation)
	var logs bytes.Buffer
	l, err := ticketlog.New(d, &ticketlog.Options{Logger: slog.New(slog.NewTextHandler(&logs, nil))})
	require.NoError(t, err)
	e := event(verify.EventDenied)
	e.Ticket = ticket("4711")
	require.NoError(t, l.Verify().Record(t.Context(), e))
	require.Contains(t, logs.String(), psa.ErrValidation.Error())
	require.NotContains(t, logs.String(), "SECRETTEXT")
	d.refuse = &psa.Error{System: "halopsa", Op: "add note", Status: 400, Err: psa.ErrClosed}
	require.NoError(t, l.Verify().Record(t.Context(), e))
	require.Contains(t, logs.String(), "status 400")
}
