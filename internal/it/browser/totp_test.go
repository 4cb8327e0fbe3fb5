package browser_test

import (
	"bytes"
	"context"
	"encoding/base32"
	"fmt"
	"image"
	"image/draw"
	"image/png"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
	"github.com/makiuchi-d/gozxing"
	"github.com/makiuchi-d/gozxing/qrcode"
	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	mechanism "github.com/mspkit/mspkit/internal/totp"
	"github.com/mspkit/mspkit/verify"
	"github.com/mspkit/mspkit/verify/memstore"
	"github.com/mspkit/mspkit/verify/totp"
	"github.com/mspkit/mspkit/verify/verifytest"
)

// setup is a service with an authenticator app and its pages on a loopback server, with a clock that tests move.
type setup struct {
	testing.TB
	svc          *verify.Service
	app          *totp.Channel
	enrol        *totp.Enrolment
	teams        *verifytest.Channel
	settings     verify.Settings
	locale, name string
	base, number string

	mu    sync.Mutex
	clock time.Time
}

func newSetup(t testing.TB) *setup {
	t.Helper()
	w := &setup{
		TB: t, teams: &verifytest.Channel{Level: verify.AssuranceTeams}, clock: time.Date(2026, 11, 22, 9, 0, 10, 0, time.UTC), name: "Dana Smith",
		settings: verify.Settings{
			Brand:  mspkit.Brand{Name: "Contoso IT", Phone: "+1 5550 0100", Site: "https://help.contoso.example"},
			Limits: verify.Limits{Cooldown: -1},
		},
	}
	ring, err := mspkit.NewKeyRing(mspkit.NewKey("k1"))
	require.NoError(t, err)
	srv, store := httptest.NewUnstartedServer(nil), memstore.New()
	w.base = "http://" + srv.Listener.Addr().String() + "/verify"
	w.app, err = totp.New(store, ring, nil)
	require.NoError(t, err)
	w.svc, err = verify.New(store, ring, w.base, func(context.Context, mspkit.TenantID) (verify.Settings, error) { return w.settings, nil },
		&verify.Options{
			Channels: map[string]verify.Channel{"teams": w.teams, "app": w.app}, Now: w.now,
			Authorize: func(context.Context, mspkit.TenantID, string, verify.Permission) error { return nil },
		})
	require.NoError(t, err)
	w.enrol, err = totp.NewEnrolment(w.app, w.svc, &totp.EnrolmentOptions{Now: w.now})
	require.NoError(t, err)
	mux := http.NewServeMux()
	mux.Handle("/verify/totp/", http.StripPrefix("/verify/totp", w.enrol))
	srv.Config.Handler = mux
	srv.Start()
	t.Cleanup(srv.Close)
	return w
}

func (w *setup) now() time.Time { w.mu.Lock(); defer w.mu.Unlock(); return w.clock }

func (w *setup) pass(d time.Duration) { w.mu.Lock(); defer w.mu.Unlock(); w.clock = w.clock.Add(d) }

// begin verifies Dana in Teams and sends her a link, for an app or for new recovery codes.
func (w *setup) begin(action verify.Action) (link string) {
	w.Helper()
	ctx := w.Context()
	subject := verify.Subject{ID: "dana", Name: w.name, Company: "Northwind Traders", Locale: w.locale, Destinations: []verify.Destination{
		{Channel: "teams", Address: "chat-of-dana", FirstSeen: time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)},
	}}
	c, err := w.svc.Start(ctx, verify.StartRequest{Tenant: tenant, Subject: subject, Action: action, Technician: jane})
	require.NoError(w, err)
	_, err = w.svc.Answer(ctx, verify.Answer{Ref: c.Ref, Method: verify.MethodNumber, Response: c.Number.Reveal()})
	require.NoError(w, err)
	c, err = w.svc.Get(ctx, c.Ref, jane.ID)
	require.NoError(w, err)
	begin := w.enrol.Begin
	if action == verify.ActionRecoveryTOTP {
		begin = w.enrol.BeginRecovery
	}
	p, err := begin(ctx, totp.Request{Proof: c.Proof, By: "job", Subject: subject, Expect: verify.Expect{
		Tenant: tenant, Subject: "dana", Action: action, Technician: jane.ID,
	}})
	require.NoError(w, err)
	w.number = p.Number.Reveal()
	told := w.teams.Notices()
	return told[len(told)-1].Link.Reveal()
}

