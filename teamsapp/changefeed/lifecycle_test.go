package changefeed_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/graphfake"
	"github.com/mspkit/mspkit/teamsapp/changefeed"
)

func TestAFloodOfLifecycleEventsCostsLittle(t *testing.T) {
	t.Parallel()
	for _, event := range []string{"reauthorizationRequired", "missed", "subscriptionRemoved", "somethingNew"} {
		t.Run(event, func(t *testing.T) {
			t.Parallel()
			w := newKeepWorld(t, nil)
			chat := w.at.AddChat(w.at.Put(graphfake.User{DisplayName: "Ann"}))
			w.follow(changefeed.Chat(chat))
			w.keep()
			id := w.one().ID
			w.away(10 * time.Minute)
			forged := w.at.Lifecycle(w.at.Subscriptions()[0], event)
			for range 60 {
				status, err := w.graph.Send(t.Context(), forged, forged, forged)
				require.NoError(t, err)
				require.Equal(t, http.StatusAccepted, status)
				require.NoError(t, w.feed.HandleOnce(t.Context()))
				w.keep()
				w.pass(5 * time.Second)
			}
			w.one()
			require.LessOrEqual(t, w.at.SubscriptionsMade(), 2)
			require.LessOrEqual(t, w.asked(http.MethodPatch, "/subscriptions/"+id), 5)
			require.LessOrEqual(t, w.asked(http.MethodGet, "/chats/"+chat+"/messages"), 2)
		})
	}
}

// What Graph, or whoever has stolen the clientState, says of a subscription that was replaced means nothing for the next one.
func TestALifecycleEventOfAnOldSubscriptionLeavesTheNextAlone(t *testing.T) {
	t.Parallel()
	for _, event := range []string{"reauthorizationRequired", "missed", "subscriptionRemoved"} {
		w := newKeepWorld(t, nil)
		w.follow(changefeed.AllChats())
		w.keep()
		old := w.one()
		notice := w.at.Lifecycle(w.at.Subscriptions()[0], event)
		status, err := w.graph.Send(t.Context(), notice, notice) // accepted, and not handled yet
		require.NoError(t, err)
		require.Equal(t, http.StatusAccepted, status)
		w.at.RemoveSubscription(old.ID)
		w.pass(36 * time.Hour)
		w.keep()
		next := w.one()
		require.NotEqual(t, old.ID, next.ID)
		require.NoError(t, w.feed.HandleOnce(t.Context()))
		require.Zero(t, w.only().Marks, event)
		w.keep()
		require.Equal(t, next.ID, w.one().ID, event)
	}
}

// That a subscription is gone may be told late, and what came before it is told says nothing of what is missing.
func TestALateLifecycleEventDoesNotShortenTheGap(t *testing.T) {
	t.Parallel()
	for _, event := range []string{"missed", "subscriptionRemoved"} {
		w := newKeepWorld(t, nil)
		ann := w.at.Put(graphfake.User{DisplayName: "Ann"})
		chat := w.at.AddChat(ann)
		w.follow(changefeed.Chat(chat))
		w.keep()
		w.away(2 * time.Hour)
		w.at.Post(graphfake.Message{Chat: chat, From: ann, Content: "lost"})
		w.away(30 * time.Minute)
		notice := w.at.Lifecycle(w.at.Subscriptions()[0], event)
		if event == "missed" { // others have come since
			r := changefeed.Ref{Tenant: "contoso", Key: changefeed.Chat(chat).Key()}
			require.NoError(t, w.store.Notified(t.Context(), []changefeed.Ref{r}, w.Now()))
		} else {
			w.at.RemoveSubscription(w.only().ID)
		}
		status, err := w.graph.Send(t.Context(), notice)
		require.NoError(t, err)
		require.Equal(t, http.StatusAccepted, status)
		got := w.events()
		w.away(5 * time.Minute)
		got = append(got, w.events()...)
		w.keep()
		require.Equal(t, []string{"created lost"}, append(got, w.events()...), event)
		w.one()
	}
}

