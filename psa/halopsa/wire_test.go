package halopsa

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/mspkit/mspkit/psa"
	"github.com/stretchr/testify/require"
)

func TestHTMLIsReadAsItIsSeen(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"":                                      "",
		"plain":                                 "plain",
		"<p>Verified</p>":                       "Verified",
		"<p>a</p><p>b</p>":                      "a\n\nb",
		"a<br>b<BR/>c<br />d":                   "a\nb\nc\nd",
		"<p>a<br><br>b</p>":                     "a\n\nb",
		"<div>a</div><div>b</div>":              "a\nb",
		"<div>a</div>\r\n<div><br></div>\n<b>b": "a\n\nb",
		"<ul><li>a</li><li> b </li></ul>c":      "- a\n- b\nc",
		"<table><tr><td>a</td><td>b</td></tr><tr><td>c</td></tr></table>": "a b\nc",
		"a  \n\t b":                                     "a b",
		"a&nbsp; b":                                     "a  b",
		"<pre>a  b\n c</pre>d":                          "a  b\n c\n\nd",
		"1 &lt; 2 &amp;amp; &#128274; &#x1F512;":        "1 < 2 &amp; 🔒 🔒",
		"1 < 2 <3 a<b":                                  "1 < 2 <3 a",
		"<script>alert('</b>')</script>a":               "a",
		"<style>p{}</style>a<!-- b <p> -->c<!-- d":      "ac",
		`<a href="https://x.example/?a=1&b=2">link</a>`: "link",
		`<img alt="a > b">c`:                            "c",
		"<p title=it's>a</p>b":                          "a\n\nb",
		"a<o:p></o:p>b":                                 "ab",
		"<script>never ends":                            "",
		"a\x00b\x1b":                                    "ab",
		"<span>mk:</span><b>abc</b>":                    "mk:abc",
		"</p></p>a</div>":                               "a",
		"<h1>T</h1>a<hr>b":                              "T\n\na\nb",
	} {
		require.Equal(t, want, fromHTML(in), in)
	}
}

// Mail from anybody becomes a note. A quarter of a megabyte of what is hard to read would take minutes in a loop within a loop.
func TestHTMLIsReadInOnePass(t *testing.T) {
	t.Parallel()
	const size = 1 << 18
	for _, part := range []string{
		"<", "<a", "<!--", "<!-- -->", "</", "<script>", "<script></script>", "<scrip", "</script", "<p", "<p>", "<pre>", "<br>", "<td>", "<li>", "&", "&amp;", "&#x10ffff;",
		"&notit;", "&lt;!--", "<a b='", "<a b=\"", "<a =", " ", "\u00a0", "\n ", "<div><div><ul><li>", "<?", "<!", "<iframe></iframe", "\xff",
	} {
		begun := time.Now()
		got := fromHTML(strings.Repeat(part, size/len(part)))
		require.Less(t, time.Since(begun), 20*time.Second, part)
		require.LessOrEqual(t, len(got), 4*size, part)
		require.LessOrEqual(t, len(fromHTML(toHTML(strings.Repeat(part, size/10/len(part))))), size)
	}
}

func TestTextArrivesThroughHTML(t *testing.T) {
	t.Parallel()
	for _, s := range []string{
		"a", "a b  c   d", " indented\n  more\n\nnew", "tab\there", "<b>&amp;</b> \"'", "🔐👩\u200d💻", "a\r\nb\rc", "\n\na\n\n", "mk:abc-_=", "a \n b",
	} {
		require.Equal(t, normal(s), fromHTML(toHTML(s)), "%q", s)
	}
	require.NotContains(t, toHTML("<script>"), "<script")
	require.Equal(t, "a\ufffdb", normal("a\xffb"))
}

