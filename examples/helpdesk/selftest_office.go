package main

import (
	"errors"
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/contacts"
	"github.com/mspkit/mspkit/entra"
	"github.com/mspkit/mspkit/mail"
)

// leads presses a button of the page about Microsoft 365 as Sam and returns what the page says.
func (p *player) leads(button string, fields ...string) (status int, page string) {
	f := url.Values{"tenant": {p.tenant}}
	for i := 0; i+1 < len(fields); i += 2 {
		f.Set(fields[i], fields[i+1])
	}
	return p.as("sam", http.MethodPost, "/"+officeTag+"-"+button, f)
}

var (
	madeLink  = regexp.MustCompile(`id="link">([^<]+)<`)
	formOpen  = regexp.MustCompile(`(?s)<form[^>]*>.*?</form>`)
	formAt    = regexp.MustCompile(`action="([^"]*)"`)
	formField = regexp.MustCompile(`<(?:input|button)[^>]*name="([^"]+)"[^>]*value="([^"]*)"`)
)

// browser is somebody's own, with its own cookies.
func (p *player) browser() *http.Client {
	jar, err := cookiejar.New(nil)
	p.no(err)
	return &http.Client{Jar: jar, Timeout: 20 * time.Second, Transport: p.transport}
}

// visit sends a request and returns where it ended and what the page there says.
func (p *player) visit(c *http.Client, req *http.Request) (at *url.URL, status int, page string) {
	res, err := c.Do(req)
	p.no(err)
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(io.LimitReader(res.Body, 16<<20))
	p.no(err)
	return res.Request.URL, res.StatusCode, string(b)
}

func (p *player) visitAt(c *http.Client, address string) (at *url.URL, status int, page string) {
	req, err := http.NewRequestWithContext(p.ctx, http.MethodGet, address, nil)
	p.no(err)
	req.Header.Set("Accept", "text/html")
	return p.visit(c, req)
}

// submit sends the first form of a page, as somebody does who presses its first button. Where Microsoft asks who it is, it
// is who. typed are names and values of fields that are filled in.
func (p *player) submit(c *http.Client, at *url.URL, page, who string, typed ...string) (*url.URL, int, string) {
	form := formOpen.FindString(page)
	p.must(form != "", "the page at %s has no form: %.300s", at.Path, page)
	f := url.Values{}
	for _, m := range formField.FindAllStringSubmatch(form, -1) {
		if !f.Has(html.UnescapeString(m[1])) {
			f.Set(html.UnescapeString(m[1]), html.UnescapeString(m[2]))
		}
	}
	if strings.Contains(form, `<button name="user"`) { // Microsoft asks who it is
		f.Set("user", who)
		f.Del("answer") // of the button that cancels
	}
	for i := 0; i+1 < len(typed); i += 2 {
		f.Set(typed[i], typed[i+1])
	}
	to := at
	if m := formAt.FindStringSubmatch(form); len(m) > 1 && m[1] != "" {
		u, err := at.Parse(html.UnescapeString(m[1]))
		p.no(err)
		to = u
	}
	req, err := http.NewRequestWithContext(p.ctx, http.MethodPost, to.String(), strings.NewReader(f.Encode()))
	p.no(err)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Origin", at.Scheme+"://"+at.Host)
	req.Header.Set("Sec-Fetch-Site", "same-origin")
	req.Header.Set("Accept", "text/html")
	return p.visit(c, req)
}

// consents plays a client's administrator with a link of Sam's, until nothing is to be pressed any more.
func (p *player) consents(link string, admin *playedTenant) (says string) {
	c := p.browser()
	p.app.office.fake.SignIn(admin.admin)
	at, status, page := p.visitAt(c, link)
	for range 6 {
		if !formOpen.MatchString(page) || status >= http.StatusBadRequest {
			break
		}
		at, status, page = p.submit(c, at, page, admin.admin.ObjectID)
	}
	return page
}

// connect makes a link and plays that tenant's administrator with it.
func (p *player) connect(tenant mspkit.TenantID) {
	_, page := p.leads("connect", "tenant", string(tenant))
	link := madeLink.FindStringSubmatch(page)
	p.must(link != nil, "there is no link to forward")
	says := p.consents(html.UnescapeString(link[1]), p.app.office.fake.tenant(tenant))
	p.must(p.isConnected(tenant), "%s is not connected: %.300s", tenant, says)
}

func (p *player) isConnected(tenant mspkit.TenantID) bool {
	_, err := p.app.office.store.Connection(p.ctx, tenant, officeIntegration)
	p.must(err == nil || errors.Is(err, entra.ErrNotConnected), "the connection cannot be read: %v", err)
	return err == nil
}

