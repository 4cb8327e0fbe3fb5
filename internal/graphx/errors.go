package graphx

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mspkit/mspkit/internal/httpx"
)

// The sentinels that an [*Error], an [*AuthError] or an [*AnswerError] matches with errors.Is. The table in the package
// comment says when.
var (
	ErrNotFound  = errors.New("not found")
	ErrDenied    = errors.New("permission or role missing")
	ErrThrottled = errors.New("throttled")
	ErrConsent   = errors.New("consent missing or withdrawn")
	// ErrResync means that a delta link cannot be used any more; Error.Location begins anew where it is not empty.
	ErrResync = errors.New("the delta link cannot be used any more")
	// ErrOrigin means that a link leads away from the Graph host. Nothing was sent.
	ErrOrigin = errors.New("graphx: a link leads to another host")
	// ErrToken means that Graph did not accept the token, also not a new one with the claims it asked for.
	ErrToken = errors.New("the token was not accepted")
	// ErrRevoked means that the sign-in behind a token has ended: somebody must sign in again.
	ErrRevoked = errors.New("the sign-in has ended")
	// ErrBlocked means that a policy of the tenant, such as Conditional Access, refused the token.
	ErrBlocked = errors.New("blocked by a policy of the tenant")
	// ErrGone means that the Microsoft 365 tenant does not exist any more, or is not available.
	ErrGone = errors.New("the Microsoft 365 tenant is gone")
	// ErrCredential means that the secret or certificate of the app is wrong or has expired.
	ErrCredential = errors.New("the app's secret or certificate is not accepted")
	// ErrAnswer means that an answer with a status of success cannot be read.
	ErrAnswer = errors.New("the answer cannot be used")
	// ErrTooBig means that an answer, or one item of it, is larger than the options allow.
	ErrTooBig = errors.New("the answer is too big")
	// ErrCircle means that the pages of a list lead in a circle, or are too many.
	ErrCircle = errors.New("the pages do not end")
)

// codeLimited is the code of an [*Error] that was made here because a limiter would have held the call back too long.
const codeLimited = "mspkit.limited"

// maxErrorBody is how much of an answer that is no success is read.
const maxErrorBody = 64 << 10

// Error is an answer of Graph that is not a success. Its text holds no personal data: the message of the server is in
// Message only. Match errors.Is, Status and Code; never Message.
type Error struct {
	// Status is the HTTP status. It is 200 where Graph ended a page that it had begun with an error.
	Status int
	// Code is error.code, which may be empty. InnerCode is the innermost code below innerError, the most exact one.
	Code, InnerCode string
	// Details are what some services add.
	Details []Detail
	// Message is the server's, for people, and may hold their names; never compare and never log it.
	Message string
	// RequestID is Graph's and ClientRequestID ours; Microsoft's support asks for both.
	RequestID       string
	ClientRequestID string
	// RetryAfter is how long Graph, or the limiter here, asks to wait; zero is unknown.
	RetryAfter time.Duration
	// Location is where a 410 says to begin anew: a whole URL on the Graph host, empty where it was none.
	Location string
	// Advice is what an administrator can do.
	Advice string
}

// Detail is one of the details of an [*Error].
type Detail struct{ Code, Target string }

// Error says the status, the codes, the ids and the advice.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString("graph: status " + strconv.Itoa(e.Status))
	if c := token(e.Code); c != "" {
		b.WriteString(", code " + c)
	}
	if c := token(e.InnerCode); c != "" && e.InnerCode != e.Code {
		b.WriteString(", inner code " + c)
	}
	if id := token(e.RequestID); id != "" {
		b.WriteString(", request " + id)
	}
	if e.RetryAfter > 0 {
		b.WriteString(", retry after " + e.RetryAfter.String())
	}
	if e.Advice != "" {
		b.WriteString(": " + e.Advice)
	}
	return b.String()
}

// resyncCodes say that a delta link, or a link to a page, cannot be used any more. The first two are in Microsoft's
// overview of delta queries; the third is what directories answer to old links of pages.
var resyncCodes = []string{"syncStateNotFound", "resyncRequired", "Directory_ExpiredPageToken"}

// Is reports whether target is a sentinel of e.
func (e *Error) Is(target error) bool {
	switch target {
	case ErrNotFound:
		return e.Status == http.StatusNotFound
	case ErrDenied:
		return e.Status == http.StatusForbidden
	case ErrThrottled:
		return e.Status == http.StatusTooManyRequests
	case ErrToken:
		return e.Status == http.StatusUnauthorized
	case ErrConsent:
		return e.has("Authorization_IdentityNotFound")
	case ErrResync:
		return e.Status == http.StatusGone || e.has(resyncCodes...)
	}
	return false
}

// has reports whether one of the codes of e is one of codes, whatever the case.
func (e *Error) has(codes ...string) bool {
	return slices.ContainsFunc(codes, func(c string) bool {
		return strings.EqualFold(c, e.Code) || strings.EqualFold(c, e.InnerCode) ||
			slices.ContainsFunc(e.Details, func(d Detail) bool { return strings.EqualFold(c, d.Code) })
	})
}

