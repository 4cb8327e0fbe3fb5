// Package mailtest stands in for mail in tests and demos: [Mailer] records what it is given and fails on
// request, [Server] is an SMTP server on loopback that speaks the wire protocol, keeps what it receives, and
// misbehaves on request.
//
// The flow: [Start] a server, point a mailer at its Host and Port and trust its CertPool, send, read
// [Server.Messages] or [Server.Subscribe]. It uses the standard library only and does not import testing, so
// that an example program can run it.
//
// # Security
//
// The server listens on loopback only, delivers nothing, and makes a certificate of its own at each start. It
// keeps mails, codes and links included, in memory: it is for tests and demos, never for real mail.
//
// # Concurrency
//
// [Mailer] and [Server] are safe for concurrent use. [Start] begins goroutines that [Server.Close] ends and
// waits for.
//
// # Errors
//
//	errors.Is            returned by    meaning
//	mspkit.ErrInvalid    Start, Send    an option or the message is not usable
package mailtest
