package smschannel_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/verify"
	"github.com/mspkit/mspkit/verify/smschannel"
	"github.com/mspkit/mspkit/verify/smschannel/twilio"
	"github.com/mspkit/mspkit/verify/smschannel/twiliotest"
)

func checking(t *testing.T, c smschannel.Checks) *smschannel.Channel {
	t.Helper()
	return channel(t, &smschannel.Options{Region: "US", Checks: c})
}

func TestWhatIsFoundAboutANumberIsMeasured(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)
	refuse := func(s string) verify.Screening { return verify.Screening{Refuse: s} }
	doubt := func(s string) verify.Screening { return verify.Screening{Doubt: s} }
	const week, lately = "has a SIM card that was changed less than 7 days ago", "has a SIM card that was changed lately"
	for name, tc := range map[string]struct {
		facts  smschannel.Facts
		checks smschannel.Checks
		err    error
		want   verify.Screening
	}{
		"nothing is known":                 {},
		"a mobile":                         {facts: smschannel.Facts{Line: "mobile"}},
		"a word that nobody knows":         {facts: smschannel.Facts{Line: "quantum"}},
		"a landline":                       {facts: smschannel.Facts{Line: "landline"}, want: refuse("is a landline")},
		"a premium-rate number":            {facts: smschannel.Facts{Line: "premium"}, want: refuse("is a premium-rate number")},
		"a toll-free number":               {facts: smschannel.Facts{Line: "tollFree"}, want: refuse("is a company's toll-free number")},
		"a pager":                          {facts: smschannel.Facts{Line: "pager"}, want: refuse("is not a person's number")},
		"VoIP":                             {facts: smschannel.Facts{Line: "nonFixedVoip"}, want: doubt("is an internet number (VoIP), which can be read from anywhere")},
		"fixed VoIP":                       {facts: smschannel.Facts{Line: "fixedVoip"}, want: doubt("is an internet number (VoIP), which can be read from anywhere")},
		"VoIP, refused":                    {facts: smschannel.Facts{Line: "fixedVoip"}, checks: smschannel.Checks{Lines: map[smschannel.Line]smschannel.Measure{smschannel.LineVoIP: smschannel.Refuse}}, want: refuse("is an internet number (VoIP), which can be read from anywhere")},
		"a landline, accepted":             {facts: smschannel.Facts{Line: "landline"}, checks: smschannel.Checks{Lines: map[smschannel.Line]smschannel.Measure{smschannel.LineLandline: smschannel.Accept}}},
		"a landline beside another choice": {facts: smschannel.Facts{Line: "landline"}, checks: smschannel.Checks{Lines: map[smschannel.Line]smschannel.Measure{smschannel.LineVoIP: smschannel.Refuse, smschannel.LineLandline: 0}}, want: refuse("is a landline")},
		"an unknown kind, refused":         {checks: smschannel.Checks{Lines: map[smschannel.Line]smschannel.Measure{smschannel.LineUnknown: smschannel.Refuse}}, want: refuse("is of an unknown kind")},
		"a SIM card of this week":          {facts: smschannel.Facts{SIMChangedAt: now.Add(-7*24*time.Hour + time.Second)}, want: doubt(week)},
		"a SIM card of last week":          {facts: smschannel.Facts{SIMChangedAt: now.Add(-7 * 24 * time.Hour)}},
		"a SIM card of tomorrow":           {facts: smschannel.Facts{SIMChangedAt: now.Add(24 * time.Hour)}, want: doubt(week)},
		"a SIM card without a date":        {facts: smschannel.Facts{SIMChanged: true}, want: doubt(lately)},
		"an old date beside a period":      {facts: smschannel.Facts{SIMChanged: true, SIMChangedAt: now.AddDate(-1, 0, 0)}},
		"a month":                          {facts: smschannel.Facts{SIMChangedAt: now.AddDate(0, 0, -20)}, checks: smschannel.Checks{SIMAge: 30 * 24 * time.Hour}, want: doubt("has a SIM card that was changed less than 30 days ago")},
		"hours":                            {facts: smschannel.Facts{SIMChangedAt: now}, checks: smschannel.Checks{SIMAge: 90 * time.Minute}, want: doubt("has a SIM card that was changed less than 1h30m0s ago")},
		"a SIM card, refused":              {facts: smschannel.Facts{SIMChanged: true}, checks: smschannel.Checks{OnSIMChange: smschannel.Refuse}, want: refuse(lately)},
		"a SIM card, not cared for":        {facts: smschannel.Facts{SIMChanged: true, SIMChangedAt: now}, checks: smschannel.Checks{SIMAge: -1}},
		"a SIM card in a VoIP phone":       {facts: smschannel.Facts{Line: "voip", SIMChanged: true}, want: doubt(lately)},
		"a SIM card, refused, and VoIP":    {facts: smschannel.Facts{Line: "voip", SIMChanged: true}, checks: smschannel.Checks{OnSIMChange: smschannel.Refuse}, want: verify.Screening{Refuse: lately, Doubt: "is an internet number (VoIP), which can be read from anywhere"}},
		"a failure":                        {err: errors.New("+12025550123: down"), want: refuse("could not be checked for a changed SIM card and the kind of line")},
		"a failure, doubted":               {err: errors.New("down"), checks: smschannel.Checks{OnFailure: smschannel.Doubt}, want: doubt("could not be checked for a changed SIM card and the kind of line")},
		"a failure, accepted":              {err: errors.New("down"), checks: smschannel.Checks{OnFailure: smschannel.Accept}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tc.checks.Now = func() time.Time { return now }
			tc.checks.Ask = func(_ context.Context, n string) (smschannel.Facts, error) {
				require.Equal(t, number, n)
				return tc.facts, tc.err
			}
			got, err := checking(t, tc.checks).Screen(t.Context(), number)
			require.NoError(t, err)
			require.Equal(t, tc.want, got)
		})
	}
	got, err := checking(t, smschannel.Checks{}).Screen(t.Context(), number)
	require.NoError(t, err)
	require.Zero(t, got, "nobody is asked")
}

