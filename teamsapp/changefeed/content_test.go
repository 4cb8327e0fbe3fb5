package changefeed_test

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/graphfake"
	"github.com/mspkit/mspkit/teamsapp/changefeed"
)

func TestPicturesOfAMessageAreReadFromGraph(t *testing.T) {
	t.Parallel()
	w := newFeedWorld(t, nil)
	team, channel := w.contoso.AddTeam()
	w.follow("contoso", changefeed.AllChats(), changefeed.AllChannelMessages())
	png := append([]byte("\x89PNG\r\n\x1a\n"), make([]byte, 100)...)
	picture, svg, place := w.contoso.Host("image/png", png), w.contoso.Host("image/svg+xml", []byte("<svg/>")), w.contoso.Host("image/jpeg", []byte("map"))
	other := w.contoso.Host("image/png", []byte("of another message"))
	src := func(id string) string { return `https://evil.example/v1.0/hostedContents/` + id + `/$value` } // whose host does not matter
	body := graphfake.Message{
		ContentType: "html", Content: `<p>see <img src="` + src(picture) + `"><img src="` + src(picture) + `"><img src="` + src(svg) + `"></p>`, From: w.ann,
		Attachments: []map[string]any{{"id": "1", "contentType": "application/vnd.microsoft.card.adaptive", "content": `{"url":"../hostedContents/` + place + `/$value"}`}},
	}
	inChat, top := body, body
	inChat.Chat, top.Team, top.Channel = w.chat, team, channel
	w.contoso.Post(inChat)
	require.Equal(t, 202, w.send(w.last(w.contoso)))
	thread := w.contoso.Post(top)
	require.Equal(t, 202, w.send(w.last(w.contoso)))
	reply := top
	reply.ReplyTo = thread.ID
	w.contoso.Post(reply)
	require.Equal(t, 202, w.send(w.last(w.contoso)))
	w.handle()
	require.Len(t, w.sink.all(), 3)
	for _, e := range w.sink.all() {
		require.Equal(t, []string{picture, svg, place}, e.Message.Hosted)
		got, err := w.feed.Hosted(t.Context(), e, picture)
		require.NoError(t, err)
		require.Equal(t, changefeed.Content{Type: "image/png", Data: png}, got)
		got, err = w.feed.Hosted(t.Context(), e, svg)
		require.NoError(t, err)
		require.Equal(t, "application/octet-stream", got.Type, "it can have scripts in it")
		got, err = w.feed.Hosted(t.Context(), e, place)
		require.NoError(t, err)
		require.Equal(t, []byte("map"), got.Data)
		_, err = w.feed.Hosted(t.Context(), e, other)
		require.ErrorIs(t, err, mspkit.ErrInvalid)
		e.Message.Hosted = append(e.Message.Hosted, other, "../../users")
		_, err = w.feed.Hosted(t.Context(), e, other)
		require.ErrorIs(t, err, changefeed.ErrNotFound)
		_, err = w.feed.Hosted(t.Context(), e, "../../users")
		require.ErrorIs(t, err, mspkit.ErrInvalid)
	}
}

func TestPhotosAreReadFromGraph(t *testing.T) {
	t.Parallel()
	w := newFeedWorld(t, nil)
	photo := append([]byte("\xff\xd8\xff\xe0"), bytes.Repeat([]byte{1}, 50)...)
	carl := w.contoso.Put(graphfake.User{DisplayName: "Carl", Photo: photo})
	got, err := w.feed.Photo(t.Context(), "contoso", carl)
	require.NoError(t, err)
	require.Equal(t, changefeed.Content{Type: "image/jpeg", Data: photo}, got)
	_, err = w.feed.Photo(t.Context(), "contoso", w.ann)
	require.ErrorIs(t, err, changefeed.ErrNotFound)
	_, err = w.feed.Photo(t.Context(), "fabrikam", carl)
	require.ErrorIs(t, err, changefeed.ErrNotFound)
	_, err = w.feed.Photo(t.Context(), "contoso", "../me")
	require.ErrorIs(t, err, mspkit.ErrInvalid)
}
