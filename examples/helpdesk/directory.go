package main

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/contacts"
	"github.com/mspkit/mspkit/internal/webpage"
)

// directoryPage is what the page shows on which people of all clients are looked up.
type directoryPage struct {
	Who       who
	Problem   string
	Query     string
	Searched  bool
	Connected bool // at least one client is
	Found     []foundRow
}

type foundRow struct {
	ID, Tenant, Name, Title, Company, Manager string
	Initial                                   string // stands where there is no picture
	Photo, Left                               bool
	Emails, Phones                            []addressJSON
	History                                   []string
}

func (a *app) directoryRoutes(site **webpage.Site) []webpage.Route {
	return []webpage.Route{
		{Name: "directory", Method: "GET", Pattern: "/directory", Kind: webpage.PageKind, Handler: func(w http.ResponseWriter, r *http.Request) {
			a.serveDirectory(*site, w, r)
		}},
		{Name: "photo", Method: "GET", Pattern: "/photo", Kind: webpage.APIKind, Handler: a.servePhoto},
	}
}

func (a *app) serveDirectory(site *webpage.Site, w http.ResponseWriter, r *http.Request) {
	page := directoryPage{Who: whoIs(r), Query: strings.TrimSpace(r.URL.Query().Get("q"))}
	list, err := a.office.jobs(r.Context())
	page.Connected = len(list) > 0
	if page.Query != "" && err == nil {
		page.Searched = true
		err = a.fillFound(r.Context(), &page)
	}
	status := http.StatusOK
	if err != nil {
		status, page.Problem = http.StatusUnprocessableEntity, sentence(officeWords(err))
	}
	site.Render(w, r, webpage.Page{Template: "directory", Status: status, Brand: plainBrand, Locale: "en", Data: page})
}

func (a *app) fillFound(ctx context.Context, page *directoryPage) error {
	list, err := a.searchOffice(ctx, page.Query)
	if err != nil {
		return err
	}
	now := a.now()
	for _, c := range list {
		row := foundRow{
			ID: c.ID, Tenant: string(c.Tenant), Name: or(c.Name, "No name"), Title: c.JobTitle, Company: officeName(c.Tenant), Left: !c.Enabled,
		}
		first, _ := utf8.DecodeRuneInString(row.Name)
		row.Initial = strings.ToUpper(string(first))
		for _, e := range c.Emails {
			row.Emails = append(row.Emails, addressJSON{e.Value, now.Sub(e.FirstSeen) < 14*day})
		}
		for _, p := range c.Phones {
			row.Phones = append(row.Phones, addressJSON{or(p.Value, p.Raw), now.Sub(p.FirstSeen) < 14*day})
		}
		if c.Manager != "" {
			if boss, err := a.office.directory.Get(ctx, c.Tenant, c.Manager); err == nil {
				row.Manager = boss.Name
			}
		}
		if _, err := a.office.directory.Photo(ctx, c.Tenant, c.ID); err == nil {
			row.Photo = true
		}
		history, err := a.office.directory.History(ctx, c.Tenant, c.ID, 5)
		if err != nil {
			return err
		}
		for _, e := range history {
			parts := []string{ago(now, e.At) + " ago: " + string(e.Kind)}
			if e.First {
				parts[0] += " (listed for the first time)"
			}
			for _, ch := range e.Changes {
				if e.Kind == contacts.Changed {
					parts = append(parts, fmt.Sprintf("%s %s → %s", ch.Field, or(ch.Old, "none"), or(ch.New, "none")))
				}
			}
			row.History = append(row.History, strings.Join(parts, ", "))
		}
		page.Found = append(page.Found, row)
	}
	return nil
}

// servePhoto serves the picture of a contact.
func (a *app) servePhoto(w http.ResponseWriter, r *http.Request) {
	p, err := a.office.directory.Photo(r.Context(), mspkit.TenantID(r.URL.Query().Get("tenant")), r.URL.Query().Get("id"))
	if err != nil || !slices.Contains([]string{"image/png", "image/jpeg", "image/gif"}, p.Type) {
		http.Error(w, "There is no such picture.", http.StatusNotFound)
		return
	}
	w.Header().Set("Content-Type", p.Type)
	w.Header().Set("X-Content-Type-Options", "nosniff")
	_, _ = w.Write(p.Data) // the type says that it is a picture, and the page's policy lets it be nothing else
}