func TestAskingThatHangsFailsAfterFiveSeconds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ch := checking(t, smschannel.Checks{Ask: func(ctx context.Context, _ string) (smschannel.Facts, error) {
			<-ctx.Done()
			return smschannel.Facts{}, ctx.Err()
		}})
		begun := time.Now()
		got, err := ch.Screen(t.Context(), number)
		require.NoError(t, err)
		require.NotEmpty(t, got.Refuse)
		require.Equal(t, 5*time.Second, time.Since(begun))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err = ch.Screen(ctx, number)
		require.ErrorIs(t, err, context.DeadlineExceeded, "whoever asked is gone: that is no failure of the vendor")
	})
}

func TestChecksReportEverythingThatIsWrong(t *testing.T) {
	t.Parallel()
	_, err := smschannel.New(nobody{}, &smschannel.Options{Region: "US", Checks: smschannel.Checks{
		Lines: map[smschannel.Line]smschannel.Measure{"fax": smschannel.Refuse, smschannel.LineMobile: 9}, OnSIMChange: -1, OnFailure: 4, Timeout: -1,
	}})
	require.ErrorIs(t, err, mspkit.ErrInvalid)
	for _, want := range []string{`kind of line "fax"`, "Lines: there is no measure 9", "OnSIMChange: there is no measure -1", "OnFailure: there is no measure 4", "Timeout is negative"} {
		require.ErrorContains(t, err, want)
	}
}

func TestASwappedSIMCardStopsAVerificationByTextMessageOnTheWire(t *testing.T) {
	t.Parallel()
	lookups, err := twiliotest.New(account, token, nil)
	require.NoError(t, err)
	base, err := lookups.Start()
	require.NoError(t, err)
	defer lookups.Close()
	client, err := twilio.New(account, twilio.AuthToken(token), twilio.Sender{From: "+12025550100"}, &twilio.Options{BaseURL: base, LookupURL: base})
	require.NoError(t, err)
	w := newWorld(t, &smschannel.Options{Region: "US", Checks: smschannel.Checks{
		Ask: func(ctx context.Context, n string) (smschannel.Facts, error) {
			f, err := client.Lookup(ctx, n, twilio.LineType, twilio.SIMSwap)
			return smschannel.Facts(f), err
		},
	}}, nil)
	start := func() (verify.Challenge, error) {
		return w.Start(t.Context(), w.request("sms", verify.MethodNumber, number))
	}
	_, err = start()
	require.NoError(t, err)
	lookups.SetNumber(number, twiliotest.Number{SIMChangedAt: time.Now().Add(-3 * 24 * time.Hour)})
	_, err = start()
	require.ErrorIs(t, err, verify.ErrPolicy)
	require.ErrorContains(t, err, "the phone number has a SIM card that was changed less than 7 days ago, so that it proves next to nothing")
	lookups.SetNumber(number, twiliotest.Number{Line: "landline"})
	_, err = start()
	require.ErrorContains(t, err, "the phone number is a landline")
	lookups.SetNumber(number, twiliotest.Number{SIMError: 60620})
	_, err = start()
	require.ErrorContains(t, err, "could not be checked")
	require.Len(t, w.twilio.Messages(), 1, "one message in all")
	require.NotContains(t, w.logs.String(), number)
}
