package graphcontacts_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit/contacts"
	"github.com/mspkit/mspkit/contacts/graphcontacts"
	"github.com/mspkit/mspkit/internal/graphfake"
	"github.com/mspkit/mspkit/internal/graphx"
)

// A fault ends a run with an error and never with people who seem gone; it goes on from the same cursor afterwards.
func TestFaultsBetweenPages(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		fault func(*world) *graphfake.Fault
		times int32 // 0 is always
		fails bool
		is    error
		says  string
	}{
		"429 with Retry-After":    {fault: answer(graphfake.Fault{Status: 429, Code: "TooManyRequests", RetryAfter: "1"}), times: 1},
		"429 without Retry-After": {fault: answer(graphfake.Fault{Status: 429, Code: "TooManyRequests"}), times: 1},
		"503 in the middle":       {fault: answer(graphfake.Fault{Status: 503, Code: "serviceNotAvailable"}), times: 2},
		"503 for ever":            {fault: answer(graphfake.Fault{Status: 503, Code: "serviceNotAvailable"}), fails: true, says: "try again later"},
		"429 for a day":           {fault: answer(graphfake.Fault{Status: 429, RetryAfter: "86400"}), fails: true, is: graphx.ErrThrottled, says: "throttles"},
		"connection lost":         {fault: answer(graphfake.Fault{Drop: true}), times: 1},
		"half a page":             {fault: answer(graphfake.Fault{Body: `{"value":[{"id":"00000000-0000-4000-8000-000000000001"},`}), fails: true, says: "nothing was changed"},
		"no page":                 {fault: answer(graphfake.Fault{Body: `{}`}), fails: true, says: "nothing was changed"},
		"an end that is none":     {fault: answer(graphfake.Fault{Body: `{"value":[]}`}), fails: true, is: contacts.ErrSource, says: "nothing was changed"},
		"a page with an error":    {fault: answer(graphfake.Fault{Body: `{"value":[],"error":{"code":"UnknownError","message":"x"}}`}), fails: true},
		"HTML":                    {fault: answer(graphfake.Fault{Body: `<html>sign in to the hotel</html>`}), fails: true, says: "nothing was changed"},
		"redirect to another host": {
			fault: answer(graphfake.Fault{Redirect: "http://evil.example/"}), fails: true,
		},
		"a link to another host": {
			fault: answer(graphfake.Fault{Body: `{"value":[],"@odata.nextLink":"https://evil.example/v1.0/users/delta?$skiptoken=x"}`}), fails: true,
			is: graphx.ErrOrigin, says: "another host",
		},
		"a link to another function": {
			fault: func(w *world) *graphfake.Fault {
				return &graphfake.Fault{Body: `{"value":[],"@odata.nextLink":"` + w.url + `/v1.0/users?$skiptoken=x"}`}
			}, fails: true, is: contacts.ErrSource,
		},
		"consent withdrawn": {
			fault: func(w *world) *graphfake.Fault { w.contoso.Revoke(); return nil }, fails: true, is: graphx.ErrToken, says: "consent",
		},
		"permission withdrawn": {
			fault: func(w *world) *graphfake.Fault { w.contoso.Deny(); return nil }, fails: true, is: graphx.ErrDenied, says: "permission User.Read.All",
		},
		"a user of another type": {fault: answer(graphfake.Fault{Body: `{"value":[{"id":7}]}`}), fails: true, is: contacts.ErrSource},
		"a phone that is a number": {
			fault: answer(graphfake.Fault{Body: `{"value":[{"id":"00000000-0000-4000-8000-000000000001","mobilePhone":2025550143}]}`}), fails: true, is: contacts.ErrSource,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, graphfake.Options{})
			ids := people(w.contoso, 6, "p")
			s := w.source(t, graphcontacts.Options{})
			q := contacts.Query{Tenant: "contoso", Limit: 2}
			p, err := s.FetchContacts(t.Context(), q)
			require.NoError(t, err)
			q.Cursor = p.Next
			var n atomic.Int32
			w.SetFault(func(r *http.Request) *graphfake.Fault {
				if tc.times > 0 && n.Add(1) > tc.times || !strings.HasSuffix(r.URL.Path, "/delta") {
					return nil
				}
				return tc.fault(w)
			})
			got, err := s.FetchContacts(t.Context(), q)
			if !tc.fails {
				require.NoError(t, err)
				require.Len(t, got.Contacts, 2)
				return
			}
			require.Error(t, err)
			require.NotErrorIs(t, err, contacts.ErrCursor)
			require.NotErrorIs(t, err, contacts.ErrTenant)
			require.Zero(t, got)
			if tc.is != nil {
				require.ErrorIs(t, err, tc.is)
			}
			require.Contains(t, graphcontacts.Explain(err), tc.says)
			var words interface{ Explain() string }
			require.ErrorAs(t, err, &words)
			require.Equal(t, graphcontacts.Explain(err), words.Explain())
			for _, secret := range []string{"2025550143", "evil.example", "x@y"} {
				require.NotContains(t, err.Error(), secret)
			}
			w.SetFault(nil)
			w.contoso.Restore()
			s = w.source(t, graphcontacts.Options{}) // without what the old one has learnt of waiting
			r := mustRun(t, s, q)
			require.True(t, r.whole)
			require.Len(t, r.contacts, 4)
			for _, id := range ids[2:] {
				require.Contains(t, r.contacts, id)
			}
		})
	}
}

