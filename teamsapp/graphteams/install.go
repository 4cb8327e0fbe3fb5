package graphteams

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/graphx"
	"github.com/mspkit/mspkit/teamsapp"
)

// needsInstall is the permission for installing, upgrading, removing and looking at one's own app.
const needsInstall = "TeamsAppInstallation.ReadWriteSelfForUser.All where the manifest's webApplicationInfo.id is this " +
	"application, and TeamsAppInstallation.ReadWriteForUser.All where it is not"

const opInstall = "install the app"

// Installation is an app that a person has in their Teams.
type Installation struct {
	// ID is the id of the installation. After [Client.Install] it is empty where Graph does not show it yet.
	ID string
	// App is the app with the version that is installed.
	App
	// Fresh says that this call installed it. After a request that was repeated it may be false although it did.
	Fresh bool
}

// Install installs an app of the catalog for a person, named by object id or user principal name. One who has it already, of
// whatever version, is no error: [Client.Upgrade] brings the newest. Teams then tells the bot, which takes seconds; [Notifier]
// waits for that.
//
// It needs TeamsAppInstallation.ReadWriteSelfForUser.All as an application permission, and then webApplicationInfo.id of the
// manifest must be the application that calls, or TeamsAppInstallation.ReadWriteForUser.All. See
// https://learn.microsoft.com/graph/api/userteamwork-post-installedapps. The answers for a person who cannot have it are not
// documented, so what they mean is looked up with User.Read.All and AppCatalog.Read.All where these are granted.
//
// Errors: [ErrBlocked], [ErrNotLicensed], [ErrNoUser], [ErrTeamsUnused], [ErrNotPublished], [ErrScope], and those of every call.
func (c *Client) Install(ctx context.Context, tenant mspkit.TenantID, app App, user string) (Installation, error) {
	const op = opInstall
	at, err := c.installArguments(tenant, app, user)
	if err != nil {
		return Installation{}, c.failed(op, tenant, "", err)
	}
	err = c.graph.Do(ctx, &graphx.Request{
		Tenant: tenant, Workload: graphx.TeamsApps, Method: http.MethodPost, Path: installsOf(at), Body: c.binding(app), Idempotent: true,
	}, nil)
	if err != nil && !hasStatus(err, http.StatusConflict) {
		return Installation{}, c.failed(op, tenant, needsInstall, c.whyNot(ctx, tenant, app, at, err))
	}
	// What was written a moment ago need not be seen yet, and that it is there is known.
	i := Installation{App: app}
	if seen, lerr := c.look(ctx, tenant, app, at); lerr == nil && seen.ID != "" {
		i = seen
	}
	i.Fresh = err == nil
	return i, nil
}

// Installed returns the installation of an app that a person has, or [teamsapp.ErrNotInstalled]. It needs what
// [Client.Install] needs, or TeamsAppInstallation.ReadForUser.All. With the permission for its own apps Graph leaves an app out
// without a word whose manifest names another application, which looks as if it was not installed (source:
// https://github.com/microsoftgraph/microsoft-graph-docs-contrib/issues/330).
func (c *Client) Installed(ctx context.Context, tenant mspkit.TenantID, app App, user string) (Installation, error) {
	const op = "look for the app"
	at, err := c.installArguments(tenant, app, user)
	if err != nil {
		return Installation{}, c.failed(op, tenant, "", err)
	}
	i, err := c.look(ctx, tenant, app, at)
	if err == nil && i.ID == "" {
		err = because(teamsapp.ErrNotInstalled, nil, "Install the app for the person.")
	}
	if hasStatus(err, http.StatusNotFound) {
		err = c.whyNot(ctx, tenant, app, at, err)
	}
	if err != nil {
		return Installation{}, c.failed(op, tenant, needsInstall, err)
	}
	return i, nil
}

// Upgrade brings a person's app to the version of the catalog. Where app.Version is installed already it does nothing. The
// error is [teamsapp.ErrNotInstalled] where the person does not have the app. See
// https://learn.microsoft.com/graph/api/userteamwork-teamsappinstallation-upgrade.
func (c *Client) Upgrade(ctx context.Context, tenant mspkit.TenantID, app App, user string) (Installation, error) {
	i, err := c.Installed(ctx, tenant, app, user)
	if err != nil || i.Version == app.Version && app.Version != "" {
		return i, err
	}
	err = c.graph.Do(ctx, &graphx.Request{
		Tenant: tenant, Workload: graphx.TeamsApps, Method: http.MethodPost, Path: installsOf(graphx.Segment(user)) + "/" + graphx.Segment(i.ID) + "/upgrade",
		Idempotent: true,
	}, nil)
	if err != nil {
		return Installation{}, c.failed("upgrade the app", tenant, needsInstall, err)
	}
	if app.Version != "" {
		i.Version = app.Version
	}
	return i, nil
}

