package redisstore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/verify"
)

// Options change how a [Store] works. Nil and the zero value are fine.
type Options struct {
	// Prefix begins the name of every key: 1 to 32 of a-z, A-Z, 0-9, '_', '-' and ':'. Empty means "mspkit".
	Prefix string
	// Shards is into how many parts the tenants are divided, 1 to 1024. Zero means 64. A cluster spreads the shards over
	// its machines, and the tenants of one shard share one of them. All instances need the same number, and it cannot be
	// changed later.
	Shards int
	// AcceptLostWrites lets [New] accept a server that may lose writes that it has acknowledged and keep older ones, or
	// evict keys, or that does not tell its settings. After a crash or a failover of such a server a proof that was
	// redeemed may be redeemed again, a used-up code may be tried again, and limits begin anew.
	AcceptLostWrites bool
	// Logger gets warnings; nil discards them.
	Logger *slog.Logger
}

// Store is a [verify.Store], [verify.FactorStore] and [verify.Watcher] on Redis. Use [New].
type Store struct {
	client redis.UniversalClient
	prefix string
	shards []shard
	apart  atomic.Bool   // whether the shards are on several machines
	turn   atomic.Uint32 // which shards come next
	log    *slog.Logger
	handed handed
	watch  watch
}

var (
	_ verify.Store       = (*Store)(nil)
	_ verify.FactorStore = (*Store)(nil)
	_ verify.Watcher     = (*Store)(nil)
)

// New returns a store on a Redis server, a failover group or a Redis Cluster. It does not take client over: the host
// closes it. It reads the settings of every master and fails with [ErrUnsafe] where a redeemed proof could come back after a
// crash; see the package's section on durability. [ErrShards] means that the keys were made with another number of shards.
// A nil client, options that cannot be used, a [*redis.Ring], which looks for keys elsewhere when a server is down, and a client that
// reads from replicas are mspkit.ErrInvalid.
func New(ctx context.Context, client redis.UniversalClient, o *Options) (*Store, error) {
	s, shards, accept, err := settle(client, o)
	if err == nil {
		err = s.checkServers(ctx, accept)
	}
	if err == nil {
		err = s.checkShards(ctx, shards)
	}
	if err != nil {
		return nil, fmt.Errorf("redisstore: new: %w", err)
	}
	return s, nil
}

// settle checks what New is given and fills in what is missing.
func settle(client redis.UniversalClient, o *Options) (_ *Store, shards int, accept bool, _ error) {
	if o == nil {
		o = &Options{}
	}
	s := &Store{client: client, prefix: o.Prefix, log: o.Logger}
	if s.prefix == "" {
		s.prefix = "mspkit"
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if shards = o.Shards; shards == 0 {
		shards = 64
	}
	err := errors.Join(checkClient(client), checkPrefix(s.prefix))
	if shards < 1 || shards > 1024 {
		err = errors.Join(err, fmt.Errorf("the number of shards is %d, it must be 1 to 1024: %w", shards, mspkit.ErrInvalid))
	}
	if err != nil {
		return nil, 0, false, err
	}
	_, cluster := client.(*redis.ClusterClient)
	s.apart.Store(cluster)
	s.shards = newShards(s.prefix, shards)
	return s, shards, o.AcceptLostWrites, nil
}

func checkClient(client redis.UniversalClient) error {
	switch c := client.(type) {
	case nil:
		return fmt.Errorf("a client is required: %w", mspkit.ErrInvalid)
	case *redis.Ring:
		return fmt.Errorf("a Ring moves keys to other servers when one is down, and what is then missing would be begun anew; use a cluster: %w", mspkit.ErrInvalid)
	case *redis.ClusterClient:
		if c == nil {
			return fmt.Errorf("a client is required: %w", mspkit.ErrInvalid)
		}
		if o := c.Options(); o.ReadOnly || o.RouteByLatency || o.RouteRandomly {
			return fmt.Errorf("the client reads from replicas, which may not know yet what was written: %w", mspkit.ErrInvalid)
		}
	case *redis.Client:
		if c == nil {
			return fmt.Errorf("a client is required: %w", mspkit.ErrInvalid)
		}
	}
	return nil
}

func checkPrefix(p string) error {
	if len(p) > 32 {
		return fmt.Errorf("the prefix has %d bytes, at most 32 are allowed: %w", len(p), mspkit.ErrInvalid)
	}
	if i := strings.IndexFunc(p, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("_-:", r)
	}); i >= 0 {
		return fmt.Errorf("the prefix %q may have a-z, A-Z, 0-9, '_', '-' and ':' only: %w", p, mspkit.ErrInvalid)
	}
	return nil
}

