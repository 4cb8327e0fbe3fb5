package changefeed

import (
	"encoding/json"
	"errors"
	"strings"
	"time"
)

// What a message may bring. Teams has less.
const (
	maxAttachments = 100
	maxReactions   = 500
)

// chatMessage is a message as Graph writes it (https://learn.microsoft.com/graph/api/resources/chatmessage).
type chatMessage struct {
	ID       string     `json:"id"`
	ReplyTo  string     `json:"replyToId"`
	ETag     string     `json:"etag"`
	Type     string     `json:"messageType"`
	Created  *time.Time `json:"createdDateTime"`
	Modified *time.Time `json:"lastModifiedDateTime"`
	Deleted  *time.Time `json:"deletedDateTime"`
	Subject  string     `json:"subject"`
	ChatID   string     `json:"chatId"`
	Channel  *struct {
		Team string `json:"teamId"`
		ID   string `json:"channelId"`
	} `json:"channelIdentity"`
	From        *identitySet        `json:"from"`
	Body        *messageBody        `json:"body"`
	Attachments []messageAttachment `json:"attachments"`
	Reactions   []messageReaction   `json:"reactions"`
}

type identitySet struct {
	User        *identity `json:"user"`
	Application *identity `json:"application"`
}

type identity struct {
	ID   string `json:"id"`
	Name string `json:"displayName"`
}

type messageBody struct {
	Type    string `json:"contentType"`
	Content string `json:"content"`
}

type messageAttachment struct {
	ID          string `json:"id"`
	ContentType string `json:"contentType"`
	URL         string `json:"contentUrl"`
	Content     string `json:"content"`
	Name        string `json:"name"`
}

type messageReaction struct {
	Type string       `json:"reactionType"`
	User *identitySet `json:"user"`
}

var (
	errUnreadable = errors.New("the resource cannot be read")
	errElsewhere  = errors.New("the content is of another resource than the notification names")
)

// readMessage reads a message that is said to be at t.
func readMessage(raw []byte, t target) (*chatMessage, error) {
	var m chatMessage
	if json.Unmarshal(raw, &m) != nil || m.ID == "" {
		return nil, errUnreadable // the decoder's error quotes the message
	}
	id := t.message
	if t.reply != "" {
		id = t.reply
	}
	switch {
	case m.ID != id,
		m.ChatID != "" && m.ChatID != t.chat, // also of a message of a channel, which has none
		t.reply != "" && m.ReplyTo != "" && m.ReplyTo != t.message,
		m.Channel != nil && (!strings.EqualFold(m.Channel.Team, t.team) || m.Channel.ID != t.channel):
		return nil, errElsewhere
	}
	return &m, nil
}

// change is what happened to a message: what the notification says, or as far as it tells itself.
func (m *chatMessage) change(said Change) Change {
	switch {
	case m.Deleted != nil:
		return Deleted
	case said != "":
		return said
	case m.ETag != "" && m.ETag == m.ID, m.Created != nil && m.Modified != nil && m.Created.Equal(*m.Modified):
		return Created
	}
	return Updated
}

// version tells the states of a message apart.
func (m *chatMessage) version(raw []byte) string {
	switch {
	case m.ETag != "":
		return m.ETag
	case m.Modified != nil:
		return m.Modified.UTC().Format(time.RFC3339Nano)
	}
	return digest(string(raw))
}

// message is m for handlers.
func (m *chatMessage) message(t target) *Message {
	out := &Message{
		ID: m.ID, ChatID: t.chat, TeamID: t.team, ChannelID: t.channel, ReplyToID: m.ReplyTo, Subject: cleanText(m.Subject),
		Deleted: m.Deleted != nil, System: m.Type == "systemEventMessage",
	}
	if t.reply != "" {
		out.ReplyToID = t.message
	}
	out.From, out.Hosted = m.From.person(), m.hosted()
	if b := m.Body; b != nil {
		if strings.EqualFold(b.Type, "html") {
			out.HTML, out.Text = b.Content, plainText(b.Content)
		} else {
			out.Text = cleanText(b.Content)
		}
	}
	for i, a := range m.Attachments {
		if i == maxAttachments {
			break
		}
		out.Attachments = append(out.Attachments, Attachment{ID: a.ID, Name: a.Name, ContentType: a.ContentType, URL: a.URL, Content: a.Content})
	}
	for i, r := range m.Reactions {
		if i == maxReactions {
			break
		}
		out.Reactions = append(out.Reactions, Reaction{Type: r.Type, ObjectID: r.User.person().ObjectID})
	}
	return out
}

func (s *identitySet) person() Person {
	switch {
	case s == nil:
	case s.User != nil:
		return Person{ObjectID: s.User.ID, Name: cleanText(s.User.Name)}
	case s.Application != nil:
		return Person{AppID: s.Application.ID, Name: cleanText(s.Application.Name)}
	}
	return Person{}
}
