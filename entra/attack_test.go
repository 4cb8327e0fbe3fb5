package entra_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit/entra"
	"github.com/mspkit/mspkit/entra/entratest"
)

// attempt is a sign-in that was stopped before Microsoft's answer arrives.
type attempt struct {
	*host
	t      testing.TB
	b      *browser
	answer *url.URL
	nonce  string
	asked  url.Values
}

// begin lets somebody sign in until the answer.
func (h *host) begin(t testing.TB, u *entratest.User) *attempt {
	t.Helper()
	a := &attempt{host: h, t: t, b: newBrowser(t)}
	h.SignIn(u)
	p := a.b.post(h.base+"/signin", url.Values{"to": {"/tickets/1"}}, func(u *url.URL) bool { return strings.HasPrefix(u.String(), h.base+"/callback") })
	for _, u := range p.via {
		if strings.Contains(u.Path, "/authorize") {
			a.asked = u.Query()
			a.nonce = a.asked.Get("nonce")
		}
	}
	var err error
	a.answer, err = url.Parse(p.last())
	require.NoError(t, err)
	require.NotEmpty(t, a.nonce)
	return a
}

// finish goes on with the answer.
func (a *attempt) finish() page { return a.b.get(a.answer.String(), nil) }

// param changes a parameter of the answer.
func (a *attempt) param(name, value string) {
	q := a.answer.Query()
	q.Set(name, value)
	a.answer.RawQuery = q.Encode()
}

// answerWith makes the token endpoint give out this token.
func (h *host) answerWith(token string) {
	body, _ := json.Marshal(map[string]any{"token_type": "Bearer", "id_token": token})
	h.Fail(entratest.Fault{Endpoint: entratest.Token, Status: http.StatusOK, Body: string(body)})
}

// token makes the token endpoint give out the token of somebody, changed.
func (a *attempt) token(u *entratest.User, change map[string]any, o *entratest.SignOptions) *attempt {
	claims := a.IDClaims(u, a.app.ID, a.nonce)
	for k, v := range change {
		if claims[k] = v; v == nil {
			delete(claims, k)
		}
	}
	a.answerWith(a.Sign(claims, o))
	return a
}

func (h *host) issuer(tenant string) string { return h.URL() + "/" + tenant + "/v2.0" }

// swap puts the value of one cookie under the name of another one.
func (b *browser) swap(at, from, to string) {
	b.t.Helper()
	u, err := url.Parse(at)
	require.NoError(b.t, err)
	for _, c := range b.http.Jar.Cookies(u) {
		if c.Name == from {
			b.http.Jar.SetCookies(u, []*http.Cookie{{Name: to, Value: c.Value, Path: "/"}})
			return
		}
	}
	b.t.Fatalf("there is no cookie %q", from)
}

func (b *browser) cookies(at, prefix string) (names []string) {
	b.t.Helper()
	u, err := url.Parse(at)
	require.NoError(b.t, err)
	for _, c := range b.http.Jar.Cookies(u) {
		if strings.HasPrefix(c.Name, prefix) {
			names = append(names, c.Name)
		}
	}
	return names
}

const (
	flowCookie    = "mspkit-sso-"
	sessionCookie = "mspkit-session-"
	personalID    = "9188040d-6c67-4c5b-b112-36a304b66dad"
)

// attack is something that must be refused, with its reason.
type attack struct {
	name   string
	reason entra.Reason
	who    func(h *host) *entratest.User // who stands in the audit; nil is nobody, because no token was checked
	set    func(h *host)
	do     func(h *host) (*browser, page)
}

func anna(h *host) *entratest.User    { return h.anna }
func mallory(h *host) *entratest.User { return h.mallory }

// withToken is a sign-in by Anna whose token is changed.
func withToken(change map[string]any, o *entratest.SignOptions) func(h *host) (*browser, page) {
	return func(h *host) (*browser, page) {
		a := h.begin(h.t, h.anna).token(h.anna, change, o)
		return a.b, a.finish()
	}
}

