package sqlx

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/mspkit/mspkit"
)

// DefaultPrefix begins the name of every table and index unless [Options] say otherwise.
const DefaultPrefix = "mspkit_"

// Options say where the tables are. Nil and the zero value are fine.
type Options struct {
	// Prefix begins the name of every table and index: 1 to 24 of a-z, 0-9 and '_', a letter first. Empty
	// means [DefaultPrefix].
	Prefix string
	// Schema is the PostgreSQL schema of the tables: 1 to 63 of a-z, A-Z, 0-9 and '_', no digit first.
	// Migrate creates it where it does not exist. Empty means the connection's search path. SQLite has none.
	Schema string
	// Now is the clock that dates migrations. Nil means time.Now.
	Now func() time.Time
}

const (
	lower  = "abcdefghijklmnopqrstuvwxyz"
	upper  = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	digits = "0123456789"
)

func (o *Options) withDefaults() Options {
	var out Options
	if o != nil {
		out = *o
	}
	if out.Prefix == "" {
		out.Prefix = DefaultPrefix
	}
	if out.Now == nil {
		out.Now = time.Now
	}
	return out
}

// validate reports everything that is wrong with o on d.
func (o *Options) validate(d Dialect) error {
	errs := []error{d.Validate()}
	if !validName(o.Prefix, lower, 24) || strings.HasPrefix(o.Prefix, "pg_") || strings.HasPrefix(o.Prefix, "sqlite_") {
		errs = append(errs, fmt.Errorf("sqlx: table prefix %q must be 1 to 24 of a-z, 0-9 and '_', begin with a letter, "+
			"and not be the database's own (pg_, sqlite_): %w", o.Prefix, mspkit.ErrInvalid))
	}
	switch {
	case o.Schema == "":
	case d == SQLite:
		errs = append(errs, fmt.Errorf("sqlx: schema %q is set, but SQLite has no schemas: %w", o.Schema, mspkit.ErrInvalid))
	case !validName(o.Schema, lower+upper+"_", 63) || strings.HasPrefix(o.Schema, "pg_"):
		errs = append(errs, fmt.Errorf("sqlx: schema %q must be 1 to 63 of a-z, A-Z, 0-9 and '_', not begin with a digit "+
			"or pg_: %w", o.Schema, mspkit.ErrInvalid))
	}
	return errors.Join(errs...)
}

// validName reports whether s has 1 to limit bytes, its first among first and the others among first,
// digits and '_'.
func validName(s, first string, limit int) bool {
	return s != "" && len(s) <= limit && strings.Contains(first, s[:1]) && strings.Trim(s, first+digits+"_") == ""
}

func validComponent(component string) error {
	if !validName(component, lower, 32) {
		return fmt.Errorf("sqlx: component %q must be 1 to 32 of a-z, 0-9 and '_' and begin with a letter: %w", component, mspkit.ErrInvalid)
	}
	return nil
}

// expander returns what turns the tokens of [DB.SQL] into SQL of d.
func (o *Options) expander(d Dialect) *strings.Replacer {
	table := o.Prefix
	if o.Schema != "" {
		table = `"` + o.Schema + `".` + o.Prefix
	}
	tokens := []string{"{t}", table, "{p}", o.Prefix}
	if d == Postgres {
		tokens = append(tokens,
			"{bytes}", "BYTEA", "{int}", "BIGINT", "{text}", `TEXT COLLATE "C"`,
			"{identity}", "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY",
			"{for_update}", "FOR UPDATE", "{skip_locked}", "FOR UPDATE SKIP LOCKED")
	} else {
		tokens = append(tokens,
			"{bytes}", "BLOB", "{int}", "INTEGER", "{text}", "TEXT",
			"{identity}", "INTEGER PRIMARY KEY AUTOINCREMENT",
			"{for_update}", "", "{skip_locked}", "")
	}
	return strings.NewReplacer(tokens...)
}
