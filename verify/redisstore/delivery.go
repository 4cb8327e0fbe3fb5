package redisstore

import (
	"context"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/redisx"
	"github.com/mspkit/mspkit/verify"
)

// Enqueue implements [verify.Store]. An id is taken once.
func (s *Store) Enqueue(ctx context.Context, q verify.Queued, limits []verify.Limit, now time.Time) error {
	g, err := s.countGlobal(ctx, limits, q.ID, now)
	if err != nil {
		return wrap("enqueue", err)
	}
	a, err := s.db.Join(ctx, s.db.In(q.Tenant, enqueueScript, redisx.EncodeTime(now), string(q.Tenant), q.ID, string(q.Sealed), q.Attempts,
		redisx.EncodeTime(q.At), redisx.EncodeTime(q.Due), g.encode(limits, verify.Stamp{}, now)))
	if err != nil {
		return wrap("enqueue", err)
	}
	if a.At(0) == "limited" {
		s.giveBack(ctx, g, limits, q.ID)
		return limited(a, limits, now)
	}
	return nil
}

// Due implements [verify.Store]. Where it fails in the middle, what it has leased comes again after the lease.
func (s *Store) Due(ctx context.Context, now time.Time, lease time.Duration, limit int) ([]verify.Queued, error) {
	at, until := redisx.EncodeTime(now), redisx.EncodeTime(now.Add(lease))
	counts, err := s.db.Peek(ctx, redisx.Span{From: "[q", To: "(q" + at + "~"})
	if err != nil {
		return nil, wrap("due", err)
	}
	var out []verify.Queued
	_, err = s.db.Sweep(ctx, limit, counts[0], func(i, n int) redisx.Call {
		return redisx.Call{Script: dueScript, Keys: s.db.Keys(i), Args: []any{at, until, n}}
	}, func(_ int, a redisx.Answer) (int, error) {
		for _, packed := range a[1:] {
			f, err := redisx.Unpack(packed, 7)
			if err != nil {
				return 0, err
			}
			var d redisx.Reader
			q := verify.Queued{
				Tenant: mspkit.TenantID(f[0]), ID: f[1], Sealed: redisx.Bytes(f[2]), Attempts: int(d.Number(f[3])), At: d.Time(f[4]), Due: d.Time(f[5]),
			}
			if d.Err != nil {
				return 0, d.Err
			}
			out = append(out, q)
		}
		return len(a) - 1, nil
	})
	return out, wrap("due", err)
}

// Done implements [verify.Store].
func (s *Store) Done(ctx context.Context, tenant mspkit.TenantID, id string) error {
	_, err := s.do(ctx, "done", s.db.In(tenant, doneScript, string(tenant), id))
	return err
}
