package halopsa_test

import (
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"hash"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/psa"
	"github.com/mspkit/mspkit/psa/halopsa"
	"github.com/stretchr/testify/require"
)

const hookSecret = "hook-s3cret-of-ours"

func hooked(t testing.TB, clk *clock, h *halopsa.Webhook) *halopsa.Client {
	t.Helper()
	c, err := halopsa.New("example.halopsa.com", halopsa.Credentials{ClientID: "x", ClientSecret: mspkit.Redact("y")}, &halopsa.Options{Webhook: h, Now: clk.now})
	require.NoError(t, err)
	return c
}

func call(body string, set ...func(*http.Request)) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "/hooks/halo", strings.NewReader(body))
	for _, f := range set {
		f(r)
	}
	return r
}

func header(k, v string) func(*http.Request) { return func(r *http.Request) { r.Header.Set(k, v) } }

func basic(user, password string) func(*http.Request) {
	return func(r *http.Request) { r.SetBasicAuth(user, password) }
}

func TestAWebhookIsAuthenticByBasicOrASecretHeader(t *testing.T) {
	t.Parallel()
	clk := newClock()
	b := hooked(t, clk, &halopsa.Webhook{BasicUser: "halo", BasicPassword: mspkit.Redact(hookSecret)})
	h := hooked(t, clk, &halopsa.Webhook{Header: "X-Hook", Secret: mspkit.Redact(hookSecret)})
	both := hooked(t, clk, &halopsa.Webhook{BasicUser: "halo", BasicPassword: mspkit.Redact(hookSecret), Header: "X-Hook", Secret: mspkit.Redact(hookSecret)})
	none := hooked(t, clk, nil)
	require.False(t, none.Capabilities().Webhooks)
	require.True(t, b.Capabilities().Webhooks)
	for i, tc := range []struct {
		c    *halopsa.Client
		set  []func(*http.Request)
		good bool
	}{
		{b, []func(*http.Request){basic("halo", hookSecret)}, true},
		{b, []func(*http.Request){basic("halo", hookSecret+"x")}, false},
		{b, []func(*http.Request){basic("hal", hookSecret)}, false},
		{b, []func(*http.Request){basic("", "")}, false},
		{b, nil, false},
		{h, []func(*http.Request){header("X-Hook", hookSecret)}, true},
		{h, []func(*http.Request){header("X-Hook", "")}, false},
		{h, []func(*http.Request){basic("halo", hookSecret)}, false},
		{both, []func(*http.Request){basic("halo", hookSecret), header("X-Hook", hookSecret)}, true},
		{both, []func(*http.Request){basic("halo", hookSecret)}, false},
		{none, []func(*http.Request){basic("halo", hookSecret)}, false},
	} {
		e, err := tc.c.VerifyWebhook(call(fmt.Sprintf(`{"ticket":{"id":%d},"event":"Ticket Updated"}`, i+1), tc.set...))
		if tc.good {
			require.NoError(t, err, i)
			require.Equal(t, strconv.Itoa(i+1), e.RecordID)
			require.Equal(t, clk.now(), e.At)
			continue
		}
		require.ErrorIs(t, err, psa.ErrWebhook, i)
		require.NotContains(t, err.Error(), hookSecret)
		require.Zero(t, e)
	}
}

