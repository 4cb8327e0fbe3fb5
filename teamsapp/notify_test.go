package teamsapp_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit/teamsapp"
)

const (
	routeCreate = "POST smba.test/teams/v3/conversations"
	routeSend   = "POST smba.test/teams/v3/conversations/" + escConversation + "/activities"
	routeNew    = "POST smba.test/teams/v3/conversations/a%3Anew/activities"
)

func TestAChatIsBegunWithWhoeverHasNone(t *testing.T) {
	t.Parallel()
	created := func(member string) map[string]any {
		return map[string]any{
			"isGroup": false, "bot": map[string]any{"id": "28:" + outApp}, "members": []any{map[string]any{"id": member}},
			"tenantId": outCustomer, "channelData": map[string]any{"tenant": map[string]any{"id": outCustomer}},
		}
	}
	tests := []struct {
		name   string
		known  teamsapp.Known
		member string
		routes []string
		after  teamsapp.Known
	}{
		{
			name: "unknown person", member: outPerson, routes: []string{routeCreate, routeNew},
			after: teamsapp.Known{Conversation: "a:new"},
		},
		{
			name: "known person without a chat", known: teamsapp.Known{Member: outMember, ServiceURL: "https://smba.test/emea/", Locale: "fr"},
			member: outMember,
			routes: []string{strings.Replace(routeCreate, "teams", "emea", 1), strings.Replace(routeNew, "teams", "emea", 1)},
			after:  teamsapp.Known{Member: outMember, Conversation: "a:new", ServiceURL: "https://smba.test/emea/", Locale: "fr"},
		},
		{
			name: "removed, and installed again unheard", known: teamsapp.Known{Member: outMember, Conversation: outConversation, Removed: true},
			member: outMember, routes: []string{routeCreate, routeNew},
			after: teamsapp.Known{Member: outMember, Conversation: "a:new"},
		},
		{
			name: "known chat", known: teamsapp.Known{Member: outMember, Conversation: outConversation}, routes: []string{routeSend},
			after: teamsapp.Known{Member: outMember, Conversation: outConversation},
		},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			f := &wire{}
			b := outBot(t, f)
			if tc.known != (teamsapp.Known{}) {
				know(t, b, tc.known)
			}
			got, err := b.Notify(t.Context(), toUser(teamsapp.Message{Text: "hi"}))
			require.NoError(t, err)
			require.Equal(t, tc.routes, f.routes())
			require.Equal(t, tc.after, known(t, b))
			require.Equal(t, teamsapp.MessageRef{User: outUser, Conversation: tc.after.Conversation, Activity: fmt.Sprint("act-", len(tc.routes))}, got.Message)
			if tc.member != "" {
				require.Equal(t, created(tc.member), f.seen()[0].body)
			}
			_, err = b.Notify(t.Context(), toUser(teamsapp.Message{Text: "again"}))
			require.NoError(t, err)
			require.Len(t, f.seen(), len(tc.routes)+1, "the chat is remembered")
		})
	}
}

func TestNoChatIsBegunByObjectIDWhereThatIsTurnedOff(t *testing.T) {
	t.Parallel()
	f := &wire{}
	b := outBot(t, f, func(_ *teamsapp.App, o *teamsapp.Options) { o.NoObjectID = true })
	_, err := b.Notify(t.Context(), toUser(teamsapp.Message{Text: "hi"}))
	require.ErrorIs(t, err, teamsapp.ErrNotInstalled)
	require.Empty(t, f.seen())
	require.Equal(t, teamsapp.Known{}, known(t, b))
	know(t, b, teamsapp.Known{Member: outMember})
	_, err = b.Notify(t.Context(), toUser(teamsapp.Message{Text: "hi"}))
	require.NoError(t, err)
}

