package httpx

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// maxRetryAfter keeps absurd values from overflowing; whoever waits has a far lower limit.
const maxRetryAfter = 24 * time.Hour

// ParseRetryAfter returns how long the Retry-After header in h asks to wait after now. It reads both forms, seconds
// and HTTP date (RFC 9110, section 10.2.3). The result is between 0 and 24 h; ok is false when there is no such
// header or it cannot be read.
func ParseRetryAfter(h http.Header, now time.Time) (wait time.Duration, ok bool) {
	v := strings.TrimSpace(h.Get("Retry-After"))
	if v == "" {
		return 0, false
	}
	if strings.Trim(v, "0123456789") == "" {
		n, err := strconv.ParseInt(v, 10, 64)
		if err != nil || n > int64(maxRetryAfter/time.Second) { // the only error left is overflow
			return maxRetryAfter, true
		}
		return time.Duration(n) * time.Second, true
	}
	at, err := http.ParseTime(v)
	if err != nil {
		return 0, false
	}
	return min(max(at.Sub(now), 0), maxRetryAfter), true
}
