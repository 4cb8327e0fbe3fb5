package mail_test

import (
	"html"
	"io/fs"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/mail"
)

const link = "https://verify.contoso.example/v/abc?t=1&u=2#frag"

func data() mail.Data {
	return mail.Data{
		Brand: mspkit.Brand{Name: "Contoso IT", Color: "#7a1fbf", Phone: "+49 30 1234567", Site: "https://it.contoso.example"},
		Name:  "Dana", Company: "Client Ltd", Technician: "Jane Doe", Ticket: "4711", Action: "reset your password",
		Link: mspkit.Redact(link), Code: mspkit.Redact("123456"), Expires: 5 * time.Minute,
	}
}

var (
	tags  = regexp.MustCompile(`(?s)<style>.*?</style>|<title>.*?</title>|<[^>]*>`)
	names = []string{mail.VerificationCode, mail.VerificationLink, mail.TechnicianLink}
)

// visible is what a reader of the HTML sees.
func visible(s string) string {
	return strings.Join(strings.Fields(html.UnescapeString(tags.ReplaceAllString(s, " "))), " ")
}

func templates(t *testing.T, o *mail.TemplateOptions) *mail.Templates {
	t.Helper()
	ts, err := mail.NewTemplates(o)
	require.NoError(t, err)
	return ts
}

func TestEveryBuiltInMailSaysTheSameInTextAndHTML(t *testing.T) {
	t.Parallel()
	ts := templates(t, nil)
	for _, name := range names {
		require.Equal(t, []string{"ar-XB", "de", "en"}, ts.Locales("", name))
		for _, locale := range ts.Locales("", name) {
			t.Run(name+" "+locale, func(t *testing.T) {
				t.Parallel()
				subject, text, body, err := ts.Render(name, locale, data())
				require.NoError(t, err)
				facts := []string{"Dana", "Client Ltd", "Jane Doe", "Contoso IT", "4711", "reset your password", "5", "+49 30 1234567"}
				if name == mail.VerificationCode {
					facts = append(facts, "123 456")
					require.NotContains(t, text+body, "verify.contoso.example")
				} else {
					require.Contains(t, text, "\n"+link+"\n", "on a line of its own")
					require.Contains(t, body, `href="`+html.EscapeString(link)+`"`)
					require.Equal(t, 1, strings.Count(body, "href="), "one link only")
					require.NotContains(t, text+body, "123 456")
				}
				for _, f := range facts {
					require.Contains(t, text, f)
					require.Contains(t, visible(body), f)
				}
				// Every sentence of the text stands in the HTML too, whatever the layout.
				seen := plain(visible(body))
				for line := range strings.Lines(text) {
					for s := range strings.SplitSeq(strings.TrimSpace(line), ": ") {
						if s = plain(s); s != "" && !strings.Contains(s, "https://") {
							require.Contains(t, seen, s)
						}
					}
				}
				require.NotContains(t, subject, "123")
				require.NotContains(t, subject, "http")
				require.Contains(t, subject, "Contoso IT")
				require.NotContains(t, strings.ToLower(body), "<img")
				require.NotContains(t, body, "src=")
				require.NotContains(t, body, "ZgotmplZ", "the escaper refused a value")
				require.Contains(t, body, "#7a1fbf")
				require.Contains(t, body, `name="color-scheme"`)
				m := valid()
				m.Subject, m.Text, m.HTML = subject, text, body
				require.NoError(t, m.Validate())
			})
		}
	}
}

// plain drops spaces and quotes, which the two parts set differently.
func plain(s string) string {
	return strings.NewReplacer(" ", "", "\"", "", "“", "", "”", "", "„", "").Replace(s)
}

func TestMailsTellWhatToDoWhenSomebodyCalledYou(t *testing.T) {
	t.Parallel()
	ts := templates(t, nil)
	for _, tc := range []struct{ name, locale, want string }{
		{mail.VerificationCode, "en", "Read this code to the technician only if YOU called us."},
		{mail.VerificationCode, "en", "If somebody called YOU"},
		{mail.VerificationLink, "en", "If somebody called YOU"},
		{mail.VerificationLink, "en", `"This is not me"`},
		{mail.VerificationLink, "en", "The technician tells you a number on the phone. Open this page and type the number there"},
		{mail.VerificationLink, "en", "We never ask you to say a number"},
		{mail.VerificationCode, "de", "nur vor, wenn SIE uns angerufen haben"},
		{mail.VerificationLink, "de", "Wenn jemand SIE angerufen hat"},
		{mail.TechnicianLink, "en", "it shows who is calling you and why"},
	} {
		_, text, _, err := ts.Render(tc.name, tc.locale, data())
		require.NoError(t, err)
		require.Contains(t, text, tc.want)
	}
}

