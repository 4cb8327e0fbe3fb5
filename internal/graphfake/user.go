package graphfake

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"time"
)

// User is a person, a room or a mailbox of a tenant.
type User struct {
	// ID is a GUID; empty is random.
	ID string
	// DisplayName, and so on, are the properties of these names. Empty text is null.
	DisplayName, GivenName, Surname string
	// Mail is the primary address; without one there is no mailbox.
	Mail string
	// UPN is the sign-in name; empty is Mail, or the id at the tenant's domain.
	UPN                                               string
	OtherMails, ProxyAddresses                        []string
	MobilePhone                                       string
	BusinessPhones                                    []string
	JobTitle, Department, CompanyName, OfficeLocation string
	PreferredLanguage                                 string
	// Disabled means that accountEnabled is false.
	Disabled bool
	// UserType is "Member" where empty, or "Guest".
	UserType string
	// OnPremisesSync makes the directory properties read-only; false is null on the wire.
	OnPremisesSync bool
	// ManagerID is the id of another user of the tenant.
	ManagerID string
	// Purpose is that of the mailbox: "user" where empty and there is a Mail, "shared", "room", "equipment", "linked", "others";
	// "none" means that there is no mailbox in spite of a Mail.
	Purpose string
	// Licences are the names of products, such as "SPE_E3".
	Licences []string
	// NoTeams takes Teams out of the licences.
	NoTeams bool
	// Admin means that the user has a privileged role: [Roles] where empty.
	Admin bool
	// Roles are the display names of the directory roles; they make nobody privileged without Admin.
	Roles []string
	// Photo is a JPEG or PNG; nil is none.
	Photo []byte
	// Presence is the availability, such as "Available", "Away", "DoNotDisturb", "Offline"; empty is "PresenceUnknown".
	Presence string
	// Activity is the activity beside it, such as "InAMeeting"; empty is Presence.
	Activity string
	// CreatedAt is createdDateTime; zero is when the user was put.
	CreatedAt time.Time
}

func (u *User) enabled() bool { return !u.Disabled }

func (u *User) userType() string {
	if u.UserType == "" {
		return "Member"
	}
	return u.UserType
}

// purpose is that of the mailbox, empty where there is none.
func (u *User) purpose() string {
	switch {
	case u.Purpose == "none", u.Mail == "":
		return ""
	case u.Purpose == "":
		return "user"
	}
	return u.Purpose
}

// hasAddress says whether the mailbox may send from an address.
func (u *User) hasAddress(address string) bool {
	if strings.EqualFold(u.Mail, address) || strings.EqualFold(u.UPN, address) {
		return true
	}
	return slices.ContainsFunc(u.ProxyAddresses, func(p string) bool {
		return len(p) > 5 && strings.EqualFold(p[:5], "smtp:") && strings.EqualFold(p[5:], address)
	})
}

func (u *User) clone() *User {
	c := *u
	c.OtherMails, c.ProxyAddresses = slices.Clone(u.OtherMails), slices.Clone(u.ProxyAddresses)
	c.BusinessPhones, c.Licences, c.Roles = slices.Clone(u.BusinessPhones), slices.Clone(u.Licences), slices.Clone(u.Roles)
	return &c
}

// property is one of the resource user. Those without a value are known and null.
type property struct {
	name  string
	key   string // `"name":`
	bit   uint32 // what a change of it is noted as
	value func(b []byte, u *User) []byte
	// list marks collections, which are empty rather than null.
	list bool
	text func(u *User) string // for filters
	all  func(u *User) []string
}

func (p *property) isNull(u *User) bool {
	return p.value == nil || p.text != nil && p.text(u) == "" || p.name == "onPremisesSyncEnabled" && !u.OnPremisesSync
}

const (
	bitManager uint32 = 1 << 31
	bitAll            = ^uint32(0)
)

var (
	userProps  = makeUserProps()
	userByName = indexProps(userProps)
	// defaultProps are what comes without $select, in the order of Graph.
	defaultProps = mustProps(
		"businessPhones", "displayName", "givenName", "jobTitle", "mail", "mobilePhone", "officeLocation", "preferredLanguage",
		"surname", "userPrincipalName", "id")
)

