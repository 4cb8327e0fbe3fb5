package redisx

import (
	"maps"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSettingsUnderWhichAnEarlierStateCouldComeBackAreFound(t *testing.T) {
	t.Parallel()
	plain := settings{
		"appendonly": "no", "appendfsync": "everysec", "no-appendfsync-on-rewrite": "no", "save": "", "maxmemory": "0",
		"maxmemory-policy": "noeviction", "repl-diskless-sync": "no", "rdb-del-sync-files": "no", replicas: "0",
	}
	for name, c := range map[string]struct {
		change settings
		want   []string
	}{
		"nothing is kept":                         {nil, nil},
		"everything is kept":                      {settings{"appendonly": "yes", "appendfsync": "always"}, nil},
		"everything is kept, and snapshots":       {settings{"appendonly": "yes", "appendfsync": "always", "save": "3600 1"}, nil},
		"once a second":                           {settings{"appendonly": "yes"}, []string{"appendfsync is everysec"}},
		"when the system likes":                   {settings{"appendonly": "yes", "appendfsync": "no"}, []string{"appendfsync is no"}},
		"not during a rewrite":                    {settings{"appendonly": "yes", "appendfsync": "always", "no-appendfsync-on-rewrite": "yes"}, []string{"no-appendfsync-on-rewrite is yes"}},
		"snapshots":                               {settings{"save": "3600 1 300 100"}, []string{`save is "3600 1 300 100"`}},
		"a replica's snapshot":                    {settings{replicas: "1"}, []string{"rdb-del-sync-files is no"}},
		"a replica's snapshot that is deleted":    {settings{replicas: "1", "rdb-del-sync-files": "yes"}, nil},
		"a replica without a snapshot":            {settings{replicas: "1", "repl-diskless-sync": "yes"}, nil},
		"a replica of what is kept":               {settings{replicas: "1", "appendonly": "yes", "appendfsync": "always"}, nil},
		"eviction of what is oldest":              {settings{"maxmemory": "100", "maxmemory-policy": "allkeys-lru"}, []string{"maxmemory-policy is allkeys-lru"}},
		"eviction of what would end, the limits":  {settings{"maxmemory": "100", "maxmemory-policy": "volatile-ttl"}, []string{"maxmemory-policy is volatile-ttl"}},
		"a policy that never evicts":              {settings{"maxmemory": "100"}, nil},
		"a policy that has nothing to do":         {settings{"maxmemory-policy": "allkeys-lru"}, nil},
		"both":                                    {settings{"save": "1 1", "maxmemory": "9", "maxmemory-policy": "allkeys-random"}, []string{"save is", "maxmemory is 9"}},
		"a server that does not know the setting": {settings{"maxmemory-policy": "", "maxmemory": "5"}, []string{"maxmemory-policy is "}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			given := settings{}
			for _, m := range []settings{plain, c.change} {
				maps.Copy(given, m)
			}
			got := given.faults()
			require.Len(t, got, len(c.want), "%v", got)
			for i, w := range c.want {
				require.Contains(t, got[i], w)
			}
		})
	}
}
