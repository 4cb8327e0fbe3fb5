package graphcontacts_test

import (
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/contacts"
	"github.com/mspkit/mspkit/contacts/graphcontacts"
	"github.com/mspkit/mspkit/entra/azurecred"
	"github.com/mspkit/mspkit/internal/graphfake"
)

// BenchmarkPage reads a page of 999 users, over HTTP from a server in this process.
func BenchmarkPage(b *testing.B) {
	fake := graphfake.New(nil)
	srv := httptest.NewServer(fake)
	defer srv.Close()
	tenant := fake.AddTenant("", "Contoso", "contoso.example")
	tenant.Seed(999, 1)
	s, err := graphcontacts.New(creds{fake.Bearer, map[mspkit.TenantID]string{"contoso": tenant.ID}},
		&graphcontacts.Options{Cloud: azurecred.Cloud{Login: srv.URL, Graph: srv.URL}, Region: "US"})
	require.NoError(b, err)
	b.ReportAllocs()
	for b.Loop() {
		p, err := s.FetchContacts(b.Context(), contacts.Query{Tenant: "contoso"})
		require.NoError(b, err)
		require.Greater(b, len(p.Contacts), 900)
	}
}
