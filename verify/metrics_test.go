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

// stuck is a store that fails.
type stuck struct{ verify.Store }

func (stuck) Begin(context.Context, verify.NewChallenge, []verify.Limit, time.Time) (verify.Record, bool, error) {
	return verify.Record{}, false, errors.New("connection refused")
}

func (stuck) DeleteExpired(context.Context, time.Time, time.Time, time.Time, int) (int, error) {
	return 0, errors.New("connection refused")
}

// paths are the ways through a service, each with every counter that it moves.
var paths = map[string]struct {
	change func(*world, *verify.Options)
	play   func(*testing.T, *world, *chat)
	want   []string
}{
	"a number is confirmed and its proof redeemed": {
		play: func(t *testing.T, w *world, _ *chat) {
			t.Helper()
			c := w.start(t, w.by("email", verify.MethodNumber))
			_, _ = w.Answer(t.Context(), verify.Answer{Ref: c.Ref, Method: verify.MethodNumber, Response: "0000"})
			_, _ = w.Answer(t.Context(), verify.Answer{Ref: c.Ref, Method: verify.MethodNumber, Response: c.Number.Reveal()})
			c, err := w.Wait(t.Context(), c.Ref, jane.ID)
			require.NoError(t, err)
			e := verify.Expect{Tenant: tenant, Subject: "dana", Action: verify.ActionIdentify, Technician: "jane", Ticket: mspkit.Ticket{System: "psa", ID: "4711"}}
			require.NoError(t, w.Redeem(t.Context(), c.Proof, e, "job-1"))
			require.ErrorIs(t, w.Redeem(t.Context(), c.Proof, e, "job-2"), verify.ErrRedeemed)
			require.ErrorIs(t, w.Redeem(t.Context(), c.Proof, verify.Expect{Tenant: "fabrikam"}, "job-1"), verify.ErrProof)
			require.NoError(t, w.RunOnce(t.Context()))
		},
		want: []string{
			"ended channel=email method=number action=identify outcome=confirmed 1",
			"events kind=attempted outcome=ok 2", "events kind=confirmed outcome=ok 1", "events kind=redeemed outcome=ok 1",
			"events kind=sent outcome=ok 1", "events kind=started outcome=ok 1",
			"messages channel=email outcome=sent 1",
			"proofs outcome=ok 1", "proofs outcome=proof 1", "proofs outcome=redeemed-already 1",
			"refused verb=redeem reason=proof limit= 1", "refused verb=redeem reason=redeemed-already limit= 1",
			"started channel=email method=number action=identify 1",
			"tries verb=answer outcome=confirmed 1", "tries verb=answer outcome=wrong 1",
		},
	},
	"a code fails, is renewed and confirmed, and the phone says that it arrived": {
		play: func(t *testing.T, w *world, _ *chat) {
			t.Helper()
			ctx := t.Context()
			w.settings.Limits.CodeTries = 1
			r := w.by("sms", verify.MethodCode)
			r.Action = verify.ActionUnlock
			c := w.start(t, r)
			check := verify.CheckRequest{Tenant: tenant, ID: c.Ref.ID, Response: "0000000", Technician: jane.ID}
			_, err := w.Check(ctx, check)
			require.NoError(t, err)
			require.NoError(t, w.Delivered(ctx, w.sms.last(t).Key, verify.DeliveryDelivered, ""))
			require.NoError(t, w.Delivered(ctx, w.sms.last(t).Key, verify.DeliveryDelivered, ""), "told twice")
			_, err = w.Renew(ctx, verify.RenewRequest{Ref: c.Ref, Technician: jane.ID})
			require.NoError(t, err)
			check.Response = w.sms.last(t).Code.Reveal()
			_, err = w.Check(ctx, check)
			require.NoError(t, err)
			check.Response = "code"
			_, err = w.Check(ctx, check)
			require.ErrorIs(t, err, verify.ErrFormat)
			check.Response, check.ID = "123456", "nobody"
			_, err = w.Check(ctx, check)
			require.ErrorIs(t, err, verify.ErrNotFound)
		},
		want: []string{
			"ended channel=sms method=code action=unlock-account outcome=confirmed 1",
			"ended channel=sms method=code action=unlock-account outcome=failed 1",
			"messages channel=sms outcome=delivered 1", "messages channel=sms outcome=sent 2",
			"refused verb=check reason=format limit= 1", "refused verb=check reason=not-found limit= 1",
			"renewed channel=sms method=code 1",
			"started channel=sms method=code action=unlock-account 1",
			"tries verb=check outcome=confirmed 1", "tries verb=check outcome=failed 1", "tries verb=check outcome=format 1",
			"tries verb=check outcome=not-found 1",
		},
	},
	"a second technician approves": {
		play: func(t *testing.T, w *world, _ *chat) {
			t.Helper()
			ctx := t.Context()
			w.settings.Approval = verify.Approval{Subjects: []string{"dana"}}
			c := w.start(t, w.by("email", verify.MethodNumber))
			_, err := w.Approve(ctx, c.Ref, "omar", "too early")
			require.ErrorIs(t, err, verify.ErrNotPending)
			_, err = w.Answer(ctx, verify.Answer{Ref: c.Ref, Method: verify.MethodNumber, Response: c.Number.Reveal()})
			require.NoError(t, err)
			_, err = w.Approve(ctx, c.Ref, jane.ID, "it is her")
			require.ErrorIs(t, err, verify.ErrForbidden)
			_, err = w.Approve(ctx, c.Ref, "omar", "spoke to her too")
			require.NoError(t, err)
		},
		want: []string{
			"approved outcome=forbidden 1", "approved outcome=not-pending 1", "approved outcome=ok 1",
			"ended channel=email method=number action=identify outcome=confirmed 1",
			"messages channel=email outcome=sent 1",
			"refused verb=approve reason=forbidden limit= 1", "refused verb=approve reason=not-pending limit= 1",
			"started channel=email method=number action=identify 1",
			"tries verb=answer outcome=confirmed 1",
		},
	},
	"a repeated request starts once": {
		play: func(t *testing.T, w *world, _ *chat) {
			t.Helper()
			r := w.by("email", verify.MethodNumber)
			r.IdempotencyKey = "press-1"
			w.start(t, r)
			w.start(t, r)
			r.Subject.ID = "erin"
			_, err := w.Start(t.Context(), r)
			require.ErrorIs(t, err, verify.ErrConflict)
		},
		want: []string{
			"messages channel=email outcome=sent 1", "refused verb=start reason=conflict limit= 1",
			"started channel=email method=number action=identify 1",
		},
	},
	"every refusal": {
		play: func(t *testing.T, w *world, _ *chat) {
			t.Helper()
			ctx := t.Context()
			w.settings.Limits = verify.Limits{Cooldown: time.Minute, LockAfter: 1}
			start := func(is error, change func(*verify.StartRequest)) {
				t.Helper()
				r := w.by("sms", verify.MethodCode)
				r.Action = verify.ActionUnlock
				change(&r)
				_, err := w.Start(ctx, r)
				require.ErrorIs(t, err, is)
			}
			start(verify.ErrPolicy, func(r *verify.StartRequest) { r.Action = "no such thing" })
			start(verify.ErrPolicy, func(r *verify.StartRequest) { r.Action = verify.ActionResetMFA })
			start(verify.ErrNoChannel, func(r *verify.StartRequest) { r.Channel = "fax" })
			start(verify.ErrInvalid, func(r *verify.StartRequest) { r.Technician.Name = "" })
			start(nil, func(*verify.StartRequest) {})
			start(verify.ErrLimited, func(*verify.StartRequest) {})
			open, err := w.Open(ctx, tenant, jane.ID)
			require.NoError(t, err)
			_, err = w.Check(ctx, verify.CheckRequest{Tenant: tenant, ID: open[0].Ref.ID, Response: "0000000", Technician: jane.ID})
			require.NoError(t, err)
			w.pass(2 * time.Minute)
			start(verify.ErrLocked, func(*verify.StartRequest) {})
			require.NoError(t, w.Freeze(ctx, tenant, "dana", jane.ID, "phone stolen", time.Hour))
			start(verify.ErrFrozen, func(*verify.StartRequest) {})
			require.NoError(t, w.Unfreeze(ctx, tenant, "dana", jane.ID, "found"))
			require.NoError(t, w.Unlock(ctx, tenant, "dana", jane.ID, "spoke to the manager"))
			_, err = w.Renew(ctx, verify.RenewRequest{Ref: open[0].Ref, Technician: "mallory"})
			require.ErrorIs(t, err, verify.ErrForbidden)
		},
		want: []string{
			"messages channel=sms outcome=sent 1",
			"refused verb=renew reason=forbidden limit= 1",
			"refused verb=start reason=frozen limit= 1", "refused verb=start reason=invalid limit= 1",
			"refused verb=start reason=limit limit=cooldown 1", "refused verb=start reason=locked limit= 1",
			"refused verb=start reason=no-channel limit= 1", "refused verb=start reason=policy limit= 2",
			"started channel=sms method=code action=unlock-account 1",
			"subjects change=frozen 1", "subjects change=locked 1", "subjects change=unfrozen 1", "subjects change=unlocked 1",
			"tries verb=check outcome=wrong 1",
		},
	},
	"the chat cannot be reached and the next way is taken": {
		play: func(t *testing.T, w *world, ch *chat) {
			t.Helper()
			ch.err = errors.New("blocked")
			w.start(t, w.inChat())
		},
		want: []string{
			"ended channel=chat method=number action=identify outcome=failed-over 1",
			"failover from=chat to=email 1",
			"messages channel=chat outcome=failed 1", "messages channel=email outcome=sent 1",
			"started channel=chat method=number action=identify 1", "started channel=email method=number action=identify 1",
		},
	},
	"nobody can be reached": {
		play: func(t *testing.T, w *world, _ *chat) {
			t.Helper()
			w.sms.err = errors.New("blocked")
			_, err := w.Start(t.Context(), w.by("sms", verify.MethodNumber))
			require.ErrorIs(t, err, verify.ErrDelivery)
		},
		want: []string{"messages channel=sms outcome=failed 1", "started channel=sms method=number action=identify 1"},
	},
	"not me, in the chat, by the technician's word, and only pressed": {
		play: func(t *testing.T, w *world, _ *chat) {
			t.Helper()
			ctx := t.Context()
			c := w.start(t, w.by("email", verify.MethodNumber))
			require.NoError(t, w.Hint(ctx, c.Ref))
			_, err := w.Deny(ctx, verify.Denial{Ref: c.Ref, Word: "no word"})
			require.NoError(t, err)
			_, err = w.Deny(ctx, verify.Denial{Ref: c.Ref, Word: c.Word.Reveal()})
			require.NoError(t, err)
			c = w.start(t, w.inChat())
			_, err = w.Deny(ctx, verify.Denial{Ref: c.Ref, From: "erin@chat"})
			require.ErrorIs(t, err, verify.ErrForbidden)
			_, err = w.Deny(ctx, verify.Denial{Ref: c.Ref, From: "dana@chat"})
			require.NoError(t, err)
			_, err = w.Deny(ctx, verify.Denial{Ref: c.Ref, From: "dana@chat"})
			require.NoError(t, err)
		},
		want: []string{
			"ended channel=chat method=number action=identify outcome=denied 1",
			"ended channel=email method=number action=identify outcome=denied 1",
			"hints kind=denial-hint 1",
			"messages channel=chat outcome=sent 1", "messages channel=email outcome=sent 1",
			"refused verb=deny reason=forbidden limit= 1",
			"started channel=chat method=number action=identify 1", "started channel=email method=number action=identify 1",
			"subjects change=frozen 2",
			"tries verb=deny outcome=denied 2", "tries verb=deny outcome=forbidden 1", "tries verb=deny outcome=frozen 1", "tries verb=deny outcome=wrong 1",
		},
	},
	"somebody else poses as the technician": {
		play: func(t *testing.T, w *world, _ *chat) {
			t.Helper()
			ctx := t.Context()
			c, err := w.Ask(ctx, verify.AskRequest{Tenant: tenant, Channel: "chat", From: "dana@chat"})
			require.NoError(t, err)
			for range 2 {
				_, err = w.Answer(ctx, verify.Answer{Ref: c.Ref, Method: verify.MethodWord, Response: "wrong word", From: "dana@chat"})
				require.NoError(t, err)
			}
			_, err = w.Ask(ctx, verify.AskRequest{Tenant: tenant, Channel: "chat", From: "erin@chat"})
			require.ErrorIs(t, err, verify.ErrNoChannel)
		},
		want: []string{
			"ended channel=chat method=word action= outcome=failed 1", "hints kind=mismatch 2",
			"messages channel=chat outcome=sent 1", "refused verb=ask reason=no-channel limit= 1",
			"started channel=chat method=word action= 1",
			"tries verb=answer outcome=failed 1", "tries verb=answer outcome=wrong 1",
		},
	},
	"the technician sends a link for the other way round": {
		play: func(t *testing.T, w *world, _ *chat) {
			t.Helper()
			_, err := w.StartTechnician(t.Context(), verify.TechnicianRequest{Tenant: tenant, Subject: w.dana(), By: jane.ID})
			require.NoError(t, err)
			_, err = w.StartTechnician(t.Context(), verify.TechnicianRequest{Tenant: tenant, Subject: verify.Subject{ID: "erin"}, By: jane.ID})
			require.ErrorIs(t, err, verify.ErrNoChannel)
		},
		want: []string{
			"messages channel=email outcome=sent 1", "refused verb=start-technician reason=no-channel limit= 1",
			"started channel=email method=word action= 1",
		},
	},
	"the public form is answered until its limit": {
		play: func(t *testing.T, w *world, _ *chat) {
			t.Helper()
			for range 4 {
				_ = w.RequestTechnician(t.Context(), verify.PublicRequest{Tenant: tenant, Address: "dana@contoso.example"})
			}
			w.pass(time.Minute)
			require.NoError(t, w.Freeze(t.Context(), tenant, "dana", jane.ID, "phone stolen", time.Hour))
			require.NoError(t, w.RunOnce(t.Context()))
		},
		want: []string{
			"events kind=frozen outcome=ok 1",
			"refused verb=answer-request reason=frozen limit= 3",
			"refused verb=request reason=limit limit=public requests 1",
			"subjects change=frozen 1",
		},
	},
	"what nobody answers is cancelled, expires and is deleted": {
		play: func(t *testing.T, w *world, _ *chat) {
			t.Helper()
			ctx := t.Context()
			c := w.start(t, w.by("email", verify.MethodNumber))
			w.start(t, w.by("email", verify.MethodNumber))
			w.start(t, w.by("sms", verify.MethodNumber))
			require.NoError(t, w.Cancel(ctx, c.Ref, jane.ID, "hung up"))
			w.pass(time.Hour)
			require.NoError(t, w.RunOnce(ctx))
		},
		want: []string{
			"ended channel=email method=number action=identify outcome=cancelled 1",
			"events kind=cancelled outcome=ok 1", "events kind=expired outcome=ok 2", "events kind=sent outcome=ok 3", "events kind=started outcome=ok 3",
			"expired 2",
			"messages channel=email outcome=sent 2", "messages channel=sms outcome=sent 1",
			"started channel=email method=number action=identify 2", "started channel=sms method=number action=identify 1",
		},
	},
	"what is old is deleted": {
		play: func(t *testing.T, w *world, _ *chat) {
			t.Helper()
			require.NoError(t, w.Freeze(t.Context(), tenant, "dana", jane.ID, "phone stolen", time.Hour))
			require.NoError(t, w.RequestTechnician(t.Context(), verify.PublicRequest{Tenant: tenant, Address: "dana@contoso.example"}))
			w.pass(2 * time.Hour) // the three counters of the form are over
			require.NoError(t, w.RunOnce(t.Context()))
		},
		want: []string{
			"deleted 3", "events kind=frozen outcome=ok 1", "messages channel=email outcome=sent 1",
			"started channel=email method=word action= 1", "subjects change=frozen 1",
		},
	},
	"a recorder that fails": {
		play: func(t *testing.T, w *world, _ *chat) {
			t.Helper()
			w.start(t, w.by("email", verify.MethodNumber))
			w.recordErr = errors.New("ticket system down")
			require.Error(t, w.RunOnce(t.Context()))
		},
		want: []string{
			"events kind=started outcome=error 1", "messages channel=email outcome=sent 1",
			"started channel=email method=number action=identify 1",
		},
	},
	"an action of a tenant's own": {
		play: func(t *testing.T, w *world, _ *chat) {
			t.Helper()
			w.settings.Policy = verify.Policy{"open the safe of Dana": {Min: verify.AssuranceEmail, Words: map[string]string{"en": "x"}}}
			r := w.by("email", verify.MethodNumber)
			r.Action = "open the safe of Dana"
			w.start(t, r)
		},
		want: []string{"messages channel=email outcome=sent 1", "started channel=email method=number action=custom 1"},
	},
	"a store that fails refuses nobody": {
		change: func(w *world, _ *verify.Options) { w.store = stuck{w.store} },
		play: func(t *testing.T, w *world, _ *chat) {
			t.Helper()
			_, err := w.Start(t.Context(), w.by("email", verify.MethodNumber))
			require.Error(t, err)
			require.Error(t, w.RunOnce(t.Context()))
		},
		want: []string{},
	},
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

// telling is a store that can tell when a record changes, and keeps no factors.
type telling struct{ verify.Store }

func (telling) Watch(context.Context, verify.Ref) iter.Seq2[verify.Record, error] { return nil }

func TestAMeteredStoreIsWhatItWas(t *testing.T) {
	t.Parallel()
	mem := memstore.New()
	for name, s := range map[string]verify.Store{
		"neither":             struct{ verify.Store }{mem},
		"a watcher":           telling{mem},
		"a keeper of factors": mem,
		"both": struct {
			telling
			verify.FactorStore
		}{telling{mem}, mem},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := verify.Metered(s, &ledger{}, time.Now)
			_, watches := s.(verify.Watcher)
			_, still := m.(verify.Watcher)
			require.Equal(t, watches, still)
			_, keeps := s.(verify.FactorStore)
			_, still = m.(verify.FactorStore)
			require.Equal(t, keeps, still)
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
