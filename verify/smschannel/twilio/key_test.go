package twilio_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/verify/smschannel/twilio"
	"github.com/mspkit/mspkit/verify/smschannel/twiliotest"
)

func TestTheKeyOfASendIsCoveredByTheSignature(t *testing.T) {
	t.Parallel()
	f := callback("delivered")
	long := strings.Repeat("x", 1025)
	for name, tc := range map[string]struct {
		query, signed string // what arrives, and the address that was signed
		want          int
		key           string
	}{
		"signed":                {"key=a-b_c", public + "&key=a-b_c", 204, "a-b_c"},
		"escaped":               {"key=a%26b", public + "&key=a%26b", 204, "a&b"},
		"proxy adds parameters": {"tenant=7&x=1&key=abc", public + "&key=abc", 204, "abc"},
		"none":                  {"tenant=7", public, 204, ""},
		"another":               {"key=abd", public + "&key=abc", 403, ""},
		"added":                 {"key=abc", public, 403, ""},
		"taken away":            {"", public + "&key=abc", 403, ""},
		"twice":                 {"key=abd&key=abc", public + "&key=abc", 403, ""},
		"too long":              {"key=" + long, public + "&key=" + long, 400, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got []twilio.Status
			h := handler(t, func(_ context.Context, s twilio.Status) error { got = append(got, s); return nil }, token)
			r := httptest.NewRequest(http.MethodPost, "http://10.0.0.5:8080/internal/path?"+tc.query, strings.NewReader(f.Encode()))
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			r.Header.Set("X-Twilio-Signature", twiliotest.Sign(token, tc.signed, f))
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			require.Equal(t, tc.want, w.Code)
			if tc.want != 204 {
				require.Empty(t, got)
				return
			}
			require.Equal(t, tc.key, got[0].Key)
		})
	}
	_, err := twilio.NewStatusHandler(account, "https://msp.example/hooks?key=1", []mspkit.Redacted[string]{mspkit.Redact(token)},
		func(context.Context, twilio.Status) error { return nil }, nil)
	require.ErrorContains(t, err, "parameter key")
}

func TestReasonNamesTheCauseAndTwiliosCode(t *testing.T) {
	t.Parallel()
	for want, s := range map[string]twilio.Status{
		"":                                     {State: twilio.Delivered},
		"the handset could not be reached":     {State: twilio.Failed},
		"the message was blocked (30007)":      {State: twilio.Undelivered, ErrorCode: 30007},
		"the message was cancelled":            {State: twilio.Canceled},
		"the handset could not be reached (1)": {State: twilio.Undelivered, ErrorCode: 1},
	} {
		require.Equal(t, want, s.Reason())
	}
}

func TestExplainSaysWhyInWordsThatCanBeShown(t *testing.T) {
	t.Parallel()
	var c twilio.Client
	for name, tc := range map[string]struct {
		err       error
		reason    string
		permanent bool
	}{
		"opted out":         {&twilio.Error{Code: 21610, Status: 400, Permanent: true}, "the recipient has opted out (21610)", true},
		"limited":           {&twilio.Error{Status: 429}, "too many requests", false},
		"unknown refusal":   {&twilio.Error{Code: 12345, Status: 400, Permanent: true}, "Twilio refused the message (status 400, code 12345)", true},
		"own check":         {fmt.Errorf("twilio: send: %w", twilio.ErrInvalidNumber), "the recipient's number is not valid", true},
		"ambiguous":         {fmt.Errorf("%w: %w", twilio.ErrAmbiguous, &twilio.Error{Code: 20003, Status: 401, Permanent: true}), "the message may or may not have been sent", false},
		"of somebody else":  {errors.New("+15551234567"), "", false},
		"of the connection": {context.DeadlineExceeded, "", false},
	} {
		reason, permanent := c.Explain(fmt.Errorf("wrapped: %w", tc.err))
		require.Equal(t, tc.reason, reason, name)
		require.Equal(t, tc.permanent, permanent, name)
	}
}
