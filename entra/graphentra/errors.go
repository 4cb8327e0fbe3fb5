package graphentra

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"time"

	"github.com/microsoft/kiota-abstractions-go"
	"github.com/microsoftgraph/msgraph-sdk-go/models/odataerrors"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/entra"
	"github.com/mspkit/mspkit/internal/httpx"
)

var (
	// ErrDenied means that who calls lacks a permission or a role.
	ErrDenied = errors.New("a permission or role is missing")
	// ErrSignIn means that Entra gives no token, or that Graph does not take it.
	ErrSignIn = errors.New("there is no token that is accepted")
	// ErrChanged means that the tenant is no longer as it was when the plan was made, in what a step is about. Nothing was written
	// for that step.
	ErrChanged = errors.New("the tenant changed since the plan was made")
	// ErrNotFound means that something which the plan builds upon, such as a user or a group, is not in the tenant.
	ErrNotFound = errors.New("not in the tenant")
	// ErrAmbiguous means that several things in the tenant could be meant.
	ErrAmbiguous = errors.New("several could be meant")
	// ErrPermission means that a resource has no permission of that name and kind, or one with another id than Microsoft documents.
	ErrPermission = errors.New("no such permission")
	// ErrLicence means that the tenant has no licence for it, such as Microsoft Entra ID P1.
	ErrLicence = errors.New("a licence is missing")
	// ErrSecretsForbidden means that a policy of the tenant forbids the credential, or its length of life.
	ErrSecretsForbidden = errors.New("a policy of the tenant forbids the credential")
	// ErrSecurityDefaults means that the tenant has security defaults switched on, which exclude Conditional Access.
	ErrSecurityDefaults = errors.New("security defaults are switched on")
	// ErrNotVisible means that Graph took a write and did not show it within [Options].Lag. A later Apply goes on.
	ErrNotVisible = errors.New("the change is not visible yet")
	// ErrThrottled means that Graph asks to be left alone for a while.
	ErrThrottled = errors.New("throttled")
	// ErrTemporary means that a later try may succeed without anybody doing anything.
	ErrTemporary = errors.New("temporarily not possible")
	// ErrRefused means that Graph does not do it, for a reason that Code may say.
	ErrRefused = errors.New("refused")
)

// Error is what became of a plan or of one of its steps. Its text has no name of a person, no secret, and of what the server wrote
// its codes and ids only.
type Error struct {
	// Op is what was tried: "plan", "apply", "report", ….
	Op string
	// Tenant is the host's name of the tenant.
	Tenant mspkit.TenantID
	// Step is the kind of the step that failed, and What what it is about; both empty where it was none.
	Step Kind
	What string
	// Status, Code and RequestID are those of Graph's answer; zero where there was none.
	Status          int
	Code, RequestID string
	// RetryAfter is how long Microsoft asks to wait; zero is unknown.
	RetryAfter time.Duration
	// Advice is what an administrator can do, as whole sentences.
	Advice string
	// Err is one of the errors of this package, or [mspkit.ErrInvalid].
	Err error
	// Cause is what happened below, or nil. Its text may name people: do not log it.
	Cause error
}

// Error says what was tried, what came of it, and what can be done.
func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "graphentra: %s in %s", e.Op, e.Tenant)
	if e.Step != "" {
		fmt.Fprintf(&b, ": %s (%s)", e.Step, e.What)
	}
	fmt.Fprintf(&b, ": %v", e.Err)
	if e.Status != 0 {
		fmt.Fprintf(&b, " (status %d", e.Status)
		if e.Code != "" {
			b.WriteString(", " + e.Code)
		}
		if e.RequestID != "" {
			b.WriteString(", request " + e.RequestID)
		}
		b.WriteString(")")
	}
	if own, ok := errors.AsType[*httpx.Error](e.Cause); ok {
		fmt.Fprintf(&b, ": %v", own)
	}
	if e.Advice != "" {
		b.WriteString(": " + e.Advice)
	}
	return b.String()
}

// Unwrap returns Err and Cause.
func (e *Error) Unwrap() []error {
	if e.Cause == nil {
		return []error{e.Err}
	}
	return []error{e.Err, e.Cause}
}

// Explain says what an administrator can do about an error of this package, in whole sentences. It is empty for nil, and for
// errors of others.
func Explain(err error) string {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Advice
	}
	return ""
}

