package contacts_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/contacts"
	"github.com/mspkit/mspkit/contacts/contactstest"
	"github.com/mspkit/mspkit/contacts/memstore"
)

// world is a directory, a source of contoso and fabrikam, and a clock.
type world struct {
	dir    contacts.Directory
	source *contactstest.Source
	mu     sync.Mutex
	clock  time.Time
}

func (w *world) now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.clock
}

func (w *world) advance(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.clock = w.clock.Add(d)
}

func staff(tenant mspkit.TenantID, n int) []contacts.Contact {
	out := make([]contacts.Contact, 0, n)
	for i := range n {
		id := fmt.Sprintf("%s-%03d", tenant, i)
		out = append(out, contacts.Contact{
			Tenant: tenant, ID: id, Name: "Person " + id, Enabled: true, Emails: []contacts.Address{{Value: id + "@" + string(tenant) + ".example"}},
		})
	}
	return out
}

func newWorld(t *testing.T) *world {
	t.Helper()
	dir, err := memstore.New(nil)
	require.NoError(t, err)
	return &world{
		dir: dir, clock: time.Date(2026, 5, 4, 9, 0, 0, 0, time.UTC),
		source: contactstest.New(4, append(staff("contoso", 10), staff("fabrikam", 5)...)...),
	}
}

func (w *world) syncer(t *testing.T, o *contacts.SyncerOptions) *contacts.Syncer {
	t.Helper()
	if o == nil {
		o = &contacts.SyncerOptions{}
	}
	o.Now = w.now
	s, err := contacts.NewSyncer(w.dir, map[string]contacts.ContactSource{"entra": w.source}, o)
	require.NoError(t, err)
	return s
}

// known returns the source's ids of who is there and enabled.
func (w *world) known(t *testing.T, tenant mspkit.TenantID) []string {
	t.Helper()
	out := []string{}
	for _, prefix := range []string{"P"} {
		list, err := w.dir.Find(t.Context(), contacts.Search{Tenant: tenant, Name: prefix, Limit: 1000})
		require.NoError(t, err)
		for _, c := range list {
			out = append(out, c.Sources["entra"])
		}
	}
	slices.Sort(out)
	return out
}

func ids(list []contacts.Contact) []string {
	out := []string{}
	for _, c := range list {
		out = append(out, c.ID)
	}
	return out
}

var (
	contoso  = contacts.Job{Tenant: "contoso", Source: "entra"}
	fabrikam = contacts.Job{Tenant: "fabrikam", Source: "entra"}
)

// kinds returns the events of a tenant as "joined contoso-001", and that their numbers have no gap.
func (w *world) kinds(t *testing.T, tenant mspkit.TenantID) []string {
	t.Helper()
	list, err := w.dir.Events(t.Context(), tenant, 0, 1000)
	require.NoError(t, err)
	var out []string
	for i, e := range list {
		require.EqualValues(t, i+1, e.Seq)
		out = append(out, string(e.Kind)+" "+e.Name)
	}
	return out
}

func TestSyncListsEverybodyAndThenWhatChanged(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.syncer(t, nil)
	r, err := s.Sync(t.Context(), contoso, nil)
	require.NoError(t, err)
	require.True(t, r.Whole)
	require.Equal(t, []int{3, 10, 10}, []int{r.Pages, r.Contacts, r.Joined})
	require.Equal(t, ids(staff("contoso", 10)), w.known(t, "contoso"))
	require.Empty(t, w.known(t, "fabrikam"), "another tenant was not asked for")

	w.source.Put(contacts.Contact{Tenant: "contoso", ID: "new", Name: "Person New", Enabled: true})
	w.source.Remove("contoso", "contoso-003")
	w.advance(time.Hour)
	r, err = s.Sync(t.Context(), contoso, nil)
	require.NoError(t, err)
	require.False(t, r.Whole)
	require.Equal(t, []int{1, 2, 1, 1}, []int{r.Pages, r.Contacts, r.Joined, r.Left})
	require.Len(t, w.known(t, "contoso"), 10)
	events := w.kinds(t, "contoso")
	require.Len(t, events, 12)
	require.ElementsMatch(t, []string{"joined Person New", "left Person contoso-003"}, events[10:])

	r, err = s.Sync(t.Context(), contoso, &contacts.SyncOptions{Whole: true})
	require.NoError(t, err)
	require.True(t, r.Whole)
	require.Equal(t, 10, r.Same)
	require.Len(t, w.kinds(t, "contoso"), 12, "nothing has changed")
}

