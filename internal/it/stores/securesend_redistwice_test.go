package stores_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit/securesend"
	"github.com/mspkit/mspkit/securesend/redisstore"
)

// sentTwice is a store whose answers get lost when the test says so, and one beside it to look with.
type sentTwice struct {
	*testing.T
	*redisstore.Store
	beside *redisstore.Store
	proxy  *redisProxy
	now    time.Time
}

// lost runs f while the first n answers get lost, so that the client sends the script again.
func (x *sentTwice) lost(n int64, f func() error) {
	x.Helper()
	x.proxy.lost.Store(0)
	x.proxy.repeat.Store(false)
	x.proxy.lose.Store(n)
	err := f()
	x.proxy.lose.Store(0)
	require.Equal(x, n, x.proxy.lost.Load(), "no answer was lost")
	require.NoError(x, err, "a repeat after a lost answer")
}

// put stores a send that change has changed.
func (x *sentTwice) put(change func(r *securesend.Record)) (securesend.Ref, securesend.Take) {
	x.Helper()
	r, take := benchSend(1, x.now)
	if change != nil {
		change(&r)
	}
	require.NoError(x, x.Put(x.Context(), r, sendStamp(securesend.EventCreated), x.now))
	take.Stamp = sendStamp(securesend.EventRevealed)
	return r.Ref, take
}

// kinds are those of all events but the first.
func (x *sentTwice) kinds() (out []securesend.EventKind) {
	x.Helper()
	es, err := x.beside.Events(x.Context(), securesend.EventQuery{Limit: 1000})
	require.NoError(x, err)
	require.NotEmpty(x, es)
	require.Equal(x, securesend.EventCreated, es[0].Kind)
	for _, e := range es[1:] {
		out = append(out, e.Kind)
	}
	return out
}

// A client that hears no answer sends a script again, although it ran.
func TestEveryScriptOfSendsMayRunTwiceOnRedis(t *testing.T) {
	t.Parallel()
	kinds := func(k ...securesend.EventKind) []securesend.EventKind { return k }
	for name, part := range map[string]func(*sentTwice){
		"Put": func(x *sentTwice) {
			r, _ := benchSend(1, x.now)
			st := sendStamp(securesend.EventCreated)
			x.lost(1, func() error { return x.Put(x.Context(), r, st, x.now) })
			require.Empty(x, x.kinds())
			require.ErrorIs(x, x.Put(x.Context(), r, st, x.now), securesend.ErrConflict, "another call is none of the client's repeats")
		},
		"Commit": func(x *sentTwice) {
			ref, _ := x.put(func(r *securesend.Record) { r.State, r.Upload = securesend.StateDraft, []byte("upload") })
			x.lost(1, func() error {
				r, err := x.Commit(x.Context(), ref, securesend.Content{
					Upload: []byte("upload"), Inline: []byte("text"), Stamp: sendStamp(securesend.EventUploaded),
				}, x.now)
				require.Equal(x, int64(2), r.Version)
				return err
			})
			require.Equal(x, kinds(securesend.EventUploaded), x.kinds())
		},
		"Admit": func(x *sentTwice) {
			ref, take := x.put(func(r *securesend.Record) { r.Kind, r.State = securesend.KindRequest, securesend.StateDraft })
			x.lost(1, func() error {
				_, err := x.Admit(x.Context(), ref, securesend.Admission{Upload: []byte("mine"), Number: take.Number, Stamp: sendStamp(securesend.EventOpened)}, x.now)
				return err
			})
			require.Equal(x, kinds(securesend.EventOpened), x.kinds())
		},
		"Open, Take, Extend, Ack": func(x *sentTwice) {
			ref, take := x.put(func(r *securesend.Record) { r.Sizes = []int64{1} })
			x.lost(1, func() error {
				_, err := x.Open(x.Context(), ref, take.Auth, sendStamp(securesend.EventOpened), x.now)
				return err
			})
			x.lost(1, func() error {
				r, err := x.Take(x.Context(), ref, take, x.now)
				require.Equal(x, 1, r.Views)
				require.NotEmpty(x, r.Half)
				require.Len(x, r.Inline, 1024)
				return err
			})
			x.lost(1, func() error {
				r, err := x.Extend(x.Context(), ref, securesend.Fetch{Claim: take.Claim, Auth: take.Auth, To: 1}, x.now)
				require.Equal(x, []int64{1}, r.Fetched)
				return err
			})
			x.lost(1, func() error {
				r, err := x.Ack(x.Context(), ref, take.Claim, take.Auth, sendStamp(securesend.EventAcknowledged), x.now)
				require.Equal(x, securesend.StateAcknowledged, r.State)
				return err
			})
			require.Equal(x, kinds(securesend.EventOpened, securesend.EventRevealed, securesend.EventAcknowledged), x.kinds())
		},
		"Take with a wrong number": func(x *sentTwice) {
			ref, take := x.put(nil)
			right := take.Number
			take.Number = securesend.MACs{"2026-01": []byte("wrong")}
			x.lost(1, func() error {
				r, err := x.Take(x.Context(), ref, take, x.now)
				require.ErrorIs(x, err, securesend.ErrNumber)
				require.Equal(x, 1, r.Tries, "one try is counted twice")
				return nil
			})
			x.lost(1, func() error {
				_, err := x.Take(x.Context(), ref, take, x.now)
				require.ErrorIs(x, err, securesend.ErrLocked, "the try that locks")
				return nil
			})
			take.Number = right
			_, err := x.Take(x.Context(), ref, take, x.now)
			require.ErrorIs(x, err, securesend.ErrLocked)
			require.Equal(x, kinds(securesend.EventRefused, securesend.EventRefused, securesend.EventLocked), x.kinds())
		},
		"SendCode": func(x *sentTwice) {
			ref, take := x.put(func(r *securesend.Record) { r.Gate = securesend.GateCode })
			x.lost(1, func() error {
				r, err := x.SendCode(x.Context(), ref, securesend.Code{
					Auth: take.Auth, KeyID: "k", MAC: []byte("m"), Until: x.now.Add(time.Minute), Cooldown: time.Minute, MaxSends: 1, Stamp: sendStamp(securesend.EventCodeSent),
				}, x.now)
				require.Equal(x, 1, r.CodeSends)
				return err
			})
			require.Equal(x, kinds(securesend.EventCodeSent), x.kinds())
		},
		"Renew, Note, Revoke": func(x *sentTwice) {
			ref, _ := x.put(nil)
			x.lost(1, func() error {
				r, err := x.Renew(x.Context(), ref, 1, securesend.Renewal{KeyID: "k", MAC: []byte("m"), Stamp: sendStamp(securesend.EventRenewed)}, x.now)
				require.Equal(x, 1, r.Renewals)
				return err
			})
			x.lost(1, func() error { return x.Note(x.Context(), ref, sendStamp(securesend.EventSent), x.now) })
			x.lost(1, func() error {
				_, err := x.Revoke(x.Context(), ref, sendStamp(securesend.EventRevoked), x.now)
				return err
			})
			require.Equal(x, kinds(securesend.EventRenewed, securesend.EventSent, securesend.EventRevoked), x.kinds())
		},
		"Rewrap": func(x *sentTwice) {
			ref, take := x.put(nil)
			x.lost(2, func() error { // the look, and the change
				n, err := x.Rewrap(x.Context(), "next", 10, func(securesend.Record) (half, sealed []byte, err error) { return []byte("h"), []byte("s"), nil })
				require.Equal(x, 1, n)
				return err
			})
			r, err := x.Take(x.Context(), ref, take, x.now)
			require.NoError(x, err)
			require.Equal(x, "h", string(r.Half))
		},
		"Count": func(x *sentTwice) {
			limits := []securesend.Limit{{Name: "a", Key: "a", Max: 2, Window: time.Hour}, {Name: "b", Key: "b", Max: 2, Window: time.Hour, Global: true}}
			x.lost(1, func() error { return x.Count(x.Context(), limits, x.now) })
			require.NoError(x, x.Count(x.Context(), limits, x.now), "counted twice")
			require.ErrorIs(x, x.Count(x.Context(), limits, x.now), securesend.ErrLimited)
		},
		"Expire, AckEvents, DeleteExpired": func(x *sentTwice) {
			x.put(nil)
			late := x.now.Add(25 * time.Hour)
			x.lost(2, func() error { _, err := x.Expire(x.Context(), late, 10); return err })
			require.Equal(x, kinds(securesend.EventExpired), x.kinds())
			es, err := x.Events(x.Context(), securesend.EventQuery{Limit: 10})
			require.NoError(x, err)
			x.lost(1, func() error { return x.AckEvents(x.Context(), []string{es[0].ID}) })
			es, err = x.Events(x.Context(), securesend.EventQuery{Limit: 10})
			require.NoError(x, err)
			require.Len(x, es, 1)
			x.lost(2, func() error { _, err := x.DeleteExpired(x.Context(), late.Add(time.Hour), late, 10); return err })
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k := redisKeys(t)
			proxy, client := k.through(t)
			store, err := redisstore.New(t.Context(), client, k.sendOptions(8))
			require.NoError(t, err)
			part(&sentTwice{T: t, Store: store, beside: k.openSends(t), proxy: proxy, now: time.Now()})
		})
	}
}

