package teamsapp

import (
	"fmt"
	"io"
	"log/slog"

	"github.com/mspkit/mspkit"
)

const (
	// SubmitVerb is the name in the data of an Action.Submit under which a [Press] carries its verb.
	SubmitVerb = "mspkitVerb"
	// CardType is the content type of a card's attachment.
	CardType = "application/vnd.microsoft.card.adaptive"
	// CardVersion is the version of Adaptive Cards that a card asks for: the newest that Teams shows on all devices
	// (https://learn.microsoft.com/microsoftteams/platform/task-modules-and-cards/cards/cards-reference). A client that
	// is older shows [Card.Summary] instead.
	CardVersion = "1.5"
)

// Card is an Adaptive Card. All texts in it are plain: what a text from outside may hold (names, tickets) is shown as it
// is and never becomes a link, a format or a function of the card. Three things are not shown as they are: characters
// that nobody sees and that reorder or hide others are dropped; in a [Heading] and in [Input.Label] and [Input.Error],
// which clients read as Markdown, the characters with a meaning there are drawn as their full-width twins; and a text
// that is too long is a fault that [Card.Validate] names, because only the caller knows where to cut.
//
// A card does not change itself, so that it may be used by several goroutines as long as nobody writes to it.
type Card struct {
	// Summary is what the notification on a locked screen says, and what stands in place of the card where it cannot be
	// shown. It is required, one line of at most 200 characters, and must not hold what is in a [Secret].
	Summary string
	// Locale is the language of the texts, a BCP 47 tag, or empty.
	Locale string
	Body   []Element
	// Actions are the buttons below the card, at most six: more are cut off or hidden in a menu.
	Actions []Action
}

// hiddenCard stands for a card where it is printed.
const hiddenCard = "[card]"

// LogValue keeps cards out of logs: as JSON a card holds its secrets.
func (Card) LogValue() slog.Value { return slog.StringValue(hiddenCard) }

// Format prints "[card]" for every verb. Without it fmt would print the secrets of a pointer to a card in a struct
// where the verb does not fit ("%s"): there it asks no method of what is inside.
func (Card) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, hiddenCard) }

// Element is a part of a card: [Heading], [Text], [Facts], [Secret], [Input], [Image], [Columns] or [Section], as a
// value and not a pointer to one. Columns and sections may stand in each other, four elements deep in all.
type Element interface{ element() }

// Heading is a title of one line. Screen readers know it as a heading.
type Heading struct{ Text string }

// Text is a paragraph; line breaks in it are kept.
type Text struct {
	Text string
	// Subtle is for what matters less, Strong for what matters most.
	Subtle, Strong bool
	Color          Color
}

// Color is a meaning that the client paints in its theme.
type Color string

// The colors.
const (
	ColorDefault   Color = ""
	ColorAccent    Color = "accent"
	ColorGood      Color = "good"
	ColorWarning   Color = "warning"
	ColorAttention Color = "attention"
)

// Facts is a list of names and values. Facts without a value are left out.
type Facts []Fact

// Fact is one name and value. Line breaks in the value are kept.
type Fact struct{ Name, Value string }

// Secret is shown large and is kept out of the summary, out of logs, and of every other text alternative. Six or more
// digits without a space are shown in groups; verification codes are understood with and without them.
type Secret struct {
	Value mspkit.Redacted[string]
	// Label says what it is.
	Label string
}

// Format prints "[redacted]" for every verb, for the reason of [Card.Format].
func (Secret) Format(s fmt.State, _ rune) {
	_, _ = io.WriteString(s, mspkit.Redacted[string]{}.String())
}

// Input is a field for one line of text.
type Input struct {
	// ID is its name in [Turn.Data]: a letter, then letters, digits and underscores.
	ID string
	// Label is required: a screen reader says it.
	Label       string
	Placeholder string
	// Required asks for a value before a button can be pressed; Error is then shown, and required.
	Required bool
	Error    string
	// MaxLength is in characters; 0 is no limit. Some clients ignore it.
	MaxLength int
	// Number asks phones for the keypad with digits. It forbids nothing: digits of other scripts stay possible.
	Number bool
}

// Image is a picture at an https URL. Alt is required.
type Image struct {
	URL, Alt string
	// Width is in pixels; 0 is as large as it is, at most the card.
	Width int
}

// Columns stand side by side; each is as wide as it needs, but the last, which takes the rest.
type Columns [][]Element

// Section is a group with a background.
type Section struct {
	Color Color
	Body  []Element
}

func (Heading) element() {}
func (Text) element()    {}
func (Facts) element()   {}
func (Secret) element()  {}
func (Input) element()   {}
func (Image) element()   {}
func (Columns) element() {}
func (Section) element() {}

// Action is a button: [Press] or [OpenURL], as a value and not a pointer to one.
type Action interface{ action() }

// Press is a button that the bot answers: Action.Execute with Action.Submit for clients that are too old for it
// (https://learn.microsoft.com/microsoftteams/platform/task-modules-and-cards/cards/universal-actions-for-adaptive-cards/work-with-universal-actions-for-adaptive-cards).
type Press struct {
	Title string
	// Verb names the handler; see [Bot.Handle].
	Verb string
	// Data comes back with the turn. It must hold no secret and must not be trusted when it comes back. Its names are not
	// those of the card's fields.
	Data map[string]string
	// Primary is the button to press, Danger one that should make somebody think.
	Primary, Danger bool
	// NoInputs sends no fields and asks for none.
	NoInputs bool
}

// OpenURL is a button that opens a page. The URL must be https; http is for loopback addresses, for a program that is tried
// on one's own machine.
type OpenURL struct{ Title, URL string }

func (Press) action()   {}
func (OpenURL) action() {}

// maxCardDepth is how deep elements may stand in each other.
const maxCardDepth = 4

// walkCard calls visit for each element with its path, in the order in which they are read, and what stands in columns and
// sections after them. It goes one step deeper than is allowed, so that this can be told, and no further.
func walkCard(body []Element, path string, visit func(path string, depth int, e Element)) {
	walkCardFrom(body, path, 1, visit)
}

func walkCardFrom(body []Element, path string, depth int, visit func(string, int, Element)) {
	for i, e := range body {
		at := pathIndex(path, i)
		visit(at, depth, e)
		if depth > maxCardDepth {
			continue
		}
		switch e := e.(type) {
		case Columns:
			for j, column := range e {
				walkCardFrom(column, pathIndex(at, j), depth+1, visit)
			}
		case Section:
			walkCardFrom(e.Body, at+".body", depth+1, visit)
		}
	}
}
