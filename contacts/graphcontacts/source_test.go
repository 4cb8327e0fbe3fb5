package graphcontacts_test

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/contacts"
	"github.com/mspkit/mspkit/contacts/contactstest"
	"github.com/mspkit/mspkit/contacts/graphcontacts"
	"github.com/mspkit/mspkit/entra/azurecred"
	"github.com/mspkit/mspkit/internal/graphfake"
)

// fixture is the suite's, with changes of every kind.
func fixture(w *world) contactstest.Fixture {
	ids := people(w.contoso, 9, "m")
	others := people(w.fabrika, 4, "f")
	var n atomic.Int64
	moving := w.contoso.Put(graphfake.User{DisplayName: "Moving", UPN: "moving@contoso.example"})
	return contactstest.Fixture{
		Tenant: "contoso", IDs: ids, Other: "fabrikam", OtherIDs: others, Unknown: "nobody",
		Change: func(*testing.T) {
			switch i := n.Add(1); {
			case i > 60: // a run that goes on as long as people join would never end
				w.contoso.Update(moving, func(u *graphfake.User) { u.JobTitle = strconv.FormatInt(i, 10) })
			case i%3 == 0:
				w.contoso.Put(graphfake.User{DisplayName: "New", UPN: fmt.Sprintf("new%d@contoso.example", i)})
			case i%3 == 1:
				w.contoso.Update(moving, func(u *graphfake.User) { u.JobTitle = strconv.FormatInt(i, 10) })
			default:
				id := w.contoso.Put(graphfake.User{DisplayName: "Short", UPN: fmt.Sprintf("short%d@contoso.example", i)})
				w.contoso.Delete(id, i%2 == 0)
			}
		},
		Touch: func(_ *testing.T, id string) {
			i := n.Add(1)
			w.contoso.Update(id, func(u *graphfake.User) { u.MobilePhone = fmt.Sprintf("+1202555%04d", i%10000) })
		},
	}
}

func TestSourcePassesItsSuite(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		fake   graphfake.Options
		quirks graphfake.Quirks
		client *http.Client
	}{
		"a plain Graph":                    {},
		"an odd Graph":                     {quirks: graphfake.Quirks{RemovedFirst: true, EmptyPages: true, Repeat: true, Nulls: true}},
		"changes with all properties":      {quirks: graphfake.Quirks{WholeItems: true, Repeat: true}},
		"pages smaller than asked for":     {fake: graphfake.Options{MaxPageSize: 2}},
		"pages of another size than asked": {client: &http.Client{Transport: without{"Prefer", http.DefaultTransport}}},
		"below a path":                     {fake: graphfake.Options{BasePath: "/graph/eu"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			contactstest.TestSource(t, func(t *testing.T) (contacts.ContactSource, contactstest.Fixture) {
				w := newWorld(t, tc.fake)
				w.url += tc.fake.BasePath
				f := fixture(w)
				w.contoso.SetQuirks(tc.quirks)
				w.fabrika.SetQuirks(tc.quirks)
				return w.source(t, graphcontacts.Options{HTTPClient: tc.client}), f
			})
		})
	}
}

