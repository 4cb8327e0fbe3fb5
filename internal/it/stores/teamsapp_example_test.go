package stores_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/entra"
	"github.com/mspkit/mspkit/entra/azurecred"
	"github.com/mspkit/mspkit/internal/graphfake"
	"github.com/mspkit/mspkit/teamsapp"
	"github.com/mspkit/mspkit/teamsapp/brandpage"
	"github.com/mspkit/mspkit/teamsapp/changefeed"
	feedstore "github.com/mspkit/mspkit/teamsapp/changefeed/sqlstore"
	"github.com/mspkit/mspkit/teamsapp/graphteams"
	"github.com/mspkit/mspkit/teamsapp/teamstest"
	"github.com/mspkit/mspkit/teamsapp/workflows"
	flowstore "github.com/mspkit/mspkit/teamsapp/workflows/sqlstore"
	"github.com/mspkit/mspkit/teamsapp/workflows/workflowstest"
	"github.com/mspkit/mspkit/verify/teamschannel"
)

// This file is the program of docs/teams-app.md: every block of that page stands here, word for word, and Example_teamsapp
// runs it.

// teamsRoom is what our program has for its own app in its customers' Teams.
type teamsRoom struct {
	cloud       entra.Cloud                 // entra.PublicCloud()
	application azurecred.TenantCredentials // our application by itself: entra/azurecred
	person      azurecred.TenantCredentials // an administrator who is signed in: entra/gdap, or a device code of azurecred
	http        *http.Client                // nil is one of the packages' own
	bot         *teamsapp.Bot               // see teams.md
	db          *sql.DB
	ring        *mspkit.KeyRing
	alert       func(what string) // tells our operators

	catalog  *graphteams.Client   // asks as the person
	apps     *graphteams.Client   // asks as the application
	notifier *graphteams.Notifier // the bot, which installs the app where it is missing
	channels *workflows.Service
	feed     *changefeed.Feed
}

// openTables creates the tables in the database that we have anyway.
func (t *teamsRoom) openTables(ctx context.Context) error {
	_, err := t.db.ExecContext(ctx, `
		CREATE TABLE IF NOT EXISTS apps (msp TEXT PRIMARY KEY, brand TEXT NOT NULL, version TEXT NOT NULL, digest TEXT NOT NULL);
		CREATE TABLE IF NOT EXISTS installs (tenant TEXT PRIMARY KEY, checkpoint TEXT NOT NULL);
		CREATE TABLE IF NOT EXISTS heard (id TEXT PRIMARY KEY, tenant TEXT NOT NULL, event TEXT NOT NULL)`)
	return errors.Join(err,
		flowstore.Migrate(ctx, t.db, flowstore.SQLite, nil),
		feedstore.Migrate(ctx, t.db, feedstore.SQLite, nil),
	)
}

// load returns the app of an MSP as it was packaged last.
func (t *teamsRoom) load(ctx context.Context, msp string) (s brandpage.State, err error) {
	var brand []byte
	err = t.db.QueryRowContext(ctx, `SELECT brand, version, digest FROM apps WHERE msp = ?`, msp).Scan(&brand, &s.Published.Version, &s.Published.Digest)
	if errors.Is(err, sql.ErrNoRows) {
		return brandpage.State{Brand: teamsapp.Brand{Key: msp, BotID: t.bot.AppID()}}, nil
	}
	if err == nil {
		err = json.Unmarshal(brand, &s.Brand)
	}
	return s, err
}

// save keeps what was packaged, unless somebody else was faster.
func (t *teamsRoom) save(ctx context.Context, was teamsapp.Published, s brandpage.State) error {
	brand, err := json.Marshal(s.Brand)
	if err != nil {
		return err
	}
	res, err := t.db.ExecContext(ctx, `INSERT INTO apps (msp, brand, version, digest) VALUES (?, ?, ?, ?)
		ON CONFLICT (msp) DO UPDATE SET brand = excluded.brand, version = excluded.version, digest = excluded.digest WHERE apps.digest = ?`,
		s.Brand.Key, brand, s.Published.Version, s.Published.Digest, was.Digest)
	if err != nil {
		return err
	}
	if n, err := res.RowsAffected(); err != nil || n == 0 {
		return errors.Join(brandpage.ErrConflict, err)
	}
	return nil
}

