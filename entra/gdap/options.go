package gdap

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/entra"
)

// Options are those of [NewPartner]. PartnerTenant, ClientID and one of Secret and Assertion are required.
type Options struct {
	// Cloud is the Microsoft cloud; zero is the public one.
	Cloud entra.Cloud
	// PartnerTenant is the id of the partner's own tenant of Microsoft 365.
	PartnerTenant string
	// ClientID is the id of the multi-tenant app registration in the partner's tenant.
	ClientID string
	// Secret is its client secret: the value, not the id.
	Secret mspkit.Redacted[string]
	// Assertion proves the application in place of a secret: it returns a JWT for the audience, which is the address of the
	// token endpoint that is asked, or the token of a federated identity. The text of its errors is not repeated. It must be
	// safe for concurrent use.
	Assertion func(ctx context.Context, audience string) (string, error)
	// Name is what the refresh token is stored under; empty is a name of the partner's tenant and the owner. The token is sealed
	// for this name, tenant and owner and does not open elsewhere: an owner who names another's partner tenant as their own does
	// not get its refresh token.
	Name string

	// Exclusive redeems the refresh token one at a time, across all instances that share the store, which costs two more
	// writes per token. Entra leaves a refresh token valid after it was used, so that this is not needed
	// (https://learn.microsoft.com/entra/identity-platform/refresh-tokens). Set it where that is not so.
	Exclusive bool

	// Owner is the owner of the sign-in and of the connections that this partner makes, such as the MSP, and Connections where
	// they are kept. [Partner.Connect] and [Partner.Refresh] need both. A platform of several MSPs always sets Owner.
	Owner       string
	Connections entra.ConnectionStore

	// Roles are what every customer's relationships must hold, nil is [RequiredRoles]; one role at least.
	Roles []Role
	// AcceptCloudAdministrator takes the role Cloud Application Administrator for Application Administrator. It does not
	// manage the application proxy, which nothing here needs.
	AcceptCloudAdministrator bool
	// Warn is how long before its end a relationship is warned about that does not extend itself. 0 is 30 days; negative is
	// never.
	Warn time.Duration
	// SkipContracts does not ask for the reseller's contracts. Partners without any, and applications without the
	// permission Directory.Read.All, set it; the domains of customers are not known then.
	SkipContracts bool

	// AppName is what [Partner.Consent] calls the application; empty is "mspkit".
	AppName string
	// Lag is how long [Partner.Consent] and [Partner.Replace] wait for Microsoft's directories to agree after a change. 0 is
	// 90 s; negative does not wait.
	Lag time.Duration

	// MaxTokens is how many access tokens are kept. 0 is 4,096; it cannot be turned off.
	MaxTokens int
	// HTTPClient sends the requests; nil is one of our own. Redirects are refused.
	HTTPClient *http.Client
	// Logger gets what goes wrong beside a call; nil discards. It is given no token.
	Logger *slog.Logger
	// Now is the clock; nil is time.Now. Those of all instances must be within a minute of each other.
	Now func() time.Time
}

const (
	defaultWarn   = 30 * 24 * time.Hour
	defaultLag    = 90 * time.Second
	defaultTokens = 4096
	// maxLag bounds what a caller can be kept waiting.
	maxLag = 10 * time.Minute
)

// prepare fills in what is left out and reports all faults at once.
func (o *Options) prepare() error {
	if o.Cloud == (entra.Cloud{}) {
		o.Cloud = entra.PublicCloud()
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	errs := []error{o.Cloud.Validate()}
	fault := func(format string, args ...any) {
		errs = append(errs, fmt.Errorf("gdap: %s: %w", fmt.Sprintf(format, args...), mspkit.ErrInvalid))
	}
	var err error
	if o.PartnerTenant, err = entra.CanonicalID(o.PartnerTenant); err != nil {
		fault("PartnerTenant is not the id of a tenant")
	}
	if o.ClientID, err = entra.CanonicalID(o.ClientID); err != nil {
		fault("ClientID is not the id of an application")
	}
	if (o.Secret.Reveal() == "") == (o.Assertion == nil) {
		fault("exactly one of Secret and Assertion is needed")
	}
	if o.Name == "" {
		o.Name = "gdap/" + o.PartnerTenant
		if o.Owner != "" {
			sum := sha256.Sum256([]byte(o.Owner)) // which may be as long as a name may be
			o.Name += "/" + hex.EncodeToString(sum[:16])
		}
	}
	if mspkit.TenantID(o.Name).Validate() != nil {
		fault("Name must be 1 to %d bytes of printable text without spaces at its ends", mspkit.MaxID)
	}
	if (o.Connections != nil || o.Owner != "") && mspkit.TenantID(o.Owner).Validate() != nil {
		fault("Owner, which Connections need, must be 1 to %d bytes of printable text without spaces at its ends", mspkit.MaxID)
	}
	errs = append(errs, o.prepareRoles())
	if o.MaxTokens < 0 {
		fault("MaxTokens cannot be turned off")
	}
	if o.Lag > maxLag {
		fault("Lag is longer than %s", maxLag)
	}
	if o.AppName == "" {
		o.AppName = "mspkit"
	}
	defaultTo(&o.Warn, defaultWarn)
	defaultTo(&o.Lag, defaultLag)
	defaultTo(&o.MaxTokens, defaultTokens)
	return errors.Join(errs...)
}

func defaultTo[T int | time.Duration](v *T, d T) {
	if *v == 0 {
		*v = d
	}
}
