package entra

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/seal"
	"github.com/mspkit/mspkit/internal/webpage"
)

const (
	defaultSessionTTL  = 12 * time.Hour
	defaultSessionIdle = time.Hour
	maxSessionTTL      = 30 * 24 * time.Hour
	// touchEvery is how often a session that is in use is noted to be.
	touchEvery = time.Minute
	// stepUpTTL is how long the page that asks for a step-up may stay open.
	stepUpTTL = time.Hour
)

// SSOOptions are those of an [SSO]. ClientID, one of Secret and Assertion, Owner, BaseURL, Tenants and Resolve are required.
type SSOOptions struct {
	// Cloud is the Microsoft cloud; zero is the public one.
	Cloud Cloud
	// ClientID is the id of the app registration.
	ClientID string
	// Secret is its client secret. Assertion proves the application in place of a secret: it returns a JWT for the audience,
	// which is the address of the token endpoint. It must be safe for concurrent use.
	Secret    mspkit.Redacted[string]
	Assertion func(ctx context.Context, audience string) (string, error)
	// Owner is the MSP. Sessions and sign-ins of one owner open nothing at another.
	Owner string
	// BaseURL is where [SSO.Handler] is reached: https://msp.example/auth. http is for loopback addresses.
	BaseURL string
	// Tenants are the ids of the tenants whose people may sign in: the MSP's own.
	Tenants []string
	// AllowGuests lets guests of these tenants in as well. Guests have the rights that their account has, but their employer is
	// somebody else, who can take the account over.
	AllowGuests bool
	// Groups gives Resolve the groups of the person. A sign-in whose token does not list them, because there are more than 200, is
	// refused with [ReasonGroups]. Sessions grow by 40 bytes per group: give Sessions that do not keep them in a cookie.
	Groups bool
	// Resolve says who a person is for the host, with role and access. It is asked at every sign-in and again for every request
	// with a session, so that what was taken away is gone at once; a host for which that is too much keeps the answer for a while. An
	// error that wraps [ErrForbidden], such as that of [Refuse], is that there is no account, and ends the session; another one is
	// that nobody knows. Owner, TenantID, ObjectID, Session, AuthTime, ACRS and Factor of the user are set here, Policy where it is
	// zero. The identity is that of the sign-in or the last step-up: a role or group that was taken away in Entra is in it until the
	// session ends. It has no roles where the tenant is not among Tenants, because they are its administrator's. It must be safe for
	// concurrent use.
	Resolve func(ctx context.Context, who Identity) (*User, error)
	// Policy is who may what; zero is [DefaultPolicy].
	Policy Policy
	// Sessions keep sessions; nil is a sealed cookie.
	Sessions Sessions
	// Revocations remember which sessions have ended. Nil is the memory of this process: then a sign-out on one instance leaves a
	// copy of the cookie good on the others, until it is over by itself.
	Revocations Revocations
	// TTL is how long a session lasts at most, Idle how long without being used: 0 is 12 hours and one hour.
	TTL, Idle time.Duration
	// ACR is the authentication context of Conditional Access, such as "c1", that a step-up must satisfy. Empty means that the
	// person gives their credentials again.
	ACR string
	// Home is the path of the host to go to where nothing else was asked for; empty means "/". SignedOut is the same after a
	// sign-out; empty means a page of ours. FactorPath is the page of the host where somebody with "Use MFA" gives the second
	// factor, to which [SSO.Require] sends them; empty sends them nowhere.
	Home, SignedOut, FactorPath string
	// Forbidden answers who is signed in and may not; nil is a line of text with the status 403.
	Forbidden http.Handler
	// Auditor gets what happened; nil is nobody.
	Auditor Auditor
	// Brand is how the pages look. Zero means an unnamed helpdesk.
	Brand mspkit.Brand
	// Texts replaces texts of the pages, as [ConsentOptions.Texts] does.
	Texts fs.FS
	// Locale is for browsers that ask for no language we have. Empty means English.
	Locale string
	// HTTPClient asks the token endpoint; nil is one of our own. Redirects are refused.
	HTTPClient *http.Client
	// Logger gets faults; nil discards.
	Logger *slog.Logger
	// Now is the clock; nil is time.Now.
	Now func() time.Time
}