func answer(f graphfake.Fault) func(*world) *graphfake.Fault {
	return func(*world) *graphfake.Fault { return &f }
}

// An application that may not see who is enabled must not make it look as if everybody had left.
func TestHidden(t *testing.T) {
	t.Parallel()
	w := newWorld(t, graphfake.Options{})
	const user = `"id":"00000000-0000-4000-8000-000000000001","displayName":"X","userPrincipalName":"x@y.example","accountEnabled":null`
	w.SetFault(func(r *http.Request) *graphfake.Fault {
		if strings.HasSuffix(r.URL.Path, "/$batch") {
			return &graphfake.Fault{Body: `{"responses":[{"id":"1","status":200,"body":{` + user + `}}]}`}
		}
		return &graphfake.Fault{Body: `{"value":[{` + user + `}],"@odata.deltaLink":"` + w.url + `/v1.0/users/delta?$deltatoken=x"}`}
	})
	_, err := w.source(t, graphcontacts.Options{}).FetchContacts(t.Context(), contacts.Query{Tenant: "contoso"})
	require.ErrorIs(t, err, contacts.ErrSource)
	require.Contains(t, graphcontacts.Explain(err), "User.Read.All")
}

// Pages whose links lead in a circle end with an error and not with a run that never ends.
func TestACircle(t *testing.T) {
	t.Parallel()
	w := newWorld(t, graphfake.Options{})
	var n atomic.Int32
	w.SetFault(func(*http.Request) *graphfake.Fault {
		return &graphfake.Fault{Body: fmt.Sprintf(`{"value":[],"@odata.nextLink":"%s/v1.0/users/delta?$skiptoken=%d"}`, w.url, n.Add(1)%2)}
	})
	s := w.source(t, graphcontacts.Options{})
	_, err := run(t.Context(), s, contacts.Query{Tenant: "contoso"})
	require.ErrorIs(t, err, contacts.ErrSource)
	w.SetFault(func(*http.Request) *graphfake.Fault {
		return &graphfake.Fault{Body: fmt.Sprintf(`{"value":[],"@odata.nextLink":"%s/v1.0/users/delta?$skiptoken=same"}`, w.url)}
	})
	p, err := s.FetchContacts(t.Context(), contacts.Query{Tenant: "contoso"})
	require.NoError(t, err)
	_, err = s.FetchContacts(t.Context(), contacts.Query{Tenant: "contoso", Cursor: p.Next})
	require.ErrorIs(t, err, contacts.ErrSource)
}

