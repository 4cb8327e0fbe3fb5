package ticketlog_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/psa"
	"github.com/mspkit/mspkit/psa/ticketlog"
	"github.com/mspkit/mspkit/securesend"
	"github.com/mspkit/mspkit/verify"
)

var at = time.Date(2026, 11, 27, 10, 0, 0, 0, time.UTC)

func newLog(t *testing.T, n psa.TicketNoter, set ticketlog.Settings, change func(*ticketlog.Options)) *ticketlog.Log {
	t.Helper()
	o := &ticketlog.Options{
		Settings: func(context.Context, mspkit.TenantID) (ticketlog.Settings, error) { return set, nil },
		People: func(_ context.Context, tenant mspkit.TenantID, id string) (ticketlog.Person, error) {
			if tenant == contoso && id == "dana" {
				return ticketlog.Person{Name: "Dana Whitfield"}, nil
			}
			return ticketlog.Person{}, nil
		},
		Technicians: func(_ context.Context, _ mspkit.TenantID, id string) (string, error) {
			return map[string]string{"jane": "Jane Doe", "sam": "Sam Okafor"}[id], nil
		},
	}
	if change != nil {
		change(o)
	}
	l, err := ticketlog.New(n, o)
	require.NoError(t, err)
	return l
}

func event(kind verify.EventKind, change ...func(*verify.Event)) verify.Event {
	e := verify.Event{
		ID: "event-" + string(kind), Kind: kind, At: at, Tenant: contoso, Challenge: "challenge1", Verifies: verify.KindCaller, Subject: "dana",
		Action: verify.ActionResetPassword, Technician: "jane", Ticket: ticket("4711"), Channel: "sms", Method: verify.MethodNumber,
		Assurance: verify.AssuranceSMS, By: "jane",
	}
	for _, c := range change {
		c(&e)
	}
	return e
}

func sendEvent(kind securesend.EventKind, change ...func(*securesend.Event)) securesend.Event {
	e := securesend.Event{
		ID: "event-" + string(kind), Kind: kind, At: at, Tenant: contoso, Send: "abcdefghijk", What: securesend.KindSend, Sender: "jane",
		Subject: "dana", Ticket: ticket("4711"), Log: securesend.Log{To: "ticket"}, By: "jane", MaxViews: 1,
	}
	for _, c := range change {
		c(&e)
	}
	return e
}

