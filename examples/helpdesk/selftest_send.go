package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/securesend"
	"github.com/mspkit/mspkit/securesend/client"
	"github.com/mspkit/mspkit/teamsapp/teamstest"
	"github.com/mspkit/mspkit/verify"
)

// The technician sends by the portal's API, as the page does. The recipient opens by package client, which speaks to the
// pages' handler as their script does.

// attached is a file that is sent.
type attached struct {
	name string
	data []byte
}

// trySend fills in the form of the page.
func (p *player) trySend(files []attached, fields ...string) (sentJSON, string) {
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	field := func(name, value string) { p.no(form.WriteField(name, value)) }
	for _, f := range [][2]string{{"person", p.person}, {"tenant", p.tenant}} {
		field(f[0], f[1])
	}
	for i := 0; i+1 < len(fields); i += 2 {
		field(fields[i], fields[i+1])
	}
	if len(files) > 0 {
		field("files", strconv.Itoa(len(files)))
	}
	for _, f := range files {
		field("name", f.name)
		field("size", strconv.Itoa(len(f.data)))
	}
	for _, f := range files {
		w, err := form.CreateFormFile("file", f.name)
		p.no(err)
		_, err = w.Write(f.data)
		p.no(err)
	}
	p.no(form.Close())
	r, err := http.NewRequestWithContext(p.ctx, http.MethodPost, p.app.cfg.url+"/api/send", &body)
	p.no(err)
	r.Header.Set("Content-Type", form.FormDataContentType())
	res, err := p.desk(p.technician).Do(r)
	p.no(err)
	defer func() { _ = res.Body.Close() }()
	return p.sentReply(res.Body)
}

func (p *player) sentReply(body io.Reader) (sentJSON, string) {
	var v struct {
		sentJSON
		Error string `json:"error"`
	}
	p.no(json.NewDecoder(body).Decode(&v))
	return v.sentJSON, v.Error
}

// send sends, or stops the story, and remembers what must be found nowhere.
func (p *player) send(files []attached, fields ...string) sentJSON {
	s, refused := p.trySend(files, fields...)
	p.must(refused == "", "the send was refused: %s", refused)
	for i := 0; i+1 < len(fields); i += 2 {
		if fields[i] == "text" || fields[i] == "passphrase" {
			p.secrets = append(p.secrets, fields[i+1])
		}
	}
	p.hide(s.Link, s.Number)
	return s
}

// hide remembers a link and a number as secrets.
func (p *player) hide(link, number string) {
	if l, err := securesend.ParseLink(link); err == nil {
		_, fragment, _ := strings.Cut(link, "#")
		p.secrets = append(p.secrets, link, l.Token.Reveal())
		if fragment != "" {
			p.secrets = append(p.secrets, fragment)
		}
	}
	if number != "" {
		p.numbers = append(p.numbers, number)
	}
}

// linkOn sends by f and returns the link that arrives on a device.
func (p *player) linkOn(device string, f func() sentJSON) (string, sentJSON) {
	before := len(p.on(device))
	s := f()
	m := p.message(device, before)
	p.must(m.Link != "", "the message has no link: %s", shorten(m.Text))
	p.must(s.Number == "" || !strings.Contains(strings.Replace(m.Text, m.Link, "", 1)+m.Subject, s.Number), "the message holds the number")
	p.must(strings.Count(m.Text, m.Link) == 1 && !strings.Contains(m.Subject, m.Link), "the link must stand in the message once")
	p.hide(m.Link, s.Number)
	return m.Link, s
}

// status is a send as Jane's list shows it.
func (p *player) status(id string) sendJSON {
	list := p.see().Sends
	i := slices.IndexFunc(list, func(s sendJSON) bool { return s.ID == id })
	p.must(i >= 0, "the send is not in the list")
	return list[i]
}

// unseal opens a link as its recipient.
func (p *player) unseal(link string, o client.OpenOptions) (*client.Content, error) {
	if o.HTTPClient == nil {
		o.HTTPClient = p.client
	}
	return client.Open(p.ctx, link, &o)
}

func numbered(n string) client.OpenOptions { return client.OpenOptions{Number: mspkit.Redact(n)} }

// read opens a link, compares the text and says that it has arrived.
func (p *player) read(link, number, want string) {
	got, err := p.unseal(link, numbered(number))
	p.must(err == nil, "it does not open: %v", err)
	p.must(got.Text.Reveal() == want, "another text has arrived")
	p.no(got.Done(p.ctx))
}

