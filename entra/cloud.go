package entra

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"regexp"
	"strings"

	"github.com/mspkit/mspkit"
)

// Cloud is the set of hosts of one Microsoft cloud. Take one of the functions below and change what a test, an emulator
// or a recorder needs: every URL may have a path, and http is accepted for loopback addresses.
type Cloud struct {
	Name string
	// Login is where people sign in and tokens come from: https://login.microsoftonline.com.
	Login string
	// Graph is the host of Microsoft Graph without a version: https://graph.microsoft.com.
	Graph string
	// GraphScope is what a token for Graph is asked for; empty means Graph + "/.default". It differs where Graph is not
	// the real one.
	GraphScope string
	// PartnerCenter is the host of the Partner Center API; empty where the cloud has none.
	PartnerCenter string
	// PartnerCenterScope is what a token for it is asked for; empty means PartnerCenter + "/.default".
	PartnerCenterScope string
}

// PublicCloud is the worldwide cloud, with GCC.
//
// Source of this and the following: https://learn.microsoft.com/graph/deployments.
func PublicCloud() Cloud {
	return Cloud{
		Name: "public", Login: "https://login.microsoftonline.com", Graph: "https://graph.microsoft.com",
		PartnerCenter: "https://api.partnercenter.microsoft.com",
	}
}

// USGovCloud is GCC High.
func USGovCloud() Cloud {
	return Cloud{Name: "usgov", Login: "https://login.microsoftonline.us", Graph: "https://graph.microsoft.us"}
}

// USGovDoDCloud is the cloud of the US Department of Defense.
func USGovDoDCloud() Cloud {
	return Cloud{Name: "usgov-dod", Login: "https://login.microsoftonline.us", Graph: "https://dod-graph.microsoft.us"}
}

// ChinaCloud is the cloud operated by 21Vianet.
func ChinaCloud() Cloud {
	return Cloud{Name: "china", Login: "https://login.partner.microsoftonline.cn", Graph: "https://microsoftgraph.chinacloudapi.cn"}
}

// Scope returns what a token for Graph is asked for.
func (c Cloud) Scope() string {
	if c.GraphScope != "" {
		return c.GraphScope
	}
	return c.Graph + "/.default"
}

// PartnerScope returns what a token for Partner Center is asked for.
func (c Cloud) PartnerScope() string {
	if c.PartnerCenterScope != "" {
		return c.PartnerCenterScope
	}
	return c.PartnerCenter + "/.default"
}

// Validate reports every URL that cannot be used. Login and Graph are required.
func (c Cloud) Validate() error {
	return errors.Join(validURL("Cloud.Login", c.Login, true), validURL("Cloud.Graph", c.Graph, true), validURL("Cloud.PartnerCenter", c.PartnerCenter, false))
}

func validURL(name, s string, required bool) error {
	if s == "" && !required {
		return nil
	}
	u, err := url.Parse(s)
	switch {
	case err != nil, u.Host == "", u.User != nil, strings.ContainsAny(s, "?#"), strings.HasSuffix(u.Path, "/"):
		return fmt.Errorf("entra: %s is not a plain https URL without a slash at its end: %w", name, mspkit.ErrInvalid)
	case u.Scheme == "https", u.Scheme == "http" && loopback(u.Hostname()):
		return nil
	}
	return fmt.Errorf("entra: %s must be https: %w", name, mspkit.ErrInvalid)
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

var guid = regexp.MustCompile(`^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$`)

// CanonicalID returns the id of a tenant, an application or an object of Entra in the one spelling that this module
// compares, which is lower case. What is not a GUID is [mspkit.ErrInvalid].
func CanonicalID(s string) (string, error) {
	if !guid.MatchString(s) {
		return "", fmt.Errorf("entra: an id of Microsoft Entra is a GUID such as 00000000-0000-0000-0000-000000000000: %w", mspkit.ErrInvalid)
	}
	return strings.ToLower(s), nil
}
