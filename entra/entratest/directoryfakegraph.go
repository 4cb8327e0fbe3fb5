package entratest

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"sync"
)

// GraphAppID is the application id of Microsoft Graph, in every tenant.
const GraphAppID = "00000003-0000-0000-c000-000000000000"

// graphPermissions has a permission in each line: its name, the id of the application permission and of the delegated one. A
// "-" is none; a "?" is one whose id is made up here, the same in every directory.
//
// Source: https://github.com/microsoftgraph/microsoft-graph-devx-content, permissions/new/provisioningInfo.json.
const graphPermissions = `
User.Read - e1fe6dd8-ba31-4d61-89e7-88639da4683d
openid - 37f7f235-527c-4136-accd-4a02d197296e
profile - 14dad69e-099b-42c9-810b-d002981feec1
email - 64a6cdd6-aab1-4aaf-94b8-3cc8405e90d0
offline_access - 7427e0e9-2fba-42fe-b0c0-848c9e6a8182
User.Read.All df021288-bdef-4463-88db-98f22de89214 a154be20-db9c-4678-8ab7-66f6cc099a59
User.ReadBasic.All 97235f07-e226-4f63-ace3-39588e11d3a1 b340eb25-3456-403f-be2f-af7a0d370277
User-Phone.ReadWrite.All 86ceff06-c822-49ff-989a-d912845ffe69 e29d5979-5b06-4a7f-ae24-6a9348d2e1ff
ProfilePhoto.Read.All e24d31aa-e1ab-4c80-85fe-23018690335d 469cd065-729e-4dee-b1fa-d92e0fab6310
OrgContact.Read.All e1a88a34-94c4-4418-be12-c87b00e26bea 08432d1b-5911-483c-86df-7980af5cdee0
Contacts.Read 089fe4d0-434a-44c5-8827-41ba8a0b17f5 ff74d97f-43af-4b68-9f2a-b77ee6968c5d
Directory.Read.All 7ab1d382-f21e-4acd-a863-ba3e13f7da61 06da0dbc-49e2-44d2-8312-53f166ab848a
Group.Read.All 5b567255-7703-4780-807c-7be8301ae99b 5f8c59db-677d-491f-a6b8-5f174b11ec1d
GroupMember.Read.All ? ?
Organization.Read.All ? ?
Mail.Send b633e1c5-b582-4048-a93e-9f11b44c7e96 e383f46e-2787-4529-855e-0e479a3ffac0
Mail.Send.Shared - ?
Mail.ReadWrite e2a3a72e-5f79-4c64-b1b1-878b674786c9 024d486e-b451-40bb-833d-3e66d98c5c73
MailboxSettings.Read 40f97065-369a-49f4-947c-6a255697ae91 87f447af-9fa4-4c32-9dfa-4a57a73d18ce
Chat.Read - ?
Chat.ReadWrite - 9ff7295e-131b-4d94-90e1-69fde507ac11
Chat.Read.All 6b7d71aa-70aa-4810-a8d9-5d9fb2830017 -
Chat.ReadWrite.All 294ce7c9-31ba-490a-ad7d-97a7d075e4ed ?
ChatMessage.Send - 116b7235-7cc6-461e-b163-8e55691d839e
ChannelMessage.Send - ebf0f66e-9fb1-49e4-a278-222f76911cf4
ChannelMessage.Read.All 7b2449af-6ccd-4f4d-9f78-e550c193f0d1 767156cb-16ae-4d10-8f8b-41b657c8c8c8
Presence.Read.All ? 9c7a330d-35b3-4aa1-963d-cb2b9f927841
Subscription.Read.All - 5f88184c-80bb-4d52-9ff2-757288b2e9b7
TeamsAppInstallation.ReadWriteSelfForUser.All 908de74d-f8b2-4d6b-a9ed-2a17b3b78179 -
AppCatalog.ReadWrite.All dc149144-f292-421e-b185-5953f2e98d7f 1ca167d5-1655-44a1-8adf-1414072e1ef9
AppCatalog.Submit - 3db89e36-7fa6-4012-b281-85f3d9d9fd2e
AppCatalog.Read.All e12dae10-5a57-4817-b79d-dfbec5348930 88e58d74-d3df-44f3-ad47-e89edf4472e4
TeamsPolicyUserAssign.ReadWrite.All 1801e8f4-cf09-4c4e-a1b5-036dfcca6c90 6997c35c-a586-440c-8a0b-4ffe5d118dc0
Application.Read.All 9a5d68dd-52b0-4cc2-bd40-abcf44ac3a30 c79f8feb-a9db-4090-85f9-90d820caa0eb
Application.ReadWrite.All 1bfefb4e-e0b5-418b-a88f-73c46d2cc8e9 bdfbf15f-ee85-4955-8675-146e8e5296b5
Application.ReadWrite.OwnedBy 18a4783c-866b-4cc7-a460-3d5e5662c884 -
AppRoleAssignment.ReadWrite.All 06b708a9-e830-4db3-a914-8e69da51d44f 84bccea3-f856-4a8a-967b-dbe0a3d53a64
DelegatedPermissionGrant.ReadWrite.All 8e8e4742-1d95-4f68-9d56-6ee75648c72a 41ce6ca6-6826-4807-84f1-1c82854f7ee5
Policy.Read.All 246dd0d5-5bd0-4def-940b-0421030a5b68 572fea84-0151-49b2-9301-11cb16974376
Policy.ReadWrite.ConditionalAccess 01c0a623-fc9b-48e9-b794-0756f8e8f067 ad902697-1014-4ef5-81ef-2b4301988e8c
AuditLog.Read.All b0afded3-3588-46d8-8b3d-9842eff778da e4c9e354-4dc5-45b8-9e7c-e1393b0b1a20
DelegatedAdminRelationship.Read.All f6e9e124-4586-492f-adc0-c6f96e4823fd 0c0064ea-477b-4130-82a5-4c2cc4ff68aa
UserAuthMethod-TAP.ReadWrite.All 627169a8-8c15-451c-861a-5b80e383de5c 05de4a66-e51a-4312-842a-30c8094698d2
UserAuthenticationMethod.Read.All 38d9df27-64da-44fd-b7c5-a6fbac20248f aec28ec7-4d02-4e8c-b864-50163aea77eb
AuthenticationContext.Read.All 381f742f-e1f8-4309-b4ab-e3d91ae4c5c1 57b030f1-8c35-469c-b0d9-e4a077debe70
`