// A fault at any page loses nothing and repeats nothing that shows.
func TestSyncGoesOnAfterAFault(t *testing.T) {
	t.Parallel()
	for page := range 3 {
		t.Run(strconv.Itoa(page), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			s := w.syncer(t, nil)
			asked := 0
			broken := errors.New("broken pipe to somebody@contoso.example")
			w.source.SetFault(func(contacts.Query) error {
				if asked++; asked == page+1 {
					return broken
				}
				return nil
			})
			r, err := s.Sync(t.Context(), contoso, nil)
			require.ErrorIs(t, err, broken)
			require.Equal(t, page, r.Pages)
			c, err := w.dir.Checkpoint(t.Context(), "contoso", "entra")
			require.NoError(t, err)
			require.Equal(t, 1, c.Failures)
			require.NotEmpty(t, c.Failure)
			require.NotContains(t, c.Failure, "somebody", "what an error of a source says may be anything")
			r, err = s.Sync(t.Context(), contoso, nil)
			require.NoError(t, err)
			require.Equal(t, page > 0, r.Resumed)
			require.Equal(t, 3-page, r.Pages)
			require.Equal(t, ids(staff("contoso", 10)), w.known(t, "contoso"))
			require.Len(t, w.kinds(t, "contoso"), 10)
			c, err = w.dir.Checkpoint(t.Context(), "contoso", "entra")
			require.NoError(t, err)
			require.Zero(t, c.Failures)
			require.Empty(t, c.Failure)
		})
	}
}

// stuck is a directory whose Apply fails after it has stored a page: the process that asked never learns of it.
type stuck struct {
	contacts.Directory
	at int
}

func (s *stuck) Apply(ctx context.Context, b contacts.Batch) (contacts.Applied, error) {
	done, err := s.Directory.Apply(ctx, b)
	if s.at--; s.at == 0 {
		return contacts.Applied{}, errors.New("the connection was lost after the commit")
	}
	return done, err
}

func TestSyncGoesOnWhereAStoredPageWasNotConfirmed(t *testing.T) {
	t.Parallel()
	for at := 1; at <= 3; at++ {
		w := newWorld(t)
		s, err := contacts.NewSyncer(&stuck{w.dir, at}, map[string]contacts.ContactSource{"entra": w.source}, &contacts.SyncerOptions{Now: w.now})
		require.NoError(t, err)
		_, err = s.Sync(t.Context(), contoso, nil)
		require.Error(t, err)
		_, err = s.Sync(t.Context(), contoso, nil)
		require.NoError(t, err)
		require.Equal(t, ids(staff("contoso", 10)), w.known(t, "contoso"))
		require.Len(t, w.kinds(t, "contoso"), 10)
	}
}

func TestACursorThatIsRefusedBeginsAnew(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.syncer(t, nil)
	_, err := s.Sync(t.Context(), contoso, nil)
	require.NoError(t, err)
	w.source.Remove("contoso", "contoso-000")
	w.source.Forget() // the token has expired, and with it the knowledge of who has left
	r, err := s.Sync(t.Context(), contoso, nil)
	require.NoError(t, err)
	require.True(t, r.Whole)
	require.Equal(t, 1, r.Left)
	require.Len(t, w.known(t, "contoso"), 9)

	w.source.SetFault(func(q contacts.Query) error { // it refuses every second page, for ever
		if q.Cursor != "" {
			return contacts.ErrCursor
		}
		return nil
	})
	_, err = s.Sync(t.Context(), contoso, &contacts.SyncOptions{Whole: true})
	require.ErrorIs(t, err, contacts.ErrCursor)
	require.Len(t, w.known(t, "contoso"), 9, "nobody has left because of that")
}

