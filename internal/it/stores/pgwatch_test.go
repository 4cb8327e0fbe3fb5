package stores_test

import (
	"context"
	"database/sql"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/verify"
	"github.com/mspkit/mspkit/verify/sqlstore"
	"github.com/mspkit/mspkit/verify/sqlstore/pgwatch"
)

// slow is a poll that no test waits for: what comes sooner was notified.
const slow = time.Minute

// watch wraps an instance on d and runs it until the test ends. Its connection listens through dsn.
func watch(t *testing.T, d database, dsn string, poll time.Duration) *pgwatch.Store {
	t.Helper()
	w, err := pgwatch.New(openVerify(t, d), pgwatch.Dial(mspkit.Redact(dsn)), &pgwatch.Options{Poll: poll})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-done)
	})
	return w
}

// listeners counts the connections of an application's name that listen.
func listeners(t *testing.T, db *sql.DB, name string) (n int) {
	t.Helper()
	require.NoError(t, db.QueryRowContext(t.Context(),
		`SELECT COUNT(*) FROM pg_stat_activity WHERE application_name = $1 AND query LIKE 'LISTEN%'`, name).Scan(&n))
	return n
}

// follow starts a watcher of ref and returns what it yields.
func follow(t *testing.T, w verify.Watcher, ref verify.Ref) <-chan verify.Record {
	t.Helper()
	seen := make(chan verify.Record, 100)
	go func() {
		defer close(seen)
		for r, err := range w.Watch(t.Context(), ref) {
			if err != nil {
				t.Error(err)
				return
			}
			seen <- r
		}
	}()
	return seen
}

// next returns what a watcher yields next.
func next(t *testing.T, seen <-chan verify.Record, within time.Duration) verify.Record {
	t.Helper()
	select {
	case r := <-seen:
		return r
	case <-time.After(within):
		require.FailNow(t, "nothing was yielded")
		return verify.Record{}
	}
}

// confirmed waits until a watcher yields the outcome; the try that was counted before may be yielded too.
func seenConfirmed(t *testing.T, seen <-chan verify.Record) {
	t.Helper()
	for r := next(t, seen, slow/2); r.State != verify.StateConfirmed; r = next(t, seen, slow/2) {
		require.Equal(t, verify.StatePending, r.State)
	}
}

func TestWatchersHearOfEveryChangeOnOneConnection(t *testing.T) {
	t.Parallel()
	d, ring := verifySchema(t), newRing(t)
	name := "watch-" + d.schema[len(d.schema)-20:]
	w := watch(t, d, d.dsn+"&application_name="+name, slow)
	require.ErrorIs(t, runUntilListening(t, w, d.open(t), name), pgwatch.ErrRunning)
	here := newDesk(t, w, ring)
	there := newDesk(t, openVerify(t, d), ring) // takes the answers
	var watchers []<-chan verify.Record
	var rights []verify.CheckRequest
	for i := range 50 {
		right := there.begin(t, "subject-"+string(rune('a'+i%26))+string(rune('a'+i/26)))
		rights = append(rights, right)
		watchers = append(watchers, follow(t, w, verify.Ref{Tenant: right.Tenant, ID: right.ID}))
	}
	for _, seen := range watchers {
		require.Equal(t, verify.StatePending, next(t, seen, slow/2).State)
	}
	require.Equal(t, 1, listeners(t, d.open(t), name))
	type outcome struct {
		verify.Challenge
		error
	}
	waited := make(chan outcome, 1)
	go func() {
		c, err := here.Wait(t.Context(), verify.Ref{Tenant: rights[0].Tenant, ID: rights[0].ID}, jane.ID)
		waited <- outcome{c, err}
	}()
	for i, right := range rights {
		res, err := there.Check(t.Context(), right)
		require.NoError(t, err)
		require.Equal(t, verify.StateConfirmed, res.State)
		seenConfirmed(t, watchers[i])
	}
	got := <-waited
	require.NoError(t, got.error)
	require.NotEmpty(t, got.Proof.Reveal())
}

// runUntilListening waits until the connection listens and returns what a second Run says.
func runUntilListening(t *testing.T, w *pgwatch.Store, db *sql.DB, name string) error {
	t.Helper()
	require.Eventually(t, func() bool { return listeners(t, db, name) == 1 }, slow/2, 20*time.Millisecond)
	return w.Run(t.Context())
}

