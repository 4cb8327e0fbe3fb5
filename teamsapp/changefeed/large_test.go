package changefeed_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit/internal/backlog"
	"github.com/mspkit/mspkit/teamsapp/changefeed"
)

// What does not fit into the backlog must not have its POST fail for ever: it is read from Graph.
func TestAMessageThatIsTooLargeToStoreIsReadFromGraph(t *testing.T) {
	t.Parallel()
	w := newFeedWorld(t, nil)
	w.follow("contoso", changefeed.Chat(w.chat))
	large := w.said(w.contoso, strings.Repeat("x", backlog.MaxSealed*3/4)) // base64 adds a third
	require.Equal(t, 202, w.send(w.said(w.contoso, "beside it"), large))
	w.handle()
	require.Empty(t, w.dead(""))
	all := w.sink.all()
	require.Len(t, all, 2)
	require.Equal(t, "beside it", all[0].Message.Text)
	require.Greater(t, len(all[1].Raw), backlog.MaxSealed*3/4)
	require.True(t, strings.HasPrefix(all[1].Message.Text, "xxx"))
}
