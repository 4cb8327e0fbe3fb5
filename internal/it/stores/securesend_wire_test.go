package stores_test

import (
	"database/sql"
	"fmt"
	"net/url"
	"regexp"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/securesend"
	sendsql "github.com/mspkit/mspkit/securesend/sqlstore"
)

// sends returns a store on one connection through the wire.
func (w *wire) sends(t testing.TB) *sendsql.Store {
	t.Helper()
	db := w.open(t)
	db.SetMaxOpenConns(1)
	store, err := sendsql.New(db, w.dialect, &sendsql.Options{Schema: w.schema})
	require.NoError(t, err)
	return store
}

func TestStepsOfASendNeedTwoRoundTripsOnPostgres(t *testing.T) {
	t.Parallel()
	ctx, now := t.Context(), time.Now()
	w := newWire(t, sendSchema(t))
	store := w.sends(t)
	for _, id := range []string{"warm", "r"} { // the first prepares the statements
		r := simpleSend(id, now)
		r.Sizes = []int64{5}
		var errs [6]error
		var trips []int64
		for i, do := range []func() error{
			func() error { return store.Put(ctx, r, told(securesend.EventCreated, "jane"), now) },
			func() error { _, err := store.Stat(ctx, r.Ref); return err },
			func() error { _, err := store.Take(ctx, r.Ref, takes("mine"), now); return err },
			func() error { _, err := store.Take(ctx, r.Ref, takes("another's"), now); return err },
			func() error {
				_, err := store.Extend(ctx, r.Ref, securesend.Fetch{Claim: []byte("mine"), Auth: r.Auth, To: 1}, now)
				return err
			},
			func() error {
				_, err := store.Ack(ctx, r.Ref, []byte("mine"), r.Auth, told(securesend.EventAcknowledged, securesend.ByRecipient), now)
				return err
			},
		} {
			before := w.trips.Load()
			errs[i] = do()
			trips = append(trips, w.trips.Load()-before)
		}
		require.ErrorIs(t, errs[3], securesend.ErrOpening)
		errs[3] = nil
		require.Equal(t, [6]error{}, errs)
		if id == "r" {
			require.Equal(t, []int64{1, 1, 2, 1, 2, 2}, trips, "Put, Stat, Take, a refused Take, Extend, Ack")
		}
	}
}

func TestAStepWhoseAnswerIsLostMayBeRepeated(t *testing.T) {
	t.Parallel()
	ctx, now := t.Context(), time.Now()
	w := newWire(t, sendSchema(t))
	store, other := w.sends(t), openSend(t, w.database) // the other one sees what was stored
	r := simpleSend("r", now)
	require.NoError(t, store.Put(ctx, r, told(securesend.EventCreated, "jane"), now))
	lost := func(trip int64, f func() error) securesend.Record {
		t.Helper()
		w.cutAfter(trip)
		require.Error(t, f())
		got, err := other.Stat(ctx, r.Ref)
		require.NoError(t, err)
		return got
	}
	var got securesend.Record
	take := func() (err error) {
		got, err = store.Take(ctx, r.Ref, takes("mine"), now)
		return err
	}
	require.Equal(t, securesend.StateReady, lost(1, take).State, "only read")
	warm := func(id string) { // so that a new connection has its statements
		require.NoError(t, store.Put(ctx, simpleSend(id, now), told(securesend.EventCreated, "jane"), now))
		ref := securesend.Ref{Tenant: "contoso", ID: id}
		_, err := store.Take(ctx, ref, takes("mine"), now)
		require.NoError(t, err)
		_, err = store.Ack(ctx, ref, []byte("mine"), []byte("auth"), told(securesend.EventAcknowledged, securesend.ByRecipient), now)
		require.NoError(t, err)
	}
	warm("second")
	require.Equal(t, securesend.StateOpening, lost(2, take).State, "the server did it all the same")
	require.Empty(t, got, "a half left although nobody knows whether the claim is stored")
	_, err := other.Take(ctx, r.Ref, takes("another's"), now)
	require.ErrorIs(t, err, securesend.ErrOpening)
	require.NoError(t, take())
	require.Equal(t, r.Half, got.Half)
	require.Equal(t, 1, got.Views)
	warm("third")
	ack := func() (err error) {
		got, err = store.Ack(ctx, r.Ref, []byte("mine"), r.Auth, told(securesend.EventAcknowledged, securesend.ByRecipient), now)
		return err
	}
	require.Equal(t, securesend.StateAcknowledged, lost(2, ack).State)
	require.NoError(t, ack())
	events, err := other.Events(ctx, securesend.EventQuery{Limit: 100})
	require.NoError(t, err)
	var kinds []securesend.EventKind
	for _, e := range events {
		if e.Send == r.ID {
			kinds = append(kinds, e.Kind)
		}
	}
	require.Equal(t, []securesend.EventKind{securesend.EventCreated, securesend.EventRevealed, securesend.EventAcknowledged}, kinds)
}

