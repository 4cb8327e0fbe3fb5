// Package totp verifies callers by the code of an authenticator app, and sets such apps up.
//
// [Channel] is made before the service and is one of its channels. [Enrolment] is made after it; its pages stand at the
// service's base URL with "/totp" behind it.
//
//	app, err := totp.New(store, ring, nil)
//	svc, err := verify.New(store, ring, "https://help.example/verify", settings, &verify.Options{
//		Channels: map[string]verify.Channel{"teams": teams, "email": email, "authenticator": app},
//	})
//	enrolment, err := totp.NewEnrolment(app, svc, nil)
//	mux.Handle("/verify/totp/", http.StripPrefix("/verify/totp", enrolment))
//
// A contact gets an app in one call. The technician verifies them for [verify.ActionEnrolTOTP], which the policy allows by
// number-matched Teams or better, and gives the proof to [Enrolment.Begin]. The contact gets a link there, opens it on
// their own device and types the number that the technician says. Only then a secret is made and shown, as a picture and as
// text; the first right code sets the app up and shows the recovery codes. Every address on record is told.
//
// From then on [verify.Service.Start] can be asked for [verify.MethodTOTP], or takes it where the policy lists it. The
// contact reads a code of the app, or a recovery code, and the technician gives it to [verify.Service.Check],
// whose Method names the way and so spares a round trip.
//
// # Security
//
// A step is accepted once and never after a later one, whatever the number of instances: the last one is part of the sealed
// factor and changed by compare-and-set before the code is believed. The service counts every try before it asks, and a
// hundred wrong ones in a row lock the contact. What was set up less than 14 days ago is worth little or nothing, as the
// freshness guard of the tenant says, and an app that was set up while a verification was waiting does not answer it.
//
// The link is never shown to the technician, and is worth nothing without the number, of which it takes two tries: a scanner,
// or somebody who reads the mailbox or chat, sees no picture. Who reads a code aloud can be tricked into reading it to
// somebody else, and the app does not say what the code is for: the assurance is below that of number match in Teams.
//
// Secrets are sealed under the key ring; recovery codes and the number are kept as HMACs. The browser that knew the number
// holds a cookie without which the page shows nothing. It also leads to the recovery codes for as long as the link works, so
// that a reload does not lose them; what is stored does not lead to them.
//
// [verify.EventFactorAdded] and the other events of a change are stored after it and not with it, because factors and events
// are different records: a program that dies in between leaves the [verify.EventRedeemed] of the proof, and no notice.
//
// # Storage
//
// One factor of kind [Kind] for each contact who ever had a link. It stays, empty, when the app is removed.
//
// # Concurrency
//
// [Channel] and [Enrolment] are safe for concurrent use and keep nothing that another instance needs. An answer costs one
// read and one write of the factor besides what the service does.
//
// # Errors
//
//	errors.Is               returned by                    meaning
//	mspkit.ErrInvalid       New, NewEnrolment              an option or text cannot be used
//	verify.ErrProof         Begin, BeginRecovery, Remove   the proof is not genuine, not for this, or of too little assurance
//	verify.ErrNotFound      BeginRecovery, Remove          there is no app; nothing was redeemed
//	verify.ErrNoChannel     Begin, BeginRecovery           the address of the proof takes no link; nothing was redeemed
//	verify.ErrDelivery      Begin, BeginRecovery           the link was not delivered
//	verify.ErrDelivery      Remove                         the app is removed, and somebody could not be told
//
// Others are those of [verify.Service.Redeem], or failures of the store.
package totp
