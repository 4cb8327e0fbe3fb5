package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/entra/graphentra"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestSelftest(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), []string{"-selftest"}, os.Getenv, &out), "%s", &out)
	require.Contains(t, out.String(), "All as it should be.")
}

func TestHelp(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), []string{"-h"}, os.Getenv, &out))
	require.Contains(t, out.String(), "-break-glass")
	require.Contains(t, out.String(), "ENTRA_CLIENT_SECRET")
}

func TestASecretIsAddedToAFileThatNobodyElseReads(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "secrets.txt")
	require.NoError(t, os.WriteFile(path, []byte("an older one\n"), 0o600))
	require.NoError(t, os.Chmod(path, 0o644))
	c := &command{o: options{secrets: path}}
	require.NoError(t, c.keep(t.Context(), graphentra.NewSecret{Name: "main", KeyID: "k1", Value: mspkit.Redact("the value")}))
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	kept, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Contains(t, string(kept), "an older one\nmain k1 until")
	require.Contains(t, string(kept), "the value")
}

func TestWhatIsMissingIsSaid(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	plan := func(name, content string) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
		return path
	}
	const good = `{"version":1,"id":"11111111-2222-4333-8444-555555555555","tenant":"TENANT","key":"signin","graph":"11111111-2222-4333-8444-555555555555",` +
		`"made":"2026-11-27T22:00:00Z","steps":[{"kind":"secret.add","op":"create","what":"x"}]}`
	const tenant = "22222222-2222-4333-8444-555555555555"
	env := map[string]string{"ENTRA_TENANT": tenant, "ENTRA_CLIENT_ID": "33333333-2222-4333-8444-555555555555", "ENTRA_CLIENT_SECRET": "not one"}
	for _, tc := range []struct {
		args []string
		env  map[string]string
		want string
	}{
		{[]string{"setup"}, env, `unexpected argument "setup"`},
		{[]string{"-prst", "x"}, env, "-prst"},
		{[]string{"-preset", "signin"}, nil, "ENTRA_TENANT and ENTRA_CLIENT_ID"},
		{nil, env, "-preset is signin, mail or teams"},
		{[]string{"-preset", "signin"}, env, "the key is 1 to 64"},
		{[]string{"-preset", "mail", "-key", "mail", "-name", "Mail", "-assign", "Dana"}, env, "an assignment is of an object id"},
		{[]string{"-preset", "mail", "-key", "mail", "-name", "Mail", "-break-glass", "none"}, env, "emergency accounts"},
		{[]string{"-apply", filepath.Join(dir, "none.json")}, env, "no such file"},
		{[]string{"-apply", plan("broken.json", "{")}, env, "this is no plan"},
		{[]string{"-apply", plan("other.json", strings.Replace(good, "TENANT", "other", 1))}, env, "the plan is for other"},
		{[]string{"-apply", plan("good.json", strings.Replace(good, "TENANT", tenant, 1))}, env, "-secrets says to which file it goes"},
	} {
		var out bytes.Buffer
		err := run(t.Context(), tc.args, func(name string) string { return tc.env[name] }, &out)
		require.Error(t, err, tc.args)
		require.Contains(t, err.Error(), tc.want, tc.args)
		require.NotContains(t, err.Error()+out.String(), "not one")
	}
}
