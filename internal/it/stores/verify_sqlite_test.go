package stores_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit/verify"
	"github.com/mspkit/mspkit/verify/sqlstore"
	"github.com/mspkit/mspkit/verify/verifytest"
)

// verifyFile returns a SQLite database with the tables of sqlstore.
func verifyFile(t testing.TB) database {
	t.Helper()
	d := sqliteFile(t)
	d.dsn += "&_pragma=busy_timeout(5000)"
	require.NoError(t, sqlstore.Migrate(t.Context(), d.open(t), d.dialect, nil))
	return d
}

// openVerify opens an instance with a pool of its own, as another process has.
func openVerify(t testing.TB, d database) *sqlstore.Store {
	t.Helper()
	db := d.open(t)
	if d.dialect == sqlstore.Postgres {
		db.SetMaxOpenConns(8) // the server takes 100 connections, also from tests beside this one
	}
	store, err := sqlstore.New(db, d.dialect, &sqlstore.Options{Schema: d.schema})
	require.NoError(t, err)
	return store
}

func TestVerifyStoreOnSQLite(t *testing.T) {
	t.Parallel()
	verifytest.TestStore(t, func(t *testing.T) func() verify.Store {
		t.Helper()
		d := verifyFile(t)
		return func() verify.Store { return openVerify(t, d) }
	})
}

func TestVerifyStoreOnPostgres(t *testing.T) {
	t.Parallel()
	verifytest.TestStore(t, func(t *testing.T) func() verify.Store {
		t.Helper()
		d := postgresSchema(t)
		require.NoError(t, sqlstore.Migrate(context.Background(), d.open(t), d.dialect, &sqlstore.Options{Schema: d.schema}))
		return func() verify.Store { return openVerify(t, d) }
	})
}
