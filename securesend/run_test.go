package securesend_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/securesend"
	"github.com/mspkit/mspkit/securesend/memstore"
)

func TestEventsAreHandedOverInOrderAndOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.text("x")
	r.Files = w.files("content")
	r.Choice.LogTo, r.Choice.LogPublic = "contact", true
	sent := w.create(r)
	dana := w.reader(sent)
	dana.open()
	_, err := dana.takes()
	require.NoError(t, err)
	require.NoError(t, dana.acks())
	require.Equal(t, []securesend.EventKind{"created", "uploaded", "opened", "revealed", "acknowledged"}, w.kinds())
	require.Empty(t, w.kinds())
	var last int64
	ids := map[string]bool{}
	for _, e := range w.events {
		require.Greater(t, e.Seq, last)
		last = e.Seq
		ids[e.ID] = true
		require.Equal(t, contoso, e.Tenant)
		require.Equal(t, sent.Ref.ID, e.Send)
		require.Equal(t, securesend.KindSend, e.What)
		require.Equal(t, "jane", e.Sender)
		require.Equal(t, "dana", e.Subject)
		require.Equal(t, ticket, e.Ticket)
		require.Equal(t, securesend.Log{To: "contact", Public: true}, e.Log)
		require.Equal(t, securesend.RegionEurope, e.Region)
		require.Equal(t, w.clock, e.At)
	}
	require.Len(t, ids, 5)
	require.Equal(t, []int{1}, w.events[4].Files)
	require.Equal(t, 1, w.events[4].Views)
}

func TestARecorderThatFailsHoldsItsTenantOnly(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	boom := errors.New("the ticket system is away")
	broken, panics := true, false
	w.recording = func(e securesend.Event) error {
		switch {
		case e.Tenant != contoso || !broken:
			return nil
		case panics:
			panic("secret of the host")
		}
		return boom
	}
	send := func(tenant mspkit.TenantID) {
		r := w.text("x")
		r.Tenant = tenant
		sent := w.create(r)
		require.NoError(t, w.Revoke(t.Context(), sent.Ref, "jane"))
	}
	told := func() []string {
		var out []string
		for _, e := range w.events {
			out = append(out, string(e.Tenant)+" "+string(e.Kind))
		}
		w.events = nil
		return out
	}
	send(contoso)
	send("fabrikam")
	require.ErrorIs(t, w.RunOnce(t.Context()), boom)
	require.Equal(t, []string{"fabrikam created", "fabrikam revoked"}, told())
	require.NoError(t, w.RunOnce(t.Context()), "it is left alone for a while")
	panics = true
	w.pass(time.Minute)
	err := w.RunOnce(t.Context())
	require.ErrorContains(t, err, "panicked")
	require.NotContains(t, err.Error(), "secret of the host")
	broken = false
	w.pass(time.Minute)
	require.NoError(t, w.RunOnce(t.Context()))
	require.Equal(t, []string{"contoso created", "contoso revoked"}, told(), "nothing is lost, and the order is kept")

	none := w.instance(func(o *securesend.Options) { o.Recorder = nil })
	send(contoso)
	require.NoError(t, none.RunOnce(t.Context()))
	require.NoError(t, w.RunOnce(t.Context()))
	require.Empty(t, told(), "without a recorder they are dropped")
}

func TestFilesAreDeletedBeforeTheyAreForgotten(t *testing.T) {
	t.Parallel()
	away := errors.New("the store of files is away")
	w := newWorld(t)
	eu := &hooked{BlobStore: w.eu, failDelete: away}
	w.o.Blobs = map[string]securesend.BlobStore{securesend.RegionEurope: eu, securesend.RegionUK: w.uk}
	w.Service = w.instance(nil)
	var sents []securesend.Sent
	for _, region := range []string{securesend.RegionEurope, securesend.RegionUK, securesend.RegionEurope} {
		r := w.text("")
		r.Files = w.files("content")
		r.Choice.Region = region
		sents = append(sents, w.create(r))
		require.NoError(t, w.Revoke(t.Context(), sents[len(sents)-1].Ref, "jane"))
	}
	err := w.RunOnce(t.Context())
	require.ErrorIs(t, err, away)
	require.ErrorContains(t, err, `region "Europe"`)
	parts, err := w.uk.List(t.Context(), sents[1].Ref)
	require.NoError(t, err)
	require.Empty(t, parts, "a region that is broken holds no other up")
	require.False(t, w.stored(sents[1].Ref).Blobs)
	for _, i := range []int{0, 2} {
		require.True(t, w.stored(sents[i].Ref).Blobs, "it is not forgotten")
	}
	w.pass(200 * 24 * time.Hour)
	require.Error(t, w.RunOnce(t.Context()))
	require.Equal(t, 2, w.listed(), "nor deleted, however old")
	eu.failDelete = nil
	require.NoError(t, w.RunOnce(t.Context()))
	require.Zero(t, w.listed())
	for _, i := range []int{0, 2} {
		parts, err := w.eu.List(t.Context(), sents[i].Ref)
		require.NoError(t, err)
		require.Empty(t, parts)
	}

	// An instance leaves the files of other regions alone.
	r := w.text("")
	r.Files = w.files("content")
	sent := w.create(r)
	require.NoError(t, w.Revoke(t.Context(), sent.Ref, "jane"))
	uk := w.instance(func(o *securesend.Options) {
		o.Blobs = map[string]securesend.BlobStore{securesend.RegionUK: w.uk}
	})
	require.NoError(t, uk.RunOnce(t.Context()))
	require.True(t, w.stored(sent.Ref).Blobs)
}

