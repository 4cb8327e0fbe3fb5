package mfa

import "errors"

// The errors of [Service.Reset].
var (
	// ErrStale means that whoever asks has not shown a second factor, or not lately enough.
	ErrStale = errors.New("mfa: this needs a second factor that was seen lately")
	// ErrSessions means that the factors are reset and that the sessions could not be ended: reset again.
	ErrSessions = errors.New("mfa: the sessions could not be ended")
)

// Why something was refused: the Reason of an [entra.Event] of the kind [entra.EventFactorRefused].
const (
	ReasonCode         = "wrong-code"        // a code that is not right
	ReasonUsed         = "used-code"         // a code of an app that was right and is used, or is older than one that is
	ReasonLocked       = "locked"            // after too many wrong tries; nothing was compared
	ReasonExpired      = "expired"           // an enrolment or a challenge took too long
	ReasonChallenge    = "challenge"         // a challenge of another session, person or ceremony, or of before a change of factors, or none
	ReasonReplayed     = "replayed"          // a challenge that was answered before
	ReasonMalformed    = "malformed"         // what a passkey answered cannot be read
	ReasonOrigin       = "origin"            // the passkey was used on the page of somebody else
	ReasonRPID         = "rp-id"             // the passkey answered for another domain
	ReasonVerification = "user-verification" // the passkey did not check who uses it
	ReasonPasskey      = "unknown-passkey"   // the passkey is not one of this person
	ReasonKnown        = "known-passkey"     // the passkey is there already
	ReasonCounter      = "counter"           // its counter did not rise: it may have been copied
	ReasonSignature    = "signature"         // anything else that is wrong with its answer, mostly the signature
	ReasonNotFresh     = "not-fresh"         // neither a factor nor, for the first, the sign-in was seen lately enough
	ReasonLast         = "last-factor"       // the last one of somebody who must have one
	ReasonFull         = "too-many"          // there are MaxPasskeys already
	ReasonForbidden    = "forbidden"         // a reset by somebody who may not
)

// MaxPasskeys is how many passkeys somebody can have.
const MaxPasskeys = 10

// refusal is why something was refused.
type refusal string

// Error implements error.
func (r refusal) Error() string { return "mfa: refused: " + string(r) }

// reasonOf returns why err refused, or "" where it did not.
func reasonOf(err error) string {
	r, _ := errors.AsType[refusal](err)
	return string(r)
}
