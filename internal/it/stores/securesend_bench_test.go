package stores_test

import (
	"database/sql"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/it/pgserver"
	"github.com/mspkit/mspkit/internal/sqlx"
	"github.com/mspkit/mspkit/securesend"
	sendsql "github.com/mspkit/mspkit/securesend/sqlstore"
)

// sqlSendBench is a store beside the least that could be called one: a table that is inserted into, and deleted from by
// whoever asks first. That one has no claim, number, lease or event, and loses a secret whose answer is lost.
type sqlSendBench struct {
	db           *sql.DB
	store        *sendsql.Store
	insert, burn string
	made         int
}

func newSQLSendBench(b *testing.B, d database, clients int) *sqlSendBench {
	b.Helper()
	o := &sendsql.Options{Schema: d.schema}
	x := &sqlSendBench{db: d.open(b), insert: d.dialect.Rebind("INSERT INTO bare VALUES (?, ?, ?)"), burn: d.dialect.Rebind("DELETE FROM bare WHERE id = ? RETURNING half, content")}
	x.db.SetMaxOpenConns(clients)
	x.db.SetMaxIdleConns(clients)
	require.NoError(b, sendsql.Migrate(b.Context(), x.db, d.dialect, o))
	bytea := map[sqlx.Dialect]string{sqlx.SQLite: "BLOB", sqlx.Postgres: "BYTEA"}[d.dialect]
	_, err := x.db.ExecContext(b.Context(), "CREATE TABLE IF NOT EXISTS bare (id TEXT PRIMARY KEY, half "+bytea+", content "+bytea+")")
	require.NoError(b, err)
	x.store, err = sendsql.New(x.db, d.dialect, o)
	require.NoError(b, err)
	x.made = int(time.Now().UnixNano()) // so that no two share ids in one database
	return x
}

// record is a text of 1 KiB; n makes its id.
func (x *sqlSendBench) record(tenant mspkit.TenantID, n int, now time.Time) securesend.Record {
	r := simpleSend(fmt.Sprintf("%040d", n), now)
	r.Tenant, r.Half, r.Inline = tenant, make([]byte, 96), make([]byte, 1024)
	return r
}

// crowd runs f n times in each of so many clients, and returns the time it took.
func (x *sqlSendBench) crowd(clients, n int, f func(client, i int)) time.Duration {
	var wg sync.WaitGroup
	begun := time.Now()
	for c := range clients {
		wg.Go(func() {
			for i := range n {
				f(c, i)
			}
		})
	}
	wg.Wait()
	return time.Since(begun)
}

// round does n sends of each client and as many on the bare table, and adds the times of each verb.
func (x *sqlSendBench) round(b *testing.B, clients, n int, tenant func(client int) mspkit.TenantID, verbs *[5]time.Duration) {
	b.Helper()
	ctx, now := b.Context(), time.Now()
	record := func(c, i int) securesend.Record { return x.record(tenant(c), x.made+c*n+i, now) }
	fail := func(err error) {
		if err != nil {
			b.Error(err)
		}
	}
	for v, do := range []func(r securesend.Record) error{
		func(r securesend.Record) error {
			return x.store.Put(ctx, r, told(securesend.EventCreated, "jane"), now)
		},
		func(r securesend.Record) error { _, err := x.store.Take(ctx, r.Ref, takes("mine"), now); return err },
		func(r securesend.Record) error {
			_, err := x.store.Ack(ctx, r.Ref, []byte("mine"), r.Auth, told(securesend.EventAcknowledged, securesend.ByRecipient), now)
			return err
		},
		func(r securesend.Record) error {
			_, err := x.db.ExecContext(ctx, x.insert, r.ID, r.Half, r.Inline)
			return err
		},
		func(r securesend.Record) error {
			var half, content []byte
			return x.db.QueryRowContext(ctx, x.burn, r.ID).Scan(&half, &content)
		},
	} {
		verbs[v] += x.crowd(clients, n, func(c, i int) { fail(do(record(c, i))) })
	}
	x.made += clients * n
}

func (x *sqlSendBench) run(b *testing.B, clients int, tenant func(client int) mspkit.TenantID) {
	b.Helper()
	var verbs [5]time.Duration
	const chunk = 20 // the two sides take turns this often
	done := 0
	for done < b.N {
		n := min(chunk, max((b.N-done+clients-1)/clients, 1))
		x.round(b, clients, n, tenant, &verbs)
		done += n * clients
	}
	ours, bare := verbs[0]+verbs[1]+verbs[2], verbs[3]+verbs[4]
	for i, verb := range []string{"Put", "Take", "Ack", "INSERT", "DELETE"} {
		b.ReportMetric(float64(verbs[i].Microseconds())*float64(clients)/float64(done), verb+"-µs")
	}
	b.ReportMetric(float64(done)/ours.Seconds(), "sends/s")
	b.ReportMetric(float64(ours)/float64(bare), "x/bare")
	b.ReportMetric(float64(verbs[1])/float64(verbs[4]), "Take-x/DELETE")
	b.ReportMetric(0, "ns/op") // of both sides, which nobody needs
}

// BenchmarkSecureSendSQL measures Put, Take and Ack, on SQLite with FULL and on a PostgreSQL server of its own with fsync. In
// turns the bare statements run on the same pool; x/bare is the ratio of the times of a whole send. Run it with a fixed
// count such as -benchtime 2000x.
func BenchmarkSecureSendSQL(b *testing.B) {
	one := func(int) mspkit.TenantID { return "contoso" }
	many := func(c int) mspkit.TenantID { return mspkit.TenantID(fmt.Sprint("tenant-", c)) }
	b.Run("SQLite", func(b *testing.B) { newSQLSendBench(b, sendFile(b), 1).run(b, 1, one) })
	s := pgserver.New(b)
	d := database{dialect: sqlx.Postgres, driver: "pgx", dsn: s.URL()}
	for _, clients := range []int{1, 16} {
		x := newSQLSendBench(b, d, clients)
		b.Run(fmt.Sprintf("PostgreSQL/%d clients/one tenant", clients), func(b *testing.B) { x.run(b, clients, one) })
		b.Run(fmt.Sprintf("PostgreSQL/%d clients/many tenants", clients), func(b *testing.B) { x.run(b, clients, many) })
		require.NoError(b, x.db.Close())
	}
}
