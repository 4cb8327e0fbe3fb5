package entratest

import (
	"net/http"
	"net/url"
	"strings"
	"time"
)

// device is a sign-in that waits for a person at another device.
type device struct {
	app             *App
	tenant          string
	userCode, scope string
	user            *User
	denied          bool
	expires         time.Time
}

// deviceLife is how long a person has time.
const deviceLife = 15 * time.Minute

func (s *Server) deviceCode(w http.ResponseWriter, r *http.Request) {
	app := s.app(r.PostForm.Get("client_id"))
	if app == nil {
		s.refuse(w, http.StatusBadRequest, "unauthorized_client", 700016)
		return
	}
	d := &device{
		app: app, tenant: r.PathValue("tenant"), userCode: strings.ToUpper(randomText()[:9]), scope: r.PostForm.Get("scope"), expires: s.o.Now().Add(deviceLife),
	}
	code := randomText()
	s.mu.Lock()
	s.devices[code] = d
	s.mu.Unlock()
	at := s.base + "/common/oauth2/deviceauth"
	writeJSON(w, http.StatusOK, map[string]any{
		"device_code": code, "user_code": d.userCode, "verification_uri": at, "expires_in": int(deviceLife / time.Second), "interval": 1,
		"message": "To sign in, use a web browser to open the page " + at + " and enter the code " + d.userCode + " to authenticate.",
	})
}

// Approve plays the person who types a code that a prompt showed, found in the text of the prompt. It reports whether there
// is such a code.
func (s *Server) Approve(prompt string, u *User) bool { return s.answer(prompt, u, false) }

// Deny plays the person who says no.
func (s *Server) Deny(prompt string, u *User) bool { return s.answer(prompt, u, true) }

func (s *Server) answer(prompt string, u *User, denied bool) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, d := range s.devices {
		if strings.Contains(prompt, d.userCode) {
			d.user, d.denied = u, denied
			return true
		}
	}
	return false
}

func (s *Server) redeemDevice(app *App, f url.Values) (map[string]any, *refused) {
	code := f.Get("device_code")
	s.mu.Lock()
	d := s.devices[code]
	var u *User
	denied := false
	if d != nil {
		u, denied = d.user, d.denied
	}
	s.mu.Unlock()
	switch {
	case d == nil || d.app != app:
		return nil, bad("bad_verification_code", 70018)
	case !s.o.Now().Before(d.expires):
		return nil, bad("expired_token", 70020)
	case u == nil:
		return nil, bad("authorization_pending", 70016)
	case denied:
		return nil, bad("authorization_declined", 70019)
	case !shared(d.tenant) && s.tenant(d.tenant) != u.tenant:
		return nil, bad("invalid_grant", 50020)
	}
	s.mu.Lock()
	delete(s.devices, code)
	s.mu.Unlock()
	answer := s.tokens(&grant{user: u, app: app, scope: d.scope}, u.tenant, d.scope, d.scope)
	// MSAL makes the account of it.
	answer["client_info"] = clientInfo(u)
	return answer, nil
}
