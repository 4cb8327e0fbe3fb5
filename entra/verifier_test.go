package entra_test

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/entra"
	"github.com/mspkit/mspkit/entra/entratest"
)

const (
	nonce     = "the nonce of this sign-in"
	consumers = "9188040d-6c67-4c5b-b112-36a304b66dad"
)

// issuer is an issuer with an application and two tenants, at a time that stands.
type issuer struct {
	*entratest.Server
	app               *entratest.App
	contoso, fabrikam *entratest.Tenant
	anna              *entratest.User
	mu                sync.Mutex
	at                time.Time
}

func (i *issuer) now() time.Time {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.at
}

func (i *issuer) pass(d time.Duration) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.at = i.at.Add(d)
}

func newIssuer(t testing.TB) *issuer {
	t.Helper()
	return newIssuerWith(t, &entratest.Options{})
}

func newIssuerWith(t testing.TB, o *entratest.Options) *issuer {
	t.Helper()
	i := &issuer{at: time.Unix(1_800_000_000, 0)}
	o.Prefix, o.Now = "/login", i.now
	var err error
	i.Server, err = entratest.Start(o)
	require.NoError(t, err)
	t.Cleanup(i.Close)
	i.app = i.AddApp(entratest.App{Secret: "secret"})
	i.contoso, i.fabrikam = i.AddTenant("Contoso Ltd", "contoso.onmicrosoft.com"), i.AddTenant("Fabrikam", "fabrikam.onmicrosoft.com")
	i.anna = i.contoso.AddUser(entratest.User{
		Name: "Anna Admin", Username: "anna@contoso.com", Admin: true, Roles: []string{"Technician"}, ACRS: []string{"c1"},
	})
	return i
}

func (i *issuer) verifier(t testing.TB, o *entra.VerifierOptions) *entra.Verifier {
	t.Helper()
	if o == nil {
		o = &entra.VerifierOptions{}
	}
	o.HTTPClient, o.Now = i.Client(), i.now
	v, err := entra.NewVerifier(i.Cloud(), strings.ToUpper(i.app.ID), o)
	require.NoError(t, err)
	return v
}

func TestAnIDTokenSaysWhoSignedIn(t *testing.T) {
	t.Parallel()
	i := newIssuer(t)
	v := i.verifier(t, nil)
	claims := i.IDClaims(i.anna, i.app.ID, nonce)
	claims["tid"], claims["oid"] = i.contoso.ID, strings.ToUpper(i.anna.ObjectID)
	id, err := v.Verify(t.Context(), i.Sign(claims, nil), nonce)
	require.NoError(t, err)
	require.Equal(t, claims["sid"], id.SID)
	require.NotEmpty(t, id.SID)
	id.SID = ""
	require.Equal(t, entra.Identity{
		TenantID: i.contoso.ID, ObjectID: i.anna.ObjectID, Name: "Anna Admin", PreferredUsername: "anna@contoso.com",
		AuthTime: i.now(), IssuedAt: i.now(), ExpiresAt: i.now().Add(time.Hour), ACRS: []string{"c1"}, Roles: []string{"Technician"},
		DirectoryRoles: []string{"62e90394-69f5-4237-9190-012177145e10", "b79fbf4d-3ef9-4689-8143-76b194e85509"},
		Issuer:         i.URL() + "/" + i.contoso.ID + "/v2.0", Subject: "sub-" + i.anna.ObjectID,
	}, id)
	require.Len(t, i.Requests(entratest.Keys), 1)
}

// The attackers: each has a token that is right but for one thing.
func TestAttackersTokensAreRefused(t *testing.T) {
	t.Parallel()
	t.Run("keys that name their issuer", func(t *testing.T) {
		t.Parallel()
		attackers(t, newIssuer(t))
	})
	t.Run("keys that do not", func(t *testing.T) {
		t.Parallel()
		attackers(t, newIssuerWith(t, &entratest.Options{BareKeys: true}))
	})
}

