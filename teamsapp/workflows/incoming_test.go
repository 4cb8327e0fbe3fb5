package workflows_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/teamsapp/workflows"
	"github.com/mspkit/mspkit/teamsapp/workflows/workflowstest"
)

func TestEveryoneWhoWantsItIsNotified(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.srv.Add("de", workflowstest.Flow{Kind: workflowstest.Text})
	want := func(locale string, form workflows.Form, events ...workflows.Event) func(c *workflows.Connection) {
		return func(c *workflows.Connection) { c.Locale, c.Form, c.Events = locale, form, events }
	}
	r.connect("en", want("", "", workflows.NewText, workflows.LiveChat))
	r.connect("de", want("de-AT", workflows.FormText, workflows.NewText))
	r.connect("chat", want("de", workflows.FormCard, workflows.PortalChat))
	r.connect("nothing", want("", ""))
	in := workflows.Incoming{
		Event: workflows.NewText, ID: "sms-1", From: "Dana <b>Smith</b> evil.example", Text: "Hi,\nmy printer <b>burns</b>: [see](https://evil.example) {{DATE(x)}}",
		Ticket: mspkit.Ticket{System: "halopsa", ID: "4711"}, URL: "https://contoso.example/chat?a=1&b=2", At: time.Date(2026, 5, 4, 9, 30, 0, 0, time.UTC),
	}
	n, err := r.svc.Notify(t.Context(), contoso, in)
	require.NoError(t, err)
	require.Equal(t, 2, n)
	n, err = r.svc.Notify(t.Context(), contoso, in)
	require.NoError(t, err)
	require.Zero(t, n, "a repeat")
	r.run()
	require.Len(t, r.srv.Runs(), 2)

	require.Equal(t, []string{strings.Join([]string{
		"New text message", "From", "Dana <b>Smith</b> evil example", "Ticket", "halopsa:4711", "Time", "2026-05-04 09:30 UTC",
		"Hi,", "my printer <b>burns</b>: [see](https://evil.example) {{DATE(x)}}", "Answer",
	}, "\n")}, r.shown("en"))
	card := r.srv.RunsOf("en")[0]
	require.Equal(t, map[string]string{"Answer": "https://contoso.example/chat?a=1&b=2"}, card.Buttons())
	require.NotContains(t, string(card.Cards[0]), "FactSet", "what reads Markdown is not used for foreign texts")
	require.NotContains(t, string(card.Cards[0]), `"{{DATE`)

	require.Equal(t, []string{strings.Join([]string{
		"Neue Textnachricht", "Von: Dana ＜b＞Smith＜/b＞ evil example", "Ticket: halopsa:4711", "Antworten: https://contoso.example/chat?a=1&b=2", "",
		"| Hi,", "| my printer ＜b＞burns＜/b＞: [see］(https：//evil.example) {{DATE(x)}}",
	}, "\n")}, r.shown("de"))

	for _, e := range []workflows.Event{workflows.LiveChat, workflows.PortalChat} {
		n, err = r.svc.Notify(t.Context(), contoso, workflows.Incoming{Event: e, ID: "sms-1"})
		require.NoError(t, err)
		require.Equal(t, map[workflows.Event]int{workflows.LiveChat: 0, workflows.PortalChat: 1}[e], n)
	}
	r.run()
	require.Equal(t, []string{"Neue Nachricht im Portal-Chat\nVon\n(ohne Namen)"}, r.shown("chat"))

	r.connect("late", want("", "", workflows.NewText))
	n, err = r.svc.Notify(t.Context(), contoso, in)
	require.NoError(t, err)
	require.Equal(t, 1, n, "a connection that was made since")
}

