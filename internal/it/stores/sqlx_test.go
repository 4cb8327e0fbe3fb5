// Package stores_test runs the SQL stores of the module against the databases themselves. It is apart
// because the tests of a package that users import must not make them download a database driver.
package stores_test

import (
	"bufio"
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib"
	"github.com/stretchr/testify/require"
	_ "modernc.org/sqlite"

	"github.com/mspkit/mspkit/internal/sqlx"
)

// database is one empty place for tables: a file of its own, or a schema of its own.
type database struct {
	dialect sqlx.Dialect
	driver  string
	dsn     string
	schema  string
}

func (d database) open(t testing.TB) *sql.DB {
	t.Helper()
	db, err := sql.Open(d.driver, d.dsn)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	return db
}

func (d database) options() *sqlx.Options { return &sqlx.Options{Schema: d.schema} }

// sqliteFile returns a database in a file of the test, with the settings that docs recommend.
func sqliteFile(t testing.TB) database {
	t.Helper()
	path := filepath.Join(t.TempDir(), "test.db")
	return database{dialect: sqlx.SQLite, driver: "sqlite", dsn: "file:" + path + "?_pragma=journal_mode(WAL)&_pragma=synchronous(NORMAL)"}
}

// postgresSchema returns a schema of the PostgreSQL named by MSPKIT_TEST_POSTGRES (a URL), or of the one on
// this machine's loopback, which is dropped after the test. The schema does not exist yet.
func postgresSchema(t testing.TB) database {
	t.Helper()
	base := postgresURL(t)
	schema := "mspkit_test_" + strings.ToLower(rand.Text())
	u, err := url.Parse(base)
	require.NoError(t, err)
	q := u.Query()
	q.Set("search_path", schema)
	u.RawQuery = q.Encode()
	d := database{dialect: sqlx.Postgres, driver: "pgx", dsn: u.String(), schema: schema}
	t.Cleanup(func() {
		db, err := sql.Open("pgx", base)
		require.NoError(t, err)
		defer db.Close()
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		_, err = db.ExecContext(ctx, `DROP SCHEMA IF EXISTS "`+schema+`" CASCADE`)
		require.NoError(t, err)
	})
	return d
}

var foundPostgres = sync.OnceValues(func() (string, error) {
	if given := os.Getenv("MSPKIT_TEST_POSTGRES"); given != "" {
		return given, ping(given)
	}
	var errs []error
	for _, user := range []string{"root", "postgres"} {
		u := "postgres://" + user + "@" + net.JoinHostPort("127.0.0.1", "5432") + "/test?sslmode=disable"
		err := ping(u)
		if err == nil {
			return u, nil
		}
		errs = append(errs, err)
	}
	return "", errors.Join(errs...)
})

func postgresURL(t testing.TB) string {
	t.Helper()
	u, err := foundPostgres()
	if err != nil {
		if os.Getenv("MSPKIT_TEST_POSTGRES") != "" {
			t.Fatalf("MSPKIT_TEST_POSTGRES does not answer: %v", err)
		}
		t.Skipf("mspkit-needs: PostgreSQL, by MSPKIT_TEST_POSTGRES or trusting root or postgres on 127.0.0.1:5432, database test: %v", err)
	}
	return u
}

func ping(dsn string) error {
	db, err := sql.Open("pgx", dsn)
	if err != nil {
		return err
	}
	defer db.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	return db.PingContext(ctx)
}

// eachDatabase runs f on SQLite and on PostgreSQL.
func eachDatabase(t *testing.T, f func(t *testing.T, d database)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) { t.Parallel(); f(t, sqliteFile(t)) })
	t.Run("postgres", func(t *testing.T) { t.Parallel(); f(t, postgresSchema(t)) })
}

var sample = []sqlx.Migration{
	{Version: 1, SQL: []string{
		`CREATE TABLE {t}sample_item (id {identity}, name {text} NOT NULL UNIQUE, n {int} NOT NULL DEFAULT 0, raw {bytes})`,
		`CREATE INDEX {p}sample_item_n ON {t}sample_item (n)`,
		`INSERT INTO {t}sample_item (name, n) VALUES ('a', 0)`,
	}},
	{
		Version: 2, SQL: []string{`ALTER TABLE {t}sample_item ADD COLUMN note {text} NOT NULL DEFAULT '';`},
		Postgres: []string{`COMMENT ON TABLE {t}sample_item IS 'a sample'`},
		SQLite:   []string{`CREATE TABLE {t}sample_lite (a {int})`},
	},
}

func migrate(t *testing.T, d database, ms []sqlx.Migration) error {
	t.Helper()
	return sqlx.Migrate(t.Context(), d.open(t), d.dialect, "sample", ms, d.options())
}

