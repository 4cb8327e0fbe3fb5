package redisstore

import (
	"context"
	"errors"
	"iter"
	"net"
	"reflect"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/mspkit/mspkit/internal/redisx"
	"github.com/mspkit/mspkit/verify"
)

// How often a record is read although nothing was heard of it: notifications can be lost.
const (
	pollFirst = time.Second
	pollMost  = 10 * time.Second
	pollDeaf  = time.Second // while there is no subscription
	silence   = 10 * time.Second
)

// watch is the one subscription of a store and those who wait for it.
type watch struct {
	mu      sync.Mutex
	waiting map[string]map[chan struct{}]bool // by subject
	end     func()                            // ends the subscription and waits for it
	live    atomic.Bool
}

// Watch implements [verify.Watcher]. It yields the record at once, after each change of it or its subject that it hears of,
// and now and then without a change, because an expiry changes nothing that is stored. All watchers of a store share one
// connection and one goroutine, which begin with the first of them and end with the last.
func (s *Store) Watch(ctx context.Context, ref verify.Ref) iter.Seq2[verify.Record, error] {
	return func(yield func(verify.Record, error) bool) {
		r, sub, err := s.Get(ctx, ref)
		if err != nil {
			if ctx.Err() == nil {
				yield(verify.Record{}, err)
			}
			return
		}
		heard, leave := s.watch.join(s, redisx.Keyed(string(ref.Tenant))+r.Subject)
		defer leave()
		pause, same := pollFirst, false
		for {
			if !same && !yield(r, nil) {
				return
			}
			hint := s.hear(ctx, heard, pause)
			if pause = min(2*pause, pollMost); !s.watch.live.Load() {
				pause = pollDeaf
			}
			wasRecord, wasSub := r, sub
			r, sub, err = s.Get(ctx, ref)
			if ctx.Err() != nil {
				return
			}
			if err != nil {
				yield(verify.Record{}, err)
				return
			}
			same = hint && sub == wasSub && reflect.DeepEqual(r, wasRecord)
		}
	}
}

// hear waits for a hint, or for pause, or for the end of ctx, and reports whether it was a hint.
func (s *Store) hear(ctx context.Context, heard <-chan struct{}, pause time.Duration) bool {
	t := time.NewTimer(pause)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-heard:
		return true
	case <-t.C:
	}
	return false
}

// join lets somebody wait for news of a subject.
func (w *watch) join(s *Store, subject string) (heard <-chan struct{}, leave func()) {
	wake := make(chan struct{}, 1)
	wake <- struct{}{} // to read once more: it may have changed before anybody listened
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.waiting == nil {
		w.waiting = map[string]map[chan struct{}]bool{}
	}
	if w.waiting[subject] == nil {
		w.waiting[subject] = map[chan struct{}]bool{}
	}
	w.waiting[subject][wake] = true
	if w.end == nil {
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan struct{})
		go func() {
			defer close(done)
			w.listen(ctx, s)
		}()
		w.end = func() {
			cancel()
			<-done
		}
	}
	return wake, func() { w.leave(subject, wake) }
}

func (w *watch) leave(subject string, wake chan struct{}) {
	w.mu.Lock()
	delete(w.waiting[subject], wake)
	if len(w.waiting[subject]) == 0 {
		delete(w.waiting, subject)
	}
	var end func()
	if len(w.waiting) == 0 {
		end, w.end = w.end, nil
	}
	w.mu.Unlock()
	if end != nil {
		end()
	}
}

// wake wakes those who wait for a subject, or everybody.
func (w *watch) wake(subject string, everybody bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for name, waiting := range w.waiting {
		if name != subject && !everybody {
			continue
		}
		for c := range waiting {
			select {
			case c <- struct{}{}:
			default: // it will look anyway
			}
		}
	}
}

// listen subscribes again and again until ctx ends.
func (w *watch) listen(ctx context.Context, s *Store) {
	for pause := 100 * time.Millisecond; ctx.Err() == nil; pause = min(2*pause, 5*time.Second) {
		if w.subscribed(ctx, s) {
			pause = 100 * time.Millisecond
		}
		t := time.NewTimer(pause)
		select {
		case <-ctx.Done():
		case <-t.C:
		}
		t.Stop()
	}
}

// subscribed hears one connection to its end and reports whether it ever worked.
func (w *watch) subscribed(ctx context.Context, s *Store) (worked bool) {
	p := s.db.Client().Subscribe(ctx, s.channel())
	defer p.Close() //nolint:errcheck // there is nothing to be saved
	stop := context.AfterFunc(ctx, func() { _ = p.Close() })
	defer stop()
	defer w.live.Store(false)
	for silent := false; ; {
		m, err := p.ReceiveTimeout(ctx, silence)
		var timeout net.Error
		switch {
		case err == nil:
			silent = false
		case ctx.Err() == nil && errors.As(err, &timeout) && timeout.Timeout() && !silent:
			if silent = true; p.Ping(ctx) != nil {
				return worked
			}
		default:
			return worked
		}
		switch m := m.(type) {
		case *redis.Subscription: // what happened before was not heard
			worked = true
			w.live.Store(true)
			w.wake("", true)
		case *redis.Message:
			w.wake(m.Payload, false)
		}
	}
}
