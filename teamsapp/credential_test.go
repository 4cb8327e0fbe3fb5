package teamsapp_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/teamsapp"
)

func TestTheTokenIsAskedForAsEntraWantsIt(t *testing.T) {
	t.Parallel()
	assertion := func(context.Context) (string, error) { return "signed.jwt", nil }
	tests := []struct {
		name   string
		change func(*teamsapp.App, *teamsapp.Options)
		path   string
		form   url.Values
	}{
		{
			"secret", func(*teamsapp.App, *teamsapp.Options) {}, "/" + outHome + "/oauth2/v2.0/token",
			url.Values{"client_secret": {outSecret}},
		},
		{
			"assertion", func(a *teamsapp.App, _ *teamsapp.Options) { a.Credential = teamsapp.ClientAssertion(assertion) },
			"/" + outHome + "/oauth2/v2.0/token",
			url.Values{"client_assertion": {"signed.jwt"}, "client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"}},
		},
		{
			"multi-tenant bot", func(a *teamsapp.App, _ *teamsapp.Options) { a.TenantID, a.MultiTenant = "", true },
			"/shared.test/oauth2/v2.0/token",
			url.Values{"client_secret": {outSecret}},
		},
		{
			"below a path", func(_ *teamsapp.App, o *teamsapp.Options) { o.Cloud.Login += "/emulator/" },
			"/emulator/" + outHome + "/oauth2/v2.0/token",
			url.Values{"client_secret": {outSecret}},
		},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			f := &wire{}
			b := outBot(t, f, tc.change)
			for range 3 {
				_, err := b.Notify(t.Context(), toUser(teamsapp.Message{Text: "hi"}))
				require.NoError(t, err)
			}
			tc.form.Set("grant_type", "client_credentials")
			tc.form.Set("client_id", outApp)
			tc.form.Set("scope", "https://api.test/.default")
			require.Equal(t, []url.Values{tc.form}, f.tokens, "one token serves them all")
			require.Equal(t, []string{tc.path}, f.paths)
			for _, s := range f.seen() {
				require.Equal(t, "Bearer token-1", s.header.Get("Authorization"))
			}
		})
	}
}

func TestATokenFunctionIsAskedForTenantAndScope(t *testing.T) {
	t.Parallel()
	f := &wire{}
	var asked int
	b := outBot(t, f, func(a *teamsapp.App, _ *teamsapp.Options) {
		a.Credential = teamsapp.TokenFunc(func(_ context.Context, tenant, scope string) (string, time.Time, error) {
			asked++
			return "of." + tenant, time.Now().Add(time.Hour), scopeError(scope)
		})
	})
	for range 2 {
		_, err := b.Notify(t.Context(), toUser(teamsapp.Message{Text: "hi"}))
		require.NoError(t, err)
	}
	require.Equal(t, 1, asked)
	require.Empty(t, f.tokens)
	require.Equal(t, "Bearer of."+outHome, f.seen()[0].header.Get("Authorization"))
}

func scopeError(scope string) error {
	if scope != "https://api.test/.default" {
		return errors.New("another scope")
	}
	return nil
}

func TestWhatAHostsFunctionFailsWithIsNotRepeated(t *testing.T) {
	t.Parallel()
	cause := errors.New("the whole answer with " + outSecret)
	for name, c := range map[string]teamsapp.Credential{
		"assertion": teamsapp.ClientAssertion(func(context.Context) (string, error) { return "", cause }),
		"token": teamsapp.TokenFunc(func(context.Context, string, string) (string, time.Time, error) {
			return "", time.Time{}, cause
		}),
	} {
		f := &wire{}
		b := outBot(t, f, func(a *teamsapp.App, _ *teamsapp.Options) { a.Credential = c })
		_, err := b.Notify(t.Context(), toUser(teamsapp.Message{Text: "hi"}))
		require.ErrorIs(t, err, teamsapp.ErrCredentials, name)
		require.ErrorIs(t, err, cause)
		require.NotContains(t, err.Error(), outSecret)
		advice, permanent := teamsapp.Explain(err)
		require.Contains(t, advice, "function")
		require.False(t, permanent, "it may be the network")
		require.Empty(t, f.seen())
	}
}

