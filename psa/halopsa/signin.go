package halopsa

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/mspkit/mspkit/internal/httpx"
	"github.com/mspkit/mspkit/psa"
	"github.com/mspkit/mspkit/psa/internal/api"
)

// signIn gets tokens by OAuth 2 client credentials and keeps the last one.
type signIn struct {
	cred   Credentials
	scope  string
	tenant string
	base   *url.URL
	fixed  *url.URL // the authorisation server, where it is configured
	hosts  []string // where else it may be
	api    *api.Client
	now    func() time.Time

	mu     sync.Mutex
	tok    string
	got    time.Time
	until  time.Time
	where  *url.URL // the token URL that was found
	flight *flight
}

// flight is one fetch of a token, for all who wait for it.
type flight struct {
	done  chan struct{}
	tok   string
	err   error
	ended bool // by the context of who fetched, which is nothing to the others
}

const (
	earlier    = time.Minute // before it expires a token is renewed
	defaultTTL = 10 * time.Minute
	oldToken   = time.Minute
	opSignIn   = "sign in"
	notHalo    = "the host does not answer like HaloPSA; is its name right, and is there a proxy or a sign-in page in between?"
)

// token returns a token that is good for a while. One request is made however many ask at once.
func (s *signIn) token(ctx context.Context) (string, error) {
	for {
		s.mu.Lock()
		if tok := s.tok; tok != "" && s.now().Before(s.until) {
			s.mu.Unlock()
			return tok, nil
		}
		f := s.flight
		if f == nil {
			f = &flight{done: make(chan struct{})}
			s.flight = f
			s.mu.Unlock()
			return s.fly(ctx, f)
		}
		s.mu.Unlock()
		select {
		case <-f.done:
			if !f.ended {
				return f.tok, own(f.err)
			}
		case <-ctx.Done():
			return "", stopped(opSignIn, ctx)
		}
	}
}

// own is err for one of those who waited. The error itself is not shared, because its fields are exported and callers of
// ours write to them.
func own(err error) error {
	e, ok := errors.AsType[*psa.Error](err)
	if !ok {
		return err
	}
	mine := *e
	return &mine
}

func (s *signIn) fly(ctx context.Context, f *flight) (string, error) {
	tok, ttl, err := s.fetch(context.WithValue(ctx, callKey{}, nil))
	s.mu.Lock()
	defer s.mu.Unlock()
	f.tok, f.err, f.ended = tok, own(err), err != nil && ctx.Err() != nil
	s.flight = nil
	if err == nil {
		s.tok, s.got = tok, s.now()
		s.until = s.got.Add(max(ttl-earlier, ttl/2))
	} else {
		s.where = nil // it may have moved
	}
	close(f.done)
	return tok, err
}

// drop forgets a token that was refused.
func (s *signIn) drop(tok string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.tok == tok {
		s.tok = ""
	}
}

// dropOld is drop for a token that is not new, so that many refusals do not mean as many tokens.
func (s *signIn) dropOld(tok string) {
	s.mu.Lock()
	old := s.now().Sub(s.got) > oldToken
	s.mu.Unlock()
	if old {
		s.drop(tok)
	}
}

// fetch gets a token.
func (s *signIn) fetch(ctx context.Context) (string, time.Duration, error) {
	u, err := s.tokenURL(ctx)
	if err != nil {
		return "", 0, err
	}
	var got struct {
		AccessToken string  `json:"access_token"`
		ExpiresIn   float64 `json:"expires_in"`
		Error       string  `json:"error"`
	}
	form := url.Values{
		"grant_type": {"client_credentials"}, "client_id": {s.cred.ClientID},
		"client_secret": {s.cred.ClientSecret.Reveal()}, "scope": {s.scope},
	}
	// To get two tokens does no harm.
	_, err = s.api.Do(httpx.Idempotent(ctx), api.Request{Op: opSignIn, Method: http.MethodPost, URL: u, Form: form}, &got)
	switch {
	case err != nil:
		return "", 0, unlike(err)
	case got.AccessToken == "" || strings.ContainsAny(got.AccessToken, "\r\n"):
		e := &psa.Error{System: Name, Op: opSignIn, Status: http.StatusOK, Code: api.Clean(got.Error), Err: psa.ErrUnauthorized, Advice: notHalo}
		if got.Error != "" {
			e.Advice = adviceSignIn
		}
		return "", 0, e
	}
	ttl := time.Duration(got.ExpiresIn * float64(time.Second))
	if ttl <= 0 || got.ExpiresIn > 1e6 {
		ttl = defaultTTL
	}
	return got.AccessToken, ttl, nil
}

