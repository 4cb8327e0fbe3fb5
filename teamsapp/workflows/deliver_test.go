package workflows_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/teamsapp"
	"github.com/mspkit/mspkit/teamsapp/workflows"
	"github.com/mspkit/mspkit/teamsapp/workflows/workflowstest"
)

func TestPostsArriveInOrder(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	a, b := r.connect("a"), r.connect("b")
	var wantA, wantB []string
	for i := range 30 {
		text := fmt.Sprintf("post %d", i)
		if i%3 == 0 {
			r.post(b, text)
			wantB = append(wantB, text)
		} else {
			r.post(a, text)
			wantA = append(wantA, text)
		}
	}
	r.srv.Fail("a", workflowstest.Fault{Status: 503}, workflowstest.Fault{}, workflowstest.Fault{Status: 429, RetryAfter: time.Minute})
	for range 4 {
		r.run()
		r.clock.Add(time.Hour)
	}
	require.Equal(t, wantA, r.shown("a"))
	require.Equal(t, wantB, r.shown("b"))
	require.Equal(t, workflows.Counts{}, r.counts())
}

func TestARepeatIsPostedOnce(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	c, other := r.connect("helpdesk"), r.connect("other")
	p := workflows.Post{ID: "event 1 of +49 151 1234567", Text: "hello"}
	first, err := r.svc.Post(t.Context(), contoso, c.ID, p)
	require.NoError(t, err)
	require.NotContains(t, first, "+49", "the id that is kept in clear is not the caller's")
	again, err := r.svc.Post(t.Context(), contoso, c.ID, p)
	require.NoError(t, err)
	require.Equal(t, first, again)
	r.run()
	_, err = r.svc.Post(t.Context(), contoso, c.ID, p)
	require.NoError(t, err)
	r.run()
	require.Len(t, r.shown("helpdesk"), 1)

	elsewhere, err := r.svc.Post(t.Context(), contoso, other.ID, p)
	require.NoError(t, err)
	require.NotEqual(t, first, elsewhere)
	r.post(c, "hello")
	r.post(c, "hello")
	r.run()
	require.Len(t, r.shown("other"), 1)
	require.Len(t, r.shown("helpdesk"), 3, "without an id each is a new one")

	r.clock.Add(8 * 24 * time.Hour)
	r.run()
	_, err = r.svc.Post(t.Context(), contoso, c.ID, p)
	require.NoError(t, err)
	r.run()
	require.Len(t, r.shown("helpdesk"), 4, "after Options.Keep it is not known any more")

	p.ID = strings.Repeat("x", 513)
	_, err = r.svc.Post(t.Context(), contoso, c.ID, p)
	require.ErrorIs(t, err, mspkit.ErrInvalid)
}

func TestAnUnclearPostIsPostedAgain(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(o *workflows.Options) { o.Timeout = 500 * time.Millisecond })
	c := r.connect("helpdesk")
	r.post(c, "hello")
	r.srv.Fail("helpdesk", workflowstest.Fault{Hang: true, After: true}, workflowstest.Fault{Status: 502, After: true}, workflowstest.Fault{Drop: true, After: true})
	for range 4 {
		r.run()
		r.clock.Add(time.Hour)
	}
	require.Equal(t, []string{"hello", "hello", "hello", "hello"}, r.shown("helpdesk"), "at least once")
	runs := r.srv.Runs()
	for _, run := range runs {
		require.Equal(t, runs[0].TrackingID, run.TrackingID, "the history of the flow shows that they are one")
	}
	require.Empty(t, r.dead)
}

func TestRetryAfterIsKept(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(o *workflows.Options) { o.Backoff = func(int) time.Duration { return time.Second } })
	c := r.connect("helpdesk")
	r.post(c, "hello")
	r.srv.Fail("helpdesk", workflowstest.Fault{Status: 429, RetryAfter: 10 * time.Minute})
	r.run()
	r.clock.Add(9 * time.Minute)
	r.run()
	require.Equal(t, 1, r.srv.Requests())
	r.clock.Add(time.Minute)
	r.run()
	require.Equal(t, []string{"hello"}, r.shown("helpdesk"))
	require.Empty(t, r.one(c).Fault, "to be throttled is no fault of the connection")
}

