package sqlstore_test

import (
	"database/sql"
	"testing"

	"github.com/mspkit/mspkit/contacts/sqlstore"
	"github.com/mspkit/mspkit/internal/sqlx"
	"github.com/mspkit/mspkit/internal/sqlx/sqlxtest"
)

func TestThePackageExportsWhatEveryStoreDoes(t *testing.T) {
	t.Parallel()
	sqlxtest.Run(t, sqlxtest.Package[sqlstore.Options]{
		Component: "contacts",
		Tables:    []string{"tenants", "people", "records", "keys", "events", "consumers", "offsets", "checkpoints", "photos"},
		Sums: map[sqlx.Dialect][]string{
			sqlx.SQLite:   {"aed38fa8eb7295f803bc2938d1b5783be3cf6ac37280cf4f0a05b1d53d38e73b"},
			sqlx.Postgres: {"43fd284f5503da011f034a1f3d3698543d6d6f7848526fb1e0f6c9028b6204a4"},
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
