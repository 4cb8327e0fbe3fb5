package stores_test

import (
	"context"
	"database/sql"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit/psa/outbox"
	"github.com/mspkit/mspkit/psa/outbox/outboxtest"
	outboxsql "github.com/mspkit/mspkit/psa/outbox/sqlstore"
)

// openOutbox opens an instance with a pool of its own, as another process has.
func openOutbox(t testing.TB, d database) *outboxsql.Store {
	t.Helper()
	store, _ := openOutboxDB(t, d)
	return store
}

func openOutboxDB(t testing.TB, d database) (*outboxsql.Store, *sql.DB) {
	t.Helper()
	db := d.open(t)
	db.SetMaxOpenConns(5) // a PostgreSQL server takes 100 connections, also from tests beside this one
	store, err := outboxsql.New(db, d.dialect, &outboxsql.Options{Schema: d.schema})
	require.NoError(t, err)
	return store, db
}

// migrateOutbox makes the tables of an outbox in d.
func migrateOutbox(t testing.TB, d database) database {
	t.Helper()
	require.NoError(t, outboxsql.Migrate(context.Background(), d.open(t), d.dialect, &outboxsql.Options{Schema: d.schema}))
	return d
}

func eachOutboxDatabase(t *testing.T, f func(t *testing.T, d database)) {
	t.Helper()
	eachDatabase(t, func(t *testing.T, d database) {
		t.Helper()
		f(t, migrateOutbox(t, d))
	})
}

func TestOutboxStoreOnSQLite(t *testing.T) {
	t.Parallel()
	outboxtest.TestStorePair(t, func(t *testing.T) (first, second outbox.Store) {
		t.Helper()
		d := migrateOutbox(t, sqliteFile(t))
		return openOutbox(t, d), openOutbox(t, d)
	})
}

// One connection is what hosts with SQLite often allow: no verb may need a second one.
func TestOutboxStoreOnOneConnectionToSQLite(t *testing.T) {
	t.Parallel()
	outboxtest.TestStore(t, func(t *testing.T) outbox.Store {
		t.Helper()
		store, db := openOutboxDB(t, migrateOutbox(t, sqliteFile(t)))
		db.SetMaxOpenConns(1)
		return store
	})
}

func TestOutboxStoreOnPostgres(t *testing.T) {
	t.Parallel()
	outboxtest.TestStorePair(t, func(t *testing.T) (first, second outbox.Store) {
		t.Helper()
		d := migrateOutbox(t, postgresSchema(t))
		return openOutbox(t, d), openOutbox(t, d)
	})
}
