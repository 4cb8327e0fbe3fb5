package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/contacts"
	"github.com/mspkit/mspkit/contacts/graphcontacts"
	"github.com/mspkit/mspkit/entra"
	"github.com/mspkit/mspkit/entra/azurecred"
	"github.com/mspkit/mspkit/mail"
	"github.com/mspkit/mspkit/mail/graphmail"
)

const (
	officeOwner       = "northwind" // the MSP; there is one here
	officeIntegration = "microsoft365"
	entraSource       = "entra" // as the directory knows it
	connectPath       = "/connect"
)

// office is what the helpdesk knows of its clients' Microsoft 365: who is connected, their people, their mailboxes.
type office struct {
	fake      *playedOffice
	store     entra.ConnectionStore
	consent   *entra.Consent
	directory contacts.Directory
	syncer    *contacts.Syncer
	mailboxes *graphmail.Client
	senders   *graphmail.Senders
	templates *mail.Templates

	mu       sync.Mutex
	stop     context.CancelFunc // of the sync that is going on
	progress contacts.Progress
	reports  []contacts.Report
	told     map[string]string // which manager was told of an event, by tenant and number
	fell     []mail.FallbackCase
}

// openOffice connects to Microsoft 365 and the directory of its people. It is there before mails are sent, because some go
// through it.
func (a *app) openOffice(ring *mspkit.KeyRing, s stores) error {
	o := &office{fake: a.cfg.office, store: s.connections, directory: s.directory, told: map[string]string{}}
	if b := a.cfg.beside; b != nil {
		o.fake = b.office.fake
	}
	if o.fake == nil {
		var err error
		if o.fake, err = playOffice(); err != nil {
			return err
		}
		a.closers = append(a.closers, func() error { o.fake.Close(); return nil })
	}
	a.office = o
	creds := officeCredentials{o.store, o.fake}
	// Entra and Graph are one server here.
	cloud := o.fake.Cloud()
	verifier, err := entra.NewVerifier(cloud, o.fake.appID, &entra.VerifierOptions{Now: a.now, Logger: a.cfg.log})
	if err != nil {
		return err
	}
	o.consent, err = entra.NewConsent(o.store, verifier, ring, &entra.ConsentOptions{
		Cloud: cloud, ClientID: o.fake.appID, Secret: mspkit.Redact(o.fake.secret), BaseURL: a.cfg.url + connectPath,
		Integrations: []entra.Integration{{Name: officeIntegration, Title: "Contacts and mail", Permissions: []entra.GraphPermission{
			{Name: "User.Read.All", Text: "Read the names, numbers and managers of your people"},
			{Name: "Mail.Send", Text: "Send mail from the mailbox that you choose"},
		}}},
		Describe: func(_ context.Context, s entra.LinkState) (entra.Asking, error) {
			return entra.Asking{Brand: brand, Customer: officeName(s.Tenant), Locale: "en"}, nil
		},
		// The helpdesk knows the domains of its clients, so a link of one cannot connect another.
		Authorize: func(_ context.Context, _ entra.Identity, c entra.Connection) error {
			if c.EntraID != officeIDs[c.Tenant] {
				return errors.New("this is not the Microsoft 365 of that client")
			}
			return nil
		},
		Check: o.organization, Brand: brand, Logger: a.cfg.log, Now: a.now,
	})
	if err != nil {
		return err
	}
	o.fake.serves(o.consent.RedirectURL(), a.now)
	people, err := graphcontacts.New(creds, &graphcontacts.Options{Cloud: cloud, Region: "US", Mailboxes: graphcontacts.AskMailboxes, Logger: a.cfg.log, Now: a.now})
	if err != nil {
		return err
	}
	photos, err := graphcontacts.NewPhotos(creds, &graphcontacts.Options{Cloud: cloud, Logger: a.cfg.log, Now: a.now})
	if err != nil {
		return err
	}
	o.syncer, err = contacts.NewSyncer(o.directory, map[string]contacts.ContactSource{entraSource: people}, &contacts.SyncerOptions{
		Photos: map[string]contacts.PhotoSource{entraSource: photos}, Explain: graphcontacts.Explain, Hook: a.tellManager,
		// The clients have been in this Microsoft 365 for years: a number that is there when it is listed first is not new.
		Known: 365 * day, Poll: time.Second, Logger: a.cfg.log, Now: a.now,
	})
	if err != nil {
		return err
	}
	if o.mailboxes, err = graphmail.New(creds, &graphmail.Options{Cloud: cloud, Logger: a.cfg.log, Now: a.now}); err != nil {
		return err
	}
	if o.senders, err = graphmail.NewSenders(o.mailboxes, s.senders); err != nil {
		return err
	}
	o.templates, err = mail.NewTemplates(nil)
	return err
}

