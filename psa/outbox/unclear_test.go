package outbox

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/psa"
)

var ambiguous = fault(psa.ErrAmbiguousWrite)

func TestAnUnclearWriteIsLookedUpBeforeItIsRepeated(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		first answer
		twist func(*psa.WrittenNote) // what happened to the note in the ticket
		want  int                    // notes in the ticket in the end
	}{
		"it was written":                 {answer{written: true, err: ambiguous}, nil, 1},
		"it was not":                     {answer{err: ambiguous}, nil, 1},
		"the answer was cut off":         {answer{written: true, err: context.DeadlineExceeded}, nil, 1},
		"an error that says nothing":     {answer{written: true, err: errBare}, nil, 1},
		"the client panicked after it":   {answer{written: true, panics: secretText}, nil, 1},
		"the client panicked before it":  {answer{panics: errBare}, nil, 1},
		"white space was added":          {answer{written: true, err: ambiguous}, func(n *psa.WrittenNote) { n.Text += " \u00a0\r\n\u200b" }, 1},
		"it was numbered":                {answer{written: true, err: ambiguous}, func(n *psa.WrittenNote) { n.Text += "\n(1/3)\n" }, 1},
		"somebody else copied it":        {answer{written: true, err: ambiguous}, func(n *psa.WrittenNote) { n.Ours = false }, 2},
		"it is more visible":             {answer{written: true, err: ambiguous}, func(n *psa.WrittenNote) { n.Visibility = psa.Public }, 2},
		"the marker is quoted within it": {answer{written: true, err: ambiguous}, func(n *psa.WrittenNote) { n.Text += "\nThanks!" }, 2},
		"the marker is of another note":  {answer{written: true, err: ambiguous}, func(n *psa.WrittenNote) { n.Text = "x\n[ref 0000-0000-0000-0000]" }, 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, Options{})
			w.desk.script(c.first)
			began := w.clock.Now()
			id := w.add(ref, secretNote())
			again := w.drain(ref)
			require.GreaterOrEqual(t, again.Sub(began), 10*time.Second, "it has to settle")
			e := w.get(id)
			require.True(t, e.Unclear)
			require.NotEmpty(t, e.Fault)
			if c.twist != nil {
				c.twist(&w.desk.notes[ref][0])
			}
			require.Equal(t, again, w.drain(ref), "nothing happens before that")
			require.Equal(t, 1, w.desk.tries())
			w.finish(ref)
			require.Len(t, w.desk.texts(ref), c.want)
			require.Equal(t, []time.Time{began.Add(-w.box.o.Skew)}, w.desk.since, "the ticket is looked at from the first try on")
			e = w.get(id)
			require.Equal(t, Delivered, e.State)
			require.Equal(t, []string{fmt.Sprint("n", c.want)}, e.NoteIDs)
			requireNoSecret(t, w.logs.String())
		})
	}
}

func TestAWriteThatComesLateIsSeenIfItComesWithinSettle(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Options{})
	w.desk.script(answer{late: true, err: ambiguous})
	w.add(ref, secretNote())
	again := w.drain(ref)
	w.clock.add(9 * time.Second)
	w.desk.flush()
	w.clock.to(again)
	w.finish(ref)
	require.Len(t, w.desk.texts(ref), 1)
}

func TestOnceATryWasUnclearEachLaterOneLooksFirst(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Options{})
	w.desk.script(answer{late: true, err: ambiguous}, answer{err: fault(psa.ErrConflict)})
	w.add(ref, secretNote())
	w.clock.to(w.drain(ref)) // unclear
	again := w.drain(ref)    // looked, not there, written, refused for now
	require.Equal(t, 2, w.desk.tries())
	w.desk.flush() // the first one comes in after all
	w.clock.to(again)
	w.finish(ref)
	require.Len(t, w.desk.texts(ref), 1)
	require.Equal(t, 2, w.desk.tries())
}

