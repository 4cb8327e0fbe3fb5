package securesendpage

import (
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/mspkit/mspkit/internal/webpage"
	"github.com/mspkit/mspkit/securesend"
)

// shown is the data of the pages of a link.
type shown struct {
	securesend.View
	// Kind is "send", "held", "request" or "compose".
	Kind string
	// API is where the script calls, below the site's root; it begins no address but follows .Root.
	API string
	// Texts are those of the script, as JSON.
	Texts string
	// MaxRange and PartChunks are of chunks.
	MaxRange, PartChunks int
}

// Ended reports whether nobody can use the link any more.
func (s shown) Ended() bool { return s.State.Final() }

// Is reports the state, for templates.
func (s shown) Is(state string) bool { return string(s.State) == state }

// Expiry returns the end as scripts read it.
func (s shown) Expiry() string { return s.ExpiresAt.UTC().Format("2006-01-02T15:04:05Z") }

// show shows the page of a link. It changes nothing.
func (p *Pages) show(w http.ResponseWriter, r *http.Request, k kind) {
	ref, err := p.ref(r)
	var v securesend.View
	if err == nil {
		v, err = p.svc.View(r.Context(), ref)
	}
	switch {
	case errors.Is(err, securesend.ErrNotFound), err == nil && !k.fits(v):
		p.site.Render(w, r, webpage.Page{Template: "gone", Status: http.StatusNotFound})
		return
	case err != nil:
		p.log.WarnContext(r.Context(), "securesendpage: the answer was 503", slog.String("what", "the page of a "+k.name), slog.Any("error", err))
		p.site.Error(w, r, http.StatusServiceUnavailable)
		return
	}
	catalog := p.catalogs.Of(ref.Tenant)
	texts := catalog.Texts(v.Locale)
	if v.Locale == "" {
		texts = catalog.Negotiate(strings.Join(r.Header.Values("Accept-Language"), ","), p.o.Locale)
	}
	script, err := json.Marshal(texts.Below("js."))
	if err != nil {
		p.log.ErrorContext(r.Context(), "securesendpage: texts", slog.Any("error", err))
		p.site.Error(w, r, http.StatusInternalServerError)
		return
	}
	page := webpage.Page{Brand: v.Brand, BrandKey: p.logos.Key(ref.Tenant), Catalog: catalog, Locale: texts.Lang(), Template: "reveal"}
	if !k.opens {
		page.Template = k.name
	}
	page.Data = shown{
		View: v, Kind: k.name, API: k.letter + "/" + url.PathEscape(r.PathValue("token")), Texts: string(script),
		MaxRange: securesend.MaxRange, PartChunks: securesend.PartChunks,
	}
	p.site.Render(w, r, page)
}

// showWorker serves the script of the service worker from where its scope covers the pages.
func (p *Pages) showWorker(w http.ResponseWriter, _ *http.Request) {
	h := w.Header()
	h.Set("Content-Type", "text/javascript; charset=utf-8")
	h.Set("Content-Length", strconv.Itoa(len(p.worker)))
	_, _ = w.Write(p.worker)
}
