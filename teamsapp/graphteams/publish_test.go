package graphteams_test

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/entra/azurecred"
	"github.com/mspkit/mspkit/internal/graphfake"
	"github.com/mspkit/mspkit/teamsapp"
	"github.com/mspkit/mspkit/teamsapp/graphteams"
)

const apps = "/v1.0/appCatalogs/teamsApps"

func TestPublishCreatesUpdatesAndLeavesAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.client(t)
	ctx := t.Context()
	_, err := c.Find(ctx, contoso, manifestID)
	require.ErrorIs(t, err, graphteams.ErrNotPublished)
	w.Forget()

	pub, err := c.Publish(ctx, contoso, pkg(t, "1.0.0"), nil)
	require.NoError(t, err)
	require.True(t, pub.Created && pub.Seen)
	require.False(t, pub.Updated || pub.InReview)
	id := w.tenant.TeamsApps()[0].ID
	require.Equal(t, graphteams.App{CatalogID: id, ManifestID: manifestID, Name: "Northwind Helpdesk", Version: "1.0.0", State: graphteams.StatePublished}, pub.App)
	require.Equal(t, []string{"GET " + apps, "POST " + apps, "GET " + apps}, w.sent())

	pub, err = c.Publish(ctx, contoso, pkg(t, "1.0.0"), nil)
	require.NoError(t, err)
	require.False(t, pub.Created || pub.Updated)
	require.True(t, pub.Seen)
	require.Equal(t, []string{"GET " + apps}, w.sent(), "nothing is uploaded that is there")

	pub, err = c.Publish(ctx, contoso, pkg(t, "1.0.10"), nil)
	require.NoError(t, err)
	require.True(t, pub.Updated && pub.Seen)
	require.False(t, pub.Created)
	require.Equal(t, id, pub.CatalogID)
	require.Equal(t, []string{"GET " + apps, "POST " + apps + "/" + id + "/appDefinitions", "GET " + apps}, w.sent())

	_, err = c.Publish(ctx, contoso, pkg(t, "1.0.9"), nil)
	require.ErrorIs(t, err, graphteams.ErrVersion, "as numbers: 9 is below 10")
	require.Contains(t, asError(t, err).Advice, "1.0.10")
	require.Equal(t, []string{"GET " + apps}, w.sent())

	app, err := c.Find(ctx, contoso, strings.ToUpper(manifestID))
	require.NoError(t, err)
	require.Equal(t, pub.App, app)
	require.NoError(t, c.Withdraw(ctx, contoso, manifestID))
	require.Empty(t, w.tenant.TeamsApps())
	require.NoError(t, c.Withdraw(ctx, contoso, manifestID), "what is gone is gone")
}

// Anybody who may submit apps can submit one with an id and a version of ours.
func TestPublishTakesNothingOfSomebodyElseForItsOwn(t *testing.T) {
	t.Parallel()
	const stranger = "11111111-1111-4111-8111-111111111111"
	foreign := func(version string) *teamsapp.Package {
		return pack(t, manifest(version, map[string]any{"webApplicationInfo": map[string]any{"id": stranger, "resource": "api://x"}}))
	}
	w := newWorld(t)
	admin := w.client(t)
	ctx := t.Context()
	w.who = w.user
	user := w.client(t)
	_, err := user.Publish(ctx, contoso, foreign("1.0.0"), &graphteams.PublishOptions{Review: true})
	require.NoError(t, err)
	w.who = w.admin
	_, err = admin.Publish(ctx, contoso, pkg(t, "1.0.0"), nil)
	require.ErrorIs(t, err, graphteams.ErrVersion, "it is not ours that waits for a review")
	require.Contains(t, asError(t, err).Advice, "another application")
	defs, err := admin.Definitions(ctx, contoso, manifestID)
	require.NoError(t, err)
	require.Len(t, defs, 1)
	require.Equal(t, stranger, defs[0].Application)

	require.NoError(t, admin.Reject(ctx, contoso, defs[0]))
	pub, err := admin.Publish(ctx, contoso, pkg(t, "1.0.1"), nil)
	require.NoError(t, err)
	require.Equal(t, graphteams.StatePublished, pub.State)

	w.who = w.user
	user = w.client(t)
	_, err = user.Publish(ctx, contoso, foreign("99.0.0"), &graphteams.PublishOptions{Review: true})
	require.NoError(t, err)
	w.who = w.admin
	pub, err = admin.Publish(ctx, contoso, pkg(t, "1.0.2"), nil)
	require.NoError(t, err, "a high version of somebody else holds up nothing")
	require.True(t, pub.Updated)
}

