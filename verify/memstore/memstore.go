package memstore

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/verify"
)

// Store is a [verify.Store] in memory. Use [New].
type Store struct {
	mu       sync.Mutex
	records  map[verify.Ref]*verify.Record
	order    []verify.Ref // by creation
	keys     map[key]idempotent
	subjects map[key]*verify.SubjectState
	counters map[string]*counter
	events   []verify.Event // not acknowledged
	acked    []verify.Event // kept until DeleteExpired
	chains   map[mspkit.TenantID]*chain
	// unchained is how many events are in no chain yet. Both lists of events are in the order of Seq.
	unchained int
	seq       int64
	queue     []queued
	factors   map[factorKey]verify.Factor
}

type key struct {
	tenant mspkit.TenantID
	id     string
}

type idempotent struct{ id, fingerprint string }

type counter struct {
	n   int
	end time.Time
}

type queued struct {
	verify.Queued
	due time.Time
}

var _ verify.Store = (*Store)(nil)

// New returns an empty store.
func New() *Store {
	return &Store{
		records: map[verify.Ref]*verify.Record{}, keys: map[key]idempotent{},
		subjects: map[key]*verify.SubjectState{}, counters: map[string]*counter{},
		chains: map[mspkit.TenantID]*chain{}, factors: map[factorKey]verify.Factor{},
	}
}

// Begin implements [verify.Store].
func (s *Store) Begin(_ context.Context, n verify.NewChallenge, limits []verify.Limit, now time.Time) (verify.Record, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := n.Record
	idem := key{r.Tenant, n.Idempotency}
	if n.Idempotency != "" {
		if known, ok := s.keys[idem]; ok {
			old, ok := s.records[verify.Ref{Tenant: r.Tenant, ID: known.id}]
			if ok && known.fingerprint != n.Fingerprint {
				return verify.Record{}, false, verify.ErrConflict
			}
			if ok {
				return old.Hidden(), true, nil
			}
		}
	}
	if _, taken := s.records[r.Ref]; taken {
		return verify.Record{}, false, verify.ErrConflict
	}
	sub := s.subject(r.Tenant, r.Subject)
	if err := r.Refused(sub, now); err != nil {
		return verify.Record{}, false, err
	}
	refund, reached, err := s.count(limits, now)
	if err != nil {
		return verify.Record{}, false, err
	}
	r.Version, r.Refund = 1, refund
	s.records[r.Ref] = &r
	s.order = append(s.order, r.Ref)
	if n.Idempotency != "" {
		s.keys[idem] = idempotent{r.ID, n.Fingerprint}
	}
	s.emit(r.Event(n.Stamp, now))
	s.alert(r, n.Stamp, limits, reached, now)
	return r.Hidden(), false, nil
}

// Sent implements [verify.Store].
func (s *Store) Sent(_ context.Context, ref verify.Ref, receiptID string, status verify.DeliveryStatus, st verify.Stamp, now time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, ok := s.records[ref]
	if !ok {
		return verify.ErrNotFound
	}
	if _, event := r.Sent(receiptID, status); event {
		s.emit(r.Event(st, now))
	}
	return nil
}

// Attempt implements [verify.Store].
func (s *Store) Attempt(_ context.Context, ref verify.Ref, t verify.Try, now time.Time) (verify.Record, verify.SubjectState, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, ok := s.records[ref]
	if !ok {
		return verify.Record{}, verify.SubjectState{}, verify.ErrNotFound
	}
	sub := s.subject(r.Tenant, r.Subject)
	counted, locked := r.Try(t, &sub, now)
	if !counted {
		return r.Hidden(), sub, nil
	}
	s.setSubject(r.Tenant, r.Subject, sub)
	s.emit(r.Event(t.Stamp, now))
	if locked {
		s.emit(r.Event(t.Stamp.Locked(), now))
	}
	return *r, sub, nil
}

// Finish implements [verify.Store].
func (s *Store) Finish(_ context.Context, ref verify.Ref, version int64, o verify.Outcome, now time.Time) (verify.Record, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, ok := s.records[ref]
	if !ok {
		return verify.Record{}, verify.ErrNotFound
	}
	sub := s.subject(r.Tenant, r.Subject)
	refund, err := r.End(version, o, &sub, now)
	if err != nil {
		return verify.Record{}, err
	}
	if refund {
		for _, k := range r.Refund {
			if c, ok := s.counters[k]; ok && c.n > 0 && now.Before(c.end) {
				c.n--
			}
		}
	}
	s.emit(r.Event(o.Stamp, now))
	if !o.FreezeUntil.IsZero() {
		s.emit(r.Event(o.FreezeStamp, now))
	}
	s.setSubject(r.Tenant, r.Subject, sub)
	return r.Hidden(), nil
}

