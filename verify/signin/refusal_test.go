package signin_test

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit/entra"
	"github.com/mspkit/mspkit/entra/entratest"
	"github.com/mspkit/mspkit/internal/token"
	"github.com/mspkit/mspkit/verify"
	"github.com/mspkit/mspkit/verify/signin"
)

// Whatever comes back from Microsoft, but for the fresh sign-in of the contact, confirms nothing, and says so with its own reason.
func TestWhatDoesNotCountIsRefusedWithItsOwnReason(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		channel string
		who     func(w *world) *entratest.User // nil is Dana
		prepare func(w *world)
		title   string
		status  int
		reason  entra.Reason
		hint    string // that the technician gets
		code    string
	}{
		"another person of the tenant": {
			who: func(w *world) *entratest.User { return w.otto }, title: "This is another account",
			reason: entra.ReasonPerson, hint: "another person of the organisation signed in",
		},
		"a namesake of another tenant": {
			who: func(w *world) *entratest.User { return w.mallory }, title: "This is another organisation",
			reason: entra.ReasonEntra, code: "AADSTS50020",
		},
		"a token of another tenant": {
			prepare: func(w *world) {
				w.Tamper(0, entratest.Set("tid", w.fabrikam.ID, "iss", strings.ReplaceAll(w.IDClaims(w.dana, w.app.ID, "n")["iss"].(string), w.contoso.ID, w.fabrikam.ID)))
			},
			title: "This is another organisation", reason: entra.ReasonTenant, hint: "a person of another organisation signed in",
		},
		"a token of another tenant in the name of the contact's": {
			prepare: func(w *world) { w.Tamper(0, entratest.Set("tid", w.fabrikam.ID)) },
			title:   "Microsoft did not let it happen", reason: entra.ReasonIssuer,
		},
		"a guest of the tenant": {
			who:   func(w *world) *entratest.User { w.contoso.Invite(w.mallory); return w.mallory },
			title: "This is another account", reason: entra.ReasonPerson, hint: "another person of the organisation signed in",
		},
		"the contact, who is a guest": {
			prepare: func(w *world) {
				w.Tamper(0, entratest.Set("idp", strings.ReplaceAll(w.IDClaims(w.dana, w.app.ID, "n")["iss"].(string), w.contoso.ID, w.fabrikam.ID)))
			},
			title: "This is a guest account", reason: entra.ReasonGuest, hint: "a guest account signed in",
		},
		"a personal account": {
			who: func(w *world) *entratest.User {
				return w.Consumers().AddUser(entratest.User{Name: "Dana Smith", Username: "dana@outlook.example"})
			},
			title: "This is another organisation", reason: entra.ReasonEntra, code: "AADSTS50020",
		},
		"a token of a personal account": {
			prepare: func(w *world) { w.Tamper(0, entratest.Set("tid", entratest.ConsumersID)) },
			title:   "This is a personal account", reason: entra.ReasonPersonal, hint: "a personal account signed in",
		},
		"a sign-in of six minutes ago": {
			prepare: func(w *world) {
				w.Tamper(0, entratest.Set("auth_time", w.now().Add(-5*time.Minute-time.Second).Unix()))
			},
			title: "Please sign in afresh", reason: entra.ReasonFresh, hint: "the sign-in was not a fresh one",
		},
		"another person's sign-in of six minutes ago": {
			who: func(w *world) *entratest.User { return w.otto },
			prepare: func(w *world) {
				w.Tamper(0, entratest.Set("auth_time", w.now().Add(-5*time.Minute-time.Second).Unix()))
			},
			title: "This is another account", reason: entra.ReasonPerson, hint: "another person of the organisation signed in",
		},
		"another person without the context": {
			channel: "signin-strong", who: func(w *world) *entratest.User { return w.otto },
			prepare: func(w *world) {
				w.otto.CanSatisfy = []string{"c7"}
				w.Tamper(0, entratest.Set("acrs", []string{"c1"}))
			},
			title: "This is another account", reason: entra.ReasonPerson, hint: "another person of the organisation signed in",
		},
		"no auth_time": {
			prepare: func(w *world) { w.app.OptionalClaims = []string{"acrs"} },
			title:   "Please sign in afresh", reason: entra.ReasonFresh, hint: "the sign-in was not a fresh one",
		},
		"no acrs": {
			channel: "signin-strong", prepare: func(w *world) { w.app.OptionalClaims = []string{"auth_time"} },
			title: "A stronger sign-in is needed", reason: entra.ReasonStrong, hint: "the sign-in was not as strong as it must be",
		},
		"acrs of another context": {
			channel: "signin-strong", prepare: func(w *world) { w.Tamper(0, entratest.Set("acrs", []string{"c1", "c77", "C7", "c7 "})) },
			title: "A stronger sign-in is needed", reason: entra.ReasonStrong, hint: "the sign-in was not as strong as it must be",
		},
		"acrs that is no list": {
			channel: "signin-strong", prepare: func(w *world) { w.Tamper(0, entratest.Set("acrs", "c7")) },
			title: "Microsoft did not let it happen", reason: entra.ReasonMalformed,
		},
		"a context that the contact cannot satisfy": {
			channel: "signin-strong", prepare: func(w *world) { w.acr = "c8" },
			title: "A stronger sign-in is needed", reason: entra.ReasonEntra, code: "AADSTS53003",
		},
		"declined": {
			prepare: func(w *world) { w.Decline(true) }, title: "You did not sign in", reason: entra.ReasonDeclined, code: "AADSTS65004",
		},
		"blocked by a policy": {
			prepare: func(w *world) { w.Fail(entratest.Fault{Endpoint: entratest.Token, Code: 53003}) },
			title:   "Microsoft did not let it happen", reason: entra.ReasonEntra, code: "AADSTS53003",
		},
		"a code of somebody else": {
			prepare: func(w *world) {
				b := w.signIn(w.browser(), w.link(), w.otto)
				require.Equal(w.t, "This is another account", b.heading())
				w.mu.Lock()
				w.audit = nil
				w.mu.Unlock()
				w.ReplayCode()
			},
			title: "Microsoft did not let it happen", reason: entra.ReasonEntra, hint: "another person of the organisation signed in", code: "AADSTS54005",
		},
		"a wrong signature": {
			prepare: func(w *world) { w.Tamper(0, entratest.Signed(entratest.SignOptions{Foreign: true})) },
			title:   "Microsoft did not let it happen", reason: entra.ReasonSignature,
		},
		"a token of another sign-in": {
			prepare: func(w *world) { w.Tamper(0, entratest.Set("nonce", "another")) },
			title:   "Microsoft did not let it happen", reason: entra.ReasonNonce,
		},
		"Microsoft does not answer": {
			prepare: func(w *world) { w.Fail(entratest.Fault{Endpoint: entratest.Token, Drop: true, Times: -1}) },
			title:   "Not possible at the moment", status: http.StatusServiceUnavailable, reason: entra.ReasonUnavailable,
		},
		"the secret is wrong": {
			prepare: func(w *world) {
				w.Fail(entratest.Fault{Endpoint: entratest.Token, OAuth: "invalid_client", Code: 7000215})
			},
			title: "Not possible at the moment", status: http.StatusServiceUnavailable, reason: entra.ReasonCredentials, code: "AADSTS7000215",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			who := w.dana
			if tc.channel == "" {
				tc.channel = "signin"
			}
			if tc.channel == "signin-strong" && tc.prepare != nil {
				tc.prepare(w) // the context stands in the link
			}
			c, link := w.begin(tc.channel)
			if tc.channel == "signin" && tc.prepare != nil {
				tc.prepare(w)
			}
			if tc.who != nil {
				who = tc.who(w)
			}
			b := w.signIn(w.browser(), link, who)
			require.Equal(t, tc.title, b.heading(), b.text)
			if tc.status == 0 {
				tc.status = http.StatusForbidden
			}
			require.Equal(t, tc.status, b.status)
			require.Equal(t, tc.code != "", strings.Contains(b.text, "Microsoft's code: "+tc.code), "%q: %s", tc.code, b.text)
			require.Equal(t, []string{string(tc.reason)}, w.reasons())
			require.Contains(t, w.logged(), `"reason":"`+string(tc.reason)+`"`)
			w.mu.Lock()
			switch got := w.audit[0].ObjectID; tc.reason { // who it was stands in the audit
			case entra.ReasonFresh, entra.ReasonStrong, entra.ReasonGuest:
				require.Equal(t, w.dana.ObjectID, got)
			case entra.ReasonPerson, entra.ReasonTenant:
				require.NotEmpty(t, got)
			default:
				require.Empty(t, got)
			}
			w.mu.Unlock()

			got := w.get(c)
			require.Equal(t, []any{verify.StatePending, 2, tc.hint != ""}, []any{got.State, got.TriesLeft, got.Hinted})
			var hint string
			for _, e := range w.all() {
				if e.Kind == verify.EventSignInRefused {
					hint = e.Reason
				}
			}
			require.Equal(t, tc.hint, hint)
			require.Equal(t, "Confirm with a sign-in", b.open(link).heading(), "nobody is signed in")
			require.False(t, w.frozen())

			// The contact may still come, where it was not the contact or nothing but bad luck.
			w.acr, w.app.OptionalClaims = "c7", nil
			w.Decline(false)
			if tc.status == http.StatusServiceUnavailable && tc.code == "" || strings.Contains(name, "satisfy") {
				return
			}
			b = w.signIn(w.browser(), link, w.dana).press("/number", "number", c.Number.Reveal())
			require.Equal(t, "Thank you, it is confirmed", b.heading())
		})
	}
}

