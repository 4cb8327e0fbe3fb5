package graphfake

import (
	"net/http"
	"slices"
	"strings"
)

var settingsProps = []string{
	"archiveFolder", "automaticRepliesSetting", "dateFormat", "delegateMeetingMessageDeliveryOptions", "language", "timeFormat", "timeZone",
	"userPurpose", "workingHours",
}

func (c *call) mailboxSettings(u *User) *apiError {
	if e := c.options("$select"); e != nil {
		return e
	}
	locale := u.PreferredLanguage
	if locale == "" {
		locale = "en-US"
	}
	m, e := c.chosen(map[string]any{
		"archiveFolder": nil, "timeZone": "Pacific Standard Time", "delegateMeetingMessageDeliveryOptions": "sendToDelegateOnly",
		"dateFormat": "M/d/yyyy", "timeFormat": "h:mm tt", "userPurpose": u.purpose(),
		"automaticRepliesSetting": map[string]any{"status": "disabled", "externalAudience": "all", "internalReplyMessage": "", "externalReplyMessage": ""},
		"language":                map[string]any{"locale": locale, "displayName": locale},
		"workingHours": map[string]any{
			"daysOfWeek": []string{"monday", "tuesday", "wednesday", "thursday", "friday"}, "startTime": "08:00:00.0000000", "endTime": "17:00:00.0000000",
			"timeZone": map[string]any{"name": "Pacific Standard Time"},
		},
	}, settingsProps)
	if e != nil {
		return e
	}
	m["@odata.context"] = c.context("users('" + u.ID + "')/mailboxSettings")
	return c.ok(m)
}

func (c *call) userPurpose(u *User) *apiError {
	if e := c.options(); e != nil {
		return e
	}
	return c.ok(map[string]any{"@odata.context": c.context("users('" + u.ID + "')/mailboxSettings/userPurpose"), "value": u.purpose()})
}

// presences are the values that Teams has.
var presences = []string{"Available", "AvailableIdle", "Away", "BeRightBack", "Busy", "BusyIdle", "DoNotDisturb", "Offline", "PresenceUnknown"}

func (u *User) presence() map[string]any {
	availability := u.Presence
	if !slices.Contains(presences, availability) {
		availability = "PresenceUnknown"
	}
	activity := u.Activity
	if activity == "" {
		activity = availability
	}
	return map[string]any{
		"id": u.ID, "availability": availability, "activity": activity, "statusMessage": nil, "workLocation": nil, "sequenceNumber": nil,
		"outOfOfficeSettings": map[string]any{"message": nil, "isOutOfOffice": false},
	}
}

func (c *call) getPresence() *apiError {
	if e := c.options("$select"); e != nil {
		return e
	}
	u, e := c.user()
	if e != nil {
		return e
	}
	m := u.presence()
	m["@odata.context"] = c.context("users('" + u.ID + "')/presence/$entity")
	return c.ok(m)
}

// maxPresences is how many ids one request may have.
const maxPresences = 650

// presencesByID answers the people who are known, in the order of the request.
func (c *call) presencesByID() *apiError {
	if e := c.options(); e != nil {
		return e
	}
	if e := c.jsonBody(); e != nil {
		return e
	}
	m, e := object(c.body, "getPresencesByUserId", "ids")
	if e != nil {
		return e
	}
	var ids []string
	if e := value(m, "ids", &ids); e != nil {
		return e
	}
	if len(ids) == 0 || len(ids) > maxPresences {
		return badRequest("The request has between 1 and %d ids.", maxPresences)
	}
	c.t.mu.RLock()
	defer c.t.mu.RUnlock()
	items := []any{}
	for _, id := range ids {
		if slot, ok := c.t.find(id); ok && !strings.Contains(id, "@") {
			u, _ := c.t.at(slot)
			items = append(items, u.presence())
		}
	}
	return c.list("Collection(microsoft.graph.presence)", items)
}

var roleProps = []string{"id", "deletedDateTime", "description", "displayName", "roleTemplateId"}

