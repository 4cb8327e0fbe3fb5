package teamstest

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/mspkit/mspkit/teamsapp"
)

// audience is that of bots' tokens in the public cloud.
const audience = "https://api.botframework.com"

// token answers Entra's token endpoint, https://learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow.
func (s *Server) token(w http.ResponseWriter, r *http.Request, tenant string) {
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	if err := r.ParseForm(); err != nil {
		entraProblem(w, http.StatusBadRequest, "invalid_request", 900144, "The request body is not a form.")
		return
	}
	id, secret := r.PostForm.Get("client_id"), r.PostForm.Get("client_secret")
	if u, p, ok := r.BasicAuth(); ok && id == "" {
		id, secret = u, p
	}
	tenant = strings.ToLower(tenant)
	switch {
	case !s.knownTenant(tenant):
		entraProblem(w, http.StatusBadRequest, "invalid_request", 90002, "Tenant '"+tenant+"' not found.")
	case r.PostForm.Get("grant_type") != "client_credentials":
		entraProblem(w, http.StatusBadRequest, "unsupported_grant_type", 70003, "The app requested an unsupported grant type.")
	case !strings.EqualFold(id, s.appID):
		entraProblem(w, http.StatusBadRequest, "unauthorized_client", 700016, "Application with identifier '"+id+"' was not found in the directory.")
	case secret != s.secret:
		entraProblem(w, http.StatusUnauthorized, "invalid_client", 7000215, "Invalid client secret provided.")
	case r.PostForm.Get("scope") != s.Cloud().Scope:
		entraProblem(w, http.StatusBadRequest, "invalid_scope", 1002012, "The provided value for scope is not valid.")
	default:
		now := s.o.Now()
		s.mu.Lock()
		s.issued++
		n := s.issued
		s.mu.Unlock()
		jwt, err := sign(jose.ES256, s.login, "login", map[string]any{
			"aud": audience, "iss": s.base + "/" + tenant, "tid": tenant, "appid": s.appID, "n": n,
			"iat": now.Unix(), "nbf": now.Unix(), "exp": now.Add(s.o.TokenLife).Unix(),
		})
		if err != nil {
			entraProblem(w, http.StatusInternalServerError, "server_error", 90033, "A transient error has occurred.")
			return
		}
		answer(w, http.StatusOK, map[string]any{
			"token_type": "Bearer", "expires_in": int(s.o.TokenLife / time.Second), "ext_expires_in": int(s.o.TokenLife / time.Second),
			"access_token": jwt,
		})
	}
}

func entraProblem(w http.ResponseWriter, status int, kind string, code int, text string) {
	answer(w, status, map[string]any{
		"error": kind, "error_description": fmt.Sprintf("AADSTS%d: %s", code, text), "error_codes": []int{code},
		"trace_id": newGUID(), "correlation_id": newGUID(),
	})
}

// botTenant is the tenant that the bot's tokens must come from.
func (s *Server) botTenant() string {
	if s.o.MultiTenant {
		return teamsapp.PublicCloud().SharedTenant
	}
	return s.o.HomeTenant
}

// knownTenant also knows the tenants of customers, where the bot's application may be known: Entra then gives a token,
// and it is the Connector that refuses it.
func (s *Server) knownTenant(tenant string) bool {
	if tenant == s.o.HomeTenant || tenant == s.botTenant() || tenant == teamsapp.PublicCloud().SharedTenant {
		return true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.ContainsFunc(s.people, func(p *Person) bool { return p.TenantID == tenant })
}

// RevokeTokens makes the Connector refuse every token that the bot got so far.
func (s *Server) RevokeTokens() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.revoked = s.issued
}

// authorized checks the bot's token as the Connector does.
func (s *Server) authorized(r *http.Request) bool {
	if s.o.Emulator {
		return true
	}
	kind, text, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(kind, "Bearer") {
		return false
	}
	jws, err := jose.ParseSignedCompact(text, []jose.SignatureAlgorithm{jose.ES256})
	if err != nil {
		return false
	}
	payload, err := jws.Verify(s.login.Public())
	if err != nil {
		return false
	}
	var c struct {
		Aud, Tid, AppID string
		Exp             int64
		N               int
	}
	if err := json.Unmarshal(payload, &c); err != nil {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return c.Aud == audience && c.AppID == s.appID && c.Tid == s.botTenant() && c.N > s.revoked && s.o.Now().Before(time.Unix(c.Exp, 0))
}

// signingKey is a key that activities' tokens are signed with.
type signingKey struct {
	id           string
	key          *rsa.PrivateKey
	endorsements []string
}

type cachedToken struct {
	jwt, key string
	until    time.Time
}

func (s *Server) newKey(keep bool) error {
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	// Microsoft's ids are thumbprints of certificates; these only look so.
	id := make([]byte, 20)
	_, _ = rand.Read(id) // never fails, says its documentation
	sk := signingKey{id: base64.RawURLEncoding.EncodeToString(id), key: k, endorsements: []string{"msteams", "webchat"}}
	if !keep {
		s.keys = nil
	}
	s.keys = append(s.keys, sk)
	return nil
}

// RotateKey signs activities with a new key from now on. The keys before are published no more.
func (s *Server) RotateKey() error { return s.newKey(false) }

// AddKey signs activities with a new key from now on and publishes the ones before as well.
func (s *Server) AddKey() error { return s.newKey(true) }

// KeyID returns the id of the key that signs now.
func (s *Server) KeyID() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.keys[len(s.keys)-1].id
}

