package connectwise

import "time"

// Quick shortens the waits between tries.
func Quick(o *Options) *Options {
	o.backoff = 20 * time.Millisecond
	return o
}

// The parsers of what others write.
var (
	NextLink = nextLink
	Quote    = func(s string) (string, error) { return quote("test", "it", s) }
)
