package verify_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/verify"
)

func TestThePolicyChoosesAndExplains(t *testing.T) {
	t.Parallel()
	way := func(channel string, m verify.Method) verify.Way { return verify.Way{Channel: channel, Method: m} }
	for name, tc := range map[string]struct {
		rule    verify.Rule
		channel string
		method  verify.Method
		change  func(*verify.Subject)
		want    verify.Way
		have    verify.Assurance
		refused string
	}{
		"the subject's first address by number match":        {rule: verify.Rule{}, want: way("email", verify.MethodNumber), have: verify.AssuranceEmail},
		"the first that reaches the minimum":                 {rule: verify.Rule{Min: verify.AssuranceSMSCode}, want: way("sms", verify.MethodNumber), have: verify.AssuranceSMS},
		"number match before code":                           {rule: verify.Rule{Min: verify.AssuranceSMS}, want: way("sms", verify.MethodNumber), have: verify.AssuranceSMS},
		"the policy's order":                                 {rule: verify.Rule{Ways: []verify.Way{way("sms", verify.MethodCode), way("email", verify.MethodNumber)}}, want: way("sms", verify.MethodCode), have: verify.AssuranceSMSCode},
		"a channel that is asked for":                        {rule: verify.Rule{}, channel: "sms", want: way("sms", verify.MethodNumber), have: verify.AssuranceSMS},
		"a method that is asked for":                         {rule: verify.Rule{Min: verify.AssuranceEmailCode}, method: verify.MethodCode, want: way("email", verify.MethodCode), have: verify.AssuranceEmailCode},
		"no minimum is e-mail with number match":             {rule: verify.Rule{}, channel: "email", method: verify.MethodCode, refused: "needs e-mail with number match or better, because the action is “do it”; e-mail code is less"},
		"not enough":                                         {rule: verify.Rule{Min: verify.AssuranceTeams}, refused: "needs Teams with number match or better, because the action is “do it”; text message with number match is less"},
		"a code where number match is needed":                {rule: verify.Rule{Min: verify.AssuranceSMS}, channel: "sms", method: verify.MethodCode, refused: "text message code is less"},
		"a way that the policy does not list":                {rule: verify.Rule{Ways: []verify.Way{way("sms", verify.MethodNumber)}}, channel: "email", refused: "the policy does not list email by number match for “do it”"},
		"a fresh number lowers the assurance":                {rule: verify.Rule{Min: verify.AssuranceUnproven}, channel: "sms", change: fresh, want: way("sms", verify.MethodNumber), have: verify.AssuranceUnproven},
		"a typed number lowers the assurance, however old":   {rule: verify.Rule{Min: verify.AssuranceUnproven}, channel: "sms", change: typed, want: way("sms", verify.MethodNumber), have: verify.AssuranceUnproven},
		"an unknown age counts as new":                       {rule: verify.Rule{Min: verify.AssuranceUnproven}, channel: "sms", change: unknown, want: way("sms", verify.MethodNumber), have: verify.AssuranceUnproven},
		"a fresh number is not enough, and it is said why":   {rule: verify.Rule{Min: verify.AssuranceSMS}, channel: "sms", change: fresh, refused: "; the phone number is less than 14 days old, so that it proves next to nothing"},
		"a fresh number is passed over for an older mailbox": {rule: verify.Rule{Min: verify.AssuranceEmail, Ways: []verify.Way{way("sms", verify.MethodNumber), way("email", verify.MethodNumber)}}, change: fresh, want: way("email", verify.MethodNumber), have: verify.AssuranceEmail},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			tc.rule.Words = map[string]string{"en": "do it"}
			w.settings.Policy = verify.Policy{"custom": tc.rule}
			r := w.request()
			r.Action, r.Channel, r.Method = "custom", tc.channel, tc.method
			if tc.change != nil {
				tc.change(&r.Subject)
			}
			c, err := w.Start(t.Context(), r)
			if tc.refused != "" {
				var pe *verify.PolicyError
				require.ErrorAs(t, err, &pe)
				require.ErrorIs(t, err, verify.ErrPolicy)
				require.Contains(t, pe.Reason, tc.refused)
				require.Zero(t, w.mail.count()+w.sms.count())
				require.Empty(t, w.kinds(t))
				return
			}
			require.NoError(t, err)
			require.Equal(t, tc.want, verify.Way{Channel: c.Channel, Method: c.Method})
			require.Equal(t, tc.have, c.Assurance)
			require.Equal(t, tc.have == verify.AssuranceUnproven, c.Fresh)
		})
	}
}

