// Package cursor writes what a listing must remember between two pages as a short text, bound to whose listing it is.
//
//	text, err := cursor.Encode(state, "csvcontacts", tenant)
//	ok := cursor.Decode(text, &state, "csvcontacts", tenant)
//
// # Security
//
// The text is not secret and its sum has no key: it finds mistakes, such as the cursor of another tenant or a damaged
// one. Whoever decodes one checks each value as input from outside.
//
// # Concurrency
//
// The functions are pure.
//
// # Errors
//
// Encode fails only for what cannot be JSON; Decode says no more than that a text is none of ours.
package cursor

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
)

const sumBytes = 9

// Encode returns v as text that [Decode] takes with the same owner only.
func Encode(v any, owner ...string) (string, error) {
	body, err := json.Marshal(v)
	if err != nil {
		return "", fmt.Errorf("cursor: %w", err)
	}
	return Sign(body, owner...), nil
}

// Decode reads what Encode wrote into v. It returns false, and v is of no use, for every other text.
func Decode(text string, v any, owner ...string) bool {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(raw) < sumBytes || !bytes.Equal(raw[:sumBytes], sum(raw[sumBytes:], owner)) {
		return false
	}
	d := json.NewDecoder(bytes.NewReader(raw[sumBytes:]))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return false
	}
	_, err = d.Token()
	return errors.Is(err, io.EOF)
}

// Sign is Encode for a body that is JSON already, or that a test has forged.
func Sign(body []byte, owner ...string) string {
	return base64.RawURLEncoding.EncodeToString(append(sum(body, owner), body...))
}

// Body returns what a text says, unchecked, for tests.
func Body(text string) string {
	raw, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || len(raw) < sumBytes {
		return ""
	}
	return string(raw[sumBytes:])
}

// sum writes each length, so that two owners are never taken for others.
func sum(body []byte, owner []string) []byte {
	h := sha256.New()
	for _, t := range append(slices.Clip(owner), string(body)) {
		_, _ = fmt.Fprintf(h, "%d:%s", len(t), t)
	}
	return h.Sum(nil)[:sumBytes]
}