func TestAContactHasWhatGraphHas(t *testing.T) {
	t.Parallel()
	w := newWorld(t, graphfake.Options{})
	boss := w.contoso.Put(graphfake.User{DisplayName: "Ines Boss", UPN: "ines@contoso.example"})
	dana := w.contoso.Put(graphfake.User{
		DisplayName: "Dana  Whitfield\u202e", GivenName: "Dana", Surname: "Whitfield", Mail: "Dana@Contoso.example", UPN: "dana.w@contoso.example",
		OtherMails: []string{"dana@private.example"}, MobilePhone: "(202) 555-0143",
		BusinessPhones: []string{"+1 (202) 555-0199 ext. 9"}, JobTitle: "Head of Sales", Department: "Sales", CompanyName: "Contoso Ltd",
		PreferredLanguage: "de-AT", ManagerID: boss, Licences: []string{"6fd2c87f-b296-42f0-b197-1e91e994b900"},
	})
	want := contacts.Contact{
		Tenant: "contoso", ID: dana, Name: "Dana Whitfield", FirstName: "Dana", LastName: "Whitfield", Company: "Contoso Ltd",
		JobTitle: "Head of Sales", Manager: boss, Locale: "de-AT", Emails: []contacts.Address{{Value: "dana@contoso.example"}},
		Phones:  []contacts.Address{{Value: "+12025550143", Raw: "(202) 555-0143"}, {Raw: "+1 (202) 555-0199 ext. 9"}},
		Enabled: true, Sources: map[string]string{"entra": dana},
	}
	r := mustRun(t, w.source(t, graphcontacts.Options{}), contacts.Query{Tenant: "contoso"})
	require.Equal(t, want, r.contacts[dana])
	require.Equal(t, contacts.Contact{Tenant: "contoso", ID: boss, Name: "Ines Boss", Enabled: true, Sources: map[string]string{"entra": boss}}, r.contacts[boss],
		"somebody without mail or phone is a contact")

	want.Emails = append(want.Emails, contacts.Address{Value: "dana.w@contoso.example"}, contacts.Address{Value: "dana@private.example"})
	r = mustRun(t, w.source(t, graphcontacts.Options{UserPrincipalNames: true, OtherMails: true}), contacts.Query{Tenant: "contoso"})
	require.Equal(t, want, r.contacts[dana])
	for _, a := range append(want.Emails, want.Phones...) {
		require.Zero(t, a.FirstSeen, "Graph does not say since when")
	}
}

func TestWhoIsListed(t *testing.T) {
	t.Parallel()
	licence := []string{"6fd2c87f-b296-42f0-b197-1e91e994b900"}
	users := map[string]graphfake.User{
		"member":  {Mail: "member@contoso.example", Licences: licence},
		"bare":    {},
		"guest":   {UserType: "Guest", Mail: "guest@elsewhere.example", UPN: "guest_elsewhere.example#EXT#@contoso.example"},
		"off":     {Disabled: true, Mail: "off@contoso.example", Licences: licence},
		"shared":  {Disabled: true, Mail: "info@contoso.example", Purpose: "shared"},
		"room":    {Mail: "room@contoso.example", Purpose: "room"},
		"leaver":  {Disabled: true, Mail: "leaver@contoso.example", Purpose: "user"},
		"nomail":  {Disabled: true},
		"onprem":  {Mail: "onprem@contoso.example", Purpose: "none"},
		"student": {Mail: "student@contoso.example", Purpose: "user"},
	}
	all := "bare guest leaver member nomail off onprem room shared student"
	for name, tc := range map[string]struct {
		o         graphcontacts.Options
		want, off string
	}{
		"by default":          {graphcontacts.Options{}, "bare member nomail off onprem room student", "nomail off"},
		"everybody":           {graphcontacts.Options{Guests: true, Mailboxes: graphcontacts.KeepMailboxes}, all, "leaver nomail off shared"},
		"who is there":        {graphcontacts.Options{Disabled: graphcontacts.DropDisabled}, "bare member onprem room student", ""},
		"mailboxes are asked": {graphcontacts.Options{Mailboxes: graphcontacts.AskMailboxes}, "bare leaver member nomail off onprem student", "leaver nomail off"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, graphfake.Options{})
			names := map[string]string{}
			for n, u := range users {
				u.DisplayName = n
				if u.UPN == "" {
					u.UPN = n + "@contoso.example"
				}
				names[w.contoso.Put(u)] = n
			}
			s := w.source(t, tc.o)
			r := mustRun(t, s, contacts.Query{Tenant: "contoso"})
			listed, off := map[string]bool{}, map[string]bool{}
			for id, c := range r.contacts {
				listed[names[id]] = true
				if !c.Enabled {
					off[names[id]] = true
				}
			}
			require.Equal(t, set(tc.want), listed)
			require.Equal(t, set(tc.off), off)

			// Who becomes one that is left out is gone in the next run.
			var member string
			for id, n := range names {
				if n == "member" {
					member = id
				}
			}
			if tc.o.Guests {
				return
			}
			w.contoso.Update(member, func(u *graphfake.User) { u.UserType = "Guest" })
			later := mustRun(t, s, contacts.Query{Tenant: "contoso", Cursor: r.next})
			require.False(t, later.whole)
			require.Equal(t, []string{member}, later.removed)
		})
	}
}

