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
// # Sign-in
//
// The authorize endpoint knows prompt, max_age, login_hint, the authentication contexts of the parameter claims
// ([User.CanSatisfy]) and form_post. A browser that keeps cookies has a session (claim sid), which says when the person gave
// their credentials (auth_time); the logout endpoint ends it and tells the applications through the front and the back channel,
// and so do [Server.FrontChannelLogout] and [Server.BackChannelLogout]. At the endpoints of one tenant its own people sign in
// and the guests that were invited ([Tenant.Invite]); personal accounts are [Server.Consumers]. An [App] may require assignment
// ([Server.Assign]), have roles, group claims with their overage, and any choice of the optional claims.
//
// # The directory
//
// [Directory] is Microsoft Graph for provisioning: applications, service principals, grants, assignments, Conditional Access and
// the sign-in log of a tenant. It stands alone, or as [Directories] behind a server:
//
//	var graph entratest.Directories
//	s, err := entratest.Start(&entratest.Options{Graph: &graph})
//	d := graph.Add(s.AddTenant("Contoso Ltd", "contoso.onmicrosoft.com"), &entratest.DirectoryOptions{Lag: 2})
//	d.DieAfter(3, kill) // and d.Fail, d.Change
//	d.Snapshot()        // what is there now, to be compared
//
// # Faults
//
// [Server.Fail] answers the next requests to an endpoint with one of Entra's numbers, with anything else, or late.
// [Server.Tamper] changes the next id tokens, [Server.Attacks] are the changes that every application must survive,
// [Server.RotateMidFlight] withdraws the key of the next token, and [Server.ReplayCode] gives a code out twice.
// [Server.Sign] signs any claims, with the right or a wrong key.
//
// # What it does not do
//
// A refusal that Entra shows on a page of its own, such as AADSTS50105 or AADSTS53003, comes back to the application here as
// access_denied, so that a test can see it. Consent of a single person is not asked for. Entra publishes no back channel.
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
