package sqlx

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"io"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// fake is a database driver that records what it is told and fails where a test says so.
type fake struct {
	mu     sync.Mutex
	log    []string
	closed int
	// fail returns the error of a statement, or nil. It is called with the lock held.
	fail func(stmt string) error
}

func openFake(t *testing.T, f *fake) *sql.DB {
	t.Helper()
	db := sql.OpenDB(f)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	return db
}

func (f *fake) Connect(context.Context) (driver.Conn, error) { return &fakeConn{f: f}, nil }
func (f *fake) Driver() driver.Driver                        { return nil }

func (f *fake) do(stmt string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.log = append(f.log, stmt)
	if f.fail != nil {
		return f.fail(stmt)
	}
	return nil
}

func (f *fake) seen() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]string(nil), f.log...)
}

type fakeConn struct{ f *fake }

func (c *fakeConn) Prepare(string) (driver.Stmt, error) { return nil, errors.New("not prepared") }
func (c *fakeConn) Begin() (driver.Tx, error)           { return nil, errors.New("BeginTx is there") }
func (c *fakeConn) Commit() error                       { return c.f.do("commit") }
func (c *fakeConn) Rollback() error                     { return c.f.do("rollback") }

func (c *fakeConn) Close() error {
	c.f.mu.Lock()
	defer c.f.mu.Unlock()
	c.f.closed++
	return nil
}

func (c *fakeConn) BeginTx(_ context.Context, o driver.TxOptions) (driver.Tx, error) {
	return c, c.f.do("begin " + sql.IsolationLevel(o.Isolation).String())
}

func (c *fakeConn) ExecContext(ctx context.Context, q string, _ []driver.NamedValue) (driver.Result, error) {
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	return driver.RowsAffected(1), c.f.do(q)
}

func (c *fakeConn) QueryContext(ctx context.Context, q string, _ []driver.NamedValue) (driver.Rows, error) {
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	return noRows{}, c.f.do(q)
}

type noRows struct{}

func (noRows) Columns() []string         { return []string{"a"} }
func (noRows) Close() error              { return nil }
func (noRows) Next([]driver.Value) error { return io.EOF }

type busyError struct{ code int }

func (e busyError) Error() string { return "busy" }
func (e busyError) Code() int     { return e.code }

type stateError string

func (e stateError) Error() string    { return "state" }
func (e stateError) SQLState() string { return string(e) }

func ok(ctx context.Context, tx *Tx) error {
	_, err := tx.ExecContext(ctx, "UPDATE ?")
	return err
}

func TestWriteTxSpeaksTheDialect(t *testing.T) {
	t.Parallel()
	var f fake
	require.NoError(t, WriteTx(t.Context(), openFake(t, &f), SQLite, ok))
	require.Equal(t, []string{"BEGIN IMMEDIATE", "UPDATE ?", "COMMIT"}, f.log)
	var g fake
	require.NoError(t, WriteTx(t.Context(), openFake(t, &g), Postgres, ok))
	require.Equal(t, []string{"begin Read Committed", "UPDATE $1", "commit"}, g.log)
	require.Error(t, WriteTx(t.Context(), openFake(t, &g), 0, ok))
}

func TestWriteTxUndoesWhatFails(t *testing.T) {
	t.Parallel()
	boom := errors.New("boom")
	for d, undo := range map[Dialect]string{SQLite: "ROLLBACK", Postgres: "rollback"} {
		t.Run(d.String(), func(t *testing.T) {
			t.Parallel()
			var f fake
			db := openFake(t, &f)
			require.ErrorIs(t, WriteTx(t.Context(), db, d, func(context.Context, *Tx) error { return boom }), boom)
			require.Equal(t, undo, f.log[len(f.log)-1], "error")
			require.PanicsWithValue(t, "x", func() {
				_ = WriteTx(t.Context(), db, d, func(context.Context, *Tx) error { panic("x") })
			})
			require.Equal(t, undo, f.log[len(f.log)-1], "panic")
			done := make(chan struct{})
			go func() {
				defer close(done)
				_ = WriteTx(context.Background(), db, d, func(context.Context, *Tx) error { runtime.Goexit(); return nil })
			}()
			<-done
			require.Equal(t, undo, f.log[len(f.log)-1], "a goroutine that ends, as t.FailNow does")
			require.Len(t, f.log, 6)
			require.Zero(t, f.closed, "a clean rollback keeps the connection")
		})
	}
}

