package changefeed

import (
	"context"
	"crypto"
	"crypto/fips140"
	"crypto/rsa"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/entra/azurecred"
)

// App is who subscribes.
type App struct {
	// IDs are the app ids that tokens in notifications may be for. At least one.
	IDs []string
	// URL is where this handler is reached from outside: https://h/graph. It is https without query and fragment, or http on
	// loopback for a stand-in of Graph.
	URL string
}

// Defaults of [Options].
const (
	DefaultMaxBody       = 8 << 20
	DefaultBudget        = 3 * time.Second
	DefaultHandleTimeout = 30 * time.Second
	DefaultReadTimeout   = 30 * time.Second
	DefaultWorkers       = 16
	DefaultKeep          = 7 * 24 * time.Hour
	DefaultGiveUp        = 24 * time.Hour
	DefaultRotate        = 90 * 24 * time.Hour
)

// Options are the settings of a [Feed]. Nil and the zero value are fine.
type Options struct {
	// Cloud is the Microsoft cloud; zero is the public one.
	Cloud azurecred.Cloud
	// HTTPClient sends the requests; nil is a client of our own. Redirects are refused in any case.
	HTTPClient *http.Client
	// Queue has conversations worked on, on this machine or another one; nil is a loop in this process, within [Feed.Run].
	Queue mspkit.Queue
	// Workers is how many conversations are worked on at once without a Queue: 0 is [DefaultWorkers]. Handlers that are slow
	// in as many conversations hold up all others.
	Workers int

	// MaxBody is the largest POST in bytes: 0 is [DefaultMaxBody]. It cannot be turned off. What is read of all POSTs at once is at
	// most 16 times as much; beyond that they get 503.
	MaxBody int
	// Budget is the time for reading, checking and storing a POST, after which Graph gets 503 and repeats it: 0 is
	// [DefaultBudget], which is what Graph asks for. It cannot be turned off.
	Budget time.Duration

	// Publisher is the application that tokens in notifications come from; empty is [DefaultPublisher].
	Publisher string
	// Metadata is the OpenID metadata that names the keys of those tokens; empty is that of the cloud.
	Metadata string
	// Issuers are the issuers of those tokens, with {tenant} in the place of the tenant's id; none are those of the cloud.
	Issuers []string

	// Certificates are the host's own for rich notifications: new and renewed subscriptions use the first, all open what
	// comes. None has the feed make one, and the next one when it is Rotate old: 0 is [DefaultRotate], at least a day.
	Certificates []OwnCertificate
	Rotate       time.Duration

	// ReadUsers reads users that have changed, which Graph does not send; without it a [UserChange] has the id only.
	// ReadPresence does the same for presence that Graph sends without saying what it is.
	ReadUsers, ReadPresence bool
	// HandleTimeout bounds one call of the sink: 0 is [DefaultHandleTimeout]. ReadTimeout bounds what comes before it, such as
	// a call to Graph: 0 is [DefaultReadTimeout]. They cannot be turned off. The conversation that an instance has in hand when it
	// dies waits for one and a half times both.
	HandleTimeout, ReadTimeout time.Duration
	// GiveUp is after how long a notification that cannot be handled is a dead letter: 0 is [DefaultGiveUp], negative is never.
	GiveUp time.Duration
	// Keep is how long events that were handed over are remembered, so that they are not handed over again: 0 is
	// [DefaultKeep]. It is at least a day.
	Keep time.Duration
	// OnDead is told of a dead letter, after it was stored; nil is the log alone. It is not told where the process dies just
	// then: see [Feed.Backlog].
	OnDead func(ctx context.Context, d DeadLetter)

	// Subscriptions are the settings for keeping them.
	Subscriptions KeepOptions

	// Meter gets the numbers that the package documentation lists; nil drops them.
	Meter mspkit.Meter
	// Logger gets what is refused and given up; nil discards. It gets ids, never what a notification says.
	Logger *slog.Logger
	// Now is the clock; nil is [time.Now].
	Now func() time.Time
}

// OwnCertificate is a certificate of the host's for rich notifications.
type OwnCertificate struct {
	// ID is 1 to 128 printable characters of ASCII, never used for another certificate. It is not secret.
	ID string
	// DER is the X.509 certificate, with an RSA key of 2048 to 4096 bits. It may be self-signed.
	DER []byte
	// Key opens what was encrypted for it: an [*rsa.PrivateKey], or a key in a vault that does RSA-OAEP with SHA-1. It must be
	// safe for concurrent use.
	Key crypto.Decrypter
}

