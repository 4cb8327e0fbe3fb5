package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/entra"
	"github.com/mspkit/mspkit/entra/accounts"
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

// Store is an [accounts.Store] in an SQL database. Use [New].
type Store struct {
	db *sqlx.DB
	q  statements
}

var _ accounts.Store = (*Store)(nil)

// statements are all statements, expanded once.
type statements struct {
	lock                                                                        string
	get, byIdentity, list, others, insert, update, remove                       string
	invite, clash, countOpen, invitation, invitations, accepted, revoke, expire string
}

const (
	accountColumns = `owner, id, version, kind, client, display_name, role_name, ui, mfa, entra_tenant, entra_object, created_at, linked_at, disabled_at`
	inviteColumns  = `owner, id, hash, kind, client, role_name, ui, account_id, by_whom, sealed, created_at, expires_at, accepted_at, revoked_at`
)

// New returns a store on the tables that [Migrate] made in db. It does not take db over: the host closes it. It
// reads the version of the tables once and fails with [ErrOutdated] where they are missing or older than this
// release; newer ones are fine. Within 10 seconds it fails where the database does not answer.
func New(db *sql.DB, d Dialect, o *Options) (*Store, error) {
	x, err := component.Open(db, d, (*sqlx.Tables)(o))
	if err != nil {
		return nil, err
	}
	const (
		account = `SELECT ` + accountColumns + ` FROM {t}accounts_accounts WHERE owner = ?`
		invited = `SELECT ` + inviteColumns + ` FROM {t}accounts_invitations WHERE `
		open    = `accepted_at = 0 AND revoked_at = 0 AND expires_at > ?`
	)
	s := &Store{db: x, q: statements{
		get:        x.SQL(account + ` AND id = ?`),
		byIdentity: x.SQL(account + ` AND entra_tenant = ? AND entra_object = ? AND entra_object <> ''`),
		list:       x.SQL(account + ` ORDER BY created_at, id`),
		others:     x.SQL(account + ` AND (role_name = 'Admin' OR entra_tenant = ? AND entra_object = ? AND entra_object <> '')`),
		insert:     x.SQL(`INSERT INTO {t}accounts_accounts (` + accountColumns + `) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`),
		update: x.SQL(`UPDATE {t}accounts_accounts SET version = ?, display_name = ?, role_name = ?, ui = ?, mfa = ?, entra_tenant = ?, entra_object = ?,
			linked_at = ?, disabled_at = ? WHERE owner = ? AND id = ?`),
		remove: x.SQL(`DELETE FROM {t}accounts_accounts WHERE owner = ? AND id = ?`),

		invite:      x.SQL(`INSERT INTO {t}accounts_invitations (` + inviteColumns + `) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`),
		clash:       x.SQL(`SELECT count(*) FROM {t}accounts_invitations WHERE owner = ? AND id = ? OR hash = ?`),
		countOpen:   x.SQL(`SELECT count(*) FROM {t}accounts_invitations WHERE owner = ? AND ` + open),
		invitation:  x.SQL(invited + `hash = ?`),
		invitations: x.SQL(invited + `owner = ? ORDER BY created_at, id`),
		// Of all who accept or revoke one is told that a row was changed.
		accepted: x.SQL(`UPDATE {t}accounts_invitations SET accepted_at = ? WHERE hash = ? AND ` + open),
		revoke:   x.SQL(`UPDATE {t}accounts_invitations SET revoked_at = ? WHERE owner = ? AND id = ? AND ` + open + ` RETURNING ` + inviteColumns),
		expire:   x.SQL(`DELETE FROM {t}accounts_invitations WHERE expires_at <= ?`),
	}}
	if d == Postgres {
		// Those who change something come one after the other, so that what each has seen of the others stays true until it has
		// stored. Nobody who reads waits, and accounts are changed a few times a day. SQLite has one writer anyway.
		s.q.lock = x.SQL(`LOCK TABLE {t}accounts_accounts IN SHARE ROW EXCLUSIVE MODE`)
	}
	return s, nil
}

