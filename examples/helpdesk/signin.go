package main

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/entra"
	"github.com/mspkit/mspkit/entra/accounts"
	"github.com/mspkit/mspkit/internal/webpage"
	"github.com/mspkit/mspkit/verify"
)

// signInPath is where technicians sign in.
const signInPath = "/auth"

// The MSP's own Entra tenant in the demonstration, and its application for the sign-in.
const (
	northwindEntra = "0f1e2d3c-4b5a-4697-88a7-b6c5d4e3f201"
	northwindApp   = "6a9d3b52-0c7e-4f18-9b24-7e51c8d0a602"
)

// accountsPath is where admins see who works here, and invite others.
const accountsPath = "/accounts"

// demoStaff are the people of the demonstration: accounts that are linked already. What they may do says the account and not
// their token: who loses it, or gets another role, feels it with the next request.
var demoStaff = []accounts.Account{
	{ID: "jane", Name: "Jane Doe", ObjectID: "1a2b3c4d-0001-4a10-8b11-9c0d1e2f3a01", Role: entra.RoleTechnician, UI: entra.UIFull},
	{ID: "sam", Name: "Sam Okafor", ObjectID: "1a2b3c4d-0002-4a10-8b11-9c0d1e2f3a02", Role: entra.RoleAdmin, UI: entra.UIFull},
	{ID: "priya", Name: "Priya Nair", ObjectID: "1a2b3c4d-0003-4a10-8b11-9c0d1e2f3a03", Role: entra.RoleTechnician, UI: entra.UIPod},
}

// newColleague is in the MSP's tenant, and has no account at the helpdesk yet.
var newColleague = accounts.Account{ID: "tom", Name: "Tom Reyes", ObjectID: "1a2b3c4d-0004-4a10-8b11-9c0d1e2f3a04"}

// openStaff opens the list of who works here. In the demonstration it begins with the people above.
func (a *app) openStaff(ctx context.Context, ring *mspkit.KeyRing, store accounts.Store, owner, tenant string) (err error) {
	o := &accounts.Options{
		Owner: owner, TenantID: tenant, BaseURL: a.cfg.url + accountsPath, Auditor: entra.AuditorFunc(a.audit), Logger: a.cfg.log, Now: a.now,
	}
	if a.cfg.realEntra { // a real tenant may assign the application's roles, which then count
		o.Roles = accounts.RolesFromEntra
	}
	if a.staff, err = accounts.New(store, ring, o); err != nil || a.cfg.realEntra {
		return err
	}
	for _, of := range demoStaff {
		of.Owner, of.Kind, of.Version, of.TenantID = owner, accounts.Technician, 1, tenant
		of.CreatedAt, of.LinkedAt = a.now(), a.now()
		if err := store.Add(ctx, of); err != nil && !errors.Is(err, accounts.ErrExists) && !errors.Is(err, accounts.ErrTaken) {
			return err
		}
	}
	return nil
}

// firstAdmin returns the link by which the first admin of a real tenant comes, and "" where there is one.
func (a *app) firstAdmin(ctx context.Context) (string, error) {
	list, err := a.staff.List(ctx)
	if err != nil || slices.ContainsFunc(list, accounts.Account.LinkedAdmin) {
		return "", err
	}
	link, err := a.staff.Bootstrap(ctx)
	return link.Reveal(), err
}

// technician finds who works here, and what they may do now.
func (a *app) technician(ctx context.Context, id string) (technician, bool) {
	of, err := a.staff.Get(ctx, id)
	if err != nil && !errors.Is(err, accounts.ErrNotFound) {
		a.cfg.log.ErrorContext(ctx, "helpdesk: who works here cannot be read", slog.Any("error", err))
	}
	if err != nil || of.Kind != accounts.Technician || of.Disabled() {
		return technician{}, false
	}
	return technician{verify.Technician{ID: of.ID, Name: of.Name}, &entra.User{
		Owner: of.Owner, ID: of.ID, Name: of.Name, TenantID: of.TenantID, ObjectID: of.ObjectID, Role: of.Role, UI: of.UI, Policy: entra.DefaultPolicy(),
	}}, true
}

