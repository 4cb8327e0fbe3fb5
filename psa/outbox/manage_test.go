package outbox

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/psa"
)

func TestARefusedNoteIsADeadLetterAndTheNextOneGoesOn(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Options{})
	w.desk.script(answer{err: &psa.Error{System: "connectwise", Op: "add note", Status: 400, Err: psa.ErrClosed, MergedInto: "815", Message: mspkit.Redact(secretText)}})
	first := w.add(ref, secretNote())
	w.add(ref, psa.Note{Text: "two"})
	w.finish(ref)
	require.Equal(t, []string{"two"}, bares(w.desk.texts(ref)))

	dead, err := w.box.List(t.Context(), Filter{Tenant: ref.Tenant, State: Dead})
	require.NoError(t, err)
	require.Len(t, dead, 1)
	e := dead[0]
	require.Equal(t, first, e.ID)
	require.Equal(t, "psa: connectwise: add note: the ticket is closed or merged (status 400); the ticket was merged into 815", e.Fault)
	require.Equal(t, w.clock.Now(), e.EndedAt)
	require.Nil(t, e.Sealed)
	require.Nil(t, e.Key)
	requireNoSecret(t, fmt.Sprintf("%+v", e))
	n, err := w.box.Text(t.Context(), ref.Tenant, first)
	require.NoError(t, err)
	require.Equal(t, secretNote(), n, "an administrator can read it")

	w.add(ref, psa.Note{Text: "three"})
	require.NoError(t, w.box.Replay(t.Context(), ref.Tenant, first, "jane"))
	require.ErrorIs(t, w.box.Replay(t.Context(), ref.Tenant, first, "jane"), ErrState)
	require.Greater(t, w.get(first).Seq, e.Seq+2)
	w.finish(ref)
	require.Equal(t, []string{"two", "three", secretText}, bares(w.desk.texts(ref)), "it comes at the end")
	require.ErrorIs(t, w.box.Replay(t.Context(), ref.Tenant, first, "jane"), ErrState)
	require.ErrorIs(t, w.box.Drop(t.Context(), ref.Tenant, first, "jane"), ErrState)
	_, err = w.box.Text(t.Context(), ref.Tenant, first)
	require.ErrorIs(t, err, ErrState)

	w.record()
	require.Equal(t, []EventKind{EventDead, EventDelivered, EventReplayed, EventDelivered, EventDelivered}, w.events.kinds())
	require.Equal(t, "jane", w.events.list[2].By)
	require.Equal(t, e.Fault, w.events.list[0].Fault)
	requireNoSecret(t, fmt.Sprintf("%+v", w.events.list))
	requireNoSecret(t, w.logs.String())
}

func TestANoteCanBeGivenUp(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Options{})
	w.desk.script(answer{err: fault(psa.ErrValidation)}, answer{err: fault(psa.ErrForbidden)})
	dead := w.add(ref, psa.Note{Text: "dead"})
	waits := w.add(ref, psa.Note{Text: "waits"})
	w.drain(ref)
	for _, id := range []string{dead, waits} {
		require.NoError(t, w.box.Drop(t.Context(), ref.Tenant, id, "jane"))
		e := w.get(id)
		require.Equal(t, Dropped, e.State)
		_, err := w.box.Text(t.Context(), ref.Tenant, id)
		require.ErrorIs(t, err, ErrState)
		stored, err := w.store.Get(t.Context(), ref.Tenant, id)
		require.NoError(t, err)
		require.Nil(t, stored.Sealed)
	}
	w.finish(ref)
	require.Empty(t, w.desk.texts(ref))
	w.record()
	require.Equal(t, []EventKind{EventDead, EventDropped, EventDropped}, w.events.kinds())

	tried := w.add(ref, psa.Note{Text: "tried"})
	w.desk.answers(func(psa.TicketRef, psa.Note) answer {
		require.ErrorIs(t, w.box.Drop(t.Context(), ref.Tenant, tried, "jane"), ErrState, "it may be there in a moment")
		return answer{written: true}
	})
	w.finish(ref)
	require.Equal(t, Delivered, w.get(tried).State)
}

func TestManagingAsksForWhatItNeeds(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Options{})
	id := w.add(ref, psa.Note{Text: "x"})
	for _, by := range []string{"", " ", "a\nb", strings.Repeat("x", 200), "\xff"} {
		require.ErrorIs(t, w.box.Replay(t.Context(), ref.Tenant, id, by), mspkit.ErrInvalid)
		require.ErrorIs(t, w.box.Drop(t.Context(), ref.Tenant, id, by), mspkit.ErrInvalid)
	}
	for _, f := range []Filter{{State: "gone"}, {Limit: -1}, {Limit: 501}, {Tenant: "\n"}} {
		_, err := w.box.List(t.Context(), f)
		require.ErrorIs(t, err, mspkit.ErrInvalid)
	}
	require.ErrorIs(t, w.box.Replay(t.Context(), ref.Tenant, id, "jane"), ErrState)
	_, err := w.box.Get(t.Context(), "fabrikam", id)
	require.ErrorIs(t, err, ErrNotFound, "another tenant has no such note")
	_, err = w.box.Text(t.Context(), "fabrikam", id)
	require.ErrorIs(t, err, ErrNotFound)
	require.ErrorIs(t, w.box.Drop(t.Context(), "fabrikam", id, "jane"), ErrNotFound)
	require.ErrorIs(t, w.box.Replay(t.Context(), "fabrikam", id, "jane"), ErrNotFound)
}