// pack makes the app of a brand. Its version rises only where the content has changed.
func (t *teamsRoom) pack(ctx context.Context, b teamsapp.Brand) (*teamsapp.Package, error) {
	last, err := t.load(ctx, b.Key)
	if err != nil {
		return nil, err
	}
	p, err := teamsapp.NewPackage(b, &teamsapp.PackageOptions{Previous: last.Published})
	if err != nil {
		return nil, err // teamsapp.Faults names each field, its limit, and what it has
	}
	return p, t.save(ctx, last.Published, brandpage.State{Brand: b, Published: p.Published})
}

// addPage mounts the page on which MSPs make their apps. whose says for whom somebody may, who has signed in.
func (t *teamsRoom) addPage(mux *http.ServeMux, requireSignIn func(http.Handler) http.Handler, whose func(*http.Request) string) error {
	pages, err := brandpage.New(func(r *http.Request) (brandpage.State, error) {
		return t.load(r.Context(), whose(r))
	}, &brandpage.Options{
		HTTPS: true,
		Save: func(r *http.Request, was teamsapp.Published, s brandpage.State) error {
			return t.save(r.Context(), was, s)
		},
	})
	if err != nil {
		return err
	}
	mux.Handle("/brand/", requireSignIn(http.StripPrefix("/brand", pages)))
	return nil
}

// addApps makes the ways to the catalog and to people's apps.
func (t *teamsRoom) addApps() (err error) {
	o := &graphteams.Options{Cloud: t.cloud, HTTPClient: t.http}
	if t.catalog, err = graphteams.New(t.person, o); err != nil {
		return err
	}
	t.apps, err = graphteams.New(t.application, o)
	return err
}

// publish puts the app into a customer's catalog, or brings it up to date there.
func (t *teamsRoom) publish(ctx context.Context, tenant mspkit.TenantID, entraTenant string, p *teamsapp.Package) (graphteams.Publication, error) {
	pub, err := t.catalog.Publish(ctx, tenant, p, nil)
	if err != nil {
		t.alert(string(tenant) + ": " + graphteams.Explain(err))
		return pub, err
	}
	if pub.InReview {
		t.alert(string(tenant) + ": an administrator has to approve the app")
	}
	t.notifier.Forget(entraTenant) // who could not have the app may have it now
	return pub, nil
}

// addNotifier makes the bot install the app before the first message to somebody who lacks it, and returns the channel for
// verifications that does so.
func (t *teamsRoom) addNotifier(manifestID string) (*teamschannel.Channel, error) {
	var err error
	if t.notifier, err = graphteams.NewNotifier(t.bot, t.apps, t.apps.Locate(t.bot, manifestID), nil); err != nil {
		return nil, err
	}
	return teamschannel.New(t.notifier, nil)
}

// installAll installs the app for everybody of a customer. After an interruption it goes on where it stood.
func (t *teamsRoom) installAll(ctx context.Context, tenant mspkit.TenantID, app graphteams.App, show func(graphteams.Progress)) (graphteams.Counts, error) {
	var from graphteams.Checkpoint
	err := t.db.QueryRowContext(ctx, `SELECT checkpoint FROM installs WHERE tenant = ?`, string(tenant)).Scan(&from)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return graphteams.Counts{}, err
	}
	_, counts, err := t.apps.InstallMany(ctx, graphteams.ManyRequest{
		Tenant: tenant, App: app, Audience: graphteams.Audience{Everyone: true}, From: from, Progress: show,
		Report: func(_ context.Context, p graphteams.PersonReport) error {
			if p.Advice != "" {
				t.alert(p.User + ": " + p.Advice)
			}
			return nil
		},
		Save: func(ctx context.Context, at graphteams.Checkpoint) error {
			_, err := t.db.ExecContext(ctx, `INSERT INTO installs (tenant, checkpoint) VALUES (?, ?)
				ON CONFLICT (tenant) DO UPDATE SET checkpoint = excluded.checkpoint`, string(tenant), string(at))
			return err
		},
	})
	if err == nil { // the next run begins anew
		_, err = t.db.ExecContext(ctx, `DELETE FROM installs WHERE tenant = ?`, string(tenant))
	}
	return counts, err
}

