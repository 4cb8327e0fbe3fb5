package totp_test

import (
	"context"
	"errors"
	"maps"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/race"
	mechanism "github.com/mspkit/mspkit/internal/totp"
	"github.com/mspkit/mspkit/verify"
	"github.com/mspkit/mspkit/verify/totp"
)

// The replay table: what is typed after what, when, and on which of two instances.
func TestACodeIsAcceptedOnceAndNeverAfterALaterOne(t *testing.T) {
	t.Parallel()
	type try struct {
		off    int           // steps from the present one whose code is typed
		after  time.Duration // that pass before
		second bool          // typed on the second instance
		want   verify.State
	}
	const right, wrong = verify.StateConfirmed, verify.StateWrong
	for name, tc := range map[string]struct {
		skew  int
		ahead time.Duration // how far the clock of the second instance is ahead
		tries []try
	}{
		"the same code again":                          {tries: []try{{want: right}, {want: wrong}, {second: true, want: wrong}}},
		"the same code again in the next step":         {tries: []try{{want: right}, {off: -1, after: 30 * time.Second, want: wrong}}},
		"the next code":                                {tries: []try{{want: right}, {after: 30 * time.Second, want: right}, {after: 30 * time.Second, second: true, want: right}}},
		"an older code after a newer one":              {tries: []try{{off: 1, want: right}, {off: 0, want: wrong}, {off: -1, second: true, want: wrong}}},
		"the one before it was passed over":            {tries: []try{{off: -1, want: right}, {off: 0, want: right}, {off: 1, want: right}}},
		"one step late":                                {tries: []try{{off: -1, want: right}}},
		"one step early":                               {tries: []try{{off: 1, want: right}}},
		"two steps late":                               {tries: []try{{off: -2, want: wrong}, {off: 0, want: right}}},
		"two steps early":                              {tries: []try{{off: 2, want: wrong}, {off: 0, want: right}}},
		"two steps late where two are allowed":         {skew: 2, tries: []try{{off: -2, want: right}, {off: -2, want: wrong}}},
		"three steps early where two are allowed":      {skew: 2, tries: []try{{off: 3, want: wrong}}},
		"one step late where none is allowed":          {skew: -1, tries: []try{{off: -1, want: wrong}, {off: 0, want: right}}},
		"used early, again when its time has come":     {tries: []try{{off: 1, want: right}, {off: 0, after: 30 * time.Second, want: wrong}}},
		"clocks a minute apart, again on the fast one": {skew: 2, ahead: time.Minute, tries: []try{{want: right}, {want: wrong, second: true}}},
		"clocks a minute apart, again on the slow one": {skew: 2, ahead: -time.Minute, tries: []try{{want: right}, {want: wrong, second: true}}},
		"clocks a minute apart, first on the fast one": {skew: 2, ahead: time.Minute, tries: []try{{want: right, second: true}, {want: wrong}, {off: 1, want: right}}},
		"clocks a minute apart and one step of skew":   {ahead: time.Minute, tries: []try{{want: wrong, second: true}, {want: right}}},
		"a wrong one uses nothing up":                  {tries: []try{{off: 5, want: wrong}, {off: 0, want: right}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, func(w *world, o *totp.Options, _ *totp.EnrolmentOptions) { o.Skew, w.second.ahead = tc.skew, tc.ahead })
			p := w.enrolled(tenant, "dana")
			for i, y := range tc.tries {
				w.pass(y.after)
				in := w.instance
				if y.second {
					in = w.second
				}
				require.Equal(t, y.want, in.check(t, w.ask(tenant, "dana"), p.shows(w.now(), y.off)).State, "try %d", i)
			}
		})
	}
}

