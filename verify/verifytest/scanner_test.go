package verifytest_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit/verify/verifytest"
)

// pages serves what a scan shall fall for.
func pages(t *testing.T, routes map[string]http.HandlerFunc) (*http.Client, string) {
	t.Helper()
	mux := http.NewServeMux()
	for pattern, h := range routes {
		mux.HandleFunc(pattern, h)
	}
	srv := httptest.NewServer(mux)
	t.Cleanup(srv.Close)
	return srv.Client(), srv.URL
}

func html(body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = w.Write([]byte(body))
	}
}

func TestTheScannerFindsWhatIsUnsafe(t *testing.T) {
	t.Parallel()
	const guessForm = `<form method=post action="answer"><input name=answer></form>`
	for _, tc := range []struct {
		name string
		page string
		hit  func(r *http.Request) bool
	}{
		{"HEAD confirms", "", func(r *http.Request) bool { return r.Method == http.MethodHead && r.URL.Path == "/link" }},
		{"GET confirms", "", func(r *http.Request) bool { return r.Method == http.MethodGet && r.URL.Path == "/link" }},
		{"a link confirms", `<a href="confirm">yes</a>`, func(r *http.Request) bool { return r.URL.Path == "/confirm" }},
		{"a page behind a page confirms", `<a href="second">more</a>`, func(r *http.Request) bool { return r.URL.Path == "/third" }},
		{"a button confirms", `<form method=post action="confirm"><input type=hidden name=t value=x><button>Yes</button></form>`, func(r *http.Request) bool { return r.FormValue("t") == "x" }},
		{"the number is guessed", guessForm, func(r *http.Request) bool { return r.PostFormValue("answer") == "737" }},
		{"the number stands on the page", guessForm + `<p>Your number is <b>482</b>.</p>`, func(r *http.Request) bool { return r.PostFormValue("answer") == "482" }},
		{"the words stand on the page", guessForm + `<p>“silver anchor”</p>`, func(r *http.Request) bool { return r.PostFormValue("answer") == "silver anchor" }},
		{"a second submission confirms", guessForm, second()},
		{"meta refresh confirms", `<meta http-equiv=refresh content="0;url=confirm">`, func(r *http.Request) bool { return r.URL.Path == "/confirm" }},
		{"a button sends elsewhere", `<form method=post action=no><button formaction="confirm">x</button></form>`, func(r *http.Request) bool { return r.Method == http.MethodPost && r.URL.Path == "/confirm" }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			var hits atomic.Int32
			client, base := pages(t, map[string]http.HandlerFunc{"/": func(w http.ResponseWriter, r *http.Request) {
				_ = r.ParseForm()
				if tc.hit(r) {
					hits.Add(1)
				}
				switch r.URL.Path {
				case "/second":
					html(`<a href="third">x</a>`)(w, r)
				default:
					html(tc.page)(w, r)
				}
			}})
			report, err := (&verifytest.Scanner{Exclude: []string{"482"}}).Scan(t.Context(), client, base+"/link#fragment")
			require.NoError(t, err)
			require.Positive(t, hits.Load())
			require.Equal(t, report.Requests, 2*report.Replays, "everything is sent twice")
		})
	}
}

// second hits when the same answer comes again.
func second() func(r *http.Request) bool {
	var mu sync.Mutex
	seen := map[string]int{}
	return func(r *http.Request) bool {
		mu.Lock()
		defer mu.Unlock()
		a := r.PostFormValue("answer")
		seen[a]++
		return r.Method == http.MethodPost && seen[a] == 2
	}
}

func TestTheScannerGuessesEverythingButWhatIsExcluded(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	guessed := map[string]int{}
	client, base := pages(t, map[string]http.HandlerFunc{
		"GET /link": html(`<form method=post action=answer><input name=answer></form><p>737</p>`),
		"POST /answer": func(_ http.ResponseWriter, r *http.Request) {
			mu.Lock()
			defer mu.Unlock()
			guessed[r.PostFormValue("answer")]++
		},
	})
	report, err := (&verifytest.Scanner{Exclude: []string{"482"}, NoReplay: true}).Scan(t.Context(), client, base+"/link")
	require.NoError(t, err)
	for n := range 1000 {
		want := 1
		switch n {
		case 482:
			want = 0
		case 737: // found and guessed
			want = 2
		}
		require.Equal(t, want, guessed[fmt.Sprintf("%03d", n)], n)
	}
	require.Equal(t, 1, report.Forms)
	require.Greater(t, report.Submissions, 1000)
	require.Zero(t, report.Replays)
	require.Positive(t, report.Status[http.StatusMethodNotAllowed], "OPTIONS was tried")
}

func TestTheScannerStaysWithTheOriginAndWithinItsBounds(t *testing.T) {
	t.Parallel()
	other, otherBase := pages(t, map[string]http.HandlerFunc{"/": func(http.ResponseWriter, *http.Request) { t.Error("the scan left the origin") }})
	_ = other
	client, base := pages(t, map[string]http.HandlerFunc{
		"/link": html(`<a href="` + otherBase + `/x">x</a><a href="javascript:alert(1)">x</a><a href="away">x</a><a href="endless/1">x</a><form action="` + otherBase + `/y"><input name=a></form>`),
		"/away": func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, otherBase+"/z", http.StatusSeeOther) },
		"/endless/": func(w http.ResponseWriter, r *http.Request) {
			html(`<a href="`+r.URL.Path+`1">x</a><form action="`+r.URL.Path+`"><input name=a></form>`)(w, r)
		},
	})
	report, err := (&verifytest.Scanner{Guesses: []string{"1"}}).Scan(t.Context(), client, base+"/link")
	require.NoError(t, err)
	require.LessOrEqual(t, report.Pages, 1000)

	_, err = (&verifytest.Scanner{MaxRequests: 50}).Scan(t.Context(), client, base+"/link")
	require.ErrorContains(t, err, "MaxRequests")

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = (&verifytest.Scanner{}).Scan(ctx, client, base+"/link")
	require.ErrorIs(t, err, context.Canceled)

	for _, link := range []string{"", "/v/x", "ftp://x/y", "https://", "://"} {
		_, err = (&verifytest.Scanner{}).Scan(t.Context(), client, link)
		require.ErrorContains(t, err, "not an absolute")
	}
	_, err = (&verifytest.Scanner{}).Scan(t.Context(), client, "http://127.0.0.1:1/secret-token")
	require.Error(t, err)
	require.NotContains(t, err.Error(), "secret-token")
}
