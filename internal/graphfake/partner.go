package graphfake

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Relationship is one of delegated administration (GDAP) of a partner with a customer.
type Relationship struct {
	// ID is random where empty.
	ID string
	// Customer is the id of the customer's tenant, CustomerName what it is called.
	Customer, CustomerName string
	DisplayName            string
	// Status is "active" where empty; others are "approvalPending", "expiring", "expired", "terminated".
	Status string
	// Roles are the ids of the roles that were approved.
	Roles []string
	// Group is the security group that has them, Assigned those of the roles that it really has; nil is all. An empty Group has no
	// assignment.
	Group    string
	Assigned []string
	// Activated and Ends bound it; zero is a year ago and a year ahead.
	Activated, Ends time.Time
	// AutoExtend is "PT0S" where empty, or "P180D".
	AutoExtend string
}

// Contract is one of a reseller with a customer, who need not have a relationship.
type Contract struct {
	Customer, Name, Domain string
	// Type is "Contract" where empty.
	Type string
}

// partner is what a tenant has that is a partner, and what partners did to one that is not.
type partner struct {
	relationships []Relationship
	contracts     []Contract
	// consents are the delegated scopes of applications in this tenant, by application and resource.
	consents map[string]map[string]string
}

// Relate adds a relationship to a partner's tenant or replaces it, and returns its id.
func (t *Tenant) Relate(r Relationship) string {
	if r.ID == "" {
		r.ID = newID() + "-" + newID()
	}
	if r.Status == "" {
		r.Status = "active"
	}
	if r.AutoExtend == "" {
		r.AutoExtend = "PT0S"
	}
	if r.Activated.IsZero() {
		r.Activated = t.s.o.Now().AddDate(-1, 0, 0)
	}
	if r.Ends.IsZero() {
		r.Ends = t.s.o.Now().AddDate(1, 0, 0)
	}
	r.Customer = strings.ToLower(r.Customer)
	t.mu.Lock()
	defer t.mu.Unlock()
	if i := slices.IndexFunc(t.partner.relationships, func(o Relationship) bool { return o.ID == r.ID }); i >= 0 {
		t.partner.relationships[i] = r
	} else {
		t.partner.relationships = append(t.partner.relationships, r)
	}
	return r.ID
}

// AddContract adds a reseller's contract to a partner's tenant.
func (t *Tenant) AddContract(c Contract) {
	if c.Type == "" {
		c.Type = "Contract"
	}
	c.Customer = strings.ToLower(c.Customer)
	t.set(func() { t.partner.contracts = append(t.partner.contracts, c) })
}

// Consent notes that an application may act for users in this tenant, as if it had been consented to by a partner.
func (t *Tenant) Consent(app string, scopes ...string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.consent(strings.ToLower(app), graphApp, strings.Join(scopes, ","))
}

const graphApp = "00000003-0000-0000-c000-000000000000"

func (t *Tenant) consent(app, resource, scope string) {
	if t.partner.consents == nil {
		t.partner.consents = map[string]map[string]string{}
	}
	if t.partner.consents[app] == nil {
		t.partner.consents[app] = map[string]string{}
	}
	t.partner.consents[app][resource] = scope
}

// Consents returns the delegated scopes that an application has for Graph in this tenant, nil where there is no consent.
func (t *Tenant) Consents(app string) []string {
	t.mu.RLock()
	defer t.mu.RUnlock()
	scope, ok := t.partner.consents[strings.ToLower(app)][graphApp]
	if !ok {
		return nil
	}
	return strings.Split(scope, ",")
}

// works are the relationships with a customer that work now.
func (t *Tenant) works(customer string) []Relationship {
	t.mu.RLock()
	defer t.mu.RUnlock()
	var out []Relationship
	for _, r := range t.partner.relationships {
		if r.Customer == customer && (r.Status == "active" || r.Status == "expiring") && t.s.o.Now().Before(r.Ends) {
			out = append(out, r)
		}
	}
	return out
}

// guest says why a user of this partner cannot have a token in a customer's tenant: the number of an error, or 0.
func (t *Tenant) guest(customer, app string) int {
	if len(t.works(customer)) == 0 {
		return 50020
	}
	c := t.s.Tenant(customer)
	if c == nil {
		return 90002
	}
	c.mu.RLock()
	defer c.mu.RUnlock()
	if len(c.partner.consents[strings.ToLower(app)]) == 0 {
		return 65001
	}
	return 0
}