func attackers(t *testing.T, i *issuer) {
	t.Helper()
	v := i.verifier(t, nil)
	other := i.AddApp(entratest.App{})
	set := func(pairs ...any) func(map[string]any) {
		return func(c map[string]any) {
			for k := 0; k < len(pairs); k += 2 {
				c[pairs[k].(string)] = pairs[k+1]
			}
		}
	}
	without := func(name string) func(map[string]any) { return func(c map[string]any) { delete(c, name) } }
	at := i.now().Unix()
	for name, a := range map[string]struct {
		change func(map[string]any)
		sign   entratest.SignOptions
	}{
		"another application's token":       {change: set("aud", other.ID)},
		"a token for two applications":      {change: set("aud", []string{i.app.ID, other.ID})},
		"no audience":                       {change: without("aud")},
		"the audience of another spelling":  {change: set("aud", strings.ToUpper(i.app.ID))},
		"another host's issuer":             {change: set("iss", "https://login.example/"+i.contoso.ID+"/v2.0")},
		"the issuer of another tenant":      {change: set("iss", i.URL()+"/"+i.fabrikam.ID+"/v2.0")},
		"the tenant of another issuer":      {change: set("tid", i.fabrikam.ID)},
		"the placeholder as the issuer":     {change: set("iss", i.URL()+"/{tenantid}/v2.0")},
		"an issuer of version 1":            {change: set("iss", "https://sts.windows.net/"+i.contoso.ID+"/")},
		"a token of version 1":              {change: set("ver", "1.0")},
		"a tenant that is no id":            {change: set("tid", "contoso.onmicrosoft.com", "iss", i.URL()+"/contoso.onmicrosoft.com/v2.0")},
		"a path as the tenant":              {change: set("tid", "../"+i.contoso.ID)},
		"a personal account":                {change: set("tid", consumers, "iss", i.URL()+"/"+consumers+"/v2.0")},
		"a personal account in capitals":    {change: set("tid", strings.ToUpper(consumers), "iss", i.URL()+"/"+consumers+"/v2.0")},
		"no tenant":                         {change: without("tid")},
		"no person":                         {change: without("oid")},
		"no subject":                        {change: without("sub")},
		"another sign-in's token":           {change: set("nonce", "another nonce")},
		"a token of no sign-in":             {change: without("nonce")},
		"a token that has expired":          {change: set("exp", at-301)},
		"a token that does not expire":      {change: without("exp")},
		"a token that expires in a century": {change: set("exp", at+100*365*24*3600)},
		"a token that is good for too long": {change: set("exp", at+26*3600)},
		"an expiry that overflows":          {change: set("exp", 1e300)},
		"a negative expiry":                 {change: set("exp", -5)},
		"a token of tomorrow":               {change: set("iat", at+301, "exp", at+3600)},
		"a token that is not good yet":      {change: set("nbf", at+301)},
		"a sign-in of tomorrow":             {change: set("auth_time", at+301)},
		"no time":                           {change: without("iat")},
		"claims of another type":            {change: set("tid", 7)},
		"no signature":                      {sign: entratest.SignOptions{Algorithm: "none"}},
		"HS256 with the public key":         {sign: entratest.SignOptions{Algorithm: "HS256"}},
		"RS512":                             {sign: entratest.SignOptions{Algorithm: "RS512"}},
		"PS256":                             {sign: entratest.SignOptions{Algorithm: "PS256"}},
		"a foreign key under a known id":    {sign: entratest.SignOptions{Foreign: true}},
		"a key that is not known":           {sign: entratest.SignOptions{KeyID: "unknown"}},
		"a key id that is too long":         {sign: entratest.SignOptions{KeyID: strings.Repeat("k", 300)}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			claims := i.IDClaims(i.anna, i.app.ID, nonce)
			if a.change != nil {
				a.change(claims)
			}
			id, err := v.Verify(t.Context(), i.Sign(claims, &a.sign), nonce)
			require.ErrorIs(t, err, entra.ErrToken)
			require.Equal(t, entra.Identity{}, id)
			for _, secret := range []string{i.contoso.ID, i.anna.ObjectID, "anna", nonce} {
				require.NotContains(t, err.Error(), secret)
			}
		})
	}
	good := i.Sign(i.IDClaims(i.anna, i.app.ID, nonce), nil)
	parts := strings.Split(good, ".")
	forged := i.Sign(i.IDClaims(i.fabrikam.AddUser(entratest.User{}), i.app.ID, nonce), nil)
	for name, token := range map[string]string{
		"nothing": "", "garbage": "a.b.c", "too long": good + strings.Repeat("A", 33<<10), "no signature": parts[0] + "." + parts[1] + ".",
		"the claims of another token": parts[0] + "." + strings.Split(forged, ".")[1] + "." + parts[2],
		"JSON":                        `{"payload":"` + parts[1] + `","signatures":[{"protected":"` + parts[0] + `","signature":"` + parts[2] + `"}]}`,
	} {
		_, err := v.Verify(t.Context(), token, nonce)
		require.ErrorIs(t, err, entra.ErrToken, name)
	}
	_, err := v.Verify(t.Context(), good, "")
	require.ErrorIs(t, err, mspkit.ErrInvalid, "a sign-in without a nonce cannot be told from another one")
}

