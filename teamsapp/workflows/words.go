package workflows

import "github.com/mspkit/mspkit/internal/langtag"

// words are the texts of one language.
type words struct {
	titles                             map[Event]string
	from, ticket, at, answer, somebody string
	cut                                string // with the numbers of characters that are shown and that there are
}

// The languages. A host that speaks others makes its own cards and calls [Service.Post].
var languages = map[string]*words{
	"en": {
		titles: map[Event]string{
			NewText: "New text message", LiveChat: "Somebody is waiting in the live chat", PortalChat: "New message in the portal chat",
		},
		from: "From", ticket: "Ticket", at: "Time", answer: "Answer", somebody: "(no name)",
		cut: "This message was cut: %d of %d characters are shown.",
	},
	"de": {
		titles: map[Event]string{
			NewText: "Neue Textnachricht", LiveChat: "Jemand wartet im Live-Chat", PortalChat: "Neue Nachricht im Portal-Chat",
		},
		from: "Von", ticket: "Ticket", at: "Zeit", answer: "Antworten", somebody: "(ohne Namen)",
		cut: "Diese Nachricht wurde gekürzt: %d von %d Zeichen sind zu sehen.",
	},
}

// hello is what [Service.Test] posts, in every language.
const hello = "Hello, World"

// wordsFor returns the texts for a locale, de for de-AT, and their language: English where there are none.
func wordsFor(locale string) (*words, string) {
	for tag := range langtag.Fallbacks(langtag.Normal(locale)) {
		if w := languages[tag]; w != nil {
			return w, tag
		}
	}
	return languages["en"], "en"
}
