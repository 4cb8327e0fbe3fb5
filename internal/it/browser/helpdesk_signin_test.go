package browser_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// An admin and a technician sign in, each in a browser of their own, and see what they may; what the technician does is read by
// the admin, and a role that the admin changes counts for the technician's open page.
func TestTheHelpdeskShowsToEverybodyWhatTheyMay(t *testing.T) {
	t.Parallel()
	jane, sam := newTab(t), newTab(t)
	base := helpdesk(t)
	jane.open(base)
	require.Equal(t, "Sign in", jane.heading())
	jane.fine("signin-01-page")
	jane.clicks("main form button")
	require.Equal(t, []string{"Jane Doe", "Priya Nair", "Sam Okafor", "Tom Reyes"}, eval[[]string](jane, `[...document.querySelectorAll("form > fieldset button b")].map((e) => e.innerText)`))
	jane.played("helpdesk")
	jane.chooses("Jane Doe")
	jane.until("the portal", `document.querySelector("#desk .person")`)
	require.Contains(t, jane.says(".me"), "Jane Doe")
	require.Contains(t, jane.says(".me"), "Technician")
	for _, link := range []string{"#audit-open", "#accounts-open", "#psa-open", "#office-open", "#teams-open", "#freeze", `a[href^=settings]`} {
		require.Zero(t, jane.count(link), "a technician sees %s", link)
	}
	require.Equal(t, 1, jane.count("#directory-open"))
	jane.header("signin-02-portal-technician")
	jane.open(base + "/audit")
	require.Equal(t, "Only an admin may do this", jane.heading())
	jane.fine("signin-03-refused")

	sam.signIn(base, "Sam Okafor")
	sam.until("the portal", `document.querySelector("#desk .person")`)
	for _, link := range []string{"#audit-open", "#accounts-open", "#psa-open", "#office-open", "#teams-open", "#freeze", `a[href^=settings]`} {
		require.Equal(t, 1, sam.count(link), "an admin does not see %s", link)
	}
	sam.header("signin-04-portal-admin")
	sam.clicks("#audit-open")
	require.Contains(t, sam.says("#deeds"), `Jane Doe was refused "audit"`)
	sam.fine("signin-05-audit")
	sam.clicks(`a[href="audit?show=refusals"]`)
	require.NotContains(t, sam.says("#deeds"), "signed in")
	sam.open(base + "/accounts/")
	sam.fine("signin-06-accounts")
	sam.clicks("header .above a")
	sam.until("the portal again", `document.querySelector("#desk .person")`)

	// A role that is changed.
	jane.open(base)
	jane.until("the portal", `document.querySelector("#desk .person")`)
	change := func(role string) {
		t.Helper()
		sam.open(base + "/accounts/a/jane")
		eval[bool](sam, `document.querySelector("#role").value = "`+role+`", true`)
		sam.clicks("main form button[type=submit]")
	}
	change("Admin")
	jane.until("the settings", `document.querySelector("#psa-open")`)
	change("Technician")
	jane.until("no settings", `!document.querySelector("#psa-open")`)

	// The end.
	jane.signOut()
	require.Equal(t, "You are signed out", jane.heading())
	jane.fine("signin-07-signed-out")
	jane.open(base)
	require.Equal(t, "Sign in", jane.heading())
	sam.open(base)
	sam.until("the portal of who has not signed out", `document.querySelector("#desk .person")`)
	jane.quiet()
	sam.quiet()
}

// Somebody with the compact view only sees their tickets, and opens the view from there.
func TestTheHelpdeskForTheCompactViewOnly(t *testing.T) {
	t.Parallel()
	b := newTab(t)
	base := helpdesk(t)
	b.signIn(base+"/home", "Priya Nair")
	require.Equal(t, "Your tickets", b.heading())
	b.fine("signin-08-tickets")
	b.open(base)
	require.Equal(t, "Your account has the compact view only", b.heading())
	b.fine("signin-09-compact-only")
	b.clicks(`a[href=tickets]`)
	eval[bool](b, `document.querySelector("#ticket-list form").removeAttribute("target"), true`) // so that it opens here
	b.clicks("#ticket-list form button")
	b.until("the view", `document.querySelector("#verify")`)
	require.Contains(t, eval[string](b, "document.body.innerText"), "Priya Nair")
	require.Zero(t, b.count("#freeze"))
	b.quiet()
}

// The caller signs in to their own Microsoft 365, by a link on their phone, and types the number.
func TestTheHelpdeskVerifiesByASignIn(t *testing.T) {
	t.Parallel()
	b, dana := newTab(t), newTab(t)
	b.signIn(helpdesk(t), "Jane Doe")
	b.until("the ways", `document.querySelector("#way")`)
	eval[bool](b, `(() => { const e = document.querySelector("#way"); e.value = "signin number"; return e.dispatchEvent(new Event("change")); })()`)
	b.press("#desk", "Verify")
	b.until("the number", `document.querySelectorAll("#desk .challenge .say span").length === 3`)
	b.until("the link on the phone", `document.querySelector("#devices .message a.open")`)
	b.header("signin-10-caller")
	number := eval[string](b, `[...document.querySelectorAll("#desk .challenge .say span")].map((e) => e.innerText).join("")`)
	dana.open(eval[string](b, `document.querySelector("#devices .message a.open").href`))
	dana.clicks("main form button")
	dana.chooses("Dana Whitfield")
	eval[bool](dana, `document.querySelector("#number").value = "`+number+`", true`)
	dana.clicks("main form button")
	require.Equal(t, "Thank you, it is confirmed", dana.heading())
	b.until("the green shield", `document.querySelector("#desk").innerText.includes("Verified by sign-in")`)
	b.quiet()
	dana.quiet()
}

// header is [tab.fine] for the portal, of which only the header is looked at: what is below is drawn by its script, and has tests
// of its own.
func (b *tab) header(name string) {
	b.Helper()
	for _, l := range []look{{390, "light", nil}, {390, "dark", nil}, {1280, "dark", nil}, {1280, "light", nil}} {
		b.look(l)
		require.Empty(b, eval[[]string](b, `(() => {
			const out = [], wide = document.documentElement;
			if (wide.scrollWidth > wide.clientWidth) out.push("the page is wider than its window");
			const boxes = [...document.querySelectorAll(".brand .bar > *, .brand .me > *")].filter((e) => !e.querySelector(":scope > *") || e.matches("a, button"));
			for (const a of boxes) for (const b of boxes) {
				const p = a.getBoundingClientRect(), q = b.getBoundingClientRect();
				if (a !== b && !a.contains(b) && !b.contains(a) && p.left < q.right - 1 && q.left < p.right - 1 && p.top < q.bottom - 1 && q.top < p.bottom - 1) out.push(a.textContent + " is upon " + b.textContent);
			}
			return out;
		})()`), "%s %d %s", name, l.width, l.scheme)
		if shots := os.Getenv("MSPKIT_SHOTS"); shots != "" {
			b.shoot(filepath.Join(shots, fmt.Sprintf("office.%s.%d.%s.png", name, l.width, l.scheme)))
		}
	}
}
