package sqlstore

import (
	"context"
	"errors"
	"math"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/contacts"
	"github.com/mspkit/mspkit/contacts/internal/people"
)

// errDry undoes a dry run.
var errDry = errors.New("sqlstore: a dry run")

// Apply implements [contacts.Directory]. A dry run does the same work and undoes it.
func (s *Store) Apply(ctx context.Context, b contacts.Batch) (contacts.Applied, error) {
	if err := people.ValidateSource(b.At.Tenant, b.At.Source); err != nil {
		return contacts.Applied{}, err
	}
	var out contacts.Applied
	err := s.change(ctx, b.At.Tenant, func(ctx context.Context, w *writer) error {
		out = contacts.Applied{}
		if err := w.apply(ctx, b, &out); err != nil {
			return err
		}
		if b.DryRun {
			return errDry
		}
		return nil
	})
	if err != nil && !errors.Is(err, errDry) {
		return contacts.Applied{}, wrapUnlessKnown("apply", err)
	}
	return out, nil
}

func (w *writer) apply(ctx context.Context, b contacts.Batch, out *contacts.Applied) error {
	stored, err := w.s.checkpoint(ctx, w.tx, b.At.Tenant, b.At.Source)
	if err != nil {
		return err
	}
	page, err := people.Begin(b, stored)
	if err != nil {
		return err
	}
	there := 0
	if page.Sweep && b.MaxLeft > 0 {
		if there, err = w.present(ctx, b.At.Source, math.MaxInt64); err != nil {
			return err
		}
	}
	gone := 0
	if len(page.Keys) > 0 {
		st, err := w.load(ctx, page.Keys, page.Emails)
		if err != nil {
			return err
		}
		if err := w.managers(ctx, &st, page); err != nil {
			return err
		}
		plan := page.Plan(st)
		count(out, plan, b.DryRun)
		if err := w.write(ctx, st, plan, page.Next.Run); err != nil {
			return err
		}
		gone = removed(st, page.Removed())
	}
	if page.Sweep {
		if b.MaxLeft > 0 {
			old, err := w.present(ctx, b.At.Source, page.Next.Run)
			if err != nil {
				return err
			}
			if err := people.CheckLeave(b, gone+old, there); err != nil {
				return err
			}
		}
		args := []any{string(w.tenant), b.At.Source, page.Next.Run}
		err := w.each(ctx, w.s.q.stale, args, b.At.Source, func(st people.State, keys []people.Key) error {
			plan := people.Remove(st, keys, page.Change())
			count(out, plan, b.DryRun)
			return w.write(ctx, st, plan, page.Next.Run)
		})
		if err != nil {
			return err
		}
	}
	out.At = page.Next
	return w.s.putCheckpoint(ctx, w.tx, page.Next, stored.Rev)
}

// removed counts who was there, and on, of those whom the page removes.
func removed(st people.State, keys []people.Key) int {
	in := make(map[people.Key]bool, len(keys))
	for _, k := range keys {
		in[k] = true
	}
	n := 0
	for _, r := range st.Records {
		if in[r.Key] && r.Status == people.Live && r.Contact.Enabled {
			n++
		}
	}
	return n
}

// present counts who is on at a source, of those that a run before this one told of last.
func (w *writer) present(ctx context.Context, source string, run int64) (n int, err error) {
	err = w.tx.QueryRowContext(ctx, w.s.q.countPresent, string(w.tenant), source, run).Scan(&n)
	return n, err
}

// each calls f with all records of a source that a query finds, some at a time. The query takes args, the last id and how
// many.
func (w *writer) each(ctx context.Context, query string, args []any, source string,
	f func(people.State, []people.Key) error,
) error {
	after := ""
	for {
		rows, err := w.tx.QueryContext(ctx, query, append(append([]any(nil), args...), after, part)...)
		keys, err := all(rows, err, func(row scanner) (people.Key, error) {
			k := people.Key{Source: source}
			err := row.Scan(&k.ID)
			return k, err
		})
		if err != nil || len(keys) == 0 {
			return err
		}
		after = keys[len(keys)-1].ID
		st, err := w.load(ctx, keys, nil)
		if err != nil {
			return err
		}
		if err := w.managers(ctx, &st, nil); err != nil {
			return err
		}
		if err := f(st, keys); err != nil {
			return err
		}
	}
}

// Forget implements [contacts.Directory].
func (s *Store) Forget(ctx context.Context, tenant mspkit.TenantID, source string, now time.Time) (contacts.Applied, error) {
	if err := people.ValidateSource(tenant, source); err != nil {
		return contacts.Applied{}, err
	}
	var out contacts.Applied
	err := s.change(ctx, tenant, func(ctx context.Context, w *writer) error {
		out = contacts.Applied{}
		err := w.each(ctx, s.q.remembered, []any{string(tenant), source}, source, func(st people.State, keys []people.Key) error {
			plan := people.Forget(st, keys, people.Change{Source: source, Now: people.Time(now)})
			count(&out, plan, false)
			return w.write(ctx, st, plan, 0)
		})
		if err != nil {
			return err
		}
		_, err = w.tx.ExecContext(ctx, s.q.dropCheckpoint, string(tenant), source)
		return err
	})
	if err != nil {
		return contacts.Applied{}, wrapUnlessKnown("forget", err)
	}
	return out, nil
}
