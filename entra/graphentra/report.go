package graphentra

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/mspkit/mspkit"
)

// PermissionStatus is how it stands with one permission in the tenant.
type PermissionStatus struct {
	Permission

	// Wanted says that it is among [Desired].Permissions. What is granted and not wanted is in the report as well.
	Wanted bool
	// Granted says that the application has it: for everybody where it is delegated.
	Granted bool
	// ConsentType is Graph's word for who has agreed to a delegated permission: "AllPrincipals" is an administrator for everybody,
	// "Principal" single people for themselves. Empty for application permissions, to which only administrators can agree, and
	// where there is no consent.
	ConsentType string
	// People are the object ids of those who have agreed for themselves.
	People []string
	// Since is when an application permission was granted. Graph does not say it of delegated ones; zero is unknown.
	Since time.Time
}

// ConsentReport says which permissions an application has in a tenant.
type ConsentReport struct {
	Tenant mspkit.TenantID
	// AppID is the application, and ServicePrincipal its enterprise application; that is empty where the tenant has none.
	AppID, ServicePrincipal string
	// Permissions are those wanted and those granted, sorted.
	Permissions []PermissionStatus
	// URL is where an administrator of the tenant agrees to everything that the application asks for; empty where there is no
	// application yet.
	// Source: https://learn.microsoft.com/entra/identity/enterprise-apps/grant-admin-consent.
	URL string
}

// Missing returns what is wanted and not granted.
func (r *ConsentReport) Missing() []PermissionStatus {
	return slices.DeleteFunc(slices.Clone(r.Permissions), func(p PermissionStatus) bool { return !p.Wanted || p.Granted })
}

// Report reads which of the desired permissions are granted in the tenant, by whom, and since when where Graph says so. It writes
// nothing, and needs Application.Read.All and DelegatedPermissionGrant.ReadWrite.All or Directory.Read.All.
func (c *Client) Report(ctx context.Context, id mspkit.TenantID, d Desired) (*ConsentReport, error) {
	if err := id.Validate(); err != nil {
		return nil, err
	}
	if err := d.Validate(); err != nil {
		return nil, err
	}
	t, err := c.open(ctx, id, d.Key, d.AppID, newPlanID())
	if err != nil {
		return nil, err
	}
	t.seen = &seen{}
	g, err := t.grants(ctx)
	if err != nil && !missing(err) {
		return nil, t.failed("report", nil, err)
	}
	r := &ConsentReport{Tenant: id, AppID: t.result.AppID, ServicePrincipal: t.result.ServicePrincipal}
	by := map[string]*PermissionStatus{}
	at := func(name string) *PermissionStatus {
		if by[name] == nil {
			p, _ := parsePermission(name)
			by[name] = &PermissionStatus{Permission: p}
		}
		return by[name]
	}
	for _, p := range d.Permissions {
		at(p.String()).Wanted = true
	}
	for _, have := range g.delegated {
		for _, name := range have.permissions {
			s := at(name)
			if have.principal == "" {
				s.Granted, s.ConsentType = true, everybody
				continue
			}
			s.People = append(s.People, have.principal)
			s.ConsentType = cmp.Or(s.ConsentType, "Principal")
		}
	}
	for _, have := range g.application {
		s := at(have.permission)
		s.Granted, s.Since = true, have.since
	}
	for _, s := range by {
		slices.Sort(s.People)
		r.Permissions = append(r.Permissions, *s)
	}
	slices.SortFunc(r.Permissions, func(a, b PermissionStatus) int { return strings.Compare(a.String(), b.String()) })
	if r.AppID != "" {
		r.URL = strings.TrimSuffix(c.opts.Cloud.Login, "/") + "/organizations/adminconsent?client_id=" + url.QueryEscape(r.AppID)
	}
	return r, nil
}

// Print writes the report for people: a line for each permission with + where it is granted, - where it is missing, and = where it
// is granted and was not asked for.
func (r *ConsentReport) Print(w io.Writer) error {
	var b bytes.Buffer
	missing := len(r.Missing())
	fmt.Fprintf(&b, "Consent in %s: %d permissions, %d missing.\n", visible(string(r.Tenant)), len(r.Permissions), missing)
	for _, p := range r.Permissions {
		sign := "+"
		switch {
		case !p.Granted:
			sign = "-"
		case !p.Wanted:
			sign = "="
		}
		fmt.Fprintf(&b, "%s %s", sign, visible(p.String()))
		switch {
		case p.ConsentType == everybody:
			b.WriteString(", by an administrator for everybody")
		case len(p.People) > 0:
			fmt.Fprintf(&b, ", by %d people for themselves alone", len(p.People))
		case p.Granted:
			b.WriteString(", by an administrator")
		}
		if !p.Since.IsZero() {
			b.WriteString(" on " + p.Since.Format(time.DateOnly))
		}
		b.WriteString("\n")
	}
	if missing > 0 && r.URL != "" {
		fmt.Fprintf(&b, "An administrator of the tenant agrees at %s\n", r.URL)
	}
	_, err := w.Write(b.Bytes())
	return err
}
