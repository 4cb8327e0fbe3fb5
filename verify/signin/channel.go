package signin

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strconv"
	"strings"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/entra"
	"github.com/mspkit/mspkit/internal/token"
	"github.com/mspkit/mspkit/verify"
)

// prefix stands in front of the canonical address. It keeps who signed in apart from who pressed a button in Teams, whose
// addresses are spelled alike otherwise: what Teams says of a person is no sign-in.
const prefix = "signin:"

// Carrier brings the link to the contact. d is what the service gave to the channel, with the link in it; d.To is the identity,
// "tenant id/object id". It must be safe for concurrent use, and its errors are those of [verify.Channel].
//
// The link is no secret: whoever has it must still sign in as the contact. It may be sent anywhere, or shown to the technician to be
// pasted into a chat.
type Carrier interface {
	Carry(ctx context.Context, d verify.Delivery) (verify.Receipt, error)
}

// CarrierFunc is a function as a [Carrier].
type CarrierFunc func(ctx context.Context, d verify.Delivery) (verify.Receipt, error)

// Carry calls f.
func (f CarrierFunc) Carry(ctx context.Context, d verify.Delivery) (verify.Receipt, error) {
	return f(ctx, d)
}

// Via returns a carrier that sends links over another channel, such as mail or text messages. address returns where a person is
// reached on it, by their identity "tenant id/object id"; "" is nowhere. Both are required, and the channel must be one that only
// delivers: on a [verify.Authenticator] or [verify.Checker] the contact would answer without a sign-in.
func Via(ch verify.Channel, address func(ctx context.Context, tenant mspkit.TenantID, identity string) (string, error)) (Carrier, error) {
	if ch == nil || address == nil {
		return nil, fmt.Errorf("signin: via: a channel and addresses are required: %w", mspkit.ErrInvalid)
	}
	if a, ok := ch.(verify.Authenticator); ok && a.Authenticates() {
		return nil, fmt.Errorf("signin: via: the channel takes answers itself, without a sign-in: %w", mspkit.ErrInvalid)
	}
	if _, ok := ch.(verify.Checker); ok {
		return nil, fmt.Errorf("signin: via: the channel delivers nothing: %w", mspkit.ErrInvalid)
	}
	return CarrierFunc(func(ctx context.Context, d verify.Delivery) (verify.Receipt, error) {
		to, err := address(ctx, d.Ref.Tenant, d.To)
		if err != nil {
			return verify.Receipt{}, &verify.DeliveryError{Reason: "where to send the link could not be found out", Err: err}
		}
		if to = strings.TrimSpace(to); to == "" {
			return verify.Receipt{}, &verify.DeliveryError{Reason: "no address is on record to send the link to", Permanent: true}
		}
		if c, ok := ch.(verify.Canonicalizer); ok {
			if to, err = c.Canonical(to); err != nil {
				return verify.Receipt{}, &verify.DeliveryError{Reason: "the address to send the link to cannot be used", Permanent: true, Err: err}
			}
		}
		d.To = to
		return ch.Deliver(ctx, d)
	}), nil
}

// Options are the parts of a [Channel] beyond the required ones. Nil and the zero value are fine.
type Options struct {
	// ACR makes the channel one of [verify.AssuranceStrong]: it returns the authentication context of Conditional Access, "c1"
	// to "c99", that the people of a tenant must have satisfied, as the claim acrs of their sign-in must say. Empty is a tenant
	// that has set up none: the channel then delivers nothing there, and the next way is taken. It must be safe for concurrent
	// use.
	//
	// What a context demands is the business of the tenant's administrator. Entra also puts a context into acrs where no policy is
	// assigned to it (https://learn.microsoft.com/entra/identity-platform/developer-guide-conditional-access-authentication-context),
	// so name only one that is known to have a policy for these people.
	ACR func(ctx context.Context, tenant mspkit.TenantID) (string, error)
}

// Channel is a [verify.Channel] on which the contact signs in to their own tenant of Microsoft 365 before they type the number.
// Addresses are "tenant id/object id", as those of Teams. It is safe for concurrent use where the carrier is. Use [New].
type Channel struct {
	via     Carrier
	tenants func(ctx context.Context, tenant mspkit.TenantID) (string, error)
	links   *token.Codec
	base    string
	o       Options
}

var (
	_ verify.Channel       = (*Channel)(nil)
	_ verify.Assured       = (*Channel)(nil)
	_ verify.Canonicalizer = (*Channel)(nil)
	_ verify.Authenticator = (*Channel)(nil)
	_ verify.Supporter     = (*Channel)(nil)
)

