package graphfake

import (
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Fault is an answer in the place of the real one. Its fields may be combined; the zero value is an answer of status 200
// without a body.
type Fault struct {
	// Status and Code are those of an error of Graph; the body is Graph's envelope unless Body is set.
	Status int
	Code   string
	// RetryAfter sets the header of that name as it is: seconds or a date. Empty sets none.
	RetryAfter string
	Header     http.Header
	Body       string
	// Redirect answers 302 to this URL.
	Redirect string
	// Drop ends the connection without an answer, before the request is done; with After, when it was done. In a batch it does
	// nothing.
	Drop, After bool
}

// Times returns a fault for [Server.SetFault] that hits the first n requests whose path contains one of the parts, or any
// where none is given. A negative n is all of them.
func Times(n int, f Fault, parts ...string) func(*http.Request) *Fault {
	var mu sync.Mutex
	return func(r *http.Request) *Fault {
		hit := len(parts) == 0
		for _, part := range parts {
			hit = hit || strings.Contains(r.URL.Path, part)
		}
		mu.Lock()
		defer mu.Unlock()
		if !hit || n == 0 {
			return nil
		}
		n--
		return &f
	}
}

// TooMany is the answer 429 as the directory gives it, with a Retry-After in whole seconds unless wait is 0.
func TooMany(wait time.Duration) Fault {
	f := Fault{Status: http.StatusTooManyRequests, Code: "TooManyRequests", Header: http.Header{}}
	f.Header.Set("X-Ms-Throttle-Limit-Percentage", "1.2")
	f.Header.Set("X-Ms-Throttle-Scope", "Tenant_Application/ReadWrite/00000000-0000-0000-0000-000000000000")
	f.Header.Set("X-Ms-Throttle-Information", "ResourceUnitLimitExceeded")
	if wait > 0 {
		f.RetryAfter = strconv.Itoa(int((wait + time.Second - 1) / time.Second))
	}
	return f
}
