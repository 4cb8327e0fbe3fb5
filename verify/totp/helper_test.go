package totp_test

import (
	"bytes"
	"context"
	"encoding/base32"
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
	mechanism "github.com/mspkit/mspkit/internal/totp"
	"github.com/mspkit/mspkit/verify"
	"github.com/mspkit/mspkit/verify/memstore"
	"github.com/mspkit/mspkit/verify/totp"
	"github.com/mspkit/mspkit/verify/verifytest"
)

const tenant = mspkit.TenantID("contoso")

var jane = verify.Technician{ID: "jane", Name: "Jane Doe"}

// instance is one process.
type instance struct {
	svc   *verify.Service
	app   *totp.Channel
	enrol *totp.Enrolment
	pages http.Handler
	ahead time.Duration // how far its clock is ahead
}

// world is two instances on one store, with a clock that tests move.
type world struct {
	instance
	second           instance
	t                testing.TB
	store            *memstore.Store
	ring             *mspkit.KeyRing
	teams, mail, sms *verifytest.Channel
	mu               sync.Mutex
	clock            time.Time
	events           []verify.Event
	logs             bytes.Buffer
	settings         verify.Settings
	number           string // of the last link
}

func (w *world) now() time.Time { w.mu.Lock(); defer w.mu.Unlock(); return w.clock }

func (w *world) pass(d time.Duration) { w.mu.Lock(); defer w.mu.Unlock(); w.clock = w.clock.Add(d) }

// Write takes the logs of both instances.
func (w *world) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.logs.Write(p)
}

func newWorld(t testing.TB, change ...func(*world, *totp.Options, *totp.EnrolmentOptions)) *world {
	t.Helper()
	w := &world{
		t: t, store: memstore.New(), clock: time.Date(2026, 11, 22, 9, 0, 10, 0, time.UTC),
		teams: &verifytest.Channel{Level: verify.AssuranceTeams}, mail: &verifytest.Channel{Level: verify.AssuranceEmail},
		sms: &verifytest.Channel{Level: verify.AssuranceSMS},
		settings: verify.Settings{
			Brand:  mspkit.Brand{Name: "Contoso IT", Phone: "+1 5550 0100"},
			Limits: verify.Limits{Cooldown: -1, PerDestination: -1, PerSubject: -1},
		},
	}
	var err error
	w.ring, err = mspkit.NewKeyRing(mspkit.NewKey("k1"))
	require.NoError(t, err)
	o, eo := &totp.Options{}, &totp.EnrolmentOptions{}
	for _, c := range change {
		c(w, o, eo)
	}
	w.instance, w.second = w.start(o, *eo, w.ahead), w.start(o, *eo, w.second.ahead)
	return w
}

func (w *world) start(o *totp.Options, eo totp.EnrolmentOptions, ahead time.Duration) instance {
	w.t.Helper()
	in := instance{ahead: ahead}
	now := func() time.Time { return w.now().Add(ahead) }
	var err error
	in.app, err = totp.New(w.store, w.ring, o)
	require.NoError(w.t, err)
	log := slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{Level: slog.LevelDebug - 4}))
	in.svc, err = verify.New(w.store, w.ring, "https://help.example/verify",
		func(context.Context, mspkit.TenantID) (verify.Settings, error) { return w.settings, nil },
		&verify.Options{
			Channels: map[string]verify.Channel{"teams": w.teams, "email": w.mail, "sms": w.sms, "app": in.app}, Now: now, Logger: log,
			Authorize: func(context.Context, mspkit.TenantID, string, verify.Permission) error { return nil },
			Recorder: verify.RecorderFunc(func(_ context.Context, e verify.Event) error {
				w.mu.Lock()
				defer w.mu.Unlock()
				w.events = append(w.events, e)
				return nil
			}),
		})
	require.NoError(w.t, err)
	eo.Now, eo.Logger = now, log
	in.enrol, err = totp.NewEnrolment(in.app, in.svc, &eo)
	require.NoError(w.t, err)
	in.pages = http.StripPrefix("/verify/totp", in.enrol)
	return in
}

