package graphteams_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/graphfake"
	"github.com/mspkit/mspkit/internal/graphx"
	"github.com/mspkit/mspkit/teamsapp/graphteams"
)

// ledger is what a host writes down of a run.
type ledger struct {
	at  graphteams.Checkpoint
	of  map[string][]graphteams.Outcome
	log []graphteams.Progress
}

func newLedger() *ledger { return &ledger{of: map[string][]graphteams.Outcome{}} }

func (l *ledger) request(e *estate, a graphteams.Audience) graphteams.ManyRequest {
	return graphteams.ManyRequest{
		Tenant: "contoso", App: e.app, Audience: a, From: l.at,
		Report: func(_ context.Context, p graphteams.PersonReport) error {
			l.of[p.User] = append(l.of[p.User], p.Outcome)
			return nil
		},
		Save: func(_ context.Context, at graphteams.Checkpoint) error {
			l.at = at
			return nil
		},
		Progress: func(p graphteams.Progress) { l.log = append(l.log, p) },
	}
}

// last is the final outcome of everybody.
func (l *ledger) last() map[string]graphteams.Outcome {
	out := map[string]graphteams.Outcome{}
	for u, list := range l.of {
		out[u] = list[len(list)-1]
	}
	return out
}

func TestEverybodyGetsTheApp(t *testing.T) {
	t.Parallel()
	e := newEstate(t, 130, nil)
	ctx := t.Context()
	e.tenant.PutTeamsInstall(e.people[1], e.app.CatalogID, "0.9.0")
	e.tenant.PutTeamsInstall(e.people[2], e.app.CatalogID, "1.0.0")
	e.tenant.SetTeams(e.people[3], graphfake.TeamsBlocked)
	e.tenant.Update(e.people[4], func(u *graphfake.User) { u.NoTeams = true })
	e.tenant.SetTeams(e.people[5], graphfake.TeamsUnused)
	e.tenant.SetTeams(e.people[6], graphfake.TeamsRefused)
	e.tenant.Update(e.people[7], func(u *graphfake.User) { u.Disabled = true })
	guest := e.add(graphfake.User{DisplayName: "Guest", UPN: "guest@contoso.example", UserType: "Guest"})

	l := newLedger()
	r := l.request(e, graphteams.Audience{Everyone: true})
	r.Upgrade = true
	at, counts, err := e.client.InstallMany(ctx, r)
	require.NoError(t, err)
	require.Equal(t, l.at, at)
	require.Equal(t, graphteams.Counts{Installed: 123, Already: 1, Upgraded: 1, Blocked: 1, NotLicensed: 1, Failed: 2, LeftOut: 1}, counts)
	require.Len(t, l.of, 129)
	require.Equal(t, 129, counts.Done())
	for i, want := range map[int]graphteams.Outcome{
		1: graphteams.OutcomeUpgraded, 2: graphteams.OutcomeAlready, 3: graphteams.OutcomeBlocked, 4: graphteams.OutcomeNotLicensed,
		5: graphteams.OutcomeFailed, 6: graphteams.OutcomeFailed, 8: graphteams.OutcomeInstalled,
	} {
		require.Equal(t, []graphteams.Outcome{want}, l.of[e.people[i]], i)
	}
	require.NotContains(t, l.of, e.people[7])
	require.NotContains(t, l.of, guest)
	for i, p := range e.people {
		require.Equal(t, i < 3 || i > 7, e.has(p), i)
	}
	p := l.log[len(l.log)-1]
	require.Equal(t, 129, p.Total) // guests and disabled accounts do not count
	require.Equal(t, counts, p.Counts)
	require.Positive(t, p.Rate)

	// A run that is over does nothing more.
	e.fake.SetFault(graphfake.Times(-1, graphfake.Fault{Status: 500}))
	_, again, err := e.client.InstallMany(ctx, l.request(e, graphteams.Audience{Everyone: true}))
	require.NoError(t, err)
	require.Equal(t, counts, again)
	e.fake.SetFault(nil)

	gone := newLedger()
	_, counts, err = e.client.UninstallMany(ctx, gone.request(e, graphteams.Audience{Everyone: true, Guests: true}))
	require.NoError(t, err)
	require.Equal(t, graphteams.Counts{Removed: 125, Absent: 5}, counts)
	for _, p := range e.people {
		require.False(t, e.has(p))
	}
}

