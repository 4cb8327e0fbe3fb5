package sqlstore

import "github.com/mspkit/mspkit/internal/sqlx"

// statements are all statements of fixed text, expanded once.
type statements struct {
	insert, get, attempt, repeat, list               string
	sent, tried, finished, renewed, hinted, redeemed string
	subject, setSubject, dropSubject                 string
	count, refund, event                             string
	reached, enqueue, anyDue, queueDue, lease, done  string
	anyExpired, expired, channel                     string
	anyOld, dropEnded, dropLimits                    string
	approved                                         string
	unchained, chains, newChain, setChain            string
	setLink, setLinks                                string // of one event; of many, on PostgreSQL
	evidence, oldest, olds, moveBase, dropEvents     string
	factor, newFactor, setFactor, dropFactor         string
}

// columns of a record without its MACs, which only Attempt reads, and of its subject.
const (
	columns = `c.tenant, c.id, c.version, c.kind, c.state, c.delivery, c.method, c.channel, c.subject, c.action,
		c.technician, c.ticket_system, c.ticket_id, c.assurance, c.key_id, c.sealed, c.tries, c.max_tries, c.sends, c.messages,
		c.lock_after, c.hinted, c.refund, c.receipt_id, c.created_at, c.expires_at, c.decided_at, c.proof_until,
		c.redeemed_by, c.redeemed_at, c.answerer, c.needs_approval, c.approved_by, c.approved_at`
	subjectColumns = `COALESCE(s.failures, 0), COALESCE(s.frozen_until, 0)`
	fromBoth       = ` FROM {t}verify_challenges c LEFT JOIN {t}verify_subjects s ON s.tenant = c.tenant AND s.subject = c.subject`
	eventColumns   = `id, kind, happened_at, tenant, challenge, verifies, subject, action, technician, ticket_system,
		ticket_id, channel, method, assurance, state, tries, sends, caused_by, reason`
	linked    = `SELECT seq, ` + eventColumns + `, chain, link FROM {t}verify_events`
	unacked   = linked + ` WHERE acked = 0`
	isExpired = `state = 'pending' AND expires_at <= ?`
	isEnded   = `state <> 'pending' AND decided_at < ?`
	isOld     = `acked = 1 AND happened_at < ? AND chain > 0`
)

