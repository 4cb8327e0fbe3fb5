package mfa

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"path"
	"strings"
	"time"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/entra"
	"github.com/mspkit/mspkit/internal/cleantext"
	"github.com/mspkit/mspkit/internal/seal"
	"github.com/mspkit/mspkit/internal/sealed"
	"github.com/mspkit/mspkit/internal/totp"
	"github.com/mspkit/mspkit/internal/webpage"
)

const (
	defaultFresh   = 10 * time.Minute
	maxFresh       = time.Hour
	defaultTTL     = 10 * time.Minute
	maxTTL         = time.Hour
	defaultTries   = 5
	maxTries       = 20
	defaultPause   = time.Minute
	longestPause   = time.Hour
	defaultPath    = "/mfa"
	defaultName    = "Helpdesk"
	maxDisplayName = 64
)

// Options are those of a [Service]. RPID, Origins and Passed are required.
type Options struct {
	// RPID is what passkeys belong to: the host name of the origins or a domain above it, such as "msp.example". It cannot be
	// changed later without that every passkey is lost.
	RPID string
	// Origins are where the pages are opened, such as "https://desk.msp.example". http is for loopback names and addresses.
	Origins []string
	// Passed is called when a second factor was seen, before the answer is written, so that the session can remember it: the
	// next [entra.User] of the session must have Factor set. (*entra.SSO).NoteFactor fits. Where it fails, the person is told
	// to try again.
	Passed func(w http.ResponseWriter, r *http.Request) error
	// User returns who is signed in; nil is [entra.UserOf]. Owner, ID and Session must be set, AuthTime for a first factor.
	User func(ctx context.Context) *entra.User
	// EndSessions ends all sessions of somebody whose factors an admin has reset. Without it [Service.Reset] refuses.
	EndSessions func(ctx context.Context, owner, user string) error

	// Name is what authenticators show: default the name of the brand, or "Helpdesk".
	Name string
	// Path is where the host serves [Service.Handler]: default "/mfa". Home is where somebody goes who came from nowhere, and
	// SignIn where they sign in anew: both default "/". All are paths of the host.
	Path, Home, SignIn string
	// Fresh is how long ago a factor, or the sign-in before a first one, may have been seen for a change of factors: default 10
	// minutes, at most an hour.
	Fresh time.Duration
	// TTL is how long an enrolment or a challenge may take: default 10 minutes, at most an hour.
	TTL time.Duration
	// MaxTries is how many wrong tries in a row are allowed: default 5, at most 20. With the last the person is locked for
	// Pause, default a minute; each further wrong try doubles that, to an hour at most.
	MaxTries int
	Pause    time.Duration
	// Skew is how many steps of 30 seconds the clock of an authenticator app may be off, to both sides: default 1, at most 2;
	// negative means none.
	Skew int

	// Auditor is told what happened; nil tells nobody.
	Auditor entra.Auditor
	// Brand and Locale are those of the pages, Texts replaces texts of them: files such as "de.json" at its root, with some of
	// the keys of this package's own files, or with all keys for a new language.
	Brand  mspkit.Brand
	Locale string
	Texts  fs.FS
	// Logger takes faults; nil discards. Now is the clock; nil is time.Now.
	Logger *slog.Logger
	Now    func() time.Time
}

// Service keeps second factors and asks for them. It is safe for concurrent use, by any number of instances on one store. Use
// [New].
type Service struct {
	o          Options
	store      Store
	cell       *sealed.Cell[state]
	challenges *seal.Box
	recovery   *totp.Recovery
	web        *webauthn.WebAuthn
	secure     bool
}

