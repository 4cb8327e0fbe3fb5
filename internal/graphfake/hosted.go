package graphfake

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
)

// hosted is a picture within a message.
type hosted struct {
	contentType string
	data        []byte
}

func hostedRoutes() map[string]handler {
	return map[string]handler{
		"GET /chats/{chat}/messages/{message}/hostedContents/{content}/$value":                                    (*call).hostedValue,
		"GET /teams/{team}/channels/{channel}/messages/{message}/hostedContents/{content}/$value":                 (*call).hostedValue,
		"GET /teams/{team}/channels/{channel}/messages/{message}/replies/{reply}/hostedContents/{content}/$value": (*call).hostedValue,
	}
}

// Host keeps a picture for messages and returns its id, for a URL such as
// https://graph.microsoft.com/v1.0/chats/…/messages/…/hostedContents/ID/$value in a message. It is given to those who ask for it
// as part of a message that names it.
func (t *Tenant) Host(contentType string, data []byte) string {
	id := base64.StdEncoding.EncodeToString([]byte("id=x_0-" + newID() + ",type=1"))
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.hosted == nil {
		t.hosted = map[string]hosted{}
	}
	t.hosted[id] = hosted{contentType, data}
	return id
}

func (c *call) hostedValue() *apiError {
	if e := c.options(); e != nil {
		return e
	}
	readers := channelReaders
	if c.r.PathValue("chat") != "" {
		readers = []string{"Chat.Read.All", "ChatMessage.Read.Chat"}
	}
	if e := c.conversation(readers...); e != nil {
		return e
	}
	id, replyTo := c.r.PathValue("message"), ""
	if reply := c.r.PathValue("reply"); reply != "" {
		id, replyTo = reply, id
	}
	c.t.mu.RLock()
	defer c.t.mu.RUnlock()
	m := c.message(id, replyTo)
	h, ok := c.t.hosted[c.r.PathValue("content")]
	if m == nil || !ok || !m.names(c.r.PathValue("content")) {
		return fail(http.StatusNotFound, "NotFound", "The hosted content was not found.")
	}
	c.w.Header().Set("Content-Type", h.contentType)
	_, _ = c.w.Write(h.data)
	return nil
}

// names reports whether the message has a hosted content in it.
func (m *Message) names(id string) bool {
	raw, err := json.Marshal(m.Attachments)
	return strings.Contains(m.Content, "/hostedContents/"+id+"/") || err == nil && strings.Contains(string(raw), "/hostedContents/"+id+"/")
}
