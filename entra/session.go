package entra

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/seal"
	"github.com/mspkit/mspkit/internal/token"
)

// maxSessionCookie is in bytes, with its name: browsers drop a cookie of more than 4 KiB without a word.
const maxSessionCookie = 3800

// Session is what is remembered of who signed in.
type Session struct {
	// ID names the session in audits and revocations. It opens nothing.
	ID string
	// Owner is [SSOOptions.Owner].
	Owner string
	// Identity is what the id token said, without DirectoryRoles, and without Groups unless [SSOOptions.Groups] wants them.
	Identity Identity
	// Listed says that the person came in by [SSOOptions.Tenants], and that the session ends when their tenant is taken off it.
	// Otherwise [SSO.SignIn] let them in.
	Listed bool
	// Begun is when the session began, Seen when it was used last, give or take a minute.
	Begun, Seen time.Time
	// SteppedUp is when an id token proved a step-up, Factor when the host saw a second factor; zero is never.
	SteppedUp, Factor time.Time
}

// Sessions keep a browser's session. The default is a sealed cookie; a host that has sessions of its own puts them here. It must
// be safe for concurrent use, must bind a session to the browser by a cookie that is HttpOnly, Secure and SameSite=Lax, and must
// hand out a new value of that cookie with each Save of a new ID.
type Sessions interface {
	// Save makes the browser of r remember s, in place of what it remembered, until the given time at the latest. [ErrTooLarge]
	// is a session that does not fit.
	Save(w http.ResponseWriter, r *http.Request, s Session, until time.Time) error
	// Load returns what the browser remembers: [ErrNoSession] where that is nothing, [Refuse] of [ReasonCookie] where what the
	// browser sends was altered or is somebody else's.
	Load(r *http.Request) (Session, error)
	// Delete makes the browser forget.
	Delete(w http.ResponseWriter, r *http.Request) error
}

// ErrTooLarge means that a session does not fit into its cookie, such as one with many groups: give [SSOOptions.Sessions] that keep
// them elsewhere.
var ErrTooLarge = errors.New("entra: the session is too large")

// errBadCookie is a cookie of a session that does not open here.
var errBadCookie error = &refusal{reason: ReasonCookie, sentinel: ErrNoSession}

// cookieSessions keep the session in the browser, sealed, and bound to owner and name.
type cookieSessions struct {
	box    *seal.Box
	owner  string
	name   string
	secure bool
	now    func() time.Time
}

func newCookieSessions(ring *mspkit.KeyRing, owner, clientID string, secure bool, now func() time.Time) (*cookieSessions, error) {
	box, err := seal.New(ring, "entra/session")
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256([]byte("entra/session-cookie " + clientID + " " + owner))
	name := "mspkit-session-" + token.Text(sum[:9])
	if secure {
		name = "__Host-" + name
	}
	return &cookieSessions{box: box, owner: owner, name: name, secure: secure, now: now}, nil
}

// Save implements [Sessions].
func (c *cookieSessions) Save(w http.ResponseWriter, _ *http.Request, s Session, until time.Time) error {
	raw, err := json.Marshal(s)
	if err != nil {
		return err
	}
	value := base64.RawURLEncoding.EncodeToString(c.box.Seal(raw, c.owner, c.name))
	if len(c.name)+len(value) > maxSessionCookie {
		return ErrTooLarge
	}
	c.set(w, value, max(1, int(until.Sub(c.now())/time.Second)))
	return nil
}

// Load implements [Sessions].
func (c *cookieSessions) Load(r *http.Request) (Session, error) {
	cookie, err := r.Cookie(c.name)
	if err != nil || cookie.Value == "" {
		return Session{}, ErrNoSession
	}
	sealed, err := base64.RawURLEncoding.DecodeString(cookie.Value)
	if err != nil {
		return Session{}, errBadCookie
	}
	raw, err := c.box.Open(sealed, c.owner, c.name)
	var s Session
	if err != nil || json.Unmarshal(raw, &s) != nil {
		return Session{}, errBadCookie
	}
	return s, nil
}

// Delete implements [Sessions].
func (c *cookieSessions) Delete(w http.ResponseWriter, _ *http.Request) error {
	c.set(w, "", -1)
	return nil
}

func (c *cookieSessions) set(w http.ResponseWriter, value string, seconds int) {
	http.SetCookie(w, &http.Cookie{ //nolint:gosec // Secure wherever there is TLS
		Name: c.name, Value: value, Path: "/", MaxAge: seconds, Secure: c.secure, HttpOnly: true, SameSite: http.SameSiteLaxMode,
	})
}