func TestAGroupGetsTheApp(t *testing.T) {
	t.Parallel()
	e := newEstate(t, 250, nil)
	inner := e.tenant.AddGroup("Inner", e.people[100:230]...)
	outer := e.tenant.AddGroup("Outer", append(slices.Clone(e.people[:110]), inner)...)
	e.tenant.SetMembers(inner, append(slices.Clone(e.people[100:230]), outer)...)                                // each in the other
	guest := e.tenant.Put(graphfake.User{DisplayName: "Guest", UPN: "guest@contoso.example", UserType: "Guest"}) // licensed at home
	l := newLedger()
	_, counts, err := e.client.InstallMany(t.Context(), l.request(e, graphteams.Audience{Group: strings.ToUpper(outer)}))
	require.NoError(t, err)
	require.Equal(t, graphteams.Counts{Installed: 230}, counts)
	require.Equal(t, 230, l.log[0].Total)
	for i, p := range e.people {
		require.Equal(t, i < 230, e.has(p), i)
	}
	e.tenant.SetMembers(inner, guest)
	l = newLedger()
	_, counts, err = e.client.InstallMany(t.Context(), l.request(e, graphteams.Audience{Group: inner}))
	require.NoError(t, err)
	require.Equal(t, graphteams.Counts{LeftOut: 1}, counts)
	_, counts, err = e.client.InstallMany(t.Context(), newLedger().request(e, graphteams.Audience{Group: inner, Guests: true}))
	require.NoError(t, err)
	require.Equal(t, graphteams.Counts{Installed: 1}, counts)

	_, _, err = e.client.InstallMany(t.Context(), newLedger().request(e, graphteams.Audience{Group: helpdeskBot}))
	require.ErrorIs(t, err, graphteams.ErrRefused)
	require.Contains(t, graphteams.Explain(err), "group")
}

func TestPeopleByName(t *testing.T) {
	t.Parallel()
	e := newEstate(t, 45, nil)
	var list []string
	for i := range 45 {
		list = append(list, fmt.Sprintf("p%d@contoso.example", i))
	}
	e.tenant.Update(e.people[9], func(u *graphfake.User) { u.Licences = nil; u.UPN = list[9] })
	list = append(list, "nobody@contoso.example")
	l := newLedger()
	_, counts, err := e.client.InstallMany(t.Context(), l.request(e, graphteams.Audience{Users: list}))
	require.NoError(t, err)
	require.Equal(t, graphteams.OutcomeFailed, l.last()["nobody@contoso.example"])
	require.Equal(t, graphteams.OutcomeNotLicensed, l.last()[list[9]])
	require.Equal(t, 44, counts.Installed)
	require.Equal(t, 46, l.log[0].Total)
}

// errCrash ends a run as a crash does: whatever was saved is all that is left.
var errCrash = errors.New("crash")

