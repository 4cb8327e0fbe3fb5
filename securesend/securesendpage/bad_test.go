package securesendpage_test

import (
	"bytes"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit/securesend"
	"github.com/mspkit/mspkit/securesend/internal/wire"
)

func TestBodiesThatCannotBeUsedAreRefusedAndChangeNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s, g, q := w.create(withFile([]byte("x"))), w.grant(), w.ask()
	w.call(s.path+"/take", wire.Take{Auth: s.auth, Claim: s.claim, Number: s.Number.Reveal()}, http.StatusOK, nil)
	before := w.snapshot()
	auth, claim, upload := text(s.auth), text(s.claim), text(g.link.Fragment.Reveal())
	key := text(securesend.RandomKey())
	both := `"auth":"` + auth + `","claim":"` + claim + `"`
	for _, tc := range []struct {
		name, path, body string
		status           int
		code             string
	}{
		{"nothing", s.path + "/open", ``, 422, "invalid"},
		{"null", s.path + "/open", `null`, 422, "invalid"},
		{"a list", s.path + "/open", `[]`, 422, "invalid"},
		{"no auth", s.path + "/open", `{}`, 422, "invalid"},
		{"a short auth", s.path + "/open", `{"auth":"AAAA"}`, 422, "invalid"},
		{"padding", s.path + "/open", `{"auth":"` + auth + `="}`, 422, "invalid"},
		{"another alphabet", s.path + "/open", `{"auth":"` + strings.Repeat("+", 43) + `"}`, 422, "invalid"},
		{"bits that mean nothing", s.path + "/open", `{"auth":"` + strings.Repeat("A", 42) + `B"}`, 422, "invalid"},
		{"a new line inside", s.path + "/open", `{"auth":"` + auth[:9] + `\n` + auth[9:] + `"}`, 422, "invalid"},
		{"an unknown field", s.path + "/open", `{"auth":"` + auth + `","x":1}`, 422, "invalid"},
		{"something behind", s.path + "/open", `{"auth":"` + auth + `"}{}`, 422, "invalid"},
		{"too long", s.path + "/open", `{"auth":"` + strings.Repeat("A", 20<<10) + `"}`, 413, "too_large"},
		{"too long behind", s.path + "/open", `{"auth":"` + auth + `"}` + strings.Repeat(" ", 20<<10), 413, "too_large"},
		{"no claim", s.path + "/take", `{"auth":"` + auth + `"}`, 422, "invalid"},
		{"a claim of another length", s.path + "/take", `{"auth":"` + auth + `","claim":"AAAA"}`, 422, "invalid"},
		{"a pass of another length", s.path + "/take", `{` + both + `,"pass":"AAAA"}`, 422, "invalid"},
		{"a number that is no text", s.path + "/take", `{` + both + `,"number":123}`, 422, "invalid"},
		{"no range", s.path + "/chunks", `{` + both + `}`, 422, "invalid"},
		{"a range backwards", s.path + "/chunks", `{` + both + `,"from":1,"to":0}`, 422, "invalid"},
		{"a negative range", s.path + "/chunks", `{` + both + `,"from":-1,"to":1}`, 422, "invalid"},
		{"a range beyond the file", s.path + "/chunks", `{` + both + `,"from":0,"to":2}`, 422, "invalid"},
		{"a range that is too long", s.path + "/chunks", `{` + both + `,"from":0,"to":17}`, 422, "invalid"},
		{"a range that overflows", s.path + "/chunks", `{` + both + `,"from":9223372036854775807,"to":9223372036854775807}`, 422, "invalid"},
		{"a range beyond numbers", s.path + "/chunks", `{` + both + `,"from":0,"to":9223372036854775808}`, 422, "invalid"},
		{"a file that is not there", s.path + "/chunks", `{` + both + `,"file":1,"to":1}`, 422, "invalid"},
		{"a negative file", s.path + "/chunks", `{` + both + `,"file":-1,"to":1}`, 422, "invalid"},
		{"no gate for codes", s.path + "/code", `{"auth":"` + auth + `"}`, 422, "invalid"},
		{"another claim's chunks", s.path + "/chunks", `{"auth":"` + auth + `","claim":"` + key + `","to":1}`, 409, "opening"},
		{"another claim's ack", s.path + "/ack", `{"auth":"` + auth + `","claim":"` + key + `"}`, 409, "opening"},
		{"another upload", g.path + "/parts", `{"upload":"` + key + `"}`, 403, "auth"},
		{"another upload's commit", g.path + "/commit", `{"upload":"` + key + `","header":"AQAU","manifest":"AAAA"}`, 403, "auth"},
		{"no header", g.path + "/commit", `{"upload":"` + upload + `","header":"","manifest":""}`, 422, "envelope"},
		{"an unknown version", g.path + "/commit", `{"upload":"` + upload + `","header":"AgAU","manifest":""}`, 422, "envelope"},
		{"a header of a held send", g.path + "/commit", `{"upload":"` + upload + `","header":"AQQU","auth":"` + key + `","half":"` + key + `","manifest":"` + key + `"}`, 422, "invalid"},
		{"no half", g.path + "/commit", `{"upload":"` + upload + `","header":"AQAU","auth":"` + key + `","manifest":"` + key + `"}`, 422, "invalid"},
		{"no manifest", g.path + "/commit", `{"upload":"` + upload + `","header":"AQAU","auth":"` + key + `","half":"` + key + `","manifest":""}`, 413, "too_large"},
		{"files without parts", g.path + "/commit", `{"upload":"` + upload + `","header":"AQAU","auth":"` + key + `","half":"` + key + `","manifest":"` + key + `","sizes":[1]}`, 422, "invalid"},
		{"a negative size", g.path + "/commit", `{"upload":"` + upload + `","header":"AQAU","auth":"` + key + `","half":"` + key + `","manifest":"` + key + `","sizes":[-1]}`, 413, "too_large"},
		{"sizes that overflow", g.path + "/commit", `{"upload":"` + upload + `","header":"AQAU","auth":"` + key + `","half":"` + key + `","manifest":"` + key + `","sizes":[9223372036854775807,9223372036854775807]}`, 413, "too_large"},
		{"too many files", g.path + "/commit", `{"upload":"` + upload + `","header":"AQAU","auth":"` + key + `","half":"` + key + `","manifest":"` + key + `","sizes":[` + strings.Repeat("0,", 20) + `0]}`, 413, "too_large"},
		{"a text of 100 MB", g.path + "/commit", `{"upload":"` + upload + `","manifest":"` + strings.Repeat("A", 100<<20) + `"}`, 413, "too_large"},
		{"a request's open with a key", q.path + "/open", `{"auth":"` + key + `"}`, 422, "invalid"},
		{"no upload", q.path + "/begin", `{}`, 422, "invalid"},
		{"no number", q.path + "/begin", `{"upload":"` + key + `"}`, 403, "number"},
		{"parts before begin", q.path + "/parts", `{"upload":"` + key + `"}`, 403, "auth"},
	} {
		w.refused(tc.path, tc.body, tc.status, tc.code)
		require.Equal(t, before.records, w.snapshot().records, tc.name)
	}
	require.Equal(t, before, w.snapshot())
	for _, route := range w.pages.Routes() {
		if route.Method != http.MethodPost {
			continue
		}
		path := "/send" + strings.NewReplacer("{token}", s.link.Token.Reveal(), "{file}", "0", "{n}", "0").Replace(route.Pattern)
		for _, ct := range []string{"", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/jsonx", ";"} {
			rec := w.do(http.MethodPost, path, strings.NewReader(`{}`), "Content-Type", ct)
			require.Equal(t, http.StatusUnsupportedMediaType, rec.Code, "%s as %q", route.Name, ct)
		}
	}
}

