package stores_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit/teamsapp/changefeed"
	"github.com/mspkit/mspkit/teamsapp/changefeed/changefeedtest"
	"github.com/mspkit/mspkit/teamsapp/changefeed/sqlstore"
)

// openChangefeed opens an instance with a pool of its own, as another process has.
func openChangefeed(t testing.TB, d database) *sqlstore.Store {
	t.Helper()
	db := d.open(t)
	db.SetMaxOpenConns(5) // a PostgreSQL server takes 100 connections, also from tests beside this one
	store, err := sqlstore.New(db, d.dialect, &sqlstore.Options{Schema: d.schema})
	require.NoError(t, err)
	return store
}

// migrateChangefeed makes the tables of sqlstore in d.
func migrateChangefeed(t testing.TB, d database) database {
	t.Helper()
	require.NoError(t, sqlstore.Migrate(context.Background(), d.open(t), d.dialect, &sqlstore.Options{Schema: d.schema}))
	return d
}

func TestChangefeedStoreOnSQLite(t *testing.T) {
	t.Parallel()
	changefeedtest.TestStore(t, func(t *testing.T) (first, second changefeed.Store) {
		t.Helper()
		d := migrateChangefeed(t, sqliteFile(t))
		return openChangefeed(t, d), openChangefeed(t, d)
	})
}

func TestChangefeedStoreOnPostgres(t *testing.T) {
	t.Parallel()
	changefeedtest.TestStore(t, func(t *testing.T) (first, second changefeed.Store) {
		t.Helper()
		d := migrateChangefeed(t, postgresSchema(t))
		return openChangefeed(t, d), openChangefeed(t, d)
	})
}

// One connection is what hosts with SQLite often allow: no method may need a second one.
func TestChangefeedStoreOnOneConnectionToSQLite(t *testing.T) {
	t.Parallel()
	changefeedtest.TestStore(t, func(t *testing.T) (first, second changefeed.Store) {
		t.Helper()
		d := migrateChangefeed(t, sqliteFile(t))
		db := d.open(t)
		db.SetMaxOpenConns(1)
		store, err := sqlstore.New(db, d.dialect, nil)
		require.NoError(t, err)
		return store, store
	})
}
