package azurecred_test

import (
	"bytes"
	"context"
	"crypto"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/entra"
	"github.com/mspkit/mspkit/entra/azurecred"
	"github.com/mspkit/mspkit/entra/entratest"
	"github.com/mspkit/mspkit/internal/graphx"
	"github.com/mspkit/mspkit/internal/httpx"
)

func TestEachTenantGetsItsOwnToken(t *testing.T) {
	t.Parallel()
	for name, with := range map[string]func(t *testing.T) *world{
		"secret": func(t *testing.T) *world { t.Helper(); return newWorld(t, entratest.App{Secret: secret}) },
		"certificate": func(t *testing.T) *world {
			t.Helper()
			w := newWorld(t, entratest.App{Certificates: []crypto.PublicKey{&testKey().PublicKey}})
			w.options.Certificate = &azurecred.Certificate{Data: mspkit.Redact(certificate(t)), SendChain: true}
			return w
		},
		"assertion": func(t *testing.T) *world {
			t.Helper()
			w := newWorld(t, entratest.App{Assertion: func(jwt string) bool { return jwt == "an.assertion.jwt" }})
			w.options.Assertion = func(context.Context) (string, error) { return "an.assertion.jwt", nil }
			return w
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := with(t)
			app := w.newApp(t)
			require.Equal(t, w.contoso.ID, w.tenantOf(t, w.cred(t, app, "contoso")))
			require.Equal(t, w.fabrikam.ID, w.tenantOf(t, w.cred(t, app, "fabrikam")))
			require.Equal(t, w.contoso.ID, w.tenantOf(t, w.cred(t, app, "contoso")))
			require.Len(t, w.Requests(entratest.Token), 2, "a token is kept")
			require.Equal(t, w.cred(t, app, "contoso"), w.cred(t, app, "contoso"), "the same tenant, the same credential")
		})
	}
}

