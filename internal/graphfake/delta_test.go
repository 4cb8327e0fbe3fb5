package graphfake

import (
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestDeltaRounds(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	f.tenant.Seed(250, 1)
	items, pages, delta := f.round("/v1.0/users/delta?$select=displayName,mail,mobilePhone,businessPhones,manager", "Prefer: odata.maxpagesize=100")
	require.Len(t, items, 250)
	require.Equal(t, 3, pages)
	require.Len(t, f.get("/v1.0/users/delta()?$select=id").value(), 100, "as it is written with parentheses")
	items, _, delta = f.round(delta)
	require.Empty(t, items)
	boss, worker := f.tenant.Users()[1], f.tenant.Users()[20]
	f.tenant.Update(worker.ID, func(u *User) { u.MobilePhone = ""; u.ManagerID = boss.ID })
	f.tenant.Delete(f.tenant.Users()[30].ID, false)
	id := f.tenant.Put(User{DisplayName: "Joiner", Mail: "joiner@fabrikam.example"})
	items, _, delta = f.round(delta)
	require.Len(t, items, 3)
	require.Nil(t, items[0]["mobilePhone"])
	require.NotContains(t, items[0], "mail")
	require.Contains(t, items[0], "mobilePhone")
	require.Equal(t, map[string]any{"reason": "changed"}, items[1]["@removed"])
	require.Equal(t, id, items[2]["id"])
	f.tenant.ExpireDelta("")
	a := f.get(delta)
	require.Equal(t, http.StatusGone, a.status)
	require.Equal(t, "syncStateNotFound", a.code())
	items, _, _ = f.round(a.header.Get("Location"))
	require.Len(t, items, 250)
}

func TestDeltaQuirks(t *testing.T) {
	t.Parallel()
	count := func(items []map[string]any) (people map[string]int, removed int) {
		people = map[string]int{}
		for _, it := range items {
			if it["@removed"] != nil {
				removed++
				continue
			}
			people[it["id"].(string)]++
		}
		return people, removed
	}
	for name, c := range map[string]struct {
		quirks         Quirks
		pages, removed int
		twice          int
	}{
		"none":    {Quirks{}, 3, 0, 0},
		"removed": {Quirks{RemovedFirst: true}, 3, 2, 0},
		"empty":   {Quirks{EmptyPages: true}, 6, 0, 0},
		"repeat":  {Quirks{Repeat: true}, 3, 0, 2},
		"all":     {Quirks{RemovedFirst: true, EmptyPages: true, Repeat: true}, 8, 2, 3},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, &Options{PageSize: 10})
			f.tenant.Seed(30, 1)
			users := f.tenant.Users()
			require.True(t, f.tenant.Delete(users[12].ID, false))
			require.True(t, f.tenant.Delete(users[13].ID, true))
			f.tenant.SetQuirks(c.quirks)
			items, pages, _ := f.round("/v1.0/users/delta")
			people, removed := count(items)
			twice := 0
			for _, n := range people {
				twice += n - 1
			}
			require.Len(t, people, 28)
			require.Equal(t, c.pages, pages)
			require.Equal(t, c.removed, removed)
			require.Equal(t, c.twice, twice)
		})
	}
}

