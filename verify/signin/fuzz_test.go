package signin_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/mspkit/mspkit/internal/token"
	"github.com/mspkit/mspkit/verify/signin"
)

// FuzzLink reads what a link holds, also where it is genuine and says anything.
func FuzzLink(f *testing.F) {
	links, err := token.NewCodec(ringOf(f), "verify/signin/link")
	if err != nil {
		f.Fatal(err)
	}
	good, err := signin.Encode(links, "contoso", "abc", tid, oid, 7)
	if err != nil {
		f.Fatal(err)
	}
	_, text, err := links.Decode(good)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good, text)
	f.Add("", "")
	f.Add("AAAA", text[:35])
	f.Add(strings.Repeat("A", 512), "\x01\x63"+strings.Repeat("\x00", 32)+"\x03abc")
	f.Add("", "\x01\x64"+text[2:]) // a context that there is not
	f.Fuzz(func(t *testing.T, tok, text string) {
		if _, _, _, err := signin.Decode(links, tok); err == nil && tok != good {
			t.Fatal("a link that nobody made opens")
		}
		ref, from, acr, err := signin.Decode(links, links.Encode(token.NewSecret(), text))
		if err != nil {
			return
		}
		tid, oid, _ := strings.Cut(strings.TrimPrefix(from, "signin:"), "/")
		again, err := signin.Encode(links, ref.Tenant, ref.ID, tid, oid, acr)
		if err != nil {
			t.Fatalf("%+v %s %d cannot be written again: %v", ref, from, acr, err)
		}
		if _, same, err := links.Decode(again); err != nil || same != text {
			t.Fatalf("%q is written as %q", text, same)
		}
	})
}

// FuzzAddress canonicalises what stands on record.
func FuzzAddress(f *testing.F) {
	c, err := signin.New(ringOf(f), "https://help.example", &carried{}, always(tid, nil), nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(tid + "/" + oid)
	f.Add("signin:" + strings.ToUpper(tid) + "/" + oid)
	f.Add("/")
	f.Fuzz(func(t *testing.T, s string) {
		got, err := c.Canonical(s)
		if err != nil {
			return
		}
		if again, err := c.Canonical(got); err != nil || again != got || len(got) != len("signin:")+36+1+36 {
			t.Fatalf("%q becomes %q and then %q, %v", s, got, again, err)
		}
	})
}

// FuzzCallback sends anything to where Microsoft sends browsers, with any cookie.
func FuzzCallback(f *testing.F) {
	w := newWorld(f)
	c, link := w.begin("signin")
	f.Add("code=x&state="+strings.Repeat("A", 43), "mspkit-signin-x=y")
	f.Add("error=access_denied&error_description=AADSTS50020&state=", "")
	f.Add("state=%zz;&code=a&code=b", link)
	f.Add("", "mspkit-signed-in-x=AAAA")
	f.Fuzz(func(t *testing.T, query, cookie string) {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/callback", nil)
		r.URL.RawQuery = query
		r.Header.Set("Cookie", cookie)
		rec := httptest.NewRecorder()
		w.pages.ServeHTTP(rec, r)
		if rec.Code != http.StatusBadRequest {
			t.Fatalf("status %d", rec.Code)
		}
		if got, err := w.svc.Get(t.Context(), c.Ref, jane.ID); err != nil || got.TriesLeft != 2 || got.Hinted {
			t.Fatalf("it did something: %v", err)
		}
	})
}
