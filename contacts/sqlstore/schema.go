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

// component is the schema. Times are microseconds, 0 is none. Contacts are JSON text, see codec.go; what is searched for
// stands in columns besides.
var component = sqlx.Component{Name: "contacts", Migrations: []sqlx.Migration{{Version: 1, SQL: []string{
	// The number of the last event of a tenant. Whoever changes anything of a tenant's people locks this row first.
	`CREATE TABLE {t}contacts_tenants (
		tenant {text} NOT NULL PRIMARY KEY,
		seq {int} NOT NULL
	)`,

	// sort_name and company are folded. away is 1 for who has left. Who the manager is, is looked for when it is asked for,
	// as the manager may come later.
	`CREATE TABLE {t}contacts_people (
		tenant {text} NOT NULL,
		id {text} NOT NULL,
		sort_name {text} NOT NULL,
		company {text} NOT NULL,
		away {int} NOT NULL,
		manager_source {text} NOT NULL,
		manager_id {text} NOT NULL,
		data {text} NOT NULL,
		PRIMARY KEY (tenant, id)
	)`,
	`CREATE INDEX {p}contacts_people_name ON {t}contacts_people (tenant, sort_name, id)`,
	`CREATE INDEX {p}contacts_people_company ON {t}contacts_people (tenant, company) WHERE company <> ''`,

	// What each source has of each person. status is 0 while it has it; present is 1 where it says that the account is on.
	`CREATE TABLE {t}contacts_records (
		tenant {text} NOT NULL,
		source {text} NOT NULL,
		id {text} NOT NULL,
		person {text} NOT NULL,
		status {int} NOT NULL,
		apart {int} NOT NULL,
		present {int} NOT NULL,
		run {int} NOT NULL,
		data {text} NOT NULL,
		PRIMARY KEY (tenant, source, id)
	)`,
	`CREATE INDEX {p}contacts_records_person ON {t}contacts_records (tenant, person)`,

	// What somebody is found by besides: kind e for an e-mail address, p for a phone number, n for another beginning of the
	// name. found is 1 where a search may find it; an address may also be of a record that is not believed, which only
	// matters for who is who, and in_question for a conflict.
	`CREATE TABLE {t}contacts_keys (
		tenant {text} NOT NULL,
		kind {text} NOT NULL,
		value {text} NOT NULL,
		person {text} NOT NULL,
		found {int} NOT NULL,
		in_question {int} NOT NULL,
		PRIMARY KEY (tenant, kind, value, person)
	)`,
	`CREATE INDEX {p}contacts_keys_phone ON {t}contacts_keys (value, tenant, person) WHERE kind = 'p'`,

	// changes is JSON text, empty where there are none.
	`CREATE TABLE {t}contacts_events (
		tenant {text} NOT NULL,
		seq {int} NOT NULL,
		kind {text} NOT NULL,
		person {text} NOT NULL,
		name {text} NOT NULL,
		manager {text} NOT NULL,
		other {text} NOT NULL,
		source {text} NOT NULL,
		by_whom {text} NOT NULL,
		reason {text} NOT NULL,
		first_listing {int} NOT NULL,
		changes {text} NOT NULL,
		at {int} NOT NULL,
		PRIMARY KEY (tenant, seq)
	)`,
	`CREATE INDEX {p}contacts_events_person ON {t}contacts_events (tenant, person, seq)`,
	`CREATE INDEX {p}contacts_events_other ON {t}contacts_events (tenant, other, seq) WHERE other <> ''`,

	// behind is 1 where the tenant has events after seq. There is a row for each consumer and tenant with events.
	`CREATE TABLE {t}contacts_consumers (
		consumer {text} NOT NULL PRIMARY KEY
	)`,
	`CREATE TABLE {t}contacts_offsets (
		consumer {text} NOT NULL,
		tenant {text} NOT NULL,
		seq {int} NOT NULL,
		behind {int} NOT NULL,
		PRIMARY KEY (consumer, tenant)
	)`,
	`CREATE INDEX {p}contacts_offsets_behind ON {t}contacts_offsets (consumer, tenant, seq) WHERE behind = 1`,

	`CREATE TABLE {t}contacts_checkpoints (
		tenant {text} NOT NULL,
		source {text} NOT NULL,
		next_page {bytes} NOT NULL,
		running {int} NOT NULL,
		whole {int} NOT NULL,
		run {int} NOT NULL,
		pages {int} NOT NULL,
		contacts {int} NOT NULL,
		rev {int} NOT NULL,
		begun_at {int} NOT NULL,
		ended_at {int} NOT NULL,
		whole_at {int} NOT NULL,
		due {int} NOT NULL,
		failures {int} NOT NULL,
		failure {text} NOT NULL,
		failed_at {int} NOT NULL,
		PRIMARY KEY (tenant, source)
	)`,
	`CREATE INDEX {p}contacts_checkpoints_due ON {t}contacts_checkpoints (due, tenant, source) WHERE due <> 0`,

	// Whoever was looked at has a row, with or without a picture.
	`CREATE TABLE {t}contacts_photos (
		tenant {text} NOT NULL,
		person {text} NOT NULL,
		media_type {text} NOT NULL,
		data {bytes},
		version {text} NOT NULL,
		checked_at {int} NOT NULL,
		PRIMARY KEY (tenant, person)
	)`,
}, Postgres: []string{
	// Pictures are compressed already.
	`ALTER TABLE {t}contacts_photos ALTER COLUMN data SET STORAGE EXTERNAL`,
}}}}
