package teamsapp_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/teamsapp"
)

const (
	escConversation = "a%3A1p0i%2FG%3Bmessageid%3D1%40x%20y"
	escActivity     = "f%3A5c%2F7%3F%23"
)

var outRef = teamsapp.MessageRef{User: outUser, Conversation: outConversation, Activity: outActivity}

// TestTheConnectorIsCalledAsDocumented runs every call over a real connection.
func TestTheConnectorIsCalledAsDocumented(t *testing.T) {
	t.Parallel()
	message := func(more map[string]any) map[string]any {
		m := map[string]any{
			"type": "message", "from": map[string]any{"id": "28:" + outApp}, "conversation": map[string]any{"id": outConversation},
			"text": "1 < 2 & *3*", "textFormat": "plain", "locale": "fr-FR",
			"channelData": map[string]any{"notification": map[string]any{"alert": true}},
		}
		for k, v := range more {
			if m[k] = v; v == nil {
				delete(m, k)
			}
		}
		return m
	}
	tests := []struct {
		name         string
		known        teamsapp.Known
		do           func(ctx context.Context, b *teamsapp.Bot) (teamsapp.Receipt, error)
		method, path string
		body         map[string]any
		answer       string
		want         teamsapp.MessageRef
	}{
		{
			name: "send",
			do: func(ctx context.Context, b *teamsapp.Bot) (teamsapp.Receipt, error) {
				return b.Notify(ctx, toUser(teamsapp.Message{Text: "1 < 2 & *3*"}))
			},
			method: "POST", path: escConversation + "/activities", body: message(nil), answer: `{"id":"f:1"}`,
			want: teamsapp.MessageRef{User: outUser, Conversation: outConversation, Activity: "f:1"},
		},
		{
			name: "send silently",
			do: func(ctx context.Context, b *teamsapp.Bot) (teamsapp.Receipt, error) {
				return b.Notify(ctx, toUser(teamsapp.Message{Text: "1 < 2 & *3*", Silent: true}))
			},
			method: "POST", path: escConversation + "/activities", body: message(map[string]any{"channelData": nil}), answer: `{"id":"f:1"}`,
			want: teamsapp.MessageRef{User: outUser, Conversation: outConversation, Activity: "f:1"},
		},
		{
			name: "reply",
			do: func(ctx context.Context, b *teamsapp.Bot) (teamsapp.Receipt, error) {
				return b.Reply(ctx, outRef, teamsapp.Message{Text: "1 < 2 & *3*"})
			},
			method: "POST", path: escConversation + "/activities/" + escActivity,
			body: message(map[string]any{"replyToId": outActivity}), answer: `{"id":"f:2"}`,
			want: teamsapp.MessageRef{User: outUser, Conversation: outConversation, Activity: "f:2"},
		},
		{
			name:  "update in a chat that was left",
			known: teamsapp.Known{Member: outMember, Conversation: "a:another"},
			do: func(ctx context.Context, b *teamsapp.Bot) (teamsapp.Receipt, error) {
				return teamsapp.Receipt{}, b.Update(ctx, outRef, teamsapp.Message{Text: "1 < 2 & *3*"})
			},
			method: "PUT", path: escConversation + "/activities/" + escActivity,
			body: message(map[string]any{"id": outActivity, "channelData": nil, "locale": nil}), answer: "ignored",
		},
		{
			name: "delete",
			do: func(ctx context.Context, b *teamsapp.Bot) (teamsapp.Receipt, error) {
				return teamsapp.Receipt{}, b.Delete(ctx, outRef)
			},
			method: "DELETE", path: escConversation + "/activities/" + escActivity,
		},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			calls := 0
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if strings.HasSuffix(r.URL.Path, "/oauth2/v2.0/token") {
					w.Header().Set("Content-Type", "application/json")
					_, _ = w.Write([]byte(`{"access_token":"the.token","expires_in":3600}`))
					return
				}
				calls++
				if r.Method != tc.method || r.URL.EscapedPath() != "/region/v3/conversations/"+tc.path {
					t.Error(r.Method, r.URL.EscapedPath())
				}
				if got := r.Header.Get("Authorization"); got != "Bearer the.token" {
					t.Error(got)
				}
				if got := r.Header.Get("Content-Type"); (got == "application/json") != (tc.body != nil) {
					t.Error(got)
				}
				if tc.body != nil {
					var got map[string]any
					if err := json.NewDecoder(r.Body).Decode(&got); err != nil {
						t.Error(err)
					}
					w, g := jsonOf(t, tc.body), jsonOf(t, got)
					if w != g {
						t.Errorf("want %s\n got %s", w, g)
					}
				} else if r.ContentLength != 0 {
					t.Error("a body of", r.ContentLength)
				}
				_, _ = w.Write([]byte(tc.answer))
			}))
			defer srv.Close()
			host := strings.TrimPrefix(srv.URL, "http://")
			b := outBot(t, srv.Client().Transport, func(_ *teamsapp.App, o *teamsapp.Options) {
				o.Cloud.Login, o.Cloud.Hosts = srv.URL, []string{host}
			})
			k := teamsapp.Known{Member: outMember, Conversation: outConversation, Locale: "fr-FR"}
			if tc.known != (teamsapp.Known{}) {
				k = tc.known
			}
			k.ServiceURL = srv.URL + "/region/"
			know(t, b, k)
			got, err := tc.do(t.Context(), b)
			require.NoError(t, err)
			require.Equal(t, tc.want, got.Message)
			require.Equal(t, 1, calls)
		})
	}
}

