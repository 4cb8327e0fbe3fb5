package graphfake

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
)

// maxMessage is how large a message may be, with all that is around it
// (https://learn.microsoft.com/microsoftteams/limits-specifications-teams#chat).
const maxMessage = 28 << 10

func chatPostRoutes() map[string]handler {
	return map[string]handler{
		"POST /chats/{chat}/messages":                                      (*call).postMessage,
		"POST /teams/{team}/channels/{channel}/messages/{message}/replies": (*call).postMessage,
	}
}

// postMessage writes as the person who is signed in. An application by itself may do so only to migrate messages.
func (c *call) postMessage() *apiError {
	if e := c.jsonBody(); e != nil {
		return e
	}
	m := Message{
		Chat: c.r.PathValue("chat"), Team: c.r.PathValue("team"), Channel: c.r.PathValue("channel"), ReplyTo: c.r.PathValue("message"), From: c.grant.user,
	}
	permission := "ChatMessage.Send"
	if m.Channel != "" {
		permission = "ChannelMessage.Send"
	}
	if c.grant.user == "" {
		return fail(http.StatusForbidden, "Forbidden", "Missing scope permissions on the request. API requires one of '%s'. Application permissions are for migration only.", permission)
	}
	if e := c.conversation(permission); e != nil {
		return e
	}
	if len(c.body) > maxMessage {
		return fail(http.StatusRequestEntityTooLarge, "RequestEntityTooLarge", "The message is too large.")
	}
	top, e := object(c.body, "the message", "body")
	if e != nil {
		return e
	}
	parts, e := object(top["body"], "body", "contentType", "content")
	if e != nil {
		return e
	}
	if json.Unmarshal(parts["contentType"], &m.ContentType) != nil || json.Unmarshal(parts["content"], &m.Content) != nil || strings.TrimSpace(m.Content) == "" {
		return badRequest("The message has no content.")
	}
	c.t.mu.RLock()
	ch := c.t.chat(m.Chat)
	member := m.Chat == "" || ch != nil && slices.Contains(ch.members, m.From)
	thread := m.ReplyTo == "" || c.t.messageOf(m.Channel, m.ReplyTo)
	c.t.mu.RUnlock()
	if !member {
		return fail(http.StatusForbidden, "Forbidden", "The caller is not a member of the chat.")
	}
	if !thread {
		return fail(http.StatusNotFound, "NotFound", "The message was not found.")
	}
	posted := c.t.Post(m)
	c.t.mu.RLock()
	v := c.t.message(&posted)
	c.t.mu.RUnlock()
	v["@odata.context"] = c.context("messages/$entity")
	writeJSON(c.w, http.StatusCreated, v)
	return nil
}

// messageOf says whether a channel has a message that is no reply. The caller holds the lock.
func (t *Tenant) messageOf(channel, id string) bool {
	return slices.ContainsFunc(t.chats.messages, func(m *Message) bool { return m.Channel == channel && m.ID == id && m.ReplyTo == "" })
}
