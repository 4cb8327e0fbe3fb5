package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/backlog"
	"github.com/mspkit/mspkit/internal/sqlx"
	"github.com/mspkit/mspkit/teamsapp/changefeed"
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

// Store is a [changefeed.Store] in an SQL database. Use [New].
type Store struct {
	db    *sqlx.DB
	q     *statements
	inbox backlog.Store
}

var _ changefeed.Store = (*Store)(nil)

// New returns a store on the tables that [Migrate] made in db. It does not take db over: the host closes it. It
// reads the version of the tables once and fails with [ErrOutdated] where they are missing or older than this
// release; newer ones are fine. Within 10 seconds it fails where the database does not answer.
func New(db *sql.DB, d Dialect, o *Options) (*Store, error) {
	x, err := component.Open(db, d, (*sqlx.Tables)(o))
	if err != nil {
		return nil, err
	}
	return &Store{db: x, q: newStatements(x), inbox: backlog.NewSQL(x, name)}, nil
}

// Backlog implements [changefeed.Store].
func (s *Store) Backlog() backlog.Store { return s.inbox }

// wrap names the method where the database failed.
func wrap(method string, err error) error {
	if err == nil || errors.Is(err, changefeed.ErrChanged) || errors.Is(err, changefeed.ErrHeld) || errors.Is(err, changefeed.ErrNotFound) {
		return err
	}
	return fmt.Errorf("sqlstore: %s: %w", method, err)
}

func truth(b bool) int {
	if b {
		return 1
	}
	return 0
}

// args are the values of columns.
func args(s changefeed.Subscription) []any {
	at := sqlx.Micros
	return []any{
		string(s.Tenant), s.Key, s.EntraTenant, s.Resource, truth(s.Wanted), string(s.State), sqlx.Words(s.Fault), s.Tries, at(s.Due), s.ID, s.Tag, s.Secret,
		s.URL, s.Changes, s.Certificate, s.NextCertificate, at(s.MadeAt), at(s.ExpiresAt), at(s.ConfirmedAt), at(s.NotifiedAt), at(s.GapFrom), at(s.GapTo),
		s.Cursor, int64(s.Marks), at(s.MarkFrom), s.MarkSeq, s.Holder, at(s.LeaseUntil), s.Version,
	}
}

func scan(row interface{ Scan(dest ...any) error }) (changefeed.Subscription, error) {
	var s changefeed.Subscription
	var due, made, expires, confirmed, notified, gapFrom, gapTo, markFrom, lease int64
	err := row.Scan(&s.Tenant, &s.Key, &s.EntraTenant, &s.Resource, &s.Wanted, &s.State, &s.Fault, &s.Tries, &due, &s.ID, &s.Tag, &s.Secret,
		&s.URL, &s.Changes, &s.Certificate, &s.NextCertificate, &made, &expires, &confirmed, &notified, &gapFrom, &gapTo,
		&s.Cursor, &s.Marks, &markFrom, &s.MarkSeq, &s.Holder, &lease, &s.Version)
	if err != nil {
		return changefeed.Subscription{}, err
	}
	at := sqlx.Time
	s.Due, s.MadeAt, s.ExpiresAt, s.ConfirmedAt, s.NotifiedAt = at(due), at(made), at(expires), at(confirmed), at(notified)
	s.GapFrom, s.GapTo, s.MarkFrom, s.LeaseUntil = at(gapFrom), at(gapTo), at(markFrom), at(lease)
	return s, nil
}

