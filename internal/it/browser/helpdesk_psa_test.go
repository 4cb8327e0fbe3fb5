package browser_test

import (
	"fmt"
	"html"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/security"
	"github.com/chromedp/cdproto/target"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"
)

// faults is what is wrong with a page of the helpdesk, which has scripts and closed dialogs, in the looks of a narrow
// frame, a phone and a desk.
func (b *tab) faults() []string {
	b.Helper()
	var out []string
	for _, l := range []look{{340, "light", nil}, {390, "dark", nil}, {1280, "light", nil}} {
		b.look(l)
		for _, f := range eval[[]string](b, inspect) {
			if f != "script or inline style" && !strings.HasPrefix(f, "target of 0x0") {
				out = append(out, fmt.Sprint(l.width, " ", l.scheme, ": ", f))
			}
		}
	}
	return out
}

// verifyByText presses Verify where b is and plays the caller, who types the number into the page of the text message. The
// portal, in which somebody is signed in, knows of that message.
func (b *tab) verifyByText(portal *tab) {
	b.Helper()
	b.until("the ways", `document.querySelector("#way")`)
	eval[bool](b, `(() => { const e = document.querySelector("#way"); e.value = "sms number"; return e.dispatchEvent(new Event("change")); })()`)
	b.press("#desk", "Verify")
	b.until("the number", `document.querySelectorAll("#desk .challenge .say span").length === 3`)
	number := eval[string](b, `[...document.querySelectorAll("#desk .challenge .say span")].map((e) => e.innerText).join("")`)
	type message struct{ Device, Link string }
	for _, m := range eval[[]message](portal, `fetch("/api/state?person=dana").then((r) => r.json()).then((s) => s.person.Messages)`) {
		if m.Device != "sms" || !strings.Contains(m.Link, "/verify/") {
			continue
		}
		res, err := http.PostForm(m.Link, url.Values{"answer": {number}})
		require.NoError(b, err)
		require.NoError(b, res.Body.Close())
		b.until("the verification", `document.querySelector("#desk .challenge")?.innerText.includes("Verified")`)
		return
	}
	require.Fail(b, "there is no text message")
}

// A technician pulls the plug of the ticket system, verifies somebody all the same, and sees that the notes wait and
// arrive by themselves, each once and in their order.
func TestNotesWaitForTheTicketSystem(t *testing.T) {
	t.Parallel()
	portal, page := newTab(t), newTab(t)
	base := helpdesk(t)
	page.signIn(base+"/psa?tenant=contoso", "Sam Okafor")
	require.Empty(t, page.faults())
	require.Contains(t, eval[string](page, `document.querySelector("#outbox").innerText`), "every note has arrived")
	page.then(chromedp.Click(chromedp.CSS("form[action=psa-plug] button")))
	require.Contains(t, eval[string](page, `document.querySelector(".settings-head").innerText`), "The plug is pulled")

	portal.signIn(base, "Jane Doe")
	portal.verifyByText(portal)
	portal.until("the notes on the way", `[...document.querySelectorAll("#desk .notes .tag")].filter((e) => e.innerText === "on the way").length >= 2`)
	page.until("the waiting notes", `document.querySelectorAll("#outbox .letter").length >= 2 && document.querySelector("#outbox h3").innerText.endsWith("on the way")`)
	page.until("what is read out", `document.querySelector("#outbox-news").textContent.endsWith("on the way")`)
	page.until("the order", `document.querySelector("#outbox").innerText.includes("waits for the note before it")`)
	require.Empty(t, page.faults())

	page.then(chromedp.Click(chromedp.CSS("form[action=psa-plug] button")))
	page.until("the empty outbox", `document.querySelector("#outbox").innerText.includes("every note has arrived")`)
	portal.until("the notes in the ticket", `!document.querySelector("#desk .notes").innerText.includes("on the way")`)
	notes := eval[[]string](portal, `[...document.querySelectorAll("#desk .notes li")].map((e) => e.innerText)`)
	slices.Reverse(notes) // the newest is on top
	last := -1
	for _, text := range []string{"began to verify", "is verified for"} {
		var at []int
		for i, n := range notes {
			if strings.Contains(n, text) {
				at = append(at, i)
			}
		}
		require.Len(t, at, 1, "%q in %q", text, notes)
		require.Greater(t, at[0], last, "%q in %q", text, notes)
		last = at[0]
	}
	page.quiet()
	portal.quiet()
}

