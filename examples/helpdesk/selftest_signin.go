package main

import (
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/mspkit/mspkit/entra"
	"github.com/mspkit/mspkit/entra/accounts"
)

// desk is the browser of a technician, who has signed in.
func (p *player) desk(id string) *http.Client {
	c := p.desks[id]
	if c == nil {
		c = p.browser()
		p.desks[id] = c
		p.signIn(c, p.office.staff[id].ObjectID)
	}
	return c
}

// signIn opens the portal, presses the sign-in page's button and chooses who it is at Microsoft.
func (p *player) signIn(c *http.Client, objectID string) (at *url.URL, status int, page string) {
	at, status, page = p.visitAt(c, p.app.cfg.url+"/home")
	p.must(at.Path == signInPath+"/signin", "the portal leads to %s (%d) and not to the sign-in", at.Path, status)
	at, _, page = p.submit(c, at, page, "")
	p.must(strings.HasSuffix(at.Path, "/authorize"), "the button of the sign-in page leads to %s", at.Path)
	return p.submit(c, at, page, objectID)
}

// as sends a request of the portal as a technician. Their session ends after hours, of which the demonstration's clock makes
// short work: then they sign in again.
func (p *player) as(id, method, path string, form url.Values) (status int, body string) {
	for again := range 2 {
		r, err := http.NewRequestWithContext(p.ctx, method, p.app.cfg.url+path, strings.NewReader(form.Encode()))
		p.no(err)
		if form != nil {
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		}
		at, status, body := p.visit(p.desk(id), r)
		if again > 0 || status != http.StatusUnauthorized && at.Path != signInPath+"/signin" {
			return status, body
		}
		delete(p.desks, id)
	}
	return 0, ""
}

func (p *player) signsIn() {
	at, status, page := p.visitAt(p.browser(), p.app.cfg.url+"/")
	title, _ := p.headingOf(page)
	p.must(status == http.StatusOK && at.Path == signInPath+"/signin" && !strings.Contains(page, "Dana"), "the portal answers somebody unknown with %d at %s", status, at.Path)
	status, body := p.request(http.MethodGet, p.app.cfg.url+"/api/state?person=dana", nil)
	p.must(status == http.StatusUnauthorized && !strings.Contains(body, "Dana"), "the state answers somebody unknown with %d", status)
	p.say("Who opens the portal comes to %q, and sees nothing else.", title)
	for _, id := range []string{"jane", "sam"} {
		c := p.browser()
		at, status, page := p.signIn(c, p.office.staff[id].ObjectID)
		a := demoStaff[slices.IndexFunc(demoStaff, func(a accounts.Account) bool { return a.ID == id })]
		p.must(status == http.StatusOK && at.Path == "/" && strings.Contains(page, a.Name) && strings.Contains(page, a.Role.String()), "after the sign-in %s is at %s (%d)", id, at.Path, status)
		p.must(strings.Contains(page, `href="audit"`) == (id == "sam"), "what only an admin sees is wrong for %s", id)
		p.say("One press, and at Microsoft one more: %s is in the portal, as %s.", a.Name, a.Role)
	}
}