func TestAFreezeALockAndTheEndOfTimeEndTheWaiting(t *testing.T) {
	t.Parallel()
	d := verifySchema(t)
	name := "freeze-" + d.schema[len(d.schema)-20:]
	w := watch(t, d, d.dsn+"&application_name="+name, slow)
	require.ErrorIs(t, runUntilListening(t, w, d.open(t), name), pgwatch.ErrRunning)
	there := openVerify(t, d)
	begin := func(id, subject string, ttl time.Duration) verify.Ref {
		t.Helper()
		now := time.Now()
		ref := verify.Ref{Tenant: "contoso", ID: id}
		_, _, err := there.Begin(t.Context(), verify.NewChallenge{Record: verify.Record{
			Ref: ref, Kind: verify.KindCaller, State: verify.StatePending, Subject: subject, MaxTries: 9, LockAfter: 2, CreatedAt: now, ExpiresAt: now.Add(ttl),
		}, Stamp: verify.Stamp{ID: verify.NewEventID()}}, nil, now)
		require.NoError(t, err)
		return ref
	}
	state := func(ref verify.Ref) verify.State {
		t.Helper()
		r, sub, err := there.Get(t.Context(), ref)
		require.NoError(t, err)
		return r.Effective(sub, time.Now())
	}
	frozen, locked, late := begin("a", "dana", time.Hour), begin("b", "erin", time.Hour), begin("c", "kim", 2*time.Second)
	wrong := begin("d", "erin", time.Hour) // of the same person
	seen := map[verify.Ref]<-chan verify.Record{}
	for _, ref := range []verify.Ref{frozen, locked, late} {
		seen[ref] = follow(t, w, ref)
		next(t, seen[ref], slow/2)
	}
	until := time.Now().Add(time.Hour)
	require.NoError(t, there.ChangeSubject(t.Context(), "contoso", "dana", verify.SubjectChange{FrozenUntil: &until, Stamp: verify.Stamp{ID: verify.NewEventID(), Kind: verify.EventFrozen}}, time.Now()))
	next(t, seen[frozen], slow/2)
	require.Equal(t, verify.StateFrozen, state(frozen))
	for range 2 {
		_, _, err := there.Attempt(t.Context(), wrong, verify.Try{Stamp: verify.Stamp{ID: verify.NewEventID(), Kind: verify.EventAttempted}}, time.Now())
		require.NoError(t, err)
	}
	next(t, seen[locked], slow/2)
	require.Equal(t, verify.StateLocked, state(locked))
	next(t, seen[late], slow/2)
	require.Equal(t, verify.StateExpired, state(late))
}

func TestALostNotificationAndALostConnectionAreHealed(t *testing.T) {
	t.Parallel()
	d, ring := verifySchema(t), newRing(t)
	wires := newWire(t, d)
	deaf := func(message byte) fate {
		if message == notification {
			return drop
		}
		return pass
	}
	wires.judge.Store(&deaf)
	name := "heal-" + d.schema[len(d.schema)-20:]
	w := watch(t, d, wires.dsn+"&application_name="+name, 2*time.Second)
	db := d.open(t)
	require.ErrorIs(t, runUntilListening(t, w, db, name), pgwatch.ErrRunning)
	there := newDesk(t, openVerify(t, d), ring)

	right := there.begin(t, "dana")
	ref := verify.Ref{Tenant: right.Tenant, ID: right.ID}
	seen := follow(t, w, ref)
	next(t, seen, slow/2)
	_, err := there.Check(t.Context(), right)
	require.NoError(t, err)
	seenConfirmed(t, seen) // by the poll

	before := wires.connections.Load()
	right = there.begin(t, "erin")
	ref = verify.Ref{Tenant: right.Tenant, ID: right.ID}
	seen = follow(t, w, ref)
	next(t, seen, slow/2)
	_, err = db.ExecContext(t.Context(), `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = $1`, name)
	require.NoError(t, err)
	_, err = there.Check(t.Context(), right)
	require.NoError(t, err)
	seenConfirmed(t, seen)
	require.Eventually(t, func() bool { return listeners(t, db, name) == 1 }, slow/2, 20*time.Millisecond, "it listens again")
	require.Greater(t, wires.connections.Load(), before)
}

