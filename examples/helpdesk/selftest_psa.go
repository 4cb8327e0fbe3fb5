package main

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/mspkit/mspkit/psa"
	"github.com/mspkit/mspkit/psa/outbox"
	"github.com/mspkit/mspkit/verify"
	"github.com/mspkit/mspkit/verify/verifytest"
)

// waiting is how many notes the outbox still has.
func (p *player) waiting() int {
	c, err := p.app.desk.outbox.Count(p.ctx, "")
	p.no(err)
	return c.Pending
}

// undelivered says which notes are still on their way, and why, for the story that went another way.
func (p *player) undelivered() string {
	list, err := p.app.desk.outbox.List(p.ctx, outbox.Filter{})
	p.no(err)
	var b strings.Builder
	for _, e := range list {
		if e.State == outbox.Pending || e.State == outbox.Dead {
			fmt.Fprintf(&b, "; a note of ticket %s is %s: %s", e.Ticket.ID, e.State, e.Fault)
		}
	}
	return b.String()
}

// sam presses a button of the page about the ticket system.
func (p *player) sam(button string, fields ...string) (status int, page string) {
	f := url.Values{"tenant": {p.tenant}}
	for i := 0; i+1 < len(fields); i += 2 {
		f.Set(fields[i], fields[i+1])
	}
	return p.as("sam", http.MethodPost, "/psa-"+button, f)
}

// ticketTexts is what stands in Dana's ticket, oldest first.
func (p *player) ticketTexts() []string {
	var out []string
	for _, n := range p.fake.Desk().Notes("4711") {
		out = append(out, n.Text)
	}
	return out
}

func (p *player) plugPulled() {
	p.until("an empty outbox", func() bool { return p.waiting() == 0 })
	before := p.ticketTexts()
	p.sam("plug", "down", "1")
	n := len(p.on("sms"))
	c := p.start("reset-password", "sms", "number")
	p.typed(p.message("sms", n).Link, c.Number)
	p.must(p.challenge(c.ID).State == "confirmed", "without the ticket system Dana cannot be verified")
	p.press("redeem", "id", c.ID)
	p.until("three waiting notes", func() bool { return p.waiting() >= 3 })
	p.must(slices.Equal(p.ticketTexts(), before), "a note went into a ticket system without a plug")
	status, page := p.as("sam", http.MethodGet, "/psa?tenant=contoso", nil)
	p.must(status == http.StatusOK && strings.Contains(page, "Notes wait in the outbox and go out by themselves"), "the page about the ticket system answered %d", status)
	p.must(slices.ContainsFunc(p.see().Notes, func(n noteJSON) bool {
		return n.Waiting && strings.Contains(n.Text, "is verified for a password reset")
	}), "the page does not show what waits")
	p.say("Dana is verified all the same. %d notes wait; the page shows them above those that stand in the ticket.", p.waiting())
	p.no(p.shut())
	p.no(p.open(p.app))
	p.say("The program is restarted, still without a ticket system: %d notes wait.", p.waiting())
	p.sam("plug")
	p.until("the notes", func() bool { return p.waiting() == 0 })
	after := p.ticketTexts()[len(before):]
	p.inOrder(after, "began to verify", "is verified for a password reset", "was used for a password reset")
	p.say("Sam puts the plug back: all of them arrive, each once, in their order.")
}

// inOrder fails unless each text is in exactly one of the notes, one after the other.
func (p *player) inOrder(notes []string, texts ...string) {
	last := -1
	for _, t := range texts {
		var at []int
		for i, n := range notes {
			if strings.Contains(n, t) {
				at = append(at, i)
			}
		}
		p.must(len(at) == 1, "%q is in %d notes of %q", t, len(at), notes)
		p.must(at[0] > last, "%q came too early in %q", t, notes)
		last = at[0]
	}
}

