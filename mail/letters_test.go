package mail_test

import (
	"html"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/mail"
)

// letters are the mails besides those of verification.
var letters = []string{mail.OptIn, mail.SecureData, mail.PortalInvitation, mail.TechnicianInvitation, mail.PasswordReset, mail.Notification}

func letter(name string) mail.Data {
	d := data()
	d.Code, d.Expires = mspkit.Redact("123456"), 7*24*time.Hour
	d.Consent, d.Number, d.Account, d.Role = "sms-chat", "+49 151 8989 8942", "technician", "Level 2"
	d.Heading, d.Lines = "Robin left the company", []string{"Robin Roe is disabled in Microsoft 365.", "Two open tickets are waiting."}
	d.At = time.Date(2026, 11, 22, 9, 30, 0, 0, time.FixedZone("", 3600))
	return d
}

func TestEveryLetterSaysTheSameInTextAndHTML(t *testing.T) {
	t.Parallel()
	ts := templates(t, nil)
	facts := map[string][]string{
		mail.OptIn:                {"Dana", "Client Ltd", "Jane Doe", "42", "7"},
		mail.SecureData:           {"Dana", "Client Ltd", "Jane Doe", "4711", "7"},
		mail.PortalInvitation:     {"Dana", "Client Ltd", "Jane Doe", "7"},
		mail.TechnicianInvitation: {"Dana", "Jane Doe", "Level 2", "7"},
		mail.PasswordReset:        {"Dana", "Client Ltd", "7"},
		mail.Notification:         {"Dana", "Client Ltd", "4711", "Robin left the company", "Robin Roe is disabled in Microsoft 365.", "Two open tickets are waiting.", "2026-11-22 08:30 UTC"},
	}
	for _, name := range letters {
		require.Equal(t, []string{"ar-XB", "de", "en"}, ts.Locales("", name))
		for _, locale := range ts.Locales("", name) {
			t.Run(name+" "+locale, func(t *testing.T) {
				t.Parallel()
				subject, text, body, err := ts.Render(name, locale, letter(name))
				require.NoError(t, err)
				seen := plain(visible(body))
				for _, f := range append(facts[name], "Contoso IT") {
					require.Contains(t, text+subject, f)
					require.Contains(t, visible(body), f)
				}
				if name != mail.TechnicianInvitation && name != mail.Notification {
					require.Contains(t, text, "+49 30 1234567", "whom to call")
				}
				for line := range strings.Lines(text) {
					for s := range strings.SplitSeq(strings.TrimSpace(line), ": ") {
						if s = plain(s); !strings.Contains(s, "https://") {
							require.Contains(t, seen, s)
						}
					}
				}
				require.Equal(t, 1, strings.Count(text, link), "the link stands once")
				require.Contains(t, text, "\n"+link+"\n", "on a line of its own")
				require.Equal(t, 1, strings.Count(body, "href="), "one link only")
				require.Contains(t, body, `href="`+html.EscapeString(link)+`"`)
				require.NotContains(t, subject+text+body, "123 456", "these have no code")
				require.NotContains(t, subject+text+body, "8989", "a number is not shown whole")
				require.NotContains(t, subject, "http")
				require.Contains(t, subject, "Contoso IT")
				require.NotContains(t, body, "ZgotmplZ")
				require.NotContains(t, strings.ToLower(body), "<img")
				for _, hole := range []string{"\n\n\n", ": \n", " ,", " ."} {
					require.NotContains(t, text, hole)
				}
				m := valid()
				m.Subject, m.Text, m.HTML, m.Kind = subject, text, body, name
				require.NoError(t, m.Validate())
			})
		}
	}
}