// The administrator of a tenant can have claims of their own put into tokens, and encoding/json does not mind their case.
func TestClaimsOfAnotherSpellingSayNothing(t *testing.T) {
	t.Parallel()
	i := newIssuer(t)
	v := i.verifier(t, nil)
	mallory := i.fabrikam.AddUser(entratest.User{Name: "Mallory", Username: "mallory@fabrikam.com"})
	for _, spell := range []func(string) string{
		strings.ToUpper,
		func(s string) string { return strings.ToUpper(s[:1]) + s[1:] },
		func(s string) string { return s[:len(s)-1] + strings.ToUpper(s[len(s)-1:]) },
		func(s string) string { return strings.ReplaceAll(s, "s", "\u017f") }, // a long s, which is folded too
	} {
		claims := i.IDClaims(mallory, i.app.ID, nonce)
		want, err := v.Verify(t.Context(), i.Sign(claims, nil), nonce)
		require.NoError(t, err)
		require.Equal(t, want.TenantID, i.fabrikam.ID)
		for name, value := range i.IDClaims(i.anna, i.app.ID, nonce) {
			if other := spell(name); other != name {
				claims[other] = value
			}
		}
		got, err := v.Verify(t.Context(), i.Sign(claims, nil), nonce)
		if err == nil { // or refused
			require.Equal(t, want, got)
		}
	}
}

// Whose claim counts that stands there twice is up to the reader, and what follows an object nobody has read.
func TestClaimsAreOneObjectThatSaysEverythingOnce(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	good, err := json.Marshal(g.claims("n"))
	require.NoError(t, err)
	_, err = entra.JudgeClaims(g.verifier, good, "n")
	require.NoError(t, err)
	for name, first := range map[string]string{
		"another nonce": `"nonce":"m"`, "another person": `"oid":"cccccccc-2222-3333-4444-555555555555"`, "another role": `"roles":["Technician"]`,
		"the same": `"ver":"2.0"`, "spelled otherwise": `"\u006fid":"x"`, "nothing of ours": `"x":1,"x":2`,
	} {
		_, err := entra.JudgeClaims(g.verifier, []byte("{"+first+","+string(good[1:])), "n")
		require.Equal(t, entra.ReasonMalformed, entra.ReasonOf(err), name)
	}
	for _, more := range []string{"{}", "null", "x", ","} {
		_, err := entra.JudgeClaims(g.verifier, []byte(string(good)+more), "n")
		require.Equal(t, entra.ReasonMalformed, entra.ReasonOf(err), more)
	}
}

func TestClocksMayDifferByMinutes(t *testing.T) {
	t.Parallel()
	i := newIssuer(t)
	v := i.verifier(t, nil)
	at := i.now().Unix()
	for _, change := range []map[string]any{{"exp": at - 299}, {"iat": at + 299, "nbf": at + 299, "auth_time": at + 299}} {
		claims := i.IDClaims(i.anna, i.app.ID, nonce)
		maps.Copy(claims, change)
		_, err := v.Verify(t.Context(), i.Sign(claims, nil), nonce)
		require.NoError(t, err)
	}
}

