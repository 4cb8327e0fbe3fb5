package mspkit

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
)

// ErrRedacted is returned where a redacted value would have been encoded.
var ErrRedacted = errors.New("mspkit: a redacted value must not be encoded; call Reveal where it is really needed")

const redacted = "[redacted]"

// Redacted holds a value that must not appear in a log, an error or an encoding by accident: printing it
// with any verb gives "[redacted]", and encoding it as JSON, text, binary or gob is an error. Use
// [Redacted.Reveal] at the one place that needs the value; the name is easy to search for.
//
// Two of them are equal by == only where one is a copy of the other.
type Redacted[T any] struct {
	// fmt calls no method of a value in an unexported field: it prints what it finds there. Of a pointer to a pointer
	// that is an address, whatever the verb; what a single pointer leads to it may print.
	v **T
}

// Redact wraps v.
func Redact[T any](v T) Redacted[T] { return Redacted[T]{new(&v)} }

// Reveal returns the value; that of the zero Redacted is the zero value.
func (r Redacted[T]) Reveal() T {
	if r.v == nil {
		var zero T
		return zero
	}
	return **r.v
}

// String returns "[redacted]".
func (Redacted[T]) String() string { return redacted }

// GoString returns "[redacted]".
func (Redacted[T]) GoString() string { return redacted }

// Format prints "[redacted]" for every verb.
func (Redacted[T]) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, redacted) }

// LogValue makes slog print "[redacted]".
func (Redacted[T]) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalJSON always fails with [ErrRedacted].
func (Redacted[T]) MarshalJSON() ([]byte, error) { return nil, ErrRedacted }

// MarshalText always fails with [ErrRedacted].
func (Redacted[T]) MarshalText() ([]byte, error) { return nil, ErrRedacted }

// MarshalBinary always fails with [ErrRedacted].
func (Redacted[T]) MarshalBinary() ([]byte, error) { return nil, ErrRedacted }

// GobEncode always fails with [ErrRedacted].
func (Redacted[T]) GobEncode() ([]byte, error) { return nil, ErrRedacted }
