package connectwise_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/psa"
	"github.com/mspkit/mspkit/psa/connectwise"
	"github.com/mspkit/mspkit/psa/psatest"
	"github.com/stretchr/testify/require"
)

// sent is one request as it went out.
type sent struct {
	method string
	url    *url.URL
	header http.Header
	body   string
}

// recorder is a transport that keeps what goes through it, and may answer itself.
type recorder struct {
	mu     sync.Mutex
	all    []sent
	answer func(*http.Request) *http.Response
}

func (r *recorder) RoundTrip(req *http.Request) (*http.Response, error) {
	s := sent{method: req.Method, url: req.URL, header: req.Header.Clone()}
	if req.Body != nil {
		b, err := io.ReadAll(req.Body)
		if err != nil {
			return nil, err
		}
		s.body = string(b)
		req.Body = io.NopCloser(bytes.NewReader(b))
	}
	r.mu.Lock()
	r.all = append(r.all, s)
	answer := r.answer
	r.mu.Unlock()
	if answer != nil {
		if resp := answer(req); resp != nil {
			resp.Request = req
			return resp, nil
		}
	}
	return http.DefaultTransport.RoundTrip(req)
}

// take returns what went out since the last call.
func (r *recorder) take() []sent {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := r.all
	r.all = nil
	return out
}

// last returns the last request of a method.
func (r *recorder) last(t *testing.T, method string) sent {
	t.Helper()
	list := r.take()
	slices.Reverse(list)
	i := slices.IndexFunc(list, func(s sent) bool { return s.method == method })
	require.GreaterOrEqual(t, i, 0, "there was no %s", method)
	return list[i]
}

func text(status int, body string, header ...string) *http.Response {
	h := http.Header{}
	for i := 0; i+1 < len(header); i += 2 {
		h.Add(header[i], header[i+1])
	}
	return &http.Response{StatusCode: status, Header: h, Body: io.NopCloser(strings.NewReader(body)), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1}
}

// recorded is start with a recorder in between.
func recorded(t *testing.T, fake *psatest.ConnectWiseOptions, change func(*connectwise.Options)) (*connectwise.Client, *psatest.Server, *recorder) {
	t.Helper()
	rec := &recorder{}
	c, srv := start(t, fake, func(o *connectwise.Options) {
		o.HTTPClient = &http.Client{Transport: rec}
		if change != nil {
			change(o)
		}
	})
	return c, srv, rec
}

func ref(id string) psa.TicketRef {
	return psa.TicketRef{Tenant: "contoso", Ticket: mspkit.Ticket{System: connectwise.Name, ID: id}}
}

func decode(t *testing.T, s string) map[string]any {
	t.Helper()
	var out map[string]any
	require.NoError(t, json.Unmarshal([]byte(s), &out))
	return out
}

func TestCredentialsClientIDAndModelAreOnEachRequest(t *testing.T) {
	t.Parallel()
	for version, accept := range map[string]string{
		"": "application/vnd.connectwise.com+json; version=2025.1", "2024.7": "application/vnd.connectwise.com+json; version=2024.7", "latest": "application/json",
	} {
		c, _, rec := recorded(t, nil, func(o *connectwise.Options) { o.Version = version })
		_, err := c.GetTicket(t.Context(), ref("4711"))
		require.NoError(t, err)
		all := rec.take()
		require.Len(t, all, 2)
		require.Equal(t, "/login/companyinfo/northwind", all[0].url.Path)
		require.Empty(t, all[0].header.Get("Authorization"), "the discovery needs no credentials")
		require.Empty(t, all[0].header.Get("clientId"))
		r := http.Request{Header: all[1].header}
		user, password, ok := r.BasicAuth()
		require.True(t, ok)
		require.Equal(t, "northwind+"+psatest.ConnectWisePublicKey, user)
		require.Equal(t, psatest.ConnectWisePrivateKey, password)
		require.Equal(t, psatest.ConnectWiseClientID, all[1].header.Get("clientId"))
		require.Equal(t, accept, all[1].header.Get("Accept"))
		require.Equal(t, "/v2025_1/apis/3.0/service/tickets/4711", all[1].url.Path)
	}
}

