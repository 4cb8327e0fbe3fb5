package verify_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/verify"
	"github.com/mspkit/mspkit/verify/verifytest"
)

// careful does nothing for somebody who has hung up.
type careful struct{ *verifytest.Channel }

func (c careful) Notice(ctx context.Context, n verify.Notice) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return c.Channel.Notice(ctx, n)
}

// talking makes e-mail a channel that takes notices; text messages are none.
func talking(ch *verifytest.Channel) func(*world, *verify.Options) {
	return func(_ *world, o *verify.Options) { o.Channels["email"] = careful{ch} }
}

func (w *world) change() verify.Change {
	return verify.Change{Tenant: tenant, Subject: w.dana(), Kind: verify.NoticeRemoved, By: jane.ID, Technician: jane, Ticket: mspkit.Ticket{System: "psa", ID: "4711"}}
}

func TestAChangeIsStoredAndToldToEveryAddressThatTakesNotices(t *testing.T) {
	t.Parallel()
	ch := &verifytest.Channel{Level: verify.AssuranceEmail}
	w := newWorld(t, talking(ch))
	c := w.change()
	c.Subject.Destinations = append(c.Subject.Destinations,
		verify.Destination{Channel: "email", Address: "second@contoso.example"}, verify.Destination{Channel: "email", Address: "DANA@contoso.example"},
		verify.Destination{Channel: "fax", Address: "1"})
	c.Technician.Name = "Jane\nDoe www.evil.example"
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.NoError(t, w.Tell(ctx, c), "the change is done, whoever hangs up")
	require.Len(t, ch.Notices(), 2)
	to := map[string]verify.Notice{}
	for _, n := range ch.Notices() {
		to[n.To] = n
	}
	require.Len(t, to, 2, "each address once")
	n := to["dana@contoso.example"]
	require.Equal(t, []any{verify.NoticeRemoved, "Dana", "Contoso", "4711", "en", w.clock, "Contoso IT"}, []any{n.Kind, n.Name, n.Company, n.Ticket.ID, n.Locale, n.At, n.Brand.Name})
	require.NotContains(t, n.Technician, "evil.example")
	require.NotEmpty(t, n.Key)
	require.NotEqual(t, n.Key, to["second@contoso.example"].Key)
	require.Equal(t, []verify.EventKind{verify.EventFactorRemoved}, w.kinds(t))
	require.Equal(t, []string{"dana", jane.ID}, []string{w.events[0].Subject, w.events[0].By})
}

func TestANoticeThatFailsIsAnEventALogAndAnErrorWithoutTheAddress(t *testing.T) {
	t.Parallel()
	var log strings.Builder
	ch := &verifytest.Channel{}
	ch.Fail(errors.New("550 no such user dana@contoso.example"))
	w := newWorld(t, talking(ch), func(_ *world, o *verify.Options) { o.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
	err := w.Tell(t.Context(), w.change())
	require.ErrorIs(t, err, verify.ErrDelivery)
	require.Equal(t, []verify.EventKind{verify.EventFactorRemoved, verify.EventNoticeFailed}, w.kinds(t))
	require.Equal(t, "removed: email: the channel could not deliver", w.events[1].Reason)
	require.Contains(t, log.String(), "could not be told")
	require.NotContains(t, err.Error()+log.String()+fmt.Sprint(w.events), "contoso.example")

	// Nobody who could be told is a failure too.
	c := w.change()
	c.Subject.Destinations = c.Subject.Destinations[1:]
	require.ErrorIs(t, w.Tell(t.Context(), c), verify.ErrDelivery)
	c = w.change()
	c.Subject.Destinations[0].Address = " "
	require.ErrorContains(t, w.Tell(t.Context(), c), "email: the address cannot be used")
}

func TestAChangeIsStoredEvenWhereNobodyCanBeTold(t *testing.T) {
	t.Parallel()
	ch := &verifytest.Channel{Level: verify.AssuranceEmail}
	w := newWorld(t, talking(ch))
	w.settings.Brand.Name = "" // settings that somebody broke
	require.Error(t, w.Tell(t.Context(), w.change()))
	require.Empty(t, ch.Notices())
	require.Equal(t, []verify.EventKind{verify.EventFactorRemoved}, w.kinds(t))
}

// late answers when its time is over.
type late struct {
	verifytest.Channel
	mu    sync.Mutex
	alone int
	most  int
}

func (l *late) Notice(ctx context.Context, _ verify.Notice) error {
	l.mu.Lock()
	l.alone++
	l.most = max(l.most, l.alone)
	l.mu.Unlock()
	<-ctx.Done()
	l.mu.Lock()
	l.alone--
	l.mu.Unlock()
	return ctx.Err()
}

func TestNoticesAreSentAtOnceAndEachHasItsTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ch := &late{}
		w := newWorld(t, func(_ *world, o *verify.Options) { o.Channels["email"] = ch })
		c := w.change()
		for i := range 30 {
			c.Subject.Destinations = append(c.Subject.Destinations, verify.Destination{Channel: "email", Address: fmt.Sprintf("a%d@contoso.example", i)})
		}
		began := time.Now()
		require.ErrorIs(t, w.Tell(t.Context(), c), verify.ErrDelivery)
		require.Equal(t, 15*time.Second, time.Since(began), "as long as one delivery may take")
		require.Equal(t, 31, ch.most)
	})
}

