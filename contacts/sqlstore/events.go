package sqlstore

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/contacts"
	"github.com/mspkit/mspkit/contacts/internal/people"
	"github.com/mspkit/mspkit/internal/sqlx"
)

const eventColumns = `e.tenant, e.seq, e.kind, e.person, e.name, e.manager, e.other, e.source, e.by_whom, e.reason, e.first_listing,
	e.changes, e.at`

// eventKinds has a letter for each column of an event, as from takes it.
const eventKinds = "tittttttttiti"

func scanEvent(row scanner) (contacts.Event, error) {
	var e contacts.Event
	var changes string
	var at int64
	err := row.Scan(&e.Tenant, &e.Seq, &e.Kind, &e.Contact, &e.Name, &e.Manager, &e.Other, &e.Source, &e.By, &e.Reason,
		&e.First, &changes, &at)
	if err != nil {
		return contacts.Event{}, err
	}
	e.At = sqlx.Time(at)
	if changes != "" {
		if err := json.Unmarshal([]byte(changes), &e.Changes); err != nil {
			return contacts.Event{}, fmt.Errorf("column changes of event %d of tenant %s: %w", e.Seq, e.Tenant, err)
		}
	}
	return e, nil
}

// Events implements [contacts.Directory].
func (s *Store) Events(ctx context.Context, tenant mspkit.TenantID, after int64, limit int) ([]contacts.Event, error) {
	limit, err := people.Limit(limit)
	if err == nil {
		err = tenant.Validate()
	}
	if err != nil {
		return nil, err
	}
	rows, err := s.db.QueryContext(ctx, s.q.events, string(tenant), after, limit)
	out, err := all(rows, err, scanEvent)
	return out, wrap("events", err)
}

// History implements [contacts.Directory].
func (s *Store) History(ctx context.Context, tenant mspkit.TenantID, id string, limit int) ([]contacts.Event, error) {
	limit, err := people.Limit(limit)
	if err == nil {
		err = tenant.Validate()
	}
	if err != nil || id == "" {
		return nil, err
	}
	id = sqlx.Words(id)
	rows, err := s.db.QueryContext(ctx, s.q.history, string(tenant), id, limit, string(tenant), id, limit, limit)
	out, err := all(rows, err, scanEvent)
	return out, wrap("history", err)
}

// addEvents stores events of a tenant whose row is locked, numbered after seq, and tells the consumers.
func (s *Store) addEvents(ctx context.Context, tx *sqlx.Tx, tenant mspkit.TenantID, seq int64, events []contacts.Event) error {
	if len(events) == 0 {
		return nil
	}
	b := newBulk(s.db.Dialect(), len(eventKinds))
	for i, e := range events {
		changes := ""
		if len(e.Changes) > 0 {
			text, err := json.Marshal(e.Changes)
			if err != nil {
				return err
			}
			changes = string(text)
		}
		b.begin().text(string(tenant)).number(seq + int64(i) + 1).text(string(e.Kind)).text(e.Contact).text(e.Name).text(e.Manager).
			text(e.Other).text(e.Source).text(e.By).text(e.Reason).truth(e.First).text(changes).number(sqlx.Micros(e.At))
	}
	if _, err := tx.ExecContext(ctx, s.q.addEvents, b.args()...); err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, s.q.setSeq, seq+int64(len(events)), string(tenant)); err != nil {
		return err
	}
	if s.q.shareConsumers != "" {
		if _, err := tx.ExecContext(ctx, s.q.shareConsumers); err != nil {
			return err
		}
	}
	_, err := tx.ExecContext(ctx, s.q.behind, string(tenant))
	return err
}

