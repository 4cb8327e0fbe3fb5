package stores_test

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit/internal/race"
	"github.com/mspkit/mspkit/internal/sqlx"
	"github.com/mspkit/mspkit/verify"
	"github.com/mspkit/mspkit/verify/sqlstore"
	"github.com/mspkit/mspkit/verify/verifytest"
)

func TestInstancesThatStartAtOnceFindOneSchema(t *testing.T) {
	t.Parallel()
	for _, instances := range []int{2, 8} {
		t.Run(strconv.Itoa(instances), func(t *testing.T) {
			t.Parallel()
			eachDatabase(t, func(t *testing.T, d database) {
				o := &sqlstore.Options{Schema: d.schema}
				errs := make([]error, instances)
				var wg sync.WaitGroup
				for i := range errs {
					db := d.open(t)
					wg.Go(func() {
						errs[i] = sqlstore.Migrate(t.Context(), db, d.dialect, o)
						if errs[i] != nil {
							return
						}
						store, err := sqlstore.New(db, d.dialect, o) // at once, while others still migrate
						if err == nil {
							_, _, err = store.Begin(t.Context(), simple(fmt.Sprint("c-", i), time.Now()), nil, time.Now())
						}
						errs[i] = err
					})
				}
				wg.Wait()
				require.NoError(t, errors.Join(errs...))
				rs, err := openVerify(t, d).List(t.Context(), verify.Query{Tenant: "contoso"})
				require.NoError(t, err)
				require.Len(t, rs, instances)
			})
		})
	}
}

// simple is a challenge of one person each.
func simple(id string, now time.Time) verify.NewChallenge {
	return verify.NewChallenge{Record: verify.Record{
		Ref: verify.Ref{Tenant: "contoso", ID: id}, Kind: verify.KindCaller, State: verify.StatePending, Method: verify.MethodNumber,
		Subject: "subject-" + id, MAC: []byte("mac"), MaxTries: 3, LockAfter: 10, CreatedAt: now, ExpiresAt: now.Add(time.Hour),
	}, Stamp: verify.Stamp{ID: verify.NewEventID(), Kind: verify.EventStarted}}
}

// TestANewerSchemaWorks runs the suite on tables that the next release has widened.
func TestANewerSchemaWorks(t *testing.T) {
	t.Parallel()
	verifytest.TestStore(t, func(t *testing.T) func() verify.Store {
		t.Helper()
		d := verifySchema(t)
		db := d.open(t)
		for _, table := range []string{"challenges", "subjects", "limits", "events", "queue", "chains", "factors"} {
			_, err := db.ExecContext(t.Context(), `ALTER TABLE mspkit_verify_`+table+` ADD COLUMN future text NOT NULL DEFAULT 'x'`)
			require.NoError(t, err)
		}
		_, err := db.ExecContext(t.Context(), `INSERT INTO mspkit_migrations SELECT 'verify', MAX(version) + 1, 'of the next release', 0 FROM mspkit_migrations`)
		require.NoError(t, err)
		require.NoError(t, sqlstore.Migrate(t.Context(), db, d.dialect, &sqlstore.Options{Schema: d.schema}), "it is left as it is")
		return func() verify.Store { return openVerify(t, d) }
	})
}

// previous does the hot verbs with the statements of the release before, which knows migrations 1 and 2 only.
type previous struct {
	*sqlx.DB
	schema string
}

func (p previous) begin(ctx context.Context, n verify.NewChallenge, now time.Time) error {
	r := n.Record
	return p.write(ctx, func(tx *sqlx.Tx) error {
		_, err := tx.ExecContext(ctx, p.SQL(`INSERT INTO {t}verify_challenges (tenant, id, version, kind, state, delivery, method, channel,
			subject, action, technician, ticket_system, ticket_id, assurance, key_id, sealed, tries, max_tries, sends, messages,
			lock_after, hinted, refund, receipt_id, created_at, expires_at, decided_at, proof_until, redeemed_by,
			redeemed_at, mac, word_mac, idempotency, fingerprint, answerer)
			VALUES (?, ?, 1, ?, ?, 0, ?, '', ?, '', '', '', '', 0, '', ?, 0, ?, 1, 1, ?, 0, '', '', ?, ?, 0, 0, '', 0, ?, ?, NULL, '', '')`),
			r.Tenant, r.ID, r.Kind, r.State, r.Method, r.Subject, []byte{}, r.MaxTries, r.LockAfter, sqlx.Micros(r.CreatedAt),
			sqlx.Micros(r.ExpiresAt), r.MAC, []byte{})
		if err != nil {
			return err
		}
		return p.event(ctx, tx, r.Ref, verify.EventStarted, now)
	})
}

func (p previous) attempt(ctx context.Context, ref verify.Ref, now time.Time) error {
	return p.write(ctx, func(tx *sqlx.Tx) error {
		var subject string
		var tries, failures int
		err := tx.QueryRowContext(ctx, p.SQL(`SELECT c.subject, c.tries, COALESCE(s.failures, 0) FROM {t}verify_challenges c
			LEFT JOIN {t}verify_subjects s ON s.tenant = c.tenant AND s.subject = c.subject WHERE c.tenant = ? AND c.id = ?`), ref.Tenant, ref.ID).
			Scan(&subject, &tries, &failures)
		if err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, p.SQL(`UPDATE {t}verify_challenges SET tries = ? WHERE tenant = ? AND id = ?`), tries+1, ref.Tenant, ref.ID); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, p.SQL(`INSERT INTO {t}verify_subjects (tenant, subject, failures, frozen_until) VALUES (?, ?, ?, 0)
			ON CONFLICT (tenant, subject) DO UPDATE SET failures = excluded.failures`), ref.Tenant, subject, failures+1); err != nil {
			return err
		}
		return p.event(ctx, tx, ref, verify.EventAttempted, now)
	})
}

