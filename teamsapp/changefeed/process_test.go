package changefeed_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/graphfake"
	"github.com/mspkit/mspkit/teamsapp/changefeed"
)

func TestWhatIsSaidInAChatIsHandedOver(t *testing.T) {
	t.Parallel()
	w := newFeedWorld(t, nil)
	w.follow("contoso", changefeed.AllChats())
	require.Equal(t, 202, w.send(w.said(w.contoso, "hello")))
	require.Empty(t, w.sink.all(), "it was handled before the answer")
	w.handle()
	got := w.sink.all()
	require.Len(t, got, 1)
	e := got[0]
	require.Equal(t, changefeed.Created, e.Change)
	require.Equal(t, changefeed.ChatMessage, e.Kind)
	require.Equal(t, changefeed.AllChats(), e.Resource)
	require.Equal(t, mspkit.TenantID("contoso"), e.Tenant)
	require.Equal(t, contosoID, e.EntraTenant)
	require.Equal(t, "hello", e.Message.Text)
	require.Equal(t, w.chat, e.Message.ChatID)
	require.Equal(t, changefeed.Person{ObjectID: w.ann, Name: "Ann"}, e.Message.From)
	require.Equal(t, w.clock.Now(), e.CreatedAt)
	require.Equal(t, w.clock.Now(), e.ChangedAt)
	require.Equal(t, w.clock.Now(), e.AcceptedAt)
	require.Contains(t, string(e.Raw), `"hello"`)
	require.False(t, e.Backfilled)
	require.NotEmpty(t, e.ID)
	list, err := w.feed.Subscriptions(t.Context(), "contoso")
	require.NoError(t, err)
	require.Equal(t, w.clock.Now(), list[0].NotifiedAt)
}

func TestChangesOfAMessage(t *testing.T) {
	t.Parallel()
	w := newFeedWorld(t, nil)
	team, channel := w.contoso.AddTeam()
	w.follow("contoso", changefeed.Channel(team, channel))
	top := w.contoso.Post(graphfake.Message{Team: team, Channel: channel, FromApp: "b0b0b0b0-0000-4000-8000-000000000001", Subject: "News", ContentType: "html", Content: `<p>Hi <at id="0">Ann</at></p><attachment id="1"></attachment>`, Attachments: []map[string]any{{"id": "1", "contentType": "reference", "contentUrl": "https://contoso.sharepoint.example/a.docx", "name": "a.docx"}}})
	require.Equal(t, 202, w.send(w.last(w.contoso)))
	reply := w.contoso.Post(graphfake.Message{Team: team, Channel: channel, ReplyTo: top.ID, From: w.ann, Content: "a reply"})
	require.Equal(t, 202, w.send(w.last(w.contoso)))
	w.clock.move(time.Minute)
	w.contoso.Edit(reply.ID, "edited")
	require.Equal(t, 202, w.send(w.last(w.contoso)))
	w.contoso.Erase(reply.ID)
	require.Equal(t, 202, w.send(w.last(w.contoso)))
	w.handle()
	require.Empty(t, w.dead(""))
	got := w.sink.all()
	require.Len(t, got, 4)
	require.Equal(t, []string{"Hi Ann", "a reply", "edited", ""}, w.sink.texts())
	require.Equal(t, changefeed.Person{AppID: "b0b0b0b0-0000-4000-8000-000000000001"}, got[0].Message.From)
	require.Equal(t, "News", got[0].Message.Subject)
	require.Equal(t, []changefeed.Attachment{{ID: "1", ContentType: "reference", URL: "https://contoso.sharepoint.example/a.docx", Name: "a.docx"}}, got[0].Message.Attachments)
	require.Equal(t, changefeed.ChannelMessage, got[0].Kind)
	require.Equal(t, team, got[0].Message.TeamID)
	require.Equal(t, channel, got[0].Message.ChannelID)
	require.Equal(t, top.ID, got[1].Message.ReplyToID)
	require.Equal(t, []changefeed.Change{changefeed.Created, changefeed.Created, changefeed.Updated, changefeed.Deleted},
		[]changefeed.Change{got[0].Change, got[1].Change, got[2].Change, got[3].Change})
	require.True(t, got[3].Message.Deleted)
	ids := map[string]bool{}
	for _, e := range got {
		ids[e.ID] = true
	}
	require.Len(t, ids, 4)
}

