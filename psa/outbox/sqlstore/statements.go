package sqlstore

import (
	"github.com/mspkit/mspkit/internal/sqlx"
)

// statements are all statements of fixed text, expanded once.
type statements struct {
	add, addKeyed, known, adopt, orphans    string
	take, held, try, head, release, untried string
	finish, deliver                         string
	// PostgreSQL only: whole verbs.
	nextOnce, none                   string
	finishOnce, deliverOnce, dieOnce string
	due, dueMore, dueFirst           string
	get, state, count, countOf       string
	replay, drop, event, told        string
	events                           string
	anyOld, old, abandoned           string
	stale, rewrap                    string
}

const (
	// looked is how many due notes are looked at for streams before all streams are.
	looked = `2000`

	notes   = `{t}psa_outbox_notes`
	keys    = `{t}psa_outbox_keys`
	streams = `{t}psa_outbox_streams`
	told    = `{t}psa_outbox_events`

	added = `tenant, id, ticket_system, ticket_id, key_hash, state, sealed, sealed_key, parts, done, note_ids, tries, unclear,
		unclear_before, trying_until, tried_at, due, added_at, ended_at, fault`
	addedValues = `?, ?, ?, ?, ?, 'pending', ?, ?, ?, 0, '', 0, 0, 0, 0, 0, ?, ?, 0, ''`

	beforeUnclear = `seq, tenant, id, ticket_system, ticket_id, key_hash, state, parts, done, note_ids, tries, `
	afterUnclear  = `, tried_at, due, added_at, ended_at, fault`
	noteColumns   = beforeUnclear + `unclear` + afterUnclear

	ofTicket = `tenant = ? AND ticket_system = ? AND ticket_id = ?`
	firstOf  = `(SELECT MIN(seq) FROM ` + notes + ` WHERE ` + ofTicket + ` AND state = 'pending')`
	// Of a note n.
	firstOfNote = `SELECT MIN(f.seq) FROM ` + notes + ` AS f WHERE f.tenant = n.tenant AND f.ticket_system = n.ticket_system
		AND f.ticket_id = n.ticket_id AND f.state = 'pending'`
	holdsNote = `FROM ` + streams + ` AS s WHERE s.tenant = n.tenant AND s.ticket_system = n.ticket_system
		AND s.ticket_id = n.ticket_id AND s.until > ?`
	oneNote   = ` WHERE tenant = ? AND id = ?`
	eventCols = `id, kind, at, tenant, note, ticket_system, ticket_id, note_ids, by_whom, fault`
	// The event takes from the note what is the note's.
	eventOf = `?, ?, ?, tenant, id, ticket_system, ticket_id, note_ids, ?, ?`
	ended   = `state IN ('delivered', 'dropped') AND ended_at < ?`
)

