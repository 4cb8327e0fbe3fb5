package verifypage_test

import (
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/webpage/webpagetest"
	"github.com/mspkit/mspkit/verify"
	"github.com/mspkit/mspkit/verify/verifypage"
)

func TestEveryRouteCarriesTheHeaderSet(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	webpagetest.Run(t, w.handler, "/verify", true, w.pages.Routes())

	// The sample of a path names nothing. The same with links that do.
	_, caller := w.start("dana")
	_, technician := w.startTechnician("dana", w.inCall())
	who := strings.TrimPrefix(w.pages.PublicURL(tenant), "https://help.example")
	for _, path := range []string{caller, caller + "/not-me", technician, who, who + "/sent"} {
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			rec := w.do(method, path, url.Values{})
			webpagetest.CheckHeaders(t, rec.Header(), headersOfAPage)
			require.Empty(t, rec.Header().Get("Set-Cookie"))
		}
	}
}

// snapshot is everything of a store that can be seen.
type snapshot struct {
	records  []verify.Record
	events   []verify.Event
	subjects []verify.SubjectState
}

func (w *world) snapshot() snapshot {
	w.t.Helper()
	var s snapshot
	var err error
	s.records, err = w.store.Store.List(w.t.Context(), verify.Query{Tenant: tenant})
	require.NoError(w.t, err)
	s.events, err = w.store.Events(w.t.Context(), verify.EventQuery{Limit: 10000})
	require.NoError(w.t, err)
	for _, id := range []string{"dana", "eve", "finn"} {
		sub, err := w.store.Store.Subject(w.t.Context(), tenant, id)
		require.NoError(w.t, err)
		s.subjects = append(s.subjects, sub)
	}
	return s
}

// Guarantee 2, for the pages of verify.
func TestGetAndHeadChangeNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c, caller := w.start("dana")
	_, technician := w.startTechnician("eve", w.inCall())
	_, unknown := w.startTechnician("finn", nil)
	_, hinted := w.start("dana")
	w.post(hinted+"/not-me", url.Values{})
	who := strings.TrimPrefix(w.pages.PublicURL(tenant), "https://help.example")

	var paths []string
	for _, route := range w.pages.Routes() {
		for _, link := range []string{caller, technician, unknown, hinted} {
			path := strings.NewReplacer("{token}", strings.TrimPrefix(link, "/verify/v/"), "{tag}", strings.TrimPrefix(who, "/verify/who/")).Replace(route.Pattern)
			if path = "/verify" + path; !slices.Contains(paths, path) {
				paths = append(paths, path)
			}
		}
	}
	for _, later := range []time.Duration{0, 6 * time.Minute, time.Hour} { // pending, expired, old
		w.pass(later)
		require.NoError(t, w.svc.RunOnce(t.Context()))
		before := w.snapshot()
		w.store.taken()
		for _, path := range paths {
			queries := []string{"", "?e=wrong&_method=POST&answer=" + c.Number.Reveal() + "&word=" + url.QueryEscape(c.Word.Reveal())}
			for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace, http.MethodPut, http.MethodDelete, http.MethodPatch} {
				for _, query := range queries {
					rec := w.do(method, path+query, nil, "X-HTTP-Method-Override", "POST")
					require.Less(t, rec.Code, 500, "%s %s", method, strings.TrimPrefix(path, "/verify"))
				}
			}
		}
		for _, verb := range w.store.taken() {
			require.Equal(t, "Get", verb, "no verb that could change something was called")
		}
		require.Equal(t, before, w.snapshot())
	}
}

// everything is what a client can see of a response.
func everything(rec *httptest.ResponseRecorder) string {
	var b strings.Builder
	_ = rec.Result().Write(&b)
	return b.String()
}

