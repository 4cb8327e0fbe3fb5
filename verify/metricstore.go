package verify

import (
	"context"
	"time"

	"github.com/mspkit/mspkit"
)

// meteredStore reports what a store did: the time of every verb, and what became of challenges, counted where the
// change is made and by the instance that made it.
type meteredStore struct {
	Store
	m *meter
}

// store returns s as it is where there is no meter. A metered store is a [Watcher] where s is; factors are read by those
// who keep them, on s.
func (m *meter) store(s Store) Store {
	if m.to == nil {
		return s
	}
	metered := &meteredStore{s, m}
	if w, ok := s.(Watcher); ok {
		return struct {
			*meteredStore
			Watcher
		}{metered, w}
	}
	return metered
}

func (s *meteredStore) timed(ctx context.Context, verb string, began time.Time, err error) {
	outcome, _ := class(ctx, err)
	s.m.time(ctx, MetricStoreDuration, began, mspkit.Attr{Key: "verb", Value: verb}, mspkit.Attr{Key: "outcome", Value: outcome})
}

func (s *meteredStore) subject(ctx context.Context, change EventKind) {
	s.m.add(ctx, MetricSubjects, 1, mspkit.Attr{Key: "change", Value: string(change)})
}

func (s *meteredStore) hint(ctx context.Context, kind EventKind) {
	s.m.add(ctx, MetricHints, 1, mspkit.Attr{Key: "kind", Value: string(kind)})
}

// Begin counts what was started; a repeated request is not.
func (s *meteredStore) Begin(ctx context.Context, n NewChallenge, limits []Limit, now time.Time) (Record, bool, error) {
	began := s.m.began()
	r, existing, err := s.Store.Begin(ctx, n, limits, now)
	s.timed(ctx, "begin", began, err)
	if err == nil && !existing {
		s.m.add(ctx, MetricStarted, 1, mspkit.Attr{Key: "channel", Value: r.Channel}, mspkit.Attr{Key: "method", Value: string(r.Method)}, mspkit.Attr{Key: "action", Value: r.Action.name()})
	}
	return r, existing, err
}

func (s *meteredStore) Sent(ctx context.Context, ref Ref, receiptID string, status DeliveryStatus, st Stamp, now time.Time) error {
	began := s.m.began()
	err := s.Store.Sent(ctx, ref, receiptID, status, st, now)
	s.timed(ctx, "sent", began, err)
	return err
}

// Attempt counts the try that locks a subject.
func (s *meteredStore) Attempt(ctx context.Context, ref Ref, t Try, now time.Time) (Record, SubjectState, error) {
	began := s.m.began()
	r, sub, err := s.Store.Attempt(ctx, ref, t, now)
	s.timed(ctx, "attempt", began, err)
	if err == nil && len(r.MAC) > 0 && r.Kind == KindCaller && sub.Failures == r.LockAfter {
		s.subject(ctx, EventLocked)
	}
	return r, sub, err
}

// Finish counts how challenges end.
func (s *meteredStore) Finish(ctx context.Context, ref Ref, version int64, o Outcome, now time.Time) (Record, error) {
	began := s.m.began()
	r, err := s.Store.Finish(ctx, ref, version, o, now)
	s.timed(ctx, "finish", began, err)
	if err != nil {
		return r, err
	}
	outcome := string(o.State)
	if o.Stamp.Kind == EventFailedOver {
		outcome = string(EventFailedOver)
	}
	channel, method := mspkit.Attr{Key: "channel", Value: r.Channel}, mspkit.Attr{Key: "method", Value: string(r.Method)}
	s.m.add(ctx, MetricEnded, 1, channel, method, mspkit.Attr{Key: "action", Value: r.Action.name()}, mspkit.Attr{Key: "outcome", Value: outcome})
	s.m.time(ctx, MetricEndedDuration, r.CreatedAt, channel, method, mspkit.Attr{Key: "outcome", Value: outcome})
	if o.Stamp.Kind == EventMismatch {
		s.hint(ctx, EventMismatch)
	}
	if !o.FreezeUntil.IsZero() {
		s.subject(ctx, EventFrozen)
	}
	return r, nil
}

func (s *meteredStore) Renew(ctx context.Context, ref Ref, version int64, n Renewal, limits []Limit, now time.Time) (Record, error) {
	began := s.m.began()
	r, err := s.Store.Renew(ctx, ref, version, n, limits, now)
	s.timed(ctx, "renew", began, err)
	if err == nil {
		s.m.add(ctx, MetricRenewed, 1, mspkit.Attr{Key: "channel", Value: r.Channel}, mspkit.Attr{Key: "method", Value: string(r.Method)})
	}
	return r, err
}

func (s *meteredStore) Hint(ctx context.Context, ref Ref, st Stamp, now time.Time) error {
	began := s.m.began()
	err := s.Store.Hint(ctx, ref, st, now)
	s.timed(ctx, "hint", began, err)
	if err == nil {
		s.hint(ctx, st.Kind)
	}
	return err
}

