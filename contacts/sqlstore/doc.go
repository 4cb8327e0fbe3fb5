// Package sqlstore is a [contacts.Directory] in the host's own SQL database, SQLite or PostgreSQL.
//
// The host opens the database with a driver of its choice, creates the tables once, and gives the store to a
// contacts.Syncer:
//
//	db, err := sql.Open("pgx", os.Getenv("DATABASE_URL"))
//	err = sqlstore.Migrate(ctx, db, sqlstore.Postgres, nil)
//	dir, err := sqlstore.New(db, sqlstore.Postgres, &sqlstore.Options{
//		Precedence: contacts.Precedence{Default: []string{"entra", "connectwise"}},
//	})
//	list, err := dir.Find(ctx, contacts.Search{Tenant: "contoso", Phone: "+12025550143"})
//
// The tables are contacts_tenants, contacts_people, contacts_records, contacts_keys, contacts_events, contacts_consumers,
// contacts_offsets, contacts_checkpoints and contacts_photos, each behind the prefix of [Options].
//
// A page is stored with a dozen statements whatever its length, in one transaction: what it concerns is read, package
// contacts decides, and each table gets its rows at once. A phone number, an e-mail address and the beginning of a name
// are found by an index.
//
// # Security
//
// What must be found must be searched for, so names, e-mail addresses, phone numbers, companies, titles, pictures and the
// history of changes stand in these tables in clear; unlike other stores of this module this one takes no key ring. Who can
// read the database, a copy or a backup of it can read them. Have the database encrypt its disk and its backups, give the
// role of the host these tables and nobody else, and treat a file of SQLite as the personal data that it is. [Store.Forget]
// keeps the records that a source had, so that its people are known when it is connected again.
//
// Whatever is asked for is asked for with its tenant, but for [Store.FindCaller], [Store.Due], [Store.Unhandled] and
// [Store.Checkpoints] of all. Values are passed as parameters only. No error holds a name, an address or a number.
//
// # Concurrency
//
// A [Store] is safe for concurrent use, and any number of instances and processes may share a database. What changes a
// tenant locks the tenant's row first, so that two sources of one tenant take turns and events are numbered without a gap;
// tenants do not wait for each other. On SQLite the database has one writer at a time. Serialization failures and deadlocks
// are run again, up to 10 times. A page is applied where its checkpoint is the one that was read, so of two instances with
// one page one gets [contacts.ErrStale].
//
// # Errors
//
// Those of [contacts.Directory], and what the database reports, besides:
//
//	errors.Is               returned by           meaning
//	mspkit.ErrInvalid       all functions         the database is nil, or the dialect, prefix, schema or precedence cannot be used
//	mspkit.ErrInvalid       all methods           a tenant, source, limit, search or name that cannot be asked for or stored
//	contacts.ErrNotFound    Get, BySource, Photo  the tenant has no such contact, or it has no picture
//	contacts.ErrNotFound    Link, Separate, Wrote a contact or record that is named is not there
//	contacts.ErrStale       Apply, SetCheckpoint  another instance has moved the checkpoint on
//	contacts.ErrMassLeave   Apply                 more people than allowed would have left
//	contacts.ErrConflict    Link                  two contacts of one source are not one
//	contacts.ErrSource      Apply                 the page breaks what a source promises
//	ErrOutdated             New                   the tables are older than this release: run Migrate
//	ErrEdited               Migrate               another release's migration was changed after it ran
package sqlstore
