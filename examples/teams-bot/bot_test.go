package main

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/mspkit/mspkit/teamsapp"
	"github.com/mspkit/mspkit/teamsapp/teamstest"
)

// cutOff is where net/http's server stays for half a second after it has cut off a request's body.
var cutOff = goleak.IgnoreAnyFunction("net/http.(*conn).closeWriteAndWait")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m, cutOff) }

func TestTheStoryGoesAsItShould(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), []string{"-selftest"}, strings.NewReader(""), &out), out.String())
	require.Contains(t, out.String(), "The story went as it should.")
}

func TestInsecureLoopback(t *testing.T) {
	t.Parallel()
	for _, addr := range []string{"0.0.0.0:0", "[::]:0", ":0", "192.0.2.1:0", "example.com:0"} {
		err := run(t.Context(), []string{"-insecure-loopback", "-addr", addr}, strings.NewReader(""), io.Discard)
		require.ErrorContains(t, err, "not a loopback address", addr)
	}
	s, err := teamstest.Start("00000000-0000-4000-8000-000000000001", "", &teamstest.Options{Emulator: true})
	require.NoError(t, err)
	defer s.Close()
	cfg, err := configFromEnv(func(string) string { return "" }, true)
	require.NoError(t, err, "an emulator needs no environment")
	var out terminal
	a, err := newApp(cfg, &out)
	require.NoError(t, err)
	dana := s.AddPerson(uuid.NewString(), uuid.NewString(), "Dana", "en")
	deliver := func(change func(a map[string]any, r *http.Request)) int {
		act := s.Activity(dana, "installationUpdate")
		act["action"] = "add"
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "http://127.0.0.1"+path, nil)
		r.RemoteAddr = "127.0.0.1:40000"
		r.Header.Set("Content-Type", "application/json")
		change(act, r)
		body, err := json.Marshal(act)
		require.NoError(t, err)
		r.Body = io.NopCloser(bytes.NewReader(body))
		w := httptest.NewRecorder()
		a.ServeHTTP(w, r)
		return w.Code
	}
	for name, tc := range map[string]struct {
		change func(map[string]any, *http.Request)
		want   int
	}{
		"foreign service URL": {func(a map[string]any, _ *http.Request) { a["serviceUrl"] = "https://evil.example/" }, http.StatusForbidden},
		"Teams' service URL":  {func(a map[string]any, _ *http.Request) { a["serviceUrl"] = "https://smba.trafficmanager.net/amer/" }, http.StatusForbidden},
		"X-Forwarded-For":     {func(_ map[string]any, r *http.Request) { r.Header.Set("X-Forwarded-For", "192.0.2.1") }, http.StatusUnauthorized},
		"Forwarded":           {func(_ map[string]any, r *http.Request) { r.Header.Set("Forwarded", "for=192.0.2.1") }, http.StatusUnauthorized},
		"Via":                 {func(_ map[string]any, r *http.Request) { r.Header.Set("Via", "1.1 proxy") }, http.StatusUnauthorized},
		"another machine":     {func(_ map[string]any, r *http.Request) { r.RemoteAddr = "192.0.2.1:40000" }, http.StatusUnauthorized},
	} {
		require.Equal(t, tc.want, deliver(tc.change), name)
	}
	require.Zero(t, out.count("installed"))
	require.Equal(t, http.StatusOK, deliver(func(map[string]any, *http.Request) {}))
	require.Equal(t, 1, out.count("installed"))

	// And an emulator is served, both ways.
	front := httptest.NewServer(a)
	defer front.Close()
	s.Connect(front.URL + path)
	require.NoError(t, dana.Install(t.Context()))
	_, err = dana.Say(t.Context(), "help")
	require.NoError(t, err)
	m, err := s.Next(t.Context(), dana)
	require.NoError(t, err)
	require.Equal(t, "What you can do here", m.Summary)
}

func TestNoTokenIsTakenForGrantedOtherwise(t *testing.T) {
	t.Parallel()
	cfg := config{app: teamsapp.App{ID: uuid.NewString(), TenantID: uuid.NewString(), Credential: teamsapp.ClientSecret("x")}, cloud: teamsapp.PublicCloud()}
	a, err := newApp(cfg, io.Discard)
	require.NoError(t, err)
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "http://127.0.0.1"+path, strings.NewReader("{}"))
	r.RemoteAddr = "127.0.0.1:40000"
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	a.ServeHTTP(w, r)
	require.Equal(t, http.StatusUnauthorized, w.Code)
}

