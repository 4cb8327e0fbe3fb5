package securesendpage_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit/securesend"
	"github.com/mspkit/mspkit/securesend/internal/wire"
)

// FuzzBody puts anything into the bodies of a live link: never a fault of ours, and nothing is released without the number.
func FuzzBody(f *testing.F) {
	for _, s := range []string{
		``, `{}`, `null`, `{"auth":"AUTH"}`, `{"auth":"AUTH","claim":"AUTH","number":"12x"}`, `{"upload":"UPLOAD"}`, `{"upload":"UPLOAD","header":"AQAU","manifest":"AAAA","sizes":[1]}`,
		`{"auth":"AUTH","claim":"AUTH","file":-1,"from":1e9,"to":0}`, `{"auth":"AUTH","auth":null}`, `{"AUTH":"AUTH"}`, "\xff", `[[[[`, `{"auth":"\u0000"}`, `{"upload":"UPLOAD","number":"１２"}`,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, body string) {
		w := newWorld(t)
		s, g, q := w.create(), w.grant(), w.ask()
		body = strings.NewReplacer("AUTH", text(s.auth), "UPLOAD", text(g.link.Fragment.Reveal())).Replace(body)
		for _, route := range w.pages.Routes() {
			if route.Method != http.MethodPost || strings.HasSuffix(route.Pattern, "{n}") {
				continue
			}
			x := map[byte]sent{'s': s, 'h': s, 'c': g, 'r': q}[route.Pattern[1]]
			rec := w.post("/send"+strings.Replace(route.Pattern, "{token}", x.link.Token.Reveal(), 1), body)
			require.NotEqual(t, http.StatusInternalServerError, rec.Code)
			require.NotEqual(t, http.StatusServiceUnavailable, rec.Code)
			require.Equal(t, wire.JSON, rec.Header().Get("Content-Type"))
		}
		st, err := w.svc.Status(t.Context(), s.Ref, "jane")
		require.NoError(t, err)
		if !strings.Contains(digitsOf(body), s.Number.Reveal()) {
			require.Equal(t, securesend.StateReady, st.State)
		}
	})
}

// digitsOf keeps what can be read as digits, to leave out the inputs that are right by chance.
func digitsOf(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= '0' && r <= '9':
			return r
		case r >= '０' && r <= '９': // other scripts are that unlikely to hit the number
			return r - '０' + '0'
		}
		return -1
	}, s)
}

// FuzzPart puts anything into the place of a part: never a fault of ours, and a part is stored under the numbers in the path
// alone, with the right secret alone.
func FuzzPart(f *testing.F) {
	f.Add("0", "0", "UPLOAD", []byte("sealed"))
	for _, s := range []string{"", "-1", "00", "1e3", "../0", "%2e%2e", "0/0", "9999999999999999999", "\xff", "１"} {
		f.Add(s, "0", "UPLOAD", []byte("x"))
		f.Add("0", s, "UPLOAD", []byte("x"))
		f.Add("0", "0", s, []byte("x"))
	}
	f.Fuzz(func(t *testing.T, file, n, upload string, body []byte) {
		w := newWorld(t)
		g := w.grant()
		secret := text(g.link.Fragment.Reveal())
		upload = strings.ReplaceAll(upload, "UPLOAD", secret)
		for _, path := range []string{file + "/" + n, url.PathEscape(file) + "/" + url.PathEscape(n)} {
			u, err := url.ParseRequestURI(strings.TrimPrefix(g.path, "/send") + "/part/" + path)
			if err != nil {
				continue // no server hands it over
			}
			r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", strings.NewReader(string(body)))
			r.URL, r.RequestURI = u, u.RequestURI()
			r.Header.Set("Content-Type", wire.Octet)
			r.Header[wire.UploadHeader] = []string{upload}
			rec := httptest.NewRecorder()
			w.pages.ServeHTTP(rec, r)
			require.Less(t, rec.Code, 500)
			parts, err := w.blobs.List(t.Context(), g.Ref)
			require.NoError(t, err)
			if rec.Code == http.StatusOK {
				require.Equal(t, secret, upload)
				require.Len(t, parts, 1)
				require.Equal(t, int64(len(body)), parts[0].Size)
			} else {
				require.Empty(t, parts)
			}
		}
	})
}

// FuzzToken puts anything in the place of a token: never a fault of ours, never a send.
func FuzzToken(f *testing.F) {
	w := newWorld(f)
	s := w.create()
	live := s.link.Token.Reveal()
	f.Add(live)
	for _, x := range []string{"", ".", "..", "a/b", "%00", "%2e%2e", "\xff", "\u202e", strings.Repeat("A", 5000), "s/x/take", "assets/app.css", "?e=1"} {
		f.Add(x)
	}
	f.Fuzz(func(t *testing.T, token string) {
		for _, escaped := range []string{token, url.PathEscape(token)} {
			for _, letter := range []string{"s", "h", "r", "c"} {
				for _, method := range []string{http.MethodGet, http.MethodPost} {
					path := "/" + letter + "/" + escaped
					if method == http.MethodPost {
						path += "/open"
					}
					u, err := url.ParseRequestURI(path)
					if err != nil {
						continue // no server hands it over
					}
					r := httptest.NewRequestWithContext(t.Context(), method, "/", strings.NewReader(`{"auth":"`+text(s.auth)+`"}`))
					r.URL, r.RequestURI = u, path
					r.Header.Set("Content-Type", wire.JSON)
					rec := httptest.NewRecorder()
					w.pages.ServeHTTP(rec, r)
					require.Less(t, rec.Code, 500)
					if rec.Code == http.StatusOK {
						require.True(t, strings.HasPrefix(u.Path, "/"+letter+"/"+live), "another token opens the send")
					}
				}
			}
		}
	})
}
