package outbox

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/psa"
)

func TestASystemThatIsDownIsLeftAloneAndTheOthersGoOn(t *testing.T) {
	t.Parallel()
	for name, err := range map[string]error{"down": fault(psa.ErrUnavailable), "credentials": fault(psa.ErrUnauthorized), "unclear": ambiguous} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, Options{Breaker: Breaker{Failures: 3, Open: time.Minute}})
			halo := psa.TicketRef{Tenant: ref.Tenant, Ticket: mspkit.Ticket{System: "halopsa", ID: "1"}}
			fabrikam := psa.TicketRef{Tenant: "fabrikam", Ticket: ref.Ticket}
			w.desk.answers(func(at psa.TicketRef, _ psa.Note) answer {
				if at.Tenant == ref.Tenant && at.Ticket.System == ref.Ticket.System {
					return answer{err: err}
				}
				return answer{written: true}
			})
			tickets := make([]psa.TicketRef, 5)
			for i := range tickets {
				tickets[i] = psa.TicketRef{Tenant: ref.Tenant, Ticket: mspkit.Ticket{System: ref.Ticket.System, ID: string(rune('a' + i))}}
				w.add(tickets[i], psa.Note{Text: "x"})
			}
			began := w.clock.Now()
			for _, at := range tickets[:3] {
				w.drain(at)
			}
			require.Equal(t, 3, w.desk.tries())
			for _, at := range tickets[3:] {
				require.Equal(t, began.Add(time.Minute), w.drain(at), "it comes back when the breaker lets it")
			}
			require.Equal(t, 3, w.desk.tries(), "nothing more is sent")
			for _, at := range []psa.TicketRef{halo, fabrikam} {
				w.add(at, psa.Note{Text: "x"})
				w.finish(at)
				require.Len(t, w.desk.texts(at), 1)
			}

			// One probe goes through, and fails.
			w.clock.add(time.Minute)
			tries := w.desk.tries()
			w.drain(tickets[3])
			require.Equal(t, tries+1, w.desk.tries())
			require.Equal(t, w.clock.Now().Add(time.Minute), w.drain(tickets[4]))

			// One goes through, and while it is on its way no other; then all do.
			w.clock.add(time.Minute)
			w.desk.answers(func(psa.TicketRef, psa.Note) answer {
				w.desk.answers(nil)
				require.Equal(t, w.clock.Now().Add(probeWait), w.drain(tickets[3]))
				return answer{written: true}
			})
			w.drain(tickets[4])
			require.Empty(t, w.box.gates.open(w.clock.Now()))
			for _, at := range tickets {
				w.finish(at)
				require.Len(t, w.desk.texts(at), 1)
			}
			require.Empty(t, w.box.gates.all, "nothing is kept of what works")
		})
	}
}

func TestWhatIsOnlyWrongWithOneNoteOpensNoBreaker(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Options{Breaker: Breaker{Failures: 2}})
	down := answer{err: fault(psa.ErrUnavailable)}
	bad := answer{err: fault(psa.ErrValidation)}
	w.desk.script(bad, bad, bad, down, bad, down, bad)
	for range 8 {
		w.add(ref, psa.Note{Text: "x"})
	}
	for range 3 {
		w.drain(ref)
		require.Empty(t, w.box.gates.open(w.clock.Now()))
		w.clock.add(time.Minute)
	}

	never := newWorld(t, Options{Breaker: Breaker{Failures: -1}})
	never.desk.answers(func(psa.TicketRef, psa.Note) answer { return down })
	never.add(ref, psa.Note{Text: "x"})
	for range 20 {
		never.clock.to(never.drain(ref))
		require.Empty(t, never.box.gates.open(never.clock.Now()))
	}
	require.Equal(t, 20, never.desk.tries())
}

func TestAProbeThatFindsNothingToDoIsGivenBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Options{Breaker: Breaker{Failures: 1, Open: time.Minute}})
	w.desk.script(answer{err: fault(psa.ErrUnavailable)})
	w.add(ref, psa.Note{Text: "x"})
	w.drain(ref)
	w.clock.add(time.Minute)
	empty := psa.TicketRef{Tenant: ref.Tenant, Ticket: mspkit.Ticket{System: ref.Ticket.System, ID: "5120"}}
	require.Zero(t, w.drain(empty))
	require.Zero(t, w.drain(ref))
	require.Len(t, w.desk.texts(ref), 1)
}

func TestASystemThatAsksToWaitGetsItsTime(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Options{})
	other := psa.TicketRef{Tenant: ref.Tenant, Ticket: mspkit.Ticket{System: ref.Ticket.System, ID: "5120"}}
	busy := fault(psa.ErrRateLimited)
	busy.RetryAfter = 3 * time.Minute
	w.desk.script(answer{err: busy})
	id := w.add(ref, psa.Note{Text: "x"})
	w.add(other, psa.Note{Text: "x"})
	until := w.clock.Now().Add(3 * time.Minute)
	require.Equal(t, until, w.drain(ref))
	require.False(t, w.get(id).Unclear, "it was refused")
	require.Equal(t, until, w.drain(other), "the limit is the system's, not the ticket's")
	require.Equal(t, 1, w.desk.tries())
	require.Equal(t, []OpenBreaker{{
		Tenant: "contoso", System: "connectwise", Until: until,
		Fault: "psa: connectwise: add note: rate limit reached (asks to wait 3m0s)",
	}}, w.box.gates.open(w.clock.Now()))
	w.clock.to(until)
	w.finish(ref)
	w.finish(other)
	require.Empty(t, w.desk.since)
	require.Len(t, w.desk.texts(ref), 1)
	require.Len(t, w.desk.texts(other), 1)

	// A system that is down may say for how long, of this note only; and nobody is granted a year.
	for err, want := range map[*psa.Error]time.Duration{
		{System: "x", Op: "add note", Err: psa.ErrUnavailable, RetryAfter: 5 * time.Minute}:      5 * time.Minute,
		{System: "x", Op: "add note", Err: psa.ErrRateLimited, RetryAfter: 365 * 24 * time.Hour}: time.Hour,
	} {
		w := newWorld(t, Options{})
		w.desk.script(answer{err: err})
		w.add(ref, psa.Note{Text: "x"})
		require.Equal(t, w.clock.Now().Add(want), w.drain(ref))
	}
}

func TestBackoffDoublesWithJitterUpToItsMost(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Options{Backoff: 2 * time.Second, MaxBackoff: 5 * time.Minute})
	for tries, most := range map[int]time.Duration{
		0: 2 * time.Second, 1: 2 * time.Second, 2: 4 * time.Second, 5: 32 * time.Second, 8: 256 * time.Second,
		9: 5 * time.Minute, 40: 5 * time.Minute, 1 << 20: 5 * time.Minute,
	} {
		seen := map[time.Duration]bool{}
		for range 50 {
			d := w.box.backoff(tries)
			require.LessOrEqual(t, d, most)
			require.Greater(t, d, most/2)
			seen[d] = true
		}
		require.Greater(t, len(seen), 10, "it is spread")
	}
}