func (p *player) officeConnected() {
	status, _ := p.as("jane", http.MethodPost, "/"+officeTag+"-connect", url.Values{"tenant": {"contoso"}})
	p.must(status == http.StatusForbidden, "Jane, who may not, made a link: %d", status)
	_, page := p.leads("connect")
	link := madeLink.FindStringSubmatch(page)
	p.must(link != nil, "there is no link to forward")
	address := html.UnescapeString(link[1])
	for range 3 { // a mail scanner
		_, status, _ = p.visitAt(p.browser(), address)
		p.must(status == http.StatusOK, "the link answered %d", status)
	}
	p.must(!p.isConnected("contoso"), "opening the link has connected Contoso")
	p.say("Sam forwards a link to Contoso's administrator. A scanner opens it three times, and nothing happens.")
	says := p.consents(address, p.app.office.fake.tenant("fabrikam"))
	p.must(strings.Contains(says, "This organisation cannot be connected here"), "Fabrikam's administrator reads %.300s", says)
	p.must(!p.isConnected("contoso"), "Fabrikam's administrator has connected Contoso")
	p.say("It reaches Fabrikam's administrator by mistake, who consents and signs in: that is not Contoso's Microsoft 365, and is refused.")
	p.connect("contoso")
	p.consents(address, p.app.office.fake.tenant("contoso"))
	p.say("Contoso's administrator consents and signs in with a new one: connected. Whose tenant it is says their sign-in, not the address bar.")
	for _, t := range []mspkit.TenantID{"fabrikam", "woodgrove"} {
		p.connect(t)
	}
	p.say("Fabrikam and Woodgrove follow.")
}

// syncs presses "Sync now" and waits for the end.
func (p *player) syncs() []contacts.Report {
	status, page := p.leads("sync")
	p.must(status == http.StatusOK, "the sync was refused with %d: %.300s", status, page)
	o := p.app.office
	var out []contacts.Report
	for range 1200 { // of pictures as many as Graph gives in a second
		o.mu.Lock()
		out = o.reports
		ended := o.stop == nil
		o.mu.Unlock()
		if ended {
			return out
		}
		time.Sleep(100 * time.Millisecond)
	}
	p.must(false, "the sync does not end")
	return nil
}

func (p *player) officeSynced() {
	o := p.app.office
	read := 0
	for _, r := range p.syncs() {
		p.must(r.Err == nil, "%s: %v", r.Tenant, r.Err)
		read += r.Joined
	}
	here := 0
	for _, t := range o.fake.tenants {
		for _, u := range t.graph.Users() {
			if u.UserType != "Guest" && (u.Purpose == "" || u.Purpose == "user") {
				here++
			}
		}
	}
	p.must(read > 4000 && read <= here, "%d people were read, there are %d", read, here)
	p.say("Three clients, %d people of 5,000 accounts: guests, rooms and shared mailboxes are nobody to verify.", read)
	dana := p.see()
	p.must(dana.Manager == "Ruth Okonkwo" && dana.Photo != "", "Dana's card has the manager %q and the picture %q", dana.Manager, dana.Photo)
	status, _ := p.as("jane", http.MethodGet, "/"+dana.Photo, nil)
	p.must(status == http.StatusOK, "the picture answered %d", status)
	p.say("Dana's card shows her picture, and that she reports to %s.", dana.Manager)
	status, page := p.as("jane", http.MethodGet, "/directory?q=%2B12025550143", nil)
	p.must(status == http.StatusOK && strings.Contains(page, "Dana Whitfield"), "who calls from Dana's number is not found: %d", status)
	p.say("Somebody calls from +1 202 555 0143: the directory finds Dana by the number, whichever client she is of.")
	for _, r := range p.syncs() {
		p.must(r.Err == nil && r.Joined+r.Changed+r.Left == 0 && !r.Whole, "a second sync did %+v", r)
	}
	p.say("The second sync asks only what has changed: nothing.")
}

func (p *player) lastOf(kind contacts.EventKind) string {
	list, err := p.app.office.lastEvents(p.ctx, 20)
	p.no(err)
	i := slices.IndexFunc(list, func(e contacts.Event) bool { return e.Kind == kind })
	if i < 0 {
		return ""
	}
	return list[i].Name
}

