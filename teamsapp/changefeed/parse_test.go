package changefeed_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit/teamsapp/changefeed"
)

func TestPathsHaveOneSpelling(t *testing.T) {
	t.Parallel()
	const team, user = "8b081ef6-4792-4def-b2c9-c363a1bf41d5", "48d31887-5fad-4d73-a9f5-3c356e68a038"
	for path, want := range map[string]struct{ canonical, url string }{
		"chats('19:a_b@unq.gbl.spaces')/messages('1612289992105')":                           {"chats('19:a_b@unq.gbl.spaces')/messages('1612289992105')", "/chats/19:a_b@unq.gbl.spaces/messages/1612289992105"},
		"/chats/19:x@thread.v2/messages/1":                                                   {"chats('19:x@thread.v2')/messages('1')", "/chats/19:x@thread.v2/messages/1"},
		"Chats('19:x@thread.v2')/Messages('1')":                                              {"chats('19:x@thread.v2')/messages('1')", "/chats/19:x@thread.v2/messages/1"},
		"users('" + user + "')/chats('19:x@thread.v2')/messages('1')":                        {"chats('19:x@thread.v2')/messages('1')", "/chats/19:x@thread.v2/messages/1"},
		"teams('" + strings.ToUpper(team) + "')/channels('19:c@thread.tacv2')/messages('1')": {"teams('" + team + "')/channels('19:c@thread.tacv2')/messages('1')", "/teams/" + team + "/channels/19:c@thread.tacv2/messages/1"},
		"teams('" + team + "')/channels('19:c@thread.tacv2')/messages('1')/replies('2')":     {"teams('" + team + "')/channels('19:c@thread.tacv2')/messages('1')/replies('2')", "/teams/" + team + "/channels/19:c@thread.tacv2/messages/1/replies/2"},
		"Users/" + strings.ToUpper(user):                                                     {"users('" + user + "')", "/users/" + user},
		"communications/presences('" + user + "')":                                           {"communications/presences('" + user + "')", "/users/" + user + "/presence"},
		"/communications/presences/" + user:                                                  {"communications/presences('" + user + "')", "/users/" + user + "/presence"},
	} {
		canonical, url, stream, ok := changefeed.ParsePath(path)
		require.True(t, ok, path)
		require.Equal(t, want.canonical, canonical)
		require.Equal(t, want.url, url)
		require.LessOrEqual(t, len(stream), 64)
		again, _, same, ok := changefeed.ParsePath(canonical)
		require.True(t, ok)
		require.Equal(t, canonical, again)
		require.Equal(t, stream, same)
	}
	for _, path := range []string{
		"", "/", "chats", "chats/", "chats()", "chats('')/messages('1')", "chats('x')/messages('')", "chats('x')", "chats('x')messages('1')", "chats('x)/messages('1')",
		"chats(x)/messages(1)", "chats('a/b')/messages('1')", "chats('..')/messages('1')", "chats('.')/messages('1')", "chats('a..b')/messages('1')", "chats('a?b')/messages('1')",
		"chats('a%2fb')/messages('1')", "chats('a b')/messages('1')", "chats('é')/messages('1')", "users('me')", "users('" + user + "')/messages('1')", "users('x')/chats('19:x')/messages('1')",
		"teams('x')/channels('19:c')/messages('1')", "teams('" + team + "')/channels('19:c')", "communications/presences('x')", "communications", "communications/presences",
		"chats('x')/messages('1')/replies('2')/replies('3')", "chats('x')/messages('1')/", "messages('1')/chats('x')", strings.Repeat("chats('x')/", 100), "chats('" + strings.Repeat("x", 3000) + "')/messages('1')",
	} {
		_, url, _, ok := changefeed.ParsePath(path)
		if path == "chats('x')/messages('1')/" {
			require.True(t, ok)
			continue
		}
		require.False(t, ok, "%q is taken for %s", path, url)
	}
}

