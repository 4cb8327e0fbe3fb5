package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/contacts"
	"github.com/mspkit/mspkit/contacts/psacontacts"
	"github.com/mspkit/mspkit/psa"
	"github.com/mspkit/mspkit/psa/connectwise"
	"github.com/mspkit/mspkit/psa/custom"
	"github.com/mspkit/mspkit/psa/custom/customtest"
	"github.com/mspkit/mspkit/psa/halopsa"
	"github.com/mspkit/mspkit/psa/outbox"
	"github.com/mspkit/mspkit/psa/psatest"
	"github.com/mspkit/mspkit/psa/ticketlog"
)

// The values of -psa.
const (
	psaCustom      = "custom"
	psaConnectWise = "connectwise"
	psaHaloPSA     = "halopsa"
)

var psaKinds = []string{psaCustom, psaConnectWise, psaHaloPSA}

var psaTitles = map[string]string{psaCustom: "The homegrown ticket system", psaConnectWise: "ConnectWise PSA", psaHaloPSA: "HaloPSA"}

// ticketSystem says which ticket system the helpdesk has.
type ticketSystem struct {
	kind string
	// real is set where the environment names one; otherwise the program starts one itself.
	real bool
	// address is ConnectWise's site or HaloPSA's host, login ConnectWise's company id.
	address, login string
	id             string // public key or client id
	member         string // ConnectWise's API member, by which our notes are known
	secret, vendor mspkit.Redacted[string]
	// company is the id of the one company whose contacts are served from a real one, ticket the ticket that takes the notes.
	company, ticket string
}

// ticketSystemFromEnv reads the variables that README names.
func ticketSystemFromEnv(kind string, env func(string) string) (ticketSystem, error) {
	s := ticketSystem{kind: kind, company: env("MSPKIT_PSA_COMPANY"), ticket: env("MSPKIT_PSA_TICKET")}
	if !slices.Contains(psaKinds, kind) {
		return s, fmt.Errorf("-psa must be one of %s, it is %q", strings.Join(psaKinds, ", "), kind)
	}
	var needed []string
	switch kind {
	case psaConnectWise:
		s.address, s.login, s.id = env("MSPKIT_CONNECTWISE_SITE"), env("MSPKIT_CONNECTWISE_COMPANY"), env("MSPKIT_CONNECTWISE_PUBLIC_KEY")
		s.secret, s.vendor = mspkit.Redact(env("MSPKIT_CONNECTWISE_PRIVATE_KEY")), mspkit.Redact(env("MSPKIT_CONNECTWISE_CLIENT_ID"))
		s.member = env("MSPKIT_CONNECTWISE_MEMBER")
		needed = []string{"MSPKIT_CONNECTWISE_SITE", "MSPKIT_CONNECTWISE_MEMBER", "MSPKIT_CONNECTWISE_COMPANY", "MSPKIT_CONNECTWISE_PUBLIC_KEY", "MSPKIT_CONNECTWISE_PRIVATE_KEY", "MSPKIT_CONNECTWISE_CLIENT_ID"}
	case psaHaloPSA:
		s.address, s.id = env("MSPKIT_HALOPSA_HOST"), env("MSPKIT_HALOPSA_CLIENT_ID")
		s.secret = mspkit.Redact(env("MSPKIT_HALOPSA_CLIENT_SECRET"))
		needed = []string{"MSPKIT_HALOPSA_HOST", "MSPKIT_HALOPSA_CLIENT_ID", "MSPKIT_HALOPSA_CLIENT_SECRET"}
	}
	s.real = s.address != ""
	if !s.real {
		return s, nil
	}
	var errs []error
	for _, name := range append(needed, "MSPKIT_PSA_COMPANY") {
		if env(name) == "" {
			errs = append(errs, fmt.Errorf("%s needs %s as well", needed[0], name))
		}
	}
	return s, errors.Join(errs...)
}

// describe says where notes go, for the first lines that the program prints.
func (s ticketSystem) describe() string {
	if s.real {
		return "Notes go to your " + psaTitles[s.kind] + "."
	}
	return psaTitles[s.kind] + " runs inside of this program (-psa=" + strings.Join(psaKinds, "|") + ")."
}

// psaStore keeps which company is which client, and what new tickets are like.
type psaStore interface {
	psa.MappingStore
	psa.DefaultsStore
}

// ticketDesk is the host's ticket system and what makes notes arrive in it.
type ticketDesk struct {
	title  string
	system psa.System
	fake   *psatest.Server // nil where it is a real one
	store  psaStore
	outbox *outbox.Outbox
	notes  *noteCache
}

