package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/sqlx"
	"github.com/mspkit/mspkit/mail"
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
	// ErrOutdated means that the table is older than this release: run [Migrate].
	ErrOutdated = sqlx.ErrOutdated
	// ErrEdited means that a migration reads differently than when it ran.
	ErrEdited = sqlx.ErrEdited
)

// Options say where the table is. Nil and the zero value are fine. [New] and [Migrate] need the same ones.
type Options struct {
	// Prefix begins the name of every table and index: 1 to 24 of a-z, 0-9 and '_', a letter first. Empty
	// means "mspkit_".
	Prefix string
	// Schema is the PostgreSQL schema of the table. Empty means the connection's search path. SQLite has none.
	Schema string
}

// Store is a [mail.SenderStore] in an SQL database. Use [New].
type Store struct {
	db                           *sqlx.DB
	put, get, list, note, remove string
}

var _ mail.SenderStore = (*Store)(nil)

// New returns a store on the table that [Migrate] made in db. It does not take db over: the host closes it. It
// reads the version of the table once and fails with [ErrOutdated] where it is missing or older than this
// release; newer ones are fine. Within 10 seconds it fails where the database does not answer.
func New(db *sql.DB, d Dialect, o *Options) (*Store, error) {
	x, err := component.Open(db, d, (*sqlx.Tables)(o))
	if err != nil {
		return nil, err
	}
	const columns = `tenant, email, name, mailbox, by_whom, chosen_at, tested_at, checked_at, problem`
	return &Store{
		db: x,
		put: x.SQL(`INSERT INTO {t}mail_senders (` + columns + `) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
			ON CONFLICT (tenant) DO UPDATE SET email = excluded.email, name = excluded.name, mailbox = excluded.mailbox, by_whom = excluded.by_whom,
				chosen_at = excluded.chosen_at, tested_at = excluded.tested_at, checked_at = excluded.checked_at, problem = excluded.problem`),
		get:  x.SQL(`SELECT ` + columns + ` FROM {t}mail_senders WHERE tenant = ?`),
		list: x.SQL(`SELECT ` + columns + ` FROM {t}mail_senders ORDER BY tenant`),
		note: x.SQL(`UPDATE {t}mail_senders SET checked_at = ?, problem = ?, tested_at = CASE WHEN tested_at < ? THEN ? ELSE tested_at END
			WHERE tenant = ? AND mailbox = ? AND checked_at <= ?`),
		remove: x.SQL(`DELETE FROM {t}mail_senders WHERE tenant = ?`),
	}, nil
}

// wrap names the method where the database failed.
func wrap(method string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("sqlstore: %s: %w", method, err)
}

// PutSender implements [mail.SenderStore].
func (s *Store) PutSender(ctx context.Context, v mail.Sender) error {
	if err := v.Validate(); err != nil {
		return err
	}
	return wrap("put sender", s.db.WriteTx(ctx, func(ctx context.Context, tx *sqlx.Tx) error {
		_, err := tx.ExecContext(ctx, s.put, string(v.Tenant), v.Address.Email, v.Address.Name, sqlx.Words(v.MailboxID), sqlx.Words(v.By),
			sqlx.Micros(v.ChosenAt), sqlx.Micros(v.TestedAt), sqlx.Micros(v.CheckedAt), sqlx.Words(v.Problem))
		return err
	}))
}

func scan(row interface{ Scan(...any) error }) (mail.Sender, error) {
	var v mail.Sender
	var chosen, tested, checked int64
	err := row.Scan(&v.Tenant, &v.Address.Email, &v.Address.Name, &v.MailboxID, &v.By, &chosen, &tested, &checked, &v.Problem)
	v.ChosenAt, v.TestedAt, v.CheckedAt = sqlx.Time(chosen), sqlx.Time(tested), sqlx.Time(checked)
	return v, err
}

func none(tenant mspkit.TenantID) error {
	return fmt.Errorf("%w: tenant %q has no sender: an administrator must choose one", mail.ErrNotSetUp, string(tenant))
}

// Sender implements [mail.SenderStore].
func (s *Store) Sender(ctx context.Context, tenant mspkit.TenantID) (mail.Sender, error) {
	v, err := scan(s.db.QueryRowContext(ctx, s.get, sqlx.Words(string(tenant))))
	if errors.Is(err, sql.ErrNoRows) {
		return mail.Sender{}, none(tenant)
	}
	return v, wrap("sender", err)
}

// Senders implements [mail.SenderStore].
func (s *Store) Senders(ctx context.Context) ([]mail.Sender, error) {
	rows, err := s.db.QueryContext(ctx, s.list)
	if err != nil {
		return nil, wrap("senders", err)
	}
	defer rows.Close()
	var out []mail.Sender
	for rows.Next() {
		v, err := scan(rows)
		if err != nil {
			return nil, wrap("senders", err)
		}
		out = append(out, v)
	}
	return out, wrap("senders", rows.Err())
}

// NoteSender implements [mail.SenderStore].
func (s *Store) NoteSender(ctx context.Context, tenant mspkit.TenantID, mailboxID string, checked, tested time.Time, problem string) error {
	at, test := sqlx.Micros(checked), sqlx.Micros(tested)
	return wrap("note sender", s.db.WriteTx(ctx, func(ctx context.Context, tx *sqlx.Tx) error {
		_, err := tx.ExecContext(ctx, s.note, at, sqlx.Words(problem), test, test, sqlx.Words(string(tenant)), sqlx.Words(mailboxID), at)
		return err
	}))
}

// DeleteSender implements [mail.SenderStore].
func (s *Store) DeleteSender(ctx context.Context, tenant mspkit.TenantID) error {
	var n int64
	err := s.db.WriteTx(ctx, func(ctx context.Context, tx *sqlx.Tx) error {
		var err error
		n, err = tx.Affected(ctx, s.remove, sqlx.Words(string(tenant)))
		return err
	})
	if err == nil && n == 0 {
		return none(tenant)
	}
	return wrap("delete sender", err)
}