// technicianOf is whoever has signed in.
func technicianOf(ctx context.Context) technician {
	u := entra.UserOf(ctx)
	if u == nil {
		return technician{}
	}
	return technician{verify.Technician{ID: u.ID, Name: u.Name}, u}
}

// mayOverrule is asked by the services before a freeze is ended, somebody is unlocked or approved, or a colleague's work is
// ended. The routes have asked it already; who calls the services from elsewhere is asked here.
func (a *app) mayOverrule(ctx context.Context, id string) error {
	if t, ok := a.technician(ctx, id); !ok || !t.lead() {
		return errors.New("only an admin may do this")
	}
	return nil
}

// openSignIn makes the sign-in of the MSP's own people.
func (a *app) openSignIn(ctx context.Context, ring *mspkit.KeyRing, s stores) error {
	cloud, id, secret, tenant := entra.PublicCloud(), a.cfg.entraID, a.cfg.entraSecret, a.cfg.entraTenant
	owner := tenant // whoever was there in the demonstration is not there in a tenant of one's own
	if !a.cfg.realEntra {
		owner = officeOwner
		cloud, id, secret, tenant = a.office.fake.Cloud(), northwindApp, mspkit.Redact(a.office.fake.secret), northwindEntra
	}
	if err := a.openStaff(ctx, ring, s.accounts, owner, tenant); err != nil {
		return err
	}
	verifier, err := entra.NewVerifier(cloud, id, &entra.VerifierOptions{
		Tenants: func(_ context.Context, t string) (bool, error) { return t == tenant, nil }, Now: a.now, Logger: a.cfg.log,
	})
	if err != nil {
		return err
	}
	a.sso, err = entra.NewSSO(verifier, ring, &entra.SSOOptions{
		Cloud: cloud, ClientID: id, Secret: secret, Owner: owner, BaseURL: a.cfg.url + signInPath, Tenants: []string{tenant},
		Resolve: a.staff.Resolve, Home: "/home", Forbidden: http.HandlerFunc(a.refuse), Auditor: entra.AuditorFunc(a.audit), Brand: plainBrand,
		TTL: 12 * time.Hour, Idle: 12 * time.Hour, // the demonstration's clock can be moved
		Revocations: s.revocations, Logger: a.cfg.log, Now: a.now,
	})
	if err != nil {
		return err
	}
	if !a.cfg.realEntra {
		a.office.fake.signsIn(northwindApp, brand.Name+" helpdesk", a.sso.RedirectURL(), a.sso.SignedOutURL(), a.staff.ConsentURI())
	}
	list, err := a.staff.Handler(accountsPath, a.sso, &accounts.PagesOptions{Cloud: cloud, ClientID: id, Home: "/home", Brand: plainBrand})
	if err != nil {
		return err
	}
	pages, err := a.sso.Handler(signInPath)
	if err != nil {
		return err
	}
	a.handleHere(accountsPath+"/", list)
	a.handleHere(signInPath+"/", pages)
	return nil
}

// notAllowed is what somebody reads who may not do what they tried.
const notAllowed = "Only an admin may do this. If you should be one, ask a colleague who is."

// gate asks, before a route of the portal, who is signed in and whether they may. The portal's script wants an answer that it
// can show; a page leads to the sign-in.
func (a *app) gate(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, u := servedOf(r.Context()), entra.UserOf(r.Context())
		lacking, yes := s.lacks(u)
		switch {
		case !yes:
			next.ServeHTTP(w, r)
		case !strings.HasPrefix(r.URL.Path, "/api/"):
			a.sso.Require(lacking, http.NotFoundHandler()).ServeHTTP(w, r)
		case u == nil:
			answer(w, http.StatusUnauthorized, map[string]string{"error": "You are signed out. Sign in again."})
		default:
			a.forbidden(r.Context(), u, s.route, lacking)
			answer(w, http.StatusForbidden, map[string]string{"error": notAllowed})
		}
	})
}

