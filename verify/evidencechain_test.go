package verify_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/verify"
)

// chains is a store whose chains can fail.
type chains struct {
	verify.Store
	unchained func() error
	chain     func(mspkit.TenantID) error
	late      func() // runs between Unchained and Events
	read      int    // the largest limit that Unchained was asked for
}

func (s *chains) Unchained(ctx context.Context, limit int) ([]verify.Tail, error) {
	s.read = max(s.read, limit)
	if s.unchained != nil {
		if err := s.unchained(); err != nil {
			return nil, err
		}
	}
	tails, err := s.Store.Unchained(ctx, limit)
	if s.late != nil {
		late := s.late
		s.late = nil
		defer late()
	}
	return tails, err
}

func (s *chains) Chain(ctx context.Context, tenant mspkit.TenantID, head int64, events []verify.Event) error {
	if s.chain != nil {
		if err := s.chain(tenant); err != nil {
			return err
		}
	}
	return s.Store.Chain(ctx, tenant, head, events)
}

func onChains(change func(*chains)) func(*world, *verify.Options) {
	return func(w *world, _ *verify.Options) {
		s := &chains{Store: w.store}
		change(s)
		w.store = s
	}
}

// freeze stores one event of a tenant.
func (x *evidence) freeze(t testing.TB, tenant mspkit.TenantID) {
	t.Helper()
	until := x.now().Add(time.Hour)
	require.NoError(t, x.store.ChangeSubject(t.Context(), tenant, "erin", verify.SubjectChange{
		FrozenUntil: &until, Stamp: verify.Stamp{ID: verify.NewEventID(), Kind: verify.EventFrozen, By: "jane"},
	}, x.now()))
}

func TestTheRecorderGetsEventsWithTheirLinks(t *testing.T) {
	t.Parallel()
	var s *chains
	x := newEvidence(t, onChains(func(c *chains) { s = c }))
	x.verified(t)
	s.late = func() { x.freeze(t, tenant) } // comes when the others were read
	require.NoError(t, x.RunOnce(t.Context()))
	require.Len(t, x.events, 6)
	s.late = func() { x.freeze(t, tenant) } // comes when nothing else is there
	require.NoError(t, x.RunOnce(t.Context()))
	require.Len(t, x.events, 7)
	var known []verify.Anchor
	for i, e := range x.events {
		require.EqualValues(t, i+1, e.Link.N)
		a, ok := e.Link.Anchor()
		require.True(t, ok)
		known = append(known, a)
	}
	rep := check(t, x.export(t), verify.CheckOptions{Keys: x.keys, Known: known})
	require.True(t, rep.Clean(), "%v", rep.Findings)
	require.EqualValues(t, 7, rep.Anchors)
}

func TestARecorderThatFailsDoesNotStopTheChain(t *testing.T) {
	t.Parallel()
	x := newEvidence(t)
	x.recordErr = errors.New("the ticket system is down")
	x.verified(t)
	require.ErrorIs(t, x.RunOnce(t.Context()), x.recordErr)
	require.EqualValues(t, 5, check(t, x.export(t), verify.CheckOptions{Keys: x.keys}).Head)
	x.recordErr = nil // the instance crashed in between; another goes on
	other, err := verify.New(x.store, x.ring, "https://help.example", verify.Same(x.settings), &verify.Options{
		Recorder: verify.RecorderFunc(func(_ context.Context, e verify.Event) error {
			require.NotZero(t, e.Link.N)
			x.events = append(x.events, e)
			return nil
		}),
	})
	require.NoError(t, err)
	x.freeze(t, tenant)
	require.NoError(t, other.RunOnce(t.Context()))
	require.Len(t, x.events, 6)
	rep := check(t, x.export(t), verify.CheckOptions{Keys: x.keys})
	require.True(t, rep.Clean(), "%v", rep.Findings)
	require.EqualValues(t, 6, rep.Head)
}

