package gdap_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/entra"
	"github.com/mspkit/mspkit/entra/gdap"
	"github.com/mspkit/mspkit/internal/graphfake"
)

const (
	appAdmin   = gdap.ApplicationAdministrator
	cloudAdmin = gdap.CloudApplicationAdministrator
	userAdmin  = gdap.UserAdministrator
	global     = gdap.GlobalAdministrator
	readers    = "88d8e3e3-8f55-4a1e-953a-9b9898b8876b"
	day        = 24 * time.Hour
)

func roleNames(roles []gdap.Role) []string {
	out := []string{}
	for _, r := range roles {
		out = append(out, r.Name)
	}
	return out
}

func TestRolesOfACustomer(t *testing.T) {
	t.Parallel()
	type rel = graphfake.Relationship
	both := []string{appAdmin, userAdmin}
	for name, c := range map[string]struct {
		rels                        []rel // Ends is days from now in place of a date, see below
		ends                        []int
		cloud                       bool
		required                    []gdap.Role
		roles, missing, unassigned  []string
		endsIn                      int
		extends                     bool
		problem, warning, neverSays string
	}{
		"all there": {rels: []rel{{Roles: both, Group: group}}, ends: []int{300}, roles: both, endsIn: 300},
		"one missing": {
			rels: []rel{{Roles: []string{appAdmin}, Group: group}}, ends: []int{300}, roles: []string{appAdmin}, missing: []string{"User Administrator"}, endsIn: 300,
			problem: "no GDAP relationship has User Administrator", neverSays: "Application",
		},
		"both missing": {
			rels: []rel{{Roles: []string{readers}, Group: group}}, ends: []int{300}, roles: []string{readers},
			missing: []string{"Application Administrator", "User Administrator"}, endsIn: 300, problem: "Application Administrator and User Administrator",
		},
		"union of two": {
			rels: []rel{{Roles: []string{appAdmin}, Group: group}, {Roles: []string{userAdmin, readers}, Group: group}}, ends: []int{300, 400},
			roles: []string{readers, appAdmin, userAdmin}, endsIn: 400,
		},
		"an ended one does not count": {
			rels: []rel{{Roles: []string{appAdmin}, Group: group}, {Roles: both, Group: group, Status: "terminated"}, {Roles: both, Group: group, Status: "expired"}},
			ends: []int{300, 400, -3}, roles: []string{appAdmin}, missing: []string{"User Administrator"}, endsIn: 300, problem: "User Administrator",
		},
		"active by name only": {
			rels: []rel{{Roles: both, Group: group}}, ends: []int{-1}, problem: "ended on 2026-11-19", missing: []string{},
		},
		"approved but held by no group": {
			rels: []rel{{Roles: both}}, ends: []int{300}, unassigned: []string{"Application Administrator", "User Administrator"}, endsIn: 300,
			problem: "given to no security group",
		},
		"one held by no group": {
			rels: []rel{{Roles: both, Group: group, Assigned: []string{userAdmin}}}, ends: []int{300}, roles: []string{userAdmin},
			unassigned: []string{"Application Administrator"}, endsIn: 300, problem: "Application Administrator is given to no security group",
		},
		"held by a group but not approved": {
			rels: []rel{{Roles: []string{appAdmin}, Group: group, Assigned: both}}, ends: []int{300}, roles: []string{appAdmin},
			missing: []string{"User Administrator"}, endsIn: 300, problem: "User Administrator",
		},
		"approved in one, assigned in another": {
			rels: []rel{{Roles: both, Group: group, Assigned: []string{appAdmin}}, {Roles: []string{readers}, Group: group, Assigned: []string{userAdmin}}},
			ends: []int{300, 300}, roles: []string{appAdmin}, unassigned: []string{"User Administrator"}, endsIn: 300, problem: "User Administrator",
		},
		"cloud administrator does not do": {
			rels: []rel{{Roles: []string{cloudAdmin, userAdmin}, Group: group}}, ends: []int{300}, roles: []string{cloudAdmin, userAdmin},
			missing: []string{"Application Administrator"}, endsIn: 300, problem: "Application Administrator",
		},
		"unless it is accepted": {
			rels: []rel{{Roles: []string{cloudAdmin, userAdmin}, Group: group}}, ends: []int{300}, cloud: true, roles: []string{cloudAdmin, userAdmin}, endsIn: 300,
		},
		"global administrator does": {rels: []rel{{Roles: []string{global}, Group: group}}, ends: []int{300}, roles: []string{global}, endsIn: 300},
		"other roles required": {
			rels: []rel{{Roles: both, Group: group}}, ends: []int{300}, required: []gdap.Role{{ID: strings.ToUpper(readers), Name: "Directory Readers"}}, roles: both,
			missing: []string{"Directory Readers"}, endsIn: 300, problem: "Directory Readers",
		},
		"ends soon": {
			rels: []rel{{Roles: both, Group: group, Status: "expiring"}}, ends: []int{29}, roles: both, endsIn: 29, warning: "ends on 2026-12-19",
		},
		"ends soon but extends itself": {rels: []rel{{Roles: both, Group: group, AutoExtend: "P180D"}}, ends: []int{5}, roles: both, endsIn: 5, extends: true},
		"ends soon but another goes on": {
			rels: []rel{{Roles: both, Group: group}, {Roles: both, Group: group}}, ends: []int{5, 300}, roles: both, endsIn: 300,
		},
		"one role is lost soon": {
			rels: []rel{{Roles: []string{appAdmin}, Group: group}, {Roles: []string{userAdmin}, Group: group}}, ends: []int{5, 300}, roles: both, endsIn: 300,
			warning: "Application Administrator is lost on 2026-11-25", neverSays: "User",
		},
		"the other extends itself": {
			rels: []rel{{Roles: both, Group: group}, {Roles: both, Group: group, AutoExtend: "P180D"}}, ends: []int{20, 10}, roles: both, endsIn: 20,
			warning: "ends on 2026-12-10",
		},
		"not approved yet": {rels: []rel{{Roles: both, Status: "approvalPending"}}, ends: []int{300}, problem: "does not work yet (approvalpending)", missing: []string{}},
		"terminated":       {rels: []rel{{Roles: both, Status: "terminated"}}, ends: []int{300}, problem: "was ended"},
		"being ended":      {rels: []rel{{Roles: both, Status: "terminationRequested"}}, ends: []int{300}, problem: "was ended"},
		"a state of the future": {
			rels: []rel{{Roles: both, Status: "paused"}}, ends: []int{300}, problem: "no GDAP relationship works",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, nil)
			w.home.Relate(graphfake.Relationship{ID: w.rel.ID, Customer: "00000000-0000-0000-0000-0000000000ff", CustomerName: "Zzz", Status: "terminated"})
			for i, r := range c.rels {
				r.ID, r.Customer, r.CustomerName, r.Ends = fmt.Sprint("r", i), strings.ToUpper(w.contoso.ID), "Contoso Ltd", w.clock.Now().Add(time.Duration(c.ends[i])*day)
				w.home.Relate(r)
			}
			w.options.AcceptCloudAdministrator, w.options.Roles = c.cloud, c.required
			list, err := w.signedIn(t).Customers(t.Context())
			require.NoError(t, err)
			require.Len(t, list, 2)
			got := list[0]
			require.Equal(t, w.contoso.ID, got.EntraID)
			require.Equal(t, "Contoso Ltd", got.Name)
			require.Len(t, got.Relationships, len(c.rels))
			require.ElementsMatch(t, c.roles, got.Roles)
			require.ElementsMatch(t, c.missing, roleNames(got.Missing))
			require.ElementsMatch(t, c.unassigned, roleNames(got.Unassigned))
			require.Equal(t, c.extends, got.AutoExtend)
			if c.endsIn == 0 {
				require.Zero(t, got.EndsAt)
				require.False(t, got.Works(w.clock.Now()))
			} else {
				require.Equal(t, w.clock.Now().Add(time.Duration(c.endsIn)*day), got.EndsAt)
				require.True(t, got.Works(w.clock.Now()))
			}
			require.Equal(t, c.problem == "", got.Problem == "", got.Problem)
			require.Contains(t, got.Problem, c.problem)
			require.Equal(t, c.warning == "", got.Warning == "", got.Warning)
			require.Contains(t, got.Warning, c.warning)
			if c.neverSays != "" {
				require.NotContains(t, got.Problem+got.Warning, c.neverSays)
			}
		})
	}
}

