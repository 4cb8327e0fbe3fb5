package changefeed

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"sync"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/entra/azurecred"
	"github.com/mspkit/mspkit/internal/graphx"
	"github.com/mspkit/mspkit/internal/token"
)

// subscribing is the limiter of requests to /subscriptions: 1,000 in 20 s for an app and tenant, where the list, which is asked
// for only in doubt, has 40.
const subscribing graphx.Workload = "subscriptions"

// keeper keeps subscriptions: the half of a [Feed] that asks Graph. It holds no lock while it does.
type keeper struct {
	c    *common
	o    KeepOptions
	half receiving
	poke chan struct{}

	mu     sync.Mutex
	beaten time.Time
	told   bool                 // at which URL this instance is
	lostAt map[string]time.Time // by tag

	// step is called by tests at points where a process may die; an error is that death.
	step func(point string) error
}

var _ subscriber = (*keeper)(nil)

func newSubscriber(c *common, half receiving) subscriber {
	return &keeper{c: c, o: c.o.Subscriptions, half: half, poke: make(chan struct{}, 1), step: func(string) error { return nil }}
}

// now is the time as it is stored.
func (k *keeper) now() time.Time { return stored(k.c.o.Now()) }

// Follow has the resources of a tenant followed, and what is not named any more not: it stores that, and [Feed.Run], here or
// elsewhere, does it. To call it again with the same changes nothing. entraTenant is the id of the customer's Entra tenant;
// where it is another one than before, all is subscribed to anew. No resources ends all. What is wrong with them is reported all
// together, as [mspkit.ErrInvalid]. Subscriptions that the application may not delete, because consent was withdrawn, end by
// themselves within 3 days, those to users within 29, and what they still bring is dropped.
//
// What comes of a resource that is not followed any more is dropped, by other instances within a minute. What was accepted before
// is handed over.
//
// Two tenants of the host's may not follow the same resource of one Entra tenant: Graph has one subscription for each application.
// The second one is [Taken].
func (f *Feed) Follow(ctx context.Context, tenant mspkit.TenantID, entraTenant string, resources ...Resource) error {
	id, err := azurecred.CanonicalID(entraTenant)
	errs := []error{tenant.Validate(), err}
	var want []Followed
	seen := map[string]bool{}
	for _, r := range resources {
		errs = append(errs, r.validate())
		if !seen[r.Key()] {
			seen[r.Key()] = true
			want = append(want, Followed{Key: r.Key(), Resource: r.String()})
		}
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("changefeed: follow: %w", err)
	}
	changed, err := f.c.store.Follow(ctx, tenant, id, want, f.c.o.Now())
	if err != nil {
		return fmt.Errorf("changefeed: follow: %w", err)
	}
	if changed {
		f.in.known.clear()
		if k, ok := f.subs.(*keeper); ok {
			k.nudge()
		}
	}
	return nil
}

// Subscriptions returns how it stands with what a tenant follows, in the order of the resources' keys: for a page of the
// host's that shows State, Fault, ExpiresAt and NotifiedAt. Secret is sealed; do not show it all the same.
func (f *Feed) Subscriptions(ctx context.Context, tenant mspkit.TenantID) ([]Subscription, error) {
	if err := tenant.Validate(); err != nil {
		return nil, fmt.Errorf("changefeed: subscriptions: %w", err)
	}
	list, err := f.c.store.Subscriptions(ctx, tenant)
	if err != nil {
		return nil, fmt.Errorf("changefeed: subscriptions: %w", err)
	}
	return list, nil
}

// Retry has all that a tenant follows looked after now, which is otherwise tried again up to hours later: call it when somebody
// has consented, connected the tenant, or mended what App.URL leads to. A token of this instance is asked for anew, because new
// permissions are in new tokens only; other instances may have an old one for up to 90 minutes.
func (f *Feed) Retry(ctx context.Context, tenant mspkit.TenantID) error {
	list, err := f.Subscriptions(ctx, tenant)
	if err != nil {
		return err
	}
	f.c.graph.Forget(tenant)
	for _, s := range list {
		if err := f.c.store.Mark(ctx, s.Ref, Reauthorize, time.Time{}, f.c.o.Now()); err != nil {
			return fmt.Errorf("changefeed: retry: %w", err)
		}
	}
	if k, ok := f.subs.(*keeper); ok {
		k.nudge()
	}
	return nil
}