func TestWhatIsNotFollowedAnyMoreIsDroppedAtOnce(t *testing.T) {
	t.Parallel()
	w := newFeedWorld(t, nil)
	w.follow("contoso", changefeed.AllChats())
	require.Equal(t, 202, w.send(w.said(w.contoso, "while it is followed")))
	late := w.said(w.contoso, "when it is not")
	require.NoError(t, w.feed.Follow(t.Context(), "contoso", contosoID)) // Graph is told later
	require.Equal(t, 202, w.send(late))
	w.handle()
	require.Equal(t, []string{"while it is followed"}, w.sink.texts())

	// The customer goes to another tenant of the host's; what Graph still sends to the first one is of neither.
	w.follow("contoso", changefeed.AllChats())
	late = w.said(w.contoso, "to the first")
	require.NoError(t, w.feed.Follow(t.Context(), "contoso", fabrikamID, changefeed.AllChats()))
	require.NoError(t, w.feed.Follow(t.Context(), "fabrikam", contosoID, changefeed.AllChats()))
	require.Equal(t, 202, w.send(late))
	w.handle()
	require.Len(t, w.sink.all(), 1)
	require.Equal(t, int64(2), w.meter.of(changefeed.MetricDropped+"/unknown-subscription"))
}

// What an instance remembers of a subscription is right for a minute at most, and at once where it has itself replaced it.
func TestWhatIsRememberedOfASubscriptionIsForgotten(t *testing.T) {
	t.Parallel()
	w := newFeedWorld(t, nil)
	w.follow("contoso", changefeed.AllChats())
	require.Equal(t, 202, w.send(w.said(w.contoso, "first")))
	other := w.said(w.contoso, "with the id of another subscription")
	other.Item["subscriptionId"] = "7d6f1a3e-0000-4000-8000-000000000001"
	require.Equal(t, 202, w.send(other))
	require.EqualValues(t, 1, w.meter.of(changefeed.MetricDropped+"/unknown-subscription"))
	late := w.said(w.contoso, "of what was replaced")
	list, err := w.feed.Subscriptions(t.Context(), "contoso")
	require.NoError(t, err)
	require.NoError(t, w.store.Mark(t.Context(), list[0].Ref, changefeed.Removed, time.Time{}, w.clock.Now()))
	require.NoError(t, w.feed.KeepOnce(t.Context()))
	require.Equal(t, 202, w.send(late))
	require.EqualValues(t, 2, w.meter.of(changefeed.MetricDropped+"/unknown-subscription"))

	require.Equal(t, 202, w.send(w.said(w.contoso, "second")))
	require.NoError(t, w.another().Follow(t.Context(), "contoso", contosoID))
	w.clock.move(time.Minute)
	require.Equal(t, 202, w.send(w.said(w.contoso, "not followed any more")))
	require.EqualValues(t, 3, w.meter.of(changefeed.MetricDropped+"/unknown-subscription"))
	w.handle()
	require.Equal(t, []string{"first", "with the id of another subscription", "of what was replaced", "second"}, w.sink.texts())
	for i, want := range []bool{false, true, true, false} {
		require.Equal(t, want, w.sink.all()[i].Backfilled)
	}
}

func TestASubscriptionWhoseClientStateDoesNotOpenIsReplacedAtOnce(t *testing.T) {
	t.Parallel()
	w := newKeepWorld(t, nil)
	ann := w.at.Put(graphfake.User{DisplayName: "Ann"})
	chat := w.at.AddChat(ann)
	var last graphfake.Changed
	w.at.OnChange(func(c graphfake.Changed) { last = c })
	w.follow(changefeed.Chat(chat))
	w.keep()
	old := w.one()
	w.pass(time.Minute)
	w.at.Post(graphfake.Message{Chat: chat, From: ann, Content: "with the old key"})
	notices := w.graph.Notices(last, ourApp)
	var err error
	w.ring, err = mspkit.NewKeyRing(mspkit.NewKey("two"))
	require.NoError(t, err)
	w.feed = w.instance(0)
	w.keep()
	require.Equal(t, old.ID, w.one().ID, "nothing is due yet")
	for range 3 {
		status, err := w.graph.Send(t.Context(), notices...)
		require.NoError(t, err)
		require.Equal(t, http.StatusServiceUnavailable, status)
	}
	require.Equal(t, old.MarkSeq+1, w.only().MarkSeq)
	w.keep()
	require.NotEqual(t, old.ID, w.one().ID)
	status, err := w.graph.Send(t.Context(), notices...)
	require.NoError(t, err)
	require.Equal(t, http.StatusAccepted, status, "Graph need not repeat it any more")
	require.Equal(t, []string{"created with the old key"}, w.events())
}
