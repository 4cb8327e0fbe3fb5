package sqlstore

import "github.com/mspkit/mspkit/internal/sqlx"

// The kinds of keys.
const (
	kindEmail = "e"
	kindPhone = "p"
	kindName  = "n"
)

// keyKinds has a letter for each column of a key, as from takes it.
const keyKinds = "ttttii"

const (
	tenantsTable   = `{t}contacts_tenants`
	peopleTable    = `{t}contacts_people`
	recordsTable   = `{t}contacts_records`
	keysTable      = `{t}contacts_keys`
	eventsTable    = `{t}contacts_events`
	consumersTable = `{t}contacts_consumers`
	offsetsTable   = `{t}contacts_offsets`
	checksTable    = `{t}contacts_checkpoints`
	photosTable    = `{t}contacts_photos`
)

// statements are expanded once.
type statements struct {
	lock, lockKnown, plan                                                                                  string
	recordsOf, recordsOfPeople, people, managers                                                           string
	addRecords, putRecords, stamp, addPeople, putPeople, dropPerson, dropPhoto, dropKeys, addKeys, putKeys string
	stale, remembered, countPresent                                                                        string
	get, bySource, findName, findCompany                                                                   string
	addEvents, setSeq, events, history, waiting, unhandled, handled                                        string
	behind, consumer, addConsumer, allBehind, shareConsumers, lockConsumers                                string
	checkpoint, addCheckpoint, setCheckpoint, dropCheckpoint, due, checkpoints, checkpointsOf              string
	conflicts                                                                                              string
	lockPerson, photo, putPhoto, photosDue                                                                 string
	findPhone, findEmail, findCaller                                                                       lookup
}

// lookup finds who has an address: any of them, or the first ones in order.
type lookup struct {
	any, sorted string
	byTenant    bool // they are ordered by tenant first
}

// contactColumns are what scanContact reads, of p and of m, the record of the manager.
const (
	contactColumns = `p.tenant, p.id, p.data, m.person`
	withManager    = ` LEFT JOIN ` + recordsTable + ` AS m ON m.tenant = p.tenant AND m.source = p.manager_source
			AND m.id = p.manager_id`
	byName = `p.sort_name, p.id`
	// bySorting is byName without the index on it: who is found is sorted, rather than everybody looked at in order.
	bySorting = `p.sort_name || '', p.id`
)

