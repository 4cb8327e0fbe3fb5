package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/mspkit/mspkit/verify/verifytest"
)

// selftest plays the whole story over HTTP, as a browser would: the technician through the portal's API, the
// caller through the pages that the messages link to. It prints what happens and fails at the first deviation.
func selftest(ctx context.Context, where storage, tickets string, out io.Writer) (err error) {
	ctx, cancel := context.WithTimeout(ctx, 9*time.Minute) // it takes one, and more where it shares the machine
	defer cancel()
	dir, err := os.MkdirTemp("", "mspkit-helpdesk-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	where.space = "selftest_" + strings.ToLower(rand.Text()[:20])
	defer func() { err = errors.Join(err, where.drop(context.WithoutCancel(ctx))) }()
	p := &player{ctx: ctx, out: out, dir: dir, storage: where, tickets: ticketSystem{kind: tickets}, technician: "jane", desks: map[string]*http.Client{}, person: "dana", tenant: "contoso", client: &http.Client{Timeout: 20 * time.Second}}
	if p.teams, err = playTeams(); err != nil {
		return err
	}
	defer p.teams.Close()
	if p.office, err = playOffice(); err != nil {
		return err
	}
	defer p.office.Close()
	if p.fake, err = fakePSA(tickets, people(time.Now(), config{})); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.fake.Close()) }()
	if err := p.open(nil); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.shut()) }()
	defer func() {
		if f, ok := recover().(deviation); ok {
			err = fmt.Errorf("the story went another way: %s", string(f))
		}
	}()
	p.until("the installation of the app in Teams", func() bool { return p.see().App })
	for i, chapter := range []struct {
		title string
		play  func()
	}{
		{"Jane signs in, and so does Sam", p.signsIn},
		{"Who is not of the helpdesk", p.strangers},
		{"Somebody phones and says they are Dana from Contoso", p.numberByCard},
		{"\"This was not me\", pressed on a card", p.notMeOnACard},
		{"The same by text message", p.numberMatch},
		{"The wrong number, and a new one", p.wrongNumber},
		{"A mail scanner opens the link before anybody reads it", p.scanner},
		{"A code, read to the technician", p.code},
		{"The code that came too late", p.expired},
		{"\"This is not me\", pressed behind a link", p.notMe},
		{"What the policy does not allow", p.policy},
		{"One technician is not enough for the chief executive", p.secondTechnician},
		{"Dana signs in to her own Microsoft 365", p.callerSignsIn},
		{"Dana asks: is this really the helpdesk?", p.technicianIsReal},
		{"Somebody else poses as the helpdesk", p.impostor},
		{"Dana asks in Teams: who is calling?", p.technicianByChat},
		{"Teams cannot be used", p.failover},
		{"A freeze, and who may end it", p.freeze},
		{"The program is restarted in the middle", p.restart},
		{"And with a card", p.restartWithACard},
		{"Two instances on one store, side by side", p.twoInstances},
		{"What stands in the ticket", p.ticket},
		{"A password for Dana, which she reads once", p.sendText},
		{"Files of several megabytes", p.sendFiles},
		{"The answer gets lost on the way", p.sendDropped},
		{"Somebody else has read the mail, and guesses the number", p.sendLocked},
		{"A mail scanner with the whole link", p.sendScanned},
		{"Jane takes it back", p.sendRevoked},
		{"For Dana herself only", p.sendProof},
		{"A passphrase, and a code by another way", p.sendPassphrase},
		{"Sealed in Jane's own browser", p.sendSealed},
		{"Dana is asked for something", p.sendAsked},
		{"The client's settings, and the lock", p.sendSettings},
		{"Two instances, and everybody opens at once", p.sendTwice},
		{"The ticket system's plug is pulled", p.plugPulled},
		{"A ticket that is closed, and a letter that cannot be delivered", p.deadLetter},
		{"The view beside the ticket, in the ticket system's own page", p.podView},
		{"What new tickets are like", p.ticketDefaults},
		{"Contoso's Microsoft 365 is connected", p.officeConnected},
		{"Five thousand people, kept in step", p.officeSynced},
		{"Somebody joins, and somebody leaves", p.officeJoined},
		{"Mail from Contoso's own mailbox", p.officeMail},
		{"The helpdesk's own app in Contoso's Teams", p.appPublished},
		{"The app comes with the first message", p.appInstalled},
		{"A channel that hears of text messages", p.channelConnected},
		{"A chat that is followed", p.chatFollowed},
		{"A technician tries what is for admins", p.technicianTries},
		{"Somebody else's role, at once", p.roleChanges},
		{"A colleague is invited", p.invited},
		{"The compact view and nothing else", p.podOnly},
		{"Signed out is signed out", p.signsOut},
		{"Who did what", p.whoDidWhat},
		{"What stands in the ticket about it, and what does not", p.sendTicket},
	} {
		if i > 0 {
			p.print("")
		}
		p.print("%d. %s", i+1, chapter.title)
		chapter.play()
	}
	p.print("\nThe story went as it should.")
	return nil
}

