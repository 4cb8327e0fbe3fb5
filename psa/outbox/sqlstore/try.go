package sqlstore

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/sqlx"
	"github.com/mspkit/mspkit/psa"
	"github.com/mspkit/mspkit/psa/outbox"
)

// Next implements [outbox.Store].
func (s *Store) Next(ctx context.Context, stream mspkit.Stream, holder string, now, until time.Time) (outbox.Entry, error) {
	p, err := placeOf(stream)
	if err != nil {
		return outbox.Entry{}, err
	}
	if holder == "" {
		return outbox.Entry{}, fmt.Errorf("sqlstore: next: nobody is named as the holder: %w", mspkit.ErrInvalid)
	}
	if s.db.Dialect() == Postgres {
		if e, verdict, err := s.nextOnce(ctx, p, holder, sqlx.Micros(now), sqlx.Micros(until)); err != nil || !errors.Is(verdict, errAgain) {
			return e, cmp.Or(wrap("next", err), verdict)
		}
	}
	var e outbox.Entry
	var verdict error
	err = s.db.WriteTx(ctx, func(ctx context.Context, tx *sqlx.Tx) error {
		var err error
		e, verdict, err = s.next(ctx, tx, p, holder, sqlx.Micros(now), sqlx.Micros(until))
		return err
	})
	if err != nil {
		return outbox.Entry{}, wrap("next", err)
	}
	return e, verdict
}

// errAgain is the verdict of nextOnce where something changed meanwhile.
var errAgain = errors.New("look again")

// nextOnce is next in one round trip where there is something to do, and in two where there is not. PostgreSQL only.
func (s *Store) nextOnce(ctx context.Context, p place, holder string, now, until int64) (e outbox.Entry, verdict, err error) {
	var sealed []byte
	err = s.db.Call(ctx, s.q.nextOnce, []any{
		p.tenant, p.system, p.ticket, holder, until, p.tenant, p.system, p.ticket, now, now,
		until, now, p.tenant, p.system, p.ticket, now,
	}, func(row *sql.Row) error {
		var err error
		e, err = scanEntry(row, &sealed)
		e.Sealed = sealed
		return err
	})
	if !errors.Is(err, sql.ErrNoRows) {
		return e, nil, err
	}
	var due, held int64
	err = s.db.CallRow(ctx, s.q.none, []any{
		p.tenant, p.system, p.ticket, holder, p.tenant, p.system, p.ticket, now,
		p.tenant, p.system, p.ticket, p.tenant, p.system, p.ticket, holder, now,
	}, &due, &held)
	switch {
	case err != nil:
		return outbox.Entry{}, nil, err
	case held > 0:
		return outbox.Entry{Due: sqlx.Time(held)}, outbox.ErrHeld, nil
	case due < 0: // there is none
		return outbox.Entry{}, outbox.ErrNone, nil
	case due > now:
		return outbox.Entry{Due: sqlx.Time(due)}, outbox.ErrNone, nil
	}
	return outbox.Entry{}, errAgain, nil
}

// next takes the stream and its first entry. The verdict is what Next returns once this is committed.
func (s *Store) next(ctx context.Context, tx *sqlx.Tx, p place, holder string, now, until int64) (e outbox.Entry, verdict, err error) {
	n, err := tx.Affected(ctx, s.q.take, p.tenant, p.system, p.ticket, holder, until, now)
	if err != nil {
		return outbox.Entry{}, nil, err
	}
	if n == 0 {
		var end int64
		err := tx.QueryRowContext(ctx, s.q.held, p.tenant, p.system, p.ticket).Scan(&end)
		return outbox.Entry{Due: sqlx.Time(end)}, outbox.ErrHeld, err
	}
	for range attempts {
		var sealed []byte
		e, err = scanEntry(tx.QueryRowContext(ctx, s.q.try, until, now, p.tenant, p.system, p.ticket, now), &sealed)
		if !errors.Is(err, sql.ErrNoRows) {
			e.Sealed = sealed
			return e, nil, err
		}
		var due int64
		err = tx.QueryRowContext(ctx, s.q.head, p.tenant, p.system, p.ticket).Scan(&due)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return outbox.Entry{}, nil, err
		}
		if err != nil || due > now {
			_, err = tx.ExecContext(ctx, s.q.release, p.tenant, p.system, p.ticket, holder)
			return outbox.Entry{Due: sqlx.Time(due)}, outbox.ErrNone, err
		}
		// On PostgreSQL the first entry ended while this waited for it: there is another first one now.
	}
	return outbox.Entry{}, nil, errors.New("the first note of the stream ended again and again")
}

