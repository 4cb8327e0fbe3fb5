package graphfake

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Message is one in a chat or a channel.
type Message struct {
	// ID is the time in milliseconds, which is different for each.
	ID string
	// Chat is the id of the chat; or Team and Channel those of a channel, with ReplyTo the message that it answers.
	Chat, Team, Channel, ReplyTo string
	// From is the id of a user; FromApp that of a bot.
	From, FromApp string
	// ContentType is "text", which empty means, or "html".
	ContentType, Content string
	Subject              string
	// Attachments are as Graph writes them.
	Attachments                     []map[string]any
	CreatedAt, ChangedAt, DeletedAt time.Time
}

// Path is where Graph says that a message is, as in notifications.
func (m *Message) Path() string {
	switch {
	case m.Chat != "":
		return "chats('" + m.Chat + "')/messages('" + m.ID + "')"
	case m.ReplyTo != "":
		return "teams('" + m.Team + "')/channels('" + m.Channel + "')/messages('" + m.ReplyTo + "')/replies('" + m.ID + "')"
	}
	return "teams('" + m.Team + "')/channels('" + m.Channel + "')/messages('" + m.ID + "')"
}

// Changed is something that subscriptions may want to know.
type Changed struct {
	Tenant *Tenant
	// ChangeType is created, updated or deleted, Path where it is, as in notifications, ODataType its type.
	ChangeType, Path, ODataType string
	// Object is what it is now, as Graph writes it.
	Object map[string]any
	// Subscriptions are those that want to know.
	Subscriptions []Subscription
}

// chats are the conversations of a tenant.
type chats struct {
	chats    []*chat
	channels []*channel
	messages []*Message // in the order in which they were posted
	log      []*Message // in the order in which they were changed
	last     int64
}

type chat struct {
	id      string
	members []string
}

type channel struct{ team, id string }

// AddChat makes a chat of users, by their ids, and returns its id.
func (t *Tenant) AddChat(members ...string) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	id := "19:" + strings.ReplaceAll(newID(), "-", "") + "@thread.v2"
	t.chats.chats = append(t.chats.chats, &chat{id, slices.Clone(members)})
	return id
}

// AddTeam makes a team with a channel and returns their ids.
func (t *Tenant) AddTeam() (team, channelID string) {
	team = newID()
	return team, t.AddChannel(team)
}

// AddChannel adds a channel to a team and returns its id.
func (t *Tenant) AddChannel(team string) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	id := "19:" + strings.ReplaceAll(newID(), "-", "") + "@thread.tacv2"
	t.chats.channels = append(t.chats.channels, &channel{team, id})
	return id
}

// OnChange is called after a message was posted, changed or deleted, and by [Tenant.Tell], without a lock; nil is nobody.
func (t *Tenant) OnChange(f func(Changed)) { t.set(func() { t.subs.changed = f }) }

// Post adds a message to a chat or a channel that is there, tells OnChange of it, and returns it with its id.
func (t *Tenant) Post(m Message) Message {
	t.mu.Lock()
	at := t.s.o.Now().UTC()
	if !m.CreatedAt.IsZero() {
		at = m.CreatedAt.UTC()
	}
	ms := max(at.UnixMilli(), t.chats.last+1)
	t.chats.last = ms
	m.ID = strconv.FormatInt(ms, 10)
	m.CreatedAt = time.UnixMilli(ms).UTC()
	m.ChangedAt = m.CreatedAt
	m.DeletedAt = time.Time{}
	kept := m
	t.chats.messages = append(t.chats.messages, &kept)
	t.chats.log = append(t.chats.log, &kept)
	tell := t.told("created", &kept)
	t.mu.Unlock()
	tell()
	return m
}

// Edit changes the content of a message, Erase deletes it so that it stays without content. They report whether there is one.
func (t *Tenant) Edit(id, content string) bool {
	return t.touch(id, "updated", func(m *Message) { m.Content = content })
}

// Erase deletes a message as Teams does; see [Tenant.Edit].
func (t *Tenant) Erase(id string) bool {
	return t.touch(id, "deleted", func(m *Message) { m.Content, m.DeletedAt = "", m.ChangedAt })
}

func (t *Tenant) touch(id, change string, f func(*Message)) bool {
	t.mu.Lock()
	i := slices.IndexFunc(t.chats.messages, func(m *Message) bool { return m.ID == id })
	if i < 0 {
		t.mu.Unlock()
		return false
	}
	m := t.chats.messages[i]
	m.ChangedAt = time.UnixMilli(max(t.s.o.Now().UnixMilli(), m.ChangedAt.UnixMilli()+1)).UTC()
	f(m)
	t.chats.log = append(t.chats.log, m)
	tell := t.told(change, m)
	t.mu.Unlock()
	tell()
	return true
}

