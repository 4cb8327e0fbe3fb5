package changefeed

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/mspkit/mspkit"
)

// Defaults of [KeepOptions].
const (
	DefaultLease         = 2 * time.Minute
	DefaultPoll          = 10 * time.Second
	DefaultKeepers       = 4
	DefaultRetry         = time.Minute
	DefaultSlowRetry     = 30 * time.Minute
	DefaultOutage        = 10 * time.Minute
	DefaultMaxGap        = 7 * 24 * time.Hour
	DefaultBackfillUsers = 500
)

// KeepOptions are the settings for keeping subscriptions. The zero value is fine.
type KeepOptions struct {
	// Lifetimes replace what [Requirements].MaxLifetime says of a kind, where Microsoft has changed it; at least 10 minutes.
	Lifetimes map[Kind]time.Duration
	// Basic are kinds whose notifications shall not carry what changed, which is then read one by one. A program in FIPS 140
	// mode needs it for all: Graph encrypts with RSA-OAEP and SHA-1.
	Basic []Kind
	// Lease is how long an instance has a subscription in hand at most: 0 is [DefaultLease], at least 30 seconds. An instance
	// that dies holds it up for that long and a minute.
	Lease time.Duration
	// Poll is how often it is looked what is due: 0 is [DefaultPoll].
	Poll time.Duration
	// Workers is how many subscriptions are looked after at once: 0 is [DefaultKeepers].
	Workers int
	// Retry is the first wait after a failure that may pass, doubled each time: 0 is [DefaultRetry]. SlowRetry is the same after one
	// that somebody has to mend, such as missing consent: 0 is [DefaultSlowRetry]. Both grow to 12 times as much.
	Retry, SlowRetry time.Duration
	// Outage is how long no instance may have run until it is assumed that notifications were missed: 0 is
	// [DefaultOutage], negative is never. Graph repeats what it could not deliver for up to 4 hours, but it drops what comes
	// new while a URL does not answer
	// (https://learn.microsoft.com/graph/change-notifications-delivery-webhooks).
	Outage time.Duration
	// MaxGap is how far back is read what was missed: 0 is [DefaultMaxGap], negative is not at all. Keep [Options].Keep at
	// least as long, or events of that time are handed over again, with the same ids.
	MaxGap time.Duration
	// BackfillUsers names the users, by object id, whose chats are read when notifications of [AllChats] were missed: there is no list
	// of all chats. Nil is the users of the directory, at most [DefaultBackfillUsers], which needs User.ReadBasic.All.
	BackfillUsers func(ctx context.Context, tenant mspkit.TenantID) ([]string, error)
	// BackfillTeams names the teams, by id, whose channels are read when notifications of [AllChannelMessages] were missed.
	// Nil is those of the channels that the tenant follows as well.
	BackfillTeams func(ctx context.Context, tenant mspkit.TenantID) ([]string, error)
	// OnGap is told of what was missed and cannot be read any more; nil is the log alone. It may be told twice.
	OnGap func(ctx context.Context, g Gap)
}

// Gap is a time of which notifications of a resource may have been missed for good.
type Gap struct {
	Tenant   mspkit.TenantID
	Resource Resource
	From, To time.Time
	// Reason says in words why it cannot be read again. It holds no personal data.
	Reason string
}

// leastLease keeps a lease longer than a request to Graph.
const leastLease = 30 * time.Second

// complete fills in the defaults and reports all that is wrong.
func (o *KeepOptions) complete() error {
	var errs []error
	span := func(name string, d *time.Duration, std, least time.Duration, off bool) {
		switch {
		case *d == 0:
			*d = std
		case *d < 0 && off:
			*d = -1
		case *d < least:
			errs = append(errs, fmt.Errorf("Options.Subscriptions.%s must be at least %s, it is %s: %w", name, least, *d, mspkit.ErrInvalid))
		}
	}
	span("Lease", &o.Lease, DefaultLease, leastLease, false)
	span("Poll", &o.Poll, DefaultPoll, time.Millisecond, false)
	span("Retry", &o.Retry, DefaultRetry, time.Millisecond, false)
	span("SlowRetry", &o.SlowRetry, DefaultSlowRetry, time.Millisecond, false)
	span("Outage", &o.Outage, DefaultOutage, time.Minute, true)
	span("MaxGap", &o.MaxGap, DefaultMaxGap, time.Minute, true)
	if o.Workers == 0 {
		o.Workers = DefaultKeepers
	}
	if o.Workers < 0 {
		errs = append(errs, fmt.Errorf("Options.Subscriptions.Workers must not be negative, it is %d: %w", o.Workers, mspkit.ErrInvalid))
	}
	kinds := []Kind{ChatMessage, ChannelMessage, User, Presence}
	for k, d := range o.Lifetimes {
		if !slices.Contains(kinds, k) || d < 10*time.Minute {
			errs = append(errs, fmt.Errorf("Options.Subscriptions.Lifetimes must be of a kind of this package and at least 10 minutes: %w", mspkit.ErrInvalid))
		}
	}
	for _, k := range o.Basic {
		if !slices.Contains(kinds, k) {
			errs = append(errs, fmt.Errorf("Options.Subscriptions.Basic names a kind that there is not: %w", mspkit.ErrInvalid))
		}
	}
	return errors.Join(errs...)
}

// lifetime is how long a subscription is asked for: a bit less than is allowed, because clocks differ.
func (o *KeepOptions) lifetime(r Resource) time.Duration {
	d := table[r.what].MaxLifetime
	if own := o.Lifetimes[r.Kind()]; own > 0 {
		d = own
	}
	return d - 2*apart
}

func (o *KeepOptions) rich(r Resource) bool {
	return table[r.what].Rich && !slices.Contains(o.Basic, r.Kind())
}
