package changefeed_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/graphfake"
	"github.com/mspkit/mspkit/teamsapp/changefeed"
)

// away lets time pass in which the feed runs, as if a loop did it.
func (w *keepWorld) away(d time.Duration) {
	w.Helper()
	for ; d > 0; d -= 5 * time.Minute {
		w.pass(min(d, 5*time.Minute))
		w.keep()
	}
}

func TestWhatIsMissedInAChatIsReadOnceInOrder(t *testing.T) {
	t.Parallel()
	w := newKeepWorld(t, nil)
	ann := w.at.Put(graphfake.User{DisplayName: "Ann"})
	chat := w.at.AddChat(ann)
	say := func(text string) graphfake.Message {
		w.pass(time.Minute)
		return w.at.Post(graphfake.Message{Chat: chat, From: ann, Content: text})
	}
	before := say("long before")
	say("before")
	w.pass(time.Hour)
	w.follow(changefeed.Chat(chat))
	w.keep()
	first := w.one()
	require.Empty(t, w.events(), "what was before is not read")

	w.pass(time.Hour)
	w.keep() // an outage: nothing was said
	require.Empty(t, w.events())
	w.pass(20 * time.Hour)
	for i := range 50 { // three pages
		say(fmt.Sprint("message ", i))
	}
	edited, erased := say("draft"), say("oops")
	w.at.Edit(edited.ID, "final")
	w.at.Erase(erased.ID)
	w.at.Edit(before.ID, "long before, edited")
	require.True(t, w.at.RemoveSubscription(first.ID))
	w.pass(4 * 24 * time.Hour)
	w.keep()
	got := w.events()
	want := []string{}
	for i := range 50 {
		want = append(want, fmt.Sprint("created message ", i))
	}
	want = append(want, "created final", "updated final", "deleted ", "updated long before, edited")
	require.ElementsMatch(t, want, got)
	require.Equal(t, want[:51], got[:51], "one chat in its order")
	require.NotEqual(t, first.ID, w.one().ID)
	require.Zero(t, w.one().GapFrom)
	require.Empty(t, w.gaps)

	w.at.RemoveSubscription(w.one().ID)
	w.pass(72 * time.Hour)
	w.keep()
	require.Empty(t, w.events(), "what was read before has the same ids")
}

func TestLifecycleEventsAreObeyed(t *testing.T) {
	t.Parallel()
	w := newKeepWorld(t, nil)
	ann := w.at.Put(graphfake.User{DisplayName: "Ann"})
	chat := w.at.AddChat(ann)
	w.follow(changefeed.Chat(chat))
	w.keep()
	made := w.one()
	tell := func(event string) {
		t.Helper()
		status, err := w.graph.Send(t.Context(), w.at.Lifecycle(w.at.Subscriptions()[0], event))
		require.NoError(t, err)
		require.Equal(t, http.StatusAccepted, status)
		w.away(5 * time.Minute)
		require.NoError(t, w.feed.HandleOnce(t.Context()))
		w.keep()
	}
	w.away(time.Hour)
	tell("reauthorizationRequired")
	require.True(t, w.one().ExpiresAt.After(made.ExpiresAt))
	require.Equal(t, 1, w.asked(http.MethodPatch, "/subscriptions/"+made.ID))
	require.Empty(t, w.events())

	w.at.Post(graphfake.Message{Chat: chat, From: ann, Content: "missed"})
	tell("missed")
	require.Equal(t, []string{"created missed"}, w.events())

	w.at.Post(graphfake.Message{Chat: chat, From: ann, Content: "removed"})
	notice := w.at.Lifecycle(w.at.Subscriptions()[0], "subscriptionRemoved")
	w.at.RemoveSubscription(made.ID)
	for range 2 { // it comes twice
		status, err := w.graph.Send(t.Context(), notice)
		require.NoError(t, err)
		require.Equal(t, http.StatusAccepted, status)
	}
	require.NoError(t, w.feed.HandleOnce(t.Context()))
	w.keep()
	require.Equal(t, []string{"created removed"}, w.events())
	require.NotEqual(t, made.ID, w.one().ID)
	require.Equal(t, 2, w.at.SubscriptionsMade())
}

