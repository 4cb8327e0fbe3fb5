package graphteams

import "sync"

// maxMemory is how much of a kind is remembered; when there is more something is forgotten.
const maxMemory = 10_000

// memory is a bounded map. The zero value is ready.
type memory[K comparable, V any] struct {
	mu sync.Mutex
	m  map[K]V
}

func (m *memory[K, V]) get(k K) (V, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	v, ok := m.m[k]
	return v, ok
}

func (m *memory[K, V]) put(k K, v V) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.m == nil {
		m.m = map[K]V{}
	}
	if _, ok := m.m[k]; !ok && len(m.m) >= maxMemory {
		for some := range m.m { // any will do: what is forgotten is asked for again
			delete(m.m, some)
			break
		}
	}
	m.m[k] = v
}

func (m *memory[K, V]) drop(k K) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.m, k)
}

func (m *memory[K, V]) dropAll(which func(K) bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for k := range m.m {
		if which(k) {
			delete(m.m, k)
		}
	}
}
