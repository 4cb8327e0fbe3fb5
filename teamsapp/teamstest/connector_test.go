package teamstest_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/mspkit/mspkit/teamsapp/teamstest"
)

// cutOff is where net/http's server stays for half a second after it has cut off a request's body.
var cutOff = goleak.IgnoreAnyFunction("net/http.(*conn).closeWriteAndWait")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m, cutOff) }

func TestNothingIsLeftAfterCloseWhateverWasGoingOn(t *testing.T) { //nolint:paralleltest // looks at all goroutines
	before := goleak.IgnoreCurrent()
	s, err := teamstest.Start(appID, secret, &teamstest.Options{Emulator: true})
	require.NoError(t, err)
	s.Fail(teamstest.Fault{Op: teamstest.OpCreate, Endless: true})
	s.Fail(teamstest.Fault{Op: teamstest.OpCreate, Delay: time.Hour})
	c := &http.Client{Transport: &http.Transport{}}
	resp, err := c.Post(s.URL()+"/teams/v3/conversations", "application/json", strings.NewReader("{}"))
	require.NoError(t, err)
	defer resp.Body.Close()
	hung := make(chan error)
	go func() {
		r, err := c.Post(s.URL()+"/teams/v3/conversations", "application/json", strings.NewReader("{}"))
		if err == nil {
			err = r.Body.Close()
		}
		hung <- err
	}()
	require.Eventually(t, func() bool { return s.Count(teamstest.OpCreate) == 2 }, 10*time.Second, time.Millisecond)
	s.Close()
	s.Close()
	require.Error(t, <-hung)
	require.NoError(t, resp.Body.Close())
	c.CloseIdleConnections()
	goleak.VerifyNone(t, before, cutOff)
}

func TestAConversationIsBegunOnceAndUnderEveryServiceURL(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil).install()
	first := w.call(http.MethodPost, "/teams/v3/conversations", createBody(w.dana.ID))
	require.Equal(t, http.StatusCreated, first.status, first.body)
	require.Equal(t, w.dana.Conversation(), first.id())
	require.NotEmpty(t, first.header.Get("MS-CV"))
	for _, root := range []string{"/teams", "/amer", "/amer/" + customer} {
		for _, member := range []string{w.dana.ID, danaID, strings.ToUpper(danaID)} {
			again := w.call(http.MethodPost, root+"/v3/conversations", createBody(member))
			require.Equal(t, http.StatusCreated, again.status, again.body)
			require.Equal(t, first.id(), again.id())
		}
	}
	require.Empty(t, w.s.Messages(w.dana))
	body := strings.TrimSuffix(createBody(w.dana.ID), "}") + `,"activity":{"type":"message","text":"hello"}}`
	require.Equal(t, http.StatusCreated, w.call(http.MethodPost, "/teams/v3/conversations", body).status)
	ms := w.s.Messages(w.dana)
	require.Len(t, ms, 1)
	require.Equal(t, "hello", ms[0].Text)
	require.Equal(t, 11, w.s.Count(teamstest.OpCreate))
}

func TestMessagesAreSentAnsweredChangedAndDeleted(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil).install()
	var seen []string
	cancel := w.s.Subscribe(func(m teamstest.Message) {
		seen = append(seen, map[bool]string{true: "deleted", false: m.Text}[m.Deleted])
	})
	id := w.send(`{"type":"message","text":"one","channelData":{"notification":{"alert":true}}}`)
	reply := w.call(http.MethodPost, w.chat()+"/"+id, `{"type":"message","text":"two"}`)
	require.Equal(t, http.StatusCreated, reply.status)
	require.Equal(t, http.StatusOK, w.call(http.MethodPut, w.chat()+"/"+id, `{"type":"message","text":"changed"}`).status)
	require.Equal(t, http.StatusOK, w.call(http.MethodDelete, w.chat()+"/"+reply.id(), "").status)
	require.Equal(t, []string{"one", "two", "changed", "deleted"}, seen)
	cancel()
	require.Equal(t, http.StatusCreated, w.call(http.MethodPost, w.chat(), `{"type":"typing"}`).status)

	ms := w.s.Messages(w.dana)
	require.Len(t, ms, 2)
	require.Equal(t, "changed", ms[0].Text)
	require.True(t, ms[0].Updated)
	require.False(t, ms[0].Alert)
	require.Len(t, ms[0].History, 1)
	require.Equal(t, "one", ms[0].History[0].Text)
	require.True(t, ms[0].History[0].Alert)
	require.Equal(t, id, ms[1].ReplyTo)
	require.True(t, ms[1].Deleted)
	require.Empty(t, ms[1].Text)
	require.Equal(t, "two", ms[1].History[0].Text)
	require.Len(t, seen, 4)

	next, err := w.s.Next(w.ctx(), w.dana)
	require.NoError(t, err)
	require.Equal(t, id, next.ID)
	next, err = w.s.Next(w.ctx(), w.dana)
	require.NoError(t, err)
	require.Equal(t, reply.id(), next.ID)
}