func TestOnlyTenantsThatMaySignIn(t *testing.T) {
	t.Parallel()
	i := newIssuer(t)
	broken := errors.New("the database is away")
	v := i.verifier(t, &entra.VerifierOptions{Tenants: func(_ context.Context, id string) (bool, error) {
		if id == i.fabrikam.ID {
			return false, broken
		}
		return id == i.contoso.ID, nil
	}})
	sign := func(u *entratest.User) string { return i.Sign(i.IDClaims(u, i.app.ID, nonce), nil) }
	_, err := v.Verify(t.Context(), sign(i.anna), nonce)
	require.NoError(t, err)
	_, err = v.Verify(t.Context(), sign(i.AddTenant("Mallory", "mallory.example").AddUser(entratest.User{})), nonce)
	require.ErrorIs(t, err, entra.ErrToken)
	id, err := v.Verify(t.Context(), sign(i.fabrikam.AddUser(entratest.User{})), nonce)
	require.ErrorIs(t, err, broken)
	require.Equal(t, entra.Identity{}, id)
}

// Otherwise anybody could have the keys asked for, by tokens that they made up for somebody else.
func TestATokenThatIsNotForUsAsksForNoKeys(t *testing.T) {
	t.Parallel()
	i := newIssuer(t)
	v := i.verifier(t, nil)
	claims := i.IDClaims(i.anna, i.AddApp(entratest.App{}).ID, nonce)
	_, err := v.Verify(t.Context(), i.Sign(claims, &entratest.SignOptions{KeyID: "unknown"}), nonce)
	require.Equal(t, entra.ReasonAudience, entra.ReasonOf(err))
	logout := i.LogoutClaims(i.anna, i.AddApp(entratest.App{}).ID, "s")
	_, err = v.VerifyLogout(t.Context(), i.Sign(logout, &entratest.SignOptions{KeyID: "unknown", Type: "logout+jwt"}))
	require.Equal(t, entra.ReasonAudience, entra.ReasonOf(err))
	require.Empty(t, i.Requests(entratest.Keys))
}

func TestOnlyTenantsThatMaySignInSayWhoSignedOut(t *testing.T) {
	t.Parallel()
	i := newIssuer(t)
	broken := errors.New("the database is away")
	v := i.verifier(t, &entra.VerifierOptions{Tenants: func(_ context.Context, id string) (bool, error) {
		if id == i.fabrikam.ID {
			return false, broken
		}
		return id == i.contoso.ID, nil
	}})
	logout := func(u *entratest.User) (entra.Logout, error) {
		return v.VerifyLogout(t.Context(), i.Sign(i.LogoutClaims(u, i.app.ID, "s"), &entratest.SignOptions{Type: "logout+jwt"}))
	}
	l, err := logout(i.anna)
	require.NoError(t, err)
	require.Equal(t, i.contoso.ID, l.TenantID)
	l, err = logout(i.AddTenant("Mallory", "mallory.example").AddUser(entratest.User{}))
	require.Equal(t, entra.ReasonTenant, entra.ReasonOf(err))
	require.Equal(t, entra.Logout{}, l)
	l, err = logout(i.fabrikam.AddUser(entratest.User{}))
	require.ErrorIs(t, err, broken)
	require.Equal(t, entra.Logout{}, l)
}

// Entra publishes for each key which issuer it signs for: a key of one tenant must not speak for another.
func TestAKeySignsForItsIssuerOnly(t *testing.T) {
	t.Parallel()
	i := newIssuer(t)
	v := i.verifier(t, nil)
	i.RotateFor(i.URL() + "/" + i.fabrikam.ID + "/v2.0")
	_, err := v.Verify(t.Context(), i.Sign(i.IDClaims(i.anna, i.app.ID, nonce), nil), nonce)
	require.ErrorIs(t, err, entra.ErrToken)
	mallory := i.fabrikam.AddUser(entratest.User{})
	_, err = v.Verify(t.Context(), i.Sign(i.IDClaims(mallory, i.app.ID, nonce), nil), nonce)
	require.NoError(t, err)
}

func TestKeysRotate(t *testing.T) {
	t.Parallel()
	i := newIssuer(t)
	v := i.verifier(t, nil)
	verify := func() error {
		_, err := v.Verify(t.Context(), i.Sign(i.IDClaims(i.anna, i.app.ID, nonce), nil), nonce)
		return err
	}
	require.NoError(t, verify())
	old := i.Sign(i.IDClaims(i.anna, i.app.ID, nonce), nil)
	i.Rotate()
	require.ErrorIs(t, verify(), entra.ErrToken, "not asked twice within five minutes")
	require.Len(t, i.Requests(entratest.Keys), 1)
	i.pass(5 * time.Minute)
	require.NoError(t, verify())
	require.Len(t, i.Requests(entratest.Keys), 2)

	// A key that was withdrawn counts no more after a day.
	i.Retire()
	_, err := v.Verify(t.Context(), old, nonce)
	require.NoError(t, err)
	i.pass(24 * time.Hour)
	require.NoError(t, verify())
	claims := i.IDClaims(i.anna, i.app.ID, nonce)
	_, err = v.Verify(t.Context(), i.Sign(claims, &entratest.SignOptions{KeyID: "retired"}), nonce)
	require.ErrorIs(t, err, entra.ErrToken)
}

