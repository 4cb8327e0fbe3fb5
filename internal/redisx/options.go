package redisx

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/mspkit/mspkit"
)

// The errors of [Open].
var (
	// ErrUnsafe means that the server's settings let an earlier state come back, or cannot be read.
	ErrUnsafe = errors.New("the server's settings are unsafe")
	// ErrShards means that other instances have another number of shards.
	ErrShards = errors.New("another number of shards")
)

// Options say what is opened.
type Options struct {
	// Prefix is what the host gave; empty means "mspkit". Part, where not empty, follows it after a colon, so that several
	// stores may share a prefix.
	Prefix, Part string
	// Shards is 1 to 1024. Zero means 64.
	Shards int
	// AcceptLostWrites lets Open warn of unsafe settings instead of failing.
	AcceptLostWrites bool
	// Store names the package in warnings, Risk is what may happen after a crash of a server with unsafe settings.
	Store, Risk string
	// Log gets warnings; nil discards them.
	Log *slog.Logger
}

// Open checks the options, the settings of every master and the number of shards.
func Open(ctx context.Context, client redis.UniversalClient, o Options) (*Shards, error) {
	s, err := settle(client, o)
	if err == nil {
		err = s.checkServers(ctx, o)
	}
	if err == nil {
		err = s.checkShards(ctx)
	}
	if err != nil {
		return nil, err
	}
	return s, nil
}

// settle checks what Open is given and fills in what is missing.
func settle(client redis.UniversalClient, o Options) (*Shards, error) {
	s := &Shards{client: client, space: o.Prefix, log: o.Log}
	if s.space == "" {
		s.space = "mspkit"
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	n := o.Shards
	if n == 0 {
		n = 64
	}
	err := errors.Join(checkClient(client), checkPrefix(s.space))
	if n < 1 || n > 1024 {
		err = errors.Join(err, fmt.Errorf("the number of shards is %d, it must be 1 to 1024: %w", n, mspkit.ErrInvalid))
	}
	if err != nil {
		return nil, err
	}
	if o.Part != "" {
		s.space += ":" + o.Part
	}
	_, cluster := client.(*redis.ClusterClient)
	s.apart.Store(cluster)
	s.keys = newKeys(s.space, n)
	return s, nil
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
func (s *Shards) checkShards(ctx context.Context) error {
	key, want := s.space+":shards", strconv.Itoa(len(s.keys))
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
