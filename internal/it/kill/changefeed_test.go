package kill_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/graphfake"
	"github.com/mspkit/mspkit/internal/it/pgserver"
	"github.com/mspkit/mspkit/teamsapp/changefeed"
	feedsql "github.com/mspkit/mspkit/teamsapp/changefeed/sqlstore"
)

// exchange is a Graph with two tenants whose people write, and workers behind one URL that are killed while they follow it.
type exchange struct {
	*testing.T
	graph     *graphfake.Server
	tenants   map[mspkit.TenantID]*graphfake.Tenant
	rooms     []room
	notifiers []*graphfake.Notifier
	orders    feedOrders
	journal   *journal
	client    *http.Client
	ahead     atomic.Int64 // of all clocks
	calm      atomic.Bool  // nothing goes wrong any more

	mu       sync.Mutex
	workers  []*worker
	armed    map[string][]func() // kills that wait for something
	counts   map[string]int
	written  map[string]string // what was written, by tenant and path
	accepted map[string]bool   // of what a notification got 202, by tenant and path
}

// room is a place where somebody writes.
type room struct {
	tenant mspkit.TenantID
	graphfake.Message
}

// worker is a process that lives.
type worker struct {
	cmd  *exec.Cmd
	url  string
	gone chan struct{}
}

func newExchange(t *testing.T, p place) *exchange {
	t.Helper()
	x := &exchange{
		T: t, tenants: map[mspkit.TenantID]*graphfake.Tenant{}, armed: map[string][]func(){}, counts: map[string]int{},
		written: map[string]string{}, accepted: map[string]bool{},
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	x.client = &http.Client{Transport: transport, Timeout: 20 * time.Second}
	t.Cleanup(transport.CloseIdleConnections)
	var err error
	x.graph, err = graphfake.Start(&graphfake.Options{
		Now: func() time.Time { return time.Now().Add(time.Duration(x.ahead.Load())) }, TokenTTL: 10_000 * time.Hour, Notifier: x.client,
	})
	require.NoError(t, err)
	t.Cleanup(func() { _ = x.graph.Close() })
	x.graph.SetFault(x.fault)
	front := httptest.NewServer(http.HandlerFunc(x.forward))
	t.Cleanup(front.Close)
	path := filepath.Join(t.TempDir(), "journal")
	x.journal = openJournal(t, path)
	x.orders = feedOrders{
		Place: p, Graph: x.graph.URL(), URL: front.URL + "/graph", Tenants: map[mspkit.TenantID]syncTenant{},
		Follow: map[mspkit.TenantID][]string{}, Ring: mspkit.NewKey("k1").Export().Reveal(), Journal: path,
	}
	for i := range 3 { // which overtake each other
		x.notifiers = append(x.notifiers, x.graph.NewNotifier(graphfake.NotifierOptions{
			App: feedApp, Batch: 8, Backoff: 50 * time.Millisecond, MaxBackoff: time.Second, Twice: i == 1, Shuffle: i == 2, Accepted: x.answered,
		}))
	}
	x.people()
	db := x.orders.Place.db(t, 8)
	require.NoError(t, feedsql.Migrate(t.Context(), db, x.orders.Place.dialect(), nil))
	x.keep(db)
	return x
}

// people fills two tenants. In contoso all chats are followed, and two of them once more by themselves; Graph takes two
// subscriptions to the same there. In fabrikam it is each chat by itself, and a channel without its content.
func (x *exchange) people() {
	follow := func(name mspkit.TenantID, list ...changefeed.Resource) {
		for _, r := range list {
			x.orders.Follow[name] = append(x.orders.Follow[name], r.String())
		}
	}
	for name, chats := range map[mspkit.TenantID]int{"contoso": 6, "fabrikam": 4} {
		t := x.graph.AddTenant("", string(name), string(name)+".example")
		x.tenants[name] = t
		x.orders.Tenants[name] = syncTenant{ID: t.ID, Bearer: x.graph.Bearer(t.ID)}
		t.OnChange(x.changed)
		people := []string{t.Put(graphfake.User{DisplayName: "Ann"}), t.Put(graphfake.User{DisplayName: "Bob"})}
		for i := range chats {
			id := t.AddChat(people[i%2:]...)
			x.rooms = append(x.rooms, room{name, graphfake.Message{Chat: id, From: people[1]}})
			if name == "fabrikam" || i < 2 {
				follow(name, changefeed.Chat(id))
			}
		}
		if name == "contoso" {
			follow(name, changefeed.AllChats())
			t.SetSubscriptionQuirks(graphfake.SubscriptionQuirks{AllowDuplicates: true})
			continue
		}
		team, channel := t.AddTeam()
		x.rooms = append(x.rooms, room{name, graphfake.Message{Team: team, Channel: channel, From: people[0]}})
		follow(name, changefeed.Channel(team, channel))
	}
}

func (x *exchange) note(what string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.counts[what]++
}

// changed gives the notifications of a change to somebody who sends them.
func (x *exchange) changed(c graphfake.Changed) {
	x.notifiers[rand.IntN(len(x.notifiers))].Add(x.graph.Notices(c, feedApp)...)
}

// answered notes what Graph need not repeat.
func (x *exchange) answered(notices []graphfake.Notice) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, n := range notices {
		x.counts["accepted"]++
		if path, ok := n.Item["resource"].(string); ok {
			for name, t := range x.tenants {
				if t.ID == n.Item["tenantId"] {
					x.accepted[string(name)+" "+path] = true
				}
			}
		}
	}
}