// refuse answers who is signed in and may not.
func (a *app) refuse(w http.ResponseWriter, r *http.Request) {
	a.site.Render(w, r, webpage.Page{Template: "refused", Status: http.StatusForbidden, Brand: plainBrand, Locale: "en", Data: portalPage{whoIs(r)}})
}

// leadingOut lets the button "Sign out" of every page lead to Microsoft, which signs out as well.
func (a *app) leadingOut(routes []webpage.Route) []webpage.Route {
	out := slices.Clone(routes)
	for i := range out {
		if out[i].Kind == webpage.PageKind || out[i].Kind == webpage.FormKind {
			out[i].FormAction = append(slices.Clone(out[i].FormAction), a.sso.LoginOrigins()...)
		}
	}
	return out
}

// who is what a page shows of whoever is signed in, and what it does not show to them.
type who struct {
	user *entra.User
}

func whoIs(r *http.Request) who { return who{entra.UserOf(r.Context())} }

// Name returns the person's name.
func (w who) Name() string { return w.user.Name }

// Role returns the person's role.
func (w who) Role() string { return roleWords(w.user) }

// May reports whether the person has the permission of that name.
func (w who) May(permission string) bool {
	i := slices.IndexFunc(entra.Permissions(), func(p entra.Permission) bool { return p.String() == permission })
	return i >= 0 && w.user.May(entra.Permissions()[i])
}

func roleWords(u *entra.User) string {
	if u.UI == entra.UIPod {
		return u.Role.String() + ", compact view only"
	}
	return u.Role.String()
}

// whoJSON tells the portal's script what to show.
type whoJSON struct {
	ID, Name, Role string
	May            []string
}

func whoOf(t technician) whoJSON {
	j := whoJSON{ID: t.ID, Name: t.Name, Role: roleWords(t.user), May: []string{}}
	for _, p := range entra.Permissions() {
		if t.may(p) {
			j.May = append(j.May, p.String())
		}
	}
	return j
}

// portalPage is what the page of the portal shows before its script asks for the rest.
type portalPage struct{ Who who }

// home leads everybody to the part of the program that they may see.
func (a *app) home(w http.ResponseWriter, r *http.Request) {
	to := "./"
	if !entra.UserOf(r.Context()).May(entra.PermissionUI) {
		to = "tickets"
	}
	http.Redirect(w, r, to, http.StatusSeeOther)
}

type ticketsPage struct {
	Who     who
	People  []person
	Problem string
}

// ticketRoutes play the ticket system's own page, from which the compact view opens. Its technicians are known to the host: the
// launch is signed for whoever has signed in, if they may see the view.
func (a *app) ticketRoutes(site **webpage.Site) []webpage.Route {
	to := []string(nil)
	if a.cfg.publicURL != "" {
		to = []string{a.cfg.publicURL}
	}
	return []webpage.Route{
		{Name: "home", Method: "GET", Pattern: "/home", Kind: webpage.PageKind, Handler: a.home},
		{Name: "tickets", Method: "GET", Pattern: "/tickets", Kind: webpage.PageKind, FormAction: to, Handler: func(w http.ResponseWriter, r *http.Request) {
			(*site).Render(w, r, webpage.Page{Template: "tickets", Brand: plainBrand, Locale: "en", Data: ticketsPage{Who: whoIs(r), People: a.people}})
		}},
		{Name: "tickets-open", Method: "POST", Pattern: "/tickets", Kind: webpage.FormKind, FormAction: to, Handler: func(w http.ResponseWriter, r *http.Request) {
			p, t, err := a.signedIn(r.Context(), r.PostForm)
			if err != nil {
				(*site).Error(w, r, http.StatusNotFound)
				return
			}
			address, err := a.pod.address(p, t)
			if err != nil {
				a.cfg.log.ErrorContext(r.Context(), "helpdesk: launch", slog.Any("error", err))
				(*site).Error(w, r, http.StatusInternalServerError)
				return
			}
			a.did(r.Context(), t, p.Name+", "+p.Company)
			http.Redirect(w, r, address, http.StatusSeeOther) //nolint:gosec // our own, of whoever has signed in and a ticket that there is
		}},
	}
}
