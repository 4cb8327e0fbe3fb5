// Package sqlstore keeps challenges in the host's own SQL database: SQLite now, with statements that are the same
// on PostgreSQL.
//
// The host opens the database with a driver of its choice, creates the tables once, and gives the store to the
// service:
//
//	db, err := sql.Open("sqlite", "file:helpdesk.db?_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)")
//	err = sqlstore.Migrate(ctx, db, sqlstore.SQLite, nil)
//	store, err := sqlstore.New(db, sqlstore.SQLite, nil)
//	svc, err := verify.New(store, ring, baseURL, settings, nil)
//
// The tables are verify_challenges, verify_subjects, verify_limits, verify_events and verify_queue, each behind
// the prefix of [Options]. An idempotency key is a column of its challenge and is forgotten with it.
// With synchronous(FULL) a power cut loses nothing that was answered; with NORMAL it may lose the last moments,
// tries among them. A killed process loses nothing in either.
//
// # Security
//
// Whatever is asked for by an id is asked for with its tenant; values are passed as parameters only. Codes arrive
// here as MACs, names and addresses sealed. Ids of subjects, technicians and tickets are stored as they are, because they are searched.
//
// # Concurrency
//
// A [Store] is safe for concurrent use, and any number of instances and processes may share a database. Every
// verb is one write transaction: on SQLite the database has one writer at a time, on PostgreSQL a tenant has.
// That makes the order of the events of a tenant the order in which they were committed.
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
