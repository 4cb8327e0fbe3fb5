package gdap_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/entra"
	"github.com/mspkit/mspkit/entra/gdap"
	"github.com/mspkit/mspkit/internal/graphfake"
)

func TestNewPartnerReportsAllFaults(t *testing.T) {
	t.Parallel()
	_, err := gdap.NewPartner(nil, nil, &gdap.Options{
		PartnerTenant: "msp.example", ClientID: "x", Name: " a", Connections: entra.NewMemory(), Roles: []gdap.Role{}, MaxTokens: -1, Lag: time.Hour,
		Cloud: entra.Cloud{Login: "http://login.example", Graph: "https://graph.example"},
	})
	require.ErrorIs(t, err, mspkit.ErrInvalid)
	for _, part := range []string{
		"PartnerTenant", "ClientID", "Secret and Assertion", "Name", "Owner", "Roles", "MaxTokens", "Lag", "store", "key ring", "Cloud.Login",
	} {
		require.ErrorContains(t, err, part)
	}
	_, err = gdap.NewPartner(entra.NewMemory(), nil, nil)
	require.ErrorIs(t, err, mspkit.ErrInvalid)
}

func TestOneRefreshTokenOpensManyTenants(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	p := w.signedIn(t)
	fabrikam := w.customer("Fabrikam")
	require.NoError(t, w.store.Connect(t.Context(), entra.Connection{
		Tenant: "fabrikam", Owner: "msp", Integration: "contacts", EntraID: fabrikam.ID, Via: entra.ViaGDAP,
	}))
	w.redeemed("")
	for name, id := range map[mspkit.TenantID]string{"contoso": w.contoso.ID, "fabrikam": fabrikam.ID} {
		token, err := w.token(t.Context(), p, name, graphScope)
		require.NoError(t, err)
		require.Equal(t, id, w.tenantOf(t, token))
		again, err := w.token(t.Context(), p, name, graphScope)
		require.NoError(t, err)
		require.Equal(t, token, again, "it is kept")
	}
	forms := w.redeemed(fabrikam.ID)
	require.Len(t, forms, 1)
	require.Equal(t, "refresh_token", forms[0].Get("grant_type"))
	require.Equal(t, "https://graph.microsoft.com/.default offline_access", forms[0].Get("scope"))

	token, err := w.token(t.Context(), p, "contoso", graphScope)
	require.NoError(t, err)
	w.clock.Add(51 * time.Minute) // before the Azure SDK would ask again and again
	later, err := w.token(t.Context(), p, "contoso", graphScope)
	require.NoError(t, err)
	require.NotEqual(t, token, later)
	p.Forget(strings.ToUpper(w.contoso.ID))
	forgotten, err := w.token(t.Context(), p, "contoso", graphScope)
	require.NoError(t, err)
	require.NotEqual(t, later, forgotten)
}

