package mailchannel

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/mail"
	"github.com/mspkit/mspkit/verify"
)

// Options are the parts of a [Channel] beyond the required ones. The zero value sends in the mailer's own name.
type Options struct {
	// From is the sender; zero means the mailer's own.
	From mail.Address
	// ReplyTo is where answers go. Optional.
	ReplyTo mail.Address
}

func (o Options) validate() error {
	var errs []error
	if !o.From.IsZero() {
		if err := o.From.Validate(); err != nil {
			errs = append(errs, fmt.Errorf("Options.From: %w", err))
		}
	}
	if !o.ReplyTo.IsZero() {
		if err := o.ReplyTo.Validate(); err != nil {
			errs = append(errs, fmt.Errorf("Options.ReplyTo: %w", err))
		}
	}
	return errors.Join(errs...)
}

// Channel is a [verify.Channel] for e-mail.
type Channel struct {
	mailer    mail.Mailer
	templates *mail.Templates
	o         Options
}

var (
	_ verify.Channel       = (*Channel)(nil)
	_ verify.Assured       = (*Channel)(nil)
	_ verify.Canonicalizer = (*Channel)(nil)
	_ verify.Noticer       = (*Channel)(nil)
)

// New returns a channel that writes with templates and sends with m. Both are required. All faults are reported
// together, as [mspkit.ErrInvalid].
func New(m mail.Mailer, templates *mail.Templates, o *Options) (*Channel, error) {
	c := &Channel{mailer: m, templates: templates}
	if o != nil {
		c.o = *o
	}
	errs := []error{c.o.validate()}
	if m == nil {
		errs = append(errs, fmt.Errorf("a mailer is required: %w", mspkit.ErrInvalid))
	}
	if templates == nil {
		errs = append(errs, fmt.Errorf("templates are required, mail.NewTemplates(nil) has built-in ones: %w", mspkit.ErrInvalid))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("mailchannel: new: %w", err)
	}
	return c, nil
}

// Assurance returns [verify.AssuranceEmail].
func (c *Channel) Assurance() verify.Assurance { return verify.AssuranceEmail }

// Canonical returns address in lower case if it is one bare mailbox, such as dana@contoso.example. The local part
// is lowered too: servers that tell Dana@ from dana@ are extinct, and two spellings must share a limit. Anything
// outside ASCII is refused, because it may look like another address; an internationalised domain is written in
// punycode (xn--…). The error is [mspkit.ErrInvalid] and does not repeat the address.
func (c *Channel) Canonical(address string) (string, error) {
	for _, r := range address {
		if r > 127 {
			return "", fmt.Errorf("has a character outside ASCII, an internationalised domain is written in punycode (xn--): %w", mspkit.ErrInvalid)
		}
	}
	a := mail.Address{Email: strings.ToLower(address)}
	if err := a.Validate(); err != nil {
		return "", fmt.Errorf("must be one bare address such as name@domain: %w", err)
	}
	return a.Email, nil
}

// Deliver writes the mail for d and sends it. It returns when the next server has taken it over. Every error is a
// [*verify.DeliveryError].
func (c *Channel) Deliver(ctx context.Context, d verify.Delivery) (verify.Receipt, error) {
	m, err := c.message(d)
	if err != nil {
		return verify.Receipt{}, failure(err)
	}
	r, err := c.mailer.Send(ctx, m)
	if err != nil {
		return verify.Receipt{}, failure(err)
	}
	return verify.Receipt{ID: r.ID}, nil
}