func TestCustomersByContract(t *testing.T) {
	t.Parallel()
	w := newWorld(t, &graphfake.Options{PageSize: 2})
	fabrikam := w.AddTenant("", "Fabrikam", "fabrikam.example")
	w.home.AddContract(graphfake.Contract{Customer: strings.ToUpper(w.contoso.ID), Name: "Contoso by contract", Domain: "contoso.example"})
	w.home.AddContract(graphfake.Contract{Customer: fabrikam.ID, Name: "fabrikam \u202e Inc", Domain: "fabrikam.example"})
	w.home.AddContract(graphfake.Contract{Customer: fabrikam.ID, Name: "fabrikam again", Domain: "fabrikam.example"})
	w.home.AddContract(graphfake.Contract{Customer: w.home.ID, Name: "ourselves", Domain: "msp.example"})
	w.home.AddContract(graphfake.Contract{Customer: "nonsense", Name: "nonsense"})
	p := w.signedIn(t)
	list, err := p.Customers(t.Context())
	require.NoError(t, err)
	require.Len(t, list, 2)
	require.Equal(t, "Contoso Ltd", list[0].Name)
	require.Equal(t, "contoso.example", list[0].Domain)
	require.True(t, list[0].Contract)
	require.Empty(t, list[0].Problem)
	require.Equal(t, gdap.Customer{
		EntraID: fabrikam.ID, Name: "fabrikam Inc", Domain: "fabrikam.example", Contract: true,
		Problem: "there is a reseller's contract but no GDAP relationship: ask the customer to approve one",
	}, list[1])
	_, err = p.Connect(t.Context(), list[1], "fabrikam", "contacts")
	require.ErrorIs(t, err, gdap.ErrRelationship)
	require.Contains(t, entra.Problem(err), "no GDAP relationship")

	w.options.SkipContracts = true
	list, err = w.partner(t).Customers(t.Context())
	require.NoError(t, err)
	require.Len(t, list, 1)
	require.Empty(t, list[0].Domain)
}

