// Package sqlstore keeps connections to Workflows, and posts until they were accepted, in the host's own SQL database,
// SQLite or PostgreSQL.
//
//	err = sqlstore.Migrate(ctx, db, sqlstore.SQLite, nil)
//	store, err := sqlstore.New(db, sqlstore.SQLite, nil)
//	service, err := workflows.New(store, ring, nil)
//
// The tables are workflows_connections and workflows_items behind the prefix of [Options].
//
// # Security
//
// What an administrator gave (URL, name, events) and what is posted is sealed before it gets here. In clear are tenants, ids,
// times, counters, and in words why Microsoft refused a try. Values are passed as parameters only.
//
// # Concurrency
//
// A [Store] is safe for concurrent use, and any number of instances and processes may share a database.
//
// # Errors
//
//	errors.Is              returned by          meaning
//	mspkit.ErrInvalid      all functions        the database is nil, the dialect, prefix or schema, or a record cannot be used
//	ErrOutdated            New                  the tables are older than this release: run Migrate
//	ErrEdited              Migrate              another release's migration was changed after it ran
//	workflows.ErrNotFound  methods of Store     there is no such connection
//	workflows.ErrConflict  PutConnection, Note… the connection has another version
//	workflows.ErrTooMany   PutConnection        the tenant has as many as it may have
package sqlstore
