package cloudblob_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"gocloud.dev/blob"
	"gocloud.dev/blob/fileblob"
	"gocloud.dev/blob/memblob"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/securesend"
	"github.com/mspkit/mspkit/securesend/cloudblob"
	"github.com/mspkit/mspkit/securesend/securesendtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var part = securesend.Part{Ref: securesend.Ref{Tenant: "contoso", ID: "5f4dcc3b5aa765d6"}, File: 1, N: 2}

func closing(t *testing.T, bucket *blob.Bucket, err error) *blob.Bucket {
	t.Helper()
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, bucket.Close()) })
	return bucket
}

func inFolder(t *testing.T, dir string) *blob.Bucket {
	t.Helper()
	bucket, err := fileblob.OpenBucket(dir, &fileblob.Options{NoTempDir: true, Metadata: fileblob.MetadataDontWrite})
	return closing(t, bucket, err)
}

func store(t *testing.T, bucket *blob.Bucket, o *cloudblob.Options) *cloudblob.Store {
	t.Helper()
	s, err := cloudblob.New(bucket, o)
	require.NoError(t, err)
	return s
}

func TestBlobStoreMemory(t *testing.T) {
	t.Parallel()
	for _, prefix := range []string{"", "sends/", "a/b"} {
		t.Run("prefix "+prefix, func(t *testing.T) {
			t.Parallel()
			securesendtest.TestBlobStore(t, func(t *testing.T) func() securesend.BlobStore {
				bucket := closing(t, memblob.OpenBucket(nil), nil)
				return func() securesend.BlobStore { return store(t, bucket, &cloudblob.Options{Prefix: prefix}) }
			})
		})
	}
}

func TestBlobStoreFiles(t *testing.T) {
	t.Parallel()
	securesendtest.TestBlobStore(t, func(t *testing.T) func() securesend.BlobStore {
		dir := t.TempDir()
		return func() securesend.BlobStore {
			return store(t, inFolder(t, dir), &cloudblob.Options{Prefix: "sends/"})
		}
	})
}

// TestPrefixes: stores in one bucket with different prefixes do not see each other, and nothing lies outside of them.
func TestPrefixes(t *testing.T) {
	t.Parallel()
	bucket := closing(t, memblob.OpenBucket(nil), nil)
	a, b := store(t, bucket, &cloudblob.Options{Prefix: "a/"}), store(t, bucket, &cloudblob.Options{Prefix: "b/"})
	require.NoError(t, a.Put(t.Context(), part, strings.NewReader("a")))
	require.NoError(t, b.Put(t.Context(), part, strings.NewReader("b")))
	require.NoError(t, bucket.WriteAll(t.Context(), "other", []byte("x"), nil))
	require.NoError(t, a.Delete(t.Context(), part.Ref))
	got, err := b.List(t.Context(), part.Ref)
	require.NoError(t, err)
	require.Equal(t, []securesend.PartInfo{{File: 1, N: 2, Size: 1}}, got)

	keys := all(t, bucket)
	require.Len(t, keys, 2)
	require.Regexp(t, `^b/[0-9a-f]{64}/1-2$`, keys[0])
	require.Equal(t, "other", keys[1])
	a2, err := bucket.Attributes(t.Context(), keys[0])
	require.NoError(t, err)
	require.Equal(t, "application/octet-stream", a2.ContentType)

	// What we did not write is not listed, and goes with the send.
	for _, name := range []string{"01-2", "1-2-3", "x", "1-", "-1", "+1-2", "1-2/3"} {
		require.NoError(t, bucket.WriteAll(t.Context(), strings.TrimSuffix(keys[0], "1-2")+name, nil, nil))
	}
	got, err = b.List(t.Context(), part.Ref)
	require.NoError(t, err)
	require.Len(t, got, 1)
	require.NoError(t, b.Delete(t.Context(), part.Ref))
	require.Equal(t, []string{"other"}, all(t, bucket))
}

func all(t *testing.T, bucket *blob.Bucket) (keys []string) {
	t.Helper()
	for it := bucket.List(nil); ; {
		o, err := it.Next(t.Context())
		if errors.Is(err, io.EOF) {
			return keys
		}
		require.NoError(t, err)
		keys = append(keys, o.Key)
	}
}

