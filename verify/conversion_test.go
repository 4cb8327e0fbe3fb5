package verify_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/verify"
	"github.com/stretchr/testify/require"
)

// newConverted is a world whose events pass through a conversion.
func newConverted(t testing.TB, o verify.ConversionOptions) (*world, *chat, *verify.Conversion) {
	t.Helper()
	var conv *verify.Conversion
	w, ch := newChatWorld(t, func(w *world, so *verify.Options) {
		o.Now, o.Next = w.now, so.Recorder
		var err error
		conv, err = verify.NewConversion(&o)
		require.NoError(t, err)
		so.Recorder = conv
		w.settings.Limits = verify.Limits{Cooldown: -1, PerDestination: -1, PerSubject: -1}
	})
	return w, ch, conv
}

func TestConversionFollowsEveryChallengeToItsEnd(t *testing.T) {
	t.Parallel()
	w, ch, conv := newConverted(t, verify.ConversionOptions{})
	ctx := t.Context()
	answer := func(c verify.Challenge, number string) {
		t.Helper()
		_, err := w.Answer(ctx, verify.Answer{Ref: c.Ref, Method: verify.MethodNumber, Response: number})
		require.NoError(t, err)
	}
	email := func() verify.Challenge { return w.start(t, w.by("email", verify.MethodNumber)) }

	confirmed := email()
	answer(confirmed, confirmed.Number.Reveal())
	require.NoError(t, w.RunOnce(ctx))
	require.Equal(t, []verify.Rate{{Channel: "email", Method: verify.MethodNumber, Started: 1, Confirmed: 1}}, conv.Rates())

	denied := email()
	_, err := w.Deny(ctx, verify.Denial{Ref: denied.Ref, Word: denied.Word.Reveal()})
	require.NoError(t, err)
	failed := email()
	answer(failed, "0000")
	answer(failed, "0000")
	renewed := email()
	answer(renewed, "0000")
	answer(renewed, "0000")
	require.NoError(t, w.RunOnce(ctx))
	require.Equal(t, 2, conv.Rates()[0].Failed)
	renewed, err = w.Renew(ctx, verify.RenewRequest{Ref: renewed.Ref, Technician: jane.ID})
	require.NoError(t, err)
	require.NoError(t, w.RunOnce(ctx))
	require.Equal(t, 1, conv.Rates()[0].Failed, "it is pending again")
	answer(renewed, renewed.Number.Reveal())
	require.NoError(t, w.Cancel(ctx, email().Ref, jane.ID, "hung up"))
	email() // expires
	ch.err = errors.New("blocked")
	over := w.start(t, w.inChat()) // by e-mail in the end
	answer(over, over.Number.Reveal())
	w.pass(10 * time.Minute)
	require.NoError(t, w.RunOnce(ctx))
	email() // pending
	w.start(t, w.by("sms", verify.MethodNumber))
	require.NoError(t, w.RunOnce(ctx))

	mail := verify.Rate{Channel: "email", Method: verify.MethodNumber, Started: 8, Confirmed: 3, Denied: 1, Failed: 1, Expired: 1, Cancelled: 1}
	require.Equal(t, []verify.Rate{
		{Channel: "chat", Method: verify.MethodNumber, Started: 1, FailedOver: 1},
		mail,
		{Channel: "sms", Method: verify.MethodNumber, Started: 1},
	}, conv.Rates())
	require.Equal(t, 7, mail.Ended(), "what is pending says nothing")
	require.InDelta(t, 3.0/7, mail.Value(), 1e-9)
	require.Zero(t, conv.Rates()[0].Ended(), "who was asked by another way is no lost conversion")
	require.Zero(t, conv.Rates()[0].Value())
	require.Len(t, w.events, len(w.kinds(t)), "the next recorder has them all")
	require.Contains(t, w.kinds(t), verify.EventFailedOver)
}

// told is an event of challenge id.
func told(id string, kind verify.EventKind, state verify.State, at time.Time) verify.Event {
	return verify.Event{
		ID: id + string(kind), Kind: kind, At: at, Tenant: tenant, Challenge: id, Channel: "sms", Method: verify.MethodCode, State: state,
	}
}

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