func TestVerifyEventsInWords(t *testing.T) {
	t.Parallel()
	who := func(e *verify.Event) { e.Verifies = verify.KindTechnician }
	caller := func(e *verify.Event) { e.By = verify.ByCaller }
	teams := func(e *verify.Event) { e.Channel = "teams" }
	alone := func(e *verify.Event) {
		*e = verify.Event{ID: e.ID, Kind: e.Kind, At: e.At, Tenant: e.Tenant, Subject: e.Subject, By: "sam"}
	}
	reason := func(s string) func(*verify.Event) { return func(e *verify.Event) { e.Reason = s } }
	for _, tc := range []struct {
		e           verify.Event
		title, text string
	}{
		{event(verify.EventStarted), "Caller verification", "Jane Doe began to verify Dana Whitfield by text message (number) for a password reset."},
		{event(verify.EventStarted, reason("Teams: no app")), "Caller verification", "Jane Doe began to verify Dana Whitfield by text message (number) for a password reset."},
		{event(verify.EventStarted, who, caller), "Technician verification", "Dana Whitfield asked on the public page whether this call is real."},
		{event(verify.EventStarted, who, caller, teams), "Technician verification", "Dana Whitfield asked who is calling."},
		{event(verify.EventMismatch, who, caller), "ALERT: Technician verification", "Other words than Jane Doe was given were typed behind Dana Whitfield's link. Somebody may be posing as the helpdesk, or a mail scanner guessed."},
		{event(verify.EventMismatch, who, teams), "ALERT: Technician verification", "Dana Whitfield typed other words than Jane Doe was given. Somebody may be posing as the helpdesk. Reason: x."},
		{event(verify.EventConfirmed, caller), "Caller verification", "Dana Whitfield is verified for a password reset. Assurance: text message with number match."},
		{event(verify.EventConfirmed, reason("with a recovery code")), "Caller verification", "Dana Whitfield is verified for a password reset, with a recovery code. Assurance: text message with number match."},
		{event(verify.EventConfirmed, caller, reason("a second technician must approve")), "Caller verification", "Dana Whitfield confirmed a password reset. Assurance: text message with number match. But a second technician must approve."},
		{event(verify.EventUndelivered, reason("the number is not in use")), "Caller verification", "The message by text message was not delivered. Reason: the number is not in use."},
		{event(verify.EventFailedOver, teams), "Caller verification", "Teams could not be used, so the next way that the policy allows is taken."},
		{event(verify.EventFailedOver), "Caller verification", "Text message could not be used, so the next way that the policy allows is taken."},
		{event(verify.EventCancelled, reason("hung up")), "Caller verification", "Jane Doe cancelled the verification. Reason: hung up."},
		{event(verify.EventFrozen, alone, reason("call from her")), "ALERT: Verification", "Dana Whitfield is frozen: nobody can be verified as Dana Whitfield. Reason: call from her."},
		{event(verify.EventStarted, func(e *verify.Event) { e.Action = "reveal:0a1b2c3d4e5f" }), "Caller verification", "Jane Doe began to verify Dana Whitfield by text message (number) for opening what was sent."},
		{event(verify.EventStarted, func(e *verify.Event) { e.Subject, e.Technician, e.Action = "omar", "kim", "own-thing" }), "Caller verification", "kim began to verify omar by text message (number) for own-thing."},
		{event(verify.EventLimit, func(e *verify.Event) { e.By, e.Reason = verify.BySystem, verify.LimitBudget }), "ALERT: Caller verification", "A limit was reached for Dana Whitfield: unverified messages of this tenant."},
	} {
		d := newDesk()
		e := tc.e
		if e.Kind == verify.EventMismatch && e.Channel == "teams" {
			e.Reason = "x"
		}
		if e.Ticket.IsZero() {
			e.Ticket = ticket("4711")
		}
		require.NoError(t, newLog(t, d, ticketlog.Settings{}, nil).Verify().Record(t.Context(), e))
		require.Len(t, d.notes, 1, tc.text)
		require.Equal(t, tc.title, d.notes[0].Title)
		require.Equal(t, tc.text, d.notes[0].Text)
		require.Equal(t, psa.Note{Title: tc.title, Text: tc.text, Key: e.ID}, d.notes[0].Note)
		require.Equal(t, psa.TicketRef{Tenant: contoso, Ticket: ticket("4711")}, d.notes[0].ref)
	}
}

func TestSendEventsInWords(t *testing.T) {
	t.Parallel()
	request := func(e *securesend.Event) { e.What = securesend.KindRequest }
	for _, tc := range []struct {
		e    securesend.Event
		text string
	}{
		{sendEvent(securesend.EventCreated), "Send abcdef: Jane Doe has something for Dana Whitfield."},
		{sendEvent(securesend.EventCreated, request), "Request abcdef: Jane Doe asks Dana Whitfield for something in confidence."},
		{sendEvent(securesend.EventSent, func(e *securesend.Event) { e.Reason = "sms" }), "Send abcdef: the link went out by text message."},
		{sendEvent(securesend.EventRefused, func(e *securesend.Event) { e.Reason, e.Refusals = "passphrase", 2 }), "Send abcdef: a wrong passphrase was typed (2 so far)."},
		{sendEvent(securesend.EventRevealed, func(e *securesend.Event) { e.MaxViews, e.Views = 3, 1 }), "Send abcdef: it was revealed, view 1 of 3."},
		{sendEvent(securesend.EventAcknowledged, func(e *securesend.Event) { e.Files, e.State = []int{1, 3}, securesend.StateAcknowledged }), "Send abcdef: it has arrived; not fetched: file 1, 3. It is burnt, nobody can open it again."},
		{sendEvent(securesend.EventRevoked, func(e *securesend.Event) { e.By = "sam" }), "Send abcdef: Sam Okafor took it back. It is destroyed."},
		{sendEvent(securesend.EventRevoked, func(e *securesend.Event) { e.Reason = "sent again" }), "Send abcdef: Jane Doe took it back (sent again). It is destroyed."},
		{sendEvent(securesend.EventRevoked, func(e *securesend.Event) { e.By, e.Reason = securesend.BySystem, "it could not be made" }), "Send abcdef: it was taken back: it could not be made."},
		{sendEvent(securesend.EventUploaded, request, func(e *securesend.Event) { e.By = securesend.ByRecipient }), "Request abcdef: Dana Whitfield has answered. Jane Doe can receive it once."},
	} {
		d := newDesk()
		require.NoError(t, newLog(t, d, ticketlog.Settings{}, nil).SecureSend().Record(t.Context(), tc.e))
		require.Len(t, d.notes, 1, tc.text)
		require.Equal(t, tc.text, d.notes[0].Text)
		require.Equal(t, tc.e.ID, d.notes[0].Key)
	}
}

