package sqlstore_test

import (
	"context"
	"database/sql"
	"testing"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/sqlx"
	"github.com/mspkit/mspkit/internal/sqlx/sqlxtest"
	"github.com/mspkit/mspkit/teamsapp/workflows"
	"github.com/mspkit/mspkit/teamsapp/workflows/sqlstore"
)

func TestThePackageExportsWhatEveryStoreDoes(t *testing.T) {
	t.Parallel()
	sqlxtest.Run(t, sqlxtest.Package[sqlstore.Options]{
		Component: "workflows", Tables: []string{"connections", "items"},
		Sums: map[sqlx.Dialect][]string{
			sqlx.SQLite:   {"c31de224e44603cce83254410f42a4154c96b46e88619b0af951d82e804d1d9a"},
			sqlx.Postgres: {"10fa9e403c12b46f92ce5216cc3ee43f879262922348984ef899f84621f0e89e"},
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

// Connections and posts are kept in the host's database.
func Example() {
	open := func(ctx context.Context, db *sql.DB, ring *mspkit.KeyRing) (*workflows.Service, error) {
		if err := sqlstore.Migrate(ctx, db, sqlstore.SQLite, nil); err != nil {
			return nil, err
		}
		store, err := sqlstore.New(db, sqlstore.SQLite, nil)
		if err != nil {
			return nil, err
		}
		return workflows.New(store, ring, nil)
	}
	_ = open
}
