package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"slices"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/contacts"
	"github.com/mspkit/mspkit/contacts/sqlstore"
	"github.com/mspkit/mspkit/entra"
	"github.com/mspkit/mspkit/entra/azurecred"
	"github.com/mspkit/mspkit/entra/gdap"
	_ "modernc.org/sqlite"
)

// openDirectory opens the file that people are kept in, or makes one that only the user can read.
func openDirectory(ctx context.Context, path string) (contacts.Directory, func() error, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600) //nolint:gosec // the user names it
	if err == nil {
		err = f.Close()
	}
	if err != nil {
		return nil, nil, fmt.Errorf("-db: %w", err)
	}
	name := (&url.URL{Path: path}).EscapedPath()
	db, err := sql.Open("sqlite", "file:"+name+"?_pragma=journal_mode(WAL)&_pragma=synchronous(NORMAL)&_pragma=busy_timeout(10000)")
	if err != nil {
		return nil, nil, fmt.Errorf("-db: %w", err)
	}
	if err := sqlstore.Migrate(ctx, db, sqlstore.SQLite, nil); err != nil {
		return nil, nil, errors.Join(fmt.Errorf("-db: %s cannot be used: %w", path, err), db.Close())
	}
	dir, err := sqlstore.New(db, sqlstore.SQLite, nil)
	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("-db: %w", err), db.Close())
	}
	return dir, db.Close, nil
}

// reach is whom the application reaches, and how.
type reach struct {
	creds   azurecred.TenantCredentials
	tenants []tenant
}

// reach signs in as the environment says. Only a partner is asked for anything at once.
func (c *command) reach(ctx context.Context) (reach, error) {
	if c.play != nil {
		c.cfg.cloud = c.play.cloud
	}
	if c.cfg.partner != "" {
		return c.partner(ctx)
	}
	o := &azurecred.Options{
		Cloud: c.cfg.cloud, ClientID: c.cfg.client, Secret: c.cfg.secret, Certificate: c.cfg.certificate, HTTPClient: c.play.client(),
	}
	if c.cfg.secret.Reveal() == "" && c.cfg.certificate == nil {
		one := c.cfg.tenants[0]
		creds, err := azurecred.NewDeviceCode(one.id, one.entraID, func(_ context.Context, message string) error {
			c.say("%s", message) // on this terminal only
			return nil
		}, o)
		return reach{creds, c.cfg.tenants}, err
	}
	creds, err := azurecred.NewApp(func(_ context.Context, id mspkit.TenantID) (string, error) {
		if i := slices.IndexFunc(c.cfg.tenants, func(t tenant) bool { return t.id == id }); i >= 0 {
			return c.cfg.tenants[i].entraID, nil
		}
		return "", entra.ErrNotConnected
	}, o)
	return reach{creds, c.cfg.tenants}, err
}

// partner signs in as a partner, and connects the customers who can be reached: all, or those that are named. What it keeps
// of them is in memory, and so is the refresh token, which Entra leaves as good as it was.
func (c *command) partner(ctx context.Context) (reach, error) {
	ring, err := mspkit.NewKeyRing(mspkit.NewKey("run"))
	if err != nil {
		return reach{}, err
	}
	const owner, integration = "partner", "contacts"
	store := entra.NewMemory()
	p, err := gdap.NewPartner(store, ring, &gdap.Options{
		Cloud: c.cfg.cloud, PartnerTenant: c.cfg.partner, ClientID: c.cfg.client, Secret: c.cfg.secret, Owner: owner, Connections: store,
		HTTPClient: c.play.client(), Roles: []gdap.Role{{ // it reads, and does nothing else
			ID: "88d8e3e3-8f55-4a1e-953a-9b9898b8876b", Name: "Directory Readers",
			Instead: []string{
				gdap.UserAdministrator, gdap.ApplicationAdministrator, gdap.CloudApplicationAdministrator, gdap.GlobalAdministrator,
			},
		}},
	})
	if err != nil {
		return reach{}, err
	}
	if err := p.SignIn(ctx, c.cfg.refresh, "contact-sync"); err != nil {
		return reach{}, fmt.Errorf("the partner cannot sign in: %w", err)
	}
	customers, err := p.Customers(ctx)
	if err != nil {
		return reach{}, fmt.Errorf("the customers cannot be listed: %w", err)
	}
	out := reach{}
	missing := slices.Clone(c.cfg.tenants)
	for _, customer := range customers {
		t := tenant{id: mspkit.TenantID(customer.EntraID), entraID: customer.EntraID, name: customer.Name}
		if len(c.cfg.tenants) > 0 {
			i := slices.IndexFunc(missing, func(t tenant) bool { return t.entraID == customer.EntraID })
			if i < 0 {
				continue
			}
			t.id = missing[i].id
			missing = slices.Delete(missing, i, i+1)
		}
		if _, err := p.Connect(ctx, customer, t.id, integration); err != nil {
			c.unreachable++
			c.say("%s: cannot be reached\n  ! %s", t.name, entra.Problem(err))
			continue
		}
		for _, word := range []string{customer.Problem, customer.Warning} {
			if word != "" {
				c.say("%s: %s", t.name, word)
			}
		}
		out.tenants = append(out.tenants, t)
	}
	for _, t := range missing {
		c.unreachable++
		c.say("%s: is not among the partner's customers", t.name)
	}
	if len(out.tenants) == 0 {
		return reach{}, errors.New("no customer can be reached")
	}
	out.creds, err = p.Credentials(gdap.Connected(store, owner, integration, nil))
	return out, err
}
