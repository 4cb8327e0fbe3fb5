package main

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit/internal/webpage/webpagetest"
)

func TestTheStoryGoesAsItShould(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	require.NoError(t, selftest(t.Context(), &out), out.String())
	require.Contains(t, out.String(), "The story went as it should.")
}

func TestThePortalIsReachableFromThisMachineOnly(t *testing.T) {
	t.Parallel()
	for _, addr := range []string{"0.0.0.0:0", "[::]:0", ":0", "192.0.2.1:0", "example.com:0"} {
		_, err := listen(t.Context(), addr)
		require.ErrorContains(t, err, "not a loopback address", addr)
	}
	_, err := listen(t.Context(), "8080")
	require.ErrorContains(t, err, "127.0.0.1:8080")
	l, err := listen(t.Context(), "127.0.0.1:0")
	require.NoError(t, err)
	_, err = listen(t.Context(), l.Addr().String())
	require.ErrorContains(t, err, "choose another address")
	require.NoError(t, l.Close())
}

func newTestApp(t *testing.T, cfg config) *app {
	t.Helper()
	cfg.dir, cfg.url = t.TempDir(), "http://127.0.0.1:8080"
	a, err := newApp(t.Context(), cfg)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, a.close()) })
	return a
}

func TestOtherHostsNamesReachOnlyWhatCallersNeed(t *testing.T) {
	t.Parallel()
	a := newTestApp(t, config{publicURL: "https://help.example"})
	for _, tc := range []struct {
		url  string
		want int
	}{
		{"http://127.0.0.1:8080/", http.StatusOK},
		{"http://127.0.0.1:8080/api/state", http.StatusOK},
		{"http://evil.example/", http.StatusMisdirectedRequest},
		{"http://evil.example/verify/v/x", http.StatusMisdirectedRequest},
		{"https://help.example/", http.StatusNotFound},
		{"https://help.example/api/state", http.StatusNotFound},
		{"https://help.example/verify/../api/state", http.StatusTemporaryRedirect}, // to the address above
		{"https://help.example/verify/v/x", http.StatusNotFound},                   // the page that says so
	} {
		w := httptest.NewRecorder()
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, tc.url, nil)
		a.ServeHTTP(w, r)
		require.Equal(t, tc.want, w.Code, tc.url)
		if !strings.HasPrefix(tc.url, "http://127.0.0.1:8080/") {
			require.NotContains(t, w.Body.String(), "dana@contoso.example", tc.url)
		}
	}
}

func TestEveryRouteOfThePortalCarriesTheHeaderSet(t *testing.T) {
	t.Parallel()
	a := newTestApp(t, config{})
	site, err := a.portal()
	require.NoError(t, err)
	webpagetest.Run(t, site, "", false, site.Routes())
}

func TestKeysAreMadeOnceAndKeptPrivate(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "keys")
	first, err := loadKeys(path)
	require.NoError(t, err)
	again, err := loadKeys(path)
	require.NoError(t, err)
	require.Equal(t, first, again)
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	require.NoError(t, os.Chmod(path, 0o644))
	_, err = loadKeys(path)
	require.ErrorContains(t, err, "0600")
	require.NoError(t, os.Chmod(path, 0o600))
	require.NoError(t, os.WriteFile(path, []byte("nonsense\n"), 0o600))
	_, err = loadKeys(path)
	require.ErrorContains(t, err, "id:base64")
}

func TestTheEnvironmentIsChecked(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		env  map[string]string
		want string
	}{
		"nothing":             {nil, ""},
		"mail without sender": {map[string]string{"MSPKIT_SMTP_HOST": "mail.example"}, "MSPKIT_SMTP_FROM"},
		"bad port":            {map[string]string{"MSPKIT_SMTP_PORT": "smtp"}, "MSPKIT_SMTP_PORT"},
		"Twilio without from": {map[string]string{"MSPKIT_TWILIO_ACCOUNT_SID": demoAccount, "MSPKIT_TWILIO_AUTH_TOKEN": "t"}, "MSPKIT_TWILIO_FROM"},
		"complete": {map[string]string{
			"MSPKIT_SMTP_HOST": "mail.example", "MSPKIT_SMTP_FROM": "a@b.example", "MSPKIT_SMTP_PORT": "465",
			"MSPKIT_TWILIO_ACCOUNT_SID": demoAccount, "MSPKIT_TWILIO_AUTH_TOKEN": "t", "MSPKIT_TWILIO_FROM": "+12025550100",
		}, ""},
	} {
		_, err := configFromEnv(func(k string) string { return tc.env[k] })
		if tc.want == "" {
			require.NoError(t, err, name)
			continue
		}
		require.ErrorContains(t, err, tc.want, name)
	}
}
