package securesend_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/securesend"
	"github.com/stretchr/testify/require"
)

var t0 = time.Date(2026, 3, 4, 5, 6, 7, 8000, time.UTC)

const (
	us    = time.Microsecond
	lease = securesend.Lease
	swept = securesend.Lease + securesend.LeaseMargin
)

// a makes a MAC or hash that can be told from others.
func a(s string) []byte { return []byte(s) }

// of are the MACs of an answer under two keys.
func of(s string) securesend.MACs { return securesend.MACs{"old": a("old " + s), "k": a(s)} }

// ready returns a send with a number, changed by f.
func ready(f ...func(r *securesend.Record)) *securesend.Record {
	r := &securesend.Record{
		Ref: securesend.Ref{Tenant: "contoso", ID: "id"}, Version: 1, Kind: securesend.KindSend, State: securesend.StateReady,
		Gate: securesend.GateNumber, KeyID: "k", NumberMAC: a("123"), MaxTries: 2, MaxPassTries: 3, MaxViews: 1,
		Upload: a("upload"), Auth: a("auth"), Header: a("header"), Half: a("half"), HalfKey: "k", Sealed: a("sealed"), Inline: a("inline"),
		Sizes: []int64{1, 2<<20 + 1}, CreatedAt: t0, ReadyAt: t0, Expiry: t0.Add(time.Hour), ExpiresAt: t0.Add(time.Hour),
	}
	for _, f := range f {
		f(r)
	}
	return r
}

// draft returns a send that is being uploaded.
func draft(f ...func(r *securesend.Record)) *securesend.Record {
	return ready(append([]func(r *securesend.Record){func(r *securesend.Record) {
		r.State, r.ReadyAt, r.Auth, r.Header, r.Half, r.HalfKey, r.Inline, r.Sizes = securesend.StateDraft, time.Time{}, nil, nil, nil, "", nil, nil
	}}, f...)...)
}

// request returns one that waits for an answer.
func request(f ...func(r *securesend.Record)) *securesend.Record {
	return draft(append([]func(r *securesend.Record){func(r *securesend.Record) {
		r.Kind, r.Upload, r.Auth, r.Half, r.HalfKey = securesend.KindRequest, nil, a("auth"), a("half"), "k"
	}}, f...)...)
}

// opening returns a send that the claim "mine" opened at t0.
func opening(f ...func(r *securesend.Record)) *securesend.Record {
	return ready(append([]func(r *securesend.Record){func(r *securesend.Record) {
		r.State, r.Claim, r.LeaseUntil, r.Views, r.Version, r.RevealedAt, r.Fetched = securesend.StateOpening, a("mine"), t0.Add(lease), 1, 2, t0, make([]int64, 2)
	}}, f...)...)
}

// ended returns one that was revoked.
func ended() *securesend.Record {
	r := opening()
	_, err := r.Revoke(securesend.Stamp{}, t0)
	if err != nil {
		panic(err)
	}
	return r
}

func twice(r *securesend.Record) { r.MaxViews = 2 }

func kinds(stamps []securesend.Stamp) string {
	var out []string
	for _, s := range stamps {
		kind := string(s.Kind)
		if s.Kind == securesend.EventRefused || s.Kind == securesend.EventLocked {
			kind += ":" + s.Reason
		}
		out = append(out, kind)
	}
	return strings.Join(out, " ")
}

func take(claim, number string) securesend.Take {
	t := securesend.Take{Claim: a(claim), Auth: a("auth"), Stamp: securesend.Stamp{ID: "e", By: securesend.ByRecipient}}
	if number != "" {
		t.Number = of(number)
	}
	return t
}

func TestEffective(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		r    *securesend.Record
		at   time.Duration
		want securesend.State
	}{
		{"ready until its expiry", ready(), time.Hour - us, securesend.StateReady},
		{"expired at it", ready(), time.Hour, securesend.StateExpired},
		{"a draft expires as well", draft(), time.Hour, securesend.StateExpired},
		{"a request too", request(), time.Hour, securesend.StateExpired},
		{"opening until the lease ends", opening(), lease - us, securesend.StateOpening},
		{"lapsed then", opening(), lease, securesend.StateLapsed},
		{"with views left it is left alone within the margin", opening(twice), lease, securesend.StateOpening},
		{"to its end", opening(twice), swept - us, securesend.StateOpening},
		{"and ready then", opening(twice), swept, securesend.StateReady},
		{"lapsed, not expired, where it was handed out", opening(twice), time.Hour, securesend.StateLapsed},
		{"a lease lasts beyond an expiry that was brought forward", opening(twice, func(r *securesend.Record) { r.ExpiresAt = t0 }), lease - us, securesend.StateOpening},
		{"an end is an end", ended(), 100 * time.Hour, securesend.StateRevoked},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, tt.want, tt.r.Effective(t0.Add(tt.at)))
		})
	}
}

