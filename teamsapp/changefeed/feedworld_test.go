package changefeed_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"log/slog"
	"math/big"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
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

const (
	ourApp     = "0a0a0a0a-1111-4222-8333-444455556666"
	contosoID  = "c0c0c0c0-0000-4000-8000-00000000000c"
	fabrikamID = "fafafafa-0000-4000-8000-00000000000f"
)

// feedClock is a clock that stands until it is moved.
type feedClock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *feedClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *feedClock) move(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

// tokenFor is a credential for one tenant of the fake.
type tokenFor struct {
	g      *graphfake.Server
	tenant string
}

func (t tokenFor) GetToken(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
	return azcore.AccessToken{Token: t.g.Bearer(t.tenant), ExpiresOn: time.Now().Add(time.Hour)}, nil
}

// logbook is a log that can be read while it is written.
type logbook struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logbook) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logbook) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// sink keeps what it is given, and fails where fail says so.
type sink struct {
	mu     sync.Mutex
	events []changefeed.Event
	fail   func(changefeed.Event) error
	hang   bool // until the context ends
}

func (s *sink) Handle(ctx context.Context, e changefeed.Event) error {
	s.mu.Lock()
	fail := s.fail
	s.mu.Unlock()
	if fail != nil {
		if err := fail(e); err != nil {
			return err
		}
	}
	if s.hang {
		<-ctx.Done()
		return ctx.Err()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.events = append(s.events, e)
	return nil
}

func (s *sink) failing(f func(changefeed.Event) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fail = f
}

func (s *sink) all() []changefeed.Event {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]changefeed.Event(nil), s.events...)
}

// texts are what the messages said, in the order in which they were handed over.
func (s *sink) texts() []string {
	out := []string{}
	for _, e := range s.all() {
		if e.Message == nil {
			out = append(out, "")
			continue
		}
		out = append(out, e.Message.Text)
	}
	return out
}

// counter counts metrics by name and the first attribute.
type counter struct {
	mu sync.Mutex
	n  map[string]int64
}

func (c *counter) Count(_ context.Context, name string, n int64, attrs ...mspkit.Attr) {
	parts := []string{name}
	for _, a := range attrs {
		parts = append(parts, a.Value)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.n[strings.Join(parts, "/")] += n
}

func (c *counter) Time(ctx context.Context, name string, _ time.Duration, attrs ...mspkit.Attr) {
	c.Count(ctx, name, 1, attrs...)
}

func (c *counter) of(name string) int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.n[name]
}

// feedWorld is a feed of two tenants with Graph and the receiver on the wire.
type feedWorld struct {
	tb               testing.TB
	clock            *feedClock
	graph            *graphfake.Server
	contoso          *graphfake.Tenant
	fabrikam         *graphfake.Tenant
	chat, other      string // chats of contoso and of fabrikam
	ann, bob         string // people of contoso and of fabrikam
	store            changefeed.Store
	ring             *mspkit.KeyRing
	feed             *changefeed.Feed
	sink             *sink
	log              *logbook
	meter            *counter
	receiver         *httptest.Server
	changed          map[string][]graphfake.Changed
	options          changefeed.Options
	graphURL, hereAt string
}

func (w *feedWorld) TenantCredential(_ context.Context, tenant mspkit.TenantID) (azcore.TokenCredential, error) {
	switch tenant {
	case "contoso":
		return tokenFor{w.graph, contosoID}, nil
	case "fabrikam":
		return tokenFor{w.graph, fabrikamID}, nil
	}
	return nil, azurecred.ErrNotConnected
}