// withClaims is the same with claims that are known only then.
func withClaims(change func(h *host) map[string]any) func(h *host) (*browser, page) {
	return func(h *host) (*browser, page) { return withToken(change(h), nil)(h) }
}

// withFault is one that the token endpoint refuses.
func withFault(f entratest.Fault) func(h *host) (*browser, page) {
	return func(h *host) (*browser, page) {
		a := h.begin(h.t, h.anna)
		f.Endpoint = entratest.Token
		h.Fail(f)
		return a.b, a.finish()
	}
}

// withAnswer is one whose answer is changed on the way.
func withAnswer(change func(a *attempt)) func(h *host) (*browser, page) {
	return func(h *host) (*browser, page) {
		a := h.begin(h.t, h.anna)
		change(a)
		return a.b, a.finish()
	}
}

func later(h *host, d time.Duration) int64 { return h.now().Add(d).Unix() }

func times(iat, exp time.Duration) func(h *host) map[string]any {
	return func(h *host) map[string]any {
		return map[string]any{"iat": later(h, iat), "nbf": later(h, iat), "auth_time": later(h, iat), "exp": later(h, exp)}
	}
}

var attacks = []attack{
	{name: "mixed-up issuer in the token", reason: entra.ReasonIssuer, do: withClaims(func(h *host) map[string]any {
		return map[string]any{"iss": h.issuer(h.fabrikam.ID)}
	})},
	{name: "mixed-up issuer in the answer", reason: entra.ReasonMixUp, do: withAnswer(func(a *attempt) { a.param("iss", "https://login.example/"+a.contoso.ID+"/v2.0") })},
	{name: "issuer of another tenant in the answer", reason: entra.ReasonMixUp, do: withAnswer(func(a *attempt) { a.param("iss", a.issuer(a.fabrikam.ID)) })},
	{name: "an empty issuer in the answer", reason: entra.ReasonMixUp, do: withAnswer(func(a *attempt) { a.param("iss", "") })},
	{name: "issuer of the answer is another than the token's", reason: entra.ReasonMixUp, who: anna, set: func(h *host) {
		h.options.Tenants = []string{h.contoso.ID, h.fabrikam.ID}
	}, do: withAnswer(func(a *attempt) { a.param("iss", a.issuer(a.fabrikam.ID)) })},
	{name: "token of another tenant", reason: entra.ReasonTenant, who: mallory, do: func(h *host) (*browser, page) {
		a := h.begin(h.t, h.anna).token(h.mallory, nil, nil)
		return a.b, a.finish()
	}},
	{name: "a tenant that is not on the list", reason: entra.ReasonTenant, who: mallory, set: func(h *host) {
		h.options.Tenants = []string{h.contoso.ID, "11111111-2222-3333-4444-555555555555"}
	}, do: func(h *host) (*browser, page) {
		a := h.begin(h.t, h.mallory)
		return a.b, a.finish()
	}},
	{name: "token of another application", reason: entra.ReasonAudience, do: withToken(map[string]any{"aud": "11111111-2222-3333-4444-555555555555"}, nil)},
	{name: "token for two applications", reason: entra.ReasonAudience, do: withClaims(func(h *host) map[string]any {
		return map[string]any{"aud": []string{h.app.ID, "11111111-2222-3333-4444-555555555555"}}
	})},
	{name: "placeholder issuer", reason: entra.ReasonPlaceholder, do: withClaims(func(h *host) map[string]any { return map[string]any{"iss": h.issuer("{tenantid}")} })},
	{name: "issuer common", reason: entra.ReasonPlaceholder, do: withClaims(func(h *host) map[string]any { return map[string]any{"iss": h.issuer("common")} })},
	{name: "alg none", reason: entra.ReasonAlgorithm, do: withToken(nil, &entratest.SignOptions{Algorithm: "none"})},
	{name: "HS256 with the public key", reason: entra.ReasonAlgorithm, do: withToken(nil, &entratest.SignOptions{Algorithm: "HS256"})},
	{name: "RS512", reason: entra.ReasonAlgorithm, do: withToken(nil, &entratest.SignOptions{Algorithm: "RS512"})},
	{name: "a foreign key under a known name", reason: entra.ReasonSignature, do: withToken(nil, &entratest.SignOptions{Foreign: true})},
	{name: "a key that nobody publishes", reason: entra.ReasonKey, do: withToken(nil, &entratest.SignOptions{Foreign: true, KeyID: "mine"})},
	{name: "a key of another tenant", reason: entra.ReasonSignature, set: func(h *host) { h.RotateFor(h.issuer(h.fabrikam.ID)) }, do: withToken(nil, nil)},
	{name: "nonce of another sign-in", reason: entra.ReasonNonce, do: func(h *host) (*browser, page) {
		old, a := h.begin(h.t, h.anna), h.begin(h.t, h.anna)
		a.token(h.anna, map[string]any{"nonce": old.nonce}, nil)
		return a.b, a.finish()
	}},
	{name: "no nonce", reason: entra.ReasonNonce, do: withToken(map[string]any{"nonce": nil}, nil)},
	{name: "state used twice", reason: entra.ReasonState, do: func(h *host) (*browser, page) {
		a := h.begin(h.t, h.otto)
		require.Equal(h.t, http.StatusOK, a.finish().status)
		require.Equal(h.t, http.StatusSeeOther, a.b.signOut(h).status)
		h.audit.take()
		return a.b, a.finish()
	}},
	{name: "state of another browser", reason: entra.ReasonState, do: withAnswer(func(a *attempt) { a.b = newBrowser(a.t) })},
	{name: "state made up", reason: entra.ReasonState, do: withAnswer(func(a *attempt) { a.param("state", strings.Repeat("A", 43)) })},
	{name: "no state", reason: entra.ReasonState, do: withAnswer(func(a *attempt) { a.param("state", "") })},
	{name: "two states", reason: entra.ReasonState, do: withAnswer(func(a *attempt) { a.answer.RawQuery += "&state=x" })},
	{name: "two codes", reason: entra.ReasonState, do: withAnswer(func(a *attempt) { a.answer.RawQuery += "&code=x" })},
	{name: "two issuers", reason: entra.ReasonState, do: withAnswer(func(a *attempt) {
		a.param("iss", a.issuer(a.contoso.ID))
		a.answer.RawQuery += "&iss=x"
	})},
	{name: "two errors", reason: entra.ReasonState, do: withAnswer(func(a *attempt) { a.answer.RawQuery += "&error=access_denied&error=x" })},
	{name: "no code", reason: entra.ReasonState, do: withAnswer(func(a *attempt) { a.param("code", "") })},
	{name: "a code too long", reason: entra.ReasonState, do: withAnswer(func(a *attempt) { a.param("code", strings.Repeat("A", 9<<10)) })},
	{name: "a sign-in that took too long", reason: entra.ReasonState, do: withAnswer(func(a *attempt) { a.pass(15 * time.Minute) })},
	{name: "the code of another person's sign-in", reason: entra.ReasonEntra, do: withAnswer(func(a *attempt) {
		a.param("code", a.begin(a.t, a.otto).answer.Query().Get("code"))
	})},
	{name: "cookie of another sign-in", reason: entra.ReasonCookie, do: func(h *host) (*browser, page) {
		a := h.begin(h.t, h.anna)
		mine := a.b.cookies(h.base, flowCookie)
		a.b.post(h.base+"/signin", nil, func(u *url.URL) bool { return strings.HasPrefix(u.String(), h.base+"/callback") })
		for _, name := range a.b.cookies(h.base, flowCookie) {
			if name != mine[0] {
				a.b.swap(h.base, name, mine[0])
			}
		}
		return a.b, a.finish()
	}},
	{name: "session cookie of another owner", reason: entra.ReasonCookie, do: func(h *host) (*browser, page) {
		south := h.south(h.t)
		a := south.begin(h.t, south.anna)
		require.Equal(h.t, http.StatusOK, a.finish().status)
		require.Len(h.t, a.b.cookies(south.base, sessionCookie), 1)
		b, _ := h.signIn(h.t, h.otto, "")
		name := b.cookies(h.base, sessionCookie)[0]
		a.b.swap(south.base, a.b.cookies(south.base, sessionCookie)[0], name)
		h.audit.take()
		return a.b, a.b.get(h.origin+"/tickets/1", func(u *url.URL) bool { return u.Path == "/auth/signin" })
	}},
	{name: "session cookie that was altered", reason: entra.ReasonCookie, do: func(h *host) (*browser, page) {
		b, _ := h.signIn(h.t, h.anna, "")
		u, _ := url.Parse(h.origin)
		c := b.http.Jar.Cookies(u)[0]
		b.http.Jar.SetCookies(u, []*http.Cookie{{Name: c.Name, Value: c.Value[:len(c.Value)-6] + "AAAAAA", Path: "/"}})
		h.audit.take()
		return b, b.get(h.origin+"/tickets/1", func(u *url.URL) bool { return u.Path == "/auth/signin" })
	}},
	{name: "flow cookie as a session", reason: entra.ReasonCookie, do: func(h *host) (*browser, page) {
		b, _ := h.signIn(h.t, h.otto, "")
		name := b.cookies(h.base, sessionCookie)[0]
		a := h.begin(h.t, h.anna)
		a.b.swap(h.base, a.b.cookies(h.base, flowCookie)[0], name)
		h.audit.take()
		return a.b, a.b.get(h.origin+"/tickets/1", func(u *url.URL) bool { return u.Path == "/auth/signin" })
	}},
	{name: "guest", reason: entra.ReasonGuest, who: anna, do: withClaims(func(h *host) map[string]any {
		return map[string]any{"idp": "https://sts.windows.net/" + h.fabrikam.ID + "/"}
	})},
	{name: "guest by a partner's issuer that ends like the tenant's", reason: entra.ReasonGuest, who: anna, do: withClaims(func(h *host) map[string]any {
		return map[string]any{"idp": "https://sts.mallory.example/" + h.contoso.ID + "/"}
	})},
	{name: "guest by the claim acct", reason: entra.ReasonGuest, who: anna, do: withToken(map[string]any{"acct": 1}, nil)},
	{name: "personal account", reason: entra.ReasonPersonal, do: withClaims(func(h *host) map[string]any {
		return map[string]any{"tid": personalID, "iss": h.issuer(personalID)}
	})},
	{name: "role claim missing", reason: entra.ReasonRole, who: anna, do: withToken(map[string]any{"roles": nil}, nil)},
	{name: "roles of another application's names", reason: entra.ReasonRole, who: anna, do: withToken(map[string]any{"roles": []string{"admin", "Owner"}}, nil)},
	{name: "group overage", reason: entra.ReasonGroups, who: anna, set: func(h *host) { h.options.Groups = true }, do: withToken(map[string]any{
		"_claim_names": map[string]any{"groups": "src1"}, "_claim_sources": map[string]any{"src1": map[string]any{"endpoint": "https://graph.windows.net/x"}},
	}, nil)},
	{name: "group overage by hasgroups", reason: entra.ReasonGroups, who: anna, set: func(h *host) { h.options.Groups = true }, do: withToken(map[string]any{"hasgroups": true}, nil)},
	{name: "groups that are no list", reason: entra.ReasonGroups, who: anna, set: func(h *host) { h.options.Groups = true }, do: withToken(map[string]any{"groups": "src1"}, nil)},
	{name: "nobody's account", reason: entra.ReasonAccount, who: anna, set: func(h *host) { h.gone[h.anna.ObjectID] = true }, do: withToken(nil, nil)},
	{name: "refused by the host with a reason of its own", reason: "on-holiday", who: anna, set: func(h *host) {
		h.options.Resolve = func(context.Context, entra.Identity) (*entra.User, error) {
			return nil, fmt.Errorf("not now: %w", entra.Refuse("on-holiday"))
		}
	}, do: withToken(nil, nil)},
	{name: "clock skew of 10 minutes, ahead", reason: entra.ReasonClock, do: withClaims(times(10*time.Minute, 70*time.Minute))},
	{name: "clock skew of 10 minutes, behind", reason: entra.ReasonExpired, do: withClaims(times(-70*time.Minute, -10*time.Minute))},
	{name: "no times", reason: entra.ReasonLife, do: withToken(map[string]any{"exp": nil}, nil)},
	{name: "good for a week", reason: entra.ReasonLife, do: withClaims(times(0, 7*24*time.Hour))},
	{name: "no person", reason: entra.ReasonNobody, do: withToken(map[string]any{"oid": nil}, nil)},
	{name: "an address as the person", reason: entra.ReasonNobody, do: withToken(map[string]any{"oid": "anna@contoso.com"}, nil)},
	{name: "no tenant", reason: entra.ReasonNobody, do: withToken(map[string]any{"tid": nil}, nil)},
	{name: "version 1", reason: entra.ReasonVersion, do: withToken(map[string]any{"ver": "1.0"}, nil)},
	{name: "claims of the wrong kind", reason: entra.ReasonMalformed, do: withToken(map[string]any{"roles": "Admin"}, nil)},
	{name: "a token too long", reason: entra.ReasonMalformed, do: withToken(map[string]any{"name": strings.Repeat("x", 25<<10)}, nil)},
	{name: "no id token", reason: entra.ReasonNoToken, do: withFault(entratest.Fault{Status: http.StatusOK, Body: `{"access_token":"x"}`})},
	{name: "not a token", reason: entra.ReasonAlgorithm, do: withFault(entratest.Fault{Status: http.StatusOK, Body: `{"id_token":"a.b.c"}`})},
	{name: "a session that fits into no cookie", reason: entra.ReasonSize, who: anna, do: withToken(map[string]any{"name": strings.Repeat("x", 4<<10)}, nil)},
	{name: "cancelled", reason: entra.ReasonDeclined, do: withAnswer(func(a *attempt) {
		a.answer.RawQuery = url.Values{"state": {a.asked.Get("state")}, "error": {"access_denied"}, "error_description": {"AADSTS65004: no"}}.Encode()
	})},
	{name: "not assigned to the application", reason: entra.ReasonEntra, do: withAnswer(func(a *attempt) {
		a.answer.RawQuery = url.Values{"state": {a.asked.Get("state")}, "error": {"access_denied"}, "error_description": {"AADSTS50105: not assigned"}}.Encode()
	})},
	{name: "Conditional Access", reason: entra.ReasonEntra, do: withFault(entratest.Fault{Code: 53003})},
	{name: "the application's secret is over", reason: entra.ReasonCredentials, do: withFault(entratest.Fault{Status: http.StatusUnauthorized, Code: 7000222, OAuth: "invalid_client"})},
	{name: "throttled", reason: entra.ReasonUnavailable, do: withFault(entratest.Fault{Status: http.StatusTooManyRequests})},
	{name: "out of order", reason: entra.ReasonUnavailable, do: withFault(entratest.Fault{Status: http.StatusBadGateway, Body: "<html>"})},
	{name: "no answer", reason: entra.ReasonUnavailable, do: withFault(entratest.Fault{Drop: true})},
	{name: "no keys", reason: entra.ReasonUnavailable, do: func(h *host) (*browser, page) {
		a := h.begin(h.t, h.anna)
		h.Fail(entratest.Fault{Endpoint: entratest.Keys, Times: -1, Status: http.StatusInternalServerError})
		return a.b, a.finish()
	}},
	{name: "a store that does not answer", reason: entra.ReasonFailed, set: func(h *host) {
		h.options.Resolve = func(context.Context, entra.Identity) (*entra.User, error) {
			return nil, fmt.Errorf("no connection to 10.0.0.7")
		}
	}, do: withToken(nil, nil)},
	{name: "return address of another host", reason: entra.ReasonReturn, do: func(h *host) (*browser, page) {
		b := newBrowser(h.t)
		return b, b.get(h.base+"/signin?to="+url.QueryEscape("https://mallory.example/"), nil)
	}},
	{name: "return address without scheme, in the form", reason: entra.ReasonReturn, do: func(h *host) (*browser, page) {
		b := newBrowser(h.t)
		return b, b.post(h.base+"/signin", url.Values{"to": {"//mallory.example"}}, nil)
	}},
	{name: "two return addresses", reason: entra.ReasonReturn, do: func(h *host) (*browser, page) {
		b := newBrowser(h.t)
		return b, b.get(h.base+"/signin?to=/a&to=//mallory.example", nil)
	}},
}

