package teamsapp

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"strconv"
	"strings"
	"unicode"

	"github.com/mspkit/mspkit"
)

// How texts are drawn. A TextBlock and a Fact read Markdown, with links, and the functions {{DATE()}} and {{TIME()}}
// (https://learn.microsoft.com/adaptive-cards/authoring-cards/text-features,
// https://learn.microsoft.com/microsoftteams/platform/task-modules-and-cards/cards/cards-format). Backslashes do not
// help: Teams on Android and iOS shows them (https://github.com/MicrosoftDocs/msteams-docs/issues/5793), and the native
// renderers look for emphasis without regard to them (https://github.com/microsoft/AdaptiveCards/issues/5758).
// A RichTextBlock knows no Markdown, so that texts and facts are drawn with it; facts as rows of two columns. Some
// renderers still replace dates in its TextRuns (https://github.com/microsoft/AdaptiveCards/issues/6194), which is why
// "{{" before a letter is split over two runs. Only a TextBlock can be a heading for screen readers; there, and where a client makes a
// TextBlock of a text by itself (label and error of an input, the fallback text), characters that mean something become
// their full-width twins.
//
// A RichTextBlock does not break lines on all clients, so that each line is one.

// obj is a JSON object; encoding/json sorts its names, so that equal cards are equal bytes.
type obj = map[string]any

// JSON returns the card as Teams takes it, with the secrets in it. The error says all that is wrong with it, as
// [Card.Validate] does.
func (c *Card) JSON() ([]byte, error) { return c.encode(maxCard) }

// MarshalJSON refuses: a logger would write the secrets of a card inside another value. Use [Card.JSON].
func (c *Card) MarshalJSON() ([]byte, error) {
	return nil, fmt.Errorf("teamsapp: a card is encoded by its method JSON: %w", mspkit.ErrRedacted)
}

// Size returns the number of bytes of the card as JSON, also where it is not valid.
func (c *Card) Size() int {
	b, _ := c.json()
	return len(b)
}

// encode returns the card as JSON of at most limit bytes, or all that is wrong with it.
func (c *Card) encode(limit int) ([]byte, error) {
	if c == nil {
		return nil, fmt.Errorf("teamsapp: there is no card: %w", mspkit.ErrInvalid)
	}
	// Nothing is drawn before it is known that the texts are not too long.
	if err := c.faults(); err != nil {
		return nil, err
	}
	b, err := c.json()
	if err == nil && len(b) > limit {
		err = fmt.Errorf("teamsapp: card: it has %d bytes of at most %d: %w, %w", len(b), limit, mspkit.ErrInvalid, ErrTooLarge)
	}
	if err != nil {
		return nil, err
	}
	return b, nil
}

// json draws what can be drawn, whether the card is valid or not.
func (c *Card) json() ([]byte, error) {
	if c == nil {
		return nil, nil
	}
	out := obj{
		"type":         "AdaptiveCard",
		"$schema":      "http://adaptivecards.io/schemas/adaptive-card.json",
		"version":      CardVersion,
		"fallbackText": inert(visible(c.Summary)),
		"body":         drawAll(c.Body, 1),
	}
	if c.Locale != "" {
		out["lang"] = c.Locale
	}
	if actions := drawActions(c.Actions); len(actions) > 0 {
		out["actions"] = actions
	}
	return json.Marshal(out)
}

func drawAll(body []Element, depth int) []obj {
	out := []obj{}
	if depth > maxCardDepth {
		return out
	}
	for _, e := range body {
		out = append(out, draw(e, depth)...)
	}
	return out
}