// TestARunThatIsInterruptedAgainAndAgainSkipsNobody ends a run over 2,000 people at random places: by a crash of the host, the
// end of the context, faults of Graph, and a listing that Graph forgets.
func TestARunThatIsInterruptedAgainAndAgainSkipsNobody(t *testing.T) {
	t.Parallel()
	const n = 2000
	e := newEstate(t, n, nil)
	dice := rand.New(rand.NewPCG(7, 7))
	want := map[string]graphteams.Outcome{}
	for i, p := range e.people {
		switch i % 50 {
		case 10:
			e.tenant.SetTeams(p, graphfake.TeamsBlocked)
			want[p] = graphteams.OutcomeBlocked
		case 20:
			e.tenant.Update(p, func(u *graphfake.User) { u.NoTeams = true })
			want[p] = graphteams.OutcomeNotLicensed
		case 30:
			e.tenant.SetTeams(p, graphfake.TeamsUnused)
			want[p] = graphteams.OutcomeFailed
		default:
			want[p] = graphteams.OutcomeInstalled
		}
	}
	l := newLedger()
	var counts graphteams.Counts
	interrupted := 0
	for run := 0; ; run++ {
		require.Less(t, run, 200, "the run does not end")
		ctx, cancel := context.WithCancel(t.Context())
		after := dice.IntN(250) + 20 // people or requests
		left := after
		r := l.request(e, graphteams.Audience{Everyone: true})
		report, save := r.Report, r.Save
		how := run % 5
		var seen atomic.Int64
		e.fake.SetFault(func(req *http.Request) *graphfake.Fault {
			n := int(seen.Add(1))
			switch {
			case how == 2 && n >= after && strings.HasSuffix(req.URL.Path, "/$batch"):
				cancel() // in the middle of a request
			case how == 3 && n > after:
				return &graphfake.Fault{Status: http.StatusServiceUnavailable}
			case run == 4 && req.URL.Query().Has("$skiptoken"):
				return &graphfake.Fault{Status: http.StatusBadRequest, Code: "Directory_ExpiredPageToken"}
			case n%97 == 0 && strings.Contains(req.URL.Path, "/installedApps"):
				return &graphfake.Fault{Status: http.StatusTooManyRequests, Code: "TooManyRequests", Header: http.Header{"Retry-After-Ms": {"3"}}}
			case n%101 == 0 && strings.Contains(req.URL.Path, "/installedApps"):
				return &graphfake.Fault{Status: http.StatusBadGateway}
			}
			return nil
		})
		r.Report = func(ctx context.Context, p graphteams.PersonReport) error {
			if left--; (how == 0 || how == 4) && left < 0 {
				return errCrash
			}
			return report(ctx, p)
		}
		r.Save = func(ctx context.Context, at graphteams.Checkpoint) error {
			if how == 1 && left < 0 {
				return errCrash
			}
			return save(ctx, at)
		}
		at, c, err := e.instance(t).InstallMany(ctx, r)
		cancel()
		require.Equal(t, l.at, at)
		counts = c
		if err == nil {
			break
		}
		require.ErrorIs(t, err, graphteams.ErrTemporary)
		interrupted++
	}
	require.Greater(t, interrupted, 5)
	require.Len(t, l.of, n, "somebody was skipped")
	repeated := 0
	for p, list := range l.of {
		if list[0] == graphteams.OutcomeAlready { // installed, and the report was lost
			list[0] = graphteams.OutcomeInstalled
		}
		require.Equal(t, want[p], list[0])
		for _, again := range list[1:] {
			repeated++
			if want[p] == graphteams.OutcomeInstalled {
				require.Equal(t, graphteams.OutcomeAlready, again)
			} else {
				require.Equal(t, want[p], again)
			}
		}
		require.Equal(t, want[p] == graphteams.OutcomeInstalled, e.has(p))
		require.LessOrEqual(t, len(e.tenant.TeamsInstalls(p)), 1)
	}
	require.Equal(t, n, counts.Done())
	require.Equal(t, n/50, counts.Blocked)
	require.Equal(t, n/50, counts.NotLicensed)
	require.Equal(t, n/50, counts.Failed)
	t.Logf("%d interruptions, %d people were told again", interrupted, repeated)
}

