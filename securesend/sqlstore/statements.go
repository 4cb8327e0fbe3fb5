package sqlstore

import (
	"strings"

	"github.com/mspkit/mspkit/internal/sqlx"
)

// statements are all statements of fixed text, expanded once.
type statements struct {
	get, getAll, hold, holdAll      string
	put                             update
	keep, take, all, extend         update
	list, due, anyDue, dead         string
	remains, forget                 string
	anyOld, dropEnded, dropCounters string
	stale, rewrap                   string
	event, events, lastSeq          string
	limits, count                   string
}

// update is one statement that stores a step, if the record still has the revision that was read. It returns a row if it
// did. On PostgreSQL emitting stores the events too, on SQLite they are inserts of their own.
type update struct{ plain, emitting string }

const (
	records   = `{t}securesend_records`
	ended     = `ended_at > 0 AND blobs = 0 AND ended_at < ?`
	nothing   = `CAST(NULL AS {bytes}), CAST(NULL AS {bytes})`
	oneOf     = ` WHERE tenant = ? AND id = ?`
	sameAsWas = oneOf + ` AND revision = ?`
)

func newStatements(db *sqlx.DB) *statements {
	names := strings.Join(fixed, ", ") + ", " + strings.Join(changing, ", ")
	columns := names + `, revision`
	get := db.SQL(`SELECT ` + columns + ` FROM ` + records + oneOf)
	getAll := db.SQL(`SELECT ` + columns + `, half, content FROM ` + records + oneOf)
	set := strings.Join(changing, " = ?, ") + ` = ?, sweep_at = ?, revision = revision + 1`
	s := &statements{
		get: get, getAll: getAll, hold: get + db.SQL(` {for_update}`), holdAll: getAll + db.SQL(` {for_update}`),

		keep: changes(db, set, nothing),
		// Nothing else that a step runs returns the half: it leaves together with the claim that is stored.
		take:   changes(db, set, `half, content`),
		all:    changes(db, set+`, half = ?, content = ?`, nothing),
		extend: changes(db, `lease_until = ?, fetched = ?, sweep_at = ?, revision = revision + 1`, nothing),

		list:   `SELECT ` + columns + ` FROM ` + records + ` WHERE tenant = ?`, // completed by List
		anyDue: db.SQL(`SELECT CASE WHEN EXISTS (SELECT 1 FROM ` + records + ` WHERE ended_at = 0 AND sweep_at <= ?) THEN 1 ELSE 0 END`),
		due:    db.SQL(`SELECT ` + columns + ` FROM ` + records + ` WHERE ended_at = 0 AND sweep_at <= ? ORDER BY sweep_at LIMIT ? {skip_locked}`),

		dead:    `SELECT tenant, id, region FROM ` + records + ` WHERE ended_at > 0 AND blobs = 1`, // completed by Dead
		remains: db.SQL(`SELECT ended_at, blobs FROM ` + records + oneOf),
		forget:  db.SQL(`UPDATE ` + records + ` SET blobs = 0` + oneOf + ` AND ended_at > 0`),

		// ORDER BY and LIMIT keep the index in use where PostgreSQL expects many old rows and would look at all.
		anyOld: db.SQL(`SELECT CASE WHEN EXISTS (SELECT 1 FROM (SELECT 1 FROM ` + records + ` WHERE ` + ended + ` ORDER BY ended_at LIMIT 1) AS a)
			OR EXISTS (SELECT 1 FROM (SELECT 1 FROM {t}securesend_counters WHERE ends_at <= ? ORDER BY ends_at LIMIT 1) AS b) THEN 1 ELSE 0 END`),
		dropEnded: db.SQL(`DELETE FROM ` + records + ` WHERE (tenant, id) IN
			(SELECT tenant, id FROM ` + records + ` WHERE ` + ended + ` ORDER BY ended_at LIMIT ?)`),
		// The condition stands outside again: on PostgreSQL a row may change while the statement waits for it.
		dropCounters: db.SQL(`DELETE FROM {t}securesend_counters WHERE ends_at <= ? AND name IN
			(SELECT name FROM {t}securesend_counters WHERE ends_at <= ? ORDER BY ends_at LIMIT ?)`),

		stale: db.SQL(`SELECT ` + columns + `, half FROM ` + records + ` WHERE ended_at = 0 AND half_key <> ? AND length(half) > 0
			ORDER BY sweep_at LIMIT ?`),
		rewrap: db.SQL(`UPDATE ` + records + ` SET half = ?, sealed = ?, half_key = ?, version = ?, revision = revision + 1` + oneOf + ` AND version = ?`),

		event:   db.SQL(`INSERT INTO {t}securesend_events (tenant, id, event) VALUES (?, ?, ?)`),
		events:  `SELECT seq, tenant, id, event FROM {t}securesend_events WHERE seq <= ?`, // completed by Events
		lastSeq: db.SQL(`SELECT COALESCE(MAX(seq), 0) FROM {t}securesend_events`),

		limits: `SELECT name, counted, ends_at FROM {t}securesend_counters WHERE name IN `, // completed by Count
		count: db.SQL(`INSERT INTO {t}securesend_counters AS c (name, counted, ends_at) VALUES (?, 1, ?)
			ON CONFLICT (name) DO UPDATE SET
				counted = CASE WHEN c.ends_at <= ? THEN 1 ELSE c.counted + 1 END,
				ends_at = CASE WHEN c.ends_at <= ? THEN excluded.ends_at ELSE c.ends_at END
			RETURNING counted, ends_at`),
	}
	insert := `INSERT INTO ` + records + ` (` + names + `, sweep_at, half, content, revision) `
	given := sqlx.Repeat("?", len(fixed)+len(changing)+3) + `, 1`
	s.put = update{plain: db.SQL(insert + `VALUES (` + given + `) ON CONFLICT (tenant, id) DO NOTHING RETURNING ` + nothing)}
	if db.Dialect() == sqlx.Postgres {
		s.put.emitting = db.SQL(locked + `u AS (` + insert + `SELECT ` + given + ` FROM l ON CONFLICT (tenant, id) DO NOTHING RETURNING ` +
			`NULL::bytea AS half, NULL::bytea AS content), ` + emitted)
	}
	return s
}

// The parts of a statement that stores events on PostgreSQL: one round trip and one transaction. Events get their number
// within the lock that [Store.settled] explains. The update comes after it too, but does not need it: where the row is
// another by then, its revision is no longer the one that was read.
const (
	locked  = `WITH l AS MATERIALIZED (SELECT pg_advisory_xact_lock_shared(?)), `
	emitted = `e AS (INSERT INTO {t}securesend_events (tenant, id, event)
		SELECT x.t, x.i, x.e FROM u, json_to_recordset(CAST(? AS json)) AS x(n bigint, t text, i text, e text) ORDER BY x.n)
		SELECT half, content FROM u`
)

func changes(db *sqlx.DB, set, returns string) update {
	u := update{plain: db.SQL(`UPDATE ` + records + ` SET ` + set + sameAsWas + ` RETURNING ` + returns)}
	if db.Dialect() == sqlx.Postgres {
		named := returns
		if returns == nothing {
			named = `NULL::bytea AS half, NULL::bytea AS content`
		}
		u.emitting = db.SQL(locked + `u AS (UPDATE ` + records + ` SET ` + set + ` FROM l` + sameAsWas + ` RETURNING ` + named + `), ` + emitted)
	}
	return u
}
