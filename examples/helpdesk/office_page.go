package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/contacts"
	"github.com/mspkit/mspkit/entra"
	"github.com/mspkit/mspkit/internal/webpage"
	"github.com/mspkit/mspkit/mail"
	"github.com/mspkit/mspkit/mail/graphmail"
)

// officeTag is the path of the page about Microsoft 365.
const officeTag = "microsoft365"

type officePage struct {
	Tenant, Company string
	Who             who
	Problem, Done   string
	Tenants         [][2]string
	Clients         []clientRow
	Link, LinkFor   string // a link that was made just now
	Connected       int
	Sync            syncView
	Events          []eventRow
	Sender          senderView
}

type clientRow struct {
	ID, Name, Domain, Since, Health, Problem string
	Connected                                bool
	People                                   int
}

type syncView struct {
	Running bool
	Percent int
	Text    string
	Reports []reportRow
}

type reportRow struct {
	Company, Text string
	Failed        bool
}

type eventRow struct {
	Kind, Name, Company, When, Told string
	Changes                         []string
}

// templateRow is a mail that can be tested, with its name in words.
type templateRow struct{ Name, Words string }

type senderView struct {
	Connected        bool
	Address, Name    string
	Problem          string
	Tested           string
	Candidates       []graphmail.Mailbox
	More             bool
	Fault            string
	Script           string
	Templates        []templateRow
	Preview          string // the text of a template
	PreviewOf        string
	Fell             []string
	Typed            string // an address that was refused
	DefaultRecipient string
}

func (a *app) officeRoutes(site **webpage.Site) []webpage.Route {
	routes := []webpage.Route{
		{Name: officeTag, Method: "GET", Pattern: "/" + officeTag, Kind: webpage.PageKind, Script: true, Connect: true, Handler: func(w http.ResponseWriter, r *http.Request) {
			a.serveOffice(*site, w, r, r.URL.Query(), "", "")
		}},
	}
	for name, do := range map[string]func(context.Context, url.Values, technician) (done string, err error){
		"connect": a.doConnect, "release": a.doRelease, "withdraw": a.doWithdraw, "sync": a.doSync, "cancel": a.doCancelSync, "joins": a.doJoins, "leaves": a.doLeaves,
		"choose": a.doChoose, "test": a.doTest, "forget": a.doForget, "remove": a.doRemove,
	} {
		routes = append(routes, webpage.Route{Name: officeTag + "-" + name, Method: "POST", Pattern: "/" + officeTag + "-" + name, Kind: webpage.FormKind, Script: true, Connect: true, Handler: func(w http.ResponseWriter, r *http.Request) {
			t := technicianOf(r.Context())
			done, err := do(r.Context(), r.PostForm, t)
			problem := ""
			if err != nil {
				done, problem = "", sentence(officeWords(err))
			} else {
				a.did(r.Context(), t, officeName(mspkit.TenantID(r.PostForm.Get("tenant"))))
			}
			a.serveOffice(*site, w, r, r.PostForm, done, problem)
		}})
	}
	return routes
}

// officeWords is what an error says to an administrator.
func officeWords(err error) string {
	var e contacts.Explainer
	if errors.As(err, &e) && e.Explain() != "" {
		return e.Explain()
	}
	switch {
	case errors.Is(err, mail.ErrNotSetUp):
		return "the client has no mailbox of its own here"
	case errors.Is(err, entra.ErrNotConnected):
		return "the client is not connected"
	}
	return err.Error()
}

func (a *app) serveOffice(site *webpage.Site, w http.ResponseWriter, r *http.Request, q url.Values, done, problem string) {
	tenant := mspkit.TenantID(q.Get("tenant"))
	if officeName(tenant) == "" {
		tenant = officeTenants[0].id
	}
	page := officePage{
		Tenant: string(tenant), Company: officeName(tenant), Who: whoIs(r), Problem: problem,
	}
	if link, ok := strings.CutPrefix(done, "link:"); ok {
		page.Link, page.LinkFor = link, officeName(tenant)
	} else {
		page.Done = done
	}
	for _, t := range officeTenants {
		page.Tenants = append(page.Tenants, [2]string{string(t.id), t.name})
	}
	err := a.fillOffice(r.Context(), &page, tenant, q)
	if err != nil {
		page.Problem = or(page.Problem, sentence(err.Error()))
	}
	status := http.StatusOK
	if page.Problem != "" {
		status = http.StatusUnprocessableEntity
	}
	site.Render(w, r, webpage.Page{Template: "office", Status: status, Brand: plainBrand, Locale: "en", Data: page})
}

