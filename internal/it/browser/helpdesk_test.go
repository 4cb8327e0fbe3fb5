package browser_test

import (
	"bufio"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"
)

var ready = regexp.MustCompile(`Helpdesk is ready:\s+(http://\S+)`)

// program is examples/helpdesk, built once.
var program struct {
	once      sync.Once
	dir, path string
	out       []byte
	err       error
}

func buildHelpdesk() {
	if program.dir, program.err = os.MkdirTemp("", "mspkit-helpdesk"); program.err != nil {
		return
	}
	program.path = filepath.Join(program.dir, "helpdesk")
	program.out, program.err = exec.CommandContext(context.Background(), "go", "build", "-o", program.path, "github.com/mspkit/mspkit/examples/helpdesk").CombinedOutput()
}

// helpdesk builds and starts examples/helpdesk as a newcomer does, with variables such as A=b, and returns its address.
func helpdesk(t *testing.T, env ...string) string {
	t.Helper()
	program.once.Do(buildHelpdesk)
	require.NoError(t, program.err, string(program.out))
	ctx, stop := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, program.path, "-addr", "127.0.0.1:0", "-data", filepath.Join(t.TempDir(), "data"))
	cmd.Env = append(os.Environ(), env...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	pipe, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		stop()
		_ = cmd.Wait() // it was told to end
	})
	for lines := bufio.NewScanner(pipe); lines.Scan(); {
		if m := ready.FindStringSubmatch(lines.Text()); m != nil {
			return m[1]
		}
	}
	require.FailNow(t, "the helpdesk did not start")
	return ""
}

// signIn opens a page of the helpdesk, presses the button of its sign-in page and chooses at the played Microsoft who it is.
func (b *tab) signIn(address, who string) {
	b.Helper()
	b.open(address)
	require.Contains(b, eval[string](b, "location.pathname"), "/auth/signin", "nobody is signed in yet")
	b.then(chromedp.Click(chromedp.CSS("main form button")))
	b.chooses(who)
}

// chooses answers the played Microsoft's question who it is.
func (b *tab) chooses(who string) {
	b.Helper()
	person := `[...document.querySelectorAll("button[name=user]")].find((e) => e.textContent.startsWith("` + who + `"))`
	b.until(who, person)
	eval[bool](b, `(() => {
		const e = `+person+`, others = e.closest("details");
		if (others) others.open = true; // somebody else than the people of the tenant that was asked for
		e.id = "chosen";
		return true;
	})()`)
	b.then(chromedp.Click(chromedp.CSS("#chosen")))
}

// signOut presses the button that every page of the helpdesk has.
func (b *tab) signOut() {
	b.Helper()
	b.then(chromedp.Click(chromedp.CSS("#sign-out")))
	b.until("the end of the sign-out", `location.pathname === "/auth/signedout"`)
}

