package webpage_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing/fstest"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/webpage"
)

// A package of pages: texts, a template, and two routes at one address.
func Example() {
	catalog, err := webpage.LoadCatalog(fstest.MapFS{
		"en.json": {Data: []byte(`{"confirm.title":"Is it you?","confirm.who":"{technician} is asking."}`)},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	var site *webpage.Site
	site, err = webpage.New([]webpage.Route{
		{
			Name: "show", Method: "GET", Pattern: "/c/{token}", Kind: webpage.PageKind,
			Handler: func(w http.ResponseWriter, r *http.Request) {
				site.Render(w, r, webpage.Page{Template: "confirm", Brand: mspkit.Brand{Name: "Contoso IT"}, Data: "Jonas"})
			},
		},
		{
			Name: "confirm", Method: "POST", Pattern: "/c/{token}", Kind: webpage.FormKind, Capability: true,
			Handler: func(w http.ResponseWriter, r *http.Request) { site.Redirect(w, r, "c/done") },
		},
	}, &webpage.Options{Catalog: catalog, Templates: fstest.MapFS{"confirm.html": {Data: []byte(
		`{{define "title"}}{{.T "confirm.title"}}{{end}}
		{{define "main"}}<section class="card"><p>{{.T "confirm.who" "technician" .Data}}</p></section>{{end}}`)}}})
	if err != nil {
		fmt.Println(err)
		return
	}

	h := http.StripPrefix("/verify", site)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/verify/c/token", nil))
	fmt.Println(w.Code, strings.Contains(w.Body.String(), "Jonas is asking."), w.Header().Get("X-Frame-Options"))

	r := httptest.NewRequest(http.MethodPost, "/verify/c/token", strings.NewReader("number=482"))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	w = httptest.NewRecorder()
	h.ServeHTTP(w, r)
	fmt.Println(w.Code, w.Header().Get("Location"))
	// Output:
	// 200 true DENY
	// 303 ../c/done
}
