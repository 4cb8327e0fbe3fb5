package dirblob_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/securesend"
	"github.com/mspkit/mspkit/securesend/dirblob"
	"github.com/mspkit/mspkit/securesend/securesendtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	ref  = securesend.Ref{Tenant: "contoso", ID: "5f4dcc3b5aa765d6"}
	part = securesend.Part{Ref: ref, File: 1, N: 2}
)

func open(t testing.TB, dir string) *dirblob.Store {
	t.Helper()
	s, err := dirblob.New(dir, nil)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

// fresh returns a store and its folder.
func fresh(t testing.TB) (*dirblob.Store, string) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "sends")
	return open(t, dir), dir
}

// tree returns all names below dir.
func tree(t testing.TB, dir string) (names []string) {
	t.Helper()
	require.NoError(t, filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if rel, relErr := filepath.Rel(dir, path); relErr == nil && rel != "." {
			names = append(names, filepath.ToSlash(rel))
		}
		return err
	}))
	return names
}

func TestBlobStore(t *testing.T) {
	t.Parallel()
	securesendtest.TestBlobStore(t, func(t *testing.T) func() securesend.BlobStore {
		dir := filepath.Join(t.TempDir(), "sends")
		return func() securesend.BlobStore { return open(t, dir) }
	})
}

func TestNames(t *testing.T) {
	t.Parallel()
	s, dir := fresh(t)
	for _, tenant := range []mspkit.TenantID{"contoso", "../x", "CON", "日本", "a/b"} {
		require.NoError(t, s.Put(t.Context(), securesend.Part{Ref: securesend.Ref{Tenant: tenant, ID: "nul"}, File: 12, N: 345}, strings.NewReader("x")))
	}
	names := tree(t, dir)
	require.Len(t, names, 15)
	for _, name := range names {
		require.Regexp(t, `^[0-9a-f]{2}(/[0-9a-f]{62}(/12-345\.part)?)?$`, name)
	}
}

func TestPermissions(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		return // it has none of this kind
	}
	s, dir := fresh(t)
	require.NoError(t, s.Put(t.Context(), part, strings.NewReader("x")))
	for _, name := range append(tree(t, dir), ".") {
		fi, err := os.Stat(filepath.Join(dir, name))
		require.NoError(t, err)
		if fi.IsDir() {
			require.Equal(t, fs.FileMode(0o700), fi.Mode().Perm(), name)
		} else {
			require.Equal(t, fs.FileMode(0o600), fi.Mode().Perm(), name)
		}
	}
}

