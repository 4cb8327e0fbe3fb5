package sqlstore

import (
	"context"
	"database/sql"

	"github.com/mspkit/mspkit/internal/backlog"
	"github.com/mspkit/mspkit/internal/sqlx"
)

// Script is one migration as text, for hosts that run migrations with their own tool. Its SQL notes that it
// ran, so that [New] and a later [Migrate] know of it.
type Script = sqlx.Script

// Migrate creates the tables or brings them up to this release, in one transaction. It may be run at every
// start, by any number of instances at once. It only adds, so that the previous release keeps running.
func Migrate(ctx context.Context, db *sql.DB, d Dialect, o *Options) error {
	return component().Migrate(ctx, db, d, (*sqlx.Tables)(o))
}

// Migrations returns what [Migrate] would run on an empty database, in order.
func Migrations(d Dialect, o *Options) ([]Script, error) {
	return component().Scripts(d, (*sqlx.Tables)(o))
}

// name begins the names of the tables.
const name = "workflows"

// component is the schema.
func component() sqlx.Component {
	both, postgres := backlog.Schema(name)
	return sqlx.Component{Name: name, Migrations: []sqlx.Migration{{Version: 1, SQL: append([]string{
		// Times are microseconds, 0 is none.
		`CREATE TABLE {t}workflows_connections (
			tenant {text} NOT NULL,
			id {text} NOT NULL,
			version {int} NOT NULL,
			sealed_key {text} NOT NULL,
			sealed {bytes} NOT NULL,
			failures {int} NOT NULL,
			fault {text} NOT NULL,
			broken_at {int} NOT NULL,
			created_at {int} NOT NULL,
			tested_at {int} NOT NULL,
			PRIMARY KEY (tenant, id)
		)`,
	}, both...), Postgres: postgres}}}
}