func (p *player) deadLetter() {
	ticket, _ := p.fake.Desk().Ticket("4711")
	p.fake.Desk().CloseTicket("4711", "")
	p.technician = "sam"
	p.press("freeze", "reason", "she sounded strange")
	var dead []outbox.Entry
	p.until("a dead letter", func() bool {
		var err error
		dead, err = p.app.desk.outbox.List(p.ctx, outbox.Filter{State: outbox.Dead})
		p.no(err)
		return len(dead) == 1
	})
	_, page := p.as("sam", http.MethodGet, "/psa?tenant=contoso", nil)
	p.must(strings.Contains(page, "1 not delivered") && strings.Contains(page, "closed"), "the page does not say what could not be delivered, and why")
	p.say("Ticket 4711 is closed, so it takes no note. The outbox keeps it and says why: %q.", dead[0].Fault)
	p.fake.Desk().PutTicket(ticket)
	p.sam("replay", "of", string(dead[0].Tenant), "id", dead[0].ID)
	p.until("the note", func() bool {
		return slices.ContainsFunc(p.ticketTexts(), func(t string) bool { return strings.Contains(t, "is frozen") })
	})
	p.press("unfreeze", "reason", "it was really her")
	p.technician = "jane"
	p.say("Somebody opens it again, Sam presses “Try again”: it arrives.")
}

// frame loads what a ticket system would load into its frame.
func (p *player) frame(address string) (status int, page string, header http.Header) {
	req, err := http.NewRequestWithContext(p.ctx, http.MethodGet, address, nil)
	p.no(err)
	res, err := p.client.Do(req)
	p.no(err)
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	p.no(err)
	return res.StatusCode, string(body), res.Header
}

func (p *player) podView() {
	jane, _ := p.app.technician(p.ctx, "jane")
	dana, _ := p.app.person("contoso", "dana")
	mira, _ := p.app.person("contoso", "mira")
	address, err := p.app.pod.address(dana, jane)
	p.no(err)
	status, page, header := p.frame(address)
	_, session, ok := strings.Cut(page, `data-session="`)
	session, _, _ = strings.Cut(session, `"`)
	p.must(status == http.StatusOK && ok, "the frame answered %d", status)
	p.must(strings.HasSuffix(header.Get("Content-Security-Policy"), "; frame-ancestors https://psa.example"), "others may show the frame: %q", header.Get("Content-Security-Policy"))
	p.say("The ticket's page shows the frame by a link that is signed for Jane and ticket 4711, and nobody else's page may.")

	call := func(button string, fields url.Values) (int, string) {
		fields.Set("session", session)
		return p.request(http.MethodPost, p.app.cfg.url+podPath+"/"+button, fields)
	}
	n := len(p.on("sms"))
	p.app.advance(time.Minute)
	status, body := call("start", url.Values{"action": {"reset-password"}, "channel": {"sms"}, "person": {"mira"}, "technician": {"sam"}})
	p.must(status == http.StatusOK, "the frame's Verify answered %d: %s", status, body)
	m := p.message("sms", n)
	c := p.see().History[0]
	p.typed(m.Link, c.Number)
	p.must(p.challenge(c.ID).State == "confirmed", "what was begun in the frame is %s", p.challenge(c.ID).State)
	status, body = call("state", url.Values{})
	p.must(status == http.StatusOK && strings.Contains(body, c.ID) && !strings.Contains(body, m.Link), "the frame's state answered %d", status)
	p.say("Jane verifies Dana in it. That the request also named Mira and Sam was ignored: the session says who and whom.")

	p.person = "mira"
	p.app.advance(time.Minute)
	other := p.press("start", "action", "identify", "channel", "teams", "method", "number")
	p.person = "dana"
	status, _ = call("renew", url.Values{"id": {other.ID}})
	p.must(status == http.StatusNotFound, "the frame of one ticket renewed a verification of another: %d", status)
	status, _ = call("ask", url.Values{"replaces": {other.ID}, "question": {"Which printer?"}})
	p.must(status == http.StatusNotFound, "the frame of one ticket replaced something of another: %d", status)
	p.person = "mira"
	p.press("cancel", "id", other.ID)
	p.person = "dana"
	altered := session[:len(session)-2] + "AA"
	status, _ = p.request(http.MethodPost, p.app.cfg.url+podPath+"/state", url.Values{"session": {altered}})
	p.must(status == http.StatusNotFound, "an altered session answered %d", status)
	foreign, err := p.app.pod.address(mira, jane)
	p.no(err)
	launch := foreign[strings.Index(foreign, "=")+1:]
	status, _ = p.request(http.MethodPost, p.app.cfg.url+podPath+"/state", url.Values{"session": {launch}})
	p.must(status == http.StatusNotFound, "a launch was taken as a session")
	p.app.advance(2 * time.Minute)
	status, page, _ = p.frame(address)
	p.must(status == http.StatusForbidden && strings.Contains(page, "good for a minute"), "an old launch answered %d", status)
	p.say("It does nothing for another ticket. Altered, it is nothing; and a link of two minutes ago opens nothing.")

	report, err := (&verifytest.Scanner{NoReplay: true}).Scan(p.ctx, p.client, address)
	p.no(err)
	p.must(report.Submissions == 0, "a scanner found something to submit in the frame")
}