// plain matches what a code or an id looks like. What a server says else stays out of texts.
var plain = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_.:-]{0,63}$|^[0-9A-Fa-f-]{8,64}$|^-?[0-9]{1,9}$`)

// token returns s where it may stand in a log, and a word for it otherwise.
func token(s string) string {
	switch {
	case s == "" || plain.MatchString(s):
		return s
	default:
		return "(unreadable)"
	}
}

// PlainCode returns the most exact code of e where it may stand in a text or a log, and a word for it otherwise.
func (e *Error) PlainCode() string {
	if e.InnerCode != "" {
		return token(e.InnerCode)
	}
	return token(e.Code)
}

// PlainRequestID returns Graph's id of the request where it may stand in a text or a log, and a word for it otherwise.
func (e *Error) PlainRequestID() string { return token(e.RequestID) }

// errorBody is Graph's envelope. encoding/json does not mind the case of "innererror".
type errorBody struct {
	Code       text
	Message    text
	InnerError *innerError
	Details    []struct{ Code, Target text }
}

type innerError struct {
	Code            text
	RequestID       text `json:"request-id"`
	ClientRequestID text `json:"client-request-id"`
	InnerError      *innerError
	Details         []struct{ Code, Target text }
}

// text is a string, or what a service has written in the place of one: nothing then, so that the rest is still read.
type text string

func (t *text) UnmarshalJSON(b []byte) error {
	var s string
	switch {
	case json.Unmarshal(b, &s) == nil:
		*t = text(s)
	case json.Valid(b) && len(b) < 20 && b[0] != '{' && b[0] != '[' && string(b) != "null":
		*t = text(b) // a number, as some services have for codes
	}
	return nil
}

// parseError reads what b says into e. It takes {"error": {…}}, the same without the envelope, and the
// {"error": "code"} of OAuth; of anything else it leaves e as it is.
func (e *Error) parseError(b []byte) {
	var env struct {
		Error json.RawMessage
		Odata json.RawMessage `json:"odata.error"`
	}
	if json.Unmarshal(b, &env) != nil {
		return
	}
	for _, raw := range []json.RawMessage{env.Error, env.Odata} {
		if len(raw) > 0 {
			b = raw
			break
		}
	}
	var code string
	if json.Unmarshal(b, &code) == nil {
		e.Code = code
		return
	}
	var body errorBody
	if json.Unmarshal(b, &body) != nil {
		return
	}
	e.Code, e.Message = string(body.Code), string(body.Message)
	for _, d := range body.Details {
		e.Details = append(e.Details, Detail{string(d.Code), string(d.Target)})
	}
	for in := body.InnerError; in != nil; in = in.InnerError {
		if in.Code != "" {
			e.InnerCode = string(in.Code)
		}
		if e.RequestID == "" {
			e.RequestID = string(in.RequestID)
		}
		if in.ClientRequestID != "" {
			e.ClientRequestID = string(in.ClientRequestID)
		}
		for _, d := range in.Details {
			e.Details = append(e.Details, Detail{string(d.Code), string(d.Target)})
		}
	}
}

// newError makes the error of an answer.
func (c *Client) newError(status int, h http.Header, body []byte, clientID string) *Error {
	e := &Error{Status: status, RequestID: h.Get("Request-Id"), ClientRequestID: clientID, RetryAfter: retryAfter(h, c.o.Now())}
	if id := h.Get("Client-Request-Id"); id != "" {
		e.ClientRequestID = id
	}
	e.parseError(body)
	if status == http.StatusGone {
		if u, err := c.resolveLink(h.Get("Location")); err == nil {
			e.Location = u.String()
		}
	}
	e.Advice = e.advice()
	return e
}

// ErrorIn returns the error that the body of an answer of success holds, nil where it holds none. Microsoft documents that an
// upload to the catalog of Teams apps answers 200 so; see https://learn.microsoft.com/graph/api/teamsapp-publish.
func (c *Client) ErrorIn(res *http.Response, body []byte) *Error {
	var env map[string]json.RawMessage
	_ = json.Unmarshal(body, &env) // what is no object holds no error
	for name, raw := range env {
		if strings.EqualFold(name, "error") && string(raw) != "null" {
			return c.newError(res.StatusCode, res.Header, body, res.Header.Get("Client-Request-Id"))
		}
	}
	return nil
}

func (c *Client) readError(res *http.Response, clientID string) *Error {
	b, err := io.ReadAll(io.LimitReader(res.Body, maxErrorBody))
	if err != nil {
		b = nil // the status says enough
	}
	return c.newError(res.StatusCode, res.Header, b, clientID)
}

// retryAfter reads the headers that azcore's retry policy reads.
func retryAfter(h http.Header, now time.Time) time.Duration {
	for _, name := range []string{"Retry-After-Ms", "X-Ms-Retry-After-Ms"} {
		if n, err := strconv.ParseInt(h.Get(name), 10, 64); err == nil && n > 0 {
			return time.Duration(min(n, int64(24*time.Hour/time.Millisecond))) * time.Millisecond
		}
	}
	d, _ := httpx.ParseRetryAfter(h, now)
	return d
}

// AnswerError is an answer with a status of success that cannot be read.
type AnswerError struct {
	// What says what is wrong, in words of ours.
	What string
	// Err is the cause or nil. Its text may quote the answer: do not log it.
	Err error
}

// Error says what is wrong.
func (e *AnswerError) Error() string { return "graphx: " + ErrAnswer.Error() + ": " + e.What }

// Unwrap returns Err.
func (e *AnswerError) Unwrap() error { return e.Err }

// Is reports whether target is [ErrAnswer].
func (e *AnswerError) Is(target error) bool { return target == ErrAnswer }

// unreadable makes the error of something that could not be decoded. Errors of reading stay what they are.
func unreadable(what string, err error) error {
	if e, ok := errors.AsType[*httpx.Error](err); ok {
		return e
	}
	if e, ok := errors.AsType[*AnswerError](err); ok {
		return e
	}
	if errors.Is(err, ErrTooBig) {
		return &AnswerError{What: what + " is too big", Err: ErrTooBig}
	}
	return &AnswerError{What: what + " is not the JSON that was expected", Err: err}
}

func badAnswer(format string, args ...any) error {
	return &AnswerError{What: fmt.Sprintf(format, args...)}
}