func TestNew(t *testing.T) {
	t.Parallel()
	base := t.TempDir()
	file := filepath.Join(base, "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	public := filepath.Join(base, "public")
	require.NoError(t, os.Mkdir(public, 0o700))
	require.NoError(t, os.Chmod(public, 0o777))

	_, err := dirblob.New("", nil)
	require.ErrorIs(t, err, mspkit.ErrInvalid)
	_, err = dirblob.New(file, nil)
	require.ErrorIs(t, err, mspkit.ErrInvalid)
	require.ErrorContains(t, err, "is no folder")
	_, err = dirblob.New(filepath.Join(file, "sends"), nil)
	require.Error(t, err)
	_, err = dirblob.New(filepath.Join(base, "not-mounted", "sends"), nil)
	require.ErrorIs(t, err, fs.ErrNotExist)
	require.ErrorContains(t, err, "is to be created in is not there")
	if runtime.GOOS != "windows" {
		_, err = dirblob.New(public, nil)
		require.ErrorIs(t, err, mspkit.ErrInvalid)
		require.ErrorContains(t, err, "everybody may write to")
	}
	require.NoError(t, os.Chmod(public, 0o755))
	open(t, public)
	require.Empty(t, tree(t, public))

	s, err := dirblob.New(filepath.Join(base, "new"), &dirblob.Options{Region: "Canada Central"})
	require.NoError(t, err)
	require.Equal(t, "Canada Central", s.Region())
	require.NoError(t, s.Close())
	require.ErrorIs(t, s.Put(t.Context(), part, strings.NewReader("x")), os.ErrClosed)
	_, err = s.Open(t.Context(), part, 0, 1)
	require.ErrorIs(t, err, os.ErrClosed)
	_, err = s.List(t.Context(), ref)
	require.ErrorIs(t, err, os.ErrClosed)
	require.ErrorIs(t, s.Delete(t.Context(), ref), os.ErrClosed)
}

// TestPutFlushes holds the order on which a power cut depends: the bytes and the folders before the name, and the name
// before the answer.
func TestPutFlushes(t *testing.T) {
	t.Parallel()
	s, dir := fresh(t)
	shard, sub := dirblob.Names(ref)
	var flushed []string
	s.OnSync(func(name string) error {
		rel, err := filepath.Rel(dir, name)
		require.NoError(t, err)
		_, err = os.Stat(filepath.Join(dir, sub, "1-2.part"))
		flushed = append(flushed, map[bool]string{true: "named ", false: "before "}[err == nil]+filepath.ToSlash(rel))
		return nil
	})
	require.NoError(t, s.Put(t.Context(), part, strings.NewReader("x")))
	require.Len(t, flushed, 4)
	require.Regexp(t, "^before "+sub+`/1-2\.[A-Z0-9]{26}\.tmp$`, flushed[0])
	require.Equal(t, []string{"before " + shard, "before .", "named " + sub}, flushed[1:])

	flushed = nil
	require.NoError(t, s.Delete(t.Context(), ref))
	require.Equal(t, []string{"before " + shard, "before ."}, flushed)
	require.Empty(t, tree(t, dir))
}

// TestFlushFails is a disk that reports its fault only when it is flushed.
func TestFlushFails(t *testing.T) {
	t.Parallel()
	for i := range 4 {
		s, dir := fresh(t)
		n := 0
		s.OnSync(func(string) error {
			if n++; n > i {
				return &fs.PathError{Op: "sync", Path: "disk", Err: syscall.ENOSPC}
			}
			return nil
		})
		err := s.Put(t.Context(), part, strings.NewReader("sealed"))
		require.ErrorIs(t, err, syscall.ENOSPC)
		require.ErrorContains(t, err, "dirblob: put: sync disk: no space left on device")
		if i < 3 { // after that it has its name
			require.Empty(t, tree(t, dir))
		}
		s.OnSync(func(string) error { return syscall.EIO })
		require.ErrorIs(t, s.Delete(t.Context(), ref), syscall.EIO)
		s.OnSync(func(string) error { return nil })
		require.NoError(t, s.Delete(t.Context(), ref))
		require.Empty(t, tree(t, dir))
	}
}

// TestFailedPutLeavesNothing looks for what the suite cannot see.
func TestFailedPutLeavesNothing(t *testing.T) {
	t.Parallel()
	s, dir := fresh(t)
	broken := errors.New("the connection broke")
	breaking := func() io.Reader {
		return io.MultiReader(strings.NewReader(strings.Repeat("x", 1<<20)), errReader{broken})
	}
	require.ErrorIs(t, s.Put(t.Context(), part, breaking()), broken)
	require.Empty(t, tree(t, dir))
	require.Panics(t, func() { _ = s.Put(t.Context(), part, nil) })
	require.Empty(t, tree(t, dir))
	require.NoError(t, s.Put(t.Context(), part, strings.NewReader("x")))
	before := tree(t, dir)
	require.ErrorIs(t, s.Put(t.Context(), part, breaking()), broken)
	require.Equal(t, before, tree(t, dir))
}

type errReader struct{ err error }

func (r errReader) Read([]byte) (int, error) { return 0, r.err }

// TestDeleteEndsUploads: an upload whose send is deleted meanwhile does not bring it back.
func TestDeleteEndsUploads(t *testing.T) {
	t.Parallel()
	s, dir := fresh(t)
	err := s.Put(t.Context(), part, io.MultiReader(strings.NewReader("x"), readerFunc(func([]byte) (int, error) {
		require.Len(t, tree(t, dir), 3)
		require.NoError(t, s.Delete(t.Context(), ref))
		return 0, io.EOF
	})))
	require.ErrorIs(t, err, fs.ErrNotExist)
	require.ErrorContains(t, err, "the send was deleted while the part was uploaded")
	require.Empty(t, tree(t, dir))
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

func TestCut(t *testing.T) {
	t.Parallel()
	s, dir := fresh(t)
	require.NoError(t, s.Put(t.Context(), part, strings.NewReader(strings.Repeat("x", 1000))))
	r, err := s.Open(t.Context(), part, 10, 900)
	require.NoError(t, err)
	_, sub := dirblob.Names(ref)
	require.NoError(t, os.Truncate(filepath.Join(dir, sub, "1-2.part"), 500))
	got, err := io.ReadAll(r)
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	require.Len(t, got, 490)
	require.NoError(t, r.Close())
	_, err = s.Open(t.Context(), part, 10, 900)
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
}

// TestStrangers: other files in the folder are neither listed nor in the way, and links lead nowhere outside.
func TestStrangers(t *testing.T) {
	t.Parallel()
	s, dir := fresh(t)
	outside := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(outside, "1-2.part"), []byte("outside"), 0o600))
	shard, sub := dirblob.Names(ref)
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "lost+found"), 0o700))
	require.NoError(t, os.MkdirAll(filepath.Join(dir, shard), 0o700))
	if err := os.Symlink(outside, filepath.Join(dir, sub)); err == nil { // Windows allows it to few
		_, err := s.Open(t.Context(), part, 0, 1)
		require.Error(t, err)
		_, err = s.List(t.Context(), ref)
		require.Error(t, err)
		require.Error(t, s.Put(t.Context(), part, strings.NewReader("x")))
		require.NoError(t, s.Delete(t.Context(), ref))
		require.Equal(t, []string{"1-2.part"}, tree(t, outside))
	}
	require.NoError(t, s.Put(t.Context(), part, strings.NewReader("x")))
	for _, name := range []string{".DS_Store", "01-2.part", "1-2", "1-2.part.part", "+1-2.part", "1-2-3.part", "-1-2.part", "0-0.x.tmp"} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, sub, name), nil, 0o600))
	}
	got, err := s.List(t.Context(), ref)
	require.NoError(t, err)
	require.Equal(t, []securesend.PartInfo{{File: 1, N: 2, Size: 1}}, got)
	n, err := s.Clean(t.Context(), time.Now().Add(time.Hour))
	require.NoError(t, err)
	require.Equal(t, 1, n)
	require.NoError(t, s.Delete(t.Context(), ref))
	require.Equal(t, []string{"lost+found"}, tree(t, dir))
}

