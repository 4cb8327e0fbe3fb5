package verify_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/verify"
	"github.com/mspkit/mspkit/verify/memstore"
	"github.com/mspkit/mspkit/verify/verifytest"
	"github.com/stretchr/testify/require"
)

// ledger is a meter that keeps what it is told.
type ledger struct {
	mu     sync.Mutex
	counts map[string]int64
	times  map[string][]time.Duration
	keys   map[string]string // the attributes of each metric
	values []string
}

func line(name string, attrs []mspkit.Attr) (text, keys string) {
	parts, names := []string{strings.TrimPrefix(name, "mspkit.verify.")}, []string{}
	for _, a := range attrs {
		parts = append(parts, a.Key+"="+a.Value)
		names = append(names, a.Key)
	}
	return strings.Join(parts, " "), strings.Join(names, ", ")
}

func (l *ledger) note(name string, attrs []mspkit.Attr) string {
	text, keys := line(name, attrs)
	if l.counts == nil {
		l.counts, l.times, l.keys = map[string]int64{}, map[string][]time.Duration{}, map[string]string{}
	}
	if old, ok := l.keys[name]; ok && old != keys {
		panic(name + " has the keys " + old + " and " + keys)
	}
	l.keys[name] = keys
	for _, a := range attrs {
		l.values = append(l.values, a.Value)
	}
	return text
}

func (l *ledger) Count(_ context.Context, name string, n int64, attrs ...mspkit.Attr) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.counts[l.note(name, attrs)] += n
}

func (l *ledger) Time(_ context.Context, name string, d time.Duration, attrs ...mspkit.Attr) {
	l.mu.Lock()
	defer l.mu.Unlock()
	text := l.note(name, attrs)
	l.times[text] = append(l.times[text], d)
}

// counted returns every counter as "name key=value… n", sorted.
func (l *ledger) counted() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := []string{}
	for text, n := range l.counts {
		out = append(out, fmt.Sprint(text, " ", n))
	}
	slices.Sort(out)
	return out
}

// newMetered is a world with a chat, a meter, and somebody who looks people up.
func newMetered(t testing.TB, change ...func(*world, *verify.Options)) (*world, *chat, *ledger) {
	t.Helper()
	l := &ledger{}
	w, ch := newChatWorld(t, append([]func(*world, *verify.Options){func(w *world, o *verify.Options) {
		o.Meter = l
		o.Lookup = func(_ context.Context, tenant mspkit.TenantID, _ string) (*verify.TechnicianRequest, error) {
			return &verify.TechnicianRequest{Tenant: tenant, Subject: w.inChat().Subject}, nil
		}
		w.authorized = true
	}}, change...)...)
	return w, ch, l
}

// by asks for one channel and method.
func (w *world) by(channel string, m verify.Method) verify.StartRequest {
	r := w.inChat()
	r.Channel, r.Method = channel, m
	return r
}

func (w *world) start(t testing.TB, r verify.StartRequest) verify.Challenge {
	t.Helper()
	c, err := w.Start(t.Context(), r)
	require.NoError(t, err)
	return c
}

func TestEveryPathMovesItsCountersAndNoOther(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	seen := map[string]string{}
	keep := func(t *testing.T, l *ledger) {
		t.Helper()
		mu.Lock()
		defer mu.Unlock()
		for name, keys := range l.keys {
			if old, ok := seen[name]; ok {
				require.Equal(t, old, keys, "the attributes of %s vary", name)
			}
			seen[name] = keys
		}
	}
	t.Run("paths", func(t *testing.T) {
		t.Parallel()
		for name, tc := range paths {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				change := tc.change
				if change == nil {
					change = func(*world, *verify.Options) {}
				}
				w, ch, l := newMetered(t, change)
				tc.play(t, w, ch)
				require.Equal(t, tc.want, l.counted())
				keep(t, l)
			})
		}
	})
	t.Cleanup(func() {
		if t.Failed() {
			return
		}
		require.Equal(t, documented(t), seen, "the table in doc.go lists exactly what is reported")
	})
}

