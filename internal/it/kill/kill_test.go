// Package kill_test kills processes that use the module for real and looks at what they left behind.
package kill_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	_ "modernc.org/sqlite"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/verify"
	"github.com/mspkit/mspkit/verify/sqlstore"
)

// parent lives on beside the children that die.
type parent struct {
	*testing.T
	dsn, path string
	key       string
	db        *sql.DB
	store     *sqlstore.Store
	journal   *journal
	svc       *verify.Service
	names     []string // of all subjects
}

func newParent(t *testing.T) *parent {
	t.Helper()
	dir := t.TempDir()
	p := &parent{
		T: t, path: filepath.Join(dir, "journal"), key: mspkit.NewKey("k1").Export().Reveal(),
		dsn: "file:" + filepath.Join(dir, "test.db") + "?_pragma=journal_mode(WAL)&_pragma=synchronous(NORMAL)&_pragma=busy_timeout(5000)",
	}
	var err error
	p.db, err = sql.Open("sqlite", p.dsn)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, p.db.Close()) })
	require.NoError(t, sqlstore.Migrate(t.Context(), p.db, sqlstore.SQLite, nil))
	p.store, err = sqlstore.New(p.db, sqlstore.SQLite, nil)
	require.NoError(t, err)
	p.journal = openJournal(t, p.path)
	// A minute ahead, so that a Start that died before its delivery is old enough to be taken over.
	p.svc = newService(t, p.store, p.key, p.journal, &steps{}, time.Minute)
	return p
}

// child runs one child. It returns the totals of one that lived.
func (p *parent) child(name string, pl plan) map[string]int {
	p.Helper()
	b, err := json.Marshal(orders{Name: name, DSN: p.dsn, Journal: p.path, Key: p.key, Plan: pl})
	require.NoError(p, err)
	ctx, cancel := context.WithTimeout(p.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0], "-test.run=^TestChild$", "-test.v", "-test.timeout=50s")
	cmd.Env = append(os.Environ(), childEnv+"="+string(b))
	out, err := cmd.CombinedOutput()
	p.names = append(p.names, name+"/right", name+"/wrong")
	if pl.Phase != "" {
		require.Error(p, err, "child %s lived: %s", name, out)
		require.Equal(p, -1, cmd.ProcessState.ExitCode(), "child %s was not killed at %+v: %s", name, pl, out)
		return nil
	}
	require.NoError(p, err, "%s", out)
	found := regexp.MustCompile(`totals (\{.*\})`).FindSubmatch(out)
	require.NotNil(p, found, "%s", out)
	totals := map[string]int{}
	require.NoError(p, json.Unmarshal(found[1], &totals))
	return totals
}

// record returns the one challenge of a subject.
func (p *parent) record(subject string) (verify.Record, bool) {
	p.Helper()
	rs, err := p.store.List(p.Context(), verify.Query{Tenant: tenant, Subject: subject})
	require.NoError(p, err)
	require.LessOrEqual(p, len(rs), 1, "one key made several challenges")
	if len(rs) == 0 {
		return verify.Record{}, false
	}
	return rs[0], true
}

// takeOver does what the host's program does after a crash: it asks again and goes on.
func (p *parent) takeOver(subject string) {
	p.Helper()
	ctx := p.Context()
	before, existed := p.record(subject)
	c, err := p.svc.Start(ctx, request(subject))
	require.NoError(p, err)
	if existed {
		require.Equal(p, before.ID, c.Ref.ID, "the key of a killed Start leads to another challenge")
	}
	r, ok := p.record(subject)
	require.True(p, ok)
	delivered := p.delivered(r.ID)
	require.LessOrEqual(p, delivered, r.Sends, "more was sent than counted")
	require.LessOrEqual(p, r.Sends, 2)
	require.NotZero(p, delivered)
	again, err := p.svc.Start(ctx, request(subject))
	require.NoError(p, err)
	require.Equal(p, r.ID, again.Ref.ID)
	require.Equal(p, delivered, p.delivered(r.ID), "a repeat sent again")

	if r.State == verify.StatePending {
		open := r.Tries < r.MaxTries
		res, err := p.svc.Check(ctx, verify.CheckRequest{Tenant: tenant, ID: r.ID, Technician: jane.ID, Response: p.journal.code(p.T, r.ID)})
		require.NoError(p, err)
		if !open {
			require.Equal(p, verify.StateFailed, res.State, "the right answer after all tries")
			return
		}
		require.Equal(p, verify.StateConfirmed, res.State)
		if r, ok = p.record(subject); !ok {
			p.Fatal("the challenge is gone")
		}
	}
	if r.State == verify.StateConfirmed {
		p.redeemOnce(r, subject)
	}
}

