package changefeed

import (
	"context"
	"log/slog"
	"time"

	"github.com/mspkit/mspkit"
)

// The metrics of [Options.Meter]. The package documentation lists their attributes.
const (
	MetricRequests = "mspkit.changefeed.requests"
	MetricAccepted = "mspkit.changefeed.accepted"
	MetricRepeated = "mspkit.changefeed.repeated"
	MetricDropped  = "mspkit.changefeed.dropped"
	MetricEvents   = "mspkit.changefeed.events"
	MetricAge      = "mspkit.changefeed.event.age"
)

func (in *inbound) count(ctx context.Context, name string, n int, attrs ...mspkit.Attr) {
	if in.c.o.Meter == nil || n < 1 {
		return
	}
	defer in.caught(ctx, name)
	in.c.o.Meter.Count(ctx, name, int64(n), attrs...)
}

func (in *inbound) time(ctx context.Context, name string, since time.Time) {
	if in.c.o.Meter == nil {
		return
	}
	defer in.caught(ctx, name)
	in.c.o.Meter.Time(ctx, name, max(in.c.o.Now().Sub(since), 0))
}

// caught keeps a meter that panics from losing a notification.
func (in *inbound) caught(ctx context.Context, name string) {
	if recover() != nil {
		in.c.o.Logger.LogAttrs(ctx, slog.LevelWarn, "changefeed: the meter panicked", slog.String("metric", name))
	}
}
