package entratest

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
)

const (
	// refreshLife is how long a refresh token is good for that is not used.
	refreshLife = 90 * 24 * time.Hour
	deviceGrant = "urn:ietf:params:oauth:grant-type:device_code"
	assertionIs = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
)

// refused is an answer of the token endpoint.
type refused struct {
	status int
	oauth  string
	code   int
}

func bad(oauth string, code int) *refused { return &refused{http.StatusBadRequest, oauth, code} }

func (s *Server) token(w http.ResponseWriter, r *http.Request) {
	app, no := s.client401(r)
	var answer map[string]any
	if no == nil {
		switch f := r.PostForm; f.Get("grant_type") {
		case "client_credentials":
			answer, no = s.clientCredentials(app, r.PathValue("tenant"), f)
		case "authorization_code":
			answer, no = s.redeemCode(app, r.PathValue("tenant"), f)
		case "refresh_token":
			answer, no = s.redeemRefresh(app, r.PathValue("tenant"), f)
		case deviceGrant, "device_code": // the Microsoft libraries say it so
			answer, no = s.redeemDevice(app, f)
		default:
			no = bad("unsupported_grant_type", 70003)
		}
	}
	if no != nil {
		s.refuse(w, no.status, no.oauth, no.code)
		return
	}
	writeJSON(w, http.StatusOK, answer)
}

// client401 finds out which application asks, and whether it is that.
func (s *Server) client401(r *http.Request) (*App, *refused) {
	f := r.PostForm
	id, secret, basic := r.BasicAuth()
	if !basic {
		id, secret = f.Get("client_id"), f.Get("client_secret")
	}
	app := s.app(id)
	if app == nil {
		return nil, bad("unauthorized_client", 700016)
	}
	if app.Secret == "" && len(app.Certificates) == 0 && app.Assertion == nil {
		return app, nil // a public client
	}
	denied := func(code int) (*App, *refused) { return nil, &refused{http.StatusUnauthorized, "invalid_client", code} }
	if assertion := f.Get("client_assertion"); assertion != "" {
		if f.Get("client_assertion_type") != assertionIs {
			return denied(700021)
		}
		if app.Assertion != nil && app.Assertion(assertion) {
			return app, nil
		}
		if s.certified(app, r.PathValue("tenant"), assertion) {
			return app, nil
		}
		return denied(700027)
	}
	switch {
	case secret == "":
		return denied(7000218)
	case app.Secret == "" || subtle.ConstantTimeCompare([]byte(app.Secret), []byte(secret)) != 1:
		return denied(7000215)
	}
	return app, nil
}

// certified reports whether an assertion was signed with one of the application's certificates, for this endpoint.
func (s *Server) certified(app *App, tenant, assertion string) bool {
	signed, err := jose.ParseSignedCompact(assertion, []jose.SignatureAlgorithm{jose.RS256, jose.PS256})
	if err != nil {
		return false
	}
	for _, key := range app.Certificates {
		payload, err := signed.Verify(key)
		if err != nil {
			continue
		}
		var c struct {
			Audience string `json:"aud"`
			Issuer   string `json:"iss"`
			Subject  string `json:"sub"`
			Expiry   int64  `json:"exp"`
		}
		return json.Unmarshal(payload, &c) == nil && strings.EqualFold(c.Issuer, app.ID) && c.Subject == c.Issuer &&
			s.o.Now().Before(time.Unix(c.Expiry, 0)) && strings.EqualFold(c.Audience, s.base+"/"+tenant+"/oauth2/v2.0/token")
	}
	return false
}

// resource returns what a token for a scope is for.
func resource(scope string) string {
	for one := range strings.FieldsSeq(scope) {
		if slices.Contains([]string{"openid", "profile", "email", "offline_access"}, one) {
			continue
		}
		if i := strings.LastIndexByte(one, '/'); i > 0 {
			return one[:i]
		}
		return one
	}
	return "00000003-0000-0000-c000-000000000000"
}

func (s *Server) clientCredentials(app *App, name string, f url.Values) (map[string]any, *refused) {
	t := s.tenant(name)
	switch {
	case t == nil:
		return nil, bad("invalid_request", 90002)
	case !slices.ContainsFunc(strings.Fields(f.Get("scope")), func(one string) bool { return strings.HasSuffix(one, "/.default") }):
		return nil, bad("invalid_scope", 1002012)
	case !t.Consented(app.ID):
		return nil, bad("unauthorized_client", 700016)
	}
	return map[string]any{
		"token_type": "Bearer", "expires_in": int(s.o.TokenLife / time.Second), "ext_expires_in": int(s.o.TokenLife / time.Second),
		"access_token": s.accessToken(t.ID, app.ID, resource(f.Get("scope")), map[string]any{"idtyp": "app", "roles": app.Permissions}),
	}, nil
}

