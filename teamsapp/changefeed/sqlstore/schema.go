package sqlstore

import (
	"context"
	"database/sql"
	"slices"

	"github.com/mspkit/mspkit/internal/backlog"
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

const name = "changefeed"

var component = sqlx.Component{Name: name, Migrations: []sqlx.Migration{first()}}

// first is the schema: our tables, and the one of the backlog. Times are microseconds, 0 is none.
func first() sqlx.Migration {
	both, postgres := backlog.Schema(name)
	return sqlx.Migration{Version: 1, SQL: append(slices.Clone(tables), both...), Postgres: postgres}
}

var tables = []string{
	`CREATE TABLE {t}changefeed_subscriptions (
		tenant {text} NOT NULL,
		name {text} NOT NULL,
		entra_tenant {text} NOT NULL,
		resource {text} NOT NULL,
		wanted {int} NOT NULL,
		state {text} NOT NULL,
		fault {text} NOT NULL,
		tries {int} NOT NULL,
		due {int} NOT NULL,
		id {text} NOT NULL,
		tag {text} NOT NULL,
		secret {bytes},
		url {text} NOT NULL,
		changes {text} NOT NULL,
		certificate {text} NOT NULL,
		next_certificate {text} NOT NULL,
		made_at {int} NOT NULL,
		expires_at {int} NOT NULL,
		confirmed_at {int} NOT NULL,
		notified_at {int} NOT NULL,
		gap_from {int} NOT NULL,
		gap_to {int} NOT NULL,
		place {bytes},
		marks {int} NOT NULL,
		mark_from {int} NOT NULL,
		mark_seq {int} NOT NULL,
		holder {text} NOT NULL,
		lease_until {int} NOT NULL,
		version {int} NOT NULL,
		PRIMARY KEY (tenant, name)
	)`,
	`CREATE UNIQUE INDEX {p}changefeed_subscriptions_tag ON {t}changefeed_subscriptions (tag) WHERE tag <> ''`,
	`CREATE INDEX {p}changefeed_subscriptions_due ON {t}changefeed_subscriptions (due)`,

	`CREATE TABLE {t}changefeed_certificates (
		id {text} NOT NULL PRIMARY KEY,
		der {bytes} NOT NULL,
		sealed {bytes} NOT NULL,
		created_at {int} NOT NULL,
		not_after {int} NOT NULL,
		used_at {int} NOT NULL
	)`,

	`CREATE TABLE {t}changefeed_seen (
		tenant {text} NOT NULL,
		event {text} NOT NULL,
		until {int} NOT NULL,
		PRIMARY KEY (tenant, event)
	)`,
	`CREATE INDEX {p}changefeed_seen_until ON {t}changefeed_seen (until)`,

	// One row: whoever locks it is alone with what the whole feed shares.
	`CREATE TABLE {t}changefeed_state (
		id {int} NOT NULL PRIMARY KEY,
		beat {int} NOT NULL,
		home {text} NOT NULL
	)`,
	`INSERT INTO {t}changefeed_state (id, beat, home) VALUES (1, 0, '')`,
}
