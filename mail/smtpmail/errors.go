package smtpmail

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/textproto"
	"strings"

	gomail "github.com/wneessen/go-mail"
	"github.com/wneessen/go-mail/smtp"

	"github.com/mspkit/mspkit/mail"
)

// ErrTLSRequired means that no connection could be had that is encrypted and whose certificate can be trusted.
// Nothing was sent, and trying again will not help until the server or the trust settings change.
var ErrTLSRequired = errors.New("smtpmail: trustworthy TLS is required")

// Error is a failed send. Its text holds the step and the codes, never an address or the server's words.
type Error struct {
	// Step is where it failed: connect, greeting, starttls, tls, auth, sender, recipient, data, content or result.
	Step string
	// Code is the server's reply code (RFC 5321, section 4.2), 0 where it gave none.
	Code int
	// Enhanced is the server's enhanced status code such as "5.1.1" (RFC 3463), or "".
	Enhanced string

	kinds []error
}

// Error returns for example "smtpmail: recipient: 550 5.1.1: mail: rejected".
func (e *Error) Error() string {
	s := []string{"smtpmail", e.Step}
	if e.Code != 0 {
		s = append(s, strings.TrimSpace(fmt.Sprintf("%d %s", e.Code, e.Enhanced)))
	}
	for _, k := range e.kinds {
		s = append(s, k.Error())
	}
	return strings.Join(s, ": ")
}

// Unwrap returns what the error means, see the package's table.
func (e *Error) Unwrap() []error { return e.kinds }

// byCode says what a reply means: temporary for 4yz and for none, permanent for 5yz.
func byCode(step string, code int, enhanced string, permanent error) *Error {
	e := &Error{Step: step, Code: code, Enhanced: enhanced, kinds: []error{mail.ErrTemporary}}
	if code >= 500 {
		e.kinds = []error{permanent}
	}
	return e
}

// replyCode returns the server's code in err, or 0.
func replyCode(err error) int {
	if t, ok := errors.AsType[*textproto.Error](err); ok {
		return t.Code
	}
	return 0
}

// tlsError tells a handshake that must not succeed from a network that failed in the middle of it.
func tlsError(err error) *Error {
	code := replyCode(err)
	_, verify := errors.AsType[*tls.CertificateVerificationError](err)
	_, record := errors.AsType[tls.RecordHeaderError](err)
	_, alert := errors.AsType[tls.AlertError](err)
	_, authority := errors.AsType[x509.UnknownAuthorityError](err)
	_, name := errors.AsType[x509.HostnameError](err)
	switch {
	case code >= 400 && code < 500:
		return &Error{Step: "starttls", Code: code, kinds: []error{ErrTLSRequired, mail.ErrTemporary}}
	case code != 0:
		return &Error{Step: "starttls", Code: code, kinds: []error{ErrTLSRequired}}
	case verify, record, alert, authority, name:
		return &Error{Step: "tls", kinds: []error{ErrTLSRequired}}
	}
	return &Error{Step: "tls", kinds: []error{mail.ErrTemporary}}
}

func authError(err error) *Error {
	if errors.Is(err, smtp.ErrUnencrypted) {
		return &Error{Step: "auth", kinds: []error{ErrTLSRequired}}
	}
	return byCode("auth", replyCode(err), "", mail.ErrAuth)
}

// sendError maps what go-mail says about the steps from MAIL to the reply to the complete message.
func sendError(err error) *Error {
	se, ok := errors.AsType[*gomail.SendError](err)
	if !ok {
		return &Error{Step: "result", kinds: []error{mail.ErrAmbiguous}} // not known: the careful answer
	}
	code, enhanced := se.ErrorCode(), se.EnhancedStatusCode()
	switch se.Reason {
	case gomail.ErrSMTPMailFrom:
		if code == 552 || code == 555 { // size and parameters concern the message
			return byCode("sender", code, enhanced, mail.ErrRejected)
		}
		return byCode("sender", code, enhanced, mail.ErrAuth)
	case gomail.ErrSMTPRcptTo:
		return byCode("recipient", code, enhanced, mail.ErrRejected)
	case gomail.ErrSMTPData:
		return byCode("data", code, enhanced, mail.ErrRejected)
	case gomail.ErrWriteContent, gomail.ErrConnCheck:
		// The dot that completes the message was never written, so the server must not deliver.
		return byCode("content", code, enhanced, mail.ErrRejected)
	case gomail.ErrGetSender, gomail.ErrGetRcpts, gomail.ErrNoUnencoded:
		return &Error{Step: "content", kinds: []error{mail.ErrRejected}}
	case gomail.ErrSMTPDataClose, gomail.ErrSMTPReset, gomail.ErrAmbiguous:
		// The message was complete: only a reply tells what became of it.
		if code != 0 {
			return byCode("result", code, enhanced, mail.ErrRejected)
		}
	}
	return &Error{Step: "result", kinds: []error{mail.ErrAmbiguous}}
}

// withContext adds why the caller's context ended, where it did.
func (e *Error) withContext(ctx context.Context) *Error {
	if err := ctx.Err(); err != nil {
		e.kinds = append(e.kinds, err)
	}
	return e
}
