package teamsapp_test

import (
	"bytes"
	"context"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/teamsapp"
)

var aliceInContoso = teamsapp.User{TenantID: contoso, ObjectID: alice}

// thanks is a card that a handler replies with.
func thanks() *teamsapp.Card {
	return &teamsapp.Card{Summary: "Thanks", Body: []teamsapp.Element{teamsapp.Text{Text: "All well."}}}
}

// invoked reads the answer to an Action.Execute.
type invoked struct {
	StatusCode int             `json:"statusCode"`
	Type       string          `json:"type"`
	Value      json.RawMessage `json:"value"`
}

func readInvoke(tb testing.TB, w *httptest.ResponseRecorder) invoked {
	tb.Helper()
	require.Equal(tb, 200, w.Code, w.Body)
	require.Equal(tb, "application/json", w.Header().Get("Content-Type"))
	var out invoked
	require.NoError(tb, json.Unmarshal(w.Body.Bytes(), &out))
	return out
}

func TestAPressBecomesATurn(t *testing.T) {
	t.Parallel()
	data := map[string]any{"ref": "x/1", "number": "042", "count": 3, "sure": true, "left": nil, "msteams": map[string]any{"type": "invoke"}, teamsapp.SubmitVerb: "approve"}
	for name, press := range map[string]func(r *rig) activity{
		"Action.Execute": func(r *rig) activity { return r.execute("turn-1", "approve", data) },
		"Action.Submit":  func(r *rig) activity { return r.submit("turn-1", "approve", data) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, nil)
			var got teamsapp.Turn
			r.Handle("approve", func(_ context.Context, turn teamsapp.Turn) (teamsapp.Reply, error) {
				got = turn
				return teamsapp.Reply{}, nil
			})
			a := press(r)
			a.of("from")["name"] = "Alice\u202e see evil.example"
			a.of("from")["aadObjectId"] = strings.ToUpper(alice)
			a.of("conversation")["tenantId"] = strings.ToUpper(contoso)
			require.Equal(t, 200, r.deliver(t, a).Code)
			require.NotEmpty(t, got.ID)
			got.ID = ""
			require.Equal(t, teamsapp.Turn{
				Tenant: "contoso", User: aliceInContoso, Name: "Alice see evil example", Locale: "en-US", Verb: "approve",
				Data:    map[string]any{"ref": "x/1", "number": "042", "count": 3.0, "sure": true},
				Message: teamsapp.MessageRef{User: aliceInContoso, Conversation: "a:alice-chat", Activity: "card-1"},
			}, got)
		})
	}
}

func TestRepliesToAnExecute(t *testing.T) {
	t.Parallel()
	card := []byte(`"AdaptiveCard"`) // that is looked for
	const message, fault = "application/vnd.microsoft.activity.message", "application/vnd.microsoft.error"
	for name, tc := range map[string]struct {
		verb, locale string
		reply        teamsapp.Reply
		err          error
		want         invoked
	}{
		"card":          {reply: teamsapp.Reply{Card: thanks()}, want: invoked{200, teamsapp.CardType, card}},
		"card and text": {reply: teamsapp.Reply{Card: thanks(), Text: "x"}, want: invoked{200, teamsapp.CardType, card}},
		"text":          {reply: teamsapp.Reply{Text: "Thanks <b>"}, want: invoked{200, message, []byte(`"Thanks <b>"`)}},
		"nothing":       {want: invoked{200, message, []byte(`"Done."`)}},
		"nothing, de":   {locale: "de-AT", want: invoked{200, message, []byte(`"Erledigt."`)}},
		"error":         {err: errors.New("number 042 is wrong"), want: invoked{500, fault, []byte(`{"code":"Failed","message":"That did not work. Please try again."}`)}},
		"error, de":     {locale: "de", err: errors.New("x"), want: invoked{500, fault, []byte(`{"code":"Failed","message":"Das hat nicht geklappt. Bitte versuchen Sie es noch einmal."}`)}},
		"a bad card":    {reply: teamsapp.Reply{Card: &teamsapp.Card{}}, want: invoked{500, fault, []byte(`{"code":"Failed","message":"That did not work. Please try again."}`)}},
		"unknown verb":  {verb: "other", want: invoked{400, fault, []byte(`{"code":"UnknownVerb","message":"This button does not work any more."}`)}},
		"no verb":       {verb: "-", want: invoked{400, fault, []byte(`{"code":"UnknownVerb","message":"This button does not work any more."}`)}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, nil)
			r.Handle("approve", func(context.Context, teamsapp.Turn) (teamsapp.Reply, error) { return tc.reply, tc.err })
			a := r.execute("1", strings.TrimPrefix(cmpOr(tc.verb, "approve"), "-"), nil)
			if tc.locale != "" {
				a["locale"] = tc.locale
			}
			got := readInvoke(t, r.deliver(t, a))
			require.Equal(t, tc.want.StatusCode, got.StatusCode)
			require.Equal(t, tc.want.Type, got.Type)
			if tc.want.Type == teamsapp.CardType {
				require.Contains(t, string(got.Value), string(tc.want.Value))
				require.Contains(t, string(got.Value), "All well.")
			} else {
				require.JSONEq(t, string(tc.want.Value), string(got.Value))
			}
			require.Empty(t, r.ms.messages(), "an invoke is answered in its response alone")
		})
	}
}