// Renew implements [verify.Store].
func (s *Store) Renew(_ context.Context, ref verify.Ref, version int64, n verify.Renewal, limits []verify.Limit, now time.Time) (verify.Record, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, ok := s.records[ref]
	switch {
	case !ok:
		return verify.Record{}, verify.ErrNotFound
	case !r.Renewable(now):
		return verify.Record{}, verify.ErrNotPending
	case r.Version != version:
		return verify.Record{}, verify.ErrConflict
	}
	sub := s.subject(r.Tenant, r.Subject)
	if err := r.Refused(sub, now); err != nil {
		return verify.Record{}, err
	}
	refund, reached, err := s.count(limits, now)
	if err != nil {
		return verify.Record{}, err
	}
	r.Renewed(n, refund)
	s.emit(r.Event(n.Stamp, now))
	s.alert(*r, n.Stamp, limits, reached, now)
	return r.Hidden(), nil
}

// Hint implements [verify.Store].
func (s *Store) Hint(_ context.Context, ref verify.Ref, st verify.Stamp, now time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, ok := s.records[ref]
	switch {
	case !ok:
		return verify.ErrNotFound
	case r.State != verify.StatePending || !now.Before(r.ExpiresAt):
		return verify.ErrNotPending
	case r.Hinted:
		return nil
	}
	r.Hinted = true
	s.emit(r.Event(st, now))
	return nil
}

// Approve implements [verify.Store].
func (s *Store) Approve(_ context.Context, ref verify.Ref, by string, st verify.Stamp, now time.Time) (verify.Record, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, ok := s.records[ref]
	if !ok {
		return verify.Record{}, verify.ErrNotFound
	}
	first, err := r.Approvable(s.subject(r.Tenant, r.Subject), by, now)
	if err != nil {
		return verify.Record{}, err
	}
	if first {
		r.ApprovedBy, r.ApprovedAt = by, now
		r.Version++
		s.emit(r.Event(st, now))
	}
	return r.Hidden(), nil
}

// Redeem implements [verify.Store].
func (s *Store) Redeem(_ context.Context, ref verify.Ref, by string, st verify.Stamp, now time.Time) (verify.Record, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, ok := s.records[ref]
	if !ok {
		return verify.Record{}, verify.ErrNotFound
	}
	first, err := r.Redeemable(s.subject(r.Tenant, r.Subject), by, now)
	if err != nil {
		return verify.Record{}, err
	}
	if first {
		r.RedeemedBy, r.RedeemedAt = by, now
		r.Version++
		s.emit(r.Event(st, now))
	}
	return r.Hidden(), nil
}

// Get implements [verify.Store].
func (s *Store) Get(_ context.Context, ref verify.Ref) (verify.Record, verify.SubjectState, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, ok := s.records[ref]
	if !ok {
		return verify.Record{}, verify.SubjectState{}, verify.ErrNotFound
	}
	return r.Hidden(), s.subject(r.Tenant, r.Subject), nil
}

// List implements [verify.Store].
func (s *Store) List(_ context.Context, q verify.Query) ([]verify.Record, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	limit := q.Capped()
	var out []verify.Record
	for _, ref := range slices.Backward(s.order) {
		r := s.records[ref]
		if r.Tenant != q.Tenant || (q.Technician != "" && r.Technician != q.Technician) || (q.Subject != "" && r.Subject != q.Subject) {
			continue
		}
		if !q.OpenAt.IsZero() && !r.Renewable(q.OpenAt) {
			continue
		}
		out = append(out, r.Hidden())
	}
	slices.SortStableFunc(out, func(a, b verify.Record) int { return b.CreatedAt.Compare(a.CreatedAt) })
	return out[:min(len(out), limit)], nil
}

// Subject implements [verify.Store].
func (s *Store) Subject(_ context.Context, tenant mspkit.TenantID, subject string) (verify.SubjectState, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.subject(tenant, subject), nil
}

// ChangeSubject implements [verify.Store].
func (s *Store) ChangeSubject(_ context.Context, tenant mspkit.TenantID, subject string, c verify.SubjectChange, now time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	sub := s.subject(tenant, subject)
	sub.Change(c)
	s.setSubject(tenant, subject, sub)
	s.emit(verify.SubjectEvent(tenant, subject, c.Stamp, now))
	return nil
}

// Events implements [verify.Store].
func (s *Store) Events(_ context.Context, q verify.EventQuery) ([]verify.Event, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []verify.Event
	for _, e := range s.events {
		if len(out) >= q.Limit {
			break
		}
		if !slices.Contains(q.Skip, e.Tenant) {
			out = append(out, e)
		}
	}
	return out, nil
}

