package main

import (
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/verify"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/metric/metricdata/metricdatatest"
)

func TestTheStoryIsToldByTheMetrics(t *testing.T) {
	t.Parallel()
	m, err := played(t.Context())
	require.NoError(t, err)
	got := map[string]metricdata.Metrics{}
	for _, x := range m.Metrics {
		got[x.Name] = x
	}
	started := func(channel string) attribute.Set {
		return attribute.NewSet(attribute.String("channel", channel), attribute.String("method", "number"), attribute.String("action", "identify"))
	}
	metricdatatest.AssertEqual(t, metricdata.Metrics{
		Name: verify.MetricStarted,
		Data: metricdata.Sum[int64]{Temporality: metricdata.CumulativeTemporality, IsMonotonic: true, DataPoints: []metricdata.DataPoint[int64]{
			{Attributes: started("chat"), Value: 1}, {Attributes: started("email"), Value: 1}, {Attributes: started("sms"), Value: 3},
		}},
	}, got[verify.MetricStarted], metricdatatest.IgnoreTimestamp())

	ended := got[verify.MetricEndedDuration]
	require.Equal(t, "s", ended.Unit)
	h, ok := ended.Data.(metricdata.Histogram[float64])
	require.True(t, ok)
	sms, ok := point(h, "sms")
	require.True(t, ok)
	require.EqualValues(t, 2, sms.Count)
	require.InDelta(t, 40, sms.Sum, 0.001, "two people took twenty seconds each")
	require.Equal(t, buckets, sms.Bounds)
	require.Equal(t, story, conversion(m))
}

// point returns the data of one channel.
func point(h metricdata.Histogram[float64], channel string) (metricdata.HistogramDataPoint[float64], bool) {
	for _, p := range h.DataPoints {
		if v, _ := p.Attributes.Value("channel"); v.AsString() == channel {
			return p, true
		}
	}
	return metricdata.HistogramDataPoint[float64]{}, false
}

func TestTheSelfTestPrintsWhatWasCounted(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	require.NoError(t, run(t.Context(), []string{"-selftest"}, &out))
	for _, want := range []string{"mspkit.verify.refused", "reason=policy", "conversion: chat 0 of 0", "conversion: email 1 of 1", "conversion: sms 2 of 3"} {
		require.Contains(t, out.String(), want)
	}
	for _, personal := range []string{"dana", "Dana", "jane", "contoso", "client.example", "0123"} {
		require.NotContains(t, out.String(), personal)
	}
	require.Error(t, run(t.Context(), []string{"-no-such-flag"}, &out))
}

func TestANameThatOpenTelemetryRefusesHarmsNobody(t *testing.T) {
	t.Parallel()
	reader := metric.NewManualReader()
	m := &otelMeter{meter: metric.NewMeterProvider(metric.WithReader(reader)).Meter("x")}
	m.Count(t.Context(), "no name", 1, mspkit.Attr{Key: "k", Value: "v"})
	m.Time(t.Context(), "no name", time.Second)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			m.Count(t.Context(), "name", 2, mspkit.Attr{Key: "k", Value: "v"})
			m.Time(t.Context(), "time", time.Second)
		})
	}
	wg.Wait()
	var all metricdata.ResourceMetrics
	require.NoError(t, reader.Collect(t.Context(), &all))
	require.Len(t, all.ScopeMetrics, 1)
	require.Len(t, all.ScopeMetrics[0].Metrics, 2)
	sum, ok := all.ScopeMetrics[0].Metrics[0].Data.(metricdata.Sum[int64])
	require.True(t, ok)
	require.EqualValues(t, 8, sum.DataPoints[0].Value)
}
