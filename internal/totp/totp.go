package totp

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base32"
	"net/url"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/pquerna/otp"
	"github.com/pquerna/otp/hotp"
)

const (
	// Digits is the length of a code.
	Digits = 6
	// Period is how long one step lasts.
	Period = 30 * time.Second
	// DefaultSkew is how many steps before and after the present one are accepted: what RFC 6238, section 5.2, advises.
	DefaultSkew = 1
	// MaxSkew is the most that may be accepted: two minutes and a half for one code.
	MaxSkew = 2
	// SecretSize is the length of a secret in bytes: the 160 bits that RFC 4226, section 4, advises.
	SecretSize = 20
)

var encoding = base32.StdEncoding.WithPadding(base32.NoPadding)

// NewSecret returns 160 random bits.
func NewSecret() []byte {
	s := make([]byte, SecretSize)
	_, _ = rand.Read(s) // never fails: crypto/rand aborts the program instead
	return s
}

// Text returns a secret as people type it into an app: base32 in groups of four.
func Text(secret []byte) string {
	s := encoding.EncodeToString(secret)
	var groups []string
	for len(s) > 4 {
		groups, s = append(groups, s[:4]), s[4:]
	}
	return strings.Join(append(groups, s), " ")
}

// URL returns the otpauth address that puts a secret into an app under the name of issuer and account. Both are cut to
// what a picture that phones read easily has room for; a colon, which separates them, becomes a space. Algorithm, digits
// and period are left out, because they are what every app takes without them, and the picture is coarser so. It is written
// here because that of pquerna/otp v1.5.0 leaves "&" in an issuer, which so adds parameters.
func URL(secret []byte, issuer, account string) string {
	issuer, account = label(issuer, "Helpdesk"), label(account, "account")
	q := url.Values{"secret": {encoding.EncodeToString(secret)}, "issuer": {issuer}}
	// Apps show a plus of the query as it is.
	return "otpauth://totp/" + url.PathEscape(issuer) + ":" + url.PathEscape(account) + "?" + strings.ReplaceAll(q.Encode(), "+", "%20")
}

// maxLabel is the longest issuer or account, in bytes.
const maxLabel = 32

func label(s, instead string) string {
	s = strings.Join(strings.Fields(strings.ReplaceAll(strings.ToValidUTF8(s, ""), ":", " ")), " ")
	for len(s) > maxLabel {
		_, n := utf8.DecodeLastRuneInString(s)
		s = strings.TrimSpace(s[:len(s)-n])
	}
	if s == "" {
		return instead
	}
	return s
}

// Step returns the number of the step that t lies in.
func Step(t time.Time) int64 { return t.Unix() / int64(Period/time.Second) }

// Code returns the code of a step, for tests and for a [Match] of one's own.
func Code(secret []byte, step int64) string { return code(secret, step, otp.AlgorithmSHA1, Digits) }

func code(secret []byte, step int64, a otp.Algorithm, digits int) string {
	if step < 0 {
		return ""
	}
	c, err := hotp.GenerateCodeCustom(encoding.EncodeToString(secret), uint64(step), hotp.ValidateOpts{Digits: otp.Digits(digits), Algorithm: a})
	if err != nil { // it fails for what is not base32 only
		return ""
	}
	return c
}

// Match returns the step whose code is typed, out of the one at now and skew before and after it. Every one of them is
// computed and compared in constant time. Where two steps have the same code, it is the later one, so that accepting it
// leaves no second use. typed is ASCII digits; anything else does not match. A skew above [MaxSkew] is taken for it.
//
// A match alone must not be believed: see [Fresh].
func Match(secret []byte, typed string, now time.Time, skew int) (step int64, ok bool) {
	skew = min(max(skew, 0), MaxSkew)
	at, matched := Step(now), -1
	for i := -skew; i <= skew; i++ {
		same := 0
		if c := Code(secret, at+int64(i)); len(c) == Digits { // a step before 1970 has no code
			same = subtle.ConstantTimeCompare([]byte(c), []byte(typed))
		}
		matched = subtle.ConstantTimeSelect(same, i+skew, matched)
	}
	if matched < 0 {
		return 0, false
	}
	return at + int64(matched-skew), true
}

// Fresh reports whether a matched step may be accepted after last was: each once, and never an older one. It decides
// alone; no clock is asked, so instances whose clocks differ decide alike.
func Fresh(last, step int64) bool { return step > last }

// Accept reports whether typed is the code of a step that may be accepted after last, and puts that step into last. Store it by
// compare-and-set before the code is believed.
func Accept(secret []byte, last *int64, typed string, now time.Time, skew int) bool {
	step, ok := Match(secret, typed, now, skew)
	if !ok || !Fresh(*last, step) {
		return false
	}
	*last = step
	return true
}
