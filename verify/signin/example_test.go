package signin_test

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/entra"
	"github.com/mspkit/mspkit/verify"
	"github.com/mspkit/mspkit/verify/memstore"
	"github.com/mspkit/mspkit/verify/signin"
	"github.com/mspkit/mspkit/verify/verifytest"
)

// A helpdesk that has its callers sign in. The address "tenant id/object id" is what a directory gives: package verify/contactdest
// does for a channel that takes contactdest.Entra, and a host without it joins the tenant's id in Entra and the object id that its
// sync has for the contact.
func Example() {
	const (
		client        = "9f3f0a52-5f0e-4d5b-9a57-3c1f8e7b1c11" // the application
		contosoInMS   = "0f8fad5b-d9cb-469f-a165-70867728950e"
		danaInMS      = "7c9e6679-7425-40de-944b-e07fc1f90ae7"
		base          = "https://help.example/verify"
		danasMailbox  = "dana@contoso.example"
		contosoTenant = mspkit.TenantID("contoso")
	)
	ring, err := mspkit.NewKeyRing(mspkit.NewKey("2026-11"))
	if err != nil {
		panic(err)
	}
	mail := &verifytest.Channel{Level: verify.AssuranceEmail} // a mailchannel.Channel in a program
	via, err := signin.Via(mail, func(_ context.Context, _ mspkit.TenantID, identity string) (string, error) {
		return map[string]string{contosoInMS + "/" + danaInMS: danasMailbox}[identity], nil
	})
	if err != nil {
		panic(err)
	}
	organisations := func(_ context.Context, t mspkit.TenantID) (string, error) {
		return map[mspkit.TenantID]string{contosoTenant: contosoInMS}[t], nil
	}
	plain, err := signin.New(ring, base, via, organisations, nil)
	if err != nil {
		panic(err)
	}
	strong, err := signin.New(ring, base, via, organisations, &signin.Options{
		ACR: func(_ context.Context, t mspkit.TenantID) (string, error) {
			return map[mspkit.TenantID]string{contosoTenant: "c1"}[t], nil
		},
	})
	if err != nil {
		panic(err)
	}
	svc, err := verify.New(memstore.New(), ring, base, verify.Same(verify.Settings{Brand: mspkit.Brand{Name: "Northwind IT"}}), &verify.Options{
		Channels: map[string]verify.Channel{"email": mail, "signin": plain, "signin-strong": strong},
	})
	if err != nil {
		panic(err)
	}
	verifier, err := entra.NewVerifier(entra.PublicCloud(), client, &entra.VerifierOptions{
		Tenants: func(_ context.Context, entraID string) (bool, error) { return entraID == contosoInMS, nil },
	})
	if err != nil {
		panic(err)
	}
	pages, err := signin.NewPages(svc, ring, verifier, &signin.PagesOptions{ClientID: client, Secret: mspkit.Redact("the client secret")})
	if err != nil {
		panic(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/verify/signin/", http.StripPrefix("/verify/signin", pages))
	fmt.Println("register", pages.RedirectURL())

	known := time.Now().AddDate(-1, 0, 0)
	c, err := svc.Start(context.Background(), verify.StartRequest{
		Tenant: contosoTenant, Action: verify.ActionResetMFA, Technician: verify.Technician{ID: "jane", Name: "Jane Doe"},
		Subject: verify.Subject{ID: "dana", Name: "Dana Smith", Destinations: []verify.Destination{
			{Channel: "signin-strong", Address: contosoInMS + "/" + danaInMS, FirstSeen: known},
			{Channel: "signin", Address: contosoInMS + "/" + danaInMS, FirstSeen: known},
			{Channel: "email", Address: danasMailbox, FirstSeen: known},
		}},
	})
	if err != nil {
		panic(err)
	}
	sent, err := mail.Last()
	if err != nil {
		panic(err)
	}
	fmt.Println(c.Channel, "reaches", c.Assurance)
	fmt.Println(sent.To, "gets", sent.Link.Reveal()[:len(base)+len("/signin/s/")])
	// Output:
	// register https://help.example/verify/signin/callback
	// signin-strong reaches strong sign-in
	// dana@contoso.example gets https://help.example/verify/signin/s/
}
