package changefeed_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit/internal/graphfake"
	"github.com/mspkit/mspkit/teamsapp/changefeed"
)

// at requires that the one subscription has the notification URL.
func (w *keepWorld) atURL(url string) changefeed.Subscription {
	w.Helper()
	s := w.one()
	require.Equal(w, url, s.URL)
	require.True(w, strings.HasPrefix(w.at.Subscriptions()[0].NotificationURL, url+"?"))
	require.Equal(w, w.at.Subscriptions()[0].NotificationURL, w.at.Subscriptions()[0].LifecycleURL)
	return s
}

func TestAFeedThatMovesIsNoticedWhenItStarts(t *testing.T) {
	t.Parallel()
	w := newKeepWorld(t, nil)
	ann := w.at.Put(graphfake.User{DisplayName: "Ann"})
	chat := w.at.AddChat(ann)
	w.follow(changefeed.Chat(chat))
	w.keep()
	old := w.atURL(w.here)
	w.pass(8 * time.Minute) // no outage, and nothing is due
	w.at.Post(graphfake.Message{Chat: chat, From: ann, Content: "to the old URL"})
	w.pass(time.Minute)
	w.here += "2"
	w.feed = w.instance(0)
	w.keep()
	require.NotEqual(t, old.ID, w.atURL(w.here).ID)
	require.Equal(t, []string{"created to the old URL"}, w.events())
	w.feed = w.instance(0) // starting again at the same URL changes nothing
	w.keep()
	require.Equal(t, 2, w.at.SubscriptionsMade())
}

func TestTwoReleasesWithDifferentURLsDoNotFight(t *testing.T) {
	t.Parallel()
	w := newKeepWorld(t, nil)
	ann := w.at.Put(graphfake.User{DisplayName: "Ann"})
	w.follow(changefeed.PresenceOf(ann)) // which is renewed all the time
	first, second := w.here, w.here+"2"
	olds := []*changefeed.Feed{w.feed, w.instance(time.Minute)}
	turns := func(feeds ...*changefeed.Feed) {
		t.Helper()
		for range 20 {
			for _, f := range feeds {
				w.pass(7 * time.Minute)
				require.NoError(t, f.KeepOnce(t.Context()))
			}
		}
	}
	turns(olds...)
	w.atURL(first)
	w.here = second
	news := []*changefeed.Feed{w.instance(-time.Minute), w.instance(0)}
	turns(append(news, olds...)...)
	moved := w.atURL(second)
	require.Equal(t, 2, w.at.SubscriptionsMade(), "it moved once")
	// What the old instances subscribe to has the new URL as well.
	w.at.RemoveSubscription(moved.ID)
	w.pass(40 * time.Minute)
	turns(olds...)
	w.atURL(second)
	// Whoever goes back starts the old release again.
	w.here = first
	turns(w.instance(0), olds[0], news[0])
	w.atURL(first)
	require.Equal(t, 4, w.at.SubscriptionsMade())
}

func TestAMoveInTheMiddleOfATurnIsNotLost(t *testing.T) {
	t.Parallel()
	for _, point := range []string{"stored", "made"} {
		w := newKeepWorld(t, nil)
		w.follow(changefeed.AllChats())
		old := w.here
		w.here += "2"
		next := w.instance(0)
		moved := false
		w.feed.AtStep(func(at string) error {
			if at == point && !moved {
				moved = true
				return next.KeepOnce(t.Context())
			}
			return nil
		})
		w.keep()
		require.NoError(t, next.KeepOnce(t.Context()))
		require.NotEqual(t, old, w.atURL(w.here).URL, point)
	}
}

func TestWhatWasAskedForBeforeAMoveIsClearedAway(t *testing.T) {
	t.Parallel()
	for _, wanted := range []bool{true, false} {
		w := newKeepWorld(t, nil)
		w.follow(changefeed.AllChats())
		w.feed.AtStep(dies("made"))
		require.Error(t, w.feed.KeepOnce(t.Context()))
		require.Len(t, w.at.Subscriptions(), 1)
		w.here += "2"
		w.feed = w.instance(0)
		w.pass(10 * time.Minute)
		if !wanted {
			w.follow()
		}
		w.keep()
		if !wanted {
			require.Empty(t, w.at.Subscriptions())
			continue
		}
		w.atURL(w.here)
		require.Equal(t, 1, w.asked(http.MethodGet, "/subscriptions"))
	}
}
