package httpx_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/httpx"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const secret = "s3cr3t-value"

// rt is a server in memory, so that waits can be tested in a synctest bubble.
type rt func(n int, r *http.Request) (*http.Response, error)

type fake struct {
	answer rt
	n      int
	bodies []string
	at     []time.Time
	open   atomic.Int32
}

func (f *fake) RoundTrip(r *http.Request) (*http.Response, error) {
	f.n++
	f.at = append(f.at, time.Now())
	if r.Body != nil {
		b, _ := io.ReadAll(r.Body)
		_ = r.Body.Close()
		f.bodies = append(f.bodies, string(b))
	}
	if open := f.open.Load(); open != 0 {
		return nil, fmt.Errorf("%d bodies of earlier tries are still open", open)
	}
	resp, err := f.answer(f.n, r)
	if resp != nil {
		f.open.Add(1)
		resp.Body = &closer{Reader: resp.Body, f: f}
	}
	return resp, err
}

type closer struct {
	io.Reader
	f *fake
}

func (c *closer) Close() error { c.f.open.Add(-1); return nil }

func status(code int, header ...string) *http.Response {
	h := make(http.Header)
	for i := 0; i+1 < len(header); i += 2 {
		h.Set(header[i], header[i+1])
	}
	return &http.Response{StatusCode: code, Header: h, Body: io.NopCloser(strings.NewReader("body"))}
}

func client(t *testing.T, base http.RoundTripper, o *httpx.Options) *http.Client {
	t.Helper()
	c, err := httpx.NewClient(&http.Client{Transport: base}, o)
	require.NoError(t, err)
	return c
}

func request(t *testing.T, ctx context.Context, method, url, body string) *http.Request { //nolint:revive // t first
	t.Helper()
	var r io.Reader
	if body != "" {
		r = strings.NewReader(body)
	}
	req, err := http.NewRequestWithContext(ctx, method, url, r)
	require.NoError(t, err)
	return req
}

func TestRetriesWhatMayBeRepeatedAndNothingElse(t *testing.T) {
	t.Parallel()
	lost := io.ErrUnexpectedEOF
	tests := []struct {
		name    string
		method  string
		status  int // 0: the connection is lost
		header  []string
		mark    bool
		rejects []int
		retry   []int
		tries   int
	}{
		{name: "GET 503", method: "GET", status: 503, tries: 4},
		{name: "GET 408", method: "GET", status: 408, tries: 4},
		{name: "GET 429", method: "GET", status: 429, tries: 4},
		{name: "GET 500", method: "GET", status: 500, tries: 4},
		{name: "GET 502", method: "GET", status: 502, tries: 4},
		{name: "GET 504", method: "GET", status: 504, tries: 4},
		{name: "GET 501", method: "GET", status: 501, tries: 1},
		{name: "GET 404", method: "GET", status: 404, tries: 1},
		{name: "GET 200", method: "GET", status: 200, tries: 1},
		{name: "GET lost", method: "GET", tries: 4},
		{name: "PUT lost", method: "PUT", tries: 4},
		{name: "DELETE 503", method: "DELETE", status: 503, tries: 4},
		{name: "HEAD 503", method: "HEAD", status: 503, tries: 4},
		{name: "POST lost", method: "POST", tries: 1},
		{name: "POST 503 with Retry-After", method: "POST", status: 503, header: []string{"Retry-After", "1"}, tries: 1},
		{name: "POST 429", method: "POST", status: 429, header: []string{"Retry-After", "1"}, tries: 1},
		{name: "PATCH 500", method: "PATCH", status: 500, tries: 1},
		{name: "POST marked, lost", method: "POST", mark: true, tries: 4},
		{name: "POST marked, 500", method: "POST", status: 500, mark: true, tries: 4},
		{name: "POST 429 where that rejects", method: "POST", status: 429, rejects: []int{429}, tries: 4},
		{name: "POST 503 where 429 rejects", method: "POST", status: 503, rejects: []int{429}, header: []string{"Retry-After", "1"}, tries: 1},
		{name: "POST 503 where that rejects, not asked", method: "POST", status: 503, rejects: []int{503}, tries: 1},
		{name: "POST 503 where that rejects, asked", method: "POST", status: 503, rejects: []int{503}, header: []string{"Retry-After", "1"}, tries: 4},
		{name: "GET 412", method: "GET", status: 412, tries: 1},
		{name: "GET 412 where that is retried", method: "GET", status: 412, retry: []int{412}, tries: 4},
		{name: "POST 412 where that is retried", method: "POST", status: 412, retry: []int{412}, tries: 1},
		{name: "POST marked, 412 where that is retried", method: "POST", status: 412, retry: []int{412}, mark: true, tries: 4},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := &fake{answer: func(int, *http.Request) (*http.Response, error) {
					if tc.status == 0 {
						return nil, lost
					}
					return status(tc.status, tc.header...), nil
				}}
				ctx := t.Context()
				if tc.mark {
					ctx = httpx.Idempotent(ctx)
				}
				resp, err := httpx.Do(client(t, f, &httpx.Options{Rejects: tc.rejects, Retry: tc.retry}), request(t, ctx, tc.method, "https://api.test/v1/x", "payload"))
				require.Equal(t, tc.tries, f.n)
				for _, b := range f.bodies {
					require.Equal(t, "payload", b, "each try sends the whole body")
				}
				if tc.status == 0 {
					e, ok := errors.AsType[*httpx.Error](err)
					require.True(t, ok)
					require.ErrorIs(t, err, lost)
					require.Equal(t, tc.tries, e.Tries)
					require.True(t, e.Sent)
					return
				}
				require.NoError(t, err)
				require.Equal(t, tc.status, resp.StatusCode)
				require.NoError(t, resp.Body.Close())
				require.Zero(t, f.open.Load())
			})
		})
	}
}

