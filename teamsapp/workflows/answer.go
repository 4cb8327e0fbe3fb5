package workflows

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/mspkit/mspkit/internal/httpx"
)

// What to do next, in words.
const (
	adviceSchema   = "the trigger of the flow has a schema that the post does not fit: remove the schema, or choose the form \"text\" for a flow that reads {\"text\": …} and \"card\" for one that reads attachments"
	adviceAnyone   = "set \"Who can trigger the flow\" to Anyone and copy the URL again: it then ends with a signature"
	adviceNoSAS    = "an administrator has switched off URLs with a signature for this flow or environment: allow them, or post with a bot"
	adviceDeleted  = "the flow was deleted, or made anew: its new URL is needed"
	adviceOff      = "the flow is switched off, by its owner, or by Microsoft after weeks of failures or because its owner left: switch it on in Workflows, or make a new one and take its URL"
	adviceNoFlow   = "there is no such flow any more: its owner deleted it or left, or the URL is incomplete. Copy the URL again, or make a new flow with a second owner"
	adviceTwoAuths = "something on the way adds an Authorization header: look at the HTTP client and the proxy"
	adviceSmaller  = "the flow takes no post of this size: make it shorter"
	adviceWait     = "the flow is throttled: posts wait and are tried again. Where it happens often, its owner needs another licence or fewer posts"
	adviceLater    = "it is tried again by itself; https://admin.powerplatform.microsoft.com shows whether Microsoft has an outage"
	adviceRedirect = "redirects are not followed, because they could lead anywhere: " + adviceCopy
	adviceNotFlow  = "this is not an answer of Workflows: look at the proxy, and copy the URL again from the flow"
	adviceAddress  = "the host's name leads to an address that is not public; nothing was sent. Look at the DNS of this machine and copy the URL again"
	adviceNetwork  = "this machine does not reach Workflows: look at DNS, firewall and proxy"
	adviceRefused  = "look into the run history of the flow, which may say more"
)

// Codes of Microsoft that say what a status does not. They are not documented as a list; these were seen.
const (
	codeSchema    = "TriggerInputSchemaMismatch"
	codeNotOn     = "WorkflowTriggerIsNotEnabled"
	codeDisabled  = "WorkflowDisabled"
	codeNoFlow    = "WorkflowNotFound"
	codeNoSAS     = "DirectApiInvalidAuthorizationScheme"
	codeTwoAuths  = "DirectApiRequestHasMoreThanOneAuthorization"
	codeNoVersion = "MissingApiVersionParameter"
)

// maxAnswer is how much of an answer is read; real ones have some hundred bytes.
const maxAnswer = 64 << 10

// fault is what the body of a refusal says.
type fault struct {
	code    string
	deleted bool
}

// parseFault reads {"error":{"code","message"}}, {"code","message"} and {"error":"code"}. What is not understood is left
// out: the status says enough. Of the message it takes nothing but whether the flow was deleted, since it holds names and
// ids of the customer.
func parseFault(b []byte) fault {
	var outer struct {
		Error   json.RawMessage `json:"error"`
		Code    string          `json:"code"`
		Message string          `json:"message"`
	}
	if json.Unmarshal(b, &outer) != nil {
		return fault{}
	}
	code, message := outer.Code, outer.Message
	if len(outer.Error) > 0 {
		var inner struct {
			Code    string `json:"code"`
			Message string `json:"message"`
		}
		if json.Unmarshal(outer.Error, &inner) == nil && inner.Code != "" {
			code, message = inner.Code, inner.Message
		} else if code == "" {
			_ = json.Unmarshal(outer.Error, &code) // a string, or it stays empty
		}
	}
	if !isCode(code) {
		code = ""
	}
	return fault{code: code, deleted: strings.Contains(message, "'Deleted'")}
}

// isCode reports whether s looks like a code: what a hostile server writes must not become a sentence in our log, nor a link.
func isCode(s string) bool {
	return s != "" && len(s) <= 64 && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") == ""
}

// runID returns the id of the run that a post started, if it looks like one.
func runID(h http.Header) string {
	id := h.Get("x-ms-workflow-run-id")
	if len(id) > 128 || strings.Trim(id, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") != "" {
		return ""
	}
	return id
}

// judge says what a status with its fault means. A nil error means that the post was accepted.
func judge(op string, status int, f fault, retryAfter time.Duration) *Error {
	e := &Error{Op: op, Status: status, Code: f.code}
	say := func(kind error, advice string) *Error {
		e.kind, e.Advice = kind, advice
		return e
	}
	switch {
	case status >= 200 && status < 300:
		return nil
	case status == http.StatusTooManyRequests:
		e.RetryAfter = retryAfter
		return say(ErrThrottled, adviceWait)
	case status == http.StatusServiceUnavailable:
		e.RetryAfter = retryAfter
		return say(ErrUnavailable, adviceLater)
	case status == http.StatusRequestTimeout, status >= 500:
		e.Unclear = true
		return say(ErrUnavailable, adviceLater)
	case status < 400:
		return say(ErrProtocol, adviceRedirect)
	}
	switch f.code { // before the status: one and the same fault comes with several
	case codeNotOn, codeDisabled:
		if f.deleted {
			return say(ErrGone, adviceDeleted)
		}
		return say(ErrGone, adviceOff)
	case codeNoFlow:
		return say(ErrGone, adviceNoFlow)
	case codeNoSAS:
		return say(ErrUnauthorized, adviceNoSAS)
	case codeSchema:
		return say(ErrRefused, adviceSchema)
	case codeTwoAuths:
		return say(ErrRefused, adviceTwoAuths)
	case codeNoVersion:
		return say(ErrUnauthorized, adviceCopy)
	}
	switch status {
	case http.StatusUnauthorized, http.StatusForbidden:
		return say(ErrUnauthorized, adviceAnyone)
	case http.StatusNotFound, http.StatusGone:
		return say(ErrGone, adviceNoFlow)
	case http.StatusRequestEntityTooLarge:
		return say(ErrTooLarge, adviceSmaller)
	case http.StatusMethodNotAllowed, http.StatusProxyAuthRequired:
		return say(ErrProtocol, adviceNotFlow)
	}
	return say(ErrRefused, adviceRefused)
}

// unanswered says what an error of the network means. ctx is the caller's.
func unanswered(ctx context.Context, op string, err error) *Error {
	e := &Error{Op: op, kind: ErrUnavailable, Advice: adviceNetwork, cause: ctx.Err()}
	if h, ok := errors.AsType[*httpx.Error](err); ok {
		e.Unclear = h.Sent
	}
	dns, isDNS := errors.AsType[*net.DNSError](err)
	switch {
	case errors.Is(err, httpx.ErrRedirect):
		e.kind, e.reason, e.Advice, e.Unclear = ErrProtocol, "it answered with a redirect", adviceRedirect, false
	case errors.Is(err, httpx.ErrAddress):
		e.kind, e.reason, e.Advice = ErrURL, "the address is not allowed", adviceAddress
	case e.cause != nil:
		e.reason, e.Advice = "the caller gave up", ""
	case errors.Is(err, httpx.ErrTimeout):
		e.reason, e.Advice = "no answer in time", adviceLater
	case isDNS && dns.IsNotFound:
		e.reason = "its host was not found"
	case isDNS:
		e.reason = "its host could not be looked up"
	case e.Unclear:
		e.reason, e.Advice = "the connection was lost", adviceLater
	default:
		e.reason = "no connection could be made"
	}
	return e
}
