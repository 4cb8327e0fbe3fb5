package verifypage_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit/verify"
)

// FuzzToken puts anything in the place of a token or tag: never a fault of ours, never a challenge.
func FuzzToken(f *testing.F) {
	w := newWorld(f)
	c, link := w.start("dana")
	form := strings.TrimPrefix(w.pages.PublicURL(tenant), base+"/who/")
	f.Add(strings.TrimPrefix(link, "/verify/v/"))
	f.Add(form)
	for _, s := range []string{"", ".", "..", "a/b", "%00", "%2e%2e", "\xff", "\u202e", strings.Repeat("A", 5000), "v/x/not-me", "assets/app.css", "?e=wrong"} {
		f.Add(s)
	}
	live := strings.TrimPrefix(link, "/verify/v/")
	f.Fuzz(func(t *testing.T, token string) {
		for _, escaped := range []string{token, url.PathEscape(token)} {
			for _, path := range []string{"/v/" + escaped, "/v/" + escaped + "/not-me", "/v/" + escaped + "/not-me/confirm", "/who/" + escaped, "/who/" + escaped + "/sent", "/assets/" + escaped, "/assets/logo/x/" + escaped} {
				u, err := url.ParseRequestURI(path)
				if err != nil {
					continue // no server hands it over
				}
				for _, method := range []string{http.MethodGet, http.MethodPost} {
					r := httptest.NewRequestWithContext(t.Context(), method, "/", strings.NewReader("answer=12x&word=12&address="))
					r.URL, r.RequestURI = u, path
					r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
					rec := httptest.NewRecorder()
					w.pages.ServeHTTP(rec, r)
					require.Less(t, rec.Code, 500)
					require.Equal(t, "no-store", strings.Replace(rec.Header().Get("Cache-Control"), "public, max-age=31536000, immutable", "no-store", 1))
					if rec.Code == http.StatusOK && strings.HasPrefix(path, "/v/") {
						require.True(t, strings.HasPrefix(u.Path, "/v/"+live), "another token opens the challenge")
					}
				}
			}
		}
		got, err := w.svc.Get(t.Context(), c.Ref, jane.ID)
		require.NoError(t, err)
		require.Equal(t, 2, got.TriesLeft)
	})
}

// FuzzForm puts anything into the forms of a live link: never a fault of ours, and only the right answer confirms.
func FuzzForm(f *testing.F) {
	for _, s := range []string{"123", "１２３", "12", "wrong words", "", "\x00", "\xff\xfe", "\u202e123", strings.Repeat("9", 9000), "<script>", "a=b&c=d", "anker apfel"} {
		f.Add(s, "answer="+s)
	}
	f.Fuzz(func(t *testing.T, typed, body string) {
		w := newWorld(t)
		c, link := w.start("dana")
		tc, tlink := w.startTechnician("eve", w.inCall())
		for _, target := range []string{link, link + "/not-me", link + "/not-me/confirm", tlink, "/verify/who/" + w.svc.PublicTag(tenant)} {
			for _, b := range []string{url.Values{"answer": {typed}, "word": {typed}, "address": {typed}}.Encode(), body} {
				r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, target, strings.NewReader(b))
				r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
				rec := httptest.NewRecorder()
				w.handler.ServeHTTP(rec, r)
				require.Less(t, rec.Code, 500)
			}
		}
		if !strings.Contains(digitsOf(typed+" "+body), c.Number.Reveal()) {
			require.NotEqual(t, verify.StateConfirmed, w.state(c).State)
		}
		require.NotEqual(t, verify.StateConfirmed, w.state(tc).State)
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