// Unhandled implements [contacts.Directory]. A consumer that asks for the first time is noted.
func (s *Store) Unhandled(ctx context.Context, consumer string, limit int) ([]contacts.Event, error) {
	limit, err := people.Limit(limit)
	if err == nil {
		err = s.knowConsumer(ctx, consumer)
	}
	if err != nil {
		return nil, wrapUnlessKnown("unhandled", err)
	}
	rows, err := s.db.QueryContext(ctx, s.q.waiting, consumer, limit)
	waiting, err := all(rows, err, func(row scanner) (backlog, error) {
		var b backlog
		err := row.Scan(&b.tenant, &b.done, &b.last)
		return b, err
	})
	if err != nil || len(waiting) == 0 {
		return nil, wrap("unhandled", err)
	}
	each := share(waiting, int64(limit))
	b := newBulk(s.db.Dialect(), 3)
	for _, w := range waiting {
		b.begin().text(w.tenant).number(w.done).number(min(w.last, w.done+each))
	}
	rows, err = s.db.QueryContext(ctx, s.q.unhandled, append(b.args(), limit)...)
	out, err := all(rows, err, scanEvent)
	return out, wrap("unhandled", err)
}

// backlog is what a consumer has not handled of a tenant.
type backlog struct {
	tenant     string
	done, last int64
}

// share returns how many events of each tenant are enough for so many in all, the first of each tenant before the second
// of any: one tenant whose events nobody can handle does not keep the others waiting.
func share(list []backlog, limit int64) int64 {
	list = slices.SortedFunc(slices.Values(list), func(a, b backlog) int { return cmp.Compare(a.last-a.done, b.last-b.done) })
	for i, w := range list {
		n, rest := w.last-w.done, int64(len(list)-i)
		if n*rest >= limit {
			return (limit + rest - 1) / rest
		}
		limit -= n
	}
	return list[len(list)-1].last - list[len(list)-1].done
}

// Handled implements [contacts.Directory]. A number that is lower than the one noted changes nothing.
func (s *Store) Handled(ctx context.Context, consumer string, tenant mspkit.TenantID, seq int64) error {
	if err := tenant.Validate(); err != nil {
		return err
	}
	if err := s.knowConsumer(ctx, consumer); err != nil {
		return wrapUnlessKnown("handled", err)
	}
	return wrapUnlessKnown("handled", s.db.WriteTx(ctx, func(ctx context.Context, tx *sqlx.Tx) error {
		// The tenant's row first, as where events are added: nobody adds one while it is decided whether that was the last.
		last, err := s.lockKnown(ctx, tx, tenant)
		if err != nil {
			return err
		}
		if seq < 0 || seq > last {
			return fmt.Errorf("sqlstore: event %d of tenant %s cannot be handled, there are %d: %w", seq, tenant, last, mspkit.ErrInvalid)
		}
		if last == 0 {
			return nil
		}
		_, err = tx.ExecContext(ctx, s.q.handled, consumer, string(tenant), seq, truth(seq < last))
		return err
	}))
}

// knowConsumer notes a consumer, once, and what there is for it. Until the note is there for all to see, nobody who adds
// events can be at it: it waits for those who are, and those who come wait for it.
func (s *Store) knowConsumer(ctx context.Context, consumer string) error {
	if _, ok := s.known.Load(consumer); ok {
		return nil
	}
	if err := people.ValidateConsumer(consumer); err != nil {
		return err
	}
	var n int
	if err := s.db.QueryRowContext(ctx, s.q.consumer, consumer).Scan(&n); err != nil {
		return err
	}
	if n == 0 {
		err := s.db.WriteTx(ctx, func(ctx context.Context, tx *sqlx.Tx) error {
			if s.q.lockConsumers != "" {
				if _, err := tx.ExecContext(ctx, s.q.lockConsumers); err != nil {
					return err
				}
			}
			n, err := tx.Affected(ctx, s.q.addConsumer, consumer)
			if err != nil || n == 0 {
				return err
			}
			_, err = tx.ExecContext(ctx, s.q.allBehind, consumer)
			return err
		})
		if err != nil {
			return err
		}
	}
	s.known.Store(consumer, true)
	return nil
}
