package verifytest

import (
	"testing"

	"github.com/mspkit/mspkit/internal/sandbox"
	"github.com/mspkit/mspkit/verify"
)

// The answers of a sandbox tenant.
const (
	SandboxNumber = sandbox.Number
	// SandboxCode is cut to the tenant's [verify.Limits.CodeDigits], so "123456" where that is not set.
	SandboxCode = sandbox.Code
	SandboxWord = sandbox.Word
)

// Sandbox returns the value for [verify.Settings] with which a tenant answers to [SandboxNumber], [SandboxCode] and
// [SandboxWord], until t ends. Outside a test it panics, whatever t is: a program that serves people must not have it.
func Sandbox(t testing.TB) verify.Sandbox { //nolint:thelper // outside a test t may be nothing
	if !testing.Testing() {
		panic("verifytest: Sandbox is for tests, and this is none: everybody would know the answers of the tenant")
	}
	t.Helper()
	s, off := sandbox.New()
	t.Cleanup(off)
	return s
}
