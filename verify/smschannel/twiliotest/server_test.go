package twiliotest_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/mspkit/mspkit/verify/smschannel/twiliotest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	account = "AC0123456789abcdef0123456789abcdef"
	path    = "/any/prefix/2010-04-01/Accounts/" + account + "/Messages"
)

func call(t *testing.T, h http.Handler, method, target, token string, form url.Values) (int, map[string]any) {
	t.Helper()
	r := httptest.NewRequest(method, target, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.SetBasicAuth(account, token)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	var v map[string]any
	b, err := io.ReadAll(w.Body)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(b, &v), string(b))
	return w.Code, v
}

func TestServerSpeaksTwiliosWireFormat(t *testing.T) {
	t.Parallel()
	s, err := twiliotest.New(account, "token", nil)
	require.NoError(t, err)
	defer s.Close()
	form := url.Values{"To": {"+15551234567"}, "From": {"+15550001111"}, "Body": {strings.Repeat("é", 71)}}
	code, m := call(t, s, "POST", path+".json", "token", form)
	require.Equal(t, 201, code)
	require.Equal(t, "2", m["num_segments"])
	require.Equal(t, "queued", m["status"])
	require.Nil(t, m["price"])
	require.Nil(t, m["error_code"])
	require.Nil(t, m["date_sent"])
	require.Regexp(t, `^[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d \+0000$`, m["date_created"])

	sid := m["sid"].(string)
	require.NoError(t, s.Deliver(t.Context(), sid, "undelivered", 30003))
	code, m = call(t, s, "GET", path+"/"+sid+".json", "token", nil)
	require.Equal(t, 200, code)
	require.InDelta(t, 30003, m["error_code"], 0)
	require.IsType(t, "", m["price"])

	code, m = call(t, s, "GET", path+".json?To=%2B15551234567&DateSent%3E=2020-01-01", "token", nil)
	require.Equal(t, 200, code)
	require.Len(t, m["messages"], 1)
	_, m = call(t, s, "GET", path+".json?To=%2B15550000000", "token", nil)
	require.Empty(t, m["messages"])
	_, m = call(t, s, "GET", path+".json?DateSent%3E=2999-01-01T00:00:00Z", "token", nil)
	require.Empty(t, m["messages"])
	require.ErrorIs(t, s.Deliver(t.Context(), "SM0", "sent", 0), twiliotest.ErrNoMessage)
}

func TestServerRefusesWhatTwilioRefuses(t *testing.T) {
	t.Parallel()
	s, err := twiliotest.New(account, "token", nil)
	require.NoError(t, err)
	s.OptOut("+15550009999")
	with := func(k, v string) url.Values {
		f := url.Values{"To": {"+15551234567"}, "From": {"+15550001111"}, "Body": {"hello"}}
		f.Set(k, v)
		return f
	}
	for _, tc := range []struct {
		target, token string
		form          url.Values
		status, code  int
	}{
		{path + ".json", "wrong", with("a", "b"), 401, 20003},
		{strings.Replace(path, account, "ACffffffffffffffffffffffffffffffff", 1) + ".json", "token", with("a", "b"), 404, 20404},
		{path + ".json", "token", with("To", "5551234567"), 400, 21211},
		{path + ".json", "token", with("To", ""), 400, 21604},
		{path + ".json", "token", with("From", ""), 400, 21603},
		{path + ".json", "token", with("Body", ""), 400, 21602},
		{path + ".json", "token", with("Body", strings.Repeat("x", 1601)), 400, 21617},
		{path + ".json", "token", with("To", "+15550009999"), 400, 21610},
		{path + ".json", "token", with("ValidityPeriod", "36001"), 400, 21621},
	} {
		status, m := call(t, s, "POST", tc.target, tc.token, tc.form)
		require.Equal(t, tc.status, status)
		require.InDelta(t, tc.code, m["code"], 0)
		require.InDelta(t, tc.status, m["status"], 0)
	}
	require.Empty(t, s.Messages())
}

func TestAutoDeliverReportsSentAndDelivered(t *testing.T) {
	t.Parallel()
	got := make(chan string, 4)
	hook := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_ = r.ParseForm()
		if r.Header.Get("X-Twilio-Signature") == twiliotest.Sign("token", "http://"+r.Host+r.URL.Path, r.PostForm) {
			got <- r.PostForm.Get("MessageStatus")
		}
	}))
	defer hook.Close()
	tr := &http.Transport{}
	s, err := twiliotest.New(account, "token", &twiliotest.Options{AutoDeliver: true, HTTPClient: &http.Client{Transport: tr}})
	require.NoError(t, err)
	form := url.Values{"To": {"+15551234567"}, "MessagingServiceSid": {"MG1"}, "Body": {"hello"}, "StatusCallback": {hook.URL + "/base/cb"}}
	code, m := call(t, s, "POST", path+".json", "token", form)
	require.Equal(t, 201, code)
	require.Equal(t, "accepted", m["status"])
	require.Equal(t, "sent", <-got)
	require.Equal(t, "delivered", <-got)
	require.NoError(t, s.Close())
	require.Equal(t, "delivered", s.Messages()[0].Status)
}

func TestServerSpeaksTheWireFormatOfLookups(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 4, 29, 10, 18, 50, 0, time.UTC)
	s, err := twiliotest.New(account, "token", &twiliotest.Options{Now: func() time.Time { return at }})
	require.NoError(t, err)
	defer s.Close()
	s.SetNumber("+15551234567", twiliotest.Number{Line: "nonFixedVoip", SIMChangedAt: at.Add(-48*time.Hour - 44*time.Second)})
	code, m := call(t, s, "GET", "/any/prefix/v2/PhoneNumbers/+15551234567?Fields=sim_swap", "token", nil)
	require.Equal(t, 200, code)
	require.Nil(t, m["line_type_intelligence"], "what was not asked for is null")
	require.Equal(t, map[string]any{
		"last_sim_swap": map[string]any{"last_sim_swap_date": "2026-04-27T10:18:06Z", "swapped_period": "PT48H0M44S", "swapped_in_period": true},
		"carrier_name":  nil, "error_code": nil,
	}, m["sim_swap"])
	code, m = call(t, s, "GET", "/v2/PhoneNumbers/+15551234567?Fields=line_type_intelligence", "token", nil)
	require.Equal(t, 200, code)
	require.Equal(t, map[string]any{"type": "nonFixedVoip", "carrier_name": "Contoso Mobile", "error_code": nil}, m["line_type_intelligence"])
	code, _ = call(t, s, "GET", "/v2/PhoneNumbers/+15551234567", "wrong", nil)
	require.Equal(t, 401, code)
	code, _ = call(t, s, "GET", "/v2/PhoneNumbers/0123?Fields=sim_swap", "token", nil)
	require.Equal(t, 404, code)
}
