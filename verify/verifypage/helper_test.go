package verifypage_test

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/verify"
	"github.com/mspkit/mspkit/verify/memstore"
	"github.com/mspkit/mspkit/verify/verifypage"
	"github.com/mspkit/mspkit/verify/verifytest"
)

const (
	tenant = mspkit.TenantID("contoso")
	base   = "https://help.example/verify"
)

var jane = verify.Technician{ID: "jane", Name: "Jane Doe"}

// world is a service with its pages, mounted below /verify, and a clock that tests move.
type world struct {
	t       testing.TB
	svc     *verify.Service
	pages   *verifypage.Pages
	handler http.Handler
	store   *countingStore
	mail    *verifytest.Channel
	mu      sync.Mutex
	clock   time.Time
	events  []verify.Event
	// settings and known may be changed until the first request.
	settings verify.Settings
	known    map[string]*verify.TechnicianRequest // by address, for the public form
}

func (w *world) now() time.Time { w.mu.Lock(); defer w.mu.Unlock(); return w.clock }

func (w *world) pass(d time.Duration) { w.mu.Lock(); defer w.mu.Unlock(); w.clock = w.clock.Add(d) }

func newWorld(t testing.TB, change ...func(*world, *verifypage.Options)) *world {
	t.Helper()
	w := &world{
		t: t, store: &countingStore{Store: memstore.New()}, mail: &verifytest.Channel{Level: verify.AssuranceEmail},
		clock:    time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC),
		settings: verify.Settings{Brand: mspkit.Brand{Name: "Contoso IT", Phone: "+1 5550 0100"}, Limits: verify.Limits{Cooldown: -1}},
		known:    map[string]*verify.TechnicianRequest{},
	}
	o := &verifypage.Options{PublicForm: true, Now: w.now}
	for _, c := range change {
		c(w, o)
	}
	ring, err := mspkit.NewKeyRing(mspkit.NewKey("k1"))
	require.NoError(t, err)
	w.svc, err = verify.New(w.store, ring, base, func(context.Context, mspkit.TenantID) (verify.Settings, error) { return w.settings, nil },
		&verify.Options{
			Channels: map[string]verify.Channel{"email": w.mail}, Now: w.now,
			Recorder: verify.RecorderFunc(func(_ context.Context, e verify.Event) error {
				w.mu.Lock()
				defer w.mu.Unlock()
				w.events = append(w.events, e)
				return nil
			}),
			Authorize: func(context.Context, mspkit.TenantID, string, verify.Permission) error { return nil },
			Lookup: func(_ context.Context, _ mspkit.TenantID, address string) (*verify.TechnicianRequest, error) {
				return w.known[address], nil
			},
		})
	require.NoError(t, err)
	require.NoError(t, w.svc.RunOnce(t.Context())) // the public form needs it
	w.pages, err = verifypage.New(w.svc, o)
	require.NoError(t, err)
	w.handler = http.StripPrefix("/verify", w.pages)
	return w
}

func subject(id string) verify.Subject {
	return verify.Subject{ID: id, Name: "Dana Smith", Company: "Northwind", Destinations: []verify.Destination{
		{Channel: "email", Address: id + "@northwind.example", FirstSeen: time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)},
	}}
}

// start begins a verification of subject id and returns the challenge and the path of its link.
func (w *world) start(id string, change ...func(*verify.StartRequest)) (verify.Challenge, string) {
	w.t.Helper()
	r := verify.StartRequest{
		Tenant: tenant, Subject: subject(id), Action: verify.ActionIdentify, Technician: jane,
		Ticket: mspkit.Ticket{System: "psa", ID: "4711"},
	}
	for _, c := range change {
		c(&r)
	}
	c, err := w.svc.Start(w.t.Context(), r)
	require.NoError(w.t, err)
	return c, w.link()
}

// startTechnician begins a verification of the technician; the words are for Jane's screen.
func (w *world) startTechnician(id string, call *verify.Call) (c verify.Challenge, link string) {
	w.t.Helper()
	c, err := w.svc.StartTechnician(w.t.Context(), verify.TechnicianRequest{Tenant: tenant, Subject: subject(id), Call: call, By: jane.ID})
	require.NoError(w.t, err)
	return c, w.link()
}

func (w *world) inCall() *verify.Call {
	return &verify.Call{Technician: jane, Ticket: mspkit.Ticket{System: "psa", ID: "4711"}, Began: w.now().Add(-3 * time.Minute), By: verify.SideContact}
}

func (w *world) link() string {
	w.t.Helper()
	d, err := w.mail.Last()
	require.NoError(w.t, err)
	return strings.TrimPrefix(d.Link.Reveal(), "https://help.example")
}

