package changefeed_test

import (
	"context"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/graphfake"
	"github.com/mspkit/mspkit/teamsapp"
	"github.com/mspkit/mspkit/teamsapp/changefeed"
)

// signedIn are the credentials of a person, who may be of one tenant only.
type signedIn struct {
	w    *feedWorld
	user string
}

func (s signedIn) TenantCredential(_ context.Context, tenant mspkit.TenantID) (azcore.TokenCredential, error) {
	if tenant != "contoso" {
		return s.w.TenantCredential(context.Background(), tenant)
	}
	return s, nil
}

func (s signedIn) GetToken(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
	return azcore.AccessToken{Token: s.w.graph.UserBearer(contosoID, s.user), ExpiresOn: time.Now().Add(time.Hour)}, nil
}

func (w *feedWorld) agent(user string) *changefeed.Agent {
	w.tb.Helper()
	a, err := changefeed.NewAgent(signedIn{w, user}, &changefeed.AgentOptions{Cloud: w.options.Cloud})
	require.NoError(w.tb, err)
	return a
}

// heard posts a message as Ann and returns the event of it.
func (w *feedWorld) heard(m graphfake.Message) changefeed.Event {
	w.tb.Helper()
	m.From = w.ann
	w.contoso.Post(m)
	require.Equal(w.tb, 202, w.send(w.last(w.contoso)))
	w.handle()
	all := w.sink.all()
	return all[len(all)-1]
}

func TestAnAgentAnswersWhereSomebodyWrote(t *testing.T) {
	t.Parallel()
	w := newFeedWorld(t, nil)
	team, channel := w.contoso.AddTeam()
	w.follow("contoso", changefeed.AllChats(), changefeed.AllChannelMessages())
	sam := w.contoso.Put(graphfake.User{DisplayName: "Sam"})
	chat := w.contoso.AddChat(w.ann, sam)
	agent := w.agent(sam)

	const text = "Hello <b>Ann</b> & [you](https://x.example)"
	e := w.heard(graphfake.Message{Chat: chat, Content: "help"})
	id, err := agent.Reply(t.Context(), e, text)
	require.NoError(t, err)
	require.Equal(t, 202, w.send(w.last(w.contoso)))
	w.handle()
	all := w.sink.all()
	said := all[len(all)-1].Message
	require.Equal(t, id, said.ID)
	require.Equal(t, chat, said.ChatID)
	require.Equal(t, sam, said.From.ObjectID)
	require.Equal(t, text, said.Text, "a plain text stays one")

	top := w.heard(graphfake.Message{Team: team, Channel: channel, Content: "all"})
	id, err = agent.Reply(t.Context(), top, "yes")
	require.NoError(t, err)
	answer := w.heard(graphfake.Message{Team: team, Channel: channel, ReplyTo: top.Message.ID, Content: "really"})
	again, err := agent.Reply(t.Context(), answer, "really")
	require.NoError(t, err, "an answer to an answer stands in the same thread")
	require.NotEqual(t, id, again)
	require.Equal(t, 202, w.send(w.last(w.contoso)))
	w.handle()
	all = w.sink.all()
	require.Equal(t, top.Message.ID, all[len(all)-1].Message.ReplyToID)
}