// Ack implements [verify.Store].
func (s *Store) Ack(_ context.Context, ids []string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	known := make(map[string]bool, len(ids))
	for _, id := range ids {
		known[id] = true
	}
	sorted := true
	s.events = slices.DeleteFunc(s.events, func(e verify.Event) bool {
		if known[e.ID] {
			sorted = sorted && (len(s.acked) == 0 || s.acked[len(s.acked)-1].Seq < e.Seq)
			s.acked = append(s.acked, e)
		}
		return known[e.ID]
	})
	if !sorted {
		slices.SortFunc(s.acked, func(a, b verify.Event) int { return cmp.Compare(a.Seq, b.Seq) })
	}
	return nil
}

// Expire implements [verify.Store].
func (s *Store) Expire(_ context.Context, now time.Time, limit int) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, ref := range s.order {
		if n >= limit {
			break
		}
		if r := s.records[ref]; r.State == verify.StatePending && !now.Before(r.ExpiresAt) {
			r.Version++
			r.State, r.DecidedAt = verify.StateExpired, now
			s.emit(r.Event(verify.Stamp{ID: verify.NewEventID(), Kind: verify.EventExpired, By: verify.BySystem}, now))
			n++
		}
	}
	return n, nil
}

// DeleteExpired implements [verify.Store].
func (s *Store) DeleteExpired(_ context.Context, challenges, events, now time.Time, limit int) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	s.order = slices.DeleteFunc(s.order, func(ref verify.Ref) bool {
		r := s.records[ref]
		old := n < limit && r.State != verify.StatePending && r.DecidedAt.Before(challenges)
		if old {
			delete(s.records, ref)
			n++
		}
		return old
	})
	deleted := n
	n = 0
	if deleted > 0 {
		for k, v := range s.keys {
			if _, ok := s.records[verify.Ref{Tenant: k.tenant, ID: v.id}]; !ok {
				delete(s.keys, k)
			}
		}
	}
	deleted, n = deleted+s.deleteEvents(events, limit), 0
	for k, c := range s.counters {
		if n < limit && !now.Before(c.end) {
			delete(s.counters, k)
			n++
		}
	}
	return deleted + n, nil
}

// Enqueue implements [verify.Store].
func (s *Store) Enqueue(_ context.Context, q verify.Queued, limits []verify.Limit, now time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, _, err := s.count(limits, now); err != nil {
		return err
	}
	s.queue = append(s.queue, queued{Queued: q, due: q.Due})
	return nil
}

// Due implements [verify.Store].
func (s *Store) Due(_ context.Context, now time.Time, lease time.Duration, limit int) ([]verify.Queued, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []verify.Queued
	for i := range s.queue {
		q := &s.queue[i]
		if len(out) >= limit || q.due.After(now) {
			continue
		}
		q.due = now.Add(lease)
		q.Attempts++
		out = append(out, q.Queued)
	}
	return out, nil
}

// Done implements [verify.Store].
func (s *Store) Done(_ context.Context, tenant mspkit.TenantID, id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.queue = slices.DeleteFunc(s.queue, func(q queued) bool { return q.Tenant == tenant && q.ID == id })
	return nil
}

// count checks all limits and counts all of them, or none. It returns the keys to be given back and the places of the
// limits that were reached.
func (s *Store) count(limits []verify.Limit, now time.Time) (refund []string, reached []int, err error) {
	for _, l := range limits {
		c, ok := s.counters[l.Key]
		if l.Max < 1 {
			return nil, nil, &verify.LimitError{Limit: l.Name, RetryAfter: l.Window}
		}
		if ok && now.Before(c.end) && c.n >= l.Max {
			return nil, nil, &verify.LimitError{Limit: l.Name, RetryAfter: c.end.Sub(now)}
		}
	}
	for i, l := range limits {
		c, ok := s.counters[l.Key]
		if !ok || !now.Before(c.end) {
			c = &counter{end: now.Add(l.Window)}
			s.counters[l.Key] = c
		}
		c.n++
		if c.n == l.Max {
			reached = append(reached, i)
		}
		if l.Refund {
			refund = append(refund, l.Key)
		}
	}
	return refund, reached, nil
}

// alert stores the events of limits that were reached and want one.
func (s *Store) alert(r verify.Record, st verify.Stamp, limits []verify.Limit, reached []int, now time.Time) {
	for _, i := range reached {
		if limits[i].Alert {
			s.emit(r.Event(limits[i].Reached(st, i), now))
		}
	}
}

func (s *Store) subject(tenant mspkit.TenantID, subject string) verify.SubjectState {
	if sub, ok := s.subjects[key{tenant, subject}]; ok {
		return *sub
	}
	return verify.SubjectState{}
}

func (s *Store) setSubject(tenant mspkit.TenantID, subject string, sub verify.SubjectState) {
	if sub == (verify.SubjectState{}) {
		delete(s.subjects, key{tenant, subject})
		return
	}
	s.subjects[key{tenant, subject}] = &sub
}

func (s *Store) emit(e verify.Event) {
	s.seq++
	e.Seq = s.seq
	s.unchained++
	s.events = append(s.events, e)
}
