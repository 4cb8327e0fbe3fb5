package outbox

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/jobs"
	"github.com/mspkit/mspkit/psa"
)

func ticketN(i int) psa.TicketRef {
	return psa.TicketRef{Tenant: "contoso", Ticket: mspkit.Ticket{System: "connectwise", ID: strconv.Itoa(i)}}
}

func TestRunWritesHandsOverAndEndsAfterTheWorkInHand(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, Options{})
		w.desk.now = time.Now
		box := w.another(Options{Now: time.Now}, w.desk, w.store, w.key)
		before, err := box.AddNote(t.Context(), ref, psa.Note{Text: "before"})
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- box.Run(ctx) }()
		synctest.Wait()
		require.Equal(t, []string{"before"}, bares(w.desk.texts(ref)), "the poll finds what was there")
		require.ErrorIs(t, box.Run(ctx), ErrRunning)

		began := time.Now()
		_, err = box.AddNote(t.Context(), ref, psa.Note{Text: "after"})
		require.NoError(t, err)
		synctest.Wait()
		require.Equal(t, []string{"before", "after"}, bares(w.desk.texts(ref)))
		require.Equal(t, began, time.Now(), "a note does not wait for the poll")
		require.Equal(t, []EventKind{EventDelivered, EventDelivered}, w.events.kinds())
		require.Equal(t, before, w.events.list[0].Note)

		// What another process accepted waits for the poll.
		other := w.another(Options{Now: time.Now}, w.desk, w.store, w.key)
		_, err = other.AddNote(t.Context(), ref, psa.Note{Text: "other"})
		require.NoError(t, err)
		time.Sleep(5 * time.Second)
		synctest.Wait()
		require.Len(t, w.desk.texts(ref), 3)

		// The end of ctx does not cut a write off.
		hold := make(chan struct{})
		w.desk.answers(func(psa.TicketRef, psa.Note) answer { <-hold; return answer{written: true} })
		_, err = box.AddNote(t.Context(), ref, psa.Note{Text: "last"})
		require.NoError(t, err)
		_, err = box.AddNote(t.Context(), ref, psa.Note{Text: "later"})
		require.NoError(t, err)
		synctest.Wait()
		cancel()
		synctest.Wait()
		require.Empty(t, done)
		close(hold)
		require.NoError(t, <-done)
		require.Equal(t, []string{"before", "after", "other", "last"}, bares(w.desk.texts(ref)))

		// It can run again, and nothing holds the stream.
		ctx, cancel = context.WithCancel(t.Context())
		go func() { done <- box.Run(ctx) }()
		synctest.Wait()
		require.Len(t, w.desk.texts(ref), 5)
		cancel()
		require.NoError(t, <-done)
	})
}

func TestRunRidesOutAnOutage(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, Options{})
		w.desk.now = time.Now
		box := w.another(Options{Now: time.Now}, w.desk, w.store, w.key)
		w.desk.answers(func(psa.TicketRef, psa.Note) answer { return answer{err: fault(psa.ErrUnavailable)} })
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- box.Run(ctx) }()
		for i := range 100 {
			_, err := box.AddNote(t.Context(), ticketN(i%20), psa.Note{Text: strconv.Itoa(i)})
			require.NoError(t, err)
		}
		time.Sleep(time.Hour)
		require.Less(t, w.desk.tries(), 300, "the breaker keeps the load off a system that is down")
		w.desk.answers(nil)
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		for i := range 20 {
			var want []string
			for j := i; j < 100; j += 20 {
				want = append(want, strconv.Itoa(j))
			}
			require.Equal(t, want, bares(w.desk.texts(ticketN(i))))
		}
		require.Len(t, w.events.kinds(), 100)
		cancel()
		require.NoError(t, <-done)
	})
}

func TestTwoInstancesWriteEachNoteOnceUnderFaults(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, Options{})
		w.desk.now = time.Now
		var mu sync.Mutex
		n := 0
		w.desk.answers(func(psa.TicketRef, psa.Note) answer {
			mu.Lock()
			n++
			n := n
			mu.Unlock()
			time.Sleep(time.Duration(n%7) * 10 * time.Millisecond)
			switch n % 6 {
			case 1:
				return answer{written: true, err: ambiguous}
			case 2:
				return answer{err: ambiguous}
			case 3:
				return answer{err: fault(psa.ErrUnavailable)}
			case 4:
				return answer{written: true, panics: "x"}
			}
			return answer{written: true}
		})
		ctx, cancel := context.WithCancel(t.Context())
		var all sync.WaitGroup
		var boxes []*Outbox
		for range 2 {
			box := w.another(Options{Now: time.Now, Breaker: Breaker{Failures: -1}, Poll: time.Second}, w.desk, w.store, w.key)
			boxes = append(boxes, box)
			all.Go(func() { _ = box.Run(ctx) })
		}
		const notes, tickets = 200, 10
		for i := range notes {
			_, err := boxes[i%2].AddNote(t.Context(), ticketN(i%tickets), psa.Note{Text: strconv.Itoa(i), Key: strconv.Itoa(i)})
			require.NoError(t, err)
		}
		time.Sleep(2 * time.Hour)
		for i := range tickets {
			var want []string
			for j := i; j < notes; j += tickets {
				want = append(want, strconv.Itoa(j))
			}
			require.Equal(t, want, bares(w.desk.texts(ticketN(i))))
		}
		cancel()
		all.Wait()
	})
}

