package teamsapp

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/mspkit/mspkit/internal/httpx"
)

// The operations that an [Error] names.
const (
	opToken  = "token"
	opCreate = "create"
	opSend   = "send"
	opReply  = "reply"
	opUpdate = "update"
	opDelete = "delete"
)

// Error is a call to Teams or Entra that failed. errors.Is finds the sentinel that says what it means. Its text is
// safe to log: it does not repeat what the service wrote, but for a code.
type Error struct {
	// Op is what was tried: token, create, send, reply, update or delete.
	Op string
	// Status is the HTTP status, 0 where there was no answer.
	Status int
	// Code is the service's error code, for Entra with its number (AADSTS7000215), or empty.
	Code string
	// RetryAfter is how long the service asked to wait, or 0.
	RetryAfter time.Duration
	// CorrelationID is what Microsoft's support asks for, or empty.
	CorrelationID string

	sentinel error
	advice   string // where it is better than the sentinel's
	cause    error  // its text is not ours to repeat
}

// Error says what was tried, the status, the code and the meaning.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Op)
	if e.Status != 0 {
		fmt.Fprintf(&b, ": status %d", e.Status)
	}
	if e.Code != "" {
		fmt.Fprintf(&b, ": code %s", e.Code)
	}
	fmt.Fprintf(&b, ": %v", e.sentinel)
	if own, ok := errors.AsType[*httpx.Error](e.cause); ok {
		fmt.Fprintf(&b, ": %v", own)
	}
	if e.CorrelationID != "" {
		fmt.Fprintf(&b, " (correlation id %s)", e.CorrelationID)
	}
	return b.String()
}

// Unwrap returns the sentinel and, where there is one, the cause, such as the end of the context.
func (e *Error) Unwrap() []error {
	if e.cause == nil {
		return []error{e.sentinel}
	}
	return []error{e.sentinel, e.cause}
}

// Advice says in one sentence what an administrator can do.
func (e *Error) Advice() string {
	if e.advice != "" {
		return e.advice
	}
	advice, _ := explain(e.sentinel)
	return advice
}

// Permanent reports whether doing the same again cannot help until somebody has acted on the advice.
func (e *Error) Permanent() bool {
	if e.Op == opToken && e.Status == 0 { // Entra has not spoken yet
		return false
	}
	_, permanent := explain(e.sentinel)
	return permanent
}

// Explain returns what an administrator can do about an error of this package, in one sentence, and whether doing the
// same again cannot help until that is done. An error of another kind, such as one of the store, gives "".
func Explain(err error) (advice string, permanent bool) {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Advice(), e.Permanent()
	}
	return explain(err)
}

func explain(err error) (advice string, permanent bool) {
	for _, m := range meanings {
		if errors.Is(err, m.sentinel) {
			return m.advice, m.permanent
		}
	}
	return "", false
}

type meaning struct {
	sentinel  error
	advice    string
	permanent bool
}

const adviceFunction = "Look into why the configured function gives no usable token for the bot."

// meanings is what each sentinel asks of an administrator.
var meanings = []meaning{
	{ErrUnknownTenant, "Onboard the customer, or check that the person's Entra tenant is the one that was onboarded.", true},
	{ErrNotInstalled, "Install the app for this person, by an app setup policy, by Graph or by hand, and send again once Teams has told the bot.", true},
	{ErrBlockedByUser, "Ask the person to unblock the bot in Teams, or to add the app again.", true},
	{ErrBlockedByAdmin, "Ask the customer's Teams administrator to allow the app in the Teams admin center.", true},
	{ErrConversationGone, "Nothing is to be done: the chat or message was deleted, and a new message begins the chat again.", true},
	{ErrCredentials, "Check the bot's app id, its secret and the tenant in which it is registered: the token must come from the bot's home tenant, not from the customer's.", true},
	{ErrCloud, "Check that the bot, its cloud setting and the customer's tenant belong to the same Microsoft cloud, and that the Entra application is multi-tenant.", true},
	{ErrServiceURL, "Check the cloud setting: Teams named a service URL that does not belong to it.", true},
	{ErrTooLarge, "Shorten the message, or take images out of it.", true},
	{ErrThrottled, "Send later, and fewer messages at once.", false},
	{ErrUnavailable, "Try again later, and look at Microsoft's service health and the network if it stays.", false},
	{ErrRefused, "Look up the code in Microsoft's documentation, and report the correlation id to Microsoft's support.", true},
	{ErrProtocol, "Look for a proxy or firewall that answers in Microsoft's place.", false},
}

// teamsCodes is what Teams' error codes mean, in lower case.
//
// Source: https://learn.microsoft.com/microsoftteams/platform/bots/how-to/conversations/conversation-messages, with
// what is seen in the field.
var teamsCodes = map[string]meaning{
	"botnotregistered":            {sentinel: ErrCredentials, advice: "Check that an Azure Bot with this app id exists and has the Teams channel."},
	"botnotinconversationroster":  {sentinel: ErrNotInstalled},
	"conversationblockedbyuser":   {sentinel: ErrBlockedByUser},
	"messagewritesblocked":        {sentinel: ErrBlockedByUser, advice: "Ask the person to unblock the bot in Teams, or install the app again if it was removed."},
	"botdisabledbyadmin":          {sentinel: ErrBlockedByAdmin},
	"conversationnotfound":        {sentinel: ErrConversationGone},
	"preconditionfailed":          {sentinel: ErrUnavailable},
	"messagesizetoobig":           {sentinel: ErrTooLarge},
	"throttled":                   {sentinel: ErrThrottled},
	"badsyntax":                   {sentinel: ErrRefused, advice: "Check that the person's ids are of the right tenant, and report the correlation id if they are."},
	"forbiddenoperationexception": {sentinel: ErrCloud},
	"invalidbotapihost":           {sentinel: ErrCloud},
}

