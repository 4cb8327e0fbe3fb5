package entratest_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/entra"
	"github.com/mspkit/mspkit/entra/entratest"
)

// A sign-in, first as it should be and then with every id token that must be refused.
func Example() {
	s, err := entratest.Start(nil)
	if err != nil {
		panic(err)
	}
	defer s.Close()
	const redirect = "https://msp.example/auth/callback"
	app := s.AddApp(entratest.App{Secret: "secret", RedirectURIs: []string{redirect}})
	north, elsewhere := s.AddTenant("Northwind IT", "northwind.example"), s.AddTenant("Elsewhere", "elsewhere.example")
	s.SignIn(north.AddUser(entratest.User{Name: "Anna", Username: "anna@northwind.example"}))

	ring, err := mspkit.NewKeyRing(mspkit.NewKey("k1"))
	if err != nil {
		panic(err)
	}
	ours := func(_ context.Context, tenant string) (bool, error) { return tenant == north.ID, nil }
	verifier, err := entra.NewVerifier(s.Cloud(), app.ID, &entra.VerifierOptions{HTTPClient: s.Client(), Tenants: ours})
	if err != nil {
		panic(err)
	}
	flow, err := entra.NewFlow("example", verifier, ring, &entra.FlowOptions{
		Cloud: s.Cloud(), ClientID: app.ID, Secret: mspkit.Redact("secret"), RedirectURL: redirect, HTTPClient: s.Client(),
	})
	if err != nil {
		panic(err)
	}
	signIn := func() (entra.Answer, error) {
		w := httptest.NewRecorder()
		at, err := flow.Begin(w, entra.Ask{Kind: "sign-in"})
		if err != nil {
			return entra.Answer{}, err
		}
		back, err := s.Visit(context.Background(), at)
		if err != nil {
			return entra.Answer{}, err
		}
		r := httptest.NewRequestWithContext(context.Background(), http.MethodGet, back, http.NoBody)
		for _, c := range w.Result().Cookies() {
			r.AddCookie(c)
		}
		return flow.Finish(httptest.NewRecorder(), r)
	}
	a, err := signIn()
	fmt.Println(a.Identity.Name, err)
	accepted := 0
	for _, attack := range s.Attacks(elsewhere, "00000000-0000-4000-8000-000000000001") {
		s.Tamper(0, attack.Change)
		if _, err := signIn(); err == nil {
			accepted++
		}
	}
	fmt.Println("accepted:", accepted)
	// Output:
	// Anna <nil>
	// accepted: 0
}
