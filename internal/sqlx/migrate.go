package sqlx

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"github.com/mspkit/mspkit"
)

// The errors of migrations. Their texts name the component and the version.
var (
	// ErrOutdated means that the database lacks a migration that the code needs.
	ErrOutdated = errors.New("the database is older than this release: run Migrate")
	// ErrEdited means that a migration reads differently than when it ran. Migrations are never changed:
	// add another.
	ErrEdited = errors.New("the migration was changed after it ran")
)

// Migration is one step of a component's schema. Versions count from 1 without a gap. A step only adds
// (tables, indexes, columns with a default), so that the previous release keeps running on the newer schema.
type Migration struct {
	Version int
	// SQL are the statements for both dialects, with the tokens of [DB.SQL].
	SQL []string
	// SQLite and Postgres are statements for one dialect, run after SQL.
	SQLite, Postgres []string
}

// statements returns what m executes on d, with o's names.
func (m Migration) statements(d Dialect, o *Options) []string {
	all := append([]string(nil), m.SQL...)
	if d == Postgres {
		all = append(all, m.Postgres...)
	} else {
		all = append(all, m.SQLite...)
	}
	x := o.expander(d)
	for i := range all {
		all[i] = strings.TrimRight(strings.TrimSpace(x.Replace(all[i])), ";")
	}
	return all
}

// checksum identifies the statements of m on d. It is taken with the default names, so that a renamed
// schema does not look like an edited migration.
func (m Migration) checksum(d Dialect) string {
	h := sha256.New()
	o := Options{Prefix: DefaultPrefix}
	for _, s := range m.statements(d, &o) {
		h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(s))))
		h.Write([]byte(s))
	}
	return hex.EncodeToString(h.Sum(nil))
}

const createMigrations = `CREATE TABLE IF NOT EXISTS {t}migrations (
	component {text} NOT NULL,
	version {int} NOT NULL,
	checksum {text} NOT NULL,
	applied_at {int} NOT NULL,
	PRIMARY KEY (component, version)
)`

func validMigrations(component string, migrations []Migration) error {
	errs := []error{validComponent(component)}
	if len(migrations) == 0 {
		errs = append(errs, fmt.Errorf("sqlx: component %q has no migrations: %w", component, mspkit.ErrInvalid))
	}
	for i, m := range migrations {
		if m.Version != i+1 {
			errs = append(errs, fmt.Errorf("sqlx: %s: migration %d stands where %d must: %w", component, m.Version, i+1, mspkit.ErrInvalid))
		}
	}
	return errors.Join(errs...)
}

// Migrate brings the tables of component to the last of migrations, in one transaction: all missing steps
// are applied or none. It may be run any number of times and by any number of instances at once; the others
// wait. A database that is newer than migrations is left as it is. It fails with [ErrEdited] where a step
// that was applied differs from the one given.
func Migrate(ctx context.Context, db *sql.DB, d Dialect, component string, migrations []Migration, o *Options) error {
	x, err := New(db, d, o)
	if err == nil {
		err = validMigrations(component, migrations)
	}
	if err != nil {
		return err
	}
	return x.WriteTx(ctx, func(ctx context.Context, tx *Tx) error {
		if err := x.prepare(ctx, tx); err != nil {
			return fmt.Errorf("sqlx: prepare migrations of %s: %w", component, err)
		}
		applied, last, err := x.applied(ctx, tx, component)
		if err != nil {
			return fmt.Errorf("sqlx: read migrations of %s: %w", component, err)
		}
		for _, m := range migrations {
			sum := m.checksum(d)
			switch was, ok := applied[m.Version]; {
			case ok && was != sum:
				return fmt.Errorf("sqlx: %s version %d: %w", component, m.Version, ErrEdited)
			case ok:
				continue
			case m.Version < last:
				return fmt.Errorf("sqlx: %s version %d is missing although version %d was applied: %w", component, m.Version, last, ErrEdited)
			}
			for i, s := range m.statements(d, &x.opts) {
				if _, err := tx.ExecContext(ctx, s); err != nil {
					return fmt.Errorf("sqlx: %s version %d, statement %d: %w", component, m.Version, i+1, err)
				}
			}
			_, err := tx.ExecContext(ctx, x.SQL("INSERT INTO {t}migrations (component, version, checksum, applied_at) VALUES (?, ?, ?, ?)"),
				component, m.Version, sum, Micros(x.opts.Now()))
			if err != nil {
				return fmt.Errorf("sqlx: %s version %d: note it: %w", component, m.Version, err)
			}
		}
		return nil
	})
}