func newStatements(db *sqlx.DB) *statements {
	const (
		taken = `
			ON CONFLICT (tenant, ticket_system, ticket_id) DO UPDATE SET holder = excluded.holder, until = excluded.until
			WHERE s.until <= ? OR s.holder = excluded.holder`
		take  = `INSERT INTO ` + streams + ` AS s (tenant, ticket_system, ticket_id, holder, until) VALUES (?, ?, ?, ?, ?)` + taken
		tryOf = `UPDATE ` + notes + ` SET tries = tries + 1, unclear_before = unclear, unclear = 1, trying_until = ?,
				tried_at = CASE WHEN tried_at = 0 THEN ? ELSE tried_at END`
		first  = `seq = ` + firstOf + ` AND state = 'pending' AND due <= ?`
		tried  = ` RETURNING ` + beforeUnclear + `unclear_before` + afterUnclear + `, sealed`
		finish = `UPDATE ` + notes + ` SET state = ?, done = ?, note_ids = ?, tries = ?, unclear = ?, tried_at = ?, due = ?, ended_at = ?,
			fault = ?, trying_until = 0`
		// A try is told from every other one by these four.
		sameTry = oneNote + ` AND seq = ? AND state = 'pending' AND done = ? AND tries = ?
			AND EXISTS (SELECT 1 FROM ` + streams + ` WHERE ` + ofTicket + ` AND holder = ?)`
		gone = `, sealed = NULL, sealed_key = ''`
	)
	last := `(SELECT MAX(seq) + 1 FROM ` + notes + `)`
	if db.Dialect() == sqlx.Postgres {
		last = `DEFAULT`
	}
	q := &statements{
		add: db.SQL(`INSERT INTO ` + notes + ` (` + added + `) VALUES (` + addedValues + `)`),
		known: `SELECT n.id FROM ` + keys + ` AS k JOIN ` + notes + ` AS n ON n.tenant = k.tenant AND n.id = k.note
			WHERE k.tenant = ? AND k.hash IN `, // completed by add, as are the next two
		adopt: `UPDATE ` + keys + ` SET note = ? WHERE tenant = ? AND note = ? AND hash IN `,
		orphans: `DELETE FROM ` + keys + ` AS k WHERE NOT EXISTS (SELECT 1 FROM ` + notes + ` AS n WHERE n.tenant = k.tenant AND n.id = k.note)
			AND k.tenant = ? AND k.hash IN `,

		take:    db.SQL(take),
		held:    db.SQL(`SELECT until FROM ` + streams + ` WHERE ` + ofTicket),
		try:     db.SQL(tryOf + ` WHERE ` + first + tried),
		head:    db.SQL(`SELECT due FROM ` + notes + ` WHERE seq = ` + firstOf),
		release: db.SQL(`DELETE FROM ` + streams + ` WHERE ` + ofTicket + ` AND holder = ?`),
		untried: db.SQL(`UPDATE ` + notes + ` SET trying_until = 0 WHERE ` + ofTicket + ` AND state = 'pending' AND trying_until > 0`),

		finish:  db.SQL(finish + sameTry),
		deliver: db.SQL(finish + gone + sameTry),
		event:   db.SQL(`INSERT INTO ` + told + ` (` + eventCols + `) SELECT ` + eventOf + ` FROM ` + notes + oneNote),

		// The scalar query keeps PostgreSQL from comparing all notes of a stream with each other.
		due: db.SQL(`SELECT n.tenant, n.ticket_system, n.ticket_id
			FROM (SELECT * FROM ` + notes + ` WHERE state = 'pending' AND due <= ? ORDER BY due, seq LIMIT ` + looked + `) AS n
			WHERE n.seq = (` + firstOfNote + `) AND NOT EXISTS (SELECT 1 ` + holdsNote + `) ORDER BY n.due, n.seq LIMIT ?`),
		dueMore: db.SQL(`SELECT COUNT(*) FROM (SELECT 1 FROM ` + notes + ` WHERE state = 'pending' AND due <= ? ORDER BY due, seq
			LIMIT 1 OFFSET ` + looked + `) AS n`),
		// Goes from the first note of one stream to the first one of the next stream: of the same system, the same tenant, or
		// the next tenant. SQLite would search a comparison of all three by the tenant alone.
		dueFirst: db.SQL(`WITH RECURSIVE f (seq) AS (
				SELECT (SELECT a.seq FROM ` + notes + ` AS a WHERE a.state = 'pending'
					ORDER BY a.tenant, a.ticket_system, a.ticket_id, a.seq LIMIT 1)
				UNION ALL
				SELECT COALESCE(
					(SELECT b.seq FROM ` + notes + ` AS b WHERE b.state = 'pending' AND b.tenant = c.tenant AND b.ticket_system = c.ticket_system
						AND b.ticket_id > c.ticket_id ORDER BY b.ticket_id, b.seq LIMIT 1),
					(SELECT b.seq FROM ` + notes + ` AS b WHERE b.state = 'pending' AND b.tenant = c.tenant
						AND b.ticket_system > c.ticket_system ORDER BY b.ticket_system, b.ticket_id, b.seq LIMIT 1),
					(SELECT b.seq FROM ` + notes + ` AS b WHERE b.state = 'pending'
						AND b.tenant > c.tenant ORDER BY b.tenant, b.ticket_system, b.ticket_id, b.seq LIMIT 1))
				FROM f JOIN ` + notes + ` AS c ON c.seq = f.seq)
			SELECT n.tenant, n.ticket_system, n.ticket_id FROM f JOIN ` + notes + ` AS n ON n.seq = f.seq
			WHERE n.due <= ? AND NOT EXISTS (SELECT 1 ` + holdsNote + `) ORDER BY n.due, n.seq LIMIT ?`),

		get:   db.SQL(`SELECT ` + noteColumns + `, sealed FROM ` + notes + oneNote),
		state: db.SQL(`SELECT state FROM ` + notes + oneNote),
		count: db.SQL(`SELECT state, COUNT(*), MIN(added_at) FROM ` + notes + ` WHERE state IN ('pending', 'dead') GROUP BY state`),
		countOf: db.SQL(`SELECT state, COUNT(*), MIN(added_at) FROM ` + notes + ` WHERE state IN ('pending', 'dead') AND tenant = ?
			GROUP BY state`),
		replay: db.SQL(`UPDATE ` + notes + ` SET seq = ` + last + `, state = 'pending', tries = 0, fault = '', due = ?, ended_at = 0,
			trying_until = 0` +
			oneNote + ` AND state = 'dead' RETURNING ticket_system, ticket_id`),
		// Whether it is being tried stands in the row itself, so that a try and this meet in it. What the other tables say
		// is for notes that are about to be tried, and may be a moment old.
		drop: db.SQL(`UPDATE ` + notes + ` AS n SET state = 'dropped', ended_at = ?, trying_until = 0` + gone + oneNote +
			` AND (state = 'dead' OR state = 'pending' AND trying_until <= ? AND (due > ? OR n.seq <> (` + firstOfNote + `)
				OR NOT EXISTS (SELECT 1 ` + holdsNote + `)))`),
		told: db.SQL(`INSERT INTO ` + told + ` (` + eventCols + `) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`),

		events: db.SQL(`SELECT ` + eventCols + ` FROM ` + told + ` ORDER BY seq LIMIT ?`),

		anyOld: db.SQL(`SELECT CASE WHEN EXISTS (SELECT 1 FROM (SELECT 1 FROM ` + notes + ` WHERE ` + ended + ` ORDER BY ended_at LIMIT 1) AS a)
			OR EXISTS (SELECT 1 FROM ` + streams + ` WHERE until < ?) THEN 1 ELSE 0 END`),
		old: db.SQL(`SELECT seq FROM ` + notes + ` WHERE ` + ended + ` ORDER BY ended_at LIMIT ? {skip_locked}`),
		abandoned: db.SQL(`DELETE FROM ` + streams + ` AS s WHERE s.until < ? AND NOT EXISTS (SELECT 1 FROM ` + notes + ` AS n
			WHERE n.tenant = s.tenant AND n.ticket_system = s.ticket_system AND n.ticket_id = s.ticket_id AND n.state = 'pending')`),

		stale: db.SQL(`SELECT ` + noteColumns + `, sealed, sealed_key FROM ` + notes + ` WHERE state IN ('pending', 'dead') AND sealed_key <> ?
			AND seq > ? ORDER BY seq LIMIT ?`),
		rewrap: db.SQL(`UPDATE ` + notes + ` SET sealed = ?, sealed_key = ?` + oneNote + ` AND sealed_key = ? AND state IN ('pending', 'dead')`),
	}
	if db.Dialect() == sqlx.Postgres {
		q.addKeyed = db.SQL(`WITH k AS (INSERT INTO ` + keys + ` (tenant, hash, note) VALUES (?, ?, ?) ON CONFLICT DO NOTHING RETURNING 1),
			n AS (INSERT INTO ` + notes + ` (` + added + `) SELECT ` + addedValues + ` FROM k RETURNING 1)
			SELECT COUNT(*) FROM n`)
		const (
			tell = ` RETURNING tenant, id, ticket_system, ticket_id, note_ids),
				e AS (INSERT INTO ` + told + ` (` + eventCols + `) SELECT ` + eventOf + ` FROM n RETURNING 1)
				SELECT COUNT(*) FROM n`
			isDue = `EXISTS (SELECT 1 FROM ` + notes + ` WHERE seq = ` + firstOf + ` AND due <= ?)`
		)
		q.finishOnce = db.SQL(`WITH n AS (` + finish + sameTry + ` RETURNING 1) SELECT COUNT(*) FROM n`)
		q.deliverOnce = db.SQL(`WITH n AS (` + finish + gone + sameTry + tell)
		q.dieOnce = db.SQL(`WITH n AS (` + finish + sameTry + tell)
		// All of it sees the rows as they were when it began, but for those that it changes: these are looked at again as
		// they are then. So it finds too little where something changes meanwhile, and never a note that has ended.
		q.nextOnce = db.SQL(`WITH t AS (INSERT INTO ` + streams + ` AS s (tenant, ticket_system, ticket_id, holder, until)
				SELECT ?, ?, ?, ?, ? WHERE ` + isDue + taken + ` RETURNING 1 AS one)
			` + tryOf + ` FROM t WHERE ` + first + tried)
		q.none = db.SQL(`WITH d AS (DELETE FROM ` + streams + ` WHERE ` + ofTicket + ` AND holder = ? AND NOT ` + isDue + `)
			SELECT COALESCE((SELECT due FROM ` + notes + ` WHERE seq = ` + firstOf + `), -1),
				COALESCE((SELECT until FROM ` + streams + ` WHERE ` + ofTicket + ` AND holder <> ? AND until > ?), 0)`)
	}
	return q
}

func marks(n int) string { return "(" + sqlx.Repeat("?", n) + ")" }
