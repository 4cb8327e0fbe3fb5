package graphx

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit/internal/httpx"
)

var (
	errLost = errors.New("connection reset")
	errDial = &net.OpError{Op: "dial", Err: errors.New("refused")}
)

func TestRetryByMethodAndStatus(t *testing.T) {
	t.Parallel()
	after := map[string]string{"Retry-After": "2"}
	for name, tc := range map[string]struct {
		r      Request
		first  answer
		change func(*Options)
		tries  int
	}{
		"GET 408":             {Request{}, answer{status: 408}, nil, 2},
		"GET 429":             {Request{}, answer{status: 429}, nil, 2},
		"GET 500":             {Request{}, answer{status: 500}, nil, 2},
		"GET 502":             {Request{}, answer{status: 502}, nil, 2},
		"GET 503":             {Request{}, answer{status: 503, header: after}, nil, 2},
		"GET 504":             {Request{}, answer{status: 504}, nil, 2},
		"GET 501":             {Request{}, answer{status: 501}, nil, 1},
		"GET 404":             {Request{}, answer{status: 404, header: after}, nil, 1},
		"GET 400":             {Request{}, answer{status: 400}, nil, 1},
		"GET lost":            {Request{}, answer{err: errLost}, nil, 2},
		"PUT 500":             {Request{Method: "PUT", Body: 1}, answer{status: 500}, nil, 2},
		"DELETE 503":          {Request{Method: "DELETE"}, answer{status: 503}, nil, 2},
		"POST 429":            {Request{Method: "POST", Body: 1}, answer{status: 429}, nil, 2},
		"POST 429 after":      {Request{Method: "POST", Body: 1}, answer{status: 429, header: after}, nil, 2},
		"POST 500":            {Request{Method: "POST", Body: 1}, answer{status: 500}, nil, 1},
		"POST 503":            {Request{Method: "POST", Body: 1}, answer{status: 503, header: after}, nil, 1},
		"POST 503 on":         {Request{Method: "POST", Body: 1}, answer{status: 503, header: after}, func(o *Options) { o.RepeatUnavailable = true }, 2},
		"POST 503 on, silent": {Request{Method: "POST", Body: 1}, answer{status: 503}, func(o *Options) { o.RepeatUnavailable = true }, 1},
		"POST 504 on":         {Request{Method: "POST", Body: 1}, answer{status: 504, header: after}, func(o *Options) { o.RepeatUnavailable = true }, 1},
		"POST lost":           {Request{Method: "POST", Body: 1}, answer{err: errLost}, nil, 1},
		"POST not sent":       {Request{Method: "POST", Body: 1}, answer{err: errDial}, nil, 2},
		"PATCH 500":           {Request{Method: "PATCH", Body: 1}, answer{status: 500}, nil, 1},
		"PATCH 500 twice":     {Request{Method: "PATCH", Body: 1, Idempotent: true}, answer{status: 500}, nil, 2},
		"POST lost twice":     {Request{Method: "POST", Body: 1, Idempotent: true}, answer{err: errLost}, nil, 2},
		"no retries":          {Request{}, answer{status: 503}, func(o *Options) { o.Retry.MaxRetries = -1 }, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				a := &answers{list: []answer{tc.first, {status: 204}}}
				change := tc.change
				if change == nil {
					change = func(*Options) {}
				}
				c := offline(t, a, change)
				r := tc.r
				r.Tenant, r.Path = "a", "/users"
				err := c.Do(t.Context(), &r, nil)
				require.Equal(t, tc.tries, a.count())
				require.Equal(t, tc.tries == 1, err != nil)
				for n := range a.got {
					require.Equal(t, a.got[0].Header.Get("Client-Request-Id"), a.got[n].Header.Get("Client-Request-Id"))
					require.Len(t, a.got[n].Header.Get("Client-Request-Id"), 36)
					if r.Body != nil {
						require.Equal(t, "1", a.body[n])
					}
				}
			})
		})
	}
}

func TestRetryIsBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := &answers{list: []answer{{status: 503, body: `{"error":{"code":"ServiceUnavailable"}}`}}}
		err := offline(t, a).Do(t.Context(), &Request{Tenant: "a", Path: "/users"}, nil)
		var e *Error
		require.ErrorAs(t, err, &e)
		require.Equal(t, "ServiceUnavailable", e.Code)
		require.Equal(t, 4, a.count())
	})
}

func TestRetryAfterIsObeyed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		date := time.Now().Add(13 * time.Second).UTC().Format(http.TimeFormat)
		a := &answers{list: []answer{
			{status: 429, header: map[string]string{"Retry-After": "7"}}, {status: 503, header: map[string]string{"Retry-After": date}}, {status: 204},
		}}
		begin := time.Now()
		require.NoError(t, offline(t, a).Do(t.Context(), &Request{Tenant: "a", Path: "/users"}, nil))
		require.InDelta(t, 7, a.at[1].Sub(begin).Seconds(), 0.1)
		require.InDelta(t, 13, a.at[2].Sub(begin).Seconds(), 1)
	})
}

