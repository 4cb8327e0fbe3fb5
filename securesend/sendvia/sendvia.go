package sendvia

import (
	"context"
	"errors"
	"fmt"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/mail"
	"github.com/mspkit/mspkit/teamsapp"
)

// failure is an error whose text can be shown, unlike that of its cause.
type failure struct {
	reason string
	err    error
}

func (f *failure) Error() string { return "sendvia: " + f.reason }
func (f *failure) Unwrap() error { return f.err }

// reasons says what may be shown of a cause. The first match counts.
var reasons = []struct {
	is     error
	reason string
}{
	{mail.ErrRejected, "the mail server refused the recipient or the message"},
	{mail.ErrAuth, "the mail server refused our credentials or sender, an administrator must look at it"},
	{mail.ErrNotSetUp, "no mailer is set up for this client, an administrator must do that"},
	{mail.ErrTemplate, "the mail template cannot be used, an administrator must look at it"},
	{mail.ErrAmbiguous, "it is not known whether the mail was sent"},
	{mail.ErrTemporary, "the mail server could not take the mail now"},
	{teamsapp.ErrNotInstalled, "the app is not installed in Teams for this person"},
	{teamsapp.ErrBlockedByUser, "the person has blocked the bot in Teams"},
	{teamsapp.ErrBlockedByAdmin, "the client's administrator has blocked the app in Teams"},
	{teamsapp.ErrUnknownTenant, foreignTenant},
	{teamsapp.ErrCredentials, "Microsoft refused the bot's credentials, an administrator must look at them"},
	{teamsapp.ErrThrottled, "Teams takes no more messages right now"},
	{teamsapp.ErrUnavailable, "Teams is not available right now, it is not known whether the message arrived"},
	{context.DeadlineExceeded, "there was no answer in time, it is not known whether the message arrived"},
	{context.Canceled, "sending was cancelled"},
	{mspkit.ErrInvalid, "the message cannot be written for this address"},
}

const foreignTenant = "this person's Microsoft 365 tenant does not belong to this client"

func fail(err error) error {
	if err == nil {
		return nil
	}
	for _, r := range reasons {
		if errors.Is(err, r.is) {
			return &failure{r.reason, err}
		}
	}
	return &failure{"the message could not be sent", err}
}

func missing(what string) error {
	return fmt.Errorf("sendvia: %s is required: %w", what, mspkit.ErrInvalid)
}
