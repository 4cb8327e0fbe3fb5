package stores_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit/verify"
	"github.com/mspkit/mspkit/verify/sqlstore"
	"github.com/mspkit/mspkit/verify/verifytest"
)

// verifySchema returns a schema of PostgreSQL with the tables of sqlstore.
func verifySchema(t testing.TB) database {
	t.Helper()
	d := postgresSchema(t)
	require.NoError(t, sqlstore.Migrate(context.Background(), d.open(t), d.dialect, &sqlstore.Options{Schema: d.schema}))
	return d
}

func TestVerifyStoreOnPostgres(t *testing.T) {
	t.Parallel()
	verifytest.TestStore(t, func(t *testing.T) func() verify.Store {
		t.Helper()
		d := verifySchema(t)
		return func() verify.Store { return openVerify(t, d) }
	})
}

func TestVerifyFactorStoreOnPostgres(t *testing.T) {
	t.Parallel()
	verifytest.TestFactorStore(t, func(t *testing.T) func() verify.FactorStore {
		t.Helper()
		d := verifySchema(t)
		return func() verify.FactorStore { return openVerify(t, d) }
	})
}
