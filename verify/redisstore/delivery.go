package redisstore

import (
	"context"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/verify"
)

// Enqueue implements [verify.Store]. An id is taken once.
func (s *Store) Enqueue(ctx context.Context, q verify.Queued, limits []verify.Limit, now time.Time) error {
	g, err := s.countGlobal(ctx, limits, q.ID, now)
	if err != nil {
		return wrap("enqueue", err)
	}
	a, err := s.run(ctx, s.in(q.Tenant, enqueueScript, encodeTime(now), string(q.Tenant), q.ID, string(q.Sealed), q.Attempts,
		encodeTime(q.At), encodeTime(q.Due), g.encode(limits, verify.Stamp{}, now)))
	if err != nil {
		return wrap("enqueue", err)
	}
	if a.at(0) == "limited" {
		s.giveBack(ctx, g, limits, q.ID)
		return limited(a, limits, now)
	}
	return nil
}

// Due implements [verify.Store]. Where it fails in the middle, what it has leased comes again after the lease.
func (s *Store) Due(ctx context.Context, now time.Time, lease time.Duration, limit int) ([]verify.Queued, error) {
	at, until := encodeTime(now), encodeTime(now.Add(lease))
	counts, err := s.peek(ctx, span{"[q", "(q" + at + "~"})
	if err != nil {
		return nil, wrap("due", err)
	}
	var out []verify.Queued
	_, err = s.sweep(ctx, limit, counts[0], func(i, n int) call {
		return call{dueScript, s.shards[i].keys, []any{at, until, n}}
	}, func(_ int, a answer) (int, error) {
		for _, packed := range a[1:] {
			f, err := unpack(packed, 7)
			if err != nil {
				return 0, err
			}
			var d reader
			q := verify.Queued{
				Tenant: mspkit.TenantID(f[0]), ID: f[1], Sealed: bytes(f[2]), Attempts: int(d.number(f[3])), At: d.time(f[4]), Due: d.time(f[5]),
			}
			if d.err != nil {
				return 0, d.err
			}
			out = append(out, q)
		}
		return len(a) - 1, nil
	})
	return out, wrap("due", err)
}

// Done implements [verify.Store].
func (s *Store) Done(ctx context.Context, tenant mspkit.TenantID, id string) error {
	_, err := s.do(ctx, "done", s.in(tenant, doneScript, string(tenant), id))
	return err
}