func TestWaitsAsAsked(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name     string
		header   func(now time.Time) []string
		min, max time.Duration
		tries    int
	}{
		{name: "backoff", header: func(time.Time) []string { return nil }, min: 640 * time.Millisecond, max: 1040 * time.Millisecond, tries: 2},
		{name: "seconds", header: func(time.Time) []string { return []string{"Retry-After", "5"} }, min: 5 * time.Second, max: 5500 * time.Millisecond, tries: 2},
		{name: "date", header: func(now time.Time) []string {
			return []string{"Retry-After", now.Add(7 * time.Second).UTC().Format(http.TimeFormat)}
		}, min: 6 * time.Second, max: 8 * time.Second, tries: 2},
		{name: "longer than is waited for", header: func(time.Time) []string { return []string{"Retry-After", "21"} }, tries: 1},
		{name: "absurd", header: func(time.Time) []string { return []string{"Retry-After", "99999999999999999999"} }, tries: 1},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := &fake{answer: func(n int, _ *http.Request) (*http.Response, error) {
					if n == 1 {
						return status(429, tc.header(time.Now())...), nil
					}
					return status(200), nil
				}}
				resp, err := httpx.Do(client(t, f, nil), request(t, t.Context(), "GET", "https://api.test/", ""))
				require.NoError(t, err)
				require.NoError(t, resp.Body.Close())
				require.Equal(t, tc.tries, f.n)
				if tc.tries == 1 {
					require.Equal(t, 429, resp.StatusCode, "the caller learns what was asked")
					return
				}
				require.Equal(t, 200, resp.StatusCode)
				took := f.at[1].Sub(f.at[0])
				require.GreaterOrEqual(t, took, tc.min)
				require.LessOrEqual(t, took, tc.max)
			})
		})
	}
}

func TestNeverWaitsBeyondTheDeadlineOfTheCall(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &fake{answer: func(int, *http.Request) (*http.Response, error) { return status(503, "Retry-After", "5"), nil }}
		start := time.Now()
		resp, err := httpx.Do(client(t, f, &httpx.Options{Timeout: 12 * time.Second}), request(t, t.Context(), "GET", "https://api.test/", ""))
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		require.Equal(t, 503, resp.StatusCode)
		require.Less(t, time.Since(start), 12*time.Second)
		require.Equal(t, 3, f.n)
	})
}

func TestEndsTheWaitWhenTheCallerGivesUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &fake{answer: func(int, *http.Request) (*http.Response, error) { return status(503, "Retry-After", "10"), nil }}
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		start := time.Now()
		_, err := httpx.Do(client(t, f, nil), request(t, ctx, "GET", "https://api.test/", ""))
		require.ErrorIs(t, err, context.Canceled)
		require.Equal(t, time.Second, time.Since(start))
		require.Zero(t, f.open.Load(), "the response of the failed try is closed")
	})
}

