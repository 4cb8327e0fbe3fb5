package workflows

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/teamsapp"
)

// cardVersion is the version that cards ask for here. The flows that Microsoft's templates make were documented with 1.4
// (https://support.microsoft.com/office/create-incoming-webhooks-with-workflows-for-microsoft-teams-8ae491c7-0394-4861-ba59-055e33f75498);
// nothing that a card uses of 1.5 is lost there: an older client shows a heading as large text.
const cardVersion = "1.4"

// Post is what is posted: a text, a card, or both.
type Post struct {
	// ID makes a repeat known: of two posts with the same id to one connection the second is not accepted again, for as
	// long as the first waits and for Options.Keep after. It is an id of at most 512 bytes, not a text: it is stored as a
	// hash, which can be guessed. Empty is a new post.
	ID string
	// Text is what a flow shows that takes text only; empty is the card as text. It is shown as it is: what could be read as
	// HTML, as a link with another text, or as the end of a text in JSON is drawn with characters that look alike.
	Text string
	// Card is what a flow shows that takes cards; nil is a card with the Text. It holds no [teamsapp.Secret], which
	// everybody in the channel and the run history would show, and no field or button but [teamsapp.OpenURL], since nobody
	// would answer.
	Card *teamsapp.Card
}

// payload is what is kept of a post until it was accepted. The body is made of it when it is sent, in the form that the
// connection has by then.
type payload struct {
	Text string          `json:"text"`
	Card json.RawMessage `json:"card"`
}

// message is the body on the wire.
type message struct {
	Type        string       `json:"type,omitempty"`
	Text        string       `json:"text,omitempty"`
	Attachments []attachment `json:"attachments,omitempty"`
}

type attachment struct {
	ContentType string          `json:"contentType"`
	ContentURL  *string         `json:"contentUrl"` // null, as in the template
	Content     json.RawMessage `json:"content"`
}

// body returns what is sent, or [ErrTooLarge] with its size and the limit.
func (p payload) body(f Form, limit int) ([]byte, error) {
	m := message{Type: "message", Text: p.Text, Attachments: []attachment{{ContentType: teamsapp.CardType, Content: p.Card}}}
	switch f {
	case FormText:
		m = message{Text: p.Text}
	case FormCard:
		m.Text = ""
	case FormBoth:
	}
	b, err := encode(m)
	if err != nil {
		return nil, fmt.Errorf("workflows: body: %w", err)
	}
	if len(b) > limit {
		hint := "make it shorter"
		if f == FormBoth {
			hint = "make it shorter, or choose one form for the connection: now text and card both count"
		}
		return nil, fmt.Errorf("%w: it has %d bytes as it is sent, the limit is %d: %s", ErrTooLarge, len(b), limit, hint)
	}
	return b, nil
}

// encode is json.Marshal without the escapes for HTML, which would count against the size.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
}

// payload checks p and returns what is kept of it. Faults are [mspkit.ErrInvalid].
func (p Post) payload(locale string) (payload, error) {
	if why := unshowable(p.Text); why != "" {
		return payload{}, fmt.Errorf("workflows: post: text: %s: %w", why, mspkit.ErrInvalid)
	}
	text := inert(p.Text)
	card := p.Card
	switch {
	case card == nil && text == "":
		return payload{}, fmt.Errorf("workflows: post: there is neither a text nor a card: %w", mspkit.ErrInvalid)
	case card == nil:
		card = &teamsapp.Card{Summary: firstLine(text), Locale: locale, Body: paragraphs(p.Text)}
	default:
		if err := checkCard(card); err != nil {
			return payload{}, err
		}
		if text == "" {
			text = inert(card.Text())
		}
	}
	return pack(text, card)
}

// pack draws the card.
func pack(text string, card *teamsapp.Card) (payload, error) {
	b, err := card.JSON()
	if err != nil {
		return payload{}, err
	}
	var c map[string]any
	if err := json.Unmarshal(b, &c); err != nil {
		return payload{}, fmt.Errorf("workflows: post: %w", err)
	}
	c["version"] = cardVersion
	if b, err = encode(c); err != nil { // again, without the escapes for HTML
		return payload{}, fmt.Errorf("workflows: post: %w", err)
	}
	return payload{Text: text, Card: b}, nil
}

