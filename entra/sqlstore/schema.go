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

// component is the schema. Times are microseconds, 0 is none. A token that is null was deleted; its row keeps the revision.
var component = sqlx.Component{Name: "entra", Migrations: []sqlx.Migration{{Version: 1, SQL: []string{
	`CREATE TABLE {t}entra_connections (
		tenant {text} NOT NULL,
		integration {text} NOT NULL,
		owner {text} NOT NULL,
		entra_id {text} NOT NULL,
		domain_name {text} NOT NULL,
		display_name {text} NOT NULL,
		via {text} NOT NULL,
		by_whom {text} NOT NULL,
		connected_at {int} NOT NULL,
		expires_at {int} NOT NULL,
		checked_at {int} NOT NULL,
		problem {text} NOT NULL,
		PRIMARY KEY (tenant, integration)
	)`,
	`CREATE INDEX {p}entra_connections_entra ON {t}entra_connections (entra_id)`,
	`CREATE INDEX {p}entra_connections_owner ON {t}entra_connections (owner)`,

	`CREATE TABLE {t}entra_states (
		hash {bytes} NOT NULL PRIMARY KEY,
		tenant {text} NOT NULL,
		owner {text} NOT NULL,
		integration {text} NOT NULL,
		sealed {bytes},
		expires_at {int} NOT NULL
	)`,
	`CREATE INDEX {p}entra_states_expires ON {t}entra_states (expires_at)`,

	`CREATE TABLE {t}entra_tokens (
		name {text} NOT NULL PRIMARY KEY,
		sealed {bytes},
		rev {int} NOT NULL,
		updated_at {int} NOT NULL
	)`,
}}, {Version: 2, SQL: []string{
	`CREATE TABLE {t}entra_revocations (
		owner {text} NOT NULL,
		mark {text} NOT NULL,
		revoked_at {int} NOT NULL,
		forget_at {int} NOT NULL,
		PRIMARY KEY (owner, mark)
	)`,
	`CREATE INDEX {p}entra_revocations_forget ON {t}entra_revocations (forget_at)`,
}}}}
