package teamsapp_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/teamsapp"
)

const (
	botID      = "11111111-2222-3333-4444-555555555555"
	homeTenant = "aaaaaaaa-0000-0000-0000-00000000000a"
	contoso    = "cccccccc-0000-0000-0000-00000000000c"
	fabrikam   = "ffffffff-0000-0000-0000-00000000000f"
	stranger   = "dddddddd-0000-0000-0000-00000000000d"
	nameless   = "eeeeeeee-0000-0000-0000-00000000000e" // the host knows no name for it
	alice      = "a11ce000-0000-0000-0000-000000000001"
	issuer     = "https://api.botframework.com"
)

// Making keys is slow: all tests share these.
var (
	keyOne   = sync.OnceValue(func() *rsa.PrivateKey { return newRSA(2048) })
	keyTwo   = sync.OnceValue(func() *rsa.PrivateKey { return newRSA(2048) })
	keyShort = sync.OnceValue(func() *rsa.PrivateKey { return newRSA(1024) })
)

func newRSA(bits int) *rsa.PrivateKey {
	k, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		panic(err)
	}
	return k
}

// sent is one request that the bot made to the connector.
type sent struct {
	method, path string
	body         map[string]any
}

// microsoft is the Bot Service as far as the inbound half sees it: its metadata and keys, and a connector that takes
// everything.
type microsoft struct {
	*httptest.Server

	mu      sync.Mutex
	keys    []map[string]any
	jwksURI string // "" is its own
	broken  bool
	refused bool // by the connector
	block   chan struct{}
	asked   int
	out     []sent
}

func newMicrosoft(tb testing.TB) *microsoft {
	tb.Helper()
	m := &microsoft{}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/openid", func(w http.ResponseWriter, _ *http.Request) {
		m.mu.Lock()
		uri, broken, block := m.jwksURI, m.broken, m.block
		m.asked++
		m.mu.Unlock()
		if block != nil {
			<-block
		}
		if broken {
			http.Error(w, "{}", http.StatusNotFound)
			return
		}
		if uri == "" {
			uri = m.URL + "/v1/keys"
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"issuer": issuer, "jwks_uri": uri})
	})
	mux.HandleFunc("GET /v1/keys", func(w http.ResponseWriter, _ *http.Request) {
		m.mu.Lock()
		defer m.mu.Unlock()
		_ = json.NewEncoder(w).Encode(map[string]any{"keys": m.keys})
	})
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		s := sent{method: r.Method, path: r.URL.Path}
		_ = json.NewDecoder(r.Body).Decode(&s.body)
		m.mu.Lock()
		defer m.mu.Unlock()
		m.out = append(m.out, s)
		w.Header().Set("Content-Type", "application/json")
		if m.refused {
			w.WriteHeader(http.StatusForbidden)
			_, _ = io.WriteString(w, `{"error":{"code":"ConversationBlockedByUser","message":"x"}}`)
			return
		}
		w.WriteHeader(http.StatusCreated)
		_, _ = io.WriteString(w, `{"id":"sent-1"}`)
	})
	m.Server = httptest.NewServer(mux)
	tb.Cleanup(m.Close)
	m.publish(jwk("one", keyOne(), "msteams", "webchat"))
	return m
}

func (m *microsoft) publish(keys ...map[string]any) { m.set(func() { m.keys = keys }) }

func (m *microsoft) set(f func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f()
}

func (m *microsoft) questions() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.asked
}

// messages returns what the bot sent since the last call.
func (m *microsoft) messages() []sent {
	m.mu.Lock()
	defer m.mu.Unlock()
	out := m.out
	m.out = nil
	return out
}

// jwk is a key as Microsoft publishes it, endorsements and all.
func jwk(id string, k *rsa.PrivateKey, endorsements ...string) map[string]any {
	raw, err := (&jose.JSONWebKey{Key: &k.PublicKey, KeyID: id, Use: "sig"}).MarshalJSON()
	if err != nil {
		panic(err)
	}
	var out map[string]any
	if err := json.Unmarshal(raw, &out); err != nil {
		panic(err)
	}
	if endorsements != nil {
		out["endorsements"] = endorsements
	}
	return out
}

// clock is a clock that stands until it is moved.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func newClock() *clock { return &clock{t: time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) move(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
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

// rig is a bot with its surroundings.
type rig struct {
	*teamsapp.Bot

	ms    *microsoft
	clock *clock
	log   *logbook
	store teamsapp.Store
	ring  *mspkit.KeyRing
	cloud teamsapp.Cloud
	o     teamsapp.Options

	tenants teamsapp.Tenants
	noToken error // why the bot gets no token
}

// newRig returns a bot that trusts ms alone. change may alter the options.
func newRig(tb testing.TB, change func(*teamsapp.Options)) *rig {
	tb.Helper()
	r := &rig{ms: newMicrosoft(tb), clock: newClock(), log: &logbook{}, store: teamsapp.NewMemory(), tenants: tenants}
	var err error
	r.ring, err = mspkit.NewKeyRing(mspkit.NewKey("k1"))
	require.NoError(tb, err)
	r.cloud = teamsapp.PublicCloud()
	r.cloud.Metadata = r.ms.URL + "/v1/openid"
	r.cloud.Hosts = []string{"smba.trafficmanager.net", strings.TrimPrefix(r.ms.URL, "http://")}
	r.o = teamsapp.Options{
		Cloud: r.cloud, Now: r.clock.Now, Logger: slog.New(slog.NewJSONHandler(r.log, nil)), TenantRate: -1,
	}
	if change != nil {
		change(&r.o)
	}
	r.Bot = r.another(tb, r.store)
	return r
}