// own are the errors that are an answer and no fault.
var own = []error{
	accounts.ErrNotFound, accounts.ErrExists, accounts.ErrConflict, accounts.ErrLinked, accounts.ErrTaken, accounts.ErrLastAdmin, accounts.ErrSetUp,
	accounts.ErrState, accounts.ErrTooMany, accounts.ErrDisabled,
}

// wrap names the method where the database failed.
func wrap(method string, err error) error {
	if err == nil {
		return nil
	}
	for _, o := range own {
		if errors.Is(err, o) {
			return err
		}
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

func scanAccount(row scanner) (accounts.Account, error) {
	var a accounts.Account
	var role, ui, mfa string
	var created, linked, disabled int64
	err := row.Scan(&a.Owner, &a.ID, &a.Version, &a.Kind, &a.Client, &a.Name, &role, &ui, &mfa, &a.TenantID, &a.ObjectID, &created, &linked, &disabled)
	if errors.Is(err, sql.ErrNoRows) {
		err = accounts.ErrNotFound
	}
	if err != nil {
		return accounts.Account{}, err
	}
	a.CreatedAt, a.LinkedAt, a.DisabledAt = sqlx.Time(created), sqlx.Time(linked), sqlx.Time(disabled)
	var errs [2]error
	a.Role, a.UI, errs[0] = access(a.Kind, role, ui)
	a.MFA, errs[1] = accounts.ParseMFA(mfa)
	if err := errors.Join(errs[:]...); err != nil { // a newer release knows more
		return accounts.Account{}, fmt.Errorf("an account cannot be read: %w", err)
	}
	return a, nil
}

// access reads what accounts and invitations have in common.
func access(k accounts.Kind, role, ui string) (entra.Role, entra.UI, error) {
	u, err := entra.ParseUI(ui)
	if err != nil || k == accounts.Portal && role == entra.RoleNone.String() {
		return entra.RoleNone, u, err
	}
	r, err := entra.ParseRole(role)
	return r, u, err
}

func scanInvitation(row scanner) (accounts.Record, error) {
	var r accounts.Record
	var role, ui string
	var created, expires, accepted, revoked int64
	err := row.Scan(&r.Owner, &r.ID, &r.Hash, &r.Kind, &r.Client, &role, &ui, &r.AccountID, &r.By, &r.Sealed, &created, &expires, &accepted, &revoked)
	if errors.Is(err, sql.ErrNoRows) {
		err = accounts.ErrNotFound
	}
	if err != nil {
		return accounts.Record{}, err
	}
	r.CreatedAt, r.ExpiresAt, r.AcceptedAt, r.RevokedAt = sqlx.Time(created), sqlx.Time(expires), sqlx.Time(accepted), sqlx.Time(revoked)
	if r.Role, r.UI, err = access(r.Kind, role, ui); err != nil {
		return accounts.Record{}, fmt.Errorf("an invitation cannot be read: %w", err)
	}
	return r, nil
}

// all reads rows.
func all[T any](ctx context.Context, q sqlx.Querier, scan func(scanner) (T, error), query string, args ...any) ([]T, error) {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []T
	for rows.Next() {
		v, err := scan(rows)
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, rows.Err()
}

// write runs f in a transaction in which nobody else changes an account.
func (s *Store) write(ctx context.Context, method string, f func(context.Context, *sqlx.Tx) error) error {
	return wrap(method, s.db.WriteTx(ctx, func(ctx context.Context, tx *sqlx.Tx) error {
		if s.q.lock != "" {
			if _, err := tx.ExecContext(ctx, s.q.lock); err != nil {
				return err
			}
		}
		return f(ctx, tx)
	}))
}

// valid refuses what cannot be stored as it is.
func valid(err error, words ...string) error {
	if err == nil && foreign(words...) {
		err = fmt.Errorf("sqlstore: a text cannot be stored: %w", mspkit.ErrInvalid)
	}
	return err
}