// setupPolicy is the policy by which a group has the app, and whoever comes into it later.
func (t *teamsRoom) setupPolicy(entraTenant string, app graphteams.App, group string) graphteams.SetupPolicy {
	return graphteams.SetupPolicy{
		Cloud: t.cloud, EntraID: entraTenant, App: app, Name: "Northwind IT", Pin: true,
		Groups: []graphteams.PolicyGroup{{ID: group, Rank: 1}},
	}
}

// lookAtPolicy tells a day later what became of it, by a sample of people.
func (t *teamsRoom) lookAtPolicy(ctx context.Context, tenant mspkit.TenantID, app graphteams.App, sample []string) (string, error) {
	r, err := t.apps.VerifyPolicy(ctx, tenant, "Northwind IT", app, sample)
	if err != nil {
		return "", err
	}
	for _, p := range r.People {
		if p.Next != "" {
			t.alert(p.User + ": " + p.Next)
		}
	}
	return fmt.Sprintf("policy %s, %d of %d have the app", r.State, r.Reached(), len(r.People)), nil
}

// why says why somebody cannot be reached, and what to do, the first thing first. user is an object id or a sign-in name.
func (t *teamsRoom) why(ctx context.Context, tenant mspkit.TenantID, manifestID, user string) ([]string, error) {
	d, err := t.apps.Diagnose(ctx, tenant, graphteams.App{ManifestID: manifestID}, user, &graphteams.DiagnoseOptions{Bot: t.notifier})
	if err != nil {
		return nil, err
	}
	out := []string{string(d.Verdict)}
	for _, f := range d.Findings {
		out = append(out, f.Seen+" "+f.Next)
	}
	return out, nil
}

// addChannels makes what posts to channels.
func (t *teamsRoom) addChannels() error {
	store, err := flowstore.New(t.db, flowstore.SQLite, nil)
	if err != nil {
		return err
	}
	t.channels, err = workflows.New(store, t.ring, &workflows.Options{
		HTTPClient: t.http,
		OnDead: func(_ context.Context, d workflows.DeadPost) {
			t.alert(string(d.Tenant) + ": a post is dead: " + d.Fault)
		},
	})
	return err
}

// connectChannel keeps the URL of a flow, and posts "Hello, World" by it.
func (t *teamsRoom) connectChannel(ctx context.Context, tenant mspkit.TenantID, name string, flow mspkit.Redacted[string]) (workflows.TestResult, error) {
	c, err := t.channels.Connect(ctx, workflows.Connection{
		Tenant: tenant, Name: name, URL: flow, Events: []workflows.Event{workflows.NewText, workflows.PortalChat},
	})
	if err != nil {
		return workflows.TestResult{}, err // it says what to copy from where
	}
	return t.channels.Test(ctx, tenant, c.ID) // show Proves and DoesNot
}

// textArrived tells a customer's channels of a text message. The link is to our own page.
func (t *teamsRoom) textArrived(ctx context.Context, tenant mspkit.TenantID, id, from, text string, at time.Time) error {
	_, err := t.channels.Notify(ctx, tenant, workflows.Incoming{
		Event: workflows.NewText, ID: id, From: from, Text: text, At: at, URL: "https://help.example/texts/" + url.PathEscape(id),
	})
	return err
}

// addFeed makes what follows chats. The URL is reached by Microsoft Graph, without a sign-in.
func (t *teamsRoom) addFeed(mux *http.ServeMux, appID string, gap func(context.Context, changefeed.Gap)) error {
	store, err := feedstore.New(t.db, feedstore.SQLite, nil)
	if err != nil {
		return err
	}
	t.feed, err = changefeed.New(
		changefeed.App{IDs: []string{appID}, URL: "https://help.example/graph"}, t.ring, store, t.application, changefeed.SinkFunc(t.heard),
		&changefeed.Options{
			Cloud: t.cloud, HTTPClient: t.http, Subscriptions: changefeed.KeepOptions{OnGap: gap},
			OnDead: func(_ context.Context, d changefeed.DeadLetter) {
				t.alert(string(d.Tenant) + ": a notification is dead: " + d.Fault)
			},
		})
	if err != nil {
		return err
	}
	mux.Handle("/graph", t.feed)
	return nil
}

