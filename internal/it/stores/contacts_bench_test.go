package stores_test

import (
	"context"
	"database/sql"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/contacts"
	contactsql "github.com/mspkit/mspkit/contacts/sqlstore"
	"github.com/mspkit/mspkit/internal/it/pgserver"
	"github.com/mspkit/mspkit/internal/sqlx"
)

// crowdSize is how many tenants of a thousand users the benchmarks of directories have: two, with MSPKIT_SOAK=1 a thousand,
// with MSPKIT_BENCH_TENANTS as many as that says.
func crowdSize() int {
	if n, err := strconv.Atoi(os.Getenv("MSPKIT_BENCH_TENANTS")); err == nil && n > 0 {
		return n
	}
	if os.Getenv("MSPKIT_SOAK") != "" {
		return 1000
	}
	return 2
}

const (
	usersPerTenant = 1000
	graphPage      = 999 // what Microsoft Graph has on one
	importers      = 4   // tenants at once, on either side
)

func crowdTenant(i int) mspkit.TenantID { return mspkit.TenantID(fmt.Sprintf("tenant-%04d", i)) }

func crowdPhone(tenant, user int) string {
	return fmt.Sprintf("+1%03d%07d", 200+tenant%700, tenant/700*1_000_000+user)
}

// crowdUser is a user as Microsoft 365 has them.
func crowdUser(tenant, user int) contacts.Contact {
	first := []string{"Dana", "Zoë", "Ann", "Émile", "Ravi", "Mei", "Olga", "Sam", "Noor", "Jan"}[user%10]
	last := fmt.Sprintf("Sample%03d", user*7%1000)
	id := func(n int) string { return fmt.Sprintf("%08x-5a3c-4d0e-9b1f-%012x", tenant, n) }
	c := contacts.Contact{
		Tenant: crowdTenant(tenant), ID: id(user), Name: first + " " + last, FirstName: first, LastName: last,
		Company: fmt.Sprintf("Customer %d Ltd", tenant), JobTitle: "Sales representative", Locale: "en-GB", Enabled: true,
		Emails: []contacts.Address{{Value: fmt.Sprintf("user%d@customer%d.example", user, tenant)}},
		Phones: []contacts.Address{{Value: crowdPhone(tenant, user), Raw: crowdPhone(tenant, user)}},
	}
	if user%20 != 0 {
		c.Manager = id(user - user%20)
	}
	return c
}

// importTenant lists a tenant into a directory for the first time.
func importTenant(ctx context.Context, dir contacts.Directory, tenant int) error {
	at := contacts.Checkpoint{Tenant: crowdTenant(tenant), Source: "entra"}
	for from := 0; from < usersPerTenant; from += graphPage {
		p := contacts.Page{
			Whole: true, More: from+graphPage < usersPerTenant, Next: contacts.Cursor(fmt.Sprint("https://graph.example/delta?token=", from)),
		}
		for user := from; user < min(from+graphPage, usersPerTenant); user++ {
			p.Contacts = append(p.Contacts, crowdUser(tenant, user))
		}
		got, err := dir.Apply(ctx, contacts.Batch{At: at, Page: p, Now: time.Now(), MaxLeft: 0.2})
		if err != nil {
			return err
		}
		at = got.At
	}
	return nil
}

// importCrowd lists tenants, some at once, and returns how long it took and by how much the heap grew meanwhile.
func importCrowd(b *testing.B, dir contacts.Directory, from, n int) (took time.Duration, grown uint64) {
	b.Helper()
	return heapDuring(func() {
		var next atomic.Int64
		var wg sync.WaitGroup
		for range importers {
			wg.Go(func() {
				for i := next.Add(1) - 1; i < int64(n); i = next.Add(1) - 1 {
					if err := importTenant(context.Background(), dir, from+int(i)); err != nil {
						b.Error(err)
						return
					}
				}
			})
		}
		wg.Wait()
	})
}

