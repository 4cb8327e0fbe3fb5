package main

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"html"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/mspkit/mspkit/internal/graphfake"
	"github.com/mspkit/mspkit/teamsapp/changefeed"
	"github.com/mspkit/mspkit/teamsapp/workflows/workflowstest"
)

// manages presses a button of the page about Teams as Sam and returns what the page says.
func (p *player) manages(button string, fields ...string) string {
	status, page := p.managed(button, fields...)
	p.must(status == http.StatusOK, "%s answered %d: %s", button, status, noticeOf(page))
	return noticeOf(page)
}

func (p *player) managed(button string, fields ...string) (status int, page string) {
	f := url.Values{"tenant": {p.tenant}}
	for i := 0; i+1 < len(fields); i += 2 {
		f.Set(fields[i], fields[i+1])
	}
	return p.as("sam", http.MethodPost, "/teams-"+button, f)
}

// noticeOf is what a page says above everything else.
func noticeOf(page string) string {
	for _, id := range []string{`id="problem"`, `id="done"`} {
		if _, after, ok := strings.Cut(page, id); ok {
			text, _, _ := strings.Cut(after, "</p>")
			_, text, _ = strings.Cut(text, ">")
			return strings.Join(strings.Fields(html.UnescapeString(tags.ReplaceAllString(text, " "))), " ")
		}
	}
	return ""
}

func (p *player) teamsPage(query string) string {
	status, page := p.as("sam", http.MethodGet, "/teams?tenant="+p.tenant+query, nil)
	p.must(status == http.StatusOK, "the page about Teams answered %d", status)
	return page
}

// appPublished packages the helpdesk's app, publishes it, and raises the version only where something has changed.
func (p *player) appPublished() {
	status, raw := p.as("sam", http.MethodGet, "/teams-package", nil)
	p.must(status == http.StatusOK, "the package answered %d", status)
	z, err := zip.NewReader(bytes.NewReader([]byte(raw)), int64(len(raw)))
	p.no(err)
	var names []string
	var manifest struct {
		ID, Version string
		Name        struct{ Short string }
	}
	for _, f := range z.File {
		names = append(names, f.Name)
		if f.Name == "manifest.json" {
			r, err := f.Open()
			p.no(err)
			b, err := io.ReadAll(r)
			p.no(err)
			p.no(json.Unmarshal(b, &manifest))
		}
	}
	p.must(manifest.Name.Short == brand.Name && manifest.Version == "1.0.0", "the manifest says %+v", manifest)
	p.say("The package of the helpdesk's own app: %q version %s, with %s.", manifest.Name.Short, manifest.Version, strings.Join(names, ", "))
	status, _ = p.as("jane", http.MethodPost, "/teams-publish", url.Values{"tenant": {"contoso"}})
	p.must(status == http.StatusForbidden, "Jane, who may not, published the app: %d", status)
	p.say("Sam publishes it: %q", p.manages("publish"))
	p.must(strings.Contains(p.manages("publish"), "this version already"), "publishing twice did something")
	p.must(strings.Contains(p.manages("brand", "accent", brand.Color), "still 1.0.0"), "the version rose without a change")
	_, page := p.managed("brand", "accent", "green")
	p.say("A colour that is none: %q", noticeOf(page))
	p.must(strings.Contains(noticeOf(page), "#"), "what a colour looks like is not said")
	p.say("Another colour: %q", p.manages("brand", "accent", "#0a64a4"))
	p.say("%q", p.manages("publish"))
	app, err := p.app.published(p.ctx, "contoso")
	p.no(err)
	p.must(app.Version == "1.0.1" && app.ManifestID == manifest.ID, "the catalog has %+v", app)
}

// appInstalled shows that the first message brings the app, and why somebody cannot be reached before.
func (p *player) appInstalled() {
	lukas := p.someone("lukas")
	p.must(!p.teams.has(lukas), "Lukas has the app already")
	page := p.teamsPage("&person=lukas")
	p.must(strings.Contains(page, "cannot be reached"), "Lukas can be reached without the app")
	finding := findingOf(page)
	p.say("Can Lukas be reached? No: %q", finding)
	p.person = "lukas"
	defer func() { p.person = "dana" }()
	before := len(p.cards())
	c := p.start("reset-password", "teams", "number")
	p.must(c.Channel == "teams" && c.Failover == "", "it went by %s: %s", c.Channel, c.Failover)
	card := p.nextCard(before)
	p.must(p.teams.has(lukas), "the card came without the app")
	p.say("Jane presses Verify all the same. The app is installed for him, and his first card is there: %q", card.Summary)
	p.tap(card, confirmButton, answerField, c.Number)
	p.must(p.challenge(c.ID).State == "confirmed", "the card did not verify Lukas")
	p.must(strings.Contains(p.teamsPage("&person=lukas"), "can be reached in Teams"), "Lukas cannot be reached yet")
	p.say("He types the number: verified. And now he can be reached.")

	mira := p.someone("mira")
	_, oid, _ := strings.Cut(mira.Teams, "/")
	t := p.office.tenant("contoso")
	p.no(p.teams.install(p.ctx, mira, false))
	t.graph.RemoveTeamsInstall(oid)
	t.graph.SetTeams(oid, graphfake.TeamsBlocked)
	_, refused := p.doAs(mira, "start", "action", "identify", "channel", "teams", "method", "number")
	p.must(strings.Contains(refused, "not installed"), "it is not said why not: %q", refused)
	finding = findingOf(p.teamsPage("&person=mira"))
	p.must(strings.Contains(finding, "policy"), "that a policy blocks the app is not said: %q", finding)
	p.say("For Mira it cannot be installed: %q Why? %q", refused, finding)
	t.graph.SetTeams(oid, graphfake.TeamsNormal)
	p.no(p.teams.install(p.ctx, mira, true))
}

