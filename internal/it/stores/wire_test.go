package stores_test

import (
	"context"
	"encoding/binary"
	"io"
	"net"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/verify"
	"github.com/mspkit/mspkit/verify/sqlstore"
	"github.com/mspkit/mspkit/verify/verifytest"
)

// The messages of PostgreSQL's protocol that a wire looks at.
const (
	readyForQuery = 'Z' // one ends every round trip
	notification  = 'A'
)

// fate is what a wire does with a message of the server.
type fate int

const (
	pass fate = iota
	drop
	cut // close the connection instead
)

// wire stands between a driver and PostgreSQL and sees each message of the server.
type wire struct {
	database
	trips, connections atomic.Int64
	judge              atomic.Pointer[func(message byte) fate]
}

// newWire returns d behind a wire.
func newWire(t testing.TB, d database) *wire {
	t.Helper()
	u, err := url.Parse(d.dsn)
	require.NoError(t, err)
	server := u.Host
	l, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	w := &wire{database: d}
	u.Host = l.Addr().String()
	w.dsn = u.String()
	var all sync.WaitGroup
	all.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			w.connections.Add(1)
			all.Go(func() { w.serve(client, server) })
		}
	})
	t.Cleanup(func() {
		require.NoError(t, l.Close())
		all.Wait() // the pools are closed by then
	})
	return w
}

func (w *wire) serve(client net.Conn, server string) {
	defer client.Close()
	conn, err := (&net.Dialer{}).Dial("tcp", server)
	if err != nil {
		return
	}
	defer conn.Close()
	go func() {
		_, _ = io.Copy(conn, client)
		_ = conn.Close()
	}()
	head := make([]byte, 5)
	for {
		if _, err := io.ReadFull(conn, head); err != nil {
			return
		}
		message := make([]byte, 1+binary.BigEndian.Uint32(head[1:]))
		copy(message, head)
		if _, err := io.ReadFull(conn, message[5:]); err != nil {
			return
		}
		if head[0] == readyForQuery {
			w.trips.Add(1)
		}
		what := pass
		if judge := w.judge.Load(); judge != nil {
			what = (*judge)(head[0])
		}
		switch what {
		case cut:
			return
		case drop:
			continue
		case pass:
		}
		if _, err := client.Write(message); err != nil {
			return
		}
	}
}

// cutNext closes the connection once, in place of the answer that ends the next round trip: whatever the server did is
// done, and the client does not learn of it.
func (w *wire) cutNext() { w.cutAfter(1) }

// cutAfter is cutNext in place of the answer that ends the n-th round trip from now on.
func (w *wire) cutAfter(n int64) {
	var ended atomic.Int64
	judge := func(message byte) fate {
		if message == readyForQuery && ended.Add(1) == n {
			return cut
		}
		return pass
	}
	w.judge.Store(&judge)
}

// store returns a store on one connection.
func (w *wire) store(t testing.TB) *sqlstore.Store {
	t.Helper()
	db := w.open(t)
	db.SetMaxOpenConns(1)
	store, err := sqlstore.New(db, w.dialect, &sqlstore.Options{Schema: w.schema})
	require.NoError(t, err)
	return store
}

