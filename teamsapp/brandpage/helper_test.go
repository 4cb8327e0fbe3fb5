package brandpage_test

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"hash/crc32"
	"html"
	"image"
	"image/color"
	"image/gif"
	"image/png"
	"io"
	"maps"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/textproto"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/mspkit/mspkit/teamsapp"
	"github.com/mspkit/mspkit/teamsapp/brandpage"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const botID = "07338883-af76-47b3-86e4-2603c50be638"

func brand() teamsapp.Brand {
	const site = "https://www.contoso.example"
	return teamsapp.Brand{
		Key: "contoso", BotID: botID, Language: "en", Accent: "#0a64a4",
		Texts:     teamsapp.Texts{ShortName: "Contoso Helpdesk", Summary: "Confirm that it is you.", Description: "It shows who asks.\nAnd for what."},
		Developer: teamsapp.Developer{Name: "Contoso IT", Website: site, Privacy: site + "/privacy", Terms: site + "/terms"},
	}
}

// host is a page with what its host keeps.
type host struct {
	t       testing.TB
	pages   *brandpage.Pages
	handler http.Handler

	mu      sync.Mutex
	state   brandpage.State
	saved   int
	loadErr error
	saveErr error
}

// newHost mounts the page below /brand. It keeps what is packaged, unless change takes Save away.
func newHost(t testing.TB, change ...func(*host, *brandpage.Options)) *host {
	t.Helper()
	h := &host{t: t, state: brandpage.State{Brand: brand()}}
	o := &brandpage.Options{HTTPS: true, Save: func(_ *http.Request, was teamsapp.Published, s brandpage.State) error {
		h.mu.Lock()
		defer h.mu.Unlock()
		switch {
		case h.saveErr != nil:
			return h.saveErr
		case was != h.state.Published:
			return brandpage.ErrConflict
		}
		h.state = s
		h.saved++
		return nil
	}}
	for _, c := range change {
		c(h, o)
	}
	var err error
	h.pages, err = brandpage.New(func(*http.Request) (brandpage.State, error) {
		h.mu.Lock()
		defer h.mu.Unlock()
		return h.state, h.loadErr
	}, o)
	require.NoError(t, err)
	h.handler = http.StripPrefix("/brand", h.pages)
	return h
}

func keepsNothing(_ *host, o *brandpage.Options) { o.Save = nil }

func (h *host) do(method string, body io.Reader, header ...string) *httptest.ResponseRecorder {
	h.t.Helper()
	r := httptest.NewRequestWithContext(h.t.Context(), method, "/brand/", body)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.handler.ServeHTTP(w, r)
	return w
}

func (h *host) get(header ...string) *httptest.ResponseRecorder {
	h.t.Helper()
	return h.do(http.MethodGet, http.NoBody, header...)
}

// fields are those of the form as a browser would send it.
type fields map[string][]string

// typed returns the form of the brand with some fields in place of others; a nil slice takes one away.
func typed(change fields) fields {
	b := brand()
	f := fields{
		"accent": {b.Accent}, "language": {b.Language}, "short": {b.ShortName}, "full": {b.FullName}, "summary": {b.Summary},
		"description": {strings.ReplaceAll(b.Description, "\n", "\r\n")}, "developer": {b.Developer.Name}, "website": {b.Developer.Website},
		"privacy": {b.Developer.Privacy}, "terms": {b.Developer.Terms},
	}
	maps.Copy(f, change)
	return f
}