func TestTwoInstallationsInOneDatabaseDoNotWakeEachOther(t *testing.T) {
	t.Parallel()
	d := verifySchema(t)
	names := map[string]bool{}
	for _, o := range []*sqlstore.Options{{Schema: d.schema}, {Schema: d.schema, Prefix: "acme_"}, {Schema: d.schema + "_b"}} {
		if o.Schema != d.schema {
			t.Cleanup(func() {
				_, err := d.open(t).ExecContext(context.Background(), `DROP SCHEMA "`+o.Schema+`" CASCADE`)
				require.NoError(t, err)
			})
		}
		require.NoError(t, sqlstore.Migrate(t.Context(), d.open(t), d.dialect, o))
		store, err := sqlstore.New(d.open(t), d.dialect, o)
		require.NoError(t, err)
		name, err := store.Channel(t.Context())
		require.NoError(t, err)
		require.True(t, strings.HasPrefix(name, "mspkit_"))
		require.LessOrEqual(t, len(name), 63, "PostgreSQL cuts longer names")
		names[name] = true
	}
	require.Len(t, names, 3)
	implied, err := sqlstore.New(d.open(t), d.dialect, nil) // by the search path
	require.NoError(t, err)
	name, err := implied.Channel(t.Context())
	require.NoError(t, err)
	require.Contains(t, names, name, "the same tables are the same channel")
	_, err = openVerify(t, verifyFile(t)).Channel(t.Context())
	require.ErrorIs(t, err, mspkit.ErrInvalid)
}

func TestNothingIsLeftOfAWatcher(t *testing.T) { //nolint:paralleltest // looks at the goroutines of the process
	before := goleak.IgnoreCurrent()
	t.Run("run", func(t *testing.T) {
		d, ring := verifySchema(t), newRing(t)
		name := "leak-" + d.schema[len(d.schema)-20:]
		w := watch(t, d, d.dsn+"&application_name="+name, slow)
		require.ErrorIs(t, runUntilListening(t, w, d.open(t), name), pgwatch.ErrRunning)
		right := newDesk(t, w, ring).begin(t, "dana")
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		n := 0
		for range w.Watch(ctx, verify.Ref{Tenant: right.Tenant, ID: right.ID}) {
			n++
			cancel() // ends the loop without an error
		}
		require.Equal(t, 1, n)
		for _, err := range w.Watch(t.Context(), verify.Ref{Tenant: right.Tenant, ID: "none"}) {
			require.ErrorIs(t, err, verify.ErrNotFound)
		}
	})
	goleak.VerifyNone(t, before)
}

// Commits that notify wait for each other, so it is counted what is told: one of a verification that succeeds, and none
// where nobody ever asked for the channel.
func TestOnlyWhatSomebodyWaitsForIsNotified(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	d, ring := verifySchema(t), newRing(t)
	store := openVerify(t, d)
	name, err := store.Channel(ctx)
	require.NoError(t, err)
	db := d.open(t)
	_, err = db.ExecContext(ctx, `DELETE FROM mspkit_verify_listening`)
	require.NoError(t, err)
	conn, err := pgx.Connect(ctx, d.dsn)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, conn.Close(context.Background())) })
	_, err = conn.Exec(ctx, "LISTEN "+name)
	require.NoError(t, err)
	desk := newDesk(t, store, ring)
	verification := func(subject string) string {
		t.Helper()
		right := desk.begin(t, subject)
		res, err := desk.Check(ctx, right)
		require.NoError(t, err)
		require.NoError(t, desk.Redeem(ctx, res.Proof, verify.Expect{Tenant: "contoso", Subject: subject, Action: verify.ActionIdentify, Technician: jane.ID}, "job"))
		return right.ID
	}
	told := func() (ids []string) {
		t.Helper()
		_, err := db.ExecContext(ctx, `SELECT pg_notify($1, 'last')`, name)
		require.NoError(t, err)
		for {
			n, err := conn.WaitForNotification(ctx)
			require.NoError(t, err)
			if n.Payload == "last" {
				return ids
			}
			ids = append(ids, n.Payload)
		}
	}
	verification("dana")
	require.Empty(t, told(), "nobody has asked")
	_, err = store.Channel(ctx)
	require.NoError(t, err)
	require.Equal(t, []string{verification("erin")}, told(), "the outcome, and of it the id alone")

	right := desk.begin(t, "kim")
	_, err = store.Expire(ctx, time.Now().Add(24*time.Hour), 100)
	require.NoError(t, err)
	require.Empty(t, told())
	ref := verify.Ref{Tenant: right.Tenant, ID: right.ID}
	require.NoError(t, store.Sent(ctx, ref, "m", verify.DeliveryFailed, verify.Stamp{ID: verify.NewEventID(), Kind: verify.EventUndelivered}, time.Now()))
	require.Equal(t, []string{right.ID}, told(), "a message that bounced")
}