func TestAListingThatFailsNeverLeadsToABlindWrite(t *testing.T) {
	t.Parallel()
	for name, err := range map[string]error{
		"down": fault(psa.ErrUnavailable), "forbidden": fault(psa.ErrForbidden), "validation": fault(psa.ErrValidation), "bare": errBare, "unclear": ambiguous,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, Options{})
			w.desk.script(answer{written: true, err: ambiguous})
			w.desk.lists(func(psa.TicketRef) error { return err })
			id := w.add(ref, secretNote())
			for range 20 {
				w.clock.to(w.drain(ref))
			}
			require.Equal(t, 1, w.desk.tries())
			require.True(t, w.get(id).Unclear)
			require.Contains(t, w.get(id).Fault, "look before writing again: ")
			requireNoSecret(t, w.get(id).Fault)
			w.desk.lists(nil)
			w.finish(ref)
			require.Len(t, w.desk.texts(ref), 1)
		})
	}
}

func TestATicketThatIsGoneWhenItIsLookedUpMakesADeadLetter(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Options{})
	w.desk.script(answer{err: ambiguous})
	w.desk.lists(func(psa.TicketRef) error { return fault(psa.ErrNotFound) })
	id := w.add(ref, secretNote())
	w.finish(ref)
	e := w.get(id)
	require.Equal(t, Dead, e.State)
	require.True(t, e.Unclear, "a replay looks again")
	require.Equal(t, 1, w.desk.tries())
}

func TestAProcessThatDiedAfterItTookANoteLeavesALeaseAndAQuestion(t *testing.T) {
	t.Parallel()
	for _, written := range []bool{true, false} {
		t.Run(fmt.Sprint("written ", written), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, Options{})
			id := w.add(ref, secretNote())
			w.add(ref, psa.Note{Text: "second"})
			e, err := w.store.Next(t.Context(), StreamOf(ref), "dead process", w.clock.Now(), w.clock.Now().Add(w.box.lease()))
			require.NoError(t, err)
			if written {
				p, err := w.box.secrets.open(e)
				require.NoError(t, err)
				_, err = w.desk.AddNote(t.Context(), ref, p.note(0, e.ID))
				require.NoError(t, err)
			}
			tries := w.desk.tries()
			again := w.drain(ref)
			require.Equal(t, 71*time.Second, again.Sub(w.clock.Now()), "another worker waits for the end of the lease")
			require.Equal(t, tries, w.desk.tries())
			w.clock.to(again)
			w.finish(ref)
			require.Equal(t, []string{secretText, "second"}, bares(w.desk.texts(ref)))
			require.Equal(t, Delivered, w.get(id).State)
			require.Len(t, w.desk.since, 1)
		})
	}
}

func TestASystemThatCannotBeAskedIsWrittenToAgainOrMakesADeadLetter(t *testing.T) {
	t.Parallel()
	unsupported := func(d *desk) psa.TicketNoter {
		d.lists(func(psa.TicketRef) error { return fault(psa.ErrUnsupported) })
		return d
	}
	noReader := func(d *desk) psa.TicketNoter { return noterOnly{d} }
	for name, inner := range map[string]func(*desk) psa.TicketNoter{"no reader": noReader, "unsupported": unsupported} {
		t.Run(name+", repeat", func(t *testing.T) {
			t.Parallel()
			w := newWorldWith(t, Options{}, inner)
			w.desk.script(answer{written: true, err: ambiguous})
			id := w.add(ref, psa.Note{Text: "x"})
			w.finish(ref)
			require.Equal(t, []string{"x", "x"}, bares(w.desk.texts(ref)))
			require.Equal(t, id, w.desk.tried[0].Key)
			require.Equal(t, w.desk.tried[0], w.desk.tried[1], "so that the system can recognise it")
		})
		t.Run(name+", dead", func(t *testing.T) {
			t.Parallel()
			w := newWorldWith(t, Options{Unclear: DeadUnclear}, inner)
			w.desk.script(answer{written: true, err: ambiguous})
			id := w.add(ref, psa.Note{Text: "x"})
			w.finish(ref)
			e := w.get(id)
			require.Equal(t, Dead, e.State)
			require.Contains(t, e.Fault, "cannot be asked")
			require.Len(t, w.desk.texts(ref), 1)

			w.desk.script(answer{err: fault(psa.ErrRateLimited)})
			require.NoError(t, w.box.Replay(t.Context(), ref.Tenant, id, "jane"))
			w.finish(ref)
			require.Equal(t, Delivered, w.get(id).State, "who replays has looked")
			require.Len(t, w.desk.texts(ref), 2)
		})
	}
}