func fresh(s *verify.Subject) {
	s.Destinations[1].FirstSeen = s.Destinations[1].FirstSeen.Add(360 * 24 * time.Hour)
}
func typed(s *verify.Subject)   { s.Destinations[1].TypedBy = "jane" }
func unknown(s *verify.Subject) { s.Destinations[1].FirstSeen = time.Time{} }

func TestAFreshAddressCanBeRefusedOrTheGuardTurnedOff(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.request()
	r.Channel = "sms"
	fresh(&r.Subject)
	w.settings.Freshness.Refuse = true
	_, err := w.Start(t.Context(), r)
	require.ErrorIs(t, err, verify.ErrPolicy)
	w.settings.Freshness.MinAge = -1
	c, err := w.Start(t.Context(), r)
	require.NoError(t, err)
	require.Equal(t, verify.AssuranceSMS, c.Assurance)
}

func TestTheDefaultPolicyTiersItsActions(t *testing.T) {
	t.Parallel()
	p := verify.DefaultPolicy()
	order := []verify.Action{verify.ActionIdentify, verify.ActionUnlock, verify.ActionResetPassword, verify.ActionResetMFA}
	for i := 1; i < len(order); i++ {
		require.Less(t, p[order[i-1]].Min, p[order[i]].Min, "%s must be easier than %s", order[i-1], order[i])
	}
	levels := []verify.Assurance{
		verify.AssuranceNone, verify.AssuranceUnproven, verify.AssuranceEmailCode, verify.AssuranceEmail, verify.AssuranceSMSCode,
		verify.AssuranceSMS, verify.AssuranceTeamsCode, verify.AssuranceTeams, verify.AssuranceSignIn, verify.AssuranceStrong,
	}
	seen := map[string]bool{}
	for i, l := range levels {
		require.False(t, seen[l.String()], l.String())
		seen[l.String()] = true
		if i > 0 {
			require.Greater(t, l, levels[i-1])
		}
	}
}

func TestBadRequestsSayWhatIsWrongAndSendNothing(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		change func(*verify.StartRequest)
		is     error
		want   string
	}{
		"no tenant":               {func(r *verify.StartRequest) { r.Tenant = "" }, verify.ErrInvalid, "tenant id is empty"},
		"no subject":              {func(r *verify.StartRequest) { r.Subject.ID = "" }, verify.ErrInvalid, "subject id: is empty"},
		"no technician":           {func(r *verify.StartRequest) { r.Technician.ID = "" }, verify.ErrInvalid, "technician id"},
		"an invisible technician": {func(r *verify.StartRequest) { r.Technician.Name = "\u200b\u202e" }, verify.ErrInvalid, "needs a name"},
		"a nameless technician":   {func(r *verify.StartRequest) { r.Technician.Name = " " }, verify.ErrInvalid, "needs a name"},
		"half a ticket":           {func(r *verify.StartRequest) { r.Ticket.ID = "" }, verify.ErrInvalid, "ticket id is empty"},
		"an unknown action":       {func(r *verify.StartRequest) { r.Action = "transfer-money" }, verify.ErrPolicy, "transfer-money"},
		"words as a method":       {func(r *verify.StartRequest) { r.Method = verify.MethodWord }, verify.ErrInvalid, "use number, totp or code"},
		"an unknown channel":      {func(r *verify.StartRequest) { r.Channel = "fax" }, verify.ErrNoChannel, "no address"},
		"no addresses":            {func(r *verify.StartRequest) { r.Subject.Destinations = nil }, verify.ErrNoChannel, "no address"},
		"a blank address": {func(r *verify.StartRequest) {
			r.Subject.Destinations = []verify.Destination{{Channel: "email", Address: " ", FirstSeen: time.Unix(1, 0)}}
		}, verify.ErrInvalid, "the e-mail address cannot be used: is empty"},
		"a hundred addresses": {func(r *verify.StartRequest) { r.Subject.Destinations = make([]verify.Destination, 100) }, verify.ErrInvalid, "more than 32"},
		"an endless name":     {func(r *verify.StartRequest) { r.Subject.Name = strings.Repeat("x", 2000) }, verify.ErrInvalid, "too long"},
		"an endless key":      {func(r *verify.StartRequest) { r.IdempotencyKey = strings.Repeat("x", 300) }, verify.ErrInvalid, "256 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			r := w.request()
			tc.change(&r)
			_, err := w.Start(t.Context(), r)
			require.ErrorIs(t, err, tc.is)
			require.ErrorContains(t, err, tc.want)
			require.NotContains(t, strings.ToLower(err.Error()), "dana@contoso", "an error repeats an address")
			require.Zero(t, w.mail.count()+w.sms.count())
		})
	}
}