func TestOneRequestForAllWhoNeedTheSameToken(t *testing.T) {
	t.Parallel()
	w := newWorld(t, entratest.App{Secret: secret})
	cred := w.cred(t, w.newApp(t), "contoso")
	var wg sync.WaitGroup
	for range 32 {
		wg.Go(func() {
			_, err := cred.GetToken(t.Context(), w.scope())
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	require.Len(t, w.Requests(entratest.Token), 1)
}

func TestAConnectionThatEndedGivesNoToken(t *testing.T) {
	t.Parallel()
	w := newWorld(t, entratest.App{Secret: secret})
	now := time.Now()
	w.options.Now = func() time.Time { return now }
	app := w.newApp(t)
	cred := w.cred(t, app, "contoso")
	require.Equal(t, w.contoso.ID, w.tenantOf(t, cred))

	require.NoError(t, w.store.Release(t.Context(), "contoso", "contacts", "msp"))
	_, err := cred.GetToken(t.Context(), w.scope())
	require.ErrorIs(t, err, entra.ErrNotConnected, "also where the token is kept")
	_, err = app.TenantCredential(t.Context(), "contoso")
	require.ErrorIs(t, err, entra.ErrNotConnected)
	_, err = app.TenantCredential(t.Context(), "nobody")
	require.ErrorIs(t, err, entra.ErrNotConnected)

	// The tenant is connected to another one, until a time.
	require.NoError(t, w.store.Release(t.Context(), "fabrikam", "contacts", "msp"))
	require.NoError(t, w.store.Connect(t.Context(), entra.Connection{
		Tenant: "contoso", Owner: "msp", Integration: "contacts", EntraID: w.fabrikam.ID, ExpiresAt: now.Add(time.Minute),
	}))
	require.Equal(t, w.fabrikam.ID, w.tenantOf(t, cred))
	moved := w.cred(t, app, "contoso")
	require.NotEqual(t, cred, moved, "a client must not take a token that it keeps of the former tenant")
	require.Equal(t, moved, w.cred(t, app, "contoso"), "and not throw one away of the same")
	now = now.Add(time.Minute)
	_, err = cred.GetToken(t.Context(), w.scope())
	require.ErrorIs(t, err, entra.ErrNotConnected)
}

func TestACredentialAsksForNoOtherTenant(t *testing.T) {
	t.Parallel()
	w := newWorld(t, entratest.App{Secret: secret})
	cred := w.cred(t, w.newApp(t), "contoso")
	o := w.scope()
	o.TenantID = w.fabrikam.ID
	_, err := cred.GetToken(t.Context(), o)
	require.ErrorIs(t, err, mspkit.ErrInvalid)
	o.TenantID = "fabrikam.onmicrosoft.com"
	_, err = cred.GetToken(t.Context(), o)
	require.ErrorIs(t, err, mspkit.ErrInvalid)
	require.Empty(t, w.Requests(entratest.Token))
	o.TenantID = w.contoso.ID
	_, err = cred.GetToken(t.Context(), o)
	require.NoError(t, err)
}

// The lookup is the host's: what it returns becomes part of the URL that the secret goes to.
func TestWhatIsNoIDGetsIntoNoURL(t *testing.T) {
	t.Parallel()
	w := newWorld(t, entratest.App{Secret: secret})
	for _, id := range []string{"", "contoso.onmicrosoft.com", "organizations", "../common", w.contoso.ID + "/.."} {
		app, err := azurecred.NewApp(func(context.Context, mspkit.TenantID) (string, error) { return id, nil }, &w.options)
		require.NoError(t, err)
		_, err = app.TenantCredential(t.Context(), "contoso")
		require.ErrorIs(t, err, mspkit.ErrInvalid, id)
	}
	require.Empty(t, w.Requests(""))
}

// Where tokens come from is told by an answer, and the secret would be posted to whatever that says.
func TestTheSecretGoesToNoOtherHost(t *testing.T) {
	t.Parallel()
	w := newWorld(t, entratest.App{Secret: secret})
	login := w.Cloud().Login
	plain := "http" + strings.TrimPrefix(login, "https")
	for _, host := range []string{"https://evil.example", "https://" + strings.Split(login, "//")[1][:9] + ".evil.example", plain} {
		var strayed atomic.Int32
		o := w.options
		o.HTTPClient = &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
			if strings.HasSuffix(r.URL.Path, "/openid-configuration") {
				body := fmt.Sprintf(`{"issuer":"%s/%s/v2.0","authorization_endpoint":"%s/a","token_endpoint":"%s/t"}`, login, w.contoso.ID, login, host)
				return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
			}
			strayed.Add(1)
			return nil, errors.New("no such host")
		})}
		app, err := azurecred.NewApp(azurecred.Connected(w.store, "contacts", nil), &o)
		require.NoError(t, err)
		_, err = w.cred(t, app, "contoso").GetToken(t.Context(), w.scope())
		require.ErrorIs(t, err, entra.ErrUnavailable)
		require.ErrorIs(t, err, httpx.ErrOrigin)
		require.ErrorContains(t, err, "must not go to this origin")
		require.Zero(t, strayed.Load(), host)
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

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
	c := entra.Connection{Tenant: "contoso", Owner: "msp", Integration: "contacts", EntraID: "0c1d2e3f-1111-4222-8333-444455556666", Via: entra.ViaConsent}
	id, err := azurecred.Connected(mistaken{c: c}, "contacts", nil)(t.Context(), "contoso")
	require.NoError(t, err)
	require.Equal(t, c.EntraID, id)
	_, err = azurecred.Connected(mistaken{c: c}, "contacts", nil)(t.Context(), "fabrikam")
	require.ErrorIs(t, err, entra.ErrNotConnected)
	_, err = azurecred.Connected(mistaken{c: c}, "mail", nil)(t.Context(), "contoso")
	require.ErrorIs(t, err, entra.ErrNotConnected)
}

func TestForgetAsksAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t, entratest.App{Secret: secret})
	app := w.newApp(t)
	cred, other := w.cred(t, app, "contoso"), w.cred(t, app, "fabrikam")
	w.tenantOf(t, cred)
	w.tenantOf(t, other)
	app.Forget("contoso")
	w.tenantOf(t, cred)
	require.Len(t, w.Requests(entratest.Token), 3)
	w.tenantOf(t, other)
	require.Len(t, w.Requests(entratest.Token), 3, "the tokens of others stay")
	app.Forget("nobody")
	app.ForgetID("nonsense")

	// What it was given counts, not where it would lead now.
	require.NoError(t, w.store.Release(t.Context(), "contoso", "contacts", "msp"))
	app.Forget("contoso")
	w.connect(t, "contoso", w.contoso)
	w.tenantOf(t, cred)
	require.Len(t, w.Requests(entratest.Token), 4)

	// Of two that lead to the same tenant either forgets for both.
	app, err := azurecred.NewApp(func(context.Context, mspkit.TenantID) (string, error) { return w.contoso.ID, nil }, &w.options)
	require.NoError(t, err)
	for _, name := range []mspkit.TenantID{"first", "second"} {
		w.tenantOf(t, w.cred(t, app, name))
	}
	require.Len(t, w.Requests(entratest.Token), 5)
	app.Forget("second")
	w.tenantOf(t, w.cred(t, app, "first"))
	require.Len(t, w.Requests(entratest.Token), 6)
}

