// Package sandbox holds the value that fixes the answers of a tenant in tests. Only verifytest makes one, and only in a
// test: being internal, this package keeps everybody else out, and the value has nothing to be set from outside.
package sandbox

import "sync/atomic"

// The fixed answers. A code has as many digits of Code as the tenant's codes have.
const (
	Number = "123"
	Code   = "12345678"
	Word   = "apple river"
)

// Sandbox fixes the answers of a tenant where it is on. The zero value is off.
type Sandbox struct{ on *atomic.Bool }

// New returns a value that is on until off is called.
func New() (s Sandbox, off func()) {
	s.on = new(atomic.Bool)
	s.on.Store(true)
	return s, func() { s.on.Store(false) }
}

// On reports whether answers are fixed.
func (s Sandbox) On() bool { return s.on != nil && s.on.Load() }
