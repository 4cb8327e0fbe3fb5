package smschannel_test

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/mail"
	"github.com/mspkit/mspkit/mail/mailtest"
	"github.com/mspkit/mspkit/verify"
	"github.com/mspkit/mspkit/verify/mailchannel"
	"github.com/mspkit/mspkit/verify/memstore"
	"github.com/mspkit/mspkit/verify/smschannel"
	"github.com/mspkit/mspkit/verify/smschannel/twilio"
	"github.com/mspkit/mspkit/verify/smschannel/twiliotest"
)

const (
	account = "AC0123456789abcdef0123456789abcdef"
	token   = "auth-token-of-the-account"
	base    = "https://help.example/verify"
	number  = "+12025550123"
	address = "dana.ruiz@contoso.example"
)

// world is a service with mail and text messages, the latter through a Twilio on the wire.
type world struct {
	*verify.Service
	twilio *twiliotest.Server
	mail   *mailtest.Mailer
	hook   string // the public URL of the status callbacks
	web    *http.Client
	logs   *logs

	mu     sync.Mutex
	events []verify.Event
}

// logs keeps everything that is logged, at every level.
type logs struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logs) Write(p []byte) (int, error) { l.mu.Lock(); defer l.mu.Unlock(); return l.buf.Write(p) }

func (l *logs) String() string { l.mu.Lock(); defer l.mu.Unlock(); return l.buf.String() }

func newWorld(t *testing.T, o *smschannel.Options, to *twiliotest.Options) *world {
	t.Helper()
	w := &world{mail: &mailtest.Mailer{}, logs: &logs{}}
	log := slog.New(slog.NewJSONHandler(w.logs, &slog.HandlerOptions{Level: slog.LevelDebug - 4, AddSource: true}))
	transport := &http.Transport{}
	w.web = &http.Client{Transport: transport}

	var err error
	w.twilio, err = twiliotest.New(account, token, to)
	require.NoError(t, err)
	api, err := w.twilio.Start()
	require.NoError(t, err)
	var handler http.Handler // made after the service, which is made after the channel, which needs its address
	var ready sync.RWMutex
	web := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		ready.RLock()
		defer ready.RUnlock()
		handler.ServeHTTP(rw, r)
	}))
	t.Cleanup(func() {
		require.NoError(t, w.twilio.Close())
		transport.CloseIdleConnections()
		web.Close()
	})
	w.hook = web.URL + "/hooks/twilio"

	client, err := twilio.New(account, twilio.AuthToken(token), twilio.Sender{From: "+12025550100"}, &twilio.Options{
		BaseURL: api, HTTPClient: w.web, StatusCallback: w.hook, Logger: log,
	})
	require.NoError(t, err)
	if o == nil {
		o = &smschannel.Options{Region: "US"}
	}
	sms, err := smschannel.New(client, o)
	require.NoError(t, err)
	templates, err := mail.NewTemplates(nil)
	require.NoError(t, err)
	email, err := mailchannel.New(w.mail, templates, nil)
	require.NoError(t, err)
	ring, err := mspkit.NewKeyRing(mspkit.NewKey("k1"))
	require.NoError(t, err)
	w.Service, err = verify.New(memstore.New(), ring, base, verify.Same(verify.Settings{
		Brand:  mspkit.Brand{Name: "Contoso IT"},
		Policy: verify.Policy{verify.ActionIdentify: {Min: verify.AssuranceEmailCode, Words: map[string]string{"en": "confirm who you are"}}},
		Limits: verify.Limits{Cooldown: -1, PerDestination: -1, PerSubject: -1},
	}), &verify.Options{
		Channels: map[string]verify.Channel{"email": email, "sms": sms}, Logger: log,
		Recorder: verify.RecorderFunc(func(_ context.Context, e verify.Event) error {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.events = append(w.events, e)
			return nil
		}),
	})
	require.NoError(t, err)
	report := smschannel.Status(w.Service)
	ready.Lock()
	defer ready.Unlock()
	handler, err = twilio.NewStatusHandler(account, w.hook, []mspkit.Redacted[string]{mspkit.Redact(token)},
		func(ctx context.Context, s twilio.Status) error {
			return report(ctx, s.Key, string(s.State), s.Reason())
		},
		&twilio.HandlerOptions{Logger: log})
	require.NoError(t, err)
	return w
}

func (w *world) request(channel string, m verify.Method, to string) verify.StartRequest {
	return verify.StartRequest{
		Tenant: "contoso", Action: verify.ActionIdentify, Channel: channel, Method: m,
		Subject: verify.Subject{ID: "dana", Name: "Dana Ruiz", Company: "Contoso", Destinations: []verify.Destination{
			{Channel: channel, Address: to, FirstSeen: time.Now().AddDate(-1, 0, 0)},
		}},
		Technician: verify.Technician{ID: "jane", Name: "Jane Doe"}, Ticket: mspkit.Ticket{System: "psa", ID: "4711"},
	}
}

// text returns the last message that the phone got.
func (w *world) text(t testing.TB) twiliotest.Message {
	t.Helper()
	all := w.twilio.Messages()
	require.NotEmpty(t, all, "no text message was sent")
	return all[len(all)-1]
}

// recorded returns the events so far.
func (w *world) recorded(t testing.TB) []verify.Event {
	t.Helper()
	require.NoError(t, w.RunOnce(t.Context()))
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]verify.Event(nil), w.events...)
}

func (w *world) kinds(t testing.TB) []verify.EventKind {
	t.Helper()
	var out []verify.EventKind
	for _, e := range w.recorded(t) {
		out = append(out, e.Kind)
	}
	return out
}

// callback posts what pretends to be Twilio and returns the status of the answer.
func (w *world) callback(t testing.TB, target, signature string, form url.Values) int {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, target, strings.NewReader(form.Encode()))
	require.NoError(t, err)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("X-Twilio-Signature", signature)
	resp, err := w.web.Do(r)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	return resp.StatusCode
}

var (
	linkToken = regexp.MustCompile(regexp.QuoteMeta(base) + `/v/([A-Za-z0-9_-]+)`)
	spokenBy  = regexp.MustCompile(`\b(\d{3}) (\d{3})\b`)
)

// codeIn returns the code in a message, as its reader would read it aloud.
func codeIn(t testing.TB, body string) string {
	t.Helper()
	code := spokenBy.FindString(body)
	require.NotEmpty(t, code, body)
	return code
}