func TestOptionalFactsLeaveNoHoles(t *testing.T) {
	t.Parallel()
	ts := templates(t, nil)
	for _, name := range names {
		d := data()
		d.Brand = mspkit.Brand{Name: "Contoso IT"}
		d.Name, d.Company, d.Technician, d.Ticket, d.Action, d.Expires = "", "", "", "", "", 30*time.Second
		subject, text, body, err := ts.Render(name, "en", d)
		require.NoError(t, err)
		require.NotContains(t, subject, "ticket")
		for _, s := range []string{text, strings.ReplaceAll(visible(body), " ,", ",")} { // a tag stood there
			require.Contains(t, s, "Hello,")
			require.Contains(t, s, "A technician, Contoso IT")
			require.Contains(t, s, "1 minute,")
			for _, hole := range []string{"Ticket:", "For:", "What for", "call us on", " ,", " .", "\n\n\n"} {
				require.NotContains(t, s, hole)
			}
		}
	}
}

func TestLocalesFallBackAndRightToLeftIsMarked(t *testing.T) {
	t.Parallel()
	ts := templates(t, nil)
	for locale, want := range map[string]string{
		"de": `lang="de" dir="ltr"`, "de-AT": `lang="de" dir="ltr"`, "DE_ch": `lang="de" dir="ltr"`, "de-Latn-DE-1996": `lang="de" dir="ltr"`,
		"en-GB": `lang="en" dir="ltr"`, "": `lang="en" dir="ltr"`, "fr": `lang="en" dir="ltr"`, "xx-very-long-and-not-a-locale-at-all-really": `lang="en" dir="ltr"`,
		"../../etc": `lang="en" dir="ltr"`, "ar-XB": `lang="ar-XB" dir="rtl"`, "ar-xb": `lang="ar-XB" dir="rtl"`, "ar": `lang="en" dir="ltr"`,
	} {
		_, _, body, err := ts.Render(mail.VerificationCode, locale, data())
		require.NoError(t, err)
		require.Contains(t, body, want, locale)
	}
	_, _, body, err := ts.Render(mail.VerificationCode, "ar-XB", data())
	require.NoError(t, err)
	require.Regexp(t, `<td[^>]*dir="ltr"[^>]*>123 456</td>`, body, "digits keep their order")
}

func TestNamesCannotBecomeLinksMarkupOrTemplates(t *testing.T) {
	t.Parallel()
	ts := templates(t, nil)
	evil := "<a href='https://evil.example'>x</a> www.evil.example evil.example/x {{.Code}} \u202eabc\r\nBcc: a@evil.example"
	d := data()
	d.Name, d.Company, d.Technician, d.Ticket, d.Action, d.Brand.Name = evil, evil, evil, evil, evil, "Desk \u202e evil.example"
	d.Brand.Phone, d.Brand.Site = "</td><script>1</script>", "javascript:alert(1)\u202e"
	for _, name := range names {
		subject, text, body, err := ts.Render(name, "en", d)
		require.NoError(t, err)
		require.NotContains(t, subject, "\n")
		for _, s := range []string{subject, text, body} {
			require.NotContains(t, s, "evil.example")
			require.NotContains(t, s, "\u202e")
			require.NotContains(t, s, "\nBcc:")
		}
		require.NotContains(t, body, "<script")
		require.NotContains(t, body, "<a href='")
		require.NotContains(t, subject, "123 456")
	}
}

