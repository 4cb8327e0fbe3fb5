// Package sqlstore keeps which mailbox each tenant sends from in the host's own SQL database, SQLite or PostgreSQL.
//
//	err = sqlstore.Migrate(ctx, db, sqlstore.SQLite, nil)
//	store, err := sqlstore.New(db, sqlstore.SQLite, nil)
//	senders, err := graphmail.NewSenders(client, store)
//
// The table is mail_senders behind the prefix of [Options].
//
// # Security
//
// Nothing in the table is secret: the address and id of a mailbox, who chose it, and what was wrong with it. Whoever can write
// to it decides from which mailbox a tenant's people hear. Values are passed as parameters only.
//
// # Concurrency
//
// A [Store] is safe for concurrent use, and any number of instances and processes may share a database.
//
// # Errors
//
//	errors.Is            returned by              meaning
//	mspkit.ErrInvalid    all functions, PutSender the database is nil, the dialect, prefix or schema, or a sender cannot be used
//	mail.ErrNotSetUp     Sender, DeleteSender     the tenant has no sender
//	ErrOutdated          New                      the table is older than this release: run Migrate
//	ErrEdited            Migrate                  another release's migration was changed after it ran
package sqlstore
