package stores_test

import (
	"context"
	"database/sql"
	"encoding/binary"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/it/pgserver"
	"github.com/mspkit/mspkit/internal/sqlx"
	"github.com/mspkit/mspkit/verify"
	"github.com/mspkit/mspkit/verify/sqlstore"
)

// ownPostgres returns a database on a server that belongs to the test.
func ownPostgres(t testing.TB, settings ...string) (*pgserver.Server, database) {
	t.Helper()
	s := pgserver.New(t, settings...)
	d := database{dialect: sqlx.Postgres, driver: "pgx", dsn: s.URL(), schema: "verify"}
	require.NoError(t, sqlstore.Migrate(context.Background(), d.open(t), d.dialect, &sqlstore.Options{Schema: d.schema}))
	return s, d
}

// pgBench is a database with one or two instances and as many clients as the run has.
type pgBench struct {
	pools    []*sql.DB
	services []*verify.Service
	codes    *codes
	template map[string]statement // of each verb, as the service sends it
	made     int
}

// codes is a channel that keeps the code of every challenge and costs nothing else.
type codes struct{ m sync.Map }

func (c *codes) Deliver(_ context.Context, d verify.Delivery) (verify.Receipt, error) {
	c.m.Store(d.Ref.ID, d.Code.Reveal())
	return verify.Receipt{ID: "m"}, nil
}

func (*codes) Assurance() verify.Assurance { return verify.AssuranceTeams }

func newPGBench(b *testing.B, d database, instances, clients int) *pgBench {
	b.Helper()
	x := &pgBench{codes: &codes{}, template: map[string]statement{}}
	ring := newRing(b)
	service := func(db *sql.DB) *verify.Service {
		store, err := sqlstore.New(db, d.dialect, &sqlstore.Options{Schema: d.schema})
		require.NoError(b, err)
		svc, err := verify.New(store, ring, "https://help.example/verify", verify.Same(verify.Settings{
			Brand:  mspkit.Brand{Name: "Contoso IT"},
			Limits: verify.Limits{Cooldown: -1, PerDestination: 1_000_000, PerSubject: 1_000_000},
		}), &verify.Options{Channels: map[string]verify.Channel{"email": x.codes}})
		require.NoError(b, err)
		return svc
	}
	for range instances {
		db := d.open(b)
		db.SetMaxOpenConns(clients / instances)
		db.SetMaxIdleConns(clients / instances)
		x.pools = append(x.pools, db)
		x.services = append(x.services, service(db))
	}
	var sent []statement
	noting := sql.OpenDB(recorder{x.pools[0].Driver(), d.dsn, &sent})
	defer noting.Close()
	svc := service(noting)
	sent = nil
	x.made = int(time.Now().UnixNano()) // so that no two share keys in one database
	x.check(b, svc, x.start(b, svc, "tenant-000000", x.made))
	x.made++
	for _, s := range sent {
		for _, verb := range []string{"begin", "sent", "attempt", "finish"} {
			if strings.Contains(s.query, "verify_"+verb+"_4(") {
				x.template[verb] = s
			}
		}
	}
	require.Len(b, sent, 4)
	require.Len(b, x.template, 4)
	return x
}

func (x *pgBench) start(b *testing.B, svc *verify.Service, tenant mspkit.TenantID, n int) verify.CheckRequest {
	r := codeRequest(string(tenant) + "-dana")
	r.Tenant, r.IdempotencyKey = tenant, fmt.Sprint("key-", n)
	c, err := svc.Start(b.Context(), r)
	if err != nil {
		b.Error(err)
		return verify.CheckRequest{}
	}
	code, _ := x.codes.m.LoadAndDelete(c.Ref.ID)
	return verify.CheckRequest{Tenant: tenant, ID: c.Ref.ID, Technician: jane.ID, Response: code.(string)}
}

func (x *pgBench) check(b *testing.B, svc *verify.Service, r verify.CheckRequest) {
	res, err := svc.Check(b.Context(), r)
	if err != nil || res.State != verify.StateConfirmed {
		b.Error(res.State, err)
	}
}

