package securesendtest

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/securesend"
)

// model is what a store must be like: records in a map, changed by their own steps.
type model struct {
	records  map[securesend.Ref]*securesend.Record
	events   map[mspkit.TenantID][]securesend.Event
	counters map[string]counter
}

type counter struct {
	n   int
	end time.Time
}

func newModel() *model {
	return &model{
		records: map[securesend.Ref]*securesend.Record{}, events: map[mspkit.TenantID][]securesend.Event{}, counters: map[string]counter{},
	}
}

func (m *model) put(r securesend.Record, st securesend.Stamp, now time.Time) error {
	if err := r.Storable(now); err != nil {
		return err
	}
	if m.records[r.Ref] != nil {
		return securesend.ErrConflict
	}
	r = r.Clone()
	r.Version = 1
	m.records[r.Ref] = &r
	m.emit(&r, now, st)
	return nil
}

// step runs a step on the record of ref and returns the record as it is then.
func (m *model) step(ref securesend.Ref, now time.Time, f func(r *securesend.Record) ([]securesend.Stamp, error)) (securesend.Record, error) {
	r := m.records[ref]
	if r == nil {
		return securesend.Record{}, securesend.ErrNotFound
	}
	stamps, err := f(r)
	m.emit(r, now, stamps...)
	return r.Clone(), err
}

func (m *model) emit(r *securesend.Record, now time.Time, stamps ...securesend.Stamp) {
	for _, st := range stamps {
		m.events[r.Tenant] = append(m.events[r.Tenant], r.Event(st, now))
	}
}

func (m *model) count(limits []securesend.Limit, now time.Time) error {
	for _, l := range limits {
		c := m.counters[l.Key]
		if l.Max < 1 {
			return &securesend.LimitError{Limit: l.Name, RetryAfter: l.Window}
		}
		if now.Before(c.end) && c.n >= l.Max {
			return &securesend.LimitError{Limit: l.Name, RetryAfter: c.end.Sub(now)}
		}
	}
	for _, l := range limits {
		c := m.counters[l.Key]
		if !now.Before(c.end) {
			c = counter{end: now.Add(l.Window)}
		}
		c.n++
		m.counters[l.Key] = c
	}
	return nil
}

// list returns the records that q selects, hidden, the newest first and without a limit.
func (m *model) list(q securesend.Query) []securesend.Record {
	var out []securesend.Record
	for _, r := range m.records {
		if q.Match(r) {
			out = append(out, r.Hidden().Clone())
		}
	}
	slices.SortFunc(out, func(a, b securesend.Record) int {
		return cmp.Or(b.CreatedAt.Compare(a.CreatedAt), cmp.Compare(a.ID, b.ID))
	})
	return out
}

// where returns the records that f selects, those that ended first in front.
func (m *model) where(f func(r *securesend.Record) bool) []*securesend.Record {
	var out []*securesend.Record
	for _, r := range m.records {
		if f(r) {
			out = append(out, r)
		}
	}
	slices.SortFunc(out, func(a, b *securesend.Record) int {
		return cmp.Or(a.EndedAt.Compare(b.EndedAt), cmp.Compare(a.Tenant, b.Tenant), cmp.Compare(a.ID, b.ID))
	})
	return out
}

// ack forgets events.
func (m *model) ack(ids []string) {
	for tenant, es := range m.events {
		m.events[tenant] = slices.DeleteFunc(es, func(e securesend.Event) bool { return slices.Contains(ids, e.ID) })
	}
}

// plain makes records comparable: times in UTC, and nothing where a slice is empty.
func plain(r securesend.Record) securesend.Record {
	r = r.Clone()
	for _, at := range []*time.Time{
		&r.CodeUntil, &r.CodeSentAt, &r.LeaseUntil, &r.CreatedAt, &r.Expiry, &r.ExpiresAt,
		&r.ReadyAt, &r.OpenedAt, &r.RevealedAt, &r.AckedAt, &r.EndedAt,
	} {
		*at = utc(*at)
	}
	for _, b := range []*[]byte{&r.NumberMAC, &r.PassMAC, &r.Upload, &r.Auth, &r.Header, &r.Half, &r.Sealed, &r.Inline, &r.Claim} {
		if len(*b) == 0 {
			*b = nil
		}
	}
	for _, n := range []*[]int64{&r.Sizes, &r.Fetched} {
		if len(*n) == 0 {
			*n = nil
		}
	}
	return r
}

func utc(at time.Time) time.Time {
	if at.IsZero() {
		return time.Time{}
	}
	return at.UTC()
}

// plainEvent does the same for events, and leaves out Seq, which is the store's.
func plainEvent(e securesend.Event) securesend.Event {
	e.Seq, e.At = 0, utc(e.At)
	if len(e.Files) == 0 {
		e.Files = nil
	}
	return e
}

// brief names the fields in which two structs of one type differ, for messages that can be read.
func brief(got, want string) string {
	a, b := strings.Split(got, "\n"), strings.Split(want, "\n")
	var out []string
	for i := range max(len(a), len(b)) {
		var x, y string
		if i < len(a) {
			x = a[i]
		}
		if i < len(b) {
			y = b[i]
		}
		if x != y {
			out = append(out, fmt.Sprintf("  got  %s\n  want %s", x, y))
		}
	}
	return strings.Join(out, "\n")
}
