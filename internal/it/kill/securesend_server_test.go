package kill_test

import (
	"errors"
	"math/rand/v2"
	"net/http/httptest"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit/internal/it/sendhttp"
	"github.com/mspkit/mspkit/securesend"
)

// serverKills is how often a database is killed.
func serverKills() int {
	if os.Getenv("MSPKIT_SOAK") != "" {
		return 20
	}
	return 2
}

// database is a server that can be killed.
type database struct {
	// kill kills it, resume starts it again with what is on its disk.
	kill, resume func()
}

// newHost returns sends that are read from two instances in this process, which outlive their database. One of them has a
// client that does not try again by itself.
func newHost(t *testing.T, kind, address string) *sends {
	t.Helper()
	x := newSends(t, kind, address)
	patient := x.place.start(t, nil, &x.ahead)
	x.place.Once = true
	x.inst = x.place.start(t, nil, &x.ahead)
	servers := []*httptest.Server{httptest.NewServer(x.inst.pages), httptest.NewServer(patient.pages)}
	for _, s := range servers {
		t.Cleanup(s.Close)
	}
	var n atomic.Int64
	x.base = func() string { return servers[n.Add(1)%2].URL + "/send" }
	x.lost = func(string) { time.Sleep(5 * time.Millisecond) }
	return x
}

// outlive kills the database at random moments, while sends are given and read without a pause and what has ended is swept.
func (x *sends) outlive(d database) {
	x.Helper()
	const hands = 6
	rng := rand.New(rand.NewPCG(3, 4))
	var left []securesend.Sent
	var mu sync.Mutex
	total := 0
	for round := range serverKills() {
		back, errs := make(chan struct{}), make([]error, hands)
		var wg sync.WaitGroup
		for i := range hands {
			wg.Go(func() {
				for k := i; ; k++ {
					s := x.give(k)
					leave := (round+k)%5 == 0
					if errs[i] = x.reveal(s, leave); errs[i] != nil {
						return
					}
					mu.Lock()
					total++
					if leave {
						left = append(left, s)
					}
					mu.Unlock()
					select {
					case <-back:
						return
					default:
					}
				}
			})
		}
		wg.Go(func() {
			for {
				_ = x.inst.svc.RunOnce(x.Context()) // it fails while the database is gone
				select {
				case <-back:
					return
				case <-time.After(10 * time.Millisecond):
				}
			}
		})
		time.Sleep(time.Duration(50+rng.IntN(150)) * time.Millisecond)
		d.kill()
		d.resume()
		close(back)
		wg.Wait()
		require.NoError(x, errors.Join(errs...), "round %d", round)
	}
	// What nobody acknowledged ends with its lease.
	x.ahead.Add(int64(securesend.Lease + securesend.LeaseMargin + time.Second))
	for _, s := range left {
		r, err := sendhttp.NewReader(s)
		require.NoError(x, err)
		require.NoError(x, x.over(r))
	}
	x.Logf("%d kills, %d sends, %d requests that got no answer at first", serverKills(), total, x.again.Load())
	require.Positive(x, x.again.Load(), "nobody was in the middle of anything")
	x.clean()
}

// give creates the k-th send as soon as the database can store it. What a try before left, nobody reads.
func (x *sends) give(k int) securesend.Sent {
	for {
		r := textRequest(securesend.GateNumber)
		if k%3 == 2 {
			r = fileRequest(securesend.GateNone)
		}
		if s, err := x.inst.svc.Create(x.Context(), r); err == nil || x.Context().Err() != nil {
			return s
		}
		time.Sleep(5 * time.Millisecond)
	}
}
