package outbox

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/jobs"
	"github.com/mspkit/mspkit/psa"
)

// namer gives ids as it likes.
type namer struct {
	*desk
	id    string
	found bool // they are told by the listing only
}

func (n namer) AddNote(ctx context.Context, ref psa.TicketRef, note psa.Note) (string, error) {
	if _, err := n.desk.AddNote(ctx, ref, note); err != nil || n.found {
		return "", errors.Join(err, fault(psa.ErrAmbiguousWrite))
	}
	return n.id, nil
}

func (n namer) ListNotes(ctx context.Context, ref psa.TicketRef, since time.Time) ([]psa.WrittenNote, error) {
	list, err := n.desk.ListNotes(ctx, ref, since)
	for i := range list {
		list[i].ID = n.id
	}
	return list, err
}

// What a ticket system calls a note is stored, handed over and shown: it is short and printable, and a note is never lost
// or repeated for it.
func TestAnIDOfATicketSystemIsKeptAsItCanBeShown(t *testing.T) {
	t.Parallel()
	for name, id := range map[string]string{
		"long": strings.Repeat("9", 1<<20), "control": "1\x00\x1b[2J\n2", "order": "1\u202e2\u2066", "broken": "1\xff\xfe2", "none": "\u200b\x00",
		"long and wide": strings.Repeat("界", 1<<10),
	} {
		for _, found := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s found=%v", name, found), func(t *testing.T) {
				t.Parallel()
				w := newWorldWith(t, Options{}, func(d *desk) psa.TicketNoter { return namer{d, id, found} })
				n := w.add(ref, secretNote())
				w.finish(ref)
				w.record()
				e := w.get(n)
				require.Equal(t, Delivered, e.State)
				require.Len(t, e.NoteIDs, 1)
				require.Equal(t, e.NoteIDs, w.events.list[0].NoteIDs)
				requireShown(t, e.NoteIDs[0], mspkit.MaxID)
				require.Equal(t, 1, w.desk.tries())
			})
		}
	}
}

func requireShown(t *testing.T, s string, most int) {
	t.Helper()
	require.NotEmpty(t, s)
	require.LessOrEqual(t, len(s), most)
	require.Equal(t, strings.ToValidUTF8(s, "?"), s)
	require.False(t, strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }), "%q", s)
}

func TestAFaultIsOneLineThatCanBeShown(t *testing.T) {
	t.Parallel()
	for _, s := range []string{"815\r\nlevel=ERROR msg=forged", "\u202ereversed", "\x1b[31m", "a\xff", strings.Repeat("界", 1000)} {
		err := &psa.Error{System: "connectwise", Op: "add note", Err: psa.ErrClosed, MergedInto: s, Code: s, Fields: []string{s}}
		requireShown(t, faultOf(err), maxFault+len("…"))
	}
}

// A tenant whose recorder does not take anything must not keep the events of all others waiting.
func TestATenantWhoseEventsFailDoesNotHoldUpOthers(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Options{})
	for i := range 3*eventPage + 5 {
		r := psa.TicketRef{Tenant: "noisy", Ticket: mspkit.Ticket{System: "connectwise", ID: strconv.Itoa(i)}}
		w.add(r, psa.Note{Text: "x"})
		w.drain(r)
	}
	w.add(ref, secretNote())
	w.drain(ref)
	noisy := 0
	w.events.fail = func(e Event) error {
		if e.Tenant == "noisy" {
			noisy++
			return errors.New("the host cannot")
		}
		return nil
	}
	require.Error(t, w.box.record(t.Context()))
	require.Equal(t, []EventKind{EventDelivered}, w.events.kinds())
	require.Equal(t, 1, noisy, "in order: the later ones wait for the first")
	w.events.fail = nil
	w.record()
	require.Len(t, w.events.kinds(), 3*eventPage+6)
}