// heard takes what is said to our agents' desk. What it was told before has the same id.
func (t *teamsRoom) heard(ctx context.Context, e changefeed.Event) error {
	if e.Message == nil || e.Message.System {
		return nil
	}
	e.Raw = nil // as Graph wrote it
	event, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("%w: %w", changefeed.ErrRejected, err) // it will never be taken
	}
	_, err = t.db.ExecContext(ctx, `INSERT INTO heard (id, tenant, event) VALUES (?, ?, ?) ON CONFLICT (id) DO NOTHING`, e.ID, string(e.Tenant), string(event))
	return err // an error has it told again later
}

// reply answers a message in its chat, as the agent who is signed in at the desk, whose credentials these are.
func (t *teamsRoom) reply(ctx context.Context, agent azurecred.TenantCredentials, tenant mspkit.TenantID, id, text string) error {
	var kept []byte
	err := t.db.QueryRowContext(ctx, `SELECT event FROM heard WHERE tenant = ? AND id = ?`, string(tenant), id).Scan(&kept)
	if err != nil {
		return err
	}
	var e changefeed.Event
	if err := json.Unmarshal(kept, &e); err != nil {
		return err
	}
	a, err := changefeed.NewAgent(agent, &changefeed.AgentOptions{Cloud: t.cloud, HTTPClient: t.http})
	if err != nil {
		return err
	}
	_, err = a.Reply(ctx, e, text) // changefeed.ErrUnclear: look into the chat before it is sent again
	return err
}

// run posts, keeps subscriptions and hands events over, until ctx ends.
func (t *teamsRoom) run(ctx context.Context) error {
	var both sync.WaitGroup
	var posted, followed error
	both.Go(func() { posted = t.channels.Run(ctx) })
	both.Go(func() { followed = t.feed.Run(ctx) })
	both.Wait()
	return errors.Join(posted, followed)
}

// look tells operators what of a customer's needs somebody.
func (t *teamsRoom) look(ctx context.Context, tenant mspkit.TenantID) error {
	subscriptions, err := t.feed.Subscriptions(ctx, tenant)
	if err != nil {
		return err
	}
	for _, s := range subscriptions {
		if s.State != changefeed.Active || s.Fault != "" {
			t.alert(fmt.Sprintf("%s: following is %s: %s", tenant, s.State, s.Fault))
		}
	}
	connections, err := t.channels.Connections(ctx, tenant)
	if err != nil {
		return err
	}
	for _, c := range connections {
		if !c.Broken.IsZero() || c.Warning != "" {
			t.alert(fmt.Sprintf("%s: channel %q: %s %s", tenant, c.Name, c.Fault, c.Warning))
		}
	}
	return nil
}

// asWhom are played credentials: the bearer of each tenant.
type asWhom map[mspkit.TenantID]func() string

func (a asWhom) TenantCredential(_ context.Context, tenant mspkit.TenantID) (azcore.TokenCredential, error) {
	if a[tenant] == nil {
		return nil, azurecred.ErrNotConnected
	}
	return playedBearer(a[tenant]), nil
}

type playedBearer func() string

func (b playedBearer) GetToken(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
	return azcore.AccessToken{Token: b(), ExpiresOn: time.Now().Add(time.Hour)}, nil
}

// playedFlows has Workflows besides the rest of the world.
type playedFlows struct {
	rest  http.RoundTripper
	flows *url.URL
}

func (p playedFlows) RoundTrip(r *http.Request) (*http.Response, error) {
	if strings.HasSuffix(r.URL.Host, ".api.powerplatform.com") {
		r = r.Clone(r.Context())
		r.URL.Scheme, r.URL.Host = p.flows.Scheme, p.flows.Host
	}
	return p.rest.RoundTrip(r)
}