func TestBadListsOfCustomers(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	p := w.signedIn(t)
	id := w.contoso.ID
	item := func(rel, customer string) string {
		return `{"id":"` + rel + `","displayName":"R","status":"active","endDateTime":"2027-11-20T12:00:00.1234567Z","autoExtendDuration":"PT0S",` +
			`"customer":` + customer + `,"accessDetails":{"unifiedRoles":[{"roleDefinitionId":"` + strings.ToUpper(appAdmin) + `"},{"roleDefinitionId":"x"}]}}`
	}
	is := `{"tenantId":"` + strings.ToUpper(id) + `","displayName":"Contoso"}`
	body := `{"value":[` + strings.Join([]string{
		item(w.rel.ID, is), item(w.rel.ID, is), // repeated
		item("b", "null"), `{"id":"c","status":"created","endDateTime":null}`, `{}`, // without a customer
		item("d", `{"tenantId":"../x","displayName":"X"}`), item("e", `{"tenantId":"`+w.home.ID+`"}`),
		item("a/../../../users", is), // an id that is a path
	}, ",") + `]}`
	w.SetFault(graphfake.Times(1, graphfake.Fault{Body: body}, "delegatedAdminRelationships"))
	list, err := p.Customers(t.Context())
	require.NoError(t, err)
	require.Len(t, list, 1)
	require.Len(t, list[0].Relationships, 1)
	require.Equal(t, []string{appAdmin}, list[0].Roles)
	require.Equal(t, []string{"User Administrator"}, roleNames(list[0].Missing))

	for _, bad := range []string{`{"value":{}}`, `<html>`, `{"value":[{"id":1}]}`, `{"value":[]} x`, `{"value":[{"id":"a","endDateTime":"soon"}]}`} {
		w.SetFault(graphfake.Times(-1, graphfake.Fault{Body: bad}, "delegatedAdminRelationships"))
		_, err = p.Customers(t.Context())
		require.Error(t, err, bad)
	}
	w.SetFault(graphfake.Times(-1, graphfake.Fault{Status: 403, Code: "Authorization_RequestDenied"}, "contracts"))
	_, err = p.Customers(t.Context())
	require.ErrorContains(t, err, "permission")

	for is, fault := range map[error]graphfake.Fault{
		entra.ErrRefused: {Status: 403, Code: "Authorization_RequestDenied"}, entra.ErrThrottled: graphfake.TooMany(time.Hour), entra.ErrSignIn: {Status: 401},
		gdap.ErrAnswer: {Body: `{"value":1}`}, entra.ErrUnavailable: {Redirect: "https://elsewhere.example"},
	} {
		p := w.partner(t) // a fresh limiter
		w.SetFault(graphfake.Times(-1, fault, "contracts"))
		_, err = p.Customers(t.Context())
		require.ErrorIs(t, err, is)
	}

	// What is refused for one relationship does not hide the others.
	fabrikam := w.customer("Fabrikam")
	w.SetFault(graphfake.Times(-1, graphfake.Fault{Status: 404}, w.rel.ID+"/accessAssignments"))
	list, err = p.Customers(t.Context())
	require.NoError(t, err)
	require.Len(t, list, 2)
	require.Contains(t, list[0].Problem, "could not be read")
	require.Equal(t, fabrikam.ID, list[1].EntraID)
	require.Empty(t, list[1].Problem)
	w.SetFault(graphfake.Times(-1, graphfake.Fault{Status: 401}, "accessAssignments"))
	_, err = p.Customers(t.Context())
	require.Error(t, err)

	// Only an assignment that is active counts.
	for _, status := range []string{"pending", "deleting", "deleted", "error"} {
		w.SetFault(graphfake.Times(-1, graphfake.Fault{Body: `{"value":[{"status":"` + status + `","accessContainer":{"accessContainerId":"` + group +
			`"},"accessDetails":{"unifiedRoles":[{"roleDefinitionId":"` + appAdmin + `"}]}}]}`}, "accessAssignments"))
		list, err = p.Customers(t.Context())
		require.NoError(t, err)
		require.Empty(t, list[0].Roles, status)
		require.Contains(t, list[0].Problem, "given to no security group")
	}
}