func TestAForgottenChatIsBegunAgainOnce(t *testing.T) {
	t.Parallel()
	gone := func(s seen, path string) *http.Response {
		if strings.HasSuffix(s.path, path) {
			return refused(404, "ConversationNotFound")
		}
		return nil
	}
	f := &wire{answer: func(_ int, s seen) *http.Response { return gone(s, escConversation+"/activities") }}
	b := outBot(t, f)
	know(t, b, teamsapp.Known{Member: outMember, Conversation: outConversation})
	_, err := b.Notify(t.Context(), toUser(teamsapp.Message{Text: "hi"}))
	require.NoError(t, err)
	require.Equal(t, []string{routeSend, routeCreate, routeNew}, f.routes())
	require.Equal(t, "a:new", known(t, b).Conversation)

	f = &wire{answer: func(_ int, s seen) *http.Response { return gone(s, "/activities") }}
	b = outBot(t, f)
	know(t, b, teamsapp.Known{Member: outMember, Conversation: outConversation})
	_, err = b.Notify(t.Context(), toUser(teamsapp.Message{Text: "hi"}))
	require.ErrorIs(t, err, teamsapp.ErrConversationGone)
	require.Equal(t, []string{routeSend, routeCreate, routeNew}, f.routes())

	f = &wire{answer: func(_ int, s seen) *http.Response { return gone(s, "") }}
	b = outBot(t, f)
	know(t, b, teamsapp.Known{Member: outMember, Conversation: outConversation})
	_, err = b.Notify(t.Context(), toUser(teamsapp.Message{Text: "hi"}))
	require.ErrorIs(t, err, teamsapp.ErrConversationGone)
	require.Equal(t, []string{routeSend, routeCreate}, f.routes())
	require.Empty(t, known(t, b).Conversation, "what is gone is not tried again")
}

func TestAnAppRemovedBetweenCreateAndSendIsRemembered(t *testing.T) {
	t.Parallel()
	for _, k := range []teamsapp.Known{{}, {Member: outMember}, {Member: outMember, Conversation: outConversation, Removed: true}} {
		f := &wire{answer: func(n int, _ seen) *http.Response {
			if n == 2 {
				return refused(403, "BotNotInConversationRoster")
			}
			return nil
		}}
		b := outBot(t, f)
		know(t, b, k)
		_, err := b.Notify(t.Context(), toUser(teamsapp.Message{Text: "hi"}))
		require.ErrorIs(t, err, teamsapp.ErrNotInstalled)
		require.Equal(t, []string{routeCreate, routeNew}, f.routes())
		require.True(t, known(t, b).Removed)
		for u, err := range b.Installed(t.Context(), outTenant) {
			t.Fatal("listed as installed", u, err)
		}
		_, err = b.Notify(t.Context(), toUser(teamsapp.Message{Text: "hi"}))
		require.NoError(t, err, "it is tried again, because an event may be lost")
		require.False(t, known(t, b).Removed)
	}
}

func TestWhatTeamsSaidIsRememberedAfterTheCallersTime(t *testing.T) {
	t.Parallel()
	f := &wire{answer: func(int, seen) *http.Response { return refused(403, "BotNotInConversationRoster") }}
	store := &outrun{Store: teamsapp.NewMemory(), end: func() {}}
	b, err := tryBot(t, f, store)
	require.NoError(t, err)
	know(t, b, teamsapp.Known{Member: outMember, Conversation: outConversation})
	ctx, end := context.WithCancel(t.Context())
	store.end, store.loads = end, 0
	_, err = b.Notify(ctx, toUser(teamsapp.Message{Text: "hi"}))
	require.ErrorIs(t, err, teamsapp.ErrNotInstalled)
	require.Error(t, ctx.Err())
	require.True(t, known(t, b).Removed)
}

// outrun is a store that ends somebody's time when it is asked for the second time.
type outrun struct {
	teamsapp.Store

	loads int
	end   func()
}

func (o *outrun) Load(ctx context.Context, k teamsapp.Key) (teamsapp.Record, error) {
	if o.loads++; o.loads == 2 {
		o.end()
	}
	return o.Store.Load(ctx, k)
}

func TestAPersonWithoutTheAppLeavesNoRecord(t *testing.T) {
	t.Parallel()
	f := &wire{answer: func(int, seen) *http.Response { return refused(403, "BotNotInConversationRoster") }}
	b := outBot(t, f)
	_, err := b.Notify(t.Context(), toUser(teamsapp.Message{Text: "hi"}))
	require.ErrorIs(t, err, teamsapp.ErrNotInstalled)
	require.Equal(t, teamsapp.Known{}, known(t, b))
}

