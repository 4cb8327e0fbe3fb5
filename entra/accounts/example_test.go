package accounts_test

import (
	"context"
	"fmt"
	"net/http"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/entra"
	"github.com/mspkit/mspkit/entra/accounts"
)

// Technicians sign in with the accounts of their company.
func ExampleNew() {
	serve := func(store accounts.Store, ring *mspkit.KeyRing, auditor entra.Auditor, clientID, secret, tenantID string, session func(*http.Request) (owner, id string, ok bool)) (http.Handler, error) {
		service, err := accounts.New(store, ring, &accounts.Options{
			Owner: "msp-1", TenantID: tenantID, BaseURL: "https://msp.example/accounts", Auditor: auditor,
		})
		if err != nil {
			return nil, err
		}
		verifier, err := entra.NewVerifier(entra.PublicCloud(), clientID, nil)
		if err != nil {
			return nil, err
		}
		sso, err := entra.NewSSO(verifier, ring, &entra.SSOOptions{
			Owner: "msp-1", ClientID: clientID, Secret: mspkit.Redact(secret), BaseURL: "https://msp.example/auth", Tenants: []string{tenantID},
			Resolve: service.Resolve, Auditor: auditor,
		})
		if err != nil {
			return nil, err
		}
		pages, err := service.Handler("/accounts", sso, &accounts.PagesOptions{ClientID: clientID, Host: session})
		if err != nil {
			return nil, err
		}
		auth, err := sso.Handler("/auth")
		if err != nil {
			return nil, err
		}
		mux := http.NewServeMux()
		mux.Handle("/accounts/", pages)
		mux.Handle("/auth/", auth)
		return mux, nil
	}
	_ = serve
}

// A host adds its employees and sees who is who.
func ExampleService_Add() {
	ring, err := mspkit.NewKeyRing(mspkit.NewKey("2026"))
	if err != nil {
		panic(err)
	}
	service, err := accounts.New(accounts.NewMemory(), ring, &accounts.Options{
		Owner: "msp-1", TenantID: "11111111-1111-4111-8111-111111111111", BaseURL: "https://msp.example/accounts",
	})
	if err != nil {
		panic(err)
	}
	ctx := context.Background()
	if _, err := service.Add(ctx, accounts.ByHost, accounts.Account{ID: "7", Name: "Otto"}); err != nil {
		panic(err)
	}
	a, err := service.Get(ctx, "7")
	fmt.Println(a.Name, a.Role, a.Linked(), err)
	// Output: Otto Technician false <nil>
}