// New returns a channel whose links go out by via. ring and baseURL are those of the service: the pages stand at baseURL with
// "/signin" behind it. tenants returns the id in Entra of a tenant, "" where it has none: only people of that one are verified,
// whatever address somebody has written down. All are required, and all faults are reported together, as [mspkit.ErrInvalid].
func New(ring *mspkit.KeyRing, baseURL string, via Carrier, tenants func(ctx context.Context, tenant mspkit.TenantID) (string, error), o *Options) (*Channel, error) {
	c := &Channel{via: via, tenants: tenants}
	if o != nil {
		c.o = *o
	}
	var errs []error
	fault := func(text string) { errs = append(errs, fmt.Errorf("%s: %w", text, mspkit.ErrInvalid)) }
	if via == nil {
		fault("a carrier of links is required")
	}
	if tenants == nil {
		fault("the tenants in Entra are required")
	}
	var ok bool
	if c.base, ok = pagesAt(baseURL); !ok {
		fault("the base URL must be the service's, such as https://host/path")
	}
	if ring == nil {
		fault("a key ring is required")
	} else {
		var err error
		c.links, err = token.NewCodec(ring, "verify/signin/link")
		errs = append(errs, err)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("signin: new: %w", err)
	}
	return c, nil
}

// pagesAt returns where the pages of a service with this base URL stand.
func pagesAt(base string) (string, bool) {
	u, err := url.Parse(base)
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return "", false
	}
	ip, _ := netip.ParseAddr(u.Hostname())
	if u.Scheme != "https" && (u.Scheme != "http" || u.Hostname() != "localhost" && !ip.IsLoopback()) {
		return "", false
	}
	return strings.TrimRight(base, "/") + "/signin", true
}

// Assurance returns [verify.AssuranceStrong] for a channel with Options.ACR, where nobody is confirmed whose sign-in does not prove
// the context, and else [verify.AssuranceSignIn].
func (c *Channel) Assurance() verify.Assurance {
	if c.o.ACR != nil {
		return verify.AssuranceStrong
	}
	return verify.AssuranceSignIn
}

// Authenticates returns true: the sign-in says who answers.
func (c *Channel) Authenticates() bool { return true }

// Supports returns true for [verify.MethodNumber] alone. A code would be read by whoever gets the message, and to check on a caller
// nobody should have to sign in.
func (c *Channel) Supports(m verify.Method) bool { return m == verify.MethodNumber }

// Canonical returns "signin:tenant id/object id" in lower case, for an address with and without what stands in front. The error is
// [mspkit.ErrInvalid] and does not repeat the address.
func (c *Channel) Canonical(address string) (string, error) {
	tid, oid, err := parse(address)
	if err != nil {
		return "", err
	}
	return prefix + tid + "/" + oid, nil
}

// parse returns the ids of an address in lower case.
func parse(address string) (tid, oid string, err error) {
	tid, oid, _ = strings.Cut(strings.TrimPrefix(address, prefix), "/")
	tid, terr := entra.CanonicalID(tid)
	oid, oerr := entra.CanonicalID(oid)
	if terr != nil || oerr != nil {
		return "", "", fmt.Errorf("must be a tenant id and an object id of Microsoft Entra with a slash between them: %w", mspkit.ErrInvalid)
	}
	return tid, oid, nil
}

// Deliver makes the link of d and has it carried. Every error of its own is a [*verify.DeliveryError]; others are the carrier's.
func (c *Channel) Deliver(ctx context.Context, d verify.Delivery) (verify.Receipt, error) {
	if d.Kind != verify.KindCaller || d.Method != verify.MethodNumber {
		return verify.Receipt{}, &verify.DeliveryError{Reason: "a sign-in verifies callers by number match only", Permanent: true}
	}
	tid, oid, err := parse(d.To)
	if err != nil {
		return verify.Receipt{}, &verify.DeliveryError{Reason: "the account is no person in Microsoft Entra", Permanent: true, Err: err}
	}
	// Whoever wrote the address down may have been wrong or lying: a person of another client must not answer for this one.
	switch own, err := c.tenants(ctx, d.Ref.Tenant); {
	case err != nil:
		return verify.Receipt{}, &verify.DeliveryError{Reason: "the client's organisation in Microsoft 365 could not be found out", Err: err}
	case own == "":
		return verify.Receipt{}, &verify.DeliveryError{Reason: "the client has no organisation in Microsoft 365", Permanent: true}
	case !strings.EqualFold(own, tid):
		return verify.Receipt{}, &verify.DeliveryError{Reason: "the account is of another organisation than the client's", Permanent: true}
	}
	i := invitation{ref: d.Ref, tid: tid, oid: oid}
	if c.o.ACR != nil {
		acr, err := c.o.ACR(ctx, d.Ref.Tenant)
		if err != nil {
			return verify.Receipt{}, &verify.DeliveryError{Reason: "the authentication context of the client could not be found out", Err: err}
		}
		if acr == "" {
			return verify.Receipt{}, &verify.DeliveryError{Reason: "no authentication context is set up for the client", Permanent: true}
		}
		if i.acr, err = strconv.Atoi(strings.TrimPrefix(acr, "c")); err != nil || !i.strong() || i.context() != acr {
			return verify.Receipt{}, &verify.DeliveryError{Reason: "the authentication context of the client is none, an administrator must look at it", Permanent: true}
		}
	}
	tok, err := i.encode(c.links)
	if err != nil {
		return verify.Receipt{}, &verify.DeliveryError{Reason: "the link cannot be made", Permanent: true, Err: err}
	}
	d.To = i.identity()
	d.Link = mspkit.Redact(c.base + "/s/" + tok)
	return c.via.Carry(ctx, d)
}
