package sqlstore_test

import (
	"database/sql"
	"testing"

	"github.com/mspkit/mspkit/internal/sqlx"
	"github.com/mspkit/mspkit/internal/sqlx/sqlxtest"
	"github.com/mspkit/mspkit/psa/outbox/sqlstore"
)

func TestThePackageExportsWhatEveryStoreDoes(t *testing.T) {
	t.Parallel()
	sqlxtest.Run(t, sqlxtest.Package[sqlstore.Options]{
		Component: "psa_outbox", Tables: []string{"notes", "keys", "streams", "events"},
		Sums: map[sqlx.Dialect][]string{
			sqlx.SQLite: {
				"96cb9c717ebf5ea22a769c8f556448bd6eb0e17dc465f8efa34b47f4ff813547",
			},
			sqlx.Postgres: {
				"24dc9aa26ca734cb809cabeee2aecd3853882b284134f6a2c3bf1180d1a22975",
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
