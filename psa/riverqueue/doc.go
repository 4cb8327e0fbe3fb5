// Package riverqueue is [mspkit.Queue] on River, for programs that run on several machines with one PostgreSQL.
//
// The host has a River client of its own. The queue adds one worker to it and inserts jobs through it:
//
//	q, err := riverqueue.New(nil)
//	err = q.AddTo(workers)
//	client, err := river.NewClient(riverpgxv5.New(pool), &river.Config{Workers: workers, Queues: …})
//	err = q.Use(client)
//
// It never makes, migrates, starts or stops a client, and it works with every driver of River: it imports none.
//
// There is one job per stream that waits, unique by its arguments, which are the ids of the stream. River prunes the
// rows of jobs that ended. What is to be done is in rows that the owner of the work stored, psa/outbox for example, so a
// job that is lost, discarded or cancelled loses nothing: the owner's poll wakes the stream again.
//
// # When a stream is drained
//
// A wake for now reaches a free worker by PostgreSQL's NOTIFY, in about [river.Config.FetchCooldown] (100 ms). A client
// notifies no more than once in that time, so now and then a wake is found by polling instead, every
// [river.Config.FetchPollInterval] (1 s). A host that wants notes to arrive sooner lowers FetchCooldown.
//
// A wake for later, and a drain that asks to be called again later, may be late by River's scheduler, which looks every
// 5 s. A wake that is earlier than a job that waits makes that job run at once, at the next poll; at worst that is one
// drain too many.
//
// A wake while the stream is drained by this process is one more drain afterwards. While another process drains it, it is
// a second job, which may run beside the first one: the lease of the owner keeps the order, not this queue.
//
// A worker that was killed leaves a job that seems to run until River rescues it, after
// [river.Config.RescueStuckJobsAfter], one hour if the host does not say otherwise, or [Options.Timeout], if that is
// longer. That does not hold up the stream: the next wake, at the latest that of the owner's poll, makes a second job. So
// the notes of a ticket wait no longer than the owner's lease and poll. Only where the workers of eight jobs of one
// stream were killed, and none of them is rescued yet, does it wait for the rescue.
//
// # Security
//
// The arguments of jobs hold the ids of streams in clear: kind, tenant and key. River stores the errors of drains with
// the job; a panic is stored as where it was, not with what.
//
// # Concurrency
//
// A [Queue] is safe for concurrent use. It starts no goroutine: River's workers do.
//
// # Errors
//
//	errors.Is     returned by              meaning
//	ErrInvalid    New, Handle, AddTo, Use  (mspkit.ErrInvalid) what was given cannot be used
//	ErrInvalid    Wake                     (mspkit.ErrInvalid) the stream cannot be used
//	ErrNoClient   Wake                     Use was not called yet
//
// Errors of River and its database are wrapped.
package riverqueue