func (a *app) fillOffice(ctx context.Context, page *officePage, tenant mspkit.TenantID, q url.Values) error {
	o := a.office
	conns, err := o.consent.Connections(ctx, officeOwner)
	if err != nil {
		return err
	}
	now := a.now()
	for _, t := range officeTenants {
		row := clientRow{ID: string(t.id), Name: t.name, People: t.people}
		if i := slices.IndexFunc(conns, func(c entra.Connection) bool { return c.Tenant == t.id }); i >= 0 {
			c := conns[i]
			row.Connected, row.Domain, row.Since, row.Health, row.Problem = true, c.Domain, ago(now, c.ConnectedAt), string(c.Health(now)), c.Problem
			page.Connected++
		}
		if cp, err := o.directory.Checkpoint(ctx, t.id, entraSource); err == nil && cp.Failure != "" {
			row.Problem = or(row.Problem, cp.Failure)
		}
		if row.Problem != "" {
			row.Problem = sentence(row.Problem)
		}
		page.Clients = append(page.Clients, row)
	}
	page.Sync = o.view(page.Clients)
	if q.Has("news") { // the script asks for that only, and often
		return a.fillEvents(ctx, page)
	}
	a.fillSender(ctx, page, tenant, q)
	return a.fillEvents(ctx, page)
}

// view is how far the sync is, or what the last one did.
func (o *office) view(clients []clientRow) syncView {
	o.mu.Lock()
	defer o.mu.Unlock()
	v := syncView{Running: o.stop != nil}
	p := o.progress
	if v.Running {
		all := 0
		for _, c := range clients {
			if c.Connected {
				all += c.People
			}
		}
		// The pictures come after the people, and take longer.
		v.Percent = min(99, (30*min(p.Contacts, all)+210*min(p.Photos, all/3))/max(all, 1))
		v.Text = fmt.Sprintf("%d of %d clients, %d pages, %d people, %.0f a second, %d pictures", p.Done, p.Tenants, p.Pages, p.Contacts, p.Rate, p.Photos)
		if p.Left >= 0 {
			v.Text += fmt.Sprintf(", about %s left", p.Left.Round(time.Second))
		}
	}
	for _, r := range o.reports {
		row := reportRow{Company: officeName(r.Tenant)}
		row.Text = didWords(r)
		if r.Err != nil {
			row.Failed, row.Text = true, or(r.Why, "It was stopped, and goes on from there next time")
			if errors.Is(r.Err, context.Canceled) {
				row.Failed, row.Text = false, "It was stopped, and goes on from there next time"
			}
			row.Text = sentence(row.Text)
		}
		v.Reports = append(v.Reports, row)
	}
	return v
}

// didWords is what a sync of a client did.
func didWords(r contacts.Report) string {
	var parts []string
	pictures := "pictures"
	if r.Photos == 1 {
		pictures = "picture"
	}
	for _, p := range []struct {
		n    int
		word string
	}{{r.Joined, "new"}, {r.Changed, "changed"}, {r.Left, "left"}, {r.Photos, pictures}} {
		if p.n > 0 {
			parts = append(parts, fmt.Sprint(p.n, " ", p.word))
		}
	}
	how := "Asked what has changed: "
	if r.Whole {
		how = "Listed whole: "
	}
	return how + or(strings.Join(parts, ", "), "nothing") + "."
}

func (a *app) fillEvents(ctx context.Context, page *officePage) error {
	list, err := a.office.lastEvents(ctx, 12)
	if err != nil {
		return err
	}
	now := a.now()
	a.office.mu.Lock()
	defer a.office.mu.Unlock()
	for _, e := range list {
		row := eventRow{
			Kind: string(e.Kind), Name: e.Name, Company: officeName(e.Tenant), When: ago(now, e.At), Told: a.office.told[fmt.Sprintf("%s/%d", e.Tenant, e.Seq)],
		}
		if e.Kind == contacts.Changed {
			for _, c := range e.Changes {
				row.Changes = append(row.Changes, fmt.Sprintf("%s: %s → %s", c.Field, or(c.Old, "none"), or(c.New, "none")))
			}
		}
		page.Events = append(page.Events, row)
	}
	return nil
}

