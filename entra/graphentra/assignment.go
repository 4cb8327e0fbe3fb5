package graphentra

import (
	"context"
	"encoding/json"
	"slices"
	"strings"

	"github.com/google/uuid"
	"github.com/microsoftgraph/msgraph-sdk-go/directoryobjects"
	"github.com/microsoftgraph/msgraph-sdk-go/models"
	"github.com/microsoftgraph/msgraph-sdk-go/serviceprincipals"

	"github.com/mspkit/mspkit"
)

const (
	addAssignment    Kind = "assignment.add"
	removeAssignment Kind = "assignment.remove"
)

// fieldAssignmentID is the id of an assignment that is removed.
const fieldAssignmentID = "id"

// noRole is the role of those who are assigned without one, where the application has none.
const noRole = "00000000-0000-0000-0000-000000000000"

// assignmentPart is who may sign in to the application, and as what.
type assignmentPart struct{}

func (assignmentPart) prefix() string { return "assignment." }

func (assignmentPart) plan(ctx context.Context, t *tenant, d *Desired, b *builder) error {
	have, sp, err := t.assigned(ctx)
	if err != nil && !missing(err) {
		return err
	}
	wanted := map[Assignment]bool{}
	for _, a := range d.Assignments {
		a.Principal = strings.ToLower(a.Principal)
		wanted[a] = true
		if slices.ContainsFunc(have, func(h assigned) bool { return h.Assignment == a }) {
			continue
		}
		if err := t.checkPrincipal(ctx, a); err != nil {
			return err
		}
		if d.AppID != "" && a.Role != "" && sp != nil && roleOf(sp, a.Role) == "" {
			return because(ErrNotFound, nil, "The application has no role %q that users can have.", a.Role)
		}
		s := Step{Kind: addAssignment, Op: Create, What: a.String(), Changes: []Change{{Field: "assignment", To: value(a)}}}
		if a.Role == "Admin" {
			s.Danger = "An administrator of the application may do everything in it."
		}
		b.add(s)
	}
	for _, h := range have {
		switch {
		case wanted[h.Assignment]:
		case d.Prune && (h.Kind == User || h.Kind == Group):
			b.add(Step{
				Kind: removeAssignment, Op: Remove, What: h.String(), Danger: "Who had access by this alone loses it.",
				// By its id, because a role that is removed before it has no name any more.
				Changes: []Change{{Field: fieldAssignmentID, From: value(h.id), To: value(h.id)}, {Field: "assignment", From: value(h.Assignment)}},
			})
		default:
			b.keep("assignment", "%s", h)
		}
	}
	return nil
}

// String says it for plans.
func (a Assignment) String() string {
	s := strings.ToLower(string(a.Kind)) + " " + a.Principal
	if a.Role != "" {
		s += " as " + a.Role
	}
	return s
}

// checkPrincipal makes sure that somebody is in the tenant and is what the assignment says.
func (t *tenant) checkPrincipal(ctx context.Context, a Assignment) error {
	at := t.base["baseurl"] + "/users/"
	if a.Kind == Group {
		at = t.base["baseurl"] + "/groups/"
	}
	// The SDK's packages for users and groups take as long to build as everything else together; all that is asked is whether it is there.
	one := directoryobjects.NewDirectoryObjectItemRequestBuilder(at+a.Principal+"?$select=id", t.adapter)
	_, err := read(ctx, t, func(ctx context.Context) (models.DirectoryObjectable, error) { return one.Get(ctx, nil) })
	if missing(err) {
		return because(ErrNotFound, err, "There is no %s %s in the tenant.", strings.ToLower(string(a.Kind)), a.Principal)
	}
	return err
}

// assigned is an assignment in the tenant.
type assigned struct {
	Assignment

	id string
}