func TestAChainThatFailsDoesNotStopAlerts(t *testing.T) {
	t.Parallel()
	full := errors.New("no space left")
	for name, fail := range map[string]func(*chains, func(error) error){
		"reading": func(s *chains, broken func(error) error) { s.unchained = func() error { return broken(full) } },
		"adding": func(s *chains, broken func(error) error) {
			s.chain = func(mspkit.TenantID) error { return broken(full) }
		},
		"a head that stays where another instance should have moved it": func(s *chains, broken func(error) error) {
			s.chain = func(mspkit.TenantID) error { return broken(verify.ErrConflict) }
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var mended atomic.Bool
				x := newEvidence(t, onChains(func(s *chains) {
					fail(s, func(err error) error {
						if mended.Load() {
							return nil
						}
						return err
					})
				}), func(_ *world, o *verify.Options) { o.Now = time.Now })
				x.freeze(t, tenant)
				ctx, cancel := context.WithCancel(t.Context())
				done := make(chan error, 1)
				go func() { done <- x.Run(ctx) }()
				synctest.Wait()
				require.Len(t, x.events, 1, "the alert is held up")
				require.Zero(t, x.events[0].Link.N)
				for i := range 5 {
					time.Sleep(10 * time.Second)
					x.freeze(t, tenant)
					time.Sleep(time.Second)
					synctest.Wait()
					require.Len(t, x.events, i+2, "a later alert is held up")
				}
				mended.Store(true)
				time.Sleep(2 * time.Minute)
				synctest.Wait()
				rep := check(t, x.export(t), verify.CheckOptions{Keys: x.keys})
				require.True(t, rep.Clean(), "%v", rep.Findings)
				require.EqualValues(t, 6, rep.Head, "the chain does not go on")
				cancel()
				require.NoError(t, <-done)
			})
		})
	}
}

func TestTheErrorOfAChainNamesTheTenantAndTheNumber(t *testing.T) {
	t.Parallel()
	x := newEvidence(t, onChains(func(s *chains) {
		s.chain = func(tenant mspkit.TenantID) error {
			if tenant == "fabrikam" {
				return verify.ErrConflict
			}
			return nil
		}
	}))
	x.freeze(t, "fabrikam")
	x.freeze(t, tenant)
	var err error
	for i := 0; err == nil && i < 10; i++ { // once or twice may be another instance
		err = x.RunOnce(t.Context())
	}
	require.ErrorIs(t, err, verify.ErrConflict)
	require.ErrorContains(t, err, "the chain of tenant fabrikam cannot go on after number 0")
	require.EqualValues(t, 1, check(t, x.export(t), verify.CheckOptions{Keys: x.keys}).Head, "the other tenant's chain")
}

func TestAChainThatFailsDoesNotStopThoseOfOtherTenants(t *testing.T) {
	t.Parallel()
	var s *chains
	x := newEvidence(t, onChains(func(c *chains) {
		s = c
		s.chain = func(tenant mspkit.TenantID) error {
			if tenant == "fabrikam" {
				return errors.New("the head was set back")
			}
			return nil
		}
	}))
	x.freeze(t, "fabrikam")
	x.freeze(t, tenant)
	require.ErrorContains(t, x.RunOnce(t.Context()), "the head was set back")
	require.Equal(t, []mspkit.TenantID{"fabrikam", tenant}, []mspkit.TenantID{x.events[0].Tenant, x.events[1].Tenant}, "one waited for its chain")
	for range 2500 { // more than a step reads
		x.freeze(t, "fabrikam")
	}
	x.verified(t)
	x.pass(time.Minute) // it is left alone for a while after it failed
	require.ErrorContains(t, x.RunOnce(t.Context()), "the head was set back")
	require.EqualValues(t, 6, check(t, x.export(t), verify.CheckOptions{Keys: x.keys}).Head)
	require.Len(t, x.events, 2507)
	require.LessOrEqual(t, s.read, 4000)
}

// A backlog of expired events is chained a step at a time, with alerts handed over in between.
func TestABacklogDoesNotHoldUpAlerts(t *testing.T) {
	t.Parallel()
	var s *chains
	steps, recorded := 0, map[mspkit.TenantID]int{}
	x := newEvidence(t, onChains(func(c *chains) { s = c }), func(_ *world, o *verify.Options) {
		o.Recorder = verify.RecorderFunc(func(_ context.Context, e verify.Event) error {
			if e.Tenant == "fabrikam" {
				return errors.New("the ticket system of fabrikam is down")
			}
			recorded[e.Tenant] = steps
			return nil
		})
	})
	for range 20_000 {
		x.freeze(t, "fabrikam")
	}
	x.freeze(t, tenant)
	s.chain = func(mspkit.TenantID) error { steps++; return nil }
	require.ErrorContains(t, x.RunOnce(t.Context()), "is down")
	require.GreaterOrEqual(t, steps, 20, "the backlog was not chained")
	require.LessOrEqual(t, recorded[tenant], 3, "the alert came after so many steps of chaining")
	require.EqualValues(t, 20_000, check(t, exported(t, x.Service, "fabrikam"), verify.CheckOptions{Keys: x.keys}).Head)
}