func jsonOf(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	require.NoError(t, err)
	return string(b)
}

func TestACardIsSentAsAnAttachmentWithItsSummary(t *testing.T) {
	t.Parallel()
	f := &wire{}
	b := outBot(t, f)
	know(t, b, teamsapp.Known{Member: outMember, Conversation: outConversation, Locale: "fr-FR"})
	card := outCard("Ann & Bob <b>")
	_, err := b.Notify(t.Context(), toUser(teamsapp.Message{Card: card}))
	require.NoError(t, err)
	body := f.seen()[0].body
	want, err := card.JSON()
	require.NoError(t, err)
	require.Equal(t, "Please confirm", body["summary"])
	require.Equal(t, "de-AT", body["locale"], "the card's language comes first")
	require.NotContains(t, body, "text")
	attachments := body["attachments"].([]any)
	require.Len(t, attachments, 1)
	a := attachments[0].(map[string]any)
	require.Equal(t, teamsapp.CardType, a["contentType"])
	require.JSONEq(t, string(want), jsonOf(t, a["content"]))
}

func TestASecretOfTheCardIsNotInTheTextBesideIt(t *testing.T) {
	t.Parallel()
	f := &wire{}
	b := outBot(t, f)
	card := outCard("Please read it aloud.")
	card.Body = append(card.Body, teamsapp.Secret{Label: "Code", Value: mspkit.Redact("471656")})
	for _, text := range []string{"471656", "Your code is 471 656.", "４７１-６５６"} {
		m := teamsapp.Message{Text: text, Card: card}
		_, err := b.Notify(t.Context(), toUser(m))
		require.ErrorIs(t, err, mspkit.ErrInvalid)
		require.NotContains(t, err.Error(), text)
		_, err = b.Reply(t.Context(), outRef, m)
		require.ErrorIs(t, err, mspkit.ErrInvalid)
		require.ErrorIs(t, b.Update(t.Context(), outRef, m), mspkit.ErrInvalid)
	}
	require.Empty(t, f.seen())
	_, err := b.Notify(t.Context(), toUser(teamsapp.Message{Text: "A code for your call", Card: card}))
	require.NoError(t, err)
}