func TestRenderRefusesUnusableData(t *testing.T) {
	t.Parallel()
	ts := templates(t, nil)
	for name, tc := range map[string]struct {
		template string
		change   func(*mail.Data)
	}{
		"no brand":          {mail.VerificationCode, func(d *mail.Data) { d.Brand.Name = "" }},
		"invisible brand":   {mail.VerificationCode, func(d *mail.Data) { d.Brand.Name = "\u200b" }},
		"bad colour":        {mail.VerificationCode, func(d *mail.Data) { d.Brand.Color = "red;x:url(http://x)" }},
		"no expiry":         {mail.VerificationCode, func(d *mail.Data) { d.Expires = 0 }},
		"no code":           {mail.VerificationCode, func(d *mail.Data) { d.Code = mspkit.Redact("") }},
		"code with letters": {mail.VerificationCode, func(d *mail.Data) { d.Code = mspkit.Redact("12a456") }},
		"no link":           {mail.VerificationLink, func(d *mail.Data) { d.Link = mspkit.Redact("") }},
		"relative link":     {mail.VerificationLink, func(d *mail.Data) { d.Link = mspkit.Redact("/v/abc") }},
		"http link":         {mail.VerificationLink, func(d *mail.Data) { d.Link = mspkit.Redact("http://verify.contoso.example/v/abc") }},
		"script link":       {mail.TechnicianLink, func(d *mail.Data) { d.Link = mspkit.Redact("javascript:alert(1)") }},
		"link with user":    {mail.TechnicianLink, func(d *mail.Data) { d.Link = mspkit.Redact("https://contoso.example@evil.example/") }},
		"link with newline": {mail.TechnicianLink, func(d *mail.Data) { d.Link = mspkit.Redact("https://a.example/\nhttps://evil.example") }},
		"unknown template":  {"nope", func(*mail.Data) {}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := data()
			tc.change(&d)
			_, _, _, err := ts.Render(tc.template, "en", d)
			require.Error(t, err)
			require.NotContains(t, err.Error(), "evil")
			require.NotContains(t, err.Error(), "/v/abc")
			require.NotContains(t, err.Error(), "456")
		})
	}
	d := data()
	d.Link = mspkit.Redact("http://127.0.0.1:8080/v/abc")
	_, _, _, err := ts.Render(mail.VerificationLink, "en", d)
	require.NoError(t, err, "a demo on loopback has no certificate")
}

func TestCodesAreGrouped(t *testing.T) {
	t.Parallel()
	ts := templates(t, nil)
	for code, want := range map[string]string{"1234": "1234", "12345": "123 45", "123456": "123 456", "1234567": "123 4567", "12345678": "1234 5678", "12 34 56": "123 456"} {
		d := data()
		d.Code = mspkit.Redact(code)
		_, text, _, err := ts.Render(mail.VerificationCode, "en", d)
		require.NoError(t, err)
		require.Contains(t, text, "    "+want+"\n")
	}
}

func TestOverridesReplaceSingleFilesPerTenant(t *testing.T) {
	t.Parallel()
	ts := templates(t, &mail.TemplateOptions{
		Override: fstest.MapFS{"en/verification-code.subject.txt": {Data: []byte("{{.Brand.Name}} everywhere")}},
		Tenants: map[mspkit.TenantID]fs.FS{
			"a": fstest.MapFS{"en/verification-code.text.txt": {Data: []byte("Only A: {{.Code}}")}},
			"b": fstest.MapFS{
				"fr/verification-link.subject.txt": {Data: []byte("Bonjour")},
				"fr/verification-link.text.txt":    {Data: []byte("{{.Link}}")},
				"fr/verification-link.html":        {Data: []byte(`<a href="{{.Link}}">Ouvrir</a>`)},
				"layout.html":                      {Data: []byte(`<html dir="{{.Dir}}"><body>B: {{.Content}}</body></html>`)},
			},
		},
	})
	render := func(tenant mspkit.TenantID, name, locale string) (string, string, string) {
		d := data()
		d.Tenant = tenant
		s, x, h, err := ts.Render(name, locale, d)
		require.NoError(t, err)
		return s, x, h
	}
	s, x, _ := render("a", mail.VerificationCode, "en")
	require.Equal(t, "Contoso IT everywhere", s)
	require.Equal(t, "Only A: 123 456\n", x)
	_, x, _ = render("c", mail.VerificationCode, "en")
	require.NotContains(t, x, "Only A", "another tenant's text")
	_, x, h := render("b", mail.VerificationLink, "fr-CA")
	require.Equal(t, link+"\n", x)
	require.Contains(t, h, "B: <a href=")
	_, _, h = render("b", mail.VerificationCode, "fr")
	require.Contains(t, h, "B: ", "the layout is around the fallback too")
	_, _, h = render("a", mail.VerificationCode, "en")
	require.NotContains(t, h, "B: ")
	_, x, _ = render("a", mail.VerificationCode, "de")
	require.NotContains(t, x, "Only A", "the language comes before the override")
}

