package entratest

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/mspkit/mspkit/entra"
)

// Options are the settings of a [Server].
type Options struct {
	// PlainHTTP serves http, for browsers that would refuse a certificate made up by a test.
	PlainHTTP bool
	// Prefix is a path below which everything is served, such as "/login": a client that knows only hosts is found out.
	// The Azure SDK is one.
	Prefix string
	// Forms shows pages on which a person chooses who signs in and whether to consent. Otherwise whoever was named by
	// [Server.SignIn] signs in and consents at once.
	Forms bool
	// Opaque makes access tokens that are random text and no JWTs.
	Opaque bool
	// StrictRefresh revokes a refresh token and what came of it when it is used a second time. Entra does not, but an
	// application that loses the newer one should be found out.
	StrictRefresh bool
	// BareKeys publishes keys without the issuer for which they sign, as other issuers do: what a client checks besides must
	// hold without it.
	BareKeys bool
	// ResponseIssuer puts the issuer into every authorization response (RFC 9207), as Entra does not.
	ResponseIssuer bool
	// HTTPClient tells applications that a session is over; nil is [Server.Client].
	HTTPClient *http.Client
	// TokenLife is how long access tokens are good for: default 1 h.
	TokenLife time.Duration
	// GraphURL is the base of Microsoft Graph in [Server.Cloud]. Empty is the server's own, below /graph.
	GraphURL string
	// Graph is served below /graph. Nil is one that knows /v1.0/organization only.
	Graph http.Handler
	// Now is the clock for tokens and codes: default time.Now.
	Now func() time.Time
}

// Server is Microsoft Entra. Make one with [Start].
type Server struct {
	o       Options
	base    string // with the prefix
	mux     *http.ServeMux
	handler http.Handler
	srv     *http.Server
	served  chan struct{}
	client  *http.Client

	mu       sync.Mutex
	keys     []signingKey // the last one signs
	tenants  map[string]*Tenant
	apps     map[string]*App
	current  *User
	decline  bool
	out      bool // current has signed out
	sessions []*session
	codes    map[string]*grant
	lastCode string
	replay   bool // the next code is the last one
	rotate   bool // after the next id token
	refresh  map[string]*grant
	devices  map[string]*device // by device code
	opaque   map[string]access
	faults   []*Fault
	requests []Request

	assignments map[seat][]string
	tamperings  []*tampering
}

type signingKey struct {
	id     string
	key    *rsa.PrivateKey
	issuer string // of whom the key is; with the placeholder it is of all
}

// firstKey is shared by the servers of a process: making one takes a while.
var firstKey = sync.OnceValue(newKey)

// Start listens on a free loopback port.
func Start(o *Options) (*Server, error) {
	s := &Server{
		served: make(chan struct{}), tenants: map[string]*Tenant{}, apps: map[string]*App{}, codes: map[string]*grant{},
		refresh: map[string]*grant{}, devices: map[string]*device{}, opaque: map[string]access{},
		assignments: map[seat][]string{},
	}
	if o != nil {
		s.o = *o
	}
	if s.o.Now == nil {
		s.o.Now = time.Now
	}
	if s.o.TokenLife == 0 {
		s.o.TokenLife = time.Hour
	}
	s.keys = []signingKey{{id: randomText(), key: firstKey()}}
	l, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("entratest: %w", err)
	}
	transport := &http.Transport{MaxIdleConnsPerHost: 16}
	scheme := "http://"
	if !s.o.PlainHTTP {
		scheme = "https://"
		if l, transport.TLSClientConfig, err = secure(l); err != nil {
			return nil, fmt.Errorf("entratest: %w", err)
		}
	}
	s.base = scheme + l.Addr().String() + s.o.Prefix
	s.client = &http.Client{Transport: transport, Timeout: 15 * time.Second}
	s.routes()
	s.srv = &http.Server{Handler: s, ReadHeaderTimeout: 10 * time.Second, ErrorLog: discard}
	go func() {
		defer close(s.served)
		_ = s.srv.Serve(l)
	}()
	return s, nil
}

// secure wraps l in TLS with a certificate made for it, and returns what makes clients trust it.
func secure(l net.Listener) (net.Listener, *tls.Config, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "entratest"},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(24 * time.Hour), BasicConstraintsValid: true, IsCA: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, DNSNames: []string{"localhost"},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return nil, nil, err
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, nil, err
	}
	roots := x509.NewCertPool()
	roots.AddCert(cert)
	server := &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
	return tls.NewListener(l, server), &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots}, nil
}