func subject(id string) verify.Subject {
	long := time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)
	return verify.Subject{ID: id, Name: "Dana Smith", Company: "Northwind", Destinations: []verify.Destination{
		{Channel: "teams", Address: "teams-of-" + id, FirstSeen: long},
		{Channel: "email", Address: id + "@northwind.example", FirstSeen: long},
		{Channel: "sms", Address: "+15550100", FirstSeen: long},
	}}
}

// proof verifies a subject by number match on a channel and returns the request that uses the proof.
func (w *world) proof(of mspkit.TenantID, id string, action verify.Action, channel string, method verify.Method) totp.Request {
	w.t.Helper()
	ctx := w.t.Context()
	r := verify.StartRequest{
		Tenant: of, Subject: subject(id), Action: action, Technician: jane, Channel: channel, Method: method,
		Ticket: mspkit.Ticket{System: "psa", ID: "4711"},
	}
	c, err := w.svc.Start(ctx, r)
	require.NoError(w.t, err)
	switch c.Method {
	case verify.MethodCode:
		d, err := map[string]*verifytest.Channel{"teams": w.teams, "email": w.mail, "sms": w.sms}[c.Channel].Last()
		require.NoError(w.t, err)
		_, err = w.svc.Check(ctx, verify.CheckRequest{Tenant: of, ID: c.Ref.ID, Response: d.Code.Reveal(), Technician: jane.ID})
		require.NoError(w.t, err)
	default:
		_, err = w.svc.Answer(ctx, verify.Answer{Ref: c.Ref, Method: verify.MethodNumber, Response: c.Number.Reveal()})
		require.NoError(w.t, err)
	}
	c, err = w.svc.Get(ctx, c.Ref, jane.ID)
	require.NoError(w.t, err)
	require.Equal(w.t, verify.StateConfirmed, c.State)
	return totp.Request{
		Proof: c.Proof, By: "job-" + c.Ref.ID, Subject: subject(id),
		Expect: verify.Expect{Tenant: of, Subject: id, Action: action, Technician: jane.ID, Ticket: r.Ticket},
	}
}

// begin sends a link and returns its path.
func (w *world) begin(of mspkit.TenantID, id string) string {
	w.t.Helper()
	p, err := w.enrol.Begin(w.t.Context(), w.proof(of, id, verify.ActionEnrolTOTP, "teams", verify.MethodNumber))
	require.NoError(w.t, err)
	w.number = p.Number.Reveal()
	return w.link()
}

func (w *world) link() string {
	w.t.Helper()
	told := w.teams.Notices()
	n := told[len(told)-1]
	require.Equal(w.t, verify.NoticeLink, n.Kind)
	return strings.TrimPrefix(n.Link.Reveal(), "https://help.example")
}

// browser keeps cookies as a browser does, for one site.
type browser struct {
	t       testing.TB
	h       http.Handler
	cookies map[string]string
	last    *httptest.ResponseRecorder
}

func (w *world) browser() *browser { return &browser{t: w.t, h: w.pages, cookies: map[string]string{}} }

func (b *browser) do(method, path string, form url.Values) *httptest.ResponseRecorder {
	b.t.Helper()
	r := httptest.NewRequestWithContext(b.t.Context(), method, path, strings.NewReader(form.Encode()))
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for n, v := range b.cookies {
		r.AddCookie(&http.Cookie{Name: n, Value: v})
	}
	rec := httptest.NewRecorder()
	b.h.ServeHTTP(rec, r)
	for _, c := range rec.Result().Cookies() {
		b.cookies[c.Name] = c.Value
	}
	b.last = rec
	return rec
}

func (b *browser) get(path string) string {
	b.t.Helper()
	return b.do(http.MethodGet, path, nil).Body.String()
}

