package sqlstore_test

import (
	"context"
	"database/sql"
	"testing"

	"github.com/mspkit/mspkit/internal/sqlx"
	"github.com/mspkit/mspkit/internal/sqlx/sqlxtest"
	"github.com/mspkit/mspkit/mail"
	"github.com/mspkit/mspkit/mail/sqlstore"
)

func TestThePackageExportsWhatEveryStoreDoes(t *testing.T) {
	t.Parallel()
	sqlxtest.Run(t, sqlxtest.Package[sqlstore.Options]{
		Component: "mail", Tables: []string{"senders"},
		Sums: map[sqlx.Dialect][]string{
			sqlx.SQLite:   {"ddee549201f0575186955a5658aceb0dbd7b643d9969d9b063ac5bdaca22d2f7"},
			sqlx.Postgres: {"fdeeb006bbcc41b5536103f9e21fa300bcc25d37ec6d4634fa8c1c988a4bdcb0"},
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

// What an administrator chose is kept in the host's database.
func Example() {
	open := func(ctx context.Context, db *sql.DB) (mail.SenderStore, error) {
		if err := sqlstore.Migrate(ctx, db, sqlstore.SQLite, nil); err != nil {
			return nil, err
		}
		return sqlstore.New(db, sqlstore.SQLite, nil)
	}
	_ = open
}
