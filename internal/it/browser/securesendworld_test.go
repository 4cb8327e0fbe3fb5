package browser_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	cdpbrowser "github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/securesend"
	"github.com/mspkit/mspkit/securesend/memstore"
	"github.com/mspkit/mspkit/securesend/securesendpage"
)

var sender = securesend.Technician{ID: "jane", Name: "Jane Doe"}

// sends is a securesend service and its pages on a loopback server, with a clock that tests move.
type sends struct {
	testing.TB
	svc      *securesend.Service
	base     string
	settings securesend.Settings
	pages    http.Handler
	locale   string
	gate     proofs
	codes    texts

	mu     sync.Mutex
	clock  time.Time
	events []securesend.EventKind
	// before, where set, sees each request before the pages do; where it returns false it has answered.
	before func(w http.ResponseWriter, r *http.Request) bool
}

// texts keeps the last message that was sent.
type texts struct {
	mu   sync.Mutex
	last securesend.Message
}

func (s *texts) Send(_ context.Context, m securesend.Message) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last = m
	return nil
}

func (s *texts) code() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.last.Code.Reveal()
}

// proofs is a gate that a test opens.
type proofs struct {
	mu    sync.Mutex
	state string
}

func (g *proofs) set(state string) { g.mu.Lock(); defer g.mu.Unlock(); g.state = state }

func (g *proofs) Allow(context.Context, securesend.Reveal) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.state == securesend.GatePassed {
		return nil
	}
	return securesend.ErrGate
}

func (g *proofs) Start(context.Context, securesend.Reveal) (securesend.GateStatus, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return securesend.GateStatus{State: g.state, Hint: "Teams"}, nil
}

func newSends(t testing.TB) *sends {
	t.Helper()
	w := &sends{
		TB: t, clock: time.Now().UTC().Truncate(time.Second), gate: proofs{state: securesend.GateWaiting},
		settings: securesend.Settings{
			Brand:    mspkit.Brand{Name: "Contoso IT", Phone: "+1 5550 0100", Site: "https://help.contoso.example"},
			Defaults: securesend.Choice{Header: "Secure messages of Contoso IT", Message: "Please change this password when you sign in."},
		},
	}
	ring, err := mspkit.NewKeyRing(mspkit.NewKey("k1"))
	require.NoError(t, err)
	srv := httptest.NewUnstartedServer(nil)
	w.base = "http://" + srv.Listener.Addr().String() + "/send"
	now := func() time.Time { w.mu.Lock(); defer w.mu.Unlock(); return w.clock }
	w.svc, err = securesend.New(memstore.New(), ring, w.base, func(context.Context, mspkit.TenantID) (securesend.Settings, error) { return w.settings, nil },
		&securesend.Options{
			Blobs: map[string]securesend.BlobStore{"Europe": memstore.NewBlobs()}, Gate: &w.gate, Now: now,
			Senders: map[string]securesend.Sender{"sms": &w.codes},
			Recorder: securesend.RecorderFunc(func(_ context.Context, e securesend.Event) error {
				w.events = append(w.events, e.Kind)
				return nil
			}),
		})
	require.NoError(t, err)
	pages, err := securesendpage.New(w.svc, &securesendpage.Options{Now: now})
	require.NoError(t, err)
	w.pages = http.StripPrefix("/send", pages)
	srv.Config.Handler = http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		w.mu.Lock()
		before := w.before
		w.mu.Unlock()
		if before == nil || before(rw, r) {
			w.pages.ServeHTTP(rw, r)
		}
	})
	srv.Start()
	t.Cleanup(srv.Close)
	return w
}

func (w *sends) pass(d time.Duration) { w.mu.Lock(); defer w.mu.Unlock(); w.clock = w.clock.Add(d) }

// interfere sets what sees requests first; nil ends that.
func (w *sends) interfere(f func(http.ResponseWriter, *http.Request) bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.before = f
}

// forward gives a request to the pages and returns their answer, which goes nowhere by itself.
func (w *sends) forward(r *http.Request) (status int, body string) {
	rec := httptest.NewRecorder()
	w.pages.ServeHTTP(rec, r)
	return rec.Code, rec.Body.String()
}

// cut breaks the connection of a request after its body was read, as a network does.
func cut(rw http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body) // whatever came of it
	_ = r.Body.Close()
	conn, _, err := rw.(http.Hijacker).Hijack()
	if err == nil {
		_ = conn.Close()
	}
}

func (w *sends) create(change ...func(*securesend.SendRequest)) securesend.Sent {
	w.Helper()
	r := securesend.SendRequest{Tenant: tenant, By: sender, Locale: w.locale, Text: mspkit.Redact("hunter2 <b>& \"quotes\"\nsecond line")}
	for _, c := range change {
		c(&r)
	}
	s, err := w.svc.Create(w.Context(), r)
	require.NoError(w, err)
	return s
}

func (w *sends) grant(change ...func(*securesend.SendRequest)) securesend.Sent {
	w.Helper()
	r := securesend.SendRequest{Tenant: tenant, By: sender, Locale: w.locale}
	for _, c := range change {
		c(&r)
	}
	s, err := w.svc.Grant(w.Context(), r)
	require.NoError(w, err)
	return s
}

