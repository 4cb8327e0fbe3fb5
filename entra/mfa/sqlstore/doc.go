// Package sqlstore keeps second factors in the host's own SQL database: SQLite or PostgreSQL, by the same statements.
//
//	err = sqlstore.Migrate(ctx, db, sqlstore.SQLite, nil)
//	store, err := sqlstore.New(db, sqlstore.SQLite, nil)
//	factors, err := mfa.New(store, ring, options)
//
// The table is mfa_factors behind the prefix of [Options], with one row for each person. A row whose record was deleted stays
// with its revision.
//
// # Security
//
// What is in a record arrives here sealed. Owner and user are stored as they are. Values are passed as parameters only. Whoever
// can write to the table can put an older record of a person back into its place, and so revive a removed factor or a used code;
// they cannot make one up or give it to somebody else. They can delete one: then whoever has the password of that person may enrol.
//
// # Concurrency
//
// A [Store] is safe for concurrent use, and any number of instances and processes may share a database. Of all who swap a
// revision one does.
//
// # Errors
//
// What package mfa says of [mfa.Store], and what the database reports, besides:
//
//	errors.Is           returned by              meaning
//	mspkit.ErrInvalid   all functions, Swap      the database is nil, the dialect, prefix or schema cannot be used, or the
//	                                             record cannot be stored
//	mfa.ErrConflict     Swap                     another revision is there
//	ErrOutdated         New                      the table is older than this release: run Migrate
//	ErrEdited           Migrate                  another release's migration was changed after it ran
package sqlstore
