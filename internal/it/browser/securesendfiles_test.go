package browser_test

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/securesend"
	"github.com/mspkit/mspkit/securesend/client"
)

const mib = 1 << 20

func (b *tab) save(i int) {
	b.Helper()
	eval[bool](b, `document.querySelectorAll("#app [data-slot=save]")[`+string(rune('0'+i))+`].click(), true`)
}

// withoutWorker is a browser that has no service worker, such as some in private mode.
const withoutWorker = `ServiceWorkerContainer.prototype.register = () => Promise.reject(new Error("private mode"))`

func TestFilesAreStreamedByTheWorkerAndBufferedWithoutIt(t *testing.T) {
	t.Parallel()
	files := []file{noise("report (final), ü 報告.bin", 5*mib+123), {"empty.txt", ""}, noise("two.bin", 2*mib)}
	for name, worker := range map[string]bool{"worker": true, "buffered": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, w := newTab(t), newSends(t)
			dir := b.downloads()
			if !worker {
				b.inject(withoutWorker)
			}
			s := w.create(withFiles(files...))
			b.reveal(s)
			require.True(t, eval[bool](b, slot("text-part")+".hidden"))
			for i, f := range files {
				require.Equal(t, securesend.StateOpening, w.status(s).State)
				b.save(i)
				require.Equal(t, f.content, b.saved(dir, f.name, len(f.content)))
				b.until("it says so", `document.querySelectorAll("#app [data-slot=state]")[`+string(rune('0'+i))+`].innerText.includes("Saved")`)
			}
			b.until("the end", slot("end")+".innerText.includes('destroyed')")
			st := w.status(s)
			require.Equal(t, securesend.StateAcknowledged, st.State)
			require.Empty(t, st.Unfetched)
			streamed := 0
			b.mu.Lock()
			for _, u := range b.requests {
				if strings.Contains(u, "/send/d/") {
					streamed++
				}
			}
			b.mu.Unlock()
			if worker {
				require.Equal(t, len(files), streamed, "each went through the worker once")
			} else {
				require.Zero(t, streamed)
			}
			path, _, _ := strings.Cut(s.Link.Reveal(), "#")
			require.Equal(t, path, eval[string](b, "location.href"), "the page stays")
		})
	}
}

// Two of three files, and the person says that this is all.
func TestTheRecipientMayLeaveFilesBehind(t *testing.T) {
	t.Parallel()
	b, w := newTab(t), newSends(t)
	dir := b.downloads()
	s := w.create(withFiles(file{"a.txt", "aaa"}, file{"b.txt", "bbb"}))
	b.reveal(s)
	b.save(1)
	require.Equal(t, "bbb", b.saved(dir, "b.txt", 3))
	b.push("done")
	b.until("the end", slot("end")+".innerText.includes('destroyed')")
	require.Equal(t, []int{1}, w.status(s).Unfetched)
	require.True(t, eval[bool](b, `document.querySelectorAll("#app [data-slot=save]")[0].disabled`))
}

func TestADownloadGoesOnAfterADroppedConnectionAndRefusesWhatIsAltered(t *testing.T) {
	t.Parallel()
	b, w := newTab(t), newSends(t)
	dir := b.downloads()
	f := noise("a.bin", 9*mib+7)
	s := w.create(withFiles(f, noise("b.bin", mib)))
	b.reveal(s)
	var fetches atomic.Int32
	w.interfere(func(rw http.ResponseWriter, r *http.Request) bool {
		if strings.HasSuffix(r.URL.Path, "/chunks") && fetches.Add(1)%3 != 0 {
			cut(rw, r)
			return false
		}
		return true
	})
	b.save(0)
	require.Equal(t, f.content, b.saved(dir, f.name, len(f.content)))
	require.Greater(t, fetches.Load(), int32(3))

	w.interfere(func(rw http.ResponseWriter, r *http.Request) bool {
		if !strings.HasSuffix(r.URL.Path, "/chunks") {
			return true
		}
		_, body := w.forward(r)
		_, _ = io.WriteString(rw, "x"+body[1:])
		return false
	})
	b.save(1)
	b.until("it is refused", `document.querySelectorAll("#app [data-slot=state]")[1].innerText.includes("altered")`)
	require.NoFileExists(t, filepath.Join(dir, "b.bin"))
	require.Equal(t, securesend.StateOpening, w.status(s).State)
}

func TestAFileTooLargeForTheBrowserPointsToTheCommand(t *testing.T) {
	t.Parallel()
	b, w := newTab(t), newSends(t)
	b.inject(withoutWorker)
	s := w.create(withFiles(file{"a.bin", "abc"}))
	w.interfere(func(rw http.ResponseWriter, r *http.Request) bool {
		if !strings.HasSuffix(r.URL.Path, "/open") {
			return true
		}
		_, body := w.forward(r)
		_, _ = io.WriteString(rw, strings.Replace(body, `"sizes":[3]`, `"sizes":[209715201]`, 1))
		return false
	})
	b.open(s.Link.Reveal())
	b.view("gate")
	b.until("the warning", "!"+slot("too-large")+".hidden")
	require.Contains(t, b.text("too-large"), "secret open")
	b.quiet()
}