func (p *parent) redeemOnce(r verify.Record, subject string) {
	p.Helper()
	ctx := p.Context()
	c, err := p.svc.Get(ctx, r.Ref, jane.ID)
	require.NoError(p, err)
	if r.RedeemedBy == "" {
		require.NoError(p, p.svc.Redeem(ctx, c.Proof, expect(subject), "parent"))
		require.NoError(p, p.svc.Redeem(ctx, c.Proof, expect(subject), "parent"))
		require.ErrorIs(p, p.svc.Redeem(ctx, c.Proof, expect(subject), "thief"), verify.ErrRedeemed)
		return
	}
	require.Equal(p, "child", r.RedeemedBy)
	require.Empty(p, c.Proof.Reveal(), "a proof that was used is handed out again")
	_, err = p.store.Redeem(ctx, r.Ref, "thief", verify.Stamp{ID: verify.NewEventID(), Kind: verify.EventRedeemed}, time.Now())
	require.ErrorIs(p, err, verify.ErrRedeemed)
}

func (p *parent) delivered(id string) int {
	n := 0
	for _, l := range p.journal.lines(p.T) {
		if l.What == "delivered" && l.ID == id {
			n++
		}
	}
	return n
}

// promised checks that what a child was told to have happened did happen.
func (p *parent) promised(from int) {
	p.Helper()
	for _, l := range p.journal.lines(p.T)[from:] {
		if l.What == "event" || l.What == "delivered" {
			continue
		}
		r, _, err := p.store.Get(p.Context(), verify.Ref{Tenant: tenant, ID: l.ID})
		require.NoError(p, err, "a challenge that was started is gone")
		switch l.What {
		case "confirm":
			require.Equal(p, verify.StateConfirmed, r.State)
		case "fail":
			require.Equal(p, verify.StateFailed, r.State)
		case "redeem":
			require.Equal(p, "child", r.RedeemedBy)
		}
	}
}

// storedEvents reads all events as they are in the database, acknowledged or not.
func (p *parent) storedEvents() []verify.Event {
	p.Helper()
	rows, err := p.db.QueryContext(p.Context(), `SELECT seq, id, kind, challenge, subject, state, tries, sends FROM mspkit_verify_events ORDER BY seq`)
	require.NoError(p, err)
	defer rows.Close()
	var out []verify.Event
	for rows.Next() {
		var e verify.Event
		require.NoError(p, rows.Scan(&e.Seq, &e.ID, &e.Kind, &e.Challenge, &e.Subject, &e.State, &e.Tries, &e.Sends))
		out = append(out, e)
	}
	require.NoError(p, rows.Err())
	return out
}

// recorded returns the events of the journal without repeats, which must be equal.
func (p *parent) recorded() (out []verify.Event, repeats int) {
	p.Helper()
	first := map[string]verify.Event{}
	for _, l := range p.journal.lines(p.T) {
		if l.What != "event" {
			continue
		}
		if known, ok := first[l.Event.ID]; ok {
			require.Equal(p, known, *l.Event, "a repeat differs")
			repeats++
			continue
		}
		first[l.Event.ID] = *l.Event
		out = append(out, *l.Event)
	}
	return out, repeats
}

