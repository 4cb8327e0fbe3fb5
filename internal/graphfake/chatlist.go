package graphfake

import (
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"
)

func chatRoutes() map[string]handler {
	return map[string]handler{
		"GET /chats/{chat}/messages":                                              (*call).chatMessages,
		"GET /chats/{chat}/messages/{message}":                                    (*call).chatMessage,
		"GET /users/{user}/chats/getAllMessages":                                  (*call).userMessages,
		"GET /teams/{team}/channels/getAllMessages":                               (*call).teamMessages,
		"GET /teams/{team}/channels/{channel}/messages/delta":                     (*call).channelDelta,
		"GET /teams/{team}/channels/{channel}/messages/{message}":                 (*call).channelMessage,
		"GET /teams/{team}/channels/{channel}/messages/{message}/replies":         (*call).channelReplies,
		"GET /teams/{team}/channels/{channel}/messages/{message}/replies/{reply}": (*call).channelMessage,
	}
}

// maxMessages is the largest $top of messages.
const maxMessages = 50

// between is what a $filter of messages may say.
type between struct {
	property      string
	after, before time.Time
}

var likeBetween = regexp.MustCompile(`^(lastModifiedDateTime|createdDateTime) (gt|lt) (\S+)(?: and (lastModifiedDateTime|createdDateTime) (gt|lt) (\S+))?$`)

// between reads $filter: ranges of one property, of which the time of creation has no beginning.
func (c *call) between(gtOnly bool) (between, *apiError) {
	var b between
	text := c.q.Get("$filter")
	if text == "" {
		return b, nil
	}
	bad := badRequest("QueryOptions to order by or filter by '%s' are not supported.", text)
	m := likeBetween.FindStringSubmatch(text)
	if m == nil {
		return b, bad
	}
	b.property = m[1]
	for i := 1; i+2 < len(m) && m[i] != ""; i += 3 {
		at, err := time.Parse(time.RFC3339, m[i+2])
		if err != nil || m[i] != b.property || m[i] == "createdDateTime" && m[i+1] == "gt" || gtOnly && m[i+1] != "gt" {
			return b, bad
		}
		if m[i+1] == "gt" {
			b.after = at
		} else {
			b.before = at
		}
	}
	return b, nil
}

func (b between) has(m *Message) bool {
	at := m.ChangedAt
	if b.property == "createdDateTime" {
		at = m.CreatedAt
	}
	return b.property == "" || (b.after.IsZero() || at.After(b.after)) && (b.before.IsZero() || at.Before(b.before))
}

// conversation lets a request for what is said in.
func (c *call) conversation(permissions ...string) *apiError {
	c.t.mu.RLock()
	defer c.t.mu.RUnlock()
	if e := c.t.granted(permissions...); e != nil {
		return e
	}
	ok := true
	switch chat, team := c.r.PathValue("chat"), c.r.PathValue("team"); {
	case chat != "":
		ok = c.t.chat(chat) != nil
	case team != "":
		ok = c.t.channel(team, c.r.PathValue("channel")) != nil
	}
	if !ok {
		return fail(http.StatusNotFound, "NotFound", "The conversation was not found.")
	}
	return nil
}

// messages answers a page of those that match.
func (c *call) messages(context string, match func(*Message) bool, compare func(a, b *Message) int) *apiError {
	size, e := c.top(20, maxMessages)
	if e != nil {
		return e
	}
	c.t.mu.RLock()
	defer c.t.mu.RUnlock()
	var list []*Message
	for _, m := range c.t.chats.messages {
		if match(m) {
			list = append(list, m)
		}
	}
	slices.SortStableFunc(list, compare)
	items := make([]map[string]any, len(list))
	for i, m := range list {
		items[i] = c.t.message(m)
	}
	return c.collection(context, nil, items, size)
}

func oldest(a, b *Message) int { return a.CreatedAt.Compare(b.CreatedAt) }

func (c *call) chatMessages() *apiError {
	if e := c.options("$top", "$orderby", "$filter", "$skiptoken"); e != nil {
		return e
	}
	if e := c.conversation("Chat.Read.All", "ChatMessage.Read.Chat"); e != nil {
		return e
	}
	b, e := c.between(false)
	if e != nil {
		return e
	}
	order, dir, _ := strings.Cut(c.q.Get("$orderby"), " ")
	if order != "" && (order != "lastModifiedDateTime" && order != "createdDateTime" || dir != "desc") {
		return badRequest("QueryOptions to order by '%s' are not supported.", c.q.Get("$orderby"))
	}
	if order != b.property {
		b = between{} // documented: the filter is ignored where the order is not by the same property
	}
	chat := c.r.PathValue("chat")
	return c.messages("chats('"+chat+"')/messages", func(m *Message) bool { return strings.EqualFold(m.Chat, chat) && b.has(m) },
		func(x, y *Message) int {
			if order == "createdDateTime" {
				return y.CreatedAt.Compare(x.CreatedAt)
			}
			return y.ChangedAt.Compare(x.ChangedAt)
		})
}

func (c *call) userMessages() *apiError {
	if e := c.options("$top", "$filter", "$skiptoken", "model"); e != nil {
		return e
	}
	if e := c.conversation("Chat.Read.All", "Chat.ReadWrite.All"); e != nil {
		return e
	}
	b, e := c.between(false)
	if e != nil {
		return e
	}
	u, e := c.user()
	if e != nil {
		return e
	}
	return c.messages("Collection(chatMessage)", func(m *Message) bool {
		ch := c.t.chat(m.Chat)
		return ch != nil && slices.Contains(ch.members, u.ID) && b.has(m)
	}, oldest)
}

