package client_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
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
	"github.com/mspkit/mspkit/securesend/client"
	"github.com/mspkit/mspkit/securesend/memstore"
	"github.com/mspkit/mspkit/securesend/securesendpage"
)

const tenant = mspkit.TenantID("contoso")

var jane = securesend.Technician{ID: "jane", Name: "Jane Doe"}

// world is a server with the pages of a service below /send, behind what a test puts between.
type world struct {
	t     testing.TB
	svc   *securesend.Service
	codes codes

	mu      sync.Mutex
	between func(next http.Handler, w http.ResponseWriter, r *http.Request)
	clock   time.Duration // how far the server's clock is ahead
	events  []securesend.Event
}

// codes keeps what was sent.
type codes struct{ last securesend.Message }

func (c *codes) Send(_ context.Context, m securesend.Message) error {
	c.last = m
	return nil
}

func (w *world) now() time.Time { w.mu.Lock(); defer w.mu.Unlock(); return time.Now().Add(w.clock) }

func (w *world) pass(d time.Duration) { w.mu.Lock(); defer w.mu.Unlock(); w.clock += d }

// put lets f stand between the client and the handler.
func (w *world) put(f func(next http.Handler, rw http.ResponseWriter, r *http.Request)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.between = f
}

func newWorld(t testing.TB, change ...func(*securesend.Options)) *world {
	t.Helper()
	w := &world{t: t}
	var handler http.Handler
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		w.mu.Lock()
		between := w.between
		w.mu.Unlock()
		if between != nil {
			between(handler, rw, r)
			return
		}
		handler.ServeHTTP(rw, r)
	}))
	t.Cleanup(server.Close)
	ring, err := mspkit.NewKeyRing(mspkit.NewKey("k1"))
	require.NoError(t, err)
	o := &securesend.Options{
		Blobs: map[string]securesend.BlobStore{"Europe": memstore.NewBlobs()}, Now: w.now,
		Senders: map[string]securesend.Sender{"sms": &w.codes},
		Recorder: securesend.RecorderFunc(func(_ context.Context, e securesend.Event) error {
			w.events = append(w.events, e)
			return nil
		}),
	}
	for _, c := range change {
		c(o)
	}
	set := securesend.Same(securesend.Settings{Brand: mspkit.Brand{Name: "Contoso IT"}, MaxSize: 6 << 30})
	w.svc, err = securesend.New(memstore.New(), ring, server.URL+"/send", set, o)
	require.NoError(t, err)
	pages, err := securesendpage.New(w.svc, &securesendpage.Options{Prefix: "/send", Now: w.now})
	require.NoError(t, err)
	handler = pages
	return w
}

func (w *world) grant(change ...func(*securesend.SendRequest)) securesend.Sent {
	w.t.Helper()
	r := securesend.SendRequest{Tenant: tenant, By: jane}
	for _, c := range change {
		c(&r)
	}
	s, err := w.svc.Grant(w.t.Context(), r)
	require.NoError(w.t, err)
	return s
}

// sent returns a send that the client made.
func (w *world) sent(o *client.CreateOptions, change ...func(*securesend.SendRequest)) client.Created {
	w.t.Helper()
	client.Impatient(&o.Options)
	out, err := client.Create(w.t.Context(), w.grant(change...).Link.Reveal(), o)
	require.NoError(w.t, err)
	return out
}

func (w *world) kinds() []securesend.EventKind {
	w.t.Helper()
	require.NoError(w.t, w.svc.RunOnce(w.t.Context()))
	var out []securesend.EventKind
	for _, e := range w.events {
		out = append(out, e.Kind)
	}
	return out
}

func impatient() client.Options {
	var o client.Options
	client.Impatient(&o)
	return o
}

func right(c client.Created) *client.OpenOptions {
	return &client.OpenOptions{Options: impatient(), Number: c.Number}
}

func noGate(r *securesend.SendRequest) { r.Choice.Gate = securesend.GateNone }

func held(r *securesend.SendRequest) { r.Choice.Held = true }

func content(t testing.TB, n int) []byte {
	t.Helper()
	b := make([]byte, n)
	_, err := rand.Read(b)
	require.NoError(t, err)
	return b
}

func file(name string, b []byte) securesend.File {
	return securesend.File{Name: name, Size: int64(len(b)), Reader: bytes.NewReader(b)}
}

func readAll(t testing.TB, c *client.Content, i int) []byte {
	t.Helper()
	f, err := c.File(t.Context(), i)
	require.NoError(t, err)
	b, err := io.ReadAll(f)
	require.NoError(t, err)
	require.NoError(t, f.Close())
	return b
}

// name returns what a request calls, such as "take" or "part/0/1".
func name(r *http.Request) string {
	parts := strings.SplitN(strings.TrimPrefix(r.URL.Path, "/send/"), "/", 3)
	return parts[len(parts)-1]
}

// drop lets the handler do its work and loses the answer.
func drop(next http.Handler, r *http.Request) {
	next.ServeHTTP(httptest.NewRecorder(), r)
	panic(http.ErrAbortHandler)
}

// cut passes n bytes of the answer and breaks the connection.
type cut struct {
	http.ResponseWriter
	left int
}

func (c *cut) Write(b []byte) (int, error) {
	if len(b) >= c.left {
		_, _ = c.ResponseWriter.Write(b[:c.left])
		_ = http.NewResponseController(c.ResponseWriter).Flush()
		panic(http.ErrAbortHandler)
	}
	c.left -= len(b)
	return c.ResponseWriter.Write(b)
}

var errCut = errors.New("cut")

// cutBody is a body that breaks off after left bytes.
type cutBody struct {
	io.ReadCloser
	left int
	got  *bytes.Buffer
}

func (c *cutBody) Read(b []byte) (int, error) {
	if c.left == 0 {
		return 0, errCut
	}
	n, err := c.ReadCloser.Read(b[:min(len(b), c.left)])
	c.left -= n
	c.got.Write(b[:n])
	return n, err
}
