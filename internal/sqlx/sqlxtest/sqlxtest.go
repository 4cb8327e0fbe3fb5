// Package sqlxtest checks what every store package on sqlx exports: one call in the tests of each.
package sqlxtest

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"strings"
	"testing"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/sqlx"
)

// Package is a store package; O is its type of options.
type Package[O any] struct {
	Component string
	// Tables are the names of all its tables, without prefix and component.
	Tables []string
	// Sums are the checksums of its migrations. Those of released ones never change: add another.
	Sums map[sqlx.Dialect][]string
	// Options makes options of its type.
	Options    func(prefix, schema string) *O
	New        func(*sql.DB, sqlx.Dialect, *O) error
	Migrate    func(context.Context, *sql.DB, sqlx.Dialect, *O) error
	Migrations func(sqlx.Dialect, *O) ([]sqlx.Script, error)
}

var errUnreachable = errors.New("unreachable")

// nowhere is a database that cannot be reached. The stores run against real ones in internal/it/stores.
type nowhere struct{}

func (nowhere) Connect(context.Context) (driver.Conn, error) { return nil, errUnreachable }
func (nowhere) Driver() driver.Driver                        { return nil }

// Run runs all checks.
func Run[O any](t *testing.T, p Package[O]) {
	t.Helper()
	t.Run("New and Migrate refuse what cannot be used", p.refuses)
	t.Run("Migrations are text for other tools", p.isText)
	t.Run("Released migrations stay as they are", p.stays)
}

func (p Package[O]) refuses(t *testing.T) {
	t.Parallel()
	db := sql.OpenDB(nowhere{})
	for name, c := range map[string]struct {
		db      *sql.DB
		dialect sqlx.Dialect
		options *O
		want    error
		text    string
	}{
		"no database":               {nil, sqlx.SQLite, nil, mspkit.ErrInvalid, "the database is nil"},
		"no dialect":                {db, 0, nil, mspkit.ErrInvalid, "unknown dialect"},
		"a prefix with a quote":     {db, sqlx.SQLite, p.Options(`a"; --`, ""), mspkit.ErrInvalid, "table prefix"},
		"a schema on SQLite":        {db, sqlx.SQLite, p.Options("", "help"), mspkit.ErrInvalid, "SQLite has no schemas"},
		"a database that is absent": {db, sqlx.SQLite, nil, errUnreachable, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for verb, err := range map[string]error{
				"new": p.New(c.db, c.dialect, c.options), "migrate": p.Migrate(t.Context(), c.db, c.dialect, c.options),
			} {
				if !errors.Is(err, c.want) {
					t.Fatalf("%s: the error is %v, it should be %v", verb, err, c.want)
				}
				contains(t, err.Error(), "sqlstore: "+verb+": ")
				contains(t, err.Error(), c.text)
			}
		})
	}
}

func (p Package[O]) isText(t *testing.T) {
	t.Parallel()
	lite := p.scripts(t, sqlx.SQLite, p.Options("acme_", ""))
	if lite[0].Component != p.Component {
		t.Fatalf("the component is %q", lite[0].Component)
	}
	post := p.scripts(t, sqlx.Postgres, p.Options("", "help"))
	if len(post) != len(lite) {
		t.Fatalf("%d migrations on PostgreSQL, %d on SQLite", len(post), len(lite))
	}
	for _, table := range p.Tables {
		contains(t, lite[0].SQL, "CREATE TABLE acme_"+p.Component+"_"+table+" (")
		contains(t, post[0].SQL, `CREATE TABLE "help".mspkit_`+p.Component+"_"+table)
	}
	contains(t, post[0].SQL, `TEXT COLLATE "C"`)
	lacks(t, lite[0].SQL, "mspkit_")
	lacks(t, lite[0].SQL, "{")
	lacks(t, post[0].SQL, "AUTOINCREMENT")
	if _, err := p.Migrations(0, nil); !errors.Is(err, mspkit.ErrInvalid) {
		t.Fatalf("without a dialect the error is %v", err)
	}
}

// stays fails where a migration that databases have run is edited: those would never get the change.
func (p Package[O]) stays(t *testing.T) {
	t.Parallel()
	for _, d := range []sqlx.Dialect{sqlx.SQLite, sqlx.Postgres} {
		scripts := p.scripts(t, d, nil)
		if len(scripts) != len(p.Sums[d]) {
			t.Fatalf("%d migrations on %s, %d checksums", len(scripts), d, len(p.Sums[d]))
		}
		for i, sum := range p.Sums[d] {
			_, noted, _ := strings.Cut(scripts[i].SQL, "VALUES ('"+p.Component+"', ")
			if !strings.Contains(noted, "'"+sum) {
				t.Fatalf("migration %d on %s was edited, it notes %s", i+1, d, noted)
			}
		}
	}
}

func (p Package[O]) scripts(t *testing.T, d sqlx.Dialect, o *O) []sqlx.Script {
	t.Helper()
	out, err := p.Migrations(d, o)
	if err != nil {
		t.Fatal(err)
	}
	if len(out) == 0 {
		t.Fatal("there are no migrations")
	}
	return out
}

func contains(t *testing.T, s, part string) {
	t.Helper()
	if !strings.Contains(s, part) {
		t.Fatalf("%q is missing in %s", part, s)
	}
}

func lacks(t *testing.T, s, part string) {
	t.Helper()
	if strings.Contains(s, part) {
		t.Fatalf("%q stands in %s", part, s)
	}
}
