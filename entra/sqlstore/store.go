package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/entra"
	"github.com/mspkit/mspkit/internal/sqlx"
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

// Store is an [entra.ConnectionStore], an [entra.TokenStore] and an [entra.Revocations] in an SQL database. Use [New].
type Store struct {
	db *sqlx.DB
	q  statements
}

var (
	_ entra.ConnectionStore = (*Store)(nil)
	_ entra.TokenStore      = (*Store)(nil)
	_ entra.Revocations     = (*Store)(nil)
)

// statements are all statements, expanded once.
type statements struct {
	lock, others, connect, get, list, listAll, checked, release string
	putState, state, takeState, dropStates                      string
	token, firstToken, swapToken, dropToken                     string
	revoke, revoked, dropRevoked                                string
}

const (
	connectionColumns = `tenant, integration, owner, entra_id, domain_name, display_name, via, by_whom, connected_at, expires_at, checked_at, problem`
	stateColumns      = `hash, tenant, owner, integration, sealed, expires_at`
)

// New returns a store on the tables that [Migrate] made in db. It does not take db over: the host closes it. It
// reads the version of the tables once and fails with [ErrOutdated] where they are missing or older than this
// release; newer ones are fine. Within 10 seconds it fails where the database does not answer.
func New(db *sql.DB, d Dialect, o *Options) (*Store, error) {
	x, err := component.Open(db, d, (*sqlx.Tables)(o))
	if err != nil {
		return nil, err
	}
	const selected = `SELECT ` + connectionColumns + ` FROM {t}entra_connections`
	return &Store{db: x, q: statements{
		// Those who connect come one after the other, so that what each has seen of the others stays true until it has
		// stored. Nobody who reads waits, and connections are made a few times a day. SQLite has one writer anyway.
		lock:   x.SQL(`LOCK TABLE {t}entra_connections IN SHARE ROW EXCLUSIVE MODE`),
		others: x.SQL(selected + ` WHERE entra_id = ? OR tenant = ?`),
		connect: x.SQL(`INSERT INTO {t}entra_connections (` + connectionColumns + `) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
			ON CONFLICT (tenant, integration) DO UPDATE SET owner = excluded.owner, entra_id = excluded.entra_id,
				domain_name = excluded.domain_name, display_name = excluded.display_name, via = excluded.via, by_whom = excluded.by_whom,
				connected_at = excluded.connected_at, expires_at = excluded.expires_at, checked_at = excluded.checked_at,
				problem = excluded.problem`),
		get:     x.SQL(selected + ` WHERE tenant = ? AND integration = ?`),
		list:    x.SQL(selected + ` WHERE owner = ? ORDER BY tenant, integration`),
		listAll: x.SQL(selected + ` ORDER BY tenant, integration`),
		checked: x.SQL(`UPDATE {t}entra_connections SET
				problem = CASE WHEN checked_at <= ? THEN ? ELSE problem END,
				checked_at = CASE WHEN checked_at <= ? THEN ? ELSE checked_at END
			WHERE tenant = ? AND integration = ?`),
		release: x.SQL(`DELETE FROM {t}entra_connections WHERE tenant = ? AND integration = ? AND owner = ?`),

		putState: x.SQL(`INSERT INTO {t}entra_states (` + stateColumns + `) VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (hash) DO NOTHING`),
		state:    x.SQL(`SELECT ` + stateColumns + ` FROM {t}entra_states WHERE hash = ? AND expires_at > ?`),
		// Of all who delete a row one is told what was in it.
		takeState:  x.SQL(`DELETE FROM {t}entra_states WHERE hash = ? AND expires_at > ? RETURNING ` + stateColumns),
		dropStates: x.SQL(`DELETE FROM {t}entra_states WHERE expires_at <= ?`),

		token: x.SQL(`SELECT sealed, rev FROM {t}entra_tokens WHERE name = ? AND sealed IS NOT NULL`),
		// A row whose token was deleted is still there, with its revision.
		firstToken: x.SQL(`INSERT INTO {t}entra_tokens AS k (name, sealed, rev, updated_at) VALUES (?, ?, 1, ?)
			ON CONFLICT (name) DO UPDATE SET sealed = excluded.sealed, rev = k.rev + 1, updated_at = excluded.updated_at
			WHERE k.sealed IS NULL RETURNING rev`),
		swapToken: x.SQL(`UPDATE {t}entra_tokens SET sealed = ?, rev = rev + 1, updated_at = ?
			WHERE name = ? AND rev = ? AND sealed IS NOT NULL RETURNING rev`),
		dropToken: x.SQL(`UPDATE {t}entra_tokens SET sealed = NULL WHERE name = ?`),

		revoke: x.SQL(`INSERT INTO {t}entra_revocations AS r (owner, mark, revoked_at, forget_at) VALUES (?, ?, ?, ?)
			ON CONFLICT (owner, mark) DO UPDATE SET revoked_at = excluded.revoked_at,
				forget_at = CASE WHEN r.forget_at > excluded.forget_at THEN r.forget_at ELSE excluded.forget_at END
			WHERE r.revoked_at < excluded.revoked_at`),
		// A session has at most [entra.MaxMarks] marks; those that are missing are asked for as the first one.
		revoked: x.SQL(`SELECT count(*) FROM {t}entra_revocations
			WHERE owner = ? AND mark IN (?` + strings.Repeat(", ?", entra.MaxMarks-1) + `) AND revoked_at >= ?`),
		dropRevoked: x.SQL(`DELETE FROM {t}entra_revocations WHERE forget_at <= ?`),
	}}, nil
}

