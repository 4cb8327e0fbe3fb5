package stores_test

import (
	"context"
	"database/sql"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/race"
	"github.com/mspkit/mspkit/psa"
	"github.com/mspkit/mspkit/psa/outbox"
	outboxsql "github.com/mspkit/mspkit/psa/outbox/sqlstore"
)

// waiting is a note of contoso in ticket 4711.
func waiting(id string, now time.Time) outbox.Entry {
	return outbox.Entry{
		Tenant: "contoso", ID: id, Ticket: mspkit.Ticket{System: "halopsa", ID: "4711"}, State: outbox.Pending,
		Sealed: []byte("\x01\x02k1sealed"), Parts: 1, Due: now, AddedAt: now,
	}
}

// keyedNote is a note with a key, and its hashes.
func keyedNote(id, key string, now time.Time) (outbox.Entry, [][]byte) {
	e := waiting(id, now)
	e.Key = []byte(key)
	return e, [][]byte{e.Key}
}

// hostTx begins a transaction of the host, which on SQLite is one that writes.
func hostTx(t *testing.T, d database) *sql.Tx {
	t.Helper()
	if d.dialect == outboxsql.SQLite {
		d.dsn += "&_txlock=immediate"
	}
	tx, err := d.open(t).BeginTx(t.Context(), nil)
	require.NoError(t, err)
	t.Cleanup(func() { _ = tx.Rollback() })
	return tx
}

func deliverOne(t *testing.T, store outbox.Store, now time.Time) string {
	t.Helper()
	e, err := store.Next(t.Context(), waiting("", now).Stream(), "worker", now, now.Add(time.Minute))
	require.NoError(t, err)
	require.NoError(t, store.Finish(t.Context(), e, "worker", outbox.Outcome{NoteID: "1", EventID: "event-" + e.ID}, now))
	return e.ID
}

func TestANoteIsAcceptedWithTheHostsTransaction(t *testing.T) {
	t.Parallel()
	eachOutboxDatabase(t, func(t *testing.T, d database) {
		t.Helper()
		ctx, now, store := t.Context(), time.Now(), openOutbox(t, d)
		db := d.open(t)
		_, err := db.ExecContext(ctx, `CREATE TABLE orders (id INTEGER)`)
		require.NoError(t, err)

		for _, commit := range []bool{false, true} {
			id := fmt.Sprint("n-", commit)
			tx := hostTx(t, d)
			_, err := tx.ExecContext(ctx, `INSERT INTO orders VALUES (1)`)
			require.NoError(t, err)
			e, keys := keyedNote(id, "key", now)
			got, added, err := store.AddTx(ctx, tx, e, keys)
			require.NoError(t, err)
			require.Equal(t, []any{id, true}, []any{got, added})
			got, added, err = store.AddTx(ctx, tx, e, keys)
			require.NoError(t, err)
			require.Equal(t, []any{id, false}, []any{got, added}, "again in the same transaction")
			_, err = store.Get(ctx, "contoso", id)
			require.ErrorIs(t, err, outbox.ErrNotFound, "nobody else sees it yet")
			due, err := store.Due(ctx, now, 10)
			require.NoError(t, err)
			require.Empty(t, due)
			if commit {
				require.NoError(t, tx.Commit())
			} else {
				require.NoError(t, tx.Rollback())
			}
			var orders int
			require.NoError(t, db.QueryRowContext(ctx, `SELECT COUNT(*) FROM orders`).Scan(&orders))
			list, err := store.List(ctx, outbox.Filter{})
			require.NoError(t, err)
			require.Len(t, list, orders, "both or none")
		}
		require.Equal(t, "n-true", deliverOne(t, store, now))
		tx := hostTx(t, d)
		again, keys := keyedNote("another", "key", now)
		id, added, err := store.AddTx(ctx, tx, again, keys)
		require.NoError(t, err)
		require.Equal(t, []any{"n-true", false}, []any{id, added}, "the key is known although the note is delivered")
		require.NoError(t, tx.Commit())
	})
}

