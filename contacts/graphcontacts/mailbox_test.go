package graphcontacts_test

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/contacts"
	"github.com/mspkit/mspkit/contacts/contactstest"
	"github.com/mspkit/mspkit/contacts/graphcontacts"
	"github.com/mspkit/mspkit/entra/azurecred"
)

// exchange is a server of mailboxes: folders of contacts, listed by the first round of delta.
type exchange struct {
	mu      sync.Mutex
	url     string
	folders map[string]*folder // by "mailbox/folder", with an empty folder for the first one
	fault   func(*http.Request) int
	asked   []*http.Request
}

type folder struct {
	parent string
	ids    []string
	items  map[string]map[string]any
}

func newExchange(t *testing.T) *exchange {
	t.Helper()
	x := &exchange{folders: map[string]*folder{}}
	srv := httptest.NewServer(x)
	t.Cleanup(srv.Close)
	x.url = srv.URL
	return x
}

// put adds a contact to a folder, which is made below parent.
func (x *exchange) put(mailbox, name, parent, id string, props map[string]any) {
	x.mu.Lock()
	defer x.mu.Unlock()
	f := x.folders[mailbox+"/"+name]
	if f == nil {
		f = &folder{parent: parent, items: map[string]map[string]any{}}
		x.folders[mailbox+"/"+name] = f
	}
	if id == "" {
		return
	}
	if f.items[id] == nil {
		f.ids = append(f.ids, id)
	}
	item := map[string]any{"id": id, "displayName": id}
	maps.Copy(item, props)
	f.items[id] = item
}

func (x *exchange) remove(mailbox, name, id string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if f := x.folders[mailbox+"/"+name]; f != nil {
		delete(f.items, id)
	}
}

func (x *exchange) removeFolder(mailbox, name string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	delete(x.folders, mailbox+"/"+name)
}

func (x *exchange) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.asked = append(x.asked, r)
	w.Header().Set("Content-Type", "application/json")
	status, code := 0, "Error"
	if x.fault != nil {
		status = x.fault(r)
	}
	tenant := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	parts := strings.Split(strings.TrimPrefix(r.URL.Path, "/v1.0/users/"), "/")
	mailbox := parts[0]
	var body any
	switch {
	case status != 0:
	case !strings.HasSuffix(mailbox, "@"+tenant) || x.folders[mailbox+"/"] == nil:
		status, code = http.StatusNotFound, "MailboxNotEnabledForRESTAPI"
	case len(parts) == 3 && parts[1] == "contacts":
		body, status = x.page(r, mailbox, "")
	case len(parts) == 5 && parts[3] == "contacts":
		body, status = x.page(r, mailbox, parts[2])
	case len(parts) == 2:
		body = x.children(mailbox, "")
	case len(parts) == 4 && parts[3] == "childFolders":
		body = x.children(mailbox, parts[2])
	default:
		status = http.StatusBadRequest
	}
	if status != 0 {
		w.WriteHeader(status)
		body = map[string]any{"error": map[string]any{"code": code, "message": "x"}}
	}
	_ = json.NewEncoder(w).Encode(body)
}

func (x *exchange) page(r *http.Request, mailbox, name string) (any, int) {
	f := x.folders[mailbox+"/"+name]
	if f == nil {
		return nil, http.StatusNotFound
	}
	size := 10
	for p := range strings.SplitSeq(r.Header.Get("Prefer"), ",") {
		if n, ok := strings.CutPrefix(strings.TrimSpace(p), "odata.maxpagesize="); ok {
			size, _ = strconv.Atoi(n)
		}
	}
	at := 0
	if tok := r.URL.Query().Get("$skiptoken"); tok != "" {
		n, err := strconv.Atoi(strings.TrimPrefix(tok, mailbox+name))
		if err != nil {
			return nil, http.StatusGone
		}
		at = n
	} else if r.URL.Query().Get("$select") == "" {
		return nil, http.StatusBadRequest
	}
	items := []any{}
	for ; at < len(f.ids) && len(items) < size; at++ {
		if it := f.items[f.ids[at]]; it != nil {
			items = append(items, it)
		} else {
			items = append(items, map[string]any{"id": f.ids[at], "@removed": map[string]any{"reason": "deleted"}})
		}
	}
	link := x.url + "/v1.0/users('" + mailbox + "')/contactFolders('x')/contacts/delta?"
	if at < len(f.ids) {
		return map[string]any{"value": items, "@odata.nextLink": link + "$skiptoken=" + url.QueryEscape(mailbox+name+strconv.Itoa(at))}, 0
	}
	return map[string]any{"value": items, "@odata.deltaLink": link + "$deltatoken=end"}, 0
}

