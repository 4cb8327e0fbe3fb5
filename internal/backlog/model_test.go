package backlog_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/backlog"
)

// model is what should be in a store: the ids that wait in each stream, in order.
type model struct {
	*backlog.Memory
	rt      *rapid.T
	now     time.Time
	waiting map[mspkit.Stream][]string
	done    map[string]int // how often it was done
	dead    map[string]mspkit.Stream
}

// Finish notes what ended.
func (m *model) Finish(ctx context.Context, it backlog.Item, holder string, o backlog.Outcome, now time.Time) error {
	err := m.Memory.Finish(ctx, it, holder, o, now)
	if err == nil && (o.Done || o.Dead) {
		s := it.Stream("")
		require.Equal(m.rt, m.waiting[s][0], it.ID)
		m.waiting[s] = m.waiting[s][1:]
		if o.Dead {
			m.dead[it.ID] = s
		}
	}
	return err
}

// handle does an item, or not, and requires that it is the first one of its stream that waits.
func (m *model) handle(ctx context.Context, it backlog.Item, answer string) error {
	s := it.Stream("")
	if len(m.waiting[s]) == 0 || m.waiting[s][0] != it.ID {
		m.rt.Fatalf("%s was handed over, what waits is %v", it.ID, m.waiting[s])
	}
	switch answer {
	case "fails":
		return errors.New("no answer")
	case "asks to wait":
		return backlog.Later(errors.New("busy"), time.Minute)
	case "panics":
		panic("x")
	case "refuses":
		return backlog.Permanent(errors.New("refused"))
	case "is slow": // the lease ends meanwhile, and another one takes it and dies
		m.now = m.now.Add(2 * time.Minute)
		_, err := m.Next(ctx, s, "thief", m.now, m.now.Add(time.Minute))
		require.NoError(m.rt, err)
	case "is slow alone": // the lease ends, and nobody else takes it
		m.now = m.now.Add(2 * time.Minute)
	}
	m.done[it.ID]++
	return nil
}

// The model: whatever goes wrong between, an item is handed over only when every earlier one of its stream has ended, and in
// the end every item was done at least once.
func TestEveryItemIsDoneAtLeastOnceAndInOrder(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		m := &model{
			Memory: backlog.NewMemory(), rt: rt, now: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
			waiting: map[mspkit.Stream][]string{}, done: map[string]int{}, dead: map[string]mspkit.Stream{},
		}
		answers := []string{"does it", "does it", "does it", "fails", "asks to wait", "panics", "refuses", "is slow", "is slow alone"}
		healthy := false
		var workers []*backlog.Worker
		for range 3 {
			w, err := backlog.New(m, func(ctx context.Context, it backlog.Item) error {
				if healthy {
					return m.handle(ctx, it, "does it")
				}
				return m.handle(ctx, it, rapid.SampledFrom(answers).Draw(rt, "answer"))
			}, &backlog.Options{Kind: "posts", Now: func() time.Time { return m.now }, GiveUp: 20 * time.Minute})
			require.NoError(rt, err)
			workers = append(workers, w)
		}
		streams := []mspkit.Stream{{Tenant: "contoso", Key: "a"}, {Tenant: "contoso", Key: "b"}, {Tenant: "fabrikam", Key: "a"}}
		pick := func(rt *rapid.T) (mspkit.Stream, *backlog.Worker) {
			return rapid.SampledFrom(streams).Draw(rt, "stream"), rapid.SampledFrom(workers).Draw(rt, "worker")
		}
		n := 0
		rt.Repeat(map[string]func(*rapid.T){
			"add": func(rt *rapid.T) {
				s, w := pick(rt)
				var items []backlog.Item
				for range rapid.IntRange(1, 3).Draw(rt, "items") {
					n++
					it := item(s.Key, fmt.Sprint("i", n))
					it.Tenant = s.Tenant
					items = append(items, it)
					m.waiting[s] = append(m.waiting[s], it.ID)
				}
				added, err := w.Add(t.Context(), append(items, items[0])...)
				require.NoError(rt, err)
				require.Equal(rt, len(items), added)
			},
			"drain": func(rt *rapid.T) {
				s, w := pick(rt)
				s.Kind = "posts"
				_, err := w.Drain(t.Context(), s)
				require.NoError(rt, err)
			},
			"run once": func(rt *rapid.T) {
				_, w := pick(rt)
				require.NoError(rt, w.RunOnce(t.Context()))
			},
			"die": func(rt *rapid.T) { // with an item in hand
				s, _ := pick(rt)
				if it, err := m.Next(t.Context(), s, "dead", m.now, m.now.Add(time.Minute)); err == nil {
					require.Equal(rt, m.waiting[s][0], it.ID)
				}
			},
			"replay": func(rt *rapid.T) {
				for id, s := range m.dead {
					require.NoError(rt, workers[0].Replay(t.Context(), s.Tenant, id))
					m.waiting[s] = append(m.waiting[s], id)
					delete(m.dead, id)
					return
				}
			},
			"wait":      func(*rapid.T) { m.now = m.now.Add(10 * time.Second) },
			"wait long": func(*rapid.T) { m.now = m.now.Add(10 * time.Minute) },
		})
		healthy = true // everything works again
		for id, s := range m.dead {
			require.NoError(rt, workers[0].Replay(t.Context(), s.Tenant, id))
			m.waiting[s] = append(m.waiting[s], id)
		}
		for range 3 {
			m.now = m.now.Add(2 * time.Hour)
			require.NoError(rt, workers[1].RunOnce(t.Context()))
		}
		require.Len(rt, m.done, n, "each was done")
		c, err := m.Count(t.Context(), "")
		require.NoError(rt, err)
		require.Equal(rt, backlog.Counts{}, c)
	})
}
