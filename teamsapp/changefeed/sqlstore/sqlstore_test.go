package sqlstore_test

import (
	"database/sql"
	"testing"

	"github.com/mspkit/mspkit/internal/sqlx"
	"github.com/mspkit/mspkit/internal/sqlx/sqlxtest"
	"github.com/mspkit/mspkit/teamsapp/changefeed/sqlstore"
)

func TestThePackageExportsWhatEveryStoreDoes(t *testing.T) {
	t.Parallel()
	sqlxtest.Run(t, sqlxtest.Package[sqlstore.Options]{
		Component: "changefeed", Tables: []string{"subscriptions", "certificates", "seen", "state", "items"},
		Sums: map[sqlx.Dialect][]string{
			sqlx.SQLite: {
				"ff5cff9f956a21d0af01cc6b5ba0a3aef028c38049fb68a53b270aad426329ac",
			},
			sqlx.Postgres: {
				"c905230e9fdb6ad9a71bad121ae082d1159d65b981f89565640bed0facd0b585",
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