// flip changes one bit in what is base64.
func flip(m map[string]any, name string) {
	raw, err := base64.StdEncoding.DecodeString(m[name].(string))
	if err != nil {
		panic(err)
	}
	raw[len(raw)/2] ^= 1
	m[name] = base64.StdEncoding.EncodeToString(raw)
}

func TestWhatIsNotProvenOrDoesNotOpenIsADeadLetter(t *testing.T) {
	t.Parallel()
	content := func(f func(w *feedWorld, m map[string]any)) func(*feedWorld, *graphfake.Notice) {
		return func(w *feedWorld, n *graphfake.Notice) { f(w, n.Item["encryptedContent"].(map[string]any)) }
	}
	claims := func(f func(w *feedWorld, c map[string]any)) func(*feedWorld, *graphfake.Notice) {
		return func(w *feedWorld, n *graphfake.Notice) { n.Claims = func(c map[string]any) { f(w, c) } }
	}
	claim := func(name string, v any) func(*feedWorld, *graphfake.Notice) {
		return claims(func(_ *feedWorld, c map[string]any) {
			if v == nil {
				delete(c, name)
			} else {
				c[name] = v
			}
		})
	}
	at := func(name string, d time.Duration) func(*feedWorld, *graphfake.Notice) {
		return claims(func(w *feedWorld, c map[string]any) { c[name] = w.clock.Now().Add(d).Unix() })
	}
	for name, tc := range map[string]struct {
		change func(w *feedWorld, n *graphfake.Notice)
		fault  string // empty where it is good
	}{
		"good":                              {change: func(*feedWorld, *graphfake.Notice) {}},
		"no token":                          {func(_ *feedWorld, n *graphfake.Notice) { n.Tenant = "" }, "there is none for the tenant"},
		"a token by a key of somebody else": {func(_ *feedWorld, n *graphfake.Notice) { n.ForeignKey = true }, "signature is wrong"},
		"for another application":           {claim("aud", "11111111-0000-4000-8000-000000000000"), "another application"},
		"for several, of which one is ours": {change: claim("aud", []string{"x", strings.ToUpper(ourApp)})},
		"for nobody":                        {claim("aud", nil), "another application"},
		"by another publisher":              {claim("appid", ourApp), "publisher"},
		"by nobody":                         {claim("appid", nil), "publisher"},
		"by the publisher in version 2": {change: claims(func(w *feedWorld, c map[string]any) {
			c["azp"] = c["appid"]
			delete(c, "appid")
			c["iss"] = w.graphURL + "/" + contosoID + "/v2.0"
		})},
		"another publisher in version 2":  {claims(func(_ *feedWorld, c map[string]any) { c["azp"] = ourApp; delete(c, "appid") }), "publisher"},
		"azp does not make up for appid":  {claims(func(_ *feedWorld, c map[string]any) { c["azp"] = c["appid"]; c["appid"] = ourApp }), "publisher"},
		"another issuer":                  {claim("iss", "https://sts.evil.example/"+contosoID+"/"), "issuer"},
		"the issuer of another tenant":    {claim("iss", "https://sts.windows.net/"+fabrikamID+"/"), "issuer"},
		"the pattern of the issuer":       {claim("iss", "https://sts.windows.net/{tenant}/"), "issuer"},
		"expired within the skew":         {change: at("exp", -5*time.Minute+time.Second)},
		"expired beyond the skew":         {at("exp", -5*time.Minute), "expired"},
		"no expiry":                       {claim("exp", nil), "no expiry"},
		"valid soon, within the skew":     {change: at("nbf", 5*time.Minute)},
		"not valid yet":                   {at("nbf", 5*time.Minute+time.Second), "not valid yet"},
		"claims that cannot be read":      {claim("exp", "tomorrow"), "cannot be read"},
		"the signature of the content":    {content(func(_ *feedWorld, m map[string]any) { flip(m, "dataSignature") }), "signature of the encrypted content"},
		"the content":                     {content(func(_ *feedWorld, m map[string]any) { flip(m, "data") }), "signature of the encrypted content"},
		"the data key":                    {content(func(_ *feedWorld, m map[string]any) { flip(m, "dataKey") }), "data key does not open"},
		"a certificate that is not known": {content(func(_ *feedWorld, m map[string]any) { m["encryptionCertificateId"] = "nobody's" }), "certificate that is not known"},
		"no certificate":                  {content(func(_ *feedWorld, m map[string]any) { delete(m, "encryptionCertificateId") }), "certificate that is not known"},
		"another certificate of ours":     {content(func(_ *feedWorld, m map[string]any) { m["encryptionCertificateId"] = "own-2" }), "data key does not open"},
		"no data":                         {content(func(_ *feedWorld, m map[string]any) { m["data"] = "" }), "base64 of the sizes"},
		"data that is no block":           {content(func(_ *feedWorld, m map[string]any) { m["data"] = "AAAA" }), "base64 of the sizes"},
		"data that is no base64":          {content(func(_ *feedWorld, m map[string]any) { m["data"] = "*" }), "base64 of the sizes"},
		"a data key that is too long":     {content(func(_ *feedWorld, m map[string]any) { m["dataKey"] = strings.Repeat("AAAA", 1000) }), "base64 of the sizes"},
		"a signature that is too short":   {content(func(_ *feedWorld, m map[string]any) { m["dataSignature"] = "AAAA" }), "base64 of the sizes"},
		"no JSON inside":                  {func(w *feedWorld, n *graphfake.Notice) { n.Item["encryptedContent"] = w.encrypt("hello") }, "cannot be read"},
		"a message without an id":         {func(w *feedWorld, n *graphfake.Notice) { n.Item["encryptedContent"] = w.encrypt(`{"body":{}}`) }, "cannot be read"},
		"the content of another message": {func(w *feedWorld, n *graphfake.Notice) {
			n.Item["encryptedContent"] = w.encrypt(`{"id":"1","chatId":"` + w.chat + `"}`)
		}, "another resource"},
		"a message of another chat": {func(w *feedWorld, n *graphfake.Notice) {
			n.Item["resource"] = strings.Replace(n.Item["resource"].(string), w.chat, w.other, 1)
		}, "another resource"},
		"a message of a channel": {func(_ *feedWorld, n *graphfake.Notice) {
			n.Item["resource"] = "teams('" + contosoID + "')/channels('19:x')/messages('1')"
		}, "names what was not subscribed"},
		"a user":              {func(_ *feedWorld, n *graphfake.Notice) { n.Item["resource"] = "users('" + contosoID + "')" }, "names what was not subscribed"},
		"a path to elsewhere": {func(_ *feedWorld, n *graphfake.Notice) { n.Item["resource"] = "chats('..')/messages('1')" }, "names what was not subscribed"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newFeedWorld(t, nil)
			w.follow("contoso", changefeed.AllChats())
			n := w.said(w.contoso, "first")
			tc.change(w, &n)
			require.Equal(t, 202, w.send(n))
			require.Equal(t, 202, w.send(w.said(w.contoso, "second")))
			w.handle()
			if tc.fault == "" {
				require.Equal(t, []string{"first", "second"}, w.sink.texts())
				return
			}
			require.Equal(t, []string{"second"}, w.sink.texts())
			dead := w.dead("contoso")
			require.Len(t, dead, 1)
			require.Contains(t, dead[0].Fault, tc.fault)
			require.Contains(t, w.log.String(), tc.fault)
			require.Empty(t, w.dead("fabrikam"))
			for _, secret := range []string{"first", n.Item["clientState"].(string), "eyJ"} {
				require.NotContains(t, w.log.String(), secret)
			}
		})
	}
}

