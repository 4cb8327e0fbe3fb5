package brandpage_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"image/color"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/webpage"
	"github.com/mspkit/mspkit/internal/webpage/webpagetest"
	"github.com/mspkit/mspkit/teamsapp"
	"github.com/mspkit/mspkit/teamsapp/brandpage"
)

func TestEveryRouteCarriesTheHeaderSet(t *testing.T) {
	t.Parallel()
	h := newHost(t, func(_ *host, o *brandpage.Options) { o.Package.MaxLogo = 1 << 20 })
	webpagetest.Run(t, h.handler, "/brand", true, h.pages.Routes())
	want := webpage.Headers{HTTPS: true, Script: true, DataImages: true}
	for _, w := range []*httptest.ResponseRecorder{
		h.get(), h.send(typed(nil), nil), h.send(typed(fields{"do": {"download"}}), nil), h.send(typed(fields{"do": {"download"}, "short": {""}}), nil),
	} {
		webpagetest.CheckHeaders(t, w.Header(), want)
		require.Contains(t, w.Header().Get("Content-Security-Policy"), "default-src 'none'; style-src 'self'; img-src 'self' data:; script-src 'self'; form-action 'self'")
		require.Empty(t, w.Header().Get("Set-Cookie"))
	}
}

func TestNothingIsInline(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	for _, body := range []string{h.get().Body.String(), h.send(typed(fields{"short": {""}}), logo(t, color.White)).Body.String()} {
		require.NotRegexp(t, `<style|\sstyle=|\son[a-z]+=|<script>|javascript:|ZgotmplZ`, body)
		for _, script := range strings.Split(body, "<script")[1:] {
			require.Regexp(t, `^ src="\./assets/brand\.[0-9a-f]+\.js" defer></script>`, script)
		}
	}
	source, err := os.ReadFile("static/brand.js")
	require.NoError(t, err)
	for _, bad := range []string{"innerHTML", "outerHTML", "insertAdjacent", "eval", "Function(", "fetch(", "XMLHttpRequest", "document.write", "localStorage", "cookie"} {
		require.NotContains(t, string(source), bad)
	}
}

// Whose app it is says the host, and never a form.
func TestAFormCannotSpeakForAnotherMSPOrBot(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	h.state.Brand.Domains, h.state.Brand.NotificationOnly, h.state.Brand.GraphID = []string{"verify.contoso.example"}, true, botID
	was := h.state.Brand
	w := h.send(typed(fields{
		"do": {"download"}, "key": {"fabrikam"}, "Key": {"fabrikam"}, "bot": {"x"}, "BotID": {"x"}, "botID": {"x"}, "GraphID": {"x"}, "Domains": {"evil.example"},
		"domains": {"evil.example"}, "NotificationOnly": {""}, "version": {"9.9.9"}, "Digest": {strings.Repeat("0", 64)},
	}), nil)
	require.Equal(t, http.StatusOK, w.Code)
	_, m := readZip(t, w.Body.Bytes())
	require.Equal(t, teamsapp.PackageID("contoso", botID), m.ID)
	require.Equal(t, botID, m.Bots[0].BotID)
	require.Equal(t, "1.0.0", m.Version)
	got := h.state.Brand
	require.Equal(t, []any{was.Key, was.BotID, was.GraphID, was.Domains, was.NotificationOnly}, []any{got.Key, got.BotID, got.GraphID, got.Domains, got.NotificationOnly})
}

func TestFormsOfForeignPagesAreRefused(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	for _, header := range [][]string{
		{"Sec-Fetch-Site", "cross-site"},
		{"Sec-Fetch-Site", "same-site"},
		{"Sec-Fetch-Site", "cross-site", "Origin", "null"},
		{"Sec-Fetch-Site", "", "Origin", "https://attacker.example"},
		{"Sec-Fetch-Site", "", "Origin", "null"},
	} {
		w := h.send(typed(fields{"do": {"download"}}), nil, header...)
		require.Equal(t, http.StatusForbidden, w.Code, header)
		require.NotContains(t, w.Body.String(), "PK")
	}
	require.Zero(t, h.saved)
	require.Equal(t, http.StatusUnsupportedMediaType, h.do(http.MethodPost, strings.NewReader("do=download"), "Content-Type", "application/x-www-form-urlencoded", "Sec-Fetch-Site", "same-origin").Code)
}

