package entra

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/oauth2"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/httpx"
	"github.com/mspkit/mspkit/internal/seal"
	"github.com/mspkit/mspkit/internal/token"
)

const (
	// defaultFlowTTL is how long a person may take at Microsoft.
	defaultFlowTTL = 15 * time.Minute
	maxFlowTTL     = time.Hour
	// freshFor is how long ago a person may have given their credentials for a fresh sign-in.
	freshFor = 5 * time.Minute
	// maxFlowData is in bytes: a cookie has 4 KiB, beyond which browsers drop it without a word.
	maxFlowData   = 2 << 10
	maxFlowCookie = 4 << 10
)

// FlowOptions are those of a [Flow]. ClientID, RedirectURL and one of Secret and Assertion are required.
type FlowOptions struct {
	// Cloud is the Microsoft cloud; zero is the public one.
	Cloud Cloud
	// ClientID is the id of the app registration.
	ClientID string
	// Secret is its client secret. Assertion proves the application in place of a secret: it returns a JWT for the audience,
	// which is the address of the token endpoint. It must be safe for concurrent use.
	Secret    mspkit.Redacted[string]
	Assertion func(ctx context.Context, audience string) (string, error)
	// RedirectURL is where Microsoft sends the browser back to, exactly as registered with the application. http is for
	// loopback addresses.
	RedirectURL string
	// TTL is how long a person may take; 0 means 15 minutes, more than an hour is refused.
	TTL time.Duration
	// HTTPClient asks the token endpoint; nil is one of our own. Redirects are refused.
	HTTPClient *http.Client
	// Logger gets what the outbound pipeline gives up; nil discards.
	Logger *slog.Logger
	// Now is the clock; nil is time.Now.
	Now func() time.Time
}

// Flow takes a browser to Microsoft for a sign-in and back: authorization code with PKCE, state and nonce. What it must remember
// meanwhile is sealed in a cookie of that browser, bound to the state, so that an answer counts only in the browser that asked
// for it and only once there. It is safe for concurrent use. Use [NewFlow].
type Flow struct {
	verifier *Verifier
	name     string
	o        FlowOptions
	box      *seal.Box
	http     *http.Client
	secure   bool
}

// Ask is what a sign-in is for.
type Ask struct {
	// Kind and Data come back with the answer; Data has at most 2 KiB, a little less with a long Kind, and is sealed.
	Kind string
	Data []byte
	// Tenant is the id of the one tenant whose people may sign in. Empty is any organisation: then the verifier must know which,
	// or the host must look up whoever comes.
	Tenant string
	// Fresh wants the person to give their credentials now, and the answer to prove it by the claim auth_time.
	Fresh bool
	// ACR is an authentication context of Conditional Access, such as "c1", which the answer must have satisfied.
	ACR string
	// SelectAccount lets the person choose among the accounts of their browser. LoginHint fills in a user name, and proves
	// nothing.
	SelectAccount bool
	LoginHint     string
	// Claims is the claims challenge of an API, a JSON object, which is passed on to Entra. ACR is added to it.
	Claims string
}

// Answer is what came of an [Ask].
type Answer struct {
	Kind string
	Data []byte
	// Identity is who signed in.
	Identity Identity
	// Fresh says that the token proves that they gave their credentials within 5 minutes, Strong that they satisfied the
	// authentication context that was asked for.
	Fresh, Strong bool
}

// carried is what the browser's cookie holds.
type carried struct {
	Kind     string    `json:"k"`
	Data     []byte    `json:"d,omitempty"`
	Tenant   string    `json:"t,omitempty"`
	Fresh    bool      `json:"f,omitempty"`
	ACR      string    `json:"a,omitempty"`
	Nonce    string    `json:"n"`
	Verifier string    `json:"v"` // of PKCE
	Until    time.Time `json:"u"`
}

