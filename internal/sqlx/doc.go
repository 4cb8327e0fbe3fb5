// Package sqlx is what the module's SQL stores share: two dialects, table names with a validated prefix,
// migrations that several instances may run at once, and a write transaction that behaves the same on
// SQLite and PostgreSQL. It imports no driver.
//
// A store opens a [DB] on the host's *sql.DB, refuses an older schema, expands its statements once, and runs
// every verb that changes something in one [DB.WriteTx]:
//
//	db, err := sqlx.New(sqlDB, dialect, &sqlx.Options{Prefix: o.Prefix})
//	err = db.Check(ctx, "verify", len(migrations))
//	q := db.SQL("UPDATE {t}verify_challenge SET tries = tries + 1 WHERE tenant = ? AND id = ?")
//	err = db.WriteTx(ctx, func(ctx context.Context, tx *sqlx.Tx) error {
//		_, err := tx.ExecContext(ctx, q, tenant, id)
//		return err
//	})
//
// # Security
//
// Names that a host configures are checked against a small alphabet before they become SQL; values travel
// as parameters only. Errors name components, versions and tables, never values.
//
// # Concurrency
//
// Everything but [Tx] is safe for concurrent use. A function given to WriteTx may run more than once, and
// must not use the database other than through its Tx: with a pool of one connection it would wait for
// itself.
//
// # Errors
//
//	errors.Is            returned by        meaning
//	mspkit.ErrInvalid    New, Migrate, List a dialect, prefix, schema, component or migration cannot be used
//	ErrOutdated          Check              the database is older than the code: run Migrate
//	ErrEdited            Migrate            a migration was changed after it ran
//	ErrFailed            WriteTx            a statement failed and the function did not report it: rolled back
package sqlx
