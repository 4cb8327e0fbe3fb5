package gdap_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/entra"
	"github.com/mspkit/mspkit/entra/gdap"
	"github.com/mspkit/mspkit/internal/graphfake"
)

// BenchmarkToken is a token that is kept, and one that is redeemed over loopback with its refresh token stored.
func BenchmarkToken(b *testing.B) {
	s, err := graphfake.Start(nil)
	require.NoError(b, err)
	defer func() { _ = s.Close() }()
	home := s.AddTenant("", "MSP", "")
	customer := s.AddTenant("", "Customer", "")
	home.Relate(graphfake.Relationship{Customer: customer.ID})
	customer.Consent(clientID, "User.Read.All")
	ring, err := mspkit.NewKeyRing(mspkit.NewKey("k"))
	require.NoError(b, err)
	p, err := gdap.NewPartner(entra.NewMemory(), ring, &gdap.Options{
		Cloud: entra.Cloud{Login: s.URL(), Graph: s.URL()}, PartnerTenant: home.ID, ClientID: clientID, Secret: mspkit.Redact(secret),
	})
	require.NoError(b, err)
	require.NoError(b, p.SignIn(b.Context(), mspkit.Redact(s.RefreshToken(home.ID, user)), "anna"))
	creds, err := p.Credentials(always(customer.ID))
	require.NoError(b, err)
	cred, err := creds.TenantCredential(context.Background(), "contoso")
	require.NoError(b, err)
	for name, forget := range map[string]bool{"kept": false, "redeemed": true} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if forget {
					p.Forget(customer.ID)
				}
				if _, err := cred.GetToken(b.Context(), graphScope); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