func wrap(t *testing.T, d database) *sqlx.DB {
	t.Helper()
	db, err := sqlx.New(d.open(t), d.dialect, d.options())
	require.NoError(t, err)
	return db
}

func count(t *testing.T, db *sqlx.DB, query string, args ...any) int {
	t.Helper()
	var n int
	require.NoError(t, db.QueryRowContext(t.Context(), db.SQL(query), args...).Scan(&n))
	return n
}

func TestMigrateIsIdempotentAndSteps(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, d database) {
		db := wrap(t, d)
		require.ErrorIs(t, db.Check(t.Context(), "sample", 1), sqlx.ErrOutdated, "an empty database")
		require.NoError(t, migrate(t, d, sample[:1]))
		require.NoError(t, db.Check(t.Context(), "sample", 1))
		err := db.Check(t.Context(), "sample", 2)
		require.ErrorIs(t, err, sqlx.ErrOutdated)
		require.ErrorContains(t, err, "sample is at version 1, version 2 is needed")
		require.ErrorContains(t, err, "run Migrate")
		for range 3 {
			require.NoError(t, migrate(t, d, sample))
		}
		require.NoError(t, db.Check(t.Context(), "sample", 2))
		require.Equal(t, 1, count(t, db, "SELECT COUNT(*) FROM {t}sample_item WHERE note = ''"))
		require.Equal(t, 2, count(t, db, "SELECT COUNT(*) FROM {t}migrations WHERE component = ? AND applied_at > 0", "sample"))
	})
}

func TestAnOlderReleaseAcceptsANewerDatabase(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, d database) {
		require.NoError(t, migrate(t, d, sample))
		require.NoError(t, migrate(t, d, sample[:1]))
		require.NoError(t, wrap(t, d).Check(t.Context(), "sample", 1))
	})
}

func TestMigrateRefusesAnEditedMigration(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, d database) {
		require.NoError(t, migrate(t, d, sample))
		edited := []sqlx.Migration{{Version: 1, SQL: []string{`CREATE TABLE {t}sample_item (id {identity})`}}, sample[1], {Version: 3, SQL: []string{`CREATE TABLE {t}sample_more (a {int})`}}}
		err := migrate(t, d, edited)
		require.ErrorIs(t, err, sqlx.ErrEdited)
		require.ErrorContains(t, err, "sample version 1")
		require.ErrorIs(t, wrap(t, d).Check(t.Context(), "sample", 3), sqlx.ErrOutdated, "nothing after it ran")
	})
}

func TestAFailingMigrationLeavesNothing(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, d database) {
		broken := []sqlx.Migration{sample[0], {Version: 2, SQL: []string{`CREATE TABLE {t}sample_half (a {int})`, `CREATE NONSENSE`}}}
		err := migrate(t, d, broken)
		require.ErrorContains(t, err, "sample version 2, statement 2")
		require.ErrorIs(t, wrap(t, d).Check(t.Context(), "sample", 1), sqlx.ErrOutdated)
		require.NoError(t, migrate(t, d, sample), "the tables of the first try are gone")
	})
}

func TestEightInstancesMigrateAtOnce(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, d database) {
		errs := make([]error, 8)
		var wg sync.WaitGroup
		for i := range errs {
			db := d.open(t) // a pool of its own, as another process has
			component := "sample"
			ms := sample
			if i%4 == 3 { // another component at the same time
				component = "other"
				ms = []sqlx.Migration{{Version: 1, SQL: []string{`CREATE TABLE {t}other_item (a {int})`}}}
			}
			wg.Go(func() { errs[i] = sqlx.Migrate(t.Context(), db, d.dialect, component, ms, d.options()) })
		}
		wg.Wait()
		require.NoError(t, errors.Join(errs...))
		db := wrap(t, d)
		require.Equal(t, 1, count(t, db, "SELECT COUNT(*) FROM {t}sample_item"))
		require.Equal(t, 3, count(t, db, "SELECT COUNT(*) FROM {t}migrations"))
	})
}

func TestTwoPrefixesShareADatabase(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, d database) {
		o := d.options()
		o.Prefix = "acme_"
		require.NoError(t, migrate(t, d, sample))
		require.NoError(t, sqlx.Migrate(t.Context(), d.open(t), d.dialect, "sample", sample, o))
		require.NoError(t, sqlx.Check(t.Context(), d.open(t), d.dialect, "sample", 2, o))
	})
}

