package securesendpage_test

import (
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/webpage"
	"github.com/mspkit/mspkit/internal/webpage/webpagetest"
	"github.com/mspkit/mspkit/securesend"
	"github.com/mspkit/mspkit/securesend/internal/wire"
	"github.com/mspkit/mspkit/securesend/securesendpage"
)

func TestEveryRouteCarriesTheHeaderSet(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	webpagetest.Run(t, w.handler, "/send", true, w.pages.Routes())
	page := webpage.Headers{HTTPS: true, Script: true, Connect: true, Worker: true}
	for _, s := range []sent{w.create(), w.grant(), w.ask(), w.create(func(r *securesend.SendRequest) { r.Choice.Held = true })} {
		rec := w.get(s.path)
		webpagetest.CheckHeaders(t, rec.Header(), page)
		require.Contains(t, rec.Header().Get("Content-Security-Policy"), "script-src 'self'; connect-src 'self'; worker-src 'self'")
		require.Empty(t, rec.Header().Get("Set-Cookie"))
	}
	rec := w.get("/send/sw.js")
	webpagetest.CheckHeaders(t, rec.Header(), webpage.Headers{HTTPS: true, Script: true, Connect: true})
	require.Equal(t, "text/javascript; charset=utf-8", rec.Header().Get("Content-Type"))
	require.Equal(t, http.StatusMethodNotAllowed, w.post("/send/sw.js", "").Code)
}

func TestNoPageHasInlineScriptOrStyle(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, s := range []sent{w.create(), w.grant(), w.ask()} {
		body := w.get(s.path).Body.String()
		for _, bad := range []string{"<style", " style=", " onclick=", " onload=", "javascript:"} {
			require.NotContains(t, body, bad)
		}
		for _, tag := range strings.Split(body, "<script")[1:] {
			require.Regexp(t, `^[^>]* src="\.\./assets/[^"]+"[^>]*></script>`, tag)
		}
		require.Contains(t, body, "<noscript>")
	}
}

// A browser that translates a page sends its text to somebody else, and shows another password than was sent.
func TestNobodyTranslatesWhatIsSecret(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for path, slots := range map[string][]string{w.create().path: {"text", "name"}, w.grant().path: {"link", "number", "name"}, w.ask().path: {"name"}} {
		body := w.get(path).Body.String()
		for _, slot := range slots {
			require.Regexp(t, `<(pre|bdi|p|textarea)[^>]* translate="no"[^>]* data-slot="`+slot+`"`, body)
		}
	}
}

// snapshot is everything of a store that can be seen.
type snapshot struct {
	records []securesend.Record
	events  []securesend.Event
	parts   [][]securesend.PartInfo
}

func (w *world) snapshot() snapshot {
	w.t.Helper()
	var s snapshot
	var err error
	s.records, err = w.store.List(w.t.Context(), securesend.Query{Tenant: tenant})
	require.NoError(w.t, err)
	s.events, err = w.store.Events(w.t.Context(), securesend.EventQuery{Limit: 10000})
	require.NoError(w.t, err)
	for _, r := range s.records {
		parts, err := w.blobs.List(w.t.Context(), r.Ref)
		require.NoError(w.t, err)
		s.parts = append(s.parts, parts)
	}
	return s
}

