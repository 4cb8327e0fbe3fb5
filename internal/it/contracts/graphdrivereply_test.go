package contracts

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit/internal/graphfake"
	"github.com/mspkit/mspkit/teamsapp/changefeed"
)

// driveReplies has an agent answer in a chat and in a channel.
func driveReplies(t *testing.T, w *world) {
	t.Helper()
	sam := w.contoso.Put(graphfake.User{DisplayName: "Sam"})
	chat := w.contoso.AddChat(sam)
	team, channel := w.contoso.AddTeam()
	top := w.contoso.Post(graphfake.Message{Team: team, Channel: channel, From: sam, Content: "x"})
	agent, err := changefeed.NewAgent(signedIn{w: w, tenant: w.contoso.ID, user: sam}, &changefeed.AgentOptions{Cloud: w.cloud, HTTPClient: w.rec.client()})
	require.NoError(t, err)
	for _, path := range []string{"chats('" + chat + "')/messages('1')", "teams('" + team + "')/channels('" + channel + "')/messages('" + top.ID + "')"} {
		_, err := agent.Reply(t.Context(), changefeed.Event{Tenant: "contoso", Path: path, Message: &changefeed.Message{}}, "hello")
		require.NoError(t, err)
	}
}
