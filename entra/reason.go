package entra

import (
	"context"
	"errors"
	"fmt"
)

// Reason says why a sign-in, a step-up or a logout was refused. It stands in [Event.Reason] and never changes its text.
type Reason string

// The reasons. Those of a token come with [ErrToken].
const (
	// ReasonState: this browser did not ask, asked for something else, has had its answer or took too long.
	ReasonState Reason = "state"
	// ReasonCookie: a cookie of the sign-in or the session does not open here: it was altered, or is of another owner,
	// application, sign-in or key.
	ReasonCookie Reason = "cookie"
	// ReasonReturn: the address to go to afterwards is no path of the host.
	ReasonReturn Reason = "return-address"
	// ReasonMixUp: the answer says that it is of another issuer than the one that was asked (RFC 9207).
	ReasonMixUp Reason = "mixed-up-issuer"
	// ReasonDeclined: the person cancelled at Microsoft, or nobody has consented to the application.
	ReasonDeclined Reason = "declined"
	// ReasonEntra: Entra refused for another reason, such as Conditional Access or a missing assignment.
	ReasonEntra Reason = "entra-refused"
	// ReasonCredentials: Entra did not accept the application's own secret.
	ReasonCredentials Reason = "application-credentials"
	// ReasonUnavailable: nobody knows now, try again.
	ReasonUnavailable Reason = "unavailable"
	// ReasonFailed: a fault of the host's, such as a store that does not answer.
	ReasonFailed Reason = "failed"

	// ReasonNoToken: the answer of the token endpoint has no id token.
	ReasonNoToken Reason = "no-id-token"
	// ReasonMalformed: the token or its claims cannot be read.
	ReasonMalformed Reason = "malformed-token"
	// ReasonAlgorithm: the token is not signed with RS256, such as by "none" or HS256.
	ReasonAlgorithm Reason = "algorithm"
	// ReasonKey: no key of that name is published.
	ReasonKey Reason = "unknown-key"
	// ReasonSignature: the signature is wrong, or its key does not sign for the issuer.
	ReasonSignature Reason = "signature"
	// ReasonVersion: the token is not of version 2.0.
	ReasonVersion Reason = "token-version"
	// ReasonIssuer: the issuer is not that of the token's tenant.
	ReasonIssuer Reason = "issuer"
	// ReasonPlaceholder: the issuer is the placeholder or the name of many tenants, which no token may have.
	ReasonPlaceholder Reason = "placeholder-issuer"
	// ReasonAudience: the token is for another application.
	ReasonAudience Reason = "other-application"
	// ReasonNonce: the token is of another sign-in.
	ReasonNonce Reason = "nonce"
	// ReasonNobody: the token names no tenant, person or subject.
	ReasonNobody Reason = "nobody"
	// ReasonExpired: the token is over.
	ReasonExpired Reason = "expired"
	// ReasonClock: the token is of the future: the clocks of the host and of Microsoft are more than 5 minutes apart.
	ReasonClock Reason = "clock-skew"
	// ReasonLife: the token does not say from when to when it is good, or is good for longer than any of Entra's.
	ReasonLife Reason = "lifetime"

	// ReasonPersonal: it is a personal Microsoft account.
	ReasonPersonal Reason = "personal-account"
	// ReasonTenant: people of this tenant may not sign in here.
	ReasonTenant Reason = "tenant"
	// ReasonGuest: the account is a guest in the tenant.
	ReasonGuest Reason = "guest"
	// ReasonGroups: the token does not list the groups that the host needs, because there are too many.
	ReasonGroups Reason = "group-overage"
	// ReasonAccount: the host knows no account of this person.
	ReasonAccount Reason = "no-account"
	// ReasonRole: the person has no role here; with app roles, the claim roles is missing.
	ReasonRole Reason = "no-role"
	// ReasonFresh: the token does not prove that the person has just given their credentials.
	ReasonFresh Reason = "not-fresh"
	// ReasonStrong: the token does not prove the authentication context that was asked for.
	ReasonStrong Reason = "not-strong"
	// ReasonPerson: somebody else signed in than whose session it is.
	ReasonPerson Reason = "other-person"
	// ReasonSession: the session that asked is over.
	ReasonSession Reason = "no-session"
	// ReasonSize: the session does not fit into a cookie.
	ReasonSize Reason = "session-too-large"

	// ReasonLogout: a token is no logout token.
	ReasonLogout Reason = "not-a-logout-token"
	// ReasonReplay: a logout token was used before.
	ReasonReplay Reason = "replay"
	// ReasonFlood: there were too many logouts.
	ReasonFlood Reason = "too-many"
)