func TestTheRefreshTokenRotatesAndIsSealed(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.options.Name = "partner"
	p := w.partner(t)
	first := w.RefreshToken(w.home.ID, user)
	require.NoError(t, p.SignIn(t.Context(), mspkit.Redact(first), "anna"))
	sealed, rev, err := w.store.Token(t.Context(), "partner")
	require.NoError(t, err)
	require.EqualValues(t, 1, rev)
	require.NotContains(t, string(sealed), "fake.rt.")
	w.redeemed("")
	used := map[string]bool{first: true}
	for range 3 {
		p.Forget(w.contoso.ID)
		_, err = w.token(t.Context(), p, "contoso", graphScope)
		require.NoError(t, err)
		for _, f := range w.redeemed(w.contoso.ID) {
			require.False(t, used[f.Get("refresh_token")], "each is used once")
			used[f.Get("refresh_token")] = true
		}
	}
	require.Len(t, used, 4)
	_, rev, err = w.store.Token(t.Context(), "partner")
	require.NoError(t, err)
	require.EqualValues(t, 4, rev)

	// Another name, another partner or another ring do not open it.
	sealed, _, err = w.store.Token(t.Context(), "partner")
	require.NoError(t, err)
	_, err = w.store.SwapToken(t.Context(), "other", sealed, 0, w.clock.Now())
	require.NoError(t, err)
	w.options.Name = "other"
	_, err = w.token(t.Context(), w.partner(t), "contoso", graphScope)
	require.ErrorContains(t, err, `open the refresh token of "other"`)
	w.options.Name, w.options.PartnerTenant = "partner", w.contoso.ID
	_, err = w.token(t.Context(), w.partner(t), "contoso", graphScope)
	require.ErrorContains(t, err, "open the refresh token")
	w.options.PartnerTenant = w.home.ID
	w.ring, err = mspkit.NewKeyRing(mspkit.NewKey("k2"))
	require.NoError(t, err)
	lost := w.partner(t)
	_, err = w.token(t.Context(), lost, "contoso", graphScope)
	require.ErrorIs(t, err, mspkit.ErrUnknownKey)
	require.NoError(t, lost.SignIn(t.Context(), mspkit.Redact(first), "anna"), "what does not open any more is replaced")
	_, err = w.token(t.Context(), lost, "contoso", graphScope)
	require.NoError(t, err)
}

func TestNothingPrintsATokenOrSecret(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	var log bytes.Buffer
	w.options.Logger = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	p := noPause(w.signedIn(t))
	creds, err := p.Credentials(gdap.Connected(w.store, "msp", "contacts", w.clock.Now))
	require.NoError(t, err)
	cred, err := creds.TenantCredential(t.Context(), "contoso")
	require.NoError(t, err)
	token, err := cred.GetToken(t.Context(), graphScope)
	require.NoError(t, err)
	p.Forget(w.contoso.ID)
	w.RevokeRefresh(0)
	_, bad := cred.GetToken(t.Context(), graphScope)
	require.Error(t, bad)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%d", "%x"} {
		for _, v := range []any{p, creds, cred, bad} {
			_, err := fmt.Fprintf(&log, verb, v)
			require.NoError(t, err)
		}
	}
	w.options.Connections = nil // a store of a host's prints what it likes
	_, err = fmt.Fprintf(&log, "%v %+v %#v", w.options, w.options, w.options)
	require.NoError(t, err)
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", slog.Any("p", p), slog.Any("c", cred), slog.Any("creds", creds))
	for _, no := range []string{"fake.rt.", token.Token, secret, fmt.Sprintf("%x", token.Token), fmt.Sprintf("%x", secret), fmt.Sprintf("%x", "fake.rt.")} {
		require.NotContains(t, log.String(), no)
	}
	other, err := creds.TenantCredential(t.Context(), "contoso")
	require.NoError(t, err)
	require.Equal(t, map[any]bool{cred: true}, map[any]bool{other: true}, "clients keep tokens by credential")
}

