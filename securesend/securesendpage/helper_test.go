package securesendpage_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/securesend"
	"github.com/mspkit/mspkit/securesend/internal/wire"
	"github.com/mspkit/mspkit/securesend/memstore"
	"github.com/mspkit/mspkit/securesend/securesendpage"
)

const (
	tenant = mspkit.TenantID("contoso")
	base   = "https://help.example/send"
)

var jane = securesend.Technician{ID: "jane", Name: "Jane Doe"}

// world is a service with its pages, mounted below /send, and a clock that tests move.
type world struct {
	t        testing.TB
	svc      *securesend.Service
	pages    *securesendpage.Pages
	handler  http.Handler
	store    *failing
	blobs    *memstore.Blobs
	settings securesend.Settings
	codes    codes
	service  securesend.Options

	mu     sync.Mutex
	clock  time.Time
	events []securesend.Event
}

func (w *world) now() time.Time { w.mu.Lock(); defer w.mu.Unlock(); return w.clock }

func (w *world) pass(d time.Duration) { w.mu.Lock(); defer w.mu.Unlock(); w.clock = w.clock.Add(d) }

// codes keeps what was sent.
type codes struct {
	mu   sync.Mutex
	last securesend.Message
	err  error
}

func (c *codes) Send(_ context.Context, m securesend.Message) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.last = m
	return c.err
}

func newWorld(t testing.TB, change ...func(*world, *securesendpage.Options)) *world {
	t.Helper()
	w := &world{
		t: t, store: &failing{SecretStore: memstore.New()}, blobs: memstore.NewBlobs(),
		clock:    time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC),
		settings: securesend.Settings{Brand: mspkit.Brand{Name: "Contoso IT", Phone: "+1 5550 0100"}},
	}
	w.service = securesend.Options{
		Blobs: map[string]securesend.BlobStore{"Europe": w.blobs}, Now: w.now,
		Senders: map[string]securesend.Sender{"sms": &w.codes},
		Recorder: securesend.RecorderFunc(func(_ context.Context, e securesend.Event) error {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.events = append(w.events, e)
			return nil
		}),
	}
	o := &securesendpage.Options{Now: w.now}
	for _, c := range change {
		c(w, o)
	}
	ring, err := mspkit.NewKeyRing(mspkit.NewKey("k1"))
	require.NoError(t, err)
	w.svc, err = securesend.New(w.store, ring, base, func(context.Context, mspkit.TenantID) (securesend.Settings, error) { return w.settings, nil }, &w.service)
	require.NoError(t, err)
	w.pages, err = securesendpage.New(w.svc, o)
	require.NoError(t, err)
	w.handler = http.StripPrefix("/send", w.pages)
	return w
}

// sent is a send as its recipient and its technician know it.
type sent struct {
	securesend.Sent
	link  securesend.Link
	path  string // of the page
	auth  wire.Bytes
	claim wire.Bytes
}

func (w *world) create(change ...func(*securesend.SendRequest)) sent {
	w.t.Helper()
	r := securesend.SendRequest{Tenant: tenant, By: jane, Text: mspkit.Redact("hunter2")}
	for _, c := range change {
		c(&r)
	}
	s, err := w.svc.Create(w.t.Context(), r)
	require.NoError(w.t, err)
	return w.known(s)
}

func (w *world) grant() sent {
	w.t.Helper()
	s, err := w.svc.Grant(w.t.Context(), securesend.SendRequest{Tenant: tenant, By: jane})
	require.NoError(w.t, err)
	return w.known(s)
}

func (w *world) ask() sent {
	w.t.Helper()
	s, err := w.svc.Ask(w.t.Context(), securesend.SendRequest{Tenant: tenant, By: jane}, "The serial number?")
	require.NoError(w.t, err)
	return w.known(s)
}

func (w *world) known(s securesend.Sent) sent {
	w.t.Helper()
	link, err := securesend.ParseLink(s.Link.Reveal())
	require.NoError(w.t, err)
	out := sent{Sent: s, link: link, claim: securesend.RandomKey(), path: "/send/" + string(rune(link.Kind)) + "/" + link.Token.Reveal()}
	fragment := link.Fragment.Reveal()
	if link.Kind == securesend.LinkHeld {
		var secret wire.Bytes
		require.NoError(w.t, secret.UnmarshalText([]byte(link.Token.Reveal())))
		fragment = securesend.HeldFragment(secret[:securesend.KeySize])
	}
	out.auth = securesend.Auth(fragment)
	return out
}

func (w *world) do(method, path string, body io.Reader, header ...string) *httptest.ResponseRecorder {
	w.t.Helper()
	r := httptest.NewRequestWithContext(w.t.Context(), method, path, body)
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	rec := httptest.NewRecorder()
	w.handler.ServeHTTP(rec, r)
	return rec
}

func (w *world) get(path string, header ...string) *httptest.ResponseRecorder {
	w.t.Helper()
	return w.do(http.MethodGet, path, nil, header...)
}

// post sends JSON. Text is sent as it is.
func (w *world) post(path string, body any) *httptest.ResponseRecorder {
	w.t.Helper()
	text, ok := body.(string)
	if !ok {
		b, err := json.Marshal(body)
		require.NoError(w.t, err)
		text = string(b)
	}
	return w.do(http.MethodPost, path, strings.NewReader(text), "Content-Type", "application/json")
}

// call posts JSON and reads the answer, which must have the status.
func (w *world) call(path string, body any, status int, out any) {
	w.t.Helper()
	rec := w.post(path, body)
	require.Equal(w.t, status, rec.Code, "%s", rec.Body)
	require.Equal(w.t, "application/json", rec.Header().Get("Content-Type"))
	require.Equal(w.t, "no-store", rec.Header().Get("Cache-Control"))
	if out != nil {
		require.NoError(w.t, wire.Decode(rec.Body, out))
	}
}

// refused posts JSON and checks the code of the answer.
func (w *world) refused(path string, body any, status int, code string) wire.Error {
	w.t.Helper()
	var e wire.Error
	w.call(path, body, status, &e)
	require.Equal(w.t, code, e.Code)
	return e
}

func (w *world) part(path string, upload, content []byte) *httptest.ResponseRecorder {
	w.t.Helper()
	text, err := wire.Bytes(upload).MarshalText()
	require.NoError(w.t, err)
	return w.do(http.MethodPost, path, bytes.NewReader(content), "Content-Type", wire.Octet, wire.UploadHeader, string(text))
}

func (w *world) kinds() []securesend.EventKind {
	w.t.Helper()
	require.NoError(w.t, w.svc.RunOnce(w.t.Context()))
	w.mu.Lock()
	defer w.mu.Unlock()
	var out []securesend.EventKind
	for _, e := range w.events {
		out = append(out, e.Kind)
	}
	return out
}

// everything is what a client can see of a response.
func everything(rec *httptest.ResponseRecorder) string {
	var b strings.Builder
	_ = rec.Result().Write(&b)
	return b.String()
}
