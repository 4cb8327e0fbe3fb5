// Package sqlstore keeps what an administrator decided about a ticket system in the host's own SQL database, SQLite or
// PostgreSQL: which company is which tenant, and what new tickets are given.
//
//	err = sqlstore.Migrate(ctx, db, sqlstore.SQLite, nil)
//	store, err := sqlstore.New(db, sqlstore.SQLite, nil)
//	err = store.SaveMapping(ctx, psa.Mapping{System: "halopsa", CompanyID: "12", Tenant: "contoso", By: "jane"})
//
// The tables are psa_mappings and psa_defaults, each behind the prefix of [Options].
//
// # Security
//
// Nothing in these tables is secret: ids and names of companies, queues and statuses, and who confirmed a mapping. Whoever
// can write to them decides whose contacts a company's are. Values are passed as parameters only.
//
// # Concurrency
//
// A [Store] is safe for concurrent use, and any number of instances and processes may share a database. Of two
// administrators who map a company to different tenants at once one succeeds.
//
// # Errors
//
// What package psa says of the interfaces, and what the database reports, besides:
//
//	errors.Is            returned by                        meaning
//	mspkit.ErrInvalid    all functions, the verbs that save the database is nil, the dialect, prefix or schema cannot be used,
//	                                                        or a system, company, tenant or administrator is not named
//	psa.ErrConflict      SaveMapping                        the company belongs to another tenant
//	ErrOutdated          New                                the tables are older than this release: run Migrate
//	ErrEdited            Migrate                            another release's migration was changed after it ran
package sqlstore
