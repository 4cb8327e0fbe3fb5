package stores_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit/psa"
	"github.com/mspkit/mspkit/psa/psatest"
	psasql "github.com/mspkit/mspkit/psa/sqlstore"
)

// openPSA returns a store in tables of its own.
func openPSA(t *testing.T, d database) *psasql.Store {
	t.Helper()
	db := d.open(t)
	db.SetMaxOpenConns(5)
	o := &psasql.Options{Schema: d.schema}
	require.NoError(t, psasql.Migrate(t.Context(), db, d.dialect, o))
	require.NoError(t, psasql.Migrate(t.Context(), db, d.dialect, o), "again")
	store, err := psasql.New(db, d.dialect, o)
	require.NoError(t, err)
	return store
}

func TestMappingsOnSQLite(t *testing.T) {
	t.Parallel()
	psatest.TestMappings(t, func(t *testing.T) psa.MappingStore { t.Helper(); return openPSA(t, sqliteFile(t)) })
}

func TestMappingsOnPostgres(t *testing.T) {
	t.Parallel()
	psatest.TestMappings(t, func(t *testing.T) psa.MappingStore { t.Helper(); return openPSA(t, postgresSchema(t)) })
}

func TestDefaultsOnSQLite(t *testing.T) {
	t.Parallel()
	psatest.TestDefaults(t, func(t *testing.T) psa.DefaultsStore { t.Helper(); return openPSA(t, sqliteFile(t)) })
}

func TestDefaultsOnPostgres(t *testing.T) {
	t.Parallel()
	psatest.TestDefaults(t, func(t *testing.T) psa.DefaultsStore { t.Helper(); return openPSA(t, postgresSchema(t)) })
}

func TestMappingsNeedTheirTables(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, d database) {
		_, err := psasql.New(d.open(t), d.dialect, &psasql.Options{Schema: d.schema})
		require.ErrorIs(t, err, psasql.ErrOutdated)
		require.ErrorContains(t, err, "psa is at version 0, version 1 is needed")
		openPSA(t, d)
	})
}

// What a ticket system calls a company is stored whatever is in it.
func TestMappingsStoreHostileNames(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, d database) {
		store := openPSA(t, d)
		m := psa.Mapping{System: "halopsa", CompanyID: "1'; --", CompanyName: "a\x00b\xffc", Tenant: "contoso", By: "jane"}
		require.NoError(t, store.SaveMapping(t.Context(), m))
		list, err := store.Mappings(t.Context(), "halopsa")
		require.NoError(t, err)
		m.CompanyName = "a\ufffdb\ufffdc"
		require.Equal(t, []psa.Mapping{m}, list)
		require.NoError(t, store.DeleteMapping(t.Context(), "halopsa", "1'; --"))
		require.NoError(t, store.DeleteMapping(t.Context(), "halo\x00psa", "\xff"))
		got, err := store.Defaults(t.Context(), "a\x00b", "halo\x00psa")
		require.NoError(t, err)
		require.Zero(t, got)
	})
}