func cmpOr(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

func TestRepliesToASubmit(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		reply  teamsapp.Reply
		err    error
		verb   string
		method string // "" sends nothing
		path   string
		text   string
	}{
		"card takes the place of the card": {reply: teamsapp.Reply{Card: thanks()}, method: "PUT", path: "/amer/v3/conversations/a:alice-chat/activities/card-1"},
		"text is a message":                {reply: teamsapp.Reply{Text: "Thanks"}, method: "POST", path: "/amer/v3/conversations/a:alice-chat/activities/card-1", text: "Thanks"},
		"nothing":                          {},
		"error":                            {err: errors.New("x"), method: "POST", path: "/amer/v3/conversations/a:alice-chat/activities/card-1", text: "That did not work"},
		"unknown verb":                     {verb: "other", method: "POST", path: "/amer/v3/conversations/a:alice-chat/activities/card-1", text: "does not work any more"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, nil)
			r.Handle("approve", func(context.Context, teamsapp.Turn) (teamsapp.Reply, error) { return tc.reply, tc.err })
			w := r.deliver(t, r.submit("1", cmpOr(tc.verb, "approve"), nil))
			require.Equal(t, 200, w.Code)
			require.Empty(t, w.Body.String())
			out := r.ms.messages()
			if tc.method == "" {
				require.Empty(t, out)
				return
			}
			require.Len(t, out, 1, r.log)
			require.Equal(t, tc.method, out[0].method)
			require.Equal(t, tc.path, out[0].path)
			raw, err := json.Marshal(out[0].body)
			require.NoError(t, err)
			require.Contains(t, string(raw), tc.text)
		})
	}
}

func TestCommands(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"help":                       "help:help",
		"  HELP  me ":                "help:HELP me",
		"<at>Helpdesk</at> help":     "help:help",
		"<at>Help desk</at>\u00a0hi": "any:hi",
		"helpless":                   "any:helpless",
		"<p>help</p>":                "help:help",
		"&lt;b&gt; &amp; more":       "any:<b> & more",
		"a < b and c > d":            "any:a < b and c > d",
		"line\r\nbreak\x07":          "any:line break",
		" ":                          "",
		"<at>Helpdesk</at>":          "",
	} {
		t.Run(text, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, nil)
			var got teamsapp.Turn
			for word, name := range map[string]string{"Help": "help", "": "any"} {
				r.Command(word, func(_ context.Context, turn teamsapp.Turn) (teamsapp.Reply, error) {
					got = turn
					return teamsapp.Reply{Text: name + ":" + turn.Text}, nil
				})
			}
			require.Equal(t, 200, r.deliver(t, r.says("message-1", text)).Code)
			out := r.ms.messages()
			if want == "" {
				require.Empty(t, out)
				return
			}
			require.Equal(t, want[strings.Index(want, ":")+1:], got.Text)
			require.Empty(t, got.Verb)
			require.Equal(t, "message-1", got.Message.Activity)
			require.Len(t, out, 1, r.log)
			require.Equal(t, "/amer/v3/conversations/a:alice-chat/activities/message-1", out[0].path)
		})
	}
}

func TestAMessageWithoutACommandForItIsSilent(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	require.Equal(t, 200, r.deliver(t, r.says("1", "hello")).Code)
	a := r.says("2", "")
	a["value"] = map[string]any{"somebody else's": "card"}
	require.Equal(t, 200, r.deliver(t, a).Code)
	require.Empty(t, r.ms.messages())
}

