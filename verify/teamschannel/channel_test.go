package teamschannel_test

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/teamsapp"
	"github.com/mspkit/mspkit/verify"
	"github.com/mspkit/mspkit/verify/memstore"
	"github.com/mspkit/mspkit/verify/teamschannel"
)

// fake is a bot that keeps cards, and fails when told.
type fake struct {
	mu               sync.Mutex
	cards            map[string]*teamsapp.Card // as they stand, by message
	painted          []*teamsapp.Card
	failing, refuses error // of Notify, of Update
	handlers         map[string]teamsapp.Handler
}

func newFake() *fake {
	return &fake{cards: map[string]*teamsapp.Card{}, handlers: map[string]teamsapp.Handler{}}
}

func (f *fake) Handle(verb string, h teamsapp.Handler)  { f.handlers[verb] = h }
func (f *fake) Command(word string, h teamsapp.Handler) { f.handlers["/"+word] = h }

func (f *fake) Tenant(ctx context.Context, u teamsapp.User) (mspkit.TenantID, error) {
	return tenants(ctx, u.TenantID)
}

func (f *fake) Notify(_ context.Context, n teamsapp.Notification) (teamsapp.Receipt, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.failing != nil {
		return teamsapp.Receipt{}, f.failing
	}
	if err := n.Card.Validate(); err != nil {
		return teamsapp.Receipt{}, err
	}
	id := strconv.Itoa(len(f.painted))
	f.cards[id], f.painted = n.Card, append(f.painted, n.Card)
	return teamsapp.Receipt{Message: teamsapp.MessageRef{User: n.To, Conversation: "a:1", Activity: id}}, nil
}

func (f *fake) Update(_ context.Context, ref teamsapp.MessageRef, m teamsapp.Message) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.refuses != nil {
		return f.refuses
	}
	if err := m.Card.Validate(); err != nil {
		return err
	}
	f.cards[ref.Activity], f.painted = m.Card, append(f.painted, m.Card)
	return nil
}

func channel(t require.TestingT, f *fake) *teamschannel.Channel {
	c, err := teamschannel.New(f, &teamschannel.Options{Now: func() time.Time { return time.Date(2026, 11, 22, 14, 5, 0, 0, time.UTC) }})
	require.NoError(t, err)
	return c
}

func delivery(k verify.Kind, m verify.Method) verify.Delivery {
	return verify.Delivery{
		Ref: verify.Ref{Tenant: "contoso", ID: "c1"}, Kind: k, Method: m, Key: "delivery-key", To: contosoTID + "/" + danaOID,
		Brand: mspkit.Brand{Name: "Northwind IT"}, Locale: "en", Name: "Dana Ruiz", Company: "Contoso", Technician: "Jane Doe",
		Ticket: mspkit.Ticket{System: "psa", ID: "4711"}, Purpose: "reset your password", Code: mspkit.Redact("804215"),
		InCall: true, CallBegan: time.Date(2026, 11, 22, 14, 2, 0, 0, time.UTC), CallBy: verify.SideContact, TTL: 5 * time.Minute,
	}
}

func TestEachFailureHasAReasonToActOn(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		err       error
		reason    string
		permanent bool
	}{
		{teamsapp.ErrNotInstalled, "the app is not installed in Teams for this person", true},
		{teamsapp.ErrBlockedByUser, "the person has blocked the bot in Teams", true},
		{teamsapp.ErrBlockedByAdmin, "administrator has blocked the app", true},
		{teamsapp.ErrUnknownTenant, "this person's Microsoft 365 tenant does not belong to this client", true},
		{teamsapp.ErrCredentials, "refused the bot's credentials", true},
		{teamsapp.ErrServiceURL, "not one of Microsoft's", true},
		{teamsapp.ErrCloud, "another Microsoft cloud or tenant", true},
		{teamsapp.ErrTooLarge, "larger than Teams takes", true},
		{teamsapp.ErrRefused, "Teams refused the card", true},
		{mspkit.ErrInvalid, "no card can be written", true},
		{teamsapp.ErrConversationGone, "the chat with this person is gone", false},
		{teamsapp.ErrThrottled, "takes no more messages right now", false},
		{teamsapp.ErrProtocol, "it is not known whether the card arrived", false},
		{teamsapp.ErrUnavailable, "it is not known whether the card arrived", false},
		{context.DeadlineExceeded, "it is not known whether the card arrived", false},
		{errors.Join(teamsapp.ErrUnavailable, context.DeadlineExceeded), "did not answer in time", false},
		{context.Canceled, "cancelled", false},
		{errors.New("10.0.0.7: dana@contoso.example"), "the card could not be sent", false},
	} {
		t.Run(tc.err.Error(), func(t *testing.T) {
			t.Parallel()
			f := newFake()
			f.failing = fmt.Errorf("teamsapp: send: Dana Ruiz: %w", tc.err)
			_, err := channel(t, f).Deliver(t.Context(), delivery(verify.KindCaller, verify.MethodNumber))
			var de *verify.DeliveryError
			require.ErrorAs(t, err, &de)
			require.ErrorIs(t, err, tc.err)
			require.Contains(t, de.Reason, tc.reason)
			require.Equal(t, tc.permanent, de.Permanent)
			require.NotContains(t, de.Reason, "ana")
		})
	}
}