func TestMembersAreTold(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil).install()
	base := strings.TrimSuffix(w.chat(), "/activities")
	for _, path := range []string{"/members/" + url.PathEscape(w.dana.ID), "/members/" + danaID, "/members", "/pagedmembers?pageSize=50"} {
		a := w.call(http.MethodGet, base+path, "")
		require.Equal(t, http.StatusOK, a.status, path)
		require.Contains(t, a.body, danaID)
	}
	require.Equal(t, http.StatusNotFound, w.call(http.MethodGet, base+"/members/29:x", "").status)
}

func TestEachRefusal(t *testing.T) {
	t.Parallel()
	const text = `{"type":"message","text":"x"}`
	create := func(body string) func(*world) answer {
		return func(w *world) answer { return w.call(http.MethodPost, "/teams/v3/conversations", body) }
	}
	send := func(body string) func(*world) answer {
		return func(w *world) answer { return w.call(http.MethodPost, w.chat(), body) }
	}
	card := func(card string) func(*world) answer { return send(cardMessage(card)) }
	nothing := func(*world) {}
	for name, tc := range map[string]struct {
		o      teamstest.Options
		before func(*world)
		do     func(*world) answer
		status int
		code   string
	}{
		"no tenant":      {do: create(`{"members":[{"id":"` + danaID + `"}]}`), status: 400, code: "BadSyntax"},
		"no member":      {do: create(`{"tenantId":"` + customer + `","members":[]}`), status: 400, code: "BadSyntax"},
		"two members":    {do: create(`{"tenantId":"` + customer + `","members":[{"id":"` + danaID + `"},{"id":"` + danaID + `"}]}`), status: 400, code: "BadSyntax"},
		"a group":        {do: create(`{"isGroup":true,"tenantId":"` + customer + `","members":[{"id":"` + danaID + `"}]}`), status: 400, code: "BadSyntax"},
		"a UPN":          {do: create(createBody("dana@contoso.example")), status: 400, code: "BadSyntax"},
		"a pairwise id":  {do: create(createBody("29:" + danaID)), status: 400, code: "BadSyntax"},
		"an unknown 29:": {do: create(createBody("29:1abc")), status: 400, code: "BadSyntax"},
		"an unknown oid": {do: create(createBody(other)), status: 403, code: "BotNotInConversationRoster"},
		"no JSON":        {do: create("{"), status: 400, code: "BadSyntax"},
		"oid refused":    {o: teamstest.Options{RefuseObjectID: true}, do: create(createBody(danaID)), status: 400, code: "BadSyntax"},
		"29: of another tenant": {
			do:     func(w *world) answer { return create(strings.Replace(createBody(w.dana.ID), customer, other, 1))(w) },
			status: 403, code: "BotNotInConversationRoster",
		},
		"service URL of another tenant, create": {
			do: func(w *world) answer {
				return w.call(http.MethodPost, "/amer/"+other+"/v3/conversations", createBody(danaID))
			},
			status: 403, code: "ForbiddenOperationException",
		},
		"service URL of another tenant, send": {
			do: func(w *world) answer {
				return w.call(http.MethodPost, strings.Replace(w.chat(), "/amer/", "/amer/"+other+"/", 1), text)
			},
			status: 403, code: "ForbiddenOperationException",
		},
		"not installed, create": {before: func(w *world) { w.dana.UninstallSilently() }, do: create(createBody(danaID)), status: 403, code: "BotNotInConversationRoster"},
		"not installed, send":   {before: func(w *world) { w.dana.UninstallSilently() }, do: send(text), status: 403, code: "BotNotInConversationRoster"},
		"blocked":               {before: func(w *world) { w.dana.Block() }, do: send(text), status: 403, code: "ConversationBlockedByUser"},
		"disabled":              {before: func(w *world) { w.s.DisableByAdmin(customer) }, do: send(text), status: 403, code: "BotDisabledByAdmin"},
		"unknown chat": {
			do:     func(w *world) answer { return w.call(http.MethodPost, "/teams/v3/conversations/a:1/activities", text) },
			status: 404, code: "ConversationNotFound",
		},
		"unknown message": {
			do:     func(w *world) answer { return w.call(http.MethodPut, w.chat()+"/1", text) },
			status: 404, code: "ActivityNotFoundInConversation",
		},
		"deleted message": {
			do: func(w *world) answer {
				id := w.send(text)
				w.call(http.MethodDelete, w.chat()+"/"+id, "")
				return w.call(http.MethodPut, w.chat()+"/"+id, text)
			},
			status: 404, code: "ActivityNotFoundInConversation",
		},
		"too big":         {do: send(`{"type":"message","text":"` + strings.Repeat("x", 28<<10) + `"}`), status: 413, code: "MessageSizeTooBig"},
		"empty":           {do: send(`{"type":"message"}`), status: 400, code: "BadSyntax"},
		"an event":        {do: send(`{"type":"event"}`), status: 400, code: "BadSyntax"},
		"no type":         {do: send(`{"text":"x"}`), status: 400, code: "BadSyntax"},
		"no object":       {do: send(`[]`), status: 400, code: "BadSyntax"},
		"card, no type":   {do: card(`{"version":"1.5"}`), status: 400, code: "BadSyntax"},
		"card, no JSON":   {do: card(`"x"`), status: 400, code: "BadSyntax"},
		"card, null":      {do: card(`null`), status: 400, code: "BadSyntax"},
		"card, 1.6":       {do: card(`{"type":"AdaptiveCard","version":"1.6"}`), status: 400, code: "BadSyntax"},
		"card, 2.0":       {do: card(`{"type":"AdaptiveCard","version":"2.0"}`), status: 400, code: "BadSyntax"},
		"card, no digits": {do: card(`{"type":"AdaptiveCard","version":"new"}`), status: 400, code: "BadSyntax"},
		"card, Execute below 1.4": {
			do: card(`{"type":"AdaptiveCard","version":"1.3","actions":[{"type":"Action.Execute","verb":"x"}]}`), status: 400, code: "BadSyntax",
		},
		"card, two fields of one name": {
			do:     card(`{"type":"AdaptiveCard","version":"1.5","body":[{"type":"Input.Text","id":"a"},{"type":"Input.Text","id":"a"}]}`),
			status: 400, code: "BadSyntax",
		},
		"another route":  {do: func(w *world) answer { return w.call(http.MethodGet, "/teams/v3/conversations", "") }, status: 404, code: "NotFound"},
		"another region": {do: func(w *world) answer { return w.call(http.MethodPost, "/mars/v3/conversations", "") }, status: 404, code: "NotFound"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if tc.before == nil {
				tc.before = nothing
			}
			w := newWorld(t, &tc.o).install()
			tc.before(w)
			n := len(w.s.Messages(w.dana))
			a := tc.do(w)
			require.Equal(t, tc.status, a.status, a.body)
			require.Equal(t, tc.code, a.code(), a.body)
			if name != "deleted message" {
				require.Len(t, w.s.Messages(w.dana), n)
			}
		})
	}
}

