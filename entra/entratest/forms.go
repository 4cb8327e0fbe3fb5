package entratest

import (
	"bytes"
	"cmp"
	"embed"
	"html/template"
	"net/http"
	"slices"
	"strings"
)

//go:embed pages.html
var pageFiles embed.FS

var pages = template.Must(template.ParseFS(pageFiles, "pages.html"))

// html answers with one of the pages.
func html(w http.ResponseWriter, name string, data any) {
	var b bytes.Buffer
	if err := pages.ExecuteTemplate(&b, name, data); err != nil {
		http.Error(w, "The page cannot be shown.", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = w.Write(b.Bytes())
}

// group is the people of a tenant, as the form shows them.
type group struct {
	Tenant *Tenant
	People []choice
}

// choice is somebody on the form. First is whom the application names or the browser remembers.
type choice struct {
	*User
	First bool
}

// expected reports whether somebody in the list is.
func expected(list ...group) bool {
	return slices.ContainsFunc(list, func(g group) bool { return slices.ContainsFunc(g.People, func(c choice) bool { return c.First }) })
}

// form asks who signs in, with a button for each person. The request's own query goes along with it.
func (s *Server) form(w http.ResponseWriter, r *http.Request, b back, ask string) {
	why := ""
	switch {
	case r.Form.Get("prompt") == "login" || r.Form.Get("max_age") == "0":
		why = "It wants a fresh sign-in."
	case r.Form.Get("claims") != "":
		why = "It wants a stronger sign-in."
	}
	groups, others := s.groups(r)
	html(w, "form", map[string]any{
		"Ask": ask, "App": b.app.Name, "Host": hostOf(b.redirect), "Scopes": strings.Join(strings.Fields(r.Form.Get("scope")), ", "), "Why": why,
		"Groups": groups, "Others": others, "Open": len(groups) == 0 || expected(others...),
	})
}

// first returns whom the application names or, where it names nobody, whom the browser remembers. Nil is nobody.
func (s *Server) first(r *http.Request, people []*User) *User {
	hint := r.Form.Get("login_hint")
	if i := slices.IndexFunc(people, func(u *User) bool { return hint != "" && strings.EqualFold(u.Username, hint) }); i >= 0 {
		return people[i]
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.remembered(r)
	switch {
	case e == nil:
		return nil
	case e.user.home != nil:
		return e.user.home
	}
	return e.user
}

// groups returns the people by tenant. Where the path of the request names a tenant, those who can sign in there, guests included,
// are the groups, and everybody else is among the others. Whoever is expected stands at the front.
func (s *Server) groups(r *http.Request) (groups, others []group) {
	path, people := r.PathValue("tenant"), s.everybody()
	here, first := s.tenant(path), s.first(r, people)
	for _, u := range people {
		into := &groups
		if here != nil {
			if who, _ := s.resident(u, path); who == nil {
				into = &others
			}
		}
		i := slices.IndexFunc(*into, func(g group) bool { return g.Tenant == u.tenant })
		if i < 0 {
			i = len(*into)
			*into = append(*into, group{Tenant: u.tenant})
		}
		(*into)[i].People = append((*into)[i].People, choice{u, u == first})
	}
	for _, list := range [][]group{groups, others} {
		for _, g := range list {
			slices.SortStableFunc(g.People, func(a, b choice) int { return before(a.First, b.First) })
		}
		slices.SortFunc(list, func(a, b group) int {
			return cmp.Or(
				before(expected(a), expected(b)), before(a.Tenant == here, b.Tenant == here),
				strings.Compare(strings.ToLower(a.Tenant.Name), strings.ToLower(b.Tenant.Name)), strings.Compare(a.Tenant.ID, b.Tenant.ID),
			)
		})
	}
	return groups, others
}

// before sorts what is true before what is not.
func before(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return -1
	}
	return 1
}

// hostOf returns the host of an address.
func hostOf(address string) string {
	_, rest, _ := strings.Cut(address, "://")
	host, _, _ := strings.Cut(rest, "/")
	return host
}

func (s *Server) page(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(text + "\n"))
}
