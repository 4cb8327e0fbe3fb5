// Package aadsts says what the numbers of Microsoft Entra's errors mean to whoever asks for tokens in customers' tenants, and
// what an administrator can do. It is the one table of package entra and of internal/graphx, each of which has sentinels of
// its own for a [Kind].
package aadsts

// Kind is what an error asks for.
type Kind uint8

// The kinds.
const (
	// Unknown is an error that the tables do not have.
	Unknown Kind = iota
	// Consent means that the application has no consent in the tenant, or not any more.
	Consent
	// Denied means that the person, or what they ask for, is not known or not let in in this tenant; a new sign-in does not help.
	Denied
	// SignIn means that the sign-in behind a refresh token has ended, everywhere.
	SignIn
	// Person means that the person must do something in this tenant before they are let in, such as a second factor. It says
	// nothing of the refresh token.
	Person
	// Policy means that a policy of the tenant refused, such as Conditional Access.
	Policy
	// Credential means that the application's own secret, certificate or assertion was refused.
	Credential
	// Gone means that there is no such tenant, or not any more.
	Gone
	// Throttled means too many requests.
	Throttled
	// Unavailable means that Entra cannot say now.
	Unavailable
	// Malformed means that the request is wrong.
	Malformed
)

// Meaning is what an error means.
type Meaning struct {
	Kind Kind
	// Temporary says that the same request may succeed later without anybody doing anything.
	Temporary bool
	// Advice is what an administrator can do, in one sentence.
	Advice string
}

// Of returns the meaning of a number, 65001 for AADSTS65001.
func Of(number int) (Meaning, bool) {
	m, ok := numbers[number]
	return m, ok
}

// OfOAuth returns the meaning of an OAuth error code, or of the sub-error beside it, for answers without a number that is known.
func OfOAuth(code string) (Meaning, bool) {
	m, ok := words[code]
	return m, ok
}

const (
	adviceGuest   = "the account is not of this tenant: use one that is; for a partner's user remove its guest account there, or add it to the GDAP group of the relationship"
	adviceUnknown = "the application is not known in this tenant: send its administrator a new consent link, or check whether it is the right tenant"
	adviceTrust   = "no federated credential of the application fits the assertion: compare issuer, subject and audience"
	adviceProof   = "the application must prove itself with a secret, a certificate or an assertion: configure one"
	adviceMFA     = "multifactor authentication is required: sign in again and complete it"
	adviceEnroll  = "the user must register for multifactor authentication, then sign in again"
	adviceDevice  = "a Conditional Access policy asks for a managed device: exclude the application or the service user"
	adviceBusy    = "Entra is not available for a moment: try again later"
	adviceMany    = "too many requests for tokens: try again later, with fewer at once"
)