// A token holds the permissions of when it was made. Who tells the Graph client that consent has changed must not be given it
// again by what is behind the client, neither by a credential nor by what asked for the tenant's name.
func TestTheGraphClientForgetsWithTheApp(t *testing.T) {
	t.Parallel()
	w := newWorld(t, entratest.App{Secret: secret})
	app := w.newApp(t)
	client, err := graphx.New(app, &graphx.Options{BaseURL: w.Cloud().Graph, Scope: w.Cloud().Scope(), HTTPClient: w.Client()})
	require.NoError(t, err)
	ask := func() error {
		return client.Do(t.Context(), &graphx.Request{Tenant: "contoso", Path: "/organization"}, nil)
	}
	require.NoError(t, ask())
	require.NoError(t, ask())
	require.Len(t, w.Requests(entratest.Token), 1)
	client.Forget("contoso")
	require.NoError(t, ask())
	require.Len(t, w.Requests(entratest.Token), 2)

	c, err := w.store.Connection(t.Context(), "fabrikam", "contacts")
	require.NoError(t, err)
	_, err = app.Organization(t.Context(), c)
	require.NoError(t, err)
	require.Len(t, w.Requests(entratest.Token), 3)
	client.Forget("fabrikam")
	_, err = app.Organization(t.Context(), c)
	require.NoError(t, err)
	require.Len(t, w.Requests(entratest.Token), 4)
}

func TestTheNetworkIsNoFaultOfTheTenant(t *testing.T) {
	t.Parallel()
	w := newWorld(t, entratest.App{Secret: secret})
	app := w.newApp(t)
	client, err := graphx.New(app, &graphx.Options{BaseURL: w.Cloud().Graph, Scope: w.Cloud().Scope(), HTTPClient: w.Client()})
	require.NoError(t, err)
	w.Close() // nobody answers any more
	err = client.Do(t.Context(), &graphx.Request{Tenant: "contoso", Path: "/organization"}, nil)
	require.ErrorIs(t, err, entra.ErrUnavailable)
	e, ok := errors.AsType[*graphx.AuthError](err)
	require.True(t, ok)
	require.True(t, e.Temporary)
	require.Contains(t, e.Advice, "try again later")
}