func TestRecordsAreKeptForAWhile(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	sent := w.create(w.text("x"))
	require.NoError(t, w.Revoke(t.Context(), sent.Ref, "jane"))
	w.pass(90 * 24 * time.Hour)
	require.NoError(t, w.RunOnce(t.Context()))
	require.Equal(t, 1, w.listed())
	w.pass(time.Microsecond)
	require.NoError(t, w.RunOnce(t.Context()))
	require.Zero(t, w.listed())
	_, err := w.reader(sent).takes()
	require.ErrorIs(t, err, securesend.ErrNotFound)
}

func TestManyAreSweptAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for range 250 {
		w.create(w.text("x"))
	}
	w.pass(24 * time.Hour)
	require.Len(t, w.kinds(), 500)
	list, err := w.List(t.Context(), securesend.Query{Tenant: contoso})
	require.NoError(t, err)
	for _, st := range list {
		require.Equal(t, securesend.StateExpired, st.State)
	}
}

// away is a store that cannot be reached.
type away struct {
	securesend.SecretStore
	gone  atomic.Bool
	tries atomic.Int64
}

func (a *away) Expire(ctx context.Context, now time.Time, limit int) (int, error) {
	if a.gone.Load() {
		a.tries.Add(1)
		return 0, errors.New("the store is away")
	}
	return a.SecretStore.Expire(ctx, now, limit)
}

func TestRunWorksUntilItIsEnded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ring, err := mspkit.NewKeyRing(mspkit.NewKey("k1"))
		require.NoError(t, err)
		events := make(chan securesend.Event, 100)
		var logs strings.Builder
		store := &away{SecretStore: memstore.New()}
		finished := false
		svc, err := securesend.New(store, ring, "https://help.example", securesend.Same(securesend.Settings{Brand: mspkit.Brand{Name: "Contoso IT"}}), &securesend.Options{
			Recorder: securesend.RecorderFunc(func(ctx context.Context, e securesend.Event) error {
				if e.Subject == "slow" {
					time.Sleep(time.Second)
					finished = ctx.Err() == nil
				}
				events <- e
				return nil
			}),
			Logger: logger(&logs), Poll: 10 * time.Second,
		})
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- svc.Run(ctx) }()
		synctest.Wait()
		send := func(subject string) {
			_, err := svc.Create(t.Context(), securesend.SendRequest{Tenant: contoso, By: securesend.Technician{ID: "jane"}, Subject: subject, Text: mspkit.Redact("x")})
			require.NoError(t, err)
		}
		began := time.Now()
		send("dana")
		require.Equal(t, securesend.EventCreated, (<-events).Kind)
		require.Equal(t, began, time.Now(), "at once")
		time.Sleep(25 * time.Hour)
		require.Equal(t, securesend.EventExpired, (<-events).Kind)

		store.gone.Store(true)
		was := store.tries.Load()
		time.Sleep(time.Hour)
		require.Less(t, store.tries.Load()-was, int64(80), "less and less often, once a minute in the end")
		store.gone.Store(false)
		time.Sleep(2 * time.Minute)

		send("slow")
		synctest.Wait()
		cancel()
		require.NoError(t, <-done)
		require.Len(t, events, 1)
		require.True(t, finished, "the event in hand is handed over whole")
		require.Contains(t, logs.String(), "the store is away")
	})
}
