// Package customtest brings in the homegrown ticket system of package psatest by functions, as an MSP brings in its own.
//
//	server, err := psatest.NewHomegrown(psatest.NewDesk(nil))
//	system, err := customtest.Homegrown(server.URL, server.Key, custom.Options{NoteLimit: psatest.HomegrownNoteLimit})
//
// # Security
//
// The key goes to the address that was given. It is for test servers: it sets no limits of its own on what these answer.
//
// # Concurrency
//
// What it makes is safe for concurrent use.
//
// # Errors
//
// Those of package custom.
package customtest
