package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/teamsapp"
	"github.com/mspkit/mspkit/teamsapp/teamstest"
	"github.com/mspkit/mspkit/verify"
	"github.com/mspkit/mspkit/verify/teamschannel"
)

// botPath is where Teams sends what people press and write.
const botPath = "/teams/messages"

// clouds are the values of MSPKIT_BOT_CLOUD.
var clouds = map[string]func() teamsapp.Cloud{
	"": teamsapp.PublicCloud, "public": teamsapp.PublicCloud, "usgov": teamsapp.USGovCloud, "china": teamsapp.ChinaCloud,
}

// playedTeams is Microsoft's side where the bot is not a real one. It outlives a restart of the helpdesk in the
// self-test, as the real one does.
type playedTeams struct {
	*teamstest.Server
	appID, secret string

	mu        sync.Mutex
	clock     func() time.Time
	begun     bool
	installed map[string]bool     // by [person.Teams]
	said      map[string][]spoken // what people wrote to the bot
}

type spoken struct {
	text string
	at   time.Time
}

func playTeams() (*playedTeams, error) {
	t := &playedTeams{
		// A new bot at each start: what an earlier one knew of its people is of a Teams that is gone.
		appID: uuid.NewString(), secret: mspkit.NewKey("t").Export().Reveal(),
		clock: time.Now, installed: map[string]bool{}, said: map[string][]spoken{},
	}
	var err error
	t.Server, err = teamstest.Start(t.appID, t.secret, &teamstest.Options{Now: t.now})
	return t, err
}

func (t *playedTeams) now() time.Time {
	t.mu.Lock()
	clock := t.clock
	t.mu.Unlock()
	return clock()
}

// person returns p as Teams knows them.
func (t *playedTeams) person(p person) *teamstest.Person {
	tid, oid, _ := strings.Cut(p.Teams, "/")
	return t.AddPerson(tid, oid, p.Name, p.Locale)
}

func (t *playedTeams) has(p person) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.installed[p.Teams]
}

// install adds the app to p's Teams or removes it.
func (t *playedTeams) install(ctx context.Context, p person, on bool) error {
	change := t.person(p).Uninstall
	if on {
		change = t.person(p).Install
	}
	err := change(ctx) // the bot hears of it, and where it does not, it is done all the same
	t.mu.Lock()
	t.installed[p.Teams] = on
	t.mu.Unlock()
	return err
}

// teamsChannel makes the bot and the way to reach people by it. After the service is there, [app.serveTeams] gives the
// bot its ears.
func (a *app) teamsChannel(ring *mspkit.KeyRing, s stores) (verify.Channel, error) {
	app := teamsapp.App{ID: a.cfg.botID, TenantID: a.cfg.botTenant, Credential: teamsapp.ClientSecret(a.cfg.botSecret.Reveal())}
	o := &teamsapp.Options{Now: a.now, Logger: a.cfg.log}
	if a.cfg.realTeams {
		o.Cloud = clouds[a.cfg.botCloud]()
	} else {
		if a.teams = a.cfg.teams; a.teams == nil {
			var err error
			if a.teams, err = playTeams(); err != nil {
				return nil, err
			}
			a.closers = append(a.closers, func() error { a.teams.Close(); return nil })
		}
		if a.cfg.beside == nil {
			a.teams.mu.Lock()
			a.teams.clock = a.now
			a.teams.mu.Unlock()
			a.teams.Connect(a.cfg.url + botPath)
		}
		app = teamsapp.App{ID: a.teams.appID, TenantID: a.teams.AppTenant(), Credential: teamsapp.ClientSecret(a.teams.secret)}
		o.Cloud = a.teams.Cloud()
	}
	var err error
	if a.bot, err = teamsapp.New(app, ring, s.conversations, a.customer, o); err != nil {
		return nil, err
	}
	if err := a.openTeamsDesk(ring, s); err != nil {
		return nil, err
	}
	return teamschannel.New(a.reach, a.teamsOptions())
}

func (a *app) teamsOptions() *teamschannel.Options {
	here := func(mspkit.TenantID) *time.Location { return time.Local }
	return &teamschannel.Options{Help: true, Location: here, Now: a.now, Logger: a.cfg.log}
}

func (a *app) serveTeams() error {
	if err := teamschannel.Register(a.bot, a.verify, a.teamsOptions()); err != nil {
		return err
	}
	a.handle(botPath, a.bot)
	return nil
}

// customer knows the Entra tenants of the clients. A real host has them from the onboarding.
func (a *app) customer(_ context.Context, entraTenant string) (mspkit.TenantID, error) {
	for _, p := range a.people {
		if tid, _, ok := strings.Cut(p.Teams, "/"); ok && tid == entraTenant {
			return p.Tenant, nil
		}
	}
	return "", teamsapp.ErrUnknownTenant
}

