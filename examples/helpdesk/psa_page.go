package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/webpage"
	"github.com/mspkit/mspkit/psa"
)

// psaPage is what the page about the ticket system shows.
type psaPage struct {
	Tenant, Company       string
	Who                   who
	Saved                 bool
	System, Version, Base string
	Fault                 string // why the ticket system does not answer
	Fake, Down            bool
	Waiting, Dead         []letter
	Open                  string // until when the outbox leaves the ticket system alone
	Tenants               [][2]string
	Fields                []defaultField
	Problem               string // what is wrong with what was typed
	Companies             []companyRow
}

// letter is a note that has not arrived yet.
type letter struct {
	ID, Tenant, Ticket, Company, Text, Fault, Since, Next string
	Tries                                                 int
	Unclear                                               bool // perhaps it has arrived
	Behind                                                bool // it waits for the one before it
}

type defaultField struct {
	Field   psa.Field
	Label   string
	Value   string
	Wrong   bool
	Choices []string
}

type companyRow struct {
	psa.Suggestion
	Mapped string // the name of the tenant
}

var fieldLabels = map[psa.Field]string{
	psa.FieldQueue: "Queue or board", psa.FieldStatus: "Status", psa.FieldPriority: "Priority", psa.FieldSource: "Source",
	psa.FieldType: "Type", psa.FieldSubType: "Sub-type", psa.FieldCategory: "Category", psa.FieldAssignee: "Assigned to",
}

// psaRoutes are the page about the ticket system.
func (a *app) psaRoutes(site **webpage.Site) []webpage.Route {
	show := func(w http.ResponseWriter, r *http.Request) { a.servePSA(*site, w, r, r.URL.Query(), "") }
	routes := []webpage.Route{{Name: "psa", Method: "GET", Pattern: "/psa", Kind: webpage.PageKind, Script: true, Connect: true, Handler: show}}
	for name, do := range map[string]func(context.Context, url.Values, technician) error{
		"plug": a.doPlug, "replay": a.doReplay, "drop": a.doDrop, "defaults": a.doDefaults, "map": a.doMap, "unmap": a.doUnmap,
	} {
		routes = append(routes, webpage.Route{Name: "psa-" + name, Method: "POST", Pattern: "/psa-" + name, Kind: webpage.FormKind, Script: true, Connect: true, Handler: func(w http.ResponseWriter, r *http.Request) {
			t := technicianOf(r.Context())
			if err := do(r.Context(), r.PostForm, t); err != nil {
				a.servePSA(*site, w, r, r.PostForm, sentence(err.Error()))
				return
			}
			a.did(r.Context(), t, a.clients[mspkit.TenantID(r.PostForm.Get("tenant"))])
			to := url.Values{"tenant": {r.PostForm.Get("tenant")}}
			part := ""
			switch name {
			case "defaults":
				to.Set("saved", "1")
				part = "#defaults"
			case "replay", "drop":
				part = "#outbox"
			case "map", "unmap":
				part = "#companies"
			}
			http.Redirect(w, r, "psa?"+to.Encode()+part, http.StatusSeeOther)
		}})
	}
	return routes
}

func (a *app) servePSA(site *webpage.Site, w http.ResponseWriter, r *http.Request, q url.Values, problem string) {
	tenant := mspkit.TenantID(q.Get("tenant"))
	if a.clients[tenant] == "" {
		site.Error(w, r, http.StatusNotFound)
		return
	}
	page := psaPage{
		Tenant: string(tenant), Company: a.clients[tenant], Who: whoIs(r), Saved: q.Get("saved") != "",
		System: a.desk.title, Fake: a.desk.fake != nil, Down: a.desk.fake != nil && a.desk.fake.Desk().Down(), Problem: problem,
	}
	for id, name := range a.clients {
		page.Tenants = append(page.Tenants, [2]string{string(id), name})
	}
	slices.SortFunc(page.Tenants, func(x, y [2]string) int { return strings.Compare(x[1], y[1]) })
	var err error
	if page.Waiting, page.Dead, page.Open, err = a.letters(r.Context()); err != nil {
		page.Problem = or(page.Problem, sentence(err.Error()))
	}
	if !q.Has("outbox") { // which the script asks for, and often: the ticket system has no part in that
		a.fillSystem(r.Context(), &page, tenant, q)
	}
	status := http.StatusOK
	if problem != "" {
		status = http.StatusUnprocessableEntity
	}
	site.Render(w, r, webpage.Page{Template: "psa", Status: status, Brand: plainBrand, Locale: "en", Data: page})
}

