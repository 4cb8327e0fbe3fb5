package contracts

import (
	"bytes"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/entra"
	"github.com/mspkit/mspkit/entra/gdap"
	"github.com/mspkit/mspkit/internal/graphfake"
)

// drivePartner signs in for the partner, lists its customers, consents for one and connects it.
func drivePartner(t *testing.T, w *world) {
	t.Helper()
	const group = "6d1e8c3c-0000-4000-8000-000000000001"
	user := w.partner.Put(graphfake.User{DisplayName: "Service", Mail: "service@northwind.example"})
	var roles []string
	for _, r := range gdap.RequiredRoles() {
		roles = append(roles, r.ID)
	}
	w.partner.Relate(graphfake.Relationship{Customer: w.contoso.ID, CustomerName: "Contoso", DisplayName: "Contoso 1", Roles: roles, Group: group})
	w.partner.AddContract(graphfake.Contract{Customer: w.contoso.ID, Name: "Contoso", Domain: "contoso.example"})
	ring, err := mspkit.NewKeyRing(mspkit.Key{ID: "k1", Secret: mspkit.Redact(bytes.Repeat([]byte{7}, 32))})
	require.NoError(t, err)
	store := entra.NewMemory()
	p, err := gdap.NewPartner(store, ring, &gdap.Options{
		Cloud: w.cloud, PartnerTenant: w.partner.ID, ClientID: "6d1e8c3c-0000-4000-8000-000000000002", Secret: mspkit.Redact("secret"),
		Owner: "msp", Connections: store, HTTPClient: w.rec.client(),
	})
	require.NoError(t, err)
	require.NoError(t, p.SignIn(t.Context(), mspkit.Redact(w.RefreshToken(w.partner.ID, user)), "anna"))
	_, verifier, err := p.SignInURL("https://help.example/signed-in", "a state of sixteen or more")
	require.NoError(t, err)
	_ = p.FinishSignIn(t.Context(), mspkit.Redact("code"), verifier, "https://help.example/signed-in", "anna") // the fake knows no codes

	customers, err := p.Customers(t.Context())
	require.NoError(t, err)
	require.Len(t, customers, 1)
	require.Equal(t, "contoso.example", customers[0].Domain)
	require.Empty(t, customers[0].Missing)
	require.Empty(t, customers[0].Unassigned)
	grant := gdap.Grant{Scopes: []string{"User.Read.All", "Mail.Send"}}
	require.NoError(t, p.Consent(t.Context(), w.contoso.ID, grant))
	require.NoError(t, p.Replace(t.Context(), w.contoso.ID, grant, gdap.Grant{Resource: "00000002-0000-0ff1-ce00-000000000000", Scopes: []string{"EWS.AccessAsUser.All"}}))
	_, err = p.Connect(t.Context(), customers[0], "contoso", "contacts")
	require.NoError(t, err)
	_, err = p.Refresh(t.Context())
	require.NoError(t, err)
	creds, err := p.Credentials(gdap.Connected(store, "msp", "contacts", nil))
	require.NoError(t, err)
	cred, err := creds.TenantCredential(t.Context(), "contoso")
	require.NoError(t, err)
	_, err = cred.GetToken(t.Context(), policy.TokenRequestOptions{Scopes: []string{w.cloud.Scope()}})
	require.NoError(t, err)
	require.NoError(t, p.Unconsent(t.Context(), w.contoso.ID))
}
