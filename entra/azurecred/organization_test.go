package azurecred_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/entra"
	"github.com/mspkit/mspkit/entra/entratest"
)

func TestATenantSaysWhatItIsCalled(t *testing.T) {
	t.Parallel()
	w := newWorld(t, entratest.App{Secret: secret})
	app := w.newApp(t)
	c, err := w.store.Connection(t.Context(), "contoso", "contacts")
	require.NoError(t, err)
	org, err := app.Organization(t.Context(), c)
	require.NoError(t, err)
	require.Equal(t, entra.Organization{Name: "Contoso Ltd", Domain: "contoso.onmicrosoft.com"}, org)

	c.EntraID = w.fabrikam.ID // the one that was named, not the one that the lookup knows
	org, err = app.Organization(t.Context(), c)
	require.NoError(t, err)
	require.Equal(t, "Fabrikam", org.Name)

	stranger := w.AddTenant("Stranger", "stranger.example")
	c.EntraID = stranger.ID
	_, err = app.Organization(t.Context(), c)
	require.ErrorIs(t, err, entra.ErrConsent)
	c.EntraID = "organizations"
	_, err = app.Organization(t.Context(), c)
	require.ErrorIs(t, err, mspkit.ErrInvalid)
}

func TestAnAnswerAboutAnotherTenantIsNotBelieved(t *testing.T) {
	t.Parallel()
	s, err := entratest.Start(&entratest.Options{Graph: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(`{"value":[{"id":"5f0c9a7e-1b2c-4d3e-8f90-a1b2c3d4e5f6","displayName":"Another"}]}`))
	})})
	require.NoError(t, err)
	t.Cleanup(s.Close)
	w := &world{Server: s, store: entra.NewMemory(), app: s.AddApp(entratest.App{Secret: secret})}
	w.options.Cloud, w.options.HTTPClient, w.options.ClientID, w.options.Secret = s.Cloud(), s.Client(), w.app.ID, mspkit.Redact(secret)
	contoso := s.AddTenant("Contoso", "contoso.example")
	contoso.Consent(w.app.ID)
	_, err = w.newApp(t).Organization(t.Context(), entra.Connection{Tenant: "contoso", EntraID: contoso.ID})
	require.ErrorIs(t, err, entra.ErrNotConnected)
}
