package graphcontacts

import (
	"context"
	"errors"
	"fmt"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/contacts"
	"github.com/mspkit/mspkit/entra/azurecred"
	"github.com/mspkit/mspkit/internal/graphx"
)

var (
	// ErrRefused means that numbers were not written because of who the person is; nothing was sent that changes anything.
	// The error is a [*RefusedError].
	ErrRefused = errors.New("graphcontacts: the numbers are not written")
	// ErrUnknown means that a request to write numbers may have been obeyed or not: look at the user.
	ErrUnknown = errors.New("graphcontacts: it is not known whether the numbers were written")
	// ErrAudit means that an attempt could not be noted. Before the request nothing is sent then.
	ErrAudit = errors.New("graphcontacts: the attempt could not be noted")

	errUnnoted = fmt.Errorf("%w, nothing was written", ErrAudit)

	errHidden = fmt.Errorf("%w: the application may not see whether accounts are switched off, grant User.Read.All", contacts.ErrSource)
)

// RefusedError says why numbers are not written.
type RefusedError struct {
	// Reason is for people.
	Reason string
}

// Error says why.
func (e *RefusedError) Error() string { return ErrRefused.Error() + ": " + e.Reason }

// Is reports whether target is [ErrRefused].
func (e *RefusedError) Is(target error) bool { return target == ErrRefused }

func refused(format string, args ...any) error {
	return &RefusedError{Reason: fmt.Sprintf(format, args...)}
}

// lacks is an error of a call that needs a permission.
type lacks struct {
	permission string
	err        error
}

func (e *lacks) Error() string { return e.err.Error() }

func (e *lacks) Unwrap() error { return e.err }

// needs says which permission a call needs that failed.
func needs(permission string, err error) error {
	var said *lacks
	if err == nil || !errors.Is(err, graphx.ErrDenied) || errors.As(err, &said) {
		return err
	}
	return &lacks{permission, err}
}

// connected says of an error of the credentials whose cause it is.
func connected(err error) error {
	if errors.Is(err, azurecred.ErrNotConnected) && !errors.Is(err, contacts.ErrTenant) {
		return fmt.Errorf("%w: %w", contacts.ErrTenant, err)
	}
	return err
}

// failure is an error of this package with what it was about.
type failure struct {
	what   string
	tenant mspkit.TenantID
	err    error
}

func fail(what string, tenant mspkit.TenantID, permission string, err error) error {
	return &failure{what, tenant, connected(needs(permission, err))}
}

func (e *failure) Error() string {
	return "graphcontacts: " + e.what + " of " + string(e.tenant) + ": " + e.err.Error()
}

func (e *failure) Unwrap() error { return e.err }

// Explain is [Explain]: a syncer that is given no words of its own finds these.
func (e *failure) Explain() string { return explain(e.err) }

// Explain says what an administrator can do about an error of this package, in words without personal data. It is empty for
// nil, and for errors of others.
func Explain(err error) string {
	if f, ok := errors.AsType[*failure](err); ok {
		return f.Explain()
	}
	return ""
}

func explain(err error) string {
	var (
		auth    *graphx.AuthError
		answer  *graphx.Error
		refusal *RefusedError
		need    *lacks
	)
	switch {
	case errors.As(err, &refusal):
		return "The numbers were not written: " + refusal.Reason + "."
	case errors.Is(err, errUnnoted):
		return "The attempt could not be noted, so nothing was written: look at where attempts are kept."
	case errors.Is(err, ErrAudit):
		return "What became of the attempt could not be noted: look at the user in the Entra admin center, and at where attempts are kept."
	case errors.Is(err, ErrUnknown):
		return "It is not known whether the numbers were written: look at the user in the Entra admin center before trying again."
	case errors.Is(err, contacts.ErrTenant):
		return "The tenant is not connected to Microsoft 365: connect it, nobody has left because of this."
	case errors.Is(err, contacts.ErrCursor):
		return "Microsoft 365 cannot go on from where the last run stood: everybody is listed again."
	case errors.As(err, &auth) && auth.Advice != "":
		return "Microsoft Entra gives no token: " + auth.Advice + "."
	case errors.Is(err, errHidden):
		return "The application may not see whether accounts are switched off: grant User.Read.All in the tenant."
	case errors.As(err, &need):
		return "Microsoft Graph refuses: the application needs the permission " + need.permission +
			" with admin consent in the tenant, or a role in the GDAP relationship that allows the same. Nobody has left because of this."
	case errors.As(err, &answer) && answer.Advice != "":
		return "Microsoft Graph refuses: " + answer.Advice + "."
	case errors.Is(err, graphx.ErrOrigin):
		return "An answer pointed to another host than Microsoft Graph and was not followed: check the cloud and what stands between."
	case errors.Is(err, context.DeadlineExceeded):
		return "Microsoft 365 did not answer in time: it is tried again later."
	case errors.Is(err, context.Canceled):
		return "It was stopped before its end: it goes on from where it stood."
	case errors.Is(err, contacts.ErrSource):
		return "Microsoft 365 answered with what cannot be used: nothing was changed, and it is tried again later."
	}
	return "Microsoft 365 could not be reached or did not answer as expected: nothing was changed, and it is tried again later."
}
