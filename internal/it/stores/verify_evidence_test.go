package stores_test

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/verify"
	"github.com/mspkit/mspkit/verify/sqlstore"
	"github.com/mspkit/mspkit/verify/verifytest"
)

// ledger is a service on a database, whose chain somebody alters who can write to the database and has no key.
type ledger struct {
	*verify.Service
	db    *sql.DB
	store *sqlstore.Store
	ring  *mspkit.KeyRing
	ch    *verifytest.Channel
	keys  []verify.EvidenceKey
	noted verify.Anchor // the last that the recorder got of contoso
}

// newLedger has two tenants with three verifications each, 15 events, sealed after every fifth.
func newLedger(t testing.TB, d database) *ledger {
	t.Helper()
	x := &ledger{db: d.open(t), store: openVerify(t, d), ring: newRing(t), ch: &verifytest.Channel{Level: verify.AssuranceTeams}}
	var err error
	x.keys, err = verify.EvidenceKeys(x.ring)
	require.NoError(t, err)
	x.Service = x.service(t, x.ring)
	for range 3 {
		x.verified(t, "contoso")
		x.verified(t, "fabrikam")
		require.NoError(t, x.RunOnce(t.Context()))
	}
	require.EqualValues(t, 15, x.noted.N)
	return x
}

func (x *ledger) service(t testing.TB, ring *mspkit.KeyRing) *verify.Service {
	t.Helper()
	svc, err := verify.New(x.store, ring, "https://help.example/verify", verify.Same(verify.Settings{
		Brand: mspkit.Brand{Name: "Contoso IT"}, Limits: verify.Limits{Cooldown: -1, PerDestination: -1, PerSubject: -1},
	}), &verify.Options{
		Channels: map[string]verify.Channel{"email": x.ch},
		Recorder: verify.RecorderFunc(func(_ context.Context, e verify.Event) error {
			if e.Tenant == "contoso" {
				x.noted, _ = e.Link.Anchor()
			}
			return nil
		}),
	})
	require.NoError(t, err)
	return svc
}

// verified is a verification from its beginning to the proof's end: started, sent, attempted, confirmed, redeemed.
func (x *ledger) verified(t testing.TB, tenant mspkit.TenantID) {
	t.Helper()
	ctx := t.Context()
	r := codeRequest("dana")
	r.Tenant = tenant
	c, err := x.Start(ctx, r)
	require.NoError(t, err)
	sent, err := x.ch.Last()
	require.NoError(t, err)
	res, err := x.Check(ctx, verify.CheckRequest{Tenant: tenant, ID: c.Ref.ID, Technician: jane.ID, Response: sent.Code.Reveal()})
	require.NoError(t, err)
	require.NoError(t, x.Redeem(ctx, res.Proof, verify.Expect{Tenant: tenant, Subject: "dana", Action: c.Action, Technician: jane.ID}, "job"))
}

func (x *ledger) check(t testing.TB, tenant mspkit.TenantID, known ...verify.Anchor) verify.Report {
	t.Helper()
	var b bytes.Buffer
	_, err := x.ExportEvidence(t.Context(), tenant, &b)
	require.NoError(t, err)
	rep, err := verify.CheckEvidence(&b, &verify.CheckOptions{Keys: x.keys, Known: known, Tenant: tenant})
	require.NoError(t, err)
	return rep
}

// change runs statements of somebody who has the database.
func (x *ledger) change(t testing.TB, statements ...string) {
	t.Helper()
	for _, s := range statements {
		res, err := x.db.ExecContext(t.Context(), s)
		require.NoError(t, err, s)
		n, err := res.RowsAffected()
		require.NoError(t, err)
		require.Positive(t, n, "it changed nothing: %s", s)
	}
}

// link changes the link of a number.
func (x *ledger) link(t testing.TB, d database, n int, change func([]byte) []byte) {
	t.Helper()
	rebind := map[sqlstore.Dialect][2]string{sqlstore.SQLite: {"?", "?"}, sqlstore.Postgres: {"$1", "$2"}}[d.dialect]
	var link []byte
	where := fmt.Sprintf(" WHERE tenant = 'contoso' AND chain = %d", n)
	require.NoError(t, x.db.QueryRowContext(t.Context(), `SELECT link FROM mspkit_verify_events`+where).Scan(&link))
	_, err := x.db.ExecContext(t.Context(), `UPDATE mspkit_verify_events SET link = `+rebind[0]+where, change(bytes.Clone(link)))
	require.NoError(t, err)
}

