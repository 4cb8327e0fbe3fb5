package graphfake

import (
	"bytes"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// call is one request to Graph by somebody who was let in.
type call struct {
	s     *Server
	t     *Tenant
	grant grant
	w     http.ResponseWriter
	r     *http.Request
	q     url.Values
	body  []byte
	// buffer goes back when the answer is written.
	buffer *[]byte
}

type handler func(*call) *apiError

// routes are all requests that there are.
func (s *Server) routes() *http.ServeMux {
	m := http.NewServeMux()
	graph := map[string]handler{
		"POST /$batch":      (*call).batch,
		"GET /organization": (*call).organization,

		"GET /users":                                (*call).listUsers,
		"GET /users/$count":                         (*call).countUsers,
		"GET /users/delta":                          (*call).usersDelta,
		"GET /users/delta()":                        (*call).usersDelta, // as the SDK of Microsoft writes it
		"GET /users/{user}":                         (*call).getUser,
		"PATCH /users/{user}":                       (*call).patchUser,
		"GET /users/{user}/manager":                 (*call).getManager,
		"GET /users/{user}/photo":                   (*call).photoInfo,
		"GET /users/{user}/photo/$value":            (*call).photoValue,
		"GET /users/{user}/photos/{size}/$value":    (*call).photoValue,
		"GET /users/{user}/licenseDetails":          (*call).licences,
		"GET /users/{user}/presence":                (*call).getPresence,
		"POST /communications/getPresencesByUserId": (*call).presencesByID,

		"GET /users/{user}/memberOf":                                         (*call).memberOf,
		"GET /users/{user}/transitiveMemberOf":                               (*call).memberOf,
		"GET /users/{user}/transitiveMemberOf/microsoft.graph.directoryRole": (*call).memberOf,
		"GET /roleManagement/directory/roleAssignments":                      (*call).roleAssignments,

		"GET /contacts":           (*call).orgContacts,
		"GET /contacts/delta":     (*call).orgContactsDelta,
		"GET /contacts/{contact}": (*call).orgContact,

		"GET /users/{user}/contacts":                                            outlook((*call).mailboxContacts),
		"GET /users/{user}/contactFolders":                                      outlook((*call).contactFolders),
		"GET /users/{user}/contactFolders/{folder}/contacts":                    outlook((*call).mailboxContacts),
		"GET /users/{user}/contactFolders/{folder}/childFolders":                outlook((*call).contactFolders),
		"GET /users/{user}/contacts/delta":                                      outlook((*call).mailboxDelta),
		"GET /users/{user}/contactFolders/{folder}/contacts/delta":              outlook((*call).mailboxDelta),
		"GET /users/{user}/mailboxSettings":                                     outlook((*call).mailboxSettings),
		"GET /users/{user}/mailboxSettings/userPurpose":                         outlook((*call).userPurpose),
		"POST /users/{user}/sendMail":                                           outlook((*call).sendMail),
		"POST /users/{user}/messages":                                           outlook((*call).createDraft),
		"GET /users/{user}/messages/{message}":                                  outlook((*call).getDraft),
		"DELETE /users/{user}/messages/{message}":                               outlook((*call).deleteDraft),
		"POST /users/{user}/messages/{message}/send":                            outlook((*call).sendDraft),
		"POST /users/{user}/messages/{message}/attachments":                     outlook((*call).addAttachment),
		"POST /users/{user}/messages/{message}/attachments/createUploadSession": outlook((*call).createUpload),

		"GET /tenantRelationships/delegatedAdminRelationships":                                  (*call).relationships,
		"GET /tenantRelationships/delegatedAdminRelationships/{relationship}":                   (*call).getRelationship,
		"GET /tenantRelationships/delegatedAdminRelationships/{relationship}/accessAssignments": (*call).accessAssignments,
		"GET /tenantRelationships/delegatedAdminCustomers":                                      (*call).delegatedCustomers,
		"GET /tenantRelationships/{function}":                                                   (*call).tenantInformation,
		"GET /contracts":                                                                        (*call).contracts,

		"GET /appCatalogs/teamsApps":                                      (*call).listTeamsApps,
		"POST /appCatalogs/teamsApps":                                     (*call).createTeamsApp,
		"DELETE /appCatalogs/teamsApps/{app}":                             (*call).deleteTeamsApp,
		"POST /appCatalogs/teamsApps/{app}/appDefinitions":                (*call).updateTeamsApp,
		"GET /appCatalogs/teamsApps/{app}/appDefinitions/{definition}":    (*call).getAppDefinition,
		"PATCH /appCatalogs/teamsApps/{app}/appDefinitions/{definition}":  (*call).reviewTeamsApp,
		"DELETE /appCatalogs/teamsApps/{app}/appDefinitions/{definition}": (*call).cancelTeamsApp,
		"GET /admin/teams/policy/{function}":                              (*call).teamsPolicyID,
		"POST /admin/teams/policy/userAssignments/assign":                 (*call).assignTeamsPolicies,
		"POST /admin/teams/policy/userAssignments/unassign":               (*call).assignTeamsPolicies,
		"GET /admin/teams/userConfigurations/{user}":                      (*call).teamsUserConfiguration,
	}
	maps.Copy(graph, subscriptionRoutes())
	maps.Copy(graph, chatRoutes())
	maps.Copy(graph, chatPostRoutes())
	maps.Copy(graph, hostedRoutes())
	for pattern, h := range withInstalls(graph) {
		method, path, _ := strings.Cut(pattern, " ")
		m.Handle(method+" /v1.0"+path, s.graph(h))
	}
	nothing := s.graph((*call).nothing)
	m.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/v1.0/") {
			nothing.ServeHTTP(w, r)
			return
		}
		http.NotFound(w, r)
	})
	m.HandleFunc("PUT /upload/{id}", s.chunk)
	m.HandleFunc("GET /upload/{id}", s.chunk)
	m.HandleFunc("DELETE /upload/{id}", s.chunk)
	m.HandleFunc("POST /v1/customers/{customer}/applicationconsents", s.addConsent)
	m.HandleFunc("DELETE /v1/customers/{customer}/applicationconsents/{app}", s.removeConsent)
	m.HandleFunc("POST /{tenant}/oauth2/v2.0/token", s.token)
	m.HandleFunc("GET /{tenant}/v2.0/.well-known/openid-configuration", s.discovery)
	m.HandleFunc("GET /{tenant}/.well-known/openid-configuration", s.tokenMetadata)
	m.HandleFunc("GET /{tenant}/discovery/keys", s.tokenKeys)
	m.HandleFunc("GET /{tenant}/discovery/v2.0/keys", s.tokenKeys)
	return m
}

