package redisstore

import (
	"context"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/redisx"
	"github.com/mspkit/mspkit/verify"
)

// Events implements [verify.Store]. It takes the shards evenly, and within one the tenant first whose first event waits longest.
func (s *Store) Events(ctx context.Context, q verify.EventQuery) ([]verify.Event, error) {
	tails, err := s.tails(ctx, "u", "U", q.Limit, q.Skip, s.handed.Note)
	if err != nil {
		return nil, wrap("events", err)
	}
	var out []verify.Event
	for _, t := range tails {
		out = append(out, t.Events...)
	}
	return out, nil
}

// Unchained implements [verify.Store].
func (s *Store) Unchained(ctx context.Context, limit int) ([]verify.Tail, error) {
	tails, err := s.tails(ctx, "n", "N", limit, nil, func(string, int) {})
	return tails, wrap("unchained", err)
}

// position is how far the reading of a shard has come.
type position struct {
	tenant, after string
	skip          []any
}

// tails returns up to limit events of an index, those of each tenant in their order.
func (s *Store) tails(ctx context.Context, index, heads string, limit int, skip []mspkit.TenantID, note func(id string, shard int)) ([]verify.Tail, error) {
	counts, err := s.db.Peek(ctx, redisx.All(index))
	if err != nil {
		return nil, err
	}
	at := make([]position, s.db.Len())
	for _, t := range skip {
		p := &at[s.db.Place(string(t))]
		p.skip = append(p.skip, string(t))
	}
	var out []verify.Tail
	known := map[mspkit.TenantID]int{}
	_, err = s.db.Sweep(ctx, limit, counts[0], func(i, n int) redisx.Call {
		p := at[i]
		return redisx.Call{Script: tailScript, Keys: s.db.Keys(i), Args: append([]any{index, heads, n, p.tenant, p.after}, p.skip...)}
	}, func(i int, a redisx.Answer) (int, error) {
		got := 0
		for rest := []string(a[1:]); len(rest) > 0; {
			t, events, err := tail(&rest)
			if err != nil {
				return got, err
			}
			got += len(events)
			for _, e := range events {
				note(e.ID, i)
			}
			k, ok := known[t.Tenant]
			if !ok {
				k = len(out)
				known[t.Tenant] = k
				out = append(out, t)
			}
			out[k].Events = append(out[k].Events, events...)
			p := &at[i] // the next script goes on with this tenant, and with no other that was seen
			if p.tenant != "" && p.tenant != string(t.Tenant) {
				p.skip = append(p.skip, p.tenant)
			}
			p.tenant, p.after = string(t.Tenant), seq(events[len(events)-1].Seq)
		}
		return got, nil
	})
	return out, err
}

// tail reads one tenant of an answer: its id, the head of its chain, how many events follow, and these.
func tail(rest *[]string) (verify.Tail, []verify.Event, error) {
	a := *rest
	if len(a) < 5 {
		return verify.Tail{}, nil, redisx.ErrPacked
	}
	var d redisx.Reader
	t := verify.Tail{Tenant: mspkit.TenantID(a[0]), Head: verify.Link{N: d.Number(a[1]), Value: redisx.Bytes(a[2])}}
	n := int(d.Number(a[3]))
	if d.Err != nil || n < 1 || n > len(a)-4 {
		return verify.Tail{}, nil, redisx.ErrPacked
	}
	events, err := decodeEvents(a[4 : 4+n])
	*rest = a[4+n:]
	return t, events, err
}

func decodeEvents(packed []string) ([]verify.Event, error) {
	var out []verify.Event
	for _, p := range packed {
		e, err := decodeEvent(p)
		if err != nil {
			return nil, err
		}
		out = append(out, e)
	}
	return out, nil
}

// maxSeq is the largest number that the indexes can hold.
const maxSeq = 9_999_999_999_999_999

// seq returns the number of an event as it stands in the indexes, 0 to maxSeq.
func seq(n int64) string {
	digits := redisx.Number(n)
	return redisx.Never[4+len(digits):] + digits
}

// ackAtOnce is how many events one script acknowledges.
const ackAtOnce = 200

// Ack implements [verify.Store]. The events of one shard are acknowledged together, up to 200.
func (s *Store) Ack(ctx context.Context, ids []string) error {
	var calls []redisx.Call
	for i, part := range s.handed.Take(ids, s.db.Len()) {
		for few := range slices.Chunk(part, ackAtOnce) {
			args := make([]any, len(few))
			for k, id := range few {
				args[k] = id
			}
			calls = append(calls, redisx.Call{Script: ackScript, Keys: s.db.Keys(i), Args: args})
		}
	}
	_, err := s.db.RunAll(ctx, calls)
	return wrap("ack", err)
}

// Expire implements [verify.Store]. Each challenge ends together with its event.
func (s *Store) Expire(ctx context.Context, now time.Time, limit int) (int, error) {
	at := redisx.EncodeTime(now)
	counts, err := s.db.Peek(ctx, redisx.Span{From: "[e", To: "(e" + at + "~"})
	if err != nil {
		return 0, wrap("expire", err)
	}
	n, err := s.db.Sweep(ctx, limit, counts[0], func(i, n int) redisx.Call {
		ids := make([]string, n)
		for k := range ids {
			ids[k] = verify.NewEventID()
		}
		return redisx.Call{Script: expireScript, Keys: s.db.Keys(i), Args: []any{at, s.channel(), redisx.Pack(ids...)}}
	}, redisx.HowMany)
	return n, wrap("expire", err)
}

// DeleteExpired implements [verify.Store]. Each thing is deleted as a whole. Counters of global limits are deleted by Redis, an
// hour after their end.
func (s *Store) DeleteExpired(ctx context.Context, challenges, events, now time.Time, limit int) (int, error) {
	ended, handed, at, once := redisx.EncodeTime(challenges), redisx.EncodeTime(events), redisx.EncodeTime(now), redisx.EncodeTime(now.Add(-memory))
	counts, err := s.db.Peek(ctx, redisx.Span{From: "[d", To: "(d" + ended}, redisx.Span{From: "[g", To: "(g" + handed}, redisx.Span{From: "[c", To: "(c" + at + "~"}, redisx.Span{From: "[o", To: "(o" + once}, redisx.Span{From: "[z", To: "({"})
	if err != nil {
		return 0, wrap("delete expired", err)
	}
	for i, n := range counts[1] {
		if n > 0 { // that many chains have something to delete, each perhaps more than one event
			counts[1][i] = max(limit, 0)
		}
	}
	total := 0
	for i, drop := range []struct {
		script *redis.Script
		until  string
	}{{dropEndedScript, ended}, {dropEventsScript, handed}, {dropCountersScript, at}} {
		n, err := s.db.Sweep(ctx, limit, counts[i], func(i, n int) redisx.Call {
			return redisx.Call{Script: drop.script, Keys: s.db.Keys(i), Args: []any{drop.until, n}}
		}, redisx.HowMany)
		if total += n; err != nil {
			return total, wrap("delete expired", err)
		}
	}
	if _, err = s.db.Sweep(ctx, limit, counts[3], func(i, n int) redisx.Call {
		return redisx.Call{Script: dropOnceScript, Keys: s.db.Keys(i), Args: []any{once, n}}
	}, redisx.HowMany); err == nil {
		err = s.refund(ctx, counts[4])
	}
	return total, wrap("delete expired", err)
}