func TestAMessageThatIsTooLargeIsNotSent(t *testing.T) {
	t.Parallel()
	f := &wire{}
	b := outBot(t, f, func(_ *teamsapp.App, o *teamsapp.Options) { o.MaxActivity = 2000 })
	_, err := b.Notify(t.Context(), toUser(teamsapp.Message{Text: strings.Repeat("<", 1900)}))
	require.ErrorIs(t, err, teamsapp.ErrTooLarge)
	require.ErrorContains(t, err, "the limit is 2000")
	require.Empty(t, f.seen(), "no chat is begun for it")
	require.ErrorIs(t, b.Update(t.Context(), outRef, teamsapp.Message{Text: strings.Repeat("x", 2000)}), teamsapp.ErrTooLarge)
	_, err = b.Reply(t.Context(), outRef, teamsapp.Message{Text: strings.Repeat("x", 2000)})
	require.ErrorIs(t, err, teamsapp.ErrTooLarge)
	require.Empty(t, f.seen())
	_, err = b.Notify(t.Context(), toUser(teamsapp.Message{Text: strings.Repeat("<", 1600)}))
	require.NoError(t, err, "a character counts once")
}

func TestTheTokenGoesNowhereElse(t *testing.T) {
	t.Parallel()
	foreign := []string{
		"https://evil.test/teams/", "https://smba.test.evil.test/", "https://smba.test@evil.test/", "http://smba.test/teams/",
		"https://smba.test:8443/teams/", "https://region.test/", "ftp://smba.test/", "//smba.test/", "http://127.0.0.1:9/", "https://smba.test/a/../b",
	}
	for _, u := range foreign {
		f := &wire{}
		b := outBot(t, f, func(_ *teamsapp.App, o *teamsapp.Options) { o.Cloud.ServiceURL = u })
		know(t, b, teamsapp.Known{Member: outMember, Conversation: outConversation})
		_, err := b.Notify(t.Context(), toUser(teamsapp.Message{Text: "hi"}))
		require.ErrorIs(t, err, teamsapp.ErrServiceURL, u)
		require.ErrorIs(t, b.Delete(t.Context(), outRef), teamsapp.ErrServiceURL)
		require.Empty(t, f.seen(), u)
		require.Empty(t, f.tokens, u)

		// What an emulator or a former cloud left behind does not make a person unreachable.
		f = &wire{}
		b = outBot(t, f)
		know(t, b, teamsapp.Known{Member: outMember, Conversation: outConversation, ServiceURL: u})
		_, err = b.Notify(t.Context(), toUser(teamsapp.Message{Text: "hi"}))
		require.NoError(t, err, u)
		for _, s := range f.seen() {
			require.Equal(t, strings.TrimSuffix(outCloud().ServiceURL, "/"), "https://"+s.host+strings.TrimSuffix(s.path, "/v3/conversations/"+escConversation+"/activities"), u)
		}
	}
	f := &wire{}
	b := outBot(t, f)
	know(t, b, teamsapp.Known{Member: outMember, Conversation: outConversation, ServiceURL: "https://emea.region.test/x/"})
	_, err := b.Notify(t.Context(), toUser(teamsapp.Message{Text: "hi"}))
	require.NoError(t, err)
	require.Equal(t, []string{"POST emea.region.test/x/v3/conversations/" + escConversation + "/activities"}, f.routes())
}

func TestARedirectIsNotFollowed(t *testing.T) {
	t.Parallel()
	f := &wire{answer: func(int, seen) *http.Response { return reply(307, "", "Location", "https://evil.test/") }}
	_, err := outBot(t, f).Notify(t.Context(), toUser(teamsapp.Message{Text: "hi"}))
	require.ErrorIs(t, err, teamsapp.ErrProtocol)
	require.Len(t, f.seen(), 1)
}

func TestAnEmulatorIsReachedOnLoopbackOnlyAndWithoutAToken(t *testing.T) {
	t.Parallel()
	for _, credential := range []teamsapp.Credential{nil, outApplication().Credential} {
		testEmulator(t, credential)
	}
}