func TestNewReportsEverythingThatIsWrong(t *testing.T) {
	t.Parallel()
	_, err := verify.New(nil, nil, "", nil, &verify.Options{Channels: map[string]verify.Channel{"": nil}, Retention: time.Second})
	require.ErrorIs(t, err, verify.ErrInvalid)
	for _, want := range []string{"a store is required", "settings are required", "key ring is required", "https://host/path", `channel ""`, "Retention"} {
		require.ErrorContains(t, err, want)
	}
	w := newWorld(t)
	for base, ok := range map[string]bool{
		"https://help.example": true, "https://help.example/verify/": true, "http://127.0.0.1:8080/verify": true, "http://localhost:1": true, "http://[::1]:1/x": true,
		"http://help.example": false, "ftp://help.example": false, "https://": false, "help.example": false, "https://u:p@help.example": false,
		"https://help.example/?a=1": false, "https://help.example/#x": false, "https://h\u0435lp.example": false, "http://127.0.0.1.evil.example": false,
	} {
		_, err := verify.New(w.store, w.ring, base, verify.Same(w.settings), nil)
		require.Equal(t, ok, err == nil, "%s: %v", base, err)
	}
}

func TestMessagesSpeakTheSubjectsLanguage(t *testing.T) {
	t.Parallel()
	for locale, want := range map[string]string{"de-AT": "Ihre Identität bestätigen", "de": "Ihre Identität bestätigen", "fr": "confirm who you are", "": "confirm who you are"} {
		w := newWorld(t)
		r := w.request()
		r.Subject.Locale = locale
		_, err := w.Start(t.Context(), r)
		require.NoError(t, err)
		require.Equal(t, want, w.mail.last(t).Purpose, locale)
	}
}

func TestNamesInMessagesCannotMislead(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.request()
	r.Subject.Name = "Dana\r\nBcc: x@evil.example"
	r.Subject.Company = "Contoso https://evil.example/login"
	r.Technician.Name = "Jane \u202eeoD"
	r.Ticket.ID = "www.evil.example"
	_, err := w.Start(t.Context(), r)
	require.NoError(t, err)
	d := w.mail.last(t)
	all := strings.Join([]string{d.Name, d.Company, d.Technician, d.Ticket.ID}, "|")
	for _, bad := range []string{"\r", "\n", "://", "evil.example", "\u202e", "@"} {
		require.NotContains(t, all, bad)
	}
}

func TestARepeatedStartIsTheFirstOne(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.request()
	r.IdempotencyKey = "job-1"
	first, err := w.Start(t.Context(), r)
	require.NoError(t, err)
	again, err := w.Start(t.Context(), r)
	require.NoError(t, err)
	require.Equal(t, first.Ref, again.Ref)
	require.Equal(t, first.Number.Reveal(), again.Number.Reveal())
	require.Equal(t, 1, w.mail.count())
	for name, change := range map[string]func(*verify.StartRequest){
		"somebody else": func(r *verify.StartRequest) { r.Subject.ID = "erin" }, "another way": func(r *verify.StartRequest) { r.Channel = "sms" },
		"another method": func(r *verify.StartRequest) { r.Channel, r.Method = "sms", verify.MethodCode }, "another address": func(r *verify.StartRequest) {
			r.Subject.Destinations = []verify.Destination{{Channel: "email", Address: "d@contoso.example", FirstSeen: time.Unix(1, 0)}}
		},
	} {
		other := r
		change(&other)
		_, err = w.Start(t.Context(), other)
		require.ErrorIs(t, err, verify.ErrConflict, "the same key for %s", name)
	}
	r.Subject.ID, r.Tenant = "dana", "fabrikam"
	other, err := w.Start(t.Context(), r)
	require.NoError(t, err)
	require.NotEqual(t, first.Ref.ID, other.Ref.ID)
}