// numbers are the errors that administrators of MSPs meet. What is not in
// https://learn.microsoft.com/entra/identity-platform/reference-error-codes is from experience. Microsoft may change them; one
// that is not here still has the meaning of its OAuth code.
var numbers = map[int]Meaning{
	65001:   {Consent, false, "the application has no consent in this tenant: send its administrator a new consent link"},
	65004:   {Consent, false, "the person declined: ask again once they have seen what the permissions are for"},
	90094:   {Consent, false, "only an administrator can consent: forward the link to one"},
	700016:  {Consent, false, adviceUnknown},
	7000229: {Consent, false, adviceUnknown},
	7000112: {Consent, false, "the application is disabled in this tenant: ask the administrator to enable its enterprise application"},
	650052:  {Consent, false, "the tenant has no subscription for a service that the application asks for: check its permissions"},

	50020:  {Denied, false, adviceGuest},
	50177:  {Denied, false, adviceGuest},
	50034:  {Denied, false, "the user is not known in this tenant: the customer may have ended the relationship"},
	90072:  {Denied, false, "the user's account does not exist in this tenant: the customer may have ended the relationship"},
	50105:  {Denied, false, "the person is not assigned to the application: assign them, or turn off that assignment is required"},
	500011: {Denied, false, "the tenant does not know the service that was asked for: check the national cloud and the licence"},

	50089:  {SignIn, false, "the sign-in has expired: sign in again"},
	50132:  {SignIn, false, "the session was revoked: sign in again"},
	50133:  {SignIn, false, "the session ended because the password has expired or was changed: sign in again"},
	50173:  {SignIn, false, "the refresh token was revoked, such as by a new password: sign in again"},
	54005:  {SignIn, false, "the code was used already: begin again"},
	70008:  {SignIn, false, "the code or the refresh token has expired: sign in again"},
	70043:  {SignIn, false, "Conditional Access asks for a fresh sign-in: sign in again, and exclude the service user from the sign-in frequency"},
	700082: {SignIn, false, "the refresh token was not used for too long: sign in again"},
	700084: {SignIn, false, "the refresh token has reached its end: sign in again"},

	50053: {Person, true, "the account is locked, or the address is blocked: wait, then look at the sign-in log"},
	50055: {Person, false, "the password has expired: the user must change it, then sign in again"},
	50057: {Person, false, "the account is disabled: enable it or sign in with another one"},
	50072: {Person, false, adviceEnroll},
	50074: {Person, false, adviceMFA},
	50076: {Person, false, adviceMFA},
	50078: {Person, false, "multifactor authentication has expired: sign in again and complete it"},
	50079: {Person, false, adviceEnroll},
	50158: {Person, false, "Conditional Access asks for another check: sign in again and complete it"},

	53000:  {Policy, false, adviceDevice},
	53001:  {Policy, false, "a Conditional Access policy asks for a device that is joined to the domain: exclude the application or the service user"},
	53003:  {Policy, false, "a Conditional Access policy blocks the sign-in: exclude the application or the service user, or allow the address from which it asks"},
	530003: {Policy, false, adviceDevice},
	530034: {Policy, false, "a Conditional Access policy blocks the sign-in: exclude the application or the service user"},
	530035: {Policy, false, "the tenant's security defaults block the sign-in: sign in with multifactor authentication"},

	50011:   {Credential, false, "the redirect address is not registered with the application: add the one that the consent pages name"},
	70021:   {Credential, false, adviceTrust},
	700212:  {Credential, false, adviceTrust},
	700213:  {Credential, false, adviceTrust},
	700024:  {Credential, false, "the assertion is not valid at this time: check the clock of the machine that makes it"},
	700027:  {Credential, true, "the certificate is not known to Entra, or not yet: check that it is registered with the application, and try again in a few minutes"},
	7000215: {Credential, false, "the client secret is wrong: configure the secret's value, not its id"},
	7000216: {Credential, false, adviceProof},
	7000218: {Credential, false, adviceProof},
	7000222: {Credential, false, "the client secret has expired: create a new one and configure it"},

	50059:   {Gone, false, "the tenant was not found: check its id and the cloud setting"},
	90002:   {Gone, false, "the tenant does not exist: check its id and the cloud setting, and release the connection if it was closed"},
	900023:  {Gone, false, "the tenant's id or domain is not valid: check it"},
	5000224: {Gone, false, "the tenant is not available, it may have been blocked or closed: release the connection if it was closed"},

	50196: {Throttled, true, "too many requests for tokens in a loop: try again later"},
	90055: {Throttled, true, adviceMany},

	50000:  {Unavailable, true, "Entra could not issue the token: try again later"},
	90025:  {Unavailable, true, "Entra is busy: try again later"},
	90033:  {Unavailable, true, adviceBusy},
	650051: {Unavailable, true, "the application is being added to the tenant: try again in half a minute"},

	9002313: {Malformed, false, "the request is malformed: report it with the correlation id to whoever built this"},
}

var words = map[string]Meaning{
	"access_denied":           {Consent, false, "consent was refused: ask again once they have seen what the permissions are for"},
	"consent_required":        {Consent, false, "an administrator must consent: send them a new consent link"},
	"unauthorized_client":     {Consent, false, "the application may not do this, or is not known in the tenant: send its administrator a new consent link"},
	"bad_token":               {SignIn, false, "the sign-in is not accepted any more: sign in again"},
	"invalid_grant":           {SignIn, false, "the sign-in is not accepted any more: sign in again"},
	"login_required":          {SignIn, false, "the sign-in has ended: sign in again"},
	"token_expired":           {SignIn, false, "the sign-in has expired: sign in again"},
	"additional_action":       {Person, false, "Entra wants to see the user: sign in again"},
	"basic_action":            {Person, false, "Entra wants to see the user: sign in again"},
	"interaction_required":    {Person, false, "Entra wants to see the user: sign in again and complete multifactor authentication"},
	"message_only":            {Policy, false, "a policy of the tenant blocks the sign-in: exclude the application or the service user"},
	"invalid_client":          {Credential, false, "check the application's id and its secret, certificate or federated credential"},
	"server_error":            {Unavailable, true, "Entra failed: try again later"},
	"temporarily_unavailable": {Unavailable, true, adviceBusy},
}
