package verifypage_test

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/verify"
	"github.com/mspkit/mspkit/verify/verifypage"
)

func TestEveryStateHasAPageThatSaysWhatToDo(t *testing.T) {
	t.Parallel()
	caller := func(w *world) (verify.Challenge, string) { return w.start("dana") }
	technician := func(w *world) (verify.Challenge, string) { return w.startTechnician("dana", w.inCall()) }
	for _, tc := range []struct {
		name  string
		start func(*world) (verify.Challenge, string)
		then  func(*testing.T, *world, verify.Challenge, string)
		want  []string
		role  string
	}{
		{"confirmed", caller, func(_ *testing.T, w *world, c verify.Challenge, link string) {
			w.post(link, answer(c.Number.Reveal()))
		}, []string{"Thank you, it is confirmed", "Jane Doe"}, "status"},
		{"failed", caller, func(_ *testing.T, w *world, c verify.Challenge, link string) {
			w.post(link, answer(other(c.Number.Reveal())))
			w.post(link, answer(other(c.Number.Reveal())))
		}, []string{"Ask for a new number", "<strong><bdi>Jane Doe</bdi></strong> can tell you a new one", "I have a new number"}, "alert"},
		{"denied", caller, func(_ *testing.T, w *world, c verify.Challenge, link string) {
			w.post(link+"/not-me/confirm", word(strings.ToUpper(c.Word.Reveal())))
		}, []string{"The request is stopped", "5550 0100"}, "status"},
		{"expired", caller, func(_ *testing.T, w *world, _ verify.Challenge, _ string) {
			w.pass(6 * time.Minute)
		}, []string{"This link has expired"}, "status"},
		{"cancelled", caller, func(t *testing.T, w *world, c verify.Challenge, _ string) {
			require.NoError(t, w.svc.Cancel(t.Context(), c.Ref, jane.ID, "a mistake"))
		}, []string{"This request was withdrawn"}, "status"},
		{"frozen", caller, func(t *testing.T, w *world, _ verify.Challenge, _ string) {
			require.NoError(t, w.svc.Freeze(t.Context(), tenant, "dana", jane.ID, "a report", time.Hour))
		}, []string{"Verification is paused", "5550 0100"}, "alert"},
		{"locked", func(w *world) (verify.Challenge, string) {
			w.settings.Limits.LockAfter = 1
			return w.start("dana")
		}, func(_ *testing.T, w *world, c verify.Challenge, link string) {
			w.post(link, answer(other(c.Number.Reveal())))
		}, []string{"Verification is locked", "5550 0100"}, "alert"},
		{"technician genuine", technician, func(_ *testing.T, w *world, c verify.Challenge, link string) {
			w.post(link, answer("  "+strings.ToUpper(c.Word.Reveal())+"! "))
		}, []string{"This is really Jane Doe from Contoso IT"}, "status"},
		{"technician mismatch", technician, func(_ *testing.T, w *world, _ verify.Challenge, link string) {
			w.post(link, answer("other words"))
			w.post(link, answer("other words"))
		}, []string{"These are not our words. Hang up.", "Our helpdesk has been alerted", "Call &#43;1 5550 0100"}, "alert"},
		{"over", caller, func(_ *testing.T, w *world, _ verify.Challenge, _ string) {
			w.pass(time.Hour)
		}, []string{"This request is over"}, "status"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			c, link := tc.start(w)
			tc.then(t, w, c, link)
			body := w.get(link)
			for _, want := range tc.want {
				require.Contains(t, body, want)
			}
			require.Contains(t, body, `role="`+tc.role+`"`)
			require.NotContains(t, body, "<form", "there is nothing left to be sent")
			require.Equal(t, 1, strings.Count(body, "<h1"))
			for _, path := range []string{link, link + "/not-me", link + "/not-me/confirm"} {
				before := w.kinds()
				_, at, code := w.post(path, url.Values{"answer": {"123"}, "word": {"some words"}})
				require.Equal(t, http.StatusOK, code)
				require.Equal(t, link, at, "every form of a request that has ended leads to its page")
				require.Equal(t, before, w.kinds(), "and changes nothing")
			}
		})
	}
}

func TestAnOldLinkNamesNobodyHoweverItEnded(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c, confirmed := w.start("dana")
	w.post(confirmed, answer(c.Number.Reveal()))
	_, expired := w.start("eve")
	_, checked := w.startTechnician("finn", w.inCall())
	w.pass(time.Hour)
	want := ""
	for _, link := range []string{confirmed, expired, checked} {
		body := w.get(link)
		for _, name := range []string{"Jane", "Dana", "Northwind", "4711", "confirm"} {
			require.NotContains(t, body, name)
		}
		if want == "" {
			want = body
		}
		require.Equal(t, want, body, "how it ended is not told")
	}
}