// post sends a form and follows the redirect.
func (b *browser) post(path, field, value string) string {
	b.t.Helper()
	rec := b.do(http.MethodPost, path, url.Values{field: {value}})
	if rec.Code != http.StatusSeeOther {
		return rec.Body.String()
	}
	from, err := url.Parse("https://help.example" + path)
	require.NoError(b.t, err)
	to, err := from.Parse(rec.Header().Get("Location"))
	require.NoError(b.t, err)
	return b.get(to.RequestURI())
}

var (
	keyOnPage  = regexp.MustCompile(`class="key"><bdi dir="ltr">([A-Z2-7 ]+)</bdi>`)
	codeOnPage = regexp.MustCompile(`<li><bdi dir="ltr">(\d{5} \d{5})</bdi></li>`)
)

// secretOn reads the key that a page shows, as a person would type it.
func secretOn(t testing.TB, page string) []byte {
	t.Helper()
	m := keyOnPage.FindStringSubmatch(page)
	require.NotNil(t, m, "the page shows no key")
	s, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(strings.ReplaceAll(m[1], " ", ""))
	require.NoError(t, err)
	return s
}

func codesOn(page string) []string {
	var out []string
	for _, m := range codeOnPage.FindAllStringSubmatch(page, -1) {
		out = append(out, m[1])
	}
	return out
}

// phone is an app of a contact.
type phone struct {
	secret   []byte
	recovery []string
}

// shows is the code that the app shows off steps from now.
func (p phone) shows(at time.Time, off int) string {
	return mechanism.Code(p.secret, mechanism.Step(at)+int64(off))
}

// enrolled sets an app up, the way a contact does, and lets it grow old enough to be trusted.
func (w *world) enrolled(of mspkit.TenantID, id string) phone {
	w.t.Helper()
	b, link := w.browser(), w.begin(of, id)
	page := b.post(link, "number", w.number)
	p := phone{secret: secretOn(w.t, page)}
	page = b.post(link+"/code", "code", p.shows(w.now(), 0))
	p.recovery = codesOn(page)
	require.Len(w.t, p.recovery, mechanism.RecoveryCodes, page)
	w.pass(15 * 24 * time.Hour)
	return p
}

// ask begins a verification by the app.
func (w *world) ask(of mspkit.TenantID, id string) verify.Challenge {
	w.t.Helper()
	c, err := w.svc.Start(w.t.Context(), verify.StartRequest{
		Tenant: of, Subject: subject(id), Action: verify.ActionIdentify, Technician: jane, Method: verify.MethodTOTP,
	})
	require.NoError(w.t, err)
	return c
}

func (in instance) check(t testing.TB, c verify.Challenge, response string) verify.Result {
	t.Helper()
	res, err := in.svc.Check(t.Context(), verify.CheckRequest{Tenant: c.Ref.Tenant, ID: c.Ref.ID, Response: response, Technician: jane.ID})
	require.NoError(t, err)
	return res
}

// kinds hands all events over and returns their kinds.
func (w *world) kinds() []verify.EventKind {
	w.t.Helper()
	require.NoError(w.t, w.svc.RunOnce(w.t.Context()))
	w.mu.Lock()
	defer w.mu.Unlock()
	var out []verify.EventKind
	for _, e := range w.events {
		out = append(out, e.Kind)
	}
	return out
}

func count[T comparable](list []T, v T) (n int) {
	for _, x := range list {
		if x == v {
			n++
		}
	}
	return n
}

// told returns the kinds of notice that a channel was given, links aside.
func told(c *verifytest.Channel) (out []verify.NoticeKind) {
	for _, n := range c.Notices() {
		if n.Kind != verify.NoticeLink {
			out = append(out, n.Kind)
		}
	}
	return out
}

// other returns a number that is not n.
func other(n string) string {
	if n == "111" {
		return "222"
	}
	return "111"
}