// documented returns the metrics of the table in doc.go with their attributes.
func documented(t *testing.T) map[string]string {
	t.Helper()
	doc, err := os.ReadFile("doc.go")
	require.NoError(t, err)
	out := map[string]string{}
	for _, m := range regexp.MustCompile(`(?m)^//\t(mspkit\.verify\.[a-z.]+) +([a-z]+(?:, [a-z]+)*|-)  `).FindAllStringSubmatch(string(doc), -1) {
		out[m[1]] = strings.TrimSuffix(m[2], "-")
	}
	return out
}

func TestTimesAreThoseOfTheClock(t *testing.T) {
	t.Parallel()
	w, _, l := newMetered(t)
	ctx := t.Context()
	c := w.start(t, w.by("email", verify.MethodNumber))
	w.pass(40 * time.Second)
	_, err := w.Answer(ctx, verify.Answer{Ref: c.Ref, Method: verify.MethodNumber, Response: c.Number.Reveal()})
	require.NoError(t, err)
	w.pass(-time.Minute) // the next instance's clock is behind
	require.NoError(t, w.RunOnce(ctx))
	require.Equal(t, []time.Duration{40 * time.Second}, l.times["ended.duration channel=email method=number outcome=confirmed"])
	require.Equal(t, []time.Duration{0, 0, 0, 0}, l.times["event.age outcome=ok"], "no time is negative")

	c = w.start(t, w.by("email", verify.MethodNumber))
	w.recordErr = errors.New("ticket system down")
	w.pass(3 * time.Minute)
	require.Error(t, w.RunOnce(ctx))
	require.Equal(t, []time.Duration{3 * time.Minute}, l.times["event.age outcome=error"], "a backlog grows old")
	for _, text := range []string{
		"duration verb=start outcome=ok", "duration verb=answer outcome=ok", "deliver.duration channel=email outcome=sent",
		"run.duration outcome=ok", "run.duration outcome=host", "store.duration verb=begin outcome=ok", "store.duration verb=attempt outcome=ok",
	} {
		require.NotEmpty(t, l.times[text], text)
	}

	waiting, cancel := context.WithCancel(ctx)
	cancel()
	_, err = w.Wait(waiting, c.Ref, jane.ID)
	require.Error(t, err)
	require.Len(t, l.times["duration verb=wait outcome=cancelled"], 1)
}

func TestInstancesTogetherCountEveryChangeOnce(t *testing.T) {
	t.Parallel()
	w, _, portal := newMetered(t)
	ctx, pages := t.Context(), &ledger{}
	other, err := verify.New(w.store, w.ring, "https://help.example/verify", verify.Same(w.settings), &verify.Options{
		Channels: map[string]verify.Channel{"email": w.mail}, Now: w.now, Meter: pages,
	})
	require.NoError(t, err)
	for n := range 3 {
		c := w.start(t, w.by("email", verify.MethodNumber))
		if n == 0 {
			_, err := other.Answer(ctx, verify.Answer{Ref: c.Ref, Method: verify.MethodNumber, Response: c.Number.Reveal()})
			require.NoError(t, err)
		}
	}
	w.pass(10 * time.Minute)
	require.NoError(t, other.RunOnce(ctx))
	require.NoError(t, w.RunOnce(ctx))
	require.Equal(t, []string{"messages channel=email outcome=sent 3", "started channel=email method=number action=identify 3"}, portal.counted())
	require.Equal(t, []string{
		"ended channel=email method=number action=identify outcome=confirmed 1",
		"events kind=attempted outcome=ok 1", "events kind=confirmed outcome=ok 1", "events kind=expired outcome=ok 2", "events kind=sent outcome=ok 3",
		"events kind=started outcome=ok 3", "expired 2", "tries verb=answer outcome=confirmed 1",
	}, pages.counted())
}

