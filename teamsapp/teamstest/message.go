package teamstest

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"time"
)

// Content is what a message says at one time.
type Content struct {
	Text, Summary string
	// Card is the Adaptive Card, nil where there is none.
	Card json.RawMessage
	// Alert says that the bot asked for a notification on the person's devices.
	Alert bool
	// Raw is the activity as it came; after a card was replaced by a press it is still the one before.
	Raw json.RawMessage
	// At is when it became so.
	At time.Time
}

// Message is a message of the bot in a person's chat, as it was when it was asked for.
type Message struct {
	ID string
	// Conversation is the id of the chat, ReplyTo the message that it answers, if any.
	Conversation, ReplyTo string
	// Person is whose chat it is.
	Person *Person
	// Content is what it says now; it is empty once the message is deleted.
	Content
	Updated, Deleted bool
	// History is what it said before, the oldest first.
	History []Content
}

func (m *Message) copy() *Message {
	c := *m
	c.History = slices.Clone(m.History)
	return &c
}

// Messages returns the bot's messages in p's chat, the oldest first.
func (s *Server) Messages(p *Person) []*Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []*Message
	for _, m := range s.messages {
		if m.Person == p {
			out = append(out, m.copy())
		}
	}
	return out
}

// Message returns a message as it is now, or nil where there is none with this id.
func (s *Server) Message(id string) *Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	if m := s.message(id); m != nil {
		return m.copy()
	}
	return nil
}

func (s *Server) message(id string) *Message {
	for _, m := range slices.Backward(s.messages) {
		if m.ID == id {
			return m
		}
	}
	return nil
}

// Subscribe calls f for each message that is new, changed or deleted, before the bot has its answer, until cancel is
// called. f must not block and may be called by several goroutines at once.
func (s *Server) Subscribe(f func(Message)) (cancel func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.subscribed++
	id := s.subscribed
	s.subscribers[id] = f
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.subscribers, id)
	}
}

// tell wakes those who wait for messages. It is called without s.mu.
func (s *Server) tell(m *Message) {
	s.mu.Lock()
	c := m.copy()
	close(s.changed)
	s.changed = make(chan struct{})
	fs := make([]func(Message), 0, len(s.subscribers))
	for _, f := range s.subscribers {
		fs = append(fs, f)
	}
	s.mu.Unlock()
	for _, f := range fs {
		f(*c.copy())
	}
}

// Next waits for the next message in p's chat that no call of Next has returned yet.
func (s *Server) Next(ctx context.Context, p *Person) (*Message, error) {
	for {
		s.mu.Lock()
		var next *Message
		n := 0
		for _, m := range s.messages {
			if m.Person != p {
				continue
			}
			if n == p.seen {
				next = m.copy()
				p.seen++
				break
			}
			n++
		}
		changed := s.changed
		s.mu.Unlock()
		if next != nil {
			return next, nil
		}
		if err := wait(ctx, changed); err != nil {
			return nil, err
		}
	}
}

// Until waits until ok holds for a message in p's chat, and returns that message.
func (s *Server) Until(ctx context.Context, p *Person, ok func(*Message) bool) (*Message, error) {
	for {
		s.mu.Lock()
		changed := s.changed
		s.mu.Unlock()
		for _, m := range s.Messages(p) {
			if ok(m) {
				return m, nil
			}
		}
		if err := wait(ctx, changed); err != nil {
			return nil, err
		}
	}
}

func wait(ctx context.Context, changed <-chan struct{}) error {
	select {
	case <-changed:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("teamstest: no such message came: %w", ctx.Err())
	}
}

// put stores a new message. It is called with s.mu held.
func (s *Server) put(p *Person, replyTo string, c Content) *Message {
	m := &Message{ID: s.nextID(), Conversation: p.chat, ReplyTo: replyTo, Person: p, Content: c}
	s.messages = append(s.messages, m)
	return m
}

// change replaces what a message says. It is called with s.mu held.
func (m *Message) change(c Content) {
	m.History = append(m.History, m.Content)
	m.Content = c
}

// nextID returns an id as Teams makes them, of the time in milliseconds. It is called with s.mu held.
func (s *Server) nextID() string {
	s.lastID = max(s.lastID+1, s.o.Now().UnixMilli())
	return strconv.FormatInt(s.lastID, 10)
}
