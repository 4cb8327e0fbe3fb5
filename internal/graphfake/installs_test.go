package graphfake_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit/internal/graphfake"
	"github.com/mspkit/mspkit/internal/webtest"
)

const (
	installApp = "8239c8f3-ed78-4512-933e-babfd28856f1"
	installBot = "07338883-af76-47b3-86e4-2603c50be638"
)

// teamsWire is a fake with two people and an app.
type teamsWire struct {
	s         *graphfake.Server
	tenant    *graphfake.Tenant
	url       string
	app       string
	dana, kim string
	told      []string
}

func newTeamsWire(t *testing.T) *teamsWire {
	t.Helper()
	w := &teamsWire{}
	w.s = graphfake.New(&graphfake.Options{OnInstall: func(tenant, user, app string, installed bool) {
		require.Equal(t, w.tenant.ID, tenant)
		require.Equal(t, installApp, app)
		w.told = append(w.told, map[bool]string{true: "+", false: "-"}[installed]+user)
	}})
	srv := httptest.NewServer(w.s)
	t.Cleanup(srv.Close)
	w.url = srv.URL
	w.tenant = w.s.AddTenant("", "Contoso", "contoso.example")
	w.dana = w.tenant.Put(graphfake.User{DisplayName: "Dana", Mail: "dana@contoso.example", Licences: []string{"SPE_E3"}})
	w.kim = w.tenant.Put(graphfake.User{DisplayName: "Kim", Mail: "kim@contoso.example", Licences: []string{"SPE_E3"}, NoTeams: true})
	w.app = w.tenant.PutTeamsApp(installApp, "Helpdesk", graphfake.TeamsAppDefinition{GraphID: installBot})
	return w
}

func (w *teamsWire) bind(app string) string {
	return `{"teamsApp@odata.bind":"` + w.url + `/v1.0/appCatalogs/teamsApps/` + app + `"}`
}

// call returns status, codes and body.
func (w *teamsWire) call(t *testing.T, method, path, body string, header ...string) (status int, code, inner string, out map[string]any) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, w.url+"/v1.0"+path, bytes.NewReader([]byte(body)))
	require.NoError(t, err)
	r.Header.Set("Authorization", "Bearer "+w.s.Bearer(w.tenant.ID))
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	res, err := webtest.Client(t).Do(r)
	require.NoError(t, err)
	defer func() { _ = res.Body.Close() }()
	raw, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	_ = json.Unmarshal(raw, &out)
	if e, ok := out["error"].(map[string]any); ok {
		code, _ = e["code"].(string)
		if in, ok := e["innerError"].(map[string]any); ok {
			inner, _ = in["code"].(string)
		}
	}
	return res.StatusCode, code, inner, out
}

func TestInstalledApps(t *testing.T) {
	t.Parallel()
	w := newTeamsWire(t)
	of := "/users/" + w.dana + "/teamwork/installedApps"
	look := of + "?" + url.Values{"$expand": {"teamsApp,teamsAppDefinition"}, "$filter": {"teamsApp/externalId eq '" + installApp + "'"}}.Encode()
	items := func() []any {
		status, _, _, out := w.call(t, "GET", look, "")
		require.Equal(t, 200, status)
		list, _ := out["value"].([]any)
		return list
	}
	require.Empty(t, items())
	status, _, _, out := w.call(t, "POST", of, w.bind(w.app))
	require.Equal(t, 201, status)
	require.Empty(t, out)
	status, code, _, _ := w.call(t, "POST", of, w.bind(w.app))
	require.Equal(t, 409, status)
	require.Equal(t, "Conflict", code)
	list := items()
	require.Len(t, list, 1)
	one, _ := list[0].(map[string]any)
	require.Equal(t, installApp, one["teamsApp"].(map[string]any)["externalId"])
	require.Equal(t, "1.0.0", one["teamsAppDefinition"].(map[string]any)["version"])
	id, _ := one["id"].(string)
	at := of + "/" + url.PathEscape(id)
	w.tenant.PutTeamsApp(installApp, "Helpdesk", graphfake.TeamsAppDefinition{Version: "1.1.0", GraphID: installBot})
	status, _, _, _ = w.call(t, "POST", at+"/upgrade", "")
	require.Equal(t, 204, status)
	require.Equal(t, "1.1.0", w.tenant.TeamsInstalls(w.dana)[0].Version)
	status, _, _, out = w.call(t, "GET", at+"/chat", "")
	require.Equal(t, 200, status)
	require.Equal(t, "oneOnOne", out["chatType"])
	status, _, _, out = w.call(t, "GET", at+"?$expand=teamsApp", "")
	require.Equal(t, 200, status)
	require.Equal(t, id, out["id"])

	w.tenant.SetInstaller("00000000-1111-4222-8333-444444444444") // another application sees nothing
	require.Empty(t, items())
	status, _, _, _ = w.call(t, "DELETE", at, "")
	require.Equal(t, 404, status)
	w.tenant.SetInstaller(installBot)
	require.Len(t, items(), 1)
	status, _, _, _ = w.call(t, "DELETE", at, "")
	require.Equal(t, 204, status)
	for _, path := range []string{at, at + "/chat"} {
		status, _, _, _ = w.call(t, "GET", path, "")
		require.Equal(t, 404, status)
	}
	require.Equal(t, []string{"+" + w.dana, "-" + w.dana}, w.told)
}

