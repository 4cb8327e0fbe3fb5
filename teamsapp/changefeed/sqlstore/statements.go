package sqlstore

import (
	"strings"

	"github.com/mspkit/mspkit/internal/sqlx"
)

// columns are those of a subscription, in the order of scan and args.
const columns = `tenant, name, entra_tenant, resource, wanted, state, fault, tries, due, id, tag, secret, url, changes, certificate, next_certificate,
	made_at, expires_at, confirmed_at, notified_at, gap_from, gap_to, place, marks, mark_from, mark_seq, holder, lease_until, version`

// statements are all statements, expanded once.
type statements struct {
	insert, ofTenant, ofTenantLocked, byTag, due  string
	lease, exists, save, replace, remove          string
	mark, markAll, notified                       string
	lock, beat                                    string
	home, homeLocked, setHome                     string
	certificates, newest, addCertificate, inUse   string
	used, dropCertificate, hasCertificate, rewrap string
	seen, markSeen, anySeen, dropSeen             string
}

func newStatements(db *sqlx.DB) *statements {
	const (
		from  = ` FROM {t}changefeed_subscriptions`
		table = `{t}changefeed_subscriptions`
		// A mark adds to what is there, whoever holds the record.
		marking = ` SET marks = marks | ?, mark_from = CASE WHEN CAST(? AS BIGINT) <> 0 AND (mark_from = 0 OR mark_from > ?) THEN ? ELSE mark_from END,
			mark_seq = mark_seq + 1, due = CASE WHEN due > ? THEN ? ELSE due END`
	)
	n := strings.Count(columns, ",") + 1
	return &statements{
		insert:         db.SQL(`INSERT INTO ` + table + ` (` + columns + `) VALUES (` + sqlx.Repeat("?", n) + `) ON CONFLICT (tenant, name) DO NOTHING`),
		ofTenant:       db.SQL(`SELECT ` + columns + from + ` WHERE tenant = ? ORDER BY name`),
		ofTenantLocked: db.SQL(`SELECT ` + columns + from + ` WHERE tenant = ? ORDER BY name {for_update}`),
		byTag:          db.SQL(`SELECT ` + columns + from + ` WHERE tag = ? AND tag <> ''`),
		due:            db.SQL(`SELECT tenant, name` + from + ` WHERE due <= ? AND (holder = '' OR lease_until <= ?) ORDER BY due, tenant, name LIMIT ?`),
		lease: db.SQL(`UPDATE ` + table + ` SET holder = ?, lease_until = ?, version = version + 1
			WHERE tenant = ? AND name = ? AND (holder = '' OR holder = ? OR lease_until <= ?) RETURNING ` + columns),
		exists: db.SQL(`SELECT 1` + from + ` WHERE tenant = ? AND name = ?`),
		save: db.SQL(`UPDATE ` + table + ` SET state = ?, fault = ?, tries = ?,
			due = CASE WHEN mark_seq = ? OR due > ? THEN ? ELSE due END, id = ?, tag = ?, secret = ?, url = ?, changes = ?,
			certificate = ?, next_certificate = ?, made_at = ?, expires_at = ?, confirmed_at = ?, gap_from = ?, gap_to = ?, place = ?,
			marks = CASE WHEN mark_seq = ? THEN ? ELSE marks END, mark_from = CASE WHEN mark_seq = ? THEN ? ELSE mark_from END,
			holder = ?, lease_until = ?, version = version + 1
			WHERE tenant = ? AND name = ? AND version = ? RETURNING ` + columns),
		replace:  db.SQL(`UPDATE ` + table + ` SET (` + columns + `) = (` + sqlx.Repeat("?", n) + `) WHERE tenant = ? AND name = ?`),
		remove:   db.SQL(`DELETE` + from + ` WHERE tenant = ? AND name = ? AND version = ? AND wanted = 0`),
		mark:     db.SQL(`UPDATE ` + table + marking + ` WHERE tenant = ? AND name = ?`),
		markAll:  db.SQL(`UPDATE ` + table + marking),
		notified: db.SQL(`UPDATE ` + table + ` SET notified_at = ? WHERE tenant = ? AND name = ? AND notified_at < ?`),

		lock: db.SQL(`SELECT beat FROM {t}changefeed_state WHERE id = 1 {for_update}`),
		beat: db.SQL(`UPDATE {t}changefeed_state SET beat = ? WHERE id = 1`),

		home:       db.SQL(`SELECT home FROM {t}changefeed_state WHERE id = 1`),
		homeLocked: db.SQL(`SELECT home FROM {t}changefeed_state WHERE id = 1 {for_update}`),
		setHome:    db.SQL(`UPDATE {t}changefeed_state SET home = ? WHERE id = 1`),

		certificates:   db.SQL(`SELECT id, der, sealed, created_at, not_after, used_at FROM {t}changefeed_certificates ORDER BY created_at DESC, id DESC`),
		newest:         db.SQL(`SELECT id FROM {t}changefeed_certificates ORDER BY created_at DESC, id DESC LIMIT 1`),
		addCertificate: db.SQL(`INSERT INTO {t}changefeed_certificates (id, der, sealed, created_at, not_after, used_at) VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING`),
		inUse: db.SQL(`SELECT certificate` + from + ` WHERE certificate <> '' UNION SELECT next_certificate` + from +
			` WHERE next_certificate <> '' ORDER BY 1`),
		used: db.SQL(`UPDATE {t}changefeed_certificates SET used_at = ? WHERE id = ? AND used_at < ?`),
		dropCertificate: db.SQL(`DELETE FROM {t}changefeed_certificates WHERE id = ?
			AND NOT EXISTS (SELECT 1` + from + ` WHERE certificate = ? OR next_certificate = ?)`),
		hasCertificate: db.SQL(`SELECT 1 FROM {t}changefeed_certificates WHERE id = ?`),
		rewrap:         db.SQL(`UPDATE {t}changefeed_certificates SET sealed = ? WHERE id = ? AND sealed = ?`),

		seen: db.SQL(`SELECT 1 FROM {t}changefeed_seen WHERE tenant = ? AND event = ? AND until > ?`),
		markSeen: db.SQL(`INSERT INTO {t}changefeed_seen AS s (tenant, event, until) VALUES (?, ?, ?)
			ON CONFLICT (tenant, event) DO UPDATE SET until = excluded.until WHERE s.until < excluded.until`),
		anySeen: db.SQL(`SELECT CASE WHEN EXISTS (SELECT 1 FROM {t}changefeed_seen WHERE until <= ?) THEN 1 ELSE 0 END`),
		dropSeen: db.SQL(`WITH old AS (SELECT tenant, event FROM {t}changefeed_seen WHERE until <= ? ORDER BY until LIMIT ? {skip_locked})
			DELETE FROM {t}changefeed_seen WHERE (tenant, event) IN (SELECT tenant, event FROM old) AND until <= ?`),
	}
}
