// Package sqlstore keeps accounts and invitations in the host's own SQL database, SQLite or PostgreSQL.
//
//	err = sqlstore.Migrate(ctx, db, sqlstore.SQLite, nil)
//	store, err := sqlstore.New(db, sqlstore.SQLite, nil)
//	service, err := accounts.New(store, ring, &accounts.Options{…})
//
// The tables are accounts_accounts and accounts_invitations behind the prefix of [Options].
//
// # Security
//
// Of a link only a hash is stored, and who was invited is sealed before it gets here. In clear are owners, ids, names of accounts,
// roles, times, and who somebody is in Entra. Values are passed as parameters only. That one person is one account of an owner is
// also a unique index. Whoever can write to the tables can make themselves an admin, and put back an invitation that was used: give
// nobody but the host's own user the right to.
//
// # Concurrency
//
// A [Store] is safe for concurrent use, and any number of instances and processes may share a database. Those who change something
// come one after the other; nobody who reads waits.
//
// # Errors
//
//	errors.Is            returned by        meaning
//	mspkit.ErrInvalid    all functions      the database is nil, the dialect, prefix or schema, or a record cannot be used
//	ErrOutdated          New                the tables are older than this release: run Migrate
//	ErrEdited            Migrate            another release's migration was changed after it ran
//	accounts.Err…        methods of Store   as accounts.Store says
package sqlstore