func TestTake(t *testing.T) {
	t.Parallel()
	code := func(r *securesend.Record) { r.Gate, r.CodeUntil = securesend.GateCode, t0.Add(time.Minute) }
	gate := func(g securesend.Gate) func(r *securesend.Record) {
		return func(r *securesend.Record) { r.Gate = g }
	}
	pass := func(r *securesend.Record) { r.PassKeyID, r.PassMAC = "k", a("pass") }
	with := func(t securesend.Take, f func(t *securesend.Take)) securesend.Take { f(&t); return t }
	given := func(p string) func(t *securesend.Take) { return func(t *securesend.Take) { t.Pass = of(p) } }
	tries := func(n int) func(r *securesend.Record) { return func(r *securesend.Record) { r.Tries = n } }
	for _, tt := range []struct {
		name   string
		r      *securesend.Record
		take   securesend.Take
		at     time.Duration
		err    error
		events string
		// tries, pass, views are what has been counted then.
		tries, pass, views int
	}{
		{name: "the right number", r: ready(), take: take("mine", "123"), events: "revealed", views: 1},
		{name: "a moment before the expiry", r: ready(), take: take("mine", "123"), at: time.Hour - us, events: "revealed", views: 1},
		{name: "at the expiry", r: ready(), take: take("mine", "123"), at: time.Hour, err: securesend.ErrEnded},
		{name: "a draft", r: draft(), take: take("mine", "123"), err: securesend.ErrDraft},
		{name: "a request that nobody answered", r: request(), take: take("mine", "123"), err: securesend.ErrDraft},
		{name: "a wrong auth", r: ready(), take: with(take("mine", "999"), func(t *securesend.Take) { t.Auth = a("authx") }), err: securesend.ErrAuth},
		{name: "no auth", r: ready(), take: with(take("mine", "999"), func(t *securesend.Take) { t.Auth = nil }), err: securesend.ErrAuth},
		{name: "a wrong auth after the end", r: ended(), take: with(take("mine", "1"), func(t *securesend.Take) { t.Auth = nil }), err: securesend.ErrAuth},
		{name: "after the end", r: ended(), take: take("mine", "123"), err: securesend.ErrEnded, views: 1},

		{name: "no number", r: ready(), take: take("mine", ""), err: securesend.ErrNumber},
		{name: "a wrong number", r: ready(), take: take("mine", "999"), err: securesend.ErrNumber, events: "refused:number", tries: 1},
		{name: "the last wrong number", r: ready(tries(1)), take: take("mine", "999"), err: securesend.ErrLocked, events: "refused:number locked:number", tries: 2},
		{name: "the right number when locked", r: ready(tries(2)), take: take("mine", "123"), err: securesend.ErrLocked, tries: 2},
		{name: "no number when locked", r: ready(tries(2)), take: take("mine", ""), err: securesend.ErrLocked, tries: 2},
		{name: "the number of another key", r: ready(func(r *securesend.Record) { r.KeyID = "old" }), take: take("mine", "123"), err: securesend.ErrNumber, events: "refused:number", tries: 1},
		{name: "no number is stored", r: ready(func(r *securesend.Record) { r.NumberMAC = nil }), take: with(take("mine", ""), func(t *securesend.Take) { t.Number = securesend.MACs{"k": nil} }), err: securesend.ErrNumber, events: "refused:number", tries: 1},

		{name: "a code in time", r: ready(code), take: take("mine", "123"), at: time.Minute - us, events: "revealed", views: 1},
		{name: "a code too late is no guess", r: ready(code), take: take("mine", "999"), at: time.Minute, err: securesend.ErrNumber},
		{name: "a code before one was sent is no guess", r: ready(gate(securesend.GateCode)), take: take("mine", "999"), err: securesend.ErrNumber},
		{name: "a wrong code", r: ready(code), take: take("mine", "999"), err: securesend.ErrNumber, events: "refused:code", tries: 1},
		{name: "a late code when locked", r: ready(code, tries(2)), take: take("mine", "123"), at: time.Minute, err: securesend.ErrLocked, tries: 2},

		{name: "no gate", r: ready(gate(securesend.GateNone)), take: take("mine", ""), events: "revealed", views: 1},
		{name: "not let through", r: ready(gate(securesend.GateProof)), take: take("mine", "123"), err: securesend.ErrGate},
		{name: "let through", r: ready(gate(securesend.GateProof)), take: with(take("mine", ""), func(t *securesend.Take) { t.Allowed = true }), events: "revealed", views: 1},
		{name: "a request asks its reader for no number", r: ready(func(r *securesend.Record) { r.Kind = securesend.KindRequest }), take: take("mine", ""), events: "revealed", views: 1},

		{name: "the right passphrase", r: ready(pass), take: with(take("mine", "123"), given("pass")), events: "revealed", views: 1},
		{name: "no passphrase", r: ready(pass), take: take("mine", "123"), err: securesend.ErrPassphrase},
		{name: "a wrong passphrase", r: ready(pass), take: with(take("mine", "123"), given("x")), err: securesend.ErrPassphrase, events: "refused:passphrase", pass: 1},
		{name: "both wrong: the number comes first", r: ready(pass), take: with(take("mine", "999"), given("x")), err: securesend.ErrNumber, events: "refused:number", tries: 1},
		{name: "the last wrong passphrase", r: ready(pass, func(r *securesend.Record) { r.PassTries = 2 }), take: with(take("mine", "123"), given("x")), err: securesend.ErrLocked, events: "refused:passphrase locked:passphrase", pass: 3},
		{name: "the right passphrase when locked", r: ready(pass, func(r *securesend.Record) { r.PassTries = 3 }), take: with(take("mine", "123"), given("pass")), err: securesend.ErrLocked, pass: 3},

		{name: "again", r: opening(), take: take("mine", ""), at: lease - us, views: 1},
		{name: "again with a wrong number", r: opening(), take: take("mine", "999"), views: 1},
		{name: "again when locked in between", r: opening(tries(2)), take: take("mine", ""), tries: 2, views: 1},
		{name: "again without the passphrase", r: opening(pass), take: take("mine", ""), err: securesend.ErrPassphrase, views: 1},
		{name: "again with a wrong passphrase", r: opening(pass), take: with(take("mine", ""), given("x")), err: securesend.ErrPassphrase, events: "refused:passphrase", pass: 1, views: 1},
		{name: "another claim", r: opening(), take: take("other", "123"), err: securesend.ErrOpening, views: 1},
		{name: "another claim's wrong number is not counted", r: opening(), take: take("other", "999"), err: securesend.ErrOpening, views: 1},
		{name: "an empty claim", r: opening(func(r *securesend.Record) { r.Claim = nil }), take: with(take("", "123"), func(t *securesend.Take) { t.Claim = nil }), err: securesend.ErrOpening, views: 1},
		{name: "again after the lease", r: opening(), take: take("mine", "123"), at: lease, err: securesend.ErrEnded, views: 1},
		{name: "again after the lease with views left", r: opening(twice), take: take("mine", "123"), at: lease, err: securesend.ErrOpening, views: 1},
		{name: "another claim within the margin", r: opening(twice), take: take("other", "123"), at: swept - us, err: securesend.ErrOpening, views: 1},
		{name: "another claim after it", r: opening(twice), take: take("other", "123"), at: swept, events: "lapsed revealed", views: 2},
		{name: "the same claim after it", r: opening(twice), take: take("mine", "123"), at: swept, events: "lapsed revealed", views: 2},
		{name: "the same claim after it needs a number", r: opening(twice), take: take("mine", ""), at: swept, err: securesend.ErrNumber, views: 1},
		{name: "with views left after the expiry", r: opening(twice), take: take("other", "123"), at: time.Hour, err: securesend.ErrEnded, views: 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r, before := tt.r.Clone(), tt.r.Clone()
			now := t0.Add(tt.at)
			stamps, changed, err := r.Take(tt.take, now)
			require.ErrorIs(t, err, tt.err)
			require.Equal(t, tt.events, kinds(stamps))
			require.Equal(t, []int{tt.tries, tt.pass}, []int{r.Tries, r.PassTries})
			require.Equal(t, before.Refusals+r.Tries-before.Tries+r.PassTries-before.PassTries, r.Refusals)
			if tt.views > 0 {
				require.Equal(t, tt.views, r.Views)
			}
			if !changed {
				require.Empty(t, stamps)
				require.Equal(t, before, r, "not said to be changed")
			}
			if err != nil {
				before.Tries, before.PassTries, before.Refusals = r.Tries, r.PassTries, r.Refusals
				require.Equal(t, before, r, "an error changes what it counts and nothing else")
				return
			}
			require.True(t, changed)
			require.Equal(t, securesend.StateOpening, r.State)
			require.Equal(t, tt.take.Claim, r.Claim)
			require.Equal(t, []byte("half"), r.Half)
			if until := now.Add(lease); until.Before(r.ExpiresAt) {
				require.Equal(t, until, r.LeaseUntil)
			} else {
				require.Equal(t, r.ExpiresAt, r.LeaseUntil)
			}
		})
	}
}

