package gdap

import (
	"errors"
	"fmt"
	"slices"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/entra"
)

// Role is a role of Microsoft Entra that a relationship must give the partner.
type Role struct {
	// ID is its template id, Name what people call it.
	ID, Name string
	// Instead are the template ids of roles that do as well.
	Instead []string
}

// The template ids of the roles that matter here.
//
// Source: https://learn.microsoft.com/entra/identity/role-based-access-control/permissions-reference.
const (
	ApplicationAdministrator      = "9b895d92-2cd3-44c7-9d02-a6ac2d5ea5c3"
	CloudApplicationAdministrator = "158c047a-c907-4556-b7ef-446551a6b5f7"
	UserAdministrator             = "fe930be7-5e62-47db-91af-98c3a49a38b1"
	GlobalAdministrator           = "62e90394-69f5-4237-9190-012177145e10"
)

// RequiredRoles are what a customer's relationships must hold where nothing else is said: Application Administrator, to
// consent, and User Administrator, to read people and write their numbers. Global Administrator does for both, although a
// relationship that holds it cannot extend itself.
func RequiredRoles() []Role {
	return []Role{
		{ApplicationAdministrator, "Application Administrator", []string{GlobalAdministrator}},
		{UserAdministrator, "User Administrator", []string{GlobalAdministrator}},
	}
}

// has reports whether ids hold the role or one that does as well.
func (r Role) has(ids []string) bool {
	return slices.Contains(ids, r.ID) || slices.ContainsFunc(r.Instead, func(id string) bool { return slices.Contains(ids, id) })
}

// prepareRoles brings the required roles into the spelling that is compared.
func (o *Options) prepareRoles() error {
	given := o.Roles
	if given == nil {
		given = RequiredRoles()
	}
	o.Roles = make([]Role, 0, len(given))
	var errs []error
	canonical := func(id string) string {
		c, err := entra.CanonicalID(id)
		if err != nil {
			errs = append(errs, fmt.Errorf("gdap: a role's id is not a GUID: %w", mspkit.ErrInvalid))
		}
		return c
	}
	for _, r := range given {
		own := Role{ID: canonical(r.ID), Name: r.Name}
		for _, id := range r.Instead {
			own.Instead = append(own.Instead, canonical(id))
		}
		if o.AcceptCloudAdministrator && own.ID == ApplicationAdministrator {
			own.Instead = append(own.Instead, CloudApplicationAdministrator)
		}
		if own.Name == "" {
			own.Name = own.ID
		}
		o.Roles = append(o.Roles, own)
	}
	if len(o.Roles) == 0 {
		errs = append(errs, fmt.Errorf("gdap: Roles must not be empty: %w", mspkit.ErrInvalid))
	}
	return errors.Join(errs...)
}
