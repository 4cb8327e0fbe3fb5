package entratest_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"testing"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit/entra/entratest"
)

// listener is an application that is told of sessions that are over.
type listener struct {
	*httptest.Server
	mu     sync.Mutex
	front  []url.Values
	tokens []string
	status int
}

func newListener(t *testing.T) *listener {
	t.Helper()
	l := &listener{status: http.StatusOK}
	l.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		l.mu.Lock()
		defer l.mu.Unlock()
		switch {
		case r.Method == http.MethodGet && r.URL.Path == "/front" && len(r.Cookies()) == 0:
			l.front = append(l.front, r.URL.Query())
		case r.Method == http.MethodPost && r.URL.Path == "/back":
			l.tokens = append(l.tokens, r.PostFormValue("logout_token"))
		default:
			w.WriteHeader(http.StatusTeapot)
			return
		}
		w.WriteHeader(l.status)
	}))
	t.Cleanup(l.Close)
	return l
}

// heard returns what came, and forgets it.
func (l *listener) heard() (front []url.Values, tokens []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	front, tokens = l.front, l.tokens
	l.front, l.tokens = nil, nil
	return front, tokens
}

func (l *listener) answers(status int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.status = status
}

// listens makes an application of l the world's.
func (w *world) listens(l *listener) {
	w.app = w.AddApp(entratest.App{
		ID: w.app.ID, Secret: "secret", RedirectURIs: []string{redirect, redirect + "/bye"},
		FrontChannelLogoutURL: l.URL + "/front", BackChannelLogoutURL: l.URL + "/back",
	})
}

func TestASignOutEndsTheBrowsersSession(t *testing.T) {
	t.Parallel()
	w := newWorld(t, &entratest.Options{Now: clock})
	l := newListener(t)
	w.listens(l)
	w.SignIn(w.paula)
	one, other := w.browser(), w.browser()
	sid := one.claims("organizations")["sid"]
	otherSID := other.claims("organizations")["sid"]
	require.Equal(t, []string{sid.(string), otherSID.(string)}, w.Sessions(w.paula))

	to, _ := one.open("/organizations/oauth2/v2.0/logout", url.Values{"post_logout_redirect_uri": {redirect + "/bye"}, "state": {"x y"}})
	require.Equal(t, redirect+"/bye?state=x+y", to.String())
	front, tokens := l.heard()
	require.Equal(t, []url.Values{{"iss": {w.URL() + "/" + w.partner.ID + "/v2.0"}, "sid": {sid.(string)}}}, front)
	require.Len(t, tokens, 1)
	require.Equal(t, sid, read(t, tokens[0])["sid"])
	require.Equal(t, []string{otherSID.(string)}, w.Sessions(w.paula))
	require.Equal(t, "login_required", one.asks("organizations", "prompt", "none").Get("error"))
	require.NotEmpty(t, other.asks("organizations", "prompt", "none").Get("code"))
	require.NotEqual(t, sid, one.claims("organizations")["sid"], "a new session")

	for name, q := range map[string]url.Values{
		"nowhere":                   {},
		"a foreign address":         {"post_logout_redirect_uri": {"https://mallory.example"}},
		"no address":                {"post_logout_redirect_uri": {"http://%zz"}},
		"an unknown application":    {"post_logout_redirect_uri": {redirect}, "client_id": {"x"}},
		"one that nobody signed in": {"post_logout_redirect_uri": {redirect + "/else"}},
	} {
		to, page := w.browser().open("/organizations/oauth2/v2.0/logout", q)
		require.Empty(t, to.String(), name)
		require.Contains(t, page, "signed out", name)
	}
	to, _ = w.browser().send(http.MethodPost, "/organizations/oauth2/v2.0/logout", nil, url.Values{"post_logout_redirect_uri": {redirect}, "client_id": {w.app.ID}})
	require.Equal(t, redirect, to.String(), "also by POST, also without a session")
}

func TestAHintSaysWhoseSessionsEnd(t *testing.T) {
	t.Parallel()
	w := newWorld(t, &entratest.Options{Now: clock})
	otto := w.partner.AddUser(entratest.User{Name: "Otto", Username: "otto@partner.example"})
	for _, u := range []*entratest.User{w.paula, otto} {
		w.SignIn(u)
		w.browser().claims("organizations")
	}
	w.browser().open("/organizations/oauth2/v2.0/logout", url.Values{"logout_hint": {"Paula@partner.example"}})
	require.Empty(t, w.Sessions(w.paula))
	require.Len(t, w.Sessions(otto), 1)
	hint := w.IDClaims(otto, w.app.ID, "")["login_hint"].(string)
	w.browser().open("/organizations/oauth2/v2.0/logout", url.Values{"logout_hint": {hint}})
	require.Empty(t, w.Sessions(otto))
	require.Equal(t, "login_required", w.browser().asks("organizations", "prompt", "none").Get("error"), "who is in front of the browser is out")
}