// A flow that asks to wait for days would hold its posts until they are given up.
func TestAWaitWithoutEndIsNotKept(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(o *workflows.Options) { o.Backoff = func(int) time.Duration { return time.Second } })
	c := r.connect("helpdesk")
	r.post(c, "hello")
	r.srv.Fail("helpdesk", workflowstest.Fault{Status: 503, RetryAfter: 48 * time.Hour})
	r.run()
	r.clock.Add(time.Hour)
	r.run()
	require.Equal(t, []string{"hello"}, r.shown("helpdesk"))
}

func TestAURLThatIsNotAcceptedAnyMoreIsNotPostedTo(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	c := r.connect("helpdesk")
	r.post(c, "hello")
	r.o.InsecureLoopback = false
	require.NoError(t, r.open().RunOnce(t.Context()))
	require.Zero(t, r.srv.Requests())
	require.Contains(t, r.one(c).Fault, "the URL is not accepted any more")
	require.Empty(t, r.dead)
	r.clock.Add(time.Minute)
	r.run()
	require.Equal(t, []string{"hello"}, r.shown("helpdesk"), "it is put right, and nothing is lost")
}

func TestARefusedPostIsDeadAndTheOthersGoOn(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.srv.Add("helpdesk", workflowstest.Flow{Schema: true})
	c := r.connect("helpdesk", func(c *workflows.Connection) { c.Form = workflows.FormText })
	bad := r.post(c, "first")
	r.run()
	c.Form = workflows.FormBoth
	_, err := r.svc.Connect(t.Context(), c)
	require.NoError(t, err)
	r.post(c, "second")
	r.run()
	require.Equal(t, []string{"second"}, r.shown("helpdesk"))

	dead, err := r.svc.DeadPosts(t.Context(), contoso, "", 0, 0)
	require.NoError(t, err)
	require.Len(t, dead, 1)
	require.Equal(t, r.dead, dead, "the hook was told the same")
	require.Equal(t, bad, dead[0].ID)
	require.Equal(t, c.ID, dead[0].Connection)
	require.Equal(t, 1, dead[0].Tries)
	require.Contains(t, dead[0].Fault, "TriggerInputSchemaMismatch")
	require.Contains(t, dead[0].Fault, "remove the schema")
	require.True(t, r.one(c).Broken.IsZero())
	text, err := r.svc.PostText(t.Context(), contoso, bad)
	require.NoError(t, err)
	require.Equal(t, "first", text)

	require.NoError(t, r.svc.ReplayPost(t.Context(), contoso, bad))
	require.ErrorIs(t, r.svc.ReplayPost(t.Context(), contoso, bad), workflows.ErrState)
	r.run()
	require.Equal(t, []string{"second", "first"}, r.shown("helpdesk"))
	_, err = r.svc.PostText(t.Context(), contoso, bad)
	require.ErrorIs(t, err, workflows.ErrState, "what was posted is not kept")
	require.ErrorIs(t, r.svc.DropPost(t.Context(), contoso, bad), workflows.ErrState)
	require.ErrorIs(t, r.svc.DropPost(t.Context(), contoso, "nobody"), workflows.ErrNotFound)

	third := r.post(c, "third")
	require.NoError(t, r.svc.DropPost(t.Context(), contoso, third))
	r.run()
	require.Len(t, r.shown("helpdesk"), 2)
}