// graph lets a caller in.
func (s *Server) graph(h handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := &call{s: s, w: w, r: r}
		if e := c.enter(); e != nil {
			s.writeError(w, e)
			return
		}
		if e := h(c); e != nil {
			s.writeError(w, e)
		}
	})
}

func (c *call) enter() *apiError {
	g, ok := c.s.caller(c.r)
	if !ok || g.scope == "partner" {
		e := fail(http.StatusUnauthorized, "InvalidAuthenticationToken", "Access token is empty, invalid or has expired.")
		e.header = map[string]string{
			"WWW-Authenticate": `Bearer realm="", authorization_uri="` + c.s.base(c.r) + `/common/oauth2/authorize", client_id="00000003-0000-0000-c000-000000000000"`,
		}
		return e
	}
	c.grant = g
	if c.t = c.s.Tenant(g.tenant); c.t == nil {
		return fail(http.StatusUnauthorized, "InvalidAuthenticationToken", "The tenant of the token does not exist.")
	}
	if e := c.t.access(g); e != nil {
		return e
	}
	q, err := url.ParseQuery(c.r.URL.RawQuery)
	if err != nil {
		return badRequest("The query string cannot be read.")
	}
	for name, values := range q {
		if len(values) > 1 {
			return badRequest("Query option '%s' was specified more than once, but it must be specified at most once.", name)
		}
	}
	c.q = q
	c.w.Header().Set("X-Ms-Resource-Unit", c.cost())
	if c.body, err = io.ReadAll(c.r.Body); err != nil {
		return badRequest("The body cannot be read.")
	}
	return nil
}

