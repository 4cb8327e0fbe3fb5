package backlog

import (
	"strings"

	"github.com/mspkit/mspkit/internal/sqlx"
)

// statements are all statements of fixed text, expanded once.
type statements struct {
	add, addTold                      []string // by index of sizes
	next, head, release               string
	retry, done, dead                 string
	due                               string
	get, state, count, countOf        string
	list                              string // completed by List
	streamOf, replay, drop            string
	anyOld, expire, stale, rewrapItem string
}

// sizes are how many rows the statements of Add take: there are few, because every connection to PostgreSQL keeps each of
// them prepared. What is not needed of the next larger one is filled up with empty rows.
var sizes = []int{1, 2, 4, 8, 16, 32, 64, 128, 256, 512, MaxItems}

// rowValues is how many values a row has in the statements of Add.
const rowValues = 8

const (
	itemColumns = `seq, tenant, stream, id, state, tries, due, added_at, ended_at, fault`

	ofStream = `tenant = ? AND stream = ?`
	oneItem  = `tenant = ? AND id = ?`
	ended    = `state IN ('done', 'dropped') AND ended_at < ?`
	free     = `holder = '', held_until = 0`
)

func newStatements(db *sqlx.DB, name string) *statements {
	expand := strings.NewReplacer("{items}", "{t}"+name+"_items")
	sql := func(text string) string { return db.SQL(expand.Replace(text)) }
	write := func(text string) string { // for SQL.write
		if db.Dialect() == sqlx.Postgres {
			text = `WITH changed AS (` + text + ` RETURNING 1) SELECT COUNT(*) FROM changed`
		}
		return sql(text)
	}
	const (
		first  = `(SELECT MIN(seq) FROM {items} WHERE ` + ofStream + ` AND state = 'pending')`
		finish = ` WHERE ` + oneItem + ` AND seq = ? AND state = 'pending' AND tries = ? AND holder = ?`
		gone   = `, sealed_key = '', sealed = NULL`
		counts = `SELECT state, COUNT(*), MIN(added_at) FROM {items} WHERE state = '`
	)
	q := &statements{
		// Where the first item changes while PostgreSQL waits for it, it is looked at again as it is then.
		next: sql(`UPDATE {items} SET tries = tries + 1, holder = ?, held_until = ? WHERE seq = ` + first + `
			AND state = 'pending' AND due <= ? AND (held_until <= ? OR holder = ?) RETURNING ` + itemColumns + `, sealed`),
		head:    sql(`SELECT due, holder, held_until FROM {items} WHERE seq = ` + first),
		release: write(`UPDATE {items} SET ` + free + ` WHERE ` + ofStream + ` AND state = 'pending' AND holder = ?`),

		retry: write(`UPDATE {items} SET state = 'pending', due = ?, fault = ?, ` + free + finish),
		done:  write(`UPDATE {items} SET state = 'done', ended_at = ?, fault = '', ` + free + gone + finish),
		dead:  write(`UPDATE {items} SET state = 'dead', ended_at = ?, fault = ?, ` + free + finish),

		// Goes from the first item of one stream to the first one of the next stream, of the same tenant or the next tenant:
		// SQLite would search a comparison of both by the tenant alone.
		due: sql(`WITH RECURSIVE f (seq) AS (
				SELECT (SELECT a.seq FROM {items} AS a WHERE a.state = 'pending' ORDER BY a.tenant, a.stream, a.seq LIMIT 1)
				UNION ALL
				SELECT COALESCE(
					(SELECT b.seq FROM {items} AS b WHERE b.state = 'pending' AND b.tenant = c.tenant AND b.stream > c.stream
						ORDER BY b.stream, b.seq LIMIT 1),
					(SELECT b.seq FROM {items} AS b WHERE b.state = 'pending' AND b.tenant > c.tenant
						ORDER BY b.tenant, b.stream, b.seq LIMIT 1))
				FROM f JOIN {items} AS c ON c.seq = f.seq)
			SELECT n.tenant, n.stream FROM f JOIN {items} AS n ON n.seq = f.seq
			WHERE n.due <= ? AND n.held_until <= ? ORDER BY n.due, n.seq LIMIT ?`),

		get:     sql(`SELECT ` + itemColumns + `, sealed FROM {items} WHERE ` + oneItem),
		state:   sql(`SELECT state FROM {items} WHERE ` + oneItem),
		count:   sql(counts + `pending' GROUP BY state UNION ALL ` + counts + `dead' GROUP BY state`),
		countOf: sql(counts + `pending' AND tenant = ? GROUP BY state UNION ALL ` + counts + `dead' AND tenant = ? GROUP BY state`),
		list:    expand.Replace(`SELECT ` + itemColumns + ` FROM {items} WHERE seq > ?`),

		streamOf: sql(`SELECT stream, state FROM {items} WHERE ` + oneItem),
		// Whether it is in somebody's hand stands in the row itself, so that Next and this meet in it.
		drop: write(`UPDATE {items} SET state = 'dropped', ended_at = ?, ` + free + gone + ` WHERE ` + oneItem +
			` AND (state = 'dead' OR state = 'pending' AND held_until <= ?)`),

		anyOld: sql(`SELECT CASE WHEN EXISTS (SELECT 1 FROM {items} WHERE ` + ended + `) THEN 1 ELSE 0 END`),
		expire: write(`DELETE FROM {items} WHERE seq IN (SELECT seq FROM {items} WHERE ` + ended + ` ORDER BY ended_at LIMIT ?)`),
		stale: sql(`SELECT ` + itemColumns + `, sealed, sealed_key FROM {items} WHERE state IN ('pending', 'dead') AND sealed_key <> ?
			AND seq > ? ORDER BY seq LIMIT ?`),
		rewrapItem: write(`UPDATE {items} SET sealed = ?, sealed_key = ? WHERE ` + oneItem + ` AND sealed_key = ? AND state IN ('pending', 'dead')`),
	}
	const requeue = `state = 'pending', tries = 0, due = ?, ended_at = 0, fault = ''`
	if db.Dialect() == sqlx.Postgres {
		q.replay = write(`UPDATE {items} AS n SET seq = DEFAULT, ` + requeue + ` FROM (SELECT pg_advisory_xact_lock(?)) AS l
			WHERE n.tenant = ? AND n.id = ? AND n.stream = ? AND n.state = 'dead'`)
		q.expire = sql(`WITH old AS MATERIALIZED (SELECT seq FROM {items} WHERE ` + ended + ` ORDER BY ended_at LIMIT ? {skip_locked}),
			gone AS (DELETE FROM {items} AS n USING old WHERE n.seq = old.seq RETURNING 1) SELECT COUNT(*) FROM gone`)
	} else {
		q.replay = write(`UPDATE {items} SET seq = (SELECT MAX(seq) + 1 FROM {items}), ` + requeue + `
			WHERE ` + oneItem + ` AND stream = ? AND state = 'dead'`)
	}
	for _, n := range sizes {
		text := addText(db.Dialect(), n)
		if db.Dialect() == sqlx.Postgres {
			q.add = append(q.add, sql(`WITH `+text+` RETURNING 1) SELECT COUNT(*) FROM i`))
			q.addTold = append(q.addTold, sql(`WITH `+text+` RETURNING tenant, id) SELECT COUNT(*), COALESCE(json_agg(json_build_array(tenant, id))::text, '[]') FROM i`))
			continue
		}
		q.add = append(q.add, sql(`WITH `+text))
		q.addTold = append(q.addTold, sql(`WITH `+text+` RETURNING tenant, id`))
	}
	return q
}