func (a App) validate() error {
	var errs []error
	if len(a.IDs) == 0 {
		errs = append(errs, fmt.Errorf("an app id is needed: %w", mspkit.ErrInvalid))
	}
	for _, id := range a.IDs {
		if _, err := azurecred.CanonicalID(id); err != nil {
			errs = append(errs, fmt.Errorf("an app id: %w", err))
		}
	}
	u, err := url.Parse(a.URL)
	switch {
	case err != nil, u.Host == "", u.User != nil, strings.ContainsAny(a.URL, "?#"):
		errs = append(errs, fmt.Errorf("App.URL is not a plain URL such as https://host/graph: %w", mspkit.ErrInvalid))
	case u.Scheme != "https" && (u.Scheme != "http" || !loopback(u.Hostname())):
		errs = append(errs, fmt.Errorf("App.URL must be https: Graph sends to nothing else: %w", mspkit.ErrInvalid))
	}
	return errors.Join(errs...)
}

func loopback(host string) bool { return host == "localhost" || host == "127.0.0.1" || host == "::1" }

// complete fills in the defaults and reports all that is wrong.
func (o *Options) complete() error {
	var errs []error
	bad := func(format string, args ...any) {
		errs = append(errs, fmt.Errorf("Options."+format+": %w", append(args, mspkit.ErrInvalid)...))
	}
	if o.Cloud == (azurecred.Cloud{}) {
		o.Cloud = azurecred.PublicCloud()
	}
	errs = append(errs, o.Cloud.Validate())
	span := func(name string, d *time.Duration, std, least time.Duration, off bool) {
		switch {
		case *d == 0:
			*d = std
		case *d < 0 && off:
			*d = -1
		case *d < least:
			bad("%s must be at least %s, it is %s", name, least, *d)
		}
	}
	span("Budget", &o.Budget, DefaultBudget, 10*time.Millisecond, false)
	span("HandleTimeout", &o.HandleTimeout, DefaultHandleTimeout, time.Millisecond, false)
	span("ReadTimeout", &o.ReadTimeout, DefaultReadTimeout, time.Millisecond, false)
	span("GiveUp", &o.GiveUp, DefaultGiveUp, time.Minute, true)
	span("Keep", &o.Keep, DefaultKeep, 24*time.Hour, false)
	span("Rotate", &o.Rotate, DefaultRotate, 24*time.Hour, false)
	count := func(name string, n *int, std int) {
		if *n == 0 {
			*n = std
		}
		if *n < 0 {
			bad("%s cannot be turned off", name)
		}
	}
	count("MaxBody", &o.MaxBody, DefaultMaxBody)
	count("Workers", &o.Workers, DefaultWorkers)
	if o.Publisher == "" {
		o.Publisher = DefaultPublisher
	}
	if _, err := azurecred.CanonicalID(o.Publisher); err != nil {
		bad("Publisher is no app id")
	}
	if o.Metadata == "" {
		o.Metadata = o.Cloud.Login + "/common/.well-known/openid-configuration"
	}
	if len(o.Issuers) == 0 {
		o.Issuers = []string{"https://sts.windows.net/{tenant}/", o.Cloud.Login + "/{tenant}/v2.0"}
		if strings.HasSuffix(o.Cloud.Login, ".cn") {
			o.Issuers[0] = "https://sts.chinacloudapi.cn/{tenant}/"
		}
	}
	for _, i := range o.Issuers {
		if !strings.Contains(i, "{tenant}") {
			bad("Issuers has one without {tenant}: tokens of every tenant would pass for each other's")
		}
	}
	errs = append(errs, o.Subscriptions.complete(), o.Subscriptions.fips(fips140.Enforced()))
	o.Certificates = slices.Clone(o.Certificates) // the host may go on with its own
	for i, c := range o.Certificates {
		if err := c.validate(); err != nil {
			errs = append(errs, fmt.Errorf("Options.Certificates, number %d: %w", i+1, err))
		}
		if slices.ContainsFunc(o.Certificates[:i], func(d OwnCertificate) bool { return d.ID == c.ID }) {
			bad("Certificates has two with the same id")
		}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return errors.Join(errs...)
}

// fips refuses content where it cannot be opened, rather than make a dead letter of each notification.
func (o *KeepOptions) fips(enforced bool) error {
	if !enforced {
		return nil
	}
	for _, k := range []Kind{ChatMessage, ChannelMessage, Presence} {
		if !slices.Contains(o.Basic, k) {
			return fmt.Errorf("Options.Subscriptions.Basic must name %s: this program runs in FIPS 140-only mode, which refuses the RSA-OAEP with SHA-1 that Graph encrypts with: %w", k, mspkit.ErrInvalid)
		}
	}
	return nil
}

func (c OwnCertificate) validate() error {
	if c.ID == "" || len(c.ID) > maxCertificateID || strings.ContainsFunc(c.ID, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return fmt.Errorf("the id must be 1 to %d printable characters: %w", maxCertificateID, mspkit.ErrInvalid)
	}
	public, err := publicKey(c.DER)
	if err != nil {
		return err
	}
	if c.Key == nil {
		return fmt.Errorf("it has no key: %w", mspkit.ErrInvalid)
	}
	if own, ok := c.Key.Public().(*rsa.PublicKey); !ok || !own.Equal(public) {
		return fmt.Errorf("the key is not that of the certificate: %w", mspkit.ErrInvalid)
	}
	return nil
}