func TestEveryEventOfASendIsSaid(t *testing.T) {
	t.Parallel()
	for _, kind := range []securesend.EventKind{
		securesend.EventCreated, securesend.EventUploaded, securesend.EventSent, securesend.EventUnsent, securesend.EventOpened, securesend.EventCodeSent,
		securesend.EventRefused, securesend.EventLocked, securesend.EventRenewed, securesend.EventRevealed, securesend.EventAcknowledged,
		securesend.EventLapsed, securesend.EventExpired, securesend.EventRevoked,
	} {
		for _, what := range []securesend.Kind{securesend.KindSend, securesend.KindRequest} {
			d := newDesk()
			require.NoError(t, newLog(t, d, ticketlog.Settings{}, nil).SecureSend().Record(t.Context(), sendEvent(kind, func(e *securesend.Event) {
				e.What, e.Reason, e.Files = what, "sms", []int{1, 3}
			})))
			require.Len(t, d.notes, 1)
			require.Contains(t, d.notes[0].Text, "abcdef: ", "%s of a %s", kind, what)
			require.NotContains(t, d.notes[0].Text, "abcdefg")
			require.NotContains(t, d.notes[0].Text, "{", "%s of a %s", kind, what)
			if kind == securesend.EventLapsed {
				require.Contains(t, d.notes[0].Text, "not fetched: file 1, 3")
			}
		}
	}
}

var verifyKinds = []verify.EventKind{
	verify.EventStarted, verify.EventSent, verify.EventDelivered, verify.EventUndelivered, verify.EventAttempted, verify.EventFailed,
	verify.EventRenewed, verify.EventConfirmed, verify.EventDenied, verify.EventDenialHint, verify.EventSignInRefused, verify.EventMismatch, verify.EventExpired,
	verify.EventCancelled, verify.EventFailedOver, verify.EventApproved, verify.EventRedeemed, verify.EventFrozen, verify.EventUnfrozen,
	verify.EventLocked, verify.EventUnlocked, verify.EventLimit, verify.EventFactorFailed, verify.EventNoticeFailed,
}

// An alert is internal whatever the settings and the send say, and nothing that is public tells a technician's reason.
func TestAlertsAreNeverPublic(t *testing.T) {
	t.Parallel()
	d := newDesk()
	l := newLog(t, d, ticketlog.Settings{Visibility: psa.Public, Detail: ticketlog.Full}, nil)
	for _, kind := range []verify.Kind{verify.KindCaller, verify.KindTechnician} {
		for _, k := range verifyKinds {
			e := event(k, func(e *verify.Event) {
				e.Verifies, e.Reason, e.ID = kind, "she sounded like somebody else", string(k)+string(kind)
			})
			require.NoError(t, l.Verify().Record(t.Context(), e))
		}
	}
	for _, k := range []securesend.EventKind{securesend.EventLocked, securesend.EventCreated, securesend.EventRevealed} {
		require.NoError(t, l.SecureSend().Record(t.Context(), sendEvent(k, func(e *securesend.Event) { e.Log.Public = true })))
	}
	public, alerts := 0, 0
	for _, n := range d.notes {
		if strings.HasPrefix(n.Title, ticketlog.AlertPrefix) {
			alerts++
			require.Equal(t, psa.Internal, n.Visibility, n.Text)
		}
		if n.Visibility != psa.Public {
			continue
		}
		public++
		for _, no := range []string{"posing", "wrong", "sounded", "not me", "locked", "frozen"} {
			require.NotContains(t, n.Text, no)
		}
	}
	require.Equal(t, 11, alerts)
	require.Greater(t, public, 8)

	d = newDesk() // internal unless the settings say otherwise
	require.NoError(t, newLog(t, d, ticketlog.Settings{}, nil).Verify().Record(t.Context(), event(verify.EventConfirmed)))
	require.Equal(t, psa.Internal, d.notes[0].Visibility)
}

