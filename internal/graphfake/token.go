package graphfake

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// grant is what an access token stands for.
type grant struct {
	tenant string
	// user is the object id of whoever signed in, empty for an application of its own.
	user string
	// home is the tenant of the partner whose user this is, where it is another one.
	home    string
	scope   string
	expires time.Time
}

// refresh is a refresh token of a partner's user.
type refresh struct {
	tenant, user string
	dead         int // the AADSTS number
}

func randomToken(prefix string) string {
	var b [30]byte
	_, _ = rand.Read(b[:])
	return prefix + base64.RawURLEncoding.EncodeToString(b[:])
}

// Bearer returns an access token of an application in a tenant, good for Graph as long as Options.TokenTTL.
func (s *Server) Bearer(tenant string) string {
	return s.issue(grant{tenant: strings.ToLower(tenant), scope: "graph"})
}

// UserBearer returns an access token of a user who signed in with two factors, good for Graph and Partner Center.
func (s *Server) UserBearer(tenant, user string) string {
	return s.issue(grant{tenant: strings.ToLower(tenant), user: user, scope: "any"})
}

func (s *Server) issue(g grant) string {
	g.expires = s.o.Now().Add(s.o.TokenTTL)
	tok := randomToken("fake.at.")
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tokens[tok] = g
	return tok
}

// RefreshToken returns one of a user of a tenant, as if they had signed in with two factors.
func (s *Server) RefreshToken(tenant, user string) string {
	tok := randomToken("fake.rt.")
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refresh[tok] = &refresh{tenant: strings.ToLower(tenant), user: user}
	return tok
}

// RevokeRefresh makes every refresh token there is void with an AADSTS number: 700082 for too old, 50173 for revoked, which 0
// means too.
func (s *Server) RevokeRefresh(aadsts int) {
	if aadsts == 0 {
		aadsts = 50173
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.refresh {
		r.dead = aadsts
	}
}

// RevokeBearers makes every access token void.
func (s *Server) RevokeBearers() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.tokens)
}

