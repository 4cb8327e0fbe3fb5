package sqlstore

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/sqlx"
	"github.com/mspkit/mspkit/psa"
)

// Dialect is a kind of database. The zero value is none, so that a host has to choose.
type Dialect = sqlx.Dialect

// The dialects.
const (
	// SQLite is SQLite 3.35 or newer.
	SQLite = sqlx.SQLite
	// Postgres is PostgreSQL 12 or newer.
	Postgres = sqlx.Postgres
)

// The errors of migrations.
var (
	// ErrOutdated means that the tables are older than this release: run [Migrate].
	ErrOutdated = sqlx.ErrOutdated
	// ErrEdited means that a migration reads differently than when it ran.
	ErrEdited = sqlx.ErrEdited
)

// Options say where the tables are. Nil and the zero value are fine. [New] and [Migrate] need the same ones.
type Options struct {
	// Prefix begins the name of every table and index: 1 to 24 of a-z, 0-9 and '_', a letter first. Empty
	// means "mspkit_".
	Prefix string
	// Schema is the PostgreSQL schema of the tables. Empty means the connection's search path. SQLite has none.
	Schema string
}

// Store is a [psa.MappingStore] and a [psa.DefaultsStore] in an SQL database. Use [New].
type Store struct {
	db                          *sqlx.DB
	save, drop, list, get, keep string
}

var (
	_ psa.MappingStore  = (*Store)(nil)
	_ psa.DefaultsStore = (*Store)(nil)
)

// New returns a store on the tables that [Migrate] made in db. It does not take db over: the host closes it. It
// reads the version of the tables once and fails with [ErrOutdated] where they are missing or older than this
// release; newer ones are fine. Within 10 seconds it fails where the database does not answer.
func New(db *sql.DB, d Dialect, o *Options) (*Store, error) {
	x, err := component.Open(db, d, (*sqlx.Tables)(o))
	if err != nil {
		return nil, err
	}
	return &Store{
		db: x,
		// A company that is another tenant's is left as it is, which nothing but this statement decides.
		save: x.SQL(`INSERT INTO {t}psa_mappings AS m (ticket_system, company, company_name, tenant, by_whom) VALUES (?, ?, ?, ?, ?)
			ON CONFLICT (ticket_system, company) DO UPDATE SET company_name = excluded.company_name, by_whom = excluded.by_whom
			WHERE m.tenant = excluded.tenant`),
		drop: x.SQL(`DELETE FROM {t}psa_mappings WHERE ticket_system = ? AND company = ?`),
		list: x.SQL(`SELECT ticket_system, company, company_name, tenant, by_whom FROM {t}psa_mappings WHERE ticket_system = ? ORDER BY company`),
		get:  x.SQL(`SELECT fields FROM {t}psa_defaults WHERE tenant = ? AND ticket_system = ?`),
		keep: x.SQL(`INSERT INTO {t}psa_defaults (tenant, ticket_system, fields) VALUES (?, ?, ?)
			ON CONFLICT (tenant, ticket_system) DO UPDATE SET fields = excluded.fields`),
	}, nil
}

// wrap names the method where the database failed.
func wrap(method string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("sqlstore: %s: %w", method, err)
}

// SaveMapping implements [psa.MappingStore].
func (s *Store) SaveMapping(ctx context.Context, m psa.Mapping) error {
	if err := m.Validate(); err != nil {
		return err
	}
	var n int64
	err := s.db.WriteTx(ctx, func(ctx context.Context, tx *sqlx.Tx) error {
		var err error
		n, err = tx.Affected(ctx, s.save, m.System, m.CompanyID, sqlx.Words(m.CompanyName), string(m.Tenant), sqlx.Words(m.By))
		return err
	})
	if err != nil {
		return wrap("save mapping", err)
	}
	if n == 0 {
		return &psa.Error{
			System: m.System, Op: "save mapping", Err: psa.ErrConflict, Advice: "the company belongs to another tenant; unmap it there first",
		}
	}
	return nil
}

// DeleteMapping implements [psa.MappingStore].
func (s *Store) DeleteMapping(ctx context.Context, system, companyID string) error {
	return wrap("delete mapping", s.db.WriteTx(ctx, func(ctx context.Context, tx *sqlx.Tx) error {
		_, err := tx.ExecContext(ctx, s.drop, sqlx.Words(system), sqlx.Words(companyID))
		return err
	}))
}

// Mappings implements [psa.MappingStore].
func (s *Store) Mappings(ctx context.Context, system string) ([]psa.Mapping, error) {
	rows, err := s.db.QueryContext(ctx, s.list, sqlx.Words(system))
	if err != nil {
		return nil, wrap("mappings", err)
	}
	defer rows.Close()
	var out []psa.Mapping
	for rows.Next() {
		var m psa.Mapping
		if err := rows.Scan(&m.System, &m.CompanyID, &m.CompanyName, &m.Tenant, &m.By); err != nil {
			return nil, wrap("mappings", err)
		}
		out = append(out, m)
	}
	return out, wrap("mappings", rows.Err())
}

// Defaults implements [psa.DefaultsStore].
func (s *Store) Defaults(ctx context.Context, tenant mspkit.TenantID, system string) (psa.Defaults, error) {
	var text string
	var d psa.Defaults
	err := s.db.QueryRowContext(ctx, s.get, sqlx.Words(string(tenant)), sqlx.Words(system)).Scan(&text)
	if errors.Is(err, sql.ErrNoRows) {
		return psa.Defaults{}, nil
	}
	if err == nil {
		err = json.Unmarshal([]byte(text), &d)
	}
	if err != nil {
		return psa.Defaults{}, wrap("defaults", err)
	}
	return d, nil
}

// SaveDefaults implements [psa.DefaultsStore].
func (s *Store) SaveDefaults(ctx context.Context, tenant mspkit.TenantID, system string, d psa.Defaults) error {
	if err := (mspkit.Ticket{System: system, ID: "x"}).Validate(); err != nil || system == "" {
		return fmt.Errorf("sqlstore: defaults need the name of a system: %w", mspkit.ErrInvalid)
	}
	if err := tenant.Validate(); err != nil {
		return err
	}
	text, err := json.Marshal(d)
	if err != nil {
		return wrap("save defaults", err)
	}
	return wrap("save defaults", s.db.WriteTx(ctx, func(ctx context.Context, tx *sqlx.Tx) error {
		_, err := tx.ExecContext(ctx, s.keep, string(tenant), system, string(text))
		return err
	}))
}