// Guarantee 2, for the pages of securesend.
func TestNothingButPOSTChangesAnything(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	all := []sent{w.create(withFile([]byte("x"))), w.create(func(r *securesend.SendRequest) { r.Choice.Held = true }), w.grant(), w.ask()}
	taken := w.create(withFile([]byte("x")))
	w.call(taken.path+"/take", wire.Take{Auth: taken.auth, Claim: taken.claim, Number: taken.Number.Reveal()}, http.StatusOK, nil)
	all = append(all, taken)
	type target struct{ path, query string }
	var targets []target
	for _, route := range w.pages.Routes() {
		for _, s := range all {
			path := "/send" + strings.NewReplacer("{token}", s.link.Token.Reveal(), "{file}", "0", "{n}", "0").Replace(route.Pattern)
			query := url.Values{
				"auth": {text(s.auth)}, "claim": {text(s.claim)}, "upload": {text(s.link.Fragment.Reveal())}, "number": {s.Number.Reveal()}, "_method": {"POST"},
			}
			if tg := (target{path, "?" + query.Encode()}); !slices.Contains(targets, tg) {
				targets = append(targets, tg)
			}
		}
	}
	require.Greater(t, len(targets), 100)
	for _, later := range []time.Duration{0, 2 * time.Minute, 48 * time.Hour} { // alive, lapsed, expired: and nobody has swept
		w.pass(later)
		before := w.snapshot()
		w.store.taken()
		for _, tg := range targets {
			for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodOptions, "PURGE", http.MethodPut, http.MethodDelete, http.MethodPatch, http.MethodTrace} {
				body := `{"auth":"` + text(all[0].auth) + `"}`
				rec := w.do(method, tg.path+tg.query, strings.NewReader(body), "X-HTTP-Method-Override", "POST", "Content-Type", "application/json")
				require.Less(t, rec.Code, 500)
			}
		}
		for _, verb := range w.store.taken() {
			require.Equal(t, "Stat", verb, "no verb that could change something was called")
		}
		require.Equal(t, before, w.snapshot())
	}
}

func text(b []byte) string {
	out, _ := wire.Bytes(b).MarshalText() // it never fails
	return string(out)
}

// Guarantee 10, for the pages of securesend.
func TestUnknownForeignAndMisplacedTokensGetEqualBytes(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(_ *world, o *securesendpage.Options) {
		o.Tenant = func(r *http.Request) mspkit.TenantID { return mspkit.TenantID(strings.TrimSuffix(r.Host, ".example")) }
	})
	gone := w.create()
	for range 2 { // it expires, then it is deleted
		w.pass(200 * 24 * time.Hour)
		require.NoError(t, w.svc.RunOnce(t.Context()))
	}
	live := map[string]sent{
		"s": w.create(), "h": w.create(func(r *securesend.SendRequest) { r.Choice.Held = true }), "r": w.ask(), "c": w.grant(),
	}
	tok := func(s sent) string { return s.link.Token.Reveal() }
	for _, k := range []struct{ letter, misplaced string }{{"s", "hr"}, {"h", "sr"}, {"r", "shc"}, {"c", "r"}} {
		me := live[k.letter]
		alive := tok(me)
		altered := alive[:len(alive)-4] + strings.Map(func(r rune) rune {
			if r == 'A' {
				return 'B'
			}
			return 'A'
		}, alive[len(alive)-4:])
		tokens := []string{"contoso", tok(gone), "contoso", altered, "contoso", "x", "fabrikam", alive, "", alive}
		for letter := range strings.SplitSeq(k.misplaced, "") {
			tokens = append(tokens, "contoso", tok(live[letter]))
		}
		for _, route := range w.pages.Routes() {
			if !strings.HasPrefix(route.Pattern, "/"+k.letter+"/{token}") {
				continue
			}
			var answers []string
			for i := 0; i < len(tokens); i += 2 {
				target := "https://" + tokens[i] + ".example/send" + strings.NewReplacer("{token}", tokens[i+1], "{file}", "0", "{n}", "0").Replace(route.Pattern)
				rec := w.do(route.Method, target, strings.NewReader(bodyFor(route, me)), headersFor(route, me)...)
				require.Equal(t, http.StatusNotFound, rec.Code, "%s, token %d", route.Name, i/2)
				answers = append(answers, everything(rec))
			}
			for _, a := range answers {
				require.Equal(t, answers[0], a, route.Name)
			}
		}
		require.Equal(t, http.StatusOK, w.get("https://contoso.example"+me.path).Code)
	}
}

// bodyFor returns a body that the route could take of s.
func bodyFor(route webpage.Route, s sent) string {
	switch route.Pattern[strings.LastIndex(route.Pattern, "/")+1:] {
	case "open", "code":
		if strings.HasPrefix(route.Pattern, "/r/") {
			return `{}`
		}
		return `{"auth":"` + text(s.auth) + `"}`
	case "verify", "ack":
		return `{"auth":"` + text(s.auth) + `","claim":"` + text(s.claim) + `"}`
	case "take":
		return `{"auth":"` + text(s.auth) + `","claim":"` + text(s.claim) + `","number":"` + other(s.Number.Reveal()) + `"}`
	case "chunks":
		return `{"auth":"` + text(s.auth) + `","claim":"` + text(s.claim) + `","file":0,"from":0,"to":1}`
	case "begin", "parts":
		return `{"upload":"` + text(s.link.Fragment.Reveal()) + `"}`
	case "commit":
		return `{"upload":"` + text(s.link.Fragment.Reveal()) + `","header":"AQAU","manifest":"AAAA"}`
	}
	return "part"
}

