// Package httpx is the one way out: every client of the module sends its HTTP requests through it, so that each
// call has a deadline, a bounded retry, a capped answer, and errors that can be logged.
//
//	client := httpx.NewClient(opts.HTTPClient, &httpx.Options{
//		Origins: []string{baseURL},
//		Logger:  opts.Logger,
//	})
//	resp, err := httpx.Do(client, req)
//
// [NewClient] wraps a host's own *http.Client or makes one. [Do] sends a request and returns errors without the
// URL's secrets; net/http itself puts the whole URL into its errors.
//
// # What is retried
//
// Status 408, 429, 500, 502, 503 and 504 and lost connections, for GET, HEAD, OPTIONS, PUT and DELETE, with jitter
// and Retry-After. A POST or PATCH is sent once, unless the context is marked with [Idempotent], the status is
// listed in Options.Rejects (the server is known to refuse before it acts), or no connection was made at all.
// Options.Retry adds statuses, Options.Pace holds repeats back.
//
// # Security
//
// Credentials in headers go to the configured origins only; a request elsewhere fails instead of being sent bare,
// because a server that names a foreign address for the next page is broken or hostile. Redirects are refused.
// [Guard] is the transport for addresses that a tenant can type: it looks at the address after DNS.
// Errors and logs hold the method, the redacted URL and the kind of fault; never a header, a body or a query.
//
// # Concurrency
//
// Everything here is safe for concurrent use. No goroutine outlives a call, and a call ends when the body of its
// response is closed or its deadline has passed.
//
// # Errors
//
//	errors.Is                  meaning
//	ErrTimeout                 the call or its last try ran out of time; also context.DeadlineExceeded
//	ErrBodyTooLarge            the answer is longer than allowed (from reading the body)
//	ErrOrigin                  credentials would have gone to another origin; nothing was sent
//	ErrRedirect                the server redirected, which was not asked for
//	ErrLimited                 the wait for the rate limiter would have been too long; nothing was sent
//	ErrAddress                 the host resolves to an address that is not allowed; nothing was sent
//	mspkit.ErrInvalid          an option or a request cannot be used
//
// Errors of [Do] are of type *[Error].
package httpx
