// Package mail writes to people: one [Message], one [Mailer] interface that every transport implements, and
// the [Templates] for the mails that the module sends.
//
// The flow: build [Templates] once at start, which checks every file; for each mail call [Templates.Render],
// put the result into a [Message] and give it to a [Mailer] (mail/smtpmail, or one of your own). In tests and
// demos mail/mailtest stands in for the server.
//
// # Security
//
// Nothing that a caller, a technician or a ticket system typed can become a header, a link or markup: headers
// with CR, LF or NUL are refused by [Message.Validate], addresses are parsed strictly, names are cleaned before
// they reach a template, and HTML goes through html/template. The mails load nothing from the network, hold at
// most one link, and never put a code or link into the subject. They say who asks for what, and what to do if
// the recipient did not call. A mail proves access to a mailbox and nothing more.
//
// Codes and links pass as [mspkit.Redacted], and a [Message] or [Address] prints neither text nor address in
// any verb or log.
//
// # Concurrency
//
// [Templates] is immutable and safe for concurrent use, and every [Mailer] must be.
//
// # Errors
//
//	errors.Is            returned by                  meaning
//	mspkit.ErrInvalid    Validate, ParseAddress       the message or address cannot be sent; the text says why
//	ErrTemplate          NewTemplates, Render         a template file is wrong; the text names it and says what to do
//	ErrRejected          Mailer.Send                  refused for good: another try will not help
//	ErrTemporary         Mailer.Send                  not sent, a later try may succeed
//	ErrAmbiguous         Mailer.Send                  may or may not have been sent
//	ErrAuth              Mailer.Send                  the server refused our credentials or our sender
//
// No error text holds an address, a code, a link or what the server answered word for word.
package mail
