package graphfake

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestPartner(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	home := f.s.AddTenant("", "MSP", "msp.example")
	customer := f.s.AddTenant("", "Customer", "customer.example")
	f.token = f.s.Bearer(home.ID)
	app, user := "158c047a-c907-4556-b7ef-446551a6b5f7", "fe930be7-5e62-47db-91af-98c3a49a38b1"
	id := home.Relate(Relationship{Customer: customer.ID, CustomerName: "Customer", Roles: []string{app, user}, Group: newID(), Assigned: []string{app}})
	home.Relate(Relationship{Customer: f.tenant.ID, CustomerName: "Fabrikam", Status: "terminated"})
	home.Relate(Relationship{Customer: customer.ID, CustomerName: "Customer", Status: "expiring"})
	home.AddContract(Contract{Customer: f.tenant.ID, Name: "Fabrikam", Domain: "fabrikam.example"})

	list := "/v1.0/tenantRelationships/delegatedAdminRelationships"
	for query, n := range map[string]int{
		"": 3, "?$filter=status eq 'active'": 1, "?$filter=status eq 'active' or status eq 'expiring'": 2,
		"?$filter=customer/tenantId eq '" + customer.ID + "' and status eq 'active'&$select=customer,accessDetails": 1,
	} {
		require.Len(t, f.get(list+query).value(), n, query)
	}
	a := f.get(list + "?$filter=status eq 'active'&$select=customer,accessDetails,endDateTime")
	require.Equal(t, map[string]any{"tenantId": customer.ID, "displayName": "Customer"}, a.value()[0]["customer"])
	require.NotContains(t, a.value()[0], "status")
	a = f.get(list + "?$top=2")
	require.Len(t, a.value(), 2)
	require.Len(t, f.get(a.link("nextLink")).value(), 1)
	for _, query := range []string{
		"?$filter=status ne 'active'", "?$filter=nope eq 'x'", "?$select=nope", "?$top=301", "?$filter=status eq 'a' or status eq 'b' and status eq 'c'",
	} {
		require.Equal(t, 400, f.get(list+query).status, query)
	}
	require.Equal(t, "active", f.get(list + "/" + id).m["status"])
	require.Equal(t, 404, f.get(list+"/x").status)
	roles := f.get(list + "/" + id + "/accessAssignments").value()[0]["accessDetails"]
	require.Equal(t, map[string]any{"unifiedRoles": []any{map[string]any{"roleDefinitionId": app}}}, roles)
	require.Len(t, f.get("/v1.0/tenantRelationships/delegatedAdminCustomers").value(), 1)
	require.Equal(t, "fabrikam.example", f.get("/v1.0/contracts").value()[0]["defaultDomainName"])
	require.Empty(t, f.get("/v1.0/contracts?$filter=customerId eq "+customer.ID).value())
	a = f.get("/v1.0/tenantRelationships/findTenantInformationByTenantId(tenantId='" + customer.ID + "')")
	require.Equal(t, "customer.example", a.m["defaultDomainName"])
	require.Equal(t, "BadRequest", f.get("/v1.0/tenantRelationships/nothing").code())
	require.Empty(t, f.get(list, "Authorization: Bearer "+f.s.Bearer(customer.ID)).value(), "a customer is not a partner")
}