func TestLongTextsAreCut(t *testing.T) {
	t.Parallel()
	got := teamsapp.PlainText(strings.Repeat("ä ", 100_000))
	require.Len(t, []rune(got), 3999) // the last is a space
}

func TestMalformedAndForeignActivities(t *testing.T) {
	t.Parallel()
	nested := `{"a":` + strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000) + `}`
	many := map[string]any{}
	for i := range 65 {
		many[strings.Repeat("m", i+1)] = i
	}
	change := func(f func(a activity)) func(*rig) any {
		return func(r *rig) any {
			a := r.execute("1", "approve", nil)
			f(a)
			return a
		}
	}
	data := func(v any) func(*rig) any {
		return change(func(a activity) {
			a["value"] = map[string]any{"action": map[string]any{"type": "Action.Execute", "verb": "approve", "data": v}}
		})
	}
	raw := func(s string) func(*rig) any { return func(*rig) any { return []byte(s) } }
	for name, tc := range map[string]struct {
		body func(*rig) any
		want int
	}{
		"good":       {change(func(activity) {}), 200},
		"empty":      {raw(""), 400},
		"no JSON":    {raw("hello"), 400},
		"a list":     {raw("[]"), 400},
		"null":       {raw("null"), 400},
		"cut off":    {raw(`{"type":"message"`), 400},
		"two values": {raw(`{} {}`), 400},
		"deep":       {raw(nested), 400},
		"not UTF-8": {func(r *rig) any {
			good, _ := json.Marshal(r.execute("1", "approve", nil)) //nolint:errchkjson // strings can always be encoded
			return bytes.ReplaceAll(good, []byte("Alice"), []byte("Al\xffce"))
		}, 400},
		"oversized":                     {raw(`{"type":"` + strings.Repeat("x", teamsapp.MaxActivity) + `"}`), 413},
		"no type":                       {change(func(a activity) { delete(a, "type") }), 400},
		"a type of another kind":        {change(func(a activity) { a["type"] = 1 }), 400},
		"no id":                         {change(func(a activity) { delete(a, "id") }), 400},
		"an oversized id":               {change(func(a activity) { a["id"] = strings.Repeat("1", 513) }), 400},
		"an id with a line break":       {change(func(a activity) { a["id"] = "1\n2" }), 400},
		"an id of other characters":     {change(func(a activity) { a["replyToId"] = "１" }), 400},
		"no conversation":               {change(func(a activity) { delete(a.of("conversation"), "id") }), 400},
		"conversation of another kind":  {change(func(a activity) { a["conversation"] = "a:1" }), 400},
		"no person":                     {change(func(a activity) { delete(a, "from") }), 400},
		"a person without an object id": {change(func(a activity) { delete(a.of("from"), "aadObjectId") }), 400},
		"an object id that is no GUID":  {change(func(a activity) { a.of("from")["aadObjectId"] = "alice@contoso.example" }), 400},
		"an object id in braces":        {change(func(a activity) { a.of("from")["aadObjectId"] = "{" + alice + "}" }), 400},
		"a person without a Teams id":   {change(func(a activity) { delete(a.of("from"), "id") }), 400},
		"tenant in channelData alone":   {change(func(a activity) { delete(a.of("conversation"), "tenantId") }), 200},
		"tenant in conversation alone":  {change(func(a activity) { delete(a, "channelData") }), 200},
		"no tenant":                     {change(func(a activity) { delete(a.of("conversation"), "tenantId"); delete(a, "channelData") }), 400},
		"two tenants":                   {change(func(a activity) { a.of("conversation")["tenantId"] = fabrikam }), 400},
		"a tenant that is no GUID":      {change(func(a activity) { a.of("conversation")["tenantId"] = "contoso.example" }), 400},
		"a tenant not onboarded": {change(func(a activity) {
			a.of("conversation")["tenantId"] = stranger
			delete(a, "channelData")
		}), 403},
		"tenants cannot be asked": {change(func(a activity) {
			a.of("conversation")["tenantId"] = "00000000-0000-0000-0000-000000000000"
			delete(a, "channelData")
		}), 500},
		"tenants are not known by their names": {change(func(a activity) {
			a.of("conversation")["tenantId"] = nameless
			delete(a, "channelData")
		}), 500},
		"no service URL":         {change(func(a activity) { delete(a, "serviceUrl") }), 403},
		"no channel":             {change(func(a activity) { delete(a, "channelId") }), 403},
		"the emulator's channel": {change(func(a activity) { a["channelId"] = "emulator" }), 403},
		"another invoke":         {change(func(a activity) { a["name"] = "task/fetch" }), 501},
		"no value":               {change(func(a activity) { delete(a, "value") }), 400},
		"another action":         {change(func(a activity) { a["value"] = map[string]any{"action": map[string]any{"type": "Action.Http"}} }), 400},
		"no data":                {data(nil), 200},
		"data is a text":         {data("x"), 400},
		"data is a list":         {data([]string{"x"}), 400},
		"data with a list":       {data(map[string]any{"x": []string{"y"}}), 400},
		"data with an object":    {data(map[string]any{"x": map[string]any{"y": 1}}), 400},
		"data with 65 members":   {data(many), 400},
		"a number out of range":  {data(map[string]any{"x": json.RawMessage("1e999")}), 400},
		"oversized data":         {data(map[string]any{"x": strings.Repeat("x", 64<<10)}), 400},
		"a long name":            {data(map[string]any{strings.Repeat("x", 129): 1}), 400},
		"a submit of a list": {func(r *rig) any {
			a := r.submit("1", "approve", nil)
			a["value"] = map[string]any{teamsapp.SubmitVerb: "approve", "x": []int{1}}
			return a
		}, 400},
		"a submit whose verb is a number": {func(r *rig) any {
			a := r.submit("1", "approve", nil)
			a["value"] = map[string]any{teamsapp.SubmitVerb: 1}
			return a
		}, 400},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, nil)
			handled := 0
			r.Handle("approve", func(context.Context, teamsapp.Turn) (teamsapp.Reply, error) {
				handled++
				return teamsapp.Reply{}, nil
			})
			w := r.deliver(t, tc.body(r))
			require.Equal(t, tc.want, w.Code, w.Body)
			if tc.want == 200 {
				require.Equal(t, 1, handled)
				return
			}
			require.Zero(t, handled)
			_, err := r.store.Load(t.Context(), teamsapp.Key{Bot: botID, Tenant: "contoso", User: aliceInContoso})
			require.ErrorIs(t, err, teamsapp.ErrNotFound, "something was kept of a refused activity")
			require.NotContains(t, r.log.String(), "Alice")
			require.NotContains(t, r.log.String(), "29:alice")
		})
	}
}

