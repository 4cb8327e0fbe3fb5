package workflows_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/teamsapp/workflows"
)

func TestAConnectionIsMadeChangedAndDeleted(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	c := r.connect("helpdesk", func(c *workflows.Connection) {
		c.Events, c.Locale, c.Form = []workflows.Event{workflows.NewText}, "de-AT", workflows.FormCard
	})
	require.NotEmpty(t, c.ID)
	require.Empty(t, c.URL.Reveal())
	want := workflows.Connection{
		Tenant: contoso, ID: c.ID, Name: "helpdesk", Host: "127.0.0.1", Form: workflows.FormCard, Events: []workflows.Event{workflows.NewText}, Locale: "de-AT",
		CreatedAt: r.clock.Now(),
	}
	require.Equal(t, want, c)
	require.Equal(t, want, r.one(c))

	r.clock.Add(time.Hour)
	_, err := r.svc.Test(t.Context(), contoso, c.ID)
	require.NoError(t, err)
	want.TestedAt = r.clock.Now()
	require.Equal(t, want, r.one(c))

	c.Name, c.Events, c.Locale, c.Form = "second level", nil, "", workflows.FormBoth
	c, err = r.svc.Connect(t.Context(), c) // without a URL
	require.NoError(t, err)
	want.Name, want.Events, want.Locale, want.Form = "second level", nil, "", workflows.FormBoth
	require.Equal(t, want, c)
	_, err = r.svc.Test(t.Context(), contoso, c.ID)
	require.NoError(t, err)
	require.Len(t, r.shown("helpdesk"), 2, "the URL was kept")

	c.URL = mspkit.Redact(r.srv.URL("another"))
	c, err = r.svc.Connect(t.Context(), c)
	require.NoError(t, err)
	want.TestedAt = time.Time{}
	require.Equal(t, want, c, "a new URL is not tested")
	_, err = r.svc.Test(t.Context(), contoso, c.ID)
	require.NoError(t, err)
	require.Len(t, r.shown("another"), 1)

	require.NoError(t, r.svc.Disconnect(t.Context(), contoso, c.ID))
	require.ErrorIs(t, r.svc.Disconnect(t.Context(), contoso, c.ID), workflows.ErrNotFound)
	cs, err := r.svc.Connections(t.Context(), contoso)
	require.NoError(t, err)
	require.Empty(t, cs)
}

func TestTheNextTenantHasNoneOfIt(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	c := r.connect("helpdesk", func(c *workflows.Connection) { c.Events = workflows.Events() })
	id := r.post(c, "hello")
	ctx := t.Context()

	cs, err := r.svc.Connections(ctx, fabrikam)
	require.NoError(t, err)
	require.Empty(t, cs)
	_, err = r.svc.Test(ctx, fabrikam, c.ID)
	require.ErrorIs(t, err, workflows.ErrNotFound)
	_, err = r.svc.Post(ctx, fabrikam, c.ID, workflows.Post{Text: "x"})
	require.ErrorIs(t, err, workflows.ErrNotFound)
	n, err := r.svc.Notify(ctx, fabrikam, workflows.Incoming{Event: workflows.NewText, ID: "m1", Text: "x"})
	require.NoError(t, err)
	require.Zero(t, n)
	_, err = r.svc.Connect(ctx, workflows.Connection{Tenant: fabrikam, ID: c.ID, Name: "x"})
	require.ErrorIs(t, err, workflows.ErrNotFound)
	require.ErrorIs(t, r.svc.Disconnect(ctx, fabrikam, c.ID), workflows.ErrNotFound)
	_, err = r.svc.PostText(ctx, fabrikam, id)
	require.ErrorIs(t, err, workflows.ErrNotFound)
	require.ErrorIs(t, r.svc.DropPost(ctx, fabrikam, id), workflows.ErrNotFound)
	require.ErrorIs(t, r.svc.ReplayPost(ctx, fabrikam, id), workflows.ErrNotFound)
	require.Zero(t, r.srv.Requests())
	require.Equal(t, 1, r.counts().Pending)

	// An empty tenant is nobody's, and not everybody's.
	_, err = r.svc.DeadPosts(ctx, "", "", 0, 0)
	require.ErrorIs(t, err, mspkit.ErrInvalid)
	_, err = r.svc.Counts(ctx, "")
	require.ErrorIs(t, err, mspkit.ErrInvalid)
	_, err = r.svc.ReplayPosts(ctx, "", "")
	require.ErrorIs(t, err, mspkit.ErrInvalid)
	_, err = r.svc.ReplayPosts(ctx, contoso, "")
	require.ErrorIs(t, err, workflows.ErrNotFound)
}