func TestDeltaItems(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	boss := f.tenant.Put(User{DisplayName: "Boss", Mail: "boss@fabrikam.example"})
	id := f.tenant.Put(User{DisplayName: "Ann", Mail: "ann@fabrikam.example", MobilePhone: "+12065550100", ManagerID: boss})
	query := "/v1.0/users/delta?$select=displayName,mobilePhone,jobTitle,businessPhones,manager"
	items, _, delta := f.round(query)
	require.Equal(t, map[string]any{
		"id": id, "displayName": "Ann", "mobilePhone": "+12065550100", "businessPhones": []any{},
		"manager@delta": []any{map[string]any{"@odata.type": "#microsoft.graph.user", "id": boss}},
	}, items[1], "what is null is left out of the first round")
	f.tenant.SetQuirks(Quirks{Nulls: true})
	items, _, _ = f.round(query)
	require.Contains(t, items[1], "jobTitle")

	other := f.tenant.Put(User{DisplayName: "Other"})
	for _, c := range []struct {
		name   string
		change func()
		want   []map[string]any
	}{
		{"a joiner is whole", func() {}, []map[string]any{{"id": other, "displayName": "Other", "mobilePhone": nil, "jobTitle": nil, "businessPhones": []any{}}}},
		{"nothing", func() { f.tenant.Update(id, func(*User) {}) }, nil},
		{"what is not tracked", func() { f.tenant.Update(id, func(u *User) { u.Department = "Sales" }) }, nil},
		{"a photo is not tracked", func() { f.tenant.Update(id, func(u *User) { u.Photo = []byte("x") }) }, nil},
		{"two changes are one item", func() {
			f.tenant.Update(id, func(u *User) { u.JobTitle = "Clerk" })
			f.tenant.Update(id, func(u *User) { u.MobilePhone = "" })
		}, []map[string]any{{"id": id, "jobTitle": "Clerk", "mobilePhone": nil}}},
		{"another manager", func() { f.tenant.Update(id, func(u *User) { u.ManagerID = other }) }, []map[string]any{{"id": id, "manager@delta": []any{
			map[string]any{"@odata.type": "#microsoft.graph.user", "id": boss, "@removed": map[string]any{"reason": "deleted"}},
			map[string]any{"@odata.type": "#microsoft.graph.user", "id": other},
		}}}},
		{"no manager", func() { f.tenant.Update(id, func(u *User) { u.ManagerID = "" }) }, []map[string]any{{"id": id, "manager@delta": []any{
			map[string]any{"@odata.type": "#microsoft.graph.user", "id": other, "@removed": map[string]any{"reason": "deleted"}},
		}}}},
		{"a leaver", func() { f.tenant.Delete(id, false) }, []map[string]any{{"id": id, "@removed": map[string]any{"reason": "changed"}}}},
		{"back again", func() { f.tenant.Put(User{ID: id, DisplayName: "Ann"}) }, []map[string]any{
			{"id": id, "displayName": "Ann", "mobilePhone": nil, "jobTitle": nil, "businessPhones": []any{}},
		}},
		{"gone for good", func() { f.tenant.Delete(id, true) }, []map[string]any{{"id": id, "@removed": map[string]any{"reason": "deleted"}}}},
	} {
		c.change()
		items, _, delta = f.round(delta)
		require.Equal(t, c.want, items, c.name)
	}

	f.tenant.SetQuirks(Quirks{WholeItems: true})
	f.tenant.Update(boss, func(u *User) { u.JobTitle = "Chair" })
	items, _, _ = f.round(delta)
	require.Len(t, slices.Collect(maps.Keys(items[0])), 5)
}

// Whoever changes while pages are read comes in this round or the next.
func TestNobodyIsLostWhilePagesAreRead(t *testing.T) {
	t.Parallel()
	f := newFixture(t, &Options{PageSize: 10})
	f.tenant.Seed(50, 1)
	seen := map[string]string{}
	read := func(a answered) {
		for _, it := range a.value() {
			id := it["id"].(string)
			if it["@removed"] != nil {
				delete(seen, id)
			} else if title, ok := it["jobTitle"].(string); ok {
				seen[id] = title
			} else if _, ok := seen[id]; !ok {
				seen[id] = ""
			}
		}
	}
	users := f.tenant.Users()
	path := "/v1.0/users/delta?$select=jobTitle"
	for n := range 40 {
		a := f.get(path)
		require.Equal(t, http.StatusOK, a.status)
		read(a)
		if n < 20 { // changes behind, at and ahead of the reader
			f.tenant.Update(users[(n*7)%50].ID, func(u *User) { u.JobTitle = "Changed " + a.header.Get("Request-Id") })
			f.tenant.Delete(users[(n*11)%50].ID, n%2 == 0)
			f.tenant.Put(User{DisplayName: "Joiner", JobTitle: "New"})
		}
		if path = a.link("nextLink"); path == "" {
			path = a.link("deltaLink")
		}
	}
	want := map[string]string{}
	for _, u := range f.tenant.Users() {
		want[u.ID] = u.JobTitle
	}
	require.Equal(t, want, seen)
}