func TestGetAndHeadChangeNothing(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	was := h.state
	for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPut, http.MethodDelete, http.MethodPatch, http.MethodOptions, http.MethodTrace} {
		r := httptest.NewRequestWithContext(t.Context(), method, "/brand/?do=download&short=x&_method=POST", strings.NewReader("do=download"))
		r.Header.Set("X-HTTP-Method-Override", "POST")
		w := httptest.NewRecorder()
		h.handler.ServeHTTP(w, r)
		require.Less(t, w.Code, 500)
		require.Empty(t, w.Header().Get("Content-Disposition"))
	}
	require.Equal(t, was, h.state)
	require.Zero(t, h.saved)
}

func TestMarkupStaysText(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	const evil = `"><img src=x onerror=alert(1)>'</textarea><script>alert(1)</script>{{.Brand}}`
	f := typed(fields{"more_language": {evil}, "more_short": {evil}})
	for name := range f {
		f[name] = []string{evil}
	}
	f["version"], f["logo_kept"] = []string{evil}, []string{evil}
	for _, do := range []string{"", "add", "download", evil} {
		f["do"] = []string{do}
		body := h.send(f, []byte(evil)).Body.String()
		require.NotContains(t, body, "<img src=x")
		require.NotContains(t, body, "<script>alert")
		require.Equal(t, 1, strings.Count(body, "<script "), "ours")
	}
	// A name that Teams takes: it is shown, and is text in the manifest as well.
	w := h.send(typed(fields{"short": {"<b>Contoso</b> & Co"}}), nil)
	require.Equal(t, http.StatusOK, w.Code)
	require.Empty(t, summary(w.Body.String()))
	require.Contains(t, w.Body.String(), "<strong><bdi>&lt;b&gt;Contoso&lt;/b&gt; &amp; Co</bdi></strong>")
}

func TestTheNameOfTheFileHasNothingOfWhatWasTypedButLettersAndDigits(t *testing.T) {
	t.Parallel()
	h := newHost(t, keepsNothing)
	for name, want := range map[string]string{
		"Contoso Helpdesk":               "contoso-helpdesk",
		`x"; filename="evil.exe`:         "x-filename-evil-exe",
		`..\..\boot & more`:              "boot-more",
		"../../etc/passwd":               "etc-passwd",
		"Müller & Söhne":                 "m-ller-s-hne",
		"مكتب":                           "teams-app",
		"---":                            "teams-app",
		"con.zip%0d%0aX: y":              "con-zip-0d-0ax-y",
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa": "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
		"=?utf-8?q?evil?=":               "utf-8-q-evil",
	} {
		w := h.send(typed(fields{"do": {"download"}, "short": {name}}), nil)
		require.Equal(t, http.StatusOK, w.Code, name)
		media, params, err := mime.ParseMediaType(w.Header().Get("Content-Disposition"))
		require.NoError(t, err)
		require.Equal(t, "attachment", media)
		require.Equal(t, map[string]string{"filename": want + "-1.0.0.zip"}, params)
	}
}

func TestTheLogoThatComesBackIsAsForeignAsAnUpload(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	plain := h.send(typed(nil), nil).Body.String()
	for name, b := range map[string]string{
		"no base64":    "%%%",
		"SVG":          base64.StdEncoding.EncodeToString([]byte("<svg onload=alert(1)>")),
		"picture bomb": base64.StdEncoding.EncodeToString(bomb()),
		"nothing":      "",
		"markup":       `"><script>`,
	} {
		w := h.send(typed(fields{"logo_kept": {b}}), nil)
		require.Equal(t, http.StatusOK, w.Code, name)
		require.Equal(t, plain, w.Body.String(), name)
	}
}