func TestTakeRefusesAnotherRegionBeforeAnythingIsCounted(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		r       *securesend.Record
		regions []string
		claim   string
		number  string
		want    error
	}{
		{"one of several", ready(), []string{"UK South", "Europe"}, "mine", "123", nil},
		{"none given means all", ready(), []string{}, "mine", "123", nil},
		{"another, with a wrong number", ready(), []string{"UK South"}, "mine", "999", securesend.ErrRegion},
		{"a repeat", opening(), []string{"UK South"}, "mine", "", securesend.ErrRegion},
		{"while another holds it", opening(), []string{"UK South"}, "other", "123", securesend.ErrOpening},
		{"a draft", draft(), []string{"UK South"}, "mine", "123", securesend.ErrDraft},
		{"after the end", ended(), []string{"UK South"}, "mine", "123", securesend.ErrEnded},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tt.r.Region = "Europe"
			before := tt.r.Clone()
			ask := take(tt.claim, tt.number)
			ask.Regions = tt.regions
			stamps, changed, err := tt.r.Take(ask, t0.Add(time.Second))
			require.ErrorIs(t, err, tt.want)
			if tt.want != nil {
				require.False(t, changed)
				require.Empty(t, stamps)
				require.Equal(t, before, *tt.r)
			}
		})
	}
}

func TestTakeShortensTheLife(t *testing.T) {
	t.Parallel()
	r := ready(func(r *securesend.Record) { r.MaxViews, r.AfterView = 3, 10*time.Minute })
	at := t0.Add(time.Minute)
	_, _, err := r.Take(take("one", "123"), at)
	require.NoError(t, err)
	require.Equal(t, at.Add(10*time.Minute), r.ExpiresAt)
	require.Equal(t, t0.Add(time.Hour), r.Expiry, "what is bound into the envelope stays")
	_, err = r.Ack(a("one"), a("auth"), securesend.Stamp{}, at)
	require.NoError(t, err)
	_, _, err = r.Take(take("two", "123"), at.Add(time.Minute))
	require.NoError(t, err)
	require.Equal(t, at.Add(10*time.Minute), r.ExpiresAt, "the first view alone counts")
	require.Equal(t, at, r.RevealedAt)

	late := ready(func(r *securesend.Record) { r.AfterView = 10 * time.Minute })
	_, _, err = late.Take(take("one", "123"), t0.Add(55*time.Minute))
	require.NoError(t, err)
	require.Equal(t, late.Expiry, late.ExpiresAt, "it is not made longer")
}

func TestACodeOpensOneView(t *testing.T) {
	t.Parallel()
	r := ready(func(r *securesend.Record) {
		r.Gate, r.MaxTries, r.MaxViews = securesend.GateCode, 5, 3
		r.CodeUntil, r.CodeSentAt, r.CodeSends = t0.Add(5*time.Minute), t0, 3
	})
	at := t0.Add(time.Minute)
	_, _, err := r.Take(take("one", "123"), at)
	require.NoError(t, err)
	_, _, err = r.Take(take("one", ""), at)
	require.NoError(t, err, "who has the lease repeats without it")
	_, err = r.Ack(a("one"), a("auth"), securesend.Stamp{}, at)
	require.NoError(t, err)
	for _, claim := range []string{"two", "one"} {
		stamps, changed, err := r.Take(take(claim, "123"), at)
		require.ErrorIs(t, err, securesend.ErrNumber, claim)
		require.False(t, changed, "that is no guess")
		require.Empty(t, stamps)
	}
	_, err = r.SendCode(securesend.Code{Auth: a("auth"), KeyID: "k", MAC: a("456"), Until: at.Add(5 * time.Minute), MaxSends: 3}, at)
	require.NoError(t, err, "the next view has codes of its own")
	require.Equal(t, 1, r.CodeSends)
	_, _, err = r.Take(take("two", "456"), at)
	require.NoError(t, err)
}

func TestTakeLeaseIsNotShortened(t *testing.T) {
	t.Parallel()
	r := opening()
	_, changed, err := r.Take(take("mine", ""), t0.Add(-30*time.Second))
	require.NoError(t, err)
	require.True(t, changed)
	require.Equal(t, t0.Add(lease), r.LeaseUntil)
	require.NoError(t, r.Extend(securesend.Fetch{Claim: a("mine"), Auth: a("auth")}, t0.Add(-30*time.Second)))
	require.Equal(t, t0.Add(lease), r.LeaseUntil)
}