func TestARecordMovedToTheNextTenantDoesNotOpen(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	c := r.connect("helpdesk", func(c *workflows.Connection) { c.Events = workflows.Events() })
	rec, err := r.store.Connection(t.Context(), contoso, c.ID)
	require.NoError(t, err)
	rec.Tenant = fabrikam
	require.NoError(t, r.store.PutConnection(t.Context(), rec, 10))
	cs, err := r.svc.Connections(t.Context(), fabrikam)
	require.NoError(t, err)
	require.Len(t, cs, 1)
	require.Contains(t, cs[0].Fault, "cannot be read")
	require.Empty(t, cs[0].Name)
	_, err = r.svc.Test(t.Context(), fabrikam, c.ID)
	require.Error(t, err)
	_, err = r.svc.Connect(t.Context(), workflows.Connection{Tenant: fabrikam, ID: c.ID, Name: "mine now"})
	require.Error(t, err, "without a URL of its own it stays unreadable")
	n, err := r.svc.Notify(t.Context(), fabrikam, workflows.Incoming{Event: workflows.NewText, ID: "m1"})
	require.NoError(t, err)
	require.Zero(t, n)
	require.Zero(t, r.srv.Requests())
	_, err = r.svc.Connect(t.Context(), workflows.Connection{Tenant: fabrikam, ID: c.ID, Name: "mine now", URL: mspkit.Redact(r.srv.URL("mine"))})
	require.NoError(t, err, "with one it is mended")
}

func TestConnectRefusesWhatCannotBeUsed(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for name, tc := range map[string]struct {
		change func(c *workflows.Connection)
		says   string
	}{
		"no tenant":             {func(c *workflows.Connection) { c.Tenant = "" }, "tenant"},
		"a tenant with a space": {func(c *workflows.Connection) { c.Tenant = " x" }, "tenant"},
		"no name":               {func(c *workflows.Connection) { c.Name = "" }, "name"},
		"a name of spaces":      {func(c *workflows.Connection) { c.Name = "  " }, "name"},
		"a long name":           {func(c *workflows.Connection) { c.Name = strings.Repeat("ü", 65) }, "it has 65"},
		"a name of two lines":   {func(c *workflows.Connection) { c.Name = "a\nb" }, "name"},
		"a name that reorders":  {func(c *workflows.Connection) { c.Name = "a\u202eb" }, "name"},
		"a name of no UTF-8":    {func(c *workflows.Connection) { c.Name = "a\xffb" }, "name"},
		"no URL":                {func(c *workflows.Connection) { c.URL = mspkit.Redact("") }, "empty"},
		"another URL":           {func(c *workflows.Connection) { c.URL = mspkit.Redact("https://evil.example/x") }, "host"},
		"a form":                {func(c *workflows.Connection) { c.Form = "html" }, "form"},
		"an event":              {func(c *workflows.Connection) { c.Events = []workflows.Event{"fax"} }, "event 1"},
		"an event twice": {func(c *workflows.Connection) {
			c.Events = []workflows.Event{workflows.NewText, workflows.LiveChat, workflows.NewText}
		}, "event 3"},
		"a locale": {func(c *workflows.Connection) { c.Locale = "german please" }, "locale"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := workflows.Connection{Tenant: contoso, Name: "x", URL: mspkit.Redact(r.srv.URL("x"))}
			tc.change(&c)
			_, err := r.svc.Connect(t.Context(), c)
			require.ErrorIs(t, err, mspkit.ErrInvalid)
			require.ErrorContains(t, err, tc.says)
		})
	}
	_, err := r.svc.Connect(t.Context(), workflows.Connection{Form: "x", Locale: "?"})
	for _, says := range []string{"tenant", "name", "form", "locale"} {
		require.ErrorContains(t, err, says, "all faults are told together")
	}
	_, err = r.svc.Connect(t.Context(), workflows.Connection{Tenant: contoso, ID: "nobody", Name: "x"})
	require.ErrorIs(t, err, workflows.ErrNotFound)
}

