package securesendpage

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"

	"github.com/mspkit/mspkit/securesend"
	"github.com/mspkit/mspkit/securesend/internal/wire"
)

// read decodes the body of a request and finds what its token names. Where it returns false it has answered. The body comes
// first, so that a bad one gets the same answer whatever the token.
func (p *Pages) read(w http.ResponseWriter, r *http.Request, body any) (securesend.Ref, bool) {
	if !p.typed(w, r, wire.JSON) {
		return securesend.Ref{}, false
	}
	if err := wire.Decode(r.Body, body); err != nil {
		p.refuse(w, r, bodyError(err))
		return securesend.Ref{}, false
	}
	ref, err := p.ref(r)
	if err != nil {
		p.refuse(w, r, err)
		return ref, false
	}
	return ref, true
}

// bodyError makes a body that broke off the client's fault: nobody reads the answer where it is not.
func bodyError(err error) error {
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok || errors.Is(err, wire.ErrBody) {
		return err
	}
	return fmt.Errorf("the body broke off: %w", securesend.ErrInvalid)
}

// typed refuses bodies of another type: a form of a foreign page cannot have this one.
func (p *Pages) typed(w http.ResponseWriter, r *http.Request, want string) bool {
	if wire.IsType(r.Header.Get("Content-Type"), want) {
		return true
	}
	p.write(w, r, http.StatusUnsupportedMediaType, wire.Error{Code: wire.CodeType, Message: "The body must be of the type " + want + "."})
	return false
}

// keys refuses what has not the length of a key, before anybody looks at what it is for.
func (p *Pages) keys(w http.ResponseWriter, r *http.Request, keys ...[]byte) bool {
	for _, k := range keys {
		if len(k) != securesend.KeySize {
			p.refuse(w, r, securesend.ErrInvalid)
			return false
		}
	}
	return true
}

// refuse answers an error as the table of package wire says. What nobody knows is logged.
func (p *Pages) refuse(w http.ResponseWriter, r *http.Request, err error) {
	status, e := wire.FromError(err)
	if e.Code == wire.CodeUnavailable && r.Context().Err() == nil {
		p.log.WarnContext(r.Context(), "securesendpage: the answer was 503", slog.String("what", r.Pattern), slog.Any("error", err))
	}
	if e.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.FormatInt(e.RetryAfter, 10))
	}
	p.write(w, r, status, e)
}

// refuseFor is refuse after a call of the service: where the token is of another kind than the path says, it is not found.
func (p *Pages) refuseFor(w http.ResponseWriter, r *http.Request, ref securesend.Ref, k kind, err error) {
	if !errors.Is(err, securesend.ErrNotFound) {
		if kindErr := p.check(r, ref, k); errors.Is(kindErr, securesend.ErrNotFound) {
			err = kindErr
		}
	}
	p.refuse(w, r, err)
}

// write answers with JSON.
func (p *Pages) write(w http.ResponseWriter, r *http.Request, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		p.log.ErrorContext(r.Context(), "securesendpage: answer", slog.String("type", fmt.Sprintf("%T", v)), slog.Any("error", err))
		p.site.Error(w, r, http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", wire.JSON)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body)
}