func TestManyCustomers(t *testing.T) {
	t.Parallel()
	w := newWorld(t, &graphfake.Options{PageSize: 7, MaxPageSize: 7})
	for i := range 40 {
		w.customer(fmt.Sprintf("Customer %02d", i))
	}
	list, err := w.signedIn(t).Customers(t.Context())
	require.NoError(t, err)
	require.Len(t, list, 41)
	for i, c := range list[1:] {
		require.Equal(t, fmt.Sprintf("Contoso Ltd Customer %02d", i)[12:], c.Name)
		require.Empty(t, c.Problem)
		require.Equal(t, []string{group}, c.Relationships[0].Groups)
	}
}

func TestConnect(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	p := w.signedIn(t)
	fabrikam := w.customer("Fabrikam")
	weak := w.customer("Weak")
	w.home.Relate(graphfake.Relationship{ID: "rel-" + weak.ID, Customer: weak.ID, CustomerName: "Weak", Roles: []string{appAdmin}, Group: group})
	list, err := p.Customers(t.Context())
	require.NoError(t, err)
	c, err := p.Connect(t.Context(), list[1], "fabrikam", "contacts")
	require.NoError(t, err)
	want := entra.Connection{
		Tenant: "fabrikam", Owner: "msp", Integration: "contacts", EntraID: fabrikam.ID, Name: "Fabrikam", Via: entra.ViaGDAP, ConnectedAt: w.clock.Now(),
		ExpiresAt: list[1].EndsAt,
	}
	require.Equal(t, want, c)
	stored, err := w.store.Connection(t.Context(), "fabrikam", "contacts")
	require.NoError(t, err)
	require.Equal(t, want, stored)
	token, err := w.token(t.Context(), p, "fabrikam", graphScope)
	require.NoError(t, err)
	require.Equal(t, fabrikam.ID, w.tenantOf(t, token))

	c, err = p.Connect(t.Context(), list[2], "weak", "contacts")
	require.NoError(t, err)
	require.Contains(t, c.Problem, "GDAP: no GDAP relationship has User Administrator")

	_, err = p.Connect(t.Context(), list[1], "somebody-else", "contacts")
	require.ErrorIs(t, err, entra.ErrTaken)
	_, err = p.Connect(t.Context(), list[1], "", "contacts")
	require.ErrorIs(t, err, mspkit.ErrInvalid)
	_, err = p.Connect(t.Context(), gdap.Customer{EntraID: "x"}, "x", "contacts")
	require.ErrorIs(t, err, mspkit.ErrInvalid)
	ourselves := list[1]
	ourselves.EntraID = w.home.ID
	_, err = p.Connect(t.Context(), ourselves, "us", "contacts")
	require.ErrorIs(t, err, mspkit.ErrInvalid)
	w.clock.Add(400 * day)
	_, err = p.Connect(t.Context(), list[1], "fabrikam", "contacts")
	require.ErrorIs(t, err, gdap.ErrRelationship, "a list of long ago")

	w.options.Connections = nil
	_, err = w.partner(t).Connect(t.Context(), list[1], "fabrikam", "contacts")
	require.ErrorIs(t, err, mspkit.ErrInvalid)
	_, err = w.partner(t).Refresh(t.Context())
	require.ErrorIs(t, err, mspkit.ErrInvalid)
}

