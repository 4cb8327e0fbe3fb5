package verify_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/verify"
	"github.com/mspkit/mspkit/verify/memstore"
	"github.com/mspkit/mspkit/verify/verifytest"
)

// logMeter writes counters at Info and times at Debug. A host that has a metrics system counts there;
// examples/otel does it with OpenTelemetry.
type logMeter struct{ log *slog.Logger }

func (m logMeter) Count(ctx context.Context, name string, n int64, attrs ...mspkit.Attr) {
	m.log.LogAttrs(ctx, slog.LevelInfo, "count", append(logAttrs(name, attrs), slog.Int64("n", n))...)
}

func (m logMeter) Time(ctx context.Context, name string, d time.Duration, attrs ...mspkit.Attr) {
	m.log.LogAttrs(ctx, slog.LevelDebug, "time", append(logAttrs(name, attrs), slog.Duration("took", d))...)
}

func logAttrs(name string, attrs []mspkit.Attr) []slog.Attr {
	out := append(make([]slog.Attr, 0, len(attrs)+2), slog.String("metric", name))
	for _, a := range attrs {
		out = append(out, slog.String(a.Key, a.Value))
	}
	return out
}

// meteredExample returns a service whose text messages arrive nowhere.
func meteredExample(o verify.Options) *verify.Service {
	ring, err := mspkit.NewKeyRing(mspkit.NewKey("2026-11"))
	if err != nil {
		panic(err)
	}
	o.Channels = map[string]verify.Channel{"sms": &verifytest.Channel{Level: verify.AssuranceSMS}}
	settings := verify.Settings{Brand: mspkit.Brand{Name: "Contoso IT"}, Limits: verify.Limits{Cooldown: -1}}
	svc, err := verify.New(memstore.New(), ring, "https://help.example/verify", verify.Same(settings), &o)
	if err != nil {
		panic(err)
	}
	return svc
}

func verifyDana(svc *verify.Service) verify.Challenge {
	c, err := svc.Start(context.Background(), verify.StartRequest{
		Tenant: "contoso", Subject: exampleSubject(exampleYear), Action: verify.ActionUnlock, Technician: verify.Technician{ID: "jane", Name: "Jane Doe"},
	})
	if err != nil {
		panic(err)
	}
	return c
}

// Counters go to a log, where a metrics system is not worth its while.
func ExampleOptions_meter() {
	log := slog.New(slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey || a.Key == slog.LevelKey {
			return slog.Attr{}
		}
		return a
	}}))
	svc := meteredExample(verify.Options{Meter: logMeter{log}})
	c := verifyDana(svc)
	_, _ = svc.Answer(context.Background(), verify.Answer{Ref: c.Ref, Method: verify.MethodNumber, Response: c.Number.Reveal()})
	// Output:
	// msg=count metric=mspkit.verify.started channel=sms method=number action=unlock-account n=1
	// msg=count metric=mspkit.verify.messages channel=sms outcome=sent n=1
	// msg=count metric=mspkit.verify.ended channel=sms method=number action=unlock-account outcome=confirmed n=1
	// msg=count metric=mspkit.verify.tries verb=answer outcome=confirmed n=1
}

// Nobody answers the text messages that are sent, and somebody should look.
func ExampleConversion() {
	ctx, now := context.Background(), time.Now()
	conv, err := verify.NewConversion(&verify.ConversionOptions{
		AtLeast: 5,
		Alarm: func(_ context.Context, r verify.Rate) {
			fmt.Printf("of %d verifications by %s only %.0f %% were confirmed\n", r.Ended(), r.Channel, 100*r.Value())
		},
		Now: func() time.Time { return now },
		// Next: the recorder that writes into tickets.
	})
	if err != nil {
		panic(err)
	}
	svc := meteredExample(verify.Options{Recorder: conv, Now: func() time.Time { return now }})
	c := verifyDana(svc)
	_, _ = svc.Answer(ctx, verify.Answer{Ref: c.Ref, Method: verify.MethodNumber, Response: c.Number.Reveal()})
	for range 4 {
		verifyDana(svc)
	}
	now = now.Add(10 * time.Minute)
	if err := svc.RunOnce(ctx); err != nil { // a program calls Run
		panic(err)
	}
	// Output: of 5 verifications by sms only 20 % were confirmed
}