// The triggers make a host's synchronous_commit = off count for nothing where something was answered.
func TestWhatASendAnsweredIsOnTheDisk(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	d := sendSchema(t)
	d.dsn += "&synchronous_commit=" + url.QueryEscape("off")
	db := d.open(t)
	for table, verbs := range map[string]map[string]bool{
		"records":  {"UPDATE mspkit_securesend_records SET blobs = 0 WHERE false": true, "DELETE FROM mspkit_securesend_records": true},
		"events":   {"INSERT INTO mspkit_securesend_events (tenant, id, event) VALUES ('t', 'i', '{}')": true, "DELETE FROM mspkit_securesend_events": false},
		"counters": {"INSERT INTO mspkit_securesend_counters VALUES ('n', 1, 1)": true, "UPDATE mspkit_securesend_counters SET counted = 2": true, "DELETE FROM mspkit_securesend_counters": false},
	} {
		for text, durable := range verbs {
			tx, err := db.BeginTx(ctx, nil)
			require.NoError(t, err)
			_, err = tx.ExecContext(ctx, text)
			require.NoError(t, err, text)
			var now string
			require.NoError(t, tx.QueryRowContext(ctx, "SHOW synchronous_commit").Scan(&now))
			require.NoError(t, tx.Rollback())
			require.Equal(t, durable, now == "on", "%s: %s", table, text)
		}
	}
	// Within the one statement of a step it is in time for its commit.
	store, now := openSend(t, d), time.Now()
	before := flushed(t, db)
	for i := range 20 {
		r := simpleSend(fmt.Sprint("r", i), now)
		require.NoError(t, store.Put(ctx, r, told(securesend.EventCreated, "jane"), now))
		after := flushed(t, db)
		require.NotEqual(t, before, after, "the commit did not wait for the disk")
		before = after
	}
}

// flushed returns how far the log of the server is on the disk.
func flushed(t *testing.T, db *sql.DB) string {
	t.Helper()
	return column(t, db, "SELECT CAST(pg_current_wal_flush_lsn() AS text)")[0]
}

// TestNoBackgroundOfSendsReadsAWholeTable looks at the plans of everything that is asked for again and again, on 50,000 rows.
func TestNoBackgroundOfSendsReadsAWholeTable(t *testing.T) {
	t.Parallel()
	const n = 50_000
	d, ctx := sendSchema(t), t.Context()
	plain := d.open(t)
	plain.SetMaxOpenConns(1)
	first := simpleSend("first", time.UnixMicro(1).UTC())
	first.Expiry, first.ExpiresAt = time.UnixMicro(1<<40), time.UnixMicro(1<<40)
	require.NoError(t, openSend(t, d).Put(ctx, first, told(securesend.EventCreated, "jane"), time.UnixMicro(1)))
	for _, text := range []string{
		// Of all rows three quarters have ended, and half of these have files left.
		`CREATE TEMPORARY TABLE many AS SELECT r.* FROM mspkit_securesend_records r, generate_series(1, 50000) g`,
		`WITH numbered AS (SELECT ctid AS place, row_number() OVER () AS g FROM many) UPDATE many SET id = 'old' || g, tenant = 'tenant-' || g % 1000,
			subject = 'person-' || g, created_at = g, sweep_at = 1000000 + g, ended_at = CASE WHEN g % 4 = 0 THEN 0 ELSE g END, blobs = g % 2
			FROM numbered WHERE many.ctid = place`,
		`INSERT INTO mspkit_securesend_records SELECT * FROM many`,
		`INSERT INTO mspkit_securesend_events (tenant, id, event) SELECT 'tenant-' || g % 1000, 'old' || g, '{}' FROM generate_series(1, 50000) g`,
		`INSERT INTO mspkit_securesend_counters SELECT 'old' || g, 1, g FROM generate_series(1, 50000) g`,
		`ANALYZE mspkit_securesend_records, mspkit_securesend_events, mspkit_securesend_counters`,
	} {
		_, err := plain.ExecContext(ctx, text)
		require.NoError(t, err, text)
	}
	var sent []statement
	db := sql.OpenDB(recorder{plain.Driver(), d.dsn, &sent})
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	store, err := sendsql.New(db, d.dialect, &sendsql.Options{Schema: d.schema})
	require.NoError(t, err)
	at := time.UnixMicro(n / 2)
	scan := regexp.MustCompile(`Seq Scan on mspkit_securesend_\w+`)
	for name, do := range map[string]func() error{
		"Stat":   func() error { _, err := store.Stat(ctx, first.Ref); return err },
		"Events": func() error { _, err := store.Events(ctx, securesend.EventQuery{Limit: 100}); return err },
		"Events, but": func() error {
			_, err := store.Events(ctx, securesend.EventQuery{Limit: 100, Skip: []mspkit.TenantID{"tenant-1"}})
			return err
		},
		"AckEvents":              func() error { return store.AckEvents(ctx, []string{"old1", "old2"}) },
		"Expire":                 func() error { _, err := store.Expire(ctx, time.UnixMicro(1_000_000+n/2), 100); return err },
		"Expire, nothing is due": func() error { _, err := store.Expire(ctx, time.UnixMicro(5), 100); return err },
		"Dead":                   func() error { _, err := store.Dead(ctx, []string{"europe", "us"}, 100); return err },
		"DeleteExpired":          func() error { _, err := store.DeleteExpired(ctx, at, at, 100); return err },
		"DeleteExpired, everything": func() error {
			_, err := store.DeleteExpired(ctx, time.UnixMicro(1<<40), time.UnixMicro(1<<40), 100)
			return err
		},
		"DeleteExpired, nothing": func() error {
			_, err := store.DeleteExpired(ctx, time.UnixMicro(0), time.UnixMicro(0), 100)
			return err
		},
		"List": func() error { _, err := store.List(ctx, securesend.Query{Tenant: "tenant-7", Limit: 20}); return err },
		"List of a ticket": func() error {
			_, err := store.List(ctx, securesend.Query{Tenant: "tenant-7", Limit: 20, Ticket: mspkit.Ticket{System: "halopsa", ID: "4711"}})
			return err
		},
		"List of a person": func() error {
			_, err := store.List(ctx, securesend.Query{Tenant: "tenant-7", Limit: 20, Subject: "person-7"})
			return err
		},
		"Count": func() error {
			return store.Count(ctx, []securesend.Limit{{Name: "a", Key: "old1", Max: 5, Window: time.Hour}}, at)
		},
	} {
		sent = nil
		require.NoError(t, do(), name)
		require.NotEmpty(t, sent, name)
		for _, s := range sent {
			if text := plan(t, plain, s); scan.MatchString(text) {
				t.Errorf("%s reads a whole table:\n%s\n%s", name, s.query, text)
			}
		}
	}
}