// encrypt encrypts for our certificate.
func (w *feedWorld) encrypt(text string) map[string]any {
	return graphfake.Encrypt([]byte(text), w.contoso.Subscriptions()[0].Certificate, "own-1")
}

func TestABacklogOfHoursIsNotLost(t *testing.T) {
	t.Parallel()
	w := newFeedWorld(t, nil)
	w.follow("contoso", changefeed.AllChats())
	require.Equal(t, 202, w.send(w.said(w.contoso, "hello"))) // with a token for an hour
	accepted := w.clock.Now()
	w.clock.move(20 * time.Hour)
	w.handle()
	require.Equal(t, []string{"hello"}, w.sink.texts())
	require.Equal(t, accepted, w.sink.all()[0].AcceptedAt)
}

func TestKeysThatCannotBeReadAreWaitedFor(t *testing.T) {
	t.Parallel()
	w := newFeedWorld(t, nil)
	w.follow("contoso", changefeed.AllChats())
	require.Equal(t, 202, w.send(w.said(w.contoso, "hello")))
	w.graph.SetFault(func(r *http.Request) *graphfake.Fault {
		if strings.HasSuffix(r.URL.Path, "/openid-configuration") {
			return &graphfake.Fault{Status: 404}
		}
		return nil
	})
	w.handle()
	require.Empty(t, w.sink.texts())
	require.Empty(t, w.dead(""))
	w.graph.SetFault(nil)
	w.clock.move(5 * time.Minute)
	w.handle()
	require.Equal(t, []string{"hello"}, w.sink.texts())
}