func TestFailuresOnTheWireBecomeReasonsAndTheChallengeStands(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		fail   func(w *world)
		reason string
	}{
		"uninstalled":       {func(w *world) { w.dana.UninstallSilently() }, "not installed"},
		"blocked":           {func(w *world) { w.dana.Block() }, "the person has blocked"},
		"disabled by admin": {func(w *world) { w.teams.DisableByAdmin(contosoTID) }, "administrator has blocked"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, nil)
			tc.fail(w)
			c, err := w.Start(t.Context(), request(verify.MethodNumber))
			require.ErrorIs(t, err, verify.ErrDelivery)
			require.ErrorContains(t, err, tc.reason)
			require.Equal(t, verify.DeliveryFailed, c.Delivery)
		})
	}
}

func TestNothingGoesToAPersonOfAnotherClient(t *testing.T) {
	t.Parallel()
	for name, tid := range map[string]string{"another client's": fabrikamTID, "nobody's": strangeTID} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFake()
			d := delivery(verify.KindCaller, verify.MethodCode)
			d.To = tid + "/" + danaOID
			_, err := channel(t, f).Deliver(t.Context(), d)
			var de *verify.DeliveryError
			require.ErrorAs(t, err, &de)
			require.True(t, de.Permanent)
			require.Equal(t, "this person's Microsoft 365 tenant does not belong to this client", de.Reason)
			require.Empty(t, f.painted)
		})
	}
}

func TestWhatCannotBeWrittenIsNotSent(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*verify.Delivery){
		"an address that is no person":  func(d *verify.Delivery) { d.To = "dana@contoso.example" },
		"a brand without a name":        func(d *verify.Delivery) { d.Brand.Name = "\u200b" },
		"a method that nobody knows":    func(d *verify.Delivery) { d.Method = "sign-in" },
		"a technician checked by code":  func(d *verify.Delivery) { d.Kind, d.Method = verify.KindTechnician, verify.MethodCode },
		"a code card without the code":  func(d *verify.Delivery) { d.Method, d.Code = verify.MethodCode, mspkit.Redact("") },
		"a person without an object id": func(d *verify.Delivery) { d.To = contosoTID },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFake()
			d := delivery(verify.KindCaller, verify.MethodNumber)
			change(&d)
			_, err := channel(t, f).Deliver(t.Context(), d)
			var de *verify.DeliveryError
			require.ErrorAs(t, err, &de)
			require.True(t, de.Permanent)
			require.Empty(t, f.painted)
		})
	}
}

func TestSettleOfWhatIsGoneIsNoErrorAndOtherFailuresAre(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		err error
		ok  bool
	}{
		{teamsapp.ErrConversationGone, true},
		{teamsapp.ErrNotInstalled, true},
		{teamsapp.ErrBlockedByUser, true},
		{teamsapp.ErrBlockedByAdmin, true},
		{teamsapp.ErrThrottled, false},
		{teamsapp.ErrUnavailable, false},
		{teamsapp.ErrCredentials, false},
	} {
		f := newFake()
		ch := channel(t, f)
		r, err := ch.Deliver(t.Context(), delivery(verify.KindCaller, verify.MethodNumber))
		require.NoError(t, err)
		f.refuses = fmt.Errorf("teamsapp: %w", tc.err)
		err = ch.Settle(t.Context(), r, verify.View{Ref: delivery(verify.KindCaller, verify.MethodNumber).Ref, Brand: mspkit.Brand{Name: "Northwind IT"}, Kind: verify.KindCaller, Method: verify.MethodNumber, State: verify.StateExpired})
		if tc.ok {
			require.NoError(t, err)
		} else {
			require.ErrorIs(t, err, tc.err)
		}
	}
	err := channel(t, newFake()).Settle(t.Context(), verify.Receipt{ID: "SM123"}, verify.View{Kind: verify.KindCaller, Method: verify.MethodNumber, State: verify.StateExpired})
	require.ErrorIs(t, err, mspkit.ErrInvalid)
}