// draw returns the objects of one element: none where there is nothing to show.
func draw(e Element, depth int) []obj {
	switch e := e.(type) {
	case Heading:
		return []obj{{
			"type": "TextBlock", "style": "heading", "size": "large", "weight": "bolder", "wrap": true,
			"text": inert(visible(e.Text)),
		}}
	case Text:
		return paragraphs(e.Text, e.style())
	case Facts:
		return e.draw()
	case Secret:
		return append(
			paragraphs(e.Label, obj{"isSubtle": true}),
			paragraphs(groupDigits(e.Value.Reveal()), obj{"size": "extraLarge", "weight": "bolder", "fontType": "monospace"})...)
	case Input:
		return []obj{e.draw()}
	case Image:
		return []obj{e.draw()}
	case Columns:
		return e.draw(depth)
	case Section:
		style := string(e.Color)
		if style == "" {
			style = "emphasis"
		}
		if items := drawAll(e.Body, depth+1); len(items) > 0 {
			return []obj{{"type": "Container", "style": style, "items": items}}
		}
	}
	return nil
}

func (t Text) style() obj {
	style := obj{}
	if t.Subtle {
		style["isSubtle"] = true
	}
	if t.Strong {
		style["weight"] = "bolder"
	}
	if t.Color != ColorDefault {
		style["color"] = string(t.Color)
	}
	return style
}

// paragraphs draws each line of s as a block. Lines that follow each other stand close, an empty one makes a gap.
func paragraphs(s string, style obj) []obj {
	var out []obj
	spacing := ""
	for line := range strings.Lines(visible(s)) {
		line = strings.TrimSpace(line)
		if line == "" {
			spacing = ""
			continue
		}
		block := obj{"type": "RichTextBlock", "inlines": runs(line, style)}
		if spacing != "" {
			block["spacing"] = spacing
		}
		out = append(out, block)
		spacing = "none"
	}
	return out
}

// function is what could begin a function of the card.
var function = regexp.MustCompile(`\{\{\pL`)

// runs draws one line, in more than one run where it holds what could begin a function.
func runs(s string, style obj) []obj {
	var out []obj
	for s != "" {
		end := len(s)
		if at := function.FindStringIndex(s); at != nil {
			end = at[0] + 1
		}
		run := obj{"type": "TextRun", "text": s[:end]}
		maps.Copy(run, style)
		out = append(out, run)
		s = s[end:]
	}
	return out
}

// draw makes a row of each fact. The columns' widths are shares of the card, so that the values stand in line.
func (f Facts) draw() []obj {
	var out []obj
	for _, fact := range f {
		value := paragraphs(fact.Value, nil)
		if len(value) == 0 {
			continue
		}
		row := obj{"type": "ColumnSet", "columns": []obj{
			{"type": "Column", "width": 2, "items": paragraphs(fact.Name, obj{"weight": "bolder"})},
			{"type": "Column", "width": 3, "items": value},
		}}
		if len(out) > 0 {
			row["spacing"] = "small"
		}
		out = append(out, row)
	}
	return out
}

func (i Input) draw() obj {
	out := obj{"type": "Input.Text", "id": i.ID, "label": inert(visible(i.Label))}
	if s := visible(i.Placeholder); s != "" {
		out["placeholder"] = s
	}
	if i.Required {
		out["isRequired"] = true
	}
	if s := visible(i.Error); s != "" {
		out["errorMessage"] = inert(s)
	}
	if i.MaxLength > 0 {
		out["maxLength"] = i.MaxLength
	}
	// No pattern: it would refuse the full-width digits of a Japanese keyboard, which the bot understands.
	if i.Number {
		out["style"] = "tel"
	}
	return out
}

func (i Image) draw() obj {
	out := obj{"type": "Image", "url": i.URL, "altText": visible(i.Alt)}
	if i.Width > 0 {
		out["width"] = strconv.Itoa(i.Width) + "px"
	}
	return out
}

func (c Columns) draw(depth int) []obj {
	columns := make([]obj, len(c))
	for n, body := range c {
		width := "auto"
		if n == len(c)-1 {
			width = "stretch"
		}
		columns[n] = obj{"type": "Column", "width": width, "items": drawAll(body, depth+1)}
	}
	return []obj{{"type": "ColumnSet", "columns": columns}}
}