func TestTakeKeepsEventsApart(t *testing.T) {
	t.Parallel()
	r := opening(twice)
	stamps, _, err := r.Take(take("other", "123"), t0.Add(swept))
	require.NoError(t, err)
	require.Equal(t, []securesend.Stamp{
		{ID: "e-lapsed", Kind: securesend.EventLapsed, By: securesend.BySystem, Files: []int{1, 2}},
		{ID: "e", Kind: securesend.EventRevealed, By: securesend.ByRecipient},
	}, stamps)
	require.Equal(t, []int64{0, 0}, r.Fetched)

	r = ready(func(r *securesend.Record) { r.MaxTries = 1 })
	stamps, _, err = r.Take(take("other", "999"), t0)
	require.ErrorIs(t, err, securesend.ErrLocked)
	require.Equal(t, "e", stamps[0].ID)
	require.Equal(t, "e-locked", stamps[1].ID)
}

func TestExtend(t *testing.T) {
	t.Parallel()
	fetch := func(file int, from, to int64) securesend.Fetch {
		return securesend.Fetch{Claim: a("mine"), Auth: a("auth"), File: file, From: from, To: to}
	}
	fetched := func(n ...int64) func(r *securesend.Record) { return func(r *securesend.Record) { r.Fetched = n } }
	other, stranger := fetch(0, 0, 1), fetch(0, 0, 1)
	other.Claim, stranger.Auth = a("other"), a("x")
	until := func(n int64, regions ...string) securesend.Fetch {
		f := fetch(1, 1, 1)
		f.Until, f.Regions = n, regions
		return f
	}
	europe := func(r *securesend.Record) { r.Region = "Europe" }
	for _, tt := range []struct {
		name string
		r    *securesend.Record
		f    securesend.Fetch
		at   time.Duration
		err  error
		want []int64
	}{
		{"the first chunk", opening(), fetch(1, 0, 1), 0, nil, []int64{0, 1}},
		{"all chunks", opening(), fetch(1, 0, 3), lease - us, nil, []int64{0, 3}},
		{"without a count before", opening(fetched()), fetch(0, 0, 1), 0, nil, []int64{1, 0}},
		{"the next", opening(fetched(0, 1)), fetch(1, 1, 2), 0, nil, []int64{0, 2}},
		{"a gap is no progress", opening(fetched(0, 1)), fetch(1, 2, 3), 0, nil, []int64{0, 1}},
		{"again is no step back", opening(fetched(0, 3)), fetch(1, 0, 1), 0, nil, []int64{0, 3}},
		{"only the lease", opening(fetched(0, 1)), fetch(1, 3, 3), 0, nil, []int64{0, 1}},
		{"too many", opening(), fetch(1, 0, 4), 0, securesend.ErrInvalid, nil},
		{"to be read to the end", opening(fetched(0, 1)), until(3), 0, nil, []int64{0, 1}},
		{"to be read beyond the end", opening(), until(4), 0, securesend.ErrInvalid, nil},
		{"in one of the regions", opening(europe, fetched(0, 1)), until(3, "UK South", "Europe"), 0, nil, []int64{0, 1}},
		{"in another region", opening(europe), until(4, "UK South"), 0, securesend.ErrRegion, nil},
		{"in another region after the lease", opening(europe), until(3, "UK South"), lease, securesend.ErrEnded, nil},
		{"backwards", opening(), fetch(1, 2, 1), 0, securesend.ErrInvalid, nil},
		{"before the beginning", opening(), fetch(1, -1, 1), 0, securesend.ErrInvalid, nil},
		{"no such file", opening(), fetch(2, 0, 1), 0, securesend.ErrInvalid, nil},
		{"a negative file", opening(), fetch(-1, 0, 1), 0, securesend.ErrInvalid, nil},
		{"after the lease", opening(), fetch(0, 0, 1), lease, securesend.ErrEnded, nil},
		{"after the lease with views left", opening(twice), fetch(0, 0, 1), lease, securesend.ErrEnded, nil},
		{"another claim", opening(), other, 0, securesend.ErrOpening, nil},
		{"a wrong auth", opening(), stranger, 0, securesend.ErrAuth, nil},
		{"nobody has opened it", ready(), fetch(0, 0, 1), 0, securesend.ErrOpening, nil},
		{"after the end", ended(), fetch(0, 0, 1), 0, securesend.ErrEnded, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r, before := tt.r.Clone(), tt.r.Clone()
			err := r.Extend(tt.f, t0.Add(tt.at))
			require.ErrorIs(t, err, tt.err)
			if err != nil {
				require.Equal(t, before, r)
				return
			}
			require.Equal(t, tt.want, r.Fetched)
			require.Equal(t, t0.Add(tt.at+lease), r.LeaseUntil)
			require.Equal(t, before.Version, r.Version, "fetching is no new version")
		})
	}
	r := opening(func(r *securesend.Record) { r.ExpiresAt = t0.Add(lease + time.Second) })
	require.NoError(t, r.Extend(fetch(0, 0, 1), t0.Add(30*time.Second)))
	require.Equal(t, r.ExpiresAt, r.LeaseUntil, "the expiry caps the lease")
}

