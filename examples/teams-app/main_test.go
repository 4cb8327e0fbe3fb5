package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/mspkit/mspkit/teamsapp"
	"github.com/mspkit/mspkit/teamsapp/brandpage"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestSelftest(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), []string{"-selftest"}, &out), "%s", &out)
	require.Contains(t, out.String(), "All as it should be.")
}

// sampleIn writes the sample and returns the path of its brand.
func sampleIn(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, run(t.Context(), []string{"-sample", dir}, io.Discard))
	return filepath.Join(dir, "brand.json")
}

func TestWhatIsMissingIsSaid(t *testing.T) {
	t.Parallel()
	brand := sampleIn(t)
	dir := filepath.Dir(brand)
	for name, content := range map[string]string{
		"unknown.json": `{"shortname":"x","colour":"red"}`, "broken.json": `{`, "sparse.json": `{"key":"x"}`,
		"mine.json": `{"key":"x"}`, "mine.published.json": `{"version":"one"}`,
	} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600))
	}
	for _, tc := range []struct{ args, want string }{
		{"package", `unexpected argument "package"`},
		{"-brnd x", "-brnd"},
		{"-o app.zip", "-o needs -brand"},
		{"-logo x.png", "-logo needs -brand"},
		{"-addr 0.0.0.0:0", "it is for this machine alone"},
		{"-addr 8080", "-addr must look like"},
		{"-brand DIR/none.json -o DIR/a.zip", "there is no brand in"},
		{"-brand DIR/none.json", "there is no brand in"},
		{"-brand DIR/unknown.json -o DIR/a.zip", `unknown field "colour"`},
		{"-brand DIR/broken.json -o DIR/a.zip", "cannot be read"},
		{"-brand DIR/sparse.json -o DIR/a.zip", "  developer.name is missing"},
		{"-brand DIR/mine.json -o DIR/a.zip", "the version in DIR/mine.published.json is not of the form 1.2.3"},
		{"-brand DIR/brand.json -logo DIR/none.png -o DIR/a.zip", "none.png"},
		{"-brand DIR/brand.json -logo DIR/brand.json -o DIR/a.zip", "  logo is not a PNG"},
		{"-sample DIR", "is there already"},
	} {
		args := strings.Fields(strings.ReplaceAll(tc.args, "DIR", dir))
		require.ErrorContains(t, run(t.Context(), args, io.Discard), strings.ReplaceAll(tc.want, "DIR", dir), tc.args)
	}
	require.NoFileExists(t, filepath.Join(dir, "a.zip"))
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), []string{"-h"}, &out))
	require.Contains(t, out.String(), "-brand")
}

func TestALogoThatIsTooLargeIsNotRead(t *testing.T) {
	t.Parallel()
	brand := sampleIn(t)
	large := filepath.Join(t.TempDir(), "large.png")
	require.NoError(t, os.WriteFile(large, nil, 0o600))
	require.NoError(t, os.Truncate(large, 1<<32))
	require.ErrorContains(t, run(t.Context(), []string{"-brand", brand, "-logo", large, "-o", large + ".zip"}, io.Discard), "has 4294967296 bytes, at most 16777216 are allowed")
}

// What the page packages stands in the files afterwards, and the command goes on from there.
func TestThePageAndTheCommandKeepOneState(t *testing.T) {
	t.Parallel()
	path := sampleIn(t)
	h, err := handler(options{brand: path})
	require.NoError(t, err)
	p := &player{ctx: t.Context()}
	logo, err := sampleLogo()
	require.NoError(t, err)
	w, err := p.post(h, form(map[string]string{"do": "download"}), logo, nil)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, w.Code)
	out, err := p.play("-brand", path, "-o", path+".zip")
	require.NoError(t, err)
	require.Contains(t, out, "app      Fabrikam Hilfe")
	require.Contains(t, out, "version  1.0.0 (unchanged)")
	made, err := os.ReadFile(path + ".zip")
	require.NoError(t, err)
	require.Equal(t, w.Body.Bytes(), made)
	left, err := filepath.Glob(filepath.Join(filepath.Dir(path), ".teams-app-*"))
	require.NoError(t, err)
	require.Empty(t, left)
}

func TestTheFileHasTheFieldsOfABrand(t *testing.T) {
	t.Parallel()
	b, err := sampleBrand()
	require.NoError(t, err)
	b.GraphID, b.Domains, b.NotificationOnly = b.BotID, []string{"verify.contoso.example"}, true
	raw, err := json.Marshal(toFile(b, "logo.png"))
	require.NoError(t, err)
	var f brandFile
	require.NoError(t, json.Unmarshal(raw, &f))
	got := f.brand()
	got.Logo = b.Logo
	require.Equal(t, b, got)
	require.Equal(t, "more[0].shortName", fieldInFile("More[0].ShortName"))
	for _, l := range teamsapp.Limits() {
		name, _, _ := strings.Cut(fieldInFile(l.Field), ".")
		require.Contains(t, string(raw), `"`+name+`":`)
	}
}

func TestSomebodyElseWasFirst(t *testing.T) {
	t.Parallel()
	k := &keeper{}
	require.ErrorIs(t, k.save(nil, teamsapp.Published{Version: "1.0.0"}, brandpage.State{}), brandpage.ErrConflict)
	require.NoError(t, k.save(nil, teamsapp.Published{}, brandpage.State{Published: teamsapp.Published{Version: "1.0.0"}}))
	require.ErrorIs(t, k.save(nil, teamsapp.Published{}, brandpage.State{}), brandpage.ErrConflict)
}

func TestThePageIsServedUntilTheEnd(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	r, w := io.Pipe()
	done := make(chan error, 1)
	go func() { done <- run(ctx, []string{"-addr", "127.0.0.1:0"}, w) }()
	buf := make([]byte, 4096)
	n, err := r.Read(buf)
	require.NoError(t, err)
	_, rest, ok := strings.Cut(string(buf[:n]), "http://")
	require.True(t, ok)
	addr, _, _ := strings.Cut(rest, "/")
	require.ErrorContains(t, run(ctx, []string{"-addr", addr}, io.Discard), "something else listens on "+addr)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+"/", http.NoBody)
	require.NoError(t, err)
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	require.NoError(t, err)
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Contains(t, string(body), "Contoso Helpdesk")
	cancel()
	require.NoError(t, <-done)
	_, err = net.Dial("tcp", addr)
	require.Error(t, err)
}

// The names of hosts can be made to lead here: a page on such a host must not be answered as if it were this one.
func TestOtherNamesOfThisMachineAreRefused(t *testing.T) {
	t.Parallel()
	h, err := handler(options{})
	require.NoError(t, err)
	for host, want := range map[string]int{"127.0.0.1:8086": 200, "localhost:8086": 200, "[::1]:8086": 200, "attacker.example:8086": 403, "": 403} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", http.NoBody)
		r.Host = host
		w := httptest.NewRecorder()
		local(h).ServeHTTP(w, r)
		require.Equal(t, want, w.Code, host)
	}
}
