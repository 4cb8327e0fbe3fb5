package azurecred_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"sync"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/entra"
	"github.com/mspkit/mspkit/entra/azurecred"
	"github.com/mspkit/mspkit/entra/entratest"
)

const secret = "the client secret of the test"

// world is an issuer with an application and two connected customers.
type world struct {
	*entratest.Server
	app               *entratest.App
	contoso, fabrikam *entratest.Tenant
	store             *entra.Memory
	options           azurecred.Options
}

func newWorld(t *testing.T, app entratest.App) *world {
	t.Helper()
	s, err := entratest.Start(nil)
	require.NoError(t, err)
	t.Cleanup(s.Close)
	w := &world{Server: s, store: entra.NewMemory(), app: s.AddApp(app)}
	w.contoso, w.fabrikam = s.AddTenant("Contoso Ltd", "contoso.onmicrosoft.com"), s.AddTenant("Fabrikam", "fabrikam.onmicrosoft.com")
	for name, tenant := range map[mspkit.TenantID]*entratest.Tenant{"contoso": w.contoso, "fabrikam": w.fabrikam} {
		tenant.Consent(w.app.ID)
		w.connect(t, name, tenant)
	}
	w.options = azurecred.Options{Cloud: s.Cloud(), HTTPClient: s.Client(), ClientID: w.app.ID}
	if app.Secret != "" {
		w.options.Secret = mspkit.Redact(app.Secret)
	}
	return w
}

func (w *world) connect(t *testing.T, name mspkit.TenantID, tenant *entratest.Tenant) {
	t.Helper()
	require.NoError(t, w.store.Connect(t.Context(), entra.Connection{
		Tenant: name, Owner: "msp", Integration: "contacts", EntraID: tenant.ID, Via: entra.ViaConsent,
	}))
}

func (w *world) newApp(t *testing.T) *azurecred.App {
	t.Helper()
	app, err := azurecred.NewApp(azurecred.Connected(w.store, "contacts", w.options.Now), &w.options)
	require.NoError(t, err)
	return app
}

func (w *world) cred(t *testing.T, app azurecred.TenantCredentials, tenant mspkit.TenantID) azcore.TokenCredential {
	t.Helper()
	cred, err := app.TenantCredential(t.Context(), tenant)
	require.NoError(t, err)
	return cred
}

func (w *world) scope() policy.TokenRequestOptions {
	return policy.TokenRequestOptions{Scopes: []string{w.Cloud().Scope()}}
}

// tenantOf asks for a token and returns whose it is.
func (w *world) tenantOf(t *testing.T, cred azcore.TokenCredential) string {
	t.Helper()
	token, err := cred.GetToken(t.Context(), w.scope())
	require.NoError(t, err)
	id, ok := w.AccessTokenTenant(token.Token)
	require.True(t, ok)
	return id
}

var testKey = sync.OnceValue(func() *rsa.PrivateKey {
	key, _ := rsa.GenerateKey(rand.Reader, 2048)
	return key
})

// certificate returns a certificate and its key as PEM.
func certificate(t *testing.T) []byte {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(7), Subject: pkix.Name{CommonName: "test"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &testKey().PublicKey, testKey())
	require.NoError(t, err)
	key, err := x509.MarshalPKCS8PrivateKey(testKey())
	require.NoError(t, err)
	return append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})...)
}
