package graphx

import (
	"encoding/json"
	"errors"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"

	"github.com/mspkit/mspkit/internal/aadsts"
)

// AuthError is that Entra gave no token. Its text holds no personal data: Entra's own description, which names people, is
// not kept.
type AuthError struct {
	// Codes are the AADSTS numbers, the most exact one first as Entra lists them.
	Codes []int
	// ErrorCode is OAuth's, such as "invalid_grant", and SubError Entra's word beside it.
	ErrorCode, SubError string
	// Advice is what an administrator can do.
	Advice string
	// Claims is what the next sign-in must bring, as Entra wrote it; do not log it.
	Claims string
	// TraceID and CorrelationID are what Microsoft's support asks for.
	TraceID, CorrelationID string
	// Temporary says that the same credential may get a token later without anybody doing anything.
	Temporary bool

	sentinel error
	err      error
}

// maxCodes is how many codes are kept.
const maxCodes = 8

const (
	adviceUnknown = "Entra gave no token: look the code up in Microsoft's list of AADSTS codes"
	adviceSlow    = "Entra did not answer in time: try again later"
	adviceNone    = "the credential gave nothing: check the app registration, its secret and the network"
)

// Error says the codes and the advice.
func (e *AuthError) Error() string {
	var what []string
	for _, c := range e.Codes {
		what = append(what, "AADSTS"+strconv.Itoa(c))
	}
	for _, s := range []string{token(e.ErrorCode), token(e.SubError)} {
		if s != "" {
			what = append(what, s)
		}
	}
	s := "graphx: no token"
	if len(what) > 0 {
		s += ": " + strings.Join(what, ", ")
	}
	if id := token(e.CorrelationID); id != "" {
		s += ", correlation " + id
	}
	return s + ": " + e.Advice
}

// Is reports whether target is the sentinel of e.
func (e *AuthError) Is(target error) bool { return e.sentinel != nil && target == e.sentinel }

// Unwrap returns the credential's own error, whose text may name people, or nil.
func (e *AuthError) Unwrap() error { return e.err }

// NonRetriable tells azcore that asking again at once is useless.
func (e *AuthError) NonRetriable() {}

// sentinels say what a kind of error is here. What is temporary only has none.
var sentinels = map[aadsts.Kind]error{
	aadsts.Consent: ErrConsent, aadsts.Denied: ErrDenied, aadsts.SignIn: ErrRevoked, aadsts.Person: ErrBlocked, aadsts.Policy: ErrBlocked,
	aadsts.Gone: ErrGone, aadsts.Credential: ErrCredential,
}

// ExplainAADSTS returns what an administrator can do about a code of Entra, 65001 for AADSTS65001, and the sentinel that it
// stands for, which is nil for codes without one.
func ExplainAADSTS(code int) (advice string, sentinel error) {
	if m, ok := aadsts.Of(code); ok {
		return m.Advice, sentinels[m.Kind]
	}
	return adviceUnknown, nil
}

// ParseTokenError reads the body of an error of Entra's token endpoint. It returns nil where it is none.
func ParseTokenError(body []byte) *AuthError {
	var b struct {
		Error         text
		Description   text  `json:"error_description"`
		Codes         codes `json:"error_codes"`
		SubError      text
		Claims        text
		TraceID       text `json:"trace_id"`
		CorrelationID text `json:"correlation_id"`
	}
	if len(body) > maxErrorBody {
		return nil
	}
	if err := json.Unmarshal(body, &b); err != nil || b.Error == "" {
		return nil //nolint:nilerr // the result says that it is none
	}
	e := &AuthError{
		Codes: b.Codes, ErrorCode: string(b.Error), SubError: string(b.SubError), Claims: string(b.Claims),
		TraceID: guidOf(string(b.TraceID)), CorrelationID: guidOf(string(b.CorrelationID)),
	}
	e.scan(string(b.Description))
	e.explain()
	return e
}

// codes are numbers, or what else stands there, which is left out.
type codes []int

func (c *codes) UnmarshalJSON(b []byte) error {
	var raw []json.RawMessage
	_ = json.Unmarshal(b, &raw) // where it is no list the description has them
	for _, r := range raw {
		if n, err := strconv.Atoi(strings.Trim(string(r), `"`)); err == nil && n > 0 && len(*c) < maxCodes && !slices.Contains(*c, n) {
			*c = append(*c, n)
		}
	}
	return nil
}

