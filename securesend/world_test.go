package securesend_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"io"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/securesend"
	"github.com/mspkit/mspkit/securesend/memstore"
)

const contoso = mspkit.TenantID("contoso")

var ticket = mspkit.Ticket{System: "halopsa", ID: "4711"}

// outbox is a sender that keeps what it was given.
type outbox struct {
	mu   sync.Mutex
	sent []securesend.Message
	fail func(securesend.Message) error
}

func (o *outbox) Send(ctx context.Context, m securesend.Message) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if _, ok := ctx.Deadline(); !ok {
		return errors.New("there is no deadline")
	}
	if o.fail != nil {
		return o.fail(m)
	}
	o.sent = append(o.sent, m)
	return nil
}

func (o *outbox) last(t *testing.T) securesend.Message {
	t.Helper()
	o.mu.Lock()
	defer o.mu.Unlock()
	require.NotEmpty(t, o.sent, "nothing was sent")
	return o.sent[len(o.sent)-1]
}

// notebook is a ticket system.
type notebook struct {
	notes      []securesend.DataNote
	can, write error
}

func (n *notebook) CanNote(context.Context, mspkit.TenantID, mspkit.Ticket) error { return n.can }

func (n *notebook) NoteData(_ context.Context, d securesend.DataNote) error {
	if n.write != nil {
		return n.write
	}
	n.notes = append(n.notes, d)
	return nil
}

// world is a service with a clock that tests move, and everything around it.
type world struct {
	*securesend.Service
	t *testing.T

	mu     sync.Mutex
	clock  time.Time
	events []securesend.Event
	told   int // how many of events were asked for
	logs   bytes.Buffer

	key        mspkit.Key
	ring       *mspkit.KeyRing
	store      securesend.SecretStore
	eu, uk     *memstore.Blobs
	set        securesend.Settings
	o          securesend.Options
	sms, mail  *outbox
	book       *notebook
	recording  func(securesend.Event) error
	authorized func(technician string, p securesend.Permission) error
}

func (w *world) now() time.Time { w.mu.Lock(); defer w.mu.Unlock(); return w.clock }

func (w *world) pass(d time.Duration) { w.mu.Lock(); defer w.mu.Unlock(); w.clock = w.clock.Add(d) }

// Write takes what is logged.
func (w *world) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.logs.Write(p)
}

