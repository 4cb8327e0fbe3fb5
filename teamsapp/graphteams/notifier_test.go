package graphteams_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/graphfake"
	"github.com/mspkit/mspkit/teamsapp"
	"github.com/mspkit/mspkit/teamsapp/graphteams"
	"github.com/mspkit/mspkit/teamsapp/teamstest"
)

// campus is Teams and a bot for the offices on it. Making one takes time: it makes keys.
type campus struct {
	teams   *teamstest.Server
	bot     *teamsapp.Bot
	tenants sync.Map // Entra tenants that were onboarded
}

func newCampus(tb testing.TB, change func(*teamsapp.Options)) *campus {
	tb.Helper()
	c := &campus{}
	var err error
	c.teams, err = teamstest.Start(helpdeskBot, "secret", nil)
	require.NoError(tb, err)
	c.bot = c.instanceOfBot(tb, change)
	front := httptest.NewServer(c.bot)
	tb.Cleanup(func() {
		c.teams.Close()
		front.Close()
	})
	c.teams.Connect(front.URL)
	return c
}

// office is an estate whose people have Teams.
type office struct {
	*estate
	*campus

	persons []*teamstest.Person
	clock   *officeClock
	deaf    atomic.Bool // Teams is not told what Graph installs
	mute    atomic.Bool // the bot is not told by Teams
}

type officeClock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *officeClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *officeClock) move(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

func newOffice(tb testing.TB, people int, change func(*teamsapp.Options)) *office {
	tb.Helper()
	return newCampus(tb, change).office(tb, people)
}

func (c *campus) office(tb testing.TB, people int) *office {
	tb.Helper()
	of := &office{campus: c, clock: &officeClock{t: time.Now()}}
	of.estate = newEstate(tb, people, &graphfake.Options{Record: true, OnInstall: of.told})
	c.tenants.Store(of.tenant.ID, true)
	for _, id := range of.people {
		of.persons = append(of.persons, of.teams.AddPerson(of.tenant.ID, id, "Dana", "en-US"))
	}
	return of
}

// told passes on what Graph installed, as Teams does.
func (of *office) told(tenant, user, _ string, installed bool) {
	if of.deaf.Load() {
		return
	}
	p := of.teams.AddPerson(tenant, user, "Dana", "en-US")
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	switch {
	case !installed:
		p.UninstallSilently()
	case of.mute.Load():
		of.teams.Connect("")
		_ = p.Install(ctx)
	default:
		_ = p.Install(ctx)
	}
}

// instanceOfBot returns a bot with a memory of its own.
func (c *campus) instanceOfBot(tb testing.TB, change func(*teamsapp.Options)) *teamsapp.Bot {
	tb.Helper()
	ring, err := mspkit.NewKeyRing(mspkit.NewKey("office"))
	require.NoError(tb, err)
	transport := &http.Transport{MaxIdleConnsPerHost: 16}
	tb.Cleanup(transport.CloseIdleConnections)
	o := &teamsapp.Options{Cloud: c.teams.Cloud(), HTTPClient: &http.Client{Transport: transport}, TenantRate: -1}
	if change != nil {
		change(o)
	}
	app := teamsapp.App{ID: helpdeskBot, TenantID: c.teams.AppTenant(), Credential: teamsapp.ClientSecret("secret")}
	bot, err := teamsapp.New(app, ring, teamsapp.NewMemory(), func(_ context.Context, entra string) (mspkit.TenantID, error) {
		if _, ok := c.tenants.Load(entra); !ok {
			return "", fmt.Errorf("no customer: %w", teamsapp.ErrUnknownTenant)
		}
		return "contoso", nil
	}, o)
	require.NoError(tb, err)
	return bot
}

func (of *office) user(i int) teamsapp.User {
	return teamsapp.User{TenantID: of.tenant.ID, ObjectID: of.people[i]}
}

func (of *office) notifier(tb testing.TB, o graphteams.NotifierOptions) *graphteams.Notifier {
	tb.Helper()
	o.Now = of.clock.Now
	n, err := graphteams.NewNotifier(of.bot, of.client, of.client.Locate(of.bot, helpdeskApp), &o)
	require.NoError(tb, err)
	return n
}

// hello is a message to somebody.
func (of *office) hello(i int) teamsapp.Notification {
	return teamsapp.Notification{To: of.user(i), Message: teamsapp.Message{Text: "Hello"}}
}

// posts is how often somebody's app was installed or tried to be.
func (of *office) posts() int {
	n := 0
	for _, r := range of.fake.Requests() {
		if r.Method == http.MethodPost && strings.HasSuffix(r.Path, "/installedApps") {
			n++
		}
	}
	return n
}

func TestTheFirstMessageInstallsTheApp(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*teamsapp.Options){
		"by the object id": nil,
		"by reference":     func(o *teamsapp.Options) { o.NoObjectID = true },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			of := newOffice(t, 1, change)
			n := of.notifier(t, graphteams.NotifierOptions{})
			_, err := of.bot.Notify(t.Context(), of.hello(0))
			require.ErrorIs(t, err, teamsapp.ErrNotInstalled)
			r, err := n.Notify(t.Context(), of.hello(0))
			require.NoError(t, err)
			require.NotEmpty(t, r.Message.Activity)
			require.True(t, of.has(of.people[0]))
			_, err = n.Notify(t.Context(), of.hello(0)) // needs nothing of Graph
			require.NoError(t, err)
			require.Equal(t, 1, of.posts())
			require.NoError(t, n.Update(t.Context(), r.Message, teamsapp.Message{Text: "Bye"}))
			require.Zero(t, n.Recent(of.user(0)))

			// Somebody who removes the app gets it again.
			of.tenant.RemoveTeamsInstall(of.people[0])
			require.NoError(t, of.persons[0].Uninstall(t.Context()))
			_, err = n.Notify(t.Context(), of.hello(0))
			require.NoError(t, err)
			require.Equal(t, 2, of.posts())
		})
	}
}

