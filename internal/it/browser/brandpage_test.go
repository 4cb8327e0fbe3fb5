package browser_test

import (
	"archive/zip"
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit/teamsapp"
	"github.com/mspkit/mspkit/teamsapp/brandpage"
)

// inspectBrand is inspect for a page with a script and parts that are hidden at times; a hidden alert has an icon that
// nobody sees.
var inspectBrand = strings.NewReplacer(
	`document.querySelectorAll("svg.icon")) {`, `document.querySelectorAll("svg.icon")) { if (!e.getClientRects().length) continue;`,
	`"input:not([type=hidden]), .button.secondary, .button.danger-quiet")) {`, `"input:not([type=hidden]), textarea, .button.secondary, .button.danger-quiet")) { if (!e.getClientRects().length) continue;`,
).Replace(inspectSend)

// brands is the page of one MSP on a loopback server.
type brands struct {
	testing.TB
	base string

	mu    sync.Mutex
	state brandpage.State
	saves int
	// conflict says that somebody else is always first.
	conflict bool
}

func brandOf() teamsapp.Brand {
	const site = "https://www.contoso.example"
	return teamsapp.Brand{
		Key: "contoso", BotID: "07338883-af76-47b3-86e4-2603c50be638", Language: "en", Accent: "#0a64a4",
		Texts: teamsapp.Texts{
			ShortName: "Contoso Helpdesk", FullName: "Contoso Helpdesk: verify and get help", Summary: "Confirm that it is you when you call the helpdesk.",
			Description: "When you call, this app shows who is asking and for what.",
		},
		Developer: teamsapp.Developer{Name: "Contoso IT", Website: site, Privacy: site + "/privacy", Terms: site + "/terms"},
	}
}

// newBrands keeps what is packaged where saved is set.
func newBrands(t testing.TB, b teamsapp.Brand, saved bool) *brands {
	t.Helper()
	w := &brands{TB: t, state: brandpage.State{Brand: b}}
	o := &brandpage.Options{}
	if saved {
		o.Save = func(_ *http.Request, was teamsapp.Published, s brandpage.State) error {
			w.mu.Lock()
			defer w.mu.Unlock()
			if w.conflict || was != w.state.Published {
				return brandpage.ErrConflict
			}
			w.state = s
			w.saves++
			return nil
		}
	}
	pages, err := brandpage.New(func(*http.Request) (brandpage.State, error) { w.mu.Lock(); defer w.mu.Unlock(); return w.state, nil }, o)
	require.NoError(t, err)
	mux := http.NewServeMux()
	mux.Handle("/brand/", http.StripPrefix("/brand", pages))
	srv := httptest.NewServer(mux)
	t.Cleanup(srv.Close)
	w.base = srv.URL + "/brand/"
	return w
}

// symbol is a logo of one colour on transparent ground.
func symbol(t testing.TB, c color.Color) file {
	t.Helper()
	m := image.NewNRGBA(image.Rect(0, 0, 300, 300))
	for y := range 300 {
		for x := range 300 {
			if d := (x-150)*(x-150) + (y-150)*(y-150); d < 140*140 && (d > 80*80 || d < 40*40) {
				m.Set(x, y, c)
			}
		}
	}
	var b bytes.Buffer
	require.NoError(t, png.Encode(&b, m))
	return file{"symbol.png", b.String()}
}

// chooseLogo chooses a file for the logo.
func (b *tab) chooseLogo(f file) {
	b.Helper()
	b.run(chromedp.SetUploadFiles(chromedp.CSS("#logo"), onDisk(b.TB, f)))
}

// typeInto types a text into a field in place of what is in it.
func (b *tab) typeInto(id, text string) {
	b.Helper()
	eval[bool](b, fmt.Sprintf("document.getElementById(%q).focus(), document.getElementById(%[1]q).select(), true", id))
	if text == "" {
		b.run(chromedp.KeyEvent(kb.Delete))
		return
	}
	call(b, input.InsertText, input.InsertTextParams{Text: text})
}