// A tenant of one owner is none of another's, and a partner's relationship is not the application's own consent.
func TestAConnectionServesItsOwnerOnly(t *testing.T) {
	t.Parallel()
	w := newWorld(t, entratest.App{Secret: secret})
	lookup := azurecred.ConnectedBy(w.store, "msp", "contacts", nil)
	id, err := lookup(t.Context(), "contoso")
	require.NoError(t, err)
	require.Equal(t, w.contoso.ID, id)
	_, err = lookup(t.Context(), "nobody")
	require.ErrorIs(t, err, entra.ErrNotConnected)
	_, err = azurecred.ConnectedBy(w.store, "another msp", "contacts", nil)(t.Context(), "contoso")
	require.ErrorIs(t, err, entra.ErrNotConnected)
	_, err = azurecred.ConnectedBy(w.store, "", "contacts", nil)(t.Context(), "contoso")
	require.ErrorIs(t, err, entra.ErrNotConnected)

	require.NoError(t, w.store.Release(t.Context(), "contoso", "contacts", "msp"))
	require.NoError(t, w.store.Connect(t.Context(), entra.Connection{
		Tenant: "contoso", Owner: "msp", Integration: "contacts", EntraID: w.contoso.ID, Via: entra.ViaGDAP,
	}))
	for _, lookup := range []azurecred.Lookup{lookup, azurecred.Connected(w.store, "contacts", nil)} {
		_, err = lookup(t.Context(), "contoso")
		require.ErrorIs(t, err, entra.ErrNotConnected)
	}
}

func TestOnlySoManyTenantsAreKept(t *testing.T) {
	t.Parallel()
	w := newWorld(t, entratest.App{Secret: secret})
	w.options.MaxTenants = 1
	app := w.newApp(t)
	w.tenantOf(t, w.cred(t, app, "contoso"))
	w.tenantOf(t, w.cred(t, app, "contoso"))
	require.Len(t, w.Requests(entratest.Token), 1)
	w.tenantOf(t, w.cred(t, app, "fabrikam"))
	w.tenantOf(t, w.cred(t, app, "contoso"))
	require.Len(t, w.Requests(entratest.Token), 3)
}

func TestRefusalsSayWhatToDo(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		prepare func(w *world)
		want    error
		code    string
	}{
		"no consent":    {func(w *world) { w.contoso.Withdraw(w.app.ID) }, entra.ErrConsent, "AADSTS700016"},
		"wrong secret":  {func(w *world) { w.options.Secret = mspkit.Redact("another secret") }, entra.ErrCredentials, "AADSTS7000215"},
		"closed tenant": {func(w *world) { w.contoso.Close() }, entra.ErrTenantGone, "AADSTS90002"},
		"blocked": {func(w *world) {
			w.Fail(entratest.Fault{Endpoint: entratest.Token, Code: 53003, Times: -1})
		}, entra.ErrRefused, "AADSTS53003"},
		"outage": {func(w *world) {
			w.Fail(entratest.Fault{Endpoint: entratest.Token, Status: http.StatusServiceUnavailable, Body: "<html>" + secret, Times: -1})
		}, entra.ErrUnavailable, ""},
		"not JSON": {func(w *world) {
			w.Fail(entratest.Fault{Endpoint: entratest.Token, Status: http.StatusOK, Body: "<html>" + secret, Times: -1})
		}, nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, entratest.App{Secret: secret})
			c.prepare(w)
			cred := w.cred(t, w.newApp(t), "contoso")
			_, err := cred.GetToken(t.Context(), w.scope())
			require.Error(t, err)
			refused, ok := errors.AsType[*entra.TokenError](err)
			require.True(t, ok, "%T", err)
			if c.want != nil {
				require.ErrorIs(t, err, c.want)
			}
			require.Equal(t, c.code, refused.Code)
			require.NotEmpty(t, refused.Advice())
			require.NotContains(t, err.Error(), secret)
			require.NotContains(t, err.Error(), "<html>")
			require.NotContains(t, err.Error(), "another secret")
		})
	}
}

func TestABriefOutageIsOvercome(t *testing.T) {
	t.Parallel()
	w := newWorld(t, entratest.App{Secret: secret})
	w.Fail(entratest.Fault{Endpoint: entratest.Token, Status: http.StatusServiceUnavailable})
	require.Equal(t, w.contoso.ID, w.tenantOf(t, w.cred(t, w.newApp(t), "contoso")))
}