func TestTokenErrors(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		fault  graphfake.Fault
		is     []error
		not    error
		says   string
		health bool // needs a sign-in
	}{
		"no consent":           {fault: aadsts("invalid_grant", "AADSTS65001: no"), is: []error{entra.ErrConsent}, not: entra.ErrSignIn, says: "consent"},
		"app unknown":          {fault: aadsts("unauthorized_client", "AADSTS700016: no"), is: []error{entra.ErrConsent}},
		"relationship gone":    {fault: aadsts("invalid_grant", "AADSTS50020: no"), is: []error{gdap.ErrRelationship}, says: "GDAP group"},
		"guest":                {fault: aadsts("invalid_grant", "AADSTS50177: no"), is: []error{gdap.ErrRelationship}},
		"user unknown there":   {fault: aadsts("invalid_grant", "AADSTS90072: no"), is: []error{gdap.ErrRelationship}, not: entra.ErrSignIn, says: "ended the relationship"},
		"removed by customer":  {fault: aadsts("invalid_grant", "User was not found"), is: []error{gdap.ErrRelationship}, says: "GDAP group"},
		"MFA in the customer":  {fault: aadsts("interaction_required", "AADSTS50076: no"), is: []error{entra.ErrSignIn}, says: "multifactor"},
		"conditional access":   {fault: aadsts("interaction_required", "AADSTS53003: no"), is: []error{entra.ErrRefused}, not: entra.ErrSignIn},
		"wrong secret":         {fault: aadsts("invalid_client", "AADSTS7000215: no"), is: []error{entra.ErrCredentials}, says: "secret"},
		"expired secret":       {fault: aadsts("invalid_client", "AADSTS7000222: no"), is: []error{entra.ErrCredentials}, says: "expired"},
		"tenant closed":        {fault: aadsts("invalid_request", "AADSTS90002: no"), is: []error{entra.ErrTenantGone}},
		"here only, no number": {fault: aadsts("invalid_grant", "no"), is: []error{entra.ErrSignIn}},
		"throttled":            {fault: graphfake.Fault{Status: 429}, is: []error{entra.ErrThrottled}},
		"throttled for long":   {fault: graphfake.TooMany(time.Hour), is: []error{entra.ErrThrottled}},
		"down":                 {fault: graphfake.Fault{Status: 503}, is: []error{entra.ErrUnavailable}, not: entra.ErrSignIn},
		"gone":                 {fault: graphfake.Fault{Drop: true}, is: []error{entra.ErrUnavailable}},
		"redirect":             {fault: graphfake.Fault{Redirect: "https://evil.example/token"}, is: []error{entra.ErrUnavailable}, says: "redirect"},
		"no JSON":              {fault: graphfake.Fault{Body: "<html>"}, is: []error{gdap.ErrAnswer, entra.ErrUnavailable}},
		"no access token":      {fault: graphfake.Fault{Body: `{"token_type":"Bearer","expires_in":3599}`}, is: []error{gdap.ErrAnswer}},
		"huge":                 {fault: graphfake.Fault{Body: `{"access_token":"` + strings.Repeat("a", 1<<20) + `"}`}, is: []error{entra.ErrUnavailable}},
		"a name in the error":  {fault: aadsts("invalid_grant", "AADSTS50034: anna@msp.example is not there"), is: []error{gdap.ErrRelationship}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, nil)
			p := noPause(w.signedIn(t))
			w.tokenFault(-1, w.contoso.ID, c.fault)
			_, err := w.token(t.Context(), p, "contoso", graphScope)
			require.Error(t, err)
			for _, is := range c.is {
				require.ErrorIs(t, err, is)
			}
			if c.not != nil {
				require.NotErrorIs(t, err, c.not)
			}
			e, ok := errors.AsType[*entra.TokenError](err)
			require.True(t, ok)
			require.NotEmpty(t, e.Advice())
			require.Equal(t, name == "throttled for long", e.RetryAfter == time.Hour)
			require.ErrorContains(t, err, c.says)
			require.NotContains(t, err.Error(), "anna")
			var final interface{ NonRetriable() }
			require.ErrorAs(t, err, &final, "azcore must not repeat it")
			h, err := p.Health(t.Context())
			require.NoError(t, err)
			require.False(t, h.NeedsSignIn, "one customer says nothing of the partner")
			w.SetFault(nil)
			_, err = w.token(t.Context(), p, "contoso", graphScope)
			require.NoError(t, err)
		})
	}
}