// What new tickets are like is checked with the ticket system, which says what there is to choose from.
func TestDefaultsOfNewTicketsAreChecked(t *testing.T) {
	t.Parallel()
	b := newTab(t)
	base := helpdesk(t)
	save := func(queue, priority string) {
		t.Helper()
		eval[bool](b, fmt.Sprintf(`document.querySelector("#field-queue").value = %q, document.querySelector("#field-priority").value = %q, true`, queue, priority))
		b.then(chromedp.Click(chromedp.CSS("#defaults .settings-save button")))
	}
	b.signIn(base+"/psa?tenant=contoso", "Sam Okafor")
	require.Equal(t, []string{"Service Desk", "Projects"}, eval[[]string](b, `[...document.querySelectorAll("#list-queue option")].map((e) => e.value)`))
	save("Servis Desk", "High")
	said := eval[string](b, `document.querySelector("[role=alert]").innerText`)
	require.Contains(t, said, `"Servis Desk" is unknown; valid are "Service Desk"`)
	require.NotContains(t, said, "Priority")
	require.Equal(t, []string{"field-queue"}, eval[[]string](b, `[...document.querySelectorAll("[aria-invalid=true]")].map((e) => e.id)`))
	require.Equal(t, []string{"Servis Desk", "High"}, eval[[]string](b, `["#field-queue", "#field-priority"].map((e) => document.querySelector(e).value)`), "what was typed is still there")
	require.Empty(t, b.faults())
	save("service desk", "High")
	require.Contains(t, eval[string](b, `document.querySelector("#defaults [role=status]").innerText`), "Saved")
	require.Equal(t, "Service Desk", eval[string](b, `document.querySelector("#field-queue").value`))
	require.Equal(t, "#defaults", eval[string](b, "location.hash"), "the answer is in sight")

	b.signOut()
	b.signIn(base+"/psa?tenant=contoso", "Jane Doe")
	require.Equal(t, "Only an admin may do this", b.heading())
	require.Empty(t, b.faults())
	b.quiet()
}

// ticketPage is the page of a ticket system, at an origin of its own, with a frame as wide as such systems give it.
func ticketPage(t *testing.T) *httptest.Server {
	t.Helper()
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		frame := r.URL.Query().Get("frame")
		if frame == "" {
			return // the icon
		}
		_, _ = fmt.Fprintf(w, `<!doctype html><html lang="en"><link rel="icon" href="data:,"><title>Ticket 4711</title><h1>Ticket 4711</h1><iframe title="Verify and send" width="360" height="760" src="%s"></iframe>`, html.EscapeString(frame))
	}))
	srv.Config.ErrorLog = log.New(io.Discard, "", 0)
	srv.StartTLS()
	t.Cleanup(srv.Close)
	return srv
}

// frames attaches to the frames of other sites that stand below an address.
func (b *tab) frames(address string) []*tab {
	b.Helper()
	list, err := chromedp.Targets(b.ctx)
	require.NoError(b, err)
	var out []*tab
	for _, i := range list {
		if i.Type != "iframe" || !strings.HasPrefix(i.URL, address) {
			continue
		}
		out = append(out, b.attach(i.TargetID))
	}
	return out
}

// attach returns a frame, which is a target of its own, as a tab.
func (b *tab) attach(id target.ID) *tab {
	b.Helper()
	f := &tab{TB: b.TB}
	ctx, cancel := chromedp.NewContext(b.ctx, chromedp.WithTargetID(id), chromedp.WithListener(f.listen))
	require.NoError(b, chromedp.Do(ctx), "attach to the frame")
	b.Cleanup(cancel)
	f.ctx = ctx
	return f
}

func (b *tab) hears(text string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.ContainsFunc(b.console, func(s string) bool { return strings.Contains(s, text) })
}