func TestWhoBlockedTheBotIsStillInstalled(t *testing.T) {
	t.Parallel()
	f := &wire{answer: func(int, seen) *http.Response { return refused(403, "ConversationBlockedByUser") }}
	b := outBot(t, f)
	k := teamsapp.Known{Member: outMember, Conversation: outConversation}
	know(t, b, k)
	_, err := b.Notify(t.Context(), toUser(teamsapp.Message{Text: "hi"}))
	require.ErrorIs(t, err, teamsapp.ErrBlockedByUser)
	require.Equal(t, k, known(t, b))
	require.Len(t, f.seen(), 1)
}

func TestAMessageThatIsGone(t *testing.T) {
	t.Parallel()
	f := &wire{answer: func(int, seen) *http.Response { return refused(404, "ActivityNotFoundInConversation") }}
	b := outBot(t, f)
	know(t, b, teamsapp.Known{Member: outMember, Conversation: outConversation})
	require.NoError(t, b.Delete(t.Context(), outRef))
	require.ErrorIs(t, b.Update(t.Context(), outRef, teamsapp.Message{Text: "hi"}), teamsapp.ErrConversationGone)
	_, err := b.Reply(t.Context(), outRef, teamsapp.Message{Text: "hi"})
	require.ErrorIs(t, err, teamsapp.ErrConversationGone)
	require.Equal(t, outConversation, known(t, b).Conversation, "one message gone is not the chat")
}

func TestAReplyAfterTheAppWasRemovedIsRemembered(t *testing.T) {
	t.Parallel()
	f := &wire{answer: func(int, seen) *http.Response { return refused(403, "BotNotInConversationRoster") }}
	b := outBot(t, f)
	know(t, b, teamsapp.Known{Member: outMember, Conversation: outConversation})
	_, err := b.Reply(t.Context(), outRef, teamsapp.Message{Text: "hi"})
	require.ErrorIs(t, err, teamsapp.ErrNotInstalled)
	require.True(t, known(t, b).Removed)
}

// broken is a store that does not save.
type broken struct{ teamsapp.Store }

func (broken) Save(context.Context, teamsapp.Record) error { return errors.New("disk full") }

// blind is a store that does not load.
type blind struct{ teamsapp.Store }

func (blind) Load(context.Context, teamsapp.Key) (teamsapp.Record, error) {
	return teamsapp.Record{}, errBlind
}

var errBlind = errors.New("no connection")

func TestAStoreThatFails(t *testing.T) {
	t.Parallel()
	f := &wire{}
	b, err := tryBot(t, f, broken{teamsapp.NewMemory()})
	require.NoError(t, err)
	_, err = b.Notify(t.Context(), toUser(teamsapp.Message{Text: "hi"}))
	require.NoError(t, err, "the message matters more than what is remembered")

	b, err = tryBot(t, f, blind{teamsapp.NewMemory()})
	require.NoError(t, err)
	_, err = b.Notify(t.Context(), toUser(teamsapp.Message{Text: "hi"}))
	require.ErrorIs(t, err, errBlind)
	require.ErrorIs(t, b.Delete(t.Context(), outRef), errBlind)
	require.Len(t, f.seen(), 2)
}