func TestRequestsThatAreNoActivities(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	for _, tc := range []struct {
		method, contentType string
		want                int
	}{
		{"GET", "application/json", 405},
		{"PUT", "application/json", 405},
		{"HEAD", "", 405},
		{"OPTIONS", "", 405},
		{"POST", "", 415},
		{"POST", "text/plain", 415},
		{"POST", "application/x-www-form-urlencoded", 415},
		{"POST", "application/json;;", 415},
		{"POST", "application/json", 401},
		{"POST", "Application/JSON; charset=utf-8", 401},
	} {
		req := httptest.NewRequest(tc.method, "/", strings.NewReader("{}"))
		req.Header.Set("Content-Type", tc.contentType)
		w := httptest.NewRecorder()
		r.ServeHTTP(w, req)
		require.Equal(t, tc.want, w.Code, tc)
		require.Equal(t, "no-store", w.Header().Get("Cache-Control"))
		if tc.want == 405 {
			require.Equal(t, "POST", w.Header().Get("Allow"))
		}
	}
}

// slow is a connection whose other side sends without an end, or nothing at all.
type slow struct {
	*httptest.ResponseRecorder

	deadline time.Time
	resets   int
	endless  bool
}

func (s *slow) SetReadDeadline(t time.Time) error {
	s.deadline = t
	if t.IsZero() {
		s.resets++
	}
	return nil
}

func (s *slow) Read(p []byte) (int, error) {
	if s.endless {
		for i := range p {
			p[i] = ' '
		}
		return len(p), nil
	}
	if s.deadline.IsZero() {
		return 0, errors.New("the test would hang")
	}
	return 0, os.ErrDeadlineExceeded
}

