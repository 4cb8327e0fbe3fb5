package securesend

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/netip"
	"net/url"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/token"
)

// Permission is what a technician asks to do with what another one sent.
type Permission string

// The permissions that [Options.Authorize] is asked for.
const (
	PermissionRevokeOther Permission = "revoke what another technician sent"
	PermissionRenewOther  Permission = "renew the number of another technician"
	PermissionSeeNumber   Permission = "see the number of another technician"
)

// Options are the parts of a [Service] beyond the required ones.
type Options struct {
	// Blobs are the stores of files by region. Nil means that there are no files, and one region of whatever name; then no
	// instance on the same store may have any. An instance opens only what belongs to one of its regions.
	Blobs map[string]BlobStore
	// Senders by name send links and codes; see [Sender].
	Senders map[string]Sender
	// Gate decides for [GateProof]. Nil refuses sends with that gate.
	Gate RevealGate
	// Recorder takes over events from [Service.Run], each within SendTimeout; nil drops them.
	Recorder Recorder
	// DataNoter writes what was sent into a ticket, for [Choice.DataToNote]. Nil refuses it.
	DataNoter DataNoter
	// Authorize decides what a technician may do with what another sent. Nil refuses all of it.
	Authorize func(ctx context.Context, tenant mspkit.TenantID, technician string, p Permission) error
	// SendTimeout bounds one message, one note, one question to the gate and one event handed over: default 15 s.
	SendTimeout time.Duration
	// CodeTTL is how long a code lives: default 5 minutes, cap 9 minutes; CodeCooldown the least time between two
	// codes to one destination: default 45 s; CodeSends how many one send can have: default 3, cap 5.
	CodeTTL, CodeCooldown time.Duration
	CodeSends             int
	// Retention is how long records are kept after their end: default 90 days. They hold ids and times only.
	Retention time.Duration
	// Poll is how often Run looks for work that another instance left: default 1 s.
	Poll time.Duration
	// Now is the clock: default time.Now.
	Now func() time.Time
	// Logger gets warnings; nil discards them.
	Logger *slog.Logger
}

// Service gives texts and files once. It holds no state of its own, so any number of instances may share the stores. It is
// safe for concurrent use.
type Service struct {
	store    SecretStore
	secrets  *secrets
	base     string
	settings func(context.Context, mspkit.TenantID) (Settings, error)
	o        Options
	regions  []string
	log      *slog.Logger
	wake     chan struct{}

	mu        sync.Mutex
	holdbacks map[mspkit.TenantID]holdback // of recorders
}

// New returns a service on store.
//
// ring protects everything that is stored; all instances need the same one. A key must stay in it until the last send has ended
// that was made while it was primary: links name their tenant by it. baseURL is where the pages are reached from
// outside, for example "https://help.example/send": links are made from it and never from a request. It must be https,
// except on a loopback address. settings returns what a tenant decided; [Same] serves where all tenants are alike.
func New(store SecretStore, ring *mspkit.KeyRing, baseURL string, settings func(context.Context, mspkit.TenantID) (Settings, error), o *Options) (*Service, error) {
	var errs []error
	s := &Service{store: store, settings: settings, wake: make(chan struct{}, 1), holdbacks: map[mspkit.TenantID]holdback{}}
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
	s.regions = slices.Sorted(maps.Keys(s.o.Blobs))
	for _, name := range s.regions {
		b := s.o.Blobs[name]
		if b == nil || name == "" || len(name) > 64 {
			errs = append(errs, fmt.Errorf("region %q needs a store and a name of 1 to 64 bytes: %w", name, ErrInvalid))
			continue
		}
		if r, ok := b.(Regioned); ok && r.Region() != name && r.Region() != "" {
			errs = append(errs, fmt.Errorf("the store of region %q says that it is in %q: %w", name, r.Region(), ErrRegion))
		}
	}
	for name, sender := range s.o.Senders {
		if sender == nil || name == "" || len(name) > 32 {
			errs = append(errs, fmt.Errorf("sender %q needs a value and a name of 1 to 32 characters: %w", name, ErrInvalid))
		}
	}
	errs = append(errs,
		inRange("SendTimeout", &s.o.SendTimeout, 15*time.Second, time.Millisecond, 2*time.Minute),
		inRange("CodeTTL", &s.o.CodeTTL, 5*time.Minute, 30*time.Second, 9*time.Minute),
		inRange("CodeCooldown", &s.o.CodeCooldown, 45*time.Second, time.Second, time.Hour),
		inRange("CodeSends", &s.o.CodeSends, 3, 1, 5),
		inRange("Retention", &s.o.Retention, 90*day, time.Hour, 100*365*day),
		inRange("Poll", &s.o.Poll, time.Second, time.Millisecond, time.Minute),
	)
	if s.o.Now == nil {
		s.o.Now = time.Now
	}
	if s.log = s.o.Logger; s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("securesend: new: %w", err)
	}
	return s, nil
}