// Whoever reads the error and drops the old key must not lose notes that could have been sealed anew.
func TestOneNoteThatDoesNotOpenKeepsNoOtherFromANewKey(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Options{})
	const notes = 2*rewrapPage + 7
	for i := range notes {
		w.add(psa.TicketRef{Tenant: ref.Tenant, Ticket: mspkit.Ticket{System: "connectwise", ID: strconv.Itoa(i)}}, psa.Note{Text: "x"})
	}
	bad := w.add(ref, secretNote())
	e := w.store.entries[memoryID{ref.Tenant, bad}]
	e.Sealed[len(e.Sealed)-1] ^= 1
	both := w.another(Options{}, w.desk, w.store, mspkit.NewKey("k2"), w.key)
	n, err := both.Rewrap(t.Context())
	require.ErrorContains(t, err, bad)
	require.Equal(t, notes, n)
	require.Equal(t, 1, strings.Count(err.Error(), bad), "it is named once")
}

// Whoever takes over looks for what an instance wrote whose clock is ahead.
func TestANoteOfAnInstanceWhoseClockIsAheadIsFound(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Options{Skew: time.Minute})
	ahead := w.another(Options{Skew: time.Minute, Now: func() time.Time { return w.clock.Now().Add(50 * time.Second) }}, w.desk, w.store, w.key)
	w.desk.script(answer{written: true, err: fault(psa.ErrAmbiguousWrite)})
	_, err := ahead.AddNote(t.Context(), ref, secretNote())
	require.NoError(t, err)
	_, err = ahead.Drain(t.Context(), StreamOf(ref))
	require.NoError(t, err)
	w.finish(ref)
	require.Len(t, w.desk.texts(ref), 1)
	require.Equal(t, 1, w.desk.tries())
}

// A ticket system to which nobody writes any more is not said to be down for ever, and names that are none do not fill
// memory.
func TestBreakersThatNobodyAsksForAreForgotten(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Options{})
	gates, now := w.box.gates, w.clock.Now()
	for i := range 3 * manyBreakers {
		now = now.Add(30 * time.Second)
		at := system{"contoso", fmt.Sprint("typed-", i)}
		for range 5 {
			gates.leave(at, fails, "down", time.Time{}, now)
		}
	}
	require.Less(t, len(gates.all), 2*manyBreakers)
	require.NotEmpty(t, gates.open(now))
	until := now.Add(10 * time.Hour)
	gates.leave(system{"contoso", "busy"}, noVerdict, "busy", until, now)
	require.Equal(t, []OpenBreaker{{Tenant: "contoso", System: "busy", Until: until, Fault: "busy"}}, gates.open(now.Add(9*time.Hour)))
	require.Empty(t, gates.open(until.Add(time.Minute)))
	require.Empty(t, gates.all)
}

// emoji writes characters beyond two bytes as their numbers, into notes of at most 2,000 bytes.
type emoji struct {
	*desk
	honest bool
}

func (e emoji) NoteLimit() int {
	if e.honest {
		return 2000 * 2 / 5
	}
	return 2000
}

func (e emoji) AddNote(ctx context.Context, ref psa.TicketRef, n psa.Note) (string, error) {
	n.Text = psa.Plain(n.Text)
	if len(n.Title)+2+len(n.Text) > 2000 {
		return "", fault(psa.ErrTooLong)
	}
	return e.desk.AddNote(ctx, ref, n)
}

// The limit is one for any text: a client that forgets what it makes of a text gets notes that it refuses.
func TestANoteOfEmojiOfExactlyTheLimitArrives(t *testing.T) {
	t.Parallel()
	for _, honest := range []bool{true, false} {
		w := newWorldWith(t, Options{}, func(d *desk) psa.TicketNoter { return emoji{d, honest} })
		limit := emoji{honest: honest}.NoteLimit()
		want := strings.Repeat("\U0001F512", (limit-markerLen)/4)
		id := w.add(ref, psa.Note{Text: want})
		w.finish(ref)
		if !honest {
			require.Equal(t, Dead, w.get(id).State)
			continue
		}
		require.Equal(t, Delivered, w.get(id).State)
		require.Equal(t, psa.Plain(want), bare(w.desk.texts(ref)[0]))
		long := w.add(ref, psa.Note{Title: "T", Text: strings.Repeat(want, 5)})
		w.finish(ref)
		require.Equal(t, Delivered, w.get(long).State)
	}
}