func TestAProcessThatStoodStillDoesNotWriteWithALeaseThatIsAlmostOver(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Options{})
	slow := &slowStore{Memory: w.store, next: func() { w.clock.add(31 * time.Second) }}
	box := w.another(Options{}, w.desk, slow, w.key)
	w.add(ref, psa.Note{Text: "x"})
	again, err := box.Drain(t.Context(), StreamOf(ref))
	require.NoError(t, err)
	require.Equal(t, w.clock.Now(), again)
	require.Zero(t, w.desk.tries())
	slow.next = nil
	_, err = box.Drain(t.Context(), StreamOf(ref))
	require.NoError(t, err)
	require.Len(t, w.desk.texts(ref), 1)
}

// slowStore does things between the steps.
type slowStore struct {
	*Memory
	next   func()
	finish func() error
}

func (s *slowStore) Next(ctx context.Context, stream mspkit.Stream, holder string, now, until time.Time) (Entry, error) {
	e, err := s.Memory.Next(ctx, stream, holder, now, until)
	if s.next != nil {
		s.next()
	}
	return e, err
}

func (s *slowStore) Finish(ctx context.Context, e Entry, holder string, o Outcome, now time.Time) error {
	if s.finish != nil {
		if err := s.finish(); err != nil {
			return err
		}
	}
	return s.Memory.Finish(ctx, e, holder, o, now)
}

func TestAStoreThatFailsAfterTheWriteIsAskedAgainAndThenLeavesAQuestion(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Options{})
	broken := errors.New("no connection")
	fails := 1
	s := &slowStore{Memory: w.store, finish: func() error {
		if fails--; fails >= 0 {
			return broken
		}
		return nil
	}}
	box := w.another(Options{}, w.desk, s, w.key)
	first := w.add(ref, psa.Note{Text: "one"})
	_, err := box.Drain(t.Context(), StreamOf(ref))
	require.NoError(t, err)
	require.Equal(t, Delivered, w.get(first).State, "once is nothing")

	fails = 1000
	second := w.add(ref, psa.Note{Text: "two"})
	_, err = box.Drain(t.Context(), StreamOf(ref))
	require.ErrorIs(t, err, broken)
	require.Equal(t, Pending, w.get(second).State)
	fails = 0
	again, err := box.Drain(t.Context(), StreamOf(ref))
	require.NoError(t, err)
	require.Equal(t, box.lease(), again.Sub(w.clock.Now()))
	w.clock.to(again)
	w.finish(ref)
	require.Equal(t, []string{"one", "two"}, bares(w.desk.texts(ref)))
}

func TestAWorkerThatLostItsLeaseChangesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Options{})
	other := w.another(Options{}, w.desk, w.store, w.key)
	once := true
	w.desk.answers(func(psa.TicketRef, psa.Note) answer {
		if once {
			once = false
			w.desk.mu.Lock()
			p := w.desk.put(ref, w.noteOf(ref, 0))
			w.desk.mu.Unlock()
			require.Equal(t, "n1", p)
			w.clock.add(2 * time.Minute) // it hangs, whatever its context says
			_, err := other.Drain(t.Context(), StreamOf(ref))
			require.NoError(t, err)
			return answer{err: ambiguous}
		}
		return answer{written: true}
	})
	id := w.add(ref, psa.Note{Text: "one"})
	w.add(ref, psa.Note{Text: "two"})
	w.finish(ref)
	require.Equal(t, []string{"one", "two"}, bares(w.desk.texts(ref)))
	require.Equal(t, Delivered, w.get(id).State)
	require.Contains(t, w.logs.String(), "another worker took the note over")
}

// noteOf is a part as it would be written for the first pending note.
func (w *world) noteOf(ref psa.TicketRef, part int) psa.Note {
	w.t.Helper()
	list, err := w.store.List(w.t.Context(), Filter{Tenant: ref.Tenant, State: Pending})
	require.NoError(w.t, err)
	first := slices.MinFunc(list, func(a, b Entry) int { return cmp.Compare(a.Seq, b.Seq) })
	e, err := w.store.Get(w.t.Context(), ref.Tenant, first.ID)
	require.NoError(w.t, err)
	p, err := w.box.secrets.open(e)
	require.NoError(w.t, err)
	return p.note(part, e.ID)
}