// fakePSA starts the ticket system that plays the real one. In it are the demonstration's companies, people and tickets.
func fakePSA(kind string, ps []person) (*psatest.Server, error) {
	d := psatest.NewDesk(nil)
	companies := map[mspkit.TenantID]string{"contoso": "12", "fabrikam": "13"}
	for i, p := range ps {
		c := psa.Contact{
			ID: strconv.Itoa(201 + i), Company: psa.Named{ID: companies[p.Tenant]}, Name: p.Name, FirstName: p.FirstName, Title: p.JobTitle, Active: true,
			LastName: strings.TrimSpace(strings.TrimPrefix(p.Name, p.FirstName)),
		}
		for _, e := range p.Emails {
			c.Emails = append(c.Emails, e.Value)
		}
		for _, n := range p.Phones {
			c.Phones = append(c.Phones, psa.Phone{Raw: n.Value, Kind: "mobile"})
		}
		d.PutContact(c)
		d.PutTicket(psa.Ticket{ID: p.Ticket.ID, Title: p.About, Company: c.Company, Contact: psa.Named{ID: c.ID}})
	}
	d.PutCompany(psa.Company{ID: "14", Key: "ADVENTURE", Name: "Adventure Works Cycles", Domains: []string{"adventure-works.example"}, Active: true})
	switch kind {
	case psaConnectWise:
		return psatest.NewConnectWise(d, nil)
	case psaHaloPSA:
		return psatest.NewHaloPSA(d, nil)
	}
	return psatest.NewHomegrown(d)
}

// connect makes the client of the ticket system.
func (a *app) connect(s ticketSystem) (psa.System, error) {
	switch s.kind {
	case psaConnectWise:
		o := &connectwise.Options{Member: s.member, Logger: a.cfg.log}
		if a.desk.fake != nil {
			s.address, s.login, s.id = "na.myconnectwise.net", psatest.ConnectWiseCompany, psatest.ConnectWisePublicKey
			s.secret, s.vendor = mspkit.Redact(psatest.ConnectWisePrivateKey), mspkit.Redact(psatest.ConnectWiseClientID)
			o.BaseURL, o.Member, o.Requests = a.desk.fake.URL, psatest.ConnectWiseMember, -1
		}
		return connectwise.New(s.address, s.login, connectwise.Credentials{PublicKey: mspkit.Redact(s.id), PrivateKey: s.secret, ClientID: s.vendor}, o)
	case psaHaloPSA:
		o := &halopsa.Options{Logger: a.cfg.log}
		if a.desk.fake != nil {
			s.address, s.id, s.secret = "northwind.halopsa.com", "client", mspkit.Redact("secret")
			o.BaseURL, o.Requests = a.desk.fake.URL, -1
		}
		return halopsa.New(s.address, halopsa.Credentials{ClientID: s.id, ClientSecret: s.secret}, o)
	}
	return customtest.Homegrown(a.desk.fake.URL, a.desk.fake.Key, custom.Options{
		NoteLimit: psatest.HomegrownNoteLimit * 2 / 5, // psa.Plain makes ten bytes of four
		MaxPage:   psatest.HomegrownPage,
	})
}

// openTickets connects to the ticket system, finds out whom the helpdesk serves, and makes the outbox and the log of
// what is written into tickets.
func (a *app) openTickets(ctx context.Context, ring *mspkit.KeyRing, st stores) (err error) {
	cfg := a.cfg.tickets
	demo := people(time.Now(), a.cfg)
	a.desk = &ticketDesk{title: psaTitles[cfg.kind], store: st.psa, fake: a.cfg.fake}
	if !cfg.real && a.desk.fake == nil {
		if a.desk.fake, err = fakePSA(cfg.kind, demo); err != nil {
			return err
		}
		a.closers = append(a.closers, a.desk.fake.Close)
	}
	if a.desk.system, err = a.connect(cfg); err != nil {
		return err
	}
	if err := a.loadPeople(ctx, demo); err != nil {
		return err
	}
	router, err := ticketlog.NewRouter(a.desk.system, &ticketlog.RouterOptions{
		Contact: a.contactInPSA, Mappings: st.psa, Defaults: st.psa, CheckCompany: true, Logger: a.cfg.log,
	})
	if err != nil {
		return err
	}
	a.desk.outbox, err = outbox.New(router, st.outbox, ring, &outbox.Options{
		// Short, so that one can watch; the defaults are for real systems.
		Backoff: 500 * time.Millisecond, MaxBackoff: 5 * time.Second, Settle: 2 * time.Second, TryTimeout: 5 * time.Second, Poll: time.Second,
		Breaker: outbox.Breaker{Failures: 5, Open: 3 * time.Second}, Logger: a.cfg.log,
	})
	if err != nil {
		return err
	}
	a.desk.notes = newNoteCache(a.desk)
	a.closers = append(a.closers, a.desk.notes.close)
	a.ticketlog, err = ticketlog.New(a.desk.outbox, &ticketlog.Options{
		People: a.personInTicket,
		Technicians: func(ctx context.Context, _ mspkit.TenantID, id string) (string, error) {
			t, _ := a.technician(ctx, id)
			return t.Name, nil
		},
		Settings: func(context.Context, mspkit.TenantID) (ticketlog.Settings, error) {
			return ticketlog.Settings{NoTicket: ticketlog.InNewTicket}, nil
		},
		Texts: ticketlog.Texts{"channel.signin": "a sign-in at Microsoft"}, Data: router, Logger: a.cfg.log,
	})
	return err
}