var relationshipProps = []string{
	"id", "accessDetails", "activatedDateTime", "autoExtendDuration", "createdDateTime", "customer", "displayName", "duration", "endDateTime",
	"lastModifiedDateTime", "status", "indirectProviderTenantId", "isPartnerConsentPending",
}

func unifiedRoles(ids []string) map[string]any {
	list := []any{}
	for _, id := range ids {
		list = append(list, map[string]any{"roleDefinitionId": id})
	}
	return map[string]any{"unifiedRoles": list}
}

func (r *Relationship) wire() map[string]any {
	return map[string]any{
		"@odata.etag": `W/"` + derivedID(r.ID+r.Status+r.AutoExtend) + `"`, "id": r.ID, "displayName": r.DisplayName, "duration": "P730D", "status": r.Status,
		"customer":      map[string]any{"tenantId": r.Customer, "displayName": r.CustomerName},
		"accessDetails": unifiedRoles(r.Roles), "autoExtendDuration": r.AutoExtend, "activatedDateTime": rfc3339(r.Activated),
		"createdDateTime": rfc3339(r.Activated), "lastModifiedDateTime": rfc3339(r.Activated), "endDateTime": rfc3339(r.Ends),
		"isPartnerConsentPending": false,
	}
}

func (c *call) relationships() *apiError {
	if e := c.options("$select", "$filter", "$top", "$count", "$orderby", "$skiptoken"); e != nil {
		return e
	}
	size, e := c.top(c.s.o.PageSize, 300)
	if e != nil {
		return e
	}
	keep, e := relationFilter(c.q.Get("$filter"))
	if e != nil {
		return e
	}
	c.t.mu.RLock()
	defer c.t.mu.RUnlock()
	items := []map[string]any{}
	for _, r := range c.t.partner.relationships {
		if keep(&r) {
			items = append(items, r.wire())
		}
	}
	return c.collection("tenantRelationships/delegatedAdminRelationships", relationshipProps, items, size)
}

// relationFilter reads status eq '…' and customer/tenantId eq '…', joined by and or or.
func relationFilter(text string) (func(*Relationship) bool, *apiError) {
	if text == "" {
		return func(*Relationship) bool { return true }, nil
	}
	bad := fail(http.StatusBadRequest, "BadRequest", "Invalid filter clause: status eq '…' and customer/tenantId eq '…' are supported.")
	words, msg := tokenize(text)
	if msg != "" || len(words)%4 != 3 {
		return nil, bad
	}
	joint := ""
	var tests []func(*Relationship) bool
	for i := 0; i < len(words); i += 4 {
		lit, ok := literal(words[i+2])
		if !ok || words[i+1] != "eq" {
			return nil, bad
		}
		switch words[i] {
		case "status":
			tests = append(tests, func(r *Relationship) bool { return strings.EqualFold(r.Status, lit) })
		case "customer/tenantId":
			tests = append(tests, func(r *Relationship) bool { return strings.EqualFold(r.Customer, lit) })
		default:
			return nil, bad
		}
		if i+3 < len(words) {
			if j := words[i+3]; j != "and" && j != "or" || joint != "" && joint != j {
				return nil, bad
			}
			joint = words[i+3]
		}
	}
	return func(r *Relationship) bool {
		for _, test := range tests {
			if test(r) == (joint == "or") {
				return joint == "or"
			}
		}
		return joint != "or"
	}, nil
}

// relationship finds the one of the path.
func (c *call) relationship() (*Relationship, *apiError) {
	c.t.mu.RLock()
	defer c.t.mu.RUnlock()
	for _, r := range c.t.partner.relationships {
		if r.ID == c.r.PathValue("relationship") {
			return &r, nil
		}
	}
	return nil, fail(http.StatusNotFound, "NotFound", "The delegated admin relationship does not exist.")
}

func (c *call) getRelationship() *apiError {
	if e := c.options("$select"); e != nil {
		return e
	}
	r, e := c.relationship()
	if e != nil {
		return e
	}
	m, e := c.chosen(r.wire(), relationshipProps)
	if e != nil {
		return e
	}
	m["@odata.context"] = c.context("tenantRelationships/delegatedAdminRelationships/$entity")
	return c.ok(m)
}

