package teamstest

import (
	"context"
	"crypto/rand"
	"fmt"
	"strings"
	"time"
)

// ServiceForm is the form of the service URL that a person's activities carry.
type ServiceForm string

// The forms that Teams uses, here below this server's address.
const (
	RegionalURL ServiceForm = ""       // https://smba.trafficmanager.net/amer/
	TenantURL   ServiceForm = "tenant" // https://smba.trafficmanager.net/amer/{tenant id}/, since 2025
	GlobalURL   ServiceForm = "global" // https://smba.trafficmanager.net/teams/
)

// Person is somebody with Teams. Make one with [Server.AddPerson].
type Person struct {
	// TenantID and ObjectID are in lower case.
	TenantID, ObjectID, Name, Locale string
	// ID is Teams' id of the person for this bot, "29:…".
	ID string

	// OldClient plays a client that does not know Action.Execute. Set it before the person acts.
	OldClient bool
	// Form is the form of the service URL. Set it before the person acts.
	Form ServiceForm

	s *Server
	// What follows is guarded by s.mu.
	chat      string // empty until there is one
	installed bool
	blocked   int
	seen      int // messages that Next returned
	last      map[string]any
}

const (
	blockNone = iota
	blockNew
	blockOld
)

// AddPerson adds a person of the tenant. The app is not installed for them yet. A person who is there already is returned
// as they are.
func (s *Server) AddPerson(tenantID, objectID, name, locale string) *Person {
	p := &Person{
		TenantID: strings.ToLower(tenantID), ObjectID: strings.ToLower(objectID), Name: name, Locale: locale,
		ID: "29:1" + rand.Text() + "_" + rand.Text(), s: s,
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	key := p.TenantID + "/" + p.ObjectID
	if known := s.objects[key]; known != nil {
		return known
	}
	s.people = append(s.people, p)
	s.members[p.ID], s.objects[key] = p, p
	return p
}

// begin makes sure that p has a chat with the bot. It is called with s.mu held.
func (s *Server) begin(p *Person) {
	if p.chat == "" {
		p.chat = "a:1" + rand.Text() + "-" + rand.Text() + rand.Text()
		s.chats[p.chat] = p
	}
}

// Conversation returns the id of the chat with the bot, or nothing where there is none yet.
func (p *Person) Conversation() string {
	p.s.mu.Lock()
	defer p.s.mu.Unlock()
	return p.chat
}

// Lose makes the chat unknown to the Connector. When the bot creates it again it has another id.
func (p *Person) Lose() {
	p.s.mu.Lock()
	defer p.s.mu.Unlock()
	p.chat = ""
}

// Block makes the person refuse messages of the bot. [Person.BlockOld] does it with the older form of the answer.
func (p *Person) Block() { p.block(blockNew) }

// BlockOld is [Person.Block] where the Connector says it as error 209 with JSON in a string.
func (p *Person) BlockOld() { p.block(blockOld) }

// Unblock ends a block.
func (p *Person) Unblock() { p.block(blockNone) }

func (p *Person) block(how int) {
	p.s.mu.Lock()
	defer p.s.mu.Unlock()
	p.blocked = how
}

// DisableByAdmin makes the administrator of a tenant block the app for everybody there.
func (s *Server) DisableByAdmin(tenantID string) { s.setDisabled(tenantID, true) }

// EnableByAdmin ends [Server.DisableByAdmin].
func (s *Server) EnableByAdmin(tenantID string) { s.setDisabled(tenantID, false) }

func (s *Server) setDisabled(tenantID string, on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.disabled[strings.ToLower(tenantID)] = on
}

// Install adds the app and, where the bot is connected, tells it as Teams does: that it is in a chat, and that it was
// installed (https://learn.microsoft.com/microsoftteams/platform/bots/how-to/conversations/subscribe-to-conversation-events).
// An answer of the bot that is no success is an error; the app is installed all the same.
func (p *Person) Install(ctx context.Context) error {
	p.s.mu.Lock()
	p.installed = true
	p.s.begin(p)
	p.s.mu.Unlock()
	return p.announce(ctx, "membersAdded", "add")
}

// Uninstall removes the app and tells the bot, as [Person.Install] does.
func (p *Person) Uninstall(ctx context.Context) error {
	p.s.mu.Lock()
	p.installed = false
	p.s.mu.Unlock()
	return p.announce(ctx, "membersRemoved", "remove")
}

// UninstallSilently removes the app without the bot hearing of it, as where its events got lost.
func (p *Person) UninstallSilently() {
	p.s.mu.Lock()
	defer p.s.mu.Unlock()
	p.installed = false
}

func (p *Person) announce(ctx context.Context, members, action string) error {
	if p.s.messagingEndpoint() == "" {
		return nil
	}
	update := p.s.Activity(p, "conversationUpdate")
	list := []any{map[string]any{"id": "28:" + p.s.appID}}
	if members == "membersAdded" {
		list = append(list, map[string]any{"id": p.ID, "aadObjectId": p.ObjectID})
	}
	update[members] = list
	install := p.s.Activity(p, "installationUpdate")
	install["action"] = action
	for _, a := range []map[string]any{update, install} {
		r, err := p.send(ctx, a)
		if err != nil {
			return err
		}
		if r.HTTPStatus/100 != 2 {
			return fmt.Errorf("teamstest: the bot answered %s with status %d", a["type"], r.HTTPStatus)
		}
	}
	return nil
}

func (s *Server) messagingEndpoint() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.endpoint
}

// ServiceURL is the one that p's activities carry.
func (p *Person) ServiceURL() string {
	switch p.Form {
	case TenantURL:
		return p.s.base + "/amer/" + p.TenantID + "/"
	case GlobalURL:
		return p.s.base + "/teams/"
	case RegionalURL:
	}
	return p.s.base + "/amer/"
}

// Activity returns an activity of p as Teams sends it, to be changed and sent with [Server.Deliver]. A message still
// needs its text, an invoke its name and value.
func (s *Server) Activity(p *Person, kind string) map[string]any {
	s.mu.Lock()
	s.begin(p)
	id, chat := s.nextID(), p.chat
	s.mu.Unlock()
	now := s.o.Now().UTC()
	a := map[string]any{
		"type": kind, "id": id, "timestamp": now.Format(time.RFC3339Nano), "localTimestamp": now.Format(time.RFC3339Nano),
		"channelId": "msteams", "serviceUrl": p.ServiceURL(),
		"from":         map[string]any{"id": p.ID, "name": p.Name, "aadObjectId": p.ObjectID},
		"conversation": map[string]any{"conversationType": "personal", "tenantId": p.TenantID, "id": chat},
		"recipient":    map[string]any{"id": "28:" + s.appID, "name": "Bot"},
		"channelData":  map[string]any{"tenant": map[string]any{"id": p.TenantID}},
	}
	if kind == "message" || kind == "invoke" {
		a["locale"] = p.Locale
		a["entities"] = []any{map[string]any{"type": "clientInfo", "locale": p.Locale, "platform": "Windows"}}
	}
	return a
}

// account is p as the members API tells it.
func (p *Person) account() map[string]any {
	return map[string]any{
		"id": p.ID, "name": p.Name, "objectId": p.ObjectID, "aadObjectId": p.ObjectID, "tenantId": p.TenantID, "userRole": "user",
	}
}

// send delivers an activity of p with a right token.
func (p *Person) send(ctx context.Context, a map[string]any) (Result, error) {
	url, _ := a["serviceUrl"].(string)
	p.s.mu.Lock()
	p.last = a
	p.s.mu.Unlock()
	return p.s.Deliver(ctx, a, p.s.bearer(url))
}
