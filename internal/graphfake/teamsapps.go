package graphfake

import (
	"encoding/base64"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"
)

// TeamsApp is an app in a tenant's catalog of Teams apps.
type TeamsApp struct {
	// ID is the catalog's, ManifestID that of the manifest.
	ID, ManifestID, Name string
	// Store means that it is Microsoft's store's, which nobody here can change.
	Store       bool
	Definitions []TeamsAppDefinition
}

// TeamsAppDefinition is a version of an app.
type TeamsAppDefinition struct {
	ID, Version string
	// State is "published", "submitted" or "rejected".
	State                               string
	Name, ShortDescription, Description string
	// BotID is the bot's application, GraphID that of webApplicationInfo, Scopes are where the bot can be.
	BotID, GraphID string
	Scopes         []string
	// ETag changes with every change.
	ETag     string
	Modified time.Time

	seen   time.Time           // when lists begin to show it
	before *TeamsAppDefinition // what they show until then
}

// Published returns the version that people can have, nil where there is none.
func (a TeamsApp) Published() *TeamsAppDefinition { return a.in("published") }

func (a TeamsApp) in(state string) *TeamsAppDefinition {
	for i := range a.Definitions {
		if a.Definitions[i].State == state {
			return &a.Definitions[i]
		}
	}
	return nil
}

func (a TeamsApp) clone() TeamsApp {
	a.Definitions = slices.Clone(a.Definitions)
	return a
}

// CatalogQuirks are how the catalog of Teams apps may be odd.
type CatalogQuirks struct {
	// ErrorsAsSuccess answers 200 to a package that is refused, with the error in the body.
	ErrorsAsSuccess bool
	// OK answers 200 to a new app rather than 201.
	OK bool
	// NoContent answers 204 to a new version rather than 201 with it.
	NoContent bool
	// Delay is how long lists do not show what was uploaded, by the server's clock.
	Delay time.Duration
	// NoETags leaves out the etags of versions in lists.
	NoETags bool
	// Wrapped puts what Teams knows of a user into "value", as the documentation shows it.
	Wrapped bool
}

// catalog is what a tenant has of Teams apps.
type catalog struct {
	apps   []*TeamsApp
	quirks CatalogQuirks
}

// SetCatalogQuirks changes how the catalog behaves from now on.
func (t *Tenant) SetCatalogQuirks(q CatalogQuirks) { t.set(func() { t.catalog.quirks = q }) }

// Publish puts a package into the catalog as an administrator in the admin center would, and returns the app's id. It is an
// error where it would be refused.
func (t *Tenant) Publish(zip []byte) (string, error) {
	d, id, e := readPackage(zip)
	if e != nil {
		return "", errors.New("graphfake: " + e.message)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	a := t.appOf(id)
	if a == nil {
		a = &TeamsApp{ID: newID(), ManifestID: id}
		t.catalog.apps = append(t.catalog.apps, a)
	}
	t.define(a, d, "published")
	return a.ID, nil
}

// AddStoreApp puts an app of Microsoft's store into the catalog. Its id is that of its manifest.
func (t *Tenant) AddStoreApp(manifestID, name string) {
	manifestID = strings.ToLower(manifestID)
	t.set(func() {
		t.catalog.apps = append(t.catalog.apps, &TeamsApp{ID: manifestID, ManifestID: manifestID, Name: name, Store: true, Definitions: []TeamsAppDefinition{
			{ID: definitionID(manifestID, "1.0.0", "published"), Version: "1.0.0", State: "published", Name: name, Scopes: []string{"personal"}, ETag: newTag()},
		}})
	})
}

// Unpublish deletes an app from the catalog and reports whether it was there.
func (t *Tenant) Unpublish(id string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	before := len(t.catalog.apps)
	t.catalog.apps = slices.DeleteFunc(t.catalog.apps, func(a *TeamsApp) bool { return strings.EqualFold(a.ID, id) })
	return len(t.catalog.apps) < before
}

// TeamsApps returns the apps of the catalog in the order in which they came, whether lists show them already or not.
func (t *Tenant) TeamsApps() []TeamsApp {
	t.mu.RLock()
	defer t.mu.RUnlock()
	var out []TeamsApp
	for _, a := range t.catalog.apps {
		out = append(out, a.clone())
	}
	return out
}

// catalogApp returns the app with an id of the catalog. The caller holds the tenant's lock.
func (t *Tenant) catalogApp(id string) (TeamsApp, bool) {
	for _, a := range t.catalog.apps {
		if strings.EqualFold(a.ID, id) {
			return a.clone(), true
		}
	}
	return TeamsApp{}, false
}

// appOf returns the organisation's app with an id of a manifest. The caller holds the lock.
func (t *Tenant) appOf(manifestID string) *TeamsApp {
	for _, a := range t.catalog.apps {
		if !a.Store && strings.EqualFold(a.ManifestID, manifestID) {
			return a
		}
	}
	return nil
}

// define gives an app a version. One that is published takes the place of the one before, and so does one that is submitted.
// The caller holds the lock.
func (t *Tenant) define(a *TeamsApp, d TeamsAppDefinition, state string) *TeamsAppDefinition {
	now := t.s.o.Now()
	d.ID, d.State, d.ETag, d.Modified, d.seen = definitionID(a.ID, d.Version, state), state, newTag(), now, now.Add(t.catalog.quirks.Delay)
	if old := a.in(state); old != nil {
		before := *old
		d.before = &before
	}
	a.Definitions = slices.DeleteFunc(a.Definitions, func(o TeamsAppDefinition) bool {
		return o.State == state || o.State == "rejected" || o.Version == d.Version
	})
	a.Definitions = append(a.Definitions, d)
	if a.Name == "" || state == "published" {
		a.Name = d.Name
	}
	return &a.Definitions[len(a.Definitions)-1]
}

func definitionID(app, version, state string) string {
	return base64.StdEncoding.EncodeToString([]byte(app + "##" + version + "##" + state))
}

// newTag is an etag as the catalog writes them: base64, whose text has quotation marks.
func newTag() string { return base64.StdEncoding.EncodeToString([]byte(`"` + newID() + `"`)) }

// teamsAdmin says whether the caller administers Teams here.
func (c *call) teamsAdmin() bool {
	switch g := c.grant; {
	case g.user == "":
		return false
	case g.user == "unknown": // of Options.Token
		return true
	case g.home != "":
		return mayDo(c.t.delegated(g), roleTemplates["Teams Administrator"], roleTemplates["Global Administrator"])
	default:
		c.t.mu.RLock()
		defer c.t.mu.RUnlock()
		slot, ok := c.t.find(g.user)
		if !ok {
			return false
		}
		u, _ := c.t.at(slot)
		return slices.ContainsFunc(u.roles(), func(r string) bool { return r == "Teams Administrator" || r == "Global Administrator" })
	}
}

// delegatedOnly lets only people write to the catalog: applications by themselves have no permission for it.
func (c *call) delegatedOnly() *apiError {
	if c.grant.user == "" {
		return fail(http.StatusForbidden, "Forbidden", "Missing scope permissions on the request. Application permissions are not supported.")
	}
	return nil
}

func (c *call) adminOnly() *apiError {
	if e := c.delegatedOnly(); e != nil {
		return e
	}
	if !c.teamsAdmin() {
		return fail(http.StatusForbidden, "Forbidden", "The caller is no administrator of Teams.")
	}
	return nil
}
