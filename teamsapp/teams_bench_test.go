package teamsapp_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit/teamsapp"
	"github.com/mspkit/mspkit/teamsapp/teamstest"
)

// BenchmarkNotify1000 sends 1,000 cards to as many people of one tenant through a Connector that enforces Teams' limits,
// and compares the time with the shortest that these allow: 30 at once, and then 30 each second. It takes half a minute:
//
//	go test -run '^$' -bench Notify1000 -benchtime 1x ./teamsapp
func BenchmarkNotify1000(b *testing.B) {
	for _, v := range []struct {
		name string
		rate float64
	}{{"well", 0}, {"5%fail", 0.05}} {
		b.Run(v.name, func(b *testing.B) { benchmarkNotify(b, v.rate) })
	}
}

func benchmarkNotify(b *testing.B, failures float64) {
	if testing.Short() {
		b.Skip("takes half a minute")
	}
	const (
		n       = 1000
		perSec  = 30
		minimum = time.Second * (n - perSec) / perSec
	)
	e := newE2E(b, &teamstest.Options{Limits: true, Seed: 1}, func(o *teamsapp.Options) { o.TenantRate = 0 })
	e.installAll(n)
	for b.Loop() {
		e.s.FailRate(failures)
		before := e.total(n)
		began := time.Now()
		var wg sync.WaitGroup
		for i := range n {
			wg.Go(func() {
				to := teamsapp.User{TenantID: e2eContoso, ObjectID: e2eObject(i)}
				_, err := e.bot.Notify(b.Context(), teamsapp.Notification{To: to, Message: teamsapp.Message{Card: e2eQuestion()}})
				if err != nil {
					b.Errorf("person %d: %v", i, err)
				}
			})
		}
		wg.Wait()
		took := time.Since(began)
		b.ReportMetric(float64(took)/float64(minimum), "x-of-minimum")
		b.ReportMetric(float64(e.s.Throttled()), "throttled")
		b.ReportMetric(float64(e.s.Count(teamstest.OpSend)), "requests")
		require.Equal(b, before+n, e.total(n), "each card came, once")
		for i := range n {
			require.NotEmpty(b, e.s.Messages(e.s.AddPerson(e2eContoso, e2eObject(i), "P", "en")), fmt.Sprint(i))
		}
	}
}

// total counts the messages of the first n persons.
func (e *e2e) total(n int) int {
	sum := 0
	for i := range n {
		sum += len(e.s.Messages(e.s.AddPerson(e2eContoso, e2eObject(i), "P", "en")))
	}
	return sum
}