// checkShards keeps the number of shards with the first instance and compares it with every other.
func (s *Store) checkShards(ctx context.Context, shards int) error {
	key, want := s.prefix+":shards", strconv.Itoa(shards)
	if err := s.client.SetNX(ctx, key, want, 0).Err(); err != nil {
		return err
	}
	got, err := s.client.Get(ctx, key).Result()
	if err != nil {
		return err
	}
	if got != want {
		return fmt.Errorf("the number of shards is %s, the keys were made with %s: %w", want, got, ErrShards)
	}
	return nil
}

// channel is where changes are told.
func (s *Store) channel() string { return s.prefix + ":changed" }

// The errors of New.
var (
	// ErrUnsafe means that the server's settings let a redeemed proof come back after a crash, or cannot be read.
	ErrUnsafe = errors.New("the server's settings are unsafe")
	// ErrShards means that other instances have another number of shards.
	ErrShards = errors.New("another number of shards")
)

// decided are the answers of scripts that are no failures of Redis.
var decided = map[string]error{
	"notfound": verify.ErrNotFound, "conflict": verify.ErrConflict, "notpending": verify.ErrNotPending,
	"frozen": verify.ErrFrozen, "locked": verify.ErrLocked, "proof": verify.ErrProof, "proofexpired": verify.ErrProofExpired,
	"redeemed": verify.ErrRedeemed, "unapproved": verify.ErrUnapproved, "forbidden": verify.ErrForbidden,
}

// do runs a script and returns what the store decided as it is.
func (s *Store) do(ctx context.Context, verb string, c call) (answer, error) {
	a, err := s.run(ctx, c)
	if err != nil {
		return nil, wrap(verb, err)
	}
	if err := decided[a.at(0)]; err != nil {
		return nil, err
	}
	return a, nil
}

// wrap names the verb where Redis failed.
func wrap(verb string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("redisstore: %s: %w", verb, err)
}

// limited returns the refusal of a script: which limit, and the end of its window.
func limited(a answer, limits []verify.Limit, now time.Time) error {
	i, err := strconv.Atoi(a.at(1))
	ends, terr := decodeTime(a.at(2))
	if err = errors.Join(err, terr); err != nil || i < 0 || i >= len(limits) {
		return errPacked
	}
	return &verify.LimitError{Limit: limits[i].Name, RetryAfter: ends.Sub(rounded(now))}
}

// handed remembers the shards of events that were handed out, because an acknowledgement names the id alone.
type handed struct {
	mu     sync.Mutex
	shards map[string]int
}

// maxHanded is how many it remembers; what is forgotten is looked for everywhere.
const maxHanded = 20_000

func (h *handed) note(id string, shard int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.shards == nil || len(h.shards) >= maxHanded {
		h.shards = map[string]int{}
	}
	h.shards[id] = shard
}

// take forgets ids and returns those of each shard; what is not known is for every shard.
func (h *handed) take(ids []string, shards int) [][]string {
	h.mu.Lock()
	defer h.mu.Unlock()
	out := make([][]string, shards)
	for _, id := range ids {
		if i, ok := h.shards[id]; ok {
			delete(h.shards, id)
			out[i] = append(out[i], id)
			continue
		}
		for i := range out {
			out[i] = append(out[i], id)
		}
	}
	return out
}
