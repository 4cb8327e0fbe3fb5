package entra_test

import (
	"context"
	"fmt"
	"net/http"
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
			Name: "contacts", Title: "Contacts in step", Permissions: []entra.Permission{{Name: "User.Read.All"}},
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
