package graphcontacts_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/contacts"
	"github.com/mspkit/mspkit/contacts/graphcontacts"
	"github.com/mspkit/mspkit/internal/graphfake"
)

// notes is an auditor.
type notes struct {
	list []graphcontacts.Attempt
	fail graphcontacts.Outcome
}

var errFull = errors.New("the disk is full")

func (n *notes) note(ctx context.Context, a graphcontacts.Attempt) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if a.Outcome == n.fail {
		return errFull
	}
	n.list = append(n.list, a)
	return nil
}

func (n *notes) outcomes() []graphcontacts.Outcome {
	var out []graphcontacts.Outcome
	for _, a := range n.list {
		out = append(out, a.Outcome)
	}
	return out
}

func (w *world) writer(t *testing.T, n *notes) *graphcontacts.Writer {
	t.Helper()
	s, err := graphcontacts.NewWriter(w.creds, n.note, w.options(graphcontacts.Options{}))
	require.NoError(t, err)
	return s
}

func patches(w *world) int {
	n := 0
	for _, r := range w.Requests() {
		if r.Method == http.MethodPatch {
			n++
		}
	}
	return n
}

const number = "+12025550143"

func write(user string) contacts.PhoneWrite {
	return contacts.PhoneWrite{
		Tenant: "contoso", ID: "c1", Source: "entra", SourceID: user, Mobile: new(number), By: "ana", Reason: "Dana got a new phone (202) 555-0143, ticket 4711000",
	}
}

func TestWritePhones(t *testing.T) {
	t.Parallel()
	w := newWorld(t, graphfake.Options{})
	id := w.contoso.Put(graphfake.User{DisplayName: "Dana", MobilePhone: "+12025550100", BusinessPhones: []string{"+12025550199"}})
	var n notes
	s := w.writer(t, &n)
	require.NoError(t, s.WritePhones(t.Context(), write(strings.ToUpper(id))))
	u, ok := w.contoso.User(id)
	require.True(t, ok)
	require.Equal(t, number, u.MobilePhone)
	require.Equal(t, []string{"+12025550199"}, u.BusinessPhones, "what is not named stays")
	want := graphcontacts.Attempt{
		Tenant: "contoso", Contact: "c1", User: id, By: "ana", Reason: "Dana got a new phone …0143, ticket 4711000", Mobile: "…0143",
		Outcome: graphcontacts.Asked, At: start,
	}
	after := want
	after.Outcome = graphcontacts.Written
	require.Equal(t, []graphcontacts.Attempt{want, after}, n.list)

	remove := write(id)
	remove.Mobile, remove.Business = new(""), new("")
	require.NoError(t, s.WritePhones(t.Context(), remove))
	u, _ = w.contoso.User(id)
	require.Empty(t, u.MobilePhone)
	require.Empty(t, u.BusinessPhones)
	require.Equal(t, "removed", n.list[3].Mobile)
	require.Equal(t, "removed", n.list[3].Business)
}

func TestWhatIsNotWritten(t *testing.T) {
	t.Parallel()
	members := func(body string) func(*http.Request) *graphfake.Fault {
		return func(r *http.Request) *graphfake.Fault {
			if !strings.HasSuffix(r.URL.Path, "/transitiveMemberOf") {
				return nil
			}
			return &graphfake.Fault{Body: `{"value":[` + body + `]}`}
		}
	}
	for name, tc := range map[string]struct {
		user  graphfake.User
		fault func(*http.Request) *graphfake.Fault
		says  string
	}{
		"a global administrator":                  {user: graphfake.User{Admin: true, Roles: []string{"Global Administrator"}}, says: `the role "Global Administrator"`},
		"somebody with a small role":              {user: graphfake.User{Roles: []string{"Directory Readers"}}, says: `the role "Directory Readers"`},
		"a guest":                                 {user: graphfake.User{UserType: "guest"}, says: "guest"},
		"somebody of the company's own directory": {user: graphfake.User{OnPremisesSync: true}, says: "Active Directory"},
		"a member of a group with roles": {
			fault: members(`{"@odata.type":"#microsoft.graph.group","displayName":"Tier 0","isAssignableToRole":true}`), says: `the group "Tier 0"`,
		},
		"groups that cannot be seen": {fault: members(`{"@odata.type":"#microsoft.graph.group","id":"x","displayName":null,"isAssignableToRole":null}`), says: "Directory.Read.All"},
		"something unknown":          {fault: members(`{"@odata.type":"#microsoft.graph.superUser","displayName":"x"}`), says: "not known"},
		"no type":                    {fault: members(`{"displayName":"x"}`), says: "not known"},
		"a role for a part of the directory": {
			fault: func(r *http.Request) *graphfake.Fault {
				if !strings.HasSuffix(r.URL.Path, "/roleAssignments") {
					return nil
				}
				return &graphfake.Fault{Body: `{"value":[{"id":"a","directoryScopeId":"/administrativeUnits/x","roleDefinitionId":"custom"}]}`}
			}, says: "assigned to them",
		},
		"Graph says so": {
			fault: func(r *http.Request) *graphfake.Fault {
				if r.Method != http.MethodPatch {
					return nil
				}
				return &graphfake.Fault{Status: 403, Code: "Authorization_RequestDenied"}
			}, says: "User-Phone.ReadWrite.All",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, graphfake.Options{})
			tc.user.DisplayName, tc.user.MobilePhone = "Dana", "+12025550100"
			id := w.contoso.Put(tc.user)
			w.SetFault(tc.fault)
			var n notes
			err := w.writer(t, &n).WritePhones(t.Context(), write(id))
			require.ErrorIs(t, err, graphcontacts.ErrRefused)
			require.ErrorContains(t, err, tc.says)
			require.Contains(t, graphcontacts.Explain(err), tc.says)
			require.NotContains(t, err.Error(), "0143")
			var refusal *graphcontacts.RefusedError
			require.ErrorAs(t, err, &refusal)
			u, _ := w.contoso.User(id)
			require.Equal(t, "+12025550100", u.MobilePhone)
			require.Equal(t, []graphcontacts.Outcome{graphcontacts.Asked, graphcontacts.Refused}, n.outcomes())
			require.Contains(t, n.list[1].Why, tc.says)
			if name != "Graph says so" {
				require.Zero(t, patches(w), "nothing is sent")
			}
		})
	}
}

