// Package langtag walks from a language tag to those that serve in its place.
package langtag

import (
	"iter"
	"strings"
)

// Normal returns a tag as texts are kept under: "de-at" for "de_AT".
func Normal(tag string) string { return strings.ToLower(strings.ReplaceAll(tag, "_", "-")) }

// Fallbacks yields "de-AT" and "de" for "de-AT": the tag as it is, and then each that is one part shorter. An empty tag
// yields nothing.
func Fallbacks(tag string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for tag != "" && yield(tag) {
			tag = tag[:max(strings.LastIndexByte(tag, '-'), 0)]
		}
	}
}