// TestEverybodyOfATenantIsReached sends to more people at once than a tenant may get in half a minute, with faults in
// between: each call waits for its turn, however long, and none is lost.
func TestEverybodyOfATenantIsReached(t *testing.T) {
	t.Parallel()
	const people = 1000
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		var mu sync.Mutex
		var at []time.Duration
		f := &wire{answer: func(n int, _ seen) *http.Response {
			mu.Lock()
			defer mu.Unlock()
			at = append(at, time.Since(start))
			if n%20 == 0 {
				return refused([]int{412, 429, 502, 504}[n/20%4], "")
			}
			return nil
		}}
		b := outBot(t, f)
		users := make([]teamsapp.User, people)
		for i := range users {
			users[i] = teamsapp.User{TenantID: outCustomer, ObjectID: fmt.Sprintf("00000000-0000-0000-0000-%012d", i)}
			require.NoError(t, b.SetKnown(t.Context(), outTenant, users[i], teamsapp.Known{Member: fmt.Sprint("29:", i), Conversation: fmt.Sprint("a:", i)}))
		}
		var sent atomic.Int32
		var wg sync.WaitGroup
		for _, u := range users {
			wg.Go(func() {
				if _, err := b.Notify(t.Context(), teamsapp.Notification{To: u, Message: teamsapp.Message{Text: "hi"}}); err != nil {
					t.Error(err)
					return
				}
				sent.Add(1)
			})
		}
		wg.Wait()
		require.EqualValues(t, people, sent.Load())
		took := time.Since(start)
		requests := len(f.seen())
		least := time.Duration(requests-30) * time.Second / 30
		t.Logf("%d cards in %d requests took %v, at least %v", people, requests, took, least)
		require.Less(t, took, least*11/10)
		slices.Sort(at)
		require.LessOrEqual(t, most(at, time.Second), 30)
		require.Len(t, f.tokens, 1)
	})
}

func TestThreeHundredTakeAsLongAsTheyMust(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &wire{}
		b := outBot(t, f)
		start := time.Now()
		var wg sync.WaitGroup
		for i := range 300 {
			u := teamsapp.User{TenantID: outCustomer, ObjectID: fmt.Sprintf("00000000-0000-0000-0000-%012d", i)}
			require.NoError(t, b.SetKnown(t.Context(), outTenant, u, teamsapp.Known{Member: "29:x", Conversation: fmt.Sprint("a:", i)}))
			wg.Go(func() {
				if _, err := b.Notify(t.Context(), teamsapp.Notification{To: u, Message: teamsapp.Message{Text: "hi"}}); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		require.InDelta(t, 9.0, time.Since(start).Seconds(), 0.3, "(300-30)/30 s")
	})
}

func TestAQueueEndsWithItsCallersContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &wire{}
		b := outBot(t, f, func(_ *teamsapp.App, o *teamsapp.Options) { o.TenantRate = 1 })
		know(t, b, teamsapp.Known{Member: outMember, Conversation: outConversation})
		_, err := b.Notify(t.Context(), toUser(teamsapp.Message{Text: "first"}))
		require.NoError(t, err)
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		defer cancel()
		_, err = b.Notify(ctx, toUser(teamsapp.Message{Text: "second"}))
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorIs(t, err, teamsapp.ErrThrottled, "nothing was sent, and that is known")
		require.Len(t, f.seen(), 1, "what was not its turn was not sent")
	})
}

func TestOnePersonsChatIsUsedByManyAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &wire{}
		b := outBot(t, f)
		var wg sync.WaitGroup
		for i := range 60 {
			wg.Go(func() {
				var err error
				switch ref := (teamsapp.MessageRef{User: outUser, Conversation: "a:new", Activity: fmt.Sprint("act-", i)}); i % 4 {
				case 0:
					_, err = b.Notify(t.Context(), toUser(teamsapp.Message{Card: outCard("hi")}))
				case 1:
					_, err = b.Reply(t.Context(), ref, teamsapp.Message{Text: "hi"})
				case 2:
					err = b.Update(t.Context(), ref, teamsapp.Message{Text: "hi"})
				case 3:
					err = b.Delete(t.Context(), ref)
				}
				if err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		require.Equal(t, "a:new", known(t, b).Conversation)
		require.Len(t, f.tokens, 1)
	})
}

func TestNothingSecretIsInAnError(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const text = "the caller's number is 731"
		f := &wire{answer: func(n int, s seen) *http.Response {
			return reply([]int{400, 403, 500}[n%3], s.raw+s.header.Get("Authorization"))
		}}
		b := outBot(t, f)
		for range 6 {
			_, err := b.Notify(t.Context(), toUser(teamsapp.Message{Card: outCard(text)}))
			require.Error(t, err)
			for _, bad := range []string{text, "731", "token-1", outSecret} {
				require.NotContains(t, fmt.Sprintf("%v %+v", err, err), bad)
			}
		}
	})
}
