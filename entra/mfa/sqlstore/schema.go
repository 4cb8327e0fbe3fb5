package sqlstore

import (
	"context"
	"database/sql"

	"github.com/mspkit/mspkit/internal/sqlx"
)

// Script is one migration as text, for hosts that run migrations with their own tool. Its SQL notes that it
// ran, so that [New] and a later [Migrate] know of it.
type Script = sqlx.Script

// Migrate creates the table or brings it up to this release, in one transaction. It may be run at every
// start, by any number of instances at once. It only adds, so that the previous release keeps running.
func Migrate(ctx context.Context, db *sql.DB, d Dialect, o *Options) error {
	return component.Migrate(ctx, db, d, (*sqlx.Tables)(o))
}

// Migrations returns what [Migrate] would run on an empty database, in order.
func Migrations(d Dialect, o *Options) ([]Script, error) {
	return component.Scripts(d, (*sqlx.Tables)(o))
}

// component is the schema. changed_at is in microseconds. A record that is null was deleted; its row keeps the revision.
var component = sqlx.Component{Name: "mfa", Migrations: []sqlx.Migration{{Version: 1, SQL: []string{
	`CREATE TABLE {t}mfa_factors (
		owner {text} NOT NULL,
		person {text} NOT NULL,
		sealed {bytes},
		rev {int} NOT NULL,
		changed_at {int} NOT NULL,
		PRIMARY KEY (owner, person)
	)`,
}}}}