// strangers are people of other tenants, and answers that nobody asked for.
func (p *player) strangers() {
	c := p.browser()
	stranger := p.office.tenant("contoso").admin
	at, status, page := p.signIn(c, stranger.ObjectID)
	title, _ := p.headingOf(page)
	p.must(status >= http.StatusBadRequest && at.Path == signInPath+"/callback", "Contoso's administrator is at %s with %d", at.Path, status)
	status, _ = p.stateOf(c)
	p.must(status == http.StatusUnauthorized, "Contoso's administrator has signed in: %d", status)
	p.say("Contoso's own administrator tries: %q. Microsoft does not know them in the helpdesk's tenant.", title)

	// The same token, had by another way: signed by Microsoft, for this application, and of the wrong tenant.
	for what, alter := range map[string]func(u *url.URL){
		"of another tenant": func(u *url.URL) { u.Path = strings.Replace(u.Path, northwindEntra, contosoEntra, 1) },
		"of any tenant":     func(u *url.URL) { u.Path = strings.Replace(u.Path, northwindEntra, "organizations", 1) },
	} {
		c := p.browser()
		at, _, page := p.visitAt(c, p.app.cfg.url+"/")
		at, _, page = p.submit(c, at, page, "")
		alter(at)
		at, status, page = p.submit(c, at, page, stranger.ObjectID)
		title, _ = p.headingOf(page)
		status2, _ := p.stateOf(c)
		p.must(status >= http.StatusBadRequest && at.Path == signInPath+"/callback" && status2 == http.StatusUnauthorized, "a sign-in %s answered %d, and the state %d", what, status, status2)
	}
	p.say("They change the address at Microsoft so that it signs them in at their own tenant. The token is real, and it is refused: %q.", title)

	// An attacker gives Sam a link with a code of their own, so that Sam would work in the attacker's account.
	c = p.browser()
	at, status, page = p.visitAt(c, p.app.cfg.url+signInPath+"/callback?code=stolen&state="+strings.Repeat("A", 43))
	title, _ = p.headingOf(page)
	p.must(status >= http.StatusBadRequest, "a forged state answered %d at %s", status, at.Path)
	p.say("A link with somebody else's code and a forged state: %q. This browser had asked for nothing.", title)
}

func (p *player) stateOf(c *http.Client) (int, string) {
	r, err := http.NewRequestWithContext(p.ctx, http.MethodGet, p.app.cfg.url+"/api/state?person=dana", nil)
	p.no(err)
	_, status, body := p.visit(c, r)
	return status, body
}

// technicianTries lets Jane try everything that is for admins.
func (p *player) technicianTries() {
	status, page := p.as("jane", http.MethodGet, "/", nil)
	p.must(status == http.StatusOK && !strings.Contains(page, `href="audit"`), "Jane's portal shows what is for admins")
	tried := 0
	for _, route := range p.app.routes {
		of := rules[route.Name]
		if strings.HasPrefix(route.Name, "pod") || !slices.ContainsFunc(of.needs, func(n entra.Permission) bool {
			return !entra.DefaultPolicy().Allows(entra.RoleTechnician, entra.UIFull, n)
		}) {
			continue
		}
		form := url.Values(nil)
		if route.Method == http.MethodPost {
			form = url.Values{"tenant": {"contoso"}, "person": {"dana"}, "reason": {"because"}}
		}
		status, body := p.as("jane", route.Method, route.SamplePath(), form)
		p.must(status == http.StatusForbidden, "Jane's %s %s answered %d: %.200s", route.Method, route.Name, status, body)
		tried++
	}
	p.say("No link in Jane's portal leads to a setting. She types the addresses: %d of %d, all refused.", tried, tried)
	list, err := p.app.deeds.last(p.ctx, deedRefused, tried)
	p.no(err)
	noted := 0
	for _, of := range list {
		if of.who == "jane" {
			noted++
		}
	}
	p.must(noted == tried, "%d of %d refusals were noted", noted, tried)
	status, page = p.as("sam", http.MethodGet, "/audit?show="+deedRefused, nil)
	p.must(status == http.StatusOK && strings.Contains(page, "Jane Doe"), "Sam does not see who tried")
	p.say("Sam reads about each of them in “Who did what”, for example: Jane Doe %s.", list[0].what)
}

// account presses "Save" on Sam's page of an account.
func (p *player) account(id string, role entra.Role, ui entra.UI, access string) (status int, page string) {
	return p.as("sam", http.MethodPost, accountsPath+"/a/"+id, url.Values{"role": {role.String()}, "ui": {ui.String()}, "mfa": {"default"}, "access": {access}})
}

