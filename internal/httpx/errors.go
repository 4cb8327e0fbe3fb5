package httpx

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"syscall"
)

// The sentinels; the table in the package comment says what they mean.
var (
	ErrTimeout      = errors.New("timed out")
	ErrBodyTooLarge = errors.New("httpx: response body is too large")
	ErrOrigin       = errors.New("credentials must not go to this origin")
	ErrRedirect     = errors.New("redirect refused")
	ErrLimited      = errors.New("rate limit reached")
	ErrAddress      = errors.New("address is not allowed")
)

// Error is a call that got no response. Its text is safe to log.
type Error struct {
	// Method and URL say what was called; the URL is redacted by [RedactURL].
	Method, URL string
	// Tries is how often the request was tried.
	Tries int
	// Sent is false when the request certainly never left: no connection was made. When it is true the server
	// may have acted, so that a request that is not idempotent must not simply be repeated.
	Sent bool
	// Err is the cause, without the *url.Error that net/http wraps around it. Its own text may hold bytes that
	// the server chose: do not log it.
	Err error
}

// Error says what was called and the kind of fault.
func (e *Error) Error() string {
	s := fmt.Sprintf("httpx: %s %s: %s", e.Method, e.URL, reason(e.Err))
	if e.Tries > 1 {
		s += fmt.Sprintf(" (%d tries)", e.Tries)
	}
	return s
}

// Unwrap returns Err.
func (e *Error) Unwrap() error { return e.Err }

// timeoutError makes a deadline of ours match both ErrTimeout and context.DeadlineExceeded.
type timeoutError struct{ what string }

func (e *timeoutError) Error() string        { return e.what + " " + ErrTimeout.Error() }
func (e *timeoutError) Is(target error) bool { return target == ErrTimeout }
func (e *timeoutError) Unwrap() error        { return context.DeadlineExceeded }
func (e *timeoutError) Timeout() bool        { return true }

var (
	errCallTimeout = &timeoutError{"call"}
	errTryTimeout  = &timeoutError{"try"}
)

// Do sends req with c. Every error is an *[Error].
func Do(c *http.Client, req *http.Request) (*http.Response, error) {
	resp, err := c.Do(req)
	if err == nil {
		return resp, nil
	}
	if resp != nil && resp.Body != nil { // a refused redirect comes with its response, already closed
		_ = resp.Body.Close()
	}
	return nil, wrap(req, err)
}

func wrap(req *http.Request, err error) *Error {
	if e, ok := errors.AsType[*Error](err); ok {
		return e // made by Transport, below net/http's *url.Error
	}
	for {
		u, ok := errors.AsType[*url.Error](err)
		if !ok {
			break
		}
		err = u.Err
	}
	return &Error{Method: req.Method, URL: RedactURL(req.URL), Tries: 1, Sent: !neverSent(err), Err: err}
}

// neverSent reports whether err came before a connection existed.
func neverSent(err error) bool {
	if errors.Is(err, ErrOrigin) || errors.Is(err, ErrLimited) || errors.Is(err, ErrAddress) {
		return true
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return true
	}
	op, ok := errors.AsType[*net.OpError](err)
	return ok && op.Op == "dial"
}

// permanent reports whether trying again cannot help.
func permanent(err error) bool {
	if errors.Is(err, ErrOrigin) || errors.Is(err, ErrLimited) || errors.Is(err, ErrAddress) || errors.Is(err, context.Canceled) {
		return true
	}
	if dns, ok := errors.AsType[*net.DNSError](err); ok {
		return dns.IsNotFound
	}
	return isTLS(err)
}

func isTLS(err error) bool {
	_, verify := errors.AsType[*tls.CertificateVerificationError](err)
	_, unknown := errors.AsType[x509.UnknownAuthorityError](err)
	_, host := errors.AsType[x509.HostnameError](err)
	_, record := errors.AsType[tls.RecordHeaderError](err)
	return verify || unknown || host || record
}

// reason is the kind of fault in words of our own: texts of net/http may quote what the server sent.
func reason(err error) string {
	for _, known := range []error{ErrOrigin, ErrRedirect, ErrLimited, ErrAddress, ErrBodyTooLarge} {
		if errors.Is(err, known) {
			return known.Error()
		}
	}
	if te, ok := errors.AsType[*timeoutError](err); ok {
		return te.Error()
	}
	if dns, ok := errors.AsType[*net.DNSError](err); ok {
		if dns.IsNotFound {
			return "host not found"
		}
		return "name lookup failed"
	}
	var timeout interface{ Timeout() bool }
	switch {
	case errors.Is(err, context.Canceled):
		return "canceled"
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return ErrTimeout.Error()
	case isTLS(err):
		return "TLS: the certificate or the protocol was not accepted"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "connection refused"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return "connection lost"
	case neverSent(err):
		return "no connection"
	}
	return "transport failed"
}
