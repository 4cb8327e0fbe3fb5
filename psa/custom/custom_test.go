package custom_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/psa"
	"github.com/mspkit/mspkit/psa/custom"
	"github.com/stretchr/testify/require"
)

const secretText = "the note says this"

var (
	ref  = psa.TicketRef{Tenant: "contoso", Ticket: mspkit.Ticket{System: "helpdesk", ID: "4711"}}
	note = psa.Note{Text: secretText}
)

type addNote = func(context.Context, psa.TicketRef, psa.Note) (string, error)

func added(context.Context, psa.TicketRef, psa.Note) (string, error) { return "1", nil }

func system(t *testing.T, f custom.Funcs, o *custom.Options) *custom.System {
	t.Helper()
	if f.AddNote == nil {
		f.AddNote = added
	}
	s, err := custom.New("helpdesk", f, o)
	require.NoError(t, err)
	return s
}

func TestNewReportsEverythingThatIsWrong(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		name string
		f    custom.Funcs
		o    custom.Options
		want []string
	}{
		"nothing is given":  {"", custom.Funcs{}, custom.Options{}, []string{"the name", "AddNote"}},
		"a name with space": {" x", custom.Funcs{AddNote: added}, custom.Options{}, []string{"the name"}},
		"numbers": {
			"x",
			custom.Funcs{AddNote: added},
			custom.Options{NoteLimit: 10, MaxPage: -1, Requests: 5},
			[]string{"NoteLimit", "MaxPage", "Requests and Per"},
		},
		"a negative rate": {"x", custom.Funcs{AddNote: added}, custom.Options{Requests: -1}, []string{"Requests and Per"}},
		"fields": {
			"x", custom.Funcs{AddNote: added}, custom.Options{Fields: []psa.Field{"weather"}}, []string{"without ListOptions", `"weather"`},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := custom.New(c.name, c.f, &c.o)
			require.ErrorIs(t, err, mspkit.ErrInvalid)
			for _, w := range c.want {
				require.ErrorContains(t, err, w)
			}
		})
	}
}

func TestWhatThereIsNoFunctionForIsUnsupportedAndSaysWhichToGive(t *testing.T) {
	t.Parallel()
	s := system(t, custom.Funcs{}, nil)
	ctx := t.Context()
	for name, f := range map[string]func() error{
		"GetTicket":      func() error { _, err := s.GetTicket(ctx, ref); return err },
		"CreateTicket":   func() error { _, err := s.CreateTicket(ctx, "contoso", psa.NewTicket{Title: "x"}); return err },
		"SetStatus":      func() error { return s.SetStatus(ctx, ref, psa.Named{Name: "New"}) },
		"ListNotes":      func() error { _, err := s.ListNotes(ctx, ref, time.Time{}); return err },
		"ListContacts":   func() error { _, err := s.ListContacts(ctx, psa.Query{}); return err },
		"ListCompanies":  func() error { _, err := s.ListCompanies(ctx, psa.Query{}); return err },
		"FindByEmail":    func() error { _, err := s.FindByEmail(ctx, "a@b.example"); return err },
		"FindByPhone":    func() error { _, err := s.FindByPhone(ctx, "+12025550143"); return err },
		"ListOptions":    func() error { _, err := s.ListOptions(ctx, psa.FieldQueue, psa.Defaults{}); return err },
		"AddContactNote": func() error { _, err := s.AddContactNote(ctx, "contoso", "201", note); return err },
		"LogTime":        func() error { _, err := s.LogTime(ctx, ref, psa.TimeEntry{}); return err },
		"CanNoteData":    func() error { return s.CanNoteData(ctx, ref) },
	} {
		err := f()
		require.ErrorIs(t, err, psa.ErrUnsupported, name)
		require.ErrorContains(t, err, "Funcs."+name)
		require.Equal(t, psa.Never, psa.FateOf(err), name)
	}
	info, err := s.Ping(ctx)
	require.NoError(t, err)
	require.Equal(t, psa.Info{System: "helpdesk"}, info)
	require.Equal(t, psa.Capabilities{MaxPage: custom.DefaultMaxPage}, s.Capabilities())
	require.Equal(t, custom.DefaultNoteLimit, s.NoteLimit())
}

