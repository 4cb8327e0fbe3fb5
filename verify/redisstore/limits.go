package redisstore

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/redisx"
	"github.com/mspkit/mspkit/verify"
)

// memory is how long the memory of a call on global counters, and these themselves, outlive their purpose.
const memory = time.Hour

// global is what became of the global limits of one call.
type global struct {
	group   string         // what their keys have in common
	counted map[int]window // by place among all limits
	refused bool
	place   int    // of the limit that refused
	end     string // of its window
}

type window struct {
	end     string
	reached bool
}

// groupKeys returns the keys of the counters of a group and of the memory of a call. On a cluster both are on one machine.
func (s *Store) groupKeys(group, call string) []string {
	tag := "{" + s.db.Space() + ":" + group + "}"
	return []string{tag + ":c", tag + ":t:" + call}
}

// globals returns the places of the global limits and what their keys have in common.
func globals(limits []verify.Limit) (places []int, group string, _ error) {
	for i, l := range limits {
		if !l.Global {
			continue
		}
		g, _ := cutLast(l.Key)
		if len(places) > 0 && g != group {
			return nil, "", fmt.Errorf("the keys of the global limits of one call differ before their last slash: %w", mspkit.ErrInvalid)
		}
		places, group = append(places, i), g
	}
	return places, group, nil
}

// cutLast cuts a key at its last slash.
func cutLast(key string) (before, after string) {
	i := strings.LastIndexByte(key, '/')
	return key[:max(i, 0)], key[i+1:]
}

// countGlobal counts the global limits, if there are any. id names the call, so that it counts once however often it is sent.
func (s *Store) countGlobal(ctx context.Context, limits []verify.Limit, id string, now time.Time) (global, error) {
	places, group, err := globals(limits)
	if err != nil || len(places) == 0 {
		return global{}, err
	}
	args := []any{redisx.EncodeTime(now), memory.Milliseconds()}
	for _, i := range places {
		l := limits[i]
		_, name := cutLast(l.Key)
		args = append(args, name, l.Max, redisx.EncodeTime(now.Add(l.Window)), l.Window.Milliseconds())
	}
	a, err := s.db.Run(ctx, redisx.Call{Script: countGlobalScript, Keys: s.groupKeys(group, id), Args: args})
	if err != nil {
		return global{}, err
	}
	g := global{group: group}
	if a.At(0) == "limited" {
		var d redisx.Reader
		n := d.Number(a.At(1))
		if d.Err != nil || n < 0 || int(n) >= len(places) {
			return global{}, redisx.ErrPacked
		}
		g.refused, g.place, g.end = true, places[n], a.At(2)
		return g, nil
	}
	g.counted = map[int]window{}
	for k, i := range places {
		g.counted[i] = window{a.At(1 + 2*k), a.At(2+2*k) != ""}
	}
	return g, nil
}

// giveBack takes back what countGlobal counted. Where that fails, the count stays: it is rather too high than too low.
func (s *Store) giveBack(ctx context.Context, g global, limits []verify.Limit, id string) {
	if len(g.counted) == 0 {
		return
	}
	args := []any{memory.Milliseconds(), redisx.Flag(true)}
	for i, w := range g.counted {
		_, name := cutLast(limits[i].Key)
		args = append(args, name, w.end)
	}
	if _, err := s.db.Run(ctx, redisx.Call{Script: giveBackScript, Keys: s.groupKeys(g.group, id+"-back"), Args: args}); err != nil {
		s.db.Log().LogAttrs(ctx, slog.LevelWarn, "redisstore: a count of what was refused could not be taken back", slog.Any("error", err))
	}
}

// encode returns all limits as lua/limits.lua reads them.
func (g global) encode(limits []verify.Limit, st verify.Stamp, now time.Time) string {
	out := make([]string, 0, 7*len(limits))
	for i, l := range limits {
		where, end, reached := "t", redisx.EncodeTime(now.Add(l.Window)), ""
		if l.Global {
			where, end, reached = "g", g.counted[i].end, redisx.Flag(g.counted[i].reached)
		}
		if g.refused && i == g.place {
			where, end = "x", g.end
		}
		alert := ""
		if l.Alert {
			alert = encodeStamp(l.Reached(st, i))
		}
		out = append(out, where, l.Key, redisx.Number(l.Max), end, redisx.Flag(l.Refund), alert, reached)
	}
	return redisx.Pack(out...)
}

// refund gives back the global counts of challenges that were confirmed: each at most once, and none where this process
// dies meanwhile.
func (s *Store) refund(ctx context.Context, waiting []int) error {
	var calls []redisx.Call
	_, err := s.db.Sweep(ctx, redisx.Wave, waiting,
		func(i, n int) redisx.Call {
			return redisx.Call{Script: popRefundsScript, Keys: s.db.Keys(i), Args: []any{n}}
		},
		func(_ int, a redisx.Answer) (int, error) {
			for _, packed := range a[1:] {
				f, err := redisx.Unpack(packed, 3) // an id of its own, the key, the end of the window
				if err != nil {
					return 0, err
				}
				group, name := cutLast(f[1])
				calls = append(calls, redisx.Call{Script: giveBackScript, Keys: s.groupKeys(group, f[0]), Args: []any{memory.Milliseconds(), redisx.Flag(false), name, f[2]}})
			}
			return len(a) - 1, nil
		})
	if err != nil {
		return err
	}
	_, err = s.db.RunAll(ctx, calls)
	return err
}