func TestAConnectionBreaksAndHeals(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	c := r.connect("helpdesk")
	r.srv.Change("helpdesk", func(f *workflowstest.Flow) { f.State = workflowstest.Off })
	for i := range 3 {
		r.post(c, fmt.Sprintf("post %d", i))
	}
	r.run()
	require.Equal(t, 1, r.srv.Requests(), "one refusal may be a hiccup: the others wait")
	require.True(t, r.one(c).Broken.IsZero())
	require.Contains(t, r.one(c).Fault, "switch it on")
	require.Equal(t, 3, r.counts().Pending)
	r.clock.Add(time.Hour)
	r.run()
	require.True(t, r.one(c).Broken.IsZero())
	r.clock.Add(time.Hour)
	at := r.clock.Now()
	r.run()
	require.Equal(t, at, r.one(c).Broken, "the third is not")
	require.Equal(t, workflows.Counts{Dead: 3}, r.counts(), "and the others get one try each")
	require.Equal(t, 5, r.srv.Requests())
	require.Equal(t, 1, strings.Count(r.log.String(), "a connection is broken"), "which is told once")
	require.Len(t, r.dead, 3)

	r.clock.Add(time.Hour)
	r.post(c, "post 3")
	r.run()
	require.Equal(t, at, r.one(c).Broken, "since when, and not when last")

	r.srv.Change("helpdesk", func(f *workflowstest.Flow) { f.State = workflowstest.On })
	_, err := r.svc.Test(t.Context(), contoso, c.ID)
	require.NoError(t, err)
	have := r.one(c)
	require.True(t, have.Broken.IsZero())
	require.Empty(t, have.Fault)
	n, err := r.svc.ReplayPosts(t.Context(), contoso, c.ID)
	require.NoError(t, err)
	require.Equal(t, 4, n)
	r.run()
	require.Equal(t, []string{"Hello, World", "post 0", "post 1", "post 2", "post 3"}, r.shown("helpdesk"))
}

func TestABrokenConnectionHealsWithAPostAndWithANewURL(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(o *workflows.Options) { o.BrokenAfter = 1 })
	c := r.connect("helpdesk")
	r.srv.Renew("helpdesk")
	r.post(c, "one")
	r.run()
	require.False(t, r.one(c).Broken.IsZero())
	require.Contains(t, r.one(c).Fault, "WorkflowNotFound")
	c.URL = mspkit.Redact(r.srv.URL("helpdesk"))
	c, err := r.svc.Connect(t.Context(), c)
	require.NoError(t, err)
	require.True(t, c.Broken.IsZero())
	require.Empty(t, c.Fault)

	r.srv.Change("helpdesk", func(f *workflowstest.Flow) { f.SignIn = true })
	r.post(c, "two")
	r.run()
	require.False(t, r.one(c).Broken.IsZero())
	r.srv.Change("helpdesk", func(f *workflowstest.Flow) { f.SignIn = false })
	r.post(c, "three")
	r.run()
	require.True(t, r.one(c).Broken.IsZero())
	require.Equal(t, []string{"three"}, r.shown("helpdesk"))
}

func TestPostsOfADeletedConnectionGoWithIt(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(o *workflows.Options) { o.BrokenAfter = 1 })
	c, stays := r.connect("helpdesk"), r.connect("stays")
	r.srv.Fail("helpdesk", workflowstest.Fault{Status: 404})
	dead := r.post(c, "dead")
	r.run()
	waits := r.post(c, "waits")
	r.post(stays, "stays")
	require.Equal(t, workflows.Counts{Pending: 2, Dead: 1, Oldest: r.clock.Now()}, r.counts())
	require.NoError(t, r.svc.Disconnect(t.Context(), contoso, c.ID))
	require.Equal(t, workflows.Counts{Pending: 1, Oldest: r.clock.Now()}, r.counts())
	for _, id := range []string{dead, waits} {
		_, err := r.svc.PostText(t.Context(), contoso, id)
		require.ErrorIs(t, err, workflows.ErrState)
	}
	r.run()
	require.Empty(t, r.shown("helpdesk"))
	require.Equal(t, []string{"stays"}, r.shown("stays"))
	_, err := r.svc.Post(t.Context(), contoso, c.ID, workflows.Post{Text: "x"})
	require.ErrorIs(t, err, workflows.ErrNotFound)
}

// TestAPostThatMeetsNoConnectionGoes is a post that was accepted while somebody deleted the connection.
func TestAPostThatMeetsNoConnectionGoes(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	c := r.connect("helpdesk")
	id := r.post(c, "hello")
	require.NoError(t, r.store.DeleteConnection(t.Context(), contoso, c.ID))
	r.run()
	require.Zero(t, r.srv.Requests())
	require.Equal(t, workflows.Counts{}, r.counts())
	require.Empty(t, r.dead)
	_, err := r.svc.PostText(t.Context(), contoso, id)
	require.ErrorIs(t, err, workflows.ErrState)

	// The same while it is on its way.
	c = r.connect("helpdesk")
	r.srv.Fail("helpdesk", workflowstest.Fault{Status: 404})
	r.post(c, "hello")
	r.store = deletes{r.store, c.ID}
	r.svc = r.open()
	r.run()
	require.Equal(t, 1, r.srv.Requests())
	require.Equal(t, workflows.Counts{}, r.counts())
	require.Empty(t, r.dead)
}