func makeUserProps() []*property {
	text := func(name string, get func(u *User) string) *property {
		return &property{name: name, text: get, value: func(b []byte, u *User) []byte { return appendText(b, get(u)) }}
	}
	lists := func(name string, get func(u *User) []string) *property {
		return &property{name: name, all: get, list: true, value: func(b []byte, u *User) []byte { return appendTexts(b, get(u)) }}
	}
	ps := []*property{
		text("id", func(u *User) string { return u.ID }),
		text("displayName", func(u *User) string { return u.DisplayName }),
		text("givenName", func(u *User) string { return u.GivenName }),
		text("surname", func(u *User) string { return u.Surname }),
		text("mail", func(u *User) string { return u.Mail }),
		text("mailNickname", func(u *User) string { nick, _, _ := strings.Cut(u.UPN, "@"); return nick }),
		text("userPrincipalName", func(u *User) string { return u.UPN }),
		text("mobilePhone", func(u *User) string { return u.MobilePhone }),
		text("jobTitle", func(u *User) string { return u.JobTitle }),
		text("department", func(u *User) string { return u.Department }),
		text("companyName", func(u *User) string { return u.CompanyName }),
		text("officeLocation", func(u *User) string { return u.OfficeLocation }),
		text("preferredLanguage", func(u *User) string { return u.PreferredLanguage }),
		text("userType", (*User).userType),
		text("createdDateTime", func(u *User) string { return u.CreatedAt.UTC().Format(time.RFC3339) }),
		lists("otherMails", func(u *User) []string { return u.OtherMails }),
		lists("proxyAddresses", func(u *User) []string { return u.ProxyAddresses }),
		lists("businessPhones", func(u *User) []string { return u.BusinessPhones }),
		{name: "accountEnabled", value: func(b []byte, u *User) []byte { return appendBool(b, u.enabled()) }},
		{name: "onPremisesSyncEnabled", value: func(b []byte, u *User) []byte {
			if !u.OnPremisesSync {
				return append(b, "null"...)
			}
			return append(b, "true"...)
		}},
		{name: "assignedLicenses", list: true, value: func(b []byte, u *User) []byte {
			b = append(b, '[')
			for i, l := range u.Licences {
				if i > 0 {
					b = append(b, ',')
				}
				b = append(append(append(b, `{"disabledPlans":[],"skuId":"`...), derivedID(l)...), `"}`...)
			}
			return append(b, ']')
		}},
		{name: "assignedPlans", list: true, value: appendPlans},
	}
	for i, p := range ps {
		p.bit = 1 << i
	}
	// Properties that exist and are not kept here.
	for _, name := range []string{
		"ageGroup", "authorizationInfo", "city", "consentProvidedForMinor", "country", "creationType",
		"customSecurityAttributes", "deletedDateTime", "employeeHireDate", "employeeId", "employeeLeaveDateTime",
		"employeeOrgData", "employeeType", "externalUserState", "externalUserStateChangeDateTime", "faxNumber", "identities",
		"imAddresses", "isManagementRestricted", "isResourceAccount", "lastPasswordChangeDateTime", "legalAgeGroupClassification",
		"licenseAssignmentStates", "onPremisesDistinguishedName", "onPremisesDomainName", "onPremisesExtensionAttributes",
		"onPremisesImmutableId", "onPremisesLastSyncDateTime", "onPremisesProvisioningErrors", "onPremisesSamAccountName",
		"onPremisesSecurityIdentifier", "onPremisesUserPrincipalName", "passwordPolicies", "passwordProfile", "postalCode",
		"preferredDataLocation", "provisionedPlans", "securityIdentifier", "serviceProvisioningErrors", "showInAddressList",
		"signInActivity", "signInSessionsValidFromDateTime", "state", "streetAddress", "usageLocation",
	} {
		ps = append(ps, &property{name: name})
	}
	for _, p := range ps {
		p.key = `"` + p.name + `":`
	}
	return ps
}

// elsewhere are the properties that SharePoint keeps: collections cannot be asked for them.
var elsewhere = []string{
	"aboutMe", "birthday", "hireDate", "interests", "mySite", "pastProjects", "preferredName", "responsibilities", "schools", "skills",
}

func indexProps(ps []*property) map[string]*property {
	m := make(map[string]*property, len(ps))
	for _, p := range ps {
		m[p.name] = p
	}
	return m
}

func mustProps(names ...string) []*property {
	out := make([]*property, 0, len(names))
	for _, n := range names {
		p := userByName[n]
		if p == nil {
			panic("graphfake: no property " + n)
		}
		out = append(out, p)
	}
	return out
}

// appendUser writes properties without braces. With skipNull those without a value are left out.
func appendUser(b []byte, u *User, ps []*property, skipNull bool) []byte {
	first := true
	for _, p := range ps {
		text := ""
		var null bool
		if p.text != nil {
			text = p.text(u)
			null = text == ""
		} else {
			null = p.isNull(u)
		}
		if null && skipNull {
			continue
		}
		if !first {
			b = append(b, ',')
		}
		first = false
		b = append(b, p.key...)
		switch {
		case null:
			b = append(b, "null"...)
		case p.text != nil:
			b = appendText(b, text)
		default:
			b = p.value(b, u)
		}
	}
	return b
}

// changes says what differs between two.
func changes(a, b *User) uint32 {
	var mask uint32
	var x, y []byte
	for _, p := range userProps {
		if p.bit == 0 {
			continue
		}
		x, y = p.value(x[:0], a), p.value(y[:0], b)
		if !bytes.Equal(x, y) {
			mask |= p.bit
		}
	}
	if a.ManagerID != b.ManagerID {
		mask |= bitManager
	}
	return mask
}

func appendBool(b []byte, v bool) []byte {
	if v {
		return append(b, "true"...)
	}
	return append(b, "false"...)
}

func appendTexts(b []byte, list []string) []byte {
	b = append(b, '[')
	for i, s := range list {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendText(b, s)
	}
	return append(b, ']')
}

// appendText writes a JSON string.
func appendText(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < 0x20 || c == '"' || c == '\\' || c >= 0x80 {
			j, err := json.Marshal(s)
			if err != nil {
				panic(err)
			}
			return append(b, j...)
		}
	}
	return append(append(append(b, '"'), s...), '"')
}