// Nobody but Graph is ever asked, and nobody else gets the token.
func TestRedirectsAreNotFollowed(t *testing.T) {
	t.Parallel()
	var hits atomic.Int32
	evil := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { hits.Add(1) }))
	defer evil.Close()
	w := newWorld(t, graphfake.Options{})
	people(w.contoso, 3, "p")
	s := w.source(t, graphcontacts.Options{HTTPClient: &http.Client{}})
	p, err := s.FetchContacts(t.Context(), contacts.Query{Tenant: "contoso", Limit: 1})
	require.NoError(t, err)
	for _, f := range []graphfake.Fault{
		{Redirect: evil.URL + "/v1.0/users/delta"},
		{Body: `{"value":[],"@odata.nextLink":"` + evil.URL + `/v1.0/users/delta?$skiptoken=x"}`},
		{Body: `{"value":[],"@odata.deltaLink":"` + evil.URL + `/v1.0/users/delta?$deltatoken=x"}`},
		{Status: 410, Code: "resyncRequired", Header: http.Header{"Location": {evil.URL + "/v1.0/users/delta?$deltatoken=x"}}},
	} {
		w.SetFault(func(*http.Request) *graphfake.Fault { return &f })
		for _, c := range []contacts.Cursor{"", p.Next} {
			_, err := s.FetchContacts(t.Context(), contacts.Query{Tenant: "contoso", Limit: 1, Cursor: c})
			require.Error(t, err)
		}
	}
	require.Zero(t, hits.Load())
}

// A 410 at the beginning of a later run goes on where its Location says, if that is on the Graph host and has a token.
func TestLocation(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ location, want string }{
		"with a token":      {"/v1.0/users/delta?$deltatoken=fresh", "$deltatoken=fresh"},
		"with an empty one": {"/v1.0/users/delta?$deltatoken=", "$select=id,"},
		"of another host":   {"https://evil.example/v1.0/users/delta?$deltatoken=fresh", "$select=id,"},
		"none":              {"", "$select=id,"},
	} {
		w := newWorld(t, graphfake.Options{})
		s := w.source(t, graphcontacts.Options{})
		first := mustRun(t, s, contacts.Query{Tenant: "contoso"})
		w.Forget()
		location := tc.location
		if strings.HasPrefix(location, "/") {
			location = w.url + location
		}
		w.SetFault(func(r *http.Request) *graphfake.Fault {
			if strings.HasPrefix(r.URL.RawQuery, tc.want) {
				return &graphfake.Fault{Body: `{"value":[],"@odata.deltaLink":"` + w.url + `/v1.0/users/delta?$deltatoken=x"}`}
			}
			return &graphfake.Fault{Status: 410, Code: "syncStateNotFound", Header: http.Header{"Location": {location}}}
		})
		r := mustRun(t, s, contacts.Query{Tenant: "contoso", Cursor: first.next})
		require.True(t, r.whole, name)
		require.Len(t, w.Requests(), 2, name)
	}
}

func TestALinkThatIsTooLong(t *testing.T) {
	t.Parallel()
	w := newWorld(t, graphfake.Options{})
	s := w.source(t, graphcontacts.Options{})
	for n, fits := range map[int]bool{5000: true, 7000: false} {
		w.SetFault(func(*http.Request) *graphfake.Fault {
			return &graphfake.Fault{Body: `{"value":[],"@odata.nextLink":"` + w.url + `/v1.0/users/delta?$skiptoken=` + strings.Repeat("a", n) + `"}`}
		})
		_, err := s.FetchContacts(t.Context(), contacts.Query{Tenant: "contoso"})
		if fits {
			require.NoError(t, err)
		} else {
			require.ErrorIs(t, err, contacts.ErrSource)
		}
	}
}

func TestPurposesThatCannotBeAsked(t *testing.T) {
	t.Parallel()
	w := newWorld(t, graphfake.Options{})
	w.contoso.Put(graphfake.User{DisplayName: "Info", Mail: "info@contoso.example"})
	w.SetFault(func(r *http.Request) *graphfake.Fault {
		if !strings.HasSuffix(r.URL.Path, "/$batch") {
			return nil
		}
		return &graphfake.Fault{Body: `{"responses":[{"id":"1","status":403,"body":{"error":{"code":"ErrorAccessDenied","message":"x"}}}]}`}
	})
	_, err := w.source(t, graphcontacts.Options{Mailboxes: graphcontacts.AskMailboxes}).FetchContacts(t.Context(), contacts.Query{Tenant: "contoso"})
	require.ErrorIs(t, err, graphx.ErrDenied)
	require.Contains(t, graphcontacts.Explain(err), "MailboxSettings.Read")
}