// roleTemplates are ids of roles that are the same everywhere.
var roleTemplates = map[string]string{
	"Global Administrator":            "62e90394-69f5-4237-9190-012177145e10",
	"Application Administrator":       "9b895d92-2cd3-44c7-9d02-a6ac2d5ea5c3",
	"Cloud Application Administrator": "158c047a-c907-4556-b7ef-446551a6b5f7",
	"User Administrator":              "fe930be7-5e62-47db-91af-98c3a49a38b1",
	"Teams Administrator":             "69091246-20e8-4a56-aa4d-066075b2a7a8",
	"Authentication Administrator":    "c4e39bd9-1100-46d3-8c65-fb160da0071f",
	"Privileged Role Administrator":   "e8611ab8-c189-46e8-94e1-60213ab1f814",
	"Exchange Administrator":          "29232cdf-9323-42fd-ade2-1d097af3e4de",
	"Directory Readers":               "88d8e3e3-8f55-4a1e-953a-9b9898b8876b",
}

// roles are those of a user: an administrator without any is a Global Administrator.
func (u *User) roles() []string {
	if len(u.Roles) == 0 && u.Admin {
		return []string{"Global Administrator"}
	}
	return u.Roles
}

// memberOf answers the directory roles of a user; there are no groups.
func (c *call) memberOf() *apiError {
	if e := c.options("$select", "$top", "$count", "$skiptoken"); e != nil {
		return e
	}
	cast := strings.HasSuffix(c.r.URL.Path, "/microsoft.graph.directoryRole")
	if cast {
		if e := c.advanced("a cast to a type"); e != nil {
			return e
		}
	}
	u, e := c.user()
	if e != nil {
		return e
	}
	size, e := c.top(c.s.o.PageSize, maxTop)
	if e != nil {
		return e
	}
	items := []map[string]any{}
	for _, name := range u.roles() {
		m := map[string]any{
			"id": derivedID(c.t.ID + "/" + name), "deletedDateTime": nil, "description": name, "displayName": name, "roleTemplateId": roleTemplate(name),
		}
		if !cast {
			m["@odata.type"] = "#microsoft.graph.directoryRole"
		}
		items = append(items, m)
	}
	return c.collection("directoryObjects", roleProps, items, size)
}

func roleTemplate(name string) string {
	if id, ok := roleTemplates[name]; ok {
		return id
	}
	return derivedID("role/" + name)
}

// roleAssignments answers those of one principal.
func (c *call) roleAssignments() *apiError {
	if e := c.options("$filter", "$select"); e != nil {
		return e
	}
	words, bad := tokenize(c.q.Get("$filter"))
	if bad != "" || len(words) != 3 || words[0] != "principalId" || words[1] != "eq" {
		return badRequest("The filter must be principalId eq '…'.")
	}
	id, ok := literal(words[2])
	if !ok {
		return badRequest("The filter must be principalId eq '…'.")
	}
	c.t.mu.RLock()
	defer c.t.mu.RUnlock()
	items := []map[string]any{}
	if slot, ok := c.t.find(id); ok {
		u, _ := c.t.at(slot)
		for _, name := range u.roles() {
			items = append(items, map[string]any{
				"id": derivedID(u.ID + "/" + name), "principalId": u.ID, "directoryScopeId": "/", "roleDefinitionId": roleTemplate(name),
			})
		}
	}
	return c.collection("roleManagement/directory/roleAssignments", []string{"id", "principalId", "directoryScopeId", "roleDefinitionId"}, items, maxTop)
}

func (c *call) licences() *apiError {
	if e := c.options("$select"); e != nil {
		return e
	}
	u, e := c.user()
	if e != nil {
		return e
	}
	items := []map[string]any{}
	for _, l := range u.Licences {
		items = append(items, map[string]any{"id": derivedID(u.ID + l), "skuId": derivedID(l), "skuPartNumber": l, "servicePlans": []any{}})
	}
	return c.collection("licenseDetails", []string{"id", "skuId", "skuPartNumber", "servicePlans"}, items, maxTop)
}

func notFound(what string) *apiError {
	return fail(http.StatusNotFound, "ErrorItemNotFound", "The specified object was not found in the store: %s.", what)
}