// testEmulator: the token of a real bot stays here as well, because anything on this machine can name a service URL.
func testEmulator(t *testing.T, credential teamsapp.Credential) {
	t.Helper()
	loopback := func(a *teamsapp.App, o *teamsapp.Options) { a.Credential, o.InsecureLoopback = credential, true }
	f := &wire{}
	b := outBot(t, f, loopback)
	for _, u := range []string{"http://127.0.0.1:9000/x", "http://localhost:9000/x/", "http://[::1]:9000/x"} {
		know(t, b, teamsapp.Known{Member: outMember, Conversation: outConversation, ServiceURL: u})
		_, err := b.Notify(t.Context(), toUser(teamsapp.Message{Text: "hi"}))
		require.NoError(t, err)
	}
	for _, s := range f.seen() {
		require.NotContains(t, s.header, "Authorization")
	}
	require.Empty(t, f.tokens)

	f.answer = func(int, seen) *http.Response { return reply(401, shapeMessage) }
	_, err := b.Notify(t.Context(), toUser(teamsapp.Message{Text: "hi"}))
	require.ErrorIs(t, err, teamsapp.ErrCredentials)
	require.Len(t, f.seen(), 4, "there is no other token to try")

	for _, u := range []string{"https://smba.test/teams/", "http://10.0.0.1/", "https://localhost.evil.test/"} {
		know(t, b, teamsapp.Known{Member: outMember, Conversation: outConversation, ServiceURL: u})
		_, err := b.Notify(t.Context(), toUser(teamsapp.Message{Text: "hi"}))
		require.ErrorIs(t, err, teamsapp.ErrServiceURL, u)
	}
	require.Len(t, f.seen(), 4)
}

func TestAnAnswerThatCannotBeReadIsNoSuccess(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{
		"empty": "", "html": "<html>", "no id": "{}", "empty id": `{"id":""}`, "number": `{"id":7}`, "array": `[]`, "cut": `{"id":"x"`,
		"two": `{"id":"x"}{"id":"y"}`, "null": "null", "control": `{"id":"a\nb"}`, "parent": `{"id":".."}`, "long": `{"id":"` + strings.Repeat("x", 1025) + `"}`,
		"too large": `{"id":"x","more":"` + strings.Repeat("x", 256<<10) + `"}`,
	} {
		for _, create := range []bool{false, true} {
			f := &wire{answer: func(int, seen) *http.Response { return reply(200, body, "Ms-Cv", "cv.1") }}
			b := outBot(t, f)
			if !create {
				know(t, b, teamsapp.Known{Member: outMember, Conversation: outConversation})
			}
			_, err := b.Notify(t.Context(), toUser(teamsapp.Message{Text: "hi"}))
			require.ErrorIs(t, err, teamsapp.ErrProtocol, name)
			e, ok := errors.AsType[*teamsapp.Error](err)
			require.True(t, ok)
			require.Equal(t, "cv.1", e.CorrelationID)
			require.Len(t, f.seen(), 1)
		}
	}
	f := &wire{answer: func(int, seen) *http.Response { return reply(200, `{"id":"`+strings.Repeat("x", 1024)+`"}`) }}
	b := outBot(t, f)
	know(t, b, teamsapp.Known{Member: outMember, Conversation: outConversation})
	_, err := b.Notify(t.Context(), toUser(teamsapp.Message{Text: "hi"}))
	require.NoError(t, err)
}

// TestABodyThatNeverEndsIsLeft has servers that hold the body back, of an answer and of a refusal.
func TestABodyThatNeverEndsIsLeft(t *testing.T) {
	t.Parallel()
	for status, want := range map[int]error{201: teamsapp.ErrProtocol, 403: teamsapp.ErrRefused} {
		var held atomic.Int32
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			held.Add(1)
			w.WriteHeader(status)
			_, _ = w.Write([]byte(`{"id":`))
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
		}))
		b := outBot(t, nil, func(a *teamsapp.App, o *teamsapp.Options) {
			a.Credential, o.InsecureLoopback = nil, true
			o.HTTPClient = &http.Client{Transport: srv.Client().Transport, Timeout: 300 * time.Millisecond}
		})
		know(t, b, teamsapp.Known{Member: outMember, Conversation: outConversation, ServiceURL: srv.URL})
		_, err := b.Notify(t.Context(), toUser(teamsapp.Message{Text: "hi"}))
		require.ErrorIs(t, err, want)
		require.EqualValues(t, 1, held.Load())
		srv.Close()
	}
}

