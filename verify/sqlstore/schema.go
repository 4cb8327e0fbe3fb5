package sqlstore

import (
	"context"
	"database/sql"
	"slices"

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
var component = sqlx.Component{Name: "verify", Migrations: []sqlx.Migration{{Version: 1, SQL: []string{
	`CREATE TABLE {t}verify_challenges (
		tenant {text} NOT NULL,
		id {text} NOT NULL,
		version {int} NOT NULL,
		kind {text} NOT NULL,
		state {text} NOT NULL,
		delivery {int} NOT NULL,
		method {text} NOT NULL,
		channel {text} NOT NULL,
		subject {text} NOT NULL,
		action {text} NOT NULL,
		technician {text} NOT NULL,
		ticket_system {text} NOT NULL,
		ticket_id {text} NOT NULL,
		assurance {int} NOT NULL,
		key_id {text} NOT NULL,
		mac {bytes} NOT NULL,
		word_mac {bytes} NOT NULL,
		sealed {bytes} NOT NULL,
		tries {int} NOT NULL,
		max_tries {int} NOT NULL,
		sends {int} NOT NULL,
		messages {int} NOT NULL,
		lock_after {int} NOT NULL,
		hinted {int} NOT NULL,
		refund {text} NOT NULL,
		receipt_id {text} NOT NULL,
		created_at {int} NOT NULL,
		expires_at {int} NOT NULL,
		decided_at {int} NOT NULL,
		proof_until {int} NOT NULL,
		redeemed_by {text} NOT NULL,
		redeemed_at {int} NOT NULL,
		idempotency {text},
		fingerprint {text} NOT NULL,
		PRIMARY KEY (tenant, id)
	)`,
	`CREATE UNIQUE INDEX {p}verify_challenges_key ON {t}verify_challenges (tenant, idempotency) WHERE idempotency IS NOT NULL`,
	`CREATE INDEX {p}verify_challenges_open ON {t}verify_challenges (tenant, technician, expires_at)`,
	`CREATE INDEX {p}verify_challenges_subject ON {t}verify_challenges (tenant, subject, created_at)`,
	`CREATE INDEX {p}verify_challenges_pending ON {t}verify_challenges (expires_at) WHERE state = 'pending'`,
	`CREATE INDEX {p}verify_challenges_ended ON {t}verify_challenges (decided_at) WHERE state <> 'pending'`,

	`CREATE TABLE {t}verify_subjects (
		tenant {text} NOT NULL,
		subject {text} NOT NULL,
		failures {int} NOT NULL,
		frozen_until {int} NOT NULL,
		PRIMARY KEY (tenant, subject)
	)`,

	`CREATE TABLE {t}verify_limits (
		name {text} NOT NULL PRIMARY KEY,
		counted {int} NOT NULL,
		ends_at {int} NOT NULL
	)`,
	`CREATE INDEX {p}verify_limits_ends ON {t}verify_limits (ends_at)`,

	`CREATE TABLE {t}verify_events (
		seq {identity},
		id {text} NOT NULL,
		kind {text} NOT NULL,
		happened_at {int} NOT NULL,
		tenant {text} NOT NULL,
		challenge {text} NOT NULL,
		verifies {text} NOT NULL,
		subject {text} NOT NULL,
		action {text} NOT NULL,
		technician {text} NOT NULL,
		ticket_system {text} NOT NULL,
		ticket_id {text} NOT NULL,
		channel {text} NOT NULL,
		method {text} NOT NULL,
		assurance {int} NOT NULL,
		state {text} NOT NULL,
		tries {int} NOT NULL,
		sends {int} NOT NULL,
		caused_by {text} NOT NULL,
		reason {text} NOT NULL,
		acked {int} NOT NULL DEFAULT 0
	)`,
	`CREATE INDEX {p}verify_events_unacked ON {t}verify_events (seq) WHERE acked = 0`,
	`CREATE UNIQUE INDEX {p}verify_events_id ON {t}verify_events (id) WHERE acked = 0`,
	`CREATE INDEX {p}verify_events_acked ON {t}verify_events (happened_at) WHERE acked = 1`,

	`CREATE TABLE {t}verify_queue (
		seq {identity},
		tenant {text} NOT NULL,
		id {text} NOT NULL,
		sealed {bytes} NOT NULL,
		attempts {int} NOT NULL,
		queued_at {int} NOT NULL,
		due_at {int} NOT NULL,
		UNIQUE (tenant, id)
	)`,
	`CREATE INDEX {p}verify_queue_due ON {t}verify_queue (due_at, seq)`,
}}, {Version: 2, SQL: []string{
	// Challenges of the previous release are bound to nobody, which is what they were.
	`ALTER TABLE {t}verify_challenges ADD COLUMN answerer {text} NOT NULL DEFAULT ''`,
}}, {Version: 3, SQL: []string{
	`ALTER TABLE {t}verify_challenges ADD COLUMN needs_approval {int} NOT NULL DEFAULT 0`,
	`ALTER TABLE {t}verify_challenges ADD COLUMN approved_by {text} NOT NULL DEFAULT ''`,
	`ALTER TABLE {t}verify_challenges ADD COLUMN approved_at {int} NOT NULL DEFAULT 0`,

	// chain counts the events of a tenant from 1; 0 is not chained yet, as are those of the previous release.
	`ALTER TABLE {t}verify_events ADD COLUMN chain {int} NOT NULL DEFAULT 0`,
	`ALTER TABLE {t}verify_events ADD COLUMN link {bytes}`,
	`CREATE UNIQUE INDEX {p}verify_events_chain ON {t}verify_events (tenant, chain) WHERE chain > 0`,
	`CREATE INDEX {p}verify_events_unchained ON {t}verify_events (seq) WHERE chain = 0`,
	`CREATE TABLE {t}verify_chains (
		tenant {text} NOT NULL PRIMARY KEY,
		head {int} NOT NULL,
		head_link {bytes} NOT NULL,
		base {int} NOT NULL,
		base_link {bytes} NOT NULL
	)`,

	`CREATE TABLE {t}verify_factors (
		tenant {text} NOT NULL,
		subject {text} NOT NULL,
		kind {text} NOT NULL,
		version {int} NOT NULL,
		sealed {bytes} NOT NULL,
		changed_at {int} NOT NULL,
		PRIMARY KEY (tenant, subject, kind)
	)`,
}}, {Version: 4, Postgres: slices.Concat(functions4(), triggers4())}}}
