package workflows

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/mspkit/mspkit/internal/backlog"
)

// The sentinels; the table in the package comment says what they mean.
var (
	ErrURL          = errors.New("workflows: this is not the URL of a flow that can be posted to")
	ErrRetired      = errors.New("workflows: the URL is of a kind that Microsoft has switched off")
	ErrTooLarge     = errors.New("workflows: the post is too large")
	ErrUnauthorized = errors.New("workflows: the flow does not accept the URL as proof")
	ErrGone         = errors.New("workflows: the flow does not exist or is switched off")
	ErrRefused      = errors.New("workflows: the flow refused the post")
	ErrThrottled    = errors.New("workflows: too many posts")
	ErrUnavailable  = errors.New("workflows: Workflows could not be reached or could not do it now")
	ErrProtocol     = errors.New("workflows: the answer is not one of Workflows")
	ErrNotFound     = errors.New("workflows: there is no such connection or post")
	ErrState        = errors.New("workflows: the post is not in the state that this needs")
	ErrConflict     = errors.New("workflows: somebody else changed the connection at the same time")
	ErrTooMany      = errors.New("workflows: the tenant has too many connections")
	ErrRunning      = backlog.ErrRunning
)

// Error is a post that was not accepted. Its text is safe to log: it holds neither the URL nor anything of the post.
type Error struct {
	// Op is what was done: "test" or "post".
	Op string
	// Status is that of the answer; 0 where there was none.
	Status int
	// Code is Microsoft's code of the fault, such as "WorkflowTriggerIsNotEnabled"; empty where there was none.
	Code string
	// RetryAfter is how long Microsoft asks to wait; 0 where it does not.
	RetryAfter time.Duration
	// Unclear is set where the flow may have been started all the same, so that a repeat may be there twice.
	Unclear bool
	// Advice says in words what to do next.
	Advice string

	kind   error
	reason string // what happened, where there was no answer
	cause  error  // the end of the caller's context
}

// Error says what happened and what to do.
func (e *Error) Error() string {
	return fmt.Sprintf("%v: %s: %s", e.kind, e.Op, e.text())
}

// text is Error without the kind: what the connection's Fault shows.
func (e *Error) text() string {
	s := e.reason
	if e.Status != 0 {
		s = fmt.Sprintf("status %d", e.Status)
		if e.Code != "" {
			s += " " + e.Code
		}
	}
	if e.Advice != "" {
		s += ": " + e.Advice
	}
	return s
}

// Unwrap returns the sentinel, and the error of the caller's context where that ended.
func (e *Error) Unwrap() []error {
	if e.cause != nil {
		return []error{e.kind, e.cause}
	}
	return []error{e.kind}
}

// ofConnection reports whether the fault is the connection's, so that every other post would meet it as well.
func (e *Error) ofConnection() bool {
	return e.is(ErrUnauthorized, ErrGone, ErrProtocol, ErrURL)
}

// passing reports whether trying again later may help.
func (e *Error) passing() bool { return e.is(ErrThrottled, ErrUnavailable) }

func (e *Error) is(kinds ...error) bool {
	return slices.ContainsFunc(kinds, func(kind error) bool { return errors.Is(e.kind, kind) })
}
