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
var component = sqlx.Component{Name: "accounts", Migrations: []sqlx.Migration{{Version: 1, SQL: []string{
	`CREATE TABLE {t}accounts_accounts (
		owner {text} NOT NULL,
		id {text} NOT NULL,
		version {int} NOT NULL,
		kind {text} NOT NULL,
		client {text} NOT NULL,
		display_name {text} NOT NULL,
		role_name {text} NOT NULL,
		ui {text} NOT NULL,
		mfa {text} NOT NULL,
		entra_tenant {text} NOT NULL,
		entra_object {text} NOT NULL,
		created_at {int} NOT NULL,
		linked_at {int} NOT NULL,
		disabled_at {int} NOT NULL,
		PRIMARY KEY (owner, id)
	)`,
	`CREATE UNIQUE INDEX {p}accounts_accounts_entra ON {t}accounts_accounts (owner, entra_tenant, entra_object) WHERE entra_object <> ''`,
	`CREATE INDEX {p}accounts_accounts_role ON {t}accounts_accounts (owner, role_name)`,

	`CREATE TABLE {t}accounts_invitations (
		owner {text} NOT NULL,
		id {text} NOT NULL,
		hash {bytes} NOT NULL UNIQUE,
		kind {text} NOT NULL,
		client {text} NOT NULL,
		role_name {text} NOT NULL,
		ui {text} NOT NULL,
		account_id {text} NOT NULL,
		by_whom {text} NOT NULL,
		sealed {bytes} NOT NULL,
		created_at {int} NOT NULL,
		expires_at {int} NOT NULL,
		accepted_at {int} NOT NULL,
		revoked_at {int} NOT NULL,
		PRIMARY KEY (owner, id)
	)`,
	`CREATE INDEX {p}accounts_invitations_expires ON {t}accounts_invitations (expires_at)`,
}}}}
