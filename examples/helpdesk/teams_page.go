package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/webpage"
	"github.com/mspkit/mspkit/teamsapp/changefeed"
	"github.com/mspkit/mspkit/teamsapp/graphteams"
	"github.com/mspkit/mspkit/teamsapp/workflows"
)

// teamsTag is the path of the page about Teams.
const teamsTag = "teams"

type teamsPage struct {
	Tenant, Company string
	Who             who
	Connected       bool
	Problem, Done   string
	App             appView
	Catalogs        []catalogRow
	People          []person
	Person          string
	Diagnosis       *diagnosisView
	Script          string // for the client's administrator
	Connection      *connectionView
	FlowURL         string
	Posts           []string
	Waiting         string
	Followed        string
	Messages        []messageRow
}

type appView struct {
	Name, Version, Summary, ID, Accent string
	Warnings                           []string
}

type catalogRow struct{ ID, Name, Version, Fault string }

type diagnosisView struct {
	Reachable bool
	Text      string
	Findings  []findingRow
}

type findingRow struct{ Seen, Next string }

type connectionView struct{ ID, Name, Tested, Broken string }

type messageRow struct {
	From, When, Text string
	Late, Edited     bool
}

func (a *app) teamsRoutes(site **webpage.Site) []webpage.Route {
	routes := []webpage.Route{
		{Name: teamsTag, Method: "GET", Pattern: "/" + teamsTag, Kind: webpage.PageKind, Script: true, Connect: true, Handler: func(w http.ResponseWriter, r *http.Request) {
			a.serveTeamsPage(*site, w, r, r.URL.Query(), "", "")
		}},
		{Name: "teams-icon", Method: "GET", Pattern: "/teams-icon", Kind: webpage.APIKind, Handler: a.serveIcon},
		{Name: "teams-package", Method: "GET", Pattern: "/teams-package", Kind: webpage.APIKind, Handler: a.servePackage},
	}
	for name, do := range map[string]func(context.Context, url.Values, mspkit.TenantID) (done string, err error){
		"brand": a.doBrand, "publish": a.doPublish, "withdraw": a.doWithdrawApp, "connect": a.doConnectChannel, "test": a.doTestChannel,
		"text": a.doText, "disconnect": a.doDisconnect, "follow": a.doFollow, "unfollow": a.doUnfollow, "chat": a.doChat,
	} {
		routes = append(routes, webpage.Route{Name: "teams-" + name, Method: "POST", Pattern: "/teams-" + name, Kind: webpage.FormKind, Script: true, Connect: true, Handler: func(w http.ResponseWriter, r *http.Request) {
			tenant := mspkit.TenantID(r.PostForm.Get("tenant"))
			if officeName(tenant) == "" {
				(*site).Error(w, r, http.StatusNotFound)
				return
			}
			done, err := do(r.Context(), r.PostForm, tenant)
			problem := ""
			if err != nil {
				done, problem = "", teamsWords(err)
			} else {
				a.did(r.Context(), technicianOf(r.Context()), officeName(tenant))
			}
			a.serveTeamsPage(*site, w, r, r.PostForm, done, problem)
		}})
	}
	return routes
}

// teamsWords is what an error says to an administrator.
func teamsWords(err error) string {
	text := or(graphteams.Explain(err), err.Error())
	for _, prefix := range []string{"workflows: ", "teamsapp: ", "graphteams: ", "changefeed: "} {
		text = strings.ReplaceAll(text, prefix, "")
	}
	return sentence(strings.TrimSuffix(text, ": "+mspkit.ErrInvalid.Error()))
}

func (a *app) serveTeamsPage(site *webpage.Site, w http.ResponseWriter, r *http.Request, q url.Values, done, problem string) {
	tenant := mspkit.TenantID(q.Get("tenant"))
	if officeName(tenant) == "" {
		tenant = officeTenants[0].id
	}
	page := teamsPage{
		Tenant: string(tenant), Company: officeName(tenant), Who: whoIs(r), Problem: problem, Done: done, Person: q.Get("person"),
	}
	if err := a.fillTeams(r.Context(), &page, tenant, q.Has("news")); err != nil {
		page.Problem = or(page.Problem, teamsWords(err))
	}
	status := http.StatusOK
	if page.Problem != "" {
		status = http.StatusUnprocessableEntity
	}
	site.Render(w, r, webpage.Page{Template: "teams", Status: status, Brand: plainBrand, Locale: "en", Data: page})
}