func TestWithoutKeysNobodyIsLetIn(t *testing.T) {
	t.Parallel()
	i := newIssuer(t)
	v := i.verifier(t, nil)
	verify := func() error {
		_, err := v.Verify(t.Context(), i.Sign(i.IDClaims(i.anna, i.app.ID, nonce), nil), nonce)
		return err
	}
	for _, f := range []entratest.Fault{
		{Status: http.StatusInternalServerError, Times: 2}, // it is tried twice
		{Status: http.StatusOK, Body: "<html>"},
		{Status: http.StatusOK, Body: `{"keys":[]}`},
		{Status: http.StatusOK, Body: `{"keys":[{"kty":"oct","kid":"x","k":"AAAA"}]}`},
	} {
		f.Endpoint = entratest.Keys
		i.Fail(f)
		require.ErrorIs(t, verify(), entra.ErrUnavailable)
		asked := len(i.Requests(entratest.Keys))
		require.ErrorIs(t, verify(), entra.ErrUnavailable)
		require.Len(t, i.Requests(entratest.Keys), asked, "not asked again at once")
		i.pass(time.Minute)
	}
	require.NoError(t, verify())
	// An outage after that locks nobody out for three days.
	i.Fail(entratest.Fault{Endpoint: entratest.Keys, Status: http.StatusServiceUnavailable, Times: -1})
	i.pass(48 * time.Hour)
	require.NoError(t, verify())
	i.pass(24 * time.Hour)
	require.ErrorIs(t, verify(), entra.ErrUnavailable)
}

func TestWhoGivesUpOnKeysTakesThemFromNobody(t *testing.T) {
	t.Parallel()
	i := newIssuer(t)
	v := i.verifier(t, nil)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	token := i.Sign(i.IDClaims(i.anna, i.app.ID, nonce), nil)
	_, err := v.Verify(ctx, token, nonce)
	require.ErrorIs(t, err, context.Canceled)
	_, err = v.Verify(t.Context(), token, nonce)
	require.NoError(t, err)
}

func TestAVerifierNeedsACloudAndAnApplication(t *testing.T) {
	t.Parallel()
	_, err := entra.NewVerifier(entra.Cloud{}, "x", nil)
	require.ErrorIs(t, err, mspkit.ErrInvalid)
	_, err = entra.NewVerifier(entra.PublicCloud(), "", nil)
	require.ErrorIs(t, err, mspkit.ErrInvalid)
	_, err = entra.NewVerifier(entra.PublicCloud(), consumers, &entra.VerifierOptions{Issuer: "nonsense"})
	require.ErrorIs(t, err, mspkit.ErrInvalid)
	_, err = entra.NewVerifier(entra.ChinaCloud(), consumers, nil)
	require.NoError(t, err)
}

// Whatever a token is, it is judged without a panic, and nobody signs in with one that the issuer did not make.
func FuzzIDToken(f *testing.F) {
	i := newIssuer(f)
	v := i.verifier(f, nil)
	good := i.Sign(i.IDClaims(i.anna, i.app.ID, nonce), nil)
	f.Add(good)
	f.Add(i.Sign(map[string]any{"aud": []string{i.app.ID}, "exp": 1e9}, nil))
	f.Add(i.Sign(i.IDClaims(i.anna, i.app.ID, nonce), &entratest.SignOptions{Algorithm: "none"}))
	f.Add("a.b.c")
	want, err := v.Verify(f.Context(), good, nonce)
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, token string) {
		id, err := v.Verify(t.Context(), token, nonce)
		if err == nil { // the last character of a part has bits that nobody reads
			require.Equal(t, want, id)
			return
		}
		require.Equal(t, entra.Identity{}, id)
	})
}
