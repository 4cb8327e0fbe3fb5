package sqlstore_test

import (
	"database/sql"
	"testing"

	"github.com/mspkit/mspkit/entra/mfa/sqlstore"
	"github.com/mspkit/mspkit/internal/sqlx"
	"github.com/mspkit/mspkit/internal/sqlx/sqlxtest"
)

func TestThePackageExportsWhatEveryStoreDoes(t *testing.T) {
	t.Parallel()
	sqlxtest.Run(t, sqlxtest.Package[sqlstore.Options]{
		Component: "mfa", Tables: []string{"factors"},
		Sums: map[sqlx.Dialect][]string{
			sqlx.SQLite: {
				"5b4b1c5f4c9005a449f1c189be2a128234dd88d304b5b831fc7ed3ad959a2bfb",
			},
			sqlx.Postgres: {
				"ca3ab270e6bcaf653585c929faa818005decad4982cec757c35edbbd5ef9cae0",
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
