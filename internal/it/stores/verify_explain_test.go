package stores_test

import (
	"database/sql"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/verify"
	"github.com/mspkit/mspkit/verify/sqlstore"
)

// crowded fills the tables with n challenges, half of them ended, and as many events and counters, of 1,000 tenants. The
// first events of half of the tenants are not acknowledged, so that all their others must stay.
func crowded(t testing.TB, db *sql.DB, n int) {
	t.Helper()
	for _, text := range []string{
		`SET synchronous_commit = off`,
		`INSERT INTO mspkit_verify_challenges (tenant, id, version, kind, state, delivery, method, channel, subject, action, technician,
			ticket_system, ticket_id, assurance, key_id, mac, word_mac, sealed, tries, max_tries, sends, messages, lock_after, hinted,
			refund, receipt_id, created_at, expires_at, decided_at, proof_until, redeemed_by, redeemed_at, fingerprint)
			SELECT 'tenant-' || g % 1000, 'old-' || g, 1, 'caller', CASE WHEN g % 2 = 0 THEN 'pending' ELSE 'confirmed' END, 1, 'code', 'email',
			's' || g % 50000, 'identify', 'jane', 'psa', '1', 2, 'k', '\x0102', '\x', repeat('x', 300)::bytea, 0, 5, 1, 1, 10, 0, '', 'm',
			g, g + 300, CASE WHEN g % 2 = 0 THEN 0 ELSE g END, 0, '', 0, 'f' FROM generate_series(1, %d) g`,
		`INSERT INTO mspkit_verify_events (id, kind, happened_at, tenant, challenge, verifies, subject, action, technician, ticket_system,
			ticket_id, channel, method, assurance, state, tries, sends, caused_by, reason, acked, chain, link)
			SELECT 'old-' || g, 'started', g, 'tenant-' || g % 1000, 'old-' || g, 'caller', 's', 'identify', 'jane', 'psa', '1', 'email', 'code', 2,
			'pending', 0, 1, 'jane', '', CASE WHEN g <= 500 OR g > %[1]d - 500 THEN 0 ELSE 1 END,
			CASE WHEN g > %[1]d - 500 THEN 0 ELSE (g - 1) / 1000 + 1 END, '\x00' FROM generate_series(1, %[1]d) g`,
		`INSERT INTO mspkit_verify_chains SELECT 'tenant-' || g, %d, '\x00', 0, '\x00' FROM generate_series(0, 999) g`,
		`INSERT INTO mspkit_verify_limits SELECT 'old-' || g, 1, g FROM generate_series(1, %d) g`,
		`ANALYZE mspkit_verify_challenges, mspkit_verify_events, mspkit_verify_chains, mspkit_verify_limits`,
		`SET synchronous_commit = on`,
	} {
		if strings.Contains(text, "%") && !strings.HasPrefix(text, "ANALYZE") {
			text = fmt.Sprintf(strings.ReplaceAll(strings.ReplaceAll(text, "g % ", "g %% "), "%%%", "%%"), n)
		}
		_, err := db.ExecContext(t.Context(), text)
		require.NoError(t, err, text)
	}
}

// TestNoStatementOfTheBackgroundReadsAWholeTable looks at the plans of everything that Run asks for again and again, on
// 50,000 rows of each kind, with MSPKIT_SOAK=1 on a million.
func TestNoStatementOfTheBackgroundReadsAWholeTable(t *testing.T) {
	t.Parallel()
	n := 50_000
	if os.Getenv("MSPKIT_SOAK") != "" {
		n = 1_000_000
	}
	d := verifySchema(t)
	plain := d.open(t)
	plain.SetMaxOpenConns(1)
	crowded(t, plain, n)
	var sent []statement
	db := sql.OpenDB(recorder{plain.Driver(), d.dsn, &sent})
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	store, err := sqlstore.New(db, d.dialect, &sqlstore.Options{Schema: d.schema})
	require.NoError(t, err)
	batch := n / 500 // what Run deletes at once, at a million
	ctx, half, all := t.Context(), time.UnixMicro(int64(n)/2), time.UnixMicro(int64(n)+1000)
	scan := regexp.MustCompile(`Seq Scan on mspkit_verify_(challenges|events|limits)\b`)
	for name, do := range map[string]func() error{
		"Unchained": func() error { _, err := store.Unchained(ctx, 100); return err },
		"Events":    func() error { _, err := store.Events(ctx, verify.EventQuery{Limit: 100}); return err },
		"Events without a tenant": func() error {
			_, err := store.Events(ctx, verify.EventQuery{Limit: 100, Skip: []mspkit.TenantID{"tenant-1"}})
			return err
		},
		"Ack":                          func() error { return store.Ack(ctx, []string{"old-1", "old-2"}) },
		"Evidence":                     func() error { _, err := store.Evidence(ctx, "tenant-7", 10, 100); return err },
		"Expire":                       func() error { _, err := store.Expire(ctx, half, 100); return err },
		"Expire, nothing is due":       func() error { _, err := store.Expire(ctx, time.UnixMicro(1), 100); return err },
		"DeleteExpired":                func() error { _, err := store.DeleteExpired(ctx, half, half, half, batch); return err },
		"DeleteExpired, everything is": func() error { _, err := store.DeleteExpired(ctx, all, all, all, batch); return err },
		"DeleteExpired, nothing is old": func() error {
			_, err := store.DeleteExpired(ctx, time.UnixMicro(-1), time.UnixMicro(-1), time.UnixMicro(-1), batch)
			return err
		},
		"DeleteExpired, a little is old": func() error {
			_, err := store.DeleteExpired(ctx, time.UnixMicro(5000), time.UnixMicro(5000), time.UnixMicro(5000), batch)
			return err
		},
		"Chain, and what is unchained now": func() error {
			tails, err := store.Unchained(ctx, 10)
			if err != nil {
				return err
			}
			for _, tail := range tails {
				for i := range tail.Events {
					tail.Events[i].Link = verify.Link{N: tail.Head.N + int64(i) + 1, Value: []byte{1}}
				}
				if err := store.Chain(ctx, tail.Tenant, tail.Head.N, tail.Events); err != nil {
					return err
				}
			}
			return nil
		},
	} {
		sent = nil
		require.NoError(t, do(), name)
		require.NotEmpty(t, sent, name)
		for _, s := range sent {
			text := plan(t, plain, s)
			if scan.MatchString(text) {
				t.Errorf("%s reads a whole table:\n%s\n%s", name, s.query, text)
			}
		}
	}
}

// plan returns how PostgreSQL would run a statement.
func plan(t *testing.T, db *sql.DB, s statement) string {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), "EXPLAIN (COSTS OFF) "+s.query, s.args...)
	require.NoError(t, err, s.query)
	defer rows.Close()
	var lines []string
	for rows.Next() {
		var line string
		require.NoError(t, rows.Scan(&line))
		lines = append(lines, line)
	}
	require.NoError(t, rows.Err())
	return strings.Join(lines, "\n")
}