func TestWhatFailsForTheMomentIsRepeated(t *testing.T) {
	t.Parallel()
	for _, status := range []int{412, 429, 500, 502, 503, 504, 0} {
		synctest.Test(t, func(t *testing.T) {
			f := &wire{}
			if status == 0 {
				f.lost = func(n int) bool { return n%3 != 0 }
			} else {
				f.answer = func(n int, _ seen) *http.Response {
					if n%3 != 0 {
						return refused(status, "")
					}
					return nil
				}
			}
			b := outBot(t, f)
			got, err := b.Notify(t.Context(), toUser(teamsapp.Message{Text: "hi"}))
			require.NoError(t, err, status)
			require.Equal(t, "act-6", got.Message.Activity, "three tries to begin, three to send")
			calls := f.seen()
			require.Equal(t, calls[3].raw, calls[5].raw)
			require.NoError(t, b.Update(t.Context(), got.Message, teamsapp.Message{Text: "done"}))
			require.NoError(t, b.Delete(t.Context(), got.Message))
			require.Len(t, f.seen(), 12)
			require.Len(t, f.tokens, 1)
		})
	}
}

func TestATooManyRequestsHoldsUpTheThread(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		f := &wire{answer: func(n int, _ seen) *http.Response {
			if n == 1 {
				return reply(429, "", "Retry-After", "10")
			}
			return nil
		}}
		b := outBot(t, f)
		know(t, b, teamsapp.Known{Member: outMember, Conversation: outConversation})
		done := make(chan error, 1)
		go func() {
			_, err := b.Notify(t.Context(), toUser(teamsapp.Message{Text: "first"}))
			done <- err
		}()
		synctest.Wait()
		_, err := b.Notify(t.Context(), toUser(teamsapp.Message{Text: "second"}))
		require.NoError(t, err)
		require.Equal(t, 10*time.Second, time.Since(start), "the second does not go where the first was sent away")
		require.NoError(t, <-done)
		require.Len(t, f.seen(), 3)
	})
}

func TestALongRetryAfterIsTheCallersToWaitFor(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		f := &wire{answer: func(n int, _ seen) *http.Response {
			if n == 1 {
				return reply(429, "", "Retry-After", "600")
			}
			return nil
		}}
		b := outBot(t, f)
		_, err := b.Notify(t.Context(), toUser(teamsapp.Message{Text: "hi"}))
		require.ErrorIs(t, err, teamsapp.ErrThrottled)
		e, ok := errors.AsType[*teamsapp.Error](err)
		require.True(t, ok)
		require.Equal(t, 10*time.Minute, e.RetryAfter)
		require.Zero(t, time.Since(start))
		// One odd answer must not keep a person from being reached for so long.
		_, err = b.Notify(t.Context(), toUser(teamsapp.Message{Text: "hi"}))
		require.NoError(t, err)
		require.Equal(t, time.Minute, time.Since(start))
	})
}

func TestTheTokenIsAskedOfTheCloudsLoginOnly(t *testing.T) {
	t.Parallel()
	f := &wire{login: func(int, url.Values) *http.Response {
		return reply(307, "", "Location", "https://evil.test/token")
	}}
	_, err := outBot(t, f).Notify(t.Context(), toUser(teamsapp.Message{Text: "hi"}))
	require.ErrorIs(t, err, teamsapp.ErrProtocol)
	require.Empty(t, f.seen())
}