// Every verb of one send is one round trip.
func TestEveryVerbOfASendTakesOneRoundTripToRedis(t *testing.T) {
	t.Parallel()
	k := redisKeys(t)
	proxy, client := k.through(t)
	store, err := redisstore.New(t.Context(), client, k.sendOptions(0))
	require.NoError(t, err)
	x := &sentTwice{T: t, Store: store, proxy: proxy, now: time.Now()}
	for _, strict := range []bool{false, true} { // a server must be sent each script once
		one := func(what string, f func() error) {
			t.Helper()
			proxy.trips.Store(0)
			require.NoError(t, f(), what)
			if strict {
				require.Equal(t, int64(1), proxy.trips.Load(), what)
			}
		}
		ctx := t.Context()
		var ref securesend.Ref
		var take securesend.Take
		one("Put", func() error { ref, take = x.put(nil); return nil })
		one("Stat", func() error { _, err := x.Stat(ctx, ref); return err })
		one("Open", func() error {
			_, err := x.Open(ctx, ref, take.Auth, sendStamp(securesend.EventOpened), x.now)
			return err
		})
		one("Take", func() error { _, err := x.Take(ctx, ref, take, x.now); return err })
		one("Extend", func() error {
			_, err := x.Extend(ctx, ref, securesend.Fetch{Claim: take.Claim, Auth: take.Auth}, x.now)
			require.ErrorIs(t, err, securesend.ErrInvalid, "there is no file")
			return nil
		})
		one("Ack", func() error {
			_, err := x.Ack(ctx, ref, take.Claim, take.Auth, sendStamp(securesend.EventAcknowledged), x.now)
			return err
		})
		one("Count", func() error {
			return x.Count(ctx, []securesend.Limit{{Key: "t/a", Max: 9, Window: time.Hour}, {Key: "g", Max: 9, Window: time.Hour, Global: true}}, x.now)
		})
		one("List", func() error { _, err := x.List(ctx, securesend.Query{Tenant: ref.Tenant}); return err })
	}
}
