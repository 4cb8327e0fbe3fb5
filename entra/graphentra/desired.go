package graphentra

import (
	"crypto/x509"
	"time"

	"github.com/google/uuid"
)

// GraphAppID is the application id of Microsoft Graph, which is the same in every tenant.
const GraphAppID = "00000003-0000-0000-c000-000000000000"

// Desired says how one application is to be in one tenant. It holds no secrets, and the same value can be used for many
// tenants. What it leaves empty is left as it is in the tenant, but for Audience and the assignment of people, which have safe
// defaults.
type Desired struct {
	// Key is what the application is found by in the tenant: its uniqueName, and with the prefix "mspkit:" one of its tags. 1 to 64
	// of a-z, 0-9, '-' and '.'; required, and never to be changed. A name that people see is never used to find anything.
	Key string
	// AppID is for an application that is registered in another tenant, as customers have it: only the enterprise application, its
	// consent, its assignments and its Conditional Access are planned. Everything down to Federated must be empty then, but for
	// Permissions.
	AppID string

	// Name is what people see. Required unless there is an AppID.
	Name string
	// Notes are for the administrators who find the application in the portal.
	Notes string
	// Audience is who may use it; zero is people of its own tenant.
	Audience Audience
	// RedirectURIs are where Entra may send browsers after a sign-in: https, or http on a loopback address. Compared by Entra
	// character by character.
	RedirectURIs []string
	// LogoutURL is what Entra calls when somebody signs out elsewhere (front channel).
	LogoutURL string
	// Permissions are what the application may do with Microsoft Graph or other resources.
	Permissions []Permission
	// Roles are what people can be in the application; see [Roles].
	Roles []AppRole
	// Claims are optional claims of the id token, such as "acrs" and "auth_time".
	Claims []string
	// AccessClaims are optional claims of the access token, such as "idtyp".
	AccessClaims []string
	// GroupClaims is which groups are in tokens: "None", "SecurityGroup", "ApplicationGroup" or "All". Empty leaves it as it is.
	GroupClaims string
	// Secrets are client secrets. Prefer Certificates and Federated: many tenants forbid secrets.
	Secrets []Secret
	// Certificates are the public parts of certificates that the application proves itself with.
	Certificates []Certificate
	// Federated are other issuers whose tokens the application proves itself with, so that there is nothing to keep secret.
	Federated []Federated

	// Unassigned lets people sign in who were not assigned to the application. The zero value demands assignment.
	Unassigned bool
	// Assignments are who has which role.
	Assignments []Assignment
	// Consent grants Permissions for everybody in the tenant, as an administrator does who agrees to them.
	Consent bool

	// Conditional is the policy of Conditional Access for sign-ins to the application; nil plans none.
	Conditional *Conditional

	// Prune removes what is there and not desired, of the application alone: redirect URIs, permissions, roles, claims, credentials,
	// assignments, grants. The zero value keeps it, and [Plan].Kept lists it.
	Prune bool
}

// Audience is whose people may use an application.
type Audience string

// The audiences. Personal accounts are none: an account that anybody can make is no identity for an MSP.
const (
	// AudienceOwn are people of the tenant that the application is registered in.
	AudienceOwn Audience = "AzureADMyOrg"
	// AudienceAny are people of every tenant of Microsoft Entra, after consent there.
	AudienceAny Audience = "AzureADMultipleOrgs"
)

// PermissionKind is how a permission is used.
type PermissionKind string

// The kinds of permission.
const (
	// Delegated permissions are used for somebody who is signed in.
	Delegated PermissionKind = "delegated"
	// Application permissions are used by the application by itself, in the whole tenant.
	Application PermissionKind = "application"
)

// Permission is one permission of a resource.
type Permission struct {
	// Resource is the application id of what it is a permission of; empty is Microsoft Graph.
	Resource string `json:"resource,omitempty"`
	// Name is its value, such as "User.Read.All". The id is looked up in the tenant.
	Name string `json:"name"`
	// Kind is how it is used.
	Kind PermissionKind `json:"kind"`
}

// AppRole is something that people can be in the application.
type AppRole struct {
	// ID is a UUID that must stay the same; see [RoleID].
	ID string `json:"id"`
	// Value is what is in the claim "roles", such as "Admin".
	Value string `json:"value"`
	// Name and Description are what administrators see.
	Name        string `json:"name"`
	Description string `json:"description"`
}

// roleSpace is the name space of [RoleID].
var roleSpace = uuid.MustParse("6c1d9a52-52a4-5b70-9a5b-0b3e0a9c6a11")

// RoleID returns the id of a role of an application: a UUID of version 5 (RFC 9562, section 5.5) of owner and value, so that the
// same MSP gets the same ids in every tenant and at every run.
func RoleID(owner, value string) string {
	return uuid.NewSHA1(roleSpace, []byte(owner+"\x00"+value)).String()
}

// Roles returns the roles Admin and Technician, whose values package entra reads from id tokens. owner is the MSP.
func Roles(owner string) []AppRole {
	return []AppRole{
		{RoleID(owner, "Admin"), "Admin", "Administrator", "Configures everything and invites technicians."},
		{RoleID(owner, "Technician"), "Technician", "Technician", "Uses the features and configures nothing."},
	}
}

// Secret is a client secret that there is to be. Its value is made by Entra and comes out once, in [Result].Secrets.
type Secret struct {
	// Name tells the secrets of an application apart: 1 to 32 of a-z, 0-9 and '-'.
	Name string `json:"name"`
	// Life is how long a new one is good for; 0 is 180 days. Renew is how long before its end the next one is made; 0 is 30 days. The
	// old one stays until its end.
	Life  time.Duration `json:"life,omitempty"`
	Renew time.Duration `json:"renew,omitempty"`
}

// Certificate is the public part of a certificate that the application proves itself with.
type Certificate struct {
	// Name is what administrators see.
	Name string
	// Certificate has the public key and its end.
	Certificate *x509.Certificate
}

// Federated is trust in the tokens of another issuer (workload identity federation).
type Federated struct {
	// Name tells them apart; it cannot be changed: 1 to 120 of letters, digits, '-' and '_'.
	Name string
	// Issuer and Subject are what the token says, exactly.
	Issuer, Subject string
	// Audience is what the token is for; empty is "api://AzureADTokenExchange".
	Audience string
	// Description is for administrators.
	Description string
}

// PrincipalKind is what an assignment is for.
type PrincipalKind string

// The kinds of principal. Members of groups in an assigned group are not assigned.
const (
	User  PrincipalKind = "User"
	Group PrincipalKind = "Group"
)

// Assignment gives a role to somebody, or to the direct members of a group (which needs Microsoft Entra ID P1).
type Assignment struct {
	// Principal is the object id of the user or group.
	Principal string `json:"principal"`
	// Kind is what it is, and checked.
	Kind PrincipalKind `json:"kind"`
	// Role is the value of one of the roles; empty is access without a role, where the application has none.
	Role string `json:"role,omitempty"`
}
