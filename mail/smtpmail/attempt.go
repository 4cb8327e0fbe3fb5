package smtpmail

import (
	"bytes"
	"context"
	"crypto/tls"
	netmail "net/mail"
	"slices"
	"strings"

	gomail "github.com/wneessen/go-mail"
	"github.com/wneessen/go-mail/smtp"

	"github.com/mspkit/mspkit/mail"
)

// attempt is one connection. The steps before MAIL are taken here one by one and not by go-mail's Dial, whose
// errors do not tell a missing STARTTLS from a refused sign-in; go-mail speaks the protocol in each.
func (m *Mailer) attempt(ctx context.Context, msg *mail.Message, id string) *Error {
	raw, err := m.o.Dial(ctx, "tcp", m.addr)
	if err != nil {
		return byCode("connect", 0, "", nil)
	}
	conn := raw
	defer func() { _ = raw.Close() }()
	// go-mail sets and extends deadlines of its own; closing the connection ends every wait when ctx does.
	defer context.AfterFunc(ctx, func() { _ = raw.Close() })()
	if m.o.ImplicitTLS {
		c := tls.Client(conn, m.tls)
		if err := c.HandshakeContext(ctx); err != nil {
			return tlsError(err)
		}
		conn = c
	}
	client, err := smtp.NewClient(conn, m.host)
	if err != nil {
		return byCode("greeting", replyCode(err), "", mail.ErrAuth)
	}
	if err := client.Hello(m.o.LocalName); err != nil {
		return byCode("greeting", replyCode(err), "", mail.ErrAuth)
	}
	if failed := m.secure(client); failed != nil {
		return failed
	}
	if failed := m.signIn(client); failed != nil {
		return failed
	}
	return m.handOver(client, msg, id)
}

func (m *Mailer) secure(client *smtp.Client) *Error {
	if m.o.ImplicitTLS {
		return nil
	}
	if offered, _ := client.Extension("STARTTLS"); !offered {
		if m.o.InsecureAllowPlaintext {
			return nil
		}
		return &Error{Step: "starttls", kinds: []error{ErrTLSRequired}}
	}
	if err := client.StartTLS(m.tls); err != nil {
		return tlsError(err)
	}
	if state, err := client.GetTLSConnectionState(); err != nil || !state.HandshakeComplete {
		return &Error{Step: "tls", kinds: []error{ErrTLSRequired}}
	}
	return nil
}

func (m *Mailer) signIn(client *smtp.Client) *Error {
	if m.o.User == "" {
		return nil
	}
	_, offered := client.Extension("AUTH")
	mechs := strings.Fields(strings.ToUpper(offered))
	var a smtp.Auth
	switch {
	case slices.Contains(mechs, "PLAIN"):
		a = smtp.PlainAuth("", m.o.User, m.o.Password.Reveal(), m.host, false)
	case slices.Contains(mechs, "LOGIN"):
		a = smtp.LoginAuth(m.o.User, m.o.Password.Reveal(), m.host, false)
	default:
		return &Error{Step: "auth", kinds: []error{mail.ErrAuth}}
	}
	if err := client.Auth(a); err != nil {
		return authError(err)
	}
	return nil
}

func (m *Mailer) handOver(client *smtp.Client, msg *mail.Message, id string) *Error {
	from := m.sender(msg)
	// A server that takes SMTPUTF8 must bounce where the next one does not: ask for it only where it is needed.
	foreign := !ascii(from.Email) || !ascii(msg.To.Email)
	client.SkipSMTPUTF8(!foreign)
	if offered, _ := client.Extension("SMTPUTF8"); foreign && !offered {
		return &Error{Step: "recipient", kinds: []error{mail.ErrRejected}}
	}
	// This client only speaks the transaction on the connection that we made: no NOOP before, no RSET after,
	// whose failure would make a delivered message look like a failed one.
	gm, err := gomail.NewClient(m.host, gomail.WithTimeout(m.o.Timeout), gomail.WithoutNoop(), gomail.WithoutRset())
	if err != nil {
		return &Error{Step: "content", kinds: []error{mail.ErrRejected}}
	}
	if err := gm.SendWithSMTPClient(client, m.build(from, msg, id)); err != nil {
		return sendError(err)
	}
	_ = client.Quit() // taken over already; how the farewell goes does not matter
	return nil
}

func (m *Mailer) build(from mail.Address, msg *mail.Message, id string) *gomail.Msg {
	g := gomail.NewMsg(gomail.WithNoDefaultUserAgent())
	g.FromMailAddress(&netmail.Address{Name: from.Name, Address: from.Email})
	g.ToMailAddress(&netmail.Address{Name: msg.To.Name, Address: msg.To.Email})
	if !msg.ReplyTo.IsZero() {
		g.ReplyToMailAddress(&netmail.Address{Name: msg.ReplyTo.Name, Address: msg.ReplyTo.Email})
	}
	g.Subject(msg.Subject)
	g.SetMessageIDWithValue(id)
	g.SetDateWithValue(m.o.Now())
	// RFC 3834 and Exchange: no out-of-office reply to a machine.
	g.SetGenHeader("Auto-Submitted", "auto-generated")
	g.SetGenHeader(gomail.HeaderXAutoResponseSuppress, "All")
	// Quoted-printable also makes every lone CR or LF a CRLF: a bare one is what mail smuggling is made of.
	g.SetBodyString(gomail.TypeTextPlain, msg.Text)
	if msg.HTML != "" {
		g.AddAlternativeString(gomail.TypeTextHTML, msg.HTML)
	}
	for _, f := range msg.Files {
		opts := []gomail.FileOption{gomail.WithFileContentType(gomail.ContentType(f.Type))}
		if f.ContentID != "" {
			g.EmbedReadSeeker(f.Name, bytes.NewReader(f.Data), append(opts, gomail.WithFileContentID(f.ContentID))...)
			continue
		}
		g.AttachReadSeeker(f.Name, bytes.NewReader(f.Data), opts...)
	}
	return g
}

func ascii(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}
