package accounts

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/entra"
	"github.com/mspkit/mspkit/internal/cleantext"
)

// maxName is the longest name of a person in characters.
const maxName = 128

// Kind is what an account or an invitation is for.
type Kind string

// The kinds.
const (
	// Technician is somebody of the MSP, with a role.
	Technician Kind = "technician"
	// Portal is somebody of one client, who is let into the client portal and has no role.
	Portal Kind = "portal"
	// Bootstrap is the link by which the first admin comes. There are no accounts of this kind.
	Bootstrap Kind = "bootstrap"
)

// MFA says whether the host must see a second factor of its own of this person ("Use MFA").
type MFA uint8

// The values of MFA.
const (
	// MFADefault is what [Options.MFA] says.
	MFADefault MFA = iota
	// MFAOn demands one.
	MFAOn
	// MFAOff does not.
	MFAOff
)

// String returns "default", "on" or "off".
func (m MFA) String() string {
	switch m {
	case MFADefault:
		return "default"
	case MFAOff:
		return "off"
	case MFAOn:
	}
	return "on"
}

// ParseMFA returns the value of that name and [mspkit.ErrInvalid] for any other text.
func ParseMFA(name string) (MFA, error) {
	for _, m := range []MFA{MFADefault, MFAOn, MFAOff} {
		if m.String() == name {
			return m, nil
		}
	}
	return MFAOn, fmt.Errorf("accounts: use of MFA is default, on or off: %w", mspkit.ErrInvalid)
}

// Account is a person as the software of an MSP knows them, and who they are in Entra.
type Account struct {
	// Owner is the MSP, ID the host's id of the person, unique for the owner.
	Owner, ID string
	// Version counts the changes, from 1.
	Version int64
	// Kind is [Technician] or [Portal]. Client is whose portal it is, and empty for a technician.
	Kind   Kind
	Client mspkit.TenantID
	// Name is for showing.
	Name string
	// Role, UI and MFA say what the person may do. Somebody of a portal has [entra.RoleNone].
	Role entra.Role
	UI   entra.UI
	MFA  MFA
	// TenantID and ObjectID are who the person is in Entra: both or none.
	TenantID, ObjectID string
	// LinkedAt is when that was found out; zero while they are not linked. DisabledAt is since when they may not sign in; zero is
	// that they may.
	CreatedAt, LinkedAt, DisabledAt time.Time
}

// Linked reports whether it is known who the person is in Entra.
func (a Account) Linked() bool { return a.ObjectID != "" }

// Disabled reports whether the person may not sign in.
func (a Account) Disabled() bool { return !a.DisabledAt.IsZero() }

// LinkedAdmin reports whether the person can sign in and let others in. The last one of an owner is protected.
func (a Account) LinkedAdmin() bool {
	return a.Kind == Technician && a.Role == entra.RoleAdmin && a.UI == entra.UIFull && a.Linked() && !a.Disabled()
}

// Is reports whether the account is of that person in Entra.
func (a Account) Is(tenantID, objectID string) bool {
	return a.Linked() && a.TenantID == tenantID && a.ObjectID == objectID
}

// Validate reports everything that keeps a from being stored, as [mspkit.ErrInvalid].
func (a Account) Validate() error {
	errs := []error{
		validName("owner", a.Owner), validName("id of the account", a.ID), validPart(a.Kind, a.Client, a.Role, a.UI), validText("name", a.Name, maxName),
	}
	fault := func(text string) { errs = append(errs, fmt.Errorf("accounts: %s: %w", text, mspkit.ErrInvalid)) }
	if a.Kind == Bootstrap {
		fault("an account is of a technician or of the portal")
	}
	if a.ID == ByHost {
		fault("no account has the id of the host")
	}
	if a.MFA > MFAOff {
		fault("use of MFA is default, on or off")
	}
	if a.Version < 1 || a.CreatedAt.IsZero() {
		fault("a version and the time of creation are required")
	}
	if a.Linked() || a.TenantID != "" {
		errs = append(errs, canonical(a.TenantID), canonical(a.ObjectID))
	}
	if a.Linked() == a.LinkedAt.IsZero() {
		fault("an account that is linked says since when, and no other one does")
	}
	return errors.Join(errs...)
}

