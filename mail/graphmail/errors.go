package graphmail

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/mspkit/mspkit/internal/graphx"
	"github.com/mspkit/mspkit/internal/httpx"
	"github.com/mspkit/mspkit/mail"
)

// ErrNotShared means that a mailbox is a person's, a room's or none at all, so that it is not to be used as a sender.
var ErrNotShared = errors.New("graphmail: not a shared mailbox")

// Error is what became of a call. Its text has no address and nothing that the server wrote but its codes.
type Error struct {
	// Op is what was tried.
	Op string
	// Status, Code and RequestID are those of Graph's answer; zero where there was none.
	Status          int
	Code, RequestID string
	// Advice is what an administrator can do.
	Advice string
	// Err is one of the outcomes of package mail, or [ErrNotShared].
	Err error
	// Cause is what happened below, or nil. Its text is safe, too.
	Cause error
}

// Error says what was tried, what Graph answered, and what can be done.
func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "graphmail: %s: %v", e.Op, e.Err)
	if e.Status != 0 {
		fmt.Fprintf(&b, " (status %d", e.Status)
		if e.Code != "" {
			fmt.Fprintf(&b, ", %s", e.Code)
		}
		if e.RequestID != "" {
			fmt.Fprintf(&b, ", request %s", e.RequestID)
		}
		b.WriteString(")")
	}
	if e.Advice != "" {
		b.WriteString(": " + e.Advice)
	}
	return b.String()
}

// Unwrap returns Err and Cause.
func (e *Error) Unwrap() []error {
	if e.Cause == nil {
		return []error{e.Err}
	}
	return []error{e.Err, e.Cause}
}

// Explain returns the advice, for those who show a problem to an administrator.
func (e *Error) Explain() string { return e.Advice }

func ambiguous(err error) bool { return errors.Is(err, mail.ErrAmbiguous) }

// failed turns an error of Graph into one of package mail. acts says that the call, if it got through, has sent a mail.
func (c *Client) failed(op string, err error, acts bool) error {
	if err == nil {
		return nil
	}
	e := &Error{Op: op, Err: mail.ErrTemporary, Cause: err, Advice: "try again later"}
	var graph *graphx.Error
	var auth *graphx.AuthError
	var creds *graphx.CredentialsError
	var out *httpx.Error
	var answer *graphx.AnswerError
	switch {
	case errors.As(err, &graph):
		c.byGraph(e, graph, acts)
	case errors.As(err, &auth):
		e.Advice = auth.Advice
		if !auth.Temporary {
			e.Err = mail.ErrAuth
		}
	case errors.As(err, &creds):
		e.Err, e.Advice = mail.ErrAuth, "connect the tenant to Microsoft 365 again"
	case errors.As(err, &answer):
		e.Advice = "Graph's answer could not be read"
		if acts {
			e.Err = mail.ErrAmbiguous
		}
	case errors.As(err, &out):
		e.Advice = "Graph could not be reached"
		if acts && out.Sent {
			e.Err, e.Advice = mail.ErrAmbiguous, "the answer got lost: the mail may have been sent"
		}
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		if acts {
			e.Err, e.Advice = mail.ErrAmbiguous, "it was given up while it was on its way: the mail may have been sent"
		}
	}
	return e
}

// advice is what an administrator can do about a code of Exchange. The codes are those of
// https://learn.microsoft.com/graph/errors and of answers seen; one that is missing here is judged by its status.
var advice = map[string]struct {
	err   error
	words string
}{
	"ErrorSendAsDenied":             {mail.ErrAuth, "the mailbox may not send from this address: choose the mailbox's own address as sender"},
	"ErrorAccessDenied":             {mail.ErrAuth, "the application may not use this mailbox: add it to the scope of the application's role Mail.Send, which takes up to two hours to work, or grant Mail.Send"},
	"MailboxNotEnabledForRESTAPI":   {mail.ErrAuth, "the mailbox is not in Exchange Online, or was removed: choose another one"},
	"ErrorInvalidUser":              {mail.ErrAuth, "the mailbox does not exist any more: choose another one"},
	"ResourceNotFound":              {mail.ErrAuth, "the mailbox does not exist any more: choose another one"},
	"Request_ResourceNotFound":      {mail.ErrAuth, "the mailbox does not exist any more: choose another one"},
	"ErrorInvalidRecipients":        {mail.ErrRejected, "Exchange does not take the recipient's address: correct it at the contact"},
	"ErrorMessageSizeExceeded":      {mail.ErrRejected, "the mail is larger than Exchange takes: send a link in the place of the files"},
	"ErrorMimeContentInvalid":       {mail.ErrRejected, "Exchange does not take the mail as it is"},
	"ErrorQuotaExceeded":            {mail.ErrAuth, "the mailbox is full: delete mails in it or give it a licence"},
	"ErrorSubmissionQuotaExceeded":  {mail.ErrTemporary, "the mailbox has sent as many mails as it may in a day"},
	"ErrorExceededMessageLimit":     {mail.ErrTemporary, "the mailbox has sent as many mails as it may for now"},
	"ErrorAccountSuspend":           {mail.ErrAuth, "Microsoft has blocked the mailbox because of what it sent: look at Restricted entities in the Defender portal"},
	"ErrorAccountSuspendShowTierUp": {mail.ErrAuth, "Microsoft has blocked the mailbox because of what it sent: look at Restricted entities in the Defender portal"},
}

func (c *Client) byGraph(e *Error, g *graphx.Error, acts bool) {
	e.Status, e.Code, e.RequestID, e.Advice = g.Status, g.Code, g.RequestID, g.Advice
	if a, ok := advice[g.Code]; ok {
		e.Err, e.Advice = a.err, a.words
		return
	}
	s := byStatus(e.Op, g.Status)
	if e.Err = s.Err; e.Advice == "" || g.Status == http.StatusRequestEntityTooLarge {
		e.Advice = s.Advice
	}
	if acts && (g.Status == http.StatusInternalServerError || g.Status == http.StatusBadGateway || g.Status == http.StatusGatewayTimeout) {
		e.Err, e.Advice = mail.ErrAmbiguous, "Exchange failed while it had the mail: it may have been sent"
	}
}

// byStatus judges a status of which no code tells more.
func byStatus(op string, status int) *Error {
	e := &Error{Op: op, Status: status, Err: mail.ErrTemporary, Advice: "try again later"}
	switch status {
	case 0, http.StatusRequestTimeout, http.StatusTooManyRequests, http.StatusConflict:
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusGone:
		e.Err, e.Advice = mail.ErrAuth, "the application may not do this: check its consent and that the mailbox is there"
	case http.StatusRequestEntityTooLarge:
		e.Err, e.Advice = mail.ErrRejected, "the mail is larger than Exchange takes: send a link in the place of the files"
	default:
		if status/100 == 4 {
			e.Err, e.Advice = mail.ErrRejected, "Exchange does not take the mail as it is"
		}
	}
	return e
}
