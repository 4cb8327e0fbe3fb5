package stores_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/verify"
	"github.com/mspkit/mspkit/verify/memstore"
	"github.com/mspkit/mspkit/verify/sqlstore"
)

// statement is one that a service sent to its database.
type statement struct {
	query string
	args  []any
}

// recorder opens connections that note their statements.
type recorder struct {
	driver driver.Driver
	dsn    string
	sent   *[]statement
}

func (r recorder) Driver() driver.Driver { return r.driver }

func (r recorder) Connect(context.Context) (driver.Conn, error) {
	c, err := r.driver.Open(r.dsn)
	return recordingConn{c, r.sent}, err
}

type recordingConn struct {
	driver.Conn
	sent *[]statement
}

func (c recordingConn) note(query string, args []driver.NamedValue) {
	s := statement{query: query}
	for _, a := range args {
		s.args = append(s.args, a.Value)
	}
	*c.sent = append(*c.sent, s)
}

func (c recordingConn) BeginTx(ctx context.Context, o driver.TxOptions) (driver.Tx, error) {
	return c.Conn.(driver.ConnBeginTx).BeginTx(ctx, o)
}

func (c recordingConn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	c.note(query, args)
	return c.Conn.(driver.ExecerContext).ExecContext(ctx, query, args)
}

func (c recordingConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	c.note(query, args)
	return c.Conn.(driver.QueryerContext).QueryContext(ctx, query, args)
}

// lastCode is a channel that keeps the last code and costs nothing.
type lastCode struct{ code string }

func (c *lastCode) Deliver(_ context.Context, d verify.Delivery) (verify.Receipt, error) {
	c.code = d.Code.Reveal()
	return verify.Receipt{ID: "m"}, nil
}

func (c *lastCode) Assurance() verify.Assurance { return verify.AssuranceTeams }

// bench is a service with limits that count and never refuse.
type bench struct {
	svc  *verify.Service
	last lastCode
}

func newBench(b *testing.B, store verify.Store) *bench {
	b.Helper()
	out := &bench{}
	svc, err := verify.New(store, newRing(b), "https://help.example/verify", verify.Same(verify.Settings{
		Brand:  mspkit.Brand{Name: "Contoso IT"},
		Limits: verify.Limits{Cooldown: -1, PerDestination: 1_000_000, PerSubject: 1_000_000},
	}), &verify.Options{Channels: map[string]verify.Channel{"email": &out.last}})
	require.NoError(b, err)
	out.svc = svc
	return out
}

// start and check are one verification by code; n makes its key.
func (x *bench) start(b *testing.B, n int) verify.CheckRequest {
	b.Helper()
	r := codeRequest("dana")
	r.IdempotencyKey = fmt.Sprint("key-", n)
	c, err := x.svc.Start(b.Context(), r)
	if err != nil {
		b.Fatal(err)
	}
	return verify.CheckRequest{Tenant: c.Ref.Tenant, ID: c.Ref.ID, Technician: jane.ID, Response: x.last.code}
}

func (x *bench) check(b *testing.B, r verify.CheckRequest) {
	b.Helper()
	res, err := x.svc.Check(b.Context(), r)
	if err != nil || res.State != verify.StateConfirmed {
		b.Fatal(res.State, err)
	}
}

// bare runs noted statements on the driver with nothing in between, with fresh ids in place of the noted ones.
type bare struct {
	conn         *sql.Conn
	start, check []statement
	id           string
}

func newBare(b *testing.B, d database) *bare {
	b.Helper()
	var sent []statement
	plain := d.open(b)
	db := sql.OpenDB(recorder{plain.Driver(), d.dsn, &sent})
	b.Cleanup(func() { require.NoError(b, db.Close()) })
	store, err := sqlstore.New(db, d.dialect, nil)
	require.NoError(b, err)
	x := newBench(b, store)
	out := &bare{}
	out.conn, err = plain.Conn(b.Context())
	require.NoError(b, err)
	b.Cleanup(func() { require.NoError(b, out.conn.Close()) })
	sent = nil
	r := x.start(b, -1)
	out.id, out.start, sent = r.ID, sent, nil
	x.check(b, r)
	out.check = sent
	require.Equal(b, "BEGIN IMMEDIATE", out.start[0].query)
	require.Equal(b, "COMMIT", out.check[len(out.check)-1].query)
	return out
}

