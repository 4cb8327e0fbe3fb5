// Package smschannel delivers verifications by text message: a link for number match, a code to be read aloud, or
// a link with which the contact verifies the technician.
//
// Any [TextSender] sends; package twilio below is one. The flow: make the channel before the service, and give the
// vendor's status callbacks to [Status] after it.
//
//	sms, err := smschannel.New(sender, &smschannel.Options{Region: "DE", Countries: []string{"DE", "AT", "CH"}})
//	svc, err := verify.New(store, ring, base, settings, &verify.Options{
//		Channels: map[string]verify.Channel{"sms": sms},
//	})
//	report := smschannel.Status(svc) // for the status handler of the vendor's package
//
// # Security
//
// A text message can be read by whoever swaps the SIM card, so number match reaches [verify.AssuranceSMS] and a code
// less. The message says who asks for what; the number that the technician says is not known to this package.
// Sending costs money, which makes it worth attacking: a number outside the allowed countries is refused before
// anything is counted or sent, and what a tenant may send to one country without anybody confirming is bounded.
// Numbers of the North American plan belong to their own country or island, not to the United States. How many
// unconfirmed messages one number may get over all tenants is verify's to count (verify.Limits). [Options.Checks] asks a
// vendor, before a message is sent, whether the SIM card was changed lately and what kind of line it is; a number that
// cannot be checked is not used unless told otherwise.
//
// # Concurrency
//
// [Channel] is immutable and safe for concurrent use where the sender is. The tables of phone numbers are
// read into memory at the first New.
//
// # Errors
//
// No error holds a number, a code, a link or the text.
//
//	errors.Is            returned by        meaning
//	mspkit.ErrInvalid    New, Canonical     an option or number cannot be used; the text says why
//	ErrCountry           Canonical          the number is in a country that is not allowed
//
// Deliver returns a [*verify.DeliveryError].
package smschannel
