package mail

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/mspkit/mspkit"
)

// What a sample shows in place of a code or link. Nobody can take them for real ones, and they lead nowhere: example.com
// is reserved (RFC 2606).
const (
	SampleCode = "00000000"
	SampleLink = "https://example.com/this-is-only-a-sample"
)

// TestMark begins the subject of every test mail.
const TestMark = "[Test] "

// Preview is a mail as a person would get it, but for code and link.
type Preview struct {
	// Locale is the one that was found, which may be less than the one asked for: "de" for "de-AT", "en" where there is none.
	Locale string
	// Subject, Text and HTML are the mail.
	Subject, Text, HTML string
}

// Sample returns obviously invented data for the mail name in German, or else in English, with everything filled in that
// the mail can show. A brand without a name gets a sample too. Set Tenant in the result to see a tenant's own templates.
func (t *Templates) Sample(name, locale string, brand mspkit.Brand) Data {
	w := sampleWords["en"]
	for _, l := range localeChain(locale) {
		if own, ok := sampleWords[l]; ok {
			w = own
			break
		}
	}
	if strings.TrimSpace(brand.Name) == "" {
		brand.Name = w.brand
	}
	d := Data{
		Brand: brand, Name: w.name, Company: w.company, Technician: w.technician, Ticket: "0000", Action: w.action,
		Expires: 15 * time.Minute, At: time.Date(2000, 1, 1, 12, 0, 0, 0, time.UTC), Number: "+1 555 0100", Role: w.role,
		Heading: w.heading, Lines: slices.Clone(w.lines),
	}
	if name == OptIn || name == PortalInvitation || name == TechnicianInvitation {
		d.Expires = 7 * 24 * time.Hour
	}
	if name == SecurityNotice {
		d.Left = 7
	}
	s := specs[name]
	switch s.shows {
	case "Code":
		d.Code = mspkit.Redact(SampleCode)
	case "Link", "Lines":
		d.Link = mspkit.Redact(SampleLink)
	}
	if s.choice != nil {
		*s.choice.in(&d) = s.choice.all()[0]
	}
	return d
}

type words struct {
	brand, name, company, technician, action, role, heading string
	lines                                                   []string
}

var sampleWords = map[string]words{
	"en": {
		"Sample IT", "Sam Sample", "Sample Company", "Tess Technician", "a sample, nothing is done", "Technician", "This is a sample",
		[]string{"A notification has a heading and some lines.", "Nothing happened, and there is nothing to do."},
	},
	"de": {
		"Muster-IT", "Kim Muster", "Muster GmbH", "Toni Technik", "ein Muster, nichts geschieht", "Technik", "Das ist ein Muster",
		[]string{"Eine Benachrichtigung hat eine Überschrift und einige Zeilen.", "Es ist nichts geschehen und nichts zu tun."},
	},
}

// Preview renders the mail name with d, of which nothing is required: what is empty is filled from [Templates.Sample]. Code
// and link always are, so that no preview shows a real one. It is for an administrator's page; put HTML into a sandboxed
// iframe. To see templates before they are used, build a set with them by [NewTemplates].
func (t *Templates) Preview(name, locale string, d Data) (Preview, error) {
	if !slices.Contains(names, name) {
		return Preview{}, unknownTemplate(name)
	}
	s := t.Sample(name, locale, d.Brand)
	d.Brand, d.Code, d.Link = s.Brand, s.Code, s.Link
	for _, f := range []struct{ have, sample *string }{
		{&d.Name, &s.Name},
		{&d.Company, &s.Company},
		{&d.Technician, &s.Technician},
		{&d.Ticket, &s.Ticket},
		{&d.Action, &s.Action},
		{&d.Change, &s.Change},
		{&d.Consent, &s.Consent},
		{&d.Number, &s.Number},
		{&d.Account, &s.Account},
		{&d.Role, &s.Role},
		{&d.Heading, &s.Heading},
	} {
		*f.have = cmp.Or(*f.have, *f.sample)
	}
	d.Expires, d.Left = cmp.Or(d.Expires, s.Expires), cmp.Or(d.Left, s.Left)
	if d.At.IsZero() {
		d.At = s.At
	}
	if len(d.Lines) == 0 {
		d.Lines = s.Lines
	}
	p, _ := t.find(d.Tenant, name, locale)
	out := Preview{Locale: p.locale}
	var err error
	out.Subject, out.Text, out.HTML, err = t.Render(name, locale, d)
	return out, err
}

// TestMail is one mail to see for oneself how it arrives.
type TestMail struct {
	// Tenant is whose templates are used and on whose behalf the mail is sent. Required.
	Tenant mspkit.TenantID
	// Name is the template. Required.
	Name string
	// Locale and Brand are as for [Templates.Sample].
	Locale string
	Brand  mspkit.Brand
	// To is who gets it. Required: the host makes sure that it is somebody who may be bothered, such as the administrator who
	// asks.
	To Address
	// From and ReplyTo are as in [Message].
	From, ReplyTo Address
}

// TestSend sends the sample of one template by m, with a subject that begins with [TestMark]. It never holds a real code or
// link. The kind of the message is the template's name, so that a [Router] sends it by the way that the real mail takes. The
// errors are those of [Templates.Render] and [Mailer].
func TestSend(ctx context.Context, m Mailer, t *Templates, test TestMail) (Receipt, error) {
	if m == nil || t == nil {
		return Receipt{}, fmt.Errorf("mail: a test needs a mailer and templates: %w", mspkit.ErrInvalid)
	}
	p, err := t.Preview(test.Name, test.Locale, Data{Tenant: test.Tenant, Brand: test.Brand})
	if err != nil {
		return Receipt{}, err
	}
	msg := &Message{
		Tenant: test.Tenant, From: test.From, ReplyTo: test.ReplyTo, To: test.To,
		Subject: TestMark + p.Subject, Text: p.Text, HTML: p.HTML, Kind: test.Name,
	}
	if err := msg.Validate(); err != nil {
		return Receipt{}, err
	}
	return m.Send(ctx, msg)
}
