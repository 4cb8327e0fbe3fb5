package httpx

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"github.com/mspkit/mspkit"
)

// Options configures the pipeline. The zero value is safe: bounded in time, tries and size, no redirects.
type Options struct {
	// Timeout is for a whole call: all tries, the waits between them, and reading the body. 0 is 30 s; negative
	// leaves it to the request's context.
	Timeout time.Duration
	// TryTimeout is for one try until its headers are there. 0 is 10 s; negative is none but Timeout.
	TryTimeout time.Duration
	// MaxRetries is how often a request is repeated. 0 is 3; negative is never.
	MaxRetries int
	// Backoff is the wait before the first repeat; it doubles up to MaxBackoff, with jitter. 0 is 800 ms and 10 s.
	Backoff, MaxBackoff time.Duration
	// MaxRetryAfter is the longest Retry-After that is waited for; a longer one ends the call with the answer
	// that asked for it. 0 is 20 s; negative waits for none.
	MaxRetryAfter time.Duration
	// Rejects lists statuses with which the server is known to refuse before it acts, such as 429. A POST that
	// gets one may be repeated; for others than 429 only where Retry-After is given.
	Rejects []int
	// Retry lists statuses that are repeated besides those of the package comment, under the same rules: for methods
	// that may be repeated and what is marked [Idempotent].
	Retry []int
	// Pace is called before each repeat, after the wait for it, and blocks until the repeat may go out, for callers that
	// keep a vendor's limits themselves. It is not called before the first try: a caller waits for that one before the
	// call, so that a long queue does not eat up Timeout. The time that it takes counts against Timeout, by which the
	// context of the request it gets is bounded; an error ends the call.
	Pace func(*http.Request) error
	// Answered is told of each try's response when its headers are there, so that a caller can slow other calls down
	// after a 429. It must not read the body.
	Answered func(*http.Request, *http.Response)
	// MaxBody is how many bytes of a response may be read, after decompression. 0 is 10 MiB; negative is no limit.
	MaxBody int64
	// Origins are URLs to whose scheme, host and port credentials may go. Empty means anywhere: set it wherever a
	// URL comes from a response or from a tenant.
	Origins []string
	// Credentials names headers besides Authorization, Proxy-Authorization and Cookie that hold credentials.
	Credentials []string
	// Redirects is how many redirects are followed. 0 refuses them.
	Redirects int
	// Limit slows requests down, per key. nil is no limit.
	Limit *Limit
	// Logger gets one debug line per try and a warning for what is given up. nil discards.
	Logger *slog.Logger
	// Now is the clock against which a Retry-After date is read. nil is time.Now.
	Now func() time.Time
}

func (t *Transport) configure(o *Options) error {
	if o == nil {
		o = &Options{}
	}
	t.opts = *o
	def := func(d *time.Duration, v time.Duration) {
		if *d == 0 {
			*d = v
		}
	}
	def(&t.opts.Timeout, 30*time.Second)
	def(&t.opts.TryTimeout, 10*time.Second)
	def(&t.opts.Backoff, 800*time.Millisecond)
	def(&t.opts.MaxBackoff, 10*time.Second)
	def(&t.opts.MaxRetryAfter, 20*time.Second)
	if t.opts.MaxRetries == 0 {
		t.opts.MaxRetries = 3
	}
	if t.opts.MaxBody == 0 {
		t.opts.MaxBody = 10 << 20
	}
	if t.opts.Logger == nil {
		t.opts.Logger = slog.New(slog.DiscardHandler)
	}
	if t.opts.Now == nil {
		t.opts.Now = time.Now
	}
	t.redirects = o.Redirects
	t.credentials = append([]string{"Authorization", "Proxy-Authorization", "Cookie"}, o.Credentials...)

	var errs []error
	if t.opts.Backoff < 0 || t.opts.MaxBackoff < 0 {
		errs = append(errs, fmt.Errorf("httpx: backoff is negative: %w", mspkit.ErrInvalid))
	}
	if o.Redirects < 0 {
		errs = append(errs, fmt.Errorf("httpx: redirects is negative: %w", mspkit.ErrInvalid))
	}
	for _, s := range o.Origins {
		u, err := url.Parse(s)
		if err != nil || origin(u) == "" {
			errs = append(errs, fmt.Errorf("httpx: an origin is not an absolute http(s) URL: %w", mspkit.ErrInvalid))
			continue
		}
		t.origins = append(t.origins, origin(u))
	}
	for _, h := range o.Credentials {
		if http.CanonicalHeaderKey(h) == "" {
			errs = append(errs, fmt.Errorf("httpx: a credential header has no name: %w", mspkit.ErrInvalid))
		}
	}
	if o.Limit != nil {
		if o.Limit.Requests == 0 || o.Limit.Per <= 0 {
			errs = append(errs, fmt.Errorf("httpx: a limit needs a number of requests and a time: %w", mspkit.ErrInvalid))
		} else {
			t.limiter = newLimiter(*o.Limit)
		}
	}
	return errors.Join(errs...)
}
