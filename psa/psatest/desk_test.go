package psatest

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mspkit/mspkit/internal/webtest"
	"github.com/mspkit/mspkit/psa"
)

func TestPagesOfATable(t *testing.T) {
	t.Parallel()
	var tab table[int]
	for _, n := range []int{10, 2, 1000, 7, 100} {
		tab.put(strconv.Itoa(n), &n)
	}
	even := func(n *int) bool { return *n%2 == 0 }
	for _, c := range []struct {
		after         string
		offset, limit int
		count         bool
		match         func(*int) bool
		want          []int
		total         int
	}{
		{"", 0, 10, true, nil, []int{2, 7, 10, 100, 1000}, 5},
		{"", 1, 2, true, nil, []int{7, 10}, 5},
		{"7", 0, 2, true, nil, []int{10, 100}, 5},
		{"8", 0, 2, true, nil, []int{10, 100}, 5}, // one that is gone
		{"7", 1, 10, true, nil, []int{100, 1000}, 5},
		{"", 9, 2, true, nil, nil, 5},
		{"5000", 0, 2, true, nil, nil, 5},
		{"", 0, 2, true, even, []int{2, 10}, 4},
		{"2", 0, 2, true, even, []int{10, 100}, 4},
		{"2", 1, 2, true, even, []int{100, 1000}, 4},
		{"2", 1, 1, false, even, []int{100}, 0},
	} {
		got, total := tab.page(c.after, c.offset, c.limit, c.count, c.match)
		if !slices.Equal(got, c.want) || total != c.total && c.count {
			t.Errorf("after %q, offset %d, limit %d: %v of %d; want %v of %d", c.after, c.offset, c.limit, got, total, c.want, c.total)
		}
	}
	tab.remove("7")
	tab.remove("7")
	if got := tab.all(); !slices.Equal(got, []int{2, 10, 100, 1000}) {
		t.Errorf("after removing 7 there are %v", got)
	}
}

func TestADeskResolvesAndKeepsWhatWiresAskFor(t *testing.T) {
	t.Parallel()
	d := NewDesk(nil)
	made := d.createTicket(psa.Ticket{Title: "x", Company: psa.Named{ID: "12"}}, "key-1", "described", false)
	if got, ok := d.ticketByKey("12", "key-1"); !ok || got.ID != made.ID || d.ticketKey(made.ID) != "key-1" || len(d.Notes(made.ID)) != 1 {
		t.Errorf("a ticket is not found by its key: %+v", got)
	}
	if _, ok := d.ticketByKey("13", "key-1"); ok {
		t.Error("a key finds the ticket of another company")
	}
	if _, ok := d.ticketByKey("12", ""); ok {
		t.Error("the empty key finds a ticket")
	}
	if got, err := d.setStatus(made.ID, psa.Named{Name: "closed"}); err != nil || !got.Closed || got.Status.ID != "18" {
		t.Errorf("closed: %+v, %v", got, err)
	}
	if got, err := d.setStatus(made.ID, psa.Named{ID: "16"}); err != nil || got.Closed {
		t.Errorf("opened again: %+v, %v", got, err)
	}
	if _, err := d.setStatus(made.ID, psa.Named{Name: "Planned"}); !errors.Is(err, errNoOption) { // of another queue
		t.Errorf("a status of another queue gives %v", err)
	}
	for _, err := range []error{
		second(d.setStatus("1", psa.Named{ID: "16"})), second(d.addContactNote("1", "x")), second(d.logTime("1", psa.TimeEntry{})),
	} {
		if !errors.Is(err, errNoRecord) {
			t.Errorf("what is not there gives %v", err)
		}
	}
	d.CloseTicket("4711", "5120")
	if got, _ := d.Ticket("4711"); !got.Closed || got.MergedInto != "5120" {
		t.Errorf("merged: %+v", got)
	}
	d.PutContact(psa.Contact{ID: "201", FirstName: "Dana", LastName: "W", Company: psa.Named{ID: "13"}}) // not active any more
	if items, total := d.contactPage(filter{Limit: 10, Count: true}); len(items) != 1 || total != 1 {
		t.Errorf("%d contacts are active, of %d", len(items), total)
	}
	d.DeleteContact("201")
	if items, total := d.contactPage(filter{Limit: 10, Count: true}); len(items) != 1 || total != 1 || d.inactive != 0 {
		t.Errorf("%d contacts are active, of %d; %d are not", len(items), total, d.inactive)
	}
}

func second[T any](_ T, err error) error { return err }