// router sends clients' people from their own mailbox, and everything else, and until there is such a mailbox, by mailer.
func (a *app) router(mailer mail.Mailer) (*mail.Router, error) {
	return mail.NewRouter(mailer, a.office.senders, &mail.RouterOptions{
		Fallback: mail.FallbackAlways, Logger: a.cfg.log,
		OnFallback: func(_ context.Context, c mail.FallbackCase) {
			if c.Reason == mail.ReasonNotSetUp { // nothing has gone wrong
				return
			}
			a.office.mu.Lock()
			defer a.office.mu.Unlock()
			a.office.fell = append(a.office.fell, c)
		},
	})
}

func officeName(tenant mspkit.TenantID) string {
	for _, t := range officeTenants {
		if t.id == tenant {
			return t.name
		}
	}
	return ""
}

// organization asks a tenant what it is called, which also shows that the connection works.
func (o *office) organization(_ context.Context, c entra.Connection) (entra.Organization, error) {
	t := o.fake.tenant(c.Tenant)
	if t == nil || !t.entra.Consented(o.fake.appID) {
		return entra.Organization{}, errors.New("consent is missing or was withdrawn: send the administrator a new link")
	}
	return entra.Organization{Name: t.name, Domain: t.graph.Domain}, nil
}

// jobs are the tenants that are connected.
func (o *office) jobs(ctx context.Context) ([]contacts.Job, error) {
	list, err := o.consent.Connections(ctx, officeOwner)
	var out []contacts.Job
	for _, c := range list {
		out = append(out, contacts.Job{Tenant: c.Tenant, Source: entraSource})
	}
	return out, err
}

// sync reads every connected tenant, in the background, and has them read regularly from then on.
func (a *app) sync(ctx context.Context) error {
	o := a.office
	list, err := o.jobs(ctx)
	if err != nil {
		return err
	}
	if len(list) == 0 {
		return errors.New("connect a client first")
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.stop != nil {
		return errors.New("a sync is going on already")
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx)) // it outlives the request
	o.stop, o.reports, o.progress = cancel, nil, contacts.Progress{Tenants: len(list), Left: -1}
	a.background.Go(func() {
		defer cancel()
		defer context.AfterFunc(a.ended, cancel)()
		reports, _ := o.syncer.SyncAll(ctx, list, nil, func(p contacts.Progress) {
			o.mu.Lock()
			defer o.mu.Unlock()
			o.progress = p
		})
		for _, r := range reports {
			if r.Err != nil || ctx.Err() != nil {
				continue
			}
			if err := o.syncer.Schedule(ctx, r.Job, a.now().Add(contacts.DefaultEvery)); err != nil {
				a.cfg.log.WarnContext(ctx, "helpdesk: a client is not synced regularly", slog.Any("error", err))
			}
		}
		o.mu.Lock()
		defer o.mu.Unlock()
		o.stop, o.reports = nil, reports
	})
	return nil
}

// cancelSync ends a sync after the page in hand.
func (o *office) cancelSync() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.stop != nil {
		o.stop()
	}
}

