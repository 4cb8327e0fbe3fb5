package sqlstore_test

import (
	"database/sql"
	"testing"

	"github.com/mspkit/mspkit/entra/sqlstore"
	"github.com/mspkit/mspkit/internal/sqlx"
	"github.com/mspkit/mspkit/internal/sqlx/sqlxtest"
)

func TestThePackageExportsWhatEveryStoreDoes(t *testing.T) {
	t.Parallel()
	sqlxtest.Run(t, sqlxtest.Package[sqlstore.Options]{
		Component: "entra", Tables: []string{"connections", "states", "tokens"},
		Sums: map[sqlx.Dialect][]string{
			sqlx.SQLite: {
				"e3de42e49b824df05cdef9980d16e5f12612e28376375d2ff6a7751506275597",
				"50dd07350b068e019546f6233cbdc49652a664214c76935f2fda616f4d8aa7fb",
			},
			sqlx.Postgres: {
				"64b2470fb768bd58dea4644c6fdcd12d7f1197e8a21e1f2d98324a275024d84e",
				"340fab5ea14cef3aa9264cca799ccbc9e2c7be48c639d041a7377bb745a6d2d9",
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