func TestAnEventHandedOverTwiceCountsOnce(t *testing.T) {
	t.Parallel()
	down := true
	conv, err := verify.NewConversion(&verify.ConversionOptions{
		Now: func() time.Time { return noon },
		Next: verify.RecorderFunc(func(context.Context, verify.Event) error {
			if down {
				return errors.New("ticket system down")
			}
			return nil
		}),
	})
	require.NoError(t, err)
	all := []verify.Event{
		told("1", verify.EventStarted, verify.StatePending, noon), told("1", verify.EventFailed, verify.StateFailed, noon),
		told("1", verify.EventRenewed, verify.StatePending, noon), told("1", verify.EventConfirmed, verify.StateConfirmed, noon),
		told("1", verify.EventRedeemed, verify.StateConfirmed, noon),
	}
	for _, e := range all {
		require.Error(t, conv.Record(t.Context(), e), "the error of the next recorder comes back")
	}
	down = false
	want := []verify.Rate{{Channel: "sms", Method: verify.MethodCode, Started: 1, Confirmed: 1}}
	require.Equal(t, want, conv.Rates())
	for _, e := range all {
		require.NoError(t, conv.Record(t.Context(), e))
		require.Equal(t, want, conv.Rates(), "a repeat takes nothing back")
	}
}

func TestTheWindowSlides(t *testing.T) {
	t.Parallel()
	now := noon
	conv, err := verify.NewConversion(&verify.ConversionOptions{Window: 10 * time.Minute, Now: func() time.Time { return now }})
	require.NoError(t, err)
	record := func(e verify.Event) { require.NoError(t, conv.Record(t.Context(), e)) }
	started := func() int {
		n := 0
		for _, r := range conv.Rates() {
			n += r.Started
		}
		return n
	}
	record(told("1", verify.EventStarted, verify.StatePending, now))
	now = now.Add(6 * time.Minute)
	record(told("2", verify.EventStarted, verify.StatePending, now))
	record(told("2", verify.EventConfirmed, verify.StateConfirmed, now))
	require.Equal(t, 2, started())
	now = now.Add(5 * time.Minute)
	require.Equal(t, 1, started())
	record(told("1", verify.EventStarted, verify.StatePending, noon))
	record(told("1", verify.EventExpired, verify.StateExpired, noon.Add(time.Second)))
	record(told("1", verify.EventRedeemed, verify.StateConfirmed, now))
	require.Equal(t, []verify.Rate{{Channel: "sms", Method: verify.MethodCode, Started: 1, Confirmed: 1}}, conv.Rates(), "late news of what is forgotten")
	now = now.Add(time.Hour)
	require.Empty(t, conv.Rates())
}

func TestPumpedTextMessagesRaiseOneAlarm(t *testing.T) {
	t.Parallel()
	var alarms []verify.Rate
	w, _, conv := newConverted(t, verify.ConversionOptions{
		Below: 0.5, AtLeast: 4, Alarm: func(_ context.Context, r verify.Rate) { alarms = append(alarms, r) },
	})
	ctx := t.Context()
	play := func(channel string, confirm bool) {
		t.Helper()
		c := w.start(t, w.by(channel, verify.MethodNumber))
		if confirm {
			_, err := w.Answer(ctx, verify.Answer{Ref: c.Ref, Method: verify.MethodNumber, Response: c.Number.Reveal()})
			require.NoError(t, err)
		}
	}
	expire := func() {
		t.Helper()
		w.pass(9 * time.Minute)
		require.NoError(t, w.RunOnce(ctx))
	}
	for range 3 {
		play("sms", false)
	}
	expire()
	require.Empty(t, alarms, "three say nothing")
	w.pass(time.Hour)
	for _, confirm := range []bool{true, true, true, false, false, false} {
		play("sms", confirm)
	}
	expire()
	require.Empty(t, alarms, "half of six are confirmed")
	for range 20 {
		play("sms", false)
		play("email", true)
	}
	require.NoError(t, w.RunOnce(ctx))
	require.Empty(t, alarms, "nobody knows yet whether they will answer")
	expire()
	require.Len(t, alarms, 1, "once, not with each that follows")
	require.Equal(t, verify.Rate{Channel: "sms", Method: verify.MethodNumber, Started: 26, Confirmed: 3, Expired: 4}, alarms[0], "and at once")
	require.Less(t, alarms[0].Value(), 0.5)

	for range 30 {
		play("sms", true)
	}
	require.NoError(t, w.RunOnce(ctx))
	require.Greater(t, conv.Rates()[1].Value(), 0.5)
	for range 20 {
		play("sms", false)
	}
	expire()
	require.Len(t, alarms, 2, "it had recovered")
}