// playedTenant is Contoso, with Teams, Graph, a flow, and two people who chat.
type playedTenant struct {
	graph      *graphfake.Server
	tenant     *graphfake.Tenant
	teams      *teamstest.Server
	flows      *workflowstest.Server
	dana       *teamstest.Person
	notifier   *graphfake.Notifier // Graph tells of what is said
	admin, sam string
	chat, flow string
	world      *http.Client
}

const playedBot, playedSecret = "0b51d7a0-5a4e-4b7b-9d6c-7e1f2a3b4c5d", "a secret of the example"

func playTenant(front *httptest.Server) (*playedTenant, error) {
	m := &playedTenant{}
	toHelp := &http.Client{Transport: theWorld{http.DefaultTransport, front}}
	var err error
	m.graph, err = graphfake.Start(&graphfake.Options{Notifier: toHelp, OnInstall: func(_, user, _ string, installed bool) {
		if installed && user == m.dana.ObjectID {
			_ = m.dana.Install(context.Background()) // Teams tells the bot
		}
	}})
	if err != nil {
		return nil, err
	}
	if m.flows, err = workflowstest.NewServer(); err != nil {
		return nil, err
	}
	if m.teams, err = teamstest.Start(playedBot, playedSecret, nil); err != nil {
		return nil, err
	}
	m.teams.Connect(front.URL + "/teams/messages")
	m.tenant = m.graph.AddTenant("", "Contoso", "contoso.example")
	put := func(name string, u graphfake.User) string {
		u.DisplayName, u.Mail = name, strings.ToLower(name)+"@contoso.example"
		return m.tenant.Put(u)
	}
	m.admin = put("Ines", graphfake.User{Admin: true, Roles: []string{"Teams Administrator"}})
	dana := put("Dana", graphfake.User{Licences: []string{"SPE_E3"}})
	m.sam = put("Sam", graphfake.User{Licences: []string{"SPE_E3"}})
	m.dana = m.teams.AddPerson(m.tenant.ID, dana, "Dana", "en-US")
	m.chat = m.tenant.AddChat(dana, m.sam)
	m.notifier = m.graph.NewNotifier(graphfake.NotifierOptions{App: playedBot})
	m.notifier.Follow(m.tenant)
	at, err := url.Parse(m.flows.URL("helpdesk"))
	m.world = &http.Client{Transport: playedFlows{toHelp.Transport, at}}
	m.flow = "https://default0.00.environment.api.powerplatform.com" + at.RequestURI()
	return m, err
}

func (m *playedTenant) close() error {
	m.teams.Close()
	m.flows.Close()
	return m.graph.Close()
}

// as is somebody of Contoso who is signed in, or the application where nobody is.
func (m *playedTenant) as(user string) asWhom {
	return asWhom{"contoso": func() string {
		if user == "" {
			return m.graph.Bearer(m.tenant.ID)
		}
		return m.graph.UserBearer(m.tenant.ID, user)
	}}
}

// Example_teamsapp plays the page: Graph is played by graphfake, Teams by teamstest, Workflows by workflowstest.
func Example_teamsapp() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := teamsappPage(ctx); err != nil {
		fmt.Println(err)
	}
	// Output:
	// packaged 1.0.0, again 1.0.0, with another text 1.0.1
	// the page has the app: true
	// before: unreachable
	// published 1.0.1, seen: true
	// Dana sees: Your helpdesk can reach you here from now on.
	// after: reachable
	// 3 people: 1 had it, 1 got it, 1 without a licence
	// the script gives the policy to the group: true
	// policy found, 2 of 2 have the app
	// accepted: true
	// the channel shows: New text message, from Dana: true
	// the desk reads: They want my password
	// Sam answered: Do not tell them. We call you.
	// operators were told of 2 people
}