func TestRepeatsWaitForTheirPace(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &fake{answer: func(n int, _ *http.Request) (*http.Response, error) {
			if n < 3 {
				return status(429, "Retry-After", "0"), nil
			}
			return status(200), nil
		}}
		var paced int
		var seen []int
		c := client(t, f, &httpx.Options{
			Pace: func(r *http.Request) error {
				paced++
				require.Equal(t, "/x", r.URL.Path)
				_, bounded := r.Context().Deadline()
				require.True(t, bounded, "a wait ends with the call")
				time.Sleep(5 * time.Second)
				return nil
			},
			Answered: func(r *http.Request, resp *http.Response) { seen = append(seen, resp.StatusCode) },
		})
		resp, err := httpx.Do(c, request(t, t.Context(), "PUT", "https://api.test/x", "payload"))
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		require.Equal(t, 2, paced, "the first try is the caller's to pace")
		require.Equal(t, []int{429, 429, 200}, seen)
		require.Equal(t, 5*time.Second, f.at[1].Sub(f.at[0]))
		require.Equal(t, []string{"payload", "payload", "payload"}, f.bodies)
	})
}

func TestAPaceThatFailsEndsTheCall(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &fake{answer: func(int, *http.Request) (*http.Response, error) { return status(503), nil }}
		closed := errors.New("closed")
		c := client(t, f, &httpx.Options{Pace: func(*http.Request) error { return closed }})
		_, err := httpx.Do(c, request(t, t.Context(), "PUT", "https://api.test/x", "payload"))
		require.ErrorIs(t, err, closed)
		e, ok := errors.AsType[*httpx.Error](err)
		require.True(t, ok)
		require.Equal(t, 1, e.Tries)
		require.True(t, e.Sent, "the first try was sent")
		require.Equal(t, 1, f.n)
		require.Zero(t, f.open.Load())
	})
}

func hang(_ int, r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, r.Context().Err()
}

func TestDeadlinesPerTryAndPerCall(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &fake{answer: hang}
		start := time.Now()
		_, err := httpx.Do(client(t, f, &httpx.Options{Timeout: 25 * time.Second}), request(t, t.Context(), "GET", "https://api.test/", ""))
		require.ErrorIs(t, err, httpx.ErrTimeout)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, 25*time.Second, time.Since(start))
		require.Equal(t, 3, f.n, "10 s, wait, 10 s, wait, the rest")

		f = &fake{answer: hang}
		start = time.Now()
		_, err = httpx.Do(client(t, f, nil), request(t, t.Context(), "POST", "https://api.test/", "x"))
		require.ErrorIs(t, err, httpx.ErrTimeout)
		require.Equal(t, 10*time.Second, time.Since(start))
		require.Equal(t, 1, f.n)
	})
}

func TestDeadlineCoversTheBody(t *testing.T) {
	t.Parallel()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusOK)
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}))
	defer srv.Close()
	resp, err := httpx.Do(client(t, srv.Client().Transport, &httpx.Options{Timeout: 200 * time.Millisecond}), request(t, t.Context(), "GET", srv.URL+"/base/x", ""))
	require.NoError(t, err)
	_, err = io.ReadAll(resp.Body)
	require.ErrorIs(t, err, httpx.ErrTimeout)
	require.NoError(t, resp.Body.Close())
}

func TestBodyThatCannotBeReadTwiceIsSentOnce(t *testing.T) {
	t.Parallel()
	f := &fake{answer: func(int, *http.Request) (*http.Response, error) { return status(503), nil }}
	req := request(t, t.Context(), "PUT", "https://api.test/", "")
	req.Body = io.NopCloser(io.MultiReader(strings.NewReader("once")))
	resp, err := httpx.Do(client(t, f, nil), req)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, []string{"once"}, f.bodies)
}

func TestPostIsTriedAgainWhenNoConnectionWasMade(t *testing.T) {
	t.Parallel()
	srv := httptest.NewServer(http.NotFoundHandler())
	url := srv.URL
	srv.Close() // nobody listens there any more
	_, err := httpx.Do(client(t, nil, &httpx.Options{Backoff: time.Millisecond}), request(t, t.Context(), "POST", url+"/base/x", "x"))
	e, ok := errors.AsType[*httpx.Error](err)
	require.True(t, ok)
	require.Equal(t, 4, e.Tries)
	require.False(t, e.Sent)
	require.Contains(t, err.Error(), "connection refused")
}

