package main

import (
	"context"
	"net/http"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/entra"
	"github.com/mspkit/mspkit/verify"
	"github.com/mspkit/mspkit/verify/signin"
)

// callerPath is where callers sign in to their own Microsoft 365, as one way to be verified.
const callerPath = "/verify/signin"

// callerApp is the application to which they sign in, which admits people of any organisation.
const callerApp = "8c2f4b61-5d3a-4e90-b7a6-1f08d9e3c703"

// callerChannel is the way by a sign-in. Its link goes to the phone, or by mail where there is none: it is no secret, because
// whoever has it must still sign in as the person.
func (a *app) callerChannel(ring *mspkit.KeyRing, email, sms verify.Channel) (verify.Channel, error) {
	address := func(channel string) func(context.Context, mspkit.TenantID, string) (string, error) {
		return func(_ context.Context, tenant mspkit.TenantID, identity string) (string, error) {
			for _, p := range a.people {
				if p.Tenant == tenant && p.Entra == identity {
					d, _ := p.destination(channel) // none is no address
					return d.Address, nil
				}
			}
			return "", nil
		}
	}
	byPhone, err := signin.Via(sms, address("sms"))
	if err != nil {
		return nil, err
	}
	byMail, err := signin.Via(email, address("email"))
	if err != nil {
		return nil, err
	}
	either := signin.CarrierFunc(func(ctx context.Context, d verify.Delivery) (verify.Receipt, error) {
		if phone, err := address("sms")(ctx, d.Ref.Tenant, d.To); err == nil && phone == "" {
			return byMail.Carry(ctx, d)
		}
		return byPhone.Carry(ctx, d)
	})
	return signin.New(ring, or(a.cfg.publicURL, a.cfg.url)+"/verify", either, func(_ context.Context, tenant mspkit.TenantID) (string, error) {
		return officeIDs[tenant], nil
	}, nil)
}

// serveCallers serves the pages behind these links, and what Microsoft sends callers back with.
func (a *app) serveCallers(ring *mspkit.KeyRing) error {
	cloud := a.office.fake.Cloud()
	verifier, err := entra.NewVerifier(cloud, callerApp, &entra.VerifierOptions{
		Tenants: func(_ context.Context, entraID string) (bool, error) {
			for tenant := range a.clients {
				if officeIDs[tenant] == entraID {
					return true, nil
				}
			}
			return false, nil
		},
		Now: a.now, Logger: a.cfg.log,
	})
	if err != nil {
		return err
	}
	pages, err := signin.NewPages(a.verify, ring, verifier, &signin.PagesOptions{
		Cloud: cloud, ClientID: callerApp, Secret: mspkit.Redact(a.office.fake.secret), Brand: brand, Now: a.now, Logger: a.cfg.log,
	})
	if err != nil {
		return err
	}
	a.office.fake.signsIn(callerApp, brand.Name+", for callers", pages.RedirectURL())
	a.handle(callerPath+"/", http.StripPrefix(callerPath, pages))
	return nil
}
