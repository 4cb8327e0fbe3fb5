package jobs

import (
	"cmp"
	"slices"

	"github.com/mspkit/mspkit"
)

// lanes hold what is due, a lane for each tenant. They take turns: one tenant's thousand streams make another tenant's one
// wait for as many drains as there are tenants, and not for a thousand.
type lanes struct {
	by   map[mspkit.TenantID]*lane
	turn []*lane // those that have something, whose turn it is first
	n    int     // tasks of all
}

// lane is what is due for one tenant, in order.
type lane struct {
	tenant mspkit.TenantID
	tasks  []*task
}

func (s *lanes) push(t *task) {
	if s.by == nil {
		s.by = map[mspkit.TenantID]*lane{}
	}
	x := s.by[t.stream.Tenant]
	if x == nil {
		x = &lane{tenant: t.stream.Tenant}
		s.by[x.tenant] = x
		s.turn = append(s.turn, x)
	}
	x.tasks = append(x.tasks, t)
	s.n++
}

// pop returns what is to be done next, or nil. A tenant that may not go now keeps its turn.
func (s *lanes) pop(may func(mspkit.TenantID) bool) *task {
	i := slices.IndexFunc(s.turn, func(x *lane) bool { return may(x.tenant) })
	if i < 0 {
		return nil
	}
	x := s.turn[i]
	copy(s.turn[1:], s.turn[:i])
	s.turn[0] = nil
	s.turn = s.turn[1:]
	t := x.tasks[0]
	x.tasks[0] = nil
	x.tasks = x.tasks[1:]
	s.n--
	if len(x.tasks) > 0 {
		s.turn = append(s.turn, x)
	} else {
		delete(s.by, x.tenant)
	}
	return t
}

// cut leaves most tasks at most and returns the others: the last ones of the longest lanes.
func (s *lanes) cut(most int) (gone []*task) {
	long := slices.SortedFunc(slices.Values(s.turn), func(a, b *lane) int { return cmp.Compare(len(a.tasks), len(b.tasks)) })
	for i, x := range long { // the shortest first: what it does not need is the others'
		keep := min(len(x.tasks), most/(len(long)-i))
		most -= keep
		gone = append(gone, x.tasks[keep:]...)
		clear(x.tasks[keep:])
		x.tasks = x.tasks[:keep]
		if keep == 0 {
			delete(s.by, x.tenant)
		}
	}
	s.turn = slices.DeleteFunc(s.turn, func(x *lane) bool { return len(x.tasks) == 0 })
	s.n -= len(gone)
	return gone
}