func (w *sends) ask(question string) securesend.Sent {
	w.Helper()
	s, err := w.svc.Ask(w.Context(), securesend.SendRequest{Tenant: tenant, By: sender, Locale: w.locale}, question)
	require.NoError(w, err)
	return s
}

func (w *sends) status(s securesend.Sent) securesend.Status {
	w.Helper()
	st, err := w.svc.Status(w.Context(), s.Ref, sender.ID)
	require.NoError(w, err)
	return st
}

func (w *sends) kinds() []securesend.EventKind {
	w.Helper()
	require.NoError(w, w.svc.RunOnce(w.Context()))
	return w.events
}

func gated(g securesend.Gate) func(*securesend.SendRequest) {
	return func(r *securesend.SendRequest) {
		r.Choice.Gate = g
		if g == securesend.GateCode {
			r.Code = securesend.Destination{Sender: "sms", Address: "+49 30 901820"}
		}
		if g == securesend.GateProof {
			r.Subject = "dana"
		}
	}
}

func withFiles(files ...file) func(*securesend.SendRequest) {
	return func(r *securesend.SendRequest) {
		r.Text = mspkit.Redacted[string]{}
		for _, f := range files {
			r.Files = append(r.Files, securesend.File{Name: f.name, Size: int64(len(f.content)), Reader: strings.NewReader(f.content)})
		}
	}
}

func withPassphrase(s string) func(*securesend.SendRequest) {
	return func(r *securesend.SendRequest) { r.Passphrase = mspkit.Redact(s) }
}

type file struct{ name, content string }

// noise is a file of n bytes that differ everywhere.
func noise(name string, n int) file {
	var b strings.Builder
	for i := 0; b.Len() < n; i++ {
		sum := sha256.Sum256(fmt.Append(nil, name, i))
		b.Write(sum[:])
	}
	return file{name, b.String()[:n]}
}

// onDisk writes files into a folder and returns their paths.
func onDisk(t testing.TB, files ...file) []string {
	t.Helper()
	dir := t.TempDir()
	var out []string
	for _, f := range files {
		path := filepath.Join(dir, f.name)
		require.NoError(t, os.WriteFile(path, []byte(f.content), 0o600))
		out = append(out, path)
	}
	return out
}

// The page.

// view waits for a view of the page, which may be loaded anew meanwhile.
func (b *tab) view(name string) {
	b.Helper()
	last := ""
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(30 * time.Millisecond) {
		v, err := runEval[string](b, `(document.querySelector("#app") || {dataset: {}}).dataset.view || ""`)
		if err == nil && v == name {
			return
		}
		last = v
	}
	require.FailNow(b, "waited for the view "+name, "there is %q; the page says: %s", last, eval[string](b, "document.body.innerText"))
}

func slot(name string) string { return `document.querySelector("#app [data-slot='` + name + `']")` }

func (b *tab) text(name string) string {
	b.Helper()
	return eval[string](b, slot(name)+".innerText")
}

// fill puts text into a field as somebody who types does.
func (b *tab) put(name, value string) {
	b.Helper()
	eval[bool](b, slot(name)+`.focus(), `+slot(name)+`.select(), true`)
	call(b, input.InsertText, input.InsertTextParams{Text: value})
}

func (b *tab) push(name string) {
	b.Helper()
	eval[bool](b, slot(name)+".click(), true")
}

func (b *tab) submit() {
	b.Helper()
	eval[bool](b, slot("form")+".requestSubmit(), true")
}

// reveal opens a send that needs the number alone, if any.
func (b *tab) reveal(s securesend.Sent) {
	b.Helper()
	b.open(s.Link.Reveal())
	b.view("gate")
	if n := s.Number.Reveal(); n != "" {
		b.put("number", n)
	}
	b.submit()
	b.view("content")
}

// downloads saves what is downloaded into a folder and returns it.
func (b *tab) downloads() string {
	b.Helper()
	dir := b.TempDir()
	_, err := chromedp.CallBrowser(b.ctx, cdpbrowser.SetDownloadBehavior, cdpbrowser.SetDownloadBehaviorParams{
		Behavior: cdpbrowser.SetDownloadBehaviorBehaviorAllow, DownloadPath: dir, BrowserContextID: chromedp.FromContext(b.ctx).BrowserContextID,
	})
	require.NoError(b, err)
	return dir
}

// saved waits for a download and returns what is in it.
func (b *tab) saved(dir, name string, size int) string {
	b.Helper()
	path := filepath.Join(dir, name)
	deadline := time.Now().Add(patience)
	for {
		content, err := os.ReadFile(path)
		if err == nil && len(content) == size {
			return string(content)
		}
		if time.Now().After(deadline) {
			entries, _ := os.ReadDir(dir)
			require.FailNow(b, "waited for "+name, "there are %v; the page says: %s", entries, eval[string](b, "document.body.innerText"))
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// inject runs a script before those of every page that is opened from now on.
func (b *tab) inject(source string) {
	b.Helper()
	call(b, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: source})
}
