package redisx

import (
	"context"
	"hash/fnv"
	"log/slog"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/redis/go-redis/v9"

	"github.com/mspkit/mspkit"
)

// Shards is a number of shards, each of two keys on one machine: a hash of everything by name, and a sorted set of what is looked
// for in order, all of whose scores are 0. Use [Open].
type Shards struct {
	client redis.UniversalClient
	space  string
	keys   [][]string
	apart  atomic.Bool   // whether the shards are on several machines
	turn   atomic.Uint32 // which shards come next
	log    *slog.Logger
	join   joiner
}

func newKeys(space string, n int) [][]string {
	out := make([][]string, n)
	for i := range out {
		// What stands in braces decides on which machine of a cluster a key is.
		tag := "{" + space + ":" + strconv.Itoa(i) + "}"
		out[i] = []string{tag + ":h", tag + ":x"}
	}
	return out
}

// Client returns the host's client.
func (s *Shards) Client() redis.UniversalClient { return s.client }

// Space returns what the names of all keys have in common.
func (s *Shards) Space() string { return s.space }

// Log returns where warnings go.
func (s *Shards) Log() *slog.Logger { return s.log }

// Len returns the number of shards.
func (s *Shards) Len() int { return len(s.keys) }

// Keys returns the keys of a shard: the hash and the set. The caller must not change them.
func (s *Shards) Keys(shard int) []string { return s.keys[shard] }

// Apart reports whether the shards are on several machines.
func (s *Shards) Apart() bool { return s.apart.Load() }

// Crossed reports whether err says that the keys of a script are on several machines, and remembers it.
func (s *Shards) Crossed(err error) bool {
	if !redis.HasErrorPrefix(err, "CROSSSLOT") && !strings.Contains(err.Error(), "hash to the same slot") {
		return false
	}
	s.apart.Store(true) // a cluster behind one address
	return true
}

// Place returns the number of the shard of a name, such as a tenant's. It must never change.
func (s *Shards) Place(name string) int {
	h := fnv.New32a()
	_, _ = h.Write([]byte(name))
	return int(h.Sum32() % uint32(len(s.keys)))
}

// In returns a script that works in the shard of a tenant.
func (s *Shards) In(tenant mspkit.TenantID, script *redis.Script, args ...any) Call {
	return Call{script, s.keys[s.Place(string(tenant))], args}
}

// Span is a range of the set of a shard, as ZRANGEBYLEX has it.
type Span struct{ From, To string }

// All is everything whose name begins with index and goes on with a [Keyed] name or a time.
func All(index string) Span { return Span{"[" + index, "(" + index + "~"} }

// Keyed returns name so that nothing that follows can be taken for a part of it.
func Keyed(name string) string { return Number(len(name)) + ":" + name + ":" }

// Peek counts spans in every shard and returns, for each span, the count in each shard: one script on one machine, one for
// each shard on a cluster.
func (s *Shards) Peek(ctx context.Context, spans ...Span) ([][]int, error) {
	args := make([]any, 0, 2*len(spans))
	for _, p := range spans {
		args = append(args, p.From, p.To)
	}
	if !s.apart.Load() {
		keys := make([]string, len(s.keys))
		for i, k := range s.keys {
			keys[i] = k[1]
		}
		counts, err := s.Run(ctx, Call{peekScript, keys, args})
		if err == nil {
			return s.counted([]Answer{counts}, len(spans))
		}
		if !s.Crossed(err) {
			return nil, err
		}
	}
	calls := make([]Call, len(s.keys))
	for i, k := range s.keys {
		calls[i] = Call{peekScript, k[1:], args}
	}
	counts, err := s.RunAll(ctx, calls)
	if err != nil {
		return nil, err
	}
	return s.counted(counts, len(spans))
}

// counted returns, for each span, the count in each shard.
func (s *Shards) counted(answers []Answer, spans int) ([][]int, error) {
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
	// Wave is how many things are done in one round trip at most.
	Wave = 16
	few  = 4
)

// Sweep has up to limit things done in the shards, of which counts says how many may be waiting in each: ask returns the
// script that does up to n in a shard, and took reads its answer and returns how many it did. It goes on until limit is
// reached or every shard has done less than it was asked to.
func (s *Shards) Sweep(ctx context.Context, limit int, counts []int, ask func(shard, n int) Call, took func(shard int, a Answer) (int, error)) (int, error) {
	return s.SweepBy(ctx, Wave, limit, counts, ask, took)
}

// SweepBy is Sweep for what is so quick that more than [Wave] may be done in one round trip.
func (s *Shards) SweepBy(ctx context.Context, wave, limit int, counts []int, ask func(shard, n int) Call, took func(shard int, a Answer) (int, error)) (int, error) {
	left := append([]int(nil), counts...)
	total := 0
	for total < limit {
		var calls []Call
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
		answers, err := s.RunAll(ctx, calls)
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
func (s *Shards) some(has []int) []int {
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

// HowMany reads the answer of a script that says how many it did.
func HowMany(_ int, a Answer) (int, error) {
	var d Reader
	n := d.Number(a.At(1))
	return int(n), d.Err
}
