package redisx

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/redis/go-redis/v9"
)

// settings are those of one server that decide what it remembers after a crash.
type settings map[string]string

// asked are the settings that are read; what an older server does not know is missing.
var asked = []string{
	"appendonly", "appendfsync", "no-appendfsync-on-rewrite", "save", "maxmemory", "maxmemory-policy", "repl-diskless-sync", "rdb-del-sync-files",
}

// replicas is the name under which the number of replicas stands in settings.
const replicas = "connected_slaves"

// faults returns what could bring back a state that was left, in words.
func (c settings) faults() []string {
	var out []string
	switch {
	case c["appendonly"] == "yes" && c["appendfsync"] != "always":
		out = append(out, fmt.Sprintf("appendonly is yes and appendfsync is %s: a crash loses the last writes and keeps those before; set appendfsync always, or appendonly no and save \"\"", c["appendfsync"]))
	case c["appendonly"] == "yes" && c["no-appendfsync-on-rewrite"] == "yes":
		out = append(out, "no-appendfsync-on-rewrite is yes: while the file is rewritten a crash loses the last writes and keeps those before; set no")
	case c["appendonly"] == "yes":
	case c["save"] != "":
		out = append(out, fmt.Sprintf("save is %q: a crash brings the last snapshot back; set appendonly yes and appendfsync always, or save \"\"", c["save"]))
	case c[replicas] != "0" && c["repl-diskless-sync"] != "yes" && c["rdb-del-sync-files"] != "yes":
		out = append(out, "rdb-del-sync-files is no: a replica that connects leaves a snapshot, which a crash brings back; set yes, or repl-diskless-sync yes")
	}
	if c["maxmemory"] != "0" && c["maxmemory-policy"] != "noeviction" {
		out = append(out, fmt.Sprintf("maxmemory is %s and maxmemory-policy is %s: keys are evicted when memory is full; set noeviction", c["maxmemory"], c["maxmemory-policy"]))
	}
	return out
}

// checkServers reads the settings of every master and refuses unsafe ones unless they are accepted.
func (s *Shards) checkServers(ctx context.Context, o Options) error {
	var mu sync.Mutex
	var errs []error
	check := func(ctx context.Context, where string, c redis.Cmdable) error {
		read, err := readSettings(ctx, c)
		var refused redis.Error
		var found []error
		switch {
		case err != nil && !errors.As(err, &refused):
			return err
		case err != nil:
			found = append(found, fmt.Errorf("%w: %s: the settings cannot be read (%w); see AcceptLostWrites in Options", ErrUnsafe, where, err))
		default:
			for _, fault := range read.faults() {
				found = append(found, fmt.Errorf("%w: %s: %s; or see AcceptLostWrites in Options", ErrUnsafe, where, fault))
			}
		}
		mu.Lock()
		defer mu.Unlock()
		errs = append(errs, found...)
		return nil
	}
	var err error
	switch c := s.client.(type) {
	case *redis.ClusterClient:
		err = c.ForEachMaster(ctx, func(ctx context.Context, c *redis.Client) error { return check(ctx, c.Options().Addr, c) })
	case *redis.Client:
		err = check(ctx, c.Options().Addr, c)
	default:
		err = check(ctx, "the server", c)
	}
	if err != nil || !o.AcceptLostWrites {
		return errors.Join(append([]error{err}, errs...)...)
	}
	for _, e := range errs {
		s.log.LogAttrs(ctx, slog.LevelWarn, "a crash may undo what was acknowledged, as AcceptLostWrites allows", slog.String("store", o.Store), slog.String("risk", o.Risk), slog.Any("error", e))
	}
	return nil
}

func readSettings(ctx context.Context, c redis.Cmdable) (settings, error) {
	out := settings{replicas: "0"}
	for _, name := range asked {
		got, err := c.ConfigGet(ctx, name).Result()
		if err != nil {
			return nil, err
		}
		maps.Copy(out, got)
	}
	info, err := c.Info(ctx, "replication").Result()
	if err != nil {
		return nil, err
	}
	lines := strings.Split(info, "\n")
	if i := slices.IndexFunc(lines, func(l string) bool { return strings.HasPrefix(l, replicas+":") }); i >= 0 {
		out[replicas] = strings.TrimSpace(strings.TrimPrefix(lines[i], replicas+":"))
	}
	return out, nil
}