// problem is an error whose meaning the place knows where it happens.
type problem struct {
	is     error // one of the errors of this package
	advice string
	err    error // what happened below, or nil
}

func (p *problem) Error() string { return p.is.Error() }

func (p *problem) Unwrap() []error {
	if p.err == nil {
		return []error{p.is}
	}
	return []error{p.is, p.err}
}

// because says of an error what it is and what can be done.
func because(is, err error, advice string, args ...any) error {
	return &problem{is: is, err: err, advice: fmt.Sprintf(advice, args...)}
}

// answer is an error that Graph answered with.
type answer struct {
	status          int
	code, requestID string
	retryAfter      time.Duration
	err             error // its text is the server's
}

func (a *answer) Error() string { return fmt.Sprintf("status %d %s", a.status, a.code) }

func (a *answer) Unwrap() error { return a.err }

// plain is what a code or an id of Microsoft looks like. What looks different is not repeated.
var plain = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$`)

// answered returns what Graph answered, or nil where err is no answer.
func answered(err error, now time.Time) *answer {
	if a, ok := errors.AsType[*answer](err); ok {
		return a
	}
	var api abstractions.ApiErrorable
	if !errors.As(err, &api) {
		return nil
	}
	a := &answer{status: api.GetStatusCode(), err: err}
	if h := api.GetResponseHeaders(); h != nil {
		header := http.Header{}
		for _, name := range []string{"Retry-After", "request-id"} {
			for _, v := range h.Get(strings.ToLower(name)) {
				header.Add(name, v)
			}
			for _, v := range h.Get(name) {
				header.Add(name, v)
			}
		}
		a.retryAfter, _ = httpx.ParseRetryAfter(header, now)
		a.requestID = header.Get("request-id")
	}
	if o, ok := errors.AsType[*odataerrors.ODataError](err); ok {
		main := o.GetErrorEscaped()
		if main != nil && main.GetCode() != nil {
			a.code = *main.GetCode()
		}
		// The details may have a code that says more, as in NoBackingApplicationObject.
		if main != nil && (a.code == "" || a.code == "Request_BadRequest") {
			for _, d := range main.GetDetails() {
				if d != nil && d.GetCode() != nil && *d.GetCode() != "" {
					a.code = *d.GetCode()
					break
				}
			}
		}
	}
	if !plain.MatchString(a.code) {
		a.code = ""
	}
	if !plain.MatchString(a.requestID) {
		a.requestID = ""
	}
	return a
}

// missing reports whether Graph says that something does not exist.
func missing(err error) bool {
	a, ok := errors.AsType[*answer](err)
	return ok && a.status == http.StatusNotFound
}

// lagging reports whether an error of a write may be that what it refers to is not to be seen everywhere yet.
func lagging(a *answer) bool {
	if a.status == http.StatusNotFound {
		return true
	}
	if a.status != http.StatusBadRequest && a.status != http.StatusForbidden {
		return false
	}
	switch a.code {
	case "Request_ResourceNotFound", "ResourceNotFound", "Directory_ObjectNotFound", "NoBackingApplicationObject":
		return true
	}
	return false
}

// temporary reports whether the same call may succeed later by itself.
func temporary(err error) bool {
	if a, ok := errors.AsType[*answer](err); ok {
		switch a.status {
		case http.StatusTooManyRequests, http.StatusRequestTimeout, http.StatusConflict, http.StatusInternalServerError, http.StatusBadGateway,
			http.StatusServiceUnavailable, http.StatusGatewayTimeout:
			return true
		}
		return false
	}
	if t, ok := errors.AsType[*entra.TokenError](err); ok {
		return !t.Permanent()
	}
	if out, ok := errors.AsType[*httpx.Error](err); ok {
		return !errors.Is(out, httpx.ErrOrigin) && !errors.Is(out, httpx.ErrRedirect) && !errors.Is(out, context.Canceled)
	}
	return false
}

// failed returns err as an [*Error]. s is nil where it was no step.
func (t *tenant) failed(op string, s *Step, err error) error {
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[*Error](err); ok {
		return err
	}
	e := &Error{Op: op, Tenant: t.id, Cause: err}
	needs := "Application.ReadWrite.All"
	if s != nil {
		e.Step, e.What = s.Kind, s.What
		needs = s.Kind.needs()
	}
	a := answered(err, t.c.now())
	if a != nil {
		e.Status, e.Code, e.RequestID, e.RetryAfter = a.status, a.code, a.requestID, a.retryAfter
	}
	if p, ok := errors.AsType[*problem](err); ok {
		e.Err, e.Advice = p.is, p.advice
		return e
	}
	e.Advice, e.Err = judge(needs, a, err)
	return e
}

// needs is the least permission for a step, for the advice.
func (k Kind) needs() string {
	switch p, _, _ := strings.Cut(string(k), "."); p {
	case "grant":
		return "DelegatedPermissionGrant.ReadWrite.All and AppRoleAssignment.ReadWrite.All"
	case "assignment":
		return "AppRoleAssignment.ReadWrite.All and Application.Read.All"
	case "conditional":
		return "Policy.Read.All, Policy.ReadWrite.ConditionalAccess, Application.Read.All and Directory.Read.All"
	}
	return "Application.ReadWrite.All"
}

// judge says what an error is and what can be done.
func judge(needs string, a *answer, err error) (advice string, is error) {
	switch {
	case a != nil:
		return judgeAnswer(needs, a)
	case errors.Is(err, entra.ErrNotConnected):
		return "The tenant is not connected to Microsoft 365: connect it.", entra.ErrNotConnected
	case errors.Is(err, mspkit.ErrInvalid):
		return "The call cannot be made as it is: look at its arguments.", mspkit.ErrInvalid
	case errors.Is(err, context.Canceled):
		return "It was stopped before its end: apply what remains.", ErrTemporary
	case errors.Is(err, httpx.ErrOrigin), errors.Is(err, httpx.ErrRedirect):
		return "An answer pointed to another host than Microsoft Graph and was not followed: check the cloud and what stands between.", ErrRefused
	}
	if t, ok := errors.AsType[*entra.TokenError](err); ok {
		if !t.Permanent() {
			return "Microsoft Entra gives no token: " + t.Advice(), ErrTemporary
		}
		return "Microsoft Entra gives no token: " + t.Advice(), ErrSignIn
	}
	if _, ok := errors.AsType[*httpx.Error](err); ok || errors.Is(err, context.DeadlineExceeded) {
		return "Microsoft Graph could not be reached or did not answer in time: apply what remains later.", ErrTemporary
	}
	if _, ok := errors.AsType[*tokenError](err); ok {
		return "There is no token for Microsoft Graph: look at the credential of the tenant.", ErrSignIn
	}
	return "Microsoft Graph could not be asked: look at the cause, and try again later.", ErrTemporary
}

func judgeAnswer(needs string, a *answer) (advice string, is error) {
	switch {
	case strings.HasPrefix(a.code, "Credential") && strings.HasSuffix(a.code, "AsPerAppPolicy"), strings.HasPrefix(a.code, "CredentialTypeNotAllowed"),
		strings.HasPrefix(a.code, "CredentialLifetimeExceeds"):
		return "A policy of the tenant for applications forbids this credential or its length of life: use a federated credential or a certificate, " +
			"or have the application exempted from the policy.", ErrSecretsForbidden
	case strings.Contains(strings.ToLower(a.code), "licens"):
		return "The tenant has no licence for this: groups are assigned and Conditional Access is used with Microsoft Entra ID P1.", ErrLicence
	case a.status == http.StatusUnauthorized:
		return "Microsoft Graph does not take the token: sign in again, or look at the credential.", ErrSignIn
	case a.status == http.StatusForbidden:
		return "Microsoft Graph refuses: who calls needs " + needs + " with admin consent in the tenant, or, with a person who is signed in, the role " +
			"Privileged Role Administrator for consent, Conditional Access Administrator for policies, and Cloud Application Administrator for the rest.", ErrDenied
	case a.status == http.StatusNotFound, lagging(a):
		return "Something that this refers to is not in the tenant: plan again.", ErrNotFound
	case a.status == http.StatusTooManyRequests:
		return "Microsoft Graph asks to be left alone for a while: apply what remains later.", ErrThrottled
	case a.status == http.StatusPreconditionFailed, a.status == http.StatusConflict:
		return "Somebody else changes the same at the same time: plan again.", ErrChanged
	case a.status == http.StatusRequestTimeout, a.status >= http.StatusInternalServerError:
		return "Microsoft Graph has an outage: apply what remains later.", ErrTemporary
	}
	return "Microsoft Graph refuses this as it is: look at the code and the request id.", ErrRefused
}