func (p *player) ticketDefaults() {
	status, page := p.sam("defaults", "field-queue", "Servis Desk", "field-priority", "Medium")
	p.must(status == http.StatusUnprocessableEntity && strings.Contains(page, "is unknown; valid are") && strings.Contains(page, "Service Desk"), "a wrong queue answered %d", status)
	p.say("A queue that does not exist is refused, and the page lists those that do.")
	status, _ = p.sam("defaults", "field-queue", "service desk", "field-priority", "High")
	p.must(status == http.StatusOK, "the defaults were refused with %d", status)
	d, err := p.app.desk.store.Defaults(p.ctx, "contoso", p.app.desk.system.Name())
	p.no(err)
	p.must(d.Queue.Name == "Service Desk" && d.Queue.ID != "" && d.Priority.Name == "High", "what was saved is %v", d)
	made, err := p.app.desk.system.CreateTicket(p.ctx, "contoso", psa.NewTicket{Title: "Verification without a ticket", CompanyID: "12", Defaults: d, Key: "selftest-1"})
	p.no(err)
	again, err := p.app.desk.system.CreateTicket(p.ctx, "contoso", psa.NewTicket{Title: "Verification without a ticket", CompanyID: "12", Defaults: d, Key: "selftest-1"})
	p.no(err)
	p.must(made.ID == again.ID, "the same key made the tickets %s and %s", made.ID, again.ID)
	p.say("Saved, with its id. A ticket made with them, twice with the same key, is one ticket: %s in %q.", made.ID, fmt.Sprint(made.Queue))

	n := len(p.fake.Desk().Tickets())
	p.no(p.app.ticketlog.Verify().Record(p.ctx, verify.Event{
		ID: "selftest-no-ticket", Challenge: "no-ticket", Kind: verify.EventDenied, Verifies: verify.KindCaller, Tenant: "contoso", Subject: "new-hire",
		Technician: "jane", By: verify.ByCaller, Action: verify.ActionResetPassword, Channel: "sms", Method: verify.MethodNumber,
	}))
	var opened psa.Ticket
	p.until("a ticket of its own", func() bool {
		all := p.fake.Desk().Tickets()
		if len(all) > n {
			opened = all[len(all)-1]
		}
		return opened.ID != "" && len(p.fake.Desk().Notes(opened.ID)) > 0
	})
	p.must(opened.Queue == d.Queue && opened.Priority == d.Priority && opened.Company.ID == "12", "the new ticket is %+v", opened)
	p.say("What has no ticket gets one of Contoso's, with these: %q.", opened.Title)
	status, _ = p.as("jane", http.MethodPost, "/psa-defaults", url.Values{"tenant": {p.tenant}, "field-queue": {"Projects"}})
	p.must(status == http.StatusForbidden, "Jane, who may not, changed the defaults: %d", status)
}
