package twilio_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/verify/smschannel/twilio"
	"github.com/mspkit/mspkit/verify/smschannel/twiliotest"
)

const (
	public    = "https://msp.example/hooks/twilio?tenant=7"
	messageID = "SM0123456789abcdef0123456789abcdef"
)

func callback(state string) url.Values {
	return url.Values{"AccountSid": {account}, "MessageSid": {messageID}, "MessageStatus": {state}, "To": {number}, "From": {"+15550001111"}, "ApiVersion": {"2010-04-01"}}
}

// post hands a callback to the handler as a proxy would: with another host and path.
func post(h http.Handler, body, signature string) int {
	r := httptest.NewRequest(http.MethodPost, "http://10.0.0.5:8080/internal/path", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=UTF-8")
	r.Header.Set("X-Twilio-Signature", signature)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Code
}

func handler(t *testing.T, f func(context.Context, twilio.Status) error, tokens ...string) *twilio.StatusHandler {
	t.Helper()
	var ts []mspkit.Redacted[string]
	for _, s := range tokens {
		ts = append(ts, mspkit.Redact(s))
	}
	h, err := twilio.NewStatusHandler(account, public, ts, f, nil)
	require.NoError(t, err)
	return h
}

func TestCallbacksAreAcceptedOnlyWithTheAccountsSignature(t *testing.T) {
	t.Parallel()
	good := callback("delivered")
	changed := callback("delivered")
	changed.Set("MessageSid", strings.Replace(messageID, "0", "1", 1))
	foreign := callback("delivered")
	foreign.Set("AccountSid", "ACffffffffffffffffffffffffffffffff")
	noState := callback("")
	badCode := callback("failed")
	badCode.Set("ErrorCode", "-1")
	withPort := strings.Replace(public, "msp.example", "msp.example:443", 1)
	otherPort := strings.Replace(public, "msp.example", "msp.example:8443", 1)
	sign := twiliotest.Sign
	tests := []struct {
		name, body, signature string
		want                  int
	}{
		{"signed", good.Encode(), sign(token, public, good), 204},
		{"signed with the token before", good.Encode(), sign("old-token", public, good), 204},
		{"signed with the default port", good.Encode(), sign(token, withPort, good), 204},
		{"signed for another port", good.Encode(), sign(token, otherPort, good), 403},
		{"signed for another URL", good.Encode(), sign(token, "https://msp.example/hooks/twilio", good), 403},
		{"signed for the internal URL", good.Encode(), sign(token, "http://10.0.0.5:8080/internal/path", good), 403},
		{"not signed", good.Encode(), "", 403},
		{"signature is not base64", good.Encode(), "%%%", 403},
		{"signed by somebody else", good.Encode(), sign("guess", public, good), 403},
		{"changed on the way", changed.Encode(), sign(token, public, good), 403},
		{"of another account", foreign.Encode(), sign(token, public, foreign), 403},
		{"without a status", noState.Encode(), sign(token, public, noState), 400},
		{"with a bad error code", badCode.Encode(), sign(token, public, badCode), 400},
		{"repeated keys count once", good.Encode() + "&MessageStatus=failed", sign(token, public, good), 204},
		{"not a form", "%zz", sign(token, public, nil), 400},
		{"too long", strings.Repeat("x", 65<<10), sign(token, public, good), 413},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			var got []twilio.Status
			h := handler(t, func(_ context.Context, s twilio.Status) error { got = append(got, s); return nil }, token, "old-token")
			require.Equal(t, tc.want, post(h, tc.body, tc.signature))
			if tc.want != 204 {
				require.Empty(t, got)
				return
			}
			require.Equal(t, []twilio.Status{{Account: account, MessageID: messageID, State: twilio.Delivered, Rank: 5}}, got)
		})
	}
}

func TestCallbackMethodAndContentType(t *testing.T) {
	t.Parallel()
	h := handler(t, func(context.Context, twilio.Status) error { return nil }, token)
	for _, m := range []string{http.MethodGet, http.MethodHead, http.MethodPut} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(m, "/", nil))
		require.Equal(t, http.StatusMethodNotAllowed, w.Code)
		require.Equal(t, http.MethodPost, w.Header().Get("Allow"))
	}
	r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader("{}"))
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	require.Equal(t, http.StatusUnsupportedMediaType, w.Code)
}

func TestReceiverThatFailsMakesTwilioComeBack(t *testing.T) {
	t.Parallel()
	h := handler(t, func(context.Context, twilio.Status) error { return errors.New("database is gone") }, token)
	f := callback("sent")
	require.Equal(t, http.StatusServiceUnavailable, post(h, f.Encode(), twiliotest.Sign(token, public, f)))
}