func TestResponseBodyIsCapped(t *testing.T) {
	t.Parallel()
	for size, fails := range map[int]bool{0: false, 99: false, 100: false, 101: true, 5000: true} {
		f := &fake{answer: func(int, *http.Request) (*http.Response, error) {
			r := status(200)
			r.Body = io.NopCloser(strings.NewReader(strings.Repeat("x", size)))
			return r, nil
		}}
		resp, err := httpx.Do(client(t, f, &httpx.Options{MaxBody: 100}), request(t, t.Context(), "GET", "https://api.test/", ""))
		require.NoError(t, err)
		b, err := io.ReadAll(resp.Body)
		require.NoError(t, resp.Body.Close())
		require.Len(t, b, min(size, 100))
		if fails {
			require.ErrorIs(t, err, httpx.ErrBodyTooLarge)
		} else {
			require.NoError(t, err)
		}
	}
}

func TestLimiterHoldsBackPerKey(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &fake{answer: func(int, *http.Request) (*http.Response, error) { return status(200), nil }}
		c := client(t, f, &httpx.Options{Limit: &httpx.Limit{
			Requests: 2, Per: 4 * time.Second, MaxWait: 5 * time.Second,
			Key: func(r *http.Request) string { return r.URL.Host },
		}})
		start := time.Now()
		get := func(host string) error {
			resp, err := httpx.Do(c, request(t, t.Context(), "GET", "https://"+host+"/", ""))
			if err == nil {
				require.NoError(t, resp.Body.Close())
			}
			return err
		}
		require.NoError(t, get("a.test"))
		require.NoError(t, get("a.test"))
		require.NoError(t, get("b.test"), "another key has its own share")
		require.Zero(t, time.Since(start))
		require.NoError(t, get("a.test"))
		require.Equal(t, 4*time.Second, time.Since(start))
	})
}

func TestLimiterRefusesAWaitThatIsTooLong(t *testing.T) {
	t.Parallel()
	f := &fake{answer: func(int, *http.Request) (*http.Response, error) { return status(200), nil }}
	c := client(t, f, &httpx.Options{Limit: &httpx.Limit{Requests: 1, Per: time.Hour}})
	resp, err := httpx.Do(c, request(t, t.Context(), "GET", "https://a.test/", ""))
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	_, err = httpx.Do(c, request(t, t.Context(), "POST", "https://a.test/", "x"))
	require.ErrorIs(t, err, httpx.ErrLimited)
	e, _ := errors.AsType[*httpx.Error](err)
	require.False(t, e.Sent)
	require.Equal(t, 1, f.n)
}

func TestNothingSecretIsInErrorsOrLogs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var logs bytes.Buffer
		f := &fake{answer: func(int, *http.Request) (*http.Response, error) {
			return nil, errors.New("malformed HTTP response \"" + secret + "\"")
		}}
		c := client(t, f, &httpx.Options{Logger: slog.New(slog.NewJSONHandler(&logs, &slog.HandlerOptions{Level: slog.LevelDebug}))})
		req := request(t, t.Context(), "PUT", "https://user:"+secret+"@api.test/2010-04-01/"+secret+"-"+secret+"/+15551234567?sig="+secret+"#"+secret, secret)
		req.Header.Set("Authorization", "Bearer "+secret)
		_, err := httpx.Do(c, req)
		require.Error(t, err)
		text := err.Error() + logs.String()
		require.NotContains(t, text, secret)
		require.NotContains(t, text, "15551234567")
		require.Contains(t, text, "https://api.test/2010-04-01/…/…?…")
		require.Equal(t, 4, strings.Count(logs.String(), `"level":"DEBUG"`))
		require.Equal(t, 1, strings.Count(logs.String(), `"level":"WARN"`))
	})
}

func TestNewReportsEveryFault(t *testing.T) {
	t.Parallel()
	_, err := httpx.New(nil, &httpx.Options{Backoff: -1, Redirects: -1, Origins: []string{"api.test"}, Limit: &httpx.Limit{}})
	require.ErrorIs(t, err, mspkit.ErrInvalid)
	for _, want := range []string{"backoff", "redirects", "origin", "limit"} {
		require.ErrorContains(t, err, want)
	}
	_, err = httpx.NewClient(nil, &httpx.Options{Redirects: -1})
	require.Error(t, err)
}

func TestClientOfAClientIsNotWrappedTwice(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &fake{answer: func(int, *http.Request) (*http.Response, error) { return status(503), nil }}
		c, err := httpx.NewClient(client(t, f, nil), nil)
		require.NoError(t, err)
		resp, err := httpx.Do(c, request(t, t.Context(), "GET", "https://api.test/", ""))
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		require.Equal(t, 4, f.n)
	})
}
