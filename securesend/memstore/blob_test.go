package memstore_test

import (
	"context"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit/securesend"
	"github.com/mspkit/mspkit/securesend/memstore"
	"github.com/mspkit/mspkit/securesend/securesendtest"
)

func TestBlobs(t *testing.T) {
	t.Parallel()
	securesendtest.TestBlobStore(t, func(*testing.T) func() securesend.BlobStore {
		b := memstore.NewBlobs()
		return func() securesend.BlobStore { return b }
	})
}

func TestBlobsHeedTheContext(t *testing.T) {
	t.Parallel()
	b, p := memstore.NewBlobs(), securesend.Part{Ref: securesend.Ref{Tenant: "contoso", ID: "a"}}
	require.NoError(t, b.Put(t.Context(), p, strings.NewReader("sealed")))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := b.Open(ctx, p, 0, 1)
	require.ErrorIs(t, err, context.Canceled)
	_, err = b.List(ctx, p.Ref)
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorIs(t, b.Delete(ctx, p.Ref), context.Canceled)
}

func ExampleNewBlobs() {
	ctx, blobs := context.Background(), memstore.NewBlobs()
	part := securesend.Part{Ref: securesend.Ref{Tenant: "contoso", ID: "4711"}}
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