// madeUp is an id that a text always has.
func madeUp(text string) string {
	sum := sha256.Sum256([]byte(text))
	sum[6], sum[8] = sum[6]&0x0f|0x40, sum[8]&0x3f|0x80
	h := hex.EncodeToString(sum[:16])
	return strings.Join([]string{h[:8], h[8:12], h[12:16], h[16:20], h[20:]}, "-")
}

// graphOffers are the permissions of Microsoft Graph as its service principal has them, application and delegated. They are
// shared by all directories and not changed.
var graphOffers = sync.OnceValues(func() (roles, scopes []any) {
	for line := range strings.Lines(strings.TrimSpace(graphPermissions)) {
		w := strings.Fields(line)
		for i, kind := range []string{"Role ", "Scope "} {
			if w[i+1] == "?" {
				w[i+1] = madeUp(kind + w[0])
			}
		}
		if w[1] != "-" {
			roles = append(roles, map[string]any{
				"id": w[1], "value": w[0], "displayName": w[0], "description": w[0], "isEnabled": true, "origin": "Application", "allowedMemberTypes": []any{"Application"},
			})
		}
		if w[2] != "-" {
			scopes = append(scopes, map[string]any{
				"id": w[2], "value": w[0], "type": "Admin", "isEnabled": true, "adminConsentDisplayName": w[0], "adminConsentDescription": w[0],
				"userConsentDisplayName": nil, "userConsentDescription": nil,
			})
		}
	}
	return roles, scopes
})

// addBuiltIn adds what every tenant has.
func (d *Directory) addBuiltIn() {
	graph := d.addServicePrincipal(GraphAppID, "Microsoft Graph")
	graph.lag = 0
	roles, scopes := graphOffers()
	graph.props["appRoles"], graph.props["oauth2PermissionScopes"] = roles, scopes
	for _, x := range []struct {
		id, name string
		methods  []any
	}{
		{"00000000-0000-0000-0000-000000000002", "Multifactor authentication", []any{"windowsHelloForBusiness", "fido2", "x509CertificateMultiFactor", "password,microsoftAuthenticatorPush", "password,softwareOath"}},
		{"00000000-0000-0000-0000-000000000003", "Passwordless MFA", []any{"windowsHelloForBusiness", "fido2", "x509CertificateMultiFactor", "deviceBasedPush"}},
		{"00000000-0000-0000-0000-000000000004", "Phishing-resistant MFA", []any{"windowsHelloForBusiness", "fido2", "x509CertificateMultiFactor"}},
	} {
		d.add(d.set("strengths", "authenticationStrengthPolicy"), "", map[string]any{
			"id": x.id, "displayName": x.name, "description": x.name, "policyType": "builtIn", "requirementsSatisfied": "mfa", "allowedCombinations": x.methods,
			"createdDateTime": "2021-12-01T08:00:00Z", "modifiedDateTime": "2021-12-01T08:00:00Z",
		}).lag = 0
	}
	d.add(d.set("contexts", "authenticationContextClassReference"), "", map[string]any{
		"id": "c1", "displayName": "Step-up", "description": "Sensitive actions", "isAvailable": true,
	}).lag = 0
}

// Publish makes an application known that is registered in another tenant, so that a service principal can be made of it.
func (d *Directory) Publish(appID, name string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.outside[strings.ToLower(appID)] = name
}