func TestLettersWithLittleLeaveNoHoles(t *testing.T) {
	t.Parallel()
	ts := templates(t, nil)
	for _, name := range letters {
		for _, locale := range []string{"en", "de", "ar-XB"} {
			d := mail.Data{
				Brand: mspkit.Brand{Name: "Contoso IT"}, Link: mspkit.Redact(link), Expires: time.Minute, Consent: "sms", Account: "portal",
				Heading: "One", Lines: []string{"Two."},
			}
			if name == mail.Notification {
				d.Link, d.Expires = mspkit.Redact(""), 0
			}
			subject, text, body, err := ts.Render(name, locale, d)
			require.NoError(t, err)
			for _, hole := range []string{"\n\n\n", ": \n", " ,", " .", "  ", "{{", "<no value>", "0001"} {
				require.NotContains(t, subject+"\n"+text, hole, name+" "+locale)
			}
			require.Equal(t, name != mail.Notification, strings.Contains(body, "href="))
			require.Equal(t, name != mail.Notification, strings.Contains(body, `class="facts"`), "no empty table")
			if locale == "en" && name != mail.Notification {
				require.Contains(t, text, "Valid for: 1 minute")
			}
		}
	}
}

func TestLongTimesAreSaidInTheirUnitAndNeverTooLong(t *testing.T) {
	t.Parallel()
	ts := templates(t, nil)
	for d, want := range map[time.Duration]string{
		time.Second: "1 minute,", time.Minute: "1 minute,", 90 * time.Second: "1 minute,", 119 * time.Minute: "119 minutes", 2 * time.Hour: "2 hours",
		47*time.Hour + 59*time.Minute: "47 hours", 48 * time.Hour: "2 days", 7*24*time.Hour - time.Second: "6 days",
	} {
		in := letter(mail.PasswordReset)
		in.Expires = d
		_, text, _, err := ts.Render(mail.PasswordReset, "en", in)
		require.NoError(t, err)
		require.Contains(t, text, "Valid for: "+want)
	}
	in := letter(mail.SecureData)
	in.Expires = 0
	_, text, _, err := ts.Render(mail.SecureData, "en", in)
	require.NoError(t, err, "the page knows how long a send is there")
	require.NotContains(t, text, "Valid for")
}

func TestChoicesChangeTheWords(t *testing.T) {
	t.Parallel()
	ts := templates(t, nil)
	said := map[string]bool{}
	for _, consent := range mail.Consents() {
		d := letter(mail.OptIn)
		d.Consent = consent
		subject, _, _, err := ts.Render(mail.OptIn, "en", d)
		require.NoError(t, err)
		require.False(t, said[subject])
		said[subject] = true
	}
	for _, account := range mail.Accounts() {
		d := letter(mail.PasswordReset)
		d.Account = account
		subject, text, _, err := ts.Render(mail.PasswordReset, "en", d)
		require.NoError(t, err)
		require.Equal(t, account == "portal", strings.Contains(subject+text, "customer portal"))
		require.Equal(t, account == "technician", strings.Contains(subject+text, "Helpdesk (technician)"))
	}
}

