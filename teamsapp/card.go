package teamsapp

import (
	"errors"

	"github.com/mspkit/mspkit"
)

// Card is an Adaptive Card. All texts in it are plain: what a text from outside may hold (names, tickets) is shown as it
// is and never becomes a link, a format or a function of the card.
type Card struct {
	// Summary is what the notification on a locked screen says, and what stands in place of the card where it cannot be
	// shown. It is required and must not hold what is in a [Secret].
	Summary string
	// Locale is the language of the texts, a BCP 47 tag.
	Locale  string
	Body    []Element
	Actions []Action
}

// Element is a part of a card: [Heading], [Text], [Facts], [Secret], [Input], [Image], [Columns] or [Section].
type Element interface{ element() any }

// Heading is a title.
type Heading struct{ Text string }

// Text is a paragraph.
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

// Fact is one name and value.
type Fact struct{ Name, Value string }

// Secret is shown large and is kept out of the summary, out of logs, and of every other text alternative.
type Secret struct {
	Value mspkit.Redacted[string]
	// Label says what it is.
	Label string
}

// Input is a field for one line of text.
type Input struct {
	// ID is its name in [Turn.Data].
	ID string
	// Label is required: a screen reader says it.
	Label       string
	Placeholder string
	// Required asks for a value before a button can be pressed; Error is then shown, and required.
	Required bool
	Error    string
	// MaxLength is in characters; 0 is no limit.
	MaxLength int
	// Number asks phones for the keypad with digits.
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

// Action is a button: [Press] or [OpenURL].
type Action interface{ action() any }

// Press is a button that the bot answers: Action.Execute with Action.Submit for clients that are too old for it.
type Press struct {
	Title string
	// Verb names the handler; see [Bot.Handle].
	Verb string
	// Data comes back with the turn. It must hold no secret and must not be trusted when it comes back.
	Data map[string]string
	// Primary is the button to press, Danger one that should make somebody think.
	Primary, Danger bool
	// NoInputs sends no fields and asks for none.
	NoInputs bool
}

// OpenURL is a button that opens a page. The URL must be https.
type OpenURL struct{ Title, URL string }

// SubmitVerb is the name in the data of an Action.Submit under which a [Press] carries its verb.
const SubmitVerb = "mspkitVerb"

// CardType is the content type of a card's attachment.
const CardType = "application/vnd.microsoft.card.adaptive"

// MarshalJSON returns the card as Teams takes it, with the secrets in it. The error says all that is wrong with it.
func (c *Card) MarshalJSON() ([]byte, error) { return nil, errors.New("not yet") }