// cost is in resource units of the directory: users cost 2, $select takes one off, $expand adds one.
func (c *call) cost() string {
	n := 1
	if strings.HasPrefix(c.r.URL.Path, "/v1.0/users") && c.r.Method == http.MethodGet {
		n = 2
	}
	if c.q.Has("$select") {
		n--
	}
	if c.q.Has("$expand") {
		n++
	}
	return strconv.Itoa(max(n, 1))
}

// nothing answers requests that do not exist.
func (c *call) nothing() *apiError {
	path := strings.TrimPrefix(c.r.URL.Path, "/v1.0/")
	if seg, ok := c.known(path); ok {
		return fail(http.StatusMethodNotAllowed, "Request_BadRequest", "The method is not allowed for '%s'.", seg)
	}
	return badRequest("Resource not found for the segment '%s'.", path[strings.LastIndexByte(path, '/')+1:])
}

// known says whether a path exists with another method.
func (c *call) known(path string) (string, bool) {
	for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodPatch, http.MethodDelete} {
		probe := &http.Request{Method: method, URL: &url.URL{Path: c.r.URL.Path}, Host: c.r.Host}
		if _, pattern := c.s.mux.Handler(probe); pattern != "/" && pattern != "" {
			return path, true
		}
	}
	return "", false
}

// options allows only the query options named.
func (c *call) options(names ...string) *apiError {
	for name := range c.q {
		if !slices.Contains(names, name) {
			if strings.HasPrefix(name, "$") {
				return fail(http.StatusBadRequest, "Request_UnsupportedQuery", "The query option '%s' is not supported here.", name)
			}
			return badRequest("The query parameter '%s' is not known.", name)
		}
	}
	return nil
}

// jsonBody says whether the body is declared as JSON.
func (c *call) jsonBody() *apiError {
	if ct := c.r.Header.Get("Content-Type"); !strings.HasPrefix(ct, "application/json") {
		return fail(http.StatusUnsupportedMediaType, "RequestBodyRead", "The content type '%s' is not application/json.", ct)
	}
	return nil
}

// object reads a JSON object of which only the properties named may be there. Names are compared exactly, unlike in
// encoding/json.
func object(raw []byte, what string, names ...string) (map[string]json.RawMessage, *apiError) {
	var m map[string]json.RawMessage
	if err := json.Unmarshal(raw, &m); err != nil || m == nil {
		return nil, badRequest("Unable to read JSON request payload: %s is not an object.", what)
	}
	for name := range m {
		if !slices.Contains(names, name) {
			return nil, fail(http.StatusBadRequest, "RequestBodyRead",
				"The property '%s' does not exist on type '%s'.", name, what)
		}
	}
	return m, nil
}

// value reads a property into v; one that is not there leaves v as it is.
func value(m map[string]json.RawMessage, name string, v any) *apiError {
	raw, ok := m[name]
	if !ok {
		return nil
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	if err := dec.Decode(v); err != nil {
		return fail(http.StatusBadRequest, "RequestBodyRead", "Cannot convert the value of the property '%s' to its type.", name)
	}
	return nil
}

// ok answers 200 with JSON.
func (c *call) ok(v any) *apiError {
	writeJSON(c.w, http.StatusOK, v)
	return nil
}

// list answers 200 with a collection.
func (c *call) list(context string, items any) *apiError {
	return c.ok(map[string]any{"@odata.context": c.context(context), "value": items})
}

func (c *call) context(of string) string { return c.s.base(c.r) + "/v1.0/$metadata#" + of }

// raw answers 200 with JSON that is ready.
func (c *call) raw(b []byte) *apiError {
	c.w.Header().Set("Content-Type", "application/json;odata.metadata=minimal;odata.streaming=true;IEEE754Compatible=false;charset=utf-8")
	c.w.Header().Set("Odata-Version", "4.0")
	_, _ = c.w.Write(b)
	if c.buffer != nil {
		*c.buffer = b
		buffers.Put(c.buffer)
		c.buffer = nil
	}
	return nil
}
