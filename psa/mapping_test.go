package psa_test

import (
	"fmt"
	"strconv"
	"testing"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/psa"
	"github.com/stretchr/testify/require"
)

func TestSuggestSaysWhichCompanyMayBeWhichTenant(t *testing.T) {
	t.Parallel()
	tenants := []psa.KnownTenant{
		{ID: "contoso", Name: "Contoso Ltd.", Domains: []string{"https://www.contoso.example/", "gmail.com"}},
		{ID: "contoso", Name: "Contoso Ltd.", Domains: []string{"contoso.example"}}, // listed twice by the host
		{ID: "fabrikam", Name: "Fabrikam Robotics", Domains: []string{"fabrikam.example", "group.example", "outlook.de"}},
		{ID: "north", Name: "Northwind", Domains: []string{"group.example"}},
		{ID: "south", Name: "Northwind GmbH"},
	}
	for name, c := range map[string]struct {
		company psa.Company
		tenant  mspkit.TenantID
		score   int
		reason  string
	}{
		"domain and name":              {psa.Company{Name: "Contoso, Inc.", Domains: []string{"CONTOSO.example"}}, "contoso", 100, "the domain contoso.example and the same name"},
		"a domain alone":               {psa.Company{Name: "Something", Domains: []string{"ana@contoso.example"}}, "contoso", 60, "the domain contoso.example"},
		"a name alone":                 {psa.Company{Name: "The Contoso Company"}, "contoso", 40, "the same name"},
		"a similar name":               {psa.Company{Name: "Fabrikam"}, "fabrikam", 20, "a similar name"},
		"a name that is hardly alike":  {psa.Company{Name: "Fabrikam Bikes and Tools"}, "", 0, ""},
		"a domain of everybody":        {psa.Company{Name: "Something", Domains: []string{"gmail.com", "yahoo.co.uk", "outlook.de"}}, "", 0, ""},
		"a domain of two tenants":      {psa.Company{Name: "Something", Domains: []string{"group.example"}}, "", 0, ""},
		"two of one name":              {psa.Company{Name: "Northwind"}, "", 0, "several tenants fit alike"},
		"a domain wins over two names": {psa.Company{Name: "Northwind", Domains: []string{"x", "fabrikam.example"}}, "fabrikam", 60, "the domain fabrikam.example"},
		"nothing":                      {psa.Company{Name: "GmbH & Co. KG"}, "", 0, ""},
		"what is no domain":            {psa.Company{Name: "?", Domains: []string{"", "localhost", "a b.example", "http://"}}, "", 0, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c.company.ID = "1"
			got := psa.Suggest([]psa.Company{c.company}, tenants, nil)
			require.Equal(t, []psa.Suggestion{{Company: c.company, Tenant: c.tenant, Score: c.score, Reason: c.reason}}, got)
		})
	}
}

func TestSuggestListsTheBestFirstAndNothingThatIsMapped(t *testing.T) {
	t.Parallel()
	tenants := []psa.KnownTenant{{ID: "a", Name: "Alpha", Domains: []string{"alpha.example"}}, {ID: "b", Name: "Beta"}}
	companies := []psa.Company{{ID: "1", Name: "Zeta"}, {ID: "2", Name: "Beta"}, {ID: "3", Name: "Alpha", Domains: []string{"alpha.example"}}, {ID: "4", Name: "Eta"}, {ID: "5", Name: "Alpha Beta"}}
	got := psa.Suggest(companies, tenants, []psa.Mapping{{System: "x", CompanyID: "5", Tenant: "a", By: "jane"}})
	var order []string
	for _, s := range got {
		order = append(order, s.Company.ID+" "+string(s.Tenant))
	}
	require.Equal(t, []string{"3 a", "2 b", "4 ", "1 "}, order)
	require.Empty(t, psa.Suggest(nil, tenants, nil))
}