// deletes is a store in which a connection is deleted between a try and what it says.
type deletes struct {
	workflows.Store
	id string
}

func (d deletes) NoteConnection(ctx context.Context, tenant mspkit.TenantID, id string, version int64, n workflows.Note) (workflows.Record, error) {
	if err := d.DeleteConnection(ctx, tenant, d.id); err != nil {
		return workflows.Record{}, err
	}
	return d.Store.NoteConnection(ctx, tenant, id, version, n)
}

func TestPostsThatAreTooLargeAreRefusedAtOnce(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	c := r.connect("helpdesk")
	for name, p := range map[string]workflows.Post{
		"a text":      {Text: strings.Repeat("x", 13_000)},
		"a long text": {Text: strings.Repeat("x", 100_000)},
		"a card":      {Card: &teamsapp.Card{Summary: "x", Body: []teamsapp.Element{teamsapp.Text{Text: strings.Repeat("ü", 4000)}, teamsapp.Text{Text: strings.Repeat("ü", 4000)}}}},
	} {
		_, err := r.svc.Post(t.Context(), contoso, c.ID, p)
		require.ErrorIs(t, err, workflows.ErrTooLarge, name)
		require.Regexp(t, `it has \d+ bytes.* (at most|limit is) \d+`, err.Error(), name)
	}
	require.Equal(t, workflows.Counts{}, r.counts())

	// One that became too large since.
	c.Form = workflows.FormText
	_, err := r.svc.Connect(t.Context(), c)
	require.NoError(t, err)
	r.post(c, strings.Repeat("x", 13_000))
	c.Form = workflows.FormBoth
	_, err = r.svc.Connect(t.Context(), c)
	require.NoError(t, err)
	r.run()
	require.Len(t, r.dead, 1)
	require.Contains(t, r.dead[0].Fault, "the limit is 25000")
	require.Zero(t, r.srv.Requests())
}

func TestAPostIsGivenUpOneDay(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(o *workflows.Options) { o.GiveUp = time.Hour })
	c := r.connect("helpdesk")
	r.post(c, "hello")
	for range 20 {
		r.srv.Fail("helpdesk", workflowstest.Fault{Status: 500})
	}
	for range 11 {
		r.run()
		r.clock.Add(10 * time.Minute)
	}
	require.Len(t, r.dead, 1)
	require.Contains(t, r.dead[0].Fault, "status 500")
}

func TestOptionsAreCheckedTogether(t *testing.T) {
	t.Parallel()
	_, err := workflows.New(nil, nil, &workflows.Options{
		Hosts: []string{"ok.example.com", "*.example.com", "azure.com", "https://x.y.z", "x.y.z.", ""}, MaxBody: 30_000, BrokenAfter: -1, Timeout: -1, Poll: -1, Workers: -1, Locale: "?",
	})
	require.ErrorIs(t, err, mspkit.ErrInvalid)
	for _, says := range []string{"store", "key ring", "Hosts[1]", "Hosts[2]", "Hosts[3]", "Hosts[4]", "Hosts[5]", "MaxBody", "BrokenAfter", "Timeout", "Poll", "Workers", "Locale"} {
		require.ErrorContains(t, err, says)
	}
	require.NotContains(t, err.Error(), "Hosts[0]")
	_, err = workflows.New(workflows.NewMemory(), newRing(t), nil)
	require.NoError(t, err)
}

// queue is a queue of the host's own.
type queue struct {
	drain mspkit.Drain
	woken []mspkit.Stream
}

func (q *queue) Handle(kind string, drain mspkit.Drain) error {
	if kind != workflows.Kind {
		return fmt.Errorf("of another kind: %s", kind)
	}
	q.drain = drain
	return nil
}

