package contracts

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/entra"
	"github.com/mspkit/mspkit/entra/azurecred"
	"github.com/mspkit/mspkit/entra/entratest"
)

// graphOnly records what goes to Graph. What the Azure SDK asks of Entra is that SDK's, and goes there by https.
type graphOnly struct {
	w      *world
	entra  http.RoundTripper
	tenant string
}

// RoundTrip implements [http.RoundTripper].
func (g graphOnly) RoundTrip(r *http.Request) (*http.Response, error) {
	if !strings.HasPrefix(r.URL.String(), g.w.cloud.Graph+"/") {
		return g.entra.RoundTrip(r)
	}
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+g.w.Bearer(g.tenant)) // Entra's token is of another server than this Graph
	return g.w.rec.RoundTrip(r)
}

// driveCredentials asks a tenant that was just connected what it is called.
func driveCredentials(t *testing.T, w *world) {
	t.Helper()
	login, err := entratest.Start(&entratest.Options{GraphURL: w.cloud.Graph})
	require.NoError(t, err)
	t.Cleanup(login.Close)
	const secret = "the client secret of the test"
	app, tenant := login.AddApp(entratest.App{Secret: secret}), login.AddTenant("Fabrikam", "fabrikam.onmicrosoft.com")
	tenant.Consent(app.ID)
	w.AddTenant(tenant.ID, "Fabrikam", "fabrikam.example")
	store := entra.NewMemory()
	client := login.Client()
	client.Transport = graphOnly{w, client.Transport, tenant.ID}
	creds, err := azurecred.NewApp(azurecred.Connected(store, "contacts", nil), &azurecred.Options{
		Cloud: login.Cloud(), HTTPClient: client, ClientID: app.ID, Secret: mspkit.Redact(secret),
	})
	require.NoError(t, err)
	org, err := creds.Organization(t.Context(), entra.Connection{Tenant: "fabrikam", EntraID: tenant.ID})
	require.NoError(t, err)
	require.Equal(t, entra.Organization{Name: "Fabrikam", Domain: "fabrikam.example"}, org)
}
