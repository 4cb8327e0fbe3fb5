package stores_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/race"
	"github.com/mspkit/mspkit/securesend"
	sendsql "github.com/mspkit/mspkit/securesend/sqlstore"
	"github.com/mspkit/mspkit/verify/sqlstore"
)

// sendFile returns a SQLite database with the settings that the store asks for and its tables.
func sendFile(t testing.TB) database {
	t.Helper()
	d := sqliteFile(t)
	d.dsn = strings.Replace(d.dsn, "synchronous(NORMAL)", "synchronous(FULL)&_pragma=secure_delete(ON)", 1)
	require.NoError(t, sendsql.Migrate(t.Context(), d.open(t), d.dialect, nil))
	return d
}

// sendSchema returns a schema of PostgreSQL with the tables.
func sendSchema(t testing.TB) database {
	t.Helper()
	d := postgresSchema(t)
	require.NoError(t, sendsql.Migrate(context.Background(), d.open(t), d.dialect, &sendsql.Options{Schema: d.schema}))
	return d
}

func eachSendDatabase(t *testing.T, f func(t *testing.T, d database)) {
	t.Helper()
	t.Run("SQLite", func(t *testing.T) { t.Parallel(); f(t, sendFile(t)) })
	t.Run("PostgreSQL", func(t *testing.T) { t.Parallel(); f(t, sendSchema(t)) })
}

// openSend opens an instance with a pool of its own, as another process has.
func openSend(t testing.TB, d database) *sendsql.Store {
	t.Helper()
	db := d.open(t)
	db.SetMaxOpenConns(8) // the server takes 100 connections, also from tests beside this one
	db.SetMaxIdleConns(8)
	store, err := sendsql.New(db, d.dialect, &sendsql.Options{Schema: d.schema})
	require.NoError(t, err)
	return store
}

func told(kind securesend.EventKind, by string) securesend.Stamp {
	return securesend.Stamp{ID: securesend.NewEventID(), Kind: kind, By: by}
}

// simpleSend is a text for whoever has the link and says 123.
func simpleSend(id string, now time.Time) securesend.Record {
	return securesend.Record{
		Ref: securesend.Ref{Tenant: "contoso", ID: id}, Kind: securesend.KindSend, State: securesend.StateReady,
		Region: "europe", Purpose: "text", Sender: "jane", Subject: "dana", Ticket: mspkit.Ticket{System: "halopsa", ID: "4711"},
		Gate: securesend.GateNumber, KeyID: "k1", NumberMAC: []byte("mac-of-123"), MaxTries: 2, Auth: []byte("auth"), Header: []byte("header"),
		Half: []byte("half-of-" + id), HalfKey: "k1", Sealed: []byte("sealed-of-" + id), Inline: []byte("inline-of-" + id),
		MaxViews: 1, CreatedAt: now, Expiry: now.Add(time.Hour), ExpiresAt: now.Add(time.Hour), ReadyAt: now,
	}
}

func takes(claim string) securesend.Take {
	return securesend.Take{
		Claim: []byte(claim), Auth: []byte("auth"), Number: securesend.MACs{"k1": []byte("mac-of-123")}, Stamp: told("", securesend.ByRecipient),
	}
}