// wrap names the method where the database failed.
func wrap(method string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("sqlstore: %s: %w", method, err)
}

// foreign reports whether a part of a key cannot be stored as it is, so that nothing is stored under it. It must not find what is
// stored under what [sqlx.Words] would make of it.
func foreign(keys ...string) bool {
	for _, k := range keys {
		if sqlx.Words(k) != k {
			return true
		}
	}
	return false
}

// scanner is a row.
type scanner interface{ Scan(dest ...any) error }

func scanConnection(row scanner) (entra.Connection, error) {
	var c entra.Connection
	var connected, expires, checked int64
	err := row.Scan(&c.Tenant, &c.Integration, &c.Owner, &c.EntraID, &c.Domain, &c.Name, &c.Via, &c.By, &connected, &expires, &checked, &c.Problem)
	c.ConnectedAt, c.ExpiresAt, c.CheckedAt = sqlx.Time(connected), sqlx.Time(expires), sqlx.Time(checked)
	return c, err
}

// querier is the database or a transaction.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

func connections(ctx context.Context, q querier, query string, args ...any) ([]entra.Connection, error) {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []entra.Connection
	for rows.Next() {
		c, err := scanConnection(rows)
		if err != nil {
			return nil, err
		}
		out = append(out, c)
	}
	return out, rows.Err()
}

// Connect implements [entra.ConnectionStore].
func (s *Store) Connect(ctx context.Context, c entra.Connection) error {
	if err := c.Validate(); err != nil {
		return err
	}
	err := s.db.WriteTx(ctx, func(ctx context.Context, tx *sqlx.Tx) error {
		if s.db.Dialect() == Postgres {
			if _, err := tx.ExecContext(ctx, s.q.lock); err != nil {
				return err
			}
		}
		others, err := connections(ctx, tx, s.q.others, c.EntraID, string(c.Tenant))
		if err != nil {
			return err
		}
		if conflict := entra.Conflict(c, others); conflict != nil {
			return conflict
		}
		_, err = tx.ExecContext(ctx, s.q.connect, string(c.Tenant), c.Integration, c.Owner, c.EntraID, sqlx.Words(c.Domain), sqlx.Words(c.Name), sqlx.Words(c.Via), sqlx.Words(c.By),
			sqlx.Micros(c.ConnectedAt), sqlx.Micros(c.ExpiresAt), sqlx.Micros(c.CheckedAt), sqlx.Words(c.Problem))
		return err
	})
	if errors.Is(err, entra.ErrOwned) || errors.Is(err, entra.ErrTaken) {
		return err
	}
	return wrap("connect", err)
}

// Connection implements [entra.ConnectionStore].
func (s *Store) Connection(ctx context.Context, tenant mspkit.TenantID, integration string) (entra.Connection, error) {
	if foreign(string(tenant), integration) {
		return entra.Connection{}, entra.ErrNotConnected
	}
	c, err := scanConnection(s.db.QueryRowContext(ctx, s.q.get, string(tenant), integration))
	if errors.Is(err, sql.ErrNoRows) {
		return entra.Connection{}, entra.ErrNotConnected
	}
	return c, wrap("connection", err)
}

// Connections implements [entra.ConnectionStore].
func (s *Store) Connections(ctx context.Context, owner string) ([]entra.Connection, error) {
	if foreign(owner) {
		return nil, nil
	}
	query, args := s.q.listAll, []any(nil)
	if owner != "" {
		query, args = s.q.list, []any{owner}
	}
	list, err := connections(ctx, s.db, query, args...)
	return list, wrap("connections", err)
}

// changed runs a statement that must find its row.
func (s *Store) changed(ctx context.Context, method, query string, args ...any) error {
	var n int64
	err := s.db.WriteTx(ctx, func(ctx context.Context, tx *sqlx.Tx) error {
		var err error
		n, err = tx.Affected(ctx, query, args...)
		return err
	})
	if err == nil && n == 0 {
		return entra.ErrNotConnected
	}
	return wrap(method, err)
}

// Checked implements [entra.ConnectionStore].
func (s *Store) Checked(ctx context.Context, tenant mspkit.TenantID, integration string, at time.Time, problem string) error {
	if foreign(string(tenant), integration) {
		return entra.ErrNotConnected
	}
	us := sqlx.Micros(at)
	return s.changed(ctx, "checked", s.q.checked, us, sqlx.Words(problem), us, us, string(tenant), integration)
}

// Release implements [entra.ConnectionStore].
func (s *Store) Release(ctx context.Context, tenant mspkit.TenantID, integration, owner string) error {
	if foreign(string(tenant), integration, owner) {
		return entra.ErrNotConnected
	}
	return s.changed(ctx, "release", s.q.release, string(tenant), integration, owner)
}
