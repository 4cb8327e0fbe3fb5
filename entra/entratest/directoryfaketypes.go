package entratest

import (
	"encoding/base64"
	"net/http"
	"strings"
	"sync"
	"time"
)

// dirProp is a property of a type.
type dirProp struct {
	name     string
	kind     string // string, bool, int, time, guid, binary, or the name of a type
	list     bool
	readOnly bool
	filter   bool
}

type dirType struct {
	name  string
	props map[string]*dirProp
}

// dirTypesText has a type in each line: its name, then its properties as name:kind, with [] for a list, ! for what only Graph
// sets, and ? for what can be filtered. A string needs no kind. It has what provisioning needs and is closed.
//
// Source: https://github.com/microsoftgraph/msgraph-metadata, and the pages of the resources for what can be filtered.
const dirTypesText = `
application id!? appId!? deletedDateTime:time! displayName? description uniqueName? identifierUris:string[]? createdDateTime:time!? publisherDomain!? signInAudience? tags:string[]? notes serviceManagementReference groupMembershipClaims isFallbackPublicClient:bool isDeviceOnlyAuthSupported:bool disabledByMicrosoftStatus! api:apiApplication appRoles:appRole[] info:informationalUrl keyCredentials:keyCredential[] passwordCredentials:passwordCredential[] optionalClaims:optionalClaims publicClient:publicClientApplication requiredResourceAccess:requiredResourceAccess[] spa:spaApplication web:webApplication servicePrincipalLockConfiguration:servicePrincipalLockConfiguration
apiApplication acceptMappedClaims:bool knownClientApplications:guid[] oauth2PermissionScopes:permissionScope[] preAuthorizedApplications:preAuthorizedApplication[] requestedAccessTokenVersion:int
permissionScope id:guid adminConsentDescription adminConsentDisplayName isEnabled:bool origin! type userConsentDescription userConsentDisplayName value
preAuthorizedApplication appId delegatedPermissionIds:string[]
appRole id:guid allowedMemberTypes:string[] description displayName isEnabled:bool origin! value
informationalUrl logoUrl! marketingUrl privacyStatementUrl supportUrl termsOfServiceUrl
keyCredential customKeyIdentifier:binary displayName endDateTime:time key:binary keyId:guid startDateTime:time type usage
passwordCredential customKeyIdentifier:binary displayName endDateTime:time hint! keyId:guid! secretText! startDateTime:time
optionalClaims accessToken:optionalClaim[] idToken:optionalClaim[] saml2Token:optionalClaim[]
optionalClaim additionalProperties:string[] essential:bool name source
publicClientApplication redirectUris:string[]
spaApplication redirectUris:string[]
webApplication homePageUrl implicitGrantSettings:implicitGrantSettings logoutUrl redirectUris:string[] redirectUriSettings:redirectUriSettings[]
implicitGrantSettings enableAccessTokenIssuance:bool enableIdTokenIssuance:bool
redirectUriSettings index:int uri
requiredResourceAccess resourceAccess:resourceAccess[] resourceAppId
resourceAccess id:guid type
servicePrincipalLockConfiguration allProperties:bool credentialsWithUsageSign:bool credentialsWithUsageVerify:bool isEnabled:bool tokenEncryptionKeyId:bool
federatedIdentityCredential id! name? issuer? subject? description audiences:string[]
servicePrincipal id!? appId? deletedDateTime:time! accountEnabled:bool? alternativeNames:string[] appDescription! appDisplayName!? appOwnerOrganizationId:guid!? appRoleAssignmentRequired:bool appRoles:appRole[]! createdDateTime:time! description displayName? homepage loginUrl logoutUrl! notes notificationEmailAddresses:string[] oauth2PermissionScopes:permissionScope[]! preferredSingleSignOnMode replyUrls:string[]! servicePrincipalNames:string[]!? servicePrincipalType!? signInAudience! tags:string[]?
appRoleAssignment id! deletedDateTime:time! appRoleId:guid? createdDateTime:time! principalDisplayName!? principalId:guid? principalType! resourceDisplayName! resourceId:guid?
oAuth2PermissionGrant id!? clientId? consentType? principalId? resourceId? scope
user id!? deletedDateTime:time! accountEnabled:bool? displayName? givenName? surname? mail? userPrincipalName? userType? jobTitle? createdDateTime:time!?
group id!? deletedDateTime:time! displayName? description mailEnabled:bool? mailNickname? securityEnabled:bool? groupTypes:string[]? uniqueName? isAssignableToRole:bool? createdDateTime:time!?
organization id! displayName tenantType verifiedDomains:verifiedDomain[] assignedPlans:assignedPlan[]
verifiedDomain capabilities isDefault:bool isInitial:bool name type
assignedPlan assignedDateTime:time capabilityStatus service servicePlanId:guid
subscribedSku id! accountId! accountName! appliesTo! capabilityStatus! consumedUnits:int! prepaidUnits:licenseUnitsDetail! servicePlans:servicePlanInfo[]! skuId:guid! skuPartNumber! subscriptionIds:string[]!
licenseUnitsDetail enabled:int suspended:int warning:int lockedOut:int
servicePlanInfo appliesTo provisioningStatus servicePlanId:guid servicePlanName
conditionalAccessPolicy id!? templateId! createdDateTime:time!? modifiedDateTime:time!? deletedDateTime:time! displayName? description state? conditions:conditionalAccessConditionSet grantControls:conditionalAccessGrantControls sessionControls:conditionalAccessSessionControls
conditionalAccessConditionSet applications:conditionalAccessApplications clientAppTypes:string[] users:conditionalAccessUsers userRiskLevels:string[] signInRiskLevels:string[] servicePrincipalRiskLevels:string[]
conditionalAccessApplications includeApplications:string[] excludeApplications:string[] includeUserActions:string[] includeAuthenticationContextClassReferences:string[]
conditionalAccessUsers includeUsers:string[] excludeUsers:string[] includeGroups:string[] excludeGroups:string[] includeRoles:string[] excludeRoles:string[]
conditionalAccessGrantControls operator builtInControls:string[] customAuthenticationFactors:string[] termsOfUse:string[] authenticationStrength:authenticationStrengthPolicy
conditionalAccessSessionControls disableResilienceDefaults:bool
authenticationStrengthPolicy id? displayName description policyType!? requirementsSatisfied! allowedCombinations:string[] createdDateTime:time! modifiedDateTime:time!
authenticationContextClassReference id displayName description isAvailable:bool
identitySecurityDefaultsEnforcementPolicy id! displayName! description! isEnabled:bool
signIn id!? createdDateTime:time!? appDisplayName!? appId!? appliedConditionalAccessPolicies:appliedConditionalAccessPolicy[]! clientAppUsed! conditionalAccessStatus!? correlationId! ipAddress!? isInteractive:bool! resourceDisplayName! resourceId! status:signInStatus! userDisplayName!? userId!? userPrincipalName!?
appliedConditionalAccessPolicy id displayName enforcedGrantControls:string[] enforcedSessionControls:string[] result
signInStatus additionalDetails errorCode:int failureReason
tenantAppManagementPolicy id! displayName! description! isEnabled:bool applicationRestrictions:appManagementConfiguration
appManagementConfiguration passwordCredentials:passwordCredentialConfiguration[]
passwordCredentialConfiguration restrictionType state maxLifetime restrictForAppsCreatedAfterDateTime:time
`