func TestAMassLeaveIsStopped(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for i := range 30 {
		w.source.Put(contacts.Contact{Tenant: "contoso", ID: fmt.Sprintf("contoso-%03d", i), Name: "Person", Enabled: true})
	}
	s := w.syncer(t, nil)
	_, err := s.Sync(t.Context(), contoso, nil)
	require.NoError(t, err)
	for i := range 29 {
		w.source.Remove("contoso", fmt.Sprintf("contoso-%03d", i))
	}
	r, err := s.Sync(t.Context(), contoso, &contacts.SyncOptions{Whole: true})
	require.ErrorIs(t, err, contacts.ErrMassLeave)
	require.Contains(t, r.Why, "would have left")
	require.Len(t, w.known(t, "contoso"), 30)
	events, r, err := s.Plan(t.Context(), contoso, &contacts.SyncOptions{Whole: true})
	require.NoError(t, err)
	require.Equal(t, 29, r.Left)
	require.Len(t, events, 29)
	require.Len(t, w.known(t, "contoso"), 30, "a plan changes nothing")
	r, err = s.Sync(t.Context(), contoso, &contacts.SyncOptions{AllowMassLeave: true})
	require.NoError(t, err)
	require.Equal(t, 29, r.Left)
	require.Len(t, w.known(t, "contoso"), 1)
}

func TestAPlanSaysWhatASyncDoes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.syncer(t, nil)
	for round := range 3 {
		plan, r, err := s.Plan(t.Context(), contoso, nil)
		require.NoError(t, err)
		before, err := w.dir.Checkpoint(t.Context(), "contoso", "entra")
		require.NoError(t, err)
		require.Len(t, plan, r.Joined+r.Changed+r.Left)
		did, err := s.Sync(t.Context(), contoso, nil)
		require.NoError(t, err)
		require.Equal(t, []int{r.Joined, r.Changed, r.Left}, []int{did.Joined, did.Changed, did.Left}, "round %d", round)
		require.Greater(t, func() int64 { c, _ := w.dir.Checkpoint(t.Context(), "contoso", "entra"); return c.Rev }(), before.Rev)
		w.source.Put(contacts.Contact{Tenant: "contoso", ID: "contoso-001", Name: "Person Renamed " + strconv.Itoa(round), Enabled: true})
		w.source.Remove("contoso", fmt.Sprintf("contoso-%03d", 5+round))
	}
}

type wordy struct{ error }

func (w wordy) Unwrap() error { return w.error }

func (wordy) Explain() string { return "grant the app User.Read.All" }

// One tenant without consent does not stop the others, and its report and checkpoint say why in words.
func TestOneTenantThatFailsDoesNotStopTheOthers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var list []contacts.Job
	for i := range 20 {
		tenant := mspkit.TenantID(fmt.Sprintf("t%02d", i))
		w.source.Put(staff(tenant, 6)...)
		list = append(list, contacts.Job{Tenant: tenant, Source: "entra"})
	}
	var at, most atomic.Int64
	w.source.SetFault(func(q contacts.Query) error {
		most.Store(max(most.Load(), at.Add(1)))
		defer at.Add(-1)
		if q.Tenant == "t07" {
			return wordy{contacts.ErrTenant}
		}
		return nil
	})
	s := w.syncer(t, &contacts.SyncerOptions{Parallel: 3})
	var last contacts.Progress
	calls := 0
	reports, err := s.SyncAll(t.Context(), list, nil, func(p contacts.Progress) {
		require.GreaterOrEqual(t, p.Done, last.Done)
		require.GreaterOrEqual(t, p.Contacts, last.Contacts)
		last = p
		calls++
	})
	require.NoError(t, err)
	require.LessOrEqual(t, most.Load(), int64(3))
	require.Equal(t, contacts.Progress{Tenants: 20, Done: 20, Failed: 1, Pages: 38, Contacts: 114, Left: -1, Last: last.Last}, last, "the clock stood still")
	require.GreaterOrEqual(t, calls, 38)
	for i, r := range reports {
		require.Equal(t, list[i], r.Job)
		if r.Tenant == "t07" {
			require.ErrorIs(t, r.Err, contacts.ErrTenant)
			require.Equal(t, "grant the app User.Read.All", r.Why)
			continue
		}
		require.NoError(t, r.Err)
		require.Equal(t, ids(staff(r.Tenant, 6)), w.known(t, r.Tenant))
	}
	c, err := w.dir.Checkpoint(t.Context(), "t07", "entra")
	require.NoError(t, err)
	require.Equal(t, "grant the app User.Read.All", c.Failure)
}