func TestDetail(t *testing.T) {
	t.Parallel()
	count := map[ticketlog.Detail]int{}
	for _, detail := range []ticketlog.Detail{ticketlog.Quiet, ticketlog.Usual, ticketlog.Full} {
		d := newDesk()
		l := newLog(t, d, ticketlog.Settings{Detail: detail}, nil)
		for _, k := range verifyKinds {
			require.NoError(t, l.Verify().Record(t.Context(), event(k)))
			if k.Alert() {
				require.Equal(t, "event-"+string(k), d.notes[len(d.notes)-1].Key, "an alert is noted at every detail")
			}
		}
		require.NoError(t, l.SecureSend().Record(t.Context(), sendEvent(securesend.EventOpened)))
		require.NoError(t, l.SecureSend().Record(t.Context(), sendEvent(securesend.EventRevealed)))
		count[detail] = len(d.notes)
	}
	require.Equal(t, len(verifyKinds)-1+2, count[ticketlog.Full], "all but the one that is silent on purpose")
	require.Less(t, count[ticketlog.Quiet], count[ticketlog.Usual])
	require.Less(t, count[ticketlog.Usual], count[ticketlog.Full])
}

func TestWhereANoteGoes(t *testing.T) {
	t.Parallel()
	onContact := psa.TicketRef{Tenant: contoso, Ticket: mspkit.Ticket{System: ticketlog.ContactSystem, ID: "dana"}}
	onNew := psa.TicketRef{Tenant: contoso, Ticket: mspkit.Ticket{System: ticketlog.NewSystem, ID: "c.challenge1.dana"}}
	inTicket := psa.TicketRef{Tenant: contoso, Ticket: ticket("4711")}
	for name, tc := range map[string]struct {
		ticket, open mspkit.Ticket
		place        ticketlog.Place
		want         psa.TicketRef
	}{
		"the event's":        {ticket: ticket("4711"), open: ticket("9"), place: ticketlog.InNewTicket, want: inTicket},
		"the person's":       {open: ticket("4711"), place: ticketlog.OnContact, want: inTicket},
		"nowhere":            {},
		"on the contact":     {place: ticketlog.OnContact, want: onContact},
		"a new one":          {place: ticketlog.InNewTicket, want: onNew},
		"a forged contact":   {ticket: mspkit.Ticket{System: "mspkit-contact", ID: "omar"}, open: ticket("4711"), want: inTicket},
		"a forged new one":   {ticket: mspkit.Ticket{System: "MSPKIT-New", ID: "c.other.omar"}},
		"one that cannot be": {ticket: mspkit.Ticket{System: "halopsa", ID: " x"}, open: ticket("4711"), want: inTicket},
	} {
		d := newDesk()
		l := newLog(t, d, ticketlog.Settings{NoTicket: tc.place}, func(o *ticketlog.Options) {
			o.People = func(context.Context, mspkit.TenantID, string) (ticketlog.Person, error) {
				return ticketlog.Person{Name: "Dana", Ticket: tc.open}, nil
			}
		})
		require.NoError(t, l.Verify().Record(t.Context(), event(verify.EventConfirmed, func(e *verify.Event) { e.Ticket = tc.ticket })), name)
		if tc.want == (psa.TicketRef{}) {
			require.Empty(t, d.notes, name)
			continue
		}
		require.Len(t, d.notes, 1, name)
		require.Equal(t, tc.want, d.notes[0].ref, name)
		require.NoError(t, d.notes[0].ref.Validate(), name)
	}
}

func TestASendSaysWhereItsNotesGo(t *testing.T) {
	t.Parallel()
	for to, want := range map[string]string{"ticket": "halopsa", "": "halopsa", "contact": ticketlog.ContactSystem, "none": ""} {
		for _, public := range []bool{false, true} {
			d := newDesk()
			e := sendEvent(securesend.EventRevealed, func(e *securesend.Event) { e.Log = securesend.Log{To: to, Public: public} })
			require.NoError(t, newLog(t, d, ticketlog.Settings{}, nil).SecureSend().Record(t.Context(), e))
			if want == "" {
				require.Empty(t, d.notes)
				continue
			}
			require.Equal(t, want, d.notes[0].ref.Ticket.System)
			require.Equal(t, public && to != "contact", d.notes[0].Visibility == psa.Public, "%s %v", to, public)
		}
	}
}

