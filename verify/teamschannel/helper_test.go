package teamschannel_test

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/teamsapp"
	"github.com/mspkit/mspkit/teamsapp/teamstest"
	"github.com/mspkit/mspkit/verify"
	"github.com/mspkit/mspkit/verify/memstore"
	"github.com/mspkit/mspkit/verify/teamschannel"
)

const (
	base   = "https://help.example/verify"
	appID  = "6f1c0f3e-7a55-4c0e-9d0e-2f8f4c1b7a01"
	secret = "bot-secret-of-the-app"

	contosoTID  = "0c1d2e3f-1111-4222-8333-444455556666"
	fabrikamTID = "0c1d2e3f-2222-4222-8333-444455556666"
	strangeTID  = "0c1d2e3f-3333-4222-8333-444455556666"
	danaOID     = "aaaaaaaa-1111-4222-8333-444455556666"
	eveOID      = "eeeeeeee-1111-4222-8333-444455556666"
)

// tenants knows two clients.
func tenants(_ context.Context, tid string) (mspkit.TenantID, error) {
	switch tid {
	case contosoTID:
		return "contoso", nil
	case fabrikamTID:
		return "fabrikam", nil
	}
	return "", teamsapp.ErrUnknownTenant
}

// clock is the time of everything in a world.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time { c.mu.Lock(); defer c.mu.Unlock(); return c.now }

func (c *clock) Add(d time.Duration) { c.mu.Lock(); defer c.mu.Unlock(); c.now = c.now.Add(d) }

// logs keeps everything that is logged, at every level.
type logs struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logs) Write(p []byte) (int, error) { l.mu.Lock(); defer l.mu.Unlock(); return l.buf.Write(p) }

func (l *logs) String() string { l.mu.Lock(); defer l.mu.Unlock(); return l.buf.String() }

// instance is one process: a bot, a channel and a service on the stores that all share.
type instance struct {
	*verify.Service
	bot   *teamsapp.Bot
	front *httptest.Server
}

// world is two instances with a Teams on the wire, and Dana of Contoso in it.
type world struct {
	instance          // the first, which Teams talks to
	second   instance //
	dana     *teamstest.Person
	teams    *teamstest.Server
	clock    *clock
	logs     *logs
	settings verify.Settings
	o        teamschannel.Options
	lookup   func(address string) *verify.TechnicianRequest

	mu     sync.Mutex
	events []verify.Event
}

func newWorld(t *testing.T, change func(w *world)) *world {
	t.Helper()
	w := &world{
		clock: &clock{now: time.Date(2026, 11, 22, 14, 5, 0, 0, time.UTC)}, logs: &logs{},
		settings: verify.Settings{
			Brand:  mspkit.Brand{Name: "Northwind IT", Phone: "+1 202 555 0100"},
			Limits: verify.Limits{Cooldown: -1, PerDestination: -1, PerSubject: -1},
		},
	}
	w.lookup = func(address string) *verify.TechnicianRequest {
		if address != contosoTID+"/"+danaOID {
			return nil
		}
		return &verify.TechnicianRequest{Subject: subject(""), Call: w.call()}
	}
	if change != nil {
		change(w)
	}
	log := slog.New(slog.NewJSONHandler(w.logs, &slog.HandlerOptions{Level: slog.LevelDebug - 4}))
	w.o.Now, w.o.Logger = w.clock.Now, log
	var err error
	w.teams, err = teamstest.Start(appID, secret, &teamstest.Options{Now: w.clock.Now})
	require.NoError(t, err)
	t.Cleanup(w.teams.Close)
	ring, err := mspkit.NewKeyRing(mspkit.NewKey("k1"))
	require.NoError(t, err)
	conversations, records := teamsapp.NewMemory(), memstore.New()
	w.instance = w.start(t, ring, conversations, records, log)
	w.second = w.start(t, ring, conversations, records, log)
	w.teams.Connect(w.front.URL)
	w.dana = w.teams.AddPerson(contosoTID, danaOID, "Dana Ruiz", "en-US")
	require.NoError(t, w.dana.Install(t.Context()))
	return w
}