// fresh returns a statement of the template for the n-th challenge of a tenant. Every text that names a tenant, a
// challenge, an event, a key or a destination is another one of the same length, and so is the lock.
func (x *pgBench) fresh(verb string, tenant, n int) statement {
	s := x.template[verb]
	begin := x.template["begin"].args
	id := begin[8].(string)
	event := s.args[map[string]int{"begin": 3, "sent": 6, "attempt": 7, "finish": 7}[verb]].(string)
	key := begin[39].(string)
	limits := begin[2].(string)
	to := limits[strings.Index(limits, "destination/")+12:][:20]
	number, owner := fmt.Sprintf("%020d", n), fmt.Sprintf("tenant-%06d", tenant)
	names := strings.NewReplacer("tenant-000000", owner, id[:20], number, event[:20], number, key[:20], number, to, fmt.Sprintf("%020d", tenant))
	out := statement{s.query, append([]any(nil), s.args...)}
	for i, a := range out.args {
		if text, ok := a.(string); ok {
			out.args[i] = names.Replace(text)
		}
	}
	var lock [8]byte
	binary.BigEndian.PutUint64(lock[:], uint64(out.args[0].(int64)))
	binary.BigEndian.PutUint32(lock[4:], uint32(tenant))
	out.args[0] = int64(binary.BigEndian.Uint64(lock[:]))
	return out
}

func (x *pgBench) bare(b *testing.B, db *sql.DB, statements ...statement) {
	for _, s := range statements {
		if err := queryAll(b.Context(), db, s); err != nil {
			b.Error(err)
		}
	}
}

// crowd runs f for each of n operations of each client, on the clients' instances, and returns the time it took.
func (x *pgBench) crowd(clients, n int, f func(instance, client, i int)) time.Duration {
	var wg sync.WaitGroup
	begun := time.Now()
	for c := range clients {
		wg.Go(func() {
			for i := range n {
				f(c%len(x.pools), c, i)
			}
		})
	}
	wg.Wait()
	return time.Since(begun)
}

// round does n Starts and n Checks of each client through the service, and the same on the bare driver, and adds the
// times to sums. tenant says whose challenges a client begins.
func (x *pgBench) round(b *testing.B, clients, n int, tenant func(client int) int, sums *[2][2]time.Duration) {
	b.Helper()
	open := make([][]verify.CheckRequest, clients)
	plain := map[string][][]statement{}
	for c := range clients {
		open[c] = make([]verify.CheckRequest, n)
		for verb := range x.template {
			plain[verb] = append(plain[verb], make([]statement, n))
			for i := range n {
				plain[verb][c][i] = x.fresh(verb, 500_000+tenant(c), x.made+c*n+i)
			}
		}
	}
	sums[0][0] += x.crowd(clients, n, func(inst, c, i int) {
		open[c][i] = x.start(b, x.services[inst], mspkit.TenantID(fmt.Sprintf("tenant-%06d", tenant(c))), x.made+c*n+i)
	})
	sums[0][1] += x.crowd(clients, n, func(inst, c, i int) { x.bare(b, x.pools[inst], plain["begin"][c][i], plain["sent"][c][i]) })
	sums[1][0] += x.crowd(clients, n, func(inst, c, i int) { x.check(b, x.services[inst], open[c][i]) })
	sums[1][1] += x.crowd(clients, n, func(inst, c, i int) { x.bare(b, x.pools[inst], plain["attempt"][c][i], plain["finish"][c][i]) })
	x.made += clients * n
}