func TestOfAllWhoTakeOneDoes(t *testing.T) {
	t.Parallel()
	rounds := 20
	if testing.Short() {
		rounds = 4
	}
	eachSendDatabase(t, func(t *testing.T, d database) {
		t.Helper()
		ctx, now := t.Context(), time.Now()
		stores := []*sendsql.Store{openSend(t, d), openSend(t, d)}
		for round := range rounds {
			r := simpleSend(fmt.Sprint("r", round), now)
			require.NoError(t, stores[0].Put(ctx, r, told(securesend.EventCreated, "jane"), now))
			var won atomic.Int64
			var winner atomic.Pointer[string]
			race.On(stores, func(s *sendsql.Store, i int) {
				claim := fmt.Sprint("claim-", i)
				got, err := s.Take(ctx, r.Ref, takes(claim), now)
				switch {
				case err == nil:
					won.Add(1)
					winner.Store(&claim)
					if !bytes.Equal(got.Half, r.Half) || !bytes.Equal(got.Inline, r.Inline) {
						t.Error("the half or the text is another")
					}
				case !errors.Is(err, securesend.ErrOpening):
					t.Error(err)
				case len(got.Half) > 0 || len(got.Inline) > 0 || got.ID != r.ID:
					t.Error("a refused reader got something, or not the record")
				}
			})
			require.Equal(t, int64(1), won.Load())
			race.On(stores, func(s *sendsql.Store, _ int) { // everybody counts, whoever loses a race locks
				if _, err := s.Extend(ctx, r.Ref, securesend.Fetch{Claim: []byte(*winner.Load()), Auth: []byte("auth")}, now); !errors.Is(err, securesend.ErrInvalid) {
					t.Error(err)
				}
				if err := s.Note(ctx, r.Ref, told(securesend.EventSent, "jane"), now); err != nil {
					t.Error(err)
				}
			})
			got, err := stores[1].Ack(ctx, r.Ref, []byte(*winner.Load()), []byte("auth"), told(securesend.EventAcknowledged, securesend.ByRecipient), now)
			require.NoError(t, err)
			require.Equal(t, securesend.StateAcknowledged, got.State)
		}
	})
}

// The number is tried by many at once: no more than MaxTries are counted, and each that is counted is told.
func TestNoTryIsLostAndNoneTooMany(t *testing.T) {
	t.Parallel()
	eachSendDatabase(t, func(t *testing.T, d database) {
		t.Helper()
		ctx, now := t.Context(), time.Now()
		stores := []*sendsql.Store{openSend(t, d), openSend(t, d)}
		r := simpleSend("r", now)
		r.MaxTries = 9
		require.NoError(t, stores[0].Put(ctx, r, told(securesend.EventCreated, "jane"), now))
		race.On(stores, func(s *sendsql.Store, i int) {
			wrong := takes(fmt.Sprint("claim-", i))
			wrong.Number = securesend.MACs{"k1": []byte("mac-of-999")}
			if _, err := s.Take(ctx, r.Ref, wrong, now); !errors.Is(err, securesend.ErrNumber) && !errors.Is(err, securesend.ErrLocked) {
				t.Error(err)
			}
		})
		got, err := stores[0].Stat(ctx, r.Ref)
		require.NoError(t, err)
		require.Equal(t, []int{9, 9}, []int{got.Tries, got.Refusals})
		require.True(t, got.Locked())
		events, err := stores[0].Events(ctx, securesend.EventQuery{Limit: 100})
		require.NoError(t, err)
		kinds := map[securesend.EventKind]int{}
		for i, e := range events {
			kinds[e.Kind]++
			if e.Kind == securesend.EventRefused {
				require.Equal(t, i, e.Refusals, "in the order in which they happened")
			}
		}
		require.Equal(t, map[securesend.EventKind]int{securesend.EventCreated: 1, securesend.EventRefused: 9, securesend.EventLocked: 1}, kinds)
	})
}

// Events of one tenant appear in the order of their numbers: whoever reads while many write never finds one that stands
// before another that was there already.
func TestNoEventAppearsBeforeOneThatWasRead(t *testing.T) {
	t.Parallel()
	eachSendDatabase(t, func(t *testing.T, d database) {
		t.Helper()
		ctx, now := t.Context(), time.Now()
		stores := []*sendsql.Store{openSend(t, d), openSend(t, d)}
		const writers, each = 8, 40
		for i := range writers {
			require.NoError(t, stores[0].Put(ctx, simpleSend(fmt.Sprint("r", i), now), told(securesend.EventCreated, "jane"), now))
		}
		var wg sync.WaitGroup
		for i := range writers {
			wg.Go(func() {
				for range each {
					if err := stores[i%2].Note(ctx, securesend.Ref{Tenant: "contoso", ID: fmt.Sprint("r", i)}, told(securesend.EventSent, "jane"), now); err != nil {
						t.Error(err)
					}
				}
			})
		}
		done := make(chan struct{})
		go func() { wg.Wait(); close(done) }()
		last, seen := int64(0), map[string]bool{}
		for ended := false; !ended; {
			select {
			case <-done:
				ended = true
			default:
			}
			events, err := stores[0].Events(ctx, securesend.EventQuery{Limit: 10_000})
			require.NoError(t, err)
			for _, e := range events {
				if !seen[e.ID] {
					require.Greater(t, e.Seq, last, "an event came late")
					last = e.Seq
				}
				seen[e.ID] = true
			}
		}
		require.Len(t, seen, writers*(each+1))
	})
}

