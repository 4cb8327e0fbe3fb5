// Package totp is the one mechanism behind codes of authenticator apps: secrets, the address and picture that put them
// into an app, the comparison, the rule that a code works once, and recovery codes. It stores nothing: what must be
// remembered between two codes is one number, the last step that was accepted.
//
//	secret := totp.NewSecret()
//	link := totp.URL(secret, "Contoso IT", "dana@northwind.example")
//	step, ok := totp.Match(secret, typed, time.Now(), totp.DefaultSkew)
//	if ok && totp.Fresh(last, step) {
//		// store step in the place of last by compare-and-set; where that succeeds, the code is accepted
//	}
//
// A code is that of RFC 6238 with the values that all apps know: HMAC-SHA-1, six digits, 30 seconds. Apps ignore other
// values in the address (https://github.com/google/google-authenticator/wiki/Key-Uri-Format), so none can be chosen.
//
// # Security
//
// RFC 6238, section 5.2, demands that a code is not accepted twice. [Match] therefore returns the step and not a mere yes,
// and the caller stores it by compare-and-set before it believes the code. Every window is computed and compared in
// constant time, whether or not an earlier one was right. Secrets have 160 bits from crypto/rand. Recovery codes have ten
// digits and are kept as HMACs under a key that is not where they are.
//
// # Concurrency
//
// The functions are pure. [Recovery] is immutable and safe for concurrent use.
//
// # Errors
//
// A code that does not fit is no error. [QR] fails where the text is too long for a picture, and [Recovery.Find] with
// mspkit.ErrUnknownKey where the key of the codes is gone.
package totp