// takes is a channel, a store and a recorder that take their time by the clock of a test.
type takes struct {
	*outbox
	verify.Store
	w *world
	d time.Duration
}

func (s *takes) Deliver(ctx context.Context, d verify.Delivery) (verify.Receipt, error) {
	s.w.pass(s.d)
	return s.outbox.Deliver(ctx, d)
}

func (s *takes) Begin(ctx context.Context, n verify.NewChallenge, limits []verify.Limit, now time.Time) (verify.Record, bool, error) {
	s.w.pass(s.d)
	return s.Store.Begin(ctx, n, limits, now)
}

func TestWhatIsSlowShowsWhereItIs(t *testing.T) {
	t.Parallel()
	w, _, l := newMetered(t, func(w *world, o *verify.Options) {
		o.Channels["email"] = &takes{outbox: w.mail, w: w, d: 2 * time.Second}
		w.store = &takes{Store: w.store, w: w, d: time.Second}
	})
	w.start(t, w.by("email", verify.MethodNumber))
	require.Equal(t, []time.Duration{3 * time.Second}, l.times["duration verb=start outcome=ok"])
	require.Equal(t, []time.Duration{2 * time.Second}, l.times["deliver.duration channel=email outcome=sent"])
	require.Equal(t, []time.Duration{time.Second}, l.times["store.duration verb=begin outcome=ok"])
}