func (p *player) officeJoined() {
	o := p.app.office
	p.leads("joins")
	p.syncs()
	name := p.lastOf(contacts.Joined)
	p.must(name != "", "nobody has joined")
	told := func(word string) func() bool {
		return func() bool {
			p.app.mu.Lock()
			defer p.app.mu.Unlock()
			return slices.ContainsFunc(p.app.arrivals, func(a arrival) bool {
				return strings.HasPrefix(a.to, "ruth.okonkwo@contoso") && strings.Contains(a.text, name) && strings.Contains(a.subject+a.text, word)
			})
		}
	}
	p.until("the mail to the manager", told("joined"))
	p.say("%s joins Contoso. The sync notices, and Ruth Okonkwo, who leads the team, gets a mail.", name)
	found, err := p.app.searchOffice(p.ctx, name)
	p.no(err)
	p.must(len(found) == 1 && found[0].Enabled && len(found[0].Phones) == 1, "the directory has %d of that name", len(found))
	p.must(p.app.now().Sub(found[0].Phones[0].FirstSeen) < day, "the number of somebody new counts as known")
	p.say("The number of the new colleague counts as new, so that it is not good for a password yet.")
	p.leads("leaves")
	p.syncs()
	p.must(p.lastOf(contacts.Left) == name, "the one who left is %q", p.lastOf(contacts.Left))
	p.until("the second mail to the manager", told("left"))
	found, err = o.directory.Find(p.ctx, contacts.Search{Tenant: "contoso", Name: name})
	p.no(err)
	p.must(len(found) == 0, "%s is still found", name)
	p.say("%s leaves again. Nobody finds them any more, and the history stays.", name)

	p.leads("withdraw", "tenant", "fabrikam")
	for _, r := range p.syncs() {
		p.must((r.Err != nil) == (r.Tenant == "fabrikam"), "%s: %v", r.Tenant, r.Err)
		if r.Err != nil {
			p.say("Fabrikam withdraws its consent. The other clients are synced all the same; of Fabrikam the page says: %q", r.Why)
		}
	}
	left := 0
	list, err := o.lastEvents(p.ctx, 50)
	p.no(err)
	for _, e := range list {
		if e.Tenant == "fabrikam" {
			left++
		}
	}
	p.must(left == 0, "%d people of Fabrikam seem to have left", left)
	p.say("None of its people has left because of that.")
}

func (p *player) officeMail() {
	o := p.app.office
	contoso := o.fake.tenant("contoso")
	status, page := p.leads("choose", "address", "dana@contoso.example")
	p.must(status == http.StatusUnprocessableEntity && strings.Contains(page, "of a person"), "Dana's own mailbox was taken: %d", status)
	p.say("Sam tries Dana's own mailbox as sender and is refused: it is the mailbox of a person.")
	_, page = p.as("sam", http.MethodGet, "/"+officeTag+"?tenant=contoso", nil)
	p.must(strings.Contains(page, "helpdesk@contoso.example"), "the shared mailbox is not offered")
	status, page = p.leads("choose", "address", "helpdesk@contoso.example")
	p.must(status == http.StatusOK, "the shared mailbox was refused with %d: %.300s", status, page)
	status, _ = p.leads("test", "template", mail.SecureData, "to", "sam@northwind.example")
	p.must(status == http.StatusOK && len(contoso.graph.Sent()) == 1 && strings.HasPrefix(contoso.graph.Sent()[0].Subject, mail.TestMark), "the test mail was not sent")
	p.say("Contoso's shared mailbox is offered, chosen and tested: %q.", contoso.graph.Sent()[0].Subject)

	before := len(p.on("mail"))
	c := p.start("identify", "email", "number")
	m := p.message("mail", before)
	p.must(strings.Contains(m.From, "helpdesk@contoso.example"), "the mail is from %q", m.From)
	p.must(!contoso.graph.Sent()[1].SavedToSentItems, "a mail with a link stays in Sent Items")
	p.typed(m.Link, c.Number)
	p.must(p.challenge(c.ID).State == "confirmed", "the link of the client's own mailbox does not verify")
	p.say("Dana hears from %s now, and is verified by it. No copy stays in Sent Items.", m.From)

	p.leads("remove")
	before = len(p.on("mail"))
	c = p.start("identify", "email", "number")
	m = p.message("mail", before)
	p.must(!strings.Contains(m.From, "contoso"), "the mail is from %q", m.From)
	p.press("cancel", "id", c.ID)
	_, page = p.as("sam", http.MethodGet, "/"+officeTag+"?tenant=contoso", nil)
	p.must(strings.Contains(page, "stood in for") && strings.Contains(page, "choose another"), "the page does not say what became of the mailbox")
	p.say("Contoso deletes the mailbox. The next mail comes from the helpdesk's own address, and the page says why.")
	p.leads("forget")
}