func TestTheEnvironmentIsCheckedAsAWhole(t *testing.T) {
	t.Parallel()
	full := map[string]string{
		"MSPKIT_BOT_APP_ID": uuid.NewString(), "MSPKIT_BOT_SECRET": "hidden", "MSPKIT_BOT_TENANT": uuid.NewString(),
		"MSPKIT_BOT_CUSTOMERS": strings.ToUpper(uuid.NewString()) + ", " + uuid.NewString(),
	}
	with := func(name, value string) func(string) string {
		return func(n string) string {
			if n == name {
				return value
			}
			return full[n]
		}
	}
	_, err := configFromEnv(func(string) string { return "" }, false)
	for name := range full {
		require.ErrorContains(t, err, name)
		_, one := configFromEnv(with(name, " "), false)
		require.ErrorContains(t, one, name)
		require.NotContains(t, one.Error(), "hidden")
	}
	c, err := configFromEnv(with("", ""), false)
	require.NoError(t, err)
	require.Len(t, c.tenants, 2)
	require.Equal(t, strings.ToLower(c.tenants[0]), c.tenants[0])
	require.Equal(t, "public", c.cloud.Name)
	_, err = newApp(c, io.Discard)
	require.NoError(t, err)

	c, err = configFromEnv(with("MSPKIT_BOT_TENANT", "multi"), false)
	require.NoError(t, err)
	require.True(t, c.app.MultiTenant)
	for _, cloud := range []string{"usgov", "China"} {
		c, err = configFromEnv(with("MSPKIT_BOT_CLOUD", cloud), false)
		require.NoError(t, err)
		require.Equal(t, strings.ToLower(cloud), c.cloud.Name)
	}
	_, err = configFromEnv(with("MSPKIT_BOT_CLOUD", "germany"), false)
	require.ErrorContains(t, err, "public (the default), usgov or china")
	for _, name := range []string{"MSPKIT_BOT_APP_ID", "MSPKIT_BOT_TENANT", "MSPKIT_BOT_CUSTOMERS"} {
		_, err = configFromEnv(with(name, "contoso"), false)
		require.ErrorContains(t, err, name+`: "contoso"`)
	}
	_, err = configFromEnv(with("MSPKIT_BOT_CUSTOMERS", " , ,"), false)
	require.ErrorContains(t, err, "MSPKIT_BOT_CUSTOMERS names no tenant")

	c, err = configFromEnv(func(string) string { return "" }, true)
	require.NoError(t, err)
	_, err = newApp(c, io.Discard)
	require.NoError(t, err, "an emulator needs nothing of the environment")
	c, err = configFromEnv(with("", ""), true)
	require.NoError(t, err)
	require.Equal(t, full["MSPKIT_BOT_APP_ID"], c.app.ID)
	require.Nil(t, c.app.Credential, "an emulator is told no secret")
	_, err = configFromEnv(with("MSPKIT_BOT_APP_ID", "contoso"), true)
	require.ErrorContains(t, err, `MSPKIT_BOT_APP_ID: "contoso"`)
}

func TestAnAddressThatIsTakenIsSaid(t *testing.T) {
	t.Parallel()
	l, err := listen(t.Context(), "127.0.0.1:0", true)
	require.NoError(t, err)
	defer l.Close()
	_, err = listen(t.Context(), l.Addr().String(), true)
	require.ErrorContains(t, err, "choose another address")
	_, err = listen(t.Context(), "3978", false)
	require.ErrorContains(t, err, "127.0.0.1:3978")
}

func TestTheCommandLineIsExplained(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	require.NoError(t, run(t.Context(), []string{"-h"}, strings.NewReader(""), &out))
	for _, name := range []string{"-addr", "-insecure-loopback", "-selftest"} {
		require.Contains(t, out.String(), name)
	}
	for _, v := range variables {
		require.Contains(t, out.String(), v.name)
		require.Contains(t, out.String(), v.what)
	}
	for _, wrong := range []string{"extra", "-nope", "-addr"} {
		out.Reset()
		err := run(t.Context(), []string{wrong}, strings.NewReader(""), &out)
		require.ErrorContains(t, err, "-h says what there is")
		require.ErrorContains(t, err, strings.TrimPrefix(wrong, "-"))
		require.Empty(t, out.String(), "said twice")
	}
}