// roleChanges makes Jane an admin and back, while she is signed in.
func (p *player) roleChanges() {
	reads := func() int {
		status, _ := p.as("jane", http.MethodGet, "/psa?tenant=contoso", nil)
		return status
	}
	is := func(role entra.Role, access string) {
		status, page := p.account("jane", role, entra.UIFull, access)
		p.must(status == http.StatusOK, "Jane's account was not changed: %d %.300s", status, page)
	}
	p.must(reads() == http.StatusForbidden, "Jane sees the ticket system's settings")
	is(entra.RoleAdmin, "allowed")
	p.must(reads() == http.StatusOK, "as an admin Jane does not see the ticket system's settings")
	is(entra.RoleTechnician, "allowed")
	p.must(reads() == http.StatusForbidden, "after she was an admin Jane still sees the ticket system's settings")
	p.say("Sam makes Jane an admin: her next request sees the settings. She is a technician again: the one after it does not.")
	is(entra.RoleTechnician, "disabled")
	status, _ := p.stateOf(p.desk("jane"))
	p.must(status == http.StatusUnauthorized, "Jane works on without an account: %d", status)
	is(entra.RoleTechnician, "allowed")
	status, _ = p.stateOf(p.desk("jane"))
	p.must(status == http.StatusUnauthorized, "a session that had ended came back: %d", status)
	delete(p.desks, "jane")
	p.say("He disables her account: her session ends in the middle of it, and does not come back with the account.")
	status, _ = p.account("sam", entra.RoleTechnician, entra.UIFull, "allowed")
	p.must(status == http.StatusConflict, "the last admin is none any more: %d", status)
	p.say("His own role he cannot give away: he is the last admin.")
}

// invited is Tom, who is of the helpdesk's tenant, and has no account until Sam invites him.
func (p *player) invited() {
	tom := p.office.staff[newColleague.ID].ObjectID
	c := p.browser()
	at, status, page := p.signIn(c, tom)
	title, _ := p.headingOf(page)
	p.must(status == http.StatusForbidden && at.Path == signInPath+"/callback", "Tom, who has no account, is at %s (%d)", at.Path, status)
	p.say("Tom works for the helpdesk, and nobody has let him in here yet: %q.", title)
	status, _ = p.as("jane", http.MethodPost, accountsPath+"/invite", url.Values{"kind": {"technician"}, "name": {"Tom"}, "role": {"Admin"}, "ui": {"full"}})
	p.must(status == http.StatusForbidden, "Jane invited somebody: %d", status)
	status, page = p.as("sam", http.MethodPost, accountsPath+"/invite", url.Values{"kind": {"technician"}, "name": {newColleague.Name}, "role": {"Technician"}, "ui": {"full"}})
	link := joinLink.FindString(page)
	p.must(status == http.StatusOK && link != "", "Sam's invitation answered %d", status)
	p.secrets = append(p.secrets, link)
	joins := func(c *http.Client, objectID string) (*url.URL, int, string) {
		at, status, page := p.visitAt(c, link)
		p.must(status == http.StatusOK, "the invitation answered %d", status)
		at, _, page = p.submit(c, at, page, "")
		return p.submit(c, at, page, objectID)
	}
	stranger := p.browser()
	_, status, _ = joins(stranger, p.office.tenant("contoso").admin.ObjectID)
	p.must(status >= http.StatusBadRequest, "somebody of another tenant came in by the invitation: %d", status)
	at, status, page = joins(c, tom)
	title, _ = p.headingOf(page)
	p.must(status == http.StatusOK, "Tom's invitation ended with %d at %s", status, at.Path)
	status, _ = p.stateOf(c)
	p.must(status == http.StatusOK, "Tom is not in: %d", status)
	p.say("Jane cannot invite anybody. Sam invites him: the link lets nobody of another tenant in, and Tom comes in by it: %q.", title)
	_, status, _ = p.visitAt(p.browser(), link)
	p.must(status >= http.StatusBadRequest, "the invitation is good a second time: %d", status)
	p.say("The link is used up.")
}

var joinLink = regexp.MustCompile(`http://[^"<> ]+/accounts/join/[\w.-]+`)

