package entratest

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// SignOptions say how claims are signed. The zero value is as Entra does it.
type SignOptions struct {
	// Algorithm is RS256 where empty. "none" signs nothing. HS256 takes the public key as the secret, as who mixes up keys
	// hopes for.
	Algorithm string
	// KeyID is that of the key that signs, where empty.
	KeyID string
	// Foreign signs with a key that the server never had.
	Foreign bool
	// Type is the type in the header: JWT where empty.
	Type string
}

// foreignKey is nobody's.
var foreignKey = sync.OnceValue(newKey)

// newKey makes a key, which never fails for this length.
func newKey() *rsa.PrivateKey {
	key, _ := rsa.GenerateKey(rand.Reader, 2048)
	return key
}

// Sign returns a JWT with any claims.
func (s *Server) Sign(claims map[string]any, o *SignOptions) string {
	if o == nil {
		o = &SignOptions{}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	key := s.keys[len(s.keys)-1]
	private := key.key
	if o.Foreign {
		private = foreignKey()
	}
	id := o.KeyID
	if id == "" {
		id = key.id
	}
	kind := o.Type
	if kind == "" {
		kind = "JWT"
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		panic(fmt.Sprintf("entratest: claims cannot be encoded: %v", err))
	}
	var with jose.SigningKey
	switch o.Algorithm {
	case "", "RS256":
		with = jose.SigningKey{Algorithm: jose.RS256, Key: private}
	case "none":
		head, _ := json.Marshal(map[string]string{"alg": "none", "typ": kind, "kid": id}) // texts can be encoded
		return base64.RawURLEncoding.EncodeToString(head) + "." + base64.RawURLEncoding.EncodeToString(payload) + "."
	case "HS256":
		with = jose.SigningKey{Algorithm: jose.HS256, Key: private.N.Bytes()}
	default:
		with = jose.SigningKey{Algorithm: jose.SignatureAlgorithm(o.Algorithm), Key: private}
	}
	signer, err := jose.NewSigner(with, (&jose.SignerOptions{}).WithType(jose.ContentType(kind)).WithHeader("kid", id))
	if err != nil {
		panic(fmt.Sprintf("entratest: algorithm %q: %v", o.Algorithm, err))
	}
	signed, err := signer.Sign(payload)
	if err != nil {
		panic(fmt.Sprintf("entratest: %v", err))
	}
	text, err := signed.CompactSerialize()
	if err != nil {
		panic(fmt.Sprintf("entratest: %v", err))
	}
	return text
}

// Rotate adds a key, which signs from now on. The older ones are still published.
func (s *Server) Rotate() { s.addKey("") }

// RotateFor is [Server.Rotate] with a key that may sign for one issuer only.
func (s *Server) RotateFor(issuer string) { s.addKey(issuer) }

func (s *Server) addKey(issuer string) {
	key := newKey()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keys = append(s.keys, signingKey{id: randomText(), key: key, issuer: issuer})
}

// Retire withdraws all keys but the one that signs.
func (s *Server) Retire() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keys = s.keys[len(s.keys)-1:]
}

// jwks publishes the keys. Entra says with each for which issuer it signs.
func (s *Server) jwks(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("tenant")
	if !shared(name) && s.tenant(name) == nil {
		s.refuse(w, http.StatusBadRequest, "invalid_tenant", 90002)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var keys []map[string]any
	for _, k := range s.keys {
		issuer := k.issuer
		if issuer == "" {
			issuer = s.issuer("{tenantid}")
		}
		public := jose.JSONWebKey{Key: &k.key.PublicKey}
		raw, _ := public.MarshalJSON() // a public RSA key can be encoded
		key := map[string]any{}
		_ = json.Unmarshal(raw, &key) // and decoded
		key["kid"], key["use"], key["x5t"] = k.id, "sig", k.id
		if !s.o.BareKeys {
			key["issuer"] = issuer
		}
		keys = append(keys, key)
	}
	writeJSON(w, http.StatusOK, map[string]any{"keys": keys})
}

// access is what an access token says.
type access struct {
	claims  map[string]any
	expires time.Time
}

// accessToken makes a token of a tenant for a resource; more are claims besides.
func (s *Server) accessToken(tenant, appID, resource string, more map[string]any) string {
	now := s.o.Now()
	claims := map[string]any{
		"iss": s.issuer(tenant), "aud": resource, "tid": tenant, "azp": appID, "appid": appID, "ver": "2.0",
		"iat": now.Unix(), "nbf": now.Unix(), "exp": now.Add(s.o.TokenLife).Unix(), "uti": randomText()[:22],
	}
	maps.Copy(claims, more)
	if !s.o.Opaque {
		return s.Sign(claims, nil)
	}
	token := randomText()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.opaque[token] = access{claims, now.Add(s.o.TokenLife)}
	return token
}

// AccessClaims returns what an access token of the server says, where it is good now.
func (s *Server) AccessClaims(token string) (claims map[string]any, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.o.Now()
	if a, known := s.opaque[token]; known {
		return a.claims, now.Before(a.expires)
	}
	signed, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.RS256})
	if err != nil || len(signed.Signatures) != 1 {
		return nil, false
	}
	for _, k := range s.keys {
		if k.id != signed.Signatures[0].Protected.KeyID {
			continue
		}
		payload, err := signed.Verify(&k.key.PublicKey)
		if err != nil || json.Unmarshal(payload, &claims) != nil {
			return nil, false
		}
		expires, _ := claims["exp"].(float64)                                           // what is none has expired
		return claims, claims["azp"] != nil && now.Before(time.Unix(int64(expires), 0)) // an id token has none
	}
	return nil, false
}

// AccessTokenTenant returns whose an access token is, by the id of the tenant, where it is good now. token may have
// "Bearer " in front, so that a fake Graph may hand its header over.
func (s *Server) AccessTokenTenant(token string) (tenant string, ok bool) {
	claims, ok := s.AccessClaims(strings.TrimPrefix(token, "Bearer "))
	tenant, is := claims["tid"].(string)
	return tenant, ok && is
}

// graph knows the organization of whoever asks.
func (s *Server) graph(w http.ResponseWriter, r *http.Request) {
	id, ok := s.AccessTokenTenant(r.Header.Get("Authorization"))
	t := s.tenant(id)
	switch {
	case !ok || t == nil:
		writeJSON(w, http.StatusUnauthorized, map[string]any{"error": map[string]any{"code": "InvalidAuthenticationToken", "message": "Access token is not good."}})
	case r.Method == http.MethodGet && r.URL.Path == "/v1.0/organization":
		writeJSON(w, http.StatusOK, map[string]any{"value": []any{map[string]any{
			"id": t.ID, "displayName": t.Name,
			"verifiedDomains": []any{map[string]any{"name": t.Domain, "isDefault": true, "isInitial": true}},
		}}})
	default:
		writeJSON(w, http.StatusNotFound, map[string]any{"error": map[string]any{"code": "ResourceNotFound", "message": "There is no such thing."}})
	}
}
