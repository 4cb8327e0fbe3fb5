package mfa

import (
	"encoding/json"
	"net/http"
	"net/url"
	"path"
	"strings"

	"github.com/mspkit/mspkit/internal/webpage"
)

// CodeRequired is what the JSON of [Service.Gate] has as "error".
const CodeRequired = "second_factor_required"

// Gate lets through whoever needs no second factor or has shown one in this session. Anybody else is taken to the pages of
// [Service.Handler], where they show one or enrol their first, and from there back. Only a browser that loads a page is taken:
// any other request is answered with 403 and JSON that has [CodeRequired] as "error" and the address of the pages as "location".
//
// Who is not signed in is let through, because that is not for Gate to decide: put it behind what signs people in. The pages
// themselves are let through. It costs no access to the store.
func (s *Service) Gate(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		u := s.o.User(r.Context())
		if u == nil || !u.MFA || !u.Factor.IsZero() || s.ours(r) {
			next.ServeHTTP(w, r)
			return
		}
		h := w.Header()
		h.Set("Cache-Control", "no-store")
		to := s.o.Path + "/"
		if !navigation(r) {
			h.Set("Content-Type", "application/json")
			h.Set("X-Content-Type-Options", "nosniff")
			w.WriteHeader(http.StatusForbidden)
			_ = json.NewEncoder(w).Encode(map[string]string{"error": CodeRequired, "location": to})
			return
		}
		if back := r.URL.RequestURI(); webpage.LocalPath(back) {
			to += "?" + url.Values{returnField: {back}}.Encode()
		}
		away(w, to)
	})
}

// ours reports whether a request is for the pages. A path that a handler behind could take for another one is not.
func (s *Service) ours(r *http.Request) bool {
	p := r.URL.Path
	clean := path.Clean(p)
	return r.URL.RawPath == "" && (p == clean || p == clean+"/") && (clean == s.o.Path || strings.HasPrefix(clean, s.o.Path+"/"))
}

// navigation reports whether a browser loads a page.
func navigation(r *http.Request) bool {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return false
	}
	if mode := r.Header.Get("Sec-Fetch-Mode"); mode != "" {
		return mode == "navigate"
	}
	return strings.Contains(r.Header.Get("Accept"), "text/html")
}

// away sends a browser to a path of the host.
func away(w http.ResponseWriter, to string) {
	w.Header().Set("Location", to)
	w.Header().Set("Content-Length", "0")
	w.WriteHeader(http.StatusSeeOther)
}
