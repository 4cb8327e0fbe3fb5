package twilio_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/verify/smschannel/twilio"
	"github.com/mspkit/mspkit/verify/smschannel/twiliotest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	account = "AC0123456789abcdef0123456789abcdef"
	keySID  = "SK0123456789abcdef0123456789abcdef"
	service = "MG0123456789abcdef0123456789abcdef"
	token   = "auth-token-of-the-test"
	number  = "+15551234567"
	text    = "Contoso IT: your code is 123 456"
)

// start returns a Twilio on loopback under a path and a client for it.
func start(t *testing.T, o *twilio.Options, so *twiliotest.Options) (*twilio.Client, *twiliotest.Server) {
	t.Helper()
	srv, err := twiliotest.New(account, token, so)
	require.NoError(t, err)
	base, err := srv.Start()
	require.NoError(t, err)
	var opts twilio.Options
	if o != nil {
		opts = *o
	}
	tr := &http.Transport{}
	opts.BaseURL, opts.HTTPClient = base, &http.Client{Transport: tr}
	c, err := twilio.New(account, twilio.AuthToken(token), twilio.Sender{From: "+15550001111"}, &opts)
	require.NoError(t, err)
	t.Cleanup(func() {
		tr.CloseIdleConnections()
		require.NoError(t, srv.Close())
	})
	return c, srv
}

// quiet fails where an error tells what it must not.
func quiet(t *testing.T, err error) {
	t.Helper()
	require.Error(t, err)
	for _, secret := range []string{number, strings.TrimPrefix(number, "+"), "123 456", token, account} {
		require.NotContains(t, err.Error(), secret)
	}
}

func TestSendTextSendsWhatWasConfigured(t *testing.T) {
	t.Parallel()
	srv, err := twiliotest.New(account, token, &twiliotest.Options{APIKeys: map[string]string{keySID: "key-secret"}})
	require.NoError(t, err)
	base, err := srv.Start()
	require.NoError(t, err)
	defer srv.Close()
	tr := &http.Transport{}
	defer tr.CloseIdleConnections()
	c, err := twilio.New(account, twilio.APIKey(keySID, "key-secret"), twilio.Sender{MessagingServiceSID: service}, &twilio.Options{
		BaseURL: base, HTTPClient: &http.Client{Transport: tr}, ValidityPeriod: 5 * time.Minute,
		StatusCallback: "https://msp.example/hooks/twilio", DiscardContent: true, ObfuscateAddress: true,
	})
	require.NoError(t, err)
	id, err := c.SendText(t.Context(), number, text, "k")
	require.NoError(t, err)
	got := srv.Messages()
	require.Len(t, got, 1)
	require.Equal(t, id, got[0].SID)
	require.Equal(t, number, got[0].To)
	require.Equal(t, text, got[0].Body)
	require.Equal(t, service, got[0].MessagingServiceSID)
	require.Equal(t, 5*time.Minute, got[0].Validity)
	require.Equal(t, "https://msp.example/hooks/twilio?key=k", got[0].StatusCallback)
	require.Equal(t, "discard", got[0].ContentRetention)
	require.Equal(t, "obfuscate", got[0].AddressRetention)
}

func TestSendTextLetsACodeLiveTenMinutesByDefault(t *testing.T) {
	t.Parallel()
	c, srv := start(t, nil, nil)
	_, err := c.SendText(t.Context(), number, text, "")
	require.NoError(t, err)
	require.Equal(t, 10*time.Minute, srv.Messages()[0].Validity)
}