// installTeams plays what the client's administrator has done before: the app is there for everybody but those who show
// what happens without it. The bot hears of it, so it is called when it listens.
func (a *app) installTeams(ctx context.Context) error {
	if a.teams == nil || a.teams.begun {
		return nil
	}
	a.teams.begun = true
	for _, p := range a.people {
		if p.Teams == "" || p.NoApp {
			continue
		}
		if err := a.teams.install(ctx, p, true); err != nil {
			return fmt.Errorf("install the app for %s: %w", p.ID, err)
		}
	}
	return nil
}

// What the player does on the person's device.

var errRealTeams = errors.New("cards go to Microsoft's Teams, use the real device")

// inTeams returns p's side of the played Teams.
func (a *app) inTeams(p person) (*teamstest.Person, error) {
	switch {
	case p.Teams == "":
		return nil, fmt.Errorf("%s has no Teams", p.Name)
	case a.teams == nil:
		return nil, errRealTeams
	}
	return a.teams.person(p), nil
}

// doPress presses a button of a card as the person. The fields of the form that begin with "in." are those of the card.
func (a *app) doPress(r *http.Request, p person, _ technician) (any, error) {
	who, err := a.inTeams(p)
	if err != nil {
		return nil, err
	}
	if !a.teams.has(p) {
		return nil, teamstest.ErrNotInstalled
	}
	m := a.teams.Message(r.PostForm.Get("message"))
	if m == nil || m.Deleted || m.Person != who {
		return nil, errors.New("this message is not in the chat any more")
	}
	button := r.PostForm.Get("button")
	if button == "" {
		return nil, teamstest.ErrNoButton
	}
	inputs := map[string]string{}
	for name := range r.PostForm {
		if id, ok := strings.CutPrefix(name, "in."); ok {
			inputs[id] = r.PostForm.Get(name)
		}
	}
	return said(who.Press(r.Context(), m, button, inputs))
}

// maxSaid is the longest message that a person may write, in characters.
const maxSaid = 500

func (a *app) doSay(r *http.Request, p person, _ technician) (any, error) {
	who, err := a.inTeams(p)
	if err != nil {
		return nil, err
	}
	text := strings.TrimSpace(r.PostForm.Get("text"))
	if n := utf8.RuneCountInString(text); n == 0 || n > maxSaid || !utf8.ValidString(text) {
		return nil, fmt.Errorf("write 1 to %d characters", maxSaid)
	}
	at := a.now()
	res, err := who.Say(r.Context(), text)
	if err == nil {
		a.teams.mu.Lock()
		a.teams.said[p.Teams] = append(a.teams.said[p.Teams], spoken{text, at})
		a.teams.mu.Unlock()
	}
	return said(res, err)
}

// said returns what the bot shows for a moment.
func said(r teamstest.Result, err error) (any, error) {
	if err != nil {
		return nil, err
	}
	if r.HTTPStatus/100 != 2 {
		return nil, fmt.Errorf("the bot answered with status %d", r.HTTPStatus)
	}
	return map[string]any{"text": r.Text}, nil
}

func (a *app) doInstall(r *http.Request, p person, _ technician) (any, error) {
	if _, err := a.inTeams(p); err != nil {
		return nil, err
	}
	switch on := r.PostForm.Get("on"); on {
	case "true", "false":
		return nil, a.teams.install(r.Context(), p, on == "true")
	}
	return nil, errors.New(`"on" must be true or false`)
}

// explainTeams says what is wrong on the person's device, or nothing.
func explainTeams(err error) string {
	switch {
	case errors.Is(err, teamstest.ErrNotInstalled):
		return "The app is not installed in this person's Teams."
	case errors.Is(err, teamstest.ErrNoButton):
		return "The card does not have this button any more."
	case errors.Is(err, teamstest.ErrInput):
		return "A field of the card is not filled in as it asks for."
	}
	return ""
}

// chatJSON is one message in the chat of a person with the bot.
type chatJSON struct {
	ID            string
	Mine          bool // the person wrote it
	Text, Summary string
	Card          json.RawMessage `json:",omitempty"`
	At            int64
}

// chat returns what stands in p's chat, the oldest first.
func (a *app) chat(p person) []chatJSON {
	out := []chatJSON{}
	if p.Teams == "" || a.teams == nil {
		return out
	}
	for _, m := range a.teams.Messages(a.teams.person(p)) {
		if m.Deleted {
			continue
		}
		first := m.Content
		if len(m.History) > 0 {
			first = m.History[0]
		}
		out = append(out, chatJSON{ID: m.ID, Text: m.Text, Summary: m.Summary, Card: m.Card, At: first.At.UnixMilli()})
	}
	a.teams.mu.Lock()
	for i, s := range a.teams.said[p.Teams] {
		out = append(out, chatJSON{ID: fmt.Sprintf("said-%d", i), Mine: true, Text: s.text, At: s.at.UnixMilli()})
	}
	a.teams.mu.Unlock()
	slices.SortStableFunc(out, func(x, y chatJSON) int { return cmp.Compare(x.At, y.At) })
	return out
}
