package client_test

import (
	"bytes"
	"context"
	"fmt"
	"net/http/httptest"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/securesend"
	"github.com/mspkit/mspkit/securesend/client"
	"github.com/mspkit/mspkit/securesend/memstore"
	"github.com/mspkit/mspkit/securesend/securesendpage"
)

// A technician's program seals a file and uploads it, and the recipient's program opens the link, once.
func Example() {
	ctx := context.Background()
	server := httptest.NewUnstartedServer(nil)
	ring, err := mspkit.NewKeyRing(mspkit.NewKey("2026-11"))
	if err != nil {
		fmt.Println(err)
		return
	}
	svc, err := securesend.New(memstore.New(), ring, "http://"+server.Listener.Addr().String(),
		securesend.Same(securesend.Settings{Brand: mspkit.Brand{Name: "Contoso IT"}}),
		&securesend.Options{Blobs: map[string]securesend.BlobStore{securesend.RegionEurope: memstore.NewBlobs()}})
	if err != nil {
		fmt.Println(err)
		return
	}
	server.Config.Handler, err = securesendpage.New(svc, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	server.Start()
	defer server.Close()
	grant, err := svc.Grant(ctx, securesend.SendRequest{Tenant: "contoso", By: securesend.Technician{ID: "jane"}})
	if err != nil {
		fmt.Println(err)
		return
	}

	content := []byte("all that happened")
	sent, err := client.Create(ctx, grant.Link.Reveal(), &client.CreateOptions{
		Files: []securesend.File{{Name: "events.log", Size: int64(len(content)), Reader: bytes.NewReader(content)}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	got, err := client.Open(ctx, sent.Link.Reveal(), &client.OpenOptions{Number: sent.Number})
	if err != nil {
		fmt.Println(err)
		return
	}
	f, err := got.File(ctx, 0)
	if err != nil {
		fmt.Println(err)
		return
	}
	var here bytes.Buffer
	_, err = f.WriteTo(&here)
	fmt.Println(got.Files[0].Name, here.Len(), err)
	fmt.Println(got.Done(ctx))
	// Output:
	// events.log 17 <nil>
	// <nil>
}