func TestARepeatedStartDeliversWhatTheFirstCouldNot(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.codeRequest()
	r.IdempotencyKey = "job-1"
	ctx, cancel := context.WithCancel(t.Context())
	w.sms.err = errors.New("process died here")
	first, err := w.Start(ctx, r)
	cancel()
	require.ErrorIs(t, err, verify.ErrDelivery)
	require.Equal(t, verify.DeliveryFailed, first.Delivery)
	require.Contains(t, w.kinds(t), verify.EventUndelivered)
	w.sms.err = nil
	c, err := w.Renew(t.Context(), verify.RenewRequest{Ref: first.Ref, Technician: jane.ID, Send: true})
	require.NoError(t, err)
	require.Equal(t, verify.DeliverySent, c.Delivery)
	require.Equal(t, verify.StateConfirmed, w.check(t, c, w.sms.last(t).Code.Reveal()).State)
}

func TestAnErrorOfAChannelIsToldInItsOwnWordsOnly(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		err  error
		want string
	}{
		"a stranger's": {errors.New("550 dana@contoso.example code 123456 rejected"), "the channel could not deliver"},
		"a reason":     {&verify.DeliveryError{Reason: "the mailbox is full\r\nX: y", Err: errors.New("secret")}, "the mailbox is full X: y"},
	} {
		w := newWorld(t)
		w.mail.err = tc.err
		r := w.request()
		r.Channel = "email"
		_, err := w.Start(t.Context(), r)
		require.ErrorIs(t, err, verify.ErrDelivery, name)
		require.ErrorIs(t, err, tc.err, name)
		require.NotContains(t, err.Error(), "dana@contoso", "the text of a channel's own error must not travel on")
		require.NotContains(t, err.Error(), "123456")
		w.kinds(t)
		last := w.events[len(w.events)-1]
		require.Equal(t, verify.EventUndelivered, last.Kind)
		require.Equal(t, tc.want, last.Reason, name)
	}
}

func TestLimitsPerDestinationHoldOverTenantsAndSpellings(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.settings.Limits = verify.Limits{} // the defaults
	r := w.request()
	_, err := w.Start(t.Context(), r)
	require.NoError(t, err)
	var le *verify.LimitError
	r.Tenant = "fabrikam"
	r.Subject.Destinations[0].Address = " DANA@contoso.EXAMPLE "
	r.Channel = "email"
	_, err = w.Start(t.Context(), r)
	require.ErrorAs(t, err, &le)
	require.Equal(t, verify.LimitCooldown, le.Limit)
	for i := 2; i <= 10; i++ {
		w.pass(46 * time.Second)
		r.Subject.ID = fmt.Sprint("somebody", i)
		r.Tenant = mspkit.TenantID(fmt.Sprint("tenant", i))
		_, err = w.Start(t.Context(), r)
		require.NoError(t, err, "message %d", i)
	}
	w.pass(46 * time.Second)
	_, err = w.Start(t.Context(), r)
	require.ErrorAs(t, err, &le)
	require.Equal(t, verify.LimitDestination, le.Limit)
	require.Equal(t, 10, w.mail.count())
	w.pass(24 * time.Hour)
	_, err = w.Start(t.Context(), r)
	require.NoError(t, err)
}

func TestATechnicianWhoIsNamedCallerHasTheLimitsOfTechnicians(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.settings.Limits = verify.Limits{}
	r := w.request()
	r.Technician.ID = verify.ByCaller
	_, err := w.Start(t.Context(), r)
	require.NoError(t, err)
	_, err = w.Start(t.Context(), r)
	require.ErrorIs(t, err, verify.ErrLimited)
}