func checkBase(s string) (string, error) {
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || u.Opaque != "" {
		return "", fmt.Errorf("the base URL must look like https://host/path: %w", ErrInvalid)
	}
	host := u.Hostname()
	ip, _ := netip.ParseAddr(host)
	if u.Scheme != "https" && (u.Scheme != "http" || host != "localhost" && !ip.IsLoopback()) {
		return "", fmt.Errorf("the base URL must be https, http is for loopback addresses only: %w", ErrInvalid)
	}
	for _, r := range host {
		if r > 127 {
			return "", fmt.Errorf("the host of the base URL must be ASCII (punycode), so that it cannot imitate another: %w", ErrInvalid)
		}
	}
	p := strings.TrimRight(u.EscapedPath(), "/")
	if p != "" && path.Clean(p) != p {
		return "", fmt.Errorf("the path of the base URL has empty elements or dots, which browsers and mails change: %w", ErrInvalid)
	}
	return u.Scheme + "://" + u.Host + p, nil
}

// BaseURL returns the base of all links, without a slash at the end.
func (s *Service) BaseURL() string { return s.base }

// Regions returns the regions of which this instance has a blob store, sorted.
func (s *Service) Regions() []string { return slices.Clone(s.regions) }

// now is the clock in the precision that every store keeps.
func (s *Service) now() time.Time { return s.o.Now().UTC().Truncate(time.Microsecond) }

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

// PublicTag returns the text that names a tenant in addresses of its pages, without telling the tenant's id.
func (s *Service) PublicTag(tenant mspkit.TenantID) string {
	return s.secrets.public.Encode(token.NewSecret(), string(tenant))
}

// ParsePublicTag returns the tenant of a tag, or [ErrNotFound].
func (s *Service) ParsePublicTag(tag string) (mspkit.TenantID, error) {
	_, tenant, err := s.secrets.public.Decode(tag)
	if err != nil {
		return "", wrap("tag", ErrNotFound)
	}
	return mspkit.TenantID(tenant), nil
}

// Brand returns how a tenant looks and the locale it prefers.
func (s *Service) Brand(ctx context.Context, tenant mspkit.TenantID) (mspkit.Brand, string, error) {
	set, err := s.tenantSettings(ctx, tenant)
	return set.Brand, set.Locale, wrap("brand", err)
}

// ParseToken returns what a token in a link names. That it is there, only the store knows. A token that is not ours is
// [ErrNotFound].
func (s *Service) ParseToken(t string) (Ref, error) {
	secret, tenant, err := s.secrets.links.Decode(t)
	if err != nil {
		return Ref{}, wrap("link", ErrNotFound)
	}
	return Ref{mspkit.TenantID(tenant), token.ID(secret)}, nil
}

// nudge makes Run look at once instead of at the next poll.
func (s *Service) nudge() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// place is where the content of r belongs.
func place(r Record) Place {
	return Place{Tenant: r.Tenant, ID: r.ID, Region: r.Region, Purpose: r.Purpose, Expiry: r.Expiry}
}

// blobs returns the store of a region, or [ErrRegion].
func (s *Service) blobs(region string) (BlobStore, error) {
	if b, ok := s.o.Blobs[region]; ok {
		return b, nil
	}
	return nil, fmt.Errorf("region %q is not one of %s: %w", region, strings.Join(s.regions, ", "), ErrRegion)
}
