package graphfake

import (
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
)

// TeamsState is how Teams treats a person.
type TeamsState string

// What Teams says where somebody's app is to be installed. Microsoft documents none of the answers; the first was seen in
// https://github.com/OfficeDev/microsoft-teams-apps-company-communicator/issues/1537.
const (
	// TeamsNormal lets them have apps, where they have a licence with Teams.
	TeamsNormal TeamsState = ""
	// TeamsBlocked has an app permission policy against it: 403, with the code AccessDenied inside.
	TeamsBlocked TeamsState = "blocked"
	// TeamsUnlicensed is as if they had no licence, whatever they have: 403 without a code inside.
	TeamsUnlicensed TeamsState = "unlicensed"
	// TeamsUnused has never signed in to Teams: 404.
	TeamsUnused TeamsState = "unused"
	// TeamsRefused is 403 without a code inside, for a reason that nobody knows.
	TeamsRefused TeamsState = "refused"
)

// TeamsInstall is an app that somebody has.
type TeamsInstall struct {
	ID, CatalogID, Version string
}

// installs is what a tenant knows of who has which app.
type installs struct {
	of     map[string][]*TeamsInstall // by user
	states map[string]TeamsState      // by user
	// self is the application that calls with permissions for its own apps only; empty is one that may install each.
	self   string
	groups map[string]*group
}

// SetTeams changes how Teams treats somebody, by id.
func (t *Tenant) SetTeams(user string, s TeamsState) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.installs.states == nil {
		t.installs.states = map[string]TeamsState{}
	}
	t.installs.states[strings.ToLower(user)] = s
}

// SetInstaller makes the callers have the permissions "…SelfForUser.All" of an application: they see and install only apps
// whose manifest names it as webApplicationInfo.id. Empty ends that.
func (t *Tenant) SetInstaller(app string) { t.set(func() { t.installs.self = strings.ToLower(app) }) }

// TeamsInstalls returns the apps that somebody has.
func (t *Tenant) TeamsInstalls(user string) []TeamsInstall {
	t.mu.RLock()
	defer t.mu.RUnlock()
	var out []TeamsInstall
	for _, i := range t.installs.of[strings.ToLower(user)] {
		out = append(out, *i)
	}
	return out
}

// PutTeamsInstall gives somebody an app as an app setup policy does; an empty version is the newest. Nobody is told.
func (t *Tenant) PutTeamsInstall(user, catalogID, version string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.install(strings.ToLower(user), catalogID, version)
}

// RemoveTeamsInstall takes all apps from somebody. Nobody is told.
func (t *Tenant) RemoveTeamsInstall(user string) {
	t.set(func() { delete(t.installs.of, strings.ToLower(user)) })
}

func (t *Tenant) install(user, catalogID, version string) {
	if a, ok := t.installable(catalogID); ok && version == "" {
		version = a.version
	}
	if t.installs.of == nil {
		t.installs.of = map[string][]*TeamsInstall{}
	}
	id := base64.StdEncoding.EncodeToString([]byte("1##" + user + "##" + catalogID))
	t.installs.of[user] = append(t.installs.of[user], &TeamsInstall{ID: id, CatalogID: catalogID, Version: version})
}

// installRoutes are the requests about installed apps and members of groups.
var installRoutes = map[string]handler{
	"GET /users/{user}/teamwork/installedApps":                    (*call).listInstalls,
	"POST /users/{user}/teamwork/installedApps":                   (*call).addInstall,
	"GET /users/{user}/teamwork/installedApps/{install}":          (*call).getInstall,
	"DELETE /users/{user}/teamwork/installedApps/{install}":       (*call).removeInstall,
	"POST /users/{user}/teamwork/installedApps/{install}/upgrade": (*call).upgradeInstall,
	"GET /users/{user}/teamwork/installedApps/{install}/chat":     (*call).installChat,

	"GET /groups/{group}/transitiveMembers/microsoft.graph.user":        (*call).groupUsers,
	"GET /groups/{group}/transitiveMembers/microsoft.graph.user/$count": (*call).countGroupUsers,
}

func teamsNotFound(what string) *apiError {
	return fail(http.StatusNotFound, "NotFound", "%s was not found.", what)
}

func forbidden(inner, format string, args ...any) *apiError {
	e := fail(http.StatusForbidden, "Forbidden", format, args...)
	e.inner = inner
	return e
}

// teamsUser finds the user of the path as Teams does.
func (c *call) teamsUser() (*User, *apiError) {
	u, e := c.user()
	if e != nil {
		return nil, teamsNotFound("The user")
	}
	c.t.mu.RLock()
	defer c.t.mu.RUnlock()
	if c.t.installs.states[u.ID] == TeamsUnused {
		return nil, teamsNotFound("The user")
	}
	return u, nil
}

// mine says whether the caller sees an app. It is called with t.mu held.
func (t *Tenant) mine(a installable) bool {
	return t.installs.self == "" || strings.EqualFold(t.installs.self, a.webApp)
}

