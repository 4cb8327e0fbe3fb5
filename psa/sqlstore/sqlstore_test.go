package sqlstore_test

import (
	"database/sql"
	"testing"

	"github.com/mspkit/mspkit/internal/sqlx"
	"github.com/mspkit/mspkit/internal/sqlx/sqlxtest"
	"github.com/mspkit/mspkit/psa/sqlstore"
)

func TestThePackageExportsWhatEveryStoreDoes(t *testing.T) {
	t.Parallel()
	sqlxtest.Run(t, sqlxtest.Package[sqlstore.Options]{
		Component: "psa", Tables: []string{"mappings", "defaults"},
		Sums: map[sqlx.Dialect][]string{
			sqlx.SQLite: {
				"9df9e071a722f04b7d9839971b7f9d0f12012f038a164b93eae1291443689e26",
			},
			sqlx.Postgres: {
				"aacb352a665edbdc8d34f003a797690475225e169bea205007d7510a8a3f48b8",
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
