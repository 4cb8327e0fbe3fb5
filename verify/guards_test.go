package verify_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/verify"
)

// withTeams adds a channel that reaches as much as a Teams card.
func withTeams(w *world, o *verify.Options) {
	o.Channels["teams"] = &outbox{assurance: verify.AssuranceTeams}
	_ = w
}

func (w *world) subjectWith(channels ...string) verify.Subject {
	s := verify.Subject{ID: "dana", Name: "Dana"}
	for _, ch := range channels {
		s.Destinations = append(s.Destinations, verify.Destination{Channel: ch, Address: ch + "-of-dana", FirstSeen: w.clock.AddDate(-1, 0, 0)})
	}
	return s
}

func TestTheDefaultPolicyAsksMoreOfWhatHandsOverMore(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		action  verify.Action
		channel string
		method  verify.Method
		allowed bool
	}{
		{verify.ActionIdentify, "email", verify.MethodNumber, true},
		{verify.ActionIdentify, "email", verify.MethodCode, false},
		{verify.ActionUnlock, "email", verify.MethodNumber, false},
		{verify.ActionUnlock, "sms", verify.MethodCode, true},
		{verify.ActionResetPassword, "email", verify.MethodNumber, false},
		{verify.ActionResetPassword, "sms", verify.MethodCode, false},
		{verify.ActionResetPassword, "sms", verify.MethodNumber, true},
		{verify.ActionResetMFA, "email", verify.MethodNumber, false},
		{verify.ActionResetMFA, "sms", verify.MethodNumber, false},
		{verify.ActionResetMFA, "teams", verify.MethodCode, false},
		{verify.ActionResetMFA, "teams", verify.MethodNumber, true},
		{verify.ActionChangeContact, "sms", verify.MethodNumber, false},
		{verify.ActionChangeContact, "teams", verify.MethodNumber, true},
		{verify.ActionReveal + ":42", "sms", verify.MethodCode, true},
		{verify.ActionReveal + ":42", "email", verify.MethodNumber, false},
		{"delete-everything", "teams", verify.MethodNumber, false},
		{"delete-everything:42", "teams", verify.MethodNumber, false},
	} {
		t.Run(fmt.Sprint(tc.action, " by ", tc.channel, " ", tc.method), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, withTeams)
			r := w.request()
			r.Subject, r.Action, r.Channel, r.Method = w.subjectWith("email", "sms", "teams"), tc.action, tc.channel, tc.method
			_, err := w.Start(t.Context(), r)
			if tc.allowed {
				require.NoError(t, err)
				return
			}
			var refused *verify.PolicyError
			require.ErrorAs(t, err, &refused)
			require.NotEmpty(t, refused.Reason)
			require.Zero(t, w.mail.count()+w.sms.count(), "nothing is sent for what is refused")
			require.Empty(t, w.kinds(t))
		})
	}
}

func TestTheFirstWayThatSufficesIsChosen(t *testing.T) {
	t.Parallel()
	w := newWorld(t, withTeams)
	r := w.request()
	r.Subject, r.Action = w.subjectWith("email", "sms", "teams"), verify.ActionResetPassword
	c, err := w.Start(t.Context(), r)
	require.NoError(t, err)
	require.Equal(t, []any{"sms", verify.MethodNumber, verify.AssuranceSMS}, []any{c.Channel, c.Method, c.Assurance})

	w.settings.Policy = verify.Policy{verify.ActionResetPassword: {
		Min: verify.AssuranceSMS, Words: map[string]string{"en": "reset your password"},
		Ways: []verify.Way{{Channel: "teams", Method: verify.MethodNumber}},
	}}
	c, err = w.Start(t.Context(), r)
	require.NoError(t, err)
	require.Equal(t, "teams", c.Channel)
	r.Channel = "sms"
	_, err = w.Start(t.Context(), r)
	require.ErrorIs(t, err, verify.ErrPolicy, "a way that the tenant does not list")
	r.Subject, r.Channel = w.subjectWith("email"), ""
	_, err = w.Start(t.Context(), r)
	require.ErrorIs(t, err, verify.ErrNoChannel)
}