func TestAck(t *testing.T) {
	t.Parallel()
	state := func(s securesend.State) func(r *securesend.Record) {
		return func(r *securesend.Record) { r.State = s }
	}
	for _, tt := range []struct {
		name        string
		r           *securesend.Record
		claim, auth string
		at          time.Duration
		err         error
		events      string
		want        securesend.State
	}{
		{"in time", opening(), "mine", "auth", 0, nil, "acknowledged", securesend.StateAcknowledged},
		{"with views left", opening(twice), "mine", "auth", 0, nil, "acknowledged", securesend.StateReady},
		{"after the lease, not swept", opening(), "mine", "auth", 2 * time.Hour, nil, "acknowledged", securesend.StateAcknowledged},
		{"another claim", opening(), "other", "auth", 0, securesend.ErrOpening, "", securesend.StateOpening},
		{"a wrong auth", opening(), "mine", "x", 0, securesend.ErrAuth, "", securesend.StateOpening},
		{"nobody has opened it", ready(), "mine", "auth", 0, securesend.ErrOpening, "", securesend.StateReady},
		{"a draft", draft(), "mine", "auth", 0, securesend.ErrDraft, "", securesend.StateDraft},
		{"again", opening(state(securesend.StateAcknowledged)), "mine", "auth", 0, nil, "", securesend.StateAcknowledged},
		{"again with views left", opening(twice, state(securesend.StateReady)), "mine", "auth", 0, nil, "", securesend.StateReady},
		{"again by another", opening(state(securesend.StateAcknowledged)), "other", "auth", 0, securesend.ErrEnded, "", securesend.StateAcknowledged},
		{"swept", opening(state(securesend.StateLapsed)), "mine", "auth", 0, securesend.ErrEnded, "", securesend.StateLapsed},
		{"revoked", ended(), "mine", "auth", 0, securesend.ErrEnded, "", securesend.StateRevoked},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r, before := tt.r.Clone(), tt.r.Clone()
			stamps, err := r.Ack(a(tt.claim), a(tt.auth), securesend.Stamp{Kind: securesend.EventAcknowledged}, t0.Add(tt.at))
			require.ErrorIs(t, err, tt.err)
			require.Equal(t, tt.events, kinds(stamps))
			require.Equal(t, tt.want, r.State)
			if len(stamps) == 0 {
				require.Equal(t, before, r)
				return
			}
			require.Equal(t, []int{1, 2}, stamps[0].Files)
			require.Equal(t, t0.Add(tt.at), r.AckedAt)
			require.Equal(t, before.Version+1, r.Version)
			if r.State.Final() {
				destroyed(t, r, t0.Add(tt.at))
			} else {
				require.Zero(t, r.LeaseUntil)
				require.Equal(t, []byte("half"), r.Half)
			}
		})
	}
}

// destroyed checks that what is left of r opens nothing.
func destroyed(t *testing.T, r securesend.Record, at time.Time) {
	t.Helper()
	require.Equal(t, at, r.EndedAt)
	for _, b := range [][]byte{r.Half, r.Inline, r.Sealed, r.Header, r.NumberMAC, r.PassMAC} {
		require.Nil(t, b)
	}
	require.Empty(t, r.HalfKey+r.KeyID+r.PassKeyID)
	require.Equal(t, []byte("auth"), r.Auth, "it says still what has become of it")
	require.Zero(t, r.SweepAt())
}

func TestSweep(t *testing.T) {
	t.Parallel()
	expired := func(r *securesend.Record) { r.ExpiresAt = t0.Add(lease) }
	expires := func(r *securesend.Record) { r.ExpiresAt = t0.Add(swept) }
	for _, tt := range []struct {
		name   string
		r      *securesend.Record
		at     time.Duration // when it is due; a moment before it is not
		events string
		want   securesend.State
	}{
		{"ready", ready(), time.Hour, "expired", securesend.StateExpired},
		{"a draft", draft(), time.Hour, "expired", securesend.StateExpired},
		{"a request", request(), time.Hour, "expired", securesend.StateExpired},
		{"opening", opening(), swept, "lapsed", securesend.StateLapsed},
		{"opening with views left", opening(twice), swept, "lapsed", securesend.StateReady},
		{"opening with views left, expired", opening(twice, expired), swept, "lapsed", securesend.StateLapsed},
		{"opening with views left, expiring then", opening(twice, expires), swept, "lapsed", securesend.StateLapsed},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r, before := tt.r.Clone(), tt.r.Clone()
			due := t0.Add(tt.at)
			require.Equal(t, due, r.SweepAt())
			require.Empty(t, r.Sweep("id", due.Add(-us)))
			require.Equal(t, before, r)
			require.Equal(t, tt.want, r.Effective(due), "what it says before it is swept")
			stamps := r.Sweep("id", due)
			require.Equal(t, tt.events, kinds(stamps))
			require.Equal(t, []any{"id", securesend.BySystem}, []any{stamps[0].ID, stamps[0].By})
			require.Equal(t, tt.want, r.State)
			require.Equal(t, before.Version+1, r.Version)
			if r.State.Final() {
				before.Auth, r.Auth = a("auth"), a("auth") // drafts have none
				destroyed(t, r, due)
			}
		})
	}
	r := ended()
	require.Empty(t, r.Sweep("id", t0.Add(1000*time.Hour)))
}

func TestCommit(t *testing.T) {
	t.Parallel()
	c := securesend.Content{
		Upload: a("upload"), Auth: a("new auth"), Header: a("h"), Half: a("new half"), HalfKey: "k2", Inline: a("i"), Sizes: []int64{7},
		PassKeyID: "k2", PassMAC: a("p"), Stamp: securesend.Stamp{ID: "e", Kind: securesend.EventUploaded},
	}
	r := draft()
	stamps, err := r.Commit(c, t0.Add(time.Hour-us))
	require.NoError(t, err)
	require.Equal(t, "uploaded", kinds(stamps))
	want := draft()
	want.Auth, want.Header, want.Half, want.HalfKey, want.Inline, want.Sizes, want.PassKeyID, want.PassMAC = c.Auth, c.Header, c.Half, c.HalfKey, c.Inline, c.Sizes, "k2", c.PassMAC
	want.State, want.ReadyAt, want.Version = securesend.StateReady, t0.Add(time.Hour-us), 2
	require.Equal(t, want, r)

	stamps, err = r.Commit(c, t0)
	require.NoError(t, err)
	require.Empty(t, stamps, "the same again")
	other := c
	other.Inline = a("another")
	_, err = r.Commit(other, t0)
	require.ErrorIs(t, err, securesend.ErrConflict)
	other.Upload = a("another")
	_, err = r.Commit(other, t0)
	require.ErrorIs(t, err, securesend.ErrAuth)
	require.Equal(t, want, r)
	_, err = draft().Commit(c, t0.Add(time.Hour))
	require.ErrorIs(t, err, securesend.ErrEnded)
	_, err = draft(func(r *securesend.Record) { r.Upload = nil }).Commit(securesend.Content{}, t0)
	require.ErrorIs(t, err, securesend.ErrAuth)

	asked := request(func(r *securesend.Record) { r.Upload = a("upload") })
	_, err = asked.Commit(c, t0)
	require.NoError(t, err)
	require.Equal(t, []any{a("auth"), a("half"), "k"}, []any{asked.Auth, asked.Half, asked.HalfKey}, "of a request they were there before")
}