func TestAPercentAndAPlusInConditionsAreEncoded(t *testing.T) {
	t.Parallel()
	c, _, rec := recorded(t, nil, nil)
	_, err := c.FindByPhone(t.Context(), "+1 (202) 555-0143")
	require.NoError(t, err)
	got := rec.last(t, http.MethodGet)
	// An unencoded %55 would be read as the letter U.
	require.Equal(t, "childConditions=communicationItems%2Fvalue%20like%20%22%25202%25555%250143%25%22&pageSize=1000", got.url.RawQuery)
	_, err = c.FindByEmail(t.Context(), "a+b&c@contoso.example")
	require.NoError(t, err)
	got = rec.last(t, http.MethodGet)
	require.Contains(t, got.url.RawQuery, "%22a%2Bb%26c%40contoso.example%22")
	require.NotContains(t, got.url.RawQuery, "+")
	require.Equal(t, `communicationItems/value="a+b&c@contoso.example" AND communicationItems/communicationType="Email"`, got.url.Query().Get("childConditions"))
}

func TestWhatCouldEndAStringOfAConditionIsRefused(t *testing.T) {
	t.Parallel()
	c, _, rec := recorded(t, nil, nil)
	for _, bad := range []string{`a"b`, `a\`, "a[b", "a]b", "a\nb", "a\x00b", "a\x7fb", "a\u0085b", "a“b", "a”b", "a＂b", "a″b", "a［b", "a］b", "a＼b", "a\xff\"b", "a\xc0\xa2b"} {
		_, err := connectwise.Quote(bad)
		require.ErrorIs(t, err, mspkit.ErrInvalid, "%q", bad)
		_, err = c.FindByEmail(t.Context(), bad)
		require.ErrorIs(t, err, mspkit.ErrInvalid, "%q", bad)
	}
	require.Empty(t, rec.take())
	got, err := connectwise.Quote("o'brien %55+&é@x")
	require.NoError(t, err)
	require.Equal(t, `"o'brien %55+&é@x"`, got)
}

func TestWhatChangedSinceIsAskedWithoutFractionsAndWithAnOverlap(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 20, 1, 2, 3, 987654321, time.FixedZone("", 3600))
	for overlap, want := range map[time.Duration]string{0: "2026-11-19T23:59:03Z", -1: "2026-11-20T00:02:03Z", time.Hour: "2026-11-19T23:02:03Z"} {
		c, _, rec := recorded(t, nil, func(o *connectwise.Options) { o.Overlap = overlap })
		_, err := c.ListContacts(t.Context(), psa.Query{Since: at, CompanyID: "12"})
		require.NoError(t, err)
		require.Equal(t, "company/id=12 and inactiveFlag=False and lastUpdated>["+want+"]", rec.last(t, http.MethodGet).url.Query().Get("conditions"))
		_, err = c.ListCompanies(t.Context(), psa.Query{Since: at, Inactive: true})
		require.NoError(t, err)
		require.Equal(t, "lastUpdated>["+want+"]", rec.last(t, http.MethodGet).url.Query().Get("conditions"))
	}
}

func TestLongConditionsAreASearch(t *testing.T) {
	t.Parallel()
	c, srv, rec := recorded(t, nil, nil)
	long := strings.Repeat("ü", 700) + "@contoso.example"
	id := srv.Desk().PutContact(psa.Contact{FirstName: "Long", Active: true, Emails: []string{long}}).ID
	srv.Desk().SetFault(psatest.Times(1, psatest.Fault{Status: http.StatusServiceUnavailable}, psatest.OpFindContacts))
	got, err := c.FindByEmail(t.Context(), long)
	require.NoError(t, err, "a search only reads, so it is repeated")
	require.Len(t, got, 1)
	require.Equal(t, id, got[0].ID)
	post := rec.last(t, http.MethodPost)
	require.Equal(t, "/v2025_1/apis/3.0/company/contacts/search", post.url.Path)
	require.Equal(t, "pageSize=1000", post.url.RawQuery, "paging stays in the query")
	require.Contains(t, decode(t, post.body)["childConditions"], long)
}

func TestForwardOnlyPages(t *testing.T) {
	t.Parallel()
	c, srv, rec := recorded(t, nil, nil)
	for range 4 {
		srv.Desk().PutContact(psa.Contact{FirstName: "A", Active: true})
	}
	p, err := c.ListContacts(t.Context(), psa.Query{Limit: 3})
	require.NoError(t, err)
	require.NotEmpty(t, p.Next)
	first := rec.last(t, http.MethodGet)
	require.Equal(t, "forward-only", first.header.Get("Pagination-Type"))
	require.Equal(t, "3", first.url.Query().Get("pageSize"))
	require.False(t, first.url.Query().Has("page") || first.url.Query().Has("orderBy") || first.url.Query().Has("pageId"))
	last, err := c.ListContacts(t.Context(), psa.Query{Limit: 3, Cursor: p.Next})
	require.NoError(t, err)
	require.Equal(t, p.Items[2].ID, rec.last(t, http.MethodGet).url.Query().Get("pageId"))
	require.Len(t, last.Items, 3)
	require.Empty(t, last.Next, "the header Link is there and empty")
	_, err = c.ListContacts(t.Context(), psa.Query{Limit: 3, Cursor: p.Next, CompanyID: "12"})
	require.ErrorIs(t, err, psa.ErrCursor, "a cursor is of use with the same query only")
	_, err = c.ListCompanies(t.Context(), psa.Query{Cursor: p.Next})
	require.ErrorIs(t, err, psa.ErrCursor)
}

func TestALostLinkHeaderDoesNotEndAListing(t *testing.T) {
	t.Parallel()
	fake := &psatest.ConnectWiseOptions{NoLink: true}
	c, srv, _ := recorded(t, fake, nil)
	for range 4 {
		srv.Desk().PutContact(psa.Contact{FirstName: "A", Active: true})
	}
	_, err := c.ListContacts(t.Context(), psa.Query{Limit: 3})
	require.ErrorIs(t, err, psa.ErrUnavailable)
	p, err := c.ListContacts(t.Context(), psa.Query{Limit: 100})
	require.NoError(t, err, "a page that is not full is the last one")
	require.Len(t, p.Items, 6)

	rec := &recorder{}
	c = client(t, srv, func(o *connectwise.Options) {
		o.Paging, o.HTTPClient = connectwise.ByID, &http.Client{Transport: rec}
	})
	p, err = c.ListContacts(t.Context(), psa.Query{Limit: 3})
	require.NoError(t, err)
	p, err = c.ListContacts(t.Context(), psa.Query{Limit: 3, Cursor: p.Next})
	require.NoError(t, err)
	require.Len(t, p.Items, 3)
	q := rec.last(t, http.MethodGet).url.Query()
	require.Equal(t, "id asc", q.Get("orderBy"))
	require.Equal(t, "1", q.Get("page"))
	require.True(t, strings.HasPrefix(q.Get("conditions"), "id>"), q.Get("conditions"))
	p, err = c.ListContacts(t.Context(), psa.Query{Limit: 3, Cursor: p.Next})
	require.NoError(t, err)
	require.Empty(t, p.Items)
	require.Empty(t, p.Next)
}

func TestANextPageThatDoesNotGoForwardIsAnError(t *testing.T) {
	t.Parallel()
	c, srv, _ := recorded(t, nil, nil)
	for range 4 {
		srv.Desk().PutContact(psa.Contact{FirstName: "A", Active: true})
	}
	p, err := c.ListContacts(t.Context(), psa.Query{Limit: 2})
	require.NoError(t, err)
	for _, query := range []string{"pageId=1", "pageId=0", "pageId=x", "page=2", ""} {
		srv.Desk().SetNext(func(own string) string { return strings.Split(own, "?")[0] + "?" + query })
		_, err = c.ListContacts(t.Context(), psa.Query{Limit: 2, Cursor: p.Next})
		require.ErrorIs(t, err, psa.ErrUnavailable, query)
	}
}

func TestCredentialsNeverLeaveTheAPIsOrigin(t *testing.T) {
	t.Parallel()
	c, srv, rec := recorded(t, nil, nil)
	for range 4 {
		srv.Desk().PutContact(psa.Contact{FirstName: "A", Active: true})
	}
	host := strings.TrimPrefix(srv.URL, "http://")
	for _, next := range []string{
		"https://evil.example/x?pageId=300", srv.URL + ".evil.example/x?pageId=300", "http://user@" + host + "/x?pageId=300", "https://" + host + "/x?pageId=300", "//evil.example/?pageId=300",
	} {
		srv.Desk().SetNext(func(string) string { return next })
		_, err := c.ListContacts(t.Context(), psa.Query{Limit: 2})
		require.ErrorIs(t, err, psa.ErrOrigin, next)
	}
	for _, s := range rec.take() {
		require.Equal(t, host, s.url.Host)
	}
	// A redirect takes them nowhere either.
	rec.answer = func(*http.Request) *http.Response {
		return text(http.StatusFound, "", "Location", "https://evil.example/")
	}
	_, err := c.GetTicket(t.Context(), ref("4711"))
	require.ErrorIs(t, err, psa.ErrUnavailable)
	require.Len(t, rec.take(), 1)
}

func TestAContactsAddressesAreCommunicationItems(t *testing.T) {
	t.Parallel()
	c, _, rec := recorded(t, nil, nil)
	_, err := c.Ping(t.Context())
	require.NoError(t, err)
	rec.answer = func(*http.Request) *http.Response {
		return text(200, `[
			{"id":201,"firstName":"Ana","inactiveFlag":false,"company":{"id":12,"identifier":"ACME","name":"Acme"},"site":{"id":3,"name":"Main"},
			 "defaultPhoneType":"Mobile","defaultPhoneNbr":"5551234567","defaultPhoneExtension":"12","communicationItems":[
			 {"id":8,"type":{"id":1,"name":"Email"},"value":"old@acme.com","defaultFlag":false,"communicationType":"Email"},
			 {"id":9,"type":{"id":1,"name":"Email"},"value":"ana@acme.com","defaultFlag":true,"communicationType":"Email"},
			 {"id":10,"type":{"id":4,"name":"Cell"},"value":"(555) 123-4567","defaultFlag":true,"communicationType":"Phone"},
			 {"id":11,"type":{"id":5,"name":"Fax"},"value":"5550000000","communicationType":"Fax"},{"id":12,"value":""}],
			 "_info":{"lastUpdated":"2026-11-20T10:00:00Z","updatedBy":"Admin"}},
			{"id":202,"company":null,"communicationItems":null},
			{"id":203,"inactiveFlag":true,"defaultPhoneType":"Office","defaultPhoneNbr":"030 12345","_info":{"lastUpdated":"yesterday"}}]`, "Link", "")
	}
	p, err := c.ListContacts(t.Context(), psa.Query{Inactive: true})
	require.NoError(t, err)
	require.Equal(t, []psa.Contact{
		{
			ID: "201", Company: psa.Named{ID: "12", Name: "Acme"}, Site: psa.Named{ID: "3", Name: "Main"}, Name: "Ana", FirstName: "Ana",
			Emails: []string{"ana@acme.com", "old@acme.com"}, Phones: []psa.Phone{{Raw: "(555) 123-4567", Kind: "mobile"}}, Active: true,
			ModifiedAt: time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC),
		},
		{ID: "202", Active: true},
		{ID: "203", Phones: []psa.Phone{{Raw: "030 12345", Kind: "work"}}},
	}, p.Items)
}

func TestFindingLooksAgainAtWhatIsFound(t *testing.T) {
	t.Parallel()
	c, _, rec := recorded(t, nil, nil)
	_, err := c.Ping(t.Context())
	require.NoError(t, err)
	rec.answer = func(*http.Request) *http.Response {
		return text(200, `[{"id":1,"communicationItems":[{"value":"xdana@contoso.example","communicationType":"Email"},{"value":"120255501439","communicationType":"Phone"}]},
			{"id":2,"communicationItems":[{"value":"Dana@Contoso.Example","communicationType":"Email"},{"value":"+1 202 555 0143 x9","communicationType":"Phone"}]}]`, "Link", "")
	}
	got, err := c.FindByEmail(t.Context(), "dana@contoso.example")
	require.NoError(t, err)
	require.Len(t, got, 1)
	require.Equal(t, "2", got[0].ID)
	got, err = c.FindByPhone(t.Context(), "2025550143")
	require.NoError(t, err)
	require.Len(t, got, 1)
	require.Equal(t, "2", got[0].ID)
}

func TestANumberIsFoundHoweverItIsWritten(t *testing.T) {
	t.Parallel()
	c, srv := start(t, nil, nil)
	for _, v := range []struct{ stored, asked string }{
		{"(202) 555-0188", "+12025550188"},
		{"202.555.0189 x12", "1 202 555 0189"},
		{"089 / 12 34-56 78", "+498912345678"},
		{"+49 (0)89 1234 5679", "089 12345679"},
		{"030 90 18 20", "+4930901820"},
	} {
		id := srv.Desk().PutContact(psa.Contact{FirstName: "A", Active: true, Phones: []psa.Phone{{Raw: v.stored}}}).ID
		got, err := c.FindByPhone(t.Context(), v.asked)
		require.NoError(t, err)
		require.Len(t, got, 1, v.asked)
		require.Equal(t, id, got[0].ID)
	}
}

func TestIDsAreInt32(t *testing.T) {
	t.Parallel()
	c, _, rec := recorded(t, nil, nil)
	for _, id := range []string{"0", "-1", "+1", "2147483648", "1e3", "0x10", " 1", "１"} {
		_, err := c.GetTicket(t.Context(), ref(id))
		require.ErrorIs(t, err, mspkit.ErrInvalid, id)
		_, err = c.ListContacts(t.Context(), psa.Query{CompanyID: id})
		require.ErrorIs(t, err, mspkit.ErrInvalid, id)
	}
	require.Empty(t, rec.take())
	_, err := c.GetTicket(t.Context(), ref("2147483647"))
	require.ErrorIs(t, err, psa.ErrNotFound)
}