// fill types into a field and sends the form.
func (b *tab) fill(field, text string) {
	b.Helper()
	eval[bool](b, drawn)
	eval[bool](b, fmt.Sprintf(`document.querySelector("#%s").focus(), true`, field))
	b.enter(text)
}

// opened opens a link with the right number.
func (w *setup) opened(b *tab, link string) {
	b.Helper()
	b.open(link)
	b.fill("number", w.number)
}

// secret reads the key of the page.
func (b *tab) secret() []byte {
	b.Helper()
	key := eval[string](b, `document.querySelector(".key").textContent`)
	s, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(strings.ReplaceAll(strings.TrimSpace(key), " ", ""))
	require.NoError(b, err)
	return s
}

func (w *setup) code(secret []byte) string { return mechanism.Code(secret, mechanism.Step(w.now())) }

// enrolled sets an app up in the browser.
func (w *setup) enrolled(b *tab) []byte {
	b.Helper()
	w.opened(b, w.begin(verify.ActionEnrolTOTP))
	secret := b.secret()
	b.fill("code", w.code(secret))
	return secret
}

// scanQR reads the QR code off the screen, as a phone that is held before it does: from several distances, because no reader
// finds every code at the first look.
func (b *tab) scanQR(l look) string {
	b.Helper()
	var err error
	// Pixels of the screen for each of the page; phones and good screens have 2 to 4. As a phone does, it looks more than once.
	for _, density := range []int{3, 4, 2, 5, 3, 4} {
		picture := b.closeUp(l, density)
		for _, hints := range []map[gozxing.DecodeHintType]any{{gozxing.DecodeHintType_TRY_HARDER: true}, {gozxing.DecodeHintType_PURE_BARCODE: true}} {
			var bitmap *gozxing.BinaryBitmap
			bitmap, err = gozxing.NewBinaryBitmapFromImage(picture)
			require.NoError(b, err)
			var found *gozxing.Result
			if found, err = qrcode.NewQRCodeReader().Decode(bitmap, hints); err == nil {
				return found.GetText()
			}
		}
	}
	require.NoError(b, err, "the QR code cannot be read off the screen")
	return ""
}

// closeUp returns the part of the screen that has the QR code.
func (b *tab) closeUp(l look, density int) image.Image {
	b.Helper()
	call(b, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{Width: l.width, Height: 844, DeviceScaleFactor: float64(density), Mobile: l.width < 600})
	eval[bool](b, drawn) // else the picture may be of the page as it was before, and the code elsewhere in it
	shot, err := chromedp.Run(b.ctx, chromedp.FullScreenshot(100))
	require.NoError(b, err)
	picture, err := png.Decode(bytes.NewReader(shot))
	require.NoError(b, err)
	at := eval[[]int](b, `(r => [r.left + scrollX, r.top + scrollY, r.right + scrollX, r.bottom + scrollY].map(Math.round))(document.querySelector(".qr").getBoundingClientRect())`)
	part := image.NewRGBA(image.Rect(0, 0, density*(at[2]-at[0]), density*(at[3]-at[1])))
	draw.Draw(part, part.Bounds(), picture, image.Pt(density*at[0], density*at[1]), draw.Src)
	return part
}

