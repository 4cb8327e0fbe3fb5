package sqlstore

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/mspkit/mspkit/internal/sqlx"
	"github.com/mspkit/mspkit/securesend"
)

// Count implements [securesend.SecretStore]. Where a limit is reached it only reads.
func (s *Store) Count(ctx context.Context, limits []securesend.Limit, now time.Time) error {
	if len(limits) == 0 {
		return nil
	}
	refused, err := s.refused(ctx, limits, now)
	if err != nil || refused != nil {
		return cmp.Or(wrap("count", err), refused)
	}
	err = s.db.WriteTx(ctx, func(ctx context.Context, tx *sqlx.Tx) error {
		refused, err = s.count(ctx, tx, limits, now)
		return cmp.Or(err, refused) // takes all counts back
	})
	if refused != nil {
		return refused
	}
	return wrap("count", err)
}

// refused returns the [*securesend.LimitError] of the first limit that is reached, or nil.
func (s *Store) refused(ctx context.Context, limits []securesend.Limit, now time.Time) (refused, err error) {
	type counter struct {
		name    string
		counted int
		ends    int64
	}
	values := make([]any, len(limits))
	for i, l := range limits {
		values[i] = l.Key
	}
	rows, err := s.db.QueryContext(ctx, s.db.SQL(s.q.limits+`(`+sqlx.Repeat("?", len(limits))+`)`), values...)
	if err != nil {
		return nil, err
	}
	counters, err := all(rows, func(row scanner) (c counter, err error) {
		err = row.Scan(&c.name, &c.counted, &c.ends)
		return c, err
	})
	if err != nil {
		return nil, err
	}
	at := sqlx.Micros(now)
	for _, l := range limits {
		if l.Max < 1 {
			return &securesend.LimitError{Limit: l.Name, RetryAfter: l.Window}, nil
		}
		i := slices.IndexFunc(counters, func(c counter) bool { return c.name == l.Key })
		if i >= 0 && counters[i].ends > at && counters[i].counted >= l.Max {
			return reached(l, counters[i].ends-at), nil
		}
	}
	return nil, nil
}

// count counts all limits, in an order that everybody has, so that nobody waits in a circle. It returns the
// [*securesend.LimitError] of the first one, as they were given, that was reached in between.
func (s *Store) count(ctx context.Context, tx *sqlx.Tx, limits []securesend.Limit, now time.Time) (refused, err error) {
	order := make([]int, len(limits))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(limits[a].Key, limits[b].Key) })
	at, first := sqlx.Micros(now), len(limits)
	for _, i := range order {
		l := limits[i]
		var counted int
		var ends int64
		if err := tx.QueryRowContext(ctx, s.q.count, l.Key, sqlx.Micros(now.Add(l.Window)), at, at).Scan(&counted, &ends); err != nil {
			return nil, err
		}
		if counted > l.Max && i < first {
			first, refused = i, reached(l, ends-at)
		}
	}
	return refused, nil
}

func reached(l securesend.Limit, micros int64) *securesend.LimitError {
	return &securesend.LimitError{Limit: l.Name, RetryAfter: time.Duration(micros) * time.Microsecond}
}