// KeepOnce looks after all subscriptions that are due, once, for hosts that have a timer of their own in the place of
// [Feed.Run]. It returns what the store failed with; what Graph refused is in the subscriptions.
func (f *Feed) KeepOnce(ctx context.Context) error {
	if k, ok := f.subs.(*keeper); ok {
		return k.runOnce(ctx)
	}
	return nil
}

func (k *keeper) nudge() {
	select {
	case k.poke <- struct{}{}:
	default:
	}
}

// known implements [subscriber].
func (k *keeper) known(ctx context.Context, id, state string) (subscribed, error) {
	tag, ok := tagOf(state)
	if !ok {
		return subscribed{}, ErrNotFound
	}
	s, err := k.c.store.ByTag(ctx, tag)
	if err != nil {
		return subscribed{}, err
	}
	r, err := ParseResource(s.Resource)
	if err != nil {
		return subscribed{}, err
	}
	if !s.Wanted || s.ID != "" && id != s.ID {
		return subscribed{}, ErrNotFound
	}
	secret, err := k.c.box.Open(s.Secret, k.place(s)...)
	if err != nil {
		k.lost(ctx, s)
		return subscribed{}, fmt.Errorf("changefeed: open a clientState: %w", err)
	}
	return subscribed{Tenant: s.Tenant, EntraTenant: s.EntraTenant, Resource: r, ClientState: mspkit.Redact(string(secret))}, nil
}

// lostEvery is how often it is noted of a record that its clientState does not open.
const lostEvery = time.Minute

// lost has a record whose clientState does not open looked after now: Graph gets 503 for each of its notifications, and after some
// of these it sends late, or nothing, to everybody behind this host.
func (k *keeper) lost(ctx context.Context, s Subscription) {
	now := k.now()
	k.mu.Lock()
	known := now.Sub(k.lostAt[s.Tag]) < lostEvery
	if !known {
		if len(k.lostAt) >= mostKnown || k.lostAt == nil {
			k.lostAt = map[string]time.Time{}
		}
		k.lostAt[s.Tag] = now
	}
	k.mu.Unlock()
	if known {
		return
	}
	if err := k.c.store.Mark(ctx, s.Ref, Missed, time.Time{}, now); err == nil { // otherwise the next notification does it
		k.nudge()
	}
}

// place is where a clientState is sealed.
func (k *keeper) place(s Subscription) []string {
	return []string{"clientState", string(s.Tenant), s.Key, s.Tag}
}

// opens reports whether the ring still has the key of the clientState. Without it nothing that comes can be known as genuine.
func (k *keeper) opens(s Subscription) bool {
	_, err := k.c.box.Open(s.Secret, k.place(s)...)
	return err == nil
}

// missedSpan is how long before Graph says that something was missed it may have been: that others came since does not say that
// none is missing before them.
const missedSpan = time.Hour

// lifecycle implements [subscriber].
func (k *keeper) lifecycle(ctx context.Context, r Ref, tag string, event lifecycleEvent, at time.Time) error {
	s, err := k.c.store.ByTag(ctx, tag)
	if errors.Is(err, ErrNotFound) || err == nil && s.Ref != r {
		return nil
	}
	mark := map[lifecycleEvent]Mark{reauthorizationRequired: Reauthorize, subscriptionRemoved: Removed, missed: Missed}[event]
	var from time.Time
	if mark == Missed {
		if from = at.Add(-missedSpan); s.delivered().Before(from) {
			from = s.delivered()
		}
	}
	if err == nil {
		err = k.c.store.Mark(ctx, r, mark, from, k.now())
	}
	if err != nil {
		return fmt.Errorf("changefeed: note a lifecycle event: %w", err)
	}
	k.nudge()
	return nil
}