func TestTheCheckerFindsWhatWasDoneToTheDatabase(t *testing.T) {
	t.Parallel()
	const (
		events = `mspkit_verify_events`
		chains = `mspkit_verify_chains`
		mine   = ` WHERE tenant = 'contoso'`
		at     = mine + ` AND chain = %d`
		insert = `INSERT INTO ` + events + ` (id, kind, happened_at, tenant, challenge, verifies, subject, action, technician, ticket_system,
			ticket_id, channel, method, assurance, state, tries, sends, caused_by, reason, acked, chain, link)
			SELECT %s, %s, happened_at, tenant, %s, verifies, subject, action, technician, ticket_system,
			ticket_id, channel, method, assurance, state, tries, sends, caused_by, reason, 1, %s FROM ` + events + at
		linkOf = `(SELECT link FROM ` + events + at + `)`
	)
	text := fmt.Sprintf
	type row struct {
		name   string
		do     []string
		then   func(t *testing.T, x *ledger, d database)
		kind   verify.FindingKind
		n      int64
		onlyBy bool // nothing but what was noted outside the database tells
	}
	rechain := func(t *testing.T, x *ledger, _ database) { require.NoError(t, x.RunOnce(t.Context())) }
	rows := []row{
		{name: "an event is deleted at the beginning", do: []string{text(`DELETE FROM `+events+at, 1)}, kind: verify.FindingMissing, n: 1},
		{name: "an event is deleted in the middle", do: []string{text(`DELETE FROM `+events+at, 8)}, kind: verify.FindingMissing, n: 8},
		{name: "an event is deleted at the end", do: []string{text(`DELETE FROM `+events+at, 15)}, kind: verify.FindingMissing, n: 15},
		{name: "all events are deleted", do: []string{`DELETE FROM ` + events + mine}, kind: verify.FindingMissing, n: 15},
		{name: "all events are deleted and the chain", do: []string{`DELETE FROM ` + events + mine, `DELETE FROM ` + chains + mine}, kind: verify.FindingAnchor, n: 15, onlyBy: true},
		{name: "the chain is deleted", do: []string{`DELETE FROM ` + chains + mine}, kind: verify.FindingOrder, n: 15},
		{name: "an event is deleted and the numbers closed up", do: []string{
			text(`DELETE FROM `+events+at, 8),
			`UPDATE ` + events + ` SET chain = chain + 1000` + mine + ` AND chain > 8`, `UPDATE ` + events + ` SET chain = chain - 1001` + mine + ` AND chain > 1000`,
		}, kind: verify.FindingAltered, n: 8},
		{name: "two events are swapped", do: []string{
			text(`UPDATE `+events+` SET chain = 1000`+at, 6), text(`UPDATE `+events+` SET chain = 6`+at, 7), text(`UPDATE `+events+` SET chain = 7`+at, 1000),
		}, kind: verify.FindingAltered, n: 6},
		{name: "two events are swapped with their links", do: []string{
			text(`UPDATE `+events+` SET chain = 1000`+at, 6), text(`UPDATE `+events+` SET chain = 6, link = `+linkOf+at, 1000, 7),
			text(`UPDATE `+events+` SET chain = 7`+at, 1000),
		}, kind: verify.FindingAltered, n: 6},
		{name: "the numbers are shifted", do: []string{
			`UPDATE ` + events + ` SET chain = chain + 1000` + mine + ` AND chain > 0`, `UPDATE ` + events + ` SET chain = chain - 999` + mine,
		}, kind: verify.FindingMissing, n: 1},
		{name: "an event is repeated at the end", do: []string{text(insert, `'copy'`, `kind`, `challenge`, `16, link`, 15)}, kind: verify.FindingOrder, n: 16},
		{name: "an event is made up, the head moved to it", do: []string{
			text(insert, `'made-up'`, `'redeemed'`, `challenge`, `16, link`, 15),
			`UPDATE ` + chains + ` SET head = 16, head_link = ` + text(linkOf, 15) + mine,
		}, kind: verify.FindingAltered, n: 16},
		{name: "an event is made up, and the service chains it", do: []string{text(insert, `'made-up'`, `'redeemed'`, `'no-challenge'`, `0, NULL`, 15)}, then: rechain, kind: verify.FindingStory, n: 16},
		{name: "an event comes from another tenant", do: []string{
			text(`DELETE FROM `+events+at, 4), `UPDATE ` + events + ` SET tenant = 'contoso' WHERE tenant = 'fabrikam' AND chain = 4`,
		}, kind: verify.FindingAltered, n: 4},
		{name: "an event is given to another tenant", do: []string{
			`DELETE FROM ` + events + ` WHERE tenant = 'fabrikam' AND chain = 4`, text(`UPDATE `+events+` SET tenant = 'fabrikam'`+at, 4),
		}, kind: verify.FindingMissing, n: 4},
		{name: "the tenants change names", do: []string{
			`UPDATE ` + events + ` SET tenant = 'x' WHERE tenant = 'contoso'`, `UPDATE ` + chains + ` SET tenant = 'x' WHERE tenant = 'contoso'`,
			`UPDATE ` + events + ` SET tenant = 'contoso' WHERE tenant = 'fabrikam'`, `UPDATE ` + chains + ` SET tenant = 'contoso' WHERE tenant = 'fabrikam'`,
		}, kind: verify.FindingAltered, n: 1},
		{name: "the hash of a link is altered", then: func(t *testing.T, x *ledger, d database) {
			x.link(t, d, 8, func(b []byte) []byte { b[20] ^= 1; return b })
		}, kind: verify.FindingAltered, n: 8},
		{name: "the time of a link is altered", then: func(t *testing.T, x *ledger, d database) {
			x.link(t, d, 8, func(b []byte) []byte { b[8] ^= 1; return b })
		}, kind: verify.FindingAltered, n: 8},
		{name: "a seal is altered", then: func(t *testing.T, x *ledger, d database) {
			x.link(t, d, 10, func(b []byte) []byte { b[len(b)-1] ^= 1; return b })
		}, kind: verify.FindingSeal, n: 10},
		{name: "the name of a key is altered", then: func(t *testing.T, x *ledger, d database) {
			x.link(t, d, 10, func(b []byte) []byte { b[42] ^= 1; return b })
		}, kind: verify.FindingUnchecked, n: 10},
		{name: "a seal is removed", then: func(t *testing.T, x *ledger, d database) {
			x.link(t, d, 10, func(b []byte) []byte { return b[:41] })
		}, kind: verify.FindingAltered, n: 11},
		{name: "a link is removed", then: func(t *testing.T, x *ledger, d database) {
			x.link(t, d, 8, func([]byte) []byte { return nil })
		}, kind: verify.FindingAltered, n: 8},
		{name: "the head is set back", do: []string{`UPDATE ` + chains + ` SET head = 10, head_link = ` + text(linkOf, 10) + mine}, kind: verify.FindingOrder, n: 11},
		{name: "the head is altered", do: []string{`UPDATE ` + chains + ` SET head_link = ` + text(linkOf, 10) + mine}, kind: verify.FindingEnd, n: 15},
		{name: "the head is set forward", do: []string{`UPDATE ` + chains + ` SET head = 16` + mine}, kind: verify.FindingMissing, n: 16},
		{name: "the end is cut off between two seals", do: []string{
			`UPDATE ` + chains + ` SET head = 13, head_link = ` + text(linkOf, 13) + mine, `DELETE FROM ` + events + mine + ` AND chain > 13`,
		}, kind: verify.FindingSeal, n: 13},
		{name: "the end is cut off at a seal, as in an older copy", do: []string{
			`UPDATE ` + chains + ` SET head = 10, head_link = ` + text(linkOf, 10) + mine, `DELETE FROM ` + events + mine + ` AND chain > 10`,
		}, kind: verify.FindingAnchor, n: 15, onlyBy: true},
		{name: "the end is altered and chained again by the service", do: []string{
			`UPDATE ` + chains + ` SET head = 10, head_link = ` + text(linkOf, 10) + mine,
			`UPDATE ` + events + ` SET technician = 'mallory', chain = 0, link = NULL` + mine + ` AND chain > 10`,
		}, then: rechain, kind: verify.FindingAnchor, n: 15, onlyBy: true},
		{name: "an event is taken out of the chain and chained again by the service", do: []string{
			text(`UPDATE `+events+` SET chain = 0, link = NULL`+at, 8),
		}, then: rechain, kind: verify.FindingMissing, n: 8},
		{name: "the base is moved forward", do: []string{`UPDATE ` + chains + ` SET base = 5, base_link = ` + text(linkOf, 5) + mine}, kind: verify.FindingOrder, n: 1},
		{name: "the base is moved forward and what is before deleted", do: []string{
			`UPDATE ` + chains + ` SET base = 5, base_link = ` + text(linkOf, 5) + mine, `DELETE FROM ` + events + mine + ` AND chain <= 5`,
		}, kind: verify.FindingBase, n: 5},
		{name: "the base is moved to the end and everything deleted", do: []string{
			`UPDATE ` + chains + ` SET base = head, base_link = head_link` + mine, `DELETE FROM ` + events + mine,
		}, kind: verify.FindingBase, n: 15},
		{name: "the whole chain is made anew without the key", do: []string{
			`UPDATE ` + events + ` SET chain = 0, link = NULL, technician = 'mallory'` + mine, `DELETE FROM ` + chains + mine,
		}, then: func(t *testing.T, x *ledger, _ database) {
			ring, err := mspkit.NewKeyRing(mspkit.NewKey(x.ring.Primary())) // another key of the same name
			require.NoError(t, err)
			noted := x.noted
			require.NoError(t, x.service(t, ring).RunOnce(t.Context()))
			x.noted = noted
		}, kind: verify.FindingSeal, n: 15},
	}
	for column, value := range map[string]string{
		"id": `'another'`, "kind": `'denied'`, "happened_at": `happened_at + 1`, "challenge": `'another'`, "verifies": `'technician'`, "subject": `'mallory'`,
		"action": `'reset-mfa'`, "technician": `'mallory'`, "ticket_system": `'another'`, "ticket_id": `'1'`, "channel": `'sms'`, "method": `'number'`,
		"assurance": `80`, "state": `'denied'`, "tries": `7`, "sends": `7`, "caused_by": `'mallory'`, "reason": `'the boss said so'`,
	} {
		rows = append(rows, row{name: column + " is altered", do: []string{text(`UPDATE `+events+` SET `+column+` = `+value+at, 4)}, kind: verify.FindingAltered, n: 4})
	}
	require.GreaterOrEqual(t, len(rows), 50)
	eachVerifyDatabase(t, func(t *testing.T, d database) {
		t.Helper()
		for _, r := range rows {
			t.Run(r.name, func(t *testing.T) {
				fresh := verifySchema
				if d.dialect == sqlstore.SQLite {
					t.Parallel()
					fresh = verifyFile
				}
				d := fresh(t)
				x := newLedger(t, d)
				before := x.check(t, "contoso", x.noted)
				require.True(t, before.Clean(), "%v", before.Findings)
				require.Equal(t, []int64{15, 3, 1}, []int64{before.Events, before.Seals, before.Anchors})
				x.change(t, r.do...)
				if r.then != nil {
					r.then(t, x, d)
				}
				rep := x.check(t, "contoso", verify.Anchor{N: 15, Hash: before.Last.Hash})
				require.True(t, slices.ContainsFunc(rep.Findings, func(f verify.Finding) bool {
					return f.Kind == r.kind && f.From <= r.n && r.n <= f.To
				}), "it is not found: %v", rep.Findings)
				rep = x.check(t, "contoso")
				require.Equal(t, r.onlyBy, rep.Clean(), "without what was noted: %v", rep.Findings)
			})
		}
	})
}

