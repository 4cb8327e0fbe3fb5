package outbox

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/psa"
)

// The model: whatever goes wrong between, in the end each ticket has exactly the notes that were accepted for it, in order,
// but for those that were dropped or came back by a replay.
func TestNNotesInAreNNotesOut(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		w := newWorldWith(t, Options{Breaker: Breaker{Failures: 3}}, func(d *desk) psa.TicketNoter { d.limit = 150; return limited{d} })
		lost := false // the process dies before it stores the outcome
		dying := &slowStore{Memory: w.store, finish: func() error {
			if lost {
				return errBare
			}
			return nil
		}}
		boxes := []*Outbox{w.box, w.another(Options{Breaker: Breaker{Failures: -1}}, limited{w.desk}, dying, w.key)}
		kinds := []answer{
			{written: true},
			{err: fault(psa.ErrUnavailable)},
			{err: fault(psa.ErrForbidden)},
			{err: fault(psa.ErrRateLimited)},
			{err: ambiguous},
			{err: ambiguous, written: true},
			{err: ambiguous, late: true},
			{err: errBare},
			{err: errBare, written: true},
			{panics: "x"},
			{panics: "x", written: true},
		}
		w.desk.answers(func(psa.TicketRef, psa.Note) answer { return rapid.SampledFrom(kinds).Draw(rt, "answer") })
		w.desk.lists(func(psa.TicketRef) error {
			if rapid.IntRange(0, 4).Draw(rt, "list") == 0 {
				return errBare
			}
			return nil
		})
		type copied struct {
			at psa.TicketRef
			n  psa.WrittenNote
		}
		var copies []copied
		want := map[psa.TicketRef][]string{}
		keys := map[string]string{}
		tickets := []psa.TicketRef{ticketN(0), ticketN(1), {Tenant: "fabrikam", Ticket: ticketN(0).Ticket}}
		n := 0
		rt.Repeat(map[string]func(*rapid.T){
			"add": func(rt *rapid.T) {
				at := rapid.SampledFrom(tickets).Draw(rt, "ticket")
				n++
				text, key := fmt.Sprintf("note %d", n), fmt.Sprintf("key %d", n)
				if rapid.IntRange(0, 9).Draw(rt, "long") == 0 {
					for len(text) < 300 {
						text += fmt.Sprintf(" and word %d", len(text))
					}
				}
				id, err := boxes[n%2].AddNote(t.Context(), at, psa.Note{Text: text, Key: key})
				require.NoError(rt, err)
				e, err := w.store.Get(t.Context(), at.Tenant, id)
				require.NoError(rt, err)
				p, err := w.box.secrets.open(e)
				require.NoError(rt, err)
				for i := range p.Markers {
					want[at] = append(want[at], p.note(i, id).Text)
				}
				keys[string(at.Tenant)+key] = id
				again, err := boxes[(n+1)%2].AddNote(t.Context(), at, psa.Note{Text: text, Key: key})
				require.NoError(rt, err)
				require.Equal(rt, id, again)
			},
			"drain": func(rt *rapid.T) {
				box := boxes[rapid.IntRange(0, 1).Draw(rt, "instance")]
				_, err := box.Drain(t.Context(), StreamOf(rapid.SampledFrom(tickets).Draw(rt, "ticket")))
				require.NoError(rt, err)
			},
			"die": func(rt *rapid.T) {
				lost = true
				defer func() { lost = false }()
				_, _ = boxes[1].Drain(t.Context(), StreamOf(rapid.SampledFrom(tickets).Draw(rt, "ticket")))
			},
			"wait": func(rt *rapid.T) {
				w.clock.add(time.Duration(rapid.IntRange(1, 9).Draw(rt, "seconds")) * time.Second)
				w.desk.flush() // late, and within Settle
			},
			"wait long": func(*rapid.T) { w.desk.flush(); w.clock.add(2 * time.Minute) },
			"copy": func(rt *rapid.T) { // a customer answers with our last note, marker and all
				at := rapid.SampledFrom(tickets).Draw(rt, "ticket")
				w.desk.mu.Lock()
				defer w.desk.mu.Unlock()
				if list := w.desk.notes[at]; len(list) > 0 {
					c := list[len(list)-1]
					c.Ours, c.ID = false, "copy"
					copies = append(copies, copied{at, c})
					w.desk.notes[at] = append(list, c)
				}
			},
		})
		// Everything works again.
		w.desk.flush()
		w.desk.answers(nil)
		w.desk.lists(nil)
		for range 50 {
			w.clock.add(5 * time.Minute)
			require.NoError(rt, boxes[1].RunOnce(t.Context()))
		}
		for _, at := range tickets {
			var got []string
			for _, n := range w.desk.notes[at] {
				if n.Ours {
					got = append(got, n.Text)
				}
			}
			require.Equal(rt, want[at], got)
		}
		c, err := w.box.Count(t.Context(), "")
		require.NoError(rt, err)
		require.Equal(rt, Counts{}, c)
		delivered := map[string]int{}
		for _, ev := range w.events.list {
			require.Equal(rt, EventDelivered, ev.Kind)
			delivered[ev.Note]++
		}
		require.Len(rt, delivered, n)
		for _, id := range keys {
			require.Equal(rt, 1, delivered[id])
		}
		require.NotContains(rt, w.logs.String(), "[ref ")
	})
}