func TestARevokedRefreshTokenNeedsASignIn(t *testing.T) {
	t.Parallel()
	for number, says := range map[int]string{50173: "revoked", 700082: "not used for too long", 70000: "sign in again"} {
		w := newWorld(t, nil)
		p := noPause(w.signedIn(t))
		w.RevokeRefresh(number)
		_, err := w.token(t.Context(), p, "contoso", graphScope)
		require.ErrorIs(t, err, entra.ErrSignIn)
		require.NotErrorIs(t, err, gdap.ErrRelationship)
		h, err := w.partner(t).Health(t.Context()) // another instance
		require.NoError(t, err)
		require.True(t, h.NeedsSignIn)
		require.Contains(t, h.Problem, says)
		require.Equal(t, "anna@msp.example", h.By)

		w.redeemed("")
		_, err = w.token(t.Context(), p, "contoso", graphScope)
		require.ErrorIs(t, err, entra.ErrSignIn)
		require.Empty(t, w.redeemed(w.contoso.ID), "Entra is not asked for the same again and again")
		_, err = p.Customers(t.Context())
		require.ErrorIs(t, err, entra.ErrSignIn)
		require.ErrorContains(t, err, "list the relationships: entra: somebody must sign in again")
		require.Contains(t, entra.Problem(err), "sign in again")

		require.Error(t, p.SignIn(t.Context(), mspkit.Redact("fake.rt.nothing"), "bert"))
		require.NoError(t, p.SignIn(t.Context(), mspkit.Redact(w.RefreshToken(w.home.ID, user)), "bert"))
		_, err = w.token(t.Context(), p, "contoso", graphScope)
		require.NoError(t, err)
		h, err = p.Health(t.Context())
		require.NoError(t, err)
		require.Equal(t, gdap.Health{
			SignedIn: true, By: "bert", Since: w.clock.Now(), UsedAt: w.clock.Now(), InactiveAt: w.clock.Now().Add(90 * 24 * time.Hour),
		}, h)
	}
}

func TestHealth(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	p := w.partner(t)
	h, err := p.Health(t.Context())
	require.NoError(t, err)
	require.Equal(t, gdap.Health{NeedsSignIn: true, Problem: "nobody has signed in for the partner yet"}, h)
	_, err = w.token(t.Context(), p, "contoso", graphScope)
	require.ErrorIs(t, err, entra.ErrSignIn)
	require.NotErrorIs(t, err, entra.ErrNotConnected, "which would say something of the customer")
	require.Equal(t, "nobody has signed in for the partner yet", entra.Problem(err))

	require.ErrorIs(t, p.SignIn(t.Context(), mspkit.Redact(""), "anna"), mspkit.ErrInvalid)
	require.ErrorIs(t, p.SignIn(t.Context(), mspkit.Redact("a b"), "anna"), mspkit.ErrInvalid)
	require.ErrorIs(t, p.SignIn(t.Context(), mspkit.Redact("a"), " \u202e"), mspkit.ErrInvalid)
	require.NoError(t, p.SignIn(t.Context(), mspkit.Redact(w.RefreshToken(w.home.ID, user)), "anna"))
	since := w.clock.Now()
	w.clock.Add(24 * time.Hour)
	_, err = w.token(t.Context(), p, "contoso", graphScope)
	require.NoError(t, err)
	h, err = p.Health(t.Context())
	require.NoError(t, err)
	require.Equal(t, gdap.Health{SignedIn: true, By: "anna", Since: since, UsedAt: w.clock.Now(), InactiveAt: w.clock.Now().Add(90 * 24 * time.Hour)}, h)
	w.clock.Add(90 * 24 * time.Hour)
	h, err = p.Health(t.Context())
	require.NoError(t, err)
	require.True(t, h.NeedsSignIn)
	require.Contains(t, h.Problem, "90 days")

	// A second factor that the partner's own tenant asks for anew is the partner's problem.
	w.tokenFault(-1, w.home.ID, aadsts("interaction_required", "AADSTS50079: no"))
	_, err = p.Customers(t.Context())
	require.ErrorIs(t, err, entra.ErrSignIn)
	h, err = p.Health(t.Context())
	require.NoError(t, err)
	require.Contains(t, h.Problem, "register for multifactor")
	// So is that the service user was deleted there, which in a customer's tenant would say something of the relationship.
	w.tokenFault(-1, w.home.ID, aadsts("invalid_grant", "AADSTS50034: no"))
	_, err = p.Customers(t.Context())
	require.ErrorIs(t, err, entra.ErrRefused)
	require.NotErrorIs(t, err, gdap.ErrRelationship)
	h, err = p.Health(t.Context())
	require.NoError(t, err)
	require.Contains(t, h.Problem, "user is not known")
	w.SetFault(nil)
	_, err = p.Customers(t.Context())
	require.NoError(t, err)
	h, err = p.Health(t.Context())
	require.NoError(t, err)
	require.False(t, h.NeedsSignIn, "it works again")

	require.NoError(t, p.SignOut(t.Context()))
	require.NoError(t, p.SignOut(t.Context()))
	_, err = w.token(t.Context(), p, "contoso", graphScope)
	require.ErrorIs(t, err, entra.ErrSignIn)
}

