// Package mailchannel delivers verifications by e-mail: a link for number match, a code to be read aloud, or a
// link with which the contact verifies the technician.
//
// It joins [mail] and [verify]: any [mail.Mailer] sends, [mail.Templates] write the text.
//
//	templates, err := mail.NewTemplates(nil)
//	email, err := mailchannel.New(mailer, templates, nil)
//	svc, err := verify.New(store, ring, base, settings, &verify.Options{
//		Channels: map[string]verify.Channel{"email": email},
//	})
//
// # Security
//
// A mail proves access to a mailbox and nothing more: number match reaches [verify.AssuranceEmail], a code
// less. The number that the technician says is not known to this package, so no mail can hold it; no subject holds
// a code or link. Addresses are one bare mailbox in ASCII; a display name, a second address or a line break is
// refused before anything is counted or sent. The delivery key leaves the process as a hash only.
//
// # Concurrency
//
// [Channel] is immutable and safe for concurrent use where the mailer is.
//
// # Errors
//
// New and Canonical return mspkit.ErrInvalid. Deliver returns a [*verify.DeliveryError] whose reason is a sentence
// without address, code or link, and which wraps what the mailer returned:
//
//	errors.Is           permanent   meaning
//	mail.ErrRejected    yes         the server refuses this recipient or message
//	mail.ErrAuth        yes         an administrator must look at credentials or sender
//	mail.ErrNotSetUp    yes         neither this client nor the platform has a mailer for it
//	mail.ErrTemplate    yes         a template is unusable
//	mspkit.ErrInvalid   yes         the mail cannot be built from what it should say
//	mail.ErrTemporary   no          nothing was sent, try again
//	mail.ErrAmbiguous   no          it may or may not arrive
package mailchannel
