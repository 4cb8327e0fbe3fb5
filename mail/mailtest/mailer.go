package mailtest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"sync"
	"time"

	"github.com/mspkit/mspkit/mail"
)

// Mailer is a [mail.Mailer] that keeps what it is given. The zero value is ready to use.
type Mailer struct {
	mu      sync.Mutex
	sent    []mail.Message
	err     error
	failing int // sends that still fail, negative for all
	changed chan struct{}
}

var _ mail.Mailer = (*Mailer)(nil)

// Send validates and keeps m, or returns the injected error without keeping it. The receipt's id is the same
// for the same tenant and key.
func (s *Mailer) Send(ctx context.Context, m *mail.Message) (mail.Receipt, error) {
	if err := ctx.Err(); err != nil {
		return mail.Receipt{}, err
	}
	if err := m.Validate(); err != nil {
		return mail.Receipt{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failing != 0 {
		s.failing = max(s.failing-1, -1)
		return mail.Receipt{}, s.err
	}
	s.sent = append(s.sent, *m)
	if s.changed != nil {
		close(s.changed)
		s.changed = nil
	}
	id := strconv.Itoa(len(s.sent))
	if m.Key != "" {
		sum := sha256.Sum256([]byte(string(m.Tenant) + "\x00" + m.Key))
		id = hex.EncodeToString(sum[:16])
	}
	return mail.Receipt{ID: id + "@mailtest", At: time.Now()}, nil
}

// Fail makes the next n sends return err, all of them where n is negative, none where it is 0.
func (s *Mailer) Fail(err error, n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err, s.failing = err, max(n, -1)
}

// Messages returns copies of what was sent, oldest first.
func (s *Mailer) Messages() []mail.Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]mail.Message(nil), s.sent...)
}

// Wait returns the messages once there are at least n, or the error of ctx.
func (s *Mailer) Wait(ctx context.Context, n int) ([]mail.Message, error) {
	for {
		sent, changed := s.look()
		if len(sent) >= n {
			return sent, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// look returns what was sent, and what is closed when there is more.
func (s *Mailer) look() ([]mail.Message, <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.changed == nil {
		s.changed = make(chan struct{})
	}
	return append([]mail.Message(nil), s.sent...), s.changed
}

// Reset forgets messages and failures.
func (s *Mailer) Reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sent, s.err, s.failing = nil, nil, 0
}