func TestATokenThatFitsNoHeaderIsRefused(t *testing.T) {
	t.Parallel()
	for _, token := range []string{"", "a b", "a\r\nX: y", "ä", strings.Repeat("x", 16<<10+1)} {
		f := &wire{}
		b := outBot(t, f, func(a *teamsapp.App, _ *teamsapp.Options) {
			a.Credential = teamsapp.TokenFunc(func(context.Context, string, string) (string, time.Time, error) {
				return token, time.Now().Add(time.Hour), nil
			})
		})
		_, err := b.Notify(t.Context(), toUser(teamsapp.Message{Text: "hi"}))
		require.ErrorIs(t, err, teamsapp.ErrProtocol)
		require.Empty(t, f.seen())
	}
}

func TestEntrasRefusalsHaveACauseAndAnAdvice(t *testing.T) {
	t.Parallel()
	oauth := func(code string, number int) string {
		return fmt.Sprintf(`{"error":%q,"error_description":"AADSTS%d: about %s. Trace ID: 1","error_codes":[%d]}`, code, number, outSecret, number)
	}
	tests := []struct {
		status    int
		body      string
		code      string
		want      error
		advice    string
		permanent bool
		requests  int
	}{
		{401, oauth("invalid_client", 7000215), "AADSTS7000215", teamsapp.ErrCredentials, "not its id", true, 1},
		{401, oauth("invalid_client", 7000222), "AADSTS7000222", teamsapp.ErrCredentials, "expired", true, 1},
		{400, oauth("unauthorized_client", 7000112), "AADSTS7000112", teamsapp.ErrCredentials, "enable", true, 1},
		{400, oauth("unauthorized_client", 700016), "AADSTS700016", teamsapp.ErrCredentials, "home tenant", true, 1},
		{401, oauth("invalid_client", 7000229), "AADSTS7000229", teamsapp.ErrCredentials, "service principal", true, 1},
		{400, oauth("invalid_request", 90002), "AADSTS90002", teamsapp.ErrCredentials, "does not exist", true, 1},
		{400, oauth("access_denied", 53003), "AADSTS53003", teamsapp.ErrCredentials, "Conditional Access", true, 1},
		{401, oauth("invalid_client", 700024), "AADSTS700024", teamsapp.ErrCredentials, "clock", true, 1},
		{401, oauth("invalid_client", 700027), "AADSTS700027", teamsapp.ErrCredentials, "certificate", true, 1},
		{400, oauth("invalid_request", 70021), "AADSTS70021", teamsapp.ErrCredentials, "federated", true, 1},
		{401, oauth("invalid_client", 700213), "AADSTS700213", teamsapp.ErrCredentials, "federated", true, 1},
		{401, oauth("invalid_client", 1234567), "AADSTS1234567", teamsapp.ErrCredentials, "secret", true, 1},
		{400, `{"error":"invalid_client","error_codes":[7000222]}`, "AADSTS7000222", teamsapp.ErrCredentials, "expired", true, 1},
		{401, `{"error":"invalid_client"}`, "invalid_client", teamsapp.ErrCredentials, "secret", true, 1},
		{400, `{"error":"unauthorized_client"}`, "unauthorized_client", teamsapp.ErrCredentials, "secret", true, 1},
		{400, oauth("invalid_scope", 70011), "AADSTS70011", teamsapp.ErrCloud, "cloud", true, 1},
		{400, `{"error":"temporarily_unavailable"}`, "temporarily_unavailable", teamsapp.ErrUnavailable, "later", false, 1},
		{429, `{"error":"temporarily_unavailable"}`, "temporarily_unavailable", teamsapp.ErrThrottled, "later", false, 4},
		{503, "<html>" + outSecret, "", teamsapp.ErrUnavailable, "later", false, 4},
		{200, "<html>" + outSecret, "", teamsapp.ErrProtocol, "proxy", false, 1},
		{200, `{"access_token":""}`, "", teamsapp.ErrProtocol, "proxy", false, 1},
		{200, `{"access_token":7}`, "", teamsapp.ErrProtocol, "proxy", false, 1},
		{200, strings.Repeat("x", 1<<20), "", teamsapp.ErrProtocol, "proxy", false, 1},
		{302, "", "", teamsapp.ErrProtocol, "proxy", false, 1},
	}
	for _, tc := range tests {
		t.Run(fmt.Sprint(tc.status, tc.code), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := &wire{login: func(int, url.Values) *http.Response {
					return reply(tc.status, tc.body, "Content-Type", "application/json", "X-Ms-Request-Id", "req-1", "Location", "https://evil.test/")
				}}
				_, err := outBot(t, f).Notify(t.Context(), toUser(teamsapp.Message{Text: "hi"}))
				require.ErrorIs(t, err, tc.want)
				e, ok := errors.AsType[*teamsapp.Error](err)
				require.True(t, ok)
				require.Equal(t, "token", e.Op)
				require.Equal(t, tc.code, e.Code)
				require.Contains(t, e.Advice(), tc.advice)
				require.Equal(t, tc.permanent, e.Permanent())
				require.Len(t, f.tokens, tc.requests)
				require.NotContains(t, fmt.Sprintf("%v %+v", err, err), outSecret)
				if tc.status >= 400 {
					require.Equal(t, "req-1", e.CorrelationID)
				}
				require.Empty(t, f.seen(), "nothing goes to Teams without a token")
			})
		})
	}
}

