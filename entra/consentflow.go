package entra

import (
	"context"
	"errors"
	"log/slog"
	"net/url"
	"slices"
	"strings"

	"github.com/mspkit/mspkit/internal/cleantext"
)

// The steps of a flow.
const (
	stepConsent = "consent" // Microsoft asks for the consent
	stepSignIn  = "sign-in" // the administrator signs in, for us to know of which tenant
)

// consentURL is where an administrator is asked for the consent
// (https://learn.microsoft.com/entra/identity-platform/v2-admin-consent).
func (c *Consent) consentURL(in Integration, state string) string {
	return c.o.Cloud.Login + "/organizations/v2.0/adminconsent?" + url.Values{
		"client_id": {c.o.ClientID}, "scope": {c.scopes(in)}, "redirect_uri": {c.RedirectURL()}, "state": {state},
	}.Encode()
}

// The reasons for which a flow ends without a connection. Each has a page.
const (
	reasonState    = "state"
	reasonDeclined = "declined"
	reasonFailed   = "failed"
	reasonNotAdmin = "notadmin"
	reasonOther    = "other"
	reasonRefused  = "refused"
	reasonOwned    = "owned"
	reasonTaken    = "taken"
	reasonUnable   = "unable"
)

// stop is a flow that ends without a connection.
type stop struct {
	reason string
	code   string // Microsoft's number, for a page
	err    error  // for the log; nil is nothing to tell
}

// consented judges Microsoft's answer to the first step. Its parameter tenant is not looked at: nobody has signed it.
func consented(q url.Values) *stop {
	if code := q.Get("error"); code != "" {
		e := oauthError(code, q.Get("error_description"))
		if errors.Is(e, ErrConsent) {
			return &stop{reason: reasonDeclined, code: e.Code}
		}
		return &stop{reason: reasonFailed, code: e.Code, err: e}
	}
	if !strings.EqualFold(q.Get("admin_consent"), "true") {
		return &stop{reason: reasonDeclined}
	}
	return nil
}

// finish is the second step: who signed in, of which tenant, and the connection of that.
func (c *Consent) finish(ctx context.Context, l opened, f carried, q url.Values) (Connection, *stop) {
	a, err := c.flow.finish(ctx, f, q)
	if err != nil {
		return Connection{}, failed(err)
	}
	who := a.Identity
	conn := Connection{
		Tenant: l.state.Tenant, Owner: l.state.Owner, Integration: l.state.Integration, EntraID: who.TenantID, Domain: domainOf(who.PreferredUsername),
		Via: ViaConsent, By: who.ObjectID, ConnectedAt: c.o.Now(),
	}
	if s := c.allowed(ctx, l, who, conn); s != nil {
		return conn, s
	}
	return c.connect(ctx, l, conn)
}

// failed is the end of a flow because of a fault that is not the administrator's.
func failed(err error) *stop {
	s := &stop{reason: reasonFailed, err: err}
	if e, ok := errors.AsType[*TokenError](err); ok {
		s.code = e.Code
	}
	switch ReasonOf(err) {
	case ReasonUnavailable:
		s.reason = reasonUnable
	case ReasonDeclined:
		return &stop{reason: reasonDeclined, code: s.code}
	case ReasonState:
		return &stop{reason: reasonState}
	default: // what else an answer can lack is a failure
	}
	return s
}

// allowed says whether who may connect conn. It uses nothing up: the right person may still come.
func (c *Consent) allowed(ctx context.Context, l opened, who Identity, conn Connection) *stop {
	admin := slices.ContainsFunc(who.DirectoryRoles, func(role string) bool { return slices.Contains(c.o.AdminRoles, role) })
	if !admin && (who.Guest || !c.o.InsecureAnyMember) {
		s := &stop{reason: reasonNotAdmin}
		if len(who.DirectoryRoles) == 0 {
			s.err = errors.New(`the id token has no claim wids: set "groupMembershipClaims": "DirectoryRole" in the manifest of the application`)
		}
		return s
	}
	switch other, err := c.elsewhere(ctx, l, conn); {
	case err != nil:
		return &stop{reason: reasonUnable, err: err}
	case other:
		return &stop{reason: reasonOther}
	}
	if c.o.Authorize != nil {
		if err := c.o.Authorize(ctx, who, conn); err != nil {
			return &stop{reason: reasonRefused}
		}
	}
	return nil
}

// elsewhere reports whether a link is for another tenant of Microsoft 365: for the one that it names, or else one of those that the
// customer is connected to already for something else. Otherwise whoever got hold of a link for the customer's mail could
// have it sent from a tenant of their own.
func (c *Consent) elsewhere(ctx context.Context, l opened, conn Connection) (bool, error) {
	if l.data.EntraID != "" {
		return l.data.EntraID != conn.EntraID, nil
	}
	list, err := c.store.Connections(ctx, conn.Owner)
	if err != nil {
		return false, err
	}
	other := false
	for _, o := range list {
		if o.Tenant != conn.Tenant || o.Integration == conn.Integration { // of which the store says whether it is in the way
			continue
		}
		if o.EntraID == conn.EntraID {
			return false, nil
		}
		other = true
	}
	return other, nil
}

// connect uses the link up and makes the connection.
func (c *Consent) connect(ctx context.Context, l opened, conn Connection) (Connection, *stop) {
	// A browser that hangs up must not leave a link that is used without a connection.
	ctx = context.WithoutCancel(ctx)
	state, err := c.store.TakeState(ctx, l.state.Hash, c.o.Now())
	switch {
	case errors.Is(err, ErrState):
		return conn, &stop{reason: reasonState}
	case err != nil:
		return conn, &stop{reason: reasonUnable, err: err}
	}
	switch err := c.store.Connect(ctx, conn); {
	case errors.Is(err, ErrOwned):
		return conn, &stop{reason: reasonOwned}
	case errors.Is(err, ErrTaken):
		return conn, &stop{reason: reasonTaken}
	case err != nil:
		if back := c.store.PutState(ctx, state); back != nil {
			err = errors.Join(err, back)
		}
		return conn, &stop{reason: reasonUnable, err: err}
	}
	return c.named(ctx, conn), nil
}

// named asks the tenant what it is called. The connection is there whatever comes of it: Microsoft may need a minute before
// the application gets a token.
func (c *Consent) named(ctx context.Context, conn Connection) Connection {
	if c.o.Check == nil {
		return conn
	}
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	checked := c.check(ctx, conn)
	err := c.still(ctx, conn)
	if err == nil {
		err = c.store.Connect(ctx, checked)
	}
	if err != nil {
		c.o.Logger.WarnContext(ctx, "entra: what a tenant is called could not be noted", slog.Any("error", err))
	}
	return checked
}

// domainOf returns what stands behind the @ of a user name, for people to read.
func domainOf(username string) string {
	_, domain, _ := strings.Cut(username, "@")
	return cleantext.Line(domain, maxName)
}