func TestWriteTxDoesNotCommitPastAFailedStatement(t *testing.T) {
	t.Parallel()
	boom := errors.New("boom")
	for _, d := range []Dialect{SQLite, Postgres} {
		t.Run(d.String(), func(t *testing.T) {
			t.Parallel()
			f := fake{fail: func(s string) error {
				if s == "BAD" {
					return boom
				}
				return nil
			}}
			bad := map[string]func(context.Context, *Tx) error{
				"exec":  func(ctx context.Context, tx *Tx) error { _, err := tx.ExecContext(ctx, "BAD"); return err },
				"query": func(ctx context.Context, tx *Tx) error { _, err := tx.QueryContext(ctx, "BAD"); return err }, //nolint:gocritic,rowserrcheck,sqlclosecheck // fails, so there are no rows
				"row":   func(ctx context.Context, tx *Tx) error { var n int; return tx.QueryRowContext(ctx, "BAD").Scan(&n) },
			}
			for name, run := range bad {
				f.log = nil
				err := WriteTx(t.Context(), openFake(t, &f), d, func(ctx context.Context, tx *Tx) error {
					_ = run(ctx, tx) // swallowed
					_, err := tx.ExecContext(ctx, "NEXT")
					require.ErrorIs(t, err, ErrFailed, name)
					_, err = tx.Affected(ctx, "NEXT")
					require.ErrorIs(t, err, ErrFailed, name)
					_, err = tx.QueryContext(ctx, "NEXT") //nolint:gocritic,rowserrcheck,sqlclosecheck // fails, so there are no rows
					require.ErrorIs(t, err, ErrFailed, name)
					require.Error(t, tx.QueryRowContext(ctx, "NEXT").Scan(new(int)), name)
					return nil
				})
				require.ErrorIs(t, err, ErrFailed, name)
				require.ErrorIs(t, err, boom, name)
				require.NotContains(t, f.log, "NEXT")
				require.NotContains(t, f.log, "COMMIT")
				require.NotContains(t, f.log, "commit")
			}
		})
	}
}

func TestWriteTxTakesNoRowsForNoFailure(t *testing.T) {
	t.Parallel()
	var f fake
	require.NoError(t, WriteTx(t.Context(), openFake(t, &f), SQLite, func(ctx context.Context, tx *Tx) error {
		require.ErrorIs(t, tx.QueryRowContext(ctx, "SELECT").Scan(new(int)), sql.ErrNoRows)
		n, err := tx.Affected(ctx, "INSERT")
		require.Equal(t, int64(1), n)
		return err
	}))
}

func TestWriteTxCommitsAlthoughTheCallerLeft(t *testing.T) {
	t.Parallel()
	for d, last := range map[Dialect]string{SQLite: "COMMIT", Postgres: "commit"} {
		var f fake
		ctx, cancel := context.WithCancel(t.Context())
		require.NoError(t, WriteTx(ctx, openFake(t, &f), d, func(ctx context.Context, tx *Tx) error {
			defer cancel()
			return ok(ctx, tx)
		}), d)
		require.Equal(t, last, f.log[2])
	}
}

func TestWriteTxRollsBackAlthoughTheCallerLeft(t *testing.T) {
	t.Parallel()
	for d, last := range map[Dialect]string{SQLite: "ROLLBACK", Postgres: "rollback"} {
		var f fake
		ctx, cancel := context.WithCancel(t.Context())
		err := WriteTx(ctx, openFake(t, &f), d, func(ctx context.Context, tx *Tx) error {
			cancel()
			return ok(ctx, tx)
		})
		require.ErrorIs(t, err, context.Canceled, d)
		require.Equal(t, last, f.log[len(f.log)-1])
	}
}

func TestWriteTxDoesNotBeginForACallerWhoLeft(t *testing.T) {
	t.Parallel()
	for _, d := range []Dialect{SQLite, Postgres} {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		var f fake
		require.ErrorIs(t, WriteTx(ctx, openFake(t, &f), d, ok), context.Canceled)
		require.Empty(t, f.log)
	}
}