func TestWhatAFunctionReturnsBecomesAnErrorOfPackagePSA(t *testing.T) {
	t.Parallel()
	own := errors.New("disk full while writing " + secretText)
	for name, c := range map[string]struct {
		err         error
		write, read error // what it is
		fate        psa.Fate
	}{
		"unknown":           {own, psa.ErrAmbiguousWrite, psa.ErrUnavailable, psa.Unclear},
		"no rows":           {sql.ErrNoRows, psa.ErrAmbiguousWrite, psa.ErrNotFound, psa.Unclear},
		"a sentinel":        {psa.ErrClosed, psa.ErrClosed, psa.ErrClosed, psa.Never},
		"wrapped":           {fmt.Errorf("%s: %w", secretText, psa.ErrForbidden), psa.ErrForbidden, psa.ErrForbidden, psa.Later},
		"two":               {errors.Join(psa.ErrNotFound, psa.ErrAmbiguousWrite), psa.ErrAmbiguousWrite, psa.ErrUnavailable, psa.Unclear},
		"a deadline":        {context.DeadlineExceeded, psa.ErrAmbiguousWrite, psa.ErrUnavailable, psa.Unclear},
		"typed, of nothing": {&psa.Error{Status: 503}, psa.ErrAmbiguousWrite, psa.ErrUnavailable, psa.Unclear},
		"typed with a text": {&psa.Error{Err: fmt.Errorf("%s: %w", secretText, psa.ErrConflict)}, psa.ErrConflict, psa.ErrConflict, psa.Later},
		"invalid":           {mspkit.ErrInvalid, mspkit.ErrInvalid, mspkit.ErrInvalid, psa.Never},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := system(t, custom.Funcs{
				AddNote:   func(context.Context, psa.TicketRef, psa.Note) (string, error) { return "1", c.err },
				GetTicket: func(context.Context, psa.TicketRef) (psa.Ticket, error) { return psa.Ticket{ID: "1"}, c.err },
			}, nil)
			id, err := s.AddNote(t.Context(), ref, note)
			require.Empty(t, id)
			require.ErrorIs(t, err, c.write)
			require.ErrorIs(t, err, c.err, "the cause is there for errors.Is")
			require.Equal(t, c.fate, psa.FateOf(err))
			require.NotContains(t, err.Error(), secretText)
			e, ok := errors.AsType[*psa.Error](err)
			require.True(t, ok)
			require.Equal(t, "helpdesk", e.System)
			require.Equal(t, "add note", e.Op)
			require.NotEmpty(t, e.Message.Reveal())
			got, err := s.GetTicket(t.Context(), ref)
			require.Empty(t, got)
			require.ErrorIs(t, err, c.read)
			require.NotContains(t, err.Error(), secretText)
		})
	}
}

func TestAPanicIsAnErrorThatTellsNothingOfTheNote(t *testing.T) {
	t.Parallel()
	for name, f := range map[string]addNote{
		"panic":  func(_ context.Context, _ psa.TicketRef, n psa.Note) (string, error) { panic(n.Text) },
		"goexit": func(context.Context, psa.TicketRef, psa.Note) (string, error) { runtime.Goexit(); return "", nil },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var log bytes.Buffer
			s := system(t, custom.Funcs{AddNote: f}, &custom.Options{Logger: slog.New(slog.NewTextHandler(&log, nil))})
			_, err := s.AddNote(t.Context(), ref, note)
			require.ErrorIs(t, err, psa.ErrAmbiguousWrite)
			require.NotContains(t, err.Error(), secretText)
			require.NotContains(t, log.String(), secretText)
			if name == "panic" {
				require.Contains(t, log.String(), "custom_test.go", "the log says where")
			}
		})
	}
}