var dirTypes = sync.OnceValue(func() map[string]*dirType {
	types := map[string]*dirType{}
	for line := range strings.Lines(strings.TrimSpace(dirTypesText)) {
		words := strings.Fields(line)
		t := &dirType{name: words[0], props: map[string]*dirProp{}}
		for _, w := range words[1:] {
			p := &dirProp{kind: "string"}
			w, p.filter = cutMark(w, "?")
			w, p.readOnly = cutMark(w, "!")
			w, p.list = cutMark(w, "[]")
			name, kind, typed := strings.Cut(w, ":")
			if p.name = name; typed {
				p.kind = kind
			}
			t.props[name] = p
		}
		types[t.name] = t
	}
	return types
})

func cutMark(w, mark string) (string, bool) {
	rest := strings.TrimSuffix(w, mark)
	return rest, rest != w
}

// accept checks what a client sent for an object of a type, and returns it without annotations.
func (c *dirCall) accept(t *dirType, in map[string]any) (map[string]any, *dirError) {
	out := map[string]any{}
	for name, v := range in {
		if base, note, is := strings.Cut(name, "@odata."); is {
			if base != "" || note != "type" || v != "#microsoft.graph."+t.name {
				return nil, dirFail(http.StatusBadRequest, c.badCode(), "The annotation '%s' is not valid for type 'microsoft.graph.%s'.", name, t.name)
			}
			continue
		}
		p := t.props[name]
		switch {
		case p == nil:
			return nil, dirFail(http.StatusBadRequest, c.badCode(), "Invalid property '%s'.", name)
		case p.readOnly && v != nil:
			return nil, dirFail(http.StatusBadRequest, c.badCode(), "Property '%s' is read-only and cannot be set.", name)
		}
		got, e := c.acceptValue(t, p, v)
		if e != nil {
			return nil, e
		}
		out[name] = got
	}
	return out, nil
}