func TestASubjectGetsTwentyMessagesADay(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.settings.Limits = verify.Limits{Cooldown: -1, PerDestination: -1}
	for range 20 {
		_, err := w.Start(t.Context(), w.request())
		require.NoError(t, err)
	}
	_, err := w.Start(t.Context(), w.request())
	var le *verify.LimitError
	require.ErrorAs(t, err, &le)
	require.Equal(t, verify.LimitSubject, le.Limit)
	r := w.request()
	r.Tenant = "fabrikam"
	_, err = w.Start(t.Context(), r)
	require.NoError(t, err, "the same id in another tenant is somebody else")
}

// budgeted is a channel that may send one unconfirmed message.
type budgeted struct{ *outbox }

func (budgeted) Budget(mspkit.TenantID, string) (string, int, time.Duration) {
	return "49", 1, time.Hour
}

func TestABudgetCountsWhatWasNotConfirmed(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(w *world, o *verify.Options) { o.Channels["sms"] = budgeted{w.sms} })
	c, code := w.startCode(t)
	_, err := w.Start(t.Context(), w.codeRequest())
	var le *verify.LimitError
	require.ErrorAs(t, err, &le)
	require.Equal(t, verify.LimitBudget, le.Limit)
	require.Equal(t, verify.StateConfirmed, w.check(t, c, code).State)
	w.startCode(t)
}

// repainting is a channel that repaints.
type repainting struct {
	*outbox
	mu      sync.Mutex
	settled []string
}

func (r *repainting) Settle(_ context.Context, receipt verify.Receipt, v verify.View) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.settled = append(r.settled, receipt.ID+" "+string(v.State))
	return errors.New("the message is gone")
}

func TestAChannelRepaintsWhenTheOutcomeIsKnown(t *testing.T) {
	t.Parallel()
	var ch *repainting
	var log bytes.Buffer
	w := newWorld(t, func(w *world, o *verify.Options) {
		ch = &repainting{outbox: w.sms}
		o.Channels["sms"] = ch
		o.Logger = slog.New(slog.NewTextHandler(&log, nil))
	})
	c, code := w.startCode(t)
	w.check(t, c, code)
	w.kinds(t)
	require.Equal(t, []string{"m1 confirmed"}, ch.settled)
	require.Contains(t, log.String(), "could not be repainted")
	require.NotContains(t, log.String(), code)
}

func TestTwoInstancesHandOverEverythingInOrder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var seen []string
		known := map[string]bool{}
		recorder := verify.RecorderFunc(func(_ context.Context, e verify.Event) error {
			mu.Lock()
			defer mu.Unlock()
			if !known[e.ID] {
				known[e.ID] = true
				seen = append(seen, fmt.Sprint(e.Challenge, " ", e.Kind))
			}
			return nil
		})
		w := newWorld(t, func(_ *world, o *verify.Options) { o.Recorder = recorder })
		w.clock = time.Now()
		second, err := verify.New(w.store, w.ring, "https://help.example/verify", verify.Same(w.settings), &verify.Options{Recorder: recorder, Now: w.now})
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		for _, s := range []*verify.Service{w.Service, second} {
			wg.Go(func() { _ = s.Run(ctx) })
		}
		var want []string
		for range 5 {
			c, err := w.Start(t.Context(), w.request())
			require.NoError(t, err)
			w.answer(t, c, c.Number.Reveal())
			for _, k := range []verify.EventKind{verify.EventStarted, verify.EventSent, verify.EventAttempted, verify.EventConfirmed} {
				want = append(want, fmt.Sprint(c.Ref.ID, " ", k))
			}
		}
		time.Sleep(3 * time.Second)
		synctest.Wait()
		cancel()
		wg.Wait()
		require.Equal(t, want, seen)
	})
}