func TestABodyThatDoesNotEndIsCutOff(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		endless bool
		want    int
	}{"silent": {false, 408}, "endless": {true, 413}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, nil)
			conn := &slow{ResponseRecorder: httptest.NewRecorder(), endless: tc.endless}
			req := httptest.NewRequest(http.MethodPost, "/", io.NopCloser(conn))
			req.ContentLength = -1
			req.Header.Set("Content-Type", "application/json")
			req.Header.Set("Authorization", "Bearer "+sign(t, "one", keyOne(), r.claims()))
			before := time.Now()
			r.ServeHTTP(conn, req)
			require.Equal(t, tc.want, conn.Code)
			require.Equal(t, "close", conn.Header().Get("Connection"))
			require.WithinRange(t, conn.deadline, before.Add(teamsapp.BodyTimeout), time.Now().Add(teamsapp.BodyTimeout))
			require.Zero(t, conn.resets, "net/http would wait for the rest of the body for ever")
		})
	}
}

func TestABodyIsGivenItsTimeWhateverBecomesOfTheRequest(t *testing.T) {
	t.Parallel()
	send := func(r *rig, key *rsa.PrivateKey) *slow {
		conn := &slow{ResponseRecorder: httptest.NewRecorder()}
		req := httptest.NewRequest(http.MethodPost, "/", io.NopCloser(conn))
		req.ContentLength = -1
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Authorization", "Bearer "+sign(t, "one", key, r.claims()))
		r.ServeHTTP(conn, req)
		return conn
	}
	t.Run("refused before it was read", func(t *testing.T) {
		t.Parallel()
		before := time.Now()
		conn := send(newRig(t, nil), keyTwo())
		require.Equal(t, 401, conn.Code)
		require.WithinRange(t, conn.deadline, before.Add(teamsapp.BodyTimeout), time.Now().Add(teamsapp.BodyTimeout)) // net/http reads on
		require.Zero(t, conn.resets)
	})
	t.Run("anew when the keys have come", func(t *testing.T) {
		t.Parallel()
		r := newRig(t, nil)
		block, come := make(chan struct{}), make(chan time.Time, 1)
		r.ms.set(func() { r.ms.block = block })
		go func() {
			for r.ms.questions() == 0 {
				runtime.Gosched()
			}
			come <- time.Now()
			close(block)
		}()
		conn := send(r, keyOne())
		require.Equal(t, 408, conn.Code)
		require.False(t, conn.deadline.Before((<-come).Add(teamsapp.BodyTimeout)))
	})
}

func TestADeadlineOfTheBodyDoesNotEndTheTurn(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	conn := &slow{ResponseRecorder: httptest.NewRecorder()}
	r.Handle("approve", func(context.Context, teamsapp.Turn) (teamsapp.Reply, error) {
		require.True(t, conn.deadline.IsZero())
		return teamsapp.Reply{}, nil
	})
	raw, err := json.Marshal(r.execute("1", "approve", nil))
	require.NoError(t, err)
	req := httptest.NewRequest(http.MethodPost, "/", bytes.NewReader(raw))
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+sign(t, "one", keyOne(), r.claims()))
	r.ServeHTTP(conn, req)
	require.Equal(t, 200, conn.Code)
	require.Equal(t, 1, conn.resets)
}

func TestWhereOthersReadAlongNothingIsHandled(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	never := func(context.Context, teamsapp.Turn) (teamsapp.Reply, error) {
		t.Error("handled")
		return teamsapp.Reply{}, nil
	}
	r.Handle("approve", never)
	r.Command("", never)
	for _, kind := range []string{"channel", "groupChat", "", "Personal"} {
		place := func(a activity) activity {
			a.of("conversation")["conversationType"] = kind
			return a
		}
		got := readInvoke(t, r.deliver(t, place(r.execute("1", "approve", nil))))
		require.Equal(t, 400, got.StatusCode)
		require.JSONEq(t, `{"code":"NotPersonal","message":"Please use this in your own chat with me."}`, string(got.Value))
		require.Equal(t, 200, r.deliver(t, place(r.says("2", "help"))).Code)
		require.Equal(t, 200, r.deliver(t, place(r.submit("3", "approve", nil))).Code)
		require.Equal(t, 200, r.deliver(t, place(r.installation("add"))).Code)
	}
	require.Empty(t, r.ms.messages())
	_, err := r.store.Load(t.Context(), teamsapp.Key{Bot: botID, Tenant: "contoso", User: aliceInContoso})
	require.ErrorIs(t, err, teamsapp.ErrNotFound)
}