// tellManager is the directory's hook: who leads somebody who joined or left gets a mail.
func (a *app) tellManager(ctx context.Context, e contacts.Event) error {
	if e.First || e.Manager == "" || e.Kind != contacts.Joined && e.Kind != contacts.Left {
		return nil
	}
	o := a.office
	boss, err := o.directory.Get(ctx, e.Tenant, e.Manager)
	// The address of somebody who has left may be somebody else's by now.
	if errors.Is(err, contacts.ErrNotFound) || err == nil && (len(boss.Emails) == 0 || !boss.Enabled) {
		return nil
	}
	if err != nil {
		return err
	}
	heading, line := "Somebody has joined your team", e.Name+" is in Microsoft 365 now, so the helpdesk can verify them."
	if e.Kind == contacts.Left {
		heading, line = "Somebody has left your team", e.Name+" is not in Microsoft 365 any more. The helpdesk verifies nobody by that name."
	}
	subject, text, html, err := o.templates.Render(mail.Notification, boss.Locale, mail.Data{
		Tenant: e.Tenant, Brand: brand, Name: boss.Name, Company: officeName(e.Tenant), Heading: heading, Lines: []string{line},
	})
	if err != nil {
		return err
	}
	event := fmt.Sprintf("%s/%d", e.Tenant, e.Seq)
	_, err = a.mailer.Send(ctx, &mail.Message{
		Tenant: e.Tenant, To: mail.Address{Name: boss.Name, Email: boss.Emails[0].Value}, Subject: subject, Text: text, HTML: html,
		Kind: mail.Notification, Key: "event-" + event, // the hook may be told of an event again
	})
	switch {
	case err == nil:
		o.mu.Lock()
		o.told[event] = boss.Name
		o.mu.Unlock()
	case errors.Is(err, mail.ErrRejected), errors.Is(err, mspkit.ErrInvalid): // never, and all later events would wait for it
		a.cfg.log.WarnContext(ctx, "helpdesk: a manager cannot be told", slog.String("event", event), slog.Any("error", err))
		return nil
	}
	return err
}

// searchOffice finds people by the beginning of a name, an address or a number, among all clients that are connected.
func (a *app) searchOffice(ctx context.Context, text string) ([]contacts.Contact, error) {
	o := a.office
	text = strings.TrimSpace(text)
	if text == "" {
		return nil, nil
	}
	if strings.HasPrefix(text, "+") {
		return o.directory.FindCaller(ctx, "+"+strings.Map(func(r rune) rune {
			if r < '0' || r > '9' {
				return -1
			}
			return r
		}, text), 12)
	}
	var out []contacts.Contact
	for _, t := range officeTenants {
		s := contacts.Search{Tenant: t.id, Name: text, Left: true, Limit: 12}
		if strings.Contains(text, "@") {
			s.Name, s.Email = "", text
		}
		found, err := o.directory.Find(ctx, s)
		if err != nil {
			return nil, err
		}
		out = append(out, found...)
	}
	return out[:min(12, len(out))], nil
}

// officeCard is what the directory adds to a person of the portal.
func (a *app) officeCard(ctx context.Context, p person) (c contacts.Contact, manager string, err error) {
	_, oid, _ := strings.Cut(p.Teams, "/")
	if oid == "" {
		return c, "", nil
	}
	c, err = a.office.directory.BySource(ctx, p.Tenant, entraSource, oid)
	if errors.Is(err, contacts.ErrNotFound) {
		return contacts.Contact{}, "", nil
	}
	if err != nil || c.Manager == "" {
		return c, "", err
	}
	boss, err := a.office.directory.Get(ctx, p.Tenant, c.Manager)
	if errors.Is(err, contacts.ErrNotFound) {
		err = nil
	}
	return c, boss.Name, err
}

var _ azurecred.TenantCredentials = officeCredentials{}

// lastEvents are what happened lately to people of all clients, the newest first, without those who were there already.
func (o *office) lastEvents(ctx context.Context, n int) ([]contacts.Event, error) {
	var out []contacts.Event
	for _, t := range officeTenants {
		after := int64(0)
		for {
			list, err := o.directory.Events(ctx, t.id, after, 1000)
			if err != nil {
				return nil, err
			}
			for _, e := range list {
				if after = e.Seq; !e.First {
					out = append(out, e)
				}
			}
			if len(list) < 1000 {
				break
			}
		}
	}
	slices.SortStableFunc(out, func(a, b contacts.Event) int { return b.At.Compare(a.At) })
	return out[:min(n, len(out))], nil
}