func (p *player) sendText() {
	const text = "Your new password is Tabby-Orbit-73."
	link, s := p.linkOn("sms", func() sentJSON { return p.send(nil, "text", text, "deliver", "sms") })
	p.must(s.Link == "", "the link is with Jane although it was sent")
	title, _ := p.page(link, nil)
	p.say("Jane writes a password and presses Send. Dana's phone gets a link, the page says: %q. It asks for a number.", title)
	got, err := p.unseal(link, numbered(""))
	p.must(got == nil && errors.Is(err, securesend.ErrNumber), "without the number: %v", err)
	p.must(p.status(s.ID).Tries == 2 && p.status(s.ID).Refusals == 0, "nothing was typed, and that was counted")

	claim := securesend.RandomKey()
	o := numbered(full(s.Number))
	o.Claim = claim
	got, err = p.unseal(link, o)
	p.must(err == nil && got.Text.Reveal() == text, "Dana does not get the text: %v", err)
	p.say("Jane says the number on the phone, Dana types it and reads: %q", got.Text.Reveal())
	_, err = p.unseal(link, numbered(s.Number))
	p.must(errors.Is(err, securesend.ErrOpening), "a second reader: %v", err)
	again, err := p.unseal(link, o)
	p.must(err == nil && again.Text.Reveal() == text, "Dana's own page, loaded again: %v", err)
	p.must(p.status(s.ID).Views == 1, "loading again counted as a view")
	p.say("A second reader, who has the link and the number: %q Dana's own page may be loaded again.", saidOf(securesend.ErrOpening))
	p.no(got.Done(p.ctx))
	_, err = p.unseal(link, numbered(s.Number))
	p.must(errors.Is(err, securesend.ErrEnded), "after the end: %v", err)
	p.must(p.status(s.ID).State == "acknowledged", "the state is %s", p.status(s.ID).State)
	p.say("It has arrived, so it is burnt. The second reader, a moment later: %q", saidOf(securesend.ErrEnded))
}

// saidOf is an error as a sentence.
func saidOf(err error) string {
	s := err.Error()
	return strings.ToUpper(s[:1]) + s[1:] + "."
}

func (p *player) sendFiles() {
	big := attached{"Übergabe 2026.zip", make([]byte, 9<<20+1234)}
	_, _ = rand.Read(big.data)
	small := attached{"../../etc/notes.txt", []byte("Port 14 is the printer.\n")}
	p.secrets = append(p.secrets, string(small.data), string(big.data[:32]), string(big.data[8<<20:8<<20+32]))
	link, s := p.linkOn("mail", func() sentJSON {
		return p.send([]attached{big, small}, "text", "The archive, and a note.", "deliver", "email")
	})
	steps := 0
	o := numbered(s.Number)
	o.Progress = func(client.Progress) { steps++ }
	got, err := p.unseal(link, o)
	p.must(err == nil && len(got.Files) == 2, "Dana does not get the files: %v", err)
	p.must(got.Files[1].Name == "notes.txt", "the name of a file is %q", got.Files[1].Name)
	for i, f := range []attached{big, small} {
		r, err := got.File(p.ctx, i)
		p.no(err)
		data, err := io.ReadAll(r)
		p.must(err == nil && sha256.Sum256(data) == sha256.Sum256(f.data), "file %d is not what was sent: %v", i+1, err)
		p.no(r.Close())
	}
	p.no(got.Done(p.ctx))
	p.must(steps > 2, "there was no progress")
	p.until("the end", func() bool { return p.status(s.ID).State == "acknowledged" })
	p.say("By e-mail go %q (%.1f MB) and a file whose name would lead elsewhere, which becomes %q.", got.Files[0].Name, float64(len(big.data))/(1<<20), got.Files[1].Name)
	p.say("They were sealed in pieces and opened at Dana's. Both are, byte for byte, what Jane sent.")
	p.until("the deletion of the files", func() bool { return p.kept() == 0 })
	p.say("The server's copies are gone.")
}

// dropper loses the first answers of some routes, after the server has done what it was asked.
type dropper struct {
	under http.RoundTripper
	left  map[string]int
	lost  []string
}