// contactInPSA tells the router who somebody is in the ticket system, and in which company: the one that their client is.
// A host whose clients are several companies keeps the company with the contact.
func (a *app) contactInPSA(ctx context.Context, tenant mspkit.TenantID, subject string) (psa.Contact, error) {
	p, ok := a.person(tenant, subject)
	if !ok {
		return psa.Contact{}, nil
	}
	c := psa.Contact{ID: p.Sources[a.desk.system.Name()]}
	mapped, err := a.desk.store.Mappings(ctx, a.desk.system.Name())
	if err != nil {
		return psa.Contact{}, err
	}
	for _, m := range mapped {
		switch {
		case m.Tenant != tenant:
		case c.Company.ID != "":
			c.Company = psa.Named{}
			return c, nil
		default:
			c.Company = psa.Named{ID: m.CompanyID, Name: m.CompanyName}
		}
	}
	return c, nil
}

// loadPeople reads the contacts of the clients from the ticket system. What it does not know, such as who somebody is in
// Teams and since when an address is known, the host adds. It keeps a copy for a start without the ticket system, as a
// host keeps its contacts in its database.
func (a *app) loadPeople(ctx context.Context, demo []person) error {
	copied := filepath.Join(a.cfg.dir, "contacts-"+a.cfg.tickets.kind+".json")
	list, err := a.readContacts(ctx)
	if err != nil {
		raw, missing := os.ReadFile(copied) //nolint:gosec // the folder is the user's choice
		if missing != nil || json.Unmarshal(raw, &list) != nil {
			return fmt.Errorf("the contacts could not be read from %s: %w", a.desk.title, err)
		}
		a.cfg.log.WarnContext(ctx, "helpdesk: the ticket system does not answer, the contacts are those of last time", slog.Any("error", err))
	} else if raw, err := json.Marshal(list); err != nil {
		return err
	} else if err := os.WriteFile(copied, raw, 0o600); err != nil {
		return err
	}
	a.people = nil
	for _, c := range list {
		p := person{Contact: c, Ticket: mspkit.Ticket{System: a.desk.system.Name(), ID: a.cfg.tickets.ticket}}
		for _, known := range demo {
			if len(c.Emails) > 0 && len(known.Emails) > 0 && strings.EqualFold(c.Emails[0].Value, known.Emails[0].Value) && !a.cfg.tickets.real {
				known.Sources, known.Ticket.System = c.Sources, a.desk.system.Name()
				p = known
			}
		}
		if p.Ticket.ID == "" {
			p.Ticket = mspkit.Ticket{}
		}
		a.people = append(a.people, p)
	}
	if len(a.people) == 0 {
		return fmt.Errorf("%s lists no contact of the company %s", a.desk.title, a.cfg.tickets.company)
	}
	return nil
}

// maxPeople is how many contacts of a real company are on the page.
const maxPeople = 12

func (a *app) readContacts(ctx context.Context) ([]contacts.Contact, error) {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	if err := a.confirmCompanies(ctx); err != nil {
		return nil, err
	}
	source, err := psacontacts.New(a.desk.system, a.desk.store, a.desk.system.Name(), &psacontacts.Options{Region: "US", Logger: a.cfg.log})
	if err != nil {
		return nil, err
	}
	tenants := make([]mspkit.TenantID, 0, len(a.clients))
	for tenant := range a.clients {
		tenants = append(tenants, tenant)
	}
	slices.Sort(tenants)
	var list []contacts.Contact
	for _, tenant := range tenants {
		for c, err := range contacts.All(ctx, source, contacts.Query{Tenant: tenant}) {
			if err != nil {
				return nil, err
			}
			if list = append(list, c); a.cfg.tickets.real && len(list) == maxPeople {
				return list, nil
			}
		}
	}
	return list, nil
}

// confirmCompanies does what an administrator does on the page about the ticket system: for the demonstration it takes what
// is suggested, and of a real ticket system the company that the environment names.
func (a *app) confirmCompanies(ctx context.Context) error {
	suggestions, _, err := a.companies(ctx)
	if err != nil {
		return err
	}
	for _, s := range suggestions {
		m := psa.Mapping{System: a.desk.system.Name(), CompanyID: s.Company.ID, CompanyName: s.Company.Name, Tenant: s.Tenant, By: "set-up"}
		switch {
		case a.cfg.tickets.real && s.Company.ID == a.cfg.tickets.company:
			m.Tenant = realClient
			a.clients[realClient] = s.Company.Name
		case a.cfg.tickets.real || s.Score < 60:
			continue
		}
		if err := a.desk.store.SaveMapping(ctx, m); err != nil {
			return err
		}
	}
	return nil
}

// realClient is the tenant of a real company.
const realClient = mspkit.TenantID("client")
