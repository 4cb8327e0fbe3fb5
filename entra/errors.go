package entra

import "errors"

// The sentinels; the table in the package comment says what they mean and what to do.
var (
	// ErrNotConnected means that a tenant of the host's has no tenant of Microsoft 365, or not any more.
	ErrNotConnected = errors.New("entra: the tenant is not connected to Microsoft 365")
	// ErrOwned means that a tenant of Microsoft 365 is connected by another owner, who must release it first.
	ErrOwned = errors.New("entra: the Microsoft 365 tenant is connected elsewhere")
	// ErrTaken means that the same owner has connected the tenant of Microsoft 365 to another customer, or the customer to
	// another tenant of Microsoft 365. That connection must be released first.
	ErrTaken = errors.New("entra: the customer and the Microsoft 365 tenant are not free for each other")
	// ErrState means that a consent link was used already, is too old or was not made here.
	ErrState = errors.New("entra: the link was used already, is too old, or is not ours")
	// ErrStale means that a stored token has been exchanged by somebody else meanwhile: read it again.
	ErrStale = errors.New("entra: the token has been exchanged meanwhile")
	// ErrToken means that an id token is not one for this application and this sign-in. Ask the person to sign in again.
	ErrToken = errors.New("entra: the token is not accepted")
	// ErrUnavailable means that Microsoft Entra could not be asked now, such as for the keys that tokens are signed with.
	ErrUnavailable = errors.New("entra: Microsoft Entra cannot be reached")
	// ErrConsent means that the application has no consent in the tenant, or not any more.
	ErrConsent = errors.New("entra: consent is missing or was withdrawn")
	// ErrCredentials means that Entra did not accept the application's own secret, certificate or assertion.
	ErrCredentials = errors.New("entra: the application's credentials were refused")
	// ErrSignIn means that a person must sign in again, such as the partner whose refresh token was revoked.
	ErrSignIn = errors.New("entra: somebody must sign in again")
	// ErrTenantGone means that Entra knows no such tenant, or that it was closed.
	ErrTenantGone = errors.New("entra: the Microsoft 365 tenant does not exist or was closed")
	// ErrThrottled means that Entra refused for now because of too many requests.
	ErrThrottled = errors.New("entra: too many requests")
	// ErrRefused means that Entra refused for another reason.
	ErrRefused = errors.New("entra: the request was refused")
)
