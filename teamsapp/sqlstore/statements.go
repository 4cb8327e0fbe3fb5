package sqlstore

import (
	"github.com/mspkit/mspkit/internal/sqlx"
)

// maxKeys is how many keys a claim has at most.
const maxKeys = 4

// statements are all statements, expanded once.
type statements struct {
	save, load                string
	list, listTenant          page
	claim, replies            [maxKeys + 1]string // by the number of keys
	lockOwned, answer, forget string
	anyExpired, dropExpired   string
}

// page is a statement that begins at the first record, or after one.
type page struct{ all, after string }

func newStatements(db *sqlx.DB) *statements {
	const selected = `SELECT ` + referenceColumns + ` FROM {t}teamsapp_references WHERE bot = ?`
	list := func(where, after string) page {
		const end = ` AND removed = 0 ORDER BY tenant, user_tenant, user_id LIMIT ?`
		return page{all: db.SQL(selected + where + end), after: db.SQL(selected + where + after + end)}
	}
	q := &statements{
		save: db.SQL(`INSERT INTO {t}teamsapp_references AS r (` + referenceColumns + `) VALUES (?, ?, ?, ?, ?, ?, ?)
			ON CONFLICT (bot, tenant, user_tenant, user_id) DO UPDATE SET
				sealed = excluded.sealed, removed = excluded.removed, updated_at = excluded.updated_at
			WHERE r.updated_at <= excluded.updated_at`),
		load:       db.SQL(selected + ` AND tenant = ? AND user_tenant = ? AND user_id = ?`),
		list:       list(``, ` AND (tenant, user_tenant, user_id) > (?, ?, ?)`),
		listTenant: list(` AND tenant = ?`, ` AND (user_tenant, user_id) > (?, ?)`),

		lockOwned: db.SQL(`SELECT name FROM {t}teamsapp_claims WHERE owner = ? AND expires_at > ? ORDER BY name {for_update}`),
		answer:    db.SQL(`UPDATE {t}teamsapp_claims SET reply = ? WHERE owner = ? AND expires_at > ?`),
		forget:    db.SQL(`DELETE FROM {t}teamsapp_claims WHERE owner = ? AND expires_at > ?`),

		anyExpired: db.SQL(`SELECT CASE WHEN EXISTS (SELECT 1 FROM {t}teamsapp_claims WHERE expires_at <= ?) THEN 1 ELSE 0 END`),
		// Keys that are being claimed are left out rather than waited for. They are selected apart, because PostgreSQL
		// may run a subquery with LIMIT more than once.
		dropExpired: db.SQL(`WITH old AS (SELECT name FROM {t}teamsapp_claims WHERE expires_at <= ?
				ORDER BY expires_at LIMIT ? {skip_locked})
			DELETE FROM {t}teamsapp_claims WHERE name IN (SELECT name FROM old) AND expires_at <= ?`),
	}
	for n := 1; n <= maxKeys; n++ {
		// Takes each key that is free and waits for others who are taking it. On PostgreSQL a row that is left as it is
		// stays locked all the same, so that its reply can be read.
		q.claim[n] = db.SQL(`INSERT INTO {t}teamsapp_claims AS c (name, owner, expires_at, lease_until) VALUES ` +
			sqlx.Repeat("(?, ?, ?, ?)", n) + `
			ON CONFLICT (name) DO UPDATE SET owner = excluded.owner, expires_at = excluded.expires_at,
				lease_until = excluded.lease_until, reply = NULL
			WHERE c.expires_at <= ? OR (c.reply IS NULL AND c.lease_until <= ?)`)
		q.replies[n] = db.SQL(`SELECT name, reply FROM {t}teamsapp_claims WHERE name IN (` + sqlx.Repeat("?", n) + `)
			AND reply IS NOT NULL`)
	}
	return q
}
