package entra

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/mspkit/mspkit/internal/aadsts"
	"github.com/mspkit/mspkit/internal/httpx"
)

// TokenError is a request for a token that failed. errors.Is finds the sentinel that says what it means. Its text is safe to
// log: of what Entra wrote it repeats a code and the correlation id.
type TokenError struct {
	// Status is the HTTP status, 0 where there was no answer.
	Status int
	// Code is Entra's number such as AADSTS65001, else the OAuth code such as invalid_grant, or empty.
	Code string
	// RetryAfter is how long Entra asked to wait, or 0.
	RetryAfter time.Duration
	// CorrelationID is what Microsoft's support asks for, or empty.
	CorrelationID string
	// Claims is the challenge of Conditional Access that the next request for a token must answer, or empty.
	Claims string

	sentinel  error
	advice    string
	temporary bool
	numbered  bool  // the meaning is that of a number, which says more than the status
	cause     error // its text is not ours to repeat
}

// Error says what Entra answered, and what can be done.
func (e *TokenError) Error() string {
	var b strings.Builder
	b.WriteString(e.sentinel.Error())
	if e.Code != "" {
		b.WriteString(": " + e.Code)
	} else if e.Status != 0 {
		fmt.Fprintf(&b, ": status %d", e.Status)
	}
	if own, ok := errors.AsType[*httpx.Error](e.cause); ok {
		b.WriteString(": " + own.Error())
	}
	b.WriteString(": " + e.Advice())
	if e.CorrelationID != "" {
		b.WriteString(" (correlation id " + e.CorrelationID + ")")
	}
	return b.String()
}

// Unwrap returns the sentinel and, where there is one, the cause, such as the end of the context.
func (e *TokenError) Unwrap() []error {
	if e.cause == nil {
		return []error{e.sentinel}
	}
	return []error{e.sentinel, e.cause}
}

// NonRetriable keeps azcore from repeating a request for which there is no token.
func (*TokenError) NonRetriable() {}

// Advice says in one sentence what an administrator can do.
func (e *TokenError) Advice() string {
	if e.advice != "" {
		return e.advice
	}
	return advise(e.sentinel)
}

// Permanent reports whether asking again cannot help until somebody has acted on the advice.
func (e *TokenError) Permanent() bool {
	return !e.temporary && !errors.Is(e.sentinel, ErrUnavailable) && !errors.Is(e.sentinel, ErrThrottled)
}

// advise says what a sentinel asks of an administrator.
func advise(sentinel error) string {
	switch {
	case errors.Is(sentinel, ErrConsent):
		return "send the customer's administrator a new consent link"
	case errors.Is(sentinel, ErrCredentials):
		return "check the application's id and its secret, certificate or federated credential"
	case errors.Is(sentinel, ErrSignIn):
		return "sign in again and complete multifactor authentication"
	case errors.Is(sentinel, ErrTenantGone):
		return "check the id of the tenant and the cloud setting, and release the connection if the tenant was closed"
	case errors.Is(sentinel, ErrThrottled):
		return "try again later, with fewer requests at once"
	case errors.Is(sentinel, ErrUnavailable):
		return "try again later, and look at Microsoft's service health and the network if it stays"
	}
	return "look up the code at https://login.microsoftonline.com/error"
}

// sentinels say what a kind of error is here.
var sentinels = map[aadsts.Kind]error{
	aadsts.Consent: ErrConsent, aadsts.SignIn: ErrSignIn, aadsts.Person: ErrSignIn, aadsts.Credential: ErrCredentials, aadsts.Gone: ErrTenantGone,
	aadsts.Throttled: ErrThrottled, aadsts.Unavailable: ErrUnavailable, aadsts.Denied: ErrRefused, aadsts.Policy: ErrRefused,
	aadsts.Malformed: ErrRefused,
}

// numbers finds the numbers of an error where error_codes is missing.
var numbers = regexp.MustCompile(`\bAADSTS([1-9]\d{3,8})\b`)

// maxNumbers is how many numbers of an error are looked at.
const maxNumbers = 8

// oauthCode is what an OAuth error code may look like.
var oauthCode = regexp.MustCompile(`^[a-z_]{1,64}$`)

// NewTokenError reads the answer to a request for a token that was refused. body may be anything; now is the clock against
// which a Retry-After date is read.
func NewTokenError(status int, header http.Header, body []byte, now time.Time) *TokenError {
	var answer struct {
		Error       string        `json:"error"`
		Description string        `json:"error_description"`
		Codes       []json.Number `json:"error_codes"`
		Correlation string        `json:"correlation_id"`
		Claims      string        `json:"claims"`
	}
	_ = json.Unmarshal(body, &answer) // what cannot be read is empty
	e := oauthError(answer.Error, answer.Description)
	e.Status = status
	e.RetryAfter, _ = httpx.ParseRetryAfter(header, now)
	e.number(answer.Codes)
	for _, id := range []string{answer.Correlation, header.Get("x-ms-request-id")} {
		if id, err := CanonicalID(id); err == nil && e.CorrelationID == "" {
			e.CorrelationID = id
		}
	}
	if len(answer.Claims) <= 4<<10 {
		e.Claims = answer.Claims
	}
	switch {
	case e.numbered:
	case status == http.StatusTooManyRequests:
		e.sentinel, e.advice = ErrThrottled, ""
	case status >= 500 || status == http.StatusRequestTimeout:
		e.sentinel, e.advice = ErrUnavailable, ""
	}
	return e
}

// oauthError reads an error that came as OAuth's two texts.
func oauthError(code, description string) *TokenError {
	e := &TokenError{sentinel: ErrRefused}
	if oauthCode.MatchString(code) {
		e.Code = code
	}
	if m, ok := aadsts.OfOAuth(code); ok {
		e.mean(m)
	}
	var found []json.Number
	for _, m := range numbers.FindAllStringSubmatch(description, maxNumbers) {
		found = append(found, json.Number(m[1]))
	}
	e.number(found)
	return e
}

func (e *TokenError) mean(m aadsts.Meaning) {
	e.sentinel, e.advice, e.temporary = sentinels[m.Kind], m.Advice, m.Temporary
}

// number takes the first number that is known, else the first that is one. Entra lists the most exact one first.
func (e *TokenError) number(list []json.Number) {
	first := true
	for _, n := range list[:min(len(list), maxNumbers)] {
		s := n.String()
		i, err := strconv.Atoi(s)
		if len(s) < 4 || len(s) > 9 || strings.Trim(s, "0123456789") != "" || err != nil {
			continue
		}
		m, known := aadsts.Of(i)
		if known || first && !e.numbered {
			e.Code = "AADSTS" + s
		}
		if first = false; known {
			e.mean(m)
			e.numbered = true
			return
		}
	}
}

// TokenUnavailable makes a [*TokenError] of a request that got no answer.
func TokenUnavailable(cause error) *TokenError {
	return &TokenError{sentinel: ErrUnavailable, cause: cause}
}
