package entra

import (
	"fmt"

	"github.com/mspkit/mspkit"
)

// Role is what somebody is in the software of an MSP. The zero value is nobody, who may do nothing.
type Role uint8

// The roles.
const (
	// RoleNone is of whoever was not given a role.
	RoleNone Role = iota
	// RoleTechnician verifies callers, sends secrets and reads tickets and contacts, and configures nothing.
	RoleTechnician
	// RoleAdmin does everything, also invite others.
	RoleAdmin
)

// String returns the name of the role, which is also the value of the application's role in Entra: "Admin" or "Technician", or
// "none".
func (r Role) String() string {
	switch r {
	case RoleTechnician:
		return "Technician"
	case RoleAdmin:
		return "Admin"
	case RoleNone:
	}
	return "none"
}

// ParseRole returns the role of that name, exactly as [Role.String] has it, and [mspkit.ErrInvalid] for any other text, "none"
// and "" included: who stores or takes a role must not store that there is none.
func ParseRole(name string) (Role, error) {
	switch name {
	case "Admin":
		return RoleAdmin, nil
	case "Technician":
		return RoleTechnician, nil
	}
	return RoleNone, fmt.Errorf("entra: a role is Admin or Technician: %w", mspkit.ErrInvalid)
}

// RoleOf returns the highest role among the roles of an id token. Values that are no roles of ours are passed over, so that an
// application may have more of its own.
func RoleOf(values []string) Role {
	role := RoleNone
	for _, v := range values {
		if r, err := ParseRole(v); err == nil {
			role = max(role, r)
		}
	}
	return role
}

// UI is which part of the software somebody gets to see ("Allow Access to UI").
type UI uint8

// The kinds of access.
const (
	// UIFull is the whole interface.
	UIFull UI = iota
	// UIPod is the compact view beside a ticket only, from which callers are verified and secrets are sent. It takes all
	// rights but [PermissionPod] and [PermissionFeatures] away, whatever the role.
	UIPod
)

// String returns "full" or "pod".
func (u UI) String() string {
	if u == UIFull {
		return "full"
	}
	return "pod"
}

// ParseUI returns the access of that name and [mspkit.ErrInvalid] for any other text.
func ParseUI(name string) (UI, error) {
	switch name {
	case "full":
		return UIFull, nil
	case "pod":
		return UIPod, nil
	}
	return UIPod, fmt.Errorf("entra: access to the interface is full or pod: %w", mspkit.ErrInvalid)
}

// Permission is something that somebody may do. The table of who may what is [Policy].
type Permission uint8

// The permissions.
const (
	// PermissionNone is what nobody has: a route that was given no permission is closed.
	PermissionNone Permission = iota
	// PermissionPod is to see the compact view.
	PermissionPod
	// PermissionFeatures is to use what the software is for: verify, send, look up contacts and tickets.
	PermissionFeatures
	// PermissionUI is to see the full interface.
	PermissionUI
	// PermissionRecords is to add, edit and delete records such as contacts.
	PermissionRecords
	// PermissionIntegrations is to connect and disconnect other systems.
	PermissionIntegrations
	// PermissionAccount is to change the settings of the account.
	PermissionAccount
	// PermissionOptIn is to change the settings of opt-ins.
	PermissionOptIn
	// PermissionMessaging is to change what messages are sent by and what they say.
	PermissionMessaging
	// PermissionCompanyMapping is to say which company of the ticket system is which tenant.
	PermissionCompanyMapping
	// PermissionTicketTemplates is to change defaults and templates of tickets.
	PermissionTicketTemplates
	// PermissionVerification is to change the settings of verifications.
	PermissionVerification
	// PermissionInvitations is to invite others, change their roles and unlink them.
	PermissionInvitations

	permissions // how many there are
)

var permissionNames = [permissions]string{
	"none", "pod", "features", "ui", "records", "integrations", "account-settings", "opt-in-settings", "messaging-configurations",
	"company-mapping", "ticket-templates", "verification-settings", "invitations",
}

// String returns the name of the permission, for logs and pages.
func (p Permission) String() string {
	if p < permissions {
		return permissionNames[p]
	}
	return "unknown"
}

// Permissions returns all permissions, in the order of the table.
func Permissions() []Permission {
	out := make([]Permission, 0, permissions-1)
	for p := PermissionNone + 1; p < permissions; p++ {
		out = append(out, p)
	}
	return out
}

// Policy is the table of which role may what. It is a value that cannot be changed; the zero value lets nobody do anything, and is
// taken for one that was left out by [SSO]: one that takes everything away is Policy{} after any [Policy.Without]. Use [DefaultPolicy].
type Policy struct{ table [RoleAdmin + 1]uint32 }

// DefaultPolicy lets an Admin do everything, and a Technician see both interfaces and use the features.
func DefaultPolicy() Policy {
	var p Policy
	for _, perm := range Permissions() {
		p = p.With(RoleAdmin, perm)
	}
	return p.With(RoleTechnician, PermissionPod).With(RoleTechnician, PermissionFeatures).With(RoleTechnician, PermissionUI)
}

// With returns the table in which the role has the permission as well. [RoleNone] and [PermissionNone] never have any.
func (p Policy) With(r Role, perm Permission) Policy { return p.set(r, perm, true) }

// Without returns the table in which the role does not have the permission.
func (p Policy) Without(r Role, perm Permission) Policy { return p.set(r, perm, false) }

func (p Policy) set(r Role, perm Permission, on bool) Policy {
	p.table[RoleNone] = 1 // allows nothing, and keeps a table that was emptied from being the zero value
	if r == RoleNone || r > RoleAdmin || perm == PermissionNone || perm >= permissions {
		return p
	}
	if on {
		p.table[r] |= 1 << perm
	} else {
		p.table[r] &^= 1 << perm
	}
	return p
}

// Allows reports whether somebody of that role and access has the permission.
func (p Policy) Allows(r Role, ui UI, perm Permission) bool {
	if r > RoleAdmin || perm == PermissionNone || perm >= permissions {
		return false
	}
	if ui != UIFull && perm != PermissionPod && perm != PermissionFeatures {
		return false
	}
	return p.table[r]&(1<<perm) != 0
}