// A caller without the secret cannot have us read a body, however slowly it sends one.
func TestAWebhookIsNotReadBeforeItsSecretIs(t *testing.T) {
	t.Parallel()
	c := hooked(t, newClock(), &halopsa.Webhook{Header: "X-Hook", Secret: mspkit.Redact(hookSecret)})
	body := &counted{}
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/halo", body)
	_, err := c.VerifyWebhook(r)
	require.ErrorIs(t, err, psa.ErrWebhook)
	require.Zero(t, body.n)
	r.Header.Set("X-Hook", hookSecret)
	_, err = c.VerifyWebhook(r)
	require.ErrorIs(t, err, psa.ErrWebhook)
	require.LessOrEqual(t, body.n, 2<<20, "nor more than it may have")
	for _, weak := range []halopsa.Webhook{
		{BasicUser: "halo", BasicPassword: mspkit.Redact("short")},
		{Header: "X-Hook", Secret: mspkit.Redact("short")},
		{HMAC: &halopsa.HMAC{Header: "X-Sig", Secret: mspkit.Redact("short")}},
	} {
		_, err := halopsa.New("example.halopsa.com", halopsa.Credentials{ClientID: "a", ClientSecret: mspkit.Redact("b")}, &halopsa.Options{Webhook: &weak})
		require.ErrorIs(t, err, mspkit.ErrInvalid)
		require.ErrorContains(t, err, "16 characters")
	}
}

// counted is a body without end.
type counted struct{ n int }

func (c *counted) Read(p []byte) (int, error) {
	c.n += len(p)
	return len(p), nil
}

func TestAWebhookMayBeSignedByARecipe(t *testing.T) {
	t.Parallel()
	clk := newClock()
	const body = `{"id":"6d1f8a3e-0000-4000-8000-000000000001","ticket":{"id":4711},"event":"Ticket Updated"}`
	sign := func(f func() hash.Hash, enc func([]byte) string) string {
		m := hmac.New(f, []byte(hookSecret))
		m.Write([]byte(body))
		return enc(m.Sum(nil))
	}
	for _, tc := range []struct {
		algorithm, digest, prefix string
		sum                       string
	}{
		{"", "", "", sign(sha256.New, hex.EncodeToString)},
		{"SHA-256", "hex", "sha256=", sign(sha256.New, hex.EncodeToString)},
		{"sha512", "base64", "", sign(sha512.New, base64.StdEncoding.EncodeToString)},
		{"SHA1", "base64", "sha1=", sign(sha1.New, base64.StdEncoding.EncodeToString)},
	} {
		recipe := func() *halopsa.Client {
			return hooked(t, clk, &halopsa.Webhook{HMAC: &halopsa.HMAC{
				Header: "X-Signature", Secret: mspkit.Redact(hookSecret), Algorithm: tc.algorithm, Digest: tc.digest, Prefix: tc.prefix,
			}})
		}
		_, err := recipe().VerifyWebhook(call(body, header("X-Signature", tc.prefix+tc.sum)))
		require.NoError(t, err)
		for _, bad := range []string{"", tc.prefix, tc.sum + "00", "x" + tc.sum, tc.prefix + strings.Repeat("0", len(tc.sum)), tc.prefix + "zz"} {
			_, err := recipe().VerifyWebhook(call(body, header("X-Signature", bad)))
			require.ErrorIs(t, err, psa.ErrWebhook, bad)
		}
		_, err = recipe().VerifyWebhook(call(strings.Replace(body, "4711", "4712", 1), header("X-Signature", tc.prefix+tc.sum)))
		require.ErrorIs(t, err, psa.ErrWebhook)
	}
	_, err := halopsa.New("example.halopsa.com", halopsa.Credentials{ClientID: "x", ClientSecret: mspkit.Redact("y")},
		&halopsa.Options{Webhook: &halopsa.Webhook{HMAC: &halopsa.HMAC{Algorithm: "md5", Digest: "octal"}}})
	for _, part := range []string{"a header and a secret", "algorithm", "digest"} {
		require.ErrorContains(t, err, part)
	}
}