// do presses the button of the form that says what to do, and waits for the page that follows. "" is the preview.
func (b *tab) do(what string) {
	b.Helper()
	b.then(chromedp.Click(chromedp.CSS(button(what))))
}

func button(what string) string {
	if what == "" {
		return ".area-look button"
	}
	return `button[name="do"][value="` + what + `"]`
}

// focused returns the id of what has the focus.
func (b *tab) focused() string {
	b.Helper()
	return eval[string](b, `document.activeElement.id`)
}

func TestAnMSPMakesItsAppInTheBrowser(t *testing.T) {
	t.Parallel()
	b, w := newTab(t), newBrands(t, brandOf(), true)
	dir := b.downloads()
	b.open(w.base)

	// Characters are counted as they are typed, as code points.
	count := func(id string) string { return eval[string](b, `document.getElementById("`+id+`-count").innerText`) }
	invalid := func(id string) bool {
		return eval[bool](b, `document.getElementById("`+id+`").getAttribute("aria-invalid") === "true"`)
	}
	require.Equal(t, "16 of 30 characters", count("short"))
	b.typeInto("short", strings.Repeat("🛠", 31))
	require.Equal(t, "31 of 30 characters, 1 too many", count("short"))
	require.True(t, invalid("short"))
	b.typeInto("short", " Fabrikam Hilfe ")
	require.Equal(t, "14 of 30 characters", count("short"))
	require.False(t, invalid("short"))
	b.typeInto("description", "one\ntwo")
	require.Equal(t, "7 of 4000 characters", count("description"))

	// The two fields of the colour follow each other.
	b.typeInto("accent", "#A3195B")
	require.Equal(t, "#a3195b", eval[string](b, `document.getElementById("accent-pick").value`))
	eval[bool](b, `(() => { const p = document.getElementById("accent-pick"); p.value = "#0b6e4f"; return p.dispatchEvent(new Event("input")); })()`)
	require.Equal(t, "#0b6e4f", eval[string](b, `document.getElementById("accent").value`))

	// A file that is too large is told of before it is sent.
	b.chooseLogo(file{"large.png", strings.Repeat("x", teamsapp.DefaultMaxLogo+1)})
	b.until("the limit", `!document.getElementById("logo-large").hidden`)
	require.Equal(t, "The file has 16.0 MiB, at most 16.0 MiB are allowed. Choose a smaller one.", eval[string](b, `document.getElementById("logo-large").innerText.trim()`))
	require.Zero(t, eval[int](b, `document.getElementById("logo").files.length`))

	// Enter shows the preview, whatever other buttons there are.
	b.chooseLogo(symbol(t, color.White))
	require.True(t, eval[bool](b, `document.getElementById("logo-large").hidden`))
	eval[bool](b, `document.getElementById("summary").focus(), true`)
	b.then(chromedp.KeyEvent(kb.Enter))
	require.Equal(t, "preview", b.focused())
	require.Empty(t, eval[[]string](b, `[...document.querySelectorAll("#faults a")].map(a => a.innerText)`))
	require.Equal(t, []int{192, 32}, eval[[]int](b, `[...new Set([...document.querySelectorAll(".teams img")].map(i => i.naturalWidth))].sort()`))
	require.Equal(t, "Fabrikam Hilfe", eval[string](b, `document.querySelector(".teams-text strong").innerText`))

	// One more language: what is typed first has the focus.
	b.do("add")
	require.Equal(t, "language-1", b.focused())
	for id, text := range map[string]string{"language-1": "de", "short-1": "Hilfe", "summary-1": "Wer fragt?", "description-1": ""} {
		b.typeInto(id, text)
	}

	// A fault leads to its field, and nothing is handed out.
	b.do("download")
	require.Equal(t, "faults", b.focused())
	require.Equal(t, []string{"Description, language 2: This is needed."}, eval[[]string](b, `[...document.querySelectorAll("#faults a")].map(a => a.innerText)`))
	b.run(chromedp.Click(chromedp.CSS("#faults a")))
	b.until("the field", `document.activeElement.id === "description-1"`)
	require.Zero(t, w.savedTimes())
	b.typeInto("description-1", "Und wofür.")
	b.run(chromedp.Click(chromedp.CSS(button("download"))))
	names := manifestNames(t, b.savedFile(dir, "fabrikam-hilfe-1.0.0.zip"))
	require.Equal(t, []string{"color.png", "lang.de.json", "manifest.json", "outline.png"}, names)
	require.Equal(t, "Fabrikam Hilfe", w.now().Brand.ShortName)
	require.Equal(t, "1.0.0", w.now().Published.Version)

	// What was kept is there when the page is opened again.
	b.open(w.base)
	require.Contains(t, eval[string](b, `document.querySelector(".area-preview").innerText`), "Nothing has changed since the last package.")
	require.Equal(t, "Hilfe", eval[string](b, `document.getElementById("short-1").value`))
	b.do("remove-0")
	require.Equal(t, "languages-title", b.focused())
	require.False(t, eval[bool](b, `!!document.getElementById("short-1")`))
	b.leave()
	b.quiet()
}