// growing is a store in which other instances add to the chain, and the retention deletes, while it is exported.
type growing struct {
	verify.Store
	read   int
	onRead func(n int)
}

func (s *growing) Evidence(ctx context.Context, tenant mspkit.TenantID, after int64, limit int) (verify.Evidence, error) {
	s.read++
	s.onRead(s.read)
	return s.Store.Evidence(ctx, tenant, after, limit)
}

func TestAnExportHoldsTogetherWhileTheChainGrows(t *testing.T) {
	t.Parallel()
	x := newEvidence(t)
	add := func(n int) {
		for range n {
			x.freeze(t, tenant)
		}
		require.NoError(t, x.RunOnce(t.Context()))
	}
	add(2500)
	s := &growing{Store: x.store, onRead: func(int) { add(700) }}
	svc, err := verify.New(s, x.ring, "https://help.example", verify.Same(x.settings), &verify.Options{Now: x.now})
	require.NoError(t, err)
	var b bytes.Buffer
	head, err := svc.ExportEvidence(t.Context(), tenant, &b)
	require.NoError(t, err)
	require.EqualValues(t, 3200, head.N, "the head that was read first")
	rep, err := verify.CheckEvidence(&b, &verify.CheckOptions{Keys: x.keys})
	require.NoError(t, err)
	require.True(t, rep.Clean(), "%v", rep.Findings)
	require.EqualValues(t, 3200, rep.Events)
}

func TestAnExportEndsWhereTheRetentionOvertakesIt(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		before, deleted int // deleted before this read; a read returns 1000
		want            error
	}{
		{1, 1500, nil},
		{2, 900, nil},
		{2, 1500, verify.ErrConflict},
		{3, 1500, nil},
	} {
		t.Run(fmt.Sprintf("%d before read %d", tt.deleted, tt.before), func(t *testing.T) {
			t.Parallel()
			x := newEvidence(t)
			for range 4000 {
				x.freeze(t, tenant)
			}
			require.NoError(t, x.RunOnce(t.Context()))
			x.pass(1000 * 24 * time.Hour)
			svc, err := verify.New(&growing{Store: x.store, onRead: func(n int) {
				if n == tt.before {
					_, err := x.store.DeleteExpired(t.Context(), x.now(), x.now(), x.now(), tt.deleted)
					require.NoError(t, err)
				}
			}}, x.ring, "https://help.example", verify.Same(x.settings), &verify.Options{Now: x.now})
			require.NoError(t, err)
			var b bytes.Buffer
			_, err = svc.ExportEvidence(t.Context(), tenant, &b)
			require.ErrorIs(t, err, tt.want)
			if tt.want != nil {
				return
			}
			rep, err := verify.CheckEvidence(&b, &verify.CheckOptions{Keys: x.keys})
			require.NoError(t, err)
			require.True(t, rep.Clean(), "%v", rep.Findings)
			require.EqualValues(t, 4000, rep.Head)
		})
	}
}

// torn reads the ends of a chain before its events, as stores may, and the retention deletes in between.
type torn struct {
	verify.Store
	between func()
}

func (s *torn) Evidence(ctx context.Context, tenant mspkit.TenantID, after int64, limit int) (verify.Evidence, error) {
	ends, err := s.Store.Evidence(ctx, tenant, after, 0)
	if err != nil {
		return ends, err
	}
	s.between()
	e, err := s.Store.Evidence(ctx, tenant, after, limit)
	return verify.Evidence{Base: ends.Base, Head: ends.Head, Events: e.Events}, err
}