func (p previous) confirm(ctx context.Context, ref verify.Ref, now time.Time) error {
	return p.write(ctx, func(tx *sqlx.Tx) error {
		var version int64
		err := tx.QueryRowContext(ctx, p.SQL(`SELECT version FROM {t}verify_challenges WHERE tenant = ? AND id = ? AND state = 'pending'`), ref.Tenant, ref.ID).Scan(&version)
		if err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, p.SQL(`UPDATE {t}verify_challenges SET version = ?, state = ?, decided_at = ?, proof_until = ?
			WHERE tenant = ? AND id = ?`), version+1, verify.StateConfirmed, sqlx.Micros(now), sqlx.Micros(now.Add(time.Hour)), ref.Tenant, ref.ID); err != nil {
			return err
		}
		return p.event(ctx, tx, ref, verify.EventConfirmed, now)
	})
}

func (p previous) redeem(ctx context.Context, ref verify.Ref, by string, now time.Time) error {
	return p.write(ctx, func(tx *sqlx.Tx) error {
		var version int64
		var was string
		err := tx.QueryRowContext(ctx, p.SQL(`SELECT version, redeemed_by FROM {t}verify_challenges WHERE tenant = ? AND id = ?`), ref.Tenant, ref.ID).Scan(&version, &was)
		if err != nil {
			return err
		}
		if was != "" {
			return verify.ErrRedeemed
		}
		if _, err := tx.ExecContext(ctx, p.SQL(`UPDATE {t}verify_challenges SET version = ?, redeemed_by = ?, redeemed_at = ? WHERE tenant = ? AND id = ?`),
			version+1, by, sqlx.Micros(now), ref.Tenant, ref.ID); err != nil {
			return err
		}
		return p.event(ctx, tx, ref, verify.EventRedeemed, now)
	})
}

func (p previous) event(ctx context.Context, tx *sqlx.Tx, ref verify.Ref, kind verify.EventKind, now time.Time) error {
	_, err := tx.ExecContext(ctx, p.SQL(`INSERT INTO {t}verify_events (id, kind, happened_at, tenant, challenge, verifies, subject, action,
		technician, ticket_system, ticket_id, channel, method, assurance, state, tries, sends, caused_by, reason)
		VALUES (?, ?, ?, ?, ?, '', '', '', '', '', '', '', '', 0, '', 0, 1, '', '')`), verify.NewEventID(), kind, sqlx.Micros(now), ref.Tenant, ref.ID)
	return err
}

// write takes the lock of the tenant as that release does.
func (p previous) write(ctx context.Context, f func(*sqlx.Tx) error) error {
	return p.WriteTx(ctx, func(ctx context.Context, tx *sqlx.Tx) error {
		if p.Dialect() == sqlx.Postgres {
			sum := sha256.Sum256([]byte("mspkit verify\x00" + p.schema + "\x00\x00contoso"))
			if _, err := tx.ExecContext(ctx, "SELECT pg_advisory_xact_lock(?)", int64(binary.BigEndian.Uint64(sum[:]))); err != nil {
				return err
			}
		}
		return f(tx)
	})
}

func TestThePreviousReleaseRunsOnTheNewSchema(t *testing.T) {
	t.Parallel()
	eachVerifyDatabase(t, func(t *testing.T, d database) {
		t.Helper()
		ctx, now := t.Context(), time.Now()
		db, err := sqlx.New(d.open(t), d.dialect, d.options())
		require.NoError(t, err)
		require.NoError(t, db.Check(ctx, "verify", 2), "its New accepts the tables")
		old, store := previous{db, d.schema}, openVerify(t, d)
		stamp := func() verify.Stamp { return verify.Stamp{ID: verify.NewEventID(), Kind: verify.EventAttempted} }

		// What it begins, this release goes on with.
		n := simple("old", now)
		require.NoError(t, old.begin(ctx, n, now))
		r, sub, err := store.Attempt(ctx, n.Record.Ref, verify.Try{Method: verify.MethodNumber, Stamp: stamp()}, now)
		require.NoError(t, err)
		require.Equal(t, n.Record.MAC, r.MAC)
		require.Equal(t, []int{1, 1}, []int{r.Tries, sub.Failures})
		require.NoError(t, old.attempt(ctx, n.Record.Ref, now))
		done, err := store.Finish(ctx, n.Record.Ref, 1, verify.Outcome{State: verify.StateConfirmed, ProofUntil: now.Add(time.Hour), Stamp: stamp()}, now)
		require.NoError(t, err)
		require.Equal(t, 2, done.Tries)

		// What this release begins, it goes on with; and of all who redeem, with either release, one does.
		n = simple("new", now)
		_, _, err = store.Begin(ctx, n, nil, now)
		require.NoError(t, err)
		require.NoError(t, old.attempt(ctx, n.Record.Ref, now))
		require.NoError(t, old.confirm(ctx, n.Record.Ref, now))
		var won atomic.Int64
		race.On([]func(string) error{
			func(by string) error { return old.redeem(ctx, n.Record.Ref, by, now) },
			func(by string) error { _, err := store.Redeem(ctx, n.Record.Ref, by, stamp(), now); return err },
		}, func(redeem func(string) error, i int) {
			err := redeem(fmt.Sprint("job-", i))
			if err == nil {
				won.Add(1)
			} else if !errors.Is(err, verify.ErrRedeemed) {
				t.Error(err)
			}
		})
		require.Equal(t, int64(1), won.Load())
		events, err := store.Events(ctx, verify.EventQuery{Limit: 100})
		require.NoError(t, err)
		require.Len(t, events, 8, "of both releases, each once")
	})
}
