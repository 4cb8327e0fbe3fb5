package browser_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit/verify"
)

func newForeign(t testing.TB, body string) string {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = w.Write([]byte(body))
	}))
	t.Cleanup(srv.Close)
	return srv.URL
}

// What a scanner with a browser does on a page. clickables counts what can be pressed; press types a guess into
// every field and presses one of them; numbers finds what the page itself suggests.
const (
	clickables = `(() => { window.scanned = [...document.querySelectorAll("a[href], button, input, summary, label, [onclick], [role=button]")].filter(e => !e.href || e.origin === location.origin); return scanned.length; })()`
	press      = `((n, guess) => {
		for (const f of document.querySelectorAll("input:not([type=hidden]), textarea")) {
			f.focus(); f.value = guess;
			for (const e of ["input", "change", "keydown", "keyup"]) f.dispatchEvent(new Event(e, {bubbles: true}));
		}
		const e = scanned[n];
		for (const type of ["pointerdown", "mousedown", "pointerup", "mouseup"]) e.dispatchEvent(new MouseEvent(type, {bubbles: true}));
		e.click();
		if (e.form && e.tagName === "INPUT") e.form.requestSubmit();
		return true;
	})(%d, %q)`
	suggested = `[...new Set((document.body.innerText + " " + document.documentElement.outerHTML).match(/(?<![\w.-])\d{3}(?![\w.-])/g) || [])]`
	// settled waits for the navigation that a press may have begun: forms are sent in a task of their own.
	settled = `new Promise(done => setTimeout(() => done(true), 25))`
)

// scan opens the link, presses everything with every guess, and goes on from the pages that come.
func (b *tab) scan(link string, guesses []string) (presses int) {
	b.Helper()
	queue, seen := []string{link}, map[string]bool{link: true}
	for len(queue) > 0 && presses < 400 {
		at := queue[0]
		queue = queue[1:]
		b.reopen(at)
		here := append(eval[[]string](b, suggested), guesses...)
		for i := 0; ; i++ {
			b.reopen(at)
			n := eval[int](b, clickables)
			if i >= n*len(here) {
				break
			}
			eval[bool](b, fmt.Sprintf(press, i%n, here[i/n]))
			presses++
			to := b.settle()
			if !seen[to] {
				seen[to] = true
				queue = append(queue, to)
			}
		}
	}
	return presses
}

// reopen shows a page even where a navigation of the last press is still under way.
func (b *tab) reopen(url string) {
	b.Helper()
	var err error
	for range 5 {
		if err = chromedp.Do(b.ctx, chromedp.Navigate(url)); err == nil {
			return
		}
	}
	require.NoError(b, err)
}

// settle waits until the page that is shown does not change any more, and returns its address.
func (b *tab) settle() string {
	b.Helper()
	last := ""
	deadline := time.Now().Add(patience)
	for time.Now().Before(deadline) {
		ok, err := runEval[bool](b, settled)
		if err != nil || !ok { // the page went away while we waited
			continue
		}
		at, err := runEval[string](b, `document.readyState === "complete" ? location.href : ""`)
		if err == nil && at != "" && at == last {
			return at
		}
		last = at
	}
	require.Fail(b, "the page does not come to rest")
	return ""
}

// Guarantee 2, in a real browser: it runs script, presses everything, and types everything but the right number.
func TestAScannerWithABrowserConfirmsNothing(t *testing.T) {
	t.Parallel()
	b, w := newTab(t), newWorld(t)
	w.settings.Brand.Phone = "" // its digits are no guesses
	c, link := w.start()
	guesses := []string{"", wrong(c.Number.Reveal()), "yes"}
	presses := b.scan(link+"#fragment", guesses)
	require.Greater(t, presses, 10)

	c = w.get(c)
	require.Equal(t, verify.StateFailed, c.State, "the tries of one number are used up")
	require.Empty(t, c.Proof.Reveal())
	kinds := w.kinds()
	require.Contains(t, kinds, verify.EventFailed, "the technician is told")
	for _, k := range []verify.EventKind{verify.EventConfirmed, verify.EventDenied, verify.EventFrozen, verify.EventLocked} {
		require.NotContains(t, kinds, k)
	}
	sub, err := w.svc.Subject(t.Context(), tenant, "dana")
	require.NoError(t, err)
	require.True(t, sub.FrozenUntil.IsZero())

	c = w.renew(c)
	b.open(link)
	b.focus("input[name=answer]")
	b.enter(c.Number.Reveal())
	require.Equal(t, "Thank you, it is confirmed", b.heading())
	require.Equal(t, verify.StateConfirmed, w.get(c).State)

	tc, tlink := w.startTechnician(w.inCall())
	b.scan(tlink, []string{"", "wrong words"})
	require.NotEqual(t, verify.StateConfirmed, w.get(tc).State)
	require.Contains(t, w.kinds(), verify.EventMismatch)
	b.scan(w.pages.PublicURL(tenant), []string{"", "wrong@northwind.example"})
	b.quiet()
}