func TestLettersRefuseUnusableData(t *testing.T) {
	t.Parallel()
	ts := templates(t, nil)
	for name, tc := range map[string]struct {
		template string
		change   func(*mail.Data)
		says     string
	}{
		"no consent":           {mail.OptIn, func(d *mail.Data) { d.Consent = "" }, "Consent must be one of sms, chat, sms-chat"},
		"unknown consent":      {mail.OptIn, func(d *mail.Data) { d.Consent = "pigeon" }, "Consent"},
		"no account":           {mail.PasswordReset, func(d *mail.Data) { d.Account = "root" }, "Account must be one of portal, technician"},
		"no link":              {mail.PasswordReset, func(d *mail.Data) { d.Link = mspkit.Redact("") }, "link"},
		"http link":            {mail.PortalInvitation, func(d *mail.Data) { d.Link = mspkit.Redact("http://contoso.example/") }, "https"},
		"no expiry":            {mail.TechnicianInvitation, func(d *mail.Data) { d.Expires = 0 }, "expire"},
		"negative expiry":      {mail.SecureData, func(d *mail.Data) { d.Expires = -1 }, "expire"},
		"no heading":           {mail.Notification, func(d *mail.Data) { d.Heading = "\u200b" }, "heading"},
		"no lines":             {mail.Notification, func(d *mail.Data) { d.Lines = []string{"", "\u200b"} }, "line"},
		"too many lines":       {mail.Notification, func(d *mail.Data) { d.Lines = make([]string, mail.MaxLines+1) }, "at most 20"},
		"notification to http": {mail.Notification, func(d *mail.Data) { d.Link = mspkit.Redact("http://contoso.example/") }, "https"},
		"every fault at once":  {mail.OptIn, func(d *mail.Data) { *d = mail.Data{} }, "Consent"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := letter(tc.template)
			tc.change(&d)
			_, _, _, err := ts.Render(tc.template, "en", d)
			require.ErrorIs(t, err, mspkit.ErrInvalid)
			require.ErrorContains(t, err, tc.says)
			require.NotContains(t, err.Error(), "contoso.example")
			require.NotContains(t, err.Error(), "pigeon")
		})
	}
	d := letter(mail.OptIn)
	for number, want := range map[string]bool{"+49 151 8989 8942": true, "12342": false, "": false, "x42": false} {
		d.Number = number
		_, text, _, err := ts.Render(mail.OptIn, "en", d)
		require.NoError(t, err)
		require.Equal(t, want, strings.Contains(text, "number that ends in 42"), number)
	}
}

func TestNothingInALetterCanBecomeALinkOrMarkup(t *testing.T) {
	t.Parallel()
	ts := templates(t, nil)
	evil := "<a href='https://evil.example'>x</a> www.evil.example {{.Link}} \u202eabc\r\nBcc: a@evil.example"
	for _, name := range letters {
		d := letter(name)
		d.Name, d.Company, d.Technician, d.Ticket, d.Role, d.Heading, d.Number = evil, evil, evil, evil, evil, evil, "+49 151<b>9999999"+evil
		d.Lines = []string{evil, "a\nb"}
		subject, text, body, err := ts.Render(name, "en", d)
		require.NoError(t, err)
		for _, s := range []string{subject, text, body} {
			require.NotContains(t, s, "evil.example")
			require.NotContains(t, s, "\u202e")
			require.NotContains(t, s, "\nBcc:")
			require.NotContains(t, s, "9999")
		}
		require.NotContains(t, subject, "\n")
		require.NotContains(t, body, "<a href='")
		require.NotContains(t, body, "<b>")
		require.Equal(t, 1, strings.Count(body, "href="))
	}
}

