package browser_test

import (
	"net/http"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit/verify"
)

// drawn waits for a frame: only then does the browser give an autofocus field its focus. A person is never faster, a
// test is, and takes the focus away from it.
const drawn = `new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done(true))))`

// focus presses Tab until the element is reached and reports after how many times.
func (b *tab) focus(selector string) int {
	b.Helper()
	eval[bool](b, drawn)
	for n := range 12 {
		if eval[bool](b, `document.activeElement.matches("`+selector+`")`) {
			ring := eval[string](b, `getComputedStyle(document.activeElement).outlineStyle`)
			require.Equal(b, "solid", ring, "the focus is seen")
			return n
		}
		b.run(chromedp.KeyEvent(kb.Tab))
	}
	require.Fail(b, "the keyboard does not reach "+selector)
	return 0
}

func (b *tab) enter(text string) {
	b.Helper()
	b.run(chromedp.KeyEvent(text))
	b.then(chromedp.KeyEvent(kb.Enter))
}

func TestACallerConfirmsWithTheKeyboardAlone(t *testing.T) {
	t.Parallel()
	b, w := newTab(t), newWorld(t)
	c, link := w.start()
	b.open(link + "#from-a-mail")
	require.Equal(t, "Is this you on the phone?", b.heading())
	require.Equal(t, 1, b.focus("input[name=answer]"), "the field is the first stop")

	b.enter(wrong(c.Number.Reveal()))
	require.Contains(t, eval[string](b, `document.querySelector("#error").innerText`), "That is not the number")
	require.Zero(t, b.focus("input[name=answer]"), "after a mistake the field has the focus")

	// A reload is not a second try.
	b.run(chromedp.Reload())
	require.Equal(t, 1, w.get(c).TriesLeft)

	b.focus("input[name=answer]")
	b.enter(" " + c.Number.Reveal()[:1] + " " + c.Number.Reveal()[1:])
	require.Equal(t, "Thank you, it is confirmed", b.heading())
	require.Equal(t, verify.StateConfirmed, w.get(c).State)
	require.Equal(t, link, eval[string](b, "location.href"))

	eval[bool](b, "history.back(), true")
	require.Equal(t, link+"?e=wrong", b.settle())
	if b.heading() != "Thank you, it is confirmed" { // browsers may bring back the page as it was
		b.focus("input[name=answer]")
		b.enter(wrong(c.Number.Reveal()))
	}
	require.Equal(t, "Thank you, it is confirmed", b.heading(), "an old form changes nothing")
	require.Equal(t, verify.StateConfirmed, w.get(c).State)
	b.quiet()
}

func TestACallerSaysNotMeWithTheKeyboardAlone(t *testing.T) {
	t.Parallel()
	b, w := newTab(t), newWorld(t)
	c, link := w.start()
	b.open(link)
	b.focus("form[action$=not-me] button")
	b.then(chromedp.KeyEvent(" "))
	require.Equal(t, "Good that you said so", b.heading())
	require.True(t, w.get(c).Hinted)
	b.focus("input[name=word]")
	b.enter(c.Word.Reveal())
	require.Equal(t, "The request is stopped", b.heading())
	require.Equal(t, verify.StateDenied, w.get(c).State)
	b.quiet()
}

func TestACallerChecksTheTechnicianInGerman(t *testing.T) {
	t.Parallel()
	b, w := newTab(t), newWorld(t)
	w.locale = "de"
	c, link := w.startTechnician(w.inCall())
	b.open(link)
	require.Equal(t, "Sind das wirklich wir?", b.heading())
	b.focus("input[name=answer]")
	b.enter("falsche wörter")
	require.Equal(t, "Das sind nicht unsere Wörter. Legen Sie auf.", b.heading())
	b.focus("input[name=answer]")
	b.enter(c.Word.Reveal())
	require.Equal(t, "Das ist wirklich Jane Doe von Contoso IT", b.heading())
	b.quiet()
}

func TestThePublicFormWorksAndNoOtherSiteCanUseAForm(t *testing.T) {
	t.Parallel()
	b, w := newTab(t), newWorld(t)
	b.open(w.pages.PublicURL(tenant))
	b.focus("input[name=address]")
	b.enter("dana@northwind.example")
	require.Equal(t, "Look at your messages", b.heading())
	b.quiet()

	// A page of another origin that knows the link posts the right number.
	c, link := w.start()
	foreign := newForeign(t, `<form method="post" action="`+link+`"><input name="answer" value="`+c.Number.Reveal()+`"><button>x</button></form>`)
	b.open(foreign)
	resp, err := chromedp.RunResponse(b.ctx, chromedp.Click(chromedp.CSS("button")))
	require.NoError(t, err)
	require.EqualValues(t, http.StatusForbidden, resp.Status)
	require.Equal(t, verify.StatePending, w.get(c).State)

	// Nor can it show the page in a frame.
	b.open(newForeign(t, `<iframe src="`+link+`"></iframe>`))
	require.Equal(t, "null", eval[string](b, `String(document.querySelector("iframe").contentDocument)`))
	b.mu.Lock()
	defer b.mu.Unlock()
	require.NotEmpty(t, b.console, "the browser says that it refused")
}
