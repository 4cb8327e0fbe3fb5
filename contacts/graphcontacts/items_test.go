package graphcontacts_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit/contacts"
	"github.com/mspkit/mspkit/contacts/graphcontacts"
	"github.com/mspkit/mspkit/internal/graphfake"
)

// What an item of Graph says, and what becomes of it.
func TestOddItems(t *testing.T) {
	t.Parallel()
	const a, b = "00000000-0000-4000-8000-00000000000a", "00000000-0000-4000-8000-00000000000b"
	const whole = `"displayName":"A","userPrincipalName":"a@contoso.example","accountEnabled":true`
	for name, tc := range map[string]struct {
		items   string
		want    []string
		removed []string
		check   func(*testing.T, contacts.Contact)
	}{
		"removed in the first round":        {`{"id":"` + a + `","@removed":{"reason":"changed"}}`, nil, []string{a}, nil},
		"removed and there again":           {`{"id":"` + a + `","@removed":{"reason":"changed"}},{"id":"` + a + `",` + whole + `}`, []string{a}, nil, nil},
		"there and removed":                 {`{"id":"` + a + `",` + whole + `},{"id":"` + a + `","@removed":{"reason":"deleted"}}`, nil, []string{a}, nil},
		"removed is null":                   {`{"id":"` + a + `","@removed":null,` + whole + `}`, []string{a}, nil, nil},
		"an id in upper case":               {`{"id":"` + strings.ToUpper(a) + `",` + whole + `}`, []string{a}, nil, nil},
		"without an id, and with a bad one": {`{` + whole + `},{"id":"me",` + whole + `},{"id":"` + a + `/../x",` + whole + `},{"id":"` + b + `",` + whole + `}`, []string{b}, nil, nil},
		"twice": {
			`{"id":"` + a + `",` + whole + `,"jobTitle":"old","mobilePhone":"+12025550143","manager@delta":[{"id":"` + b + `"}]},{"id":"` + a + `","jobTitle":"new","mobilePhone":null}`,
			[]string{a},
			nil,
			func(t *testing.T, c contacts.Contact) {
				t.Helper()
				require.Equal(t, "new", c.JobTitle)
				require.Empty(t, c.Phones)
				require.Equal(t, b, c.Manager)
				require.True(t, c.Enabled)
			},
		},
		"managers come and go": {
			`{"id":"` + a + `",` + whole + `,"manager@delta":[{"id":"` + b + `"},{"id":"` + a + `","@removed":{"reason":"deleted"}}]}`,
			[]string{a},
			nil,
			func(t *testing.T, c contacts.Contact) { t.Helper(); require.Equal(t, b, c.Manager) },
		},
		"names of nothing": {
			`{"id":"` + a + `","displayName":"\u200b","givenName":"Ann","surname":"Lee","userPrincipalName":"a@contoso.example","accountEnabled":true,"preferredLanguage":"<b>"}`,
			[]string{a},
			nil,
			func(t *testing.T, c contacts.Contact) {
				t.Helper()
				require.Equal(t, "Ann Lee", c.Name)
				require.Empty(t, c.Locale)
			},
		},
		"numbers of every kind": {
			`{"id":"` + a + `",` + whole + `,"mobilePhone":"+1 (555) 123-4567 ext. 9","businessPhones":["  ","(202) 555-0143","+1 202 555 0143","call me"]}`,
			[]string{a},
			nil,
			func(t *testing.T, c contacts.Contact) {
				t.Helper()
				require.Equal(t, []contacts.Address{
					{Raw: "+1 (555) 123-4567 ext. 9"}, {Value: "+12025550143", Raw: "(202) 555-0143"}, {Raw: "call me"},
				}, c.Phones)
			},
		},
		"a mail that is none": {
			`{"id":"` + a + `",` + whole + `,"mail":"Dana <d@x.example>, e@x.example"}`,
			[]string{a},
			nil,
			func(t *testing.T, c contacts.Contact) { t.Helper(); require.Empty(t, c.Emails) },
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, graphfake.Options{})
			w.SetFault(func(*http.Request) *graphfake.Fault {
				return &graphfake.Fault{Body: `{"value":[` + tc.items + `],"@odata.deltaLink":"` + w.url + `/v1.0/users/microsoft.graph.delta()?$deltatoken=x"}`}
			})
			p, err := w.source(t, graphcontacts.Options{}).FetchContacts(t.Context(), contacts.Query{Tenant: "contoso"})
			require.NoError(t, err)
			var ids []string
			for _, c := range p.Contacts {
				ids = append(ids, c.ID)
				if tc.check != nil {
					tc.check(t, c)
				}
			}
			require.Equal(t, tc.want, ids)
			require.Equal(t, tc.removed, p.Removed)
			require.False(t, p.More)
			require.NotEmpty(t, p.Next)
		})
	}
}

// A round of changes that tells of somebody who cannot be read: gone, or so new that not every server knows them.
func TestWhoCannotBeRead(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		item  string
		there bool
	}{
		"a change":      {`"jobTitle":"x"`, false},
		"all of a user": {`"displayName":"A","userPrincipalName":"a@contoso.example","accountEnabled":true`, true},
	} {
		w := newWorld(t, graphfake.Options{})
		people(w.contoso, 1, "p")
		s := w.source(t, graphcontacts.Options{})
		first := mustRun(t, s, contacts.Query{Tenant: "contoso"})
		const id = "00000000-0000-4000-8000-00000000000a"
		w.SetFault(func(r *http.Request) *graphfake.Fault {
			if !strings.HasSuffix(r.URL.Path, "/delta") {
				return nil
			}
			return &graphfake.Fault{Body: `{"value":[{"id":"` + id + `",` + tc.item + `}],"@odata.deltaLink":"` + w.url + `/v1.0/users/delta?$deltatoken=x"}`}
		})
		r := mustRun(t, s, contacts.Query{Tenant: "contoso", Cursor: first.next})
		_, there := r.contacts[id]
		require.Equal(t, tc.there, there, name)
		require.Equal(t, !tc.there, len(r.removed) == 1, name)
	}
}
