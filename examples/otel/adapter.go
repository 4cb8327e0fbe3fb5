package main

import (
	"context"
	"sync"
	"time"

	"github.com/mspkit/mspkit"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/noop"
)

// buckets are upper bounds in seconds: from a store in memory to a person who takes ten minutes.
var buckets = []float64{0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15, 30, 60, 120, 300, 600}

// otelMeter is a [mspkit.Meter] on OpenTelemetry: copy it into your program. One serves every package of mspkit.
type otelMeter struct {
	meter    metric.Meter
	counters instruments[metric.Int64Counter]
	times    instruments[metric.Float64Histogram]
}

var _ mspkit.Meter = (*otelMeter)(nil)

// Count adds n to a counter.
func (m *otelMeter) Count(ctx context.Context, name string, n int64, attrs ...mspkit.Attr) {
	counter := m.counters.get(name, func() (metric.Int64Counter, error) { return m.meter.Int64Counter(name) }, noop.Int64Counter{})
	counter.Add(ctx, n, set(attrs))
}

// Time adds d to a histogram of seconds.
func (m *otelMeter) Time(ctx context.Context, name string, d time.Duration, attrs ...mspkit.Attr) {
	histogram := m.times.get(name, func() (metric.Float64Histogram, error) {
		return m.meter.Float64Histogram(name, metric.WithUnit("s"), metric.WithExplicitBucketBoundaries(buckets...))
	}, noop.Float64Histogram{})
	histogram.Record(ctx, d.Seconds(), set(attrs))
}

// instruments keeps what was made for each metric when it was first reported.
type instruments[T any] struct {
	mu   sync.RWMutex
	made map[string]T
}

// get returns the instrument of a metric; where it cannot be made, that is reported once and none takes its place.
func (i *instruments[T]) get(name string, create func() (T, error), none T) T {
	i.mu.RLock()
	x, ok := i.made[name]
	i.mu.RUnlock()
	if ok {
		return x
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	if x, ok = i.made[name]; ok {
		return x
	}
	x, err := create()
	if err != nil {
		otel.Handle(err)
		x = none
	}
	if i.made == nil {
		i.made = map[string]T{}
	}
	i.made[name] = x
	return x
}

func set(attrs []mspkit.Attr) metric.MeasurementOption {
	kvs := make([]attribute.KeyValue, 0, len(attrs))
	for _, a := range attrs {
		kvs = append(kvs, attribute.String(a.Key, a.Value))
	}
	return metric.WithAttributeSet(attribute.NewSet(kvs...))
}
