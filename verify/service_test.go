package verify_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/verify"
	"github.com/mspkit/mspkit/verify/memstore"
	"github.com/stretchr/testify/require"
)

const tenant = mspkit.TenantID("contoso")

var jane = verify.Technician{ID: "jane", Name: "Jane Doe"}

// outbox is a channel that keeps what it was given.
type outbox struct {
	mu        sync.Mutex
	sent      []verify.Delivery
	assurance verify.Assurance
	err       error
}

func (o *outbox) Deliver(_ context.Context, d verify.Delivery) (verify.Receipt, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.err != nil {
		return verify.Receipt{}, o.err
	}
	o.sent = append(o.sent, d)
	return verify.Receipt{ID: "m" + string(rune('0'+len(o.sent)))}, nil
}

func (o *outbox) Assurance() verify.Assurance { return o.assurance }

func (o *outbox) last(t testing.TB) verify.Delivery {
	t.Helper()
	o.mu.Lock()
	defer o.mu.Unlock()
	require.NotEmpty(t, o.sent, "nothing was delivered")
	return o.sent[len(o.sent)-1]
}

func (o *outbox) count() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.sent)
}

// world is a service with a clock that tests move.
type world struct {
	*verify.Service
	mu         sync.Mutex
	clock      time.Time
	key        mspkit.Key
	ring       *mspkit.KeyRing
	store      verify.Store
	mail, sms  *outbox
	events     []verify.Event
	settings   verify.Settings
	recordErr  error
	authorized bool
}

func (w *world) now() time.Time { w.mu.Lock(); defer w.mu.Unlock(); return w.clock }

func (w *world) pass(d time.Duration) { w.mu.Lock(); defer w.mu.Unlock(); w.clock = w.clock.Add(d) }

func newWorld(t testing.TB, change ...func(*world, *verify.Options)) *world {
	t.Helper()
	key := mspkit.NewKey("k1")
	ring, err := mspkit.NewKeyRing(key)
	require.NoError(t, err)
	w := &world{
		key:   key,
		clock: time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC), ring: ring, store: memstore.New(),
		mail: &outbox{assurance: verify.AssuranceEmail}, sms: &outbox{assurance: verify.AssuranceSMS},
		settings: verify.Settings{Brand: mspkit.Brand{Name: "Contoso IT"}, Limits: verify.Limits{Cooldown: -1}},
	}
	o := &verify.Options{
		Channels: map[string]verify.Channel{"email": w.mail, "sms": w.sms},
		Now:      w.now,
		Recorder: verify.RecorderFunc(func(_ context.Context, e verify.Event) error {
			if w.recordErr != nil {
				return w.recordErr
			}
			w.mu.Lock()
			defer w.mu.Unlock()
			w.events = append(w.events, e)
			return nil
		}),
		Authorize: func(context.Context, mspkit.TenantID, string, verify.Permission) error {
			if !w.authorized {
				return verify.ErrForbidden
			}
			return nil
		},
	}
	for _, c := range change {
		c(w, o)
	}
	w.Service, err = verify.New(w.store, ring, "https://help.example/verify", func(context.Context, mspkit.TenantID) (verify.Settings, error) {
		return w.settings, nil
	}, o)
	require.NoError(t, err)
	return w
}

func (w *world) dana() verify.Subject {
	long := w.clock.Add(-365 * 24 * time.Hour)
	return verify.Subject{ID: "dana", Name: "Dana", Company: "Contoso", Destinations: []verify.Destination{
		{Channel: "email", Address: "Dana@Contoso.example", FirstSeen: long},
		{Channel: "sms", Address: "+15550100123", FirstSeen: long},
	}}
}

func (w *world) request() verify.StartRequest {
	return verify.StartRequest{
		Tenant: tenant, Subject: w.dana(), Action: verify.ActionIdentify, Technician: jane,
		Ticket: mspkit.Ticket{System: "psa", ID: "4711"},
	}
}

func (w *world) kinds(t testing.TB) []verify.EventKind {
	t.Helper()
	require.NoError(t, w.RunOnce(t.Context()))
	var out []verify.EventKind
	for _, e := range w.events {
		out = append(out, e.Kind)
	}
	return out
}

func TestNumberMatchConfirmsAndItsProofIsRedeemedOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := t.Context()
	c, err := w.Start(ctx, w.request())
	require.NoError(t, err)
	require.Equal(t, verify.StatePending, c.State)
	require.Len(t, c.Number.Reveal(), 3)
	require.Equal(t, "email", c.Channel)
	require.Equal(t, "d•••@c•••.example", c.To)

	tok := w.mail.last(t).Link.Reveal()[len("https://help.example/verify/v/"):]
	view, err := w.View(ctx, tok)
	require.NoError(t, err)
	require.Equal(t, "Jane Doe", view.Technician)
	require.Equal(t, "confirm who you are", view.Purpose)
	res, err := w.Answer(ctx, verify.Answer{Ref: view.Ref, Method: verify.MethodNumber, Response: c.Number.Reveal()})
	require.NoError(t, err)
	require.Equal(t, verify.StateConfirmed, res.State)
	require.Empty(t, res.Proof.Reveal(), "the caller must not get the proof")

	c, err = w.Wait(ctx, c.Ref, jane.ID)
	require.NoError(t, err)
	require.Equal(t, verify.StateConfirmed, c.State)
	want := verify.Expect{Tenant: tenant, Subject: "dana", Action: verify.ActionIdentify, Technician: "jane", Ticket: mspkit.Ticket{System: "psa", ID: "4711"}}
	require.NoError(t, w.Redeem(ctx, c.Proof, want, "job-1"))
	require.NoError(t, w.Redeem(ctx, c.Proof, want, "job-1"), "the same use may ask again")
	require.ErrorIs(t, w.Redeem(ctx, c.Proof, want, "job-2"), verify.ErrRedeemed)
	require.Equal(t, []verify.EventKind{verify.EventStarted, verify.EventSent, verify.EventAttempted, verify.EventConfirmed, verify.EventRedeemed}, w.kinds(t))
}
