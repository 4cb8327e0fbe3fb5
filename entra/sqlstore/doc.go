// Package sqlstore keeps which customer is connected to which tenant of Microsoft 365, the links that are out, tokens, and which
// sessions have ended before their time, in the host's own SQL database: SQLite or PostgreSQL, by the same statements.
//
//	err = sqlstore.Migrate(ctx, db, sqlstore.SQLite, nil)
//	store, err := sqlstore.New(db, sqlstore.SQLite, nil)
//	consent, err := entra.NewConsent(store, verifier, ring, options)
//	app, err := azurecred.NewApp(azurecred.ConnectedBy(store, "north", "contacts", nil), credentials)
//
// The store is also what [entra.SSOOptions] calls Revocations: with it a sign-out on one instance counts on all.
//
// The tables are entra_connections, entra_states, entra_tokens and entra_revocations, each behind the prefix of [Options]. States
// of links are deleted when they are used up, and by [Store.DeleteExpired], which also deletes revocations that no session is old
// enough for any more: run it once a day. A token that was deleted leaves its name and the number of its revisions.
//
// # Security
//
// Tokens and what links remember arrive here sealed, tokens of links as hashes. Ids, owners and names of connected tenants are
// stored as they are, because they are searched and shown; whoever can write to entra_connections decides whose directory a
// customer's is. Values are passed as parameters only.
//
// # Concurrency
//
// A [Store] is safe for concurrent use, and any number of instances and processes may share a database. Of two owners who
// connect a tenant at once one succeeds, of all who take a state one gets it, of all who swap a revision of a token one does, and of
// all who revoke the same one is the first.
//
// # Errors
//
// What package entra says of the interfaces, and what the database reports, besides:
//
//	errors.Is               returned by                        meaning
//	mspkit.ErrInvalid       all functions, Connect, PutState,  the database is nil, the dialect, prefix or schema cannot be
//	                        SwapToken, Revoke                  used, or what is to be stored is not complete
//	entra.ErrOwned          Connect                            another owner has connected the tenant
//	entra.ErrTaken          Connect                            the same owner has connected it to another customer
//	entra.ErrNotConnected   Connection, Checked, Release,      there is no such record
//	                        Token
//	entra.ErrState          State, TakeState                   there is no such link, or it has expired
//	entra.ErrStale          SwapToken                          another revision is there
//	ErrOutdated             New                                the tables are older than this release: run Migrate
//	ErrEdited               Migrate                            another release's migration was changed after it ran
package sqlstore