func (d *dropper) RoundTrip(r *http.Request) (*http.Response, error) {
	res, err := d.under.RoundTrip(r)
	what := r.URL.Path[strings.LastIndex(r.URL.Path, "/")+1:]
	if err == nil && d.left[what] > 0 {
		d.left[what]--
		d.lost = append(d.lost, what)
		_, err = io.Copy(io.Discard, res.Body)
		err = errors.Join(errors.New("the connection was reset"), err, res.Body.Close())
		return nil, err
	}
	return res, err
}

func (p *player) sendDropped() {
	file := attached{"minutes.pdf", make([]byte, 3<<20)}
	_, _ = rand.Read(file.data)
	const text = "Read this before the meeting."
	link, s := p.linkOn("sms", func() sentJSON { return p.send([]attached{file}, "text", text, "deliver", "sms") })
	d := &dropper{under: http.DefaultTransport, left: map[string]int{"take": 1, "chunks": 1, "ack": 1}}
	o := numbered(s.Number)
	o.HTTPClient = &http.Client{Transport: d}
	got, err := p.unseal(link, o)
	p.must(err == nil && got.Text.Reveal() == text, "after a lost response: %v", err)
	r, err := got.File(p.ctx, 0)
	p.no(err)
	data, err := io.ReadAll(r)
	p.must(err == nil && bytes.Equal(data, file.data), "after a lost response the file is not what was sent: %v", err)
	p.no(r.Close())
	p.no(got.Done(p.ctx))
	p.must(len(d.lost) == 3, "%d responses were lost", len(d.lost))
	st := p.status(s.ID)
	p.must(st.Views == 1 && st.State == "acknowledged" && st.Refusals == 0, "it was counted as %d views, %s", st.Views, st.State)
	p.say("Dana's train is in a tunnel: three answers are lost (%s), each after the server had done its part.", strings.Join(d.lost, ", "))
	p.say("Her page asks again with the same claim and gets everything. One view was counted, nobody else could have it.")
}

func (p *player) sendLocked() {
	const text = "The door code is 4-Kestrel-1."
	link, s := p.linkOn("mail", func() sentJSON { return p.send(nil, "text", text, "deliver", "email") })
	_, err := p.unseal(link, numbered(wrong(s.Number)))
	refusal, ok := errors.AsType[*securesend.Refusal](err)
	p.must(ok && refusal.TriesLeft == 1, "a wrong number: %v", err)
	_, err = p.unseal(link, numbered(wrong(s.Number)))
	p.must(errors.Is(err, securesend.ErrLocked), "two wrong numbers: %v", err)
	_, err = p.unseal(link, numbered(s.Number))
	p.must(errors.Is(err, securesend.ErrLocked), "the right number after two wrong ones: %v", err)
	p.until("the alert", func() bool {
		return slices.ContainsFunc(p.see().Notes, func(n noteJSON) bool { return n.Alert && strings.Contains(n.Text, "it is locked") })
	})
	st := p.status(s.ID)
	p.must(st.Locked && st.Views == 0 && st.Refusals == 2, "the list says %+v", st)
	p.say("They have the link and guess twice: it is locked, now even for the right number. Nothing was revealed or burnt.")
	p.say("Jane sees it at once (2 refused), and an alert stands in the ticket.")
	p.press("send-renew", "id", s.ID)
	renewed := p.status(s.ID).Number
	p.must(renewed != s.Number && len(renewed) == 3, "the new number is the old one")
	p.hide("", renewed)
	p.read(link, renewed, text)
	p.say("She phones Dana and says a new number. The link is the same, and it opens.")
	p.shown = append(p.shown, s.ID)
}

func (p *player) sendRevoked() {
	file := attached{"wrong-file.xlsx", make([]byte, 1<<20)}
	link, s := p.linkOn("sms", func() sentJSON {
		return p.send([]attached{file}, "text", "The list of all salaries, by mistake.", "deliver", "sms")
	})
	p.must(p.kept() > 0, "the file is not on the disk")
	p.press("send-revoke", "id", s.ID)
	_, err := p.unseal(link, numbered(s.Number))
	p.must(errors.Is(err, securesend.ErrEnded), "a revoked send: %v", err)
	p.must(p.status(s.ID).State == "revoked", "the state is %s", p.status(s.ID).State)
	p.until("the deletion of the file", func() bool { return p.kept() == 0 })
	_, text := p.page(link, nil)
	p.say("It was the wrong file. Jane takes it back before Dana looks: %q The file is deleted.", saidOf(securesend.ErrEnded))
	p.must(!strings.Contains(text, "salaries"), "the page shows something")
	const right = "The list of rooms."
	again := p.send(nil, "text", right, "deliver", "", "replaces", s.ID)
	p.must(again.Link != "", "there is no link to copy")
	p.read(again.Link, again.Number, right)
	p.say("She sends the right one with “Send again”, and this time copies the link herself.")
}

