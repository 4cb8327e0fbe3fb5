package stores_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/contacts"
	"github.com/mspkit/mspkit/contacts/contactstest"
	"github.com/mspkit/mspkit/psa/riverqueue"
)

// hooked is what the hooks of several machines were told.
type hooked struct {
	mu   sync.Mutex
	seen map[mspkit.TenantID]map[int64]contacts.EventKind
	bad  []string
}

// hook is that of one machine.
func (h *hooked) hook() func(context.Context, contacts.Event) error {
	last := map[mspkit.TenantID]int64{}
	return func(_ context.Context, e contacts.Event) error {
		h.mu.Lock()
		defer h.mu.Unlock()
		if e.Seq <= last[e.Tenant] {
			h.bad = append(h.bad, fmt.Sprintf("event %d of %s was told after %d", e.Seq, e.Tenant, last[e.Tenant]))
		}
		last[e.Tenant] = e.Seq
		if h.seen[e.Tenant] == nil {
			h.seen[e.Tenant] = map[int64]contacts.EventKind{}
		}
		h.seen[e.Tenant][e.Seq] = e.Kind
		return nil
	}
}

func (h *hooked) of(tenant mspkit.TenantID) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.seen[tenant])
}

// TestASyncerOnRiverKeepsTenantsInStep has two machines share the runs of three tenants. One tenant's source refuses.
func TestASyncerOnRiverKeepsTenantsInStep(t *testing.T) {
	t.Parallel()
	d := postgresSchema(t)
	w := riverOn(t, d)
	migrateDirectory(t, d)
	person := func(tenant mspkit.TenantID, n int) contacts.Contact {
		id := fmt.Sprintf("%s-%d", tenant, n)
		return contacts.Contact{Tenant: tenant, ID: id, Name: "Person " + id, Enabled: true, Emails: []contacts.Address{{Value: id + "@example.com"}}}
	}
	source := contactstest.New(4)
	for n := range 10 {
		source.Put(person("contoso", n), person("fabrikam", n))
	}
	source.SetFault(func(q contacts.Query) error {
		if q.Tenant == "woodgrove" {
			return errors.New("consent was withdrawn")
		}
		return nil
	})
	told := &hooked{seen: map[mspkit.TenantID]map[int64]contacts.EventKind{}}
	dir := openDirectory(t, d, contacts.Precedence{})
	machine := func() *contacts.Syncer {
		q, err := riverqueue.New(nil)
		require.NoError(t, err)
		syncer, err := contacts.NewSyncer(openDirectory(t, d, contacts.Precedence{}), map[string]contacts.ContactSource{"entra": source},
			&contacts.SyncerOptions{Queue: q, Every: 100 * time.Millisecond, Poll: 100 * time.Millisecond, Hook: told.hook()})
		require.NoError(t, err)
		ws := river.NewWorkers()
		require.NoError(t, q.AddTo(ws))
		client, err := river.NewClient(riverpgxv5.New(w.pool), &river.Config{
			Schema: w.schema, Workers: ws, Queues: map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: 2}},
			Logger: slog.New(slog.DiscardHandler), RescueStuckJobsAfter: 10 * time.Minute, TestOnly: true,
		})
		require.NoError(t, err)
		require.NoError(t, q.Use(client))
		require.NoError(t, client.Start(context.WithoutCancel(t.Context())))
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- syncer.Run(ctx) }()
		t.Cleanup(func() {
			stop()
			require.NoError(t, <-ended)
			require.NoError(t, client.StopAndCancel(context.Background()))
		})
		return syncer
	}
	first := machine()
	machine()
	for _, tenant := range []mspkit.TenantID{"contoso", "fabrikam", "woodgrove"} {
		require.NoError(t, first.Schedule(t.Context(), contacts.Job{Tenant: tenant, Source: "entra"}, time.Time{}))
	}
	stored := func(tenant mspkit.TenantID, events int) {
		t.Helper()
		require.Eventually(t, func() bool { return told.of(tenant) >= events }, soon, 20*time.Millisecond, "%s: %d events were told", tenant, told.of(tenant))
	}
	stored("contoso", 10)
	stored("fabrikam", 10)
	// Later runs come by themselves.
	source.Put(person("contoso", 10))
	source.Remove("fabrikam", "fabrikam-3")
	stored("contoso", 11)
	stored("fabrikam", 11)
	kind := func(tenant mspkit.TenantID, seq int64) contacts.EventKind {
		told.mu.Lock()
		defer told.mu.Unlock()
		return told.seen[tenant][seq]
	}
	require.Equal(t, contacts.Joined, kind("contoso", 11))
	require.Equal(t, contacts.Left, kind("fabrikam", 11))
	for _, tenant := range []mspkit.TenantID{"contoso", "fabrikam"} {
		events, err := dir.Events(t.Context(), tenant, 0, 0)
		require.NoError(t, err)
		require.Len(t, events, 11)
		at, err := dir.Checkpoint(t.Context(), tenant, "entra")
		require.NoError(t, err)
		require.GreaterOrEqual(t, at.Run, int64(2))
		require.Zero(t, at.Failures)
	}
	var at contacts.Checkpoint
	require.Eventually(t, func() bool {
		var err error
		at, err = dir.Checkpoint(t.Context(), "woodgrove", "entra")
		require.NoError(t, err)
		return at.Failures > 0
	}, soon, 20*time.Millisecond, "it is not stored that a tenant failed")
	require.NotEmpty(t, at.Failure)
	require.True(t, at.DueAt.After(at.FailedAt), "it is not tried again")
	require.Empty(t, told.bad)
}