// The vector of Twilio's own documentation and helper libraries.
func TestSignatureIsTwilios(t *testing.T) {
	t.Parallel()
	form := url.Values{"CallSid": {"CA1234567890ABCDE"}, "Caller": {"+14158675309"}, "Digits": {"1234"}, "From": {"+14158675309"}, "To": {"+18005551212"}}
	const u = "https://mycompany.com/myapp.php?foo=1&bar=2"
	require.Equal(t, "RSOYDt4T1cUTdK1PDd93/VVr8B8=", twiliotest.Sign("12345", u, form))
	require.Equal(t, "RSOYDt4T1cUTdK1PDd93/VVr8B8=", twilio.SignForTest("12345", u, form))
}

func TestRegressionsAndReplaysSupersedeNothing(t *testing.T) {
	t.Parallel()
	srv, err := twiliotest.New(account, token, nil)
	require.NoError(t, err)
	base, err := srv.Start()
	require.NoError(t, err)
	var hook *twilio.StatusHandler
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { hook.ServeHTTP(w, r) }))
	tr := &http.Transport{}
	defer func() {
		tr.CloseIdleConnections()
		require.NoError(t, srv.Close())
		web.Close()
	}()
	target := web.URL + "/base/hooks/twilio"
	var state twilio.State
	var changes []twilio.State
	hook, err = twilio.NewStatusHandler(account, target, []mspkit.Redacted[string]{mspkit.Redact(token)}, func(_ context.Context, s twilio.Status) error {
		if s.Supersedes(state) {
			state = s.State
			changes = append(changes, s.State)
		}
		return nil
	}, nil)
	require.NoError(t, err)
	c, err := twilio.New(account, twilio.AuthToken(token), twilio.Sender{From: "Contoso IT"}, &twilio.Options{
		BaseURL: base, HTTPClient: &http.Client{Transport: tr}, StatusCallback: target,
	})
	require.NoError(t, err)
	id, err := c.SendText(t.Context(), number, text, "k")
	require.NoError(t, err)
	for _, s := range []string{"sending", "delivered", "sent", "delivered", "queued", "undelivered", "a-new-one"} {
		require.NoError(t, srv.Deliver(t.Context(), id, s, 0))
	}
	require.Equal(t, []twilio.State{twilio.Sending, twilio.Delivered}, changes)
}

func TestStatusSaysWhyAMessageFailed(t *testing.T) {
	t.Parallel()
	for code, want := range map[string]error{
		"": twilio.ErrUndeliverable, "30003": twilio.ErrUndeliverable, "30007": twilio.ErrBlocked, "21610": twilio.ErrOptedOut, "1": twilio.ErrUndeliverable,
	} {
		var got twilio.Status
		h := handler(t, func(_ context.Context, s twilio.Status) error { got = s; return nil }, token)
		f := callback("undelivered")
		if code != "" {
			f.Set("ErrorCode", code)
		}
		require.Equal(t, 204, post(h, f.Encode(), twiliotest.Sign(token, public, f)))
		require.ErrorIs(t, got.Err(), want)
		require.Equal(t, code == "30007" || code == "21610", got.Permanent)
	}
	require.NoError(t, twilio.Status{State: twilio.Delivered}.Err())
}

func TestNewStatusHandlerReportsEveryFault(t *testing.T) {
	t.Parallel()
	_, err := twilio.NewStatusHandler("x", "http://msp.example", nil, nil, nil)
	require.ErrorIs(t, err, mspkit.ErrInvalid)
	for _, want := range []string{"account", "public URL", "token", "receiver"} {
		require.ErrorContains(t, err, want)
	}
}

func FuzzStatusHandler(f *testing.F) {
	f.Add(callback("delivered").Encode(), true)
	f.Add("MessageSid=SM1&MessageSid=SM2", false)
	f.Add("%zz", true)
	f.Add("a;b", true)
	f.Fuzz(func(t *testing.T, body string, signed bool) {
		called := 0
		h, err := twilio.NewStatusHandler(account, public, []mspkit.Redacted[string]{mspkit.Redact(token)}, func(_ context.Context, s twilio.Status) error {
			called++
			if s.Account != account || len(s.MessageID) != 34 || s.State == "" || s.ErrorCode < 0 {
				t.Errorf("half a status: %+v", s)
			}
			return nil
		}, nil)
		if err != nil {
			t.Fatal(err)
		}
		signature := "AAAA"
		if form, err := url.ParseQuery(body); err == nil && signed {
			signature = twiliotest.Sign(token, public, form)
		}
		code := post(h, body, signature)
		if !signed && (called > 0 || code == 204) {
			t.Fatalf("forged callback was taken: %d", code)
		}
		if (called == 1) != (code == 204) {
			t.Fatalf("status %d after %d calls", code, called)
		}
	})
}
