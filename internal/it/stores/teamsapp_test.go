package stores_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit/teamsapp"
	"github.com/mspkit/mspkit/teamsapp/sqlstore"
	"github.com/mspkit/mspkit/teamsapp/teamstest"
)

// openTeams opens an instance with a pool of its own, as another process has.
func openTeams(t testing.TB, d database) *sqlstore.Store {
	t.Helper()
	db := d.open(t)
	db.SetMaxOpenConns(8) // a PostgreSQL server takes 100 connections, also from tests beside this one
	store, err := sqlstore.New(db, d.dialect, &sqlstore.Options{Schema: d.schema})
	require.NoError(t, err)
	return store
}

// migrateTeams makes the tables of sqlstore in d.
func migrateTeams(t testing.TB, d database) database {
	t.Helper()
	require.NoError(t, sqlstore.Migrate(context.Background(), d.open(t), d.dialect, &sqlstore.Options{Schema: d.schema}))
	return d
}

func TestTeamsStoreOnSQLite(t *testing.T) {
	t.Parallel()
	teamstest.TestStore(t, func(t *testing.T) (first, second teamsapp.Store) {
		t.Helper()
		d := migrateTeams(t, sqliteFile(t))
		return openTeams(t, d), openTeams(t, d)
	})
}

func TestTeamsStoreOnPostgres(t *testing.T) {
	t.Parallel()
	teamstest.TestStore(t, func(t *testing.T) (first, second teamsapp.Store) {
		t.Helper()
		d := migrateTeams(t, postgresSchema(t))
		return openTeams(t, d), openTeams(t, d)
	})
}

// txRecorder notes the transactions that database/sql begins, besides statements.
type txRecorder struct{ recorder }

func (r txRecorder) Connect(ctx context.Context) (driver.Conn, error) {
	c, err := r.recorder.Connect(ctx)
	if err != nil {
		return nil, err
	}
	return txConn{c.(recordingConn)}, nil
}

type txConn struct{ recordingConn }

func (c txConn) BeginTx(ctx context.Context, o driver.TxOptions) (driver.Tx, error) {
	c.note("BEGIN", nil)
	tx, err := c.Conn.(driver.ConnBeginTx).BeginTx(ctx, o)
	return notedTx{tx, c}, err
}

type notedTx struct {
	driver.Tx
	c txConn
}

func (t notedTx) Commit() error {
	t.c.note("COMMIT", nil)
	return t.Tx.Commit()
}

// teamsVerb is a method of the store that is measured, with the n-th of its arguments.
type teamsVerb struct {
	name    string
	prepare func(ctx context.Context, st teamsapp.Store, n string) error // not measured
	run     func(ctx context.Context, st teamsapp.Store, n string) error
}

// teamsVerbs have their number as a text, which a recording can replace.
func teamsVerbs() []teamsVerb {
	now := time.Unix(1_800_000_000, 0)
	key := func(n string) teamsapp.Key {
		return teamsapp.Key{Bot: "bot", Tenant: "contoso", User: teamsapp.User{TenantID: "tenant", ObjectID: "person-" + n}}
	}
	save := func(ctx context.Context, st teamsapp.Store, n string) error {
		return st.Save(ctx, teamsapp.Record{Key: key(n), Sealed: make([]byte, 300), UpdatedAt: now})
	}
	claim := func(ctx context.Context, st teamsapp.Store, n string) error {
		got, err := st.Claim(ctx, teamsapp.Claim{Owner: "owner-" + n, LeaseUntil: now.Add(time.Minute), Keys: []teamsapp.ClaimKey{
			{Key: "activity-" + n, Until: now.Add(time.Hour)}, {Key: "press-" + n, Until: now.Add(time.Hour)},
		}}, now)
		if err == nil && !got.Mine {
			return fmt.Errorf("turn %s was taken", n)
		}
		return err
	}
	return []teamsVerb{
		{"Save", nil, save},
		{"Load", save, func(ctx context.Context, st teamsapp.Store, n string) error {
			_, err := st.Load(ctx, key(n))
			return err
		}},
		{"Claim", nil, claim},
		{"Answer", claim, func(ctx context.Context, st teamsapp.Store, n string) error {
			return st.Answer(ctx, "owner-"+n, make([]byte, 1000), now)
		}},
	}
}