func TestBadTemplatesFailAtStartNamingTheFile(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ file, text, says string }{
		"unknown template":          {"en/verification-cod.text.txt", "x", "not a known template"},
		"unknown ending":            {"en/verification-code.md", "x", "not a known template"},
		"not in a locale":           {"verification-code.html", "x", "locale"},
		"bad locale":                {"e_n/verification-code.html", "x", "locale"},
		"too deep":                  {"en/x/verification-code.html", "x", "locale"},
		"link text without link":    {"en/verification-link.text.txt", "hello", "{{.Link}}"},
		"link html without link":    {"en/verification-link.html", "<p>hello</p>", "{{.Link}}"},
		"technician without link":   {"de/technician-link.html", "<p>{{.Technician}}</p>", "{{.Link}}"},
		"code text without code":    {"en/verification-code.text.txt", "{{.Name}}", "{{.Code}}"},
		"code only asked for":       {"en/verification-code.text.txt", "{{if .Code}}x{{end}}", "{{.Code}}"},
		"code only sometimes":       {"en/verification-code.text.txt", "{{if .Name}}{{.Code}}{{end}}", "only sometimes"},
		"link never in html":        {"en/verification-link.html", "{{if not .Link}}{{.Link}}{{end}}x", "only sometimes"},
		"code in the subject":       {"en/verification-code.subject.txt", "Your code {{.Code}}", "{{.Code}} does not exist here"},
		"link in the subject":       {"en/verification-link.subject.txt", "{{.Link}}", "{{.Link}} does not exist here"},
		"subject of two lines":      {"en/verification-code.subject.txt", "a\nb", "one line"},
		"empty subject":             {"en/verification-code.subject.txt", " ", "empty"},
		"subject sometimes empty":   {"en/verification-code.subject.txt", "{{.Ticket}}", "empty"},
		"unknown field":             {"en/verification-code.text.txt", "{{.Code}} {{.Pasword}}", ".Pasword"},
		"unknown field in a branch": {"en/verification-code.text.txt", "{{.Code}}{{if and .Name (not .Name)}}{{.Brand.Title}}{{end}}", ".Brand.Title"},
		"method":                    {"en/verification-code.text.txt", "{{.Code.Reveal}}", ".Code.Reveal"},
		"parse error":               {"en/verification-code.text.txt", "{{.Code", "unclosed"},
		"html parse error":          {"en/verification-code.html", "{{if .Code}}", "unexpected EOF"},
		"html that ends in a tag":   {"en/verification-code.html", "<p>{{.Code}}</p><a title=\"", "ends in a non-text context"},
		"function":                  {"en/verification-code.text.txt", `{{printf "%s" .Code}}`, "printf"},
		"loop":                      {"en/verification-code.text.txt", "{{.Code}}{{range .Name}}x{{end}}", "not allowed"},
		"define":                    {"en/verification-code.text.txt", `{{.Code}}{{define "x"}}x{{end}}`, "define"},
		"variable":                  {"en/verification-code.text.txt", "{{$x := .Code}}{{$x}}", "not allowed"},
		"image":                     {"en/verification-code.html", `{{.Code}}<img src="https://track.example/1.gif">`, "load nothing"},
		"css url":                   {"en/verification-code.html", `{{.Code}}<p style="background: URL (https://t.example)">`, "load nothing"},
		"script":                    {"en/verification-code.html", "{{.Code}}<script>1</script>", "load nothing"},
		"form":                      {"en/verification-code.html", "{{.Code}}<form>", "load nothing"},
		"event handler":             {"en/verification-code.html", `{{.Code}}<p onclick="x">`, "load nothing"},
		"layout without content":    {"layout.html", "<html></html>", "{{.Content}}"},
		"layout with link":          {"layout.html", "{{.Content}}{{.Link}}", "{{.Link}} does not exist here"},
		"too large":                 {"en/verification-code.html", strings.Repeat("x", 64<<10+1), "at most"},
		"new locale, half":          {"fr/verification-code.text.txt", "{{.Code}}", "needs all three files"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fsys := fstest.MapFS{tc.file: {Data: []byte(tc.text)}}
			for _, o := range []*mail.TemplateOptions{{Override: fsys}, {Tenants: map[mspkit.TenantID]fs.FS{"acme": fsys}}} {
				_, err := mail.NewTemplates(o)
				require.ErrorIs(t, err, mail.ErrTemplate)
				require.Contains(t, err.Error(), tc.says)
				stem, _, _ := strings.Cut(tc.file, ".")
				require.Contains(t, err.Error(), stem)
				if o.Tenants != nil {
					require.Contains(t, err.Error(), `"acme"`)
				}
			}
		})
	}
	_, err := mail.NewTemplates(&mail.TemplateOptions{Fallback: "fr"})
	require.ErrorIs(t, err, mail.ErrTemplate)
	_, err = mail.NewTemplates(&mail.TemplateOptions{Tenants: map[mspkit.TenantID]fs.FS{"": fstest.MapFS{}}})
	require.ErrorIs(t, err, mspkit.ErrInvalid)
}