// NewFlow returns a flow for the application of the verifier. The name keeps cookies and seals of several flows of a host apart:
// 1 to 32 of a-z, 0-9 and '-'.
func NewFlow(name string, verifier *Verifier, ring *mspkit.KeyRing, o *FlowOptions) (*Flow, error) {
	f := &Flow{verifier: verifier, name: name}
	if o != nil {
		f.o = *o
	}
	if verifier == nil || ring == nil {
		return nil, fmt.Errorf("entra: flow: a verifier and a key ring are required: %w", mspkit.ErrInvalid)
	}
	if f.o.Cloud == (Cloud{}) {
		f.o.Cloud = PublicCloud()
	}
	if f.o.TTL == 0 {
		f.o.TTL = defaultFlowTTL
	}
	if f.o.Logger == nil {
		f.o.Logger = slog.New(slog.DiscardHandler)
	}
	if f.o.Now == nil {
		f.o.Now = time.Now
	}
	errs := []error{f.o.Cloud.Validate(), validURL("RedirectURL", f.o.RedirectURL, true)}
	fault := func(text string) { errs = append(errs, fmt.Errorf("entra: flow: %s: %w", text, mspkit.ErrInvalid)) }
	if name == "" || len(name) > 32 || strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
		fault("its name must be 1 to 32 of a-z, 0-9 and '-'")
	}
	id, err := CanonicalID(f.o.ClientID)
	if f.o.ClientID = id; err != nil || id != verifier.clientID {
		fault("ClientID is not the application of the verifier")
	}
	if (f.o.Secret.Reveal() == "") == (f.o.Assertion == nil) {
		fault("exactly one of Secret and Assertion is needed")
	}
	if f.o.TTL < 0 || f.o.TTL > maxFlowTTL {
		fault("TTL must be at most an hour")
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	f.secure = strings.HasPrefix(strings.ToLower(f.o.RedirectURL), "https://")
	if f.box, err = seal.New(ring, "entra/flow/"+name); err != nil {
		return nil, err
	}
	f.http, err = httpx.NewClient(f.o.HTTPClient, &httpx.Options{
		Timeout: exchangeTimeout, TryTimeout: exchangeTimeout, MaxRetries: -1, MaxBody: maxAnswer, Logger: f.o.Logger, Now: f.o.Now,
	})
	return f, err
}

// Begin makes the browser remember what is asked and returns the address at Microsoft to send it to. It must be called for a
// request that changes something, such as a POST of a form of ours: an address that anybody may link to must not begin one.
func (f *Flow) Begin(w http.ResponseWriter, a Ask) (location string, err error) {
	if len(a.Data) > maxFlowData {
		return "", fmt.Errorf("entra: flow: Data of %d bytes is more than %d: %w", len(a.Data), maxFlowData, mspkit.ErrInvalid)
	}
	tenant := a.Tenant
	if tenant != "" {
		if tenant, err = CanonicalID(tenant); err != nil {
			return "", err
		}
	}
	claims, err := askClaims(a.Claims, a.ACR)
	if err != nil {
		return "", err
	}
	c := carried{
		Kind: a.Kind, Data: a.Data, Tenant: tenant, Fresh: a.Fresh, ACR: a.ACR, Nonce: newState(), Verifier: oauth2.GenerateVerifier(),
	}
	state, err := f.carry(w, c)
	if err != nil {
		return "", err
	}
	challenge := sha256.Sum256([]byte(c.Verifier))
	q := url.Values{
		"client_id": {f.o.ClientID}, "response_type": {"code"}, "response_mode": {"query"}, "redirect_uri": {f.o.RedirectURL},
		"scope": {"openid profile"}, "state": {state}, "nonce": {c.Nonce},
		"code_challenge": {base64.RawURLEncoding.EncodeToString(challenge[:])}, "code_challenge_method": {"S256"},
	}
	switch {
	case a.Fresh:
		q.Set("prompt", "login")
		q.Set("max_age", "0")
	case a.SelectAccount:
		q.Set("prompt", "select_account")
	}
	if a.LoginHint != "" {
		q.Set("login_hint", a.LoginHint)
	}
	if claims != "" {
		q.Set("claims", claims)
	}
	return f.endpoint(tenant, "authorize") + "?" + q.Encode(), nil
}

