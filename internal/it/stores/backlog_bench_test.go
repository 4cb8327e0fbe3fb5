package stores_test

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/backlog"
	"github.com/mspkit/mspkit/internal/it/pgserver"
	"github.com/mspkit/mspkit/internal/sqlx"
)

// acceptClients is how many accept at once in the benchmark, and acceptBytes how much is sealed in each item.
const acceptClients, acceptBytes = 64, 4 << 10

// acceptBench is a backlog, and a table beside it with the columns of an item and nothing else.
type acceptBench struct {
	b      *testing.B
	store  *backlog.SQL
	bare   *sql.DB
	insert string
	sealed []byte
	made   atomic.Int64
}

func newAcceptBench(b *testing.B, d database, conns int) *acceptBench {
	b.Helper()
	migrateBacklog(b, d)
	x := &acceptBench{b: b, bare: d.open(b), sealed: append([]byte("\x01\x02k1"), make([]byte, acceptBytes)...)}
	store, db := openBacklog(b, d)
	x.store = store
	for _, db := range []*sql.DB{db, x.bare} {
		db.SetMaxOpenConns(conns)
		db.SetMaxIdleConns(conns)
	}
	bytea := map[sqlx.Dialect]string{sqlx.SQLite: "BLOB", sqlx.Postgres: "BYTEA"}[d.dialect]
	_, err := x.bare.ExecContext(b.Context(), `CREATE TABLE bare (tenant TEXT NOT NULL, id TEXT NOT NULL, stream TEXT NOT NULL, state TEXT NOT NULL,
		due BIGINT NOT NULL, added BIGINT NOT NULL, sealed `+bytea+`, PRIMARY KEY (tenant, id))`)
	require.NoError(b, err)
	x.insert = d.dialect.Rebind("INSERT INTO bare VALUES (?, ?, ?, ?, ?, ?, ?)")
	return x
}

// crowd runs f n times by all clients, and returns the time it took.
func (x *acceptBench) crowd(n int, f func(id, stream string) error) time.Duration {
	var wg sync.WaitGroup
	var left atomic.Int64
	left.Store(int64(n))
	begun := time.Now()
	for range acceptClients {
		wg.Go(func() {
			for left.Add(-1) >= 0 {
				n := x.made.Add(1)
				if err := f(fmt.Sprint("notification-", n), fmt.Sprint("chat-", n%100)); err != nil {
					x.b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	return time.Since(begun)
}

// run lets both sides take turns.
func (x *acceptBench) run() {
	ctx := context.Background()
	var accept, bare time.Duration
	const chunk = 1000
	done := 0
	for done < x.b.N {
		bare += x.crowd(chunk, func(id, stream string) error {
			now := time.Now().UnixMicro()
			_, err := x.bare.ExecContext(ctx, x.insert, "contoso", id, stream, "pending", now, now, x.sealed)
			return err
		})
		accept += x.crowd(chunk, func(id, stream string) error {
			n, err := x.store.Add(ctx, []backlog.Item{{Tenant: mspkit.TenantID("contoso"), Key: stream, ID: id, Sealed: x.sealed, AddedAt: time.Now()}})
			if err == nil && n != 1 {
				err = fmt.Errorf("%d were added", n)
			}
			return err
		})
		done += chunk
	}
	x.b.ReportMetric(float64(done)/accept.Seconds(), "accepted/s")
	x.b.ReportMetric(float64(done)/bare.Seconds(), "inserts/s")
	x.b.ReportMetric(float64(accept)/float64(bare), "x/insert")
	x.b.ReportMetric(0, "ns/op") // of both sides, which nobody needs
}

// BenchmarkBacklogAccept measures how many items of 4 KiB 64 clients add per second, one in each Add, beside bare inserts of
// such rows by as many clients, each a transaction of its own with the same durability (x/insert); the sides take turns.
// SQLite is WAL with synchronous(FULL) on one connection, PostgreSQL a server of its own with fsync. Run it with a fixed count
// such as -benchtime 5000x.
func BenchmarkBacklogAccept(b *testing.B) {
	b.Run("SQLite", func(b *testing.B) {
		d := sqliteFile(b)
		d.dsn = strings.Replace(d.dsn, "synchronous(NORMAL)", "synchronous(FULL)&_pragma=busy_timeout(5000)", 1)
		newAcceptBench(b, d, 1).run()
	})
	b.Run("PostgreSQL", func(b *testing.B) {
		newAcceptBench(b, database{dialect: sqlx.Postgres, driver: "pgx", dsn: pgserver.New(b).URL(), schema: "public"}, 16).run()
	})
}
