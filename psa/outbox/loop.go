package outbox

import "github.com/mspkit/mspkit/internal/jobs"

// newLoop returns the queue of a host that has none.
func newLoop(o Options) (runner, error) {
	return jobs.New(&jobs.Options{Workers: o.Workers, Logger: o.Logger, Now: o.Now})
}