// setupStates are the pages that people can meet.
var setupStates = []struct {
	name string
	make func(w *setup, b *tab)
}{
	{"totp-number", func(w *setup, b *tab) { b.open(w.begin(verify.ActionEnrolTOTP)) }},
	{"totp-number-wrong", func(w *setup, b *tab) {
		b.open(w.begin(verify.ActionEnrolTOTP))
		b.fill("number", wrong(w.number))
	}},
	{"totp-setup", func(w *setup, b *tab) { w.opened(b, w.begin(verify.ActionEnrolTOTP)) }},
	{"totp-setup-open", func(w *setup, b *tab) {
		w.settings.Brand = mspkit.Brand{Name: "Fabrikam Support", Color: "#a3195b", Logo: logo(w), Phone: "+49 30 901820", Site: "fabrikam.example"}
		w.opened(b, w.begin(verify.ActionEnrolTOTP))
		eval[bool](b, `document.querySelectorAll("details").forEach(e => e.open = true), true`)
	}},
	{"totp-setup-long", func(w *setup, b *tab) {
		w.settings.Brand = mspkit.Brand{Name: "Bundesweite Informationstechnik-Dienstleistungsgesellschaft für Übergrößen", Color: "#ffd400"}
		w.name = "Maximiliane Freifrau von Hohenzollern-Sigmaringen-Überlingen"
		w.opened(b, w.begin(verify.ActionEnrolTOTP))
	}},
	{"totp-setup-wrong", func(w *setup, b *tab) {
		w.opened(b, w.begin(verify.ActionEnrolTOTP))
		b.fill("code", "000000")
	}},
	{"totp-codes", func(w *setup, b *tab) { w.enrolled(b) }},
	{"totp-done", func(w *setup, b *tab) {
		w.enrolled(b)
		call(b, network.ClearBrowserCookies, struct{}{})
		b.run(chromedp.Reload())
	}},
	{"totp-recovery-number", func(w *setup, b *tab) { w.enrolled(b); b.open(w.begin(verify.ActionRecoveryTOTP)) }},
	{"totp-recovery-code", func(w *setup, b *tab) { w.enrolled(b); w.opened(b, w.begin(verify.ActionRecoveryTOTP)) }},
	{"totp-recovery-codes", func(w *setup, b *tab) {
		secret := w.enrolled(b)
		w.pass(time.Minute)
		w.opened(b, w.begin(verify.ActionRecoveryTOTP))
		b.fill("code", w.code(secret))
	}},
	{"totp-dead", func(w *setup, b *tab) {
		b.open(w.begin(verify.ActionEnrolTOTP))
		b.fill("number", wrong(w.number))
		b.fill("number", wrong(w.number))
	}},
	{"totp-expired", func(w *setup, b *tab) {
		link := w.begin(verify.ActionEnrolTOTP)
		w.pass(10 * time.Minute)
		b.open(link)
	}},
	{"totp-frozen", func(w *setup, b *tab) {
		b.open(w.begin(verify.ActionEnrolTOTP))
		require.NoError(b, w.svc.Freeze(b.Context(), tenant, "dana", jane.ID, "a report", time.Hour))
		b.fill("number", w.number)
	}},
	{"totp-gone", func(w *setup, b *tab) { b.open(w.base + "/totp/e/unknown") }},
}

func TestEveryPageOfTheAppIsUsableInEveryLook(t *testing.T) {
	t.Parallel()
	b, shots := newTab(t), os.Getenv("MSPKIT_SHOTS")
	for i, s := range setupStates { //nolint:paralleltest // they share a tab
		t.Run(s.name, func(t *testing.T) {
			b.TB = t
			for _, locale := range []string{"en", "de", "ar-XB"} {
				if !sampled(i, locale) {
					continue
				}
				w := newSetup(t)
				w.locale = locale
				call(b, network.SetExtraHTTPHeaders, network.SetExtraHTTPHeadersParams{Headers: network.Headers{"Accept-Language": locale}})
				b.look(look{width: 390, scheme: "light"})
				s.make(w, b)
				require.Equal(t, locale, eval[string](b, "document.documentElement.lang"))
				for _, l := range looks {
					if shots == "" && !slices.Contains(l.locales, locale) {
						continue
					}
					b.look(l)
					require.Empty(t, eval[[]string](b, inspect), "%s %d %s", locale, l.width, l.scheme)
					if strings.HasPrefix(s.name, "totp-setup") {
						require.Equal(t, mechanism.URL(b.secret(), w.settings.Brand.Name, w.name), b.scanQR(l), "%s %d %s", locale, l.width, l.scheme)
					}
					if shots != "" && l.width != 320 {
						b.look(l)
						b.shoot(filepath.Join(shots, fmt.Sprintf("%s.%s.%d.%s.png", s.name, locale, l.width, l.scheme)))
					}
				}
				b.leave()
				b.quiet()
			}
		})
	}
	b.TB = t
}

