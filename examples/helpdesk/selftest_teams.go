package main

import (
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/mspkit/mspkit/teamsapp/teamstest"
)

// The buttons of the bot's cards by their verbs, and the field.
const (
	confirmButton = "verify.answer"
	notMeButton   = "verify.not-me"
	answerField   = "in.answer"
)

// card is a message with a card in the chat of the person whom the player plays.
type card struct {
	id string
	teamstest.Content
}

func (c card) text() string { return strings.Join(c.Texts(), " ") }

func (c card) has(words ...string) (missing string) {
	for _, w := range words {
		if !strings.Contains(c.text(), w) {
			return w
		}
	}
	return ""
}

// cards returns the cards in the chat as the page shows them, the oldest first.
func (p *player) cards() []card {
	var out []card
	for _, m := range p.see().Chat {
		if !m.Mine && m.Card != nil {
			out = append(out, card{m.ID, teamstest.Content{Text: m.Text, Summary: m.Summary, Card: m.Card}})
		}
	}
	return out
}

func (p *player) nextCard(before int) card {
	p.until("a card", func() bool { return len(p.cards()) > before })
	return p.cards()[before]
}

// now returns the card as it stands.
func (p *player) now(c card) card {
	cs := p.cards()
	i := slices.IndexFunc(cs, func(o card) bool { return o.id == c.id })
	p.must(i >= 0, "the card is gone")
	return cs[i]
}

// tap presses a button of a card on the person's device.
func (p *player) tap(c card, button string, fields ...string) card {
	p.press("press", append([]string{"message", c.id, "button", button}, fields...)...)
	return p.now(c)
}

// over waits until a card can be neither filled in nor pressed.
func (p *player) over(c card) card {
	p.until("the card's end", func() bool { now := p.now(c); return len(now.Inputs()) == 0 && len(now.Buttons()) == 0 })
	return p.now(c)
}

func (p *player) numberByCard() {
	p.press("call", "side", "contact")
	before, updates := len(p.cards()), p.teams.Count(teamstest.OpUpdate)
	c := p.start("reset-mfa", "", "")
	p.must(c.Channel == "teams" && c.Method == "number" && c.Failover == "", "the policy chose %s by %s", c.Method, c.Channel)
	card := p.nextCard(before)
	missing := card.has("Jane Doe", "Northwind IT", "reset your multi-factor sign-in", "4711")
	p.must(missing == "", "the card does not say %q", missing)
	p.must(!regexp.MustCompile(`\b`+c.Number+`\b`).MatchString(card.text()+" "+card.Summary), "the card holds the number")
	p.say("Jane presses Verify. The first choice is Teams: %q. The card says who asks and for what, not the number.", card.Summary)

	dana, mira := p.teams.person(p.someone("dana")), p.teams.person(p.someone("mira"))
	r, err := dana.PressAs(p.ctx, mira, p.teams.Message(card.id), confirmButton, map[string]string{"answer": c.Number})
	p.no(err)
	got := p.challenge(c.ID)
	p.must(got.State == "pending" && got.Tries == 2 && r.Card == nil, "a colleague's press of the forwarded card left %s, %d tries", got.State, got.Tries)
	p.say("Dana forwards the card to a colleague, who types the right number: %q", r.Text)

	_, refused := p.do("press", "message", card.id, "button", confirmButton, answerField, "")
	p.must(refused != "" && p.challenge(c.ID).Tries == 2, "nothing was typed, and that was counted")
	again := p.tap(card, confirmButton, answerField, wrong(c.Number))
	p.must(p.challenge(c.ID).Tries == 1 && len(again.Inputs()) == 1, "after a wrong number there are %d tries", p.challenge(c.ID).Tries)
	p.tap(card, confirmButton, answerField, full(c.Number))
	p.until("the repainting of the card", func() bool { return p.teams.Count(teamstest.OpUpdate) > updates })
	p.say("She types a wrong number, then the right one: %q. The card has no field and no button any more.", p.over(card).Texts()[1])

	p.must(p.see().Shield == "ok", "the shield is %q", p.see().Shield)
	p.press("redeem", "id", c.ID)
	_, refused = p.do("redeem", "id", c.ID)
	p.must(refused != "", "a proof was used twice")
	p.say("That is enough to reset the multi-factor sign-in, once (%s).", c.Assurance)
}

func (p *player) notMeOnACard() {
	before := len(p.cards())
	c := p.start("reset-password", "", "")
	card := p.nextCard(before)
	p.tap(card, notMeButton)
	p.must(p.challenge(c.ID).State == "denied" && p.see().Frozen, "“not me” on a card left %s", p.challenge(c.ID).State)
	card = p.over(card)
	_, refused := p.do("start", "action", "reset-password")
	p.must(strings.Contains(refused, "frozen"), "a frozen person was verified: %q", refused)
	p.say("The real Dana presses “This was not me”: %q. Teams knows that it is her, so she is frozen at once: %q", card.Texts()[1], refused)
	_, refused = p.do("unfreeze", "reason", "she says it is fine")
	p.must(strings.Contains(refused, "an admin"), "Jane unfroze somebody: %q", refused)
	p.technician = "sam"
	_, refused = p.do("unfreeze", "reason", "")
	p.must(refused != "" && p.see().Frozen, "unfrozen without a reason")
	p.press("unfreeze", "reason", "called Dana back at her number on record")
	p.technician = "jane"
	p.must(!p.see().Frozen, "Dana is still frozen")
	p.say("Jane may not unfreeze her. Sam, the admin, does, with a reason.")
}

