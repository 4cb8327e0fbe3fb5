package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/mspkit/mspkit/teamsapp"
	"github.com/mspkit/mspkit/teamsapp/teamstest"
	"github.com/mspkit/mspkit/verify"
)

// selftest plays the whole story against a Teams of its own, on the wire. It prints what happens and fails at the first
// deviation.
func selftest(ctx context.Context, out io.Writer) (err error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	p := &player{ctx: ctx, out: out, terminal: &terminal{}}
	appID, secret, contoso := uuid.NewString(), uuid.NewString(), uuid.NewString()
	if p.teams, err = teamstest.Start(appID, secret, nil); err != nil {
		return err
	}
	defer p.teams.Close()
	cfg := config{
		app:   teamsapp.App{ID: appID, TenantID: p.teams.AppTenant(), Credential: teamsapp.ClientSecret(secret)},
		cloud: p.teams.Cloud(), tenants: []string{contoso},
	}
	if p.app, err = newApp(cfg, p.terminal); err != nil {
		return err
	}
	l, err := listen(ctx, "127.0.0.1:0", true)
	if err != nil {
		return err
	}
	p.teams.Connect("http://" + l.Addr().String() + path)
	p.dana = p.teams.AddPerson(contoso, uuid.NewString(), "Dana", "en-US")
	p.mallory = p.teams.AddPerson(contoso, uuid.NewString(), "Mallory", "en-US")
	p.eve = p.teams.AddPerson(uuid.NewString(), uuid.NewString(), "Eve", "en-US")

	serving, stop := context.WithCancel(ctx)
	served := make(chan error, 1)
	go func() { served <- p.app.serve(serving, l) }()
	defer func() {
		stop()
		if e := <-served; !errors.Is(e, http.ErrServerClosed) {
			err = errors.Join(err, e)
		}
	}()
	defer func() {
		switch r := recover().(type) {
		case nil:
		case deviation:
			err = fmt.Errorf("the story went another way: %s", string(r))
		default:
			panic(r)
		}
	}()
	for i, chapter := range []struct {
		title string
		play  func()
	}{
		{"Dana and Mallory install the app", p.install},
		{"Dana asks what she can do", p.help},
		{"Dana phones and shows that it is her", p.number},
		{"The card is forwarded", p.forwarded},
		{"Dana asks who she is talking to", p.who},
		{"News for everybody", p.toAll},
		{"Mallory removes the app", p.uninstall},
		{"Somebody pretends to be Teams", p.impostor},
	} {
		p.print("%d. %s", i+1, chapter.title)
		chapter.play()
		p.print("")
	}
	p.print("The story went as it should.")
	return nil
}

// player plays everybody but the bot.
type player struct {
	ctx                context.Context //nolint:containedctx // one run, from beginning to end
	out                io.Writer
	teams              *teamstest.Server
	app                *app
	terminal           *terminal
	dana, mallory, eve *teamstest.Person
	card               *teamstest.Message
	number3            string
}

type deviation string

func (p *player) print(format string, args ...any) { _, _ = fmt.Fprintf(p.out, format+"\n", args...) }

func (p *player) say(format string, args ...any) { p.print("   "+format, args...) }

// must stops the story where something is not as it should be.
func (p *player) must(ok bool, format string, args ...any) {
	if !ok {
		panic(deviation(fmt.Sprintf(format, args...)))
	}
}

func (p *player) no(err error) { p.must(err == nil, "unexpected error: %v", err) }

// next waits for the next message in somebody's chat.
func (p *player) next(who *teamstest.Person) *teamstest.Message {
	ctx, cancel := context.WithTimeout(p.ctx, 15*time.Second)
	defer cancel()
	m, err := p.teams.Next(ctx, who)
	p.no(err)
	return m
}

func (p *player) write(who *teamstest.Person, text string) {
	r, err := who.Say(p.ctx, text)
	p.no(err)
	p.must(r.HTTPStatus == http.StatusOK, "%q was answered with status %d", text, r.HTTPStatus)
}

func (p *player) press(button, typed string) {
	m := p.teams.Message(p.card.ID)
	r, err := p.dana.Press(p.ctx, m, button, map[string]string{"answer": typed})
	p.no(err)
	p.must(r.StatusCode == http.StatusOK && r.Card != nil, "pressing %q was answered with %d", button, r.StatusCode)
}

// says reports whether a text on the card, as it is now, holds what.
func (p *player) says(what string) bool {
	return strings.Contains(strings.Join(p.teams.Message(p.card.ID).Texts(), "\n"), what)
}

func (p *player) install() {
	p.no(p.dana.Install(p.ctx))
	p.no(p.mallory.Install(p.ctx))
	p.must(p.terminal.count("was installed for "+p.dana.TenantID) > 0, "the bot did not hear of the installation")
	p.say("The bot hears of both.")
	err := p.eve.Install(p.ctx)
	p.must(err != nil && strings.Contains(err.Error(), "403"), "Eve's tenant is no customer, and the answer was: %v", err)
	p.say("Eve of another tenant, which is no customer, is refused.")
}

func (p *player) help() {
	p.write(p.dana, "help")
	m := p.next(p.dana)
	p.must(slices.Contains(m.Buttons(), "Who is calling me?"), "the help has the buttons %q", m.Buttons())
	p.say("The bot answers: %q", m.Summary)
}

