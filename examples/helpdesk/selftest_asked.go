package main

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/securesend"
	"github.com/mspkit/mspkit/securesend/client"
	"github.com/mspkit/mspkit/verify/verifytest"
)

// post calls a route behind a link as the page's script does.
func (p *player) post(link, route string, body any) (status int) {
	address, _, _ := strings.Cut(link, "#")
	b, err := json.Marshal(body)
	p.no(err)
	r, err := http.NewRequestWithContext(p.ctx, http.MethodPost, address+"/"+route, bytes.NewReader(b))
	p.no(err)
	r.Header.Set("Content-Type", "application/json")
	res, err := p.client.Do(r)
	p.no(err)
	_, err = io.Copy(io.Discard, res.Body)
	p.no(errors.Join(err, res.Body.Close()))
	return res.StatusCode
}

// sendScanned lets a machine with the whole link do everything that a page could: it runs the script, so to speak, and tries
// every number but the right one.
func (p *player) sendScanned() {
	const text = "Only a person who is on the phone reads this."
	link, s := p.linkOn("mail", func() sentJSON { return p.send(nil, "text", text, "deliver", "email") })
	report, err := (&verifytest.Scanner{Exclude: []string{s.Number}, NoReplay: true}).Scan(p.ctx, p.client, link)
	p.no(err)
	parsed, err := securesend.ParseLink(link)
	p.no(err)
	bytes64 := func(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }
	auth := bytes64(securesend.Auth(parsed.Fragment.Reveal()))
	p.must(p.post(link, "open", map[string]string{"auth": auth}) == http.StatusOK, "the page does not open for it")
	tried, released := 0, 0
	for n := range 1000 {
		number := fmt.Sprintf("%03d", n)
		if number == s.Number {
			continue
		}
		tried++
		if p.post(link, "take", map[string]string{"auth": auth, "claim": bytes64(securesend.RandomKey()), "number": number}) == http.StatusOK {
			released++
		}
	}
	st := p.status(s.ID)
	p.must(released == 0 && st.Views == 0 && st.Locked, "it got %d answers, %d views", released, st.Views)
	p.must(st.Opened > 0 && st.Revealed == 0, "the list does not tell a look from a reveal")
	p.say("It opens every address (%d requests), runs what the script would do, and types %d numbers. It gets nothing, and burns nothing.", report.Requests, tried)
	p.press("send-renew", "id", s.ID)
	renewed := p.status(s.ID).Number
	p.hide("", renewed)
	p.read(link, renewed, text)
	p.say("Jane's list says “page opened” and “refused”, not “revealed”. She says a new number, and Dana reads it.")
}

