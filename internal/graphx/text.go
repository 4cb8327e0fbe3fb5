package graphx

import (
	"bytes"
	"encoding/json"
	"reflect"
	"unicode/utf8"
)

// Text is a text in an answer that may be missing, or null, which is the same here. It does what a *string does where JSON
// is decoded into it, by one allocation in the place of two.
type Text struct {
	text  string
	there bool
}

// String returns the text, and "" where there is none.
func (t Text) String() string { return t.text }

// There reports whether there is a text, be it empty.
func (t Text) There() bool { return t.there }

// UnmarshalJSON implements [json.Unmarshaler].
func (t *Text) UnmarshalJSON(b []byte) error {
	switch kind := b[0]; {
	case kind == 'n':
		*t = Text{}
		return nil
	case kind != '"':
		return &json.UnmarshalTypeError{Value: kindOf(kind), Type: reflect.TypeFor[string]()}
	case literally(b[1 : len(b)-1]):
		*t = Text{string(b[1 : len(b)-1]), true}
		return nil
	}
	t.there = true
	return json.Unmarshal(b, &t.text)
}

// literally reports whether a text is written in JSON as it is. The decoder has seen that no control character is in it.
func literally(b []byte) bool { return bytes.IndexByte(b, '\\') < 0 && utf8.Valid(b) }

// kindOf names a value of JSON as encoding/json does.
func kindOf(first byte) string {
	switch first {
	case '{':
		return "object"
	case '[':
		return "array"
	case 't', 'f':
		return "bool"
	}
	return "number"
}