func TestNoAttributeHoldsAnythingOfARequest(t *testing.T) {
	t.Parallel()
	const mark = "zq7"
	var secret []string // codes, numbers, words, ids, links
	w, ch, l := newMetered(t, func(w *world, o *verify.Options) {
		w.settings.Policy = verify.Policy{mark: {Min: verify.AssuranceEmailCode, Words: map[string]string{"en": mark}}}
		o.Recorder = verify.RecorderFunc(func(_ context.Context, e verify.Event) error {
			secret = append(secret, e.ID)
			if e.Challenge != "" {
				secret = append(secret, e.Challenge)
			}
			return nil
		})
		old := o.Lookup
		o.Lookup = func(ctx context.Context, tenant mspkit.TenantID, a string) (*verify.TechnicianRequest, error) {
			if strings.Contains(a, "fault") {
				return nil, errors.New(mark)
			}
			return old(ctx, tenant, a)
		}
	})
	ctx := t.Context()
	tech := verify.Technician{ID: mark + "-jane", Name: mark}
	request := verify.StartRequest{
		Tenant: mark + "-tenant", Action: mark, Technician: tech, Ticket: mspkit.Ticket{System: mark, ID: mark}, IdempotencyKey: mark,
		Subject: verify.Subject{ID: mark + "-dana", Name: mark, Company: mark, Destinations: []verify.Destination{
			{Channel: "chat", Address: mark + "@chat", FirstSeen: time.Unix(1, 0)},
			{Channel: "sms", Address: "+1555" + mark, FirstSeen: time.Unix(1, 0)},
			{Channel: "email", Address: mark + "@contoso.example", FirstSeen: time.Unix(1, 0)},
			{Channel: mark, Address: mark, FirstSeen: time.Unix(1, 0)},
		}},
	}
	ch.err = &verify.DeliveryError{Reason: mark, Err: errors.New(mark)}
	c, err := w.Start(ctx, request)
	require.NoError(t, err)
	require.Equal(t, "sms", c.Channel)
	secret = append(secret, c.Ref.ID, c.Number.Reveal(), c.Word.Reveal(), w.sms.last(t).Key, w.sms.last(t).Link.Reveal())
	require.NoError(t, w.Delivered(ctx, w.sms.last(t).Key, verify.DeliveryFailed, mark))
	_ = w.Delivered(ctx, mark, verify.DeliveryFailed, mark)
	_, _ = w.Answer(ctx, verify.Answer{Ref: verify.Ref{Tenant: mark, ID: mark}, Method: mark, Response: mark, From: mark})
	_, _ = w.Answer(ctx, verify.Answer{Ref: c.Ref, Method: verify.MethodNumber, Response: mark})
	_, _ = w.Answer(ctx, verify.Answer{Ref: c.Ref, Method: verify.MethodNumber, Response: c.Number.Reveal()})
	_, _ = w.Deny(ctx, verify.Denial{Ref: c.Ref, Word: mark, From: mark})
	_ = w.Hint(ctx, c.Ref)
	c, err = w.Get(ctx, c.Ref, tech.ID)
	require.NoError(t, err)
	require.NotEmpty(t, c.Proof.Reveal())
	secret = append(secret, c.Proof.Reveal())
	_ = w.Redeem(ctx, c.Proof, verify.Expect{Tenant: request.Tenant, Subject: request.Subject.ID, Action: mark, Technician: tech.ID, Ticket: request.Ticket}, mark)
	_ = w.Redeem(ctx, c.Proof, verify.Expect{Tenant: request.Tenant, Subject: mark}, mark)
	request.IdempotencyKey, request.Channel, request.Method = "", "sms", verify.MethodCode
	c, err = w.Start(ctx, request)
	require.NoError(t, err)
	secret = append(secret, w.sms.last(t).Code.Reveal())
	_, _ = w.Check(ctx, verify.CheckRequest{Tenant: request.Tenant, ID: c.Ref.ID, Response: mark, Technician: mark})
	_, _ = w.Check(ctx, verify.CheckRequest{Tenant: request.Tenant, ID: c.Ref.ID, Response: "0000000", Technician: tech.ID})
	_, _ = w.Renew(ctx, verify.RenewRequest{Ref: c.Ref, Technician: tech.ID, Send: true})
	_ = w.Cancel(ctx, c.Ref, tech.ID, mark)
	for _, change := range []func(*verify.StartRequest){
		func(r *verify.StartRequest) { r.Tenant = mark + "\n" },
		func(r *verify.StartRequest) { r.Action = mark + "-unknown" },
		func(r *verify.StartRequest) { r.Channel = mark },
		func(r *verify.StartRequest) { r.Method = mark },
	} {
		r := request
		change(&r)
		_, err = w.Start(ctx, r)
		require.Error(t, err)
	}
	_, _ = w.StartTechnician(ctx, verify.TechnicianRequest{Tenant: request.Tenant, Subject: request.Subject, Channel: mark, By: mark})
	_, _ = w.StartTechnician(ctx, verify.TechnicianRequest{Tenant: request.Tenant, Subject: request.Subject, By: mark})
	_, _ = w.Ask(ctx, verify.AskRequest{Tenant: request.Tenant, Channel: mark, From: mark})
	_, _ = w.Ask(ctx, verify.AskRequest{Tenant: request.Tenant, Channel: "chat", From: mark + "@chat"})
	require.NoError(t, w.RequestTechnician(ctx, verify.PublicRequest{Tenant: request.Tenant, Address: mark + "@contoso.example"}))
	require.NoError(t, w.RequestTechnician(ctx, verify.PublicRequest{Tenant: request.Tenant, Address: mark + "fault"}))
	require.NoError(t, w.Freeze(ctx, request.Tenant, request.Subject.ID, tech.ID, mark, time.Hour))
	w.pass(time.Hour)
	require.Error(t, w.RunOnce(ctx), "the look-up that fails")

	require.Greater(t, len(secret), 20)
	require.Greater(t, len(l.values), 100)
	for _, v := range l.values {
		require.NotContains(t, v, mark)
		for _, s := range secret {
			require.NotContains(t, v, s)
		}
	}
}

// fragile is a meter that panics.
type fragile struct{}

func (fragile) Count(context.Context, string, int64, ...mspkit.Attr) { panic("no instrument") }