func TestARunStopsAtOnceWhereNobodyCanHaveTheApp(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		change func(e *estate)
		want   error
		done   int // how many may have been reported before
	}{
		"consent is missing":                     {func(e *estate) { e.tenant.Revoke() }, graphteams.ErrConsent, 0},
		"no permission at all":                   {func(e *estate) { e.tenant.Deny() }, graphteams.ErrDenied, 0},
		"no permission to install":               {func(e *estate) { e.fake.SetFault(refuseInstalls(0)) }, graphteams.ErrDenied, 0},
		"the manifest names another application": {func(e *estate) { e.tenant.SetInstaller(helpdeskApp) }, graphteams.ErrDenied, 0},
		"the app is not in the catalog":          {func(e *estate) { e.tenant.Unpublish(e.app.CatalogID) }, graphteams.ErrNotPublished, 0},
		"the app is not for people": {func(e *estate) {
			e.tenant.PutTeamsApp(helpdeskApp, "Helpdesk", graphfake.TeamsAppDefinition{Scopes: []string{"team"}})
		}, graphteams.ErrScope, 0},
		"the permission is taken away": {func(e *estate) { e.fake.SetFault(refuseInstalls(100)) }, graphteams.ErrDenied, 100},
		// Of the requests of a page, which go out side by side, any may be let in: in the worst case one of each.
		"the permission is taken away within a page": {func(e *estate) { e.fake.SetFault(refuseInstalls(120)) }, graphteams.ErrDenied, 200},
		"nobody can be listed": {func(e *estate) {
			e.fake.SetFault(graphfake.Times(-1, graphfake.Fault{Status: 403, Code: "Authorization_RequestDenied"}, "/v1.0/users"))
		}, graphteams.ErrDenied, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := newEstate(t, 300, nil)
			tc.change(e)
			l := newLedger()
			_, counts, err := e.client.InstallMany(t.Context(), l.request(e, graphteams.Audience{Everyone: true}))
			require.ErrorIs(t, err, tc.want)
			require.NotEmpty(t, graphteams.Explain(err))
			require.LessOrEqual(t, counts.Done(), tc.done)
			require.LessOrEqual(t, len(l.of), tc.done+100)
		})
	}
	e := newEstate(t, 30, nil)
	e.fake.SetFault(refuseInstalls(0))
	_, _, err := e.client.UninstallMany(t.Context(), newLedger().request(e, graphteams.Audience{Everyone: true}))
	require.ErrorIs(t, err, graphteams.ErrDenied)
}

// refuseInstalls answers 403 to everything about installations after the first n.
func refuseInstalls(n int) func(*http.Request) *graphfake.Fault {
	var seen atomic.Int64
	return func(r *http.Request) *graphfake.Fault {
		if strings.Contains(r.URL.Path, "/installedApps") && int(seen.Add(1)) > n {
			return &graphfake.Fault{Status: http.StatusForbidden, Code: "Forbidden"}
		}
		return nil
	}
}

func TestARunIsNotEndedByOnePerson(t *testing.T) {
	t.Parallel()
	e := newEstate(t, 3, nil)
	for _, p := range e.people[:2] {
		e.tenant.SetTeams(p, graphfake.TeamsRefused)
	}
	l := newLedger()
	_, counts, err := e.client.InstallMany(t.Context(), l.request(e, graphteams.Audience{Users: e.people[:2]}))
	require.NoError(t, err)
	require.Equal(t, graphteams.Counts{Failed: 2}, counts)
	_, counts, err = e.client.InstallMany(t.Context(), newLedger().request(e, graphteams.Audience{Everyone: true}))
	require.NoError(t, err)
	require.Equal(t, graphteams.Counts{Installed: 1, Failed: 2}, counts)
}

// refuse400 answers 400 to the installation for some people.
func refuse400(people ...string) func(*http.Request) *graphfake.Fault {
	return func(r *http.Request) *graphfake.Fault {
		for _, p := range people {
			if r.Method == http.MethodPost && strings.Contains(r.URL.Path, p+"/teamwork/installedApps") {
				return &graphfake.Fault{Status: http.StatusBadRequest, Code: "BadRequest"}
			}
		}
		return nil
	}
}

// A 400 is read as that the app is not for people. The last people of a list are alone in their request, so that nobody else
// shows that it is theirs.
func TestARunIsNotEndedByABadRequestForItsLastPeople(t *testing.T) {
	t.Parallel()
	e := newEstate(t, 22, nil)
	e.fake.SetFault(refuse400(e.people[20:]...))
	l := newLedger()
	_, counts, err := e.client.InstallMany(t.Context(), l.request(e, graphteams.Audience{Users: e.people}))
	require.NoError(t, err)
	require.Equal(t, graphteams.Counts{Installed: 20, Failed: 2}, counts)

	e.fake.SetFault(refuse400(e.people...))
	_, _, err = e.client.InstallMany(t.Context(), newLedger().request(e, graphteams.Audience{Users: e.people}))
	require.ErrorIs(t, err, graphteams.ErrScope, "it is nobody's")
}

