package graphentra

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/google/uuid"
	"github.com/microsoft/kiota-abstractions-go"
	"github.com/microsoftgraph/msgraph-sdk-go/applications"
	"github.com/microsoftgraph/msgraph-sdk-go/applicationswithuniquename"
	"github.com/microsoftgraph/msgraph-sdk-go/models"

	"github.com/mspkit/mspkit"
)

// errEmpty is an answer of success without what it should have.
var errEmpty = errors.New("the answer lacks what it should have")

// The fields of an application, by Graph's own names.
const (
	fieldName        = "displayName"
	fieldNotes       = "notes"
	fieldAudience    = "signInAudience"
	fieldTags        = "tags"
	fieldRedirects   = "web.redirectUris"
	fieldLogout      = "web.logoutUrl"
	fieldAccess      = "requiredResourceAccess"
	fieldRoles       = "appRoles"
	fieldIDClaims    = "optionalClaims.idToken"
	fieldTokenClaims = "optionalClaims.accessToken"
	fieldGroups      = "groupMembershipClaims"
)

const (
	createApplication Kind = "application.create"
	updateApplication Kind = "application.update"
)

// applicationPart is the registration of the application.
type applicationPart struct{}

func (applicationPart) prefix() string { return "application." }

func (applicationPart) plan(ctx context.Context, t *tenant, d *Desired, b *builder) error {
	if t.foreign != "" {
		return nil
	}
	app, err := t.application(ctx)
	if err != nil && !missing(err) {
		return err
	}
	have := fields{}
	if app != nil {
		if have, err = t.applicationFields(ctx, app); err != nil {
			return err
		}
	}
	want, between, err := wantedApplication(ctx, t, d, have, b)
	if err != nil {
		return err
	}
	if app == nil {
		b.add(Step{Kind: createApplication, Op: Create, What: "application " + quoted(d.Name), Danger: applicationDanger(have, want), Changes: diff(have, want)})
		return nil
	}
	what := "application " + quoted(text(app.GetDisplayName()))
	if between != nil {
		b.change(Step{Kind: updateApplication, Op: Update, Object: text(app.GetId()), What: what, Changes: diff(have, between), Danger: "Roles are switched off, to be removed."})
		have = maps.Clone(have)
		maps.Copy(have, between)
	}
	b.change(Step{Kind: updateApplication, Op: Update, Object: text(app.GetId()), What: what, Danger: applicationDanger(have, want), Changes: diff(have, want)})
	return nil
}

// wantedApplication returns what the application is to be like. between is what comes before it, where roles have to be switched off
// before Graph lets them go.
func wantedApplication(ctx context.Context, t *tenant, d *Desired, have fields, b *builder) (want, between fields, err error) {
	want = fields{}
	want.set(fieldName, d.Name)
	want.set(fieldNotes, d.Notes)
	want.set(fieldAudience, cmp.Or(d.Audience, AudienceOwn))
	want.set(fieldLogout, d.LogoutURL)
	want.set(fieldGroups, d.GroupClaims)
	var tags []string
	if err := have.get(fieldTags, &tags); err != nil {
		return nil, nil, err
	}
	want.set(fieldTags, union(tags, []string{tagOf(d.Key)})) // what others mark it with is theirs
	var access []string
	for _, p := range d.Permissions {
		if _, _, err := t.permissionID(ctx, p); err != nil {
			return nil, nil, err
		}
		access = append(access, p.String())
	}
	for _, l := range []struct {
		field, what string
		want        []string
	}{
		{fieldRedirects, "redirect URI", d.RedirectURIs},
		{fieldAccess, "permission", access},
		{fieldIDClaims, "claim of the id token", d.Claims},
		{fieldTokenClaims, "claim of the access token", d.AccessClaims},
	} {
		var is []string
		if err := have.get(l.field, &is); err != nil {
			return nil, nil, err
		}
		extra := without(is, l.want)
		switch {
		case d.Prune && len(l.want) == 0:
			want[l.field] = nil
		case d.Prune:
			want.set(l.field, union(l.want, nil))
		default:
			want.set(l.field, union(is, l.want))
			for _, e := range extra {
				b.keep(l.what, "%s", e)
			}
		}
	}
	between, err = wantedRoles(d, have, want, b)
	return want, between, err
}

// role is an app role as plans have it.
type role struct {
	ID          string   `json:"id"`
	Value       string   `json:"value"`
	Name        string   `json:"displayName"`
	Description string   `json:"description"`
	For         []string `json:"allowedMemberTypes"`
	Enabled     bool     `json:"isEnabled"`
}