func TestRefresh(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	p := w.signedIn(t)
	fabrikam := w.customer("Fabrikam")
	require.NoError(t, w.store.Connect(t.Context(), entra.Connection{
		Tenant: "fabrikam", Owner: "msp", Integration: "contacts", EntraID: fabrikam.ID, Via: entra.ViaGDAP, By: "kept", ConnectedAt: w.clock.Now(),
	}))
	others := []entra.Connection{
		{Tenant: "theirs", Owner: "another-msp", Integration: "contacts", EntraID: w.AddTenant("", "T", "").ID, Via: entra.ViaGDAP},
		{Tenant: "by-consent", Owner: "msp", Integration: "contacts", EntraID: w.AddTenant("", "C", "").ID, Via: entra.ViaConsent},
	}
	for _, c := range others {
		require.NoError(t, w.store.Connect(t.Context(), c))
	}
	get := func(tenant mspkit.TenantID) entra.Connection {
		c, err := w.store.Connection(t.Context(), tenant, "contacts")
		require.NoError(t, err)
		return c
	}
	refresh := func(updated, ended int) {
		t.Helper()
		r, err := p.Refresh(t.Context())
		require.NoError(t, err)
		require.Equal(t, []int{2, updated, ended}, []int{r.Connected, r.Updated, r.Ended})
	}
	refresh(2, 0)
	require.Equal(t, w.clock.Now().AddDate(1, 0, 0), get("fabrikam").ExpiresAt)
	require.Equal(t, "Fabrikam", get("fabrikam").Name)
	require.Equal(t, "kept", get("fabrikam").By)
	require.Empty(t, get("fabrikam").Problem)
	refresh(0, 0)

	// A problem that others noted stays, while all is well here.
	require.NoError(t, w.store.Checked(t.Context(), "fabrikam", "contacts", w.clock.Now(), "consent was withdrawn"))
	w.clock.Add(time.Hour)
	refresh(0, 0)
	require.Equal(t, "consent was withdrawn", get("fabrikam").Problem)

	// Extended, renamed, and without a role.
	rel := graphfake.Relationship{
		ID: "rel-" + fabrikam.ID, Customer: fabrikam.ID, CustomerName: "Fabrikam AG", Roles: []string{appAdmin}, Group: group, Ends: w.clock.Now().Add(500 * day),
	}
	w.home.Relate(rel)
	refresh(1, 0)
	require.Equal(t, rel.Ends, get("fabrikam").ExpiresAt)
	require.Equal(t, "Fabrikam AG", get("fabrikam").Name)
	require.Contains(t, get("fabrikam").Problem, "GDAP: no GDAP relationship has User Administrator")
	rel.Roles = []string{appAdmin, userAdmin}
	w.home.Relate(rel)
	w.clock.Add(time.Hour)
	refresh(1, 0)
	require.Empty(t, get("fabrikam").Problem)

	// Ended: the connection says so and stays.
	token, err := w.token(t.Context(), p, "fabrikam", graphScope)
	require.NoError(t, err)
	require.NotEmpty(t, token)
	rel.Status = "terminated"
	w.home.Relate(rel)
	w.clock.Add(time.Hour)
	refresh(1, 1)
	require.Equal(t, "GDAP: the GDAP relationship was ended: ask the customer to approve a new one", get("fabrikam").Problem)
	require.Equal(t, rel.Ends, get("fabrikam").ExpiresAt)
	_, err = w.token(t.Context(), p, "fabrikam", graphScope)
	require.ErrorIs(t, err, gdap.ErrRelationship, "the token that was kept is forgotten")
	refresh(0, 1)

	// Gone from the list altogether, and back.
	w.SetFault(graphfake.Times(1, graphfake.Fault{Body: `{"value":[]}`}, "delegatedAdminRelationships"))
	w.clock.Add(time.Hour)
	refresh(2, 2)
	require.Contains(t, get("contoso").Problem, "no relationship with this customer any more")
	rel.Status = "active"
	w.home.Relate(rel)
	w.clock.Add(time.Hour)
	refresh(2, 0)
	require.Empty(t, get("contoso").Problem)
	require.Empty(t, get("fabrikam").Problem)

	// A list that cannot be read changes nothing.
	w.SetFault(graphfake.Times(-1, graphfake.Fault{Body: `{"value":[{"id":1}]}`}, "delegatedAdminRelationships"))
	_, err = p.Refresh(t.Context())
	require.Error(t, err)
	require.Empty(t, get("fabrikam").Problem)
	for _, c := range others {
		require.Equal(t, c, get(c.Tenant), "of others nothing changed")
	}
}