func (c *call) accessAssignments() *apiError {
	if e := c.options("$select", "$top", "$filter", "$skiptoken"); e != nil {
		return e
	}
	r, e := c.relationship()
	if e != nil {
		return e
	}
	items := []map[string]any{}
	if r.Group != "" {
		roles := r.Assigned
		if roles == nil {
			roles = r.Roles
		}
		items = append(items, map[string]any{
			"@odata.etag": `W/"` + derivedID(r.ID+"/a") + `"`, "id": derivedID(r.ID + r.Group), "status": "active",
			"createdDateTime": rfc3339(r.Activated), "lastModifiedDateTime": rfc3339(r.Activated), "accessDetails": unifiedRoles(roles),
			"accessContainer": map[string]any{"accessContainerId": r.Group, "accessContainerType": "securityGroup"},
		})
	}
	return c.collection("tenantRelationships/delegatedAdminRelationships('"+r.ID+"')/accessAssignments",
		[]string{"id", "accessContainer", "accessDetails", "createdDateTime", "lastModifiedDateTime", "status"}, items, maxTop)
}

func (c *call) delegatedCustomers() *apiError {
	if e := c.options("$select", "$top", "$count", "$skiptoken"); e != nil {
		return e
	}
	size, e := c.top(c.s.o.PageSize, 300)
	if e != nil {
		return e
	}
	c.t.mu.RLock()
	defer c.t.mu.RUnlock()
	items, seen := []map[string]any{}, map[string]bool{}
	for _, r := range c.t.partner.relationships {
		if (r.Status == "active" || r.Status == "expiring") && !seen[r.Customer] {
			seen[r.Customer] = true
			items = append(items, map[string]any{"id": r.Customer, "tenantId": r.Customer, "displayName": r.CustomerName})
		}
	}
	return c.collection("tenantRelationships/delegatedAdminCustomers", []string{"id", "tenantId", "displayName"}, items, size)
}

func (c *call) contracts() *apiError {
	if e := c.options("$select", "$top", "$filter", "$count", "$skiptoken"); e != nil {
		return e
	}
	size, e := c.top(c.s.o.PageSize, maxTop)
	if e != nil {
		return e
	}
	want := ""
	if text := c.q.Get("$filter"); text != "" {
		words, _ := tokenize(text)
		if len(words) != 3 || words[0] != "customerId" || words[1] != "eq" {
			return unsupported("A contract can be filtered by customerId eq only.")
		}
		// A GUID may be written with quotes and without.
		want = strings.ToLower(strings.Trim(words[2], "'"))
	}
	c.t.mu.RLock()
	defer c.t.mu.RUnlock()
	items := []map[string]any{}
	for _, k := range c.t.partner.contracts {
		if want == "" || want == k.Customer {
			items = append(items, map[string]any{
				"id": derivedID(c.t.ID + k.Customer), "deletedDateTime": nil, "contractType": k.Type, "customerId": k.Customer,
				"defaultDomainName": k.Domain, "displayName": k.Name,
			})
		}
	}
	return c.collection("contracts", []string{"id", "deletedDateTime", "contractType", "customerId", "defaultDomainName", "displayName"}, items, size)
}

// tenantInformation is findTenantInformationByTenantId(tenantId='…').
func (c *call) tenantInformation() *apiError {
	if e := c.options(); e != nil {
		return e
	}
	id, ok := strings.CutPrefix(c.r.PathValue("function"), "findTenantInformationByTenantId(tenantId='")
	id, closed := strings.CutSuffix(id, "')")
	if !ok || !closed {
		return badRequest("Resource not found for the segment '%s'.", c.r.PathValue("function"))
	}
	t := c.s.Tenant(id)
	if t == nil {
		return fail(http.StatusNotFound, "NotFound", "Unable to read the company information from the directory.")
	}
	return c.ok(map[string]any{
		"@odata.context": c.context("microsoft.graph.tenantInformation"), "tenantId": t.ID, "displayName": t.Name,
		"defaultDomainName": t.Domain, "federationBrandName": nil,
	})
}

// centerError is what Partner Center answers; it has no envelope.
func centerError(w http.ResponseWriter, status, code int, text string) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	writeBody(w, status, map[string]any{"code": code, "description": text, "data": []any{}, "source": "PartnerFD"})
}

// mayConsent are the roles of which one is needed to consent for a customer.
var mayConsent = []string{
	roleTemplates["Cloud Application Administrator"], roleTemplates["Application Administrator"],
	roleTemplates["Privileged Role Administrator"], roleTemplates["Global Administrator"],
}

// mayDo says whether one of the relationships has one of the roles. Roles of several relationships add up.
func mayDo(rs []Relationship, roles ...string) bool {
	return slices.ContainsFunc(rs, func(r Relationship) bool {
		return slices.ContainsFunc(r.Roles, func(id string) bool { return slices.Contains(roles, id) })
	})
}