// who writes "who" to the bot and returns the card that it answers with.
func (p *player) who() (card, challengeJSON) {
	before := len(p.cards())
	p.press("say", "text", "who")
	return p.nextCard(before), p.newest("technician")
}

func (p *player) technicianByChat() {
	card, c := p.who()
	missing := card.has("Jane Doe", "Northwind IT", "4711")
	p.must(missing == "", "the card does not say %q", missing)
	p.must(c.Channel == "teams" && c.Word != "" && !strings.Contains(strings.ToLower(card.text()), strings.ToLower(c.Word)), "the card must not hold the words")
	p.say("Dana writes “who” to the bot. It answers: %q, names Jane and the ticket, and asks for her words.", card.Summary)
	p.tap(card, confirmButton, answerField, strings.ToUpper(c.Word))
	p.must(p.challenge(c.ID).State == "confirmed", "the right words were not accepted")
	p.say("Jane says them, Dana types them: %q.", p.over(card).Texts()[1])

	card, c = p.who()
	card = p.tap(card, confirmButton, answerField, "other words")
	p.must(p.challenge(c.ID).Hinted, "a mismatch must alert at once")
	p.until("the alert in the ticket", func() bool { return p.noted("typed other words") })
	p.say("Had a stranger said other words: %q, and an alert in the ticket.", card.Texts()[1])
	p.press("cancel", "id", c.ID)
	p.over(card)

	p.press("call")
	card, _ = p.who()
	p.must(len(card.Inputs()) == 0, "without a call the card asks for words")
	p.say("After they have hung up, “who” answers: %q.", card.Texts()[1])
}

func (p *player) noted(words string) bool {
	return slices.ContainsFunc(p.see().Notes, func(n noteJSON) bool { return strings.Contains(n.Text, words) })
}

func (p *player) failover() {
	p.press("install", "on", "false")
	p.must(!p.see().App, "the app is still there")
	n := len(p.on("sms"))
	c := p.start("reset-password", "", "")
	p.must(c.Channel == "sms" && strings.HasPrefix(c.Failover, "Teams could not be used: ") && strings.HasSuffix(c.Failover, ". Sent by text message instead."), "it went by %s: %q", c.Channel, c.Failover)
	p.until("the reason in the ticket", func() bool { return p.noted("app is not installed") && p.noted("Teams could not be used, so") })
	sms := p.message("sms", n)
	p.say("The app is gone from Dana's Teams. Jane presses Verify and reads: %q", c.Failover)
	title := p.typed(sms.Link, c.Number)
	p.must(p.challenge(c.ID).State == "confirmed", "the text message did not verify")
	p.say("The text message does: %q (%s).", title, c.Assurance)

	p.app.advance(6 * time.Minute)
	c = p.start("reset-mfa", "", "")
	p.must(c.Channel == "signin" && strings.HasSuffix(c.Failover, "Sent by a sign-in at Microsoft instead."), "reset-mfa went by %s: %q", c.Channel, c.Failover)
	p.press("cancel", "id", c.ID)
	p.say("For the multi-factor sign-in a text message is not good enough, so there she has to sign in: %q", c.Failover)
	p.app.advance(time.Minute)
	_, refused := p.do("start", "action", "reset-mfa", "channel", "teams", "key", "no failover")
	p.must(strings.Contains(refused, "install"), "what is to be done is not said: %q", refused)
	c = p.newest("caller")
	p.must(c.Channel == "teams" && c.Delivery == "failed" && c.Failover == "", "reset-mfa went by %s, %s", c.Channel, c.Delivery)
	p.say("Where Jane chooses Teams herself there is no other way: %q", refused)
	p.press("install", "on", "true")
	p.app.advance(time.Minute)
	before := len(p.cards())
	c = p.press("renew", "id", c.ID, "send", "1")
	p.tap(p.nextCard(before), confirmButton, answerField, c.Number)
	p.must(p.challenge(c.ID).State == "confirmed", "after the app was installed the card did not verify")
	p.say("The app is installed again, Jane sends the card again, and Dana confirms.")
}

// restartWithACard shows that the bot finds the chat again, for the card that is open and for new ones.
func (p *player) restartWithACard() {
	before, chats := len(p.cards()), p.teams.Count(teamstest.OpCreate)
	c := p.start("reset-password", "teams", "number")
	card := p.nextCard(before)
	p.no(p.shut())
	p.no(p.open(p.app))
	p.tap(card, confirmButton, answerField, c.Number)
	p.must(p.challenge(c.ID).State == "confirmed", "after the restart the card was not accepted")
	p.over(card)
	c = p.start("reset-password", "", "")
	p.must(c.Channel == "teams", "after the restart it went by %s: %s", c.Channel, c.Failover)
	p.tap(p.nextCard(before+1), confirmButton, answerField, c.Number)
	p.must(p.teams.Count(teamstest.OpCreate) == chats, "the bot has forgotten the chat and begun another")
	p.say("A card that was open before can be answered after it, and the next one comes in the same chat.")
}

func (p *player) someone(id string) person {
	i := slices.IndexFunc(p.app.people, func(o person) bool { return o.ID == id })
	p.must(i >= 0, "nobody is called %s", id)
	return p.app.people[i]
}