func (q *queue) Wake(_ context.Context, s mspkit.Stream, _ time.Time) error {
	q.woken = append(q.woken, s)
	return nil
}

func TestAQueueOfTheHostsOwnIsWoken(t *testing.T) {
	t.Parallel()
	q := &queue{}
	r := newRig(t, func(o *workflows.Options) { o.Queue = q })
	c := r.connect("helpdesk", func(c *workflows.Connection) { c.Events = workflows.Events() })
	r.post(c, "one")
	_, err := r.svc.Notify(t.Context(), contoso, workflows.Incoming{Event: workflows.LiveChat, ID: "2"})
	require.NoError(t, err)
	stream := mspkit.Stream{Kind: workflows.Kind, Tenant: contoso, Key: c.ID}
	require.Equal(t, []mspkit.Stream{stream, stream}, q.woken)
	again, err := q.drain(t.Context(), stream)
	require.NoError(t, err)
	require.True(t, again.IsZero())
	require.Len(t, r.shown("helpdesk"), 2)
}

func TestRunPostsUntilItIsEnded(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(o *workflows.Options) { o.Now, o.Rate, o.Per5Minutes = time.Now, 0, 0 })
	c := r.connect("helpdesk")
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- r.svc.Run(ctx) }()
	for i := range 6 {
		r.post(c, fmt.Sprintf("post %d", i))
	}
	wait, stop := context.WithTimeout(t.Context(), 20*time.Second)
	defer stop()
	runs, err := r.srv.Wait(wait, 6)
	require.NoError(t, err)
	require.GreaterOrEqual(t, runs[4].At.Sub(runs[0].At), time.Second, "four in a second")
	cancel()
	require.NoError(t, <-ended)
	require.Equal(t, []string{"post 0", "post 1", "post 2", "post 3", "post 4", "post 5"}, r.shown("helpdesk"))
}

func TestFlowsOfOneTenantThatHangKeepNoOtherWaiting(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(o *workflows.Options) { o.Workers, o.Timeout = 3, time.Minute })
	for i := range 6 {
		flow := fmt.Sprintf("hangs %d", i)
		r.srv.Fail(flow, workflowstest.Fault{Hang: true})
		r.post(r.connect(flow), "lost in it")
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- r.svc.Run(ctx) }()
	require.Eventually(t, func() bool { return r.srv.Requests() == 2 }, 20*time.Second, time.Millisecond, "half of the workers, rounded up")
	r.post(r.connect("helpdesk", func(c *workflows.Connection) { c.Tenant = fabrikam }), "heard")
	wait, stop := context.WithTimeout(t.Context(), 20*time.Second)
	defer stop()
	_, err := r.srv.Wait(wait, 1)
	require.NoError(t, err)
	require.Equal(t, []string{"heard"}, r.shown("helpdesk"))
	require.Equal(t, 3, r.srv.Requests(), "none of the others was begun")
	cancel()
	r.srv.Close()
	require.NoError(t, <-ended)
}

// TestTwoInstancesKeepTheOrder posts from two instances on one store, while two drain it.
func TestTwoInstancesKeepTheOrder(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(o *workflows.Options) {
		o.Now = time.Now
		o.Backoff = func(int) time.Duration { return 10 * time.Millisecond }
	})
	c := r.connect("helpdesk")
	for range 5 {
		r.srv.Fail("helpdesk", workflowstest.Fault{}, workflowstest.Fault{Status: 503})
	}
	second := r.open()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	for _, s := range []*workflows.Service{r.svc, second} {
		go func() { ended <- s.Run(ctx) }()
	}
	var want []string
	for i := range 40 {
		want = append(want, fmt.Sprintf("post %d", i))
		_, err := []*workflows.Service{r.svc, second}[i%2].Post(t.Context(), contoso, c.ID, workflows.Post{Text: want[i]})
		require.NoError(t, err)
	}
	wait, stop := context.WithTimeout(t.Context(), 20*time.Second)
	defer stop()
	_, err := r.srv.Wait(wait, 40)
	require.NoError(t, err)
	cancel()
	require.NoError(t, errors.Join(<-ended, <-ended))
	require.Equal(t, want, r.shown("helpdesk"))
}
