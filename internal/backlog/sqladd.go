package backlog

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"slices"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/sqlx"
)

// Add implements [Store]. Calls that wait while others are committed are committed together, in one statement: on a busy
// database many share one write to the disk. Each gets its own result, and where such a group fails each is tried alone.
func (s *SQL) Add(ctx context.Context, items []Item) (int, error) {
	if err := checkItems(items); err != nil {
		return 0, err
	}
	if err := ctx.Err(); err != nil || len(items) == 0 {
		return 0, wrap("add", err)
	}
	n, err := s.adds.do(ctx, items)
	return n, wrap("add", err)
}

// addGroup stores the items of several calls and says how many of each were new.
func (s *SQL) addGroup(ctx context.Context, calls []*call) {
	if len(calls) == 1 {
		calls[0].added, calls[0].err = s.addAlone(ctx, calls[0].items)
		return
	}
	fresh, err := s.addTold(ctx, calls)
	if err != nil && s.refused(err) {
		for _, c := range calls {
			c.added, c.err = s.addAlone(ctx, c.items)
		}
		return
	}
	for _, c := range calls {
		c.err = err
		for i := range c.items {
			at := memoryID{c.items[i].Tenant, c.items[i].ID}
			if fresh[at] {
				delete(fresh, at) // it is new once
				c.added++
			}
		}
	}
}

// refused reports whether the database refused a statement, so that nothing of it was stored.
func (s *SQL) refused(err error) bool {
	var state interface{ SQLState() string }
	return s.db.Dialect() == sqlx.SQLite || errors.As(err, &state)
}

// addAlone stores the items of one call and returns how many were new.
func (s *SQL) addAlone(ctx context.Context, items []Item) (int, error) {
	i := size(len(items))
	values := s.rows(make([]any, 0, sizes[i]*rowValues), sizes[i], items)
	n, err := s.write(ctx, s.q.add[i], values...)
	return int(n), err
}

// addTold stores the items of all calls and returns which were new.
func (s *SQL) addTold(ctx context.Context, calls []*call) (map[memoryID]bool, error) {
	var items []Item
	for _, c := range calls {
		items = append(items, c.items...)
	}
	i := size(len(items))
	values := s.rows(make([]any, 0, sizes[i]*rowValues), sizes[i], items)
	var fresh map[memoryID]bool
	if s.db.Dialect() == sqlx.Postgres {
		var n int
		var told []byte
		if err := s.db.CallRow(ctx, s.q.addTold[i], values, &n, &told); err != nil {
			return nil, err
		}
		var list [][2]string
		if err := json.Unmarshal(told, &list); err != nil {
			return nil, err
		}
		fresh = make(map[memoryID]bool, n)
		for _, x := range list {
			fresh[memoryID{mspkit.TenantID(x[0]), x[1]}] = true
		}
		return fresh, nil
	}
	err := s.db.WriteTx(ctx, func(ctx context.Context, tx *sqlx.Tx) error {
		rows, err := tx.QueryContext(ctx, s.q.addTold[i], values...)
		list, err := all(rows, err, func(row scanner) (at memoryID, err error) {
			err = row.Scan(&at.tenant, &at.id)
			return at, err
		})
		fresh = make(map[memoryID]bool, len(list))
		for _, at := range list {
			fresh[at] = true
		}
		return err
	})
	return fresh, err
}

// size is the index of the smallest of sizes that takes n rows.
func size(n int) int {
	i, _ := slices.BinarySearch(sizes, n)
	return min(i, len(sizes)-1)
}

// rows appends the values of items and of as many empty rows as there have to be. On PostgreSQL they are in the order of their
// locks, so that two who add at once do not wait for each other; those of one stream stay in order.
func (s *SQL) rows(values []any, n int, items []Item) []any {
	places := make([]int64, len(items))
	order := make([]int, len(items))
	for i := range items {
		order[i] = i
		if s.db.Dialect() == sqlx.Postgres {
			places[i] = s.place(items[i].Tenant, items[i].Key)
		}
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(places[a], places[b]) })
	for _, i := range order {
		it := &items[i]
		due := it.Due
		if due.IsZero() {
			due = it.AddedAt
		}
		values = append(values, places[i], string(it.Tenant), it.Key, it.ID, sqlx.Micros(due), sqlx.Micros(it.AddedAt), sealedKey(it.Sealed), it.Sealed)
	}
	for range n - len(items) {
		values = append(values, int64(0), "", "", "", int64(0), int64(0), "", nil)
	}
	return values
}