func TestManyMessagesInstallOnce(t *testing.T) {
	t.Parallel()
	of := newOffice(t, 2, nil)
	var work sync.WaitGroup
	var failed atomic.Int32
	instances := []*graphteams.Notifier{of.notifier(t, graphteams.NotifierOptions{}), of.notifier(t, graphteams.NotifierOptions{})}
	for i := range 12 {
		work.Go(func() {
			if _, err := instances[i%2].Notify(t.Context(), of.hello(i/6)); err != nil {
				failed.Add(1)
			}
		})
	}
	work.Wait()
	require.Zero(t, failed.Load())
	require.LessOrEqual(t, of.posts(), 4, "each instance may install once for each person")
	for _, p := range of.people {
		require.Len(t, of.tenant.TeamsInstalls(p), 1)
	}
}

func TestACallerWhoLeavesDoesNotEndTheInstallationOfOthers(t *testing.T) {
	t.Parallel()
	of := newOffice(t, 1, nil)
	n := of.notifier(t, graphteams.NotifierOptions{})
	held, free := make(chan struct{}), make(chan struct{})
	var once sync.Once
	of.fake.SetFault(func(r *http.Request) *graphfake.Fault {
		if r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, "/installedApps") {
			once.Do(func() { close(held); <-free })
		}
		return nil
	})
	ctx, cancel := context.WithCancel(t.Context())
	first, second := make(chan error, 1), make(chan error, 1)
	go func() {
		_, err := n.Notify(ctx, of.hello(0))
		first <- err
	}()
	<-held
	go func() {
		_, err := n.Notify(t.Context(), of.hello(0))
		second <- err
	}()
	for of.teams.Count(teamstest.OpCreate) < 2 { // the second has been refused as well and waits
		time.Sleep(time.Millisecond)
	}
	time.Sleep(20 * time.Millisecond)
	cancel()
	err := <-first
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorIs(t, err, teamsapp.ErrNotInstalled)
	close(free)
	require.NoError(t, <-second)
	require.Equal(t, 1, of.posts())
}