// Graph takes a second subscription to some resources, so nothing but us sees to it that there is one.
func TestThatASubscriptionWasRemovedNeverLeavesTwo(t *testing.T) {
	t.Parallel()
	w := newKeepWorld(t, nil)
	w.at.SetSubscriptionQuirks(graphfake.SubscriptionQuirks{AllowDuplicates: true})
	w.follow(changefeed.AllChats())
	w.keep()
	made := w.one()
	removed := w.at.Lifecycle(w.at.Subscriptions()[0], "subscriptionRemoved")
	tell := func() {
		status, err := w.graph.Send(t.Context(), removed)
		require.NoError(t, err)
		require.Equal(t, http.StatusAccepted, status)
	}
	tell() // though it is there
	require.NoError(t, w.feed.HandleOnce(t.Context()))
	tell() // and again, which is handled after another one has taken its place
	w.keep()
	again := w.one()
	require.NotEqual(t, made.ID, again.ID)
	require.NoError(t, w.feed.HandleOnce(t.Context()))
	w.keep()
	require.Equal(t, again.ID, w.one().ID)
	require.Equal(t, 2, w.at.SubscriptionsMade())
}

func TestARestartAfterFiveDaysReadsWhatWasMissed(t *testing.T) {
	t.Parallel()
	w := newKeepWorld(t, nil)
	ann, bob := w.at.Put(graphfake.User{DisplayName: "Ann"}), w.at.Put(graphfake.User{DisplayName: "Bob", Presence: "Available"})
	cid := w.at.Put(graphfake.User{DisplayName: "Cid"})
	chat := w.at.AddChat(ann, bob)
	team, channel := w.at.AddTeam()
	top := w.at.Post(graphfake.Message{Team: team, Channel: channel, From: ann, Content: "old thread"})
	w.pass(24 * time.Hour)
	w.follow(changefeed.UserChats(bob), changefeed.Channel(team, channel), changefeed.Users(), changefeed.OneUser(ann), changefeed.PresenceOf(bob, ann))
	w.keep()
	w.away(time.Hour)
	require.Empty(t, w.events())
	w.pass(24 * time.Hour)
	w.at.Post(graphfake.Message{Chat: chat, From: ann, Content: "in the chat"})
	w.at.Post(graphfake.Message{Team: team, Channel: channel, From: ann, Content: "new thread"})
	w.at.Post(graphfake.Message{Team: team, Channel: channel, ReplyTo: top.ID, From: ann, Content: "reply"})
	w.at.Update(bob, func(u *graphfake.User) { u.DisplayName, u.Presence = "Robert", "Busy" })
	w.at.Delete(cid, true)
	w.pass(4 * 24 * time.Hour)
	other := w.instance(time.Minute)
	require.NoError(t, other.KeepOnce(t.Context()))
	w.pass(time.Minute)
	w.keep()
	require.ElementsMatch(t, []string{
		"created in the chat", "created new thread", "created reply",
		"updated users('" + bob + "')", "deleted users('" + cid + "')", // of all users
		"updated users('" + ann + "')", // of one
		"updated communications/presences('" + bob + "')", "updated communications/presences('" + ann + "')",
	}, w.events())
	require.Empty(t, w.gaps)
	for range 3 {
		w.away(time.Hour)
	}
	require.Empty(t, w.events())
	require.Len(t, w.at.Subscriptions(), 5)
}

