package entra_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/entra"
)

// An MSP sends a customer's administrator a link, and connects their tenant of Microsoft 365 by it.
func Example() {
	const clientID = "0b51d7a0-5a4e-4b7b-9d6c-7e1f2a3b4c5d"
	ring, _ := mspkit.NewKeyRing(mspkit.NewKey("2026-11")) // from the host's secret store
	store := entra.NewMemory()                             // entra/sqlstore in a real program
	verifier, err := entra.NewVerifier(entra.PublicCloud(), clientID, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	consent, err := entra.NewConsent(store, verifier, ring, &entra.ConsentOptions{
		ClientID: clientID, Secret: mspkit.Redact("from the host's secret store"), BaseURL: "https://msp.example/connect",
		Integrations: []entra.Integration{{
			Name: "contacts", Title: "Contacts in step", Permissions: []entra.GraphPermission{{Name: "User.Read.All"}},
		}},
		Describe: func(context.Context, entra.LinkState) (entra.Asking, error) {
			return entra.Asking{Brand: mspkit.Brand{Name: "Northwind IT"}, Customer: "Contoso Ltd"}, nil
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	pages, err := consent.Handler("/connect")
	if err != nil {
		fmt.Println(err)
		return
	}
	mux := http.NewServeMux()
	mux.Handle("/connect/", pages)

	link, err := consent.Link(context.Background(), "contoso", "northwind", "contacts")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(strings.HasPrefix(link, "https://msp.example/connect/c/"))
	fmt.Println(consent.RedirectURL())
	// Output:
	// true
	// https://msp.example/connect/callback
}

// A sign-in of technicians judges id tokens with the same verifier, from the tenants that may sign in.
func ExampleVerifier() {
	const ours = "5f0c9a7e-1b2c-4d3e-8f90-a1b2c3d4e5f6"
	verifier, err := entra.NewVerifier(entra.PublicCloud(), "0b51d7a0-5a4e-4b7b-9d6c-7e1f2a3b4c5d", &entra.VerifierOptions{
		Tenants: func(_ context.Context, entraID string) (bool, error) { return entraID == ours, nil },
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err = verifier.Verify(context.Background(), "not.a.token", "the nonce of this sign-in")
	fmt.Println(err)
	// Output: entra: the token is not accepted: it is not signed with RS256
}

// Technicians sign in before they use the software, and not everybody may do everything.
func ExampleNewSSO() {
	const clientID, ownTenant = "0b51d7a0-5a4e-4b7b-9d6c-7e1f2a3b4c5d", "1c62e8b1-6b5f-4c8c-8e7d-8f203b4c5d6e"
	ring, _ := mspkit.NewKeyRing(mspkit.NewKey("2026-11")) // from the host's secret store
	verifier, err := entra.NewVerifier(entra.PublicCloud(), clientID, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	sso, err := entra.NewSSO(verifier, ring, &entra.SSOOptions{
		ClientID: clientID, Secret: mspkit.Redact("from the host's secret store"), Owner: "northwind", BaseURL: "https://msp.example/auth",
		Tenants: []string{ownTenant}, Brand: mspkit.Brand{Name: "Northwind IT"},
		Resolve: func(_ context.Context, who entra.Identity) (*entra.User, error) { // entra/accounts in a real program
			return &entra.User{ID: who.ObjectID, Name: who.Name, Role: entra.RoleOf(who.Roles)}, nil
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	pages, err := sso.Handler("/auth")
	if err != nil {
		fmt.Println(err)
		return
	}
	tickets := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprintln(w, "Hello", entra.UserOf(r.Context()).Name) })
	mux := http.NewServeMux()
	mux.Handle("/auth/", pages)
	mux.Handle("/tickets/", sso.Load(sso.Require(entra.PermissionFeatures, tickets)))

	r := httptest.NewRequest(http.MethodGet, "/tickets/7", http.NoBody)
	r.Header.Set("Accept", "text/html")
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, r)
	fmt.Println(w.Code, w.Header().Get("Location"))
	// Output: 303 /auth/signin?to=%2Ftickets%2F7
}