func TestAKeyThatIsNotKnownYetIsWaitedForAnHour(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		published bool
	}{"it is published later": {true}, "it never is": {false}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newFeedWorld(t, nil)
			w.follow("contoso", changefeed.AllChats())
			w.graph.SetFault(func(r *http.Request) *graphfake.Fault {
				if strings.HasSuffix(r.URL.Path, "/discovery/keys") {
					return &graphfake.Fault{Status: 200, Body: `{"keys":[{"kty":"RSA","kid":"other","n":"` + strings.Repeat("v", 342) + `","e":"AQAB"}]}`}
				}
				return nil
			})
			require.Equal(t, 202, w.send(w.said(w.contoso, "hello")))
			w.handle()
			w.clock.move(30 * time.Minute)
			w.handle()
			require.Empty(t, w.dead(""))
			require.Empty(t, w.sink.texts())
			if tc.published {
				w.graph.SetFault(nil)
			}
			w.clock.move(30 * time.Minute)
			w.handle()
			if tc.published {
				require.Equal(t, []string{"hello"}, w.sink.texts())
				return
			}
			dead := w.dead("")
			require.Len(t, dead, 1)
			require.Contains(t, dead[0].Fault, "key is not known")
		})
	}
}

func TestAHandlerThatFailsHoldsUpItsConversationOnly(t *testing.T) {
	t.Parallel()
	w := newFeedWorld(t, nil)
	second := w.contoso.AddChat(w.ann)
	w.follow("contoso", changefeed.AllChats())
	w.sink.failing(func(e changefeed.Event) error {
		if e.Message.ChatID == w.chat && e.Message.Text == "one" {
			return fmt.Errorf("%w: with what was said: %s", errSink, e.Message.Text)
		}
		return nil
	})
	for _, text := range []string{"one", "two", "three"} {
		require.Equal(t, 202, w.send(w.said(w.contoso, text)))
	}
	w.contoso.Post(graphfake.Message{Chat: second, From: w.ann, Content: "elsewhere"})
	require.Equal(t, 202, w.send(w.last(w.contoso)))
	w.handle()
	require.Equal(t, []string{"elsewhere"}, w.sink.texts())
	waiting, _, oldest, err := w.feed.Backlog(t.Context(), "contoso")
	require.NoError(t, err)
	require.Equal(t, 3, waiting)
	require.Equal(t, w.clock.Now(), oldest)
	w.sink.failing(nil)
	w.clock.move(time.Hour)
	w.handle()
	require.Equal(t, []string{"elsewhere", "one", "two", "three"}, w.sink.texts())
	require.Contains(t, w.log.String(), "the sink failed with a *fmt.wrapError")
	require.NotContains(t, w.log.String(), "what was said")
}

func TestASinkThatIsToldToStopIsAskedAgain(t *testing.T) {
	t.Parallel()
	w := newFeedWorld(t, func(w *feedWorld) { w.options.HandleTimeout = 20 * time.Millisecond })
	w.follow("contoso", changefeed.AllChats())
	w.sink.hang = true
	require.Equal(t, 202, w.send(w.said(w.contoso, "hello")))
	w.handle()
	require.Empty(t, w.sink.texts())
	require.Contains(t, w.log.String(), "did not finish within 20ms")
	w.sink.hang = false
	w.clock.move(time.Minute)
	w.handle()
	require.Equal(t, []string{"hello"}, w.sink.texts())
}

