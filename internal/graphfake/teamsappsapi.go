package graphfake

import (
	"net/http"
	"slices"
	"strings"
)

var (
	appProps        = []string{"id", "externalId", "displayName", "distributionMethod"}
	definitionProps = []string{
		"id", "teamsAppId", "displayName", "version", "publishingState", "shortDescription", "description", "lastModifiedDateTime", "createdBy", "authorization",
	}
)

func (a *TeamsApp) wire() map[string]any {
	method := "organization"
	if a.Store {
		method = "store"
	}
	return map[string]any{"id": a.ID, "externalId": a.ManifestID, "displayName": a.Name, "distributionMethod": method}
}

func (d *TeamsAppDefinition) wire(app string, tag bool) map[string]any {
	authorization := map[string]any{"requiredPermissionSet": map[string]any{"resourceSpecificPermissions": []any{}}}
	if d.GraphID != "" {
		authorization["clientAppId"] = d.GraphID
	}
	m := map[string]any{
		"id": d.ID, "teamsAppId": app, "displayName": d.Name, "version": d.Version, "publishingState": d.State, "shortDescription": d.ShortDescription,
		"description": d.Description, "lastModifiedDateTime": rfc3339(d.Modified), "createdBy": nil,
		"authorization": authorization,
	}
	if tag {
		m["@odata.etag"] = d.ETag
	}
	return m
}

// shown are the versions that lists show by now. The caller holds the lock.
func (t *Tenant) shown(a *TeamsApp) []TeamsAppDefinition {
	now := t.s.o.Now()
	var out []TeamsAppDefinition
	for _, d := range a.Definitions {
		for d.seen.After(now) && d.before != nil {
			d = *d.before
		}
		if !d.seen.After(now) {
			out = append(out, d)
		}
	}
	return out
}

// listTeamsApps answers the catalog.
func (c *call) listTeamsApps() *apiError {
	if e := c.options("$filter", "$expand", "$select", "$top", "$skiptoken"); e != nil {
		return e
	}
	match, e := c.appFilter()
	if e != nil {
		return e
	}
	expand := c.q.Get("$expand")
	if expand != "" && !strings.EqualFold(expand, "appDefinitions") {
		return badRequest("Could not find a property named '%s' on type 'microsoft.graph.teamsApp'.", expand)
	}
	size, e := c.top(c.s.o.PageSize, maxTop)
	if e != nil {
		return e
	}
	items := []map[string]any{}
	c.t.mu.RLock()
	for _, a := range c.t.catalog.apps {
		defs := c.t.shown(a)
		if len(defs) == 0 || !match(a) {
			continue
		}
		m := a.wire()
		if expand != "" {
			list := []any{}
			for i := range defs {
				list = append(list, defs[i].wire(a.ID, !c.t.catalog.quirks.NoETags))
			}
			m["appDefinitions"] = list
		}
		items = append(items, m)
	}
	c.t.mu.RUnlock()
	known := appProps
	if expand != "" {
		known = append(slices.Clone(known), "appDefinitions")
	}
	return c.collection("appCatalogs/teamsApps", known, items, size)
}

// appFilter reads comparisons with eq and ne, joined by and.
func (c *call) appFilter() (func(*TeamsApp) bool, *apiError) {
	bad := badRequest("Invalid filter clause.")
	words, text := tokenize(c.q.Get("$filter"))
	if text != "" || len(words)%4 != 3 && len(words) != 0 {
		return nil, bad
	}
	var tests []func(*TeamsApp) bool
	for i := 0; i+2 < len(words); i += 4 {
		lit, ok := literal(words[i+2])
		if !ok || words[i+1] != "eq" && words[i+1] != "ne" || i > 0 && words[i-1] != "and" || !slices.Contains(appProps, words[i]) {
			return nil, bad
		}
		name, want := words[i], words[i+1] == "eq"
		tests = append(tests, func(a *TeamsApp) bool {
			s, _ := a.wire()[name].(string)
			return strings.EqualFold(s, lit) == want
		})
	}
	return func(a *TeamsApp) bool {
		return !slices.ContainsFunc(tests, func(t func(*TeamsApp) bool) bool { return !t(a) })
	}, nil
}