func TestTheRatesOfInstancesAddUp(t *testing.T) {
	t.Parallel()
	now := func() time.Time { return noon }
	portal, err := verify.NewConversion(&verify.ConversionOptions{Now: now})
	require.NoError(t, err)
	pages, err := verify.NewConversion(&verify.ConversionOptions{Now: now})
	require.NoError(t, err)
	for i := range 10 {
		id := strconv.Itoa(i)
		require.NoError(t, portal.Record(t.Context(), told(id, verify.EventStarted, verify.StatePending, noon)))
		if i < 7 {
			require.NoError(t, pages.Record(t.Context(), told(id, verify.EventConfirmed, verify.StateConfirmed, noon)))
		} else {
			require.NoError(t, portal.Record(t.Context(), told(id, verify.EventExpired, verify.StateExpired, noon)))
		}
	}
	sum := portal.Rates()[0].Add(pages.Rates()[0])
	require.Equal(t, verify.Rate{Channel: "sms", Method: verify.MethodCode, Started: 10, Confirmed: 7, Expired: 3}, sum)
	require.InDelta(t, 0.7, sum.Value(), 1e-9)
	all := verify.Rate{Started: 1, Confirmed: 2, Denied: 3, Failed: 4, Expired: 5, Cancelled: 6, FailedOver: 7}
	require.Equal(t, verify.Rate{Started: 2, Confirmed: 4, Denied: 6, Failed: 8, Expired: 10, Cancelled: 12, FailedOver: 14}, all.Add(all))
}

func TestTenantsAreKeptApartOnlyWhereAsked(t *testing.T) {
	t.Parallel()
	for _, apart := range []bool{false, true} {
		conv, err := verify.NewConversion(&verify.ConversionOptions{PerTenant: apart, Now: func() time.Time { return noon }})
		require.NoError(t, err)
		for _, tenant := range []mspkit.TenantID{"fabrikam", "contoso"} {
			e := told("1", verify.EventStarted, verify.StatePending, noon)
			e.Tenant = tenant
			require.NoError(t, conv.Record(t.Context(), e))
		}
		want := []verify.Rate{{Channel: "sms", Method: verify.MethodCode, Started: 2}}
		if apart {
			want = []verify.Rate{
				{Tenant: "contoso", Channel: "sms", Method: verify.MethodCode, Started: 1},
				{Tenant: "fabrikam", Channel: "sms", Method: verify.MethodCode, Started: 1},
			}
		}
		require.Equal(t, want, conv.Rates())
	}
}

func TestConversionOptionsAreChecked(t *testing.T) {
	t.Parallel()
	_, err := verify.NewConversion(nil)
	require.NoError(t, err)
	_, err = verify.NewConversion(&verify.ConversionOptions{Window: time.Minute, Below: 1.5, AtLeast: -1})
	require.ErrorIs(t, err, verify.ErrInvalid)
	for _, want := range []string{"Window", "Below", "AtLeast"} {
		require.ErrorContains(t, err, want)
	}
}

func TestConversionIsUsedByManyAtOnce(t *testing.T) {
	t.Parallel()
	conv, err := verify.NewConversion(&verify.ConversionOptions{AtLeast: 1, Alarm: func(context.Context, verify.Rate) {}})
	require.NoError(t, err)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for k := range 50 {
				id := fmt.Sprint(i, "/", k)
				_ = conv.Record(t.Context(), told(id, verify.EventStarted, verify.StatePending, time.Now()))
				_ = conv.Record(t.Context(), told(id, verify.EventConfirmed, verify.StateConfirmed, time.Now()))
				conv.Rates()
			}
		})
	}
	wg.Wait()
	require.Equal(t, []verify.Rate{{Channel: "sms", Method: verify.MethodCode, Started: 400, Confirmed: 400}}, conv.Rates())
}

// BenchmarkConversion measures a challenge of two events, and what is kept of each in the window.
func BenchmarkConversion(b *testing.B) {
	conv, err := verify.NewConversion(&verify.ConversionOptions{Now: func() time.Time { return noon }})
	require.NoError(b, err)
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before, n := heap(), 0
	for b.Loop() {
		n++
		id := fmt.Sprintf("%032d", n) // as long as a real one
		_ = conv.Record(b.Context(), told(id, verify.EventStarted, verify.StatePending, noon))
		_ = conv.Record(b.Context(), told(id, verify.EventConfirmed, verify.StateConfirmed, noon))
	}
	b.ReportMetric((float64(heap())-float64(before))/float64(n), "B/challenge")
	require.Equal(b, n, conv.Rates()[0].Confirmed)
}