func TestAFunctionThatDoesNotEndIsLeftAlone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		end := make(chan struct{})
		s := system(t, custom.Funcs{
			AddNote: func(context.Context, psa.TicketRef, psa.Note) (string, error) { <-end; return "1", nil },
			GetTicket: func(ctx context.Context, _ psa.TicketRef) (psa.Ticket, error) {
				<-ctx.Done()
				return psa.Ticket{ID: "4711"}, nil // it knows after all
			},
		}, nil)
		begun := time.Now()
		_, err := s.AddNote(t.Context(), ref, note)
		require.ErrorIs(t, err, psa.ErrAmbiguousWrite)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, custom.DefaultTimeout+time.Second, time.Since(begun))
		close(end)
		got, err := s.GetTicket(t.Context(), ref)
		require.NoError(t, err)
		require.Equal(t, "4711", got.ID)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err = s.AddNote(ctx, ref, note)
		require.ErrorIs(t, err, psa.ErrUnavailable, "nothing is begun")
		require.ErrorIs(t, err, context.Canceled)
		require.Equal(t, psa.Later, psa.FateOf(err))
	})
}

func TestCallsKeepToTheRate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := system(t, custom.Funcs{}, &custom.Options{Requests: 2, Per: 10 * time.Second})
		begun := time.Now()
		var at []time.Duration
		for range 5 {
			_, err := s.AddNote(t.Context(), ref, note)
			require.NoError(t, err)
			at = append(at, time.Since(begun).Round(time.Second))
		}
		require.Equal(t, []time.Duration{0, 0, 5 * time.Second, 10 * time.Second, 15 * time.Second}, at)

		slow := system(t, custom.Funcs{}, &custom.Options{Requests: 1, Per: time.Hour})
		_, err := slow.AddNote(t.Context(), ref, note)
		require.NoError(t, err)
		begun = time.Now()
		_, err = slow.AddNote(t.Context(), ref, note)
		require.ErrorIs(t, err, psa.ErrRateLimited)
		require.Equal(t, psa.Later, psa.FateOf(err))
		require.Zero(t, time.Since(begun), "it is said at once that there is no time")
		time.Sleep(time.Hour)
		_, err = slow.AddNote(t.Context(), ref, note)
		require.NoError(t, err, "what was refused used nothing up")
	})
}

func TestAFunctionThatWasThrottledIsCalledAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for _, c := range []struct {
			name          string
			wait          time.Duration
			refusals      int
			calls         int
			fails         bool
			maxRetryAfter time.Duration
		}{
			{"once", 2 * time.Second, 1, 2, false, 0},
			{"for ever", 2 * time.Second, 99, 3, true, 0},
			{"longer than that", time.Hour, 1, 1, true, 0},
			{"without saying how long", 0, 1, 1, true, 0},
			{"and that is turned off", 2 * time.Second, 1, 1, true, -1},
		} {
			calls := 0
			s := system(t, custom.Funcs{AddNote: func(context.Context, psa.TicketRef, psa.Note) (string, error) {
				if calls++; calls <= c.refusals {
					return "", &psa.Error{Err: psa.ErrRateLimited, RetryAfter: c.wait}
				}
				return "1", nil
			}}, &custom.Options{MaxRetryAfter: c.maxRetryAfter})
			begun := time.Now()
			_, err := s.AddNote(t.Context(), ref, note)
			require.Equal(t, c.fails, err != nil, c.name)
			require.Equal(t, c.calls, calls, c.name)
			require.Equal(t, time.Duration(c.calls-1)*c.wait, time.Since(begun), c.name)
			if c.fails {
				require.ErrorIs(t, err, psa.ErrRateLimited, c.name)
			}
		}
	})
}