// heapDuring returns how long f takes, and by how much the heap grows meanwhile, with what is garbage already.
func heapDuring(f func()) (took time.Duration, grown uint64) {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	base, top := m.HeapAlloc, m.HeapAlloc
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-stop:
				return
			case <-time.After(20 * time.Millisecond):
				runtime.ReadMemStats(&m)
				top = max(top, m.HeapAlloc)
			}
		}
	}()
	begun := time.Now()
	f()
	took = time.Since(begun)
	close(stop)
	<-stopped
	return took, top - base
}

// directoryTables are those that an import fills.
var directoryTables = []string{"people", "records", "keys", "events", "tenants", "checkpoints"}

// copyCrowd copies what an import has stored into the same tables, as many at once as the import had tenants, and returns
// how long it took. The rows come from files in the form in which PostgreSQL takes them fastest.
func copyCrowd(b *testing.B, d database) time.Duration {
	b.Helper()
	ctx, dir := context.Background(), b.TempDir()
	each := func(f func(ctx context.Context, conn *pgx.Conn, table string) error) {
		tables := make(chan string, len(directoryTables))
		for _, t := range directoryTables {
			tables <- t
		}
		close(tables)
		var wg sync.WaitGroup
		for range importers {
			wg.Go(func() {
				conn, err := pgx.Connect(ctx, d.dsn)
				if err != nil {
					b.Error(err)
					return
				}
				defer conn.Close(ctx)
				for t := range tables {
					if err := f(ctx, conn, t); err != nil {
						b.Error(err)
					}
				}
			})
		}
		wg.Wait()
	}
	path := func(table string) string { return filepath.Join(dir, table) }
	each(func(ctx context.Context, conn *pgx.Conn, table string) error {
		f, err := os.Create(path(table))
		if err != nil {
			return err
		}
		defer f.Close()
		_, err = conn.PgConn().CopyTo(ctx, f, `COPY mspkit_contacts_`+table+` TO STDOUT (FORMAT binary)`)
		return err
	})
	o := &contactsql.Options{Schema: d.schema, Prefix: "copied_"}
	require.NoError(b, contactsql.Migrate(ctx, d.open(b), d.dialect, o))
	each(func(ctx context.Context, conn *pgx.Conn, table string) error {
		_, err := conn.Exec(ctx, `TRUNCATE copied_contacts_`+table)
		return err
	})
	begun := time.Now()
	each(func(ctx context.Context, conn *pgx.Conn, table string) error {
		f, err := os.Open(path(table))
		if err != nil {
			return err
		}
		defer f.Close()
		_, err = conn.PgConn().CopyFrom(ctx, io.Reader(f), `COPY copied_contacts_`+table+` FROM STDIN (FORMAT binary)`)
		return err
	})
	return time.Since(begun)
}

// BenchmarkDirectory imports tenants of a thousand users into a directory by pages of 999, and finds people by phone among
// them. Import is compared with COPY of the same rows into the same tables with the same indexes by as many connections
// (x-of-COPY), a search with the bare indexed query of the same columns on the driver (x-of-bare), and with one that leaves
// out who the manager is (x-without-manager); they take turns. PostgreSQL
// is a server of its own with its own defaults. With MSPKIT_SOAK=1 it is a million users: run it with -benchtime=1x.
func BenchmarkDirectory(b *testing.B) {
	b.Run("Postgres", func(b *testing.B) {
		d := migrateDirectory(b, database{dialect: sqlx.Postgres, driver: "pgx", dsn: pgserver.New(b).URL(), schema: "public"})
		dir, db := openDirectoryDB(b, d, believed)
		db.SetMaxIdleConns(importers)
		tenants := 0
		b.Run("Import", func(b *testing.B) {
			var took time.Duration
			var grown uint64
			begun := tenants
			for range b.N {
				t, g := importCrowd(b, dir, tenants, crowdSize())
				took, grown, tenants = took+t, max(grown, g), tenants+crowdSize()
			}
			b.ReportMetric(float64((tenants-begun)*usersPerTenant)/took.Seconds(), "users/s")
			b.ReportMetric(float64(grown)/(1<<20), "heap-MiB")
			b.ReportMetric(0, "ns/op")
			if begun == 0 { // all there is came by this
				b.ReportMetric(float64(took)/float64(copyCrowd(b, d)), "x-of-COPY")
			}
		})
		b.Run("FindPhone", func(b *testing.B) { findPhones(b, d, dir, db, tenants) })
	})
	b.Run("SQLite", func(b *testing.B) {
		d := migrateDirectory(b, sqliteFile(b))
		dir, db := openDirectoryDB(b, d, believed)
		n := min(crowdSize(), 100)
		importCrowd(b, dir, 0, n)
		b.Run("FindPhone", func(b *testing.B) { findPhones(b, d, dir, db, n) })
	})
}

