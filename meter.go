package mspkit

import (
	"context"
	"time"
)

// Meter takes the numbers that packages of this module report, for a metrics system of the host's choice; one value
// serves all of them. The documentation of a package lists its metrics.
//
// The methods are called inline, in the middle of what is measured: they must return at once, must not call back into
// the package, and must be safe for concurrent use. The context is that of the call that is measured; it may have ended.
// The names of metrics, the keys of each and their order never vary, and every value comes from a small set that is
// known before: none comes from a request.
type Meter interface {
	// Count adds n, which is more than zero, to a counter.
	Count(ctx context.Context, name string, n int64, attrs ...Attr)
	// Time adds one duration to a histogram.
	Time(ctx context.Context, name string, d time.Duration, attrs ...Attr)
}

// Attr is one attribute of a number, such as {"channel", "sms"}. The value may be empty.
type Attr struct{ Key, Value string }
