package signin

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"time"

	"github.com/mspkit/mspkit/internal/token"
)

// fresh is how long after their credentials were given a person may answer.
const fresh = 5 * time.Minute

// session is what the browser carries from the sign-in to the answer. It is sealed for one challenge and person; see
// invitation.place. It goes on where the link is sent again.
type session struct {
	Until time.Time `json:"u"`
	// Form stands in the forms of the page as well, so that no other site can send them: it sees neither.
	Form string `json:"c"`
}

// cookieName differs for each challenge. The prefix keeps other hosts of the domain, and pages by plain http, from setting it.
func (p *Pages) cookieName(i invitation) string {
	sum := sha256.Sum256([]byte("verify/signin/cookie " + i.ref.ID + " " + string(i.ref.Tenant)))
	name := "mspkit-signed-in-" + token.Text(sum[:9])
	if p.secure {
		return "__Host-" + name
	}
	return name
}

// place is where a session counts and nowhere else.
func (i invitation) place() []string { return []string{string(i.ref.Tenant), i.ref.ID, i.from()} }

// remember gives the browser its session. Not SameSite strict: Microsoft sends the browser back, so that it comes from there.
func (p *Pages) remember(w http.ResponseWriter, i invitation, authenticated time.Time) error {
	now := p.o.Now()
	s := session{Until: authenticated.Add(fresh), Form: token.Random()}
	if latest := now.Add(fresh); s.Until.After(latest) { // a clock ahead of ours
		s.Until = latest
	}
	raw, err := json.Marshal(s)
	if err != nil {
		return err
	}
	http.SetCookie(w, &http.Cookie{ //nolint:gosec // Secure wherever there is TLS
		Name: p.cookieName(i), Value: base64.RawURLEncoding.EncodeToString(p.sessions.Seal(raw, i.place()...)),
		Path: "/", MaxAge: int(s.Until.Sub(now)/time.Second) + 1, Secure: p.secure, HttpOnly: true, SameSite: http.SameSiteLaxMode,
	})
	return nil
}

// session returns what the browser carries for the challenge of a link, or nil.
func (p *Pages) session(r *http.Request, i invitation) *session {
	cookie, err := r.Cookie(p.cookieName(i))
	if err != nil {
		return nil
	}
	sealed, err := base64.RawURLEncoding.DecodeString(cookie.Value)
	if err != nil {
		return nil
	}
	raw, err := p.sessions.Open(sealed, i.place()...)
	var s session
	if err != nil || json.Unmarshal(raw, &s) != nil || !p.o.Now().Before(s.Until) {
		return nil
	}
	return &s
}