// findPhones looks for numbers that are there, with the directory and without it by turns.
func findPhones(b *testing.B, d database, dir contacts.Directory, db *sql.DB, tenants int) {
	b.Helper()
	ctx, r := context.Background(), rand.New(rand.NewPCG(1, 1)) // the same each time
	from, where := `FROM mspkit_contacts_keys AS k JOIN mspkit_contacts_people AS p ON p.tenant = k.tenant AND p.id = k.person`,
		` WHERE k.tenant = ? AND k.kind = 'p' AND k.value = ?`
	bare := d.dialect.Rebind(`SELECT p.id, p.data, m.person ` + from + ` LEFT JOIN mspkit_contacts_records AS m
		ON m.tenant = p.tenant AND m.source = p.manager_source AND m.id = p.manager_id` + where)
	barer := d.dialect.Rebind(`SELECT p.id, p.data, p.manager_id ` + from + where)
	if d.dialect == sqlx.Postgres {
		_, err := db.ExecContext(ctx, `VACUUM ANALYZE`)
		require.NoError(b, err)
	}
	var ours, theirs, theirsToo []time.Duration
	for range max(b.N, 200) {
		tenant, user := r.IntN(tenants), r.IntN(usersPerTenant)
		find := func() {
			begun := time.Now()
			list, err := dir.Find(ctx, contacts.Search{Tenant: crowdTenant(tenant), Phone: crowdPhone(tenant, user)})
			ours = append(ours, time.Since(begun))
			if err != nil || len(list) != 1 || list[0].Manager == "" && user%20 != 0 {
				b.Fatal(err, list)
			}
		}
		query := func(bare string) time.Duration {
			begun := time.Now()
			rows, err := db.QueryContext(ctx, bare, string(crowdTenant(tenant)), crowdPhone(tenant, user))
			require.NoError(b, err)
			defer rows.Close()
			n := 0
			for rows.Next() {
				var id string
				var manager sql.NullString
				var data []byte
				require.NoError(b, rows.Scan(&id, &data, &manager))
				n++
			}
			require.NoError(b, rows.Err())
			if n != 1 {
				b.Fatal("the number is not there")
			}
			return time.Since(begun)
		}
		sides := []func(){find, func() { theirs = append(theirs, query(bare)) }, func() { theirsToo = append(theirsToo, query(barer)) }}
		r.Shuffle(len(sides), func(i, j int) { sides[i], sides[j] = sides[j], sides[i] }) // who is second finds warm pages
		for _, f := range sides {
			f()
		}
	}
	for _, list := range [][]time.Duration{ours, theirs, theirsToo} {
		slices.Sort(list)
	}
	middle := len(ours) / 2
	b.ReportMetric(float64(ours[middle].Microseconds()), "find-p50-µs")
	b.ReportMetric(float64(theirs[middle].Microseconds()), "bare-p50-µs")
	b.ReportMetric(float64(ours[middle])/float64(theirs[middle]), "x-of-bare")
	b.ReportMetric(float64(ours[middle])/float64(theirsToo[middle]), "x-without-manager")
	b.ReportMetric(0, "ns/op")
}
