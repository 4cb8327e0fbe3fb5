// Package graphfake is Microsoft Graph v1.0 on the wire, with what stands around it: a token endpoint, and the part of the
// Partner Center API that consents to an application for a customer. It keeps state, behaves as oddly as the real one where
// that is known, and refuses what the real one would refuse: an unknown property, a filter without its header, a token of
// another tenant.
//
// A [Server] is an http.Handler. It holds tenants, a [Tenant] holds people:
//
//	s := graphfake.New(nil)
//	t := s.AddTenant("", "Fabrikam", "fabrikam.example")
//	t.Seed(200, 1)
//	t.Put(graphfake.User{DisplayName: "Megan Bowen", Mail: "megan@fabrikam.example"})
//	srv := httptest.NewServer(s)
//	// … let the program under test read srv.URL, with a bearer of s.Bearer(t.ID) …
//
// A tenant also has a catalog of Teams apps, which reads what is uploaded and refuses what the real one does, with reviews and
// etags, and policies of Teams: [Tenant.Publish], [Tenant.TeamsApps], [Tenant.AddTeamsPolicy].
//
// [Start] does the same on a loopback port without package httptest. Where it answers, Graph is below /v1.0, the token
// endpoint is /{tenant}/oauth2/v2.0/token, and Partner Center is below /v1, so that one URL is all three hosts of a cloud.
//
// # Faults and quirks
//
// [Server.SetFault] makes single requests go wrong. [Tenant.SetQuirks] makes delta pages as awkward as the documentation
// allows: removed items in the first round, empty pages, items that come twice, items with only what has changed.
// [Tenant.SetCatalogQuirks] does the same for the catalog. [Tenant.ExpireDelta] lets links die, [Tenant.Revoke] and [Tenant.Deny] take consent and permissions away.
//
// # Security
//
// Everything in it is made up: names, numbers of the ranges for fiction, domains below .example. Tokens are random and
// worth nothing elsewhere. A bearer reads its own tenant only. [Server.Requests] keeps bodies as they came but no
// Authorization header. It is not meant to face a network.
//
// # Concurrency
//
// [Server] and [Tenant] are safe for concurrent use. Hooks are called without a lock held.
//
// # Errors
//
// Answers that are not a success have Graph's envelope: error.code, error.message, and an innerError with the date and the
// request ids.
package graphfake