func TestAmbiguousSendsAreLookedUpBeforeAnythingElse(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		faults []twiliotest.Fault
		opts   twilio.Options
		taken  int   // messages that reach the phone
		posts  int   // requests that tried
		want   error // nil: the id of a message that exists
	}{
		{name: "connection lost after it was taken", faults: []twiliotest.Fault{twiliotest.LostAfter}, taken: 1},
		{name: "5xx after it was taken", faults: []twiliotest.Fault{twiliotest.BrokenAfter}, taken: 1},
		{name: "no answer after it was taken", faults: []twiliotest.Fault{twiliotest.HangAfter}, opts: twilio.Options{Timeout: 300 * time.Millisecond}, taken: 1},
		{name: "answer that cannot be read", faults: []twiliotest.Fault{twiliotest.Garbage}, taken: 1},
		{name: "connection lost before", faults: []twiliotest.Fault{twiliotest.LostBefore}, taken: 1},
		{name: "5xx before", faults: []twiliotest.Fault{twiliotest.BrokenBefore}, taken: 1},
		{name: "lost twice, the second taken", faults: []twiliotest.Fault{twiliotest.LostBefore, twiliotest.LostAfter}, taken: 1},
		{name: "lost twice: resent once only", faults: []twiliotest.Fault{twiliotest.LostBefore, twiliotest.LostBefore}, want: twilio.ErrAmbiguous},
		{name: "taken by its word, but not there", faults: []twiliotest.Fault{{Status: 201, Body: "garbage"}}, want: twilio.ErrAmbiguous},
		{name: "lookup fails", faults: []twiliotest.Fault{twiliotest.LostAfter, {Method: "GET", Status: 401, Code: 20003}}, taken: 1, want: twilio.ErrAmbiguous},
		{name: "lookup is no list", faults: []twiliotest.Fault{twiliotest.LostBefore, {Method: "GET", Status: 200, Body: "{}"}}, want: twilio.ErrAmbiguous},
		{name: "texts are not kept", faults: []twiliotest.Fault{twiliotest.LostAfter}, opts: twilio.Options{DiscardContent: true}, taken: 1, want: twilio.ErrAmbiguous},
		{name: "texts are not kept, none to that number", faults: []twiliotest.Fault{twiliotest.LostBefore}, opts: twilio.Options{DiscardContent: true}, taken: 1},
		{name: "numbers are not kept", faults: []twiliotest.Fault{twiliotest.LostBefore}, opts: twilio.Options{ObfuscateAddress: true}, want: twilio.ErrAmbiguous},
	}
	for _, tc := range tests {
		for _, auto := range []bool{false, true} { // queued messages have no DateSent, sent ones have
			t.Run(tc.name, func(t *testing.T) {
				t.Parallel()
				c, srv := start(t, &tc.opts, &twiliotest.Options{AutoDeliver: auto})
				for _, f := range tc.faults {
					srv.Fail(1, f)
				}
				id, err := c.SendText(t.Context(), number, text, "k")
				require.Len(t, srv.Messages(), tc.taken)
				if tc.want != nil {
					require.ErrorIs(t, err, tc.want)
					quiet(t, err)
					require.Empty(t, id)
					return
				}
				require.NoError(t, err)
				require.Equal(t, srv.Messages()[0].SID, id)
			})
		}
	}
}

func TestCancelledSendIsAmbiguousAndTheNextCallWithItsKeyFindsIt(t *testing.T) {
	t.Parallel()
	c, srv := start(t, nil, nil)
	srv.Fail(1, twiliotest.HangAfter)
	ctx, cancel := context.WithCancel(t.Context())
	defer srv.Subscribe(func(twiliotest.Message) { cancel() })()
	_, err := c.SendText(ctx, number, text, "k")
	require.ErrorIs(t, err, twilio.ErrAmbiguous)
	require.ErrorIs(t, err, context.Canceled)
	quiet(t, err)

	id, err := c.SendText(t.Context(), number, text, "k")
	require.NoError(t, err)
	require.Len(t, srv.Messages(), 1)
	require.Equal(t, srv.Messages()[0].SID, id)
}

func TestAKeyIsResentOnceWhateverOftenItIsCalled(t *testing.T) {
	t.Parallel()
	c, srv := start(t, nil, nil)
	srv.Fail(2, twiliotest.LostBefore)
	for range 3 {
		_, err := c.SendText(t.Context(), number, text, "k")
		require.ErrorIs(t, err, twilio.ErrAmbiguous)
	}
	require.Empty(t, srv.Messages(), "the server would have taken a third one")
}

func TestTheSameKeyNeverSendsTwice(t *testing.T) {
	t.Parallel()
	c, srv := start(t, nil, nil)
	first, err := c.SendText(t.Context(), number, text, "k")
	require.NoError(t, err)
	again, err := c.SendText(t.Context(), number, text, "k")
	require.NoError(t, err)
	require.Equal(t, first, again)
	require.Len(t, srv.Messages(), 1)

	other, err := c.SendText(t.Context(), number, text, "another")
	require.NoError(t, err)
	require.NotEqual(t, first, other)
	require.Len(t, srv.Messages(), 2)
}

func TestAnotherMessageWithTheSameTextIsNotTakenForIt(t *testing.T) {
	t.Parallel()
	c, srv := start(t, nil, nil)
	first, err := c.SendText(t.Context(), number, text, "first")
	require.NoError(t, err)
	srv.Fail(1, twiliotest.LostBefore)
	second, err := c.SendText(t.Context(), number, text, "second")
	require.NoError(t, err)
	require.NotEqual(t, first, second)
	require.Len(t, srv.Messages(), 2)
}

func TestAnOlderMessageWithTheSameTextIsNotTakenForIt(t *testing.T) {
	t.Parallel()
	var ahead atomic.Int64
	now := func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
	c, srv := start(t, &twilio.Options{Now: now}, &twiliotest.Options{Now: now})
	srv.Fail(1, twiliotest.Fault{Accept: true, Status: 400, Code: 21610}) // known to Twilio, unknown to the client
	_, err := c.SendText(t.Context(), number, text, "")
	require.ErrorIs(t, err, twilio.ErrOptedOut)
	ahead.Store(int64(2 * time.Minute))
	srv.Fail(1, twiliotest.LostBefore)
	id, err := c.SendText(t.Context(), number, text, "")
	require.NoError(t, err)
	require.Len(t, srv.Messages(), 2)
	require.Equal(t, srv.Messages()[1].SID, id)
}