func TestDatesOfAllForms(t *testing.T) {
	t.Parallel()
	east := time.FixedZone("", 2*3600)
	at := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	for in, want := range map[string]time.Time{
		"2026-11-22T12:00:00":           at,
		"2026-11-22T12:00:00.123":       at.Add(123 * time.Millisecond),
		"2026-11-22 12:00:00":           at,
		"2026-11-22T12:00":              at,
		"2026-11-22T10:00:00Z":          at,
		"2026-11-22T10:00:00.5Z":        at.Add(500 * time.Millisecond),
		"2026-11-22T05:00:00-05:00":     at,
		"2026-11-22":                    at.Add(-12 * time.Hour),
		"0001-01-01T00:00:00":           {},
		"1899-12-30T00:00:00":           {},
		"1900-01-01T00:00:00Z":          {},
		"":                              {},
		"yesterday at noon":             {},
		"2026-13-45T99:00:00":           {},
		"/Date(1700000000000)/":         {},
		strings.Repeat("2026-11-22", 9): {},
	} {
		require.True(t, want.Equal(parseDate(in, east)), "%s is %v", in, parseDate(in, east))
	}
}

func TestIDsOfAllForms(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]num{`18`: 18, `18.0`: 18, `"18"`: 18, `null`: 0, `""`: 0, `"x"`: 0, `18.5`: 0, `1e400`: 0, `-1`: -1, `"0b8d0000-0000-4000-8000-000000000005"`: 0} {
		var n num
		require.NoError(t, n.UnmarshalJSON([]byte(in)), in)
		require.Equal(t, want, n, in)
	}
	require.Empty(t, num(-1).String())
}

func TestListsOfAllForms(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]int{
		`[]`: 0, `[{"id":1},{"id":2}]`: 2, `{"id":1}`: 1, `{"record_count":2,"teams":[{"id":1},{"id":2}]}`: 2, `{"record_count":0}`: 0, `null`: 0,
		`{"record_count":"x","a":[{"id":1}]}`: 1,
	} {
		var r rows[valueRow]
		require.NoError(t, json.Unmarshal([]byte(in), &r), in)
		require.Len(t, r.Items, want, in)
	}
	for _, in := range []string{`{}`, `"x"`, `7`, `{"error":"x"}`, `[7]`, `{"a":[7]}`} {
		var r rows[valueRow]
		require.Error(t, json.Unmarshal([]byte(in), &r), in)
	}
}

func TestWindowsCoverWhatTheyMust(t *testing.T) {
	t.Parallel()
	for at := -1; at < 800000; at += 1 + at/500 {
		for _, limit := range []int{minPage, 50, 100} {
			for _, want := range []int{1, 5, 100} {
				w := covering(at, want, limit)
				require.LessOrEqual(t, w.size, limit)
				require.LessOrEqual(t, w.begin(), max(at, 0))
				require.Greater(t, w.begin()+w.size, at+1, "at %d, limit %d", at, limit)
			}
		}
	}
}

func TestWhoIsAUserIsNotTheAgentOfThatNumber(t *testing.T) {
	t.Parallel()
	require.True(t, (&action{WhoID: 90}).by(90))
	require.False(t, (&action{WhoID: 90, WhoType: 1}).by(90))
	require.False(t, (&action{WhoID: 31}).by(90))
}

func TestDomainsOfWhatPeopleType(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"https://www.Contoso.example/x?y": "contoso.example", "contoso.example": "contoso.example", "@contoso.example": "contoso.example",
		"http://contoso.example:8080": "contoso.example", "n/a": "", "": "", "none": "", "dana@contoso.example": "", "www.": "",
	} {
		require.Equal(t, want, domainOf(in), in)
	}
}