func TestANoteIsGivenUpForItsAgeAfterTenTries(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Options{Breaker: Breaker{Failures: -1}})
	down := answer{err: fault(psa.ErrUnavailable)}
	w.desk.answers(func(psa.TicketRef, psa.Note) answer { return down })
	id := w.add(ref, psa.Note{Text: "x"})
	w.clock.add(8 * 24 * time.Hour) // nobody drained it
	w.finish(ref)
	require.Equal(t, Dead, w.get(id).State)
	require.Equal(t, 10, w.desk.tries())
	require.Contains(t, w.get(id).Fault, "given up for its age")

	require.NoError(t, w.box.Replay(t.Context(), ref.Tenant, id, "jane"))
	w.finish(ref)
	require.Equal(t, Dead, w.get(id).State)
	require.Equal(t, 20, w.desk.tries())

	require.NoError(t, w.box.Replay(t.Context(), ref.Tenant, id, "jane"))
	w.desk.answers(nil)
	w.finish(ref)
	require.Equal(t, Delivered, w.get(id).State)

	fresh := w.add(ref, psa.Note{Text: "y"})
	w.desk.answers(func(psa.TicketRef, psa.Note) answer { return down })
	for began := w.clock.Now(); w.clock.Now().Sub(began) < 7*24*time.Hour-10*time.Minute; {
		w.clock.to(w.drain(ref))
	}
	require.Equal(t, Pending, w.get(fresh).State)
	w.finish(ref)
	require.Equal(t, Dead, w.get(fresh).State)

	forever := newWorld(t, Options{Breaker: Breaker{Failures: -1}, MaxAge: -1})
	forever.desk.answers(func(psa.TicketRef, psa.Note) answer { return down })
	id = forever.add(ref, psa.Note{Text: "x"})
	forever.clock.add(time.Hour * 24 * 365)
	for range 20 {
		forever.clock.to(forever.drain(ref))
	}
	require.Equal(t, Pending, forever.get(id).State)
}

func TestAnUnclearNoteIsLookedUpBeforeItIsGivenUp(t *testing.T) {
	t.Parallel()
	for _, last := range []answer{{err: ambiguous}, {written: true, err: ambiguous}} {
		t.Run(fmt.Sprint("written ", last.written), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, Options{Breaker: Breaker{Failures: -1}})
			tries := 0
			w.desk.answers(func(psa.TicketRef, psa.Note) answer {
				if tries++; tries == 10 {
					return last
				}
				return answer{err: ambiguous}
			})
			id := w.add(ref, psa.Note{Text: "x"})
			w.clock.add(8 * 24 * time.Hour)
			w.finish(ref)
			if last.written {
				require.Equal(t, Delivered, w.get(id).State)
				return
			}
			e := w.get(id)
			require.Equal(t, Dead, e.State)
			require.True(t, e.Unclear)
			require.Contains(t, e.Fault, "it is not in the ticket")
		})
	}
	t.Run("and given up where the listing fails as well", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, Options{Breaker: Breaker{Failures: -1}})
		w.desk.answers(func(psa.TicketRef, psa.Note) answer { return answer{written: true, err: ambiguous} })
		w.desk.lists(func(psa.TicketRef) error { return fault(psa.ErrUnavailable) })
		id := w.add(ref, psa.Note{Text: "x"})
		w.clock.add(8 * 24 * time.Hour)
		w.finish(ref)
		require.Equal(t, Dead, w.get(id).State)
		w.desk.lists(nil)
		require.NoError(t, w.box.Replay(t.Context(), ref.Tenant, id, "jane"))
		w.finish(ref)
		require.Equal(t, Delivered, w.get(id).State)
		require.Len(t, w.desk.texts(ref), 1, "the replay looked first")
	})
}

