package stores_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit/entra"
	"github.com/mspkit/mspkit/entra/entratest"
	entrasql "github.com/mspkit/mspkit/entra/sqlstore"
)

// openEntra opens two instances with pools of their own on the tables of d, as two processes have.
func openEntra(t *testing.T, d database) (first, second *entrasql.Store) {
	t.Helper()
	o := &entrasql.Options{Schema: d.schema}
	require.NoError(t, entrasql.Migrate(t.Context(), d.open(t), d.dialect, o))
	require.NoError(t, entrasql.Migrate(t.Context(), d.open(t), d.dialect, o), "again")
	stores := make([]*entrasql.Store, 2)
	for i := range stores {
		db := d.open(t)
		db.SetMaxOpenConns(5)
		var err error
		stores[i], err = entrasql.New(db, d.dialect, o)
		require.NoError(t, err)
	}
	return stores[0], stores[1]
}

func TestEntraStoreOnSQLite(t *testing.T) {
	t.Parallel()
	entratest.TestConnections(t, func(t *testing.T) (first, second entra.ConnectionStore) {
		t.Helper()
		return openEntra(t, sqliteFile(t))
	})
	entratest.TestTokens(t, func(t *testing.T) (first, second entra.TokenStore) {
		t.Helper()
		return openEntra(t, sqliteFile(t))
	})
	entratest.TestRevocations(t, func(t *testing.T) (first, second entra.Revocations) {
		t.Helper()
		return openEntra(t, sqliteFile(t))
	})
}

func TestEntraStoreOnPostgres(t *testing.T) {
	t.Parallel()
	entratest.TestConnections(t, func(t *testing.T) (first, second entra.ConnectionStore) {
		t.Helper()
		return openEntra(t, postgresSchema(t))
	})
	entratest.TestTokens(t, func(t *testing.T) (first, second entra.TokenStore) {
		t.Helper()
		return openEntra(t, postgresSchema(t))
	})
	entratest.TestRevocations(t, func(t *testing.T) (first, second entra.Revocations) {
		t.Helper()
		return openEntra(t, postgresSchema(t))
	})
}

func TestEntraStoreNeedsItsTables(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, d database) {
		_, err := entrasql.New(d.open(t), d.dialect, &entrasql.Options{Schema: d.schema})
		require.ErrorIs(t, err, entrasql.ErrOutdated)
		openEntra(t, d)
	})
}