func TestDeadLettersAreReplayedAndDropped(t *testing.T) {
	t.Parallel()
	var told []changefeed.DeadLetter
	w := newFeedWorld(t, func(w *feedWorld) {
		w.options.OnDead = func(_ context.Context, d changefeed.DeadLetter) { told = append(told, d) }
	})
	w.follow("contoso", changefeed.AllChats())
	w.sink.failing(func(e changefeed.Event) error {
		if strings.HasPrefix(e.Message.Text, "bad") {
			return fmt.Errorf("no desk for it: %w", changefeed.ErrRejected)
		}
		return nil
	})
	for _, text := range []string{"bad one", "good", "bad two"} {
		require.Equal(t, 202, w.send(w.said(w.contoso, text)))
	}
	w.handle()
	require.Equal(t, []string{"good"}, w.sink.texts())
	dead := w.dead("contoso")
	require.Len(t, dead, 2)
	require.Len(t, told, 2)
	require.Equal(t, dead[0].ID, told[0].ID)
	require.Contains(t, dead[0].Fault, "rejects")
	require.Equal(t, 1, dead[0].Tries)
	page, err := w.feed.DeadLetters(t.Context(), "", dead[0].Seq, 1)
	require.NoError(t, err)
	require.Equal(t, dead[1:], page)
	for _, f := range []func(context.Context, mspkit.TenantID, string) error{w.feed.Replay, w.feed.Drop} {
		require.ErrorIs(t, f(t.Context(), "fabrikam", dead[0].ID), changefeed.ErrNotFound)
		require.ErrorIs(t, f(t.Context(), "contoso", "nothing"), changefeed.ErrNotFound)
	}
	w.sink.failing(nil)
	w.clock.move(10 * time.Hour)
	require.NoError(t, w.feed.Replay(t.Context(), "contoso", dead[0].ID))
	require.ErrorIs(t, w.feed.Drop(t.Context(), "contoso", dead[0].ID), changefeed.ErrNotFound, "what waits was dropped")
	require.NoError(t, w.feed.Drop(t.Context(), "contoso", dead[1].ID))
	w.handle()
	require.Equal(t, []string{"good", "bad one"}, w.sink.texts())
	require.Empty(t, w.dead(""))
}

func TestACrashBehindTheSinkRepeatsTheEventWithItsID(t *testing.T) {
	t.Parallel()
	var b *brittle
	w := newFeedWorld(t, func(w *feedWorld) { b = withBrittle(w) })
	w.follow("contoso", changefeed.AllChats())
	require.Equal(t, 202, w.send(w.said(w.contoso, "hello")))
	b.set(func() { b.markSeen = errors.New("gone") })
	w.handle()
	b.set(func() { b.markSeen = nil })
	w.clock.move(time.Hour)
	w.handle()
	got := w.sink.all()
	require.Len(t, got, 2)
	require.Equal(t, got[0], got[1])
}

func TestWithoutContentTheMessageIsRead(t *testing.T) {
	t.Parallel()
	w := newFeedWorld(t, func(w *feedWorld) { w.options.Subscriptions.Basic = []changefeed.Kind{changefeed.ChatMessage} })
	w.follow("contoso", changefeed.AllChats())
	n := w.said(w.contoso, "hello")
	require.NotContains(t, n.Item, "encryptedContent")
	n.Item["resourceData"].(map[string]any)["@odata.etag"] = `W/"1"`
	require.Equal(t, 202, w.send(n, n))
	require.Equal(t, 202, w.send(n))
	w.handle()
	require.Equal(t, []string{"hello"}, w.sink.texts())
	require.EqualValues(t, 2, w.meter.of(changefeed.MetricRepeated), "a repeat is known before it is read")
	// Two edits look alike in notifications; what comes of the first is what the message says then.
	id := w.sink.all()[0].Message.ID
	w.clock.move(time.Minute)
	w.contoso.Edit(id, "edited")
	require.Equal(t, 202, w.send(w.last(w.contoso)))
	w.handle()
	w.clock.move(time.Minute)
	w.contoso.Edit(id, "edited again")
	require.Equal(t, 202, w.send(w.last(w.contoso)))
	w.handle()
	require.Equal(t, []string{"hello", "edited", "edited again"}, w.sink.texts())

	// One that is not there any more has nothing but its path.
	n.Item["resource"] = "chats('" + w.chat + "')/messages('1')"
	require.Equal(t, 202, w.send(n))
	w.handle()
	last := w.sink.all()[3]
	require.Nil(t, last.Message)
	require.Nil(t, last.Raw)
	require.Equal(t, n.Item["resource"], last.Path)

	require.Empty(t, w.dead(""))
}

