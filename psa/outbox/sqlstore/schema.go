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
var component = sqlx.Component{Name: "psa_outbox", Migrations: []sqlx.Migration{{Version: 1, SQL: []string{
	// A number is given when a note is added, so of two notes of one writer the later one has the higher number. What was
	// written is sealed as long as the note may be written and null afterwards. The lease that a try runs under stands here
	// too, so that one row says whether the note may be dropped.
	`CREATE TABLE {t}psa_outbox_notes (
		seq {identity},
		tenant {text} NOT NULL,
		id {text} NOT NULL,
		ticket_system {text} NOT NULL,
		ticket_id {text} NOT NULL,
		key_hash {bytes},
		state {text} NOT NULL,
		sealed {bytes},
		sealed_key {text} NOT NULL,
		parts {int} NOT NULL,
		done {int} NOT NULL,
		note_ids {text} NOT NULL,
		tries {int} NOT NULL,
		unclear {int} NOT NULL,
		unclear_before {int} NOT NULL,
		trying_until {int} NOT NULL,
		tried_at {int} NOT NULL,
		due {int} NOT NULL,
		added_at {int} NOT NULL,
		ended_at {int} NOT NULL,
		fault {text} NOT NULL
	)`,
	`CREATE UNIQUE INDEX {p}psa_outbox_notes_id ON {t}psa_outbox_notes (tenant, id)`,
	`CREATE INDEX {p}psa_outbox_notes_list ON {t}psa_outbox_notes (id)`,
	`CREATE INDEX {p}psa_outbox_notes_head ON {t}psa_outbox_notes (tenant, ticket_system, ticket_id, seq) WHERE state = 'pending'`,
	`CREATE INDEX {p}psa_outbox_notes_due ON {t}psa_outbox_notes (due, seq) WHERE state = 'pending'`,
	`CREATE INDEX {p}psa_outbox_notes_open ON {t}psa_outbox_notes (state, tenant, added_at) WHERE state IN ('pending', 'dead')`,
	`CREATE INDEX {p}psa_outbox_notes_dead ON {t}psa_outbox_notes (id) WHERE state = 'dead'`,
	`CREATE INDEX {p}psa_outbox_notes_ended ON {t}psa_outbox_notes (ended_at) WHERE state IN ('delivered', 'dropped')`,

	// Every hash under which a note's key may be asked for, so that two instances that rotate keys at different times
	// meet in one of them.
	`CREATE TABLE {t}psa_outbox_keys (
		tenant {text} NOT NULL,
		hash {bytes} NOT NULL,
		note {text} NOT NULL,
		PRIMARY KEY (tenant, hash)
	)`,
	`CREATE INDEX {p}psa_outbox_keys_note ON {t}psa_outbox_keys (tenant, note)`,

	// There is a row only while somebody has the stream, or died having it.
	`CREATE TABLE {t}psa_outbox_streams (
		tenant {text} NOT NULL,
		ticket_system {text} NOT NULL,
		ticket_id {text} NOT NULL,
		holder {text} NOT NULL,
		until {int} NOT NULL,
		PRIMARY KEY (tenant, ticket_system, ticket_id)
	)`,

	`CREATE TABLE {t}psa_outbox_events (
		seq {identity},
		id {text} NOT NULL,
		kind {text} NOT NULL,
		at {int} NOT NULL,
		tenant {text} NOT NULL,
		note {text} NOT NULL,
		ticket_system {text} NOT NULL,
		ticket_id {text} NOT NULL,
		note_ids {text} NOT NULL,
		by_whom {text} NOT NULL,
		fault {text} NOT NULL
	)`,
	`CREATE INDEX {p}psa_outbox_events_id ON {t}psa_outbox_events (id)`,
}, Postgres: durable1()}}}

// durable1 are triggers that have what was answered on the disk where the host has synchronous_commit off: a note that
// was accepted, and that it was tried. A note added in the host's transaction makes that transaction durable. What only
// ends a lease is not worth it.
func durable1() []string {
	out := []string{
		// What is sealed cannot be compressed.
		`ALTER TABLE {t}psa_outbox_notes ALTER COLUMN sealed SET STORAGE EXTERNAL`,
		`CREATE FUNCTION {t}psa_outbox_durable_1() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	PERFORM set_config('synchronous_commit', 'on', true);
	RETURN NULL;
END $$`,
	}
	return append(out, `CREATE TRIGGER {p}psa_outbox_durable_1 BEFORE INSERT OR UPDATE ON {t}psa_outbox_notes FOR EACH STATEMENT
	WHEN (current_setting('synchronous_commit') = 'off') EXECUTE FUNCTION {t}psa_outbox_durable_1()`)
}