func set(words string) map[string]bool {
	out := map[string]bool{}
	for w := range strings.FieldsSeq(words) {
		out[w] = true
	}
	return out
}

func TestALaterRunHasWholeContacts(t *testing.T) {
	t.Parallel()
	for name, quirks := range map[string]graphfake.Quirks{"what changed": {}, "everything": {WholeItems: true}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, graphfake.Options{})
			w.contoso.SetQuirks(quirks)
			ids := people(w.contoso, 45, "p")
			for _, id := range ids[1:] {
				w.contoso.Update(id, func(u *graphfake.User) { u.ManagerID = ids[0] })
			}
			s := w.source(t, graphcontacts.Options{})
			first := mustRun(t, s, contacts.Query{Tenant: "contoso"})
			require.True(t, first.whole)
			require.Len(t, first.contacts, 45)
			for i, id := range ids[1:] {
				w.contoso.Update(id, func(u *graphfake.User) { u.JobTitle = fmt.Sprint("job ", i) })
			}
			w.contoso.Update(ids[1], func(u *graphfake.User) { u.MobilePhone, u.ManagerID = "", ids[2] })
			w.contoso.Update(ids[2], func(u *graphfake.User) { u.ManagerID = "" })
			w.contoso.Delete(ids[3], false)
			w.contoso.Delete(ids[4], true)
			joined := w.contoso.Put(graphfake.User{DisplayName: "Joined", UPN: "joined@contoso.example"})

			r := mustRun(t, s, contacts.Query{Tenant: "contoso", Cursor: first.next})
			require.False(t, r.whole)
			require.ElementsMatch(t, []string{ids[3], ids[4]}, r.removed)
			require.Len(t, r.contacts, 43)
			require.Equal(t, "Joined", r.contacts[joined].Name)
			require.Equal(t, ids[2], r.contacts[ids[1]].Manager)
			require.Empty(t, r.contacts[ids[1]].Phones)
			require.Empty(t, r.contacts[ids[2]].Manager)
			for i, id := range ids[5:] {
				want := first.contacts[id]
				want.JobTitle = fmt.Sprint("job ", i+4)
				require.Equal(t, want, r.contacts[id])
			}
			quiet := mustRun(t, s, contacts.Query{Tenant: "contoso", Cursor: r.next})
			require.Empty(t, quiet.contacts)
			require.Empty(t, quiet.removed)
			require.False(t, quiet.whole)
		})
	}
}

func TestWhenARunIsWhole(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		o     graphcontacts.Options
		then  graphcontacts.Options
		wait  time.Duration
		whole bool
		do    func(*world)
	}{
		"the next one is not":         {wait: time.Hour},
		"after the tokens' life":      {wait: graphcontacts.DefaultDeltaLife, whole: true},
		"a life of an hour":           {then: graphcontacts.Options{DeltaLife: time.Hour}, wait: time.Hour, whole: true},
		"always":                      {then: graphcontacts.Options{DeltaLife: -1}, whole: true},
		"overdue":                     {then: graphcontacts.Options{WholeEvery: time.Hour}, wait: time.Hour, whole: true},
		"never overdue":               {then: graphcontacts.Options{WholeEvery: -1}, wait: time.Hour},
		"other options":               {then: graphcontacts.Options{Guests: true}, whole: true},
		"another region":              {then: graphcontacts.Options{Region: "DE"}, whole: true},
		"Graph has forgotten":         {do: func(w *world) { w.contoso.ExpireDelta("") }, whole: true},
		"Graph wants a resync":        {do: func(w *world) { w.contoso.ExpireDelta("resyncRequired") }, whole: true},
		"connected to another tenant": {do: func(w *world) { w.creds.ids["contoso"] = w.fabrika.ID }, whole: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, graphfake.Options{})
			people(w.contoso, 5, "p")
			people(w.fabrika, 5, "p")
			first := mustRun(t, w.source(t, tc.o), contacts.Query{Tenant: "contoso", Limit: 2})
			w.clock.Add(tc.wait)
			if tc.do != nil {
				tc.do(w)
			}
			r := mustRun(t, w.source(t, tc.then), contacts.Query{Tenant: "contoso", Cursor: first.next, Limit: 2})
			require.Equal(t, tc.whole, r.whole)
			if tc.whole {
				require.Len(t, r.contacts, 5)
			} else {
				require.Empty(t, r.contacts)
			}
		})
	}
}