func (a *app) fillTeams(ctx context.Context, page *teamsPage, tenant mspkit.TenantID, news bool) error {
	d := a.teamsDesk
	if err := a.fillChannel(ctx, page); err != nil {
		return err
	}
	if err := a.fillChats(ctx, page, tenant); err != nil {
		return err
	}
	if news { // the script asks for that only, and often
		return nil
	}
	p := d.pkg()
	look := d.brand(d.accent())
	page.App = appView{Name: look.FullName, Version: p.Version, Summary: look.Summary, ID: p.ID, Accent: look.Accent}
	for _, w := range p.Warnings {
		page.App.Warnings = append(page.App.Warnings, w.Text)
	}
	for _, t := range officeTenants {
		row := catalogRow{ID: string(t.id), Name: t.name}
		app, err := a.published(ctx, t.id)
		switch {
		case err == nil:
			row.Version = app.Version
		case errors.Is(err, graphteams.ErrNotPublished):
		default:
			row.Fault = teamsWords(err)
		}
		if t.id == tenant {
			page.Connected = row.Fault == ""
		}
		page.Catalogs = append(page.Catalogs, row)
	}
	for _, p := range a.people {
		if p.Teams != "" {
			page.People = append(page.People, p)
		}
	}
	if i := slices.IndexFunc(page.People, func(p person) bool { return p.ID == page.Person }); i >= 0 {
		view, err := a.diagnose(ctx, page.People[i])
		if err != nil {
			return err
		}
		page.Diagnosis = view
	}
	return a.fillPolicy(ctx, page, tenant)
}

// fillPolicy writes down what the client's administrator does so that everybody has the app.
func (a *app) fillPolicy(ctx context.Context, page *teamsPage, tenant mspkit.TenantID) error {
	app, err := a.published(ctx, tenant)
	if err != nil { // not published, or not connected: there is nothing to install yet
		return nil //nolint:nilerr // the list of the clients says why
	}
	policy := graphteams.SetupPolicy{Cloud: a.office.fake.Cloud(), EntraID: officeIDs[tenant], App: app, Name: "Northwind IT", Pin: true}
	page.Script, err = policy.PowerShell()
	return err
}

func (d *teamsDesk) accent() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.saved.Accent
}

func (a *app) fillChannel(ctx context.Context, page *teamsPage) error {
	s, err := a.flows()
	if err != nil {
		return err
	}
	page.FlowURL = s.URL(flowName)
	c, err := a.connection(ctx)
	if err != nil {
		return err
	}
	if c != nil {
		page.Connection = &connectionView{ID: c.ID, Name: c.Name, Tested: ago(a.now(), c.TestedAt)}
		if !c.Broken.IsZero() {
			page.Connection.Broken = sentence(c.Fault)
		}
	}
	if page.Posts, err = a.inChannel(); err != nil {
		return err
	}
	n, err := a.teamsDesk.channel.Counts(ctx, officeOwner)
	switch {
	case n.Dead > 0:
		page.Waiting = fmt.Sprintf("%d could not be posted, %d wait.", n.Dead, n.Pending)
	case n.Pending > 0:
		page.Waiting = fmt.Sprintf("%d wait until the flow takes them.", n.Pending)
	}
	return err
}

func (a *app) fillChats(ctx context.Context, page *teamsPage, tenant mspkit.TenantID) error {
	subs, err := a.teamsDesk.feed.Subscriptions(ctx, tenant)
	if err != nil {
		return err
	}
	now := a.now()
	for _, s := range subs {
		if !s.Wanted {
			continue
		}
		switch {
		case s.State == changefeed.Active:
			page.Followed = fmt.Sprintf("All chats are followed; the subscription ends in %s and is renewed before.", ago(s.ExpiresAt, now))
		case s.Fault != "":
			page.Followed = sentence(s.Fault)
		default:
			page.Followed = "The subscription is being made."
		}
	}
	for _, h := range a.teamsDesk.messages(tenant) {
		page.Messages = append(page.Messages, messageRow{From: or(h.name, "Somebody"), When: ago(now, h.at), Text: h.text, Late: h.late, Edited: h.edited})
	}
	return nil
}

func (a *app) serveIcon(w http.ResponseWriter, r *http.Request) {
	p := a.teamsDesk.pkg()
	icon := p.Color
	if r.URL.Query().Get("of") == "outline" {
		icon = p.Outline
	}
	w.Header().Set("Content-Type", "image/png")
	_, _ = w.Write(icon)
}