func (c *Channel) message(d verify.Delivery) (*mail.Message, error) {
	to, err := c.Canonical(d.To)
	if err != nil {
		return nil, err
	}
	kind, err := template(d)
	if err != nil {
		return nil, err
	}
	subject, text, html, err := c.templates.Render(kind, d.Locale, mail.Data{
		Tenant: d.Ref.Tenant, Brand: d.Brand, Name: d.Name, Company: d.Company, Technician: d.Technician,
		Ticket: d.Ticket.ID, Action: d.Purpose, Link: d.Link, Code: d.Code, Expires: d.TTL,
	})
	if err != nil {
		return nil, err
	}
	return &mail.Message{
		Tenant: d.Ref.Tenant, From: c.o.From, ReplyTo: c.o.ReplyTo, To: mail.Address{Email: to},
		Subject: subject, Text: text, HTML: html, Key: messageKey(d.Key), Kind: kind,
	}, nil
}

// Notice writes the mail that tells of a change and sends it. A link is refused: what is behind it is for somebody who was
// verified by more than a mailbox. Every error is a [*verify.DeliveryError].
func (c *Channel) Notice(ctx context.Context, n verify.Notice) error {
	if n.Kind == verify.NoticeLink {
		return &verify.DeliveryError{Reason: "a link of this kind does not go by mail", Permanent: true}
	}
	to, err := c.Canonical(n.To)
	if err != nil {
		return failure(err)
	}
	subject, text, html, err := c.templates.Render(mail.SecurityNotice, n.Locale, mail.Data{
		Tenant: n.Tenant, Brand: n.Brand, Name: n.Name, Company: n.Company, Technician: n.Technician, Ticket: n.Ticket.ID,
		Change: string(n.Kind), At: n.At, Left: n.Left,
	})
	if err != nil {
		return failure(err)
	}
	_, err = c.mailer.Send(ctx, &mail.Message{
		Tenant: n.Tenant, From: c.o.From, ReplyTo: c.o.ReplyTo, To: mail.Address{Email: to},
		Subject: subject, Text: text, HTML: html, Key: messageKey(n.Key), Kind: mail.SecurityNotice,
	})
	if err != nil {
		return failure(err)
	}
	return nil
}

func template(d verify.Delivery) (string, error) {
	switch {
	case d.Kind == verify.KindTechnician && d.Method == verify.MethodWord:
		return mail.TechnicianLink, nil
	case d.Kind == verify.KindCaller && d.Method == verify.MethodNumber:
		return mail.VerificationLink, nil
	case d.Kind == verify.KindCaller && d.Method == verify.MethodCode:
		return mail.VerificationCode, nil
	}
	return "", fmt.Errorf("mailchannel: no mail is known for kind %q and method %q: %w", d.Kind, d.Method, mspkit.ErrInvalid)
}

// messageKey keeps the delivery key, which [verify.Responder.Delivered] takes, out of the Message-ID, and stays the
// same for a retry.
func messageKey(key string) string {
	if key == "" {
		return ""
	}
	sum := sha256.Sum256([]byte("mspkit/mailchannel/v1\x00" + key))
	return hex.EncodeToString(sum[:16])
}

// failures maps what mailers return to what may be stored and shown. The first match counts.
var failures = []struct {
	is        error
	reason    string
	permanent bool
}{
	{mail.ErrRejected, "the mail server refused the recipient or the message", true},
	{mail.ErrAuth, "the mail server refused our credentials or sender, an administrator must look at it", true},
	{mail.ErrNotSetUp, "no mailer is set up for this client, an administrator must do that", true},
	{mail.ErrTemplate, "the mail template cannot be used, an administrator must look at it", true},
	{mail.ErrAmbiguous, "it is not known whether the mail was sent", false},
	{mail.ErrTemporary, "the mail server could not take the mail now", false},
	{mspkit.ErrInvalid, "the mail cannot be written for this address or text", true},
	{context.DeadlineExceeded, "the mail server did not answer in time", false},
	{context.Canceled, "sending was cancelled", false},
}

func failure(err error) error {
	for _, f := range failures {
		if errors.Is(err, f.is) {
			return &verify.DeliveryError{Reason: f.reason, Permanent: f.permanent, Err: err}
		}
	}
	return &verify.DeliveryError{Reason: "the mail could not be sent", Err: err}
}
