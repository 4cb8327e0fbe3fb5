package browser_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A technician publishes the helpdesk's app for a client, finds out who can be reached, connects a channel, and sees what is
// written in the client's chats as it is written.
func TestTheHelpdeskIsInTeams(t *testing.T) {
	t.Parallel()
	b, admin := newTab(t), newTab(t)
	base := helpdesk(t)
	page := base + "/teams?tenant=contoso"
	b.signIn(base+"/microsoft365?tenant=contoso", "Sam Okafor")
	b.clicks(`[aria-label="Connect Contoso"]`)
	admin.consents(b.says("#link"), "Contoso's administrator")

	// The app.
	b.open(page)
	require.Equal(t, 2, eval[int](b, `[...document.querySelectorAll(".app-icons img")].filter((i) => i.naturalWidth === (i.alt.startsWith("Colour") ? 192 : 32)).length`))
	b.clicks(`[aria-label="Publish the app for Contoso"]`)
	require.Contains(t, b.says("#done"), "Version 1.0.0 is in the catalog of Contoso")
	eval[bool](b, `document.querySelector("#accent").value = "red", true`)
	b.clicks(`form[action=teams-brand] button`)
	require.Contains(t, b.says("#problem"), "#RRGGBB")
	b.fine("teams-02-problem")
	eval[bool](b, `document.querySelector("#accent").value = "#0a64a4", true`)
	b.clicks(`form[action=teams-brand] button`)
	require.Contains(t, b.says("#done"), "1.0.1")
	b.clicks(`[aria-label="Update the app for Contoso"]`)
	require.Contains(t, b.says("#catalogs"), "version 1.0.1 is there")

	// Who can be reached.
	eval[bool](b, `document.querySelector("#person").value = "lukas", true`)
	b.clicks(`form[action^="teams#reach"] button`)
	require.Contains(t, b.says("#diagnosis"), "Lukas Brandt cannot be reached")
	require.Contains(t, b.says("#reach"), "Install the app")
	eval[bool](b, `document.querySelector("#reach details").open = true`)
	require.Contains(t, b.says("#reach pre"), "CsTeamsAppSetupPolicy")
	b.fine("teams-03-lukas")

	// The channel.
	flow := eval[string](b, `document.querySelector("#url").value`)
	eval[bool](b, `document.querySelector("#url").value = "https://contoso.webhook.office.com/webhookb2/x", true`)
	b.clicks(`form[action=teams-connect] button`)
	require.Contains(t, b.says("#problem"), "retired")
	b.clicks(`form[action=teams-connect] button`)
	b.clicks(`form[action=teams-test] button`)
	require.Contains(t, b.says("#posts"), "Hello, World")
	_, signature, ok := strings.Cut(flow, "sig=")
	require.True(t, ok)
	signature, _, _ = strings.Cut(signature, "&")
	require.False(t, eval[bool](b, `document.documentElement.outerHTML.includes("`+signature+`")`), "nobody reads the address again")
	b.clicks(`form[action=teams-text] button`)
	b.until("the text message by itself", `document.querySelector("#posts").innerText.includes("Dana Whitfield")`)

	// The chats.
	b.clicks(`form[action=teams-follow] button`)
	b.until("the subscription by itself", `document.querySelector("#feed").innerText.includes("are followed")`)
	b.clicks(`form[action=teams-chat] button`)
	b.until("the message by itself", `document.querySelector("#messages").innerText.includes("wants my password")`)
	b.fine("teams-04-all")
	b.clicks(`form[action=teams-unfollow] button`)
	b.until("the end by itself", `!document.querySelector("#feed").innerText.includes("are followed")`)
}