// wantedRoles sets the roles in want. A role that is there under the same value keeps its id, because people are assigned by it.
func wantedRoles(d *Desired, have, want fields, b *builder) (between fields, err error) {
	var is, to, off []role
	if err := have.get(fieldRoles, &is); err != nil {
		return nil, err
	}
	for _, r := range d.Roles {
		one := role{r.ID, r.Value, r.Name, r.Description, []string{"User"}, true}
		if i := slices.IndexFunc(is, func(h role) bool { return h.Value == r.Value }); i >= 0 && is[i].ID != r.ID {
			one.ID = is[i].ID
			b.keep("app role", "%s keeps its id %s", r.Value, is[i].ID)
		}
		to = append(to, one)
	}
	gone := false
	for _, h := range is {
		if slices.ContainsFunc(to, func(r role) bool { return r.Value == h.Value }) {
			off = append(off, h)
			continue
		}
		if !d.Prune {
			to = append(to, h)
			b.keep("app role", "%s", h.Value)
			continue
		}
		gone = gone || h.Enabled
		h.Enabled = false
		off = append(off, h)
	}
	if len(to) == 0 && len(is) > 0 {
		want[fieldRoles] = nil
	} else {
		want.set(fieldRoles, sortedRoles(to))
	}
	if !gone {
		return nil, nil
	}
	between = fields{}
	between.set(fieldRoles, sortedRoles(off))
	return between, nil
}

func sortedRoles(list []role) []role {
	list = slices.Clone(list)
	slices.SortFunc(list, func(a, b role) int { return strings.Compare(a.ID, b.ID) })
	return list
}

// applicationDanger says what to think about.
func applicationDanger(have, want fields) string {
	var why []string
	if string(want[fieldAudience]) == `"`+string(AudienceAny)+`"` && !same(have[fieldAudience], want[fieldAudience]) {
		why = append(why, "People of every tenant may sign in after consent there.")
	}
	for _, l := range []struct{ field, text string }{
		{fieldRedirects, "Sign-ins by redirect URIs that are removed end."},
		{fieldAccess, "What needs a permission that is removed ends with its next consent."},
	} {
		var from, to []string
		if have.get(l.field, &from) == nil && want.get(l.field, &to) == nil && len(without(from, to)) > 0 {
			why = append(why, l.text)
		}
	}
	return strings.Join(why, " ")
}

func (applicationPart) state(ctx context.Context, t *tenant, s *Step) (standing, error) {
	app, err := t.application(ctx)
	if missing(err) && s.Kind == createApplication {
		return todo, nil
	}
	if err != nil {
		return 0, err
	}
	if s.Object != "" && text(app.GetId()) != s.Object {
		return changed, nil
	}
	now, err := t.applicationFields(ctx, app)
	if err != nil {
		return 0, err
	}
	return stand(now, s.Changes), nil
}

func (applicationPart) do(ctx context.Context, t *tenant, s *Step) error {
	body := models.NewApplication()
	to := target(s.Changes)
	if s.Kind == createApplication {
		if err := t.fillApplication(ctx, body, to, nil); err != nil {
			return err
		}
		// An upsert by name: whoever comes second changes what the first has made, and there are never two.
		headers := abstractions.NewRequestHeaders()
		headers.Add("Prefer", "create-if-missing")
		app, err := write(ctx, t, func(ctx context.Context) (models.Applicationable, error) {
			return t.byUniqueName().Patch(ctx, body, &applicationswithuniquename.ApplicationsWithUniqueNameRequestBuilderPatchRequestConfiguration{Headers: headers})
		})
		if err == nil && app != nil {
			t.found(app)
		}
		return err
	}
	app, err := t.application(ctx)
	if err != nil {
		return err
	}
	if err := t.fillApplication(ctx, body, to, app); err != nil {
		return err
	}
	_, err = write(ctx, t, func(ctx context.Context) (models.Applicationable, error) {
		return t.applications(text(app.GetId())).Patch(ctx, body, nil)
	})
	return err
}

// applicationSelect is what is read of an application.
var applicationSelect = []string{
	"id", "appId", "uniqueName", "displayName", "notes", "signInAudience", "tags", "web", "requiredResourceAccess", "appRoles", "optionalClaims",
	"groupMembershipClaims", "passwordCredentials", "keyCredentials",
}

// tagOf is the tag of an application with that key.
func tagOf(key string) string { return "mspkit:" + key }

// uniqueName is the alternate key of an application with that key, which Graph holds unique in the tenant.
func uniqueName(key string) string { return "mspkit-" + key }

func (t *tenant) byUniqueName() *applicationswithuniquename.ApplicationsWithUniqueNameRequestBuilder {
	name := uniqueName(t.key)
	return applicationswithuniquename.NewApplicationsWithUniqueNameRequestBuilderInternal(maps.Clone(t.base), t.adapter, &name)
}