func teamsappPage(ctx context.Context) (err error) {
	dir, err := os.MkdirTemp("", "mspkit-teamsapp-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	db, err := openDatabase(ctx, filepath.Join(dir, "help.db"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	mux := http.NewServeMux()
	front := httptest.NewServer(mux)
	defer front.Close()
	m, err := playTenant(front)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, m.close()) }()
	if _, err := db.ExecContext(ctx, `CREATE TABLE clients (id TEXT, entra_tenant TEXT); INSERT INTO clients VALUES ('contoso', '`+m.tenant.ID+`')`); err != nil {
		return err
	}
	t := &teamsRoom{
		cloud: entra.Cloud{Login: m.graph.URL(), Graph: m.graph.URL()}, application: m.as(""), person: m.as(m.admin), http: m.world, db: db,
	}
	if t.ring, err = keyRing(newKey("2026-11")); err != nil {
		return err
	}
	app := teamsapp.App{ID: playedBot, TenantID: m.teams.AppTenant(), Credential: teamsapp.ClientSecret(playedSecret)}
	if t.bot, _, err = addTeams(ctx, db, t.ring, app, m.teams.Cloud()); err != nil {
		return err
	}
	mux.Handle("POST /teams/messages", t.bot)
	x := &teamsStory{teamsRoom: t, m: m, front: front}
	t.alert = x.told
	for _, step := range []func(context.Context) error{
		t.openTables, func(context.Context) error { return t.addApps() }, func(ctx context.Context) error { return x.packages(ctx, mux) },
		x.publishes, x.installs, x.posts, func(ctx context.Context) error { return x.follows(ctx, mux) },
	} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

// teamsStory is what happens on the page.
type teamsStory struct {
	*teamsRoom

	m     *playedTenant
	front *httptest.Server
	pkg   *teamsapp.Package
	app   graphteams.App

	mu     sync.Mutex
	alerts []string
}

func (x *teamsStory) told(what string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.alerts = append(x.alerts, what)
}

func (x *teamsStory) packages(ctx context.Context, mux *http.ServeMux) error {
	const site = "https://northwind.example"
	brand := teamsapp.Brand{
		Key: "northwind", BotID: playedBot, Accent: "#1F5FBF",
		Texts:     teamsapp.Texts{ShortName: "Northwind IT", Summary: "Your helpdesk", Description: "Shows that it is really you who calls."},
		Developer: teamsapp.Developer{Name: "Northwind IT", Website: site, Privacy: site + "/privacy", Terms: site + "/terms"},
	}
	var versions [3]string
	for i := range versions {
		if i == 2 {
			brand.Summary = "Your helpdesk in Teams"
		}
		p, err := x.pack(ctx, brand)
		if err != nil {
			return err
		}
		versions[i], x.pkg = p.Version, p
	}
	fmt.Printf("packaged %s, again %s, with another text %s\n", versions[0], versions[1], versions[2])

	open := func(next http.Handler) http.Handler { return next }
	if err := x.addPage(mux, open, func(*http.Request) string { return "northwind" }); err != nil {
		return err
	}
	page, err := x.get(ctx, "/brand/")
	fmt.Println("the page has the app:", strings.Contains(page, "Your helpdesk in Teams"))
	return err
}

func (x *teamsStory) get(ctx context.Context, path string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, x.front.URL+path, http.NoBody)
	if err != nil {
		return "", err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	body, err := io.ReadAll(res.Body)
	return string(body), errors.Join(err, res.Body.Close())
}

func (x *teamsStory) publishes(ctx context.Context) error {
	if _, err := x.addNotifier(x.pkg.ID); err != nil {
		return err
	}
	before, err := x.why(ctx, "contoso", x.pkg.ID, "dana@contoso.example")
	if err != nil {
		return err
	}
	fmt.Println("before:", before[0])
	pub, err := x.publish(ctx, "contoso", x.m.tenant.ID, x.pkg)
	if err != nil {
		return err
	}
	x.app = pub.App
	fmt.Printf("published %s, seen: %t\n", pub.Version, pub.Seen)
	return nil
}