// run implements [subscriber].
func (k *keeper) run(ctx context.Context) error {
	for ctx.Err() == nil {
		if err := k.runOnce(ctx); err != nil && ctx.Err() == nil {
			k.c.o.Logger.WarnContext(ctx, "changefeed: subscriptions could not be looked after", slog.String("error", err.Error()))
		}
		timer := time.NewTimer(k.o.Poll + token.Jitter(k.o.Poll/4))
		select {
		case <-ctx.Done():
		case <-k.poke:
		case <-timer.C:
		}
		timer.Stop()
	}
	return nil
}

// dueAtOnce is how many records are asked for at once.
const dueAtOnce = 100

// runOnce looks after what is due until nothing is.
func (k *keeper) runOnce(ctx context.Context) error {
	if err := errors.Join(k.tell(ctx), k.beat(ctx)); err != nil {
		return err
	}
	for ctx.Err() == nil {
		refs, err := k.c.store.Due(ctx, k.now(), dueAtOnce)
		if err != nil {
			return fmt.Errorf("changefeed: ask what is due: %w", err)
		}
		if len(refs) == 0 {
			return nil
		}
		if err := k.all(ctx, refs); err != nil {
			return err
		}
	}
	return nil
}

// all looks after records, some at once.
func (k *keeper) all(ctx context.Context, refs []Ref) error {
	var (
		wait sync.WaitGroup
		mu   sync.Mutex
		errs []error
		next = make(chan Ref)
	)
	for range min(k.o.Workers, len(refs)) {
		wait.Go(func() {
			for r := range next {
				if err := k.turn(ctx, r); err != nil {
					mu.Lock()
					errs = append(errs, err)
					mu.Unlock()
				}
			}
		})
	}
	for _, r := range refs {
		if ctx.Err() != nil {
			break
		}
		next <- r
	}
	close(next)
	wait.Wait()
	return errors.Join(errs...)
}

// beatEvery is how often it is stored that an instance runs.
const beatEvery = time.Minute

// beat stores that this instance runs, which finds out how long none did.
func (k *keeper) beat(ctx context.Context) error {
	now := k.now()
	k.mu.Lock()
	due := k.beaten.IsZero() || now.Sub(k.beaten) >= beatEvery || now.Before(k.beaten)
	k.mu.Unlock()
	if !due {
		return nil
	}
	outage := k.o.Outage
	if outage < 0 {
		outage = 1 << 62
	}
	before, err := k.c.store.Beat(ctx, now, outage)
	if err != nil {
		return fmt.Errorf("changefeed: store that an instance runs: %w", err)
	}
	if !before.IsZero() && now.Sub(before) > outage {
		k.c.o.Logger.WarnContext(ctx, "changefeed: no instance ran for a while, what was missed is read", slog.Time("from", before), slog.Time("to", now))
	}
	k.mu.Lock()
	k.beaten = now
	k.mu.Unlock()
	return nil
}

// tell stores at which URL this instance is, once, when it starts: what was subscribed to for another one is looked after at
// once. Whichever instance starts last decides, and the others go by it from their next turn on; so those of an old and a new
// release, which run side by side for a while, do not take the subscriptions from each other.
func (k *keeper) tell(ctx context.Context) error {
	k.mu.Lock()
	told := k.told
	k.mu.Unlock()
	if told {
		return nil
	}
	before, err := k.c.store.Home(ctx, "", k.now())
	if err == nil && before != k.c.app.URL {
		_, err = k.c.store.Home(ctx, k.c.app.URL, k.now())
	}
	if err != nil {
		return fmt.Errorf("changefeed: store the notification URL: %w", err)
	}
	if before != "" && before != k.c.app.URL {
		k.c.o.Logger.WarnContext(ctx, "changefeed: the notification URL is another one than before, subscriptions are made anew for it")
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.told = true
	return nil
}

// notificationURL returns the URL of a feed with the tag of a try.
func notificationURL(home, tag string) string {
	return home + "?" + url.Values{tagParameter: {tag}}.Encode()
}

// tagParameter names the tag in a notification URL.
const tagParameter = "s"
