package stores_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit/verify"
	"github.com/mspkit/mspkit/verify/redisstore"
)

// twice is a store whose answers get lost when the test says so, and one beside it to look with.
type twice struct {
	*testing.T
	*redisstore.Store
	beside *redisstore.Store
	proxy  *redisProxy
	now    time.Time
}

// lost runs f while the first n answers get lost, so that the client sends the script again.
func (x *twice) lost(n int64, f func() error) {
	x.Helper()
	x.proxy.lost.Store(0)
	x.proxy.repeat.Store(false)
	x.proxy.lose.Store(n)
	err := f()
	x.proxy.lose.Store(0)
	require.Equal(x, n, x.proxy.lost.Load(), "no answer was lost")
	require.NoError(x, err, "a repeat after a lost answer")
}

// kinds returns the kinds of all events that were not acknowledged.
func (x *twice) kinds() (out []verify.EventKind) {
	x.Helper()
	es, err := x.beside.Events(x.Context(), verify.EventQuery{Limit: 1000})
	require.NoError(x, err)
	for _, e := range es {
		out = append(out, e.Kind)
	}
	return out
}

// A client that hears no answer sends a script again, although it ran.
func TestEveryScriptMayRunTwiceOnRedis(t *testing.T) {
	t.Parallel()
	for name, part := range map[string]func(*twice){
		"Begin": func(x *twice) {
			limits := []verify.Limit{
				{Name: "t", Key: "tenant/t", Max: 2, Window: time.Hour}, {Name: "c", Key: "to/dana/cooldown", Max: 1, Window: time.Hour, Global: true},
			}
			n := newRecord(x.now, "one")
			n.Idempotency, n.Fingerprint = "key", "f"
			x.lost(2, func() error { // the count and the challenge
				r, existing, err := x.Begin(x.Context(), n, limits, x.now)
				require.False(x, existing, "a repeat by the client is taken for one by the caller, who would wait for a message that nobody sends")
				require.Equal(x, n.Record.ID, r.ID)
				return err
			})
			require.Equal(x, []verify.EventKind{verify.EventStarted}, x.kinds())
			_, _, err := x.Begin(x.Context(), newRecord(x.now, "two"), limits[:1], x.now) // counted once
			require.NoError(x, err)
			_, _, err = x.Begin(x.Context(), newRecord(x.now, "three"), limits[:1], x.now)
			require.ErrorIs(x, err, verify.ErrLimited)
		},
		"Begin that is refused": func(x *twice) {
			until := x.now.Add(time.Hour)
			n := newRecord(x.now, "one")
			require.NoError(x, x.ChangeSubject(x.Context(), "contoso", n.Record.Subject, verify.SubjectChange{FrozenUntil: &until, Stamp: stamp(verify.EventFrozen)}, x.now))
			limits := []verify.Limit{{Name: "g", Key: "to/dana/day", Max: 2, Window: time.Hour, Global: true}}
			other := newRecord(x.now, "other")
			_, _, err := x.Begin(x.Context(), other, limits, x.now)
			require.NoError(x, err)
			x.lost(3, func() error { // also the giving back
				_, _, err := x.Begin(x.Context(), n, limits, x.now)
				require.ErrorIs(x, err, verify.ErrFrozen)
				return nil
			})
			_, _, err = x.Begin(x.Context(), newRecord(x.now, "two"), limits, x.now)
			require.NoError(x, err)
			_, _, err = x.Begin(x.Context(), newRecord(x.now, "three"), limits, x.now)
			require.ErrorIs(x, err, verify.ErrLimited, "what was given back twice lets one more pass")
		},
		"Attempt": func(x *twice) {
			r := x.begun()
			var first verify.Record
			x.lost(1, func() error {
				got, sub, err := x.Attempt(x.Context(), r.Ref, try(), x.now)
				first = got
				require.Equal(x, 1, sub.Failures)
				return err
			})
			require.Equal(x, 1, first.Tries)
			require.Equal(x, []byte{1, 0, 2}, first.MAC, "the try was counted, so it may be compared")
			require.Equal(x, []verify.EventKind{verify.EventStarted, verify.EventAttempted}, x.kinds())
		},
		"Attempt at an answer that was replaced": func(x *twice) {
			r := x.begun()
			st := try()
			_, _, err := x.Attempt(x.Context(), r.Ref, st, x.now)
			require.NoError(x, err)
			_, err = x.Renew(x.Context(), r.Ref, r.Version, renewal(x.now), nil, x.now)
			require.NoError(x, err)
			got, _, err := x.Attempt(x.Context(), r.Ref, st, x.now)
			require.NoError(x, err)
			require.Empty(x, got.MAC, "a try of the old answer gets the new one without being counted")
			other := x.begunAs("another")
			got, _, err = x.Attempt(x.Context(), other.Ref, st, x.now)
			require.NoError(x, err)
			require.NotEmpty(x, got.MAC)
			stored, _, err := x.Get(x.Context(), other.Ref)
			require.NoError(x, err)
			require.Equal(x, 1, stored.Tries, "the stamp of a try of another challenge gets the answer without being counted")
		},
		"Attempt that locks": func(x *twice) {
			n := newRecord(x.now, "one")
			n.Record.LockAfter = 1
			r, _, err := x.Begin(x.Context(), n, nil, x.now)
			require.NoError(x, err)
			x.lost(1, func() error {
				got, _, err := x.Attempt(x.Context(), r.Ref, try(), x.now)
				require.NotEmpty(x, got.MAC)
				return err
			})
			require.Equal(x, []verify.EventKind{verify.EventStarted, verify.EventAttempted, verify.EventLocked}, x.kinds())
		},
		"Finish": func(x *twice) {
			n := newRecord(x.now, "one")
			limits := []verify.Limit{{Name: "b", Key: "tenant/b", Max: 2, Window: time.Hour, Refund: true}}
			_, _, err := x.Begin(x.Context(), newRecord(x.now, "two"), limits, x.now)
			require.NoError(x, err)
			r, _, err := x.Begin(x.Context(), n, limits, x.now)
			require.NoError(x, err)
			x.lost(1, func() error {
				got, err := x.Finish(x.Context(), r.Ref, r.Version, confirmed(x.now), x.now)
				require.Equal(x, verify.StateConfirmed, got.State)
				require.Equal(x, int64(2), got.Version)
				return err
			})
			require.Equal(x, []verify.EventKind{verify.EventStarted, verify.EventStarted, verify.EventConfirmed}, x.kinds())
			_, _, err = x.Begin(x.Context(), newRecord(x.now, "three"), limits, x.now) // one was given back
			require.NoError(x, err)
			_, _, err = x.Begin(x.Context(), newRecord(x.now, "four"), limits, x.now)
			require.ErrorIs(x, err, verify.ErrLimited)
		},
		"Renew": func(x *twice) {
			r := x.begun()
			limits := []verify.Limit{
				{Name: "t", Key: "tenant/t", Max: 1, Window: time.Hour}, {Name: "c", Key: "to/dana/cooldown", Max: 1, Window: time.Hour, Global: true},
			}
			x.lost(2, func() error {
				got, err := x.Renew(x.Context(), r.Ref, r.Version, renewal(x.now), limits, x.now)
				require.Equal(x, []int64{2, 2}, []int64{got.Version, int64(got.Sends)})
				return err
			})
			require.Equal(x, []verify.EventKind{verify.EventStarted, verify.EventRenewed}, x.kinds())
		},
		"Hint, Sent, ChangeSubject": func(x *twice) {
			r := x.begun()
			x.lost(1, func() error { return x.Hint(x.Context(), r.Ref, stamp(verify.EventDenialHint), x.now) })
			x.lost(1, func() error {
				return x.Sent(x.Context(), r.Ref, "m", verify.DeliverySent, stamp(verify.EventSent), x.now)
			})
			until := x.now.Add(time.Hour)
			x.lost(1, func() error {
				return x.ChangeSubject(x.Context(), "contoso", r.Subject, verify.SubjectChange{FrozenUntil: &until, Stamp: stamp(verify.EventFrozen)}, x.now)
			})
			require.Equal(x, []verify.EventKind{verify.EventStarted, verify.EventDenialHint, verify.EventSent, verify.EventFrozen}, x.kinds())
		},
		"Approve and Redeem": func(x *twice) {
			n := newRecord(x.now, "one")
			n.Record.NeedsApproval = true
			r, _, err := x.Begin(x.Context(), n, nil, x.now)
			require.NoError(x, err)
			_, err = x.Finish(x.Context(), r.Ref, r.Version, confirmed(x.now), x.now)
			require.NoError(x, err)
			x.lost(1, func() error {
				got, err := x.Approve(x.Context(), r.Ref, "joe", stamp(verify.EventApproved), x.now)
				require.Equal(x, int64(3), got.Version)
				return err
			})
			x.lost(1, func() error {
				got, err := x.Redeem(x.Context(), r.Ref, "job", stamp(verify.EventRedeemed), x.now)
				require.Equal(x, "job", got.RedeemedBy)
				require.Equal(x, int64(4), got.Version)
				return err
			})
			require.Equal(x, []verify.EventKind{verify.EventStarted, verify.EventConfirmed, verify.EventApproved, verify.EventRedeemed}, x.kinds())
		},
		"Chain and Ack": func(x *twice) {
			x.begun()
			tails, err := x.Unchained(x.Context(), 10)
			require.NoError(x, err)
			tails[0].Events[0].Link = verify.Link{N: 1, Value: []byte{1, 0}}
			x.lost(1, func() error { return x.Chain(x.Context(), "contoso", 0, tails[0].Events) })
			e, err := x.Evidence(x.Context(), "contoso", 0, 10)
			require.NoError(x, err)
			require.Equal(x, tails[0].Events, e.Events)
			_, err = x.Events(x.Context(), verify.EventQuery{Limit: 1})
			require.NoError(x, err)
			x.lost(1, func() error { return x.Ack(x.Context(), []string{tails[0].Events[0].ID}) })
			require.Empty(x, x.kinds())
		},
		"Enqueue and Done": func(x *twice) {
			limits := []verify.Limit{{Name: "q", Key: "tenant/q", Max: 2, Window: time.Hour}, {Name: "g", Key: "all/q", Max: 2, Window: time.Hour, Global: true}}
			q := verify.Queued{Tenant: "contoso", ID: "q1", Sealed: []byte{1}, At: x.now, Due: x.now}
			x.lost(2, func() error { return x.Enqueue(x.Context(), q, limits, x.now) })
			x.lost(1, func() error { return x.Done(x.Context(), "contoso", "q1") })
			require.NoError(x, x.Enqueue(x.Context(), q, limits, x.now)) // the client's repeat came later still
			due, err := x.Due(x.Context(), x.now, time.Minute, 10)
			require.NoError(x, err)
			require.Empty(x, due, "what was done is done again")
			q.ID = "q2"
			require.NoError(x, x.Enqueue(x.Context(), q, limits, x.now), "counted twice")
		},
		"Factors": func(x *twice) {
			f := verify.Factor{Tenant: "contoso", Subject: "dana", Kind: "totp", Sealed: []byte{1}}
			x.lost(1, func() (err error) { f, err = x.PutFactor(x.Context(), f, x.now); return err })
			x.lost(1, func() (err error) { f, err = x.PutFactor(x.Context(), f, x.now); return err })
			require.Equal(x, int64(2), f.Version)
			x.lost(1, func() error { return x.DeleteFactor(x.Context(), "contoso", "dana", "totp", 2) })
			_, err := x.Factor(x.Context(), "contoso", "dana", "totp")
			require.ErrorIs(x, err, verify.ErrNotFound)
		},
		"Expire": func(x *twice) {
			r := x.begun()
			late := r.ExpiresAt
			x.lost(2, func() error { _, err := x.Expire(x.Context(), late, 10); return err })
			require.Equal(x, []verify.EventKind{verify.EventStarted, verify.EventExpired}, x.kinds())
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k := redisKeys(t)
			proxy, client := k.through(t)
			store, err := redisstore.New(t.Context(), client, k.options(8))
			require.NoError(t, err)
			x := &twice{T: t, Store: store, beside: k.open(t), proxy: proxy, now: time.Now()}
			part(x)
		})
	}
}

func (x *twice) begun() verify.Record {
	x.Helper()
	return x.begunAs("one")
}

func (x *twice) begunAs(id string) verify.Record {
	x.Helper()
	r, _, err := x.Begin(x.Context(), newRecord(x.now, id), nil, x.now)
	require.NoError(x, err)
	return r
}

func renewal(now time.Time) verify.Renewal {
	return verify.Renewal{
		KeyID: "k2", MAC: []byte("new"), WordMAC: []byte("word"), Sealed: []byte("sealed"), MaxTries: 5, ExpiresAt: now.Add(7 * time.Minute),
		Send: true, Stamp: stamp(verify.EventRenewed),
	}
}