func (a *app) servePackage(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/zip")
	w.Header().Set("Content-Disposition", `attachment; filename="northwind-it.zip"`)
	_, _ = w.Write(a.teamsDesk.pkg().Zip)
}

func (a *app) doBrand(_ context.Context, f url.Values, _ mspkit.TenantID) (string, error) {
	before := a.teamsDesk.pkg().Version
	p, err := a.teamsDesk.pack(strings.TrimSpace(f.Get("accent")))
	if err != nil {
		return "", err
	}
	if p.Version == before {
		return "Nothing has changed, so the version is still " + before + ".", nil
	}
	return "Packaged as version " + p.Version + ". Clients get it with Update.", nil
}

func (a *app) doPublish(ctx context.Context, _ url.Values, tenant mspkit.TenantID) (string, error) {
	pub, err := a.publish(ctx, tenant)
	switch {
	case err != nil:
		return "", err
	case pub.Created:
		return "Version " + pub.Version + " is in the catalog of " + officeName(tenant) + ". From now on it is installed for whoever needs it.", nil
	case pub.Updated:
		return officeName(tenant) + " has version " + pub.Version + " now.", nil
	}
	return officeName(tenant) + " had this version already.", nil
}

func (a *app) doWithdrawApp(ctx context.Context, _ url.Values, tenant mspkit.TenantID) (string, error) {
	return "The app is withdrawn from " + officeName(tenant) + ".", a.teamsDesk.apps.Withdraw(ctx, tenant, a.teamsDesk.pkg().ID)
}

func (a *app) doConnectChannel(ctx context.Context, f url.Values, _ mspkit.TenantID) (string, error) {
	_, err := a.teamsDesk.channel.Connect(ctx, workflows.Connection{
		Tenant: officeOwner, Name: strings.TrimSpace(f.Get("name")), URL: mspkit.Redact(strings.TrimSpace(f.Get("url"))), Events: workflows.Events(),
	})
	return "Connected. Press Test to see whether something arrives.", err
}

// channelOf is the connection that there is.
func (a *app) channelOf(ctx context.Context) (string, error) {
	c, err := a.connection(ctx)
	if err == nil && c == nil {
		err = errors.New("connect a channel first")
	}
	if err != nil {
		return "", err
	}
	return c.ID, nil
}

func (a *app) doTestChannel(ctx context.Context, _ url.Values, _ mspkit.TenantID) (string, error) {
	id, err := a.channelOf(ctx)
	if err != nil {
		return "", err
	}
	res, err := a.teamsDesk.channel.Test(ctx, officeOwner, id)
	return res.Proves + "\n" + res.DoesNot, err
}

func (a *app) doText(ctx context.Context, _ url.Values, _ mspkit.TenantID) (string, error) {
	if _, err := a.channelOf(ctx); err != nil {
		return "", err
	}
	p := a.people[0]
	_, err := a.incoming(ctx, p, "Hello, this is "+p.FirstName+". My notebook is locked, can you call me back?")
	return "A text message of " + p.Name + " came in; the channel hears of it.", err
}

func (a *app) doDisconnect(ctx context.Context, _ url.Values, _ mspkit.TenantID) (string, error) {
	id, err := a.channelOf(ctx)
	if err != nil {
		return "", err
	}
	return "The channel is disconnected.", a.teamsDesk.channel.Disconnect(ctx, officeOwner, id)
}

func (a *app) doFollow(ctx context.Context, _ url.Values, tenant mspkit.TenantID) (string, error) {
	return "The chats of " + officeName(tenant) + " are followed.", a.follow(ctx, tenant, true)
}

func (a *app) doUnfollow(ctx context.Context, _ url.Values, tenant mspkit.TenantID) (string, error) {
	return "They are not followed any more.", a.follow(ctx, tenant, false)
}

func (a *app) doChat(_ context.Context, _ url.Values, tenant mspkit.TenantID) (string, error) {
	i := slices.IndexFunc(a.people, func(p person) bool { return p.Tenant == tenant && p.Teams != "" })
	if i < 0 {
		return "", errors.New("nobody of this client is in Teams")
	}
	a.office.fake.chats(a.people[i], "Ruth, somebody from the helpdesk wants my password on the phone. Is that usual?")
	return a.people[i].Name + " has written to Ruth Okonkwo.", nil
}
