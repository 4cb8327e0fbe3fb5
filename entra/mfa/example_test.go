package mfa_test

import (
	"context"
	"fmt"
	"net/http"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/entra"
	"github.com/mspkit/mspkit/entra/mfa"
)

// A host that signs people in by itself asks them for a second factor before anything else.
func ExampleNew() {
	ring, err := mspkit.NewKeyRing(mspkit.NewKey("k1"))
	if err != nil {
		fmt.Println(err)
		return
	}
	noteFactor := func(http.ResponseWriter, *http.Request) error { return nil } // in the session, or (*entra.SSO).NoteFactor
	endSessions := func(context.Context, string, string) error { return nil }   // of the person whose factors are reset
	load := func(next http.Handler) http.Handler { return next }                // calls entra.WithUser for a good session
	desk := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {     // sees only whom Gate lets through
		if err := entra.Authorize(r.Context(), entra.PermissionFeatures); err != nil {
			http.Error(w, err.Error(), http.StatusForbidden)
		}
	})

	factors, err := mfa.New(&mfa.Memory{}, ring, &mfa.Options{ // in earnest a store of mfa/sqlstore
		RPID: "msp.example", Origins: []string{"https://desk.msp.example"}, Passed: noteFactor, EndSessions: endSessions,
		Brand: mspkit.Brand{Name: "Contoso IT"}, SignIn: "/login",
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	pages, err := factors.Handler("/mfa")
	if err != nil {
		fmt.Println(err)
		return
	}
	mux := http.NewServeMux()
	mux.Handle("/mfa/", load(pages))
	mux.Handle("/", load(factors.Gate(desk)))
	fmt.Println("ready")
	// Output: ready
}