func TestAnAddressThatSomebodyTypedOrThatIsNewProvesLittleOrIsRefused(t *testing.T) {
	t.Parallel()
	for why, change := range map[string]func(*world, *verify.Destination){
		"was typed by hand":                      func(_ *world, d *verify.Destination) { d.TypedBy = "joe" },
		"is less than 14 days old":               func(w *world, d *verify.Destination) { d.FirstSeen = w.clock.AddDate(0, 0, -13) },
		"has no date since when it is on record": func(_ *world, d *verify.Destination) { d.FirstSeen = time.Time{} },
	} {
		t.Run(why, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, withTeams)
			r := w.request()
			r.Subject = w.subjectWith("teams")
			change(w, &r.Subject.Destinations[0])
			for _, action := range []verify.Action{verify.ActionIdentify, verify.ActionResetMFA} {
				r.Action = action
				_, err := w.Start(t.Context(), r)
				require.ErrorIs(t, err, verify.ErrPolicy)
				require.ErrorContains(t, err, "the Teams account "+why)
			}
			// An action that asks for no more is still possible, and says what it is worth.
			w.settings.Policy = verify.Policy{"greet": {Min: verify.AssuranceUnproven, Words: map[string]string{"en": "say hello"}}}
			r.Action = "greet"
			c, err := w.Start(t.Context(), r)
			require.NoError(t, err)
			require.True(t, c.Fresh)
			require.Equal(t, verify.AssuranceUnproven, c.Assurance)
			w.settings.Freshness.Refuse = true
			_, err = w.Start(t.Context(), r)
			require.ErrorIs(t, err, verify.ErrPolicy)
		})
	}
	w := newWorld(t, withTeams)
	r := w.request()
	r.Subject, r.Action = w.subjectWith("teams"), verify.ActionResetMFA
	r.Subject.Destinations[0].FirstSeen = w.clock.AddDate(0, 0, -14)
	c, err := w.Start(t.Context(), r)
	require.NoError(t, err, "from 14 days on it counts in full")
	require.False(t, c.Fresh)
}

// begin starts a verification and returns the limit that refused it, or "".
func (w *world) begin(t *testing.T, r verify.StartRequest) string {
	t.Helper()
	_, err := w.Start(t.Context(), r)
	if err == nil {
		return ""
	}
	var limited *verify.LimitError
	require.ErrorAs(t, err, &limited)
	return limited.Limit
}

func TestMessagesAreLimitedPerAddressAndPersonWhoeverAsks(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.settings.Limits = verify.Limits{} // the defaults
	asker := func(i int) verify.StartRequest {
		r := w.request()
		r.Tenant, r.Technician = mspkit.TenantID(fmt.Sprint("tenant-", i)), verify.Technician{ID: fmt.Sprint("tech-", i), Name: "T"}
		r.Subject.ID = fmt.Sprint("subject-", i)
		r.Subject.Destinations[0].Address = " DANA@contoso.example"
		return r
	}
	require.Empty(t, w.begin(t, asker(0)))
	w.pass(44 * time.Second)
	require.Equal(t, verify.LimitCooldown, w.begin(t, asker(1)), "another tenant, technician and spelling")
	for i := range 9 {
		w.pass(time.Minute)
		require.Empty(t, w.begin(t, asker(i)))
	}
	w.pass(time.Minute)
	require.Equal(t, verify.LimitDestination, w.begin(t, asker(20)), "the eleventh of a day")
	require.Equal(t, 10, w.mail.count())
	w.pass(24 * time.Hour)
	require.Empty(t, w.begin(t, asker(21)))

	w = newWorld(t)
	w.settings.Limits = verify.Limits{}
	for i := range 21 {
		w.pass(time.Minute)
		r := w.request()
		r.Subject.Destinations[0].Address = fmt.Sprintf("dana-%d@contoso.example", i) // an address each
		if i < 20 {
			require.Empty(t, w.begin(t, r))
			continue
		}
		require.Equal(t, verify.LimitSubject, w.begin(t, r), "the twenty-first to this person")
		r.Tenant = "fabrikam"
		require.Empty(t, w.begin(t, r), "a person of the same id elsewhere is another one")
	}
}

func TestThePublicFormIsLimitedPerClientAndTenant(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(_ *world, o *verify.Options) {
		o.Lookup = func(context.Context, mspkit.TenantID, string) (*verify.TechnicianRequest, error) { return nil, nil }
	})
	ask := func(tn mspkit.TenantID, client, address int) error {
		var ip [4]byte
		binary.BigEndian.PutUint32(ip[:], 0xCB007100+uint32(client))
		return w.RequestTechnician(t.Context(), verify.PublicRequest{Tenant: tn, Address: fmt.Sprint(address, "@x.example"), From: netip.AddrFrom4(ip)})
	}
	for i := range 20 {
		require.NoError(t, ask(tenant, 0, i))
	}
	require.ErrorIs(t, ask(tenant, 0, 20), verify.ErrLimited, "the twenty-first of one client in an hour")
	for i := 20; i < 1000; i++ {
		require.NoError(t, ask(tenant, i, i))
	}
	require.ErrorIs(t, ask(tenant, 1000, 1000), verify.ErrLimited, "the 1001st of one tenant in an hour")
	require.NoError(t, ask("fabrikam", 1000, 1000), "the neighbour is not held up")
	w.pass(time.Hour)
	require.NoError(t, ask(tenant, 0, 0))
}

func TestLinksAreMadeFromAnHTTPSAddressThatCannotImitateAnother(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for base, ok := range map[string]bool{
		"https://help.example/verify": true, "https://xn--hlp-bma.example": true, "http://127.0.0.1:8080/verify": true, "http://localhost": true,
		"http://help.example": false, "https://hеlp.example": false /* a Cyrillic е */, "https://help.example@evil.example/": false,
		"https://help.example?x=1": false, "https://help.example#x": false, "help.example": false, "javascript:alert(1)": false, "": false,
	} {
		_, err := verify.New(w.store, w.ring, base, verify.Same(w.settings), nil)
		if ok {
			require.NoError(t, err, base)
		} else {
			require.ErrorIs(t, err, verify.ErrInvalid, base)
		}
	}
}

