// Package sandbox tries to have fixed answers in a program that is no test.
package sandbox

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit/verify/verifytest"
)

// program is a module of its own, as a user's is.
func program(t *testing.T, body string) *exec.Cmd {
	t.Helper()
	root, err := filepath.Abs("../../..")
	require.NoError(t, err)
	own, err := os.ReadFile(filepath.Join(root, "go.mod"))
	require.NoError(t, err)
	_, version, _ := strings.Cut(string(own), "\ngo ")
	version, _, _ = strings.Cut(version, "\n")
	dir := t.TempDir()
	mod := "module smuggler.example\n\ngo " + version + "\n\nrequire github.com/mspkit/mspkit v0.0.0\n\nreplace github.com/mspkit/mspkit => " + root + "\n"
	require.NoError(t, os.WriteFile(filepath.Join(dir, "go.mod"), []byte(mod), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "main.go"), []byte("package main\n"+body), 0o600))
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, "go", "run", ".")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOFLAGS=-mod=mod", "GOPROXY=off", "GOWORK=off")
	return cmd
}

func TestAProgramThatIsNoTestHasNoSandbox(t *testing.T) {
	t.Parallel()
	require.True(t, verifytest.Sandbox(t).On(), "a test has one")
	const verify, kit = `"github.com/mspkit/mspkit/verify"`, `"github.com/mspkit/mspkit/verify/verifytest"`
	for name, tc := range map[string]struct {
		program string
		says    string
		runs    bool
	}{
		"it asks the test kit": {`import ` + kit + `
			func main() { println(verifytest.Sandbox(nil).On()) }`, "verifytest: Sandbox is for tests, and this is none", false},
		"it asks the test kit with a test of its own making": {`import ("testing"; ` + kit + `)
			type fake struct{ testing.TB }
			func (fake) Helper() {}
			func (fake) Cleanup(func()) {}
			func main() { println(verifytest.Sandbox(fake{}).On()) }`, "verifytest: Sandbox is for tests, and this is none", false},
		"it says on the command line that it is a test": {`import ("flag"; "testing"; ` + kit + `)
			func main() { testing.Init(); flag.Set("test.v", "true"); flag.Parse(); println(verifytest.Sandbox(nil).On()) }`, "verifytest: Sandbox is for tests, and this is none", false},
		"it takes the maker itself": {`import "github.com/mspkit/mspkit/internal/sandbox"
			func main() { s, _ := sandbox.New(); println(s.On()) }`, "use of internal package github.com/mspkit/mspkit/internal/sandbox not allowed", false},
		"it fills the value in": {`import ("sync/atomic"; ` + verify + `)
			func main() { println(verify.Settings{Sandbox: verify.Sandbox{new(atomic.Bool)}}.Sandbox.On()) }`, "implicit assignment to unexported field on", false},
		"it names the field": {`import ("sync/atomic"; ` + verify + `)
			func main() { println(verify.Sandbox{on: new(atomic.Bool)}.On()) }`, "cannot refer to unexported field on", false},
		"it converts a value of the same shape": {`import ("sync/atomic"; ` + verify + `)
			type mine struct{ on *atomic.Bool }
			func main() { println(verify.Sandbox(mine{new(atomic.Bool)}).On()) }`, "cannot convert", false},
		"it decodes": {`import ("encoding/json"; ` + verify + `)
			func main() {
				var s verify.Settings
				err := json.Unmarshal([]byte(` + "`" + `{"Sandbox": {"on": {"v": 1}, "On": true}}` + "`" + `), &s)
				println("decoded", err == nil, s.Sandbox.On())
			}`, "decoded true false", true},
		"it reflects": {`import ("fmt"; "reflect"; "sync/atomic"; ` + verify + `)
			func main() {
				var s verify.Settings
				defer func() { fmt.Println(recover(), s.Sandbox.On()) }()
				on := new(atomic.Bool)
				on.Store(true)
				reflect.ValueOf(&s.Sandbox).Elem().Field(0).Set(reflect.ValueOf(on))
			}`, "using value obtained using unexported field false", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			out, err := program(t, tc.program).CombinedOutput()
			require.Equal(t, tc.runs, err == nil, "%s", out)
			require.Contains(t, string(out), tc.says)
			require.NotContains(t, string(out), "true\n", "a sandbox was had")
		})
	}
}