func TestThrottledTokensAreWaitedForShortly(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	p := w.signedIn(t)
	w.tokenFault(1, w.contoso.ID, graphfake.TooMany(time.Second))
	_, err := w.token(t.Context(), p, "contoso", graphScope)
	require.NoError(t, err)
}

func TestACredentialIsOfItsTenantOnly(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	p := w.signedIn(t)
	for name, c := range map[mspkit.TenantID]entra.Connection{
		"other-owner": {Owner: "another-msp", Via: entra.ViaGDAP, Integration: "contacts"},
		"by-consent":  {Owner: "msp", Via: entra.ViaConsent, Integration: "contacts"},
		"for-mail":    {Owner: "msp", Via: entra.ViaGDAP, Integration: "mail"},
		"expired":     {Owner: "msp", Via: entra.ViaGDAP, Integration: "contacts", ExpiresAt: w.clock.Now()},
	} {
		c.Tenant, c.EntraID = name, w.customer(string(name)).ID
		require.NoError(t, w.store.Connect(t.Context(), c))
		_, err := w.token(t.Context(), p, name, graphScope)
		require.ErrorIs(t, err, entra.ErrNotConnected, name)
	}
	_, err := w.token(t.Context(), p, "nobody", graphScope)
	require.ErrorIs(t, err, entra.ErrNotConnected)

	o := graphScope
	o.TenantID = w.home.ID
	_, err = w.token(t.Context(), p, "contoso", o)
	require.ErrorIs(t, err, mspkit.ErrInvalid)
	o.TenantID = strings.ToUpper(w.contoso.ID)
	_, err = w.token(t.Context(), p, "contoso", o)
	require.NoError(t, err)
	for _, scopes := range [][]string{nil, {""}, {"a\nb"}} {
		_, err = w.token(t.Context(), p, "contoso", policy.TokenRequestOptions{Scopes: scopes})
		require.ErrorIs(t, err, mspkit.ErrInvalid)
	}

	for _, id := range []string{"../" + w.home.ID, "organizations", "contoso.example", ""} {
		creds, err := p.Credentials(func(context.Context, mspkit.TenantID) (string, error) { return id, nil })
		require.NoError(t, err)
		_, err = creds.TenantCredential(t.Context(), "contoso")
		require.ErrorIs(t, err, mspkit.ErrInvalid)
	}
	_, err = p.Credentials(nil)
	require.ErrorIs(t, err, mspkit.ErrInvalid)

	// What was released gives no token any more, also to who has the credential.
	creds, err := p.Credentials(gdap.Connected(w.store, "msp", "contacts", nil))
	require.NoError(t, err)
	cred, err := creds.TenantCredential(t.Context(), "contoso")
	require.NoError(t, err)
	again, err := creds.TenantCredential(t.Context(), "contoso")
	require.NoError(t, err)
	require.Equal(t, cred, again, "clients keep a token for each")
	require.NoError(t, w.store.Release(t.Context(), "contoso", "contacts", "msp"))
	_, err = cred.GetToken(t.Context(), graphScope)
	require.ErrorIs(t, err, entra.ErrNotConnected)
	var final interface{ NonRetriable() }
	require.ErrorAs(t, err, &final)
	require.NoError(t, w.store.Connect(t.Context(), entra.Connection{
		Tenant: "contoso", Owner: "msp", Integration: "contacts", EntraID: w.customer("moved").ID, Via: entra.ViaGDAP,
	}))
	moved, err := creds.TenantCredential(t.Context(), "contoso")
	require.NoError(t, err)
	require.NotEqual(t, cred, moved, "a client must not take a token that it keeps of the former tenant")
}

