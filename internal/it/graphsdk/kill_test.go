package graphsdk

import (
	"encoding/json"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit/entra/entratest"
)

// deadly serves a directory and kills who asks at a request that was chosen.
type deadly struct {
	*entratest.Directory

	mu    sync.Mutex
	left  int  // requests until then; 0 is never
	after bool // it is done first
	kill  func()
	seen  int
}

// arm says when who asks next is killed.
func (s *deadly) arm(at int, after bool, kill func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.left, s.after, s.kill = at, after, kill
}

func (s *deadly) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.seen++
	hit := s.left == 1
	if s.left > 0 {
		s.left--
	}
	after, kill := s.after, s.kill
	s.mu.Unlock()
	if !hit {
		s.Directory.ServeHTTP(w, r)
		return
	}
	if after {
		s.Directory.ServeHTTP(httptest.NewRecorder(), r)
	}
	kill()
	panic(http.ErrAbortHandler)
}

// tenantOnTheWire is a directory that processes provision.
type tenantOnTheWire struct {
	*testing.T
	*deadly

	orders orders
}

func newTenant(t *testing.T, preset string, conditional bool, lag int) *tenantOnTheWire {
	t.Helper()
	d := entratest.NewDirectory("", nil)
	w := &tenantOnTheWire{T: t, deadly: &deadly{Directory: d}}
	srv := httptest.NewServer(w.deadly)
	t.Cleanup(srv.Close)
	dana := d.AddUser(entratest.DirectoryUser{Name: "Dana Reyes", UPN: "dana@contoso.example"})
	glass := d.AddUser(entratest.DirectoryUser{Name: "Emergency", UPN: "emergency@contoso.example"})
	w.orders = orders{
		URL: srv.URL, Held: filepath.Join(t.TempDir(), "held"), Preset: preset, Conditional: conditional,
		Dana: dana, Techs: d.AddGroup("Technicians", dana), Glass: d.AddGroup("Break glass", glass),
	}
	d.Change(func(o *entratest.DirectoryOptions) { o.Lag = lag })
	return w
}

// run runs a process and kills it at a request; 0 lets it live. It reports whether it was killed.
func (w *tenantOnTheWire) run(at int, after bool) bool {
	w.Helper()
	given, err := json.Marshal(w.orders)
	require.NoError(w, err)
	self, err := os.Executable()
	require.NoError(w, err)
	cmd := exec.CommandContext(w.Context(), self)
	cmd.Env = append(os.Environ(), childEnv+"="+string(given))
	var out strings.Builder
	cmd.Stderr = &out
	started := make(chan struct{})
	w.arm(at, after, func() {
		<-started
		_ = cmd.Process.Kill()
	})
	require.NoError(w, cmd.Start())
	close(started)
	err = cmd.Wait()
	if err == nil {
		return false
	}
	status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus)
	require.True(w, ok && status.Signaled() && status.Signal() == syscall.SIGKILL, "it failed: %v\n%s", err, out.String())
	return true
}

// made is in the names of secrets: the plan that made them.
var made = regexp.MustCompile(`(mspkit:main#)[0-9a-f]{8}`)

// state is what is in the directory, but for which plan has made it.
func (w *tenantOnTheWire) state() entratest.DirectorySnapshot {
	var out entratest.DirectorySnapshot
	for _, line := range w.Snapshot() {
		out = append(out, made.ReplaceAllString(line, "$1"))
	}
	return out
}

// TestKilledProvisioningEndsInTheSameState kills 8 processes, with MSPKIT_SOAK=1 50, that plan and apply, each at a random request
// before or after the directory has done it. A new process plans and applies again, until one lives: then the tenant is as after
// a run that nobody has killed, nothing is there twice, and the next plan is empty.
//
//nolint:paralleltest // killing processes is what it waits for; one at a time
func TestKilledProvisioningEndsInTheSameState(t *testing.T) {
	kills := 8
	if os.Getenv("MSPKIT_SOAK") != "" {
		kills = 50
	}
	type run struct {
		state    entratest.DirectorySnapshot
		requests int
	}
	whole := map[string]run{}
	random := rand.New(rand.NewPCG(9, 2026))
	for round, killed := 0, 0; killed < kills; round++ {
		preset, conditional, lag := presets[round%len(presets)], round%4 == 0, 0
		if round%3 == 2 && !conditional {
			lag = 1
		}
		name := preset
		if conditional {
			name += " with Conditional Access"
		}
		want, ok := whole[name]
		if !ok {
			w := newTenant(t, preset, conditional, 0)
			require.False(t, w.run(0, false))
			want = run{w.state(), w.seen}
			require.NotEmpty(t, want.state)
			whole[name] = want
		}
		w := newTenant(t, preset, conditional, lag)
		for lives := 1; ; lives++ {
			require.LessOrEqual(t, lives, 40, "%s never ends", name)
			at, after := 0, random.IntN(2) == 0
			if killed < kills {
				at = 1 + random.IntN(want.requests)
			}
			if !w.run(at, after) {
				break
			}
			killed++
		}
		require.Empty(t, want.state.Diff(w.state()), name)
		w.arm(0, false, nil)
		c, err := w.orders.client(nil)
		require.NoError(t, err)
		again, err := c.Plan(t.Context(), north, w.orders.desired())
		require.NoError(t, err)
		require.True(t, again.Empty(), again.String())
		app := w.Objects("applications")[0]
		key, _ := app["passwordCredentials"].([]any)[0].(map[string]any)["keyId"].(string)
		held, err := w.orders.holds(t.Context(), north, key)
		require.NoError(t, err)
		require.True(t, held, "nobody has the secret")
		t.Logf("%s: killed %d so far, in the end %d requests, as many writes as %d", name, killed, w.seen, w.Writes())
	}
}
