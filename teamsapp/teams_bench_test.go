package teamsapp_test

import (
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit/teamsapp"
	"github.com/mspkit/mspkit/teamsapp/teamstest"
)

// BenchmarkNotify sends a hundred cards per operation, all at once and each to somebody else of one tenant, through a
// Connector that enforces Teams' limits. It compares the time with the shortest that these allow: 30 at once, and then
// 30 each second. A thousand cards, which take half a minute:
//
//	go test -run '^$' -bench Notify -benchtime 10x ./teamsapp
func BenchmarkNotify(b *testing.B) {
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
	const perSecond = 30
	n := 100 * b.N
	minimum := time.Second * time.Duration(n-perSecond) / perSecond
	e := newE2E(b, &teamstest.Options{Limits: true, Seed: 1}, func(o *teamsapp.Options) { o.TenantRate = 0 })
	e.installAll(n)
	e.s.FailRate(failures)
	began := time.Now()
	b.ResetTimer()
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
	b.StopTimer()
	b.ReportMetric(float64(took)/float64(minimum), "x-of-minimum")
	b.ReportMetric(float64(e.s.Throttled()), "throttled")
	b.ReportMetric(float64(e.s.Count(teamstest.OpSend)), "requests")
	for i := range n {
		require.Len(b, e.s.Messages(e.s.AddPerson(e2eContoso, e2eObject(i), "P", "en")), 1, "each card came, once: person %d", i)
	}
}
