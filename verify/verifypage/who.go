package verifypage

import (
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/webpage"
	"github.com/mspkit/mspkit/verify"
)

// who is the data of the public form.
type who struct {
	Path  string
	Fault string
}

// maxAddress is the longest address that the service takes, in bytes.
const maxAddress = 320

// tenantOf returns the tenant whose public form is asked for. Where it returns false it has answered.
func (p *Pages) tenantOf(w http.ResponseWriter, r *http.Request) (mspkit.TenantID, bool) {
	tenant, err := p.svc.ParsePublicTag(r.PathValue("tag"))
	if err != nil || !p.bound(r, tenant) {
		p.site.Error(w, r, http.StatusNotFound)
		return "", false
	}
	if err := p.svc.PublicForm(); err != nil { // a request would be taken and never answered
		p.unavailable(w, r, "the public form cannot be served", err)
		return "", false
	}
	return tenant, true
}

func (p *Pages) showWho(w http.ResponseWriter, r *http.Request) {
	if tenant, ok := p.tenantOf(w, r); ok {
		p.renderWho(w, r, tenant, "who", faultNone)
	}
}

func (p *Pages) showAsked(w http.ResponseWriter, r *http.Request) {
	if tenant, ok := p.tenantOf(w, r); ok {
		p.renderWho(w, r, tenant, "sent", faultNone)
	}
}

func (p *Pages) renderWho(w http.ResponseWriter, r *http.Request, tenant mspkit.TenantID, template, fault string) {
	brand, locale, err := p.svc.Brand(r.Context(), tenant)
	if err != nil {
		p.unavailable(w, r, "the settings of a tenant could not be read", err)
		return
	}
	if r.Header.Get("Accept-Language") != "" {
		locale = ""
	}
	catalog, texts := p.texts(r, tenant, locale)
	page := webpage.Page{
		Template: template, Brand: brand, BrandKey: p.logos.Key(tenant), Catalog: catalog, Locale: texts.Lang(),
		Data: who{Path: "who/" + url.PathEscape(r.PathValue("tag")), Fault: fault},
	}
	if fault != faultNone {
		page.Status = http.StatusUnprocessableEntity
	}
	p.site.Render(w, r, page)
}

// ask takes an address. The answer is the same whether the address is known, unknown, or was asked for too often.
func (p *Pages) ask(w http.ResponseWriter, r *http.Request) {
	tenant, ok := p.tenantOf(w, r)
	if !ok {
		return
	}
	address := strings.TrimSpace(r.PostForm.Get("address"))
	switch {
	case address == "":
		p.renderWho(w, r, tenant, "who", faultEmpty)
		return
	case len(address) > maxAddress:
		p.renderWho(w, r, tenant, "who", faultFormat)
		return
	}
	err := p.svc.RequestTechnician(r.Context(), verify.PublicRequest{
		Tenant: tenant, Address: address, From: webpage.ClientIP(r, p.o.TrustedProxies),
	})
	if err != nil && !errors.Is(err, verify.ErrLimited) {
		p.unavailable(w, r, "a request could not be taken", err)
		return
	}
	p.site.Redirect(w, r, "who/"+url.PathEscape(r.PathValue("tag"))+"/sent")
}