func (p *player) number() {
	p.write(p.dana, "verify")
	p.card = p.next(p.dana)
	p.number3 = p.terminal.find(`Say this number on the phone: (\d{3})`)
	p.must(p.number3 != "", "the terminal shows no number")
	for _, text := range append(p.card.Texts(), p.card.Summary) {
		p.must(!slices.Contains(strings.FieldsFunc(text, notDigit), p.number3), "the card shows the number: %q", text)
	}
	p.must(p.says(technician.Name), "the card does not say who asks")
	p.say("A card appears: %q. The number for it is on the technician's terminal only.", p.card.Summary)
	p.press("Confirm that it is me", other(p.number3))
	p.must(p.says("That was not the number"), "a wrong number left %q", p.teams.Message(p.card.ID).Texts())
	p.say("She mishears and types another number: %q", "That was not the number.")
}

func (p *player) forwarded() {
	m := p.teams.Message(p.card.ID)
	for _, thief := range []*teamstest.Person{p.mallory, p.eve} {
		r, err := p.dana.PressAs(p.ctx, thief, m, "Confirm that it is me", map[string]string{"answer": p.number3})
		p.no(err)
		p.must(r.Card == nil, "%s was taken for Dana", thief.Name)
		if thief == p.mallory {
			p.must(r.Type == teamstest.TypeMessage, "Mallory was answered with %q", r.Type)
			p.say("Mallory presses it, with the right number: %q", r.Text)
			continue
		}
		p.must(r.HTTPStatus == http.StatusForbidden, "Eve was answered with %d", r.HTTPStatus)
		p.say("Eve presses it: her tenant is no customer, status 403.")
	}
	p.must(p.terminal.count(string(verify.EventConfirmed)) == 0, "somebody else was confirmed")
	p.press("Confirm that it is me", p.number3)
	now := p.teams.Message(p.card.ID)
	p.must(p.says("Thank you, it is confirmed") && len(now.Inputs()) == 0, "the right number left %q", now.Texts())
	p.until("the terminal to say so", func() bool { return p.terminal.count(string(verify.EventConfirmed)) == 1 })
	p.say("Dana types the right one: %q The field is gone, and the terminal says so.", "Thank you, it is confirmed.")
}

func (p *player) who() {
	p.write(p.dana, "who")
	p.card = p.next(p.dana)
	p.must(p.says(technician.Name), "the card does not name the technician: %q", p.card.Texts())
	words := ""
	p.until("the words on the terminal", func() bool {
		words = p.terminal.find(`Say these words on the phone: (\S.*)`)
		return words != ""
	})
	p.must(!p.says(words), "the card shows the words")
	p.press("Check the words", words)
	p.must(p.says("This is really "+technician.Name), "the right words left %q", p.teams.Message(p.card.ID).Texts())
	p.say("The card names %s and asks for the two words that stand on the terminal. They fit: it is really her.", technician.Name)
	p.write(p.mallory, "who")
	m := p.next(p.mallory)
	p.must(strings.Contains(m.Summary, "we know of no call with you"), "Mallory is told %q", m.Summary)
	p.say("Mallory, with whom nobody is on the phone, asks too: %q", m.Summary)
}

func (p *player) toAll() {
	p.app.toAll(p.ctx)
	for _, who := range []*teamstest.Person{p.dana, p.mallory} {
		m := p.next(who)
		p.must(m.Alert && m.Summary == "News from your helpdesk", "%s got %q", who.Name, m.Summary)
	}
	p.must(p.terminal.count("2 reached") == 1, "the terminal does not say whom it reached")
	p.say("Enter is pressed at the terminal: both get %q", "News from your helpdesk")
}

func (p *player) uninstall() {
	p.no(p.mallory.Uninstall(p.ctx))
	p.app.toAll(p.ctx)
	p.must(p.next(p.dana).Summary == "News from your helpdesk", "Dana got nothing")
	p.must(p.terminal.count("1 reached") == 1, "Mallory was written to")
	p.say("She gets no news any more; Dana does.")
	p.dana.UninstallSilently()
	p.app.toAll(p.ctx)
	p.must(p.terminal.count("0 reached") == 1 && p.terminal.count("was not reached") == 1, "nobody says that Dana was not reached")
	p.say("Dana removes it and the news of that gets lost: the terminal says that she was not reached, and why.")
}

func (p *player) impostor() {
	a := p.teams.Activity(p.dana, "message")
	a["text"] = "verify"
	before := p.terminal.count("")
	for what, token := range map[string]string{
		"without a token": "", "with a token that nobody signed": p.teams.Sign(p.teams.Claims(p.dana.ServiceURL()), &teamstest.SignOptions{Alg: "none"}),
	} {
		r, err := p.teams.Deliver(p.ctx, a, token)
		p.no(err)
		p.must(r.HTTPStatus == http.StatusUnauthorized, "an activity %s was answered with %d", what, r.HTTPStatus)
	}
	p.must(p.terminal.count("") == before, "something was done")
	p.say("Without a token, or with one that nobody signed: status 401, and nothing is done.")
}

// until waits for something that happens in the background.
func (p *player) until(what string, ok func() bool) {
	for end := time.Now().Add(15 * time.Second); !ok(); {
		p.must(time.Now().Before(end), "waited in vain for %s", what)
		select {
		case <-p.ctx.Done():
			p.no(p.ctx.Err())
		case <-time.After(10 * time.Millisecond):
		}
	}
}

func notDigit(r rune) bool { return r < '0' || r > '9' }

// other returns another number of three digits.
func other(number string) string {
	if number[0] == '9' {
		return "1" + number[1:]
	}
	return string(number[0]+1) + number[1:]
}

// terminal keeps what the bot prints.
type terminal struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (t *terminal) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.text.Write(b)
}

func (t *terminal) count(what string) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.Count(t.text.String(), what)
}

// find returns what the first group of the pattern last matched.
func (t *terminal) find(pattern string) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	all := regexp.MustCompile(pattern).FindAllStringSubmatch(t.text.String(), -1)
	if len(all) == 0 {
		return ""
	}
	return all[len(all)-1][1]
}
