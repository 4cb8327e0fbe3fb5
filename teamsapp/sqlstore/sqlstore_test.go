package sqlstore_test

import (
	"database/sql"
	"testing"

	"github.com/mspkit/mspkit/internal/sqlx"
	"github.com/mspkit/mspkit/internal/sqlx/sqlxtest"
	"github.com/mspkit/mspkit/teamsapp/sqlstore"
)

func TestThePackageExportsWhatEveryStoreDoes(t *testing.T) {
	t.Parallel()
	sqlxtest.Run(t, sqlxtest.Package[sqlstore.Options]{
		Component: "teamsapp", Tables: []string{"references", "claims"},
		Sums: map[sqlx.Dialect][]string{
			sqlx.SQLite: {
				"3d5deaeaf3aa3a4179401c482eb18975f60402121a2a572a2f4b938b058866f2",
			},
			sqlx.Postgres: {
				"e0b357614ad5d4820966baaca3e49e8ba56063165ff757cacb656e62b9a85d5a",
			},
		},
		Options: func(prefix, schema string) *sqlstore.Options {
			return &sqlstore.Options{Prefix: prefix, Schema: schema}
		},
		New: func(db *sql.DB, d sqlstore.Dialect, o *sqlstore.Options) error {
			_, err := sqlstore.New(db, d, o)
			return err
		},
		Migrate: sqlstore.Migrate, Migrations: sqlstore.Migrations,
	})
}