func (t *tenant) applications(id string) *applications.ApplicationItemRequestBuilder {
	return applications.NewApplicationsRequestBuilderInternal(maps.Clone(t.base), t.adapter).ByApplicationId(id)
}

// application reads our application: by its id where that is known from this run, else by its unique name, else by its tag. A plan
// reads it once.
func (t *tenant) application(ctx context.Context) (models.Applicationable, error) {
	if t.seen == nil {
		return t.readApplication(ctx)
	}
	if !t.seen.gotApp {
		t.seen.app, t.seen.appErr = t.readApplication(ctx)
		t.seen.gotApp = true
	}
	return t.seen.app, t.seen.appErr
}

func (t *tenant) readApplication(ctx context.Context) (models.Applicationable, error) {
	app, err := read(ctx, t, func(ctx context.Context) (models.Applicationable, error) {
		if t.result.ObjectID != "" {
			return t.applications(t.result.ObjectID).Get(ctx, &applications.ApplicationItemRequestBuilderGetRequestConfiguration{
				QueryParameters: &applications.ApplicationItemRequestBuilderGetQueryParameters{Select: applicationSelect},
			})
		}
		return t.byUniqueName().Get(ctx, &applicationswithuniquename.ApplicationsWithUniqueNameRequestBuilderGetRequestConfiguration{
			QueryParameters: &applicationswithuniquename.ApplicationsWithUniqueNameRequestBuilderGetQueryParameters{Select: applicationSelect},
		})
	})
	if missing(err) && t.result.ObjectID == "" {
		tagged, err2 := t.tagged(ctx)
		if err2 != nil {
			return nil, err2
		}
		if tagged != nil {
			app, err = tagged, nil
		}
	}
	if err != nil {
		return nil, err
	}
	if app == nil || text(app.GetId()) == "" || text(app.GetAppId()) == "" {
		return nil, fmt.Errorf("application: %w", errEmpty)
	}
	t.found(app)
	return app, nil
}

// tagged looks for an application with our tag that has no unique name, because it was registered by hand. It returns nil where
// there is none.
func (t *tenant) tagged(ctx context.Context) (models.Applicationable, error) {
	filter := fmt.Sprintf("tags/any(t:t eq '%s')", tagOf(t.key))
	list, err := read(ctx, t, func(ctx context.Context) (models.ApplicationCollectionResponseable, error) {
		return applications.NewApplicationsRequestBuilderInternal(maps.Clone(t.base), t.adapter).Get(ctx, &applications.ApplicationsRequestBuilderGetRequestConfiguration{
			QueryParameters: &applications.ApplicationsRequestBuilderGetQueryParameters{Filter: &filter, Select: applicationSelect},
		})
	})
	if err != nil || list == nil {
		return nil, err
	}
	switch all := list.GetValue(); len(all) {
	case 0:
		return nil, nil //nolint:nilnil // there is none, which is no error
	case 1:
		return all[0], nil
	}
	return nil, because(ErrAmbiguous, nil, "Several applications have the tag %s: remove it from all but one.", tagOf(t.key))
}

// found notes the ids of the application.
func (t *tenant) found(app models.Applicationable) {
	if text(app.GetId()) != "" && text(app.GetAppId()) != "" {
		t.result.ObjectID, t.result.AppID = text(app.GetId()), text(app.GetAppId())
	}
}

// applicationFields returns what matters of an application.
func (t *tenant) applicationFields(ctx context.Context, app models.Applicationable) (fields, error) {
	f := fields{}
	f.set(fieldName, text(app.GetDisplayName()))
	f.set(fieldNotes, text(app.GetNotes()))
	f.set(fieldAudience, text(app.GetSignInAudience()))
	f.set(fieldTags, union(app.GetTags(), nil))
	f.set(fieldGroups, text(app.GetGroupMembershipClaims()))
	if web := app.GetWeb(); web != nil {
		f.set(fieldRedirects, union(web.GetRedirectUris(), nil))
		f.set(fieldLogout, text(web.GetLogoutUrl()))
	}
	access, err := t.accesses(ctx, app.GetRequiredResourceAccess())
	if err != nil {
		return nil, err
	}
	f.set(fieldAccess, access)
	if oc := app.GetOptionalClaims(); oc != nil {
		f.set(fieldIDClaims, claimNames(oc.GetIdToken()))
		f.set(fieldTokenClaims, claimNames(oc.GetAccessToken()))
	}
	roles := []role{}
	for _, r := range app.GetAppRoles() {
		if r == nil || r.GetId() == nil {
			continue
		}
		roles = append(roles, role{
			r.GetId().String(), text(r.GetValue()), text(r.GetDisplayName()), text(r.GetDescription()), union(r.GetAllowedMemberTypes(), nil),
			r.GetIsEnabled() != nil && *r.GetIsEnabled(),
		})
	}
	f.set(fieldRoles, sortedRoles(roles))
	return f, nil
}

