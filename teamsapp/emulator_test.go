package teamsapp_test

import (
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/teamsapp"
)

// What Microsoft's 365 Agents Playground 0.2 sends: ids that look like GUIDs and have a digit too many, and a bot that is
// not named by its app id.
const (
	playgroundInstall = `{"type":"installationUpdate","id":"1","action":"add","channelId":"msteams","locale":"en-US",
		"from":{"id":"user-id-0","aadObjectId":"00000000-0000-0000-0000-0000000000020"},"serviceUrl":"http://localhost:56150/_connector",
		"conversation":{"conversationType":"personal","tenantId":"00000000-0000-0000-0000-0000000000001","id":"6751e8ef"},
		"recipient":{"id":"00000000-0000-0000-0000-00000000000011","name":"Test Bot"},
		"channelData":{"tenant":{"id":"00000000-0000-0000-0000-0000000000001"}}}`
	playgroundMembers = `{"type":"conversationUpdate","id":"2","channelId":"msteams",
		"from":{"id":"user-id-0","aadObjectId":"00000000-0000-0000-0000-0000000000020"},"serviceUrl":"http://localhost:56150/_connector",
		"conversation":{"conversationType":"personal","tenantId":"00000000-0000-0000-0000-0000000000001","id":"6751e8ef"},
		"recipient":{"id":"00000000-0000-0000-0000-00000000000011"},
		"membersAdded":[{"id":"user-id-0","aadObjectId":"00000000-0000-0000-0000-0000000000020"},{"id":"00000000-0000-0000-0000-00000000000011"}],
		"channelData":{"tenant":{"id":"00000000-0000-0000-0000-0000000000001"}}}`
)

func TestAnEmulatorsIDsAreTakenWithoutAToken(t *testing.T) {
	t.Parallel()
	var seen []teamsapp.Installation
	r := newRig(t, func(o *teamsapp.Options) {
		o.InsecureLoopback = true
		o.OnInstall = func(_ context.Context, i teamsapp.Installation) error {
			seen = append(seen, i)
			return nil
		}
	})
	var asked []string
	r.tenants = func(_ context.Context, entra string) (mspkit.TenantID, error) {
		asked = append(asked, entra)
		return "contoso", nil
	}
	r.Bot = r.another(t, r.store)
	for _, raw := range []string{playgroundInstall, playgroundMembers} {
		require.Equal(t, 200, fromHere(t, r, []byte(raw), nil).Code)
	}
	require.Len(t, seen, 2)
	require.Equal(t, seen[0], seen[1], "the same person each time")
	_, err := teamsapp.NewUser(seen[0].User.TenantID, seen[0].User.ObjectID)
	require.NoError(t, err, "by ids of the form that everything else knows")
	require.Equal(t, seen[0].User.TenantID, asked[0])
	require.True(t, seen[0].Installed)

	other := strings.ReplaceAll(playgroundInstall, "0000000020", "0000000021")
	require.Equal(t, 200, fromHere(t, r, []byte(other), nil).Code)
	require.NotEqual(t, seen[0].User, seen[2].User)
	require.Equal(t, seen[0].User.TenantID, seen[2].User.TenantID)
}

func TestIDsOfAnEmulatorAreNotTakenFromTeams(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	a := r.says("1", "help")
	a.of("conversation")["tenantId"] = "00000000-0000-0000-0000-0000000000001"
	delete(a, "channelData")
	require.Equal(t, 400, r.deliver(t, a).Code)
	a = r.says("2", "help")
	a.of("from")["aadObjectId"] = "00000000-0000-0000-0000-0000000000020"
	require.Equal(t, 400, r.deliver(t, a).Code)
}