// A number is given before its commit. Whoever reads events waits for those that have one, so that none comes late.
func TestEventsWaitForThoseThatAreBeingStoredOnPostgres(t *testing.T) {
	t.Parallel()
	ctx, now := t.Context(), time.Now()
	d := sendSchema(t)
	holder := d.open(t)
	for _, text := range []string{
		`CREATE TABLE held (id bigint)`, `INSERT INTO held VALUES (1)`,
		// Between the number and the commit of the event "slow" stands whoever holds that row.
		`CREATE FUNCTION hold() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM 1 FROM held FOR UPDATE; RETURN NULL; END $$`,
		`CREATE TRIGGER hold AFTER INSERT ON mspkit_securesend_events FOR EACH ROW WHEN (NEW.id = 'slow') EXECUTE FUNCTION hold()`,
	} {
		_, err := holder.ExecContext(ctx, text)
		require.NoError(t, err)
	}
	named := d
	named.dsn += "&application_name=" + d.schema
	writer, reader := openSend(t, d), openSend(t, named)
	for _, id := range []string{"r0", "r1"} {
		require.NoError(t, writer.Put(ctx, simpleSend(id, now), told(securesend.EventCreated, "jane"), now))
	}
	tx, err := holder.BeginTx(ctx, nil)
	require.NoError(t, err)
	_, err = tx.ExecContext(ctx, `SELECT 1 FROM held FOR UPDATE`)
	require.NoError(t, err)
	note := func(record, event string) error {
		return writer.Note(ctx, securesend.Ref{Tenant: "contoso", ID: record}, securesend.Stamp{ID: event, Kind: securesend.EventSent}, now)
	}
	slow := make(chan error, 1)
	go func() { slow <- note("r0", "slow") }()
	waiting := func(where string) bool {
		n := column(t, holder, `SELECT CAST(COUNT(*) AS text) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND `+where)
		return n[0] != "0"
	}
	require.Eventually(t, func() bool { return waiting(`query LIKE '%` + d.schema + `%INSERT INTO%events%'`) }, 30*time.Second, time.Millisecond)
	require.NoError(t, note("r1", "fast"), "who stores does not wait for others")
	read := make(chan []securesend.Event, 1)
	go func() {
		events, err := reader.Events(ctx, securesend.EventQuery{Limit: 10})
		if err != nil {
			t.Error(err)
		}
		read <- events
	}()
	require.Eventually(t, func() bool { return len(read) > 0 || waiting(`application_name = '`+d.schema+`'`) }, 30*time.Second, time.Millisecond)
	require.Empty(t, read, "events were read although one that stands before them was not committed")
	require.NoError(t, tx.Rollback())
	require.NoError(t, <-slow)
	var ids []string
	for _, e := range <-read {
		ids = append(ids, e.ID)
	}
	require.Equal(t, []string{"slow", "fast"}, ids[len(ids)-2:])
}