func claimNames(list []models.OptionalClaimable) []string {
	var out []string
	for _, c := range list {
		if c != nil && text(c.GetName()) != "" {
			out = append(out, text(c.GetName()))
		}
	}
	return union(out, nil)
}

// fillApplication sets in body what is in to. now is the application as it is, or nil: what is not ours within a value stays.
func (t *tenant) fillApplication(ctx context.Context, body models.Applicationable, to fields, now models.Applicationable) error {
	web, claims := models.NewWebApplication(), models.NewOptionalClaims()
	if now != nil && now.GetOptionalClaims() != nil {
		old := now.GetOptionalClaims()
		claims.SetIdToken(old.GetIdToken())
		claims.SetAccessToken(old.GetAccessToken())
		claims.SetSaml2Token(old.GetSaml2Token())
	}
	setText := func(set func(*string)) func(json.RawMessage) error {
		return func(b json.RawMessage) error {
			var v string
			err := decode(b, &v)
			set(&v)
			return err
		}
	}
	setList := func(set func([]string) error) func(json.RawMessage) error {
		return func(b json.RawMessage) error {
			v := []string{}
			if err := decode(b, &v); err != nil {
				return err
			}
			return set(v)
		}
	}
	setters := map[string]func(json.RawMessage) error{
		fieldName:     setText(body.SetDisplayName),
		fieldNotes:    setText(body.SetNotes),
		fieldAudience: setText(body.SetSignInAudience),
		fieldGroups:   setText(body.SetGroupMembershipClaims),
		fieldTags:     setList(func(v []string) error { body.SetTags(v); return nil }),
		fieldLogout: setText(func(v *string) {
			web.SetLogoutUrl(v)
			body.SetWeb(web)
		}),
		fieldRedirects: setList(func(v []string) error {
			web.SetRedirectUris(v)
			body.SetWeb(web)
			return nil
		}),
		fieldAccess: setList(func(v []string) error {
			access, err := t.requiredAccess(ctx, v)
			body.SetRequiredResourceAccess(access)
			return err
		}),
		fieldIDClaims: setList(func(v []string) error {
			claims.SetIdToken(claimsNamed(v, claims.GetIdToken()))
			body.SetOptionalClaims(claims)
			return nil
		}),
		fieldTokenClaims: setList(func(v []string) error {
			claims.SetAccessToken(claimsNamed(v, claims.GetAccessToken()))
			body.SetOptionalClaims(claims)
			return nil
		}),
		fieldRoles: func(b json.RawMessage) error {
			var list []role
			if err := decode(b, &list); err != nil {
				return err
			}
			roles, err := rolesOf(list)
			body.SetAppRoles(roles)
			return err
		},
	}
	for name, v := range to {
		set := setters[name]
		if set == nil {
			return because(ErrRefused, nil, "The plan has a field that no application has: %q.", name)
		}
		if err := set(v); err != nil {
			return err
		}
	}
	return nil
}

// decode reads a value of a plan; none leaves v as it is.
func decode(b json.RawMessage, v any) error {
	if len(b) == 0 {
		return nil
	}
	if err := json.Unmarshal(b, v); err != nil {
		return because(mspkit.ErrInvalid, err, "The plan has a value that cannot be read: it was damaged or is of another version.")
	}
	return nil
}

// claimsNamed returns the claims with those names. Those that are there stay as they are.
func claimsNamed(names []string, have []models.OptionalClaimable) []models.OptionalClaimable {
	out := []models.OptionalClaimable{}
	for _, name := range names {
		if i := slices.IndexFunc(have, func(c models.OptionalClaimable) bool { return text(c.GetName()) == name }); i >= 0 {
			out = append(out, have[i])
			continue
		}
		c := models.NewOptionalClaim()
		c.SetName(&name)
		out = append(out, c)
	}
	return out
}

func rolesOf(list []role) ([]models.AppRoleable, error) {
	out := []models.AppRoleable{}
	for _, r := range list {
		id, err := uuid.Parse(r.ID)
		if err != nil {
			return nil, because(mspkit.ErrInvalid, err, "The plan has a role whose id is no UUID.")
		}
		one := models.NewAppRole()
		one.SetId(&id)
		one.SetValue(&r.Value)
		one.SetDisplayName(&r.Name)
		one.SetDescription(&r.Description)
		one.SetAllowedMemberTypes(r.For)
		one.SetIsEnabled(&r.Enabled)
		out = append(out, one)
	}
	return out, nil
}

// text returns what p points to, or "".
func text(p *string) string {
	if p == nil {
		return ""
	}
	return *p
}

// quoted returns a name for plans.
func quoted(name string) string { return fmt.Sprintf("%q", name) }