// TestGivenUp: an upload that breaks leaves no temporary file of the driver's, also where the reader panics.
func TestGivenUp(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := store(t, inFolder(t, dir), nil)
	broken := errors.New("the connection broke")
	require.ErrorIs(t, s.Put(t.Context(), part, io.MultiReader(bytes.NewReader(make([]byte, 1<<20)), readerFunc(func() error { return broken }))), broken)
	require.Panics(t, func() {
		_ = s.Put(t.Context(), part, io.MultiReader(bytes.NewReader(make([]byte, 1<<20)), readerFunc(func() error { panic(broken) })))
	})
	require.NoError(t, filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
		require.NoError(t, err)
		require.True(t, e.IsDir(), path)
		return nil
	}))
}

type readerFunc func() error

func (f readerFunc) Read([]byte) (int, error) { return 0, f() }

// TestCut: a part that lost its end after it was opened is an error, not an early end.
func TestCut(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	bucket := inFolder(t, dir)
	s := store(t, bucket, nil)
	require.NoError(t, s.Put(t.Context(), part, bytes.NewReader(make([]byte, 1000))))
	r, err := s.Open(t.Context(), part, 10, 900)
	require.NoError(t, err)
	require.NoError(t, os.Truncate(filepath.Join(dir, filepath.FromSlash(all(t, bucket)[0])), 500))
	got, err := io.ReadAll(r)
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	require.Len(t, got, 490)
	require.NoError(t, r.Close())
}

// TestBucketFails: a bucket that was closed stands for a storage that is not there.
func TestBucketFails(t *testing.T) {
	t.Parallel()
	bucket := memblob.OpenBucket(nil)
	s := store(t, bucket, nil)
	require.NoError(t, s.Put(t.Context(), part, strings.NewReader("x")))
	require.NoError(t, bucket.Close())
	require.ErrorContains(t, s.Put(t.Context(), part, strings.NewReader("x")), "cloudblob: put: ")
	for _, n := range []int64{0, 1} {
		_, err := s.Open(t.Context(), part, 0, n)
		require.ErrorContains(t, err, "cloudblob: open: ")
		require.NotErrorIs(t, err, securesend.ErrNoPart)
		require.NotErrorIs(t, err, io.ErrUnexpectedEOF)
	}
	_, err := s.List(t.Context(), part.Ref)
	require.ErrorContains(t, err, "cloudblob: list: ")
	require.ErrorContains(t, s.Delete(t.Context(), part.Ref), "cloudblob: delete: ")
}

func TestNew(t *testing.T) {
	t.Parallel()
	bucket := closing(t, memblob.OpenBucket(nil), nil)
	require.Empty(t, store(t, bucket, nil).Region())
	require.Equal(t, "UK South", store(t, bucket, &cloudblob.Options{Region: "UK South"}).Region())
	for _, good := range []string{"a", "a/", "a/b", "a/b/", "é ü/", "a..b/", strings.Repeat("a", 200)} {
		_, err := cloudblob.New(bucket, &cloudblob.Options{Prefix: good})
		require.NoError(t, err, good)
	}
	for _, bad := range []string{"/", "//", "/a", "a//", "a//b", ".", "./", "..", "../", "a/../b", "a/./b", "a/..", "a\\b", "a\nb", "\xff", strings.Repeat("a", 201)} {
		_, err := cloudblob.New(bucket, &cloudblob.Options{Prefix: bad})
		require.ErrorIs(t, err, mspkit.ErrInvalid, bad)
	}
	_, err := cloudblob.New(nil, &cloudblob.Options{Prefix: "/"})
	require.ErrorContains(t, err, "no bucket")
	require.ErrorContains(t, err, "the prefix")
}

func Example() {
	bucket := memblob.OpenBucket(nil) // or blob.OpenBucket(ctx, "s3://contoso-sends")
	defer bucket.Close()
	blobs, err := cloudblob.New(bucket, &cloudblob.Options{Region: "Canada Central", Prefix: "sends/"})
	if err != nil {
		fmt.Println(err)
		return
	}
	// The service does this with each part that it is sent.
	ctx := context.Background()
	if err := blobs.Put(ctx, part, strings.NewReader("sealed bytes")); err != nil {
		fmt.Println(err)
		return
	}
	r, err := blobs.Open(ctx, part, 7, 5)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	fmt.Println(string(b), err)
	// Output: bytes <nil>
}