func newStatements(x *sqlx.DB) *statements {
	d := x.Dialect()
	// What is looked for comes first and is joined in that order; SQLite needs to be told by CROSS JOIN.
	given := from(d, "tt") + ` CROSS JOIN ` + recordsTable + ` AS x`
	where := ` WHERE x.tenant = ? AND x.source = b.c0 AND x.id = b.c1`
	// SQLite looks at a number that LIMIT is given as it is while it plans, before there is one, and so plans once more when
	// there is: that would be half the time of a search for somebody by an address. What is a sum it leaves alone.
	limit := ` LIMIT ?`
	if d == SQLite {
		limit = ` LIMIT ? + 0`
	}
	find := func(kind, of, order string) lookup {
		text := `SELECT ` + contactColumns + ` FROM ` + keysTable + ` AS k
			CROSS JOIN ` + peopleTable + ` AS p` + withManager + `
			WHERE p.tenant = k.tenant AND p.id = k.person AND ` + of + `k.kind = '` + kind + `' AND k.value = ?
			AND k.found = 1 AND p.away <= ?`
		return lookup{any: x.SQL(text + limit), sorted: x.SQL(text + `
			ORDER BY ` + order + ` LIMIT ?`), byTenant: of == ""}
	}
	intoRecords := `INSERT INTO ` + recordsTable + ` (tenant, source, id, person, status, apart, present, run, data)
			SELECT * FROM ` + from(d, recordKinds)
	intoPeople := `INSERT INTO ` + peopleTable + ` (tenant, id, sort_name, company, away, manager_source, manager_id, data)
			SELECT * FROM ` + from(d, personKinds)
	intoKeys := `INSERT INTO ` + keysTable + ` (tenant, kind, value, person, found, in_question) SELECT *
			FROM ` + from(d, keyKinds)
	q := &statements{
		lock: x.SQL(`INSERT INTO ` + tenantsTable + ` AS t (tenant, seq) VALUES (?, 0)
			ON CONFLICT (tenant) DO UPDATE SET seq = t.seq RETURNING seq`),
		lockKnown: x.SQL(`SELECT seq FROM ` + tenantsTable + ` WHERE tenant = ? {for_update}`),

		recordsOf: x.SQL(`SELECT ` + recordColumns + ` FROM ` + recordsTable + ` AS r WHERE r.tenant = ? AND r.person IN (
			SELECT x.person FROM ` + given + where + `
			UNION SELECT k.person FROM ` + from(d, "t") + ` CROSS JOIN ` + keysTable + ` AS k
			WHERE k.tenant = ? AND k.kind = '` + kindEmail + `' AND k.value = b.c0)`),
		recordsOfPeople: x.SQL(`SELECT ` + recordColumns + ` FROM ` + recordsTable + ` AS r
			WHERE r.tenant = ? AND r.person IN (SELECT b.c0 FROM ` + from(d, "t") + `)`),
		people: x.SQL(`SELECT ` + personColumns + ` FROM ` + peopleTable + ` AS p
			WHERE p.tenant = ? AND p.id IN (SELECT b.c0 FROM ` + from(d, "t") + `)`),
		managers: x.SQL(`SELECT x.source, x.id, x.person, p.data FROM ` + given + `
			CROSS JOIN ` + peopleTable + ` AS p` + where + `
			AND p.tenant = x.tenant AND p.id = x.person`),

		addRecords: x.SQL(intoRecords + ` WHERE true`),
		putRecords: x.SQL(intoRecords + ` WHERE true ON CONFLICT (tenant, source, id) DO UPDATE SET person = excluded.person,
			status = excluded.status, apart = excluded.apart, present = excluded.present, run = excluded.run, data = excluded.data`),
		stamp: x.SQL(`UPDATE ` + recordsTable + ` SET run = ?
			WHERE tenant = ? AND (source, id) IN (SELECT b.c0, b.c1 FROM ` + from(d, "tt") + `)`),
		addPeople: x.SQL(intoPeople + ` WHERE true`),
		putPeople: x.SQL(intoPeople + ` WHERE true ON CONFLICT (tenant, id) DO UPDATE SET sort_name = excluded.sort_name,
			company = excluded.company, away = excluded.away, manager_source = excluded.manager_source, manager_id = excluded.manager_id,
			data = excluded.data`),
		dropPerson: x.SQL(`DELETE FROM ` + peopleTable + ` WHERE tenant = ? AND id = ?`),
		dropPhoto:  x.SQL(`DELETE FROM ` + photosTable + ` WHERE tenant = ? AND person = ?`),
		dropKeys: x.SQL(`DELETE FROM ` + keysTable + ` WHERE tenant = ? AND (kind, value, person) IN
			(SELECT b.c0, b.c1, b.c2 FROM ` + from(d, "ttt") + `)`),
		addKeys: x.SQL(intoKeys + ` WHERE true`),
		putKeys: x.SQL(intoKeys + ` WHERE true ON CONFLICT
			(tenant, kind, value, person) DO UPDATE SET found = excluded.found, in_question = excluded.in_question`),

		stale: x.SQL(`SELECT id FROM ` + recordsTable + `
			WHERE tenant = ? AND source = ? AND status = 0 AND run < ? AND id > ? ORDER BY id LIMIT ?`),
		remembered: x.SQL(`SELECT id FROM ` + recordsTable + `
			WHERE tenant = ? AND source = ? AND status <> 2 AND id > ? ORDER BY id LIMIT ?`),
		countPresent: x.SQL(`SELECT COUNT(*) FROM ` + recordsTable + `
			WHERE tenant = ? AND source = ? AND status = 0 AND present = 1 AND run < ?`),

		get: x.SQL(`SELECT ` + contactColumns + ` FROM ` + peopleTable + ` AS p` + withManager + `
			WHERE p.tenant = ? AND p.id = ?`),
		bySource: x.SQL(`SELECT ` + contactColumns + ` FROM ` + recordsTable + ` AS r
			JOIN ` + peopleTable + ` AS p ON p.tenant = r.tenant AND p.id = r.person` +
			withManager + ` WHERE r.tenant = ? AND r.source = ? AND r.id = ?`),
		findPhone:  find(kindPhone, `k.tenant = ? AND `, bySorting),
		findEmail:  find(kindEmail, `k.tenant = ? AND `, bySorting),
		findCaller: find(kindPhone, ``, `p.tenant || '', `+bySorting),
		findName: x.SQL(`SELECT ` + contactColumns + ` FROM (SELECT * FROM ` + peopleTable + ` AS p
			WHERE p.tenant = ? AND p.away <= ? AND p.id IN (
				SELECT id FROM ` + peopleTable + ` WHERE tenant = ? AND sort_name >= ? AND sort_name < ?
				UNION SELECT person FROM ` + keysTable + `
				WHERE tenant = ? AND kind = '` + kindName + `' AND value >= ? AND value < ?)
			ORDER BY ` + bySorting + ` LIMIT ?) AS p` + withManager + ` ORDER BY ` + byName),
		findCompany: x.SQL(`SELECT ` + contactColumns + ` FROM (SELECT * FROM ` + peopleTable + ` AS p
			WHERE p.tenant = ? AND p.away <= ?
				AND p.company <> '' AND p.company >= ? AND p.company < ?
			ORDER BY ` + bySorting + ` LIMIT ?) AS p` + withManager + ` ORDER BY ` + byName),

		addEvents: x.SQL(`INSERT INTO ` + eventsTable + ` (tenant, seq, kind, person, name, manager, other, source, by_whom, reason,
			first_listing, changes, at) SELECT * FROM ` + from(d, eventKinds) + ` WHERE true`),
		setSeq: x.SQL(`UPDATE ` + tenantsTable + ` SET seq = ? WHERE tenant = ?`),
		events: x.SQL(`SELECT ` + eventColumns + ` FROM ` + eventsTable + ` AS e
			WHERE e.tenant = ? AND e.seq > ? ORDER BY e.seq LIMIT ?`),
		history: x.SQL(`SELECT ` + eventColumns + ` FROM (
			SELECT * FROM (SELECT * FROM ` + eventsTable + ` WHERE tenant = ? AND person = ?
			ORDER BY seq DESC LIMIT ?) AS a UNION
			SELECT * FROM (SELECT * FROM ` + eventsTable + ` WHERE tenant = ? AND other = ? AND other <> ''
			ORDER BY seq DESC LIMIT ?) AS b) AS e
			ORDER BY e.seq DESC LIMIT ?`),
		handled: x.SQL(`INSERT INTO ` + offsetsTable + ` AS o (consumer, tenant, seq, behind) VALUES (?, ?, ?, ?)
			ON CONFLICT (consumer, tenant)
			DO UPDATE SET seq = excluded.seq, behind = excluded.behind WHERE o.seq < excluded.seq`),
		behind: x.SQL(`INSERT INTO ` + offsetsTable + ` AS o (consumer, tenant, seq, behind) SELECT consumer, t.tenant, 0, 1
			FROM ` + consumersTable + ` CROSS JOIN ` + tenantsTable + ` AS t WHERE t.tenant = ?
			ON CONFLICT (consumer, tenant) DO UPDATE SET behind = 1 WHERE o.behind = 0`),
		consumer:    x.SQL(`SELECT COUNT(*) FROM ` + consumersTable + ` WHERE consumer = ?`),
		addConsumer: x.SQL(`INSERT INTO ` + consumersTable + ` (consumer) VALUES (?) ON CONFLICT DO NOTHING`),
		allBehind: x.SQL(`INSERT INTO ` + offsetsTable + ` (consumer, tenant, seq, behind) SELECT c.consumer, t.tenant, 0, 1
			FROM ` + consumersTable + ` AS c CROSS JOIN ` + tenantsTable + ` AS t WHERE c.consumer = ? AND t.seq > 0
			ON CONFLICT DO NOTHING`),
		waiting: x.SQL(`SELECT o.tenant, o.seq, t.seq FROM ` + offsetsTable + ` AS o
			JOIN ` + tenantsTable + ` AS t ON t.tenant = o.tenant
			WHERE o.consumer = ? AND o.behind = 1 ORDER BY o.tenant LIMIT ?`),
		unhandled: x.SQL(`SELECT ` + eventColumns + ` FROM ` + from(d, "tii") + ` CROSS JOIN ` + eventsTable + ` AS e
			WHERE e.tenant = b.c0 AND e.seq > b.c1 AND e.seq <= b.c2 ORDER BY e.seq - b.c1, e.tenant LIMIT ?`),

		checkpoint: x.SQL(`SELECT ` + checkpointColumns + ` FROM ` + checksTable + ` WHERE tenant = ? AND source = ?`),
		addCheckpoint: x.SQL(`INSERT INTO ` + checksTable + `
			(next_page, running, whole, run, pages, contacts, rev, begun_at, ended_at, whole_at, due,
			failures, failure, failed_at, tenant, source) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
			ON CONFLICT DO NOTHING`),
		setCheckpoint: x.SQL(`UPDATE ` + checksTable + ` SET next_page = ?, running = ?, whole = ?, run = ?, pages = ?, contacts = ?, rev = ?,
			begun_at = ?, ended_at = ?, whole_at = ?, due = ?, failures = ?, failure = ?, failed_at = ?
			WHERE tenant = ? AND source = ? AND rev = ?`),
		dropCheckpoint: x.SQL(`DELETE FROM ` + checksTable + ` WHERE tenant = ? AND source = ?`),
		due: x.SQL(`SELECT ` + checkpointColumns + ` FROM ` + checksTable + `
			WHERE due <> 0 AND due <= ? ORDER BY due, tenant, source LIMIT ?`),
		checkpoints:   x.SQL(`SELECT ` + checkpointColumns + ` FROM ` + checksTable + ` ORDER BY tenant, source`),
		checkpointsOf: x.SQL(`SELECT ` + checkpointColumns + ` FROM ` + checksTable + ` WHERE tenant = ? ORDER BY source`),

		conflicts: x.SQL(`SELECT k.value, k.person FROM ` + keysTable + ` AS k
			WHERE k.tenant = ? AND k.kind = '` + kindEmail + `' AND k.in_question = 1
			AND k.value IN (SELECT value FROM ` + keysTable + `
			WHERE tenant = ? AND kind = '` + kindEmail + `' AND in_question = 1
			GROUP BY value HAVING COUNT(*) > 1)`),
	}
	q.photos(x)
	if d == Postgres {
		postgresStatements(x, q)
	}
	return q
}