// state returns the state of a challenge without counting store work.
func (w *world) state(c verify.Challenge) verify.Challenge {
	w.t.Helper()
	got, err := w.svc.Get(w.t.Context(), c.Ref, jane.ID)
	require.NoError(w.t, err)
	return got
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

func (w *world) do(method, path string, form url.Values, header ...string) *httptest.ResponseRecorder {
	w.t.Helper()
	return send(w.t, w.handler, method, path, form, header...)
}

func send(t testing.TB, h http.Handler, method, path string, form url.Values, header ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(form.Encode()))
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// get returns the body of a page that must be there.
func (w *world) get(path string, header ...string) string {
	w.t.Helper()
	rec := w.do(http.MethodGet, path, nil, header...)
	require.Equal(w.t, http.StatusOK, rec.Code)
	return rec.Body.String()
}

// post sends a form and follows the redirect as a browser does. It returns the page and where it stands.
func (w *world) post(path string, form url.Values) (body, at string, code int) {
	w.t.Helper()
	rec := w.do(http.MethodPost, path, form)
	if rec.Code != http.StatusSeeOther {
		return rec.Body.String(), path, rec.Code
	}
	from, err := url.Parse("https://help.example" + path)
	require.NoError(w.t, err)
	to, err := from.Parse(rec.Header().Get("Location"))
	require.NoError(w.t, err)
	at = to.RequestURI()
	rec = w.do(http.MethodGet, at, nil)
	return rec.Body.String(), at, rec.Code
}

func answer(s string) url.Values { return url.Values{"answer": {s}} }

func word(s string) url.Values { return url.Values{"word": {s}} }

// other returns a number that is not n.
func other(n string) string {
	if n == "111" {
		return "222"
	}
	return "111"
}

// countingStore notes every verb in order.
type countingStore struct {
	verify.Store
	mu    sync.Mutex
	verbs []string
	err   map[string]error
}

func (s *countingStore) note(verb string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.verbs = append(s.verbs, verb)
	return s.err[verb]
}

// fail makes a verb fail; nil ends that.
func (s *countingStore) fail(verb string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = maps.Clone(s.err)
	if s.err == nil {
		s.err = map[string]error{}
	}
	s.err[verb] = err
}

// taken returns the verbs since the last call.
func (s *countingStore) taken() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := s.verbs
	s.verbs = nil
	return out
}

func (s *countingStore) Begin(ctx context.Context, n verify.NewChallenge, l []verify.Limit, now time.Time) (verify.Record, bool, error) {
	if err := s.note("Begin"); err != nil {
		return verify.Record{}, false, err
	}
	return s.Store.Begin(ctx, n, l, now)
}

func (s *countingStore) Sent(ctx context.Context, ref verify.Ref, id string, d verify.DeliveryStatus, st verify.Stamp, now time.Time) error {
	if err := s.note("Sent"); err != nil {
		return err
	}
	return s.Store.Sent(ctx, ref, id, d, st, now)
}

func (s *countingStore) Attempt(ctx context.Context, ref verify.Ref, t verify.Try, now time.Time) (verify.Record, verify.SubjectState, error) {
	if err := s.note("Attempt"); err != nil {
		return verify.Record{}, verify.SubjectState{}, err
	}
	return s.Store.Attempt(ctx, ref, t, now)
}

func (s *countingStore) Finish(ctx context.Context, ref verify.Ref, version int64, o verify.Outcome, now time.Time) (verify.Record, error) {
	if err := s.note("Finish"); err != nil {
		return verify.Record{}, err
	}
	return s.Store.Finish(ctx, ref, version, o, now)
}

func (s *countingStore) Renew(ctx context.Context, ref verify.Ref, version int64, n verify.Renewal, l []verify.Limit, now time.Time) (verify.Record, error) {
	if err := s.note("Renew"); err != nil {
		return verify.Record{}, err
	}
	return s.Store.Renew(ctx, ref, version, n, l, now)
}

func (s *countingStore) Hint(ctx context.Context, ref verify.Ref, st verify.Stamp, now time.Time) error {
	if err := s.note("Hint"); err != nil {
		return err
	}
	return s.Store.Hint(ctx, ref, st, now)
}

func (s *countingStore) Redeem(ctx context.Context, ref verify.Ref, by string, st verify.Stamp, now time.Time) (verify.Record, error) {
	if err := s.note("Redeem"); err != nil {
		return verify.Record{}, err
	}
	return s.Store.Redeem(ctx, ref, by, st, now)
}

func (s *countingStore) Get(ctx context.Context, ref verify.Ref) (verify.Record, verify.SubjectState, error) {
	if err := s.note("Get"); err != nil {
		return verify.Record{}, verify.SubjectState{}, err
	}
	return s.Store.Get(ctx, ref)
}

func (s *countingStore) List(ctx context.Context, q verify.Query) ([]verify.Record, error) {
	if err := s.note("List"); err != nil {
		return nil, err
	}
	return s.Store.List(ctx, q)
}

func (s *countingStore) Subject(ctx context.Context, t mspkit.TenantID, id string) (verify.SubjectState, error) {
	if err := s.note("Subject"); err != nil {
		return verify.SubjectState{}, err
	}
	return s.Store.Subject(ctx, t, id)
}

func (s *countingStore) ChangeSubject(ctx context.Context, t mspkit.TenantID, id string, c verify.SubjectChange, now time.Time) error {
	if err := s.note("ChangeSubject"); err != nil {
		return err
	}
	return s.Store.ChangeSubject(ctx, t, id, c, now)
}

func (s *countingStore) Enqueue(ctx context.Context, q verify.Queued, l []verify.Limit, now time.Time) error {
	if err := s.note(fmt.Sprintf("Enqueue with %d limits", len(l))); err != nil {
		return err
	}
	return s.Store.Enqueue(ctx, q, l, now)
}
