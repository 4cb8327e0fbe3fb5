package kill_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"
	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/it/pgserver"
	"github.com/mspkit/mspkit/psa"
	"github.com/mspkit/mspkit/psa/outbox"
	"github.com/mspkit/mspkit/psa/outbox/sqlstore"
	"github.com/mspkit/mspkit/psa/psatest"
)

type riverTx = pgx.Tx

// mailroom is a ticket system that misbehaves, and workers that are killed while they write notes into it.
type mailroom struct {
	*testing.T
	desk   *psatest.Desk
	server *psatest.Server
	orders outboxOrders

	mu     sync.Mutex
	faults map[string]int
	armed  []func() // kills that wait for a write
	events map[string]outbox.Event
	repeat int
}

func newMailroom(t *testing.T, p place) *mailroom {
	t.Helper()
	m := &mailroom{T: t, desk: psatest.NewDesk(nil), faults: map[string]int{}, events: map[string]outbox.Event{}}
	var err error
	m.server, err = psatest.NewHomegrown(m.desk)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, m.server.Close()) })
	m.desk.SetFault(m.fault)
	m.orders = outboxOrders{Place: p, Desk: m.server.URL, DeskKey: m.server.Key, Ring: mspkit.NewKey("k1").Export().Reveal()}
	require.NoError(t, sqlstore.Migrate(t.Context(), m.orders.Place.db(t, 8), m.orders.Place.dialect(), nil))
	return m
}

// fault is how a request goes wrong, about one in five.
func (m *mailroom) fault(op psatest.Op) psatest.Fault {
	late := rand.N(outboxSettle / 3)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.faults["requests"]++
	if op.Name == psatest.OpListNotes {
		m.faults["looks"]++
	}
	if op.Name == psatest.OpAddNote && len(m.armed) > 0 {
		kill := m.armed[0]
		m.armed = m.armed[1:]
		m.faults["kills in a write"]++
		time.AfterFunc(rand.N(4*time.Millisecond), kill)
		return psatest.Fault{Delay: rand.N(4 * time.Millisecond)}
	}
	hit := func(what string, f psatest.Fault) psatest.Fault {
		m.faults[what]++
		return f
	}
	switch n := rand.IntN(300); {
	case n < 18: // acted, but the answer is lost
		return hit("lost", psatest.Fault{Lost: true})
	case n < 30:
		return hit("cut", psatest.Fault{Cut: true})
	case n < 39: // given up at once, and carried out later
		return hit("late", psatest.Fault{Late: late})
	case n < 45: // too slow, and carried out after it was given up
		return hit("timeouts", psatest.Fault{Delay: outboxTry + late})
	case n < 48:
		return hit("hangs", psatest.Fault{Hang: true})
	case n < 60:
		return hit("500", psatest.Fault{Status: http.StatusInternalServerError, Body: `{"ok":false}`})
	case n < 61: // holds up every ticket for a second
		return hit("429", psatest.Fault{Status: http.StatusTooManyRequests, Header: map[string]string{"Retry-After": "1"}, Body: `{"ok":false}`})
	case n < 150:
		return psatest.Fault{Delay: rand.N(20 * time.Millisecond)}
	}
	return psatest.Fault{}
}

// slot is a place for one worker process after the other.
type slot struct {
	m      *mailroom
	orders outboxOrders // From is the first note of which it is not known that it is in
	want   int          // notes in the end
}

func (m *mailroom) slot(name string, notes int) *slot {
	m.Helper()
	s := &slot{m: m, orders: m.orders, want: notes}
	s.orders.Name = name
	for range max(5, notes/15) {
		s.orders.Tickets = append(s.orders.Tickets, m.desk.PutTicket(psa.Ticket{Title: "Ticket of " + name}).ID)
	}
	return s
}