// tokenURL finds the authorisation server. The secret goes to the configured host and to Options.AuthHosts only, whatever
// /api/authinfo says.
func (s *signIn) tokenURL(ctx context.Context) (*url.URL, error) {
	s.mu.Lock()
	known := s.where
	s.mu.Unlock()
	if known != nil {
		return known, nil
	}
	tenant, u := s.tenant, s.fixed
	if u == nil {
		var info struct {
			AuthURL  string `json:"auth_url"`
			TenantID any    `json:"tenant_id"`
		}
		_, err := s.api.Do(ctx, api.Request{Op: "discover", Method: http.MethodGet, URL: s.base.JoinPath("api", "authinfo")}, &info)
		switch {
		case err == nil && info.AuthURL != "":
			if u, err = s.allowed(info.AuthURL); err != nil {
				return nil, err
			}
			if id, ok := info.TenantID.(string); ok && tenant == "" {
				tenant = id
			}
		case err == nil, errors.Is(err, psa.ErrNotFound), errors.Is(err, psa.ErrValidation), errors.Is(err, psa.ErrUnauthorized), errors.Is(err, psa.ErrForbidden):
			u = s.base.JoinPath("auth") // an older HaloPSA
		default:
			return nil, unlike(err)
		}
	}
	u = u.JoinPath("token")
	if tenant != "" {
		u.RawQuery = url.Values{"tenant": {tenant}}.Encode()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.where = u
	return u, nil
}

// allowed reads the address of the authorisation server that the host names.
func (s *signIn) allowed(raw string) (*url.URL, error) {
	u, err := httpx.ParseBaseURL(raw)
	if err == nil {
		if httpx.SameOrigin(u, s.base) {
			return u, nil
		}
		for _, h := range s.hosts {
			if httpx.SameOrigin(u, &url.URL{Scheme: "https", Host: h}) {
				return u, nil
			}
		}
	}
	return nil, &psa.Error{
		System: Name, Op: "discover", Err: psa.ErrOrigin,
		Advice: "the host names an authorisation server elsewhere; where that is right, add its host to Options.AuthHosts",
	}
}

// unlike adds that the host is perhaps not a HaloPSA where its answer looks like that.
func unlike(err error) error {
	e, ok := errors.AsType[*psa.Error](err)
	if ok && (e.Status/100 == 2 || e.Status == http.StatusNotFound || e.Status == http.StatusMethodNotAllowed) {
		e.Err, e.Advice = psa.ErrUnavailable, notHalo
	}
	return err
}

const adviceSignIn = "check the client id, the client secret and the tenant; the application must be active and of the kind Client ID and Secret (Services)"

// explainSignIn reads an error of the authorisation server (RFC 6749, section 5.2).
func explainSignIn(e *psa.Error, write bool, body []byte) {
	explain(e, write, body)
	if e.Op != opSignIn {
		return
	}
	switch {
	case e.Code == "invalid_scope":
		e.Err, e.Advice = psa.ErrForbidden, "the application does not have the scope in Options.Scope"
	case slices.Contains([]string{"invalid_client", "invalid_grant", "unauthorized_client", "invalid_request"}, e.Code),
		e.Status == http.StatusUnauthorized, e.Status == http.StatusBadRequest, e.Status == http.StatusForbidden:
		e.Err, e.Advice = psa.ErrUnauthorized, adviceSignIn
	}
}
