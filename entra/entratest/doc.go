// Package entratest plays Microsoft Entra over HTTP, so that sign-in, consent and tokens are tested without a tenant, a
// registration or a network: the metadata, the signing keys, the authorize, adminconsent and token endpoints of any number of
// tenants. It also has the tests that every store of package entra must pass.
//
//	s, err := entratest.Start(nil)
//	defer s.Close()
//	app := s.AddApp(entratest.App{Secret: "…", RedirectURIs: []string{"https://msp.example/connect/callback"}})
//	contoso := s.AddTenant("Contoso Ltd", "contoso.onmicrosoft.com")
//	anna := contoso.AddUser(entratest.User{Name: "Anna Admin", Username: "anna@contoso.com", Admin: true})
//	s.SignIn(anna) // whoever is sent to the authorize or adminconsent endpoint is Anna
//
// The server's [Server.Cloud] goes into the options of what is tested, and [Server.Client] knows its certificate. It is served
// by https because the Azure SDK takes no other; [Options.PlainHTTP] is for browsers.
//
// A fake Graph asks [Server.AccessTokenTenant] whose token it was sent; [Options.Graph] serves one beside the issuer.
//
// # Faults
//
// [Server.Fail] answers the next requests to an endpoint with one of Entra's numbers or with anything else.
// [Server.Sign] signs any claims, with the right or a wrong key.
//
// # Security
//
// It listens on a loopback address only and makes its keys when it starts. Nobody must give a password, so nothing but a
// test or an example may trust it.
//
// # Concurrency
//
// Everything is safe for concurrent use. No goroutine is left after [Server.Close].
//
// # Errors
//
// [Start] fails where it cannot listen. What a client does wrong it is told as Entra tells it, with the number of the error.
package entratest