func TestATenantHasNotAnyNumberOfConnections(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for range workflows.MaxConnections {
		r.connect("x")
	}
	_, err := r.svc.Connect(t.Context(), workflows.Connection{Tenant: contoso, Name: "x", URL: mspkit.Redact(r.srv.URL("x"))})
	require.ErrorIs(t, err, workflows.ErrTooMany)
	_, err = r.svc.Connect(t.Context(), workflows.Connection{Tenant: fabrikam, Name: "x", URL: mspkit.Redact(r.srv.URL("x"))})
	require.NoError(t, err)
}

// secretsOf returns what must be seen nowhere.
func secretsOf(r *rig, flow string) []string {
	u := r.srv.URL(flow)
	_, sig, _ := strings.Cut(u, "sig=")
	sig, _, _ = strings.Cut(sig, "&")
	return []string{u, sig, "sig=", strings.Split(strings.Split(u, "/workflows/")[1], "/")[0], "invoke"}
}

func TestTheURLIsSeenNowhere(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(o *workflows.Options) { o.BrokenAfter = 1 })
	secrets := secretsOf(r, "helpdesk")
	c := r.connect("helpdesk")
	var seen strings.Builder
	see := func(what any) {
		for _, format := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
			fmt.Fprintf(&seen, format+"\n", what)
		}
		b, err := json.Marshal(what)
		fmt.Fprintln(&seen, string(b), err)
		slog.New(slog.NewJSONHandler(&seen, nil)).Info("x", slog.Any("what", what))
		slog.New(slog.NewTextHandler(&seen, nil)).Info("x", slog.Any("what", what))
	}
	mine := workflows.Connection{Tenant: contoso, ID: c.ID, Name: "helpdesk", URL: mspkit.Redact(r.srv.URL("helpdesk"))}
	see(mine)
	see(&mine)
	see([]workflows.Connection{mine})
	see(map[string]any{"c": struct{ C *workflows.Connection }{&mine}})
	see(c)
	see(r.svc)

	for _, fault := range []func(){
		func() { r.srv.Change("helpdesk", func(f *workflowstestFlow) { f.State = "Deleted" }) },
		func() { r.srv.Change("helpdesk", func(f *workflowstestFlow) { f.State = "Unknown" }) },
		func() { r.srv.Change("helpdesk", func(f *workflowstestFlow) { f.State, f.SignIn = "", true }) },
		func() { r.srv.Change("helpdesk", func(f *workflowstestFlow) { f.SignIn = false }) },
		func() { r.srv.Fail("helpdesk", workflowstestFault{Drop: true}, workflowstestFault{Drop: true}) },
		func() {
			r.srv.Fail("helpdesk", workflowstestFault{Status: 302, Location: r.srv.URL("other")}, workflowstestFault{Status: 500, Code: "X", Message: secrets[0]})
		},
		func() { r.srv.Close() },
	} {
		fault()
		res, err := r.svc.Test(t.Context(), contoso, c.ID)
		see(res)
		see(err)
		r.post(c, "hello")
		r.clock.Add(2 * time.Hour)
		r.run()
		see(r.one(c))
	}
	for _, d := range r.dead {
		see(d)
	}
	require.NotEmpty(t, r.dead)
	seen.WriteString(r.log.String())
	require.Contains(t, r.log.String(), "is broken")
	require.Contains(t, r.log.String(), "is dead")
	for _, s := range secrets {
		require.NotContains(t, seen.String(), s)
	}
}

