package browser_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/mail"
	"github.com/mspkit/mspkit/mail/mailtest"
	"github.com/mspkit/mspkit/securesend"
	"github.com/mspkit/mspkit/securesend/sendvia"
)

// inspectMail is inspect for mails, which need their style in the page and have neither headings nor landmarks.
var inspectMail = strings.NewReplacer(
	`document.querySelectorAll("h1").length !== 1`, `document.querySelectorAll("img, form, input, iframe, link, [src]").length`,
	`"not one h1"`, `"it loads or asks for something"`,
	`document.querySelectorAll("main").length !== 1`, `document.querySelectorAll("a").length > 1`,
	`"not one main"`, `"more than one link"`,
	`"script, [style], style"`, `"script"`,
	`a.button, .footer a`, `a`,
).Replace(inspect)

// mailLooks are a phone, the narrowest screen that counts, and a reading pane.
var mailLooks = []look{{390, "light", nil}, {390, "dark", nil}, {320, "light", nil}, {320, "dark", nil}, {700, "light", nil}, {700, "dark", nil}}

// mailBrands are what makes colours hard: none, nearly white, nearly black, and neither.
var mailBrands = []mspkit.Brand{
	{Name: "Contoso IT"},
	{Name: "Contoso IT", Color: "#ffe98a", Phone: "+49 30 1234567", Site: "https://it.contoso.example"},
	{Name: "Contoso IT-Dienstleistungen und Telekommunikationsgesellschaft mbH", Color: "#0b0f14", Phone: "+49 30 1234567", Site: "https://helpdesk.it-dienstleistungen.contoso.example"},
	{Name: "Contoso IT", Color: "#7f7f7f", Phone: "+49 30 1234567"},
}

type shownMail struct{ name, locale, html string }

// allMails renders every mail in every language, with each of its choices, and with much and with little.
func allMails(t *testing.T, shots bool) []shownMail {
	t.Helper()
	brands := map[string][]int{"en": {0, 1, 3}, "de": {2}, "ar-XB": {1}} // enough to see colours, long words and the other direction
	templates, err := mail.NewTemplates(nil)
	require.NoError(t, err)
	var out []shownMail
	for _, name := range templates.Names() {
		choices := []mail.Data{{}}
		switch name {
		case mail.SecurityNotice:
			choices = nil
			for _, c := range mail.Changes() {
				choices = append(choices, mail.Data{Change: c})
			}
		case mail.OptIn:
			choices = nil
			for _, c := range mail.Consents() {
				choices = append(choices, mail.Data{Consent: c})
			}
		case mail.PasswordReset:
			choices = []mail.Data{{Account: "portal"}, {Account: "technician"}}
		}
		for _, locale := range []string{"en", "de", "ar-XB"} {
			for i, d := range choices {
				for j, brand := range mailBrands {
					if i > 0 && (j > 0 || locale == "ar-XB" && !shots) || i == 0 && !shots && !slices.Contains(brands[locale], j) {
						continue // choices change words, brands change colours and lengths
					}
					d.Brand = brand
					if j == 2 { // words that are longer than a phone is wide
						d.Name, d.Company = "Maximiliane Wolkenstein-Trostburg", "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft"
						d.Ticket, d.Heading = strings.Repeat("0123456789", 5), "Rechtsschutzversicherungsgesellschaftenmitarbeiterverzeichnis fehlt"
						d.Lines = []string{strings.Repeat("x", 120), "Kurz."}
						d.Action, d.Role = d.Company, d.Company
						d.Expires = 26 * time.Hour
					}
					p, err := templates.Preview(name, locale, d)
					require.NoError(t, err)
					out = append(out, shownMail{fmt.Sprintf("%s-%d-%d", name, i, j), locale, p.HTML})
				}
			}
		}
	}
	for i, locale := range []string{"en", "de"} {
		var box mailtest.Mailer
		sender, err := sendvia.Mail(&box, nil)
		require.NoError(t, err)
		for j, code := range []string{"", "123456"} {
			link := "https://help.example/send/s/token"
			m := securesend.Message{
				Ref: securesend.Ref{Tenant: "contoso", ID: "abc"}, Key: "k", To: "dana@client.example", Brand: mailBrands[1+i], Locale: locale, Subject: "A secure message",
				Text: mspkit.Redact("Contoso IT: Jane asks you for something: " + link + " (once)"), Link: mspkit.Redact(link), Request: true,
			}
			if code != "" {
				m.Link, m.Code, m.Text = mspkit.Redact(""), mspkit.Redact(code), mspkit.Redact("Your code is "+code)
			}
			require.NoError(t, sender.Send(context.Background(), m))
			out = append(out, shownMail{fmt.Sprintf("sendvia-%d", j), locale, box.Messages()[j].HTML})
		}
	}
	return out
}

// Every mail can be read on a phone and in a reading pane, in the light and in the dark, whatever the brand, and loads nothing.
func TestEveryMailIsReadableInEveryLook(t *testing.T) {
	t.Parallel()
	shots := os.Getenv("MSPKIT_SHOTS")
	mails := allMails(t, shots != "")
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for _, m := range mails {
			if r.URL.Path == "/"+m.name+"/"+m.locale {
				w.Header().Set("Content-Type", "text/html; charset=utf-8")
				_, _ = w.Write([]byte(m.html))
				return
			}
		}
		w.WriteHeader(http.StatusNoContent) // the icon of the tab
	}))
	t.Cleanup(srv.Close)
	for _, locale := range []string{"en", "de", "ar-XB"} {
		t.Run(locale, func(t *testing.T) {
			t.Parallel()
			b := newTab(t)
			for i, m := range mails {
				if m.locale != locale || !sampled(i, locale) {
					continue
				}
				b.open(srv.URL + "/" + m.name + "/" + m.locale)
				require.Equal(t, m.locale, eval[string](b, "document.documentElement.lang"), m.name)
				for j, l := range mailLooks {
					if shots == "" && j != i%3*2 && j != i%3*2+1 {
						continue // every mail in light and dark, one width of three
					}
					b.look(l)
					require.Empty(t, eval[[]string](b, inspectMail), "%s %s %d %s", m.name, m.locale, l.width, l.scheme)
					if shots != "" && l.width != 320 {
						b.shoot(filepath.Join(shots, fmt.Sprintf("mail.%s.%s.%d.%s.png", m.name, m.locale, l.width, l.scheme)))
					}
				}
			}
			b.leave()
			b.quiet()
		})
	}
}
