package entratest

import (
	"net/http"
	"slices"
	"strings"
)

// DirectoryUser is a person of a [Directory].
type DirectoryUser struct {
	// ID is random where it is empty.
	ID        string
	Name, UPN string
}

// AddUser adds a person and returns the object id.
func (d *Directory) AddUser(u DirectoryUser) string {
	d.mu.Lock()
	defer d.mu.Unlock()
	if u.ID == "" {
		u.ID = newGUID()
	}
	o := d.add(d.set("users", "user"), "", map[string]any{
		"id": u.ID, "displayName": u.Name, "userPrincipalName": u.UPN, "mail": u.UPN, "accountEnabled": true, "userType": "Member",
		"givenName": nil, "surname": nil, "jobTitle": nil, "deletedDateTime": nil, "createdDateTime": d.o.Now().UTC().Format(graphTime),
	})
	o.lag = 0
	return o.id
}

// AddGroup adds a security group with members, who are people or groups by object id, and returns its object id.
func (d *Directory) AddGroup(name string, members ...string) string {
	d.mu.Lock()
	defer d.mu.Unlock()
	o := d.add(d.set("groups", "group"), "", map[string]any{
		"displayName": name, "description": nil, "mailEnabled": false, "securityEnabled": true, "groupTypes": []any{},
		"mailNickname": strings.ToLower(strings.ReplaceAll(name, " ", "-")), "deletedDateTime": nil, "isAssignableToRole": nil,
		"createdDateTime": d.o.Now().UTC().Format(graphTime), "uniqueName": nil,
	})
	o.lag = 0
	d.members(o.id, members)
	return o.id
}

// SetMembers says who is in a group in place of who was.
func (d *Directory) SetMembers(group string, members ...string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.members(group, members)
}

// Remove deletes an object by its id, as an administrator does, whatever it is. It says whether there was one.
func (d *Directory) Remove(id string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	s, o := d.object(id)
	if o == nil {
		return false
	}
	s.remove(o)
	members := d.set(membersSet, "group")
	members.objects = slices.DeleteFunc(members.objects, func(m *dirObject) bool { return strings.EqualFold(m.id, id) || strings.EqualFold(m.parent, id) })
	return true
}

// membersSet are who is in which group, under the ids of people and groups. They are no objects of their own.
const membersSet = "members"

// object returns an object by its id, whatever it is, and where it is; nil where there is none. The caller holds the lock.
func (d *Directory) object(id string) (*dirSet, *dirObject) {
	for name, s := range d.sets {
		if o := s.any(byID(id)); o != nil && name != membersSet {
			return s, o
		}
	}
	return nil, nil
}

// Edit puts properties of an object to other values, as an administrator does, without any check. It says whether there is one.
func (d *Directory) Edit(id string, props map[string]any) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	s, o := d.object(id)
	if o == nil {
		return false
	}
	clone, _ := cloneJSON(props).(map[string]any)
	s.typ.merge(o.props, clone)
	return true
}

// Objects returns copies of the objects of a collection, as JSON decodes them: "applications", "servicePrincipals",
// "appRoleAssignments", "oauth2PermissionGrants", "federatedIdentityCredentials", "users", "groups", "conditionalAccessPolicies".
func (d *Directory) Objects(collection string) []map[string]any {
	d.mu.Lock()
	defer d.mu.Unlock()
	s := d.sets[collection]
	if s == nil {
		return nil
	}
	var out []map[string]any
	for _, o := range s.objects {
		clone, _ := cloneJSON(o.props).(map[string]any)
		out = append(out, clone)
	}
	return out
}

// members keeps who is in a group. The caller holds the lock.
func (d *Directory) members(group string, members []string) {
	s := d.set(membersSet, "group")
	s.objects = slices.DeleteFunc(s.objects, func(o *dirObject) bool { return o.parent == group })
	for _, m := range members {
		d.add(s, group, map[string]any{"id": m}).lag = 0
	}
}