func (w *brands) now() brandpage.State { w.mu.Lock(); defer w.mu.Unlock(); return w.state }

func (w *brands) savedTimes() int { w.mu.Lock(); defer w.mu.Unlock(); return w.saves }

// savedFile waits for a download and returns what is in it. Browsers write into a file of another name first.
func (b *tab) savedFile(dir, name string) []byte {
	b.Helper()
	path := filepath.Join(dir, name)
	require.Eventually(b, func() bool { _, err := os.Stat(path); return err == nil }, time.Minute, 50*time.Millisecond, name)
	content, err := os.ReadFile(path)
	require.NoError(b, err)
	return content
}

func manifestNames(t testing.TB, content []byte) []string {
	t.Helper()
	z, err := zip.NewReader(bytes.NewReader(content), int64(len(content)))
	require.NoError(t, err)
	var names []string
	for _, f := range z.File {
		names = append(names, f.Name)
	}
	slices.Sort(names)
	return names
}

func TestTheBrandPageDoesItsWorkWithoutAScript(t *testing.T) {
	t.Parallel()
	b, w := newTab(t), newBrands(t, brandOf(), true)
	dir := b.downloads()
	call(b, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
	b.open(w.base)
	b.chooseLogo(symbol(t, color.Black))
	b.typeInto("short", strings.Repeat("x", 35))
	b.do("")
	page := eval[string](b, "document.body.innerText")
	require.Contains(t, page, "35 of 30 characters, 5 too many")
	require.Contains(t, page, "It has 35 characters, at most 30 are allowed.")
	require.Equal(t, 192, eval[int](b, `document.querySelector(".crop-square").naturalWidth`))
	b.typeInto("short", "Contoso")
	b.run(chromedp.Click(chromedp.CSS(button("download"))))
	require.Len(t, manifestNames(t, b.savedFile(dir, "contoso-1.0.0.zip")), 3)
	require.NotEmpty(t, w.now().Brand.Logo, "the logo came back with the form")
	b.leave()
	b.quiet()
}

// A page of somebody else sends the form in the name of whoever is signed in here.
func TestAForeignPageCannotPackageAnything(t *testing.T) {
	t.Parallel()
	b, w := newTab(t), newBrands(t, brandOf(), true)
	evil := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("Content-Type", "text/html")
		_, _ = fmt.Fprintf(rw, `<form method="post" enctype="multipart/form-data" action=%q><input name="do" value="download"><input name="short" value="Evil"><button>x</button></form>`, w.base)
	}))
	t.Cleanup(evil.Close)
	b.open(evil.URL)
	b.then(chromedp.Click(chromedp.CSS("button")))
	require.Equal(t, "This came from another page", b.heading())
	require.Zero(t, w.savedTimes())
	b.leave()
}

// brandState is one thing that the page can show.
type brandState struct {
	name string
	make func(b *tab)
}