func TestACodeIsGoodForItsOwnerOnly(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	dana, erin, abroad := w.enrolled(tenant, "dana"), w.enrolled(tenant, "erin"), w.enrolled("fabrikam", "dana")
	require.Equal(t, verify.StateWrong, w.check(t, w.ask(tenant, "dana"), erin.shows(w.now(), 0)).State)
	require.Equal(t, verify.StateWrong, w.check(t, w.ask(tenant, "dana"), abroad.shows(w.now(), 0)).State)
	require.Equal(t, verify.StateWrong, w.check(t, w.ask(tenant, "dana"), abroad.recovery[0]).State)
	c := w.ask(tenant, "dana")
	_, err := w.svc.Check(t.Context(), verify.CheckRequest{Tenant: tenant, ID: c.Ref.ID, Response: dana.shows(w.now(), 0), Technician: "mallory"})
	require.ErrorIs(t, err, verify.ErrForbidden)
	_, err = w.svc.Check(t.Context(), verify.CheckRequest{Tenant: "fabrikam", ID: c.Ref.ID, Response: dana.shows(w.now(), 0), Technician: jane.ID})
	require.ErrorIs(t, err, verify.ErrNotFound)
	require.Equal(t, 5, w.check(t, c, "000000").TriesLeft+1, "neither was a try")
	require.Equal(t, verify.StateConfirmed, w.check(t, c, dana.shows(w.now(), 0)).State)

	// A factor that is put in another's place does not open there.
	f, err := w.store.Factor(t.Context(), "fabrikam", "dana", totp.Kind)
	require.NoError(t, err)
	victim, err := w.store.Factor(t.Context(), tenant, "dana", totp.Kind)
	require.NoError(t, err)
	victim.Sealed = f.Sealed
	_, err = w.store.PutFactor(t.Context(), victim, w.now())
	require.NoError(t, err)
	_, err = w.app.Enrolled(t.Context(), tenant, "dana")
	require.Error(t, err)
	require.NotErrorIs(t, err, verify.ErrNotFound, "not known is not the same as none")
}

func TestACodeIsTakenAsPeopleSayIt(t *testing.T) {
	t.Parallel()
	for name, spell := range map[string]func(string) string{
		"with spaces around it": func(c string) string { return "  " + c + "\n" },
		"in groups":             func(c string) string { return c[:3] + " " + c[3:] },
		"with a dash":           func(c string) string { return c[:3] + "-" + c[3:] },
		"in Arabic digits": func(c string) string {
			var out []rune
			for _, d := range c {
				out = append(out, '٠'+d-'0')
			}
			return string(out)
		},
		"in wide digits": func(c string) string {
			var out []rune
			for _, d := range c {
				out = append(out, '０'+d-'0')
			}
			return string(out)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			p := w.enrolled(tenant, "dana")
			require.Equal(t, verify.StateConfirmed, w.check(t, w.ask(tenant, "dana"), spell(p.shows(w.now(), 0))).State)
			require.Equal(t, verify.StateConfirmed, w.check(t, w.ask(tenant, "dana"), spell(compact(p.recovery[2]))).State)
		})
	}
	w := newWorld(t)
	w.enrolled(tenant, "dana")
	c := w.ask(tenant, "dana")
	_, err := w.svc.Check(t.Context(), verify.CheckRequest{Tenant: tenant, ID: c.Ref.ID, Response: "12a456", Technician: jane.ID})
	require.ErrorIs(t, err, verify.ErrFormat)
}

// Two instances are given the same code at the same moment, in a verification each.
func TestRaceACodeIsAcceptedByOneOfTwoInstances(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(w *world, _ *totp.Options, _ *totp.EnrolmentOptions) { w.settings.Limits.LockAfter = 100 })
	p := w.enrolled(tenant, "dana")
	for round := range 20 {
		since := w.status("dana").Since
		for _, typed := range []string{p.shows(w.now(), 0), p.recovery[round%len(p.recovery)]} {
			var right, wrong atomic.Int32
			race.On([]*totp.Channel{w.app, w.second.app}, func(app *totp.Channel, _ int) {
				v, err := app.CheckAnswer(t.Context(), verify.Question{
					Tenant: tenant, Subject: "dana", Since: since, Response: mspkit.Redact(compact(typed)),
				}, w.now())
				switch {
				case err != nil:
					t.Errorf("unexpected error: %v", err)
				case v.Right:
					right.Add(1)
				default:
					wrong.Add(1)
				}
			})
			want := int32(1)
			if len(compact(typed)) == mechanism.RecoveryDigits && round >= len(p.recovery) {
				want = 0
			}
			require.Equal(t, want, right.Load(), "round %d", round)
			require.Positive(t, wrong.Load())
		}
		w.pass(mechanism.Period)
	}
}