func TestAnAnswerThatCannotBeGivenSaysWhy(t *testing.T) {
	t.Parallel()
	w := newFeedWorld(t, nil)
	w.follow("contoso", changefeed.AllChats())
	sam := w.contoso.Put(graphfake.User{DisplayName: "Sam"})
	e := w.heard(graphfake.Message{Chat: w.chat, Content: "help"})
	agent := w.agent(sam)
	_, err := agent.Reply(t.Context(), e, "hello")
	require.ErrorIs(t, err, changefeed.ErrNotAllowed, "Sam is not in the chat")
	require.NotContains(t, err.Error(), "hello")

	asApp, err := changefeed.NewAgent(w, &changefeed.AgentOptions{Cloud: w.options.Cloud})
	require.NoError(t, err)
	_, err = asApp.Reply(t.Context(), e, "hello")
	require.ErrorIs(t, err, changefeed.ErrNotAllowed, "no application writes by itself")

	gone := e
	gone.Path = strings.Replace(e.Path, w.chat, "19:gone@thread.v2", 1)
	_, err = agent.Reply(t.Context(), gone, "hello")
	require.ErrorIs(t, err, changefeed.ErrNotFound)

	ann := w.agent(w.ann)
	for name, c := range map[string]struct {
		change func(*changefeed.Event)
		text   string
	}{
		"no text":             {func(*changefeed.Event) {}, " \n"},
		"too long":            {func(*changefeed.Event) {}, strings.Repeat("x", changefeed.MaxReply+1)},
		"not UTF-8":           {func(*changefeed.Event) {}, "\xff"},
		"no message":          {func(e *changefeed.Event) { e.Message = nil }, "x"},
		"a user":              {func(e *changefeed.Event) { e.Path = "users('" + sam + "')" }, "x"},
		"a path that escapes": {func(e *changefeed.Event) { e.Path = "chats('../../users')/messages('1')" }, "x"},
	} {
		bad := e
		c.change(&bad)
		_, err := ann.Reply(t.Context(), bad, c.text)
		require.ErrorIs(t, err, mspkit.ErrInvalid, name)
	}
	_, err = changefeed.NewAgent(nil, nil)
	require.ErrorIs(t, err, mspkit.ErrInvalid)
}

// What may have been taken is not sent again, because somebody would read it twice.
func TestAnAnswerIsSentOnce(t *testing.T) {
	t.Parallel()
	for name, f := range map[string]graphfake.Fault{
		"a lost answer": {Drop: true, After: true}, "a server error": {Status: http.StatusServiceUnavailable}, "nonsense": {Status: http.StatusCreated, Body: "<html>"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newFeedWorld(t, nil)
			w.follow("contoso", changefeed.AllChats())
			e := w.heard(graphfake.Message{Chat: w.chat, Content: "help"})
			var tries atomic.Int32 // the answer may be lost before the server has ended
			w.graph.SetFault(func(r *http.Request) *graphfake.Fault {
				if r.Method != http.MethodPost || !strings.HasSuffix(r.URL.Path, "/messages") {
					return nil
				}
				tries.Add(1)
				return &f
			})
			_, err := w.agent(w.ann).Reply(t.Context(), e, "hello")
			require.ErrorIs(t, err, changefeed.ErrUnclear)
			require.EqualValues(t, 1, tries.Load())
		})
	}
}

type notes []teamsapp.Notification

func (n *notes) Notify(_ context.Context, m teamsapp.Notification) (teamsapp.Receipt, error) {
	*n = append(*n, m)
	if m.Text == "fail" {
		return teamsapp.Receipt{}, teamsapp.ErrBlockedByUser
	}
	return teamsapp.Receipt{Message: teamsapp.MessageRef{User: m.To, Conversation: "a:1", Activity: "2"}}, nil
}

func TestTheBotAnswersThePersonAlone(t *testing.T) {
	t.Parallel()
	w := newFeedWorld(t, nil)
	w.follow("contoso", changefeed.AllChats())
	e := w.heard(graphfake.Message{Chat: w.chat, Content: "help"})
	var sent notes
	r, err := changefeed.NewBotReplier(&sent)
	require.NoError(t, err)
	id, err := r.Reply(t.Context(), e, "hello")
	require.NoError(t, err)
	ref, err := teamsapp.ParseMessageRef(id)
	require.NoError(t, err)
	require.Equal(t, teamsapp.User{TenantID: contosoID, ObjectID: w.ann}, ref.User)
	require.Equal(t, "hello", sent[0].Text)
	_, err = r.Reply(t.Context(), e, "fail")
	require.ErrorIs(t, err, teamsapp.ErrBlockedByUser)

	byApp := e
	message := *e.Message
	message.From = changefeed.Person{AppID: ourApp}
	byApp.Message = &message
	_, err = r.Reply(t.Context(), byApp, "hello")
	require.ErrorIs(t, err, mspkit.ErrInvalid)
	_, err = r.Reply(t.Context(), e, "")
	require.ErrorIs(t, err, mspkit.ErrInvalid)
	require.Len(t, sent, 2)
	_, err = changefeed.NewBotReplier(nil)
	require.ErrorIs(t, err, mspkit.ErrInvalid)
}