// told returns what tells OnChange of a message. The caller holds the lock.
func (t *Tenant) told(change string, m *Message) func() {
	return t.tell(Changed{Tenant: t, ChangeType: change, Path: m.Path(), ODataType: "#Microsoft.Graph.chatMessage", Object: t.message(m)}, func(s string) bool {
		switch {
		case m.Chat == "":
			return s == "teams/getallmessages" || s == plain("teams/"+m.Team+"/channels/"+m.Channel+"/messages")
		case s == "chats/getallmessages", s == plain("chats/"+m.Chat+"/messages"):
			return true
		}
		c := t.chat(m.Chat)
		return c != nil && slices.ContainsFunc(c.members, func(id string) bool { return s == plain("users/"+id+"/chats/getAllMessages") })
	})
}

// Tell tells OnChange that a user (ODataType #Microsoft.Graph.User) or the presence of one (#Microsoft.Graph.presence) changed.
func (t *Tenant) Tell(changeType, odataType, user string) {
	user = strings.ToLower(user)
	c := Changed{Tenant: t, ChangeType: changeType, ODataType: odataType, Object: map[string]any{"id": user}}
	t.mu.Lock()
	var wants func(string) bool
	if strings.HasSuffix(odataType, "presence") {
		c.Path = "communications/presences('" + user + "')"
		if slot, ok := t.find(user); ok {
			u, _ := t.at(slot)
			c.Object = u.presence()
		}
		wants = func(s string) bool {
			return strings.HasPrefix(s, "communications/presences") && strings.Contains(s, user)
		}
	} else {
		c.Path = "Users/" + user
		wants = func(s string) bool { return s == "users" || s == "users/"+user }
	}
	tell := t.tell(c, wants)
	t.mu.Unlock()
	tell()
}

// tell finds who wants to know. The caller holds the lock.
func (t *Tenant) tell(c Changed, wants func(resource string) bool) func() {
	f := t.subs.changed
	if f == nil {
		return func() {}
	}
	for _, s := range t.living() {
		if slices.Contains(strings.Split(s.ChangeType, ","), c.ChangeType) && wants(plain(s.Resource)) {
			c.Subscriptions = append(c.Subscriptions, *s)
		}
	}
	return func() { f(c) }
}

func (t *Tenant) chat(id string) *chat {
	for _, c := range t.chats.chats {
		if strings.EqualFold(c.id, id) {
			return c
		}
	}
	return nil
}

func (t *Tenant) channel(team, id string) *channel {
	for _, c := range t.chats.channels {
		if strings.EqualFold(c.team, team) && strings.EqualFold(c.id, id) {
			return c
		}
	}
	return nil
}

// instant is a time of Teams.
func instant(at time.Time) any {
	if at.IsZero() {
		return nil
	}
	return at.UTC().Format("2006-01-02T15:04:05.999Z07:00")
}

// message is one as Graph writes it. The caller holds the lock.
func (t *Tenant) message(m *Message) map[string]any {
	from := map[string]any{"application": nil, "device": nil, "user": nil}
	switch {
	case m.FromApp != "":
		from["application"] = map[string]any{"id": m.FromApp, "displayName": nil, "applicationIdentityType": "bot"}
	case m.From != "":
		name := ""
		if slot, ok := t.find(m.From); ok {
			u, _ := t.at(slot)
			name = u.DisplayName
		}
		from["user"] = map[string]any{"id": m.From, "displayName": null(name), "userIdentityType": "aadUser", "tenantId": t.ID}
	}
	attachments := m.Attachments
	if attachments == nil {
		attachments = []map[string]any{}
	}
	var identity any
	if m.Channel != "" {
		identity = map[string]any{"teamId": m.Team, "channelId": m.Channel}
	}
	var edited any
	if m.ChangedAt.After(m.CreatedAt) {
		edited = instant(m.ChangedAt)
	}
	return map[string]any{
		"@odata.type": "#microsoft.graph.chatMessage", "id": m.ID, "etag": strconv.FormatInt(m.ChangedAt.UnixMilli(), 10), "replyToId": null(m.ReplyTo),
		"messageType": "message", "createdDateTime": instant(m.CreatedAt), "lastModifiedDateTime": instant(m.ChangedAt), "lastEditedDateTime": edited,
		"deletedDateTime": instant(m.DeletedAt), "subject": null(m.Subject), "summary": nil, "chatId": null(m.Chat), "importance": "normal", "locale": "en-us",
		"webUrl": nil, "channelIdentity": identity, "policyViolation": nil, "eventDetail": nil, "from": from,
		"body": map[string]any{"contentType": cmp.Or(m.ContentType, "text"), "content": m.Content}, "attachments": attachments, "mentions": []any{}, "reactions": []any{},
	}
}