func TestAListWithoutAnEndEndsTheRun(t *testing.T) {
	t.Parallel()
	e := newEstate(t, 1, nil)
	var pages atomic.Int64
	e.fake.SetFault(func(r *http.Request) *graphfake.Fault {
		if !strings.HasSuffix(r.URL.Path, "/v1.0/users") {
			return nil
		}
		return &graphfake.Fault{Status: 200, Body: fmt.Sprintf(`{"value":[],"@odata.nextLink":"%s/v1.0/users?$skiptoken=%d"}`, e.url, pages.Add(1))}
	})
	r := newLedger().request(e, graphteams.Audience{Everyone: true})
	r.From = graphteams.ForgeCheckpoint(r, []byte(`{"v":1,"q":"$skiptoken=x","n":99990,"b":true,"c":{}}`))
	_, _, err := e.client.InstallMany(t.Context(), r)
	require.ErrorIs(t, err, graphx.ErrCircle)
	require.ErrorIs(t, err, graphteams.ErrTemporary)
	require.EqualValues(t, 11, pages.Load())
}

func TestAPageOfMorePeopleThanGraphHasIsNotTaken(t *testing.T) {
	t.Parallel()
	e := newEstate(t, 1, nil)
	for n, want := range map[int]error{999: nil, 1000: graphx.ErrTooBig} {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, `,{"id":"00000000-0000-4000-8000-%012d","accountEnabled":false}`, i)
		}
		e.fake.SetFault(graphfake.Times(-1, graphfake.Fault{Status: 200, Body: `{"value":[` + b.String()[1:] + `]}`}, "/v1.0/users"))
		_, counts, err := e.client.InstallMany(t.Context(), newLedger().request(e, graphteams.Audience{Everyone: true}))
		require.ErrorIs(t, err, want)
		require.Zero(t, counts.Done())
	}
}

// Somebody who has tried the package has a copy of their own, with the same id in its manifest.
func TestTheAppOfTheCatalogGoesBeforeACopy(t *testing.T) {
	t.Parallel()
	e := newEstate(t, 1, nil)
	const one = `{"id":"%s","teamsApp":{"id":"%s","externalId":"` + helpdeskApp + `"},"teamsAppDefinition":{"version":"1.0.0"}}`
	copied, ours := fmt.Sprintf(one, "copy", "11111111-1111-4111-8111-111111111111"), fmt.Sprintf(one, "ours", e.app.CatalogID)
	for _, list := range []string{copied + "," + ours, ours + "," + copied} {
		var removed []string
		e.fake.SetFault(func(r *http.Request) *graphfake.Fault {
			switch {
			case r.Method == http.MethodDelete:
				removed = append(removed, r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:])
				return &graphfake.Fault{Status: 204}
			case strings.Contains(r.URL.Path, "/installedApps"):
				return &graphfake.Fault{Status: 200, Body: `{"value":[` + list + `]}`}
			}
			return nil
		})
		i, err := e.client.Installed(t.Context(), "contoso", e.app, e.people[0])
		require.NoError(t, err)
		require.Equal(t, "ours", i.ID)
		require.NoError(t, e.client.Uninstall(t.Context(), "contoso", e.app, e.people[0]))
		_, _, err = e.client.UninstallMany(t.Context(), newLedger().request(e, graphteams.Audience{Users: e.people}))
		require.NoError(t, err)
		require.Equal(t, []string{"ours", "ours"}, removed)
	}
}

func TestTheRateOfATenantIsKept(t *testing.T) {
	t.Parallel()
	e := newEstate(t, 60, nil)
	began := time.Now()
	c := e.instance(t, func(o *graphteams.Options) { o.TenantRate = 100 })
	_, counts, err := c.InstallMany(t.Context(), newLedger().request(e, graphteams.Audience{Users: e.people}))
	require.NoError(t, err)
	require.Equal(t, 60, counts.Installed)
	require.Greater(t, time.Since(began), 400*time.Millisecond) // ten at once, the rest a hundred a second
}