// BenchmarkVerifyPostgres measures Start and Check on a server of its own, with fsync. In turns the same statements run
// on the bare driver, with the same pools; x/bare is the ratio of the times that both crowds took. Run it with a fixed
// count such as -benchtime 4000x.
func BenchmarkVerifyPostgres(b *testing.B) {
	_, d := ownPostgres(b)
	for _, run := range []struct {
		instances, clients int
		watched            bool
	}{{1, 1, false}, {1, 16, false}, {1, 64, false}, {2, 16, false}, {2, 64, false}, {1, 16, true}, {1, 64, true}} {
		instances, clients, name := run.instances, run.clients, "1 instance"
		if instances == 2 {
			name = "2 instances"
		}
		if run.watched { // from here on every outcome is notified
			_, err := openVerify(b, d).Channel(b.Context())
			require.NoError(b, err)
			name = "watched"
		}
		x := newPGBench(b, d, instances, clients)
		for _, spread := range []struct {
			name   string
			tenant func(int) int
		}{{"many tenants", func(c int) int { return c }}, {"one tenant", func(int) int { return 0 }}} {
			b.Run(fmt.Sprintf("%s/%d clients/%s", name, clients, spread.name), func(b *testing.B) {
				var sums [2][2]time.Duration
				const chunk = 20 // the two sides take turns this often
				done := 0
				for done < b.N {
					n := min(chunk, max((b.N-done+clients-1)/clients, 1))
					x.round(b, clients, n, spread.tenant, &sums)
					done += n * clients
				}
				for i, verb := range []string{"Start", "Check"} {
					b.ReportMetric(float64(done)/sums[i][0].Seconds(), verb+"s/s")
					b.ReportMetric(float64(sums[i][0].Microseconds())*float64(clients)/float64(done), verb+"-µs")
					b.ReportMetric(float64(sums[i][0])/float64(sums[i][1]), verb+"-x/bare")
				}
				b.ReportMetric(0, "ns/op") // of all four crowds, which nobody needs
			})
		}
		for _, db := range x.pools {
			require.NoError(b, db.Close())
		}
	}
}

// BenchmarkVerifySweep ends expired challenges, 1,000 or as many as MSPKIT_SWEEP says, while 8 clients check live ones of
// the same tenants, and compares the 99th percentile of Check during the sweep with that before it. Run it with
// -benchtime 1x.
func BenchmarkVerifySweep(b *testing.B) {
	rows, quiet := 1000, time.Second
	if given := os.Getenv("MSPKIT_SWEEP"); given != "" {
		var err error
		rows, err = strconv.Atoi(given)
		require.NoError(b, err)
		quiet = 10 * time.Second
	}
	const clients = 8
	for b.Loop() {
		_, d := ownPostgres(b)
		fill := d
		fill.dsn += "&search_path=verify"
		db := fill.open(b)
		db.SetMaxOpenConns(1)
		crowded(b, db, 2*rows) // half of them is pending, and expired for long
		x := newPGBench(b, d, 1, clients)
		sweeper := openVerify(b, d)
		var before, during []time.Duration
		live := func(stop func() bool) (out []time.Duration) {
			var mu sync.Mutex
			var made atomic.Int64
			made.Store(int64(x.made))
			x.crowd(clients, 1, func(_, c, _ int) {
				for tenant := c; !stop(); tenant = (tenant + clients) % 1000 {
					r := x.start(b, x.services[0], mspkit.TenantID(fmt.Sprintf("tenant-%d", tenant)), int(made.Add(1)))
					begun := time.Now()
					x.check(b, x.services[0], r)
					mu.Lock()
					out = append(out, time.Since(begun))
					mu.Unlock()
				}
			})
			x.made = int(made.Load())
			return out
		}
		for end := time.Now().Add(quiet); len(before) == 0; {
			before = live(func() bool { return time.Now().After(end) })
		}
		var swept atomic.Bool
		done := make(chan time.Duration)
		ended := 0
		go func() { // as Service.Run does it
			begun := time.Now()
			defer func() { swept.Store(true); done <- time.Since(begun) }()
			for {
				n, err := sweeper.Expire(context.Background(), time.Now().Add(-time.Hour), 100)
				ended += n
				if err != nil || n < 100 {
					if err != nil {
						b.Error(err)
					}
					return
				}
			}
		}()
		during = live(swept.Load)
		took := <-done
		require.Equal(b, rows, ended)
		b.ReportMetric(float64(ended)/took.Seconds(), "swept/s")
		b.ReportMetric(float64(p99(before).Microseconds())/1000, "p99-before-ms")
		b.ReportMetric(float64(p99(during).Microseconds())/1000, "p99-during-ms")
		b.ReportMetric(float64(len(during))/took.Seconds(), "checks/s-during")
	}
}