func TestARefusedTokenIsReplacedOnce(t *testing.T) {
	t.Parallel()
	f := &wire{answer: func(n int, _ seen) *http.Response {
		if n == 1 {
			return reply(401, shapeMessage)
		}
		return nil
	}}
	b := outBot(t, f)
	know(t, b, teamsapp.Known{Member: outMember, Conversation: outConversation})
	_, err := b.Notify(t.Context(), toUser(teamsapp.Message{Text: "hi"}))
	require.NoError(t, err)
	require.Equal(t, "Bearer token-1", f.seen()[0].header.Get("Authorization"))
	require.Equal(t, "Bearer token-2", f.seen()[1].header.Get("Authorization"))
	require.Len(t, f.tokens, 2)

	_, err = b.Notify(t.Context(), toUser(teamsapp.Message{Text: "hi"}))
	require.NoError(t, err)
	require.Len(t, f.tokens, 2, "the new one is kept")
}

func TestATokenIsReplacedBeforeItExpires(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_800_000_000, 0)
	f := &wire{}
	b := outBot(t, f, func(_ *teamsapp.App, o *teamsapp.Options) { o.Now = func() time.Time { return now } })
	for _, step := range []struct {
		later time.Duration
		want  int
	}{{0, 1}, {54 * time.Minute, 1}, {59 * time.Second, 1}, {time.Second, 2}, {54 * time.Minute, 2}} {
		now = now.Add(step.later)
		_, err := b.Notify(t.Context(), toUser(teamsapp.Message{Text: "hi"}))
		require.NoError(t, err)
		require.Len(t, f.tokens, step.want)
	}
}

func TestATokenWithALifetimeThatCannotBeIsNotKept(t *testing.T) {
	t.Parallel()
	for _, seconds := range []string{"-60", "86401", "2000000000", "null"} {
		f := &wire{login: func(n int, _ url.Values) *http.Response {
			return reply(200, fmt.Sprintf(`{"token_type":"Bearer","expires_in":%s,"access_token":"token-%d"}`, seconds, n), "Content-Type", "application/json")
		}}
		b := outBot(t, f)
		for range 2 {
			asked := len(f.tokens)
			_, err := b.Notify(t.Context(), toUser(teamsapp.Message{Text: "hi"}))
			require.NoError(t, err, seconds)
			require.Greater(t, len(f.tokens), asked, seconds)
		}
	}
}

