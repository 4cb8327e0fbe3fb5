package browser_test

import (
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit/securesend"
)

const content = "hunter2 <b>& \"quotes\"\nsecond line"

func TestATechnicianLocksATextAndTheRecipientOpensItOnce(t *testing.T) {
	t.Parallel()
	b, w := newTab(t), newSends(t)
	granted := w.grant()
	b.open(granted.Link.Reveal())
	b.view("form")
	b.put("text", content)
	b.submit()
	b.view("result")
	link, number := eval[string](b, slot("link")+".value"), strings.TrimSpace(b.text("number"))
	require.Len(t, number, 3)
	parsed, err := securesend.ParseLink(link)
	require.NoError(t, err)
	require.Equal(t, securesend.LinkSend, parsed.Kind)
	require.NotContains(t, eval[string](b, "location.href"), "#", "what allows to upload is gone from the address")
	b.push("copy") // and with that the page may be left
	b.until("the answer", slot("copy-state")+".innerText !== ''")

	r := newTab(t)
	r.open(link)
	r.view("gate")
	require.Equal(t, "Something for you", r.heading())
	require.Contains(t, eval[string](r, "document.body.innerText"), "Secure messages of Contoso IT")
	require.Equal(t, "A text", r.text("what"))
	r.put("number", number)
	eval[bool](r, slot("number")+".focus(), true")
	r.run(chromedp.KeyEvent(kb.Enter))
	r.view("content")
	// These two first: the page says after ten seconds that the text was read.
	require.Equal(t, securesend.StateOpening, w.status(granted).State)
	require.Equal(t, link, eval[string](r, "location.href"), "a reload works while the lease runs")
	require.Equal(t, content, eval[string](r, slot("text")+".textContent"), "text is text, whatever stands in it")
	require.Equal(t, "H1", eval[string](r, "document.activeElement.tagName"), "a new view is read out")
	require.Contains(t, r.text("message"), "Please change this password")
	r.until("the end", slot("end")+".innerText.includes('destroyed')")
	require.Equal(t, securesend.StateAcknowledged, w.status(granted).State)
	require.NotContains(t, eval[string](r, "location.href"), "#")
	require.Equal(t, content, eval[string](r, slot("text")+".textContent"), "it stays until the page is closed")
	r.run(chromedp.Reload())
	r.view("ended")
	r.open(link) // the same page with what is behind the #, so the view before may still be there
	r.until("the moment", slot("before")+"?.innerText.includes('It was opened before, at')")
	r.view("ended")
	r.quiet()
}

func TestAReloadAndBackShowItAgainAndAnotherBrowserDoesNot(t *testing.T) {
	t.Parallel()
	b, w := newTab(t), newSends(t)
	s := w.create(func(r *securesend.SendRequest) { r.Files = withFilesOf(noise("a.bin", 10)) })
	b.reveal(s)
	for range 2 {
		b.run(chromedp.Reload())
		b.view("content")
		require.Equal(t, content, eval[string](b, slot("text")+".textContent"))
	}
	b.leave()
	b.run(chromedp.NavigateBack())
	b.view("content")

	other := newTab(t)
	other.open(s.Link.Reveal())
	other.view("busy")
	require.Equal(t, "It is being opened right now", other.heading())
	require.NotContains(t, eval[string](other, "document.body.innerText"), "hunter2")
	other.push("retry")
	other.view("busy")
	require.Equal(t, 1, w.status(s).Views)

	// After the lease nobody has it.
	w.pass(securesend.Lease + securesend.LeaseMargin + time.Second)
	other.push("retry")
	other.view("ended")
	require.Contains(t, other.text("before"), "If that was not you")
	b.run(chromedp.Reload())
	b.view("ended")
	b.quiet()
}

