package changefeed_test

import (
	"cmp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit/internal/backlog"
	"github.com/mspkit/mspkit/internal/graphfake"
	"github.com/mspkit/mspkit/teamsapp/changefeed"
)

// Whoever knows the clientState of one subscription, such as that of one chat, must not get at others of the tenant with it.
func TestANotificationTellsOfItsSubscriptionOnly(t *testing.T) {
	t.Parallel()
	w := newFeedWorld(t, func(w *feedWorld) { w.options.ReadUsers, w.options.ReadPresence = true, true })
	eve := w.contoso.Put(graphfake.User{DisplayName: "Eve"})
	secret := w.contoso.AddChat(eve)
	team, channel := w.contoso.AddTeam()
	elsewhere := w.contoso.AddChannel(team)
	hidden := w.contoso.Post(graphfake.Message{Chat: secret, From: eve, Content: "secret"})
	apart := w.contoso.Post(graphfake.Message{Team: team, Channel: elsewhere, From: eve, Content: "secret"})
	for name, tc := range map[string]struct {
		followed changefeed.Resource
		path     string
	}{
		"a chat":           {changefeed.Chat(w.chat), "chats('" + secret + "')/messages('" + hidden.ID + "')"},
		"a channel":        {changefeed.Channel(team, channel), "teams('" + team + "')/channels('" + elsewhere + "')/messages('" + apart.ID + "')"},
		"a user":           {changefeed.OneUser(w.ann), "users/" + eve},
		"a presence":       {changefeed.PresenceOf(w.ann), "communications/presences('" + eve + "')"},
		"one of presences": {changefeed.PresenceOf(w.ann, w.bob), "communications/presences('" + eve + "')"},
	} {
		require.NoError(t, w.feed.Follow(t.Context(), "contoso", contosoID))
		require.NoError(t, w.feed.KeepOnce(t.Context()))
		w.follow("contoso", tc.followed)
		sub := w.contoso.Subscriptions()[0]
		n := w.contoso.Lifecycle(sub, "missed")
		delete(n.Item, "lifecycleEvent")
		n.Item["changeType"], n.Item["resource"] = "updated", tc.path
		before := len(w.dead("contoso"))
		require.Equal(t, 202, w.send(n), name)
		w.handle()
		require.Empty(t, w.sink.texts(), name)
		dead := w.dead("contoso")
		require.Len(t, dead, before+1, name)
		require.Contains(t, dead[before].Fault, "was not subscribed to", name)
	}
}

// Whoever can write to the database must not have what waits for one tenant handed over to another, or under another id.
func TestWhatWaitsIsOfItsTenantAlone(t *testing.T) {
	t.Parallel()
	w := newFeedWorld(t, nil)
	w.follow("contoso", changefeed.AllChats())
	w.follow("fabrikam", changefeed.AllChats())
	require.Equal(t, 202, w.send(w.said(w.contoso, "of contoso")))
	list, err := w.store.Backlog().List(t.Context(), backlog.Filter{Tenant: "contoso", State: backlog.Pending})
	require.NoError(t, err)
	require.Len(t, list, 1)
	it, err := w.store.Backlog().Get(t.Context(), "contoso", list[0].ID)
	require.NoError(t, err)
	moved, renamed := it, it
	moved.Tenant, renamed.ID = "fabrikam", "renamed"
	n, err := w.store.Backlog().Add(t.Context(), []backlog.Item{moved, renamed})
	require.NoError(t, err)
	require.Equal(t, 2, n)
	w.handle()
	require.Equal(t, []string{"of contoso"}, w.sink.texts())
	dead := w.dead("")
	require.Len(t, dead, 2, "at once: no later try would open them")
	require.ElementsMatch(t, []string{moved.ID, "renamed"}, []string{dead[0].ID, dead[1].ID})
}

// What is encrypted is bound to the tenant by its tokens alone: the content must say that it is of what the notification names.
func TestContentIsOfWhatTheNotificationNames(t *testing.T) {
	t.Parallel()
	w := newFeedWorld(t, nil)
	team, channel := w.contoso.AddTeam()
	w.follow("contoso", changefeed.AllChats(), changefeed.AllChannelMessages(), changefeed.PresenceOf(w.ann, w.bob))
	subs := map[string]graphfake.Subscription{}
	for _, s := range w.contoso.Subscriptions() {
		subs[s.Resource] = s
	}
	said := w.said(w.contoso, "in a chat")
	id := strings.Split(said.Item["resource"].(string), "messages('")[1]
	id = id[:len(id)-2]
	first := w.contoso.Post(graphfake.Message{Team: team, Channel: channel, From: w.ann, Content: "thread"})
	w.contoso.Post(graphfake.Message{Team: team, Channel: channel, ReplyTo: first.ID, From: w.ann, Content: "reply"})
	reply := w.last(w.contoso)
	thread := "teams('" + team + "')/channels('" + channel + "')/messages('"
	list, err := w.feed.Subscriptions(t.Context(), "contoso")
	require.NoError(t, err)
	require.Len(t, list, 3)
	presence := graphfake.Encrypt([]byte(`{"id":"`+w.bob+`","availability":"Busy"}`), subs[presences(subs)].Certificate, "own-1")
	there := graphfake.Encrypt([]byte(`{"id":"1","channelIdentity":{"teamId":"`+team+`","channelId":"19:other@thread.tacv2"}}`),
		subs["/teams/getAllMessages"].Certificate, "own-1")
	for name, tc := range map[string]struct {
		of      graphfake.Subscription
		path    string
		content any
		why     string
	}{
		"a message of a chat as one of a channel": {subs["/teams/getAllMessages"], thread + id + "')", said.Item["encryptedContent"], ""},
		"a reply in another thread": {
			subs["/teams/getAllMessages"], strings.Replace(reply.Item["resource"].(string), "messages('"+first.ID, "messages('1", 1), reply.Item["encryptedContent"], "",
		},
		"a message of another channel":  {subs["/teams/getAllMessages"], thread + "1')", there, ""},
		"the presence of somebody else": {subs[presences(subs)], "communications/presences('" + w.ann + "')", presence, ""},
		"what is no JSON":               {subs[presences(subs)], "communications/presences('" + w.ann + "')", graphfake.Encrypt([]byte("Busy"), subs[presences(subs)].Certificate, "own-1"), "cannot be read"},
	} {
		n := said.Clone()
		n.Item["subscriptionId"], n.Item["clientState"] = tc.of.ID, tc.of.ClientState
		n.Item["resource"], n.Item["encryptedContent"], n.Item["changeType"] = tc.path, tc.content, "updated"
		before := len(w.dead("contoso"))
		require.Equal(t, 202, w.send(n), name)
		w.handle()
		require.Empty(t, w.sink.texts(), name)
		dead := w.dead("contoso")
		require.Len(t, dead, before+1, name)
		require.Contains(t, dead[before].Fault, cmp.Or(tc.why, "of another resource"), name)
	}
}

func presences(subs map[string]graphfake.Subscription) string {
	for r := range subs {
		if strings.Contains(r, "presences") {
			return r
		}
	}
	return ""
}
