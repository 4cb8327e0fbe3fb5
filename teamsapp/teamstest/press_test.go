package teamstest_test

import (
	"context"
	"encoding/json"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit/teamsapp/teamstest"
)

const form = `{"type":"AdaptiveCard","version":"1.5","body":[
	{"type":"TextBlock","text":"Who calls?"},
	{"type":"RichTextBlock","inlines":[{"type":"TextRun","text":"Jane "},"Doe"]},
	{"type":"FactSet","facts":[{"title":"Ticket","value":"4711"}]},
	{"type":"TextBlock","text":"hidden","isVisible":false},
	{"type":"ColumnSet","columns":[{"type":"Column","items":[{"type":"Image","url":"https://x.example/a.png","altText":"a logo"}]}]},
	{"type":"Input.Text","id":"number","label":"The number","placeholder":"3 digits","isRequired":true,"errorMessage":"Type it",
		"maxLength":3,"regex":"^[0-9]+$"},
	{"type":"Input.Number","id":"age"},{"type":"Input.Toggle","id":"sure","title":"Sure"},
	{"type":"Input.ChoiceSet","id":"which","value":"b","choices":[{"title":"First","value":"a"},{"title":"Second","value":"b"}]}],
	"actions":[
	{"type":"Action.Execute","id":"ok","title":"Confirm","verb":"confirm","data":{"ref":"r1"},
		"fallback":{"type":"Action.Submit","title":"Confirm","data":{"mspkitVerb":"confirm","ref":"r1"}}},
	{"type":"Action.Execute","title":"Not me","verb":"deny","associatedInputs":"none"},
	{"type":"Action.Execute","title":"Off","verb":"off","isEnabled":false},
	{"type":"Action.Submit","title":"Plain","data":{"mspkitVerb":"plain"}},
	{"type":"Action.OpenUrl","title":"Help","url":"https://x.example/"}]}`

const replaced = `{"statusCode":200,"type":"application/vnd.microsoft.card.adaptive","value":{"type":"AdaptiveCard","version":"1.5","body":[{"type":"TextBlock","text":"Thanks"}]}}`

func TestAMessageTellsWhatIsOnItsCard(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil).install()
	m := w.card(form)
	require.Equal(t, "a card", m.Summary)
	require.True(t, m.Alert)
	require.Equal(t, []string{
		"Who calls?", "Jane Doe", "Ticket", "4711", "a logo", "The number", "3 digits", "Type it", "Sure", "First", "Second",
		"Confirm", "Not me", "Off", "Plain", "Help",
	}, m.Texts())
	require.Equal(t, []string{"number", "age", "sure", "which"}, m.Inputs())
	require.Equal(t, []string{"Confirm", "Not me", "Off", "Plain", "Help"}, m.Buttons())
	require.Empty(t, teamstest.Content{}.Texts())
	require.Equal(t, []string{"hello"}, w.s.Message(w.send(`{"type":"message","text":"hello"}`)).Texts())
	require.Nil(t, w.s.Message("1"))
}

func TestExecuteIsAnInvokeAndItsCardTakesThePlace(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil).install()
	m := w.card(form)
	w.answers(replaced)
	r, err := w.dana.Press(w.ctx(), m, "Confirm", map[string]string{"number": "123", "age": "42"})
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, r.HTTPStatus)
	require.Equal(t, 200, r.StatusCode)
	require.Equal(t, "application/vnd.microsoft.card.adaptive", r.Type)
	a := w.last()
	require.Equal(t, "invoke", a["type"])
	require.Equal(t, "adaptiveCard/action", a["name"])
	require.Equal(t, m.ID, a["replyToId"])
	require.Equal(t, "msteams", a["channelId"])
	require.Equal(t, map[string]any{"id": w.dana.ID, "name": "Dana", "aadObjectId": danaID}, a["from"])
	require.Equal(t, map[string]any{"id": w.dana.Conversation(), "tenantId": customer, "conversationType": "personal"}, a["conversation"])
	require.Equal(t, map[string]any{"tenant": map[string]any{"id": customer}}, a["channelData"])
	require.Equal(t, map[string]any{"trigger": "manual", "action": map[string]any{
		"type": "Action.Execute", "id": "ok", "verb": "confirm",
		"data": map[string]any{"ref": "r1", "number": "123", "age": 42.0, "sure": "false", "which": "b"},
	}}, a["value"])
	now := w.s.Message(m.ID)
	require.Equal(t, []string{"Thanks"}, now.Texts())
	require.True(t, now.Updated)
	require.Equal(t, m.Texts(), now.History[0].Texts())
	// The client that has not heard of it still shows the old card.
	_, err = w.dana.Press(w.ctx(), m, "deny", map[string]string{})
	require.NoError(t, err)
	_, err = w.dana.Press(w.ctx(), now, "deny", nil)
	require.ErrorIs(t, err, teamstest.ErrNoButton)
}