// Uninstall removes an app from a person's Teams. One who does not have it is no error. See
// https://learn.microsoft.com/graph/api/userteamwork-delete-installedapps.
func (c *Client) Uninstall(ctx context.Context, tenant mspkit.TenantID, app App, user string) error {
	i, err := c.Installed(ctx, tenant, app, user)
	if errors.Is(err, teamsapp.ErrNotInstalled) || errors.Is(err, ErrNoUser) {
		return nil
	}
	if err != nil {
		return err
	}
	err = c.graph.Do(ctx, &graphx.Request{
		Tenant: tenant, Workload: graphx.TeamsAppsDelete, Method: http.MethodDelete, Path: installsOf(graphx.Segment(user)) + "/" + graphx.Segment(i.ID),
	}, nil)
	if hasStatus(err, http.StatusNotFound) {
		return nil // somebody else removed it
	}
	return c.failed("uninstall the app", tenant, needsInstall, err)
}

// Chat returns Teams' id of the private chat of a person with the bot of an app, which is there from when the installation has
// taken effect. It is not the id under which the bot knows the conversation. The error is [teamsapp.ErrNotInstalled] where the
// person does not have the app. See
// https://learn.microsoft.com/graph/api/userscopeteamsappinstallation-get-chat.
func (c *Client) Chat(ctx context.Context, tenant mspkit.TenantID, app App, user string) (string, error) {
	const op = "look for the chat"
	i, err := c.Installed(ctx, tenant, app, user)
	if err != nil {
		return "", err
	}
	var chat struct {
		ID string `json:"id"`
	}
	err = c.graph.Do(ctx, &graphx.Request{
		Tenant: tenant, Workload: graphx.TeamsApps, Path: installsOf(graphx.Segment(user)) + "/" + graphx.Segment(i.ID) + "/chat",
	}, &chat)
	switch {
	case hasStatus(err, http.StatusNotFound), err == nil && chat.ID == "":
		err = because(teamsapp.ErrNotInstalled, err, "Teams is still installing the app: try again in a minute.")
	case err == nil:
		return chat.ID, nil
	}
	return "", c.failed(op, tenant, needsInstall, err)
}

func installsOf(segment string) string { return "/users/" + segment + "/teamwork/installedApps" }

// binding is the body of an installation.
func (c *Client) binding(app App) any {
	return map[string]string{
		"teamsApp@odata.bind": strings.TrimRight(c.o.Cloud.Graph, "/") + "/v1.0" + appPath(app.CatalogID),
	}
}

