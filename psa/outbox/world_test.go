package outbox

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/psa"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// The texts that must not be found where they do not belong.
const (
	secretTitle = "Caller verified SECRETTITLE"
	secretText  = "The caller SECRETTEXT was verified by Teams"
	secretKey   = "event-SECRETKEY"
)

func secretNote() psa.Note { return psa.Note{Title: secretTitle, Text: secretText, Key: secretKey} }

func requireNoSecret(t testing.TB, s string) {
	t.Helper()
	for _, x := range []string{"SECRET", "[ref "} {
		require.NotContains(t, s, x)
	}
}

// answer is how the fake ticket system answers one write.
type answer struct {
	err     error
	written bool // it was written, whatever err says
	late    bool // it is written at the next flush
	panics  any
}

// desk is a ticket system in memory. It is a psa.NoteReader; noterOnly hides that.
type desk struct {
	mu      sync.Mutex
	now     func() time.Time
	last    int
	notes   map[psa.TicketRef][]psa.WrittenNote
	tried   []psa.Note
	since   []time.Time
	pending []func()
	write   func(ref psa.TicketRef, n psa.Note) answer
	list    func(ref psa.TicketRef) error
	limit   int
}

func (d *desk) AddNote(ctx context.Context, ref psa.TicketRef, n psa.Note) (string, error) {
	if err := ctx.Err(); err != nil {
		return "", err
	}
	d.mu.Lock()
	f := d.write
	d.mu.Unlock()
	a := answer{written: true}
	if f != nil {
		a = f(ref, n)
	}
	if err := ctx.Err(); err != nil {
		return "", err // it was cut off
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.tried = append(d.tried, n)
	id := ""
	switch {
	case a.written:
		id = d.put(ref, n)
	case a.late:
		d.pending = append(d.pending, func() { d.put(ref, n) })
	}
	if a.panics != nil {
		panic(a.panics)
	}
	if a.err != nil {
		return "", a.err
	}
	return id, nil
}

func (d *desk) put(ref psa.TicketRef, n psa.Note) string {
	d.last++
	id := fmt.Sprintf("n%d", d.last)
	d.notes[ref] = append(d.notes[ref], psa.WrittenNote{ID: id, Ours: true, Text: n.Text, Visibility: n.Visibility, CreatedAt: d.now()})
	return id
}

// flush carries out the writes that are late.
func (d *desk) flush() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, f := range d.pending {
		f()
	}
	d.pending = nil
}

func (d *desk) ListNotes(ctx context.Context, ref psa.TicketRef, since time.Time) ([]psa.WrittenNote, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.since = append(d.since, since)
	if d.list != nil {
		if err := d.list(ref); err != nil {
			return nil, err
		}
	}
	var out []psa.WrittenNote
	for _, n := range d.notes[ref] {
		if !n.CreatedAt.Before(since) {
			out = append(out, n)
		}
	}
	return out, nil
}

func (d *desk) answers(f func(ref psa.TicketRef, n psa.Note) answer) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.write = f
}

// script answers the first writes so, and the others well.
func (d *desk) script(list ...answer) {
	d.answers(func(psa.TicketRef, psa.Note) answer {
		d.mu.Lock()
		defer d.mu.Unlock()
		if len(list) == 0 {
			return answer{written: true}
		}
		a := list[0]
		list = list[1:]
		return a
	})
}

func (d *desk) lists(f func(ref psa.TicketRef) error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.list = f
}

func (d *desk) texts(ref psa.TicketRef) []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	var out []string
	for _, n := range d.notes[ref] {
		out = append(out, n.Text)
	}
	return out
}

func (d *desk) tries() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.tried)
}

type noterOnly struct{ psa.TicketNoter }

type limited struct{ *desk }

func (l limited) NoteLimit() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.limit
}

// clock stands still until it is moved.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

func (c *clock) to(t time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if t.After(c.t) {
		c.t = t
	}
}

