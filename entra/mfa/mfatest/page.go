package mfatest

import (
	"html"
	"regexp"
)

// Page is what a page of the handler holds for a passkey.
type Page struct {
	// Options are for [Authenticator.Create] or [Authenticator.Get], Challenge is the field of the form with that name.
	Options, Challenge string
}

var (
	optionsAttribute = regexp.MustCompile(`data-options="([^"]*)"`)
	challengeField   = regexp.MustCompile(`name="challenge" value="([^"]*)"`)
)

// ReadPage reads options and challenge off a page. It reports false where there are none.
func ReadPage(body string) (Page, bool) {
	o, c := optionsAttribute.FindStringSubmatch(body), challengeField.FindStringSubmatch(body)
	if o == nil || c == nil {
		return Page{}, false
	}
	return Page{html.UnescapeString(o[1]), html.UnescapeString(c[1])}, true
}
