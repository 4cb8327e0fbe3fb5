package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/mspkit/mspkit/verify"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
)

// lines returns every metric as text, sorted.
func lines(m metricdata.ScopeMetrics) []string {
	var out []string
	for _, x := range m.Metrics {
		switch d := x.Data.(type) {
		case metricdata.Sum[int64]:
			for _, p := range d.DataPoints {
				out = append(out, fmt.Sprintf("%-32s %-70s %d", x.Name, text(p.Attributes), p.Value))
			}
		case metricdata.Histogram[float64]:
			for _, p := range d.DataPoints {
				out = append(out, fmt.Sprintf("%-32s %-70s %d, %.3f %s in all", x.Name, text(p.Attributes), p.Count, p.Sum, x.Unit))
			}
		}
	}
	slices.Sort(out)
	return out
}

func text(s attribute.Set) string {
	var out []string
	for _, kv := range s.ToSlice() {
		out = append(out, string(kv.Key)+"="+kv.Value.AsString())
	}
	return strings.Join(out, " ")
}

// rate is the conversion of one channel.
type rate struct {
	channel            string
	confirmed, started int64
}

func (r rate) String() string { return fmt.Sprintf("%s %d of %d", r.channel, r.confirmed, r.started) }

// conversion is the query that verify documents: what failed over is not lost, because the next way was started too.
func conversion(m metricdata.ScopeMetrics) []rate {
	rates := map[string]rate{}
	add := func(p metricdata.DataPoint[int64], confirmed, started int64) {
		channel, _ := p.Attributes.Value("channel")
		r := rates[channel.AsString()]
		rates[channel.AsString()] = rate{channel.AsString(), r.confirmed + confirmed*p.Value, r.started + started*p.Value}
	}
	for _, x := range m.Metrics {
		sum, _ := x.Data.(metricdata.Sum[int64])
		for _, p := range sum.DataPoints {
			outcome, _ := p.Attributes.Value("outcome")
			switch {
			case x.Name == verify.MetricStarted:
				add(p, 0, 1)
			case x.Name == verify.MetricEnded && outcome.AsString() == string(verify.StateConfirmed):
				add(p, 1, 0)
			case x.Name == verify.MetricEnded && outcome.AsString() == string(verify.EventFailedOver):
				add(p, 0, -1)
			}
		}
	}
	out := make([]rate, 0, len(rates))
	for _, r := range rates {
		out = append(out, r)
	}
	slices.SortFunc(out, func(a, b rate) int { return cmp.Compare(a.channel, b.channel) })
	return out
}