func (p *player) sendAsked() {
	file := attached{"system.log", make([]byte, 2<<20)}
	_, _ = rand.Read(file.data)
	const answerText = "Customer number 88-1204, PIN Wren."
	p.secrets = append(p.secrets, answerText, string(file.data[:32]))
	asked := sentJSON{}
	link, _ := p.linkOn("sms", func() sentJSON {
		status, body := p.as(p.technician, http.MethodPost, "/api/ask", url.Values{
			"person": {p.person}, "tenant": {p.tenant}, "deliver": {"sms"}, "question": {"Your customer number, and the log of this morning"},
		})
		p.must(status == http.StatusOK, "the request was refused: %s", body)
		asked, _ = p.sentReply(strings.NewReader(body))
		return asked
	})
	title, page := p.page(link, nil)
	p.must(strings.Contains(page, "log of this morning"), "the page does not say what is asked for")
	p.say("Jane asks Dana for a number and a file. Dana's phone gets a link; the page %q says what for.", title)
	_, refused := p.do("receive", "id", asked.ID, "claim", newClaim())
	p.must(strings.Contains(refused, "not there yet"), "before the answer: %q", refused)
	o := &client.AnswerOptions{
		Options: client.Options{HTTPClient: p.client}, Text: mspkit.Redact(answerText), Number: mspkit.Redact(asked.Number),
		Files: []securesend.File{{Name: file.name, Size: int64(len(file.data)), Reader: bytes.NewReader(file.data)}},
	}
	_, err := client.Answer(p.ctx, link, o)
	p.must(err == nil, "Dana's answer: %v", err)
	p.must(p.status(asked.ID).State == "ready", "after the answer the state is %s", p.status(asked.ID).State)
	p.say("She types Jane's number, a text, and takes a file. Her browser seals them for the key that the link names.")

	p.technician = "sam"
	_, refused = p.do("receive", "id", asked.ID, "claim", newClaim())
	p.technician = "jane"
	p.must(refused != "", "another technician received the answer")
	claim := newClaim()
	got := p.receive(asked.ID, claim)
	p.must(got.Text == answerText && len(got.Files) == 1 && got.Files[0].Name == file.name, "the answer is not what Dana gave")
	_, second := p.do("receive", "id", asked.ID, "claim", newClaim())
	p.must(second != "", "the answer was received twice")
	status, body := p.as(p.technician, http.MethodPost, "/api/receive-file", url.Values{
		"person": {p.person}, "tenant": {p.tenant}, "id": {asked.ID}, "claim": {claim}, "file": {"0"},
	})
	p.must(status == http.StatusOK && body == string(file.data), "the file is not what Dana gave")
	p.press("received", "id", asked.ID, "claim", claim)
	_, refused = p.do("receive", "id", asked.ID, "claim", claim)
	p.must(strings.Contains(refused, "ended"), "after the end: %q", refused)
	p.until("the end", func() bool { return p.status(asked.ID).State == "acknowledged" && p.kept() == 0 })
	p.say("Only Jane can receive it, once: Sam cannot, nor can a second window of hers: %q Then it is burnt.", second)
	p.shown = append(p.shown, asked.ID)
}

func newClaim() string { return base64.RawURLEncoding.EncodeToString(securesend.RandomKey()) }

type receivedJSON struct {
	Text  string
	Files []fileJSON
}

func (p *player) receive(id, claim string) (v receivedJSON) {
	status, body := p.as(p.technician, http.MethodPost, "/api/receive", url.Values{
		"person": {p.person}, "tenant": {p.tenant}, "id": {id}, "claim": {claim},
	})
	p.must(status == http.StatusOK, "the answer was refused: %s", body)
	p.no(json.Unmarshal([]byte(body), &v))
	return v
}

// settle submits the settings page and returns its status and text.
func (p *player) settle(fields ...string) (status int, text string) {
	f := url.Values{"tenant": {p.tenant}}
	for i := 0; i+1 < len(fields); i += 2 {
		f.Set(fields[i], fields[i+1])
	}
	return p.as(p.technician, http.MethodPost, "/settings", f)
}

var fieldError = regexp.MustCompile(`id="([\w.]+)-error">([^<]*)<`)