// What the flow has looked at is looked at once more.
func TestAnAnswerIsJudgedByItself(t *testing.T) {
	t.Parallel()
	good := entra.Answer{Fresh: true, Strong: true, Identity: entra.Identity{TenantID: tid, ObjectID: oid}}
	for want, change := range map[entra.Reason]func(a *entra.Answer){
		"":                 func(*entra.Answer) {},
		entra.ReasonTenant: func(a *entra.Answer) { a.Identity.TenantID = oid },
		entra.ReasonPerson: func(a *entra.Answer) { a.Identity.ObjectID = tid },
		entra.ReasonGuest:  func(a *entra.Answer) { a.Identity.Guest = true },
		entra.ReasonFresh:  func(a *entra.Answer) { a.Fresh = false },
		entra.ReasonStrong: func(a *entra.Answer) { a.Strong = false },
	} {
		a := good
		change(&a)
		require.Equal(t, want, entra.ReasonOf(signin.Judge(tid, oid, 1, a)))
	}
	good.Strong = false
	require.NoError(t, signin.Judge(tid, oid, 0, good), "nobody asked for more")
}

// A link of ours for somebody to whom the challenge did not go, or to one of another channel, leads nowhere.
func TestTheServiceKnowsToWhomAChallengeWent(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	links, err := token.NewCodec(w.ring, "verify/signin/link")
	require.NoError(t, err)
	c, link := w.begin("signin")
	r := w.request("email")
	r.Action = verify.ActionIdentify
	byMail, err := w.svc.Start(t.Context(), r)
	require.NoError(t, err)
	for _, made := range []struct {
		id  string
		who *entratest.User
	}{{c.Ref.ID, w.otto}, {byMail.Ref.ID, w.dana}, {"none", w.dana}} {
		tok, err := signin.Encode(links, tenant, made.id, made.who.Tenant().ID, made.who.ObjectID, 0)
		require.NoError(t, err)
		require.Equal(t, "This link does not work", w.browser().open(w.base+"/signin/s/"+tok).heading())
	}
	require.Equal(t, "Confirm with a sign-in", w.browser().open(link).heading())
}