// membership returns the ids of the members of a group, and with deep those of groups in it.
func (d *Directory) membership(group string, deep bool) map[string]bool {
	out := map[string]bool{}
	var visit func(id string)
	visit = func(id string) {
		for _, m := range d.set(membersSet, "group").objects {
			if !strings.EqualFold(m.parent, id) || out[strings.ToLower(m.id)] {
				continue
			}
			out[strings.ToLower(m.id)] = true
			if deep {
				visit(m.id)
			}
		}
	}
	visit(group)
	return out
}

// people answers about persons and groups, who are read only here.
func (d *Directory) people(c *dirCall) (int, any, *dirError) {
	if c.method != http.MethodGet {
		return 0, nil, dirMethod()
	}
	users, groups := d.set("users", "user"), d.set("groups", "group")
	if c.seg[0] == "me" {
		if d.o.Me == "" {
			return 0, nil, dirFail(http.StatusBadRequest, "BadRequest", "/me request is only valid with delegated authentication flow.")
		}
		c.seg = append([]string{"users", d.o.Me}, c.seg[1:]...)
	}
	s, name := users, "users"
	if c.seg[0] == "groups" {
		s, name = groups, "groups"
	}
	if len(c.seg) == 1 {
		return d.list(c, s, name, nil)
	}
	o := s.see(func(o *dirObject) bool {
		return byID(c.seg[1])(o) || name == "users" && byText("userPrincipalName", c.seg[1])(o)
	})
	switch {
	case o == nil:
		return 0, nil, dirGone(c.seg[1])
	case len(c.seg) == 2:
		return d.one(c, s, name, o, http.StatusOK)
	}
	var match func(x *dirObject) bool
	kind := groups
	switch {
	case name == "groups" && (c.seg[2] == "members" || c.seg[2] == "transitiveMembers"):
		ids := d.membership(o.id, c.seg[2] == "transitiveMembers")
		match = func(x *dirObject) bool { return ids[strings.ToLower(x.id)] }
		if len(c.seg) == 3 { // people and groups at once
			kind = &dirSet{typ: dirTypes()["user"], objects: append(slices.Clone(users.objects), groups.objects...)}
			return d.mixed(c, kind, match)
		}
		if c.seg[3] == "microsoft.graph.user" || c.seg[3] == "graph.user" {
			kind = users
		}
	case c.seg[2] == "memberOf" || c.seg[2] == "transitiveMemberOf":
		match = func(x *dirObject) bool {
			return d.membership(x.id, c.seg[2] == "transitiveMemberOf")[strings.ToLower(o.id)]
		}
		if len(c.seg) == 3 {
			return d.mixed(c, groups, match)
		}
	default:
		return 0, nil, dirSegment(c.seg[2])
	}
	if len(c.seg) > 4 || len(c.seg) == 4 && !strings.HasSuffix(c.seg[3], "graph.user") && !strings.HasSuffix(c.seg[3], "graph.group") {
		return 0, nil, dirSegment(c.seg[3])
	}
	return d.list(c, kind, "directoryObjects", match)
}

// anything answers about an object of whatever type.
func (d *Directory) anything(c *dirCall) (int, any, *dirError) {
	switch {
	case c.method != http.MethodGet || len(c.seg) < 2:
		return 0, nil, dirMethod()
	case len(c.seg) > 2:
		return 0, nil, dirSegment(c.seg[2])
	}
	for _, x := range []struct{ set, typ string }{
		{"users", "user"}, {"groups", "group"}, {"servicePrincipals", "servicePrincipal"}, {"applications", "application"},
	} {
		s := d.set(x.set, x.typ)
		if o := s.see(byID(c.seg[1])); o != nil {
			status, body, e := d.one(c, s, "directoryObjects", o, http.StatusOK)
			if e != nil {
				return 0, nil, e
			}
			asMap(body)["@odata.type"] = "#microsoft.graph." + x.typ
			return status, body, nil
		}
	}
	return 0, nil, dirGone(c.seg[1])
}

