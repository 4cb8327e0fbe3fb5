package mail_test

import (
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/mail"
	"github.com/mspkit/mspkit/mail/mailtest"
)

func TestEveryTemplateCanBePreviewedWithNothing(t *testing.T) {
	t.Parallel()
	ts := templates(t, nil)
	require.Len(t, ts.Names(), 10)
	for _, name := range ts.Names() {
		for locale, want := range map[string]string{"en": "en", "de-AT": "de", "ar-XB": "ar-XB", "fr": "en", "": "en"} {
			p, err := ts.Preview(name, locale, mail.Data{})
			require.NoError(t, err, name)
			require.Equal(t, want, p.Locale)
			require.NotEmpty(t, p.Subject)
			brand := "Sample IT"
			if want == "de" {
				brand = "Muster-IT"
			}
			require.Contains(t, p.Subject, brand)
			require.Contains(t, p.HTML, brand)
			code, link := strings.Contains(p.Text, "0000 0000"), strings.Contains(p.Text, "\n"+mail.SampleLink+"\n")
			require.Equal(t, name == mail.VerificationCode, code, name)
			require.Equal(t, name != mail.VerificationCode && name != mail.SecurityNotice, link, name)
			require.Equal(t, link, strings.Contains(p.HTML, `href="`+mail.SampleLink+`"`))
			require.Equal(t, code, strings.Contains(visible(p.HTML), "0000 0000"))
		}
		names := ts.Names()
		names[0] = "changed"
		require.NotEqual(t, names, ts.Names(), "a copy")
	}
	_, err := ts.Preview("nope", "en", mail.Data{})
	require.ErrorIs(t, err, mail.ErrTemplate)
	require.ErrorContains(t, err, mail.PortalInvitation, "the error says which there are")
}

func TestSamplesAreCompleteAndCanBeRendered(t *testing.T) {
	t.Parallel()
	ts := templates(t, nil)
	for _, name := range ts.Names() {
		d := ts.Sample(name, "en", mspkit.Brand{Name: "Contoso IT"})
		require.Equal(t, "Contoso IT", d.Brand.Name)
		_, _, _, err := ts.Render(name, "en", d)
		require.NoError(t, err, name)
		d.Lines[0] = "changed"
		require.NotEqual(t, "changed", ts.Sample(name, "en", d.Brand).Lines[0], "a copy")
	}
}

func TestAPreviewShowsWhatIsGivenButNeverARealCodeOrLink(t *testing.T) {
	t.Parallel()
	ts := templates(t, &mail.TemplateOptions{Tenants: map[mspkit.TenantID]fs.FS{
		"acme": fstest.MapFS{"en/verification-code.text.txt": {Data: []byte("Acme for {{.Name}}: {{.Code}}")}},
	}})
	d := letter(mail.VerificationCode)
	d.Tenant, d.Code, d.Change = "acme", mspkit.Redact("987654"), "removed"
	p, err := ts.Preview(mail.VerificationCode, "en", d)
	require.NoError(t, err)
	require.Equal(t, "Acme for Dana: 0000 0000\n", p.Text, "the tenant's own template")
	for _, name := range ts.Names() {
		p, err := ts.Preview(name, "en", d)
		require.NoError(t, err)
		require.NotContains(t, p.Subject+p.Text+p.HTML, "987")
		require.NotContains(t, p.Subject+p.Text+p.HTML, "verify.contoso.example")
		require.Contains(t, p.Text, "Dana")
	}
	p, err = ts.Preview(mail.SecurityNotice, "en", d)
	require.NoError(t, err)
	require.Contains(t, p.Text, "was removed")
	require.Contains(t, p.Text, "2026-11-22 08:30 UTC")
	d.Change = "unknown"
	_, err = ts.Preview(mail.SecurityNotice, "en", d)
	require.ErrorIs(t, err, mspkit.ErrInvalid, "what is given is checked")
	d.Brand.Color = "red"
	_, err = ts.Preview(mail.OptIn, "en", d)
	require.ErrorIs(t, err, mspkit.ErrInvalid)
}

func TestATestMailIsMarkedAndTakesTheWayOfItsKind(t *testing.T) {
	t.Parallel()
	ts := templates(t, nil)
	var m mailtest.Mailer
	for i, name := range ts.Names() {
		_, err := mail.TestSend(t.Context(), &m, ts, mail.TestMail{
			Tenant: "acme", Name: name, Locale: "de", Brand: mspkit.Brand{Name: "Contoso IT"}, To: mail.Address{Email: "admin@contoso.example"},
			From: mail.Address{Email: "desk@contoso.example"},
		})
		require.NoError(t, err)
		got := m.Messages()[i]
		require.True(t, strings.HasPrefix(got.Subject, "[Test] Contoso IT: "), got.Subject)
		require.Equal(t, name, got.Kind)
		require.Equal(t, mspkit.TenantID("acme"), got.Tenant)
		require.Equal(t, "admin@contoso.example", got.To.Email)
		require.Equal(t, "desk@contoso.example", got.From.Email)
		require.Empty(t, got.Key, "two tests are two mails")
		require.Contains(t, got.HTML, `lang="de"`)
	}
	ok := mail.TestMail{Tenant: "acme", Name: mail.OptIn, To: mail.Address{Email: "admin@contoso.example"}}
	for name, tc := range map[string]struct {
		mailer    mail.Mailer
		templates *mail.Templates
		change    func(*mail.TestMail)
		is        error
	}{
		"no mailer":        {nil, ts, func(*mail.TestMail) {}, mspkit.ErrInvalid},
		"no templates":     {&m, nil, func(*mail.TestMail) {}, mspkit.ErrInvalid},
		"no recipient":     {&m, ts, func(t *mail.TestMail) { t.To = mail.Address{} }, mspkit.ErrInvalid},
		"no tenant":        {&m, ts, func(t *mail.TestMail) { t.Tenant = "" }, mspkit.ErrInvalid},
		"unknown template": {&m, ts, func(t *mail.TestMail) { t.Name = "nope" }, mail.ErrTemplate},
	} {
		m.Reset()
		test := ok
		tc.change(&test)
		_, err := mail.TestSend(t.Context(), tc.mailer, tc.templates, test)
		require.ErrorIs(t, err, tc.is, name)
		require.Empty(t, m.Messages(), name)
	}
	m.Fail(mail.ErrAuth, 1)
	_, err := mail.TestSend(t.Context(), &m, ts, ok)
	require.ErrorIs(t, err, mail.ErrAuth, "what the mailer says is what the administrator wants to know")
}

func TestSampleTimesAreOld(t *testing.T) {
	t.Parallel()
	d := templates(t, nil).Sample(mail.SecurityNotice, "en", mspkit.Brand{})
	require.True(t, d.At.Before(time.Date(2001, 1, 1, 0, 0, 0, 0, time.UTC)), "nobody takes it for today's")
}
