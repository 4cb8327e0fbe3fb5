package browser_test

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/securesend"
)

// inspectSend is inspect for pages with a script and with parts that are hidden at times.
var inspectSend = strings.NewReplacer(
	`"script, [style], style"`, `"script:not([src]), [style], style"`,
	`if (r.height < 44 || r.width < 44)`, `if (e.getClientRects().length && (r.height < 44 || r.width < 44))`,
).Replace(inspect)

// sendState is one thing that the pages can show.
type sendState struct {
	name string
	make func(b *tab, w *sends)
}

func gatedState(change ...func(*securesend.SendRequest)) func(b *tab, w *sends) {
	return func(b *tab, w *sends) {
		b.open(w.create(change...).Link.Reveal())
		b.view("gate")
	}
}

// failing opens a send while every call of the script is answered so.
func failing(status int, body, view string) func(b *tab, w *sends) {
	return func(b *tab, w *sends) {
		w.interfere(func(rw http.ResponseWriter, r *http.Request) bool {
			if r.Method == http.MethodGet {
				return true
			}
			rw.WriteHeader(status)
			_, _ = io.WriteString(rw, body)
			return false
		})
		b.open(w.create().Link.Reveal())
		b.view(view)
	}
}

var sendStates = []sendState{
	{"gate-number", gatedState()},
	{"gate-branded", func(b *tab, w *sends) {
		w.settings.Brand = mspkit.Brand{Name: "Fabrikam Support", Color: "#a3195b", Logo: logo(w), Phone: "+49 30 901820", Site: "fabrikam.example"}
		gatedState(withFiles(noise("a.bin", 3*mib), noise("b.bin", 100)))(b, w)
	}},
	{"gate-long", func(b *tab, w *sends) {
		w.settings.Brand = mspkit.Brand{Name: "Bundesweite Informationstechnik-Dienstleistungsgesellschaft", Color: "#ffd400"}
		gatedState(func(r *securesend.SendRequest) { r.By.Name = "Wolfeschlegelsteinhausenbergerdorff Hubert" }, withPassphrase("x"))(b, w)
	}},
	{"gate-wrong", func(b *tab, w *sends) {
		s := w.create()
		b.open(s.Link.Reveal())
		b.view("gate")
		b.put("number", wrong(s.Number.Reveal()))
		b.submit()
		b.until("what is wrong", `!document.querySelector("#number-error").hidden`)
	}},
	{"gate-code", func(b *tab, w *sends) {
		gatedState(gated(securesend.GateCode))(b, w)
		b.push("code-send")
		b.until("the code is sent", slot("code-state")+".innerText")
	}},
	{"gate-proof", func(b *tab, w *sends) {
		gatedState(gated(securesend.GateProof))(b, w)
		b.push("proof-start")
		b.until("waiting", slot("proof-state")+".innerText")
	}},
	{"gate-again", func(b *tab, w *sends) {
		s := w.create(gated(securesend.GateNone), func(r *securesend.SendRequest) { r.Choice.Views = 3 })
		b.reveal(s)
		b.push("done")
		b.until("the end", slot("end")+".innerText")
		b.open("about:blank")
		b.open(s.Link.Reveal())
		b.view("gate")
	}},
	{"gate-large", func(b *tab, w *sends) {
		b.inject(withoutWorker)
		s := w.create(withFiles(file{"a.bin", "abc"}))
		w.interfere(func(rw http.ResponseWriter, r *http.Request) bool {
			if !strings.HasSuffix(r.URL.Path, "/open") {
				return true
			}
			_, body := w.forward(r)
			_, _ = io.WriteString(rw, strings.Replace(body, `"sizes":[3]`, `"sizes":[5368709120]`, 1))
			return false
		})
		b.open(s.Link.Reveal())
		b.view("gate")
		b.until("the warning", "!"+slot("too-large")+".hidden")
	}},
	{"text", func(b *tab, w *sends) { b.reveal(w.create()) }},
	{"text-long", func(b *tab, w *sends) {
		b.reveal(w.create(func(r *securesend.SendRequest) {
			r.Text = mspkit.Redact("-----BEGIN KEY-----\n" + strings.Repeat("MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQ", 30) + "\n-----END KEY-----\nشكرا\tx")
		}))
		b.push("copy")
		b.until("the answer", slot("copy-state")+".innerText")
	}},
	{"text-burnt", func(b *tab, w *sends) {
		b.reveal(w.create())
		b.push("done")
		b.until("the end", slot("end")+".innerText")
	}},
	{"files", func(b *tab, w *sends) {
		b.downloads()
		b.reveal(w.create(func(r *securesend.SendRequest) {
			r.Files = withFilesOf(noise("Installation guide.pdf", 3*mib), noise("A file with a name that is much longer than any screen of a phone is wide.docx", 100), file{"empty.txt", ""})
		}))
		b.save(0)
		b.until("it says so", `document.querySelector("#app [data-slot=state]").innerText !== "" && document.querySelector("#app [data-slot=progress]").hidden`)
	}},
	{"files-running", func(b *tab, w *sends) {
		b.downloads()
		b.reveal(w.create(withFiles(noise("backup.zip", 9*mib))))
		var n int
		w.interfere(func(rw http.ResponseWriter, r *http.Request) bool {
			if !strings.HasSuffix(r.URL.Path, "/chunks") {
				return true
			}
			if n++; n > 1 {
				cut(rw, r)
				return false
			}
			return true
		})
		b.save(0)
		b.until("the connection is lost", `document.querySelector("#app [data-slot=progress]").value > 0.3 && document.querySelector("#app [data-slot=state]").innerText.length > 12`)
	}},
	{"link-missing", func(b *tab, w *sends) {
		path, _, _ := strings.Cut(w.create().Link.Reveal(), "#")
		b.open(path)
		b.view("link-missing")
	}},
	{"link-wrong", func(b *tab, w *sends) {
		path, _, _ := strings.Cut(w.create().Link.Reveal(), "#")
		b.open(path + "#" + strings.Repeat("A", 43))
		b.view("link-wrong")
	}},
	{"busy", failing(http.StatusConflict, `{"error":"opening"}`, "busy")},
	{"draft", failing(http.StatusConflict, `{"error":"draft"}`, "draft")},
	{"locked", failing(http.StatusLocked, `{"error":"locked"}`, "locked")},
	{"altered", failing(http.StatusUnprocessableEntity, `{"error":"envelope"}`, "altered")},
	{"offline", failing(http.StatusServiceUnavailable, `{"error":"unavailable"}`, "offline")},
	{"broken", failing(http.StatusBadRequest, `{"error":"new"}`, "broken")},
	{"ended", func(b *tab, w *sends) {
		s := w.create()
		b.reveal(s)
		b.push("done")
		b.until("the end", slot("end")+".innerText")
		b.open("about:blank")
		b.open(s.Link.Reveal())
		b.view("ended")
	}},
	{"unsupported", func(b *tab, w *sends) {
		b.inject(`Object.defineProperty(Crypto.prototype, "subtle", {get: () => undefined, configurable: true})`)
		b.open(w.create().Link.Reveal())
		b.view("unsupported")
	}},
	{"no-script", func(b *tab, w *sends) {
		call(b, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
		b.open(w.create().Link.Reveal())
	}},
	{"gone", func(b *tab, w *sends) { b.open(w.base + "/s/unknown") }},
	{"compose", func(b *tab, w *sends) {
		b.open(w.grant().Link.Reveal())
		b.view("form")
	}},
	{"compose-filled", func(b *tab, w *sends) {
		w.settings.MaxText = 100
		b.open(w.grant().Link.Reveal())
		b.view("form")
		b.put("text", strings.Repeat("Your new password is below. ", 5))
		b.run(chromedp.SetUploadFiles(chromedp.CSS("#pick"), onDisk(w, noise("Installation guide.pdf", 3*mib), noise("A file with a name that is much longer than any screen of a phone is wide.docx", 100))))
		b.until("the files are listed", slot("picked-state")+".innerText")
		b.submit()
	}},
	{"compose-sending", func(b *tab, w *sends) {
		b.open(w.grant().Link.Reveal())
		b.view("form")
		b.run(chromedp.SetUploadFiles(chromedp.CSS("#pick"), onDisk(w, noise("a.bin", 17*mib))))
		b.until("the files are listed", slot("picked-state")+".innerText")
		w.interfere(func(rw http.ResponseWriter, r *http.Request) bool {
			if strings.HasSuffix(r.URL.Path, "/part/0/1") {
				cut(rw, r)
				return false
			}
			return true
		})
		b.submit()
		b.view("sending")
		b.until("the connection is lost", slot("sending-state")+".innerText")
	}},
	{"compose-result", func(b *tab, w *sends) {
		b.open(w.grant().Link.Reveal())
		b.view("form")
		b.put("text", "hunter2")
		b.put("passphrase", "correct horse")
		b.submit()
		b.view("result")
	}},
	{"compose-result-open", func(b *tab, w *sends) {
		b.open(w.grant(gated(securesend.GateNone)).Link.Reveal())
		b.view("form")
		b.put("text", "hunter2")
		b.submit()
		b.view("result")
	}},
	{"compose-used", failingGrant("used")},
	{"request-gate", func(b *tab, w *sends) {
		b.open(w.ask("Which serial number is on the printer? A photo of the label will do.").Link.Reveal())
		b.view("gate")
	}},
	{"request-form", func(b *tab, w *sends) {
		s := w.ask("Which serial number is on the printer? A photo of the label will do.")
		b.open(s.Link.Reveal())
		b.view("gate")
		b.put("number", s.Number.Reveal())
		b.submit()
		b.view("form")
	}},
	{"request-sent", func(b *tab, w *sends) {
		s := w.ask("Which serial number is on the printer?")
		b.open(s.Link.Reveal())
		b.view("gate")
		b.put("number", s.Number.Reveal())
		b.submit()
		b.view("form")
		b.put("text", "4711")
		b.submit()
		b.view("sent")
	}},
	{"request-foreign", func(b *tab, w *sends) {
		path, _, _ := strings.Cut(w.ask("").Link.Reveal(), "#")
		b.open(path + "#" + strings.Repeat("A", 43))
		b.view("foreign")
	}},
	{"request-answered", func(b *tab, w *sends) {
		s := w.ask("Which serial number is on the printer?")
		b.open(s.Link.Reveal())
		b.view("gate")
		b.put("number", s.Number.Reveal())
		b.submit()
		b.view("form")
		b.put("text", "4711")
		b.submit()
		b.view("sent")
		b.run(chromedp.Reload())
		b.view("answered")
	}},
}

func failingGrant(view string) func(b *tab, w *sends) {
	return func(b *tab, w *sends) {
		w.interfere(func(rw http.ResponseWriter, r *http.Request) bool {
			if !strings.HasSuffix(r.URL.Path, "/begin") {
				return true
			}
			_, body := w.forward(r)
			_, _ = io.WriteString(rw, strings.Replace(body, `"state":"draft"`, `"state":"ready"`, 1))
			return false
		})
		b.open(w.grant().Link.Reveal())
		b.view(view)
	}
}

// Every state in every look: no fault by WCAG 2.2 AA as far as a script can tell. With MSPKIT_SHOTS there are pictures of all.
func TestEverySendStateIsUsableInEveryLook(t *testing.T) {
	t.Parallel()
	shots := os.Getenv("MSPKIT_SHOTS")
	const workers = 2
	for i := range workers {
		t.Run(fmt.Sprint("worker ", i), func(t *testing.T) {
			t.Parallel()
			for j := i; j < len(sendStates); j += workers {
				s := sendStates[j]
				t.Run(s.name, func(t *testing.T) {
					for _, locale := range []string{"en", "de", "ar-XB"} {
						if shots == "" && (locale == "de" && j%2 == 0 || locale == "ar-XB" && j%4 != 0) || !sampled(j/2, locale) {
							continue // enough to see that long words and the other direction fit
						}
						b, w := newTab(t), newSends(t)
						w.locale, w.settings.Locale = locale, locale
						s.make(b, w)
						if s.name != "gone" {
							require.Equal(t, locale, eval[string](b, "document.documentElement.lang"))
						}
						for _, l := range looks {
							if shots == "" && !slices.Contains(l.locales, locale) {
								continue
							}
							b.look(l)
							require.Empty(t, eval[[]string](b, inspectSend), "%s %d %s", locale, l.width, l.scheme)
							if shots != "" && l.width != 320 {
								b.shoot(filepath.Join(shots, fmt.Sprintf("%s.%s.%d.%s.png", s.name, locale, l.width, l.scheme)))
							}
						}
					}
				})
			}
		})
	}
}
