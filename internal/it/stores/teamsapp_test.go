package stores_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit/teamsapp"
	"github.com/mspkit/mspkit/teamsapp/sqlstore"
	"github.com/mspkit/mspkit/teamsapp/teamstest"
)

// openTeams opens an instance with a pool of its own, as another process has.
func openTeams(t testing.TB, d database) *sqlstore.Store {
	t.Helper()
	db := d.open(t)
	db.SetMaxOpenConns(8) // a PostgreSQL server takes 100 connections, also from tests beside this one
	store, err := sqlstore.New(db, d.dialect, &sqlstore.Options{Schema: d.schema})
	require.NoError(t, err)
	return store
}

// migrateTeams makes the tables of sqlstore in d.
func migrateTeams(t testing.TB, d database) database {
	t.Helper()
	require.NoError(t, sqlstore.Migrate(context.Background(), d.open(t), d.dialect, &sqlstore.Options{Schema: d.schema}))
	return d
}

func TestTeamsStoreOnSQLite(t *testing.T) {
	t.Parallel()
	teamstest.TestStore(t, func(t *testing.T) (first, second teamsapp.Store) {
		t.Helper()
		d := migrateTeams(t, sqliteFile(t))
		return openTeams(t, d), openTeams(t, d)
	})
}

func TestTeamsStoreOnPostgres(t *testing.T) {
	t.Parallel()
	teamstest.TestStore(t, func(t *testing.T) (first, second teamsapp.Store) {
		t.Helper()
		d := migrateTeams(t, postgresSchema(t))
		return openTeams(t, d), openTeams(t, d)
	})
}