// What the service answered got lost on the way: the page asks again with the same claim.
func TestALostAnswerIsFetchedAgain(t *testing.T) {
	t.Parallel()
	b, w := newTab(t), newSends(t)
	s := w.create()
	w.interfere(func(rw http.ResponseWriter, r *http.Request) bool {
		if !strings.HasSuffix(r.URL.Path, "/take") {
			return true
		}
		// The service sees the whole request, and its answer goes nowhere.
		w.forward(r)
		cut(rw, r)
		return false
	})
	b.open(s.Link.Reveal())
	b.view("gate")
	b.put("number", s.Number.Reveal())
	b.submit()
	b.until("the page says so", slot("form-state")+".innerText.includes('cannot be reached')")
	require.Equal(t, securesend.StateOpening, w.status(s).State, "it was handed out")
	w.interfere(nil)
	b.submit()
	b.view("content")
	require.Equal(t, content, eval[string](b, slot("text")+".textContent"))
	require.Equal(t, 1, w.status(s).Views)
}

func TestWrongNumbersLockAndARenewedOneOpens(t *testing.T) {
	t.Parallel()
	b, w := newTab(t), newSends(t)
	s := w.create()
	b.open(s.Link.Reveal())
	b.view("gate")
	b.submit()
	require.Contains(t, eval[string](b, `document.querySelector("#number-error").innerText`), "Type the number")
	b.put("number", "12")
	b.submit()
	require.Contains(t, eval[string](b, `document.querySelector("#number-error").innerText`), "did not count")
	require.Equal(t, 2, w.status(s).TriesLeft)
	b.put("number", wrong(s.Number.Reveal()))
	b.submit()
	b.until("what is wrong", `document.querySelector("#number-error").innerText.includes("one try left")`)
	require.Equal(t, "number", eval[string](b, "document.activeElement.id"))
	b.put("number", wrong(s.Number.Reveal()))
	b.submit()
	b.view("locked")
	require.Contains(t, w.kinds(), securesend.EventLocked)
	renewed, err := w.svc.Renew(t.Context(), s.Ref, sender.ID)
	require.NoError(t, err)
	b.push("retry")
	b.view("gate")
	b.put("number", renewed.Number.Reveal())
	b.submit()
	b.view("content")
	b.quiet()
}

func TestAPassphraseIsAskedAndNeverLeavesTheBrowser(t *testing.T) {
	t.Parallel()
	b, w := newTab(t), newSends(t)
	const phrase = " Café 報告 "
	var told atomic.Bool
	w.interfere(func(_ http.ResponseWriter, r *http.Request) bool {
		body, err := io.ReadAll(r.Body)
		if err == nil && (strings.Contains(string(body), "Caf") || strings.Contains(string(body), "hunter2")) {
			told.Store(true)
		}
		r.Body = io.NopCloser(strings.NewReader(string(body)))
		return true
	})
	granted := w.grant()
	b.open(granted.Link.Reveal())
	b.view("form")
	b.put("text", content)
	b.put("passphrase", phrase)
	b.submit()
	b.view("result")
	require.Contains(t, b.text("passphrase-note"), "passphrase")
	link, number := eval[string](b, slot("link")+".value"), strings.TrimSpace(b.text("number"))

	r := newTab(t)
	r.open(link)
	r.view("gate")
	r.put("number", number)
	r.submit()
	require.Contains(t, eval[string](r, `document.querySelector("#passphrase-error").innerText`), "Type the passphrase")
	r.put("passphrase", strings.TrimSpace(phrase))
	r.submit()
	r.until("what is wrong", `document.querySelector("#passphrase-error").innerText.includes("9 tries")`)
	r.put("passphrase", phrase)
	r.submit()
	r.view("content")
	require.Equal(t, content, eval[string](r, slot("text")+".textContent"))
	r.run(chromedp.Reload()) // the number is not asked again, the passphrase is
	r.view("gate")
	require.True(t, eval[bool](r, slot("gate-number")+".hidden"))
	r.put("passphrase", phrase)
	r.submit()
	r.view("content")
	require.Equal(t, content, eval[string](r, slot("text")+".textContent"))
	require.False(t, told.Load(), "neither text nor passphrase are in any request")
	r.quiet()
}