func TestSyncIsCancelledAndResumed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx, cancel := context.WithCancel(t.Context())
	s := w.syncer(t, &contacts.SyncerOptions{Watch: func(r contacts.Report) {
		if r.Pages == 2 {
			cancel()
		}
	}, Parallel: 1})
	reports, err := s.SyncAll(ctx, []contacts.Job{contoso, fabrikam}, nil, nil)
	require.ErrorIs(t, err, context.Canceled)
	require.Equal(t, 2, reports[0].Pages)
	require.Error(t, reports[1].Err)
	c, err := w.dir.Checkpoint(t.Context(), "contoso", "entra")
	require.NoError(t, err)
	require.True(t, c.Running)
	require.Zero(t, c.Failures, "who cancels is no fault of the source")
	reports, err = s.SyncAll(t.Context(), []contacts.Job{contoso, fabrikam}, nil, nil)
	require.NoError(t, err)
	require.True(t, reports[0].Resumed)
	require.Equal(t, 1, reports[0].Pages)
	require.Len(t, w.known(t, "contoso"), 10)
	require.Len(t, w.known(t, "fabrikam"), 5)
}

func TestTheHookIsToldInOrderUntilItAgrees(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var told []string
	fail := map[mspkit.TenantID]bool{"contoso": true}
	s := w.syncer(t, &contacts.SyncerOptions{Hook: func(_ context.Context, e contacts.Event) error {
		if fail[e.Tenant] {
			return errors.New("the mail server is down")
		}
		told = append(told, fmt.Sprintf("%s %d %s first=%t", e.Tenant, e.Seq, e.Kind, e.First))
		return nil
	}})
	for _, j := range []contacts.Job{contoso, fabrikam} {
		_, err := s.Sync(t.Context(), j, nil)
		require.NoError(t, err)
	}
	require.Error(t, s.RunOnce(t.Context()))
	require.Len(t, told, 5, "a tenant whose hook fails does not hold up another")
	fail["contoso"] = false
	require.NoError(t, s.RunOnce(t.Context()))
	require.Len(t, told, 15)
	for i := range 10 {
		require.Equal(t, fmt.Sprintf("contoso %d joined first=true", i+1), told[5+i])
	}
	w.source.Put(contacts.Contact{Tenant: "contoso", ID: "new", Name: "Person New", Enabled: true})
	_, err := s.Sync(t.Context(), contoso, nil)
	require.NoError(t, err)
	require.NoError(t, s.RunOnce(t.Context()))
	require.Equal(t, "contoso 11 joined first=false", told[15])
	require.Len(t, told, 16)
}

func TestScheduledTenantsAreSynced(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.syncer(t, &contacts.SyncerOptions{Every: time.Hour})
	require.NoError(t, s.Schedule(t.Context(), contoso, time.Time{}))
	require.NoError(t, s.Schedule(t.Context(), fabrikam, w.now().Add(time.Minute)))
	require.NoError(t, s.RunOnce(t.Context()))
	require.Len(t, w.known(t, "contoso"), 10)
	require.Empty(t, w.known(t, "fabrikam"))
	w.advance(time.Minute)
	require.NoError(t, s.RunOnce(t.Context()))
	require.Len(t, w.known(t, "fabrikam"), 5)
	asked := len(w.source.Queries())
	require.NoError(t, s.RunOnce(t.Context()))
	require.Len(t, w.source.Queries(), asked, "nothing is due")
	w.advance(59 * time.Minute)
	require.NoError(t, s.RunOnce(t.Context()))
	require.Len(t, w.source.Queries(), asked+1, "contoso is due again, fabrikam not yet")

	// A failure is tried again later and later, and a pause ends it.
	w.source.SetFault(func(contacts.Query) error { return errors.New("down") })
	w.advance(time.Hour)
	var waits []time.Duration
	for range 4 {
		require.NoError(t, s.RunOnce(t.Context()))
		c, err := w.dir.Checkpoint(t.Context(), "contoso", "entra")
		require.NoError(t, err)
		waits = append(waits, c.DueAt.Sub(w.now()))
		w.advance(c.DueAt.Sub(w.now()))
	}
	require.Equal(t, []time.Duration{time.Minute, 2 * time.Minute, 4 * time.Minute, 8 * time.Minute}, waits)
	require.NoError(t, s.Pause(t.Context(), contoso))
	require.NoError(t, s.Pause(t.Context(), fabrikam))
	asked = len(w.source.Queries())
	w.advance(1000 * time.Hour)
	require.NoError(t, s.RunOnce(t.Context()))
	require.Len(t, w.source.Queries(), asked)

	// A run by hand does not schedule what is paused, whether it fails or not.
	r, err := s.Sync(t.Context(), contoso, nil)
	require.Error(t, err)
	require.Zero(t, r.Next)
	w.source.SetFault(nil)
	r, err = s.Sync(t.Context(), fabrikam, nil)
	require.NoError(t, err)
	require.Zero(t, r.Next)
	asked = len(w.source.Queries())
	w.advance(1000 * time.Hour)
	require.NoError(t, s.RunOnce(t.Context()))
	require.Len(t, w.source.Queries(), asked)
}