// wire is an installation as Graph shows it.
func (c *call) wireInstall(i *TeamsInstall, a installable, expand []string) map[string]any {
	out := map[string]any{"id": i.ID}
	if slices.Contains(expand, "teamsApp") {
		out["teamsApp"] = map[string]any{
			"id": i.CatalogID, "externalId": a.manifestID, "displayName": a.name, "distributionMethod": "organization",
		}
	}
	if slices.Contains(expand, "teamsAppDefinition") {
		out["teamsAppDefinition"] = map[string]any{
			"id": derivedID(i.CatalogID + i.Version), "teamsAppId": i.CatalogID, "displayName": a.name, "version": i.Version,
			"publishingState": "published", "shortDescription": nil, "description": nil, "lastModifiedDateTime": nil, "createdBy": nil,
		}
	}
	return out
}

func (c *call) expandInstall() ([]string, *apiError) {
	text := c.q.Get("$expand")
	if text == "" {
		return nil, nil
	}
	out := strings.Split(text, ",")
	for _, name := range out {
		if name != "teamsApp" && name != "teamsAppDefinition" {
			return nil, badRequest("Could not find a property named '%s' that can be expanded.", name)
		}
	}
	return out, nil
}

func (c *call) listInstalls() *apiError {
	if e := c.options("$expand", "$filter", "$top", "$skiptoken"); e != nil {
		return e
	}
	expand, e := c.expandInstall()
	if e != nil {
		return e
	}
	keep, e := installFilter(c.q.Get("$filter"), expand)
	if e != nil {
		return e
	}
	size, e := c.top(c.s.o.PageSize, maxTop)
	if e != nil {
		return e
	}
	u, e := c.teamsUser()
	if e != nil {
		return e
	}
	c.t.mu.RLock()
	defer c.t.mu.RUnlock()
	items := []map[string]any{}
	for _, i := range c.t.installs.of[u.ID] {
		a, _ := c.t.installable(i.CatalogID)
		if c.t.mine(a) && keep(i, a) { // what is not the caller's is left out without a word
			items = append(items, c.wireInstall(i, a, expand))
		}
	}
	return c.collection("users('"+u.ID+"')/teamwork/installedApps", []string{"id", "teamsApp", "teamsAppDefinition"}, items, size)
}

// installFilter reads teamsApp/externalId eq '…' and the like, of what is expanded.
func installFilter(text string, expand []string) (func(*TeamsInstall, installable) bool, *apiError) {
	if text == "" {
		return func(*TeamsInstall, installable) bool { return true }, nil
	}
	words, msg := tokenize(text)
	if msg != "" || len(words) != 3 || words[1] != "eq" {
		return nil, badRequest("Invalid filter clause: %s", text)
	}
	want, ok := literal(words[2])
	of, _, _ := strings.Cut(words[0], "/")
	if !ok || !slices.Contains(expand, of) {
		return nil, badRequest("Invalid filter clause: the property is not expanded.")
	}
	switch words[0] {
	case "teamsApp/externalId":
		return func(_ *TeamsInstall, a installable) bool { return strings.EqualFold(a.manifestID, want) }, nil
	case "teamsApp/id", "teamsAppDefinition/teamsAppId":
		return func(i *TeamsInstall, _ installable) bool { return strings.EqualFold(i.CatalogID, want) }, nil
	}
	return nil, badRequest("Invalid filter clause: there is no property '%s'.", words[0])
}

// addInstall is POST …/installedApps: 201 without a body.
func (c *call) addInstall() *apiError {
	if e := c.options(); e != nil {
		return e
	}
	if e := c.jsonBody(); e != nil {
		return e
	}
	const bind = "teamsApp@odata.bind"
	m, e := object(c.body, "microsoft.graph.userScopeTeamsAppInstallation", bind, "consentedPermissionSet")
	if e != nil {
		return e
	}
	var link string
	if e := value(m, bind, &link); e != nil {
		return e
	}
	id, ok := strings.CutPrefix(link, c.s.base(c.r)+"/v1.0/appCatalogs/teamsApps/")
	if !ok || id == "" || strings.Contains(id, "/") {
		return badRequest("Invalid bind property name teamsApp in request.")
	}
	u, e := c.teamsUser()
	if e != nil {
		return e
	}
	c.t.mu.Lock()
	a, e := c.mayInstall(u, id)
	if e == nil {
		c.t.install(u.ID, id, "")
	}
	c.t.mu.Unlock()
	if e != nil {
		return e
	}
	c.w.WriteHeader(http.StatusCreated)
	c.tell(u.ID, a.manifestID, true)
	return nil
}