func (p *player) start(action, channel, method string) challengeJSON {
	p.app.advance(time.Minute) // past the cooldown between two messages
	c := p.press("start", "action", action, "channel", channel, "method", method, "key", time.Now().String())
	// One number in some hundred stands in the ticket's or the helpdesk's number, where a scanner would find it and the
	// player could not tell it from a leak. Then Jane says another.
	shown := p.see().Ticket + " +1 202 555 0100"
	for c.Number != "" && strings.Contains(shown, c.Number) {
		c = p.press("renew", "id", c.ID)
	}
	return c
}

func (p *player) numberMatch() {
	before := len(p.on("sms"))
	c := p.start("reset-password", "sms", "")
	p.must(c.Channel == "sms" && c.Method == "number", "the policy chose %s by %s", c.Method, c.Channel)
	p.must(len(c.Number) == 3, "the technician has no number to say")
	sms := p.message("sms", before)
	p.say("Jane presses Verify. Dana's phone (%s) gets: %q", c.To, shorten(sms.Text))
	p.must(sms.Link != "" && !strings.Contains(strings.Replace(sms.Text, sms.Link, "", 1), c.Number), "the message must have a link and not the number")
	title, text := p.page(sms.Link, nil)
	for _, want := range []string{"Jane Doe", "Northwind IT", "reset your password", "4711"} {
		p.must(strings.Contains(text, want), "the page does not say %q", want)
	}
	p.say("The page says who asks and for what: %q.", title)
	p.until("the delivery report", func() bool { return p.challenge(c.ID).Delivery == "delivered" })
	p.say("Twilio reports that the message was delivered.")
	p.say("Jane says the number on the phone, Dana types it: %q.", p.typed(sms.Link, c.Number))
	seen := p.see()
	p.must(seen.Shield == "ok", "the shield is %q", seen.Shield)
	p.must(p.challenge(c.ID).Usable, "there is no proof")
	p.press("redeem", "id", c.ID)
	_, refused := p.do("redeem", "id", c.ID)
	p.must(refused != "", "a proof was used twice")
	p.say("The shield is green. The proof resets the password once; the second time: %q", refused)
}

func (p *player) wrongNumber() {
	before := len(p.on("sms"))
	c := p.start("reset-password", "sms", "number")
	sms := p.message("sms", before)
	p.typed(sms.Link, "letters")
	p.must(p.challenge(c.ID).Tries == 2, "letters were counted as a try")
	p.typed(sms.Link, wrong(c.Number))
	title := p.typed(sms.Link, wrong(c.Number))
	p.must(p.challenge(c.ID).State == "failed", "two wrong numbers left the state %s", p.challenge(c.ID).State)
	p.say("Letters are refused and not counted. Two wrong numbers use it up: %q.", title)
	p.typed(sms.Link, c.Number)
	p.must(p.challenge(c.ID).State == "failed", "the old number still works")
	renewed := p.press("renew", "id", c.ID)
	title = p.typed(sms.Link, full(renewed.Number))
	p.must(p.challenge(c.ID).State == "confirmed", "the new number was not accepted")
	p.say("Jane says a new number; the link stays the same. Typed with full-width digits: %q.", title)
}

func (p *player) scanner() {
	before := len(p.on("mail"))
	c := p.start("identify", "email", "number")
	m := p.message("mail", before)
	report, err := (&verifytest.Scanner{Exclude: []string{c.Number}, NoReplay: true}).Scan(p.ctx, p.client, m.Link)
	p.no(err)
	got := p.challenge(c.ID)
	p.must(got.State == "failed", "after the scanner the state is %s", got.State)
	p.must(got.Hinted && !p.see().Frozen, "the scanner's “not me” must be a hint and freeze nobody")
	p.say("It sends %d requests and submits %d forms with guesses. It confirms nothing and freezes nobody.", report.Requests, report.Submissions)
	renewed := p.press("renew", "id", c.ID)
	title := p.typed(m.Link, renewed.Number)
	p.must(p.challenge(c.ID).State == "confirmed", "after the scanner Dana cannot confirm")
	p.say("It used up one number, Jane sees that and says a new one. Dana: %q.", title)
}