func TestEachHotVerbIsOneRoundTripOnPostgres(t *testing.T) {
	t.Parallel()
	w := newWire(t, verifySchema(t))
	ring, store := newRing(t), w.store(t)
	ch := &verifytest.Channel{Level: verify.AssuranceTeams}
	svc, err := verify.New(store, ring, "https://help.example/verify", verify.Same(verify.Settings{
		Brand: mspkit.Brand{Name: "Contoso IT"}, // with all limits
	}), &verify.Options{Channels: map[string]verify.Channel{"email": ch}})
	require.NoError(t, err)
	desk := desk{svc, ch}
	trips := func(f func()) int {
		before := w.trips.Load()
		f()
		return int(w.trips.Load() - before)
	}
	for _, subject := range []string{"dana", "erin"} { // the first prepares the statements
		var right verify.CheckRequest
		var res verify.Result
		var err error
		start := trips(func() { right = desk.begin(t, subject) })
		wrong := trips(func() {
			other := right
			other.Response = string([]byte{'0' + (right.Response[0]-'0'+1)%10}) + right.Response[1:]
			res, err = desk.Check(t.Context(), other)
		})
		require.NoError(t, err)
		require.Equal(t, verify.StateWrong, res.State)
		check := trips(func() { res, err = desk.Check(t.Context(), right) })
		require.NoError(t, err)
		require.Equal(t, verify.StateConfirmed, res.State)
		expect := verify.Expect{Tenant: "contoso", Subject: subject, Action: verify.ActionIdentify, Technician: jane.ID}
		redeem := trips(func() { err = desk.Redeem(t.Context(), res.Proof, expect, "job") })
		require.NoError(t, err)
		if subject == "erin" {
			require.Equal(t, []int{2, 1, 2, 1}, []int{start, wrong, check, redeem}, "Begin and Sent, Attempt, Attempt and Finish, Redeem")
		}
	}
}

func TestAVerbWhoseAnswerIsLostConfirmsNothingAndMayBeRepeated(t *testing.T) {
	t.Parallel()
	ctx, now := t.Context(), time.Now()
	w := newWire(t, verifySchema(t))
	store, other := w.store(t), openVerify(t, w.database) // the other one sees what was stored
	stamp := func(k verify.EventKind) verify.Stamp { return verify.Stamp{ID: verify.NewEventID(), Kind: k} }
	n := verify.NewChallenge{Record: verify.Record{
		Ref: verify.Ref{Tenant: "contoso", ID: "c"}, Kind: verify.KindCaller, State: verify.StatePending, Method: verify.MethodNumber,
		Subject: "dana", MAC: []byte("mac"), WordMAC: []byte("word"), MaxTries: 3, LockAfter: 10, CreatedAt: now, ExpiresAt: now.Add(time.Hour),
	}, Idempotency: "key", Fingerprint: "f", Stamp: stamp(verify.EventStarted)}
	ref := n.Record.Ref
	_, _, err := store.Begin(ctx, verify.NewChallenge{Record: verify.Record{Ref: verify.Ref{Tenant: "contoso", ID: "warm"}, MaxTries: 1, LockAfter: 1}, Stamp: stamp("s")}, nil, now)
	require.NoError(t, err) // the statement is prepared
	_, _, err = store.Attempt(ctx, verify.Ref{Tenant: "contoso", ID: "none"}, verify.Try{}, now)
	require.ErrorIs(t, err, verify.ErrNotFound)
	_, err = store.Finish(ctx, verify.Ref{Tenant: "contoso", ID: "none"}, 1, verify.Outcome{}, now)
	require.ErrorIs(t, err, verify.ErrNotFound)
	_, err = store.Redeem(ctx, verify.Ref{Tenant: "contoso", ID: "none"}, "job", verify.Stamp{}, now)
	require.ErrorIs(t, err, verify.ErrNotFound)

	lost := func(f func() error) verify.Record {
		t.Helper()
		w.cutNext()
		require.Error(t, f())
		r, _, err := other.Get(ctx, ref)
		require.NoError(t, err, "the server did it all the same")
		return r
	}
	begin := func() (existing bool, err error) {
		_, existing, err = store.Begin(ctx, n, nil, now)
		return existing, err
	}
	lost(func() error { _, err := begin(); return err })
	existing, err := begin()
	require.NoError(t, err)
	require.True(t, existing)

	var r verify.Record
	attempt := func() (err error) {
		r, _, err = store.Attempt(ctx, ref, verify.Try{Method: verify.MethodNumber, Stamp: stamp(verify.EventAttempted)}, now)
		return err
	}
	require.NoError(t, attempt()) // on the new connection too
	require.NotEmpty(t, r.MAC)
	got := lost(attempt)
	require.Empty(t, r, "a MAC left although nobody knows whether the try is stored")
	require.Equal(t, 2, got.Tries)
	require.NoError(t, attempt())
	require.Equal(t, 3, r.Tries)

	finish := func() (err error) {
		r, err = store.Finish(ctx, ref, 1, verify.Outcome{State: verify.StateConfirmed, ProofUntil: now.Add(time.Hour), Stamp: stamp(verify.EventConfirmed)}, now)
		return err
	}
	_, err = store.Finish(ctx, ref, 7, verify.Outcome{}, now)
	require.ErrorIs(t, err, verify.ErrConflict)
	require.Equal(t, verify.StateConfirmed, lost(finish).State)
	require.Empty(t, r)
	require.ErrorIs(t, finish(), verify.ErrNotPending)

	redeem := func(by string) error {
		_, err := store.Redeem(ctx, ref, by, stamp(verify.EventRedeemed), now)
		return err
	}
	require.ErrorIs(t, func() error {
		_, err := store.Redeem(ctx, verify.Ref{Tenant: "contoso", ID: "none"}, "a", verify.Stamp{}, now)
		return err
	}(), verify.ErrNotFound)
	require.Equal(t, "job", lost(func() error { return redeem("job") }).RedeemedBy)
	require.NoError(t, redeem("job"))
	require.ErrorIs(t, redeem("thief"), verify.ErrRedeemed)
	kinds := map[verify.EventKind]int{}
	events, err := other.Events(ctx, verify.EventQuery{Limit: 100})
	require.NoError(t, err)
	for _, e := range events {
		if e.Challenge == ref.ID {
			kinds[e.Kind]++
		}
	}
	require.Equal(t, map[verify.EventKind]int{verify.EventStarted: 1, verify.EventAttempted: 3, verify.EventConfirmed: 1, verify.EventRedeemed: 1}, kinds)
}

