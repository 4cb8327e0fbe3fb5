// Package pgwatch tells a service on PostgreSQL of changes the moment they are committed, so that
// [verify.Service.Wait] need not ask again and again.
//
// The host gives the service the store of this package in place of the one that it wraps, and runs it beside the
// service:
//
//	store, err := sqlstore.New(db, sqlstore.Postgres, nil)
//	watched, err := pgwatch.New(store, pgwatch.Dial(mspkit.Redact(connString)), nil)
//	svc, err := verify.New(watched, ring, baseURL, settings, nil)
//	go watched.Run(ctx)
//	go svc.Run(ctx)
//
// However many watchers there are, one connection of the process listens. A trigger of sqlstore's tables notifies in
// the transaction of the change, whichever release and instance makes it: of an outcome, a renewal, an approval, a hint
// of a denial, a delivery that arrived or failed, and of a subject who is frozen or locked. Commits that notify wait for
// each other in PostgreSQL, which costs where there are hundreds a second (see docs/benchmarks.md); so it does not tell of
// what nobody waits for, and of nothing at all until the first Run in the database. A notification that is lost
// is made up for by reading again, after [Options.Poll] at the latest, and without Run watchers poll.
//
// # Security
//
// A notification holds the challenge's id and nothing else. Every role that may connect to the database may listen, and
// may notify; a notification that is forged makes watchers read a record once more. Records are read with their tenant.
//
// # Concurrency
//
// A [Store] is safe for concurrent use. Run is the only goroutine that is needed; Watch runs in its caller's and leaves
// nothing behind when its loop ends.
//
// # Errors
//
//	errors.Is            returned by    meaning
//	mspkit.ErrInvalid    New            the store or connect is nil, or Poll is out of bounds
//	ErrRunning           Run            it is going already: one connection is enough
//
// Watch yields the errors of [sqlstore.Store.Get]; the other verbs are those of sqlstore.
package pgwatch
