package sendvia

import (
	"bytes"
	"context"
	_ "embed"
	"html/template"
	"strings"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/mail"
	"github.com/mspkit/mspkit/securesend"
)

//go:embed mail.html
var mailHTML string

var mailTemplate = template.Must(template.New("mail").Parse(mailHTML))

// MailOptions are the optional parts of [Mail].
type MailOptions struct {
	// From is the sender; zero means the mailer's own.
	From mail.Address
	// ReplyTo is where answers go. Optional.
	ReplyTo mail.Address
	// Templates write the mails that bring a link to content, as [mail.SecureData], instead of the words of
	// securesend.Settings: HTML and text are then the tenant's own files where there are some. Requests and codes keep the
	// words of the settings. Optional.
	Templates *mail.Templates
}

// Mails is a [securesend.Sender] of e-mail.
type Mails struct {
	mailer mail.Mailer
	o      MailOptions
}

var _ securesend.Sender = (*Mails)(nil)

// Mail returns a sender by m, which is required.
func Mail(m mail.Mailer, o *MailOptions) (*Mails, error) {
	if m == nil {
		return nil, missing("a mailer")
	}
	out := &Mails{mailer: m}
	if o != nil {
		out.o = *o
	}
	for _, a := range []mail.Address{out.o.From, out.o.ReplyTo} {
		if a.IsZero() {
			continue
		}
		if err := a.Validate(); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// Send implements [securesend.Sender]. The HTML says what the text says, with the link as a button.
func (s *Mails) Send(ctx context.Context, m securesend.Message) error {
	kind := mail.SecureData
	switch {
	case m.Code.Reveal() != "":
		kind = mail.KindSecureCode
	case m.Request:
		kind = mail.KindSecureRequest
	}
	subject, text, html, err := s.write(m, kind)
	if err != nil {
		return fail(err)
	}
	msg := &mail.Message{
		Tenant: m.Ref.Tenant, From: s.o.From, ReplyTo: s.o.ReplyTo, To: mail.Address{Email: m.To},
		Subject: subject, Text: text, HTML: html, Key: m.Key, Kind: kind,
	}
	if err := msg.Validate(); err != nil {
		return fail(mspkit.ErrInvalid) // which may repeat what is in it
	}
	_, err = s.mailer.Send(ctx, msg)
	return fail(err)
}

// write returns the mail for m.
func (s *Mails) write(m securesend.Message, kind string) (subject, text, body string, err error) {
	text, link := m.Text.Reveal(), m.Link.Reveal()
	if s.o.Templates != nil && kind == mail.SecureData && link != "" {
		return s.o.Templates.Render(kind, m.Locale, mail.Data{Tenant: m.Ref.Tenant, Brand: m.Brand, Technician: m.Technician, Link: m.Link})
	}
	lead, after := text, ""
	if link != "" {
		lead, after, _ = strings.Cut(text, link)
	}
	color := m.Brand.Color
	if color == "" {
		color = "#1f5fbf"
	}
	var html bytes.Buffer
	err = mailTemplate.Execute(&html, map[string]any{
		"Locale": m.Locale, "Subject": m.Subject, "Brand": m.Brand, "Color": color, "Lead": strings.TrimRight(strings.TrimSpace(lead), ":"),
		"After": strings.TrimSpace(after), "Link": link, "Open": button(m.Locale, m.Request),
	})
	return m.Subject, text, html.String(), err
}

// button is what the button says.
func button(locale string, request bool) string {
	german := locale == "de" || strings.HasPrefix(strings.ToLower(locale), "de-")
	switch {
	case german && request:
		return "Sicher antworten"
	case german:
		return "Sicher öffnen"
	case request:
		return "Answer securely"
	}
	return "Open securely"
}