// endpoint is one of Entra's for the people of a tenant or, where that is empty, of any organisation.
func (f *Flow) endpoint(tenant, verb string) string {
	if tenant == "" {
		tenant = "organizations"
	}
	return f.o.Cloud.Login + "/" + tenant + "/oauth2/v2.0/" + verb
}

// newState returns what Microsoft gives back with its answer, or in the token.
func newState() string {
	s := token.NewSecret()
	return base64.RawURLEncoding.EncodeToString(s[:])
}

// carry makes the browser remember c and returns the state that belongs to it.
func (f *Flow) carry(w http.ResponseWriter, c carried) (state string, err error) {
	c.Until = f.o.Now().Add(f.o.TTL)
	raw, err := json.Marshal(c)
	if err != nil {
		return "", err
	}
	state = newState()
	value := base64.RawURLEncoding.EncodeToString(f.box.Seal(raw, f.place(state)...))
	if n := len(f.cookieName(state)) + len(value); n > maxFlowCookie {
		return "", fmt.Errorf("entra: flow: Kind and Data make a cookie of %d bytes, more than %d: %w", n, maxFlowCookie, mspkit.ErrInvalid)
	}
	f.setCookie(w, state, value, f.o.TTL)
	return state, nil
}

// askClaims is the parameter claims: a challenge, with the authentication context as an essential claim of the id token
// (https://learn.microsoft.com/entra/identity-platform/developer-guide-conditional-access-authentication-context).
func askClaims(challenge, acr string) (string, error) {
	all := map[string]json.RawMessage{}
	if challenge != "" {
		if len(challenge) > maxFlowData || json.Unmarshal([]byte(challenge), &all) != nil || all == nil {
			return "", fmt.Errorf("entra: flow: Claims is not a JSON object: %w", mspkit.ErrInvalid)
		}
	}
	if acr != "" {
		if n, err := strconv.Atoi(strings.TrimPrefix(acr, "c")); err != nil || n < 1 || n > 99 || acr != "c"+strconv.Itoa(n) {
			return "", fmt.Errorf("entra: flow: an authentication context is c1 to c99: %w", mspkit.ErrInvalid)
		}
		ids := map[string]json.RawMessage{}
		if raw, ok := all["id_token"]; ok && (json.Unmarshal(raw, &ids) != nil || ids == nil) {
			return "", fmt.Errorf("entra: flow: id_token in Claims is not a JSON object: %w", mspkit.ErrInvalid)
		}
		ids["acrs"] = json.RawMessage(`{"essential":true,"value":"` + acr + `"}`)
		raw, err := json.Marshal(ids)
		if err != nil {
			return "", err
		}
		all["id_token"] = raw
	}
	if len(all) == 0 {
		return "", nil
	}
	raw, err := json.Marshal(all)
	return string(raw), err
}

// Finish judges what Microsoft sent the browser back with, and makes the browser forget what it carried. The error is
// [ErrState] where this browser asked for nothing, for something else or too long ago, a [*TokenError] where Entra or the person
// refused, [ErrUnavailable] where nobody knows, and [ErrToken] with its [Reason] where the token is not what was asked for.
// The kind and data of the answer are set also with an error, once the browser is known to have asked.
func (f *Flow) Finish(w http.ResponseWriter, r *http.Request) (Answer, error) {
	c, q, err := f.resume(w, r)
	if err != nil {
		return Answer{}, err
	}
	return f.finish(r.Context(), c, q)
}