func headersFor(route webpage.Route, s sent) []string {
	if strings.HasSuffix(route.Pattern, "/{n}") {
		return []string{"Content-Type", "application/octet-stream", wire.UploadHeader, text(s.link.Fragment.Reveal())}
	}
	return []string{"Content-Type", "application/json"}
}

func TestAFailingStoreReleasesNothingAndTellsNothing(t *testing.T) {
	t.Parallel()
	var log strings.Builder
	w := newWorld(t, func(_ *world, o *securesendpage.Options) { o.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
	s, g, q := w.create(withFile([]byte("x"))), w.grant(), w.ask()
	code := w.create(gate(securesend.GateCode), func(r *securesend.SendRequest) {
		r.Code = securesend.Destination{Sender: "sms", Address: "+1 555 0100"}
	})
	number := s.Number.Reveal()
	upload := wire.Bytes(g.link.Fragment.Reveal())
	for _, tc := range []struct {
		verb, path string
		body       any
	}{
		{"Open", s.path + "/open", wire.Recipient{Auth: s.auth}},
		{"Take", s.path + "/take", wire.Take{Auth: s.auth, Claim: s.claim, Number: number}},
		{"Extend", s.path + "/chunks", wire.Chunks{Auth: s.auth, Claim: s.claim, To: 1}},
		{"Ack", s.path + "/ack", wire.Recipient{Auth: s.auth, Claim: s.claim}},
		{"Stat", code.path + "/code", wire.Recipient{Auth: code.auth}},
		{"Count", code.path + "/code", wire.Recipient{Auth: code.auth}},
		{"SendCode", code.path + "/code", wire.Recipient{Auth: code.auth}},
		{"Stat", g.path + "/begin", wire.Upload{Upload: upload}},
		{"Stat", g.path + "/parts", wire.Upload{Upload: upload}},
		{"Stat", g.path + "/commit", wire.Commit{Upload: upload}},
		{"Stat", q.path + "/open", wire.Empty{}},
		{"Admit", q.path + "/begin", wire.Upload{Upload: securesend.RandomKey(), Number: q.Number.Reveal()}},
	} {
		w.store.fail(tc.verb, errors.New("the disk is on fire"))
		rec := w.post(tc.path, tc.body)
		require.Equal(t, http.StatusServiceUnavailable, rec.Code, "%s", tc.verb)
		require.NotContains(t, rec.Body.String(), "fire")
	}
	w.store.fail("Stat", errors.New("the disk is on fire"))
	require.Equal(t, http.StatusServiceUnavailable, w.part(g.path+"/part/0/0", upload, []byte("part")).Code)
	require.Equal(t, http.StatusServiceUnavailable, w.get(s.path).Code)
	w.store.fail("", nil)
	require.Contains(t, log.String(), "fire")
	for _, x := range []sent{s, g, q, code} {
		tok := x.link.Token.Reveal()
		for _, secret := range []string{tok, tok[:16], text(x.auth), text(x.claim), text(x.link.Fragment.Reveal()) + "x"} {
			require.NotContains(t, log.String(), strings.TrimSuffix(secret, "x"))
		}
	}
	w.call(s.path+"/take", wire.Take{Auth: s.auth, Claim: s.claim, Number: number}, http.StatusOK, nil)
}

func TestARecordThatIsDeletedInBetweenIsGone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.create()
	for verb, body := range map[string]any{"Open": wire.Recipient{Auth: s.auth}, "Take": wire.Take{Auth: s.auth, Claim: s.claim}} {
		w.store.fail(verb, securesend.ErrNotFound)
		w.refused(s.path+"/"+strings.ToLower(verb), body, http.StatusNotFound, "not_found")
	}
}