func TestScriptsOfAnotherToolAreKnown(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, d database) {
		scripts, err := sqlx.List(d.dialect, "sample", sample, d.options())
		require.NoError(t, err)
		db := d.open(t)
		if d.schema != "" {
			_, err := db.ExecContext(t.Context(), `CREATE SCHEMA "`+d.schema+`"`)
			require.NoError(t, err)
		}
		for _, s := range scripts {
			for stmt := range strings.SplitSeq(s.SQL, ";\n") {
				_, err := db.ExecContext(t.Context(), stmt)
				require.NoError(t, err, stmt)
			}
		}
		require.NoError(t, wrap(t, d).Check(t.Context(), "sample", 2))
		require.NoError(t, migrate(t, d, sample), "the checksums are Migrate's")
	})
}

const killedEnv = "MSPKIT_TEST_MIGRATE_AND_HANG"

// TestKilledWhileMigrating starts itself as a process that hangs between the statements of a migration and
// the note that it ran, and kills that process for real.
func TestKilledWhileMigrating(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, d database) {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestMigrateAndHang$", "-test.v")
		cmd.Env = append(os.Environ(), killedEnv+"="+strings.Join([]string{d.dialect.String(), d.driver, d.dsn, d.schema}, "\n"))
		out, err := cmd.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, cmd.Start())
		midway := false
		for s := bufio.NewScanner(out); !midway && s.Scan(); {
			midway = strings.Contains(s.Text(), "midway")
		}
		require.True(t, midway, "the process ended before it got there")
		require.NoError(t, cmd.Process.Kill())
		_, _ = io.Copy(io.Discard, out)
		require.Error(t, cmd.Wait())

		require.ErrorIs(t, wrap(t, d).Check(t.Context(), "sample", 1), sqlx.ErrOutdated)
		require.NoError(t, migrate(t, d, sample))
		require.NoError(t, wrap(t, d).Check(t.Context(), "sample", 2))
	})
}

// TestMigrateAndHang is the process that [TestKilledWhileMigrating] kills; elsewhere it does nothing.
func TestMigrateAndHang(t *testing.T) { //nolint:paralleltest // alone in its process
	given := os.Getenv(killedEnv)
	if given == "" {
		return
	}
	p := strings.Split(given, "\n")
	d := database{dialect: sqlx.SQLite, driver: p[1], dsn: p[2], schema: p[3]}
	if p[0] == sqlx.Postgres.String() {
		d.dialect = sqlx.Postgres
	}
	o := d.options()
	o.Now = func() time.Time { // asked for after the statements ran and before they are noted
		fmt.Println("midway") // to the test that waits for it
		select {}
	}
	t.Fatal(sqlx.Migrate(t.Context(), d.open(t), d.dialect, "sample", sample, o))
}

func TestWriteTxLosesNoIncrement(t *testing.T) {
	t.Parallel()
	const workers, each = 64, 5
	eachDatabase(t, func(t *testing.T, d database) {
		require.NoError(t, migrate(t, d, sample))
		a, b := wrap(t, d), wrap(t, d) // two instances
		pools := []*sqlx.DB{a, b}
		read := a.SQL("SELECT n FROM {t}sample_item WHERE name = ? {for_update}")
		write := a.SQL("UPDATE {t}sample_item SET n = ? WHERE name = ?")
		errs := make([]error, workers)
		slots := make(chan struct{}, 32) // PostgreSQL refuses more than 100 connections
		var wg sync.WaitGroup
		for i := range workers {
			wg.Go(func() {
				for range each {
					slots <- struct{}{}
					err := pools[i%2].WriteTx(t.Context(), func(ctx context.Context, tx *sqlx.Tx) error {
						var n int
						if err := tx.QueryRowContext(ctx, read, "a").Scan(&n); err != nil {
							return err
						}
						_, err := tx.ExecContext(ctx, write, n+1, "a")
						return err
					})
					<-slots
					errs[i] = errors.Join(errs[i], err)
				}
			})
		}
		wg.Wait()
		require.NoError(t, errors.Join(errs...))
		require.Equal(t, workers*each, count(t, a, "SELECT n FROM {t}sample_item WHERE name = ?", "a"))
	})
}

