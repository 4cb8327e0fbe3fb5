package backlog

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

const (
	// A group has at most so many items and, where it has more than one call, so many bytes.
	groupItems = 256
	groupBytes = 8 << 20
	// groupTimeout bounds one group. It is not a caller's context: what is in it is others' as well.
	groupTimeout = 30 * time.Second
)

// call is an Add that waits for its group.
type call struct {
	items []Item
	bytes int
	done  chan struct{}
	added int
	err   error
}

// grouper commits calls that wait in groups, at most so many groups at once. The zero value needs commit and most. There is a
// goroutine only while something waits.
type grouper struct {
	// commit stores the items of all calls, and sets added and err of each.
	commit func(ctx context.Context, calls []*call)
	most   int

	mu      sync.Mutex
	waiting []*call
	running int
}

// do waits until the items were stored with others, or ctx ends: then they are not stored where they still wait, and nobody
// knows where they do not.
func (g *grouper) do(ctx context.Context, items []Item) (int, error) {
	c := &call{items: items, done: make(chan struct{})}
	for i := range items {
		c.bytes += len(items[i].Sealed)
	}
	g.mu.Lock()
	g.waiting = append(g.waiting, c)
	if g.running < g.most {
		g.running++
		go g.run(context.WithoutCancel(ctx))
	}
	g.mu.Unlock()
	select {
	case <-c.done:
		return c.added, c.err
	case <-ctx.Done():
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if i := slices.Index(g.waiting, c); i >= 0 {
		g.waiting = slices.Delete(g.waiting, i, i+1)
	}
	return 0, ctx.Err()
}

// run commits groups until nothing waits.
func (g *grouper) run(ctx context.Context) {
	ended := false
	defer func() {
		if !ended { // something below has ended this goroutine: another one goes on
			go g.run(ctx)
		}
	}()
	for {
		group := g.take()
		if group == nil {
			ended = true
			return
		}
		g.one(ctx, group)
	}
}

// take returns the next group. Where there is none it counts run out.
func (g *grouper) take() []*call {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.waiting) == 0 {
		g.running--
		return nil
	}
	n, items, size := 0, 0, 0
	for _, c := range g.waiting {
		items += len(c.items)
		size += c.bytes
		if n > 0 && (items > groupItems || size > groupBytes) {
			break
		}
		n++
	}
	group := slices.Clone(g.waiting[:n])
	g.waiting = slices.Delete(g.waiting, 0, n)
	return group
}

var errAdd = errors.New("the goroutine that adds has ended")

// one commits a group and wakes its callers, whatever the driver does.
func (g *grouper) one(ctx context.Context, group []*call) {
	for _, c := range group {
		c.err = errAdd
	}
	defer func() {
		if p := recover(); p != nil { // here it would end the program, and in a caller it need not
			for _, c := range group {
				c.added, c.err = 0, fmt.Errorf("the database panicked with a %T", p)
			}
		}
		for _, c := range group {
			close(c.done)
		}
	}()
	ctx, cancel := context.WithTimeout(ctx, groupTimeout)
	defer cancel()
	g.commit(ctx, group)
}