// Ordinary groups and administrative units make nobody privileged.
func TestOrdinaryMemberships(t *testing.T) {
	t.Parallel()
	w := newWorld(t, graphfake.Options{})
	id := w.contoso.Put(graphfake.User{DisplayName: "Dana"})
	w.SetFault(func(r *http.Request) *graphfake.Fault {
		if !strings.HasSuffix(r.URL.Path, "/transitiveMemberOf") {
			return nil
		}
		return &graphfake.Fault{Body: `{"value":[{"@odata.type":"#microsoft.graph.group","displayName":"Sales","isAssignableToRole":null},` +
			`{"@odata.type":"#microsoft.graph.administrativeUnit","displayName":"EU"}]}`}
	})
	require.NoError(t, w.writer(t, &notes{}).WritePhones(t.Context(), write(id)))
}

func TestBadWrites(t *testing.T) {
	t.Parallel()
	w := newWorld(t, graphfake.Options{})
	id := w.contoso.Put(graphfake.User{DisplayName: "Dana"})
	for name, change := range map[string]func(*contacts.PhoneWrite){
		"no tenant":       func(p *contacts.PhoneWrite) { p.Tenant = "" },
		"another system":  func(p *contacts.PhoneWrite) { p.SourceID = "connectwise:201" },
		"a path":          func(p *contacts.PhoneWrite) { p.SourceID = "../me" },
		"nobody":          func(p *contacts.PhoneWrite) { p.By = " " },
		"no reason":       func(p *contacts.PhoneWrite) { p.Reason = "" },
		"two lines":       func(p *contacts.PhoneWrite) { p.Reason = "a\nb" },
		"no number":       func(p *contacts.PhoneWrite) { p.Mobile = nil },
		"national":        func(p *contacts.PhoneWrite) { p.Mobile = new("(202) 555-0143") },
		"spaces":          func(p *contacts.PhoneWrite) { p.Business = new("+1 202 555 0143") },
		"not assigned":    func(p *contacts.PhoneWrite) { p.Business = new("+15551234567") },
		"with extension":  func(p *contacts.PhoneWrite) { p.Mobile = new("+12025550143 ext. 9") },
		"not even digits": func(p *contacts.PhoneWrite) { p.Mobile = new("+") },
	} {
		p := write(id)
		change(&p)
		var n notes
		err := w.writer(t, &n).WritePhones(t.Context(), p)
		require.ErrorIs(t, err, mspkit.ErrInvalid, name)
		require.NotContains(t, err.Error(), "1234567", name)
		require.Empty(t, n.list, name)
	}
	require.Empty(t, w.Requests())
}