func TestTwoInstancesKeepOneChainOnADatabase(t *testing.T) {
	t.Parallel()
	eachVerifyDatabase(t, func(t *testing.T, d database) {
		t.Helper()
		x := newLedger(t, d)
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		failed := make(chan error, 4)
		for range 2 {
			svc, err := verify.New(openVerify(t, d), x.ring, "https://help.example/verify", verify.Same(verify.Settings{}), nil)
			require.NoError(t, err)
			wg.Go(func() {
				for ctx.Err() == nil {
					if err := svc.RunOnce(ctx); err != nil && ctx.Err() == nil {
						failed <- err
						return
					}
				}
			})
		}
		for range 20 {
			x.verified(t, "contoso")
			x.verified(t, "fabrikam")
		}
		cancel()
		wg.Wait()
		close(failed)
		require.NoError(t, <-failed)
		require.NoError(t, x.RunOnce(t.Context()))
		for _, tenant := range []mspkit.TenantID{"contoso", "fabrikam"} {
			rep := x.check(t, tenant)
			require.True(t, rep.Clean(), "%v", rep.Findings)
			require.EqualValues(t, 15+100, rep.Events)
		}
	})
}

// What was chained before a key was rotated, and before the beginning of the chain was deleted, stays checkable.
func TestAChainOnADatabaseOutlivesItsKeyAndItsBeginning(t *testing.T) {
	t.Parallel()
	eachVerifyDatabase(t, func(t *testing.T, d database) {
		t.Helper()
		x := newLedger(t, d)
		at := x.noted
		now := time.Now().Add(time.Hour)
		n, err := x.store.DeleteExpired(t.Context(), now, time.Now(), now, 7) // challenges, 7 events
		require.NoError(t, err)
		require.GreaterOrEqual(t, n, 7)
		var b bytes.Buffer
		_, err = x.ExportEvidence(t.Context(), "contoso", &b)
		require.NoError(t, err)
		rep, err := verify.CheckEvidence(bytes.NewReader(b.Bytes()), &verify.CheckOptions{Keys: x.keys, Known: []verify.Anchor{at}, Retention: time.Second})
		require.NoError(t, err)
		require.True(t, rep.Clean(), "%v", rep.Findings)
		require.Positive(t, rep.Base)
		require.Equal(t, rep.Head-rep.Base, rep.Events)
		next, err := mspkit.NewKeyRing(mspkit.NewKey("next"))
		require.NoError(t, err)
		rotated := x.service(t, next)
		x.verified(t, "contoso")
		require.NoError(t, rotated.RunOnce(t.Context()))
		more, err := verify.EvidenceKeys(next)
		require.NoError(t, err)
		b.Reset()
		_, err = rotated.ExportEvidence(t.Context(), "contoso", &b)
		require.NoError(t, err)
		rep, err = verify.CheckEvidence(&b, &verify.CheckOptions{Keys: append(more, x.keys...), Known: []verify.Anchor{at}, Retention: time.Second})
		require.NoError(t, err)
		require.True(t, rep.Clean(), "%v", rep.Findings)
		require.EqualValues(t, 20, rep.Head)
	})
}