// another is a second instance of the same bot.
func (r *rig) another(tb testing.TB, store teamsapp.Store) *teamsapp.Bot {
	tb.Helper()
	app := teamsapp.App{
		ID: botID, TenantID: homeTenant,
		Credential: teamsapp.TokenFunc(func(context.Context, string, string) (string, time.Time, error) {
			return "bot-token", r.clock.Now().Add(time.Hour), r.noToken
		}),
	}
	b, err := teamsapp.New(app, r.ring, store, r.tenants, &r.o)
	require.NoError(tb, err)
	return b
}

func tenants(_ context.Context, entra string) (mspkit.TenantID, error) {
	switch entra {
	case contoso:
		return "contoso", nil
	case fabrikam:
		return "fabrikam", nil
	case stranger:
		return "", fmt.Errorf("no customer: %w", teamsapp.ErrUnknownTenant)
	case nameless: // a host that looks into a map and forgets to ask whether it was there
		return "", nil
	}
	return "", errors.New("the database is down")
}

// service is the service URL of the test's connector.
func (r *rig) service() string { return r.ms.URL + "/amer/" }

// claims are those of a good token.
func (r *rig) claims() map[string]any {
	now := r.clock.Now()
	return map[string]any{
		"iss": issuer, "aud": botID, "serviceurl": r.service(),
		"nbf": now.Add(-time.Minute).Unix(), "exp": now.Add(time.Hour).Unix(),
	}
}

func sign(tb testing.TB, kid string, k *rsa.PrivateKey, claims map[string]any) string {
	tb.Helper()
	s, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: jose.JSONWebKey{Key: k, KeyID: kid}}, nil)
	require.NoError(tb, err)
	return signWith(tb, s, claims)
}

func signWith(tb testing.TB, s jose.Signer, claims map[string]any) string {
	tb.Helper()
	raw, err := json.Marshal(claims)
	require.NoError(tb, err)
	jws, err := s.Sign(raw)
	require.NoError(tb, err)
	out, err := jws.CompactSerialize()
	require.NoError(tb, err)
	return out
}

// activity is JSON that a test alters.
type activity map[string]any

// of returns the object under name, made where there is none.
func (a activity) of(name string) map[string]any {
	v, ok := a[name].(map[string]any)
	if !ok {
		v = map[string]any{}
		a[name] = v
	}
	return v
}

// base is what every activity of Alice in her chat with the bot has.
func (r *rig) base(kind, id string) activity {
	return activity{
		"type": kind, "id": id, "channelId": "msteams", "serviceUrl": r.service(), "locale": "en-US",
		"from":         map[string]any{"id": "29:alice", "name": "Alice Example", "aadObjectId": alice},
		"recipient":    map[string]any{"id": "28:" + botID, "name": "Helpdesk"},
		"conversation": map[string]any{"id": "a:alice-chat", "conversationType": "personal", "tenantId": contoso},
		"channelData":  map[string]any{"tenant": map[string]any{"id": contoso}},
	}
}

// execute is a pressed button with Action.Execute.
func (r *rig) execute(id, verb string, data map[string]any) activity {
	a := r.base("invoke", id)
	a["name"], a["replyToId"] = "adaptiveCard/action", "card-1"
	a["value"] = map[string]any{
		"action":  map[string]any{"type": "Action.Execute", "id": "b", "verb": verb, "data": data},
		"trigger": "manual",
	}
	return a
}

// submit is the same button in a client that does not know Action.Execute.
func (r *rig) submit(id, verb string, data map[string]any) activity {
	a := r.base("message", id)
	value := map[string]any{teamsapp.SubmitVerb: verb}
	maps.Copy(value, data)
	a["replyToId"], a["value"] = "card-1", value
	return a
}

// says is a written message.
func (r *rig) says(id, text string) activity {
	a := r.base("message", id)
	a["text"], a["textFormat"] = text, "plain"
	return a
}

// post sends an activity with an Authorization header to a handler; "" sends none.
func post(h http.Handler, authorization string, body any) *httptest.ResponseRecorder {
	raw, isRaw := body.([]byte)
	if !isRaw {
		raw, _ = json.Marshal(body)
	}
	req := httptest.NewRequest(http.MethodPost, "/api/messages", bytes.NewReader(raw))
	req.Header.Set("Content-Type", "application/json; charset=utf-8")
	if authorization != "" {
		req.Header.Set("Authorization", authorization)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, req)
	return w
}

// deliver sends an activity with a good token.
func (r *rig) deliver(tb testing.TB, body any) *httptest.ResponseRecorder {
	tb.Helper()
	return post(r, "Bearer "+sign(tb, "one", keyOne(), r.claims()), body)
}