func TestInstalledAppsRefuse(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		change      func(w *teamsWire)
		user        string
		body        string
		status      int
		code, inner string
	}{
		"a policy":         {change: func(w *teamsWire) { w.tenant.SetTeams(w.dana, graphfake.TeamsBlocked) }, status: 403, code: "Forbidden", inner: "AccessDenied"},
		"no licence":       {user: "kim@contoso.example", status: 403, code: "Forbidden"},
		"never used":       {change: func(w *teamsWire) { w.tenant.SetTeams(w.dana, graphfake.TeamsUnused) }, status: 404, code: "NotFound"},
		"for no reason":    {change: func(w *teamsWire) { w.tenant.SetTeams(w.dana, graphfake.TeamsRefused) }, status: 403, code: "Forbidden"},
		"nobody":           {user: "nobody@contoso.example", status: 404, code: "NotFound"},
		"another's app":    {change: func(w *teamsWire) { w.tenant.SetInstaller(installApp) }, status: 403, code: "Forbidden"},
		"an app in review": {change: func(w *teamsWire) { w.tenant.Unpublish(w.app) }, status: 404, code: "NotFound"},
		"no scope": {change: func(w *teamsWire) {
			w.tenant.PutTeamsApp(installApp, "x", graphfake.TeamsAppDefinition{Scopes: []string{"team"}})
		}, status: 400, code: "BadRequest"},
		"a link to another host": {body: `{"teamsApp@odata.bind":"https://graph.example/v1.0/appCatalogs/teamsApps/x"}`, status: 400, code: "BadRequest"},
		"another property":       {body: `{"teamsApp":{"id":"x"}}`, status: 400, code: "RequestBodyRead"},
		"no object":              {body: `[]`, status: 400, code: "BadRequest"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newTeamsWire(t)
			if tc.change != nil {
				tc.change(w)
			}
			user, body := tc.user, tc.body
			if user == "" {
				user = w.dana
			}
			if body == "" {
				body = w.bind(w.app)
			}
			status, code, inner, _ := w.call(t, "POST", "/users/"+user+"/teamwork/installedApps", body)
			require.Equal(t, tc.status, status)
			require.Equal(t, tc.code, code)
			require.Equal(t, tc.inner, inner)
			require.Empty(t, w.told)
			require.Empty(t, w.tenant.TeamsInstalls(w.dana))
		})
	}
	w := newTeamsWire(t)
	for _, query := range []string{
		"$filter=teamsApp/externalId eq 'x'", "$expand=teamsApp&$filter=teamsApp/name eq 'x'", "$expand=teamsApp&$filter=teamsApp/id ne 'x'",
		"$expand=chat", "$orderby=id", "$expand=teamsApp&$filter=teamsApp/id eq x",
	} {
		q, err := url.ParseQuery(query)
		require.NoError(t, err)
		status, _, _, _ := w.call(t, "GET", "/users/"+w.dana+"/teamwork/installedApps?"+q.Encode(), "")
		require.Equal(t, 400, status, query)
	}
}

func TestMembersOfGroups(t *testing.T) {
	t.Parallel()
	w := newTeamsWire(t)
	inner := w.tenant.AddGroup("Inner", w.kim)
	outer := w.tenant.AddGroup("Outer", w.dana, inner, w.kim)
	w.tenant.SetMembers(inner, w.kim, outer)
	const cast = "/transitiveMembers/microsoft.graph.user"
	q := "?" + url.Values{"$select": {"id,assignedPlans"}, "$count": {"true"}, "$top": {"1"}}.Encode()
	eventual := []string{"ConsistencyLevel", "eventual"}
	status, _, _, out := w.call(t, "GET", "/groups/"+outer+cast+q, "", eventual...)
	require.Equal(t, 200, status)
	require.InDelta(t, 2, out["@odata.count"], 0)
	list, _ := out["value"].([]any)
	require.Len(t, list, 1)
	next, err := url.Parse(out["@odata.nextLink"].(string))
	require.NoError(t, err)
	status, _, _, out = w.call(t, "GET", "/groups/"+outer+cast+"?"+next.RawQuery, "", eventual...)
	require.Equal(t, 200, status)
	require.Len(t, out["value"], 1)
	require.NotContains(t, out, "@odata.nextLink")
	status, _, _, _ = w.call(t, "GET", "/groups/"+inner+cast+"?"+next.RawQuery, "", eventual...)
	require.Equal(t, 400, status, "a link of another group")
	status, code, _, _ := w.call(t, "GET", "/groups/"+outer+cast+q, "")
	require.Equal(t, 400, status)
	require.Equal(t, "Request_UnsupportedQuery", code)
	status, _, _, _ = w.call(t, "GET", "/groups/"+outer+cast+"/$count", "")
	require.Equal(t, 400, status)
	status, _, _, _ = w.call(t, "GET", "/groups/"+outer+cast+"/$count", "", eventual...)
	require.Equal(t, 200, status)
	for _, path := range []string{cast + q, cast + "/$count"} {
		status, _, _, _ = w.call(t, "GET", "/groups/"+installApp+path, "", eventual...)
		require.Equal(t, 404, status)
	}
}
