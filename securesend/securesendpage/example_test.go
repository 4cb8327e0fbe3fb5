package securesendpage_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/securesend"
	"github.com/mspkit/mspkit/securesend/client"
	"github.com/mspkit/mspkit/securesend/memstore"
	"github.com/mspkit/mspkit/securesend/securesendpage"
)

// The pages are mounted where the service's links lead. Here a program opens the link; people use a browser.
func Example() {
	mux := http.NewServeMux()
	server := httptest.NewServer(mux)
	defer server.Close()
	ring, err := mspkit.NewKeyRing(mspkit.NewKey("2026-11"))
	if err != nil {
		fmt.Println(err)
		return
	}
	settings := securesend.Same(securesend.Settings{Brand: mspkit.Brand{Name: "Contoso IT"}})
	svc, err := securesend.New(memstore.New(), ring, server.URL+"/send", settings, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	pages, err := securesendpage.New(svc, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	mux.Handle("/send/", http.StripPrefix("/send", pages))

	ctx := context.Background()
	sent, err := svc.Create(ctx, securesend.SendRequest{
		Tenant: "contoso", By: securesend.Technician{ID: "jane", Name: "Jane Doe"}, Text: mspkit.Redact("hunter2"),
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
	fmt.Println(got.Text.Reveal(), got.Done(ctx))
	// Output: hunter2 <nil>
}
