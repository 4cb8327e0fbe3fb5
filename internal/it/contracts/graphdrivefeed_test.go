package contracts

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/graphfake"
	"github.com/mspkit/mspkit/teamsapp/changefeed"
)

// driveFeedReads has a change feed read what notifications do not carry: messages of chats and channels, replies, users, presence,
// pictures in messages and photos.
func driveFeedReads(t *testing.T, w *world) {
	t.Helper()
	const app = "0a0a0a0a-1111-4222-8333-444455556666"
	ann := w.contoso.Put(graphfake.User{DisplayName: "Ann", Photo: []byte("\xff\xd8\xff\xe0")})
	chat := w.contoso.AddChat(ann)
	team, channel := w.contoso.AddTeam()
	var changes []graphfake.Changed
	w.contoso.OnChange(func(c graphfake.Changed) { changes = append(changes, c) })

	var feed *changefeed.Feed
	receiver := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) { feed.ServeHTTP(rw, r) }))
	t.Cleanup(receiver.Close)
	ring, err := mspkit.NewKeyRing(mspkit.NewKey("k1"))
	require.NoError(t, err)
	var mu sync.Mutex
	var got []changefeed.Event
	sink := changefeed.SinkFunc(func(_ context.Context, e changefeed.Event) error {
		mu.Lock()
		defer mu.Unlock()
		got = append(got, e)
		return nil
	})
	feed, err = changefeed.New(changefeed.App{IDs: []string{app}, URL: receiver.URL}, ring, changefeed.NewMemory(), w, sink, &changefeed.Options{
		Cloud: w.cloud, HTTPClient: w.rec.client(), ReadUsers: true, ReadPresence: true,
		Subscriptions: changefeed.KeepOptions{Basic: []changefeed.Kind{changefeed.ChatMessage, changefeed.ChannelMessage, changefeed.Presence}},
	})
	require.NoError(t, err)
	require.NoError(t, feed.Follow(t.Context(), "contoso", w.contoso.ID, changefeed.AllChats(), changefeed.AllChannelMessages(), changefeed.Users(), changefeed.PresenceOf(ann)))
	require.NoError(t, feed.KeepOnce(t.Context()))

	hosted := w.contoso.Host("image/png", []byte("\x89PNG"))
	body := graphfake.Message{From: ann, ContentType: "html", Content: `<img src="https://graph.microsoft.com/v1.0/hostedContents/` + hosted + `/$value">`}
	inChat, top := body, body
	inChat.Chat, top.Team, top.Channel = chat, team, channel
	w.contoso.Post(inChat)
	reply := top
	reply.ReplyTo = w.contoso.Post(top).ID
	w.contoso.Post(reply)
	w.contoso.Tell("updated", "#Microsoft.Graph.User", ann)
	w.contoso.Tell("updated", "#Microsoft.Graph.presence", ann)
	w.contoso.OnChange(nil)
	for _, c := range changes {
		for _, n := range w.Notices(c, app) {
			if strings.HasSuffix(c.ODataType, "presence") {
				delete(n.Item, "resourceData") // so that it has to be read
			}
			status, err := w.Send(t.Context(), n)
			require.NoError(t, err)
			require.Equal(t, http.StatusAccepted, status)
		}
	}
	require.NoError(t, feed.HandleOnce(t.Context()))
	require.Len(t, got, 5)
	for _, e := range got {
		require.NotNil(t, e.Raw, e.Path)
		if e.Message != nil {
			_, err := feed.Hosted(t.Context(), e, hosted)
			require.NoError(t, err)
		}
	}
	_, err = feed.Photo(t.Context(), "contoso", ann)
	require.NoError(t, err)
	require.NoError(t, feed.Follow(t.Context(), "contoso", w.contoso.ID))
	require.NoError(t, feed.KeepOnce(t.Context()))
}