// fresh returns statements for the n-th challenge.
func (x *bare) fresh(statements []statement, n int) []statement {
	id := fmt.Sprintf("%s-%d", x.id[:20], n)
	out := make([]statement, len(statements))
	for i, s := range statements {
		out[i] = statement{s.query, append([]any(nil), s.args...)}
		for k, a := range s.args {
			if text, ok := a.(string); ok && text == x.id {
				out[i].args[k] = id
			}
		}
		switch {
		case strings.Contains(s.query, "INSERT INTO mspkit_verify_events"):
			out[i].args[0] = fmt.Sprintf("%s-%d", s.args[0].(string)[:20], n)
		case strings.Contains(s.query, "INSERT INTO mspkit_verify_challenges"):
			key := len(s.args) - 4 // the idempotency key stands before fingerprint, answerer and needs_approval
			out[i].args[key] = fmt.Sprintf("%s-%d", s.args[key].(string)[:20], n)
		}
	}
	return out
}

func (x *bare) run(b *testing.B, statements []statement) {
	b.Helper()
	ctx := b.Context()
	for _, s := range statements {
		if !strings.HasPrefix(s.query, "SELECT") && !strings.Contains(s.query, "RETURNING") {
			if _, err := x.conn.ExecContext(ctx, s.query, s.args...); err != nil {
				b.Fatal(s.query, err)
			}
			continue
		}
		if err := queryAll(ctx, x.conn, s); err != nil {
			b.Fatal(s.query, err)
		}
	}
}

// queryAll reads every row of a query and forgets it.
func queryAll(ctx context.Context, q interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}, s statement,
) error {
	rows, err := q.QueryContext(ctx, s.query, s.args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		return err
	}
	values := make([]any, len(columns))
	for i := range values {
		values[i] = new(any)
	}
	for rows.Next() {
		if err := rows.Scan(values...); err != nil {
			return err
		}
	}
	return rows.Err()
}

// BenchmarkVerify measures Start and Check of a service. On SQLite each is followed by the same statements on
// the bare driver, in a file of their own; x/bare is the ratio.
func BenchmarkVerify(b *testing.B) {
	b.Run("memory", func(b *testing.B) {
		x := newBench(b, memstore.New())
		measure(b, x, nil)
	})
	for _, mode := range []string{"NORMAL", "FULL"} {
		b.Run("sqlite-"+mode, func(b *testing.B) {
			file := func() database {
				d := verifyFile(b)
				d.dsn = strings.Replace(d.dsn, "synchronous(NORMAL)", "synchronous("+mode+")", 1)
				return d
			}
			measure(b, newBench(b, openVerify(b, file())), newBare(b, file()))
		})
	}
}

func measure(b *testing.B, x *bench, plain *bare) {
	b.Helper()
	n := 0
	for _, verb := range []string{"Start", "Check"} {
		b.Run(verb, func(b *testing.B) {
			var ours, theirs time.Duration
			rounds := 0
			timed := func(sum *time.Duration, when string, f func()) {
				begun := time.Now()
				f()
				if when == verb {
					*sum += time.Since(begun)
				}
			}
			for b.Loop() {
				n++
				rounds++
				var r verify.CheckRequest
				timed(&ours, "Start", func() { r = x.start(b, n) })
				timed(&ours, "Check", func() { x.check(b, r) })
				if plain == nil {
					continue
				}
				start, check := plain.fresh(plain.start, n), plain.fresh(plain.check, n)
				timed(&theirs, "Start", func() { plain.run(b, start) })
				timed(&theirs, "Check", func() { plain.run(b, check) })
			}
			b.ReportMetric(float64(ours.Nanoseconds())/float64(rounds), "ns/op")
			if plain != nil {
				b.ReportMetric(float64(theirs.Nanoseconds())/float64(rounds), "bare-ns/op")
				b.ReportMetric(float64(ours)/float64(theirs), "x/bare")
			}
		})
	}
}