func TestWriteTxDropsAConnectionThatCannotRollBack(t *testing.T) {
	t.Parallel()
	f := fake{fail: func(s string) error {
		if s == "ROLLBACK" {
			return errors.New("cannot rollback")
		}
		return nil
	}}
	boom := errors.New("boom")
	require.ErrorIs(t, WriteTx(t.Context(), openFake(t, &f), SQLite, func(context.Context, *Tx) error { return boom }), boom)
	require.Equal(t, 1, f.closed)
}

func TestWriteTxTriesAgainOnConflict(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		d     Dialect
		stmt  string
		err   error
		again bool
	}{
		{"busy at begin", SQLite, "BEGIN IMMEDIATE", busyError{5}, true},
		{"busy, extended code", SQLite, "BEGIN IMMEDIATE", busyError{5 | 1<<8}, true},
		{"locked table", SQLite, "UPDATE ?", busyError{6}, true},
		{"busy at commit", SQLite, "COMMIT", busyError{5}, true},
		{"busy in words only", SQLite, "BEGIN IMMEDIATE", errors.New("database is locked (5) (SQLITE_BUSY)"), true},
		{"full disk", SQLite, "COMMIT", busyError{13}, false},
		{"serialization failure", Postgres, "UPDATE $1", stateError("40001"), true},
		{"deadlock", Postgres, "UPDATE $1", stateError("40P01"), true},
		{"serialization failure at commit", Postgres, "commit", stateError("40001"), true},
		{"unique violation", Postgres, "UPDATE $1", stateError("23505"), false},
		{"lost connection at commit", Postgres, "commit", io.ErrUnexpectedEOF, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				left := 3
				f := fake{fail: func(s string) error {
					if s != tt.stmt || left == 0 {
						return nil
					}
					left--
					return tt.err
				}}
				db := sql.OpenDB(&f)
				defer db.Close()
				err := WriteTx(t.Context(), db, tt.d, ok)
				if tt.again {
					require.NoError(t, err)
					require.Zero(t, left)
				} else {
					require.ErrorIs(t, err, tt.err)
					require.Equal(t, 2, left, "tried once")
				}
			})
		})
	}
}

func TestWriteTxGivesUp(t *testing.T) {
	t.Parallel()
	t.Run("on PostgreSQL after ten runs", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			f := fake{fail: func(s string) error {
				if s == "commit" {
					return stateError("40001")
				}
				return nil
			}}
			db := sql.OpenDB(&f)
			defer db.Close()
			runs := 0
			err := WriteTx(t.Context(), db, Postgres, func(context.Context, *Tx) error { runs++; return nil })
			require.ErrorIs(t, err, stateError("40001"))
			require.Equal(t, maxRuns, runs)
		})
	})
	busy := func(s string) error {
		if s == "BEGIN IMMEDIATE" {
			return busyError{5}
		}
		return nil
	}
	t.Run("on SQLite after ten seconds", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			db := sql.OpenDB(&fake{fail: busy})
			defer db.Close()
			start := time.Now()
			err := WriteTx(t.Context(), db, SQLite, ok)
			require.ErrorContains(t, err, "other writers held the database")
			require.Equal(t, busyWait, time.Since(start))
		})
	})
	t.Run("on SQLite when the caller leaves", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			db := sql.OpenDB(&fake{fail: busy})
			defer db.Close()
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			err := WriteTx(ctx, db, SQLite, ok)
			require.ErrorIs(t, err, context.DeadlineExceeded)
		})
	})
}

func TestDBQueuesItsSQLiteWriters(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var f fake
		sqlDB := sql.OpenDB(&f)
		defer sqlDB.Close()
		db, err := New(sqlDB, SQLite, nil)
		require.NoError(t, err)
		inside, leave := make(chan struct{}), make(chan struct{})
		first := make(chan error, 1)
		go func() {
			first <- db.WriteTx(t.Context(), func(context.Context, *Tx) error { close(inside); <-leave; return nil })
		}()
		<-inside
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.ErrorIs(t, db.WriteTx(ctx, ok), context.DeadlineExceeded, "who waits may leave")
		require.Equal(t, []string{"BEGIN IMMEDIATE"}, f.seen())
		close(leave)
		require.NoError(t, <-first)
		require.NoError(t, db.WriteTx(t.Context(), ok))
	})
}