func (c *dirCall) acceptValue(t *dirType, p *dirProp, v any) (any, *dirError) {
	if v == nil {
		return nil, nil //nolint:nilnil // null is a value
	}
	if !p.list {
		return c.acceptOne(t, p, v)
	}
	list, ok := v.([]any)
	if !ok {
		return nil, c.wrongKind(t, p)
	}
	out := make([]any, len(list))
	for i, item := range list {
		one, e := c.acceptOne(t, p, item)
		if e != nil {
			return nil, e
		}
		out[i] = one
	}
	return out, nil
}

func (c *dirCall) acceptOne(t *dirType, p *dirProp, v any) (any, *dirError) {
	if of := dirTypes()[p.kind]; of != nil {
		m, ok := v.(map[string]any)
		if !ok {
			return nil, c.wrongKind(t, p)
		}
		return c.accept(of, m)
	}
	var ok bool
	switch text, _ := v.(string); p.kind {
	case "bool":
		_, ok = v.(bool)
	case "int":
		var n float64
		n, ok = v.(float64)
		ok = ok && n == float64(int64(n))
	case "time":
		_, err := time.Parse(time.RFC3339Nano, text)
		ok = err == nil
	case "guid":
		ok = isGUID(text)
	case "binary":
		_, err := base64.StdEncoding.DecodeString(text)
		ok = err == nil
	default:
		_, ok = v.(string)
	}
	if !ok {
		return nil, c.wrongKind(t, p)
	}
	return v, nil
}

func (c *dirCall) wrongKind(t *dirType, p *dirProp) *dirError {
	return dirFail(http.StatusBadRequest, c.badCode(), "A value of property '%s' of type 'microsoft.graph.%s' cannot be converted to the expected type.", p.name, t.name)
}

// badCode is the code of a bad request, which differs between the parts of Graph.
func (c *dirCall) badCode() string {
	switch c.seg[0] {
	case "identity", "policies", "auditLogs":
		return "BadRequest"
	}
	return "Request_BadRequest"
}

func isGUID(s string) bool {
	if len(s) != 36 {
		return false
	}
	for i := range len(s) {
		switch c := s[i]; {
		case i == 8 || i == 13 || i == 18 || i == 23:
			if c != '-' {
				return false
			}
		case '0' <= c && c <= '9', 'a' <= c && c <= 'f', 'A' <= c && c <= 'F':
		default:
			return false
		}
	}
	return true
}

// merge puts what was accepted over what is there: properties of complex values one by one, lists as a whole.
func (t *dirType) merge(into, from map[string]any) {
	for name, v := range from {
		p := t.props[name]
		if p == nil { // of an edit, which is not checked
			into[name] = v
			continue
		}
		of := dirTypes()[p.kind]
		m, is := v.(map[string]any)
		if old, had := into[name].(map[string]any); is && had && of != nil && !p.list {
			of.merge(old, m)
			continue
		}
		into[name] = v
	}
}

// cloneJSON copies a value of JSON.
func cloneJSON(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, e := range v {
			out[k] = cloneJSON(e)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = cloneJSON(e)
		}
		return out
	}
	return v
}

// asMap and asList return a value of JSON that was checked before; what is none is empty.
func asMap(v any) map[string]any {
	m, _ := v.(map[string]any)
	return m
}

func asList(v any) []any {
	l, _ := v.([]any)
	return l
}