// What Graph does not tell of somebody counts as a role: nothing is sent.
func TestNobodyIsWrittenToWhoCannotBeLookedAt(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		path, body string
	}{
		"another user comes":           {"", `{"id":"00000000-0000-4000-8000-0000000000ff","userType":"Member"}`},
		"memberships without an end":   {"/transitiveMemberOf", `{"value":[],"@odata.nextLink":"%s/v1.0/users/x/transitiveMemberOf?$skiptoken=%d"}`},
		"assignments without an end":   {"/roleAssignments", `{"value":[],"@odata.nextLink":"%s/v1.0/roleManagement/directory/roleAssignments?$skiptoken=%d"}`},
		"a membership that is no JSON": {"/transitiveMemberOf", `{"value":[7]}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, graphfake.Options{})
			id := w.contoso.Put(graphfake.User{DisplayName: "Dana"})
			var page atomic.Int32
			w.SetFault(func(r *http.Request) *graphfake.Fault {
				if r.Method != http.MethodGet || !strings.HasSuffix(r.URL.Path, cmp.Or(tc.path, id)) {
					return nil
				}
				body := tc.body
				if strings.Contains(body, "%s") {
					body = fmt.Sprintf(body, w.url, page.Add(1))
				}
				return &graphfake.Fault{Body: body}
			})
			var n notes
			err := w.writer(t, &n).WritePhones(t.Context(), write(id))
			require.ErrorIs(t, err, contacts.ErrSource)
			require.Zero(t, patches(w), "nothing is sent")
			require.Equal(t, []graphcontacts.Outcome{graphcontacts.Asked, graphcontacts.Failed}, n.outcomes())
		})
	}
}

func TestWritesThatFail(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		fault *graphfake.Fault
		is    error
		want  graphcontacts.Outcome
	}{
		"the answer is lost":        {&graphfake.Fault{Drop: true, After: true}, graphcontacts.ErrUnknown, graphcontacts.Unknown},
		"the server breaks":         {&graphfake.Fault{Status: 500, Code: "UnknownError"}, graphcontacts.ErrUnknown, graphcontacts.Unknown},
		"the number is not taken":   {&graphfake.Fault{Status: 400, Code: "Request_BadRequest"}, nil, graphcontacts.Failed},
		"throttled for a long time": {&graphfake.Fault{Status: 429, RetryAfter: "86400"}, nil, graphcontacts.Failed},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, graphfake.Options{})
			id := w.contoso.Put(graphfake.User{DisplayName: "Dana"})
			w.SetFault(func(r *http.Request) *graphfake.Fault {
				if r.Method == http.MethodPatch {
					return tc.fault
				}
				return nil
			})
			var n notes
			err := w.writer(t, &n).WritePhones(t.Context(), write(id))
			require.Error(t, err)
			require.NotErrorIs(t, err, graphcontacts.ErrRefused)
			if tc.is != nil {
				require.ErrorIs(t, err, tc.is)
			}
			require.Equal(t, []graphcontacts.Outcome{graphcontacts.Asked, tc.want}, n.outcomes())
			require.NotEmpty(t, n.list[1].Why)
		})
	}
}

func TestEveryWriteIsNoted(t *testing.T) {
	t.Parallel()
	w := newWorld(t, graphfake.Options{})
	id := w.contoso.Put(graphfake.User{DisplayName: "Dana"})

	n := notes{fail: graphcontacts.Asked}
	err := w.writer(t, &n).WritePhones(t.Context(), write(id))
	require.ErrorIs(t, err, graphcontacts.ErrAudit)
	require.ErrorIs(t, err, errFull)
	require.Empty(t, w.Requests(), "nothing is sent that cannot be noted")
	require.Contains(t, graphcontacts.Explain(err), "nothing was written")

	n = notes{fail: graphcontacts.Written}
	err = w.writer(t, &n).WritePhones(t.Context(), write(id))
	require.ErrorIs(t, err, graphcontacts.ErrAudit)
	require.ErrorContains(t, err, `"written"`)
	require.NotContains(t, graphcontacts.Explain(err), "nothing was")

	// The caller goes away while Graph works: the end is noted all the same.
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	w.SetFault(func(r *http.Request) *graphfake.Fault {
		if r.Method == http.MethodPatch {
			cancel()
			<-r.Context().Done()
		}
		return nil
	})
	n = notes{}
	err = w.writer(t, &n).WritePhones(ctx, write(id))
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorIs(t, err, graphcontacts.ErrUnknown)
	require.Equal(t, []graphcontacts.Outcome{graphcontacts.Asked, graphcontacts.Unknown}, n.outcomes())

	w.SetFault(nil)
	n = notes{}
	gone := write("00000000-0000-4000-8000-000000000001")
	require.ErrorIs(t, w.writer(t, &n).WritePhones(t.Context(), gone), graphcontacts.ErrRefused)
	other := write(id)
	other.Tenant = "fabrikam"
	require.ErrorIs(t, w.writer(t, &n).WritePhones(t.Context(), other), graphcontacts.ErrRefused, "the tenant next door has no such user")
	nobody := write(id)
	nobody.Tenant = "nobody"
	require.ErrorIs(t, w.writer(t, &n).WritePhones(t.Context(), nobody), contacts.ErrTenant)
}
