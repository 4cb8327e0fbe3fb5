// Package browser_test drives the pages of verify in a real browser. It needs Chromium: the one named by
// MSPKIT_CHROMIUM, or chromium in the path. With MSPKIT_SHOTS=folder it also writes a picture of every page.
package browser_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"
)

// patience is how long a page may take for what it does by itself: this is no test of speed, and the machine may be busy.
const patience = 2 * time.Minute

// browser is the one Chromium that all tests share; each test has a tab and a profile of its own.
var browser struct {
	once sync.Once
	ctx  context.Context
	stop func()
	err  error
}

func TestMain(m *testing.M) {
	code := m.Run()
	if browser.stop != nil {
		browser.stop()
	}
	_ = os.RemoveAll(program.dir)
	os.Exit(code)
}

func chromium() string {
	if path := os.Getenv("MSPKIT_CHROMIUM"); path != "" {
		return path
	}
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "/usr/bin/chromium"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	return ""
}

func startBrowser() {
	dir, err := os.MkdirTemp("", "mspkit-browser")
	if err != nil {
		browser.err = err
		return
	}
	alloc, stopAlloc := chromedp.NewExecAllocator(
		context.Background(),
		chromedp.ExecPath(chromium()), chromedp.UserDataDir(dir),
		chromedp.Headless, chromedp.NoSandbox, chromedp.DisableGPU, chromedp.NoFirstRun, chromedp.NoDefaultBrowserCheck,
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true),
		chromedp.Flag("disable-dev-shm-usage", true), chromedp.Flag("hide-scrollbars", true),
		chromedp.Flag("force-color-profile", "srgb"),
	)
	var stop context.CancelFunc
	browser.ctx, stop = chromedp.NewContext(alloc) //nolint:fatcontext // one browser for all tests is the point
	browser.stop = func() {
		stop()
		stopAlloc()
		_ = os.RemoveAll(dir)
	}
	browser.err = chromedp.Do(browser.ctx)
}

// tab is a page of its own profile that collects what a developer would see in the console.
type tab struct {
	testing.TB
	ctx      context.Context //nolint:containedctx // chromedp keeps the tab in it
	mu       sync.Mutex
	console  []string
	requests []string
}

func newTab(t testing.TB) *tab {
	t.Helper()
	if chromium() == "" {
		t.Skip("mspkit-needs: chromium, or MSPKIT_CHROMIUM")
	}
	browser.once.Do(startBrowser)
	require.NoError(t, browser.err, "start the browser")
	b := &tab{TB: t}
	ctx, cancel := chromedp.NewContext(browser.ctx, chromedp.WithNewBrowserContext(), chromedp.WithListener(b.listen))
	require.NoError(t, chromedp.Do(ctx), "open a tab")
	var cancelTimeout context.CancelFunc
	b.ctx, cancelTimeout = context.WithTimeout(ctx, 10*time.Minute)
	t.Cleanup(func() { cancelTimeout(); cancel() })
	call(b, log.Enable, cdp.Empty{})
	call(b, network.Enable, network.EnableParams{})
	call(b, runtime.Enable, cdp.Empty{})
	return b
}

// call sends a command of the protocol.
func call[P, R any](b *tab, c cdp.Command[P, R], params P) {
	b.Helper()
	b.run(chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, c, params)
		return err
	}))
}

func (b *tab) listen(event any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		b.console = append(b.console, "exception: "+e.ExceptionDetails.Text)
	case *runtime.EventConsoleAPICalled:
		b.console = append(b.console, "console."+string(e.Type))
	case *log.EventEntryAdded:
		// Chromium reports every page with an error status here; the tests check the status themselves.
		if !strings.Contains(e.Entry.Text, "the server responded with a status of") {
			b.console = append(b.console, fmt.Sprintf("%s: %s", e.Entry.Source, e.Entry.Text))
		}
	case *network.EventRequestWillBeSent:
		b.requests = append(b.requests, e.Request.URL)
	}
}

func (b *tab) run(actions ...chromedp.Action[chromedp.Void]) {
	b.Helper()
	require.NoError(b, chromedp.Do(b.ctx, actions...))
}

// open shows a page and waits until it is complete.
func (b *tab) open(url string) {
	b.Helper()
	b.run(chromedp.Navigate(url))
}

// eval runs an expression in the page.
func eval[T any](b *tab, expression string) T {
	b.Helper()
	out, err := runEval[T](b, expression)
	require.NoError(b, err)
	return out
}

func runEval[T any](b *tab, expression string) (T, error) {
	return chromedp.Run(b.ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
}

func (b *tab) heading() string {
	b.Helper()
	return eval[string](b, `document.querySelector("h1").innerText`)
}

// quiet reports what stands in the console, and requests that went elsewhere than to our servers.
func (b *tab) quiet() {
	b.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	require.Empty(b, b.console, "the console")
	for _, u := range b.requests {
		if strings.HasPrefix(u, "data:image/png;") { // it stands in the page itself
			continue
		}
		require.True(b, strings.HasPrefix(u, "http://127.0.0.1:"), "a request left the site: %s", u)
	}
}

// then does something that leads to another page and waits until that is complete.
func (b *tab) then(actions ...chromedp.Action[chromedp.Void]) {
	b.Helper()
	_, err := chromedp.RunResponse(b.ctx, actions...)
	require.NoError(b, err)
}