// TestARefreshDoesNotBringBackWhatWasReleased releases a connection while the customers are listed.
func TestARefreshDoesNotBringBackWhatWasReleased(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	store := &releasing{Memory: w.store}
	w.options.Connections = store
	p := w.signedIn(t)
	r, err := p.Refresh(t.Context())
	require.NoError(t, err)
	require.Equal(t, []int{1, 0}, []int{r.Connected, r.Updated})
	_, err = w.store.Connection(t.Context(), "contoso", "contacts")
	require.ErrorIs(t, err, entra.ErrNotConnected)
}

func TestConsent(t *testing.T) {
	t.Parallel()
	w := newWorld(t, &graphfake.Options{Record: true})
	p := noPause(w.signedIn(t))
	fabrikam := w.AddTenant("", "Fabrikam", "")
	w.home.Relate(graphfake.Relationship{Customer: fabrikam.ID, CustomerName: "Fabrikam", Roles: []string{cloudAdmin}, Group: group})
	grants := gdap.Grant{Scopes: []string{"User.Read.All", "Directory.Read.All"}}
	require.NoError(t, p.Consent(t.Context(), strings.ToUpper(fabrikam.ID), grants))
	require.Equal(t, grants.Scopes, fabrikam.Consents(clientID))
	var posted graphfake.Request
	for _, r := range w.Requests() {
		if r.Method == http.MethodPost && strings.HasSuffix(r.Path, "/applicationconsents") {
			posted = r
		}
	}
	require.Equal(t, "/v1/customers/"+fabrikam.ID+"/applicationconsents", posted.Path)
	require.JSONEq(t, `{"applicationId":"`+clientID+`","displayName":"mspkit","applicationGrants":[{"enterpriseApplicationId":"`+gdap.Graph+
		`","scope":"User.Read.All,Directory.Read.All"}]}`, string(posted.Body))
	require.NotEmpty(t, posted.Header.Get("Ms-Requestid"))
	require.NotEmpty(t, posted.Header.Get("Ms-Correlationid"))

	require.NoError(t, p.Consent(t.Context(), fabrikam.ID, gdap.Grant{Scopes: []string{"Mail.Send"}}), "it exists already")
	require.Equal(t, grants.Scopes, fabrikam.Consents(clientID))
	require.NoError(t, p.Replace(t.Context(), fabrikam.ID, gdap.Grant{Resource: gdap.Graph, Scopes: []string{"Mail.Send"}}))
	require.Equal(t, []string{"Mail.Send"}, fabrikam.Consents(clientID))
	require.NoError(t, p.Unconsent(t.Context(), fabrikam.ID))
	require.NoError(t, p.Unconsent(t.Context(), fabrikam.ID))
	require.Nil(t, fabrikam.Consents(clientID))
	require.NoError(t, p.Replace(t.Context(), fabrikam.ID, grants), "also where there is none")

	for _, bad := range [][]gdap.Grant{
		nil,
		{{}},
		{{Scopes: []string{"a b"}}},
		{{Scopes: []string{"a,b"}}},
		{{Scopes: []string{"https://graph.microsoft.com/User.Read"}}},
		{{Scopes: []string{""}}},
		{{Resource: "x", Scopes: []string{"a"}}},
		{{Scopes: []string{"a"}}, {Resource: gdap.Graph, Scopes: []string{"b"}}},
	} {
		require.ErrorIs(t, p.Consent(t.Context(), fabrikam.ID, bad...), mspkit.ErrInvalid)
	}
	for _, id := range []string{"", "x", "../" + fabrikam.ID, w.home.ID} {
		require.ErrorIs(t, p.Consent(t.Context(), id, grants), mspkit.ErrInvalid)
		require.ErrorIs(t, p.Unconsent(t.Context(), id), mspkit.ErrInvalid)
	}
	w.options.Cloud.PartnerCenter = ""
	require.ErrorIs(t, w.partner(t).Consent(t.Context(), fabrikam.ID, grants), mspkit.ErrInvalid, "a cloud without Partner Center")
}

func TestConsentForgetsTokens(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.options.Lag = -1
	p := noPause(w.signedIn(t))
	for _, change := range []func() error{
		func() error { return p.Consent(t.Context(), w.contoso.ID, gdap.Grant{Scopes: []string{"Mail.Send"}}) },
		func() error { return p.Replace(t.Context(), w.contoso.ID, gdap.Grant{Scopes: []string{"Mail.Send"}}) },
	} {
		before, err := w.token(t.Context(), p, "contoso", graphScope)
		require.NoError(t, err)
		require.NoError(t, change())
		after, err := w.token(t.Context(), p, "contoso", graphScope)
		require.NoError(t, err)
		require.NotEqual(t, before, after)
	}
	require.NoError(t, p.Unconsent(t.Context(), w.contoso.ID))
	_, err := w.token(t.Context(), p, "contoso", graphScope)
	require.ErrorIs(t, err, entra.ErrConsent)
}