func TestBadLettersFailAtStart(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ file, text, says string }{
		"lines without loop":       {"en/notification.text.txt", "{{.Lines}}{{.Link}}", "{{range .Lines}}"},
		"no lines":                 {"en/notification.html", "<p>{{.Heading}}</p>{{.Link}}", "{{range .Lines}}"},
		"no link":                  {"en/notification.html", "{{range .Lines}}{{.}}{{end}}", "{{.Link}}"},
		"lines only sometimes":     {"en/notification.text.txt", "{{if .Name}}{{range .Lines}}{{.}}{{end}}{{end}}{{if .Link}}{{.Link}}{{end}}", "only sometimes"},
		"link only sometimes":      {"en/notification.text.txt", "{{range .Lines}}{{.}}{{end}}{{if not .Name}}{{.Link}}{{end}}", "only sometimes"},
		"lines in a subject":       {"en/notification.subject.txt", "{{range .Lines}}{{.}}{{end}}", "{{.Lines}} does not exist here"},
		"loop with a variable":     {"en/notification.text.txt", "{{range $l := .Lines}}{{$l}}{{end}}{{.Link}}", "not allowed"},
		"loop with else":           {"en/notification.text.txt", "{{range .Lines}}{{.}}{{else}}x{{end}}{{.Link}}", "not allowed"},
		"loop in a loop":           {"en/notification.text.txt", "{{range .Lines}}{{range .Lines}}{{.}}{{end}}{{end}}{{.Link}}", "not allowed"},
		"loop over a number":       {"en/notification.text.txt", "{{range 1000000}}x{{end}}{{range .Lines}}{{.}}{{end}}{{.Link}}", "not allowed"},
		"loop over a text":         {"en/notification.text.txt", "{{range .Heading}}x{{end}}{{range .Lines}}{{.}}{{end}}{{.Link}}", "not allowed"},
		"placeholder in a loop":    {"en/notification.text.txt", `{{range .Lines}}{{if eq . "x"}}{{.Name}}{{end}}{{.}}{{end}}{{.Link}}`, "inside {{range}}"},
		"dot outside":              {"en/notification.text.txt", "{{.}}{{range .Lines}}{{.}}{{end}}{{.Link}}", "outside {{range .Lines}}"},
		"dot in another mail":      {"en/opt-in.text.txt", "{{.}}{{.Link}}", "outside {{range .Lines}}"},
		"layout with lines":        {"layout.html", "{{.Content}}{{range .Lines}}{{.}}{{end}}", "{{.Lines}} does not exist here"},
		"break":                    {"en/notification.text.txt", "{{range .Lines}}{{.}}{{break}}{{end}}{{.Link}}", "not allowed"},
		"link for one choice only": {"en/opt-in.text.txt", `{{if eq .Consent "sms"}}{{.Link}}{{end}}`, "only sometimes"},
		"link in a subject":        {"en/password-reset.subject.txt", "{{.Link}}", "{{.Link}} does not exist here"},
		"number in a subject":      {"en/opt-in.subject.txt", "{{.Number}}", "{{.Number}} does not exist here"},
		"reset without link":       {"de/password-reset.html", "<p>{{.Account}}</p>", "{{.Link}}"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := mail.NewTemplates(&mail.TemplateOptions{Override: fstest.MapFS{tc.file: {Data: []byte(tc.text)}}})
			require.ErrorIs(t, err, mail.ErrTemplate)
			require.ErrorContains(t, err, tc.says)
			stem, _, _ := strings.Cut(tc.file, ".")
			require.ErrorContains(t, err, stem)
		})
	}
}

// A host may have written the mails of verification in its own language before there were others.
func TestAFallbackThatLacksLettersSendsThemInEnglish(t *testing.T) {
	t.Parallel()
	own := fstest.MapFS{}
	for name, shows := range map[string]string{mail.VerificationCode: "Code", mail.VerificationLink: "Link", mail.TechnicianLink: "Link", mail.SecurityNotice: "Time"} {
		own["fr/"+name+".subject.txt"] = &fstest.MapFile{Data: []byte("Bonjour")}
		own["fr/"+name+".text.txt"] = &fstest.MapFile{Data: []byte("{{." + shows + "}}")}
		own["fr/"+name+".html"] = &fstest.MapFile{Data: []byte("<p>{{." + shows + "}}</p>")}
	}
	ts := templates(t, &mail.TemplateOptions{Override: own, Fallback: "fr"})
	subject, _, _, err := ts.Render(mail.VerificationCode, "it", data())
	require.NoError(t, err)
	require.Equal(t, "Bonjour", subject)
	_, _, body, err := ts.Render(mail.OptIn, "it", letter(mail.OptIn))
	require.NoError(t, err)
	require.Contains(t, body, `lang="en"`)
	delete(own, "fr/security-notice.subject.txt")
	delete(own, "fr/security-notice.text.txt")
	delete(own, "fr/security-notice.html")
	_, err = mail.NewTemplates(&mail.TemplateOptions{Override: own, Fallback: "fr"})
	require.ErrorContains(t, err, `"security-notice"`)
}