func TestAllFaultsAreReportedTogether(t *testing.T) {
	t.Parallel()
	_, err := mail.NewTemplates(&mail.TemplateOptions{Override: fstest.MapFS{
		"en/verification-code.text.txt": {Data: []byte("x")},
		"de/verification-link.html":     {Data: []byte("y")},
	}})
	require.ErrorContains(t, err, "en/verification-code.text.txt")
	require.ErrorContains(t, err, "de/verification-link.html")
}

func TestANoticeSaysEachChangeInTextAndHTML(t *testing.T) {
	t.Parallel()
	ts := templates(t, nil)
	require.Equal(t, []string{"ar-XB", "de", "en"}, ts.Locales("", mail.SecurityNotice))
	said := map[string]bool{}
	for _, locale := range ts.Locales("", mail.SecurityNotice) {
		for _, change := range mail.Changes() {
			d := data()
			d.Expires, d.Change, d.At, d.Left = 0, change, time.Date(2026, 11, 22, 9, 30, 0, 0, time.FixedZone("", 3600)), 7
			subject, text, body, err := ts.Render(mail.SecurityNotice, locale, d)
			require.NoError(t, err)
			seen := plain(visible(body))
			for line := range strings.Lines(text) {
				for s := range strings.SplitSeq(strings.TrimSpace(line), ": ") {
					require.Contains(t, seen, plain(s))
				}
			}
			for _, want := range []string{"2026-11-22 08:30 UTC", "Dana", "Client Ltd", "Jane Doe", "Contoso IT", "4711", "+49 30 1234567"} {
				require.Contains(t, text, want)
			}
			require.Equal(t, change == "recovery-used", strings.Contains(strings.ReplaceAll(text, "4711", ""), ": 7\n"))
			require.NotContains(t, text+body, "verify.contoso.example", "it has no link")
			require.NotContains(t, body, "ZgotmplZ")
			require.False(t, said[subject], "each change has a subject of its own")
			said[subject] = true
			d.Brand = mspkit.Brand{Name: "Contoso IT"}
			d.Name, d.Company, d.Technician, d.Ticket = "", "", "", ""
			_, text, _, err = ts.Render(mail.SecurityNotice, locale, d)
			require.NoError(t, err)
			for _, hole := range []string{"4711", " ,", " .", "\n\n\n", ": \n"} {
				require.NotContains(t, text, hole)
			}
		}
	}
	for name, change := range map[string]func(*mail.Data){
		"no change":      func(d *mail.Data) { d.Change = "" },
		"unknown change": func(d *mail.Data) { d.Change = "gone" },
		"no time":        func(d *mail.Data) { d.At = time.Time{} },
	} {
		d := data()
		d.Change, d.At = "removed", time.Now()
		change(&d)
		_, _, _, err := ts.Render(mail.SecurityNotice, "en", d)
		require.ErrorIs(t, err, mspkit.ErrInvalid, name)
	}
	_, err := mail.NewTemplates(&mail.TemplateOptions{Override: fstest.MapFS{"en/security-notice.text.txt": {Data: []byte("hello")}}})
	require.ErrorContains(t, err, "{{.Time}}")
	_, err = mail.NewTemplates(&mail.TemplateOptions{Override: fstest.MapFS{"en/security-notice.text.txt": {Data: []byte(`{{if eq .Change "removed"}}{{.Time}}{{end}}`)}}})
	require.ErrorContains(t, err, "only sometimes")
}