func TestWhatIsNoNoteOfThisSystemReachesNoFunction(t *testing.T) {
	t.Parallel()
	s := system(t, custom.Funcs{AddNote: func(context.Context, psa.TicketRef, psa.Note) (string, error) {
		t.Error("it was called")
		return "", nil
	}}, &custom.Options{NoteLimit: 100})
	for name, c := range map[string]struct {
		ref  psa.TicketRef
		note psa.Note
		want error
	}{
		"no ticket":      {psa.TicketRef{Tenant: "contoso"}, note, mspkit.ErrInvalid},
		"no tenant":      {psa.TicketRef{Ticket: ref.Ticket}, note, mspkit.ErrInvalid},
		"another system": {psa.TicketRef{Tenant: "contoso", Ticket: mspkit.Ticket{System: "other", ID: "1"}}, note, mspkit.ErrInvalid},
		"empty":          {ref, psa.Note{}, mspkit.ErrInvalid},
		"too long":       {ref, psa.Note{Title: "12345", Text: string(make([]byte, 94))}, psa.ErrTooLong},
		"public":         {ref, psa.Note{Text: "x", Visibility: psa.Public}, psa.ErrUnsupported},
	} {
		_, err := s.AddNote(t.Context(), c.ref, c.note)
		require.ErrorIs(t, err, c.want, name)
		require.Equal(t, psa.Never, psa.FateOf(err), name)
	}
}

func TestWhatWasWrittenHasAnID(t *testing.T) {
	t.Parallel()
	var got psa.TicketRef
	var seen psa.Visibility
	s := system(t, custom.Funcs{AddNote: func(_ context.Context, ref psa.TicketRef, n psa.Note) (string, error) {
		got, seen = ref, n.Visibility
		return "", nil
	}}, nil)
	id, err := s.AddNote(t.Context(), psa.TicketRef{Tenant: "contoso", Ticket: mspkit.Ticket{ID: "4711"}}, psa.Note{Text: "x", Key: "k-1", Visibility: psa.Visibility(7)})
	require.NoError(t, err)
	require.Equal(t, "k-1", id)
	require.Equal(t, ref, got, "a ticket that names no system is one of this")
	require.Equal(t, psa.Internal, seen, "what is no visibility is internal")
	id, err = s.AddNote(t.Context(), ref, note)
	require.NoError(t, err)
	require.Equal(t, "written", id)

	s = system(t, custom.Funcs{CreateTicket: func(context.Context, mspkit.TenantID, psa.NewTicket) (psa.Ticket, error) { return psa.Ticket{}, nil }}, nil)
	_, err = s.CreateTicket(t.Context(), "contoso", psa.NewTicket{Title: "x"})
	require.ErrorIs(t, err, psa.ErrAmbiguousWrite)
}

func TestAStatusIsPassedOnWhereNothingElseIsKnown(t *testing.T) {
	t.Parallel()
	var set []psa.Named
	f := custom.Funcs{SetStatus: func(_ context.Context, _ psa.TicketRef, n psa.Named) error { set = append(set, n); return nil }}
	require.NoError(t, system(t, f, nil).SetStatus(t.Context(), ref, psa.Named{Name: "Done"}))
	f.ListOptions = func(_ context.Context, f psa.Field, _ psa.Defaults) ([]psa.Option, error) {
		require.Equal(t, psa.FieldStatus, f)
		return []psa.Option{{Named: psa.Named{ID: "1", Name: "New"}}, {Named: psa.Named{ID: "2", Name: "Done"}, Closed: true}, {Named: psa.Named{ID: "3", Name: "New"}}, {Named: psa.Named{ID: "4", Name: "Old"}, Inactive: true}}, nil
	}
	require.NoError(t, system(t, f, nil).SetStatus(t.Context(), ref, psa.Named{Name: " done "}))
	require.Equal(t, []psa.Named{{Name: "Done"}, {ID: "2", Name: "Done"}}, set)
	for bad, want := range map[string]string{"new": "give the id", "Old": `valid are "New" (1), "Done" (2), "New" (3)`} {
		err := system(t, f, nil).SetStatus(t.Context(), ref, psa.Named{Name: bad})
		require.ErrorContains(t, err, want)
		require.ErrorIs(t, err, psa.ErrValidation)
	}
	f.ListOptions = func(context.Context, psa.Field, psa.Defaults) ([]psa.Option, error) { return nil, errors.New("x") }
	err := system(t, f, nil).SetStatus(t.Context(), ref, psa.Named{Name: "Done"})
	require.Equal(t, psa.Later, psa.FateOf(err), "nothing was written")
	require.Len(t, set, 2)
}