var (
	// idForm is what an id of the catalog looks like: a GUID, or a name for apps of the store.
	idForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$`)
	// objectForm is an object id.
	objectForm = regexp.MustCompile(`^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$`)
)

// maxUser is how long a user principal name may be; Entra allows 113 characters, and twice that for guests.
const maxUser = 256

// installArguments checks what every call takes and returns the person as a segment of a path.
func (c *Client) installArguments(tenant mspkit.TenantID, app App, user string) (segment string, err error) {
	errs := []error{tenant.Validate(), app.validate(), c.mayInstall()}
	segment, uerr := userSegment(user)
	return segment, errors.Join(append(errs, uerr)...)
}

// mayInstall says what is known to be in vain before anything is sent.
//
// Source: https://learn.microsoft.com/graph/api/userteamwork-post-installedapps, which lists the clouds.
func (c *Client) mayInstall() error {
	if nationalCloud(c.o.Cloud) == cloudChina {
		return because(ErrCloud, nil, "Microsoft Graph installs no apps in the cloud operated by 21Vianet: use an app setup policy in the Teams admin center of that cloud.")
	}
	return nil
}

func (a App) validate() error {
	if !idForm.MatchString(a.CatalogID) || a.ManifestID != "" && !idForm.MatchString(a.ManifestID) {
		return because(mspkit.ErrInvalid, nil, "The app has no id of the catalog: take what Find or Publish returned.")
	}
	return nil
}

// userSegment returns the object id or user principal name escaped for a path. What is neither could be another path.
func userSegment(user string) (string, error) {
	if objectForm.MatchString(user) {
		return strings.ToLower(user), nil
	}
	name, host, ok := strings.Cut(user, "@")
	bad := func(r rune) bool { return r <= ' ' || r == 0x7f || strings.ContainsRune(`/\?`, r) }
	// Graph takes names that begin with a dollar sign in another form only.
	if !ok || name == "" || host == "" || len(user) > maxUser || user[0] == '$' || strings.ContainsFunc(user, bad) {
		return "", because(mspkit.ErrInvalid, nil, "A person is named by the object id or the user principal name.")
	}
	return graphx.Segment(user), nil
}

func hasStatus(err error, status int) bool { return statusOf(err) == status }

// wireInstallation is one of Graph's.
type wireInstallation struct {
	ID       string `json:"id"`
	TeamsApp struct {
		ID          string `json:"id"`
		ExternalID  string `json:"externalId"`
		DisplayName string `json:"displayName"`
	} `json:"teamsApp"`
	Definition struct {
		Version string `json:"version"`
	} `json:"teamsAppDefinition"`
}

// is also takes a copy that the person uploaded for themselves, which has another id in the catalog. exactly does not.
func (w *wireInstallation) is(app App) bool {
	return w.exactly(app) || app.ManifestID != "" && strings.EqualFold(w.TeamsApp.ExternalID, app.ManifestID)
}

func (w *wireInstallation) exactly(app App) bool {
	return app.CatalogID != "" && strings.EqualFold(w.TeamsApp.ID, app.CatalogID)
}

func (w *wireInstallation) installation(app App) Installation {
	i := Installation{ID: w.ID, App: app}
	i.Version = w.Definition.Version
	if w.TeamsApp.DisplayName != "" {
		i.Name = w.TeamsApp.DisplayName
	}
	return i
}

// lookQuery asks for the installation of one app. Of an app whose id in the manifest is not known all are asked for.
//
// Source: https://learn.microsoft.com/microsoftteams/platform/graph-api/proactive-bots-and-messages/graph-proactive-bots-and-messages.
func lookQuery(app App) url.Values {
	q := url.Values{"$expand": {"teamsApp,teamsAppDefinition"}}
	if app.ManifestID != "" {
		q.Set("$filter", "teamsApp/externalId eq '"+app.ManifestID+"'")
	}
	return q
}

// look returns the installation of an app, that of the catalog before a copy of the person's own; without an ID where there
// is none.
func (c *Client) look(ctx context.Context, tenant mspkit.TenantID, app App, segment string) (Installation, error) {
	var found Installation
	for w, err := range graphx.ListOf[wireInstallation](ctx, c.graph, &graphx.Request{
		Tenant: tenant, Workload: graphx.TeamsApps, Path: installsOf(segment), Query: lookQuery(app),
	}) {
		if err != nil {
			return Installation{}, err
		}
		if w.exactly(app) {
			return w.installation(app), nil
		}
		if found.ID == "" && w.is(app) {
			found = w.installation(app)
		}
	}
	return found, nil
}

// person is what Graph says of somebody. Nil is not told, because a permission is missing.
type person struct {
	ID      string `json:"id"`
	Enabled *bool  `json:"accountEnabled"`
	Type    string `json:"userType"`
	Plans   []struct {
		Service string `json:"service"`
		Status  string `json:"capabilityStatus"`
		Plan    string `json:"servicePlanId"`
	} `json:"assignedPlans"`
}

const personFields = "id,accountEnabled,userType,assignedPlans"

// teamsService is what the service plans of Teams begin with. Which plans these are says
// https://learn.microsoft.com/entra/identity/users/licensing-service-plan-reference; what they are called as a service was seen in
// https://learn.microsoft.com/microsoftteams/troubleshoot pages only, so the plan of most licences counts by its id as well.
const (
	teamsService = "teamspaceapi"
	teamsPlan    = "57ff2da0-773e-42df-b2af-ffb7a2317929"
)

// licensed reports whether the person has a licence with Teams in it; known is false where Graph does not tell.
func (p *person) licensed() (yes, known bool) {
	if p == nil || p.Plans == nil {
		return false, false
	}
	for _, plan := range p.Plans {
		works := strings.EqualFold(plan.Status, "Enabled") || strings.EqualFold(plan.Status, "Warning")
		teams := strings.HasPrefix(strings.ToLower(plan.Service), teamsService) || strings.EqualFold(plan.Plan, teamsPlan)
		if works && teams {
			return true, true
		}
	}
	return false, true
}

// unlicensed reports whether the person is known to have no licence and to need one: that of a guest is in another tenant.
func (p *person) unlicensed() bool {
	yes, known := p.licensed()
	return known && !yes && !p.guest()
}

func (p *person) guest() bool { return p != nil && strings.EqualFold(p.Type, "Guest") }

func (p *person) disabled() bool { return p != nil && p.Enabled != nil && !*p.Enabled }

// person reads somebody.
func (c *Client) person(ctx context.Context, tenant mspkit.TenantID, segment string) (*person, error) {
	var p person
	err := c.graph.Do(ctx, &graphx.Request{
		Tenant: tenant, Workload: graphx.Directory, Path: "/users/" + segment, Query: url.Values{"$select": {personFields}},
	}, &p)
	if err != nil {
		return nil, err
	}
	return &p, nil
}

// whyNot looks up what a refusal of Teams means for one person: its codes do not say. Where it cannot be looked up, err stays
// what it is.
func (c *Client) whyNot(ctx context.Context, tenant mspkit.TenantID, app App, segment string, err error) error {
	if verdict := byCode(err); verdict != nil {
		return verdict
	}
	if !hasStatus(err, http.StatusForbidden) && !hasStatus(err, http.StatusNotFound) {
		return err
	}
	p, perr := c.person(ctx, tenant, segment)
	verdict, ok := byPerson(err, p, perr)
	if ok || perr != nil || !hasStatus(err, http.StatusNotFound) {
		return verdict
	}
	return c.notFound(ctx, tenant, app, err)
}

// notFound says what a 404 means for somebody who is there and may have Teams: it is the app, or Teams does not know them yet.
func (c *Client) notFound(ctx context.Context, tenant mspkit.TenantID, app App, err error) error {
	ferr := ErrRefused
	var found App
	if app.ManifestID != "" {
		found, ferr = c.Find(ctx, tenant, app.ManifestID)
	}
	switch {
	case ferr == nil && found.State != StatePublished:
		return because(ErrNotPublished, err, "The app waits for its review: an administrator approves it in the Teams admin center.")
	case ferr == nil:
		return because(ErrTeamsUnused, err, "%s", adviceUnused)
	case errors.Is(ferr, ErrNotPublished):
		return because(ErrNotPublished, err, "%s", adviceNotPublished)
	}
	return because(ErrRefused, err, "Look whether the app is in the tenant's catalog, and whether the person has ever signed in to Teams.")
}

const (
	adviceNotPublished = "Publish the app in the tenant's catalog, or ask the Teams administrator to upload it."
	adviceLicence      = "Give the person a licence that has Microsoft Teams in it, with Teams switched on."
	adviceBlocked      = "Ask the customer's Teams administrator to allow the app for this person: Teams admin center, Teams apps, Manage apps and Permission policies."
	adviceUnused       = "Ask the person to sign in to Teams once, or look at the app in the Teams admin center."
)

// accessDenied is the code inside a 403 by an app permission policy; a 403 for a missing permission has none. Both were seen in
// issues of microsoftgraph/microsoft-graph-docs and OfficeDev/microsoft-teams-apps-company-communicator.
const accessDenied = "AccessDenied"

// byCode says what a refusal means where its codes tell, or nil.
func byCode(err error) error {
	g, ok := errors.AsType[*graphx.Error](err)
	switch {
	case !ok:
		return nil
	case g.Status == http.StatusForbidden && strings.EqualFold(g.InnerCode, accessDenied):
		return because(ErrBlocked, err, "%s", adviceBlocked)
	case g.Status == http.StatusBadRequest:
		return because(ErrScope, err, "Check that the manifest's bot has the scope personal, then publish the app again.")
	}
	return nil
}

// byPerson says what a 403 or 404 means by who the person is. ok is false where that does not explain it.
func byPerson(err error, p *person, perr error) (verdict error, ok bool) { //nolint:revive // the error is the value
	if hasStatus(perr, http.StatusNotFound) {
		return because(ErrNoUser, err, "Check the person's id and that it is of this tenant: nobody of this id is there."), true
	}
	if perr != nil {
		return fmt.Errorf("%w", err), false
	}
	if p.unlicensed() {
		return because(ErrNotLicensed, err, "%s", adviceLicence), true
	}
	return err, false
}