// Endorse sets the channels that the current key is endorsed for. Without any it is published without endorsements, which
// binds it to no channel.
func (s *Server) Endorse(channels ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keys[len(s.keys)-1].endorsements = slices.Clone(channels)
}

func (s *Server) metadata(w http.ResponseWriter, _ *http.Request) {
	answer(w, http.StatusOK, map[string]any{
		"issuer": s.base, "authorization_endpoint": "https://invalid.botframework.com", "jwks_uri": s.base + "/v1/.well-known/keys",
		"id_token_signing_alg_values_supported": []string{"RS256"}, "token_endpoint_auth_methods_supported": []string{"private_key_jwt"},
	})
}

func (s *Server) jwks(w http.ResponseWriter, _ *http.Request) {
	s.mu.Lock()
	published := slices.Clone(s.keys)
	s.mu.Unlock()
	keys := make([]map[string]any, 0, len(published))
	for _, k := range published {
		jwk := map[string]any{
			"kty": "RSA", "use": "sig", "kid": k.id, "x5t": k.id, "e": "AQAB", "n": base64.RawURLEncoding.EncodeToString(k.key.N.Bytes()),
		}
		if len(k.endorsements) > 0 {
			jwk["endorsements"] = k.endorsements
		}
		keys = append(keys, jwk)
	}
	answer(w, http.StatusOK, map[string]any{"keys": keys})
}

// SignOptions are how a token is to differ from a right one.
type SignOptions struct {
	// Key signs: an *rsa.PrivateKey, *ecdsa.PrivateKey or, for HS256, a []byte. Nil is the server's own.
	Key any
	// KeyID is the token's kid: default that of the server's own key. NoKeyID leaves it out.
	KeyID   string
	NoKeyID bool
	// Alg is the algorithm, "none" among them: default RS256.
	Alg string
}

// Sign returns a token with these claims. It panics where key and algorithm do not fit, which is a fault of the test.
func (s *Server) Sign(claims map[string]any, o *SignOptions) string {
	s.mu.Lock()
	current := s.keys[len(s.keys)-1]
	s.mu.Unlock()
	so := SignOptions{}
	if o != nil {
		so = *o
	}
	if so.Key == nil {
		so.Key = current.key
	}
	if so.NoKeyID {
		so.KeyID = ""
	} else {
		so.KeyID = or(so.KeyID, current.id)
	}
	jwt, err := sign(jose.SignatureAlgorithm(or(so.Alg, "RS256")), so.Key, so.KeyID, claims)
	if err != nil {
		panic(fmt.Sprintf("teamstest: sign: %v", err))
	}
	return jwt
}

// Claims returns the claims with which the Bot Service sends an activity of this service URL to the bot.
func (s *Server) Claims(serviceURL string) map[string]any {
	now := s.o.Now()
	return map[string]any{
		"iss": s.base, "aud": s.appID, "serviceurl": serviceURL,
		"nbf": now.Add(-5 * time.Minute).Unix(), "exp": now.Add(time.Hour).Unix(),
	}
}

// bearer returns a right token for activities of this service URL. As the real one, it is used more than once.
func (s *Server) bearer(serviceURL string) string {
	if s.o.Emulator {
		return ""
	}
	now := s.o.Now()
	s.mu.Lock()
	t, key := s.tokens[serviceURL], s.keys[len(s.keys)-1].id
	s.mu.Unlock()
	if t.key == key && now.Before(t.until) {
		return t.jwt
	}
	t = cachedToken{jwt: s.Sign(s.Claims(serviceURL), nil), key: key, until: now.Add(5 * time.Minute)}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tokens[serviceURL] = t
	return t.jwt
}

func sign(alg jose.SignatureAlgorithm, key any, kid string, claims map[string]any) (string, error) {
	payload, err := json.Marshal(claims)
	if err != nil {
		return "", err
	}
	if alg == "none" {
		header, err := json.Marshal(map[string]string{"alg": "none", "typ": "JWT", "kid": kid})
		if err != nil {
			return "", err
		}
		return base64.RawURLEncoding.EncodeToString(header) + "." + base64.RawURLEncoding.EncodeToString(payload) + ".", nil
	}
	o := (&jose.SignerOptions{}).WithType("JWT")
	if kid != "" {
		o = o.WithHeader("kid", kid)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: key}, o)
	if err != nil {
		return "", err
	}
	jws, err := signer.Sign(payload)
	if err != nil {
		return "", err
	}
	return jws.CompactSerialize()
}