func scanAll(rows *sql.Rows) ([]changefeed.Subscription, error) {
	defer rows.Close()
	var out []changefeed.Subscription
	for rows.Next() {
		s, err := scan(rows)
		if err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	return out, rows.Err()
}

// Follow implements [changefeed.Store].
func (s *Store) Follow(ctx context.Context, tenant mspkit.TenantID, entraTenant string, want []changefeed.Followed, now time.Time) (bool, error) {
	if err := changefeed.ValidateFollowed(tenant, entraTenant, want); err != nil {
		return false, err
	}
	want = slices.Clone(want)
	slices.SortFunc(want, func(a, b changefeed.Followed) int { return strings.Compare(a.Key, b.Key) })
	changed := false
	err := s.db.WriteTx(ctx, func(ctx context.Context, tx *sqlx.Tx) error {
		changed = false
		for _, w := range want {
			n, err := tx.Affected(ctx, s.q.insert, args(changefeed.NewSubscription(tenant, entraTenant, w, now))...)
			if err != nil {
				return err
			}
			changed = changed || n > 0
		}
		rows, err := tx.QueryContext(ctx, s.q.ofTenantLocked, string(tenant))
		if err != nil {
			return err
		}
		list, err := scanAll(rows)
		if err != nil {
			return err
		}
		for _, r := range list {
			_, wanted := slices.BinarySearchFunc(want, r.Key, func(f changefeed.Followed, key string) int { return strings.Compare(f.Key, key) })
			if !r.Want(entraTenant, wanted, now) {
				continue
			}
			changed = true
			if _, err := tx.ExecContext(ctx, s.q.replace, append(args(r), string(tenant), r.Key)...); err != nil {
				return err
			}
		}
		return nil
	})
	return changed, wrap("follow", err)
}

// Subscriptions implements [changefeed.Store].
func (s *Store) Subscriptions(ctx context.Context, tenant mspkit.TenantID) ([]changefeed.Subscription, error) {
	rows, err := s.db.QueryContext(ctx, s.q.ofTenant, string(tenant))
	if err != nil {
		return nil, wrap("subscriptions", err)
	}
	out, err := scanAll(rows)
	return out, wrap("subscriptions", err)
}

// ByTag implements [changefeed.Store].
func (s *Store) ByTag(ctx context.Context, tag string) (changefeed.Subscription, error) {
	out, err := scan(s.db.QueryRowContext(ctx, s.q.byTag, tag))
	if errors.Is(err, sql.ErrNoRows) {
		err = changefeed.ErrNotFound
	}
	return out, wrap("by tag", err)
}

// Due implements [changefeed.Store].
func (s *Store) Due(ctx context.Context, now time.Time, limit int) ([]changefeed.Ref, error) {
	at := sqlx.Micros(now)
	rows, err := s.db.QueryContext(ctx, s.q.due, at, at, max(limit, 0))
	if err != nil {
		return nil, wrap("due", err)
	}
	defer rows.Close()
	var out []changefeed.Ref
	for rows.Next() {
		var r changefeed.Ref
		if err := rows.Scan(&r.Tenant, &r.Key); err != nil {
			return nil, wrap("due", err)
		}
		out = append(out, r)
	}
	return out, wrap("due", rows.Err())
}

// Lease implements [changefeed.Store].
func (s *Store) Lease(ctx context.Context, r changefeed.Ref, holder string, now, until time.Time) (changefeed.Subscription, error) {
	if holder == "" {
		return changefeed.Subscription{}, fmt.Errorf("sqlstore: lease: no holder is named: %w", mspkit.ErrInvalid)
	}
	var out changefeed.Subscription
	err := s.db.WriteTx(ctx, func(ctx context.Context, tx *sqlx.Tx) error {
		var err error
		out, err = scan(tx.QueryRowContext(ctx, s.q.lease, holder, sqlx.Micros(until), string(r.Tenant), r.Key, holder, sqlx.Micros(now)))
		if !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		var one int
		switch err := tx.QueryRowContext(ctx, s.q.exists, string(r.Tenant), r.Key).Scan(&one); {
		case errors.Is(err, sql.ErrNoRows):
			return changefeed.ErrNotFound
		case err != nil:
			return err
		}
		return changefeed.ErrHeld
	})
	if err != nil {
		return changefeed.Subscription{}, wrap("lease", err)
	}
	return out, nil
}

// Save implements [changefeed.Store].
func (s *Store) Save(ctx context.Context, c changefeed.Subscription) (changefeed.Subscription, error) {
	var out changefeed.Subscription
	at := sqlx.Micros
	err := s.db.WriteTx(ctx, func(ctx context.Context, tx *sqlx.Tx) error {
		var err error
		out, err = scan(tx.QueryRowContext(ctx, s.q.save, string(c.State), sqlx.Words(c.Fault), c.Tries,
			c.MarkSeq, at(c.Due), at(c.Due), c.ID, c.Tag, c.Secret, c.URL, c.Changes,
			c.Certificate, c.NextCertificate, at(c.MadeAt), at(c.ExpiresAt), at(c.ConfirmedAt), at(c.GapFrom), at(c.GapTo), c.Cursor,
			c.MarkSeq, int64(c.Marks), c.MarkSeq, at(c.MarkFrom), c.Holder, at(c.LeaseUntil), string(c.Tenant), c.Key, c.Version))
		if errors.Is(err, sql.ErrNoRows) {
			return changefeed.ErrChanged
		}
		return err
	})
	if err != nil {
		return changefeed.Subscription{}, wrap("save", err)
	}
	return out, nil
}

// Delete implements [changefeed.Store].
func (s *Store) Delete(ctx context.Context, c changefeed.Subscription) error {
	return wrap("delete", s.db.WriteTx(ctx, func(ctx context.Context, tx *sqlx.Tx) error {
		n, err := tx.Affected(ctx, s.q.remove, string(c.Tenant), c.Key, c.Version)
		if err == nil && n == 0 {
			return changefeed.ErrChanged
		}
		return err
	}))
}

// marking are the values of a mark.
func marking(m changefeed.Mark, from, now time.Time) []any {
	f, at := sqlx.Micros(from), sqlx.Micros(now)
	return []any{int64(m), f, f, f, at, at}
}

// Mark implements [changefeed.Store].
func (s *Store) Mark(ctx context.Context, r changefeed.Ref, m changefeed.Mark, from, now time.Time) error {
	return wrap("mark", s.db.WriteTx(ctx, func(ctx context.Context, tx *sqlx.Tx) error {
		_, err := tx.ExecContext(ctx, s.q.mark, append(marking(m, from, now), string(r.Tenant), r.Key)...)
		return err
	}))
}

// Notified implements [changefeed.Store].
func (s *Store) Notified(ctx context.Context, refs []changefeed.Ref, now time.Time) error {
	if len(refs) == 0 {
		return nil
	}
	refs = slices.Clone(refs)
	slices.SortFunc(refs, func(a, b changefeed.Ref) int {
		if a.Tenant != b.Tenant {
			return strings.Compare(string(a.Tenant), string(b.Tenant))
		}
		return strings.Compare(a.Key, b.Key)
	})
	at := sqlx.Micros(now)
	return wrap("notified", s.db.WriteTx(ctx, func(ctx context.Context, tx *sqlx.Tx) error {
		for _, r := range refs {
			if _, err := tx.ExecContext(ctx, s.q.notified, at, string(r.Tenant), r.Key, at); err != nil {
				return err
			}
		}
		return nil
	}))
}

// Beat implements [changefeed.Store].
func (s *Store) Beat(ctx context.Context, now time.Time, outage time.Duration) (time.Time, error) {
	var before time.Time
	err := s.db.WriteTx(ctx, func(ctx context.Context, tx *sqlx.Tx) error {
		var us int64
		if err := tx.QueryRowContext(ctx, s.q.lock).Scan(&us); err != nil {
			return err
		}
		before = sqlx.Time(us)
		if us != 0 && sqlx.Micros(now) <= us {
			return nil
		}
		if _, err := tx.ExecContext(ctx, s.q.beat, sqlx.Micros(now)); err != nil {
			return err
		}
		if us != 0 && sqlx.Time(sqlx.Micros(now)).Sub(before) > outage {
			_, err := tx.ExecContext(ctx, s.q.markAll, marking(changefeed.Missed, before, now)...)
			return err
		}
		return nil
	})
	if err != nil {
		return time.Time{}, wrap("beat", err)
	}
	return before, nil
}

// Home implements [changefeed.Store]. Where nothing changes it only reads.
func (s *Store) Home(ctx context.Context, url string, now time.Time) (string, error) {
	var home string
	if err := s.db.QueryRowContext(ctx, s.q.home).Scan(&home); err != nil || url == "" || url == home {
		return home, wrap("home", err)
	}
	err := s.db.WriteTx(ctx, func(ctx context.Context, tx *sqlx.Tx) error {
		if err := tx.QueryRowContext(ctx, s.q.homeLocked).Scan(&home); err != nil || url == home {
			return err
		}
		if _, err := tx.ExecContext(ctx, s.q.setHome, url); err != nil || home == "" {
			return err
		}
		_, err := tx.ExecContext(ctx, s.q.markAll, marking(changefeed.Missed, time.Time{}, now)...)
		return err
	})
	if err != nil {
		return "", wrap("home", err)
	}
	return url, nil
}