// Who can write into the tables may lose notes, but cannot have one written into another ticket.
func TestANoteThatIsMovedToAnotherTicketInTheStoreDoesNotOpen(t *testing.T) {
	t.Parallel()
	for _, to := range []mspkit.Ticket{{System: "connectwise", ID: "5120"}, {System: "connectwise4", ID: "711"}, {ID: "4711"}} {
		w := newWorld(t, Options{})
		id := w.add(ref, secretNote())
		stream := psa.TicketRef{Tenant: ref.Tenant, Ticket: to}
		e := w.store.entries[memoryID{ref.Tenant, id}]
		e.Ticket = to
		w.store.streams[StreamOf(stream)] = w.store.streams[StreamOf(ref)]
		w.drain(stream)
		require.Equal(t, Dead, w.get(id).State)
		require.Contains(t, w.get(id).Fault, "altered or moved")
		require.Zero(t, w.desk.tries())
		_, err := w.box.Text(t.Context(), ref.Tenant, id)
		require.Error(t, err)
	}
}

// Nor can they have the text of one note arrive as another one, or a worker end in a panic.
func TestANoteThatIsExchangedInTheStoreDoesNotOpen(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Options{})
	a, b := w.add(ref, secretNote()), w.add(ref, psa.Note{Text: "x"})
	x, y := w.store.entries[memoryID{ref.Tenant, a}], w.store.entries[memoryID{ref.Tenant, b}]
	x.Sealed, y.Sealed = y.Sealed, x.Sealed
	parts := w.add(ref, psa.Note{Text: "y"})
	w.store.entries[memoryID{ref.Tenant, parts}].Parts = 2
	w.finish(ref)
	for _, id := range []string{a, b, parts} {
		require.Equal(t, Dead, w.get(id).State)
		require.Contains(t, w.get(id).Fault, "altered or moved")
	}
	require.Zero(t, w.desk.tries())
}

// A client without ids may give back the key, which is to be seen nowhere.
func TestAKeyThatComesBackAsAnIDIsNotKept(t *testing.T) {
	t.Parallel()
	for _, text := range []string{secretText, strings.Repeat("long ", 1000)} {
		w := newWorldWith(t, Options{}, func(d *desk) psa.TicketNoter { return keyed{limited{d}} })
		w.desk.limit = 1000
		id := w.add(ref, psa.Note{Text: text, Key: secretKey})
		w.finish(ref)
		w.record()
		e := w.get(id)
		require.Equal(t, Delivered, e.State)
		requireNoSecret(t, fmt.Sprint(e.NoteIDs, w.events.list))
	}
}

type keyed struct{ limited }

func (k keyed) AddNote(ctx context.Context, ref psa.TicketRef, n psa.Note) (string, error) {
	_, err := k.limited.AddNote(ctx, ref, n)
	return n.Key, err
}

// brokenNext is a store that lists what is due and then fails.
type brokenNext struct {
	*Memory
	asked int
}

func (s *brokenNext) Next(context.Context, mspkit.Stream, string, time.Time, time.Time) (Entry, error) {
	s.asked++
	return Entry{}, errors.New("the database is away")
}

func TestRunOnceEndsWhereTheStoreIsAway(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Options{})
	for i := range 100 {
		w.add(psa.TicketRef{Tenant: ref.Tenant, Ticket: mspkit.Ticket{System: "connectwise", ID: strconv.Itoa(i)}}, psa.Note{Text: "x"})
	}
	store := &brokenNext{Memory: w.store}
	require.ErrorContains(t, w.another(Options{}, w.desk, store, w.key).RunOnce(t.Context()), "the database is away")
	require.Equal(t, jobs.MostFaults, store.asked)
}
