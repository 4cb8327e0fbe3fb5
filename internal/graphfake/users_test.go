package graphfake

import (
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// staff are three people and a shared mailbox.
func staff(f *fixture) (ann, bob, cem string) {
	ann = f.tenant.Put(User{
		ID: "aaaaaaaa-0000-4000-8000-000000000001", DisplayName: "Ann", GivenName: "Ann", Surname: "Adler", Mail: "ann@fabrikam.example",
		MobilePhone: "+12065550100", BusinessPhones: []string{"+12065550101"}, JobTitle: "Head", ProxyAddresses: []string{"SMTP:ann@fabrikam.example", "smtp:a@fabrikam.example"},
		Licences: []string{"SPE_E3"},
	})
	bob = f.tenant.Put(User{
		ID: "aaaaaaaa-0000-4000-8000-000000000002", DisplayName: "Bob", Mail: "bob@fabrikam.example", ManagerID: ann, Admin: true, Disabled: true,
	})
	cem = f.tenant.Put(User{
		ID: "aaaaaaaa-0000-4000-8000-000000000003", DisplayName: "Cem O'Neil \"C\"", UPN: "cem#EXT#@fabrikam.example", UserType: "Guest", OnPremisesSync: true,
	})
	f.tenant.Put(User{ID: "aaaaaaaa-0000-4000-8000-000000000004", DisplayName: "Help", Mail: "help@fabrikam.example", Purpose: "shared"})
	return ann, bob, cem
}

func names4(a answered) string {
	var out []string
	for _, u := range a.value() {
		name, _ := u["displayName"].(string)
		out = append(out, name[:min(3, len(name))])
	}
	return strings.Join(out, " ")
}

func TestListUsers(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	staff(f)
	const eventual = "ConsistencyLevel: eventual"
	for _, c := range []struct{ query, header, want, code string }{
		{"", "", "Ann Bob Cem Hel", ""},
		{"$filter=accountEnabled eq true", "", "Ann Cem Hel", ""},
		{"$filter=userType eq 'Member'", "", "Ann Bob Hel", ""},
		{"$filter=mail eq 'ANN@fabrikam.example'", "", "Ann", ""},
		{"$filter=accountEnabled eq true and userType eq 'Member'", "", "Ann Hel", ""},
		{"$filter=(displayName eq 'Ann' or displayName eq 'Bob') and accountEnabled eq false", "", "Bob", ""},
		{"$filter=displayName eq 'Cem O''Neil \"C\"'", "", "Cem", ""},
		{"$filter=startsWith(displayName,'a')", "", "Ann", ""},
		{"$filter=displayName in ('Ann','Help')", "", "Ann Hel", ""},
		{"$filter=mail eq null", "", "Cem", ""},
		{"$filter=onPremisesSyncEnabled eq true", "", "Cem", ""},
		{"$filter=proxyAddresses/any(x:x eq 'smtp:a@fabrikam.example')", "", "Ann", ""},
		{"$filter=proxyAddresses/any(x:startsWith(x,'SMTP:'))", "", "Ann", ""},
		{"$orderby=displayName desc", "", "Hel Cem Bob Ann", ""},
		{"$search=\"displayName:nn\"", eventual, "Ann", ""},
		// advanced ones
		{"$filter=userType ne 'Guest'&$count=true", eventual, "Ann Bob Hel", ""},
		{"$filter=not(userType eq 'Guest')&$count=true", eventual, "Ann Bob Hel", ""},
		{"$filter=endsWith(mail,'fabrikam.example')&$count=true", eventual, "Ann Bob Hel", ""},
		{"$filter=businessPhones/any(p:p eq '%2B12065550101')&$count=true", eventual, "Ann", ""},
		{"$filter=userType ne 'Guest'", eventual, "", "Request_UnsupportedQuery"},
		{"$filter=userType ne 'Guest'&$count=true", "", "", "Request_UnsupportedQuery"},
		{"$filter=endsWith(mail,'x')&$count=true", "", "", "Request_UnsupportedQuery"},
		{"$search=\"displayName:nn\"", "", "", "Request_UnsupportedQuery"},
		{"$filter=userType eq 'Guest'&$orderby=displayName", "", "", "Request_UnsupportedQuery"},
		// what does not exist
		{"$select=id,nope", "", "", "BadRequest"},
		{"$select=Mail", "", "", "BadRequest"},
		{"$select=skills", "", "", "NotImplemented"},
		{"$select=manager", "", "", "BadRequest"},
		{"$expand=memberOf", "", "", "BadRequest"},
		{"$expand=manager($select=nope)", "", "", "BadRequest"},
		{"$top=1000", "", "", "BadRequest"},
		{"$top=0", "", "", "BadRequest"},
		{"$skip=1", "", "", "Request_UnsupportedQuery"},
		{"$filter=nope eq 'a'", "", "", "BadRequest"},
		{"$filter=mail eq ann", "", "", "BadRequest"},
		{"$filter=mail eq 'a", "", "", "BadRequest"},
		{"$filter=mail gt 'a'", "", "", "BadRequest"},
		{"$filter=mail eq 'a' mail eq 'b'", "", "", "BadRequest"},
		{"$filter=(mail eq 'a'", "", "", "BadRequest"},
		{"select=id", "", "", "BadRequest"},
		{"$select=id&$select=mail", "", "", "BadRequest"},
	} {
		a := f.get("/v1.0/users?"+c.query, append([]string{"X-None: 1"}, c.header)...)
		require.Equal(t, c.code, a.code(), "%s: %s", c.query, a.body)
		require.Equal(t, c.want, names4(a), c.query)
	}
	a := f.get("/v1.0/users?$filter=userType ne 'Guest'&$count=true", eventual)
	require.InEpsilon(t, 3, a.m["@odata.count"], 0)
	require.Equal(t, "3", f.get("/v1.0/users/$count?$filter=userType eq 'Member'", eventual).body)
	require.Equal(t, "Request_UnsupportedQuery", f.get("/v1.0/users/$count").code())
}

func TestPagesOfUsers(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	f.tenant.Seed(250, 3)
	seen := map[any]bool{}
	path := "/v1.0/users?$select=id,mail&$filter=userType ne 'x'&$count=true&$top=100"
	for pages := 1; ; pages++ {
		a := f.get(path, "ConsistencyLevel: eventual")
		require.Equal(t, http.StatusOK, a.status, a.body)
		for _, u := range a.value() {
			require.Len(t, u, 2)
			seen[u["id"]] = true
		}
		if path = a.link("nextLink"); path == "" {
			require.Equal(t, 3, pages)
			break
		}
		require.Equal(t, "Request_UnsupportedQuery", f.get(path).code(), "the header is needed on every page")
	}
	require.Len(t, seen, 250)
	require.Len(t, f.get("/v1.0/users").value(), 100)
	require.Len(t, f.get("/v1.0/users?$top=999").value(), 250)
}

func TestGetUser(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	ann, bob, cem := staff(f)
	a := f.get("/v1.0/users/" + strings.ToUpper(ann))
	require.Equal(t, "Ann", a.m["displayName"])
	require.NotContains(t, a.m, "accountEnabled", "it needs $select")
	a = f.get("/v1.0/users/bob@fabrikam.example?$select=accountEnabled,userType,onPremisesSyncEnabled,city&$expand=manager($select=id,displayName)")
	require.Equal(t, false, a.m["accountEnabled"])
	require.Nil(t, a.m["onPremisesSyncEnabled"])
	require.Equal(t, map[string]any{"@odata.type": "#microsoft.graph.user", "id": ann, "displayName": "Ann"}, a.m["manager"])
	require.Equal(t, http.StatusOK, f.get("/v1.0/users/cem%23EXT%23@fabrikam.example").status)

	a = f.get("/v1.0/users/" + bob + "/manager?$select=id,mail")
	require.Equal(t, ann, a.m["id"])
	require.Equal(t, "Request_ResourceNotFound", f.get("/v1.0/users/"+ann+"/manager").code())
	require.Equal(t, "Request_ResourceNotFound", f.get("/v1.0/users/nobody@fabrikam.example").code())
	f.tenant.Update(cem, func(u *User) { u.UPN = "new@fabrikam.example" })
	require.Equal(t, http.StatusNotFound, f.get("/v1.0/users/cem%23EXT%23@fabrikam.example").status, "an old name leads nowhere")
	require.Equal(t, http.StatusOK, f.get("/v1.0/users/new@fabrikam.example").status)
	f.tenant.Update(ann, func(u *User) { u.UPN = "a.adler@fabrikam.example" })
	require.Equal(t, http.StatusNotFound, f.get("/v1.0/users/ann@fabrikam.example").status, "an address is not a sign-in name")
	require.Equal(t, http.StatusOK, f.get("/v1.0/users/ann@fabrikam.example/mailboxSettings").status)
	f.tenant.Delete(cem, false)
	require.Equal(t, http.StatusNotFound, f.get("/v1.0/users/"+cem).status)

	a = f.get("/v1.0/organization?$select=id,displayName,verifiedDomains")
	require.Equal(t, f.tenant.ID, a.value()[0]["id"])
	require.Equal(t, "BadRequest", f.get("/v1.0/organization?$select=nope").code())
}

func TestPatchPhones(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	ann, bob, cem := staff(f)
	for _, c := range []struct {
		id, body string
		status   int
		code     string
	}{
		{ann, `{"mobilePhone":"+12065550123","businessPhones":["+12065550124"]}`, 204, ""},
		{ann, `{"mobilePhone":null,"businessPhones":[]}`, 204, ""},
		{ann, `{"businessPhones":["1","2"]}`, 400, "Request_BadRequest"},
		{ann, `{"businessPhones":null}`, 400, "Request_BadRequest"},
		{ann, `{"mobilePhone":"` + strings.Repeat("1", 65) + `"}`, 400, "Request_BadRequest"},
		{ann, `{"mobilePhone":""}`, 400, "Request_BadRequest"},
		{ann, `{"mobilePhone":7}`, 400, "RequestBodyRead"},
		{ann, `{"MobilePhone":"1"}`, 400, "RequestBodyRead"},
		{ann, `{"nope":"1"}`, 400, "RequestBodyRead"},
		{ann, `{}`, 400, "Request_BadRequest"},
		{ann, `[]`, 400, "BadRequest"},
		{ann, `{"displayName":"x"}`, 403, "Authorization_RequestDenied"},
		{bob, `{"mobilePhone":"1"}`, 403, "Authorization_RequestDenied"},
		{cem, `{"mobilePhone":"1"}`, 400, "Request_BadRequest"},
		{"nobody", `{"mobilePhone":"1"}`, 404, "Request_ResourceNotFound"},
	} {
		a := f.do(http.MethodPatch, "/v1.0/users/"+c.id, c.body)
		require.Equal(t, c.status, a.status, c.body)
		require.Equal(t, c.code, a.code(), c.body)
	}
	u, _ := f.tenant.User(ann)
	require.Empty(t, u.MobilePhone)
	require.Empty(t, u.BusinessPhones)
	require.Equal(t, http.StatusUnsupportedMediaType, f.do(http.MethodPatch, "/v1.0/users/"+ann, `{"mobilePhone":"1"}`, "Content-Type: text/json").status)
}

func TestRolesPresenceAndMailboxes(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	ann, bob, cem := staff(f)
	f.tenant.Update(ann, func(u *User) { u.Presence, u.Activity = "Busy", "InACall" })
	cast := "/transitiveMemberOf/microsoft.graph.directoryRole?$select=displayName,roleTemplateId&$count=true"
	require.Equal(t, "Request_UnsupportedQuery", f.get("/v1.0/users/"+bob+cast).code())
	roles := f.get("/v1.0/users/"+bob+cast, "ConsistencyLevel: eventual").value()
	require.Len(t, roles, 1)
	require.Equal(t, "62e90394-69f5-4237-9190-012177145e10", roles[0]["roleTemplateId"])
	require.Empty(t, f.get("/v1.0/users/"+ann+"/transitiveMemberOf").value())
	require.Equal(t, "#microsoft.graph.directoryRole", f.get("/v1.0/users/" + bob + "/memberOf").value()[0]["@odata.type"])
	require.Len(t, f.get("/v1.0/roleManagement/directory/roleAssignments?$filter=principalId eq '"+bob+"'").value(), 1)
	require.Equal(t, "BadRequest", f.get("/v1.0/roleManagement/directory/roleAssignments").code())
	require.Equal(t, "SPE_E3", f.get("/v1.0/users/" + ann + "/licenseDetails").value()[0]["skuPartNumber"])

	a := f.get("/v1.0/users/" + ann + "/presence")
	require.Equal(t, "Busy InACall", a.m["availability"].(string)+" "+a.m["activity"].(string))
	a = f.do(http.MethodPost, "/v1.0/communications/getPresencesByUserId", `{"ids":["`+bob+`","`+newID()+`","`+ann+`"]}`)
	require.Len(t, a.value(), 2)
	require.Equal(t, "PresenceUnknown", a.value()[0]["availability"])
	require.Equal(t, 400, f.do(http.MethodPost, "/v1.0/communications/getPresencesByUserId", `{"ids":[]}`).status)

	require.Equal(t, "shared", f.get("/v1.0/users/help@fabrikam.example/mailboxSettings/userPurpose").m["value"])
	require.Equal(t, "user", f.get("/v1.0/users/" + ann + "/mailboxSettings?$select=userPurpose").m["userPurpose"])
	require.Equal(t, "BadRequest", f.get("/v1.0/users/"+ann+"/mailboxSettings?$select=purpose").code())
	for path, code := range map[string]string{
		cem + "/mailboxSettings":                  "MailboxNotEnabledForRESTAPI",
		"nobody@fabrikam.example/mailboxSettings": "ErrorInvalidUser",
		newID() + "/mailboxSettings/userPurpose":  "ResourceNotFound",
	} {
		a := f.get("/v1.0/users/" + path)
		require.Equal(t, http.StatusNotFound, a.status)
		require.Equal(t, code, a.code(), path)
	}
}

func TestPhotos(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	f.tenant.Seed(12, 1)
	users := f.tenant.Users()
	path := "/v1.0/users/" + users[3].ID
	info := f.get(path + "/photo")
	require.InEpsilon(t, 96, info.m["width"], 0)
	tag := info.m["@odata.mediaEtag"].(string)
	a := f.get(path + "/photos/48x48/$value")
	require.Equal(t, "image/jpeg", a.header.Get("Content-Type"))
	require.Equal(t, tag, a.header.Get("Etag"))
	require.True(t, strings.HasPrefix(a.body, "\xff\xd8\xff"))
	a = f.get(path+"/photo/$value", "If-None-Match: "+tag)
	require.Equal(t, http.StatusNotModified, a.status)
	require.Empty(t, a.body)
	f.tenant.Update(users[3].ID, func(u *User) { u.JobTitle = "Changed" })
	require.Equal(t, http.StatusNotModified, f.get(path+"/photo/$value", "If-None-Match: "+tag).status, "a change of something else keeps the photo")
	f.tenant.Update(users[3].ID, func(u *User) { u.Photo = []byte("\x89PNG\r\n\x1a\nx") })
	a = f.get(path+"/photo/$value", "If-None-Match: "+tag)
	require.Equal(t, http.StatusOK, a.status)
	require.Equal(t, "image/png", a.header.Get("Content-Type"))
	f.tenant.Update(users[3].ID, func(u *User) { u.Photo = nil })
	for _, p := range []string{path + "/photo", path + "/photo/$value", "/v1.0/users/" + users[1].ID + "/photo/$value"} {
		a := f.get(p)
		require.Equal(t, http.StatusNotFound, a.status)
		require.Equal(t, "ImageNotFound", a.code())
	}
	require.Equal(t, "ErrorInvalidImageId", f.get(path+"/photos/49x49/$value").code())
	require.Equal(t, "Request_ResourceNotFound", f.get("/v1.0/users/nobody/photo/$value").code())
}

func TestSeededPeople(t *testing.T) {
	t.Parallel()
	require.NotZero(t, names()%step)
	n := names() + 2000 // so that some come again with a number
	f := newFixture(t, nil)
	f.tenant.Seed(n, 7)
	same := New(nil).AddTenant(f.tenant.ID, "x", f.tenant.Domain)
	same.Seed(n, 7)
	mobile, business := regexp.MustCompile(`^\+1\d{3}55501\d\d$`), regexp.MustCompile(`^\+1 (\(\d{3}\) |\d{3}-)555-01\d\d( ext\. \d\d)?$`)
	upns, kinds := map[string]bool{}, map[string]int{}
	for i, u := range f.tenant.Users() {
		upns[strings.ToLower(u.UPN)] = true
		if again, _ := same.at(i); again.ID != u.ID || again.Mail != u.Mail {
			t.Fatalf("slot %d differs: %s, %s", i, u.ID, again.ID)
		}
		for _, name := range []string{u.ID, u.UPN, strings.ToUpper(u.Mail)} {
			if slot, ok := f.tenant.find(name); !ok || slot != i {
				t.Fatalf("%s is at %d: %d, %t", name, i, slot, ok)
			}
		}
		if m, ok := f.tenant.find(u.ManagerID); u.ManagerID != "" && (!ok || m >= i) {
			t.Fatalf("the manager of %d is %d: %t", i, m, ok)
		}
		switch {
		case u.UserType == "Guest":
			kinds["guest"]++
		case u.Purpose == "shared":
			kinds["shared"]++
		case u.Disabled:
			kinds["disabled"]++
		}
		if u.MobilePhone != "" {
			require.Regexp(t, mobile, u.MobilePhone)
			kinds["mobile"]++
		}
		for _, p := range u.BusinessPhones {
			require.Regexp(t, business, p)
			kinds["business"]++
		}
	}
	require.Len(t, upns, n)
	for _, k := range []string{"guest", "shared", "disabled", "mobile", "business"} {
		require.Greater(t, kinds[k], 200, k)
	}
	require.Panics(t, func() { f.tenant.Seed(1, 1) })
}
