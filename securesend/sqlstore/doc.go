// Package sqlstore keeps sends in the host's own SQL database, SQLite or PostgreSQL.
//
// The host opens the database with a driver of its choice, creates the tables once, and gives the store to the
// service:
//
//	db, err := sql.Open("sqlite", "file:helpdesk.db?_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=secure_delete(ON)")
//	err = sqlstore.Migrate(ctx, db, sqlstore.SQLite, nil)
//	store, err := sqlstore.New(db, sqlstore.SQLite, nil)
//	svc, err := securesend.New(store, ring, "https://help.example/send", settings, nil)
//
// The tables are securesend_records, securesend_events and securesend_counters, each behind the prefix of [Options]. Files
// are not in them: they are in a [securesend.BlobStore].
//
// # Round trips
//
// A step reads the record, decides in Go, and stores the change with its events in one statement, where the record is still
// the one that was read. So Put is one round trip on PostgreSQL, and Take, Extend and Ack are two each; nobody holds a
// lock over both. What changes nothing is one read, on SQLite too: a second reader who is refused keeps nobody waiting.
//
// # What a crash leaves
//
// On PostgreSQL whatever a verb has answered is on the disk: triggers set synchronous_commit to on for the transaction
// where the host has it off. Not protected is that events were acknowledged: they are handed over again. With fsync
// off a killed server loses nothing, and a power cut may lose everything, which no program can help. Where a standby
// takes over that does not replicate synchronously, the last moments before are lost, and a send that was opened in them
// can be opened again: set synchronous_standby_names.
//
// On SQLite with synchronous(FULL) a power cut loses nothing that was answered. With less it may bring back what was just
// read, so [New] refuses it. A killed process loses nothing in any case.
//
// Where a connection breaks within a verb it is not known whether the verb happened. The caller gets the error and no
// half, and may repeat the verb: the same claim gets the same half, and a wrong number is counted twice at most.
//
// # What a deleted half leaves
//
// The end of a send writes over its half, its text and its MACs with nothing, in the row itself. The row stays for the
// log, without a secret. What that means below the tables differs:
//
//   - SQLite writes zeros over what was there only with secure_delete(ON), so [New] refuses anything less. In WAL mode
//     older pages stay in the -wal file until it is checkpointed and begun anew, as PRAGMA wal_checkpoint(TRUNCATE) does at
//     once. Without WAL they are in the journal while a transaction runs, and are left in it with journal_mode(PERSIST).
//   - PostgreSQL keeps the old version of a row as a dead tuple until VACUUM has passed and the place is used again;
//     autovacuum does that within minutes to hours. It is also in the write-ahead log until its segments are recycled,
//     and in every archive of them.
//   - A backup, a snapshot of the disk, or an archived log has what was there when it was taken: the sealed half of a
//     send that was open then. It is lost with the last backup that is older than the end of the send. Until then, who has
//     that backup, the key ring and the complete link can open the send. Keep backups of these tables for days rather
//     than years, and rotate the key ring: a key that is dropped takes all halves in old backups with it.
//
// # Security
//
// Whatever is asked for by an id is asked for with its tenant; values are passed as parameters only. Keys and numbers
// arrive here as hashes and MACs, halves and addresses sealed. Ids of senders, subjects and tickets are stored as they are,
// because they are searched. The half is read by the statement that stores the claim it goes to, and when keys are rotated.
//
// # Concurrency
//
// A [Store] is safe for concurrent use, and any number of instances and processes may share a database. On PostgreSQL those
// who store events share an advisory lock, and who reads events has it alone for a moment, so that no event appears later
// before one that was read. Serialization failures and deadlocks are run again, up to 10 times. Every isolation level
// may be the connections' default.
//
// # Errors
//
// The sentinels of package securesend, as [securesend.SecretStore] says, and what the database reports, besides:
//
//	errors.Is            returned by            meaning
//	mspkit.ErrInvalid    all functions          the database is nil, or the dialect, prefix or schema cannot be used
//	ErrOutdated          New                    the tables are older than this release: run Migrate
//	ErrUnsafe            New                    SQLite has not secure_delete(ON) and synchronous(FULL)
//	ErrEdited            Migrate                another release's migration was changed after it ran
package sqlstore