func TestLimitsAreCountedAllOrNone(t *testing.T) {
	t.Parallel()
	eachSendDatabase(t, func(t *testing.T, d database) {
		t.Helper()
		ctx, now := t.Context(), time.Now()
		stores := []*sendsql.Store{openSend(t, d), openSend(t, d)}
		limit := func(key string, most int) securesend.Limit {
			return securesend.Limit{Name: "of " + key, Key: key, Max: most, Window: time.Hour}
		}
		var counted atomic.Int64
		race.On(stores, func(s *sendsql.Store, i int) {
			limits := []securesend.Limit{limit("b", 1000), limit("a", 5)}
			if i%4 < 2 { // in both orders
				limits[0], limits[1] = limits[1], limits[0]
			}
			var reached *securesend.LimitError
			switch err := s.Count(ctx, limits, now); {
			case err == nil:
				counted.Add(1)
			case !errors.As(err, &reached) || reached.Limit != "of a" || reached.RetryAfter > time.Hour || reached.RetryAfter < time.Hour-time.Millisecond:
				t.Error(err)
			}
		})
		require.Equal(t, int64(5), counted.Load())
		require.NoError(t, stores[0].Count(ctx, []securesend.Limit{limit("b", 6)}, now), "what was refused counted nothing")
		var reached *securesend.LimitError
		require.ErrorAs(t, stores[0].Count(ctx, []securesend.Limit{limit("c", 1), limit("a", 5), limit("b", 6)}, now), &reached)
		require.Equal(t, "of a", reached.Limit, "the first one, as they were given")
		require.ErrorAs(t, stores[0].Count(ctx, []securesend.Limit{limit("c", 1), limit("a", 0)}, now), &reached)
		require.NoError(t, stores[0].Count(ctx, []securesend.Limit{limit("c", 1)}, now.Add(2*time.Hour)), "no window has begun")
		require.NoError(t, stores[0].Count(ctx, []securesend.Limit{limit("a", 1)}, now.Add(time.Hour)), "the window is over")
		n, err := stores[0].DeleteExpired(ctx, now, now.Add(time.Hour), 10)
		require.NoError(t, err)
		require.Equal(t, 1, n, "b alone is over")
	})
}

func TestSendsNeedTheirTables(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, d database) {
		o := &sendsql.Options{Schema: d.schema, AcceptUnsafe: true}
		db := d.open(t)
		_, err := sendsql.New(db, d.dialect, o)
		require.ErrorIs(t, err, sendsql.ErrOutdated)
		require.ErrorContains(t, err, "securesend is at version 0, version 1 is needed")
		require.ErrorContains(t, err, "run Migrate")
		require.NoError(t, sendsql.Migrate(t.Context(), db, d.dialect, o))
		require.NoError(t, sendsql.Migrate(t.Context(), db, d.dialect, o), "again")
		_, err = sendsql.New(db, d.dialect, o)
		require.NoError(t, err)
		_, err = db.ExecContext(t.Context(), `DELETE FROM mspkit_migrations`)
		require.NoError(t, err)
		_, err = sendsql.New(db, d.dialect, o)
		require.ErrorIs(t, err, sendsql.ErrOutdated)
	})
}

