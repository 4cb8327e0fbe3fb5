package kill_test

import (
	"bytes"
	"context"
	"database/sql"
	"database/sql/driver"
	"encoding/json"
	"io"
	"math/rand/v2"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit/securesend"
	"github.com/mspkit/mspkit/verify"
)

// The phases of a child. A plan counts the steps of one of them.
const (
	phaseAnswers = "answers" // Start, Check and Redeem: each SQL statement and each side of a delivery is a step
	phaseRecord  = "record"  // RunOnce: each SQL statement and each side of a recorded event
	phaseAck     = "ack"     // RunOnce: SQL statements only
)

// plan says where a child kills itself. The zero plan lets it live.
type plan struct {
	Phase string
	Step  int
	// Midway kills a random moment after the step has begun, so also within a statement or a write.
	Midway bool
}

// steps counts the steps of a child and ends it at the planned one, the way a power switch does.
type steps struct {
	plan  plan
	phase string
	total map[string]int
	armed bool
}

func (s *steps) step(statement bool) {
	if s.phase == "" {
		return
	}
	for _, counted := range []string{s.phase, phaseAck} {
		if counted == phaseAck && (s.phase != phaseRecord || !statement) {
			continue
		}
		s.total[counted]++
		if counted == s.plan.Phase && s.total[counted] == s.plan.Step {
			s.armed = true
			if !s.plan.Midway {
				die()
			}
			moment := time.Duration(rand.IntN(300)) * time.Microsecond
			go func() {
				for begun := time.Now(); time.Since(begun) < moment; { // finer than a timer
					continue
				}
				die()
			}()
		}
	}
}

// die kills this process: no defer runs, nothing is flushed.
func die() {
	if self, err := os.FindProcess(os.Getpid()); err == nil {
		_ = self.Kill()
	}
	select {}
}

// stepper opens connections of a driver and takes a step before each of their statements. Every store verb is
// at least BEGIN IMMEDIATE, its statements and COMMIT, so there are steps between any two verbs and within each.
type stepper struct {
	driver driver.Driver
	dsn    string
	steps  *steps
}

func (s stepper) Driver() driver.Driver { return s.driver }

func (s stepper) Connect(context.Context) (driver.Conn, error) {
	c, err := s.driver.Open(s.dsn)
	return stepConn{c, s.steps}, err
}

type stepConn struct {
	driver.Conn
	steps *steps
}

func (c stepConn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	c.steps.step(true)
	return c.Conn.(driver.ExecerContext).ExecContext(ctx, query, args)
}

func (c stepConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	c.steps.step(true)
	return c.Conn.(driver.QueryerContext).QueryContext(ctx, query, args)
}

// openStepping opens dsn with a step before every statement.
func openStepping(t *testing.T, dsn string, s *steps) *sql.DB {
	t.Helper()
	plain, err := sql.Open("sqlite", dsn)
	require.NoError(t, err)
	defer plain.Close()
	return sql.OpenDB(stepper{plain.Driver(), dsn, s})
}

// line is one line of the journal: what left the process and cannot be taken back.
type line struct {
	What  string // "event", "delivered", or a verb that returned success to its caller
	ID    string // of the challenge
	Code  string // of a delivery
	Event *verify.Event
	Send  *securesend.Event // of "send"
	Said  *said             // of "said"
}

// journal is a file to which every process appends.
type journal struct {
	f *os.File

	mu    sync.Mutex
	read  int64 // how far lines has come
	known []line
}

// openJournal opens the journal; a process sees what is written from then on.
func openJournal(t *testing.T, path string) *journal {
	t.Helper()
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_RDWR, 0o600)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, f.Close()) })
	info, err := f.Stat()
	require.NoError(t, err)
	return &journal{f: f, read: info.Size()}
}

// add writes l and waits until it is on the disk. A line that a kill tore is left behind by the line feed
// before the next one; whoever wrote it never said that it was written.
func (j *journal) add(l line) error {
	b, err := json.Marshal(l)
	if err != nil {
		return err
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if _, err := j.f.WriteString("\n" + string(b) + "\n"); err != nil {
		return err
	}
	return j.f.Sync()
}

// lines returns everything that was written since the journal was opened.
func (j *journal) lines(t *testing.T) []line {
	t.Helper()
	j.mu.Lock()
	defer j.mu.Unlock()
	b, err := io.ReadAll(io.NewSectionReader(j.f, j.read, 1<<40))
	require.NoError(t, err)
	b = b[:bytes.LastIndexByte(b, '\n')+1]
	j.read += int64(len(b))
	j.known = append(j.known, parseLines(b)...)
	return j.known
}

// parseLines returns the whole lines of b.
func parseLines(b []byte) (out []line) {
	for part := range bytes.SplitSeq(b, []byte("\n")) {
		var l line
		if json.Unmarshal(part, &l) == nil {
			out = append(out, l)
		}
	}
	return out
}