// send sends a form, with a file as the logo unless it is nil.
func (h *host) send(f fields, logo []byte, header ...string) *httptest.ResponseRecorder {
	h.t.Helper()
	var body bytes.Buffer
	m := multipart.NewWriter(&body)
	for _, name := range slices.Sorted(maps.Keys(f)) {
		for _, v := range f[name] {
			require.NoError(h.t, m.WriteField(name, v))
		}
	}
	name := ""
	if logo != nil {
		name = "logo.png"
	}
	part, err := m.CreatePart(textproto.MIMEHeader{"Content-Disposition": {`form-data; name="logo"; filename="` + name + `"`}})
	require.NoError(h.t, err)
	_, err = part.Write(logo)
	require.NoError(h.t, err)
	require.NoError(h.t, m.Close())
	return h.do(http.MethodPost, &body, append([]string{"Content-Type", m.FormDataContentType(), "Sec-Fetch-Site", "same-origin"}, header...)...)
}

// logo is a ring of one colour on transparent ground.
func logo(t testing.TB, c color.Color) []byte {
	t.Helper()
	m := image.NewNRGBA(image.Rect(0, 0, 200, 200))
	for y := range 200 {
		for x := range 200 {
			if d := (x-100)*(x-100) + (y-100)*(y-100); d < 90*90 && d > 50*50 {
				m.Set(x, y, c)
			}
		}
	}
	return encoded(t, m)
}

func encoded(t testing.TB, m image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, png.Encode(&b, m))
	return b.Bytes()
}

// animation is a GIF of two pictures.
func animation(t testing.TB) []byte {
	t.Helper()
	frame := image.NewPaletted(image.Rect(0, 0, 40, 40), color.Palette{color.Black, color.White})
	var b bytes.Buffer
	require.NoError(t, gif.EncodeAll(&b, &gif.GIF{Image: []*image.Paletted{frame, frame}, Delay: []int{10, 10}}))
	return b.Bytes()
}

// fault returns what stands at a field, "" where nothing is wrong with it.
func fault(body, id string) string {
	m := regexp.MustCompile(`(?s)<div class="field-faults" id="` + id + `-error">(.*?)</div>`).FindStringSubmatch(body)
	if m == nil {
		return ""
	}
	return text(m[1])
}

// summary returns the lines on top of the page.
func summary(body string) []string {
	m := regexp.MustCompile(`(?s)<ul class="faults">(.*?)</ul>`).FindStringSubmatch(body)
	if m == nil {
		return nil
	}
	var out []string
	for _, li := range strings.Split(m[1], "<li>")[1:] {
		out = append(out, text(li))
	}
	return out
}

var tag = regexp.MustCompile(`<[^>]*>`)

// text returns what of a piece of the page is shown.
func text(s string) string {
	return strings.TrimSpace(html.UnescapeString(tag.ReplaceAllString(s, "")))
}

// pictures returns those that stand in the page.
func pictures(t testing.TB, body string) []image.Image {
	t.Helper()
	var out []image.Image
	for _, m := range regexp.MustCompile(`src="data:image/png;base64,([^"]*)"`).FindAllStringSubmatch(body, -1) {
		b, err := base64.StdEncoding.DecodeString(html.UnescapeString(m[1]))
		require.NoError(t, err)
		p, err := png.Decode(bytes.NewReader(b))
		require.NoError(t, err)
		out = append(out, p)
	}
	return out
}

// kept returns the logo that the form carries on.
func kept(body string) string {
	m := regexp.MustCompile(`name="logo_kept" value="([^"]*)"`).FindStringSubmatch(body)
	if m == nil {
		return ""
	}
	return html.UnescapeString(m[1])
}

// warnings returns what is said beside faults.
func warnings(body string) []string {
	var out []string
	for _, m := range regexp.MustCompile(`(?s)<div class="notice notice-warning">(.*?)</div></div>`).FindAllStringSubmatch(body, -1) {
		out = append(out, text(m[1]))
	}
	return out
}

// bomb is a PNG of a few bytes that says it is 60,000 pixels wide and high.
func bomb() []byte {
	head := []byte("IHDR\x00\x00\xea\x60\x00\x00\xea\x60\x08\x06\x00\x00\x00")
	b := append([]byte("\x89PNG\r\n\x1a\n\x00\x00\x00\x0d"), head...)
	return binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(head))
}
