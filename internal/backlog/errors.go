package backlog

import (
	"errors"
	"time"
)

type permanent struct{ error }

func (p permanent) Unwrap() error { return p.error }

// Permanent marks an error of a [Handle] that trying again cannot mend: the item is dead at once. nil stays nil.
func Permanent(err error) error {
	if err == nil {
		return nil
	}
	return permanent{err}
}

// IsPermanent reports whether err was marked by [Permanent].
func IsPermanent(err error) bool { return errors.As(err, new(permanent)) }

type later struct {
	error
	wait time.Duration
}

func (l later) Unwrap() error { return l.error }

// maxLater is the longest wait that [Later] can ask for: a server must not put an item off for ever.
const maxLater = time.Hour

// Later marks an error of a [Handle] with how long to wait at least, as a Retry-After says: at most an hour. nil stays nil.
func Later(err error, wait time.Duration) error {
	if err == nil {
		return nil
	}
	return later{err, wait}
}

// waitOf is what Later asked for, or 0.
func waitOf(err error) time.Duration {
	if l := (later{}); errors.As(err, &l) {
		return min(l.wait, maxLater)
	}
	return 0
}