func TestRunOnceDoesWhatIsDue(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Options{})
	for i := range jobs.LeastPoll + 20 {
		w.add(ticketN(i), psa.Note{Text: "x"})
	}
	long := ticketN(7)
	for range maxDrain + 20 {
		w.add(long, psa.Note{Text: "x"})
	}
	w.desk.answers(func(at psa.TicketRef, _ psa.Note) answer {
		if at == ticketN(0) {
			return answer{err: fault(psa.ErrForbidden)}
		}
		return answer{written: true}
	})
	require.NoError(t, w.box.RunOnce(t.Context()))
	c, err := w.box.Count(t.Context(), "")
	require.NoError(t, err)
	require.Equal(t, 1, c.Pending)
	require.Len(t, w.desk.texts(long), maxDrain+21)
	require.Len(t, w.events.list, jobs.LeastPoll+20+maxDrain+20-1)
	require.NoError(t, w.box.RunOnce(t.Context()))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.NoError(t, w.box.RunOnce(ctx))
}

func TestRunOnceComesToAnEndWhileASystemIsDown(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Options{Breaker: Breaker{Failures: 1}})
	w.desk.answers(func(psa.TicketRef, psa.Note) answer { return answer{err: fault(psa.ErrUnavailable)} })
	for i := range jobs.LeastPoll + 20 {
		w.add(ticketN(i), psa.Note{Text: "x"})
	}
	require.NoError(t, w.box.RunOnce(t.Context()))
	require.Equal(t, 1, w.desk.tries())
}

func TestAPollLooksBeyondTheStreamsOfASystemThatIsDown(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Options{})
	q := &fakeQueue{}
	box := w.another(Options{Queue: q}, w.desk, w.store, w.key)
	for i := range jobs.LeastPoll + 20 {
		w.add(ticketN(i), psa.Note{Text: "x"})
	}
	require.NoError(t, box.rows.Poll(t.Context()))
	require.Len(t, q.woken, jobs.LeastPoll)
	require.NoError(t, box.rows.Poll(t.Context()))
	require.Len(t, q.woken, 2*jobs.LeastPoll+20)
	require.NoError(t, box.rows.Poll(t.Context()))
	require.Len(t, q.woken, 3*jobs.LeastPoll+20, "it asks for few again")
}

func TestEventsAreHandedOverUntilTheyAreTaken(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Options{})
	fabrikam := psa.TicketRef{Tenant: "fabrikam", Ticket: ref.Ticket}
	for _, at := range []psa.TicketRef{ref, fabrikam} {
		w.add(at, psa.Note{Text: "one"})
		w.add(at, psa.Note{Text: "two"})
		w.finish(at)
	}
	fails := 2
	w.events.fail = func(e Event) error {
		if e.Tenant == ref.Tenant {
			if fails--; fails == 1 {
				return errors.New("the audit log is full")
			} else if fails == 0 {
				panic(secretText)
			}
		}
		return nil
	}
	err := w.box.record(t.Context())
	require.ErrorContains(t, err, "the audit log is full")
	require.Len(t, w.events.list, 2, "the other tenant does not wait")
	err = w.box.record(t.Context())
	require.ErrorContains(t, err, "panicked")
	requireNoSecret(t, err.Error())
	w.record()
	w.record()
	require.Len(t, w.events.list, 4)
	require.NotEqual(t, w.events.list[2].ID, w.events.list[3].ID)
	require.True(t, w.events.list[2].Note < w.events.list[3].Note || w.events.list[2].At.Equal(w.events.list[3].At))

	// A process that dies before it says so gets the event again, with the same id.
	w.add(ref, psa.Note{Text: "three"})
	w.finish(ref)
	lossy := w.another(Options{}, w.desk, noAck{w.store}, w.key)
	require.Error(t, lossy.record(t.Context()))
	w.record()
	require.Len(t, w.events.list, 6)
	require.Equal(t, w.events.list[4], w.events.list[5])
}

type noAck struct{ Store }

func (noAck) Ack(context.Context, []string) error { return errors.New("no connection") }

