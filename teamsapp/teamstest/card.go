package teamstest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/mspkit/mspkit/teamsapp"
)

// node is one object of a card.
type node map[string]any

func (n node) text(key string) string {
	s, _ := n[key].(string)
	return s
}

// parts are the keys below which further elements stand, in the order in which they are shown.
var parts = []string{
	"body", "columns", "items", "rows", "cells", "inlines", "images", "choices", "inlineAction", "selectAction", "actions", "card",
}

// walk visits n and all elements below it that are shown, in order.
func (n node) walk(visit func(n node)) {
	if shown, ok := n["isVisible"].(bool); ok && !shown {
		return
	}
	visit(n)
	for _, key := range parts {
		switch v := n[key].(type) {
		case map[string]any:
			node(v).walk(visit)
		case []any:
			for _, e := range v {
				if e, ok := e.(map[string]any); ok {
					node(e).walk(visit)
				}
			}
		}
	}
}

func readCard(raw json.RawMessage) (node, error) {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var n node
	if err := d.Decode(&n); err != nil || n == nil {
		return nil, fmt.Errorf("%w: it is no JSON object", ErrCard)
	}
	return n, nil
}

// checkCard refuses what Teams refuses: no Adaptive Card, a version above 1.5, which is what Teams shows
// (https://learn.microsoft.com/microsoftteams/platform/task-modules-and-cards/cards/cards-reference), and
// Action.Execute in a version below 1.4, where it does not exist yet.
func checkCard(raw json.RawMessage) error {
	n, err := readCard(raw)
	if err != nil {
		return err
	}
	if n.text("type") != "AdaptiveCard" {
		return fmt.Errorf("%w: its type is not AdaptiveCard", ErrCard)
	}
	major, minor, ok := strings.Cut(n.text("version"), ".")
	x, err1 := strconv.Atoi(major)
	y, err2 := strconv.Atoi(minor)
	switch {
	case !ok || err1 != nil || err2 != nil:
		return fmt.Errorf("%w: it has no version", ErrCard)
	case x != 1 || y > 5:
		return fmt.Errorf("%w: its version is above 1.5", ErrCard)
	}
	ids := map[string]bool{}
	n.walk(func(e node) {
		kind := e.text("type")
		switch {
		case kind == "Action.Execute" && y < 4:
			err = fmt.Errorf("%w: Action.Execute needs version 1.4", ErrCard)
		case strings.HasPrefix(kind, "Input.") && (e.text("id") == "" || ids[e.text("id")]):
			err = fmt.Errorf("%w: a field has no id of its own", ErrCard)
		case strings.HasPrefix(kind, "Input."):
			ids[e.text("id")] = true
		}
	})
	return err
}

// Texts returns every text of the message that a person can read, in order: the message's own and those of the card with
// its labels, placeholders and buttons. The summary is not among them. The runs of a RichTextBlock are one text. Markdown is
// left as it came: clients differ in what they make of it.
func (c Content) Texts() []string {
	var out []string
	add := func(s string) {
		if s != "" {
			out = append(out, s)
		}
	}
	add(c.Text)
	c.walk(func(e node) {
		kind := e.text("type")
		switch kind {
		case "RichTextBlock":
			add(e.joined())
		case "TextRun": // is part of it
		default:
			add(e.text("text"))
		}
		add(e.text("label"))
		add(e.text("title"))
		if kind == "Input.Text" {
			add(e.text("value")) // stands in the field already
		}
		facts, _ := e["facts"].([]any)
		for _, f := range facts {
			fact, _ := f.(map[string]any)
			add(node(fact).text("title"))
			add(node(fact).text("value"))
		}
		add(e.text("placeholder"))
		add(e.text("errorMessage"))
		add(e.text("altText"))
	})
	return out
}

// joined returns the text of a RichTextBlock.
func (n node) joined() string {
	var b strings.Builder
	inlines, _ := n["inlines"].([]any)
	for _, run := range inlines {
		switch run := run.(type) {
		case string:
			b.WriteString(run)
		case map[string]any:
			b.WriteString(node(run).text("text"))
		}
	}
	return b.String()
}