// zipBody reads the package of a request.
func (c *call) zipBody() (TeamsAppDefinition, string, *apiError) {
	if ct := c.r.Header.Get("Content-Type"); ct != "application/zip" {
		return TeamsAppDefinition{}, "", fail(http.StatusUnsupportedMediaType, "UnsupportedMediaType", "The content type '%s' is not application/zip.", ct)
	}
	return readPackage(c.body)
}

// toReview reads requiresReview, and refuses people who are no administrators to go without.
func (c *call) toReview() (bool, *apiError) {
	if e := c.options("requiresReview"); e != nil {
		return false, e
	}
	if e := c.delegatedOnly(); e != nil {
		return false, e
	}
	switch text := c.q.Get("requiresReview"); strings.ToLower(text) {
	case "true":
		return true, nil
	case "", "false":
		return false, c.adminOnly()
	default:
		return false, badRequest("'%s' is no Boolean.", text)
	}
}

// refused answers a package that is not taken, by 200 where the quirk says so.
func (c *call) refused(e *apiError) *apiError {
	c.t.mu.RLock()
	odd := c.t.catalog.quirks.ErrorsAsSuccess
	c.t.mu.RUnlock()
	if odd && (e.status == http.StatusBadRequest || e.status == http.StatusConflict) {
		e.status = http.StatusOK
	}
	return e
}

func duplicate() *apiError {
	return &apiError{
		status: http.StatusConflict, code: "Conflict", message: "App with same id already exists in the tenant.", inner: "AppDefinitionAlreadyExists",
	}
}

// createTeamsApp is POST /appCatalogs/teamsApps.
func (c *call) createTeamsApp() *apiError {
	review, e := c.toReview()
	if e != nil {
		return e
	}
	d, id, e := c.zipBody()
	if e != nil {
		return c.refused(e)
	}
	c.t.mu.Lock()
	if c.t.appOf(id) != nil {
		c.t.mu.Unlock()
		return c.refused(duplicate())
	}
	a := &TeamsApp{ID: newID(), ManifestID: id}
	c.t.catalog.apps = append(c.t.catalog.apps, a)
	c.t.define(a, d, state(review))
	m, status := a.wire(), http.StatusCreated
	if c.t.catalog.quirks.OK {
		status = http.StatusOK
	}
	c.t.mu.Unlock()
	m["@odata.context"] = c.context("appCatalogs/teamsApps/$entity")
	c.w.Header().Set("Location", c.s.base(c.r)+"/v1.0/appCatalogs/teamsApps/"+a.ID)
	writeJSON(c.w, status, m)
	return nil
}

func state(review bool) string {
	if review {
		return "submitted"
	}
	return "published"
}

// ownApp finds the app of the path that the organisation has. The caller holds the lock.
func (c *call) ownApp() (*TeamsApp, *apiError) {
	id := c.r.PathValue("app")
	for _, a := range c.t.catalog.apps {
		if strings.EqualFold(a.ID, id) {
			if a.Store && c.r.Method != http.MethodGet {
				return nil, fail(http.StatusForbidden, "Forbidden", "The app is not the organisation's.")
			}
			return a, nil
		}
	}
	return nil, fail(http.StatusNotFound, "NotFound", "No app found with id '%s'.", id)
}

// updateTeamsApp is POST /appCatalogs/teamsApps/{id}/appDefinitions.
func (c *call) updateTeamsApp() *apiError {
	review, e := c.toReview()
	if e != nil {
		return e
	}
	d, id, e := c.zipBody()
	if e != nil {
		return c.refused(e)
	}
	c.t.mu.Lock()
	a, e := c.ownApp()
	switch {
	case e != nil:
	case !strings.EqualFold(a.ManifestID, id):
		e = badRequest("The id of the manifest is not that of the app.")
	case slices.ContainsFunc(a.Definitions, func(o TeamsAppDefinition) bool { return o.Version == d.Version }):
		e = duplicate()
	}
	if e != nil {
		c.t.mu.Unlock()
		return c.refused(e)
	}
	m := c.t.define(a, d, state(review)).wire(a.ID, true)
	none := c.t.catalog.quirks.NoContent
	c.t.mu.Unlock()
	if none {
		c.w.WriteHeader(http.StatusNoContent)
		return nil
	}
	m["@odata.context"] = c.context("appCatalogs/teamsApps('" + a.ID + "')/appDefinitions/$entity")
	writeJSON(c.w, http.StatusCreated, m)
	return nil
}

