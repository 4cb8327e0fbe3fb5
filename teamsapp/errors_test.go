package teamsapp_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/teamsapp"
)

// The shapes in which Teams refuses.
const (
	shapeError   = `{"error":{"code":%q,"message":"about Ann Smith"}}`
	shapeSubCode = `{"errorCode":209,"message":"{\r\n  \"subCode\": \"%s\",\r\n  \"details\": \"about Ann Smith\"\r\n}"}`
	shapeMessage = `{"message":"Authorization has been denied for this request."}`
	shapeHTML    = "<html><body>Ann Smith %s</body></html>"
)

func TestEveryRefusalHasACauseAndAnAdvice(t *testing.T) {
	t.Parallel()
	tests := []struct {
		op, name  string
		status    int
		body      string
		code      string
		want      error
		advice    string
		permanent bool
	}{
		{status: 401, body: fmt.Sprintf(shapeError, "BotNotRegistered"), code: "BotNotRegistered", want: teamsapp.ErrCredentials, advice: "Azure Bot", permanent: true},
		{status: 401, body: shapeMessage, want: teamsapp.ErrCredentials, advice: "home tenant", permanent: true},
		{status: 401, want: teamsapp.ErrCredentials, advice: "home tenant", permanent: true},
		{status: 403, body: fmt.Sprintf(shapeError, "BotNotInConversationRoster"), code: "BotNotInConversationRoster", want: teamsapp.ErrNotInstalled, advice: "Install the app", permanent: true},
		{status: 403, body: fmt.Sprintf(shapeError, "ConversationBlockedByUser"), code: "ConversationBlockedByUser", want: teamsapp.ErrBlockedByUser, advice: "unblock", permanent: true},
		{status: 403, body: fmt.Sprintf(shapeSubCode, "MessageWritesBlocked"), code: "MessageWritesBlocked", want: teamsapp.ErrBlockedByUser, advice: "install the app again", permanent: true},
		{status: 403, body: fmt.Sprintf(shapeError, "MessageWritesBlocked"), code: "MessageWritesBlocked", want: teamsapp.ErrBlockedByUser, advice: "unblock", permanent: true},
		{
			name: "sub code below an error", status: 403, body: `{"error":{"code":"Forbidden","message":"{\"subCode\":\"MessageWritesBlocked\"}"}}`,
			code: "MessageWritesBlocked", want: teamsapp.ErrBlockedByUser, advice: "unblock", permanent: true,
		},
		{status: 403, body: fmt.Sprintf(shapeError, "BotDisabledByAdmin"), code: "BotDisabledByAdmin", want: teamsapp.ErrBlockedByAdmin, advice: "admin center", permanent: true},
		{status: 404, body: fmt.Sprintf(shapeError, "ConversationNotFound"), code: "ConversationNotFound", want: teamsapp.ErrConversationGone, advice: "deleted", permanent: true},
		{status: 404, want: teamsapp.ErrConversationGone, advice: "deleted", permanent: true},
		{op: "create", status: 404, body: shapeHTML, want: teamsapp.ErrCloud, advice: "same Microsoft cloud", permanent: true},
		{status: 412, body: fmt.Sprintf(shapeError, "PreconditionFailed"), code: "PreconditionFailed", want: teamsapp.ErrUnavailable, advice: "later"},
		{status: 412, body: `{"errorCode":1,"message":"no json"}`, code: "1", want: teamsapp.ErrUnavailable, advice: "later"},
		{status: 413, body: fmt.Sprintf(shapeError, "MessageSizeTooBig"), code: "MessageSizeTooBig", want: teamsapp.ErrTooLarge, advice: "Shorten", permanent: true},
		{status: 413, body: shapeHTML, want: teamsapp.ErrTooLarge, advice: "Shorten", permanent: true},
		{status: 400, body: fmt.Sprintf(shapeError, "MessageSizeTooBig"), code: "MessageSizeTooBig", want: teamsapp.ErrTooLarge, advice: "Shorten", permanent: true},
		{status: 429, body: fmt.Sprintf(shapeError, "Throttled"), code: "Throttled", want: teamsapp.ErrThrottled, advice: "later"},
		{status: 429, want: teamsapp.ErrThrottled, advice: "later"},
		{status: 400, body: fmt.Sprintf(shapeError, "BadSyntax"), code: "BadSyntax", want: teamsapp.ErrRefused, advice: "ids", permanent: true},
		{status: 400, body: fmt.Sprintf(shapeError, "ForbiddenOperationException"), code: "ForbiddenOperationException", want: teamsapp.ErrCloud, advice: "cloud", permanent: true},
		{status: 403, body: fmt.Sprintf(shapeError, "ForbiddenOperationException"), code: "ForbiddenOperationException", want: teamsapp.ErrCloud, advice: "cloud", permanent: true},
		{status: 400, body: fmt.Sprintf(shapeError, "InvalidBotApiHost"), code: "InvalidBotApiHost", want: teamsapp.ErrCloud, advice: "cloud", permanent: true},
		{status: 403, body: fmt.Sprintf(shapeSubCode, "invalidbotapihost"), code: "invalidbotapihost", want: teamsapp.ErrCloud, advice: "cloud", permanent: true},

		{name: "unknown code", status: 403, body: fmt.Sprintf(shapeError, "SomethingNew"), code: "SomethingNew", want: teamsapp.ErrRefused, advice: "Microsoft", permanent: true},
		{name: "number without sub code", status: 403, body: `{"errorCode":209,"message":"Ann Smith"}`, code: "209", want: teamsapp.ErrRefused, advice: "Microsoft", permanent: true},
		{name: "code that is none", status: 400, body: fmt.Sprintf(shapeError, "Ann Smith"), want: teamsapp.ErrRefused, advice: "Microsoft", permanent: true},
		{name: "code that is too long", status: 400, body: fmt.Sprintf(shapeError, strings.Repeat("x", 65)), want: teamsapp.ErrRefused, advice: "Microsoft", permanent: true},
		{name: "code of another type", status: 400, body: `{"error":{"code":{"Ann":"Smith"},"message":7}}`, want: teamsapp.ErrRefused, advice: "Microsoft", permanent: true},
		{name: "error as text", status: 400, body: `{"error":"Ann Smith","message":["Ann"]}`, want: teamsapp.ErrRefused, advice: "Microsoft", permanent: true},
		{name: "array", status: 400, body: `["Ann Smith"]`, want: teamsapp.ErrRefused, advice: "Microsoft", permanent: true},
		{status: 408, want: teamsapp.ErrUnavailable, advice: "later"},
		{status: 500, body: fmt.Sprintf(shapeError, "ServiceError"), code: "ServiceError", want: teamsapp.ErrUnavailable, advice: "later"},
		{status: 502, body: shapeHTML, want: teamsapp.ErrUnavailable, advice: "later"},
		{status: 503, want: teamsapp.ErrUnavailable, advice: "later"},
		{status: 504, body: `{`, want: teamsapp.ErrUnavailable, advice: "later"},
	}
	for _, tc := range tests {
		if tc.op == "" {
			tc.op = "send"
		}
		t.Run(fmt.Sprint(tc.status, " ", tc.code, tc.name), func(t *testing.T) {
			t.Parallel()
			resp := &http.Response{StatusCode: tc.status, Header: http.Header{"Ms-Cv": {"aB1+/=.0 <Ann>"}, "Retry-After": {"3"}}}
			e := teamsapp.ReadError(tc.op, resp, []byte(tc.body), time.Now())
			for _, s := range teamsapp.Sentinels() {
				require.Equal(t, errors.Is(s, tc.want), errors.Is(e, s), s)
			}
			require.Equal(t, tc.code, e.Code)
			require.Equal(t, tc.status, e.Status)
			require.Equal(t, tc.permanent, e.Permanent())
			require.Contains(t, e.Advice(), tc.advice)
			require.Equal(t, 3*time.Second, e.RetryAfter)
			require.Equal(t, "aB1+/=.0Ann", e.CorrelationID)

			wrapped := fmt.Errorf("teamsapp: %w", e)
			require.Contains(t, wrapped.Error(), fmt.Sprintf("%s: status %d", tc.op, tc.status))
			require.Contains(t, wrapped.Error(), tc.want.Error())
			require.NotContains(t, wrapped.Error(), "Ann Smith")
			advice, permanent := teamsapp.Explain(wrapped)
			require.Equal(t, e.Advice(), advice)
			require.Equal(t, tc.permanent, permanent)
		})
	}
}