// assigned reads the assignments and the service principal. Its error is [missing] where there is none yet.
func (t *tenant) assigned(ctx context.Context) ([]assigned, models.ServicePrincipalable, error) {
	sp, err := t.enterprise(ctx)
	if err != nil {
		return nil, nil, err
	}
	one := t.servicePrincipals(text(sp.GetId()))
	list, err := pages(ctx, t, func(ctx context.Context, next string) (page[models.AppRoleAssignmentable], error) {
		if next != "" {
			return one.AppRoleAssignedTo().WithUrl(next).Get(ctx, nil)
		}
		return one.AppRoleAssignedTo().Get(ctx, &serviceprincipals.ItemAppRoleAssignedToRequestBuilderGetRequestConfiguration{})
	})
	if err != nil {
		return nil, nil, err
	}
	values := map[string]string{noRole: ""}
	for _, r := range sp.GetAppRoles() {
		values[keyID(r.GetId())] = text(r.GetValue())
	}
	var out []assigned
	for _, a := range list {
		id := keyID(a.GetAppRoleId())
		v, ok := values[id]
		if !ok {
			v = unknownName + id
		}
		out = append(out, assigned{Assignment{keyID(a.GetPrincipalId()), PrincipalKind(text(a.GetPrincipalType())), v}, text(a.GetId())})
	}
	return out, sp, nil
}

// roleOf returns the id of a role of the application that users can have, as its service principal shows it, or "".
func roleOf(sp models.ServicePrincipalable, v string) string {
	if v == "" {
		return noRole
	}
	for _, r := range sp.GetAppRoles() {
		if text(r.GetValue()) == v && slices.Contains(r.GetAllowedMemberTypes(), "User") && (r.GetIsEnabled() == nil || *r.GetIsEnabled()) {
			return keyID(r.GetId())
		}
	}
	return ""
}

// assigns returns what finds the assignment of a step: one to be removed by its id, and any by what it is.
func (s *Step) assigns(a Assignment) func(h assigned) bool {
	var id string
	if s.Kind == removeAssignment {
		for _, c := range s.Changes {
			if c.Field == fieldAssignmentID && json.Unmarshal(c.From, &id) != nil {
				id = ""
			}
		}
	}
	return func(h assigned) bool { return h.Assignment == a || id != "" && h.id == id }
}

func assignmentStep(s *Step) (a Assignment, err error) {
	for _, c := range s.Changes {
		if c.Field == fieldAssignmentID {
			continue
		}
		b := c.To
		if s.Op == Remove {
			b = c.From
		}
		if err := decode(b, &a); err != nil {
			return a, err
		}
	}
	if uuid.Validate(a.Principal) != nil {
		return a, because(mspkit.ErrInvalid, nil, "The plan has an assignment of nobody.")
	}
	return a, nil
}

func (assignmentPart) state(ctx context.Context, t *tenant, s *Step) (standing, error) {
	a, err := assignmentStep(s)
	if err != nil {
		return 0, err
	}
	have, sp, err := t.assigned(ctx)
	if err != nil {
		return 0, err
	}
	there := slices.ContainsFunc(have, s.assigns(a))
	switch {
	case there == (s.Kind == addAssignment):
		return done, nil
	case !there && roleOf(sp, a.Role) == "": // the role of a registration that was just made takes its time to get here
		return 0, because(ErrNotVisible, nil, "The enterprise application does not have the role %q, or not yet: apply what remains later.", a.Role)
	}
	return todo, nil
}

func (assignmentPart) do(ctx context.Context, t *tenant, s *Step) error {
	a, err := assignmentStep(s)
	if err != nil {
		return err
	}
	have, sp, err := t.assigned(ctx)
	if err != nil {
		return err
	}
	all := t.servicePrincipals(text(sp.GetId())).AppRoleAssignedTo()
	if s.Kind == removeAssignment {
		for _, h := range have {
			if !s.assigns(a)(h) {
				continue
			}
			if _, err := write(ctx, t, func(ctx context.Context) (struct{}, error) {
				return struct{}{}, all.ByAppRoleAssignmentId(h.id).Delete(ctx, nil)
			}); err != nil {
				return err
			}
		}
		return nil
	}
	body, err := appRoleAssignment(a.Principal, text(sp.GetId()), roleOf(sp, a.Role))
	if err != nil {
		return err
	}
	_, err = write(ctx, t, func(ctx context.Context) (models.AppRoleAssignmentable, error) { return all.Post(ctx, body, nil) })
	return err
}
