package redisx

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"
)

// answering is a server that answers every script with its first argument, in the test's own process.
type answering struct {
	mu    sync.Mutex
	trips [][]string       // the arguments that came in each round trip
	held  chan struct{}    // a trip waits for it
	fails map[string]error // once each
	panic map[string]bool
	ctx   []context.Context
}

func (a *answering) DialHook(redis.DialHook) redis.DialHook {
	return func(context.Context, string, string) (net.Conn, error) { return nil, errors.New("nobody dials") }
}

func (a *answering) ProcessHook(redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		a.trip(ctx, cmd)
		return cmd.Err()
	}
}

func (a *answering) ProcessPipelineHook(redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		a.trip(ctx, cmds...)
		return nil
	}
}

func (a *answering) trip(ctx context.Context, cmds ...redis.Cmder) {
	var names []string
	for _, cmd := range cmds {
		args := cmd.Args()
		names = append(names, fmt.Sprint(args[len(args)-1]))
	}
	a.mu.Lock()
	a.trips, a.ctx = append(a.trips, names), append(a.ctx, ctx)
	a.mu.Unlock()
	<-a.held
	a.mu.Lock()
	defer a.mu.Unlock()
	for i, cmd := range cmds {
		if a.panic[names[i]] {
			panic(names[i])
		}
		if err := a.fails[names[i]]; err != nil {
			delete(a.fails, names[i])
			cmd.SetErr(err)
			continue
		}
		cmd.(*redis.Cmd).SetVal([]any{"ok", names[i]})
	}
}

// refused is an error that a server sends.
type refused string

func (e refused) Error() string { return string(e) }
func (refused) RedisError()     {}

// joining calls f with shards on a server that answers, of which the first flights calls are held.
func joining(t *testing.T, f func(t *testing.T, a *answering, join func(ctx context.Context, name string) <-chan error)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		a := &answering{held: make(chan struct{}), fails: map[string]error{}, panic: map[string]bool{}}
		client := redis.NewClient(&redis.Options{Addr: "127.0.0.1:1", MaxRetries: -1})
		defer client.Close()
		client.AddHook(a)
		s := &Shards{client: client, keys: newKeys("p", 1)}
		script := redis.NewScript("return {'ok', ARGV[1]}")
		join := func(ctx context.Context, name string) <-chan error {
			done := make(chan error, 1)
			go func() {
				defer func() {
					if p := recover(); p != nil {
						done <- fmt.Errorf("panic %v", p)
					}
				}()
				out, err := s.Join(ctx, Call{script, s.Keys(0), []any{name}})
				if err == nil && (out.At(0) != "ok" || out.At(1) != name) {
					err = fmt.Errorf("%s has the answer %q", name, out)
				}
				done <- err
			}()
			synctest.Wait()
			return done
		}
		f(t, a, join)
		require.Zero(t, s.join.flying, "flights that never ended")
		require.Empty(t, s.join.waiting)
	})
}

func TestCallsThatWaitAreSentTogether(t *testing.T) {
	t.Parallel()
	joining(t, func(t *testing.T, a *answering, join func(context.Context, string) <-chan error) {
		var done []<-chan error
		n := flights + Wave + 5
		for i := range n {
			done = append(done, join(t.Context(), strconv.Itoa(i)))
		}
		require.Len(t, a.trips, flights, "while few are on their way nobody waits, then everybody")
		close(a.held)
		for _, d := range done {
			require.NoError(t, <-d)
		}
		var sizes []int
		sum := 0
		for _, names := range a.trips {
			sizes, sum = append(sizes, len(names)), sum+len(names)
		}
		require.Equal(t, n, sum)
		require.ElementsMatch(t, []int{1, 1, Wave, 5}, sizes)
		require.NoError(t, <-join(t.Context(), "later"))
		require.Equal(t, []string{"later"}, a.trips[len(a.trips)-1])
	})
}

func TestWhoGivesUpWhileWaitingIsNotSent(t *testing.T) {
	t.Parallel()
	joining(t, func(t *testing.T, a *answering, join func(context.Context, string) <-chan error) {
		var done []<-chan error
		for i := range flights {
			done = append(done, join(t.Context(), strconv.Itoa(i)))
		}
		why := errors.New("the browser has gone")
		ctx, cancel := context.WithCancelCause(t.Context())
		gone, stays := join(ctx, "gone"), join(t.Context(), "stays")
		cancel(why)
		require.ErrorIs(t, <-gone, why)
		close(a.held)
		for _, d := range append(done, stays) {
			require.NoError(t, <-d)
		}
		require.Equal(t, []string{"stays"}, a.trips[flights])
	})
}

func TestNobodyFailsBecauseAnotherGivesUp(t *testing.T) {
	t.Parallel()
	joining(t, func(t *testing.T, a *answering, join func(context.Context, string) <-chan error) {
		var done []<-chan error
		for i := range flights {
			done = append(done, join(t.Context(), strconv.Itoa(i)))
		}
		short, cancelShort := context.WithTimeout(t.Context(), time.Minute)
		defer cancelShort()
		long, cancelLong := context.WithTimeout(t.Context(), time.Hour)
		defer cancelLong()
		done = append(done, join(short, "short"), join(long, "long"))
		a.held <- struct{}{} // the batch is on its way
		synctest.Wait()
		require.Equal(t, []string{"short", "long"}, a.trips[flights])
		cancelShort()
		synctest.Wait()
		require.NoError(t, a.ctx[flights].Err())
		ends, ok := a.ctx[flights].Deadline()
		want, _ := long.Deadline()
		require.True(t, ok)
		require.Equal(t, want, ends)
		close(a.held)
		for _, d := range done {
			require.NoError(t, <-d)
		}
	})
}

func TestEachCallHasItsOwnError(t *testing.T) {
	t.Parallel()
	joining(t, func(t *testing.T, a *answering, join func(context.Context, string) <-chan error) {
		a.fails["1"], a.fails["b"], a.fails["c"] = refused("ERR one"), refused("OOM no memory"), refused("NOSCRIPT none")
		done := map[string]<-chan error{}
		for i := range flights {
			done[strconv.Itoa(i)] = join(t.Context(), strconv.Itoa(i))
		}
		for _, name := range []string{"a", "b", "c"} {
			done[name] = join(t.Context(), name)
		}
		close(a.held)
		require.ErrorContains(t, <-done["b"], "OOM no memory")
		require.ErrorContains(t, <-done["1"], "ERR one")
		for _, name := range []string{"0", "a", "c"} {
			require.NoError(t, <-done[name], name)
		}
		require.Equal(t, []string{"c"}, a.trips[len(a.trips)-1], "a script that the server does not know is sent")
	})
}

func TestNobodyWaitsForOneWhoPanics(t *testing.T) {
	t.Parallel()
	joining(t, func(t *testing.T, a *answering, join func(context.Context, string) <-chan error) {
		a.panic["a"] = true
		var done []<-chan error
		for i := range flights {
			done = append(done, join(t.Context(), strconv.Itoa(i)))
		}
		first, second := join(t.Context(), "a"), join(t.Context(), "b")
		close(a.held)
		require.ErrorContains(t, <-first, "panic a")
		require.ErrorIs(t, <-second, errLost)
		for _, d := range done {
			require.NoError(t, <-d)
		}
		require.NoError(t, <-join(t.Context(), "later"))
	})
}
