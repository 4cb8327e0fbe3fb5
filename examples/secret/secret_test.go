package main

import (
	"bytes"
	"context"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit/securesend"
)

func TestSelftest(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), []string{"-selftest"}, strings.NewReader(""), &out, io.Discard), "%s", &out)
	require.Contains(t, out.String(), "All as it should be.")
}

func TestWhatIsMissingIsSaid(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ args, in, want string }{
		{"sent", "", `no command "sent"`},
		{"open", "", "no link is given"},
		{"open -nummer 1 x", "", "-nummer"},
		{"open https://help.example/", "", securesend.ErrLink.Error()},
		{"send", "https://help.example/\n", securesend.ErrLink.Error()},
		{"serve -addr 0.0.0.0:0", "", "for this machine alone"},
		{"send https://x.example/c/x no-such-file", "", "no such file"},
	} {
		err := run(t.Context(), strings.Fields(tc.args), strings.NewReader(tc.in), io.Discard, io.Discard)
		require.ErrorContains(t, err, tc.want, tc.args)
	}
	for _, args := range []string{"", "-h", "help", "open -h"} {
		var out bytes.Buffer
		require.NoError(t, run(t.Context(), strings.Fields(args), strings.NewReader(""), &out, io.Discard))
		require.Contains(t, out.String(), "secret send")
	}
}

func TestTheServerPrintsGrantsUntilItEnds(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	r, w := io.Pipe()
	done := make(chan error, 1)
	go func() {
		done <- run(ctx, []string{"serve"}, strings.NewReader("\n"), w, io.Discard)
		_ = w.Close()
	}()
	buf := make([]byte, 4096)
	for range 2 {
		n, err := r.Read(buf)
		require.NoError(t, err)
		require.Contains(t, string(buf[:n]), "/c/")
	}
	cancel()
	require.NoError(t, <-done)
}