func TestRetryAfterThatIsTooLongIsHandedOver(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		after  string
		change func(*Options)
		ctx    time.Duration
	}{
		"beyond the cap":       {"61", func(o *Options) { o.Timeout = time.Hour }, time.Hour},
		"beyond the time left": {"59", func(o *Options) { o.Timeout = 50 * time.Second }, time.Hour},
		"beyond the context":   {"59", func(*Options) {}, 20 * time.Second},
		"off":                  {"1", func(o *Options) { o.MaxRetryAfter = -1 }, time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				a := &answers{list: []answer{{status: 503, header: map[string]string{"Retry-After": tc.after}}}}
				c := offline(t, a, tc.change)
				ctx, cancel := context.WithTimeout(t.Context(), tc.ctx)
				defer cancel()
				begin := time.Now()
				err := c.Do(ctx, &Request{Tenant: "a", Path: "/users"}, nil)
				var e *Error
				require.ErrorAs(t, err, &e)
				require.Positive(t, e.RetryAfter)
				require.Equal(t, 1, a.count())
				require.Zero(t, time.Since(begin))
			})
		})
	}
}

func hang(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, r.Context().Err()
}

func TestTriesAndCallsEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := 0
		c := offline(t, roundTrip(func(r *http.Request) (*http.Response, error) {
			n++
			return hang(r)
		}))
		begin := time.Now()
		err := c.Do(t.Context(), &Request{Tenant: "a", Path: "/users/alice@contoso.com", Query: map[string][]string{"$filter": {"x"}}}, nil)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorIs(t, err, httpx.ErrTimeout)
		require.Equal(t, 2, n) // 30 s each
		require.Equal(t, time.Minute, time.Since(begin))
		require.NotContains(t, err.Error(), "alice")
		require.NotContains(t, err.Error(), "filter")

		n = 0
		begin = time.Now()
		err = c.Do(t.Context(), &Request{Tenant: "a", Path: "/x", Method: "POST", Timeout: time.Hour}, nil)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, 1, n)
		require.Equal(t, 30*time.Second, time.Since(begin))
		var e *httpx.Error
		require.ErrorAs(t, err, &e)
		require.True(t, e.Sent)

		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.ErrorIs(t, c.Do(ctx, &Request{Tenant: "a", Path: "/x"}, nil), context.DeadlineExceeded)
		ctx, cancel = context.WithCancel(t.Context())
		cancel()
		require.ErrorIs(t, c.Do(ctx, &Request{Tenant: "a", Path: "/x"}, nil), context.Canceled)
	})
}

func TestTimeoutKeepsTheLastAnswer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := 0
		c := offline(t, roundTrip(func(r *http.Request) (*http.Response, error) {
			if n++; n > 1 {
				return hang(r)
			}
			return &http.Response{
				StatusCode: http.StatusBadGateway, Header: make(http.Header), Request: r,
				Body: io.NopCloser(strings.NewReader(`{"error":{"code":"badGateway"}}`)),
			}, nil
		}))
		err := c.Do(t.Context(), &Request{Tenant: "a", Path: "/x", Timeout: 10 * time.Second}, nil)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		e, ok := errors.AsType[*Error](err)
		require.True(t, ok)
		require.Equal(t, "badGateway", e.Code)
	})
}

// slowBody gives a byte each interval.
type slowBody struct {
	ctx      context.Context //nolint:containedctx // a test double of net/http's body
	interval time.Duration
	left     int
}

func (b *slowBody) Read(p []byte) (int, error) {
	if b.left == 0 {
		return 0, io.EOF
	}
	select {
	case <-time.After(b.interval):
		b.left--
		p[0] = ' '
		return 1, nil
	case <-b.ctx.Done():
		return 0, b.ctx.Err()
	}
}

func (*slowBody) Close() error { return nil }

func TestBodiesEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := offline(t, roundTrip(func(r *http.Request) (*http.Response, error) {
			time.Sleep(20 * time.Second)
			return &http.Response{StatusCode: http.StatusOK, Header: make(http.Header), Request: r, Body: &slowBody{r.Context(), 5 * time.Second, 13}}, nil
		}))
		begin := time.Now()
		res, err := c.Open(t.Context(), &Request{Tenant: "a", Path: "/x"})
		require.NoError(t, err)
		_, err = io.ReadAll(res.Body)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, 80*time.Second, time.Since(begin))
		require.NoError(t, res.Body.Close())

		res, err = c.Open(t.Context(), &Request{Tenant: "a", Path: "/x", Timeout: 70 * time.Second})
		require.NoError(t, err)
		b, err := io.ReadAll(res.Body)
		require.NoError(t, err)
		require.Len(t, b, 13)
		require.NoError(t, res.Body.Close())
		require.NoError(t, res.Body.Close())
	})
}

func TestLogsAndErrorsHoldNoSecrets(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log strings.Builder
		a := &answers{list: []answer{{status: 500, body: `{"error":{"code":"x\nforged","message":"alice@contoso.com"}}`}}}
		c := offline(t, a, func(o *Options) { o.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
		link := "https://graph.example/v1.0/users/alice@contoso.com/messages?$skiptoken=SECRET&$deltatoken=SECRET"
		err := c.Do(t.Context(), &Request{Tenant: "a", Path: link}, nil)
		a.list = []answer{{err: errLost}}
		a.got = nil
		err2 := c.Do(t.Context(), &Request{Tenant: "a", Path: link}, nil)
		all := err.Error() + err2.Error() + log.String()
		require.Contains(t, log.String(), "status=500")
		require.Contains(t, log.String(), "tenant=a")
		require.Contains(t, log.String(), "tries=4")
		for _, private := range []string{"SECRET", "alice", "contoso", testToken, "forged"} {
			require.NotContains(t, all, private)
		}
		log.Reset()
		a.list = []answer{{status: 404}}
		require.ErrorIs(t, c.Do(t.Context(), &Request{Tenant: "a", Path: link}, nil), ErrNotFound)
		require.Empty(t, log.String()) // the caller asked, Graph answered
	})
}
