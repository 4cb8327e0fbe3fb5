package accounts

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/entra"
)

const (
	// defaultInviteTTL is how long an invitation is good, maxInviteTTL how long at most.
	defaultInviteTTL = 7 * 24 * time.Hour
	maxInviteTTL     = 30 * 24 * time.Hour
	// defaultBootstrapTTL is how long the link by which the first admin comes is good, maxBootstrapTTL how long at most.
	defaultBootstrapTTL = time.Hour
	maxBootstrapTTL     = 24 * time.Hour
	// maxOpen is how many invitations of an owner may be open.
	maxOpen = 1000
	// keepInvitations is how long an invitation is listed after its time is over.
	keepInvitations = 90 * 24 * time.Hour
)

// RoleSource says where the role of a technician comes from.
type RoleSource uint8

// The sources.
const (
	// RolesStored takes the role of the account only. Roles in tokens say nothing.
	RolesStored RoleSource = iota
	// RolesFromEntra takes the highest of the application's roles in the id token, and that of the account where the token has none.
	RolesFromEntra
	// RolesRequired takes that of the id token, and refuses with [ErrNoRole] where it has none. The protection of the last admin goes
	// by the roles of the accounts all the same.
	RolesRequired
)

// Options are those of [New]. Owner, TenantID and BaseURL are required.
type Options struct {
	// Owner is the MSP, the same as [entra.SSOOptions.Owner]. Several share a [Store] and have a [Service] each.
	Owner string
	// TenantID is the id of the MSP's own tenant in Entra, of which technicians must be.
	TenantID string
	// BaseURL is where [Service.Handler] is reached: https://msp.example/accounts. http is for loopback addresses.
	BaseURL string
	// ClientTenants returns the ids of the tenants in Entra of a client, whose people may be let into the portal, such as those of the
	// connections of an [entra.ConnectionStore]. It is asked for every request of the portal. Nil means that there is no portal. It must be
	// safe for concurrent use.
	ClientTenants func(ctx context.Context, client mspkit.TenantID) ([]string, error)

	// Roles says where roles come from; zero is the accounts.
	Roles RoleSource
	// Policy is the table of who may what; zero is [entra.DefaultPolicy].
	Policy entra.Policy
	// PortalPolicy is what people of the portal may, as [entra.RoleTechnician] with [entra.UIPod]; zero is nothing, so that a portal asks
	// who is signed in and nothing else.
	PortalPolicy entra.Policy
	// MFA is whether those whose account does not say anything else need a second factor of the host's. False is right where Entra
	// demands one.
	MFA bool

	// InviteTTL is how long an invitation is good; 0 means 7 days, more than 30 are refused.
	InviteTTL time.Duration
	// BootstrapTTL is how long the link for the first admin is good; 0 means an hour, more than a day is refused.
	BootstrapTTL time.Duration
	// Send mails an invitation, such as with the templates mail.TechnicianInvitation and mail.PortalInvitation, which take the link, the
	// time that is left until ExpiresAt, Name, ByName and the role. The link is a secret and must not be logged. Where it fails the
	// invitation is revoked and [Service.Invite] returns its error. Nil means that whoever invites hands the link over by themselves. It
	// must be safe for concurrent use.
	Send func(ctx context.Context, inv Invitation, link mspkit.Redacted[string]) error
	// Changed is called after an account was changed or removed, with how it was and how it is; after is zero where it is gone. It is not
	// called for what comes of an invitation. A host ends sessions of its own here; those of the SSO end by [Service.Resolve]. Where an
	// account is gone, second factors that are kept of its id must go as well (mfa.Service.Forget), or whoever gets the id later has them.
	// Nil does nothing. It must be safe for concurrent use.
	Changed func(ctx context.Context, before, after Account)

	// Auditor keeps who did what to whom; nil keeps nothing.
	Auditor entra.Auditor
	// Logger gets faults; nil discards.
	Logger *slog.Logger
	// Now is the clock; nil is time.Now.
	Now func() time.Time
}

func (o *Options) prepare() error {
	if o.Policy == (entra.Policy{}) {
		o.Policy = entra.DefaultPolicy()
	}
	if o.PortalPolicy == (entra.Policy{}) {
		o.PortalPolicy = entra.Policy{}.With(entra.RoleAdmin, entra.PermissionPod) // which they are not, but it is a policy
	}
	if o.InviteTTL == 0 {
		o.InviteTTL = defaultInviteTTL
	}
	if o.BootstrapTTL == 0 {
		o.BootstrapTTL = defaultBootstrapTTL
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	errs := []error{validName("owner", o.Owner), validBase(o.BaseURL)}
	fault := func(text string) { errs = append(errs, fmt.Errorf("accounts: %s: %w", text, mspkit.ErrInvalid)) }
	id, err := entra.CanonicalID(o.TenantID)
	if o.TenantID = id; err != nil {
		fault("TenantID is not the id of a tenant")
	}
	if o.Roles > RolesRequired {
		fault("Roles is none of the sources")
	}
	if o.InviteTTL < 0 || o.InviteTTL > maxInviteTTL {
		fault("InviteTTL must be at most 30 days")
	}
	if o.BootstrapTTL < 0 || o.BootstrapTTL > maxBootstrapTTL {
		fault("BootstrapTTL must be at most a day")
	}
	return errors.Join(errs...)
}

// validBase accepts https, and http on loopback addresses.
func validBase(base string) error {
	u, err := url.Parse(base)
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.ForceQuery || strings.Contains(base, "#") || strings.HasSuffix(base, "/") {
		return fmt.Errorf("accounts: BaseURL must be an address without query and without a slash at its end: %w", mspkit.ErrInvalid)
	}
	ip, err := netip.ParseAddr(u.Hostname())
	loopback := u.Hostname() == "localhost" || err == nil && ip.IsLoopback()
	if u.Scheme != "https" && (u.Scheme != "http" || !loopback) {
		return fmt.Errorf("accounts: BaseURL must be https: %w", mspkit.ErrInvalid)
	}
	return nil
}

// tenantsFor returns whose people may accept what is of that kind.
func (s *Service) tenantsFor(ctx context.Context, k Kind, client mspkit.TenantID) ([]string, error) {
	if k != Portal {
		return []string{s.o.TenantID}, nil
	}
	if s.o.ClientTenants == nil {
		return nil, fmt.Errorf("accounts: there is no portal: ClientTenants is missing: %w", mspkit.ErrInvalid)
	}
	ids, err := s.o.ClientTenants(ctx, client)
	if err != nil {
		return nil, fmt.Errorf("accounts: the tenants of a client: %w", err)
	}
	out := make([]string, 0, len(ids))
	for _, id := range ids {
		if id, err := entra.CanonicalID(id); err == nil && !slices.Contains(out, id) {
			out = append(out, id)
		}
	}
	return out, nil
}