func TestAnInstallationThatFailsIsRemembered(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		change, undo func(of *office)
		want         error
		tenantWide   bool
	}{
		"blocked": {
			func(of *office) { of.tenant.SetTeams(of.people[0], graphfake.TeamsBlocked) },
			func(of *office) { of.tenant.SetTeams(of.people[0], graphfake.TeamsNormal) }, graphteams.ErrBlocked, false,
		},
		"no licence": {
			func(of *office) { of.tenant.Update(of.people[0], func(u *graphfake.User) { u.NoTeams = true }) },
			func(of *office) { of.tenant.Update(of.people[0], func(u *graphfake.User) { u.NoTeams = false }) }, graphteams.ErrNotLicensed, false,
		},
		"consent is missing": {
			func(of *office) { of.tenant.Revoke() }, func(of *office) { of.tenant.Restore() }, graphteams.ErrConsent, true,
		},
		"not in the catalog": {
			func(of *office) { of.tenant.Unpublish(of.app.CatalogID) },
			func(of *office) {
				of.tenant.PutTeamsApp(helpdeskApp, "Helpdesk", graphfake.TeamsAppDefinition{GraphID: helpdeskBot})
			}, graphteams.ErrNotPublished, true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			of := newOffice(t, 2, nil)
			n := of.notifier(t, graphteams.NotifierOptions{})
			tc.change(of)
			for range 3 {
				_, err := n.Notify(t.Context(), of.hello(0))
				require.ErrorIs(t, err, tc.want)
				require.ErrorIs(t, err, teamsapp.ErrNotInstalled)
				require.NotEmpty(t, graphteams.Explain(err))
				require.NotContains(t, err.Error(), of.people[0])
				_, ok := errors.AsType[*graphteams.NotInstalledError](err)
				require.True(t, ok)
			}
			asked := len(of.fake.Requests())
			if tc.tenantWide {
				_, err := n.Notify(t.Context(), of.hello(1))
				require.ErrorIs(t, err, tc.want)
			} else {
				require.Equal(t, 1, of.posts())
			}
			require.Len(t, of.fake.Requests(), asked)
			r := n.Recent(of.user(0))
			require.ErrorIs(t, r.Send, teamsapp.ErrNotInstalled)
			require.ErrorIs(t, r.Install, tc.want)

			tc.undo(of)
			_, err := n.Notify(t.Context(), of.hello(0))
			require.ErrorIs(t, err, tc.want, "it was not remembered")
			if tc.tenantWide {
				n.Forget(of.tenant.ID)
			} else {
				of.clock.move(11 * time.Minute)
			}
			_, err = n.Notify(t.Context(), of.hello(0))
			require.NoError(t, err)
			require.Zero(t, n.Recent(of.user(0)))
		})
	}
}

func TestABadRequestForOnePersonDoesNotStopTheTenant(t *testing.T) {
	t.Parallel()
	of := newOffice(t, 2, nil)
	n := of.notifier(t, graphteams.NotifierOptions{})
	of.fake.SetFault(refuse400(of.people[0]))
	for range 2 {
		_, err := n.Notify(t.Context(), of.hello(0))
		require.ErrorIs(t, err, graphteams.ErrScope)
	}
	require.Equal(t, 1, of.posts(), "it is remembered")
	_, err := n.Notify(t.Context(), of.hello(1))
	require.NoError(t, err)
}

func TestWhatFailsForTheMomentIsTriedAgain(t *testing.T) {
	t.Parallel()
	of := newOffice(t, 1, nil)
	n := of.notifier(t, graphteams.NotifierOptions{})
	of.fake.SetFault(graphfake.Times(-1, graphfake.Fault{Status: 503}, "/installedApps"))
	_, err := n.Notify(t.Context(), of.hello(0))
	require.ErrorIs(t, err, graphteams.ErrTemporary)
	of.fake.SetFault(nil)
	_, err = n.Notify(t.Context(), of.hello(0))
	require.NoError(t, err)
}

