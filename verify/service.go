package verify

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mspkit/mspkit"
)

// Permission is what a technician asks to do beyond verifying.
type Permission string

// The permissions that [Options.Authorize] is asked for.
const (
	PermissionFreeze      Permission = "freeze"
	PermissionUnfreeze    Permission = "unfreeze"
	PermissionUnlock      Permission = "unlock"
	PermissionCancelOther Permission = "cancel another technician's verification"
	PermissionApprove     Permission = "approve as second technician"
)

// Options are the parts of a [Service] beyond the required ones.
type Options struct {
	// Channels by name. Names appear in destinations, policies, events and tickets.
	Channels map[string]Channel
	// Recorder takes over events from [Service.Run], each within DeliverTimeout; nil drops them.
	Recorder Recorder
	// Authorize decides whether a technician may freeze, unfreeze, unlock, cancel what another began, or approve it as the
	// second one. Nil refuses all of it.
	Authorize func(ctx context.Context, tenant mspkit.TenantID, technician string, p Permission) error
	// Lookup finds the contact with an address that somebody typed into the public form or asks from in a chat
	// ([Service.Ask]), and the call they are in. It returns nil for an unknown address. Nil turns both off. Only
	// Subject and Call of the result are used.
	Lookup func(ctx context.Context, tenant mspkit.TenantID, address string) (*TechnicianRequest, error)
	// DeliverTimeout bounds one delivery, one event handed over and one Lookup: default 15 s.
	DeliverTimeout time.Duration
	// Retention is how long ended challenges are kept: default 90 days.
	Retention time.Duration
	// EvidenceRetention is how long events are kept that were handed over, in the chain of their tenant: default 730
	// days, or Retention where that is longer; never less than Retention. Two years, because a yearly audit looks at
	// twelve months and is often held months after they ended, and because a reset that turns out to have been an
	// impostor's is often noticed late. Events hold ids only.
	EvidenceRetention time.Duration
	// Poll is how often Run looks for work that another instance left: default 1 s.
	Poll time.Duration
	// Now is the clock: default time.Now.
	Now func() time.Time
	// Logger gets warnings; nil discards them.
	Logger *slog.Logger
	// Meter gets counters and timings; nil drops them. The package documentation lists them. One that panics is logged
	// and harms nothing; one that is slow makes everything slow.
	Meter mspkit.Meter
}

// Service verifies. It holds no state of its own, so any number of instances may share a store. It is safe for
// concurrent use.
type Service struct {
	store    Store
	secrets  *secrets
	base     string
	settings func(context.Context, mspkit.TenantID) (Settings, error)
	o        Options
	log      *slog.Logger
	m        meter
	wake     chan struct{}
	ran      atomic.Int64 // when RunOnce last finished without an error, in Unix nanoseconds
	running  atomic.Int64 // how many Runs are going

	mu        sync.Mutex
	holdbacks map[mspkit.TenantID]holdback // of recorders
	unchained map[mspkit.TenantID]holdback // of chains; "" where the store fails
	losses    map[mspkit.TenantID]loss     // of chains to which another instance added first
}

var (
	_ Verifier  = (*Service)(nil)
	_ Responder = (*Service)(nil)
)

// New returns a service on store.
//
// ring protects everything that is stored; all instances need the same one. baseURL is where the pages are
// reached from outside, for example "https://help.example/verify": links are made from it and never from a
// request. It must be https, except on a loopback address. settings returns what a tenant decided;
// [Same] serves where all tenants are alike.
func New(store Store, ring *mspkit.KeyRing, baseURL string, settings func(context.Context, mspkit.TenantID) (Settings, error), o *Options) (*Service, error) {
	var errs []error
	s := &Service{store: store, settings: settings, wake: make(chan struct{}, 1), holdbacks: map[mspkit.TenantID]holdback{}, unchained: map[mspkit.TenantID]holdback{}, losses: map[mspkit.TenantID]loss{}}
	if o != nil {
		s.o = *o
	}
	if store == nil {
		errs = append(errs, fmt.Errorf("a store is required: %w", ErrInvalid))
	}
	if settings == nil {
		errs = append(errs, fmt.Errorf("settings are required: %w", ErrInvalid))
	}
	var err error
	if s.secrets, err = newSecrets(ring); err != nil {
		errs = append(errs, err)
	}
	if s.base, err = checkBase(baseURL); err != nil {
		errs = append(errs, err)
	}
	for name, ch := range s.o.Channels {
		if ch == nil || name == "" || len(name) > 32 {
			errs = append(errs, fmt.Errorf("channel %q needs a value and a name of 1 to 32 characters: %w", name, ErrInvalid))
		}
	}
	errs = append(errs,
		inRange("DeliverTimeout", &s.o.DeliverTimeout, 15*time.Second, time.Millisecond, 2*time.Minute, false),
		inRange("Retention", &s.o.Retention, 90*day, time.Hour, 100*365*day, false),
		inRange("EvidenceRetention", &s.o.EvidenceRetention, max(730*day, s.o.Retention), time.Hour, 100*365*day, false),
		inRange("Poll", &s.o.Poll, time.Second, time.Millisecond, time.Minute, false),
	)
	if s.o.EvidenceRetention < s.o.Retention {
		errs = append(errs, fmt.Errorf("EvidenceRetention is shorter than Retention: the outcome must outlive the challenge: %w", ErrInvalid))
	}
	if s.o.Now == nil {
		s.o.Now = time.Now
	}
	s.log = s.o.Logger
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	s.m = meter{to: s.o.Meter, now: s.o.Now, log: s.log}
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("verify: new: %w", err)
	}
	s.store = s.m.store(store)
	return s, nil
}

// Same returns a settings function that gives every tenant the same settings.
func Same(s Settings) func(context.Context, mspkit.TenantID) (Settings, error) {
	return func(context.Context, mspkit.TenantID) (Settings, error) { return s, nil }
}

func checkBase(s string) (string, error) {
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || u.Opaque != "" {
		return "", fmt.Errorf("the base URL must look like https://host/path: %w", ErrInvalid)
	}
	host := u.Hostname()
	ip, _ := netip.ParseAddr(host)
	loopback := host == "localhost" || ip.IsLoopback()
	if u.Scheme != "https" && (u.Scheme != "http" || !loopback) {
		return "", fmt.Errorf("the base URL must be https, http is for loopback addresses only: %w", ErrInvalid)
	}
	for _, r := range host {
		if r > 127 {
			return "", fmt.Errorf("the host of the base URL must be ASCII (punycode), so that it cannot imitate another: %w", ErrInvalid)
		}
	}
	return strings.TrimRight(u.Scheme+"://"+u.Host+u.EscapedPath(), "/"), nil
}

// BaseURL returns the base of all links, without a slash at the end.
func (s *Service) BaseURL() string { return s.base }

func (s *Service) tenantSettings(ctx context.Context, tenant mspkit.TenantID) (Settings, error) {
	if err := tenant.Validate(); err != nil {
		return Settings{}, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	set, err := s.settings(ctx, tenant)
	if err != nil {
		return Settings{}, fmt.Errorf("settings of the tenant: %w", err)
	}
	return set.withDefaults()
}

// nudge makes Run look at once instead of at the next poll.
func (s *Service) nudge() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

func equal(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

func wrap(verb string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("verify: %s: %w", verb, err)
}
