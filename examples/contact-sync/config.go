package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/entra"
	"github.com/mspkit/mspkit/entra/azurecred"
	"github.com/mspkit/mspkit/internal/phone"
)

// The variables of the environment.
const (
	envClient   = "MSPKIT_CLIENT_ID"
	envTenants  = "MSPKIT_TENANTS"
	envSecret   = "MSPKIT_CLIENT_SECRET" //nolint:gosec // a name
	envCert     = "MSPKIT_CERTIFICATE"
	envPassword = "MSPKIT_CERTIFICATE_PASSWORD" //nolint:gosec // a name
	envPartner  = "MSPKIT_PARTNER_TENANT"
	envRefresh  = "MSPKIT_PARTNER_REFRESH_TOKEN"
	envRegion   = "MSPKIT_REGION"
	envCloud    = "MSPKIT_CLOUD"
)

var variables = []struct{ name, what string }{
	{envClient, "the application (client) id of the app registration"},
	{envTenants, "the tenants, with commas between: an id, or a name of yours and the id, as in contoso=1f6c…"},
	{envSecret, "a client secret of the app registration: its value, not its id"},
	{envCert, "or a file with a certificate and its key, PEM or PKCS#12"},
	{envPassword, "the password of a PKCS#12 file"},
	{envPartner, "for partners: the id of your own tenant; a client secret is needed, " + envTenants + " is not"},
	{envRefresh, "and a refresh token of your service user, who signed in with multifactor authentication"},
	{envRegion, "where phone numbers without a country code are dialled, such as US; empty leaves them unread"},
	{envCloud, "public (the default), usgov, usgov-dod or china"},
}

var clouds = map[string]func() entra.Cloud{
	"": entra.PublicCloud, "public": entra.PublicCloud, "usgov": entra.USGovCloud, "usgov-dod": entra.USGovDoDCloud, "china": entra.ChinaCloud,
}

// config is what the environment says.
type config struct {
	client      string
	secret      mspkit.Redacted[string]
	certificate *azurecred.Certificate
	partner     string // the id of the partner's tenant
	refresh     mspkit.Redacted[string]
	tenants     []tenant
	region      string
	cloud       entra.Cloud
}

// tenant is one whose people are kept.
type tenant struct {
	id      mspkit.TenantID // in the file
	entraID string
	name    string // for people
}

// configFrom reads the environment and reports all that is wrong at once. It repeats no secret.
func configFrom(env func(string) string, readFile func(string) ([]byte, error)) (config, error) {
	var errs []error
	bad := func(name, format string, args ...any) {
		errs = append(errs, fmt.Errorf(name+": "+format, args...))
	}
	get := func(name string) string { return strings.TrimSpace(env(name)) }
	id := func(name, v string) string {
		out, err := entra.CanonicalID(v)
		if err != nil {
			bad(name, "%.60q is not an id, which looks like 0c1d2e3f-1111-4222-8333-444455556666", v)
		}
		return out
	}
	c := config{secret: mspkit.Redact(get(envSecret)), refresh: mspkit.Redact(get(envRefresh)), region: strings.ToUpper(get(envRegion))}
	if v := get(envClient); v != "" {
		c.client = id(envClient, v)
	} else {
		bad(envClient, "is not set; it is %s", variables[0].what)
	}
	if v := get(envPartner); v != "" {
		c.partner = id(envPartner, v)
	}
	certificate := get(envCert)
	signsIn := c.secret.Reveal() == "" && certificate == "" // a person does
	switch {
	case c.secret.Reveal() != "" && certificate != "":
		bad(envSecret, "and %s are both set: the application signs in with one of them", envCert)
	case certificate != "":
		data, err := readFile(certificate)
		if err != nil {
			bad(envCert, "cannot be read: %w", err)
		}
		c.certificate = &azurecred.Certificate{Data: mspkit.Redact(data), Password: mspkit.Redact(env(envPassword))}
	case env(envPassword) != "":
		bad(envPassword, "is set, and %s is not", envCert)
	}
	switch {
	case c.partner != "" && (c.refresh.Reveal() == "" || c.secret.Reveal() == ""):
		bad(envPartner, "is set: a partner needs %s and %s, too", envRefresh, envSecret)
	case get(envPartner) == "" && c.refresh.Reveal() != "":
		bad(envRefresh, "is set, and %s is not", envPartner)
	}
	c.tenants = tenants(get(envTenants), id, bad)
	switch {
	case len(c.tenants) == 0 && get(envPartner) == "":
		bad(envTenants, "is not set; it names %s", variables[1].what)
	case len(c.tenants) > 1 && signsIn && get(envPartner) == "":
		bad(envTenants, "names %d tenants, and a person signs in to one: set %s or %s for more", len(c.tenants), envSecret, envCert)
	}
	if c.region != "" && !phone.KnownRegion(c.region) {
		bad(envRegion, "%.20q is no country, which has two letters such as US", c.region)
	}
	cloud := clouds[strings.ToLower(get(envCloud))]
	if cloud == nil {
		bad(envCloud, "must be %s", variables[len(variables)-1].what)
	}
	if len(errs) > 0 {
		return config{}, fmt.Errorf("it cannot start yet (-selftest needs nothing, -h says more):\n%w", errors.Join(errs...))
	}
	c.cloud = cloud()
	return c, nil
}

// tenants reads a list of ids and of name=id.
func tenants(list string, id func(name, v string) string, bad func(name, format string, args ...any)) []tenant {
	var out []tenant
	names, ids := map[mspkit.TenantID]bool{}, map[string]bool{}
	for part := range strings.SplitSeq(list, ",") {
		if part = strings.TrimSpace(part); part == "" {
			continue
		}
		name, v, named := strings.Cut(part, "=")
		if !named {
			v = name
		}
		t := tenant{entraID: id(envTenants, strings.TrimSpace(v))}
		t.name = t.entraID
		if named {
			t.name = strings.TrimSpace(name)
		}
		t.id = mspkit.TenantID(t.name)
		switch err := t.id.Validate(); {
		case t.entraID == "": // that was said
		case err != nil:
			bad(envTenants, "%.60q is not a name: %w", t.name, err)
		case names[t.id] || ids[t.entraID]:
			bad(envTenants, "names %.60q twice, or its id", t.name)
		}
		names[t.id], ids[t.entraID] = true, true
		out = append(out, t)
	}
	return out
}