func TestOpenAndHistoryShowEachTechnicianTheirOwnNumbers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := t.Context()
	mine, err := w.Start(ctx, w.request())
	require.NoError(t, err)
	r := w.request()
	r.Technician = verify.Technician{ID: "joe", Name: "Joe"}
	_, err = w.Start(ctx, r)
	require.NoError(t, err)
	open, err := w.Open(ctx, tenant, "jane")
	require.NoError(t, err)
	require.Len(t, open, 1)
	require.Equal(t, mine.Number.Reveal(), open[0].Number.Reveal(), "also after a reload of the portal")
	require.Equal(t, mine.Word.Reveal(), open[0].Word.Reveal())
	history, err := w.History(ctx, tenant, "dana", 10)
	require.NoError(t, err)
	require.Len(t, history, 2)
	for _, c := range history {
		require.Empty(t, c.Number.Reveal())
		require.Empty(t, c.Word.Reveal())
	}
	other, err := w.Get(ctx, mine.Ref, "joe")
	require.NoError(t, err)
	require.Empty(t, other.Number.Reveal())
	_, err = w.Open(ctx, tenant, "")
	require.ErrorIs(t, err, verify.ErrInvalid)
	w.pass(10 * time.Minute)
	open, err = w.Open(ctx, tenant, "jane")
	require.NoError(t, err)
	require.Empty(t, open)
}

func TestALinkOfAnotherTenantOrRingIsNotFound(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, err := w.Start(t.Context(), w.request())
	require.NoError(t, err)
	tok := strings.TrimPrefix(w.mail.last(t).Link.Reveal(), w.BaseURL()+"/v/")
	require.NotContains(t, tok, string(tenant))
	_, err = w.View(t.Context(), tok)
	require.NoError(t, err)
	stranger := newWorld(t)
	for name, bad := range map[string]string{"another ring's": tok, "empty": "", "cut": tok[:len(tok)-3], "long": strings.Repeat("A", 5000)} {
		service := w
		if name == "another ring's" {
			service = stranger
		}
		_, err = service.View(t.Context(), bad)
		require.ErrorIs(t, err, verify.ErrNotFound, name)
	}
}

func TestWhatAnybodyMayAskForDoesNotUseUpWhatTechniciansNeed(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(w *world, o *verify.Options) {
		o.Channels["sms"] = budgeted{w.sms}
		o.Lookup = func(context.Context, mspkit.TenantID, string) (*verify.TechnicianRequest, error) {
			s := w.dana()
			s.Destinations[0], s.Destinations[1] = s.Destinations[1], s.Destinations[0] // the phone first
			return &verify.TechnicianRequest{Subject: s}, nil
		}
	})
	w.settings.Limits = verify.Limits{} // the defaults
	for range 24 * 4 {                  // a stranger asks all day, with every spelling
		for _, spelling := range []string{"dana@contoso.example", "Dana@contoso.example", "da na@contoso.example"} {
			_ = w.RequestTechnician(t.Context(), verify.PublicRequest{Tenant: tenant, Address: spelling})
		}
		w.pass(15 * time.Minute)
		require.NoError(t, w.RunOnce(t.Context()))
	}
	require.LessOrEqual(t, w.mail.count(), 6, "five a day, and the day ended once")
	require.Zero(t, w.sms.count(), "what a stranger asks for costs nothing")
	for range 10 {
		_, err := w.Start(t.Context(), w.request())
		require.NoError(t, err)
		w.pass(46 * time.Second)
	}
}

func TestAHostThatReturnsTheSameRequestTwiceIsNotSurprised(t *testing.T) {
	t.Parallel()
	var shared verify.TechnicianRequest
	w := newWorld(t, func(_ *world, o *verify.Options) {
		o.Lookup = func(context.Context, mspkit.TenantID, string) (*verify.TechnicianRequest, error) { return &shared, nil }
	})
	shared.Subject = w.dana()
	want := fmt.Sprintf("%+v", shared)
	require.NoError(t, w.RequestTechnician(t.Context(), verify.PublicRequest{Tenant: tenant, Address: "+15550100123"}))
	w.pass(time.Minute)
	require.NoError(t, w.RunOnce(t.Context()))
	require.Equal(t, 1, w.sms.count(), "the address that was typed goes first")
	require.Equal(t, want, fmt.Sprintf("%+v", shared))
}