// Guarantee 10, for the pages of verify.
func TestKnownAndUnknownAddressesGetEqualBytes(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(_ *world, o *verifypage.Options) {
		o.Tenant = func(r *http.Request) mspkit.TenantID { return mspkit.TenantID(strings.TrimSuffix(r.Host, ".example")) }
	})
	host := func(path string) string { return "https://contoso.example" + path }

	// The public form.
	for _, id := range []string{"dana", "eve"} {
		w.known[id+"@northwind.example"] = &verify.TechnicianRequest{Subject: subject(id), Call: w.inCall()}
	}
	require.NoError(t, w.svc.Freeze(t.Context(), tenant, "eve", jane.ID, "a report", time.Hour))
	form := host(strings.TrimPrefix(w.pages.PublicURL(tenant), "https://help.example"))
	for range 4 { // one more than the limit
		w.do(http.MethodPost, form, url.Values{"address": {"limited@northwind.example"}}, "Accept-Language", "en")
	}
	w.store.taken()
	var answers []string
	var work [][]string
	for _, address := range []string{"dana@northwind.example", "nobody@northwind.example", "limited@northwind.example", "eve@northwind.example", "DANA@northwind.example", "+1 555 0123", "\" OR 1=1"} {
		rec := w.do(http.MethodPost, form, url.Values{"address": {address}})
		answers = append(answers, everything(rec))
		work = append(work, w.store.taken())
	}
	for i := range answers {
		require.Equal(t, answers[0], answers[i])
		require.Equal(t, work[0], work[i])
	}
	require.Equal(t, []string{"Enqueue with 3 limits"}, work[0])
	require.Contains(t, answers[0], "303 See Other")
	require.Equal(t, 1, strings.Count(w.do(http.MethodGet, form+"/sent", nil).Body.String(), "If we have this address on record"))

	require.Empty(t, w.mail.Sent(), "nothing is delivered before the answer")
	w.pass(10 * time.Second)
	require.NoError(t, w.svc.RunOnce(t.Context()))
	require.Len(t, w.mail.Sent(), 1, "only the known, unfrozen contact gets a link")
	require.Equal(t, "dana@northwind.example", w.mail.Sent()[0].To)

	// Links.
	_, gone := w.start("dana")
	for range 2 { // it expires, then it is deleted
		w.pass(200 * 24 * time.Hour)
		require.NoError(t, w.svc.RunOnce(t.Context()))
	}
	_, live := w.start("dana")
	altered := live[:len(live)-4] + strings.Map(func(r rune) rune {
		if r == 'A' {
			return 'B'
		}
		return 'A'
	}, live[len(live)-4:])
	for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPost} {
		for _, below := range []string{"", "/not-me", "/not-me/confirm"} {
			if method != http.MethodPost && below == "/not-me/confirm" {
				continue
			}
			answers, work = nil, nil
			for _, target := range []string{
				host(gone), host(altered), host("/verify/v/x"), "https://fabrikam.example" + live, "https://.example" + live,
			} {
				w.store.taken()
				rec := w.do(method, target+below, url.Values{"answer": {"123"}, "word": {"some words"}})
				require.Equal(t, http.StatusNotFound, rec.Code)
				answers, work = append(answers, everything(rec)), append(work, w.store.taken())
			}
			for i := range answers {
				require.Equal(t, answers[0], answers[i])
				require.Equal(t, []string{"Get"}, work[i])
			}
		}
	}
	require.Equal(t, http.StatusOK, w.do(http.MethodGet, host(live), nil).Code)
	require.Equal(t, http.StatusNotFound, w.do(http.MethodGet, strings.Replace(form, "contoso", "fabrikam", 1), nil).Code)
}

func TestAFailingStoreConfirmsNothingAndTellsNothing(t *testing.T) {
	t.Parallel()
	var log strings.Builder
	w := newWorld(t, func(_ *world, o *verifypage.Options) { o.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
	c, link := w.start("dana")
	for verb, path := range map[string]string{"Get": link, "Attempt": link, "Finish": link, "Hint": link + "/not-me"} {
		w.store.fail(verb, errors.New("the disk is on fire"))
		rec := w.do(http.MethodPost, path, answer(c.Number.Reveal()))
		w.store.fail(verb, nil)
		require.Equal(t, http.StatusServiceUnavailable, rec.Code, verb)
		require.NotContains(t, rec.Body.String(), "fire")
		require.NotEqual(t, verify.StateConfirmed, w.state(c).State)
	}
	form := strings.TrimPrefix(w.pages.PublicURL(tenant), "https://help.example")
	w.store.fail("Enqueue with 3 limits", errors.New("the disk is on fire"))
	require.Equal(t, http.StatusServiceUnavailable, w.do(http.MethodPost, form, url.Values{"address": {"dana"}}).Code)
	require.Equal(t, 1, w.state(c).TriesLeft, "the try that was counted stays counted")
	require.Contains(t, log.String(), "fire")
	token := strings.TrimPrefix(link, "/verify/v/")
	for _, secret := range []string{token, token[:16], c.Number.Reveal() + " ", "dana@"} {
		require.NotContains(t, log.String(), secret)
	}
}

func TestAChallengeThatIsDeletedInBetweenIsGone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, link := w.start("dana")
	for verb, path := range map[string]string{"Attempt": link, "Hint": link + "/not-me"} {
		w.store.fail(verb, verify.ErrNotFound)
		rec := w.do(http.MethodPost, path, answer("123"))
		require.Equal(t, http.StatusNotFound, rec.Code)
		require.Contains(t, rec.Body.String(), "This link does not work")
	}
}
