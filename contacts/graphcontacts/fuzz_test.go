package graphcontacts

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/contacts"
	"github.com/mspkit/mspkit/internal/cursor"
	"github.com/mspkit/mspkit/internal/phone"
)

// FuzzDeltaItem reads what a server may say of people. It may be refused, and what is taken keeps the promises of a source.
func FuzzDeltaItem(f *testing.F) {
	const id = `"id":"00000000-0000-4000-8000-00000000000a"`
	for _, s := range []string{
		`{` + id + `,"displayName":"A","mail":"a@x.example","mobilePhone":"+12025550143","accountEnabled":true,"manager@delta":[{` + id + `}]}`,
		`{` + id + `,"@removed":{"reason":"deleted"}}`, `{` + id + `,"phones":[{"type":"mobile","number":"1"},null]}`, `{` + id + `,"@removed":null}`,
		`{` + id + `,"businessPhones":[null,"(202) 555-0143"],"otherMails":["x","y@z.example"],"userPrincipalName":"a#EXT#@x.example"}`,
		`{"id":"A"}`, `{"id":7}`, `[]`, `null`, `{"ID":"00000000-0000-4000-8000-00000000000A","manager":{"id":null},"assignedLicenses":[{}]}`,
		`{` + id + `,"emailAddresses":[{"address":"a@b.example"},{}],"homePhones":["` + strings.Repeat("9", 300) + `"]}`,
	} {
		f.Add(s, `{`+id+`,"displayName":null,"phones":[{"number":"2"}]}`, true)
	}
	f.Fuzz(func(t *testing.T, a, b string, later bool) {
		p := &page{later: later, ident: canonicalID}
		for _, s := range []string{a, b} {
			if !json.Valid([]byte(s)) {
				return
			}
			if err := p.add(json.RawMessage(s)); err != nil {
				if !errors.Is(err, contacts.ErrSource) {
					t.Fatalf("%v is not ErrSource", err)
				}
				return
			}
		}
		for _, e := range p.entries {
			e.o.settle()
		}
		m := maker{phones: phone.Reader{Region: "US"}}
		u := &users{maker: m, o: Options{Guests: true, UserPrincipalNames: true, OtherMails: true}}
		kept, removed, err := u.choose(t.Context(), "contoso", p.entries)
		if err == nil {
			check(t, kept, removed)
		}
		kept, removed, err = orgContacts{m}.choose(t.Context(), "contoso", p.entries)
		if err != nil {
			t.Fatal(err)
		}
		check(t, kept, removed)
		for _, e := range p.entries {
			check(t, []contacts.Contact{(&Mailbox{maker: m}).contact("contoso", &e.o)}, nil)
		}
	})
}

func check(t *testing.T, kept []contacts.Contact, removed []string) {
	t.Helper()
	for _, c := range kept {
		if c.ID == "" || len(c.ID) > mspkit.MaxID || c.Tenant != "contoso" || slices.Contains(removed, c.ID) {
			t.Fatalf("a contact with the id %q", c.ID)
		}
		for _, a := range c.Phones {
			if a.Raw == "" || a.Value != "" && (a.Value[0] != '+' || strings.Trim(a.Value[1:], "0123456789") != "") || !a.FirstSeen.IsZero() {
				t.Fatalf("a phone number %+v", a)
			}
		}
		for _, a := range c.Emails {
			if v, err := contacts.CanonicalEmail(a.Value); err != nil || v != a.Value {
				t.Fatalf("an address %+v", a)
			}
		}
		for _, s := range []string{c.Name, c.FirstName, c.LastName, c.Company, c.JobTitle, c.Locale} {
			if strings.ContainsAny(s, "\n\r\x00\u202e") || len([]rune(s)) > maxText {
				t.Fatalf("a text %q", s)
			}
		}
		if c.Manager != "" && canonicalID(c.Manager) != c.Manager {
			t.Fatalf("a manager %q", c.Manager)
		}
	}
}

// FuzzCursor reads cursors that somebody has forged: what is taken leads to nothing but the query of a link.
func FuzzCursor(f *testing.F) {
	const now = 1_800_000_000_000
	f.Add([]byte(`{"v":1,"o":"x","q":"$skiptoken=a","i":true,"w":true,"b":1}`))
	f.Add([]byte(`{"v":1,"o":"x","q":"$deltatoken=a","b":1,"t":1}`))
	f.Add([]byte(`{"v":1,"o":"x","q":"a b\r\nx","b":1,"t":1}`))
	f.Add([]byte(`{"v":1,"i":true,"w":true,"f":"../../me","b":1,"s":1,"d":"x","n":"#"}`))
	f.Add([]byte(`{"v":1,"b":9000000000000000000,"t":-1}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		var st state
		if !cursor.Decode(cursor.Sign(body, owner, "users", "contoso"), &st, owner, "users", "contoso") || !st.sound(now) {
			return
		}
		for _, q := range []string{st.Query, st.Then} {
			if strings.ContainsAny(q, " \r\n\t#") {
				t.Fatalf("a query %q", q)
			}
		}
		if st.Inside && !st.Whole && st.Query == "" || !st.Inside && (st.Query == "" || st.Skip > 0) {
			t.Fatalf("a state %+v", st)
		}
	})
}

func TestLinkQuery(t *testing.T) {
	t.Parallel()
	const base = "https://graph.microsoft.com"
	for link, want := range map[string]string{
		base + "/v1.0/users/delta?$skiptoken=abc":                                 "$skiptoken=abc",
		base + "/v1.0/users/microsoft.graph.delta()?$deltatoken=a%3D":             "$deltatoken=a%3D",
		base + "/v1.0/users('x')/contactFolders('y')/contacts/delta?$skiptoken=a": "$skiptoken=a",
		"https://GRAPH.microsoft.com/v1.0/users/delta?$skiptoken=abc":             "$skiptoken=abc",
		base + "/v1.0/users/delta":                                                "",
		base + "/v1.0/users?$skiptoken=a":                                         "",
		base + "/beta/users/delta?$skiptoken=a":                                   "",
		"http://graph.microsoft.com/v1.0/users/delta?$skiptoken=a":                "",
		"https://graph.microsoft.com.evil.example/v1.0/users/delta?$skiptoken=a":  "",
		"https://x@graph.microsoft.com/v1.0/users/delta?$skiptoken=a":             "",
		"//graph.microsoft.com/v1.0/users/delta?$skiptoken=a":                     "",
		"/v1.0/users/delta?$skiptoken=a":                                          "",
		base + "/v1.0/users/delta?$skiptoken=a b":                                 "",
		"%zz": "", "": "",
	} {
		query, ok := linkQuery(base, link)
		if ok != (want != "") || ok && query != want {
			t.Errorf("%q: %q %t", link, query, ok)
		}
	}
	if _, ok := linkQuery("https://proxy.example/graph", "https://proxy.example/v1.0/users/delta?$skiptoken=a"); ok {
		t.Error("a link outside the path of a proxy")
	}
}
