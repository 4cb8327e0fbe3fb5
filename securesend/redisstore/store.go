package redisstore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/mspkit/mspkit/internal/redisx"
	"github.com/mspkit/mspkit/securesend"
)

// Options change how a [Store] works. Nil and the zero value are fine.
type Options struct {
	// Prefix begins the name of every key: 1 to 32 of a-z, A-Z, 0-9, '_', '-' and ':'. Empty means "mspkit". Stores of
	// other packages of this module may have the same.
	Prefix string
	// Shards is into how many parts the tenants are divided, 1 to 1024. Zero means 64. A cluster spreads the shards over
	// its machines, and the tenants of one shard share one of them. All instances need the same number, and it cannot be
	// changed later.
	Shards int
	// AcceptLostWrites lets [New] accept a server that may lose writes that it has acknowledged and keep older ones, or
	// evict keys, or that does not tell its settings. After a crash or a failover of such a server a send that was
	// burnt may be opened again by who has the link, tries that were used up may be there again, and limits begin anew.
	AcceptLostWrites bool
	// Logger gets warnings; nil discards them.
	Logger *slog.Logger
}

// Store is a [securesend.SecretStore] on Redis. Use [New].
type Store struct {
	db     *redisx.Shards
	handed redisx.Handed
}

var _ securesend.SecretStore = (*Store)(nil)

// The errors of New.
var (
	// ErrUnsafe means that the server's settings let a burnt send come back after a crash, or cannot be read.
	ErrUnsafe = redisx.ErrUnsafe
	// ErrShards means that other instances have another number of shards.
	ErrShards = redisx.ErrShards
)

// New returns a store on a Redis server, a failover group or a Redis Cluster. It does not take client over: the host
// closes it. It reads the settings of every master and fails with [ErrUnsafe] where a burnt send could come back after a
// crash; see the package's section on durability. [ErrShards] means that the keys were made with another number of shards.
// A nil client, options that cannot be used, a [*redis.Ring], which looks for keys elsewhere when a server is down, and a client that
// reads from replicas are mspkit.ErrInvalid.
func New(ctx context.Context, client redis.UniversalClient, o *Options) (*Store, error) {
	if o == nil {
		o = &Options{}
	}
	db, err := redisx.Open(ctx, client, redisx.Options{
		Prefix: o.Prefix, Part: "send", Shards: o.Shards, AcceptLostWrites: o.AcceptLostWrites, Log: o.Logger,
		Store: "redisstore", Risk: "what was burnt may be opened again",
	})
	if err != nil {
		return nil, fmt.Errorf("redisstore: new: %w", err)
	}
	return &Store{db: db}, nil
}

// decided are the answers of scripts that are no failures of Redis.
var decided = map[string]error{
	"notfound": securesend.ErrNotFound, "conflict": securesend.ErrConflict, "auth": securesend.ErrAuth, "draft": securesend.ErrDraft,
	"opening": securesend.ErrOpening, "ended": securesend.ErrEnded, "number": securesend.ErrNumber, "passphrase": securesend.ErrPassphrase,
	"locked": securesend.ErrLocked, "gate": securesend.ErrGate, "region": securesend.ErrRegion, "invalid": securesend.ErrInvalid,
}

// limited are those that are limits of one record.
var limited = map[string]string{
	"codes": securesend.LimitCodes, "cooldown": securesend.LimitCooldown, "renewals": securesend.LimitRenewals,
}

// errUnknown means that a script answered what none of ours does.
var errUnknown = errors.New("the server's answer is not known")

// wrap names the verb where Redis failed.
func wrap(verb string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("redisstore: %s: %w", verb, err)
}

// on returns a script that works on one record; lua/record.lua reads what is given first.
func (s *Store) on(script *redis.Script, ref securesend.Ref, stamp string, now time.Time, args ...any) redisx.Call {
	first := make([]any, 0, 7+len(args))
	first = append(first, redisx.EncodeTime(now), redisx.EncodeTime(now.Add(-securesend.LeaseMargin)), redisx.EncodeTime(now.Add(securesend.Lease)),
		keyed(ref.Tenant), ref.ID, token(), stamp)
	return s.db.In(ref.Tenant, script, append(first, args...)...)
}

// step runs a script that works on one record and returns the record as it is afterwards, also with an error of the step, and what else
// the script returned.
func (s *Store) step(ctx context.Context, verb string, c redisx.Call) (securesend.Record, redisx.Answer, error) {
	a, err := s.db.Join(ctx, c)
	if err != nil {
		return securesend.Record{}, nil, wrap(verb, err)
	}
	word := a.At(0)
	if word == "notfound" {
		return securesend.Record{}, nil, securesend.ErrNotFound
	}
	r, err := decodeRecord(a.At(1))
	if err != nil {
		return securesend.Record{}, nil, wrap(verb, err)
	}
	if err = decided[word]; err == nil && word != "ok" {
		if limited[word] == "" {
			return securesend.Record{}, nil, wrap(verb, errUnknown)
		}
		err = &securesend.LimitError{Limit: limited[word]}
	}
	return r, a, err
}

// simple is step for scripts that return nothing else.
func (s *Store) simple(ctx context.Context, verb string, c redisx.Call) (securesend.Record, error) {
	r, _, err := s.step(ctx, verb, c)
	return r, err
}

// until completes a limit of one record.
func until(err error, t, now time.Time) error {
	if l, ok := errors.AsType[*securesend.LimitError](err); ok {
		l.RetryAfter = t.Sub(redisx.Rounded(now))
	}
	return err
}