// caller finds whose bearer a request has.
func (s *Server) caller(r *http.Request) (grant, bool) {
	scheme, tok, ok := strings.Cut(r.Header.Get("Authorization"), " ")
	if !ok || !strings.EqualFold(scheme, "Bearer") || tok == "" {
		return grant{}, false
	}
	if s.o.Token != nil {
		tenant, ok := s.o.Token(tok)
		return grant{tenant: strings.ToLower(tenant), user: "unknown", scope: "any"}, ok
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	g, ok := s.tokens[tok]
	if ok && !s.o.Now().Before(g.expires) {
		delete(s.tokens, tok)
		return grant{}, false
	}
	return g, ok
}

// aadsts are the errors of the token endpoint.
var aadsts = map[int]struct{ code, text string }{
	50020:   {"invalid_grant", "The user account has no place in this tenant."},
	50076:   {"interaction_required", "A second factor is demanded."},
	50079:   {"interaction_required", "The user must register a second factor."},
	50173:   {"invalid_grant", "The grant has been revoked, sign in again."},
	50177:   {"invalid_grant", "The guest account has no place in this tenant."},
	53003:   {"interaction_required", "Access is blocked by Conditional Access."},
	65001:   {"invalid_grant", "Nobody has consented to the application."},
	70000:   {"invalid_grant", "The grant is invalid or malformed."},
	70003:   {"unsupported_grant_type", "The grant type is not supported."},
	70011:   {"invalid_scope", "The scope is missing or invalid."},
	90002:   {"invalid_request", "The tenant was not found."},
	700016:  {"unauthorized_client", "The application was not found in the tenant."},
	700027:  {"invalid_client", "The key of the client assertion is not known."},
	700082:  {"invalid_grant", "The refresh token has expired by inactivity."},
	900023:  {"invalid_request", "The name of the tenant is invalid."},
	900144:  {"invalid_request", "A parameter is missing."},
	7000215: {"invalid_client", "The client secret is wrong."},
	7000218: {"invalid_client", "A client_assertion or client_secret is needed."},
	7000222: {"invalid_client", "The client secret has expired."},
	9002313: {"invalid_request", "The request is malformed."},
}

// tokenError answers as Entra does.
func (s *Server) tokenError(w http.ResponseWriter, number int) {
	a, ok := aadsts[number]
	if !ok {
		a.code, a.text = "invalid_grant", "An error."
	}
	status := http.StatusBadRequest
	if a.code == "invalid_client" {
		status = http.StatusUnauthorized
	}
	trace, correlation, at := newID(), newID(), s.o.Now().UTC().Format("2006-01-02 15:04:05Z")
	body := map[string]any{
		"error":             a.code,
		"error_description": fmt.Sprintf("AADSTS%d: %s\r\nTrace ID: %s\r\nCorrelation ID: %s\r\nTimestamp: %s", number, a.text, trace, correlation, at),
		"error_codes":       []int{number}, "timestamp": at, "trace_id": trace, "correlation_id": correlation,
		"error_uri": "https://login.microsoftonline.com/error?code=" + strconv.Itoa(number),
	}
	switch number {
	case 65001:
		body["suberror"] = "consent_required"
	case 50076, 50079, 53003:
		body["suberror"] = "basic_action"
		body["claims"] = `{"access_token":{"capolids":{"essential":true,"values":["00000000-0000-0000-0000-000000000001"]}}}`
	case 50173:
		body["suberror"] = "bad_token"
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store, no-cache")
	writeBody(w, status, body)
}

// token is POST /{tenant}/oauth2/v2.0/token.
func (s *Server) token(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, 1<<20)
	if err := r.ParseForm(); err != nil || len(r.URL.RawQuery) > 0 {
		s.tokenError(w, 9002313)
		return
	}
	f := r.PostForm
	g, number := s.exchange(r, f)
	if number != 0 {
		s.tokenError(w, number)
		return
	}
	again := ""
	if f.Get("grant_type") == "refresh_token" {
		if again, number = s.rotate(f.Get("refresh_token")); number != 0 {
			s.tokenError(w, number)
			return
		}
	}
	body := map[string]any{
		"token_type": "Bearer", "access_token": s.issue(g),
		"expires_in": int(s.o.TokenTTL.Seconds()), "ext_expires_in": int(s.o.TokenTTL.Seconds()),
	}
	if again != "" {
		body["refresh_token"] = again
		body["scope"] = f.Get("scope")
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store, no-cache")
	writeBody(w, http.StatusOK, body)
}

// exchange checks a request for a token.
func (s *Server) exchange(r *http.Request, f url.Values) (grant, int) {
	t := s.find(r.PathValue("tenant"))
	if t == nil {
		return grant{}, 90002
	}
	t.mu.RLock()
	broken, revoked := t.tokenError, t.revoked
	t.mu.RUnlock()
	if number := s.client(f); number != 0 {
		return grant{}, number
	}
	scope := resource(f.Get("scope"))
	switch {
	case broken != 0:
		return grant{}, broken
	case scope == "":
		return grant{}, 70011
	}
	switch f.Get("grant_type") {
	case "client_credentials":
		if revoked {
			return grant{}, 700016
		}
		return grant{tenant: t.ID, scope: scope}, 0
	case "refresh_token":
		s.mu.Lock()
		rt := s.refresh[f.Get("refresh_token")]
		var known refresh
		if rt != nil {
			known = *rt
		}
		s.mu.Unlock()
		switch {
		case rt == nil:
			return grant{}, 70000
		case known.dead != 0:
			return grant{}, known.dead
		case revoked:
			return grant{}, 65001
		case known.tenant != t.ID:
			home := s.Tenant(known.tenant)
			if home == nil {
				return grant{}, 50020
			}
			if number := home.guest(t.ID, f.Get("client_id")); number != 0 {
				return grant{}, number
			}
		}
		g := grant{tenant: t.ID, user: known.user, scope: scope}
		if known.tenant != t.ID {
			g.home = known.tenant
		}
		return g, 0
	case "":
		return grant{}, 900144
	}
	return grant{}, 70003
}

// find takes an id or a domain.
func (s *Server) find(name string) *Tenant {
	if t := s.Tenant(name); t != nil {
		return t
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range s.tenants {
		if strings.EqualFold(t.Domain, name) {
			return t
		}
	}
	return nil
}

// client checks who asks.
func (s *Server) client(f url.Values) int {
	switch {
	case f.Get("client_id") == "":
		return 900144
	case s.o.ClientID != "" && f.Get("client_id") != s.o.ClientID:
		return 700016
	case f.Get("client_assertion") != "":
		const jwt = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
		if f.Get("client_assertion_type") != jwt || strings.Count(f.Get("client_assertion"), ".") != 2 {
			return 700027
		}
	case f.Get("client_secret") == "":
		return 7000218
	case s.o.ClientSecret != "" && f.Get("client_secret") != s.o.ClientSecret:
		return 7000215
	}
	return 0
}

// resource is what the scopes of a request are for: "graph", or "partner" where a scope names Partner Center.
func resource(scopes string) string {
	for scope := range strings.FieldsSeq(scopes) {
		switch {
		case scope == "offline_access", scope == "openid", scope == "profile":
		case strings.Contains(scope, "partner"):
			return "partner"
		case strings.HasSuffix(scope, "/.default"):
			return "graph"
		}
	}
	return ""
}

// rotate gives a new refresh token for an old one. Of two who bring one that works once, one gets it.
func (s *Server) rotate(old string) (string, int) {
	tok := randomToken("fake.rt.")
	s.mu.Lock()
	defer s.mu.Unlock()
	rt := s.refresh[old]
	if rt.dead != 0 {
		return "", rt.dead
	}
	s.refresh[tok] = &refresh{tenant: rt.tenant, user: rt.user, dead: rt.dead}
	if s.o.SingleUseRefresh {
		rt.dead = 70000
	}
	return tok, 0
}

// discovery is what OpenID Connect clients ask first.
func (s *Server) discovery(w http.ResponseWriter, r *http.Request) {
	t := s.find(r.PathValue("tenant"))
	if t == nil {
		s.tokenError(w, 90002)
		return
	}
	base := s.base(r) + "/" + t.ID
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	writeBody(w, http.StatusOK, map[string]any{
		"issuer": base + "/v2.0", "token_endpoint": base + "/oauth2/v2.0/token", "authorization_endpoint": base + "/oauth2/v2.0/authorize",
		"jwks_uri": base + "/discovery/v2.0/keys", "device_authorization_endpoint": base + "/oauth2/v2.0/devicecode",
		"tenant_region_scope": "NA", "response_types_supported": []string{"code"}, "subject_types_supported": []string{"pairwise"},
		"id_token_signing_alg_values_supported": []string{"RS256"},
	})
}
