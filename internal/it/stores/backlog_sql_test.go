package stores_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/backlog"
	"github.com/mspkit/mspkit/internal/race"
	"github.com/mspkit/mspkit/internal/sqlx"
)

func accepted(key, id string) []backlog.Item {
	return []backlog.Item{{Tenant: "contoso", Key: key, ID: id, Sealed: []byte("\x01\x02k1sealed"), AddedAt: time.Now()}}
}

// nextOf takes the first item of a stream of contoso and ends it.
func nextOf(t *testing.T, s backlog.Store, key string) (string, error) {
	t.Helper()
	now := time.Now()
	it, err := s.Next(t.Context(), mspkit.Stream{Tenant: "contoso", Key: key}, "worker", now, now.Add(time.Minute))
	if err != nil {
		return "", err
	}
	return it.ID, s.Finish(t.Context(), it, "worker", backlog.Outcome{Done: true}, now)
}

// onInsert has the database do something before an item is inserted, as a trigger of the host could.
func onInsert(t *testing.T, db *sql.DB, d database, sqlite, postgres string) {
	t.Helper()
	statements := []string{
		`CREATE FUNCTION host() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN ` + postgres + ` RETURN NEW; END $$`,
		`CREATE TRIGGER host BEFORE INSERT ON mspkit_posts_items FOR EACH ROW EXECUTE FUNCTION host()`,
	}
	if d.dialect == sqlx.SQLite {
		statements = []string{`CREATE TRIGGER host BEFORE INSERT ON mspkit_posts_items ` + sqlite}
	}
	for _, text := range statements {
		_, err := db.ExecContext(t.Context(), text)
		require.NoError(t, err)
	}
}

func eachBacklogDatabase(t *testing.T, f func(t *testing.T, d database)) {
	t.Helper()
	eachDatabase(t, func(t *testing.T, d database) {
		t.Helper()
		f(t, migrateBacklog(t, d))
	})
}

// Calls are committed together, and none of them pays for another.
func TestAnAddThatFailsFailsNoOther(t *testing.T) {
	t.Parallel()
	eachBacklogDatabase(t, func(t *testing.T, d database) {
		t.Helper()
		store, db := openBacklog(t, d)
		onInsert(t, db, d, `WHEN NEW.id LIKE 'bad%' BEGIN SELECT RAISE(ABORT, 'refused by the host'); END`,
			`IF NEW.id LIKE 'bad%' THEN RAISE EXCEPTION 'refused by the host'; END IF;`)
		var added atomic.Int32
		race.On([]*backlog.SQL{store}, func(s *backlog.SQL, i int) {
			for round := range 5 {
				id := fmt.Sprintf("%d-%d", i, round)
				items := accepted(fmt.Sprint("a", i%3), id)
				if i%16 == 0 {
					items = append(items, accepted("a", "bad"+id)...)
				}
				n, err := s.Add(t.Context(), items)
				if i%16 == 0 {
					if err == nil || !strings.Contains(err.Error(), "refused by the host") || n != 0 {
						t.Error(n, err)
					}
					continue
				}
				if err != nil || n != 1 {
					t.Error(n, err)
				}
				added.Add(1)
			}
		})
		c, err := store.Count(t.Context(), "")
		require.NoError(t, err)
		require.Equal(t, int(added.Load()), c.Pending)
		require.Equal(t, 60*5, c.Pending)
	})
}