func TestEverySentinelOfACallIsExplained(t *testing.T) {
	t.Parallel()
	for _, s := range teamsapp.Sentinels() {
		advice, _ := teamsapp.Explain(fmt.Errorf("teamsapp: %w", s))
		require.NotEmpty(t, advice)
		require.True(t, strings.HasSuffix(advice, "."), advice)
	}
	advice, permanent := teamsapp.Explain(io.EOF)
	require.Empty(t, advice)
	require.False(t, permanent)
	advice, _ = teamsapp.Explain(nil)
	require.Empty(t, advice)
}

func TestALongCorrelationIDIsCut(t *testing.T) {
	t.Parallel()
	resp := &http.Response{StatusCode: http.StatusBadRequest, Header: http.Header{"Ms-Cv": {strings.Repeat("x", 5000)}}}
	require.Len(t, teamsapp.ReadError("send", resp, nil, time.Now()).CorrelationID, 128)
}

// TestEveryRefusalReachesTheCaller sends each row through a whole bot.
func TestEveryRefusalReachesTheCaller(t *testing.T) {
	t.Parallel()
	tests := []struct {
		status int
		body   string
		want   error
		calls  int
	}{
		{401, shapeMessage, teamsapp.ErrCredentials, 2},
		{401, fmt.Sprintf(shapeError, "BotNotRegistered"), teamsapp.ErrCredentials, 2},
		{403, fmt.Sprintf(shapeError, "BotNotInConversationRoster"), teamsapp.ErrNotInstalled, 1},
		{403, fmt.Sprintf(shapeError, "ConversationBlockedByUser"), teamsapp.ErrBlockedByUser, 1},
		{403, fmt.Sprintf(shapeSubCode, "MessageWritesBlocked"), teamsapp.ErrBlockedByUser, 1},
		{403, fmt.Sprintf(shapeError, "BotDisabledByAdmin"), teamsapp.ErrBlockedByAdmin, 1},
		{412, fmt.Sprintf(shapeError, "PreconditionFailed"), teamsapp.ErrUnavailable, 5},
		{413, fmt.Sprintf(shapeError, "MessageSizeTooBig"), teamsapp.ErrTooLarge, 1},
		{429, fmt.Sprintf(shapeError, "Throttled"), teamsapp.ErrThrottled, 5},
		{502, shapeHTML, teamsapp.ErrUnavailable, 5},
		{504, "", teamsapp.ErrUnavailable, 5},
		{400, fmt.Sprintf(shapeError, "BadSyntax"), teamsapp.ErrRefused, 1},
		{403, fmt.Sprintf(shapeError, "InvalidBotApiHost"), teamsapp.ErrCloud, 1},
	}
	for _, tc := range tests {
		t.Run(fmt.Sprint(tc.status, tc.want), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := &wire{answer: func(int, seen) *http.Response { return reply(tc.status, tc.body) }}
				b := outBot(t, f)
				know(t, b, teamsapp.Known{Member: outMember, Conversation: outConversation})
				_, err := b.Notify(t.Context(), toUser(teamsapp.Message{Text: "hi"}))
				require.ErrorIs(t, err, tc.want)
				require.Len(t, f.seen(), tc.calls)
				require.Equal(t, errors.Is(tc.want, teamsapp.ErrNotInstalled), known(t, b).Removed)
			})
		})
	}
}