func TestAMappingIsComplete(t *testing.T) {
	t.Parallel()
	good := psa.Mapping{System: "halopsa", CompanyID: "12", Tenant: "contoso", By: "jane"}
	require.NoError(t, good.Validate())
	for name, change := range map[string]func(*psa.Mapping){
		"tenant": func(m *psa.Mapping) { m.Tenant = "" }, "system": func(m *psa.Mapping) { m.System = "" },
		"company": func(m *psa.Mapping) { m.CompanyID = "" }, "by": func(m *psa.Mapping) { m.By = "" },
		"a bad id": func(m *psa.Mapping) { m.CompanyID = "1\n2" },
	} {
		m := good
		change(&m)
		require.ErrorIs(t, m.Validate(), mspkit.ErrInvalid, name)
		require.ErrorIs(t, psa.NewMemory().SaveMapping(t.Context(), m), mspkit.ErrInvalid, name)
	}
	err := psa.Mapping{}.Validate()
	require.ErrorContains(t, err, "tenant")
	require.ErrorContains(t, err, "company id")
	require.ErrorContains(t, err, "confirmed")
}

func TestMemoryKeepsMappingsAndDefaults(t *testing.T) {
	t.Parallel()
	s, ctx := psa.NewMemory(), t.Context()
	for _, id := range []string{"12", "11"} {
		require.NoError(t, s.SaveMapping(ctx, psa.Mapping{System: "halopsa", CompanyID: id, Tenant: "contoso", By: "jane"}))
	}
	require.NoError(t, s.SaveMapping(ctx, psa.Mapping{System: "connectwise", CompanyID: "12", Tenant: "fabrikam", By: "jane"}))
	err := s.SaveMapping(ctx, psa.Mapping{System: "halopsa", CompanyID: "12", Tenant: "fabrikam", By: "joe"})
	require.ErrorIs(t, err, psa.ErrConflict)
	require.ErrorContains(t, err, "unmap it there first")
	require.NoError(t, s.SaveMapping(ctx, psa.Mapping{System: "halopsa", CompanyID: "12", CompanyName: "new", Tenant: "contoso", By: "joe"}))
	got, err := s.Mappings(ctx, "halopsa")
	require.NoError(t, err)
	require.Equal(t, []psa.Mapping{
		{System: "halopsa", CompanyID: "11", Tenant: "contoso", By: "jane"},
		{System: "halopsa", CompanyID: "12", CompanyName: "new", Tenant: "contoso", By: "joe"},
	}, got)
	require.NoError(t, s.DeleteMapping(ctx, "halopsa", "12"))
	require.NoError(t, s.DeleteMapping(ctx, "halopsa", "12"))
	require.NoError(t, s.SaveMapping(ctx, psa.Mapping{System: "halopsa", CompanyID: "12", Tenant: "fabrikam", By: "joe"}))

	d := psa.Defaults{Queue: named("Service Desk")}
	require.NoError(t, s.SaveDefaults(ctx, "contoso", "halopsa", d))
	for _, c := range []struct {
		tenant mspkit.TenantID
		system string
		want   psa.Defaults
	}{{"contoso", "halopsa", d}, {"contoso", "connectwise", psa.Defaults{}}, {"fabrikam", "halopsa", psa.Defaults{}}} {
		got, err := s.Defaults(ctx, c.tenant, c.system)
		require.NoError(t, err)
		require.Equal(t, c.want, got, fmt.Sprint(c.tenant, c.system))
	}
	require.ErrorIs(t, s.SaveDefaults(ctx, "", "halopsa", d), mspkit.ErrInvalid)
	require.ErrorIs(t, s.SaveDefaults(ctx, "contoso", "", d), mspkit.ErrInvalid)
}

func BenchmarkSuggest(b *testing.B) {
	var companies []psa.Company
	var tenants []psa.KnownTenant
	for i := range 1000 {
		name := fmt.Sprintf("Company number %d of the city %d", i, i%77)
		companies = append(companies, psa.Company{ID: strconv.Itoa(i), Name: name + " Ltd", Domains: []string{fmt.Sprintf("c%d.example", i)}})
		tenants = append(tenants, psa.KnownTenant{ID: mspkit.TenantID(strconv.Itoa(i)), Name: name, Domains: []string{fmt.Sprintf("c%d.example", i)}})
	}
	for b.Loop() {
		psa.Suggest(companies, tenants, nil)
	}
}
