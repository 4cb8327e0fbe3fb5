package changefeed

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/entra/azurecred"
	"github.com/mspkit/mspkit/internal/graphx"
	"github.com/mspkit/mspkit/internal/seal"
)

// messages is the limiter of single messages: 20 requests a second for an app and tenant
// (https://learn.microsoft.com/graph/throttling-limits#microsoft-teams-service-limits).
const messages graphx.Workload = "teams-messages"

// common is what both halves of a [Feed] need.
type common struct {
	app   App
	ring  *mspkit.KeyRing
	store Store
	graph *graphx.Client
	// box seals what is stored: its places begin with a word for what it is.
	box *seal.Box
	o   Options
}

// Feed keeps subscriptions, receives notifications and hands events over. It is an http.Handler for both notification
// URLs. It is safe for concurrent use; any number of instances may share a store and a key ring.
type Feed struct {
	c    *common
	in   *inbound
	subs subscriber
}

// New returns a feed that hands events to sink. ring protects what is stored, and all instances need the same. creds are of an
// application with the permissions that [Resource.Requirements] names. Nil options are fine. Nothing is read, written or sent
// before [Feed.Run] or the first request. What is wrong is reported all together, as [mspkit.ErrInvalid].
func New(app App, ring *mspkit.KeyRing, store Store, creds azurecred.TenantCredentials, sink Sink, o *Options) (*Feed, error) {
	c := &common{app: app, ring: ring, store: store}
	if o != nil {
		c.o = *o
	}
	errs := []error{app.validate(), c.o.complete()}
	for what, missing := range map[string]bool{"store": store == nil, "credentials": creds == nil, "sink": sink == nil} {
		if missing {
			errs = append(errs, fmt.Errorf("there is no %s: %w", what, mspkit.ErrInvalid))
		}
	}
	var err error
	c.box, err = seal.New(ring, "changefeed")
	errs = append(errs, err)
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("changefeed: new: %w", err)
	}
	c.graph, err = graphx.New(creds, &graphx.Options{
		BaseURL: c.o.Cloud.Graph, Scope: c.o.Cloud.Scope(), HTTPClient: c.o.HTTPClient, Logger: c.o.Logger, Now: c.o.Now,
		Limits: map[graphx.Workload]graphx.Limit{messages: {Requests: 20, Per: time.Second}},
	})
	if err != nil {
		return nil, fmt.Errorf("changefeed: new: %w", err)
	}
	f := &Feed{c: c}
	if f.in, err = newInbound(c, sink); err != nil {
		return nil, fmt.Errorf("changefeed: new: %w", err)
	}
	f.subs = newSubscriber(c, f.in)
	f.in.subs = f.subs
	return f, nil
}

// ServeHTTP takes the requests of Graph to the notification URL and the lifecycle URL: it answers the validation of a new
// subscription, and notifications with 202 once they are stored. 503 means that they could not be stored now, and Graph
// repeats them. A notification that is not of one of our subscriptions is dropped and gets the same 202: Graph need not repeat
// it, and a forger learns nothing.
func (f *Feed) ServeHTTP(w http.ResponseWriter, r *http.Request) { f.in.ServeHTTP(w, r) }

// Run creates and renews subscriptions and hands events over until ctx ends; then it finishes the work in hand and returns
// nil. Failures are logged and tried again. Any number of instances may run.
func (f *Feed) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var (
		all  sync.WaitGroup
		mu   sync.Mutex
		errs []error
	)
	for _, run := range []func(context.Context) error{f.subs.run, f.in.run} {
		all.Go(func() {
			if err := run(ctx); err != nil {
				mu.Lock()
				errs = append(errs, err)
				mu.Unlock()
				cancel() // one half alone would look as if all were well
			}
		})
	}
	all.Wait()
	return errors.Join(errs...)
}

// HandleOnce hands over what was accepted and is due, once, for hosts that have a timer of their own in the place of
// [Feed.Run]; see [Feed.KeepOnce] for the other half. It returns what the store failed with: an event that could not be handed
// over is tried again at a later call.
func (f *Feed) HandleOnce(ctx context.Context) error {
	if err := errors.Join(f.in.note(ctx), f.in.worker.RunOnce(ctx), f.in.keep(ctx)); err != nil {
		return fmt.Errorf("changefeed: handle: %w", err)
	}
	return nil
}
