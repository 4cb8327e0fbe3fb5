// Package contracts checks what the module writes against what vendors publish: schemas and descriptions that are not
// part of this repository. They lie in the folder MSPKIT_CONTRACTS, or in ../shared/contracts beside the checkout.
package contracts

import (
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/require"

	"github.com/mspkit/mspkit"
	"github.com/mspkit/mspkit/internal/it/graphcontract"
	"github.com/mspkit/mspkit/teamsapp"
)

// cardSchema compiles the schema of Adaptive Cards. It names a draft of JSON Schema and an id under which it cannot be
// compiled any more; without them it means the same.
func cardSchema(t testing.TB) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(string(graphcontract.File(t, "adaptive-card-1.5.0.schema.json"))))
	require.NoError(t, err)
	m, ok := doc.(map[string]any)
	require.True(t, ok)
	delete(m, "$schema")
	delete(m, "id")
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft6)
	require.NoError(t, c.AddResource("card.json", m))
	s, err := c.Compile("card.json")
	require.NoError(t, err)
	return s
}

// cards are what the bot sends, and one with everything.
func cards() map[string]*teamsapp.Card {
	deny := teamsapp.Press{Title: "Not me", Verb: "deny", Data: map[string]string{"id": "v1"}, Danger: true, NoInputs: true}
	asked := teamsapp.Facts{{Name: "Asked by", Value: "Ann Smith"}, {Name: "For", Value: "Reset of your password"}, {Name: "Ticket", Value: "T-1234"}, {Name: "Began", Value: ""}}
	return map[string]*teamsapp.Card{
		"a verification request": {
			Summary: "Contoso IT asks: is this you on the phone?", Locale: "en-GB",
			Body: []teamsapp.Element{
				teamsapp.Heading{Text: "Is this you on the phone?"},
				teamsapp.Text{Text: "Somebody called the helpdesk and said to be you.\nIf that is you, type the number that the technician says."},
				asked,
				teamsapp.Input{ID: "number", Label: "The number that you hear", Placeholder: "3 digits", Required: true, Error: "Type the number", MaxLength: 16, Number: true},
				teamsapp.Section{Color: teamsapp.ColorWarning, Body: []teamsapp.Element{teamsapp.Text{Text: "If somebody called YOU, press not me.", Strong: true}}},
			},
			Actions: []teamsapp.Action{teamsapp.Press{Title: "This is me", Verb: "verify", Data: map[string]string{"id": "v1"}, Primary: true}, deny},
		},
		"a code": {
			Summary: "Contoso IT has a code for you", Locale: "de",
			Body: []teamsapp.Element{
				teamsapp.Heading{Text: "Ihr Code"},
				asked,
				teamsapp.Secret{Value: mspkit.Redact("481516"), Label: "Lesen Sie ihn dem Techniker vor"},
				teamsapp.Text{Text: "Er gilt 5 Minuten.", Subtle: true},
			},
			Actions: []teamsapp.Action{deny},
		},
		"an outcome": {
			Summary: "Confirmed",
			Body:    []teamsapp.Element{teamsapp.Heading{Text: "Confirmed"}, teamsapp.Text{Text: "Thank you. You can go back to your call.", Color: teamsapp.ColorGood}, asked},
		},
		"who is this": {
			Summary: "Who is calling you?", Locale: "en",
			Body: []teamsapp.Element{
				teamsapp.Columns{
					{teamsapp.Image{URL: "https://contoso.example/logo.png", Alt: "Contoso IT", Width: 48}},
					{teamsapp.Heading{Text: "Contoso IT is calling you"}, teamsapp.Text{Text: "The call began at 14:03, by Contoso IT.", Subtle: true}},
				},
				teamsapp.Facts{{Name: "Technician", Value: "Ann Smith"}, {Name: "Company", Value: "Contoso IT"}, {Name: "Ticket", Value: "T-1234"}},
				teamsapp.Input{ID: "word", Label: "The word that the caller says"},
			},
			Actions: []teamsapp.Action{
				teamsapp.Press{Title: "Check", Verb: "who", Primary: true},
				teamsapp.OpenURL{Title: "Our numbers", URL: "https://contoso.example/numbers"},
			},
		},
		"names that mean something": {
			Summary: "[click](https://evil.example) {{DATE(2017-02-14T06:08:39Z)}}",
			Body: []teamsapp.Element{
				teamsapp.Heading{Text: "<at>x</at>"}, teamsapp.Text{Text: "{{DATE(2017-02-14T06:08:39Z)}}"}, teamsapp.Facts{{Name: "**x**", Value: "a\nb\n\nc"}},
			},
		},
		"every color": {
			Summary: "x",
			Body: []teamsapp.Element{
				teamsapp.Text{Text: "x", Color: teamsapp.ColorAccent},
				teamsapp.Text{Text: "x", Color: teamsapp.ColorGood},
				teamsapp.Text{Text: "x", Color: teamsapp.ColorWarning},
				teamsapp.Text{Text: "x", Color: teamsapp.ColorAttention},
				teamsapp.Section{Body: []teamsapp.Element{teamsapp.Section{Color: teamsapp.ColorAccent, Body: []teamsapp.Element{teamsapp.Text{Text: "x"}}}}},
				teamsapp.Section{Color: teamsapp.ColorGood, Body: []teamsapp.Element{teamsapp.Text{Text: "x"}}},
				teamsapp.Section{Color: teamsapp.ColorAttention, Body: []teamsapp.Element{teamsapp.Text{Text: "x"}}},
				teamsapp.Section{Body: []teamsapp.Element{teamsapp.Facts{}}},
				teamsapp.Columns{{teamsapp.Facts{}}},
			},
		},
		"nothing but a summary": {Summary: "x"},
	}
}

func TestCardsKeepMicrosoftsSchema(t *testing.T) {
	t.Parallel()
	schema := cardSchema(t)
	for name, card := range cards() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, err := card.JSON()
			require.NoError(t, err)
			doc, err := jsonschema.UnmarshalJSON(strings.NewReader(string(b)))
			require.NoError(t, err)
			require.NoError(t, schema.Validate(doc), string(b))
		})
	}
}

// TestTheSchemaSeesBrokenCards holds the test above to be one that can fail.
func TestTheSchemaSeesBrokenCards(t *testing.T) {
	t.Parallel()
	schema := cardSchema(t)
	good, err := cards()["a verification request"].JSON()
	require.NoError(t, err)
	for name, change := range map[string][2]string{
		"an element of no type":    {`"type":"RichTextBlock"`, `"type":"RichText"`},
		"a name that is not known": {`"isRequired":true`, `"required":true`},
		"a number as text":         {`"maxLength":16`, `"maxLength":"16"`},
		"a style that is not":      {`"style":"destructive"`, `"style":"danger"`},
		"an input without id":      {`"id":"number",`, ``},
		"inputs for some":          {`"associatedInputs":"none"`, `"associatedInputs":"some"`},
		"a color that is not":      {`"style":"warning"`, `"style":"red"`},
		"msteams":                  {`"lang":"en-GB"`, `"lang":"en-GB","msteams":{"width":"Full"}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bad := strings.ReplaceAll(string(good), change[0], change[1])
			require.NotEqual(t, string(good), bad)
			doc, err := jsonschema.UnmarshalJSON(strings.NewReader(bad))
			require.NoError(t, err)
			require.Error(t, schema.Validate(doc))
		})
	}
}