func TestAnInstallationWithoutEffectEndsInTime(t *testing.T) {
	t.Parallel()
	of := newOffice(t, 1, nil)
	of.deaf.Store(true)
	n := of.notifier(t, graphteams.NotifierOptions{Wait: 300 * time.Millisecond})
	began := time.Now()
	_, err := n.Notify(t.Context(), of.hello(0))
	require.ErrorIs(t, err, graphteams.ErrNoEffect)
	require.ErrorIs(t, err, teamsapp.ErrNotInstalled)
	require.Less(t, time.Since(began), 10*time.Second)
	require.True(t, of.has(of.people[0]))
	require.NoError(t, of.persons[0].Install(t.Context())) // later
	_, err = n.Notify(t.Context(), of.hello(0))
	require.NoError(t, err)

	// The bot was never told, but may begin the chat.
	mute := newOffice(t, 1, nil)
	mute.mute.Store(true)
	_, err = mute.notifier(t, graphteams.NotifierOptions{}).Notify(t.Context(), mute.hello(0))
	require.NoError(t, err)
}

func TestPeopleWhoRemovedTheAppCanBeLeftAlone(t *testing.T) {
	t.Parallel()
	of := newOffice(t, 1, nil)
	n := of.notifier(t, graphteams.NotifierOptions{KeepRemoved: true})
	_, err := n.Notify(t.Context(), of.hello(0))
	require.NoError(t, err)
	of.tenant.RemoveTeamsInstall(of.people[0])
	require.NoError(t, of.persons[0].Uninstall(t.Context()))
	_, err = n.Notify(t.Context(), of.hello(0))
	require.ErrorIs(t, err, graphteams.ErrRemoved)
	require.ErrorIs(t, err, teamsapp.ErrNotInstalled)
	require.False(t, of.has(of.people[0]))
	require.NotEmpty(t, graphteams.Explain(err))
}

func TestOtherErrorsOfTheBotArePassedOn(t *testing.T) {
	t.Parallel()
	of := newOffice(t, 1, nil)
	n := of.notifier(t, graphteams.NotifierOptions{})
	_, err := n.Notify(t.Context(), of.hello(0))
	require.NoError(t, err)
	asked := len(of.fake.Requests())
	of.persons[0].Block()
	_, err = n.Notify(t.Context(), of.hello(0))
	require.ErrorIs(t, err, teamsapp.ErrBlockedByUser)
	require.ErrorIs(t, n.Recent(of.user(0)).Send, teamsapp.ErrBlockedByUser)
	m := of.hello(0)
	m.To.TenantID = "00000000-1111-4222-8333-444444444444"
	_, err = n.Notify(t.Context(), m)
	require.ErrorIs(t, err, teamsapp.ErrUnknownTenant)
	m.To.ObjectID = "dana"
	_, err = n.Notify(t.Context(), m)
	require.ErrorIs(t, err, mspkit.ErrInvalid)
	require.Len(t, of.fake.Requests(), asked)
	for _, bad := range []func() (*graphteams.Notifier, error){
		func() (*graphteams.Notifier, error) {
			return graphteams.NewNotifier(nil, of.client, of.client.Locate(of.bot, helpdeskApp), nil)
		},
		func() (*graphteams.Notifier, error) {
			return graphteams.NewNotifier(of.bot, nil, of.client.Locate(of.bot, helpdeskApp), nil)
		},
		func() (*graphteams.Notifier, error) { return graphteams.NewNotifier(of.bot, of.client, nil, nil) },
	} {
		_, err := bad()
		require.ErrorIs(t, err, mspkit.ErrInvalid)
	}
}