// finish is [Flow.Finish] once it is known what the browser asked for.
func (f *Flow) finish(ctx context.Context, c carried, q url.Values) (Answer, error) {
	a := Answer{Kind: c.Kind, Data: c.Data}
	issuer, named := q.Get("iss"), q.Has("iss")
	if named && !f.mayAnswer(issuer, c.Tenant) { // https://www.rfc-editor.org/rfc/rfc9207
		return a, badState(ReasonMixUp)
	}
	if code := q.Get("error"); code != "" {
		return a, oauthError(code, q.Get("error_description"))
	}
	code := q.Get("code")
	if code == "" || len(code) > maxCode {
		return a, ErrState
	}
	raw, err := f.exchange(ctx, code, c)
	if err != nil {
		return a, err
	}
	who, err := f.verifier.Verify(ctx, raw, c.Nonce)
	if err != nil {
		return a, err
	}
	now := f.o.Now()
	fresh := !who.AuthTime.IsZero() && now.Sub(who.AuthTime) <= freshFor
	strong := c.ACR != "" && slices.Contains(who.ACRS, c.ACR)
	switch {
	case named && issuer != who.Issuer:
		return a, of(badState(ReasonMixUp), who)
	case c.Tenant != "" && who.TenantID != c.Tenant:
		return a, of(badToken(ReasonTenant), who)
	case c.Fresh && !fresh:
		return a, of(badToken(ReasonFresh), who)
	case c.ACR != "" && !strong:
		return a, of(badToken(ReasonStrong), who)
	}
	a.Identity, a.Fresh, a.Strong = who, fresh, strong
	return a, nil
}

// mayAnswer reports whether an issuer may answer what was asked of a tenant, or of any.
func (f *Flow) mayAnswer(issuer, tenant string) bool {
	id, ok := f.verifier.tenantOf(issuer)
	return ok && (tenant == "" || id == tenant)
}

// resume returns what the browser carried for the state in Microsoft's answer, and the answer's parameters: [ErrState] where it
// carried nothing, something else, or for too long. The browser forgets it.
func (f *Flow) resume(w http.ResponseWriter, r *http.Request) (carried, url.Values, error) {
	q := r.URL.Query()
	for _, name := range [...]string{"state", "code", "error", "iss"} {
		if len(q[name]) > 1 { // https://www.rfc-editor.org/rfc/rfc6749#section-3.1
			return carried{}, nil, ErrState
		}
	}
	state := q.Get("state")
	if len(state) != base64.RawURLEncoding.EncodedLen(len(token.Secret{})) {
		return carried{}, nil, ErrState
	}
	cookie, err := r.Cookie(f.cookieName(state))
	if err != nil {
		return carried{}, nil, ErrState
	}
	f.setCookie(w, state, "", 0)
	sealed, err := base64.RawURLEncoding.DecodeString(cookie.Value)
	if err != nil {
		return carried{}, nil, badState(ReasonCookie)
	}
	raw, err := f.box.Open(sealed, f.place(state)...)
	var c carried
	if err != nil || json.Unmarshal(raw, &c) != nil {
		return carried{}, nil, badState(ReasonCookie)
	}
	if !f.o.Now().Before(c.Until) {
		return carried{}, nil, ErrState
	}
	return c, q, nil
}

// place is where what a browser carries counts. State, nonce and challenge stand in the address at Microsoft, so that the browser's
// owner could have another application of the same keys answered for.
func (f *Flow) place(state string) []string { return []string{state, f.o.ClientID, f.o.RedirectURL} }

// cookieName is another one for each sign-in, so that two in one browser do not meet. The prefix keeps other hosts of the domain,
// and pages by plain http, from setting it.
func (f *Flow) cookieName(state string) string {
	sum := sha256.Sum256([]byte("entra/flow-cookie " + f.name + " " + state))
	name := "mspkit-" + f.name + "-" + token.Text(sum[:9])
	if f.secure {
		return "__Host-" + name
	}
	return name
}

func (f *Flow) setCookie(w http.ResponseWriter, state, value string, age time.Duration) {
	seconds := int(age / time.Second)
	if seconds <= 0 {
		seconds = -1
	}
	http.SetCookie(w, &http.Cookie{ //nolint:gosec // Secure wherever there is TLS
		Name: f.cookieName(state), Value: value, Path: "/", MaxAge: seconds, Secure: f.secure, HttpOnly: true, SameSite: http.SameSiteLaxMode,
	})
}

// LoginOrigins are the origins at Microsoft that forms lead to by a redirect where [Flow.Begin] is called, for the directive
// form-action of the pages that have them.
func (f *Flow) LoginOrigins() []string { return loginOrigins(f.o.Cloud) }