func TestAllChatsAndChannelsAreReadByUsersAndTeams(t *testing.T) {
	t.Parallel()
	w := newKeepWorld(t, nil)
	w.at.Seed(18, 1)
	ann, bob := w.at.Put(graphfake.User{DisplayName: "Ann"}), w.at.Put(graphfake.User{DisplayName: "Bob"})
	w.at.Put(graphfake.User{DisplayName: "One more than a page"})
	chat, alone := w.at.AddChat(ann, bob), w.at.AddChat(bob)
	team, channel := w.at.AddTeam()
	unknown, unread := w.at.AddTeam()
	w.follow(changefeed.AllChats(), changefeed.AllChannelMessages(), changefeed.Channel(team, w.at.AddChannel(team)))
	w.keep()
	w.away(time.Hour)
	w.pass(time.Hour)
	w.at.Post(graphfake.Message{Chat: chat, From: ann, Content: "both"})
	w.at.Post(graphfake.Message{Chat: alone, From: bob, Content: "alone"})
	m := w.at.Post(graphfake.Message{Team: team, Channel: channel, From: ann, Content: "thread"})
	w.at.Post(graphfake.Message{Team: team, Channel: channel, ReplyTo: m.ID, From: ann, Content: "reply"})
	w.at.Post(graphfake.Message{Team: unknown, Channel: unread, From: ann, Content: "nobody knows"})
	w.pass(time.Hour)
	w.keep()
	require.ElementsMatch(t, []string{"created both", "created alone", "created thread", "created reply"}, w.events())
	require.Empty(t, w.gaps)
}

func TestTheHostSaysWhoseMessagesAreRead(t *testing.T) {
	t.Parallel()
	var users, teams []string
	var fails error
	w := newKeepWorld(t, func(o *changefeed.Options) {
		o.Subscriptions.BackfillUsers = func(context.Context, mspkit.TenantID) ([]string, error) { return users, fails }
		o.Subscriptions.BackfillTeams = func(context.Context, mspkit.TenantID) ([]string, error) { return teams, nil }
	})
	ann, bob := w.at.Put(graphfake.User{DisplayName: "Ann"}), w.at.Put(graphfake.User{DisplayName: "Bob"})
	annes, bobs := w.at.AddChat(ann), w.at.AddChat(bob)
	w.follow(changefeed.AllChats(), changefeed.AllChannelMessages())
	w.keep()
	w.pass(time.Hour)
	w.at.Post(graphfake.Message{Chat: annes, From: ann, Content: "to Ann"})
	w.at.Post(graphfake.Message{Chat: bobs, From: bob, Content: "to Bob"})
	users, fails = []string{ann, w.at.ID}, errors.New("the host's database is gone")
	w.keep()
	require.Empty(t, w.events())
	require.Len(t, w.gaps, 1, "there are no teams")
	require.Equal(t, changefeed.AllChannelMessages(), w.gaps[0].Resource)
	require.Contains(t, w.gaps[0].Reason, "BackfillTeams")
	fails = nil
	w.away(10 * time.Minute)
	require.Equal(t, []string{"created to Ann"}, w.events(), "somebody who is not there is passed over")
	list, err := w.feed.Subscriptions(t.Context(), "contoso")
	require.NoError(t, err)
	for _, s := range list {
		require.Empty(t, s.Fault)
		require.Zero(t, s.GapFrom)
	}
}

func TestWhatCannotBeReadAnyMoreIsTold(t *testing.T) {
	t.Parallel()
	w := newKeepWorld(t, nil)
	ann := w.at.Put(graphfake.User{DisplayName: "Ann"})
	chat := w.at.AddChat(ann)
	w.follow(changefeed.Chat(chat), changefeed.Users())
	w.keep()
	from := w.Now()
	w.pass(9 * 24 * time.Hour)
	w.at.Post(graphfake.Message{Chat: chat, From: ann, Content: "late", CreatedAt: w.Now().Add(-time.Hour)})
	w.keep()
	require.Equal(t, []string{"created late"}, w.events())
	require.Len(t, w.gaps, 3)
	for _, g := range w.gaps {
		require.True(t, g.To.After(g.From))
		require.False(t, g.To.After(w.Now()))
	}
	require.False(t, w.gaps[0].From.After(from))
	w.gaps = nil
	w.at.ExpireDelta("")
	w.pass(time.Hour)
	w.keep()
	require.Len(t, w.gaps, 1)
	require.Equal(t, changefeed.Users(), w.gaps[0].Resource)
	require.Contains(t, w.gaps[0].Reason, "forgotten")
	w.gaps = nil
	w.at.Update(ann, func(u *graphfake.User) { u.DisplayName = "Anne" })
	w.pass(time.Hour)
	w.keep()
	require.Equal(t, []string{"updated users('" + ann + "')"}, w.events())
	// Consent to read is gone while that to subscribe is not asked.
	w.graph.SetFault(graphfake.Times(-1, graphfake.Fault{Status: 403, Code: "Forbidden"}, "/chats/"))
	w.pass(time.Hour)
	w.keep()
	require.Len(t, w.gaps, 1)
	require.Contains(t, w.gaps[0].Reason, "Chat.Read.All")
}

