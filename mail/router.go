package mail

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"

	"github.com/mspkit/mspkit"
)

// ErrNotSetUp means that there is no mailer to send with: an administrator must set one up. [TenantMailers] return it for a
// tenant that has none of its own.
var ErrNotSetUp = errors.New("mail: no mailer is set up")

// Route is whose mailer sends a kind of mail.
type Route string

// The routes.
const (
	// RouteTenant is for mail to a tenant's end users: it goes by the tenant's own mailer, such as its shared mailbox, which
	// they know as sender.
	RouteTenant Route = "tenant"
	// RoutePlatform is for mail to the MSP's own people and to whom the MSP answers for: it goes by the platform's mailer.
	RoutePlatform Route = "platform"
)

// routes says which way each kind of mail takes: the names of the templates, and the kinds of package sendvia.
var routes = map[string]Route{
	OptIn:                RouteTenant,
	VerificationCode:     RouteTenant,
	VerificationLink:     RouteTenant,
	TechnicianLink:       RouteTenant,
	SecurityNotice:       RouteTenant,
	SecureData:           RouteTenant,
	KindSecureRequest:    RouteTenant,
	KindSecureCode:       RouteTenant,
	PortalInvitation:     RouteTenant,
	TechnicianInvitation: RoutePlatform,
	PasswordReset:        RoutePlatform,
	Notification:         RoutePlatform,
}

// Fallback says when the platform's mailer sends a mail to an end user because the tenant's own cannot. Each includes those
// before it. None repeats a mail that was refused ([ErrRejected]), that is not valid, or of which it is not known whether it
// was sent ([ErrAmbiguous], or an error that says nothing about it).
type Fallback int

// The policies.
const (
	// FallbackNever sends by the tenant's own mailer or not at all. It is the default: people learn to trust one sender.
	FallbackNever Fallback = iota
	// FallbackNotSetUp falls back where the tenant has no mailer of its own.
	FallbackNotSetUp
	// FallbackUnavailable also does where that mailer cannot be had or send now ([ErrTemporary]).
	FallbackUnavailable
	// FallbackAlways also does where that mailer may not send ([ErrAuth]), which somebody should repair: watch OnFallback.
	FallbackAlways
)

// Reason is why a mail did not go by the tenant's own mailer.
type Reason string

// The reasons.
const (
	ReasonNotSetUp    Reason = "not set up"
	ReasonUnavailable Reason = "temporarily not possible"
	ReasonAuth        Reason = "not allowed to send"
)

// TenantMailers finds the mailer of a tenant. Mailer returns [ErrNotSetUp] where the tenant has none; any other error means
// that it is not known. It is asked for each mail, so it should cache, and must be safe for concurrent use.
type TenantMailers interface {
	Mailer(ctx context.Context, tenant mspkit.TenantID) (Mailer, error)
}

// TenantMailersFunc makes a function [TenantMailers].
type TenantMailersFunc func(ctx context.Context, tenant mspkit.TenantID) (Mailer, error)

// Mailer implements [TenantMailers].
func (f TenantMailersFunc) Mailer(ctx context.Context, tenant mspkit.TenantID) (Mailer, error) {
	return f(ctx, tenant)
}

// FallbackCase is a mail that the tenant's own mailer did not send.
type FallbackCase struct {
	Tenant mspkit.TenantID
	// Kind and Key are the message's.
	Kind, Key string
	// Reason is what to show and store. Err is what happened, without addresses.
	Reason Reason
	Err    error
}

// RouterOptions are the optional parts of [NewRouter].
type RouterOptions struct {
	// Fallback is the policy for every tenant and kind.
	Fallback Fallback
	// Policy answers for one mail instead of Fallback, by tenant and kind. An error means [FallbackNever]. The router forgets
	// each mail once it was sent: a host that repeats a mail after [ErrAmbiguous] must answer FallbackNever for its Key, or
	// it may arrive twice.
	Policy func(ctx context.Context, c FallbackCase) (Fallback, error)
	// OnFallback hears of each mail before the platform's mailer gets it, to record it. It must be safe for concurrent use.
	OnFallback func(ctx context.Context, c FallbackCase)
	// Kinds adds kinds of the host's own. Those that the module knows cannot be changed.
	Kinds map[string]Route
	// Logger hears of fallbacks. Nil discards.
	Logger *slog.Logger
}

