// Package twilio sends text messages through Twilio Programmable Messaging and receives their delivery status.
//
//	client, err := twilio.New(accountSID, twilio.APIKey(keySID, secret), twilio.Sender{MessagingServiceSID: "MG…"},
//		&twilio.Options{StatusCallback: "https://msp.example/hooks/twilio"})
//	id, err := client.SendText(ctx, "+15551234567", "Your code is …", "key-of-this-send")
//
// [NewStatusHandler] is the other direction: an http.Handler to be mounted where StatusCallback points. The key of the
// send comes back as [Status.Key]; with smschannel it names the challenge:
//
//	report := smschannel.Status(svc)
//	h, err := twilio.NewStatusHandler(accountSID, callbackURL, tokens, func(ctx context.Context, s twilio.Status) error {
//		return report(ctx, s.Key, string(s.State), s.Reason())
//	}, nil)
//
// # Ambiguous sends
//
// Twilio has no idempotency key. Where a send ends without a clear answer (timeout, connection lost, 5xx), the
// client looks for the message by recipient, time and text before it does anything else: found, it returns that
// message's id; not there, it sends once more; not knowable, it returns [ErrAmbiguous]. A second SendText with the
// same key within the hour continues from there and never sends what the first has sent; the memory for that is
// this process's, and holds the last 4096 keys.
//
// # Finding out about a number
//
// [Client.Lookup] asks the Lookup API for the kind of line and the last change of the SIM card; smschannel asks it before a
// message is sent:
//
//	Checks: smschannel.Checks{Ask: func(ctx context.Context, number string) (smschannel.Facts, error) {
//		f, err := client.Lookup(ctx, number, twilio.LineType, twilio.SIMSwap)
//		return smschannel.Facts(f), err
//	}},
//
// # Security
//
// Errors and logs hold codes and sentinels of this package, never a number, a text or a credential. Codes live
// short: ValidityPeriod is 10 minutes unless it is set, so that a late text is dropped instead of delivered.
// Callbacks are accepted only with a valid signature over the configured public URL; the request's own host is
// not looked at. A replayed callback is authentic: whoever receives a [Status] must drop what does not
// supersede the state it has ([Status.Supersedes]).
//
// # Concurrency
//
// [Client] and [StatusHandler] are safe for concurrent use and start no goroutine that outlives a call.
//
// # Errors
//
//	errors.Is              meaning                                                  permanent
//	ErrInvalidNumber       the recipient is not a valid number (21211)              yes
//	ErrNotMobile           it cannot receive text messages (21614, 30006)           yes
//	ErrOptedOut            it has answered STOP (21610)                             yes
//	ErrRegion              its country is not enabled in the account (21408)        yes
//	ErrSender              the sender cannot be used (21606, 21659, 30034, …)       yes
//	ErrAuth                the credentials were refused (20003)                     yes
//	ErrUndeliverable       unreachable or unknown handset (30003, 30005)            30005
//	ErrBlocked             filtered by Twilio or the carrier (30004, 30007, 30450)  yes
//	ErrLimited             too many requests, also after waiting (429, 20429)       no
//	ErrAmbiguous           it may or may not have been sent; do not send it anew    no
//	ErrNoFacts             the Lookup API answered without what was asked for
//	mspkit.ErrInvalid      an argument cannot be used
//
// What Twilio refused is an *[Error] with its code.
package twilio
