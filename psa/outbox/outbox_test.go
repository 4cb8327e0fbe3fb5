package outbox

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/psa"
)

func TestANoteIsAcceptedAtOnceAndWrittenWhenTheSystemAnswers(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Options{})
	w.desk.script(answer{err: fault(psa.ErrUnavailable)}, answer{err: fault(psa.ErrUnavailable)})
	id := w.add(ref, psa.Note{Title: "Verified", Text: "Dana is verified.", Visibility: psa.Public, Key: "e1"})
	require.Equal(t, Pending, w.get(id).State)
	require.Zero(t, w.desk.tries(), "nothing is written while it is accepted")

	w.finish(ref)
	require.Equal(t, []string{"Dana is verified."}, bares(w.desk.texts(ref)))
	require.Regexp(t, `^Dana is verified\.\n\[ref [0-9a-z]{4}-[0-9a-z]{4}-[0-9a-z]{4}-[0-9a-z]{4}\]$`, w.desk.texts(ref)[0])
	last := w.desk.tried[2]
	require.Equal(t, "Verified", last.Title)
	require.Equal(t, psa.Public, last.Visibility)
	require.Equal(t, "e1", last.Key, "the key stays the same in each try")

	e := w.get(id)
	require.Equal(t, Delivered, e.State)
	require.Equal(t, []string{"n1"}, e.NoteIDs)
	w.record()
	require.Len(t, w.events.list, 1)
	ev := w.events.list[0]
	require.NotEmpty(t, ev.ID)
	ev.ID = ""
	require.Equal(t, Event{Kind: EventDelivered, At: e.EndedAt, Tenant: ref.Tenant, Note: id, Ticket: ref.Ticket, NoteIDs: []string{"n1"}}, ev)
	stored, err := w.store.Get(t.Context(), ref.Tenant, id)
	require.NoError(t, err)
	require.Nil(t, stored.Sealed, "the text is gone once it is written")
}

func TestNotesOfATicketKeepTheirOrderAndHoldUpNoOtherTicket(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Options{Breaker: Breaker{Failures: -1}})
	other := psa.TicketRef{Tenant: ref.Tenant, Ticket: mspkit.Ticket{System: ref.Ticket.System, ID: "5120"}}
	w.desk.answers(func(at psa.TicketRef, _ psa.Note) answer {
		if at == ref {
			return answer{err: fault(psa.ErrForbidden)}
		}
		return answer{written: true}
	})
	for i := range 3 {
		w.add(ref, psa.Note{Text: fmt.Sprint("a", i)})
		w.add(other, psa.Note{Text: fmt.Sprint("b", i)})
	}
	require.False(t, w.drain(ref).IsZero())
	w.finish(other)
	require.Equal(t, []string{"b0", "b1", "b2"}, bares(w.desk.texts(other)))
	require.Empty(t, w.desk.texts(ref))
	w.desk.answers(nil)
	w.finish(ref)
	require.Equal(t, []string{"a0", "a1", "a2"}, bares(w.desk.texts(ref)))
}

func TestTheSameKeyOfATenantIsTheSameNote(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Options{})
	first := w.add(ref, psa.Note{Text: "one", Key: "e1"})
	require.Equal(t, first, w.add(ref, psa.Note{Text: "one", Key: "e1"}))
	w.finish(ref)
	require.Equal(t, first, w.add(ref, psa.Note{Text: "one", Key: "e1"}), "a written note is remembered")
	require.NotEqual(t, first, w.add(ref, psa.Note{Text: "one", Key: "e2"}))
	require.NotEqual(t, w.add(ref, psa.Note{Text: "none"}), w.add(ref, psa.Note{Text: "none"}), "without a key repeats cannot be told apart")

	fabrikam := psa.TicketRef{Tenant: "fabrikam", Ticket: ref.Ticket}
	require.NotEqual(t, first, w.add(fabrikam, psa.Note{Text: "one", Key: "e1"}), "the same key of another tenant is another note")
	a, b := w.box.secrets.hashes("contoso", "e1"), w.box.secrets.hashes("fabrikam", "e1")
	require.NotEqual(t, a, b)

	k2 := mspkit.NewKey("k2")
	rotated := w.another(Options{}, w.desk, w.store, k2, w.key)
	again, err := rotated.AddNote(t.Context(), ref, psa.Note{Text: "one", Key: "e1"})
	require.NoError(t, err)
	require.Equal(t, first, again, "keys are recognised after the primary key changed")

	later, err := rotated.AddNote(t.Context(), ref, psa.Note{Text: "three", Key: "e3"})
	require.NoError(t, err)
	alone := w.another(Options{}, w.desk, w.store, k2)
	again, err = alone.AddNote(t.Context(), ref, psa.Note{Text: "three", Key: "e3"})
	require.NoError(t, err)
	require.Equal(t, later, again, "and new ones without the old key")
}