func TestWhatIsInNoTicketIsLogged(t *testing.T) {
	t.Parallel()
	var logged bytes.Buffer
	d := newDesk()
	l := newLog(t, d, ticketlog.Settings{}, func(o *ticketlog.Options) { o.Logger = slog.New(slog.NewTextHandler(&logged, nil)) })
	none := func(e *verify.Event) { e.Ticket = mspkit.Ticket{} }
	require.NoError(t, l.Verify().Record(t.Context(), event(verify.EventConfirmed, none)))
	require.Empty(t, logged.String(), "that is what the settings say")
	require.NoError(t, l.Verify().Record(t.Context(), event(verify.EventDenied, none)))
	require.Contains(t, logged.String(), "alert=true")
	require.NoError(t, l.SecureSend().Record(t.Context(), sendEvent(securesend.EventRevealed, func(e *securesend.Event) { e.Log.To, e.Subject = "contact", "" })))
	require.Contains(t, logged.String(), "kind=revealed")

	// What is refused for good must not hold up what follows; what may succeed later must come again.
	logged.Reset()
	d.refuse = &psa.Error{System: "halopsa", Op: "add note", Err: psa.ErrClosed}
	require.NoError(t, l.Verify().Record(t.Context(), event(verify.EventConfirmed)))
	require.Contains(t, logged.String(), "the ticket is closed or merged")
	// Of an error that may say anything only the sentinel is told.
	logged.Reset()
	d.refuse = fmt.Errorf("cannot write %q: %w", "a canary", mspkit.ErrInvalid)
	require.NoError(t, l.Verify().Record(t.Context(), event(verify.EventConfirmed)))
	require.Contains(t, logged.String(), mspkit.ErrInvalid.Error())
	require.NotContains(t, logged.String(), "canary")
	for _, later := range []error{psa.ErrUnavailable, psa.ErrAmbiguousWrite, psa.ErrForbidden, errors.New("anything")} {
		d.refuse = later
		require.ErrorIs(t, l.Verify().Record(t.Context(), event(verify.EventConfirmed)), later)
		require.ErrorIs(t, l.SecureSend().Record(t.Context(), sendEvent(securesend.EventRevealed)), later)
	}
	require.Empty(t, d.notes)
}

func TestWhatCannotBeLookedUpComesAgain(t *testing.T) {
	t.Parallel()
	down := errors.New("down")
	for name, change := range map[string]func(*ticketlog.Options){
		"settings": func(o *ticketlog.Options) {
			o.Settings = func(context.Context, mspkit.TenantID) (ticketlog.Settings, error) { return ticketlog.Settings{}, down }
		},
		"people": func(o *ticketlog.Options) {
			o.People = func(context.Context, mspkit.TenantID, string) (ticketlog.Person, error) {
				return ticketlog.Person{}, down
			}
		},
		"technicians": func(o *ticketlog.Options) {
			o.Technicians = func(context.Context, mspkit.TenantID, string) (string, error) { return "", down }
		},
	} {
		d := newDesk()
		l := newLog(t, d, ticketlog.Settings{}, change)
		require.ErrorIs(t, l.Verify().Record(t.Context(), event(verify.EventConfirmed)), down, name)
		require.ErrorIs(t, l.SecureSend().Record(t.Context(), sendEvent(securesend.EventRevealed)), down, name)
		require.NoError(t, l.Verify().Record(t.Context(), event(verify.EventAttempted)), "nothing is looked up for what is silent")
		require.Empty(t, d.notes)
	}
}

func TestTexts(t *testing.T) {
	t.Parallel()
	d := newDesk()
	l := newLog(t, d, ticketlog.Settings{}, func(o *ticketlog.Options) {
		o.Texts = ticketlog.Texts{
			"caller.confirmed": "{subject} ist bestätigt: {action}.", "title.caller": "Anrufer", "action.own-thing": "Tür öffnen",
			"caller.started": "", "technician.cancelled": "",
		}
	})
	record := func(e verify.Event) { require.NoError(t, l.Verify().Record(t.Context(), e)) }
	record(event(verify.EventConfirmed, func(e *verify.Event) { e.Action = "own-thing" }))
	record(event(verify.EventStarted))
	record(event(verify.EventCancelled, func(e *verify.Event) { e.Verifies = verify.KindTechnician }))
	require.Len(t, d.notes, 1, "the others are silenced")
	require.Equal(t, "Anrufer", d.notes[0].Title)
	require.Equal(t, "Dana Whitfield ist bestätigt: Tür öffnen.", d.notes[0].Text)
}

