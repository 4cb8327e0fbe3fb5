package entra

import (
	"net/http"

	"github.com/mspkit/mspkit/internal/webpage"
)

// returnTo judges the address that a browser is to go to after a sign-in: a path of the same host, else [ReasonReturn].
func returnTo(s string) (string, error) {
	if !webpage.LocalPath(s) {
		return "", &refusal{reason: ReasonReturn, sentinel: ErrState}
	}
	return s, nil
}

// here is the address that a browser asked for, as far as it may come back to it.
func here(r *http.Request) (string, bool) {
	s := r.RequestURI // also behind http.StripPrefix
	if s == "" {
		s = r.URL.RequestURI()
	}
	return s, webpage.LocalPath(s)
}
