// Package sendvia joins securesend to what sends messages: [Mail] to a mail.Mailer, [Text] to whatever sends text messages,
// such as verify/smschannel/twilio, and [Teams] to the MSP's bot.
//
//	text, err := sendvia.Text(client, &sendvia.TextOptions{Canonical: sms.Canonical}) // of a smschannel.Channel
//	mail, err := sendvia.Mail(mailer, &sendvia.MailOptions{Templates: templates}) // or nil, for the words of the settings
//	teams, err := sendvia.Teams(bot)
//	svc, err := securesend.New(store, ring, base, settings, &securesend.Options{
//		Senders: map[string]securesend.Sender{"sms": text, "email": mail, "teams": teams},
//	})
//
// # Security
//
// The link is in the text of the message and in one button, never in a subject or the summary of a card, which are shown on
// locked screens. Brands and names are shown as text, never as markup. A person in Teams must belong to the tenant of the send.
//
// # Concurrency
//
// Senders are immutable and safe for concurrent use where what they send with is.
//
// # Errors
//
// New senders report what is missing as [mspkit.ErrInvalid]. The text of an error of Send says why in words that can be shown
// and logged: no address, link or code. errors.Is finds what went wrong underneath.
package sendvia
