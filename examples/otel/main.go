// Otel counts and times verifications with OpenTelemetry. It is a module of its own, so that mspkit does not bring
// OpenTelemetry to those who do not use it. What a program needs of it is adapter.go.
//
//	go run . -selftest   plays a few verifications, prints the metrics, and checks the conversion of each channel
//
// It is to be run in its own folder. A program gives its MeterProvider a reader with the exporter of its choice.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"

	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
)

func main() {
	if err := run(context.Background(), os.Args[1:], os.Stdout); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "otel:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("otel", flag.ContinueOnError)
	check := flags.Bool("selftest", false, "fail where the metrics do not tell what was played")
	if err := flags.Parse(args); err != nil {
		return err
	}
	got, err := played(ctx)
	if err != nil {
		return err
	}
	rates := conversion(got)
	text := lines(got)
	for _, r := range rates {
		text = append(text, fmt.Sprint("conversion: ", r))
	}
	if _, err := fmt.Fprintln(out, strings.Join(text, "\n")); err != nil || !*check {
		return err
	}
	if want := fmt.Sprint(story); fmt.Sprint(rates) != want {
		return fmt.Errorf("the conversion should be %s", want)
	}
	return nil
}

// played plays the story and returns what its meter was told.
func played(ctx context.Context) (metricdata.ScopeMetrics, error) {
	reader := metric.NewManualReader() // a program: metric.NewPeriodicReader(exporter)
	provider := metric.NewMeterProvider(metric.WithReader(reader))
	meter := &otelMeter{meter: provider.Meter("github.com/mspkit/mspkit")}
	if err := play(ctx, meter); err != nil {
		return metricdata.ScopeMetrics{}, err
	}
	var all metricdata.ResourceMetrics
	if err := errors.Join(reader.Collect(ctx, &all), provider.Shutdown(ctx)); err != nil {
		return metricdata.ScopeMetrics{}, err
	}
	if len(all.ScopeMetrics) != 1 {
		return metricdata.ScopeMetrics{}, fmt.Errorf("%d scopes were reported", len(all.ScopeMetrics))
	}
	return all.ScopeMetrics[0], nil
}