// addText inserts n rows, but for empty ones. On PostgreSQL it is the beginning of a list of queries, i, and takes the lock of
// a row's stream before the row gets its seq, row by row: a function that changes something is not moved out of the inner
// query, and what is next in a sequence is asked for after it.
func addText(d sqlx.Dialect, n int) string {
	const columns = `(tenant, stream, id, state, tries, holder, held_until, due, added_at, ended_at, fault, sealed_key, sealed)`
	const row = `(?, ?, ?, ?, ?, ?, ?, ?)`
	var b strings.Builder
	b.WriteString(`w (place, tenant, stream, id, due, added_at, sealed_key, sealed) AS (VALUES
		(CAST(? AS BIGINT), CAST(? AS TEXT), CAST(? AS TEXT), CAST(? AS TEXT), CAST(? AS BIGINT), CAST(? AS BIGINT), CAST(? AS TEXT), CAST(? AS {bytes}))`)
	for range n - 1 {
		b.WriteString(", " + row)
	}
	b.WriteString(`)`)
	from := `w WHERE w.id <> ''`
	if d == sqlx.Postgres {
		b.WriteString(`, i AS (`)
		from = `(SELECT w.*, pg_advisory_xact_lock(w.place) FROM w WHERE w.id <> '') AS w WHERE true`
	}
	b.WriteString(` INSERT INTO {items} ` + columns + `
		SELECT w.tenant, w.stream, w.id, 'pending', 0, '', 0, w.due, w.added_at, 0, '', w.sealed_key, w.sealed FROM ` + from + `
		ON CONFLICT (tenant, id) DO NOTHING`)
	return b.String()
}
