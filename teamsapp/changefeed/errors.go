package changefeed

import "errors"

// The errors of a [Feed] and of stores.
var (
	// ErrNotFound means that there is no such subscription, dead letter or certificate of that tenant.
	ErrNotFound = errors.New("changefeed: not found")
	// ErrChanged means that somebody else was quicker: read again.
	ErrChanged = errors.New("changefeed: changed by somebody else")
)

// ErrRejected is for a [Sink] to return, wrapped or not, for an event that it will never take: it becomes a dead letter at once
// and holds up nothing.
var ErrRejected = errors.New("changefeed: the sink rejects the event")