// entraCodes is what Entra's error numbers mean for an application that asks for a token of its own.
//
// Source: https://learn.microsoft.com/entra/identity-platform/reference-error-codes. Microsoft may change them;
// one that is not here still has the meaning of its OAuth code.
var entraCodes = map[string]meaning{
	"7000215": {sentinel: ErrCredentials, advice: "The client secret is wrong: configure the secret's value, not its id."},
	"7000222": {sentinel: ErrCredentials, advice: "The client secret has expired: create a new one in the Entra application and configure it."},
	"7000112": {sentinel: ErrCredentials, advice: "The Entra application is disabled: enable it in the bot's home tenant."},
	"700016":  {sentinel: ErrCredentials, advice: "The application is not in this tenant: check the app id, and that the bot's tenant id is that of its home tenant."},
	"7000229": {sentinel: ErrCredentials, advice: "The application has no service principal in the bot's home tenant: create its enterprise application there."},
	"90002":   {sentinel: ErrCredentials, advice: "The bot's tenant does not exist in this cloud: check the tenant id and the cloud setting."},
	"53003":   {sentinel: ErrCredentials, advice: "A Conditional Access policy for workload identities blocks the bot: exclude it, or allow the address from which it asks."},
	"700024":  {sentinel: ErrCredentials, advice: "The assertion is not valid at this time: check the clock of the machine that makes it."},
	"700027":  {sentinel: ErrCredentials, advice: "The assertion's signature was refused: check that the certificate is registered with the Entra application and has not expired."},
	"70021":   {sentinel: ErrCredentials, advice: "No federated credential of the Entra application fits the assertion: compare issuer, subject and audience."},
	"700213":  {sentinel: ErrCredentials, advice: "No federated credential of the Entra application fits the assertion: compare issuer, subject and audience."},
}

// newError reads a refusal. body may be anything.
func newError(op string, resp *http.Response, body []byte, now time.Time) *Error {
	e := &Error{Op: op, Status: resp.StatusCode, Code: teamsCode(body), CorrelationID: cleanCorrelation(resp.Header.Get("Ms-Cv"))}
	e.RetryAfter, _ = httpx.ParseRetryAfter(resp.Header, now)
	m, known := teamsCodes[strings.ToLower(e.Code)]
	switch {
	case known:
		e.sentinel, e.advice = m.sentinel, m.advice
	default:
		e.sentinel = statusMeaning(op, e.Status)
	}
	return e
}

func statusMeaning(op string, status int) error {
	switch status {
	case http.StatusUnauthorized:
		return ErrCredentials
	case http.StatusNotFound:
		if op == opCreate { // there is no conversation yet that could be gone
			return ErrCloud
		}
		return ErrConversationGone
	case http.StatusRequestEntityTooLarge:
		return ErrTooLarge
	case http.StatusTooManyRequests:
		return ErrThrottled
	case http.StatusRequestTimeout, http.StatusPreconditionFailed:
		return ErrUnavailable
	}
	if status >= 500 {
		return ErrUnavailable
	}
	return ErrRefused
}

// teamsCode finds the code in each of the shapes that Teams answers with:
//
//	{"error": {"code": "…", "message": "…"}}
//	{"errorCode": 209, "message": "{\"subCode\": \"…\", …}"}
//	{"message": "Authorization has been denied for this request."}
//
// It returns "" for the last one and for all that is none of them.
func teamsCode(body []byte) string {
	var b struct {
		Error     json.RawMessage `json:"error"`
		ErrorCode any             `json:"errorCode"`
		Message   any             `json:"message"`
	}
	if json.Unmarshal(body, &b) != nil {
		return ""
	}
	var inner struct {
		Code    any `json:"code"`
		Message any `json:"message"`
	}
	if json.Unmarshal(b.Error, &inner) != nil {
		inner.Code = nil
	}
	for _, v := range []any{subCode(b.Message), subCode(inner.Message), inner.Code, b.ErrorCode} {
		if c := cleanCode(v); c != "" {
			return c
		}
	}
	return ""
}

// subCode reads a message that is JSON itself.
func subCode(message any) any {
	s, ok := message.(string)
	if !ok {
		return nil
	}
	var m struct {
		SubCode any `json:"subCode"`
	}
	if json.Unmarshal([]byte(s), &m) != nil {
		return nil
	}
	return m.SubCode
}

var (
	codeForm       = regexp.MustCompile(`^[A-Za-z0-9_.-]{1,64}$`)
	notCorrelation = regexp.MustCompile(`[^A-Za-z0-9+/=._-]+`)
)

const maxCorrelation = 128

// cleanCode returns a code that looks like one, or "".
func cleanCode(v any) string {
	var s string
	switch v := v.(type) {
	case string:
		s = v
	case float64:
		s = strconv.FormatFloat(v, 'f', -1, 64)
	}
	if !codeForm.MatchString(s) {
		return ""
	}
	return s
}

func cleanCorrelation(s string) string {
	s = notCorrelation.ReplaceAllString(s, "")
	return s[:min(len(s), maxCorrelation)]
}