// A connection that drops in the middle of each part, and answers that are lost: the same bytes are sent again.
func TestAnUploadGoesOnAfterADroppedConnection(t *testing.T) {
	t.Parallel()
	b, w := newTab(t), newSends(t)
	files := []file{noise("big.bin", 17*mib+5), {"empty.txt", ""}}
	var (
		mu    sync.Mutex
		tries = map[string]int{}
		first = map[string]string{}
	)
	w.interfere(func(rw http.ResponseWriter, r *http.Request) bool {
		at := r.URL.Path
		if !strings.Contains(at, "/part/") {
			return true
		}
		body, _ := io.ReadAll(r.Body)
		r.Body = io.NopCloser(strings.NewReader(string(body)))
		mu.Lock()
		defer mu.Unlock()
		tries[at]++
		if first[at] == "" {
			first[at] = string(body)
		}
		if first[at] != string(body) {
			t.Error("a part was sealed twice")
		}
		if tries[at] > 2 { // the browser itself repeats once where the connection was an old one
			return true
		}
		if strings.HasSuffix(at, "/0/1") {
			w.forward(r)
		}
		cut(rw, r)
		return false
	})
	granted := w.grant()
	b.open(granted.Link.Reveal())
	b.view("form")
	b.run(chromedp.SetUploadFiles(chromedp.CSS("#pick"), onDisk(t, files...)))
	b.until("the files are listed", slot("picked-state")+".innerText.includes('2 files')")
	b.put("text", content)
	b.submit()
	b.view("result")
	link, number := eval[string](b, slot("link")+".value"), strings.TrimSpace(b.text("number"))
	w.interfere(nil)
	mu.Lock()
	require.Len(t, tries, 4, "three parts and an empty one")
	mu.Unlock()

	r := newTab(t)
	dir := r.downloads()
	r.open(link)
	r.view("gate")
	require.Contains(t, r.text("what"), "2 files · 17 MB")
	r.put("number", number)
	r.submit()
	r.view("content")
	for i, f := range files {
		r.save(i)
		require.Equal(t, f.content, r.saved(dir, f.name, len(f.content)))
	}
}

func TestFilesAreRemovedAndLimitsTold(t *testing.T) {
	t.Parallel()
	b, w := newTab(t), newSends(t)
	w.settings.MaxFiles, w.settings.MaxSize, w.settings.MaxText = 2, 100, 20
	b.open(w.grant().Link.Reveal())
	b.view("form")
	fault := func(field, want string) {
		t.Helper()
		b.submit()
		require.Contains(t, eval[string](b, `document.querySelector("#`+field+`-error").innerText`), want)
		require.Equal(t, field, eval[string](b, "document.activeElement.id"))
	}
	fault("text", "Type a text or choose a file")
	b.put("text", strings.Repeat("é", 11))
	fault("text", "too long")
	b.put("text", "ok")
	paths := onDisk(t, file{"a", strings.Repeat("a", 60)}, file{"b", strings.Repeat("b", 60)}, file{"c", "c"})
	b.run(chromedp.SetUploadFiles(chromedp.CSS("#pick"), paths))
	b.until("the files are listed", slot("picked-state")+".innerText.includes('3 files')")
	fault("pick", "too many")
	remove := func(name string) {
		t.Helper()
		eval[bool](b, `document.querySelector("#app button[aria-label='Remove `+name+`']").click(), true`)
	}
	remove("c")
	fault("pick", "too large together")
	remove("a")
	b.submit()
	b.view("result")

	w.settings.FilesOff = true
	other := newTab(t)
	other.open(w.grant().Link.Reveal())
	other.view("form")
	require.True(t, eval[bool](other, slot("files-field")+".hidden"))
	b.quiet()
}

