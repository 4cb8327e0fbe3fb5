package teamschannel

import (
	"context"
	"errors"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/teamsapp"
	"github.com/mspkit/mspkit/verify"
)

const foreignTenant = "this person's Microsoft 365 tenant does not belong to this client"

// failures maps what the bot returns to what may be stored and shown. The first match counts.
var failures = []struct {
	is        error
	reason    string
	permanent bool
}{
	{teamsapp.ErrNotInstalled, "the app is not installed in Teams for this person", true},
	{teamsapp.ErrBlockedByUser, "the person has blocked the bot in Teams", true},
	{teamsapp.ErrBlockedByAdmin, "the client's administrator has blocked the app in Teams", true},
	{teamsapp.ErrUnknownTenant, foreignTenant, true},
	{teamsapp.ErrCredentials, "Microsoft refused the bot's credentials, an administrator must look at them", true},
	{teamsapp.ErrServiceURL, "the chat is at an address that is not one of Microsoft's, an administrator must look at it", true},
	{teamsapp.ErrCloud, "the bot is set up for another Microsoft cloud or tenant, an administrator must look at it", true},
	{teamsapp.ErrTooLarge, "the card is larger than Teams takes", true},
	{teamsapp.ErrConversationGone, "the chat with this person is gone", false},
	{teamsapp.ErrThrottled, "Teams takes no more messages right now", false},
	{teamsapp.ErrProtocol, "Teams' answer was not understood, it is not known whether the card arrived", false},
	{context.DeadlineExceeded, "Teams did not answer in time, it is not known whether the card arrived", false},
	{context.Canceled, "sending was cancelled", false},
	{teamsapp.ErrUnavailable, "Teams is not available right now, it is not known whether the card arrived", false},
	{teamsapp.ErrRefused, "Teams refused the card", true},
	{mspkit.ErrInvalid, "no card can be written for this person or request", true},
}

func failure(err error) error {
	for _, f := range failures {
		if errors.Is(err, f.is) {
			return &verify.DeliveryError{Reason: f.reason, Permanent: f.permanent, Err: err}
		}
	}
	return &verify.DeliveryError{Reason: "the card could not be sent", Err: err}
}