// Finish implements [outbox.Store]. A lease that has run out does no harm as long as nobody else took the stream.
func (s *Store) Finish(ctx context.Context, e outbox.Entry, holder string, o outbox.Outcome, now time.Time) error {
	after, kind := e, outbox.EventKind("")
	switch {
	case o.NoteID != "":
		after.Done, after.NoteIDs = e.Done+1, append(append([]string(nil), e.NoteIDs...), o.NoteID)
		after.Tries, after.Unclear, after.TriedAt, after.Fault, after.Due = 0, false, time.Time{}, "", now
		if after.Done >= e.Parts {
			after.State, after.EndedAt, kind = outbox.Delivered, now, outbox.EventDelivered
		}
	case o.Dead:
		after.State, after.EndedAt, after.Unclear, after.Fault, kind = outbox.Dead, now, o.Unclear, o.Fault, outbox.EventDead
	default:
		after.Due, after.Unclear, after.Fault = o.Due, o.Unclear, o.Fault
	}
	n, err := s.finish(ctx, e, after, holder, kind, []any{sqlx.Words(o.EventID), string(kind), sqlx.Micros(now), "", sqlx.Words(after.Fault)})
	switch {
	case err != nil:
		return wrap("finish", err)
	case n == 0:
		return outbox.ErrLost
	}
	return nil
}

// finish stores what became of e, with an event where there is a kind of it, and returns how many entries that were.
func (s *Store) finish(ctx context.Context, e, after outbox.Entry, holder string, kind outbox.EventKind, event []any) (n int64, err error) {
	values := []any{
		string(after.State), after.Done, encodeIDs(after.NoteIDs), after.Tries, truth(after.Unclear), sqlx.Micros(after.TriedAt),
		sqlx.Micros(after.Due), sqlx.Micros(after.EndedAt), sqlx.Words(after.Fault),
		string(e.Tenant), e.ID, e.Seq, e.Done, e.Tries, string(e.Tenant), e.Ticket.System, e.Ticket.ID, holder,
	}
	text, once := s.q.finish, s.q.finishOnce
	switch kind {
	case outbox.EventDelivered:
		text, once = s.q.deliver, s.q.deliverOnce
	case outbox.EventDead:
		once = s.q.dieOnce
	case outbox.EventReplayed, outbox.EventDropped:
	}
	if s.db.Dialect() == Postgres {
		if kind != "" {
			values = append(values, event...)
		}
		err = s.db.CallRow(ctx, once, values, &n)
		return n, err
	}
	err = s.db.WriteTx(ctx, func(ctx context.Context, tx *sqlx.Tx) error {
		var err error
		if n, err = tx.Affected(ctx, text, values...); err != nil || n == 0 || kind == "" {
			return err
		}
		_, err = tx.ExecContext(ctx, s.q.event, append(slices.Clone(event), string(e.Tenant), e.ID)...)
		return err
	})
	return n, err
}

// Release implements [outbox.Store].
func (s *Store) Release(ctx context.Context, stream mspkit.Stream, holder string) error {
	p, err := placeOf(stream)
	if err != nil {
		return err
	}
	return wrap("release", s.db.WriteTx(ctx, func(ctx context.Context, tx *sqlx.Tx) error {
		n, err := tx.Affected(ctx, s.q.release, p.tenant, p.system, p.ticket, holder)
		if err == nil && n > 0 {
			_, err = tx.ExecContext(ctx, s.q.untried, p.tenant, p.system, p.ticket)
		}
		return err
	}))
}

// Due implements [outbox.Store]. It only reads. It looks at the notes that are due for longest. Where many of them stand
// behind one that has to wait, as when the ticket system is down, it looks at the first note of each stream instead.
func (s *Store) Due(ctx context.Context, now time.Time, limit int) ([]mspkit.Stream, error) {
	if limit < 1 {
		return nil, nil
	}
	at := sqlx.Micros(now)
	out, err := s.streams(ctx, s.q.due, at, limit)
	if err != nil || len(out) == limit {
		return out, wrap("due", err)
	}
	var more int
	if err := s.db.QueryRowContext(ctx, s.q.dueMore, at).Scan(&more); err != nil || more == 0 {
		return out, wrap("due", err)
	}
	out, err = s.streams(ctx, s.q.dueFirst, at, limit)
	return out, wrap("due", err)
}

func (s *Store) streams(ctx context.Context, query string, at int64, limit int) ([]mspkit.Stream, error) {
	rows, err := s.db.QueryContext(ctx, query, at, at, limit)
	return all(rows, err, func(row scanner) (mspkit.Stream, error) {
		var ref psa.TicketRef
		err := row.Scan(&ref.Tenant, &ref.Ticket.System, &ref.Ticket.ID)
		return outbox.StreamOf(ref), err
	})
}
