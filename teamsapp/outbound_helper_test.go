package teamsapp_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/teamsapp"
)

const (
	outApp      = "11111111-1111-1111-1111-111111111111"
	outHome     = "22222222-2222-2222-2222-222222222222"
	outCustomer = "33333333-3333-3333-3333-333333333333"
	outPerson   = "44444444-4444-4444-4444-444444444444"
	outTenant   = mspkit.TenantID("contoso")

	outMember       = "29:1aK9-xY_z"
	outConversation = "a:1p0i/G;messageid=1@x y"
	outActivity     = "f:5c/7?#"
	outSecret       = "s3cr3t~value"
)

var outUser = teamsapp.User{TenantID: outCustomer, ObjectID: outPerson}

// seen is one request that arrived.
type seen struct {
	method, host, path string // the path as it was escaped
	header             http.Header
	body               map[string]any
	raw                string
}

// wire stands in for Entra and Teams in memory, so that waits take no time in a synctest bubble.
type wire struct {
	mu     sync.Mutex
	tokens []url.Values // the forms with which tokens were asked for
	calls  []seen
	paths  []string // of the token requests

	// answer, where it is set and handles a request, does so in place of a friendly Teams. n counts from 1.
	answer func(n int, s seen) *http.Response
	// login is the same for Entra.
	login func(n int, form url.Values) *http.Response
	lost  func(n int) bool // no answer arrives, though the request did
}

func (f *wire) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	var raw []byte
	if r.Body != nil {
		var err error
		if raw, err = io.ReadAll(r.Body); err != nil {
			return nil, err
		}
		_ = r.Body.Close()
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if r.URL.Host == "login.test" {
		form, err := url.ParseQuery(string(raw))
		if err != nil {
			return nil, err
		}
		f.tokens, f.paths = append(f.tokens, form), append(f.paths, r.URL.EscapedPath())
		if f.login != nil {
			if resp := f.login(len(f.tokens), form); resp != nil {
				return resp, nil
			}
		}
		return reply(200, fmt.Sprintf(`{"token_type":"Bearer","expires_in":3600,"access_token":"token-%d"}`, len(f.tokens)), "Content-Type", "application/json"), nil
	}
	s := seen{method: r.Method, host: r.URL.Host, path: r.URL.EscapedPath(), header: r.Header.Clone(), raw: string(raw)}
	if len(raw) > 0 {
		if err := json.Unmarshal(raw, &s.body); err != nil {
			return nil, err
		}
	}
	f.calls = append(f.calls, s)
	n := len(f.calls)
	if f.lost != nil && f.lost(n) {
		return nil, io.ErrUnexpectedEOF
	}
	if f.answer != nil {
		if resp := f.answer(n, s); resp != nil {
			return resp, nil
		}
	}
	switch {
	case s.method == http.MethodPost && strings.HasSuffix(s.path, "/v3/conversations"):
		return reply(201, `{"id":"a:new"}`), nil
	case s.method == http.MethodPost:
		return reply(201, fmt.Sprintf(`{"id":"act-%d"}`, n)), nil
	}
	return reply(200, ""), nil
}

func (f *wire) seen() []seen {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]seen(nil), f.calls...)
}

// routes says what was called, in short.
func (f *wire) routes() []string {
	var out []string
	for _, s := range f.seen() {
		out = append(out, s.method+" "+s.host+s.path)
	}
	return out
}

func reply(status int, body string, header ...string) *http.Response {
	rec := httptest.NewRecorder()
	for i := 0; i+1 < len(header); i += 2 {
		rec.Header().Set(header[i], header[i+1])
	}
	rec.WriteHeader(status)
	_, _ = rec.WriteString(body)
	return rec.Result()
}

func refused(status int, code string) *http.Response {
	return reply(status, fmt.Sprintf(`{"error":{"code":%q,"message":"of Ann Smith"}}`, code), "Ms-Cv", "cv.1")
}

func outCloud() teamsapp.Cloud {
	return teamsapp.Cloud{
		Name: "test", Login: "https://login.test", Scope: "https://api.test/.default", SharedTenant: "shared.test",
		Issuer: "https://api.test", Metadata: "https://login.test/metadata",
		ServiceURL: "https://smba.test/teams/", Hosts: []string{"smba.test", ".region.test"},
	}
}

func outApplication() teamsapp.App {
	return teamsapp.App{ID: outApp, TenantID: outHome, Credential: teamsapp.ClientSecret(outSecret)}
}

func outTenants(_ context.Context, entra string) (mspkit.TenantID, error) {
	switch entra {
	case outCustomer:
		return outTenant, nil
	case nameless:
		return "", nil
	}
	return "", teamsapp.ErrUnknownTenant
}

// outBot returns a bot whose requests go to rt.
func outBot(t *testing.T, rt http.RoundTripper, change ...func(*teamsapp.App, *teamsapp.Options)) *teamsapp.Bot {
	t.Helper()
	b, err := tryBot(t, rt, teamsapp.NewMemory(), change...)
	require.NoError(t, err)
	return b
}

func tryBot(t *testing.T, rt http.RoundTripper, store teamsapp.Store, change ...func(*teamsapp.App, *teamsapp.Options)) (*teamsapp.Bot, error) {
	t.Helper()
	ring, err := mspkit.NewKeyRing(mspkit.NewKey("k1"))
	require.NoError(t, err)
	app, o := outApplication(), teamsapp.Options{Cloud: outCloud(), HTTPClient: &http.Client{Transport: rt}}
	for _, f := range change {
		f(&app, &o)
	}
	return teamsapp.New(app, ring, store, outTenants, &o)
}

// know tells b of the person's chat.
func know(t *testing.T, b *teamsapp.Bot, k teamsapp.Known) {
	t.Helper()
	require.NoError(t, b.SetKnown(t.Context(), outTenant, outUser, k))
}

func known(t *testing.T, b *teamsapp.Bot) teamsapp.Known {
	t.Helper()
	k, err := b.GetKnown(t.Context(), outTenant, outUser)
	require.NoError(t, err)
	return k
}

func outCard(text string) *teamsapp.Card {
	return &teamsapp.Card{Summary: "Please confirm", Locale: "de-AT", Body: []teamsapp.Element{teamsapp.Text{Text: text}}}
}

func toUser(m teamsapp.Message) teamsapp.Notification {
	return teamsapp.Notification{To: outUser, Message: m}
}
