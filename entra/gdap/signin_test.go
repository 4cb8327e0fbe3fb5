package gdap_test

import (
	"net/http"
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/entra"
	"github.com/mspkit/mspkit/entra/entratest"
	"github.com/mspkit/mspkit/entra/gdap"
)

func TestSignInWithABrowser(t *testing.T) {
	t.Parallel()
	s, err := entratest.Start(nil)
	require.NoError(t, err)
	t.Cleanup(s.Close)
	const redirect = "https://msp.example/partner/callback"
	app := s.AddApp(entratest.App{Secret: secret, RedirectURIs: []string{redirect}})
	home := s.AddTenant("MSP", "msp.example")
	service := home.AddUser(entratest.User{Name: "Service"})
	stranger := s.AddTenant("Elsewhere", "elsewhere.example").AddUser(entratest.User{Name: "Eve", Admin: true})
	contoso := s.AddTenant("Contoso", "contoso.example")
	contoso.Consent(app.ID)
	contoso.Admit(service)
	store := entra.NewMemory()
	ring, err := mspkit.NewKeyRing(mspkit.NewKey("k"))
	require.NoError(t, err)
	p, err := gdap.NewPartner(store, ring, &gdap.Options{
		Cloud: s.Cloud(), PartnerTenant: home.ID, ClientID: app.ID, Secret: mspkit.Redact(secret), HTTPClient: s.Client(),
	})
	require.NoError(t, err)

	browser := *s.Client()
	browser.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	code := func() (mspkit.Redacted[string], mspkit.Redacted[string]) {
		address, verifier, err := p.SignInURL(redirect, "a state of the host's")
		require.NoError(t, err)
		u, err := url.Parse(address)
		require.NoError(t, err)
		require.NotContains(t, address, verifier.Reveal())
		require.Equal(t, "S256", u.Query().Get("code_challenge_method"))
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
		require.NoError(t, err)
		resp, err := browser.Do(req)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		back, err := url.Parse(resp.Header.Get("Location"))
		require.NoError(t, err)
		require.Equal(t, "a state of the host's", back.Query().Get("state"))
		return mspkit.Redact(back.Query().Get("code")), verifier
	}
	s.SignIn(service)
	got, verifier := code()
	other, _ := code()
	require.ErrorIs(t, p.FinishSignIn(t.Context(), other, verifier, redirect, "anna"), entra.ErrSignIn, "the verifier of another flow")
	require.NoError(t, p.FinishSignIn(t.Context(), got, verifier, redirect, "anna"))
	require.ErrorIs(t, p.FinishSignIn(t.Context(), got, verifier, redirect, "anna"), entra.ErrSignIn, "a code works once")
	h, err := p.Health(t.Context())
	require.NoError(t, err)
	require.True(t, h.SignedIn)
	require.False(t, h.NeedsSignIn)
	creds, err := p.Credentials(always(contoso.ID))
	require.NoError(t, err)
	cred, err := creds.TenantCredential(t.Context(), "contoso")
	require.NoError(t, err)
	token, err := cred.GetToken(t.Context(), graphScope)
	require.NoError(t, err)
	id, ok := s.AccessTokenTenant(token.Token)
	require.True(t, ok)
	require.Equal(t, contoso.ID, id)

	// Somebody of another tenant cannot become the partner.
	require.Error(t, p.SignIn(t.Context(), mspkit.Redact(s.RefreshToken(stranger, app.ID)), "eve"))
	h, err = p.Health(t.Context())
	require.NoError(t, err)
	require.Equal(t, "anna", h.By)

	for _, bad := range [][2]string{{"", "a state of the host's"}, {redirect, ""}, {redirect, "short"}} {
		_, _, err = p.SignInURL(bad[0], bad[1])
		require.ErrorIs(t, err, mspkit.ErrInvalid)
	}
	none := mspkit.Redacted[string]{}
	require.ErrorIs(t, p.FinishSignIn(t.Context(), none, verifier, redirect, "anna"), mspkit.ErrInvalid)
	require.ErrorIs(t, p.FinishSignIn(t.Context(), got, none, redirect, "anna"), mspkit.ErrInvalid)
	s.Fail(entratest.Fault{Endpoint: entratest.Token, Status: 200, Body: `{"token_type":"Bearer","access_token":"a","expires_in":3599}`})
	require.ErrorIs(t, p.FinishSignIn(t.Context(), got, verifier, redirect, "anna"), gdap.ErrAnswer, "no refresh token")
}