func TestWriteTxUndoesAndGoesOn(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, d database) {
		require.NoError(t, migrate(t, d, sample))
		db := wrap(t, d)
		insert := db.SQL("INSERT INTO {t}sample_item (name) VALUES (?)")
		err := db.WriteTx(t.Context(), func(ctx context.Context, tx *sqlx.Tx) error {
			_, err := tx.ExecContext(ctx, insert, "b")
			require.NoError(t, err)
			_, _ = tx.ExecContext(ctx, insert, "a") // not unique, and swallowed
			return nil
		})
		require.ErrorIs(t, err, sqlx.ErrFailed)
		require.Equal(t, 1, count(t, db, "SELECT COUNT(*) FROM {t}sample_item"))

		ctx, cancel := context.WithCancel(t.Context())
		err = db.WriteTx(ctx, func(ctx context.Context, tx *sqlx.Tx) error {
			_, err := tx.ExecContext(ctx, insert, "c")
			require.NoError(t, err)
			cancel()
			_, err = tx.ExecContext(ctx, insert, "d")
			return err
		})
		require.ErrorIs(t, err, context.Canceled)
		require.Equal(t, 1, count(t, db, "SELECT COUNT(*) FROM {t}sample_item"))

		require.NoError(t, db.WriteTx(t.Context(), func(ctx context.Context, tx *sqlx.Tx) error {
			n, err := tx.Affected(ctx, insert, "e")
			require.Equal(t, int64(1), n)
			return err
		}), "the next one finds no trace of it")
		require.Equal(t, 2, count(t, db, "SELECT COUNT(*) FROM {t}sample_item"))
	})
}

func TestWriteTxRunsAgainAfterADeadlock(t *testing.T) {
	t.Parallel()
	d := postgresSchema(t)
	require.NoError(t, migrate(t, d, sample))
	db := wrap(t, d)
	_, err := db.ExecContext(t.Context(), db.SQL("INSERT INTO {t}sample_item (name) VALUES ('b')"))
	require.NoError(t, err)
	add := db.SQL("UPDATE {t}sample_item SET n = n + 1 WHERE name = ?")
	var meet sync.WaitGroup // both hold their first row before either asks for its second
	meet.Add(2)
	crossed := func(first, second string) error {
		once := sync.OnceFunc(func() { meet.Done(); meet.Wait() })
		return db.WriteTx(t.Context(), func(ctx context.Context, tx *sqlx.Tx) error {
			if _, err := tx.ExecContext(ctx, add, first); err != nil {
				return err
			}
			once()
			_, err := tx.ExecContext(ctx, add, second)
			return err
		})
	}
	errs := make(chan error, 2)
	go func() { errs <- crossed("a", "b") }()
	go func() { errs <- crossed("b", "a") }()
	require.NoError(t, <-errs)
	require.NoError(t, <-errs)
	require.Equal(t, 4, count(t, db, "SELECT SUM(n) FROM {t}sample_item"))
}

func TestTextSortsByBytesInBoth(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, d database) {
		require.NoError(t, migrate(t, d, sample))
		db := wrap(t, d)
		for _, name := range []string{"B", "_", "ä", "b"} {
			_, err := db.ExecContext(t.Context(), db.SQL("INSERT INTO {t}sample_item (name) VALUES (?)"), name)
			require.NoError(t, err)
		}
		rows, err := db.QueryContext(t.Context(), db.SQL("SELECT name FROM {t}sample_item ORDER BY name"))
		require.NoError(t, err)
		defer rows.Close()
		var got []string
		for rows.Next() {
			var s string
			require.NoError(t, rows.Scan(&s))
			got = append(got, s)
		}
		require.NoError(t, rows.Err())
		require.Equal(t, []string{"B", "_", "a", "b", "ä"}, got)
	})
}

func BenchmarkWriteTx(b *testing.B) {
	d := sqliteFile(b)
	raw := d.open(b)
	require.NoError(b, sqlx.Migrate(b.Context(), raw, d.dialect, "sample", sample, nil))
	db, err := sqlx.New(raw, d.dialect, nil)
	require.NoError(b, err)
	q := db.SQL("UPDATE {t}sample_item SET n = n + 1 WHERE name = ?")
	b.Run("bare", func(b *testing.B) {
		for b.Loop() {
			tx, err := raw.BeginTx(b.Context(), nil)
			require.NoError(b, err)
			_, err = tx.ExecContext(b.Context(), q, "a")
			require.NoError(b, err)
			require.NoError(b, tx.Commit())
		}
	})
	b.Run("WriteTx", func(b *testing.B) {
		for b.Loop() {
			require.NoError(b, db.WriteTx(b.Context(), func(ctx context.Context, tx *sqlx.Tx) error {
				_, err := tx.ExecContext(ctx, q, "a")
				return err
			}))
		}
	})
	b.Run("WriteTx, 64 at once", func(b *testing.B) {
		b.SetParallelism(32)
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				err := db.WriteTx(b.Context(), func(ctx context.Context, tx *sqlx.Tx) error {
					_, err := tx.ExecContext(ctx, q, "a")
					return err
				})
				if err != nil {
					b.Error(err)
				}
			}
		})
	})
}
