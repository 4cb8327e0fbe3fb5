package contactstest_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync/atomic"
	"testing"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/contacts"
	"github.com/mspkit/mspkit/contacts/contactstest"
)

func people(tenant mspkit.TenantID, prefix string, n int) (list []contacts.Contact, ids []string) {
	for i := range n {
		id := prefix + strconv.Itoa(i)
		list, ids = append(list, contacts.Contact{Tenant: tenant, ID: id, Name: id, Enabled: true}), append(ids, id)
	}
	return list, ids
}

func fixture(*testing.T) (contacts.ContactSource, contactstest.Fixture) {
	a, ids := people("contoso", "m", 9)
	b, others := people("fabrikam", "f", 4)
	s := contactstest.New(4, append(a, b...)...)
	var n atomic.Int64
	return s, contactstest.Fixture{
		Tenant: "contoso", IDs: ids, Other: "fabrikam", OtherIDs: others, Unknown: "nobody",
		Change: func(*testing.T) {
			i := n.Add(1)
			s.Put(contacts.Contact{Tenant: "contoso", ID: fmt.Sprintf("%c%d", "az"[i%2], i)})
			s.Remove("contoso", fmt.Sprintf("%c%d", "az"[i%2], i-2))
		},
		Touch: func(_ *testing.T, id string) { s.Put(contacts.Contact{Tenant: "contoso", ID: id, Name: "changed"}) },
	}
}

func TestSourcePassesItsSuite(t *testing.T) {
	t.Parallel()
	contactstest.TestSource(t, fixture)
}

func TestFaults(t *testing.T) {
	t.Parallel()
	list, _ := people("contoso", "m", 3)
	s := contactstest.New(2, list...)
	broken := errors.New("broken")
	s.SetFault(func(q contacts.Query) error {
		if q.Cursor != "" {
			return broken
		}
		return nil
	})
	n := 0
	var last error
	for _, err := range contacts.All(t.Context(), s, contacts.Query{Tenant: "contoso"}) {
		if last = err; err == nil {
			n++
		}
	}
	if !errors.Is(last, broken) || n != 2 || len(s.Queries()) != 2 {
		t.Errorf("%d contacts, %d queries, %v", n, len(s.Queries()), last)
	}
}

func TestRemovedAndForgotten(t *testing.T) {
	t.Parallel()
	list, _ := people("contoso", "m", 3)
	s := contactstest.New(0, list...)
	p, err := s.FetchContacts(t.Context(), contacts.Query{Tenant: "contoso"})
	if err != nil {
		t.Fatal(err)
	}
	s.Remove("contoso", "m1")
	s.Remove("contoso", "nobody")
	later, err := s.FetchContacts(t.Context(), contacts.Query{Tenant: "contoso", Cursor: p.Next})
	if err != nil || len(later.Contacts) != 0 || len(later.Removed) != 1 || later.Removed[0] != "m1" || later.Whole {
		t.Errorf("%+v, %v", later, err)
	}
	s.Forget()
	if _, err := s.FetchContacts(t.Context(), contacts.Query{Tenant: "contoso", Cursor: p.Next}); !errors.Is(err, contacts.ErrCursor) {
		t.Errorf("a forgotten cursor: %v", err)
	}
}

func ExampleNew() {
	source := contactstest.New(1,
		contacts.Contact{Tenant: "contoso", ID: "dana", Name: "Dana Whitfield", Enabled: true},
		contacts.Contact{Tenant: "contoso", ID: "omar", Name: "Omar Haddad", Enabled: true})
	source.SetFault(func(q contacts.Query) error {
		if q.Cursor != "" {
			return errors.New("the source went away after the first page")
		}
		return nil
	})
	for c, err := range contacts.All(context.Background(), source, contacts.Query{Tenant: "contoso"}) {
		fmt.Println(c.Name, err)
	}
	// Output:
	// Dana Whitfield <nil>
	//  the source went away after the first page
}

func ExampleTestSource() {
	_ = func(t *testing.T) { // TestMySource
		contactstest.TestSource(t, func(*testing.T) (contacts.ContactSource, contactstest.Fixture) {
			dana := contacts.Contact{Tenant: "contoso", ID: "1"}
			return contactstest.New(0, dana /* and four more */), contactstest.Fixture{Tenant: "contoso", IDs: []string{"1"}}
		})
	}
}

func ExampleTestDirectory() {
	_ = func(t *testing.T) { // TestMyDirectory
		contactstest.TestDirectory(t, func(_ *testing.T, p contacts.Precedence) func() contacts.Directory {
			var dir contacts.Directory // one of an empty database that believes sources as p says
			return func() contacts.Directory { return dir }
		}, &contactstest.DirectoryOptions{Histories: 100})
	}
}