func TestRunSyncsWhatIsScheduledAndTellsTheHook(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	told := make(chan contacts.Event, 100)
	s := w.syncer(t, &contacts.SyncerOptions{Poll: time.Millisecond, Hook: func(_ context.Context, e contacts.Event) error {
		told <- e
		return nil
	}})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- s.Run(ctx) }()
	require.NoError(t, s.Schedule(t.Context(), contoso, time.Time{}))
	for i := range 10 {
		require.EqualValues(t, i+1, (<-told).Seq)
	}
	require.ErrorIs(t, s.Run(ctx), contacts.ErrRunning)
	cancel()
	require.NoError(t, <-ended)
}

func TestTwoInstancesOnOneTenant(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.source.Put(staff("contoso", 200)...)
	var all sync.WaitGroup
	for range 4 {
		s := w.syncer(t, nil)
		all.Go(func() {
			for range 3 {
				_, err := s.Sync(context.WithoutCancel(t.Context()), contoso, &contacts.SyncOptions{})
				if err != nil {
					require.ErrorIs(t, err, contacts.ErrStale)
				}
			}
		})
	}
	all.Wait()
	_, err := w.syncer(t, nil).Sync(t.Context(), contoso, nil)
	require.NoError(t, err)
	require.Equal(t, ids(staff("contoso", 200)), w.known(t, "contoso"))
	require.Len(t, w.kinds(t, "contoso"), 200)
}

// album has a picture of those whose id is in it.
type album map[string]contacts.Photo

func (a album) FetchPhotos(_ context.Context, _ mspkit.TenantID, list []contacts.PhotoDue) ([]contacts.Photo, error) {
	out := make([]contacts.Photo, len(list))
	for i, d := range list {
		p := a[d.SourceID]
		if p.Version == d.Version {
			p.Data = nil
		}
		out[i] = p
	}
	return out, nil
}

func TestPicturesAreLookedAtOnceAWeek(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	png := "\x89PNG\r\n\x1a\n"
	a := album{"contoso-001": {Type: "image/png", Data: []byte(png + "face"), Version: "1"}}
	s := w.syncer(t, &contacts.SyncerOptions{Photos: map[string]contacts.PhotoSource{"entra": a}})
	r, err := s.Sync(t.Context(), contoso, nil)
	require.NoError(t, err)
	require.Equal(t, 1, r.Photos)
	c, err := w.dir.BySource(t.Context(), "contoso", "entra", "contoso-001")
	require.NoError(t, err)
	p, err := w.dir.Photo(t.Context(), "contoso", c.ID)
	require.NoError(t, err)
	require.Equal(t, png+"face", string(p.Data))
	a["contoso-001"] = contacts.Photo{Type: "image/png", Data: []byte(png + "older"), Version: "2"}
	r, err = s.Sync(t.Context(), contoso, nil)
	require.NoError(t, err)
	require.Zero(t, r.Photos, "not before a week is over")
	w.advance(8 * 24 * time.Hour)
	r, err = s.Sync(t.Context(), contoso, nil)
	require.NoError(t, err)
	require.Equal(t, 1, r.Photos)
	p, err = w.dir.Photo(t.Context(), "contoso", c.ID)
	require.NoError(t, err)
	require.Equal(t, png+"older", string(p.Data))
	delete(a, "contoso-001")
	w.advance(8 * 24 * time.Hour)
	_, err = s.Sync(t.Context(), contoso, nil)
	require.NoError(t, err)
	_, err = w.dir.Photo(t.Context(), "contoso", c.ID)
	require.ErrorIs(t, err, contacts.ErrNotFound)
}

