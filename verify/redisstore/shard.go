package redisstore

import (
	"context"
	"hash/fnv"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/mspkit/mspkit"
)

// shard is the keys of a share of the tenants: see lua/shard.lua.
type shard struct{ keys []string }

func newShards(prefix string, n int) []shard {
	out := make([]shard, n)
	for i := range out {
		// What stands in braces decides on which machine of a cluster a key is.
		tag := "{" + prefix + ":" + strconv.Itoa(i) + "}"
		out[i].keys = []string{tag + ":h", tag + ":x"}
	}
	return out
}

// place returns the number of the shard of a tenant. It must never change.
func (s *Store) place(tenant mspkit.TenantID) int {
	h := fnv.New32a()
	_, _ = h.Write([]byte(tenant))
	return int(h.Sum32() % uint32(len(s.shards)))
}

// in returns a script that works in the shard of a tenant.
func (s *Store) in(tenant mspkit.TenantID, script *redis.Script, args ...any) call {
	return call{script, s.shards[s.place(tenant)].keys, args}
}

// span is a range of the set of a shard.
type span struct{ from, to string }

// all is everything in an index.
func all(index string) span { return span{"[" + index, "(" + index + "~"} }

// peek counts spans in every shard: one script on one machine, one for each shard on a cluster.
func (s *Store) peek(ctx context.Context, spans ...span) ([][]int, error) {
	args := make([]any, 0, 2*len(spans))
	for _, p := range spans {
		args = append(args, p.from, p.to)
	}
	if !s.apart.Load() {
		keys := make([]string, len(s.shards))
		for i, sh := range s.shards {
			keys[i] = sh.keys[1]
		}
		counts, err := s.run(ctx, call{peekScript, keys, args})
		if err == nil {
			return s.counted([]answer{counts}, len(spans))
		}
		if !redis.HasErrorPrefix(err, "CROSSSLOT") && !strings.Contains(err.Error(), "hash to the same slot") {
			return nil, err
		}
		s.apart.Store(true) // a cluster behind one address
	}
	calls := make([]call, len(s.shards))
	for i, sh := range s.shards {
		calls[i] = call{peekScript, sh.keys[1:], args}
	}
	counts, err := s.runAll(ctx, calls)
	if err != nil {
		return nil, err
	}
	return s.counted(counts, len(spans))
}

// counted returns, for each span, the count in each shard.
func (s *Store) counted(answers []answer, spans int) ([][]int, error) {
	out := make([][]int, spans)
	for _, a := range answers {
		for i, text := range a {
			n, err := strconv.Atoi(text)
			if err != nil {
				return nil, err
			}
			out[i%spans] = append(out[i%spans], n)
		}
	}
	return out, nil
}

// A server does all that it is sent in one round trip before it hears another client. So it is asked to do wave things in
// few shards at most, which take a millisecond.
const (
	wave = 16
	few  = 4
)

// sweep has up to limit things done in the shards, of which counts says how many may be waiting in each: ask returns the
// script that does up to n in a shard, and took reads its answer and returns how many it did. It goes on until limit is
// reached or every shard has done less than it was asked to.
func (s *Store) sweep(ctx context.Context, limit int, counts []int, ask func(shard, n int) call, took func(shard int, a answer) (int, error)) (int, error) {
	left := append([]int(nil), counts...)
	total := 0
	for total < limit {
		var calls []call
		var shards []int
		quotas := share(min(limit-total, wave), s.some(left))
		for i, n := range quotas {
			if n > 0 {
				calls, shards = append(calls, ask(i, n)), append(shards, i)
			}
		}
		if len(calls) == 0 {
			break
		}
		answers, err := s.runAll(ctx, calls)
		for k, a := range answers {
			i := shards[k]
			if a == nil {
				continue
			}
			n, terr := took(i, a)
			if terr != nil && err == nil {
				err = terr
			}
			total += n
			if left[i] -= n; n < quotas[i] {
				left[i] = 0
			}
		}
		if err != nil {
			return total, err
		}
	}
	return total, nil
}

// some returns few of those that have something, other ones each time, and zero for the rest.
func (s *Store) some(has []int) []int {
	waiting := 0
	for _, h := range has {
		if h > 0 {
			waiting++
		}
	}
	if waiting <= few {
		return has
	}
	out := make([]int, len(has))
	first := int(s.turn.Add(1)) * few % waiting
	k := 0
	for i, h := range has {
		if h > 0 {
			if (k-first+waiting)%waiting < few {
				out[i] = h
			}
			k++
		}
	}
	return out
}

// share divides n among those that have something, evenly, and gives none more than it has.
func share(n int, has []int) []int {
	out := make([]int, len(has))
	for n > 0 {
		hungry := 0
		for i, h := range has {
			if h > out[i] {
				hungry++
			}
		}
		if hungry == 0 {
			break
		}
		each := max(n/hungry, 1)
		for i, h := range has {
			more := min(each, h-out[i], n)
			out[i] += max(more, 0)
			n -= max(more, 0)
		}
	}
	return out
}