func TestAnAssertionThatCannotBeMadeIsNotRepeated(t *testing.T) {
	t.Parallel()
	w := newWorld(t, entratest.App{Assertion: func(string) bool { return true }})
	w.options.Assertion = func(context.Context) (string, error) { return "", errors.New("cannot sign with " + secret) }
	_, err := w.cred(t, w.newApp(t), "contoso").GetToken(t.Context(), w.scope())
	require.ErrorIs(t, err, entra.ErrCredentials)
	require.NotContains(t, err.Error(), secret)
	require.Empty(t, w.Requests(entratest.Token))
}

func TestWhoGivesUpDoesNotWait(t *testing.T) {
	t.Parallel()
	w := newWorld(t, entratest.App{Assertion: func(string) bool { return true }})
	hold, began := make(chan struct{}), make(chan struct{})
	var once sync.Once
	w.options.Assertion = func(ctx context.Context) (string, error) {
		once.Do(func() { close(began) })
		select {
		case <-hold:
			return "a.b.c", nil
		case <-ctx.Done():
			return "", ctx.Err()
		}
	}
	cred := w.cred(t, w.newApp(t), "contoso")
	ctx, cancel := context.WithCancel(t.Context())
	failed := make(chan error, 1)
	go func() {
		_, err := cred.GetToken(ctx, w.scope())
		failed <- err
	}()
	<-began
	cancel()
	require.ErrorIs(t, <-failed, context.Canceled)
	close(hold)
	require.Equal(t, w.contoso.ID, w.tenantOf(t, cred))
	_, err := cred.GetToken(ctx, w.scope())
	require.ErrorIs(t, err, context.Canceled)
}

func TestNothingPrintsTheSecret(t *testing.T) {
	t.Parallel()
	w := newWorld(t, entratest.App{Secret: secret})
	w.options.Certificate = nil
	app := w.newApp(t)
	cred := w.cred(t, app, "contoso")
	w.tenantOf(t, cred)
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", slog.Any("app", app), slog.Any("cred", cred), slog.Any("options", w.options))
	for _, v := range []any{app, cred, w.options, &w.options} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
			fmt.Fprintf(&log, verb, v)
		}
	}
	require.NotContains(t, log.String(), secret)
	require.Contains(t, log.String(), "contoso")
}

func TestOptionsThatCannotBeUsed(t *testing.T) {
	t.Parallel()
	const id = "0b51d7a0-5a4e-4b7b-9d6c-7e1f2a3b4c5d"
	lookup := func(context.Context, mspkit.TenantID) (string, error) { return id, nil }
	for name, o := range map[string]*azurecred.Options{
		"nil":                 nil,
		"no proof":            {ClientID: id},
		"two proofs":          {ClientID: id, Secret: mspkit.Redact("s"), ManagedIdentity: &azurecred.ManagedIdentity{}},
		"no client":           {Secret: mspkit.Redact("s")},
		"plain http":          {ClientID: id, Secret: mspkit.Redact("s"), Cloud: entra.Cloud{Login: "http://127.0.0.1:1", Graph: "http://127.0.0.1:1"}},
		"a path":              {ClientID: id, Secret: mspkit.Redact("s"), Cloud: entra.Cloud{Login: "https://login.example/x", Graph: "https://graph.example"}},
		"no hosts":            {ClientID: id, Secret: mspkit.Redact("s"), Cloud: entra.Cloud{Name: "x"}},
		"negative":            {ClientID: id, Secret: mspkit.Redact("s"), MaxTenants: -1},
		"no certificate":      {ClientID: id, Certificate: &azurecred.Certificate{}},
		"nonsense":            {ClientID: id, Certificate: &azurecred.Certificate{Data: mspkit.Redact([]byte("-----BEGIN PRIVATE KEY-----\nnonsense"))}},
		"a key and no more":   {ClientID: id, Certificate: &azurecred.Certificate{Data: mspkit.Redact(certificate(t)[len(certificate(t))-1700:])}},
		"certificate, no key": {ClientID: id, Certificate: &azurecred.Certificate{Data: mspkit.Redact(bytes.Split(certificate(t), []byte("-----BEGIN PRIVATE"))[0])}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := azurecred.NewApp(lookup, o)
			require.ErrorIs(t, err, mspkit.ErrInvalid)
			require.NotContains(t, err.Error(), "nonsense")
		})
	}
	_, err := azurecred.NewApp(nil, &azurecred.Options{ClientID: id, Secret: mspkit.Redact("s")})
	require.ErrorIs(t, err, mspkit.ErrInvalid)
	for _, c := range []entra.Cloud{entra.PublicCloud(), entra.USGovCloud(), entra.USGovDoDCloud(), entra.ChinaCloud()} {
		_, err := azurecred.NewApp(lookup, &azurecred.Options{Cloud: c, ClientID: id, ManagedIdentity: &azurecred.ManagedIdentity{ClientID: id}})
		require.NoError(t, err)
		require.Equal(t, c.Login+"/", azurecred.Configuration(c).ActiveDirectoryAuthorityHost)
	}
}

