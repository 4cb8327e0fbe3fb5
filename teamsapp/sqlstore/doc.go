// Package sqlstore keeps what a Teams bot must find again in the host's own SQL database: SQLite or PostgreSQL, by the
// same statements.
//
// The host opens the database with a driver of its choice, creates the tables once, and gives the store to the bot:
//
//	db, err := sql.Open("sqlite", "file:helpdesk.db?_pragma=journal_mode(WAL)&_pragma=synchronous(NORMAL)")
//	err = sqlstore.Migrate(ctx, db, sqlstore.SQLite, nil)
//	store, err := sqlstore.New(db, sqlstore.SQLite, nil)
//	bot, err := teamsapp.New(app, ring, store, tenants, nil)
//
// The tables are teamsapp_references and teamsapp_claims, each behind the prefix of [Options]. A reference stays until
// the app is installed again, also when it was uninstalled; claims are deleted by [Store.DeleteExpired]. With
// synchronous(NORMAL) a power cut may lose the last moments: a reference is learned again, and a turn that was claimed
// in them may be handled twice. With FULL it loses nothing that was answered, and every write takes longer. A killed
// process loses nothing in either.
//
// # Security
//
// References and replies arrive here sealed, names of turns hashed. The ids of the bot, the tenants and the persons are
// stored as they are, because they are searched. Whatever is asked for by an id is asked for with its bot and tenant;
// values are passed as parameters only.
//
// # Concurrency
//
// A [Store] is safe for concurrent use, and any number of instances and processes may share a database. Every method
// that writes is one transaction: on SQLite the database has one writer at a time, on PostgreSQL a key has, and keys
// are locked in order of their names, so that nobody waits in a circle.
//
// # Errors
//
// The sentinels of package teamsapp, as [teamsapp.Store] says, and what the database reports, besides:
//
//	errors.Is             returned by             meaning
//	mspkit.ErrInvalid     all functions, Claim    the database is nil, the dialect, prefix or schema cannot be used, or
//	                                              a claim has no owner or not 1 to 4 keys
//	teamsapp.ErrNotFound  Load                    there is no such record
//	ErrOutdated           New                     the tables are older than this release: run Migrate
//	ErrEdited             Migrate                 another release's migration was changed after it ran
package sqlstore
