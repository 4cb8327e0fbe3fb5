// Package mfa asks technicians for a second factor ("Use MFA") in hosts that do not sign them in with Entra: passkeys, an
// authenticator app, and recovery codes for the day on which neither is at hand.
//
//	factors, err := mfa.New(store, ring, &mfa.Options{
//		RPID: "msp.example", Origins: []string{"https://desk.msp.example"}, Passed: sessions.NoteFactor, EndSessions: sessions.End,
//	})
//	pages, err := factors.Handler("/mfa")
//	mux.Handle("/mfa/", sessions.Load(pages))
//	mux.Handle("/", sessions.Load(factors.Gate(desk)))
//
// The host signs people in, and says who they are by [entra.WithUser]: Owner, ID, Session, AuthTime, MFA, and Factor once it was
// seen. [Service.Gate] takes a person with MFA and without Factor to the pages before anything else. Who has no factor enrols a
// passkey or an app there and is shown recovery codes; who has one shows it. Either way Options.Passed is called, by which the
// session remembers it, and the browser goes on to where it wanted to. Passkeys are those of WebAuthn
// (https://www.w3.org/TR/webauthn-3/), codes of apps those of RFC 6238 with six digits and 30 seconds.
//
// The pages, below Options.Path: "/" what there is and what can be added, "/app", "/passkey", "/challenge", "/recovery", "/codes",
// and "/remove/" with the id of a factor. A page takes the parameter "to", a path of the host to go to afterwards.
//
// # Security
//
// A change of factors needs a factor that was seen within Options.Fresh, the first one a sign-in that is as new: whoever finds a
// browser open, or has a stolen session, adds nothing and removes nothing. The last factor of somebody who must have one stays.
// What was begun before a change does not finish after it.
//
// A code is counted as a wrong try in the same compare-and-set that compares it, so that no two instances give away a try. After
// Options.MaxTries in a row nothing is compared for a while that grows. A step of an app is accepted once and never after a later
// one; a recovery code once. Passkeys cannot be guessed and are not locked: whoever knows a password can lock the codes of its owner
// for a while by guessing, and not their passkeys.
//
// A challenge for a passkey is sealed for owner, person, session and ceremony, stands in the page, lives for Options.TTL, and is
// used up by its first answer, right or wrong. Origin, domain, user verification, the signature, and that the passkey is one of
// this person are checked, a counter that does not rise is refused. Attestation is not asked for: any maker's passkey is good.
// That another person enrolled the same credential id changes nothing, because passkeys are only looked for among one's own.
//
// Records are sealed as a whole under owner and person, so that none can be given to somebody else; recovery codes are in them as
// keyed hashes. They are shown in the browser that got them until it says that it has them, for Options.TTL at most. A browser is
// sent to paths of the host only. There is one script, in a file of its own; apps and recovery codes work without.
//
// A reset by an admin ends the sessions of the person and leaves them without a factor until they sign in: the admin must know by
// another way that it is really them who asks.
//
// # Audit
//
// [entra.EventFactorEnrolled], [entra.EventFactorUsed] and [entra.EventFactorRemoved] have the [Kind] as their reason, except
// that of a reset, which has the admin as By and the admin's reason, and that of [Service.Forget], which has "forgotten". [entra.EventFactorRefused] has one of the Reason constants.
//
// # Concurrency
//
// A [Service] is safe for concurrent use, and keeps nothing that another instance or a restart would need: what is begun on one
// finishes on another. A challenge costs a read and, when it is answered, a read and a write.
//
// # Errors
//
//	errors.Is              returned by        meaning
//	mspkit.ErrInvalid      New, Handler       an option or text cannot be used
//	mspkit.ErrInvalid      Reset              there is no reason, no such id, or no Options.EndSessions
//	entra.ErrNoSession     Reset              nobody is signed in
//	entra.ErrForbidden     Reset              whoever is signed in may not reset factors, or not their own
//	ErrStale               Reset              whoever is signed in has not lately shown a second factor
//	ErrSessions            Reset              the factors are gone, the sessions may not be
//	ErrConflict            Store              another revision is there
//
// Others are failures of the store, and mspkit.ErrUnknownKey where the key of a record is not in the ring any more.
package mfa