// deleteTeamsApp is DELETE /appCatalogs/teamsApps/{id}.
func (c *call) deleteTeamsApp() *apiError {
	if e := c.adminOnly(); e != nil {
		return e
	}
	c.t.mu.Lock()
	a, e := c.ownApp()
	if e == nil {
		c.t.catalog.apps = slices.DeleteFunc(c.t.catalog.apps, func(o *TeamsApp) bool { return o == a })
	}
	c.t.mu.Unlock()
	if e != nil {
		return e
	}
	c.w.WriteHeader(http.StatusNoContent)
	return nil
}

// definition finds the version of the path. The caller holds the lock.
func (c *call) definition() (*TeamsApp, *TeamsAppDefinition, *apiError) {
	a, e := c.ownApp()
	if e != nil {
		return nil, nil, e
	}
	for i := range a.Definitions {
		if a.Definitions[i].ID == c.r.PathValue("definition") {
			return a, &a.Definitions[i], nil
		}
	}
	return nil, nil, fail(http.StatusNotFound, "NotFound", "No version found with that id.")
}

// getAppDefinition is GET /appCatalogs/teamsApps/{id}/appDefinitions/{id}.
func (c *call) getAppDefinition() *apiError {
	if e := c.options("$select"); e != nil {
		return e
	}
	c.t.mu.RLock()
	a, d, e := c.definition()
	if e != nil {
		c.t.mu.RUnlock()
		return e
	}
	m, tag := d.wire(a.ID, true), d.ETag
	c.t.mu.RUnlock()
	if m, e = c.chosen(m, definitionProps); e != nil {
		return e
	}
	c.w.Header().Set("ETag", tag)
	return c.ok(m)
}

// reviewTeamsApp is PATCH /appCatalogs/teamsApps/{id}/appDefinitions/{id}.
func (c *call) reviewTeamsApp() *apiError {
	if e := c.adminOnly(); e != nil {
		return e
	}
	if e := c.jsonBody(); e != nil {
		return e
	}
	body, e := object(c.body, "microsoft.graph.teamsAppDefinition", "publishingState")
	if e != nil {
		return e
	}
	var to string
	if e := value(body, "publishingState", &to); e != nil {
		return e
	}
	c.t.mu.Lock()
	defer c.t.mu.Unlock()
	a, d, e := c.definition()
	switch tag := c.r.Header.Get("If-Match"); {
	case e != nil:
		return e
	case tag == "":
		return fail(http.StatusPreconditionRequired, "PreconditionRequired", "The header If-Match is needed.")
	case tag != d.ETag:
		return fail(http.StatusPreconditionFailed, "PreconditionFailed", "The version was changed meanwhile.")
	case d.State != "submitted" || to != "published" && to != "rejected":
		return badRequest("A version that is %s cannot become %s.", d.State, to)
	}
	now := c.t.define(a, *d, to)
	now.seen = c.t.s.o.Now()
	return c.ok(now.wire(a.ID, true))
}

// cancelTeamsApp is DELETE /appCatalogs/teamsApps/{id}/appDefinitions/{id}: of a version that was submitted.
func (c *call) cancelTeamsApp() *apiError {
	if e := c.delegatedOnly(); e != nil {
		return e
	}
	c.t.mu.Lock()
	a, d, e := c.definition()
	switch {
	case e != nil:
	case d.State == "published":
		e = badRequest("A version that is published cannot be deleted.")
	default:
		id := d.ID
		a.Definitions = slices.DeleteFunc(a.Definitions, func(o TeamsAppDefinition) bool { return o.ID == id })
		if len(a.Definitions) == 0 {
			c.t.catalog.apps = slices.DeleteFunc(c.t.catalog.apps, func(o *TeamsApp) bool { return o == a })
		}
	}
	c.t.mu.Unlock()
	if e != nil {
		return e
	}
	c.w.WriteHeader(http.StatusNoContent)
	return nil
}
