package main

import (
	"bytes"
	"context"
	"io"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSelftest(t *testing.T) {
	t.Parallel()
	require.NoError(t, selftest(t.Context(), io.Discard))
}

func TestHelp(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	require.NoError(t, (&command{out: &out}).run(t.Context(), []string{"-h"}))
	for _, v := range variables {
		require.Contains(t, out.String(), v.name)
	}
}

// screen is what the command writes, and hands each piece to somebody who reads it.
type screen struct {
	mu   sync.Mutex
	b    bytes.Buffer
	read func(string)
}

func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.b.Write(p)
	if s.read != nil {
		s.read(string(p))
	}
	return len(p), nil
}

func (s *screen) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// sync runs the command on a stage, and returns what it wrote.
func (s *stage) sync(ctx context.Context, t *testing.T, set settings, read func(string), args ...string) (string, error) {
	t.Helper()
	out := &screen{read: read}
	c := &command{env: set.get, out: out, play: &played{cloud: s.entra.Cloud(), http: s.entra.Client()}}
	err := c.run(ctx, append(args, "-yes", "-db", s.file))
	return out.String(), err
}

func newTestStage(t *testing.T) *stage {
	t.Helper()
	s, err := newStage(io.Discard, filepath.Join(t.TempDir(), "people 100%?.db"))
	require.NoError(t, err)
	t.Cleanup(s.entra.Close)
	return s
}

func TestProgressIsOneLineInATerminal(t *testing.T) {
	t.Parallel()
	s := newTestStage(t)
	var out bytes.Buffer
	c := &command{env: s.env, out: &out, terminal: true, play: &played{cloud: s.entra.Cloud(), http: s.entra.Client(), page: 10}}
	require.Error(t, c.run(t.Context(), []string{"-yes", "-db", s.file}))
	require.Contains(t, out.String(), "\r  2 of 2 tenants")
	require.Contains(t, out.String(), "\nDone: 2 tenants are in step now.")
}

func TestCtrlCWhileItIsAskedChangesNothing(t *testing.T) {
	t.Parallel()
	s := newTestStage(t)
	ctx, press := context.WithCancel(t.Context())
	defer press()
	never, end := io.Pipe()
	defer end.Close()
	out := &screen{read: func(text string) {
		if strings.Contains(text, "Type yes") {
			press()
		}
	}}
	c := &command{env: s.env, in: never, out: out, play: &played{cloud: s.entra.Cloud(), http: s.entra.Client()}}
	err := c.run(ctx, []string{"-db", s.file})
	require.EqualError(t, err, "stopped, and nothing was changed")
}

func TestManyWhoHaveLeftAreALotToAskFor(t *testing.T) {
	t.Parallel()
	s := newTestStage(t)
	set := settings{envClient: s.app.ID, envSecret: s.app.Secret, envTenants: "contoso=" + s.ids["contoso"].ID}
	_, err := s.sync(t.Context(), t, set, nil)
	require.NoError(t, err)
	for i, u := range s.tenants["contoso"].Users() {
		if i%4 != 0 {
			s.tenants["contoso"].Delete(u.ID, true)
		}
	}
	s.tenants["contoso"].ExpireDelta("") // so that only who is missing says that they have left
	out, err := s.sync(t.Context(), t, set, nil)
	require.ErrorContains(t, err, "1 tenant could not be read")
	require.Contains(t, out, "contoso: failed after")
	require.Contains(t, out, "-many-left allows it.")
	out, err = s.sync(t.Context(), t, set, nil, "-many-left")
	require.NoError(t, err, out)
	require.Contains(t, out, "leave\n")
	require.Contains(t, out, "1 tenant is in step now")
	out, err = s.sync(t.Context(), t, set, nil)
	require.NoError(t, err, out)
	require.Contains(t, out, "There is nothing to change.")
}
