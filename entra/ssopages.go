package entra

import (
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"strings"

	"github.com/mspkit/mspkit/internal/webpage"
)

// Handler returns the pages and addresses of the sign-in: GET and POST /signin, GET /callback, POST /signout, GET /signedout, GET
// /frontchannel-logout, POST /backchannel-logout, GET and POST /stepup. prefix is the path that requests still carry, such as "/auth";
// leave it empty behind [http.StripPrefix] or a proxy that strips it. It must be called before the first request, after [SSO.On]. It
// fails with [mspkit.ErrInvalid] where a text or the prefix cannot be used.
func (s *SSO) Handler(prefix string) (http.Handler, error) {
	own, err := fs.Sub(files, "texts")
	if err != nil {
		return nil, err
	}
	templates, err := fs.Sub(files, "templates")
	if err != nil {
		return nil, err
	}
	catalogs, err := webpage.LoadCatalogs(own, s.o.Texts, nil)
	if err != nil {
		return nil, fmt.Errorf("entra: sso: %w", err)
	}
	page := func(name, pattern string, h http.HandlerFunc) webpage.Route {
		return webpage.Route{Name: name, Method: http.MethodGet, Pattern: pattern, Kind: webpage.PageKind, Handler: h}
	}
	form := func(name, pattern string, h http.HandlerFunc) webpage.Route {
		return webpage.Route{Name: name, Method: http.MethodPost, Pattern: pattern, Kind: webpage.FormKind, Handler: h}
	}
	// Browsers ask the page that has the form where its button may lead, redirects included.
	leads := func(r webpage.Route) webpage.Route {
		r.FormAction = s.LoginOrigins()
		return r
	}
	front := webpage.Route{Name: "front-channel", Method: http.MethodGet, Pattern: "/frontchannel-logout", Kind: webpage.APIKind, Handler: s.frontChannel}
	for _, o := range s.LoginOrigins() {
		if strings.HasPrefix(o, "https://") {
			front.FrameAncestors = append(front.FrameAncestors, o)
		}
	}
	s.site, err = webpage.New([]webpage.Route{
		leads(page("signin", "/signin", s.showSignIn)),
		leads(form("begin", "/signin", s.postSignIn)),
		leads(page("callback", "/callback", s.callback)),
		form("signout", "/signout", s.signOut),
		page("signedout", "/signedout", s.signedOut),
		front,
		{Name: "back-channel", Method: http.MethodPost, Pattern: "/backchannel-logout", Kind: webpage.FormKind, MaxBody: 2 * maxToken, Handler: s.backChannel},
		leads(page("stepup", "/stepup", s.showStepUp)),
		leads(form("begin-stepup", "/stepup", s.beginStepUp)),
	}, &webpage.Options{
		Prefix: prefix, HTTPS: s.flow.secure, Brand: s.o.Brand, Templates: templates, Catalog: catalogs.All(), Locale: s.o.Locale, Logger: s.o.Logger,
	})
	if err != nil {
		return nil, fmt.Errorf("entra: sso: %w", err)
	}
	s.built = true
	return s.site, nil
}

// showSignIn shows the page that begins a sign-in. It begins none itself: an address that anybody may link to must not.
func (s *SSO) showSignIn(w http.ResponseWriter, r *http.Request) {
	if to, ok := s.returned(w, r, r.URL.Query()["to"]); ok {
		s.page(w, r, "signin", 0, ssoView{To: to})
	}
}

func (s *SSO) postSignIn(w http.ResponseWriter, r *http.Request) {
	if to, ok := s.returned(w, r, r.PostForm["to"]); ok {
		s.beginSignIn(w, r, to, r.PostForm.Get("account") == "other")
	}
}

// returned judges the parameter with the address to come back to. Where it returns false it has answered.
func (s *SSO) returned(w http.ResponseWriter, r *http.Request, list []string) (string, bool) {
	if len(list) == 0 || len(list) == 1 && list[0] == "" {
		return "", true
	}
	to, err := returnTo(list[0])
	if err == nil && len(list) == 1 {
		return to, true
	}
	s.stop(w, r, &refusal{reason: ReasonReturn, sentinel: ErrState}, "")
	return "", false
}

// stop says why somebody could not sign in, with what they can do about it.
func (s *SSO) stop(w http.ResponseWriter, r *http.Request, err error, to string) {
	reason := s.refused(r.Context(), err)
	v := ssoView{To: to, Reason: string(reason), Text: pageOf(reason), Again: true}
	if e, ok := errors.AsType[*TokenError](err); ok {
		v.Code = e.Code
	}
	status := http.StatusForbidden
	switch v.Text {
	case "state", "return", "session":
		status = http.StatusBadRequest
	case "unable":
		status = http.StatusServiceUnavailable
	case "failed", "answer", "clock":
		status = http.StatusBadGateway
	}
	s.page(w, r, "refused", status, v)
}

// pageOf returns which text of the pages a reason has.
func pageOf(r Reason) string {
	switch r {
	case ReasonState, ReasonCookie:
		return "state"
	case ReasonSession:
		return "session"
	case ReasonReturn:
		return "return"
	case ReasonDeclined:
		return "declined"
	case ReasonEntra:
		return "failed"
	case ReasonCredentials, ReasonUnavailable, ReasonFailed, ReasonFlood:
		return "unable"
	case ReasonClock, ReasonExpired:
		return "clock"
	case ReasonPersonal:
		return "personal"
	case ReasonTenant:
		return "tenant"
	case ReasonGuest:
		return "guest"
	case ReasonGroups:
		return "groups"
	case ReasonRole:
		return "role"
	case ReasonFresh:
		return "fresh"
	case ReasonStrong:
		return "strong"
	case ReasonPerson:
		return "person"
	case ReasonSize:
		return "size"
	case ReasonMixUp, ReasonNoToken, ReasonMalformed, ReasonAlgorithm, ReasonKey, ReasonSignature, ReasonVersion, ReasonIssuer, ReasonPlaceholder,
		ReasonAudience, ReasonNonce, ReasonNobody, ReasonLife, ReasonLogout, ReasonReplay:
		return "answer"
	case ReasonAccount:
	}
	return "account"
}