var sixDigits = regexp.MustCompile(`\b\d{3}[ \x{a0}]?\d{3}\b`)

func (p *player) code() {
	before := len(p.on("mail"))
	c := p.start("identify", "sms", "code")
	_, refused := p.do("check", "id", c.ID, "code", "12a456")
	p.must(strings.Contains(refused, "digits only"), "letters: %q", refused)
	sms := p.message("sms", 0)
	code := sixDigits.FindString(sms.Text)
	p.must(code != "" && sms.Link == "", "the code message is wrong")
	p.say("The phone gets: %q", shorten(sms.Text))
	p.press("check", "id", c.ID, "code", full(code))
	p.must(p.challenge(c.ID).State == "confirmed", "the code was not accepted")
	p.say("Dana reads it aloud, Jane types it with spaces and full-width digits: verified, one rank below number match (%s).", c.Assurance)
	_, refused = p.do("start", "action", "identify", "channel", "email", "method", "code")
	p.must(strings.Contains(refused, "needs"), "an e-mail code must not be enough to identify: %q", refused)
	p.must(len(p.on("mail")) == before, "a mail was sent although the policy refused")
	p.say("By e-mail the policy refuses: %q", refused)
}

func (p *player) expired() {
	n := len(p.on("sms"))
	c := p.start("unlock-account", "sms", "code")
	code := sixDigits.FindString(p.message("sms", n).Text)
	p.press("advance")
	p.press("check", "id", c.ID, "code", code)
	p.must(p.challenge(c.ID).State == "expired", "after six minutes the state is %s", p.challenge(c.ID).State)
	p.say("Six minutes later the right code says: expired.")
}

func (p *player) notMe() {
	n := len(p.on("sms"))
	c := p.start("reset-password", "sms", "number")
	m := p.message("sms", n)
	title, _ := p.page(m.Link+"/not-me", url.Values{})
	got := p.challenge(c.ID)
	p.must(got.Hinted && got.State == "pending", "“not me” without the word must be a hint only")
	p.say("The real Dana presses it. Jane is told at once (%q), but a scanner could have pressed too.", title)
	title, _ = p.page(m.Link+"/not-me/confirm", url.Values{"word": {strings.ToUpper(c.Word)}})
	p.must(p.challenge(c.ID).State == "denied", "with the word the state is %s", p.challenge(c.ID).State)
	p.must(p.typed(m.Link, c.Number) != "" && p.challenge(c.ID).State == "denied", "the number still worked")
	p.must(p.see().Shield == "danger" && !p.see().Frozen, "a link must alert and not freeze")
	p.say("She phones the helpdesk, types the words she is told: %q. The verification is dead, the shield is red.", title)
}

func (p *player) policy() {
	_, refused := p.do("start", "action", "reset-mfa", "channel", "sms")
	p.must(strings.Contains(refused, "Teams"), "resetting a multi-factor sign-in: %q", refused)
	p.say("Reset the multi-factor sign-in by text message: %q", refused)
	p.person = "mira"
	_, refused = p.do("start", "action", "reset-password", "channel", "sms")
	p.must(strings.Contains(refused, "14 days"), "a number changed yesterday: %q", refused)
	p.say("Mira, whose number was changed yesterday: %q", refused)
	p.person, p.tenant = "omar", "fabrikam"
	_, refused = p.do("start", "action", "reset-password")
	p.must(strings.Contains(refused, "needs"), "e-mail only: %q", refused)
	p.say("Omar, who has only a mailbox: %q", refused)
	p.person, p.tenant = "dana", "contoso"
}

func (p *player) technicianIsReal() {
	before := len(p.on("mail"))
	p.ask("dana@contoso.example")
	p.ask("nobody@contoso.example")
	p.say("She asks on the public page. It says the same to everybody, known or not, and nothing is sent at once.")
	p.app.advance(time.Minute)
	m := p.message("mail", before)
	title, text := p.page(m.Link, nil)
	for _, want := range []string{"Jane Doe", "Northwind IT", "4711"} {
		p.must(strings.Contains(text, want), "the page does not say %q", want)
	}
	c := p.newest("technician")
	p.must(c.Word != "", "the technician has no words to say")
	p.say("A link goes to the address on record: %q.", title)
	p.say("Jane says her words, Dana types them: %q.", p.typed(m.Link, c.Word))
	p.must(p.challenge(c.ID).State == "confirmed", "the right words were not accepted")
}