func (p *player) sendSettings() {
	status, _ := p.settle("LockTechnician", "on")
	p.must(status == http.StatusForbidden, "Jane, who may not, changed the settings: %d", status)
	p.technician = "sam"
	status, page := p.settle("TextTTL", "999", "Templates.sms", "Click here", "Views", "many")
	wrongs := map[string]string{}
	for _, m := range fieldError.FindAllStringSubmatch(page, -1) {
		wrongs[m[1]] = m[2]
	}
	p.must(status == http.StatusUnprocessableEntity && len(wrongs) == 3, "three wrong fields gave %d: %v", status, wrongs)
	p.say("Jane does not see them at all. Sam, the admin, may change them, and each mistake is said at its field:")
	for _, name := range []string{"TextTTL", "Templates.sms", "Views"} {
		p.must(wrongs[name] != "", "nothing is said at %s", name)
		p.say("  %s: %q", name, wrongs[name])
	}
	status, page = p.settle("LockTechnician", "on", "TextTTL", "2", "Templates.sms", "${brand} has something for you: ${link}", "Message", "Change it at your next sign-in.", "LogPublic", "on")
	p.must(status == http.StatusOK && strings.Contains(page, "Saved"), "the settings were not saved: %d", status)
	p.technician = "jane"
	_, refused := p.trySend(nil, "text", "x", "deliver", "sms", "ttl", "168h", "gate", "none")
	p.must(strings.Contains(refused, "how long it lives") && strings.Contains(refused, "what the recipient must bring"), "locked fields: %q", refused)
	p.say("He locks them. Jane wants seven days and no number: %q", refused)

	const text = "Sent as the settings say."
	before := len(p.on("sms"))
	link, s := p.linkOn("sms", func() sentJSON { return p.send(nil, "text", text, "deliver", "sms") })
	p.must(strings.HasPrefix(p.on("sms")[0].Text, "Northwind IT has something for you: ") && len(p.on("sms")) == before+1, "the template is not the client's")
	st := p.status(s.ID)
	p.must(st.Until-st.Created <= 2*60*60*1000 && st.Until-st.Created > 60*60*1000, "it lives from %d to %d", st.Created, st.Until)
	got, err := p.unseal(link, numbered(s.Number))
	p.must(err == nil && got.Message == "Change it at your next sign-in.", "the message of the settings: %v", err)
	p.no(got.Done(p.ctx))
	p.until("a note that the client sees", func() bool { return slices.ContainsFunc(p.see().Notes, func(n noteJSON) bool { return n.Public }) })
	p.technician = "sam"
	free := p.send(nil, "text", text, "deliver", "", "ttl", "168h")
	p.press("send-revoke", "id", free.ID)
	p.settle()
	p.technician = "jane"
	p.say("Without choosing she may send: it lives two hours, with the client's words. Sam is not bound by the lock.")
}

// walk reads every file of the program's folder.
func (p *player) walk(visit func(path string, data []byte)) {
	err := filepath.WalkDir(p.dir, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // it was deleted while we looked
		}
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path) //nolint:gosec // the self-test's own folder
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		visit(path, data)
		return err
	})
	p.no(err)
}

// sendTicket shows what the ticket says of two sends, and looks for secrets where none may be.
func (p *player) sendTicket() {
	p.until("the last note", func() bool { return p.noted("Send "+p.lastSend()[:6]+":") || p.noted("Request "+p.lastSend()[:6]+":") })
	p.no(p.app.sends.RunOnce(p.ctx))
	for _, id := range p.shown {
		for _, n := range slices.Backward(p.see().Notes) {
			if strings.Contains(n.Text, " "+id[:6]+":") {
				sign := " "
				if n.Alert {
					sign = "!"
				}
				p.say("%s %s", sign, n.Text)
			}
		}
	}
	p.until("an empty outbox", func() bool { return p.waiting() == 0 })
	var notes []string
	for _, t := range p.fake.Desk().Tickets() {
		for _, n := range p.fake.Desk().Notes(t.ID) {
			notes = append(notes, n.Text)
		}
	}
	for _, n := range p.fake.Desk().ContactNotes() {
		notes = append(notes, n.Text)
	}
	said := append([]string{p.logged.String()}, notes...)
	all := strings.Join(said, "\n")
	for _, s := range p.secrets {
		p.must(!strings.Contains(all, s), "a note or the log holds a secret of %d characters", len(s))
	}
	all = strings.ReplaceAll(all, "127.0.0.1", "here") // of which 127 is no secret
	for _, n := range p.numbers {
		p.must(!regexp.MustCompile(`\b`+n+`\b`).MatchString(all), "a note or the log holds the number %s", n)
	}
	files := 0
	p.walk(func(path string, data []byte) {
		files++
		for _, s := range p.secrets {
			p.must(!bytes.Contains(data, []byte(s)), "%s holds a secret of %d characters", filepath.Base(path), len(s))
		}
	})
	p.print("")
	p.say("%d texts, passphrases, links and keys, and %d numbers were looked for in %d notes and in everything that was logged,", len(p.secrets), len(p.numbers), len(notes))
	p.say("the texts and links also in the program's own %d files: nothing was found.", files)
}

func (p *player) lastSend() string {
	list := p.see().Sends
	p.must(len(list) > 0, "there are no sends")
	return list[0].ID
}
