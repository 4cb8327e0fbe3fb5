// Package jobs is the one in-process loop: a [mspkit.Queue] for programs that run as one process, for example on SQLite.
//
//	loop, err := jobs.New(nil)
//	err = loop.Handle("psa-notes", drain)
//	go loop.Run(ctx)
//	err = loop.Wake(ctx, stream, time.Time{})
//
// It keeps nothing but which streams are to be drained when, in memory: what is to be done is in rows that the owner of
// the work stored. What is forgotten when the process ends, and what is dropped where more than [Options.MaxStreams]
// wait, is found again by the owner's poll.
//
// Beside it stands what owners of such rows share: [Rows] finds the streams that nobody woke, and [Repeat] does so again and again.
//
// # Security
//
// Tenants take turns: one that wakes thousands of streams makes the others wait for as many drains as there are tenants. A
// drain that takes long occupies a worker, so what it waits for must have a limit. [Options.PerTenant] keeps one tenant's drains
// from occupying all of them.
//
// It logs the ids of streams, the errors of drains and where they panicked, but not what they panicked with, which may
// be anything.
//
// # Concurrency
//
// A [Loop] is safe for concurrent use. A stream is drained by one goroutine at a time, different streams by up to
// [Options.Workers]. There is no goroutine before [Loop.Run] and none after it returned. A stream that is woken while it
// is drained is drained once more, however often it was woken.
//
// # Errors
//
//	errors.Is         returned by        meaning
//	ErrInvalid        New, Handle, Wake  (mspkit.ErrInvalid) an option, a kind or a stream cannot be used
//	ErrRunning        Run                it runs already
package jobs
