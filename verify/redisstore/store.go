package redisstore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/mspkit/mspkit/internal/redisx"
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
	db     *redisx.Shards
	handed redisx.Handed
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
	if o == nil {
		o = &Options{}
	}
	db, err := redisx.Open(ctx, client, redisx.Options{
		Prefix: o.Prefix, Shards: o.Shards, AcceptLostWrites: o.AcceptLostWrites, Log: o.Logger,
		Store: "redisstore", Risk: "what was redeemed may be redeemed again",
	})
	if err != nil {
		return nil, fmt.Errorf("redisstore: new: %w", err)
	}
	return &Store{db: db}, nil
}

// channel is where changes are told.
func (s *Store) channel() string { return s.db.Space() + ":changed" }

// The errors of New.
var (
	// ErrUnsafe means that the server's settings let a redeemed proof come back after a crash, or cannot be read.
	ErrUnsafe = redisx.ErrUnsafe
	// ErrShards means that other instances have another number of shards.
	ErrShards = redisx.ErrShards
)

// decided are the answers of scripts that are no failures of Redis.
var decided = map[string]error{
	"notfound": verify.ErrNotFound, "conflict": verify.ErrConflict, "notpending": verify.ErrNotPending,
	"frozen": verify.ErrFrozen, "locked": verify.ErrLocked, "proof": verify.ErrProof, "proofexpired": verify.ErrProofExpired,
	"redeemed": verify.ErrRedeemed, "unapproved": verify.ErrUnapproved, "forbidden": verify.ErrForbidden,
}

// do runs a script and returns what the store decided as it is.
func (s *Store) do(ctx context.Context, verb string, c redisx.Call) (redisx.Answer, error) {
	a, err := s.db.Join(ctx, c)
	return decide(verb, a, err)
}

// doAlone is do for scripts that read or write much, with which nothing else should be sent.
func (s *Store) doAlone(ctx context.Context, verb string, c redisx.Call) (redisx.Answer, error) {
	a, err := s.db.Run(ctx, c)
	return decide(verb, a, err)
}

func decide(verb string, a redisx.Answer, err error) (redisx.Answer, error) {
	if err != nil {
		return nil, wrap(verb, err)
	}
	if err := decided[a.At(0)]; err != nil {
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
func limited(a redisx.Answer, limits []verify.Limit, now time.Time) error {
	i, err := strconv.Atoi(a.At(1))
	ends, terr := redisx.DecodeTime(a.At(2))
	if err = errors.Join(err, terr); err != nil || i < 0 || i >= len(limits) {
		return redisx.ErrPacked
	}
	return &verify.LimitError{Limit: limits[i].Name, RetryAfter: ends.Sub(redisx.Rounded(now))}
}
