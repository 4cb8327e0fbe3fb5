package teamstest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"io"
	"maps"
	"net/http"

	"github.com/mspkit/mspkit/teamsapp"
)

// Result is what the bot answered to an activity.
type Result struct {
	// HTTPStatus, Header and Body are the answer itself; of the body at most 1 MiB is read.
	HTTPStatus int
	Header     http.Header
	Body       []byte

	// What follows is read from the answer to an invoke, and zero where there is none.

	// StatusCode and Type are those of the invoke's response.
	StatusCode int
	Type       string
	// Text is what is shown for a moment, or an error's message; Code is the error's code.
	Text, Code string
	// Card takes the place of the one that was pressed.
	Card json.RawMessage
}

// The types of answers to a pressed Action.Execute,
// https://learn.microsoft.com/adaptive-cards/authoring-cards/universal-action-model#response-format.
const (
	TypeMessage = "application/vnd.microsoft.activity.message"
	TypeError   = "application/vnd.microsoft.error"
)

// Deliver posts an activity to the bot with this token, none where it is empty, and changes nothing else. Bytes are sent
// as they are, everything else as JSON. It gives up after 15 s as the Bot Service does.
func (s *Server) Deliver(ctx context.Context, activity any, token string) (Result, error) {
	endpoint := s.messagingEndpoint()
	if endpoint == "" {
		return Result{}, ErrNotConnected
	}
	var body []byte
	switch v := activity.(type) {
	case []byte:
		body = v
	case string:
		body = []byte(v)
	default:
		var err error
		if body, err = json.Marshal(v); err != nil {
			return Result{}, fmt.Errorf("teamstest: the activity: %w", err)
		}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, endpoint, bytes.NewReader(body))
	if err != nil {
		return Result{}, fmt.Errorf("teamstest: deliver: %w", err)
	}
	req.Header.Set("Content-Type", "application/json; charset=utf-8")
	req.Header.Set("User-Agent", "Microsoft-BotFramework/3.1 (teamstest)")
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := s.client.Do(req)
	if err != nil {
		return Result{}, fmt.Errorf("teamstest: deliver: %w", err)
	}
	defer resp.Body.Close() //nolint:errcheck // nothing to do about it
	got, err := io.ReadAll(io.LimitReader(resp.Body, maxBody))
	if err != nil {
		return Result{}, fmt.Errorf("teamstest: the bot's answer: %w", err)
	}
	r := Result{HTTPStatus: resp.StatusCode, Header: resp.Header, Body: got}
	r.read()
	return r, nil
}

// read takes an invoke's response from the body, if it is one.
func (r *Result) read() {
	var in struct {
		StatusCode int             `json:"statusCode"`
		Type       string          `json:"type"`
		Value      json.RawMessage `json:"value"`
	}
	if json.Unmarshal(r.Body, &in) != nil || in.StatusCode == 0 {
		return
	}
	r.StatusCode, r.Type = in.StatusCode, in.Type
	switch in.Type {
	case teamsapp.CardType:
		r.Card = in.Value
	case TypeMessage:
		_ = json.Unmarshal(in.Value, &r.Text)
	case TypeError:
		var e struct{ Code, Message string }
		_ = json.Unmarshal(in.Value, &e)
		r.Code, r.Text = e.Code, e.Message
	}
}

// Say writes text to the bot.
func (p *Person) Say(ctx context.Context, text string) (Result, error) {
	p.s.mu.Lock()
	installed := p.installed
	p.s.mu.Unlock()
	if !installed {
		return Result{}, ErrNotInstalled
	}
	a := p.s.Activity(p, "message")
	a["text"], a["textFormat"] = text, "plain"
	// Desktop clients send what was written a second time.
	a["attachments"] = []any{map[string]any{"contentType": "text/html", "content": "<p>" + html.EscapeString(text) + "</p>"}}
	return p.send(ctx, a)
}

// Press presses the button with this title or verb on m, after filling in its fields. The card is the one that m shows,
// also where it was changed since, as on a client that has not heard of it. A card in the answer takes the place of the
// message's.
func (p *Person) Press(ctx context.Context, m *Message, button string, inputs map[string]string) (Result, error) {
	if m.Person != p {
		return Result{}, errors.New("teamstest: the message is in somebody else's chat, use PressAs")
	}
	r, err := p.press(ctx, m, button, inputs)
	if err != nil || r.Card == nil || r.StatusCode != http.StatusOK || r.HTTPStatus/100 != 2 {
		return r, err
	}
	if err := checkCard(r.Card); err != nil {
		return r, err
	}
	p.s.mu.Lock()
	stored := p.s.message(m.ID)
	if stored != nil && !stored.Deleted {
		c := stored.Content
		c.Card, c.At = r.Card, p.s.o.Now()
		stored.change(c)
		stored.Updated = true
	}
	p.s.mu.Unlock()
	if stored != nil {
		p.s.tell(stored)
	}
	return r, nil
}

// PressAs presses a button of p's message m as somebody who got the card forwarded: sender, tenant and chat are the
// other's, the message that it names is p's.
func (p *Person) PressAs(ctx context.Context, other *Person, m *Message, button string, inputs map[string]string) (Result, error) {
	if m.Person != p {
		return Result{}, errors.New("teamstest: the message is in somebody else's chat")
	}
	return other.press(ctx, m, button, inputs)
}

func (p *Person) press(ctx context.Context, m *Message, button string, inputs map[string]string) (Result, error) {
	action, err := m.action(button, p.OldClient)
	if err != nil {
		return Result{}, err
	}
	data, err := m.fill(action, inputs)
	if err != nil {
		return Result{}, err
	}
	var a map[string]any
	switch kind := action.text("type"); kind {
	case "Action.Execute":
		a = p.s.Activity(p, "invoke")
		a["name"] = "adaptiveCard/action"
		execute := map[string]any{"type": kind, "id": action.text("id"), "verb": action.text("verb"), "data": data}
		a["value"] = map[string]any{"action": execute, "trigger": "manual"}
	case "Action.Submit":
		a = p.s.Activity(p, "message")
		a["value"] = data
	default:
		return Result{}, fmt.Errorf("%w: %q is handled by the client itself", ErrNoButton, button)
	}
	a["replyToId"] = m.ID
	return p.send(ctx, a)
}

// Repeat delivers the person's last activity again, as the Bot Service does where it got no answer: with the same id.
func (p *Person) Repeat(ctx context.Context) (Result, error) { return p.repeat(ctx, false) }

// Again delivers the person's last activity under a new id, as for somebody who presses twice.
func (p *Person) Again(ctx context.Context) (Result, error) { return p.repeat(ctx, true) }

func (p *Person) repeat(ctx context.Context, newID bool) (Result, error) {
	p.s.mu.Lock()
	a := maps.Clone(p.last)
	if newID && a != nil {
		a["id"] = p.s.nextID()
	}
	p.s.mu.Unlock()
	if a == nil {
		return Result{}, errors.New("teamstest: the person has done nothing yet")
	}
	return p.send(ctx, a)
}