func TestTooManyRequestsIsWaitedFor(t *testing.T) {
	t.Parallel()
	c, srv := start(t, nil, nil)
	f := twiliotest.TooMany
	f.RetryAfter = "0"
	srv.Fail(2, f)
	_, err := c.SendText(t.Context(), number, text, "k")
	require.NoError(t, err)
	require.Len(t, srv.Messages(), 1)
	require.Equal(t, 3, srv.Requests())

	srv.Fail(4, f)
	_, err = c.SendText(t.Context(), number, text, "k2")
	require.ErrorIs(t, err, twilio.ErrLimited)
	e, ok := errors.AsType[*twilio.Error](err)
	require.True(t, ok)
	require.False(t, e.Permanent)
	require.Len(t, srv.Messages(), 1)
}

func TestRefusalsHaveAMeaning(t *testing.T) {
	t.Parallel()
	tests := []struct {
		status, code int
		want         error
		permanent    bool
	}{
		{400, 21211, twilio.ErrInvalidNumber, true},
		{400, 21614, twilio.ErrNotMobile, true},
		{400, 21610, twilio.ErrOptedOut, true},
		{403, 21408, twilio.ErrRegion, true},
		{400, 21606, twilio.ErrSender, true},
		{400, 21659, twilio.ErrSender, true},
		{401, 20003, twilio.ErrAuth, true},
		{401, 0, twilio.ErrAuth, true},
		{400, 30003, twilio.ErrUndeliverable, false},
		{400, 30004, twilio.ErrBlocked, true},
		{400, 30005, twilio.ErrUndeliverable, true},
		{400, 30006, twilio.ErrNotMobile, true},
		{400, 30007, twilio.ErrBlocked, true},
		{400, 30034, twilio.ErrSender, true},
		{400, 30450, twilio.ErrBlocked, true},
		{400, 99999, nil, true},
	}
	for _, tc := range tests {
		c, srv := start(t, nil, nil)
		srv.Fail(1, twiliotest.Fault{Status: tc.status, Code: tc.code})
		_, err := c.SendText(t.Context(), number, text, "k")
		quiet(t, err)
		e, ok := errors.AsType[*twilio.Error](err)
		require.True(t, ok)
		require.Equal(t, twilio.Error{Code: tc.code, Status: tc.status, Permanent: tc.permanent}, *e)
		if tc.want != nil {
			require.ErrorIs(t, err, tc.want)
		}
		require.NotErrorIs(t, err, twilio.ErrAmbiguous)
		require.Equal(t, 1, srv.Requests(), "a refusal is not repeated")

		_, err = c.SendText(t.Context(), number, text, "k")
		require.NoError(t, err, "a refused key may be used again")
	}
}

func TestOptedOutRecipientIsAPermanentError(t *testing.T) {
	t.Parallel()
	c, srv := start(t, nil, nil)
	srv.OptOut(number)
	_, err := c.SendText(t.Context(), number, text, "k")
	require.ErrorIs(t, err, twilio.ErrOptedOut)
	quiet(t, err)
}

func TestNoConnectionIsNotAmbiguous(t *testing.T) {
	t.Parallel()
	c, srv := start(t, nil, nil)
	require.NoError(t, srv.Close())
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	_, err := c.SendText(ctx, number, text, "k")
	require.NotErrorIs(t, err, twilio.ErrAmbiguous)
	quiet(t, err)
}

func TestArgumentsAreChecked(t *testing.T) {
	t.Parallel()
	c, srv := start(t, nil, nil)
	for _, to := range []string{"", "5551234567", "+0123456789", "+1 555 123 4567", "+15551234567\n", number + "&x=1"} {
		_, err := c.SendText(t.Context(), to, text, "k")
		require.ErrorIs(t, err, twilio.ErrInvalidNumber)
		require.NotContains(t, err.Error(), "555")
	}
	for _, body := range []string{"", strings.Repeat("x", 1601), "\xff"} {
		_, err := c.SendText(t.Context(), number, body, "k")
		require.ErrorIs(t, err, mspkit.ErrInvalid)
	}
	require.Zero(t, srv.Requests())

	_, err := twilio.New("AC1", twilio.APIKey("SK1", ""), twilio.Sender{}, &twilio.Options{
		BaseURL: "http://api.test", StatusCallback: "ftp://x", ValidityPeriod: 11 * time.Hour, Timeout: -1,
	})
	require.ErrorIs(t, err, mspkit.ErrInvalid)
	for _, want := range []string{"account", "API key", "secret", "sender", "base URL", "status callback", "validity", "timeout"} {
		require.ErrorContains(t, err, want)
	}
}

func TestStatusAsksForWhatWasMissed(t *testing.T) {
	t.Parallel()
	c, srv := start(t, nil, nil)
	id, err := c.SendText(t.Context(), number, text, "k")
	require.NoError(t, err)
	require.NoError(t, srv.Deliver(t.Context(), id, "undelivered", 30006))
	s, err := c.Status(t.Context(), id)
	require.NoError(t, err)
	require.Equal(t, twilio.Status{Account: account, MessageID: id, State: twilio.Undelivered, Rank: 5, ErrorCode: 30006, Permanent: true}, s)
	require.ErrorIs(t, s.Err(), twilio.ErrNotMobile)
	_, err = c.Status(t.Context(), "SM/../x")
	require.ErrorIs(t, err, mspkit.ErrInvalid)
}