func TestAnAppIsSetUpWithTheKeyboardAlone(t *testing.T) {
	t.Parallel()
	b, w := newTab(t), newSetup(t)
	link := w.begin(verify.ActionEnrolTOTP)
	b.open(link + "#from-a-chat")
	require.Equal(t, 1, b.focus("input[name=number]"), "the field is the first stop")
	b.enter(wrong(w.number))
	require.Contains(t, eval[string](b, `document.querySelector("#error").innerText`), "That is not the number")
	require.Zero(t, b.focus("input[name=number]"), "after a mistake the field has the focus")
	b.enter(w.number)
	require.Equal(t, "Add it to your app", b.heading())
	require.Empty(t, eval[string](b, "document.cookie"), "no script sees the session")

	// The picture, the key and the address for an app on this device say the same.
	key := b.secret()
	u, err := url.Parse(b.scanQR(looks[2]))
	require.NoError(t, err)
	require.Equal(t, base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(key), u.Query().Get("secret"))
	require.Equal(t, u.String(), eval[string](b, `document.querySelector("a[href^=otpauth]").href`))
	require.False(t, eval[bool](b, `document.querySelector(".key").checkVisibility()`))
	b.focus("summary")
	b.run(chromedp.KeyEvent(" "))
	require.True(t, eval[bool](b, `document.querySelector("a[href^=otpauth]").checkVisibility()`))

	// Reload and Back lose nothing, and try nothing.
	b.run(chromedp.Reload())
	require.Equal(t, key, b.secret())
	eval[bool](b, "history.back(), true")
	b.settle()
	b.open(link)
	require.Equal(t, key, b.secret())
	b.focus("input[name=code]")
	b.enter("123")
	require.Contains(t, eval[string](b, `document.querySelector("#error").innerText`), "six digits and nothing else")
	b.focus("input[name=code]")
	b.enter(w.code(key)[:3] + " " + w.code(key)[3:])
	require.Equal(t, "Your app is set up", b.heading())
	codes := eval[string](b, `document.querySelector(".codes").innerText`)
	b.run(chromedp.Reload())
	require.Equal(t, codes, eval[string](b, `document.querySelector(".codes").innerText`))
	b.quiet()

	stranger := newTab(t)
	stranger.open(link)
	require.Equal(t, "It is done", stranger.heading())
	s, err := w.app.Status(t.Context(), tenant, "dana")
	require.NoError(t, err)
	require.Equal(t, 10, s.Recovery)
}

func TestAScannerWithABrowserSeesNoPicture(t *testing.T) {
	t.Parallel()
	b, w := newTab(t), newSetup(t)
	w.settings.Brand.Phone = "" // its digits are no guesses
	link := w.begin(verify.ActionEnrolTOTP)
	require.Positive(t, b.scan(link+"#fragment", []string{"", wrong(w.number), "yes"}))
	b.open(link)
	require.Equal(t, "This link is used up", b.heading())
	s, err := w.app.Status(t.Context(), tenant, "dana")
	require.NoError(t, err)
	require.Equal(t, totp.Status{}, s)
	b.quiet()
}
