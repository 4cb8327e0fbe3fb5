package verify

import "github.com/mspkit/mspkit/internal/sandbox"

// Sandbox makes a tenant answer to fixed numbers, codes and words, so that those who build on this package can test
// without a phone. Only verifytest.Sandbox makes one that is on, in a test and until that test ends; the zero value is
// off, and no other value can be written, decoded or set.
//
// A sandbox tenant delivers through its channels like any other, a [Checker] decides on its answers as ever, and limits,
// tries and expiry hold. The events of its
// answers say that it is one, and so does [Challenge.Sandbox].
type Sandbox = sandbox.Sandbox

// sandboxed returns the reason of an event of a tenant with these settings.
func (s Settings) sandboxed(reason string) string {
	if !s.Sandbox.On() {
		return reason
	}
	return joined("sandbox", reason)
}
