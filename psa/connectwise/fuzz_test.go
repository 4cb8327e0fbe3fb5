package connectwise

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/psa"
	"github.com/stretchr/testify/require"
)

func fuzzClient(f *testing.F) *Client {
	f.Helper()
	c, err := New("na.myconnectwise.net", "acme", Credentials{PublicKey: mspkit.Redact("a"), PrivateKey: mspkit.Redact("b"), ClientID: mspkit.Redact("c")},
		&Options{HTTPClient: &http.Client{Transport: nobody{}}})
	require.NoError(f, err)
	return c
}

// nobody answers nothing.
type nobody struct{}

func (nobody) RoundTrip(*http.Request) (*http.Response, error) { return nil, http.ErrServerClosed }

func FuzzNextLink(f *testing.F) {
	for _, s := range []string{
		"", ",", `<https://x/?page=2>; rel="next"`, `<https://x/?a=1,2;3>; title="a,b\";c"; rel=next`, `<a>; rel="first", <b>; rel="prev next"`, `<a>;rel="last"`, `<a`, `a>; rel=next`, `<a>; rel="`, "<>; rel=next", `<a>; rel*=next`,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		next, ok := nextLink([]string{s})
		if !ok {
			require.Empty(t, next)
			return
		}
		require.Contains(t, s, "<"+next+">")
		require.Contains(t, strings.ToLower(s), "next")
	})
}

func TestNextLink(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]string{
		`<https://x/?page=2>; rel="next"`: "https://x/?page=2", `<https://x/?a=1,2;3>; title="a,<z>; rel=next;\"b"; rel=next`: "https://x/?a=1,2;3",
		`<a>; rel="first", <b>; rel="prev NEXT"`: "b", ` , <c> ;REL = next`: "c",
		"": "", `<a>; rel="last"`: "", `<a`: "", `a>; rel=next`: "", `<a>; title="next"`: "", `<a>; rel="nextish"`: "", `<a>; title="x`: "",
	} {
		got, ok := nextLink([]string{"", s})
		require.Equal(t, want, got, s)
		require.Equal(t, want != "", ok, s)
	}
	got, ok := nextLink([]string{`<a>; rel="first"`, `<b>; rel="next"`})
	require.True(t, ok)
	require.Equal(t, "b", got)
}

// FuzzQuote checks that what is quoted is one string of the grammar, and stands so in the address.
func FuzzQuote(f *testing.F) {
	for _, s := range []string{"ana@acme.com", `a" or 1=1`, "%55", "a+b&c=d#e", "[x]", `\`, "é", "\x00", "a b"} {
		f.Add(s)
	}
	c := fuzzClient(f)
	f.Fuzz(func(t *testing.T, s string) {
		q, err := quote("fuzz", "it", s)
		if err != nil {
			require.ErrorIs(t, err, mspkit.ErrInvalid)
			return
		}
		require.Equal(t, s, strings.TrimSuffix(strings.TrimPrefix(q, `"`), `"`))
		require.Equal(t, 2, strings.Count(q, `"`))
		require.False(t, strings.ContainsAny(s, "\"\\[]\n\r\x00"))
		u := c.address("v/", request{path: []string{"company", "contacts"}, query: url.Values{"conditions": {"a=" + q}, "z": {"1"}}})
		back, err := url.Parse(u.String())
		require.NoError(t, err)
		require.Equal(t, url.Values{"conditions": {"a=" + q}, "z": {"1"}}, back.Query())
		require.NotContains(t, u.RawQuery, "+")
	})
}

func FuzzCallback(f *testing.F) {
	for _, s := range []string{
		`{"ID":1,"Action":"updated","Type":"ticket","Entity":"{\"_info\":{\"lastUpdated\":\"2026-11-20T10:00:00Z\"}}","Metadata":{"key_url":"https://na.myconnectwise.net/k"}}`,
		`{"id":2,"metadata":{"KEY_URL":"https://evil.example"}}`, `{}`, `null`, `[]`, `{"ID":1e3}`, `{"ID":1,"Entity":{}}`,
	} {
		f.Add([]byte(s))
	}
	c := fuzzClient(f)
	f.Fuzz(func(t *testing.T, body []byte) {
		call, err := parseCallback(body)
		if err != nil {
			require.ErrorIs(t, err, psa.ErrWebhook)
			return
		}
		e := call.event([32]byte{})
		require.Positive(t, call.ID)
		require.Regexp(t, `^[1-9][0-9]*$`, e.RecordID)
		require.NotContains(t, e.Entity, " ")
		if u, err := c.keyAddress(call.Metadata.KeyURL); err == nil {
			require.Contains(t, []string{"na.myconnectwise.net", "api-na.myconnectwise.net"}, strings.TrimSuffix(strings.TrimSuffix(strings.ToLower(u.Hostname()), "."), "."))
			require.Equal(t, "https", strings.ToLower(u.Scheme))
		}
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", strings.NewReader(string(body)))
		r.Header.Set("X-Content-Signature", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=")
		_, err = c.VerifyWebhook(r)
		require.Error(t, err)
	})
}

func FuzzContactPage(f *testing.F) {
	f.Add([]byte(`[{"id":201,"firstName":"Ana","company":{"id":12,"name":"Acme"},"defaultPhoneNbr":"5551234567","communicationItems":[{"type":{"name":"Email"},"value":"a@b","defaultFlag":true,"communicationType":"Email"}],"_info":{"lastUpdated":"2026-11-20T10:00:00Z"}}]`))
	f.Add([]byte(`[{"id":1,"company":null,"communicationItems":null,"_info":null},null]`))
	f.Add([]byte(`{"code":"x"}`))
	f.Fuzz(func(t *testing.T, page []byte) {
		var rows []contact
		if json.Unmarshal(page, &rows) != nil {
			return
		}
		for i := range rows {
			out := rows[i].convert()
			require.LessOrEqual(t, len(out.Emails)+len(out.Phones), len(rows[i].Items)+1)
			require.NotContains(t, out.Emails, "")
		}
	})
}

func FuzzCursor(f *testing.F) {
	l := listing{path: []string{"company", "contacts"}}
	f.Add(l.cursor(ForwardOnly, 7))
	f.Add("")
	f.Add("x.7")
	f.Add(l.print(ForwardOnly) + ".-7")
	f.Fuzz(func(t *testing.T, cursor string) {
		n, err := l.open(ForwardOnly, cursor)
		if err != nil {
			require.ErrorIs(t, err, psa.ErrCursor)
			return
		}
		if n != 0 {
			again, err := l.open(ForwardOnly, l.cursor(ForwardOnly, n))
			require.NoError(t, err)
			require.Equal(t, n, again)
		}
	})
}