func TestSubmitIsAMessageWithoutText(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil).install()
	m := w.card(form)
	want := map[string]any{"number": "123", "sure": "true", "which": "a"}
	typed := map[string]string{"number": "123", "sure": "true", "which": "a"}
	check := func(button, verb string) {
		r, err := w.dana.Press(w.ctx(), m, button, typed)
		require.NoError(t, err)
		require.Zero(t, r.StatusCode)
		a := w.last()
		require.Equal(t, "message", a["type"])
		require.NotContains(t, a, "text")
		require.Equal(t, m.ID, a["replyToId"])
		want["mspkitVerb"] = verb
		require.Equal(t, want, a["value"])
	}
	check("plain", "plain")
	w.dana.OldClient = true
	want["ref"] = "r1"
	check("Confirm", "confirm")
	_, err := w.dana.Press(w.ctx(), m, "Not me", nil)
	require.ErrorIs(t, err, teamstest.ErrNoButton, "no fallback: an old client does not show it")
}

func TestAButtonWithoutInputsAsksForNone(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil).install()
	_, err := w.dana.Press(w.ctx(), w.card(form), "deny", map[string]string{"number": "123"})
	require.NoError(t, err)
	value, _ := w.last()["value"].(map[string]any)
	action, _ := value["action"].(map[string]any)
	require.Empty(t, action["data"])
}

func TestTheClientRefusesWhatItWouldRefuse(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil).install()
	m := w.card(form)
	before := len(w.activities())
	for _, tc := range []struct {
		button string
		inputs map[string]string
		want   error
	}{
		{"Confirm", nil, teamstest.ErrInput},
		{"Confirm", map[string]string{"number": " "}, teamstest.ErrInput},
		{"Confirm", map[string]string{"number": "1234"}, teamstest.ErrInput},
		{"Confirm", map[string]string{"number": "abc"}, teamstest.ErrInput},
		{"Confirm", map[string]string{"number": "123", "age": "old"}, teamstest.ErrInput},
		{"Confirm", map[string]string{"number": "123", "age": "0x1p4"}, teamstest.ErrInput},
		{"Confirm", map[string]string{"number": "123", "other": "x"}, teamstest.ErrInput},
		{"Help", map[string]string{"number": "123"}, teamstest.ErrNoButton},
		{"Off", map[string]string{"number": "123"}, teamstest.ErrNoButton},
		{"nothing", nil, teamstest.ErrNoButton},
	} {
		_, err := w.dana.Press(w.ctx(), m, tc.button, tc.inputs)
		require.ErrorIs(t, err, tc.want, "%v", tc)
	}
	mallory := w.s.AddPerson(other, danaID, "Mallory", "en")
	_, err := mallory.Press(w.ctx(), m, "deny", nil)
	require.ErrorContains(t, err, "PressAs")
	_, err = mallory.PressAs(w.ctx(), w.dana, m, "deny", nil)
	require.Error(t, err)
	_, err = mallory.Say(w.ctx(), "hi")
	require.ErrorIs(t, err, teamstest.ErrNotInstalled)
	require.Len(t, w.activities(), before)
	w.s.Connect("")
	_, err = w.dana.Say(w.ctx(), "hi")
	require.ErrorIs(t, err, teamstest.ErrNotConnected)
	require.NoError(t, w.dana.Uninstall(w.ctx()))
}

func TestAnswersOfEveryKindAreRead(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil).install()
	m := w.card(form)
	for body, want := range map[string]teamstest.Result{
		`{"statusCode":200,"type":"application/vnd.microsoft.activity.message","value":"Done"}`: {
			StatusCode: 200, Type: teamstest.TypeMessage, Text: "Done",
		},
		`{"statusCode":400,"type":"application/vnd.microsoft.error","value":{"code":"BadRequest","message":"No"}}`: {
			StatusCode: 400, Type: teamstest.TypeError, Text: "No", Code: "BadRequest",
		},
		`nonsense`: {}, ``: {}, `{}`: {},
	} {
		w.answers(body)
		r, err := w.dana.Press(w.ctx(), m, "deny", nil)
		require.NoError(t, err)
		require.Equal(t, body, string(r.Body))
		require.Equal(t, want, teamstest.Result{StatusCode: r.StatusCode, Type: r.Type, Text: r.Text, Code: r.Code})
		require.False(t, w.s.Message(m.ID).Updated)
	}
	w.answers(`{"statusCode":200,"type":"application/vnd.microsoft.card.adaptive","value":{"type":"Card"}}`)
	_, err := w.dana.Press(w.ctx(), m, "deny", nil)
	require.ErrorIs(t, err, teamstest.ErrCard)
	require.False(t, w.s.Message(m.ID).Updated)
}