var brandStates = []brandState{
	{"empty", func(b *tab) {
		b.open(newBrands(b, teamsapp.Brand{Key: "contoso", BotID: brandOf().BotID}, true).base)
	}},
	{"preview", func(b *tab) {
		b.open(newBrands(b, brandOf(), true).base)
		b.chooseLogo(symbol(b, color.White))
		b.do("")
	}},
	{"faults", func(b *tab) {
		b.open(newBrands(b, brandOf(), true).base)
		b.do("add")
		b.chooseLogo(file{"logo.svg", `<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>`})
		for id, text := range map[string]string{
			"short": strings.Repeat("Bundesweite Dienstleistungen ", 3), "summary": "", "accent": "red", "website": "javascript:alert(1)",
			"language-1": "en", "short-1": "pay\u202eexe", "description-1": strings.Repeat("x", 4001), "privacy": "http://www.contoso.example/" + strings.Repeat("a", 200),
		} {
			b.typeInto(id, text)
		}
		b.do("download")
	}},
	{"warnings", func(b *tab) {
		br := brandOf()
		br.Accent = "#ffd400"
		b.open(newBrands(b, br, true).base)
		b.chooseLogo(file{"wide.png", string(logo(b))})
		b.do("")
	}},
	{"languages", func(b *tab) {
		br := brandOf()
		br.More = []teamsapp.Translation{
			{Language: "de", Texts: teamsapp.Texts{ShortName: "Contoso Helpdesk", Summary: "Bestätigen Sie, dass Sie es sind.", Description: "Wer fragt, und wofür."}},
			{Language: "ar", Texts: teamsapp.Texts{ShortName: "مكتب مساعدة كونتوسو", Summary: "أكد هويتك عند الاتصال.", Description: "يعرض هذا التطبيق من يسأل ولماذا."}},
		}
		b.open(newBrands(b, br, false).base)
		b.do("add")
	}},
	{"long", func(b *tab) {
		br := brandOf()
		br.ShortName, br.Developer.Name = strings.Repeat("W", 30), strings.Repeat("W", 32)
		br.Summary = strings.Repeat("W", 80)
		br.Developer.Website = "https://www.contoso.example/" + strings.Repeat("w", 300)
		b.open(newBrands(b, br, true).base)
		b.do("")
	}},
	{"conflict", func(b *tab) {
		w := newBrands(b, brandOf(), true)
		w.state.Published = teamsapp.Published{Version: "1.0.0"}
		w.conflict = true
		b.open(w.base)
		b.do("download")
	}},
	{"no-script", func(b *tab) {
		call(b, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
		b.open(newBrands(b, brandOf(), false).base)
		b.do("add")
	}},
}

// Every state in every look: no fault by WCAG 2.2 AA as far as a script can tell. With MSPKIT_SHOTS there are pictures of all.
func TestEveryStateOfTheBrandPageIsUsableInEveryLook(t *testing.T) {
	t.Parallel()
	shots := os.Getenv("MSPKIT_SHOTS")
	const tabs = 2
	for i := range tabs {
		t.Run(fmt.Sprint("tab ", i), func(t *testing.T) {
			t.Parallel()
			for j := i; j < len(brandStates); j += tabs {
				s := brandStates[j]
				t.Run(s.name, func(t *testing.T) {
					for _, locale := range []string{"en", "de", "ar-XB"} {
						if !sampled(j, locale) {
							continue
						}
						b := newTab(t)
						call(b, network.SetExtraHTTPHeaders, network.SetExtraHTTPHeadersParams{Headers: network.Headers{"Accept-Language": locale}})
						s.make(b)
						require.Equal(t, locale, eval[string](b, "document.documentElement.lang"))
						for _, l := range looks {
							if shots == "" && !slices.Contains(l.locales, locale) {
								continue
							}
							b.look(l)
							require.Empty(t, eval[[]string](b, inspectBrand), "%s %d %s", locale, l.width, l.scheme)
							if shots != "" && l.width != 320 {
								b.shoot(filepath.Join(shots, fmt.Sprintf("brand-%s.%s.%d.%s.png", s.name, locale, l.width, l.scheme)))
							}
						}
						b.leave()
						b.quiet()
					}
				})
			}
		})
	}
}
