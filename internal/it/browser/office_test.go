package browser_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/stretchr/testify/require"
)

// inspectOffice is inspect for a page with scripts, which also measures what is chosen from and links that stand alone.
var inspectOffice = strings.NewReplacer(`"script, [style], style"`, `"[style], style"`, `a.button, .footer a`, `a.button, .footer a, select, a.link`).Replace(inspect)

// fine looks at a page on a phone and on a desk, light and dark.
func (b *tab) fine(name string) {
	b.Helper()
	for _, l := range []look{{390, "light", nil}, {390, "dark", nil}, {1280, "dark", nil}, {1280, "light", nil}} {
		b.look(l)
		require.Empty(b, eval[[]string](b, inspectOffice), "%s %d %s", name, l.width, l.scheme)
		if shots := os.Getenv("MSPKIT_SHOTS"); shots != "" {
			b.shoot(filepath.Join(shots, fmt.Sprintf("office.%s.%d.%s.png", name, l.width, l.scheme)))
		}
	}
}

// clicks presses what leads to another page.
func (b *tab) clicks(selector string) {
	b.Helper()
	b.then(chromedp.Click(chromedp.CSS(selector)))
}

func (b *tab) says(selector string) string {
	b.Helper()
	return eval[string](b, `document.querySelector("`+selector+`").innerText`)
}

func (b *tab) count(selector string) int {
	b.Helper()
	return eval[int](b, `document.querySelectorAll("`+selector+`").length`)
}

// consents plays an administrator who opens a link, goes on with the keyboard and answers the two pages of the played
// Microsoft.
func (b *tab) consents(link, who string) {
	b.Helper()
	b.open(link)
	b.focus("main form button")
	b.then(chromedp.KeyEvent(kb.Enter))
	for range 2 {
		b.chooses(who)
	}
}

