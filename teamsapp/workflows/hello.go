package workflows

import (
	"context"
	"fmt"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/token"
)

// TestResult is what a test shows.
type TestResult struct {
	// Accepted is set where Workflows took the post.
	Accepted bool
	// Status is that of the answer, 0 where there was none, and Code Microsoft's code of a fault.
	Status int
	Code   string
	// Proves and DoesNot say what is known now and what only a look into the channel tells.
	Proves, DoesNot string
	// Advice says what to do next; empty where it was accepted.
	Advice string
	// RunID is the id of the run in the flow's history, TrackingID the name under which the run is found there as well
	// (its "client tracking id").
	RunID, TrackingID string
}

const (
	proves202     = "Workflows accepted the post: the URL and its signature are right, the flow exists and is switched on."
	proves200     = "The flow ran and answered itself: the URL and its signature are right, and the flow exists and is switched on."
	doesNot202    = "It does not say that anything stands in the channel: the flow runs after the answer, and where its form is another, it may not post, or its owner left the team, it fails without telling us. Look into the channel for \"" + hello + "\"; where it is missing, look into the run history of the flow."
	provesNothing = "Workflows did not accept the post: nothing will come into the channel."
	provesUnclear = "There was no clear answer: \"" + hello + "\" may come into the channel all the same."
	doesNotFail   = "It does not say whether the flow posts once that is mended: test again."
)

// Test posts "Hello, World" at once, in the connection's form and not through the queue, and says what that proves. The
// result is filled in also where the error says why the post was not accepted ([*Error]). What it finds out is stored with
// the connection: TestedAt, and Fault.
func (s *Service) Test(ctx context.Context, tenant mspkit.TenantID, id string) (TestResult, error) {
	r, set, err := s.load(ctx, tenant, id)
	if err != nil {
		return TestResult{}, fmt.Errorf("workflows: test: %w", err)
	}
	p, err := Post{Text: hello}.payload(s.locale(set))
	if err != nil {
		return TestResult{}, err
	}
	body, err := p.body(set.Form, s.o.MaxBody)
	if err != nil {
		return TestResult{}, err
	}
	t, err := s.o.checkURL(set.URL)
	if err != nil { // of another time, with other options
		return TestResult{}, err
	}
	out := TestResult{TrackingID: "test-" + token.Random()}
	a, e := s.paced(ctx, "test", key{tenant, id}, t.url, body, out.TrackingID)
	n := Note{At: s.now(), Tested: true}
	if e != nil {
		n.Fault, n.Counts, n.Broken = e.text(), e.ofConnection(), s.o.BrokenAfter
		out.Status, out.Code, out.Advice = e.Status, e.Code, e.Advice
		out.Proves, out.DoesNot = provesNothing, doesNotFail
		if e.Unclear {
			out.Proves = provesUnclear
		}
	} else {
		out.Accepted, out.Status, out.RunID = true, a.status, a.run
		out.Proves, out.DoesNot = proves202, doesNot202
		if a.status == 200 {
			out.Proves = proves200
		}
	}
	if e == nil || !e.passing() {
		_, _ = s.note(ctx, r, n) // it logs what fails, and the result counts all the same
	}
	if e != nil {
		return out, e
	}
	return out, nil
}

const (
	// maxWait is how long a post waits in hand for its turn; a longer wait is spent in the store.
	maxWait = 2 * time.Second
	// storeTimeout bounds what is stored after a try; it is not the caller's context, because what was done is noted.
	storeTimeout = 5 * time.Second
)
