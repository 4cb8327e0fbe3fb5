// Package workflowstest plays Workflows of Microsoft Teams over HTTP, so that posts to channels are tested and shown
// without a tenant, and holds the suite that every [workflows.Store] must pass.
//
//	s, err := workflowstest.NewServer()
//	defer s.Close()
//	service, err := workflows.New(workflows.NewMemory(), ring, &workflows.Options{InsecureLoopback: true})
//	c, err := service.Connect(ctx, workflows.Connection{Tenant: "contoso", Name: "Helpdesk", URL: mspkit.Redact(s.URL("helpdesk"))})
//	_, err = service.Test(ctx, "contoso", c.ID)
//	runs, err := s.Wait(ctx, 1)                    // what the channel shows, and what failed without a word
//
// A [Flow] is what the template "Send webhook alerts to a channel" makes ([Template]), or one made by hand that posts the
// text of a JSON body ([Text]). As the real ones do they answer 202 before they run: what they cannot post becomes a
// failed [Run], of which the caller does not learn. What the server refuses and how is what Microsoft documents or was seen
// to do; where neither exists, the comment says so.
//
// # Faults
//
// [Server.Change] switches flows off or deletes them, [Server.Fail] makes requests fail, hang, get lost or be throttled,
// also after the run was started. [Server.Limit] throttles.
//
// # Security
//
// The server listens on a loopback address with plain HTTP and keeps what is posted in memory: it is for tests and demos.
//
// # Concurrency
//
// Everything is safe for concurrent use. No goroutine is left after [Server.Close].
//
// # Errors
//
// [NewServer] fails where it cannot listen, [Server.Wait] where its context ends first. Nothing else fails.
package workflowstest