func TestAWebhookPayloadIsReadLeniently(t *testing.T) {
	t.Parallel()
	const own = "6d1f8a3e-0000-4000-8000-000000000001"
	for body, want := range map[string]psa.WebhookEvent{
		`{"id":4711,"event":"New Ticket Logged"}`:                              {Entity: "ticket", Action: "added", RecordID: "4711"},
		`{"id":"4711","event":"Ticket Deleted"}`:                               {Entity: "ticket", Action: "deleted", RecordID: "4711"},
		`{"ticket":{"id":4711,"summary":"x"}}`:                                 {Entity: "ticket", RecordID: "4711"},
		`{"id":"` + own + `","ticket":{"id":"4711"},"event":"Status Changed"}`: {ID: own, Entity: "ticket", Action: "updated", RecordID: "4711"},
		`{"ticket_id":4711,"event":17}`:                                        {Entity: "ticket", RecordID: "4711"},
		`{"user":{"id":201},"event":"User Updated"}`:                           {Entity: "contact", Action: "updated", RecordID: "201"},
		`{"client":{"id":12},"event":"Customer created"}`:                      {Entity: "company", Action: "added", RecordID: "12"},
		`{"id":201,"event":"User Updated"}`:                                    {Entity: "contact", Action: "updated", RecordID: "201"},
		`{"id":12,"event":"Client Updated"}`:                                   {Entity: "company", Action: "updated", RecordID: "12"},
		`{"ID":5,"EVENT":null,"timestamp":"2026-11-22T09:59:00"}`:              {Entity: "ticket", RecordID: "5", At: time.Date(2026, 11, 22, 9, 59, 0, 0, time.UTC)},
	} {
		clk := newClock()
		c := hooked(t, clk, &halopsa.Webhook{Header: "X-Hook", Secret: mspkit.Redact(hookSecret)})
		got, err := c.VerifyWebhook(call(body, header("X-Hook", hookSecret)))
		require.NoError(t, err, body)
		require.NotEmpty(t, got.ID)
		want.System = "halopsa"
		if want.ID == "" {
			want.ID = got.ID
		}
		if want.At.IsZero() {
			want.At = clk.now()
		}
		require.Equal(t, want, got, body)
	}
	clk := newClock()
	c := hooked(t, clk, &halopsa.Webhook{Header: "X-Hook", Secret: mspkit.Redact(hookSecret)})
	for _, body := range []string{
		"", "x", "null", "[]", "{}", `{"id":null}`, `{"id":-1}`, `{"id":"` + own + `"}`, `{"ticket":{"id":"../1"}}`, `{"ticket":[]}`, `{"id":1e40}`,
		`{"id":1,"timestamp":"2026-11-22T08:00:00Z"}`, `{"id":1,"timestamp":"2026-11-22T12:00:00Z"}`, `{"id":1,"x":"` + strings.Repeat("x", 1<<20) + `"}`,
	} {
		_, err := c.VerifyWebhook(call(body, header("X-Hook", hookSecret)))
		require.ErrorIs(t, err, psa.ErrWebhook, "%.80s", body)
	}
}

func TestAWebhookIsTakenOnce(t *testing.T) {
	t.Parallel()
	clk := newClock()
	c := hooked(t, clk, &halopsa.Webhook{Header: "X-Hook", Secret: mspkit.Redact(hookSecret), Memory: 10})
	verify := func(body string) error {
		_, err := c.VerifyWebhook(call(body, header("X-Hook", hookSecret)))
		return err
	}
	dated := `{"id":"6d1f8a3e-0000-4000-8000-000000000001","ticket":{"id":4711}}`
	plain := `{"id":4711,"event":"Ticket Updated"}`
	require.NoError(t, verify(dated))
	require.NoError(t, verify(plain))
	require.ErrorIs(t, verify(dated), psa.ErrWebhook)
	require.ErrorIs(t, verify(plain), psa.ErrWebhook)
	clk.add(2 * time.Minute)
	require.ErrorIs(t, verify(dated), psa.ErrWebhook, "it has an id of its own")
	require.NoError(t, verify(plain), "the ticket may have changed again")
	for i := range 10 {
		require.NoError(t, verify(fmt.Sprintf(`{"id":%d}`, i+1)))
	}
	require.NoError(t, verify(dated), "the memory is bounded")
	// A call that is not authentic takes no place in it.
	_, err := c.VerifyWebhook(call(`{"id":77}`))
	require.ErrorIs(t, err, psa.ErrWebhook)
	require.NoError(t, verify(`{"id":77}`))
}