func TestAMessageThatCannotBeReadNowIsReadLater(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		fault graphfake.Fault
		wait  time.Duration
	}{
		"Graph asks to wait": {graphfake.Fault{Status: 429, RetryAfter: "1800"}, 30 * time.Minute},
		"consent is missing": {graphfake.Fault{Status: 403, Code: "Forbidden"}, 5 * time.Minute},
		"a bad request":      {graphfake.Fault{Status: 400, Code: "BadRequest"}, time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newFeedWorld(t, func(w *feedWorld) { w.options.Subscriptions.Basic = []changefeed.Kind{changefeed.ChatMessage} })
			w.follow("contoso", changefeed.AllChats())
			asked := 0
			w.graph.SetFault(func(r *http.Request) *graphfake.Fault {
				if strings.Contains(r.URL.Path, "/messages/") {
					asked++
					return &tc.fault
				}
				return nil
			})
			require.Equal(t, 202, w.send(w.said(w.contoso, "hello")))
			w.handle()
			w.clock.move(tc.wait - time.Millisecond)
			w.handle()
			require.Equal(t, 1, asked)
			require.Empty(t, w.dead(""))
			if tc.fault.Status == 429 {
				return // the limiter of graphx waits in real time
			}
			w.graph.SetFault(nil)
			w.clock.move(time.Hour)
			w.handle()
			require.Equal(t, []string{"hello"}, w.sink.texts())
		})
	}
}

func TestUsersAndPresence(t *testing.T) {
	t.Parallel()
	tell := func(w *feedWorld, change, what, id string) {
		w.contoso.Tell(change, "#Microsoft.Graph."+what, id)
		require.Equal(w.tb, 202, w.send(w.last(w.contoso)))
		w.handle()
	}
	t.Run("by their ids", func(t *testing.T) {
		t.Parallel()
		w := newFeedWorld(t, nil)
		w.follow("contoso", changefeed.Users())
		w.graph.Forget()
		tell(w, "updated", "User", w.ann)
		tell(w, "updated", "User", w.ann)
		tell(w, "deleted", "User", w.ann)
		got := w.sink.all()
		require.Len(t, got, 3)
		require.Equal(t, &changefeed.UserChange{ObjectID: w.ann}, got[0].User)
		require.Equal(t, []changefeed.Change{changefeed.Updated, changefeed.Updated, changefeed.Deleted}, []changefeed.Change{got[0].Change, got[1].Change, got[2].Change})
		require.NotEqual(t, got[0].ID, got[1].ID)
		require.False(t, slices.ContainsFunc(w.graph.Requests(), func(r graphfake.Request) bool { return strings.Contains(r.Path, "/users/") }))
	})
	t.Run("read", func(t *testing.T) {
		t.Parallel()
		w := newFeedWorld(t, func(w *feedWorld) { w.options.ReadUsers = true })
		w.follow("contoso", changefeed.OneUser(w.ann))
		tell(w, "updated", "User", w.ann)
		got := w.sink.all()
		require.Len(t, got, 1)
		require.Equal(t, "Ann", got[0].User.Name)
		require.NotNil(t, got[0].User.Enabled)
		require.True(t, *got[0].User.Enabled)
	})
	for name, basic := range map[string]bool{"presence that is encrypted": false, "presence that is not": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newFeedWorld(t, func(w *feedWorld) {
				if basic {
					w.options.Subscriptions.Basic = []changefeed.Kind{changefeed.Presence}
				}
			})
			w.follow("contoso", changefeed.PresenceOf(w.ann))
			tell(w, "updated", "presence", w.ann)
			got := w.sink.all()
			require.Len(t, got, 1, w.log.String())
			require.Equal(t, w.ann, got[0].Presence.ObjectID)
			require.NotEmpty(t, got[0].Presence.Availability)
			tell(w, "updated", "presence", w.ann) // the same again is another change
			require.Len(t, w.sink.all(), 2)
		})
	}
}