// In the middle of a run what is forgotten is ErrCursor: nobody knows what became of those who were on the pages before.
func TestForgottenInTheMiddle(t *testing.T) {
	t.Parallel()
	for _, later := range []bool{false, true} {
		w := newWorld(t, graphfake.Options{})
		ids := people(w.contoso, 6, "p")
		s := w.source(t, graphcontacts.Options{})
		q := contacts.Query{Tenant: "contoso", Limit: 2}
		if later {
			q.Cursor = mustRun(t, s, q).next
			for _, id := range ids {
				w.contoso.Update(id, func(u *graphfake.User) { u.JobTitle = "changed" })
			}
		}
		p, err := s.FetchContacts(t.Context(), q)
		require.NoError(t, err)
		require.True(t, p.More)
		w.contoso.ExpireDelta("")
		q.Cursor = p.Next
		_, err = s.FetchContacts(t.Context(), q)
		require.ErrorIs(t, err, contacts.ErrCursor)
		require.NotEmpty(t, graphcontacts.Explain(err))
		require.Len(t, mustRun(t, s, contacts.Query{Tenant: "contoso"}).contacts, 6)
	}
}

func TestNotConnected(t *testing.T) {
	t.Parallel()
	w := newWorld(t, graphfake.Options{})
	_, err := w.source(t, graphcontacts.Options{}).FetchContacts(t.Context(), contacts.Query{Tenant: "nobody"})
	require.ErrorIs(t, err, contacts.ErrTenant)
	require.ErrorIs(t, err, azurecred.ErrNotConnected)
	require.Contains(t, graphcontacts.Explain(err), "nobody has left")
	require.Empty(t, w.Requests())
	require.Empty(t, graphcontacts.Explain(nil))
	require.Empty(t, graphcontacts.Explain(errors.New("other")))
}

func TestBadOptions(t *testing.T) {
	t.Parallel()
	_, err := graphcontacts.New(nil, &graphcontacts.Options{
		Region: "us", Disabled: 7, Mailboxes: -1, PageSize: 1000, PhotoSize: 100, Cloud: azurecred.Cloud{Graph: "http://graph.example", Login: "https://l.example"},
	})
	require.ErrorIs(t, err, mspkit.ErrInvalid)
	for _, what := range []string{"Region", "Disabled", "Mailboxes", "PageSize", "PhotoSize", "credentials", "Cloud.Graph"} {
		require.ErrorContains(t, err, what)
	}
	for _, f := range []func() error{
		func() error { _, err := graphcontacts.NewOrgContacts(nil, nil); return err },
		func() error { _, err := graphcontacts.NewMailboxContacts(nil, nil, nil); return err },
		func() error { _, err := graphcontacts.NewPhotos(nil, nil); return err },
		func() error { _, err := graphcontacts.NewPresences(nil, nil); return err },
		func() error { _, err := graphcontacts.NewWriter(nil, nil, nil); return err },
	} {
		require.ErrorIs(t, f(), mspkit.ErrInvalid)
	}
}

// What is asked of Graph: no more than is kept, and in the way that the documentation allows.
func TestRequests(t *testing.T) {
	t.Parallel()
	w := newWorld(t, graphfake.Options{})
	people(w.contoso, 3, "p")
	mustRun(t, w.source(t, graphcontacts.Options{}), contacts.Query{Tenant: "contoso", Limit: 2})
	got := w.Requests()
	require.Len(t, got, 2)
	require.Equal(t, "/v1.0/users/delta", got[0].Path)
	require.Equal(t, "$select=id,displayName,givenName,surname,mail,userPrincipalName,mobilePhone,businessPhones,jobTitle,companyName,"+
		"preferredLanguage,accountEnabled,userType,manager,assignedLicenses", got[0].Query)
	require.Contains(t, got[1].Query, "$skiptoken=")
	for _, r := range got {
		require.Equal(t, "odata.maxpagesize=2", r.Header.Get("Prefer"))
	}
}