func TestALostConnectionIsUnavailable(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := outBot(t, &wire{lost: func(int) bool { return true }})
		_, err := b.Notify(t.Context(), toUser(teamsapp.Message{Text: "hi"}))
		require.ErrorIs(t, err, teamsapp.ErrUnavailable)
		require.ErrorIs(t, err, io.ErrUnexpectedEOF)
		e, ok := errors.AsType[*teamsapp.Error](err)
		require.True(t, ok)
		require.Zero(t, e.Status)
		require.False(t, e.Permanent())
		require.NotContains(t, err.Error(), outSecret)
	})
}

func TestBadArgumentsReachNobody(t *testing.T) {
	t.Parallel()
	f := &wire{}
	b := outBot(t, f)
	ctx := t.Context()
	_, err := b.Notify(ctx, teamsapp.Notification{To: teamsapp.User{TenantID: "x"}, Message: teamsapp.Message{Text: "hi"}})
	require.ErrorIs(t, err, mspkit.ErrInvalid)
	_, err = b.Notify(ctx, teamsapp.Notification{To: teamsapp.User{TenantID: outHome, ObjectID: outPerson}, Message: teamsapp.Message{Text: "hi"}})
	require.ErrorIs(t, err, teamsapp.ErrUnknownTenant)
	_, err = b.Notify(ctx, teamsapp.Notification{To: teamsapp.User{TenantID: nameless, ObjectID: outPerson}, Message: teamsapp.Message{Text: "hi"}})
	require.ErrorIs(t, err, mspkit.ErrInvalid, "a host that knows no name for a tenant has not onboarded it")
	_, err = b.Notify(ctx, toUser(teamsapp.Message{}))
	require.ErrorIs(t, err, mspkit.ErrInvalid)
	_, err = b.Notify(ctx, toUser(teamsapp.Message{Card: &teamsapp.Card{}}))
	require.ErrorIs(t, err, mspkit.ErrInvalid)
	for _, ref := range []teamsapp.MessageRef{
		{User: outUser, Activity: "a"},
		{User: outUser, Conversation: "a"},
		{User: outUser, Conversation: "..", Activity: "a"},
		{User: outUser, Conversation: "a", Activity: "."},
		{User: outUser, Conversation: "a\n", Activity: "a"},
		{User: outUser, Conversation: strings.Repeat("a", 1025), Activity: "a"},
		{Conversation: "a", Activity: "a"},
	} {
		require.ErrorIs(t, b.Delete(ctx, ref), mspkit.ErrInvalid)
		require.ErrorIs(t, b.Update(ctx, ref, teamsapp.Message{Text: "hi"}), mspkit.ErrInvalid)
		_, err = b.Reply(ctx, ref, teamsapp.Message{Text: "hi"})
		require.ErrorIs(t, err, mspkit.ErrInvalid)
	}
	ended, cancel := context.WithCancel(ctx)
	cancel()
	_, err = b.Notify(ended, toUser(teamsapp.Message{Text: "hi"}))
	require.ErrorIs(t, err, context.Canceled)
	require.Empty(t, f.seen())
}