// New returns a service whose records are in store, sealed under ring. Both and some of the options are required. All faults are
// reported together, as [mspkit.ErrInvalid].
func New(store Store, ring *mspkit.KeyRing, o *Options) (*Service, error) {
	s := &Service{store: store}
	if o != nil {
		s.o = *o
	}
	errs := s.prepare()
	fault := func(text string) { errs = append(errs, fmt.Errorf("mfa: new: %s: %w", text, mspkit.ErrInvalid)) }
	if store == nil {
		fault("a store is required")
	}
	if ring == nil {
		fault("a key ring is required")
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	box, err := seal.New(ring, "entra/mfa")
	if err != nil {
		return nil, err
	}
	s.cell = sealed.New[state](box, s.get, s.swap, ErrConflict)
	if s.challenges, err = seal.New(ring, "entra/mfa/challenge"); err != nil {
		return nil, err
	}
	if s.recovery, err = totp.NewRecovery(ring, "entra/mfa"); err != nil {
		return nil, err
	}
	s.web, err = webauthn.New(&webauthn.Config{
		RPID: s.o.RPID, RPDisplayName: s.o.Name, RPOrigins: s.o.Origins,
		AttestationPreference: protocol.PreferNoAttestation,
		AuthenticatorSelection: protocol.AuthenticatorSelection{
			ResidentKey: protocol.ResidentKeyRequirementPreferred, UserVerification: protocol.VerificationRequired,
		},
		// Extensions are neither asked for nor looked at, and password managers return some unasked.
		ExtensionsUnsolicitedOutputPolicy: protocol.UnsolicitedOutputPolicyIgnore,
	})
	if err != nil {
		return nil, fmt.Errorf("mfa: new: %w: %w", err, mspkit.ErrInvalid)
	}
	return s, nil
}

func (s *Service) get(ctx context.Context, place ...string) ([]byte, int64, error) {
	return s.store.Get(ctx, place[0], place[1])
}

func (s *Service) swap(ctx context.Context, record []byte, rev int64, now time.Time, place ...string) error {
	return s.store.Swap(ctx, place[0], place[1], record, rev, now)
}

// prepare sets defaults and reports what cannot be used.
func (s *Service) prepare() (errs []error) {
	o := &s.o
	fault := func(format string, args ...any) {
		errs = append(errs, fmt.Errorf("mfa: new: "+format+": %w", append(args, mspkit.ErrInvalid)...))
	}
	orDefault := func(d *time.Duration, name string, instead, most time.Duration) {
		if *d == 0 {
			*d = instead
		}
		if *d < time.Second || *d > most {
			fault("Options.%s is %v, it must be a second to %v", name, *d, most)
		}
	}
	orDefault(&o.Fresh, "Fresh", defaultFresh, maxFresh)
	orDefault(&o.TTL, "TTL", defaultTTL, maxTTL)
	orDefault(&o.Pause, "Pause", defaultPause, longestPause)
	if o.MaxTries == 0 {
		o.MaxTries = defaultTries
	}
	if o.MaxTries < 1 || o.MaxTries > maxTries {
		fault("Options.MaxTries is %d, it must be 1 to %d", o.MaxTries, maxTries)
	}
	switch {
	case o.Skew == 0:
		o.Skew = totp.DefaultSkew
	case o.Skew < 0:
		o.Skew = 0
	case o.Skew > totp.MaxSkew:
		fault("Options.Skew is %d, at most %d is allowed", o.Skew, totp.MaxSkew)
	}
	for _, p := range []struct {
		at            *string
		name, instead string
	}{{&o.Path, "Path", defaultPath}, {&o.Home, "Home", "/"}, {&o.SignIn, "SignIn", "/"}} {
		if *p.at == "" {
			*p.at = p.instead
		}
		if !webpage.LocalPath(*p.at) {
			fault("Options.%s is not a path of the host", p.name)
		}
	}
	if path.Clean(o.Path) != o.Path || o.Path == "/" || strings.ContainsAny(o.Path, "?#%") {
		fault("Options.Path must be a plain path that is not the root and does not end in a slash")
	}
	if o.Passed == nil {
		fault("Options.Passed is required: else no session remembers the factor")
	}
	if o.User == nil {
		o.User = entra.UserOf
	}
	if o.Name == "" {
		o.Name = o.Brand.Name
	}
	if o.Name = cleantext.Line(o.Name, maxDisplayName); o.Name == "" {
		o.Name = defaultName
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Auditor == nil {
		o.Auditor = entra.AuditorFunc(func(context.Context, entra.Event) error { return nil })
	}
	return append(errs, s.prepareOrigins()...)
}

// prepareOrigins checks that passkeys of RPID can be used at every origin
// (https://www.w3.org/TR/webauthn-3/#relying-party-identifier).
func (s *Service) prepareOrigins() (errs []error) {
	fault := func(format string, args ...any) {
		errs = append(errs, fmt.Errorf("mfa: new: "+format+": %w", append(args, mspkit.ErrInvalid)...))
	}
	id := s.o.RPID
	if _, err := netip.ParseAddr(id); id == "" || id != strings.ToLower(id) || err == nil || strings.ContainsAny(id, ":/@?# ") {
		fault("Options.RPID must be a domain in small letters, without scheme and port")
	}
	if len(s.o.Origins) == 0 {
		fault("Options.Origins is required")
	}
	s.secure = true
	for _, origin := range s.o.Origins {
		u, err := url.Parse(origin)
		if err != nil || u.Host == "" || u.Scheme+"://"+u.Host != origin || (u.Scheme != "https" && u.Scheme != "http") {
			fault("the origin %q must be a scheme and a host, with nothing behind", origin)
			continue
		}
		host := u.Hostname()
		if u.Scheme == "http" {
			s.secure = false
			if ip := net.ParseIP(host); host != "localhost" && !strings.HasSuffix(host, ".localhost") && !ip.IsLoopback() {
				fault("the origin %q must have https", origin)
			}
		}
		if host != id && !strings.HasSuffix(host, "."+id) {
			fault("the origin %q is not of the domain %q", origin, id)
		}
	}
	return errs
}