func (o *SSOOptions) prepare() error {
	if o.Cloud == (Cloud{}) {
		o.Cloud = PublicCloud()
	}
	if o.Policy == (Policy{}) {
		o.Policy = DefaultPolicy()
	}
	if o.TTL == 0 {
		o.TTL = defaultSessionTTL
	}
	if o.Idle == 0 {
		o.Idle = min(defaultSessionIdle, max(0, o.TTL))
	}
	if o.Home == "" {
		o.Home = "/"
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Revocations == nil {
		o.Revocations = NewMemory()
	}
	errs := []error{o.Cloud.Validate(), validURL("BaseURL", o.BaseURL, true), validName("owner", o.Owner)}
	fault := func(text string) { errs = append(errs, fmt.Errorf("entra: sso: %s: %w", text, mspkit.ErrInvalid)) }
	if len(o.Tenants) == 0 {
		fault("Tenants must name the tenants whose people may sign in")
	}
	o.Tenants = slices.Clone(o.Tenants)
	for i, t := range o.Tenants {
		id, err := CanonicalID(t)
		if o.Tenants[i] = id; err != nil || id == consumers {
			fault(fmt.Sprintf("tenant %d of Tenants is not the id of an organisation", i+1))
		}
	}
	if o.Resolve == nil {
		fault("Resolve is required")
	}
	if o.TTL < 0 || o.TTL > maxSessionTTL || o.Idle < 0 || o.Idle > o.TTL {
		fault("TTL must be at most 30 days, and Idle at most TTL")
	}
	if _, err := askClaims("", o.ACR); err != nil {
		errs = append(errs, err)
	}
	for name, at := range map[string]string{"Home": o.Home, "SignedOut": o.SignedOut, "FactorPath": o.FactorPath} {
		if _, err := returnTo(at); err != nil && at != "" {
			fault(name + " is not a path of this host")
		}
	}
	return errors.Join(errs...)
}

// handlerFunc is what [SSO.On] registers.
type handlerFunc func(w http.ResponseWriter, r *http.Request, a Answer, err error)

// SSO signs people in by Microsoft Entra and says in the context of each request who it is. It is safe for concurrent use once
// [SSO.Handler] was called, and any instance with the same ring, owner and [Revocations] goes on with what another one began. Use
// [NewSSO].
type SSO struct {
	o        SSOOptions
	flow     *Flow
	sessions Sessions
	asks     *seal.Box // what the page of a step-up is for
	base     string    // the path of BaseURL
	kinds    map[string]handlerFunc
	built    bool
	site     *webpage.Site
	logouts  limiter
	verifier *Verifier
}

// NewSSO returns a sign-in for the application of the verifier. It reports all faults at once and does nothing on the network.
func NewSSO(v *Verifier, ring *mspkit.KeyRing, o *SSOOptions) (*SSO, error) {
	s := &SSO{verifier: v, kinds: map[string]handlerFunc{}}
	if o != nil {
		s.o = *o
	}
	if v == nil || ring == nil {
		return nil, fmt.Errorf("entra: sso: a verifier and a key ring are required: %w", mspkit.ErrInvalid)
	}
	err := s.o.prepare()
	flow, flowErr := NewFlow("sso-"+flowName(s.o.Owner), v, ring, &FlowOptions{
		Cloud: s.o.Cloud, ClientID: s.o.ClientID, Secret: s.o.Secret, Assertion: s.o.Assertion, RedirectURL: s.o.BaseURL + "/callback",
		HTTPClient: s.o.HTTPClient, Logger: s.o.Logger, Now: s.o.Now,
	})
	if err := errors.Join(err, flowErr); err != nil {
		return nil, err
	}
	u, err := url.Parse(s.o.BaseURL)
	if err != nil {
		return nil, fmt.Errorf("entra: sso: BaseURL: %w", mspkit.ErrInvalid)
	}
	s.flow, s.base = flow, u.EscapedPath()
	if s.asks, err = seal.New(ring, "entra/step-up"); err != nil {
		return nil, err
	}
	if s.sessions = s.o.Sessions; s.sessions == nil {
		s.sessions, err = newCookieSessions(ring, s.o.Owner, v.clientID, flow.secure, s.o.Now)
	}
	s.logouts = limiter{now: s.o.Now}
	return s, err
}

// flowName keeps the cookies and seals of owners apart.
func flowName(owner string) string {
	sum := sha256.Sum256([]byte(owner))
	return hex.EncodeToString(sum[:8])
}

// RedirectURL is the address that must be registered with the application as a redirect URI of the web platform.
func (s *SSO) RedirectURL() string { return s.o.BaseURL + "/callback" }

// SignedOutURL is where Entra sends the browser after a sign-out. It must be registered as a redirect URI as well, or the browser
// stays at Microsoft.
func (s *SSO) SignedOutURL() string { return s.o.BaseURL + "/signedout" }

// FrontChannelURL is what the application's "Front-channel logout URL" must be, for a sign-out elsewhere to end sessions here.
func (s *SSO) FrontChannelURL() string { return s.o.BaseURL + "/frontchannel-logout" }

// SignInPath is the path of the page that begins a sign-in. It takes the path to come back to as the parameter "to".
func (s *SSO) SignInPath() string { return s.base + "/signin" }

// SignOutPath is where a form of the host's posts to, to sign out.
func (s *SSO) SignOutPath() string { return s.base + "/signout" }

// LoginOrigins are the origins at Microsoft that forms lead to by a redirect, for the directive form-action of pages of the host
// with such a form.
func (s *SSO) LoginOrigins() []string { return loginOrigins(s.o.Cloud) }

// audit hands an event over. It must not fail what was done.
func (s *SSO) audit(ctx context.Context, e Event) {
	if s.o.Auditor == nil {
		return
	}
	e.At, e.Owner = s.o.Now(), s.o.Owner
	if err := s.o.Auditor.Audit(context.WithoutCancel(ctx), e); err != nil {
		s.o.Logger.ErrorContext(ctx, "entra: an event could not be audited", slog.String("kind", string(e.Kind)), slog.Any("error", err))
	}
}

// refused audits why a sign-in was refused. Tenant and object are those of a token that was checked, or nothing.
func (s *SSO) refused(ctx context.Context, err error) Reason {
	r := ReasonOf(err)
	e := Event{Kind: EventSignInRefused, Reason: string(r)}
	if x, ok := errors.AsType[*refusal](err); ok && x.who != nil {
		e.TenantID, e.ObjectID = x.who.TenantID, x.who.ObjectID
	}
	s.audit(ctx, e)
	if r == ReasonFailed || r == ReasonUnavailable || r == ReasonCredentials {
		s.o.Logger.WarnContext(ctx, "entra: a sign-in failed", slog.String("reason", string(r)), slog.Any("error", err))
	}
	return r
}