// What a person who works at the desk can do with somebody else's verification: look at it, without what proves.
func TestAnotherTechnicianGetsNeitherNumberNorWordNorProof(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := t.Context()
	c, err := w.Start(ctx, w.request())
	require.NoError(t, err)
	bare := func(c verify.Challenge) {
		t.Helper()
		require.Empty(t, c.Number.Reveal()+c.Word.Reveal()+c.Proof.Reveal())
	}
	for range 2 { // pending, then confirmed
		for _, who := range []string{"joe", ""} {
			got, err := w.Get(ctx, c.Ref, who)
			require.NoError(t, err)
			bare(got)
		}
		history, err := w.History(ctx, tenant, "dana", 10)
		require.NoError(t, err)
		require.Len(t, history, 1)
		bare(history[0])
		open, err := w.Open(ctx, tenant, "joe")
		require.NoError(t, err)
		require.Empty(t, open)
		w.answer(t, c, c.Number.Reveal())
	}
	c, err = w.Get(ctx, c.Ref, jane.ID)
	require.NoError(t, err)
	stolen := expect(c)
	stolen.Technician = "joe"
	require.ErrorIs(t, w.Redeem(ctx, c.Proof, stolen, "job"), verify.ErrProof, "a proof is of use to its technician only")
	_, err = w.Renew(ctx, verify.RenewRequest{Ref: c.Ref, Technician: "joe"})
	require.ErrorIs(t, err, verify.ErrForbidden)
}

func TestAVerificationOutlivesARotationWhileTheOldKeyIsKept(t *testing.T) {
	t.Parallel()
	k1, k2 := mspkit.NewKey("k1"), mspkit.NewKey("k2")
	w := newWorld(t)
	under := func(keys ...mspkit.Key) *verify.Service {
		ring, err := mspkit.NewKeyRing(keys...)
		require.NoError(t, err)
		svc, err := verify.New(w.store, ring, "https://help.example/verify", verify.Same(w.settings), &verify.Options{
			Channels: map[string]verify.Channel{"email": w.mail}, Now: w.now,
		})
		require.NoError(t, err)
		return svc
	}
	ctx := t.Context()
	before, after := under(k1), under(k2, k1)
	c, err := before.Start(ctx, w.request())
	require.NoError(t, err)
	v, err := after.View(ctx, w.mail.last(t).Link.Reveal()[len("https://help.example/verify/v/"):])
	require.NoError(t, err)
	_, err = after.Answer(ctx, verify.Answer{Ref: v.Ref, Method: verify.MethodNumber, Response: c.Number.Reveal()})
	require.NoError(t, err)
	c, err = after.Get(ctx, c.Ref, jane.ID)
	require.NoError(t, err)
	require.Equal(t, verify.StateConfirmed, c.State)
	require.NoError(t, after.Redeem(ctx, c.Proof, expect(c), "job"))

	alone := under(k2)
	_, err = alone.Get(ctx, c.Ref, jane.ID)
	require.ErrorIs(t, err, mspkit.ErrUnknownKey, "without the old key nothing is known of it")
	require.ErrorIs(t, alone.Redeem(ctx, c.Proof, expect(c), "job"), verify.ErrProof)
}

func TestEachTenantHasItsOwnPolicyAndItsEventsSayWhoActed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	strict := w.settings
	strict.Policy = verify.Policy{verify.ActionIdentify: {Min: verify.AssuranceSMS, Words: map[string]string{"en": "confirm who you are"}}}
	var events []verify.Event
	svc, err := verify.New(w.store, w.ring, "https://help.example/verify", func(_ context.Context, tn mspkit.TenantID) (verify.Settings, error) {
		if tn == "fabrikam" {
			return strict, nil
		}
		return w.settings, nil
	}, &verify.Options{
		Channels: map[string]verify.Channel{"email": w.mail, "sms": w.sms}, Now: w.now,
		Recorder: verify.RecorderFunc(func(_ context.Context, e verify.Event) error { events = append(events, e); return nil }),
	})
	require.NoError(t, err)
	for tn, want := range map[mspkit.TenantID]string{tenant: "email", "fabrikam": "sms"} {
		r := w.request()
		r.Tenant = tn
		c, err := svc.Start(t.Context(), r)
		require.NoError(t, err)
		require.Equal(t, want, c.Channel)
		require.NoError(t, svc.Cancel(t.Context(), c.Ref, jane.ID, "hung up"))
	}
	require.NoError(t, svc.RunOnce(t.Context()))
	require.Len(t, events, 6)
	for _, e := range events {
		require.Equal(t, []any{"dana", jane.ID, mspkit.Ticket{System: "psa", ID: "4711"}, verify.ActionIdentify},
			[]any{e.Subject, e.Technician, e.Ticket, e.Action}, e.Kind)
		require.NotEmpty(t, e.By)
	}
}