// newFeedWorld returns a world in which nothing is followed yet. change may change the options and the store.
func newFeedWorld(tb testing.TB, change func(w *feedWorld)) *feedWorld {
	tb.Helper()
	w := &feedWorld{
		tb: tb, clock: &feedClock{t: time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)}, sink: &sink{}, log: &logbook{}, meter: &counter{n: map[string]int64{}},
		store: changefeed.NewMemory(), changed: map[string][]graphfake.Changed{},
	}
	w.graph = graphfake.New(&graphfake.Options{Now: w.clock.Now, TokenTTL: 1000 * time.Hour, Record: true})
	srv := httptest.NewServer(w.graph)
	tb.Cleanup(srv.Close)
	w.graphURL = srv.URL
	w.contoso, w.fabrikam = w.graph.AddTenant(contosoID, "Contoso", ""), w.graph.AddTenant(fabrikamID, "Fabrikam", "")
	w.ann, w.bob = w.contoso.Put(graphfake.User{DisplayName: "Ann"}), w.fabrikam.Put(graphfake.User{DisplayName: "Bob"})
	w.chat, w.other = w.contoso.AddChat(w.ann), w.fabrikam.AddChat(w.bob)
	for _, t := range []*graphfake.Tenant{w.contoso, w.fabrikam} {
		t.OnChange(func(c graphfake.Changed) { w.changed[t.ID] = append(w.changed[t.ID], c) })
	}
	w.receiver = httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) { w.feed.ServeHTTP(rw, r) }))
	tb.Cleanup(w.receiver.Close)
	w.hereAt = w.receiver.URL + "/in/graph"
	key := mspkit.NewKey("k1")
	var err error
	w.ring, err = mspkit.NewKeyRing(key)
	require.NoError(tb, err)
	w.options = changefeed.Options{
		Cloud: azurecred.Cloud{Login: srv.URL, Graph: srv.URL, GraphScope: "https://graph.microsoft.com/.default"}, Meter: w.meter,
		Logger: slog.New(slog.NewTextHandler(w.log, nil)), Now: w.clock.Now, Certificates: ownCertificates(),
		Budget: time.Minute, // machines of tests are slow
	}
	if change != nil {
		change(w)
	}
	w.feed = w.another()
	return w
}

// another is a second instance on the same store.
func (w *feedWorld) another() *changefeed.Feed {
	w.tb.Helper()
	o := w.options
	f, err := changefeed.New(changefeed.App{IDs: []string{ourApp}, URL: w.hereAt}, w.ring, w.store, w, w.sink, &o)
	require.NoError(w.tb, err)
	return f
}

// follow subscribes a tenant and waits until it is done.
func (w *feedWorld) follow(tenant mspkit.TenantID, resources ...changefeed.Resource) {
	w.tb.Helper()
	id := map[mspkit.TenantID]string{"contoso": contosoID, "fabrikam": fabrikamID}[tenant]
	require.NoError(w.tb, w.feed.Follow(w.tb.Context(), tenant, id, resources...))
	require.NoError(w.tb, w.feed.KeepOnce(w.tb.Context()))
	list, err := w.feed.Subscriptions(w.tb.Context(), tenant)
	require.NoError(w.tb, err)
	require.Len(w.tb, list, len(resources))
	for _, s := range list {
		require.Equal(w.tb, changefeed.Active, s.State, s.Fault)
	}
}

// said posts a message to the tenant's chat and returns the notification of it, which was not sent.
func (w *feedWorld) said(t *graphfake.Tenant, text string) graphfake.Notice {
	w.tb.Helper()
	m := graphfake.Message{Chat: w.chat, From: w.ann, Content: text}
	if t == w.fabrikam {
		m.Chat, m.From = w.other, w.bob
	}
	t.Post(m)
	return w.last(t)
}

// last returns the notification of the last change.
func (w *feedWorld) last(t *graphfake.Tenant) graphfake.Notice {
	w.tb.Helper()
	list := w.changed[t.ID]
	require.NotEmpty(w.tb, list)
	notices := w.graph.Notices(list[len(list)-1], ourApp)
	require.Len(w.tb, notices, 1)
	return notices[0]
}

// send posts notices and returns the status.
func (w *feedWorld) send(notices ...graphfake.Notice) int {
	w.tb.Helper()
	status, err := w.graph.Send(w.tb.Context(), notices...)
	require.NoError(w.tb, err)
	return status
}

// handle hands over what is due.
func (w *feedWorld) handle() {
	w.tb.Helper()
	require.NoError(w.tb, w.feed.HandleOnce(w.tb.Context()))
}

// dead returns the faults of the dead letters of a tenant.
func (w *feedWorld) dead(tenant mspkit.TenantID) []changefeed.DeadLetter {
	w.tb.Helper()
	list, err := w.feed.DeadLetters(w.tb.Context(), tenant, 0, 0)
	require.NoError(w.tb, err)
	return list
}

var errSink = errors.New("the sink is told to fail")

// ownCertificates are made once for all tests.
func ownCertificates() []changefeed.OwnCertificate { return slices.Clone(madeOnce()) }

var madeOnce = sync.OnceValue(func() []changefeed.OwnCertificate {
	out := make([]changefeed.OwnCertificate, 2)
	for i := range out {
		key, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			panic(err)
		}
		template := &x509.Certificate{SerialNumber: big.NewInt(int64(i + 1)), NotAfter: time.Date(2036, 1, 1, 0, 0, 0, 0, time.UTC)}
		der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
		if err != nil {
			panic(err)
		}
		out[i] = changefeed.OwnCertificate{ID: "own-" + strconv.Itoa(i+1), DER: der, Key: key}
	}
	return out
})