// recordTeams returns the statements of v on d, with its number left open, and a connection to run them on.
func recordTeams(b *testing.B, d database, v teamsVerb) (prepare, run []statement, on *bare) {
	b.Helper()
	var sent []statement
	plain := d.open(b)
	db := sql.OpenDB(txRecorder{recorder{plain.Driver(), d.dsn, &sent}})
	b.Cleanup(func() { require.NoError(b, db.Close()) })
	store, err := sqlstore.New(db, d.dialect, &sqlstore.Options{Schema: d.schema})
	require.NoError(b, err)
	conn, err := plain.Conn(b.Context())
	require.NoError(b, err)
	b.Cleanup(func() { require.NoError(b, conn.Close()) })
	sent = nil
	if v.prepare != nil {
		require.NoError(b, v.prepare(b.Context(), store, "@"))
		prepare, sent = sent, nil
	}
	require.NoError(b, v.run(b.Context(), store, "@"))
	require.NotEmpty(b, sent)
	return prepare, sent, &bare{conn: conn}
}

// numbered returns noted statements with n where the number was left open.
func numbered(noted []statement, n string) []statement {
	out := make([]statement, len(noted))
	for i, st := range noted {
		out[i] = statement{st.query, append([]any(nil), st.args...)}
		for k, a := range st.args {
			if text, ok := a.(string); ok {
				out[i].args[k] = strings.ReplaceAll(text, "@", n)
			}
		}
	}
	return out
}

// BenchmarkTeamsStore measures the methods that a turn needs. On a database each is followed by the same statements on
// the bare driver, in a file or schema of their own; x/bare is the ratio.
func BenchmarkTeamsStore(b *testing.B) {
	file := func(b *testing.B, mode string) database {
		b.Helper()
		d := sqliteFile(b)
		d.dsn = strings.Replace(d.dsn, "synchronous(NORMAL)", "synchronous("+mode+")", 1)
		return migrateTeams(b, d)
	}
	for _, on := range []struct {
		name string
		open func(b *testing.B) database
	}{
		{"sqlite-NORMAL", func(b *testing.B) database { b.Helper(); return file(b, "NORMAL") }},
		{"sqlite-FULL", func(b *testing.B) database { b.Helper(); return file(b, "FULL") }},
		{"postgres", func(b *testing.B) database { b.Helper(); return migrateTeams(b, postgresSchema(b)) }},
	} {
		for _, v := range teamsVerbs() {
			b.Run(on.name+"/"+v.name, func(b *testing.B) { measureTeams(b, on.open, v) })
		}
	}
}

func measureTeams(b *testing.B, open func(b *testing.B) database, v teamsVerb) {
	b.Helper()
	store := openTeams(b, open(b))
	prepare, run, plain := recordTeams(b, open(b), v)
	var ours, theirs time.Duration
	rounds := 0
	for b.Loop() {
		rounds++
		n := strconv.Itoa(rounds)
		if v.prepare != nil {
			require.NoError(b, v.prepare(b.Context(), store, n))
			plain.run(b, numbered(prepare, n))
		}
		begun := time.Now()
		err := v.run(b.Context(), store, n)
		ours += time.Since(begun)
		require.NoError(b, err)
		statements := numbered(run, n)
		begun = time.Now()
		plain.run(b, statements)
		theirs += time.Since(begun)
	}
	b.ReportMetric(float64(ours.Nanoseconds())/float64(rounds), "ns/op")
	b.ReportMetric(float64(theirs.Nanoseconds())/float64(rounds), "bare-ns/op")
	b.ReportMetric(float64(ours)/float64(theirs), "x/bare")
}