func TestHugeUploadsAreCutOff(t *testing.T) {
	t.Parallel()
	h := newHost(t, func(_ *host, o *brandpage.Options) { o.Package.MaxLogo = 64 << 10 })
	large := make([]byte, 100<<10)
	w := h.send(typed(fields{"do": {"download"}}), large)
	require.Equal(t, http.StatusUnprocessableEntity, w.Code)
	require.Contains(t, fault(w.Body.String(), "logo"), "The file has 102400 bytes, at most 65536 are allowed.")
	require.Equal(t, http.StatusRequestEntityTooLarge, h.send(typed(nil), make([]byte, 3<<20)).Code)
	require.Equal(t, http.StatusRequestEntityTooLarge, h.send(typed(fields{"description": {strings.Repeat("x", 3<<20)}}), nil).Code)
	require.Zero(t, h.saved)
}

func TestWhoeverWaitsForAPlaceMayLeave(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	release := h.pages.Occupy()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r := httptest.NewRequestWithContext(ctx, http.MethodGet, "/brand/", http.NoBody)
	w := httptest.NewRecorder()
	h.handler.ServeHTTP(w, r)
	require.Equal(t, http.StatusServiceUnavailable, w.Code)
	release()
	require.Equal(t, http.StatusOK, h.get().Code)
}

func TestAHostThatFailsHandsOutNothingAndTellsNothing(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	h := newHost(t, func(_ *host, o *brandpage.Options) { o.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
	h.saveErr = errors.New("the disk is on fire")
	w := h.send(typed(fields{"do": {"download"}, "short": {"A name that is not logged"}}), nil)
	require.Equal(t, http.StatusServiceUnavailable, w.Code)
	require.Empty(t, w.Header().Get("Content-Disposition"))
	require.NotContains(t, w.Body.String(), "fire")
	require.Contains(t, log.String(), "what=save")
	require.Contains(t, log.String(), "fire")
	require.NotContains(t, log.String(), "A name")
	h.loadErr = errors.New("the disk is gone")
	require.Equal(t, http.StatusServiceUnavailable, h.get().Code)
	require.Equal(t, http.StatusServiceUnavailable, h.send(typed(nil), nil).Code)
	require.Contains(t, log.String(), "what=load")
}

// slowForm is a form that does not come to its end until it is let go.
type slowForm struct {
	begun *atomic.Int64
	once  sync.Once
	end   <-chan struct{}
}

func (s *slowForm) Read([]byte) (int, error) {
	s.once.Do(func() { s.begun.Add(1) })
	<-s.end
	return 0, io.ErrUnexpectedEOF
}

// However many send a logo at once, few are in memory, and who leaves while waiting is let go.
func TestFewFormsAreReadAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHost(t)
		var begun, answered atomic.Int64
		end := make(chan struct{})
		ctx, leave := context.WithCancel(t.Context())
		for i := range 3 * brandpage.Uploads {
			go func() {
				r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/brand/", &slowForm{begun: &begun, end: end})
				if i >= 2*brandpage.Uploads {
					r = r.WithContext(ctx)
				}
				r.Header.Set("Content-Type", "multipart/form-data; boundary=x")
				h.handler.ServeHTTP(httptest.NewRecorder(), r)
				answered.Add(1)
			}()
			synctest.Wait()
		}
		require.EqualValues(t, brandpage.Uploads, begun.Load())
		leave()
		synctest.Wait()
		require.EqualValues(t, brandpage.Uploads, answered.Load())
		require.Equal(t, http.StatusOK, h.get().Code, "the page is shown all the same")
		close(end)
		synctest.Wait()
		require.EqualValues(t, 3*brandpage.Uploads, answered.Load())
		require.EqualValues(t, 2*brandpage.Uploads, begun.Load())
	})
}

func TestASlowFormIsGivenUp(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	for name, timeout := range map[string]time.Duration{"one of the page": 0, "that of the server": time.Hour} {
		w := &deadlineWriter{ResponseRecorder: httptest.NewRecorder()}
		r := httptest.NewRequestWithContext(context.WithValue(t.Context(), http.ServerContextKey, &http.Server{ReadTimeout: timeout}), http.MethodPost, "/brand/", http.NoBody)
		h.handler.ServeHTTP(w, r)
		require.Equal(t, timeout == 0, !w.read.IsZero(), name)
	}
}

// deadlineWriter is told until when the request is read.
type deadlineWriter struct {
	*httptest.ResponseRecorder

	read time.Time
}

func (w *deadlineWriter) SetReadDeadline(t time.Time) error {
	w.read = t
	return nil
}