func TestWhatTheRetentionDeletesIsNoGap(t *testing.T) {
	t.Parallel()
	x := newEvidence(t)
	for range 2000 {
		x.freeze(t, tenant)
	}
	require.NoError(t, x.RunOnce(t.Context()))
	x.pass(1000 * 24 * time.Hour)
	times := 0
	svc, err := verify.New(&torn{Store: x.store, between: func() {
		if times++; times < 3 {
			_, err := x.store.DeleteExpired(t.Context(), x.now(), x.now(), x.now(), 500)
			require.NoError(t, err)
		}
	}}, x.ring, "https://help.example", verify.Same(x.settings), &verify.Options{Now: x.now})
	require.NoError(t, err)
	rep := check(t, exported(t, svc, tenant), verify.CheckOptions{Keys: x.keys})
	require.True(t, rep.Clean(), "%v", rep.Findings)
	require.Equal(t, []int64{1000, 2000, 1000}, []int64{rep.Base, rep.Head, rep.Events})
}

func TestAnExportFailsWhereTheWriterOrTheTenantDoes(t *testing.T) {
	t.Parallel()
	x := newEvidence(t)
	x.freeze(t, tenant)
	require.NoError(t, x.RunOnce(t.Context()))
	full := errors.New("the disk is full")
	_, err := x.ExportEvidence(t.Context(), tenant, failing{full})
	require.ErrorIs(t, err, full)
	_, err = x.ExportEvidence(t.Context(), "", &bytes.Buffer{})
	require.ErrorIs(t, err, verify.ErrInvalid)
	wrong := kept{events: []verify.Event{{Tenant: "fabrikam", Link: verify.Link{N: 1}}}, head: verify.Link{N: 1}}
	svc, err := verify.New(wrong, x.ring, "https://help.example", verify.Same(x.settings), nil)
	require.NoError(t, err)
	_, err = svc.ExportEvidence(t.Context(), tenant, &bytes.Buffer{})
	require.ErrorContains(t, err, "an event of another tenant")
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }

func TestEvidenceHoldsNoCodeLinkAddressOrName(t *testing.T) {
	t.Parallel()
	x := newEvidence(t, func(w *world, _ *verify.Options) { w.settings.Limits = verify.Limits{Cooldown: -1, CodeDigits: 8} })
	ctx := t.Context()
	x.verified(t)
	r := x.request()
	r.Subject.Name, r.Subject.Company = "Dana Whitfield", "Contoso Cheese"
	r.Method, r.Channel, r.Action = verify.MethodCode, "sms", verify.ActionUnlock
	c, err := x.Start(ctx, r)
	require.NoError(t, err)
	code := x.sms.last(t)
	_, err = x.Check(ctx, verify.CheckRequest{Tenant: tenant, ID: c.Ref.ID, Response: "00000000", Technician: jane.ID})
	require.NoError(t, err)
	res, err := x.Check(ctx, verify.CheckRequest{Tenant: tenant, ID: c.Ref.ID, Response: code.Code.Reveal(), Technician: jane.ID})
	require.NoError(t, err)
	require.Equal(t, verify.StateConfirmed, res.State)
	number, err := x.Start(ctx, x.request())
	require.NoError(t, err)
	require.NoError(t, x.RunOnce(ctx))
	export := join(x.export(t))
	require.Contains(t, export, c.Ref.ID)
	link := x.mail.last(t).Link.Reveal()
	for what, secret := range map[string]string{
		"name": "Whitfield", "company": "Cheese", "technician's name": "Jane Doe", "address": "contoso.example", "number": "5550100123",
		"code": code.Code.Reveal(), "link": link[strings.LastIndexByte(link, '/')+1:], "proof": res.Proof.Reveal(), "word": number.Word.Reveal(),
	} {
		require.NotEmpty(t, secret, what)
		require.NotContains(t, strings.ToLower(export), strings.ToLower(secret), "the %s is in the export", what)
	}
}

func TestEvidenceIsKeptLongerThanChallenges(t *testing.T) {
	t.Parallel()
	_, err := verify.New(nil, nil, "", nil, &verify.Options{EvidenceRetention: 24 * time.Hour})
	require.ErrorContains(t, err, "EvidenceRetention is shorter than Retention")
	x := newEvidence(t, func(_ *world, o *verify.Options) { o.Retention = 1000 * 24 * time.Hour })
	rep := check(t, x.export(t), verify.CheckOptions{Keys: x.keys})
	require.Equal(t, 1000*24*time.Hour, rep.Retention)
}