func TestChangesOfUsersAreAskedForAgainWhereTheGapGrows(t *testing.T) {
	t.Parallel()
	w := newKeepWorld(t, nil)
	people := make([]string, 50) // three pages
	want := []string{}
	for i := range people {
		people[i] = w.at.Put(graphfake.User{DisplayName: fmt.Sprint("Person ", i)})
		want = append(want, "updated users('"+people[i]+"')")
	}
	w.follow(changefeed.Users())
	w.keep()
	w.pass(time.Hour)
	for _, p := range people {
		w.at.Update(p, func(u *graphfake.User) { u.JobTitle = "Controller" })
	}
	n := 0
	w.feed.AtStep(func(point string) error {
		if n++; n == 2 {
			return errDead
		}
		return nil
	})
	require.ErrorIs(t, w.feed.KeepOnce(t.Context()), errDead)
	w.feed.AtStep(func(string) error { return nil })
	w.pass(time.Hour) // the gap goes on
	late := w.at.Put(graphfake.User{DisplayName: "Late"})
	w.keep()
	got := map[string]bool{}
	for _, e := range w.events() {
		got[e] = true
	}
	for _, e := range append(want, "updated users('"+late+"')") {
		require.True(t, got[e], e)
	}
	require.Len(t, got, 51)
	require.Empty(t, w.gaps)
}

func TestReadingGoesOnAfterADeath(t *testing.T) {
	t.Parallel()
	w := newKeepWorld(t, nil)
	people := make([]string, 6)
	for i := range people {
		people[i] = w.at.Put(graphfake.User{DisplayName: fmt.Sprint("Person ", i)})
	}
	w.follow(changefeed.AllChats())
	w.keep()
	w.pass(time.Hour)
	want := []string{}
	for i, p := range people {
		w.at.Post(graphfake.Message{Chat: w.at.AddChat(p), From: p, Content: strconv.Itoa(i)})
		want = append(want, fmt.Sprint("created ", i))
	}
	n := 0
	w.feed.AtStep(func(point string) error {
		if point == "accepted" {
			if n++; n == 4 {
				return errDead
			}
		}
		return nil
	})
	require.ErrorIs(t, w.feed.KeepOnce(t.Context()), errDead)
	before := w.asked(http.MethodGet, "/users/"+people[0]+"/chats/getAllMessages")
	w.feed = w.instance(0)
	w.away(10 * time.Minute)
	require.ElementsMatch(t, want, w.events())
	require.Equal(t, before, w.asked(http.MethodGet, "/users/"+people[0]+"/chats/getAllMessages"), "it does not begin anew")
	require.Equal(t, 2, w.asked(http.MethodGet, "/users/"+people[3]+"/chats/getAllMessages"))

	// And while Graph fails.
	w.pass(time.Hour)
	chat := w.at.AddChat(people[0])
	w.at.Post(graphfake.Message{Chat: chat, From: people[0], Content: "again"})
	w.graph.SetFault(graphfake.Times(1, graphfake.Fault{Body: "{}"}, "getAllMessages"))
	w.keep()
	require.Contains(t, w.only().Fault, "cannot be read yet")
	require.Equal(t, changefeed.Active, w.only().State)
	w.away(10 * time.Minute)
	require.Equal(t, []string{"created again"}, w.events())
	require.Empty(t, w.one().Fault)
	require.Empty(t, w.gaps)
}