func TestSQLiteMustForgetAndRemember(t *testing.T) {
	t.Parallel()
	d := sendFile(t)
	path, _, _ := strings.Cut(d.dsn, "?")
	for query, want := range map[string][]string{
		"_pragma=secure_delete(ON)&_pragma=synchronous(FULL)":   nil,
		"_pragma=secure_delete(ON)&_pragma=synchronous(EXTRA)":  nil,
		"_pragma=secure_delete(OFF)&_pragma=synchronous(FULL)":  {"secure_delete is 0"},
		"_pragma=secure_delete(FAST)&_pragma=synchronous(FULL)": {"secure_delete is 2"},
		"_pragma=secure_delete(ON)&_pragma=synchronous(NORMAL)": {"synchronous is 1"},
		"_pragma=secure_delete(OFF)&_pragma=synchronous(OFF)":   {"secure_delete is 0", "synchronous is 0"},
	} {
		other := d
		other.dsn = path + "?" + query
		db := other.open(t)
		_, err := sendsql.New(db, d.dialect, nil)
		if len(want) == 0 {
			require.NoError(t, err, query)
			continue
		}
		require.ErrorIs(t, err, sendsql.ErrUnsafe, query)
		for _, w := range want {
			require.ErrorContains(t, err, w)
		}
		_, err = sendsql.New(db, d.dialect, &sendsql.Options{AcceptUnsafe: true})
		require.NoError(t, err, query)
	}
}

func TestSendsStandBesideVerifysTablesAndBehindAPrefix(t *testing.T) {
	t.Parallel()
	eachSendDatabase(t, func(t *testing.T, d database) {
		t.Helper()
		ctx, now, db := t.Context(), time.Now(), d.open(t)
		require.NoError(t, sqlstore.Migrate(ctx, db, d.dialect, &sqlstore.Options{Schema: d.schema}))
		other := &sendsql.Options{Prefix: "other_", Schema: d.schema}
		require.NoError(t, sendsql.Migrate(ctx, db, d.dialect, other))
		second, err := sendsql.New(db, d.dialect, other)
		require.NoError(t, err)
		first, beside := openSend(t, d), openVerify(t, d)
		r := simpleSend("r", now)
		require.NoError(t, first.Put(ctx, r, told(securesend.EventCreated, "jane"), now))
		_, _, err = beside.Begin(ctx, simple("r", now), nil, now)
		require.NoError(t, err)
		_, err = second.Stat(ctx, r.Ref)
		require.ErrorIs(t, err, securesend.ErrNotFound)
		require.NoError(t, second.Put(ctx, r, told(securesend.EventCreated, "jane"), now))
		_, err = second.Take(ctx, r.Ref, takes("claim"), now)
		require.NoError(t, err)
		got, err := first.Stat(ctx, r.Ref)
		require.NoError(t, err)
		require.Equal(t, securesend.StateReady, got.State)
		require.ErrorIs(t, first.Put(ctx, r, told(securesend.EventCreated, "jane"), now), securesend.ErrConflict)
	})
}