func TestHealthTellsWhatWaitsAndWhatIsDown(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Options{Breaker: Breaker{Failures: 1, Open: time.Minute}})
	w.desk.script(answer{err: fault(psa.ErrValidation)}, answer{err: fault(psa.ErrUnavailable)})
	began := w.clock.Now()
	w.add(ref, psa.Note{Text: "dead"})
	w.add(ref, psa.Note{Text: "waits"})
	w.drain(ref)
	h, err := w.box.Health(t.Context())
	require.NoError(t, err)
	require.Equal(t, Health{
		Counts: Counts{Pending: 1, Dead: 1, Oldest: began},
		Open: []OpenBreaker{{
			Tenant: "contoso", System: "connectwise", Until: began.Add(time.Minute), Failures: 1,
			Fault: "psa: connectwise: add note: the ticket system does not answer",
		}},
	}, h)
	c, err := w.box.Count(t.Context(), "fabrikam")
	require.NoError(t, err)
	require.Equal(t, Counts{}, c)
	w.finish(ref)
	h, err = w.box.Health(t.Context())
	require.NoError(t, err)
	require.Equal(t, Health{Counts: Counts{Dead: 1}}, h)
}

func TestKeysCanBeRotatedWhileNotesWait(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Options{})
	w.desk.script(answer{written: true, err: ambiguous}, answer{err: fault(psa.ErrValidation)})
	w.add(ref, psa.Note{Text: "one"})
	w.clock.to(w.drain(ref)) // unclear: its marker is in the ticket
	for i := range 150 {
		w.add(psa.TicketRef{Tenant: "fabrikam", Ticket: mspkit.Ticket{ID: strconv.Itoa(i)}}, psa.Note{Text: "waits"})
	}
	k2 := mspkit.NewKey("k2")
	both := w.another(Options{}, w.desk, w.store, k2, w.key)
	n, err := both.Rewrap(t.Context())
	require.NoError(t, err)
	require.Equal(t, 151, n)
	n, err = both.Rewrap(t.Context())
	require.NoError(t, err)
	require.Zero(t, n)

	alone := w.another(Options{}, w.desk, w.store, k2)
	again, err := alone.Drain(t.Context(), StreamOf(ref))
	require.NoError(t, err)
	require.Zero(t, again)
	require.Equal(t, []string{"one"}, bares(w.desk.texts(ref)), "the marker did not change with the key")
}

func TestANoteWhoseKeyIsMissingWaitsAndOneThatWasAlteredIsDead(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Options{})
	id := w.add(ref, psa.Note{Text: "x"})
	stranger := w.another(Options{}, w.desk, w.store, mspkit.NewKey("k2"))
	again, err := stranger.Drain(t.Context(), StreamOf(ref))
	require.NoError(t, err)
	require.False(t, again.IsZero())
	require.Contains(t, w.get(id).Fault, "the key ring does not hold")
	_, err = stranger.Text(t.Context(), ref.Tenant, id)
	require.ErrorIs(t, err, mspkit.ErrUnknownKey)
	_, err = stranger.Rewrap(t.Context())
	require.ErrorIs(t, err, mspkit.ErrUnknownKey)
	w.clock.to(again)
	w.finish(ref)
	require.Equal(t, Delivered, w.get(id).State)

	id = w.add(ref, psa.Note{Text: "x"})
	w.store.entries[memoryID{ref.Tenant, id}].Sealed[30] ^= 1
	w.finish(ref)
	require.Equal(t, Dead, w.get(id).State)
	require.Contains(t, w.get(id).Fault, "altered")
}

func TestWhatIsListedIsWithoutTheSealedTextAndTheKey(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Options{})
	e := w.get(w.add(ref, secretNote()))
	require.Empty(t, e.Sealed)
	require.Empty(t, e.Key)
	list, err := w.box.List(t.Context(), Filter{Tenant: ref.Tenant})
	require.NoError(t, err)
	require.Equal(t, []Entry{e}, list)
}

func TestANoteMovedToAnotherTenantDoesNotOpen(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Options{})
	e, err := w.store.Get(t.Context(), ref.Tenant, w.add(ref, secretNote()))
	require.NoError(t, err)
	e.Tenant = "fabrikam"
	_, err = w.box.secrets.open(e)
	require.Error(t, err)
}

func TestAnErrorWithoutWordsOfOursSaysNothingOfTheNote(t *testing.T) {
	t.Parallel()
	for _, err := range []error{errBare, fmt.Errorf("%s: %w", secretText, psa.ErrForbidden), fmt.Errorf("%s: %w", secretText, psa.ErrNotFound), errors.New(secretText)} {
		w := newWorld(t, Options{})
		w.desk.script(answer{err: err}, answer{panics: secretText}, answer{panics: errBare})
		id := w.add(ref, secretNote())
		for range 4 {
			w.clock.to(w.drain(ref))
			requireNoSecret(t, w.get(id).Fault)
		}
		w.record()
		requireNoSecret(t, fmt.Sprintf("%+v", w.events.list))
		requireNoSecret(t, w.logs.String())
	}
	long := fault(psa.ErrForbidden)
	long.Advice = strings.Repeat("ä", 5000)
	require.LessOrEqual(t, len(faultOf(long)), maxFault+len("…"))
}