func TestSyncerOptionsAreChecked(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	sources := map[string]contacts.ContactSource{"entra": w.source}
	for name, tc := range map[string]struct {
		dir     contacts.Directory
		sources map[string]contacts.ContactSource
		o       contacts.SyncerOptions
		says    string
	}{
		"no directory":       {nil, sources, contacts.SyncerOptions{}, "needs a directory"},
		"no sources":         {w.dir, nil, contacts.SyncerOptions{}, "needs a directory and sources"},
		"a nil source":       {w.dir, map[string]contacts.ContactSource{"entra": nil}, contacts.SyncerOptions{}, `"entra"`},
		"a source's name":    {w.dir, map[string]contacts.ContactSource{"a b\n": w.source}, contacts.SyncerOptions{}, "cannot be used"},
		"photos of nobody":   {w.dir, sources, contacts.SyncerOptions{Photos: map[string]contacts.PhotoSource{"halo": album{}}}, `"halo"`},
		"a share beyond all": {w.dir, sources, contacts.SyncerOptions{MaxLeft: 2}, "MaxLeft"},
		"negative":           {w.dir, sources, contacts.SyncerOptions{Parallel: -1}, "Parallel"},
	} {
		_, err := contacts.NewSyncer(tc.dir, tc.sources, &tc.o)
		require.ErrorIs(t, err, mspkit.ErrInvalid, name)
		require.ErrorContains(t, err, tc.says, name)
	}
	s := w.syncer(t, nil)
	for _, j := range []contacts.Job{{Tenant: "", Source: "entra"}, {Tenant: "contoso", Source: "halo"}} {
		r, err := s.Sync(t.Context(), j, nil)
		require.ErrorIs(t, err, mspkit.ErrInvalid)
		require.ErrorIs(t, r.Err, mspkit.ErrInvalid)
		require.ErrorIs(t, s.Schedule(t.Context(), j, time.Time{}), mspkit.ErrInvalid)
	}
}

func ExampleNewSyncer() {
	ctx := context.Background()
	dir, _ := memstore.New(nil)
	source := contactstest.New(0, contacts.Contact{Tenant: "contoso", ID: "1", Name: "Dana Whitfield", Enabled: true})
	syncer, err := contacts.NewSyncer(dir, map[string]contacts.ContactSource{"entra": source}, &contacts.SyncerOptions{
		Hook: func(_ context.Context, e contacts.Event) error {
			fmt.Println(e.Kind, e.Name)
			return nil
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	report, err := syncer.Sync(ctx, contacts.Job{Tenant: "contoso", Source: "entra"}, nil)
	fmt.Println(report.Joined, "joined", err)
	_ = syncer.RunOnce(ctx) // a host runs Run in a goroutine instead
	// Output:
	// 1 joined <nil>
	// joined Dana Whitfield
}

// moving is a directory in which another instance stores a page between a look and the next step, times times.
type moving struct {
	contacts.Directory
	other func()
	times int
}

func (m *moving) Apply(ctx context.Context, b contacts.Batch) (contacts.Applied, error) {
	if m.times > 0 && b.DryRun {
		m.times--
		m.other()
	}
	return m.Directory.Apply(ctx, b)
}

func TestAPlanIsMadeAnewWhereASyncGoesOn(t *testing.T) {
	t.Parallel()
	for times, want := range map[int]error{1: nil, 2: nil, 3: contacts.ErrStale} {
		w := newWorld(t)
		other := w.syncer(t, nil)
		m := &moving{Directory: w.dir, times: times, other: func() {
			_, err := other.Sync(context.WithoutCancel(t.Context()), contoso, &contacts.SyncOptions{Whole: true})
			require.NoError(t, err)
		}}
		s, err := contacts.NewSyncer(m, map[string]contacts.ContactSource{"entra": w.source}, &contacts.SyncerOptions{Now: w.now})
		require.NoError(t, err)
		events, r, err := s.Plan(t.Context(), contoso, nil)
		require.ErrorIs(t, err, want)
		if want != nil {
			require.Equal(t, "another instance was syncing the tenant", r.Why)
			continue
		}
		require.Empty(t, events, "the other instance has stored everybody")
	}
}
