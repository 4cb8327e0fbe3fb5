package verifytest

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestParsePageFindsLinksFormsAndText(t *testing.T) {
	t.Parallel()
	p := parsePage(`<!DOCTYPE html><!-- <a href="/comment"> --><HTML><title>The &amp; title</title>
		<script src=/x.js>if (a < b) { "<a href='/in-script'>" }</SCRIPT >
		<style>a{background:url(/y)}</style>
		<a HREF='/single?a=1&amp;b=2' class=x>one</a><a href = "/double">two</a><a href=/bare>three</a><a href>four</a>
		<img/src="/image"><meta http-equiv=Refresh content="0; url='/refresh'">
		1 < 2 <form method=POST action="/send"><input type=hidden name=h value="&quot;v&quot;"><input name=number>
		<input type=checkbox name=agree><input type=submit><textarea name=text><a href="/in-textarea"></textarea>
		<button name=b value=1 formaction="/elsewhere">Go</button></form><input name=outside>
		<form><select name=s><option>a</select></form><noscript><a href="/noscript">x</a></noscript>
		<a href="/unclosed`)
	require.Equal(t, []string{"/x.js", "/single?a=1&b=2", "/double", "/bare", "", "/image", "/refresh", "/noscript", "/unclosed"}, p.links)
	require.Equal(t, []form{
		{method: http.MethodPost, action: "/send", fields: []field{
			{name: "h", value: `"v"`, fixed: true}, {name: "number"}, {name: "agree", value: "on", fixed: true}, {name: "text"}, {name: "b", value: "1", fixed: true},
		}},
		{method: http.MethodPost, action: "/elsewhere", fields: []field{
			{name: "h", value: `"v"`, fixed: true}, {name: "number"}, {name: "agree", value: "on", fixed: true}, {name: "text"}, {name: "b", value: "1", fixed: true},
		}},
		{method: http.MethodGet, fields: []field{{name: "s"}}},
	}, p.forms)
	text := strings.Join(p.text, "|")
	require.Contains(t, text, "The & title")
	require.NotContains(t, text, "background")
}

func TestGuessesFromAPageAreItsNumbersThenItsWords(t *testing.T) {
	t.Parallel()
	p := parsePage(`<p>Say “<b>anchor</b> apple” or 482, ok?</p>`)
	require.Equal(t, []string{"482", "Say anchor", "anchor apple", "apple or", "or ok"}, p.guesses())
}

func FuzzParsePage(f *testing.F) {
	for _, s := range []string{
		"", "<", "</", "<a", "<a href", "<a href=", `<a href="`, "<a/b/c=d>", "<!--", "<!", "<?", "<script>", "<TITLE>x</tItLe>", "<form><form>", "<a a a=1 a=2>",
		"\x00<\xff>", "<textarea>İ</TEXTAREA>x", `<form method=post action=x><input name=a></form>`, "<1>", "a<b", strings.Repeat("<a href=x>", 100),
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		begin := time.Now()
		p := parsePage(s)
		for _, form := range p.forms {
			require.Contains(t, []string{http.MethodGet, http.MethodPost}, form.method)
			for _, field := range form.fields {
				require.NotEmpty(t, field.name)
			}
		}
		p.guesses()
		require.LessOrEqual(t, len(p.forms), len(s))
		require.Less(t, time.Since(begin), 5*time.Second)
	})
}
