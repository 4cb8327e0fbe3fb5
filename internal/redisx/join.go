package redisx

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// flights is how many round trips of joined calls may be on their way at once. As long as there are fewer, nobody waits.
const flights = 2

// errLost means that whoever sent a call together with its own did not come to an end.
var errLost = errors.New("the call was not sent")

// joiner sends calls that wait at the same moment in one round trip: what comes while flights are on their way is sent by
// the first who waits, as soon as one of them is back. There is no timer and no goroutine. The zero value works.
type joiner struct {
	mu      sync.Mutex
	flying  int
	waiting []*joined
}

// joined is a call that waits.
type joined struct {
	ctx  context.Context //nolint:containedctx // that of the call
	call Call
	cmd  *redis.Cmd
	// turn tells the waiting call either that it must send batch, or, where that is empty, that cmd was sent.
	turn  chan struct{}
	batch []*joined
}

// Join is [Shards.Run] for scripts that are called by many goroutines at once: together they cost fewer round trips. Each has
// its own answer and error; a call whose context ends while it waits is not sent any more. The scripts must be short, because up
// to [Wave] of them run in one go, and such that they may be sent again.
func (s *Shards) Join(ctx context.Context, c Call) (Answer, error) {
	client, ok := s.client.(*redis.Client)
	if !ok { // a cluster has its own ways for each machine
		return s.Run(ctx, c)
	}
	j := &s.join
	j.mu.Lock()
	if j.flying < flights {
		j.flying++
		j.mu.Unlock()
		defer j.next()
		return s.Run(ctx, c)
	}
	me := &joined{ctx: ctx, call: c, turn: make(chan struct{}, 1)}
	j.waiting = append(j.waiting, me)
	j.mu.Unlock()
	select {
	case <-me.turn:
	case <-ctx.Done():
		if j.leave(me) {
			return nil, context.Cause(ctx)
		}
		<-me.turn // it is being sent, or it must send
	}
	if len(me.batch) > 0 {
		j.send(client, me.batch)
	}
	if me.cmd == nil {
		return nil, errLost
	}
	out, err := me.cmd.StringSlice()
	if err != nil && undone(err) {
		return s.again(ctx, c, err)
	}
	return out, err
}

// leave takes x back, unless it is no longer waiting.
func (j *joiner) leave(x *joined) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	for i, w := range j.waiting {
		if w == x {
			j.waiting = append(j.waiting[:i:i], j.waiting[i+1:]...)
			return true
		}
	}
	return false
}

// next ends a flight and has the first who waits begin another one.
func (j *joiner) next() {
	j.mu.Lock()
	defer j.mu.Unlock()
	if len(j.waiting) == 0 {
		j.flying--
		return
	}
	n := min(len(j.waiting), Wave)
	first := j.waiting[0]
	first.batch = append([]*joined(nil), j.waiting[:n]...)
	j.waiting = append([]*joined(nil), j.waiting[n:]...)
	first.turn <- struct{}{}
}

// send sends a batch, of which the first is the caller's own, and tells the others.
func (j *joiner) send(client *redis.Client, batch []*joined) {
	defer func() {
		j.next()
		for _, x := range batch[1:] {
			x.turn <- struct{}{}
		}
	}()
	ctx, cancel := together(batch)
	defer cancel()
	cmds := make([]*redis.Cmd, len(batch))
	_, _ = client.Pipelined(ctx, func(p redis.Pipeliner) error { // each command has its own error
		for i, x := range batch {
			cmds[i] = x.call.Script.EvalSha(ctx, p, x.call.Keys, x.call.Args...)
		}
		return nil
	})
	for i, x := range batch {
		x.cmd = cmds[i]
	}
}

// together returns a context that lasts as long as one of those of a batch: nobody is to fail because somebody else gives up.
func together(batch []*joined) (context.Context, context.CancelFunc) {
	ctx := context.WithoutCancel(batch[0].ctx)
	var last time.Time
	for _, x := range batch {
		t, ok := x.ctx.Deadline()
		if !ok {
			return ctx, func() {}
		}
		if t.After(last) {
			last = t
		}
	}
	return context.WithDeadline(ctx, last)
}
