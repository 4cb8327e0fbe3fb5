package graphcontacts_test

import (
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit/contacts"
	"github.com/mspkit/mspkit/contacts/contactstest"
	"github.com/mspkit/mspkit/contacts/graphcontacts"
	"github.com/mspkit/mspkit/internal/graphfake"
)

func TestOrgContactsPassTheSuite(t *testing.T) {
	t.Parallel()
	for name, quirks := range map[string]graphfake.Quirks{"plain": {}, "odd": {RemovedFirst: true, EmptyPages: true, Nulls: true}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			contactstest.TestSource(t, func(t *testing.T) (contacts.ContactSource, contactstest.Fixture) {
				w := newWorld(t, graphfake.Options{})
				w.contoso.SetQuirks(quirks)
				f := contactstest.Fixture{Tenant: "contoso", Other: "fabrikam", Unknown: "nobody"}
				for i := range 9 {
					f.IDs = append(f.IDs, graphcontacts.OrgContactID(w.contoso.OrgContact(graphfake.OrgContact{DisplayName: fmt.Sprint("m", i)})))
				}
				f.OtherIDs = []string{graphcontacts.OrgContactID(w.fabrika.OrgContact(graphfake.OrgContact{DisplayName: "f"}))}
				var n atomic.Int64
				moving := ""
				f.Change = func(*testing.T) {
					switch i := n.Add(1); {
					case i%2 == 0 && moving != "":
						w.contoso.DeleteOrgContact(moving, i%4 == 0)
					case i < 60:
						moving = w.contoso.OrgContact(graphfake.OrgContact{DisplayName: fmt.Sprint("moving", i)})
					}
				}
				f.Touch = func(_ *testing.T, id string) {
					w.contoso.OrgContact(graphfake.OrgContact{ID: strings.TrimPrefix(id, "orgcontact:"), DisplayName: "touched", JobTitle: strconv.FormatInt(n.Add(1), 10)})
				}
				s, err := graphcontacts.NewOrgContacts(w.creds, w.options(graphcontacts.Options{}))
				require.NoError(t, err)
				return s, f
			})
		})
	}
}

func TestAnOrgContact(t *testing.T) {
	t.Parallel()
	w := newWorld(t, graphfake.Options{})
	id := w.contoso.OrgContact(graphfake.OrgContact{
		DisplayName: "Courier", GivenName: "Cora", Surname: "Urier", Mail: "Desk@Courier.example", CompanyName: "Courier Inc", JobTitle: "Dispatcher",
		Mobile: "(202) 555-0143", Business: "+1 202 555 0199", Fax: "+1 202 555 0111",
	})
	s, err := graphcontacts.NewOrgContacts(w.creds, w.options(graphcontacts.Options{}))
	require.NoError(t, err)
	r := mustRun(t, s, contacts.Query{Tenant: "contoso"})
	require.Equal(t, contacts.Contact{
		Tenant: "contoso", ID: "orgcontact:" + id, Name: "Courier", FirstName: "Cora", LastName: "Urier", Company: "Courier Inc", JobTitle: "Dispatcher",
		Emails:  []contacts.Address{{Value: "desk@courier.example"}},
		Phones:  []contacts.Address{{Value: "+12025550143", Raw: "(202) 555-0143"}, {Value: "+12025550199", Raw: "+1 202 555 0199"}},
		Enabled: true, Sources: map[string]string{"entra-orgcontact": id},
	}, r.contacts["orgcontact:"+id])

	// The cursor of one listing is of no use for another one.
	_, err = w.source(t, graphcontacts.Options{}).FetchContacts(t.Context(), contacts.Query{Tenant: "contoso", Cursor: r.next})
	require.ErrorIs(t, err, contacts.ErrCursor)
}
