package azurecred_test

import (
	"context"
	"crypto"
	"os"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/entra/azurecred"
	"github.com/mspkit/mspkit/entra/entratest"
)

// testdata/app.p12 is a certificate made up for this test, with its key; the password is "test".
func TestACertificateMayBePKCS12(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile("testdata/app.p12")
	require.NoError(t, err)
	certs, _, err := azidentity.ParseCertificates(data, []byte("test"))
	require.NoError(t, err)
	w := newWorld(t, entratest.App{Certificates: []crypto.PublicKey{certs[0].PublicKey}})
	w.options.Certificate = &azurecred.Certificate{Data: mspkit.Redact(data), Password: mspkit.Redact("test")}
	require.Equal(t, w.contoso.ID, w.tenantOf(t, w.cred(t, w.newApp(t), "contoso")))

	w.options.Certificate = &azurecred.Certificate{Data: mspkit.Redact(data), Password: mspkit.Redact("wrong")}
	_, err = azurecred.NewApp(func(context.Context, mspkit.TenantID) (string, error) { return "", nil }, &w.options)
	require.ErrorIs(t, err, mspkit.ErrInvalid)
	require.NotContains(t, err.Error(), "wrong")
}