func (x *teamsStory) installs(ctx context.Context) error {
	_, err := x.notifier.Notify(ctx, teamsapp.Notification{
		To: teamsapp.User{TenantID: x.m.tenant.ID, ObjectID: x.m.dana.ObjectID}, Message: teamsapp.Message{Text: "Your helpdesk can reach you here from now on."},
	})
	if err != nil {
		return err
	}
	fmt.Println("Dana sees:", x.m.teams.Messages(x.m.dana)[0].Text)
	after, err := x.why(ctx, "contoso", x.pkg.ID, "dana@contoso.example")
	if err != nil {
		return err
	}
	fmt.Println("after:", after[0])
	counts, err := x.installAll(ctx, "contoso", x.app, nil)
	if err != nil {
		return err
	}
	fmt.Printf("%d people: %d had it, %d got it, %d without a licence\n", counts.Done(), counts.Already, counts.Installed, counts.NotLicensed)

	group := x.m.tenant.AddGroup("All staff", x.m.dana.ObjectID, x.m.sam)
	script, err := x.setupPolicy(x.m.tenant.ID, x.app, group).PowerShell()
	if err != nil {
		return err
	}
	fmt.Println("the script gives the policy to the group:", strings.Contains(script, "@{ Id = '"+group+"'; Rank = 1;"))
	x.m.tenant.AddTeamsPolicy(graphfake.TeamsPolicy{Type: "TeamsAppSetupPolicy", Name: "Northwind IT"}) // as the script does
	x.m.tenant.GiveTeamsPolicy(x.m.dana.ObjectID, "TeamsAppSetupPolicy", "Northwind IT", group)
	seen, err := x.lookAtPolicy(ctx, "contoso", x.app, []string{x.m.dana.ObjectID, x.m.sam})
	fmt.Println(seen)
	return err
}

func (x *teamsStory) posts(ctx context.Context) error {
	if err := x.addChannels(); err != nil {
		return err
	}
	test, err := x.connectChannel(ctx, "contoso", "Helpdesk", mspkit.Redact(x.m.flow))
	if err != nil {
		return err
	}
	fmt.Println("accepted:", test.Accepted)
	return x.textArrived(ctx, "contoso", "sms-17", "Dana", "My printer is on fire.", time.Now())
}

func (x *teamsStory) follows(ctx context.Context, mux *http.ServeMux) (err error) {
	if err := x.addFeed(mux, playedBot, func(context.Context, changefeed.Gap) { x.told("a gap") }); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() { done <- x.run(ctx) }()
	defer func() {
		cancel()
		err = errors.Join(err, <-done)
	}()
	runs, err := x.m.flows.Wait(ctx, 2)
	if err != nil {
		return err
	}
	shown := runs[1].Shown()
	title, _, _ := strings.Cut(shown, "\n")
	fmt.Printf("the channel shows: %s, from Dana: %t\n", title, strings.Contains(shown, "Dana"))
	if err := x.feed.Follow(ctx, "contoso", x.m.tenant.ID, changefeed.AllChats()); err != nil {
		return err
	}
	err = x.until(ctx, func() bool {
		list, err := x.feed.Subscriptions(ctx, "contoso")
		return err == nil && len(list) == 1 && list[0].State == changefeed.Active
	})
	if err != nil {
		return err
	}
	x.m.tenant.Post(graphfake.Message{Chat: x.m.chat, From: x.m.dana.ObjectID, Content: "They want my password"})
	id, text, err := x.next(ctx, x.m.dana.ObjectID)
	if err != nil {
		return err
	}
	fmt.Println("the desk reads:", text)
	if err := x.reply(ctx, x.m.as(x.m.sam), "contoso", id, "Do not tell them. We call you."); err != nil {
		return err
	}
	if _, text, err = x.next(ctx, x.m.sam); err != nil {
		return err
	}
	fmt.Println("Sam answered:", text)
	if err := x.look(ctx, "contoso"); err != nil {
		return err
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	fmt.Println("operators were told of", len(x.alerts), "people")
	return nil
}

// next has Graph tell what it knows, and returns what the desk has heard of a person.
func (x *teamsStory) next(ctx context.Context, from string) (id, text string, err error) {
	err = x.until(ctx, func() bool {
		x.m.notifier.Flush(ctx)
		var event []byte
		var e changefeed.Event
		row := x.db.QueryRowContext(ctx, `SELECT id, event FROM heard WHERE event LIKE '%' || ? || '%'`, from)
		if row.Scan(&id, &event) != nil || json.Unmarshal(event, &e) != nil || e.Message.From.ObjectID != from {
			return false
		}
		text = e.Message.Text
		return true
	})
	return id, text, err
}

func (x *teamsStory) until(ctx context.Context, ok func() bool) error {
	for !ok() {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(10 * time.Millisecond):
		}
	}
	return nil
}
