// Package sqlstore keeps the notes of an outbox in the host's own SQL database, SQLite or PostgreSQL.
//
// The host opens the database with a driver of its choice, creates the tables once, and gives the store to the outbox:
//
//	db, err := sql.Open("sqlite", "file:helpdesk.db?_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_txlock=immediate")
//	err = sqlstore.Migrate(ctx, db, sqlstore.SQLite, nil)
//	store, err := sqlstore.New(db, sqlstore.SQLite, nil)
//	box, err := outbox.New(system, store, ring, nil)
//
// The tables are psa_outbox_notes, psa_outbox_keys, psa_outbox_streams and psa_outbox_events, each behind the prefix of
// [Options].
//
// # In the host's transaction
//
// [Store.AddTx] accepts a note together with what the host stores in the same database. On PostgreSQL it locks the note's
// own key and nothing else: the ticket's other notes are added and delivered meanwhile. On SQLite the transaction should
// begin as a writer (_txlock=immediate with modernc.org/sqlite), because SQLite refuses one that has read before it writes
// where another has written in between.
//
// # Order
//
// Notes get their numbers when they are added. Where one AddNote returns before another begins, the first one's note is
// before the other's. Of two transactions that add to a ticket at once either may come first, and a note whose transaction
// commits later may be written after notes with higher numbers.
//
// # What a crash leaves
//
// On PostgreSQL whatever was answered about a note is on the disk: a trigger sets synchronous_commit to on for the
// transaction where the host has it off, the host's own transaction included. On SQLite synchronous(FULL) loses nothing in a
// power cut. With NORMAL a power cut may lose notes of the last moments, and may forget that a note was tried: such a note
// can be written twice. A killed process loses nothing in either.
//
// # Security
//
// Text arrives here sealed and leaves the table when the note is delivered or dropped. Keys of notes arrive as hashes. In
// clear are ids of tenants, tickets and notes, who replayed or dropped one, and in words why a try failed. Whatever is asked
// for by an id is asked for with its tenant; values are passed as parameters only.
//
// # Concurrency
//
// A [Store] is safe for concurrent use, and any number of instances and processes may share a database. Every verb is one
// transaction. On SQLite the database has one writer at a time; on PostgreSQL a stream has. Serialization failures and
// deadlocks are run again, up to 10 times, but for AddTx, whose transaction is the host's to run again.
//
// # Errors
//
// The sentinels of package outbox, as [outbox.Store] says, and what the database reports, besides:
//
//	errors.Is            returned by            meaning
//	mspkit.ErrInvalid    all functions          the database is nil, or the dialect, prefix or schema cannot be used
//	mspkit.ErrInvalid    Add, AddTx             the entry names no tenant, ticket or id, or its system holds a slash
//	mspkit.ErrInvalid    Next, Release, List    the stream is not an outbox's, no holder is named, or the state is unknown
//	ErrOutdated          New                    the tables are older than this release: run Migrate
//	ErrEdited            Migrate                another release's migration was changed after it ran
package sqlstore