func TestOnlyWhatHappensAroundAFactorCanBeNoted(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	require.NoError(t, w.Note(t.Context(), tenant, "dana", verify.EventFactorFailed, verify.ByCaller, "two wrong\nnumbers"))
	require.ErrorIs(t, w.Note(t.Context(), tenant, "dana", verify.EventConfirmed, jane.ID, ""), verify.ErrInvalid, "nobody makes evidence up")
	require.ErrorIs(t, w.Note(t.Context(), "", "", verify.EventFactorLink, "", ""), verify.ErrInvalid)
	require.ErrorIs(t, w.Tell(t.Context(), verify.Change{Tenant: tenant, Subject: w.dana(), Kind: verify.NoticeLink, By: jane.ID}), verify.ErrInvalid)
	require.ErrorIs(t, w.Tell(t.Context(), verify.Change{Tenant: tenant, Kind: verify.NoticeRemoved}), verify.ErrInvalid)
	require.Equal(t, []verify.EventKind{verify.EventFactorFailed}, w.kinds(t))
	require.Equal(t, "two wrong numbers", w.events[0].Reason)
}

func TestAReplyGoesToTheAddressOfTheProofOnly(t *testing.T) {
	t.Parallel()
	ch := &verifytest.Channel{Level: verify.AssuranceEmail}
	w := newWorld(t, talking(ch))
	proven := func(channel string) (verify.Challenge, verify.Expect) {
		r := w.request()
		r.Channel, r.Subject.Locale = channel, "de"
		c, err := w.Start(t.Context(), r)
		require.NoError(t, err)
		w.answer(t, c, c.Number.Reveal())
		c, err = w.Get(t.Context(), c.Ref, jane.ID)
		require.NoError(t, err)
		return c, expect(c)
	}
	c, e := proven("email")
	reply, err := w.RedeemReply(t.Context(), c.Proof, e, "job-1")
	require.NoError(t, err)
	require.Equal(t, []string{"Dana", "Jane Doe", "de", "Ihre Identität bestätigen"}, []string{reply.Name(), reply.Technician(), reply.Locale(), reply.Purpose()})
	require.NoError(t, reply.SendLink(t.Context(), mspkit.Redact("https://help.example/x"), time.Minute))
	n := ch.Notices()[0]
	require.Equal(t, []any{verify.NoticeLink, "dana@contoso.example", "https://help.example/x", time.Minute, "4711"}, []any{n.Kind, n.To, n.Link.Reveal(), n.TTL, n.Ticket.ID})
	require.NotContains(t, fmt.Sprintf("%+v %+v", n, reply), "help.example/x")
	ch.Fail(errors.New("550 dana@contoso.example"))
	err = reply.SendLink(t.Context(), mspkit.Redact("https://help.example/x"), time.Minute)
	require.ErrorIs(t, err, verify.ErrDelivery)
	require.NotContains(t, err.Error(), "contoso.example")
	_, err = w.RedeemReply(t.Context(), c.Proof, e, "job-2")
	require.ErrorIs(t, err, verify.ErrRedeemed)

	c, e = proven("sms") // takes no notices
	_, err = w.RedeemReply(t.Context(), c.Proof, e, "job-3")
	require.ErrorIs(t, err, verify.ErrNoChannel)
	require.NoError(t, w.Redeem(t.Context(), c.Proof, e, "job-4"), "nothing was redeemed")
	e.Technician = "mallory"
	_, err = w.RedeemReply(t.Context(), c.Proof, e, "job-5")
	require.ErrorIs(t, err, verify.ErrProof)
}

func TestTheUseOfARecoveryCodeIsToldToTheAddressesOfTheDay(t *testing.T) {
	t.Parallel()
	ch := &verifytest.Channel{Level: verify.AssuranceEmail}
	w, _ := newAppWorld(t, talking(ch))
	c, err := w.Start(t.Context(), w.byApp())
	require.NoError(t, err)
	require.Equal(t, verify.StateWrong, w.check(t, c, "9999999999").State)
	require.Empty(t, ch.Notices(), "a wrong one is not told")
	spent, err := w.Start(t.Context(), w.byApp())
	require.NoError(t, err)
	for range 5 {
		w.check(t, spent, "9999999999")
	}
	require.Empty(t, ch.Notices(), "nor are five")
	ch.Fail(errors.New("away"))
	res := w.check(t, c, "01234 56789")
	require.Equal(t, verify.StateConfirmed, res.State, "that it cannot be told takes nothing back")
	require.NotEmpty(t, res.Proof.Reveal())
	kinds := w.kinds(t)
	require.Equal(t, []verify.EventKind{verify.EventConfirmed, verify.EventRecoveryUsed, verify.EventNoticeFailed}, kinds[len(kinds)-3:])
	require.Equal(t, "with a recovery code", w.events[len(kinds)-3].Reason)
	require.Equal(t, "app, 3 are left", w.events[len(kinds)-2].Reason)
}