func (q *statements) photos(x *sqlx.DB) {
	q.lockPerson = x.SQL(`SELECT id FROM ` + peopleTable + ` WHERE tenant = ? AND id = ? {for_update}`)
	q.photo = x.SQL(`SELECT media_type, data, version, checked_at FROM ` + photosTable + ` WHERE tenant = ? AND person = ?`)
	q.putPhoto = x.SQL(`INSERT INTO ` + photosTable + ` (tenant, person, media_type, data, version, checked_at) VALUES
			(?, ?, ?, ?, ?, ?)
		ON CONFLICT (tenant, person) DO UPDATE SET media_type = excluded.media_type, data = excluded.data, version = excluded.version,
		checked_at = excluded.checked_at`)
	// Of two records of one source the first one is the person's.
	// Somebody may have several records of a source; a look for an earlier one of each would read all of them each time.
	q.photosDue = x.SQL(`SELECT p.id, MIN(r.id), COALESCE(MAX(f.version), '') FROM ` + recordsTable + ` AS r
		JOIN ` + peopleTable + ` AS p ON p.tenant = r.tenant AND p.id = r.person
		LEFT JOIN ` + photosTable + ` AS f ON f.tenant = p.tenant AND f.person = p.id
		WHERE r.tenant = ? AND r.source = ? AND r.status = 0 AND p.away = 0 AND COALESCE(f.checked_at, 0) < ?
		GROUP BY p.id, f.checked_at
		ORDER BY COALESCE(f.checked_at, 0), p.id LIMIT ?`)
}

// postgresStatements are what SQLite, which has one writer and looks up what is joined by itself, does without.
func postgresStatements(x *sqlx.DB, q *statements) {
	// Everything that a change reads is found by an index, however large a table has become since it was last analysed.
	q.plan = `SELECT set_config('enable_seqscan', 'off', true), set_config('enable_hashjoin', 'off', true),
		set_config('enable_mergejoin', 'off', true), set_config('jit', 'off', true)`
	// Nothing but LATERAL keeps it from reading all events.
	q.unhandled = x.SQL(`SELECT ` + eventColumns + ` FROM ` + from(Postgres, "tii") + `
			CROSS JOIN LATERAL (SELECT * FROM ` + eventsTable + ` AS a
		WHERE a.tenant = b.c0 AND a.seq > b.c1 AND a.seq <= b.c2 ORDER BY a.seq OFFSET 0) AS e
			ORDER BY e.seq - b.c1, e.tenant LIMIT ?`)
	lock := `(hashtextextended('` + consumersTable + `', 0))`
	q.shareConsumers = x.SQL(`SELECT pg_advisory_xact_lock_shared` + lock)
	q.lockConsumers = x.SQL(`SELECT pg_advisory_xact_lock` + lock)
}