func TestALinkWithoutFragmentOpensWhatIsHeld(t *testing.T) {
	t.Parallel()
	b, w := newTab(t), newSends(t)
	s := w.create(func(r *securesend.SendRequest) { r.Choice.Held = true })
	require.NotContains(t, s.Link.Reveal(), "#")
	b.reveal(s)
	require.Equal(t, content, eval[string](b, slot("text")+".textContent"))

	granted := w.grant(func(r *securesend.SendRequest) { r.Choice.Held = true })
	b.open(granted.Link.Reveal())
	b.view("form")
	b.put("text", "composed")
	b.submit()
	b.view("result")
	link, number := eval[string](b, slot("link")+".value"), strings.TrimSpace(b.text("number"))
	require.NotContains(t, link, "#")
	r := newTab(t)
	r.open(link)
	r.view("gate")
	r.put("number", number)
	r.submit()
	r.view("content")
	require.Equal(t, "composed", eval[string](r, slot("text")+".textContent"))
	r.quiet()
}

func TestACodeIsSentWhenItIsAskedFor(t *testing.T) {
	t.Parallel()
	b, w := newTab(t), newSends(t)
	s := w.create(gated(securesend.GateCode))
	b.open(s.Link.Reveal())
	b.view("gate")
	require.Empty(t, w.codes.code(), "opening the page sends nothing")
	b.push("code-send")
	b.until("the code is sent", slot("code-state")+".innerText.includes('on its way')")
	require.Len(t, w.codes.code(), 6)
	b.push("code-send")
	b.until("the limit", slot("code-state")+".innerText.includes('seconds')")
	b.put("code", wrongCode(w.codes.code()))
	b.submit()
	b.until("what is wrong", `document.querySelector("#code-error").innerText.includes("4 tries")`)
	b.put("code", w.codes.code())
	b.submit()
	b.view("content")
	b.quiet()
}

func TestAVerificationIsStartedAndWaitedFor(t *testing.T) {
	t.Parallel()
	b, w := newTab(t), newSends(t)
	s := w.create(gated(securesend.GateProof))
	b.open(s.Link.Reveal())
	b.view("gate")
	require.True(t, eval[bool](b, slot("open")+".disabled"))
	b.push("proof-start")
	b.until("waiting", slot("proof-state")+".innerText.includes('Look at: Teams')")
	w.gate.set(securesend.GateRefused)
	b.until("refused", slot("proof-state")+".innerText.includes('not confirmed')")
	w.gate.set(securesend.GatePassed)
	b.push("proof-start")
	b.until("passed", "!"+slot("open")+".disabled")
	b.submit()
	b.view("content")
	b.quiet()
}

func TestLinksThatAreNotCompleteSaySo(t *testing.T) {
	t.Parallel()
	b, w := newTab(t), newSends(t)
	s, other := w.create(), w.create()
	path, fragment, _ := strings.Cut(s.Link.Reveal(), "#")
	_, foreign, _ := strings.Cut(other.Link.Reveal(), "#")
	for _, tc := range []struct{ link, view string }{
		{path, "link-missing"},
		{path + "#", "link-missing"},
		{path + "#" + fragment[:42], "link-cut"},
		{path + "#" + fragment + "A", "link-wrong"},
		{path + "#" + fragment[:42] + "!", "link-wrong"},
		{path + "#" + foreign, "link-wrong"},
	} {
		b.open("about:blank")
		b.open(tc.link)
		b.view(tc.view)
	}
	b.open("about:blank")
	b.open(path[:len(path)-1] + "#" + fragment)
	require.Equal(t, "This link does not work", b.heading())
	st := w.status(s)
	require.True(t, st.OpenedAt.IsZero(), "a wrong key changes nothing")
	require.Equal(t, 2, st.TriesLeft)
	b.open(s.Link.Reveal())
	b.view("gate")
	// The right link in the address of a page that shows another one.
	eval[bool](b, "location.hash = '#"+foreign+"', true")
	b.view("link-wrong")
	b.quiet()
}