func TestAdmit(t *testing.T) {
	t.Parallel()
	begun := func(r *securesend.Record) { r.Upload = a("mine") }
	for _, tt := range []struct {
		name           string
		r              *securesend.Record
		upload, number string
		at             time.Duration
		err            error
		events         string
	}{
		{"the right number", request(), "mine", "123", time.Hour - us, nil, "opened"},
		{"no gate", request(func(r *securesend.Record) { r.Gate = securesend.GateNone }), "mine", "", 0, nil, "opened"},
		{"no number", request(), "mine", "", 0, securesend.ErrNumber, ""},
		{"a wrong number", request(), "mine", "999", 0, securesend.ErrNumber, "refused:number"},
		{"the last wrong number", request(func(r *securesend.Record) { r.Tries = 1 }), "mine", "999", 0, securesend.ErrLocked, "refused:number locked:number"},
		{"locked", request(func(r *securesend.Record) { r.Tries = 2 }), "mine", "123", 0, securesend.ErrLocked, ""},
		{"again", request(begun), "mine", "", 0, nil, ""},
		{"another", request(begun), "other", "123", 0, securesend.ErrOpening, ""},
		{"another's wrong number is not counted", request(begun), "other", "999", 0, securesend.ErrOpening, ""},
		{"answered", request(func(r *securesend.Record) { r.State = securesend.StateReady }), "other", "123", 0, securesend.ErrOpening, ""},
		{"expired", request(), "mine", "123", time.Hour, securesend.ErrEnded, ""},
		{"a send", draft(func(r *securesend.Record) { r.Upload = nil }), "mine", "123", 0, securesend.ErrAuth, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r, before := tt.r.Clone(), tt.r.Clone()
			x := securesend.Admission{Upload: a(tt.upload), Stamp: securesend.Stamp{ID: "e"}}
			if tt.number != "" {
				x.Number = of(tt.number)
			}
			stamps, changed, err := r.Admit(x, t0.Add(tt.at))
			require.ErrorIs(t, err, tt.err)
			require.Equal(t, tt.events, kinds(stamps))
			require.Equal(t, changed, len(stamps) > 0)
			if err == nil && changed {
				require.Equal(t, a(tt.upload), r.Upload)
				require.Equal(t, t0.Add(tt.at), r.OpenedAt)
				require.Equal(t, before.Version+1, r.Version)
				return
			}
			before.Tries, before.Refusals = r.Tries, r.Refusals
			require.Equal(t, before, r)
		})
	}
}

func TestOpen(t *testing.T) {
	t.Parallel()
	r := ready()
	stamps, err := r.Open(a("auth"), securesend.Stamp{Kind: securesend.EventOpened}, t0)
	require.NoError(t, err)
	require.Equal(t, "opened", kinds(stamps))
	require.Equal(t, []any{t0, int64(1)}, []any{r.OpenedAt, r.Version})
	for name, r := range map[string]*securesend.Record{"again": r, "ended": ended(), "a request without content": request()} {
		before := r.Clone()
		stamps, err = r.Open(a("auth"), securesend.Stamp{}, t0.Add(time.Minute))
		require.NoError(t, err, name)
		require.Empty(t, stamps, name)
		require.Equal(t, before, *r, name)
	}
	stamps, err = ready().Open(a("auth"), securesend.Stamp{}, t0.Add(time.Hour))
	require.NoError(t, err)
	require.Empty(t, stamps, "expired, if not swept")
	_, err = ready().Open(a("x"), securesend.Stamp{}, t0)
	require.ErrorIs(t, err, securesend.ErrAuth)
	_, err = draft().Open(nil, securesend.Stamp{}, t0)
	require.ErrorIs(t, err, securesend.ErrDraft)
}

func TestSendCode(t *testing.T) {
	t.Parallel()
	code := func(f ...func(r *securesend.Record)) *securesend.Record {
		return ready(append([]func(r *securesend.Record){func(r *securesend.Record) {
			r.Gate, r.CodeSends, r.CodeSentAt, r.Tries = securesend.GateCode, 1, t0, 1
		}}, f...)...)
	}
	for _, tt := range []struct {
		name  string
		r     *securesend.Record
		auth  string
		at    time.Duration
		err   error
		limit securesend.LimitError
	}{
		{name: "after the cooldown", r: code(), auth: "auth", at: time.Minute},
		{name: "within it", r: code(), auth: "auth", at: time.Minute - us, err: securesend.ErrLimited, limit: securesend.LimitError{Limit: securesend.LimitCooldown, RetryAfter: us}},
		{name: "the last", r: code(func(r *securesend.Record) { r.CodeSends = 2 }), auth: "auth", at: time.Minute},
		{name: "one too many", r: code(func(r *securesend.Record) { r.CodeSends = 3 }), auth: "auth", at: time.Minute, err: securesend.ErrLimited, limit: securesend.LimitError{Limit: securesend.LimitCodes, RetryAfter: 59 * time.Minute}},
		{name: "locked", r: code(func(r *securesend.Record) { r.Tries = 2 }), auth: "auth", at: time.Minute, err: securesend.ErrLocked},
		{name: "a number is not sent", r: ready(), auth: "auth", at: time.Minute, err: securesend.ErrInvalid},
		{name: "a wrong auth", r: code(), auth: "x", at: time.Minute, err: securesend.ErrAuth},
		{name: "expired", r: code(), auth: "auth", at: time.Hour, err: securesend.ErrEnded},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r, before := tt.r.Clone(), tt.r.Clone()
			now := t0.Add(tt.at)
			stamps, err := r.SendCode(securesend.Code{
				Auth: a(tt.auth), KeyID: "k2", MAC: a("777"), Until: now.Add(5 * time.Minute), Cooldown: time.Minute, MaxSends: 3,
				Stamp: securesend.Stamp{Kind: securesend.EventCodeSent},
			}, now)
			require.ErrorIs(t, err, tt.err)
			if limit := new(securesend.LimitError); errors.As(err, &limit) {
				require.Equal(t, tt.limit, *limit)
			}
			if err == nil {
				require.Equal(t, "code-sent", kinds(stamps))
				before.KeyID, before.NumberMAC, before.CodeUntil, before.CodeSentAt, before.CodeSends = "k2", a("777"), now.Add(5*time.Minute), now, before.CodeSends+1
			}
			require.Equal(t, before, r)
		})
	}
}

