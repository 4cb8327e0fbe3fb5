package teamsapp

// Memory is a [Store] in memory.
type Memory struct{ Store }

// NewMemory returns an empty store.
func NewMemory() *Memory { return &Memory{} }