// records keeps events.
type records struct {
	mu   sync.Mutex
	list []Event
	fail func(Event) error
}

func (r *records) Record(_ context.Context, e Event) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.fail != nil {
		if err := r.fail(e); err != nil {
			return err
		}
	}
	r.list = append(r.list, e)
	return nil
}

func (r *records) kinds() []EventKind {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []EventKind
	for _, e := range r.list {
		out = append(out, e.Kind)
	}
	return out
}

// world is an outbox with everything around it.
type world struct {
	t      testing.TB
	clock  *clock
	desk   *desk
	store  *Memory
	key    mspkit.Key
	events *records
	logs   *syncBuffer
	box    *Outbox
}

type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

var ref = psa.TicketRef{Tenant: "contoso", Ticket: mspkit.Ticket{System: "connectwise", ID: "4711"}}

func newWorld(t testing.TB, o Options) *world {
	t.Helper()
	return newWorldWith(t, o, func(d *desk) psa.TicketNoter { return d })
}

func newWorldWith(t testing.TB, o Options, inner func(*desk) psa.TicketNoter) *world {
	t.Helper()
	w := &world{t: t, clock: &clock{t: time.Date(2026, 11, 27, 9, 0, 0, 0, time.UTC)}, store: NewMemory(), key: mspkit.NewKey("k1"), events: &records{}, logs: &syncBuffer{}}
	w.desk = &desk{now: w.clock.Now, notes: map[psa.TicketRef][]psa.WrittenNote{}}
	w.box = w.another(o, inner(w.desk), w.store, w.key)
	return w
}

// another is one more instance.
func (w *world) another(o Options, inner psa.TicketNoter, store Store, keys ...mspkit.Key) *Outbox {
	w.t.Helper()
	ring, err := mspkit.NewKeyRing(keys...)
	require.NoError(w.t, err)
	if o.Now == nil {
		o.Now = w.clock.Now
	}
	if o.Recorder == nil {
		o.Recorder = w.events
	}
	o.Logger = slog.New(slog.NewTextHandler(w.logs, &slog.HandlerOptions{Level: slog.LevelDebug}))
	box, err := New(inner, store, ring, &o)
	require.NoError(w.t, err)
	box.hiccup = time.Microsecond
	return box
}

func (w *world) add(ref psa.TicketRef, n psa.Note) string {
	w.t.Helper()
	id, err := w.box.AddNote(w.t.Context(), ref, n)
	require.NoError(w.t, err)
	require.NotEmpty(w.t, id)
	return id
}

func (w *world) drain(ref psa.TicketRef) time.Time {
	w.t.Helper()
	again, err := w.box.Drain(w.t.Context(), StreamOf(ref))
	require.NoError(w.t, err)
	return again
}

// finish drains the stream until nothing is left, with the clock moved to when it has to come back.
func (w *world) finish(ref psa.TicketRef) {
	w.t.Helper()
	for range 1000 {
		again := w.drain(ref)
		if again.IsZero() {
			return
		}
		w.clock.to(again)
	}
	w.t.Fatal("the stream does not come to an end")
}

func (w *world) get(id string) Entry {
	w.t.Helper()
	e, err := w.box.Get(w.t.Context(), ref.Tenant, id)
	require.NoError(w.t, err)
	return e
}

func (w *world) record() {
	w.t.Helper()
	require.NoError(w.t, w.box.record(w.t.Context()))
}

// bare is a text of the ticket without its marker.
func bare(text string) string {
	i := strings.LastIndex(text, "[ref ")
	if i < 0 {
		return "no marker: " + text
	}
	return strings.TrimRight(text[:i], "\n")
}

func bares(texts []string) []string {
	out := []string{}
	for _, s := range texts {
		out = append(out, bare(s))
	}
	return out
}

// The errors of a ticket system.
func fault(err error) *psa.Error { return &psa.Error{System: "connectwise", Op: "add note", Err: err} }

var errBare = errors.New("connection reset while writing " + secretText)
