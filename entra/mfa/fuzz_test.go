package mfa_test

import (
	"strings"
	"testing"

	"github.com/mspkit/mspkit/entra/mfa"
	"github.com/mspkit/mspkit/entra/mfa/mfatest"
	"github.com/mspkit/mspkit/internal/totp"
)

const (
	createOptions = `{"challenge":"AAAA","rp":{"id":"msp.example"},"user":{"id":"AAAA"}}`
	getOptions    = `{"challenge":"AAAA","rpId":"msp.example","allowCredentials":[]}`
)

// What a browser says of a registration is read without a panic, and without a promise.
func FuzzRegistration(f *testing.F) {
	a := &mfatest.Authenticator{Origin: origin}
	good, err := a.Create(createOptions)
	if err != nil {
		f.Fatal(err)
	}
	for _, s := range []string{good, good[:len(good)/2], "{}", "null", `{"id":"AA","rawId":"AA","type":"public-key","response":{}}`, strings.Replace(good, "AA", "__", 1)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		parsed, err := mfa.ParseCreated(s)
		if (parsed == nil) == (err == nil) {
			t.Fatalf("parsed is %v with the error %v", parsed, err)
		}
		if err != nil && mfa.ReasonOf(err) != mfa.ReasonMalformed {
			t.Fatalf("the reason is %q", mfa.ReasonOf(err))
		}
	})
}

// As with FuzzRegistration.
func FuzzAssertion(f *testing.F) {
	a := &mfatest.Authenticator{Origin: origin, Foreign: true}
	if _, err := a.Create(createOptions); err != nil {
		f.Fatal(err)
	}
	good, err := a.Get(getOptions)
	if err != nil {
		f.Fatal(err)
	}
	for _, s := range []string{good, good[:len(good)/2], "{}", "null", `{"id":"AA","rawId":"AA","type":"public-key","response":{}}`, strings.Replace(good, "AA", "__", 1)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		parsed, err := mfa.ParseAsserted(s)
		if (parsed == nil) == (err == nil) {
			t.Fatalf("parsed is %v with the error %v", parsed, err)
		}
		if err != nil && mfa.ReasonOf(err) != mfa.ReasonMalformed {
			t.Fatalf("the reason is %q", mfa.ReasonOf(err))
		}
	})
}

// What was typed becomes six digits or a fault, never something else.
func FuzzTypedCode(f *testing.F) {
	for _, s := range []string{"", "123456", "123 456", "\u0661\u0662\u0663\u0664\u0665\u0666", "12345", "abc", "\xff", strings.Repeat("1", 300)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		digits, fault := mfa.Typed(s, totp.Digits)
		if (digits == "") != (fault != "") {
			t.Fatalf("%q and the fault %q", digits, fault)
		}
		if fault == "" && (len(digits) != totp.Digits || strings.Trim(digits, "0123456789") != "") {
			t.Fatalf("%q are no digits", digits)
		}
	})
}