// south is the software of another owner with the same keys.
func (h *host) south(t testing.TB) *host {
	t.Helper()
	return newHost(t, func(s *host) { s.ring, s.options.Owner = h.ring, "south" }).serve(t)
}

func TestAttackTable(t *testing.T) {
	t.Parallel()
	for _, x := range attacks {
		t.Run(x.name, func(t *testing.T) {
			t.Parallel()
			h := newHost(t, func(h *host) {
				if x.set != nil {
					x.set(h)
				}
			}).serve(t)
			b, p := x.do(h)
			require.Equal(t, []entra.Event{h.refusal(x)}, h.audit.take())
			if p.status >= http.StatusBadRequest {
				require.Contains(t, p.text(), "For your helpdesk: "+string(x.reason))
			} else {
				require.Equal(t, http.StatusSeeOther, p.status, "a page that asks to sign in")
			}
			_, u := shown(t, b.get(h.origin+"/", nil))
			require.Nil(t, u, "nobody is signed in")
			require.Empty(t, h.audit.take())
			for _, secret := range []string{"the client secret", "10.0.0.7", "eyJ"} {
				require.NotContains(t, p.body, secret)
			}
			require.NotContains(t, h.log.String(), "eyJ")
		})
	}
}

// refusal is the event of an attack.
func (h *host) refusal(x attack) entra.Event {
	e := entra.Event{At: h.now(), Kind: entra.EventSignInRefused, Owner: "north", Reason: string(x.reason)}
	if x.who != nil {
		e.TenantID, e.ObjectID = x.who(h).Tenant().ID, x.who(h).ObjectID
	}
	return e
}

func TestEveryReasonHasItsTexts(t *testing.T) {
	t.Parallel()
	for _, x := range attacks {
		require.Equal(t, x.reason, entra.ReasonOf(fmt.Errorf("wrapped: %w", entra.Refuse(x.reason))))
	}
	for _, file := range []string{"en", "de"} {
		raw, err := os.ReadFile("texts/" + file + ".json")
		require.NoError(t, err)
		var texts map[string]string
		require.NoError(t, json.Unmarshal(raw, &texts))
		for reason := range entra.ReasonTexts {
			require.NotEmpty(t, texts["refused."+entra.PageOf(reason)+".title"], "%s: %s", file, reason)
			require.NotEmpty(t, texts["refused."+entra.PageOf(reason)+".text"], "%s: %s", file, reason)
		}
	}
	require.Equal(t, entra.Reason(""), entra.ReasonOf(nil))
	require.Equal(t, entra.ReasonFailed, entra.ReasonOf(errors.New("x")))
}
