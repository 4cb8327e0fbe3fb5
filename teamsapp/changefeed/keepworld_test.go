package changefeed_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/entra/azurecred"
	"github.com/mspkit/mspkit/internal/graphfake"
	"github.com/mspkit/mspkit/teamsapp/changefeed"
)

// keepWorld is a Graph with one tenant, and any number of instances of a feed behind one URL.
type keepWorld struct {
	*testing.T

	mu    sync.Mutex
	now   time.Time
	graph *graphfake.Server
	at    *graphfake.Tenant
	url   string // of Graph
	here  string // of the feed
	key   mspkit.Key
	ring  *mspkit.KeyRing
	store changefeed.Store
	feed  *changefeed.Feed // the first instance
	o     changefeed.Options
	asks  atomic.Int64 // for a token
	gone  atomic.Bool  // the tenant is not connected
	shut  atomic.Bool  // the feed's URL does not answer
	gaps  []changefeed.Gap
	seen  []changefeed.Event
}

func (w *keepWorld) Now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

func (w *keepWorld) pass(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(d)
}

func (w *keepWorld) TenantCredential(_ context.Context, _ mspkit.TenantID) (azcore.TokenCredential, error) {
	if w.gone.Load() {
		return nil, azurecred.ErrNotConnected
	}
	return keepToken{w}, nil
}

type keepToken struct{ w *keepWorld }

func (k keepToken) GetToken(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
	k.w.asks.Add(1)
	return azcore.AccessToken{Token: k.w.graph.Bearer(k.w.at.ID), ExpiresOn: time.Now().Add(time.Hour)}, nil
}

func (w *keepWorld) Handle(_ context.Context, e changefeed.Event) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.seen = append(w.seen, e)
	return nil
}

func newKeepWorld(t *testing.T, change func(o *changefeed.Options)) *keepWorld {
	t.Helper()
	w := &keepWorld{T: t, now: time.Date(2026, 11, 27, 9, 0, 0, 0, time.UTC), store: changefeed.NewMemory()}
	w.graph = graphfake.New(&graphfake.Options{Now: w.Now, TokenTTL: 10_000 * time.Hour, Record: true, MaxPageSize: 20})
	srv := httptest.NewServer(w.graph)
	t.Cleanup(srv.Close)
	w.url = srv.URL
	w.at = w.graph.AddTenant("", "Contoso", "contoso.example")
	receiver := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if w.shut.Load() {
			http.Error(rw, "down", http.StatusBadGateway)
			return
		}
		w.feed.ServeHTTP(rw, r)
	}))
	t.Cleanup(receiver.Close)
	w.here = receiver.URL + "/hook"
	var err error
	w.key = mspkit.NewKey("one")
	w.ring, err = mspkit.NewKeyRing(w.key)
	require.NoError(t, err)
	w.o = changefeed.Options{
		Cloud:        azurecred.Cloud{Login: w.url, Graph: w.url, GraphScope: "https://graph.microsoft.com/.default"},
		Now:          w.Now,
		Certificates: ownCertificates()[:1],
		Subscriptions: changefeed.KeepOptions{OnGap: func(_ context.Context, g changefeed.Gap) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.gaps = append(w.gaps, g)
		}},
	}
	if change != nil {
		change(&w.o)
	}
	w.feed = w.instance(0)
	return w
}

// instance returns another one, whose clock differs.
func (w *keepWorld) instance(skew time.Duration) *changefeed.Feed {
	w.Helper()
	o := w.o
	o.Now = func() time.Time { return w.Now().Add(skew) }
	f, err := changefeed.New(changefeed.App{IDs: []string{"0a0a0a0a-1111-4222-8333-444455556666"}, URL: w.here}, w.ring, w.store, w, w, &o)
	require.NoError(w, err)
	return f
}

func (w *keepWorld) follow(resources ...changefeed.Resource) {
	w.Helper()
	require.NoError(w, w.feed.Follow(w.Context(), "contoso", w.at.ID, resources...))
}

func (w *keepWorld) keep() {
	w.Helper()
	require.NoError(w, w.feed.KeepOnce(w.Context()))
}

// only returns the record where there is one.
func (w *keepWorld) only() changefeed.Subscription {
	w.Helper()
	list, err := w.feed.Subscriptions(w.Context(), "contoso")
	require.NoError(w, err)
	require.Len(w, list, 1)
	return list[0]
}

// one requires one active record and one subscription of Graph, which is that of the record.
func (w *keepWorld) one() changefeed.Subscription {
	w.Helper()
	s := w.only()
	require.Equal(w, changefeed.Active, s.State, s.Fault)
	require.Empty(w, s.Holder)
	at := w.at.Subscriptions()
	require.Len(w, at, 1)
	require.Equal(w, at[0].ID, s.ID)
	require.WithinDuration(w, at[0].ExpiresAt, s.ExpiresAt, time.Second)
	require.LessOrEqual(w, len(at[0].ClientState), 128)
	require.NotContains(w, string(s.Secret), at[0].ClientState)
	return s
}

// asked returns how often a method was used on a path below /v1.0.
func (w *keepWorld) asked(method, path string) int {
	n := 0
	for _, r := range w.graph.Requests() {
		if r.Method == method && r.Path == "/v1.0"+path {
			n++
		}
	}
	return n
}

// events handles what was accepted and returns what the sink got, "created text" in its order, since the last time.
func (w *keepWorld) events() []string {
	w.Helper()
	require.NoError(w, w.feed.HandleOnce(w.Context()))
	w.mu.Lock()
	defer w.mu.Unlock()
	out := []string{}
	for _, e := range w.seen {
		text := e.Path
		if e.Message != nil {
			text = e.Message.Text
		}
		out = append(out, string(e.Change)+" "+text)
		require.True(w, e.Backfilled, "nothing is sent in these tests")
	}
	w.seen = nil
	return slices.Clip(out)
}