// doAs is do for another person.
func (p *player) doAs(who person, action string, fields ...string) (challengeJSON, string) {
	name, tenant := p.person, p.tenant
	p.person, p.tenant = who.ID, string(who.Tenant)
	defer func() { p.person, p.tenant = name, tenant }()
	return p.do(action, fields...)
}

func findingOf(page string) string {
	_, after, _ := strings.Cut(page, `id="diagnosis"`)
	_, after, _ = strings.Cut(after, "<li")
	_, after, _ = strings.Cut(after, ">")
	item, _, _ := strings.Cut(after, "</li>")
	return strings.Join(strings.Fields(html.UnescapeString(tags.ReplaceAllString(item, " "))), " ")
}

// channelConnected posts to a channel by a Workflow, also while that does not work.
func (p *player) channelConnected() {
	flows, err := p.app.flows()
	p.no(err)
	_, page := p.managed("connect", "name", "Old", "url", "https://northwind.webhook.office.com/webhookb2/1/IncomingWebhook/2/3")
	p.say("The address of a connector of old: %q", noticeOf(page))
	p.must(strings.Contains(noticeOf(page), "Workflow"), "what to do instead is not said")
	address := flows.URL(flowName)
	p.manages("connect", "name", "Helpdesk", "url", address)
	said := p.manages("test")
	p.must(len(flows.RunsOf(flowName)) == 1, "the test did not arrive")
	p.say("A Workflow is connected and tested: %q", said)
	flows.Fail(flowName, workflowstest.Fault{Status: http.StatusServiceUnavailable}, workflowstest.Fault{Status: http.StatusTooManyRequests})
	p.manages("text")
	p.until("the post", func() bool { return len(flows.RunsOf(flowName)) == 2 })
	shown := flows.RunsOf(flowName)[1].Shown()
	p.must(strings.Contains(shown, "Dana Whitfield"), "the channel shows %q", shown)
	p.say("A text message comes in. The flow fails, then asks to wait; then the channel shows: %q", shorten(shown))
	p.must(!strings.Contains(p.teamsPage(""), strings.ReplaceAll(address, "&", "&amp;")[len(address)-20:]), "the page shows the address of the flow")
}

// chatFollowed hears of a chat that nobody of the helpdesk is in.
func (p *player) chatFollowed() {
	t := p.office.tenant("contoso")
	p.must(strings.Contains(p.manages("follow"), "are followed"), "the chats are not followed")
	active := func() bool {
		subs, err := p.app.teamsDesk.feed.Subscriptions(p.ctx, "contoso")
		p.no(err)
		return len(subs) == 1 && subs[0].State == changefeed.Active && len(t.graph.Subscriptions()) == 1
	}
	p.until("the subscription", active)
	p.say("Sam has Contoso's chats followed: one subscription, for any number of instances.")
	p.manages("chat")
	p.until("the message", func() bool { return strings.Contains(p.teamsPage("&news=1"), "wants my password") })
	p.say("Dana writes to her head of IT, who is no helpdesk: the page shows it a moment later.")

	idle := func() bool {
		waiting, dead, _, err := p.app.teamsDesk.feed.Backlog(p.ctx, "")
		p.no(err)
		p.must(dead == 0, "%d notifications are dead", dead)
		return waiting == 0
	}
	p.until("the end of the work in hand", idle)
	forged := `{"value":[{"subscriptionId":"` + t.graph.Subscriptions()[0].ID + `","clientState":"guess","changeType":"created","tenantId":"` + contosoEntra + `","resource":"chats('19:x')/messages('1')","resourceData":{"id":"1"}}]}`
	req, err := http.NewRequestWithContext(p.ctx, http.MethodPost, t.graph.Subscriptions()[0].NotificationURL, strings.NewReader(forged))
	p.no(err)
	req.Header.Set("Content-Type", "application/json")
	res, err := p.client.Do(req)
	p.no(err)
	p.no(res.Body.Close())
	p.must(idle(), "a forged notification was taken")
	p.say("A forged notification gets the same answer as a true one (%d) and goes no further.", res.StatusCode)

	p.addr = strings.TrimPrefix(p.app.cfg.url, "http://") // where Microsoft tells of changes
	p.no(p.shut())
	p.office.chats(p.someone("dana"), "Are you there? They say they are from Northwind IT.")
	p.no(p.open(p.app))
	p.addr = ""
	p.until("the message that was missed", func() bool { return strings.Contains(p.teamsPage("&news=1"), "from Northwind IT") })
	p.must(active(), "after the restart there is another subscription")
	p.say("The helpdesk is restarted. What Dana writes meanwhile is there afterwards, by the same subscription.")
	p.manages("unfollow")
	p.until("the end of the subscription", func() bool { return len(t.graph.Subscriptions()) == 0 })
	p.say("Followed no more: the subscription is gone.")
}
