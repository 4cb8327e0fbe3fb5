package accounts

import (
	"errors"
	"fmt"

	"github.com/mspkit/mspkit/entra"
)

// The sentinels; the table in the package comment says what they mean and what to do.
var (
	// ErrNotFound means that the owner has no such account or invitation.
	ErrNotFound = errors.New("accounts: there is no such account or invitation")
	// ErrExists means that the owner has an account or an invitation of that id already.
	ErrExists = errors.New("accounts: the id is taken")
	// ErrConflict means that somebody else has changed the account meanwhile, or that it is of another kind.
	ErrConflict = errors.New("accounts: the account has been changed meanwhile, or is another one")
	// ErrLinked means that the account belongs to another person in Entra, who must be unlinked first.
	ErrLinked = errors.New("accounts: the account is linked to somebody already")
	// ErrTaken means that the person in Entra has another account of the same owner.
	ErrTaken = errors.New("accounts: whoever signed in has another account")
	// ErrLastAdmin means that after the change nobody could let anybody in: it would take the last admin away who can sign in.
	ErrLastAdmin = errors.New("accounts: this is the last admin who can sign in")
	// ErrSetUp means that the owner has an admin who can sign in, so that nothing is left to set up.
	ErrSetUp = errors.New("accounts: this is set up already")
	// ErrState means that a link was used already, was revoked, is too old, or is not ours. They are not told apart.
	ErrState = errors.New("accounts: the link was used already, was revoked, is too old, or is not ours")
	// ErrTooMany means that the owner has as many open invitations as there may be.
	ErrTooMany = errors.New("accounts: too many invitations are open")

	// ErrUnknown means that whoever signed in has no account. It is an [entra.ErrForbidden], as are all that follow, with an
	// [entra.Reason].
	ErrUnknown = refusal(entra.ReasonAccount, "whoever signed in has no account")
	// ErrDisabled means that the account was disabled.
	ErrDisabled = refusal(ReasonDisabled, "the account is disabled")
	// ErrNoRole means that the id token has no role of the application although one is required, or that of a first admin another one:
	// the person must be assigned it in Entra.
	ErrNoRole = refusal(entra.ReasonRole, "the person has no role of the application in Entra")
	// ErrTenant means that somebody of another tenant signed in.
	ErrTenant = refusal(entra.ReasonTenant, "whoever signed in is of another tenant")
	// ErrGuest means that a guest of the tenant signed in.
	ErrGuest = refusal(entra.ReasonGuest, "whoever signed in is a guest of the tenant")
	// ErrNotFresh means that the sign-in does not prove that the person has just given their credentials.
	ErrNotFresh = refusal(entra.ReasonFresh, "the sign-in is not fresh")
)

// The reasons of this package, besides those of package entra.
const (
	ReasonDisabled  entra.Reason = "disabled"
	ReasonTaken     entra.Reason = "taken"
	ReasonLinked    entra.Reason = "linked"
	ReasonSetUp     entra.Reason = "set-up"
	ReasonConflict  entra.Reason = "conflict"
	ReasonLastAdmin entra.Reason = "last-admin"
)

func refusal(r entra.Reason, text string) error {
	return fmt.Errorf("accounts: %s: %w", text, entra.Refuse(r))
}

// reasonOf is [entra.ReasonOf] that knows the errors of this package as well.
func reasonOf(err error) entra.Reason {
	for _, x := range []struct {
		err    error
		reason entra.Reason
	}{
		{ErrState, entra.ReasonState},
		{ErrTaken, ReasonTaken},
		{ErrLinked, ReasonLinked},
		{ErrSetUp, ReasonSetUp},
		{ErrConflict, ReasonConflict},
		{ErrLastAdmin, ReasonLastAdmin},
		{ErrNotFound, entra.ReasonAccount},
	} {
		if errors.Is(err, x.err) {
			return x.reason
		}
	}
	return entra.ReasonOf(err)
}