func TestClean(t *testing.T) {
	t.Parallel()
	s, dir := fresh(t)
	now := time.Now()
	write := func(name string, age time.Duration) {
		name = filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(name), 0o700))
		require.NoError(t, os.WriteFile(name, []byte("x"), 0o600))
		require.NoError(t, os.Chtimes(name, now.Add(-age), now.Add(-age)))
	}
	_, one := dirblob.Names(ref)
	_, two := dirblob.Names(securesend.Ref{Tenant: "fabrikam", ID: "1"})
	_, three := dirblob.Names(securesend.Ref{Tenant: "fabrikam", ID: "2"})
	write(one+"/0-0.part", 100*time.Hour)
	write(one+"/0-0.A.tmp", 100*time.Hour)
	write(one+"/0-1.B.tmp", time.Minute)
	write(two+"/0-0.C.tmp", 100*time.Hour)
	write("probe.D.tmp", 100*time.Hour)
	write("theirs.tmp", 100*time.Hour)
	write("zz/0-0.E.tmp", 100*time.Hour)
	require.NoError(t, os.MkdirAll(filepath.Join(dir, three), 0o700))

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := s.Clean(ctx, now)
	require.ErrorIs(t, err, context.Canceled)

	n, err := s.Clean(t.Context(), now.Add(-time.Hour))
	require.NoError(t, err)
	require.Equal(t, 2, n) // and the probe is gone since the first try
	shard, _ := dirblob.Names(ref)
	want := []string{shard, one, one + "/0-0.part", one + "/0-1.B.tmp", "theirs.tmp", "zz", "zz/0-0.E.tmp"}
	slices.Sort(want)
	require.Equal(t, want, tree(t, dir))
}

// TestCleanBesideUploads: folders that Clean and failed uploads remove are made again.
func TestCleanBesideUploads(t *testing.T) {
	t.Parallel()
	s, dir := fresh(t)
	done := make(chan error)
	for i := range 4 {
		go func() {
			for j := range 100 {
				p := securesend.Part{Ref: ref, N: i}
				if err := s.Put(t.Context(), p, bytes.NewReader(make([]byte, j))); err != nil {
					done <- err
					return
				}
				_ = s.Put(t.Context(), securesend.Part{Ref: ref, N: 99}, errReader{io.ErrUnexpectedEOF})
			}
			done <- nil
		}()
	}
	for ended := 0; ended < 4; {
		select {
		case err := <-done:
			require.NoError(t, err)
			ended++
		default:
			_, err := s.Clean(t.Context(), time.Now().Add(-time.Hour))
			require.NoError(t, err)
		}
	}
	require.Len(t, tree(t, dir), 2+4)
}

func FuzzPartName(f *testing.F) {
	for _, s := range []string{"0-0.part", "1-2.part", "01-2.part", "-1-2.part", "1--2.part", "1-2", "+1-2.part", "1-2.part.part", "9223372036854775808-0.part"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, name string) {
		file, n, ok := dirblob.ParsePart(name)
		if !ok {
			return
		}
		require.GreaterOrEqual(t, file, 0)
		require.GreaterOrEqual(t, n, 0)
		require.Equal(t, name, dirblob.PartName(file, n))
	})
}

func TestPartName(t *testing.T) {
	t.Parallel()
	for _, n := range []int{0, 1, 9, 10, math.MaxInt32} {
		file, got, ok := dirblob.ParsePart(dirblob.PartName(3, n))
		require.True(t, ok)
		require.Equal(t, []int{3, n}, []int{file, got})
	}
}