func TestACheckpointIsOfOneRun(t *testing.T) {
	t.Parallel()
	e := newEstate(t, 250, nil)
	group := e.tenant.AddGroup("All", e.people...)
	l := newLedger()
	r := l.request(e, graphteams.Audience{Everyone: true})
	r.Report = func(context.Context, graphteams.PersonReport) error {
		if l.at != "" {
			return errCrash
		}
		return nil
	}
	_, _, err := e.client.InstallMany(t.Context(), r)
	require.ErrorIs(t, err, errCrash)
	require.NotEmpty(t, l.at)
	other := e.app
	other.CatalogID = "00000000-1111-4222-8333-444444444444"
	install, remove := e.client.InstallMany, e.client.UninstallMany
	for name, tc := range map[string]struct {
		call   func(context.Context, graphteams.ManyRequest) (graphteams.Checkpoint, graphteams.Counts, error)
		change func(r *graphteams.ManyRequest)
	}{
		"of another tenant":   {install, func(r *graphteams.ManyRequest) { r.Tenant = "fabrikam" }},
		"of another app":      {install, func(r *graphteams.ManyRequest) { r.App = other }},
		"of another audience": {install, func(r *graphteams.ManyRequest) { r.Audience = graphteams.Audience{Group: group} }},
		"of others, too":      {install, func(r *graphteams.ManyRequest) { r.Audience.Guests = true }},
		"of another kind":     {remove, func(*graphteams.ManyRequest) {}},
		"cut":                 {install, func(r *graphteams.ManyRequest) { r.From = r.From[:len(r.From)-2] }},
		"made up":             {install, func(r *graphteams.ManyRequest) { r.From = "AAAA" }},
		"too long":            {install, func(r *graphteams.ManyRequest) { r.From = graphteams.Checkpoint(strings.Repeat("A", 9000)) }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newLedger().request(e, graphteams.Audience{Everyone: true})
			r.From = l.at
			tc.change(&r)
			_, counts, err := tc.call(t.Context(), r)
			require.ErrorIs(t, err, graphteams.ErrCheckpoint)
			require.Zero(t, counts)
		})
	}
}

func TestManyRequestsAreChecked(t *testing.T) {
	t.Parallel()
	e := newEstate(t, 1, nil)
	noManifest, noVersion := e.app, e.app
	noManifest.ManifestID, noVersion.Version = "", ""
	for name, r := range map[string]graphteams.ManyRequest{
		"nothing":            {},
		"no tenant":          {App: e.app, Audience: graphteams.Audience{Everyone: true}},
		"no app":             {Tenant: "contoso", Audience: graphteams.Audience{Everyone: true}},
		"no audience":        {Tenant: "contoso", App: e.app},
		"two audiences":      {Tenant: "contoso", App: e.app, Audience: graphteams.Audience{Everyone: true, Users: e.people}},
		"a group by name":    {Tenant: "contoso", App: e.app, Audience: graphteams.Audience{Group: "All"}},
		"a user by path":     {Tenant: "contoso", App: e.app, Audience: graphteams.Audience{Users: []string{"a/b@c.example"}}},
		"upgrade to what":    {Tenant: "contoso", App: noVersion, Upgrade: true, Audience: graphteams.Audience{Everyone: true}},
		"upgrade, no id":     {Tenant: "contoso", App: noManifest, Upgrade: true, Audience: graphteams.Audience{Everyone: true}},
		"an unusable tenant": {Tenant: mspkit.TenantID(strings.Repeat("x", 999)), App: e.app, Audience: graphteams.Audience{Everyone: true}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, _, err := e.client.InstallMany(t.Context(), r)
			require.ErrorIs(t, err, mspkit.ErrInvalid)
		})
	}
	_, _, err := e.client.UninstallMany(t.Context(), graphteams.ManyRequest{Tenant: "contoso", App: noManifest, Audience: graphteams.Audience{Everyone: true}})
	require.ErrorIs(t, err, mspkit.ErrInvalid)
}

func TestARunEndsWithItsContext(t *testing.T) {
	t.Parallel()
	e := newEstate(t, 300, nil)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	r := newLedger().request(e, graphteams.Audience{Everyone: true})
	r.Progress = func(p graphteams.Progress) {
		if p.Counts.Done() >= 40 {
			cancel()
		}
	}
	_, _, err := e.client.InstallMany(ctx, r)
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorIs(t, err, graphteams.ErrTemporary)
}