// reasonTexts are what errors say. They have nothing of a token.
var reasonTexts = map[Reason]string{
	ReasonCookie: "a cookie does not open here", ReasonReturn: "the return address is no path of this host",
	ReasonMixUp: "the answer is of another issuer", ReasonNoToken: "the answer has no id token", ReasonMalformed: "its claims are not understood",
	ReasonAlgorithm: "it is not signed with RS256", ReasonKey: "its key is not known",
	ReasonSignature: "its signature is wrong, or its key does not sign for this issuer", ReasonVersion: "it is not of version 2.0",
	ReasonIssuer: "its issuer is not its tenant's", ReasonPlaceholder: "its issuer is a placeholder", ReasonAudience: "it is for another application",
	ReasonNonce: "it is of another sign-in", ReasonNobody: "it names no tenant, person or subject: the scope must have openid and profile",
	ReasonExpired: "it has expired", ReasonClock: "it is of the future: compare the clocks", ReasonLife: "it is good for too long, or does not say for how long",
	ReasonPersonal: "it is of a personal account", ReasonTenant: "its tenant may not sign in here", ReasonGuest: "guests may not sign in here",
	ReasonGroups: "it has too many groups to list them", ReasonAccount: "there is no account for this person", ReasonRole: "this person has no role here",
	ReasonFresh: "it does not prove that the person has just signed in", ReasonStrong: "it does not prove the authentication context that was asked for",
	ReasonPerson: "somebody else has signed in", ReasonSession: "the session is over", ReasonSize: "the session does not fit into a cookie",
	ReasonLogout: "it is no logout token", ReasonReplay: "it was used before", ReasonFlood: "there are too many requests",
}

// refusal is an error with a reason.
type refusal struct {
	reason   Reason
	sentinel error
	// who is the person of a token that was checked in full; nil is nobody.
	who *Identity
}

func (e *refusal) Error() string {
	if text := reasonTexts[e.reason]; text != "" {
		return fmt.Sprintf("%v: %s", e.sentinel, text)
	}
	return fmt.Sprintf("%v: %s", e.sentinel, string(e.reason))
}

// Unwrap returns the sentinel.
func (e *refusal) Unwrap() error { return e.sentinel }

// badToken says why a token is not accepted, without anything of the token.
func badToken(r Reason) error { return &refusal{reason: r, sentinel: ErrToken} }

// badState is an answer that does not belong to what this browser asked.
func badState(r Reason) error { return &refusal{reason: r, sentinel: ErrState} }

// of adds the person of a token whose signature was right to a refusal, for the audit.
func of(err error, who Identity) error {
	if e, ok := errors.AsType[*refusal](err); ok && e.who == nil {
		return &refusal{reason: e.reason, sentinel: e.sentinel, who: &who}
	}
	return err
}

// IdentityOf returns who signed in where err refuses a token that was checked in full and did not prove what was asked for, such as
// [ReasonTenant] or [ReasonFresh] of [Flow.Finish]. It is for audits and for saying what to do: they are not signed in.
func IdentityOf(err error) (Identity, bool) {
	if e, ok := errors.AsType[*refusal](err); ok && e.who != nil {
		return *e.who, true
	}
	return Identity{}, false
}

// Refuse returns an [ErrForbidden] with a reason of the host's own or of the list, for [SSOOptions.Resolve]. A reason of the
// host's is shown as [ReasonAccount] is, and stands in the audit as it is.
func Refuse(r Reason) error { return &refusal{reason: r, sentinel: ErrForbidden} }

// ReasonOf returns the reason of an error of this package: "" for nil, and [ReasonFailed] for an error that has no other.
func ReasonOf(err error) Reason {
	if err == nil {
		return ""
	}
	if e, ok := errors.AsType[*refusal](err); ok {
		return e.reason
	}
	for _, x := range []struct {
		sentinel error
		reason   Reason
	}{
		{ErrState, ReasonState},
		{ErrUnavailable, ReasonUnavailable},
		{ErrThrottled, ReasonUnavailable},
		{ErrConsent, ReasonDeclined},
		{ErrCredentials, ReasonCredentials},
		{ErrSignIn, ReasonEntra},
		{ErrTenantGone, ReasonEntra},
		{ErrRefused, ReasonEntra},
		{ErrForbidden, ReasonAccount},
		{ErrTooLarge, ReasonSize},
		{ErrNoSession, ReasonSession},
		{ErrToken, ReasonMalformed},
		{context.Canceled, ReasonUnavailable},
		{context.DeadlineExceeded, ReasonUnavailable},
	} {
		if errors.Is(err, x.sentinel) {
			return x.reason
		}
	}
	return ReasonFailed
}
