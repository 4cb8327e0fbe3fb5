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
	return component.Migrate(ctx, db, d, o.tables())
}

// Migrations returns what [Migrate] would run on an empty database, in order.
func Migrations(d Dialect, o *Options) ([]Script, error) {
	return component.Scripts(d, o.tables())
}

// component is the schema. Times are microseconds, 0 is none.
//
// The half stands early in its row: SQLite keeps the beginning of a large row in the page of the table and chains the rest.
// revision counts every change, also those that a record's version does not count.
var component = sqlx.Component{Name: "securesend", Migrations: []sqlx.Migration{{Version: 1, SQL: []string{
	`CREATE TABLE {t}securesend_records (
		tenant {text} NOT NULL,
		id {text} NOT NULL,
		half {bytes} NOT NULL,
		half_key {text} NOT NULL,
		revision {int} NOT NULL,
		version {int} NOT NULL,
		kind {text} NOT NULL,
		state {text} NOT NULL,
		region {text} NOT NULL,
		purpose {text} NOT NULL,
		held {int} NOT NULL,
		sender {text} NOT NULL,
		subject {text} NOT NULL,
		ticket_system {text} NOT NULL,
		ticket_id {text} NOT NULL,
		log_to {text} NOT NULL,
		log_public {int} NOT NULL,
		gate {text} NOT NULL,
		key_id {text} NOT NULL,
		number_mac {bytes} NOT NULL,
		tries {int} NOT NULL,
		max_tries {int} NOT NULL,
		code_until {int} NOT NULL,
		code_sent_at {int} NOT NULL,
		code_sends {int} NOT NULL,
		renewals {int} NOT NULL,
		pass_key_id {text} NOT NULL,
		pass_mac {bytes} NOT NULL,
		pass_tries {int} NOT NULL,
		max_pass_tries {int} NOT NULL,
		upload {bytes} NOT NULL,
		auth {bytes} NOT NULL,
		header {bytes} NOT NULL,
		sealed {bytes} NOT NULL,
		sizes {text} NOT NULL,
		fetched {text} NOT NULL,
		views {int} NOT NULL,
		max_views {int} NOT NULL,
		after_view {int} NOT NULL,
		claim {bytes} NOT NULL,
		lease_until {int} NOT NULL,
		created_at {int} NOT NULL,
		expiry {int} NOT NULL,
		expires_at {int} NOT NULL,
		ready_at {int} NOT NULL,
		opened_at {int} NOT NULL,
		revealed_at {int} NOT NULL,
		acked_at {int} NOT NULL,
		ended_at {int} NOT NULL,
		sweep_at {int} NOT NULL,
		refusals {int} NOT NULL,
		blobs {int} NOT NULL,
		content {bytes} NOT NULL,
		PRIMARY KEY (tenant, id)
	)`,
	`CREATE INDEX {p}securesend_records_newest ON {t}securesend_records (tenant, created_at DESC, id)`,
	`CREATE INDEX {p}securesend_records_subject ON {t}securesend_records (tenant, subject, created_at DESC, id)`,
	`CREATE INDEX {p}securesend_records_ticket ON {t}securesend_records (tenant, ticket_id, created_at DESC, id)`,
	`CREATE INDEX {p}securesend_records_due ON {t}securesend_records (sweep_at) WHERE ended_at = 0`,
	`CREATE INDEX {p}securesend_records_ended ON {t}securesend_records (blobs, ended_at, id) WHERE ended_at > 0`,

	// The id is not unique: an event that is told twice has the same one.
	`CREATE TABLE {t}securesend_events (
		seq {identity},
		tenant {text} NOT NULL,
		id {text} NOT NULL,
		event {text} NOT NULL
	)`,
	`CREATE INDEX {p}securesend_events_id ON {t}securesend_events (id)`,

	`CREATE TABLE {t}securesend_counters (
		name {text} NOT NULL PRIMARY KEY,
		counted {int} NOT NULL,
		ends_at {int} NOT NULL
	)`,
	`CREATE INDEX {p}securesend_counters_ends ON {t}securesend_counters (ends_at)`,
}, Postgres: durable1()}}}

// durable1 are triggers that have what was answered on the disk where the host has synchronous_commit off. What was
// acknowledged and swept away is not worth it: it is done again.
func durable1() []string {
	out := []string{
		// What is sealed cannot be compressed.
		`ALTER TABLE {t}securesend_records ALTER COLUMN content SET STORAGE EXTERNAL`,
		`CREATE FUNCTION {t}securesend_durable_1() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	PERFORM set_config('synchronous_commit', 'on', true);
	RETURN NULL;
END $$`,
	}
	for _, on := range []struct{ table, verbs string }{
		{"records", "INSERT OR UPDATE OR DELETE"}, {"events", "INSERT"}, {"counters", "INSERT OR UPDATE"},
	} {
		out = append(out, `CREATE TRIGGER {p}securesend_durable_1 BEFORE `+on.verbs+` ON {t}securesend_`+on.table+` FOR EACH STATEMENT
	WHEN (current_setting('synchronous_commit') = 'off') EXECUTE FUNCTION {t}securesend_durable_1()`)
	}
	return out
}
