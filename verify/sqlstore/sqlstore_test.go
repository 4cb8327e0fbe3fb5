package sqlstore_test

import (
	"database/sql"
	"testing"

	"github.com/mspkit/mspkit/internal/sqlx"
	"github.com/mspkit/mspkit/internal/sqlx/sqlxtest"
	"github.com/mspkit/mspkit/verify/sqlstore"
)

func TestThePackageExportsWhatEveryStoreDoes(t *testing.T) {
	t.Parallel()
	sqlxtest.Run(t, sqlxtest.Package[sqlstore.Options]{
		Component: "verify", Tables: []string{"challenges", "subjects", "limits", "events", "queue"},
		Sums: map[sqlx.Dialect][]string{
			sqlx.SQLite: {
				"33e19f921146d4edc942cdba7648c3ad52b7fb98f5677f25cbd671b7694855bf",
				"3e3313e9f754f536a284cb1b0f4aa7b42d064e2151d2608a8a2ad97b8b3b0789",
				"edd98153cfb82f95ec0ee7534d482adb8370ba971d5732b109e1438fc2903eb9",
				"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
			},
			sqlx.Postgres: {
				"e01c3aad351fe0e001dbdfb02f99ff70591b3fcd12a5fdc4b7bf2576b4cc4145",
				"72df7d9634dff3b25f34c06db6d80e5e09b5f2af8f10b67efa68da91213b0449",
				"e71ccd363b4604a1e0cf9dbfcebe5da91db6d268d6f722684f487afc7a1688f2",
				"44b252f2aeebbf68bfadfa648e4f469dff0f347638125536bcc18d813e29c73c",
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
