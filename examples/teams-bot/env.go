package main

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"github.com/mspkit/mspkit/teamsapp"
)

// config is what the environment says.
type config struct {
	app      teamsapp.App
	cloud    teamsapp.Cloud
	tenants  []string // of customers; an emulator's are all
	insecure bool
	log      *slog.Logger
}

var clouds = map[string]func() teamsapp.Cloud{
	"": teamsapp.PublicCloud, "public": teamsapp.PublicCloud, "usgov": teamsapp.USGovCloud, "china": teamsapp.ChinaCloud,
}

// variables are those of the environment.
var variables = []struct{ name, what string }{
	{"MSPKIT_BOT_APP_ID", "the Microsoft App ID of the Azure Bot resource, or the one that an emulator was told"},
	{"MSPKIT_BOT_SECRET", "a client secret of that app registration, its value and not its id"},
	{"MSPKIT_BOT_TENANT", `your own tenant's id, where the bot is registered, or "multi" for a bot of the old multi-tenant type`},
	{"MSPKIT_BOT_CUSTOMERS", "the tenant ids of the customers that the bot serves, with commas between"},
	{"MSPKIT_BOT_CLOUD", "public (the default), usgov or china"},
}

// configFromEnv reads the environment and reports all that is missing at once. An emulator needs nothing of it.
func configFromEnv(env func(string) string, insecure bool) (config, error) {
	var errs []error
	need := func(name string) string {
		v := strings.TrimSpace(env(name))
		if v == "" {
			for _, known := range variables {
				if known.name == name {
					errs = append(errs, fmt.Errorf("%s is not set: %s", name, known.what))
				}
			}
		}
		return v
	}
	id := func(name, v string) string {
		u, err := teamsapp.NewUser(v, v) // reads GUIDs in either case
		if err != nil && v != "" {
			errs = append(errs, fmt.Errorf("%s: %q is not an id, which looks like 0c1d2e3f-1111-4222-8333-444455556666", name, v))
		}
		return u.TenantID
	}
	if insecure {
		app := teamsapp.App{ID: "00000000-0000-4000-8000-000000000001", TenantID: "00000000-0000-4000-8000-000000000002"}
		if told := strings.TrimSpace(env("MSPKIT_BOT_APP_ID")); told != "" {
			app.ID = id("MSPKIT_BOT_APP_ID", told)
		}
		return config{app: app, cloud: teamsapp.PublicCloud(), insecure: true}, errors.Join(errs...)
	}
	var c config
	c.app.ID = id("MSPKIT_BOT_APP_ID", need("MSPKIT_BOT_APP_ID"))
	secret := need("MSPKIT_BOT_SECRET")
	home := need("MSPKIT_BOT_TENANT")
	if c.app.MultiTenant = home == "multi"; !c.app.MultiTenant {
		c.app.TenantID = id("MSPKIT_BOT_TENANT", home)
	}
	customers := need("MSPKIT_BOT_CUSTOMERS")
	for customer := range strings.SplitSeq(customers, ",") {
		if customer = id("MSPKIT_BOT_CUSTOMERS", strings.TrimSpace(customer)); customer != "" {
			c.tenants = append(c.tenants, customer)
		}
	}
	if strings.Trim(customers, ", ") == "" && customers != "" {
		errs = append(errs, errors.New("MSPKIT_BOT_CUSTOMERS names no tenant, so that the bot would serve nobody"))
	}
	cloud := clouds[strings.ToLower(strings.TrimSpace(env("MSPKIT_BOT_CLOUD")))]
	if cloud == nil {
		errs = append(errs, errors.New("MSPKIT_BOT_CLOUD must be public (the default), usgov or china"))
	}
	if len(errs) > 0 {
		return config{}, fmt.Errorf("it cannot start yet (-selftest needs nothing, -insecure-loopback serves an emulator):\n%w", errors.Join(errs...))
	}
	c.cloud, c.app.Credential = cloud(), teamsapp.ClientSecret(secret)
	return c, nil
}