func TestRenew(t *testing.T) {
	t.Parallel()
	n := securesend.Renewal{KeyID: "k2", MAC: a("456"), Sealed: a("s"), Stamp: securesend.Stamp{Kind: securesend.EventRenewed}}
	locked := func(r *securesend.Record) {
		r.Tries, r.PassTries, r.CodeSends, r.CodeUntil, r.CodeSentAt, r.Refusals = 2, 3, 3, t0, t0, 5
	}
	for _, tt := range []struct {
		name    string
		r       *securesend.Record
		version int64
		at      time.Duration
		err     error
	}{
		{"locked", ready(locked), 1, 0, nil},
		{"a draft", draft(locked), 1, 0, nil},
		{"another version", ready(), 2, 0, securesend.ErrConflict},
		{"once too often", ready(func(r *securesend.Record) { r.Renewals = securesend.MaxRenewals }), 1, 0, securesend.ErrLimited},
		{"for the last time", ready(func(r *securesend.Record) { r.Renewals = securesend.MaxRenewals - 1 }), 1, 0, nil},
		{"opening", opening(), 2, 0, securesend.ErrOpening},
		{"within the margin", opening(twice), 2, swept - us, securesend.ErrOpening},
		{"after it", opening(twice), 2, swept, nil},
		{"expired", ready(), 1, time.Hour, securesend.ErrEnded},
		{"revoked", ended(), 3, 0, securesend.ErrEnded},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r, want := tt.r.Clone(), tt.r.Clone()
			stamps, err := r.Renew(tt.version, n, t0.Add(tt.at))
			require.ErrorIs(t, err, tt.err)
			if err == nil {
				require.Equal(t, "renewed", kinds(stamps))
				want.KeyID, want.NumberMAC, want.Sealed, want.Tries, want.PassTries, want.CodeSends = "k2", a("456"), a("s"), 0, 0, 0
				want.CodeUntil, want.CodeSentAt, want.Renewals, want.Version = time.Time{}, time.Time{}, want.Renewals+1, want.Version+1
			}
			require.Equal(t, want, r)
		})
	}
	asked := request(func(r *securesend.Record) { r.Upload = a("mine") })
	_, err := asked.Renew(1, n, t0)
	require.NoError(t, err)
	require.Nil(t, asked.Upload, "somebody else may begin")
	answered := ready(func(r *securesend.Record) { r.Kind = securesend.KindRequest })
	_, err = answered.Renew(1, n, t0)
	require.NoError(t, err)
	require.NotNil(t, answered.Upload, "what was answered stays so")
}

func TestRevoke(t *testing.T) {
	t.Parallel()
	for _, r := range []*securesend.Record{ready(), opening(), opening(twice), request()} {
		stamps, err := r.Revoke(securesend.Stamp{Kind: securesend.EventRevoked}, t0)
		require.NoError(t, err)
		require.Equal(t, "revoked", kinds(stamps))
		require.Equal(t, securesend.StateRevoked, r.State)
		destroyed(t, *r, t0)
	}
	for _, r := range []*securesend.Record{ended(), ready(), opening()} {
		before := r.Clone()
		_, err := r.Revoke(securesend.Stamp{}, t0.Add(time.Hour))
		require.ErrorIs(t, err, securesend.ErrEnded)
		require.Equal(t, before, *r, "swept or not")
	}
}

func TestRewrap(t *testing.T) {
	t.Parallel()
	r, want := ready(), ready()
	r.Rewrap("k2", a("h"), a("s"))
	want.Half, want.Sealed, want.HalfKey, want.Version = a("h"), a("s"), "k2", 2
	require.Equal(t, want, r)
}

func TestLocked(t *testing.T) {
	t.Parallel()
	pass := func(r *securesend.Record) { r.PassKeyID, r.PassMAC, r.PassTries = "k", a("p"), 3 }
	tries := func(g securesend.Gate) func(r *securesend.Record) {
		return func(r *securesend.Record) { r.Gate, r.Tries = g, 2 }
	}
	for name, tt := range map[string]struct {
		r    *securesend.Record
		want bool
	}{
		"fresh":           {ready(), false},
		"number":          {ready(tries(securesend.GateNumber)), true},
		"code":            {ready(tries(securesend.GateCode)), true},
		"proof":           {ready(tries(securesend.GateProof)), false},
		"none":            {ready(tries(securesend.GateNone)), false},
		"passphrase":      {ready(pass), true},
		"no passphrase":   {ready(func(r *securesend.Record) { r.MaxPassTries = 0 }), false},
		"one try is left": {ready(func(r *securesend.Record) { r.Tries = 1 }), false},
	} {
		require.Equal(t, tt.want, tt.r.Locked(), name)
		hidden := tt.r.Hidden()
		require.Equal(t, tt.want, hidden.Locked(), "hidden: "+name)
	}
}

func TestHiddenTakenClone(t *testing.T) {
	t.Parallel()
	r := *opening(func(r *securesend.Record) { r.PassMAC = a("p") })
	hidden, taken := r.Hidden(), r.Taken()
	for _, b := range [][]byte{hidden.Half, hidden.Inline, hidden.NumberMAC, hidden.PassMAC, taken.NumberMAC, taken.PassMAC} {
		require.Nil(t, b)
	}
	require.Equal(t, "half inline", string(taken.Half)+" "+string(taken.Inline))
	require.Equal(t, "sealed", string(hidden.Sealed))
	c := r.Clone()
	require.Equal(t, r, c)
	for _, b := range [][]byte{c.NumberMAC, c.PassMAC, c.Upload, c.Auth, c.Header, c.Half, c.Sealed, c.Inline, c.Claim} {
		b[0] = '!'
	}
	c.Sizes[0], c.Fetched[0] = 99, 99
	require.Equal(t, *opening(func(r *securesend.Record) { r.PassMAC = a("p") }), r, "memory is shared")
}