// Every token that nobody may accept is refused here too.
func TestForgedTokensAreRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c, link := w.begin("signin")
	attacks := w.Attacks(w.fabrikam, w.AddApp(entratest.App{}).ID)
	require.Greater(t, len(attacks), 10)
	for _, a := range attacks {
		w.Tamper(0, a.Change)
		b := w.signIn(w.browser(), link, w.dana)
		require.Equal(t, http.StatusForbidden, b.status, "%s: %s", a.Name, b.text)
		require.NotContains(t, b.text, `name="number"`, a.Name)
	}
	require.Equal(t, []any{verify.StatePending, 2}, []any{w.get(c).State, w.get(c).TriesLeft})
	require.NotContains(t, w.reasons(), "")
	require.Equal(t, "Type the number", w.signIn(w.browser(), link, w.dana).heading())
}

func TestAnAnswerOfMicrosoftsCountsOnceAndInItsBrowserOnly(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, link := w.begin("signin")
	w.SignIn(w.dana)
	b := w.browser().open(link).stays()
	back := b.open(b.press("").header.Get("Location")).header.Get("Location")
	require.True(t, strings.HasPrefix(back, w.base+"/signin/callback?"), back)
	refused := func(b *browser, address string) {
		t.Helper()
		b.open(address)
		require.Equal(t, http.StatusBadRequest, b.status)
		require.Equal(t, "This sign-in cannot be used", b.heading())
		require.Equal(t, "Confirm with a sign-in", b.open(link).heading())
	}
	refused(w.browser(), back) // another browser, such as that of somebody who was sent the address
	require.Equal(t, http.StatusMethodNotAllowed, w.browser().do(http.MethodPost, back, url.Values{"a": {"b"}}).status)
	head := b.do(http.MethodHead, back, nil)
	require.Equal(t, http.StatusBadRequest, head.status)
	require.Equal(t, "Type the number", b.open(back).open(link).heading(), "HEAD has used nothing up")
	b.open(back)
	require.Equal(t, http.StatusBadRequest, b.status, "a second time")
	refused(w.browser(), w.base+"/signin/callback")
	refused(w.browser(), w.base+"/signin/callback?code=x&state="+strings.Repeat("A", 43))
	require.Equal(t, []string{"state", "", "state", "state", "state"}, w.reasons())
}