// TestAHundredThousandContactsAreRead bounds the work of a page: sorting all of them for each would take minutes.
func TestAHundredThousandContactsAreRead(t *testing.T) {
	t.Parallel()
	d := NewDesk(nil)
	for range 100_000 {
		d.PutContact(psa.Contact{FirstName: "A", LastName: "B", Active: true, Company: psa.Named{ID: "12"}})
	}
	for _, inactive := range []bool{false, true} {
		if inactive { // the slow way: each page has to count
			d.PutContact(psa.Contact{FirstName: "A", LastName: "B", Company: psa.Named{ID: "12"}})
		}
		n, after := 0, ""
		for {
			items, _ := d.contactPage(filter{After: after, Limit: 1000})
			if len(items) == 0 {
				break
			}
			n += len(items)
			after = items[len(items)-1].ID
		}
		if n != 100_002 {
			t.Errorf("%d contacts are read", n)
		}
	}
}

// faulty is a server whose handler counts what was done.
func faulty(t *testing.T) (d *Desk, url string, did func() int) {
	t.Helper()
	d = NewDesk(nil)
	var mu sync.Mutex
	done := 0
	s, err := listen(d, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		done++
		w.WriteHeader(http.StatusCreated)
	}), func(r *http.Request) (op, id string) { return r.URL.Query().Get("op"), "" })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return d, s.URL, func() int {
		mu.Lock()
		defer mu.Unlock()
		return done
	}
}

func post(t *testing.T, url string, wait time.Duration) (status int, err error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), wait)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(`{"text":"x"}`))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := webtest.Client(t).Do(req)
	if err != nil {
		return 0, err
	}
	return resp.StatusCode, resp.Body.Close()
}

func TestFaultsHappenAsTheySay(t *testing.T) {
	t.Parallel()
	const forever = 30 * time.Second
	d, url, did := faulty(t)
	d.Ops()
	for _, c := range []struct {
		name   string
		fault  Fault
		wait   time.Duration
		status int
		acts   int
	}{
		{"none", Fault{}, forever, 201, 1},
		{"a status", Fault{Status: 503}, forever, 503, 0},
		{"cut", Fault{Cut: true}, forever, 0, 0},
		{"lost", Fault{Lost: true}, forever, 0, 1},
		{"hang", Fault{Hang: true}, 200 * time.Millisecond, 0, 0},
		{"slow", Fault{Delay: 50 * time.Millisecond}, forever, 201, 1},
	} {
		before := did()
		d.SetFault(Times(1, c.fault, "add note"))
		status, err := post(t, url+"/?op=add+note", c.wait)
		if status != c.status || (err == nil) != (c.status != 0) || did() != before+c.acts {
			t.Errorf("%s: %d, %v, and it acted %d times", c.name, status, err, did()-before)
		}
		if status, err := post(t, url+"/?op=add+note", forever); status != 201 {
			t.Errorf("after %s: %d, %v", c.name, status, err)
		}
	}
	before := did()
	d.SetFault(Times(1, Fault{Late: 50 * time.Millisecond}))
	if _, err := post(t, url+"/?op=x", forever); err == nil {
		t.Error("what is late was answered")
	}
	for end := time.Now().Add(forever); did() == before && time.Now().Before(end); {
		time.Sleep(5 * time.Millisecond)
	}
	if did() != before+1 {
		t.Error("what is late was never done")
	}
	d.SetDown(true)
	if _, err := post(t, url+"/?op=x", forever); err == nil || !d.Down() {
		t.Error("it answers with the plug pulled")
	}
	d.SetDown(false)
	if n := len(d.Ops()); n != 14 {
		t.Errorf("%d requests were noted; want 14", n)
	}
}

func TestThrottleCountsPerPeriod(t *testing.T) {
	t.Parallel()
	now := time.Unix(1000, 0)
	d := NewDesk(func() time.Time { return now })
	f := d.Throttle(2, 10*time.Second)
	var got []int
	for range 4 {
		got = append(got, f(Op{}).Status)
	}
	now = now.Add(9 * time.Second)
	if wait := f(Op{}).Header["Retry-After"]; wait != "1" {
		t.Errorf("it asks to wait %q s; want 1", wait)
	}
	now = now.Add(time.Second)
	if got = append(got, f(Op{}).Status); !slices.Equal(got, []int{0, 0, 429, 429, 0}) {
		t.Errorf("it answers %v", got)
	}
	if wait := TooMany(1100 * time.Millisecond).Header["Retry-After"]; wait != "2" {
		t.Errorf("1.1 s are said as %q", wait)
	}
}
