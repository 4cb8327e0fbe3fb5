package graphfake

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

// FuzzRequests sends what nobody would: the fake answers without a panic and without blaming itself.
func FuzzRequests(f *testing.F) {
	const user = "/users/ann@fabrikam.example"
	for _, c := range [][3]string{
		{"GET", "/users?$filter=startsWith(mail,'a') or not(userType eq 'Guest') and accountEnabled eq true&$count=true&$orderby=displayName", ""},
		{"GET", "/users?$filter=proxyAddresses/any(x:startsWith(x,'smtp:')) or mail in ('a','b')&$expand=manager($select=id)&$search=\"mail:a\"", ""},
		{"GET", "/users/delta?$select=mail,manager&$filter=id eq 'a'&$deltatoken=latest", ""},
		{"GET", "/contacts/delta?$skiptoken=eyJ0IjoiIn0", ""},
		{"GET", "/tenantRelationships/delegatedAdminRelationships?$filter=status eq 'active' or customer/tenantId eq 'x'", ""},
		{"PATCH", user, `{"mobilePhone":null,"businessPhones":["1"]}`},
		{"POST", user + "/sendMail", `{"message":{"toRecipients":[{"emailAddress":{"address":"a@b.example"}}],"from":null}}`},
		{"POST", user + "/messages", `{"attachments":[{"@odata.type":"#microsoft.graph.fileAttachment","name":"a","contentBytes":"aGk="}]}`},
		{"POST", "/$batch", `{"requests":[{"id":"1","method":"GET","url":"/users","dependsOn":[]},{"id":"2","method":"PATCH","url":"x","body":"aGk=","headers":{"Content-Type":"text/plain"}}]}`},
		{"GET", user + "/contacts?$skip=1&$top=2", ""},
	} {
		f.Add(c[0], c[1], c[2])
	}
	s := New(nil)
	t := s.AddTenant("", "Fabrikam", "fabrikam.example")
	t.Seed(20, 1)
	t.Put(User{DisplayName: "Ann", Mail: "ann@fabrikam.example"})
	bearer := s.Bearer(t.ID)
	f.Fuzz(func(t *testing.T, method, path, body string) {
		u, err := url.ParseRequestURI("/v1.0" + strings.ReplaceAll(path, " ", "%20"))
		if err != nil {
			t.Skip()
		}
		r, err := http.NewRequestWithContext(t.Context(), method, "http://graph.example", strings.NewReader(body))
		if err != nil {
			t.Skip()
		}
		r.URL = u
		r.Header = http.Header{"Authorization": {"Bearer " + bearer}, "Content-Type": {"application/json"}, "Consistencylevel": {"eventual"}}
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		if w.Code >= 500 && w.Code != http.StatusNotImplemented {
			t.Errorf("%s %s: %d %s", method, path, w.Code, w.Body)
		}
	})
}