func TestOldNotesAreForgottenAndDeadOnesAreNot(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Options{Retention: time.Hour})
	w.desk.script(answer{written: true}, answer{err: fault(psa.ErrValidation)}, answer{err: fault(psa.ErrValidation)})
	written := w.add(ref, psa.Note{Text: "one", Key: "e1"})
	dead := w.add(ref, psa.Note{Text: "two"})
	dropped := w.add(ref, psa.Note{Text: "three"})
	w.finish(ref)
	require.NoError(t, w.box.Drop(t.Context(), ref.Tenant, dropped, "jane"))
	w.clock.add(time.Hour)
	require.NoError(t, w.box.RunOnce(t.Context()))
	w.get(written)
	w.clock.add(time.Minute)
	require.NoError(t, w.box.RunOnce(t.Context()))
	for _, id := range []string{written, dropped} {
		_, err := w.box.Get(t.Context(), ref.Tenant, id)
		require.ErrorIs(t, err, ErrNotFound)
	}
	require.Equal(t, Dead, w.get(dead).State)
	require.NotEqual(t, written, w.add(ref, psa.Note{Text: "one", Key: "e1"}), "the key is forgotten with it")
	require.NoError(t, w.box.Drop(t.Context(), ref.Tenant, dead, "jane"))
	w.finish(ref)
	w.clock.add(2 * time.Hour)
	require.NoError(t, w.box.RunOnce(t.Context()))
	require.Empty(t, w.store.entries)
	require.Empty(t, w.store.streams)
	require.Empty(t, w.store.keys)

	forever := newWorld(t, Options{Retention: -1})
	id := forever.add(ref, psa.Note{Text: "x"})
	forever.finish(ref)
	forever.clock.add(1000 * 24 * time.Hour)
	require.NoError(t, forever.box.RunOnce(t.Context()))
	forever.get(id)
}

func TestBackgroundWorkIsTriedAgainWhenTheStoreFails(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, Options{})
		w.desk.now = time.Now
		s := &flaky{Memory: w.store, down: true}
		box := w.another(Options{Now: time.Now}, w.desk, s, w.key)
		_, err := box.AddNote(t.Context(), ref, psa.Note{Text: "x"})
		require.NoError(t, err)
		require.Error(t, box.RunOnce(t.Context()))
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- box.Run(ctx) }()
		time.Sleep(time.Hour)
		s.set(false)
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		require.Len(t, w.desk.texts(ref), 1)
		cancel()
		require.NoError(t, <-done)
	})
}

type flaky struct {
	*Memory
	mu   sync.Mutex
	down bool
}

func (f *flaky) set(down bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.down = down
}

func (f *flaky) err() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.down {
		return errors.New("no connection")
	}
	return nil
}

func (f *flaky) Due(ctx context.Context, now time.Time, limit int) ([]mspkit.Stream, error) {
	if err := f.err(); err != nil {
		return nil, err
	}
	return f.Memory.Due(ctx, now, limit)
}

func (f *flaky) Events(ctx context.Context, limit int) ([]Event, error) {
	if err := f.err(); err != nil {
		return nil, err
	}
	return f.Memory.Events(ctx, limit)
}

func TestATicketWithManyNotesMakesRoomForOthers(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Options{})
	for range maxDrain + 1 {
		w.add(ref, psa.Note{Text: "x"})
	}
	require.Equal(t, w.clock.Now(), w.drain(ref), "it comes back at once, behind what waits")
	require.Len(t, w.desk.texts(ref), maxDrain)
	require.Empty(t, w.store.streams[StreamOf(ref)].holder, "and another worker may take it")
	require.Zero(t, w.drain(ref))
	require.Len(t, w.desk.texts(ref), maxDrain+1)
}

func TestARecorderHasAsLongAsATry(t *testing.T) {
	t.Parallel()
	var left time.Duration
	w := newWorld(t, Options{TryTimeout: time.Minute, Recorder: RecorderFunc(func(ctx context.Context, _ Event) error {
		end, ok := ctx.Deadline()
		require.True(t, ok)
		left = time.Until(end)
		return nil
	})})
	w.add(ref, psa.Note{Text: "x"})
	w.finish(ref)
	w.record()
	require.Positive(t, left)
	require.LessOrEqual(t, left, time.Minute)
}

// wakes counts.
type wakes struct{ n int }

func (w *wakes) Wake(context.Context, mspkit.Stream, time.Time) error { w.n++; return nil }
func (*wakes) Handle(string, mspkit.Drain) error                      { return nil }
func (*wakes) Run(context.Context) error                              { return nil }

func TestAProcessThatOnlyAcceptsDoesNotFillALoop(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Options{})
	q := &wakes{}
	w.box.loop, w.box.queue = q, q
	w.add(ref, psa.Note{Text: "x"})
	require.Zero(t, q.n)
	w.box.running.Store(true)
	w.add(ref, psa.Note{Text: "x"})
	require.Equal(t, 1, q.n)
}