func drawActions(actions []Action) []obj {
	var out []obj
	for _, a := range actions {
		switch a := a.(type) {
		case Press:
			out = append(out, a.draw())
		case OpenURL:
			out = append(out, obj{"type": "Action.OpenUrl", "title": visible(a.Title), "url": a.URL})
		}
	}
	return out
}

func (p Press) draw() obj {
	data, submitted := obj{}, obj{SubmitVerb: p.Verb}
	for k, v := range p.Data {
		data[k], submitted[k] = v, v
	}
	submit := obj{"type": "Action.Submit", "title": visible(p.Title), "data": submitted}
	execute := obj{"type": "Action.Execute", "title": visible(p.Title), "verb": p.Verb, "data": data}
	for _, a := range []obj{submit, execute} {
		switch {
		case p.Primary:
			a["style"] = "positive"
		case p.Danger:
			a["style"] = "destructive"
		}
		if p.NoInputs {
			a["associatedInputs"] = "none"
		}
	}
	execute["fallback"] = submit
	return execute
}

// Text returns what the card says as plain text, for logs of tests and screens that cannot draw: the summary, then
// headings, texts and facts, a line each. It never holds what is in a [Secret]: lines that repeat it are left out.
func (c *Card) Text() string {
	if c == nil {
		return ""
	}
	secrets := c.secrets()
	var lines []string
	add := func(s string) {
		for line := range strings.Lines(visible(s)) {
			if line = strings.TrimSpace(line); line != "" && !holds(line, secrets) {
				lines = append(lines, line)
			}
		}
	}
	add(c.Summary)
	walkCard(c.Body, "", func(_ string, _ int, e Element) {
		switch e := e.(type) {
		case Heading:
			add(e.Text)
		case Text:
			add(e.Text)
		case Facts:
			for _, f := range e {
				if visible(f.Value) != "" {
					add(f.Name + ": " + f.Value)
				}
			}
		}
	})
	// A secret may be broken over lines, too.
	if text := strings.Join(lines, "\n"); !holds(text, secrets) {
		return text
	}
	return ""
}

// visible drops what nobody sees from s and makes one kind of line break and space of many. Joiners and direction marks
// stay: Persian, Hindi and emoji need them. Overrides, isolates and other format characters reorder or hide what
// stands around them.
func visible(s string) string {
	s = strings.ReplaceAll(s, "\r\n", "\n")
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		switch {
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
}

// inert returns one line that reads like s and means nothing in Markdown, nor to what makes links of bare addresses.
func inert(s string) string {
	rs := []rune(s)
	lead := true // only digits so far, which a dot would make a list of
	for i, r := range rs {
		ahead := string(rs[i+1 : min(i+3, len(rs))])
		switch {
		case strings.ContainsRune("*_[]<>`~#|\\{}@", r),
			r == '&' && i+1 < len(rs) && (rs[i+1] == '#' || unicode.IsLetter(rs[i+1])),
			i == 0 && strings.ContainsRune("-+=", r),
			lead && i > 0 && (r == '.' || r == ')'),
			r == ':' && ahead == "//",
			r == '.' && i >= 3 && strings.EqualFold(string(rs[i-3:i]), "www"):
			rs[i] = r + 0xFEE0
		}
		lead = lead && r >= '0' && r <= '9'
	}
	return string(rs)
}

// groupDigits returns a code of digits in groups that stay on one line. A screen reader then reads it as a few short
// numbers, and people read it to others in that rhythm.
func groupDigits(s string) string {
	if len(s) < 6 || strings.ContainsFunc(s, func(r rune) bool { return r < '0' || r > '9' }) {
		return s
	}
	size := 4
	if len(s)%3 == 0 {
		size = 3
	}
	var b strings.Builder
	for i, r := range s {
		if i > 0 && i%size == 0 {
			b.WriteRune('\u00A0')
		}
		b.WriteRune(r)
	}
	return b.String()
}
