package redisstore

import (
	"context"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/verify"
)

// Events implements [verify.Store]. It takes the shards evenly, and within one the tenant first whose first event waits longest.
func (s *Store) Events(ctx context.Context, q verify.EventQuery) ([]verify.Event, error) {
	tails, err := s.tails(ctx, "u", "U", q.Limit, q.Skip, s.handed.note)
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
	counts, err := s.peek(ctx, all(index))
	if err != nil {
		return nil, err
	}
	at := make([]position, len(s.shards))
	for _, t := range skip {
		p := &at[s.place(t)]
		p.skip = append(p.skip, string(t))
	}
	var out []verify.Tail
	known := map[mspkit.TenantID]int{}
	_, err = s.sweep(ctx, limit, counts[0], func(i, n int) call {
		p := at[i]
		return call{tailScript, s.shards[i].keys, append([]any{index, heads, n, p.tenant, p.after}, p.skip...)}
	}, func(i int, a answer) (int, error) {
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
		return verify.Tail{}, nil, errPacked
	}
	var d reader
	t := verify.Tail{Tenant: mspkit.TenantID(a[0]), Head: verify.Link{N: d.number(a[1]), Value: bytes(a[2])}}
	n := int(d.number(a[3]))
	if d.err != nil || n < 1 || n > len(a)-4 {
		return verify.Tail{}, nil, errPacked
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
	digits := number(n)
	return never[4+len(digits):] + digits
}

// ackAtOnce is how many events one script acknowledges.
const ackAtOnce = 200

// Ack implements [verify.Store]. The events of one shard are acknowledged together, up to 200.
func (s *Store) Ack(ctx context.Context, ids []string) error {
	var calls []call
	for i, part := range s.handed.take(ids, len(s.shards)) {
		for few := range slices.Chunk(part, ackAtOnce) {
			args := make([]any, len(few))
			for k, id := range few {
				args[k] = id
			}
			calls = append(calls, call{ackScript, s.shards[i].keys, args})
		}
	}
	_, err := s.runAll(ctx, calls)
	return wrap("ack", err)
}

// Expire implements [verify.Store]. Each challenge ends together with its event.
func (s *Store) Expire(ctx context.Context, now time.Time, limit int) (int, error) {
	at := encodeTime(now)
	counts, err := s.peek(ctx, span{"[e", "(e" + at + "~"})
	if err != nil {
		return 0, wrap("expire", err)
	}
	n, err := s.sweep(ctx, limit, counts[0], func(i, n int) call {
		ids := make([]string, n)
		for k := range ids {
			ids[k] = verify.NewEventID()
		}
		return call{expireScript, s.shards[i].keys, []any{at, s.channel(), pack(ids...)}}
	}, howMany)
	return n, wrap("expire", err)
}

// DeleteExpired implements [verify.Store]. Each thing is deleted as a whole. Counters of global limits are deleted by Redis, an
// hour after their end.
func (s *Store) DeleteExpired(ctx context.Context, challenges, events, now time.Time, limit int) (int, error) {
	ended, handed, at, once := encodeTime(challenges), encodeTime(events), encodeTime(now), encodeTime(now.Add(-memory))
	counts, err := s.peek(ctx, span{"[d", "(d" + ended}, span{"[g", "(g" + handed}, span{"[c", "(c" + at + "~"}, span{"[o", "(o" + once}, span{"[z", "({"})
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
		n, err := s.sweep(ctx, limit, counts[i], func(i, n int) call {
			return call{drop.script, s.shards[i].keys, []any{drop.until, n}}
		}, howMany)
		if total += n; err != nil {
			return total, wrap("delete expired", err)
		}
	}
	if _, err = s.sweep(ctx, limit, counts[3], func(i, n int) call {
		return call{dropOnceScript, s.shards[i].keys, []any{once, n}}
	}, howMany); err == nil {
		err = s.refund(ctx, counts[4])
	}
	return total, wrap("delete expired", err)
}

// howMany reads the answer of a script that says how many it did.
func howMany(_ int, a answer) (int, error) {
	var d reader
	n := d.number(a.at(1))
	return int(n), d.err
}
