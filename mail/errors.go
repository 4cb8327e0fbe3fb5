package mail

import "errors"

// The outcomes of [Mailer.Send] other than success. Test for them with errors.Is.
var (
	// ErrRejected means that the message or its recipient was refused for good.
	ErrRejected = errors.New("mail: rejected")
	// ErrTemporary means that nothing was sent and that a later try may succeed.
	ErrTemporary = errors.New("mail: temporarily not possible")
	// ErrAmbiguous means that the connection was lost after the message was handed over: it may or may not
	// arrive. A repeat with the same [Message.Key] has the same Message-ID, so that a duplicate is recognisable.
	ErrAmbiguous = errors.New("mail: outcome unknown")
	// ErrAuth means that the server refused our credentials or that we may not send: an administrator must act.
	ErrAuth = errors.New("mail: not allowed to send")
	// ErrTemplate means that a template is unusable. The text names the file.
	ErrTemplate = errors.New("mail: bad template")
)