// On a platform of several MSPs each says which partner tenant is theirs, and one may say that another's is.
func TestAnOwnerDoesNotGetTheRefreshTokenOfAnother(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	p := w.signedIn(t)
	w.options.Owner = "rogue"
	rogue := w.partner(t)
	h, err := rogue.Health(t.Context())
	require.NoError(t, err)
	require.False(t, h.SignedIn)
	_, err = rogue.Customers(t.Context())
	require.ErrorIs(t, err, entra.ErrSignIn)
	require.NoError(t, rogue.SignOut(t.Context()))

	// Also where the host gives both the same name.
	w.options.Name = p.StoredAs()
	same := w.partner(t)
	_, err = same.Customers(t.Context())
	require.Error(t, err)
	require.Empty(t, w.redeemed(w.home.ID)[1:], "only the sign-in itself")
	_, err = p.Customers(t.Context())
	require.NoError(t, err)
}

func TestForgetByTenant(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	p := w.signedIn(t)
	creds, err := p.Credentials(gdap.Connected(w.store, "msp", "contacts", w.clock.Now))
	require.NoError(t, err)
	first, err := w.token(t.Context(), p, "contoso", graphScope)
	require.NoError(t, err)
	creds.Forget("contoso")
	second, err := w.token(t.Context(), p, "contoso", graphScope)
	require.NoError(t, err)
	require.NotEqual(t, first, second)
	creds.Forget("nobody")
	require.Zero(t, p.Kept(), "rather all than not the one that was meant")
}

func TestClaims(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	p := w.signedIn(t)
	ask := func(o policy.TokenRequestOptions) string {
		w.redeemed("")
		_, err := w.token(t.Context(), p, "contoso", o)
		require.NoError(t, err)
		forms := w.redeemed(w.contoso.ID)
		require.Len(t, forms, 1)
		return forms[0].Get("claims")
	}
	require.Empty(t, ask(graphScope))
	o := graphScope
	o.EnableCAE = true
	require.JSONEq(t, `{"access_token":{"xms_cc":{"values":["cp1"]}}}`, ask(o), "another token than the one without")
	o.Claims = `{"access_token":{"nbf":{"essential":true,"value":"1"}},"id_token":{"x":null}}`
	require.JSONEq(t, `{"access_token":{"nbf":{"essential":true,"value":"1"},"xms_cc":{"values":["cp1"]}},"id_token":{"x":null}}`, ask(o))
	o.EnableCAE = false
	require.JSONEq(t, o.Claims, ask(o), "a challenge always asks anew")
	for _, bad := range []string{"x", "[]", `{"access_token":1}`, `{"access_token":null}`, "null", `"` + strings.Repeat("a", 9000) + `"`} {
		o.Claims, o.EnableCAE = bad, true
		_, err := w.token(t.Context(), p, "contoso", o)
		require.ErrorIs(t, err, mspkit.ErrInvalid, bad)
	}
	o.Claims, o.EnableCAE = "x", false
	_, err := w.token(t.Context(), p, "contoso", o)
	require.ErrorIs(t, err, mspkit.ErrInvalid)
}

