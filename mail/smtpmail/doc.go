// Package smtpmail sends [mail.Message] over SMTP, by the library go-mail.
//
// The flow: [New] with the server's host and port and our sender, then [Mailer.Send] for each message. Each
// send opens a connection, secures it, signs in, hands the message over and closes.
//
// # Security
//
// STARTTLS is required (RFC 3207): where a server, or somebody between, does not offer it or shows a
// certificate that cannot be trusted, nothing is sent, not even the sign-in. TLS is 1.2 or newer. The password
// is [mspkit.Redacted] and goes out over TLS only. Nothing in a [mail.Message] can begin a header or an SMTP
// command. [Options.InsecureAllowPlaintext] is for emulators on loopback and refused elsewhere.
//
// # Concurrency
//
// [Mailer] is immutable and safe for concurrent use; it starts no goroutine that outlives a send.
//
// # Errors
//
//	errors.Is            meaning
//	mspkit.ErrInvalid    an option or the message is not usable; nothing was tried
//	mail.ErrRejected     the server refused recipient or message for good (5yz)
//	mail.ErrTemporary    not sent: no connection, it broke before the message was complete, or the server said 4yz
//	mail.ErrAmbiguous    the connection was lost after the message was complete: it may or may not arrive
//	mail.ErrAuth         the server refused the sign-in, the sender, or this machine
//	ErrTLSRequired       no TLS that can be trusted; nothing was sent
//	context errors       the caller gave up; matched besides one of the above
//
// [Error] holds the step and the server's code. No text repeats an address or the words of the server.
package smtpmail
