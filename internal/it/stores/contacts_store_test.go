package stores_test

import (
	"context"
	"database/sql"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/contacts"
	"github.com/mspkit/mspkit/contacts/contactstest"
	contactsql "github.com/mspkit/mspkit/contacts/sqlstore"
)

// believed is the precedence of directories under test.
var believed = contacts.Precedence{
	Default: []string{"entra", "connectwise"}, Of: map[contacts.Field][]string{contacts.FieldPhones: {"connectwise"}},
}

// openDirectory opens an instance with a pool of its own, as another process has.
func openDirectory(t testing.TB, d database, p contacts.Precedence) *contactsql.Store {
	t.Helper()
	store, _ := openDirectoryDB(t, d, p)
	return store
}

func openDirectoryDB(t testing.TB, d database, p contacts.Precedence) (*contactsql.Store, *sql.DB) {
	t.Helper()
	db := d.open(t)
	db.SetMaxOpenConns(5) // a PostgreSQL server takes 100 connections, also from tests beside this one
	store, err := contactsql.New(db, d.dialect, &contactsql.Options{Schema: d.schema, Precedence: p})
	require.NoError(t, err)
	return store, db
}

// migrateDirectory makes the tables of a directory in d.
func migrateDirectory(t testing.TB, d database) database {
	t.Helper()
	require.NoError(t, contactsql.Migrate(context.Background(), d.open(t), d.dialect, &contactsql.Options{Schema: d.schema}))
	return d
}

func eachDirectoryDatabase(t *testing.T, f func(t *testing.T, d database)) {
	t.Helper()
	eachDatabase(t, func(t *testing.T, d database) {
		t.Helper()
		f(t, migrateDirectory(t, d))
	})
}

// histories is how many random histories a database is held to: six, with MSPKIT_SOAK=1 twenty, and two where a short run is
// asked for, as with the race detector.
func histories() int {
	switch {
	case os.Getenv("MSPKIT_SOAK") != "":
		return 20
	case testing.Short():
		return 2
	}
	return 6
}

func TestDirectoryOnSQLite(t *testing.T) {
	t.Parallel()
	contactstest.TestDirectory(t, func(t *testing.T, p contacts.Precedence) func() contacts.Directory {
		t.Helper()
		d := migrateDirectory(t, sqliteFile(t))
		return func() contacts.Directory { return openDirectory(t, d, p) }
	}, &contactstest.DirectoryOptions{Histories: histories()})
}

// One connection is what hosts with SQLite often allow: no verb may need a second one.
func TestDirectoryOnOneConnectionToSQLite(t *testing.T) {
	t.Parallel()
	contactstest.TestDirectory(t, func(t *testing.T, p contacts.Precedence) func() contacts.Directory {
		t.Helper()
		store, db := openDirectoryDB(t, migrateDirectory(t, sqliteFile(t)), p)
		db.SetMaxOpenConns(1)
		return func() contacts.Directory { return store }
	}, &contactstest.DirectoryOptions{Histories: 2})
}

func TestDirectoryOnPostgres(t *testing.T) {
	t.Parallel()
	contactstest.TestDirectory(t, func(t *testing.T, p contacts.Precedence) func() contacts.Directory {
		t.Helper()
		d := migrateDirectory(t, postgresSchema(t))
		return func() contacts.Directory { return openDirectory(t, d, p) }
	}, &contactstest.DirectoryOptions{Histories: histories()})
}

func TestDirectoriesNeedTheirTables(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, d database) {
		o := &contactsql.Options{Schema: d.schema}
		db := d.open(t)
		_, err := contactsql.New(db, d.dialect, o)
		require.ErrorIs(t, err, contactsql.ErrOutdated)
		require.ErrorContains(t, err, "contacts is at version 0, version 1 is needed")
		require.NoError(t, contactsql.Migrate(t.Context(), db, d.dialect, o))
		require.NoError(t, contactsql.Migrate(t.Context(), db, d.dialect, o), "again")
		_, err = contactsql.New(db, d.dialect, &contactsql.Options{Schema: d.schema, Precedence: contacts.Precedence{Of: map[contacts.Field][]string{"shoe size": {"entra"}}}})
		require.ErrorIs(t, err, mspkit.ErrInvalid)

		o.Prefix = "other_"
		require.NoError(t, contactsql.Migrate(t.Context(), db, d.dialect, o))
		second, err := contactsql.New(db, d.dialect, o)
		require.NoError(t, err)
		require.NoError(t, importTenant(t.Context(), second, 0))
		first := openDirectory(t, d, believed)
		events, err := first.Events(t.Context(), crowdTenant(0), 0, 10)
		require.NoError(t, err)
		require.Empty(t, events, "each prefix has tables of its own")
	})
}