func TestConsentByPartnerCenter(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	home := f.s.AddTenant("", "MSP", "msp.example")
	customer := f.s.AddTenant("", "Customer", "customer.example")
	weak := f.s.AddTenant("", "Weak", "weak.example")
	home.Relate(Relationship{Customer: customer.ID, Roles: []string{"158c047a-c907-4556-b7ef-446551a6b5f7"}, Ends: f.now.Add(30 * 24 * time.Hour)})
	home.Relate(Relationship{Customer: weak.ID, Roles: []string{"88d8e3e3-8f55-4a1e-953a-9b9898b8876b"}})
	rt := f.s.RefreshToken(home.ID, "u")
	redeem := func(tenant, scope string) string {
		got, a := f.exchange(tenant, "grant_type", "refresh_token", "refresh_token", rt, "scope", scope)
		if got == "token" {
			f.token = a.m["access_token"].(string)
		}
		return got
	}
	const graph, center = "https://graph.microsoft.com/.default offline_access", "https://api.partnercenter.microsoft.com/.default"
	require.Equal(t, "65001", redeem(customer.ID, graph), "no consent yet")
	require.Equal(t, "50020", redeem(f.tenant.ID, graph), "no relationship")

	path := "/v1/customers/" + customer.ID + "/applicationconsents"
	body := `{"applicationId":"app","displayName":"App","applicationGrants":[{"enterpriseApplicationId":"00000003-0000-0000-c000-000000000000","scope":"User.Read.All,Directory.Read.All"}]}`
	post := func(path, body string) string {
		a := f.do(http.MethodPost, path, body)
		return fmt.Sprint(a.status, " ", a.m["description"])
	}
	require.Contains(t, post(path, body), "401")
	require.Equal(t, "token", redeem(home.ID, graph))
	require.Contains(t, post(path, body), "another audience")
	f.token = f.s.issue(grant{tenant: home.ID, scope: "partner"})
	require.Contains(t, post(path, body), "App+User")
	require.Equal(t, "token", redeem(home.ID, center))
	require.Contains(t, post(path, `{"applicationId":"app","applicationGrants":[{"enterpriseApplicationId":"x","scope":"A, B"}]}`), "400")
	require.Contains(t, post(path, `{"appId":"app"}`), "400")
	require.Contains(t, post(path, `{"applicationId":"app","applicationGrants":[]}`), "400")
	require.Contains(t, post("/v1/customers/"+weak.ID+"/applicationconsents", body), "403")
	require.Contains(t, post("/v1/customers/"+f.tenant.ID+"/applicationconsents", body), "404")
	require.Nil(t, customer.Consents("app"))
	require.Contains(t, post(path, body), "201")
	require.Equal(t, "409 Permission entry already exists.", post(path, body))
	require.Equal(t, []string{"User.Read.All", "Directory.Read.All"}, customer.Consents("APP"))
	require.Equal(t, 401, f.get("/v1.0/users").status, "a token for Partner Center is not one for Graph")

	require.Equal(t, "token", redeem(customer.ID, graph))
	require.Equal(t, "Customer", f.get("/v1.0/organization").value()[0]["displayName"])
	ann := customer.Put(User{DisplayName: "Ann"})
	require.Equal(t, 403, f.do(http.MethodPatch, "/v1.0/users/"+ann, `{"mobilePhone":"+12065550100"}`).status, "no User Administrator")
	more := home.Relate(Relationship{Customer: customer.ID, Roles: []string{"fe930be7-5e62-47db-91af-98c3a49a38b1"}})
	require.Equal(t, 204, f.do(http.MethodPatch, "/v1.0/users/"+ann, `{"mobilePhone":"+12065550100"}`).status, "roles add up")
	home.Relate(Relationship{ID: more, Customer: customer.ID, Status: "terminated"})
	require.Equal(t, "token", redeem(home.ID, center))
	require.Equal(t, 204, f.do(http.MethodDelete, path+"/app", "").status)
	require.Equal(t, 404, f.do(http.MethodDelete, path+"/app", "").status)
	require.Equal(t, "65001", redeem(customer.ID, graph))
	customer.Consent("app", "User.Read.All")
	require.Equal(t, "token", redeem(customer.ID, graph))
	f.now = f.now.Add(31 * 24 * time.Hour)
	require.Equal(t, "50020", redeem(customer.ID, graph), "the relationship has ended")
	f.token = f.s.issue(grant{tenant: customer.ID, home: home.ID, user: "u", scope: "graph"})
	require.Equal(t, "Authorization_RequestDenied", f.get("/v1.0/users").code(), "a token from before it ended")
}