func TestDeltaLinks(t *testing.T) {
	t.Parallel()
	f := newFixture(t, &Options{PageSize: 10})
	f.tenant.Seed(25, 1)
	other := f.s.AddTenant("", "Other", "other.example")
	first := f.get("/v1.0/users/delta?$select=mail")
	next := first.link("nextLink")
	_, _, delta := f.round(next)
	require.NotContains(t, next, "$select")

	latest := f.get("/v1.0/users/delta?$select=mail&$deltatoken=latest")
	require.Empty(t, latest.value())
	f.tenant.Put(User{Mail: "new@fabrikam.example"})
	items, _, _ := f.round(latest.link("deltaLink"))
	require.Len(t, items, 1)
	require.Equal(t, "new@fabrikam.example", items[0]["mail"])

	for _, c := range []struct{ name, path, header, code string }{
		{"expand", "/v1.0/users/delta?$expand=manager", "", "Request_UnsupportedQuery"},
		{"top", "/v1.0/users/delta?$top=5", "", "Request_UnsupportedQuery"},
		{"orderby", "/v1.0/users/delta?$orderby=mail", "", "Request_UnsupportedQuery"},
		{"filter", "/v1.0/users/delta?$filter=mail eq 'a'", "", "Request_UnsupportedQuery"},
		{"unknown property", "/v1.0/users/delta?$select=mail,nope", "", "BadRequest"},
		{"SharePoint's property", "/v1.0/users/delta?$select=skills", "", "NotImplemented"},
		{"select changed", delta + "&$select=id", "", "BadRequest"},
		{"both tokens", delta + "&$skiptoken=x", "", "BadRequest"},
		{"not a token", "/v1.0/users/delta?$deltatoken=abc", "", "BadRequest"},
		{"a made-up page", "/v1.0/users/delta?$skiptoken=" + (&linkToken{Tenant: f.tenant.ID, Kind: "users", Made: f.now.Unix(), Again: 99}).String(), "", "BadRequest"},
		{"made-up changes", "/v1.0/users/delta?$deltatoken=" + (&linkToken{Tenant: f.tenant.ID, Kind: "users", Made: f.now.Unix(), Later: true, Until: 99}).String(), "", "BadRequest"},
		{"a token of the contacts", strings.Replace(delta, "/users/", "/contacts/", 1), "", "BadRequest"},
		{"a bad page size", "/v1.0/users/delta", "Prefer: odata.maxpagesize=0", "BadRequest"},
		{"another tenant's link", delta, "Authorization: Bearer " + f.s.Bearer(other.ID), "BadRequest"},
		{"another tenant's page", next, "Authorization: Bearer " + f.s.Bearer(other.ID), "BadRequest"},
	} {
		headers := []string{"X-None: 1"}
		if c.header != "" {
			headers = append(headers, c.header)
		}
		a := f.get(c.path, headers...)
		require.GreaterOrEqual(t, a.status, 400, c.name)
		require.Equal(t, c.code, a.code(), c.name)
	}

	ids := f.tenant.Users()
	items, _, delta = f.round("/v1.0/users/delta?$select=mail&$filter=id eq '" + ids[3].ID + "' or id eq '" + ids[21].ID + "'")
	require.Len(t, items, 2)
	f.tenant.Update(ids[4].ID, func(u *User) { u.Mail = "x@fabrikam.example" })
	items, _, delta = f.round(delta)
	require.Empty(t, items)

	f.now = f.now.Add(7*24*time.Hour + time.Second)
	f.token = f.s.Bearer(f.tenant.ID)
	a := f.get(delta)
	require.Equal(t, http.StatusGone, a.status)
	require.Equal(t, "syncStateNotFound", a.code())
	loc := a.header.Get("Location")
	require.True(t, strings.HasPrefix(loc, f.url+"/v1.0/users/delta?"), loc)
	require.True(t, strings.HasSuffix(loc, "deltatoken="), loc)
	_, _, delta = f.round(loc)
	f.tenant.ExpireDelta("resyncRequired")
	require.Equal(t, "resyncRequired", f.get(delta).code())
}

func BenchmarkDeltaPage(b *testing.B) {
	s := New(nil)
	tn := s.AddTenant("", "", "")
	tn.Seed(1000, 1)
	tok := s.Bearer(tn.ID)
	r := httptest.NewRequest(http.MethodGet, "/v1.0/users/delta?$select=id,displayName,givenName,surname,mail,userPrincipalName,otherMails,mobilePhone,businessPhones,jobTitle,department,companyName,officeLocation,accountEnabled,userType,onPremisesSyncEnabled,manager", nil)
	r.Header.Set("Authorization", "Bearer "+tok)
	r.Header.Set("Prefer", "odata.maxpagesize=999")
	b.ReportAllocs()
	for b.Loop() {
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		if w.Code != 200 || w.Body.Len() < 100000 {
			b.Fatal(w.Body.String())
		}
	}
}
