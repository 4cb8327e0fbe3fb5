// Package mail writes to people: one [Message], one [Mailer] interface that every transport implements, and
// the [Templates] for the mails that the module sends.
//
// The flow: build [Templates] once at start, which checks every file; for each mail call [Templates.Render],
// put the result into a [Message] and give it to a [Mailer] (mail/smtpmail, or one of your own). In tests and
// demos mail/mailtest stands in for the server.
//
//	subject, text, html, err := templates.Render(mail.OptIn, "de-AT", mail.Data{Tenant: "contoso", Brand: brand, …})
//	receipt, err := router.Send(ctx, &mail.Message{Tenant: "contoso", To: dana, Subject: subject, Text: text, HTML: html, Kind: mail.OptIn})
//
// # Which mail by which mailbox
//
// A [Router] is a [Mailer] that looks at [Message.Kind]:
//
//	kind                                             sent by
//	opt-in, verification-code, verification-link,    the tenant's own mailer, such as its shared mailbox
//	technician-link, security-notice, secure-data,
//	secure-request, secure-code, portal-invitation
//	technician-invitation, password-reset,           the platform's mailer
//	notification
//	those of [RouterOptions.Kinds]                   as they say
//	any other                                        nobody: an error
//
// Where the tenant's mailer cannot send, nothing is sent, unless a [Fallback] policy lets the platform's stand in; the
// receipt and [RouterOptions.OnFallback] then say why. Nothing of which it is not known whether it was sent is sent again
// by another mailer.
//
// # Templates of one's own
//
// Files of the MSP or of a tenant replace single built-in ones, see [TemplateOptions] and [Data]. [Templates.Preview] shows
// any of them with invented data, and [TestSend] sends it, by the way that the real mail takes.
//
// # Security
//
// Nothing that a caller, a technician or a ticket system typed can become a header, a link or markup: headers
// with CR, LF or NUL are refused by [Message.Validate], addresses are parsed strictly, names are cleaned before
// they reach a template, and HTML goes through html/template. The mails load nothing from the network, hold at
// most one link, and never put a code or link into the subject. They say who asks for what, and what to do if
// the recipient did not call. A mail proves access to a mailbox and nothing more.
//
// A preview or test mail never holds a real code or link, whatever it is given. Mail to end users goes by their own tenant's
// mailer or, unless a policy allows otherwise, not at all, and password resets and invitations of technicians never pass
// through a mailbox that a client can read. In a fallback the sender is the platform, which does not write in the tenant's name.
//
// Codes and links pass as [mspkit.Redacted], and a [Message] or [Address] prints neither text nor address in
// any verb or log.
//
// # Concurrency
//
// [Templates] and [Router] are immutable and safe for concurrent use, and every [Mailer] must be.
//
// # Errors
//
//	errors.Is            returned by                  meaning
//	mspkit.ErrInvalid    Validate, ParseAddress,      the message, address or data cannot be used; the text says why
//	                     Render, Router
//	ErrTemplate          NewTemplates, Render         a template file is wrong; the text names it and says what to do
//	ErrRejected          Mailer.Send                  refused for good: another try will not help
//	ErrTemporary         Mailer.Send                  not sent, a later try may succeed
//	ErrAmbiguous         Mailer.Send                  may or may not have been sent
//	ErrAuth              Mailer.Send                  the server refused our credentials or our sender
//	ErrNotSetUp          TenantMailers, Router.Send   nobody is there to send it; the text says whom to set up
//
// No error text holds an address, a code, a link or what the server answered word for word.
package mail
