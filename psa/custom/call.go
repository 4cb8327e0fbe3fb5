package custom

import (
	"context"
	"database/sql"
	"errors"
	"log/slog"
	"math"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/psa"
)

// grace is how long a function that was told to end may take to say what it did.
const grace = time.Second

// tries is how often a function is called that says it was throttled.
const tries = 3

// call runs one function under the limits of the system. write says that it changes something.
func call[T any](ctx context.Context, s *System, op string, write bool, f func(context.Context) (T, error)) (T, error) {
	var none T
	if s.o.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, s.o.Timeout)
		defer cancel()
	}
	for try := 1; ; try++ {
		if err := ctx.Err(); err != nil { // nothing is begun
			return none, &psa.Error{System: s.name, Op: op, Err: &fault{psa.ErrUnavailable, err}}
		}
		if s.limit != nil {
			if err := s.limit.wait(ctx); err != nil {
				return none, &psa.Error{System: s.name, Op: op, Err: psa.ErrRateLimited, Advice: "this process has used up its own share of requests"}
			}
		}
		v, err := once(ctx, s, op, f)
		if err == nil {
			return v, nil
		}
		told := s.tell(op, write, err)
		wait := told.RetryAfter
		if try == tries || !errors.Is(told, psa.ErrRateLimited) || wait <= 0 || wait > s.o.MaxRetryAfter || !sleep(ctx, wait) {
			return none, told
		}
	}
}

// left is the time until the deadline of ctx.
func left(ctx context.Context) time.Duration {
	end, ok := ctx.Deadline()
	if !ok {
		return math.MaxInt64
	}
	return time.Until(end) //nolint:forbidigo // deadlines are of the real clock
}

// sleep waits, or says at once that there is no time for it.
func sleep(ctx context.Context, d time.Duration) bool {
	if left(ctx) < d {
		return false
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

var (
	errPanic = errors.New("custom: the function panicked")
	errLate  = errors.New("custom: the function did not return in time")
)

// once calls f, and leaves it alone where it does not end with its context.
func once[T any](ctx context.Context, s *System, op string, f func(context.Context) (T, error)) (T, error) {
	type outcome struct {
		v   T
		err error
	}
	done := make(chan outcome, 1)
	go func() {
		var out outcome
		defer func() {
			if v := recover(); v != nil { // the value may hold what was to be written
				s.o.Logger.ErrorContext(ctx, "custom: a function panicked",
					slog.String("system", s.name), slog.String("op", op), slog.String("stack", string(debug.Stack())))
				out = outcome{err: errPanic}
			}
			done <- out
		}()
		out.err = errPanic // what runtime.Goexit leaves
		out.v, out.err = f(ctx)
	}()
	select {
	case out := <-done:
		return out.v, out.err
	case <-ctx.Done():
	}
	t := time.NewTimer(grace)
	defer t.Stop()
	select {
	case out := <-done:
		return out.v, out.err
	case <-t.C:
		var none T
		return none, errors.Join(errLate, ctx.Err())
	}
}

// sentinels are what a function may say; whatever else it says is not printed.
var sentinels = []error{
	psa.ErrAmbiguousWrite, // first: it wins over another one
	psa.ErrNotFound, psa.ErrUnauthorized, psa.ErrForbidden, psa.ErrRateLimited, psa.ErrValidation, psa.ErrConflict, psa.ErrClosed,
	psa.ErrTooLong, psa.ErrUnsupported, psa.ErrUnavailable, psa.ErrOrigin, psa.ErrWebhook, psa.ErrCursor, mspkit.ErrInvalid,
}

// fault is a sentinel with its cause, and prints the sentinel only.
type fault struct{ is, cause error }

func (f *fault) Error() string   { return f.is.Error() }
func (f *fault) Unwrap() []error { return []error{f.is, f.cause} }

// tell makes the error of package psa of what a function returned.
func (s *System) tell(op string, write bool, err error) *psa.Error {
	out := &psa.Error{}
	known, typed := errors.AsType[*psa.Error](err)
	if typed {
		*out = *known
	}
	if out.System == "" {
		out.System = s.name
	}
	if out.Op == "" {
		out.Op = op
	}
	if out.Message.Reveal() == "" {
		out.Message = mspkit.Redact(err.Error())
	}
	if values, ok := errors.AsType[*psa.DefaultsError](err); ok {
		out.Err = values // it lists what may be chosen, which is no secret
		return out
	}
	unknown := psa.ErrUnavailable
	if write {
		unknown = psa.ErrAmbiguousWrite
	}
	is := unknown
	i := slices.IndexFunc(sentinels, func(s error) bool { return errors.Is(err, s) })
	switch {
	case i > 0 || i == 0 && write: // the first means nothing where nothing was to be written
		is = sentinels[i]
	case !write && errors.Is(err, sql.ErrNoRows):
		is = psa.ErrNotFound
	case errors.Is(err, errPanic):
		out.Advice = "the function panicked; the log says where"
	case errors.Is(err, errLate):
		out.Advice = "the function did not end with its context"
	}
	if !typed || out.Err != is { //nolint:errorlint // the sentinel itself, with no other text
		out.Err = &fault{is, err}
	}
	return out
}

// missing is the error where there is no function.
func (s *System) missing(op, name string) error {
	return &psa.Error{System: s.name, Op: op, Err: psa.ErrUnsupported, Advice: "give Funcs." + name}
}

// refuse is the error of what is not even tried.
func (s *System) refuse(op string, err error, advice string) error {
	return &psa.Error{System: s.name, Op: op, Err: err, Advice: advice}
}

// limiter lets n calls begin per period, and up to n at once after a rest.
type limiter struct {
	mu    sync.Mutex
	every time.Duration // between two calls in the long run
	burst time.Duration // how far ahead of that they may be
	next  time.Time     // when the next one would be due in the long run
}

func newLimiter(n int, per time.Duration) *limiter {
	every := per / time.Duration(n)
	return &limiter{every: every, burst: per - every}
}

func (l *limiter) wait(ctx context.Context) error {
	l.mu.Lock()
	now := time.Now() //nolint:forbidigo // what is waited for is real time
	at := l.next
	if at.Before(now) {
		at = now
	}
	wait := at.Sub(now) - l.burst
	if wait > left(ctx) {
		l.mu.Unlock()
		return context.DeadlineExceeded
	}
	l.next = at.Add(l.every)
	l.mu.Unlock()
	if wait > 0 && !sleep(ctx, wait) {
		return ctx.Err()
	}
	return nil
}