func TestUnfetched(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		sizes, fetched []int64
		want           []int
	}{
		{nil, nil, nil},
		{[]int64{0}, []int64{0}, []int{1}}, // the empty file is one chunk
		{[]int64{0}, []int64{1}, nil},
		{[]int64{1 << 20, 1<<20 + 1}, []int64{1, 1}, []int{2}},
		{[]int64{1 << 20, 1<<20 + 1}, []int64{1, 2}, nil},
		{[]int64{1, 2, 3}, []int64{0, 1}, []int{1, 3}},
	} {
		r := &securesend.Record{Sizes: tt.sizes, Fetched: tt.fetched}
		require.Equal(t, tt.want, r.Unfetched(), fmt.Sprint(tt))
	}
}

func TestStorable(t *testing.T) {
	t.Parallel()
	require.NoError(t, ready().Storable(t0))
	require.NoError(t, draft().Storable(t0.Add(time.Hour-us)))
	require.NoError(t, ready(func(r *securesend.Record) { r.Inline = make([]byte, securesend.MaxInline) }).Storable(t0))
	for name, f := range map[string]func(r *securesend.Record){
		"tenant":   func(r *securesend.Record) { r.Tenant = "" },
		"id":       func(r *securesend.Record) { r.ID = "A" },
		"expiry":   func(r *securesend.Record) { r.ExpiresAt, r.Expiry = t0, t0 },
		"expiries": func(r *securesend.Record) { r.ExpiresAt = r.ExpiresAt.Add(us) },
		"views":    func(r *securesend.Record) { r.MaxViews = 0 },
		"life":     func(r *securesend.Record) { r.AfterView = -1 },
		"state":    func(r *securesend.Record) { r.State = securesend.StateAcknowledged },
	} {
		require.ErrorIs(t, ready(f).Storable(t0), securesend.ErrInvalid, name)
	}
	require.ErrorIs(t, ready(func(r *securesend.Record) { r.Inline = make([]byte, securesend.MaxInline+1) }).Storable(t0), securesend.ErrTooLarge)
	err := (&securesend.Record{}).Storable(t0)
	for _, what := range []string{"tenant", "expire", "view", "state"} {
		require.ErrorContains(t, err, what, "all faults at once")
	}
}

func TestQueryMatch(t *testing.T) {
	t.Parallel()
	r := ready(func(r *securesend.Record) {
		r.Sender, r.Subject, r.Ticket = "jane", "dana", mspkit.Ticket{System: "psa", ID: "1"}
	})
	for _, q := range []securesend.Query{{}, {Sender: "jane"}, {Subject: "dana"}, {Ticket: r.Ticket}, {Kind: securesend.KindSend}} {
		require.False(t, q.Match(r), "another tenant")
		q.Tenant = "contoso"
		require.True(t, q.Match(r), q)
	}
	for _, q := range []securesend.Query{{Sender: "joe"}, {Subject: "d"}, {Ticket: mspkit.Ticket{ID: "1"}}, {Kind: securesend.KindRequest}} {
		q.Tenant = "contoso"
		require.False(t, q.Match(r), q)
	}
}

// TestLifeKeepsItsPromises lets steps happen by chance and checks what must hold at each time.
func TestLifeKeepsItsPromises(t *testing.T) {
	t.Parallel()
	for seed := range uint64(300) {
		g := rand.New(rand.NewPCG(seed, 7))
		r := ready(func(r *securesend.Record) {
			r.MaxViews, r.AfterView, r.MaxTries = 1+g.IntN(3), time.Duration(g.IntN(3))*5*time.Minute, 1+g.IntN(3)
		})
		now, reveals := t0, 0
		holder, until := "", time.Time{}
		for range 60 {
			now = now.Add([]time.Duration{0, us, time.Second, lease, securesend.LeaseMargin}[g.IntN(5)])
			before := r.Clone()
			effective := r.Effective(now)
			claim := fmt.Sprint("claim", g.IntN(3))
			switch g.IntN(6) {
			case 0, 1, 2:
				number := "123"
				if g.IntN(4) == 0 {
					number = "999"
				}
				stamps, _, err := r.Take(take(claim, number), now)
				if err == nil {
					require.False(t, effective.Final())
					if now.Before(until) {
						require.Equal(t, holder, claim, "two at once")
					}
					holder, until = claim, r.LeaseUntil
					if len(stamps) > 0 {
						reveals++
					}
				}
			case 3:
				if _, err := r.Ack(a(claim), a("auth"), securesend.Stamp{Kind: securesend.EventAcknowledged}, now); err == nil && r.State != before.State {
					require.Equal(t, holder, claim)
					until = time.Time{}
				}
			case 4:
				_ = r.Extend(securesend.Fetch{Claim: a(claim), Auth: a("auth")}, now)
				until = r.LeaseUntil
			case 5:
				if stamps := r.Sweep("id", now); len(stamps) > 0 {
					require.Equal(t, effective, r.State, "what Effective said of it")
					require.False(t, now.Before(before.SweepAt()))
				} else {
					require.True(t, r.State.Final() || now.Before(r.SweepAt()))
				}
			}
			require.LessOrEqual(t, r.Views, r.MaxViews)
			require.Equal(t, reveals, r.Views)
			require.LessOrEqual(t, r.Tries, r.MaxTries)
			require.False(t, r.LeaseUntil.After(r.Expiry))
			require.GreaterOrEqual(t, r.Version, before.Version)
			if before.State.Final() {
				require.Equal(t, before, *r, "an end is left never again")
			}
			require.Equal(t, r.State.Final(), len(r.Half) == 0)
		}
	}
}