func TestManyCallersShareOneTokenRequestPerTenant(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var asked atomic.Int32
		tokens := teamsapp.NewTokens(time.Now, func(_ context.Context, tenant string) (string, time.Time, error) {
			time.Sleep(time.Second)
			return fmt.Sprint(tenant, asked.Add(1)), time.Now().Add(time.Hour), nil
		})
		var wg sync.WaitGroup
		for i := range 200 {
			tenant := []string{"a", "b"}[i%2]
			wg.Go(func() {
				got, err := tokens.Get(t.Context(), tenant)
				if err != nil || !strings.HasPrefix(got, tenant) {
					t.Error(got, err)
				}
			})
		}
		wg.Wait()
		require.EqualValues(t, 2, asked.Load())

		a, err := tokens.Get(t.Context(), "a")
		require.NoError(t, err)
		tokens.Drop("a", "an older one")
		again, err := tokens.Get(t.Context(), "a")
		require.NoError(t, err)
		require.Equal(t, a, again, "a late refusal of an older token does not cost the new one")
		tokens.Drop("a", a)
		again, err = tokens.Get(t.Context(), "a")
		require.NoError(t, err)
		require.NotEqual(t, a, again)
	})
}

func TestACallerWhoLeavesDoesNotTakeTheTokenFromOthers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var asked, ended atomic.Int32
		tokens := teamsapp.NewTokens(time.Now, func(ctx context.Context, _ string) (string, time.Time, error) {
			asked.Add(1)
			select {
			case <-time.After(10 * time.Second):
				return "token", time.Now().Add(time.Hour), nil
			case <-ctx.Done():
				ended.Add(1)
				return "", time.Time{}, ctx.Err()
			}
		})
		leaves := func() error {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			_, err := tokens.Get(ctx, "a")
			return err
		}
		var wg sync.WaitGroup
		wg.Go(func() {
			if err := leaves(); !errors.Is(err, context.DeadlineExceeded) {
				t.Error(err)
			}
		})
		synctest.Wait()
		got, err := tokens.Get(t.Context(), "a")
		require.NoError(t, err)
		require.Equal(t, "token", got)
		wg.Wait()
		require.EqualValues(t, 1, asked.Load())

		tokens.Drop("a", "token")
		require.ErrorIs(t, leaves(), context.DeadlineExceeded)
		synctest.Wait()
		require.EqualValues(t, 1, ended.Load(), "a request that nobody waits for is given up")
		_, err = tokens.Get(t.Context(), "a")
		require.NoError(t, err, "and is not shared with who comes later")
	})
}

func TestAFailureIsNotKept(t *testing.T) {
	t.Parallel()
	var asked int
	tokens := teamsapp.NewTokens(time.Now, func(context.Context, string) (string, time.Time, error) {
		if asked++; asked == 1 {
			return "", time.Time{}, teamsapp.ErrUnavailable
		}
		return "token", time.Time{}, nil
	})
	_, err := tokens.Get(t.Context(), "a")
	require.ErrorIs(t, err, teamsapp.ErrUnavailable)
	for range 2 {
		_, err = tokens.Get(t.Context(), "a")
		require.NoError(t, err)
	}
	require.Equal(t, 3, asked, "a token without an end is not kept")
}

func TestACredentialIsCheckedWhenTheBotIsMade(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*teamsapp.App, *teamsapp.Options){
		"no secret":    func(a *teamsapp.App, _ *teamsapp.Options) { a.Credential = teamsapp.ClientSecret("") },
		"no assertion": func(a *teamsapp.App, _ *teamsapp.Options) { a.Credential = teamsapp.ClientAssertion(nil) },
		"no function":  func(a *teamsapp.App, _ *teamsapp.Options) { a.Credential = teamsapp.TokenFunc(nil) },
		"no login":     func(_ *teamsapp.App, o *teamsapp.Options) { o.Cloud.Login = "" },
		"http login":   func(_ *teamsapp.App, o *teamsapp.Options) { o.Cloud.Login = "http://login.test" },
		"no scope":     func(_ *teamsapp.App, o *teamsapp.Options) { o.Cloud.Scope = "" },
		"no shared tenant": func(a *teamsapp.App, o *teamsapp.Options) {
			a.TenantID, a.MultiTenant, o.Cloud.SharedTenant = "", true, ""
		},
	} {
		_, err := tryBot(t, &wire{}, teamsapp.NewMemory(), change)
		require.ErrorIs(t, err, mspkit.ErrInvalid, name)
	}
	require.NotContains(t, fmt.Sprintf("%v %+v %#v", teamsapp.ClientSecret(outSecret), outApplication(), outApplication()), outSecret)
}