func TestADeviceCodeSignsAPersonIn(t *testing.T) {
	t.Parallel()
	w := newWorld(t, entratest.App{}) // a public client
	anna := w.contoso.AddUser(entratest.User{Name: "Anna", Username: "anna@contoso.com"})
	mallory := w.fabrikam.AddUser(entratest.User{Name: "Mallory", Username: "mallory@fabrikam.com"})
	device := func(t *testing.T, prompt azurecred.Prompt) *azurecred.DeviceCode {
		t.Helper()
		d, err := azurecred.NewDeviceCode("contoso", w.contoso.ID, prompt, &w.options)
		require.NoError(t, err)
		return d
	}
	t.Run("approved", func(t *testing.T) {
		t.Parallel()
		d := device(t, func(_ context.Context, message string) error {
			require.True(t, w.Approve(message, anna))
			return nil
		})
		require.Equal(t, w.contoso.ID, w.tenantOf(t, w.cred(t, d, "contoso")))
		_, err := d.TenantCredential(t.Context(), "fabrikam")
		require.ErrorIs(t, err, entra.ErrNotConnected)
		_, err = d.GetToken(t.Context(), policy.TokenRequestOptions{Scopes: []string{"x/.default"}, TenantID: w.fabrikam.ID})
		require.ErrorIs(t, err, mspkit.ErrInvalid)
		require.NotContains(t, fmt.Sprintf("%v %+v %#v", d, d, d), w.app.ID)
	})
	t.Run("of another tenant", func(t *testing.T) {
		t.Parallel()
		d := device(t, func(_ context.Context, message string) error {
			require.True(t, w.Approve(message, mallory))
			return nil
		})
		_, err := d.GetToken(t.Context(), w.scope())
		require.ErrorIs(t, err, entra.ErrRefused)
	})
	t.Run("denied", func(t *testing.T) {
		t.Parallel()
		d := device(t, func(_ context.Context, message string) error {
			require.True(t, w.Deny(message, anna))
			return nil
		})
		_, err := d.GetToken(t.Context(), w.scope())
		require.Error(t, err)
	})
	t.Run("options", func(t *testing.T) {
		t.Parallel()
		o := w.options
		prompt := func(context.Context, string) error { return nil }
		for name, try := range map[string]func() (*azurecred.DeviceCode, error){
			"no prompt": func() (*azurecred.DeviceCode, error) {
				return azurecred.NewDeviceCode("contoso", w.contoso.ID, nil, &o)
			},
			"no tenant": func() (*azurecred.DeviceCode, error) { return azurecred.NewDeviceCode("", w.contoso.ID, prompt, &o) },
			"no id":     func() (*azurecred.DeviceCode, error) { return azurecred.NewDeviceCode("contoso", "common", prompt, &o) },
			"a secret": func() (*azurecred.DeviceCode, error) {
				o := o
				o.Secret = mspkit.Redact("s")
				return azurecred.NewDeviceCode("contoso", w.contoso.ID, prompt, &o)
			},
			"nil": func() (*azurecred.DeviceCode, error) {
				return azurecred.NewDeviceCode("contoso", w.contoso.ID, prompt, nil)
			},
		} {
			_, err := try()
			require.ErrorIs(t, err, mspkit.ErrInvalid, name)
		}
	})
}