func TestAddTxRefusesWhatCannotBeStored(t *testing.T) {
	t.Parallel()
	eachOutboxDatabase(t, func(t *testing.T, d database) {
		t.Helper()
		ctx, now, store := t.Context(), time.Now(), openOutbox(t, d)
		_, _, err := store.AddTx(ctx, nil, waiting("n", now), nil)
		require.ErrorIs(t, err, mspkit.ErrInvalid)
		tx := hostTx(t, d)
		for name, change := range map[string]func(*outbox.Entry){
			"no tenant":            func(e *outbox.Entry) { e.Tenant = "" },
			"no ticket":            func(e *outbox.Entry) { e.Ticket = mspkit.Ticket{} },
			"no ticket id":         func(e *outbox.Entry) { e.Ticket.ID = "" },
			"a slash":              func(e *outbox.Entry) { e.Ticket.System = "halo/psa" },
			"no id":                func(e *outbox.Entry) { e.ID = "" },
			"an id with a zero":    func(e *outbox.Entry) { e.ID = "a\x00b" },
			"a tenant with a zero": func(e *outbox.Entry) { e.Tenant = "a\x00b" },
		} {
			e := waiting("n", now)
			change(&e)
			_, _, err := store.AddTx(ctx, tx, e, nil)
			require.ErrorIs(t, err, mspkit.ErrInvalid, name)
			_, _, err = store.Add(ctx, e, nil)
			require.ErrorIs(t, err, mspkit.ErrInvalid, name)
		}
		_, added, err := store.AddTx(ctx, tx, waiting("n", now), nil)
		require.NoError(t, err, "the transaction is not spoiled")
		require.True(t, added)
		require.NoError(t, tx.Commit())
		_, err = store.Next(ctx, mspkit.Stream{Kind: "other", Tenant: "contoso", Key: "halopsa/4711"}, "worker", now, now)
		require.ErrorIs(t, err, mspkit.ErrInvalid)
		_, err = store.Next(ctx, waiting("", now).Stream(), "", now, now)
		require.ErrorIs(t, err, mspkit.ErrInvalid)
		_, err = store.List(ctx, outbox.Filter{State: "lost"})
		require.ErrorIs(t, err, mspkit.ErrInvalid)
	})
}

// On PostgreSQL a host that takes its time keeps nobody waiting but who adds the same note.
func TestAnOpenTransactionDoesNotHoldUpItsTicket(t *testing.T) {
	t.Parallel()
	d := migrateOutbox(t, postgresSchema(t))
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	now, store := time.Now(), openOutbox(t, d)
	_, _, err := store.Add(ctx, waiting("before", now), nil)
	require.NoError(t, err)

	slow := hostTx(t, d)
	e, keys := keyedNote("slow", "key", now)
	_, added, err := store.AddTx(ctx, slow, e, keys)
	require.NoError(t, err)
	require.True(t, added)

	other := hostTx(t, d)
	_, _, err = store.AddTx(ctx, other, waiting("other", now), nil)
	require.NoError(t, err)
	require.NoError(t, other.Commit())
	_, _, err = store.Add(ctx, waiting("after", now), nil)
	require.NoError(t, err)
	for _, want := range []string{"before", "other", "after"} {
		require.Equal(t, want, deliverOne(t, store, now))
	}
	_, err = store.Next(ctx, e.Stream(), "worker", now, now.Add(time.Minute))
	require.ErrorIs(t, err, outbox.ErrNone)

	same, second := make(chan string, 1), openOutbox(t, d)
	go func() { // waits for slow
		e, keys := keyedNote("twin", "key", now)
		id, added, err := second.Add(ctx, e, keys)
		same <- fmt.Sprintf("%s %t %v", id, added, err)
	}()
	require.NoError(t, slow.Commit())
	require.Equal(t, "slow false <nil>", <-same)
	require.Equal(t, "slow", deliverOne(t, store, now), "a note that is committed later comes later")
}