// A technician connects the clients' Microsoft 365, whose administrators consent in browsers of their own, syncs, and sees
// who is there, who joins and who leaves, and from which mailbox their mails come.
func TestMicrosoft365IsConnectedAndSynced(t *testing.T) {
	t.Parallel()
	b, admin := newTab(t), newTab(t)
	base := helpdesk(t)
	page, jane := base+"/microsoft365?tenant=contoso", newTab(t)
	jane.signIn(base+"/directory", "Jane Doe")
	require.Equal(t, []string{"Find"}, eval[[]string](jane, `[...document.querySelectorAll("main button:enabled")].map((e) => e.innerText)`), "who is no admin only looks up")
	b.signIn(page, "Sam Okafor")
	b.fine("02-nothing")

	// The link.
	link := func(client string) string {
		t.Helper()
		b.clicks(`[aria-label="Connect ` + client + `"]`)
		return b.says("#link")
	}
	first := link("Contoso")
	b.fine("03-link")
	admin.consents(first, "Fabrikam's administrator")
	require.Equal(t, "This organisation cannot be connected here", admin.heading())
	require.NotContains(t, b.says("#client-list"), "Disconnect")
	second := link("Contoso")
	admin.consents(second, "Contoso's administrator")
	require.Equal(t, "Connected", admin.heading())
	admin.open(second)
	require.Equal(t, "This link does not work any more", admin.heading())
	b.until("the client by itself", `document.querySelector("#client-list").innerText.includes("contoso.example")`)
	require.Equal(t, second, b.says("#link"), "what was made stays in sight")
	for _, client := range []string{"Fabrikam", "Woodgrove"} {
		admin.consents(link(client), client+"'s administrator")
		require.Equal(t, "Connected", admin.heading())
	}
	b.until("all clients by themselves", `document.querySelectorAll("#client-list [aria-label^=Disconnect]").length === 3`)

	// The sync, begun by the keyboard.
	b.open(page)
	eval[bool](b, `document.querySelector("form[action=microsoft365-sync] button").focus(), true`)
	b.then(chromedp.KeyEvent(kb.Enter))
	b.until("the bar", `document.querySelector("#sync progress")`)
	eval[bool](b, `document.querySelector("#sync button").focus(), true`) // who has the focus on Stop still sees the news
	at := eval[float64](b, `document.querySelector("#sync progress").value`)
	b.until("the bar to move", fmt.Sprintf(`document.querySelector("#sync progress").value > Math.max(20, %f)`, at))
	b.fine("04-syncing")
	require.Equal(t, "Stop", eval[string](b, `document.activeElement.innerText`))
	high := eval[float64](b, `document.querySelector("#sync progress").value`)
	b.until("the bar near its end", fmt.Sprintf(`(() => { const p = document.querySelector("#sync progress"); return !p || p.value > Math.max(80, %f); })()`, high))
	b.until("the end", `document.querySelectorAll("#sync .report").length === 3`)
	require.Zero(t, b.count("#sync progress"))
	require.Equal(t, "Sync now", eval[string](b, `document.activeElement.innerText`), "the focus is not lost")
	require.Equal(t, "The sync has ended", eval[string](b, `document.querySelector("#news-said").textContent`))
	require.Zero(t, b.count("#sync .failed"), b.says("#sync"))
	b.fine("05-synced")

	// The card in the portal.
	b.open(base)
	b.until("the picture", `document.querySelector("#desk .person-head img")?.naturalWidth > 0`)
	require.Contains(t, b.says("#desk .person-text"), "reports to Ruth Okonkwo")

	// Somebody joins.
	sync := func() {
		t.Helper()
		b.clicks("form[action=microsoft365-sync] button")
		b.until("the end", `!document.querySelector("#sync progress") && document.querySelectorAll("#sync .report").length === 3`)
	}
	b.open(page)
	b.clicks("form[action=microsoft365-joins] button")
	require.Contains(t, b.says("#done"), "Noor Rahman works for Contoso")
	b.fine("06-notice")
	sync()
	b.until("who joined", `document.querySelector("#events").innerText.includes("Noor Rahman")`)
	b.until("the mail to the manager", `document.querySelector("#events").innerText.includes("Ruth Okonkwo was told by mail")`)
	b.fine("07-joined")

	// The directory, in which a technician looks up as well.
	find := func(text string) {
		t.Helper()
		eval[bool](jane, fmt.Sprintf(`document.querySelector("#q").value = %q, document.querySelector("#q").focus(), true`, text))
		jane.then(chromedp.KeyEvent(kb.Enter))
	}
	find("Noor")
	require.Contains(t, jane.says("#people-found .contact-card"), "new")
	require.NotZero(t, jane.count("#people-found .contact-card img"))
	find("+1 202 555 0143")
	require.Contains(t, jane.says("#people-found .contact-card"), "Dana Whitfield")
	require.Contains(t, jane.says("#people-found .contact-card"), "Reports to Ruth Okonkwo")
	eval[bool](jane, `document.querySelector("#people-found summary").focus(), true`)
	jane.run(chromedp.KeyEvent(kb.Enter))
	require.True(t, eval[bool](jane, `document.querySelector("#people-found details").open`))
	jane.fine("08-found")
	eval[bool](jane, `document.querySelectorAll(".contact-card :is(jane, .muted, .address)").forEach((e) => { e.textContent = "Wolfeschlegelsteinhausenbergerdorff@".repeat(3); }), true`)
	jane.fine("09-long")
	find("Da")
	jane.fine("10-many")
	require.Less(t, eval[float64](jane, `(() => {
		const box = document.querySelector(".portrait:has(span)"), a = box.getBoundingClientRect(), c = box.firstElementChild.getBoundingClientRect();
		return Math.max(Math.abs(a.x + a.width / 2 - c.x - c.width / 2), Math.abs(a.y + a.height / 2 - c.y - c.height / 2));
	})()`), 2.0, "an initial is in the middle of its circle")
	find("nobody at all")
	require.Contains(t, jane.says("#people-found"), "Nobody is found")
	b.clicks("form[action=microsoft365-leaves] button")
	sync()
	b.until("who left", `document.querySelector("#events .tag-warning")?.innerText === "left"`)
	find("Noor")
	require.Contains(t, jane.says("#people-found .contact-card"), "has left")
	jane.fine("11-left")

	// The sender.
	eval[bool](b, `document.querySelector("#address").value = "dana@contoso.example", true`)
	b.clicks("#choose-other button")
	require.Contains(t, b.says("#problem"), "of a person")
	require.Zero(t, b.count("#done"), "what did not happen is not reported as done")
	require.Equal(t, "dana@contoso.example", eval[string](b, `document.querySelector("#address").value`))
	b.fine("12-refused-mailbox")
	eval[bool](b, `document.querySelector("#candidate").value = "helpdesk@contoso.example", true`)
	b.clicks("#choose button")
	require.Contains(t, b.says("#sender"), "helpdesk@contoso.example")
	eval[bool](b, `document.querySelector("#template").value = "secure-data", true`)
	b.clicks("#sender [formmethod=get]")
	require.Contains(t, b.says("#sender .preview"), "Subject: ")
	eval[bool](b, `document.querySelector("#sender details").open = true`)
	b.fine("13-preview")
	b.clicks("form[action=microsoft365-remove] button")
	b.clicks("form[action=microsoft365-test] button:not([formmethod])")
	require.Zero(t, b.count("#done"))
	require.Equal(t, 1, b.count("#problem"))
	require.NotEmpty(t, b.says("#sender .field-error"))
	b.fine("14-mailbox-gone")

	// A client takes the consent back.
	b.clicks(`[aria-label^="Let Fabrikam"]`)
	sync()
	require.Equal(t, 1, b.count("#sync .failed"), b.says("#sync"))
	b.until("the client in need", `document.querySelector("#client-list").innerText.includes("needs attention")`)
	b.fine("15-withdrawn")
	b.quiet()
	jane.quiet()
	admin.leave()
	admin.quiet()
}
