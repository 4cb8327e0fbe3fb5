package sqlstore_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/teamsapp/sqlstore"
)

var errUnreachable = errors.New("unreachable")

// nowhere is a database that cannot be reached. The stores run against real ones in internal/it/stores.
type nowhere struct{}

func (nowhere) Connect(context.Context) (driver.Conn, error) { return nil, errUnreachable }
func (nowhere) Driver() driver.Driver                        { return nil }

func TestNewAndMigrateRefuseWhatCannotBeUsed(t *testing.T) {
	t.Parallel()
	db := sql.OpenDB(nowhere{})
	for name, c := range map[string]struct {
		db      *sql.DB
		dialect sqlstore.Dialect
		options *sqlstore.Options
		want    error
		text    string
	}{
		"no database":               {nil, sqlstore.SQLite, nil, mspkit.ErrInvalid, "the database is nil"},
		"no dialect":                {db, 0, nil, mspkit.ErrInvalid, "unknown dialect"},
		"a prefix with a quote":     {db, sqlstore.SQLite, &sqlstore.Options{Prefix: `a"; --`}, mspkit.ErrInvalid, "table prefix"},
		"a schema on SQLite":        {db, sqlstore.SQLite, &sqlstore.Options{Schema: "help"}, mspkit.ErrInvalid, "SQLite has no schemas"},
		"a database that is absent": {db, sqlstore.SQLite, nil, errUnreachable, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := sqlstore.New(c.db, c.dialect, c.options)
			require.ErrorIs(t, err, c.want)
			require.ErrorContains(t, err, "sqlstore: new: ")
			require.ErrorContains(t, err, c.text)
			err = sqlstore.Migrate(t.Context(), c.db, c.dialect, c.options)
			require.ErrorIs(t, err, c.want)
			require.ErrorContains(t, err, "sqlstore: migrate: ")
		})
	}
}

func TestMigrationsAreTextForOtherTools(t *testing.T) {
	t.Parallel()
	lite, err := sqlstore.Migrations(sqlstore.SQLite, &sqlstore.Options{Prefix: "acme_"})
	require.NoError(t, err)
	require.NotEmpty(t, lite)
	require.Equal(t, "teamsapp", lite[0].Component)
	for _, table := range []string{"references", "claims"} {
		require.Contains(t, lite[0].SQL, "CREATE TABLE acme_teamsapp_"+table+" (")
	}
	require.NotContains(t, lite[0].SQL, "mspkit_")
	require.NotContains(t, lite[0].SQL, "{")

	post, err := sqlstore.Migrations(sqlstore.Postgres, &sqlstore.Options{Schema: "help"})
	require.NoError(t, err)
	require.Len(t, post, len(lite))
	require.Contains(t, post[0].SQL, `CREATE TABLE "help".mspkit_teamsapp_references`)
	require.Contains(t, post[0].SQL, "BYTEA")
	require.NotContains(t, post[0].SQL, "AUTOINCREMENT")

	_, err = sqlstore.Migrations(0, nil)
	require.ErrorIs(t, err, mspkit.ErrInvalid)
}

// TestReleasedMigrationsStayAsTheyAre fails where a migration that databases have run is edited: those would
// never get the change. Add a migration and a line instead.
func TestReleasedMigrationsStayAsTheyAre(t *testing.T) {
	t.Parallel()
	for dialect, sums := range map[sqlstore.Dialect][]string{
		sqlstore.SQLite:   {"3d5deaeaf3aa3a4179401c482eb18975f60402121a2a572a2f4b938b058866f2"},
		sqlstore.Postgres: {"e0b357614ad5d4820966baaca3e49e8ba56063165ff757cacb656e62b9a85d5a"},
	} {
		scripts, err := sqlstore.Migrations(dialect, nil)
		require.NoError(t, err)
		require.Len(t, scripts, len(sums))
		for i, sum := range sums {
			_, noted, _ := strings.Cut(scripts[i].SQL, "VALUES ('teamsapp', ")
			require.Contains(t, noted, "'"+sum, "migration %d on %s", i+1, dialect)
		}
	}
}
