package redisstore

import (
	"context"
	"log/slog"
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

// grouped returns the limits that one script can count: all, or on a cluster those of one shard.
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
	return out
}

// Count implements [securesend.SecretStore]. On a cluster the counters of a call may be on several machines. Then those of
// one machine are counted after the other, and given back where a later one refuses: who dies meanwhile has counted once too often,
// never too seldom.
func (s *Store) Count(ctx context.Context, limits []securesend.Limit, now time.Time) error {
	if len(limits) == 0 {
		return nil
	}
	call := token()
	groups := s.grouped(limits)
	var ends [][]string
	for i := 0; i < len(groups); i++ {
		a, err := s.count(ctx, groups[i], limits, call, now)
		if err != nil && len(groups) == 1 && !s.db.Apart() && s.db.Crossed(err) {
			groups, i = s.grouped(limits), -1
			continue
		}
		if err != nil {
			return wrap("count", err) // it is open what happened, so what was counted stays counted
		}
		if a.At(0) == "ok" && len(a) == 1+len(groups[i].places) {
			ends = append(ends, a[1:])
			continue
		}
		for k, e := range ends {
			s.giveBack(ctx, groups[k], e, limits, call, now)
		}
		var d redisx.Reader
		n, end := d.Number(a.At(1)), d.Time(a.At(2))
		if d.Err != nil || n < 0 || int(n) >= len(groups[i].places) {
			return wrap("count", errUnknown)
		}
		return &securesend.LimitError{Limit: limits[groups[i].places[n]].Name, RetryAfter: end.Sub(redisx.Rounded(now))}
	}
	return nil
}

func (s *Store) count(ctx context.Context, g group, limits []securesend.Limit, call string, now time.Time) (redisx.Answer, error) {
	args := []any{call, redisx.EncodeTime(now)}
	for k, i := range g.places {
		l := limits[i]
		args = append(args, k+1, l.Key, l.Max, redisx.EncodeTime(now.Add(l.Window)))
	}
	return s.db.Run(ctx, redisx.Call{Script: countScript, Keys: g.keys, Args: args})
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
