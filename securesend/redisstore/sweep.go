package redisstore

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/redisx"
	"github.com/mspkit/mspkit/securesend"
)

// Expire implements [securesend.SecretStore]. Each record ends together with its event.
func (s *Store) Expire(ctx context.Context, now time.Time, limit int) (int, error) {
	at, swept := redisx.EncodeTime(now), redisx.EncodeTime(now.Add(-securesend.LeaseMargin))
	counts, err := s.db.Peek(ctx, redisx.Span{From: "[e", To: "(e" + at + "~"}, redisx.Span{From: "[l", To: "(l" + swept + "~"})
	if err != nil {
		return 0, wrap("expire", err)
	}
	for i, n := range counts[1] {
		counts[0][i] += n
	}
	n, err := s.db.Sweep(ctx, limit, counts[0], func(i, n int) redisx.Call {
		ids := make([]string, n)
		for k := range ids {
			ids[k] = securesend.NewEventID()
		}
		return redisx.Call{Script: expireScript, Keys: s.db.Keys(i), Args: []any{at, swept, redisx.Pack(ids...)}}
	}, redisx.HowMany)
	return n, wrap("expire", err)
}

// remains is one that ended, and when.
type remains struct {
	securesend.Remains
	ended string
}

// Dead implements [securesend.SecretStore].
func (s *Store) Dead(ctx context.Context, regions []string, limit int) ([]securesend.Remains, error) {
	if len(regions) == 0 || limit < 1 {
		return nil, nil
	}
	spans := make([]redisx.Span, len(regions))
	for i, region := range regions {
		spans[i] = redisx.All("b" + redisx.Keyed(region))
	}
	counts, err := s.db.Peek(ctx, spans...)
	if err != nil {
		return nil, wrap("dead", err)
	}
	var dead []remains
	for k, region := range regions {
		if slices.Contains(regions[:k], region) {
			continue
		}
		for shard, n := range counts[k] {
			if n == 0 {
				continue
			}
			more, err := s.dead(ctx, shard, region, min(n, limit))
			if err != nil {
				return nil, wrap("dead", err)
			}
			dead = append(dead, more...)
		}
		slices.SortFunc(dead, func(a, b remains) int { return cmp.Or(cmp.Compare(a.ended, b.ended), cmp.Compare(a.ID, b.ID)) })
		dead = dead[:min(len(dead), limit)]
	}
	var out []securesend.Remains
	for _, d := range dead {
		out = append(out, d.Remains)
	}
	return out, nil
}

// dead returns up to n of a shard and region, in order.
func (s *Store) dead(ctx context.Context, shard int, region string, n int) ([]remains, error) {
	var out []remains
	from := ""
	for len(out) < n {
		a, err := s.db.Run(ctx, redisx.Call{
			Script: deadScript, Keys: s.db.Keys(shard), Args: []any{"b" + redisx.Keyed(region), from, min(n-len(out), scan)},
		})
		if err != nil {
			return nil, err
		}
		for _, m := range a[2:] {
			if len(m) < len(redisx.Never) {
				return nil, redisx.ErrPacked
			}
			ended, name := m[:len(redisx.Never)], m[len(redisx.Never):]
			tenant, id, err := cutKeyed(name)
			if err != nil {
				return nil, err
			}
			out = append(out, remains{securesend.Remains{Ref: securesend.Ref{Tenant: mspkit.TenantID(tenant), ID: id}, Region: region}, ended})
		}
		if from = a.At(1); from == "" {
			break
		}
	}
	return out, nil
}

// DeleteExpired implements [securesend.SecretStore]. Each record is deleted as a whole.
func (s *Store) DeleteExpired(ctx context.Context, ended, now time.Time, limit int) (int, error) {
	before, at, once := redisx.EncodeTime(ended), redisx.EncodeTime(now), redisx.EncodeTime(now.Add(-memory))
	counts, err := s.db.Peek(ctx, redisx.Span{From: "[d", To: "(d" + before}, redisx.Span{From: "[c", To: "(c" + at + "~"}, redisx.Span{From: "[o", To: "(o" + once})
	if err != nil {
		return 0, wrap("delete expired", err)
	}
	total := 0
	for i, drop := range []struct {
		script *redis.Script
		until  string
	}{{dropEndedScript, before}, {dropCountersScript, at}, {dropOnceScript, once}} {
		n, err := s.db.Sweep(ctx, limit, counts[i], func(i, n int) redisx.Call {
			return redisx.Call{Script: drop.script, Keys: s.db.Keys(i), Args: []any{drop.until, n}}
		}, redisx.HowMany)
		if drop.script != dropOnceScript { // a memory is nothing that anybody counts
			total += n
		}
		if err != nil {
			return total, wrap("delete expired", err)
		}
	}
	return total, nil
}

// Rewrap implements [securesend.SecretStore]. Nothing waits while f runs.
func (s *Store) Rewrap(ctx context.Context, primary string, limit int, f func(securesend.Record) (half, sealed []byte, err error)) (int, error) {
	key := "k" + redisx.Keyed(primary)
	spans := []redisx.Span{{From: "[k", To: "(" + key}, {From: "(" + key + "~", To: "(k~"}}
	counts, err := s.db.Peek(ctx, spans...)
	if err != nil {
		return 0, wrap("rewrap", err)
	}
	stored, asked := 0, 0
	for k, span := range spans {
		for shard, n := range counts[k] {
			for from := span.From; n > 0 && asked < limit && from != ""; {
				a, err := s.db.Run(ctx, redisx.Call{Script: staleScript, Keys: s.db.Keys(shard), Args: []any{from, span.To, min(limit-asked, redisx.Wave)}})
				if err != nil {
					return stored, wrap("rewrap", err)
				}
				done, err := s.rewrap(ctx, primary, a[2:], f)
				if stored += done; err != nil {
					return stored, err
				}
				asked += len(a[2:]) / 2
				if from = a.At(1); from != "" {
					from = "(" + from
				}
			}
		}
	}
	return stored, nil
}

// rewrap does it to records, each of which is followed by its half.
func (s *Store) rewrap(ctx context.Context, primary string, records []string, f func(securesend.Record) (half, sealed []byte, err error)) (int, error) {
	stored := 0
	for i := 0; i+1 < len(records); i += 2 {
		r, err := decodeRecord(records[i])
		if err != nil {
			return stored, wrap("rewrap", err)
		}
		r.Half = redisx.Bytes(records[i+1])
		half, sealed, err := f(r)
		if err != nil {
			return stored, err
		}
		a, err := s.db.Run(ctx, s.on(rewrapScript, r.Ref, "", time.Time{}, redisx.Number(r.Version), primary, half, sealed))
		if err != nil {
			return stored, wrap("rewrap", err)
		}
		if a.At(0) == "ok" {
			stored++
		}
	}
	return stored, nil
}