func (fragile) Time(context.Context, string, time.Duration, ...mspkit.Attr) { panic("no instrument") }

func TestAMeterThatPanicsHarmsNoVerification(t *testing.T) {
	t.Parallel()
	var logged bytes.Buffer
	w := newWorld(t, func(_ *world, o *verify.Options) {
		o.Meter = fragile{}
		o.Logger = slog.New(slog.NewTextHandler(&logged, nil))
	})
	c := w.start(t, w.request())
	res, err := w.Answer(t.Context(), verify.Answer{Ref: c.Ref, Method: verify.MethodNumber, Response: c.Number.Reveal()})
	require.NoError(t, err)
	require.Equal(t, verify.StateConfirmed, res.State)
	require.NoError(t, w.RunOnce(t.Context()))
	require.Contains(t, logged.String(), "the meter panicked")
	require.Contains(t, logged.String(), "metric="+verify.MetricStarted)
}

// telling is a store that can tell when a record changes.
type telling struct{ verify.Store }

func (telling) Watch(context.Context, verify.Ref) iter.Seq2[verify.Record, error] { return nil }

func TestAMeteredStoreIsWhatItWas(t *testing.T) {
	t.Parallel()
	mem := memstore.New()
	for name, s := range map[string]verify.Store{
		"no watcher": mem,
		"a watcher":  telling{mem},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := verify.Metered(s, &ledger{}, time.Now)
			_, watches := s.(verify.Watcher)
			_, still := m.(verify.Watcher)
			require.Equal(t, watches, still)
		})
	}
	verifytest.TestStore(t, func(*testing.T) func() verify.Store {
		st := verify.Metered(memstore.New(), &ledger{}, time.Now)
		return func() verify.Store { return st }
	})
}

// tally is a meter that does nothing but count its calls.
type tally struct{ calls int }

func (m *tally) Count(context.Context, string, int64, ...mspkit.Attr)        { m.calls++ }
func (m *tally) Time(context.Context, string, time.Duration, ...mspkit.Attr) { m.calls++ }

// BenchmarkMeter measures Start and Check on memory, with a meter that only counts its calls and without one, in turns: the medians,
// and their ratio.
func BenchmarkMeter(b *testing.B) {
	open := func(m mspkit.Meter) *world {
		return newWorld(b, func(w *world, o *verify.Options) {
			w.settings.Limits = verify.Limits{Cooldown: -1, PerDestination: -1, PerSubject: -1}
			o.Meter, o.Now = m, time.Now
		})
	}
	round := func(w *world) time.Duration {
		r := w.request()
		r.Channel, r.Method, r.Action = "sms", verify.MethodCode, verify.ActionUnlock
		began := time.Now()
		c, err := w.Start(b.Context(), r)
		require.NoError(b, err)
		_, err = w.Check(b.Context(), verify.CheckRequest{Tenant: tenant, ID: c.Ref.ID, Response: w.sms.sent[0].Code.Reveal(), Technician: jane.ID})
		took := time.Since(began)
		require.NoError(b, err)
		w.sms.sent = nil
		return took
	}
	m := &tally{}
	worlds := []*world{open(m), open(nil)}
	times := make([][]time.Duration, 2)
	for n := 0; b.Loop(); n++ {
		for _, i := range []int{n % 2, 1 - n%2} {
			times[i] = append(times[i], round(worlds[i]))
		}
	}
	b.ReportMetric(float64(m.calls)/float64(len(times[0])), "calls/op")
	median := func(ds []time.Duration) float64 { // so that what else the machine does counts for nothing
		slices.Sort(ds)
		return float64(ds[len(ds)/2].Nanoseconds())
	}
	b.ReportMetric(median(times[0]), "with-ns/op")
	b.ReportMetric(median(times[1]), "without-ns/op")
	b.ReportMetric(median(times[0])/median(times[1]), "x/without")
}