func (a *app) fillSender(ctx context.Context, page *officePage, tenant mspkit.TenantID, q url.Values) {
	v := &page.Sender
	o := a.office
	v.Connected = slices.ContainsFunc(page.Clients, func(c clientRow) bool { return c.ID == string(tenant) && c.Connected })
	names := o.templates.Names()
	for _, name := range names {
		words := strings.ReplaceAll(name, "-", " ")
		v.Templates = append(v.Templates, templateRow{name, strings.ToUpper(words[:1]) + words[1:]})
	}
	v.DefaultRecipient = or(q.Get("to"), "you@northwind.example")
	if page.Problem != "" {
		v.Typed = q.Get("address")
	}
	if name := q.Get("template"); slices.Contains(names, name) {
		if p, err := o.templates.Preview(name, "en", mail.Data{Tenant: tenant, Brand: brand}); err == nil {
			v.PreviewOf, v.Preview = name, "Subject: "+p.Subject+"\n\n"+p.Text
		}
	}
	o.mu.Lock()
	for _, c := range slices.Backward(o.fell) {
		if c.Tenant == tenant && len(v.Fell) < 5 {
			v.Fell = append(v.Fell, fmt.Sprintf("%s: %s", c.Kind, c.Reason))
		}
	}
	o.mu.Unlock()
	s, err := o.senders.Sender(ctx, tenant)
	if err == nil {
		v.Address, v.Name = s.Address.Email, s.Address.Name
		if s.Problem != "" {
			v.Problem = sentence(s.Problem)
		}
		v.Tested = ago(a.now(), s.TestedAt)
		v.Script, _ = graphmail.Restriction{
			ClientID: o.fake.appID, ObjectID: "9b8a7c6d-1111-4222-8333-444455556666", Name: brand.Name, Mailbox: mail.Address{Email: s.Address.Email}, Read: true,
		}.PowerShell()
		return
	}
	if !errors.Is(err, mail.ErrNotSetUp) {
		v.Fault = sentence(officeWords(err))
		return
	}
	if !v.Connected {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	if v.Candidates, v.More, err = o.mailboxes.Candidates(ctx, tenant); err != nil {
		v.Fault = sentence(officeWords(err))
	}
}

func (a *app) officeTenant(f url.Values) (*playedTenant, error) {
	t := a.office.fake.tenant(mspkit.TenantID(f.Get("tenant")))
	if t == nil {
		return nil, errors.New("there is no such client")
	}
	return t, nil
}

// doConnect makes the link that the client's administrator opens.
func (a *app) doConnect(ctx context.Context, f url.Values, _ technician) (string, error) {
	t, err := a.officeTenant(f)
	if err != nil {
		return "", err
	}
	link, err := a.office.consent.Link(ctx, t.id, officeOwner, officeIntegration)
	return "link:" + link, err
}

func (a *app) doRelease(ctx context.Context, f url.Values, _ technician) (string, error) {
	t, err := a.officeTenant(f)
	if err != nil {
		return "", err
	}
	err = errors.Join(a.office.syncer.Pause(ctx, contacts.Job{Tenant: t.id, Source: entraSource}), a.office.consent.Release(ctx, t.id, officeIntegration, officeOwner))
	return t.name + " is not connected any more. What is known of its people stays.", err
}

// doWithdraw plays the client's administrator, who deletes the application in Entra.
func (a *app) doWithdraw(_ context.Context, f url.Values, _ technician) (string, error) {
	t, err := a.officeTenant(f)
	if err != nil {
		return "", err
	}
	t.entra.Withdraw(a.office.fake.appID)
	t.graph.Revoke()
	return t.name + "'s administrator has withdrawn the consent. Sync, and see what the list says.", nil
}

func (a *app) doSync(ctx context.Context, _ url.Values, _ technician) (string, error) {
	return "", a.sync(ctx)
}

func (a *app) doCancelSync(context.Context, url.Values, technician) (string, error) {
	a.office.cancelSync()
	return "", nil
}

func (a *app) doJoins(_ context.Context, f url.Values, _ technician) (string, error) {
	t, err := a.officeTenant(f)
	if err != nil {
		return "", err
	}
	return a.office.fake.joins(t) + " works for " + t.name + " from now on. The next sync notices.", nil
}

func (a *app) doLeaves(_ context.Context, f url.Values, _ technician) (string, error) {
	t, err := a.officeTenant(f)
	if err != nil {
		return "", err
	}
	name := a.office.fake.leaves(t)
	if name == "" {
		return "", errors.New("nobody is left who could leave")
	}
	return name + " does not work for " + t.name + " any more. The next sync notices.", nil
}

func (a *app) doChoose(ctx context.Context, f url.Values, by technician) (string, error) {
	t, err := a.officeTenant(f)
	if err != nil {
		return "", err
	}
	s, err := a.office.senders.Choose(ctx, t.id, strings.TrimSpace(f.Get("address")), t.name+" Helpdesk", by.ID)
	return "From now on " + t.name + "'s people hear from " + s.Address.Email + ".", err
}

func (a *app) doTest(ctx context.Context, f url.Values, _ technician) (string, error) {
	t, err := a.officeTenant(f)
	if err != nil {
		return "", err
	}
	to, err := mail.ParseAddress(f.Get("to"))
	if err != nil {
		return "", errors.New("the test needs an address of yours, such as you@northwind.example")
	}
	if !slices.Contains(a.office.templates.Names(), f.Get("template")) {
		return "", errors.New("choose which mail is tested")
	}
	_, err = a.office.senders.Test(ctx, a.office.templates, mail.TestMail{Tenant: t.id, Name: f.Get("template"), Locale: "en", Brand: brand, To: to})
	return "Exchange has taken the test mail over. Look whether it arrives.", err
}

func (a *app) doForget(ctx context.Context, f url.Values, _ technician) (string, error) {
	t, err := a.officeTenant(f)
	if err != nil {
		return "", err
	}
	return t.name + "'s people hear from the helpdesk's own address again.", a.office.senders.Delete(ctx, t.id)
}

// doRemove plays the client's administrator, who deletes the mailbox in Exchange.
func (a *app) doRemove(ctx context.Context, f url.Values, _ technician) (string, error) {
	t, err := a.officeTenant(f)
	if err != nil {
		return "", err
	}
	s, err := a.office.senders.Sender(ctx, t.id)
	if err != nil {
		return "", err
	}
	t.graph.Delete(s.MailboxID, true)
	return t.name + "'s administrator has deleted the mailbox. Verify somebody by e-mail, and see what becomes of the mail.", nil
}