func TestWhatTheHostGotWrongIsSaidAsSuch(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	h.state.Brand.BotID = "my bot"
	w := h.send(typed(fields{"do": {"download"}}), nil)
	require.Equal(t, http.StatusUnprocessableEntity, w.Code)
	require.Len(t, summary(w.Body.String()), 1)
	require.Contains(t, summary(w.Body.String())[0], "The settings of the server are wrong, tell whoever runs it: BotID is not a GUID")
	h.state.Brand = brand()
	h.state.Brand.Logo = []byte("<svg>")
	body := h.get().Body.String()
	require.NotEmpty(t, fault(body, "logo"))
	require.Empty(t, pictures(t, body))
	require.Contains(t, text(body), "The icons appear here once the logo can be read.")
}

func textFile(name, content string) fstest.MapFS { return fstest.MapFS{name: {Data: []byte(content)}} }

func TestNewReportsWhatCannotBeUsed(t *testing.T) {
	t.Parallel()
	load := func(*http.Request) (brandpage.State, error) { return brandpage.State{}, nil }
	for name, tc := range map[string]struct {
		load func(*http.Request) (brandpage.State, error)
		o    *brandpage.Options
		want string
	}{
		"no load":     {nil, nil, "a function that loads the brand is required"},
		"unknown key": {load, &brandpage.Options{Texts: textFile("en.json", `{"titel":"x"}`)}, `key "titel"`},
		"incomplete":  {load, &brandpage.Options{Texts: textFile("fr.json", `{"title":"Votre application"}`)}, "the text is missing"},
		"prefix":      {load, &brandpage.Options{Prefix: "brand/"}, "prefix"},
		"brand":       {load, &brandpage.Options{Brand: mspkit.Brand{Name: "x", Color: "red"}}, "colour"},
		"limit":       {load, &brandpage.Options{Package: teamsapp.PackageOptions{MaxLogo: -1}}, "MaxLogo"},
		"schema":      {load, &brandpage.Options{Package: teamsapp.PackageOptions{Schema: "9"}}, "Schema"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := brandpage.New(tc.load, tc.o)
			require.ErrorIs(t, err, mspkit.ErrInvalid)
			require.ErrorContains(t, err, tc.want)
		})
	}
}

func TestThePrefixMayBeStrippedHereOrBefore(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	stripped := h.get()
	own := newHost(t, func(_ *host, o *brandpage.Options) { o.Prefix = "/brand" })
	own.handler = own.pages
	require.Equal(t, stripped.Body.String(), own.get().Body.String())
	require.Equal(t, stripped.Header(), own.get().Header())
}

// Whatever is sent, a form changes nothing of what is the host's, and what can be wrong with it is in the words of its fields.
func FuzzForm(f *testing.F) {
	f.Add("download", "Contoso", "en", "#0a64a4", "https://contoso.example")
	f.Add("add", "\u202e", "de-", "red", "javascript:x")
	f.Add("remove-0", "a\r\nb\xff", "", "", "")
	f.Add("remove--1", "..\\..", "\x00", "#", "https://")
	host := brand()
	host.Domains = []string{"verify.contoso.example"}
	f.Fuzz(func(t *testing.T, do, name, language, accent, address string) {
		in := url.Values(typed(fields{
			"do": {do}, "short": {name}, "more_short": {name, name}, "more_language": {language, do}, "accent": {accent}, "website": {address},
			"Key": {name}, "BotID": {name}, "Domains": {address},
		}))
		got := brandpage.ReadForm(host, in)
		require.Equal(t, []any{host.Key, host.BotID, host.GraphID, host.Domains, host.NotificationOnly, host.Logo}, []any{got.Key, got.BotID, got.GraphID, got.Domains, got.NotificationOnly, got.Logo})
		require.LessOrEqual(t, len(got.More), 3)
		for _, s := range []string{got.ShortName, got.Accent, got.Developer.Website, got.Language} {
			require.True(t, utf8.ValidString(s))
			require.NotContains(t, s, "\r\n")
		}
		require.Regexp(t, `^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$`, brandpage.FileName(name))
		// It can be typed again as it was read.
		in.Set("short", got.ShortName)
		in.Set("do", "")
		require.Equal(t, got.ShortName, brandpage.ReadForm(host, in).ShortName)
	})
}
