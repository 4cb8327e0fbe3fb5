package workflowstest

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"
)

const (
	// direct is where the flows of an environment are.
	direct = "/powerautomate/automations/direct/"
	// permission is what the signature is for.
	permission = "/triggers/manual/run"
	// maxRequest is what the trigger takes. Its real limit is far above what a post to Teams may have.
	maxRequest = 1 << 20
)

func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		panic(http.ErrAbortHandler) // net/http closes the connection without a word
	}
	s.busy.Add(1)
	s.requests++
	s.mu.Unlock()
	defer s.busy.Done()

	body, err := io.ReadAll(io.LimitReader(r.Body, maxRequest+1))
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	s.mu.Lock()
	f, refusal := s.admit(r, body)
	var fault Fault
	if refusal == nil && len(f.faults) > 0 {
		fault, f.faults = f.faults[0], f.faults[1:]
	}
	run := ""
	if refusal == nil && (fault == (Fault{}) || fault.After) {
		run = s.start(f, r, body)
	}
	s.mu.Unlock()
	h := w.Header()
	h.Set("x-ms-request-id", rand.Text())
	switch {
	case refusal != nil:
		refusal.answer(w)
	case fault.Drop:
		panic(http.ErrAbortHandler)
	case fault.Hang:
		select {
		case <-r.Context().Done():
		case <-s.done:
		}
		panic(http.ErrAbortHandler)
	case fault.Status != 0:
		fault.answer(w)
	default:
		h.Set("x-ms-workflow-run-id", run)
		h.Set("x-ms-client-tracking-id", r.Header.Get("x-ms-client-tracking-id"))
		w.WriteHeader(http.StatusAccepted)
	}
}

// admit says which flow a request triggers, or why it does not. The caller holds the lock.
func (s *Server) admit(r *http.Request, body []byte) (*flow, *Fault) {
	no := func(status int, code, message string) (*flow, *Fault) {
		return nil, &Fault{Status: status, Code: code, Message: message}
	}
	rest, ok := strings.CutPrefix(r.URL.Path, direct+"workflows/")
	id, tail, ok2 := strings.Cut(rest, "/")
	if !ok || !ok2 || strings.Trim(tail, "/") != "triggers/manual/paths/invoke" {
		// So seen with the path of the old host on the new one; the code is from memory.
		return no(http.StatusNotFound, "NotFound", "The request URI does not match any known API routes.")
	}
	q := r.URL.Query()
	f := s.flows[id]
	switch {
	case r.Method != http.MethodPost:
		return no(http.StatusMethodNotAllowed, "", "")
	case q.Get("api-version") == "":
		return no(http.StatusBadRequest, "MissingApiVersionParameter", "The api-version query parameter (?api-version=) is required for all requests.")
	case f == nil || f.State == Unknown:
		return no(http.StatusNotFound, "WorkflowNotFound", fmt.Sprintf("The workflow '%s' could not be found.", id))
	case r.Header.Get("Authorization") != "" && q.Get("sig") != "":
		return no(http.StatusBadRequest, "DirectApiRequestHasMoreThanOneAuthorization", "The request has both SAS authentication scheme and 'Basic' authorization scheme. Only one scheme should be used.")
	case f.SignIn:
		return no(http.StatusUnauthorized, "DirectApiAuthorizationRequired", "The request must be authenticated only by OAuth authorization scheme.")
	case f.NoSignatures:
		return no(http.StatusUnauthorized, "DirectApiInvalidAuthorizationScheme", "The request has SAS authentication scheme while it is disabled under your access control policy.")
	case q.Get("sp") != permission, q.Get("sv") != "1.0", subtle.ConstantTimeCompare([]byte(q.Get("sig")), []byte(f.sig)) != 1:
		// What is answered to a wrong signature is not documented; to none at all it is this.
		return no(http.StatusUnauthorized, "DirectApiAuthorizationRequired", "The request must be authenticated only by Shared Access scheme.")
	case f.State != On:
		return no(http.StatusBadRequest, "WorkflowTriggerIsNotEnabled", fmt.Sprintf("Could not execute workflow '%s' trigger 'manual' with state '%s': trigger is not enabled.", id, f.State))
	case len(body) > maxRequest:
		return no(http.StatusRequestEntityTooLarge, "RequestEntityTooLarge", "The request content is too large.")
	}
	if refusal := s.throttle(f, time.Now()); refusal != nil {
		return nil, refusal
	}
	if f.Schema {
		if why := f.mismatch(read(r, body)); why != "" {
			return no(http.StatusBadRequest, "TriggerInputSchemaMismatch", "The input body for trigger 'manual' of type 'Request' did not match its schema definition. Error details: '"+why+"'.")
		}
	}
	return f, nil
}

// throttle counts a request.
func (s *Server) throttle(f *flow, now time.Time) *Fault {
	if s.most == 0 {
		return nil
	}
	for len(f.admitted) > 0 && now.Sub(f.admitted[0]) >= s.per {
		f.admitted = f.admitted[1:]
	}
	if len(f.admitted) >= s.most {
		return &Fault{
			Status: http.StatusTooManyRequests, Code: "TooManyRequests", Message: "Rate limit is exceeded. Try again later.",
			RetryAfter: s.per - now.Sub(f.admitted[0]),
		}
	}
	f.admitted = append(f.admitted, now)
	return nil
}

// answer writes the fault as Microsoft does.
func (f *Fault) answer(w http.ResponseWriter) {
	if f.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int((f.RetryAfter+time.Second-1)/time.Second)))
	}
	if f.Location != "" {
		w.Header().Set("Location", f.Location)
	}
	if f.Code == "" && f.Message == "" {
		w.WriteHeader(f.Status)
		return
	}
	var b struct {
		Error struct {
			Code    string `json:"code"`
			Message string `json:"message"`
		} `json:"error"`
	}
	b.Error.Code, b.Error.Message = f.Code, f.Message
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(f.Status)
	_ = json.NewEncoder(w).Encode(b) // the caller may be gone
}

// read returns the body as the trigger has it: nil where it is no JSON, which the trigger then carries as base64.
func read(r *http.Request, body []byte) map[string]any {
	if t, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || t != "application/json" {
		return nil
	}
	var m map[string]any
	if json.Unmarshal(body, &m) != nil {
		return nil
	}
	return m
}
