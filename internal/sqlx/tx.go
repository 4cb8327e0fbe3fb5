package sqlx

import (
	"context"
	"crypto/rand"
	"database/sql"
	"database/sql/driver"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"time"
)

// ErrFailed is returned by WriteTx where a statement failed and the function returned nil all the same. The
// transaction is rolled back: PostgreSQL would do so anyway, and SQLite must not differ.
var ErrFailed = errors.New("sqlx: a statement of the transaction failed")

const (
	// busyWait is how long a write waits for other writers to SQLite where ctx does not end sooner.
	busyWait = 10 * time.Second
	// finishWait is how long COMMIT and ROLLBACK may take; they do not listen to the caller's context.
	finishWait = 10 * time.Second
	// maxRuns is how often a function may run where PostgreSQL reports a conflict.
	maxRuns = 10
)

// Querier is what *sql.DB, *sql.Conn, *sql.Tx and [*Tx] have in common.
type Querier interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// Tx is one write transaction. Placeholders are ? in every dialect. After a statement has failed every
// further one fails with [ErrFailed]. It must not be used after its function has returned, nor by two
// goroutines at once.
type Tx struct {
	d      Dialect
	q      Querier
	failed error // the first statement that failed
}

var _ Querier = (*Tx)(nil)

// ExecContext runs a statement that returns no rows.
func (tx *Tx) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	if tx.failed != nil {
		return nil, tx.broken()
	}
	res, err := tx.q.ExecContext(ctx, tx.d.Rebind(query), args...)
	tx.note(err)
	return res, err
}

// QueryContext runs a query. The rows must be closed before the next statement.
func (tx *Tx) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	if tx.failed != nil {
		return nil, tx.broken()
	}
	rows, err := tx.q.QueryContext(ctx, tx.d.Rebind(query), args...)
	tx.note(err)
	return rows, err
}

// QueryRowContext runs a query of at most one row; Scan returns sql.ErrNoRows where there is none.
func (tx *Tx) QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row {
	if tx.failed != nil {
		// A *sql.Row with an error can only be had from a statement: this one fails before it is sent.
		done, cancel := context.WithCancelCause(ctx)
		cancel(tx.broken())
		return tx.q.QueryRowContext(done, "SELECT 1")
	}
	row := tx.q.QueryRowContext(ctx, tx.d.Rebind(query), args...)
	tx.note(row.Err())
	return row
}

// Affected runs a statement and returns how many rows it changed.
func (tx *Tx) Affected(ctx context.Context, query string, args ...any) (int64, error) {
	res, err := tx.ExecContext(ctx, query, args...)
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}

func (tx *Tx) note(err error) {
	if err != nil && tx.failed == nil {
		tx.failed = err
	}
}

func (tx *Tx) broken() error { return fmt.Errorf("%w: %w", ErrFailed, tx.failed) }

// WriteTx runs f in one transaction that may write and commits it if f returns nil. Where f fails or panics
// everything is undone. Once f has returned nil, the end of ctx no longer prevents the commit.
//
// On SQLite the transaction begins with BEGIN IMMEDIATE, so that no other writer can come between a read
// and a write of f; while another writes it is tried again for up to 10 seconds or until ctx ends. On
// PostgreSQL it is READ COMMITTED (lock what you read with {for_update}), and a serialization failure or a
// deadlock runs f again, up to 10 times in all. So f may run more than once.
func WriteTx(ctx context.Context, db *sql.DB, d Dialect, f func(context.Context, *Tx) error) error {
	if err := d.Validate(); err != nil {
		return err
	}
	beginCtx, cancel := ctx, context.CancelFunc(func() {})
	if d == SQLite {
		// The wait bounds the tries, not f: f gets ctx.
		beginCtx, cancel = context.WithTimeout(ctx, busyWait)
	}
	defer cancel()
	return again(ctx, beginCtx, d, func() error { return writeOnce(ctx, beginCtx, db, d, f) })
}

// again runs f until it meets no conflict: on SQLite while waiting goes on, on PostgreSQL up to maxRuns times.
func again(ctx, waiting context.Context, d Dialect, f func() error) error {
	for run := 1; ; run++ {
		err := f()
		switch {
		case err == nil:
			return nil
		case !conflict(d, err), d == Postgres && run == maxRuns:
			return err
		case !pause(waiting, run):
			if ctx.Err() != nil {
				return fmt.Errorf("sqlx: wait for other writers: %w: %w", ctx.Err(), err)
			}
			return fmt.Errorf("sqlx: other writers held the database for %v: %w", busyWait, err)
		}
	}
}

