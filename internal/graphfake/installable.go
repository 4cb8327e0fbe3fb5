package graphfake

import "slices"

// installable is what is asked of an app of the catalog when it is installed.
type installable struct {
	manifestID, name, version string
	// webApp is webApplicationInfo.id of the manifest.
	webApp   string
	personal bool
}

// installable finds an app of the catalog that is published. It is called with t.mu held.
func (t *Tenant) installable(catalogID string) (installable, bool) {
	a, ok := t.catalogApp(catalogID)
	d := a.Published()
	if !ok || d == nil {
		return installable{}, false
	}
	return installable{
		manifestID: a.ManifestID, name: a.Name, version: d.Version, webApp: d.GraphID, personal: slices.Contains(d.Scopes, "personal"),
	}, true
}

// PutTeamsApp puts a version of an app of the organisation into the catalog without a package, in the state that d has, and
// returns the app's id. An empty version is "1.0.0", an empty state "published", and no scopes are a bot for private chats.
func (t *Tenant) PutTeamsApp(manifestID, name string, d TeamsAppDefinition) string {
	if d.Version == "" {
		d.Version = "1.0.0"
	}
	if d.State == "" {
		d.State = "published"
	}
	if d.Scopes == nil {
		d.Scopes = []string{"personal"}
	}
	d.Name = name
	t.mu.Lock()
	defer t.mu.Unlock()
	a := t.appOf(manifestID)
	if a == nil {
		a = &TeamsApp{ID: newID(), ManifestID: manifestID}
		t.catalog.apps = append(t.catalog.apps, a)
	}
	t.define(a, d, d.State)
	return a.ID
}
