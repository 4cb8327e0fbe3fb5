package workflows_test

import (
	"bytes"
	"context"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/teamsapp/workflows"
	"github.com/mspkit/mspkit/teamsapp/workflows/workflowstest"
)

const (
	contoso  = mspkit.TenantID("contoso")
	fabrikam = mspkit.TenantID("fabrikam")
)

// clock is a time that the test sets.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) Add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// logs collects what is logged.
type logs struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logs) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logs) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// rig is a service with a server that plays Workflows.
type rig struct {
	t     *testing.T
	srv   *workflowstest.Server
	store workflows.Store
	ring  *mspkit.KeyRing
	o     workflows.Options
	svc   *workflows.Service
	clock *clock
	log   *logs
	dead  []workflows.DeadPost
}

func newRig(t *testing.T, change ...func(o *workflows.Options)) *rig {
	t.Helper()
	srv, err := workflowstest.NewServer()
	require.NoError(t, err)
	t.Cleanup(srv.Close)
	r := &rig{
		t: t, srv: srv, store: workflows.NewMemory(), ring: newRing(t), log: &logs{},
		clock: &clock{now: time.Date(2026, 11, 2, 9, 0, 0, 0, time.UTC)},
	}
	r.o = workflows.Options{
		InsecureLoopback: true, Rate: -1, Per5Minutes: -1, Timeout: 5 * time.Second, Now: r.clock.Now,
		Backoff: func(int) time.Duration { return time.Minute }, Logger: slog.New(slog.NewTextHandler(r.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	r.o.OnDead = func(_ context.Context, d workflows.DeadPost) { r.dead = append(r.dead, d) }
	for _, f := range change {
		f(&r.o)
	}
	r.svc = r.open()
	return r
}

func newRing(t testing.TB) *mspkit.KeyRing {
	t.Helper()
	ring, err := mspkit.NewKeyRing(mspkit.NewKey("k1"))
	require.NoError(t, err)
	return ring
}

// open returns another instance.
func (r *rig) open() *workflows.Service {
	r.t.Helper()
	svc, err := workflows.New(r.store, r.ring, &r.o)
	require.NoError(r.t, err)
	return svc
}

// connect connects the flow with that name.
func (r *rig) connect(flow string, change ...func(c *workflows.Connection)) workflows.Connection {
	r.t.Helper()
	c := workflows.Connection{Tenant: contoso, Name: flow, URL: mspkit.Redact(r.srv.URL(flow))}
	for _, f := range change {
		f(&c)
	}
	out, err := r.svc.Connect(r.t.Context(), c)
	require.NoError(r.t, err)
	return out
}

func (r *rig) post(c workflows.Connection, text string) string {
	r.t.Helper()
	id, err := r.svc.Post(r.t.Context(), c.Tenant, c.ID, workflows.Post{Text: text})
	require.NoError(r.t, err)
	return id
}

func (r *rig) run() {
	r.t.Helper()
	require.NoError(r.t, r.svc.RunOnce(r.t.Context()))
}

// shown returns what stands in the channel of a flow.
func (r *rig) shown(flow string) []string {
	var out []string
	for _, run := range r.srv.RunsOf(flow) {
		if run.Error == "" {
			out = append(out, run.Shown())
		}
	}
	return out
}

func (r *rig) one(c workflows.Connection) workflows.Connection {
	r.t.Helper()
	cs, err := r.svc.Connections(r.t.Context(), c.Tenant)
	require.NoError(r.t, err)
	for _, have := range cs {
		if have.ID == c.ID {
			return have
		}
	}
	require.FailNow(r.t, "there is no such connection")
	return workflows.Connection{}
}

func (r *rig) counts() workflows.Counts {
	r.t.Helper()
	n, err := r.svc.Counts(r.t.Context(), contoso)
	require.NoError(r.t, err)
	return n
}

type (
	workflowstestFlow  = workflowstest.Flow
	workflowstestFault = workflowstest.Fault
)