func TestASignInThatTakesTooLong(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, link := w.begin("signin")
	w.SignIn(w.dana)
	b := w.browser().open(link).stays().press("")
	w.pass(16 * time.Minute)
	b.open(b.header.Get("Location"))
	require.Equal(t, http.StatusBadRequest, b.open(b.header.Get("Location")).status)
}

// The cookie of one link is worthless at another's, of the same person too, and so is the value of a form.
func TestASignInIsForOneRequest(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, first := w.begin("signin")
	c, second := w.begin("signin-strong")
	b := w.signIn(w.browser(), first, w.dana)
	require.Equal(t, "Type the number", b.heading())
	form := hidden.FindStringSubmatch(b.text)[1]
	site, err := url.Parse(w.site)
	require.NoError(t, err)
	cookies := b.c.Jar.Cookies(site)
	require.Len(t, cookies, 1, "what the flow carried is gone")
	require.Equal(t, "Confirm with a sign-in", b.open(second).heading())
	b.do(http.MethodPost, second+"/number", url.Values{"form": {form}, "number": {c.Number.Reveal()}})
	require.Equal(t, "Confirm with a sign-in", b.heading())

	// Under the name of the other's.
	other := w.signIn(w.browser(), second, w.dana)
	require.Equal(t, "Type the number", other.heading())
	var name, value string
	for _, k := range cookies {
		if strings.HasPrefix(k.Name, "mspkit-signed-in-") {
			value = k.Value
		}
	}
	for _, k := range other.c.Jar.Cookies(site) {
		if strings.HasPrefix(k.Name, "mspkit-signed-in-") {
			name = k.Name
		}
	}
	require.NotEmpty(t, name)
	raw, err := base64.RawURLEncoding.DecodeString(value)
	require.NoError(t, err)
	raw[len(raw)-1] ^= 1
	for _, v := range []string{value, "", "x", base64.RawURLEncoding.EncodeToString(raw)} {
		b.c.Jar.SetCookies(site, []*http.Cookie{{Name: name, Value: v, Path: "/"}})
		require.Equal(t, "Confirm with a sign-in", b.open(second).heading(), v)
	}

	// The right cookie without what stands on the page, as another site would send it.
	for _, path := range []string{"/number", "/deny"} {
		other.do(http.MethodPost, second+path, url.Values{"form": {form}, "number": {c.Number.Reveal()}})
		other.do(http.MethodPost, second+path, url.Values{"number": {c.Number.Reveal()}})
	}
	require.Equal(t, verify.StatePending, w.get(c).State)
	require.Equal(t, 2, w.get(c).TriesLeft)
	require.False(t, w.frozen())
	require.Equal(t, "Type the number", other.open(second).heading())
}