// TestDeadLettersTakeNothingWithThem is the same with refusals: what is replayed comes out once too, at the end.
func TestDeadLettersTakeNothingWithThem(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		w := newWorld(t, Options{Breaker: Breaker{Failures: -1}})
		kinds := []answer{{written: true}, {err: fault(psa.ErrValidation)}, {err: ambiguous}, {err: ambiguous, written: true}, {err: fault(psa.ErrNotFound)}}
		w.desk.answers(func(psa.TicketRef, psa.Note) answer { return rapid.SampledFrom(kinds).Draw(rt, "answer") })
		dropped := map[string]bool{}
		var all []string
		rt.Repeat(map[string]func(*rapid.T){
			"add": func(*rapid.T) {
				text := fmt.Sprintf("note %d", len(all))
				all = append(all, w.add(ref, psa.Note{Text: text}))
			},
			"drain": func(*rapid.T) { w.drain(ref) },
			"wait":  func(*rapid.T) { w.clock.add(time.Minute) },
			"once":  func(rt *rapid.T) { require.NoError(rt, w.box.RunOnce(t.Context())) },
			"replay": func(rt *rapid.T) {
				someDead(rt, w, func(id string) { require.NoError(rt, w.box.Replay(t.Context(), ref.Tenant, id, "jane")) })
			},
			"drop one": func(rt *rapid.T) {
				someDead(rt, w, func(id string) {
					require.NoError(rt, w.box.Drop(t.Context(), ref.Tenant, id, "jane"))
					dropped[id] = true
				})
			},
		})
		w.desk.answers(nil)
		for range 3 {
			list, err := w.box.List(t.Context(), Filter{State: Dead, Limit: MaxPage})
			require.NoError(rt, err)
			for _, e := range list {
				require.NoError(rt, w.box.Replay(t.Context(), ref.Tenant, e.ID, "jane"))
			}
			for range 10 {
				w.clock.add(5 * time.Minute)
				require.NoError(rt, w.box.RunOnce(t.Context()))
			}
		}
		count := map[string]int{}
		for _, s := range bares(w.desk.texts(ref)) {
			count[s]++
		}
		for i, id := range all {
			text := fmt.Sprintf("note %d", i)
			if dropped[id] {
				require.LessOrEqual(rt, count[text], 1) // it may have been unclear
				continue
			}
			require.Equal(rt, 1, count[text])
			e, err := w.box.Get(t.Context(), ref.Tenant, id)
			require.NoError(rt, err)
			require.Equal(rt, Delivered, e.State)
		}
	})
}

func someDead(rt *rapid.T, w *world, f func(id string)) {
	list, err := w.box.List(w.t.Context(), Filter{Tenant: ref.Tenant, State: Dead})
	require.NoError(rt, err)
	if len(list) > 0 {
		f(rapid.SampledFrom(list).Draw(rt, "dead").ID)
	}
}

var _ mspkit.Drain = (*Outbox)(nil).Drain