// mayInstall is called with t.mu held.
func (c *call) mayInstall(u *User, id string) (installable, *apiError) {
	a, ok := c.t.installable(id)
	switch state := c.t.installs.states[u.ID]; {
	case !ok:
		return a, teamsNotFound("The app")
	case !c.t.mine(a):
		return a, forbidden("", "AAD App Id '%s' is not allowed to manage the Teams App.", c.t.installs.self)
	case !a.personal:
		return a, badRequest("The app does not support the personal scope.")
	case state == TeamsBlocked:
		return a, forbidden("AccessDenied", "App is blocked by app permission policy. UserObjectId: %s", u.ID)
	case state == TeamsUnlicensed, state == "" && !u.teams() && u.userType() != "Guest": // theirs is in another tenant
		return a, forbidden("", "The user %s is not licensed for Teams.", u.ID)
	case state == TeamsRefused:
		return a, forbidden("", "Caller is not authorized.")
	}
	if slices.ContainsFunc(c.t.installs.of[u.ID], func(i *TeamsInstall) bool { return i.CatalogID == id }) {
		return a, fail(http.StatusConflict, "Conflict", "AppEntitlement already exists in the thread.")
	}
	return a, nil
}

func (c *call) tell(user, app string, installed bool) {
	if c.s.o.OnInstall != nil {
		c.s.o.OnInstall(c.t.ID, user, app, installed)
	}
}

// installOf finds the installation of the path.
func (c *call) installOf() (*User, *TeamsInstall, installable, *apiError) {
	u, e := c.teamsUser()
	if e != nil {
		return nil, nil, installable{}, e
	}
	c.t.mu.RLock()
	defer c.t.mu.RUnlock()
	for _, i := range c.t.installs.of[u.ID] {
		a, _ := c.t.installable(i.CatalogID)
		if i.ID == c.r.PathValue("install") && c.t.mine(a) {
			copied := *i
			return u, &copied, a, nil
		}
	}
	return nil, nil, installable{}, teamsNotFound("The installation")
}

func (c *call) getInstall() *apiError {
	if e := c.options("$expand"); e != nil {
		return e
	}
	expand, e := c.expandInstall()
	if e != nil {
		return e
	}
	u, i, a, e := c.installOf()
	if e != nil {
		return e
	}
	out := c.wireInstall(i, a, expand)
	out["@odata.context"] = c.context("users('" + u.ID + "')/teamwork/installedApps/$entity")
	return c.ok(out)
}

func (c *call) removeInstall() *apiError {
	if e := c.options(); e != nil {
		return e
	}
	u, i, a, e := c.installOf()
	if e != nil {
		return e
	}
	c.t.set(func() {
		c.t.installs.of[u.ID] = slices.DeleteFunc(c.t.installs.of[u.ID], func(o *TeamsInstall) bool { return o.ID == i.ID })
	})
	c.w.WriteHeader(http.StatusNoContent)
	c.tell(u.ID, a.manifestID, false)
	return nil
}

func (c *call) upgradeInstall() *apiError {
	if e := c.options(); e != nil {
		return e
	}
	if len(c.body) > 0 {
		if e := c.jsonBody(); e != nil {
			return e
		}
		if _, e := object(c.body, "upgrade", "consentedPermissionSet"); e != nil {
			return e
		}
	}
	u, i, a, e := c.installOf()
	if e != nil {
		return e
	}
	c.t.set(func() {
		for _, o := range c.t.installs.of[u.ID] {
			if o.ID == i.ID {
				o.Version = a.version
			}
		}
	})
	c.w.WriteHeader(http.StatusNoContent)
	return nil
}

func (c *call) installChat() *apiError {
	if e := c.options(); e != nil {
		return e
	}
	u, i, _, e := c.installOf()
	if e != nil {
		return e
	}
	return c.ok(map[string]any{
		"@odata.context": c.context("chats/$entity"), "id": "19:" + u.ID + "_" + i.CatalogID + "@unq.gbl.spaces", "chatType": "oneOnOne",
		"topic": nil, "createdDateTime": rfc3339(c.s.o.Now()), "lastUpdatedDateTime": rfc3339(c.s.o.Now()), "tenantId": c.t.ID,
	})
}

// teamsPlan is the service plan of Teams, TEAMS1 in
// https://learn.microsoft.com/entra/identity/users/licensing-service-plan-reference.
const teamsPlan = "57ff2da0-773e-42df-b2af-ffb7a2317929"

// teams says whether somebody has a licence with Teams in it.
func (u *User) teams() bool { return len(u.Licences) > 0 && !u.NoTeams }

// appendPlans writes assignedPlans: Exchange with each licence, and Teams unless it was taken out.
func appendPlans(b []byte, u *User) []byte {
	plans := []map[string]string{}
	if len(u.Licences) > 0 {
		plans = append(plans, map[string]string{
			"assignedDateTime": "2026-01-01T00:00:00Z", "capabilityStatus": "Enabled", "service": "exchange",
			"servicePlanId": derivedID("exchange"),
		})
		status := "Enabled"
		if u.NoTeams {
			status = "Deleted"
		}
		plans = append(plans, map[string]string{
			"assignedDateTime": "2026-01-01T00:00:00Z", "capabilityStatus": status, "service": "TeamspaceAPI", "servicePlanId": teamsPlan,
		})
	}
	raw, err := json.Marshal(plans)
	if err != nil {
		panic(err)
	}
	return append(b, raw...)
}

func withInstalls(graph map[string]handler) map[string]handler {
	maps.Copy(graph, installRoutes)
	return graph
}
