package changefeed

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/backlog"
)

// Memory is a [Store] in memory, for tests and demonstrations: what it holds is gone with the process. The zero value cannot
// be used; see [NewMemory].
type Memory struct {
	inbox backlog.Store

	mu    sync.Mutex
	subs  map[Ref]*Subscription
	certs map[string]*Certificate
	seen  map[seenKey]time.Time
	beat  time.Time
	home  string
}

type seenKey struct {
	tenant mspkit.TenantID
	event  string
}

var _ Store = (*Memory)(nil)

// NewMemory returns an empty store.
func NewMemory() *Memory {
	return &Memory{inbox: backlog.NewMemory(), subs: map[Ref]*Subscription{}, certs: map[string]*Certificate{}, seen: map[seenKey]time.Time{}}
}

// Backlog implements [Store].
func (m *Memory) Backlog() backlog.Store { return m.inbox }

func (s Subscription) stored() Subscription {
	s.Secret, s.Cursor = bytes.Clone(s.Secret), bytes.Clone(s.Cursor)
	for _, t := range []*time.Time{&s.Due, &s.MadeAt, &s.ExpiresAt, &s.ConfirmedAt, &s.NotifiedAt, &s.GapFrom, &s.GapTo, &s.MarkFrom, &s.LeaseUntil} {
		*t = stored(*t)
	}
	return s
}

// Follow implements [Store].
func (m *Memory) Follow(ctx context.Context, tenant mspkit.TenantID, entraTenant string, want []Followed, now time.Time) (bool, error) {
	if err := ValidateFollowed(tenant, entraTenant, want); err != nil {
		return false, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return false, err
	}
	changed := false
	wanted := map[string]string{}
	for _, w := range want {
		wanted[w.Key] = w.Resource
		r := Ref{tenant, w.Key}
		if m.subs[r] == nil {
			s := NewSubscription(tenant, entraTenant, w, now)
			m.subs[r] = &s
			changed = true
		}
	}
	for r, s := range m.subs {
		if r.Tenant != tenant {
			continue
		}
		_, want := wanted[r.Key]
		if s.Want(entraTenant, want, now) {
			changed = true
		}
	}
	return changed, nil
}

// Subscriptions implements [Store].
func (m *Memory) Subscriptions(ctx context.Context, tenant mspkit.TenantID) ([]Subscription, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []Subscription
	for r, s := range m.subs {
		if r.Tenant == tenant {
			out = append(out, s.stored())
		}
	}
	slices.SortFunc(out, func(a, b Subscription) int { return strings.Compare(a.Key, b.Key) })
	return out, ctx.Err()
}

// ByTag implements [Store].
func (m *Memory) ByTag(ctx context.Context, tag string) (Subscription, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return Subscription{}, err
	}
	for _, s := range m.subs {
		if tag != "" && s.Tag == tag {
			return s.stored(), nil
		}
	}
	return Subscription{}, ErrNotFound
}

// Due implements [Store].
func (m *Memory) Due(ctx context.Context, now time.Time, limit int) ([]Ref, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var due []*Subscription
	for _, s := range m.subs {
		if !s.Due.After(stored(now)) && (s.Holder == "" || !s.LeaseUntil.After(stored(now))) {
			due = append(due, s)
		}
	}
	slices.SortFunc(due, func(a, b *Subscription) int {
		return cmp.Or(a.Due.Compare(b.Due), cmp.Compare(a.Tenant, b.Tenant), cmp.Compare(a.Key, b.Key))
	})
	var out []Ref
	for _, s := range due[:min(max(limit, 0), len(due))] {
		out = append(out, s.Ref)
	}
	return out, ctx.Err()
}

// Lease implements [Store].
func (m *Memory) Lease(ctx context.Context, r Ref, holder string, now, until time.Time) (Subscription, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.subs[r]
	switch {
	case ctx.Err() != nil:
		return Subscription{}, ctx.Err()
	case holder == "":
		return Subscription{}, fmt.Errorf("changefeed: lease: no holder is named: %w", mspkit.ErrInvalid)
	case s == nil:
		return Subscription{}, ErrNotFound
	case s.Holder != "" && s.Holder != holder && s.LeaseUntil.After(stored(now)):
		return Subscription{}, ErrHeld
	}
	s.Holder, s.LeaseUntil, s.Version = holder, stored(until), s.Version+1
	return s.stored(), nil
}

// Save implements [Store].
func (m *Memory) Save(ctx context.Context, s Subscription) (Subscription, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return Subscription{}, err
	}
	old := m.subs[s.Ref]
	if old == nil || old.Version != s.Version {
		return Subscription{}, ErrChanged
	}
	s = s.stored()
	s.EntraTenant, s.Resource, s.Wanted, s.NotifiedAt = old.EntraTenant, old.Resource, old.Wanted, old.NotifiedAt
	if s.MarkSeq != old.MarkSeq {
		s.Marks, s.MarkFrom, s.MarkSeq = old.Marks, old.MarkFrom, old.MarkSeq
		if old.Due.Before(s.Due) {
			s.Due = old.Due
		}
	}
	s.Version++
	m.subs[s.Ref] = &s
	return s.stored(), nil
}