var (
	codePattern  = regexp.MustCompile(`AADSTS([1-9]\d{3,8})\b`)
	guidPattern  = regexp.MustCompile(`^[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$`)
	tracePattern = regexp.MustCompile(`(Trace|Correlation) ID: ([0-9A-Fa-f-]{36})`)
)

func guidOf(s string) string {
	if guidPattern.MatchString(s) {
		return s
	}
	return ""
}

// scan takes codes and ids from a text where they are not known already.
func (e *AuthError) scan(s string) {
	if len(e.Codes) == 0 {
		for _, m := range codePattern.FindAllStringSubmatch(s, maxCodes) {
			if n, err := strconv.Atoi(m[1]); err == nil && !slices.Contains(e.Codes, n) {
				e.Codes = append(e.Codes, n)
			}
		}
	}
	for _, m := range tracePattern.FindAllStringSubmatch(s, 4) {
		id := guidOf(m[2])
		switch {
		case m[1] == "Trace" && e.TraceID == "":
			e.TraceID = id
		case m[1] == "Correlation" && e.CorrelationID == "":
			e.CorrelationID = id
		}
	}
}

// explain fills in what the codes mean: the first that is known counts, then the sub-error, then OAuth's.
func (e *AuthError) explain() {
	for _, c := range e.Codes {
		if m, ok := aadsts.Of(c); ok {
			e.mean(m)
			return
		}
	}
	for _, s := range []string{e.SubError, e.ErrorCode} {
		if m, ok := aadsts.OfOAuth(s); ok {
			e.mean(m)
			return
		}
	}
	e.Advice = adviceUnknown
	if len(e.Codes) == 0 && e.ErrorCode == "" {
		e.Advice = adviceNone
	}
}

func (e *AuthError) mean(m aadsts.Meaning) {
	e.sentinel, e.Temporary, e.Advice = sentinels[m.Kind], m.Temporary, m.Advice
}

// authError explains the error of a credential, nil being a token that is empty. azidentity keeps the answer of Entra in
// the text of its error, where its JSON stands on lines of its own.
func authError(err error) *AuthError {
	if err == nil {
		return &AuthError{Advice: adviceNone}
	}
	if e, ok := errors.AsType[*AuthError](err); ok {
		return e
	}
	var e *AuthError
	if r, ok := errors.AsType[*azcore.ResponseError](err); ok && r.RawResponse != nil && r.RawResponse.Body != nil {
		if b, rerr := runtime.Payload(r.RawResponse); rerr == nil {
			e = ParseTokenError(b)
		}
	}
	if e == nil {
		s := err.Error()
		if len(s) > maxErrorBody {
			s = s[:maxErrorBody]
		}
		if e = findTokenError(s); e == nil {
			e = &AuthError{}
			e.scan(s)
			e.explain()
		}
	}
	e.ask(err)
	e.err = err
	return e
}

// ask takes over what an error of a credential says of itself, such as one of package entra.
func (e *AuthError) ask(err error) {
	var advisor interface{ Advice() string }
	if !errors.As(err, &advisor) || advisor.Advice() == "" {
		return
	}
	if e.sentinel == nil {
		// It has a text that was made to be read, with OAuth's code between the colons.
		for word := range strings.SplitSeq(err.Error(), ": ") {
			if m, ok := aadsts.OfOAuth(word); ok {
				e.ErrorCode = word
				e.mean(m)
				break
			}
		}
	}
	e.Advice = advisor.Advice()
	var lasting interface{ Permanent() bool }
	if errors.As(err, &lasting) {
		e.Temporary = !lasting.Permanent()
	}
	if e.Temporary && len(e.Codes) == 0 {
		e.sentinel = nil // an outage says nothing of what the code would
	}
}

// findTokenError looks for the JSON of a token error in a text.
func findTokenError(s string) *AuthError {
	for range 8 {
		i := strings.IndexByte(s, '{')
		if i < 0 {
			return nil
		}
		s = s[i:]
		var raw json.RawMessage
		if json.NewDecoder(strings.NewReader(s)).Decode(&raw) == nil {
			if e := ParseTokenError(raw); e != nil {
				return e
			}
		}
		s = s[1:]
	}
	return nil
}
