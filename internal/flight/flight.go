// Package flight shares work among those who need the same at the same time: a token, an installation.
//
//	token, landed, err := group.Do(ctx, key, time.Minute, func(ctx context.Context) (Token, error) { return ask(ctx, key) })
//
// The work runs in a goroutine of its own, under a context that no caller ends for the others: it is cancelled when none of
// them waits any more, and after its timeout.
//
// # Concurrency
//
// A [Group] is safe for concurrent use. No goroutine outlives its work, which must end with its context.
//
// # Errors
//
// Errors are those of the work, or that of the context of a caller who left.
package flight

import (
	"context"
	"sync"
	"time"
)

// Group is work by key. The zero value is ready.
type Group[K comparable, V any] struct {
	mu sync.Mutex
	at map[K]*flight[V]
}

type flight[V any] struct {
	done    chan struct{}
	value   V // when done
	err     error
	waiting int
	cancel  context.CancelFunc
}

// Do returns what work returns, which runs once for all who call with the same key while it runs. The context of work has the
// values of the first caller's and ends after timeout. landed is false where ctx ended before the work, and err is its error
// then. Who comes after the last one has left begins anew.
//
// Work that keeps its result for those who come later does so before it returns.
func (g *Group[K, V]) Do(ctx context.Context, key K, timeout time.Duration, work func(context.Context) (V, error)) (value V, landed bool, err error) {
	if err := ctx.Err(); err != nil {
		return value, false, err
	}
	g.mu.Lock()
	f := g.at[key]
	if f == nil {
		f = &flight[V]{done: make(chan struct{})}
		var shared context.Context
		shared, f.cancel = context.WithTimeout(context.WithoutCancel(ctx), timeout)
		if g.at == nil {
			g.at = map[K]*flight[V]{}
		}
		g.at[key] = f
		go g.run(shared, key, f, work)
	}
	f.waiting++
	g.mu.Unlock()
	select {
	case <-f.done:
		return f.value, true, f.err
	case <-ctx.Done():
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if f.waiting--; f.waiting == 0 {
		f.cancel()
		g.land(key, f) // who comes now must not share what was just cancelled
	}
	return value, false, ctx.Err()
}

func (g *Group[K, V]) run(ctx context.Context, key K, f *flight[V], work func(context.Context) (V, error)) {
	defer f.cancel()
	value, err := work(ctx)
	g.mu.Lock()
	defer g.mu.Unlock()
	f.value, f.err = value, err
	g.land(key, f)
	close(f.done)
}

func (g *Group[K, V]) land(key K, f *flight[V]) {
	if g.at[key] == f {
		delete(g.at, key)
	}
}