func (s *Server) redeemCode(app *App, name string, f url.Values) (map[string]any, *refused) {
	s.mu.Lock()
	g := s.codes[f.Get("code")]
	spent := g == nil || g.used
	if g != nil {
		g.used = true
	}
	s.mu.Unlock()
	sum := sha256.Sum256([]byte(f.Get("code_verifier")))
	switch {
	case g == nil:
		return nil, bad("invalid_grant", 9002313)
	case spent:
		return nil, bad("invalid_grant", 54005)
	case !s.o.Now().Before(g.expires):
		return nil, bad("invalid_grant", 70008)
	case g.app != app:
		return nil, bad("invalid_grant", 700003)
	case g.redirect != f.Get("redirect_uri"):
		return nil, bad("invalid_client", 500112)
	case base64.RawURLEncoding.EncodeToString(sum[:]) != g.challenge:
		return nil, bad("invalid_grant", 501481)
	}
	tenant := g.user.tenant
	if !shared(name) && s.tenant(name) != tenant {
		return nil, bad("invalid_grant", 50020)
	}
	scope := f.Get("scope")
	if scope == "" {
		scope = g.scope
	}
	return s.tokens(g, tenant, scope, g.scope), nil
}

// tokens answers for a person. asked is the scope of the first request, which decides on an id token and a refresh token.
func (s *Server) tokens(g *grant, t *Tenant, scope, asked string) map[string]any {
	access := map[string]any{"idtyp": "user", "oid": g.user.ObjectID, "scp": "User.Read", "wids": g.user.roles()}
	if len(g.contexts) > 0 {
		access["acrs"] = g.contexts
	}
	answer := map[string]any{
		"token_type": "Bearer", "scope": scope, "expires_in": int(s.o.TokenLife / time.Second),
		"access_token": s.accessToken(t.ID, g.app.ID, resource(scope), access),
	}
	scopes := strings.Fields(asked)
	if slices.Contains(scopes, "openid") {
		answer["id_token"] = s.idToken(s.idClaims(g, g.app.ID))
	}
	if slices.Contains(scopes, "offline_access") {
		answer["refresh_token"] = s.newRefresh(g)
	}
	return answer
}

// newRefresh returns a refresh token of the same family.
func (s *Server) newRefresh(g *grant) string {
	next := *g
	next.used, next.nonce, next.expires = false, "", s.o.Now().Add(refreshLife)
	if next.family == "" {
		next.family = randomText()
	}
	token := "1." + randomText() + randomText()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refresh[token] = &next
	return token
}

// RefreshToken returns a refresh token of a person for an application, as a sign-in gives one.
func (s *Server) RefreshToken(u *User, appID string) string {
	return s.newRefresh(&grant{user: u, app: s.app(appID), scope: "openid profile offline_access"})
}

// Revoke makes all refresh tokens of a person worthless, as a new password does.
func (s *Server) Revoke(u *User) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for token, g := range s.refresh {
		if g.user == u {
			delete(s.refresh, token)
		}
	}
}

func (s *Server) redeemRefresh(app *App, name string, f url.Values) (map[string]any, *refused) {
	s.mu.Lock()
	g := s.refresh[f.Get("refresh_token")]
	again := g != nil && g.used
	if g != nil {
		g.used = true
	}
	if again && s.o.StrictRefresh {
		for token, other := range s.refresh {
			if other.family == g.family {
				delete(s.refresh, token)
			}
		}
		g = nil
	}
	s.mu.Unlock()
	switch {
	case g == nil:
		return nil, bad("invalid_grant", 50173)
	case !s.o.Now().Before(g.expires):
		return nil, bad("invalid_grant", 700082)
	case g.app != app:
		return nil, bad("invalid_grant", 700003)
	}
	tenant := g.user.tenant
	if !shared(name) {
		if tenant = s.tenant(name); tenant == nil {
			return nil, bad("invalid_request", 90002)
		}
	}
	s.mu.Lock()
	home, admitted, consented := tenant == g.user.tenant, tenant.guests[g.user], tenant.consents[app.ID]
	s.mu.Unlock()
	switch {
	case !home && !admitted:
		return nil, bad("invalid_grant", 50020)
	case !home && !consented:
		return nil, bad("invalid_grant", 65001)
	}
	scope := f.Get("scope")
	if scope == "" {
		scope = g.scope
	}
	return s.tokens(g, tenant, scope, scope+" offline_access"), nil
}

// clientInfo is what the Microsoft libraries know an account by.
func clientInfo(u *User) string {
	raw, _ := json.Marshal(map[string]string{"uid": u.ObjectID, "utid": u.tenant.ID}) // texts can be encoded
	return base64.RawURLEncoding.EncodeToString(raw)
}