func TestNothingIsStoredInClear(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	c := r.connect("helpdesk", func(c *workflows.Connection) { c.Name = "Second level of Contoso" })
	id := r.post(c, "Dana Smith calls")
	rec, err := r.store.Connection(t.Context(), contoso, c.ID)
	require.NoError(t, err)
	it, err := r.store.Posts().Get(t.Context(), contoso, id)
	require.NoError(t, err)
	stored := fmt.Sprintf("%q %q %+v %+v", rec.Sealed, it.Sealed, rec, it)
	for _, s := range append(secretsOf(r, "helpdesk"), "Second level", "Dana") {
		require.NotContains(t, stored, s)
	}
}

func TestKeysAreRotated(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	k1, k2 := mspkit.NewKey("k1"), mspkit.NewKey("k2")
	rings := make([]*mspkit.KeyRing, 3)
	for i, keys := range [][]mspkit.Key{{k1}, {k2, k1}, {k2}} {
		ring, err := mspkit.NewKeyRing(keys...)
		require.NoError(t, err)
		rings[i] = ring
	}
	r.ring = rings[0]
	r.svc = r.open()
	c := r.connect("helpdesk")
	r.connect("another")
	r.post(c, "hello")

	r.ring = rings[2]
	r.svc = r.open()
	require.Contains(t, r.one(c).Fault, "k1", "without the key nothing is read, and it is said which is missing")
	r.run()
	require.Empty(t, r.srv.Runs())

	r.ring = rings[1]
	r.svc = r.open()
	n, err := r.svc.Rewrap(t.Context(), 2)
	require.NoError(t, err)
	require.Equal(t, 2, n)
	n, err = r.svc.Rewrap(t.Context(), 2)
	require.NoError(t, err)
	require.Equal(t, 1, n)
	n, err = r.svc.Rewrap(t.Context(), 2)
	require.NoError(t, err)
	require.Zero(t, n)

	r.ring = rings[2]
	r.svc = r.open()
	r.clock.Add(time.Hour)
	r.run()
	require.Equal(t, []string{"hello"}, r.shown("helpdesk"))
}

func TestAPostMovedToAnotherConnectionDoesNotOpen(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	from, to := r.connect("boardroom"), r.connect("everybody")
	for _, post := range []workflows.Post{{Text: "for the board"}, {ID: "m1", Text: "for the board"}} {
		id, err := r.svc.Post(t.Context(), contoso, from.ID, post)
		require.NoError(t, err)
		it, err := r.store.Posts().Get(t.Context(), contoso, id)
		require.NoError(t, err)
		require.NoError(t, r.svc.DropPost(t.Context(), contoso, id))

		other := workflows.NewMemory() // where whoever writes to the database has put it below the other connection
		rec, err := r.store.Connection(t.Context(), contoso, to.ID)
		require.NoError(t, err)
		require.NoError(t, other.PutConnection(t.Context(), rec, 10))
		it.Key = to.ID
		_, err = other.Posts().Add(t.Context(), []workflows.Item{it})
		require.NoError(t, err)
		svc, err := workflows.New(other, r.ring, &r.o)
		require.NoError(t, err)
		_, err = svc.PostText(t.Context(), contoso, id)
		require.Error(t, err)
		require.NoError(t, svc.RunOnce(t.Context()))
		require.Empty(t, r.shown("everybody"))
		dead, err := svc.DeadPosts(t.Context(), contoso, "", 0, 0)
		require.NoError(t, err)
		require.Len(t, dead, 1)
		require.Contains(t, dead[0].Fault, "cannot be read")
	}
}