func (w *world) start(t *testing.T, ring *mspkit.KeyRing, conversations teamsapp.Store, records verify.Store, log *slog.Logger) instance {
	t.Helper()
	var in instance
	var err error
	transport := &http.Transport{}
	in.bot, err = teamsapp.New(
		teamsapp.App{ID: appID, TenantID: w.teams.AppTenant(), Credential: teamsapp.ClientSecret(secret)},
		ring, conversations, tenants,
		&teamsapp.Options{Cloud: w.teams.Cloud(), HTTPClient: &http.Client{Transport: transport}, TenantRate: -1, Logger: log, Now: w.clock.Now})
	require.NoError(t, err)
	channel, err := teamschannel.New(in.bot, &w.o)
	require.NoError(t, err)
	in.Service, err = verify.New(records, ring, base, verify.Same(w.settings), &verify.Options{
		Channels: map[string]verify.Channel{"teams": channel}, Now: w.clock.Now, Logger: log,
		Authorize: func(context.Context, mspkit.TenantID, string, verify.Permission) error { return nil },
		Lookup: func(_ context.Context, _ mspkit.TenantID, address string) (*verify.TechnicianRequest, error) {
			return w.lookup(address), nil
		},
		Recorder: verify.RecorderFunc(func(_ context.Context, e verify.Event) error {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.events = append(w.events, e)
			return nil
		}),
	})
	require.NoError(t, err)
	require.NoError(t, teamschannel.Register(in.bot, in.Service, &w.o))
	in.front = httptest.NewServer(in.bot)
	t.Cleanup(func() { in.front.Close(); transport.CloseIdleConnections() })
	return in
}

func subject(locale string) verify.Subject {
	return verify.Subject{
		ID: "dana", Name: "Dana Ruiz", Company: "Contoso", Locale: locale,
		Destinations: []verify.Destination{{Channel: "teams", Address: contosoTID + "/" + danaOID, FirstSeen: time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)}},
	}
}

func request(m verify.Method) verify.StartRequest {
	return verify.StartRequest{
		Tenant: "contoso", Subject: subject(""), Action: verify.ActionResetPassword, Method: m,
		Technician: verify.Technician{ID: "jane", Name: "Jane Doe"}, Ticket: mspkit.Ticket{System: "psa", ID: "4711"},
	}
}

func (w *world) call() *verify.Call {
	r := request("")
	return &verify.Call{Technician: r.Technician, Ticket: r.Ticket, Began: w.clock.Now().Add(-3 * time.Minute), By: verify.SideTechnician}
}

// begin starts a verification of Dana and returns it with its card.
func (w *world) begin(t *testing.T, m verify.Method) (verify.Challenge, *teamstest.Message) {
	t.Helper()
	c, err := w.Start(t.Context(), request(m))
	require.NoError(t, err)
	return c, w.last(t)
}

// last returns the newest message in Dana's chat as it is now.
func (w *world) last(t *testing.T) *teamstest.Message {
	t.Helper()
	ms := w.teams.Messages(w.dana)
	require.NotEmpty(t, ms)
	return ms[len(ms)-1]
}

// settle does what Run does, on the instance that did nothing so far, and returns the message as it is then.
func (w *world) settle(t *testing.T, m *teamstest.Message) *teamstest.Message {
	t.Helper()
	require.NoError(t, w.second.RunOnce(t.Context()))
	return w.teams.Message(m.ID)
}

// press fills in the answer and presses a button.
func (w *world) press(t *testing.T, m *teamstest.Message, verb, answer string) teamstest.Result {
	t.Helper()
	var inputs map[string]string
	if answer != "" {
		inputs = map[string]string{"answer": answer}
	}
	r, err := w.dana.Press(t.Context(), m, verb, inputs)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, r.HTTPStatus)
	return r
}

// state is what has become of a challenge, and how many tries it has left.
func (w *world) state(t *testing.T, ref verify.Ref) (verify.State, int) {
	t.Helper()
	c, err := w.Get(t.Context(), ref, "jane")
	require.NoError(t, err)
	return c.State, c.TriesLeft
}

func (w *world) kinds() []verify.EventKind {
	w.mu.Lock()
	defer w.mu.Unlock()
	var out []verify.EventKind
	for _, e := range w.events {
		out = append(out, e.Kind)
	}
	return out
}

// shown is a card as text.
func shown(raw json.RawMessage) string { return string(raw) }

// over checks that a card has neither fields nor buttons.
func over(t *testing.T, raw json.RawMessage) {
	t.Helper()
	require.NotContains(t, string(raw), "Input.")
	require.NotContains(t, string(raw), "Action.")
}

// another returns a number that is not this one.
func another(number string) string {
	if number == "111" {
		return "222"
	}
	return "111"
}

// forge presses a button that is on no card.
func (w *world) forge(t *testing.T, verb string, data map[string]any) teamstest.Result {
	t.Helper()
	a := w.teams.Activity(w.dana, "invoke")
	a["name"] = "adaptiveCard/action"
	a["value"] = map[string]any{"action": map[string]any{"type": "Action.Execute", "verb": verb, "data": data}, "trigger": "manual"}
	r, err := w.teams.Deliver(t.Context(), a, w.teams.Sign(w.teams.Claims(w.dana.ServiceURL()), nil))
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, r.HTTPStatus)
	return r
}

// open returns the only open challenge with what the technician sees.
func (w *world) open(t *testing.T) verify.Challenge {
	t.Helper()
	cs, err := w.Open(t.Context(), "contoso", "jane")
	require.NoError(t, err)
	require.Len(t, cs, 1)
	return cs[0]
}