// Close ends the server. It may be called more than once.
func (s *Server) Close() {
	_ = s.srv.Close()
	<-s.served
	s.client.CloseIdleConnections()
}

// URL is where the server is, with its prefix.
func (s *Server) URL() string { return s.base }

// Client returns a client that trusts the server's certificate.
func (s *Server) Client() *http.Client { return s.client }

// Cloud returns a cloud whose login host is the server.
func (s *Server) Cloud() entra.Cloud {
	graph := s.o.GraphURL
	if graph == "" {
		graph = s.base + "/graph"
	}
	return entra.Cloud{Name: "entratest", Login: s.base, Graph: graph}
}

// ServeHTTP implements [http.Handler].
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	s.handler.ServeHTTP(w, r)
}

func (s *Server) routes() {
	s.mux = http.NewServeMux()
	s.mux.HandleFunc("GET /common/discovery/instance", s.instance)
	s.mux.HandleFunc("GET /{tenant}/v2.0/.well-known/openid-configuration", s.endpoint(Metadata, s.metadata))
	s.mux.HandleFunc("GET /{tenant}/discovery/v2.0/keys", s.endpoint(Keys, s.jwks))
	s.mux.HandleFunc("/{tenant}/oauth2/v2.0/authorize", s.endpoint(Authorize, s.authorize))
	s.mux.HandleFunc("/{tenant}/oauth2/v2.0/logout", s.endpoint(Logout, s.logout))
	s.mux.HandleFunc("/{tenant}/v2.0/adminconsent", s.endpoint(AdminConsent, s.adminConsent))
	s.mux.HandleFunc("POST /{tenant}/oauth2/v2.0/token", s.endpoint(Token, s.token))
	s.mux.HandleFunc("POST /{tenant}/oauth2/v2.0/devicecode", s.endpoint(DeviceCode, s.deviceCode))
	if s.o.Graph == nil {
		s.o.Graph = http.HandlerFunc(s.graph)
	}
	s.handler = http.StripPrefix(s.o.Prefix, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/graph/") {
			http.StripPrefix("/graph", s.o.Graph).ServeHTTP(w, r)
			return
		}
		s.mux.ServeHTTP(w, r)
	}))
}

// The names of several tenants at once.
const (
	organizations = "organizations"
	common        = "common"
)

func shared(tenant string) bool { return tenant == organizations || tenant == common }

// issuer returns the issuer of a tenant's tokens.
func (s *Server) issuer(tenant string) string { return s.base + "/" + tenant + "/v2.0" }

func (s *Server) instance(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, map[string]any{"tenant_discovery_endpoint": s.base + "/common/v2.0/.well-known/openid-configuration", "api-version": "1.1", "metadata": []any{}})
}

// metadata answers as Entra does: that of several tenants names an issuer with a placeholder.
func (s *Server) metadata(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("tenant")
	id := "{tenantid}"
	if !shared(name) {
		t := s.tenant(name)
		if t == nil {
			s.refuse(w, http.StatusBadRequest, "invalid_tenant", 90002)
			return
		}
		id, name = t.ID, t.ID
	}
	at := s.base + "/" + name
	writeJSON(w, http.StatusOK, map[string]any{
		"issuer": s.issuer(id), "authorization_endpoint": at + "/oauth2/v2.0/authorize", "token_endpoint": at + "/oauth2/v2.0/token",
		"device_authorization_endpoint": at + "/oauth2/v2.0/devicecode", "jwks_uri": at + "/discovery/v2.0/keys",
		"response_types_supported": []string{"code"}, "response_modes_supported": []string{"query", "form_post"},
		"subject_types_supported": []string{"pairwise"}, "id_token_signing_alg_values_supported": []string{"RS256"},
		"scopes_supported": []string{"openid", "profile", "email", "offline_access"}, "tenant_region_scope": nil,
		"end_session_endpoint": at + "/oauth2/v2.0/logout", "http_logout_supported": true,
		"frontchannel_logout_supported": true, "frontchannel_logout_session_supported": true,
		"backchannel_logout_supported": true, "backchannel_logout_session_supported": true,
		"authorization_response_iss_parameter_supported": s.o.ResponseIssuer, "claims_parameter_supported": true,
		"token_endpoint_auth_methods_supported": []string{"client_secret_post", "private_key_jwt", "client_secret_basic"},
	})
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}

// randomText returns 160 random bits as text.
func randomText() string {
	var b [20]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

// newGUID returns a random id in the canonical spelling.
func newGUID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	h := hex.EncodeToString(b[:])
	return strings.Join([]string{h[:8], h[8:12], h[12:16], h[16:20], h[20:]}, "-")
}
