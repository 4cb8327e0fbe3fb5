package sqlx

import (
	"context"
	"database/sql"
	"fmt"
	"time"
)

// Tables say where a component's tables are. Packages have a type of their own with these fields, so that their
// documentation shows it, and convert it: (*sqlx.Tables)(o).
type Tables struct {
	Prefix, Schema string
}

func (t *Tables) options() *Options {
	if t == nil {
		return nil
	}
	return &Options{Prefix: t.Prefix, Schema: t.Schema}
}

// Component is the schema of one store package. Its methods are what every such package exports, with the errors of a
// package named sqlstore.
type Component struct {
	// Name names the tables among those of the module.
	Name string
	// Migrations are never changed once released; add another.
	Migrations []Migration
}

// checkWait is how long Open waits for the database to tell its version.
const checkWait = 10 * time.Second

// Open returns db for a store whose tables are there and not older than this release; it changes nothing. Within 10
// seconds it fails where the database does not answer.
func (c Component) Open(db *sql.DB, d Dialect, t *Tables) (*DB, error) {
	x, err := New(db, d, t.options())
	if err != nil {
		return nil, fmt.Errorf("sqlstore: new: %w", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), checkWait)
	defer cancel()
	if err := x.Check(ctx, c.Name, len(c.Migrations)); err != nil {
		return nil, fmt.Errorf("sqlstore: new: %w", err)
	}
	return x, nil
}

// Migrate creates the tables or brings them up to this release; see [Migrate].
func (c Component) Migrate(ctx context.Context, db *sql.DB, d Dialect, t *Tables) error {
	if err := Migrate(ctx, db, d, c.Name, c.Migrations, t.options()); err != nil {
		return fmt.Errorf("sqlstore: migrate: %w", err)
	}
	return nil
}

// Scripts returns what Migrate would run on an empty database; see [List].
func (c Component) Scripts(d Dialect, t *Tables) ([]Script, error) {
	out, err := List(d, c.Name, c.Migrations, t.options())
	if err != nil {
		return nil, fmt.Errorf("sqlstore: migrations: %w", err)
	}
	return out, nil
}