// How long a step of chaining takes, for which an alert may have to wait, and a pass over a backlog.
func BenchmarkVerifyChain(b *testing.B) {
	for name, fresh := range map[string]func(testing.TB) database{"SQLite": verifyFile, "PostgreSQL": verifySchema} {
		b.Run(name, func(b *testing.B) {
			d := fresh(b)
			x := newLedger(b, d)
			const backlog = 20_000
			rounds := 0
			var steps time.Duration
			for b.Loop() {
				b.StopTimer()
				rounds++
				_, err := x.db.ExecContext(b.Context(), fmt.Sprintf(`INSERT INTO mspkit_verify_events (id, kind, happened_at, tenant, challenge, verifies,
					subject, action, technician, ticket_system, ticket_id, channel, method, assurance, state, tries, sends, caused_by, reason, acked)
					WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d)
					SELECT '%d-' || i, 'expired', happened_at, tenant, challenge, verifies, subject, action, technician, ticket_system, ticket_id, channel,
					method, assurance, state, tries, sends, caused_by, reason, 1 FROM n, mspkit_verify_events WHERE tenant = 'fabrikam' AND chain = 1`, backlog, rounds))
				require.NoError(b, err)
				b.StartTimer()
				begun := time.Now()
				require.NoError(b, x.RunOnce(b.Context()))
				steps += time.Since(begun)
			}
			require.EqualValues(b, 15+backlog*rounds, x.head(b, "fabrikam"))
			b.ReportMetric(float64(steps.Milliseconds())/float64(rounds*backlog/1000), "ms/1000-events")
		})
	}
}