func TestRepliesAndUsersHaveStreamsOfTheirOwn(t *testing.T) {
	t.Parallel()
	stream := func(path string) string {
		_, _, s, ok := changefeed.ParsePath(path)
		require.True(t, ok, path)
		return s
	}
	const team = "8b081ef6-4792-4def-b2c9-c363a1bf41d5"
	require.Equal(t, stream("teams('"+team+"')/channels('19:c')/messages('1')"), stream("teams('"+team+"')/channels('19:c')/messages('1')/replies('2')"))
	require.Equal(t, stream("chats('a')/messages('1')"), stream("chats('a')/messages('2')"))
	require.NotEqual(t, stream("chats('a')/messages('1')"), stream("chats('b')/messages('1')"))
	require.NotEqual(t, stream("users('"+team+"')"), stream("communications/presences('"+team+"')"))
}

func TestBodiesAsPlainText(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"":                                     "",
		"plain":                                "plain",
		"<p>one</p><p>two</p>":                 "one\ntwo",
		"<div>one<div>two</div>three</div>":    "one\ntwo\nthree",
		"one<br>two<br/>three<BR />four":       "one\ntwo\nthree\nfour",
		"one<br><br><br><br><br>two":           "one\n\n\ntwo",
		"  a \n\t b&nbsp;&nbsp;c  ":            "a b c",
		"a &lt;b&gt; &amp;amp; &#39;c&#x27;":   "a <b> &amp; 'c'",
		"1 < 2 and 3 > 2":                      "1 < 2 and 3 > 2",
		"<":                                    "<",
		"a<":                                   "a<",
		"a</":                                  "a</",
		"a<b":                                  "a",
		"<ul><li>one</li><li>two</li></ul>end": "- one\n- two\nend",
		"<table><tr><td>a</td><td>b</td></tr><tr><td>c</td><td>d</td></tr></table>": "a b\nc d",
		`hi <at id="0">Ann Lee</at>!`:                            "hi Ann Lee!",
		`<attachment id="x"></attachment>see`:                    "see",
		`<img src="https://x/y" alt="a picture"> there`:          "a picture there",
		`<emoji id="smile" alt="🙂" title="Smile"></emoji>`:       "🙂",
		`<img alt='x>y' src=a>z`:                                 "x>yz",
		`<img alt=bare>`:                                         "bare",
		`<a href="https://evil.example">bank.example</a>`:        "bank.example",
		`<a title="</a><script>alert(1)</script>">x</a>`:         "x",
		"<script>alert('<p>no</p>')</script>yes":                 "yes",
		"<script>if (a</b) x</SCRIPT >yes":                       "yes",
		"<style>p{}</style><title>no</title>yes":                 "yes",
		"<script>never ends":                                     "",
		"<!-- a comment > still -->yes":                          "yes",
		"<!-- never ends":                                        "",
		"<!DOCTYPE html><p>yes":                                  "yes",
		"<?xml version='1.0'?>yes":                               "yes",
		"&lt;script&gt;alert(1)&lt;/script&gt;":                  "<script>alert(1)</script>",
		"a\u202eb\u200fc\u0000d\x1be\u2066f":                     "abcdef",
		"\xff\xfe":                                               "",
		"<pre>a\nb</pre>c":                                       "a\nb\nc",
		"<codeblock class=\"x\"><code>a<br>b</code></codeblock>": "a\nb",
		"<p>&nbsp;</p>":                                          "",
		"<h1>T</h1>x":                                            "T\nx",
		"<p\nclass='a'\n>x</p\n>":                                "x",
		"<systemEventMessage/>":                                  "",
		"👩‍👩‍👧 family":                                           "👩‍👩‍👧 family",
		"<p title=x/>a</p>":                                      "a",
		"<x " + strings.Repeat("a ", 1000) + ">y":                "y",
		strings.Repeat("<div>", 5000) + "deep":                   "deep",
	} {
		require.Equal(t, want, changefeed.PlainText(in), "%.100q", in)
	}
}

func TestHostileBodiesTakeNoTime(t *testing.T) {
	t.Parallel()
	begun := time.Now()
	for _, s := range []string{"<", "<a ", "<a b=", "<!--", "</", "<script>", "<script></", "&", "&lt", "<img alt='", "<pre>\n", "<br>", "<li>"} {
		changefeed.PlainText(strings.Repeat(s, (128<<10)/len(s)))
	}
	require.Less(t, time.Since(begun), 10*time.Second)
}