func TestACallerAnswersARequest(t *testing.T) {
	t.Parallel()
	b, w := newTab(t), newSends(t)
	asked := w.ask("Which serial number is on the printer?")
	f := noise("photo.jpg", 3*mib+1)
	path, _, _ := strings.Cut(asked.Link.Reveal(), "#")
	b.open(path + "#" + strings.Repeat("A", 43))
	b.view("foreign")
	require.Contains(t, b.heading(), "not genuine")
	b.open("about:blank")
	b.open(asked.Link.Reveal())
	b.view("gate")
	require.Contains(t, eval[string](b, "document.body.innerText"), "Which serial number is on the printer?")
	b.put("number", wrong(asked.Number.Reveal()))
	b.submit()
	b.until("what is wrong", `document.querySelector("#number-error").innerText.includes("one try left")`)
	b.put("number", asked.Number.Reveal())
	b.submit()
	b.view("form")
	b.run(chromedp.Reload())
	b.view("form") // this tab is the one that was admitted

	other := newTab(t)
	other.open(asked.Link.Reveal())
	other.view("busy")

	b.put("text", "It is 4711")
	b.run(chromedp.SetUploadFiles(chromedp.CSS("#pick"), onDisk(t, f)))
	b.until("the file is listed", slot("picked-state")+".innerText.includes('1 file')")
	b.submit()
	b.view("sent")
	b.run(chromedp.Reload())
	b.view("answered")

	claim := securesend.RandomKey()
	got, err := w.svc.Receive(t.Context(), asked.Ref, sender.ID, claim)
	require.NoError(t, err)
	require.Equal(t, "It is 4711", got.Text.Reveal())
	require.Equal(t, []securesend.FileInfo{{Name: "photo.jpg", Size: int64(len(f.content))}}, got.Files)
	r, err := got.Open(t.Context(), 0)
	require.NoError(t, err)
	content, err := io.ReadAll(r)
	require.NoError(t, err)
	require.Equal(t, f.content, string(content))
	require.NoError(t, w.svc.AckReceived(t.Context(), got))
	b.run(chromedp.Reload())
	b.view("ended")
	b.quiet()
}

// A browser that goes offline for good in the middle: the person is asked, and goes on with one press.
func TestAnUploadWaitsForThePersonInTheEnd(t *testing.T) {
	t.Parallel()
	b, w := newTab(t), newSends(t)
	b.inject(`{ const real = setTimeout; window.setTimeout = (f, ms, ...rest) => real(f, ms > 500 && ms < 60000 ? ms / 500 : ms, ...rest); }`)
	var away atomic.Bool
	granted := w.grant()
	b.open(granted.Link.Reveal())
	b.view("form")
	b.run(chromedp.SetUploadFiles(chromedp.CSS("#pick"), onDisk(t, noise("a.bin", mib))))
	b.until("the file is listed", slot("picked-state")+".innerText.includes('1 file')")
	w.interfere(func(rw http.ResponseWriter, r *http.Request) bool {
		if strings.HasSuffix(r.URL.Path, "/parts") && !away.Swap(true) {
			return true
		}
		cut(rw, r)
		return false
	})
	b.submit()
	b.until("a button", slot("resume")+" && !"+slot("resume")+".hidden")
	require.Contains(t, b.text("sending-state"), "Nothing is lost")
	w.interfere(nil)
	b.push("resume")
	b.view("result")
}

// What the page seals the Go client opens, and the other way round.
func TestThePageAndTheClientOpenWhatTheOtherSealed(t *testing.T) {
	t.Parallel()
	b, w := newTab(t), newSends(t)
	f := noise("a ü.bin", 9*mib+1)
	b.open(w.grant().Link.Reveal())
	b.view("form")
	b.put("text", content)
	b.put("passphrase", "Café")
	b.run(chromedp.SetUploadFiles(chromedp.CSS("#pick"), onDisk(t, f)))
	b.until("the file is listed", slot("picked-state")+".innerText.includes('1 file')")
	b.submit()
	b.view("result")
	link, number := eval[string](b, slot("link")+".value"), strings.TrimSpace(b.text("number"))
	got, err := client.Open(t.Context(), link, &client.OpenOptions{Number: mspkit.Redact(number), Passphrase: mspkit.Redact("Café")})
	require.NoError(t, err)
	require.Equal(t, content, got.Text.Reveal())
	dir := t.TempDir()
	names, err := got.Save(t.Context(), dir)
	require.NoError(t, err)
	require.Equal(t, []string{f.name}, names)
	saved, err := os.ReadFile(filepath.Join(dir, f.name))
	require.NoError(t, err)
	require.Equal(t, f.content, string(saved))
	require.NoError(t, got.Done(t.Context()))

	sent, err := client.Create(t.Context(), w.grant().Link.Reveal(), &client.CreateOptions{
		Text: mspkit.Redact(content), Files: []securesend.File{{Name: f.name, Size: int64(len(f.content)), Reader: strings.NewReader(f.content)}},
	})
	require.NoError(t, err)
	r := newTab(t)
	down := r.downloads()
	r.open(sent.Link.Reveal())
	r.view("gate")
	r.put("number", sent.Number.Reveal())
	r.submit()
	r.view("content")
	require.Equal(t, content, eval[string](r, slot("text")+".textContent"))
	r.save(0)
	require.Equal(t, f.content, r.saved(down, f.name, len(f.content)))
	r.quiet()
}
