package sqlstore

import (
	"context"
	"database/sql"
	"errors"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/sqlx"
	"github.com/mspkit/mspkit/verify"
)

// Unchained implements [verify.Store].
func (s *Store) Unchained(ctx context.Context, limit int) ([]verify.Tail, error) {
	rows, err := s.db.QueryContext(ctx, s.q.unchained, max(limit, 0))
	if err != nil {
		return nil, wrap("unchained", err)
	}
	events, err := all(rows, scanEvent)
	if err != nil {
		return nil, wrap("unchained", err)
	}
	var out []verify.Tail
	at := map[mspkit.TenantID]int{}
	for _, e := range events {
		i, ok := at[e.Tenant]
		if !ok {
			_, head, err := s.ends(ctx, e.Tenant)
			if err != nil {
				return nil, wrap("unchained", err)
			}
			i = len(out)
			at[e.Tenant] = i
			out = append(out, verify.Tail{Tenant: e.Tenant, Head: head})
		}
		out[i].Events = append(out[i].Events, e)
	}
	return out, nil
}

// ends returns the base and the head of a tenant's chain.
func (s *Store) ends(ctx context.Context, tenant mspkit.TenantID) (base, head verify.Link, err error) {
	err = s.db.QueryRowContext(ctx, s.q.chains, tenant).Scan(&base.N, &base.Value, &head.N, &head.Value)
	if errors.Is(err, sql.ErrNoRows) {
		return verify.Link{}, verify.Link{}, nil
	}
	if len(base.Value) == 0 {
		base.Value = nil
	}
	return base, head, err
}

// Chain implements [verify.Store].
func (s *Store) Chain(ctx context.Context, tenant mspkit.TenantID, head int64, events []verify.Event) error {
	if len(events) == 0 {
		return nil
	}
	last := events[len(events)-1].Link
	return wrap("chain", s.db.WriteTx(ctx, func(ctx context.Context, tx *sqlx.Tx) error {
		var n int64
		var err error
		if head == 0 {
			n, err = tx.Affected(ctx, s.q.newChain, tenant, last.N, present(last.Value), []byte{})
		} else {
			n, err = tx.Affected(ctx, s.q.setChain, last.N, present(last.Value), tenant, head)
		}
		if err == nil && n == 0 {
			err = verify.ErrConflict
		}
		if err != nil {
			return err
		}
		for _, e := range events {
			n, err := tx.Affected(ctx, s.q.setLink, e.Link.N, present(e.Link.Value), e.Seq, e.ID, tenant)
			if err == nil && n == 0 {
				err = verify.ErrConflict
			}
			if err != nil {
				return err
			}
		}
		return nil
	}))
}

// Evidence implements [verify.Store].
func (s *Store) Evidence(ctx context.Context, tenant mspkit.TenantID, after int64, limit int) (verify.Evidence, error) {
	base, head, err := s.ends(ctx, tenant)
	if err != nil {
		return verify.Evidence{}, wrap("evidence", err)
	}
	rows, err := s.db.QueryContext(ctx, s.q.evidence, tenant, after, max(limit, 0))
	if err != nil {
		return verify.Evidence{}, wrap("evidence", err)
	}
	events, err := all(rows, scanEvent)
	if err != nil {
		return verify.Evidence{}, wrap("evidence", err)
	}
	return verify.Evidence{Base: base, Head: head, Events: events}, nil
}

// dropEvents deletes up to limit events that are acknowledged and older than old, of each tenant from the base of its
// chain on without a gap, and returns how many.
func (s *Store) dropEvents(ctx context.Context, tx *sqlx.Tx, old int64, limit int) (int64, error) {
	rows, err := tx.QueryContext(ctx, s.q.oldest, old, limit)
	if err != nil {
		return 0, err
	}
	type chain struct {
		tenant mspkit.TenantID
		base   int64
	}
	chains, err := all(rows, func(row scanner) (c chain, err error) { return c, row.Scan(&c.tenant, &c.base) })
	var n int64
	for _, c := range chains {
		left := int64(limit) - n
		if err != nil || left == 0 {
			break
		}
		var gone int64
		gone, err = s.dropBegin(ctx, tx, c.tenant, c.base, old, left)
		n += gone
	}
	return n, err
}

// dropBegin deletes up to limit old events after base.
func (s *Store) dropBegin(ctx context.Context, tx *sqlx.Tx, tenant mspkit.TenantID, base, old, limit int64) (int64, error) {
	rows, err := tx.QueryContext(ctx, s.q.olds, tenant, base, tenant, base, old, limit)
	if err != nil {
		return 0, err
	}
	links, err := all(rows, func(row scanner) (l verify.Link, err error) { return l, row.Scan(&l.N, &l.Value) })
	if err != nil || len(links) == 0 {
		return 0, err
	}
	last := links[len(links)-1]
	moved, err := tx.Affected(ctx, s.q.moveBase, last.N, present(last.Value), tenant, base)
	if err != nil || moved == 0 { // another instance deletes them
		return 0, err
	}
	return tx.Affected(ctx, s.q.dropEvents, tenant, base, last.N)
}
