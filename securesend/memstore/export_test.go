package memstore

import (
	"bytes"
	"encoding/gob"
	"fmt"
)

// Dump returns everything that s holds.
func Dump(s *Store) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out bytes.Buffer
	e := gob.NewEncoder(&out)
	for _, r := range s.records {
		if err := e.Encode(r); err != nil {
			panic(err)
		}
	}
	for key := range s.counters {
		fmt.Fprintln(&out, key)
	}
	if err := e.Encode(s.events); err != nil {
		panic(err)
	}
	return out.Bytes()
}