// teamMessages gives what is said in all channels of a team, replies too.
func (c *call) teamMessages() *apiError {
	if e := c.options("$top", "$filter", "$skiptoken", "model"); e != nil {
		return e
	}
	c.t.mu.RLock()
	e := c.t.granted("ChannelMessage.Read.All")
	team := c.r.PathValue("team")
	ok := slices.ContainsFunc(c.t.chats.channels, func(ch *channel) bool { return strings.EqualFold(ch.team, team) })
	c.t.mu.RUnlock()
	switch {
	case e != nil:
		return e
	case !ok:
		return fail(http.StatusNotFound, "NotFound", "The team was not found.")
	}
	b, e := c.between(false)
	if e != nil {
		return e
	}
	return c.messages("Collection(chatMessage)", func(m *Message) bool { return strings.EqualFold(m.Team, team) && b.has(m) }, oldest)
}

// message finds one of the conversation of the path. The caller holds the lock.
func (c *call) message(id, replyTo string) *Message {
	for _, m := range c.t.chats.messages {
		if m.ID == id && m.ReplyTo == replyTo && strings.EqualFold(m.Chat, c.r.PathValue("chat")) && strings.EqualFold(m.Channel, c.r.PathValue("channel")) {
			return m
		}
	}
	return nil
}

func (c *call) answerMessage(id, replyTo string) *apiError {
	c.t.mu.RLock()
	defer c.t.mu.RUnlock()
	m := c.message(id, replyTo)
	if m == nil {
		return fail(http.StatusNotFound, "NotFound", "The message was not found.")
	}
	v := c.t.message(m)
	v["@odata.context"] = c.context("messages/$entity")
	return c.ok(v)
}

func (c *call) chatMessage() *apiError {
	if e := c.options(); e != nil {
		return e
	}
	if e := c.conversation("Chat.Read.All", "ChatMessage.Read.Chat"); e != nil {
		return e
	}
	return c.answerMessage(c.r.PathValue("message"), "")
}

var channelReaders = []string{"ChannelMessage.Read.All", "ChannelMessage.Read.Group"}

func (c *call) channelMessage() *apiError {
	if e := c.options(); e != nil {
		return e
	}
	if e := c.conversation(channelReaders...); e != nil {
		return e
	}
	if reply := c.r.PathValue("reply"); reply != "" {
		return c.answerMessage(reply, c.r.PathValue("message"))
	}
	return c.answerMessage(c.r.PathValue("message"), "")
}

func (c *call) channelReplies() *apiError {
	if e := c.options("$top", "$skiptoken"); e != nil {
		return e
	}
	if e := c.conversation(channelReaders...); e != nil {
		return e
	}
	channel, top := c.r.PathValue("channel"), c.r.PathValue("message")
	return c.messages("replies", func(m *Message) bool { return strings.EqualFold(m.Channel, channel) && m.ReplyTo == top },
		func(a, b *Message) int { return b.CreatedAt.Compare(a.CreatedAt) })
}

// channelDelta gives the messages without their replies: each whose chain has changed, since the time of the filter or the
// link.
func (c *call) channelDelta() *apiError {
	if e := c.options("$top", "$filter", "$skiptoken", "$deltatoken"); e != nil {
		return e
	}
	if e := c.conversation(channelReaders...); e != nil {
		return e
	}
	size, e := c.top(20, maxMessages)
	if e != nil {
		return e
	}
	kind := "channel " + strings.ToLower(c.r.PathValue("channel"))
	c.t.mu.RLock()
	defer c.t.mu.RUnlock()
	k := &linkToken{Tenant: c.t.ID, Kind: kind, Until: len(c.t.chats.log)}
	text := c.q.Get("$skiptoken") + c.q.Get("$deltatoken")
	if text != "" {
		if k, e = c.open(text, kind); e != nil {
			return e
		}
		if c.q.Has("$deltatoken") {
			k = &linkToken{Tenant: c.t.ID, Kind: kind, Later: true, Since: min(k.Until, len(c.t.chats.log)), Until: len(c.t.chats.log)}
		}
	} else {
		b, e := c.between(true)
		if e != nil {
			return e
		}
		if !b.after.IsZero() {
			k.Made = b.after.UnixMilli()
		}
	}
	list := c.t.chains(c.r.PathValue("channel"), k)
	at := min(k.At, len(list))
	end := min(at+size, len(list))
	items := []map[string]any{}
	for _, m := range list[at:end] {
		items = append(items, c.t.message(m))
	}
	out := map[string]any{"@odata.context": c.context("Collection(chatMessage)"), "value": items}
	if k.At = end; end < len(list) {
		out["@odata.nextLink"] = c.link("$skiptoken", k.String())
	} else {
		out["@odata.deltaLink"] = c.link("$deltatoken", k.String())
	}
	return c.ok(out)
}

// chains are the messages of a channel that are no replies and that, or whose replies, have changed.
func (t *Tenant) chains(channel string, k *linkToken) []*Message {
	changed := map[string]bool{}
	for _, m := range t.chats.log[min(k.Since, len(t.chats.log)):min(k.Until, len(t.chats.log))] {
		if strings.EqualFold(m.Channel, channel) && m.ChangedAt.UnixMilli() > k.Made {
			changed[m.ID] = m.ReplyTo == "" || changed[m.ID]
			changed[m.ReplyTo] = true
		}
	}
	var out []*Message
	for _, m := range t.chats.messages {
		if changed[m.ID] && m.ReplyTo == "" && strings.EqualFold(m.Channel, channel) {
			out = append(out, m)
		}
	}
	return out
}
