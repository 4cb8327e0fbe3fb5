package sqlstore_test

import (
	"database/sql"
	"testing"

	"github.com/mspkit/mspkit/internal/sqlx"
	"github.com/mspkit/mspkit/internal/sqlx/sqlxtest"
	"github.com/mspkit/mspkit/securesend/sqlstore"
)

func TestThePackageExportsWhatEveryStoreDoes(t *testing.T) {
	t.Parallel()
	sqlxtest.Run(t, sqlxtest.Package[sqlstore.Options]{
		Component: "securesend", Tables: []string{"records", "events", "counters"},
		Sums: map[sqlx.Dialect][]string{
			sqlx.SQLite:   {"f1a3f0f69320447a35b232b31e716b6970c3b13f0d9466b8eb606eaa744884e6"},
			sqlx.Postgres: {"f5c6cdbd1194ad238f30fdad88b8256ee29b9d369ea9a0060c2636ac9024b0ac"},
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