func (x *exchange) children(mailbox, of string) any {
	out := []any{}
	for key, f := range x.folders {
		if name, ok := strings.CutPrefix(key, mailbox+"/"); ok && name != "" && f.parent == of {
			out = append(out, map[string]any{"id": name})
		}
	}
	slices.SortFunc(out, func(a, b any) int { return -cmp.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
	return map[string]any{"value": out}
}

func (x *exchange) source(t *testing.T, mailboxes graphcontacts.Mailboxes) *graphcontacts.Mailbox {
	t.Helper()
	c := creds{
		bearer: func(tenant string) string { return tenant },
		ids:    map[mspkit.TenantID]string{"contoso": "contoso.example", "fabrikam": "fabrikam.example", "empty": "empty.example"},
	}
	if mailboxes == nil {
		mailboxes = func(_ context.Context, tenant mspkit.TenantID) (string, error) {
			switch tenant {
			case "empty", "nobody":
				return "", nil
			}
			return "desk@" + string(tenant) + ".example", nil
		}
	}
	s, err := graphcontacts.NewMailboxContacts(c, mailboxes, &graphcontacts.Options{
		Cloud: azurecred.Cloud{Login: x.url, Graph: x.url}, Region: "US", Retry: policy.RetryOptions{MaxRetries: -1},
	})
	require.NoError(t, err)
	return s
}

const desk = "desk@contoso.example"

func TestAMailboxPassesTheSuite(t *testing.T) {
	t.Parallel()
	contactstest.TestSource(t, func(t *testing.T) (contacts.ContactSource, contactstest.Fixture) {
		x := newExchange(t)
		f := contactstest.Fixture{Tenant: "contoso", Other: "fabrikam", Unknown: "nobody"}
		x.put("desk@fabrikam.example", "", "", "F1", nil)
		f.OtherIDs = []string{graphcontacts.MailboxContactID("F1")}
		for i := range 9 {
			// Some in the first folder, one folder below it, and one below that.
			name, parent := "", ""
			if i > 3 {
				name = "VIP"
			}
			if i > 6 {
				name, parent = "Board", "VIP"
			}
			id := fmt.Sprint("M", i)
			x.put(desk, name, parent, id, nil)
			f.IDs = append(f.IDs, graphcontacts.MailboxContactID(id))
		}
		var n atomic.Int64
		f.Change = func(*testing.T) {
			i := n.Add(1)
			x.remove(desk, "", fmt.Sprint("new", i-1))
			if i < 40 {
				x.put(desk, "", "", fmt.Sprint("new", i), nil)
			}
		}
		return x.source(t, nil), f
	})
}

func TestAMailboxContact(t *testing.T) {
	t.Parallel()
	x := newExchange(t)
	x.put(desk, "", "", "AAkALg=", map[string]any{
		"displayName": "Courier", "givenName": "Cora", "surname": "Urier", "companyName": "Courier Inc", "jobTitle": "Dispatcher",
		"emailAddresses": []any{map[string]any{"name": "Desk", "address": "Desk@Courier.example"}, map[string]any{"address": "no address"}},
		"mobilePhone":    "(202) 555-0143", "businessPhones": []string{"+1 202 555 0199"}, "homePhones": []string{"+1 (555) 123-4567 ext. 9"},
	})
	x.put(desk, "VIP", "", "", nil)
	s := x.source(t, nil)
	r := mustRun(t, s, contacts.Query{Tenant: "contoso"})
	id := graphcontacts.MailboxContactID("AAkALg=")
	require.LessOrEqual(t, len(id), mspkit.MaxID)
	require.Equal(t, contacts.Contact{
		Tenant: "contoso", ID: id, Name: "Courier", FirstName: "Cora", LastName: "Urier", Company: "Courier Inc", JobTitle: "Dispatcher",
		Emails:  []contacts.Address{{Value: "desk@courier.example"}},
		Phones:  []contacts.Address{{Value: "+12025550143", Raw: "(202) 555-0143"}, {Value: "+12025550199", Raw: "+1 202 555 0199"}, {Raw: "+1 (555) 123-4567 ext. 9"}},
		Enabled: true, Sources: map[string]string{"outlook": id},
	}, r.contacts[id])
	require.True(t, r.whole)
	require.Empty(t, r.next, "each run is whole")
	require.Contains(t, x.asked[0].Header.Get("Prefer"), `IdType="ImmutableId"`)
}

func TestMailboxFaults(t *testing.T) {
	t.Parallel()
	mailbox := func(name string) graphcontacts.Mailboxes {
		return func(context.Context, mspkit.TenantID) (string, error) { return name, nil }
	}
	broken := errors.New("broken")
	x := newExchange(t)
	for i := range 5 {
		x.put(desk, "", "", fmt.Sprint("M", i), nil)
	}
	x.put(desk, "VIP", "", "V1", nil)
	x.put(desk, "VIP", "", "V2", nil)
	fetch := func(m graphcontacts.Mailboxes, q contacts.Query) (contacts.Page, error) {
		return x.source(t, m).FetchContacts(t.Context(), q)
	}
	_, err := fetch(mailbox("nobody@contoso.example"), contacts.Query{Tenant: "contoso"})
	require.Error(t, err, "a mailbox that is not there is not an empty one")
	require.Contains(t, graphcontacts.Explain(err), "Exchange Online")
	for _, bad := range []string{"..", "a/b", "a?b", "a%2fb", "a b", "a#b"} {
		_, err = fetch(mailbox(bad), contacts.Query{Tenant: "contoso"})
		require.ErrorIs(t, err, mspkit.ErrInvalid, bad)
	}
	_, err = fetch(func(context.Context, mspkit.TenantID) (string, error) { return "", broken }, contacts.Query{Tenant: "contoso"})
	require.ErrorIs(t, err, broken)
	_, err = fetch(mailbox(desk), contacts.Query{Tenant: "fabrikam"})
	require.Error(t, err, "another tenant's mailbox")

	// A cursor is of one mailbox.
	x.put("other@contoso.example", "", "", "O1", nil)
	p, err := fetch(nil, contacts.Query{Tenant: "contoso", Limit: 2})
	require.NoError(t, err)
	_, err = fetch(mailbox("other@contoso.example"), contacts.Query{Tenant: "contoso", Limit: 2, Cursor: p.Next})
	require.ErrorIs(t, err, contacts.ErrCursor)

	// A folder that goes while the run is in it is left out; what comes after it is not.
	x.put(desk, "Zeta", "", "Z1", nil)
	s := x.source(t, nil)
	r := result{contacts: map[string]contacts.Contact{}}
	for p, err := range contacts.Pages(t.Context(), s, contacts.Query{Tenant: "contoso", Limit: 1}) {
		require.NoError(t, err)
		for _, c := range p.Contacts {
			r.contacts[c.ID] = c
			if c.ID == graphcontacts.MailboxContactID("V1") {
				x.removeFolder(desk, "VIP")
			}
		}
	}
	require.Contains(t, r.contacts, graphcontacts.MailboxContactID("Z1"))
	require.NotContains(t, r.contacts, graphcontacts.MailboxContactID("V2"))

	// Forgotten in the middle, denied in the middle, and folders that cannot be listed.
	for status, is := range map[int]error{http.StatusGone: contacts.ErrCursor, http.StatusForbidden: nil} {
		p, err = fetch(nil, contacts.Query{Tenant: "contoso", Limit: 2})
		require.NoError(t, err)
		x.fault = func(*http.Request) int { return status }
		_, err = fetch(nil, contacts.Query{Tenant: "contoso", Limit: 2, Cursor: p.Next})
		require.Error(t, err)
		if is != nil {
			require.ErrorIs(t, err, is)
		}
		x.fault = nil
	}
	x.fault = func(r *http.Request) int {
		if strings.HasSuffix(r.URL.Path, "/contactFolders") {
			return http.StatusForbidden
		}
		return 0
	}
	_, err = run(t.Context(), x.source(t, nil), contacts.Query{Tenant: "contoso"})
	require.Error(t, err)
	x.fault = nil
	for i := range 101 {
		x.put(desk, fmt.Sprint("folder", i), "", "", nil)
	}
	_, err = run(t.Context(), x.source(t, nil), contacts.Query{Tenant: "contoso"})
	require.ErrorIs(t, err, contacts.ErrSource)
}
