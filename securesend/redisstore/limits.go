package redisstore

import (
	"cmp"
	"context"
	"log/slog"
	"slices"
	"time"

	"github.com/mspkit/mspkit/internal/redisx"
	"github.com/mspkit/mspkit/securesend"
)

// memory is how long the memory of a call that counted outlives it.
const memory = time.Hour

// group is the limits of one script: their places among all limits, and the shards of their counters.
type group struct {
	places []int
	shards []int
	keys   []string
}

// grouped returns the limits that one script can count: all, or on a cluster those of one shard. The groups are in the order of
// their shards, so that two calls cannot keep each other from counting.
func (s *Store) grouped(limits []securesend.Limit) []group {
	var out []group
	at := map[int]int{}
	for i, l := range limits {
		shard := s.db.Place(l.Key)
		k, known := at[shard]
		if !s.db.Apart() {
			k, known = 0, len(out) > 0
		}
		if !known {
			k = len(out)
			at[shard] = k
			out = append(out, group{})
		}
		g := &out[k]
		g.places, g.shards, g.keys = append(g.places, i), append(g.shards, shard), append(g.keys, s.db.Keys(shard)...)
	}
	slices.SortFunc(out, func(a, b group) int { return cmp.Compare(a.shards[0], b.shards[0]) })
	return out
}

// Count implements [securesend.SecretStore]. On a cluster the counters of a call may be on several machines. Then those of
// one shard are counted after the other, and given back where a later one refuses: who dies meanwhile has counted once too often,
// never too seldom.
func (s *Store) Count(ctx context.Context, limits []securesend.Limit, now time.Time) error {
	err := s.countAll(ctx, s.grouped(limits), limits, now)
	if err != nil && !s.db.Apart() && s.db.Crossed(err) {
		err = s.countAll(ctx, s.grouped(limits), limits, now)
	}
	return err
}

func (s *Store) countAll(ctx context.Context, groups []group, limits []securesend.Limit, now time.Time) error {
	call := token()
	ends := make([][]string, 0, len(groups))
	for i, g := range groups {
		end, refused, err := s.count(ctx, g, limits, call, now, false)
		if err != nil {
			return wrap("count", err) // it is open what happened, so what was counted stays counted
		}
		if refused == nil {
			ends = append(ends, end)
			continue
		}
		for k, e := range ends {
			s.giveBack(ctx, groups[k], e, limits, call, now)
		}
		for _, later := range groups[i+1:] { // which may refuse too: the first of the call is named
			_, more, err := s.count(ctx, later, limits, call, now, true)
			if err != nil {
				return wrap("count", err)
			}
			if more != nil && more.place < refused.place {
				refused = more
			}
		}
		return &securesend.LimitError{Limit: limits[refused.place].Name, RetryAfter: refused.end.Sub(redisx.Rounded(now))}
	}
	return nil
}

// refusal is the limit that is reached, and the end of its window.
type refusal struct {
	place int
	end   time.Time
}

// count counts the limits of a group, or only looks, and returns the ends of their windows.
func (s *Store) count(ctx context.Context, g group, limits []securesend.Limit, call string, now time.Time, look bool) (ends []string, _ *refusal, _ error) {
	args := []any{call, redisx.EncodeTime(now), redisx.Flag(look)}
	for k, i := range g.places {
		l := limits[i]
		args = append(args, k+1, l.Key, l.Max, redisx.EncodeTime(now.Add(l.Window)))
	}
	a, err := s.db.Run(ctx, redisx.Call{Script: countScript, Keys: g.keys, Args: args})
	if err != nil {
		return nil, nil, err
	}
	if a.At(0) == "ok" && len(a) == 1+len(g.places) {
		return a[1:], nil, nil
	}
	var d redisx.Reader
	n, end := d.Number(a.At(1)), d.Time(a.At(2))
	if d.Err != nil || n < 0 || int(n) >= len(g.places) {
		return nil, nil, errUnknown
	}
	return nil, &refusal{g.places[n], end}, nil
}

// giveBack takes back what was counted. Where that fails, the count stays: it is rather too high than too low.
func (s *Store) giveBack(ctx context.Context, g group, ends []string, limits []securesend.Limit, call string, now time.Time) {
	args := []any{call, redisx.EncodeTime(now)}
	for k, i := range g.places {
		args = append(args, limits[i].Key, ends[k])
	}
	if _, err := s.db.Run(ctx, redisx.Call{Script: giveBackScript, Keys: s.db.Keys(g.shards[0]), Args: args}); err != nil {
		s.db.Log().LogAttrs(ctx, slog.LevelWarn, "redisstore: a count of what was refused could not be taken back", slog.Any("error", err))
	}
}