// listener keeps everything that the recipient's program is told.
type listener struct {
	under http.RoundTripper
	heard bytes.Buffer
}

func (l *listener) RoundTrip(r *http.Request) (*http.Response, error) {
	res, err := l.under.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	b, err := io.ReadAll(res.Body)
	l.heard.Write(b)
	res.Body = struct {
		io.Reader
		io.Closer
	}{bytes.NewReader(b), res.Body}
	return res, err
}

func (p *player) sendProof() {
	p.app.advance(2 * time.Minute) // past the cooldown of verifications
	const text = "The recovery key is 7-Alder-Finch-2."
	cards := len(p.cards())
	s := p.send(nil, "text", text, "deliver", "teams", "gate", "proof")
	p.must(s.Number == "" && s.Link == "", "Jane has a number or a link")
	card := p.nextCard(cards)
	link := openURL(card.Content)
	p.must(link != "", "the card has no link")
	p.hide(link, "")
	claim := securesend.RandomKey() // of Dana's page
	_, err := p.unseal(link, client.OpenOptions{Claim: claim})
	p.must(errors.Is(err, securesend.ErrGate), "without a verification: %v", err)
	p.say("Jane sends a recovery key by Teams: %q. The link alone opens nothing, and there is no number to be had.", card.Summary)

	heard := &listener{under: http.DefaultTransport}
	proof, played := "", false
	got, err := p.unseal(link, client.OpenOptions{Claim: claim, Options: client.Options{HTTPClient: &http.Client{Transport: heard}}, Waiting: func(hint string) {
		if played {
			return
		}
		played = true
		p.must(hint == "Teams", "the page says to look at %q", hint)
		asks := p.nextCard(cards + 1)
		c := p.newest("caller")
		p.must(c.Channel == "teams" && len(c.Number) == 3, "the verification goes by %s", c.Channel)
		p.say("Dana's page starts a verification. A card asks her: %q, and Jane's screen shows the number to say.", asks.Summary)
		p.tap(asks, confirmButton, answerField, c.Number)
		full, err := p.app.verify.Get(p.ctx, verify.Ref{Tenant: mspkit.TenantID(p.tenant), ID: c.ID}, p.technician)
		p.no(err)
		proof = full.Proof.Reveal()
	}})
	p.must(err == nil && got.Text.Reveal() == text, "a verified recipient: %v", err)
	p.no(got.Done(p.ctx))
	p.must(played && proof != "", "nobody was verified")
	p.must(!strings.Contains(heard.heard.String(), proof), "the proof has reached the page")
	p.must(!p.challenge(p.newest("caller").ID).Usable, "the proof can be used again")
	_, refused := p.do("redeem", "id", p.newest("caller").ID)
	p.must(refused != "", "Jane used the proof of the page")
	p.say("She types it, the page sees that and opens. The proof was used on the server and never reached the page.")
}

// openURL returns where the button of a card leads.
func openURL(c teamstest.Content) string {
	var card struct {
		Actions []struct{ Type, URL string }
	}
	_ = json.Unmarshal(c.Card, &card) // without a button there is none
	for _, a := range card.Actions {
		if a.Type == "Action.OpenUrl" {
			return a.URL
		}
	}
	return ""
}