func writeOnce(ctx, beginCtx context.Context, db *sql.DB, d Dialect, f func(context.Context, *Tx) error) (err error) {
	conn, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close() //nolint:errcheck // it only goes back to the pool
	begin := beginPostgres
	if d == SQLite {
		begin = beginSQLite
	}
	t, err := begin(ctx, beginCtx, conn)
	if err != nil {
		return err
	}
	ended := false
	defer func() { // f failed, panicked, or ended its goroutine
		if !ended {
			t.rollback()
		}
	}()
	tx := &Tx{d: d, q: t.q}
	if err := f(ctx, tx); err != nil {
		return err
	}
	if tx.failed != nil {
		return tx.broken()
	}
	if err := t.commit(); err != nil {
		return err // not ended: rollback
	}
	ended = true
	return nil
}

// transaction is one begun transaction of either dialect.
type transaction struct {
	q        Querier
	commit   func() error
	rollback func()
}

func beginSQLite(ctx, beginCtx context.Context, conn *sql.Conn) (*transaction, error) {
	// database/sql can only say BEGIN, which takes the write lock at the first write: by then what was
	// read may be old, and SQLite refuses the upgrade.
	if _, err := conn.ExecContext(beginCtx, "BEGIN IMMEDIATE"); err != nil {
		if !conflict(SQLite, err) {
			discard(conn) // it is not known whether the transaction has begun
		}
		if beginCtx.Err() != nil && ctx.Err() == nil {
			err = fmt.Errorf("sqlx: other writers held the database for %v: %w", busyWait, err)
		}
		return nil, err
	}
	finish := context.WithoutCancel(ctx)
	return &transaction{
		q: conn,
		commit: func() error {
			c, cancel := context.WithTimeout(finish, finishWait)
			defer cancel()
			for run := 1; ; run++ {
				// Without WAL, readers may keep a commit waiting; the transaction stays open meanwhile.
				_, err := conn.ExecContext(c, "COMMIT")
				if err == nil || !conflict(SQLite, err) || !pause(c, run) {
					return err
				}
			}
		},
		rollback: func() {
			c, cancel := context.WithTimeout(finish, finishWait)
			defer cancel()
			if _, err := conn.ExecContext(c, "ROLLBACK"); err != nil {
				discard(conn) // nobody else may get a connection within a transaction
			}
		},
	}, nil
}

func beginPostgres(ctx, _ context.Context, conn *sql.Conn) (*transaction, error) {
	// database/sql rolls back as soon as the context of BeginTx ends, so that one must outlive ctx; until
	// the transaction has begun it ends with ctx all the same.
	life, end := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, end)
	t, err := conn.BeginTx(life, &sql.TxOptions{Isolation: sql.LevelReadCommitted})
	if err == nil && !stop() {
		err = errors.Join(ctx.Err(), t.Rollback())
	}
	if err != nil {
		end()
		return nil, err
	}
	return &transaction{
		q: t,
		commit: func() error {
			defer time.AfterFunc(finishWait, end).Stop()
			// Commit is not a COMMIT statement: that one succeeds on a failed transaction.
			err := t.Commit()
			if err == nil {
				end()
			}
			return err
		},
		rollback: func() {
			defer end()
			defer time.AfterFunc(finishWait, end).Stop()
			_ = t.Rollback() // database/sql drops the connection where this fails
		},
	}, nil
}

// discard makes database/sql close the connection instead of pooling it.
func discard(conn *sql.Conn) {
	_ = conn.Raw(func(any) error { return driver.ErrBadConn })
}

// conflict reports whether err means that another transaction was in the way and a new try may succeed.
func conflict(d Dialect, err error) bool {
	if d == Postgres {
		var s interface{ SQLState() string }
		return errors.As(err, &s) && (s.SQLState() == "40001" || s.SQLState() == "40P01")
	}
	var c interface{ Code() int }
	if errors.As(err, &c) {
		primary := c.Code() & 0xff // the upper bits are the extended code
		return primary == 5 || primary == 6
	}
	for _, text := range []string{"database is locked", "database table is locked", "SQLITE_BUSY", "SQLITE_LOCKED"} {
		if strings.Contains(err.Error(), text) {
			return true
		}
	}
	return false
}

// pause waits a random time that grows with run, up to 50 ms, and reports whether ctx goes on.
func pause(ctx context.Context, run int) bool {
	var b [2]byte
	_, _ = rand.Read(b[:])
	top := min(50*time.Millisecond, time.Millisecond<<min(run, 6))
	t := time.NewTimer(top * time.Duration(binary.BigEndian.Uint16(b[:])) / (1 << 16))
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