func TestAForwardedCardIsPressedBySomebodyElse(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil).install()
	m := w.card(form)
	w.answers(replaced)
	mallory := w.s.AddPerson(other, danaID, "Mallory", "en")
	r, err := w.dana.PressAs(w.ctx(), mallory, m, "Not me", nil)
	require.NoError(t, err)
	require.NotNil(t, r.Card)
	a := w.last()
	require.Equal(t, m.ID, a["replyToId"])
	require.Equal(t, map[string]any{"tenant": map[string]any{"id": other}}, a["channelData"])
	from, _ := a["from"].(map[string]any)
	require.Equal(t, mallory.ID, from["id"])
	require.False(t, w.s.Message(m.ID).Updated, "it is the copy that changes")
}

func TestActivitiesComeAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	_, err := w.dana.Repeat(w.ctx())
	require.Error(t, err)
	w.install()
	_, err = w.dana.Press(w.ctx(), w.card(form), "deny", nil)
	require.NoError(t, err)
	_, err = w.dana.Repeat(w.ctx())
	require.NoError(t, err)
	_, err = w.dana.Again(w.ctx())
	require.NoError(t, err)
	all := w.activities()
	first, same, again := all[len(all)-3], all[len(all)-2], all[len(all)-1]
	require.Equal(t, first, same)
	require.NotEqual(t, first["id"], again["id"])
	require.Equal(t, first["value"], again["value"])
}

func TestInstallingTellsTheBotTwice(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil).install()
	require.NoError(t, w.dana.Uninstall(w.ctx()))
	all := w.activities()
	require.Len(t, all, 4)
	for i, want := range []struct{ kind, action, members string }{
		{"conversationUpdate", "", "membersAdded"},
		{"installationUpdate", "add", ""},
		{"conversationUpdate", "", "membersRemoved"},
		{"installationUpdate", "remove", ""},
	} {
		require.Equal(t, want.kind, all[i]["type"])
		if want.action != "" {
			require.Equal(t, want.action, all[i]["action"])
		}
		if want.members != "" {
			list, _ := all[i][want.members].([]any)
			require.NotEmpty(t, list)
			bot, _ := list[0].(map[string]any)
			require.Equal(t, "28:"+appID, bot["id"])
		}
	}
	w.reply = func(rw http.ResponseWriter, _ map[string]any) { rw.WriteHeader(http.StatusInternalServerError) }
	require.ErrorContains(t, w.dana.Install(w.ctx()), "500")
}

func TestSayingCarriesTheTextTwiceAndTheLocale(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil).install()
	_, err := w.dana.Say(w.ctx(), "a <b>")
	require.NoError(t, err)
	a := w.last()
	require.Equal(t, "a <b>", a["text"])
	require.Equal(t, "en-US", a["locale"])
	require.Equal(t, []any{map[string]any{"contentType": "text/html", "content": "<p>a &lt;b&gt;</p>"}}, a["attachments"])
}

func TestDeliverSendsBytesAsTheyAre(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.s.Connect(w.s.URL() + "/nowhere")
	for _, body := range []any{"{", []byte("{"), json.RawMessage("{}"), map[string]any{"type": "x"}} {
		r, err := w.s.Deliver(w.ctx(), body, "")
		require.NoError(t, err)
		require.Equal(t, http.StatusNotFound, r.HTTPStatus)
	}
	_, err := w.s.Deliver(w.ctx(), func() {}, "")
	require.Error(t, err)
}

func TestWaitingEndsWithTheMessageOrTheContext(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil).install()
	got := make(chan *teamstest.Message)
	go func() {
		m, _ := w.s.Next(w.ctx(), w.dana)
		got <- m
	}()
	id := w.send(`{"type":"message","text":"x"}`)
	require.Equal(t, id, (<-got).ID)
	go func() {
		m, _ := w.s.Until(w.ctx(), w.dana, func(m *teamstest.Message) bool { return m.Updated })
		got <- m
	}()
	require.Equal(t, http.StatusOK, w.call(http.MethodPut, w.chat()+"/"+id, `{"type":"message","text":"y"}`).status)
	require.Equal(t, "y", (<-got).Text)
	ended, cancel := context.WithCancel(w.ctx())
	cancel()
	_, err := w.s.Next(ended, w.dana)
	require.ErrorIs(t, err, context.Canceled)
	_, err = w.s.Until(ended, w.dana, func(*teamstest.Message) bool { return false })
	require.ErrorIs(t, err, context.Canceled)
}

func TestPeopleAreFoundAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	require.Same(t, w.dana, w.s.AddPerson(customer, danaID, "x", ""))
	require.Empty(t, w.dana.Conversation())
	require.NotEqual(t, w.dana.ID, w.s.AddPerson(other, danaID, "x", "").ID)
}