func (p *player) sendPassphrase() {
	const text, phrase = "The safe is behind the painting.", "blue lantern Ålesund"
	s := p.send(nil, "text", text, "deliver", "", "passphrase", phrase)
	o := numbered(s.Number)
	o.Passphrase = mspkit.Redact("Blue lantern Ålesund")
	_, err := p.unseal(s.Link, o)
	refusal, ok := errors.AsType[*securesend.Refusal](err)
	p.must(ok && errors.Is(err, securesend.ErrPassphrase) && refusal.PassTriesLeft == 9, "a wrong passphrase: %v", err)
	o.Passphrase = mspkit.Redact(phrase)
	got, err := p.unseal(s.Link, o)
	p.must(err == nil && got.Text.Reveal() == text, "the right passphrase: %v", err)
	p.no(got.Done(p.ctx))
	p.say("Jane and Dana agreed on a passphrase. A capital letter is wrong (9 tries left, counted on the server), the right one opens it.")

	p.app.advance(2 * time.Minute)
	link, c := p.linkOn("mail", func() sentJSON { return p.send(nil, "text", text, "deliver", "email", "gate", "code") })
	p.must(c.Number == "", "there is a number")
	cards := len(p.cards())
	p.no(client.SendCode(p.ctx, link, &client.Options{HTTPClient: p.client}))
	code := sixDigits.FindString(strings.Join(p.nextCard(cards).Texts(), " "))
	p.must(code != "", "no code has arrived in Teams")
	p.numbers = append(p.numbers, code)
	got, err = p.unseal(link, client.OpenOptions{Code: mspkit.Redact(code)})
	p.must(err == nil && got.Text.Reveal() == text, "the right code: %v", err)
	p.no(got.Done(p.ctx))
	p.say("Or nobody is on the phone: the link goes by e-mail, and a code to her Teams when she asks for it. That opens it, too.")
}

func (p *player) sendSealed() {
	const text = "Nobody at the helpdesk's server has seen this."
	g := p.grant()
	_, page := p.page(g.Link, nil)
	p.must(page != "", "there is no page")
	made, err := client.Create(p.ctx, g.Link, &client.CreateOptions{
		Options: client.Options{HTTPClient: p.client}, Text: mspkit.Redact(text),
		Files: []securesend.File{{Name: "plan.svg", Size: 4, Reader: strings.NewReader("<sv>")}},
	})
	p.must(err == nil, "sealing in the browser: %v", err)
	p.secrets = append(p.secrets, text)
	p.hide(made.Link.Reveal(), made.Number.Reveal())
	p.read(made.Link.Reveal(), made.Number.Reveal(), text)
	p.must(p.status(g.ID).State == "acknowledged", "the state is %s", p.status(g.ID).State)
	_, refused := p.trySend(nil, "text", "", "deliver", "")
	p.must(refused != "", "an empty send was taken")
	p.say("Her browser seals a text and a file and makes the link, which the server has never known. She copies it into the chat; Dana opens it.")
}

func (p *player) grant() sentJSON {
	status, body := p.as(p.technician, http.MethodPost, "/api/grant", map[string][]string{"person": {p.person}, "tenant": {p.tenant}})
	p.must(status == http.StatusOK, "the grant was refused: %s", body)
	g, _ := p.sentReply(strings.NewReader(body))
	p.hide(g.Link, g.Number)
	return g
}

// kept counts the parts of files on the disk.
func (p *player) kept() int {
	n := 0
	p.walk(func(path string, _ []byte) {
		if strings.HasSuffix(path, ".part") {
			n++
		}
	})
	return n
}

// sendTwice lets readers at two instances open the same send at the same moment.
func (p *player) sendTwice() {
	second, stop, err := p.serve(p.app, func(*app) {})
	p.no(err)
	defer func() {
		p.teams.Connect(p.app.cfg.url + botPath)
		p.no(stop())
	}()
	const text, readers, rounds = "There is one of this.", 16, 4
	for range rounds {
		s := p.send(nil, "text", text, "deliver", "")
		links := []string{s.Link, second.cfg.url + strings.TrimPrefix(s.Link, p.app.cfg.url)}
		var won, refused atomic.Int32
		done := make(chan error, readers)
		for i := range readers {
			go func() {
				ctx, cancel := context.WithTimeout(p.ctx, 30*time.Second)
				defer cancel()
				o := numbered(s.Number)
				o.HTTPClient = p.client
				got, err := client.Open(ctx, links[i%2], &o)
				switch {
				case err == nil && got.Text.Reveal() == text:
					won.Add(1)
					err = got.Done(ctx)
				case errors.Is(err, securesend.ErrOpening), errors.Is(err, securesend.ErrEnded):
					refused.Add(1)
					err = nil
				case err == nil:
					err = fmt.Errorf("another text has arrived")
				}
				done <- err
			}()
		}
		for range readers {
			p.no(<-done)
		}
		p.must(won.Load() == 1 && refused.Load() == readers-1, "%d readers got it, %d were refused", won.Load(), refused.Load())
	}
	p.say("%d readers who all have the link and the number, half of them at each instance, %d times: one gets it each time.", readers, rounds)
}
