// Package sqlstore keeps what the change feed must find again in the host's own SQL database: SQLite or PostgreSQL, by the
// same statements.
//
// The host opens the database with a driver of its choice, creates the tables once, and gives the store to the feed:
//
//	db, err := sql.Open("sqlite", "file:helpdesk.db?_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)")
//	err = sqlstore.Migrate(ctx, db, sqlstore.SQLite, nil)
//	store, err := sqlstore.New(db, sqlstore.SQLite, nil)
//	feed, err := changefeed.New(app, ring, store, creds, sink, nil)
//
// The tables are changefeed_subscriptions, changefeed_certificates, changefeed_seen, changefeed_state and changefeed_items,
// each behind the prefix of [Options]. On SQLite with synchronous(NORMAL) a power cut may lose notifications of the last
// moments that Graph was told were accepted; with FULL it does not, and each write takes longer. A killed process loses
// nothing in either.
//
// # Security
//
// Clients' secrets, private keys, cursors and notifications arrive here sealed. The ids of tenants, resources, subscriptions
// and events are stored as they are, because they are searched. Values are passed as parameters only.
//
// # Concurrency
//
// A [Store] is safe for concurrent use, and any number of instances and processes may share a database. Every method that
// writes is one transaction, or one statement.
//
// # Errors
//
// The sentinels of package changefeed, as [changefeed.Store] says, and what the database reports, besides:
//
//	errors.Is               returned by            meaning
//	mspkit.ErrInvalid       all functions, Follow  the database is nil, the dialect, prefix or schema cannot be used, or what
//	                                               is to be followed cannot be
//	changefeed.ErrNotFound  ByTag, Lease           there is no such record
//	changefeed.ErrHeld      Lease                  another holder has the record
//	changefeed.ErrChanged   Save, Delete,          somebody else was faster
//	                        AddCertificate,
//	                        DropCertificate
//	ErrOutdated             New                    the tables are older than this release: run Migrate
//	ErrEdited               Migrate                another release's migration was changed after it ran
package sqlstore