func TestAssertionInPlaceOfASecret(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.options.Secret = mspkit.Redacted[string]{}
	broken := errors.New("eyJ.secret.assertion")
	var fail error
	var audiences []string
	w.options.Assertion = func(_ context.Context, audience string) (string, error) {
		audiences = append(audiences, audience)
		return "a.b.c", fail
	}
	p := w.signedIn(t)
	_, err := w.token(t.Context(), p, "contoso", graphScope)
	require.NoError(t, err)
	require.Equal(t, []string{w.URL() + "/" + w.home.ID + "/oauth2/v2.0/token", w.URL() + "/" + w.contoso.ID + "/oauth2/v2.0/token"}, audiences)
	p.Forget(w.contoso.ID)
	fail = broken
	_, err = w.token(t.Context(), p, "contoso", graphScope)
	require.ErrorIs(t, err, entra.ErrCredentials)
	require.ErrorIs(t, err, broken)
	require.NotContains(t, err.Error(), "eyJ")
}

func TestKeptTokensAreBounded(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.options.MaxTokens = 2
	p := w.signedIn(t)
	for _, scope := range []string{"a/.default", "b/.default", "a/.default", "c/.default"} {
		_, err := w.token(t.Context(), p, "contoso", policy.TokenRequestOptions{Scopes: []string{"https://" + scope}})
		require.NoError(t, err)
		w.clock.Add(time.Second)
	}
	require.Equal(t, 2, p.Kept())
	w.redeemed("")
	_, err := w.token(t.Context(), p, "contoso", policy.TokenRequestOptions{Scopes: []string{"https://a/.default"}})
	require.NoError(t, err)
	require.Empty(t, w.redeemed(w.contoso.ID), "the one not used for the longest time was forgotten")
	w.clock.Add(2 * time.Hour)
	for _, scope := range []string{"d/.default", "e/.default", "f/.default"} {
		_, err := w.token(t.Context(), p, "contoso", policy.TokenRequestOptions{Scopes: []string{"https://" + scope}})
		require.NoError(t, err)
	}
	require.Equal(t, 2, p.Kept())
}

func TestNothingGoesToAnotherHost(t *testing.T) {
	t.Parallel()
	var reached bool
	evil := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached = true }))
	defer evil.Close()
	w := newWorld(t, nil)
	p := noPause(w.signedIn(t))
	w.tokenFault(-1, w.contoso.ID, graphfake.Fault{Redirect: evil.URL})
	_, err := w.token(t.Context(), p, "contoso", graphScope)
	require.Error(t, err)
	w.SetFault(graphfake.Times(-1, graphfake.Fault{Body: `{"value":[],"@odata.nextLink":"` + evil.URL + `/v1.0/x"}`}, "delegatedAdminRelationships"))
	_, err = p.Customers(t.Context())
	require.ErrorContains(t, err, "another host")
	w.SetFault(graphfake.Times(-1, graphfake.Fault{Redirect: evil.URL}, "applicationconsents"))
	require.ErrorIs(t, p.Consent(t.Context(), w.contoso.ID, gdap.Grant{Scopes: []string{"User.Read.All"}}), entra.ErrUnavailable)
	require.False(t, reached)
}

// mistaken is a store that gives everybody the same connection.
type mistaken struct {
	entra.ConnectionStore

	c entra.Connection
}

func (s mistaken) Connection(context.Context, mspkit.TenantID, string) (entra.Connection, error) {
	return s.c, nil
}

func TestAConnectionOfAnotherTenantIsNotUsed(t *testing.T) {
	t.Parallel()
	s := mistaken{c: entra.Connection{Tenant: "contoso", Owner: "msp", Integration: "contacts", EntraID: "0c1d2e3f-1111-4222-8333-444455556666", Via: entra.ViaGDAP}}
	id, err := gdap.Connected(s, "msp", "contacts", nil)(t.Context(), "contoso")
	require.NoError(t, err)
	require.Equal(t, s.c.EntraID, id)
	for _, to := range []struct {
		owner, integration string
		tenant             mspkit.TenantID
	}{{"msp", "contacts", "fabrikam"}, {"msp", "mail", "contoso"}, {"other", "contacts", "contoso"}} {
		_, err := gdap.Connected(s, to.owner, to.integration, nil)(t.Context(), to.tenant)
		require.ErrorIs(t, err, entra.ErrNotConnected, to)
	}
}
