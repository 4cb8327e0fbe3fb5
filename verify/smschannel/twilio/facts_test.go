package twilio_test

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/verify/smschannel"
	"github.com/mspkit/mspkit/verify/smschannel/twilio"
	"github.com/mspkit/mspkit/verify/smschannel/twiliotest"
)

// lookup returns a client whose lookups go to a Twilio on loopback, under another path than its messages.
func lookup(t *testing.T) (*twilio.Client, *twiliotest.Server) {
	t.Helper()
	_, srv := start(t, nil, nil)
	web := httptest.NewServer(http.StripPrefix("/lookups", srv))
	tr := &http.Transport{}
	c, err := twilio.New(account, twilio.AuthToken(token), twilio.Sender{From: "+15550001111"}, &twilio.Options{
		LookupURL: web.URL + "/lookups", HTTPClient: &http.Client{Transport: tr},
	})
	require.NoError(t, err)
	t.Cleanup(func() { tr.CloseIdleConnections(); web.Close() })
	return c, srv
}

func TestLookupTellsTheKindOfLineAndTheLastSIMChange(t *testing.T) {
	t.Parallel()
	c, srv := lookup(t)
	changed := time.Date(2026, 4, 27, 10, 18, 50, 0, time.UTC)
	both := []twilio.Package{twilio.LineType, twilio.SIMSwap}
	for name, tc := range map[string]struct {
		number   twiliotest.Number
		packages []twilio.Package
		want     twilio.Facts
	}{
		"a mobile, no carrier that tells":    {twiliotest.Number{}, both, twilio.Facts{Line: "mobile"}},
		"a kind that was not asked for":      {twiliotest.Number{Line: "landline"}, both[1:], twilio.Facts{}},
		"a SIM that was not asked for":       {twiliotest.Number{Line: "nonFixedVoip", SIMPeriod: time.Hour, SIMChanged: true}, both[:1], twilio.Facts{Line: "nonFixedVoip"}},
		"a date, whatever the period says":   {twiliotest.Number{SIMChangedAt: changed, SIMChanged: true}, both, twilio.Facts{Line: "mobile", SIMChangedAt: changed}},
		"a period in which it was changed":   {twiliotest.Number{SIMPeriod: 48 * time.Hour, SIMChanged: true}, both, twilio.Facts{Line: "mobile", SIMChanged: true}},
		"a period in which it was not":       {twiliotest.Number{SIMPeriod: 48 * time.Hour}, both, twilio.Facts{Line: "mobile"}},
		"an error that was not asked about":  {twiliotest.Number{SIMError: 60620}, both[:1], twilio.Facts{Line: "mobile"}},
		"a date without the kind of line":    {twiliotest.Number{SIMChangedAt: changed, LineError: 60601}, both[1:], twilio.Facts{SIMChangedAt: changed}},
		"packages in another order and more": {twiliotest.Number{Line: "premium"}, []twilio.Package{twilio.SIMSwap, twilio.LineType, twilio.SIMSwap}, twilio.Facts{Line: "premium"}},
	} {
		srv.SetNumber(number, tc.number)
		got, err := c.Lookup(t.Context(), number, tc.packages...)
		require.NoError(t, err, name)
		require.Equal(t, tc.want, got, name)
		require.Equal(t, got.Line, smschannel.Facts(got).Line)
	}
}

func TestLookupFailsWhereTwilioDoesNotTell(t *testing.T) {
	t.Parallel()
	c, srv := lookup(t)
	both := []twilio.Package{twilio.LineType, twilio.SIMSwap}
	for name, tc := range map[string]struct {
		number   twiliotest.Number
		fault    *twiliotest.Fault
		packages []twilio.Package
		to       string
		is       error
		says     string
	}{
		"the account is not approved":    {number: twiliotest.Number{LineError: 60601}, packages: both, is: twilio.ErrNoFacts, says: "line_type_intelligence: code 60601"},
		"the carrier does not tell":      {number: twiliotest.Number{SIMError: 60620}, packages: both, is: twilio.ErrNoFacts, says: "sim_swap: code 60620"},
		"the packages are missing":       {number: twiliotest.Number{Bare: true}, packages: both, is: twilio.ErrNoFacts, says: "the answer has no line_type_intelligence"},
		"one package is missing":         {number: twiliotest.Number{Bare: true}, packages: both[1:], is: twilio.ErrNoFacts, says: "the answer has no sim_swap"},
		"no phone has it":                {number: twiliotest.Number{Invalid: true}, packages: both, is: twilio.ErrInvalidNumber},
		"it is no number":                {to: "+49/../x", packages: both, is: twilio.ErrInvalidNumber},
		"nothing is asked":               {is: mspkit.ErrInvalid, says: "no package"},
		"something unknown is asked":     {packages: []twilio.Package{"caller_name&x=1"}, is: mspkit.ErrInvalid},
		"the credentials are refused":    {fault: &twiliotest.Fault{Method: http.MethodGet, Status: 401, Code: 20003}, packages: both, is: twilio.ErrAuth},
		"a proxy answers":                {fault: &twiliotest.Fault{Method: http.MethodGet, Status: 200, Body: "<html>" + number + "</html>"}, packages: both, says: "not understood"},
		"a date that is none is no date": {fault: &twiliotest.Fault{Method: http.MethodGet, Status: 200, Body: `{"valid":true,"sim_swap":{"last_sim_swap":{"last_sim_swap_date":"soon"}}}`}, packages: both[1:], says: "not understood"},
	} {
		srv.SetNumber(number, tc.number)
		if tc.fault != nil {
			srv.Fail(1, *tc.fault)
		}
		to := tc.to
		if to == "" {
			to = number
		}
		got, err := c.Lookup(t.Context(), to, tc.packages...)
		quiet(t, err)
		require.Zero(t, got, name)
		require.ErrorContains(t, err, tc.says, name)
		if tc.is != nil {
			require.ErrorIs(t, err, tc.is, name)
		}
	}
}
