package halopsa_test

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mspkit/mspkit/psa"
	"github.com/mspkit/mspkit/psa/halopsa"
	"github.com/mspkit/mspkit/psa/psatest"
	"github.com/stretchr/testify/require"
)

func TestRequestsGoOneByOneWhileLimited(t *testing.T) {
	t.Parallel()
	for name, header := range map[string]map[string]string{"with Retry-After": {"Retry-After": "1"}, "without": nil} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := open(t, nil, nil)
			_, err := w.client.GetTicket(t.Context(), ref("4711"))
			require.NoError(t, err)

			var limited atomic.Int64 // since when
			var under, most, early, served atomic.Int32
			w.desk.SetFault(func(op psatest.Op) psatest.Fault {
				if op.Name != psatest.OpGetTicket {
					return psatest.Fault{}
				}
				at := limited.Load()
				if at == 0 {
					limited.Store(time.Now().UnixNano())
					return psatest.Fault{Status: http.StatusTooManyRequests, Header: header}
				}
				if time.Since(time.Unix(0, at)) < 900*time.Millisecond {
					early.Add(1)
				}
				served.Add(1)
				n := under.Add(1)
				if n > most.Load() {
					most.Store(n)
				}
				time.Sleep(20 * time.Millisecond)
				under.Add(-1)
				if served.Load() < 4 { // still limited
					return psatest.Fault{Status: http.StatusTooManyRequests, Header: map[string]string{"Retry-After": "0"}}
				}
				return psatest.Fault{}
			})
			first := make(chan error, 1)
			go func() {
				_, err := w.client.GetTicket(t.Context(), ref("4711"))
				first <- err
			}()
			require.Eventually(t, func() bool { return limited.Load() != 0 }, 10*time.Second, time.Millisecond)
			time.Sleep(50 * time.Millisecond) // until the answer is there
			var wg sync.WaitGroup
			for range 3 {
				wg.Go(func() {
					_, err := w.client.GetTicket(t.Context(), ref("5120"))
					if err != nil && !errors.Is(err, psa.ErrRateLimited) {
						t.Error(err)
					}
				})
			}
			wg.Wait()
			err = <-first
			if err != nil {
				require.ErrorIs(t, err, psa.ErrRateLimited)
			}
			require.Zero(t, early.Load(), "nobody goes before the wait is over")
			if served.Load() <= 4 {
				require.EqualValues(t, 1, most.Load())
			}
		})
	}
}

func TestALongWaitIsRefusedAtOnceForAll(t *testing.T) {
	t.Parallel()
	clk := newClock()
	w := openDesk(t, psatest.NewDesk(clk.now), nil, &halopsa.Options{Now: clk.now})
	_, err := w.client.GetTicket(t.Context(), ref("4711"))
	require.NoError(t, err)
	w.desk.SetFault(psatest.Times(1, psatest.TooMany(10*time.Minute)))
	_, err = w.client.ListContacts(t.Context(), psa.Query{})
	require.ErrorIs(t, err, psa.ErrRateLimited)
	w.sent.clear()
	begun := time.Now()
	_, err = w.client.AddNote(t.Context(), ref("4711"), psa.Note{Text: "x"})
	require.ErrorIs(t, err, psa.ErrRateLimited)
	require.Equal(t, psa.Later, psa.FateOf(err))
	e, ok := errors.AsType[*psa.Error](err)
	require.True(t, ok)
	require.Equal(t, 10*time.Minute, e.RetryAfter)
	require.Empty(t, w.sent.list(http.MethodGet, ""), "nothing is sent")
	require.Less(t, time.Since(begun), 20*time.Second)
	clk.add(11 * time.Minute)
	_, err = w.client.AddNote(t.Context(), ref("4711"), psa.Note{Text: "x"})
	require.NoError(t, err)
}

func TestAWaitEndsWithTheCaller(t *testing.T) {
	t.Parallel()
	w := open(t, nil, nil)
	w.desk.SetFault(psatest.Times(-1, psatest.TooMany(15*time.Second), psatest.OpGetTicket))
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	_, err := w.client.GetTicket(ctx, ref("4711"))
	require.ErrorIs(t, err, psa.ErrRateLimited)
	_, err = w.client.AddNote(ctx, ref("4711"), psa.Note{Text: "x"})
	require.Error(t, err)
	require.Equal(t, psa.Later, psa.FateOf(err), "it was not sent")
	require.Empty(t, w.desk.Notes("4711"))
}

func TestTheRateIsKeptByTheClient(t *testing.T) {
	t.Parallel()
	w := open(t, nil, nil)
	c := w.connect(t, &halopsa.Options{Requests: 4, Per: time.Hour, MaxWait: -1})
	_, err := c.GetTicket(t.Context(), ref("4711")) // discovery, token, ticket, statuses; names that do not fit in are left out
	require.NoError(t, err)
	_, err = c.GetTicket(t.Context(), ref("4711"))
	require.ErrorIs(t, err, psa.ErrRateLimited)
	require.ErrorContains(t, err, "its own share")
}
