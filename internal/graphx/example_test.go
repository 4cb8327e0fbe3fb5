package graphx_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/graphx"
)

type credentials struct{}

func (credentials) TenantCredential(context.Context, mspkit.TenantID) (azcore.TokenCredential, error) {
	return nil, errors.New("entra/azurecred makes them")
}

func save(string) {}

func ExamplePageOf() {
	ctx := context.Background()
	client, err := graphx.New(credentials{}, &graphx.Options{BaseURL: "https://graph.microsoft.com"})
	if err != nil {
		fmt.Println(err)
		return
	}
	type user struct {
		ID   string `json:"id"`
		Mail string `json:"mail"`
	}
	r := &graphx.Request{Tenant: "contoso", Path: "/users/delta", Query: url.Values{"$select": {"id,mail"}}}
	for {
		links, err := graphx.PageOf(ctx, client, r, func(*user) error { return nil })
		var e *graphx.Error
		switch {
		case errors.As(err, &e) && errors.Is(err, graphx.ErrResync):
			fmt.Println("begin anew:", e.Advice)
			return
		case err != nil:
			fmt.Println(err)
			return
		case links.Delta != "":
			save(links.Delta)
			return
		}
		r = &graphx.Request{Tenant: "contoso", Path: links.Next}
	}
}

func ExampleClient_Batch() {
	client, err := graphx.New(credentials{}, &graphx.Options{BaseURL: "https://graph.microsoft.com"})
	if err != nil {
		fmt.Println(err)
		return
	}
	results, err := client.Batch(context.Background(), "contoso", graphx.Directory, []graphx.BatchItem{
		{URL: "/users/" + graphx.Segment("adele@contoso.com") + "/photos/48x48/$value"},
	})
	if err != nil {
		fmt.Println(err) // nothing is known of any
		return
	}
	for _, r := range results {
		var photo []byte // base64 in JSON
		if errors.Is(r.Err, graphx.ErrNotFound) || json.Unmarshal(r.Body, &photo) != nil {
			continue
		}
		fmt.Println(len(photo))
	}
}