// mixed lists objects of several types, with their types.
func (d *Directory) mixed(c *dirCall, s *dirSet, match func(o *dirObject) bool) (int, any, *dirError) {
	status, body, e := d.list(c, s, "directoryObjects", match)
	if e != nil {
		return 0, nil, e
	}
	page, _ := body.(map[string]any)
	items, _ := page["value"].([]any)
	for _, item := range items {
		m, _ := item.(map[string]any)
		id, _ := m["id"].(string)
		m["@odata.type"] = "#microsoft.graph.user"
		if d.set("groups", "group").any(byID(id)) != nil {
			m["@odata.type"] = "#microsoft.graph.group"
		}
	}
	return status, page, nil
}

// The ids of what a licence has: Microsoft Entra ID P1, and Exchange Online of all plans.
const (
	premiumPlan  = "41781fb2-bc02-4b7c-bd55-b576c07bb09d"
	exchangePlan = "9aaf7827-d63c-4b61-89c3-182f06f82e5c"
)

// tenant answers about the organization and its licences.
func (d *Directory) tenant(c *dirCall) (int, any, *dirError) {
	if c.method != http.MethodGet {
		return 0, nil, dirMethod()
	}
	now := d.o.Now().UTC().Format(graphTime)
	plan := func(id, name string) map[string]any {
		return map[string]any{"servicePlanId": id, "servicePlanName": name, "provisioningStatus": "Success", "appliesTo": "User"}
	}
	plans := []any{plan(exchangePlan, "EXCHANGE_S_STANDARD")}
	part, sku := "O365_BUSINESS_ESSENTIALS", "3b555118-da6a-4418-894f-7df1e2096870"
	assigned := []any{map[string]any{"servicePlanId": exchangePlan, "service": "exchange", "capabilityStatus": "Enabled", "assignedDateTime": now}}
	if !d.o.NoPremium {
		plans = append(plans, plan(premiumPlan, "AAD_PREMIUM"))
		part, sku = "SPB", "cbdc14ab-d96c-4c30-b9f4-6ada7cdc1d46"
		assigned = append(assigned, map[string]any{"servicePlanId": premiumPlan, "service": "AADPremiumService", "capabilityStatus": "Enabled", "assignedDateTime": now})
	}
	var s *dirSet
	if c.seg[0] == "organization" {
		s = &dirSet{typ: dirTypes()["organization"]}
		s.objects = []*dirObject{{id: d.id, props: map[string]any{
			"id": d.id, "displayName": d.o.Name, "tenantType": "AAD", "assignedPlans": assigned,
			"verifiedDomains": []any{map[string]any{"name": d.o.Domain, "isDefault": true, "isInitial": true, "type": "Managed", "capabilities": "Email, OfficeCommunicationsOnline"}},
		}}}
	} else {
		s = &dirSet{typ: dirTypes()["subscribedSku"]}
		s.objects = []*dirObject{{id: d.id + "_" + sku, props: map[string]any{
			"id": d.id + "_" + sku, "skuId": sku, "skuPartNumber": part, "servicePlans": plans, "capabilityStatus": "Enabled", "appliesTo": "User",
			"consumedUnits": 5, "prepaidUnits": map[string]any{"enabled": 25, "suspended": 0, "warning": 0, "lockedOut": 0}, "subscriptionIds": []any{},
		}}}
	}
	switch {
	case len(c.seg) == 1:
		return d.list(c, s, c.seg[0], nil)
	case len(c.seg) == 2 && strings.EqualFold(c.seg[1], s.objects[0].id):
		return d.one(c, s, c.seg[0], s.objects[0], http.StatusOK)
	}
	return 0, nil, dirGone(c.seg[1])
}