// queue is what an outbox looks like.
type queue struct{ noter }

func (queue) AddNoteTx(context.Context, *sql.Tx, psa.TicketRef, psa.Note) (string, error) {
	return "", nil
}

func (queue) CanNoteData(context.Context, psa.TicketRef) error { return nil }

func TestNewReportsAllFaultsAtOnce(t *testing.T) {
	t.Parallel()
	_, err := ticketlog.New(nil, &ticketlog.Options{
		Data: queue{},
		Texts: ticketlog.Texts{
			"caller.denied": "", "caller.nothing": "x", "caller.sent": "{technician} {secret}", "title.send": "", "action.": "x", "data": "{subject}",
			"technician.locked": "",
		},
	})
	require.ErrorIs(t, err, mspkit.ErrInvalid)
	for _, want := range []string{
		"a noter is needed", "is an outbox", `"caller.denied" is empty`, `"caller.nothing" belongs to nothing`, "has {secret}", `"title.send" is empty`,
		`"action." belongs`, `"data" has {subject}`, `"technician.locked" is empty`,
	} {
		require.ErrorContains(t, err, want)
	}
	_, err = ticketlog.New(newDesk(), &ticketlog.Options{Data: noter{newDesk()}})
	require.ErrorContains(t, err, "psa.DataNoter")
	_, err = ticketlog.New(newDesk(), nil)
	require.NoError(t, err)
}

func TestContentIsNotedAtOnceOrNotAtAll(t *testing.T) {
	t.Parallel()
	box, direct := newDesk(), newDesk()
	note := securesend.DataNote{
		Tenant: contoso, Ticket: ticket("4711"), Technician: securesend.Technician{ID: "jane", Name: "Jane\u202e Doe"},
		Text: mspkit.Redact("P4ss {technician}\nline 2"), Files: []string{"report.pdf", "a\r\nb.txt"},
	}
	l := newLog(t, box, ticketlog.Settings{Visibility: psa.Public}, func(o *ticketlog.Options) { o.Data = direct })
	s := l.SecureSend()
	require.NoError(t, s.CanNote(t.Context(), contoso, ticket("4711")))
	require.NoError(t, s.NoteData(t.Context(), note))
	require.Empty(t, box.notes, "an outbox keeps nothing of it")
	require.Len(t, direct.notes, 1)
	got := direct.notes[0]
	require.Equal(t, psa.Internal, got.Visibility)
	require.Equal(t, "Jane Doe sent this, and the settings keep it here:\n\nP4ss {technician}\nline 2\n\nFiles, which are not kept: report.pdf, a b.txt.", got.Text)
	require.NotEmpty(t, got.Key)

	for name, ref := range map[string]mspkit.Ticket{
		"none": {}, "contact": {System: ticketlog.ContactSystem, ID: "dana"}, "new": {System: ticketlog.NewSystem, ID: "c.a.b"},
	} {
		require.ErrorIs(t, s.CanNote(t.Context(), contoso, ref), securesend.ErrUnsupported, name)
	}
	direct.mails = true
	require.ErrorIs(t, s.CanNote(t.Context(), contoso, ticket("4711")), securesend.ErrUnsupported)
	require.ErrorIs(t, s.NoteData(t.Context(), note), securesend.ErrUnsupported, "it is asked again")
	without := newLog(t, box, ticketlog.Settings{}, nil).SecureSend()
	require.ErrorIs(t, without.CanNote(t.Context(), contoso, ticket("4711")), securesend.ErrUnsupported)
	require.ErrorIs(t, without.NoteData(t.Context(), note), securesend.ErrUnsupported)

	direct.mails, direct.refuse = false, psa.ErrTooLong
	err := s.NoteData(t.Context(), note)
	require.ErrorIs(t, err, psa.ErrTooLong)
	require.NotContains(t, err.Error(), "P4ss")
	require.Len(t, direct.notes, 1)
	require.Empty(t, box.notes)
}