func TestANoteIsAcceptedIfItIsStoredThoughTheCallerIsGone(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Options{})
	q := &fakeQueue{}
	ctx, cancel := context.WithCancel(t.Context())
	q.wake = func(ctx context.Context) error { return ctx.Err() }
	box := w.another(Options{Queue: q}, w.desk, cancelling{w.store, cancel}, w.key)
	id, err := box.AddNote(ctx, ref, psa.Note{Text: "x"})
	require.NoError(t, err)
	require.Equal(t, Pending, w.get(id).State)
}

// cancelling ends the caller's context as soon as a note is stored.
type cancelling struct {
	Store
	cancel func()
}

func (c cancelling) Add(ctx context.Context, e Entry, keys [][]byte) (string, bool, error) {
	defer c.cancel()
	return c.Store.Add(ctx, e, keys)
}

// fakeQueue remembers what was asked of it.
type fakeQueue struct {
	kind  string
	drain mspkit.Drain
	woken []mspkit.Stream
	wake  func(context.Context) error
}

func (q *fakeQueue) Handle(kind string, d mspkit.Drain) error {
	if q.drain != nil {
		return fmt.Errorf("twice: %w", mspkit.ErrInvalid)
	}
	q.kind, q.drain = kind, d
	return nil
}

func (q *fakeQueue) Wake(ctx context.Context, s mspkit.Stream, _ time.Time) error {
	q.woken = append(q.woken, s)
	if q.wake != nil {
		return q.wake(ctx)
	}
	return nil
}

func TestAGivenQueueIsWokenForEachNote(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Options{})
	q := &fakeQueue{}
	box := w.another(Options{Queue: q}, w.desk, w.store, w.key)
	require.Equal(t, Kind, q.kind)
	_, err := box.AddNote(t.Context(), ref, psa.Note{Text: "x"})
	require.NoError(t, err)
	require.NoError(t, box.Wake(t.Context(), ref))
	require.Equal(t, []mspkit.Stream{StreamOf(ref), StreamOf(ref)}, q.woken)
	require.NoError(t, box.rows.Poll(t.Context()))
	require.Len(t, q.woken, 3, "the poll finds what is due")

	ring, err := mspkit.NewKeyRing(w.key)
	require.NoError(t, err)
	_, err = New(w.desk, w.store, ring, &Options{Queue: q})
	require.ErrorIs(t, err, mspkit.ErrInvalid, "a queue takes one outbox")
	require.ErrorIs(t, box.Wake(t.Context(), psa.TicketRef{}), mspkit.ErrInvalid)
	q.wake = func(context.Context) error { return errors.New("no connection") }
	require.ErrorContains(t, box.Wake(t.Context(), ref), "no connection")
}

// txStore adds in a transaction that it does not look at.
type txStore struct {
	*Memory
	tx *sql.Tx
}

func (s *txStore) AddTx(ctx context.Context, tx *sql.Tx, e Entry, keys [][]byte) (string, bool, error) {
	s.tx = tx
	return s.Add(ctx, e, keys)
}

func TestANoteIsAcceptedInATransactionWhereTheStoreCan(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Options{})
	_, err := w.box.AddNoteTx(t.Context(), &sql.Tx{}, ref, psa.Note{Text: "x"})
	require.ErrorIs(t, err, psa.ErrUnsupported)

	s, tx, q := &txStore{Memory: w.store}, &sql.Tx{}, &fakeQueue{}
	box := w.another(Options{Queue: q}, w.desk, s, w.key)
	_, err = box.AddNoteTx(t.Context(), nil, ref, psa.Note{Text: "x"})
	require.ErrorIs(t, err, mspkit.ErrInvalid)
	_, err = box.AddNoteTx(t.Context(), tx, ref, psa.Note{})
	require.ErrorIs(t, err, mspkit.ErrInvalid)
	id, err := box.AddNoteTx(t.Context(), tx, ref, psa.Note{Text: "x", Key: "e1"})
	require.NoError(t, err)
	require.Same(t, tx, s.tx)
	require.Empty(t, q.woken, "nobody is woken before the commit")
	require.Equal(t, id, w.add(ref, psa.Note{Text: "x", Key: "e1"}))
}

func TestWhatCannotBeANoteIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorldWith(t, Options{}, func(d *desk) psa.TicketNoter { return limited{d} })
	good := psa.Note{Text: "x"}
	for name, c := range map[string]struct {
		ref  psa.TicketRef
		note psa.Note
		want error
		says string
	}{
		"no tenant":           {psa.TicketRef{Ticket: ref.Ticket}, good, mspkit.ErrInvalid, "tenant"},
		"no ticket":           {psa.TicketRef{Tenant: "contoso"}, good, mspkit.ErrInvalid, "ticket"},
		"slash in the system": {psa.TicketRef{Tenant: "contoso", Ticket: mspkit.Ticket{System: "a/b", ID: "1"}}, good, mspkit.ErrInvalid, "slash"},
		"nothing":             {ref, psa.Note{}, mspkit.ErrInvalid, "text or a title"},
		"spaces":              {ref, psa.Note{Text: " \n\t", Title: " "}, mspkit.ErrInvalid, "text or a title"},
		"title of two lines":  {ref, psa.Note{Title: "SECRET\nx", Text: "x"}, mspkit.ErrInvalid, "one line"},
		"long title":          {ref, psa.Note{Title: strings.Repeat("SECRET", 100), Text: "x"}, mspkit.ErrInvalid, "600 bytes"},
		"long key":            {ref, psa.Note{Key: strings.Repeat("SECRET", 100), Text: "x"}, mspkit.ErrInvalid, "600 bytes"},
		"long text":           {ref, psa.Note{Text: strings.Repeat("S", MaxText+1)}, psa.ErrTooLong, "at most"},
		"broken text":         {ref, psa.Note{Text: "SECRET\xff"}, mspkit.ErrInvalid, "the text is not valid UTF-8"},
		"broken title":        {ref, psa.Note{Title: "SECRET\xff"}, mspkit.ErrInvalid, "the title is not valid UTF-8"},
		"broken key":          {ref, psa.Note{Text: "x", Key: "SECRET\xff"}, mspkit.ErrInvalid, "the key is not valid UTF-8"},
		"visibility":          {ref, psa.Note{Text: "x", Visibility: 7}, mspkit.ErrInvalid, "7 is no visibility"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := w.box.AddNote(t.Context(), c.ref, c.note)
			require.ErrorIs(t, err, c.want)
			require.ErrorContains(t, err, c.says)
			requireNoSecret(t, err.Error())
		})
	}
}

func TestOptionsAreCheckedAllAtOnce(t *testing.T) {
	t.Parallel()
	_, err := New(nil, nil, nil, &Options{Backoff: -1, MaxBackoff: -1, TryTimeout: -1, Poll: -1, Workers: -1, Unclear: 7, Retention: time.Second, Breaker: Breaker{Open: -1}})
	require.ErrorIs(t, err, mspkit.ErrInvalid)
	for _, s := range []string{"ticket noter", "store", "key ring", "Backoff", "MaxBackoff", "TryTimeout", "Poll", "Workers", "Unclear", "Retention", "Breaker.Open"} {
		require.ErrorContains(t, err, s)
	}
	ring, err := mspkit.NewKeyRing(mspkit.NewKey("k1"))
	require.NoError(t, err)
	box, err := New(&desk{}, NewMemory(), ring, nil)
	require.NoError(t, err)
	require.Equal(t, 71*time.Second, box.lease())
	box, err = New(&desk{}, NewMemory(), ring, &Options{Queue: &fakeQueue{}})
	require.NoError(t, err)
	require.Equal(t, 130*time.Second, box.lease(), "clocks of many machines differ")
	box, err = New(&desk{}, NewMemory(), ring, &Options{Settle: -1, Skew: -1})
	require.NoError(t, err)
	require.Equal(t, time.Minute, box.lease())
}
