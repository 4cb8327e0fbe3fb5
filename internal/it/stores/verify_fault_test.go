package stores_test

import (
	"context"
	"database/sql"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/verify"
	"github.com/mspkit/mspkit/verify/memstore"
	"github.com/mspkit/mspkit/verify/sqlstore"
	"github.com/mspkit/mspkit/verify/verifytest"
)

var jane = verify.Technician{ID: "jane", Name: "Jane Doe"}

// desk is a service with its channel. All desks of one ring can take over from each other.
type desk struct {
	*verify.Service
	sent *verifytest.Channel
}

func newRing(t testing.TB) *mspkit.KeyRing {
	t.Helper()
	ring, err := mspkit.NewKeyRing(mspkit.NewKey("k1"))
	require.NoError(t, err)
	return ring
}

func newDesk(t testing.TB, store verify.Store, ring *mspkit.KeyRing) desk {
	t.Helper()
	ch := &verifytest.Channel{Level: verify.AssuranceTeams}
	svc, err := verify.New(store, ring, "https://help.example/verify", verify.Same(verify.Settings{
		Brand:  mspkit.Brand{Name: "Contoso IT"},
		Limits: verify.Limits{Cooldown: -1, PerDestination: -1, PerSubject: -1},
	}), &verify.Options{Channels: map[string]verify.Channel{"email": ch}})
	require.NoError(t, err)
	return desk{svc, ch}
}

func codeRequest(subject string) verify.StartRequest {
	return verify.StartRequest{
		Tenant: "contoso", Action: verify.ActionIdentify, Technician: jane, Method: verify.MethodCode,
		Subject: verify.Subject{ID: subject, Name: "Dana", Destinations: []verify.Destination{
			{Channel: "email", Address: subject + "@contoso.example", FirstSeen: time.Now().Add(-365 * 24 * time.Hour)},
		}},
	}
}

// begin starts a verification by code and returns the request with the right answer.
func (d desk) begin(t testing.TB, subject string) verify.CheckRequest {
	t.Helper()
	c, err := d.Start(context.Background(), codeRequest(subject))
	require.NoError(t, err)
	sent := d.sent.Sent()
	return verify.CheckRequest{Tenant: c.Ref.Tenant, ID: c.Ref.ID, Technician: jane.ID, Response: sent[len(sent)-1].Code.Reveal()}
}

// between runs before on the way into Finish, and fails it where before returns an error.
type between struct {
	verify.Store
	before func() error
}

func (b between) Finish(ctx context.Context, ref verify.Ref, version int64, o verify.Outcome, now time.Time) (verify.Record, error) {
	if err := b.before(); err != nil {
		return verify.Record{}, err
	}
	return b.Store.Finish(ctx, ref, version, o, now)
}

// requireCounted checks that the try was kept, that nothing was confirmed, and that the next try may confirm.
func requireCounted(t *testing.T, store verify.Store, ring *mspkit.KeyRing, right verify.CheckRequest) {
	t.Helper()
	r, sub, err := store.Get(t.Context(), verify.Ref{Tenant: right.Tenant, ID: right.ID})
	require.NoError(t, err)
	require.Equal(t, verify.StatePending, r.State)
	require.Equal(t, 1, r.Tries)
	require.Equal(t, 1, sub.Failures)
	res, err := newDesk(t, store, ring).Check(t.Context(), right)
	require.NoError(t, err)
	require.Equal(t, verify.StateConfirmed, res.State)
	require.Equal(t, verify.MaxCodeTries-2, res.TriesLeft)
	require.NotEmpty(t, res.Proof.Reveal())
}

func TestARightAnswerThatCannotBeStoredConfirmsNothingAndStaysCounted(t *testing.T) {
	t.Parallel()
	gone := errors.New("the database is gone")
	for name, store := range map[string]verify.Store{"memory": memstore.New(), "sqlite": openVerify(t, verifyFile(t))} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ring := newRing(t)
			d := newDesk(t, between{store, func() error { return gone }}, ring)
			right := d.begin(t, "dana")
			res, err := d.Check(t.Context(), right)
			require.ErrorIs(t, err, gone)
			require.Empty(t, res)
			requireCounted(t, store, ring, right)
		})
	}
}

func TestADatabaseThatClosesBetweenCountAndCompareConfirmsNothing(t *testing.T) {
	t.Parallel()
	d, ring := verifyFile(t), newRing(t)
	db, err := sql.Open(d.driver, d.dsn)
	require.NoError(t, err)
	store, err := sqlstore.New(db, d.dialect, nil)
	require.NoError(t, err)
	desk := newDesk(t, between{store, db.Close}, ring)
	right := desk.begin(t, "dana")
	res, err := desk.Check(t.Context(), right)
	require.ErrorContains(t, err, "sqlstore: finish: ")
	require.Empty(t, res)
	_, err = desk.Check(t.Context(), right)
	require.ErrorContains(t, err, "sqlstore: attempt: ")
	requireCounted(t, openVerify(t, d), ring, right)
}

func TestAStateIsNotStoredWithoutItsEvent(t *testing.T) {
	t.Parallel()
	d, ring := verifyFile(t), newRing(t)
	db := d.open(t)
	exec := func(text string) error { _, err := db.ExecContext(context.Background(), text); return err }
	hide := func() error { return exec("ALTER TABLE mspkit_verify_events RENAME TO hidden") }
	show := func() { require.NoError(t, exec("ALTER TABLE hidden RENAME TO mspkit_verify_events")) }
	store := openVerify(t, d)
	desk := newDesk(t, between{store, hide}, ring)
	right := desk.begin(t, "dana")
	_, err := desk.Check(t.Context(), right)
	require.ErrorContains(t, err, "sqlstore: finish: ")
	_, err = desk.Check(t.Context(), right) // its event cannot be stored, so neither is the try
	require.ErrorContains(t, err, "sqlstore: attempt: ")
	_, err = desk.Start(t.Context(), codeRequest("erin"))
	require.ErrorContains(t, err, "sqlstore: begin: ")
	show()
	rs, err := store.List(t.Context(), verify.Query{Tenant: "contoso", Subject: "erin"})
	require.NoError(t, err)
	require.Empty(t, rs)
	requireCounted(t, store, ring, right)
}

func TestAKeyThatLeftTheRingConfirmsNothing(t *testing.T) {
	t.Parallel()
	store, ring := openVerify(t, verifyFile(t)), newRing(t)
	right := newDesk(t, store, ring).begin(t, "dana")
	other, err := mspkit.NewKeyRing(mspkit.NewKey("k2"))
	require.NoError(t, err)
	res, err := newDesk(t, store, other).Check(t.Context(), right)
	require.Error(t, err)
	require.Empty(t, res)
	requireCounted(t, store, ring, right)
}

func TestNewRefusesTablesThatAreOlderThanTheRelease(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, d database) {
		o := &sqlstore.Options{Schema: d.schema}
		_, err := sqlstore.New(d.open(t), d.dialect, o)
		require.ErrorIs(t, err, sqlstore.ErrOutdated)
		require.ErrorContains(t, err, "verify is at version 0")
		require.ErrorContains(t, err, "run Migrate")
		for range 2 {
			require.NoError(t, sqlstore.Migrate(t.Context(), d.open(t), d.dialect, o))
		}
		_, err = sqlstore.New(d.open(t), d.dialect, o)
		require.NoError(t, err)
		other := *o
		other.Prefix = "acme_"
		_, err = sqlstore.New(d.open(t), d.dialect, &other)
		require.ErrorIs(t, err, sqlstore.ErrOutdated, "another prefix is another set of tables")
	})
}