func TestNothingIsPaintedIntoAChatOfAnotherClient(t *testing.T) {
	t.Parallel()
	f := newFake()
	ch := channel(t, f)
	d := delivery(verify.KindCaller, verify.MethodNumber)
	r, err := ch.Deliver(t.Context(), d)
	require.NoError(t, err)
	v := pendingView(verify.KindCaller, verify.MethodNumber)
	v.State = verify.StateDenied
	require.NoError(t, ch.Settle(t.Context(), r, v))
	painted := len(f.painted)
	require.Positive(t, painted)
	v.Ref.Tenant = "fabrikam"
	require.ErrorIs(t, ch.Settle(t.Context(), r, v), mspkit.ErrInvalid, "a receipt that was written into another client's record")
	require.Len(t, f.painted, painted)
}

func TestSettleLeavesAPendingCodeAlone(t *testing.T) {
	t.Parallel()
	f := newFake()
	ch := channel(t, f)
	r, err := ch.Deliver(t.Context(), delivery(verify.KindCaller, verify.MethodCode))
	require.NoError(t, err)
	f.refuses = errors.New("must not be painted")
	require.NoError(t, ch.Settle(t.Context(), r, pendingView(verify.KindCaller, verify.MethodCode)))
}

func TestCanonical(t *testing.T) {
	t.Parallel()
	ch := channel(t, newFake())
	require.True(t, ch.Authenticates())
	got, err := ch.Canonical(strings.ToUpper(contosoTID + "/" + danaOID))
	require.NoError(t, err)
	require.Equal(t, contosoTID+"/"+danaOID, got)
	for _, bad := range []string{"", danaOID, contosoTID + "/", "/" + danaOID, contosoTID + "/" + danaOID + "/x", contosoTID + " " + danaOID, "{" + contosoTID + "}/" + danaOID, "dana@contoso.example"} {
		got, err := ch.Canonical(bad)
		require.ErrorIs(t, err, mspkit.ErrInvalid)
		require.Empty(t, got)
		require.NotContains(t, err.Error(), "dana@")
		require.NotContains(t, err.Error(), danaOID)
	}
}

var everyState = []verify.State{
	verify.StatePending, verify.StateConfirmed, verify.StateDenied, verify.StateFailed, verify.StateExpired, verify.StateCancelled,
	verify.StateFrozen, verify.StateLocked, "a state to come",
}

// paintings returns the cards of a delivery and of everything that may become of it.
func paintings(t require.TestingT, d verify.Delivery) []*teamsapp.Card {
	f := newFake()
	ch := channel(t, f)
	r, err := ch.Deliver(context.Background(), d)
	require.NoError(t, err)
	v := verify.View{
		Ref: d.Ref, Kind: d.Kind, Method: d.Method, Brand: d.Brand, Locale: d.Locale, Name: d.Name, Company: d.Company,
		Technician: d.Technician, Ticket: d.Ticket, Purpose: d.Purpose, CreatedAt: time.Unix(1_800_000_000, 0),
		ExpiresAt: time.Unix(1_800_000_300, 0), InCall: d.InCall, CallBegan: d.CallBegan, CallBy: d.CallBy,
	}
	for _, v.State = range everyState {
		for _, v.Hinted = range []bool{false, true} {
			for v.TriesLeft = range 3 {
				require.NoError(t, ch.Settle(context.Background(), r, v))
			}
		}
	}
	d.Replaces = r
	_, err = ch.Deliver(context.Background(), d)
	require.NoError(t, err)
	return f.painted
}

