package webpage_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/webpage"
)

var pngLogo = []byte("\x89PNG\r\n\x1a\n and so on")

const (
	showPage = `{{define "title"}}{{.T "t.title"}}{{end}}
{{define "head"}}<script src="{{.Asset "extra.js"}}"></script>{{end}}
{{define "main"}}{{template "shared" .}}<p>{{template "rich" (.Parts "t.who" "technician" .Data)}}</p><a href="{{.Root}}other">x</a>{{end}}`
	brokenPage = `{{define "title"}}x{{end}}{{define "main"}}<p>half a page {{.T .Data}}</p>{{end}}`
)

func file(s string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(s)} }

func texts() fstest.MapFS {
	return fstest.MapFS{
		"en.json": file(`{"t.title":"Is it you?","t.who":"{technician} is asking."}`),
		"de.json": file(`{"t.title":"Sind Sie es?","t.who":"Es fragt {technician}."}`),
	}
}

// newSite returns a site with one route of every kind and handlers that fail in every way.
func newSite(t *testing.T, change func(*webpage.Options)) (*webpage.Site, *bytes.Buffer) {
	t.Helper()
	catalog, err := webpage.LoadCatalog(texts())
	require.NoError(t, err)
	log := &bytes.Buffer{}
	opts := &webpage.Options{
		Brand:   mspkit.Brand{Name: "Northwind MSP", Phone: "0800 123456", Logo: pngLogo},
		Catalog: catalog,
		Logger:  slog.New(slog.NewTextHandler(log, nil)),
		Assets:  fstest.MapFS{"extra.js": file("void 0\n")},
		Templates: fstest.MapFS{
			"show.html": file(showPage), "broken.html": file(brokenPage),
			"_shared.html": file(`{{define "shared"}}<i>shared</i>{{end}}`),
		},
		Logo: func(_ context.Context, key string) ([]byte, error) {
			switch key {
			case "a/b":
				return append(pngLogo, 'x'), nil
			case "svg":
				return []byte("<svg onload=x>"), nil
			case "down":
				return nil, errors.New("store is down")
			}
			return nil, nil
		},
	}
	if change != nil {
		change(opts)
	}
	var site *webpage.Site
	show := func(w http.ResponseWriter, r *http.Request) {
		site.Render(w, r, webpage.Page{Template: "show", Data: "Jonas <b>", Brand: mspkit.Brand{Name: "Contoso IT", Color: "#d97706", Logo: pngLogo, Phone: "+49 (69) 12-34", Site: "help.contoso.example/"}, BrandKey: "a/b"})
	}
	site, err = webpage.New([]webpage.Route{
		{Name: "home", Method: "GET", Pattern: "/{$}", Kind: webpage.PageKind, Handler: show},
		{Name: "show", Method: "GET", Pattern: "/c/{token}", Kind: webpage.PageKind, Handler: show},
		{Name: "confirm", Method: "POST", Pattern: "/c/{token}", Kind: webpage.FormKind, Capability: true, Handler: func(w http.ResponseWriter, r *http.Request) {
			site.Redirect(w, r, "c/"+r.PostForm.Get("to"))
		}},
		{Name: "settings", Method: "POST", Pattern: "/settings", Kind: webpage.FormKind, Handler: show},
		{Name: "framed", Method: "GET", Pattern: "/framed", Kind: webpage.PageKind, FrameAncestors: []string{"https://teams.microsoft.com"}, FormAction: []string{"https://login.example"}, Script: true, Connect: true, Handler: show},
		{Name: "api", Method: "PUT", Pattern: "/api/{id}", Kind: webpage.APIKind, Handler: func(w http.ResponseWriter, r *http.Request) { site.Error(w, r, http.StatusNotFound) }},
		{Name: "upload", Method: "POST", Pattern: "/upload", Kind: webpage.UploadKind, MaxBody: 4 << 10, MaxFile: 1 << 10, DataImages: true, Handler: func(w http.ResponseWriter, r *http.Request) {
			u, ok := webpage.Uploaded(r, "logo")
			_, _ = fmt.Fprintf(w, "%q %q %v %d %q %d", r.PostForm["name"], u.Name, ok, u.Size, u.Content, len(r.PostForm))
		}},
		{Name: "broken", Method: "GET", Pattern: "/broken", Kind: webpage.PageKind, Handler: func(w http.ResponseWriter, r *http.Request) {
			site.Render(w, r, webpage.Page{Template: "broken", Data: "no.such.key"})
		}},
		{Name: "panic", Method: "GET", Pattern: "/panic/{token}", Kind: webpage.PageKind, Handler: func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Cache-Control", "public")
			panic("hunter-secret")
		}},
		{Name: "panic late", Method: "GET", Pattern: "/panic-late", Kind: webpage.PageKind, Handler: func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write([]byte("half"))
			panic("hunter-secret")
		}},
	}, opts)
	require.NoError(t, err)
	return site, log
}

func get(t *testing.T, h http.Handler, target string, header ...string) *httptest.ResponseRecorder {
	t.Helper()
	return do(t, h, "GET", target, "", header...)
}

func post(t *testing.T, h http.Handler, target, body string, header ...string) *httptest.ResponseRecorder {
	t.Helper()
	return do(t, h, "POST", target, body, append([]string{"Content-Type", "application/x-www-form-urlencoded"}, header...)...)
}

func do(t *testing.T, h http.Handler, method, target, body string, header ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, target, strings.NewReader(body))
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}
