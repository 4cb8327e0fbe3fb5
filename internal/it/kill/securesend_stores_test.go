package kill_test

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit/internal/it/redisproc"
	"github.com/mspkit/mspkit/securesend/sqlstore"
)

// TestASendOutlivesTheProcessOnSQLite kills the process at every step of a reveal: 12 times, with MSPKIT_SOAK=1 200.
func TestASendOutlivesTheProcessOnSQLite(t *testing.T) {
	t.Parallel()
	dsn := "file:" + filepath.Join(t.TempDir(), "test.db") +
		"?_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=secure_delete(ON)&_pragma=busy_timeout(5000)"
	db, dialect := place{Kind: "sqlite", Address: dsn}.db(t)
	require.NoError(t, sqlstore.Migrate(t.Context(), db, dialect, nil))
	newChildren(t, "sqlite", dsn).killed()
}

// TestASendOutlivesTheProcessOnRedis is the same on Redis.
func TestASendOutlivesTheProcessOnRedis(t *testing.T) {
	t.Parallel()
	server := redisproc.Start(t, "--appendonly", "yes", "--appendfsync", "always")
	newChildren(t, "redis", server.Addr).killed()
}