// A technician works in the frame beside the ticket, in the page of the ticket system and in nobody else's.
func TestTheCompactViewWorksInTheFrameOfATicketSystemOnly(t *testing.T) {
	t.Parallel()
	b, other := newTab(t), newTab(t)
	psa, foreign := ticketPage(t), ticketPage(t)
	base := helpdesk(t, "MSPKIT_POD_ORIGINS="+psa.URL)
	portals := map[string]*tab{"Jane Doe": newTab(t), "Sam Okafor": newTab(t)}
	for who, portal := range portals {
		portal.signIn(base, who)
	}
	launch := func(who string) string {
		t.Helper()
		return eval[string](portals[who], `fetch("/api/launch", { method: "POST", body: new URLSearchParams({ tenant: "contoso", person: "dana" }) }).then((r) => r.json()).then((v) => v.address)`)
	}
	for _, x := range []*tab{b, other} {
		call(x, security.SetIgnoreCertificateErrors, security.SetIgnoreCertificateErrorsParams{Ignore: true}) // of the test's own servers
	}

	b.open(psa.URL + "/?frame=" + url.QueryEscape(launch("Jane Doe")))
	require.True(t, eval[bool](b, `document.querySelector("iframe").contentDocument === null`), "the two are of different origins")
	var f *tab
	require.Eventually(t, func() bool {
		if list := b.frames(base); len(list) == 1 {
			f = list[0]
		}
		return f != nil
	}, patience, 100*time.Millisecond, "the frame")
	f.until("the view", `document.querySelector("#verify")`)
	require.Equal(t, base+"/pod/", eval[string](f, "location.href"), "the launch is gone from the address")
	require.Contains(t, eval[string](f, "document.body.innerText"), "Ticket 4711 · Jane Doe")
	require.Empty(t, eval[[]string](f, inspectFrame))

	f.verifyByText(portals["Jane Doe"])
	require.Empty(t, eval[[]string](f, inspectFrame))

	// A colleague who has the ticket open is told that the words are not theirs to say.
	f.press("#desk", "let Dana check")
	f.until("the words", `document.querySelector("#desk .say-word")?.innerText`)
	colleague := newTab(t)
	colleague.open(launch("Sam Okafor"))
	colleague.until("whose words they are", `document.querySelector("#desk").innerText.includes("A colleague has begun this")`)
	require.False(t, eval[bool](colleague, `!!document.querySelector("#desk .say")`))
	colleague.quiet()

	f.press("#desk", "Send securely")
	eval[bool](f, `document.querySelector("#send-text").value = "hunter2", document.querySelector("#send-deliver").value = "sms", true`)
	f.press("#send", "Send")
	f.until("the number", `document.querySelector("#send .say")`)
	require.Len(t, regexp.MustCompile(`\D`).ReplaceAllString(eval[string](f, `document.querySelector("#send .say").innerText`), ""), 3)
	require.NotContains(t, eval[string](f, "document.body.innerText"), "/s/", "the link is on the phone, not here")
	f.press("#send", "Done")
	f.until("the send in the list", `document.querySelector("#desk .send")?.innerText.includes("Waiting to be opened")`)
	require.NotContains(t, eval[string](f, "document.body.innerText"), "hunter2")
	require.Empty(t, f.console)
	require.Empty(t, b.console)
	b.leave()

	other.open(foreign.URL + "/?frame=" + url.QueryEscape(launch("Jane Doe")))
	require.Eventually(t, func() bool { return other.hears("frame-ancestors") }, patience, 50*time.Millisecond, "the browser refuses the frame")
	require.False(t, slices.ContainsFunc(other.frames(base), showsTheDesk), "nothing of it is shown")
	other.leave()
}

func showsTheDesk(f *tab) bool {
	text, err := runEval[string](f, `location.href + document.documentElement.outerHTML`)
	return err == nil && (strings.Contains(text, "data-session") || strings.Contains(text, "Northwind IT"))
}

// inspectFrame is inspect for the view as wide as its frame is.
var inspectFrame = inspect + `.filter((e) => e !== "script or inline style" && !e.startsWith("target of 0x0"))`
