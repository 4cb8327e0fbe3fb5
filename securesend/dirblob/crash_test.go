//go:build unix

package dirblob_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit/securesend"
	"github.com/mspkit/mspkit/securesend/dirblob"
)

// childEnv holds what a child process is to do, and in which folder: "kill /folder" or "full /folder".
const childEnv = "MSPKIT_TEST_DIRBLOB_CHILD"

// TestChild is the child's side of the tests below; without their order it is nothing.
func TestChild(t *testing.T) {
	t.Parallel()
	order, dir, ok := strings.Cut(os.Getenv(childEnv), " ")
	if !ok {
		return
	}
	s := open(t, dir)
	switch order {
	case "kill":
		uploadUntilKilled(t, s)
	case "full":
		uploadToFullDisk(t, s)
	}
}

func child(t *testing.T, order, dir string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestChild$", "-test.v", "-test.timeout=50s")
	cmd.Env = append(os.Environ(), childEnv+"="+order+" "+dir)
	return cmd
}

// version is what a part holds in its n-th version: only n, and of a size that depends on it.
func version(n uint64) []byte {
	return bytes.Repeat(binary.BigEndian.AppendUint64(nil, n), 10_000+int(n%7)*5000)
}

const keptParts = 4

// uploadUntilKilled stores new versions of some parts over the old ones, and now and then deletes another send. It says what
// was answered.
func uploadUntilKilled(t *testing.T, s *dirblob.Store) {
	t.Helper()
	other := securesend.Part{Ref: securesend.Ref{Tenant: "fabrikam", ID: "1"}}
	base := uint64(time.Now().UnixNano())
	for i := uint64(0); ; i++ {
		p := securesend.Part{Ref: ref, N: int(i % keptParts)}
		require.NoError(t, s.Put(t.Context(), p, bytes.NewReader(version(base+i))))
		fmt.Printf("stored %d %d\n", p.N, base+i)
		if i%3 == 0 {
			require.NoError(t, s.Put(t.Context(), other, bytes.NewReader(version(1))))
			fmt.Println("other")
			require.NoError(t, s.Delete(t.Context(), other.Ref))
			fmt.Println("deleted")
		}
	}
}

// TestKill kills a process again and again while it uploads: each part is one that was uploaded as a whole, and at least
// as new as the last that was answered.
func TestKill(t *testing.T) {
	t.Parallel()
	rounds := 8
	if os.Getenv("MSPKIT_SOAK") != "" {
		rounds = 300
	}
	s, dir := fresh(t)
	answered, leftovers := map[int]uint64{}, 0
	for range rounds {
		cmd := child(t, "kill", dir)
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		out, err := cmd.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, cmd.Start())
		lines, delay, otherGone := bufio.NewScanner(out), time.Duration(rand.IntN(40_000))*time.Microsecond, true
		for first := true; lines.Scan(); {
			f := strings.Fields(lines.Text())
			switch {
			case len(f) == 3 && f[0] == "stored":
				n, err := strconv.Atoi(f[1])
				require.NoError(t, err)
				answered[n], err = strconv.ParseUint(f[2], 10, 64)
				require.NoError(t, err)
				if first { // it is at work
					first = false
					time.AfterFunc(delay, func() { _ = cmd.Process.Kill() })
				}
				otherGone = false
			case len(f) == 1 && f[0] == "deleted":
				otherGone = true
			}
		}
		require.Error(t, cmd.Wait())
		require.Equal(t, syscall.SIGKILL, cmd.ProcessState.Sys().(syscall.WaitStatus).Signal(), stderr.String())

		parts, err := s.List(t.Context(), ref)
		require.NoError(t, err)
		require.GreaterOrEqual(t, len(parts), len(answered))
		for _, info := range parts {
			at := versionOf(t, s, securesend.Part{Ref: ref, File: info.File, N: info.N}, info.Size)
			require.GreaterOrEqual(t, at, answered[info.N])
			answered[info.N] = at
		}
		other := securesend.Ref{Tenant: "fabrikam", ID: "1"}
		parts, err = s.List(t.Context(), other)
		require.NoError(t, err)
		for _, info := range parts {
			require.False(t, otherGone, "what was deleted has come back")
			require.EqualValues(t, 1, versionOf(t, s, securesend.Part{Ref: other}, info.Size))
		}
		require.NoError(t, s.Delete(t.Context(), other))
	}
	for _, name := range tree(t, dir) {
		if strings.HasSuffix(name, ".tmp") {
			leftovers++
		}
	}
	t.Logf("%d rounds, %d files of uploads that never ended", rounds, leftovers)
	require.NoError(t, s.Delete(t.Context(), ref))
	require.Empty(t, tree(t, dir))
}

// versionOf reads a part, which must be one version as a whole.
func versionOf(t *testing.T, s *dirblob.Store, p securesend.Part, size int64) uint64 {
	t.Helper()
	r, err := s.Open(t.Context(), p, 0, size)
	require.NoError(t, err)
	got, err := io.ReadAll(r)
	require.NoError(t, errors.Join(err, r.Close()))
	require.GreaterOrEqual(t, len(got), 8)
	at := binary.BigEndian.Uint64(got)
	require.True(t, bytes.Equal(version(at), got), "a part is not what was uploaded")
	return at
}

// uploadToFullDisk runs where no file may grow beyond 100,000 bytes, which the system refuses as it does where a disk
// is full.
func uploadToFullDisk(t *testing.T, s *dirblob.Store) {
	t.Helper()
	signal.Ignore(syscall.SIGXFSZ)
	old := bytes.Repeat([]byte("old"), 30_000)
	require.NoError(t, s.Put(t.Context(), part, bytes.NewReader(old)))
	var limit syscall.Rlimit
	require.NoError(t, syscall.Getrlimit(syscall.RLIMIT_FSIZE, &limit))
	limit.Cur = 100_000
	require.NoError(t, syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit))
	for _, p := range []securesend.Part{part, {Ref: ref, N: 7}, {Ref: securesend.Ref{Tenant: "fabrikam", ID: "1"}}} {
		err := s.Put(t.Context(), p, bytes.NewReader(make([]byte, 8<<20)))
		require.ErrorIs(t, err, syscall.EFBIG)
		require.Regexp(t, `^dirblob: put: write .*: file too large$`, err.Error())
	}
	parts, err := s.List(t.Context(), ref)
	require.NoError(t, err)
	require.Equal(t, []securesend.PartInfo{{File: 1, N: 2, Size: 90_000}}, parts)
	r, err := s.Open(t.Context(), part, 0, 90_000)
	require.NoError(t, err)
	got, err := io.ReadAll(r)
	require.NoError(t, errors.Join(err, r.Close()))
	require.Equal(t, old, got)
	fmt.Println("the disk was full")
}

func TestDiskFull(t *testing.T) {
	t.Parallel()
	s, dir := fresh(t)
	out, err := child(t, "full", dir).CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Contains(t, string(out), "the disk was full")
	require.Len(t, tree(t, dir), 3) // the old part and its folders
	// With room again the upload goes on.
	require.NoError(t, s.Put(context.Background(), securesend.Part{Ref: ref, N: 7}, bytes.NewReader(make([]byte, 8<<20))))
}