// until waits for something that the page does by itself. The page may be replaced by another meanwhile, which ends what
// runs in it.
func (b *tab) until(what, expression string) {
	b.Helper()
	deadline := time.Now().Add(patience)
	for {
		ok, err := runEval[bool](b, "!!("+expression+")")
		if err == nil && ok {
			return
		}
		if time.Now().After(deadline) {
			require.NoError(b, err, "waited for %s", what)
			require.FailNow(b, "waited for "+what, "the page says: %s", eval[string](b, "document.body.innerText"))
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// press clicks the first button of a part of the page whose text begins so, once it is there: found and clicked in one, as
// the page may draw its buttons anew in between.
func (b *tab) press(part, text string) {
	b.Helper()
	b.until(text, `((e) => e && (e.click(), true))([...document.querySelectorAll("`+part+` button")].find((e) => e.innerText.trim().startsWith("`+text+`")))`)
}

// The newcomer's way through the example: Verify, read the number, type it into the card that is drawn on the phone.
func TestTheHelpdeskIsPlayedWithACard(t *testing.T) {
	t.Parallel()
	b := newTab(t)
	b.signIn(helpdesk(t), "Jane Doe")
	b.until("the contacts", `document.querySelector("#people button")`)
	b.press("#desk", "Verify")
	const field = `document.querySelector("#devices input[type=tel], #devices .ac-card input, #devices input[required]")`
	b.until("the card", field)
	number := eval[string](b, `fetch("/api/state?person=dana").then((r) => r.json()).then((s) => s.person.History[0].Number)`)
	require.Len(t, number, 3)
	require.NotContains(t, eval[string](b, `document.querySelector("#devices").innerText`), number, "the number is the technician's to say")

	// What is being typed survives the page's asking for news.
	eval[bool](b, field+".focus(), true")
	b.run(chromedp.KeyEvent(number[:1]))
	time.Sleep(2500 * time.Millisecond) // two of its questions
	b.run(chromedp.KeyEvent(number[1:]))
	require.Equal(t, number, eval[string](b, field+".value"))

	b.press("#devices", "Confirm")
	b.until("the green shield", `document.querySelector("#desk").innerText.includes("Verified by Teams with number match")`)
	b.until("the outcome on the card", `document.querySelector("#devices").innerText.includes("Thank you, it is confirmed")`)
	require.False(t, eval[bool](b, "!!"+field), "the field is gone")
	b.quiet()
}

// phone returns the link of the newest message on a device of the person's, as the page shows it.
func (b *tab) phone(device string) string {
	b.Helper()
	const state = `fetch("/api/state?person=dana").then((r) => r.json())`
	return eval[string](b, state+`.then((s) => (s.person.Messages.find((m) => m.Device === "`+device+`") || {}).Link || "")`)
}

// A technician sends a text and a file from the ticket and asks for both; the recipient has another browser.
func TestTheHelpdeskSendsAndAsks(t *testing.T) {
	t.Parallel()
	b, r := newTab(t), newTab(t)
	b.signIn(helpdesk(t), "Jane Doe")
	b.until("the contacts", `document.querySelector("#people button")`)
	said := func() string { return eval[string](b, `document.querySelector("#send .say").innerText`) }
	digits := func(s string) string { return regexp.MustCompile(`\D`).ReplaceAllString(s, "") }

	b.press("#desk", "Send securely")
	f := noise("handover.bin", 2*mib+7)
	eval[bool](b, `document.querySelector("#send-text").focus(), true`)
	call(b, input.InsertText, input.InsertTextParams{Text: content})
	b.run(chromedp.SetUploadFiles(chromedp.CSS("#send-files"), onDisk(t, f)))
	time.Sleep(2 * time.Second) // the page asks for news, which leaves the dialog alone
	require.Equal(t, content, eval[string](b, `document.querySelector("#send-text").value`))
	eval[bool](b, `document.querySelector("#send-deliver").value = "sms", true`)
	b.press("#send", "Send")
	b.until("the number", `document.querySelector("#send .say")`)
	number := digits(said())
	require.Len(t, number, 3)
	require.NotContains(t, eval[string](b, `document.querySelector("#send").innerText`), "/s/", "the link is on the phone, not here")
	b.press("#send", "Done")

	link := b.phone("sms")
	require.Contains(t, link, "/send/s/")
	dir := r.downloads()
	r.open(link)
	r.view("gate")
	b.until("the look in the list", `document.querySelector("#desk").innerText.includes("page opened")`)
	require.NotContains(t, eval[string](b, `document.querySelector("#desk .send").innerText`), "revealed")
	r.put("number", number)
	r.submit()
	r.view("content")
	require.Equal(t, content, eval[string](r, slot("text")+".textContent"))
	r.save(0)
	require.Equal(t, f.content, r.saved(dir, f.name, len(f.content)))
	b.until("the arrival in the list", `document.querySelector("#desk .send").innerText.includes("Arrived, burnt")`)
	b.until("the arrival in the ticket", `document.querySelector("#desk .notes").innerText.includes("it has arrived")`)
	require.NotContains(t, eval[string](b, `document.body.innerText`), "hunter2")

	b.press("#desk", "Ask for")
	eval[bool](b, `document.querySelector("#send-question").value = "The log, please", document.querySelector("#send-deliver").value = "email", true`)
	b.press("#send", "Ask")
	b.until("the number of the request", `document.querySelector("#send h2").innerText.includes("is asked")`)
	number = digits(said())
	b.press("#send", "Done")
	r.open(b.phone("mail"))
	r.view("gate")
	require.Contains(t, eval[string](r, "document.body.innerText"), "The log, please")
	r.put("number", number)
	r.submit()
	r.view("form")
	r.put("text", content)
	r.run(chromedp.SetUploadFiles(chromedp.CSS("#pick"), onDisk(t, f)))
	r.submit()
	r.view("sent")
	b.press("#desk", "Receive once")
	b.until("the answer", `document.querySelector("#send .received-text")`)
	require.Equal(t, content, eval[string](b, `document.querySelector("#send .received-text").textContent`))
	here := b.downloads()
	b.press("#send", "Save")
	require.Equal(t, f.content, b.saved(here, f.name, len(f.content)))
	b.press("#send", "I have everything")
	b.until("the end of the request", `document.querySelector("#desk .send").innerText.includes("Received, burnt")`)
	require.False(t, eval[bool](b, `document.querySelector("#send").open`))
	r.leave()
	b.quiet()
}