// enterCenter lets a partner's user in who may consent for the customer of the path. It answers itself where not.
func (s *Server) enterCenter(w http.ResponseWriter, r *http.Request) *Tenant {
	w.Header().Set("Ms-Correlationid", cmpOr(r.Header.Get("Ms-Correlationid"), newID()))
	w.Header().Set("Ms-Requestid", cmpOr(r.Header.Get("Ms-Requestid"), newID()))
	g, ok := s.caller(r)
	home := s.Tenant(g.tenant)
	switch {
	case !ok || home == nil:
		centerError(w, http.StatusUnauthorized, 900421, "Unauthorized: the access token is missing, invalid or has expired.")
	case g.scope == "graph":
		centerError(w, http.StatusUnauthorized, 900421, "Unauthorized: the access token is for another audience.")
	case g.user == "":
		centerError(w, http.StatusUnauthorized, 900424, "Unauthorized: App+User authentication with multi-factor authentication is required.")
	default:
		customer := strings.ToLower(r.PathValue("customer"))
		rel := home.works(customer)
		may := mayDo(rel, mayConsent...)
		t := s.Tenant(customer)
		switch {
		case t == nil || len(rel) == 0:
			centerError(w, http.StatusNotFound, 2002, "The customer was not found, or has no relationship with the partner.")
		case !may:
			centerError(w, http.StatusForbidden, 2000, "Access denied: the relationship has no role that may consent.")
		default:
			return t
		}
	}
	return nil
}

func cmpOr(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// addConsent is POST /v1/customers/{customer}/applicationconsents.
func (s *Server) addConsent(w http.ResponseWriter, r *http.Request) {
	t := s.enterCenter(w, r)
	if t == nil {
		return
	}
	var raw json.RawMessage
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<20)).Decode(&raw); err != nil {
		centerError(w, http.StatusBadRequest, 2000, "The body is not JSON.")
		return
	}
	app, grants, e := readConsent(raw)
	if e != nil {
		centerError(w, http.StatusBadRequest, 2000, e.message)
		return
	}
	t.mu.Lock()
	exists := t.partner.consents[app] != nil
	if !exists {
		for resource, scope := range grants {
			t.consent(app, resource, scope)
		}
	}
	t.mu.Unlock()
	if exists {
		// Whatever it is that was consented to.
		centerError(w, http.StatusConflict, 600009, "Permission entry already exists.")
		return
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	writeBody(w, http.StatusCreated, raw)
}

func readConsent(raw json.RawMessage) (app string, grants map[string]string, e *apiError) {
	m, e := object(raw, "applicationConsent", "applicationId", "displayName", "applicationGrants")
	if e != nil {
		return "", nil, e
	}
	var list []json.RawMessage
	for name, v := range map[string]any{"applicationId": &app, "applicationGrants": &list} {
		if e := value(m, name, v); e != nil {
			return "", nil, e
		}
	}
	grants = map[string]string{}
	for _, g := range list {
		m, e := object(g, "applicationGrant", "enterpriseApplicationId", "scope")
		if e != nil {
			return "", nil, e
		}
		var resource, scope string
		if e := value(m, "enterpriseApplicationId", &resource); e != nil {
			return "", nil, e
		}
		if e := value(m, "scope", &scope); e != nil {
			return "", nil, e
		}
		if resource == "" || scope == "" || strings.ContainsAny(scope, " \t") {
			return "", nil, badRequest("A grant has an enterpriseApplicationId and scopes with commas and without spaces.")
		}
		grants[strings.ToLower(resource)] = scope
	}
	if app == "" || len(grants) == 0 {
		return "", nil, badRequest("applicationId and applicationGrants are required.")
	}
	return strings.ToLower(app), grants, nil
}

// removeConsent is DELETE /v1/customers/{customer}/applicationconsents/{app}.
func (s *Server) removeConsent(w http.ResponseWriter, r *http.Request) {
	t := s.enterCenter(w, r)
	if t == nil {
		return
	}
	app := strings.ToLower(r.PathValue("app"))
	t.mu.Lock()
	_, ok := t.partner.consents[app]
	delete(t.partner.consents, app)
	t.mu.Unlock()
	if !ok {
		centerError(w, http.StatusNotFound, 2002, "The application consent was not found.")
		return
	}
	w.WriteHeader(http.StatusNoContent)
}
