package sqlstore

import (
	"context"
	"database/sql"
	"encoding/hex"
	"encoding/json"
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
	var out []verify.Tail
	at := map[mspkit.TenantID]int{}
	_, err = all(rows, func(row scanner) (struct{}, error) {
		var head verify.Link
		e, err := scanEvent(row, &head.N, &head.Value)
		i, ok := at[e.Tenant]
		if !ok {
			i = len(out)
			at[e.Tenant] = i
			out = append(out, verify.Tail{Tenant: e.Tenant, Head: head})
		}
		out[i].Events = append(out[i].Events, e)
		return struct{}{}, err
	})
	if err != nil {
		return nil, wrap("unchained", err)
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
		return s.link(ctx, tx, tenant, events)
	}))
}

// link stores the links of events; where one has a link already or is gone it is a conflict.
func (s *Store) link(ctx context.Context, tx *sqlx.Tx, tenant mspkit.TenantID, events []verify.Event) error {
	var stored int64
	var err error
	if s.db.Dialect() == sqlx.Postgres { // one round trip
		stored, err = tx.Affected(ctx, s.q.setLinks, encodeLinks(events), tenant)
	} else {
		for _, e := range events {
			var n int64
			if n, err = tx.Affected(ctx, s.q.setLink, e.Link.N, present(e.Link.Value), e.Seq, e.ID, tenant); err != nil {
				break
			}
			stored += n
		}
	}
	if err == nil && stored != int64(len(events)) {
		err = verify.ErrConflict
	}
	return err
}

// encodeLinks returns links as the statement setLinks reads them.
func encodeLinks(events []verify.Event) string {
	type link struct {
		N     int64  `json:"n"`
		Value string `json:"v"`
		Seq   int64  `json:"s"`
		ID    string `json:"i"`
	}
	out := make([]link, len(events))
	for i, e := range events {
		out[i] = link{e.Link.N, hex.EncodeToString(e.Link.Value), e.Seq, e.ID}
	}
	b, _ := json.Marshal(out) //nolint:errchkjson // strings and numbers can always be encoded
	return string(b)
}

// Evidence implements [verify.Store].
func (s *Store) Evidence(ctx context.Context, tenant mspkit.TenantID, after int64, limit int) (verify.Evidence, error) {
	base, head, err := s.ends(ctx, tenant)
	if err != nil {
		return verify.Evidence{}, wrap("evidence", err)
	}
	rows, err := s.db.QueryContext(ctx, s.q.evidence, tenant, max(after, 0), max(limit, 0)) // 0 is in no chain
	if err != nil {
		return verify.Evidence{}, wrap("evidence", err)
	}
	events, err := all(rows, event)
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
	rows, err := tx.QueryContext(ctx, s.q.olds, old, tenant, base, limit)
	if err != nil {
		return 0, err
	}
	gap := false
	var links []verify.Link
	_, err = all(rows, func(row scanner) (struct{}, error) {
		var l verify.Link
		var isOld bool
		err := row.Scan(&l.N, &l.Value, &isOld)
		if gap = gap || !isOld; !gap {
			links = append(links, l)
		}
		return struct{}{}, err
	})
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
