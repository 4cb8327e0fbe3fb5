package accounts

import (
	"net/url"

	"github.com/mspkit/mspkit/entra"
	"github.com/mspkit/mspkit/internal/webpage"
)

// Routes are those of the pages.
func (s *Service) Routes(sso *entra.SSO) []webpage.Route {
	p := &pages{s: s, sso: sso}
	return p.routes()
}

// ParseInvite reads the form of an invitation.
func ParseInvite(f url.Values) (Invite, error) {
	_, in, err := parseInvite(f)
	return in, err
}

// ParseAccess reads the form of an account.
func ParseAccess(f url.Values, k Kind) (entra.Role, entra.UI, MFA, bool, error) {
	a, err := parseAccess(f, k)
	return a.role, a.ui, a.mfa, a.disabled, err
}