// Inputs returns the ids of the card's fields.
func (c Content) Inputs() []string {
	var out []string
	c.walk(func(e node) {
		if strings.HasPrefix(e.text("type"), "Input.") {
			out = append(out, e.text("id"))
		}
	})
	return out
}

// Buttons returns the titles of the card's buttons.
func (c Content) Buttons() []string {
	var out []string
	c.walk(func(e node) {
		if strings.HasPrefix(e.text("type"), "Action.") && e.text("title") != "" {
			out = append(out, e.text("title"))
		}
	})
	return out
}

func (c Content) walk(visit func(n node)) {
	if len(c.Card) == 0 {
		return
	}
	if n, err := readCard(c.Card); err == nil {
		n.walk(visit)
	}
}

// action finds a button by title or verb as the client shows it: an old client knows no Action.Execute and takes its
// fallback.
func (c Content) action(name string, old bool) (node, error) {
	var found node
	c.walk(func(e node) {
		kind := e.text("type")
		if found != nil || name == "" || !strings.HasPrefix(kind, "Action.") {
			return
		}
		data, _ := e["data"].(map[string]any)
		if e.text("title") != name && e.text("verb") != name && node(data).text(teamsapp.SubmitVerb) != name {
			return
		}
		if kind == "Action.Execute" && old {
			fallback, _ := e["fallback"].(map[string]any)
			if e = fallback; e.text("type") == "" {
				return
			}
		}
		if on, ok := e["isEnabled"].(bool); !ok || on {
			found = e
		}
	})
	if found == nil {
		return nil, fmt.Errorf("%w: %q is not among %q", ErrNoButton, name, c.Buttons())
	}
	return found, nil
}

// fill checks typed as the client does and returns the data that the button sends.
func (c Content) fill(action node, typed map[string]string) (map[string]any, error) {
	out := map[string]any{}
	if data, ok := action["data"].(map[string]any); ok {
		maps.Copy(out, data)
	}
	if strings.EqualFold(action.text("associatedInputs"), "none") {
		return out, nil
	}
	known := c.Inputs()
	for id := range typed {
		if !slices.Contains(known, id) {
			return nil, fmt.Errorf("%w: there is no field %q", ErrInput, id)
		}
	}
	var err error
	c.walk(func(e node) {
		if err != nil || !strings.HasPrefix(e.text("type"), "Input.") {
			return
		}
		var v any
		if v, err = e.value(typed); v != nil {
			out[e.text("id")] = v
		}
	})
	return out, err
}

// value returns what a field sends, nil for nothing.
func (n node) value(typed map[string]string) (any, error) {
	id := n.text("id")
	refuse := func(why string) (any, error) {
		return nil, fmt.Errorf("%w: %s %s, the client says %q", ErrInput, id, why, n.text("errorMessage"))
	}
	v, ok := typed[id]
	if !ok {
		switch given := n["value"].(type) {
		case string:
			v = given
		case json.Number:
			v = given.String()
		}
	}
	if required, _ := n["isRequired"].(bool); required && strings.TrimSpace(v) == "" {
		return refuse("is required")
	}
	longest, _ := n["maxLength"].(json.Number)
	if most, err := longest.Int64(); err == nil && most > 0 && int64(utf8.RuneCountInString(v)) > most {
		return refuse("is too long")
	}
	if pattern, err := regexp.Compile(n.text("regex")); err == nil && v != "" && !pattern.MatchString(v) {
		return refuse("does not have the form that is asked for")
	}
	switch n.text("type") {
	case "Input.Number":
		if v == "" {
			return nil, nil
		}
		if _, err := strconv.ParseFloat(v, 64); err != nil || !json.Valid([]byte(v)) {
			return refuse("is no number")
		}
		return json.Number(v), nil
	case "Input.Toggle":
		if v == "" {
			return or(n.text("valueOff"), "false"), nil
		}
	}
	return v, nil
}
