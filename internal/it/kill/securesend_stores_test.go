package kill_test

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit/internal/it/pgserver"
	"github.com/mspkit/mspkit/internal/it/redisproc"
	"github.com/mspkit/mspkit/securesend/sqlstore"
)

// TestASendOutlivesTheProcessOnSQLite kills the process at every step of a reveal: 12 times, with MSPKIT_SOAK=1 200.
func TestASendOutlivesTheProcessOnSQLite(t *testing.T) {
	t.Parallel()
	dsn := "file:" + filepath.Join(t.TempDir(), "test.db") +
		"?_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=secure_delete(ON)&_pragma=busy_timeout(5000)"
	p := place{Kind: "sqlite", Address: dsn}
	db, dialect := p.db(t, 16), p.dialect()
	require.NoError(t, sqlstore.Migrate(t.Context(), db, dialect, nil))
	newChildren(t, "sqlite", dsn).killed()
}

// TestASendOutlivesTheProcessOnRedis is the same on Redis.
func TestASendOutlivesTheProcessOnRedis(t *testing.T) {
	t.Parallel()
	server := redisproc.Start(t, "--appendonly", "yes", "--appendfsync", "always")
	newChildren(t, "redis", server.Addr).killed()
}

// TestASendOutlivesRedis kills a Redis that writes always: twice, with MSPKIT_SOAK=1 20 times.
func TestASendOutlivesRedis(t *testing.T) {
	t.Parallel()
	server := redisproc.Start(t, "--appendonly", "yes", "--appendfsync", "always")
	newHost(t, "redis", server.Addr).outlive(database{
		kill:   func() { server.Kill(t) },
		resume: func() { server.Resume(t); server.Rewrite(t) }, // as the package's documentation says
	})
}

// TestASendOutlivesPostgres kills the process at every step of a reveal, and then the server, which is set to answer before it
// has written: the store does not rely on that setting.
func TestASendOutlivesPostgres(t *testing.T) {
	t.Parallel()
	server := pgserver.New(t, "synchronous_commit=off", "wal_writer_delay=10s")
	p := place{Kind: "postgres", Address: server.URL()}
	db, dialect := p.db(t, 16), p.dialect()
	require.NoError(t, sqlstore.Migrate(t.Context(), db, dialect, nil))
	t.Run("process", func(t *testing.T) { newChildren(t, "postgres", server.URL()).killed() })
	_, err := db.ExecContext(t.Context(), `DELETE FROM mspkit_securesend_records`)
	require.NoError(t, err)
	t.Run("server", func(t *testing.T) {
		newHost(t, "postgres", server.URL()).outlive(database{kill: server.Kill, resume: func() { server.Start() }})
	})
}