func TestFormsLoadTheFrontChannelInFrames(t *testing.T) {
	t.Parallel()
	w := newWorld(t, &entratest.Options{Now: clock, Forms: true, PlainHTTP: true})
	l := newListener(t)
	w.listens(l)
	b := w.browser()
	b.send(http.MethodPost, "/organizations/oauth2/v2.0/authorize", w.question(), url.Values{"user": {w.paula.ObjectID}, "answer": {"yes"}})
	sid := w.Sessions(w.paula)[0]
	require.NotEmpty(t, b.asks("organizations", "prompt", "none").Get("code"), "no form is shown")
	require.Equal(t, "login_required", w.browser().asks("organizations", "prompt", "none").Get("error"))
	_, page := b.open("/organizations/oauth2/v2.0/logout", url.Values{"post_logout_redirect_uri": {redirect}})
	require.Contains(t, page, `<iframe src="`+l.URL+`/front?iss=`)
	require.Contains(t, page, "sid="+sid)
	require.Contains(t, page, `href="`+redirect+`"`)
	front, tokens := l.heard()
	require.Empty(t, front, "that is the browser's to do")
	require.Len(t, tokens, 1)
}

func TestTheChannelsTellOfEverySession(t *testing.T) {
	t.Parallel()
	w := newWorld(t, &entratest.Options{Now: clock, HTTPClient: direct})
	l := newListener(t)
	w.listens(l)
	w.SignIn(w.paula)
	sign := func() (ids []string) {
		w.browser().claims("organizations")
		w.browser().claims("organizations")
		return w.Sessions(w.paula)
	}
	ids := sign()
	require.Len(t, ids, 2)
	require.NoError(t, w.FrontChannelLogout(t.Context(), w.paula))
	front, tokens := l.heard()
	require.Len(t, front, 2)
	require.Equal(t, ids[0], front[0].Get("sid"))
	require.Empty(t, tokens)
	require.Empty(t, w.Sessions(w.paula))
	require.NoError(t, w.FrontChannelLogout(t.Context(), w.paula), "nobody is left")

	ids = sign()
	require.NoError(t, w.BackChannelLogout(t.Context(), w.paula))
	front, tokens = l.heard()
	require.Empty(t, front)
	require.Len(t, tokens, 2)
	signed, err := jose.ParseSignedCompact(tokens[0], []jose.SignatureAlgorithm{jose.RS256})
	require.NoError(t, err)
	require.Equal(t, "logout+jwt", signed.Signatures[0].Protected.ExtraHeaders[jose.HeaderType])
	claims := read(t, tokens[0])
	require.Equal(t, ids[0], claims["sid"])
	require.Equal(t, w.app.ID, claims["aud"])
	require.Equal(t, map[string]any{"http://schemas.openid.net/event/backchannel-logout": map[string]any{}}, claims["events"])
	require.NotContains(t, claims, "nonce")
	require.NotEqual(t, claims["jti"], read(t, tokens[1])["jti"])
	require.NotContains(t, w.LogoutClaims(w.paula, w.app.ID, ""), "sid")

	l.answers(http.StatusBadRequest)
	sign()
	require.ErrorContains(t, w.FrontChannelLogout(t.Context(), w.paula), "answered 400")
	sign()
	require.ErrorContains(t, w.BackChannelLogout(t.Context(), w.paula), "answered 400")
	require.Error(t, w.SendLogoutToken(t.Context(), &entratest.App{BackChannelLogoutURL: "http://%zz"}, "x"))
}

func TestTheMetadataSaysWhatThereIs(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, w.URL()+"/partner.example/v2.0/.well-known/openid-configuration", http.NoBody)
	require.NoError(t, err)
	res, err := w.Client().Do(req)
	require.NoError(t, err)
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	m := map[string]any{}
	require.NoError(t, json.Unmarshal(raw, &m))
	require.Equal(t, w.URL()+"/"+w.partner.ID+"/oauth2/v2.0/logout", m["end_session_endpoint"])
	for _, name := range []string{"frontchannel_logout_supported", "frontchannel_logout_session_supported", "backchannel_logout_supported", "backchannel_logout_session_supported"} {
		require.Equal(t, true, m[name], name)
	}
	require.Equal(t, false, m["authorization_response_iss_parameter_supported"])
}