// While keys are rotated some instances know the newer key and others do not. They meet in the hash that both have.
func TestAKeyIsOneWhileKeysAreRotated(t *testing.T) {
	t.Parallel()
	eachOutboxDatabase(t, func(t *testing.T, d database) {
		t.Helper()
		ctx, now := t.Context(), time.Now()
		stores := []*outboxsql.Store{openOutbox(t, d), openOutbox(t, d)}
		for round := range 10 {
			older, newer := []byte(fmt.Sprint("old ", round)), []byte(fmt.Sprint("new ", round))
			var won atomic.Int32
			race.On(stores, func(s *outboxsql.Store, i int) {
				e := waiting(fmt.Sprintf("n-%d-%d", round, i), now)
				keys := [][][]byte{{older}, {older, newer}, {newer, older}}[i%3]
				e.Key = keys[0]
				id, added, err := s.Add(ctx, e, keys)
				if err != nil || !strings.HasPrefix(id, fmt.Sprintf("n-%d-", round)) {
					t.Error(id, err)
				}
				if added {
					won.Add(1)
				}
			})
			require.Equal(t, int32(1), won.Load())
			for _, h := range [][]byte{older, newer} { // whoever came first, both are known by now
				e := waiting("late", now)
				e.Key = h
				_, added, err := stores[0].Add(ctx, e, [][]byte{h})
				require.NoError(t, err)
				require.False(t, added)
			}
		}
	})
}

func TestOutboxesNeedTheirTables(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, d database) {
		o := &outboxsql.Options{Schema: d.schema}
		db := d.open(t)
		_, err := outboxsql.New(db, d.dialect, o)
		require.ErrorIs(t, err, outboxsql.ErrOutdated)
		require.ErrorContains(t, err, "psa_outbox is at version 0, version 1 is needed")
		require.ErrorContains(t, err, "run Migrate")
		require.NoError(t, outboxsql.Migrate(t.Context(), db, d.dialect, o))
		require.NoError(t, outboxsql.Migrate(t.Context(), db, d.dialect, o), "again")
		_, err = outboxsql.New(db, d.dialect, o)
		require.NoError(t, err)

		other := &outboxsql.Options{Schema: d.schema, Prefix: "other_"}
		require.NoError(t, outboxsql.Migrate(t.Context(), db, d.dialect, other))
		second, err := outboxsql.New(db, d.dialect, other)
		require.NoError(t, err)
		_, _, err = second.Add(t.Context(), waiting("n", time.Now()), nil)
		require.NoError(t, err)
		list, err := openOutbox(t, d).List(t.Context(), outbox.Filter{})
		require.NoError(t, err)
		require.Empty(t, list, "each prefix has tables of its own")
	})
}

// What was accepted and tried is on the disk also where the host has told PostgreSQL not to wait for it.
func TestAnOutboxDoesNotLoseNotesToAsynchronousCommits(t *testing.T) {
	t.Parallel()
	d := migrateOutbox(t, postgresSchema(t))
	store, db := openOutboxDB(t, d)
	tx, err := db.BeginTx(t.Context(), nil)
	require.NoError(t, err)
	defer tx.Rollback()
	_, err = tx.ExecContext(t.Context(), `SET LOCAL synchronous_commit = 'off'`)
	require.NoError(t, err)
	_, _, err = store.AddTx(t.Context(), tx, waiting("n", time.Now()), nil)
	require.NoError(t, err)
	var mode string
	require.NoError(t, tx.QueryRowContext(t.Context(), `SHOW synchronous_commit`).Scan(&mode))
	require.Equal(t, "on", mode)
}

// quiet is a ticket system that does not answer, and then refuses with the note in its words.
type quiet struct{ says string }

func (q quiet) AddNote(context.Context, psa.TicketRef, psa.Note) (string, error) {
	return "", errors.New(q.says)
}