func TestWithoutScriptThePageSaysWhatItNeeds(t *testing.T) {
	t.Parallel()
	b, w := newTab(t), newSends(t)
	s := w.create()
	call(b, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
	b.open(s.Link.Reveal())
	page := eval[string](b, "document.body.innerText")
	require.Contains(t, page, "This page needs JavaScript")
	require.Contains(t, page, "Nothing is lost")
	require.NotContains(t, page, "One moment")
	require.True(t, w.status(s).OpenedAt.IsZero())
}

func TestABrowserThatIsTooOldIsTold(t *testing.T) {
	t.Parallel()
	b, w := newTab(t), newSends(t)
	s := w.create()
	b.inject(`Object.defineProperty(Crypto.prototype, "subtle", {get: () => undefined})`)
	b.open(s.Link.Reveal())
	b.view("unsupported")
	require.True(t, w.status(s).OpenedAt.IsZero())
	b.quiet()
}

func TestTheServiceMayBeAwayForAWhile(t *testing.T) {
	t.Parallel()
	b, w := newTab(t), newSends(t)
	s := w.create()
	away := func(rw http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodGet {
			return true
		}
		http.Error(rw, "proxy error", http.StatusBadGateway)
		return false
	}
	w.interfere(away)
	b.open(s.Link.Reveal())
	b.view("offline")
	w.interfere(nil)
	b.push("retry")
	b.view("gate")
	w.interfere(away)
	b.put("number", s.Number.Reveal())
	b.submit()
	b.until("the page says so", slot("form-state")+".innerText.includes('cannot be reached')")
	w.interfere(nil)
	b.submit()
	b.view("content")
	b.quiet()
}

func TestWhatWasAlteredIsNotShown(t *testing.T) {
	t.Parallel()
	b, w := newTab(t), newSends(t)
	s := w.create()
	w.interfere(func(rw http.ResponseWriter, r *http.Request) bool {
		if !strings.HasSuffix(r.URL.Path, "/take") {
			return true
		}
		status, body := w.forward(r)
		at := strings.Index(body, `"manifest":"`) + len(`"manifest":"`) + 5
		swap := "A"
		if body[at:at+1] == swap {
			swap = "B"
		}
		rw.WriteHeader(status)
		_, _ = io.WriteString(rw, body[:at]+swap+body[at+1:])
		return false
	})
	b.open(s.Link.Reveal())
	b.view("gate")
	b.put("number", s.Number.Reveal())
	b.submit()
	b.view("altered")
	require.Equal(t, securesend.StateOpening, w.status(s).State, "it is not acknowledged")
	b.quiet()
}

func TestADraftAndManyViews(t *testing.T) {
	t.Parallel()
	b, w := newTab(t), newSends(t)
	granted := w.grant(func(r *securesend.SendRequest) { r.Choice.Views = 2 })
	l, err := securesend.ParseLink(granted.Link.Reveal())
	require.NoError(t, err)
	b.open(w.base + "/s/" + l.Token.Reveal() + "#" + strings.Repeat("A", 43))
	b.view("draft")

	s := w.create(func(r *securesend.SendRequest) { r.Choice.Views = 2 })
	for i, want := range []string{"once more", "destroyed"} {
		b.open("about:blank")
		b.reveal(s)
		b.push("done")
		b.until("the end", slot("end")+".innerText.includes('"+want+"')")
		require.Equal(t, i+1, w.status(s).Views)
	}
	require.Contains(t, b.text("before"), "It was opened before")
	require.Equal(t, securesend.StateAcknowledged, w.status(s).State)
	b.quiet()
}

func wrongCode(code string) string {
	if code == "111111" {
		return "222222"
	}
	return "111111"
}

func withFilesOf(files ...file) []securesend.File {
	r := securesend.SendRequest{}
	withFiles(files...)(&r)
	return r.Files
}