func TestPrioritiesOfSeveralAgreements(t *testing.T) {
	t.Parallel()
	c := &Client{}
	list := []valueRow{{PriorityID: 1, SLA: 1, Name: "High"}, {PriorityID: 1, SLA: 2, Name: "P1"}, {PriorityID: 1, SLA: 3, Name: "High"}, {PriorityID: 2, SLA: 1, Name: "Low", Hidden: true}}
	require.Equal(t, []psa.Option{
		{Named: psa.Named{ID: "1", Name: "High / P1"}}, {Named: psa.Named{ID: "2", Name: "Low"}, Inactive: true},
	}, c.priorities(list))
	c.opts.SLA = 2
	require.Equal(t, []psa.Option{{Named: psa.Named{ID: "1", Name: "P1"}}}, c.priorities(list))
}

func FuzzFromHTML(f *testing.F) {
	for _, s := range []string{"<p>a<br>b</p>", "<pre> a\n</pre>", "<!-- x", "<script></SCRIPT x>a", "a<b c='>'>d", "<li>&#0;&#x110000;", "</", "<a =\"", "\xff<br>"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		out := fromHTML(s)
		if !utf8.ValidString(out) || out != normal(out) {
			t.Fatalf("%q is read as %q", s, out)
		}
		if got := fromHTML(toHTML(s)); got != normal(s) {
			t.Fatalf("%q arrives as %q; want %q", s, got, normal(s))
		}
	})
}

func FuzzParseDate(f *testing.F) {
	for _, s := range []string{"2026-11-22T12:00:00.1Z", "2026-11-22", "0001-01-01T00:00:00", "2026-11-22T12:00:00+23:59"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		at := parseDate(s, time.UTC)
		if !at.IsZero() && !parseDate(formatDate(at), time.UTC).Equal(at.Truncate(time.Millisecond)) {
			t.Fatalf("%q is read as %v", s, at)
		}
	})
}

func FuzzParseHook(f *testing.F) {
	for _, s := range []string{`{"id":1}`, `{"id":"x","ticket":{"id":"1"},"event":"new"}`, `{"user":{"id":1.0},"date":"2026-11-22T00:00:00"}`, `[]`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		e, _, err := parseHook(b, time.UTC)
		if (err == nil) != isNumber(e.RecordID) || err == nil && (e.ID == "" || e.Entity == "") || err != nil && e != (psa.WebhookEvent{}) {
			t.Fatalf("%q is read as %+v, %v", b, e, err)
		}
	})
}

func FuzzContactPage(f *testing.F) {
	f.Add([]byte(`{"record_count":1,"users":[{"id":31,"name":"Ana Ruiz","emailaddress":"ana@acme.com","site_id":18.0,"site_id_int":18,"azureoid":"x","ulastupdate":"2026-11-22T00:00:00"}]}`))
	f.Add([]byte(`{"clients":[{"id":1,"website":"https://x.example","domain":"a,b"}]}`))
	c := &Client{opts: Options{DateZone: time.UTC}}
	f.Fuzz(func(t *testing.T, b []byte) {
		var p page
		if json.Unmarshal(b, &p) != nil {
			return
		}
		for i := range p.Users {
			one := c.contact(&p.Users[i])
			for _, e := range one.Emails {
				if !strings.Contains(e, "@") {
					t.Fatalf("%q is an address", e)
				}
			}
			if one.Site.ID != "" && !isDigits(one.Site.ID) || one.ID == "" {
				t.Fatalf("%+v", one)
			}
		}
		for i := range p.Clients {
			for _, d := range c.company(&p.Clients[i]).Domains {
				if d != domainOf(d) {
					t.Fatalf("%q is a domain", d)
				}
			}
		}
	})
}

func isDigits(s string) bool { return strings.Trim(s, "0123456789") == "" }

func FuzzCursor(f *testing.F) {
	f.Add(position{count: 5, last: 7}.cursor(psa.Query{}, OverlapPages))
	f.Fuzz(func(t *testing.T, s string) {
		p, err := parseCursor(psa.Query{Cursor: s}, OverlapPages)
		if err == nil && s != "" && (p.count < 0 || p.last < 0) {
			t.Fatalf("%q is read as %+v", s, p)
		}
	})
}
