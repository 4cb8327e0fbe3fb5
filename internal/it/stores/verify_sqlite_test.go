package stores_test

import (
	"errors"
	"fmt"
	"os"
	"strings"
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

func TestVerifyFactorStoreOnSQLite(t *testing.T) {
	t.Parallel()
	verifytest.TestFactorStore(t, func(t *testing.T) func() verify.FactorStore {
		t.Helper()
		d := verifyFile(t)
		return func() verify.FactorStore { return openVerify(t, d) }
	})
}

func TestADatabaseFileThatVanishesConfirmsNothing(t *testing.T) {
	t.Parallel()
	d, ring := verifyFile(t), newRing(t)
	db := d.open(t)
	db.SetMaxIdleConns(-1) // every step opens the file anew
	store, err := sqlstore.New(db, d.dialect, nil)
	require.NoError(t, err)
	desk := newDesk(t, between{store, func() error { return errors.Join(removeDatabase(d)...) }}, ring)
	right := desk.begin(t, "dana")
	res, err := desk.Check(t.Context(), right)
	require.ErrorContains(t, err, "no such table")
	require.Empty(t, res)
	_, err = desk.Start(t.Context(), codeRequest("dana"))
	require.ErrorContains(t, err, "no such table")
	_, err = sqlstore.New(d.open(t), d.dialect, nil)
	require.ErrorIs(t, err, sqlstore.ErrOutdated)
}

// removeDatabase removes the files of a SQLite database.
func removeDatabase(d database) (errs []error) {
	path, _, _ := strings.Cut(strings.TrimPrefix(d.dsn, "file:"), "?")
	for _, end := range []string{"", "-wal", "-shm"} {
		if err := os.Remove(path + end); !errors.Is(err, os.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errs
}

func TestAFullDiskLeavesNothingHalfDone(t *testing.T) {
	t.Parallel()
	d, ring := verifyFile(t), newRing(t)
	full := d
	full.dsn += "&_pragma=max_page_count(34)"
	desk := newDesk(t, openVerify(t, full), ring)
	started := 0
	for ; started < 1000; started++ {
		_, err := desk.Start(t.Context(), codeRequest(fmt.Sprint("subject-", started)))
		if err != nil {
			require.ErrorContains(t, err, "full")
			break
		}
	}
	require.NotZero(t, started)
	require.Less(t, started, 1000)
	store := openVerify(t, d) // the disk has room again
	rs, err := store.List(t.Context(), verify.Query{Tenant: "contoso"})
	require.NoError(t, err)
	es, err := store.Events(t.Context(), verify.EventQuery{Limit: 10_000})
	require.NoError(t, err)
	events := map[string]int{}
	for _, e := range es {
		events[e.Challenge]++
	}
	require.Len(t, events, len(rs))
	require.GreaterOrEqual(t, len(rs), started)
	for _, r := range rs {
		require.Equal(t, 1+int(r.Delivery), events[r.ID], "started, and sent where that is stored")
	}
	right := newDesk(t, store, ring)
	res, err := right.Check(t.Context(), right.begin(t, "erin"))
	require.NoError(t, err)
	require.Equal(t, verify.StateConfirmed, res.State)
}