func TestAForwardedCardIsPressedByWhoPressesIt(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	var got []teamsapp.Turn
	r.Handle("approve", func(_ context.Context, turn teamsapp.Turn) (teamsapp.Reply, error) {
		got = append(got, turn)
		return teamsapp.Reply{}, nil
	})
	data := map[string]any{"ref": "alice's", "tenant": "contoso"}
	require.Equal(t, 200, r.deliver(t, r.execute("1", "approve", data)).Code)
	a := r.execute("1", "approve", data) // in another tenant, where ids may be the same
	a.of("conversation")["tenantId"], a.of("channelData")["tenant"] = fabrikam, map[string]any{"id": fabrikam}
	require.Equal(t, 200, r.deliver(t, a).Code)
	require.Len(t, got, 2)
	require.Equal(t, mspkit.TenantID("fabrikam"), got[1].Tenant)
	require.Equal(t, teamsapp.User{TenantID: fabrikam, ObjectID: alice}, got[1].User)
	require.NotEqual(t, got[0].ID, got[1].ID)
}

func TestEmulatorsNeedNoTokenButMustBeHere(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		off    bool
		change func(req *http.Request)
		body   func(a activity)
		want   int
	}{
		"loopback":                  {want: 200},
		"IPv6":                      {change: func(r *http.Request) { r.RemoteAddr = "[::1]:4000" }, want: 200},
		"mapped IPv4":               {change: func(r *http.Request) { r.RemoteAddr = "[::ffff:127.0.0.1]:4000" }, want: 200},
		"the switch is off":         {off: true, want: 401},
		"from the network":          {change: func(r *http.Request) { r.RemoteAddr = "192.168.1.7:4000" }, want: 401},
		"from nowhere":              {change: func(r *http.Request) { r.RemoteAddr = "" }, want: 401},
		"from a socket":             {change: func(r *http.Request) { r.RemoteAddr = "@" }, want: 401},
		"X-Forwarded-For":           {change: func(r *http.Request) { r.Header.Set("X-Forwarded-For", "127.0.0.1") }, want: 401},
		"X-Forwarded-Anything":      {change: func(r *http.Request) { r.Header.Set("X-Forwarded-Anything", "") }, want: 401},
		"Forwarded":                 {change: func(r *http.Request) { r.Header.Set("Forwarded", "for=127.0.0.1") }, want: 401},
		"X-Real-IP":                 {change: func(r *http.Request) { r.Header.Set("X-Real-IP", "127.0.0.1") }, want: 401},
		"X-Original-Host":           {change: func(r *http.Request) { r.Header.Set("X-Original-Host", "help.example") }, want: 401},
		"Via":                       {change: func(r *http.Request) { r.Header.Set("Via", "1.1 tunnel") }, want: 401},
		"a page in a browser":       {change: func(r *http.Request) { r.Header.Set("Origin", "http://127.0.0.1:3978") }, want: 401},
		"a service URL of Teams":    {body: func(a activity) { a["serviceUrl"] = "https://smba.trafficmanager.net/amer/" }, want: 403},
		"a service URL elsewhere":   {body: func(a activity) { a["serviceUrl"] = "http://192.168.1.7:3978/" }, want: 403},
		"an odd service URL":        {body: func(a activity) { a["serviceUrl"] = "http://127.0.0.1:3978@evil.example/" }, want: 403},
		"the emulator's channel":    {body: func(a activity) { a["channelId"] = "emulator" }, want: 200},
		"another channel":           {body: func(a activity) { a["channelId"] = "webchat" }, want: 403},
		"a tenant not onboarded":    {body: func(a activity) { a.of("conversation")["tenantId"] = stranger; delete(a, "channelData") }, want: 403},
		"a token is not looked at":  {change: func(r *http.Request) { r.Header.Set("Authorization", "Bearer x.y.z") }, want: 200},
		"an emulator without types": {body: func(a activity) { a["channelId"] = "emulator"; delete(a.of("conversation"), "conversationType") }, want: 200},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, func(o *teamsapp.Options) { o.InsecureLoopback = !tc.off })
			r.Handle("approve", func(context.Context, teamsapp.Turn) (teamsapp.Reply, error) { return teamsapp.Reply{}, nil })
			a := r.execute("1", "approve", nil)
			a["serviceUrl"] = "http://localhost:50000/"
			if tc.body != nil {
				tc.body(a)
			}
			require.Equal(t, tc.want, fromHere(t, r, a, tc.change).Code)
			require.Equal(t, !tc.off, strings.Contains(r.log.String(), "WITHOUT A TOKEN"))
		})
	}
}