func TestAStuckRecorderAndLookupAreLeftBehind(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		stuck := func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
		w := newWorld(t, func(_ *world, o *verify.Options) {
			o.Recorder = verify.RecorderFunc(func(ctx context.Context, _ verify.Event) error { return stuck(ctx) })
			o.Lookup = func(ctx context.Context, _ mspkit.TenantID, _ string) (*verify.TechnicianRequest, error) {
				return nil, stuck(ctx)
			}
		})
		c, err := w.Start(t.Context(), w.request())
		require.NoError(t, err)
		require.NoError(t, w.RequestTechnician(t.Context(), verify.PublicRequest{Tenant: tenant, Address: "a@b.example"}))
		w.pass(10 * time.Minute)
		begun := time.Now()
		require.ErrorIs(t, w.RunOnce(t.Context()), context.DeadlineExceeded)
		require.LessOrEqual(t, time.Since(begun), 31*time.Second)
		got, err := w.Get(t.Context(), c.Ref, jane.ID)
		require.NoError(t, err)
		require.Equal(t, verify.StateExpired, got.State)
		require.NoError(t, w.PublicForm(), "one tenant's recorder must not close the form of all")
	})
}

func TestAListSurvivesARecordThatCannotBeOpened(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, err := w.Start(t.Context(), w.request())
	require.NoError(t, err)
	ring, err := mspkit.NewKeyRing(mspkit.NewKey("k2")) // the old key leaked and is gone
	require.NoError(t, err)
	svc, err := verify.New(w.store, ring, w.BaseURL(), verify.Same(w.settings), &verify.Options{Channels: map[string]verify.Channel{"email": w.mail}, Now: w.now})
	require.NoError(t, err)
	_, err = svc.Start(t.Context(), w.request())
	require.NoError(t, err)
	list, err := svc.History(t.Context(), tenant, "dana", 10)
	require.NoError(t, err)
	require.Len(t, list, 2)
	require.Equal(t, []string{"Dana", ""}, []string{list[0].Name, list[1].Name})
	require.Equal(t, verify.StatePending, list[1].State)
}

func TestABounceOfTheOnlyMessageIsNotedAfterANewNumber(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c, err := w.Start(t.Context(), w.request())
	require.NoError(t, err)
	_, err = w.Renew(t.Context(), verify.RenewRequest{Ref: c.Ref, Technician: jane.ID})
	require.NoError(t, err)
	require.NoError(t, w.Delivered(t.Context(), w.mail.last(t).Key, verify.DeliveryFailed, "unknown mailbox"))
	got, err := w.Get(t.Context(), c.Ref, jane.ID)
	require.NoError(t, err)
	require.Equal(t, verify.DeliveryFailed, got.Delivery)
}

// watched is a store that tells of changes.
type watched struct {
	verify.Store
	change chan struct{}
}

func (w watched) Watch(ctx context.Context, ref verify.Ref) iter.Seq2[verify.Record, error] {
	return func(yield func(verify.Record, error) bool) {
		for {
			r, _, err := w.Get(ctx, ref)
			if !yield(r, err) || err != nil {
				return
			}
			select {
			case <-ctx.Done():
				return
			case <-w.change:
			}
		}
	}
}

func TestWaitUsesAStoreThatTellsOfChanges(t *testing.T) {
	t.Parallel()
	ws := watched{change: make(chan struct{})}
	w := newWorld(t, func(w *world, _ *verify.Options) {
		ws.Store = w.store
		w.store = ws
	})
	c, err := w.Start(t.Context(), w.request())
	require.NoError(t, err)
	type outcome struct {
		c   verify.Challenge
		err error
	}
	done := make(chan outcome)
	go func() {
		c, err := w.Wait(t.Context(), c.Ref, jane.ID)
		done <- outcome{c, err}
	}()
	ws.change <- struct{}{} // a hint without a change: it goes on waiting
	w.answer(t, c, c.Number.Reveal())
	ws.change <- struct{}{}
	got := <-done
	require.NoError(t, got.err)
	require.Equal(t, verify.StateConfirmed, got.c.State)
	require.NotEmpty(t, got.c.Proof.Reveal())

	c, err = w.Start(t.Context(), w.request())
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		c, err := w.Wait(ctx, c.Ref, jane.ID)
		done <- outcome{c, err}
	}()
	ws.change <- struct{}{}
	cancel()
	require.ErrorIs(t, (<-done).err, context.Canceled)
}
