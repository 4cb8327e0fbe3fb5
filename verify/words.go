package verify

import (
	"github.com/mspkit/mspkit/internal/sandbox"
	"github.com/mspkit/mspkit/internal/token"
)

// words are pairs of these: 64 × 64 combinations, two tries. They are short, concrete, and differ in sound, so
// that they survive a bad line.
var words = map[string][]string{
	"en": {
		"anchor", "apple", "arrow", "autumn", "bamboo", "basket", "beacon", "blanket",
		"bridge", "butter", "cactus", "camera", "candle", "castle", "cherry", "circus",
		"copper", "cotton", "dolphin", "dragon", "eagle", "engine", "falcon", "feather",
		"forest", "fountain", "garden", "ginger", "guitar", "hammer", "harbor", "helmet",
		"honey", "island", "jacket", "jungle", "kettle", "ladder", "lemon", "lion",
		"magnet", "marble", "meadow", "mirror", "monkey", "needle", "ocean", "orange",
		"panther", "pepper", "pillow", "planet", "pocket", "rabbit", "river", "saddle",
		"silver", "spider", "summer", "tiger", "tunnel", "velvet", "walnut", "winter",
	},
	"de": {
		"anker", "apfel", "ball", "banane", "baum", "berg", "besen", "biene",
		"birne", "blume", "boot", "brille", "brot", "dach", "ente", "esel",
		"eule", "feder", "fenster", "feuer", "fisch", "flasche", "flöte", "fuchs",
		"gabel", "garten", "geige", "glocke", "hafen", "hammer", "honig", "igel",
		"insel", "kamel", "kanne", "kerze", "kirsche", "koffer", "krone", "lampe",
		"leiter", "löwe", "mantel", "mauer", "mond", "nadel", "nebel", "orange",
		"papagei", "pinsel", "quelle", "rakete", "regen", "salz", "schlitten", "sonne",
		"spiegel", "tiger", "tulpe", "vogel", "wolke", "wurzel", "zebra", "zitrone",
	},
}

// newWord returns two words in the language of locale, English where there are none.
func newWord(locale string) string {
	list := byLocale(words, locale)
	return token.Pick(list) + " " + token.Pick(list)
}

// The answers of a tenant with these settings. A number or words that are given anew are never the old ones, which are
// dead, except in a sandbox.

func (s Settings) newNumber(old string) string {
	if s.Sandbox.On() {
		return sandbox.Number
	}
	return another(old, func() string { return token.Digits(3) })
}

func (s Settings) newWord(old, locale string) string {
	if s.Sandbox.On() {
		return sandbox.Word
	}
	return another(old, func() string { return newWord(locale) })
}

func (s Settings) newCode() string {
	if s.Sandbox.On() {
		return sandbox.Code[:s.Limits.CodeDigits]
	}
	return token.Digits(s.Limits.CodeDigits)
}

func another(old string, draw func() string) string {
	for {
		if s := draw(); s != old {
			return s
		}
	}
}