// fromHere sends an activity from a loopback address, without a token.
func fromHere(tb testing.TB, h http.Handler, body any, change func(*http.Request)) *httptest.ResponseRecorder {
	tb.Helper()
	raw, ok := body.([]byte)
	if !ok {
		var err error
		raw, err = json.Marshal(body)
		require.NoError(tb, err)
	}
	return locally(h, raw, change)
}

func locally(h http.Handler, raw []byte, change func(*http.Request)) *httptest.ResponseRecorder {
	req := httptest.NewRequest(http.MethodPost, "/", bytes.NewReader(raw))
	req.RemoteAddr = "127.0.0.1:40000"
	req.Header.Set("Content-Type", "application/json")
	if change != nil {
		change(req)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, req)
	return w
}

func TestATurnIsBoundedAndSurvivesAHangUp(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(o *teamsapp.Options) { o.HandleTimeout = 7 * time.Second })
	ctx, hangUp := context.WithCancel(t.Context())
	defer hangUp()
	handled := 0
	r.Handle("approve", func(hctx context.Context, _ teamsapp.Turn) (teamsapp.Reply, error) {
		end, ok := hctx.Deadline()
		require.True(t, ok)
		require.WithinDuration(t, time.Now().Add(7*time.Second), end, 5*time.Second)
		hangUp()
		handled++
		return teamsapp.Reply{Text: "kept"}, hctx.Err()
	})
	raw, err := json.Marshal(r.execute("1", "approve", nil))
	require.NoError(t, err)
	req := httptest.NewRequest(http.MethodPost, "/", bytes.NewReader(raw)).WithContext(ctx)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+sign(t, "one", keyOne(), r.claims()))
	r.ServeHTTP(httptest.NewRecorder(), req)
	// Teams asks again and gets what was decided then.
	require.JSONEq(t, `"kept"`, string(readInvoke(t, r.deliver(t, raw)).Value))
	require.Equal(t, 1, handled)
}

func TestNothingOfAPersonIsLogged(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.ms.set(func() { r.ms.refused = true })
	r.Command("", func(context.Context, teamsapp.Turn) (teamsapp.Reply, error) {
		return teamsapp.Reply{Text: "reply-text", Card: thanks()}, nil
	})
	a := r.says("1", "typed-text")
	require.Equal(t, 200, r.deliver(t, a).Code)
	log := r.log.String()
	require.Contains(t, log, "an answer was not sent")
	for _, secret := range []string{"typed-text", "reply-text", "All well", "Alice", "29:alice", "bot-token", "eyJ"} {
		require.NotContains(t, log, secret)
	}
}

// counting is a store that counts, and fails on request.
type counting struct {
	teamsapp.Store

	mu                    sync.Mutex
	saves                 int
	failClaim, failAnswer error
	failSave, failDelete  error
	failAnswers           int // how often failAnswer; 0 is always
}

func (c *counting) Save(ctx context.Context, r teamsapp.Record) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.failSave != nil {
		return c.failSave
	}
	c.saves++
	return c.Store.Save(ctx, r)
}

func (c *counting) Claim(ctx context.Context, claim teamsapp.Claim, now time.Time) (teamsapp.Claimed, error) {
	if c.failClaim != nil {
		return teamsapp.Claimed{}, c.failClaim
	}
	return c.Store.Claim(ctx, claim, now)
}

func (c *counting) Answer(ctx context.Context, owner string, reply []byte, now time.Time) error {
	c.mu.Lock()
	err := c.failAnswer
	if c.failAnswers--; c.failAnswers == 0 {
		c.failAnswer = nil
	}
	c.mu.Unlock()
	if err != nil {
		return err
	}
	return c.Store.Answer(ctx, owner, reply, now)
}

func (c *counting) DeleteExpired(ctx context.Context, now time.Time, limit int) (int, error) {
	if c.failDelete != nil {
		return 0, c.failDelete
	}
	return c.Store.DeleteExpired(ctx, now, limit)
}