// Who waits for SQLite's one writer may leave, and what was not begun is not done.
func TestAnAddThatWaitsMayLeave(t *testing.T) {
	t.Parallel()
	d := migrateBacklog(t, sqliteFile(t))
	store, db := openBacklog(t, d)
	d.dsn += "&_txlock=immediate"
	other, err := d.open(t).BeginTx(t.Context(), nil)
	require.NoError(t, err)
	defer other.Rollback()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	first := make(chan error, 1)
	go func() { // is tried until the other writer is done
		_, err := store.Add(t.Context(), accepted("a", "first"))
		first <- err
	}()
	require.Eventually(t, func() bool { return db.Stats().InUse > 0 }, time.Minute, time.Millisecond)
	_, err = store.Add(ctx, accepted("a", "second"))
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.NoError(t, other.Rollback())
	require.NoError(t, <-first)
	n, err := store.Add(t.Context(), accepted("a", "third"))
	require.NoError(t, err)
	require.Equal(t, 1, n)
	list, err := store.List(t.Context(), backlog.Filter{})
	require.NoError(t, err)
	require.Len(t, list, 2)
	require.Equal(t, []string{"first", "third"}, []string{list[0].ID, list[1].ID})
}

// sleeping waits until a session sleeps in an insert of this test's schema, and returns its process.
func sleeping(t *testing.T, db *sql.DB) (pid int) {
	t.Helper()
	require.Eventually(t, func() bool {
		err := db.QueryRowContext(t.Context(), `SELECT pid FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND query LIKE '%' || current_schema() || '%'`).Scan(&pid)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			t.Log(err)
		}
		return err == nil
	}, time.Minute, 5*time.Millisecond)
	return pid
}

// An item whose number was given is not overtaken by a later one of its stream, however long its commit takes; other streams
// do not wait.
func TestALaterItemIsNotSeenBeforeAnEarlierOneOnPostgres(t *testing.T) {
	t.Parallel()
	d := migrateBacklog(t, postgresSchema(t))
	first, db := openBacklog(t, d)
	second, _ := openBacklog(t, d)
	onInsert(t, db, d, "", `IF NEW.id LIKE 'slow%' THEN PERFORM pg_sleep(2); END IF; IF NEW.id LIKE 'stuck%' THEN PERFORM pg_sleep(60); END IF;`)
	added := make(chan error, 2)
	add := func(s *backlog.SQL, id string) {
		_, err := s.Add(t.Context(), accepted("a", id))
		added <- err
	}
	go add(first, "slow")
	sleeping(t, db)
	go add(second, "fast")
	begun := time.Now()
	for _, key := range []string{"b", "c", "d"} { // one of them may share its lock with a
		_, err := second.Add(t.Context(), accepted(key, key))
		require.NoError(t, err)
	}
	t.Logf("three other streams took %v", time.Since(begun))
	var got []string
	require.Eventually(t, func() bool {
		id, err := nextOf(t, second, "a")
		if err == nil {
			got = append(got, id)
		} else {
			require.ErrorIs(t, err, backlog.ErrNone)
		}
		return len(got) == 2
	}, time.Minute, time.Millisecond)
	require.Equal(t, []string{"slow", "fast"}, got)
	require.NoError(t, errors.Join(<-added, <-added))

	// A process that dies in the middle keeps nobody waiting, and what it was told nothing about may come again.
	go add(first, "stuck")
	pid := sleeping(t, db)
	behind := make(chan error, 1)
	go func() {
		_, err := second.Add(t.Context(), accepted("a", "behind"))
		behind <- err
	}()
	_, err := db.ExecContext(t.Context(), `SELECT pg_terminate_backend($1)`, pid)
	require.NoError(t, err)
	require.Error(t, <-added)
	require.NoError(t, <-behind)
	id, err := nextOf(t, first, "a")
	require.NoError(t, err)
	require.Equal(t, "behind", id)
	_, err = nextOf(t, first, "a")
	require.ErrorIs(t, err, backlog.ErrNone)
	_, err = db.ExecContext(t.Context(), `DROP TRIGGER host ON mspkit_posts_items`)
	require.NoError(t, err)
	n, err := first.Add(t.Context(), accepted("a", "stuck"))
	require.NoError(t, err)
	require.Equal(t, 1, n)
}