func (x *ledger) head(t testing.TB, tenant mspkit.TenantID) int64 {
	t.Helper()
	e, err := x.store.Evidence(t.Context(), tenant, 0, 0)
	require.NoError(t, err)
	return e.Head.N
}

// Who can write to the database can confirm a challenge there and get its proof. What is done with it shows.
func TestAConfirmationThatWasWrittenIntoTheDatabaseIsFound(t *testing.T) {
	t.Parallel()
	eachVerifyDatabase(t, func(t *testing.T, d database) {
		t.Helper()
		x := newLedger(t, d)
		c, err := x.Start(t.Context(), codeRequest("mallory"))
		require.NoError(t, err)
		x.change(t, `UPDATE mspkit_verify_challenges SET state = 'confirmed', decided_at = created_at, proof_until = expires_at WHERE id = '`+c.Ref.ID+`'`)
		c, err = x.Get(t.Context(), c.Ref, jane.ID)
		require.NoError(t, err)
		require.NoError(t, x.Redeem(t.Context(), c.Proof, verify.Expect{Tenant: "contoso", Subject: "mallory", Action: c.Action, Technician: jane.ID}, "job"))
		require.NoError(t, x.RunOnce(t.Context()))
		rep := x.check(t, "contoso", x.noted)
		require.Len(t, rep.Findings, 1)
		require.Equal(t, verify.FindingStory, rep.Findings[0].Kind)
		require.Contains(t, rep.Findings[0].Text, c.Ref.ID)
		require.Contains(t, rep.Findings[0].Text, "is redeemed without having been confirmed")
	})
}