func TestTheHotVerbsRefuseAnotherIsolationLevel(t *testing.T) {
	t.Parallel()
	d := verifySchema(t)
	right := newDesk(t, openVerify(t, d), newRing(t))
	open := right.begin(t, "dana")
	for _, level := range []string{"repeatable read", "serializable"} {
		other := d
		other.dsn += "&default_transaction_isolation=" + url.PathEscape(level)
		store := openVerify(t, other)
		now, ref := time.Now(), verify.Ref{Tenant: open.Tenant, ID: open.ID}
		_, _, begin := store.Begin(t.Context(), verify.NewChallenge{Record: verify.Record{Ref: verify.Ref{Tenant: "contoso", ID: "new"}}}, nil, now)
		_, _, attempt := store.Attempt(t.Context(), ref, verify.Try{Method: verify.MethodCode, Technician: jane.ID}, now)
		_, finish := store.Finish(t.Context(), ref, 1, verify.Outcome{State: verify.StateConfirmed}, now)
		_, redeem := store.Redeem(t.Context(), ref, "job", verify.Stamp{}, now)
		for _, err := range []error{begin, attempt, finish, redeem, store.Sent(t.Context(), ref, "m", verify.DeliveryDelivered, verify.Stamp{}, now)} {
			require.ErrorContains(t, err, "the isolation level is "+level+", it must be read committed")
		}
		until := now.Add(time.Minute)
		require.NoError(t, store.ChangeSubject(t.Context(), "contoso", "erin", verify.SubjectChange{FrozenUntil: &until, Stamp: verify.Stamp{ID: verify.NewEventID()}}, now),
			"the other verbs ask for their level themselves")
	}
	res, err := right.Check(t.Context(), open)
	require.NoError(t, err)
	require.Equal(t, verify.MaxCodeTries-1, res.TriesLeft, "nothing was counted")
}
