package dirblob_test

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/mspkit/mspkit/securesend"
	"github.com/mspkit/mspkit/securesend/dirblob"
)

func Example() {
	tmp, err := os.MkdirTemp("", "dirblob")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(tmp)

	blobs, err := dirblob.New(filepath.Join(tmp, "sends"), &dirblob.Options{Region: "Canada Central"})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer blobs.Close()

	// The service does this with each part that it is sent.
	ctx := context.Background()
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
