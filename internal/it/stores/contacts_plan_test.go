package stores_test

import (
	"context"
	"database/sql"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit/contacts"
	contactsql "github.com/mspkit/mspkit/contacts/sqlstore"
	"github.com/mspkit/mspkit/internal/sqlx"
)

// No statement of a directory may have to read a whole table. SQLite is asked for its
// plans without statistics, which most databases of that kind never have; PostgreSQL after an import of four tenants.
func TestNoStatementOfADirectoryReadsAWholeTable(t *testing.T) {
	t.Parallel()
	eachDirectoryDatabase(t, func(t *testing.T, d database) {
		t.Helper()
		ctx, plain := t.Context(), d.open(t)
		plain.SetMaxOpenConns(1)
		var sent []statement
		db := sql.OpenDB(recorder{plain.Driver(), d.dsn, &sent})
		t.Cleanup(func() { require.NoError(t, db.Close()) })
		store, err := contactsql.New(db, d.dialect, &contactsql.Options{Schema: d.schema})
		require.NoError(t, err)
		_, err = store.Unhandled(ctx, "mail", 10)
		require.NoError(t, err)
		for tenant := range 4 {
			require.NoError(t, importTenant(ctx, store, tenant))
		}
		explain := "EXPLAIN QUERY PLAN "
		scan := regexp.MustCompile(`SCAN (\S+)`)
		if d.dialect == sqlx.Postgres {
			_, err := plain.ExecContext(ctx, `ANALYZE`)
			require.NoError(t, err)
			explain, scan = "EXPLAIN (COSTS OFF) ", regexp.MustCompile(`Seq Scan on mspkit_contacts_(\S+)`)
		}
		tenant, user := crowdTenant(1), crowdUser(1, 7)
		id := ""
		one, err := store.BySource(ctx, tenant, "entra", user.ID)
		require.NoError(t, err)
		id = one.ID
		for name, do := range map[string]func() error{
			"find a phone": func() error {
				_, err := store.Find(ctx, contacts.Search{Tenant: tenant, Phone: user.Phones[0].Value})
				return err
			},
			"find an e-mail": func() error {
				_, err := store.Find(ctx, contacts.Search{Tenant: tenant, Email: user.Emails[0].Value})
				return err
			},
			"find a name":    func() error { _, err := store.Find(ctx, contacts.Search{Tenant: tenant, Name: "sample04"}); return err },
			"find a company": func() error { _, err := store.Find(ctx, contacts.Search{Tenant: tenant, Company: "custo"}); return err },
			"find a caller":  func() error { _, err := store.FindCaller(ctx, user.Phones[0].Value, 10); return err },
			"get":            func() error { _, err := store.Get(ctx, tenant, id); return err },
			"by source":      func() error { _, err := store.BySource(ctx, tenant, "entra", user.ID); return err },
			"events":         func() error { _, err := store.Events(ctx, tenant, 10, 10); return err },
			"history":        func() error { _, err := store.History(ctx, tenant, id, 10); return err },
			"unhandled":      func() error { _, err := store.Unhandled(ctx, "mail", 10); return err },
			"handled":        func() error { return store.Handled(ctx, "mail", tenant, 5) },
			"photos due":     func() error { _, err := store.PhotosDue(ctx, tenant, "entra", time.Now(), 10); return err },
			"set photo": func() error {
				return store.SetPhotos(ctx, tenant, map[string]contacts.Photo{id: {CheckedAt: time.Now()}})
			},
			"conflicts":       func() error { _, err := store.Conflicts(ctx, tenant); return err },
			"checkpoint":      func() error { _, err := store.Checkpoint(ctx, tenant, "entra"); return err },
			"an import again": func() error { return again(ctx, store, 1) },
		} {
			sent = nil
			require.NoError(t, do(), name)
			require.NotEmpty(t, sent, name)
			for _, s := range sent {
				if q := strings.ToUpper(s.query); strings.HasPrefix(q, "BEGIN") || strings.HasPrefix(q, "COMMIT") || strings.Contains(q, "SET_CONFIG") {
					continue
				}
				text := planOf(t, plain, explain, s, d.dialect == sqlx.Postgres)
				for _, m := range scan.FindAllStringSubmatch(text, -1) {
					if m[1] == "json_each" || strings.HasSuffix(m[1], "consumers") || strings.Contains(text, "CO-ROUTINE "+m[1]) {
						continue // what was given or found, and the few names of consumers
					}
					t.Errorf("%s reads all of %s:\n%s\n%s", name, m[1], s.query, text)
				}
			}
		}
	})
}

// again lists a tenant once more, with a change for one.
func again(ctx context.Context, dir contacts.Directory, tenant int) error {
	at, err := dir.Checkpoint(ctx, crowdTenant(tenant), "entra")
	if err != nil {
		return err
	}
	p := contacts.Page{Next: "later"}
	for user := range 20 {
		c := crowdUser(tenant, user)
		c.JobTitle = "Boss"
		p.Contacts = append(p.Contacts, c)
	}
	_, err = dir.Apply(ctx, contacts.Batch{At: at, Page: p, Now: time.Now()})
	return err
}

// planOf returns how a statement would run. PostgreSQL reads small tables as a whole: it is asked what it does without.
func planOf(t *testing.T, db *sql.DB, explain string, s statement, postgres bool) string {
	t.Helper()
	tx, err := db.BeginTx(t.Context(), nil)
	require.NoError(t, err)
	defer tx.Rollback()
	if postgres {
		_, err := tx.ExecContext(t.Context(), `SET LOCAL enable_seqscan = off`)
		require.NoError(t, err)
	}
	rows, err := tx.QueryContext(t.Context(), explain+s.query, s.args...)
	require.NoError(t, err, s.query)
	defer rows.Close()
	var lines []string
	for rows.Next() {
		var line string
		if strings.Contains(explain, "QUERY PLAN") {
			var a, b, c int
			require.NoError(t, rows.Scan(&a, &b, &c, &line))
		} else {
			require.NoError(t, rows.Scan(&line))
		}
		lines = append(lines, line)
	}
	require.NoError(t, rows.Err())
	return strings.Join(lines, "\n")
}