// validPart checks what accounts and invitations have in common.
func validPart(k Kind, client mspkit.TenantID, role entra.Role, ui entra.UI) error {
	var errs []error
	fault := func(text string) { errs = append(errs, fmt.Errorf("accounts: %s: %w", text, mspkit.ErrInvalid)) }
	switch k {
	case Technician, Bootstrap:
		if client != "" {
			fault("only the portal is of a client")
		}
		if role != entra.RoleTechnician && role != entra.RoleAdmin {
			fault("the role is Technician or Admin")
		}
	case Portal:
		if err := client.Validate(); err != nil {
			errs = append(errs, err)
		}
		if role != entra.RoleNone {
			fault("people of the portal have no role")
		}
	default:
		fault("the kind is technician or portal")
	}
	if ui != entra.UIFull && ui != entra.UIPod {
		fault("access to the interface is full or pod")
	}
	return errors.Join(errs...)
}

func validName(what, s string) error {
	if mspkit.TenantID(s).Validate() != nil {
		return fmt.Errorf("accounts: the %s must be 1 to %d bytes of printable text without spaces at its ends: %w", what, mspkit.MaxID, mspkit.ErrInvalid)
	}
	return nil
}

// validText checks what is shown only and may be empty.
func validText(what, s string, most int) error {
	if s != cleantext.Line(s, most) {
		return fmt.Errorf("accounts: the %s must be at most %d characters of printable text: %w", what, most, mspkit.ErrInvalid)
	}
	return nil
}

func canonical(id string) error {
	if got, err := entra.CanonicalID(id); err != nil || got != id {
		return fmt.Errorf("accounts: an id of Entra is a GUID in lower case: %w", mspkit.ErrInvalid)
	}
	return nil
}

// Decide returns what keeps an account from being changed beside others, or nil. before is nil where it is new, after where it is
// removed. It is for those who write a [Store]: others must hold every account of the owner that is of the person after is, and
// every admin, and nobody may store one meanwhile; before may be among them.
func Decide(before, after *Account, others []Account) error {
	others = slices.DeleteFunc(slices.Clone(others), func(o Account) bool {
		return before != nil && o.ID == before.ID || after != nil && o.ID == after.ID
	})
	if after != nil && after.Linked() {
		if before != nil && before.Linked() && !before.Is(after.TenantID, after.ObjectID) {
			return ErrLinked
		}
		if slices.ContainsFunc(others, func(o Account) bool { return o.Is(after.TenantID, after.ObjectID) }) {
			return ErrTaken
		}
	}
	if before != nil && before.LinkedAdmin() && (after == nil || !after.LinkedAdmin()) && !slices.ContainsFunc(others, Account.LinkedAdmin) {
		return ErrLastAdmin
	}
	return nil
}

// Joined returns a as it is once whoever j describes has accepted an invitation to it: linked, with the role and the access of the
// invitation. It fails with [ErrLinked], [ErrDisabled] or [ErrConflict] where it may not be. It is for those who write a [Store].
func (a Account) Joined(j Account) (Account, error) {
	switch {
	case a.Linked():
		return a, ErrLinked
	case a.Disabled():
		return a, ErrDisabled
	case a.Kind != j.Kind || a.Client != j.Client:
		return a, ErrConflict
	}
	a.Version++
	a.Role, a.UI, a.TenantID, a.ObjectID, a.LinkedAt = j.Role, j.UI, j.TenantID, j.ObjectID, j.LinkedAt
	if a.Name == "" {
		a.Name = j.Name
	}
	return a, nil
}

// shownName is what a person is called in Entra, for showing.
func shownName(who entra.Identity) string {
	if name := cleantext.Line(who.Name, maxName); name != "" {
		return name
	}
	return cleantext.Line(who.PreferredUsername, maxName)
}
