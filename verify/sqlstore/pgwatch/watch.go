package pgwatch

import (
	"context"
	"errors"
	"iter"
	"time"

	"github.com/mspkit/mspkit/verify"
)

const (
	firstPoll = 200 * time.Millisecond
	blindPoll = 2 * time.Second // while the connection does not listen
	// patience is how long reading may fail before a watcher gives up.
	patience = 30 * time.Second
)

// Watch implements [verify.Watcher]. It yields the record now, after each change that a reader can see, and when its
// effective state changes: it expires, or the subject is frozen or locked. A notification is a hint, and so is its
// absence: the record is read again from time to time. [verify.ErrNotFound] ends it at once, and so does a failure of
// the first reading; later ones are tried again for 30 seconds, so that it survives a restart of the server.
func (s *Store) Watch(ctx context.Context, ref verify.Ref) iter.Seq2[verify.Record, error] {
	return func(yield func(verify.Record, error) bool) {
		woken, leave := s.join(ref.ID) // before the first reading, so that no change falls between
		defer leave()
		var last sight
		var failing time.Time
		pause, first := firstPoll, true
		for {
			r, sub, err := s.Get(ctx, ref)
			now := s.o.Now()
			switch {
			case ctx.Err() != nil:
				return
			case err == nil:
				failing = time.Time{}
				if seen := look(r, sub, now); first || seen != last {
					if !yield(r, nil) {
						return
					}
					last, first, pause = seen, false, firstPoll
				}
			case first || errors.Is(err, verify.ErrNotFound) || !failing.IsZero() && now.Sub(failing) > patience:
				yield(verify.Record{}, err)
				return
			case failing.IsZero():
				failing = now
			}
			wait := s.wait(pause)
			if left := r.ExpiresAt.Sub(now); err == nil && last.state == verify.StatePending && left > 0 {
				wait = min(wait, left)
			}
			t := time.NewTimer(wait)
			select {
			case <-ctx.Done():
				t.Stop()
				return
			case <-woken:
				t.Stop()
			case <-t.C:
				pause = min(pause*3/2, blindPoll)
			}
		}
	}
}

// sight is what tells two readings of a record apart.
type sight struct {
	version  int64
	state    verify.State
	tries    int
	hinted   bool
	delivery verify.DeliveryStatus
	receipt  string
}

func look(r verify.Record, sub verify.SubjectState, now time.Time) sight {
	return sight{r.Version, r.Effective(sub, now), r.Tries, r.Hinted, r.Delivery, r.ReceiptID}
}

// join has the returned channel filled when something is heard of id, until leave is called.
func (s *Store) join(id string) (woken <-chan struct{}, leave func()) {
	c := make(chan struct{}, 1)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.waiting[id] == nil {
		s.waiting[id] = map[chan struct{}]bool{}
	}
	s.waiting[id][c] = true
	return c, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.waiting[id], c)
		if len(s.waiting[id]) == 0 {
			delete(s.waiting, id)
		}
	}
}

// wait returns how long to wait for a notification: pause where none can come.
func (s *Store) wait(pause time.Duration) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.listening {
		return s.o.Poll
	}
	return min(pause, s.o.Poll)
}
