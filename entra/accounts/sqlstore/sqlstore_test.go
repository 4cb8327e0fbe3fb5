package sqlstore_test

import (
	"context"
	"database/sql"
	"testing"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/entra/accounts"
	"github.com/mspkit/mspkit/entra/accounts/sqlstore"
	"github.com/mspkit/mspkit/internal/sqlx"
	"github.com/mspkit/mspkit/internal/sqlx/sqlxtest"
)

func TestThePackageExportsWhatEveryStoreDoes(t *testing.T) {
	t.Parallel()
	sqlxtest.Run(t, sqlxtest.Package[sqlstore.Options]{
		Component: "accounts", Tables: []string{"accounts", "invitations"},
		Sums: map[sqlx.Dialect][]string{
			sqlx.SQLite:   {"20fbf05ee833ba239db362b9acab4719b8b9a94ad04a550475316b373c1bba9a"},
			sqlx.Postgres: {"d148d42a17742c84aa97c58ec33b2d4cb108417f76432e836f84fd7a9669fffc"},
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

// Accounts and invitations are kept in the host's database.
func Example() {
	open := func(ctx context.Context, db *sql.DB, ring *mspkit.KeyRing, o *accounts.Options) (*accounts.Service, error) {
		if err := sqlstore.Migrate(ctx, db, sqlstore.SQLite, nil); err != nil {
			return nil, err
		}
		store, err := sqlstore.New(db, sqlstore.SQLite, nil)
		if err != nil {
			return nil, err
		}
		return accounts.New(store, ring, o)
	}
	_ = open
}
