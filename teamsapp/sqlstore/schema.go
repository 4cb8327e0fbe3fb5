package sqlstore

import (
	"context"
	"database/sql"

	"github.com/mspkit/mspkit/internal/sqlx"
)

// Script is one migration as text, for hosts that run migrations with their own tool. Its SQL notes that it
// ran, so that [New] and a later [Migrate] know of it.
type Script = sqlx.Script

// Migrate creates the tables or brings them up to this release, in one transaction. It may be run at every
// start, by any number of instances at once. It only adds, so that the previous release keeps running.
func Migrate(ctx context.Context, db *sql.DB, d Dialect, o *Options) error {
	return component.Migrate(ctx, db, d, (*sqlx.Tables)(o))
}

// Migrations returns what [Migrate] would run on an empty database, in order.
func Migrations(d Dialect, o *Options) ([]Script, error) {
	return component.Scripts(d, (*sqlx.Tables)(o))
}

// component is the schema. Times are microseconds, 0 is none.
var component = sqlx.Component{Name: "teamsapp", Migrations: []sqlx.Migration{{Version: 1, SQL: []string{
	`CREATE TABLE {t}teamsapp_references (
		bot {text} NOT NULL,
		tenant {text} NOT NULL,
		user_tenant {text} NOT NULL,
		user_id {text} NOT NULL,
		sealed {bytes} NOT NULL,
		removed {int} NOT NULL,
		updated_at {int} NOT NULL,
		PRIMARY KEY (bot, tenant, user_tenant, user_id)
	)`,

	// A reply that is null is not there yet.
	`CREATE TABLE {t}teamsapp_claims (
		name {text} NOT NULL PRIMARY KEY,
		owner {text} NOT NULL,
		expires_at {int} NOT NULL,
		lease_until {int} NOT NULL,
		reply {bytes}
	)`,
	`CREATE INDEX {p}teamsapp_claims_owner ON {t}teamsapp_claims (owner)`,
	`CREATE INDEX {p}teamsapp_claims_expires ON {t}teamsapp_claims (expires_at)`,
}}}}
