package browser_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit/securesend"
)

// arabic writes digits as an Arabic keyboard does.
func arabic(number string) string {
	return strings.Map(func(r rune) rune { return r - '0' + '\u0660' }, number)
}

func TestNumbersAreReadInDigitsOfAnyScript(t *testing.T) {
	t.Parallel()
	w := newSends(t)
	b, s := newTab(t), w.create()
	b.open(s.Link.Reveal())
	b.view("gate")
	b.put("number", " "+arabic(s.Number.Reveal())+"\u200f")
	b.submit()
	b.view("content")

	b, s = newTab(t), w.create(gated(securesend.GateCode))
	b.open(s.Link.Reveal())
	b.view("gate")
	b.push("code-send")
	b.until("it was sent", slot("code-state")+`.innerText.includes("on its way")`)
	b.put("code", arabic(w.codes.code()))
	b.submit()
	b.view("content")

	b, s = newTab(t), w.ask("Which serial number?")
	b.open(s.Link.Reveal())
	b.view("gate")
	b.put("number", arabic(s.Number.Reveal()))
	b.submit()
	b.view("form")
	b.quiet()
}

// The service let this tab in, the answer was lost, and the person loads the page again: nobody else can answer any more.
func TestACallerWhoWasLetInStaysSoWhereTheAnswerIsLost(t *testing.T) {
	t.Parallel()
	b, w := newTab(t), newSends(t)
	asked := w.ask("Which serial number?")
	b.open(asked.Link.Reveal())
	b.view("gate")
	w.interfere(func(rw http.ResponseWriter, r *http.Request) bool {
		if !strings.HasSuffix(r.URL.Path, "/begin") {
			return true
		}
		w.forward(r)
		cut(rw, r)
		return false
	})
	b.put("number", asked.Number.Reveal())
	b.submit()
	b.until("the page says so", slot("form-state")+".innerText.includes('cannot be reached')")
	w.interfere(nil)
	b.run(chromedp.Reload())
	b.view("form")

	// Whoever typed a wrong number is not taken for the one who was let in.
	asked = w.ask("Which serial number?")
	other := newTab(t)
	other.open(asked.Link.Reveal())
	other.view("gate")
	other.put("number", wrong(asked.Number.Reveal()))
	other.submit()
	other.until("what is wrong", `document.querySelector("#number-error").innerText.includes("one try left")`)
	b.open("about:blank")
	b.open(asked.Link.Reveal())
	b.view("gate")
	b.put("number", asked.Number.Reveal())
	b.submit()
	b.view("form")
	other.run(chromedp.Reload())
	other.view("busy")
}

// Some browsers read the storage of a tab and refuse to write it.
func TestATabWithoutStorageOpensASend(t *testing.T) {
	t.Parallel()
	b, w := newTab(t), newSends(t)
	b.inject(`Storage.prototype.setItem = () => { throw new Error("no room"); }`)
	b.reveal(w.create())
	require.Contains(t, b.text("text"), "hunter2")
	b.quiet()
}

func TestNothingIsBurntWhileAFileIsUnderWay(t *testing.T) {
	t.Parallel()
	b, w := newTab(t), newSends(t)
	dir := b.downloads()
	f := noise("a.bin", 9*mib)
	s := w.create(withFiles(f, file{"b.txt", "b"}))
	b.reveal(s)
	var fetches atomic.Int32
	held, until := make(chan struct{}), make(chan struct{})
	release := sync.OnceFunc(func() { close(until) })
	t.Cleanup(release)
	w.interfere(func(_ http.ResponseWriter, r *http.Request) bool {
		if strings.HasSuffix(r.URL.Path, "/chunks") && fetches.Add(1) == 2 {
			close(held)
			<-until
		}
		return true
	})
	b.save(0)
	<-held
	b.push("done")
	time.Sleep(500 * time.Millisecond) // for what must not happen
	require.Equal(t, securesend.StateOpening, w.status(s).State)
	release()
	require.Equal(t, f.content, b.saved(dir, f.name, len(f.content)))
	b.until("it can be pressed", "!"+slot("done")+".disabled")
	b.push("done")
	b.until("the end", slot("end")+".innerText.includes('destroyed')")
	require.Equal(t, []int{2}, w.status(s).Unfetched)
	b.quiet()
}

// A phone asks whether to save after the page has handed the file over. Who said no by mistake can say so again.
func TestABufferedFileCanBeSavedAgainAfterTheEnd(t *testing.T) {
	t.Parallel()
	b, w := newTab(t), newSends(t)
	dir := b.downloads()
	b.inject(withoutWorker)
	s := w.create(withFiles(file{"a.txt", "aaa"}))
	b.reveal(s)
	b.save(0)
	b.until("the end", slot("end")+".innerText.includes('destroyed')")
	require.Equal(t, "aaa", b.saved(dir, "a.txt", 3))
	require.Equal(t, securesend.StateAcknowledged, w.status(s).State)
	require.NoError(t, os.Remove(filepath.Join(dir, "a.txt")))
	b.save(0)
	require.Equal(t, "aaa", b.saved(dir, "a.txt", 3))
	b.quiet()
}

func TestTheClockOfAFileEndsWithTheSend(t *testing.T) {
	t.Parallel()
	b, w := newTab(t), newSends(t)
	dir := b.downloads()
	s := w.create(withFiles(file{"a.txt", "aaa"}, file{"b.txt", "b"}))
	w.pass(24*time.Hour - 25*time.Second)
	b.reveal(s)
	b.save(0)
	require.Equal(t, "aaa", b.saved(dir, "a.txt", 3))
	b.until("it is saved", `document.querySelector("#app [data-slot=state]").innerText.includes("Saved")`)
	time.Sleep(600 * time.Millisecond) // the clock of the page ticks twice a second
	require.Regexp(t, `^0:[012]\d$`, b.text("clock"))
	require.LessOrEqual(t, b.text("clock"), "0:25")
}

// Browsers may keep a whole page for Back, with what it showed.
func TestAPageThatTheBrowserKeptShowsNothingThatIsBurnt(t *testing.T) {
	t.Parallel()
	b, w := newTab(t), newSends(t)
	b.reveal(w.create())
	b.push("done")
	b.until("the end", slot("end")+".innerText.includes('destroyed')")
	eval[bool](b, `dispatchEvent(new PageTransitionEvent("pageshow", {persisted: true}))`)
	b.view("ended")
	require.NotContains(t, eval[string](b, "document.body.innerText"), "hunter2")
	b.quiet()
}