// checkCard refuses what does not belong into a channel.
func checkCard(c *teamsapp.Card) error {
	var errs []error
	fault := func(what string) {
		errs = append(errs, fmt.Errorf("workflows: post: card: %s: %w", what, mspkit.ErrInvalid))
	}
	var walk func(body []teamsapp.Element, depth int)
	walk = func(body []teamsapp.Element, depth int) {
		if depth > 8 { // Card.JSON refuses it before
			return
		}
		for _, e := range body {
			switch e := e.(type) {
			case teamsapp.Secret:
				fault("it holds a secret, which everybody in the channel and the flow's run history would show: send it to one person with the bot")
			case teamsapp.Input:
				fault("it has a field, which nobody would read: a flow does not answer")
			case teamsapp.Columns:
				for _, column := range e {
					walk(column, depth+1)
				}
			case teamsapp.Section:
				walk(e.Body, depth+1)
			}
		}
	}
	walk(c.Body, 1)
	for _, a := range c.Actions {
		if _, ok := a.(teamsapp.Press); ok {
			fault("it has a button that asks the bot, which does not hear of it: use OpenURL")
		}
	}
	return errors.Join(errs...)
}

// Limits of the card that is made of a text.
const (
	maxSummary   = 200
	maxParagraph = 4000
)

// paragraphs makes elements of a text of any length, cut between words where there are some.
func paragraphs(s string) []teamsapp.Element {
	var out []teamsapp.Element
	for _, part := range split(strings.TrimSpace(s), maxParagraph) {
		if inert(part) != "" {
			out = append(out, teamsapp.Text{Text: part})
		}
	}
	return out
}

// split cuts s into parts of at most limit characters. Nothing but white space at a cut is lost.
func split(s string, limit int) []string {
	var out []string
	for rs := []rune(s); len(rs) > 0; {
		n := min(limit, len(rs))
		if n < len(rs) {
			for at := n; at > n/2; at-- {
				if unicode.IsSpace(rs[at]) {
					n = at
					break
				}
			}
		}
		out = append(out, strings.TrimSpace(string(rs[:n])))
		rs = rs[n:]
	}
	return out
}

// firstLine returns the first line of a text for a place that has room for one; the whole text stands elsewhere.
func firstLine(s string) string {
	line, _, more := strings.Cut(strings.TrimSpace(s), "\n")
	line = strings.TrimSpace(line)
	if utf8.RuneCountInString(line) > maxSummary-2 {
		line, more = string([]rune(line)[:maxSummary-2]), true
	}
	if more {
		line += " …"
	}
	return line
}

// inert returns a text that reads like s and in which nobody finds markup. A flow puts the text into a message that is
// HTML, into a card that reads Markdown, or between the quotation marks of the JSON of a card, and does not escape it: so
// that "<", ">", "\" and what joins the two halves of a Markdown link become their full-width twins, and a straight
// quotation mark a curly one. Entities (&lt;) can stay: they become characters, never tags. What nobody sees and what
// reorders the text around it is dropped, but for what some scripts need.
func inert(s string) string {
	s = strings.ReplaceAll(s, "\r\n", "\n")
	s = strings.TrimSpace(strings.Map(func(r rune) rune {
		switch {
		case r == '<':
			return '＜'
		case r == '>':
			return '＞'
		case r == '"':
			return '”'
		case r == '\\':
			return '＼'
		case r == '\n', r == '\r', r == '\u0085', r == '\u2028', r == '\u2029':
			return '\n'
		case r == '\t':
			return ' '
		case r == '\u200C', r == '\u200D', r == '\u200E', r == '\u200F', r == '\u061C':
			return r
		case unicode.In(r, unicode.Cc, unicode.Cf, unicode.Other_Default_Ignorable_Code_Point):
			return -1
		}
		return r
	}, s))
	return strings.NewReplacer("](", "］(", "][", "］[", "]:", "］:").Replace(s)
}

// linkless breaks what clients make a link or an address of by themselves.
var linkless = strings.NewReplacer("://", "：//", "@", "＠")

// bareHost is a host that clients make a link of although no scheme is there.
var bareHost = regexp.MustCompile(`(?i)\bwww\.`)

// quoted returns the text of a stranger as a flow gets it: inert, without links, and with a bar before each line, so that
// none of them passes for one of ours.
func quoted(s string) string {
	s = bareHost.ReplaceAllStringFunc(linkless.Replace(inert(s)), func(www string) string { return www[:3] + "．" })
	return "| " + strings.ReplaceAll(s, "\n", "\n| ")
}

// unshowable says why s cannot be shown, or nothing.
func unshowable(s string) string {
	if !utf8.ValidString(s) {
		return "it is not UTF-8"
	}
	if strings.ContainsFunc(s, func(r rune) bool { return unicode.IsControl(r) && !strings.ContainsRune("\r\n\t\u0085", r) }) {
		return "there is a control character in it"
	}
	return ""
}
