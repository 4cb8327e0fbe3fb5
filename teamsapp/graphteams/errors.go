package graphteams

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/entra/azurecred"
	"github.com/mspkit/mspkit/internal/graphx"
	"github.com/mspkit/mspkit/internal/httpx"
)

var (
	// ErrNotPublished means that the app is not in the tenant's catalog.
	ErrNotPublished = errors.New("the app is not in the tenant's catalog")
	// ErrManifest means that Microsoft does not take the package. The error has a [*ManifestError] in its chain.
	ErrManifest = errors.New("the package is refused")
	// ErrDelegated means that a person is needed: nothing that is granted to an application by itself would do.
	ErrDelegated = errors.New("a signed-in person is needed")
	// ErrDenied means that a permission, or a role of the person, is missing.
	ErrDenied = errors.New("a permission or role is missing")
	// ErrConsent means that nobody has consented to the application in the tenant, or not any more.
	ErrConsent = errors.New("consent is missing or withdrawn")
	// ErrSignIn means that Microsoft Entra gives no token, or that Graph does not take it.
	ErrSignIn = errors.New("there is no token that is accepted")
	// ErrChanged means that somebody else changed the same app at the same time, again and again.
	ErrChanged = errors.New("somebody else changed the app at the same time")
	// ErrVersion means that the catalog has a higher version already, or this one for another application.
	ErrVersion = errors.New("the catalog has a higher version")
	// ErrUnknown means that the request may have been obeyed or not. Calling again does no harm.
	ErrUnknown = errors.New("it is not known whether it was done")
	// ErrCloud means that Microsoft does not offer this in the tenant's cloud. Nothing was sent.
	ErrCloud = errors.New("not offered in this cloud")
	// ErrTemporary means that a later try may succeed without anybody doing anything.
	ErrTemporary = errors.New("temporarily not possible")
	// ErrRefused means that Microsoft does not do it, for a reason that Code may say.
	ErrRefused = errors.New("refused")
)

// Error is what became of a call. Its text has no name of a person, nothing of the manifest, and of what the server wrote
// its codes and ids only.
type Error struct {
	// Op is what was tried.
	Op string
	// Tenant is the host's name of the tenant.
	Tenant mspkit.TenantID
	// Status, Code and RequestID are those of Graph's answer, of several codes the most exact one; zero where there was none.
	Status          int
	Code, RequestID string
	// RetryAfter is how long Microsoft asks to wait; zero is unknown.
	RetryAfter time.Duration
	// Advice is what an administrator can do, as whole sentences.
	Advice string
	// Err is one of the errors of this package, [azurecred.ErrNotConnected] or [mspkit.ErrInvalid].
	Err error
	// Cause is what happened below, or nil. Its text is safe, too.
	Cause error
}

// Error says what was tried, what came of it, and what can be done.
func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "graphteams: %s in %s: %v", e.Op, e.Tenant, e.Err)
	if e.Cause != nil && e.Status == 0 {
		fmt.Fprintf(&b, ": %v", e.Cause)
	}
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

// Explain returns the advice, for those who show a problem to an administrator.
func (e *Error) Explain() string { return e.Advice }

// Explain says what an administrator can do about an error of this package, in whole sentences without personal data. It is
// empty for nil, and for errors of others.
func Explain(err error) string {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Advice
	}
	return ""
}

// problem is an error whose meaning the place knows where it happens. failed makes an [*Error] of it.
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

// failed returns err as an [*Error] of this package. needs is the least permission of the call, for the advice; empty where
// there is none.
func (c *Client) failed(op string, tenant mspkit.TenantID, needs string, err error) error {
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[*Error](err); ok {
		return err
	}
	e := &Error{Op: op, Tenant: tenant, Cause: err}
	if g, ok := errors.AsType[*graphx.Error](err); ok {
		e.Status, e.Code, e.RequestID, e.RetryAfter = g.Status, g.PlainCode(), g.PlainRequestID(), g.RetryAfter
	}
	if p, ok := errors.AsType[*problem](err); ok {
		e.Err, e.Advice, e.Cause = p.is, p.advice, p.err
		return e
	}
	e.Advice, e.Err = judge(needs, err)
	return e
}

// judge says of an error of Graph, of Entra or of the way there what it is and what can be done.
func judge(needs string, err error) (advice string, is error) {
	var (
		auth   *graphx.AuthError
		answer *graphx.Error
		out    *httpx.Error
	)
	switch {
	case errors.Is(err, azurecred.ErrNotConnected):
		return "The tenant is not connected to Microsoft 365: connect it.", azurecred.ErrNotConnected
	case errors.Is(err, mspkit.ErrInvalid):
		return "The call cannot be made as it is: look at its arguments.", mspkit.ErrInvalid
	case errors.Is(err, graphx.ErrConsent):
		return "An administrator of the tenant must consent to the application" + permission(needs) + ".", ErrConsent
	case errors.As(err, &auth):
		is = ErrSignIn
		switch {
		case auth.Temporary:
			is = ErrTemporary
		case errors.Is(err, graphx.ErrDenied):
			is = ErrDenied
		}
		return "Microsoft Entra gives no token: " + auth.Advice + ".", is
	case errors.As(err, &answer):
		return judgeAnswer(needs, answer)
	case errors.Is(err, context.Canceled):
		return "It was stopped before its end: do it again.", ErrTemporary
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &out):
		return "Microsoft Graph could not be reached or did not answer in time: try again later.", ErrTemporary
	case errors.Is(err, graphx.ErrAnswer), errors.Is(err, graphx.ErrTooBig), errors.Is(err, graphx.ErrCircle):
		return "Microsoft Graph answered with what cannot be used: try again later.", ErrTemporary
	case errors.Is(err, graphx.ErrOrigin):
		return "An answer pointed to another host than Microsoft Graph and was not followed: check the cloud and what stands between.", ErrRefused
	}
	return "Microsoft 365 could not be asked: look at the cause, and try again later.", ErrTemporary
}

func permission(needs string) string {
	if needs == "" {
		return ""
	}
	return ", and to its permission " + needs
}

func judgeAnswer(needs string, answer *graphx.Error) (advice string, is error) {
	switch status := answer.Status; {
	case status == http.StatusForbidden:
		advice = "Microsoft Graph refuses: "
		if needs != "" {
			advice += "the application needs the permission " + needs + " with admin consent in the tenant, or, where it acts for a partner, a role in the GDAP relationship that allows the same."
		} else {
			advice += answer.Advice + "."
		}
		return advice, ErrDenied
	case status == http.StatusUnauthorized:
		return "Microsoft Graph does not take the token: " + answer.Advice + ".", ErrSignIn
	case status == http.StatusTooManyRequests, status == http.StatusRequestTimeout, status >= http.StatusInternalServerError && status != http.StatusNotImplemented:
		return "Microsoft Graph cannot do it now: " + answer.Advice + ".", ErrTemporary
	}
	return "Microsoft Graph refuses: " + answer.Advice + ".", ErrRefused
}