// take returns a kill that waits for what has come.
func (x *exchange) take(what string) func() {
	x.mu.Lock()
	defer x.mu.Unlock()
	list := x.armed[what]
	if len(list) == 0 {
		return nil
	}
	x.armed[what] = list[1:]
	return list[0]
}

// fault is how a request to Graph goes wrong, about one in thirty of those about subscriptions. Where a kill waits for one, it
// comes while the answer is on its way or is being stored.
func (x *exchange) fault(r *http.Request) *graphfake.Fault {
	if !strings.Contains(r.URL.Path, "/subscriptions") {
		return nil
	}
	if kill := x.take("subscriptions"); kill != nil {
		x.note("killed in " + r.Method + " subscriptions")
		time.AfterFunc(rand.N(10*time.Millisecond), kill)
		return nil
	}
	if x.calm.Load() {
		return nil
	}
	switch rand.IntN(60) {
	case 0:
		return &graphfake.Fault{Status: http.StatusServiceUnavailable, Code: "serviceNotAvailable"}
	case 1:
		return &graphfake.Fault{Drop: true, After: true}
	}
	return nil
}

// forward is the host's front, which has the requests done by the workers that live.
func (x *exchange) forward(w http.ResponseWriter, r *http.Request) {
	fail := func() { w.WriteHeader(http.StatusBadGateway) }
	body, err := io.ReadAll(r.Body)
	x.mu.Lock()
	workers := slices.Clone(x.workers)
	x.mu.Unlock()
	if err != nil || len(workers) == 0 {
		fail()
		return
	}
	var late func()
	if r.URL.Query().Get("validationToken") == "" {
		switch kill := x.take("post"); {
		case kill == nil:
		case rand.IntN(2) == 0:
			x.note("killed in POST")
			time.AfterFunc(rand.N(8*time.Millisecond), kill)
		default: // what was accepted is not known to be
			x.note("killed before the answer")
			late = kill
		}
	}
	req, err := http.NewRequestWithContext(r.Context(), r.Method, workers[rand.IntN(len(workers))].url+r.URL.RequestURI(), bytes.NewReader(body))
	if err != nil {
		fail()
		return
	}
	req.Header.Set("Content-Type", r.Header.Get("Content-Type"))
	res, err := x.client.Do(req)
	if late != nil {
		late()
	}
	if err != nil {
		fail()
		return
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err != nil || late != nil {
		fail()
		return
	}
	w.Header().Set("Content-Type", res.Header.Get("Content-Type"))
	w.WriteHeader(res.StatusCode)
	_, _ = w.Write(answer)
}

// write has somebody write something somewhere.
func (x *exchange) write(n int) {
	at := x.rooms[rand.IntN(len(x.rooms))]
	at.Content = fmt.Sprint("message ", n)
	t := x.tenants[at.tenant]
	m := t.Post(at.Message)
	x.mu.Lock()
	x.written[string(at.tenant)+" "+m.Path()] = at.Content
	x.mu.Unlock()
	if subs := t.Subscriptions(); len(subs) > 0 {
		s := subs[rand.IntN(len(subs))]
		say := func(event string) {
			x.note(event)
			x.notifiers[0].Add(t.Lifecycle(s, event))
		}
		switch n := rand.IntN(100); {
		case n < 4:
			say("reauthorizationRequired")
		case n < 5:
			say("missed")
		case n < 6 && x.orders.Fault == "": // reading again what was missed would mend what is wrong
			t.RemoveSubscription(s.ID)
			say("subscriptionRemoved")
		}
	}
}

// spawn starts a worker and returns it once it serves.
func (x *exchange) spawn(o feedOrders) (*worker, error) {
	o.Ahead = time.Duration(x.ahead.Load())
	b, err := json.Marshal(o)
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestFeedChild$", "-test.v")
	cmd.Env = append(os.Environ(), feedChildEnv+"="+string(b))
	if _, err = cmd.StdinPipe(); err != nil { // its end is this process' end
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	w := &worker{cmd: cmd, gone: make(chan struct{})}
	ready := make(chan struct{})
	var others []string
	go func() {
		defer close(w.gone)
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			url, ok := strings.CutPrefix(lines.Text(), "ready ")
			if !ok {
				others = append(others, lines.Text())
				continue
			}
			w.url = url
			x.mu.Lock()
			x.workers = append(x.workers, w)
			x.mu.Unlock()
			close(ready)
		}
		_ = cmd.Wait() // it was killed
		x.mu.Lock()
		x.workers = slices.DeleteFunc(x.workers, func(o *worker) bool { return o == w })
		x.mu.Unlock()
	}()
	select {
	case <-ready:
		return w, nil
	case <-w.gone:
		if o.Die != "" && len(others) < 2 {
			return w, nil // it came to its point before it served
		}
		return nil, fmt.Errorf("a worker does not start: %s", others)
	}
}

func (w *worker) kill() {
	_ = w.cmd.Process.Kill()
	<-w.gone
}

// die has a worker work and die: at a point of its own, with a request, or any time.
func (x *exchange) die(how int) error {
	o := x.orders
	points := feedPoints()
	wait := rand.N(500 * time.Millisecond)
	switch {
	case how%3 != 0:
	case o.Fault == "":
		o.Die, o.Nth = points[rand.IntN(len(points))], 1+rand.Int64N(20)
	case o.Fault == earlyMark:
		o.Die, o.Nth = "sink/before", 1+rand.Int64N(5)
	}
	if o.Die != "" {
		wait = 1500 * time.Millisecond
	}
	w, err := x.spawn(o)
	if err != nil {
		return err
	}
	if how%3 == 1 {
		time.Sleep(rand.N(200 * time.Millisecond))
		what := []string{"post", "subscriptions"}[rand.IntN(2)]
		x.mu.Lock()
		x.armed[what] = append(x.armed[what], func() { _ = w.cmd.Process.Kill() })
		x.mu.Unlock()
		wait = time.Second
	}
	select {
	case <-w.gone:
		if o.Die != "" {
			x.note("killed at " + o.Die[:strings.IndexByte(o.Die, '/')])
		}
	case <-time.After(wait):
		x.note("killed any time")
		w.kill()
	}
	return nil
}

// round kills workers at so many desks at once, at each as many, so that others take over from one that died.
func (x *exchange) round(first, desks int) {
	x.Helper()
	failed := make([]error, desks)
	var dying sync.WaitGroup
	for i := range desks {
		dying.Go(func() {
			for j := range desks {
				if failed[i] == nil {
					failed[i] = x.die(first + i + j)
				}
			}
		})
	}
	dying.Wait()
	for _, err := range failed {
		require.NoError(x, err)
	}
	x.leap()
}

// leap lets time pass while no worker lives, so that what the dead had in hand is free; at times so much that notifications may have been
// missed.
func (x *exchange) leap() {
	x.mu.Lock()
	clear(x.armed)
	x.mu.Unlock()
	d := 100*time.Second + rand.N(20*time.Second)
	if rand.IntN(6) == 0 && x.orders.Fault == "" {
		d = 11 * time.Minute
		x.note("outages")
	}
	x.ahead.Add(int64(d))
}

// run kills workers at so many desks at once while people write, and returns what is wrong after the last ones had peace.
func (x *exchange) run(kills, desks int) []string {
	x.Helper()
	start := time.Now()
	w, err := x.spawn(x.orders)
	require.NoError(x, err)
	x.settled() // what is written from here on must not be missed
	w.kill()
	x.leap()
	ctx, cancel := context.WithCancel(x.Context())
	defer cancel()
	var living, sending sync.WaitGroup
	for _, n := range x.notifiers {
		sending.Go(func() { _ = n.Run(ctx) })
	}
	defer sending.Wait()
	defer cancel()
	stop := make(chan struct{})
	living.Go(func() {
		for n := 0; ; n++ {
			select {
			case <-stop:
				return
			case <-time.After(rand.N(25 * time.Millisecond)):
				x.write(n)
			}
		}
	})
	for i := 0; i < kills; i += desks * desks {
		x.round(i, desks)
	}
	close(stop)
	living.Wait()
	x.calm.Store(true)
	dying := time.Since(start)
	// Graph gets rid of all it has to say. Some of it is done a while later, for which nobody waits here.
	w, err = x.spawn(x.orders)
	require.NoError(x, err)
	x.wait(x.unsent)
	w.kill()
	x.ahead.Add(int64(6 * time.Minute))
	for range desks {
		w, err := x.spawn(x.orders)
		require.NoError(x, err)
		x.Cleanup(w.kill)
	}
	x.settled()
	wrong := x.audit()
	x.mu.Lock()
	defer x.mu.Unlock()
	x.Logf("%d kills in %s, looked at after %s: %d messages, %v",
		kills, dying.Round(time.Second/10), time.Since(start).Round(time.Second/10), len(x.written), x.counts)
	return wrong
}

func feedKills() int {
	if os.Getenv("MSPKIT_SOAK") != "" {
		return 200
	}
	return 16
}

func sqliteExchange(t *testing.T) *exchange {
	t.Helper()
	return newExchange(t, place{
		Kind: "sqlite", Address: "file:" + filepath.Join(t.TempDir(), "test.db") + "?_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=busy_timeout(5000)",
	})
}

// TestNoAcceptedNotificationIsLostThoughTheWorkerIsKilledOnSQLite kills worker processes, of which two work at once, 16 times,
// with MSPKIT_SOAK=1 200 times, while they follow the chats of two tenants. In the end each message that was accepted was handed
// over, by its id once, in the order of its chat, and Graph has one subscription to each resource.
func TestNoAcceptedNotificationIsLostThoughTheWorkerIsKilledOnSQLite(t *testing.T) {
	t.Parallel()
	require.Empty(t, sqliteExchange(t).run(feedKills(), 2))
}

// TestNoAcceptedNotificationIsLostThoughTwoWorkersAreKilledOnPostgres is the same on PostgreSQL.
func TestNoAcceptedNotificationIsLostThoughTwoWorkersAreKilledOnPostgres(t *testing.T) {
	t.Parallel()
	require.Empty(t, newExchange(t, place{Kind: "postgres", Address: pgserver.New(t).URL()}).run(feedKills(), 2))
}

// TestTheseKillsFindAFeedThatIsWrong shows that the other tests could fail.
func TestTheseKillsFindAFeedThatIsWrong(t *testing.T) {
	t.Parallel()
	for fault, finds := range map[string]string{
		earlyAnswer: "is lost",
		earlyMark:   "is lost",
		noStreams:   "out of order",
	} {
		t.Run(fault, func(t *testing.T) {
			t.Parallel()
			x := sqliteExchange(t)
			x.orders.Fault = fault
			wrong := x.run(8, 1)
			require.NotEmpty(t, wrong, "the kills are too weak to show anything")
			require.Contains(t, strings.Join(wrong, "\n"), finds)
			t.Logf("%d things are wrong, such as: %s", len(wrong), wrong[0])
		})
	}
}