func newWorld(t *testing.T, change ...func(*world)) *world {
	t.Helper()
	w := &world{
		t: t, clock: time.Date(2026, 3, 4, 5, 6, 7, 890_123_000, time.UTC), key: mspkit.NewKey("k1"), store: memstore.New(),
		eu: memstore.NewBlobs(), uk: memstore.NewBlobs(), sms: &outbox{}, mail: &outbox{}, book: &notebook{},
		set: securesend.Settings{Brand: mspkit.Brand{Name: "Contoso IT"}, Country: "DE"},
	}
	var err error
	w.ring, err = mspkit.NewKeyRing(w.key)
	require.NoError(t, err)
	w.o = securesend.Options{
		Blobs:     map[string]securesend.BlobStore{securesend.RegionEurope: w.eu, securesend.RegionUK: w.uk},
		Senders:   map[string]securesend.Sender{"sms": w.sms, "mail": w.mail},
		DataNoter: w.book,
		Recorder: securesend.RecorderFunc(func(_ context.Context, e securesend.Event) error {
			if w.recording != nil {
				if err := w.recording(e); err != nil {
					return err
				}
			}
			w.mu.Lock()
			defer w.mu.Unlock()
			w.events = append(w.events, e)
			return nil
		}),
		Authorize: func(_ context.Context, _ mspkit.TenantID, technician string, p securesend.Permission) error {
			if w.authorized == nil {
				return errors.New("nobody may")
			}
			return w.authorized(technician, p)
		},
		Now:    w.now,
		Logger: slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	for _, c := range change {
		c(w)
	}
	w.Service = w.instance(nil)
	return w
}

// instance returns another service on the same stores.
func (w *world) instance(change func(*securesend.Options)) *securesend.Service {
	w.t.Helper()
	o := w.o
	if change != nil {
		change(&o)
	}
	svc, err := securesend.New(w.store, w.ring, "https://help.example/send", func(context.Context, mspkit.TenantID) (securesend.Settings, error) {
		return w.set, nil
	}, &o)
	require.NoError(w.t, err)
	return svc
}

// text is a request to send a text.
func (w *world) text(s string) securesend.SendRequest {
	return securesend.SendRequest{
		Tenant: contoso, By: securesend.Technician{ID: "jane", Name: "Jane Doe"}, Subject: "dana", Ticket: ticket, Text: mspkit.Redact(s),
	}
}

func (w *world) files(contents ...string) []securesend.File {
	var out []securesend.File
	for i, c := range contents {
		out = append(out, securesend.File{Name: string(rune('a'+i)) + ".txt", Size: int64(len(c)), Reader: bytes.NewReader([]byte(c))})
	}
	return out
}

func (w *world) create(r securesend.SendRequest) securesend.Sent {
	w.t.Helper()
	sent, err := w.Create(w.t.Context(), r)
	require.NoError(w.t, err)
	return sent
}

// kinds runs what is due and returns the kinds of events since it was called before.
func (w *world) kinds() []securesend.EventKind {
	w.t.Helper()
	require.NoError(w.t, w.RunOnce(w.t.Context()))
	w.mu.Lock()
	defer w.mu.Unlock()
	var out []securesend.EventKind
	for _, e := range w.events[w.told:] {
		out = append(out, e.Kind)
	}
	w.told = len(w.events)
	return out
}

// stored is what the store has of a send, without what it hides.
func (w *world) stored(ref securesend.Ref) securesend.Record {
	w.t.Helper()
	r, err := w.store.Stat(w.t.Context(), ref)
	require.NoError(w.t, err)
	return r
}

// listed is how many records the tenant has.
func (w *world) listed() int {
	w.t.Helper()
	l, err := w.List(w.t.Context(), securesend.Query{Tenant: contoso})
	require.NoError(w.t, err)
	return len(l)
}

// reader is the program of somebody who has a link.
type reader struct {
	w    *world
	svc  *securesend.Service
	ref  securesend.Ref
	link securesend.Link
	f    []byte
	pass []byte
	take securesend.TakeRequest
}

// reader returns a reader of what was sent who was told the number.
func (w *world) reader(sent securesend.Sent) *reader {
	w.t.Helper()
	return w.readerOf(sent.Link.Reveal(), sent.Number.Reveal())
}

func (w *world) readerOf(address, number string) *reader {
	w.t.Helper()
	link, err := securesend.ParseLink(address)
	require.NoError(w.t, err)
	ref, err := w.ParseToken(link.Token.Reveal())
	require.NoError(w.t, err)
	f := link.Fragment.Reveal()
	if link.Kind == securesend.LinkHeld {
		f = securesend.HeldFragment(w.tokenSecret(link))
	}
	return &reader{w: w, svc: w.Service, ref: ref, link: link, f: f, take: securesend.TakeRequest{
		Auth: securesend.Auth(f), Claim: securesend.RandomKey(), Number: number,
	}}
}

// another is somebody else with the same link.
func (r *reader) another() *reader {
	other := *r
	other.take.Claim = securesend.RandomKey()
	return &other
}

func (r *reader) open() securesend.Opened {
	r.w.t.Helper()
	o, err := r.svc.Open(r.w.t.Context(), r.ref, r.take.Auth)
	require.NoError(r.w.t, err)
	return o
}

// says types a passphrase.
func (r *reader) says(phrase string) {
	r.w.t.Helper()
	h, err := securesend.ParseHeader(r.open().Header)
	require.NoError(r.w.t, err)
	key, err := securesend.PassKey(phrase, h.Salt)
	require.NoError(r.w.t, err)
	r.knows(key)
}

// knows is says with the key of the passphrase, which takes a while to make.
func (r *reader) knows(key []byte) {
	r.pass, r.take.PassAuth = key, securesend.PassAuth(key, r.f)
}

func (r *reader) takes() (securesend.Released, error) {
	return r.svc.Take(r.w.t.Context(), r.ref, r.take)
}

func (r *reader) acks() error {
	return r.svc.Ack(r.w.t.Context(), r.ref, r.take.Auth, r.take.Claim)
}

// opens returns the keys and what was sent.
func (r *reader) opens(got securesend.Released) (securesend.Keys, securesend.Header, securesend.Manifest) {
	r.w.t.Helper()
	keys, err := securesend.NewSendKeys(r.f, got.Half.Reveal(), r.pass)
	require.NoError(r.w.t, err)
	header, err := securesend.ParseHeader(got.Header)
	require.NoError(r.w.t, err)
	m, err := keys.OpenManifest(got.Context, header, got.Manifest)
	require.NoError(r.w.t, err)
	return keys, header, m
}

// reads takes and returns the text and the content of the files.
func (r *reader) reads() (text string, files []string) {
	r.w.t.Helper()
	got, err := r.takes()
	require.NoError(r.w.t, err)
	keys, header, m := r.opens(got)
	for i, f := range m.Files {
		cipher, err := keys.File(got.Context, header, i)
		require.NoError(r.w.t, err)
		var sealed bytes.Buffer
		for from := int64(0); from < securesend.Chunks(f.Size); from += securesend.MaxRange {
			part, err := r.chunks(i, from, min(from+securesend.MaxRange, securesend.Chunks(f.Size)))
			require.NoError(r.w.t, err)
			sealed.Write(part)
		}
		plain, err := io.ReadAll(cipher.OpenReader(&sealed, f.Size, 0))
		require.NoError(r.w.t, err)
		files = append(files, string(plain))
	}
	return m.Text, files
}

// chunks fetches sealed chunks.
func (r *reader) chunks(file int, from, to int64) ([]byte, error) {
	c, err := r.svc.Chunks(r.w.t.Context(), r.ref, securesend.ChunkRequest{Auth: r.take.Auth, Claim: r.take.Claim, File: file, From: from, To: to})
	if err != nil {
		return nil, err
	}
	defer func() { require.NoError(r.w.t, c.Close()) }()
	return io.ReadAll(c)
}

// browser is a program that fills a send or answers a request.
type browser struct {
	w       *world
	svc     *securesend.Service
	ref     securesend.Ref
	tok     string
	upload  []byte
	f, pass []byte
	keys    securesend.Keys
	context [securesend.KeySize]byte
	commit  securesend.CommitRequest
	parts   [][]byte // of the first file
}

// composes opens the page of a grant.
func (w *world) composes(grant securesend.Sent) *browser {
	w.t.Helper()
	link, err := securesend.ParseLink(grant.Link.Reveal())
	require.NoError(w.t, err)
	require.Equal(w.t, securesend.LinkCompose, link.Kind)
	return &browser{w: w, svc: w.Service, ref: grant.Ref, tok: link.Token.Reveal(), upload: link.Fragment.Reveal()}
}

// seals seals a text and at most one file for a send.
func (b *browser) seals(phrase, text string, file []byte) {
	t := b.w.t
	t.Helper()
	u, err := b.svc.BeginUpload(t.Context(), b.tok, b.upload)
	require.NoError(t, err)
	require.Equal(t, securesend.KindSend, u.Kind)
	b.context = u.Context
	b.f = securesend.RandomKey()
	if u.Held {
		b.f = securesend.HeldFragment(b.w.tokenSecret(securesend.Link{Token: mspkit.Redact(u.Token)}))
	}
	half := securesend.RandomKey()
	h := securesend.Header{Held: u.Held}
	if phrase != "" {
		h.Passphrase, h.Salt = true, securesend.RandomSalt()
		b.pass, err = securesend.PassKey(phrase, h.Salt)
		require.NoError(t, err)
		b.commit.PassAuth = securesend.PassAuth(b.pass, b.f)
	}
	b.keys, err = securesend.NewSendKeys(b.f, half, b.pass)
	require.NoError(t, err)
	b.commit.AuthHash, b.commit.Half = securesend.AuthHash(securesend.Auth(b.f)), half
	b.content(h, text, file)
}

// answers seals a text and at most one file for a request.
func (b *browser) answers(u securesend.Upload, text string, file []byte) {
	t := b.w.t
	t.Helper()
	b.context = u.Context
	var h securesend.Header
	var err error
	b.keys, h.Ephemeral, err = securesend.SealRequestKeys(u.Key)
	require.NoError(t, err)
	h.Request = true
	b.content(h, text, file)
}

func (b *browser) content(h securesend.Header, text string, file []byte) {
	t := b.w.t
	t.Helper()
	m := securesend.Manifest{Text: text}
	if file != nil {
		m.Files = []securesend.FileInfo{{Name: "report.pdf", Size: int64(len(file))}}
		b.commit.Sizes = []int64{int64(len(file))}
		c, err := b.keys.File(b.context, h, 0)
		require.NoError(t, err)
		sealed, err := io.ReadAll(c.SealReader(bytes.NewReader(file), int64(len(file))))
		require.NoError(t, err)
		b.parts = nil
		for n := range int(securesend.Parts(int64(len(file)))) {
			size := securesend.PartSize(int64(len(file)), n)
			b.parts = append(b.parts, sealed[:size])
			sealed = sealed[size:]
		}
	}
	var err error
	b.commit.Manifest, err = b.keys.SealManifest(b.context, h, m)
	require.NoError(t, err)
	b.commit.Header = h.Bytes()
}

func (b *browser) put(n int) error {
	return b.svc.PutPart(b.w.t.Context(), b.ref, b.upload, 0, n, bytes.NewReader(b.parts[n]))
}

func (b *browser) commits() (securesend.Sent, error) {
	return b.svc.Commit(b.w.t.Context(), b.ref, b.upload, b.commit)
}

// link is what the recipient gets; the service has never seen it.
func (b *browser) link() string {
	l := securesend.Link{Kind: securesend.LinkSend, Base: b.svc.BaseURL(), Token: mspkit.Redact(b.tok), Fragment: mspkit.Redact(b.f)}
	return l.URL().Reveal()
}

// tokenSecret is what a browser reads off a token: its first 32 bytes.
func (w *world) tokenSecret(l securesend.Link) []byte {
	w.t.Helper()
	raw, err := base64.RawURLEncoding.DecodeString(l.Token.Reveal())
	require.NoError(w.t, err)
	return raw[:securesend.KeySize]
}