// spawn starts a worker that adds up to quota notes, and returns it once it works, with a channel that is closed when it
// is gone.
func (s *slot) spawn(quota int) (*exec.Cmd, <-chan struct{}, error) {
	o := s.orders
	o.Quota = min(quota, s.want-o.From)
	b, err := json.Marshal(o)
	if err != nil {
		return nil, nil, err
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestOutboxChild$", "-test.v")
	cmd.Env = append(os.Environ(), outboxChildEnv+"="+string(b))
	if _, err = cmd.StdinPipe(); err != nil { // its end is this process' end
		return nil, nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, nil, err
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		return nil, nil, err
	}
	ready, gone := make(chan struct{}), make(chan struct{})
	var said []string
	go func() {
		defer close(gone)
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			what, value, _ := strings.Cut(lines.Text(), " ")
			switch what {
			case "ready":
				close(ready)
			case "in":
				_ = json.Unmarshal([]byte(value), &s.orders.From)
				s.orders.From++
			case "event":
				s.m.event([]byte(value))
			default:
				said = append(said, lines.Text())
			}
		}
		_ = cmd.Wait() // it was killed
	}()
	select {
	case <-ready:
		return cmd, gone, nil
	case <-gone:
		return nil, nil, fmt.Errorf("a worker does not start: %s", said)
	}
}