func TestLongAndHostileNamesFitOnEveryCard(t *testing.T) {
	t.Parallel()
	for _, name := range []string{
		strings.Repeat("Dana ", 2000), strings.Repeat("<&>\"\\", 400), strings.Repeat("💥", 3000),
		"[click](https://evil.example) {{DATE(2026-01-01T00:00:00Z)}} {brand} <at>x</at>", "\u202eanaD", "a\nb\r\nc",
	} {
		for _, locale := range []string{"en", "de"} {
			for _, kind := range []verify.Kind{verify.KindCaller, verify.KindTechnician} {
				d := delivery(kind, verify.MethodNumber)
				if kind == verify.KindTechnician {
					d.Method = verify.MethodWord
				}
				d.Locale, d.Name, d.Company, d.Technician, d.Purpose = locale, name, name, name, name
				d.Ticket.ID, d.Brand.Name, d.Brand.Phone = name, name, name
				for _, card := range paintings(t, d) {
					require.NoError(t, card.Validate())
					require.Less(t, card.Size(), 16<<10, "half of what Teams takes")
				}
			}
		}
	}
}

// withoutSecrets is a card without its secrets.
func withoutSecrets(c *teamsapp.Card) *teamsapp.Card {
	out := *c
	out.Body = nil
	for _, e := range c.Body {
		if _, secret := e.(teamsapp.Secret); !secret {
			out.Body = append(out.Body, e)
		}
	}
	return &out
}

func TestNoCardHoldsANumberWordOrCodeOutsideItsSecret(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		f := newFake()
		ring, err := mspkit.NewKeyRing(mspkit.NewKey("k1"))
		require.NoError(t, err)
		svc, err := verify.New(memstore.New(), ring, base, verify.Same(verify.Settings{
			Brand:  mspkit.Brand{Name: "Northwind IT"},
			Limits: verify.Limits{Cooldown: -1, PerDestination: -1, PerSubject: -1, CodeDigits: rapid.IntRange(6, 8).Draw(t, "digits")},
		}), &verify.Options{Channels: map[string]verify.Channel{"teams": channel(t, f)}})
		require.NoError(t, err)
		require.NoError(t, teamschannel.Register(f, svc, nil))
		locale := rapid.SampledFrom([]string{"", "en", "de", "de-AT", "fr"}).Draw(t, "locale")
		q := request(rapid.SampledFrom([]verify.Method{verify.MethodNumber, verify.MethodCode}).Draw(t, "method"))
		q.Subject.Locale, q.Action = locale, verify.ActionUnlock
		var c verify.Challenge
		if rapid.Bool().Draw(t, "the technician is verified") {
			c, err = svc.StartTechnician(context.Background(), verify.TechnicianRequest{
				Tenant: "contoso", Subject: q.Subject, By: "jane",
				Call: &verify.Call{Technician: q.Technician, Ticket: q.Ticket, Began: time.Now(), By: verify.SideContact},
			})
		} else {
			c, err = svc.Start(context.Background(), q)
		}
		require.NoError(t, err)
		require.Len(t, f.painted, 1)
		hidden := []string{c.Number.Reveal(), c.Word.Reveal()}
		for _, e := range f.painted[0].Body {
			if s, ok := e.(teamsapp.Secret); ok {
				hidden = append(hidden, s.Value.Reveal())
			}
		}
		user, err := teamsapp.ParseUser(q.Subject.Destinations[0].Address)
		require.NoError(t, err)
		for _, typed := range []string{"12", "999", "other words", c.Number.Reveal(), c.Word.Reveal()} {
			reply, err := f.handlers["verify.answer"](context.Background(), teamsapp.Turn{
				Tenant: "contoso", User: user, Data: map[string]any{"id": c.Ref.ID, "answer": typed},
			})
			require.NoError(t, err)
			if reply.Card != nil {
				require.NoError(t, reply.Card.Validate())
				f.painted = append(f.painted, reply.Card)
			}
		}
		require.NoError(t, svc.RunOnce(context.Background()))
		for _, card := range f.painted {
			raw, err := withoutSecrets(card).JSON()
			require.NoError(t, err)
			for _, h := range hidden {
				if h == "" {
					continue
				}
				digits := regexp.MustCompile(`\b` + regexp.QuoteMeta(h) + `\b`)
				require.NotRegexp(t, digits, string(raw))
				require.NotRegexp(t, digits, card.Text())
				require.NotRegexp(t, digits, card.Summary)
			}
		}
	})
}