// What was accepted and what became of it is on the disk also where the host has told PostgreSQL not to wait for it.
func TestABacklogDoesNotLoseItemsToAsynchronousCommits(t *testing.T) {
	t.Parallel()
	d := migrateBacklog(t, postgresSchema(t))
	u, err := url.Parse(d.dsn)
	require.NoError(t, err)
	q := u.Query()
	q.Set("synchronous_commit", "off")
	u.RawQuery = q.Encode()
	d.dsn = u.String()
	store, db := openBacklog(t, d)
	for _, text := range []string{
		`CREATE TABLE modes (what TEXT, mode TEXT)`,
		`CREATE FUNCTION host() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
			INSERT INTO modes VALUES (TG_OP, current_setting('synchronous_commit')); RETURN NULL; END $$`,
		`CREATE TRIGGER host AFTER INSERT OR UPDATE ON mspkit_posts_items FOR EACH STATEMENT EXECUTE FUNCTION host()`,
	} {
		_, err := db.ExecContext(t.Context(), text)
		require.NoError(t, err)
	}
	_, err = store.Add(t.Context(), accepted("a", "1"))
	require.NoError(t, err)
	_, err = nextOf(t, store, "a")
	require.NoError(t, err)
	rows, err := db.QueryContext(t.Context(), `SELECT what || ' ' || mode FROM modes ORDER BY ctid`)
	require.NoError(t, err)
	defer rows.Close()
	var modes []string
	for rows.Next() {
		var s string
		require.NoError(t, rows.Scan(&s))
		modes = append(modes, s)
	}
	require.NoError(t, rows.Err())
	require.Equal(t, []string{"INSERT on", "UPDATE off", "UPDATE on"}, modes, "what is only handed over is not worth it")
	var storage string
	require.NoError(t, db.QueryRowContext(t.Context(), `SELECT attstorage FROM pg_attribute
		WHERE attrelid = 'mspkit_posts_items'::regclass AND attname = 'sealed'`).Scan(&storage))
	require.Equal(t, "e", storage, "what is sealed is not compressed")
}

// Many streams of which only the last ones may be done: all first items are looked at, and nothing behind them.
func TestDueIsFoundAmongManyStreams(t *testing.T) {
	t.Parallel()
	eachBacklogDatabase(t, func(t *testing.T, d database) {
		t.Helper()
		now := time.Now().Truncate(time.Microsecond)
		store, db := openBacklog(t, d)
		numbers := `generate_series(0, 29999) AS g(x)`
		if d.dialect == sqlx.SQLite {
			numbers = `(WITH RECURSIVE c(x) AS (SELECT 0 UNION ALL SELECT x + 1 FROM c WHERE x < 29999) SELECT x FROM c)`
		}
		_, err := db.ExecContext(t.Context(), fmt.Sprintf(`INSERT INTO mspkit_posts_items (tenant, id, stream, state, tries, holder, held_until,
				due, added_at, ended_at, fault, sealed_key)
			SELECT 'contoso', 'i' || x, 's' || (x %% 3000), 'pending', 0, '', 0, CASE WHEN x < 3000 THEN %d ELSE 1 END, 1, 0, '', 'k1' FROM %s`,
			now.Add(time.Hour).UnixMicro(), numbers))
		require.NoError(t, err)
		due, err := store.Due(t.Context(), "posts", now, 10)
		require.NoError(t, err)
		require.Empty(t, due)
		var want []mspkit.Stream
		for i, tenant := range []mspkit.TenantID{"contoso", "adatum", "fabrikam"} {
			items := accepted("late", "late")
			items[0].Tenant, items[0].AddedAt = tenant, now.Add(-time.Duration(i)*time.Second)
			_, err := store.Add(t.Context(), items)
			require.NoError(t, err)
			want = append([]mspkit.Stream{items[0].Stream("posts")}, want...)
		}
		begun := time.Now()
		due, err = store.Due(t.Context(), "posts", now, 10)
		require.NoError(t, err)
		require.Equal(t, want, due)
		t.Logf("a look at 3003 streams with 30,003 items took %v", time.Since(begun))
		due, err = store.Due(t.Context(), "posts", now.Add(2*time.Hour), 5000)
		require.NoError(t, err)
		require.Len(t, due, 3003)
	})
}