// podOnly is Priya, who has the compact view only.
func (p *player) podOnly() {
	c := p.browser()
	at, status, page := p.signIn(c, p.office.staff["priya"].ObjectID)
	p.must(status == http.StatusOK && at.Path == "/tickets" && strings.Contains(page, "compact view only"), "Priya is at %s (%d)", at.Path, status)
	p.desks["priya"] = c
	for _, path := range []string{"/", "/directory", "/psa?tenant=contoso", "/audit", "/api/state?person=dana"} {
		status, _ := p.as("priya", http.MethodGet, path, nil)
		p.must(status == http.StatusForbidden, "Priya's %s answered %d", path, status)
	}
	status, _ = p.as("priya", http.MethodPost, "/api/start", url.Values{"tenant": {"contoso"}, "person": {"dana"}, "action": {"identify"}})
	p.must(status == http.StatusForbidden, "Priya verifies by the portal: %d", status)
	p.say("Priya signs in and sees her tickets only; the portal is closed to her, and so is what its script asks for.")

	status, page = p.as("priya", http.MethodPost, "/tickets", url.Values{"tenant": {"contoso"}, "person": {"dana"}})
	_, session, ok := strings.Cut(page, `data-session="`)
	session, _, _ = strings.Cut(session, `"`)
	p.must(status == http.StatusOK && ok, "Priya's compact view answered %d", status)
	pod := func(button string, fields ...string) (int, string) {
		f := url.Values{"session": {session}}
		for i := 0; i+1 < len(fields); i += 2 {
			f.Set(fields[i], fields[i+1])
		}
		return p.request(http.MethodPost, p.app.cfg.url+podPath+"/"+button, f)
	}
	p.app.advance(time.Minute)
	n := len(p.on("sms"))
	status, body := pod("start", "action", "identify", "channel", "sms", "method", "code")
	p.must(status == http.StatusOK, "Priya's Verify answered %d: %s", status, body)
	code := sixDigits.FindString(p.message("sms", n).Text)
	c0 := p.see().History[0]
	status, body = pod("check", "id", c0.ID, "code", code)
	p.must(status == http.StatusOK && p.challenge(c0.ID).State == "confirmed", "Priya's Check answered %d: %s", status, body)
	for _, button := range []string{"freeze", "unfreeze", "unlock", "approve"} {
		status, _ = pod(button, "id", c0.ID, "reason", "because")
		p.must(status == http.StatusForbidden, "Priya's %s answered %d", button, status)
	}
	p.say("In the compact view she verifies Dana. Freeze, unlock and approve are for admins there as well.")

	p.account("priya", entra.RoleTechnician, entra.UIPod, "disabled")
	status, _ = pod("state")
	p.must(status >= http.StatusBadRequest, "the view of somebody without an account answered %d", status)
	p.account("priya", entra.RoleTechnician, entra.UIPod, "allowed")
	status, _ = pod("state")
	p.must(status == http.StatusOK, "Priya's view answered %d", status)
	p.say("The view beside a ticket is as good as the account it was opened for: while Priya has none, it is closed.")
}

func (p *player) signsOut() {
	c := p.browser()
	at, _, page := p.signIn(c, p.office.staff["sam"].ObjectID)
	copied := p.browser()
	copied.Jar.SetCookies(at, c.Jar.Cookies(at)) // somebody has copied the cookies of the machine
	status, _ := p.stateOf(copied)
	p.must(status == http.StatusOK, "the copied cookie is not good: %d", status)
	_, form, ok := strings.Cut(page, `<div class="me">`)
	p.must(ok, "the page has no button to sign out")
	at, status, page = p.submit(c, at, form, "")
	p.must(status == http.StatusOK, "the sign-out ended with %d at %s", status, at.Path)
	title, _ := p.headingOf(page)
	status, _ = p.stateOf(c)
	p.must(status == http.StatusUnauthorized, "after the sign-out the state answers %d", status)
	status, _ = p.stateOf(copied)
	p.must(status == http.StatusUnauthorized, "after the sign-out a copy of the cookie answers %d", status)
	p.say("Sam signs out: %q. A copy of his cookie, taken before, opens nothing any more either.", title)
}

