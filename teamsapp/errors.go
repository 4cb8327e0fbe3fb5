package teamsapp

import "errors"

// The sentinels; the table in the package comment says what they mean and what to do.
var (
	// ErrNotFound means that a store has no such record.
	ErrNotFound = errors.New("not found")
	// ErrUnknownTenant means that an Entra tenant is not one of an onboarded customer.
	ErrUnknownTenant = errors.New("the tenant is not an onboarded customer's")
	// ErrNotInstalled means that the app is not installed for the person.
	ErrNotInstalled = errors.New("the app is not installed for this person")
	// ErrBlockedByUser means that the person has blocked the bot.
	ErrBlockedByUser = errors.New("the person has blocked the bot")
	// ErrBlockedByAdmin means that the customer's administrator has blocked the app.
	ErrBlockedByAdmin = errors.New("an administrator has blocked the app")
	// ErrConversationGone means that the conversation or message does not exist any more.
	ErrConversationGone = errors.New("the conversation does not exist any more")
	// ErrCredentials means that Teams or Entra did not accept the bot's credentials.
	ErrCredentials = errors.New("the bot's credentials were refused")
	// ErrCloud means that the bot, the tenant and the service URL belong to different clouds or regions.
	ErrCloud = errors.New("the bot does not belong to this cloud or tenant")
	// ErrServiceURL means that a service URL is not one of the cloud's; the bot's token was not sent there.
	ErrServiceURL = errors.New("the service URL is not one of the cloud's")
	// ErrTooLarge means that a message or card is larger than Teams takes.
	ErrTooLarge = errors.New("the message is too large")
	// ErrThrottled means that Teams refused for now because of too many requests.
	ErrThrottled = errors.New("too many requests")
	// ErrUnavailable means that Teams could not do it now; it may have been done all the same.
	ErrUnavailable = errors.New("the service is not available")
	// ErrRefused means that Teams refused the request for another reason.
	ErrRefused = errors.New("the request was refused")
	// ErrProtocol means that an answer cannot be understood; what was asked for may have been done.
	ErrProtocol = errors.New("the answer is not understood")
)