// consistent checks that a challenge has exactly the events of its state, in order.
func (p *parent) consistent(r verify.Record, events []verify.Event) {
	p.Helper()
	var want []verify.EventKind
	add := func(when bool, k verify.EventKind) {
		if when {
			want = append(want, k)
		}
	}
	add(true, verify.EventStarted)
	add(r.Sends == 2, verify.EventRenewed)
	add(r.Delivery == verify.DeliverySent, verify.EventSent)
	for range r.Tries {
		add(true, verify.EventAttempted)
	}
	add(r.State == verify.StateFailed, verify.EventFailed)
	add(r.State == verify.StateConfirmed, verify.EventConfirmed)
	add(r.RedeemedBy != "", verify.EventRedeemed)
	var got []verify.EventKind
	tries := 0
	for _, e := range events {
		got = append(got, e.Kind)
		if e.Kind == verify.EventAttempted {
			tries++
			require.Equal(p, tries, e.Tries)
		}
	}
	require.Equal(p, want, got, "%s is %s", r.Subject, r.State)
	sub, err := p.store.Subject(p.Context(), tenant, r.Subject)
	require.NoError(p, err)
	if r.State == verify.StateConfirmed {
		require.Zero(p, sub.Failures)
	} else {
		require.Equal(p, r.Tries, sub.Failures)
	}
}

// TestAProcessKilledAnywhereLosesNoEventAndNoCount kills children at every step of Start, Check, Redeem and of
// handing over events: 40 of them, with MSPKIT_SOAK=1 200.
func TestAProcessKilledAnywhereLosesNoEventAndNoCount(t *testing.T) {
	t.Parallel()
	p := newParent(t)
	totals := p.child("clean", plan{})
	p.promised(0)
	t.Logf("steps of a child: %v", totals)
	require.Greater(t, totals[phaseAnswers], 80, "the steps are not seen")
	require.Greater(t, totals[phaseAck], 6)

	kills := 40
	if os.Getenv("MSPKIT_SOAK") != "" {
		kills = 200
	}
	rng := rand.New(rand.NewPCG(1, 2))
	var plans []plan
	answers, acks := kills*6/10, kills*2/10
	for i := range answers { // evenly over all steps
		plans = append(plans, plan{Phase: phaseAnswers, Step: 1 + i*totals[phaseAnswers]/answers, Midway: i%4 == 3})
	}
	for i := range acks {
		plans = append(plans, plan{Phase: phaseAck, Step: 1 + i%totals[phaseAck], Midway: i/totals[phaseAck]%2 == 1})
	}
	for range kills - answers - acks {
		plans = append(plans, plan{Phase: phaseRecord, Midway: rng.IntN(2) == 0})
	}
	rng.Shuffle(len(plans), func(i, k int) { plans[i], plans[k] = plans[k], plans[i] })
	for i, pl := range plans {
		if pl.Phase == phaseRecord { // each event that waits is two steps
			var waiting int
			require.NoError(t, p.db.QueryRowContext(t.Context(), `SELECT COUNT(*) FROM mspkit_verify_events WHERE acked = 0`).Scan(&waiting))
			pl.Step = 1 + rng.IntN(totals[phaseRecord]+2*waiting)
		}
		from := len(p.journal.lines(t))
		p.child(fmt.Sprintf("child-%d", i), pl)
		p.promised(from)
		for _, subject := range p.names[len(p.names)-2:] {
			p.takeOver(subject)
		}
	}
	require.NoError(t, p.svc.RunOnce(t.Context()))

	stored := p.storedEvents()
	recorded, repeats := p.recorded()
	t.Logf("%d kills, %d events, %d repeats", kills, len(stored), repeats)
	require.NotZero(t, repeats, "nothing was killed between Record and Ack")
	require.Len(t, recorded, len(stored))
	events := map[string][]verify.Event{}
	for i, e := range recorded {
		s := stored[i]
		require.Equal(t, []any{s.Seq, s.ID, s.Kind, s.Challenge, s.State, s.Tries, s.Sends},
			[]any{e.Seq, e.ID, e.Kind, e.Challenge, e.State, e.Tries, e.Sends}, "event %d is not the one of the database", i)
		require.Equal(t, int64(i+1), e.Seq, "a gap")
		events[e.Challenge] = append(events[e.Challenge], e)
	}
	for _, subject := range p.names {
		r, ok := p.record(subject)
		require.True(t, ok)
		p.consistent(r, events[r.ID])
		delete(events, r.ID)
	}
	require.Empty(t, events, "events of no challenge")
	var integrity string
	require.NoError(t, p.db.QueryRowContext(t.Context(), `PRAGMA integrity_check`).Scan(&integrity))
	require.Equal(t, "ok", integrity)
}
