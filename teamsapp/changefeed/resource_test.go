package changefeed_test

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/teamsapp/changefeed"
)

func FuzzParseResource(f *testing.F) {
	const user = "aaaaaaaa-0000-4000-8000-000000000001"
	for _, r := range []changefeed.Resource{
		changefeed.AllChats(), changefeed.AllChannelMessages(), changefeed.Chat("19:x@thread.v2"), changefeed.Channel(user, "19:x@thread.tacv2"),
		changefeed.UserChats(user), changefeed.Users(), changefeed.OneUser(user), changefeed.PresenceOf(user), changefeed.PresenceOf(user, strings.Replace(user, "1", "2", 1)),
	} {
		f.Add(r.String())
	}
	f.Add("/chats/../messages")
	f.Add("/chats/19:x%2f@thread.v2/messages")
	f.Fuzz(func(t *testing.T, path string) {
		r, err := changefeed.ParseResource(path)
		if err != nil {
			require.ErrorIs(t, err, mspkit.ErrInvalid)
			require.Zero(t, r)
			return
		}
		require.Equal(t, path, r.String())
		require.NotEmpty(t, r.Key())
		require.LessOrEqual(t, len(r.Key()), 200)
		require.NotEmpty(t, r.Requirements().Permissions)
		if !strings.Contains(path, "?") { // it is part of paths of requests
			u, err := url.Parse("https://graph.example/v1.0" + path)
			require.NoError(t, err)
			require.Equal(t, "/v1.0"+path, u.Path)
			require.NotContains(t, strings.Split(u.Path, "/"), "..")
		}
	})
}

func TestBadSettingsAreReportedTogether(t *testing.T) {
	t.Parallel()
	w := newKeepWorld(t, nil)
	for name, o := range map[string]changefeed.KeepOptions{
		"Lease": {Lease: time.Second}, "Poll": {Poll: -1}, "Workers": {Workers: -1}, "Retry": {Retry: -1}, "SlowRetry": {SlowRetry: -1},
		"Outage": {Outage: time.Second}, "MaxGap": {MaxGap: time.Second}, "Lifetimes": {Lifetimes: map[changefeed.Kind]time.Duration{changefeed.User: time.Minute}},
		"Basic": {Basic: []changefeed.Kind{"calls"}},
	} {
		all := w.o
		all.Subscriptions = o
		if name != "Poll" {
			all.Subscriptions.Poll = -1
		}
		_, err := changefeed.New(changefeed.App{IDs: []string{w.at.ID}, URL: w.here}, w.ring, w.store, w, w, &all)
		require.ErrorIs(t, err, mspkit.ErrInvalid)
		require.ErrorContains(t, err, name)
		require.ErrorContains(t, err, "Poll")
	}
	off := w.o
	off.Subscriptions = changefeed.KeepOptions{Outage: -1, MaxGap: -1}
	_, err := changefeed.New(changefeed.App{IDs: []string{w.at.ID}, URL: w.here}, w.ring, w.store, w, w, &off)
	require.NoError(t, err)
}

func TestNothingIsReadAgainWhereThatIsOff(t *testing.T) {
	t.Parallel()
	w := newKeepWorld(t, func(o *changefeed.Options) { o.Subscriptions.MaxGap = -1 })
	chat := w.at.AddChat(w.at.ID)
	w.follow(changefeed.Chat(chat))
	w.keep()
	w.pass(5 * 24 * time.Hour)
	w.keep()
	w.one()
	require.Zero(t, w.asked("GET", "/chats/"+chat+"/messages"))
	require.Empty(t, w.events())
}