// prepare makes this transaction the only one that migrates, and the table of migrations exist.
func (db *DB) prepare(ctx context.Context, tx *Tx) error {
	if db.d == Postgres { // on SQLite BEGIN IMMEDIATE has done it
		sum := sha256.Sum256([]byte("mspkit migrate\x00" + db.opts.Schema + "\x00" + db.opts.Prefix))
		key := int64(binary.BigEndian.Uint64(sum[:]))
		if _, err := tx.ExecContext(ctx, "SELECT pg_advisory_xact_lock(?)", key); err != nil {
			return err
		}
		if db.opts.Schema != "" {
			// IF NOT EXISTS would ask for the right to create a schema even where it exists.
			var n int
			if err := tx.QueryRowContext(ctx, "SELECT COUNT(*) FROM pg_namespace WHERE nspname = ?", db.opts.Schema).Scan(&n); err != nil {
				return err
			}
			if n == 0 {
				if _, err := tx.ExecContext(ctx, `CREATE SCHEMA "`+db.opts.Schema+`"`); err != nil {
					return err
				}
			}
		}
	}
	exists, err := db.migrated(ctx, tx)
	if err != nil || exists {
		return err
	}
	_, err = tx.ExecContext(ctx, db.SQL(createMigrations))
	return err
}

// migrated reports whether the table of migrations exists.
func (db *DB) migrated(ctx context.Context, q Querier) (bool, error) {
	query, name := "SELECT COUNT(*) FROM sqlite_master WHERE type = 'table' AND name = ?", db.opts.Prefix+"migrations"
	if db.d == Postgres {
		query, name = "SELECT COUNT(to_regclass(CAST($1 AS text)))", db.SQL("{t}migrations")
	}
	var n int
	err := q.QueryRowContext(ctx, query, name).Scan(&n)
	return n > 0, err
}

// applied returns the checksums of component's migrations by version, and the last version.
func (db *DB) applied(ctx context.Context, q Querier, component string) (sums map[int]string, last int, err error) {
	rows, err := q.QueryContext(ctx, db.SQL("SELECT version, checksum FROM {t}migrations WHERE component = ? ORDER BY version"), component)
	if err != nil {
		return nil, 0, err
	}
	defer rows.Close()
	sums = make(map[int]string)
	for rows.Next() {
		var sum string
		if err := rows.Scan(&last, &sum); err != nil {
			return nil, 0, err
		}
		sums[last] = sum
	}
	return sums, last, rows.Err()
}

// Check reports whether the tables of component are at version want or newer, with [ErrOutdated] if they
// are not. It changes nothing. A newer database is fine, because migrations only add.
func Check(ctx context.Context, db *sql.DB, d Dialect, component string, want int, o *Options) error {
	x, err := New(db, d, o)
	if err == nil {
		err = validComponent(component)
	}
	if err != nil {
		return err
	}
	last := 0
	exists, err := x.migrated(ctx, db)
	if err == nil && exists {
		_, last, err = x.applied(ctx, db, component)
	}
	if err != nil {
		return fmt.Errorf("sqlx: read migrations of %s: %w", component, err)
	}
	if last < want {
		return fmt.Errorf("sqlx: %s is at version %d, version %d is needed: %w", component, last, want, ErrOutdated)
	}
	return nil
}

// Script is one migration as text, for hosts that run migrations with their own tool.
type Script struct {
	Component string
	Version   int
	// SQL are statements, each ended by a semicolon, to be run in one transaction. They note the migration
	// the way Migrate does (with no date), so that Check and a later Migrate know of it. A schema that is
	// named must exist. On PostgreSQL the bodies of functions stand between $$ and hold semicolons of their own.
	SQL string
}

// List returns migrations as scripts, in order.
func List(d Dialect, component string, migrations []Migration, o *Options) ([]Script, error) {
	opts := o.withDefaults()
	if err := errors.Join(opts.validate(d), validMigrations(component, migrations)); err != nil {
		return nil, err
	}
	x := opts.expander(d)
	out := make([]Script, 0, len(migrations))
	for _, m := range migrations {
		all := append([]string{x.Replace(createMigrations)}, m.statements(d, &opts)...)
		all = append(all, fmt.Sprintf(x.Replace("INSERT INTO {t}migrations (component, version, checksum, applied_at) VALUES ('%s', %d, '%s', 0)"),
			component, m.Version, m.checksum(d)))
		out = append(out, Script{Component: component, Version: m.Version, SQL: strings.Join(all, ";\n") + ";\n"})
	}
	return out, nil
}