func TestAnOutboxStoresNothingInClear(t *testing.T) {
	t.Parallel()
	eachOutboxDatabase(t, func(t *testing.T, d database) {
		t.Helper()
		ctx, store := t.Context(), openOutbox(t, d)
		secrets := map[string]string{"title": "Canary title", "text": "Dana's canary text +1 202 555 0142", "key": "canary-key-17"}
		box, err := outbox.New(quiet{"could not write: " + secrets["text"]}, store, newRing(t), nil)
		require.NoError(t, err)
		ref := psa.TicketRef{Tenant: "contoso", Ticket: mspkit.Ticket{System: "halopsa", ID: "4711"}}
		note := psa.Note{Title: secrets["title"], Text: secrets["text"], Key: secrets["key"]}
		id, err := box.AddNote(ctx, ref, note)
		require.NoError(t, err)
		tx := hostTx(t, d)
		note.Key += "-2"
		_, err = box.AddNoteTx(ctx, tx, ref, note)
		require.NoError(t, err)
		require.NoError(t, tx.Commit())
		_, err = box.Drain(ctx, outbox.StreamOf(ref))
		require.NoError(t, err)
		e, err := store.Get(ctx, "contoso", id)
		require.NoError(t, err)
		require.NotEmpty(t, e.Fault, "it was tried")

		everything := dumpOutbox(t, d)
		require.Contains(t, everything, id, "the dump misses what is there")
		require.Contains(t, everything, "4711")
		require.Contains(t, everything, string(e.Sealed))
		for what, secret := range secrets {
			for _, s := range []string{secret, strings.ToUpper(secret), fmt.Sprintf("%x", secret), base64.StdEncoding.EncodeToString([]byte(secret))} {
				require.NotContains(t, everything, s, "the %s is in the database", what)
			}
		}
	})
}

func dumpOutbox(t *testing.T, d database) string {
	t.Helper()
	db, prefix := d.open(t), ""
	if d.schema != "" {
		prefix = d.schema + "."
	}
	var out strings.Builder
	for _, table := range []string{"notes", "keys", "streams", "events"} {
		out.WriteString(dumpTable(t, db, prefix+"mspkit_psa_outbox_"+table))
	}
	return out.String()
}

// A ticket system that is down leaves many notes that are due behind first ones that have to wait. What may be tried is
// found behind all of them.
func TestDueIsFoundBehindABacklog(t *testing.T) {
	t.Parallel()
	eachOutboxDatabase(t, func(t *testing.T, d database) {
		t.Helper()
		ctx, now := t.Context(), time.Now().Truncate(time.Microsecond)
		store, db := openOutboxDB(t, d)
		numbers := `generate_series(0, 9999) AS g(x)`
		if d.dialect == outboxsql.SQLite {
			numbers = `(WITH RECURSIVE c(x) AS (SELECT 0 UNION ALL SELECT x + 1 FROM c WHERE x < 9999) SELECT x FROM c)`
		}
		_, err := db.ExecContext(ctx, fmt.Sprintf(`INSERT INTO mspkit_psa_outbox_notes (tenant, id, ticket_system, ticket_id, state, sealed_key,
				parts, done, note_ids, tries, unclear, unclear_before, trying_until, tried_at, due, added_at, ended_at, fault)
			SELECT 'contoso', 'n' || x, 'halopsa', 't' || (x %% 50), 'pending', 'k1', 1, 0, '', 0, 0, 0, 0, 0,
				CASE WHEN x < 50 THEN %d ELSE x END, x, 0, '' FROM %s`, now.Add(time.Hour).UnixMicro(), numbers))
		require.NoError(t, err)
		due, err := store.Due(ctx, now, 10)
		require.NoError(t, err)
		require.Empty(t, due)

		var want []mspkit.Stream
		for i, at := range []mspkit.TenantID{"contoso", "adatum", "fabrikam"} { // before and after the others
			e := waiting(fmt.Sprint("late", i), now.Add(-time.Duration(i)*time.Second))
			e.Tenant = at
			_, _, err := store.Add(ctx, e, nil)
			require.NoError(t, err)
			want = append([]mspkit.Stream{e.Stream()}, want...)
		}
		due, err = store.Due(ctx, now, 10)
		require.NoError(t, err)
		require.Equal(t, want, due)
		due, err = store.Due(ctx, now, 2)
		require.NoError(t, err)
		require.Equal(t, want[:2], due)
		_, err = store.Next(ctx, want[0], "worker", now, now.Add(time.Minute))
		require.NoError(t, err)
		due, err = store.Due(ctx, now, 10)
		require.NoError(t, err)
		require.Equal(t, want[1:], due, "but for the one that is held")
		due, err = store.Due(ctx, now.Add(2*time.Hour), 100)
		require.NoError(t, err)
		require.Len(t, due, 53)
	})
}