// Delete implements [Store].
func (m *Memory) Delete(ctx context.Context, s Subscription) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	old := m.subs[s.Ref]
	if old == nil || old.Version != s.Version || old.Wanted {
		return ErrChanged
	}
	delete(m.subs, s.Ref)
	return nil
}

// Mark implements [Store].
func (m *Memory) Mark(ctx context.Context, r Ref, what Mark, from, now time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	if s := m.subs[r]; s != nil {
		s.mark(what, stored(from), stored(now))
	}
	return nil
}

func (s *Subscription) mark(what Mark, from, now time.Time) {
	s.Marks |= what
	if !from.IsZero() && (s.MarkFrom.IsZero() || from.Before(s.MarkFrom)) {
		s.MarkFrom = from
	}
	s.MarkSeq++
	if now.Before(s.Due) {
		s.Due = now
	}
}

// Notified implements [Store].
func (m *Memory) Notified(ctx context.Context, refs []Ref, at time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	for _, r := range refs {
		if s := m.subs[r]; s != nil && s.NotifiedAt.Before(at) {
			s.NotifiedAt = stored(at)
		}
	}
	return nil
}

// Beat implements [Store].
func (m *Memory) Beat(ctx context.Context, now time.Time, outage time.Duration) (time.Time, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return time.Time{}, err
	}
	before := m.beat
	now = stored(now)
	if !now.After(before) {
		return before, nil
	}
	m.beat = now
	if !before.IsZero() && now.Sub(before) > outage {
		for _, s := range m.subs {
			s.mark(Missed, before, now)
		}
	}
	return before, nil
}

// Home implements [Store].
func (m *Memory) Home(ctx context.Context, url string, now time.Time) (string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return "", err
	}
	if url == "" || url == m.home {
		return m.home, nil
	}
	moved := m.home != ""
	m.home = url
	for _, s := range m.subs {
		if moved {
			s.mark(Missed, time.Time{}, stored(now))
		}
	}
	return url, nil
}

// Certificates implements [Store].
func (m *Memory) Certificates(ctx context.Context) ([]Certificate, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.certificates(), ctx.Err()
}

// certificates returns all, the newest first. The caller holds the lock.
func (m *Memory) certificates() []Certificate {
	var out []Certificate
	for _, c := range m.certs {
		out = append(out, c.stored())
	}
	slices.SortFunc(out, func(a, b Certificate) int { return cmp.Or(b.CreatedAt.Compare(a.CreatedAt), cmp.Compare(b.ID, a.ID)) })
	return out
}

func (c Certificate) stored() Certificate {
	c.DER, c.Sealed = bytes.Clone(c.DER), bytes.Clone(c.Sealed)
	c.CreatedAt, c.NotAfter, c.UsedAt = stored(c.CreatedAt), stored(c.NotAfter), stored(c.UsedAt)
	return c
}

// AddCertificate implements [Store].
func (m *Memory) AddCertificate(ctx context.Context, c Certificate, after string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	newest := ""
	if all := m.certificates(); len(all) > 0 {
		newest = all[0].ID
	}
	if newest != after || m.certs[c.ID] != nil {
		return ErrChanged
	}
	kept := c.stored()
	m.certs[c.ID] = &kept
	return nil
}

// CertificatesInUse implements [Store].
func (m *Memory) CertificatesInUse(ctx context.Context) ([]string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.inUse(), ctx.Err()
}

func (m *Memory) inUse() []string {
	var out []string
	for _, s := range m.subs {
		for _, id := range []string{s.Certificate, s.NextCertificate} {
			if id != "" {
				out = append(out, id)
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// CertificateUsed implements [Store].
func (m *Memory) CertificateUsed(ctx context.Context, ids []string, at time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	for _, id := range ids {
		if c := m.certs[id]; c != nil && c.UsedAt.Before(at) {
			c.UsedAt = stored(at)
		}
	}
	return nil
}

// DropCertificate implements [Store].
func (m *Memory) DropCertificate(ctx context.Context, id string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case slices.Contains(m.inUse(), id):
		return ErrChanged
	}
	delete(m.certs, id)
	return nil
}

// RewrapCertificate implements [Store].
func (m *Memory) RewrapCertificate(ctx context.Context, id string, old, sealed []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	if c := m.certs[id]; c != nil && bytes.Equal(c.Sealed, old) {
		c.Sealed = bytes.Clone(sealed)
	}
	return nil
}

// Seen implements [Store].
func (m *Memory) Seen(ctx context.Context, tenant mspkit.TenantID, event string, now time.Time) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	until, ok := m.seen[seenKey{tenant, event}]
	return ok && until.After(stored(now)), ctx.Err()
}

// MarkSeen implements [Store].
func (m *Memory) MarkSeen(ctx context.Context, tenant mspkit.TenantID, event string, until time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	k := seenKey{tenant, event}
	if until = stored(until); m.seen[k].Before(until) {
		m.seen[k] = until
	}
	return nil
}

// ExpireSeen implements [Store].
func (m *Memory) ExpireSeen(ctx context.Context, now time.Time, limit int) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := 0
	for k, until := range m.seen {
		if n >= limit {
			break
		}
		if !until.After(stored(now)) {
			delete(m.seen, k)
			n++
		}
	}
	return n, ctx.Err()
}