func TestAPatternFindsNobodyElse(t *testing.T) {
	t.Parallel()
	everybody := []psa.Contact{
		{ID: "1", Emails: []string{"dana@contoso.example"}, Phones: []psa.Phone{{Raw: "(202) 555-0143"}}},
		{ID: "2", Emails: []string{"omar@fabrikam.example"}, Phones: []psa.Phone{{Raw: "12025550144"}}},
	}
	s := system(t, custom.Funcs{
		FindByEmail: func(context.Context, string) ([]psa.Contact, error) {
			return append([]psa.Contact(nil), everybody...), nil
		},
		FindByPhone: func(context.Context, string) ([]psa.Contact, error) {
			return append([]psa.Contact(nil), everybody...), nil
		},
	}, nil)
	for what, want := range map[string]int{" DANA@contoso.example ": 1, "%@contoso.example": 0, "%": 0, "": 0, "a b@c": 0} {
		got, err := s.FindByEmail(t.Context(), what)
		require.NoError(t, err)
		require.Len(t, got, want, what)
	}
	for what, want := range map[string]int{"+1 202 555 0143": 1, "%": 0, "": 0, "0143": 0} {
		got, err := s.FindByPhone(t.Context(), what)
		require.NoError(t, err)
		require.Len(t, got, want, what)
	}
}

func TestAListingThatWouldNotEndIsAnError(t *testing.T) {
	t.Parallel()
	var got psa.Query
	s := system(t, custom.Funcs{ListContacts: func(_ context.Context, q psa.Query) (psa.Page[psa.Contact], error) {
		got = q
		return psa.Page[psa.Contact]{Next: "2"}, nil
	}}, &custom.Options{MaxPage: 50})
	_, err := s.ListContacts(t.Context(), psa.Query{Limit: 1000, Since: time.Unix(1, 0)})
	require.NoError(t, err)
	require.Equal(t, psa.Query{Limit: 50}, got, "a system that cannot tell what has changed lists everything")
	_, err = s.ListContacts(t.Context(), psa.Query{Cursor: "2"})
	require.ErrorContains(t, err, "never end")
}

func TestStatusReadsAnAnswer(t *testing.T) {
	t.Parallel()
	for status, want := range map[int]error{
		400: psa.ErrValidation, 401: psa.ErrUnauthorized, 403: psa.ErrForbidden, 404: psa.ErrNotFound, 409: psa.ErrConflict,
		410: psa.ErrNotFound, 412: psa.ErrConflict, 422: psa.ErrValidation, 429: psa.ErrRateLimited, 408: nil, 500: nil, 302: nil,
	} {
		err := custom.Status(&http.Response{StatusCode: status, Header: http.Header{"Retry-After": {"7"}}})
		e, ok := errors.AsType[*psa.Error](err)
		require.True(t, ok, status)
		require.Equal(t, want, e.Err, status)
		require.Equal(t, 7*time.Second, e.RetryAfter)
	}
	require.NoError(t, custom.Status(&http.Response{StatusCode: http.StatusCreated}))
}

// A key is one company's: what a function finds for another one must not get out.
func TestATicketOfAnotherCompanyIsRefused(t *testing.T) {
	t.Parallel()
	s, err := custom.New("helpdesk", custom.Funcs{
		AddNote: func(context.Context, psa.TicketRef, psa.Note) (string, error) { return "1", nil },
		CreateTicket: func(context.Context, mspkit.TenantID, psa.NewTicket) (psa.Ticket, error) {
			return psa.Ticket{ID: "1", Title: "another company's", Company: psa.Named{ID: "13"}}, nil
		},
	}, &custom.Options{TicketKey: true})
	require.NoError(t, err)
	got, err := s.CreateTicket(t.Context(), "contoso", psa.NewTicket{Title: "x", CompanyID: "12", Key: "vrf_1"})
	require.ErrorIs(t, err, psa.ErrUnsupported)
	require.Zero(t, got)
	_, err = s.CreateTicket(t.Context(), "contoso", psa.NewTicket{Title: "x", CompanyID: "13", Key: "vrf_1"})
	require.NoError(t, err)
}
