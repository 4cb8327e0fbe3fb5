package sqlstore

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/seal"
	"github.com/mspkit/mspkit/internal/sqlx"
	"github.com/mspkit/mspkit/psa"
	"github.com/mspkit/mspkit/psa/outbox"
)

// Add implements [outbox.Store]. An entry needs an ID of its own.
func (s *Store) Add(ctx context.Context, e outbox.Entry, keys [][]byte) (id string, added bool, err error) {
	keys, err = checked(e, keys)
	if err != nil {
		return "", false, err
	}
	if s.db.Dialect() == Postgres && len(keys) < 2 {
		done, err := s.addOnce(ctx, e, keys)
		if done || err != nil {
			return e.ID, done, wrap("add", err)
		}
	}
	err = s.db.WriteTx(ctx, func(ctx context.Context, tx *sqlx.Tx) error {
		id, added, err = s.add(ctx, tx, e, keys)
		return err
	})
	if err != nil {
		return "", false, wrap("add", err)
	}
	return id, added, nil
}

// AddTx implements [outbox.TxStore]. It neither commits nor rolls back. tx must be a transaction of the database of this
// store; the tables are found in it by prefix and schema as [New] was told.
//
// On PostgreSQL it locks nothing but the note's own key: whoever adds a note with the same key waits until this
// transaction ends, and notes of other keys are added to the same ticket and delivered meanwhile. An error of the
// database makes the transaction useless, as any error does there. On SQLite the transaction becomes the one writer; it
// should have begun as one (BEGIN IMMEDIATE, as _txlock=immediate has it with modernc.org/sqlite), because one that has
// read before its first write is refused by SQLite where another has written in between.
func (s *Store) AddTx(ctx context.Context, tx *sql.Tx, e outbox.Entry, keys [][]byte) (id string, added bool, err error) {
	if tx == nil {
		return "", false, fmt.Errorf("sqlstore: add: the transaction is nil: %w", mspkit.ErrInvalid)
	}
	keys, err = checked(e, keys)
	if err != nil {
		return "", false, err
	}
	id, added, err = s.add(ctx, tx, e, keys)
	if err != nil {
		return "", false, wrap("add", err)
	}
	return id, added, nil
}

// checked refuses what cannot be found again, and returns all hashes of the key, each once, in the order in which every
// instance locks them.
func checked(e outbox.Entry, keys [][]byte) ([][]byte, error) {
	if err := (psa.TicketRef{Tenant: e.Tenant, Ticket: e.Ticket}).Validate(); err != nil {
		return nil, err
	}
	switch {
	case strings.Contains(e.Ticket.System, "/"):
		return nil, fmt.Errorf("sqlstore: add: the name of the ticket system holds a slash: %w", mspkit.ErrInvalid)
	case e.ID == "" || sqlx.Words(e.ID) != e.ID:
		return nil, fmt.Errorf("sqlstore: add: the note has no id that can be stored: %w", mspkit.ErrInvalid)
	}
	all := make([][]byte, 0, len(keys)+1)
	for _, k := range append(slices.Clone(keys), e.Key) {
		if len(k) > 0 {
			all = append(all, k)
		}
	}
	slices.SortFunc(all, bytes.Compare)
	return slices.CompactFunc(all, bytes.Equal), nil
}

func noteValues(e outbox.Entry) []any {
	key, _ := seal.KeyID(e.Sealed) // what is not sealed belongs to no key
	return []any{
		string(e.Tenant), e.ID, e.Ticket.System, e.Ticket.ID, present(e.Key), present(e.Sealed), key, e.Parts,
		sqlx.Micros(e.Due), sqlx.Micros(e.AddedAt),
	}
}

// addOnce adds in one round trip and reports whether it did: not where the key is there already. PostgreSQL only.
func (s *Store) addOnce(ctx context.Context, e outbox.Entry, keys [][]byte) (bool, error) {
	if len(keys) == 0 {
		return true, s.db.Call(ctx, s.q.add+` RETURNING seq`, noteValues(e), func(row *sql.Row) error {
			var seq int64
			return row.Scan(&seq)
		})
	}
	var n int
	err := s.db.CallRow(ctx, s.q.addKeyed, append([]any{string(e.Tenant), keys[0], e.ID}, noteValues(e)...), &n)
	return n > 0, err
}

// attempts is how often a key is looked for that vanishes while it is.
const attempts = 5

var errKeys = errors.New("the key of the note came and went several times")

func (s *Store) add(ctx context.Context, tx sqlx.Querier, e outbox.Entry, keys [][]byte) (string, bool, error) {
	for range attempts {
		added, err := s.addIn(ctx, tx, e, keys)
		if err != nil || added {
			return e.ID, added, err
		}
		id, err := s.same(ctx, tx, e, keys)
		if !errors.Is(err, sql.ErrNoRows) {
			return id, false, err
		}
		// It was forgotten a moment ago.
		values := append([]any{string(e.Tenant)}, list(keys)...)
		if _, err := tx.ExecContext(ctx, s.db.SQL(s.q.orphans+marks(len(keys))), values...); err != nil {
			return "", false, err
		}
	}
	return "", false, errKeys
}

// addIn takes all hashes and adds the note, or reports that one of them is taken.
func (s *Store) addIn(ctx context.Context, tx sqlx.Querier, e outbox.Entry, hashes [][]byte) (bool, error) {
	if len(hashes) == 1 && s.q.addKeyed != "" {
		var n int
		err := tx.QueryRowContext(ctx, s.q.addKeyed, append([]any{string(e.Tenant), hashes[0], e.ID}, noteValues(e)...)...).Scan(&n)
		return n > 0, err
	}
	if len(hashes) > 0 {
		values := make([]any, 0, 3*len(hashes))
		for _, h := range hashes {
			values = append(values, string(e.Tenant), h, e.ID)
		}
		text := `INSERT INTO ` + keys + ` (tenant, hash, note) VALUES ` + sqlx.Repeat("(?, ?, ?)", len(hashes)) +
			` ON CONFLICT DO NOTHING`
		res, err := tx.ExecContext(ctx, s.db.SQL(text), values...)
		if err != nil {
			return false, err
		}
		if n, err := res.RowsAffected(); err != nil || n < int64(len(hashes)) {
			return false, err
		}
	}
	_, err := tx.ExecContext(ctx, s.q.add, noteValues(e)...)
	return err == nil, err
}

// same returns the note that has one of the hashes, and leaves all of them to it.
func (s *Store) same(ctx context.Context, tx sqlx.Querier, e outbox.Entry, hashes [][]byte) (id string, err error) {
	in := marks(len(hashes))
	row := tx.QueryRowContext(ctx, s.db.SQL(s.q.known+in+` ORDER BY n.seq LIMIT 1`), append([]any{string(e.Tenant)}, list(hashes)...)...)
	if err := row.Scan(&id); err != nil || id == e.ID || len(hashes) < 2 {
		return id, err
	}
	_, err = tx.ExecContext(ctx, s.db.SQL(s.q.adopt+in), append([]any{id, string(e.Tenant), e.ID}, list(hashes)...)...)
	return id, err
}

func list(hashes [][]byte) []any {
	out := make([]any, len(hashes))
	for i, h := range hashes {
		out[i] = h
	}
	return out
}