func compact(s string) string {
	out := []rune{}
	for _, r := range s {
		if r != ' ' {
			out = append(out, r)
		}
	}
	return string(out)
}

// Two browsers type the number at once, two instances take the first code at once: one app comes of it.
func TestRaceALinkIsFinishedOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b, link := w.browser(), w.begin(tenant, "dana")
	p := phone{secret: secretOn(t, b.post(link, "number", w.number))}
	code, cookies := p.shows(w.now(), 0), b.cookies
	race.On([]instance{w.instance, w.second}, func(in instance, _ int) {
		one := &browser{t: t, h: in.pages, cookies: maps.Clone(cookies)}
		if page := one.post(link+"/code", "code", code); len(codesOn(page)) != 10 {
			t.Errorf("the page says: %s", page)
		}
	})
	require.Equal(t, 1, count(w.kinds(), verify.EventFactorAdded))
	require.Equal(t, []verify.NoticeKind{verify.NoticeEnrolled}, told(w.mail))
}

// brittle fails where it is told to.
type brittle struct {
	verify.FactorStore
	read, write error
}

func (b *brittle) Factor(ctx context.Context, t mspkit.TenantID, s, k string) (verify.Factor, error) {
	if b.read != nil {
		return verify.Factor{}, b.read
	}
	return b.FactorStore.Factor(ctx, t, s, k)
}

func (b *brittle) PutFactor(ctx context.Context, f verify.Factor, now time.Time) (verify.Factor, error) {
	if b.write != nil {
		return verify.Factor{}, b.write
	}
	return b.FactorStore.PutFactor(ctx, f, now)
}

func TestAStoreThatFailsConfirmsNothingAndTheTryStaysCounted(t *testing.T) {
	t.Parallel()
	for name, fail := range map[string]func(*brittle, error){
		"read":  func(b *brittle, err error) { b.read = err },
		"write": func(b *brittle, err error) { b.write = err },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			p := w.enrolled(tenant, "dana")
			store := &brittle{FactorStore: w.store}
			app, err := totp.New(store, w.ring, nil)
			require.NoError(t, err)
			svc, err := verify.New(w.store, w.ring, "https://help.example/verify", verify.Same(w.settings),
				&verify.Options{Channels: map[string]verify.Channel{"app": app}, Now: w.now})
			require.NoError(t, err)
			c := w.ask(tenant, "dana")
			fail(store, errors.New("the disk is full"))
			_, err = svc.Check(t.Context(), verify.CheckRequest{Tenant: tenant, ID: c.Ref.ID, Response: p.shows(w.now(), 0), Technician: jane.ID, Method: verify.MethodTOTP})
			require.Error(t, err)
			got, err := w.svc.Get(t.Context(), c.Ref, jane.ID)
			require.NoError(t, err)
			require.Equal(t, verify.StatePending, got.State)
			require.Equal(t, 4, got.TriesLeft)
			fail(store, verify.ErrConflict)
			if name == "write" {
				_, err = svc.Check(t.Context(), verify.CheckRequest{Tenant: tenant, ID: c.Ref.ID, Response: p.shows(w.now(), 0), Technician: jane.ID})
				require.ErrorIs(t, err, verify.ErrConflict, "it gives up")
			}
			fail(store, nil)
			require.Equal(t, verify.StateConfirmed, w.check(t, c, p.shows(w.now(), 0)).State)
		})
	}
}

func TestAHundredWrongCodesLockAContact(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.enrolled(tenant, "dana")
	for range 20 {
		c := w.ask(tenant, "dana")
		for range 5 {
			w.check(t, c, p.shows(w.now(), 9))
		}
	}
	_, err := w.svc.Start(t.Context(), verify.StartRequest{Tenant: tenant, Subject: subject("dana"), Action: verify.ActionIdentify, Technician: jane, Method: verify.MethodTOTP})
	require.ErrorIs(t, err, verify.ErrLocked)
}
