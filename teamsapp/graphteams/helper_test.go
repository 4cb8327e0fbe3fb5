package graphteams_test

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/entra/azurecred"
	"github.com/mspkit/mspkit/internal/graphfake"
	"github.com/mspkit/mspkit/teamsapp"
	"github.com/mspkit/mspkit/teamsapp/graphteams"
)

const (
	contoso    = mspkit.TenantID("contoso")
	manifestID = "8239c8f3-ed78-4512-933e-babfd28856f1"
	botID      = "07338883-af76-47b3-86e4-2603c50be638"
)

// creds give a bearer for the tenants that are connected.
type creds map[mspkit.TenantID]func() string

func (c creds) TenantCredential(_ context.Context, tenant mspkit.TenantID) (azcore.TokenCredential, error) {
	bearer, ok := c[tenant]
	if !ok {
		return nil, fmt.Errorf("tenant %s: %w", tenant, azurecred.ErrNotConnected)
	}
	return token{bearer}, nil
}

type token struct{ bearer func() string }

func (t token) GetToken(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
	return azcore.AccessToken{Token: t.bearer(), ExpiresOn: time.Now().Add(time.Hour)}, nil
}

// inside calls a handler without a network, so that it can be in a bubble of package synctest.
type inside struct{ h http.Handler }

func (i inside) RoundTrip(r *http.Request) (res *http.Response, err error) {
	defer func() {
		if v := recover(); v != nil {
			if v != http.ErrAbortHandler { //nolint:errorlint // a value of a panic
				panic(v)
			}
			res, err = nil, io.ErrUnexpectedEOF
		}
	}()
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	r = r.Clone(r.Context())
	if r.Body == nil {
		r.Body = http.NoBody
	}
	w := httptest.NewRecorder()
	i.h.ServeHTTP(w, r)
	return w.Result(), nil
}

// world is a Graph with a customer, whose administrator signs in unless who is changed.
type world struct {
	*graphfake.Server

	tenant              *graphfake.Tenant
	admin, user, person string // object ids; person is a third one
	who                 string // whose token is used; empty is an application
}

const graphURL = "https://graph.example"

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{}
	w.Server = graphfake.New(&graphfake.Options{Record: true})
	w.tenant = w.AddTenant("", "Contoso", "contoso.example")
	w.admin = w.tenant.Put(graphfake.User{DisplayName: "Ines", Mail: "ines@contoso.example", Admin: true, Roles: []string{"Teams Administrator"}})
	w.user = w.tenant.Put(graphfake.User{DisplayName: "Dana Whitfield", Mail: "dana@contoso.example"})
	w.person = w.tenant.Put(graphfake.User{DisplayName: "Ravi", Mail: "ravi@contoso.example"})
	w.who = w.admin
	return w
}

func (w *world) bearer() string {
	if w.who == "" {
		return w.Bearer(w.tenant.ID)
	}
	return w.UserBearer(w.tenant.ID, w.who)
}

// client returns one that asks as whom w says at its first call.
func (w *world) client(t *testing.T) *graphteams.Client {
	t.Helper()
	return w.clientOf(t, creds{contoso: w.bearer}, azurecred.Cloud{Name: "fake", Login: graphURL, Graph: graphURL})
}

func (w *world) clientOf(t *testing.T, c azurecred.TenantCredentials, cloud azurecred.Cloud) *graphteams.Client {
	t.Helper()
	client, err := graphteams.New(c, &graphteams.Options{
		Cloud: cloud, HTTPClient: &http.Client{Transport: inside{w}}, Retry: policy.RetryOptions{MaxRetries: 1, RetryDelay: time.Millisecond},
	})
	require.NoError(t, err)
	return client
}

// sent returns the methods and paths of what was sent since the last call.
func (w *world) sent() []string {
	var out []string
	for _, r := range w.Requests() {
		s := r.Method + " " + r.Path
		if r.Query != "" && r.Method != http.MethodGet {
			s += "?" + r.Query
		}
		out = append(out, s)
	}
	w.Forget()
	return out
}

// manifest is one that Microsoft takes; change is laid over its root.
func manifest(version string, change map[string]any) map[string]any {
	m := map[string]any{
		"$schema":         "https://developer.microsoft.com/en-us/json-schemas/teams/v1.19/MicrosoftTeams.schema.json",
		"manifestVersion": "1.19", "version": version, "id": manifestID,
		"developer": map[string]any{
			"name": "Northwind IT", "websiteUrl": "https://northwind.example", "privacyUrl": "https://northwind.example/p", "termsOfUseUrl": "https://northwind.example/t",
		},
		"name": map[string]any{"short": "Northwind Helpdesk"}, "description": map[string]any{"short": "Helpdesk.", "full": "The helpdesk of Northwind IT."},
		"icons": map[string]any{"color": "color.png", "outline": "outline.png"}, "accentColor": "#0A64A4",
		"bots": []any{map[string]any{"botId": botID, "scopes": []any{"personal"}}}, "webApplicationInfo": map[string]any{"id": botID, "resource": "api://" + botID},
	}
	maps.Copy(m, change)
	return m
}

// pack returns a package of a manifest.
func pack(t testing.TB, m map[string]any) *teamsapp.Package {
	t.Helper()
	b, err := json.Marshal(m)
	require.NoError(t, err)
	var buf bytes.Buffer
	z := zip.NewWriter(&buf)
	for name, content := range map[string][]byte{"manifest.json": b, "color.png": []byte("png"), "outline.png": []byte("png")} {
		f, err := z.Create(name)
		require.NoError(t, err)
		_, err = f.Write(content)
		require.NoError(t, err)
	}
	require.NoError(t, z.Close())
	id, _ := m["id"].(string)
	version, _ := m["version"].(string)
	return &teamsapp.Package{ID: id, Published: teamsapp.Published{Version: version}, Zip: buf.Bytes(), Manifest: b}
}

func pkg(t testing.TB, version string) *teamsapp.Package {
	t.Helper()
	return pack(t, manifest(version, nil))
}

// asError returns err as the error of the package, and holds its text to be safe.
func asError(t *testing.T, err error) *graphteams.Error {
	t.Helper()
	e, ok := errors.AsType[*graphteams.Error](err)
	require.True(t, ok, "%v", err)
	for _, secret := range []string{"Northwind", "contoso.example", "Dana", "fake.at.", "northwind.example"} {
		require.NotContains(t, err.Error(), secret)
		require.NotContains(t, graphteams.Explain(err), secret)
	}
	require.NotEmpty(t, e.Advice)
	return e
}

func decode(t *testing.T, res *http.Response, v any) {
	t.Helper()
	require.NoError(t, json.NewDecoder(res.Body).Decode(v))
}
