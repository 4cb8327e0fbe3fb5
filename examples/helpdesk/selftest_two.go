package main

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"sync"
)

// twoInstances runs the program a second time on the same data, as behind a load balancer, and lets the two of them do
// one after the other and at the same time what must happen once.
func (p *player) twoInstances() {
	second, stop, err := p.serve(p.app, func(*app) {})
	p.no(err)
	defer func() {
		p.teams.Connect(p.app.cfg.url + botPath)
		p.no(stop())
	}()
	there := func(link string) string { return second.cfg.url + strings.TrimPrefix(link, p.app.cfg.url) }

	n := len(p.on("sms"))
	c := p.start("reset-password", "sms", "number")
	m := p.message("sms", n)
	title := p.typed(there(m.Link), c.Number)
	p.must(p.challenge(c.ID).State == "confirmed", "what was typed at the second instance is %s at the first", p.challenge(c.ID).State)
	p.say("Jane is at the first, Dana's link leads to the second: %q. Jane sees it at once.", title)
	won := p.atBoth(second, "redeem", url.Values{"id": {c.ID}})
	p.must(won == 1, "the proof was used %d times", won)
	p.say("The proof is used at both in the same moment, 16 times in all: once it works.")

	n = len(p.on("sms"))
	c = p.start("reset-password", "sms", "number")
	m = p.message("sms", n)
	p.typed(m.Link, wrong(c.Number))
	p.typed(there(m.Link), wrong(c.Number))
	p.must(p.challenge(c.ID).State == "failed", "a wrong number at each left the state %s", p.challenge(c.ID).State)
	p.say("A wrong number at the first, another at the second: the two tries are used up.")

	before := len(p.cards())
	c = p.start("reset-password", "teams", "number")
	card := p.nextCard(before)
	p.teams.Connect(second.cfg.url + botPath)
	p.tap(card, confirmButton, answerField, c.Number)
	p.must(p.challenge(c.ID).State == "confirmed", "the card that the second instance received is %s", p.challenge(c.ID).State)
	p.over(card)
	p.say("A card that the first has sent is answered at the second, and has no field any more.")
}

// atBoth sends a request to both instances eight times at once and returns how many were accepted.
func (p *player) atBoth(second *app, action string, form url.Values) int {
	form.Set("person", p.person)
	form.Set("tenant", p.tenant)
	browser := p.desk(p.technician)
	var mu sync.Mutex
	var wg sync.WaitGroup
	won := 0
	for i := range 16 {
		wg.Go(func() {
			target := []*app{p.app, second}[i%2].cfg.url + "/api/" + action
			res, err := browser.PostForm(target, form) //nolint:noctx // ends with the client's timeout
			if err != nil {
				return
			}
			defer func() { _ = res.Body.Close() }()
			var v struct {
				Error string `json:"error"`
			}
			if json.NewDecoder(res.Body).Decode(&v) == nil && res.StatusCode == http.StatusOK && v.Error == "" {
				mu.Lock()
				won++
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return won
}
