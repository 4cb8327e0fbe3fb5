package securesendpage_test

import (
	"context"
	"sync"
	"time"

	"github.com/mspkit/mspkit/securesend"
)

// failing notes every verb that the pages can reach, and makes it fail where a test says so.
type failing struct {
	securesend.SecretStore
	mu    sync.Mutex
	verbs []string
	err   map[string]error
}

func (s *failing) note(verb string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.verbs = append(s.verbs, verb)
	return s.err[verb]
}

// fail makes a verb fail; nil ends that.
func (s *failing) fail(verb string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = map[string]error{verb: err}
}

// taken returns the verbs since the last call.
func (s *failing) taken() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := s.verbs
	s.verbs = nil
	return out
}

func (s *failing) Commit(ctx context.Context, ref securesend.Ref, c securesend.Content, now time.Time) (securesend.Record, error) {
	if err := s.note("Commit"); err != nil {
		return securesend.Record{}, err
	}
	return s.SecretStore.Commit(ctx, ref, c, now)
}

func (s *failing) Admit(ctx context.Context, ref securesend.Ref, a securesend.Admission, now time.Time) (securesend.Record, error) {
	if err := s.note("Admit"); err != nil {
		return securesend.Record{}, err
	}
	return s.SecretStore.Admit(ctx, ref, a, now)
}

func (s *failing) Stat(ctx context.Context, ref securesend.Ref) (securesend.Record, error) {
	if err := s.note("Stat"); err != nil {
		return securesend.Record{}, err
	}
	return s.SecretStore.Stat(ctx, ref)
}

func (s *failing) Open(ctx context.Context, ref securesend.Ref, auth []byte, st securesend.Stamp, now time.Time) (securesend.Record, error) {
	if err := s.note("Open"); err != nil {
		return securesend.Record{}, err
	}
	return s.SecretStore.Open(ctx, ref, auth, st, now)
}

func (s *failing) Take(ctx context.Context, ref securesend.Ref, t securesend.Take, now time.Time) (securesend.Record, error) {
	if err := s.note("Take"); err != nil {
		return securesend.Record{}, err
	}
	return s.SecretStore.Take(ctx, ref, t, now)
}

func (s *failing) Extend(ctx context.Context, ref securesend.Ref, f securesend.Fetch, now time.Time) (securesend.Record, error) {
	if err := s.note("Extend"); err != nil {
		return securesend.Record{}, err
	}
	return s.SecretStore.Extend(ctx, ref, f, now)
}

func (s *failing) Ack(ctx context.Context, ref securesend.Ref, claim, auth []byte, st securesend.Stamp, now time.Time) (securesend.Record, error) {
	if err := s.note("Ack"); err != nil {
		return securesend.Record{}, err
	}
	return s.SecretStore.Ack(ctx, ref, claim, auth, st, now)
}

func (s *failing) SendCode(ctx context.Context, ref securesend.Ref, c securesend.Code, now time.Time) (securesend.Record, error) {
	if err := s.note("SendCode"); err != nil {
		return securesend.Record{}, err
	}
	return s.SecretStore.SendCode(ctx, ref, c, now)
}

func (s *failing) Count(ctx context.Context, limits []securesend.Limit, now time.Time) error {
	if err := s.note("Count"); err != nil {
		return err
	}
	return s.SecretStore.Count(ctx, limits, now)
}
