// Package psatest is a fake ticket system that speaks HTTP, and the suite that every ticket system of this module passes.
//
// A [Desk] is what is in the ticket system: companies, contacts, tickets, notes. A [Server] puts one wire format in front of
// it, with that format's paging, throttling and errors: a vendor's, or [NewHomegrown]'s, which is that of systems which
// people write for themselves. What a test wants to see in the ticket it asks the desk:
//
//	desk := psatest.NewDesk(nil)
//	srv, err := psatest.NewHomegrown(desk)
//	// … let the program under test write to srv.URL …
//	notes := desk.Notes("4711")
//
// # Faults
//
// A [Fault] makes a request go wrong: an answer of another status, a connection that is cut before or after the request
// was done, an answer that never comes, a request that is done long after everybody has given up. [Desk.SetFault] decides
// per request, by its name; [Times] and [Desk.Throttle] are such decisions, and a function may change the desk meanwhile, so
// that pages drift. [Desk.SetDown] pulls the plug.
//
//	desk.SetFault(psatest.Times(1, psatest.Fault{Lost: true}, psatest.OpAddNote))
//
// # The suite
//
// [TestSystem] holds a [psa.System] to what package psa promises: what is asked for is done once, what is unclear is told as
// unclear and not repeated, what is refused was not done, nobody else's text is taken for ours, a listing loses nobody
// who does not change meanwhile, patterns find nobody, errors tell nothing of what was written. A system of one's own
// passes it with a server of its own in front of a desk, or with a client for [NewHomegrown]'s format:
//
//	func TestOurSystem(t *testing.T) {
//		psatest.TestSystem(t, func(t *testing.T) (psa.System, *psatest.Desk) {
//			desk := psatest.NewDesk(nil)
//			return ours(t, desk), desk
//		}, nil)
//	}
//
// The parts that inject faults need the desk to be behind a [Server], because that is where faults happen.
//
// # Security
//
// Servers listen on the loopback interface only. Their credentials are made up or random, and worth nothing elsewhere.
//
// # Concurrency
//
// [Desk] and [Server] are safe for concurrent use. Reading a page of a desk does not depend on how many records there are,
// unless it must count those that match a filter.
//
// # Errors
//
// A server that cannot listen returns the error of net. [Desk.Write] fails where there is no such ticket.
package psatest
