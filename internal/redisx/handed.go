package redisx

import "sync"

// Handed remembers the shards of events that were handed out, because an acknowledgement names the id alone.
type Handed struct {
	mu     sync.Mutex
	shards map[string]int
}

// maxHanded is how many it remembers; what is forgotten is looked for everywhere.
const maxHanded = 20_000

// Note remembers the shard of an event.
func (h *Handed) Note(id string, shard int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.shards == nil || len(h.shards) >= maxHanded {
		h.shards = map[string]int{}
	}
	h.shards[id] = shard
}

// Take forgets ids and returns those of each shard; what is not known is for every shard.
func (h *Handed) Take(ids []string, shards int) [][]string {
	h.mu.Lock()
	defer h.mu.Unlock()
	out := make([][]string, shards)
	for _, id := range ids {
		if i, ok := h.shards[id]; ok {
			delete(h.shards, id)
			out[i] = append(out[i], id)
			continue
		}
		for i := range out {
			out[i] = append(out[i], id)
		}
	}
	return out
}