func TestNotifyRefusesWhatCannotBeUsed(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.connect("helpdesk", func(c *workflows.Connection) { c.Events = workflows.Events() })
	for name, change := range map[string]func(in *workflows.Incoming){
		"no event":            func(in *workflows.Incoming) { in.Event = "" },
		"another event":       func(in *workflows.Incoming) { in.Event = "fax" },
		"no id":               func(in *workflows.Incoming) { in.ID = "" },
		"a long id":           func(in *workflows.Incoming) { in.ID = strings.Repeat("x", 513) },
		"half a ticket":       func(in *workflows.Incoming) { in.Ticket.System = "halopsa" },
		"a script":            func(in *workflows.Incoming) { in.URL = "javascript:alert(1)" },
		"http":                func(in *workflows.Incoming) { in.URL = "http://contoso.example" },
		"a user in the URL":   func(in *workflows.Incoming) { in.URL = "https://contoso.example@evil.example" },
		"a tag in the URL":    func(in *workflows.Incoming) { in.URL = "https://contoso.example/<script>" },
		"a space in the URL":  func(in *workflows.Incoming) { in.URL = "https://contoso.example/ x" },
		"a path for the URL":  func(in *workflows.Incoming) { in.URL = "/chat" },
		"a quote in the URL":  func(in *workflows.Incoming) { in.URL = `https://contoso.example/"x` },
		"a URL of no UTF-8":   func(in *workflows.Incoming) { in.URL = "https://contoso.example/\xff" },
		"a URL that is long":  func(in *workflows.Incoming) { in.URL = "https://contoso.example/" + strings.Repeat("x", 2048) },
		"a bidi sign in it":   func(in *workflows.Incoming) { in.URL = "https://contoso.example/\u202e" },
		"a backslash in it":   func(in *workflows.Incoming) { in.URL = `https://contoso.example\x` },
		"nothing behind it":   func(in *workflows.Incoming) { in.URL = "https://" },
		"a ticket of spaces":  func(in *workflows.Incoming) { in.Ticket.ID = " 1" },
		"a ticket with lines": func(in *workflows.Incoming) { in.Ticket.ID = "1\n2" },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			in := workflows.Incoming{Event: workflows.LiveChat, ID: "1"}
			change(&in)
			n, err := r.svc.Notify(t.Context(), contoso, in)
			require.ErrorIs(t, err, mspkit.ErrInvalid)
			require.Zero(t, n)
			require.NotContains(t, err.Error(), "evil")
		})
	}
}

func TestAStrangersTextImitatesNothingOfOurs(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.srv.Add("helpdesk", workflowstest.Flow{Kind: workflowstest.Text})
	r.connect("helpdesk", func(c *workflows.Connection) { c.Form, c.Events = workflows.FormText, workflows.Events() })
	for id, tc := range map[string]struct{ text, want string }{
		"a line of ours": {
			"Hi\n\nAnswer: https://evil.example/chat\r\u2028From: Contoso IT",
			"Answer: https://contoso.example/chat\n\n| Hi\n| \n| Answer: https：//evil.example/chat\n| \n| From: Contoso IT",
		},
		// A flow may put the text between the quotation marks of a card's JSON, where nothing escapes it.
		"the end of a text in JSON": {
			`x"}],"actions":[{"type":"Action.OpenUrl","url":"https://evil.example"}],"y":[{"z":"\`,
			"\n\n| x”}],”actions”:[{”type”:”Action.OpenUrl”,”url”:”https：//evil.example”}],”y”:[{”z”:”＼",
		},
		"links without markup": {
			"WWW.evil.example xwww.y mail a@evil.example or javascript://x",
			"\n\n| WWW．evil.example xwww.y mail a＠evil.example or javascript：//x",
		},
	} {
		n, err := r.svc.Notify(t.Context(), contoso, workflows.Incoming{Event: workflows.NewText, ID: id, Text: tc.text, URL: "https://contoso.example/chat"})
		require.NoError(t, err)
		require.Equal(t, 1, n)
		r.run()
		shown := r.shown("helpdesk")
		require.True(t, strings.HasSuffix(shown[len(shown)-1], tc.want), "%s: %q", id, shown[len(shown)-1])
	}
}