// fillSystem asks the ticket system for what the page shows of it.
func (a *app) fillSystem(ctx context.Context, page *psaPage, tenant mspkit.TenantID, q url.Values) {
	if page.Down { // the page itself must not wait for it
		page.Fault = "The plug is pulled: nobody answers."
		return
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	info, err := a.desk.system.Ping(ctx)
	if err == nil {
		page.Version, page.Base = info.Version, info.Base
		err = errors.Join(a.fillDefaults(ctx, page, tenant, q, page.Problem != "" && q.Has("field-queue")), a.fillCompanies(ctx, page))
	}
	if err != nil {
		page.Fault = a.why(err.Error())
	}
}

// fillDefaults shows what is saved, or what was typed where that could not be saved.
func (a *app) fillDefaults(ctx context.Context, page *psaPage, tenant mspkit.TenantID, q url.Values, typed bool) error {
	d, err := a.desk.store.Defaults(ctx, tenant, a.desk.system.Name())
	if err != nil {
		return err
	}
	given := d
	for _, f := range psa.Fields {
		if !slices.Contains(a.desk.system.Capabilities().Fields, f) {
			continue
		}
		list, err := a.desk.system.ListOptions(ctx, f, given)
		if err != nil && !errors.Is(err, psa.ErrUnsupported) && !errors.Is(err, psa.ErrValidation) {
			return err
		}
		row := defaultField{Field: f, Label: fieldLabels[f], Value: d.Get(f).String()}
		if typed {
			row.Value = q.Get("field-" + string(f))
			row.Wrong = row.Value != "" && strings.Contains(page.Problem, strconv.Quote(row.Value)+" ")
		}
		for _, o := range list {
			if !o.Inactive && !o.Closed {
				row.Choices = append(row.Choices, o.Name)
			}
		}
		page.Fields = append(page.Fields, row)
	}
	return nil
}

func (a *app) fillCompanies(ctx context.Context, page *psaPage) error {
	suggestions, mapped, err := a.companies(ctx)
	if err != nil {
		return err
	}
	for _, m := range mapped {
		page.Companies = append(page.Companies, companyRow{
			psa.Suggestion{Company: psa.Company{ID: m.CompanyID, Name: m.CompanyName}, Tenant: m.Tenant}, or(a.clients[m.Tenant], string(m.Tenant)),
		})
	}
	for _, s := range suggestions {
		page.Companies = append(page.Companies, companyRow{s, ""})
	}
	return nil
}

// companies returns what an administrator has to decide and what is decided.
func (a *app) companies(ctx context.Context) ([]psa.Suggestion, []psa.Mapping, error) {
	mapped, err := a.desk.store.Mappings(ctx, a.desk.system.Name())
	if err != nil {
		return nil, nil, err
	}
	var all []psa.Company
	for q := (psa.Query{}); len(all) < 500; { // a page for people
		p, err := a.desk.system.ListCompanies(ctx, q)
		if err != nil {
			return nil, nil, err
		}
		all = append(all, p.Items...)
		if q.Cursor = p.Next; q.Cursor == "" {
			break
		}
	}
	var tenants []psa.KnownTenant
	for id, name := range a.clients {
		tenants = append(tenants, psa.KnownTenant{ID: id, Name: name, Domains: []string{string(id) + ".example"}})
	}
	slices.SortFunc(tenants, func(x, y psa.KnownTenant) int { return strings.Compare(string(x.ID), string(y.ID)) })
	return psa.Suggest(all, tenants, mapped), mapped, nil
}

// doPlug pulls the plug of the fake ticket system or puts it back.
func (a *app) doPlug(_ context.Context, f url.Values, _ technician) error {
	if a.desk.fake == nil {
		return errors.New("this is a real ticket system: pull its plug yourself")
	}
	a.desk.fake.Desk().SetDown(f.Get("down") != "")
	return nil
}

func (a *app) doDefaults(ctx context.Context, f url.Values, _ technician) error {
	if a.clients[mspkit.TenantID(f.Get("tenant"))] == "" {
		return errors.New("there is no such client")
	}
	var d psa.Defaults
	for _, field := range psa.Fields {
		if v := strings.TrimSpace(f.Get("field-" + string(field))); v != "" {
			d.Set(field, psa.Named{Name: v})
		}
	}
	d, err := d.Validate(ctx, a.desk.system)
	if err != nil {
		return err
	}
	return a.desk.store.SaveDefaults(ctx, mspkit.TenantID(f.Get("tenant")), a.desk.system.Name(), d)
}

func (a *app) doMap(ctx context.Context, f url.Values, t technician) error {
	tenant := mspkit.TenantID(f.Get("to"))
	if a.clients[tenant] == "" {
		return errors.New("choose which client the company is")
	}
	open, _, err := a.companies(ctx)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(open, func(s psa.Suggestion) bool { return s.Company.ID == f.Get("company") })
	if i < 0 {
		return errors.New("there is no such company, or it is confirmed already")
	}
	return a.desk.store.SaveMapping(ctx, psa.Mapping{
		System: a.desk.system.Name(), CompanyID: open[i].Company.ID, CompanyName: open[i].Company.Name, Tenant: tenant, By: t.ID,
	})
}

func (a *app) doUnmap(ctx context.Context, f url.Values, _ technician) error {
	return a.desk.store.DeleteMapping(ctx, a.desk.system.Name(), f.Get("company"))
}

// sentence makes of an error what can stand on a page.
func sentence(s string) string {
	lines := strings.Split(s, "\n")
	for i, l := range lines {
		l = strings.TrimPrefix(l, "psa: ")
		if l != "" {
			l = strings.ToUpper(l[:1]) + l[1:]
		}
		lines[i] = strings.TrimRight(l, ".") + "."
	}
	return strings.Join(lines, "\n")
}

func ago(now, at time.Time) string {
	switch d := now.Sub(at); {
	case at.IsZero():
		return ""
	case d < time.Minute:
		return fmt.Sprintf("%d s", int(max(d, 0).Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%d min", int(d.Minutes()))
	default:
		return fmt.Sprintf("%d h", int(d.Hours()))
	}
}
