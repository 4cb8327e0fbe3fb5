package redisstore

import (
	"context"
	"slices"

	"github.com/mspkit/mspkit/internal/redisx"
	"github.com/mspkit/mspkit/securesend"
)

// position is how far the reading of a shard has come.
type position struct {
	tenant, after string
	skip          []any
}

// readAtOnce is how many events one round trip reads at most; that takes less than a millisecond.
const readAtOnce = 256

// Events implements [securesend.SecretStore]. It takes the shards evenly, and within one the tenant first whose first event waits longest.
func (s *Store) Events(ctx context.Context, q securesend.EventQuery) ([]securesend.Event, error) {
	counts, err := s.db.Peek(ctx, redisx.All("U"))
	if err != nil {
		return nil, wrap("events", err)
	}
	for i, n := range counts[0] {
		if n > 0 { // that many tenants have something, each perhaps more than one event
			counts[0][i] = max(q.Limit, 0)
		}
	}
	at := make([]position, s.db.Len())
	for _, t := range q.Skip {
		p := &at[s.db.Place(string(t))]
		p.skip = append(p.skip, keyed(t))
	}
	var out []securesend.Event
	_, err = s.db.SweepBy(ctx, readAtOnce, q.Limit, counts[0], func(i, n int) redisx.Call {
		p := at[i]
		return redisx.Call{Script: tailScript, Keys: s.db.Keys(i), Args: append([]any{n, p.tenant, p.after}, p.skip...)}
	}, func(i int, a redisx.Answer) (int, error) {
		got := a[1:]
		for k := 0; k+1 < len(got); k += 2 {
			e, err := decodeEvent(got[k], got[k+1])
			if err != nil {
				return 0, err
			}
			s.handed.Note(e.ID, i)
			out = append(out, e)
			p := &at[i] // the next script goes on with this tenant, and with no other that was seen
			if p.tenant != "" && p.tenant != keyed(e.Tenant) {
				p.skip = append(p.skip, p.tenant)
			}
			p.tenant, p.after = keyed(e.Tenant), redisx.Number(e.Seq)
		}
		return len(got) / 2, nil
	})
	return out, wrap("events", err)
}

// ackAtOnce is how many events one script acknowledges.
const ackAtOnce = 200

// AckEvents implements [securesend.SecretStore]. The events of one shard are acknowledged together, up to 200.
func (s *Store) AckEvents(ctx context.Context, ids []string) error {
	var calls []redisx.Call
	for i, part := range s.handed.Take(ids, s.db.Len()) {
		for few := range slices.Chunk(part, ackAtOnce) {
			args := make([]any, len(few))
			for k, id := range few {
				args[k] = id
			}
			calls = append(calls, redisx.Call{Script: ackEventsScript, Keys: s.db.Keys(i), Args: args})
		}
	}
	_, err := s.db.RunAll(ctx, calls)
	return wrap("ack events", err)
}