func TestABlockIsToldInTheOldFormToo(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil).install()
	w.dana.BlockOld()
	a := w.call(http.MethodPost, w.chat(), `{"type":"message","text":"x"}`)
	require.Equal(t, http.StatusForbidden, a.status)
	require.Contains(t, a.body, `{"errorCode":209,"message":"{`)
	require.Contains(t, a.body, `\"MessageWritesBlocked\"`)
	w.dana.Unblock()
	w.s.DisableByAdmin(customer)
	w.s.EnableByAdmin(customer)
	w.send(`{"type":"message","text":"x"}`)
}

func TestALostChatIsUnknownUntilItIsBegunAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil).install()
	before := w.chat()
	w.dana.Lose()
	require.Equal(t, "ConversationNotFound", w.call(http.MethodPost, before, `{"type":"message","text":"x"}`).code())
	a := w.call(http.MethodPost, "/teams/v3/conversations", createBody(w.dana.ID))
	require.Equal(t, http.StatusCreated, a.status)
	require.NotEqual(t, before, w.chat())
	w.send(`{"type":"message","text":"x"}`)
	require.Equal(t, "ConversationNotFound", w.call(http.MethodPost, before, `{"type":"message","text":"x"}`).code())
}

func TestALargerLimitTakesMore(t *testing.T) {
	t.Parallel()
	w := newWorld(t, &teamstest.Options{MaxActivity: 100 << 10}).install()
	w.send(`{"type":"message","text":"` + strings.Repeat("x", 64<<10) + `"}`)
}