func (p *player) whoDidWhat() {
	list, err := p.app.deeds.last(p.ctx, "", 1000)
	p.no(err)
	var all []string
	for _, of := range list {
		all = append(all, p.app.nameOf(p.ctx, of.who)+" "+of.what)
	}
	for _, want := range []string{
		"Jane Doe signed in", "Sam Okafor signed out", "Somebody unknown could not sign in", "Jane Doe began to verify Dana Whitfield, Contoso",
		"Sam Okafor froze Dana Whitfield", "Sam Okafor changed the settings of sends: Contoso", "Sam Okafor published the app for Teams: Contoso",
		"Priya Nair began to verify Dana Whitfield", "Jane Doe was refused",
	} {
		p.must(slices.ContainsFunc(all, func(s string) bool { return strings.HasPrefix(s, want) }), "nothing says %q", want)
	}
	text := strings.Join(all, "\n")
	for _, s := range append(slices.Clone(p.secrets), "@", "http", "eyJ") {
		p.must(!strings.Contains(text, s), "who did what holds %q", s)
	}
	status, page := p.as("sam", http.MethodGet, "/audit", nil)
	p.must(status == http.StatusOK && strings.Contains(page, "Priya Nair"), "the page answered %d", status)
	kinds := map[string]int{}
	for _, of := range list {
		kinds[of.kind]++
	}
	p.say("%d lines: %d about callers, %d about settings, %d sign-ins, %d refusals. They name people, and hold no address, link or code.",
		len(list), kinds[deedCaller], kinds[deedSettings], kinds[deedSignIn], kinds[deedRefused])
	for _, s := range all[:4] {
		p.say("  %s", s)
	}
}

// callerSignsIn verifies Dana by a sign-in, which a colleague of hers tries first.
func (p *player) callerSignsIn() {
	before := len(p.on("sms"))
	c := p.start("reset-mfa", "signin", "number")
	m := p.message("sms", before)
	p.must(strings.Contains(m.Link, callerPath+"/s/") && !strings.Contains(strings.Replace(m.Text, m.Link, "", 1), c.Number), "the message is %q", m.Text)
	dana, _ := p.app.person("contoso", "dana")
	lukas, _ := p.app.person("contoso", "lukas")
	opens := func(who person) (*http.Client, *url.URL, int, string) {
		b := p.browser()
		at, status, page := p.visitAt(b, m.Link)
		p.must(status == http.StatusOK, "the link answered %d", status)
		at, _, page = p.submit(b, at, page, "")
		p.must(strings.HasSuffix(at.Path, "/authorize"), "the button of Dana's page leads to %s", at.Path)
		_, oid, _ := strings.Cut(who.Entra, "/")
		at, status, page = p.submit(b, at, page, oid)
		return b, at, status, page
	}
	_, _, status, page := opens(lukas)
	title, _ := p.headingOf(page)
	p.must(status >= http.StatusBadRequest && p.challenge(c.ID).State == "pending" && p.challenge(c.ID).Tries == c.Tries, "Lukas's sign-in answered %d", status)
	p.say("Her phone gets a link to a page that wants her to sign in. Lukas, who is of Contoso as well, has the link and signs in: %q.", title)
	b, at, status, page := opens(dana)
	p.must(status == http.StatusOK, "Dana's sign-in answered %d at %s", status, at.Path)
	at, status, page = p.submit(b, at, page, "", "number", c.Number)
	title, _ = p.headingOf(page)
	got := p.challenge(c.ID)
	p.must(status == http.StatusOK && got.State == "confirmed", "after Dana's number the state is %s (%d at %s)", got.State, status, at.Path)
	p.press("redeem", "id", c.ID)
	p.say("Dana signs in and types Jane's number: %q. That counts for more than a text message (%s), and is good for her multi-factor sign-in.", title, got.Assurance)
}