// What ends a send takes half, text and MACs out of the tables, and on SQLite out of the files.
func TestWhatWasDeletedIsGone(t *testing.T) {
	t.Parallel()
	eachSendDatabase(t, func(t *testing.T, d database) {
		t.Helper()
		ctx, now, store := t.Context(), time.Now(), openSend(t, d)
		secret := func() []byte { return []byte(rand.Text() + rand.Text()) }
		secrets := map[string][][]byte{}
		for end, do := range map[string]func(r securesend.Record) error{
			"acknowledged": func(r securesend.Record) error {
				if _, err := store.Extend(ctx, r.Ref, securesend.Fetch{Claim: []byte("claim"), Auth: r.Auth, To: 1}, now); err != nil {
					return err
				}
				_, err := store.Ack(ctx, r.Ref, []byte("claim"), r.Auth, told(securesend.EventAcknowledged, securesend.ByRecipient), now)
				return err
			},
			"revoked": func(r securesend.Record) error {
				_, err := store.Revoke(ctx, r.Ref, told(securesend.EventRevoked, "jane"), now)
				return err
			},
			"expired": func(securesend.Record) error {
				n, err := store.Expire(ctx, now.Add(10*time.Minute), 10) // before the others end
				require.Equal(t, 1, n)
				return err
			},
			"rewrapped": func(securesend.Record) error {
				n, err := store.Rewrap(ctx, "k2", 10, func(r securesend.Record) (half, sealed []byte, err error) {
					require.NotEmpty(t, r.Half)
					require.Empty(t, r.Inline)
					return []byte("sealed anew"), []byte("sealed anew too"), nil
				})
				require.NotZero(t, n)
				return err
			},
		} {
			r := simpleSend(end, now)
			r.Sizes = []int64{1}
			r.Half, r.Sealed = secret(), secret()
			secrets[end] = [][]byte{r.Half, r.Sealed}
			r.Inline = append(bytes.Repeat([]byte("long text "), 30_000), secret()...) // pages of its own
			if end != "rewrapped" {
				mac, pass, header := secret(), secret(), secret()
				r.NumberMAC, r.PassMAC, r.MaxPassTries, r.Header = mac, pass, 3, header
				secrets[end] = append(secrets[end], mac, pass, header, r.Inline[len(r.Inline)-40:])
			}
			if end == "expired" {
				r.ExpiresAt = now.Add(time.Minute)
				r.Expiry = r.ExpiresAt
			}
			require.NoError(t, store.Put(ctx, r, told(securesend.EventCreated, "jane"), now))
			if end == "acknowledged" {
				take := takes("claim")
				take.Number, take.Pass = securesend.MACs{"k1": r.NumberMAC}, securesend.MACs{"": r.PassMAC}
				got, err := store.Take(ctx, r.Ref, take, now)
				require.NoError(t, err)
				require.Equal(t, r.Half, got.Half)
				require.Equal(t, r.Inline, got.Inline)
				require.Empty(t, got.NumberMAC)
			}
			found := func(in string) (numbers []int) {
				for i, s := range secrets[end] {
					if strings.Contains(in, string(s)) {
						numbers = append(numbers, i)
					}
				}
				return numbers
			}
			require.Len(t, found(dumpSends(t, d)), len(secrets[end]), "the dump misses what is there")
			if d.dialect == sendsql.SQLite {
				require.Len(t, found(checkpointed(t, d)), len(secrets[end]), "so does the file")
			}
			require.NoError(t, do(r), end)
			require.Empty(t, found(dumpSends(t, d)), end)
			if d.dialect == sendsql.SQLite {
				require.Empty(t, found(checkpointed(t, d)), end)
			}
		}
		everything := dumpSends(t, d)
		require.Contains(t, everything, "sealed anew")
		require.Contains(t, everything, "acknowledged")
		n, err := store.DeleteExpired(ctx, now.Add(time.Hour), now, 10)
		require.NoError(t, err)
		require.Equal(t, 3, n)
	})
}

func dumpSends(t *testing.T, d database) string {
	t.Helper()
	db, prefix := d.open(t), ""
	if d.schema != "" {
		prefix = d.schema + "."
	}
	var out strings.Builder
	for _, table := range []string{"records", "events", "counters"} {
		out.WriteString(dumpTable(t, db, prefix+"mspkit_securesend_"+table))
	}
	return out.String()
}

// checkpointed returns the files of a SQLite database, after what is in its log was brought over.
func checkpointed(t *testing.T, d database) string {
	t.Helper()
	var busy, pages, moved int
	require.NoError(t, d.open(t).QueryRowContext(t.Context(), "PRAGMA wal_checkpoint(TRUNCATE)").Scan(&busy, &pages, &moved))
	require.Zero(t, busy)
	path, _, _ := strings.Cut(strings.TrimPrefix(d.dsn, "file:"), "?")
	var out strings.Builder
	for _, end := range []string{"", "-wal"} {
		b, err := os.ReadFile(path + end)
		if !errors.Is(err, os.ErrNotExist) {
			require.NoError(t, err)
		}
		out.Write(b)
	}
	require.Contains(t, out.String(), "securesend_records", "the file misses what is there")
	return out.String()
}
