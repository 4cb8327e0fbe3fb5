// Package twiliotest is a Twilio that runs in the caller's process and speaks Twilio's wire format: it takes text
// messages, lists them, sends signed status callbacks, and fails in the ways that a real one fails.
//
//	srv, err := twiliotest.New(accountSID, "auth-token", nil)
//	base, err := srv.Start() // "http://127.0.0.1:49152/twilio"
//	defer srv.Close()
//
// Give base to the client under test as its base URL; [Server.Messages] and [Server.Subscribe] show what would
// have arrived on the phone. Given as its lookup URL as well, [Server.SetNumber] decides what is known of a number. A
// Server is an http.Handler as well, under any path prefix.
//
// # Security
//
// It keeps whole messages in memory and shows them to whoever asks: for tests and examples only. Start listens on
// loopback.
//
// # Concurrency
//
// Everything is safe for concurrent use. Close waits for callbacks that are under way.
//
// # Errors
//
//	errors.Is       meaning
//	ErrNoMessage    no message has that id
//	ErrCallback     the status callback was not answered with 2xx
package twiliotest