// TestPublishWithOddAnswers has the answers that the documentation shows beside those that it tells of.
func TestPublishWithOddAnswers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.tenant.SetCatalogQuirks(graphfake.CatalogQuirks{OK: true, NoContent: true, ErrorsAsSuccess: true, NoETags: true})
	c := w.client(t)
	pub, err := c.Publish(t.Context(), contoso, pkg(t, "1.0.0"), nil)
	require.NoError(t, err)
	require.True(t, pub.Created)
	pub, err = c.Publish(t.Context(), contoso, pkg(t, "1.1.0"), nil)
	require.NoError(t, err)
	require.True(t, pub.Updated)
}

func TestPublishNotWaiting(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	pub, err := w.client(t).Publish(t.Context(), contoso, pkg(t, "1.0.0"), &graphteams.PublishOptions{Wait: -1})
	require.NoError(t, err)
	require.True(t, pub.Created)
	require.False(t, pub.Seen)
	require.Equal(t, "1.0.0", pub.Version)
	require.NotEmpty(t, pub.CatalogID)
	require.Len(t, w.sent(), 2)
}

func TestPublishWaitsUntilItIsSeen(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.tenant.SetCatalogQuirks(graphfake.CatalogQuirks{Delay: 20 * time.Second})
		c := w.client(t)
		begin := time.Now()
		pub, err := c.Publish(t.Context(), contoso, pkg(t, "1.0.0"), nil)
		require.NoError(t, err)
		require.True(t, pub.Created && pub.Seen)
		took := time.Since(begin)
		require.GreaterOrEqual(t, took, 20*time.Second)
		require.Less(t, took, 31*time.Second)
		require.Len(t, w.sent(), 2+6, "1, 2, 4, 8 and 10 seconds between")

		// A version that is not seen in time is uploaded nevertheless, and uploaded once.
		w.tenant.SetCatalogQuirks(graphfake.CatalogQuirks{Delay: time.Hour})
		begin = time.Now()
		pub, err = c.Publish(t.Context(), contoso, pkg(t, "1.0.1"), &graphteams.PublishOptions{Wait: 5 * time.Second})
		require.NoError(t, err)
		require.True(t, pub.Updated)
		require.False(t, pub.Seen)
		require.InDelta(t, 5, time.Since(begin).Seconds(), 0.5)

		// The end of the caller's time does not hide what was done.
		w.tenant.SetCatalogQuirks(graphfake.CatalogQuirks{Delay: time.Hour})
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		pub, err = c.Publish(ctx, contoso, pkg(t, "1.0.2"), nil)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorIs(t, err, graphteams.ErrTemporary)
		require.True(t, pub.Updated)
		require.Equal(t, "1.0.2", pub.Version)
	})
}

// TestPublishAtTheSameTime has somebody else's upload between our look and ours, seen at once, later, and not in time.
func TestPublishAtTheSameTime(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		theirs string
		delay  time.Duration
		odd    bool
		want   error
		update bool
	}{
		"the same version":              {theirs: "1.0.5"},
		"the same, and 200":             {theirs: "1.0.5", odd: true},
		"the same, seen later":          {theirs: "1.0.5", delay: 3 * time.Second},
		"an older one":                  {theirs: "1.0.4", update: true},
		"an older one, seen later":      {theirs: "1.0.4", delay: 3 * time.Second, update: true},
		"a newer one":                   {theirs: "1.0.6", want: graphteams.ErrVersion},
		"one that is not seen for long": {theirs: "1.0.5", delay: time.Hour, want: graphteams.ErrChanged},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.tenant.SetCatalogQuirks(graphfake.CatalogQuirks{Delay: tc.delay, ErrorsAsSuccess: tc.odd})
				var once atomic.Bool
				w.SetFault(func(r *http.Request) *graphfake.Fault {
					if r.Method == http.MethodPost && once.CompareAndSwap(false, true) {
						_, err := w.tenant.Publish(pkg(t, tc.theirs).Zip)
						require.NoError(t, err)
					}
					return nil
				})
				pub, err := w.client(t).Publish(t.Context(), contoso, pkg(t, "1.0.5"), nil)
				if tc.want != nil {
					require.ErrorIs(t, err, tc.want)
					asError(t, err)
					return
				}
				require.NoError(t, err)
				require.False(t, pub.Created, "somebody else did")
				require.Equal(t, tc.update, pub.Updated)
				require.Equal(t, "1.0.5", pub.Version)
			})
		})
	}
}

