// Package mfatest has what tests of second factors need: an authenticator in software and the suite that every store passes.
//
//	a := &mfatest.Authenticator{Origin: "https://desk.msp.example"}
//	answer, err := a.Create(options) // as the page has them, for the form that enrols a passkey
//	answer, err = a.Get(options)     // for the form of the challenge
//
// [ReadPage] reads options and challenge off a page of the handler.
//
// # Security
//
// An [Authenticator] asks nobody for anything and keeps its keys in memory. It also misbehaves on request. It is for tests.
//
// # Concurrency
//
// An [Authenticator] is safe for concurrent use while its fields are left alone.
//
// # Errors
//
// Create fails where it holds a passkey that the options exclude, Get where it holds none that they allow, and both where the
// options cannot be read.
package mfatest
