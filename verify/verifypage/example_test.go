package verifypage_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/verify"
	"github.com/mspkit/mspkit/verify/memstore"
	"github.com/mspkit/mspkit/verify/verifypage"
	"github.com/mspkit/mspkit/verify/verifytest"
)

// The pages are mounted where the service's links lead. The channel here keeps the link instead of sending it.
func Example() {
	ring, err := mspkit.NewKeyRing(mspkit.NewKey("2026-11"))
	if err != nil {
		fmt.Println(err)
		return
	}
	mail := &verifytest.Channel{Level: verify.AssuranceEmail}
	settings := verify.Same(verify.Settings{Brand: mspkit.Brand{Name: "Contoso IT", Phone: "+1 555 0100"}, Freshness: verify.Freshness{MinAge: -1}})
	svc, err := verify.New(memstore.New(), ring, "https://help.example/verify", settings, &verify.Options{
		Channels: map[string]verify.Channel{"email": mail},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	pages, err := verifypage.New(svc, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	mux := http.NewServeMux()
	mux.Handle("/verify/", http.StripPrefix("/verify", pages))

	ctx := context.Background()
	c, err := svc.Start(ctx, verify.StartRequest{
		Tenant: "contoso", Action: verify.ActionIdentify, Technician: verify.Technician{ID: "jane", Name: "Jane Doe"},
		Subject: verify.Subject{ID: "dana", Name: "Dana", Destinations: []verify.Destination{{Channel: "email", Address: "dana@contoso.example"}}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	d, err := mail.Last()
	if err != nil {
		fmt.Println(err)
		return
	}

	// The caller opens the link and types the number that Jane says.
	form := url.Values{"answer": {c.Number.Reveal()}}
	r := httptest.NewRequest(http.MethodPost, d.Link.Reveal(), strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, r)
	c, err = svc.Wait(ctx, c.Ref, "jane")
	fmt.Println(w.Code, c.State, err)
	// Output: 303 confirmed <nil>
}
