package entratest

import (
	"fmt"
	"net/http"
	"strings"
	"time"
)

// dirError is an answer in Graph's envelope.
type dirError struct {
	status        int
	code, message string
	header        http.Header
}

func dirFail(status int, code, format string, args ...any) *dirError {
	return &dirError{status: status, code: code, message: fmt.Sprintf(format, args...)}
}

// dirBad is the directory's answer to what is wrong with a request.
func dirBad(format string, args ...any) *dirError {
	return dirFail(http.StatusBadRequest, "Request_BadRequest", format, args...)
}

func dirGone(what string) *dirError {
	return dirFail(http.StatusNotFound, "Request_ResourceNotFound",
		"Resource '%s' does not exist or one of its queried reference-property objects are not present.", what)
}

func (e *dirError) answer(c *dirCall, now time.Time) dirAnswer {
	return dirAnswer{status: e.status, header: e.header, body: map[string]any{"error": map[string]any{
		"code": e.code, "message": e.message,
		"innerError": map[string]any{"date": now.UTC().Format("2006-01-02T15:04:05"), "request-id": c.id, "client-request-id": c.client},
	}}}
}

// DirectoryFault is what becomes of requests in place of what should. The zero value of a field hits everything.
type DirectoryFault struct {
	// Method is the method of the requests that fail; Path is a part of their paths, such as "/addPassword".
	Method, Path string
	// Writes hits no GET.
	Writes bool
	// Skip is how many requests are let through first, Times how many fail then; 0 is one, negative all.
	Skip, Times int
	// Status and Code are those of the error: default 503 and "ServiceUnavailable", or for 429 "TooManyRequests".
	Status int
	Code   string
	// RetryAfter is the header of that name as it is: seconds or a date. Empty sets none.
	RetryAfter string
	// Drop closes the connection without an answer.
	Drop bool
	// After lets the request be done first, so that the client cannot know.
	After bool
}

// Fail makes requests fail. Faults are used up in the order in which they were given.
func (d *Directory) Fail(f DirectoryFault) {
	if f.Times == 0 {
		f.Times = 1
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.faults = append(d.faults, &f)
}

// fault returns what the request must fail with, or nil. The caller holds the lock.
func (d *Directory) fault(c *dirCall) *DirectoryFault {
	for _, f := range d.faults {
		switch {
		case f.Times == 0, f.Method != "" && f.Method != c.method, f.Writes && c.method == http.MethodGet, !strings.Contains(c.path, f.Path):
			continue
		case f.Skip > 0:
			f.Skip--
			continue
		case f.Times > 0:
			f.Times--
		}
		return f
	}
	return nil
}

func (f *DirectoryFault) answer(c *dirCall, now time.Time) dirAnswer {
	status, code := f.Status, f.Code
	if status == 0 {
		status = http.StatusServiceUnavailable
	}
	switch {
	case code != "":
	case status == http.StatusTooManyRequests:
		code = "TooManyRequests"
	default:
		code = "ServiceUnavailable"
	}
	e := dirFail(status, code, "It was asked for.")
	if f.RetryAfter != "" {
		e.header = http.Header{"Retry-After": {f.RetryAfter}}
	}
	return e.answer(c, now)
}

// DieAfter calls f once n writes have succeeded, counted from now, and closes the connection of the last of them without an
// answer: the program that sent it, which f may kill, cannot know that it was done.
func (d *Directory) DieAfter(n int, f func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.dieAt, d.die = d.writes+n, f
}

// DirectoryRequest is one that a [Directory] got.
type DirectoryRequest struct {
	Method string
	// Path is the path behind /v1.0, Query what stood behind it, decoded name by name.
	Path, Query string
	// Body is the body of a write as it came, not compressed.
	Body string
	// Status is that of the answer, also where the connection was closed in its place.
	Status int
	// ClientRequestID is what the client called it.
	ClientRequestID string
}

func (d *Directory) note(c *dirCall, status int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.log(c, status)
}

// log keeps a request. The caller holds the lock.
func (d *Directory) log(c *dirCall, status int) {
	d.requests = append(d.requests, DirectoryRequest{
		Method: c.method, Path: c.path, Query: c.query.Encode(), Body: string(c.raw), Status: status, ClientRequestID: c.header.Get("client-request-id"),
	})
}

// Requests returns what the directory was asked.
func (d *Directory) Requests() []DirectoryRequest {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([]DirectoryRequest(nil), d.requests...)
}

// Writes returns how many writes have succeeded.
func (d *Directory) Writes() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.writes
}