// TestPublishTogether has several instances publish the same package.
func TestPublishTogether(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.tenant.SetCatalogQuirks(graphfake.CatalogQuirks{Delay: 2 * time.Second})
		p := pkg(t, "1.0.0")
		var created atomic.Int32
		var wg sync.WaitGroup
		for range 5 {
			c := w.client(t)
			wg.Go(func() {
				pub, err := c.Publish(t.Context(), contoso, p, nil)
				if assert.NoError(t, err) && assert.True(t, pub.Seen) && pub.Created {
					created.Add(1)
				}
			})
		}
		wg.Wait()
		require.EqualValues(t, 1, created.Load())
		require.Len(t, w.tenant.TeamsApps(), 1)
	})
}

func TestPublishWhereTheAnswerIsLost(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]graphfake.Fault{
		"done, no answer":             {Drop: true, After: true},
		"not done, no answer":         {Drop: true},
		"not done, 502":               {Status: 502},
		"an answer that is no app":    {Status: 200, Body: `{"id":"x","externalId":"other"}`},
		"an answer that is no JSON":   {Status: 200, Body: `<html>`},
		"an error of unknown meaning": {Status: 200, Body: `{"error":{"code":"Strange","message":"x"}}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				var once atomic.Bool
				w.SetFault(func(r *http.Request) *graphfake.Fault {
					if r.Method == http.MethodPost && once.CompareAndSwap(false, true) {
						return &fault
					}
					return nil
				})
				pub, err := w.client(t).Publish(t.Context(), contoso, pkg(t, "1.0.0"), nil)
				require.NoError(t, err)
				require.True(t, pub.Created && pub.Seen)
				require.Len(t, w.tenant.TeamsApps(), 1)

				// Where it goes on it is not known, and said so.
				w.SetFault(func(r *http.Request) *graphfake.Fault {
					if r.Method == http.MethodPost {
						return &graphfake.Fault{Status: 503}
					}
					return nil
				})
				_, err = w.client(t).Publish(t.Context(), contoso, pkg(t, "1.0.1"), nil)
				require.ErrorIs(t, err, graphteams.ErrUnknown)
				require.Equal(t, 503, asError(t, err).Status)
			})
		})
	}
}

func TestPublishWhereTheAppIsDeletedMeanwhile(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		id, err := w.tenant.Publish(pkg(t, "1.0.0").Zip)
		require.NoError(t, err)
		var once atomic.Bool
		w.SetFault(func(r *http.Request) *graphfake.Fault {
			if r.Method == http.MethodPost && once.CompareAndSwap(false, true) {
				require.True(t, w.tenant.Unpublish(id))
			}
			return nil
		})
		pub, err := w.client(t).Publish(t.Context(), contoso, pkg(t, "1.0.1"), nil)
		require.NoError(t, err)
		require.True(t, pub.Created)
		require.NotEqual(t, id, pub.CatalogID)
	})
}

// TestWhatMicrosoftSaysOfAPackage has the answers of the catalog to packages that it does not take, by 400 and by 200.
func TestWhatMicrosoftSaysOfAPackage(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("Northwind ", 4)
	for name, tc := range map[string]struct {
		change map[string]any
		code   string
		field  string
		says   string
	}{
		"a name that is too long": {map[string]any{"name": map[string]any{"short": long}}, "SchemaError_MaximumLength", "name.short", "the short name (name.short) is too long"},
		"an unknown property":     {map[string]any{"packageName": "x"}, "SchemaError_AdditionalProperties", "packageName", "packageName is not known in this version of the schema"},
		"somebody's property":     {map[string]any{"Dana Whitfield": "x"}, "SchemaError_AdditionalProperties", "", "a field is not known"},
		"a colour that is none":   {map[string]any{"accentColor": "blue"}, "SchemaError_Pattern", "accentColor", "the accent colour (accentColor) is not of the form"},
		"no schema":               {map[string]any{"$schema": ""}, "CommonSchemaUrlIsRequiredField", "$schema", "the address of the schema is missing"},
		"an icon that is missing": {map[string]any{"icons": map[string]any{"color": "color.png", "outline": "o.png"}}, "Serialization_FileMissing", "icons.outline", "the outline icon (icons.outline) names a file"},
	} {
		for _, odd := range []bool{false, true} {
			w := newWorld(t)
			w.tenant.SetCatalogQuirks(graphfake.CatalogQuirks{ErrorsAsSuccess: odd})
			_, err := w.client(t).Publish(t.Context(), contoso, pack(t, manifest("1.0.0", tc.change)), nil)
			require.ErrorIs(t, err, graphteams.ErrManifest, "%s, 200: %v", name, odd)
			e := asError(t, err)
			require.Equal(t, http.StatusBadRequest, e.Status)
			require.Equal(t, "UnableToParseTeamsAppManifest", e.Code)
			require.NotEmpty(t, e.RequestID)
			require.Contains(t, e.Advice, tc.says, name)
			var m *graphteams.ManifestError
			require.ErrorAs(t, err, &m)
			require.Len(t, m.Problems, 1, name)
			require.Equal(t, tc.code, m.Problems[0].Code)
			require.Equal(t, tc.field, m.Problems[0].Field)
			require.Contains(t, m.Error(), tc.says)
			require.Empty(t, w.tenant.TeamsApps())
			require.Len(t, w.sent(), 2, "a package that is refused is not sent again")
		}
	}
}

// TestThePackageIsLookedAtFirst has packages for which nothing is sent.
func TestThePackageIsLookedAtFirst(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.client(t)
	good := pkg(t, "1.0.0")
	with := func(f func(*teamsapp.Package)) *teamsapp.Package {
		p := *good
		f(&p)
		return &p
	}
	for name, p := range map[string]*teamsapp.Package{
		"none":                  nil,
		"an id that is none":    with(func(p *teamsapp.Package) { p.ID = "' or 1 eq 1" }),
		"another id":            with(func(p *teamsapp.Package) { p.ID = botID }),
		"another version":       with(func(p *teamsapp.Package) { p.Version = "1.0.1" }),
		"no version":            with(func(p *teamsapp.Package) { p.Version = "" }),
		"a version with a word": pack(t, manifest("1.0.0-rc1", nil)),
		"a version with zeros":  pack(t, manifest("1.00.0", nil)),
		"no zip":                with(func(p *teamsapp.Package) { p.Zip = nil }),
		"a zip that is none":    with(func(p *teamsapp.Package) { p.Zip = []byte("PK\x03\x04") }),
		"a zip without":         with(func(p *teamsapp.Package) { p.Zip = []byte("PK\x05\x06" + strings.Repeat("\x00", 18)) }),
		"a zip that is long":    with(func(p *teamsapp.Package) { p.Zip = append(make([]byte, graphteams.DefaultMaxPackage), p.Zip...) }),
	} {
		_, err := c.Publish(t.Context(), contoso, p, nil)
		require.ErrorIs(t, err, mspkit.ErrInvalid, name)
		asError(t, err)
	}
	require.Empty(t, w.sent())
	_, err := c.Publish(t.Context(), contoso, good, &graphteams.PublishOptions{MaxPackage: 10})
	require.ErrorIs(t, err, mspkit.ErrInvalid)
	_, err = c.Publish(t.Context(), "", good, nil)
	require.ErrorIs(t, err, mspkit.ErrInvalid)
	_, err = c.Publish(t.Context(), contoso, good, &graphteams.PublishOptions{MaxPackage: -1})
	require.NoError(t, err)
	w.SetFault(graphfake.Times(-1, graphfake.Fault{Status: http.StatusRequestEntityTooLarge, Code: "RequestEntityTooLarge"}, "/appDefinitions"))
	_, err = c.Publish(t.Context(), contoso, pkg(t, "1.0.1"), nil)
	require.ErrorIs(t, err, graphteams.ErrManifest)
	require.Contains(t, asError(t, err).Advice, "smaller logo")
}

func TestWhoMayPublish(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := pkg(t, "1.0.0")
	publish := func(who string, o *graphteams.PublishOptions) (graphteams.Publication, error) {
		w.who = who
		return w.client(t).Publish(t.Context(), contoso, p, o)
	}
	_, err := publish("", nil)
	require.ErrorIs(t, err, graphteams.ErrDenied, "an application")
	require.Contains(t, asError(t, err).Advice, "no permission by which an application could do it by itself")
	_, err = publish("", &graphteams.PublishOptions{Review: true})
	require.ErrorIs(t, err, graphteams.ErrDenied)
	require.Contains(t, asError(t, err).Advice, "AppCatalog.Submit")
	_, err = publish(w.user, nil)
	require.ErrorIs(t, err, graphteams.ErrDenied, "somebody who is no administrator")
	require.Contains(t, asError(t, err).Advice, "submit the app for review")
	require.Empty(t, w.tenant.TeamsApps())

	// What Graph answers to applications in some places.
	w.SetFault(func(r *http.Request) *graphfake.Fault {
		if r.Method == http.MethodPost {
			return &graphfake.Fault{Status: http.StatusPreconditionFailed, Code: "PreconditionFailed"}
		}
		return nil
	})
	_, err = publish("", nil)
	require.ErrorIs(t, err, graphteams.ErrDelegated)
	w.SetFault(nil)

	// Where it is known before, nothing is sent.
	w.Forget()
	app, err := azurecred.NewApp(func(context.Context, mspkit.TenantID) (string, error) { return w.tenant.ID, nil }, &azurecred.Options{
		ClientID: botID, Secret: mspkit.Redact("secret"),
	})
	require.NoError(t, err)
	c := w.clientOf(t, app, azurecred.Cloud{Login: graphURL, Graph: graphURL})
	_, err = c.Publish(t.Context(), contoso, p, nil)
	require.ErrorIs(t, err, graphteams.ErrDelegated)
	require.ErrorIs(t, c.Withdraw(t.Context(), contoso, manifestID), graphteams.ErrDelegated)
	_, err = c.Approve(t.Context(), contoso, graphteams.Definition{ManifestID: manifestID, Version: "1.0.0"})
	require.ErrorIs(t, err, graphteams.ErrDelegated)
	require.Empty(t, w.sent())

	// A partner's administrator, by a relationship with the role and by one without.
	msp := w.AddTenant("", "MSP", "msp.example")
	tech := msp.Put(graphfake.User{DisplayName: "Tech", Mail: "tech@msp.example"})
	rel := graphfake.Relationship{ID: "r", Customer: w.tenant.ID, Roles: []string{"fe930be7-5e62-47db-91af-98c3a49a38b1"}, Group: "g"}
	msp.Relate(rel)
	w.tenant.Consent("app", "AppCatalog.ReadWrite.All")
	viaGDAP := func() error {
		bearer := w.partnerBearer(t, tech, msp)
		_, err := w.clientOf(t, creds{contoso: func() string { return bearer }}, azurecred.Cloud{Login: graphURL, Graph: graphURL}).Publish(t.Context(), contoso, p, nil)
		return err
	}
	require.ErrorIs(t, viaGDAP(), graphteams.ErrDenied)
	rel.Roles = append(rel.Roles, "69091246-20e8-4a56-aa4d-066075b2a7a8") // Teams Administrator
	msp.Relate(rel)
	require.NoError(t, viaGDAP())
	require.Len(t, w.tenant.TeamsApps(), 1)
}

// partnerBearer redeems a refresh token of a partner's user for a customer's tenant.
func (w *world) partnerBearer(t *testing.T, user string, home *graphfake.Tenant) string {
	t.Helper()
	form := "grant_type=refresh_token&client_id=app&client_secret=s&scope=https%3A%2F%2Fgraph.example%2F.default&refresh_token=" + w.RefreshToken(home.ID, user)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, graphURL+"/"+w.tenant.ID+"/oauth2/v2.0/token", strings.NewReader(form))
	require.NoError(t, err)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	res, err := inside{w}.RoundTrip(r)
	require.NoError(t, err)
	defer func() { _ = res.Body.Close() }()
	var body struct {
		AccessToken string `json:"access_token"`
	}
	decode(t, res, &body)
	require.NotEmpty(t, body.AccessToken)
	return body.AccessToken
}

func TestWhereTheCatalogIsNot(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for name, cloud := range map[string]azurecred.Cloud{
		"by name":  {Name: "china", Login: graphURL, Graph: graphURL},
		"by host":  {Login: graphURL, Graph: "https://microsoftgraph.chinacloudapi.cn"},
		"by scope": {Login: graphURL, Graph: graphURL, GraphScope: "https://microsoftgraph.chinacloudapi.cn/.default"},
	} {
		_, err := w.clientOf(t, creds{contoso: w.bearer}, cloud).Publish(t.Context(), contoso, pkg(t, "1.0.0"), nil)
		require.ErrorIs(t, err, graphteams.ErrCloud, name)
		require.Contains(t, asError(t, err).Advice, "21Vianet")
	}
	require.Empty(t, w.sent())
	_, err := w.clientOf(t, creds{contoso: w.bearer}, azurecred.Cloud{Name: "usgov", Login: graphURL, Graph: graphURL}).Publish(t.Context(), contoso, pkg(t, "1.0.0"), nil)
	require.NoError(t, err, "the cloud of the US government has one")
}

// TestErrorsSayWhatToDo has what can be wrong with any call.
func TestErrorsSayWhatToDo(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		do   func(*world)
		want error
		says string
	}{
		"consent was withdrawn": {func(w *world) { w.tenant.Revoke() }, graphteams.ErrConsent, "must consent"},
		"no permission":         {func(w *world) { w.tenant.Deny() }, graphteams.ErrDenied, "AppCatalog.Read.All"},
		"throttled":             {func(w *world) { w.SetFault(graphfake.Times(-1, graphfake.TooMany(2*time.Minute))) }, graphteams.ErrTemporary, "cannot do it now"},
		"an outage":             {func(w *world) { w.SetFault(graphfake.Times(-1, graphfake.Fault{Status: 503})) }, graphteams.ErrTemporary, "cannot do it now"},
		"no answer":             {func(w *world) { w.SetFault(graphfake.Times(-1, graphfake.Fault{Drop: true})) }, graphteams.ErrTemporary, "could not be reached"},
		"another host": {func(w *world) {
			w.SetFault(graphfake.Times(-1, graphfake.Fault{Body: `{"value":[],"@odata.nextLink":"https://evil.example/v1.0/x"}`}))
		}, graphteams.ErrRefused, "another host"},
		"no JSON": {func(w *world) { w.SetFault(graphfake.Times(-1, graphfake.Fault{Body: `<html>`})) }, graphteams.ErrTemporary, "cannot be used"},
		"a token that is void": {func(w *world) {
			w.SetFault(graphfake.Times(-1, graphfake.Fault{Status: 401, Code: "InvalidAuthenticationToken"}))
		}, graphteams.ErrSignIn, "does not take the token"},
		"a bad request": {func(w *world) { w.SetFault(graphfake.Times(-1, graphfake.Fault{Status: 400, Code: "Dana Whitfield"})) }, graphteams.ErrRefused, "Graph refuses"},
	} {
		w := newWorld(t)
		tc.do(w)
		_, err := w.client(t).Find(t.Context(), contoso, manifestID)
		require.ErrorIs(t, err, tc.want, "%s: %v", name, err)
		require.Contains(t, asError(t, err).Advice, tc.says, name)
		_, err = w.client(t).Publish(t.Context(), contoso, pkg(t, "1.0.0"), nil)
		require.Error(t, err, name)
		asError(t, err)
	}
	w := newWorld(t)
	_, err := w.client(t).Find(t.Context(), "fabrikam", manifestID)
	require.ErrorIs(t, err, azurecred.ErrNotConnected)
	require.Contains(t, asError(t, err).Explain(), "connect it")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = w.client(t).Find(ctx, contoso, manifestID)
	require.ErrorIs(t, err, context.Canceled)
	require.Contains(t, asError(t, err).Advice, "stopped")
	require.Empty(t, graphteams.Explain(nil))
	require.Empty(t, graphteams.Explain(context.Canceled))
	_, err = graphteams.New(nil, &graphteams.Options{Cloud: azurecred.Cloud{Graph: "ftp://x"}})
	require.ErrorIs(t, err, mspkit.ErrInvalid)
	require.ErrorContains(t, err, "credentials")
	require.ErrorContains(t, err, "Graph")
}

// TestWhatWasNotAskedForIsNotTaken has a server that answers with other apps.
func TestWhatWasNotAskedForIsNotTaken(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.SetFault(graphfake.Times(-1, graphfake.Fault{Body: `{"value":[
		{"id":"a","externalId":"` + botID + `","distributionMethod":"organization"},
		{"id":"b","externalId":"` + manifestID + `","distributionMethod":"store"},
		{"id":"","externalId":"` + manifestID + `","distributionMethod":"organization"}]}`}))
	_, err := w.client(t).Find(t.Context(), contoso, manifestID)
	require.ErrorIs(t, err, graphteams.ErrNotPublished)
	w.SetFault(nil)
	w.tenant.AddStoreApp(manifestID, "Somebody's")
	_, err = w.client(t).Find(t.Context(), contoso, manifestID)
	require.ErrorIs(t, err, graphteams.ErrNotPublished)
	require.NoError(t, w.client(t).Withdraw(t.Context(), contoso, manifestID))
	require.Len(t, w.tenant.TeamsApps(), 1, "an app of the store is nobody's to delete")
	pub, err := w.client(t).Publish(t.Context(), contoso, pkg(t, "1.0.0"), nil)
	require.NoError(t, err)
	require.True(t, pub.Created)
}