func TestPartsThatCannotBeUsedAreRefusedAndStoreNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.settings.MaxSize = 20 << 20
	w.settings.MaxFiles = 2
	g := w.grant()
	upload := g.link.Fragment.Reveal()
	before := w.snapshot()
	full := make([]byte, 8*(1<<20+16))
	for _, tc := range []struct {
		name, at string
		upload   []byte
		body     []byte
		status   int
	}{
		{"a word for a file", "x/0", upload, full[:16], 422},
		{"a negative part", "0/-1", upload, full[:16], 422},
		{"a zero in front", "00/0", upload, full[:16], 422},
		{"a plus", "+0/0", upload, full[:16], 422},
		{"a number beyond numbers", "0/99999999999999999999", upload, full[:16], 422},
		{"a file beyond the limit", "2/0", upload, full[:16], 413},
		{"a part beyond the limit", "0/3", upload, full[:16], 413},
		{"another upload", "0/0", securesend.RandomKey(), full[:16], 403},
		{"no upload", "0/0", nil, full[:16], 422},
		{"longer than a part", "0/0", upload, append(bytes.Clone(full), 1), 413},
	} {
		rec := w.part(g.path+"/part/"+tc.at, tc.upload, tc.body)
		require.Equal(t, tc.status, rec.Code, "%s: %s", tc.name, rec.Body)
		require.Equal(t, before, w.snapshot(), tc.name)
	}
	for _, at := range []string{"0/0", "0/1"} {
		require.Equal(t, http.StatusOK, w.part(g.path+"/part/"+at, upload, full).Code)
	}
	require.Equal(t, http.StatusRequestEntityTooLarge, w.part(g.path+"/part/1/0", upload, full).Code, "all files together")
	require.Equal(t, http.StatusOK, w.part(g.path+"/part/0/1", upload, full[:16]).Code, "again, shorter")
}