func (m *mailroom) event(b []byte) {
	var e outbox.Event
	if json.Unmarshal(b, &e) != nil {
		return // a line of a process that was killed in it
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, ok := m.events[e.ID]; ok {
		m.repeat++
	}
	m.events[e.ID] = e
}

// killed runs workers that are killed, each after it had the time for some notes.
func (s *slot) killed(kills int) error {
	for range kills {
		cmd, gone, err := s.spawn(1 + rand.IntN(2*s.want/kills))
		if err != nil {
			return err
		}
		kill := func() { _ = cmd.Process.Kill() }
		after := rand.N(500 * time.Millisecond)
		if rand.IntN(3) == 0 { // in the middle of a write, if there is one
			s.m.mu.Lock()
			s.m.armed = append(s.m.armed, kill)
			s.m.mu.Unlock()
			after += 500 * time.Millisecond
		}
		select {
		case <-gone:
		case <-time.After(after):
			kill()
			<-gone
		}
	}
	return nil
}

// run kills workers in all slots at once, and then lets some live until everything is delivered. It returns how many
// notes are in the ticket system twice.
func (m *mailroom) run(kills int, slots ...*slot) (twice int) {
	m.Helper()
	start := time.Now()
	var wg sync.WaitGroup
	failed := make([]error, len(slots))
	for i, s := range slots {
		wg.Go(func() { failed[i] = s.killed(kills / len(slots)) })
	}
	wg.Wait()
	m.mu.Lock()
	m.armed = nil
	m.mu.Unlock()
	for i, s := range slots {
		require.NoError(m, failed[i])
		cmd, gone, err := s.spawn(s.want)
		require.NoError(m, err)
		m.Cleanup(func() { _ = cmd.Process.Kill(); <-gone })
	}
	dying := time.Since(start)
	store, err := sqlstore.New(m.orders.Place.db(m.T, 8), m.orders.Place.dialect(), nil)
	require.NoError(m, err)
	want := 0
	for _, s := range slots {
		want += s.want
	}
	told := func() int {
		m.mu.Lock()
		defer m.mu.Unlock()
		return len(m.events)
	}
	var counts outbox.Counts
	require.Eventually(m, func() bool {
		counts, err = store.Count(m.Context(), "")
		require.NoError(m, err)
		return counts.Pending == 0 && told() >= want
	}, 2*time.Minute, 50*time.Millisecond, "notes wait for ever, or their events: %d of %d", told(), want)
	require.Zero(m, counts.Dead)
	require.Equal(m, want, told())
	for _, s := range slots {
		require.Equal(m, s.want, s.orders.From)
		twice += m.inOrder(s)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.Logf("%d kills in %s, done after %s: %d notes in, %d out, %d of them twice, %d events repeated; faults: %v",
		kills, dying.Round(time.Second/10), time.Since(start).Round(time.Second/10), want, want, twice, m.repeat, m.faults)
	return twice
}

var headOrTail = regexp.MustCompile(`(?:^|\n)(note|tail) (\w+-\d+)`)

// inOrder checks that the notes of a slot are in its tickets, all of them, each part once and in order, and returns how
// many parts are there more than once.
func (m *mailroom) inOrder(s *slot) (twice int) {
	m.Helper()
	for i, id := range s.orders.Tickets {
		var want, got []string
		for n := i; n < s.want; n += len(s.orders.Tickets) {
			key := s.orders.note(n).Key
			want = append(want, "note "+key, "tail "+key)
		}
		seen := map[string]bool{}
		for _, n := range m.desk.Notes(id) {
			if seen[n.Text] { // markers make texts different
				twice++
				continue
			}
			seen[n.Text] = true
			for _, found := range headOrTail.FindAllStringSubmatch(n.Text, -1) {
				got = append(got, found[1]+" "+found[2])
			}
		}
		require.Equal(m, want, got, "a note is missing or out of order in ticket %s", id)
	}
	return twice
}

func outboxKills() int {
	if os.Getenv("MSPKIT_SOAK") != "" {
		return 200
	}
	return 15
}

func sqliteMailroom(t *testing.T) *mailroom {
	t.Helper()
	return newMailroom(t, place{
		Kind: "sqlite", Address: "file:" + filepath.Join(t.TempDir(), "test.db") + "?_pragma=journal_mode(WAL)&_pragma=synchronous(NORMAL)&_pragma=busy_timeout(5000)",
	})
}

// TestNotesArriveOnceThoughTheirWorkerIsKilledOnSQLite kills the one worker process 15 times, with MSPKIT_SOAK=1 200
// times, while it writes notes into a ticket system that times out, loses answers and acts late.
func TestNotesArriveOnceThoughTheirWorkerIsKilledOnSQLite(t *testing.T) {
	t.Parallel()
	m := sqliteMailroom(t)
	s := m.slot("a", outboxKills()*5)
	require.Zero(t, m.run(outboxKills(), s), "notes are there twice")
}

// TestTheseKillsAndFaultsWriteTwiceWhereNobodyLooks shows that the other tests could fail: with a ticket system that
// cannot be asked, notes are there twice.
func TestTheseKillsAndFaultsWriteTwiceWhereNobodyLooks(t *testing.T) {
	t.Parallel()
	m := sqliteMailroom(t)
	m.orders.Blind = true
	s := m.slot("a", 60)
	require.NotZero(t, m.run(5, s), "the kills and faults are too weak to show anything")
}

// TestNotesArriveOnceThoughTwoWorkersAreKilledOnPostgres is the same with two worker processes at a time, on River.
func TestNotesArriveOnceThoughTwoWorkersAreKilledOnPostgres(t *testing.T) {
	t.Parallel()
	server := pgserver.New(t)
	m := newMailroom(t, place{Kind: "postgres", Address: server.URL()})
	pool, err := pgxpool.New(t.Context(), server.URL())
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	migrator, err := rivermigrate.New(riverpgxv5.New(pool), &rivermigrate.Config{Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	_, err = migrator.Migrate(t.Context(), rivermigrate.DirectionUp, nil)
	require.NoError(t, err)
	// A machine that lives does River's housekeeping, and rescues jobs; those that die have no time for it.
	_, client := riverClient(t, server.URL(), "other")
	require.NoError(t, client.Start(t.Context()))
	t.Cleanup(func() { <-client.Stopped() })

	a, b := m.slot("a", outboxKills()*5/2), m.slot("b", outboxKills()*5/2)
	require.Zero(t, m.run(outboxKills(), a, b), "notes are there twice")
	rows, err := pool.Query(t.Context(), `SELECT state || ' ' || count(*) FROM river_job GROUP BY state ORDER BY state`)
	require.NoError(t, err)
	jobs, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	t.Logf("jobs: %v", jobs)
}