// Router is a [Mailer] that chooses by [Message.Kind] who sends. It is immutable and safe for concurrent use.
type Router struct {
	platform Mailer
	tenants  TenantMailers
	kinds    map[string]Route
	o        RouterOptions
}

var _ Mailer = (*Router)(nil)

// NewRouter returns a router over the platform's own mailer and those of the tenants. One of the two may be nil: mail that
// would go that way then fails with [ErrNotSetUp]. All faults are reported together, as [mspkit.ErrInvalid].
func NewRouter(platform Mailer, tenants TenantMailers, o *RouterOptions) (*Router, error) {
	r := &Router{platform: platform, tenants: tenants, kinds: maps.Clone(routes)}
	if o != nil {
		r.o = *o
	}
	if r.o.Logger == nil {
		r.o.Logger = slog.New(slog.DiscardHandler)
	}
	var errs []error
	fail := func(format string, args ...any) {
		errs = append(errs, fmt.Errorf("mail: router: %s: %w", fmt.Sprintf(format, args...), mspkit.ErrInvalid))
	}
	if platform == nil && tenants == nil {
		fail("neither a platform mailer nor mailers of tenants are given, so that nothing could be sent: give at least one")
	}
	if r.o.Fallback < FallbackNever || r.o.Fallback > FallbackAlways {
		fail("fallback %d is unknown", r.o.Fallback)
	}
	if platform == nil && (r.o.Fallback != FallbackNever || r.o.Policy != nil) {
		fail("a fallback needs a platform mailer")
	}
	for _, k := range slices.Sorted(maps.Keys(r.o.Kinds)) {
		route := r.o.Kinds[k]
		_, known := routes[k]
		switch {
		case known:
			fail("kind %q is one of the module's, its way cannot be changed", k)
		case k == "" || !validKind(k):
			fail("kind %q must be 1 to 64 of a-z, 0-9 and '-'", k)
		case route != RouteTenant && route != RoutePlatform:
			fail("kind %q has the unknown route %q", k, string(route))
		}
		r.kinds[k] = route
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return r, nil
}

// Route returns whose mailer sends mails of a kind, fallback aside, or [mspkit.ErrInvalid] for a kind that is not known.
func (r *Router) Route(kind string) (Route, error) {
	route, ok := r.kinds[kind]
	if !ok {
		return "", fmt.Errorf("mail: router: the kind %q is not known, so it is not known who should send it: use a template's name or add it to RouterOptions.Kinds: %w",
			kind, mspkit.ErrInvalid)
	}
	return route, nil
}

// Send sends m by the mailer of its tenant or of the platform. [Receipt.Via] says which, and [Receipt.Fallback] why it was
// not the tenant's own.
//
// The sender: by its own route m goes as it is, so leave [Message.From] empty for the mailer's own address. In a fallback the
// platform's address stands in From whatever m says, because a server that is not the tenant's cannot send in its name
// without failing SPF and DMARC; a From that m named becomes Reply-To where m has none.
//
// The error is that of the last mailer that was asked, so that its class tells what may be done: only that of the tenant's is
// returned where the platform's refuses as not set up or not allowed, because the former may work again.
func (r *Router) Send(ctx context.Context, m *Message) (Receipt, error) {
	if err := m.Validate(); err != nil {
		return Receipt{}, err
	}
	route, err := r.Route(m.Kind)
	if err != nil {
		return Receipt{}, err
	}
	if route == RoutePlatform {
		return r.byPlatform(ctx, m)
	}
	receipt, err := r.byTenant(ctx, m)
	if err == nil {
		return receipt, nil
	}
	c, allowed := r.mayFallBack(ctx, m, err)
	if !allowed {
		return Receipt{}, err
	}
	r.o.Logger.WarnContext(ctx, "mail: sending by the platform's mailer instead of the tenant's own",
		slog.Any("message", *m), slog.String("reason", string(c.Reason)))
	if r.o.OnFallback != nil {
		r.o.OnFallback(ctx, c)
	}
	own := *m
	if own.ReplyTo.IsZero() {
		own.ReplyTo = own.From
	}
	own.From = Address{}
	receipt, second := r.byPlatform(ctx, &own)
	if second == nil {
		receipt.Fallback = c.Reason
		return receipt, nil
	}
	if errors.Is(second, ErrNotSetUp) || errors.Is(second, ErrAuth) && !errors.Is(second, ErrAmbiguous) {
		return Receipt{}, fmt.Errorf("%w (%s, and the platform's mailer cannot stand in)", err, c.Reason)
	}
	return Receipt{}, fmt.Errorf("mail: router: the tenant's own mailer: %s: %w", c.Reason, second)
}

func (r *Router) byPlatform(ctx context.Context, m *Message) (Receipt, error) {
	if r.platform == nil {
		return Receipt{}, fmt.Errorf("%w: mails of the kind %q go by the platform's mailer, and there is none: an administrator must set it up", ErrNotSetUp, m.Kind)
	}
	receipt, err := r.platform.Send(ctx, m)
	if err != nil {
		return Receipt{}, fmt.Errorf("mail: by the platform's mailer: %w", err)
	}
	receipt.Via = RoutePlatform
	return receipt, nil
}

// lookupError says that the tenant's mailer could not be had, so that surely nothing was sent. It matches [ErrTemporary].
type lookupError struct{ err error }

func (e *lookupError) Error() string {
	return "mail: the tenant's own mailer is not known: " + e.err.Error()
}
func (e *lookupError) Unwrap() []error { return []error{ErrTemporary, e.err} }

func (r *Router) byTenant(ctx context.Context, m *Message) (Receipt, error) {
	var own Mailer
	if r.tenants != nil {
		var err error
		if own, err = r.tenants.Mailer(ctx, m.Tenant); err != nil && !errors.Is(err, ErrNotSetUp) {
			return Receipt{}, &lookupError{err}
		} else if err != nil {
			own = nil
		}
	}
	if own == nil {
		hint := "an administrator must set it up, or allow the platform's mailer to stand in"
		if r.platform == nil {
			hint = "and there is no platform mailer either: an administrator must set one up"
		}
		return Receipt{}, fmt.Errorf("%w: mails of the kind %q go by the tenant's own mailer, and tenant %q has none: %s", ErrNotSetUp, m.Kind, m.Tenant, hint)
	}
	receipt, err := own.Send(ctx, m)
	if err != nil {
		return Receipt{}, fmt.Errorf("mail: by the tenant's own mailer: %w", err)
	}
	receipt.Via = RouteTenant
	return receipt, nil
}

// mayFallBack tells whether m, which the tenant's mailer surely did not send because of err, may go by the platform's.
func (r *Router) mayFallBack(ctx context.Context, m *Message, err error) (FallbackCase, bool) {
	c := FallbackCase{Tenant: m.Tenant, Kind: m.Kind, Key: m.Key, Err: err}
	var needs Fallback
	switch {
	case ctx.Err() != nil, errors.Is(err, ErrAmbiguous), errors.Is(err, ErrRejected), errors.Is(err, mspkit.ErrInvalid):
		return c, false
	case errors.Is(err, ErrNotSetUp):
		c.Reason, needs = ReasonNotSetUp, FallbackNotSetUp
	case errors.Is(err, ErrAuth):
		c.Reason, needs = ReasonAuth, FallbackAlways
	case errors.Is(err, ErrTemporary):
		c.Reason, needs = ReasonUnavailable, FallbackUnavailable
	default:
		return c, false
	}
	policy := r.o.Fallback
	if r.o.Policy != nil {
		var failed error
		if policy, failed = r.o.Policy(ctx, c); failed != nil {
			r.o.Logger.ErrorContext(ctx, "mail: the policy for fallbacks failed, nothing is sent instead", slog.Any("message", *m), slog.Any("error", failed))
			return c, false
		}
	}
	return c, r.platform != nil && policy >= needs && policy <= FallbackAlways
}