func (p *player) impostor() {
	p.app.advance(time.Minute)
	before := len(p.on("sms"))
	c := p.press("technician", "channel", "sms")
	title := p.typed(p.message("sms", before).Link, "wrong words")
	p.must(p.challenge(c.ID).Hinted, "a mismatch must alert at once")
	p.say("The stranger on the phone says other words: %q.", title)
	p.press("cancel", "id", c.ID)
}

func (p *player) newest(kind string) challengeJSON {
	for _, c := range p.see().History {
		if c.Kind == kind {
			return c
		}
	}
	p.must(false, "there is no %s verification", kind)
	return challengeJSON{}
}

func (p *player) ask(address string) {
	status, _ := p.request(http.MethodPost, p.see().Who, url.Values{"address": {address}})
	p.must(status == http.StatusOK, "the public page answered %d", status)
}

func (p *player) freeze() {
	_, refused := p.do("freeze", "reason", "odd call")
	p.must(strings.Contains(refused, "an admin"), "Jane froze somebody: %q", refused)
	p.technician = "sam"
	p.press("freeze", "reason", "odd call from abroad")
	_, refused = p.do("start", "action", "reset-password")
	p.must(strings.Contains(refused, "frozen"), "a frozen person was verified: %q", refused)
	_, noReason := p.do("unfreeze", "reason", " ")
	p.must(noReason != "", "unfrozen without a reason")
	p.press("unfreeze", "reason", "spoke to Dana in person")
	p.technician = "jane"
	p.say("Sam, the admin, freezes Dana. Then: %q Sam unfreezes her, with a reason.", refused)
}

func (p *player) secondTechnician() {
	p.person, p.tenant = "ines", "fabrikam"
	defer func() { p.person, p.tenant, p.technician = "dana", "contoso", "jane" }()
	n := len(p.on("sms"))
	c := p.start("reset-password", "sms", "number")
	p.typed(p.message("sms", n).Link, c.Number)
	_, refused := p.do("redeem", "id", c.ID)
	p.must(strings.Contains(refused, "must approve"), "a listed person's proof was used: %q", refused)
	_, herself := p.do("approve", "id", c.ID, "reason", "it is fine")
	p.must(herself != "" && !p.challenge(c.ID).Usable && p.see().Shield == "wait", "Jane approved what she began")
	p.say("Inês types the right number, and Jane can do nothing with it: %q", refused)
	p.technician = "sam"
	p.press("approve", "id", c.ID, "reason", "called her assistant back")
	p.must(!p.challenge(c.ID).Usable, "the second technician got the proof")
	p.technician = "jane"
	p.must(p.see().Shield == "ok", "after the approval the shield is %q", p.see().Shield)
	p.press("redeem", "id", c.ID)
	p.say("Sam, the admin, approves with a reason. Then Jane resets the password, once.")
}

func (p *player) restart() {
	n := len(p.on("sms"))
	c := p.start("reset-password", "sms", "number")
	m := p.message("sms", n)
	p.no(p.shut())
	p.no(p.open(p.app))
	got := p.challenge(c.ID)
	p.must(got.State == "pending" && got.Number == c.Number, "after the restart the challenge is %s", got.State)
	token := m.Link[strings.LastIndex(m.Link, "/"):]
	title := p.typed(p.app.cfg.url+"/verify/v"+token, got.Number)
	p.must(p.challenge(c.ID).State == "confirmed", "after the restart the number was not accepted")
	p.say("The number is still on Jane's screen, the link still works: %q.", title)
}

func (p *player) ticket() {
	p.until("the last note", func() bool {
		ns := p.see().Notes
		return len(ns) > 0 && strings.Contains(ns[0].Text, "is verified for a password reset")
	})
	notes := p.see().Notes
	for _, n := range slices.Backward(notes) {
		sign := " "
		if n.Alert {
			sign = "!"
		}
		p.say("%s %s", sign, n.Text)
	}
	alerts := 0
	for _, n := range notes {
		p.must(!sixDigits.MatchString(n.Text) && !strings.Contains(n.Text, "@") && !strings.Contains(n.Text, "http"), "a note holds a code, an address or a link: %s", n.Text)
		if n.Alert {
			alerts++
		}
	}
	p.must(alerts >= 6, "there are %d alerts, there should be at least 6", alerts)
}