func TestWhatCannotBeTheAnswerIsSaidAndNotCounted(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, typed, want string
	}{
		{"nothing", "", "Type the number that you are told"},
		{"spaces", " \t\u00a0", "Type the number that you are told"},
		{"letters", "abc", "This did not count as a try"},
		{"letters among digits", "12a3", "This did not count as a try"},
		{"a sign", "+123", "This did not count as a try"},
		{"a decimal", "1.23", "This did not count as a try"},
		{"too few digits", "12", "This did not count as a try"},
		{"too many digits", "1234", "This did not count as a try"},
		{"superscripts", "¹²³", "This did not count as a try"},
		{"Roman numerals", "ⅠⅡⅢ", "This did not count as a try"},
		{"broken UTF-8", "12\xff3", "This did not count as a try"},
		{"very long", strings.Repeat(" ", 10000) + "123", "This did not count as a try"},
		{"markup", "<b>123</b>", "This did not count as a try"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			c, link := w.start("dana")
			body, _, code := w.post(link, answer(tc.typed))
			require.Equal(t, http.StatusUnprocessableEntity, code)
			require.Contains(t, body, tc.want)
			require.Contains(t, body, `aria-describedby="error hint" aria-invalid="true"`)
			require.Contains(t, body, "<title>Error: ")
			require.Equal(t, 2, w.state(c).TriesLeft)
		})
	}
	w := newWorld(t)
	c, link := w.startTechnician("dana", w.inCall())
	for typed, want := range map[string]string{"": "Type the words", "123": "The words have letters", strings.Repeat("word ", 60): "The words have letters"} {
		body, _, code := w.post(link, answer(typed))
		require.Equal(t, http.StatusUnprocessableEntity, code)
		require.Contains(t, body, want)
	}
	require.Equal(t, 2, w.state(c).TriesLeft)
	c, link = w.start("eve")
	for _, typed := range []string{"", "1 2"} {
		body, _, code := w.post(link+"/not-me/confirm", word(typed))
		require.Equal(t, http.StatusUnprocessableEntity, code)
		require.Contains(t, body, `action="../../../v/`, "links stay right below the second page")
	}
	require.Equal(t, 2, w.state(c).TriesLeft)
}

func TestSpellingsOfTheRightNumberAreAccepted(t *testing.T) {
	t.Parallel()
	wide := func(n string) string {
		return strings.Map(func(r rune) rune { return r - '0' + '０' }, n)
	}
	arabic := func(n string) string {
		return strings.Map(func(r rune) rune { return r - '0' + '٠' }, n)
	}
	for name, spell := range map[string]func(string) string{
		"spaces": func(n string) string { return " " + n[:1] + " " + n[1:2] + "\u00a0" + n[2:] + "\n" },
		"dashes": func(n string) string { return n[:1] + "-" + n[1:2] + "–" + n[2:] },
		"wide":   wide, "arabic": arabic,
		"direction marks": func(n string) string { return "\u2066" + n + "\u2069" },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			c, link := w.start("dana")
			w.post(link, answer(spell(c.Number.Reveal())))
			require.Equal(t, verify.StateConfirmed, w.state(c).State)
		})
	}
}

var tags = regexp.MustCompile(`<[^>]*>`)

func TestHostileNamesAreShownHarmless(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(w *world, _ *verifypage.Options) {
		w.settings.Brand = mspkit.Brand{Name: `<script>alert(1)</script>`, Phone: `"><img src=x onerror=alert(1)>`, Site: "javascript:alert(1)"}
	})
	nasty := "</title><script>alert(1)</script>\u202eEvil\u200b http://evil.example/x www.evil.example evil.example \"onmouseover=\"x {{.T}}"
	change := func(r *verify.StartRequest) {
		r.Technician.Name, r.Subject.Name, r.Subject.Company = nasty, nasty, nasty
		r.Ticket = mspkit.Ticket{System: "psa", ID: `4711"><script>alert(1)</script>`}
	}
	c, link := w.start("dana", change)
	pages := []string{w.get(link)}
	body, _, _ := w.post(link+"/not-me", url.Values{})
	pages = append(pages, body)
	w.post(link, answer(other(c.Number.Reveal())))
	w.post(link, answer(other(c.Number.Reveal())))
	pages = append(pages, w.get(link))
	call := w.inCall()
	call.Technician.Name, call.Ticket.ID = nasty, `"><script>alert(1)</script>`
	tc, link := w.startTechnician("eve", call)
	pages = append(pages, w.get(link))
	w.post(link, answer(tc.Word.Reveal()))
	pages = append(pages, w.get(link))
	for _, body := range pages {
		require.Contains(t, body, "Evil", "the name is shown")
		require.NotContains(t, body, "<script")
		require.NotContains(t, body, "<img")
		require.NotContains(t, body, "\u202e")
		require.NotContains(t, body, "\u200b")
		require.NotContains(t, body, "evil.example")
		for _, tag := range tags.FindAllString(body, -1) {
			for _, bad := range []string{"onmouseover", "onerror", "javascript:"} {
				require.NotContains(t, strings.ToLower(tag), bad)
			}
		}
	}
}

func TestALogoIsServedUnderATagThatDoesNotTellTheTenant(t *testing.T) {
	t.Parallel()
	png := "\x89PNG\r\n\x1a\n and more"
	w := newWorld(t, func(w *world, _ *verifypage.Options) { w.settings.Brand.Logo = []byte(png) })
	_, link := w.start("dana")
	src := regexp.MustCompile(`class="brand-logo" src="\.\./(assets/logo/[^"]+)"`).FindStringSubmatch(w.get(link))
	require.NotNil(t, src)
	require.NotContains(t, src[1], string(tenant))
	rec := w.do(http.MethodGet, "/verify/"+src[1], nil)
	require.Equal(t, png, rec.Body.String())
	require.Contains(t, rec.Header().Get("Cache-Control"), "immutable")
	require.Contains(t, w.get(link), src[1], "the address stays the same")
	rec = w.do(http.MethodGet, "/verify/"+src[1]+"x", nil)
	require.Equal(t, http.StatusNotFound, rec.Code)
}
