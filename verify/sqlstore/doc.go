// Package sqlstore keeps challenges in the host's own SQL database, SQLite or PostgreSQL.
//
// The host opens the database with a driver of its choice, creates the tables once, and gives the store to the
// service:
//
//	db, err := sql.Open("sqlite", "file:helpdesk.db?_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)")
//	err = sqlstore.Migrate(ctx, db, sqlstore.SQLite, nil)
//	store, err := sqlstore.New(db, sqlstore.SQLite, nil)
//	svc, err := verify.New(store, ring, baseURL, settings, nil)
//
// The tables are verify_challenges, verify_subjects, verify_limits, verify_events, verify_queue, verify_chains,
// verify_factors and, on PostgreSQL, verify_listening, each behind the prefix of [Options]. An idempotency key is a
// column of its challenge and is forgotten with it.
//
// # PostgreSQL
//
// Begin, Sent, Attempt, Finish and Redeem are functions in the database, made by [Migrate]: each is one statement and one
// round trip, so that a Start needs two with the receipt of its message, and a Check two. The role that migrates must be
// allowed to create tables, functions and triggers; the one that works needs to read, write and execute. Functions carry
// the version of their migration and are never replaced: the previous release goes on with its own. Connections must be at
// the isolation level read committed, which is PostgreSQL's default; a verb on another one fails. Package pgwatch lets
// waiters hear of a change at once.
//
// # What a crash leaves
//
// On SQLite with synchronous(FULL) a power cut loses nothing that was answered; with NORMAL it may lose the last moments,
// tries among them. A killed process loses nothing in either.
//
// On PostgreSQL whatever a verb has answered about challenges, subjects, factors and chains is on the disk: triggers set
// synchronous_commit to on for the transaction where the host has it off. Not protected by that are what was acknowledged
// (events are handed over again), the queue of the public form, and its counters. With fsync off a killed server loses
// nothing, and a power cut may lose everything, which no program can help. Where a standby takes over that does not
// replicate synchronously, the last moments before are lost, and a proof that was redeemed in them comes back: set
// synchronous_standby_names.
//
// Where a connection breaks within a verb it is not known whether the verb happened. The caller gets the error and
// neither a MAC nor a proof, and may repeat the verb: a try is then counted twice at most, an outcome is
// [verify.ErrNotPending], and the same redeemer gets its proof redeemed once.
//
// # Security
//
// Whatever is asked for by an id is asked for with its tenant; values are passed as parameters only. Codes arrive
// here as MACs, names and addresses sealed. Ids of subjects, technicians and tickets are stored as they are, because they are searched.
//
// # Concurrency
//
// A [Store] is safe for concurrent use, and any number of instances and processes may share a database. Every
// verb is one write transaction: on SQLite the database has one writer at a time, on PostgreSQL a tenant has, by an
// advisory lock. That makes the order of the events of a tenant the order in which they were committed. Who redeems a
// proof too late does not wait for that lock. Serialization failures and deadlocks are run again, up to 10 times.
//
// # Errors
//
// The sentinels of package verify, as [verify.Store] says, and what the database reports, besides:
//
//	errors.Is            returned by            meaning
//	mspkit.ErrInvalid    all functions          the database is nil, or the dialect, prefix or schema cannot be used
//	ErrOutdated          New                    the tables are older than this release: run Migrate
//	ErrEdited            Migrate                another release's migration was changed after it ran
package sqlstore
