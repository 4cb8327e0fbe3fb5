package stores_test

import (
	"context"
	"database/sql"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit/internal/backlog"
	"github.com/mspkit/mspkit/internal/backlog/backlogtest"
	"github.com/mspkit/mspkit/internal/sqlx"
)

// migrateBacklog makes the table of a backlog in d.
func migrateBacklog(t testing.TB, d database) database {
	t.Helper()
	both, postgres := backlog.Schema("posts")
	migrations := []sqlx.Migration{{Version: 1, SQL: both, Postgres: postgres}}
	require.NoError(t, sqlx.Migrate(context.Background(), d.open(t), d.dialect, "posts", migrations, d.options()))
	return d
}

// openBacklog opens an instance with a pool of its own, as another process has.
func openBacklog(t testing.TB, d database) (*backlog.SQL, *sql.DB) {
	t.Helper()
	db := d.open(t)
	db.SetMaxOpenConns(5) // a PostgreSQL server takes 100 connections, also from tests beside this one
	x, err := sqlx.New(db, d.dialect, d.options())
	require.NoError(t, err)
	return backlog.NewSQL(x, "posts"), db
}

func TestBacklogOnSQLite(t *testing.T) {
	t.Parallel()
	backlogtest.TestPair(t, func(t *testing.T) (first, second backlog.Store) {
		t.Helper()
		d := migrateBacklog(t, sqliteFile(t))
		first, _ = openBacklog(t, d)
		second, _ = openBacklog(t, d)
		return first, second
	})
}

// One connection is what hosts with SQLite often allow: no method may need a second one.
func TestBacklogOnOneConnectionToSQLite(t *testing.T) {
	t.Parallel()
	backlogtest.TestStore(t, func(t *testing.T) backlog.Store {
		t.Helper()
		store, db := openBacklog(t, migrateBacklog(t, sqliteFile(t)))
		db.SetMaxOpenConns(1)
		return store
	})
}

func TestBacklogOnPostgres(t *testing.T) {
	t.Parallel()
	backlogtest.TestPair(t, func(t *testing.T) (first, second backlog.Store) {
		t.Helper()
		d := migrateBacklog(t, postgresSchema(t))
		first, _ = openBacklog(t, d)
		second, _ = openBacklog(t, d)
		return first, second
	})
}