func newStatements(db *sqlx.DB) *statements {
	return &statements{
		insert: db.SQL(`INSERT INTO {t}verify_challenges (tenant, id, version, kind, state, delivery, method, channel,
			subject, action, technician, ticket_system, ticket_id, assurance, key_id, sealed, tries, max_tries, sends, messages,
			lock_after, hinted, refund, receipt_id, created_at, expires_at, decided_at, proof_until, redeemed_by,
			redeemed_at, mac, word_mac, idempotency, fingerprint, answerer, needs_approval)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
			ON CONFLICT (tenant, id) DO NOTHING`),
		get:     db.SQL(`SELECT ` + columns + `, ` + subjectColumns + fromBoth + ` WHERE c.tenant = ? AND c.id = ?`),
		attempt: db.SQL(`SELECT ` + columns + `, ` + subjectColumns + `, c.mac, c.word_mac` + fromBoth + ` WHERE c.tenant = ? AND c.id = ?`),
		repeat:  db.SQL(`SELECT ` + columns + `, c.fingerprint FROM {t}verify_challenges c WHERE c.tenant = ? AND c.idempotency = ?`),
		list:    `SELECT ` + columns + ` FROM {t}verify_challenges c WHERE c.tenant = ?`, // completed by List

		sent:  db.SQL(`UPDATE {t}verify_challenges SET delivery = ?, receipt_id = ? WHERE tenant = ? AND id = ?`),
		tried: db.SQL(`UPDATE {t}verify_challenges SET tries = ? WHERE tenant = ? AND id = ?`),
		finished: db.SQL(`UPDATE {t}verify_challenges SET version = ?, state = ?, decided_at = ?, proof_until = ?
			WHERE tenant = ? AND id = ?`),
		renewed: db.SQL(`UPDATE {t}verify_challenges SET version = ?, state = ?, decided_at = ?, key_id = ?, mac = ?,
			word_mac = ?, sealed = ?, tries = ?, max_tries = ?, expires_at = ?, sends = ?, messages = ?, hinted = ?, refund = ?,
			delivery = ?, receipt_id = ? WHERE tenant = ? AND id = ?`),
		hinted:   db.SQL(`UPDATE {t}verify_challenges SET hinted = 1 WHERE tenant = ? AND id = ?`),
		redeemed: db.SQL(`UPDATE {t}verify_challenges SET version = ?, redeemed_by = ?, redeemed_at = ? WHERE tenant = ? AND id = ?`),

		approved: db.SQL(`UPDATE {t}verify_challenges SET version = ?, approved_by = ?, approved_at = ? WHERE tenant = ? AND id = ?`),

		subject: db.SQL(`SELECT failures, frozen_until FROM {t}verify_subjects WHERE tenant = ? AND subject = ?`),
		setSubject: db.SQL(`INSERT INTO {t}verify_subjects (tenant, subject, failures, frozen_until) VALUES (?, ?, ?, ?)
			ON CONFLICT (tenant, subject) DO UPDATE SET failures = excluded.failures, frozen_until = excluded.frozen_until`),
		dropSubject: db.SQL(`DELETE FROM {t}verify_subjects WHERE tenant = ? AND subject = ?`),

		// Checks and counts at once: a count above the maximum is undone with its transaction.
		count: db.SQL(`INSERT INTO {t}verify_limits AS l (name, counted, ends_at) VALUES (?, 1, ?)
			ON CONFLICT (name) DO UPDATE SET
				counted = CASE WHEN l.ends_at <= ? THEN 1 ELSE l.counted + 1 END,
				ends_at = CASE WHEN l.ends_at <= ? THEN excluded.ends_at ELSE l.ends_at END
			RETURNING counted, ends_at`),
		reached: db.SQL(`SELECT ends_at FROM {t}verify_limits WHERE name = ? AND counted >= ? AND ends_at > ?`),
		refund:  db.SQL(`UPDATE {t}verify_limits SET counted = counted - 1 WHERE name = ? AND counted > 0 AND ends_at > ?`),

		event: db.SQL(`INSERT INTO {t}verify_events (` + eventColumns + `)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`),

		enqueue: db.SQL(`INSERT INTO {t}verify_queue (tenant, id, sealed, attempts, queued_at, due_at) VALUES (?, ?, ?, ?, ?, ?)`),
		anyDue:  db.SQL(`SELECT CASE WHEN EXISTS (SELECT 1 FROM {t}verify_queue WHERE due_at <= ?) THEN 1 ELSE 0 END`),
		queueDue: db.SQL(`SELECT seq, tenant, id, sealed, attempts, queued_at FROM {t}verify_queue WHERE due_at <= ?
			ORDER BY due_at, seq LIMIT ? {skip_locked}`),
		lease: db.SQL(`UPDATE {t}verify_queue SET attempts = attempts + 1, due_at = ? WHERE seq = ?`),
		done:  db.SQL(`DELETE FROM {t}verify_queue WHERE tenant = ? AND id = ?`),

		anyExpired: db.SQL(`SELECT DISTINCT tenant FROM (SELECT tenant FROM {t}verify_challenges WHERE ` + isExpired + `
			ORDER BY expires_at LIMIT ?) AS first ORDER BY tenant`),
		expired: db.SQL(`SELECT ` + columns + ` FROM {t}verify_challenges c WHERE c.state = 'pending' AND c.expires_at <= ?
			ORDER BY c.expires_at LIMIT ?`),
		// ORDER BY and LIMIT keep the index in use where PostgreSQL expects many old rows and would look at all.
		anyOld: db.SQL(`SELECT CASE WHEN EXISTS (SELECT 1 FROM (SELECT 1 FROM {t}verify_challenges WHERE ` + isEnded + ` ORDER BY decided_at LIMIT 1) AS a)
			OR EXISTS (SELECT 1 FROM (SELECT 1 FROM {t}verify_events WHERE ` + isOld + ` ORDER BY happened_at LIMIT 1) AS b)
			OR EXISTS (SELECT 1 FROM (SELECT 1 FROM {t}verify_limits WHERE ends_at <= ? ORDER BY ends_at LIMIT 1) AS c) THEN 1 ELSE 0 END`),
		// The condition stands outside again: on PostgreSQL a row may change while the statement waits for it.
		dropEnded: db.SQL(`DELETE FROM {t}verify_challenges WHERE ` + isEnded + ` AND (tenant, id) IN
			(SELECT tenant, id FROM {t}verify_challenges WHERE ` + isEnded + ` ORDER BY decided_at LIMIT ?)`),
		dropLimits: db.SQL(`DELETE FROM {t}verify_limits WHERE ends_at <= ? AND name IN
			(SELECT name FROM {t}verify_limits WHERE ends_at <= ? ORDER BY ends_at LIMIT ?)`),

		unchained: db.SQL(`SELECT seq, ` + eventColumns + `, chain, link,
			COALESCE((SELECT c.head FROM {t}verify_chains c WHERE c.tenant = e.tenant), 0),
			(SELECT c.head_link FROM {t}verify_chains c WHERE c.tenant = e.tenant)
			FROM {t}verify_events e WHERE chain = 0 ORDER BY seq LIMIT ?`),
		chains: db.SQL(`SELECT base, base_link, head, head_link FROM {t}verify_chains WHERE tenant = ?`),
		newChain: db.SQL(`INSERT INTO {t}verify_chains (tenant, head, head_link, base, base_link) VALUES (?, ?, ?, 0, ?)
			ON CONFLICT (tenant) DO NOTHING`),
		setChain: db.SQL(`UPDATE {t}verify_chains SET head = ?, head_link = ? WHERE tenant = ? AND head = ?`),
		setLink:  db.SQL(`UPDATE {t}verify_events SET chain = ?, link = ? WHERE seq = ? AND id = ? AND tenant = ? AND chain = 0`),
		setLinks: db.SQL(`UPDATE {t}verify_events e SET chain = x.n, link = decode(x.v, 'hex')
			FROM json_to_recordset(CAST(? AS json)) AS x(n bigint, v text, s bigint, i text)
			WHERE e.seq = x.s AND e.id = x.i AND e.tenant = ? AND e.chain = 0`),
		evidence: db.SQL(linked + ` WHERE tenant = ? AND chain > ? ORDER BY chain LIMIT ?`),
		// The tenants whose chain begins with an old event. A look at one event of each tenant: their old events may be
		// many, and stay while the first of them is not acknowledged.
		oldest: db.SQL(`SELECT tenant, base FROM (SELECT c.tenant, c.base, (SELECT e.happened_at FROM {t}verify_events e
			WHERE e.tenant = c.tenant AND e.chain = c.base + 1 AND e.chain > 0 AND e.acked = 1) AS since FROM {t}verify_chains c) AS first
			WHERE since < ? ORDER BY since LIMIT ?`),
		olds: db.SQL(`SELECT chain, link, CASE WHEN acked = 1 AND happened_at < ? THEN 1 ELSE 0 END FROM {t}verify_events
			WHERE tenant = ? AND chain > ? ORDER BY chain LIMIT ?`),
		moveBase:   db.SQL(`UPDATE {t}verify_chains SET base = ?, base_link = ? WHERE tenant = ? AND base = ?`),
		dropEvents: db.SQL(`DELETE FROM {t}verify_events WHERE tenant = ? AND chain > ? AND chain <= ?`),

		channel: db.SQL(`WITH asked AS (INSERT INTO {t}verify_listening (id) VALUES (1) ON CONFLICT DO NOTHING) SELECT ` + channel4("n.nspname") + ` FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
			WHERE c.oid = to_regclass('{t}verify_challenges')`),

		factor: db.SQL(`SELECT version, sealed, changed_at FROM {t}verify_factors WHERE tenant = ? AND subject = ? AND kind = ?`),
		newFactor: db.SQL(`INSERT INTO {t}verify_factors (tenant, subject, kind, version, sealed, changed_at) VALUES (?, ?, ?, 1, ?, ?)
			ON CONFLICT (tenant, subject, kind) DO NOTHING`),
		setFactor: db.SQL(`UPDATE {t}verify_factors SET version = version + 1, sealed = ?, changed_at = ?
			WHERE tenant = ? AND subject = ? AND kind = ? AND version = ?`),
		dropFactor: db.SQL(`DELETE FROM {t}verify_factors WHERE tenant = ? AND subject = ? AND kind = ? AND version = ?`),
	}
}
