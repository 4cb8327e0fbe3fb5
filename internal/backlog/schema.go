package backlog

import "strings"

// Schema returns the statements that make the table of a backlog, {t}NAME_items, for the first migration of the component
// name: both for either dialect, behind the owner's own, and postgres for PostgreSQL alone. What they return is never changed
// once it was released.
//
//	both, postgres := backlog.Schema("workflows")
//	sqlx.Migration{Version: 1, SQL: append(own, both...), Postgres: postgres}
func Schema(name string) (both, postgres []string) {
	both = []string{
		// Times are microseconds, 0 is none. What is sealed stands last, so that reading the others does not go over it.
		`CREATE TABLE {t}NAME_items (
		seq {identity},
		tenant {text} NOT NULL,
		stream {text} NOT NULL,
		id {text} NOT NULL,
		state {text} NOT NULL,
		tries {int} NOT NULL,
		holder {text} NOT NULL,
		held_until {int} NOT NULL,
		due {int} NOT NULL,
		added_at {int} NOT NULL,
		ended_at {int} NOT NULL,
		fault {text} NOT NULL,
		sealed_key {text} NOT NULL,
		sealed {bytes}
	)`,
		`CREATE UNIQUE INDEX {p}NAME_items_id ON {t}NAME_items (tenant, id)`,
		`CREATE INDEX {p}NAME_items_head ON {t}NAME_items (tenant, stream, seq) WHERE state = 'pending'`,
		`CREATE INDEX {p}NAME_items_dead ON {t}NAME_items (seq) WHERE state = 'dead'`,
		`CREATE INDEX {p}NAME_items_ended ON {t}NAME_items (ended_at) WHERE state IN ('done', 'dropped')`,
	}
	postgres = []string{
		// What is sealed cannot be compressed.
		`ALTER TABLE {t}NAME_items ALTER COLUMN sealed SET STORAGE EXTERNAL`,
		// What was answered is on the disk also where the host has synchronous_commit off: that an item was accepted, and
		// what became of it. That it was handed over is not worth it.
		`CREATE FUNCTION {t}NAME_items_durable_1() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	PERFORM set_config('synchronous_commit', 'on', true);
	RETURN NULL;
END $$`,
		`CREATE TRIGGER {p}NAME_items_durable_1 BEFORE INSERT OR UPDATE OF state ON {t}NAME_items FOR EACH STATEMENT
	WHEN (current_setting('synchronous_commit') = 'off') EXECUTE FUNCTION {t}NAME_items_durable_1()`,
	}
	for _, list := range [][]string{both, postgres} {
		for i := range list {
			list[i] = strings.ReplaceAll(list[i], "NAME", name)
		}
	}
	return both, postgres
}
