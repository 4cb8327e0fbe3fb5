package graphcontacts

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/contacts"
	"github.com/mspkit/mspkit/internal/cleantext"
	"github.com/mspkit/mspkit/internal/graphx"
)

// writable refuses users whose numbers are another directory's to say.
func (s *Writer) writable(ctx context.Context, tenant mspkit.TenantID, user string) error {
	var u struct {
		ID, UserType          *string
		OnPremisesSyncEnabled *bool
	}
	err := s.client.Do(ctx, &graphx.Request{
		Tenant: tenant, Workload: graphx.Directory, Path: "/users/" + user + "?$select=id,userType,onPremisesSyncEnabled",
	}, &u)
	switch {
	case errors.Is(err, graphx.ErrNotFound):
		return fmt.Errorf("%w: %w", refused("there is no such user in the tenant any more"), err)
	case err != nil:
		return err
	case canonicalID(text(u.ID)) != user:
		return fmt.Errorf("%w: another user came than was asked for", contacts.ErrSource)
	case strings.EqualFold(text(u.UserType), "Guest"):
		return refused("the user is a guest, whose numbers are kept by their own company")
	case u.OnPremisesSyncEnabled != nil && *u.OnPremisesSyncEnabled:
		return refused("the user comes from the company's own Active Directory: change the numbers there")
	}
	return nil
}

// unprivileged refuses users with a role. What cannot be seen counts as a role.
//
// Sources: https://learn.microsoft.com/graph/api/user-list-transitivememberof and
// https://learn.microsoft.com/graph/api/rbacapplication-list-roleassignments.
func (s *Writer) unprivileged(ctx context.Context, tenant mspkit.TenantID, user string) error {
	member := func(raw json.RawMessage) error {
		var m struct {
			Type               string `json:"@odata.type"`
			DisplayName        *string
			IsAssignableToRole *bool
		}
		if err := json.Unmarshal(raw, &m); err != nil {
			return fmt.Errorf("%w: a membership cannot be read: %w", contacts.ErrSource, withoutValue(err))
		}
		name := cleantext.Name(text(m.DisplayName), cleantext.MaxName)
		switch m.Type {
		case "#microsoft.graph.directoryRole":
			return refused("the user is privileged by the role %q: only an administrator of the tenant changes such a number", name)
		case "#microsoft.graph.administrativeUnit":
			return nil
		case "#microsoft.graph.group":
			if m.DisplayName == nil { // Graph leaves out what the application may not see, and each group has a name
				return refused("the application may not see the groups of the user, so it is not known whether they are privileged: " +
					"grant Directory.Read.All")
			}
			if m.IsAssignableToRole != nil && *m.IsAssignableToRole {
				return refused("the user is privileged by the group %q, to which roles can be given: "+
					"only an administrator of the tenant changes such a number", name)
			}
			return nil
		}
		return refused("the user belongs to something that is not known here, so it is not known whether they are privileged")
	}
	err := s.pages(ctx, &graphx.Request{Tenant: tenant, Workload: graphx.Directory, Path: "/users/" + user + "/transitiveMemberOf?$top=999"}, member)
	if err != nil {
		return err
	}
	// Roles for a part of the directory only, and custom ones, are not among the memberships.
	assignment := func(json.RawMessage) error {
		return refused("the user is privileged by a role that was assigned to them: only an administrator of the tenant changes such a number")
	}
	return s.pages(ctx, &graphx.Request{
		Tenant: tenant, Workload: graphx.Directory, Path: "/roleManagement/directory/roleAssignments?$filter=principalId%20eq%20'" + user + "'",
	}, assignment)
}

// maxMemberships is how many pages of a list are read; nobody is in that many groups.
const maxMemberships = 100

func (s *Writer) pages(ctx context.Context, r *graphx.Request, each func(json.RawMessage) error) error {
	for range maxMemberships {
		links, err := s.client.Page(ctx, r, each)
		if err != nil {
			return err
		}
		if links.Next == "" {
			return nil
		}
		r = &graphx.Request{Tenant: r.Tenant, Workload: r.Workload, Path: links.Next}
	}
	return fmt.Errorf("%w: the memberships of a user do not end", contacts.ErrSource)
}