func (s *meteredStore) Approve(ctx context.Context, ref Ref, by string, st Stamp, now time.Time) (Record, error) {
	began := s.m.began()
	r, err := s.Store.Approve(ctx, ref, by, st, now)
	s.timed(ctx, "approve", began, err)
	return r, err
}

func (s *meteredStore) Redeem(ctx context.Context, ref Ref, by string, st Stamp, now time.Time) (Record, error) {
	began := s.m.began()
	r, err := s.Store.Redeem(ctx, ref, by, st, now)
	s.timed(ctx, "redeem", began, err)
	return r, err
}

func (s *meteredStore) Get(ctx context.Context, ref Ref) (Record, SubjectState, error) {
	began := s.m.began()
	r, sub, err := s.Store.Get(ctx, ref)
	s.timed(ctx, "get", began, err)
	return r, sub, err
}

func (s *meteredStore) List(ctx context.Context, q Query) ([]Record, error) {
	began := s.m.began()
	rs, err := s.Store.List(ctx, q)
	s.timed(ctx, "list", began, err)
	return rs, err
}

func (s *meteredStore) Subject(ctx context.Context, tenant mspkit.TenantID, subject string) (SubjectState, error) {
	began := s.m.began()
	sub, err := s.Store.Subject(ctx, tenant, subject)
	s.timed(ctx, "subject", began, err)
	return sub, err
}

// ChangeSubject counts what was frozen, unfrozen and unlocked. What only stores an event changes nothing.
func (s *meteredStore) ChangeSubject(ctx context.Context, tenant mspkit.TenantID, subject string, c SubjectChange, now time.Time) error {
	began := s.m.began()
	err := s.Store.ChangeSubject(ctx, tenant, subject, c, now)
	s.timed(ctx, "change-subject", began, err)
	if err == nil && (c.FrozenUntil != nil || c.Unlock) {
		s.subject(ctx, c.Stamp.Kind)
	}
	return err
}

func (s *meteredStore) Events(ctx context.Context, q EventQuery) ([]Event, error) {
	began := s.m.began()
	es, err := s.Store.Events(ctx, q)
	s.timed(ctx, "events", began, err)
	return es, err
}

func (s *meteredStore) Ack(ctx context.Context, ids []string) error {
	began := s.m.began()
	err := s.Store.Ack(ctx, ids)
	s.timed(ctx, "ack", began, err)
	return err
}

func (s *meteredStore) Unchained(ctx context.Context, limit int) ([]Tail, error) {
	began := s.m.began()
	ts, err := s.Store.Unchained(ctx, limit)
	s.timed(ctx, "unchained", began, err)
	return ts, err
}

func (s *meteredStore) Chain(ctx context.Context, tenant mspkit.TenantID, head int64, events []Event) error {
	began := s.m.began()
	err := s.Store.Chain(ctx, tenant, head, events)
	s.timed(ctx, "chain", began, err)
	return err
}

func (s *meteredStore) Evidence(ctx context.Context, tenant mspkit.TenantID, after int64, limit int) (Evidence, error) {
	began := s.m.began()
	e, err := s.Store.Evidence(ctx, tenant, after, limit)
	s.timed(ctx, "evidence", began, err)
	return e, err
}

// Expire counts what this instance ended. The store does not say of which channel.
func (s *meteredStore) Expire(ctx context.Context, now time.Time, limit int) (int, error) {
	began := s.m.began()
	n, err := s.Store.Expire(ctx, now, limit)
	s.timed(ctx, "expire", began, err)
	s.m.add(ctx, MetricExpired, n)
	return n, err
}

func (s *meteredStore) DeleteExpired(ctx context.Context, challenges, events, now time.Time, limit int) (int, error) {
	began := s.m.began()
	n, err := s.Store.DeleteExpired(ctx, challenges, events, now, limit)
	s.timed(ctx, "delete-expired", began, err)
	s.m.add(ctx, MetricDeleted, n)
	return n, err
}

func (s *meteredStore) Enqueue(ctx context.Context, q Queued, limits []Limit, now time.Time) error {
	began := s.m.began()
	err := s.Store.Enqueue(ctx, q, limits, now)
	s.timed(ctx, "enqueue", began, err)
	return err
}

func (s *meteredStore) Due(ctx context.Context, now time.Time, lease time.Duration, limit int) ([]Queued, error) {
	began := s.m.began()
	qs, err := s.Store.Due(ctx, now, lease, limit)
	s.timed(ctx, "due", began, err)
	return qs, err
}

func (s *meteredStore) Done(ctx context.Context, tenant mspkit.TenantID, id string) error {
	began := s.m.began()
	err := s.Store.Done(ctx, tenant, id)
	s.timed(ctx, "done", began, err)
	return err
}