// Graph is late and keeps no order: what was said shortly before the last notification may be missing as well.
func TestWhatIsMissingBeforeTheLastNotificationIsReadAsWell(t *testing.T) {
	t.Parallel()
	w := newFeedWorld(t, nil)
	w.follow("contoso", changefeed.Chat(w.chat))
	w.clock.move(time.Hour)
	w.said(w.contoso, "lost")
	w.clock.move(4 * time.Minute)
	require.Equal(t, 202, w.send(w.said(w.contoso, "the last")))
	w.handle()
	require.True(t, w.contoso.RemoveSubscription(w.contoso.Subscriptions()[0].ID))
	w.clock.move(36 * time.Hour)
	require.NoError(t, w.feed.KeepOnce(t.Context()))
	w.handle()
	require.Equal(t, []string{"the last", "lost"}, w.sink.texts())
}

func TestWhatWasHandedOverIsRememberedForAsLongAsItIsKept(t *testing.T) {
	t.Parallel()
	w := newFeedWorld(t, nil)
	w.follow("contoso", changefeed.AllChats())
	require.Equal(t, 202, w.send(w.said(w.contoso, "hello")))
	w.handle()
	begun, id := w.clock.Now(), w.sink.all()[0].ID
	seen := func() bool {
		yes, err := w.store.Seen(t.Context(), "contoso", id, begun)
		require.NoError(t, err)
		return yes
	}
	w.clock.move(7*24*time.Hour - time.Second)
	w.handle()
	require.True(t, seen())
	w.clock.move(time.Second)
	w.handle()
	require.False(t, seen(), "the store grows without end otherwise")
}

func TestLifecycleEventsReachTheSubscription(t *testing.T) {
	t.Parallel()
	for event, want := range map[string]changefeed.Mark{
		"reauthorizationRequired": changefeed.Reauthorize, "subscriptionRemoved": changefeed.Removed, "missed": changefeed.Missed, "somethingNew": 0,
	} {
		t.Run(event, func(t *testing.T) {
			t.Parallel()
			w := newFeedWorld(t, nil)
			w.follow("contoso", changefeed.AllChats())
			sub := w.contoso.Subscriptions()[0]
			forged := w.contoso.Lifecycle(sub, event)
			forged.Item["clientState"] = sub.ClientState[:27] + "guess"
			require.Equal(t, 202, w.send(forged))
			w.handle()
			require.Zero(t, marksOf(w))
			require.Equal(t, 202, w.send(w.contoso.Lifecycle(sub, event)))
			w.clock.move(5 * time.Minute) // those of some minutes are obeyed together
			w.handle()
			require.Equal(t, want, marksOf(w))
			require.Empty(t, w.sink.all())
			require.Empty(t, w.dead(""))
		})
	}
}

func marksOf(w *feedWorld) changefeed.Mark {
	list, err := w.feed.Subscriptions(w.tb.Context(), "contoso")
	require.NoError(w.tb, err)
	return list[0].Marks
}

func TestWhatABackfillFoundIsNotHandedOverAgain(t *testing.T) {
	t.Parallel()
	w := newFeedWorld(t, nil)
	w.follow("contoso", changefeed.Chat(w.chat))
	w.clock.move(time.Minute)
	first, second := w.said(w.contoso, "found"), w.said(w.contoso, "found and edited")
	w.clock.move(time.Minute)
	w.contoso.Edit(second.Item["resourceData"].(map[string]any)["id"].(string), "edited")
	third := w.last(w.contoso)
	list, err := w.feed.Subscriptions(t.Context(), "contoso")
	require.NoError(t, err)
	require.NoError(t, w.store.Mark(t.Context(), list[0].Ref, changefeed.Missed, w.clock.Now().Add(-time.Hour), w.clock.Now()))
	require.NoError(t, w.feed.KeepOnce(t.Context()))
	w.handle()
	require.ElementsMatch(t, []string{"found", "edited", "edited"}, w.sink.texts(), "both that it was made and that it was edited is told")
	for _, e := range w.sink.all() {
		require.True(t, e.Backfilled)
	}
	// The notifications come all the same, late.
	require.Equal(t, 202, w.send(first, second, third))
	w.handle()
	require.Len(t, w.sink.all(), 3)
	require.EqualValues(t, 3, w.meter.of(changefeed.MetricEvents+"/repeated"))
	require.Empty(t, w.dead(""))
}
